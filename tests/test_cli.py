"""The command line: what it writes and prints, and one line for every kind of bad input."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

import onlinemode as om

SMALL = ["--N", "120", "--alpha", "3", "--save-at", "20"]


def test_simulate_writes_result_and_picture(onlinemode, tmp_path):
    code, out, err = onlinemode("simulate", *SMALL)
    assert code == 0
    assert (tmp_path / "simulate_showcase_N120_seed0.npz").is_file()
    assert (tmp_path / "simulate_showcase_N120_seed0.png").read_bytes().startswith(b"\x89PNG")
    assert "ε_g" in out and "theory" in out and "simulate_showcase_N120_seed0.npz" in out
    assert "360 steps of micro" in err
    run_ = om.load(tmp_path / "simulate_showcase_N120_seed0.npz")
    assert (run_.N, run_.alpha[-1]) == (120, 3.0)


@pytest.mark.parametrize("N, alpha", [(30, 0.59), (1000, 33.3337), (7, 0.5)])
def test_alpha_that_is_no_whole_number_of_steps(N, alpha, onlinemode):
    code, out, err = onlinemode("simulate", "--engine", "chain", "--N", N, "--alpha", alpha, "--out", "x", "--no-plot")
    assert code == 0, err
    assert om.load("x.npz").alpha[-1] == round(alpha * N) / N


def test_the_picture_has_the_name_of_the_result(onlinemode, tmp_path):
    for command, name in (("simulate", "my_micro"), ("ode", "my_ode")):
        assert onlinemode(command, *SMALL, "--out", name)[0] == 0
        assert (tmp_path / f"{name}.png").is_file()


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


def test_tables_say_whose_stages_they_show(onlinemode):
    """Of the theory where there is one; else a run's own plateaus, and no times of fastest rise."""
    common = ["--N", 200, "--alpha", 40, "--engine", "chain", "--no-plot"]
    out = onlinemode("simulate", *common)[1]
    assert "plateau of the theory: α = " in out and "specialization of the theory rises fastest" in out
    out = onlinemode("simulate", *common, "--no-theory")[1]
    assert "plateau" in out and "theory" not in out and "rises fastest" not in out
    out = onlinemode("ode", "--alpha", 3, "--no-plot")[1]
    assert "no plateau (a stretch between two falls" in out


def test_several_replicas_are_shown_by_their_mean(onlinemode):
    out = onlinemode("simulate", "--N", 60, "--alpha", 2, "--engine", "chain", "--replicas", 6, "--out", "x",
                     "--no-plot")[1]
    run = om.load("x.npz")
    mean = run.generalization_error[:, -1].mean()
    se = run.generalization_error[:, -1].std(ddof=1) / 6**0.5
    last = [line for line in out.splitlines() if line.split()[:1] == ["2"]][0].split()
    assert "(mean of 6 replicas)" in out and "± s.e." in out
    assert (float(last[1]), float(last[2])) == (pytest.approx(mean, rel=1e-3), pytest.approx(se, rel=0.1))


def test_a_theory_that_does_not_fit_into_memory(onlinemode, tmp_path, monkeypatch):
    """The simulation is kept and shown; compare, which needs the theory, says where it is."""
    real = om.simulate

    def simulate(problem, start, alpha, engine="micro", **options):
        if engine == "ode":
            raise MemoryError
        return real(problem, start, alpha, engine, **options)

    monkeypatch.setattr("onlinemode.simulation.simulate", simulate)
    code, out, err = onlinemode("simulate", *SMALL, "--out", "x")
    assert code == 0 and (tmp_path / "x.png").is_file() and "no plateau" in out
    assert "no theory: the mean-field equations for K = 3, M = 3, P = 3 need more memory than there is" in err
    code, out, err = onlinemode("compare", *SMALL, "--out", "y")
    assert code == 2 and "y_micro.npz" in out and "simulate --no-theory" in err
    assert (tmp_path / "y_micro.npz").is_file()


