"""Dropout: hidden units and modes that a sample leaves out; docs/theory, section 15.

A sample learns with v∘r and s∘m in place of v and s, whose entries r and m are 0 or 1, and what it leaves out learns
nothing from it. So :func:`onlinemode.kernels.rule.step.sample` is called with other factors, and with gradients of its
own.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.random.uniforms import fill_below
from onlinemode.kernels.rule.step import Factors, Gradients, Small, sample


class Thinned(NamedTuple):
    """The student of one sample."""

    small: Small  # whose factors and gradients are those of this sample
    units: np.ndarray  # (K,)   r
    modes: np.ndarray  # (P,)   m


@compiled(inner=True, forceinline=True)
def make_thinned(dropout, small):
    """Space for the students of samples; None without dropout."""
    if dropout is None:
        return None
    K, _, P = small.sizes
    whole = small.factors
    factors = Factors(np.zeros(P), whole.xi_out, np.zeros(K), whole.teacher_readout)
    return Thinned(Small(small.sizes, factors, small.work, Gradients(np.zeros(P), small.gradients.xi_out, np.zeros(K))),
                   np.ones(K), np.ones(P))


@compiled(inner=True, forceinline=True)
def thin_out(dropout, thinned, small, streams, replica, number, seed):
    """Draw what sample ``number`` leaves out; ``streams`` are those of units and of modes."""
    if thinned is None:
        return
    fill_below(dropout.units, streams[0], replica, number, seed, thinned.units)
    fill_below(dropout.modes, streams[1], replica, number, seed, thinned.modes)
    factors, whole = thinned.small.factors, small.factors
    for k in range(thinned.units.size):
        factors.readout[k] = thinned.units[k] * whole.readout[k]
    for p in range(thinned.modes.size):
        factors.strengths[p] = thinned.modes[p] * whole.strengths[p]


@compiled(inner=True, forceinline=True)
def sample_thinned(rule, now, small, thinned, label, coefficients, j):
    """Learn from a sample, as :func:`onlinemode.kernels.rule.step.sample`, with the student that it has."""
    if thinned is None:
        return sample(rule, now, small, label, coefficients, j)
    within = sample(rule, now, thinned.small, label, coefficients, j)
    own, sums = thinned.small.gradients, small.gradients
    for k in range(thinned.units.size):
        sums.readout[k] += thinned.units[k] * own.readout[k]
        own.readout[k] = 0.0
    for p in range(thinned.modes.size):
        sums.strengths[p] += thinned.modes[p] * own.strengths[p]
        own.strengths[p] = 0.0
    return within
