"""Commands that are stopped at awkward moments: while Python begins or ends, in a destructor, while they draw."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import onlinemode as om
from onlinemode import plotting
from onlinemode.cli.signals import Terminations

needs_posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
ODE = ("ode", "--N", "30", "--alpha", "1", "--save-at", "5", "--no-plot", "--out", "x", "-q")
MODULE = """
import atexit, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            sys.meta_path.remove(self)
            {action}

sys.meta_path.insert(0, Finder())
"""


def run_with(tmp_path, name, action):
    """``onlinemode ode`` in a process in which something happens when a module is imported."""
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(MODULE).format(name=name, action=action))
    return subprocess.run([sys.executable, "-m", "onlinemode", *ODE], cwd=tmp_path, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)}, timeout=120)


@needs_posix
@pytest.mark.parametrize("module", ["click", "onlinemode.cli.main", "onlinemode.cli.streams"])
def test_ctrl_c_while_a_command_is_loaded(module, tmp_path):
    """It has nothing to say yet."""
    done = run_with(tmp_path, module, "signal.raise_signal(signal.SIGINT)")
    assert done.returncode == -signal.SIGINT and done.stderr == done.stdout == ""


@needs_posix
@pytest.mark.parametrize("name, code", [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_in_a_piece_of_code_that_python_has_made(name, code, tmp_path):
    """Such as a dataclass: Python remembers a Ctrl-C there, and ends with its code whatever the command says."""
    done = run_with(tmp_path, "onlinemode.initial", f"exec('signal.raise_signal(signal.{name})', globals())")
    assert done.returncode == code and done.stderr == "\nonlinemode: stopped by the user\n"


@needs_posix
def test_ctrl_c_when_all_is_done(tmp_path):
    done = run_with(tmp_path, "click", "atexit.register(signal.raise_signal, signal.SIGINT)")
    assert done.returncode == -signal.SIGINT and done.stderr == ""
    assert om.load(tmp_path / "x.npz").status == [om.Status.COMPLETED]


@needs_posix
def test_threads_hold_no_stopped_command_up(tmp_path):
    action = ("import threading, time; threading.Thread(target=time.sleep, args=(600,)).start(); "
              "signal.raise_signal(signal.SIGTERM)")
    done = run_with(tmp_path, "scipy.integrate", action)
    assert done.returncode == 143 and "Traceback" not in done.stderr


@needs_posix
def test_libraries_that_are_stopped_half_way_say_nothing(tmp_path):
    """As Dask, whose cluster cannot be closed before it is there."""
    action = "atexit.register(lambda: 1 / 0); atexit.register(print, 'closed'); signal.raise_signal(signal.SIGTERM)"
    done = run_with(tmp_path, "scipy.integrate", action)
    assert done.returncode == 143 and done.stderr.count("\n") == 1 and done.stdout == "closed\n"


class Falling:
    """What is deleted when a signal comes."""

    def __init__(self, number):
        self._number = number

    def __del__(self):
        signal.raise_signal(self._number)


@needs_posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_in_a_destructor_is_not_lost(name, capsys):
    """Python drops what is raised there, and would print it; it is raised again soon."""
    with Terminations() as terminations:
        with pytest.raises(KeyboardInterrupt):
            Falling(getattr(signal, name))
            deadline = time.monotonic() + 20.0
            while time.monotonic() < deadline:
                time.sleep(0.01)
        assert terminations.exit_code(130) == {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}[name]
    assert capsys.readouterr().err == ""


def test_other_errors_in_destructors_are_shown_as_ever(monkeypatch):
    class Broken:
        def __del__(self):
            raise ZeroDivisionError

    shown = []
    monkeypatch.setattr(sys, "unraisablehook", shown.append)
    with Terminations():
        Broken()
    Broken()
    assert [each.exc_type for each in shown] == [ZeroDivisionError] * 2


# -- while the result is drawn or written ------------------------------------------------------


def stop_once(monkeypatch, problem, owner=plotting, name="save_figure"):
    """What happens in place of the first picture."""
    real, stopped = getattr(owner, name), []

    def save(*arguments):
        if not stopped:
            stopped.append(True)
            raise problem
        return real(*arguments)

    monkeypatch.setattr(owner, name, save)


SIMULATE = ("simulate", "--engine", "chain", "--N", "30", "--alpha", "3", "--save-at", "5")
TRAIN = ("deep", "train", "--hidden", "4", "--epochs", "2")


@pytest.mark.parametrize("words, command", [(SIMULATE, "simulate"), (TRAIN, "deep train")])
def test_a_command_that_is_stopped_while_it_draws_goes_on(words, command, onlinemode, monkeypatch, tmp_path):
    """Its result is whole, and is that of the same run: no reason to refuse."""
    stop_once(monkeypatch, KeyboardInterrupt)
    code, _, err = onlinemode(*words, "--out", "x", "--checkpoint", "c", "--every", "1e-6")
    assert code == 130 and f"go on with: onlinemode {command} --resume c\n" in err
    first = (tmp_path / "x.npz").read_bytes()
    assert first and not (tmp_path / "x.png").exists()
    assert onlinemode(*command.split(), "--resume", "c")[0] == 0
    assert (tmp_path / "x.png").exists() and not (tmp_path / "c").exists()
    assert onlinemode(*words, "--out", "whole")[0] == 0
    for ending in (".npz", ".png"):
        pairs = [(tmp_path / f"{name}{ending}") for name in ("x", "whole")]
        if ending == ".png":
            assert pairs[0].read_bytes() == pairs[1].read_bytes()
        else:
            one, other = map(np.load, pairs)
            assert all(np.array_equal(one[name], other[name], equal_nan=True) for name in one.files
                       if name not in ("header", "history_seconds"))


@pytest.mark.parametrize("words, command", [(SIMULATE, "simulate"), (TRAIN, "deep train")])
def test_a_result_that_has_no_room_is_not_lost_where_there_is_a_checkpoint(words, command, onlinemode, monkeypatch,
                                                                         tmp_path):
    for kind in (om.Trajectory, om.deep.TrainingRun):
        stop_once(monkeypatch, OSError(errno.ENOSPC, "No space left on device"), kind, "save")
    code, _, err = onlinemode(*words, "--out", "x", "--checkpoint", "c", "--every", "1e-6", "--no-plot")
    assert code == 2 and f"go on with: onlinemode {command} --resume c\n" in err
    assert err.splitlines()[-1].startswith("onlinemode: cannot write x.npz: No space left on device")
    assert onlinemode(*command.split(), "--resume", "c", "--out", "elsewhere")[0] == 0
    assert (tmp_path / "elsewhere.npz").exists()


def test_a_run_without_theory_is_resumed_without_it(onlinemode, monkeypatch, tmp_path):
    """The picture is that of the command that began it."""
    stop_once(monkeypatch, KeyboardInterrupt)
    assert onlinemode(*SIMULATE, "--no-theory", "--out", "x", "--checkpoint", "c")[0] == 130
    (tmp_path / "c2").write_bytes((tmp_path / "c").read_bytes())
    assert onlinemode("simulate", "--resume", "c")[0] == 0
    assert onlinemode(*SIMULATE, "--no-theory", "--out", "whole")[0] == 0
    assert onlinemode("simulate", "--resume", "c2", "--theory", "--out", "y")[0] == 0
    assert (tmp_path / "x.png").read_bytes() == (tmp_path / "whole.png").read_bytes()
    assert (tmp_path / "y.png").read_bytes() != (tmp_path / "whole.png").read_bytes()
