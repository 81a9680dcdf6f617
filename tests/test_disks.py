"""A full disk, folders that cannot be written or disappear: one line says so, and what was there stays whole."""

import contextlib
import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import onlinemode as om
from onlinemode import claims
from onlinemode.errors import FileError

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts, and limits files, as Linux does"),
    pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")]  # of a file that is left open

PROBLEM = om.Problem(rates=om.LearningRates(xi_in=1.0))
ODE = "--engine ode --N 30 --K 2 --init committee --alpha 3 --save-at 5"
TRAINING = "--data data.npz --batch 10 --epochs 1 --no-plot --overwrite --out old"
COMMANDS = {
    "simulate": "simulate --engine chain --N 30 --alpha 3 --no-theory --no-plot --overwrite --out old",
    "ode": "ode --N 30 --alpha 3 --no-plot --csv --overwrite --out old",
    "plot": "plot run.npz --no-theory --csv --overwrite --out old",
    "repeat": "repeat run.npz --overwrite --out old",
    "sweep": f"sweep --over eta=0.5,1 {ODE} --no-plot --out s",
    "deep train": f"deep train --hidden 3 --modes 2 {TRAINING}",
    "deep modes": "deep modes network.npz --no-plot --csv --overwrite --out old",
    "deep width": f"deep width --widths 4 --grid 1 --layers 1 --repeats 1 {TRAINING}",
}
OLD = b"what was there before"


def fill(folder):
    """What commands read, and older results."""
    om.simulate(PROBLEM, om.initial.committee(30, K=2), 3.0, "chain", save_at=5).save(folder / "run.npz")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 4)), rng.integers(0, 2, 60)
    np.savez(folder / "data.npz", train_x=x, train_y=y, test_x=x[:20], test_y=y[:20])
    om.deep.Network((4, 3, 2), modes=2).save(folder / "network.npz")
    for ending in (".npz", ".png", ".csv"):
        (folder / f"old{ending}").write_bytes(OLD)
    (folder / "run.csv").write_bytes(OLD)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@contextlib.contextmanager
