"""What the engines that simulate have in common: replicas, each in a thread of its own."""

import os
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

from onlinemode import checks
from onlinemode.blocks import FACTORS, OF_GROUPS, OVERLAPS, blocks_of, missing_like, nothing, shapes_of, stacked
from onlinemode.replica_states import ReplicaStates
from onlinemode.runtime.progress import Progress
from onlinemode.theory.meanfield import mean_error
from onlinemode.trajectory import Status

LOOK_SECONDS = 0.2  # between two looks of the main thread
NEVER_BEGUN = "stopped by the user before it began; all times are NaN"
NOTHING_TRAINED = "nothing is trained: the state is constant"


def thread_count(threads):
    """The given number of threads, or the number of cores that this process may use."""
    if threads is not None:
        return checks.integer("threads", threads, 1)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def each_once(function, items):
    """``[function(item) for item in items]``, with one call for an item that stands there several times."""
    results = {}
    for item in items:
        if id(item) not in results:
            results[id(item)] = function(item)
    return [results[id(item)] for item in items]


def restore(array, values):
    """Copy ``values`` into an array; raise ValueError unless they have its shape and type."""
    if values.shape != array.shape or values.dtype != array.dtype:
        raise ValueError(f"{array.dtype} of shape {array.shape} cannot be {values.dtype} of shape {values.shape}")
    array[...] = values


def outcome(diverged, complete, alpha, trains=True):
    """Status and message of a replica that is no longer running, at the time ``alpha``."""
    if diverged:
        return Status.DIVERGED, (f"diverged at α = {alpha:.6g}: lower the learning rates (or the size of the start, "
                                 "noise, weight decay); later times are NaN")
    if not complete:
        return Status.INTERRUPTED, f"stopped by the user at α = {alpha:.6g}; later times are NaN"
    return Status.COMPLETED, "reached the last α" if trains else NOTHING_TRAINED


def waiting(problem, stage):
    """What a message says of a turn of tasks that has not ended."""
    return (f"; turn {stage + 1} of {problem.stages} of its tasks had not ended, whose level is "
            f"{problem.tasks.below[stage]:g}")


