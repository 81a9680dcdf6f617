"""Theory that is too large or too slow is left out or refused, and the wait for it can be interrupted."""

import importlib
import os
import signal
import threading
import time

import numpy as np
import pytest

import onlinemode as om
from onlinemode import simulation
from onlinemode.beside import Theory
from onlinemode.cli.running import ProgressBar
from onlinemode.errors import EngineError, ParameterError
from onlinemode.runtime.progress import Progress
from onlinemode.theory import cost

PROBLEM = om.Problem(rates=om.LearningRates(xi_in=1.0))
SIMULATE = ["simulate", "--N", "200", "--K", "2", "--alpha", "1", "--no-plot", "--out", "run.npz"]


@pytest.mark.parametrize("K, M, P, rates", [(3, 2, 4, (1.0, 0.0, 0.0, 0.0)), (2, 2, 2, (1.0, 1.0, 1.0, 1.0))])
def test_count_of_order_parameters(random_overlaps, K, M, P, rates):
    from onlinemode.theory.meanfield import MeanFieldDrift

    problem = om.Problem(rates=om.LearningRates(*rates))
    drift = MeanFieldDrift(problem, random_overlaps(K, M, P, seed=0))
    assert cost.order_parameters(problem, K, M, P) == drift.active.size


def test_memory_of_many_units():
    """The solver's matrix at K = M = P = 300 takes 136 GiB; without matrices the same fits."""
    assert 136 < cost.integration_bytes(PROBLEM, 300, 300, 300, "LSODA", 200) / 2**30 < 140
    assert cost.integration_bytes(PROBLEM, 300, 300, 300, "DOP853", 200) < 2**30
    assert cost.integration_seconds(PROBLEM, 1000, 1000, 1000, 2**14) > 3600
    assert cost.integration_seconds(PROBLEM, 4, 4, 4, 2**14) < 1


@pytest.mark.parametrize("attribute, value, words", [
    ("onlinemode.memory.free_memory", lambda: 1000, "this machine has 0.0 free"),
    ("onlinemode.beside.MOST_SECONDS", 1e-9, "onlinemode ode integrates them alone")])
def test_simulate_leaves_the_theory_out(onlinemode, tmp_path, monkeypatch, attribute, value, words):
    """It says so before the run, and the run is complete."""
    monkeypatch.setattr(attribute, value)
    code, out, err = onlinemode(*SIMULATE)
    assert code == 0
    assert err.startswith("no theory: the mean-field equations for K = 2, M = 2, P = 2")
    assert words in err.splitlines()[0]
    assert "result: run.npz" in out
    assert om.load(tmp_path / "run.npz").status == [om.Status.COMPLETED]


def test_every_start_has_equations_of_its_own(onlinemode, monkeypatch):
    """Fresh students, and replicas that go on, each from where it ended."""
    once = cost.integration_seconds(PROBLEM, 2, 2, 2, 2**14)
    monkeypatch.setattr("onlinemode.beside.MOST_SECONDS", 2.5 * once)
    call = ["simulate", "--N", 200, "--K", 2, "--alpha", 1, "--engine", "chain", "--replicas", 3, "--no-plot"]
    assert "no theory" not in onlinemode(*call, "--out", "alike")[2]
    words = "no theory: the mean-field equations for K = 2, M = 2, P = 2 and 3 starts would take some"
    assert words in onlinemode(*call, "--fresh-students", "--out", "fresh")[2]
    assert words in onlinemode("simulate", "--start", "alike.npz", "--alpha", 2, "--no-plot")[2]