def test_plot_leaves_the_picture_of_the_run_alone_and_says_what_it_shows(onlinemode, tmp_path, monkeypatch):
    from onlinemode import plotting

    titles, real = [], plotting.overview
    monkeypatch.setattr(plotting, "overview", lambda runs, title: titles.append(title) or real(runs, title))
    onlinemode("simulate", *SMALL, "--out", "x", "--readout", "sum", "--eta", 0.3, "--noise", 0.1, "--seed", 7)
    before = (tmp_path / "x.png").read_bytes()
    assert onlinemode("plot", "x.npz")[0] == 0
    assert (tmp_path / "x.png").read_bytes() == before and (tmp_path / "x_plot.png").is_file()
    assert onlinemode("plot", "x.npz", "x.npz")[0] == 0
    line = "N = 120, K = 3, M = 3, P = 3, erf, η = 0.3, σ = 0.1, readout sum, seed 7"
    assert titles == [f"showcase: {line}", line, f"x.npz, x.npz: {line}"]


def test_help_of_sweep_is_its_own(onlinemode):
    out = " ".join(onlinemode("sweep", "--help")[1].split())
    assert "Folder of the results" in out and "Result file" not in out and "[chain]" in out and "[micro]" not in out


def test_no_arguments_print_the_help(onlinemode):
    code, out, err = onlinemode()
    assert code == 2 and "Commands:" in out and err == ""


def test_repeat_of_an_interrupted_run(onlinemode):
    """Equal as far as the file goes."""
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0))

    def stop(progress):
        if progress.steps:
            raise KeyboardInterrupt

    part = om.simulate(problem, om.initial.committee(4000, seed=1), 3000.0, "chain", progress=stop, save_at=50)
    assert part.status == [om.Status.INTERRUPTED]
    part.save("part.npz")
    code, out, _ = onlinemode("repeat", "part.npz")
    assert code == 0 and "up to where the file ends" in out


def test_a_second_run_does_not_overwrite_the_first(onlinemode, tmp_path):
    onlinemode("simulate", *SMALL, "--no-plot")
    before = (tmp_path / "simulate_showcase_N120_seed0.npz").read_bytes()
    onlinemode("simulate", *SMALL, "--no-plot", "--eta", "1")
    assert (tmp_path / "simulate_showcase_N120_seed0.npz").read_bytes() == before
    assert (tmp_path / "simulate_showcase_N120_seed0_2.npz").is_file()


def test_json_is_the_only_thing_on_stdout(onlinemode):
    code, out, err = onlinemode("simulate", *SMALL, "--json", "--no-plot", "--replicas", 2)
    summary = json.loads(out)
    assert code == 0 and err == ""
    assert summary["N"] == 120 and summary["status"] == ["completed"] * 2
    assert len(summary["generalization_error"]) == 2
    assert summary["deviation"]["rms_overlaps_sqrt_N"] == pytest.approx(
        summary["deviation"]["rms_overlaps"] * np.sqrt(120))


def test_quiet_prints_nothing(onlinemode):
    assert onlinemode("simulate", *SMALL, "--quiet", "--no-plot") == (0, "", "")


def test_ode_and_compare_and_plot_and_repeat(onlinemode, tmp_path):
    assert onlinemode("ode", *SMALL, "--init", "committee", "--M", 2, "--out", "theory")[0] == 0
    assert (tmp_path / "theory.npz").is_file() and (tmp_path / "theory.png").is_file()
    code, out, _ = onlinemode("compare", *SMALL, "--out", "both.npz", "--csv")
    assert code == 0 and "in units of N^-1/2" in out
    for name in ("both_micro.npz", "both_ode.npz", "both_micro.csv", "both_ode.csv", "both.png"):
        assert (tmp_path / name).is_file()
    micro, ode = om.load("both_micro.npz"), om.load("both_ode.npz")
    assert np.array_equal(micro.alpha, ode.alpha)
    assert np.allclose(micro.R[0, 0], ode.R[0, 0], atol=1e-12)
    assert onlinemode("plot", "both_micro.npz", "theory.npz", "--out", "overlay")[0] == 0
    assert (tmp_path / "overlay.png").is_file()
    code, out, _ = onlinemode("repeat", "both_micro.npz", "--out", "again")
    assert code == 0 and "equal to the file, to the bit" in out
    assert np.array_equal(om.load("again.npz").G, micro.G)


