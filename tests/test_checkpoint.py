"""Checkpoints: a run that is stopped in any way goes on to the bits of the run that was not."""

import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from stopping import StopAt

import onlinemode as om
from onlinemode.errors import EngineError, FileError, ParameterError
from onlinemode.runtime import parts
from onlinemode.runtime.checkpoint import read_checkpoint

PROBLEM = om.Problem(noise=0.1, weight_decay=0.1, rates=om.LearningRates(xi_in=1.0, strengths=0.2, readout=0.1))
ENGINES = ["micro", "chain"]


def fresh(replica):
    return om.initial.committee(60, K=2, seed=1, student_seed=replica)


def assert_same(run, reference):
    for name in ("alpha", "G", "S", "strengths", "xi_out", "readout", "generalization_error"):
        assert np.array_equal(getattr(run, name), getattr(reference, name), equal_nan=True), name
    assert (run.status, run.message, run.problem) == (reference.status, reference.message, reference.problem)
    assert run.meta["steps"] == reference.meta["steps"]
    assert run.meta["start"] == reference.meta["start"] and run.meta["call"] == reference.meta["call"]
    for name, values in reference.ensemble.to_arrays().items():
        assert np.array_equal(run.ensemble.to_arrays()[name], values, equal_nan=True), name
    if reference.starts is not None:
        assert all(np.array_equal(run.starts[name], values) for name, values in reference.starts.items())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case, share", [("one", 0.3), ("several", 0.02), ("several", 0.8), ("fresh summary", 0.4),
                                         ("overlaps", 0.3), ("own weights", 0.6)])
def test_interrupted_and_resumed(engine, case, share, slow_looks, tmp_path, monkeypatch, random_weights):
    """Also in small parts, from every kind of start, and stopped twice."""
    start, replicas, keep = {
        "one": (om.initial.committee(60, K=2), 1, "all"), "several": (om.initial.committee(60, K=2), 5, "all"),
        "fresh summary": (fresh, 9, "summary"),
        "overlaps": (om.initial.committee(60, K=2).order_parameters(), 3, "all"),
        "own weights": (random_weights(41, 3, 2, 4, 1, size=0.1), 2, "all")}[case]
    if case == "fresh summary":
        monkeypatch.setattr(parts, "PART_BYTES", 1)
    N = 41 if case == "own weights" else 60
    alpha = {"micro": 2000.0, "chain": 4_000.0}[engine] * (0.3 if keep == "summary" else 1.0)
    call = dict(alpha=alpha, engine=engine, N=N, replicas=replicas, keep=keep,
                save_at=20, seed=3, threads=2)
    reference = om.simulate(PROBLEM, start, **call)
    file = tmp_path / "run.ckpt"
    stopped = om.simulate(PROBLEM, start, **call, checkpoint=file, checkpoint_every=0.001, progress=StopAt(share))
    assert om.Status.INTERRUPTED in stopped.status
    again = om.resume(file, progress=StopAt((1.0 + share) / 2))
    if om.Status.INTERRUPTED in again.status:
        again = om.resume(file)
    assert_same(again, reference)
    assert_same(om.resume(file), reference)  # the finished run is in the file, too
    om.simulate(PROBLEM, start, **call | {"alpha": 20.0}, checkpoint=file)  # and another run may take its name


