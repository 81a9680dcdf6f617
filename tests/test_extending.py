"""docs/howto/extending.md does what it says: a new activation in one file, in every engine and on the command line."""

import json
import os
import re
import subprocess
import sys

import pytest
from sources import ROOT, copy_package

RUN = """
import json, sys
import numpy as np
import onlinemode as om

device = sys.argv[1]
problem = om.Problem("softsign", noise=0.1, rates=om.LearningRates(xi_in=2.0, readout=0.1))
size = 16 if device == "cuda" else 2000
alpha = 0.5 if device == "cuda" else 3.0
start = om.initial.committee(size, K=2, seed=1)
runs = {engine: om.simulate(problem, start, alpha, engine, save_at=[alpha], device=device, seed=2)
        for engine in ("micro", "chain")}
if device == "cpu":
    runs["ode"] = om.simulate(problem, start, alpha, "ode", save_at=[alpha])
    again = om.repeat(runs["micro"])
    assert np.array_equal(again.G, runs["micro"].G)
    om.fluctuations(problem, start, [0.0, alpha], nodes=256)
print(json.dumps({engine: [float(run.G[0, 0, 0, 0]), float(run.generalization_error[0, 0])]
                  for engine, run in runs.items()}))
"""


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """The package with the two pieces of code of the page in their place."""
    page = (ROOT / "docs" / "howto" / "extending.md").read_text(encoding="utf-8")
    function, entry = re.findall(r"```python\n(.*?)```", page, re.S)[:2]
    folder = tmp_path_factory.mktemp("extended")
    path = copy_package(folder) / "activations.py"
    source = path.read_text(encoding="utf-8")
    table = "ACTIVATIONS = {each.name: each for each in (\n"
    assert source.count(table) == 1
    path.write_text(source.replace(table, f"{function}\n\n{table}{entry}"), encoding="utf-8")
    return folder


def python(folder, *arguments, **environment):
    made = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=folder, env={
        **os.environ, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1", **environment})
    assert made.returncode == 0, made.stderr[-2000:]
    return made.stdout


@pytest.mark.slow
def test_a_new_activation_in_one_file(extended):
    found = json.loads(python(extended, "-c", RUN, "cpu"))
    (G, error), chain, ode = found["micro"], found["chain"], found["ode"]
    for engine in (chain, ode):  # one run at N = 2,000: a per cent or so
        assert engine[0] == pytest.approx(G, rel=0.1) and engine[1] == pytest.approx(error, rel=0.1)
    assert G != pytest.approx(1.0, rel=1e-3) and error > 0.0


@pytest.mark.slow
def test_on_a_device_too(extended):
    """To the numbers of the CPU."""
    found = json.loads(python(extended, "-c", RUN, "cuda", NUMBA_ENABLE_CUDASIM="1"))
    small = RUN.replace('if device == "cuda" else 2000', 'if True else 0').replace(
        'if device == "cuda" else 3.0', 'if True else 0').replace('if device == "cpu":', "if False:")
    assert small.count("if True else 0") == 2 and small.count("if False:") == 1
    expected = json.loads(python(extended, "-c", small, "cpu"))
    assert set(found) == set(expected) == {"micro", "chain"}
    for engine, values in expected.items():
        assert found[engine] == pytest.approx(values, rel=1e-9)


def test_the_command_line_knows_it(extended):
    said = python(extended, "-m", "onlinemode", "simulate", "--help")
    assert "softsign" in said


def test_without_the_page_there_is_none():
    from onlinemode.activations import NAMES

    assert "softsign" not in NAMES
