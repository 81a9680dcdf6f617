"""LSODA, as an integrator that asks for rates: docs/theory, section 2.6.

The algorithm of L. Petzold and A. Hindmarsh: Adams' methods of orders 1 to 12 where equations are not stiff, and
backward differences of orders 1 to 5 where they are, in Nordsieck's form; which of them is decided on the way.  Steps
are those of SciPy's LSODA.  A Jacobian is taken by differences.
"""

import numpy as np

from onlinemode.kernels.integrators.flow import (
    ALPHA,
    DIVERGED,
    ERROR,
    EVALUATIONS,
    FINISHED,
    GAVE_UP,
    PAUSED,
    PHASE,
    RATES,
    RATES_WANTED,
    REJECTED,
    SAVED,
    SMALL_ERROR,
    START,
    STEP,
    TOO_MANY,
    WHEN,
    all_finite,
)
from onlinemode.kernels.integrators.lsoda_coefficients import (
    ADAMS,
    BACKWARD,
    COEFFICIENTS,
    ERROR_CONSTANTS,
    MOST_ORDER,
    STABLE,
    TESTS,
)
from onlinemode.kernels.integrators.lsoda_corrections import (
    ANOTHER,
    FAILED,
    JACOBIAN,
    begin_jacobian,
    close_jacobian,
    correct,
    goes_on_with_jacobian,
)
from onlinemode.kernels.integrators.lsoda_place import (
    BEGIN,
    CHANGE,
    CORRECTED,
    CORRECTION,
    DONE,
    EPSILON,
    FAILURES,
    FRESH,
    JACOBIAN_AT,
    JACOBIAN_NORM,
    LARGEST_FACTOR,
    LAST_LIPSCHITZ,
    LAST_STEP,
    LIMITED,
    LIPSCHITZ,
    METHOD,
    NEW_STEP,
    NOT_CONVERGED,
    ORDER,
    OUTDATED,
    RATE,
    SIZE,
    SPARE,
    STEPS,
    SWITCH_EVERY,
    UNTIL_SWITCH,
    USED_METHOD,
    WAIT,
    begin_anew,
    copy_state,
    norm,
    predict,
    scale_step,
    take_coefficients,
    weigh,
)
from onlinemode.kernels.jit import compiled

MOST_FAILURES = 10  # of corrections of a step
REFRESH_EVERY, REFRESH_CHANGE = 20, 0.3  # steps, or relative change of h times a coefficient, that outdate a Jacobian
RATIO = 5.0  # by which the other method's steps must be longer
OTHER_ORDER, SAME_ORDER, NOTHING = 2, 1, 0  # what a look at other orders leads to
# Phases, after the one that is called START
STARTED, BETWEEN, STEPPING, CORRECTING, DIFFERENCES, HISTORY, ENDED = range(1, 8)


@compiled(inner=True, forceinline=True)
def _factor(wrong, safety, exponent):
    """By which a step may become longer."""
    return 1.0 / (safety * wrong**exponent + safety * 1e-6)


@compiled(inner=True)
def _switch_method(numbers, counts, wrong):
    """Take the other method where its steps are much longer; the factor of the step, 0 where it stays."""
    size = numbers[SIZE]
    order, exponent = counts[ORDER], 1.0 / (counts[ORDER] + 1)
    if counts[METHOD] == ADAMS:
        if order > MOST_ORDER[BACKWARD]:
            return 0.0
        if wrong <= 100.0 * size * EPSILON or numbers[LIPSCHITZ] == 0.0:
            if counts[LIMITED] == 0:
                return 0.0
            other = 2.0
        else:
            here = _factor(wrong, 1.2, exponent)
            product = numbers[LAST_LIPSCHITZ] * numbers[STEP]
            limit = STABLE[order] / product if product * here > 1e-5 else 2.0 * here
            here = min(here, limit)
            other = _factor(wrong * ERROR_CONSTANTS[ADAMS, order] / ERROR_CONSTANTS[BACKWARD, order], 1.2, exponent)
            if other < RATIO * here:
                return 0.0
        counts[METHOD] = BACKWARD
        counts[OUTDATED] = 1
    else:
        error = wrong * ERROR_CONSTANTS[BACKWARD, order] / ERROR_CONSTANTS[ADAMS, order]
        other = _factor(error, 1.2, exponent)
        product = numbers[JACOBIAN_NORM] * numbers[STEP]
        limit = STABLE[order] / product if product * other > 1e-5 else 2.0 * other
        other = min(other, limit)
        if other * RATIO < 5.0 * _factor(wrong, 1.2, exponent):
            return 0.0
        if error * max(1e-3, other)**exponent <= 1000.0 * EPSILON * size:
            return 0.0
        counts[METHOD] = ADAMS
        counts[OUTDATED] = 0
    counts[UNTIL_SWITCH] = SWITCH_EVERY
    numbers[LAST_LIPSCHITZ] = 0.0
    return other