def mounted(folder, *options):
    """A file system of its own at a folder."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *options, folder], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def small_disk(tmp_path):
    """4 MiB."""
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=4m", "tmpfs") as folder:
        yield folder


def leave(folder, free):
    """Fill a disk but for so many KiB."""
    with contextlib.suppress(OSError), open(folder / "ballast", "wb", 0) as file:
        while file.write(bytes(1024)):
            pass
    os.truncate(folder / "ballast", max(0, (folder / "ballast").stat().st_size - 1024 * free))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk(command, small_disk, onlinemode, monkeypatch):
    fill(small_disk)
    leave(small_disk, 0)
    before = contents(small_disk)
    monkeypatch.chdir(small_disk)
    code, _, err = onlinemode(*COMMANDS[command].split())
    words = err.splitlines()[-1]
    assert code == 2 and words.startswith("onlinemode: cannot write ") and ": No space left on device; give " in words
    assert contents(small_disk) == before


def test_a_disk_that_is_full_later(small_disk, onlinemode, monkeypatch):
    """The result is kept, the picture has no room."""
    fill(small_disk)
    leave(small_disk, 40)
    monkeypatch.chdir(small_disk)
    code, _, err = onlinemode("ode", "--N", "30", "--alpha", "3", "--save-at", "20", "--out", "x")
    assert code == 2 and "cannot write x.png: No space left on device" in err
    assert om.load("x.npz").status == [om.Status.COMPLETED]
    assert {path.name for path in Path().iterdir() if path.name.startswith((".", "x"))} == {"x.npz"}


def test_a_sweep_on_a_disk_that_gets_full_keeps_its_points(small_disk, tmp_path):
    experiment = om.Experiment(engine="ode", init="committee", K=2, N=30, alpha=3.0, save_at=50)
    over = {"eta": "0.5:2:30", "noise": "0:0.5:20"}

    def fill_up(report):
        if report.done > 100:
            leave(small_disk, 0)

    with pytest.raises(FileError, match="cannot write .*disk/s: No space left on device"):
        om.sweep(experiment, over, store=small_disk / "s", progress=fill_up)
    made = om.open_sweep(small_disk / "s").status == "completed"
    assert 0 < made.sum() < made.size
    os.unlink(small_disk / "ballast")
    rest = om.sweep(experiment, over, store=small_disk / "s").drop_vars("seconds")
    assert rest.equals(om.sweep(experiment, over).drop_vars("seconds"))


def test_a_full_disk_for_checkpoints_is_a_warning(small_disk):
    leave(small_disk, 0)
    with pytest.warns(RuntimeWarning, match="no checkpoint: .*No space left on device.*; the run goes on"):
        run = om.simulate(PROBLEM, om.initial.committee(30, K=2), 3.0, "chain", checkpoint=small_disk / "c")
    assert run.status == [om.Status.COMPLETED] and [path.name for path in small_disk.iterdir()] == ["ballast"]


def test_a_full_disk_for_machine_code_is_no_error(small_disk, tmp_path):
    """The next process compiles again."""
    leave(small_disk, 8)
    code = ("from onlinemode.kernels import jit\n"
            "print(jit.CACHE_FOLDER)\n"
            "print(jit.compiled(lambda x: 3 * x)(2), jit.compiled(lambda x: 4 * x)(2.5))")
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path,
                              env={**os.environ, "NUMBA_CACHE_DIR": str(small_disk)})
        assert done.returncode == 0 and done.stdout.splitlines()[1] == "6 10.0" and done.stderr == ""
        assert str(small_disk) in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_a_limit_on_the_size_of_files(command, onlinemode, tmp_path, monkeypatch):
    """As a full disk, where none can be mounted: the system refuses to write more than 100 bytes."""
    fill(tmp_path)
    before = contents(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        code, _, err = onlinemode(*COMMANDS[command].split())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    words = err.splitlines()[-1]
    assert code == 2 and words.startswith("onlinemode: cannot write ") and ": File too large; give " in words
    assert contents(tmp_path) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_is_read_only(command, onlinemode, tmp_path, monkeypatch):
    """Nothing is computed before that is found."""
    fill(tmp_path)
    before = contents(tmp_path)
    monkeypatch.setattr("onlinemode.simulation.run_in_parts", lambda *_: pytest.fail("computed"))
    with mounted(tmp_path, "--bind", tmp_path):
        subprocess.run(["mount", "-o", "remount,bind,ro", tmp_path], check=True)
        monkeypatch.chdir(tmp_path)
        code, out, err = onlinemode(*COMMANDS[command].split())
        monkeypatch.chdir("/")
    assert code == 2 and out == "" and err.count("\n") == 1
    assert "cannot write " in err and "Read-only file system" in err
    assert contents(tmp_path) == before


def test_a_folder_of_another_user(tmp_path):
    """Permission bits bind root, too, without the capability to pass over them."""
    fill(tmp_path)
    without = ["setpriv", "--bounding-set", "-dac_override"]
    if shutil.which("setpriv") is None or subprocess.run([*without, "true"], capture_output=True).returncode != 0:
        pytest.skip("setpriv is not there, or may not take a capability away")
    before = contents(tmp_path)
    tmp_path.chmod(0o555)
    for command in ("ode", "sweep", "deep train"):
        done = subprocess.run([*without, sys.executable, "-m", "onlinemode", *COMMANDS[command].split()], cwd=tmp_path,
                              capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
        assert "cannot write " in done.stderr and "Permission denied" in done.stderr
    assert contents(tmp_path) == before


@pytest.mark.parametrize("command", ["simulate", "ode", "repeat", "deep train", "deep modes"])
def test_an_output_folder_that_disappears(command, onlinemode, tmp_path, monkeypatch):
    """While the command computes: nothing can be kept, and it says so."""
    fill(tmp_path)
    (tmp_path / "out").mkdir()
    real = claims.Claim.write

    def write(claim, *arguments):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        return real(claim, *arguments)

    monkeypatch.setattr(claims.Claim, "write", write)
    code, _, err = onlinemode(*COMMANDS[command].replace("--out old", "--out out/x").split())
    assert code == 2 and "onlinemode: cannot write out/x" in err.splitlines()[-1]
    assert "No such file or directory" in err and not (tmp_path / "out").exists()


def test_a_folder_of_a_sweep_that_disappears(tmp_path):
    experiment = om.Experiment(engine="ode", init="committee", K=2, N=30, alpha=3.0, save_at=5)

    def remove(report):
        if report.done > 5:
            shutil.rmtree(tmp_path / "s", ignore_errors=True)

    with pytest.raises(FileError, match="cannot write .*s: "):
        om.sweep(experiment, {"eta": "0.5:2:40", "noise": "0:0.5:20"}, store=tmp_path / "s", progress=remove)
    again = om.sweep(experiment, {"eta": [0.5, 1.0]}, store=tmp_path / "s")
    assert (again.status == "completed").all()


@pytest.mark.parametrize("words", ["plot {}/run.npz --out {}/p.png", "ode --N 30 --alpha 1 --out {}/x",
                                   "simulate --N 30 --alpha 1 --out {}/x --checkpoint c", "ode --N 30 --alpha 1",
                                   "sweep --over eta=0.5,1 --engine ode --N 30 --K 2 --init committee --alpha 1"])
def test_a_current_folder_that_is_gone(words, tmp_path):
    fill(tmp_path)
    script = f"""
import os, sys
os.makedirs("gone"); os.chdir("gone"); os.rmdir("../gone")
from onlinemode.cli.main import main
main({words.format(tmp_path, tmp_path).split()!r})
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode in (0, 2) and "Traceback" not in done.stderr
    assert done.returncode == 0 or "onlinemode: " in done.stderr.splitlines()[-1]


def test_an_error_of_the_system_that_nobody_expects_is_one_line(onlinemode, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO), "some/file")

    monkeypatch.setattr("onlinemode.cli.ode.beginning", fail)
    code, out, err = onlinemode("ode", "--N", "30", "--alpha", "1", "--no-plot")
    assert code == 2 and out == "" and err == "onlinemode: some/file: Input/output error\n"
