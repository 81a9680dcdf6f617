"""The command line: what it writes and prints."""

import json
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


@pytest.mark.parametrize("command", [("simulate",), ("sweep",), ("benchmark",), ("deep", "train"), ("deep", "width")])
def test_help_shows_no_bounds_that_are_none(command, onlinemode):
    out = onlinemode(*command, "--help")[1]
    assert "<=None" not in out and (">=1" in out) == (command[0] in ("simulate", "sweep"))


def test_no_arguments_print_the_help(onlinemode):
    code, out, err = onlinemode()
    assert code == 2 and "Commands:" in out and err == ""


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


def test_python_m_onlinemode(tmp_path):
    for arguments, code, words in ((["--version"], 0, f"onlinemode {om.__version__}"),
                                   (["simulate", "--N", "x"], 2, "onlinemode simulate: Invalid value for '--N'")):
        result = subprocess.run([sys.executable, "-m", "onlinemode", *arguments], capture_output=True, text=True,
                                cwd=tmp_path)
        assert result.returncode == code and words in result.stdout + result.stderr


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


COMPILING = """
from numba.core import event
from onlinemode.cli.main import main
with event.install_recorder("numba:compile") as compiled:
    try:
        main()
    finally:
        print(*(record.data["dispatcher"].py_func for _, record in compiled.buffer))
"""


def test_the_second_process_finds_every_compiled_function_in_the_cache(tmp_path):
    """Theory, plateaus and all; a cache that grows at every process would never hit."""
    command = [sys.executable, "-c", COMPILING, "simulate", *SMALL, "--quiet", "--no-plot"]
    _, compiled = (subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True).stdout
                   for _ in range(2))
    assert compiled.strip() == ""


ENSEMBLE = ["--N", "60", "--alpha", "2", "--save-at", "12", "--replicas", "8"]


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
