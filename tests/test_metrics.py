"""Classification error and mean loss of runs: values, statistics over replicas, and where they are shown."""

import csv
import dataclasses
import json
import math

import numpy as np
import pytest

import onlinemode as om
from onlinemode.ensemble import METRICS, observables_of
from onlinemode.errors import ParameterError
from onlinemode.theory.mean_loss import mean_loss

LOGISTIC = om.Problem(loss="logistic", labels="sign", flips=0.1, noise=0.2, rates=om.LearningRates(1.0))
SAMPLES = 200_000
LOSSES = {
    "squared": lambda f, y: 0.5 * (f - y) ** 2, "correlation": lambda f, y: -y * f,
    "logistic": lambda f, y: np.logaddexp(0.0, -y * f), "hinge": lambda f, y: np.maximum(1.0 - y * f, 0.0),
    "adatron": lambda f, y: 0.5 * np.maximum(-y * f, 0.0) ** 2,
    "huber:0.4": lambda f, y: np.where(abs(f - y) <= 0.4, 0.5 * (f - y) ** 2, 0.4 * abs(f - y) - 0.08)}


@pytest.fixture(scope="module")
def several():
    return om.simulate(LOGISTIC, om.initial.committee(40, K=2, seed=1), 1.0, "chain", replicas=6, save_at=3)


