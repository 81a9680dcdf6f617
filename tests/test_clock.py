"""The clock of the machine jumps by years while something runs: nothing depends on it but the date in a file."""

import io
import itertools
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

import onlinemode as om
from onlinemode.deep.training import train
from onlinemode.kernels import jit
from onlinemode.progress import Bar, PointsBar
from onlinemode.runtime import checkpoint
from onlinemode.sweeps.running import SweepProgress

YEARS = 10 * 365 * 86_400.0
PROBLEM = om.Problem(noise=0.1, rates=om.LearningRates(xi_in=1.0))


@pytest.fixture
def jumping(monkeypatch):
    """Every look at the clock shows another decade."""
    real, jumps = time.time, itertools.cycle([0.0, -YEARS, YEARS, -3 * YEARS, 2 * YEARS])

    def clock():
        return real() + next(jumps)

    monkeypatch.setattr(time, "time", clock)
    monkeypatch.setattr("tqdm.std.time", clock)
    return clock


def learn(**more):
    return om.simulate(PROBLEM, om.initial.committee(200, K=2), 8000.0, "chain", replicas=2, save_at=20, **more)


def test_a_run_with_checkpoints_and_a_bar(jumping, tmp_path, monkeypatch):
    written, write = [], checkpoint.Checkpoint.write
    monkeypatch.setattr(checkpoint.Checkpoint, "write", lambda self, *given: written.append(write(self, *given)))
    monkeypatch.setattr("onlinemode.runtime.replicas.LOOK_SECONDS", 0.01)
    run = learn(checkpoint=tmp_path / "c", checkpoint_every=0.01, progress=True)
    assert len(written) > 2
    whole = learn()
    assert all(np.array_equal(getattr(run, name), getattr(whole, name)) for name in ("G", "S", "generalization_error"))
    assert np.array_equal(om.resume(tmp_path / "c").G, whole.G)


@pytest.mark.parametrize("executor", [None, "threads"])
def test_a_sweep_and_its_model_of_cost(executor, jumping, tmp_path):
    base = om.Experiment(engine="ode", init="committee", K=2, N=50, alpha=4.0, save_at=6)
    over, reports = {"eta": "0.5:2:12", "noise": [0.0, 0.1]}, []
    made = om.sweep(base, over, executor=executor, store=tmp_path / "s", progress=reports.append)
    assert made.drop_vars("seconds").equals(om.sweep(base, over).drop_vars("seconds"))
    assert ((made.seconds >= 0.0) & (made.seconds < 600.0)).all()
    assert all(report.seconds_left is None or 0.0 <= report.seconds_left < 600.0 for report in reports)


def test_training(jumping, tmp_path):
    data, reports = om.deep.data.gaussian_mixture(200, 40), []
    runs = [train(om.deep.Network((2, 3, 1), modes=2, loss="mse"), data, epochs=3, progress=reports.append, **more)
            for more in ({"checkpoint": tmp_path / "c", "checkpoint_every": 1e-6}, {})]
    assert np.array_equal(runs[0].network.flat, runs[1].network.flat) and (tmp_path / "c").exists()


@pytest.mark.parametrize("years", [-YEARS, YEARS])
def test_bars_go_on(years, monkeypatch):
    """tqdm's own clock would leave them where they are when it has gone back."""
    now = [time.time()]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    drawn = io.StringIO()
    bar, points = Bar("run", file=drawn), PointsBar(file=drawn)
    bar.show(0.1, "at first")
    points(SweepProgress(1, 0, 10, None))
    now[0] += years
    time.sleep(1.5 * Bar.SECONDS)
    bar.show(0.5, "later")
    points(SweepProgress(5, 0, 10, 3.0))
    words = drawn.getvalue()
    assert " 50%" in words and "later" in words and "5 of 10 points, 3 s left" in words
    assert "?" not in words.split("later")[0].splitlines()[-1].split("<")[0] and "days" not in words
    bar.close()
    points.close()


def test_files_from_the_future(tmp_path, monkeypatch):
    """Of a machine whose clock was wrong: results, checkpoints, sweeps and machine code."""
    later = time.time() + 10 * YEARS
    learn(checkpoint=tmp_path / "c").save(tmp_path / "run.npz")
    base = om.Experiment(engine="ode", init="committee", K=2, N=50, alpha=4.0, save_at=6)
    om.sweep(base, {"eta": [1.0]}, store=tmp_path / "s")
    monkeypatch.setattr(jit, "CACHE_FOLDER", tmp_path / "kernels-test")
    jit.compiled(double)(2)
    for path in [tmp_path, *tmp_path.rglob("*")]:
        os.utime(path, (later, later))
    assert np.array_equal(om.repeat(om.load(tmp_path / "run.npz")).G, om.resume(tmp_path / "c").G)
    assert (om.sweep(base, {"eta": [1.0, 2.0]}, store=tmp_path / "s").status == "completed").all()
    again = jit.compiled(double)
    assert again(2) == 4 and sum(again.stats.cache_hits.values()) == 1


def double(x):
    return 2 * x


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")
@pytest.mark.parametrize("moment", ["1971-01-01 00:00:00", "2098-06-30 12:00:00"])
def test_a_machine_whose_clock_is_wrong(moment, tmp_path):
    """A whole command at another time: archives, pictures, tables and locks do without it."""
    words = [sys.executable, "-m", "onlinemode", "simulate", "--engine", "chain", "--N", "30", "--alpha", "3", "--csv"]
    done = subprocess.run(["faketime", "-m", "-f", f"@{moment}", *words, "--out", "then"], cwd=tmp_path,
                          capture_output=True, text=True, env={**os.environ, "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert subprocess.run([*words, "--out", "now"], cwd=tmp_path, capture_output=True).returncode == 0
    then, now = (om.load(tmp_path / f"{name}.npz") for name in ("then", "now"))
    assert np.array_equal(then.G, now.G) and then.info.date[:4] == moment[:4]
    assert (tmp_path / "then.csv").read_bytes() == (tmp_path / "now.csv").read_bytes()
