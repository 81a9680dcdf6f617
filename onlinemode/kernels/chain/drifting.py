"""The exact Markov chain of the overlaps where the teacher drifts; docs/theory, section 17.

The directions of the teacher, β of B = L β, are rows in the frame as the modes are:

    β/√N = L_β O,        X/√N = L_X O.

A step adds a frame vector for each of its samples, along what the input has outside the frame, as in
:mod:`onlinemode.kernels.chain.markov`; a move of the teacher adds one for each direction, along what the fresh normals
have outside.  Then a rotation of the frame takes the new columns out of L_β and L_X together.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.chain.markov import BUFFER
from onlinemode.kernels.chain.rotation import padded, rotate_back
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.random.chain_normals import fill_chain_normals, fill_chi_of_stream
from onlinemode.kernels.random.philox import (
    STREAM_CHAIN_CHI,
    STREAM_CHAIN_DRIFT_CHI,
    STREAM_CHAIN_DRIFT_NORMAL,
    STREAM_CHAIN_FLIP,
    STREAM_CHAIN_MODES_LEFT_OUT,
    STREAM_CHAIN_NORMAL,
    STREAM_CHAIN_TASK,
    STREAM_CHAIN_UNITS_LEFT_OUT,
)
from onlinemode.kernels.rule.drifting import move_due
from onlinemode.kernels.rule.dropout import make_thinned, sample_thinned, thin_out
from onlinemode.kernels.rule.losses import flip_number
from onlinemode.kernels.rule.sphere import back_to
from onlinemode.kernels.rule.step import Factors, at_step, close_step, make_small, open_step, teacher_label
from onlinemode.kernels.rule.tasks import draw_task, rule_of_task, small_of_task

_LEFT_OUT = STREAM_CHAIN_UNITS_LEFT_OUT, STREAM_CHAIN_MODES_LEFT_OUT


class Networks(NamedTuple):
    """Student and teacher by their components in the frame; all change in place."""

    modes: np.ndarray  # (frame vectors, P)   L_Xᵀ
    factors: Factors
    directions: np.ndarray  # (frame vectors, r_B)   L_βᵀ


class Saved(NamedTuple):
    """The states at the saved steps, a row each."""

    steps: np.ndarray  # (n,)
    modes: np.ndarray  # (n, frame vectors, P)
    strengths: np.ndarray  # (n, P)
    xi_out: np.ndarray  # (n, K, P)
    readout: np.ndarray  # (n, heads K)
    directions: np.ndarray  # (n, frame vectors, r_B)


@compiled(inner=True)
def _draw(vectors, noises, known, outside, count, streams, first, apart, key):
    """Draw random vectors, of which number ``first + j + apart * b`` becomes ``vectors[j, :, b]``, for b < count.

    Each by its normal components along ``known`` frame vectors and those that the vectors before it have added, and by
    the length of what it has in the other dimensions, of which there are ``outside`` before the first one.
    """
    for j in range(vectors.shape[0]):
        added = min(j, outside)
        fill_chain_normals(vectors[j], known + added, count, streams[0], key.replica, first + j, apart, key.seed)
        fill_chi_of_stream(vectors[j, known + added], noises[j], outside - added, count, streams[1], key.replica,
                           first + j, apart, key.seed)


@compiled(inner=True)
def _save(state, r_B, factors, saved, row):
    """Copy the state into one row of the saved ones."""
    K, P = factors.xi_out.shape
    for r in range(saved.modes.shape[1]):
        for i in range(r_B):
            saved.directions[row, r, i] = state[r, i]
        for p in range(P):
            saved.modes[row, r, p] = state[r, r_B + p]
    saved.strengths[row] = factors.strengths
    saved.xi_out[row] = factors.xi_out
    saved.readout[row] = factors.readout


@compiled(inner=True)
def _fields(state, known, factor, x, b, work):
    """Mode fields and teacher fields of input b of ``x``, over the frame vectors that the state has."""
    M, r_B = factor.shape
    for m in range(M):
        work.nu[m] = 0.0
    for i in range(r_B):
        along = 0.0
        for r in range(known):
            along += state[r, i] * x[r, b]
        for m in range(M):
            work.nu[m] += factor[m, i] * along
    for p in range(work.u.size):
        work.u[p] = 0.0
        for r in range(known):
            work.u[p] += state[r, r_B + p] * x[r, b]


@compiled(inner=True)
def _learn(state, rows, r_B, inputs, b, coefficients, decay):
    """Let the modes decay, and add the inputs of a step to them."""
    for r in range(rows):
        for p in range(coefficients.shape[1]):
            total = decay * state[r, r_B + p]
            for j in range(inputs.shape[0]):
                total += coefficients[j, p] * inputs[j, r, b]
            state[r, r_B + p] = total


@compiled(inner=True)
def _scale_back(state, rows, r_B, squared_lengths):
    """Give each mode its length back."""
    for p in range(squared_lengths.size):
        square = 0.0
        for r in range(rows):
            square += state[r, r_B + p] * state[r, r_B + p]
        factor = back_to(squared_lengths[p], square)
        for r in range(rows):
            state[r, r_B + p] *= factor


@compiled(inner=True)
def _move(state, rows, teacher_drift, fresh, b, unit):
    """Move the directions of the teacher; ``unit`` is what a normal counts in the frame."""
    for i in range(fresh.shape[0]):
        for r in range(rows):
            state[r, i] = teacher_drift.keep * state[r, i] + teacher_drift.fresh * unit * fresh[i, r, b]


@compiled
def advance(networks, dof, rule, teacher_drift, saved, progress, key, squared_lengths=None):
    """Make steps of the chain with a teacher that drifts.

    Parameters
    ----------
    networks : Networks
        Of which the chain starts; changed in place.
    dof : int
        Dimensions of the input outside the frame; where there are any, the frame has r_B + P vectors.
    rule : onlinemode.kernels.rule.step.Rule
    teacher_drift : onlinemode.kernels.rule.drifting.TeacherDrift
    saved : Saved
    progress : onlinemode.kernels.chain.markov.Progress
        Its counts are kept; the call returns as there.
    key : onlinemode.kernels.random.philox.Key
    squared_lengths : array (P,), optional
        |X_p|²/N to which modes are scaled back after each step.

    Returns
    -------
    bool
        Whether the run diverged.
    """
    modes, factors, directions = networks
    counts, batch = progress.counts, rule.batch
    K, P = factors.xi_out.shape
    M, r_B = teacher_drift.factor.shape
    known = modes.shape[0]
    after_step = known + min(batch, dof)  # frame vectors
    after_move = known + min(batch + r_B, dof)
    width, blocks = padded(r_B + P), max(1, BUFFER // batch)
    state, product = np.zeros((after_move, width)), np.empty((1, width))
    inputs, noises = np.zeros((batch, after_move + 2, blocks)), np.empty((batch, blocks))
    fresh, unused = np.zeros((r_B, after_move + 2, blocks)), np.empty((r_B, blocks))
    coefficients = np.zeros((batch, P))
    small = make_small((K, M, P), factors)
    thinned = make_thinned(rule.dropout, small)
    for r in range(known):
        for i in range(r_B):
            state[r, i] = directions[r, i]
        for p in range(P):
            state[r, r_B + p] = modes[r, p]
    made, row = counts[0], counts[1]
    while row < saved.steps.size:
        if progress.stop[0] != 0 or made >= progress.until:
            break
        count = min(blocks, min(saved.steps[-1], progress.until - 1) - made + 1)
        first_move = made // teacher_drift.every + 1
        moves = (made + count) // teacher_drift.every + 1 - first_move
        _draw(inputs, noises, known, dof, count, (STREAM_CHAIN_NORMAL, STREAM_CHAIN_CHI), made * batch, batch, key)
        _draw(fresh, unused, after_step, dof - (after_step - known), moves,
              (STREAM_CHAIN_DRIFT_NORMAL, STREAM_CHAIN_DRIFT_CHI), first_move * r_B, r_B, key)
        for b in range(count):
            while row < saved.steps.size and saved.steps[row] == made:
                _save(state, r_B, factors, saved, row)
                row += 1
                counts[1] = row
            counts[0] = made
            if row == saved.steps.size:
                break
            current = at_step(rule, made)
            now = open_step(current, 1.0 / rule.N)
            for j in range(batch):
                number = made * batch + j
                _fields(state, known, teacher_drift.factor, inputs[j], b, small.work)
                task = draw_task(current.tasks, STREAM_CHAIN_TASK, key.replica, number, key.seed)
                of_sample = rule_of_task(current, current.tasks, task)
                learner = small_of_task(small, current.tasks, task)
                uniform = flip_number(of_sample.labels, STREAM_CHAIN_FLIP, key.replica, number, key.seed)
                label = teacher_label(of_sample, now, learner, noises[j, b], uniform)
                thin_out(current.dropout, thinned, learner, _LEFT_OUT, key.replica, number, key.seed)
                if not sample_thinned(of_sample, now, learner, thinned, label, coefficients, j):
                    return True
            _learn(state, after_step, r_B, inputs, b, coefficients, now.decay)
            if squared_lengths is not None:
                _scale_back(state, after_step, r_B, squared_lengths)
            close_step(current, now, small)
            made += 1
            move = move_due(teacher_drift, made)
            if move > 0:
                _move(state, after_move, teacher_drift, fresh, move - first_move, 1.0 / np.sqrt(rule.N))
            if dof > 0:
                rotate_back(0, after_move, r_B + P, width, state, product)
        counts[0] = made
    for r in range(known):
        for i in range(r_B):
            directions[r, i] = state[r, i]
        for p in range(P):
            modes[r, p] = state[r, r_B + p]
    return False
