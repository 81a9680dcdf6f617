"""A call made in parts: groups of replicas that fit into memory, their starts, and what is kept of them."""

import os

import numpy as np

from onlinemode.engines.grid import save_times
from onlinemode.ensemble import OBSERVABLES, ensemble_of
from onlinemode.errors import ParameterError
from onlinemode.state import OrderParameters, Weights
from onlinemode.trajectory import Status, Trajectory

KEEP = ("all", "summary")
KEPT_DRAWS = 5
PART_BYTES = 2**28  # of the starts and paths of one part
ENSEMBLE_BYTES = 2**32  # of the observables of all replicas, from which quantiles are taken
_PATHS = ("G", "S", "strengths", "xi_out", "readout")


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
    """

    def __init__(self, start, inputs):
        self._inputs = inputs
        self.differ = callable(start)
        self._make = start if self.differ else lambda replica: start
        self.first = self._checked(0)
        self.N = getattr(self.first, "N", None)
        self._origins, self._fingerprints, self._overlaps = [], [], []

    def part(self, replicas):
        """The starts of these replicas (ascending numbers), remembered for the file."""
        if not self.differ:
            return [self.first] * len(replicas)
        starts = [self.first if replica == 0 else self._checked(replica) for replica in replicas]
        for start in starts:
            weights = isinstance(start, Weights)
            if weights:
                self._origins.append(start.origin)
                self._fingerprints.append(start.fingerprint())
            self._overlaps.append(start.order_parameters(self._inputs) if weights else start)
        return starts

    def arrays(self):
        """What Trajectory.starts holds: None for a common start."""
        if not self.differ:
            return None
        return {name: np.stack([getattr(overlaps, name) for overlaps in self._overlaps]) for name in _PATHS}

    def describe(self):
        """The entry ``start`` of a trajectory's meta, from which the run can be repeated."""
        if self.N is None:
            return {"kind": "overlaps"}
        if self.differ:
            return {"kind": "weights", "origins": self._origins, "fingerprints": self._fingerprints}
        return {"kind": "weights", "origin": self.first.origin, "fingerprint": self.first.fingerprint()}

    def _checked(self, replica):
        start = self._make(replica)
        if not isinstance(start, (Weights, OrderParameters)):
            what = f"start({replica})" if self.differ else "start"
            raise ParameterError(f"{what} must be Weights or OrderParameters; got {type(start).__name__}")
        if replica:
            self._check_against_first(start, replica)
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


def _words(kind, N, K, M, P):
    return f"{kind} with {'' if N is None else f'N = {N}, '}K = {K}, M = {M}, P = {P}"


def run_in_parts(engine_run, problem, starts, keep, progress, call):
    """Run an engine part by part and put the parts together.

    Parameters
    ----------
    engine_run : callable
        The ``run`` of an engine.
    problem : Problem
    starts : Starts
    keep : {"all", "summary"}
    progress : callable or None
    call : dict
        The other arguments of the engine; ``replicas`` is the number in the whole call.

    Returns
    -------
    Trajectory
    """
    replicas = call["replicas"]
    length = _replicas_a_part(starts, keep, call)
    if keep == "summary":
        _check_memory(starts.first, call)
    parts, gathered, status, message = [], None, [], []
    for first in range(0, replicas, length):
        numbers = range(first, min(first + length, replicas))
        made = sum(sum(part.meta["steps"]) for part in parts)
        shown = None if progress is None else _of_whole(progress, first, len(numbers), call, made)
        part = engine_run(problem, starts.part(numbers), first_replica=first, progress=shown, **call)
        status += part.status
        message += part.message
        if keep == "summary":
            if gathered is None:
                gathered = {name: np.full((replicas, *getattr(part, name).shape[1:]), np.nan) for name in OBSERVABLES}
            for name in OBSERVABLES:
                gathered[name][first:first + len(numbers)] = getattr(part, name)
            part = _first_draws(part, max(0, KEPT_DRAWS - first))
        parts.append(part)
        if Status.INTERRUPTED in part.status and len(status) < replicas:
            left = replicas - len(status)
            starts.part(range(len(status), replicas))  # so that the file knows every start
            status += [Status.INTERRUPTED] * left
            message += ["stopped by the user before it began; all times are NaN"] * left
            if keep == "all":
                parts.append(_nothing(part, left))
            break
    run = parts[0] if len(parts) == 1 else _together(parts)
    run.status, run.message, run.starts = status, message, starts.arrays()
    run.meta["steps"] += [0] * (replicas - len(run.meta["steps"]))
    if keep == "summary":
        run.summary = ensemble_of(run.alpha, gathered)
    return run


