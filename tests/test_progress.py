"""Bars of tqdm for progress=True, in Python and on the command line, and nothing where nobody asked."""

import os
import re
import threading
import weakref
from types import SimpleNamespace

import pytest

import onlinemode as om
from onlinemode.cli import running
from onlinemode.errors import ParameterError
from onlinemode.progress import Bar, about, clock
from onlinemode.runtime.progress import Progress

SMALL = om.presets.showcase.replace(N=40, alpha=2.0, save_at=8, engine="chain")


def checkpoint(folder):
    """A run that was stopped at once."""
    def stop(report):
        if report.steps:
            raise KeyboardInterrupt

    SMALL.replace(N=2000, alpha=300.0).run(stop, checkpoint=folder / "c.ckpt")
    return folder / "c.ckpt"


CALLS = {
    "simulate": lambda progress, folder: SMALL.run(progress),
    "ode": lambda progress, folder: SMALL.replace(engine="ode").run(progress),
    "repeat": lambda progress, folder: om.repeat(SMALL.run(), progress),
    "go_on": lambda progress, folder: om.go_on(SMALL.run(), 3.0, progress=progress),
    "resume": lambda progress, folder: om.resume(checkpoint(folder), progress),
    "compare": lambda progress, folder: om.compare(SMALL, ["chain"], progress)}


@pytest.mark.parametrize("name", CALLS)
def test_a_bar_where_it_is_asked_for(name, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Bar, "SECONDS", 0.0)
    for nothing in (None, False):
        CALLS[name](nothing, tmp_path)
        assert capsys.readouterr().err == ""
    before = threading.active_count()
    CALLS[name](True, tmp_path)
    assert threading.active_count() == before  # no watching thread stays
    last = capsys.readouterr().err.split("\r")[-1]
    assert re.search(r"100%\|.+\| 00:\d\d<00:00, α = [23]\S*, ε_g = \S+", last)
    assert last.startswith("chain: ") == (name == "compare")
    reports = []
    CALLS[name](reports.append, tmp_path)
    assert reports[0].fraction == 0.0 and reports[-1].fraction == 1.0
    assert all(isinstance(report, Progress) for report in reports)
    with pytest.raises(ParameterError, match="progress must be True, False or a function that is given reports; got 1"):
        CALLS[name](1, tmp_path)


def test_steps_a_second_and_time_left(monkeypatch, capsys):
    """100 s of ten steps a second, of which half are done."""
    now = [0.0]
    monkeypatch.setattr("onlinemode.progress.time", SimpleNamespace(monotonic=lambda: now[0]))
    bar = Bar()
    for second in range(51):
        now[0] = float(second)
        bar(Progress(second / 50.0, second / 100.0, 10 * second, 0.25))
    assert capsys.readouterr().err.split("\r")[-1].rstrip().endswith(
        "| 00:50<00:50, α = 1, ε_g = 2.500e-01, 10 steps/s")


def test_a_sweep_reports_its_points(capsys, monkeypatch):
    """And the share of one that is made here and takes long."""
    monkeypatch.setattr(Bar, "SECONDS", 0.0)
    monkeypatch.setattr("onlinemode.sweeps.places.Here.seconds", 0.0)
    reports = []
    om.sweep(SMALL, {"eta": [1, 2, 5, -1]}, progress=reports.append)
    assert reports[0] == (0, 0, 4, None, 0.0) and reports[-1] == (4, 1, 4, 0.0, 0.0)
    shares = [report.done + report.inside for report in reports]
    assert shares == sorted(shares) and {0.0, 1.0, 2.0, 3.0, 4.0} <= set(shares)
    assert any(report.inside for report in reports)
    assert all(report.seconds_left is not None for report in reports if report.inside)
    om.sweep(SMALL, {"eta": [1, 2]}, progress=None)
    assert capsys.readouterr().err == ""
    before = threading.active_count()
    om.sweep(SMALL, {"eta": [1, 2, -1]}, progress=True)
    assert threading.active_count() == before
    last = capsys.readouterr().err.split("\r")[-1]
    assert re.search(r"100%\|.+\| 00:\d\d, 3 of 3 points, 1 failed", last)
    with pytest.raises(ParameterError, match="progress must be True, False or a function that is given reports; got 1"):
        om.sweep(SMALL, {"eta": [1, 2]}, progress=1)