RUN = """
import sys, onlinemode as om
problem = om.Problem(noise=0.1, rates=om.LearningRates(xi_in=1.0, strengths=0.2))
om.simulate(problem, lambda r: om.initial.committee(400, K=2, student_seed=r), 600.0, sys.argv[1], replicas=4,
            save_at=20, threads=2, keep="summary", checkpoint="run.ckpt", checkpoint_every=0.1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_killed_and_resumed(engine, tmp_path):
    """SIGKILL at a random time after the first checkpoint; benchmarks/kill_and_resume.py does it 50 times."""
    problem = om.Problem(noise=0.1, rates=om.LearningRates(xi_in=1.0, strengths=0.2))
    reference = om.simulate(problem, lambda r: om.initial.committee(400, K=2, student_seed=r), 600.0, engine,
                            replicas=4, save_at=20, keep="summary")
    file = tmp_path / "run.ckpt"
    process = subprocess.Popen([sys.executable, "-c", RUN, engine], cwd=tmp_path)
    while not file.exists():
        time.sleep(0.01)
    time.sleep(np.random.default_rng(5).uniform(0.0, 0.5))
    process.kill()
    process.wait()
    read_checkpoint(file)
    assert_same_except_threads(om.resume(file), reference)
    assert not [path for path in tmp_path.iterdir() if path.name not in ("run.ckpt",)
                and not path.name.endswith(".tmp")]


def assert_same_except_threads(run, reference):
    run.info.call.pop("threads", None)
    assert_same(run, reference)


def interrupted(tmp_path, slow_looks):
    file = tmp_path / "run.ckpt"
    om.simulate(PROBLEM, om.initial.committee(60, K=2), 2000.0, replicas=2, checkpoint=file, checkpoint_every=0.01,
                progress=StopAt(0.3))
    return file


def test_an_unfinished_run_is_not_replaced(tmp_path, slow_looks):
    file = interrupted(tmp_path, slow_looks)
    before = file.read_bytes()
    with pytest.raises(FileError, match="holds an unfinished run, which a new one would replace: resume it, delete it"):
        om.simulate(PROBLEM, om.initial.committee(60, K=2), 1.0, checkpoint=file)
    assert file.read_bytes() == before


def test_another_file_is_not_replaced(tmp_path):
    run = om.simulate(PROBLEM, om.initial.committee(60, K=2), 1.0, save_at=3)
    run.save(tmp_path / "run.npz")
    (tmp_path / "notes.txt").write_text("mine")
    for name, message in (("run.npz", "is not an onlinemode checkpoint; it holds trajectory"),
                          ("notes.txt", "truncated or not an onlinemode checkpoint")):
        before = (tmp_path / name).read_bytes()
        for action in (lambda path: om.simulate(PROBLEM, om.initial.committee(60, K=2), 1.0, checkpoint=path),
                       om.resume):
            with pytest.raises(FileError, match=message):
                action(tmp_path / name)
        assert (tmp_path / name).read_bytes() == before


def test_a_damaged_checkpoint_is_refused(tmp_path, slow_looks):
    """Truncated anywhere, or with one byte changed: one line, and the file stays as it is."""
    file = interrupted(tmp_path, slow_looks)
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for trial in range(20):
        damaged = bytearray(whole[:rng.integers(len(whole))] if trial % 2 else whole)
        if not trial % 2:  # inside the data of some array, where the checksum of the archive sees it
            damaged[rng.integers(200, len(whole) * 3 // 4)] ^= 0xFF
        file.write_bytes(damaged)
        try:
            run = om.resume(file, checkpoint=tmp_path / f"other{trial}")
        except FileError as problem:
            assert str(file) in str(problem) and "\n" not in str(problem)
        else:  # the byte was padding
            assert run.status == [om.Status.COMPLETED] * 2 and trial % 2 == 0
        assert file.read_bytes() == damaged


def test_other_kernels_are_refused(tmp_path, slow_looks, monkeypatch):
    file = interrupted(tmp_path, slow_looks)
    monkeypatch.setattr("onlinemode.simulation.kernel_version", lambda: "another")
    with pytest.raises(FileError, match="was written by other kernels .* so the bits would differ; resume it"):
        om.resume(file)


def test_a_full_disk_is_a_warning(tmp_path):
    """The file size limit of the process stands for the full disk: the run goes on, and the older checkpoint stays."""
    code = """
import resource, sys, warnings, onlinemode as om
problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
start = om.initial.committee(2000, K=2)
om.simulate(problem, start, 0.1)  # compiled and cached before files are limited
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    run = om.simulate(problem, start, 5.0, save_at=5, checkpoint="run.ckpt", checkpoint_every=0.01)
assert run.status == [om.Status.COMPLETED]
print(len(caught), caught[0].message)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 no checkpoint: cannot write run.ckpt: ")
    assert "the run goes on" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == []  # nothing half-written


