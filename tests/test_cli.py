"""The command line: what it writes and prints, and one line for every kind of bad input."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import onlinemode as om
from onlinemode.cli.main import main

SMALL = ["--N", "120", "--alpha", "3", "--save-at", "20"]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the command line in an empty folder; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        with pytest.raises(SystemExit) as exit_info:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return exit_info.value.code, captured.out, captured.err

    return call


def test_simulate_writes_result_and_picture(run, tmp_path):
    code, out, err = run("simulate", *SMALL)
    assert code == 0
    assert (tmp_path / "simulate_showcase_N120_seed0.npz").is_file()
    assert (tmp_path / "simulate_showcase_N120_seed0.png").read_bytes().startswith(b"\x89PNG")
    assert "ε_g" in out and "theory" in out and "simulate_showcase_N120_seed0.npz" in out
    assert "360 steps of micro" in err
    run_ = om.load(tmp_path / "simulate_showcase_N120_seed0.npz")
    assert (run_.N, run_.alpha[-1]) == (120, 3.0)


@pytest.mark.parametrize("N, alpha", [(30, 0.59), (1000, 33.3337), (7, 0.5)])
def test_alpha_that_is_no_whole_number_of_steps(N, alpha, run):
    code, out, err = run("simulate", "--engine", "chain", "--N", N, "--alpha", alpha, "--out", "x", "--no-plot")
    assert code == 0, err
    assert om.load("x.npz").alpha[-1] == round(alpha * N) / N


def test_the_picture_has_the_name_of_the_result(run, tmp_path):
    for command, name in (("simulate", "my_micro"), ("ode", "my_ode")):
        assert run(command, *SMALL, "--out", name)[0] == 0
        assert (tmp_path / f"{name}.png").is_file()


def test_compare_does_not_overwrite(run, tmp_path):
    run("compare", *SMALL, "--no-plot")
    before = (tmp_path / "compare_showcase_N120_seed0_micro.npz").read_bytes()
    assert run("compare", *SMALL, "--no-plot", "--eta", 1)[0] == 0
    assert (tmp_path / "compare_showcase_N120_seed0_micro.npz").read_bytes() == before
    assert (tmp_path / "compare_showcase_N120_seed0_2_micro.npz").is_file()


def test_compare_says_when_there_is_nothing_to_compare(run):
    code, out, _ = run("compare", "--N", 40, "--activation", "linear", "--eta", 1e4, "--alpha", 3, "--no-plot",
                       "--save-at", "0,3")
    assert code == 0 and "no finite time in common" in out


def test_no_arguments_print_the_help(run):
    code, out, err = run()
    assert code == 2 and "Commands:" in out and err == ""


def test_repeat_of_an_interrupted_run(run):
    """Equal as far as the file goes."""
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0))

    def stop(progress):
        if progress.steps:
            raise KeyboardInterrupt

    part = om.simulate(problem, om.initial.committee(4000, seed=1), 3000.0, "chain", progress=stop, save_at=50)
    assert part.status == [om.Status.INTERRUPTED]
    part.save("part.npz")
    code, out, _ = run("repeat", "part.npz")
    assert code == 0 and "up to where the file ends" in out


def test_a_second_run_does_not_overwrite_the_first(run, tmp_path):
    run("simulate", *SMALL, "--no-plot")
    before = (tmp_path / "simulate_showcase_N120_seed0.npz").read_bytes()
    run("simulate", *SMALL, "--no-plot", "--eta", "1")
    assert (tmp_path / "simulate_showcase_N120_seed0.npz").read_bytes() == before
    assert (tmp_path / "simulate_showcase_N120_seed0_2.npz").is_file()


def test_json_is_the_only_thing_on_stdout(run):
    code, out, err = run("simulate", *SMALL, "--json", "--no-plot", "--replicas", 2)
    summary = json.loads(out)
    assert code == 0 and err == ""
    assert summary["N"] == 120 and summary["status"] == ["completed"] * 2
    assert len(summary["generalization_error"]) == 2
    assert summary["deviation"]["rms_overlaps_sqrt_N"] == pytest.approx(
        summary["deviation"]["rms_overlaps"] * np.sqrt(120))


def test_quiet_prints_nothing(run):
    assert run("simulate", *SMALL, "--quiet", "--no-plot") == (0, "", "")


def test_ode_and_compare_and_plot_and_repeat(run, tmp_path):
    assert run("ode", *SMALL, "--init", "committee", "--M", 2, "--out", "theory")[0] == 0
    assert (tmp_path / "theory.npz").is_file() and (tmp_path / "theory.png").is_file()
    code, out, _ = run("compare", *SMALL, "--out", "both.npz", "--csv")
    assert code == 0 and "in units of N^-1/2" in out
    for name in ("both_micro.npz", "both_ode.npz", "both_micro.csv", "both_ode.csv", "both.png"):
        assert (tmp_path / name).is_file()
    micro, ode = om.load("both_micro.npz"), om.load("both_ode.npz")
    assert np.array_equal(micro.alpha, ode.alpha)
    assert np.allclose(micro.R[0, 0], ode.R[0, 0], atol=1e-12)
    assert run("plot", "both_micro.npz", "theory.npz", "--out", "overlay")[0] == 0
    assert (tmp_path / "overlay.png").is_file()
    code, out, _ = run("repeat", "both_micro.npz", "--out", "again")
    assert code == 0 and "equal to the file, to the bit" in out
    assert np.array_equal(om.load("again.npz").G, micro.G)


def test_chain(run, tmp_path):
    """Exact overlaps: at any N, and beside micro and ode in a comparison."""
    code, out, _ = run("simulate", "--engine", "chain", "--N", "1e12", "--alpha", "1e-9", "--save-at", 5,
                       "--out", "far")
    assert code == 0 and om.load("far.npz").N == 10**12
    code, out, _ = run("compare", *SMALL, "--engine", "micro,chain,ode", "--replicas", 3, "--out", "three")
    assert code == 0 and "micro:" in out and "chain:" in out
    for name in ("three_micro.npz", "three_chain.npz", "three_ode.npz", "three.png"):
        assert (tmp_path / name).is_file()
    assert run("repeat", "three_chain.npz")[0] == 0


def test_config_between_preset_and_command_line(run, tmp_path):
    (tmp_path / "run.toml").write_text("N = 100\nalpha = 2\neta = 1.5\nsave_at = [0.0, 1.0, 2.0]\nplot = false\n")
    assert run("simulate", "--config", "run.toml", "--eta", 2.5, "--out", "x")[0] == 0
    result = om.load("x.npz")
    assert result.problem.rates.xi_in == 2.5  # command line beats file
    assert result.N == 100  # file beats preset
    assert result.initial.K == 3  # preset
    assert result.alpha.tolist() == [0.0, 1.0, 2.0]
    assert not (tmp_path / "x.png").exists()


def test_preset_paper(run):
    _, out, _ = run("simulate", "--preset", "paper", "--alpha", 5, "--json", "--no-plot")
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
    "device": (["simulate", "--device", "tpu"], "device must be one of cpu; got 'tpu'"),
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
    "seed": (["ode", "--seed", "-1"], "seed must be a whole number ≥ 0; got -1"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_writes_nothing(name, run, tmp_path):
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
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1 and err.startswith("onlinemode")
    assert expected in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_diverging_run_says_where_and_keeps_what_it_has(run, tmp_path):
    code, _, err = run("simulate", "--N", 100, "--activation", "linear", "--eta", 200, "--alpha", 30, "--out", "x",
                       "--no-theory")
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