def within_bounds(G, S, strengths, xi_out, readout):
    """Whether the overlaps of the student are numbers, at the states of a leading axis or several."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = xi_out * strengths[..., None, :]
        Q = scaled @ G @ np.swapaxes(scaled, -1, -2)
    of_readout = tuple(range(G.ndim - 2, readout.ndim))  # one axis, or those of heads and units
    return np.isfinite(Q).all((-2, -1)) & np.isfinite(G).all((-2, -1)) & np.isfinite(readout).all(of_readout)


class Replica:
    """One trajectory in the making: order parameters at the saved times, NaN until they are known.

    An engine derives from it and implements ``advance(stop)``, which fills the arrays, keeps
    ``counts`` (steps made, times saved) current, calls :meth:`look` between two calls of its kernel,
    returns early when ``stop[0]`` is set, and returns whether the run diverged.  It begins from
    ``snapshot`` where there is one, and leaves in ``end`` what the run can go on from: one row of the
    arrays of :class:`onlinemode.replica_states.ReplicaStates`, by their names in a file.
    """

    path_names = OVERLAPS

    def __init__(self, number, overlaps, call, times, first_step=0):
        self.number, self.overlaps, self.problem, self.N = number, overlaps, call.problem, call.N
        for name, values in nothing(shapes_of(overlaps.K, overlaps.M, overlaps.P, overlaps.heads), times).items():
            setattr(self, name, values)
        self.switched = np.full(self.problem.stages - 1, np.nan)  # when turns of tasks ended that waited for an error
        if self.problem.stages > 1:
            self.switches = np.full((times, self.problem.stages - 1), np.nan)
            self.path_names = (*self.path_names, "switches")
        if call.problem.drifts:
            self.path_names = (*self.path_names, "teacher_overlaps")
            self.teacher_overlaps = np.full((times, overlaps.M, overlaps.M), np.nan)
        self.first_step = first_step
        self.counts = np.array([first_step, 0])
        self.end = None
        self.status, self.message = Status.INTERRUPTED, NEVER_BEGUN
        self.begun, self.finished = False, False
        self.checkpoint, self.snapshot, self.answered = call.checkpoint, None, 0

    @property
    def steps_made(self):
        return int(self.counts[0])

    @property
    def saved(self):
        return int(self.counts[1])

    @property
    def stage(self):
        """The turn of tasks under way."""
        return int(np.isfinite(self.switched).sum())

    @property
    def next_look(self):
        """The step at which the next turn may begin; None where none waits."""
        if self.stage == len(self.switched):
            return None
        every = max(1, round(self.problem.tasks.check_every * self.N))
        return every * (self.steps_made // every + 1)

    def look_at_error(self, G, S, strengths, xi_out, readout, T):
        """Begin the next turn of tasks where the error at this state is low enough."""
        state = (each[np.newaxis] for each in (G, S, strengths, xi_out, readout))
        error = self._error_of(*state, T[np.newaxis] if self.problem.drifts else T)[0]
        if error < self.problem.tasks.below[self.stage]:
            self.switched[self.stage] = self.steps_made / self.N

    def run(self, stop):
        """Make the trajectory; executed in a thread."""
        if self.finished:  # by the call that was restored
            return
        self.begun = True
        diverged = self.advance(stop)
        self.status, self.message = outcome(diverged, self.saved == len(self.G), self.steps_made / self.N,
                                            self.problem.trains)
        self.finished = self.status is not Status.INTERRUPTED
        if self.status is Status.COMPLETED and self.stage < len(self.switched):
            self.message += waiting(self.problem, self.stage)

    def look(self, copy_state):
        """Keep a snapshot if a checkpoint has asked for one; ``copy_state()`` gives its arrays by name."""
        if self.checkpoint is not None and self.answered != self.checkpoint.asked:
            asked = self.checkpoint.asked
            self.snapshot = {"counts": self.counts.copy(), **copy_state()}
            if self.switched.size:
                self.snapshot["switched"] = self.switched.copy()
            self.answered = asked

    def restore_counts(self, snapshot, steps):
        """Take over the counts of a snapshot; ``steps`` are those at which is saved.

        Raises
        ------
        ValueError
            If no run comes by there.
        """
        restore(self.counts, snapshot["counts"])
        if self.switched.size:
            restore(self.switched, snapshot["switched"])
        made, saved = (int(count) for count in self.counts)
        if not 0 <= saved <= len(steps):
            raise ValueError(f"{saved} of {len(steps)} times of a snapshot are saved")
        before, after = steps[saved - 1] if saved else self.first_step, steps[min(saved, len(steps) - 1)]
        if not before <= made <= after:
            raise ValueError(f"{made} steps of a snapshot are not between {before} and {after}")

    def restore_paths(self, factors, steps):
        """Take over counts, factors and saved times of the snapshot; ``steps`` are those at which is saved.

        Raises
        ------
        ValueError
            If they do not fit.
        """
        for name in FACTORS:
            restore(getattr(factors, name), self.snapshot[name])
        self.restore_counts(self.snapshot, steps)
        for name in self.path_names:
            restore(getattr(self, name)[:self.saved], self.snapshot[f"path_{name}"])

    def copy_paths(self):
        """The saved times, for a snapshot."""
        return {f"path_{name}": getattr(self, name)[:self.saved].copy() for name in self.path_names}

    def restore_finished(self, status, message, steps, paths, end):
        """Take over what an earlier call made."""
        for name, values in paths.items():
            restore(getattr(self, name), values)
        if end is not None:
            ReplicaStates.from_arrays("", {name: np.asarray(value)[np.newaxis] for name, value in end.items()}).check(
                1, self.overlaps, self.N)
        self.counts[0] = steps
        self.counts[1] = int(np.isfinite(self.G).all((-2, -1)).sum())
        self.status, self.message, self.begun, self.finished, self.end = status, message, True, True, end

    def last_error(self):
        """ε_g at the last saved time, NaN before the first."""
        if not self.saved:
            return np.nan
        row = slice(self.saved - 1, self.saved)
        return float(self._error_of(*self.state(row), T=self.teacher_at(row))[0])

    def unknown_errors(self):
        """An array for ε_g at the saved times: (times,), or of each task (times, tasks)."""
        tasks = self.problem.tasks
        return np.full((len(self.G), *(() if tasks is None else (tasks.count,))), np.nan)

    def state(self, rows):
        """G, S, strengths, xi_out and readout at one saved time or several."""
        return tuple(getattr(self, name)[rows] for name in OVERLAPS)

    def teacher_at(self, rows):
        """T at one saved time or several; without drift one for all."""
        return self.teacher_overlaps[rows] if self.problem.drifts else self.overlaps.T

    def cut_beyond_bounds(self, first=0):
        """Make saved times unknown from that on, ``first`` or later, at which an overlap of the student is no number.

        Returns
        -------
        bool
            Whether there is one.
        """
        numbers = within_bounds(*self.state(slice(first, self.saved)))
        if numbers.all():
            return False
        self.counts[1] = first + int(numbers.argmin())
        for name in self.path_names:
            getattr(self, name)[self.saved:] = np.nan
        return True

    def _error_of(self, G, S, strengths, xi_out, readout, T):
        """ε_g from the overlaps at present, of a row of one state."""
        alpha, problem = np.array([self.steps_made / self.N]), self.problem.stage(self.stage)
        return mean_error(problem, alpha, G, S, T, strengths, xi_out, readout,
                          self.overlaps.teacher_readout)


def run_in_threads(replicas, threads, call, last_step):
    """Run all replicas on a pool of threads; Ctrl-C stops them at their next look at the flag ``call.stop``."""
    progress, stop, checkpoint = call.progress, call.stop, call.checkpoint
    if checkpoint is not None:
        checkpoint.restore(replicas)
    total = max(sum(int(last_step) - replica.first_step for replica in replicas), 1)
    pool = ThreadPoolExecutor(max_workers=min(threads, len(replicas)))
    futures = [pool.submit(replica.run, stop) for replica in replicas]
    asked = False
    try:
        pending = futures
        while pending:
            done, pending = wait(pending, timeout=LOOK_SECONDS)
            for future in done:
                future.result()  # an error in a thread is an error of the run
            if checkpoint is not None:
                if not asked and checkpoint.due():
                    checkpoint.ask()
                    asked = True
                if asked and not any(replica.begun and not future.done() and replica.answered != checkpoint.asked
                                     for replica, future in zip(replicas, futures)):
                    checkpoint.write(replicas)
                    asked = False
            if progress is not None:
                current = next((replica for replica, future in zip(replicas, futures) if not future.done()),
                               replicas[-1])
                made = sum(replica.steps_made - replica.first_step for replica in replicas)
                progress(Progress(current.steps_made / current.N, made / total, made, current.last_error()))
    except BaseException as problem:
        if checkpoint is not None:  # before the flag: replicas look for the question first
            checkpoint.ask()
        stop[0] = 1
        pool.shutdown(wait=True, cancel_futures=True)
        if checkpoint is not None:
            checkpoint.write(replicas)
        if not isinstance(problem, KeyboardInterrupt):  # an error in the callback is an error of the run
            raise
        for future in futures:
            if not future.cancelled():
                future.result()
    pool.shutdown(wait=True)


def collect(replicas, teacher=None):
    """The fields of a Trajectory that come from the replicas; ``teacher`` belongs to their ends."""
    own = (("switches", replicas[0].switched.size), ("teacher_overlaps", replicas[0].problem.drifts))
    names = (*OVERLAPS, *(name for name, there in own if there),
             *(name for name in OF_GROUPS if name in replicas[0].path_names))
    return {**stacked(blocks_of(replica, names) for replica in replicas), "end": _ends(replicas, teacher),
            "status": [replica.status for replica in replicas],
            "message": [replica.message for replica in replicas]}


def _ends(replicas, teacher):
    """The ReplicaStates of these replicas; None where no one has left a state."""
    known = next((replica.end for replica in replicas if replica.end is not None), None)
    if known is None:
        return None
    unknown = {name: values[0] for name, values in missing_like(stacked([known]), 1).items()}
    states = ReplicaStates.from_arrays("", stacked(replica.end or unknown for replica in replicas))
    states.teacher = teacher
    return states