def _replicas_a_part(starts, keep, call):
    """As many as fit into PART_BYTES; the number has no influence on the result."""
    o = starts.first
    bytes_each = 0.0
    if starts.differ and starts.N is not None:  # weights as given and as the engine lays them out
        bytes_each += 16.0 * starts.N * (o.P + o.M)
    if keep == "summary":  # paths, of which little remains
        bytes_each += 16.0 * _times(call) * (o.P * (o.P + o.M) + o.K * (o.K + o.M + o.P))
    if bytes_each == 0.0:
        return call["replicas"]
    return max(int(PART_BYTES / bytes_each), 2 * os.cpu_count())


def _times(call):
    return len(save_times(call["save_at"], call["alpha"], call["N"], whole_steps=False)[0])


def _check_memory(start, call):
    entries = 2 + start.K**2 + 2 * start.K * start.M + start.P + start.K
    times, replicas = _times(call), call["replicas"]
    needed = 8.0 * times * replicas * entries
    if needed > ENSEMBLE_BYTES:
        raise ParameterError(f"quantiles of {replicas:,} replicas at {times} times need {needed / 2**30:.1f} GiB of "
                             f"memory; it must be at most {ENSEMBLE_BYTES / 2**30:.0f} GiB: give a smaller save_at, "
                             f"for example {max(2, int(times * ENSEMBLE_BYTES / needed))}, or fewer replicas")


def _of_whole(progress, first, count, call, steps):
    """A callback for one part that reports the share and the steps of the whole call."""
    replicas = call["replicas"]
    return lambda report: progress(report._replace(fraction=(first + report.fraction * count) / replicas,
                                                   steps=steps + report.steps))


def _first_draws(part, count):
    """The first replicas of a part alone; their status stays with the whole run."""
    return Trajectory(
        alpha=part.alpha, **{name: getattr(part, name)[:count].copy() for name in _PATHS}, problem=part.problem,
        initial=part.initial, status=part.status, message=part.message, meta=part.meta,
        **{name: None if values is None else values[:count].copy() for name, values in _errors(part)})


def _nothing(part, count):
    """Replicas that were never begun."""
    empty = lambda values: np.full((count, *values.shape[1:]), np.nan)  # noqa: E731
    return Trajectory(
        alpha=part.alpha, **{name: empty(getattr(part, name)) for name in _PATHS}, problem=part.problem,
        initial=part.initial, status=[], message=[],
        **{name: None if values is None else empty(values) for name, values in _errors(part)},
        meta={"steps": [0] * count, "seconds_compile": 0.0, "seconds_run": 0.0})


def _together(parts):
    first = parts[0]
    meta = dict(first.meta)
    meta["steps"] = [steps for part in parts for steps in part.meta["steps"]]
    for name in ("seconds_compile", "seconds_run", "evaluations"):
        if name in meta:
            meta[name] = sum(part.meta[name] for part in parts)
    joined = lambda name: np.concatenate([getattr(part, name) for part in parts])  # noqa: E731
    return Trajectory(
        alpha=first.alpha, **{name: joined(name) for name in _PATHS}, problem=first.problem, initial=first.initial,
        status=[], message=[], meta=meta,
        **{name: None if values is None else joined(name) for name, values in _errors(first)})


def _errors(part):
    return ("error", part.error), ("error_se", part.error_se)
