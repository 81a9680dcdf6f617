"""Engine ``leap``: the diffusion approximation of the chain, at a cost that does not grow with N."""

import time
import warnings

import numpy as np

from onlinemode.blocks import OVERLAPS
from onlinemode.engines.base import Engine
from onlinemode.engines.leap.options import CAPABILITIES, Options
from onlinemode.errors import EngineError
from onlinemode.inputs import require_inputs
from onlinemode.replica_states import ReplicaState, lengths_to_keep
from onlinemode.run_info import RunInfo
from onlinemode.runtime.progress import Progress
from onlinemode.runtime.replicas import Replica, collect, each_once, restore, run_in_threads, thread_count
from onlinemode.runtime.saved_times import save_times
from onlinemode.state import OrderParameters, attainable
from onlinemode.theory.averaging import is_closed
from onlinemode.theory.meanfield import teacher_of
from onlinemode.theory.task_drift import drift_of
from onlinemode.trajectory import Trajectory

RTOL, ATOL = 1e-5, 1e-7  # of a leap along the mean-field equations
LEAPS_PER_CALL = 256  # between two looks for a checkpoint
SAMPLES, SAMPLES_OF_POLYNOMIALS = 16, 256  # of a kick
MANY_HALVED = 0.01  # of all kicks, from which on a warning says so


def run(call, options):
    """Leap; the state is small, and kept at the end with or without ``call.store_final``.

    Parameters
    ----------
    call : onlinemode.engines.base.Call
    options : onlinemode.engines.leap.options.Options

    Returns
    -------
    Trajectory
        Its steps are those of the chain, which are leapt over.
    """
    problem, N = call.problem, call.N
    _require(problem, N)
    alphas, steps = save_times(call.save_at, call.alpha, N)
    overlaps = each_once(lambda start: _overlaps(start, N), call.starts)
    if call.progress is not None:
        call.progress(Progress(0.0, 0.0, 0, float("nan")))

    began = time.perf_counter()
    simulation = _Simulation(call, overlaps[0], alphas, steps, _kick_samples(problem, options))
    compiled_at = time.perf_counter()
    results = [_LeapReplica(number, start, at, simulation)
               for number, (start, at) in enumerate(zip(call.starts, overlaps), call.first_replica)]
    run_in_threads(results, thread_count(options.threads), call, steps[-1])
    ended = time.perf_counter()
    counts = np.array([result.leap_counts for result in results])
    _warn_of_halved_kicks(*counts.sum(0)[:2])
    return Trajectory(
        alpha=alphas, **collect(results), problem=problem, initial=overlaps[0],
        info=RunInfo("leap", N, steps=[result.steps_made for result in results], seconds_compile=compiled_at - began,
                     seconds_run=ended - compiled_at, leaps=counts[:, 2].tolist(), halved_kicks=counts[:, 1].tolist()))


def _require(problem, N):
    """Raise EngineError unless the approximation is known for a problem, and holds at this N."""
    require_inputs(problem.inputs, "leap", CAPABILITIES.inputs)
    if N is None:
        raise EngineError("engine leap needs N when it starts from overlaps; got None: give N=..., or Weights")
    CAPABILITIES.require_N("leap", N)
    for there, what in ((not problem.inputs.independent, f"inputs with a covariance; got {problem.inputs!r}"),
                        (problem.drops_out, f"dropout; got {problem.dropout_words.removesuffix(', ')}"),
                        (problem.drifts, f"teacher that drifts; got drift = {problem.drift:g}"),
                        (problem.tasks is not None and problem.stages == 1 and problem.tasks.turns is None,
                         f"tasks that are mixed; got {'' if problem.tasks is None else problem.tasks.words}")):
        if there:
            raise EngineError(f"engine leap knows no {what}: use engine chain")
    if not is_closed(problem):
        raise EngineError("engine leap needs averages in closed form, which are not known for "
                          f"{problem.activation_words}{problem.label_words}: use engine chain")


def _kick_samples(problem, options):
    if options.kick_samples is not None:
        return options.kick_samples
    degree = max(len(each.coefficients) - 1 if each.coefficients is not None else 1 for each in problem.activations)
    return SAMPLES if degree <= 1 else SAMPLES_OF_POLYNOMIALS


def _overlaps(start, N):
    if isinstance(start, ReplicaState):
        return start.overlaps
    return attainable(start, N) if isinstance(start, OrderParameters) else start.order_parameters()


def _warn_of_halved_kicks(kicks, halved):
    if halved > MANY_HALVED * kicks:
        warnings.warn(f"{halved:,} of {kicks:,} kicks of noise were halved, since they led to overlaps that no vectors "
                      "have: N is small for this problem, and the law of this run is not right; use engine chain",
                      RuntimeWarning, stacklevel=2)


