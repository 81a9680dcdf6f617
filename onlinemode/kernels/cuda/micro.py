"""N-dimensional online SGD on a CUDA device: the state of a run and the launches that move it.

The host hands out launches and waits once a call.  The arguments of the kernels
(:mod:`onlinemode.kernels.cuda.blocks`) never change, so that many blocks of samples go out at once as
a CUDA graph.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import cuda

from onlinemode.kernels.cuda.blocks import (
    FIRST,
    MADE,
    WANTED,
    Arrays,
    make_collect,
    make_learn,
    make_products,
    make_scale_back,
    make_sweep,
)
from onlinemode.kernels.cuda.device import SIMULATED, kernel, launched, rule_on_device
from onlinemode.kernels.cuda.graph import record
from onlinemode.kernels.cuda.plan import blocks_a_processor, squares_of, weights_of
from onlinemode.kernels.rule.step import Factors

PRODUCT_THREADS = 4 if SIMULATED else 128  # of a block of threads that multiplies two vectors
CHUNKS = 2 if SIMULATED else 256  # blocks of threads that share one product of two vectors
COPIED_AT_ONCE = 2**26  # numbers that travel to the device in one piece
BLOCKS_A_GRAPH = 32  # blocks of samples


class State(NamedTuple):
    """One run: arrays on the device, and what launches the kernels on them."""

    arrays: Arrays
    factors: Factors  # of device arrays
    launchers: dict  # arguments of ``advance``, of the rule its identity, to :class:`_Launcher`

    @property
    def xi_in(self):
        """Modes, (tiles, P, coordinates)."""
        return self.arrays.xi_in

    @property
    def teacher(self):
        """Teacher vectors, (tiles, M, coordinates)."""
        return self.arrays.teacher


def to_device(rows, kind, plan):
    """Row vectors (vectors, N) as tiles (tiles, vectors, coordinates) on the device; the last one is padded with 0."""
    vectors, N = rows.shape
    length = plan.coordinates
    tiles = -(-N // length)
    out = cuda.device_array((tiles, vectors, length), kind)
    at_once = max(1, COPIED_AT_ONCE // (vectors * length))
    for first in range(0, tiles, at_once):
        count = min(at_once, tiles - first)
        piece = np.zeros((vectors, count * length), kind)
        part = rows[:, first * length:(first + count) * length]
        piece[:, :part.shape[1]] = part
        out[first:first + count].copy_to_device(
            np.ascontiguousarray(piece.reshape(vectors, count, length).transpose(1, 0, 2)))
    return out


def to_host(tiles, N):
    """The inverse of :func:`to_device`: row vectors (vectors, N)."""
    return tiles.copy_to_host().transpose(1, 0, 2).reshape(tiles.shape[1], -1)[:, :N]


def make_state(xi_in, teacher, factors, plan, squared_lengths=None, deviations=None):
    """A run that begins from modes and teacher vectors in tiles on the device, and factors on the host.

    On a sphere the modes keep ``squared_lengths`` (P,), |X_p|².  Scaled inputs have the standard ``deviations``,
    float32 in tiles on the device.
    """
    (tiles, P, length), M = xi_in.shape, teacher.shape[1]
    products = 16 * sum(squares_of(P, M, plan.samples, plan.sphere))
    lengths = np.zeros(1) if squared_lengths is None else np.array(squared_lengths, np.float64)
    arrays = Arrays(
        xi_in, teacher, cuda.device_array(tiles * length * plan.samples if plan.keep else 1, np.float32),
        cuda.to_device(np.zeros(weights_of(P, plan.samples, plan.sphere))), cuda.to_device(np.zeros(6, np.int64)),
        cuda.to_device(np.ones(1)), cuda.device_array((plan.blocks, products), np.float64),
        cuda.device_array(products, np.float64), cuda.to_device(lengths),
        cuda.to_device(np.ones((1, 1, 1), np.float32)) if deviations is None else deviations)
    return State(arrays, Factors(*(cuda.to_device(np.array(value)) for value in factors)), {})


@cache
def _sweep_kernel(kind, P, M, plan):
    return kernel(make_sweep(kind, P, M, plan), plan.threads, blocks_a_processor(plan.threads))


@cache
def _collect_kernel(threads):
    return kernel(make_collect(threads), threads)


@cache
def _learn_kernel(K, M, P, samples, threads, sphere):
    return kernel(make_learn(K, M, P, samples, threads, sphere), threads)


@cache
def _scale_back_kernel(kind, P, M, plan):
    return kernel(make_scale_back(kind, P, M, plan), plan.threads)


class _Launcher:
    """The launches of a run's blocks, with their arguments, which stay the same."""

    def __init__(self, state, plan, rule, key):
        self.plan, self.kind = plan, state.xi_in.dtype.type
        self.sizes = state.factors.readout.shape[0], state.teacher.shape[1], state.xi_in.shape[1]
        self.of_sweep = state.arrays, int(rule.N), rule.batch, key
        self.rule = rule  # kept, so that its arrays keep their identities
        self.of_learn = state.arrays, state.factors, rule_on_device(rule), key
        self._same_code = plan._replace(blocks=0, learners=0, adders=0)
        self._keeps_lengths = plan.sphere and (rule.rates.xi_in != 0.0 or rule.weight_decay != 0.0)
        self._graph, self._recorded = None, False

    def kernels(self, stream=0):
        """Sweep, collect and learn; compiled at their first launch."""
        plan, (K, M, P) = self.plan, self.sizes
        squares = sum(squares_of(P, M, plan.samples, plan.sphere))
        return (launched(_sweep_kernel(self.kind, P, M, self._same_code), plan.blocks, plan.threads, stream),
                launched(_collect_kernel(plan.adders), squares, plan.adders, stream),
                launched(_learn_kernel(K, M, P, plan.samples, plan.learners, plan.sphere), 1, plan.learners, stream))

    def blocks(self, count):
        """Launch so many blocks of samples, and bring the modes up to date."""
        if count > 2 * BLOCKS_A_GRAPH:
            self._launch(1)  # everything is compiled when the recording begins
            graphs, count = divmod(count - 1, BLOCKS_A_GRAPH)
            graph = self._graph_of_blocks()
            for _ in range(graphs):
                self._launch(BLOCKS_A_GRAPH) if graph is None else graph.launch()
        self._launch(count)
        sweep, collect, _ = self.kernels()
        sweep(*self.of_sweep)
        if self._keeps_lengths:
            collect(self.of_sweep[0])
            _, M, P = self.sizes
            scale_back = _scale_back_kernel(self.kind, P, M, self._same_code)
            launched(scale_back, self.plan.blocks, self.plan.threads)(self.of_sweep[0])

    def _launch(self, count, stream=0):
        sweep, collect, learn = self.kernels(stream)
        for _ in range(count):
            sweep(*self.of_sweep)
            collect(self.of_sweep[0])
            learn(*self.of_learn)

    @property
    def has_graph(self):
        """Whether blocks have been launched as a graph."""
        return self._graph is not None

    def forget_graphs(self):
        """From here on launch all kernels one by one, to compare."""
        self._graph, self._recorded = None, True

    def _graph_of_blocks(self):
        if not self._recorded:
            self._graph, self._recorded = record(lambda stream: self._launch(BLOCKS_A_GRAPH, stream)), True
        return self._graph


