"""``onlinemode compare``: what it prints and writes, and when it has nothing to say."""

import json

import pytest

import onlinemode as om

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
    from onlinemode import agreement

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
