"""docs/howto/extending.md does what it says: an activation of a user's file, in every engine and in a command."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from sources import PACKAGE, ROOT

RUN = """
import json, sys
import numpy as np
import onlinemode as om
import mine

device = sys.argv[1]
problem = om.Problem(om.Activation.from_function(mine.softsign, breaks=[0]), noise=0.1, teacher_activation=mine.swish,
                     rates=om.LearningRates(xi_in=1.0, readout=0.1))
size = 16 if device == "cuda" else 2000
alpha = 0.5 if device == "cuda" else 3.0
start = om.initial.committee(size, K=2, seed=1)
runs = {engine: om.simulate(problem, start, alpha, engine, save_at=[alpha], device=device, seed=2)
        for engine in ("micro", "chain")}
if device == "cpu":
    runs["ode"] = om.simulate(problem, start, alpha, "ode", save_at=[alpha], nodes=2**10)
    again = om.repeat(runs["micro"])
    assert np.array_equal(again.G, runs["micro"].G)
    om.fluctuations(problem, start, [0.0, 0.02], nodes=256)
print(json.dumps({engine: [float(run.G[0, 0, 0, 0]), float(run.generalization_error[0, 0])]
                  for engine, run in runs.items()}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the file of the page."""
    page = (ROOT / "docs" / "howto" / "extending.md").read_text(encoding="utf-8")
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine.py").write_text(re.findall(r"```python\n(.*?)```", page, re.S)[0], encoding="utf-8")
    return folder


def python(folder, *arguments, **environment):
    made = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=folder, env={
        **os.environ, "PYTHONPATH": f"{PACKAGE.parent}{os.pathsep}{folder}", "PYTHONSAFEPATH": "1", **environment})
    assert made.returncode == 0, made.stderr[-2000:]
    return made.stdout


@pytest.mark.slow
def test_an_activation_of_a_file_in_every_engine(folder):
    found = json.loads(python(folder, "-c", RUN, "cpu"))
    (G, error), chain, ode = found["micro"], found["chain"], found["ode"]
    for engine in (chain, ode):  # one run at N = 2,000: a per cent or so
        assert engine[0] == pytest.approx(G, rel=0.1) and engine[1] == pytest.approx(error, rel=0.1)
    assert G != pytest.approx(1.0, rel=1e-3) and error > 0.0


@pytest.mark.slow
def test_on_a_device_too(folder):
    """To the numbers of the CPU."""
    found = json.loads(python(folder, "-c", RUN, "cuda", NUMBA_ENABLE_CUDASIM="1"))
    small = RUN.replace('if device == "cuda" else 2000', 'if True else 0').replace(
        'if device == "cuda" else 3.0', 'if True else 0').replace('if device == "cpu":', "if False:")
    assert small.count("if True else 0") == 2 and small.count("if False:") == 1
    expected = json.loads(python(folder, "-c", small, "cpu"))
    assert set(found) == set(expected) == {"micro", "chain"}
    for engine, values in expected.items():
        assert found[engine] == pytest.approx(values, rel=1e-9)


def test_on_the_command_line(folder, tmp_path):
    """The result needs the file no more."""
    import onlinemode as om

    own = "--teacher-activation", "mine.py:swish", "--activation", "mine.py:softsign"
    python(folder, "-m", "onlinemode", "simulate", "--engine", "chain", "--N", "300", "--alpha", "1", "--eta", "0.5",
           "--quiet", "--no-plot", "--nodes", "256", *own, "--out", str(tmp_path / "run.npz"))
    run = om.load(tmp_path / "run.npz")
    assert [each.name for each in run.problem.activations] == ["softsign", "swish"]
    z = np.linspace(-3.0, 3.0, 50)
    assert np.abs(run.problem.activations[0](z) - z / (1.0 + np.abs(z))).max() < 1e-10
    assert np.array_equal(om.repeat(run).G, run.G)
