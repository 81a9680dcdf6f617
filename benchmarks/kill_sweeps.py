"""Does a sweep whose client is killed lose a point, or make one twice that it had?

    python benchmarks/kill_sweeps.py [KILLS] [PLACE]

SIGKILL to the client of a sweep at random moments, 200 times by default, with two processes (PLACE --processes) or a
local Dask cluster of two workers (--workers).  Every point that a worker makes is written into a log.  After each kill
all points that had a status must have it still; a point is made again only if it was in the making.  When a sweep is
finished, its numbers must be those of the one before, and another one begins.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import onlinemode as om
from onlinemode.sweeps.places import QUEUED
from onlinemode.sweeps.store import group_of

POINTS = 4000
MAKE = '''
import multiprocessing
import os
import onlinemode as om

LOG = os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def make(eta, noise):
    if multiprocessing.parent_process() is not None:  # in a worker; the client makes some to check them
        os.write(LOG, f"{{eta!r}} {{noise!r}}\\n".encode())
    return om.Experiment(engine="ode", init="committee", K=2, N=100, alpha=5.0, save_at=5, eta=eta, noise=noise)
'''
SWEEP = '''
make = {make!r}
[over]
eta = "0.5:2:80"
noise = "0:0.2:50"
'''


def statuses(folder):
    """Which points have one, or none where there is no folder yet."""
    try:
        return group_of(folder / "results.zarr")["status"][...] != 0
    except (OSError, KeyError, ValueError):
        return np.zeros((80, 50), bool)


def main(kills=200, place="--processes"):
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "experiments.py").write_text(MAKE.format(log=str(work / "log")))
        (work / "sweep.toml").write_text(SWEEP.format(make="experiments.py:make"))
        command = [sys.executable, "-m", "onlinemode", "sweep", "sweep.toml", place, "2", "--out", "s", "--no-plot",
                   "-q"]
        done, sweeps, again, most, empty = 0, 0, 0, 0, 0
        reference = None
        while done < kills:
            before = statuses(work / "s")
            with open(work / "said", "wb") as said:
                process = subprocess.Popen(command, cwd=work, stderr=said, start_new_session=True)
            if rng.random() < 0.7:  # once it makes points; else anywhere, also while it begins
                while process.poll() is None and not (statuses(work / "s") & ~before).any():
                    time.sleep(0.02)
            try:
                process.wait(rng.uniform(0.0, 3.0))
            except subprocess.TimeoutExpired:
                process.kill()
                done += 1
            assert process.wait() in (0, -9), (work / "said").read_text()
            time.sleep(0.3)  # for workers that notice that they are alone
            after = statuses(work / "s")
            assert (after | ~before).all(), "a point was lost"
            empty += not (after & ~before).any()
            if process.returncode == 0:
                assert after.all()
                made = om.open_sweep(work / "s").drop_vars("seconds").load()
                reference = made if reference is None else reference
                assert made.equals(reference), "other numbers"
                lines = (work / "log").read_text().splitlines()
                times = np.unique(lines, return_counts=True)[1]
                assert len(times) == POINTS
                again, most, sweeps = again + int((times - 1).sum()), max(most, int(times.max())), sweeps + 1
                subprocess.run(["rm", "-rf", work / "s", work / "log"], check=True)
            if done % 20 == 0:
                print(f"{done} kills, {sweeps} sweeps of {POINTS:,} points finished, {again:,} points made again",
                      flush=True)
    print(f"{kills} kills ({empty} before a new point was stored) in {sweeps} finished sweeps of {POINTS:,} points: "
          f"nothing lost, all numbers the same; {again:,} points made again, {again / kills:.1f} a kill (up to "
          f"{2 * QUEUED} batches were in the making), none more than {most} times")


if __name__ == "__main__":
    main(*(int(word) if word.isdigit() else word for word in sys.argv[1:]))
