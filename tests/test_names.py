"""Names of result files: claimed when they are chosen, never taken from another file, and told apart."""

import errno
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import claims, deep, simulation
from onlinemode.claims import Held, Lock, claim, claim_free
from onlinemode.cli.main import main
from onlinemode.errors import FileError
from onlinemode.storage import read_archive

QUICK = ["--N", 40, "--K", 2, "--alpha", 0.5, "--save-at", 5, "--no-plot", "--quiet"]
HOLD = ("import sys, time; from onlinemode.claims import Lock\n"
        "Lock(sys.argv[1]); print('held', flush=True); time.sleep(60)")
posix = pytest.mark.skipif(os.name == "nt", reason="needs fork or POSIX signals")


def touch(path):
    path.write_bytes(b"mine")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def files(tmp_path):
    """A finished run, a trained network and its data, in a folder of their own."""
    folder = tmp_path / "given"
    folder.mkdir()
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
    om.simulate(problem, om.initial.committee(20, K=2), 1.0, "ode", save_at=5).save(folder / "run.npz")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 4)).astype(np.float32), rng.integers(0, 3, 60)
    np.savez(folder / "data.npz", train_x=x[:40], train_y=y[:40], test_x=x[40:], test_y=y[40:])
    for seed, name in enumerate(("net", "dense")):
        network = deep.Network((4, 6, 6, 3), ("1L2P", "dense")[seed], 10, seed=seed)
        deep.train(network, deep.data.arrays(folder / "data.npz"), epochs=1, batch=20).save(folder / f"{name}.npz")
    return folder


@pytest.fixture
def cheap(monkeypatch):
    """Pictures without a line and benchmarks without a timing: names alone are looked at."""
    from onlinemode import benchmark, plotting

    monkeypatch.setattr(plotting, "overview", lambda runs, title: Figure())
    monkeypatch.setattr(benchmark, "benchmark", lambda *arguments, **options: [])


def commands(files):
    """Every command that writes, at its cheapest; the values that follow an option say in the result who made it."""
    return {
        "simulate": (["simulate", *QUICK, "--engine", "chain", "--no-theory"], "--eta"),
        "ode": (["ode", *QUICK], "--eta"),
        "compare": (["compare", *QUICK, "--engine", "chain,ode"], "--eta"),
        "sweep": (["sweep", "--over", "K=1,2", "--N", 40, "--alpha", 0.5, "--save-at", 5, "--no-plot", "-q"], "--eta"),
        "plot": (["plot", files / "run.npz", "--csv"], None),
        "repeat": (["repeat", files / "run.npz", "-q"], None),
        "benchmark": (["benchmark", "--N", 20, "--K", 1, "--no-plot", "-q"], "--rounds"),
        "train": (["deep", "train", "--data", files / "data.npz", "--batch", 20, "--epochs", 1, "--hidden", 5,
                   "--modes", 2, "--no-plot", "-q"], "--rate"),
        "modes": (["deep", "modes", files / "net.npz", "--ranking", "strength", "--no-plot", "-q"], "--confidence"),
        "prune": (["deep", "prune", files / "net.npz", "--no-plot", "-q"], "--draws"),
        "geometry": (["deep", "geometry", files / "net.npz", "--no-plot", "-q"], "--directions"),
        "width": (["deep", "width", "--data", files / "data.npz", "--widths", 4, "--grid", "1,2", "--epochs", 1,
                   "--batch", 20, "--repeats", 1, "--no-plot", "-q"], "--share"),
    }


ALL = ("simulate", "ode", "compare", "sweep", "plot", "repeat", "benchmark", "train", "modes", "prune", "geometry",
       "width")
SUFFIX = {"plot": ".png", "benchmark": ".json", "sweep": ""}


# -- claims ---------------------------------------------------------------------------------------