@compiled(inner=True)
def _look_at_orders(place, wrong, up):
    """Whether another order, or the same one, has longer steps; what that leads to and the factor of the step."""
    history, work, numbers, counts = place.history, place.work, place.numbers, place.counts
    order, method = counts[ORDER], counts[METHOD]
    same, down, product = _factor(wrong, 1.2, 1.0 / (order + 1)), 0.0, 0.0
    if order > 1:
        down = _factor(norm(history, order, work) / TESTS[method, order, 0], 1.3, 1.0 / order)
    if method == ADAMS:
        product = max(numbers[STEP] * numbers[LAST_LIPSCHITZ], 1e-6)
        if order < MOST_ORDER[method]:
            up = min(up, STABLE[order + 1] / product)
        same = min(same, STABLE[order] / product)
        if order > 1:
            down = min(down, STABLE[order - 1] / product)
        numbers[LIPSCHITZ] = 0.0
    if same >= up and same >= down:
        other, factor = order, same
    elif up > down and up > same:
        if up < 1.1:
            counts[WAIT] = 3
            return NOTHING, 1.0
        last = COEFFICIENTS[method, order, order] / (order + 1)
        for i in range(history.shape[1]):
            history[order + 1, i] = work[CORRECTION, i] * last
        counts[ORDER] = order + 1
        return OTHER_ORDER, up
    else:
        other, factor = order - 1, down
        if counts[FAILURES] < 0 and factor > 1.0:
            factor = 1.0
    stable = method == BACKWARD or factor * product * 1.00001 < STABLE[other]
    if stable and counts[FAILURES] == 0 and factor < 1.1:
        counts[WAIT] = 3
        return NOTHING, 1.0
    if counts[FAILURES] <= -2:
        factor = min(factor, 0.2)
    if other == order:
        return SAME_ORDER, factor
    counts[ORDER] = other
    return OTHER_ORDER, factor


@compiled(inner=True)
def _open_attempt(place):
    """Predict; rates are wanted at the state that is predicted."""
    numbers, counts = place.numbers, place.counts
    if abs(numbers[CHANGE] - 1.0) > REFRESH_CHANGE or counts[STEPS] >= counts[JACOBIAN_AT] + REFRESH_EVERY:
        counts[OUTDATED] = 1
    numbers[ALPHA] = numbers[BEGIN] + numbers[STEP]
    predict(place.history, counts[ORDER], 1.0)
    numbers[SIZE] = norm(place.history, 0, place.work)
    numbers[RATE] = 0.0
    counts[DONE] = 0
    counts[FRESH] = 0
    copy_state(place)


@compiled(inner=True)
def _undo_attempt(place):
    place.numbers[ALPHA] = place.numbers[BEGIN]
    predict(place.history, place.counts[ORDER], -1.0)
    place.numbers[LARGEST_FACTOR] = 2.0


@compiled(inner=True)
def _retry_after_corrections(place, goal):
    """Make the step shorter; whether that may be."""
    counts = place.counts
    counts[NOT_CONVERGED] += 1
    _undo_attempt(place)
    counts[OUTDATED] = 1
    if counts[NOT_CONVERGED] == MOST_FAILURES:
        return False
    scale_step(place, 0.25, goal.longest)
    return True


