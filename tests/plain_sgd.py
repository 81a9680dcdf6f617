"""Online SGD as a reader of docs/theory, sections 1.2 and 1.3, writes it in NumPy: one sample after the other."""

import math
from typing import NamedTuple

import numpy as np
from activation_formulas import FORMULAS

from onlinemode.kernels.micro.inputs import draw_inputs
from onlinemode.kernels.micro.sgd import tile_shape
from onlinemode.kernels.random.normals import single_normal
from onlinemode.kernels.random.philox import (
    STREAM_LABEL_FLIP,
    STREAM_LABEL_NOISE,
    STREAM_MODES_LEFT_OUT,
    STREAM_TASK,
    STREAM_UNITS_LEFT_OUT,
    Key,
)
from onlinemode.kernels.random.uniforms import fill_below, single_uniform

# l'(f, y) of outputs and labels
SLOPE_OF_LOSS = {
    "squared": lambda f, y: f - y, "correlation": lambda f, y: -y + 0.0 * f,
    "logistic": lambda f, y: -y / (1.0 + np.exp(y * f)), "hinge": lambda f, y: -y * (y * f < 1.0),
    "hinge:0.5": lambda f, y: -y * (y * f < 0.5), "perceptron": lambda f, y: -y * (y * f < 0.0),
    "adatron": lambda f, y: -y * np.maximum(0.0, -y * f), "huber": lambda f, y: np.clip(f - y, -1.0, 1.0),
    "huber:0.4": lambda f, y: np.clip(f - y, -0.4, 0.4)}


class Student(NamedTuple):
    """What learns."""

    xi_in: np.ndarray  # (P, N)   X
    strengths: np.ndarray  # (P,)   s
    xi_out: np.ndarray  # (K, P)   A
    readout: np.ndarray  # (K,) or (heads, K)   v

    def overlaps(self, teacher, covariance=lambda rows: rows):
        """G, S, s, A and v by their names, for inputs of a covariance."""
        X, N = covariance(self.xi_in), self.xi_in.shape[1]
        return {"G": X @ self.xi_in.T / N, "S": X @ teacher.T / N, "strengths": self.strengths, "xi_out": self.xi_out,
                "readout": self.readout}


def student_of(weights):
    """The student of some Weights."""
    return Student(*(np.array(getattr(weights, name)) for name in Student._fields))


def step(problem, weights, student, inputs, noises, uniforms=None, masks=None, tasks=None, seen=None):
    """The student after one step.

    Parameters
    ----------
    problem : Problem
    weights : Weights
        Have the teacher.
    student : Student
    inputs : array (batch, N)
    noises : array (batch,)
        Normals, of the labels.
    uniforms : array (batch,), optional
        Uniform numbers: of the labels that are signs, those below problem.flips are negated.
    masks : tuple of arrays (batch, K), (batch, P), optional
        1 for the units and the modes that a sample keeps, else 0.
    tasks : int array (batch,), optional
        From which of the problem's tasks a sample is, where there are several.
    seen : array (batch, D), optional
        What the teacher sees, where that is not the inputs.
    """
    (X, s, A, v), B, N, rates = student, weights.teacher, weights.N, problem.rates
    g, slope = FORMULAS[problem.activation]
    of_teacher = FORMULAS[problem.teacher_activation or problem.activation][0]
    dX, ds, dA, dv = (np.zeros_like(each) for each in student)
    whole_s, whole_v = s, v
    units, modes = (np.ones((problem.batch, size)) for size in A.shape) if masks is None else masks
    seen = inputs if seen is None else seen
    for i, (x, y, zeta, r, m) in enumerate(zip(inputs, seen, noises, units, modes)):
        noise, flips, of_task, head = problem.noise, problem.flips, ..., ...
        if problem.tasks is not None:
            of_task = tasks[i]
            noise, flips = (each if own is None else own[of_task] for each, own in (
                (noise, problem.tasks.noise), (flips, problem.tasks.flips)))
            head = ... if problem.tasks.heads is None else problem.tasks.heads[of_task]
        s, v = m * whole_s, r * whole_v[head]
        u, nu = X @ x / math.sqrt(N), B @ y / math.sqrt(len(y))
        field = A @ (s * u)
        f, label = v @ g(field), weights.teacher_readout[of_task] @ of_teacher(nu) + noise * zeta
        if problem.labels == "sign":
            label = (1.0 if label > 0.0 else -1.0) * (-1.0 if uniforms is not None and uniforms[i] < flips else 1.0)
        error = SLOPE_OF_LOSS[problem.loss](f, label)
        delta = error * v * slope(field)
        a = A.T @ delta
        dX += np.outer(s * a, x) / math.sqrt(N) / problem.batch
        ds += m * u * a / N / problem.batch
        dA += np.outer(delta, s * u) / N / problem.batch
        dv[head] += r * error * g(field) / N / problem.batch
    return Student((1.0 - problem.weight_decay / N) * X - rates.xi_in * dX, whole_s - rates.strengths * ds,
                   A - rates.xi_out * dA, whole_v - rates.readout * dv)


