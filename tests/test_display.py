"""What users look at: printed results, tables for other programs, chosen quantiles, names whatever their capitals."""

import csv

import numpy as np
import pytest

import onlinemode as om
from onlinemode import agreement, plotting
from onlinemode.deep import factors
from onlinemode.ensemble import PROBABILITIES
from onlinemode.errors import ParameterError

PROBLEM = om.Problem(noise=0.1, rates=om.LearningRates(xi_in=1.0))
START = om.initial.committee(50, K=3, M=2, seed=1)


@pytest.fixture(scope="module")
def run():
    return om.simulate(PROBLEM, START, 2.0, "chain", replicas=4, save_at=6)


@pytest.fixture(scope="module")
def theory(run):
    return om.simulate(PROBLEM, START, 2.0, "ode", save_at=run.alpha)


def test_results_print_in_a_few_lines(run, theory):
    data = om.deep.data.gaussian_mixture(40, 40)
    trained = om.deep.train(om.deep.Network((2, 3, 1), "1L2P", modes=2, loss="mse"), data, epochs=1)
    for result in (run, theory, run.ensemble, START, run.initial, om.fluctuations(PROBLEM, START, [0.0, 1.0]),
                   data, trained, factors.truncated(np.eye(30))):
        text = repr(result)
        assert type(result).__name__ in text and len(text.splitlines()) < 12 and "array([" not in text
        assert max(len(line) for line in text.splitlines()) < 140
    text = repr(run)
    assert "engine chain, N = 50, K = 3, M = 2, P = 3" in text and "4 completed" in text and "0 to 2, 6 times" in text
    first, last = run.generalization_error[0, [0, -1]]
    assert f"{first:.4g} → {last:.4g}" in text
    table = run._repr_html_()
    assert table.startswith("<table>") and table.count("<tr>") == len(text.splitlines()) - 1


def test_printing_survives_a_run_that_diverged():
    run = om.simulate(om.Problem("linear", rates=om.LearningRates(50.0)), START, 20.0, "chain", save_at=20)
    assert "1 diverged" in repr(run)


def test_markup_in_names_is_escaped():
    data = om.deep.data.Dataset(np.eye(2), [0, 1], np.eye(2), [0, 1], "<b>", 2)
    assert "&lt;b&gt;" in data._repr_html_() and "<b>" not in data._repr_html_()


def test_one_run_in_place_of_a_list(run, theory):
    one = plotting.overview(theory)
    assert len(one.get_axes()) == len(plotting.overview([theory]).get_axes())
    plotting.comparison(run, theory)
    for panel in (plotting.plot_error, plotting.plot_overlaps, plotting.plot_matched, plotting.plot_specialization):
        ax = plotting.new_figure(3.0, 3.0).subplots()
        assert panel(ax, run) is ax and ax.lines
    with pytest.raises(ParameterError, match="a picture needs at least one run; got none"):
        plotting.overview([])


def test_comparisons_on_other_times_or_sizes(run, theory):
    shorter = om.simulate(PROBLEM, START, 2.0, "ode", save_at=4)
    moved = om.simulate(PROBLEM, START, 1.0, "ode", save_at=run.alpha / 2.0)
    smaller = om.simulate(PROBLEM, om.initial.committee(50, K=2, seed=1), 2.0, "chain", replicas=4, save_at=run.alpha)
    for call in (lambda: agreement.rms_deviation(run, shorter), lambda: agreement.rms_deviation(run, moved),
                 lambda: agreement.z_scores(run, om.fluctuations(PROBLEM, START, [0.0, 1.0]))):
        with pytest.raises(ParameterError, match="must have the same times; got 6 times up to 2 and "):
            call()
    for call in (lambda: agreement.rms_deviation(smaller, theory), lambda: agreement.z_between(run, smaller)):
        with pytest.raises(ParameterError, match="must have the same K and M; got K = "):
            call()


@pytest.mark.parametrize("keep", ["all", "summary"])
def test_chosen_quantiles(keep, tmp_path):
    run = om.simulate(PROBLEM, START, 1.0, "chain", replicas=8, save_at=4, keep=keep, quantiles=[0.1, 0.5, 0.9])
    every = om.simulate(PROBLEM, START, 1.0, "chain", replicas=8, save_at=4)
    expected = np.quantile(every.generalization_error, [0.1, 0.5, 0.9], axis=0)
    assert np.array_equal(run.ensemble.quantiles["generalization_error"], expected)
    assert run.ensemble.probabilities.tolist() == [0.1, 0.5, 0.9]
    assert every.ensemble.probabilities.tolist() == list(PROBABILITIES)
    run.save(tmp_path / "run.npz")
    loaded = om.load(tmp_path / "run.npz")
    for each in (loaded, om.repeat(loaded)):
        assert np.array_equal(each.ensemble.quantiles["Q"], run.ensemble.quantiles["Q"])


