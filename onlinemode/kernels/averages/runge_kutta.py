"""The classical Runge-Kutta method on a given grid along the drift for erf, its adjoint, and rates from a costate.

A step begins, has its middle and ends at three times; ``numbers`` (n, 3, 9) has the numbers of the problem there.
What is minimised is last_weight · ε_g(end) + mean_weight · ∫ε_g dα.  Formulas: docs/theory, section 14.6.
"""

import numpy as np

from onlinemode.kernels.averages.drift import System, erf_drift
from onlinemode.kernels.averages.erf_reverse import erf_drift_reverse
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.rule.step import with_numbers

_TIME = (0, 1, 1, 2)  # of a stage: beginning, middle or end
LARGEST = 1e8  # of an entry; beyond it a run counts as diverged


@compiled(inner=True)
def _system_with(system, row):
    return System(with_numbers(system.rule, row), system.sizes, system.teacher, system.teacher_readout, system.aid,
                  system.state, system.active, system.error)


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
def forward(y, steps, numbers, system, stages, errors):
    """Integrate from y.

    Parameters
    ----------
    y : array (d,)
        The entries that move; receives those at the end.
    steps : array (n,)
        Lengths of the steps.
    numbers : array (n, 3, 9)
        At beginning, middle and end of each.
    system : System
        Its own numbers do not count.
    stages : array (n, 4, d)
        Receives the states of the four stages of each step.
    errors : array (n + 1, 4)
        Receives ε_g at these, and in the last row at the end.

    Returns
    -------
    bool
        Whether it stays within bounds.
    """
    n = steps.size
    slopes = np.zeros((4, y.size))
    for i in range(n + 1):
        for stage in range(4 if i < n else 1):
            now = stages[i, stage] if i < n else y
            row = numbers[i, _TIME[stage]] if i < n else numbers[n - 1, 2]
            if i < n:
                _stage_state(y, steps[i], stage, slopes, now)
            slopes[stage] = erf_drift(now, _system_with(system, row))
            errors[i, stage] = system.error[0]
        if i < n and not _advance(y, steps[i], slopes):
            return False
    return True


@compiled
def backward(end, steps, numbers, system, stages, weights, over_rates, costates):
    """The adjoint of :func:`forward`: exact derivatives of what it computes.

    Parameters
    ----------
    end : array (d,)
        The state at the end.
    steps, numbers, system, stages
        As there.
    weights : tuple of two floats
        Of ε_g at the end, and of its integral.
    over_rates : array (n, 3, 4)
        Receives the derivatives by the four learning rates at the three times of each step.
    costates : array (n + 1, d)
        Receives the derivatives by the state at the beginning of each step, and at the end.
    """
    last_weight, mean_weight = weights
    n, d = steps.size, end.size
    costate, weight, over_y, rates = np.zeros(d), np.zeros(d), np.zeros((4, d)), np.zeros(4)
    over_rates[:] = 0.0
    for i in range(n, -1, -1):  # n is the end
        h = steps[i] if i < n else 0.0
        for stage in range(3 if i < n else 0, -1, -1):
            share = h / 6.0 if stage in (0, 3) else h / 3.0
            onward = 0.0 if stage == 3 or i == n else (h if stage == 2 else 0.5 * h)  # of this slope in the next stage
            for j in range(d):
                weight[j] = share * costate[j] + onward * over_y[min(stage + 1, 3), j]
            now = stages[i, stage] if i < n else end
            row = numbers[i, _TIME[stage]] if i < n else numbers[n - 1, 2]
            erf_drift_reverse(now, weight, share * mean_weight if i < n else last_weight, _system_with(system, row),
                              over_y[stage], rates)
            if i < n:
                for j in range(4):
                    over_rates[i, _TIME[stage], j] += rates[j]
        for j in range(d):
            for stage in range(4 if i < n else 1):
                costate[j] += over_y[stage, j]
            costates[i, j] = costate[j]


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
        erf_drift_reverse(y, weight, error_weight if i == 0 else 0.0, _system_with(system, numbers), gradient, rates)
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
            slopes[stage] = erf_drift(now, _system_with(system, row))
            if stage == 0:
                rates[i], errors[i] = row[0], system.error[0]
        if i < n and not _advance(y, steps[i], slopes):
            return False
    return True
