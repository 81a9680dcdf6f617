"""Right-hand side of the mean-field equations, docs/theory, section 2.2.

A state is one flat vector, the concatenation of: upper triangle of G by rows, S, strengths, xi_out, readout.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.averages.fields import Overlaps, Teacher
from onlinemode.kernels.averages.methods import averages_at
from onlinemode.kernels.averages.records import make_averages
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.rule.step import Factors, Rule, decay_rate, descended, open_step, with_numbers


class System(NamedTuple):
    """The equations of motion; few arrays, since each takes time to hand over."""

    rule: Rule  # at N = 1: increments in units of 1/N
    sizes: tuple  # (K, M, P)
    teacher: Teacher
    teacher_readout: np.ndarray  # (M,)
    aid: NamedTuple  # what the averages need beside the overlaps, see methods.py
    state: np.ndarray  # (full state,)   of which the entries that move change
    active: np.ndarray  # (d,)   which those are
    error: np.ndarray  # (1,)   receives ε_g


@compiled(inner=True, forceinline=True)
def system_with(system, row):
    """The equations with other numbers, as :func:`onlinemode.kernels.rule.step.with_numbers` reads them."""
    return System(with_numbers(system.rule, row), system.sizes, system.teacher, system.teacher_readout, system.aid,
                  system.state, system.active, system.error)


@compiled(inner=True)
def unpacked(system, y):
    """Overlaps and factors of the state whose moving entries are ``y``."""
    K, M, P = system.sizes
    state = system.state
    for i in range(y.size):
        state[system.active[i]] = y[i]
    G = np.empty((P, P))
    position = 0
    for p in range(P):
        for q in range(p, P):
            G[p, q] = state[position]
            G[q, p] = state[position]
            position += 1
    S, strengths, xi_out = position, position + P * M, position + P * M + P
    readout = xi_out + K * P
    factors = Factors(state[strengths:xi_out], state[xi_out:readout].reshape((K, P)), state[readout:],
                      system.teacher_readout)
    return Overlaps(G, state[S:strengths].reshape((P, M)), system.teacher), factors


@compiled(inner=True)
def _assemble(system, overlaps, factors, averages, rate):
    """Fill in d/dα of the entries that move."""
    rule, G, S = system.rule, overlaps.G, overlaps.S
    K, M, P = system.sizes
    now = open_step(rule, 1.0)
    along, decay = rule.batch * now.along_input, decay_rate(rule)  # of all samples of a step
    out = np.empty(P * (P + 1) // 2 + P * M + P + K * P + K)
    back = np.empty((P, P + M))  # AᵀH
    for p in range(P):
        for x in range(P + M):
            total = 0.0
            for k in range(K):
                total += factors.xi_out[k, p] * averages.field[k, x]
            back[p, x] = total
    position = 0
    for p in range(P):
        for q in range(p, P):
            random_walk = 0.0  # (AsᵀV As)_pq, the η² term
            for k in range(K):
                for l in range(K):
                    random_walk += factors.xi_out[k, p] * averages.delta[k, l] * factors.xi_out[l, q]
            random_walk *= factors.strengths[p] * factors.strengths[q]
            out[position] = (along * (factors.strengths[p] * back[p, q] + factors.strengths[q] * back[q, p])
                             + rule.batch * now.along_input**2 * random_walk - 2.0 * decay * G[p, q])
            position += 1
    for p in range(P):
        for m in range(M):
            out[position] = along * factors.strengths[p] * back[p, P + m] - decay * S[p, m]
            position += 1
    for p in range(P):
        out[position] = descended(0.0, rule.rates.strengths, back[p, p])
        position += 1
    for k in range(K):
        for p in range(P):
            out[position] = descended(0.0, rule.rates.xi_out, averages.field[k, p] * factors.strengths[p])
            position += 1
    for k in range(K):
        out[position] = descended(0.0, rule.rates.readout, averages.activity[k])
        position += 1
    system.error[0] = averages.error[0]
    for i in range(rate.size):
        rate[i] = out[system.active[i]]


@compiled
def drift_into(y, system, out):
    """Fill out (d,) with d/dα of the entries that move, at the state where they are ``y``; ε_g goes to ``system``."""
    overlaps, factors = unpacked(system, y)
    averages = make_averages(*system.sizes)
    averages_at(system.aid, system.rule, overlaps, factors, averages)
    _assemble(system, overlaps, factors, averages, out)
