"""Workers that die, schedulers that go, interrupts and kills: nothing that was made is lost, the rest is the same."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

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
        assert not work.STOPPED.is_set()
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
        assert err == "" if code == 0 else (err.count("\n") == 1 and "another running process sweeps into s" in err)
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
    assert reports[-1] == (9, 5, 9, pytest.approx(0.0, abs=1e-6))
    assert made.final_error[:, 0].values.tolist()[:2] == serial.final_error[:, 0].values.tolist()[:2]


def test_what_a_pool_raises_ends_the_sweep():
    """An error that every batch would meet is no affair of single points."""

    class Pool:
        def submit(self, *_):
            future = Future()
            future.set_exception(ModuleNotFoundError("No module named 'onlinemode'"))
            return future

    with pytest.raises(EngineError, match="the workers cannot make points: ModuleNotFoundError: No module named"):
        om.sweep(SMALL, OVER, executor=Pool())


def test_progress_tells_the_share_of_a_folder(tmp_path):
    reports = []
    om.sweep(SMALL, {"eta": [0.5], "noise": [0.0, 0.1]}, store=tmp_path / "s")
    om.sweep(SMALL, OVER, store=tmp_path / "s", progress=reports.append)
    assert reports[0] == running.SweepProgress(2, 0, 6, None) and reports[-1][:3] == (6, 0, 6)
