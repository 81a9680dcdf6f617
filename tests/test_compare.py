"""``onlinemode compare``: what it prints and writes, and when it has nothing to say."""

import json
import threading
import time

import numpy as np
import pytest

import onlinemode as om
from onlinemode import agreement
from onlinemode.errors import EngineError, ParameterError

SMALL = ["--N", "120", "--alpha", "3", "--save-at", "20"]


def test_compare_does_not_overwrite(onlinemode, tmp_path):
    onlinemode("compare", *SMALL, "--no-plot")
    before = (tmp_path / "compare_showcase_N120_seed0_micro.npz").read_bytes()
    assert onlinemode("compare", *SMALL, "--no-plot", "--eta", 1)[0] == 0
    assert (tmp_path / "compare_showcase_N120_seed0_micro.npz").read_bytes() == before
    assert (tmp_path / "compare_showcase_N120_seed0_2_micro.npz").is_file()


def test_compare_says_when_there_is_nothing_to_compare(onlinemode):
    code, out, _ = onlinemode("compare", "--N", 40, "--activation", "linear", "--eta", 1e4, "--alpha", 3, "--no-plot",
                              "--save-at", "0,3")
    assert code == 0 and "no finite time in common" in out


ENSEMBLE = ["--N", "60", "--alpha", "2", "--save-at", "12", "--replicas", "8"]


def numbers(line):
    return [float(word) for word in line.split() if word[0] in "+-0123456789" and word != "-"]


def test_compare_prints_z_scores(onlinemode, tmp_path):
    """A row a time: ε_g, ODE, ODE + 1/N, both spreads, z; and z of Q and R, and between the engines."""
    code, out, _ = onlinemode("compare", *ENSEMBLE, "--init", "committee", "--engine", "chain,micro,ode", "--out", "x",
                              "--csv")
    assert code == 0
    chain, micro, ode = (om.load(f"x_{name}.npz") for name in ("chain", "micro", "ode"))
    noise = om.fluctuations(chain.problem, chain.initial, ode.alpha)
    lines = out.splitlines()
    begin = lines.index("chain, mean of 8 replicas:")
    assert "sd, theory" in lines[begin + 1] and "sd, draws" in lines[begin + 1]
    rows = lines[begin + 2:begin + 2 + lines[begin + 2:].index(next(line for line in lines if line.startswith("z of")))]
    rows = [row for row in rows if not row.startswith("*")]
    assert rows[0].split()[-1] in ("-", "*") and numbers(rows[0])[0] == 0.0
    expected = agreement.predicted(noise, 60, "generalization_error")
    last = numbers(rows[-1].rstrip("* "))
    assert last == pytest.approx([
        2.0, chain.ensemble.mean["generalization_error"][-1], ode.generalization_error[0, -1], expected.mean[-1],
        expected.standard_deviation[-1], chain.ensemble.standard_deviation["generalization_error"][-1],
        agreement.z_scores(chain, noise)[-1]], rel=5e-3, abs=5e-3)
    assert "micro, mean of 8 replicas:" in lines
    assert any(line.startswith("chain against micro, z of the difference (rms 1 expected): ε_g rms") for line in lines)
    for name in ("x_chain_ensemble.csv", "x_micro_ensemble.csv", "x_chain.csv", "x_ode.csv", "x.png"):
        assert (tmp_path / name).is_file()
    assert not (tmp_path / "x_ode_ensemble.csv").exists()
    head, *values = (tmp_path / "x_chain_ensemble.csv").read_text().splitlines()
    assert head.startswith("alpha,replicas,generalization_error_mean,generalization_error_sd,generalization_error_q2.5")
    assert len(values) == len(chain.alpha) and values[0].split(",")[1] == "8"


def test_compare_of_one_replica_as_json(onlinemode):
    code, out, _ = onlinemode("compare", "--N", 200, "--alpha", 2, "--save-at", 12, "--json", "--no-plot", "--init",
                              "committee", "--engine", "chain,ode")
    z = json.loads(out)["z_scores"]
    assert code == 0 and 0.1 < z["rms"] < 3.0 and z["rms"] < z["largest"] < 6.0 and 0.0 < z["up_to_alpha"] <= 2.0


@pytest.mark.parametrize("options, reason", [
    (["--batch", 2], "the linear-noise theory needs batch = 1; got 2"),
    (["--eta", 0], "nothing is trained, so nothing fluctuates"),
    (["--fresh-students", "--replicas", 3], "replicas began from different students")])
def test_compare_says_why_there_are_no_z_scores(options, reason, onlinemode):
    code, out, _ = onlinemode("compare", "--N", 60, "--alpha", 2, "--save-at", 12, "--no-plot", "--engine", "chain,ode",
                              *options)
    assert code == 0 and f"no z-scores: {reason}" in out and "deviation of (Q, R)" in out
    assert ("chain, the first of 3 replicas:" in out) == ("--replicas" in options)


