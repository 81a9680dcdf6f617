"""Pools and threads of a sweep that break, die or are stopped; the rest is the same."""

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

import numpy as np
import pytest
from small_sweeps import LONG, MANY, OVER, SMALL, identical, is_running

import onlinemode as om
from onlinemode.errors import EngineError
from onlinemode.sweeps import places, work


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

    def stopped(job, point, *given):
        run = real(job, point, *given)
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


def test_threads_end_in_the_middle_of_a_point(monkeypatch):
    begun, real = threading.Event(), work._run

    def run(job, point, *given):
        begun.set()
        time.sleep(0.5)
        return real(job, point, *given)

    def stop(report):
        if begun.is_set():
            raise KeyboardInterrupt

    monkeypatch.setattr(work, "_run", run)
    made = om.sweep(SMALL, OVER, executor="threads", workers=1, progress=stop)
    assert (made.status == "missing").all()


def test_a_sweep_that_fails_leaves_another_one_alone(serial, monkeypatch):
    """Two of them in threads of one process."""
    outcomes, real, both = [], work._run, threading.Barrier(2)

    def slowly(job, point, *given):
        time.sleep(0.05)
        return real(job, point, *given)

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
