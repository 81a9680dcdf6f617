"""Right-hand side of the mean-field equations, docs/theory, section 2.2: one function for each way to average.

A state is one flat vector, the concatenation of: upper triangle of G by rows, S, strengths, xi_out, readout.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.averages.erf import erf_averages
from onlinemode.kernels.averages.erf_sums import Terms, erf_sum_averages
from onlinemode.kernels.averages.fields import Overlaps, Teacher, field_covariances
from onlinemode.kernels.averages.leaky import Slopes, leaky_averages
from onlinemode.kernels.averages.linear import linear_averages, linear_student_averages
from onlinemode.kernels.averages.nodes import node_averages
from onlinemode.kernels.averages.polynomials import Polynomials, polynomial_averages
from onlinemode.kernels.averages.records import make_averages
from onlinemode.kernels.averages.relu import relu_averages
from onlinemode.kernels.averages.units import Units
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.rule.step import Factors, Rule, decay_rate, descended, open_step


class System(NamedTuple):
    """The equations of motion; few arrays, since each takes time to hand over."""

    rule: Rule  # at N = 1: increments in units of 1/N
    sizes: tuple  # (K, M, P)
    teacher: Teacher
    teacher_readout: np.ndarray  # (M,)
    aid: np.ndarray | Terms | Units | Polynomials | Slopes | None  # what the averages need; nodes (count, r_B + P)
    state: np.ndarray  # (full state,)   of which the entries that move change
    active: np.ndarray  # (d,)   which those are
    error: np.ndarray  # (1,)   receives ε_g


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
def assemble(system, overlaps, factors, averages):
    """d/dα of the entries that move."""
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
    rate = np.empty(system.active.size)
    for i in range(rate.size):
        rate[i] = out[system.active[i]]
    return rate


@compiled
def erf_drift(y, system):
    """d/dα of the entries that move, for erf."""
    overlaps, factors = unpacked(system, y)
    Z, cross, w = field_covariances(overlaps, factors)
    averages = make_averages(*system.sizes)
    erf_averages(Z, cross, w, factors.readout.size, system.rule.noise, averages)
    return assemble(system, overlaps, factors, averages)


@compiled
def linear_drift(y, system):
    """The same for the linear activation."""
    overlaps, factors = unpacked(system, y)
    Z, cross, w = field_covariances(overlaps, factors)
    averages = make_averages(*system.sizes)
    linear_averages(Z, cross, w, factors.readout.size, system.rule.noise, averages)
    return assemble(system, overlaps, factors, averages)


@compiled
def relu_drift(y, system):
    """The same for relu."""
    overlaps, factors = unpacked(system, y)
    Z, cross, w = field_covariances(overlaps, factors)
    averages = make_averages(*system.sizes)
    relu_averages(Z, cross, w, factors.readout.size, system.rule.noise, averages)
    return assemble(system, overlaps, factors, averages)


@compiled
def erf_sum_drift(y, system):
    """The same for students that are sums of erfs; the aid is the terms of all units."""
    overlaps, factors = unpacked(system, y)
    Z, cross, w = field_covariances(overlaps, factors)
    averages = make_averages(*system.sizes)
    erf_sum_averages(Z, cross, w, factors.readout.size, system.rule.noise, system.aid, averages)
    return assemble(system, overlaps, factors, averages)


@compiled
def linear_student_drift(y, system):
    """The same for a linear student of other units, which are the aid."""
    overlaps, factors = unpacked(system, y)
    Z, cross, w = field_covariances(overlaps, factors)
    averages = make_averages(*system.sizes)
    linear_student_averages(Z, cross, w, factors.readout.size, system.rule.noise, system.aid, averages)
    return assemble(system, overlaps, factors, averages)


@compiled
def leaky_drift(y, system):
    """The same for units that are linear on each side of 0, whose slopes are the aid."""
    overlaps, factors = unpacked(system, y)
    Z, cross, w = field_covariances(overlaps, factors)
    averages = make_averages(*system.sizes)
    leaky_averages(Z, cross, w, factors.readout.size, system.rule.noise, system.aid, averages)
    return assemble(system, overlaps, factors, averages)


@compiled
def polynomial_drift(y, system):
    """The same for polynomials, which are the aid."""
    overlaps, factors = unpacked(system, y)
    Z, cross, w = field_covariances(overlaps, factors)
    averages = make_averages(*system.sizes)
    polynomial_averages(Z, cross, w, factors.readout.size, system.rule.noise, system.aid, averages)
    return assemble(system, overlaps, factors, averages)


@compiled
def node_drift(y, system):
    """The same for any activations, over normal nodes, which are the aid."""
    overlaps, factors = unpacked(system, y)
    averages = make_averages(*system.sizes)
    node_averages(system.rule, overlaps, factors, system.aid, averages)
    return assemble(system, overlaps, factors, averages)


# By the method of onlinemode.theory.averaging
DRIFTS = {"erf": erf_drift, "linear": linear_drift, "relu": relu_drift, "sums of erfs": erf_sum_drift,
          "linear student": linear_student_drift, "kinked units": leaky_drift, "polynomials": polynomial_drift,
          "nodes": node_drift}
