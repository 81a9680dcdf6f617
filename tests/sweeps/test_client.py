"""The client of a sweep is killed, interrupted, or one of several: nothing that was made is lost."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from small_sweeps import LONG, MANY, identical, is_running

import onlinemode as om
from onlinemode.sweeps import store

SWEEP = [sys.executable, "-m", "onlinemode", "sweep", "--over", "eta=0.5:2:40", "--over", "noise=0,0.1,0.2", "--engine",
         "ode", "--init", "committee", "--K", "3", "--N", "50", "--alpha", "60", "--save-at", "6", "--out", "s",
         "--no-plot"]
LONGER = [word.replace("2:40", "2:400") for word in SWEEP]  # which no machine finishes before it is interrupted


def made_in(folder):
    """How many points a folder has, as its statuses say."""
    try:
        return int(np.count_nonzero(store.group_of(folder / "results.zarr")["status"][...]))
    except (OSError, KeyError, ValueError):
        return 0


def started(command, folder):
    """The process of a command that has made points or has ended, its children, and how many points there were."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    before = made_in(folder / "s")
    while process.poll() is None and made_in(folder / "s") <= before:
        time.sleep(0.02)
    children = []
    for path in Path(f"/proc/{process.pid}/task").glob("*/children"):
        with suppress(OSError):  # a thread that has ended
            children.extend(map(int, path.read_text().split()))
    return process, children, before


def killed_and_gone(process, children):
    """SIGKILL; the processes of a client do not outlive it for long."""
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20.0
    while any(is_running(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(is_running(child) for child in children)


def test_the_client_is_killed(long_serial, tmp_path):
    """SIGKILL, twice; the same command goes on.  benchmarks/kill_sweeps.py does it 200 times."""
    for _ in range(2):
        process, children, before = started(SWEEP, tmp_path)
        assert killed_and_gone(process, children) and made_in(tmp_path / "s") >= before
    last = subprocess.run(SWEEP, cwd=tmp_path, capture_output=True, text=True)
    assert last.returncode == 0, last.stderr
    assert identical(om.open_sweep(tmp_path / "s"), long_serial)


@pytest.mark.parametrize("place", ["--processes", "--workers"])
def test_a_killed_client_leaves_no_processes(place, long_serial, tmp_path):
    """And what they made, with which the same sweep goes on, at another place, too."""
    process, children, _ = started([*SWEEP, place, "2"], tmp_path)
    assert process.poll() is None and len(children) >= 2
    assert killed_and_gone(process, children) and made_in(tmp_path / "s") > 0
    assert identical(om.sweep(LONG, MANY, store=tmp_path / "s"), long_serial)


@pytest.mark.parametrize("place, number, code", [
    ((), signal.SIGHUP, 129), (("--processes", "2"), signal.SIGINT, 130), (("--processes", "2"), signal.SIGTERM, 143),
    (("--workers", "2"), signal.SIGINT, 130)])
def test_the_client_is_interrupted(place, number, code, tmp_path):
    """Ctrl-C, and the end of a terminal, go to the workers and to the helpers of multiprocessing, too."""
    process = subprocess.Popen([*LONGER, *place, "-q"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, start_new_session=True)
    while process.poll() is None and made_in(tmp_path / "s") == 0:
        time.sleep(0.02)
    os.killpg(process.pid, number) if number != signal.SIGTERM else process.terminate()
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "stopped by the user after " in err and "the same command goes on" in err and err.count("\n") == 1, err
    assert (tmp_path / "s" / "table.csv").exists()


def test_sweeps_started_together_into_one_folder(long_serial, tmp_path):
    """One of them has it, the others are refused in one line, or come when it is done and find all there."""
    processes = [subprocess.Popen([*SWEEP, "-q"], cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=100)[1] for process in processes]
    codes = [process.returncode for process in processes]
    assert 0 in codes and set(codes) <= {0, 2}
    for code, err in zip(codes, said):
        refused = "onlinemode: another running process sweeps into s: wait for it, or give another folder\n"
        assert err == (refused if code == 2 else ""), err
    assert identical(om.open_sweep(tmp_path / "s"), long_serial)
    assert sorted(os.listdir(tmp_path / "s")) == ["results.zarr", "sweep.json", "table.csv"]
