"""A call made in parts: groups of replicas that fit into memory, and what is kept of them."""

from contextlib import suppress
from dataclasses import replace

import numpy as np

from onlinemode.blocks import OVERLAPS, blocks_of, joined, missing_like, missing_rows
from onlinemode.ensemble import PROBABILITIES, ensemble_of, observables_of
from onlinemode.errors import ParameterError
from onlinemode.replica_states import ReplicaStates
from onlinemode.run_checks import check_run
from onlinemode.run_info import RunInfo
from onlinemode.runtime.replicas import NEVER_BEGUN, restore, thread_count
from onlinemode.runtime.saved_times import save_times
from onlinemode.theory.spectral_groups import EigenvalueGroups
from onlinemode.trajectory import BESIDE, Status, Trajectory

KEEP = ("all", "summary")
KEPT_DRAWS = 5
COUNTED = ("steps", "leaps", "halved_kicks")  # of each replica
PART_BYTES = 2**28  # of the starts and paths of one part
DEVICE_PART_BYTES = 2**32  # where a device makes it, which needs many replicas at the same time
ENSEMBLE_BYTES = 2**32  # of the observables of all replicas, from which quantiles are taken


def run_in_parts(engine, call, options, starts, keep, quantiles=PROBABILITIES):
    """Run an engine part by part and put the parts together.

    Parameters
    ----------
    engine : onlinemode.engines.base.Engine
    call : onlinemode.engines.base.Call
        The whole call, without its starts.
    options : onlinemode.engines.base.Options
    starts : Starts
    keep : {"all", "summary"}
    quantiles : sequence of float
        Probabilities, for keep "summary".

    Returns
    -------
    Trajectory
    """
    replicas, progress, checkpoint, stop = call.replicas, call.progress, call.checkpoint, call.stop
    length = _replicas_a_part(engine, starts, keep, call, options)
    if keep == "summary":
        _check_memory(starts.first, call)
    made = _Finished(call.problem, starts, keep, replicas, keep_ends=keep == "all" or call.store_final)
    numbers = range(0, min(length, replicas))
    if checkpoint is not None and checkpoint.restored_parts() is not None:
        header, arrays, first, count = checkpoint.restored_parts()
        made.restore(header, arrays)
        numbers = range(first, first + count)
    while len(numbers) > 0:
        first = numbers.start
        shown = None if progress is None else _of_whole(progress, first, len(numbers), replicas, made.steps)
        if checkpoint is not None:
            checkpoint.begin_part(first, len(numbers), *made.to_archive())
        try:
            made.add(engine.run(replace(call, starts=starts.part(numbers), first_replica=first, progress=shown),
                                options))
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
        made = self.run.info.steps
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
        arrays = {"alpha": run.alpha, **_paths(run)}
        if run.groups is not None:
            arrays |= run.groups.to_arrays()
        if run.end is not None:
            arrays |= run.end.to_arrays("end_")
        begun = len(run.status)
        arrays |= {f"gathered_{name}": values[:begun] for name, values in self._gathered.items()}
        header = {"status": [status.value for status in run.status], "message": run.message,
                  "meta": run.info.to_dict()}
        return header, arrays

    def restore(self, header, arrays):
        """The inverse of :meth:`to_archive`."""
        if not header:
            return
        self.run = Trajectory(
            alpha=arrays["alpha"], **{name: arrays[name] for name in OVERLAPS}, problem=self._problem,
            initial=self._starts.overlaps(), status=[Status(name) for name in header["status"]],
            message=header["message"], info=RunInfo.from_dict(header["meta"]),
            end=ReplicaStates.from_arrays("end_", arrays), **{name: arrays.get(name) for name in BESIDE},
            groups=EigenvalueGroups.from_arrays(arrays))
        check_run(self.run, whole=False)
        for name in observables_of(self._problem):
            if f"gathered_{name}" in arrays:
                values = arrays[f"gathered_{name}"]
                self._gathered[name] = missing_rows(getattr(self.run, name), self._replicas)
                restore(self._gathered[name][:len(self.run.status)], values)


