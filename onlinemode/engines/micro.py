"""Engine ``micro``: N-dimensional online SGD with real weight vectors, one thread a replica."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

from onlinemode import checks
from onlinemode.engines.grid import save_times
from onlinemode.engines.progress import Progress
from onlinemode.errors import EngineError
from onlinemode.state import OrderParameters, weights_from_overlaps
from onlinemode.theory.meanfield import generalization_error
from onlinemode.trajectory import Status, Trajectory

OPTIONS = ("precision", "device", "threads")
PRECISIONS = ("float64", "float32")
DEVICES = ("cpu",)

SAMPLES_PER_BLOCK = 4
# Coordinates times steps between two looks at the interrupt flag: a fraction of a second.  It is a
# count, not a time, because the blocks, and with them the rounding, must not depend on the clock.
WORK_PER_CALL = 4e7


def run(problem, start, *, alpha, N, seed, replicas, save_at, progress, precision="float64", device="cpu",
        threads=None):
    """Run SGD; see :func:`onlinemode.simulate` for the arguments.

    ``threads`` limits the replicas that run at the same time (default: the machine's cores); it has
    no influence on the result.
    """
    from onlinemode.kernels.philox import MAX_REPLICAS

    checks.choice("precision", precision, PRECISIONS)
    if device not in DEVICES:
        raise EngineError(f"device must be one of {', '.join(DEVICES)}; got {device!r}")
    checks.integer("replicas", replicas, 1, MAX_REPLICAS)
    threads = len(os.sched_getaffinity(0)) if threads is None and hasattr(os, "sched_getaffinity") else (
        os.cpu_count() if threads is None else checks.integer("threads", threads, 1))
    if isinstance(start, OrderParameters):
        if N is None:
            raise EngineError("engine micro needs N when it starts from overlaps; got None: give N=..., or Weights")
        initial, start = start, weights_from_overlaps(start, N, seed)
    else:
        initial = start.order_parameters()
    N = start.N
    alphas, steps = save_times(save_at, alpha, N)
    if progress is not None:
        progress(Progress(0.0, 0.0, 0, float("nan")))

    began = time.perf_counter()
    simulation = _Simulation(problem, start, steps, seed, precision)
    compiled_at = time.perf_counter()
    results = _run_replicas(simulation, replicas, threads, progress, alphas)
    ended = time.perf_counter()

    fields = {name: np.stack([getattr(result, name) for result in results])
              for name in ("G", "S", "strengths", "xi_out", "readout")}
    made = [int(result.steps_made) for result in results]
    return Trajectory(
        alpha=alphas, **fields, problem=problem, initial=initial,
        status=[result.status for result in results], message=[result.message for result in results],
        meta={"N": N, "device": device, "precision": precision, "steps": made,
              "seconds_compile": compiled_at - began, "seconds_run": ended - compiled_at})


class _Simulation:
    """What all replicas share: initial weights in tiles, the saved steps, the compiled kernel."""

    def __init__(self, problem, weights, steps, seed, precision):
        from onlinemode.kernels import micro_cpu
        from onlinemode.kernels.activations import ACTIVATION_CODES
        from onlinemode.kernels.rule import Rates

        self.kernel = micro_cpu
        self.problem, self.steps, self.seed, self.N = problem, steps, seed, weights.N
        self.K, self.M, self.P = weights.K, weights.M, weights.P
        self.xi_in = micro_cpu.to_tiles(weights.xi_in, precision)
        self.teacher = micro_cpu.to_tiles(weights.teacher, precision)
        self.weights = weights
        self.rates = Rates(*(float(getattr(problem.rates, name)) for name in Rates._fields))
        self.activation = ACTIVATION_CODES[problem.activation]
        self.steps_per_block = max(1, SAMPLES_PER_BLOCK // problem.batch)
        work = self.N * (self.P + self.M) * problem.batch
        blocks = max(1, int(WORK_PER_CALL / work) // self.steps_per_block)
        self.steps_per_call = blocks * self.steps_per_block
        self.T = micro_cpu.vector_overlaps(self.teacher, self.teacher, self.N)
        self.advance(self.xi_in.copy(), self.factors(), 0, 0, 0)  # compiles, makes no step

    def factors(self):
        """Fresh copies of the small factors, for one replica."""
        from onlinemode.kernels.rule import Factors

        w = self.weights
        return Factors(*(np.array(value) for value in (w.strengths, w.xi_out, w.readout, w.teacher_readout)))

    def advance(self, xi_in, factors, first_step, steps, replica):
        problem = self.problem
        return self.kernel.advance(xi_in, self.teacher, factors, self.rates, problem.weight_decay, problem.noise,
                                   self.activation, self.N, problem.batch, self.steps_per_block, first_step, steps,
                                   np.uint64(self.seed), replica)


class _Replica:
    """One trajectory in the making; ``run`` is executed in a thread of its own."""

    def __init__(self, simulation, number):
        self.simulation, self.number = simulation, number
        n, K, M, P = len(simulation.steps), simulation.K, simulation.M, simulation.P
        self.G = np.full((n, P, P), np.nan)
        self.S = np.full((n, P, M), np.nan)
        self.strengths = np.full((n, P), np.nan)
        self.xi_out = np.full((n, K, P), np.nan)
        self.readout = np.full((n, K), np.nan)
        self.steps_made = 0
        self.saved = 0
        self.status, self.message = Status.INTERRUPTED, "not started"

    def run(self, stop):
        simulation, N = self.simulation, self.simulation.N
        xi_in, factors = simulation.xi_in.copy(), simulation.factors()
        self.status, self.message = Status.COMPLETED, "reached the last α"
        for i, target in enumerate(simulation.steps):
            while self.steps_made < target:
                if stop.is_set():
                    self.status = Status.INTERRUPTED
                    self.message = f"stopped by the user at α = {self.steps_made / N:.6g}; later times are NaN"
                    return
                want = int(min(simulation.steps_per_call, target - self.steps_made))
                made = simulation.advance(xi_in, factors, self.steps_made, want, self.number)
                self.steps_made += made
                if made < want:
                    self._diverged()
                    return
            self._save(i, xi_in, factors)
            if not (np.all(np.isfinite(self.G[i])) and np.all(np.isfinite(self.xi_out[i]))):
                self._diverged()
                return

    def _diverged(self):
        self.status = Status.DIVERGED
        self.message = (f"diverged at α = {self.steps_made / self.simulation.N:.6g}: lower the learning rates "
                        "(or the size of the start); later times are NaN")

    def _save(self, i, xi_in, factors):
        overlaps = self.simulation.kernel.vector_overlaps
        self.G[i] = overlaps(xi_in, xi_in, self.simulation.N)
        self.S[i] = overlaps(xi_in, self.simulation.teacher, self.simulation.N)
        self.strengths[i], self.xi_out[i], self.readout[i] = factors.strengths, factors.xi_out, factors.readout
        self.saved = i + 1

    def error(self):
        """ε_g at the last saved time."""
        i = self.saved - 1
        if i < 0:
            return np.nan
        return float(generalization_error(
            self.simulation.problem.activation, self.G[i], self.S[i], self.simulation.T, self.strengths[i],
            self.xi_out[i], self.readout[i], self.simulation.weights.teacher_readout))


def _run_replicas(simulation, count, threads, progress, alphas):
    """Run all replicas on a pool of threads; Ctrl-C stops them at their next look at the flag."""
    stop = threading.Event()
    replicas = [_Replica(simulation, number) for number in range(count)]
    total = max(int(simulation.steps[-1]), 1) * count
    pool = ThreadPoolExecutor(max_workers=min(threads, count))
    futures = [pool.submit(replica.run, stop) for replica in replicas]
    try:
        pending = futures
        while pending:
            _, pending = wait(pending, timeout=0.2)
            if progress is not None:
                current = next((replica for replica, future in zip(replicas, futures) if not future.done()),
                               replicas[-1])
                made = sum(int(replica.steps_made) for replica in replicas)
                progress(Progress(current.steps_made / simulation.N, made / total, made, current.error()))
    except BaseException as problem:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        if not isinstance(problem, KeyboardInterrupt):  # an error in the callback is an error of the run
            raise
    pool.shutdown(wait=True)
    for future in futures:
        if not future.cancelled():
            future.result()  # an error in a thread is an error of the run
    return replicas
