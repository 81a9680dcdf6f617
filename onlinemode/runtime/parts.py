"""A call made in parts: groups of replicas that fit into memory, their starts, and what is kept of them."""

from contextlib import suppress

import numpy as np

from onlinemode.ensemble import OBSERVABLES, PROBABILITIES, ensemble_of
from onlinemode.errors import ParameterError
from onlinemode.replica_states import OVERLAPS, ReplicaStates
from onlinemode.runtime.replicas import NEVER_BEGUN, thread_count
from onlinemode.runtime.saved_times import save_times
from onlinemode.state import OrderParameters, Weights, attainable
from onlinemode.trajectory import Status, Trajectory

KEEP = ("all", "summary")
KEPT_DRAWS = 5
PART_BYTES = 2**28  # of the starts and paths of one part
DEVICE_PART_BYTES = 2**32  # where a device makes it, which needs many replicas at the same time
ENSEMBLE_BYTES = 2**32  # of the observables of all replicas, from which quantiles are taken


class Starts:
    """The start of every replica: one for all, or made by the user's function when its turn comes.

    Parameters
    ----------
    start : Weights, OrderParameters or callable
    inputs : Inputs
        Whose covariance the overlaps of Weights are taken with.

    Attributes
    ----------
    differ : bool
        Whether replicas have starts of their own.
    N : int or None
        Number of inputs, where the starts are Weights.
    first, begun : Weights or OrderParameters
        The start of replica 0 as given, and as it is begun from.
    """

    states = None  # of replicas that go on
    steps = 0  # that each replica has behind it

    def __init__(self, start, inputs):
        self._inputs = inputs
        self.differ = callable(start)
        self._make = start if self.differ else lambda replica: start
        self.first = self.begun = self._checked(0)
        self._dimensions = None
        self.N = getattr(self.first, "N", None)
        self._records = {}  # by replica: overlaps, and of Weights recipe and fingerprint

    def in_dimensions(self, N):
        """Begin from overlaps that vectors in N dimensions have, where those given miss them by their rounding."""
        if self.N is None:
            self._dimensions, self.begun = N, attainable(self.first, N)

    def part(self, replicas):
        """The starts of these replicas, remembered for the file."""
        if not self.differ:
            return [self.begun] * len(replicas)
        starts = [self._with_teacher(replica) if replica else self.begun for replica in replicas]
        for replica, start in zip(replicas, starts):
            self._records[replica] = ((start, None, None) if self.N is None else
                                      (start.order_parameters(self._inputs), start.origin, start.fingerprint()))
        return starts

    def complete(self, replicas):
        """Make the starts of those among so many replicas that were never begun: a file knows every start."""
        if self.differ:
            for replica in range(replicas):
                if replica not in self._records:
                    self.part([replica])

    def overlaps(self):
        """Order parameters of the start of replica 0."""
        return self.begun.order_parameters(self._inputs) if isinstance(self.begun, Weights) else self.begun

    def arrays(self):
        """What Trajectory.starts holds: None for a common start."""
        if not self.differ:
            return None
        overlaps, _, _ = self._columns()
        return {name: np.stack([getattr(each, name) for each in overlaps]) for name in OVERLAPS}

    def describe(self):
        """The entry ``start`` of a trajectory's meta, from which the run can be repeated."""
        if self.N is None:
            return {"kind": "overlaps"}
        if self.differ:
            _, origins, fingerprints = self._columns()
            return {"kind": "weights", "origins": origins, "fingerprints": fingerprints}
        return {"kind": "weights", "origin": self.first.origin, "fingerprint": self.first.fingerprint()}

    def _columns(self):
        return ([self._records[replica][column] for replica in sorted(self._records)] for column in range(3))

    def _checked(self, replica):
        start = self._make(replica)
        if not isinstance(start, (Weights, OrderParameters)):
            what = f"start({replica})" if self.differ else "start"
            raise ParameterError(f"{what} must be Weights or OrderParameters; got {type(start).__name__}")
        if replica:
            self._check_against_first(start, replica)
        return start

    def _with_teacher(self, replica):
        """The start of a later replica, as it is begun from, with the teacher of the first one."""
        start = self._checked(replica)
        if self._dimensions is not None:
            start = attainable(start, self._dimensions)
            if not np.array_equal(start.T, self.begun.T):
                raise ParameterError(f"start({replica}) was rounded: vectors of N = {self._dimensions} would have its "
                                     "overlaps only with another teacher than that of start(0); give these overlaps "
                                     "in double precision, or run the starts one by one")
        return start

    def _check_against_first(self, start, replica):
        first = self.first
        sizes = lambda o: (type(o).__name__, getattr(o, "N", None), o.K, o.M, o.P)  # noqa: E731
        if sizes(start) != sizes(first):
            raise ParameterError(f"the starts of all replicas must have one kind and size; start({replica}) is "
                                 f"{_words(*sizes(start))}, start(0) is {_words(*sizes(first))}")
        teacher = "teacher" if self.N is not None else "T"
        for name in (teacher, "teacher_readout"):
            if not np.array_equal(getattr(start, name), getattr(first, name)):
                raise ParameterError(f"all replicas must have the same teacher; {name} of start({replica}) differs "
                                     "from that of start(0): draw the student alone anew, as student_seed does")