def _replicas_a_part(engine, starts, keep, call, options):
    """As many as fit into PART_BYTES, and one a thread; the number has no influence on the result."""
    o = starts.first
    bytes_each = 0.0
    if starts.differ and (starts.vectors or engine.capabilities.makes_vectors):  # given, and as laid out
        bytes_each += 16.0 * (call.N or 0) * (o.P + o.M)
    if keep == "summary":  # paths, of which little remains
        bytes_each += 16.0 * _times(call) * (o.P * (o.P + o.M) + o.K * (o.K + o.M + o.P))
    if bytes_each == 0.0:
        return call.replicas
    part = PART_BYTES if getattr(options, "device", "cpu") == "cpu" else DEVICE_PART_BYTES
    return max(int(part / bytes_each), thread_count(getattr(options, "threads", None)))


def _times(call):
    return len(save_times(call.save_at, call.alpha, call.N, whole_steps=False)[0])


def _check_memory(start, call):
    entries = 2 + start.K**2 + 2 * start.K * start.M + start.P + start.K
    times, replicas = _times(call), call.replicas
    needed = 8.0 * times * replicas * entries
    if needed > ENSEMBLE_BYTES:
        fitting = int(times * ENSEMBLE_BYTES / needed)
        raise ParameterError(f"quantiles of {replicas:,} replicas at {times} times need {needed / 2**30:.1f} GiB of "
                             f"memory; it must be at most {ENSEMBLE_BYTES / 2**30:.0f} GiB: give fewer replicas"
                             + (f", or save_at = {fitting}" if fitting >= 2 else ""))


def _of_whole(progress, first, count, replicas, steps):
    """A callback for one part that reports the share and the steps of the whole call."""
    return lambda report: progress(report._replace(fraction=(first + report.fraction * count) / replicas,
                                                   steps=steps + report.steps))


def _gather(gathered, part, first, replicas):
    """Copy the observables of a part to their place in arrays (replicas, n, ...); NaN elsewhere."""
    for name in observables_of(part.problem):
        values = getattr(part, name)
        if name not in gathered:
            gathered[name] = missing_rows(values, replicas)
        gathered[name][first:first + len(values)] = values


def _first_draws(part, count):
    """The first replicas of a part alone; their status stays with the whole run."""
    kept = {name: values[:count].copy() for name, values in _paths(part).items()}
    return Trajectory(alpha=part.alpha, **kept, problem=part.problem, initial=part.initial, status=part.status,
                      message=part.message, info=part.info, end=part.end, groups=part.groups)


def _nothing(part, count, draws):
    """Replicas that were never begun, of which ``draws`` are kept one by one (None: all)."""
    nothing = {name: [0] * count for name in COUNTED if getattr(part.info, name) is not None}
    info = replace(part.info, **nothing, seconds_compile=0.0, seconds_run=0.0, seconds_device=None,
                   evaluations=None)
    return Trajectory(alpha=part.alpha, **missing_like(_paths(part), count if draws is None else min(count, draws)),
                      problem=part.problem, initial=part.initial, status=[Status.INTERRUPTED] * count,
                      message=[NEVER_BEGUN] * count, end=None if part.end is None else part.end.nowhere(count),
                      info=info, groups=part.groups)


def _together(parts):
    first = parts[0]
    chained = lambda lists: [entry for entries in lists for entry in entries]  # noqa: E731
    info = replace(first.info, **{name: chained(getattr(part.info, name) for part in parts) for name in COUNTED
                                  if getattr(first.info, name) is not None})
    for name in ("seconds_compile", "seconds_run", "seconds_device", "evaluations"):
        if getattr(info, name) is not None:
            info = replace(info, **{name: sum(getattr(part.info, name) or 0 for part in parts)})
    return Trajectory(
        alpha=first.alpha, **joined(_paths(part) for part in parts), problem=first.problem, initial=first.initial,
        status=chained(part.status for part in parts), message=chained(part.message for part in parts), info=info,
        end=_ends_together(parts), groups=first.groups)


def _ends_together(parts):
    known = next((part.end for part in parts if part.end is not None), None)
    if known is None:
        return None
    return ReplicaStates.together([known.nowhere(len(part.status)) if part.end is None else part.end for part in parts])


def _paths(part):
    """What a part has along its saved times: the order parameters, and what else the engine gave."""
    return blocks_of(part, (*OVERLAPS, *(name for name in BESIDE if getattr(part, name) is not None)))
