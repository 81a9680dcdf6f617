"""How fast the engines are on this machine, against plain loops and against what the machine can do.

Every competitor first learns from the same inputs and must end with the same overlaps; only then is
it timed.  Rounds are interleaved, so that all meet the same noise, and medians are taken.
"""

import importlib.util
import os
import platform
import statistics
import time
from importlib.metadata import version
from typing import NamedTuple

import numpy as np

from onlinemode import initial
from onlinemode.engines.micro.engine import samples_per_block
from onlinemode.errors import ParameterError
from onlinemode.problem import LearningRates, Problem
from onlinemode.simulation import simulate

ETA = 0.5
CHECKED_STEPS = 64
SAME = {"float64": 1e-10, "float32": 1e-4}  # largest relative difference of G after the checked steps
BASELINE = "Numba loop"


class Timing(NamedTuple):
    """One competitor at one N.

    Attributes
    ----------
    engine : str
        Its name.
    N : int
        Number of inputs.
    seconds : float
        A step, median of the rounds.
    ratio : float
        Times faster than the plain Numba loop.
    difference : float
        Of the overlaps from the NumPy loop, relative; NaN for the chain, which draws its own inputs.
    roofline : dict or None
        Micro alone: seconds a step for normals, bytes and multiply-adds, and the share reached.
    """

    engine: str
    N: int
    seconds: float
    ratio: float
    difference: float
    roofline: dict | None


def median_seconds(tasks, rounds=5):
    """Median seconds of each callable over interleaved rounds.

    Parameters
    ----------
    tasks : dict
        Name to callable without arguments; one that returns a float has taken its own time.
    rounds : int, default 5

    Returns
    -------
    dict
        Name to median seconds.
    """
    seconds = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            seconds[name].append(_timed(task))
    return {name: statistics.median(values) for name, values in seconds.items()}


def _timed(task):
    began = time.perf_counter()
    own = task()
    return own if isinstance(own, float) else time.perf_counter() - began


def machine():
    """Processor, cores and versions.

    Returns
    -------
    dict
    """
    from onlinemode.kernels.baselines.limits import llvm_target

    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {"processor": model, "cores": os.cpu_count(), "llvm_target": llvm_target(),
            "python": platform.python_version(), **{name: version(name) for name in ("numpy", "numba", "scipy")}}


def benchmark(sizes=(1_000, 10_000, 100_000), K=4, rounds=5, seconds=0.3, progress=None):
    """Time the engines on one core, erf, X trained, K = M = P.

    Parameters
    ----------
    sizes : sequence of int, default (1000, 10000, 100000)
        Values of N.
    K : int, default 4
        Hidden units and modes.
    rounds : int, default 5
        Timed runs of each competitor; the median counts.
    seconds : float, default 0.3
        About how long one timed run takes.
    progress : callable, optional
        Given a line of text now and then.

    Returns
    -------
    list of Timing
        NumPy loop, Numba loop, PyTorch (where it is installed), micro in both precisions and chain, for
        every N.

    Raises
    ------
    ParameterError
        If a competitor does not compute the same thing: then no time is taken.
    """
    timings = []
    for N in sizes:
        if progress is not None:
            progress(f"N = {N:,}: checking, then timing")
        timings += _at_one_size(N, K, rounds, seconds)
    return timings


def _at_one_size(N, K, rounds, seconds):
    competitors = _competitors(N, K)
    differences = {name: _difference(competitor, competitors["NumPy loop"], N)
                   for name, competitor in competitors.items() if name != "chain"}
    tasks, counts = {}, {}
    for name, competitor in competitors.items():
        counts[name] = _steps_that_take(seconds, competitor)
        tasks[name] = lambda competitor=competitor, steps=counts[name]: competitor.run(steps)
    limits = {precision: _Limits(N, K, precision) for precision in ("float64", "float32")}
    for precision, limit in limits.items():
        tasks |= {(precision, name): task for name, task in limit.tasks.items()}
    measured = median_seconds(tasks, rounds)
    each = {name: measured[name] / counts[name] for name in competitors}
    rooflines = {f"micro {precision}": limit.roofline(measured, each[f"micro {precision}"])
                 for precision, limit in limits.items()}
    return [Timing(name, N, each[name], each[BASELINE] / each[name], differences.get(name, float("nan")),
                   rooflines.get(name)) for name in competitors]