def test_the_bar_of_a_sweep_says_how_long(monkeypatch, capsys):
    from onlinemode.progress import PointsBar
    from onlinemode.sweeps.running import SweepProgress

    monkeypatch.setattr(Bar, "SECONDS", 0.0)
    bar = PointsBar()
    for done in range(0, 101, 10):
        bar(SweepProgress(done, done // 20, 1000, 90.0 - done, 0.5))
    bar.close()
    assert "10%|" in (last := capsys.readouterr().err.split("\r")[-1]) and "100 of 1,000 points, 5 failed" in last


def test_the_bar_of_a_command_is_wiped_away(onlinemode, monkeypatch):
    monkeypatch.setattr(Bar, "SECONDS", 0.0)
    call = ("simulate", "--N", 40, "--alpha", 2, "--engine", "chain", "--no-theory", "--no-plot")
    assert "%|" not in onlinemode(*call)[2]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    lines = onlinemode(*call)[2].split("\r")
    assert any("100%|" in line for line in lines) and lines[-1].strip() == ""
    assert onlinemode(*call, "--quiet")[2] == ""


@pytest.mark.skipif(os.name == "nt", reason="needs a terminal of POSIX")
def test_the_bar_has_the_width_of_the_terminal(monkeypatch):
    import fcntl
    import pty
    import struct
    import termios

    from onlinemode.cli.streams import Streams

    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 93, 0, 0))
    monkeypatch.delenv("COLUMNS", raising=False)
    with open(terminal, "w", encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stderr", stream)
        with Streams():
            bar = running.terminal_bar(quiet=False)
            bar.show(0.0)
            bar.close()
    assert len(os.read(controller, 10_000).decode().split("\r")[1]) in (92, 93)  # later versions leave a column free
    os.close(controller)


def test_no_bar_is_made_for_a_file(monkeypatch):
    monkeypatch.setattr(running, "Bar", None)
    bar = running.ProgressBar(quiet=True)
    bar(Progress(1.0, 0.5, 10, 0.1))
    bar.close()


@pytest.mark.parametrize("seconds, words", [(1.2, "1 s"), (150, "2 min"), (7200, "2.0 h"), (400_000, "4.63 days")])
def test_durations(seconds, words):
    assert clock(seconds) == words
    assert about(seconds) == ("about a second" if seconds < 2 else f"about {words}")


class Watched(float):
    """A number of which can be told whether anybody has it still."""


@pytest.mark.parametrize("name", ["simulate", "ode", "compare", "Python's compare"])
def test_nobody_keeps_reports(name, onlinemode, monkeypatch):
    """Five a second would be 90 MB after a day."""
    monkeypatch.setattr("onlinemode.runtime.replicas.LOOK_SECONDS", 0.001)
    monkeypatch.setattr("onlinemode.engines.ode.engine.SECONDS_BETWEEN_REPORTS", 0.0)
    made, alive = [], [0]

    def watched(alpha, fraction, steps, error):
        error = Watched(error)
        made.append(weakref.ref(error))
        alive.append(sum(error() is not None for error in made))
        return Progress(alpha, fraction, steps, error)

    for module in ("onlinemode.runtime.replicas", "onlinemode.engines.ode.engine"):
        monkeypatch.setattr(f"{module}.Progress", watched)
    if name == "Python's compare":
        om.compare(SMALL.replace(N=1000, alpha=100.0), ["chain"], progress=lambda report: None)
    else:
        engine = {"simulate": ("--engine", "chain"), "ode": (), "compare": ("--engine", "chain,ode")}[name]
        assert onlinemode(name, *engine, "--N", 1000, "--alpha", 100, "--no-plot", "-q")[0] == 0
    assert len(made) > 5 and max(alive) <= 3
