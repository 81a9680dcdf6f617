"""The classical Runge-Kutta method on a given grid along the drift for erf, its adjoint, and rates from a costate.

The drift is a mean over parts, Σ_b share_b f_b: one for each task, or for each student that dropout may leave, or a
single one.  A step begins, has its middle and ends at three times; ``numbers`` (n, 3, 1 or parts, 9) has the numbers of
the problem there, of all parts or of each, and ``shares`` (n, 3, parts) those of the parts.
What is minimised is Σ_b (last_b · ε_b(end) + mean_b · ∫ε_b dα).  Formulas: docs/theory, section 14.6.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.averages.drift import System, drift_into, system_with
from onlinemode.kernels.averages.erf_reverse import erf_drift_reverse
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.rule.step import with_numbers

_TIME = (0, 1, 1, 2)  # of a stage: beginning, middle or end
LARGEST = 1e8  # of an entry; beyond it a run counts as diverged


class Parts(NamedTuple):
    """Of what the drift is the mean; all parts have the sizes, and the entries that move, of one system."""

    places: np.ndarray  # (parts, m)   where among the entries that move those of a part stand
    kept: np.ndarray  # (parts, m)   factors of these entries: 0 of what is left out, which learns nothing
    states: np.ndarray  # (parts, full state)   of which the entries that move change
    teacher_readouts: np.ndarray  # (parts, M)


@compiled(inner=True)
def _system_of(system, parts, part, rows):
    """The system of one part with its numbers, ``rows`` (1 or parts, 9)."""
    rule = with_numbers(system.rule, rows[min(part, rows.shape[0] - 1)])
    return System(rule, system.sizes, system.teacher, parts.teacher_readouts[part], system.aid, parts.states[part],
                  system.active, system.error)


@compiled(inner=True)
def _fill_own(y, parts, part, own):
    """The entries of a part."""
    for i in range(own.size):
        own[i] = parts.kept[part, i] * y[parts.places[part, i]]


@compiled(inner=True)
def _mean_drift(y, system, parts, rows, shares, own, slope, errors):
    """The mean of the drifts, and ε_g of each part."""
    slope[:] = 0.0
    rates = np.empty(own.size)
    for part in range(shares.size):
        _fill_own(y, parts, part, own)
        drift_into(own, _system_of(system, parts, part, rows), rates)
        errors[part] = system.error[0]
        for i in range(own.size):
            slope[parts.places[part, i]] += shares[part] * parts.kept[part, i] * rates[i]


@compiled(inner=True)
def _stage_state(y, h, stage, slopes, out):
    """The state of a stage, from the slopes of those before it."""
    length = 0.0 if stage == 0 else (h if stage == 3 else 0.5 * h)
    for i in range(y.size):
        out[i] = y[i] + length * slopes[stage - 1, i]  # row -1 of the first stage counts nothing


@compiled(inner=True)
def _advance(y, h, slopes):
    """y at the end of a step; whether it is within bounds."""
    within = True
    for i in range(y.size):
        y[i] += h / 6.0 * (slopes[0, i] + 2.0 * (slopes[1, i] + slopes[2, i]) + slopes[3, i])
        within = within and abs(y[i]) < LARGEST
    return within


@compiled
def forward(y, steps, numbers, shares, system, parts, stages, errors):
    """Integrate from y.

    Parameters
    ----------
    y : array (d,)
        The entries that move; receives those at the end.
    steps : array (n,)
        Lengths of the steps.
    numbers : array (n, 3, 1 or parts, 9)
        At beginning, middle and end of each.
    shares : array (n, 3, parts)
        Of the parts, at these times.
    system : System
        Its own numbers, state and teacher's readout do not count.
    parts : Parts
    stages : array (n, 4, d)
        Receives the states of the four stages of each step.
    errors : array (n + 1, 4, parts)
        Receives ε_g of each part at these, and in the last row at the end.

    Returns
    -------
    bool
        Whether it stays within bounds.
    """
    n = steps.size
    slopes, own = np.zeros((4, y.size)), np.empty(parts.places.shape[1])
    for i in range(n):
        for stage in range(4):
            now, time = stages[i, stage], _TIME[stage]
            _stage_state(y, steps[i], stage, slopes, now)
            _mean_drift(now, system, parts, numbers[i, time], shares[i, time], own, slopes[stage], errors[i, stage])
        if not _advance(y, steps[i], slopes):
            return False
    _mean_drift(y, system, parts, numbers[n - 1, 2], shares[n - 1, 2], own, slopes[0], errors[n, 0])
    return True


@compiled
def backward(over_end, steps, numbers, shares, system, parts, stages, mean_weights, over_rates, over_shares, costates):
    """The adjoint of :func:`forward`: exact derivatives of what it computes.

    Parameters
    ----------
    over_end : array (d,)
        Derivatives by the state at the end.
    steps, numbers, shares, system, parts, stages
        As there.
    mean_weights : array (parts,)
        Of the integral of each ε_g.
    over_rates : array (n, 3, 4)
        Receives the derivatives by the four learning rates at the three times of each step.
    over_shares : array (n, 3, parts)
        Receives those by the shares; where there is one part, nothing.
    costates : array (n + 1, d)
        Receives the derivatives by the state at the beginning of each step, and at the end.
    """
    n, d = steps.size, over_end.size
    m = parts.places.shape[1]
    costate, weight, over_y, rates = over_end.copy(), np.zeros(d), np.zeros((4, d)), np.zeros(4)
    own, slope, of_part, over_own = np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    over_rates[:] = 0.0
    over_shares[:] = 0.0
    costates[n] = costate
    for i in range(n - 1, -1, -1):
        h = steps[i]
        for stage in range(3, -1, -1):
            time = _TIME[stage]
            share = h / 6.0 if stage in (0, 3) else h / 3.0
            onward = 0.0 if stage == 3 else (h if stage == 2 else 0.5 * h)  # of this slope in the next stage
            for j in range(d):
                weight[j] = share * costate[j] + onward * over_y[min(stage + 1, 3), j]
            over_y[stage] = 0.0
            for part in range(shares.shape[2]):
                now = _system_of(system, parts, part, numbers[i, time])
                _fill_own(stages[i, stage], parts, part, own)
                for j in range(m):
                    of_part[j] = parts.kept[part, j] * weight[parts.places[part, j]]
                if shares.shape[2] > 1:
                    drift_into(own, now, slope)
                    for j in range(m):
                        over_shares[i, time, part] += of_part[j] * slope[j]
                        of_part[j] *= shares[i, time, part]
                erf_drift_reverse(own, of_part, share * mean_weights[part], now, over_own, rates)
                for j in range(m):
                    over_y[stage, parts.places[part, j]] += parts.kept[part, j] * over_own[j]
                for j in range(4):
                    over_rates[i, time, j] += rates[j]
        for j in range(d):
            for stage in range(4):
                costate[j] += over_y[stage, j]
            costates[i, j] = costate[j]


@compiled
def over_state(y, weights, rows, system, parts, over_y):
    """Derivatives of Σ_b weights_b · ε_b by the state.

    Parameters
    ----------
    y : array (d,)
        The entries that move.
    weights : array (parts,)
    rows : array (1 or parts, 9)
        The numbers of the problem.
    system, parts
        As for :func:`forward`.
    over_y : array (d,)
        Receives them.
    """
    m = parts.places.shape[1]
    own, none, over_own, rates = np.empty(m), np.zeros(m), np.empty(m), np.empty(4)
    over_y[:] = 0.0
    for part in range(weights.size):
        _fill_own(y, parts, part, own)
        erf_drift_reverse(own, none, weights[part], _system_of(system, parts, part, rows), over_own, rates)
        for j in range(m):
            over_y[parts.places[part, j]] += parts.kept[part, j] * over_own[j]


@compiled
def best_rate(y, costate, error_weight, row, system, bounds):
    """The learning rate η of the input modes that minimises p · f within bounds, with p the costate.

    The drift is f0 + η f1 + η² f2, so that it is −p·f1 / (2 p·f2), and the upper bound where p·f2 is not positive and
    p·f1 is negative.

    Parameters
    ----------
    y, costate : array (d,)
        The entries that move, and p; zeros where the error counts.
    error_weight : float
        Not 0: p is the derivatives of ε_g, so that the rate lowers ε_g fastest.
    row : array (9,)
        The other numbers of the problem.
    system : System
        As for :func:`forward`.
    bounds : tuple of two floats
        Least and largest rate.
    """
    weight, gradient, rates, numbers = costate.copy(), np.zeros(y.size), np.zeros(4), row.copy()
    slopes = np.zeros(2)  # of p·f by η, at η = 0 and 1: p·f1 and p·f1 + 2 p·f2
    for i in range(3):
        numbers[0] = max(float(i - 1), 0.0)
        erf_drift_reverse(y, weight, error_weight if i == 0 else 0.0, system_with(system, numbers), gradient, rates)
        if i == 0 and error_weight != 0.0:  # the derivatives of ε_g alone, where there is no costate
            for j in range(y.size):
                weight[j] = gradient[j]
        if i > 0:
            slopes[i - 1] = rates[0]
    linear, quadratic = slopes[0], 0.5 * (slopes[1] - slopes[0])
    if quadratic > 0.0:
        return min(max(-0.5 * linear / quadratic, bounds[0]), bounds[1])
    return bounds[1] if linear < 0.0 else bounds[0]


@compiled
def follow_greedily(y, steps, numbers, system, bounds, rates, errors):
    """Integrate with the rate that lowers ε_g fastest, found anew at each stage.

    Parameters
    ----------
    y : array (d,)
        The entries that move; receives those at the end.
    steps, numbers, system
        As for :func:`forward`, but for the learning rate of the input modes.
    bounds : tuple of two floats
        Least and largest rate.
    rates, errors : array (n + 1,)
        Receive the rate and ε_g at the beginning of each step, and at the end.

    Returns
    -------
    bool
        Whether it stays within bounds.
    """
    n = steps.size
    slopes, now, none = np.zeros((4, y.size)), np.empty(y.size), np.zeros(y.size)
    row = np.empty(numbers.shape[2])
    for i in range(n + 1):
        for stage in range(4 if i < n else 1):
            _stage_state(y, steps[i] if i < n else 0.0, stage, slopes, now)
            row[:] = numbers[i, _TIME[stage]] if i < n else numbers[n - 1, 2]
            row[0] = best_rate(now, none, 1.0, row, system, bounds)
            drift_into(now, system_with(system, row), slopes[stage])
            if stage == 0:
                rates[i], errors[i] = row[0], system.error[0]
        if i < n and not _advance(y, steps[i], slopes):
            return False
    return True