def _steps_that_take(seconds, competitor):
    """A number of steps that takes about so long."""
    competitor.run(2)  # compiles
    steps = 16
    while True:
        taken = _timed(lambda steps=steps: competitor.run(steps))
        if taken > 0.3 * seconds:
            return max(16, int(steps * seconds / taken))
        steps *= 2


def _difference(competitor, reference, N):
    """Largest relative difference of G after the same inputs; an error if it is not rounding."""
    expected, found = reference.overlaps(CHECKED_STEPS), competitor.overlaps(CHECKED_STEPS)
    difference = float(np.abs(found - expected).max() / np.abs(expected).max())
    allowed = SAME["float32" if competitor.name.endswith("float32") else "float64"]
    if not difference < allowed:
        raise ParameterError(f"{competitor.name} and the NumPy loop must end with the same overlaps at N = {N}; they "
                             f"differ by {difference:.1e} (at most {allowed:g}): this is a bug, no time is taken")
    return difference


def _competitors(N, K):
    weights = initial.showcase(N, K=K, seed=0)
    found = {"NumPy loop": _NumpyLoop(weights), BASELINE: _NumbaLoop(weights)}
    if importlib.util.find_spec("torch") is not None:
        found["PyTorch loop"] = _TorchLoop(weights)
    found["micro float64"] = _Engine("micro float64", weights, "micro", precision="float64")
    found["micro float32"] = _Engine("micro float32", weights, "micro", precision="float32")
    found["chain"] = _Engine("chain", weights, "chain")
    return found


