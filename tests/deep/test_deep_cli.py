"""``onlinemode deep``: what it writes and prints, and one line for every kind of bad input."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from onlinemode import deep
from onlinemode.cli.deep_options import hyperparameters

QUICK = ["--epochs", "2", "--halve-every", "1"]


@pytest.fixture
def run(onlinemode):
    """Run a deep command in an empty folder; returns exit code, stdout and stderr."""
    return lambda *arguments: onlinemode("deep", *arguments)


@pytest.fixture
def mixture(monkeypatch):
    """A smaller mixture in place of the default one."""
    made = deep.data.gaussian_mixture
    monkeypatch.setattr(deep.data, "gaussian_mixture", lambda train=2000, test=400, seed=0: made(train, test, seed))


@pytest.fixture
def images_npz(tmp_path, small_images):
    np.savez(tmp_path / "small.npz", **{name: getattr(small_images, name)
                                        for name in ("train_x", "train_y", "test_x", "test_y")})
    return tmp_path / "small.npz"


def test_train_alone_writes_result_and_picture(run, mixture, tmp_path):
    code, out, err = run("train")
    stem = "deep_train_gaussian-mixture_1L2P_seed0"
    assert code == 0, err
    assert (tmp_path / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
    assert "reduced setting: 20 epochs instead of 200" in err
    assert "8 hidden units instead of 3, which" in err and "one network instead of 5" in err
    assert "test acc." in out and f"{stem}.npz" in out and "63 parameters" in out
    result = deep.load_run(tmp_path / f"{stem}.npz")
    assert result.network.sizes == (2, 8, 1) and result.epochs == 20
    assert result.meta["arguments"] == {"epochs": 20, "batch": 10, "rate": 1e-3, "halve_every": 5, "decay": 1e-4,
                                        "seed": 0}
    assert run("train", *QUICK)[0] == 0  # another name, nothing is replaced
    assert deep.load_run(tmp_path / f"{stem}.npz").epochs == 20
    assert (tmp_path / "deep_train_gaussian-mixture_1L2P_seed0_2.npz").is_file()


def test_full_is_the_setting_of_the_paper(run, mixture, tmp_path):
    code, out, err = run("train", "--full", "--epochs", 0, "--seed", 7, "--out", "paper")
    assert code == 0 and "reduced" not in err and "5 networks" in err and "mean 0." in out
    assert "rate 0.001 halved every 50, decay 0.0001" in err
    for seed in range(7, 12):  # as they start
        result = deep.load_run(tmp_path / f"paper_seed{seed}.npz")
        assert np.array_equal(result.network.flat, deep.Network((2, 3, 1), modes=3, loss="mse", seed=seed).flat)
        assert result.meta["arguments"]["seed"] == seed
    assert (tmp_path / "paper.png").is_file()


@pytest.mark.parametrize("variant", deep.VARIANTS)
def test_images_and_every_variant(variant, run, images_npz, tmp_path):
    code, out, err = run("train", "--data", images_npz, "--variant", variant, "--hidden", "6,5", "--modes", "3", *QUICK,
                         "--seed", 4, "--json", "--no-plot", "--out", "x")
    assert code == 0 and err == ""
    summary = json.loads(out)
    assert summary["network"]["sizes"] == [16, 6, 5, 4] and summary["network"]["variant"] == variant
    assert summary["hyperparameters"]["seed"] == 4 and summary["epochs"] == 2 and summary["status"] == "completed"
    result = deep.load_run(tmp_path / "x.npz")
    assert summary["test_accuracy"][1] == result.test_accuracy[-1]
    assert summary["parameters"] == result.network.count_parameters()
    assert not (tmp_path / "x.png").exists()


def test_python_gives_the_bits_of_the_command_line(run, images_npz, tmp_path):
    run("train", "--data", images_npz, "--hidden", 6, "--modes", "3,2", *QUICK, "--rate", 0.01, "--out", "x")
    network = deep.Network((16, 6, 4), modes=[3, 2])
    again = deep.train(network, deep.data.arrays(images_npz), epochs=2, halve_every=1, rate=0.01)
    assert np.array_equal(deep.load(tmp_path / "x.npz").flat, again.network.flat)


def test_progress_on_a_terminal(run, mixture, monkeypatch, capsys):
    monkeypatch.setattr("onlinemode.deep.training.REPORT_EVERY", 0.0)
    monkeypatch.setattr("onlinemode.progress.Bar.SECONDS", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    _, _, err = run("train", *QUICK)
    lines = err.split("\r")
    assert any(re.fullmatch(r" *\d+%\|.*\| 00:0\d<00:0\d, epoch 2/2, loss 0\.\d{4}, accuracy 0\.\d{4} *", line)
               for line in lines)
    assert lines[-1].strip() == "" and "\n" not in lines[-1]


def test_quiet_says_nothing(run, mixture):
    assert run("train", *QUICK, "--quiet")[1:] == ("", "")


def test_options_from_a_file(run, images_npz, tmp_path):
    (tmp_path / "run.toml").write_text(f'data = "{images_npz}"\nhidden = [6, 5]\nepochs = 1\nrate = 0.01\n'
                                       'modes = "2"\n')
    assert run("train", "--config", "run.toml", "--epochs", 2, "--out", "x")[0] == 0
    result = deep.load_run(tmp_path / "x.npz")
    assert (result.network.sizes, result.network.modes) == ((16, 6, 5, 4), (2, 2, 2))
    assert result.epochs == 2 and result.meta["arguments"]["rate"] == 0.01
    (tmp_path / "bad.toml").write_text("hiden = 3\n")
    code, _, err = run("train", "--config", "bad.toml")
    assert code == 2 and "unknown key 'hiden'; did you mean hidden?" in err


@pytest.mark.parametrize("arguments, message", [
    (["--modes", "0"], "the number of modes P must be a whole number ≥ 1; got 0"),
    (["--modes", "3,x"], "'x' is not a whole number"),
    (["--hidden", "8,0"], "must be a whole number ≥ 2; got 0"),
    (["--variant", "2L"], "'2L' is not one of 'dense', '1L2P'"),
    (["--data", "nope"], "no data set 'nope'"),
    (["--data", "x.npz"], "cannot read x.npz: there is no such file"),
    (["--data", "mnist", "--data-dir", "."], "train-images-idx3-ubyte: there is no such file"),
    (["--data-dir", "."], "--data-dir is for images"),
    (["--epochs", "-1"], "epochs must be a whole number ≥ 0; got -1"),
    (["--rate", "0"], "rate must be a finite number > 0"),
    (["--repeats", "0"], "repeats must be a whole number ≥ 1"),
    (["--repeats", "2", "--checkpoint", "c"], "--checkpoint holds one run; got --repeats 2"),
    (["--every", "3"], "--every needs --checkpoint or --resume"),
    (["--resume", "none.ckpt"], "cannot read none.ckpt: there is no such file"),
    (["--out", "no/such/folder/x"], "cannot write"),
    (["--loss", "cross-entropy"], "the cross-entropy needs at least 2 outputs"),
    (["--device", "cuda"], "device cuda needs CuPy, which is not installed"),
    (["--seed", "-1"], "seed must be a whole number ≥ 0; got -1"),
])
def test_bad_input_is_one_line(arguments, message, run, mixture, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setenv("ONLINEMODE_DATA", str(tmp_path / "nothing"))
    code, out, err = run("train", *arguments)
    assert code == 2 and out == "" and message in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_diverging_run_is_one_line(run, images_npz, tmp_path):
    code, out, err = run("train", "--data", images_npz, "--hidden", 6, "--rate", 1e30, "--epochs", 50, "--quiet",
                         "--out", "x")
    assert code == 2 and out == "" and err.count("\n") == 1 and "take a smaller rate" in err
    assert deep.load_run(tmp_path / "x.npz").status.value == "diverged"


def test_fetch_needs_a_name_that_it_knows(run):
    code, _, err = run("fetch", "cifar")
    assert code == 2 and "must be one of mnist, fashion-mnist; got 'cifar'" in err and err.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("number, code", [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_interrupted_run_is_saved_and_goes_on(number, code, tmp_path, images_npz):
    """A real signal to a real process; then the bits of a process with as many BLAS threads and no break."""
    start = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a shell's & ignores it
    common = [sys.executable, "-c", f"{start}; from onlinemode.cli.main import main; main()", "deep", "train", "--data",
              str(images_npz), "--hidden", "6", "--batch", "20", "--no-plot"]
    command = [*common, "--epochs", "1000000", "--out", "part", "--checkpoint", "c.npz", "--every", "0.2"]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60.0
    while not (tmp_path / "c.npz").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(getattr(signal, number))
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "stopped by the user after" in err and "go on with: onlinemode deep train --resume c.npz" in err
    part = deep.load_run(tmp_path / "part.npz")
    assert part.status.value == "interrupted" and part.epochs > 0
    subprocess.run([*common, "--epochs", str(part.epochs), "--halve-every",
                    str(part.meta["arguments"]["halve_every"]), "--out", "whole", "--quiet"], cwd=tmp_path,
                   env=environment, check=True)
    whole = deep.load_run(tmp_path / "whole.npz")
    assert np.array_equal(whole.network.flat, part.network.flat)


def test_resume_on_the_command_line(run, images_npz, tmp_path, monkeypatch):
    monkeypatch.setattr("onlinemode.deep.training.REPORT_EVERY", 0.0)
    common = ["--data", images_npz, "--hidden", 6, "--modes", 3, "--epochs", 3, "--no-plot"]
    assert run("train", *common, "--out", "whole")[0] == 0

    from onlinemode.cli import deep_options

    shown = deep_options.EpochBar.__call__

    def stop(bar, progress):
        if progress.epoch == 1:
            raise KeyboardInterrupt
        return shown(bar, progress)

    monkeypatch.setattr(deep_options.EpochBar, "__call__", stop)
    code, _, err = run("train", *common, "--out", "part", "--checkpoint", "c.npz")
    assert code == 130 and "go on with: onlinemode deep train --resume c.npz" in err
    monkeypatch.setattr(deep_options.EpochBar, "__call__", shown)
    code, _, err = run("train", "--resume", "c.npz", "--epochs", 9)
    assert code == 2 and "--epochs must be that of the run in c.npz, 3; got 9: leave it out" in err
    (tmp_path / "c.toml").write_text("epochs = 3\nquiet = true\n", encoding="utf-8")
    assert run("train", "--resume", "c.npz", "--out", "rest", "--config", "c.toml")[0] == 0
    assert not (tmp_path / "c.npz").exists()
    whole, rest = (deep.load_run(tmp_path / f"{name}.npz") for name in ("whole", "rest"))
    assert np.array_equal(whole.network.flat, rest.network.flat) and rest.epochs == 3
    assert np.array_equal(whole.test_accuracy, rest.test_accuracy)


def test_help_is_quick_and_loads_nothing_heavy():
    code = ("import sys\nfrom onlinemode.cli.main import main\ntry:\n    main(['deep', 'train', '--help'])\n"
            "except SystemExit:\n    pass\nprint(*{name.split('.')[0] for name in sys.modules})")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.splitlines()[-1].split())
    assert "--halve-every" in result.stdout and loaded.isdisjoint({"numba", "matplotlib", "scipy", "torch", "pooch"})


@pytest.mark.parametrize("given, halve_every", [
    ({"epochs": 200}, 50), ({"epochs": 8}, 2), ({"epochs": 1}, 1), ({}, 5), ({"full": True}, 50),
    ({"epochs": 200, "halve_every": 7}, 7)])
def test_the_rate_is_halved_as_often_in_any_number_of_epochs(given, halve_every, small_images):
    network = deep.Network((small_images.inputs, 5, small_images.classes), modes=2)
    assert hyperparameters(given, network, small_images)["halve_every"] == halve_every
