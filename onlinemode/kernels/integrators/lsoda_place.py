"""Where an integration by LSODA stands, and what its steps are made of."""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.integrators.flow import ALPHA, RATES, STATE, STEP
from onlinemode.kernels.integrators.lsoda_coefficients import ADAMS, COEFFICIENTS, MOST_ORDER, STABLE
from onlinemode.kernels.jit import compiled

EPSILON = np.finfo(float).eps
SWITCH_EVERY = 20  # steps between two switches of the method, at least

# More rows of the work: all corrections of a step, weights of the norm, the slope of a Jacobian, one more
CORRECTION, WEIGHTS, SLOPE, SPARE = range(2, 6)
# More numbers
(BEGIN, LAST_STEP, CHANGE, COEFFICIENT, CONVERGENCE, LARGEST_FACTOR, LIPSCHITZ, LAST_LIPSCHITZ, JACOBIAN_NORM,
 SIZE, RATE, BEFORE, CORRECTED, SHIFT, ENTRY) = range(4, 19)
# More counts
(ORDER, METHOD, USED_METHOD, WAIT, STEPS, JACOBIAN_AT, OUTDATED, UNTIL_SWITCH, LIMITED, FAILURES, NEW_STEP,
 NOT_CONVERGED, DONE, FRESH, COLUMN) = range(4, 19)


class Lsoda(NamedTuple):
    """Where an integration stands; a call changes all of it."""

    history: np.ndarray  # (14, d)   h^j/j! times the derivatives of y, from j = 0 on: Nordsieck's
    work: np.ndarray  # (6, d)
    matrix: np.ndarray  # (d, d)   1 − h c J, factorized
    pivots: np.ndarray  # (d,)
    numbers: np.ndarray  # (19,)
    counts: np.ndarray  # (19,)


def make_place(y, begin):
    """An integration that has not begun."""
    d = y.size
    place = Lsoda(np.zeros((MOST_ORDER[ADAMS] + 2, d)), np.zeros((6, d)), np.zeros((d, d)), np.zeros(d, np.int64),
                  np.zeros(19), np.zeros(19, np.int64))
    place.history[0] = y
    place.numbers[ALPHA] = begin
    return place


@compiled(inner=True)
def norm(rows, row, work):
    """The largest weighted entry of a row."""
    largest = 0.0
    for i in range(rows.shape[1]):
        size = abs(rows[row, i]) * work[WEIGHTS, i]
        if not size <= largest:  # that also where it is NaN
            largest = size
    return largest


@compiled(inner=True)
def weigh(place, goal):
    """Take the weights of the norm."""
    history, work = place.history, place.work
    for i in range(work.shape[1]):
        work[WEIGHTS, i] = 1.0 / (goal.rtol * abs(history[0, i]) + goal.atol)


@compiled(inner=True)
def begin_anew(place, goal):
    """The first step, from the state and its rates."""
    history, work, numbers, counts = place.history, place.work, place.numbers, place.counts
    weigh(place, goal)
    tolerance = min(max(goal.rtol, 100.0 * EPSILON), 1e-3)
    scale = max(abs(numbers[ALPHA]), abs(goal.until))
    rate = norm(work, RATES, work)
    h = min(1.0 / np.sqrt(1.0 / (tolerance * scale * scale) + tolerance * rate * rate), goal.until - numbers[ALPHA])
    h /= max(1.0, h / goal.longest)
    for i in range(history.shape[1]):
        history[1, i] = h * work[RATES, i]
    numbers[STEP] = h
    numbers[LAST_STEP] = h
    numbers[CHANGE] = 0.0
    numbers[COEFFICIENT] = 1.0
    numbers[CONVERGENCE] = 0.7
    numbers[LARGEST_FACTOR] = 1e4
    numbers[LIPSCHITZ] = 0.0
    numbers[LAST_LIPSCHITZ] = 0.0
    for i in range(ORDER, counts.size):
        counts[i] = 0
    counts[ORDER] = 1
    counts[METHOD] = ADAMS
    counts[USED_METHOD] = ADAMS
    counts[WAIT] = 2
    counts[UNTIL_SWITCH] = SWITCH_EVERY
    take_coefficients(numbers, counts)


@compiled(inner=True)
def take_coefficients(numbers, counts):
    """Of the method and the order."""
    coefficient = COEFFICIENTS[counts[METHOD], counts[ORDER], 0]
    numbers[CHANGE] *= coefficient / numbers[COEFFICIENT]
    numbers[COEFFICIENT] = coefficient


@compiled(inner=True)
def scale_step(place, factor, longest):
    """Change the length of the step by a factor, as far as that may be."""
    history, numbers, counts = place.history, place.numbers, place.counts
    factor = min(factor, numbers[LARGEST_FACTOR])
    factor /= max(1.0, numbers[STEP] * factor / longest)
    if counts[METHOD] == ADAMS:
        counts[LIMITED] = 0
        product = max(numbers[STEP] * numbers[LAST_LIPSCHITZ], 1e-6)
        if factor * product * 1.00001 >= STABLE[counts[ORDER]]:
            factor = STABLE[counts[ORDER]] / product
            counts[LIMITED] = 1
    power = 1.0
    for j in range(1, counts[ORDER] + 1):
        power *= factor
        for i in range(history.shape[1]):
            history[j, i] *= power
    numbers[STEP] *= factor
    numbers[CHANGE] *= factor
    counts[WAIT] = counts[ORDER] + 1


@compiled(inner=True)
def predict(history, order, sign):
    """The Taylor polynomial one step later, or that undone."""
    for j in range(order - 1, -1, -1):
        for row in range(j, order):
            for i in range(history.shape[1]):
                history[row, i] += sign * history[row + 1, i]


@compiled(inner=True)
def copy_state(place):
    """Rates are wanted at the state."""
    for i in range(place.work.shape[1]):
        place.work[STATE, i] = place.history[0, i]