def test_chain(onlinemode, tmp_path):
    """Exact overlaps: at any N, and beside micro and ode in a comparison."""
    code, out, _ = onlinemode("simulate", "--engine", "chain", "--N", "1e12", "--alpha", "1e-9", "--save-at", 5,
                              "--out", "far")
    assert code == 0 and om.load("far.npz").N == 10**12
    code, out, _ = onlinemode("compare", *SMALL, "--engine", "micro,chain,ode", "--replicas", 3, "--out", "three")
    assert code == 0 and "micro:" in out and "chain:" in out
    for name in ("three_micro.npz", "three_chain.npz", "three_ode.npz", "three.png"):
        assert (tmp_path / name).is_file()
    assert onlinemode("repeat", "three_chain.npz")[0] == 0


def test_config_between_preset_and_command_line(onlinemode, tmp_path):
    (tmp_path / "run.toml").write_text("N = 100\nalpha = 2\neta = 1.5\nsave_at = [0.0, 1.0, 2.0]\nplot = false\n")
    assert onlinemode("simulate", "--config", "run.toml", "--eta", 2.5, "--out", "x")[0] == 0
    result = om.load("x.npz")
    assert result.problem.rates.xi_in == 2.5  # command line beats file
    assert result.N == 100  # file beats preset
    assert result.initial.K == 3  # preset
    assert result.alpha.tolist() == [0.0, 1.0, 2.0]
    assert not (tmp_path / "x.png").exists()


def test_preset_paper(onlinemode):
    _, out, _ = onlinemode("simulate", "--preset", "paper", "--alpha", 5, "--json", "--no-plot")
    summary = json.loads(out)
    assert (summary["N"], summary["K"], summary["M"], summary["P"]) == (30, 8, 8, 3)
    assert summary["problem"]["rates"]["xi_in"] == 5.0


