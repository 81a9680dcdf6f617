"""The learning rule stands once: a line that is changed in it changes every engine, and the theory."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
STEP = Path("kernels/rule/step.py")
# One line for each of the problems of rule_results.py, and what it says where a factor of 2 has crept in.
FAULTS = {
    "along the input": ("return Step(-rule.rates.xi_in * unit / rule.batch,",
                        "return Step(-2.0 * rule.rates.xi_in * unit / rule.batch,"),
    "small factors": ("return value - rate * gradient", "return value - 2.0 * rate * gradient"),
    "decay": ("return rule.weight_decay", "return 2.0 * rule.weight_decay"),
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """The package with all three faults."""
    folder = tmp_path_factory.mktemp("faulty")
    shutil.copytree(ROOT / "onlinemode", folder / "onlinemode", ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "onlinemode" / STEP
    source = path.read_text(encoding="utf-8")
    for before, after in FAULTS.values():
        assert source.count(before) == 1
        source = source.replace(before, after)
    path.write_text(source, encoding="utf-8")
    return folder


def results(package, device):
    """What ``rule_results.py`` prints with the package in this folder."""
    simulator = {"NUMBA_ENABLE_CUDASIM": "1"} if device == "cuda" else {}
    environment = {**os.environ, **simulator, "PYTHONPATH": str(package), "PYTHONSAFEPATH": "1"}
    made = subprocess.run([sys.executable, ROOT / "tests" / "rule_results.py", device], env=environment,
                          capture_output=True, text=True, cwd=package)
    assert made.returncode == 0, made.stderr[-2000:]
    return json.loads(made.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("device, engines", [("cpu", {"micro", "chain", "ode", "linear noise"}),
                                             ("cuda", {"micro", "chain"})])
def test_a_changed_line_changes_every_engine(faulty, device, engines):
    right, wrong = results(ROOT, device), results(faulty, device)
    assert set(right) == set(wrong) == engines
    for engine in engines:
        for name in FAULTS:
            one, other = (np.array(each[engine][name]) for each in (right, wrong))
            assert np.all(np.isfinite(one)) and np.abs(one).max() > 0.0
            assert np.abs(one - other).max() > 1e-2 * np.abs(one).max(), f"{engine} does not see the fault: {name}"


def test_kernels_take_steps_from_the_rule_alone():
    """Its pieces are called where they stand; files that make steps call what opens, learns and closes."""
    users = {"_forward(": set(), "_backward(": set(), "_add_gradients(": set(), "close_step(": set(), "sample(": set()}
    for path in (ROOT / "onlinemode" / "kernels").rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        for call, files in users.items():
            if call in source:
                files.add(path.relative_to(ROOT / "onlinemode" / "kernels").as_posix())
    own = STEP.relative_to("kernels").as_posix()
    assert users["_forward("] == users["_backward("] == users["_add_gradients("] == {own}
    expected = {own, "micro/sgd.py", "chain/markov.py", "cuda/blocks.py", "cuda/chain.py", "averages/increments.py"}
    assert users["close_step("] == users["sample("] == expected
