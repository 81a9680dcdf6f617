"""Commands and Python blocks of the how-to pages run; those of sweeps, pictures and labelled arrays elsewhere."""

import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import onlinemode as om
from onlinemode.cli.main import main

HOWTO = Path(__file__).parents[1] / "docs" / "howto"
GOING_ON = (HOWTO / "going-on.md").read_text("utf-8")


def page(name):
    return (HOWTO / name).read_text("utf-8")


def blocks(text, language):
    """Those that are not marked for a device or a cluster."""
    found = re.findall(r"^(<!-- \w+ -->\n)?```(\w*)\n(.*?)^```$", text, re.S | re.M)
    return [block for mark, name, block in found if name == language and not mark]


def run_python(name, names):
    for block in blocks(page(name), "python"):
        exec(compile(block, name, "exec"), names)
    return names


def run(command, capsys, shorter=()):
    """A command in this process, with other options at its end."""
    with pytest.raises(SystemExit) as exit_info:
        main([*shlex.split(command)[1:], *shorter])
    assert exit_info.value.code == 0, f"{command}\n{capsys.readouterr().err}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with what the pages take to be there."""
    monkeypatch.chdir(tmp_path)
    Path("overlaps.toml").write_text(re.search(r"```toml\n(.*?)```", GOING_ON, re.S)[1])
    np.save("images.npy", np.random.default_rng(0).integers(0, 256, (200, 28, 28)))
    clean = np.random.default_rng(1).standard_normal((200, 784))
    np.save("clean.npy", clean)
    np.save("noisy.npy", clean + np.random.default_rng(2).standard_normal(clean.shape))
    return tmp_path


def test_python_of_your_experiment():
    names = run_python("your-experiment.md", {})
    assert np.abs(names["sgd"].R[0] - names["theory"].R[0]).max() < 10 * 500**-0.5
    assert names["run"].strengths[0, -1].shape == (2,) and names["run"].problem.rates.strengths == 0.3
    assert names["times"].shape == (20,) and np.isfinite(names["times"]).sum() >= 10
    assert names["second"].begin.alpha == 10.0 and len(names["noise"].alpha) == len(names["first"].alpha)


COMMANDS = re.findall(r"^\| .*?`(onlinemode [^`]*)`", page("your-experiment.md"), re.M)
SHORT = {"simulate": ["--alpha", "0.5", "--no-plot"], "ode": ["--alpha", "1", "--no-plot"],
         "compare": ["--alpha", "0.5", "--no-plot"], "optimal": ["--alpha", "2", "--knots", "3", "--no-plot"]}


def test_the_table_of_your_experiment_is_found():
    assert len(COMMANDS) == 29


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_your_experiment(command, folder, capsys):
    """With a small alpha, N and grid; the deep network, which needs a data set, is tested as its own page."""
    words = shlex.split(command)
    if words[1] == "deep":
        assert re.match(r"onlinemode deep train --data fashion-mnist --variant \w+ --modes \d+$", command)
        return
    shorter = SHORT.get(words[1], ["--alpha", "0.5"])
    if "--N" in words and float(words[words.index("--N") + 1]) > 1000:
        shorter = [*shorter, "--N", "1000"]
    if words[1] == "sweep":
        command = re.sub(r":(\d+)(?= |$)", ":2", command)
    run(command, capsys, shorter)


def test_classification(folder, capsys):
    lines = [line for text in blocks(page("classification.md"), "") for line in text.splitlines()]
    assert len(lines) == 2
    for line in lines:
        run(line, capsys, ["--alpha", "0.2", "--no-plot"])
    wrong = run_python("classification.md", {})["wrong"]
    assert max(wrong["correlation"], wrong["logistic"]) < 0.15 < 0.18 < min(wrong["perceptron"], wrong["adatron"])


def test_tasks(folder, capsys):
    """With one seed and fewer points; what is said of overlap holds in each."""
    fewer = page("tasks.md").replace("seeds=6", "seeds=1").replace("[0, 0.2, 0.4, 0.6, 0.8, 0.9, 1]", "[0, 0.4, 1]")
    names = {}
    for block in blocks(fewer, "python"):
        exec(compile(block, "tasks.md", "exec"), names)
    made = names["run"]
    assert made.forgetting(0, 40.0).mean(0)[-1] > 0.03 and made.transfer(1, 40.0).mean(0)[-1] > 0.15
    alone, middle, same = names["forgetting"].values
    assert middle > 2 * max(alone, same) and same < 0.01
    assert names["theory"].task_errors[0, -1].max() < 1e-3  # replay
    first, second, sweep = (line for text in blocks(page("tasks.md"), "") for line in text.splitlines())
    shorter = ["--no-plot", "--no-theory"]
    run(first, capsys, shorter)
    printed = om.load("two.npz").task_errors[0]
    assert printed[-1] == pytest.approx([6.082e-2, 1.855e-4], rel=1e-2)
    run(second, capsys, shorter)
    assert om.load("three.npz").problem.tasks == om.Tasks.in_turn((0, 1, 0), (40.0, 70.0), (0, 1))
    run(sweep.replace("0,0.2,0.4,0.6,0.8,0.9,1", "0,1").replace("--seeds 6", "--seeds 1"), capsys,
        ["--alpha", "42", "--out", "s"])


def test_resuming(folder, capsys):
    """The checkpoint of a finished run gives its result; both commands; the script is one that a shell reads."""
    names = run_python("resuming.md", {})
    assert (names["again"].G == names["run"].G).all()
    first, second = (line for text in blocks(page("resuming.md"), "") for line in text.splitlines())
    run(first, capsys, ["--alpha", "0.1", "--N", "1000"])
    assert Path("long.npz").exists() and not Path("long.ckpt").exists()

    process = subprocess.Popen([sys.executable, "-m", "onlinemode", *shlex.split(first)[1:], "--N", "300",
                                "--alpha", "2e4", "--every", "0.1", "--overwrite", "--no-theory"])
    while not Path("long.ckpt").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    stopped = om.load("long.npz")
    assert stopped.status == [om.Status.INTERRUPTED]
    run(second, capsys)
    assert om.load("long.npz").status == [om.Status.COMPLETED]
    for name in ("resuming.md", "clusters.md"):
        for script in re.findall(r"^```sh\n(.*?)^```$", page(name), re.S | re.M):
            assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0


def test_gpu_page_on_the_cpu():
    names = run_python("gpu.md", {})
    assert names["run"].info.device == "cpu"


def test_files_for_other_languages(folder, capsys):
    for line in (line for text in blocks(page("other-languages.md"), "") for line in text.splitlines()):
        run(line, capsys, ["--alpha", "1"])
    run_python("other-languages.md", {})
    header = Path("run.csv").read_text("utf-8").splitlines()[0].split(",")
    assert {"alpha", "generalization_error"} <= set(header) and Path("run.nc").exists()
    with np.load("run.npz", allow_pickle=False) as arrays:
        assert "G" in arrays