@compiled(inner=True)
def _retry_after_error(place, goal, wrong):
    """Make the step shorter; whether it can be made, or its history is to be made anew, or it is given up."""
    numbers, counts = place.numbers, place.counts
    counts[REJECTED] += 1
    counts[FAILURES] -= 1
    _undo_attempt(place)
    if counts[FAILURES] > -3:
        found, factor = _look_at_orders(place, wrong, 0.0)
        if found == OTHER_ORDER:
            take_coefficients(numbers, counts)
        elif found == NOTHING:
            factor = min(factor, 0.2)
        scale_step(place, factor, goal.longest)
        return STEPPING
    if counts[FAILURES] == -10:
        return ENDED
    numbers[STEP] *= 0.1
    copy_state(place)
    counts[OUTDATED] = 1
    counts[WAIT] = 5
    if counts[ORDER] > 1:
        counts[ORDER] = 1
        take_coefficients(numbers, counts)
    return HISTORY


@compiled(inner=True)
def _end_step(place, goal, wrong):
    """Take the corrections into the history, and prepare the next step."""
    history, work, numbers, counts = place.history, place.work, place.numbers, place.counts
    counts[FAILURES] = 0
    counts[STEPS] += 1
    counts[USED_METHOD] = counts[METHOD]
    for j in range(counts[ORDER] + 1):
        coefficient = COEFFICIENTS[counts[METHOD], counts[ORDER], j]
        for i in range(work.shape[1]):
            history[j, i] += coefficient * work[CORRECTION, i]
    _prepare_next(place, goal, wrong)
    numbers[LAST_STEP] = numbers[STEP]


@compiled(inner=True)
def _prepare_next(place, goal, wrong):
    """Method, order and length of the next step."""
    history, work, numbers, counts = place.history, place.work, place.numbers, place.counts
    order, most = counts[ORDER], MOST_ORDER[counts[METHOD]]
    counts[UNTIL_SWITCH] -= 1
    if counts[UNTIL_SWITCH] < 0:
        factor = _switch_method(numbers, counts, wrong)
        if factor != 0.0:
            scale_step(place, factor, goal.longest)
            numbers[LARGEST_FACTOR] = 10.0
            return
    counts[WAIT] -= 1
    if counts[WAIT] == 0:
        up = 0.0
        if order < most:
            for i in range(work.shape[1]):
                work[SPARE, i] = work[CORRECTION, i] - history[most, i]
            up = _factor(norm(work, SPARE, work) / TESTS[counts[METHOD], order, 2], 1.4, 1.0 / (order + 2))
        found, factor = _look_at_orders(place, wrong, up)
        if found == OTHER_ORDER:
            take_coefficients(numbers, counts)
        if found != NOTHING:
            scale_step(place, factor, goal.longest)
            numbers[LARGEST_FACTOR] = 10.0
    elif counts[WAIT] == 1 and order < most:
        for i in range(work.shape[1]):
            history[most, i] = work[CORRECTION, i]


@compiled(inner=True)
def _open_step(place, goal):
    """Prepare a step; whether the tolerances are above rounding."""
    numbers, counts = place.numbers, place.counts
    weigh(place, goal)
    if EPSILON * norm(place.history, 0, place.work) > 0.01:
        return False
    if numbers[ALPHA] + numbers[STEP] * (1.0 + 4.0 * EPSILON) > goal.until:
        numbers[STEP] = (goal.until - numbers[ALPHA]) * (1.0 - 4.0 * EPSILON)
        counts[NEW_STEP] = 1
    counts[FAILURES] = 0
    counts[NOT_CONVERGED] = 0
    numbers[BEGIN] = numbers[ALPHA]
    if counts[METHOD] != counts[USED_METHOD]:
        take_coefficients(numbers, counts)
        counts[OUTDATED] = 1
    if counts[NEW_STEP]:  # the end is near
        h, numbers[STEP] = numbers[STEP], numbers[LAST_STEP]
        scale_step(place, h / numbers[LAST_STEP], goal.longest)
        counts[NEW_STEP] = 0
    return True


