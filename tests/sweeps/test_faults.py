"""Workers that die, schedulers that go, interrupts and kills: nothing that was made is lost, the rest is the same."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small_sweeps import OVER, SMALL, identical, local_cluster

import onlinemode as om
from onlinemode.errors import EngineError
from onlinemode.sweeps import places, running, store, work

distributed = pytest.importorskip("distributed")
MANY = {"eta": "0.5:2:40", "noise": [0.0, 0.1, 0.2]}
LONG = SMALL.replace(alpha=60.0, K=3)


@pytest.fixture(scope="module")
def long_serial():
    return om.sweep(LONG, MANY)


def kill_soon(processes, times, wait=0.3):
    """A thread that kills the first of some processes, again and again."""
    killed = []

    def work():
        while len(killed) < times:
            time.sleep(wait)
            there = processes()
            if there:
                os.kill(there[0], signal.SIGKILL)
                killed.append(there[0])

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return killed


def test_a_worker_of_a_cluster_is_killed(long_serial, tmp_path):
    """With a real scheduler and two workers: every point once, and the same to the bit."""
    with local_cluster() as cluster, distributed.Client(cluster, set_as_default=False) as client:
        victim = next(iter(client.run(os.getpid).values()))
        reports, victims = [], [victim]

        def kill(report):
            reports.append(report)
            if report.done > 10 and victims:
                os.kill(victims.pop(), signal.SIGKILL)

        made = om.sweep(LONG, MANY, executor=client, store=tmp_path / "s", progress=kill)
        assert victims == [] and reports[-1].done == reports[-1].total == 120
        assert victim not in client.run(os.getpid).values()
    assert identical(made, long_serial) and identical(om.open_sweep(tmp_path / "s"), long_serial)


def test_processes_are_killed(long_serial, tmp_path, monkeypatch):
    pools, real = [], places.Processes._begin
    monkeypatch.setattr(places.Processes, "_begin", lambda self: pools.append(real(self)) or pools[-1])
    killed = kill_soon(lambda: list(pools[-1]._processes or ()) if pools else [], 2, 1.5)
    made = om.sweep(LONG, MANY, executor="processes", workers=2, store=tmp_path / "s")
    assert identical(made, long_serial)
    assert len(pools) == 1 + len(killed) or len(killed) > 0


class Fragile:
    """A place whose pool breaks with the batches that hold a fatal point, and with what is made beside them."""

    workers, queued, seconds = 2, 6, 0.02

    def __init__(self, job, fatal=(), deaths=10**9):
        self._job, self._fatal, self._deaths = job, set(fatal), deaths
        self.broken, self.alone = 0, []
        self._open = []

    def submit(self, numbers, values):
        future = Future()
        self._open.append((future, numbers, values))
        self.alone.append((len(self._open) == 1, list(numbers)))
        if len(self._open) == self.queued or self._fatal & set(numbers) or len(numbers) == 1:
            threading.Timer(0.005, self._run).start()
        threading.Timer(0.05, self._run).start()
        return future

    def _run(self):
        given, self._open = self._open, []
        if self._deaths and any(self._fatal & set(numbers) for _, numbers, _ in given):
            self._deaths -= 1
            for future, _, _ in given:
                future.set_exception(BrokenProcessPool("a process died"))
            return
        for future, numbers, values in given:
            future.set_result(work.make_points(self._job, numbers, values))

    def recover(self):
        self.broken += 1

    def close(self, interrupted=False):
        pass


@pytest.mark.parametrize("fatal", [(0,), (17,), (17, 60, 119)])
def test_a_point_that_kills_its_process_is_found(fatal, long_serial, monkeypatch, tmp_path):
    """It is lost, alone: the points that were made beside it are there."""
    made_by = []
    monkeypatch.setattr("onlinemode.sweeps.api.place_of", lambda executor, job, *_: made_by.append(
        Fragile(job, fatal)) or made_by[-1])
    made = om.sweep(LONG, MANY, executor="processes", store=tmp_path / "s")
    statuses = made.status.values.ravel()
    assert np.flatnonzero(statuses == "lost").tolist() == list(fatal)
    assert "died" in made.message.values.ravel()[fatal[0]]
    well = made.status == "completed"
    assert well.sum() == 120 - len(fatal) and made.final_error.where(well).equals(long_serial.final_error.where(well))


def test_a_worker_that_dies_once_is_forgiven(long_serial, monkeypatch):
    monkeypatch.setattr("onlinemode.sweeps.api.place_of", lambda executor, job, *_: Fragile(job, (17,), 3))
    assert identical(om.sweep(LONG, MANY, executor="processes"), long_serial)


def test_processes_that_cannot_begin(tmp_path):
    """A script without the guard of its main module is told so, and does not go on for ever."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent("""
        import onlinemode as om
        om.sweep(om.Experiment(engine="ode", N=50, K=1, alpha=1.0), {"eta": [1, 2]}, executor="processes", workers=1)
    """))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith('a script must make its calls under if __name__ == "__main__":')


def test_a_pool_of_the_user_that_breaks(tmp_path, long_serial):
    """What was made is kept, and the same call goes on with another pool."""
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        def kill(report):
            if report.done > 5:
                for process in list(pool._processes.values()):
                    process.kill()

        with pytest.raises(EngineError, match="a worker of the executor died.*what is made is kept: give another one"):
            om.sweep(LONG, MANY, executor=pool, store=tmp_path / "s", progress=kill)
    there = int((om.open_sweep(tmp_path / "s").status != "missing").sum())
    assert 5 < there < 120
    assert identical(om.sweep(LONG, MANY, store=tmp_path / "s"), long_serial)


@pytest.mark.parametrize("executor", [None, "threads"])
def test_a_batch_that_is_stopped_in_its_first_point(executor, tmp_path, monkeypatch):
    real = work._run

    def stopped(job, point, progress):
        run = real(job, point, progress)
        run.status = [om.Status.INTERRUPTED]
        return run

    monkeypatch.setattr(work, "_run", stopped)
    made = om.sweep(SMALL, OVER, executor=executor, store=tmp_path / "s")
    assert (made.status == "missing").all() and not (tmp_path / "s").exists()


def stop_after(points):
    """Ctrl-C, once so many are made."""
    stops = []

    def stop(report):
        if report.done > points and not stops:
            stops.append(report.done)
            raise KeyboardInterrupt

    return stop


def test_ctrl_c_keeps_what_is_made(long_serial, tmp_path):
    for executor in (None, "threads", "processes"):
        folder = tmp_path / str(executor)
        part = om.sweep(LONG, MANY, executor=executor, workers=2, store=folder, progress=stop_after(20))
        missing = int((part.status == "missing").sum())
        assert 0 < missing < 100 and identical(om.open_sweep(folder), part)
        assert identical(om.sweep(LONG, MANY, store=folder), long_serial)


SWEEP = [sys.executable, "-m", "onlinemode", "sweep", "--over", "eta=0.5:2:40", "--over", "noise=0,0.1,0.2", "--engine",
         "ode", "--init", "committee", "--K", "3", "--N", "50", "--alpha", "60", "--save-at", "6", "--out", "s",
         "--no-plot"]


@pytest.mark.parametrize("place", [(), ("--processes", "2"), ("--workers", "2")])
def test_the_client_is_killed(place, long_serial, tmp_path):
    """SIGKILL at any moment; the same command goes on, and makes no point twice that was written."""
    deadline = time.monotonic() + 100
    for _ in range(4):
        process = subprocess.Popen([*SWEEP, *place], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        before = made_in(tmp_path / "s")
        while process.poll() is None and made_in(tmp_path / "s") <= before and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
        process.wait()
        assert made_in(tmp_path / "s") >= before
    last = subprocess.run([*SWEEP, *place], cwd=tmp_path, capture_output=True, text=True)
    assert last.returncode == 0, last.stderr
    assert identical(om.open_sweep(tmp_path / "s"), long_serial)


def made_in(folder):
    """How many points a folder has, as its statuses say."""
    try:
        return int(np.count_nonzero(store._zarr_group(folder / "results.zarr")["status"][...]))
    except (OSError, KeyError, ValueError):
        return 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("place", [(), ("--processes", "2"), ("--workers", "2")])
def test_the_client_is_interrupted(place, number, tmp_path):
    """In a terminal the signal goes to the workers, too."""
    process = subprocess.Popen([*SWEEP, *place], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, start_new_session=True)
    while process.poll() is None and made_in(tmp_path / "s") == 0:
        time.sleep(0.02)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.terminate()
    out, err = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else 143), err
    assert "stopped by the user after " in err and "the same command goes on" in err and "Traceback" not in err, err
    assert (tmp_path / "s" / "table.csv").exists()


def test_sweeps_started_together_into_one_folder(long_serial, tmp_path):
    """One of them has it, the others are refused in one line, or come when it is done and find all there."""
    processes = [subprocess.Popen([*SWEEP, "-q"], cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate(timeout=100)[1] for process in processes]
    codes = [process.returncode for process in processes]
    assert 0 in codes and set(codes) <= {0, 2}
    for code, err in zip(codes, said):
        assert "Traceback" not in err, err
        assert code == 0 or "another running process sweeps into s: wait for it" in err.splitlines()[-1], err
    assert identical(om.open_sweep(tmp_path / "s"), long_serial)
    assert sorted(os.listdir(tmp_path / "s")) == ["results.zarr", "sweep.json", "table.csv"]


def test_a_killed_client_leaves_no_processes(tmp_path):
    process = subprocess.Popen([*SWEEP, "--processes", "2"], cwd=tmp_path, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and made_in(tmp_path / "s") == 0:
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    workers = [int(word) for word in children.read_text().split()]
    assert len(workers) >= 2
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20.0
    while any(is_running(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_running(worker) for worker in workers)


def is_running(pid):
    """Whether there is such a process, and it is no corpse."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_cluster_that_has_no_worker_yet(serial, tmp_path):
    """The sweep waits for the first one."""
    with local_cluster(0) as cluster, distributed.Client(cluster, set_as_default=False) as client:
        later = threading.Timer(1.0, lambda: cluster.scale(1))
        later.start()
        assert identical(om.sweep(SMALL, OVER, executor=client), serial)
        later.join()