def test_bad_arguments(tmp_path):
    start = om.initial.committee(60, K=2)
    with pytest.raises(ParameterError, match="checkpoint_every must be a finite number > 0; got 0"):
        om.simulate(PROBLEM, start, 1.0, checkpoint=tmp_path / "x", checkpoint_every=0)
    with pytest.raises(EngineError, match="engine ode has no checkpoints"):
        om.simulate(PROBLEM, start, 1.0, "ode", checkpoint=tmp_path / "x")
    with pytest.raises(FileError, match="cannot write .*nowhere"):
        om.simulate(PROBLEM, start, 1.0, checkpoint=tmp_path / "nowhere" / "x")
    with pytest.raises(FileError, match="there is no such file"):
        om.resume(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


SLOWLY = """
import time
from onlinemode.engines.micro import engine as micro
micro.WORK_PER_CALL, advance = 1e7, micro._Simulation.advance
micro._Simulation.advance = lambda *arguments: time.sleep(0.05) or advance(*arguments)
"""


def cli(*arguments, cwd, code=""):
    """The command in a process of its own, after some ``code``."""
    return subprocess.Popen([sys.executable, "-c", code + "from onlinemode.cli.main import main; main()", "simulate",
                             *arguments], cwd=cwd, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def stopped_by(number, *arguments, cwd):
    """Exit code and standard error of a command that lasts, on any processor, and is stopped at its first run.ckpt."""
    process = cli(*arguments, "--checkpoint", "run.ckpt", "--every", "0.1", cwd=cwd, code=SLOWLY)
    while not (cwd / "run.ckpt").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def test_command_line(tmp_path):
    """Stopped by a signal, resumed with a repeated option, equal to the run without a break; the file is gone then.

    By SIGTERM here, by Ctrl-C in the tests below of runs that begin from files.
    """
    options = ("--N", "1000", "--alpha", "250", "--no-plot", "--no-theory", "--quiet")
    ended_with, err = stopped_by(signal.SIGTERM, *options, "--out", "stopped", cwd=tmp_path)
    assert ended_with == 143
    assert "go on with: onlinemode simulate --resume run.ckpt" in err
    assert om.load(tmp_path / "stopped.npz").status == [om.Status.INTERRUPTED]

    wrong = cli("--resume", "run.ckpt", "--preset", "paper", cwd=tmp_path)
    assert "--preset does not go with the run in run.ckpt" in wrong.communicate()[1] and wrong.returncode == 2
    wrong = cli("--resume", "run.ckpt", "--N", "2000", cwd=tmp_path)
    assert "--N must be that of the run in run.ckpt, 1000; got 2000: leave it out" in wrong.communicate()[1]
    assert wrong.returncode == 2
    (tmp_path / "run.toml").write_text('preset = "paper"\nN = 1000\n', encoding="utf-8")  # the preset has done its work
    assert cli("--resume", "run.ckpt", "--config", "run.toml", "--out", "resumed", cwd=tmp_path).wait() == 0
    assert not (tmp_path / "run.ckpt").exists()
    assert cli(*options, "--out", "whole", cwd=tmp_path).wait() == 0
    assert_same(om.load(tmp_path / "resumed.npz"), om.load(tmp_path / "whole.npz"))


@pytest.mark.parametrize("written", [True, False])
def test_an_interrupt_that_no_engine_sees(written, onlinemode, tmp_path, monkeypatch):
    """How to go on is said where there is a checkpoint, and only there."""
    def interrupted(*arguments):
        if written:
            (tmp_path / "run.ckpt").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("onlinemode.cli.simulate.run_simulation", interrupted)
    code, _, err = onlinemode("simulate", "--N", 100, "--checkpoint", "run.ckpt", "--no-plot")
    assert code == 130 and ("go on with: onlinemode simulate --resume run.ckpt" in err) == written


def test_a_run_that_goes_on_is_resumed_without_the_file_it_goes_on_from(tmp_path):
    """The checkpoint holds where it began, for the theory beside it, too."""
    assert cli("--N", "1000", "--alpha", "10", "--store-final", "--no-theory", "--no-plot", "--out", "a",
               cwd=tmp_path).wait() == 0
    options = ("--start", "a.npz", "--alpha", "250", "--no-plot", "--csv")
    code, err = stopped_by(signal.SIGINT, *options, "--out", "part", cwd=tmp_path)
    assert code == 130 and "go on with: onlinemode simulate --resume run.ckpt" in err
    assert cli(*options, "--out", "whole", cwd=tmp_path).wait() == 0
    (tmp_path / "a.npz").unlink()
    process = cli("--resume", "run.ckpt", "--out", "resumed", cwd=tmp_path)
    assert "showcase from α = 10: N = 1,000" in process.communicate()[1] and process.returncode == 0
    assert_same(om.load(tmp_path / "resumed.npz"), om.load(tmp_path / "whole.npz"))
    assert "theory" in (tmp_path / "resumed.csv").read_text("utf-8")
    assert (tmp_path / "resumed.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_run_from_a_file_of_overlaps_is_resumed_without_it(tmp_path):
    """The checkpoint holds the overlaps; the file may be gone, or another one, which would be wrong theory."""
    text = 'Q = [[0.3]]\nR = [[{}]]\nT = [[1.0]]\nreadout = "sum"\n'
    (tmp_path / "mine.toml").write_text(text.format(0.1), encoding="utf-8")
    options = ("--start", "mine.toml", "--N", "1000", "--alpha", "400", "--eta", "0.5", "--no-plot", "--csv")
    assert stopped_by(signal.SIGINT, *options, "--out", "part", cwd=tmp_path)[0] == 130
    assert cli(*options, "--out", "whole", cwd=tmp_path).wait() == 0
    (tmp_path / "mine.toml").write_text(text.format(0.5), encoding="utf-8")
    assert cli("--resume", "run.ckpt", "--out", "resumed", cwd=tmp_path).wait() == 0
    assert (tmp_path / "resumed.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_command_line_refuses_what_makes_no_sense(tmp_path):
    process = cli("--every", "3", cwd=tmp_path)
    assert "--every needs --checkpoint or --resume; got neither" in process.communicate()[1]
    process = cli("--N", "100", "--checkpoint", "./x.npz", "--out", "x", cwd=tmp_path)
    assert "checkpoint and result (--out) must have different names; got ./x.npz for both" in process.communicate()[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        om.simulate(PROBLEM, om.initial.committee(60, K=2), 1.0, checkpoint=tmp_path / "python.ckpt")
    process = cli("--resume", "python.ckpt", cwd=tmp_path)
    assert "was written from Python, not by onlinemode simulate" in process.communicate()[1]


def test_students_that_no_recipe_makes_have_no_checkpoint(tmp_path):
    """It could not be resumed, and after days of work nobody wants to hear of it."""
    def start(replica):
        w = fresh(replica)
        return om.Weights(xi_in=np.array(w.xi_in), strengths=w.strengths, xi_out=w.xi_out, readout=w.readout,
                          teacher=w.teacher, teacher_readout=w.teacher_readout)

    with pytest.raises(ParameterError, match=r"^a checkpoint needs starts that can be made again .* start\(0\)"):
        om.simulate(PROBLEM, start, 1.0, "micro", replicas=2, checkpoint=tmp_path / "run.ckpt")
    assert not list(tmp_path.iterdir())
    overlaps = om.simulate(PROBLEM, lambda replica: start(replica).order_parameters(), 1.0, "chain", N=60, replicas=2,
                           checkpoint=tmp_path / "run.ckpt")
    assert overlaps.replicas == 2


def test_errors_of_a_callback_are_its_own(tmp_path, slow_looks):
    """The file is not blamed for them."""
    file = tmp_path / "run.ckpt"
    om.simulate(PROBLEM, fresh(0), 2000.0, "micro", checkpoint=file, checkpoint_every=0.001, progress=StopAt(0.3))

    def careless(report):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="^mine$"):
        om.resume(file, progress=careless)
    assert om.resume(file, progress=StopAt(0.5)).replicas == 1


def test_an_error_in_one_replica_ends_the_others(monkeypatch):
    """It is not kept back until they are done."""
    from onlinemode.engines.micro import engine as micro

    begun, honest = [], micro._MicroReplica.advance

    def advance(replica, stop):
        begun.append(replica.number)
        if replica.number == 0:
            raise RuntimeError("lost")
        return honest(replica, stop)

    monkeypatch.setattr(micro._MicroReplica, "advance", advance)
    with pytest.raises(RuntimeError, match="^lost$"):
        om.simulate(PROBLEM, om.initial.committee(60, K=2), 10_000.0, "micro", replicas=40, threads=2)
    assert len(begun) < 40
