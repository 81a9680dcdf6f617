"""The command line in other encodings, with closed or full streams, after signals, beside settings of Matplotlib."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import onlinemode as om
from onlinemode import plotting
from onlinemode.cli import running
from onlinemode.cli.main import COMMANDS, main
from onlinemode.cli.streams import in_encoding
from onlinemode.plotting.style import new_figure, save_figure

SMALL = ["--N", "30", "--alpha", "1", "--save-at", "5"]
needs_posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals and shells")


# -- encodings --------------------------------------------------------------------------------


@pytest.mark.parametrize("text, encoding, expected", [
    ("         α         ε_g  x\n", "ascii", "     alpha       eps_g  x\n"),
    ("a α = 1, ε_g", "cp1252", "a alpha = 1, eps_g"),
    ("κ ± 1 ≥ ½", "cp1252", "kappa ± 1 >= ½"),
    ("κ ± 1 ≥ ½, 日", "ascii", r"kappa +- 1 >= 1/2, \u65e5"),
    ("α = 日", "utf-8", "α = 日"),
    ("caf\udce9.npz", "utf-8", r"caf\xe9.npz")])
def test_letters_that_an_encoding_lacks_are_spelled_out(text, encoding, expected):
    assert in_encoding(text, encoding) == expected


@pytest.fixture
def run_in(tmp_path, monkeypatch):
    """Run the command line with streams of an encoding; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(encoding, *arguments):
        streams = {name: io.TextIOWrapper(io.BytesIO(), encoding=encoding) for name in ("stdout", "stderr")}
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as exit_info:
            for name, stream in streams.items():
                patch.setattr(sys, name, stream)
            main([str(argument) for argument in arguments])
        for stream in streams.values():
            stream.flush()
        return exit_info.value.code, *(stream.buffer.getvalue().decode(encoding) for stream in streams.values())

    return run


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-16"])
def test_a_run_in_another_encoding(encoding, run_in):
    code, out, err = run_in(encoding, "simulate", *SMALL, "--no-plot", "--eta", "0.5")
    assert code == 0 and "result: simulate_" in out
    assert ("α" in out and "η = 0.5" in err) if encoding == "utf-16" else ("alpha" in out and "eta = 0.5" in err)
    code, out, err = run_in(encoding, "plot", "caf\udce9.npz")
    assert code == 2 and out == "" and r"cannot read caf\xe9.npz: " in err


def test_a_sweep_in_another_encoding_goes_to_its_end(run_in, tmp_path):
    code, out, _ = run_in("ascii", "sweep", "--over", "eta=0.5,1", *SMALL, "--no-plot", "--out", "s")
    assert code == 0 and "eps_g" in out and (om.open_sweep(tmp_path / "s").status == "completed").all()


def test_json_in_another_encoding(run_in):
    name = "é日"
    code, out, _ = run_in("ascii", "simulate", *SMALL, "--no-plot", "--json", "--out", name)
    assert code == 0 and json.loads(out)["files"]["result"] == f"{name}.npz"
    code, out, _ = run_in("utf-8", "simulate", *SMALL, "--no-plot", "--json", "--out", f"{name}2")
    assert code == 0 and f'"{name}2.npz"' in out


@pytest.mark.parametrize("command", [["--help"], *([name, "--help"] for name in COMMANDS),
                                     *(["deep", name, "--help"] for name in ("train", "width", "modes"))])
def test_help_in_ascii(command, run_in):
    code, out, _ = run_in("ascii", *command)
    assert code == 0 and "--help" in out and "\\u" not in out


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfN = 33\nalpha = 1.0\n", b"N = 33\r\nalpha = 1.0\r\n"])
def test_a_configuration_file_of_windows(content, run_in, tmp_path):
    (tmp_path / "c.toml").write_bytes(content)
    assert run_in("utf-8", "ode", "--config", "c.toml", "--no-plot", "--out", "x")[0] == 0
    assert om.load(tmp_path / "x.npz").N == 33


@pytest.mark.parametrize("content, message", [
    ("N = 33".encode("utf-16"), "line 1 is in UTF-16"), (b"N = 33\n# caf\xe9", "line 2 is in another encoding")])
def test_a_configuration_file_in_another_encoding(content, message, run_in, tmp_path):
    (tmp_path / "c.toml").write_bytes(content)
    code, _, err = run_in("utf-8", "ode", "--config", "c.toml")
    assert code == 2 and f"c.toml must be in UTF-8; {message}: save it as UTF-8" in err


# -- streams ----------------------------------------------------------------------------------