def test_plot_leaves_the_theory_out_and_stops(onlinemode, tmp_path, monkeypatch):
    assert onlinemode(*SIMULATE)[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr("onlinemode.beside.MOST_SECONDS", 1e-9)
        code, out, err = onlinemode("plot", "run.npz")
        assert code == 0 and err.startswith("no theory: the mean-field equations for K = 2") and "run_plot.png" in out
    stopped = om.load("run.npz")
    stopped.status = [om.Status.INTERRUPTED]
    monkeypatch.setattr("onlinemode.continuing.mean_field", lambda run: stopped)
    code, out, err = onlinemode("plot", "run.npz", "--out", "none")
    assert code == 130 and "stopped by the user" in err and not (tmp_path / "none.png").exists()


@pytest.mark.parametrize("name, code", [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.parametrize("command, stage", [("compare", "simulate"), ("compare", "fluctuations"),
                                            ("simulate", "simulate")])
def test_a_command_that_is_stopped_while_theory_is_computed_says_so(command, stage, name, code, onlinemode, tmp_path,
                                                                    monkeypatch):
    """The runs are saved, and what there is of theory, but it is not the whole: no exit code 0."""
    module = "onlinemode.simulation" if stage == "simulate" else "onlinemode.theory.fluctuations"
    real, sent = getattr(importlib.import_module(module), stage), []

    def slow(*arguments, **options):
        if stage == "fluctuations" or "ode" in arguments:
            time.sleep(0.3)  # until the simulation is done and waits
            sent.append(os.kill(os.getpid(), getattr(signal, name)))
            time.sleep(0.3)
        return real(*arguments, **options)

    monkeypatch.setattr(f"{module}.{stage}", slow)
    words = (command, "--N", "60", "--K", "2", "--alpha", "1", "--engine", "chain" if command == "simulate" else
             "chain,ode", "--out", "x", "--no-plot")
    assert onlinemode(*words)[0] == code and len(sent) == 1
    assert om.load(tmp_path / ("x.npz" if command == "simulate" else "x_chain.npz")).status == [om.Status.COMPLETED]


def test_too_large_on_purpose_is_an_error(onlinemode, tmp_path, monkeypatch):
    weights = om.initial.committee(100, K=2)
    monkeypatch.setattr("onlinemode.memory.free_memory", lambda: 1000)
    with pytest.raises(EngineError, match="K = 2, M = 2, P = 2 need about .* this machine has .* method DOP853"):
        om.simulate(PROBLEM, weights, 1.0, "ode")
    with pytest.raises(ParameterError, match="the linear noise of 7 order parameters needs about"):
        om.fluctuations(PROBLEM, weights, [1.0])
    code, _, err = onlinemode("compare", "--N", "200", "--K", "2", "--alpha", "1", "--no-plot")
    assert code == 2 and "need about" in err
    assert not os.listdir(tmp_path)


SETTINGS = {"save_at": 5, "alpha": 1.0, "N": 100, "replicas": 1, "keep": "all", "quiet": True, "json": False}


def test_a_long_evaluation_does_not_hold_up_the_end(monkeypatch):
    """Ctrl-C while the theory is inside one call that does not return."""
    release = threading.Event()
    monkeypatch.setattr("onlinemode.beside.SECONDS_TO_STOP", 0.2)
    monkeypatch.setattr(Theory, "_integrate", lambda self: release.wait(60.0))
    theory = Theory(PROBLEM, om.initial.committee(100, K=2), SETTINGS)
    theory.begin()
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        with pytest.raises(EngineError, match="stopped by the user"):
            theory.result()
        assert theory._thread.daemon
    finally:
        release.set()


def test_a_slow_drift_can_be_interrupted(monkeypatch):
    """Engine ode, inside one evaluation."""
    from onlinemode.theory.meanfield import MeanFieldDrift

    release = threading.Event()
    monkeypatch.setattr("onlinemode.engines.ode.engine.drift_seconds", lambda *sizes: 10.0)
    monkeypatch.setattr(MeanFieldDrift, "__call__", lambda self, y, alpha=0.0: release.wait(60.0))
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        run = om.simulate(PROBLEM, om.initial.committee(100, K=2), 1.0, "ode")
    finally:
        release.set()
    assert run.status == [om.Status.INTERRUPTED]
    assert np.isnan(run.G).all()


def test_a_slow_drift_is_the_same_drift(monkeypatch):
    start = om.initial.committee(100, K=2)
    plain = om.simulate(PROBLEM, start, 0.1, "ode")
    monkeypatch.setattr("onlinemode.engines.ode.engine.drift_seconds", lambda *sizes: 10.0)
    assert np.array_equal(om.simulate(PROBLEM, start, 0.1, "ode").G, plain.G)


def test_fluctuations_report_and_stop():
    reports = []
    weights = om.initial.committee(100, K=2)
    om.fluctuations(PROBLEM, weights, [1.0], nodes=256, progress=reports.append)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions) and fractions[0] == 0.0 and 0.9 < fractions[-1] < 1.0
    assert {report.order_parameters for report in reports} == {7}
    assert reports[0].points == 0 < reports[-1].points

    def stop(report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        om.fluctuations(PROBLEM, weights, [1.0], progress=stop)


def test_versions_are_looked_up_once(monkeypatch):
    calls = []
    monkeypatch.setattr(simulation, "version", lambda name: calls.append(name) or "1")
    simulation._installed.cache_clear()
    try:
        for _ in range(3):
            om.simulate(PROBLEM, om.initial.committee(20, K=1), 0.1, "ode", save_at=2)
        assert sorted(calls) == ["numba", "numpy", "scipy"]
    finally:
        simulation._installed.cache_clear()


def test_time_left_is_measured(monkeypatch, capsys):
    """A run of 100 s: nothing is said before two seconds, then once what is left, from what was done."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    bar = ProgressBar(quiet=False)
    said = []
    for second in np.arange(0.0, 10.0, 0.25):
        now[0] = second
        bar(Progress(second, second / 100.0, int(second), 0.1))
        said.append((second, capsys.readouterr().err))
    assert [text for _, text in said if text] == ["about 98 s left\n"]
    assert not any(text for second, text in said if second < 2.0)


def test_dropout_multiplies_drifts():
    """By the number of students that samples may have."""
    from onlinemode.theory.cost import drift_seconds

    rates = om.LearningRates(xi_in=1.0)
    seconds = [drift_seconds(om.Problem(rates=rates, **shares), 3, 3, 2, 2**10)
               for shares in ({}, {"dropout": 0.1}, {"dropout": 0.1, "mode_dropout": "exp:0.1,3"})]
    assert seconds[1] == 8.0 * seconds[0] and seconds[2] == 32.0 * seconds[0]
