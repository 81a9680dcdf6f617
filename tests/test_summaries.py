"""Summaries of runs: rows of ensembles and of runs that end early."""

import numpy as np
import pytest

import onlinemode as om
from onlinemode.observables import Plateau
from onlinemode.summaries import summary_of


def test_row_of_an_ensemble():
    start = om.initial.showcase(4000, K=3)
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=3.0)), start, 150.0, "chain", replicas=5, save_at=150)
    row = summary_of(run)
    assert row["status"] == "completed" and row["complete"] and row["alpha"] == 150.0
    errors, values = run.generalization_error, run.specialization
    assert row["error"] == pytest.approx(errors[:, -1].mean(), rel=1e-12)
    assert row["error_se"] == pytest.approx(errors[:, -1].std(ddof=1) / np.sqrt(5), rel=1e-9)
    assert row["specialization"] == pytest.approx(values[:, -1].mean(), rel=1e-12)
    times = []
    for curve in values:
        i = np.argmax(curve >= 0.5)
        times.append(np.interp(0.5, curve[i - 1:i + 1], run.alpha[i - 1:i + 1]))
    assert values[:, -1].min() > 0.5 > values[:, 0].max()
    assert row["specialized_at"] == pytest.approx(np.median(times), rel=1e-12)
    plateau = max(run.plateaus(), key=lambda p: p.stop / p.start)
    assert (row["plateau_start"], row["plateau_stop"], row["plateau_level"]) == plateau[:3]


def test_row_of_runs_that_end_early():
    """ε_g is that of the last time that all replicas reached; none of them specializes."""
    start = om.initial.committee(20, K=2)
    run = om.simulate(om.Problem("linear", rates=om.LearningRates(xi_in=12.0)), start, 60.0, "chain", N=20, replicas=6,
                      save_at=np.linspace(0.0, 60.0, 61))
    assert len(set(run.status)) == 1 and run.status[0].value == "diverged"
    row = summary_of(run)
    reached = np.isfinite(run.generalization_error).all(0)
    assert not reached.all() and row["alpha"] == run.alpha[reached][-1]
    assert row["error"] == pytest.approx(run.generalization_error[:, reached][:, -1].mean(), rel=1e-12)
    assert row["status"] == "diverged" and not row["complete"] and np.isnan(row["plateau_start"])
    few = om.simulate(om.Problem(rates=om.LearningRates(xi_in=0.1)), start, 0.5, "ode", N=20)
    assert np.isnan(summary_of(few)["specialized_at"]) and np.isnan(summary_of(few)["error_se"])


def test_the_longest_plateau_is_that_of_most_decades(monkeypatch):
    run = om.simulate(om.Problem(), om.initial.committee(20, K=2), 1.0, "ode", save_at=3)
    plateaus = [Plateau(1.0, 2.0, 0.3, 1.5, 1.0), Plateau(3.0, 30.0, 0.2, 5.0, 1.0),
                Plateau(40.0, 100.0, 0.1, 50.0, 1.0)]
    monkeypatch.setattr(om.Trajectory, "plateaus", lambda run: plateaus)
    row = summary_of(run)
    assert (row["plateau_start"], row["plateau_stop"], row["plateau_level"]) == (3.0, 30.0, 0.2)