@needs_posix
@pytest.mark.parametrize("redirection, code, told", [
    ("2>&- <&-", 0, None), (">&- 2>&-", 1, None), (">&-", 1, "Bad file descriptor"),
    pytest.param(">/dev/full", 1, "No space left on device",
                 marks=pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full"))])
def test_closed_and_full_streams(redirection, code, told, tmp_path):
    """The result is there, whatever becomes of the words; only lost output changes the exit code."""
    words = f"'{sys.executable}' -c 'from onlinemode.cli.main import main; main()'"
    result = subprocess.run(f"{words} ode {' '.join(SMALL)} --no-plot --out x {redirection}", shell=True, cwd=tmp_path,
                            capture_output=True, text=True)
    assert result.returncode == code and om.load(tmp_path / "x.npz").status == [om.Status.COMPLETED]
    assert "Traceback" not in result.stderr
    if told is not None:
        assert f"onlinemode: cannot write to standard output ({told}); files are not affected\n" in result.stderr


class Broken(io.StringIO):
    """A pipe whose reader has gone after the first line."""

    def write(self, text):
        if "\n" in self.getvalue():
            raise BrokenPipeError
        return super().write(text)


def test_a_pipe_that_breaks_is_no_reason_to_stop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out, err = Broken(), io.StringIO()
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as exit_info:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        main(["sweep", "--over", "eta=0.5,1", *SMALL, "--out", "s", "--quiet"])
        main(["sweep", "--over", "eta=0.5,1", *SMALL, "--out", "s"])
    assert exit_info.value.code in (0, 1) and (tmp_path / "s" / "picture.png").exists()
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as exit_info:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        main(["sweep", "--over", "eta=0.5,1,2", *SMALL, "--out", "s"])
    assert exit_info.value.code == 1 and om.open_sweep(tmp_path / "s").status.values.tolist() == ["completed"] * 3
    assert "cannot write" not in err.getvalue()


# -- signals ----------------------------------------------------------------------------------


LONG = {"simulate": ["--N", "300", "--alpha", "2e5", "--engine", "chain", "--no-theory"],
        "compare": ["--N", "1e5", "--alpha", "60", "--engine", "chain,ode"],
        "sweep": ["--N", "300", "--alpha", "2e5", "--over", "eta=1,2"],
        "ode": ["--N", "300", "--alpha", "1e3"]}


@pytest.fixture
def send(monkeypatch):
    """Send signals to this process when a run is under way; returns a list of those to be sent."""
    waiting = []

    def progress(bar, report):
        if report.fraction > 0.0:
            while waiting:
                signal.raise_signal(waiting.pop(0))

    monkeypatch.setattr(running.ProgressBar, "__call__", progress)
    monkeypatch.setattr("onlinemode.sweeps.running._Loop._tell_inside", progress)
    monkeypatch.setattr("onlinemode.engines.ode.engine.SECONDS_BETWEEN_REPORTS", 0.0)
    return waiting


@needs_posix
@pytest.mark.parametrize("command", LONG)
@pytest.mark.parametrize("name, code", [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_a_command_and_its_result_is_kept(name, code, command, send, onlinemode, tmp_path):
    send += [getattr(signal, name)]
    found, _, err = onlinemode(command, *LONG[command], "--no-plot", "--save-at", "50", "--out", "x")
    assert found == code and "stopped by the user" in err
    if command != "sweep":  # whose points are whole or not made
        run = om.load(next(tmp_path.glob("x*.npz")))
        assert run.status == [om.Status.INTERRUPTED] and np.isfinite(run.G[0, 0]).all() and np.isnan(run.G[0, -1]).all()


@needs_posix
def test_signals_after_the_first_do_not_stop_the_saving(send, onlinemode, tmp_path, monkeypatch):
    save = om.Trajectory.save

    def hung_up(run, path, *arguments):
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        save(run, path, *arguments)

    monkeypatch.setattr(om.Trajectory, "save", hung_up)
    send += [signal.SIGHUP]
    code, _, err = onlinemode("simulate", *LONG["simulate"], "--out", "x", "--no-plot", "--checkpoint", "c.ckpt")
    assert code == 129 and "go on with: onlinemode simulate --resume c.ckpt" in err
    assert om.load(tmp_path / "x.npz").status == [om.Status.INTERRUPTED] and (tmp_path / "c.ckpt").exists()


@needs_posix
def test_a_signal_that_nohup_ignores_stays_ignored(send, onlinemode, tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        send += [signal.SIGHUP]
        code, _, _ = onlinemode("simulate", "--engine", "chain", "--N", "300", "--alpha", "4e3", "--no-plot",
                                "--no-theory", "--out", "x")
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert code == 0 and send == [] and om.load(tmp_path / "x.npz").status == [om.Status.COMPLETED]


# -- pictures ---------------------------------------------------------------------------------


ODD_SETTINGS = """text.usetex: True
backend: module://matplotlib_inline.backend_inline
font.family: Nonexistent
savefig.format: pdf
savefig.bbox: tight
figure.dpi: 20
axes.unicode_minus: False
axes.facecolor: black
lines.linewidth: 9
figure.constrained_layout.use: True
"""


def test_pictures_of_commands_do_not_depend_on_the_users_settings(onlinemode, tmp_path):
    om.simulate(om.Problem(), om.initial.committee(30), 1.0, save_at=5).save(tmp_path / "x.npz")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "matplotlibrc").write_text(ODD_SETTINGS, encoding="utf-8")
    assert onlinemode("plot", "x.npz", "--no-theory", "--out", "p.png")[0] == 0
    subprocess.run([sys.executable, "-c", "from onlinemode.cli.main import main; main()", "plot", "../x.npz",
                    "--no-theory", "--out", "p.png"], cwd=tmp_path / "odd", check=True,
                   env={**os.environ, "MPLBACKEND": "module://a_notebook.backend"})
    assert (tmp_path / "odd" / "p.png").read_bytes() == (tmp_path / "p.png").read_bytes()


def test_pictures_from_python_have_the_users_settings():
    run = om.simulate(om.Problem(), om.initial.committee(30), 1.0, save_at=5)
    with matplotlib.rc_context({"figure.dpi": 33, "lines.linewidth": 7.0}):
        figure = plotting.overview([run])
    assert figure.dpi == 33


def test_commands_take_plotting_from_one_place():
    folder = Path(sys.modules["onlinemode.cli"].__path__[0])
    elsewhere = re.compile(r"from onlinemode import [\w, ]*\bplotting\b|onlinemode\.plotting\b")
    users = {path.name for path in folder.glob("*.py") if elsewhere.search(path.read_text("utf-8"))}
    assert users == {"pictures.py"}


@pytest.mark.parametrize("title", ["caf\udce9.npz: N = 30", "a$b_{.npz", "日本.npz", r"$\nonsense$"])
def test_any_file_name_can_be_a_title(title, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_figure(new_figure(3.0, 2.0, title), tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 1000