BAD = {
    "negative N": (["simulate", "--N", "-5"], "N must be a whole number ≥ 1; got -5"),
    "fractional N": (["simulate", "--N", "10.5"], "'10.5' is not a whole number"),
    "K = 0": (["simulate", "--K", "0"], "K must be a whole number ≥ 1; got 0"),
    "unknown activation": (["ode", "--activation", "step"], "activation must be one of erf, linear, relu, tanh"),
    "NaN rate": (["simulate", "--eta", "nan"], "learning rate xi_in must be a finite number ≥ 0; got nan"),
    "negative rate": (["simulate", "--eta-xi-out", "-1"], "learning rate xi_out must be a finite number ≥ 0"),
    "M is not K": (["simulate", "--M", "4"], "M must equal K = 3; got 4"),
    "unwritable out": (["simulate", "--out", "no/such/folder/x.npz"], "cannot write no/such/folder/x.npz"),
    "out is a folder": (["simulate", "--out", "folder.npz"], "it is a folder"),
    "unknown key": (["simulate", "--config", "unknown.toml"], "unknown key 'etaa'; did you mean eta?"),
    "wrong value": (["simulate", "--config", "wrong.toml"], "eta"),
    "flag for a value": (["simulate", "--config", "flag.toml"], "N must be a value, not a flag; got True"),
    "no TOML": (["simulate", "--config", "broken.toml"], "is not valid TOML"),
    "no config": (["simulate", "--config", "missing.toml"], "cannot read missing.toml"),
    "truncated file": (["plot", "truncated.npz"], "truncated or not an onlinemode trajectory"),
    "no file": (["repeat", "missing.npz"], "there is no such file"),
    "unknown option": (["simulate", "--frob"], "--frob"),
    "unknown command": (["frob"], "frob"),
    "unknown start": (["simulate", "--init", "zeros"], "init must be one of showcase, paper, committee, graded"),
    "unknown preset": (["simulate", "--preset", "best"], "--preset must be one of showcase, paper; got 'best'"),
    "alpha = 0": (["simulate", "--alpha", "0"], "alpha must be a finite number > 0; got 0.0"),
    "no replicas": (["simulate", "--replicas", "0"], "replicas must be a whole number ≥ 1; got 0"),
    "precision": (["simulate", "--precision", "float16"], "precision must be one of float64, float32"),
    "device": (["simulate", "--device", "tpu"], "device must be one of cpu, cuda, auto; got 'tpu'"),
    "descending times": (["ode", "--save-at", "2,1"], "save_at must hold ascending times"),
    "times": (["ode", "--save-at", "1,x"], "'1,x' is neither a count nor"),
    "engine": (["simulate", "--engine", "ode"], "--engine must be one of micro, chain; got 'ode'"),
    "engines": (["compare", "--engine", "micro"], "--engine must be ode and at least one of micro, chain"),
    "chain in float32": (["simulate", "--engine", "chain", "--precision", "float32"], "has no option --precision"),
    "P": (["simulate", "--init", "committee", "--P", "2"], "P is K = 3"),
    "size": (["simulate", "--preset", "paper", "--student-size", "1"], "leave --student-size out"),
    "nodes": (["ode", "--activation", "tanh", "--nodes", "1000"], "nodes must be a power of 2; got 1000"),
    "solver": (["simulate", "--method", "euler"], "method must be one of LSODA, DOP853"),
    "tolerance": (["simulate", "--rtol", "0"], "rtol must be a finite number > 0 and ≤ 0.1; got 0.0"),
    "no step": (["simulate", "--N", "50", "--alpha", "0.001"], "makes 0.05 steps; it must be at least one"),
    "endless": (["simulate", "--N", "10", "--alpha", "1e300"], "at most 2^62"),
    "out is here": (["simulate", "--out", "."], "it is a folder; give a file name"),
    "picture for a result": (["simulate", "--out", "x.png"], "a result is an .npz file; got x.png"),
    "plot into a folder": (["plot", "whole.npz", "--out", "folder.npz"], "it is a folder"),
    "number for a name": (["simulate", "--config", "number.toml"], "number.toml: "),
    "table for a number": (["simulate", "--config", "table.toml"], "table.toml: eta cannot be"),
    "keep": (["simulate", "--replicas", "3", "--keep", "some"], "keep must be one of all, summary; got 'some'"),
    "stored students": (["simulate", "--fresh-students", "--replicas", "2", "--store-weights"],
                        "store_weights needs one start for all replicas"),
    "students of the ode": (["ode", "--fresh-students"], "--fresh-students"),
    "seed": (["ode", "--seed", "-1"], "seed must be a whole number ≥ 0; got -1"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_writes_nothing(name, onlinemode, tmp_path):
    arguments, expected = BAD[name]
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "unknown.toml").write_text("etaa = 3.0\n")
    (tmp_path / "wrong.toml").write_text('eta = "fast"\n')
    (tmp_path / "flag.toml").write_text("N = true\n")
    (tmp_path / "broken.toml").write_text("N = = 3\n")
    (tmp_path / "number.toml").write_text("out = 3\n")
    (tmp_path / "table.toml").write_text("eta = {a = 1}\n")
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
    om.simulate(problem, om.initial.committee(20, K=2), 1.0, "ode").save(tmp_path / "whole.npz")
    (tmp_path / "truncated.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:700])
    before = sorted(path.name for path in tmp_path.iterdir())
    code, out, err = onlinemode(*arguments)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1 and err.startswith("onlinemode")
    assert expected in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_diverging_run_says_where_and_keeps_what_it_has(onlinemode, tmp_path):
    code, _, err = onlinemode("simulate", "--N", 100, "--activation", "linear", "--eta", 200, "--alpha", 30, "--out",
                              "x", "--no-theory")
    assert code == 0
    assert "diverged at α = " in err and "lower the learning rates" in err
    result = om.load("x.npz")
    assert result.status == [om.Status.DIVERGED]
    assert np.isfinite(result.G[0, 0]).all() and np.isnan(result.G[0, -1]).all()
    assert (tmp_path / "x.png").is_file()


def test_help_is_quick_to_import(tmp_path):
    """--help loads neither NumPy nor Numba nor Matplotlib: that is what keeps it below 0.3 s."""
    code = ("import sys\nfrom onlinemode.cli.main import main\n"
            "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
            "print(sorted(name for name in ('numpy', 'numba', 'scipy', 'matplotlib') if name in sys.modules))")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True).stdout
    assert "simulate" in out and "compare" in out
    assert out.strip().splitlines()[-1] == "[]"


def test_repeat_of_a_file_that_holds_a_step_twice(onlinemode):
    """Older versions saved a step as often as times fell on it."""
    onlinemode("simulate", *SMALL, "--no-plot", "--out", "x")
    run = om.load("x.npz")
    rows = np.sort([*range(len(run.alpha)), 3, 3, 7])
    old = dataclasses.replace(run, alpha=run.alpha[rows], **{
        name: getattr(run, name)[:, rows] for name in ("G", "S", "strengths", "xi_out", "readout")})
    old.save("old.npz")
    code, out, _ = onlinemode("repeat", "old.npz")
    assert code == 0 and "the repeated run is equal to the file, to the bit" in out
    run.meta["call"]["save_at"] = 5
    run.save("other.npz")
    code, out, _ = onlinemode("repeat", "other.npz")
    assert code == 1 and "the repeated run has other saved times than the file, 5 and 19 of them" in out


def test_deprecations_of_libraries_are_not_shown(onlinemode, monkeypatch):
    """Those of matplotlib 3.8, say, which calls pyparsing by old names; other warnings are, in one line."""
    from onlinemode.plotting import style

    def warn(figure, path):
        warnings.warn("old name", DeprecationWarning, stacklevel=1)
        warnings.warn("bad\nfit", UserWarning, stacklevel=1)
        save(figure, path)

    save = style.save_figure
    monkeypatch.setattr("onlinemode.plotting.save_figure", warn)
    code, _, err = onlinemode("simulate", *SMALL, "--quiet")
    assert code == 0 and err == "onlinemode: bad fit\n"


def test_interrupt_keeps_what_there_is(tmp_path):
    """Ctrl-C in the middle of a run: exit code 130, a result marked interrupted, the rest NaN."""
    om.simulate(om.Problem(rates=om.LearningRates(xi_in=1.0)), om.initial.showcase(50), 0.1)  # compiled and cached
    process = subprocess.Popen(
        [sys.executable, "-c", "from onlinemode.cli.main import main; main()", "simulate", "--N", "2000", "--alpha",
         "5000", "--no-plot", "--no-theory", "--out", "x.npz"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    line = ""
    while "steps of micro" not in line:
        line = process.stderr.readline()
    time.sleep(4.0)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped by the user at α = " in err
    result = om.load(tmp_path / "x.npz")
    assert result.status == [om.Status.INTERRUPTED]
    assert np.isfinite(result.generalization_error[0, 0]) and np.isnan(result.generalization_error[0, -1])


def test_the_second_process_finds_every_compiled_function_in_the_cache(tmp_path):
    """A cache that grows at every process would never hit."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-c", "from onlinemode.cli.main import main; main()", "simulate", *SMALL, "--quiet",
               "--no-plot"]

    def files():
        subprocess.run(command, cwd=tmp_path, env=environment, check=True)
        return {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*") if path.is_file()}

    first = files()
    assert len(first) > 10
    assert files() == first


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


def test_keep_summary_and_fresh_students(onlinemode, tmp_path):
    code, out, err = onlinemode("simulate", *ENSEMBLE, "--engine", "chain", "--fresh-students", "--keep", "summary",
                                "--out", "x", "--csv", "--init", "committee")
    assert code == 0 and "fresh students" in err
    assert "(the first of 8 replicas, which began from different students)" in out
    result = om.load("x.npz")
    assert (result.replicas, result.draws, result.meta["call"]["keep"]) == (8, 5, "summary")
    assert result.starts["G"].shape == (8, 3, 3) and np.ptp(result.starts["G"], 0).max() > 0.0
    assert np.array_equal(result.start_of(6).S, om.initial.committee(60, student_seed=6).order_parameters().S)
    assert (tmp_path / "x_ensemble.csv").is_file() and (tmp_path / "x.png").is_file()
    code, out, _ = onlinemode("repeat", "x.npz")
    assert code == 0 and out == "the repeated run is equal to the file, to the bit\n"
    assert onlinemode("plot", "x.npz", "--out", "y.png", "--no-theory")[0] == 0
    assert "fresh students" not in onlinemode("simulate", *SMALL, "--no-plot")[2]


def test_config_of_an_ensemble(onlinemode, tmp_path):
    (tmp_path / "run.toml").write_text('replicas = 6\nkeep = "summary"\nfresh_students = true\nplot = false\n')
    assert onlinemode("simulate", "--config", "run.toml", "--engine", "chain", "--N", 60, "--alpha", 1, "--out",
                      "x")[0] == 0
    assert om.load("x.npz").draws == 5 and om.load("x.npz").starts is not None


def test_repeat_sees_other_statistics(onlinemode):
    """Also those of replicas that are not kept."""
    result = om.simulate(om.Problem(rates=om.LearningRates(xi_in=1.0)), om.initial.committee(30), 1.0, "chain",
                         replicas=8, keep="summary", save_at=5)
    result.summary.mean["Q"][-1, 0, 0] += 1e-12
    result.save("x.npz")
    code, out, _ = onlinemode("repeat", "x.npz")
    assert code == 1 and "differs from the file" in out


@pytest.mark.parametrize("keep", ["all", "summary"])
def test_repeat_of_an_interrupted_ensemble(keep, onlinemode, monkeypatch):
    """Equal as far as the draws go, though the statistics are of more replicas; the message is of one that ended."""
    from onlinemode.engines import parts

    monkeypatch.setattr(parts, "_replicas_a_part", lambda *arguments: 2)

    def stop(progress):
        if progress.fraction > 0.4:
            raise KeyboardInterrupt

    def start(replica):
        return om.initial.committee(30, student_seed=replica)

    result = om.simulate(om.Problem(rates=om.LearningRates(xi_in=1.0)), start, 1.0, "chain", replicas=9, keep=keep,
                         save_at=5, progress=stop)
    assert om.Status.COMPLETED in result.status and om.Status.INTERRUPTED in result.status
    result.save("x.npz")
    code, out, _ = onlinemode("repeat", "x.npz")
    assert code == 0 and "up to where the file ends: stopped by the user before it began" in out


def test_few_lines_about_many_replicas(onlinemode):
    code, _, err = onlinemode("simulate", "--N", 20, "--activation", "linear", "--eta", 300, "--alpha", 30, "--out",
                              "x", "--no-theory", "--replicas", 12, "--engine", "chain", "--keep", "summary",
                              "--no-plot")
    assert code == 0 and err.count("diverged at α = ") == 5
    assert "chain: and so on; of 12 replicas 12 diverged\n" in err


def test_runs_that_never_reached_a_saved_time_can_be_drawn(onlinemode, tmp_path):
    """The only saved times lie beyond the divergence."""
    code, out, err = onlinemode("simulate", "--N", 20, "--activation", "linear", "--eta", 300, "--alpha", 30,
                                "--save-at", "20,30", "--out", "x", "--no-theory", "--replicas", 2, "--engine", "chain")
    assert code == 0, err
    assert (tmp_path / "x.png").is_file()


def test_the_title_of_several_files_is_what_they_share(onlinemode, monkeypatch):
    from onlinemode import plotting

    titles, real = [], plotting.overview
    monkeypatch.setattr(plotting, "overview", lambda runs, title: titles.append(title) or real(runs, title))
    for eta in (1, 2):
        assert onlinemode("simulate", "--engine", "chain", "--N", 40, "--alpha", 1, "--eta", eta, "--no-plot", "--out",
                          f"eta{eta}")[0] == 0
    assert onlinemode("plot", "eta1.npz", "eta2.npz")[0] == 0
    assert onlinemode("plot", *["eta1.npz"] * 2, *["eta2.npz"] * 2, "--out", "many")[0] == 0
    assert titles == ["eta1.npz, eta2.npz: N = 40, K = 3, M = 3, P = 3, erf, seed 0",
                      "eta1.npz and 3 more: N = 40, K = 3, M = 3, P = 3, erf, seed 0"]