class GoingOn(Starts):
    """The same for replicas that go on from where they stand.

    Parameters
    ----------
    states : ReplicaStates
        All with the same ``alpha``.
    initial : OrderParameters
        Has the teacher's overlaps and readout.
    N : int or None
    origin : dict, optional
        How the run began that goes on: the entry ``start`` of its meta.
    together : bool, default False
        Whether its replicas began from one start.
    """

    def __init__(self, states, initial, N, origin=None, together=False):
        self.states, self._initial, self._origin, self._together = states, initial, origin, together
        self.differ, self.N = len(states) > 1, N
        self.first = states.one(0, initial)
        self.steps = round(self.first.alpha * N) if states.arrays else 0  # ode makes none

    def part(self, replicas):
        return [self.states.one(replica, self._initial) for replica in replicas]

    def complete(self, replicas):
        """All are there."""

    def overlaps(self):
        return self.first.overlaps

    def arrays(self):
        return dict(self.states.overlaps) if self.differ else None

    def describe(self):
        return {"kind": "states", "alpha": self.first.alpha, "origin": self._origin, "together": self._together}


def _words(kind, N, K, M, P):
    return f"{kind} with {'' if N is None else f'N = {N}, '}K = {K}, M = {M}, P = {P}"


def run_in_parts(engine, problem, starts, keep, progress, call, checkpoint=None, quantiles=PROBABILITIES):
    """Run an engine part by part and put the parts together.

    Parameters
    ----------
    engine : module
        See :mod:`onlinemode.engines`.
    problem : Problem
    starts : Starts
    keep : {"all", "summary"}
    progress : callable or None
    call : dict
        The other arguments of the engine; ``replicas`` is the number in the whole call.
    checkpoint : Checkpoint, optional
    quantiles : sequence of float
        Probabilities, for keep "summary".

    Returns
    -------
    Trajectory
    """
    replicas = call["replicas"]
    length = _replicas_a_part(engine, starts, keep, call)
    if keep == "summary":
        _check_memory(starts.first, call)
    if checkpoint is not None:
        call = {**call, "checkpoint": checkpoint}
    stop = np.zeros(1, np.uint8)
    made = _Finished(problem, starts, keep, replicas, keep_ends=keep == "all" or call["store_final"])
    numbers = range(0, min(length, replicas))
    if checkpoint is not None and checkpoint.restored_parts() is not None:
        header, arrays, first, count = checkpoint.restored_parts()
        made.restore(header, arrays)
        numbers = range(first, first + count)
    while len(numbers) > 0:
        first = numbers.start
        shown = None if progress is None else _of_whole(progress, first, len(numbers), call, made.steps)
        if checkpoint is not None:
            checkpoint.begin_part(first, len(numbers), *made.to_archive())
        try:
            part = engine.run(problem, starts.part(numbers), first_replica=first, progress=shown, stop=stop, **call)
            made.add(part)
        except KeyboardInterrupt:  # between two runs of the engine: what the earlier parts made is kept
            if made.run is None:
                raise
            break
        if stop[0]:
            break
        numbers = range(numbers.stop, min(numbers.stop + length, replicas))
    if checkpoint is not None and not len(numbers):
        with suppress(KeyboardInterrupt):  # the run is done, and its last checkpoint is on disk
            checkpoint.complete(replicas, *made.to_archive())
    starts.complete(replicas)
    run = made.whole(quantiles)
    run.starts = starts.arrays()
    return run


