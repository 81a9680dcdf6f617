"""The learning rule stands once: a line that is changed in it changes every engine, and the theory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sources import PACKAGE, ROOT, copy_package

STEP = Path("kernels/rule/step.py")
# Lines of the rule and what they say where a factor of 2 has crept in; which problem of rule_results.py, and which
# blocks of a state, each fault changes.  Those of one group are put in together: they do not meet.
LEARNING = {
    "along the input": ("return Step(-rule.rates.xi_in * unit / rule.batch,",
                        "return Step(-2.0 * rule.rates.xi_in * unit / rule.batch,", ("G", "S")),
    "small factors": ("return value - rate * gradient", "return value - 2.0 * rate * gradient",
                      ("strengths", "xi_out", "readout")),
    "decay": ("return rule.weight_decay", "return 2.0 * rule.weight_decay", ("G", "S")),
}
LABEL = {"along the input": ("return small.factors.teacher_readout[m]", "return 2.0 * small.factors.teacher_readout[m]",
                             ("G", "S"))}


def with_faults(faults, folder):
    """A copy of the package with these faults."""
    path = copy_package(folder) / STEP
    source = path.read_text(encoding="utf-8")
    for before, after, _ in faults.values():
        assert source.count(before) == 1
        source = source.replace(before, after)
    path.write_text(source, encoding="utf-8")
    return folder


def results(package, device):
    """What ``rule_results.py`` prints with the package in this folder, its kernels as plain Python."""
    as_python = {"NUMBA_ENABLE_CUDASIM": "1"} if device == "cuda" else {"NUMBA_DISABLE_JIT": "1"}
    environment = {**os.environ, **as_python, "PYTHONPATH": str(package), "PYTHONSAFEPATH": "1"}
    made = subprocess.run([sys.executable, ROOT / "tests" / "rule_results.py", device], env=environment,
                          capture_output=True, text=True, cwd=package)
    assert made.returncode == 0, made.stderr[-2000:]
    return json.loads(made.stdout)


@pytest.fixture(scope="module")
def right():
    return {device: results(PACKAGE.parent, device) for device in ("cpu", "cuda")}


@pytest.mark.slow
@pytest.mark.parametrize("faults", [LEARNING, LABEL], ids=["learning", "label"])
@pytest.mark.parametrize("device, engines", [("cpu", {"micro", "chain", "leap", "ode", "linear noise"}),
                                             ("cuda", {"micro", "chain"})])
def test_a_changed_line_changes_every_engine(right, tmp_path, faults, device, engines):
    if faults is LABEL:  # the theory, along which leap goes, averages labels in closed form
        engines = engines - {"ode", "leap"}
    wrong = results(with_faults(faults, tmp_path), device)
    for engine in engines:
        for name, (_, _, blocks) in faults.items():
            for block in blocks if engine != "linear noise" else ["moments"]:
                one, other = (np.array(each[engine][name][block]) for each in (right[device], wrong))
                assert np.all(np.isfinite(one)) and np.abs(one).max() > 0.0
                assert np.abs(one - other).max() > 1e-2 * np.abs(one).max(), f"{engine} does not see it: {name}"


def test_kernels_take_steps_from_the_rule_alone():
    """Its forward half is called where it stands; files that make steps call what opens, learns and closes."""
    users = {"_forward(": set(), "close_step(": set(), "sample(": set(), "sample_thinned(": set()}
    for path in (PACKAGE / "kernels").rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        for call, files in users.items():
            if call in source:
                files.add(path.relative_to(PACKAGE / "kernels").as_posix())
    own = STEP.relative_to("kernels").as_posix()
    assert users["_forward("] == {own}
    on_cpu = {"micro/sgd.py", "chain/markov.py", "chain/drifting.py"}
    dropout = "rule/dropout.py"  # which calls sample for them
    others = {own, "cuda/blocks.py", "cuda/chain.py", "averages/increments.py"}
    assert users["close_step("] == others | on_cpu and users["sample("] == others | {dropout}
    assert users["sample_thinned("] == on_cpu | {dropout}