@compiled(inner=True)
def _save(place, alpha, alphas, moving):
    """Fill the saved rows up to a time by the polynomial of the last step."""
    history, numbers, counts = place.history, place.numbers, place.counts
    while counts[SAVED] < alphas.size and alphas[counts[SAVED]] <= alpha:
        x = (alphas[counts[SAVED]] - numbers[ALPHA]) / numbers[STEP]
        for i in range(history.shape[1]):
            value = history[counts[ORDER], i]
            for j in range(counts[ORDER] - 1, -1, -1):
                value = value * x + history[j, i]
            moving[counts[SAVED], i] = value
        counts[SAVED] += 1


@compiled(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def proceed(place, goal, alphas, moving, pause):
    """Make steps until rates are wanted, a goal is reached, or something else is to be done.

    Parameters
    ----------
    place : Lsoda
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
    history, numbers, counts, d = place.history, place.numbers, place.counts, place.work.shape[1]
    # a schedule has its value after the jump at its beginning, and up to its end the one before the next jump
    latest = np.nextafter(goal.until, -np.inf)
    while True:
        phase = counts[PHASE]
        if phase == START:
            if numbers[ALPHA] >= goal.until:
                return FINISHED
            if counts[EVALUATIONS] >= goal.most:
                return TOO_MANY
            copy_state(place)
            numbers[WHEN] = min(numbers[ALPHA], latest)
            counts[PHASE] = STARTED
            return RATES_WANTED
        if phase == STARTED:
            begin_anew(place, goal)
            counts[PHASE] = BETWEEN
        elif phase == BETWEEN:
            if numbers[ALPHA] >= goal.until:
                return FINISHED
            if counts[EVALUATIONS] + MOST_FAILURES * (d + 4) > goal.most:
                return TOO_MANY
            if not _open_step(place, goal):
                return GAVE_UP
            counts[PHASE] = STEPPING
        elif phase == STEPPING:
            _open_attempt(place)
            numbers[WHEN] = min(numbers[ALPHA], latest)
            counts[PHASE] = CORRECTING
            return RATES_WANTED
        elif phase == HISTORY:
            for i in range(d):
                history[1, i] = numbers[STEP] * place.work[RATES, i]
            counts[PHASE] = STEPPING
        elif phase == DIFFERENCES:
            if goes_on_with_jacobian(place):
                return RATES_WANTED
            counts[PHASE] = CORRECTING
            if not close_jacobian(place):
                if not _retry_after_corrections(place, goal):
                    return GAVE_UP
                counts[PHASE] = STEPPING
        elif phase == CORRECTING:
            found = correct(place)
            if found == ANOTHER:
                return RATES_WANTED
            if found == JACOBIAN:
                begin_jacobian(place)
                counts[PHASE] = DIFFERENCES
                return RATES_WANTED
            if found == FAILED:
                if not _retry_after_corrections(place, goal):
                    return GAVE_UP
                counts[PHASE] = STEPPING
                continue
            corrected = numbers[CORRECTED] if numbers[CORRECTED] >= 0.0 else norm(place.work, CORRECTION, place.work)
            wrong = corrected / TESTS[counts[METHOD], counts[ORDER], 1]
            if not wrong <= 1.0:
                counts[PHASE] = _retry_after_error(place, goal, wrong)
                if counts[PHASE] == ENDED:
                    return GAVE_UP
                if counts[PHASE] == HISTORY:
                    numbers[WHEN] = min(numbers[BEGIN], latest)
                    return RATES_WANTED
                continue
            _end_step(place, goal, wrong)
            counts[PHASE] = BETWEEN
            if not all_finite(history[0]):
                return GAVE_UP
            alpha = numbers[ALPHA]
            if abs(alpha - goal.until) <= 100.0 * EPSILON * (abs(alpha) + numbers[STEP]):
                alpha = goal.until
            _save(place, alpha, alphas, moving)
            if alpha >= goal.until:
                numbers[ALPHA] = goal.until
            if not numbers[ERROR] < goal.largest_error:
                return DIVERGED
            if numbers[ERROR] < goal.small_error and counts[EVALUATIONS] >= goal.small_from:
                return SMALL_ERROR
            if counts[EVALUATIONS] >= pause and alpha < goal.until:
                return PAUSED