class _Finished:
    """The parts of a call that are done: their replicas, or a few of them and the observables of all."""

    def __init__(self, problem, starts, keep, replicas, keep_ends):
        self._problem, self._starts, self._keep, self._replicas = problem, starts, keep, replicas
        self._keep_ends = keep_ends
        self.run, self._gathered = None, {}

    @property
    def steps(self):
        """Steps made so far."""
        if self.run is None:
            return 0
        made = self.run.meta["steps"]
        return sum(made) - self._starts.steps * len(made)

    def add(self, part):
        """Another part is done."""
        begun = 0 if self.run is None else len(self.run.status)
        if self._keep == "summary":
            _gather(self._gathered, part, begun, self._replicas)
            part = _first_draws(part, max(0, KEPT_DRAWS - begun))
        if not self._keep_ends:
            part.end = None
        self.run = part if self.run is None else _together([self.run, part])

    def whole(self, quantiles):
        """The trajectory of the whole call; replicas that were never begun are NaN."""
        begun, run = len(self.run.status), self.run
        if begun < self._replicas:
            draws = None if self._keep == "all" else max(0, KEPT_DRAWS - begun)
            run = _together([run, _nothing(run, self._replicas - begun, draws)])
        if self._keep == "summary":
            for values in self._gathered.values():
                values[begun:] = np.nan
            run.summary = ensemble_of(run.alpha, self._gathered, quantiles)
        return run

    def to_archive(self):
        """Header and arrays of a checkpoint."""
        if self.run is None:
            return {}, {}
        run = self.run
        arrays = {"alpha": run.alpha, **{name: getattr(run, name) for name in OVERLAPS}}
        arrays |= {name: values for name, values in _errors(run) if values is not None}
        if run.end is not None:
            arrays |= run.end.to_arrays("end_")
        begun = len(run.status)
        arrays |= {f"gathered_{name}": values[:begun] for name, values in self._gathered.items()}
        return {"status": [status.value for status in run.status], "message": run.message, "meta": run.meta}, arrays

    def restore(self, header, arrays):
        """The inverse of :meth:`to_archive`."""
        if not header:
            return
        self.run = Trajectory(
            alpha=arrays["alpha"], **{name: arrays[name] for name in OVERLAPS}, problem=self._problem,
            initial=self._starts.overlaps(), status=[Status(name) for name in header["status"]],
            message=header["message"], meta=header["meta"], error=arrays.get("error"),
            error_se=arrays.get("error_se"), end=ReplicaStates.from_arrays("end_", arrays))
        for name in OBSERVABLES:
            if f"gathered_{name}" in arrays:
                values = arrays[f"gathered_{name}"]
                self._gathered[name] = np.full((self._replicas, *values.shape[1:]), np.nan)
                self._gathered[name][:len(values)] = values


def _replicas_a_part(engine, starts, keep, call):
    """As many as fit into PART_BYTES, and one a thread; the number has no influence on the result."""
    o = starts.first
    bytes_each = 0.0
    if starts.differ and (starts.N is not None or engine.MAKES_VECTORS):  # as given and as the engine lays them out
        bytes_each += 16.0 * (call["N"] or 0) * (o.P + o.M)
    if keep == "summary":  # paths, of which little remains
        bytes_each += 16.0 * _times(call) * (o.P * (o.P + o.M) + o.K * (o.K + o.M + o.P))
    if bytes_each == 0.0:
        return call["replicas"]
    part = PART_BYTES if call.get("device", "cpu") == "cpu" else DEVICE_PART_BYTES
    return max(int(part / bytes_each), thread_count(call.get("threads")))


