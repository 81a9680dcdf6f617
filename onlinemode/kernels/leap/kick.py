"""The noise of many steps at once, from the increments of a few fresh samples: docs/theory, section 20.3.

The covariance of a step is never formed: increments of m samples, less their mean, each with a weight that is drawn,
have it in the mean.  With them come the parts of the mean increment that are smaller by 1/N.
"""

import math
from typing import NamedTuple

import numpy as np

from onlinemode.kernels.averages.drift import System, unpacked
from onlinemode.kernels.averages.fields import fields_at_node, fill_student_factors
from onlinemode.kernels.averages.increments import Increment, correction_part, fill_increment, make_increment
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.leap.lengths import add_curvature, scale_back
from onlinemode.kernels.random.chain_normals import fill_chain_normals
from onlinemode.kernels.random.philox import STREAM_LEAP_NORMAL
from onlinemode.kernels.rule.step import decay_rate, open_step, teacher_label

_SQRT2 = math.sqrt(2.0)
MOST_HALVINGS = 20  # of a kick, which then is left out
ROUNDING = 1e-12  # of G_pp, by which rounding may take a state out of the cone


class Samples(NamedTuple):
    """What the noise of a step comes from."""

    system: System  # the whole rule, with the teacher's factor; its averages are not looked at
    N: float
    count: int  # m, of a kick
    squared_lengths: np.ndarray | None  # (P,)   that modes keep; None where they do not


class Kick(NamedTuple):
    """Space for it."""

    normals: np.ndarray  # (r_B + P + 2 and one more, m)
    node: np.ndarray  # (r_B + P + 1,)
    G: np.ndarray  # (P, P)
    S: np.ndarray  # (P, M)   a view of the state, as the factors are
    along: np.ndarray  # (P, r_B)   L_XB
    across: np.ndarray  # (P, P)   L_X
    increment: Increment
    along_inputs: np.ndarray  # (P, r_B + P)   Σ c ωᵀ
    correction: np.ndarray  # (P, P)   f_1, its upper triangle
    change: np.ndarray  # (d,)
    before: np.ndarray  # (d,)


@compiled(inner=True)
def make_kick(samples, y):
    system = samples.system
    _, _, P = system.sizes
    r_B = system.teacher.factor.shape[1]
    overlaps, factors = unpacked(system, y)
    return Kick(np.empty((r_B + P + 3, samples.count)), np.empty(r_B + P + 1), overlaps.G, overlaps.S,
                np.empty((P, r_B)), np.empty((P, P)), make_increment(system.sizes, factors), np.empty((P, r_B + P)),
                np.empty((P, P)), np.empty(y.size), np.empty(y.size))


@compiled(inner=True)
def _look_at(state, active, inverse, y, G, S, along, across):
    """Make the factors those of a state; the smallest pivot, negative for one that no vectors have."""
    for i in range(y.size):
        state[active[i]] = y[i]
    position = 0
    for p in range(G.shape[0]):
        for q in range(p, G.shape[0]):
            G[p, q] = state[position]
            G[q, p] = state[position]
            position += 1
    return fill_student_factors(G, S, inverse, along, across)


@compiled(inner=True, inline="always")
def add_noise(samples, rule, y, rates, amount, key, kicks, space):
    """Let the noise of the time ``amount`` act on the state ``y``, in place, and the 1/N parts of the mean.

    Parameters
    ----------
    samples : Samples
    rule : Rule
        At N = 1, with the numbers of this time.
    y : array (d,)
        Changed.
    rates : array (d,)
        The drift there, of modes that do not keep their lengths.
    amount : float
    key : Key
    kicks : int
        That have been, the number of this one.
    space : Kick

    Returns
    -------
    int
        How often the kick was halved, since the state would have been one that no vectors have; −1 where the error
        of a sample is beyond bounds.
    """
    change, before, state, active = space.change, space.before, samples.system.state, samples.system.active
    inverse = samples.system.teacher.inverse
    pivot = _look_at(state, active, inverse, y, space.G, space.S, space.along, space.across)
    if not _draw(samples, rule, y, rates, amount, key, kicks, space):
        return -1
    inside = min(pivot, 0.0) - ROUNDING
    before[:] = y
    halvings, share = 0, 1.0
    while True:
        for i in range(y.size):
            y[i] = before[i] + share * change[i]
        if _look_at(state, active, inverse, y, space.G, space.S, space.along, space.across) >= inside:
            break
        halvings += 1
        share *= 0.5
        if halvings == MOST_HALVINGS:
            y[:] = before
            break
    scale_back(samples.squared_lengths, y, samples.system.sizes[1])
    return halvings