def test_a_scheduler_that_restarts(tmp_path, long_serial):
    """The sweep waits for it, and goes on."""
    port = free_port()
    processes = start_cluster(port)
    restarted = []

    def restart(report):
        if report.done > 10 and not restarted:
            restarted.extend(processes)
            for process in processes:
                process.kill()
                process.wait()
            processes[:] = start_cluster(port)

    try:
        made = om.sweep(LONG, MANY, executor=f"tcp://127.0.0.1:{port}", store=tmp_path / "s", progress=restart)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert restarted and identical(made, long_serial)


def test_a_scheduler_that_does_not_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "RECONNECT_SECONDS", 1.0)
    monkeypatch.setattr(places, "CONNECT_SECONDS", 1.0)
    port = free_port()
    processes = start_cluster(port)

    def kill(report):
        if report.done > 10:
            for process in processes:
                process.kill()
                process.wait()

    with pytest.raises(EngineError, match="the scheduler at .* has gone, and did not come back.*the same call goes on"):
        monkeypatch.setattr(places, "CONNECT_SECONDS", 10.0)
        om.sweep(LONG, MANY, executor=f"tcp://127.0.0.1:{port}", store=tmp_path / "s", progress=kill)
    assert (om.open_sweep(tmp_path / "s").status == "completed").sum() > 10