def test_a_claimed_name_is_refused_and_a_free_one_has_the_next_number(tmp_path):
    with claim_free(tmp_path / "run", [".npz", ".png"]) as one, claim_free(tmp_path / "run", [".npz"]) as two:
        assert (one.base.name, two.base.name) == ("run", "run_2")
        with pytest.raises(Held, match="another running process writes .*run.png: wait for it, or give another name"):
            claim(tmp_path / "run", [".png"], replace=True)
    assert names(tmp_path) == []
    touch(tmp_path / "run.png")
    with claim_free(tmp_path / "run", [".npz"], [".png"]) as three:
        assert three.base.name == "run_2"
    with pytest.raises(FileError, match="run.png is there already: give another name with --out, or --overwrite"):
        claim(tmp_path / "run", [".npz", ".png"])
    with claim(tmp_path / "run", [".npz"]) as four:  # the picture is not asked for
        assert four.base.name == "run"
    assert names(tmp_path) == ["run.png"]


@posix
def test_a_killed_process_leaves_nothing_that_blocks(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run.npz")], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(Held):
        claim(tmp_path / "run", [".npz"], replace=True)
    process.kill()
    process.communicate()
    assert len(names(tmp_path)) == 1
    with claim_free(tmp_path / "run", [".npz"]) as taken:
        assert taken.base.name == "run"
    assert names(tmp_path) == []


@posix
def test_what_another_user_left_blocks_nothing(tmp_path, monkeypatch):
    """A killed process of somebody else, in a folder for all: its hidden file can be read, not written."""
    lock, real = Lock(tmp_path / "run.npz"), os.open
    file = lock.file
    lock.release()
    file.touch()

    def of_another_user(path, flags, *mode):
        if Path(path) == file and flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied")
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", of_another_user)
    with claim(tmp_path / "run", [".npz"]), pytest.raises(Held):
        claim(tmp_path / "run", [".npz"])
    file.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the folder is not for all: nothing can be written
    with pytest.raises(FileError, match="Permission denied"):
        claim(tmp_path / "run", [".npz"])


@posix
def test_a_look_at_who_shares_a_lock_keeps_it(tmp_path):
    one, other = Lock(tmp_path / "run.npz", shared=True), Lock(tmp_path / "run.npz", shared=True)
    assert not one.is_alone()
    other.release()
    with pytest.raises(Held):
        Lock(tmp_path / "run.npz")
    one.release()
    assert names(tmp_path) == []


@posix
def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    """Between opening and locking, the process before removes the file: the lock would be on a file without a name."""
    first, real, opened = Lock(tmp_path / "run.npz"), os.open, []

    def slow(path, *arguments, **options):
        descriptor = real(path, *arguments, **options)
        if not opened:
            first.release()
        opened.append(path)
        return descriptor

    monkeypatch.setattr(claims.os, "open", slow)
    second = Lock(tmp_path / "run.npz")
    assert len(opened) == 2 and second.file.exists()
    with pytest.raises(Held):
        Lock(tmp_path / "run.npz")
    second.release()


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_replaced(links, tmp_path, monkeypatch, capsys):
    """Also where the file system has neither locks nor links."""
    if not links:
        def refuse(*arguments):
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(claims.os, "link", refuse)
        if claims.fcntl is not None:
            monkeypatch.setattr(claims.fcntl, "flock", refuse)
    with claim_free(tmp_path / "run", ["_micro.npz"]) as claimed:
        touch(tmp_path / "run_micro.npz")
        assert claimed.write("_micro.npz", lambda path: path.write_bytes(b"ours")) == tmp_path / "run_2_micro.npz"
    assert "run_micro.npz meanwhile; the result is" in capsys.readouterr().err
    assert (tmp_path / "run_micro.npz").read_bytes() == b"mine"
    assert (tmp_path / "run_2_micro.npz").read_bytes() == b"ours" and len(names(tmp_path)) == 2


def test_an_error_names_the_file_and_leaves_nothing(tmp_path):
    def full(path):
        path.write_bytes(b"half")
        raise FileError(f"cannot write {path}: No space left on device")

    with claim_free(tmp_path / "run", [".npz"]) as claimed, pytest.raises(FileError) as caught:
        claimed.write(".npz", full)
    assert str(caught.value) == f"cannot write {tmp_path / 'run.npz'}: No space left on device"
    assert names(tmp_path) == []


# -- every command --------------------------------------------------------------------------------

def start_together(folder, calls):
    """Processes forked after the imports, released at once; their exit codes."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(len(calls))

    def work(arguments):
        os.chdir(folder)
        barrier.wait()
        main([str(argument) for argument in arguments])

    processes = [context.Process(target=work, args=(call,)) for call in calls]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def values_for(name, count):
    """Values of the option that tells the runs apart."""
    return {"benchmark": range(1, count + 1), "prune": range(1, count + 1),
            "geometry": [1 + i % 2 for i in range(count)], "modes": np.round(np.linspace(0.5, 0.9, count), 6),
            "width": np.round(np.linspace(0.2, 0.9, count), 6),
            "train": np.round(np.linspace(0.001, 0.01, count), 6)}.get(name, np.round(np.linspace(0.5, 2.0, count), 6))


def found_values(name, folder):
    """What the results in a folder say that they were made with."""
    if name in ("plot", "repeat"):
        return [0] * len(list(folder.glob("*.png" if name == "plot" else "*.npz")))
    if name == "benchmark":
        return [json.loads(path.read_text())["rounds"] for path in folder.glob("*.json")]
    if name in ("simulate", "ode", "compare"):
        return [om.load(path).problem.rates.xi_in for path in folder.glob("*.npz")]
    if name == "sweep":
        for each in folder.iterdir():
            assert {path.name for path in each.iterdir()} == {"sweep.json", "table.csv", "results.zarr"}
            assert om.open_sweep(each).K.values.tolist() == [1, 2]
        return [json.loads((each / "sweep.json").read_text())["experiment"]["eta"] for each in folder.iterdir()]
    if name == "train":
        return [deep.load_run(path).meta["arguments"]["rate"] for path in folder.glob("*.npz")]
    headers = [read_archive(path, "mode analysis")[0]["analysis"] for path in folder.glob("*.npz")]
    return {"modes": lambda: [each["layers"][0]["fit"]["segments"]["breakpoint"] for each in headers],
            "prune": lambda: [each["draws"] for each in headers],
            "geometry": lambda: [each["directions"] for each in headers],
            "width": lambda: [each["share"] for each in headers]}[name]()


@posix
@pytest.mark.parametrize("name", ALL)
def test_runs_started_together_have_results_of_their_own(name, files, tmp_path, cheap):
    check_started_together(name, files, tmp_path, 2 if name in ("compare", "modes") else 4)


@posix
@pytest.mark.slow
@pytest.mark.skipif("ONLINEMODE_THIRTY" not in os.environ, reason="minutes; set ONLINEMODE_THIRTY")
@pytest.mark.parametrize("name", ALL)
def test_thirty_runs_started_together(name, files, tmp_path):
    check_started_together(name, files, tmp_path, 30)


def check_started_together(name, files, tmp_path, count):
    """Start ``count`` runs of a command in one folder; every result is there, with its own settings inside."""
    folder = tmp_path / "together"
    folder.mkdir()
    (arguments, option), values = commands(files)[name], values_for(name, count)
    calls = [[*arguments, *([option, value] if option else []), *(["--out", f"again{i}"] if name == "repeat" else [])]
             for i, value in enumerate(values)]
    if name == "plot":
        folder = files
    before = names(folder)
    assert start_together(folder, calls) == [0] * count
    assert not [each for each in names(folder) if each.startswith(".onlinemode")]
    if name == "plot":
        assert len(list(files.glob("run_plot*.png"))) == len(list(files.glob("run*.csv"))) == count
        assert len(names(folder)) == len(before) + 2 * count
        return
    found = found_values(name, folder)
    if name == "compare":
        values = np.repeat(values, 2)
    if name == "modes":  # the intervals tell the confidence
        assert len({each["high"] - each["low"] for each in found}) > 1
        assert len(found) == count
    elif option is not None:
        assert sorted(found) == pytest.approx(sorted(values))
    else:
        assert len(found) == count


@pytest.mark.parametrize("name", [each for each in ALL if each != "sweep"])
def test_a_name_that_is_there_is_refused_before_any_work(name, files, onlinemode, tmp_path, cheap):
    """By every command with one line; replaced with --overwrite, unless another process holds the name."""
    arguments, suffix = commands(files)[name][0], SUFFIX.get(name, ".npz")
    ending = "_chain" if name == "compare" else ""
    place = tmp_path / f"x{ending}{suffix}"
    touch(place)
    before = names(tmp_path)
    code, out, err = onlinemode(*arguments, "--out", "x")
    assert code == 2 and out == "" and err.count("\n") == 1
    assert f"x{ending}{suffix} is there already: give another name with --out, or --overwrite to replace it" in err
    assert place.read_bytes() == b"mine" and names(tmp_path) == before
    with Lock(place):
        code, out, err = onlinemode(*arguments, "--out", "x", "--overwrite")
        assert code == 2 and out == "" and err.count("\n") == 1 and "another running process writes x" in err
    assert place.read_bytes() == b"mine"
    assert onlinemode(*arguments, "--out", "x", "--overwrite")[0] == 0
    assert place.read_bytes() != b"mine"
    assert not [each for each in names(tmp_path) if each.startswith(".onlinemode")]


def test_automatic_names_replace_nothing(files, onlinemode, cheap):
    for _ in range(3):
        assert onlinemode("plot", files / "run.npz", "--csv")[0] == 0
    assert {each for each in names(files) if "plot" in each} == {"run_plot.png", "run_plot_2.png", "run_plot_3.png"}
    assert {each for each in names(files) if each.endswith(".csv")} == {"run.csv", "run_2.csv", "run_3.csv"}


def test_overwrite_without_a_name_replaces_the_first(onlinemode, tmp_path):
    for _ in range(2):
        assert onlinemode("ode", *QUICK, "--overwrite")[0] == 0
    assert names(tmp_path) == ["ode_showcase_N40_seed0.npz"]


# -- what a name says, and how long it may be -----------------------------------------------------

@pytest.mark.parametrize("arguments, name", [
    (["simulate"], "simulate_showcase_N40_seed0"),
    (["simulate", "--inputs", "manifold:D=20,erf"], "simulate_showcase_N40_manifold_seed0"),
    (["simulate", "--inputs", "rademacher", "--seed", 7], "simulate_showcase_N40_rademacher_seed7"),
    (["simulate", "--engine", "chain", "--activation", "linear"], "simulate_showcase_N40_chain_linear_seed0"),
    (["ode", "--activation", "poly:0,1,0,-.1"], "ode_showcase_N40_poly0_1_0_-0.1_seed0"),
    (["ode", "--activation", "erfs:1,.5,.2,1"], "ode_showcase_N40_erfs1_0.5_0.2_1_seed0"),
    (["ode", "--init", "committee", "--readout", "sum"], "ode_committee_N40_sum_seed0"),
    (["simulate", "--inputs", "rows.npy"], "simulate_showcase_N40_rows_seed0"),
    (["sweep", "--over", "eta=1", "--engine", "ode", "--inputs", "uniform"], "sweep_showcase_ode_uniform_eta")])
def test_default_names_tell_what_was_run(arguments, name, onlinemode, tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).standard_normal((50, 40)))
    quick = QUICK if arguments[0] != "simulate" else [*QUICK, "--no-theory"]
    code, _, err = onlinemode(arguments[0], *quick, *arguments[1:])
    assert code == 0, err
    assert name in [each.removesuffix(".npz") for each in names(tmp_path)]


@pytest.mark.parametrize("command", [["simulate"], ["ode"], ["compare"], ["sweep", "--over", "eta=1,2"]])
@pytest.mark.parametrize("option, rule", [
    ("--seed", "seed must be a whole number ≥ 0 and ≤ 18446744073709551615; got 1"),
    ("--N", "N must be a whole number ≥ 1 and ≤ 1000000000000000; got 1")])
def test_a_number_too_large_for_a_name_is_one_line(command, option, rule, onlinemode, tmp_path):
    code, out, err = onlinemode(*command, *QUICK, option, "1e308")
    assert code == 2 and out == "" and err.count("\n") == 1 and rule in err
    assert names(tmp_path) == []


def test_a_legal_long_name_works_and_one_too_long_is_refused_at_once(onlinemode, tmp_path, monkeypatch):
    longest = "x" * 251
    assert onlinemode("ode", *QUICK, "--csv", "--out", longest)[0] == 0
    assert names(tmp_path) == [longest + ".csv", longest + ".npz"]
    monkeypatch.setattr(simulation, "simulate", None)  # no work
    for arguments in (["ode", "--out", "x" * 252],
                      ["simulate", "--engine", "chain", "--out", "y" * 246, "--replicas", 2, "--csv"]):
        code, out, err = onlinemode(arguments[0], *QUICK, *arguments[1:])
        assert code == 2 and out == "" and err.count("\n") == 1 and "File name too long" in err
    assert len(names(tmp_path)) == 2


def test_names_after_a_long_name_are_cut(files, onlinemode, cheap):
    longest = files / ("y" * 251 + ".npz")
    shutil.copy(files / "run.npz", longest)
    for _ in range(2):
        assert onlinemode("plot", longest, "--no-theory")[0] == 0
    pictures = [each for each in names(files) if each.endswith(".png")]
    assert len(pictures) == 2 and all(len(each) <= 255 for each in pictures)
    longest = files / ("é" * 125 + ".npz")
    shutil.copy(files / "net.npz", longest)
    assert onlinemode("deep", "modes", longest, "--no-plot", "-q")[0] == 0


PATHS = [
    (["simulate", *QUICK], ("--out", "--config", "--checkpoint", "--resume", "--inputs")),
    (["ode"], ("--out", "--config")), (["compare"], ("--out", "--config")),
    (["sweep", "--over", "eta=1"], ("--out", "--config")), (["plot"], ("", )), (["plot", "run.npz"], ("--out",)),
    (["repeat"], ("",)), (["repeat", "run.npz"], ("--out",)), (["benchmark"], ("--out",)),
    (["deep", "train"], ("--out", "--config", "--checkpoint", "--resume", "--data")),
    (["deep", "train", "--data", "mnist"], ("--data-dir",)), (["deep", "modes"], ("",)),
    (["deep", "modes", "net.npz"], ("--out",)), (["deep", "prune"], ("",)), (["deep", "prune", "net.npz"],
                                                                          ("--out", "--data")),
    (["deep", "geometry"], ("",)), (["deep", "geometry", "net.npz"], ("--out", "--against", "--data")),
    (["deep", "width"], ("--data",)), (["deep", "width", "--data", "data.npz"], ("--out", "--cache")),
    (["deep", "width", "--data", "mnist"], ("--data-dir",)), (["deep", "fetch"], ("",)), (["deep", "fetch", "mnist"],
                                                                                       ("--out",))]


@pytest.mark.parametrize("value", [".", "..", "/", "", "a\0b", "a" * 300, "a" * 300 + ".npz", "a" * 300 + ".npy",
                                   "x/" * 2500, "run.npz/x"])
def test_what_is_no_file_name_is_one_line_everywhere(value, files, onlinemode, tmp_path, monkeypatch):
    """Every path of every command."""
    monkeypatch.chdir(files)
    before = names(files)
    for arguments, options in PATHS:
        for option in options:
            if value in (".", "..", "/") and option in ("--data-dir", "--cache", "--out") and (
                    arguments[:1] == ["deep"] and "fetch" in arguments or option == "--cache"):
                continue  # a folder is right there
            if value == "" and (option in ("--config", "--cache") or "fetch" in arguments):
                continue
            code, out, err = onlinemode(*arguments, *([option] if option else []), value)
            assert code == 2 and err.splitlines()[-1].startswith("onlinemode"), (arguments, option, out, err)
            fetching = "fetch" in arguments and option == "--out" and "\0" not in value  # says first what it fetches
            assert err.count("\n") == 1 + fetching, (arguments, option, err)
    assert names(files) == before


def test_a_nul_byte_in_a_configuration_file(onlinemode, tmp_path):
    for command in (["simulate"], ["deep", "train"]):
        (tmp_path / "run.toml").write_text('out = "a\\u0000b"\n')
        code, out, err = onlinemode(*command, "--config", "run.toml")
        assert code == 2 and out == "" and err.count("\n") == 1
        assert "run.toml: no value can hold a NUL byte; out is 'a\\x00b'" in err


@pytest.mark.parametrize("save", [lambda run, path: run.save(path), lambda run, path: run.to_csv(path)])
def test_a_nul_byte_in_python(save, files):
    run = om.load(files / "run.npz")
    with pytest.raises(FileError, match="cannot write a.*b: .*embedded null "):
        save(run, "a\0b")
    with pytest.raises(FileError, match="embedded null "):
        om.load("a\0b")


# -- checkpoints ----------------------------------------------------------------------------------

@posix
@pytest.mark.parametrize("out", [[], ["--out", "mine"]])
def test_a_run_that_was_stopped_goes_on_under_its_own_name(out, onlinemode, tmp_path, monkeypatch):
    """Its partial result is replaced; that of any other run is not."""
    from onlinemode.cli import simulate

    call = ["simulate", "--engine", "chain", "--N", 200, "--alpha", 500, "--save-at", 10, "--no-theory", "--no-plot",
            "-q"]
    name = "mine.npz" if out else "simulate_showcase_N200_chain_seed0.npz"

    class Stop:
        def __init__(self, quiet):
            pass

        def __call__(self, state):
            if 0.0 < state.fraction:
                raise KeyboardInterrupt

        def close(self):
            pass

    from onlinemode.engines.chain import engine as chain
    from onlinemode.runtime import replicas

    monkeypatch.setattr(chain, "STEPS_PER_CALL", 2000)
    monkeypatch.setattr(replicas, "LOOK_SECONDS", 0.002)
    with monkeypatch.context() as patch:
        patch.setattr(simulate, "ProgressBar", Stop)
        assert onlinemode(*call, *out, "--checkpoint", "run.ckpt")[0] == 130
    assert om.load(name).status == [om.Status.INTERRUPTED]
    partial = (tmp_path / name).read_bytes()
    other = om.load(name)
    other.info.call["seed"] = 5
    other.save(name)
    shutil.copy("run.ckpt", "copy.ckpt")
    code, _, err = onlinemode("simulate", "--resume", "copy.ckpt")
    if out:
        assert code == 2 and "mine.npz is there already" in err
    else:
        assert code == 0 and om.load("simulate_showcase_N200_chain_seed0_2.npz").status == [om.Status.COMPLETED]
    (tmp_path / name).write_bytes(partial)
    with Lock("run.ckpt"):
        code, _, err = onlinemode("simulate", "--resume", "run.ckpt")
        assert code == 2 and "another running process writes run.ckpt" in err
    assert onlinemode("simulate", "--resume", "run.ckpt")[0] == 0
    assert om.load(name).status == [om.Status.COMPLETED]
    assert not [each for each in names(tmp_path) if each.startswith(".onlinemode")]


@posix
def test_a_signal_leaves_no_claim(tmp_path):
    command = [sys.executable, "-c", "from onlinemode.cli.main import main; main()", "simulate", "--engine", "chain",
               "--N", "1000", "--alpha", "1e6", "--no-plot", "--no-theory"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while "steps of chain" not in process.stderr.readline():
        assert process.poll() is None
    assert len(names(tmp_path)) == 1
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert [each for each in names(tmp_path) if each.startswith(".")] == []


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files cannot be counted here")
def test_a_lock_that_fails_leaves_no_open_file(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(claims.fcntl, "flock", fail)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileError, match="Input/output error"):
        Lock(tmp_path / "run.npz")
    assert len(os.listdir("/proc/self/fd")) == before
