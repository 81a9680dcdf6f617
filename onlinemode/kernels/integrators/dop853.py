"""DOP853, as an integrator that asks for rates: docs/theory, section 2.6.

Steps and their control are those of SciPy's DOP853.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.integrators.dop853_coefficients import (
    ALL_STAGES,
    DENSE,
    ERROR_3,
    ERROR_5,
    STAGES,
    TIMES,
    WEIGHTS,
)
from onlinemode.kernels.integrators.flow import (
    ALPHA,
    DIVERGED,
    ERROR,
    EVALUATIONS,
    FINISHED,
    GAVE_UP,
    NO_RATES,
    PAUSED,
    PHASE,
    RATES,
    RATES_WANTED,
    REJECTED,
    SAVED,
    SMALL_ERROR,
    START,
    STATE,
    STEP,
    TOO_MANY,
    WHEN,
    all_finite,
)
from onlinemode.kernels.jit import compiled

SAFETY, LEAST_FACTOR, LARGEST_FACTOR, EXPONENT = 0.9, 0.2, 10.0, -0.125  # of the control of steps

# One more row of the work: the end of a step
NEW = 2
# More numbers: of the step that is made
END, LENGTH, FACTOR, NEW_ERROR = range(4, 8)
# More counts
STAGE, RETRIED, LOOK_FROM = range(4, 7)
# Phases, after the one that is called START
STARTED, TRIED, BETWEEN, STEPPING, MADE, SAVING = range(1, 7)


class Dop853(NamedTuple):
    """Where an integration stands; a call changes all of it."""

    y: np.ndarray  # (1, d)
    work: np.ndarray  # (3, d)
    slopes: np.ndarray  # (16, d)
    terms: np.ndarray  # (7, d)   of the dense output
    numbers: np.ndarray  # (8,)
    counts: np.ndarray  # (7,)


def make_place(y, begin):
    """An integration that has not begun."""
    d = y.size
    place = Dop853(y[None].copy(), np.zeros((3, d)), np.zeros((ALL_STAGES, d)), np.zeros((7, d)), np.zeros(8),
                   np.zeros(7, np.int64))
    place.numbers[ALPHA] = begin
    return place


@compiled(inner=True)
def _take_rates(place, stage):
    for i in range(place.work.shape[1]):
        place.slopes[stage, i] = place.work[RATES, i]


@compiled(inner=True)
def _norm(place, row, goal):
    """Of a slope, where entries count by the tolerances at the state."""
    y, total = place.y, 0.0
    for i in range(y.shape[1]):
        total += (place.slopes[row, i] / (goal.atol + goal.rtol * abs(y[0, i])))**2
    return np.sqrt(total / y.shape[1])


@compiled(inner=True)
def _ask_beside(place, goal, latest):
    """Ask for rates a first short step away: Hairer, Nørsett and Wanner, section II.4."""
    y, work, slopes, numbers = place.y, place.work, place.slopes, place.numbers
    rate, size = _norm(place, 0, goal), 0.0
    for i in range(y.shape[1]):
        size += (y[0, i] / (goal.atol + goal.rtol * abs(y[0, i])))**2
    size = np.sqrt(size / y.shape[1])
    h = min(1e-6 if size < 1e-5 or rate < 1e-5 else 0.01 * size / rate, goal.until - numbers[ALPHA])
    for i in range(y.shape[1]):
        work[STATE, i] = y[0, i] + h * slopes[0, i]
    numbers[LENGTH] = h
    numbers[WHEN] = min(numbers[ALPHA] + h, latest)


@compiled(inner=True)
def _choose_first_step(place, goal):
    slopes, numbers = place.slopes, place.numbers
    h = numbers[LENGTH]
    for i in range(slopes.shape[1]):
        slopes[1, i] = place.work[RATES, i] - slopes[0, i]
    rate, change = _norm(place, 0, goal), _norm(place, 1, goal) / h
    other = max(1e-6, 1e-3 * h) if rate <= 1e-15 and change <= 1e-15 else (0.01 / max(rate, change))**-EXPONENT
    numbers[STEP] = min(100.0 * h, other, goal.until - numbers[ALPHA], goal.longest)


@compiled(inner=True)
def _ask(place, stage, latest):
    """Ask for the rates of a stage, at the state from the slopes before it."""
    y, work, slopes, numbers = place.y, place.work, place.slopes, place.numbers
    for i in range(y.shape[1]):
        work[STATE, i] = 0.0
    for j in range(stage):
        weight = WEIGHTS[stage, j]
        if weight != 0.0:
            for i in range(y.shape[1]):
                work[STATE, i] += weight * slopes[j, i]
    for i in range(y.shape[1]):
        work[STATE, i] = y[0, i] + numbers[LENGTH] * work[STATE, i]
    numbers[WHEN] = min(numbers[ALPHA] + TIMES[stage] * numbers[LENGTH], latest)
    place.counts[STAGE] = stage


@compiled(inner=True)
def _error(place, goal):
    """Of a step to the state of the work, where 1 is the tolerance."""
    y, work, slopes = place.y, place.work, place.slopes
    fifth, third = 0.0, 0.0
    for i in range(y.shape[1]):
        scale = goal.atol + goal.rtol * max(abs(y[0, i]), abs(work[STATE, i]))
        a, b = 0.0, 0.0
        for stage in range(STAGES):
            a += ERROR_5[stage] * slopes[stage, i]
            b += ERROR_3[stage] * slopes[stage, i]
        fifth += (a / scale)**2
        third += (b / scale)**2
    if fifth == 0.0 and third == 0.0:
        return 0.0
    return place.numbers[LENGTH] * fifth / np.sqrt((fifth + 0.01 * third) * y.shape[1])


@compiled(inner=True)
def _open_step(place, goal):
    """Choose the next step; whether it is not too short."""
    numbers, counts = place.numbers, place.counts
    shortest = 10.0 * (np.nextafter(numbers[ALPHA], np.inf) - numbers[ALPHA])
    h = numbers[STEP]
    if counts[RETRIED] == 0:
        h = max(min(h, goal.longest), shortest)
        counts[LOOK_FROM] = counts[EVALUATIONS]
    elif h < shortest:
        return False
    numbers[END] = numbers[ALPHA] + h
    if numbers[END] >= goal.until:
        numbers[END] = goal.until
    numbers[LENGTH] = numbers[END] - numbers[ALPHA] if numbers[END] == goal.until else h
    return True


@compiled(inner=True)
def _is_made(place, goal):
    """Whether a step is right to the tolerance; the length of the next one or of another try."""
    numbers, counts = place.numbers, place.counts
    wrong = _error(place, goal)
    factor = LARGEST_FACTOR if wrong == 0.0 else SAFETY * wrong**EXPONENT
    if wrong < 1.0 and all_finite(place.work[STATE]):
        numbers[FACTOR] = min(LARGEST_FACTOR if counts[RETRIED] == 0 else 1.0, factor)
        counts[RETRIED] = 0
        return True
    numbers[STEP] = numbers[LENGTH] * (factor if factor > LEAST_FACTOR else LEAST_FACTOR)  # that also where it is NaN
    counts[RETRIED] = 1
    counts[REJECTED] += 1
    return False


@compiled(inner=True)
def _save(place, alphas, moving):
    """Fill the saved rows inside a step by the dense output of order 7."""
    y, work, slopes, terms, numbers, counts = place
    h = numbers[LENGTH]
    for i in range(y.shape[1]):
        change = work[NEW, i] - y[0, i]
        terms[0, i] = change
        terms[1, i] = h * slopes[0, i] - change
        terms[2, i] = 2.0 * change - h * (slopes[STAGES, i] + slopes[0, i])
        for row in range(4):
            total = 0.0
            for j in range(ALL_STAGES):
                total += DENSE[row, j] * slopes[j, i]
            terms[3 + row, i] = h * total
    while counts[SAVED] < alphas.size and alphas[counts[SAVED]] <= numbers[END]:
        x = (alphas[counts[SAVED]] - numbers[ALPHA]) / h
        for i in range(y.shape[1]):
            value = 0.0
            for term in range(6, -1, -1):
                value = (value + terms[term, i]) * (x if term % 2 == 0 else 1.0 - x)
            moving[counts[SAVED], i] = y[0, i] + value
        counts[SAVED] += 1


@compiled(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def proceed(place, goal, alphas, moving, pause):
    """Make steps until rates are wanted, a goal is reached, or something else is to be done.

    Parameters
    ----------
    place : Dop853
        Where it stands; changed.
    goal : Goal
    alphas : array (n,)
        Times at which states are saved, ascending.
    moving : array (n, d)
        Receives the states there.
    pause : int
        Evaluations, of all, from which on to come back.

    Returns
    -------
    int
        Why it ended, by ``flow.py``.
    """
    y, work, numbers, counts = place.y, place.work, place.numbers, place.counts
    # a schedule has its value after the jump at its beginning, and up to its end the one before the next jump
    latest = np.nextafter(goal.until, -np.inf)
    while True:
        phase = counts[PHASE]
        if phase == START:
            if numbers[ALPHA] >= goal.until:
                return FINISHED
            if counts[EVALUATIONS] >= goal.most:
                return TOO_MANY
            for i in range(y.shape[1]):
                work[STATE, i] = y[0, i]
            numbers[WHEN] = min(numbers[ALPHA], latest)
            counts[PHASE] = STARTED
            return RATES_WANTED
        if phase == STARTED:
            _take_rates(place, 0)
            numbers[NEW_ERROR] = numbers[ERROR]
            counts[RETRIED] = 0
            _ask_beside(place, goal, latest)
            counts[PHASE] = TRIED
            return RATES_WANTED
        if phase == TRIED:
            _choose_first_step(place, goal)
            counts[PHASE] = BETWEEN
        elif phase == BETWEEN:
            if numbers[ALPHA] >= goal.until:
                return FINISHED
            if not _open_step(place, goal):
                return GAVE_UP
            if counts[EVALUATIONS] + ALL_STAGES > goal.most:
                return TOO_MANY
            _ask(place, 1, latest)
            counts[PHASE] = STEPPING
            return RATES_WANTED
        elif phase == STEPPING:
            _take_rates(place, counts[STAGE])
            _ask(place, counts[STAGE] + 1, latest)
            if counts[STAGE] < STAGES:
                return RATES_WANTED
            counts[PHASE] = BETWEEN
            if _is_made(place, goal):
                for i in range(y.shape[1]):
                    work[NEW, i] = work[STATE, i]
                numbers[WHEN] = min(numbers[END], latest)
                counts[PHASE] = MADE
                return RATES_WANTED
            if (counts[EVALUATIONS] - counts[LOOK_FROM] >= goal.look_every
                    and not all_finite(place.slopes[STAGES - 1])):
                return NO_RATES
        elif phase == MADE:
            _take_rates(place, STAGES)
            numbers[NEW_ERROR] = numbers[ERROR]
            counts[PHASE] = SAVING
            counts[STAGE] = STAGES
            if counts[SAVED] < alphas.size and alphas[counts[SAVED]] <= numbers[END]:
                _ask(place, STAGES + 1, latest)
                return RATES_WANTED
        else:
            if counts[STAGE] > STAGES:
                _take_rates(place, counts[STAGE])
                if counts[STAGE] + 1 < ALL_STAGES:
                    _ask(place, counts[STAGE] + 1, latest)
                    return RATES_WANTED
                _save(place, alphas, moving)
            for i in range(y.shape[1]):
                y[0, i] = work[NEW, i]
                place.slopes[0, i] = place.slopes[STAGES, i]
            numbers[ALPHA] = numbers[END]
            numbers[STEP] = numbers[LENGTH] * numbers[FACTOR]
            numbers[ERROR] = numbers[NEW_ERROR]
            counts[PHASE] = BETWEEN
            if not numbers[ERROR] < goal.largest_error:
                return DIVERGED
            if numbers[ERROR] < goal.small_error and counts[EVALUATIONS] >= goal.small_from:
                return SMALL_ERROR
            if counts[EVALUATIONS] >= pause and numbers[ALPHA] < goal.until:
                return PAUSED