# -- in Python -----------------------------------------------------------------------------------

EXPERIMENT = om.Experiment(N=60, alpha=2.0, save_at=12, init="committee", replicas=8)


def test_compare_in_python_is_that_of_the_command_line(onlinemode, tmp_path):
    code, out, _ = onlinemode("compare", *ENSEMBLE, "--init", "committee", "--engine", "chain,micro,ode", "--out", "x",
                              "--json", "--no-plot")
    compared = om.compare(EXPERIMENT, "chain,micro,ode")
    assert [run.meta["engine"] for run in compared.runs] == ["chain", "micro"] and compared.reason is None
    for run, told in zip(compared.runs, json.loads(out)):
        name = run.meta["engine"]
        assert np.array_equal(run.G, om.load(f"x_{name}.npz").G)
        assert compared.deviation[name] == told["deviation"] and compared.z_overlaps[name] == told["z_scores"]
        assert np.array_equal(compared.z_scores[name], agreement.z_scores(run, compared.noise), equal_nan=True)
    assert np.array_equal(compared.theory.G, om.load("x_ode.npz").G)
    assert compared.trusted.tolist() == agreement.trusted(compared.noise, 60).tolist()


def test_a_comparison_prints_as_a_table(tmp_path):
    compared = om.compare(EXPERIMENT, ["chain"])
    text = repr(compared)
    i = int(np.flatnonzero(compared.runs[0].alpha == 2.0)[0])
    error, z = compared.runs[0].ensemble.mean["generalization_error"][i], compared.z_scores["chain"][i]
    expected = compared.theory.generalization_error[0, i]
    assert f" ε_g = {error:.3e}, ODE {expected:.3e}, z {z:+.2f}" in text and "\n  chain, α = 2  " in text
    assert text.startswith("Comparison: committee: N = 60, K = 3") and "chain, z of Q and R  rms" in text
    assert compared._repr_html_().count("<tr>") == len(text.splitlines()) - 1
    figure = compared.plot(tmp_path / "x.png")
    assert len(figure.axes) == 4 and (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert figure.get_suptitle() == EXPERIMENT.describe()


@pytest.mark.parametrize("change, reason", [
    ({"batch": 2}, "the linear-noise theory needs batch = 1; got 2"),
    ({"fresh_students": True}, "replicas began from different students")])
def test_a_comparison_says_why_there_is_no_noise(change, reason):
    compared = om.compare(EXPERIMENT.replace(**change), ["chain"])
    assert compared.noise is None and compared.reason == reason and "no z-scores" in repr(compared)
    assert compared.z_scores == {} and compared.trusted is None and compared.deviation["chain"]["rms_overlaps"] > 0.0
    assert len(compared.plot().axes) == 4


def test_an_interrupted_comparison_has_what_there_is():
    def stop(report):
        if report.steps:
            raise KeyboardInterrupt

    compared = om.compare(EXPERIMENT.replace(N=2000, alpha=500.0), ["chain", "micro"], stop)
    assert [run.meta["engine"] for run in compared.runs] == ["chain"]
    assert om.Status.INTERRUPTED in compared.runs[0].status
    assert repr(compared).startswith("Comparison: ")
    if compared.theory is None:
        with pytest.raises(ParameterError, match="needs the theory"):
            compared.plot()


def test_the_theory_ends_with_a_run_that_fails():
    """Its thread would integrate on, for ever where α is large."""
    def fail(report):
        if report.steps:
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        om.compare(EXPERIMENT.replace(N=2000, alpha=500.0, activation="relu",
                                      teacher_activation="tanh", nodes=2**18), ["chain"], fail)
    deadline = time.monotonic() + 20.0
    while any(thread.name.endswith("(_run)") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("engines", ["ode", "micro,micro", "micro,sgd", [], ["chain", "ode", "ode"], None, 3])
def test_bad_engines_in_python(engines):
    with pytest.raises(ParameterError, match="engines must be at least one of micro, chain, leap, each once; got "):
        om.compare(EXPERIMENT, engines)


def test_a_comparison_that_cannot_be_is_refused_before_a_run(monkeypatch):
    monkeypatch.setattr("onlinemode.comparison.simulate", None)
    with pytest.raises(EngineError, match="a teacher that drifts need inputs with independent"):
        om.compare(EXPERIMENT.replace(inputs="power-law:1", drift=0.1))
    with pytest.raises(EngineError, match="engine chain has no option 'precision'"):
        om.compare(EXPERIMENT.replace(precision="float32"), "micro,chain")
    monkeypatch.setattr("onlinemode.memory.free_memory", lambda: 1000)
    with pytest.raises(EngineError, match="need about .*: take fewer units, or simulate without theory"):
        om.compare(EXPERIMENT)
