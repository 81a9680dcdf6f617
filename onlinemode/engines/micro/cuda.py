"""Engine ``micro`` on a CUDA device: replicas one after the other, each on the whole device."""

import time

import numpy as np

from onlinemode.blocks import FACTORS
from onlinemode.engines.micro.starts import with_vectors
from onlinemode.errors import DeviceError, EngineError
from onlinemode.inputs import Gaussian, PowerLaw, Rademacher, Spectrum, Uniform
from onlinemode.run_info import RunInfo
from onlinemode.runtime.device import lacks, memory_error
from onlinemode.runtime.progress import Progress
from onlinemode.runtime.replicas import Replica, collect, each_once, restore, run_in_threads
from onlinemode.runtime.saved_times import save_times
from onlinemode.trajectory import Trajectory

# Coordinates times samples between two looks at the interrupt flag, and the most steps: a fraction of a second.
WORK_PER_CALL = 2e10
STEPS_PER_CALL = 2**16
USED = 0.9  # share of the free memory that a run may take

# Inputs that a device draws, and what the plan calls their entries
ENTRIES = {Gaussian: "normal", PowerLaw: "scaled", Spectrum: "scaled", Rademacher: "sign", Uniform: "uniform"}


def supports(problem, test_samples, store_final=False):
    """Whether a device can make such a run as the CPU would; without a device no more is known."""
    as_from_overlaps = problem.inputs.gaussian or all(each.linear for each in problem.activations)
    return (_draws(problem.inputs) and as_from_overlaps and lacks(problem) is None and test_samples is None
            and not store_final)


def _draws(inputs):
    """Whether a device makes such inputs: their entries are independent."""
    return type(inputs) in ENTRIES and (inputs.independent or not isinstance(inputs, Gaussian))


def run(call, options):
    """Run SGD on the device; see :func:`onlinemode.engines.micro.engine.run`, which has checked the arguments.

    Raises
    ------
    EngineError
        If the device cannot make this run, or has not enough memory.
    """
    from onlinemode.kernels.cuda import device

    problem = call.problem
    if not _draws(problem.inputs):
        raise EngineError(f"device cuda draws inputs with independent entries alone; got {problem.inputs!r}: use "
                          "device cpu")
    if lacks(problem) is not None:
        raise EngineError(lacks(problem))
    if options.test_samples is not None:
        raise EngineError(f"device cuda takes the error from the overlaps alone; got test_samples = "
                          f"{options.test_samples}: leave it out, or use device cpu")
    if options.resolve is not None:
        raise EngineError(f"device cuda resolves no overlaps by eigenvalues; got resolve = {options.resolve}: leave it "
                          "out, or use device cpu")
    if call.store_final:
        raise EngineError("device cuda does not keep the vectors at the end: leave store_final out, or use device cpu")
    vectors = each_once(lambda start: _Start(start, call), call.starts)
    alphas, steps = save_times(call.save_at, call.alpha, call.N)
    simulation = _Simulation(call, vectors[0], steps, options.precision)
    if call.progress is not None:
        call.progress(Progress(0.0, 0.0, 0, float("nan")))

    began = time.perf_counter()
    simulation.compile()
    compiled_at = time.perf_counter()
    results = [_DeviceReplica(number, start, simulation) for number, start in enumerate(vectors, call.first_replica)]
    run_in_threads(results, 1, call, steps[-1])
    ended = time.perf_counter()
    return Trajectory(
        alpha=alphas, **collect(results), problem=problem, initial=vectors[0].overlaps,
        info=RunInfo("micro", call.N, device="cuda", device_name=device.name(), precision=options.precision,
                     launch=simulation.plan._asdict(), steps=[result.steps_made for result in results],
                     seconds_compile=compiled_at - began, seconds_run=ended - compiled_at))


class _Start:
    """Initial weights and their overlaps."""

    def __init__(self, start, call):
        self.overlaps, self.weights = with_vectors(start, call.problem.inputs, call.N, call.seed)