@compiled(inner=True)
def _two_weights(square):
    """A probability, the weight that has it and the other one: mean 0, variance 1, third moment √square."""
    share = 0.5 - 0.5 * np.sqrt(square / (4.0 + square))
    return share, np.sqrt((1.0 - share) / share), -np.sqrt(share / (1.0 - share))


@compiled(inner=True, inline="always")
def _draw(samples, rule, y, rates, amount, key, kicks, space):
    """Fill in ``space.change``; whether all errors are within bounds."""
    system, m, N = samples.system, samples.count, samples.N
    normals, node, increment, change = space.normals, space.node, space.increment, space.change
    along_inputs, correction, along, across = space.along_inputs, space.correction, space.along, space.across
    K, M, P = system.sizes
    active, teacher, batch = system.active, system.teacher, rule.batch
    r_B = teacher.factor.shape[1]
    dimensions = r_B + P
    fill_chain_normals(normals, dimensions + 2, m, STREAM_LEAP_NORMAL, key.replica, kicks * m, 1, key.seed)
    now, decay, work = open_step(rule, 1.0), decay_rate(rule), increment.small.work
    size = np.sqrt(batch * amount / (N * m))
    share, up, down = _two_weights(m / (batch * amount * N))
    up *= size
    down *= size
    total = 0.0
    change[:] = 0.0
    along_inputs[:] = 0.0
    correction[:] = 0.0
    squares = batch / m  # of the coefficients of one sample: those of a step are of all its samples
    pairs = batch * (batch - 1.0) / (m * max(m - 1.0, 1.0))
    for j in range(m):
        for r in range(dimensions + 1):
            node[r] = normals[r, j]
        weight = up if 0.5 * math.erfc(-normals[dimensions + 1, j] / _SQRT2) < share else down
        fields_at_node(node, teacher.factor, along, across, work)
        square = 0.0
        for r in range(dimensions):
            square += node[r] * node[r]
        label = teacher_label(rule, now, increment.small, node[dimensions], 0.0)
        if not fill_increment(rule, now, increment, label):
            return False
        for i in range(active.size):
            change[i] += weight * increment.full[active[i]]
        total += weight
        excess = squares * (square - dimensions) - pairs * square
        for p in range(P):
            c = increment.coefficients[0, p]
            for r in range(dimensions):
                along_inputs[p, r] += c * node[r]
            for q in range(p, P):
                correction[p, q] += correction_part(increment, excess, squares * decay, p, q)
    full = P * (P + 1) // 2 + P * M
    for i in range(active.size):  # less their mean, in which weight decay does not count
        lost = 0.0
        if active[i] < full:
            lost = (2.0 if active[i] < P * (P + 1) // 2 else 1.0) * decay * y[i]
        change[i] -= total * (rates[i] + lost) / batch
    if active.size > 0 and active[0] == 0:  # the modes move
        position = 0
        for p in range(P):
            for q in range(p, P):
                value = correction[p, q] + decay * decay * y[position]
                for r in range(dimensions):
                    value += pairs * along_inputs[p, r] * along_inputs[q, r]
                change[position] += amount / N * value
                position += 1
        add_curvature(samples.squared_lengths, y, rates, amount / N, change, P, M)
    return True