def _times(call):
    return len(save_times(call["save_at"], call["alpha"], call["N"], whole_steps=False)[0])


def _check_memory(start, call):
    entries = 2 + start.K**2 + 2 * start.K * start.M + start.P + start.K
    times, replicas = _times(call), call["replicas"]
    needed = 8.0 * times * replicas * entries
    if needed > ENSEMBLE_BYTES:
        fitting = int(times * ENSEMBLE_BYTES / needed)
        raise ParameterError(f"quantiles of {replicas:,} replicas at {times} times need {needed / 2**30:.1f} GiB of "
                             f"memory; it must be at most {ENSEMBLE_BYTES / 2**30:.0f} GiB: give fewer replicas"
                             + (f", or save_at = {fitting}" if fitting >= 2 else ""))


def _of_whole(progress, first, count, call, steps):
    """A callback for one part that reports the share and the steps of the whole call."""
    replicas = call["replicas"]
    return lambda report: progress(report._replace(fraction=(first + report.fraction * count) / replicas,
                                                   steps=steps + report.steps))


def _gather(gathered, part, first, replicas):
    """Copy the observables of a part to their place in arrays (replicas, n, ...); NaN elsewhere."""
    for name in OBSERVABLES:
        values = getattr(part, name)
        if name not in gathered:
            gathered[name] = np.full((replicas, *values.shape[1:]), np.nan)
        gathered[name][first:first + len(values)] = values


def _first_draws(part, count):
    """The first replicas of a part alone; their status stays with the whole run."""
    return Trajectory(
        alpha=part.alpha, **{name: getattr(part, name)[:count].copy() for name in OVERLAPS}, problem=part.problem,
        initial=part.initial, status=part.status, message=part.message, meta=part.meta, end=part.end,
        **{name: None if values is None else values[:count].copy() for name, values in _errors(part)})


def _nothing(part, count, draws):
    """Replicas that were never begun, of which ``draws`` are kept one by one (None: all)."""
    kept = count if draws is None else min(count, draws)
    empty = lambda values: np.full((kept, *values.shape[1:]), np.nan)  # noqa: E731
    return Trajectory(
        alpha=part.alpha, **{name: empty(getattr(part, name)) for name in OVERLAPS}, problem=part.problem,
        initial=part.initial, status=[Status.INTERRUPTED] * count, message=[NEVER_BEGUN] * count,
        **{name: None if values is None else empty(values) for name, values in _errors(part)},
        end=None if part.end is None else part.end.nowhere(count), meta={"steps": [0] * count})


def _together(parts):
    first = parts[0]
    chained = lambda lists: [entry for entries in lists for entry in entries]  # noqa: E731
    joined = lambda name: np.concatenate([getattr(part, name) for part in parts])  # noqa: E731
    meta = {**first.meta, "steps": chained(part.meta["steps"] for part in parts)}
    for name in ("seconds_compile", "seconds_run", "seconds_device", "evaluations"):
        if name in meta:
            meta[name] = sum(part.meta.get(name, 0) for part in parts)
    return Trajectory(
        alpha=first.alpha, **{name: joined(name) for name in OVERLAPS}, problem=first.problem, initial=first.initial,
        status=chained(part.status for part in parts), message=chained(part.message for part in parts), meta=meta,
        end=_ends_together(parts),
        **{name: None if values is None else joined(name) for name, values in _errors(first)})


def _ends_together(parts):
    known = next((part.end for part in parts if part.end is not None), None)
    if known is None:
        return None
    return ReplicaStates.together([known.nowhere(len(part.status)) if part.end is None else part.end for part in parts])


def _errors(part):
    return ("error", part.error), ("error_se", part.error_se)