def launcher(state, plan, rule, key):
    """The launcher of a run, one for each set of arguments."""
    of_rule = rule._replace(**{name: (getattr(rule, name).kind, id(getattr(rule, name).pieces))
                               for name in ("activation", "teacher_activation")})
    if (plan, of_rule, key) not in state.launchers:
        state.launchers[plan, of_rule, key] = _Launcher(state, plan, rule, key)
    return state.launchers[plan, of_rule, key]


def advance(state, plan, rule, first_step, steps, key):
    """Make ``steps`` steps of online SGD in place, from step ``first_step`` on.

    The host only hands out launches; it waits for the device once, at the end.

    Returns
    -------
    made : int
        As of :func:`onlinemode.kernels.micro.sgd.advance`.
    """
    control = np.zeros(6, np.int64)
    control[FIRST], control[WANTED] = first_step, steps
    state.arrays.control.copy_to_device(control)
    launcher(state, plan, rule, key).blocks(-(-steps // plan.steps(rule.batch)))
    return int(state.arrays.control.copy_to_host()[MADE])


def vector_overlaps(a, b, N, variances=None):
    """a bᵀ / N, or a Ω bᵀ / N of diagonal Ω, in float64 for vectors in tiles on the device; an array on the host.

    ``variances`` are float64 in tiles on the device.
    """
    rows, columns, tiles = a.shape[1], b.shape[1], a.shape[0]
    pairs = np.array([(i, j) for i in range(rows) for j in range(columns) if a is not b or i <= j], np.int32)
    chunks = min(tiles, CHUNKS)
    partial = cuda.device_array((len(pairs), chunks), np.float64)
    weighted = variances is not None
    products = launched(_products(a.shape[2], PRODUCT_THREADS, weighted), (len(pairs), chunks), PRODUCT_THREADS)
    products(a, b, variances if weighted else cuda.to_device(np.ones((1, 1, 1))), cuda.to_device(pairs), partial)
    out = np.zeros((rows, columns))
    out[tuple(pairs.T)] = partial.copy_to_host().sum(1) / N
    if a is b:
        out.T[tuple(pairs.T)] = out[tuple(pairs.T)]
    return out


@cache
def _products(length, threads, weighted):
    return kernel(make_products(length, threads, weighted), threads)
