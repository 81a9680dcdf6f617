"""Engine ``micro``: N-dimensional online SGD with real weight vectors, one thread a replica."""

import time

import numpy as np

from onlinemode import checks
from onlinemode.engines.grid import save_times
from onlinemode.engines.progress import Progress
from onlinemode.engines.replicas import Replica, collect, kernel_rates, run_in_threads, small_factors, thread_count
from onlinemode.errors import EngineError
from onlinemode.state import OrderParameters, weights_from_overlaps
from onlinemode.trajectory import Trajectory

OPTIONS = ("precision", "device", "threads")
PRECISIONS = ("float64", "float32")
DEVICES = ("cpu",)

SAMPLES_PER_BLOCK = 4
# Coordinates times steps between two looks at the interrupt flag: a fraction of a second.  It is a
# count, not a time, because the blocks, and with them the rounding, must not depend on the clock.
WORK_PER_CALL = 4e8


def run(problem, start, *, alpha, N, seed, replicas, save_at, progress, precision="float64", device="cpu",
        threads=None):
    """Run SGD; see :func:`onlinemode.simulate` for the common arguments.

    Parameters
    ----------
    precision : {"float64", "float32"}, default "float64"
        Of the N-dimensional weights; overlaps and small factors are float64 always.
    device : {"cpu"}, default "cpu"
    threads : int, optional
        Replicas that run at the same time (default: the machine's cores); no influence on the result.
    """
    from onlinemode.kernels.philox import MAX_REPLICAS

    checks.choice("precision", precision, PRECISIONS)
    if device not in DEVICES:
        raise EngineError(f"device must be one of {', '.join(DEVICES)}; got {device!r}")
    checks.integer("replicas", replicas, 1, MAX_REPLICAS)
    threads = thread_count(threads)
    if isinstance(start, OrderParameters):
        if N is None:
            raise EngineError("engine micro needs N when it starts from overlaps; got None: give N=..., or Weights")
        overlaps, start = start, weights_from_overlaps(start, N, seed)
    else:
        overlaps = start.order_parameters()
    alphas, steps = save_times(save_at, alpha, start.N)
    if progress is not None:
        progress(Progress(0.0, 0.0, 0, float("nan")))

    began = time.perf_counter()
    simulation = _Simulation(problem, start, steps, seed, precision)
    compiled_at = time.perf_counter()
    results = [_MicroReplica(number, overlaps, simulation) for number in range(replicas)]
    run_in_threads(results, threads, progress, steps[-1])
    ended = time.perf_counter()
    return Trajectory(
        alpha=alphas, **collect(results), problem=problem, initial=overlaps,
        meta={"N": start.N, "device": device, "precision": precision,
              "steps": [result.steps_made for result in results],
              "seconds_compile": compiled_at - began, "seconds_run": ended - compiled_at})


class _Simulation:
    """What all replicas share: initial weights in tiles, the saved steps, the compiled kernel."""

    def __init__(self, problem, weights, steps, seed, precision):
        from onlinemode.kernels import micro_cpu
        from onlinemode.kernels.activations import ACTIVATION_CODES

        self.kernel = micro_cpu
        self.problem, self.weights, self.steps, self.seed, self.N = problem, weights, steps, seed, weights.N
        self.xi_in = micro_cpu.to_tiles(weights.xi_in, precision)
        self.teacher = micro_cpu.to_tiles(weights.teacher, precision)
        self.rates = kernel_rates(problem)
        self.activation = ACTIVATION_CODES[problem.activation]
        self.steps_per_block = max(1, SAMPLES_PER_BLOCK // problem.batch)
        work = self.N * (weights.P + weights.M) * problem.batch
        self.steps_per_call = max(1, int(WORK_PER_CALL / work) // self.steps_per_block) * self.steps_per_block
        micro_cpu.vector_overlaps(self.xi_in, self.teacher, self.N)
        self.advance(self.xi_in.copy(), small_factors(weights), 0, 0, 0)  # compiles, makes no step

    def advance(self, xi_in, factors, first_step, steps, replica):
        problem = self.problem
        return self.kernel.advance(xi_in, self.teacher, factors, self.rates, problem.weight_decay, problem.noise,
                                   self.activation, self.N, problem.batch, self.steps_per_block, first_step, steps,
                                   np.uint64(self.seed), replica)


class _MicroReplica(Replica):
    def __init__(self, number, overlaps, simulation):
        super().__init__(number, overlaps, simulation.problem.activation, simulation.N, len(simulation.steps))
        self.simulation = simulation

    def advance(self, stop):
        simulation = self.simulation
        xi_in, factors = simulation.xi_in.copy(), small_factors(simulation.weights)
        for i, target in enumerate(simulation.steps):
            while self.steps_made < target:
                if stop[0]:
                    return False
                want = int(min(simulation.steps_per_call, target - self.steps_made))
                made = simulation.advance(xi_in, factors, self.steps_made, want, self.number)
                self.counts[0] += made
                if made < want:
                    return True
            self._save(i, xi_in, factors)
            if not (np.all(np.isfinite(self.G[i])) and np.all(np.isfinite(self.xi_out[i]))):
                return True
        return False

    def _save(self, i, xi_in, factors):
        simulation = self.simulation
        self.G[i] = simulation.kernel.vector_overlaps(xi_in, xi_in, self.N)
        self.S[i] = simulation.kernel.vector_overlaps(xi_in, simulation.teacher, self.N)
        self.strengths[i], self.xi_out[i], self.readout[i] = factors.strengths, factors.xi_out, factors.readout
        self.counts[1] = i + 1