def free_port():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def start_cluster(port):
    """A scheduler and a worker, as a user starts them."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    scheduler = subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1",
                                  "--port", str(port), "--no-dashboard"], **quiet)
    worker = subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_worker", f"tcp://127.0.0.1:{port}",
                               "--nworkers", "1", "--nthreads", "1", "--no-dashboard", "--no-nanny", "--death-timeout",
                               "60"], **quiet)
    return [scheduler, worker]


def test_what_a_point_raises_is_told_and_stops_nothing(monkeypatch, serial):
    real = work._run

    def run(job, point, progress):
        if point == {"eta": 1.0, "noise": 0.1}:
            raise ZeroDivisionError("in the\nmiddle")
        if point == {"eta": 2.0, "noise": 0.0}:
            raise MemoryError
        return real(job, point, progress)

    monkeypatch.setattr(work, "_run", run)
    reports = []
    made = om.sweep(SMALL, OVER | {"noise": [0.0, 0.1, -1.0]}, progress=reports.append)
    assert made.status.values.tolist() == [["completed", "completed", "invalid"], ["completed", "error", "invalid"],
                                           ["error", "completed", "invalid"]]
    assert made.message.values[1, 1] == "ZeroDivisionError: in the middle"
    assert made.message.values[2, 0].startswith("not enough memory")
    assert "noise must be a finite number ≥ 0; got -1.0" in made.message.values[0, 2]
    assert reports[-1][:4] == (9, 5, 9, pytest.approx(0.0, abs=1e-6))
    assert made.final_error[:, 0].values.tolist()[:2] == serial.final_error[:, 0].values.tolist()[:2]


def test_what_a_pool_raises_ends_the_sweep():
    """An error that every batch would meet is no affair of single points."""

    class Pool:
        def submit(self, *_):
            future = Future()
            future.set_exception(ModuleNotFoundError("No module named 'onlinemode'"))
            return future

    with pytest.raises(EngineError, match="the workers cannot make points: ModuleNotFoundError: No module named .*: "
                       "what makes experiments must be in a module that the workers have"):
        om.sweep(SMALL, OVER, executor=Pool())


def test_tiles_do_not_wait_in_memory(tmp_path, monkeypatch):
    """However fast they come, and however long they take to be written."""
    from onlinemode.sweeps import tiles

    most, real = [], store.Store.add
    monkeypatch.setattr(tiles, "MOST_POINTS", 1)
    monkeypatch.setattr(running, "FLUSH_SHARE", 1e-9)
    monkeypatch.setattr(running, "MOST_UNWRITTEN", 3)
    monkeypatch.setattr(store.Store, "add", lambda self, batch: real(self, batch) or most.append(self.unwritten))
    om.sweep(SMALL, {"eta": "0.5:2:20"}, store=tmp_path / "s")
    assert 3 < max(most) < 8


def test_progress_tells_the_share_of_a_folder(tmp_path):
    reports = []
    om.sweep(SMALL, {"eta": [0.5], "noise": [0.0, 0.1]}, store=tmp_path / "s")
    om.sweep(SMALL, OVER, store=tmp_path / "s", progress=reports.append)
    assert reports[0] == running.SweepProgress(2, 0, 6, None) and reports[-1][:3] == (6, 0, 6)


def test_progress_tells_what_failed_before(tmp_path):
    reports, over = [], {"eta": [0.5, 1.0], "noise": [0.0, -1.0]}
    for _ in range(2):
        om.sweep(SMALL, over, store=tmp_path / "s", progress=reports.append)
    assert reports[-1][:3] == (4, 2, 4) and (4, 2, 4) in [each[:3] for each in reports[:-1]]
    assert running._well(np.array([[1, 1], [1, 2], [1, 3]])).tolist() == [True, True, False]


@pytest.fixture
def loop():
    """A loop without a sweep, for what it does when workers die."""
    loop = object.__new__(running._Loop)
    loop._again, loop._flying, loop._breaks, loop._has_made = deque(), {}, 0, True
    loop._place, loop._store = SimpleNamespace(recover=lambda: None), SimpleNamespace(flush=lambda: None)
    return loop


def test_deaths_count_only_where_it_is_known_who_is_to_blame(loop):
    flying = running._Flying
    for lost, again in [(flying([1, 2]), [flying([1, 2], 1)]), (flying([1], 1), [flying([1], 2)]),
                        (flying([1, 2], 2), [flying([1], 2), flying([2], 2)]), (flying([1], 2), [flying([1], 2, 1)])]:
        loop._again.clear()
        loop._lose(lost)
        assert list(loop._again) == again
    loop._again.clear()
    loop._has_made = False  # maybe nothing can be made there
    loop._lose(flying([1], 2, 1))
    assert list(loop._again) == [flying([1], 2, 2)]


def test_nothing_is_made_beside_a_batch_that_is_made_alone(loop):
    flying = running._Flying
    loop._batches, loop._place.workers = SimpleNamespace(next=lambda workers: [9]), 2
    loop._again.extend([flying([1], 2), flying([2], 1)])
    loop._flying = {Future(): flying([3], 1)}
    assert loop._next() is None  # it waits for what is in the making
    loop._flying = {}
    assert loop._next() == flying([1], 2)
    loop._flying = {Future(): flying([1], 2)}
    assert loop._next() is None
    loop._flying = {}
    assert [loop._next(), loop._next()] == [flying([2], 1), flying([9])]


def test_what_is_done_when_a_pool_breaks_is_taken(loop, monkeypatch):
    taken, done, broken = [], Future(), Future()
    done.set_result("rows")
    broken.set_exception(BrokenProcessPool("a process died"))
    monkeypatch.setattr(loop, "_take", lambda batch, numbers: taken.append((batch, numbers)))
    loop._flying = {broken: running._Flying([1]), done: running._Flying([2])}
    loop._recover()
    assert taken == [("rows", [2])] and list(loop._again) == [running._Flying([1], 1)]


def test_processes_that_die_before_anything_is_made(monkeypatch, tmp_path):
    made_by = []
    monkeypatch.setattr("onlinemode.sweeps.api.place_of", lambda executor, job, *_: made_by.append(
        Fragile(job, range(6))) or made_by[-1])
    with pytest.raises(EngineError, match="nothing was made, and the processes died 8 times: is there memory"):
        om.sweep(SMALL, OVER, executor="processes", store=tmp_path / "s")
    assert made_by[0].broken == 7 and not (tmp_path / "s").exists()


class Failing:
    """A pool of one that fails with the batches that hold the last point."""

    _max_workers = 1

    def __init__(self, problem):
        self._problem = problem

    def submit(self, function, packed, numbers, values):
        future = Future()
        future.set_exception(self._problem) if 5 in numbers else future.set_result(function(packed, numbers, values))
        return future


def test_a_point_that_kills_workers_of_dask(serial, monkeypatch):
    """Dask says so itself, and the cluster is as good as before."""
    class KilledWorker(Exception):
        pass

    made = om.sweep(SMALL, OVER, executor=Failing(KilledWorker("a task")))
    assert made.status.values.ravel().tolist() == ["completed"] * 5 + ["lost"]
    assert made.final_error[:2].equals(serial.final_error[:2])


def test_a_connection_that_is_lost_is_no_error_of_points():
    with pytest.raises(EngineError, match="^a worker of the executor died"):
        om.sweep(SMALL, OVER, executor=Failing(ConnectionResetError("gone")))


def test_ctrl_c_takes_what_has_come_meanwhile(monkeypatch):
    """And lets the pool of the user begin nothing more."""
    given = []

    class Pool:
        _max_workers = 1

        def submit(self, function, packed, numbers, values):
            future = Future()
            given.append((future, numbers, lambda: future.set_result(function(packed, numbers, values))))
            if len(given) == 1:
                given[0][2]()
            return future

    def stop(report):
        if report.done:
            given[1][2]()
            raise KeyboardInterrupt

    monkeypatch.setattr(places.Foreign, "seconds", 1e-9)
    many = om.sweep(LONG, MANY, executor=Pool(), progress=stop)
    assert (many.status == "completed").sum() == len(given[0][1]) + len(given[1][1])
    assert len(given) == 3 and given[2][0].cancelled()


@pytest.mark.parametrize("problem, closed", [(None, False), (KeyboardInterrupt, True), (EngineError, True)])
def test_a_place_is_told_how_a_sweep_ended(problem, closed, monkeypatch):
    told = []

    class Place(places.Here):
        def close(self, interrupted=False):
            told.append(interrupted)

    def stop(report):
        if report.done and problem is not None:
            raise problem("no luck")

    monkeypatch.setattr("onlinemode.sweeps.api.place_of", lambda executor, job, *_: Place(job))
    with pytest.raises(EngineError, match="no luck") if problem is EngineError else nullcontext():
        om.sweep(SMALL, OVER, progress=stop)
    assert told == [closed]


def test_threads_end_in_the_middle_of_a_point(monkeypatch):
    begun, real = threading.Event(), work._run

    def run(job, point, progress):
        begun.set()
        time.sleep(0.5)
        return real(job, point, progress)

    def stop(report):
        if begun.is_set():
            raise KeyboardInterrupt

    monkeypatch.setattr(work, "_run", run)
    made = om.sweep(SMALL, OVER, executor="threads", workers=1, progress=stop)
    assert (made.status == "missing").all()


def test_a_sweep_that_fails_leaves_another_one_alone(serial, monkeypatch):
    """Two of them in threads of one process."""
    outcomes, real, both = [], work._run, threading.Barrier(2)

    def slowly(job, point, progress):
        time.sleep(0.05)
        return real(job, point, progress)

    def fail(report):
        if report.done == 0:
            both.wait()
            raise ZeroDivisionError("mine")

    def other():
        with pytest.raises(ZeroDivisionError, match="mine"):
            om.sweep(SMALL, OVER, executor="threads", workers=1, progress=fail)
        outcomes.append("failed")

    monkeypatch.setattr(work, "_run", slowly)
    thread = threading.Thread(target=other)
    thread.start()
    made = om.sweep(SMALL, OVER, executor="threads", workers=1, progress=lambda report: report.done or both.wait()
                    if not both.broken and both.n_waiting else None)
    thread.join()
    assert outcomes == ["failed"] and identical(made, serial)


def test_a_report_that_fails_is_no_fault_of_the_point(tmp_path, monkeypatch):
    """The sweep ends with the user's own error; the point is missing, or what it is."""
    def fail(report):
        if report.inside > 0.0:
            raise ZeroDivisionError("mine")

    monkeypatch.setattr(places.Here, "seconds", 0.0)
    base = SMALL.replace(engine="chain", N=2000, alpha=20.0)
    with pytest.raises(ZeroDivisionError, match="mine"):
        om.sweep(base, {"eta": [1.0, 2.0]}, store=tmp_path / "s", progress=fail)
    made = om.sweep(base, {"eta": [1.0, 2.0]}, store=tmp_path / "s")
    assert (made.status == "completed").all()