def inputs_of(kind, N, first, count, seed, replica=0, stream=None):
    """x of consecutive samples of micro, (count, N); tests/kernels/test_inputs_cpu.py holds them against NumPy."""
    return _drawn(kind.source(N), N, first, count, seed, replica, stream)


def seen_of(kind, N, first, count, seed, replica=0, stream=None):
    """What the teacher sees of them, (count, D)."""
    if kind.sees_inputs:
        return inputs_of(kind, N, first, count, seed, replica, stream)
    return _drawn(*kind.teacher_source(N), first, count, seed, replica, stream)


def _drawn(source, N, first, count, seed, replica, stream):
    tiles, length = tile_shape(N)
    out = np.empty((tiles, count, length), np.float32)
    source = source if stream is None else source._replace(stream=stream)
    draw_inputs(source, N, first, count, Key(np.uint64(seed), replica), out)
    return out.transpose(1, 0, 2).reshape(count, -1)[:, :N].astype(float)


def label_noises(first, count, seed, replica=0):
    """Normals of the labels of consecutive samples of micro, (count,)."""
    return np.array([single_normal(STREAM_LABEL_NOISE, replica, sample, np.uint64(seed))
                     for sample in range(first, first + count)])


def flip_numbers(first, count, seed, replica=0, stream=STREAM_LABEL_FLIP):
    """Uniform numbers that flip the labels of consecutive samples of micro, (count,)."""
    return np.array([single_uniform(stream, replica, sample, np.uint64(seed))
                     for sample in range(first, first + count)])


def tasks_of(problem, first, count, seed, replica=0, stream=STREAM_TASK):
    """From which tasks consecutive samples of micro are, (count,); None where there is one."""
    if problem.tasks is None:
        return None
    upto = np.cumsum(problem.tasks.shares) / np.sum(problem.tasks.shares)
    return np.searchsorted(upto, flip_numbers(first, count, seed, replica, stream), side="right")


def masks(problem, weights, first, count, seed, streams=(STREAM_UNITS_LEFT_OUT, STREAM_MODES_LEFT_OUT)):
    """What consecutive samples of micro keep, arrays (count, K) and (count, P)."""
    kept = np.ones((count, weights.K)), np.ones((count, weights.P))
    for share, stream, rows in zip((problem.dropout, problem.mode_dropout), streams, kept):
        for sample, row in enumerate(rows, first):
            fill_below(share, stream, 0, sample, np.uint64(seed), row)
    return kept


def scaled_back(student, begin):
    """The student with modes of the lengths that they have in Weights ``begin``."""
    lengths = [np.sqrt((rows**2).sum(1)) for rows in (begin.xi_in, student.xi_in)]
    factors = np.divide(*lengths, out=np.zeros_like(lengths[0]), where=lengths[1] > 0.0)
    return student._replace(xi_in=factors[:, None] * student.xi_in)


def run(problem, weights, steps, seed, replica=0):
    """The student after so many steps with the samples of micro."""
    student, batch = student_of(weights), problem.batch
    for number in range(steps):
        sample, now = number * batch, problem.at((number + 0.5) / weights.N)
        student = step(now, weights, student, inputs_of(problem.inputs, weights.N, sample, batch, seed, replica),
                       label_noises(sample, batch, seed, replica), flip_numbers(sample, batch, seed, replica),
                       masks(now, weights, sample, batch, seed), tasks_of(now, sample, batch, seed, replica),
                       seen_of(problem.inputs, weights.N, sample, batch, seed, replica))
        if problem.constraint == "sphere":
            student = scaled_back(student, weights)
    return student
