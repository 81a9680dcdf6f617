"""The classical Runge-Kutta method on a given grid along the drift for erf, its adjoint, and rates from a costate.

A step begins, has its middle and ends at three times; ``numbers`` (n, 3, 7) has the numbers of the problem there.
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


@compiled
def forward(y, steps, numbers, system, stages, errors):
    """Integrate from y.

    Parameters
    ----------
    y : array (d,)
        The entries that move; receives those at the end.
    steps : array (n,)
        Lengths of the steps.
    numbers : array (n, 3, 7)
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
    slopes = np.empty((4, y.size))
    for i in range(steps.size):
        h = steps[i]
        for stage in range(4):
            now = stages[i, stage]
            now[:] = y
            if stage > 0:
                now += (h if stage == 3 else 0.5 * h) * slopes[stage - 1]
            slopes[stage] = erf_drift(now, _system_with(system, numbers[i, _TIME[stage]]))
            errors[i, stage] = system.error[0]
        y += h / 6.0 * (slopes[0] + 2.0 * (slopes[1] + slopes[2]) + slopes[3])
        for entry in y:
            if not abs(entry) < LARGEST:
                return False
    erf_drift(y, _system_with(system, numbers[-1, 2]))
    errors[-1] = system.error[0]
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
    d = end.size
    costate, weight, over_y, rates = np.empty(d), np.zeros(d), np.zeros((4, d)), np.zeros(4)
    erf_drift_reverse(end, weight, last_weight, _system_with(system, numbers[-1, 2]), costate, rates)
    costates[-1] = costate
    over_rates[:] = 0.0
    for i in range(steps.size - 1, -1, -1):
        h = steps[i]
        for stage in range(3, -1, -1):
            share = h / 6.0 if stage in (0, 3) else h / 3.0
            weight[:] = share * costate
            if stage < 3:  # the next stage begins with a part of this slope
                weight += (h if stage == 2 else 0.5 * h) * over_y[stage + 1]
            erf_drift_reverse(stages[i, stage], weight, share * mean_weight,
                              _system_with(system, numbers[i, _TIME[stage]]), over_y[stage], rates)
            over_rates[i, _TIME[stage]] += rates
        for stage in range(4):
            costate += over_y[stage]
        costates[i] = costate


@compiled
def best_rate(y, costate, error_weight, row, system, bounds):
    """The learning rate η of the input modes that minimises costate · f + error_weight · dε_g/dα within bounds.

    The drift is f0 + η f1 + η² f2; with p the weights of f in all, it is −p·f1 / (2 p·f2), and the upper bound where
    p·f2 is not positive and p·f1 is negative.

    Parameters
    ----------
    y, costate : array (d,)
        The entries that move, and their weights.
    error_weight : float
        Of the change of the generalization error.
    row : array (7,)
        The other numbers of the problem.
    system : System
        As for :func:`forward`.
    bounds : tuple of two floats
        Least and largest rate.
    """
    d = y.size
    weight, ignored, rates, numbers = costate.copy(), np.zeros(d), np.zeros(4), row.copy()
    if error_weight != 0.0:
        gradient = np.zeros(d)
        erf_drift_reverse(y, np.zeros(d), error_weight, _system_with(system, row), gradient, rates)
        weight += gradient
    numbers[0] = 0.0
    erf_drift_reverse(y, weight, 0.0, _system_with(system, numbers), ignored, rates)
    linear = rates[0]  # p·f1
    numbers[0] = 1.0
    erf_drift_reverse(y, weight, 0.0, _system_with(system, numbers), ignored, rates)
    quadratic = 0.5 * (rates[0] - linear)  # p·f2
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
    slopes, now, none = np.empty((4, y.size)), np.empty(y.size), np.zeros(y.size)
    row = np.empty(numbers.shape[2])
    for i in range(steps.size + 1):
        h = steps[i] if i < steps.size else 0.0
        for stage in range(4 if i < steps.size else 1):
            now[:] = y
            if stage > 0:
                now += (h if stage == 3 else 0.5 * h) * slopes[stage - 1]
            row[:] = numbers[i, _TIME[stage]] if i < steps.size else numbers[-1, 2]
            row[0] = best_rate(now, none, 1.0, row, system, bounds)
            slopes[stage] = erf_drift(now, _system_with(system, row))
            if stage == 0:
                rates[i], errors[i] = row[0], system.error[0]
        if i < steps.size:
            y += h / 6.0 * (slopes[0] + 2.0 * (slopes[1] + slopes[2]) + slopes[3])
        for entry in y:
            if not abs(entry) < LARGEST:
                return False
    return True
