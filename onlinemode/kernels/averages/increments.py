"""The increments of one step: of one sample, and their moments for the linear-noise theory; docs/theory, section 8."""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.averages.fields import fields_at_node, student_factors
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.rule.step import (
    Factors,
    Small,
    close_step,
    decay_rate,
    make_small,
    open_step,
    sample,
    teacher_label,
)


class Increment(NamedTuple):
    """What one sample changes, and the space for it."""

    small: Small  # the factors at which it is
    from_zero: Small  # the same work on factors that are 0: what a step makes of these is the increment
    coefficients: np.ndarray  # (1, P)   c, with which the input is added to the modes
    full: np.ndarray  # (full state,)   the increment


@compiled(inner=True)
def make_increment(sizes, factors):
    """Space for the increments of samples at these factors."""
    K, M, P = sizes
    small = make_small(sizes, factors)
    added = Factors(np.zeros(P), np.zeros((K, P)), np.zeros(factors.readout.size), factors.teacher_readout)
    return Increment(small, Small(small.sizes, added, small.work, small.gradients), np.empty((1, P)),
                     np.empty(P * (P + 1) // 2 + P * M + P + K * P + K))


@compiled(inner=True, forceinline=True)
def fill_increment(rule, now, increment, label):
    """Fill in N times what the sample at the fields in ``small.work`` adds to the state, by itself.

    Parameters
    ----------
    rule : Rule
        At N = 1, so that increments come in units of 1/N; weight decay, which is no random quantity, is left out.
    now : Step
        Of it.
    increment : Increment
    label : float

    Returns
    -------
    bool
        Whether its error is within bounds.
    """
    small, from_zero, coefficients, full = increment
    K, M, P = small.sizes
    c, work, added = coefficients[0], small.work, from_zero.factors
    added.strengths[:] = 0.0
    added.xi_out[:] = 0.0
    added.readout[:] = 0.0
    within = sample(rule, now, small, label, coefficients, 0)
    close_step(rule, now, from_zero)
    position = 0
    for p in range(P):
        for q in range(p, P):
            full[position] = c[p] * work.u[q] + c[q] * work.u[p] + c[p] * c[q]
            position += 1
    for p in range(P):
        for m in range(M):
            full[position] = c[p] * work.nu[m]
            position += 1
    for p in range(P):
        full[position] = added.strengths[p]
        position += 1
    for k in range(K):
        for p in range(P):
            full[position] = added.xi_out[k, p]
            position += 1
    for k in range(K):
        full[position] = added.readout[k]
        position += 1
    return within


@compiled(inner=True, forceinline=True)
def correction_part(increment, excess, decay, p, q):
    """Its part of f_1, the 1/N part of the mean increment of G_pq; ``excess`` is Σ(ω² − 1) of its normals."""
    c, u = increment.coefficients[0], increment.small.work.u
    return c[p] * c[q] * excess - decay * (c[p] * u[q] + c[q] * u[p])


@compiled
def increment_moments(rule, overlaps, factors, nodes, active, mean, covariance, correction):
    """Mean and covariance of N times the increment of one step, over normal nodes.

    Parameters
    ----------
    rule : Rule
        At N = 1, so that increments come in units of 1/N; weight decay, which is no random quantity, is
        left out of mean and covariance.
    overlaps : Overlaps
    factors : Factors
    nodes : array (count, r_B + P + 1)
        The last column is the label noise ζ.
    active : int array
        Entries of the full state (upper triangle of G, S, strengths, xi_out, readout) to keep.
    mean : array (len(active),), covariance : array (len(active), len(active)), correction : array (P, P)
        Filled; ``correction`` is f_1, the 1/N part of the mean increment of G.
    """
    K, P = factors.xi_out.shape
    M, r_B = overlaps.teacher.factor.shape
    decay = decay_rate(rule)
    along, across = student_factors(overlaps.G, overlaps.S, overlaps.teacher.inverse)
    now = open_step(rule, 1.0)
    increment = make_increment((K, M, P), factors)
    full, work = increment.full, increment.small.work
    mean[:] = 0.0
    covariance[:] = 0.0
    correction[:] = 0.0
    count = nodes.shape[0]
    for node in range(count):
        fields_at_node(nodes[node], overlaps.teacher.factor, along, across, work)
        excess = 0.0
        for r in range(r_B + P):
            excess += nodes[node, r] * nodes[node, r]
        excess -= r_B + P
        label = teacher_label(rule, now, increment.small, nodes[node, r_B + P], 0.0)
        fill_increment(rule, now, increment, label)
        for p in range(P):
            for q in range(P):
                correction[p, q] += correction_part(increment, excess, decay, p, q) / count
        for i in range(active.size):
            mean[i] += full[active[i]] / count
            for j in range(i + 1):
                covariance[i, j] += full[active[i]] * full[active[j]] / count
    for i in range(active.size):
        for j in range(i + 1):
            covariance[i, j] -= mean[i] * mean[j]
            covariance[j, i] = covariance[i, j]
    for p in range(P):
        for q in range(P):
            correction[p, q] += decay * decay * overlaps.G[p, q]