def _inputs(N, steps):
    """The inputs that micro draws with seed 0, (steps, N)."""
    from onlinemode.kernels.random.normals import fill_normals
    from onlinemode.kernels.random.philox import STREAM_INPUT

    length = -(-N // 4) * 4
    buffer, words = np.empty(length, np.float32), np.empty((4, length // 4), np.uint32)
    rows = np.empty((steps, N))
    for step in range(steps):
        fill_normals(buffer, 0, STREAM_INPUT, 0, step, 0, words)
        rows[step] = buffer[:N]
    return rows


class _Engine:
    """An engine of the package, called as a user calls it; the time is that of its steps."""

    def __init__(self, name, weights, engine, **options):
        self.name, self.N = name, weights.N
        self._call = {"problem": Problem(rates=LearningRates(xi_in=ETA)), "start": weights, "engine": engine,
                      "save_at": 2, "threads": 1, **options}

    def run(self, steps):
        return simulate(alpha=steps / self.N, **self._call).info.seconds_run

    def overlaps(self, steps):
        return simulate(alpha=steps / self.N, **self._call).G[0, -1]


class _NumpyLoop:
    """The ten lines that a physicist writes first."""

    name = "NumPy loop"

    def __init__(self, weights):
        self.weights, self.N = weights, weights.N
        self._generator = np.random.default_rng(0)

    def run(self, steps):
        self._learn(self.weights.xi_in.copy(), (self._generator.standard_normal(self.N) for _ in range(steps)))

    def overlaps(self, steps):
        X = self.weights.xi_in.copy()
        self._learn(X, _inputs(self.N, steps))
        return X @ X.T / self.N

    def _learn(self, X, inputs):
        from scipy.special import erf

        w, N = self.weights, self.N
        for x in inputs:
            field = w.xi_out @ (w.strengths * (X @ x)) / np.sqrt(N)
            error = w.readout @ erf(field / np.sqrt(2.0)) - w.teacher_readout @ erf(w.teacher @ x / np.sqrt(2.0 * N))
            delta = error * w.readout * np.sqrt(2.0 / np.pi) * np.exp(-0.5 * field**2)
            X -= np.outer(ETA / np.sqrt(N) * w.strengths * (w.xi_out.T @ delta), x)


class _NumbaLoop:
    """The strongest plain baseline: one compiled loop that draws with a NumPy Generator."""

    name = BASELINE

    def __init__(self, weights):
        self.weights, self.N = weights, weights.N
        self._generator = np.random.default_rng(0)

    def run(self, steps):
        self._learn(self.weights.xi_in.copy(), steps, np.empty((0, self.N)))

    def overlaps(self, steps):
        X = self.weights.xi_in.copy()
        self._learn(X, steps, _inputs(self.N, steps))
        return X @ X.T / self.N

    def _learn(self, X, steps, given):
        from onlinemode.kernels.baselines.plain import numba_loop

        w = self.weights
        numba_loop(X, w.teacher, w.xi_out, w.strengths, w.readout, w.teacher_readout, ETA, steps, given,
                   self._generator)


class _TorchLoop:
    """The same loop in PyTorch on one thread, float64."""

    name = "PyTorch loop"

    def __init__(self, weights):
        import torch

        torch.set_num_threads(1)
        self.weights, self.N, self._torch = weights, weights.N, torch
        self._generator = torch.Generator().manual_seed(0)

    def run(self, steps):
        torch = self._torch
        self._learn(torch.tensor(self.weights.xi_in),
                    (torch.randn(self.N, dtype=torch.float64, generator=self._generator) for _ in range(steps)))

    def overlaps(self, steps):
        X = self._torch.tensor(self.weights.xi_in)
        self._learn(X, self._torch.tensor(_inputs(self.N, steps)))
        return (X @ X.T / self.N).numpy()

    def _learn(self, X, inputs):
        torch, w, root = self._torch, self.weights, self.N**0.5
        teacher, A, s, v, v_star = (torch.tensor(np.array(value)) for value in (
            w.teacher, w.xi_out, w.strengths, w.readout, w.teacher_readout))
        with torch.no_grad():
            for x in inputs:
                field = A @ (s * (X @ x)) / root
                error = v @ torch.erf(field / 2**0.5) - v_star @ torch.erf(teacher @ x / (root * 2**0.5))
                delta = error * v * (2.0 / np.pi) ** 0.5 * torch.exp(-0.5 * field**2)
                X.addr_(s * (A.T @ delta), x, alpha=-ETA / root)


class _Limits:
    """What a step of micro needs at least on this core: normals, bytes, multiply-adds, each measured alone."""

    def __init__(self, N, K, precision):
        from onlinemode.kernels.baselines import limits

        size = np.dtype(precision).itemsize
        held = np.ones(max(64, 3 * K * N // 2), precision), np.ones(max(64, 3 * K * N // 2), precision)
        values = np.full(1024, 0.1, precision)
        buffer, words = np.empty(1024, np.float32), np.empty((4, 256), np.uint32)
        # about 2^24 numbers each, a few milliseconds
        moves, draws, sums = max(1, 2**24 // held[0].size), 2**11, 2**10
        self.tasks = {
            "normals": lambda: limits.draw(buffer, words, draws),
            "bytes": lambda: limits.move(held[0], held[1], moves),
            "multiply-adds": lambda: limits.multiply_adds(values, sums)}
        for task in self.tasks.values():
            task()
        # a sweep reads X and B, writes X, and writes and reads the inputs (float32) of its samples
        samples = samples_per_block(2 * K * N * size)
        bytes_a_step = N * (3 * K * size / samples + 2 * 4)
        sums_a_step = N * (3 * K + (samples - 1) / 2)
        self._precision = precision
        self._share = {"normals": N / (buffer.size * draws), "bytes": bytes_a_step / (3 * held[0].nbytes * moves),
                       "multiply-adds": sums_a_step / (values.size * limits.MULTIPLY_ADDS * sums)}

    def roofline(self, measured, seconds):
        """Seconds a step of each limit, and the share reached: normals, then bytes or sums, over the time measured."""
        least = {name: measured[self._precision, name] * share for name, share in self._share.items()}
        bound = least["normals"] + max(least["bytes"], least["multiply-adds"])
        return {**least, "share": bound / seconds}
