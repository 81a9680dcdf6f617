"""Where batches are made: in this process, in a pool of concurrent.futures, or on a Dask cluster.

A place takes batches (:meth:`submit`) and gives futures of concurrent.futures.  No scheduler of our own: what runs
when is the pool's affair.
"""

import concurrent.futures
import math
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from onlinemode import checks
from onlinemode.errors import EngineError, ParameterError
from onlinemode.labelled import need
from onlinemode.storage import temporary_name
from onlinemode.sweeps.work import Job, Packed, leave_signals_to_client, make, make_points, prepare_process

MOST_SENT = 100_000  # bytes of a job that may go with every batch
QUEUED = 3  # batches a worker, so that it never waits for the client
CONNECT_SECONDS = 10.0
ASK_SECONDS = 1.0  # between two looks at the workers of a cluster
RECONNECT_SECONDS = 60.0  # that a scheduler may take to restart
RULE = ('executor must be None (this process), "threads", "processes", "dask", the address of a Dask scheduler, a '
        "dask.distributed Client, or anything with submit() as in concurrent.futures")


class Here:
    """This process: a batch is made when it is submitted."""

    workers, queued = 1, 1
    seconds = 0.5  # of a batch, so that Ctrl-C and the bar do not wait for long
    inside = None  # is given the reports of a run that is a batch of its own

    def __init__(self, job: Job):
        self._job = job

    def submit(self, numbers, values):
        """A future that is done."""
        future = Future()
        future.set_result(make_points(self._job, numbers, values, self.inside if len(numbers) == 1 else None))
        return future

    def close(self, interrupted=False):
        """Nothing to do."""


class Threads:
    """Threads of this process."""

    seconds = 0.5

    def __init__(self, job: Job, workers: int):
        self._job, self.workers, self.queued = job, workers, QUEUED * workers
        self._pool, self._stopped = concurrent.futures.ThreadPoolExecutor(workers), threading.Event()

    def submit(self, numbers, values):
        return self._pool.submit(make_points, self._job, numbers, values, None, self._stopped)

    def close(self, interrupted=False):
        """Let runs end soon after an interrupt."""
        if interrupted:
            self._stopped.set()
        self._pool.shutdown(wait=True, cancel_futures=True)


class Processes:
    """Processes of our own, which are started again where one has died."""

    seconds = 1.0

    def __init__(self, job: Job, workers: int):
        self.workers, self.queued, self._packed = workers, QUEUED * workers, Packed.of(job)
        _begin_tracker()
        self._context = multiprocessing.get_context("spawn")
        self._begun = self._context.Event()
        self._pool = self._begin()

    def _begin(self):
        return concurrent.futures.ProcessPoolExecutor(
            self.workers, self._context, initializer=prepare_process, initargs=(self._packed, self._begun))

    def submit(self, numbers, values):
        try:
            return self._pool.submit(make, self._packed.without_content, numbers, values)
        except BrokenExecutor as problem:  # the batch is lost as those that are in the making
            future = Future()
            future.set_exception(problem)
            return future

    def recover(self):
        """Another pool.

        Raises
        ------
        EngineError
            If the processes end before one of them could begin: they would again.
        """
        processes = self._processes()
        wait_until = time.monotonic() + 1.0
        while time.monotonic() < wait_until and all(each.exitcode is None for each in processes):
            time.sleep(0.01)
        if not self._begun.is_set() and any((each.exitcode or 0) > 0 for each in processes):
            raise EngineError("the processes cannot begin (they say why above); a script must make its calls under "
                              'if __name__ == "__main__":')
        self._end()
        self._pool = self._begin()

    def _processes(self):
        return list((getattr(self._pool, "_processes", None) or {}).values())

    def _end(self):
        processes = self._processes()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()

    def close(self, interrupted=False):
        """End the processes, in the middle of a point after an interrupt."""
        if interrupted:
            self._end()
        else:
            self._pool.shutdown()