def test_a_point_that_ends_its_process_by_itself_is_lost(long_serial, tmp_path):
    """A library may call exit(1); also where it is the only one that is left."""
    (tmp_path / "experiments.py").write_text(textwrap.dedent("""
        import multiprocessing
        import os
        import onlinemode as om

        def make(eta):
            if eta == 2.0 and multiprocessing.parent_process() is not None:
                os._exit(1)
            return om.Experiment(engine="ode", init="committee", K=2, N=50, alpha=4.0, save_at=6, eta=eta)
    """))
    for again in (False, True):
        made = om.sweep(f"{tmp_path}/experiments.py:make", {"eta": [0.5, 1.0, 2.0, 3.0]}, executor="processes",
                        workers=1, store=tmp_path / "s", retry=again)
        assert made.status.values.tolist() == ["completed", "completed", "lost", "completed"]


def test_workers_that_dask_gives_up_are_no_endless_loop():
    class KilledWorker(Exception):
        pass

    class Pool:
        _max_workers = 1

        def submit(self, *_):
            future = Future()
            future.set_exception(KilledWorker("died 3 times"))
            return future

    with pytest.raises(EngineError, match="nothing was made, and the processes died 8 times"):
        om.sweep(SMALL, OVER, executor=Pool())


def test_a_thread_that_is_stopped_begins_no_point(monkeypatch):
    from onlinemode.sweeps.plan import plan_of

    monkeypatch.setattr(work, "_run", lambda *_: pytest.fail("a point was begun"))
    plan, stopped = plan_of(SMALL, OVER), threading.Event()
    stopped.set()
    job = work.Job(plan.recipe, plan.grid.names, plan.kept, {}, "")
    assert work.make_points(job, [0], [(0.5, 0.0)], stopped=stopped).numbers == []


