"""Every command and every Python block of the README runs."""

import re
import shlex
from pathlib import Path

import pytest

from onlinemode.cli.main import main

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
GUIDE = README.split("## Five minutes on the command line")[1].split("## Five minutes in Python")[0]
COMMANDS = [line.split("#")[0].strip() for line in re.search(r"```\n(.*?)```", GUIDE, re.S)[1].splitlines()]
GOING_ON = (Path(__file__).parent.parent / "docs/howto/going-on.md").read_text(encoding="utf-8")
OVERLAPS = re.search(r"```toml\n(.*?)```", GOING_ON, re.S)[1]
PYTHON = re.findall(r"```python\n(.*?)```", README, re.S)


def test_the_guide_has_commands():
    assert len(COMMANDS) >= 6 and all(command.startswith("onlinemode ") for command in COMMANDS)
    assert len(PYTHON) == 6


def test_commands_of_the_guide(tmp_path, monkeypatch, capsys):
    """In order, in one folder; simulations with a smaller α, the benchmark at one small N, the rest as printed."""
    monkeypatch.chdir(tmp_path)
    Path("overlaps.toml").write_text(OVERLAPS)
    for command in COMMANDS:
        arguments = shlex.split(command)[1:]
        if arguments[0] in ("simulate", "compare"):
            arguments += ["--alpha", "3" if "--start" in arguments else "2"]
        if arguments[0] == "benchmark":
            arguments += ["--N", "200", "--rounds", "1"]
        if arguments[0] == "deep":
            arguments += ["--epochs", "1"]
        with pytest.raises(SystemExit) as exit_info:
            main(arguments)
        assert exit_info.value.code == 0, f"{command}\n{capsys.readouterr().err}"


def test_python_of_the_guide(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in PYTHON:
        exec(compile(block, "README.md", "exec"), names)
    assert (names["again"].G == names["run"].G).all()
    assert names["ode"].status[0].value == "completed" or names["ode"].status[0].value == "converged"
    assert names["sgd"].N == 500
    assert names["many"].replicas == 200 and names["many"].draws == 5
    assert dict(names["swept"].sizes) | {"alpha": 0} == {"eta": 3, "seed": 5, "alpha": 0} and names["one"].N == 500
    assert (names["swept"].status == "completed").all()
    assert list(names["compared"].z_scores) == ["micro", "chain"]
    assert {"etas.png", "compared.png"} <= {path.name for path in tmp_path.iterdir()}
    assert names["trained"].test_accuracy.shape == (3,)
    assert names["on_images"].error_se.shape == names["on_images"].generalization_error.shape


def test_numbers_of_the_default_run():
    """The default run, in theory (SGD at N = 10,000 takes half a minute): what the README says it shows."""
    import onlinemode as om

    start = om.initial.showcase(N=10_000, K=3, seed=0)
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=3.0)), start, 80.0, "ode")
    assert run.generalization_error[0, 0] / run.generalization_error[0, -1] > 10.0
    assert run.specialization[0, -1] - run.specialization[0, 0] > 0.5
    plateau, = run.plateaus()
    assert 5.5 < plateau.start < 6.5 and 23.5 < plateau.stop < 24.5