def _begin_tracker():
    """Begin the process in which multiprocessing tracks semaphores, out of reach of a terminal that is closed."""
    if hasattr(signal, "pthread_sigmask"):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            resource_tracker.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Foreign:
    """A pool that the user gave, and that stays open."""

    seconds = 1.0

    def __init__(self, job: Job, pool: Any, workers: int | None = None, folder: Any = None):
        self._pool, self._packed, self._file = pool, Packed.of(job), None
        if len(self._packed.content or b"") > MOST_SENT:
            self._file = temporary_name((Path(tempfile.gettempdir()) if folder is None else Path(folder)) / "job")
            self._packed = self._packed.in_file(str(self._file))
        self.workers = (workers or getattr(pool, "num_workers", None) or getattr(pool, "_max_workers", None)
                        or os.cpu_count() or 1)
        self.queued = QUEUED * self.workers

    def submit(self, numbers, values):
        try:
            return self._pool.submit(make, self._packed, numbers, values)
        except (BrokenExecutor, RuntimeError) as problem:
            raise EngineError(f"the executor takes no more work ({problem}); what is made is kept: give another one "
                              "and the same call goes on") from None

    def recover(self):
        """It is the user's to make anew."""
        raise EngineError("a worker of the executor died, and with it the executor; what is made is kept: give another "
                          'one and the same call goes on (executor="processes" starts its own again)')

    def close(self, interrupted=False):
        """Leave it as it is."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)


class Cluster:
    """A Dask cluster: the job is scattered once, and Dask gives the batches of a dead worker to another one."""

    seconds = 1.0

    def __init__(self, job: Job, client: Any, owned: bool = False, cluster: Any = None, pool: Any = None):
        if client.status != "running":
            raise EngineError(f"the Dask client is {client.status}: give one that is connected")
        self._packed, self._owned, self._cluster = Packed.of(job), owned, cluster
        self._address, self._security = client.scheduler.address, client.security
        self._workers, self._asked = 1, -math.inf
        self._use(client, pool)

    def _use(self, client, pool=None):
        self._client, self._shared = client, None
        self._pool = client.get_executor(pure=False) if pool is None else pool

    def wait(self, seconds: float | None = None):
        """Until there is a worker, to which the job can be sent.

        Raises
        ------
        EngineError
            If there is none so soon.
        """
        if self._shared is None:
            try:
                self._client.wait_for_workers(1, timeout=seconds)
                self._shared = self._client.scatter(self._packed, broadcast=True, hash=False)
            except (OSError, TimeoutError) as problem:
                reason = str(problem) or "none has come"
                raise EngineError(f"the scheduler at {self._address} has no worker ({reason}); what is made is kept: "
                                  "start workers, and the same call goes on") from None

    @property
    def workers(self) -> int:
        """Threads of all workers that there are, as the scheduler said a moment ago."""
        now = time.monotonic()
        if now - self._asked > ASK_SECONDS:
            with suppress(OSError, TimeoutError):  # gone: its futures will tell
                self._workers = max(sum(self._client.nthreads().values()), 1)
            self._asked = now
        return self._workers

    @property
    def queued(self) -> int:
        return QUEUED * self.workers

    @property
    def has_workers(self) -> bool:
        """Whether there is one."""
        return bool(self._client.nthreads())

    @property
    def dashboard(self) -> str:
        """Its address."""
        return self._client.dashboard_link

    def submit(self, numbers, values):
        self.wait()
        return self._pool.submit(make, self._shared, numbers, values)

    def recover(self):
        """Send the job again where its only worker is gone; connect anew where the scheduler is.

        Raises
        ------
        EngineError
            If no scheduler, or no worker, comes in time.
        """
        if self._answers():
            self._shared = None
            return self.wait(RECONNECT_SECONDS)
        client, began = None, time.monotonic()
        while client is None and time.monotonic() - began < RECONNECT_SECONDS:
            client = _connected(self._address, self._security)
        if client is None:
            raise EngineError(f"the scheduler at {self._address} has gone, and did not come back within "
                              f"{RECONNECT_SECONDS:.0f} s; what is made is kept: the same call goes on")
        if self._owned:
            with suppress(Exception):
                self._client.close(timeout=1)
        self._owned = True  # this client is ours, whosever the first one was
        self._use(client)
        self.wait(RECONNECT_SECONDS)

    def _answers(self):
        """Whether the scheduler does."""
        try:
            self._client.nthreads()
            return self._client.status == "running"
        except Exception:
            return False

    def close(self, interrupted=False):
        """Forget the batches that are not made, and end what was begun here."""
        with suppress(Exception):
            self._pool.shutdown(wait=False)
        with suppress(Exception):
            if self._owned:
                self._client.close(timeout=5)
            elif self._shared is not None:
                self._shared.release()
        if self._cluster is not None:
            with suppress(Exception):
                self._cluster.close(timeout=10)


def _connected(address, security):
    from distributed import Client

    try:
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False, security=security)
    except (OSError, TimeoutError, ValueError):
        time.sleep(0.5)
        return None


def local_cluster(workers: int) -> tuple[Any, Any]:
    """A local Dask cluster of processes with one thread each, and its client.

    Raises
    ------
    MissingPackageError
    """
    distributed = need("distributed")
    _begin_tracker()
    cluster = distributed.LocalCluster(n_workers=workers, threads_per_worker=1, processes=True,
                                       dashboard_address=":0", silence_logs=50)
    client = distributed.Client(cluster, set_as_default=False)
    client.register_plugin(_leaving_interrupts(distributed))
    return cluster, client


def _leaving_interrupts(distributed):
    """A plugin of workers that leaves what all processes of a terminal get to the client."""

    class LeaveInterrupts(distributed.WorkerPlugin):
        def setup(self, worker):
            leave_signals_to_client()

    return LeaveInterrupts()


def client_of(address: str) -> Any:
    """A client of the scheduler at an address.

    Raises
    ------
    MissingPackageError, EngineError
    """
    distributed = need("distributed")
    try:
        return distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as problem:
        reason = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise EngineError(f"no Dask scheduler answers at {address} ({reason}): start one with dask scheduler, and give "
                          "the address that it prints") from None


def place_of(executor: Any, job: Job, workers: int | None = None, folder: Any = None) -> Any:
    """Where the batches of a job are made.

    Parameters
    ----------
    executor
        As in :func:`onlinemode.sweep`; "dask" for a local cluster.
    job : Job
    workers : int, optional
        Of threads, processes or a local cluster; by default the number of cores.
    folder : path, optional
        For what is too large to be sent to a foreign pool with every batch.

    Raises
    ------
    ParameterError, EngineError, MissingPackageError
    """
    count = (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) \
        if workers is None else checks.integer("workers", workers, 1)
    if executor is None:
        return Here(job)
    words = executor if isinstance(executor, str) else ""
    if words == "threads":
        return Threads(job, count)
    if words == "processes":
        return Processes(job, count)
    if words == "dask":
        cluster, client = local_cluster(count)
        return Cluster(job, client, owned=True, cluster=cluster)
    if "://" in words:
        return Cluster(job, client_of(words), owned=True)
    if (client := _client_in(executor)) is not None:
        return Cluster(job, client, pool=None if executor is client else executor)
    if isinstance(executor, Executor) or callable(getattr(executor, "submit", None)):
        return Foreign(job, executor, workers, folder)
    raise ParameterError(f"{RULE}; got {checks.one_line(executor)}")


def sends_data(executor: Any) -> bool:
    """Whether workers get data sets: this process has them, a cluster gets them once; others read the files."""
    if isinstance(executor, str):
        return executor in ("threads", "dask") or "://" in executor
    return executor is None or _client_in(executor) is not None


def _client_in(executor):
    """The Client that an executor is, or belongs to; None where it is none of Dask."""
    client = executor if hasattr(executor, "get_executor") else getattr(executor, "_client", None)
    return client if "distributed" in sys.modules and isinstance(client, sys.modules["distributed"].Client) else None