class _Simulation:
    """What all replicas share: the problem, the saved times, the compiled kernel."""

    def __init__(self, call, overlaps, alphas, steps, samples):
        from onlinemode.kernels.leap.steps import make_advance, make_place

        self.call, self.alphas, self.steps, self.samples = call, alphas, steps, samples
        self.problem, self.N = problem, N = call.problem, call.N
        last = float(alphas[-1])
        # where numbers jump, at the step of the chain that does
        self.jumps = {float(jump) for jump in np.rint(np.array(problem.breaks) * N) / N}
        self.ends = np.array([*sorted(jump for jump in self.jumps if 0.0 < jump < last), last])
        begins = np.append(0.0, self.ends[:-1])
        self.tasks = [0 if problem.tasks is None else int(np.argmax(problem.shares_of(middle)))
                      for middle in 0.5 * (begins + self.ends)]  # which has all samples, in each stretch between
        rule = problem.rule(1)
        self.kernel = make_advance(rule.activation.kind, rule.teacher_activation.kind)
        drift = drift_of(problem, overlaps)
        if drift.active.size:
            motion = self.motions(drift, overlaps, np.diag(overlaps.G))[0]
            place = make_place(motion.flow.system.state[motion.flow.system.active], 0.0)
            self.advance(motion, place, 0.0, np.zeros((0, place.y.size)), np.zeros(1, np.int64), np.zeros(1, np.uint8),
                         0)  # compiles

    def task(self, stretch, stage):
        """Which has all samples, in a stretch of time, or in a turn that waits for an error."""
        return self.tasks[stretch] if self.problem.stages == 1 else self.problem.tasks.order[stage]

    def motions(self, drift, overlaps, squared_lengths):
        """Of each task what moves a replica, in the memory of its drift."""
        if self.problem.tasks is None:
            return [self._motion(self.problem, drift, overlaps, squared_lengths)]
        return [self._motion(self.problem.of_task(task), each, overlaps, squared_lengths)
                for task, each in enumerate(drift.of_tasks)]

    def _motion(self, problem, drift, overlaps, squared_lengths):
        from onlinemode.kernels.leap.kick import Samples
        from onlinemode.kernels.leap.steps import Motion

        flow = drift.flow(0.0, float(self.alphas[-1]))
        if flow is None:
            raise EngineError("engine leap needs schedules that are smooth between a few breaks, and these have too "
                              "much fine structure: use engine chain")
        whole = flow.system._replace(rule=problem.rule(1), teacher=teacher_of(overlaps.T), aid=None,
                                     state=drift.full.copy())
        kept = None if flow.constraint is None else np.array(squared_lengths)
        return Motion(flow, Samples(whole, float(self.N), self.samples, kept))

    def advance(self, motion, place, end, rows, count, stop, replica):
        """Leap up to the time ``end``, or through a part of it."""
        from onlinemode.kernels.leap.steps import Goal, Saved
        from onlinemode.kernels.random.philox import Key

        before = self.ends[self.ends < end]
        goal = Goal(float(before[-1]) if len(before) else 0.0, float(end), RTOL, ATOL, LEAPS_PER_CALL, stop)
        return self.kernel(motion, place, goal, Saved(self.alphas[:len(rows)], rows, count),
                           Key(np.uint64(self.call.seed), replica))