def test_ctrl_c_between_the_runs_of_a_batch(monkeypatch):
    """The points of the batch that were made before it are kept."""
    from onlinemode.sweeps.plan import plan_of

    real = work._run
    monkeypatch.setattr(work, "_run", lambda job, point, progress: real(job, point, progress) if point["noise"] == 0
                        else (_ for _ in ()).throw(KeyboardInterrupt))
    plan = plan_of(SMALL, OVER)
    job = work.Job(plan.recipe, plan.grid.names, plan.kept, {}, "")
    batch = work.make_points(job, [0, 1], [(0.5, 0.0), (0.5, 0.1)])
    assert batch.numbers == [0] and len(batch.rows["status"]) == 1


def test_messages_are_not_longer_than_a_page(monkeypatch):
    def fail(*_):
        raise RuntimeError("x" * 5000)

    monkeypatch.setattr(work, "_run", fail)
    assert len(om.sweep(SMALL, {"eta": [1]}).message.item()) == work.LONGEST_MESSAGE


@pytest.mark.parametrize("interrupted", [False, True])
def test_no_process_is_left_when_a_place_is_closed(interrupted):
    from onlinemode.sweeps.plan import plan_of

    plan = plan_of(SMALL, OVER)
    place = places.Processes(work.Job(plan.recipe, plan.grid.names, plan.kept, {}, work.kernel_version()), 1)
    future = place._pool.submit(time.sleep, 4.0 if interrupted else 0.0)
    while not (future.running() or future.done()):
        time.sleep(0.01)
    processes, began = place._processes(), time.monotonic()
    place.close(interrupted)
    assert processes
    while any(is_running(process.pid) for process in processes) and time.monotonic() - began < 3.0:
        time.sleep(0.01)  # the pool's own thread may be the one that waits for their end
    assert not any(is_running(process.pid) for process in processes)
    assert time.monotonic() - began < 3.0 or not interrupted


def test_processes_leave_ctrl_c_to_the_client_and_are_made_anew_when_they_are_killed():
    """Also where nothing was in the making that could have told."""
    from onlinemode.sweeps.plan import plan_of

    plan = plan_of(SMALL, OVER)
    place = places.Processes(work.Job(plan.recipe, plan.grid.names, plan.kept, {}, work.kernel_version()), 1)
    process, sleeping = place._pool.submit(os.getpid).result(), place._pool.submit(time.sleep, 0.3)
    os.kill(process, signal.SIGINT)
    assert sleeping.result() is None and place._pool.submit(os.getpid).result() == process
    with pytest.raises(BrokenProcessPool):
        place._pool.submit(os.kill, place._pool.submit(os.getpid).result(), signal.SIGKILL).result()
    with pytest.raises(BrokenProcessPool):
        place.submit([0], [(0.5, 0.0)]).result()
    place.recover()
    assert place.submit([0], [(0.5, 0.0)]).result().numbers == [0]
    place.close()
