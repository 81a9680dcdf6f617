"""Real vectors that learn from the chain's samples, whose normals and chi variates are components in their frame."""

from typing import NamedTuple

import numpy as np
import plain_sgd

from onlinemode.engines.chain.engine import ChainStart
from onlinemode.kernels.chain.markov import ANY, BUFFER, Networks, Progress, Saved, make_advance, rotation_period
from onlinemode.kernels.random.chain_normals import fill_chain_normals, fill_chi
from onlinemode.kernels.random.philox import (
    STREAM_CHAIN_FLIP,
    STREAM_CHAIN_MODES_LEFT_OUT,
    STREAM_CHAIN_NORMAL,
    STREAM_CHAIN_TASK,
    STREAM_CHAIN_UNITS_LEFT_OUT,
    Key,
)
from onlinemode.runtime.timetable import RuleInTime

_LEFT_OUT = STREAM_CHAIN_UNITS_LEFT_OUT, STREAM_CHAIN_MODES_LEFT_OUT


class Pair(NamedTuple):
    """One moment of both."""

    vectors: plain_sgd.Student
    chain: dict  # G, S, strengths, xi_out and readout


def pairs(problem, weights, steps, seed):
    """The real student and the state of the chain after every step, a Pair each; Gaussian inputs."""
    begin, batch, N, P = ChainStart(weights, weights.N), problem.batch, weights.N, weights.P
    period, samples = rotation_period(batch)
    along, columns = len(begin.along), len(begin.across)
    paths = chain_path(problem, weights, begin, steps, seed, along + columns + min(samples, begin.dof))
    generator = np.random.default_rng(1)
    span = np.linalg.pinv(begin.teacher_factor) @ weights.teacher / np.sqrt(N)
    student = plain_sgd.student_of(weights)
    frame = _frame(begin.across, student, begin.along, span, generator)
    for step in range(steps):
        inputs, noises = [], []
        for sample in range(step * batch, (step + 1) * batch):
            normals, length, noise = _draws(len(frame), sample, N - len(frame), seed)
            x = normals @ frame
            if len(frame) < N:
                frame = np.concatenate([frame, _orthonormal_to(frame, generator)[None]])
                x = x + length * frame[-1]
            inputs.append(x)
            noises.append(noise)
        student = learned(problem, weights, student, step, inputs, noises, seed)
        modes, *factors = (path[step + 1] for path in paths)
        now = modes[along:]
        chain = {"G": modes.T @ modes, "S": modes[:along].T @ begin.teacher_factor.T,
                 "strengths": factors[0], "xi_out": factors[1], "readout": factors[2].reshape(weights.readout.shape)}
        yield Pair(student, chain)
        if (step + 1) % period == 0 and len(frame) > along + columns:  # the kernel has rotated its frame
            frame = _rotated(frame, now[:P], student, modes[:along], span, generator)


def learned(problem, weights, student, step, inputs, noises, seed):
    """The student after a step on these inputs and normals of labels; all other numbers are the chain's own."""
    batch, now = problem.batch, problem.at((step + 0.5) / weights.N)
    uniforms = plain_sgd.flip_numbers(step * batch, batch, seed, stream=STREAM_CHAIN_FLIP)
    kept = plain_sgd.masks(now, weights, step * batch, batch, seed, streams=_LEFT_OUT)
    tasks = plain_sgd.tasks_of(now, step * batch, batch, seed, stream=STREAM_CHAIN_TASK)
    student = plain_sgd.step(now, weights, student, inputs, noises, uniforms, kept, tasks)
    return plain_sgd.scaled_back(student, weights) if problem.constraint == "sphere" else student


def chain_path(problem, weights, begin, steps, seed, rows):
    """What the kernel saves at every step: modes in its frame of so many rows, strengths, xi_out, readout."""
    K, P = weights.K, weights.P
    paths = tuple(np.full((steps + 1, *shape), np.nan) for shape in ((rows, P), (P,), (K, P), (weights.readout.size,)))
    make_advance(ANY)(
        Networks(begin.modes.copy(), weights.factors()), begin.frame(),
        RuleInTime(problem, weights.N, steps).over(0, steps + BUFFER), Saved(np.arange(steps + 1), *paths),
        Progress(np.zeros(2, np.int64), steps + 1, np.zeros(1, np.uint8)), Key(np.uint64(seed), 0),
        None if problem.constraint is None else begin.squared_lengths)
    return paths


def _draws(count, sample, dof, seed):
    """Components of a sample along so many frame vectors, its length outside them, and the normal of its label."""
    normals, length, noise = np.empty((count + 1, 1)), np.empty(1), np.empty(1)
    fill_chain_normals(normals, count, 1, STREAM_CHAIN_NORMAL, 0, sample, 1, np.uint64(seed))
    fill_chi(length, noise, dof, 1, 0, sample, 1, np.uint64(seed))
    return normals[:count, 0], length[0], noise[0]


def _rotated(frame, across, student, along, span, generator):
    """The frame whose rows belong to the components ``across`` of the student, and that of the teacher, as before."""
    components = student.xi_in @ frame[len(span):].T / np.sqrt(student.xi_in.shape[1])
    rotation, triangle = np.linalg.qr(components.T)
    signs = np.where((triangle * across).sum(1) < 0.0, -1.0, 1.0)
    if np.abs(signs[:, None] * triangle - across).max() > 1e-9:  # linearly dependent modes have many triangles
        return _frame(across, student, along, span, generator)
    return np.concatenate([frame[:len(span)], signs[:, None] * rotation.T @ frame[len(span):]])


def _frame(across, student, along, span, generator):
    """Orthonormal rows: ``span`` of the teacher, then those that belong to the components ``across`` of the student."""
    if not len(across):
        return span
    rest = student.xi_in / np.sqrt(student.xi_in.shape[1]) - along.T @ span
    left, lengths, right = np.linalg.svd(across.T)
    known = lengths > 1e-9 * np.linalg.norm(student.xi_in) / np.sqrt(student.xi_in.shape[1])
    rows = np.concatenate([span, (left[:, :len(lengths)][:, known].T @ rest) / lengths[known, None]])
    for _ in range(len(right) - known.sum()):
        rows = np.concatenate([rows, _orthonormal_to(rows, generator)[None]])
    rows = np.concatenate([span, right.T @ rows[len(span):]])
    left, _, right = np.linalg.svd(rows, full_matrices=False)
    return left @ right  # the nearest orthonormal rows


def _orthonormal_to(rows, generator):
    """A unit vector orthogonal to orthonormal rows."""
    vector = generator.standard_normal(rows.shape[1])
    for _ in range(2):
        vector -= rows.T @ (rows @ vector)
    return vector / np.linalg.norm(vector)
