"""One step of online learning, in the space of the fields; every engine makes its steps from here.

The rule (docs/theory, section 1.2) never needs the input vector itself: it takes the mode
fields u and the teacher fields ν of a sample and gives the gradients of the small factors and the
coefficients with which the input is added to the input modes.  How u and ν come about is the
business of the engine: projections of real vectors, a Gaussian draw, quadrature nodes.  A step is

    now = open_step(rule, unit)
        (of the rule at this step: at_step(rule, step), where it has a timetable)
    for each sample of the batch:
        fields into small.work
        label = teacher_label(rule, now, small, zeta, uniform)
        sample(rule, now, small, label, coefficients, j)
    close_step(rule, now, small)

Arrays are float64 and C-contiguous.  Nothing here allocates except :func:`make_small`.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.fused import fma
from onlinemode.kernels.rule.activations import (
    Activation,
    add_values,
    fill_values_and_slopes,
    is_plain,
    plain_value,
    value_and_slope,
)
from onlinemode.kernels.rule.losses import Labels, Loss, label_of, slope_of_loss, with_flips

# An error beyond this is a run that will not come back; float32 weights are still finite there.
DIVERGENCE_LIMIT = 1e12


class Rates(NamedTuple):
    """Learning rates of the four factors; 0 leaves a factor untouched."""

    xi_in: float
    strengths: float
    xi_out: float
    readout: float


class Dropout(NamedTuple):
    """What a sample leaves out."""

    units: float  # probability, of a hidden unit
    modes: float  # of a mode


class Timetable(NamedTuple):
    """The numbers of a rule that change from step to step."""

    first_step: int  # whose row is the first one
    rows: np.ndarray  # (steps, 9 + 3 tasks)   of each, as :func:`with_numbers` reads them; columns are contiguous


class Tasks(NamedTuple):
    """Several tasks, one of which a sample is drawn from."""

    heads: np.ndarray  # (tasks,)   which readout of the student answers
    numbers: np.ndarray  # (3 tasks,)   how likely each is, then its noise, then its flips


class Rule(NamedTuple):
    """What a kernel needs to know of a problem; ``onlinemode.problem.Problem.rule`` makes it."""

    activation: Activation  # of the student
    teacher_activation: Activation
    rates: Rates
    noise: float  # σ
    weight_decay: float  # κ
    batch: int  # n
    N: float
    loss: Loss | None = None  # None: the squared one
    labels: Labels | None = None  # None: real numbers
    dropout: Dropout | None = None  # None: nothing
    timetable: Timetable | None = None  # None: all steps have the numbers above
    tasks: Tasks | None = None  # None: one


def evaluation_rule(activation, teacher_activation):
    """A rule that only evaluates the two networks: nothing is learned."""
    return Rule(activation, teacher_activation, Rates(0.0, 0.0, 0.0, 0.0), 0.0, 0.0, 1, 1.0)


class Factors(NamedTuple):
    """The small factors: trained ones change in place, ``teacher_readout`` never does.

    Of several tasks the readouts are those of all heads, and those of all tasks, one after the other.
    """

    strengths: np.ndarray  # (P,)   s
    xi_out: np.ndarray  # (K, P)    A
    readout: np.ndarray  # (heads K,)     v
    teacher_readout: np.ndarray  # (tasks M,)     v*


class Workspace(NamedTuple):
    """The fields of one sample, and what its forward half passes to the backward half."""

    u: np.ndarray  # (P,)   mode fields
    nu: np.ndarray  # (M,)   teacher fields
    scaled_u: np.ndarray  # (P,)   s∘u
    field: np.ndarray  # (K,)   λ
    activity: np.ndarray  # (K,)   g(λ)
    gain: np.ndarray  # (K,)   v∘g'(λ), so that δ = l' * gain
    back: np.ndarray  # (P,)   a = Aᵀδ


class Gradients(NamedTuple):
    """Sums of the loss gradients over samples, of the factors that live in the small space."""

    strengths: np.ndarray  # (P,)   u∘a
    xi_out: np.ndarray  # (K, P)    δ (s∘u)ᵀ
    readout: np.ndarray  # (heads K,)     l' g(λ)


class Small(NamedTuple):
    """What a step works on in the small space."""

    sizes: tuple  # (K, M, P): compile-time constants where speed needs them, plain integers elsewhere
    factors: Factors
    work: Workspace
    gradients: Gradients


class Step(NamedTuple):
    """What holds during one step."""

    along_input: float  # factor of s∘a in what a sample adds to the modes along its input
    small: float  # factor of a rate times a sum of gradients
    decay: float  # factor of the modes


@compiled
def make_small(sizes, factors):
    K, M, P = sizes
    units = factors.xi_out.shape[0]  # K, of which the compiler knows nothing: loops over it are vectorised
    work = Workspace(np.zeros(P), np.zeros(M), np.zeros(P), np.zeros(units), np.zeros(units), np.zeros(units),
                     np.zeros(P))
    return Small(sizes, factors, work, Gradients(np.zeros(P), np.zeros((K, P)), np.zeros(factors.readout.size)))


@compiled(inner=True, forceinline=True)
def with_constants(rule, activation, teacher_activation, batch):
    """The rule with other activations and another batch, for example compile-time constants."""
    return Rule(activation, teacher_activation, rule.rates, rule.noise, rule.weight_decay, batch, rule.N,
                rule.loss, rule.labels, rule.dropout, rule.timetable, rule.tasks)


@compiled(inner=True, forceinline=True)
def at_step(rule, step):
    """The rule of one step, counted from the beginning of the run."""
    return _of_timetable(rule, rule.timetable, step)


@compiled(inner=True, forceinline=True)
def _of_timetable(rule, timetable, step):
    if timetable is None:  # decided when the kernel is compiled
        return rule
    return with_numbers(rule, timetable.rows[step - timetable.first_step])


@compiled(inner=True, forceinline=True)
def with_numbers(rule, row):
    """The rule with other numbers: the four rates, noise, weight decay, flips, two of dropout, and those of tasks."""
    return Rule(rule.activation, rule.teacher_activation, Rates(row[0], row[1], row[2], row[3]), row[4], row[5],
                rule.batch, rule.N, rule.loss, with_flips(rule.labels, row[6]),
                _with_shares(rule.dropout, row[7], row[8]), rule.timetable, _with_numbers_of_tasks(rule.tasks, row))


@compiled(inner=True, forceinline=True)
def _with_shares(dropout, units, modes):
    if dropout is None:
        return dropout
    return Dropout(units, modes)


@compiled(inner=True, forceinline=True)
def _with_numbers_of_tasks(tasks, row):
    if tasks is None:
        return tasks
    return Tasks(tasks.heads, row[9:])


def rule_with_numbers(rule, row):
    """The same for Python, which cannot call a function that is compiled into others."""
    labels = None if rule.labels is None else Labels(rule.labels.sign, row[6])
    return Rule(rule.activation, rule.teacher_activation, Rates(*row[:4]), row[4], row[5], rule.batch, rule.N,
                rule.loss, labels, None if rule.dropout is None else Dropout(row[7], row[8]), rule.timetable)


@compiled(inner=True, forceinline=True)
def modes_move(rule):
    """Whether any step moves the modes."""
    return _any_moves_modes(rule, rule.timetable)


@compiled(inner=True, forceinline=True)
def _any_moves_modes(rule, timetable):
    if timetable is None:
        return rule.rates.xi_in != 0.0 or rule.weight_decay != 0.0
    return True


@compiled(inner=True, forceinline=True)
def open_step(rule, unit):
    """What holds during a step.

    ``unit`` is what an input of one counts in the modes: 1/√N for the modes themselves, 1/N for the
    components of X/√N, 1 for increments in units of 1/N.
    """
    return Step(-rule.rates.xi_in * unit / rule.batch, 1.0 / (rule.N * rule.batch),
                1.0 - decay_rate(rule) / rule.N)


@compiled(inner=True, forceinline=True)
def decay_rate(rule):
    """What the modes lose in a unit of α: κ."""
    return rule.weight_decay


@compiled(inner=True, forceinline=True)
def teacher_unit(rule, small, m, nu):
    """What teacher unit m adds to the label at the field ν_m: v*_m g(ν_m)."""
    value, _ = value_and_slope(rule.teacher_activation, nu)
    return weight_of_teacher_unit(small, m) * value


@compiled(inner=True, forceinline=True)
def add_teacher_unit(rule, small, m, nu, count, labels):
    """Add it to the labels of the first ``count`` of many samples, whose fields ν_m are ``nu``."""
    add_values(rule.teacher_activation, weight_of_teacher_unit(small, m), nu, count, labels)


@compiled(inner=True, forceinline=True)
def weight_of_teacher_unit(small, m):
    """v*_m."""
    return small.factors.teacher_readout[m]


@compiled(inner=True, forceinline=True)
def teacher_label(rule, now, small, zeta, uniform):
    """The label y at the teacher fields ``small.work.nu``, with the normal ``zeta`` as its noise.

    ``uniform`` is a uniform number in [0, 1), which decides whether a sign is flipped.
    """
    return label_given(rule, _clean_label(rule, small) + label_noise(rule, zeta), uniform)


@compiled(inner=True, forceinline=True)
def label_noise(rule, zeta):
    """What the normal ``zeta`` adds to the label."""
    return rule.noise * zeta


@compiled(inner=True, forceinline=True)
def label_given(rule, value, uniform):
    """The label y where the teacher, noise included, says ``value``."""
    return label_of(rule.labels, value, uniform)


@compiled(inner=True, forceinline=True)
def _clean_label(rule, small):
    _, M, _ = small.sizes
    label = 0.0
    if is_plain(rule.teacher_activation):  # in a loop of its own
        for m in range(M):
            label += weight_of_teacher_unit(small, m) * plain_value(rule.teacher_activation, small.work.nu[m])
    else:
        for m in range(M):
            label += teacher_unit(rule, small, m, small.work.nu[m])
    return label


@compiled(inner=True, forceinline=True)
def sample(rule, now, small, label, coefficients, j):
    """Learn from the sample whose mode fields are ``small.work.u``.

    Its gradients are added to ``small.gradients``, and row ``j`` of ``coefficients`` (samples, at least P)
    receives what the sample adds to the modes along its input.

    Returns
    -------
    bool
        Whether the error f − y is within bounds, which it is not where it is NaN; else nothing is learned.
    """
    sizes, factors, work, gradients = small
    K, _, P = sizes
    rates = rule.rates
    output = _forward(sizes, rule.activation, factors, work)
    error = output - label
    slope = slope_of_loss(rule.loss, output, label)
    for p in range(P):  # a = Aᵀδ, δ = l' v∘g'(λ)
        total = 0.0
        for k in range(K):
            total = fma(factors.xi_out[k, p], work.gain[k], total)
        work.back[p] = slope * total
    if rates.strengths != 0.0:
        for p in range(P):
            gradients.strengths[p] += work.u[p] * work.back[p]
    if rates.xi_out != 0.0:
        for k in range(K):
            delta = slope * work.gain[k]
            for p in range(P):
                gradients.xi_out[k, p] += delta * work.scaled_u[p]
    if rates.readout != 0.0:
        for k in range(K):
            gradients.readout[k] += slope * work.activity[k]
    for p in range(P):
        coefficients[j, p] = now.along_input * (factors.strengths[p] * work.back[p])
    return abs(error) < DIVERGENCE_LIMIT


@compiled(inner=True, forceinline=True)
def close_step(rule, now, small):
    """Let the small factors learn from the samples of the step; the caller multiplies the modes by ``now.decay``."""
    K, _, P = small.sizes
    rates, factors, gradients = rule.rates, small.factors, small.gradients
    readouts = _readouts(rule.tasks, K, factors)
    if rates.strengths != 0.0:
        for p in range(P):
            factors.strengths[p] = descended(factors.strengths[p], rates.strengths * now.small, gradients.strengths[p])
            gradients.strengths[p] = 0.0
    if rates.xi_out != 0.0:
        for k in range(K):
            for p in range(P):
                factors.xi_out[k, p] = descended(factors.xi_out[k, p], rates.xi_out * now.small, gradients.xi_out[k, p])
                gradients.xi_out[k, p] = 0.0
    if rates.readout != 0.0:
        for k in range(readouts):
            factors.readout[k] = descended(factors.readout[k], rates.readout * now.small, gradients.readout[k])
            gradients.readout[k] = 0.0


@compiled(inner=True, forceinline=True)
def _readouts(tasks, K, factors):
    """Entries of the readout of the student, of all its heads."""
    if tasks is None:
        return K
    return factors.readout.size


@compiled(inner=True, forceinline=True)
def descended(value, rate, gradient):
    """A factor after a step down its gradient."""
    return value - rate * gradient


@compiled(inner=True, forceinline=True)
def error_without_noise(rule, small):
    """Error e = f − y at the fields in ``small.work``; fills ``scaled_u``, ``field``, ``activity`` and ``gain``."""
    output, label = output_and_clean_label(rule, small)
    return output - label


@compiled(inner=True, forceinline=True)
def output_and_clean_label(rule, small):
    """f and what the teacher says without noise, at the fields in ``small.work``; fills the same."""
    label = _clean_label(rule, small)
    return _forward(small.sizes, rule.activation, small.factors, small.work), label


@compiled(inner=True, forceinline=True)
def _forward(sizes, activation, factors, work):
    """Output f of the student for the sample whose mode fields are ``work.u``.

    Fills ``scaled_u``, ``field``, ``activity`` and ``gain``.
    """
    K, _, P = sizes
    for p in range(P):
        work.scaled_u[p] = factors.strengths[p] * work.u[p]
    for k in range(K):
        field = 0.0
        for p in range(P):
            field = fma(factors.xi_out[k, p], work.scaled_u[p], field)
        work.field[k] = field
    fill_values_and_slopes(activation, work.field, work.activity, work.gain)
    output = 0.0
    for k in range(K):
        work.gain[k] *= factors.readout[k]
        output += factors.readout[k] * work.activity[k]
    return output