class _LeapReplica(Replica):

    def __init__(self, number, start, overlaps, simulation):
        first = start.steps if isinstance(start, ReplicaState) else 0
        super().__init__(number, overlaps, simulation.call, len(simulation.alphas), first)
        self.start, self.simulation = start, simulation
        self.leap_counts = np.zeros(3, np.int64)  # kicks, halved kicks, leaps of this call

    def advance(self, stop):
        from onlinemode.kernels.leap.steps import ALPHA, DIVERGED, FINISHED, STEP

        simulation, alphas = self.simulation, self.simulation.alphas
        drift = drift_of(self.problem, self.overlaps)
        if not drift.active.size:
            return self._stand_still(drift)
        lengths = np.diag(self.overlaps.G)
        if isinstance(self.start, ReplicaState):
            lengths = self.start.squared_lengths(lengths)
        motions = simulation.motions(drift, self.overlaps, lengths)
        # of each task the entries that move with it, among those of all tasks: heads are trained by their own
        moving = [np.arange(drift.active.size)] if self.problem.tasks is None else drift.moving
        y, count = drift.full[drift.active], np.zeros(1, np.int64)
        place = self._place(y[moving[0]])
        rows = np.full((len(alphas), place.y.size), np.nan)
        begun, diverged = place.counts[:3].copy(), False
        if self.snapshot is not None:
            self._restore(place, y)
            count[0] = self.saved
        while count[0] < len(alphas) and not diverged:
            self.look(lambda: self._copy(place, y))
            if stop[0]:
                break
            stretch = min(int(np.searchsorted(simulation.ends, place.numbers[ALPHA], side="right")),
                          len(simulation.ends) - 1)
            task, look = simulation.task(stretch, self.stage), self.next_look
            end = simulation.ends[stretch] if look is None else min(simulation.ends[stretch], look / self.N)
            own = moving[task]
            place.y[:] = y[own]
            why = simulation.advance(motions[task], place, end, rows, count, stop, self.number)
            diverged = why == DIVERGED
            self._show(drift, y, own, rows[self.saved:count[0]])
            y[own] = place.y
            self._count(place.numbers[ALPHA])
            self.leap_counts = place.counts[:3] - begun
            stage = self.stage
            if look is not None and place.numbers[ALPHA] >= look / self.N and not diverged:
                self.counts[0] = look  # and not what rounding makes of α N
                self.look_at_error(*drift.layout.unpack(self._full(drift, y)), self.overlaps.T)
            if why == FINISHED and (place.numbers[ALPHA] in simulation.jumps or self.stage > stage):
                place.numbers[STEP] = 0.0  # the next leap is as short as at a start
        if self.switched.size:
            self.switches[:self.saved] = np.where(self.switched <= alphas[:self.saved, None], self.switched, np.nan)
        if self.cut_beyond_bounds():
            return True
        if not diverged:
            self._end(drift, place, y, motions[0].samples.squared_lengths)
        return diverged

    def _place(self, y):
        """Where the replica begins."""
        from onlinemode.kernels.leap.steps import make_place

        place = make_place(y, 0.0)
        if not isinstance(self.start, ReplicaState):
            return place
        clock = self.start.arrays["clock"]
        place.numbers[:], place.counts[:3] = clock[:4], clock[4:]
        return place

    def _stand_still(self, drift):
        for name, value in zip(OVERLAPS, drift.layout.unpack(drift.full)):
            getattr(self, name)[:] = value
        self.counts[:] = self.simulation.steps[-1], len(self.simulation.steps)
        y = drift.full[drift.active]
        self._end(drift, self._place(y), y, None)
        return False

    def _show(self, drift, y, own, rows):
        """Fill in the states at the times that were saved, where entries ``own`` moved and others are those of y."""
        saved = self.saved + len(rows)
        new = slice(self.saved, saved)
        full = np.repeat(drift.full[np.newaxis], len(rows), 0)
        full[:, drift.active] = y
        full[:, drift.active[own]] = rows
        for name, values in zip(OVERLAPS, drift.layout.unpack(full)):
            getattr(self, name)[new] = values
        self.counts[1] = saved

    def _count(self, alpha):
        """Steps of the chain up to this time, between those of the saved times about it."""
        steps, saved = self.simulation.steps, self.saved
        before = steps[saved - 1] if saved else self.first_step
        after = steps[saved] if saved < len(steps) else before
        self.counts[0] = min(max(round(alpha * self.N), int(before)), int(after))

    @staticmethod
    def _full(drift, y):
        full = drift.full.copy()
        full[drift.active] = y
        return full

    def _end(self, drift, place, y, squared_lengths):
        present = dict(zip(OVERLAPS, drift.layout.unpack(self._full(drift, y))))
        self.end = {"alpha": self.steps_made / self.N, "steps": self.steps_made, **present,
                    "state_clock": np.concatenate([place.numbers, place.counts[:3]]),
                    **lengths_to_keep(squared_lengths)}

    def restore_finished(self, status, message, steps, paths, end):
        super().restore_finished(status, message, steps, paths, end)
        if end is not None:
            before = self.start.arrays["clock"][4:] if isinstance(self.start, ReplicaState) else 0.0
            self.leap_counts = (end["state_clock"][4:] - before).astype(np.int64)

    def _copy(self, place, y):
        """A snapshot: the state, of all tasks, and what is saved so far."""
        return {**{f"place_{name}": value.copy() for name, value in place._asdict().items()}, "moving": y.copy(),
                **self.copy_paths()}

    def _restore(self, place, y):
        """The inverse."""
        self.restore_counts(self.snapshot, self.simulation.steps)
        for name, value in place._asdict().items():
            restore(value, self.snapshot[f"place_{name}"])
        restore(y, self.snapshot["moving"])
        for name in self.path_names:
            restore(getattr(self, name)[:self.saved], self.snapshot[f"path_{name}"])


ENGINE = Engine("leap", Options, CAPABILITIES, run)
