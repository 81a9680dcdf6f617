"""The diffusion approximation of the chain of the overlaps, many of its steps at once; docs/theory, section 20.

A leap is a step of a Runge–Kutta method along the mean-field equations, between two kicks of noise (``kick.py``).  A
kick comes before each step and brings the noise up to its middle, and one at each saved time up to there, so that the
splitting is symmetric.  The chain makes Euler's steps of 1/N: what these add is −J f/(2N), whose integral along a step
is known from the rates at its ends.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from onlinemode.kernels.averages.drift import drift_into, system_with
from onlinemode.kernels.averages.number_tables import fill_numbers
from onlinemode.kernels.integrators.flow import Flow
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.leap.kick import Samples, add_noise, make_kick
from onlinemode.kernels.leap.lengths import constrain
from onlinemode.kernels.rule.activations import Activation
from onlinemode.kernels.rule.step import DIVERGENCE_LIMIT, with_constants, with_numbers

LONGEST = 0.3  # of a leap, times the fastest rate that noise meets
FORGET = 0.9  # what is left of the fastest rate after a leap that meets slower ones
SAFETY, LEAST_FACTOR, LARGEST_FACTOR, EXPONENT = 0.9, 0.2, 5.0, -0.25  # of the control of steps
SHORTEST = 1e-14  # of a leap, over α or 1: shorter ones are a run that does not come back

# Places of numbers and of counts
ALPHA, DONE, STEP, FASTEST = range(4)
KICKS, HALVED, LEAPS, KNOWN = range(4)

# What a call ended with
FINISHED, PAUSED, DIVERGED = range(3)


# The pair of order 4(3) of M. Sofroniou and G. Spaletta, J. Symb. Comput. 38, 1157 (2004); its last stage is at the end
_TIMES = np.array([0.4, 0.6, 1.0, 1.0])
_WEIGHTS = np.array([[2 / 5, 0.0, 0.0, 0.0], [-3 / 20, 3 / 4, 0.0, 0.0], [19 / 44, -15 / 44, 10 / 11, 0.0],
                     [11 / 72, 25 / 72, 25 / 72, 11 / 72]])
_ERROR = np.array([1251515 / 8970912 - 11 / 72, 3710105 / 8970912 - 25 / 72, 2519695 / 8970912 - 25 / 72,
                   61105 / 8970912 - 11 / 72, 119041 / 747576])


class Motion(NamedTuple):
    """What moves the overlaps."""

    flow: Flow  # the mean-field equations
    samples: Samples  # the noise


class Place(NamedTuple):
    """Where a replica stands; a call of :func:`make_advance` changes all of it."""

    y: np.ndarray  # (d,)
    rates: np.ndarray  # (d,)   there, if they are known
    free_rates: np.ndarray  # (d,)   those of modes that do not keep their lengths
    numbers: np.ndarray  # (4,)   α, the time up to which there was noise, length of the next leap, fastest rate
    counts: np.ndarray  # (4,)   kicks, those that were halved, leaps, whether the rates are known


class Goal(NamedTuple):
    """How far, how exact, and when a call ends earlier."""

    begin: float  # of the stretch of time in which numbers are smooth
    until: float  # its end
    rtol: float
    atol: float
    pause: int  # leaps after which to come back
    stop: np.ndarray  # (1,)   or when this is not 0


class Saved(NamedTuple):
    """The states at saved times."""

    alphas: np.ndarray  # (n,)
    rows: np.ndarray  # (n, d)
    count: np.ndarray  # (1,)   how many are filled


def make_place(y, alpha):
    """A replica that has not begun."""
    numbers = np.zeros(4)
    numbers[:DONE + 1] = alpha
    return Place(np.array(y), np.zeros(y.size), np.zeros(y.size), numbers, np.zeros(4, np.int64))


@compiled(inner=True, forceinline=True)
def _fill_numbers(table, goal, alpha, N):
    """Numbers of a time in ``table.row``; those of a step of the chain are in its middle."""
    fill_numbers(table, min(max(alpha + 0.5 / N, goal.begin), np.nextafter(goal.until, -np.inf)))


@compiled(inner=True, forceinline=True)
def _system_at(system, table, goal, alpha, N):
    if table is None:  # decided when the kernel is compiled
        return system
    _fill_numbers(table, goal, alpha, N)
    return system_with(system, table.row)


@compiled(inner=True, forceinline=True)
def _rule_at(rule, table, goal, alpha, N):
    if table is None:
        return rule
    _fill_numbers(table, goal, alpha, N)
    return with_numbers(rule, table.row)


@compiled(inner=True, forceinline=True)
def _rates(motion, goal, alpha, y, rates, free_rates):
    """Fill in d/dα at a time and a state, with and without the constraint."""
    flow, samples = motion
    drift_into(y, _system_at(flow.system, flow.numbers, goal, alpha, samples.N), free_rates)
    rates[:] = free_rates
    constrain(samples.squared_lengths, y, rates, flow.system.sizes[2], flow.system.sizes[1])


@compiled(inner=True)
def _fastest(slower, rates, before, change):
    """The fastest rate: how far the kick that was has changed the rates."""
    of_rates, of_states = 0.0, 0.0
    for i in range(rates.size):
        of_rates += (rates[i] - before[i])**2
        of_states += change[i]**2
    rate = np.sqrt(of_rates / of_states) if of_states > 0.0 else 0.0
    return max(rate, FORGET * slower) if rate < np.inf else slower


@compiled(inner=True)
def _first_step(place, left):
    """Length of the first leap: a hundredth of the time in which the state would change by as much as it is."""
    size, rate = 0.0, 0.0
    for i in range(place.y.size):
        size += place.y[i]**2
        rate += place.rates[i]**2
    return 0.01 * np.sqrt(size / rate) if rate > 0.0 else left


@compiled(inner=True)
def _runge_kutta(motion, goal, place, h, k, state):
    """Fill in ``state`` at the end of a step of length h, k[0] being known; the error, where 1 is the tolerance."""
    y, alpha = place.y, place.numbers[ALPHA]
    for stage in range(1, 5):
        weights = _WEIGHTS[stage - 1]
        for i in range(y.size):
            total = 0.0
            for j in range(stage):
                total += weights[j] * k[j, i]
            state[i] = y[i] + h * total
        _rates(motion, goal, alpha + _TIMES[stage - 1] * h, state, k[stage], place.free_rates)
    error = 0.0
    for i in range(y.size):
        total = 0.0
        for j in range(5):
            total += _ERROR[j] * k[j, i]
        error += (h * total / (goal.atol + goal.rtol * max(abs(y[i]), abs(state[i]))))**2
    return np.sqrt(error / y.size)


@cache
def make_advance(activation, teacher_activation):
    """The compiled leaps for activations of two kinds.

    Parameters
    ----------
    activation, teacher_activation : int
        Compile-time constants, without which a sample takes four times as long.

    Returns
    -------
    callable
        ``advance(motion, place, goal, saved, key)`` leaps through a stretch of time in which all numbers are smooth:
        it changes ``place``, fills the rows of ``saved``, and returns why it ended, one of the names above.  After
        PAUSED another call goes on to the same bits.
    """
    @compiled
    def advance(motion, place, goal, saved, key):
        y, numbers, counts, samples = place.y, place.numbers, place.counts, motion.samples
        student, teacher = samples.system.rule.activation, samples.system.rule.teacher_activation
        d, N = y.size, samples.N
        k, state, before, kicked = np.empty((5, d)), np.empty(d), np.empty(d), np.empty(d)
        space = make_kick(samples, y)
        last_leap = counts[LEAPS] + goal.pause
        while True:
            if counts[KNOWN] == 0:
                _rates(motion, goal, numbers[ALPHA], y, place.rates, place.free_rates)
                counts[KNOWN] = 1
            alpha = numbers[ALPHA]
            target = goal.until
            if saved.count[0] < saved.alphas.size:
                target = min(target, saved.alphas[saved.count[0]])
            left, h = target - alpha, 0.0
            if left > 0.0:
                if goal.stop[0] != 0 or counts[LEAPS] >= last_leap:
                    return PAUSED
                if numbers[STEP] == 0.0:
                    numbers[STEP] = _first_step(place, left)
                h = _length(numbers, left)
            until = alpha + 0.5 * h
            if until > numbers[DONE]:
                before[:] = place.rates
                kicked[:] = y
                rule = _rule_at(samples.system.rule, motion.flow.numbers, goal, alpha, N)
                rule = with_constants(rule, Activation(activation, student.segments, student.pieces),
                                      Activation(teacher_activation, teacher.segments, teacher.pieces), rule.batch)
                halvings = add_noise(samples, rule, y, place.free_rates, until - numbers[DONE], key, counts[KICKS],
                                     space)
                if halvings < 0:
                    return DIVERGED
                numbers[DONE] = until
                counts[KICKS] += 1
                counts[HALVED] += halvings > 0
                _rates(motion, goal, alpha, y, place.rates, place.free_rates)
                for i in range(d):
                    kicked[i] = y[i] - kicked[i]
                numbers[FASTEST] = _fastest(numbers[FASTEST], place.rates, before, kicked)
            if left <= 0.0:
                if saved.count[0] < saved.alphas.size and saved.alphas[saved.count[0]] <= alpha:
                    saved.rows[saved.count[0]] = y
                    saved.count[0] += 1
                if alpha >= goal.until:
                    counts[KNOWN] = 0  # numbers may jump here
                    return FINISHED
                continue
            k[0] = place.rates
            error = _runge_kutta(motion, goal, place, h, k, state)
            if not error < 1.0:
                factor = SAFETY * error**EXPONENT
                numbers[STEP] = h * (factor if factor > LEAST_FACTOR else LEAST_FACTOR)  # that also where it is NaN
                if not numbers[STEP] > SHORTEST * max(alpha, 1.0):
                    return DIVERGED
                continue
            factor = min(SAFETY * error**EXPONENT, LARGEST_FACTOR) if error > 0.0 else LARGEST_FACTOR
            numbers[STEP] = max(numbers[STEP], h * factor) if factor > 1.0 else h * factor
            for i in range(d):
                y[i] = state[i] - (k[4, i] - k[0, i]) / (2.0 * N)
            place.rates[:] = k[4]
            numbers[ALPHA] = target if h == left else alpha + h
            counts[LEAPS] += 1
            if not motion.flow.system.error[0] < 0.5 * DIVERGENCE_LIMIT**2:
                return DIVERGED

    return advance


@compiled(inner=True, forceinline=True)
def _length(numbers, left):
    """Of the next leap, where so much time is left to the next stop."""
    h = numbers[STEP]
    if numbers[FASTEST] * h > LONGEST:
        h = LONGEST / numbers[FASTEST]
    if h >= 0.999999 * left:
        return left
    return min(h, 0.5 * left) if 2.0 * h > left else h
