"""Sweeps on a Dask cluster whose workers or scheduler go and come."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from small_sweeps import LONG, MANY, OVER, SMALL, identical, local_cluster

import onlinemode as om
from onlinemode.errors import EngineError
from onlinemode.sweeps import places

distributed = pytest.importorskip("distributed")


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
    port = free_port()
    processes = start_cluster(port)

    def kill(report):
        if report.done > 10:
            monkeypatch.setattr(places, "CONNECT_SECONDS", 1.0)
            for process in processes:
                process.kill()
                process.wait()

    with pytest.raises(EngineError, match="the scheduler at .* has gone, and did not come back.*the same call goes on"):
        om.sweep(LONG, MANY, executor=f"tcp://127.0.0.1:{port}", store=tmp_path / "s", progress=kill)
    assert (om.open_sweep(tmp_path / "s").status == "completed").sum() > 10
