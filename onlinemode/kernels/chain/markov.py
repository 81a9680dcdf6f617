"""The exact Markov chain of the overlaps at finite N, in factor form; docs/theory, section 7.

For Gaussian inputs the learning rule only needs the fields (u, ν) and |x|², whose joint law follows
from the overlaps.  All vectors are kept by their components in an orthonormal frame whose first r_B
vectors span the teacher; the frame itself is never stored:

    B/√N = L_B O_B,        X/√N = L_XB O_B + L_X O_X.

Every sample of a block adds one frame vector, along what its input has outside the frame; at the end
of the block a rotation of the frame (a QR factorization) takes the new columns of L_X out again.
Within a block the modes stay as they were at its beginning, and the fields are corrected for what
has been learned since, as in micro.

``modes`` is [L_XB, L_X]ᵀ.  Innermost loops run over modes, or over the blocks whose random numbers are drawn at
once.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from onlinemode.kernels.chain.eigenspaces import Eigenspaces, draw_in_eigenspaces, rotate_in_eigenspaces
from onlinemode.kernels.chain.rotation import padded, rotate_back
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.fused import fma
from onlinemode.kernels.mathematics.lanes import LANES, load, splat, spread_3d, store
from onlinemode.kernels.random.chain_normals import fill_chain_normals, fill_chi
from onlinemode.kernels.random.philox import (
    STREAM_CHAIN_FLIP,
    STREAM_CHAIN_MODES_LEFT_OUT,
    STREAM_CHAIN_NORMAL,
    STREAM_CHAIN_TASK,
    STREAM_CHAIN_UNITS_LEFT_OUT,
)
from onlinemode.kernels.rule.activations import Activation
from onlinemode.kernels.rule.dropout import make_thinned, sample_thinned, thin_out
from onlinemode.kernels.rule.losses import flip_number
from onlinemode.kernels.rule.sphere import add_along_modes, add_pair, begin_block, end_step, factor_of, make_sphere
from onlinemode.kernels.rule.step import (
    Factors,
    Small,
    add_teacher_unit,
    at_step,
    close_step,
    label_given,
    label_noise,
    make_small,
    open_step,
    with_constants,
)
from onlinemode.kernels.rule.tasks import add_unit_of_tasks, draw_task, rule_of_task, small_of_task

BUFFER = 128  # samples whose random numbers are drawn at once
EXTRA = 4  # samples between two rotations, each with a new column of L_X
_LEFT_OUT = STREAM_CHAIN_UNITS_LEFT_OUT, STREAM_CHAIN_MODES_LEFT_OUT


class Constants(NamedTuple):
    """What may be known when the chain is compiled; the activations by their kinds."""

    K: int
    M: int
    P: int
    r_B: int
    activation: int
    teacher_activation: int
    batch: int


ANY = Constants(*[-1] * 7)  # nothing is known


class Networks(NamedTuple):
    """Student and teacher by their components in the frame; both change in place."""

    modes: np.ndarray  # (frame vectors, P)
    factors: Factors


class Frame(NamedTuple):
    """What is known of the frame."""

    teacher_factor: np.ndarray  # (M, r_B)   L_B; of several eigenspaces (M, frame vectors)
    columns: int  # of L_X
    dof: int  # dimensions of the input outside the frame
    eigenspaces: Eigenspaces | None = None  # None: Ω = I; else columns and dof are theirs


class Saved(NamedTuple):
    """The states at the saved steps, a row each."""

    steps: np.ndarray  # (n,)
    modes: np.ndarray  # (n, frame vectors with those of a block, P)
    strengths: np.ndarray  # (n, P)
    xi_out: np.ndarray  # (n, K, P)
    readout: np.ndarray  # (n, heads K)


class Progress(NamedTuple):
    """How far a replica is, and how far a call goes."""

    counts: np.ndarray  # (2,)   steps made, rows saved; kept current
    until: int  # the call returns at the end of the block that this step is in
    stop: np.ndarray  # (1,)   or when this is not 0


class _Draws(NamedTuple):
    """The random numbers of the samples of many blocks; the last index is the block."""

    inputs: np.ndarray  # (samples, frame vectors, blocks)   components of the inputs
    grams: np.ndarray  # (samples, samples, blocks)   products of inputs with those of earlier steps; on a sphere of all
    teacher_fields: np.ndarray  # (samples, M, blocks)
    noises: np.ndarray  # (samples, blocks)   normals
    labels: np.ndarray  # (samples, blocks)
    tasks: np.ndarray  # (samples, blocks)   of several
    values: np.ndarray  # (blocks,)   of one of their teachers' units; both empty where there is one task


@compiled
def rotation_period(batch):
    """Steps between two rotations, and samples in them: a block."""
    steps = max(1, EXTRA // batch)
    return steps, steps * batch


@compiled(inner=True)
def _save(sizes, modes, factors, saved, row):
    """Copy the state into one row of the saved ones."""
    K, _, P = sizes
    for p in range(P):
        for r in range(modes.shape[0]):
            saved.modes[row, r, p] = modes[r, p]
        saved.strengths[row, p] = factors.strengths[p]
    for k in range(K):
        for p in range(P):
            saved.xi_out[row, k, p] = factors.xi_out[k, p]
    for k in range(factors.readout.size):
        saved.readout[row, k] = factors.readout[k]


@compiled(inner=True, forceinline=True)
def _draw(draws, frame, batch, samples, count, key, first_sample, sphere):
    """Draw the inputs of ``count`` blocks, with their scalar products and their teacher fields."""
    inputs, grams, teacher_fields, noises = draws.inputs, draws.grams, draws.teacher_fields, draws.noises
    M, r_B = frame.teacher_factor.shape
    for j in range(samples):
        _draw_input(frame.eigenspaces, frame, inputs[j], noises[j], j, count, key, first_sample + j, samples)
        for i in range(_first_not_met(sphere, j, batch, draws.grams.shape[0])):
            for b in range(count):
                grams[j, i, b] = 0.0
            for r in range(_rows_of_both(frame.eigenspaces, frame, i, j)):
                for b in range(count):
                    grams[j, i, b] += inputs[i, r, b] * inputs[j, r, b]
        for m in range(M):
            for b in range(count):
                teacher_fields[j, m, b] = 0.0
            for r in range(r_B):
                for b in range(count):
                    teacher_fields[j, m, b] += frame.teacher_factor[m, r] * inputs[j, r, b]


@compiled(inner=True, forceinline=True)
def _draw_input(eigenspaces, frame, x, noise, j, count, key, number, apart):
    """Components x[r, b] of sample j of each block b along the frame as the samples before have left it."""
    if eigenspaces is None:  # decided when the kernel is compiled
        rows = frame.teacher_factor.shape[1] + frame.columns + min(j, frame.dof)
        fill_chain_normals(x, rows, count, STREAM_CHAIN_NORMAL, key.replica, number, apart, key.seed)
        # along what the input has outside the frame, a new frame vector
        fill_chi(x[rows], noise, max(frame.dof - j, 0), count, key.replica, number, apart, key.seed)
    else:
        draw_in_eigenspaces(eigenspaces, x, noise, j, count, key, number, apart)


@compiled(inner=True, forceinline=True)
def _rows_of_both(eigenspaces, frame, i, j):
    """Frame vectors along which samples i and j >= i of a block both have components."""
    if eigenspaces is None:
        framed = frame.teacher_factor.shape[1] + frame.columns
        rows = framed + min(j, frame.dof)
        return min(framed + i + 1, rows) if i < j else rows + 1
    return eigenspaces.first[-1]


@compiled(inner=True, forceinline=True)
def _first_not_met(sphere, j, batch, met):
    """Sample j needs its products with those before this one."""
    if sphere is None:
        return j // batch * batch
    return min(j + 1, met)


@compiled(inner=True, forceinline=True)
def _factors(sphere, decay, p):
    """Of the modes p to p + 3 in a block."""
    if sphere is None:
        return splat(decay)
    return load(sphere.scales, 0, p)


@compiled(inner=True, forceinline=True)
def _grow(sphere, now, small, coefficients, draws, earlier, j, b):
    """What sample j does to the lengths, after those from ``earlier`` on of its step."""
    add_along_modes(sphere, now.decay, coefficients, j, small.work.u, 1.0)
    for i in range(earlier, j + 1):
        add_pair(sphere, coefficients, j, i, draws.grams[j, i, b])


@compiled(inner=True, forceinline=True)
def _scale_back(sphere, modes):
    """Scale the modes themselves back to their lengths."""
    for p in range(sphere.lengths.size):
        square = 0.0
        for r in range(modes.shape[0]):
            square += modes[r, p] * modes[r, p]
        sphere.squares[0, p] = square
    begin_block(sphere)
    for r in range(modes.shape[0]):
        for p in range(sphere.lengths.size):
            modes[r, p] *= sphere.scales[0, p]
    for p in range(sphere.lengths.size):
        sphere.scales[0, p] = 1.0


@compiled(inner=True)
def _sphere_of(squared_lengths, width):
    if squared_lengths is None:
        return None
    return make_sphere(squared_lengths, width, 1)


@compiled(inner=True, forceinline=True)
def _project(samples, rows, P, modes, inputs, b, fields):
    """fields[j, p]: product of mode p and input j of block b, over the first ``rows`` frame vectors."""
    for j in range(0, samples, LANES):
        for p in range(0, P, LANES):
            field_0 = field_1 = field_2 = field_3 = splat(0.0)
            for r in range(rows):
                part = load(modes, r, p)
                field_0 = fma(part, spread_3d(inputs, j, r, b), field_0)
                field_1 = fma(part, spread_3d(inputs, j + 1, r, b), field_1)
                field_2 = fma(part, spread_3d(inputs, j + 2, r, b), field_2)
                field_3 = fma(part, spread_3d(inputs, j + 3, r, b), field_3)
            store(fields, j, p, field_0)
            store(fields, j + 1, p, field_1)
            store(fields, j + 2, p, field_2)
            store(fields, j + 3, p, field_3)


@compiled(inner=True, forceinline=True)
def _learn(samples, rows, P, modes, inputs, b, coefficients, decay, sphere, out):
    """out <- decay * modes + Σ_j coefficients[j] * input j of block b; a factor a mode on a sphere."""
    for j in range(0, samples, LANES):
        for p in range(0, P, LANES):
            c_0, c_1 = load(coefficients, j, p), load(coefficients, j + 1, p)
            c_2, c_3 = load(coefficients, j + 2, p), load(coefficients, j + 3, p)
            for r in range(rows):
                part = fma(_factors(sphere, decay, p), load(modes, r, p), splat(0.0)) if j == 0 else load(out, r, p)
                part = fma(c_0, spread_3d(inputs, j, r, b), part)
                part = fma(c_1, spread_3d(inputs, j + 1, r, b), part)
                part = fma(c_2, spread_3d(inputs, j + 2, r, b), part)
                store(out, r, p, fma(c_3, spread_3d(inputs, j + 3, r, b), part))


@compiled(inner=True, forceinline=True)
def _frame_vectors(eigenspaces, framed, fresh):
    """Frame vectors between two blocks, and with those that a block adds."""
    if eigenspaces is None:
        return framed, framed + fresh
    return eigenspaces.first[-1], eigenspaces.first[-1]  # whose modes have zeros where a block adds


@compiled(inner=True, forceinline=True)
def _rotate(eigenspaces, r_B, framed, rows, P, width, modes, product):
    """Rotate the frame at the end of a block."""
    if eigenspaces is None:
        if rows > framed:
            rotate_back(r_B, rows, P, width, modes, product)
    else:
        rotate_in_eigenspaces(eigenspaces, P, width, modes, product)


@compiled(inner=True, forceinline=True)
def _label(rule, small, draws, j, count, key, first_step, period):
    """labels[j, b] of sample j of each block b, with its noise."""
    _, M, _ = small.sizes
    samples, first_step_of_j = period * rule.batch, first_step + j // rule.batch
    for b in range(count):
        draws.labels[j, b] = label_noise(at_step(rule, first_step_of_j + b * period), draws.noises[j, b])
    for m in range(M):
        add_teacher_unit(rule, small, m, draws.teacher_fields[j, m], count, draws.labels[j])
    for b in range(count):  # of real labels nothing is left of it
        now = at_step(rule, first_step_of_j + b * period)
        uniform = flip_number(now.labels, STREAM_CHAIN_FLIP, key.replica, first_step * rule.batch + b * samples + j,
                              key.seed)
        draws.labels[j, b] = label_given(now, draws.labels[j, b], uniform)


@compiled(inner=True, forceinline=True)
def _label_of_task(rule, small, draws, j, count, key, first_step, period):
    """The same where there are tasks, and tasks[j, b] of these samples."""
    _, M, _ = small.sizes
    samples, first_step_of_j = period * rule.batch, first_step + j // rule.batch
    for b in range(count):
        now = at_step(rule, first_step_of_j + b * period)
        task = draw_task(now.tasks, STREAM_CHAIN_TASK, key.replica, first_step * rule.batch + b * samples + j, key.seed)
        draws.tasks[j, b] = task
        draws.labels[j, b] = label_noise(rule_of_task(now, now.tasks, task), draws.noises[j, b])
    for m in range(M):
        add_unit_of_tasks(rule, small, m, draws.teacher_fields[j, m], count, draws.tasks[j], draws.values,
                          draws.labels[j])
    for b in range(count):
        now = at_step(rule, first_step_of_j + b * period)
        of_sample = rule_of_task(now, now.tasks, draws.tasks[j, b])
        uniform = flip_number(of_sample.labels, STREAM_CHAIN_FLIP, key.replica,
                              first_step * rule.batch + b * samples + j, key.seed)
        draws.labels[j, b] = label_given(of_sample, draws.labels[j, b], uniform)


@compiled(inner=True, forceinline=True)
def _make_labels(tasks, rule, small, draws, j, count, key, first_step, period):
    if tasks is None:  # decided when the kernel is compiled
        _label(rule, small, draws, j, count, key, first_step, period)
    else:
        _label_of_task(rule, small, draws, j, count, key, first_step, period)


@compiled(inner=True, forceinline=True)
def _space_for_tasks(tasks, samples, blocks):
    if tasks is None:
        return np.zeros((0, 0), np.int64), np.zeros(0)
    return np.zeros((samples, blocks), np.int64), np.zeros(blocks)


@compiled(inner=True, forceinline=True)
def _learner(small, tasks, draws, j, b):
    """What the step of sample j of block b works on."""
    if tasks is None:
        return small
    return small_of_task(small, tasks, draws.tasks[j, b])


@cache
def make_advance(constants):
    """The compiled chain for these constants.

    Parameters
    ----------
    constants : Constants
        Compile-time constants make a step up to twice as fast; machine code is cached for each set.
        The function is then for ``columns`` = P and ``dof`` of at least the samples of a block.
        ANY gives the one function for all.

    Returns
    -------
    callable
        ``advance(networks, frame, rule, saved, progress, key, squared_lengths=None)``, where modes are scaled back
        to |X_p|²/N = ``squared_lengths`` (P,) after each step if these are given.  It starts from ``networks``, which
        change in place, fills the rows of ``saved``, keeps ``progress.counts``, looks at ``progress.stop``
        now and then, and returns whether the run diverged.  After a return at ``progress.until``
        another call goes on to the same bits.
    """
    known = int(constants != ANY)
    constant_K, constant_M, constant_P, constant_r_B = constants[:4]
    constant_activation, constant_teacher_activation, constant_batch = constants[4:]

    @compiled
    def advance(networks, frame, rule, saved, progress, key, squared_lengths=None):
        modes, factors = networks
        counts = progress.counts
        if known:
            K, M, P, r_B, columns = constant_K, constant_M, constant_P, constant_r_B, constant_P
            student, teacher = rule.activation, rule.teacher_activation
            rule = with_constants(rule, Activation(constant_activation, student.segments, student.pieces),
                                  Activation(constant_teacher_activation, teacher.segments, teacher.pieces),
                                  constant_batch)
        else:
            K, P = factors.xi_out.shape
            M, r_B = frame.teacher_factor.shape
            columns = frame.columns
        batch = rule.batch
        sizes = (K, M, P)
        made_small = make_small(sizes, factors)
        small = Small(sizes, factors, made_small.work, made_small.gradients)  # with the constants as they are here
        thinned = make_thinned(rule.dropout, small)
        width = padded(P)  # modes come in lanes; those from P on stay 0
        period, samples = rotation_period(batch)
        fresh = samples if known else min(samples, frame.dof)  # columns of L_X that a block adds
        framed, rows = _frame_vectors(frame.eigenspaces, r_B + columns, fresh)
        blocks = max(1, BUFFER // samples)
        met = samples if period > 1 else 0  # inputs of one step never meet
        sphere = _sphere_of(squared_lengths, width)
        tasks, values = _space_for_tasks(rule.tasks, samples, blocks)
        draws = _Draws(np.zeros((padded(samples), rows + 2, blocks)), np.zeros((met, met, blocks)),
                       np.empty((samples, M, blocks)), np.empty((samples, blocks)), np.empty((samples, blocks)),
                       tasks, values)
        inputs, grams, labels = draws.inputs, draws.grams, draws.labels
        state = np.zeros((rows, width))
        fields, coefficients = np.zeros((padded(samples), width)), np.zeros((padded(samples), width))
        product = np.empty((1, width))
        saved_modes = np.empty((rows, width))
        for r in range(framed):
            for p in range(P):
                state[r, p] = modes[r, p]
        unit = 1.0 / rule.N
        made, row = counts[0], counts[1]
        while row < saved.steps.size:
            if progress.stop[0] != 0 or made >= progress.until:
                break
            count = min(blocks, (min(saved.steps[-1], progress.until - 1) - made) // period + 1)
            _draw(draws, frame, batch, samples, count, key, made * batch, sphere)
            for j in range(samples):
                _make_labels(rule.tasks, rule, small, draws, j, count, key, made, period)
            for b in range(count):
                _project(samples, framed, width, state, inputs, b, fields)
                for j in range(samples):
                    for p in range(P):
                        coefficients[j, p] = 0.0
                decay = 1.0
                for step in range(period):
                    while row < saved.steps.size and saved.steps[row] == made:
                        _learn(samples, rows, width, state, inputs, b, coefficients, decay, sphere, saved_modes)
                        _save(sizes, saved_modes, factors, saved, row)
                        row += 1
                        counts[1] = row
                    counts[0] = made
                    if row == saved.steps.size:
                        return False
                    current = at_step(rule, made)
                    now = open_step(current, unit)
                    earlier = step * batch  # samples of this block that the weights have learned from
                    for j in range(earlier, earlier + batch):
                        for p in range(P):
                            small.work.u[p] = factor_of(sphere, decay, p) * fields[j, p]
                        for i in range(earlier):
                            for p in range(P):
                                small.work.u[p] = fma(coefficients[i, p], grams[j, i, b], small.work.u[p])
                        learner = _learner(small, current.tasks, draws, j, b)
                        thin_out(current.dropout, thinned, learner, _LEFT_OUT, key.replica, made * batch + j - earlier,
                                 key.seed)
                        if not sample_thinned(current, now, learner, thinned, labels[j, b], coefficients, j):
                            return True
                        if squared_lengths is not None:
                            if step + 1 < period:  # after the last step the modes themselves are scaled back
                                _grow(sphere, now, small, coefficients, draws, earlier, j, b)
                    if now.decay != 1.0:
                        decay *= now.decay
                        for i in range(earlier):
                            for p in range(P):
                                coefficients[i, p] *= now.decay
                    if squared_lengths is not None:
                        end_step(sphere, now.decay, coefficients, earlier + batch, step + 1 < period)
                    close_step(current, now, small)
                    made += 1
                _learn(samples, rows, width, state, inputs, b, coefficients, decay, sphere, state)
                if squared_lengths is not None:
                    _scale_back(sphere, state)
                _rotate(frame.eigenspaces, r_B, framed, rows, P, width, state, product)
            counts[0] = made
        for r in range(framed):
            for p in range(P):
                modes[r, p] = state[r, p]
        return False

    return advance
