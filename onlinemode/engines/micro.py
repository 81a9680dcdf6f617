"""Engine ``micro``: N-dimensional online SGD with real weight vectors; threads over replicas, or inside at large N."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from onlinemode import checks
from onlinemode.engines.grid import save_times
from onlinemode.engines.progress import Progress
from onlinemode.engines.replicas import (
    Replica,
    collect,
    each_once,
    kernel_rates,
    run_in_threads,
    small_factors,
    thread_count,
)
from onlinemode.errors import EngineError
from onlinemode.state import OrderParameters, weights_from_overlaps
from onlinemode.trajectory import Trajectory

OPTIONS = ("precision", "device", "threads")
DETERMINISTIC = False
PRECISIONS = ("float64", "float32")
DEVICES = ("cpu",)

# Samples that share one sweep over the weights.  More of them cost more products of inputs with each
# other and save memory traffic: worth it where the weights leave the caches (benchmarks/README.md).
SAMPLES_PER_BLOCK = 4
SAMPLES_PER_BLOCK_LARGE = 8
LARGE_WEIGHTS = 4 * 2**20  # bytes of modes and teacher vectors

# From this N on threads that no replica needs work inside a trajectory; below, handing out the work costs more.
N_SHARED_BY_THREADS = 100_000

# Coordinates times steps between two looks at the interrupt flag: a fraction of a second.  It is a
# count, not a time, because the blocks, and with them the rounding, must not depend on the clock.
WORK_PER_CALL = 4e8


def run(problem, starts, *, alpha, N, seed, replicas, first_replica, save_at, progress, precision="float64",
        device="cpu", threads=None):
    """Run SGD; see :func:`onlinemode.simulate` for the common arguments.

    Parameters
    ----------
    precision : {"float64", "float32"}, default "float64"
        Of the N-dimensional weights; overlaps and small factors are float64 always.
    device : {"cpu"}, default "cpu"
    threads : int, optional
        Threads (default: the machine's cores); no influence on the result.  Replicas run at the same time
        first; threads that are left over share the work inside the trajectories where N is at least 10^5.
    """
    from onlinemode.kernels.philox import MAX_REPLICAS

    checks.choice("precision", precision, PRECISIONS)
    if device not in DEVICES:
        raise EngineError(f"device must be one of {', '.join(DEVICES)}; got {device!r}")
    checks.integer("replicas", replicas, 1, MAX_REPLICAS)
    threads = thread_count(threads)
    if N is None:
        raise EngineError("engine micro needs N when it starts from overlaps; got None: give N=..., or Weights")
    vectors = each_once(lambda start: _VectorStart(start, N, seed, precision), starts)
    alphas, steps = save_times(save_at, alpha, N)
    if progress is not None:
        progress(Progress(0.0, 0.0, 0, float("nan")))

    began = time.perf_counter()
    threads_inside = max(1, threads // len(vectors)) if N >= N_SHARED_BY_THREADS else 1
    simulation = _Simulation(problem, vectors[0], N, steps, seed, threads_inside)
    compiled_at = time.perf_counter()
    results = [_MicroReplica(number, vector, simulation) for number, vector in enumerate(vectors, first_replica)]
    run_in_threads(results, threads, progress, steps[-1])
    ended = time.perf_counter()
    return Trajectory(
        alpha=alphas, **collect(results), problem=problem, initial=vectors[0].overlaps,
        meta={"N": N, "device": device, "precision": precision,
              "steps": [result.steps_made for result in results],
              "seconds_compile": compiled_at - began, "seconds_run": ended - compiled_at})


class _VectorStart:
    """Initial weights in tiles, with their overlaps."""

    def __init__(self, start, N, seed, precision):
        from onlinemode.kernels.micro_cpu import to_tiles

        if isinstance(start, OrderParameters):
            self.overlaps, start = start, weights_from_overlaps(start, N, seed)
        else:
            self.overlaps = start.order_parameters()
        self.xi_in, self.teacher = to_tiles(start.xi_in, precision), to_tiles(start.teacher, precision)


class _Simulation:
    """What all replicas share: the problem, the saved steps, the compiled kernel."""

    def __init__(self, problem, start, N, steps, seed, threads_inside):
        from onlinemode.kernels import micro_cpu
        from onlinemode.kernels.activations import ACTIVATION_CODES

        self.kernel = micro_cpu
        self.problem, self.steps, self.seed, self.N = problem, steps, seed, N
        self.rates = kernel_rates(problem)
        self.activation = ACTIVATION_CODES[problem.activation]
        self.threads_inside = threads_inside
        large = start.xi_in.nbytes + start.teacher.nbytes > LARGE_WEIGHTS
        self.steps_per_block = max(1, (SAMPLES_PER_BLOCK_LARGE if large else SAMPLES_PER_BLOCK) // problem.batch)
        work = N * (start.overlaps.P + start.overlaps.M) * problem.batch
        self.steps_per_call = max(1, int(WORK_PER_CALL / work) // self.steps_per_block) * self.steps_per_block
        micro_cpu.vector_overlaps(start.xi_in, start.teacher, N)
        with self.helpers() as helpers:  # compiles; the step of a copy is thrown away
            self.advance(helpers, start.xi_in.copy(), start.teacher, small_factors(start.overlaps), 0, 1, 0)

    def helpers(self):
        """The threads that help inside one trajectory, as a context; none starts before there is work for it."""
        return ThreadPoolExecutor(max(1, self.threads_inside - 1))

    def advance(self, helpers, xi_in, teacher, factors, first_step, steps, replica):
        problem = self.problem
        arguments = (xi_in, teacher, factors, self.rates, problem.weight_decay, problem.noise, self.activation, self.N,
                     problem.batch, self.steps_per_block, first_step, steps, np.uint64(self.seed), replica)
        if self.threads_inside == 1:
            return self.kernel.advance(*arguments)
        from onlinemode.engines import together

        return together.advance(helpers, self.threads_inside, *arguments)


class _MicroReplica(Replica):
    def __init__(self, number, start, simulation):
        super().__init__(number, start.overlaps, simulation.problem.activation, simulation.N, len(simulation.steps))
        self.start, self.simulation = start, simulation

    def advance(self, stop):
        with self.simulation.helpers() as helpers:
            return self._advance(stop, helpers)

    def _advance(self, stop, helpers):
        simulation = self.simulation
        xi_in, factors = self.start.xi_in.copy(), small_factors(self.overlaps)
        for i, target in enumerate(simulation.steps):
            while self.steps_made < target:
                if stop[0]:
                    return False
                want = int(min(simulation.steps_per_call, target - self.steps_made))
                made = simulation.advance(helpers, xi_in, self.start.teacher, factors, self.steps_made, want,
                                          self.number)
                self.counts[0] += made
                if made < want:
                    return True
            self._save(i, xi_in, factors)
            if not (np.all(np.isfinite(self.G[i])) and np.all(np.isfinite(self.xi_out[i]))):
                return True
        return False

    def _save(self, i, xi_in, factors):
        kernel = self.simulation.kernel
        self.G[i] = kernel.vector_overlaps(xi_in, xi_in, self.N)
        self.S[i] = kernel.vector_overlaps(xi_in, self.start.teacher, self.N)
        self.strengths[i], self.xi_out[i], self.readout[i] = factors.strengths, factors.xi_out, factors.readout
        self.counts[1] = i + 1
