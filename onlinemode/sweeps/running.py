"""The loop of a sweep: batches out, rows in, and what is done when workers die."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from onlinemode.errors import EngineError, OnlineModeError
from onlinemode.sweeps.batches import Batches
from onlinemode.sweeps.kept import FINISHED, STATUS, worst_of
from onlinemode.sweeps.work import lost

LOOK_SECONDS = 0.1  # between two reports while nothing comes
FLUSH_SHARE = 0.05  # of the time that may go into writing
MOST_UNWRITTEN = 16  # tiles in memory, beyond which they are written all the same
BREAKS_TOGETHER = 2  # of a pool in which a batch was in the making, after which it is made with no other beside it
DEATHS_ALONE = 2  # of processes that make one point with no other beside it, after which it is given up
BREAKS_AT_ONCE = 8  # of a pool that has never made anything, after which that is given up
ENDED_WELL = tuple(STATUS.index(name) for name in FINISHED)


class SweepProgress(NamedTuple):
    """One report to the ``progress`` callback of :func:`onlinemode.sweep`.

    Attributes
    ----------
    done : int
        Points made, now and before.
    failed : int
        Those of them that did not complete or converge.
    total : int
        All points of the sweep.
    seconds_left : float or None
        None before it can be told.
    inside : float, default 0
        Share of one more point, which is being made in this process.
    """

    done: int
    failed: int
    total: int
    seconds_left: float | None
    inside: float = 0.0


@dataclass
class _Flying:
    """A batch in the making."""

    numbers: list[int]
    breaks: int = 0  # of pools in which it was in the making
    deaths: int = 0  # of processes that made it with no other beside it

    @property
    def alone(self):
        """Whether no other batch is made beside it, so that it is known who is to blame."""
        return self.breaks >= BREAKS_TOGETHER


def run(store: Any, place: Any, report: Callable[[SweepProgress], None], opened: Callable | None = None) -> bool:
    """Make all points that a store lacks.

    Parameters
    ----------
    store : Memory or Store
    place : Here, Threads, Processes, Foreign or Cluster
    report : callable
        Is given a SweepProgress several times a second.
    opened : callable, optional
        Is given the place before the first point is made.

    Returns
    -------
    bool
        False after an interrupt (Ctrl-C); what was made is in the store.

    Raises
    ------
    EngineError
        If a pool or a scheduler is gone for good.
    """
    loop, ended = None, False
    try:
        try:
            if opened is not None:
                opened(place)
            loop = _Loop(store, place, report)
            loop.run()
            ended = True
        except KeyboardInterrupt:
            if loop is not None and loop.problem is not None:
                raise loop.problem from None
    finally:
        if loop is not None:
            loop.cancel()
        place.close(not ended)
        if loop is not None and not ended:
            loop.collect()
        store.flush()
    return ended


class _Loop:
    def __init__(self, store, place, report):
        plan = store.plan
        self._plan, self._store, self._place, self._report = plan, store, place, report
        self._grid, self._total = plan.grid, int(store.wanted.sum())
        missing = int((store.wanted & ~store.made).sum())
        self._batches = Batches(plan, self._missing_tiles(), missing, place.seconds)
        self._flying = {}  # future to _Flying
        self._again = deque()
        self._breaks, self._has_made = 0, bool(store.made.any())
        self.problem = None  # that the user's own report met inside a run
        self._done = self._done_before = self._total - missing
        self._failed = self._count_failed()
        self._began, self._written, self._writing = time.perf_counter(), time.perf_counter(), 0.0
        place.inside = self._tell_inside

    def _missing_tiles(self):
        tiles = self._store.tiles
        for place in tiles.all():
            numbers = tiles.numbers(place).ravel()
            missing = numbers[self._store.wanted[numbers] & ~self._store.made[numbers]]
            if missing.size:
                yield missing.tolist()

    def _count_failed(self):
        return int((~_well(self._store.statuses()[self._store.wanted & self._store.made])).sum())

    def run(self):
        self._tell()
        while True:
            self._send()
            if not self._flying:
                break
            done, _ = wait(list(self._flying), LOOK_SECONDS, FIRST_COMPLETED)
            self._receive(done)
            self._write_now_and_then()
            self._tell()

    def _send(self):
        while len(self._flying) < self._place.queued:
            flying = self._next()
            if flying is None:
                return
            values = [self._grid.values(number) for number in flying.numbers]
            self._flying[self._place.submit(flying.numbers, values)] = flying

    def _next(self):
        """Another batch, of those that were lost first; None where there is none, or one is to be made alone."""
        if any(each.alone for each in self._flying.values()):
            return None
        if self._again:
            return None if self._again[0].alone and self._flying else self._again.popleft()
        numbers = self._batches.next(self._place.workers)
        return None if numbers is None else _Flying(numbers)

    def _receive(self, done):
        broken = False
        for future in done:
            flying = self._flying.pop(future)
            try:
                batch = future.result()
            except OnlineModeError:
                raise
            except Exception as problem:
                if not isinstance(problem, (CancelledError, BrokenExecutor, OSError)) and not _killed(problem):
                    hint = (": what makes experiments must be in a module that the workers have, or be FILE.py:NAME"
                            if isinstance(problem, (AttributeError, ImportError)) else "")
                    reason = f"{type(problem).__name__}: {problem}{hint}"
                    raise EngineError(f"the workers cannot make points: {reason}") from None
                self._lose(flying)
                broken = broken or not _killed(problem)
                if _killed(problem):
                    self._count_break()
            else:
                self._take(batch, flying.numbers)
        if broken:
            self._recover()

    def _take(self, batch, numbers):
        self._store.add(batch)
        self._done += len(batch.numbers)
        self._failed += int((~_well(batch.rows["status"])).sum())
        if batch.numbers:
            self._has_made = True
            self._batches.learn(batch.numbers, float(batch.rows["seconds"].sum()))
        if len(batch.numbers) < len(numbers) or self.problem is not None:
            raise KeyboardInterrupt  # a run was stopped

    def _lose(self, flying):
        """Make the points of a batch whose worker is gone again: in the end one by one, and at last not at all."""
        if self._has_made and len(flying.numbers) == 1 and flying.alone and flying.deaths + 1 >= DEATHS_ALONE:
            self._take(lost(self._plan.kept, flying.numbers[0], "the processes that made this point died (killed, or "
                            "out of memory)"), flying.numbers)
        elif flying.alone:
            self._again.extend(_Flying([number], flying.breaks, flying.deaths + (len(flying.numbers) == 1))
                               for number in flying.numbers)
        else:
            self._again.append(_Flying(flying.numbers, flying.breaks + 1))

    def _recover(self):
        """Another pool; what was in the making is lost."""
        for future, flying in list(self._flying.items()):
            del self._flying[future]
            if _is_there(future):
                self._take(future.result(), flying.numbers)
            else:
                self._lose(flying)
        self._store.flush()
        self._count_break()
        self._place.recover()

    def _count_break(self):
        self._breaks += 1
        if self._breaks >= BREAKS_AT_ONCE and not self._has_made:
            raise EngineError(f"nothing was made, and the processes died {self._breaks} times: is there memory for all "
                              "of them?")

    def _write_now_and_then(self):
        """As soon as there is something, but not all the time."""
        now = time.perf_counter()
        if now - self._written >= self._writing / FLUSH_SHARE or self._store.unwritten > MOST_UNWRITTEN:
            self._store.flush()
            self._written = time.perf_counter()
            self._writing = self._written - now

    def cancel(self):
        """Let no pool begin another batch."""
        for future in self._flying:
            future.cancel()

    def collect(self):
        """After an interrupt: what has come meanwhile."""
        for future, flying in self._flying.items():
            if _is_there(future):
                with suppress(KeyboardInterrupt):
                    self._take(future.result(), flying.numbers)

    def _tell_inside(self, report):
        """From inside a long run in this process: how much of it is done."""
        share = self._done - self._done_before + report.fraction
        spent = time.perf_counter() - self._began
        left = spent * (self._total - self._done - report.fraction) / share if share else None
        try:
            self._report(SweepProgress(self._done, self._failed, self._total, left, report.fraction))
        except Exception as problem:  # of the user's function, and no affair of the point
            self.problem = problem
            raise KeyboardInterrupt from None

    def _tell(self):
        flying = sum(len(each.numbers) for each in self._flying.values())
        self._report(SweepProgress(self._done, self._failed, self._total,
                                   self._batches.seconds_left(flying, self._place.workers)))


def _well(statuses):
    """Whether each point (points, replicas) ended well."""
    return np.isin(worst_of(statuses), ENDED_WELL)


def _is_there(future):
    return future.done() and not future.cancelled() and future.exception() is None


def _killed(problem):
    """Whether Dask says that workers died again and again while they made this."""
    return type(problem).__name__ == "KilledWorker"
