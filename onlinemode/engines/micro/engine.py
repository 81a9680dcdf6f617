"""Engine ``micro``: N-dimensional online SGD with real weight vectors; threads over replicas, or inside at large N."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from onlinemode.blocks import FACTORS, OF_GROUPS, OVERLAPS
from onlinemode.engines.base import Engine
from onlinemode.engines.micro import cuda
from onlinemode.engines.micro.fresh_samples import FreshSamples
from onlinemode.engines.micro.groups import GroupOverlaps
from onlinemode.engines.micro.options import CAPABILITIES, Options
from onlinemode.engines.micro.starts import with_vectors
from onlinemode.errors import EngineError
from onlinemode.inputs import Gaussian
from onlinemode.replica_states import ReplicaState, lengths_to_keep
from onlinemode.run_info import RunInfo
from onlinemode.runtime.device import choose, run_there
from onlinemode.runtime.drifting import teacher_drift
from onlinemode.runtime.progress import Progress
from onlinemode.runtime.replicas import (
    Replica,
    collect,
    each_once,
    restore,
    run_in_threads,
    thread_count,
)
from onlinemode.runtime.saved_times import save_times
from onlinemode.runtime.timetable import RuleInTime
from onlinemode.trajectory import Trajectory

N_WORTH_A_DEVICE = 1_000_000  # for device "auto"
TEST_SAMPLES = 10_000

# Samples that share one sweep over the weights.  More of them cost more products of inputs with each
# other and save memory traffic: worth it where the weights leave the caches (benchmarks/README.md).
SAMPLES_PER_BLOCK = 4
SAMPLES_PER_BLOCK_LARGE = 8
LARGE_WEIGHTS = 4 * 2**20  # bytes of modes and teacher vectors, and of the matrix of a hidden manifold

# Threads that no replica needs work inside a trajectory, as long as each has at least so many coordinates:
# with fewer, handing out the tiles costs what it gains.
COORDINATES_A_THREAD = 2_500

# Coordinates times steps between two looks at the interrupt flag: a fraction of a second.  It is a
# count, not a time, because the blocks, and with them the rounding, must not depend on the clock.
WORK_PER_CALL = 4e8


def run(call, options):
    """Run SGD.

    Parameters
    ----------
    call : onlinemode.engines.base.Call
    options : onlinemode.engines.micro.options.Options

    Returns
    -------
    Trajectory
    """
    problem, N = call.problem, call.N
    worth = (N is not None and N >= N_WORTH_A_DEVICE and options.resolve is None
             and cuda.supports(problem, options.test_samples, call.store_final))
    device = choose(options.device, worth)
    if N is None:
        raise EngineError("engine micro needs N when it starts from overlaps; got None: give N=..., or Weights")
    problem.inputs.check(N)
    if problem.drifts and not problem.inputs.independent:
        raise EngineError(f"a teacher that drifts needs inputs with independent entries; got {problem.inputs!r}: take "
                          "Gaussian(), Rademacher() or Uniform(), or leave drift out")
    if device == "cuda" and problem.trains:
        made = run_there(options.device, lambda: cuda.run(call, options))
        if made is not None:
            return made
    test_samples = options.test_samples
    second_moment = all(each.linear for each in problem.activations)
    if test_samples is None and device == "cpu" and not (problem.inputs.gaussian or second_moment):
        test_samples = TEST_SAMPLES
    if test_samples is not None and problem.stages > 1:
        raise EngineError("tasks that wait for an error need fields that are Gaussian, whose error follows from "
                          "overlaps: give times (Tasks.in_turn), other inputs, or no test_samples")
    vectors = each_once(lambda start: _VectorStart(start, call, options), call.starts)
    alphas, steps = save_times(call.save_at, call.alpha, N)
    if call.progress is not None:
        call.progress(Progress(0.0, 0.0, 0, float("nan")))

    began = time.perf_counter()
    threads = thread_count(options.threads)
    threads_inside = max(1, min(threads // len(vectors), N // COORDINATES_A_THREAD))
    simulation = _Simulation(call, vectors[0], steps, test_samples, threads_inside, options.resolve)
    compiled_at = time.perf_counter()
    results = [_MicroReplica(number, vector, simulation) for number, vector in enumerate(vectors, call.first_replica)]
    run_in_threads(results, threads, call, steps[-1])
    ended = time.perf_counter()
    measured = {} if test_samples is None else {name: np.stack([getattr(result, name) for result in results])
                                                for name in ("error", "error_se")}
    common_teacher = None if problem.drifts else vectors[0].teacher_rows
    return Trajectory(
        alpha=alphas, **collect(results, common_teacher), **measured, problem=problem,
        initial=vectors[0].overlaps, groups=None if simulation.resolved is None else simulation.resolved.groups,
        info=RunInfo("micro", N, precision=options.precision, test_samples=test_samples,
                     steps=[result.steps_made for result in results], seconds_compile=compiled_at - began,
                     seconds_run=ended - compiled_at))


def samples_per_block(weights):
    """Samples that share one sweep over so many bytes of modes, teacher vectors and the matrix of a manifold."""
    return SAMPLES_PER_BLOCK_LARGE if weights > LARGE_WEIGHTS else SAMPLES_PER_BLOCK


class _VectorStart:
    """Initial weights in tiles, with their overlaps.

    ``image`` is √N E[ν xᵀ] in tiles, which is BΩ where the teacher sees the inputs, ``teacher_rows`` B to keep,
    ``drift`` how B moves, if it does.
    """

    def __init__(self, start, call, options):
        from onlinemode.kernels.micro.sgd import to_tiles, vector_overlaps

        inputs, N, precision = call.problem.inputs, call.N, options.precision
        self.first_step, self.squared_lengths = 0, None
        given = start
        if isinstance(start, ReplicaState):
            self.first_step, self.overlaps, start = start.steps, start.overlaps, start.start()
        else:
            self.overlaps, start = with_vectors(start, inputs, N, call.seed)
        self.teacher_rows = start.teacher if call.store_final else None
        self.xi_in, teacher = to_tiles(start.xi_in, precision), start.teacher
        if not inputs.sees_inputs:  # fields are B c/√D, and the kernel divides by √N
            teacher = np.sqrt(N / inputs.teacher_columns(N)) * teacher
        self.teacher = self.image = to_tiles(teacher, precision)
        if not inputs.independent:
            self.image = to_tiles(inputs.teacher_moments(start.teacher, N).image, precision)
        self.mean_T = given.mean_T if isinstance(given, ReplicaState) else self.overlaps.T
        self.drift = teacher_drift(call.problem, N, self.mean_T)
        if call.problem.constraint is not None:
            lengths = vector_overlaps(self.xi_in, self.xi_in, N).diagonal().copy()
            self.squared_lengths = given.squared_lengths(lengths) if isinstance(given, ReplicaState) else lengths


class _Simulation:
    """What all replicas share: the problem, the saved steps, the compiled kernel."""

    def __init__(self, call, start, steps, test_samples, threads_inside, resolve):
        from onlinemode.kernels.micro import sgd

        self.kernel = sgd
        self.call, self.steps, self.threads_inside = call, steps, threads_inside
        self.problem, self.N = problem, N = call.problem, call.N
        self.rules = [RuleInTime(problem.stage(number), N, steps[-1]) for number in range(problem.stages)]
        self.source = None if problem.inputs == Gaussian() else problem.inputs.source(N)
        self.teacher_source = problem.inputs.teacher_source(N)
        latent, matrix = (0, 0) if self.source is None else (self.source.projection.shape[2],
                                                             self.source.projection.nbytes)
        swept = start.xi_in.nbytes + start.teacher.nbytes + matrix
        self.steps_per_block = max(1, samples_per_block(swept) // problem.batch)
        self.test_samples = test_samples
        self.resolved = None if resolve is None else GroupOverlaps(problem.inputs, self.rows(start.image), resolve)
        work = N * (start.overlaps.P + start.overlaps.M + latent) * problem.batch
        most = self.rules[0].at_most(int(WORK_PER_CALL / work))
        self.steps_per_call = max(1, most // self.steps_per_block) * self.steps_per_block
        sgd.vector_overlaps(start.xi_in, start.image, N)
        # compiles, in this thread alone; the step of a copy is thrown away
        copy = sgd.Networks(start.xi_in.copy(), start.teacher.copy(), start.overlaps.factors())
        sgd.advance(copy, self.rules[0].over(0, 1), sgd.Stretch(0, 1, self.steps_per_block), self.key(0), self.source,
                    start.squared_lengths, start.drift, self.teacher_source)

    def helpers(self):
        """The threads that help inside one trajectory, as a context; none starts before there is work for it."""
        return ThreadPoolExecutor(max(1, self.threads_inside - 1))

    def key(self, replica):
        """What the random numbers of a replica are drawn with."""
        from onlinemode.kernels.random.philox import Key

        return Key(np.uint64(self.call.seed), replica)

    def advance(self, helpers, networks, start, first_step, steps, replica, stage=0):
        stretch = self.kernel.Stretch(first_step, steps, self.steps_per_block)
        rule = self.rules[stage].over(first_step, steps)
        arguments = (networks, rule, stretch, self.key(replica), self.source, start.squared_lengths, start.drift,
                     self.teacher_source)
        if self.threads_inside == 1:
            return self.kernel.advance(*arguments)
        from onlinemode.engines.micro import together

        return together.advance(helpers, self.threads_inside, *arguments)

    def overlaps(self, xi_in, image):
        """G = XΩXᵀ/N and S = E[u νᵀ], from X and the image of the teacher in tiles."""
        products, inputs, N = self.kernel.vector_overlaps, self.problem.inputs, self.N
        if inputs.independent:
            return products(xi_in, xi_in, N), products(xi_in, image, N)
        rows = self.rows(xi_in)
        G = products(xi_in, self.kernel.to_tiles(inputs.covariance(N)(rows), xi_in.dtype), N)
        return 0.5 * (G + G.T), products(xi_in, image, N)

    def rows(self, vectors):
        """Vectors in tiles as an array (vectors, N)."""
        return vectors.transpose(1, 0, 2).reshape(vectors.shape[1], -1)[:, :self.N]

    def fresh_samples(self, replica):
        """On which the error of a replica is measured; None where it follows from the overlaps."""
        if self.test_samples is None:
            return None
        source = self.problem.inputs.source(self.N) if self.source is None else self.source
        return FreshSamples(source, self.teacher_source, self.rules[0].rule._replace(tasks=None), self.test_samples,
                            self.key(replica))


class _MicroReplica(Replica):
    path_names = (*OVERLAPS, "error", "error_se")

    def __init__(self, number, start, simulation):
        super().__init__(number, start.overlaps, simulation.call, len(simulation.steps), start.first_step)
        self.start, self.simulation = start, simulation
        self.error, self.error_se = self.unknown_errors(), self.unknown_errors()
        if simulation.resolved is not None:
            times, o, count = len(simulation.steps), start.overlaps, simulation.resolved.count
            self.group_G, self.group_S = np.full((times, count, o.P, o.P), np.nan), np.full((times, count, o.P, o.M),
                                                                                            np.nan)
            self.path_names = (*self.path_names, *OF_GROUPS)

    def advance(self, stop):
        networks = self._begin()
        with self.simulation.helpers() as helpers:
            diverged = self._advance(stop, helpers, networks)
        if self.simulation.call.store_final and not diverged:
            self.end = self._end(networks)
        return diverged

    def _advance(self, stop, helpers, networks):
        simulation = self.simulation
        fresh = simulation.fresh_samples(self.number)
        for i in range(self.saved, len(simulation.steps)):
            target = simulation.steps[i]
            if not self.problem.trains:
                self.counts[0] = target
            while self.steps_made < target:
                self.look(lambda: self._copy(networks))
                if stop[0]:
                    return False
                look = self.next_look
                until = target if look is None else min(target, look)
                want = int(min(simulation.steps_per_call, until - self.steps_made))
                made = simulation.advance(helpers, networks, self.start, self.steps_made, want, self.number,
                                          self.stage)
                self.counts[0] += made
                if made < want:
                    return True
                if self.steps_made == look:
                    self.look_at_error(*simulation.overlaps(networks.xi_in, self._image(networks)),
                                       *self._small(networks.factors), self._present_T(networks))
            self._save(i, networks, fresh)
            if self.cut_beyond_bounds(i):
                return True
        return False

    def _begin(self):
        """Student and teacher: of the start, or of the snapshot."""
        teacher = self.start.teacher.copy() if self.problem.drifts else self.start.teacher
        networks = self.simulation.kernel.Networks(self.start.xi_in.copy(), teacher, self.overlaps.factors())
        if self.snapshot is not None:
            restore(networks.xi_in, self.snapshot["xi_in"])
            if self.problem.drifts:
                restore(teacher, self.snapshot["teacher"])
            self.restore_paths(networks.factors, self.simulation.steps)
        return networks

    def _copy(self, networks):
        factors = networks.factors
        teacher = {"teacher": networks.teacher.copy()} if self.problem.drifts else {}
        return {"xi_in": networks.xi_in.copy(), **teacher, "strengths": factors.strengths.copy(),
                "xi_out": factors.xi_out.copy(), "readout": factors.readout.copy(), **self.copy_paths()}

    def _end(self, networks):
        simulation, (xi_in, teacher, factors) = self.simulation, networks
        G, S = simulation.overlaps(xi_in, self._image(networks))
        drifted = {} if not self.problem.drifts else {
            "T": self._present_T(networks), "state_mean_T": self.start.mean_T,
            "state_teacher": simulation.rows(teacher)}
        return {"alpha": self.steps_made / self.N, "steps": self.steps_made, "G": G, "S": S,
                **dict(zip(FACTORS, self._small(factors))), "state_xi_in": simulation.rows(xi_in),
                **lengths_to_keep(self.start.squared_lengths), **drifted}

    def _image(self, networks):
        """What S is taken with; a teacher that drifts has Ω = I."""
        return networks.teacher if self.problem.drifts else self.start.image

    def _present_T(self, networks):
        """T of the teacher vectors, where they drift; else that of the start."""
        if not self.problem.drifts:
            return self.overlaps.T
        return self.simulation.kernel.vector_overlaps(networks.teacher, networks.teacher, self.N)

    def _save(self, i, networks, fresh):
        if i and not self.problem.trains:
            for name in self.path_names:
                getattr(self, name)[i] = getattr(self, name)[i - 1]
            self.counts[1] = i + 1
            return
        factors = networks.factors
        self.G[i], self.S[i] = self.simulation.overlaps(networks.xi_in, self._image(networks))
        self.strengths[i], self.xi_out[i], self.readout[i] = self._small(factors)
        if self.switched.size:
            self.switches[i] = self.switched
        if self.problem.drifts:
            self.teacher_overlaps[i] = self._present_T(networks)
        if self.simulation.resolved is not None:
            self.group_G[i], self.group_S[i] = self.simulation.resolved.of(self.simulation.rows(networks.xi_in))
        if fresh is not None:
            measured = [fresh.error(networks._replace(factors=each)) for each in self._whole_students(i, factors)]
            self.error[i], self.error_se[i] = zip(*measured) if self.problem.tasks is not None else measured[0]
        self.counts[1] = i + 1

    def _small(self, factors):
        """Strengths, output modes and readout, in the shapes of a start."""
        return factors.strengths, factors.xi_out, factors.readout.reshape(self.readout.shape[1:])

    def _whole_students(self, i, factors):
        """Small factors of the networks whose errors count at saved time i, of each task."""
        problem, o = self.problem, self.overlaps
        strengths, readout = problem.whole_student(self.steps_made / self.N, factors.strengths, self.readout[i])
        if problem.tasks is None:
            return [factors._replace(strengths=strengths, readout=readout)]
        heads = problem.tasks.heads
        return [factors._replace(strengths=strengths, readout=readout if heads is None else readout[heads[task]].copy(),
                                 teacher_readout=o.teacher_readout[task].copy()) for task in range(o.tasks)]

    def last_error(self):
        if self.simulation.test_samples is None or not self.saved:
            return super().last_error()
        last, tasks = self.error[self.saved - 1], self.problem.tasks
        return float(last if tasks is None else last @ self.problem.shares_at([self.steps_made / self.N])[0])


ENGINE = Engine("micro", Options, CAPABILITIES, run)