class _Simulation:
    """What all replicas share: the problem, the saved steps, the layout of the work, the teacher on the device."""

    def __init__(self, call, start, steps, precision):
        from onlinemode.kernels.cuda import device, micro, plan

        self.kernel = micro
        self.call, self.steps, self.seed = call, steps, np.uint64(call.seed)
        self.problem, self.N = problem, N = call.problem, call.N
        self.rule = problem.rule(N)
        self.kind = np.dtype(precision).type
        o, self.start = start.overlaps, start
        sizes = self.kind, N, o.P, o.M
        free = device.free_bytes()
        for keep in (True, False):  # inputs are drawn twice where they cannot be kept
            self.plan = plan.make_plan(*sizes, problem.batch, keep, self.problem.constraint is not None,
                                       entries=ENTRIES[type(problem.inputs)])
            if self.plan is None:
                raise DeviceError(f"device cuda takes a batch of at most {plan.MOST_SAMPLES} and a moderate "
                                  f"number of vectors; got batch = {problem.batch}, P = {o.P}, M = {o.M}: use device "
                                  "cpu")
            needed = plan.needed_bytes(*sizes, self.plan)
            if needed <= USED * free:
                break
        else:
            largest = plan.largest_N(self.kind, o.P, o.M, self.plan, USED * free)
            raise memory_error(N, needed, free, largest, "lower N" if self.kind is np.float32 else
                               "lower N, or use precision float32")
        self.steps_per_block = self.plan.steps(problem.batch)
        blocks = int(min(WORK_PER_CALL / (N * problem.batch), STEPS_PER_CALL)) // self.steps_per_block
        self.steps_per_call = max(1, blocks) * self.steps_per_block
        self.teacher = self.deviations = self.variances = None
        self._state = None

    def compile(self):
        """Compile the kernels, by a step of a student of one tile."""
        length, o = self.plan.coordinates, self.start.overlaps
        tile = self.kernel.to_device(np.zeros((o.P, length)), self.kind, self.plan)
        teacher = self.kernel.to_device(np.zeros((o.M, length)), self.kind, self.plan)
        deviations = variances = None
        if self._scaled:
            ones = np.ones((1, length))
            deviations, variances = (self.kernel.to_device(ones, kind, self.plan) for kind in (np.float32, np.float64))
        state = self.kernel.make_state(tile, teacher, o.factors(), self.plan, np.ones(o.P), deviations)
        self.advance(state, 0, 1, 0)
        self._overlaps(state, variances)

    @property
    def _scaled(self):
        return self.plan.entries == "scaled"

    def begin(self, start, xi_in=None, factors=None):
        """A state on the device, of a start or of what a snapshot holds; it takes the place of the one before."""
        self._state = None  # its memory is free before the next one needs it
        try:
            if self.teacher is None:
                self.teacher = self.kernel.to_device(start.weights.teacher, self.kind, self.plan)
                if self._scaled:
                    spectrum = self.problem.inputs.spectrum(self.N)[None]
                    self.deviations = self.kernel.to_device(np.sqrt(spectrum), np.float32, self.plan)
                    self.variances = self.kernel.to_device(spectrum, np.float64, self.plan)
            rows = start.weights.xi_in if xi_in is None else xi_in
            factors = start.overlaps.factors() if factors is None else factors
            self._state = self.kernel.make_state(self.kernel.to_device(rows, self.kind, self.plan), self.teacher,
                                                 factors, self.plan, self._kept_squares(start.weights.xi_in),
                                                 self.deviations)
        except Exception as problem:
            from onlinemode.kernels.cuda import device, plan

            if not device.out_of_memory(problem):
                raise
            o = start.overlaps
            needed = plan.needed_bytes(self.kind, self.N, o.P, o.M, self.plan)
            free = device.free_bytes()
            raise memory_error(self.N, needed, free, plan.largest_N(self.kind, o.P, o.M, self.plan, free),
                               "lower N") from None
        return self._state

    def _kept_squares(self, rows):
        """Squares of the lengths of these modes as the device has them."""
        return (rows.astype(self.kind).astype(np.float64)**2).sum(1)

    def advance(self, state, first_step, steps, replica):
        from onlinemode.kernels.random.philox import Key

        return self.kernel.advance(state, self.plan, self.rule, first_step, steps, Key(self.seed, replica))

    def overlaps(self, state):
        """G = XΩXᵀ/N and S = XΩBᵀ/N."""
        return self._overlaps(state, self.variances)

    def _overlaps(self, state, variances):
        return tuple(self.kernel.vector_overlaps(state.xi_in, rows, self.N, variances)
                     for rows in (state.xi_in, state.teacher))


class _DeviceReplica(Replica):
    def __init__(self, number, start, simulation):
        super().__init__(number, start.overlaps, simulation.call, len(simulation.steps))
        self.start, self.simulation = start, simulation

    def advance(self, stop):
        simulation = self.simulation
        state = self._begin()
        for i in range(self.saved, len(simulation.steps)):
            target = simulation.steps[i]
            while self.steps_made < target:
                self.look(lambda: self._copy(state))
                if stop[0]:
                    return False
                want = int(min(simulation.steps_per_call, target - self.steps_made))
                made = simulation.advance(state, self.steps_made, want, self.number)
                self.counts[0] += made
                if made < want:
                    return True
            self._save(i, state)
            if self.cut_beyond_bounds(i):
                return True
        return False

    def _begin(self):
        """Weights and factors on the device: of the start, or of the snapshot."""
        if self.snapshot is None:
            return self.simulation.begin(self.start)
        factors = self.overlaps.factors()
        self.restore_paths(factors, self.simulation.steps)
        xi_in = np.empty((self.overlaps.P, self.N), self.simulation.kind)
        restore(xi_in, self.snapshot["xi_in"])
        return self.simulation.begin(self.start, xi_in, factors)

    def _copy(self, state):
        factors = {name: getattr(state.factors, name).copy_to_host() for name in FACTORS}
        return {"xi_in": self.simulation.kernel.to_host(state.xi_in, self.N), **factors, **self.copy_paths()}

    def _save(self, i, state):
        self.G[i], self.S[i] = self.simulation.overlaps(state)
        for name in FACTORS:
            getattr(self, name)[i] = getattr(state.factors, name).copy_to_host()
        self.counts[1] = i + 1
