"""What a worker does: some points of a sweep, one after the other, each in one thread."""

import hashlib
import multiprocessing.connection
import os
import pickle
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from onlinemode.errors import EngineError, OnlineModeError, ParameterError
from onlinemode.experiment import OF_START, Experiment
from onlinemode.runtime.checkpoint import kernel_version
from onlinemode.sweeps.kept import STATUS, Kept, nothing, put
from onlinemode.sweeps.plan import prepared, times_of
from onlinemode.trajectory import Status, Trajectory

LONGEST_MESSAGE = 1000


class Job(NamedTuple):
    """What all batches of a sweep have in common.

    Attributes
    ----------
    recipe : ExperimentRecipe or FunctionRecipe
    names : tuple of str
        What is swept.
    kept : Kept
    inputs : dict
        Data sets by their words: an Inputs for workers that may not have the file, None where it is there.
    kernels : str
        Hash of the client's kernels; a worker must have the same.
    threads : int, optional
        Of a run; None for what the experiment says.
    data : dict
        SHA-256 of the data sets, by their words.
    code : str
        Hash of the function that makes experiments, as the client has loaded it.
    """

    recipe: Any
    names: tuple[str, ...]
    kept: Kept
    inputs: dict[str, Any]
    kernels: str
    threads: int | None = 1
    data: dict[str, str] = {}
    code: str = ""


@dataclass(frozen=True)
class Packed:
    """A pickled Job, which a process unpacks once; what is large may lie in a file."""

    key: str
    content: bytes | None
    path: str | None = None

    @classmethod
    def of(cls, job: Job) -> "Packed":
        content = pickle.dumps(job)
        return cls(hashlib.sha256(content).hexdigest(), content)

    def in_file(self, path: str) -> "Packed":
        """With the content in a file that the workers can read."""
        with open(path, "wb") as file:
            file.write(self.content or b"")
        return Packed(self.key, None, path)

    @property
    def without_content(self) -> "Packed":
        """For processes that have it."""
        return Packed(self.key, None)


class Batch(NamedTuple):
    """What a worker sends back.

    Attributes
    ----------
    numbers : list of int
        Of the points that were made.
    rows : dict of arrays (points, ...)
        By name of the variable.
    runs : list of Trajectory
        Whole trajectories where they are kept; None for points that have none.
    """

    numbers: list[int]
    rows: dict[str, np.ndarray]
    runs: list[Trajectory | None]


_UNPACKED: dict[str, Job] = {}


def prepare_process(packed: Packed, begun: Any) -> None:
    """Begin a process of a pool: unpack the job, leave signals to the client, tell it that a process could begin."""
    leave_signals_to_client()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _unpack(packed)
    begun.set()


def leave_signals_to_client() -> None:
    """Ctrl-C and the end of a terminal, which all processes in it get, are the affair of the client."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _end_with_parent():
    """A client that is killed leaves no processes behind."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(0)


def _unpack(packed):
    if packed.key not in _UNPACKED:
        content = packed.content
        if packed.path is not None:
            try:
                content = Path(packed.path).read_bytes()
            except OSError as problem:
                raise EngineError(f"a worker cannot read {packed.path} ({problem.strerror}): give a store in a folder "
                                  "that all workers see") from None
        job = pickle.loads(content)
        if job.kernels != kernel_version():
            raise EngineError("a worker has other kernels than the client, so the bits would differ: install the same "
                              "version of onlinemode everywhere")
        if job.code != job.recipe.code():
            raise EngineError("a worker has loaded another version of the function that makes experiments: start new "
                              "workers")
        for before in _UNPACKED.values():
            withdraw(before.inputs)
        provide(job)
        _UNPACKED.clear()
        _UNPACKED[packed.key] = job
        return job
    return _UNPACKED[packed.key]


def provide(job: Job) -> None:
    """Open the data sets of a Job once in this process.

    Raises
    ------
    EngineError
        If one is not that of the client.
    """
    from onlinemode.inputs import words as input_words

    for words, given in job.inputs.items():
        try:
            opened = input_words.parse(words) if given is None else given
        except OnlineModeError:  # the points that need it will say so
            continue
        if opened.fingerprint() != job.data[words]:
            raise EngineError(f"a worker finds other data in {words} than the client: put the same file there")
        input_words.provide(words, opened)


def withdraw(data: dict[str, Any]) -> None:
    """The words of data sets mean what the files hold again."""
    from onlinemode.inputs import words as input_words

    for words in data:
        input_words.withdraw(words)


def make(packed: Packed, numbers: list[int], values: list[tuple]) -> Batch:
    """Some points.

    Parameters
    ----------
    packed : Packed
    numbers : list of int
        Their numbers in the grid.
    values : list of tuple
        Of what is swept, at each.

    Returns
    -------
    Batch
        Without the points after an interrupt.
    """
    return make_points(_unpack(packed), numbers, values)


def make_points(job: Job, numbers: list[int], values: list[tuple], progress: Any = None,
                stopped: threading.Event | None = None) -> Batch:
    """The same from a Job.

    ``progress`` is that of :func:`onlinemode.simulate`; once ``stopped`` is set the batch ends, also inside a run.
    """
    rows, runs, starts = nothing(job.kept.variables(), len(numbers)), [], _Starts()

    def report(given):
        if stopped is not None and stopped.is_set():
            raise KeyboardInterrupt
        if progress is not None:
            progress(given)

    for place, entries in enumerate(values):
        if stopped is not None and stopped.is_set():
            break
        run, began = None, time.perf_counter()
        try:
            run = _run(job, dict(zip(job.names, entries)), starts, report)
            if Status.INTERRUPTED in run.status:
                break
            put(rows, place, run, job.kept)
        except KeyboardInterrupt:  # here it is the user's, elsewhere processes ignore it
            break
        except OnlineModeError as problem:
            run = _fail(rows, place, "invalid", str(problem))
        except MemoryError as problem:
            run = _fail(rows, place, "error", f"not enough memory ({problem})")
        except (Exception, SystemExit) as problem:  # one point that fails must not stop the others
            run = _fail(rows, place, "error", f"{type(problem).__name__}: {problem}")
        rows["seconds"][place] = time.perf_counter() - began
        runs.append(run if job.kept.runs else None)
    made = len(runs)
    return Batch(numbers[:made], {name: entries[:made] for name, entries in rows.items()}, runs)


class _Starts:
    """The starts of points; that of the last one is kept, since the next one often has the same."""

    def __init__(self):
        self._values = self._start = None

    def of(self, experiment: Experiment) -> Any:
        values = tuple(getattr(experiment, name) for name in OF_START)
        if values != self._values:
            self._values = self._start = None  # before the next one is drawn: both may be large
            experiment.problem()  # whose errors come first, as in a run
            self._start, self._values = experiment.start(), values
        return self._start


def _run(job, point, starts, progress):
    experiment = prepared(job.recipe, point, job.threads)
    if experiment.replicas > job.kept.replicas:
        raise ParameterError(f"a sweep of {job.kept.replicas} replicas, by the points that were looked at first, "
                             f"has no room for {experiment.replicas}")
    timed = experiment.replace(save_at=times_of(experiment, job.kept.times))
    return timed.run(progress, starts.of(timed))


def _fail(rows, place, status, message):
    rows["status"][place] = STATUS.index(status)
    rows["message"][place] = " ".join(message.split())[:LONGEST_MESSAGE]


def lost(kept: Kept, number: int, message: str) -> Batch:
    """The row of a point whose processes died."""
    rows = nothing(kept.variables(), 1)
    _fail(rows, 0, "lost", message)
    return Batch([number], rows, [None])