@pytest.mark.parametrize("value", [[], [0.5, 0.1], [0.5, 0.5], [-0.1, 0.5], [0.5, 1.5], 0.5, ["0.5"], [np.nan]])
def test_bad_quantiles(value):
    with pytest.raises(ValueError, match="quantiles must ") as caught:
        om.simulate(PROBLEM, START, 1.0, "chain", save_at=3, quantiles=value)
    assert isinstance(caught.value, om.OnlineModeError)


def test_bands_are_those_of_the_chosen_quantiles():
    for levels, shares in (((0.05, 0.5, 0.95), ["90 %"]), (PROBABILITIES, ["50 %", "95 %"]), ((0.5,), [])):
        run = om.simulate(PROBLEM, START, 1.0, "chain", replicas=20, save_at=4, quantiles=levels)
        ax = plotting.plot_error(plotting.new_figure(3.0, 3.0).subplots(), run)
        assert len(ax.collections) == len(shares)
        words = " ".join(text.get_text() for text in ax.get_legend().get_texts())
        assert all(share in words for share in shares) and ("%" in words) == bool(shares)


def test_tables_hold_the_theory_the_teacher_and_the_parameters(run, theory, tmp_path):
    run.to_csv(tmp_path / "run.csv", theory)
    with open(tmp_path / "run.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for r in range(4):
        for i in range(len(run.alpha)):
            row = rows[r * len(run.alpha) + i]
            assert float(row["Q_2_1"]) == run.Q[r, i, 2, 1]
            assert float(row["theory_generalization_error"]) == theory.generalization_error[0, i]
            assert float(row["theory_Q_2_1"]) == theory.Q[0, i, 2, 1]
            assert float(row["theory_R_2_1"]) == theory.R[0, i, 2, 1]
            assert float(row["T_1_0"]) == run.T[1, 0] and float(row["teacher_readout_1"]) == run.teacher_readout[1]
            assert (row["engine"], row["N"], row["seed"], row["activation"]) == ("chain", "50", "0", "erf")
            assert (float(row["eta"]), float(row["noise"]), row["inputs"]) == (1.0, 0.1, "Gaussian()")
    for other in (om.simulate(PROBLEM, START, 2.0, "ode", save_at=4),
                  om.simulate(PROBLEM, om.initial.committee(50, K=2), 2.0, "ode", save_at=run.alpha)):
        with pytest.raises(ParameterError, match="the theory in a table must have the times, K and M of the run"):
            run.to_csv(tmp_path / "other.csv", other)
    assert not (tmp_path / "other.csv").exists()


def test_files_hold_what_other_programs_read(run, tmp_path, monkeypatch):
    run.save(tmp_path / "run.npz")
    names = ("Q", "R", "generalization_error", "specialization")
    with np.load(tmp_path / "run.npz") as archive:
        for name in names:
            assert np.array_equal(archive[name], getattr(run, name)), name
    loaded = om.load(tmp_path / "run.npz")
    assert all(np.array_equal(getattr(loaded, name), getattr(run, name)) for name in names)
    monkeypatch.setattr("onlinemode.trajectory.MOST_DERIVED", 10)
    run.save(tmp_path / "large.npz")
    with np.load(tmp_path / "large.npz") as archive:
        assert not set(names) & set(archive.files)
    assert np.array_equal(om.load(tmp_path / "large.npz").Q, run.Q)


def test_names_whatever_their_capitals(tmp_path):
    assert om.Problem(activation="ReLU") == om.Problem(activation="relu")
    with pytest.raises(ParameterError, match="'Step' is no activation: it must be one of erf, linear, relu, tanh"):
        om.Problem(activation="Step")
    from onlinemode.cli.options import OPTIONS, resolve

    names = [("activation", "Tanh", "tanh"), ("init", "Paper", "paper"), ("engine", "CHAIN", "chain"),
             ("readout", "Sum", "sum"), ("preset", "PAPER", "paper"), ("device", "CPU", "cpu"),
             ("precision", "Float32", "float32"), ("keep", "Summary", "summary"), ("method", "lsoda", "LSODA"),
             ("method", "radau", "Radau")]
    for option, given, meant in names:
        (tmp_path / "run.toml").write_text(f'{option} = "{given}"\n')
        config = {name: None for name in OPTIONS} | {"config": tmp_path / "run.toml"}
        if option != "preset":
            assert resolve(config)[option] == meant


def test_the_command_line_writes_theory_and_quantiles(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from onlinemode.cli.simulate import command

    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(command, ["--N", "40", "--K", "2", "--alpha", "1", "--engine", "Chain", "--activation",
                                          "ERF", "--replicas", "3", "--quantiles", "0.1,0.9", "--save-at", "4", "--csv",
                                          "--no-plot", "--out", "x"], standalone_mode=False)
    assert result.exception is None, result.output
    with open(tmp_path / "x.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert "theory_generalization_error" in rows[0] and rows[0]["engine"] == "chain"
    assert "generalization_error_q10" in (tmp_path / "x_ensemble.csv").read_text().splitlines()[0]
    assert om.load(tmp_path / "x.npz").ensemble.probabilities.tolist() == [0.1, 0.9]