def sampled(problem, o, noise=None):
    """The mean loss over samples, and its standard error."""
    rng = np.random.default_rng(4)
    values, vectors = np.linalg.eigh(o.covariance)
    fields = rng.standard_normal((SAMPLES, len(values))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    student, teacher = problem.activations
    f = student((o.strengths * fields[:, :o.P]) @ o.xi_out.T) @ o.readout
    y = teacher(fields[:, o.P:]) @ o.teacher_readout
    y = y + (problem.noise if noise is None else noise) * rng.standard_normal(SAMPLES)
    if problem.labels == "sign":
        y = np.where(y > 0.0, 1.0, -1.0) * np.where(rng.random(SAMPLES) < problem.flips, -1.0, 1.0)
    losses = LOSSES[problem.loss](f, y)
    return losses.mean(), losses.std() / math.sqrt(SAMPLES)


@pytest.mark.parametrize("word, fields, K, M", [
    ("logistic", dict(labels="sign", flips=0.1, noise=0.3), 2, 2), ("hinge", dict(labels="sign"), 1, 1),
    ("adatron", dict(labels="sign", flips=0.2), 1, 1), ("squared", dict(labels="sign", flips=0.1), 2, 1),
    ("squared", dict(labels="sign", noise=0.4), 2, 1), ("correlation", dict(labels="sign", flips=0.1), 2, 1),
    ("correlation", dict(noise=0.3, teacher_activation="relu"), 2, 2), ("huber:0.4", dict(noise=0.3), 2, 2),
    ("squared", dict(noise=0.3), 2, 2)])
def test_mean_loss_against_samples(word, fields, K, M, random_overlaps):
    """Within 4.5 standard errors and 1e-3, also where there is a closed form."""
    problem, o = om.Problem(loss=word, **fields), random_overlaps(K, M, 2, seed=9)
    found = mean_loss(problem, o.G, o.S, o.T, o.strengths, o.xi_out, o.readout, o.teacher_readout)
    expected, error = sampled(problem, o)
    assert abs(found - expected) < 4.5 * error + 1e-3 * abs(expected)
    if problem.plain:
        exact = om.simulate(om.Problem(), o, 1.0, "ode", save_at=[0.0, 1.0]).generalization_error[0, 0]
        assert found == pytest.approx(exact + 0.5 * 0.3**2, rel=1e-12)
    if problem.flips:  # a tenth of the flips missing is seen
        wrong = dataclasses.replace(problem, flips=0.0)
        assert abs(mean_loss(wrong, o.G, o.S, o.T, o.strengths, o.xi_out, o.readout, o.teacher_readout)
                   - expected) > 8.0 * error


def test_mean_loss_of_the_squared_loss_is_the_error_and_the_noise():
    run = om.simulate(om.Problem(noise=0.6, rates=om.LearningRates(1.0)), om.initial.committee(30, K=2), 1.0, "chain",
                      save_at=3)
    assert np.array_equal(run.mean_loss, run.generalization_error + 0.18)


def test_noise_and_flips_may_have_schedules():
    """At each saved time those of that time."""
    run = om.simulate(dataclasses.replace(LOGISTIC, noise="linear:0=0.2,1=0.8", flips=0.1),
                      om.initial.committee(40, K=1, seed=1), 1.0, "chain", save_at=[0.5, 1.0])
    for place, noise in ((0, 0.5), (1, 0.8)):
        fixed = dataclasses.replace(run, problem=dataclasses.replace(LOGISTIC, noise=noise))
        assert run.mean_loss[0, place] == pytest.approx(fixed.mean_loss[0, place], rel=1e-12)
    real = dataclasses.replace(run, problem=om.Problem(noise="linear:0=0.2,1=0.8"))
    assert np.allclose(real.mean_loss - real.generalization_error, [[0.125, 0.32]])


def test_statistics_over_replicas(several, tmp_path):
    """Those of NumPy, in the run, its file, its tables and its labelled arrays."""
    summary = om.simulate(LOGISTIC, om.initial.committee(40, K=2, seed=1), 1.0, "chain", replicas=6, save_at=3,
                          keep="summary")
    summary.save(tmp_path / "run.npz")
    data = several.to_xarray()
    for name in METRICS:
        values = getattr(several, name)
        for run in (several, summary, om.load(tmp_path / "run.npz")):
            assert np.allclose(run.ensemble.mean[name], values.mean(0), rtol=1e-12)
            assert np.allclose(run.ensemble.standard_error(name)[1:], (values.std(0, ddof=1) / math.sqrt(6))[1:])
        assert np.array_equal(data[name], values)
        assert f"{name}_mean" in summary.to_xarray()
    assert "mean loss" in repr(several.ensemble) and "mean classification error" in repr(several.ensemble)
    table = several.to_dataframe()
    assert list(table) == ["replica", "alpha", "generalization_error", "specialization", *METRICS]
    for write, columns in ((several.to_csv, METRICS), (several.ensemble.to_csv, [f"{name}_mean" for name in METRICS])):
        write(tmp_path / "table.csv")
        rows = list(csv.DictReader(open(tmp_path / "table.csv")))
        assert set(columns) <= set(rows[0])
    assert np.allclose([float(row["mean_loss_mean"]) for row in rows], several.mean_loss.mean(0))


def test_what_says_nothing_is_given_where_it_is_asked_for():
    """Of the squared loss of real labels."""
    problem = om.Problem(rates=om.LearningRates(1.0))
    assert not set(METRICS) & set(observables_of(problem))
    assert observables_of(dataclasses.replace(problem, loss="huber"))[-1] == "mean_loss"
    assert observables_of(dataclasses.replace(problem, labels="sign"))[-2:] == METRICS
    run = om.simulate(problem, om.initial.committee(30, K=1), 1.0, "chain", save_at=2, replicas=2)
    assert not set(METRICS) & {*run.to_xarray(), *run.to_dataframe(), *run.ensemble.mean}
    assert set(METRICS) <= set(run.to_xarray(METRICS))
    with pytest.raises(ParameterError, match="^name must be one of generalization_error, .*; got 'mean_loss'$"):
        om.agreement.z_between(run, run, name="mean_loss")


def test_z_of_a_metric(several):
    other = om.simulate(LOGISTIC, om.initial.committee(40, K=2, seed=1), 1.0, "chain", replicas=6, save_at=3, seed=7)
    z = om.agreement.z_between(several, other, name="mean_loss")
    assert np.isfinite(z[1:]).all() and np.abs(z[1:]).max() < 6.0


def test_sweeps_keep_metrics():
    """Curves, and numbers at the end; of replicas that are summarised, where the problem has them."""
    experiment = om.Experiment(init="committee", N=40, K=1, labels="sign", alpha=1.0, save_at=3, engine="chain",
                               replicas=3)
    swept = om.sweep(experiment, {"loss": ["perceptron", "adatron"]}, keep=METRICS)
    run = experiment.replace(loss="adatron").run()
    assert np.allclose(swept.mean_loss[1], run.mean_loss) and "final_mean_loss_se" in swept
    assert swept.final_classification_error[1] == pytest.approx(run.classification_error[:, -1].mean())
    assert "final_mean_loss" not in om.sweep(experiment, {"loss": ["perceptron"]}, keep=METRICS[:1])
    summary = om.sweep(experiment.replace(keep="summary", replicas=7), {"labels": ["sign", "real"]}, keep=METRICS)
    assert np.isfinite(summary.mean_loss_mean[0]).all() and np.isnan(summary.mean_loss_mean[1]).all()
    assert np.isfinite(summary.final_mean_loss[0]) and np.isnan(summary.final_mean_loss[1])


def test_the_command_line_tells_means_and_their_errors(onlinemode):
    """As they are in the summary of the same run."""
    arguments = ["simulate", "--engine", "chain", "--init", "committee", "--K", 1, "--N", 40, "--alpha", 1, "--labels",
                 "sign", "--loss", "perceptron", "--replicas", 8, "--save-at", 3, "--no-plot", "--no-theory"]
    code, out, err = onlinemode(*arguments, "--csv")
    assert code == 0, err
    last = next(line for line in out.splitlines() if line.split()[:1] == ["1"]).split()
    experiment = om.Experiment(engine="chain", init="committee", K=1, N=40, alpha=1.0, labels="sign", loss="perceptron",
                               replicas=8, save_at=3)
    ensemble = experiment.run().ensemble
    assert float(last[1]) == pytest.approx(ensemble.mean["classification_error"][-1], abs=1e-4)
    assert float(last[2]) == pytest.approx(ensemble.standard_error("classification_error")[-1], abs=1e-4)
    assert float(last[2]) > 1e-3 and "± s.e." in out
    summary = json.loads(onlinemode(*arguments, "--json")[1])
    assert np.mean([ends[1] for ends in summary["mean_loss"]]) == pytest.approx(ensemble.mean["mean_loss"][-1])
    assert len(summary["classification_error"]) == 8


def test_pictures_show_the_mean(several):
    from matplotlib.figure import Figure

    from onlinemode import plotting

    ax = plotting.plot_error(Figure().subplots(), [several])
    assert ax.get_ylabel() == "classification error"
    curves = [line.get_ydata() for line in ax.lines]
    assert any(np.allclose(curve, several.ensemble.mean["classification_error"][1:]) for curve in curves)
