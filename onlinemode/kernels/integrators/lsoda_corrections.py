"""The equation that an implicit step of LSODA solves: by iteration, or by Newton's method with an old Jacobian."""

import numpy as np

from onlinemode.kernels.integrators.flow import RATES, STATE, STEP
from onlinemode.kernels.integrators.lsoda_coefficients import ADAMS, BACKWARD, TESTS
from onlinemode.kernels.integrators.lsoda_matrices import factorized, norm_of_matrix, solved_in_place
from onlinemode.kernels.integrators.lsoda_place import (
    BEFORE,
    CHANGE,
    COEFFICIENT,
    COLUMN,
    CONVERGENCE,
    CORRECTED,
    CORRECTION,
    DONE,
    ENTRY,
    EPSILON,
    FRESH,
    JACOBIAN_AT,
    JACOBIAN_NORM,
    LAST_LIPSCHITZ,
    LIPSCHITZ,
    METHOD,
    ORDER,
    OUTDATED,
    RATE,
    SHIFT,
    SIZE,
    SLOPE,
    SPARE,
    STEPS,
    WEIGHTS,
    copy_state,
    norm,
)
from onlinemode.kernels.jit import compiled

MOST_CORRECTIONS = 3  # of a step, until a Jacobian is taken anew or the step is made shorter

# What a look at corrections leads to
CONVERGED, FAILED, ANOTHER, JACOBIAN = range(4)


@compiled(inner=True)
def begin_jacobian(place):
    """Ask for the rates at the state with its first entry shifted."""
    work = place.work
    for i in range(work.shape[1]):
        work[SLOPE, i] = work[RATES, i]
    least = 1000.0 * place.numbers[STEP] * EPSILON * work.shape[1] * norm(work, SLOPE, work)
    place.numbers[SHIFT] = 1.0 if least == 0.0 else least
    place.counts[COLUMN] = 0
    _shift(place)


@compiled(inner=True)
def _shift(place):
    work, numbers, j = place.work, place.numbers, place.counts[COLUMN]
    numbers[ENTRY] = work[STATE, j]
    work[STATE, j] += max(np.sqrt(EPSILON) * abs(numbers[ENTRY]), numbers[SHIFT] / work[WEIGHTS, j])


@compiled(inner=True)
def goes_on_with_jacobian(place):
    """Take a column of it; whether there is another one, for which rates are wanted."""
    work, numbers, counts, matrix = place.work, place.numbers, place.counts, place.matrix
    j = counts[COLUMN]
    shift = max(np.sqrt(EPSILON) * abs(numbers[ENTRY]), numbers[SHIFT] / work[WEIGHTS, j])
    factor = -numbers[STEP] * numbers[COEFFICIENT] / shift
    for i in range(work.shape[1]):
        matrix[i, j] = factor * (work[RATES, i] - work[SLOPE, i])
    work[STATE, j] = numbers[ENTRY]
    counts[COLUMN] += 1
    if counts[COLUMN] < work.shape[1]:
        _shift(place)
        return True
    return False


@compiled(inner=True)
def close_jacobian(place):
    """Factorize 1 − h c J; whether that can be done."""
    work, numbers, counts, matrix = place.work, place.numbers, place.counts, place.matrix
    numbers[JACOBIAN_NORM] = norm_of_matrix(matrix, work, WEIGHTS) / (numbers[STEP] * numbers[COEFFICIENT])
    for i in range(work.shape[1]):
        matrix[i, i] += 1.0
        work[RATES, i] = work[SLOPE, i]
    counts[OUTDATED] = 0
    numbers[CHANGE] = 1.0
    counts[JACOBIAN_AT] = counts[STEPS]
    numbers[CONVERGENCE] = 0.7
    counts[FRESH] = 1
    return factorized(matrix, place.pivots)


@compiled(inner=True)
def correct(place):
    """Make one correction from the rates at the state of the work, and say what is to be done.

    The sum of all is ``work[CORRECTION]``, and ``numbers[CORRECTED]`` its norm where it was one, else −1.
    """
    history, work, numbers, counts = place.history, place.work, place.numbers, place.counts
    h, c, d = numbers[STEP], numbers[COEFFICIENT], work.shape[1]
    method, done = counts[METHOD], counts[DONE]
    if done == 0:
        if counts[OUTDATED] and method == BACKWARD:
            return JACOBIAN
        for i in range(d):
            work[CORRECTION, i] = 0.0
    for i in range(d):
        work[SPARE, i] = h * work[RATES, i] - history[1, i] - work[CORRECTION, i]
    if method == BACKWARD:
        for i in range(d):
            work[SPARE, i] = h * work[RATES, i] - (history[1, i] + work[CORRECTION, i])
        solved_in_place(place.matrix, place.pivots, work, SPARE)
    change = norm(work, SPARE, work)
    for i in range(d):
        if method == ADAMS:
            work[CORRECTION, i] = h * work[RATES, i] - history[1, i]
        else:
            work[CORRECTION, i] += work[SPARE, i]
        work[STATE, i] = history[0, i] + c * work[CORRECTION, i]
    numbers[CORRECTED] = change if done == 0 else -1.0
    if change <= 100.0 * numbers[SIZE] * EPSILON:
        return CONVERGED
    if done > 0 or method == BACKWARD:
        if done > 0:
            ratio = change / numbers[BEFORE] if change <= 1024.0 * numbers[BEFORE] else 1024.0
            numbers[RATE] = max(numbers[RATE], ratio)
            numbers[CONVERGENCE] = max(0.2 * numbers[CONVERGENCE], ratio)
        test = TESTS[method, counts[ORDER], 1] * 0.5 / (counts[ORDER] + 2)
        if change * min(1.0, 1.5 * numbers[CONVERGENCE]) <= test:
            numbers[LIPSCHITZ] = max(numbers[LIPSCHITZ], numbers[RATE] / (h * c))
            if numbers[LIPSCHITZ] != 0.0:
                numbers[LAST_LIPSCHITZ] = numbers[LIPSCHITZ]
            return CONVERGED
    counts[DONE] = done + 1
    if counts[DONE] < MOST_CORRECTIONS and (counts[DONE] < 2 or change <= 2.0 * numbers[BEFORE]):
        numbers[BEFORE] = change
        return ANOTHER
    if method == ADAMS or counts[FRESH]:
        return FAILED
    counts[OUTDATED] = 1
    counts[DONE] = 0
    numbers[RATE] = 0.0
    copy_state(place)
    return ANOTHER
