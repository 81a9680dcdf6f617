"""Sweeps over activations that no word tells: their names in results, their numbers in ``sweep.json``."""

import json

import numpy as np
import pytest
from small_sweeps import identical

import onlinemode as om
from onlinemode.errors import FileError, ParameterError
from onlinemode.sweeps import work
from onlinemode.sweeps.axes import Axis, grid_of
from onlinemode.sweeps.recipe import ExperimentRecipe

SMALL = om.Experiment(engine="chain", init="committee", K=2, N=50, alpha=1.0, save_at=4)
RECIPE = ExperimentRecipe(SMALL)
FILE = """
import numpy as np
import onlinemode as om

def softsign(z):
    return z / np.sqrt(1.0 + z * z)

gentle = lambda z: np.arctan(z)
cube = om.Activation.parse("poly:0,1,0,0.1")
"""


@pytest.fixture(scope="module")
def softsign():
    return om.Activation.from_function(lambda z: z / np.sqrt(1.0 + z * z), name="softsign")


@pytest.fixture(scope="module")
def steeper():
    return om.Activation.from_function(lambda z: 1.1 * z / np.sqrt(1.0 + z * z), name="softsign")


@pytest.fixture(scope="module")
def over(softsign):
    return {"activation": [softsign, "erf", om.Activation.parse("poly:0,1,0,.1")], "eta": [1, 2]}


def test_points_are_runs_of_the_values(over, softsign):
    swept = om.sweep(SMALL, over)
    assert swept.activation.values.tolist() == ["softsign", "erf", "poly:0,1,0,0.1"]
    one = SMALL.replace(activation=softsign, eta=2.0, save_at=tuple(swept.alpha.values)).run()
    assert np.array_equal(swept.generalization_error.sel(activation="softsign", eta=2.0), one.generalization_error[0])
    assert not np.array_equal(*(swept.final_error.sel(eta=2.0, activation=name) for name in ("softsign", "erf")))


def test_a_folder_goes_on_and_grows(over, softsign, steeper, tmp_path, monkeypatch):
    made = om.sweep(SMALL, over, store=tmp_path / "s")
    written = json.loads((tmp_path / "s" / "sweep.json").read_text("utf-8"))["over"]
    assert om.Activation.from_dict(written[0][1][0][0]) == softsign and written[0][1][1] == ["erf"]
    assert Axis.from_list(written[0]) == grid_of(over, None, RECIPE).axes[0]
    real, points = work._run, []
    monkeypatch.setattr(work, "_run", lambda job, point, *given: points.append(point) or real(job, point, *given))
    assert identical(om.sweep(SMALL, over, store=tmp_path / "s"), made) and not points
    assert identical(om.open_sweep(tmp_path / "s"), made)
    more = om.sweep(SMALL, {"activation": [softsign, "linear"], "eta": [1, 2]}, store=tmp_path / "s")
    assert len(points) == 2 and more.activation.values.tolist()[-1] == "linear"
    with pytest.raises(ParameterError, match="two of activation are called softsign"):
        om.sweep(SMALL, {"activation": [steeper], "eta": [1, 2]}, store=tmp_path / "s")


def test_processes_have_the_same(softsign):
    """Also for teachers, and where the experiment itself has a table; ε_g to the last bits, since its averages may have
    been compiled in another order there."""
    experiment = SMALL.replace(activation=softsign)
    over = {"teacher_activation": [om.Activation.from_function(np.sin, name="sine"), "erf"]}
    here, there = om.sweep(experiment, over), om.sweep(experiment, over, executor="processes", workers=1)
    errors = ["generalization_error", "final_error"]
    for name in errors:
        assert np.abs(here[name] - there[name]).max() < 1e-15
    assert identical(here.drop_vars(errors), there.drop_vars(errors))


def test_names_must_differ(softsign, steeper):
    with pytest.raises(ParameterError, match="^activations in a sweep must have different names, by which results know "
                                             "them; two of activation are called softsign: give Activation"):
        om.sweep(SMALL, {"activation": [softsign, steeper]})
    nameless = [om.Activation.from_function(lambda z, a=a: np.tanh(a * z)) for a in (1.0, 1.1)]
    assert len(set(grid_of({"activation": nameless}, None, RECIPE).axes[0].labels("activation"))) == 2
    with pytest.raises(ParameterError, match="the values of activation must differ"):
        om.sweep(SMALL, {"activation": [softsign, softsign]})
    with pytest.raises(ParameterError, match="init must be"):
        om.sweep(SMALL, {"init": [softsign]})


def test_functions_of_files(tmp_path):
    (tmp_path / "mine.py").write_text(FILE, "utf-8")
    file = tmp_path / "mine.py"
    grid = grid_of({"activation": f"{file}:softsign,poly:0,1,0.5,{file}:gentle,{file}:cube"}, None, RECIPE)
    assert grid.axes[0].labels("activation") == ["softsign", "poly:0,1,0.5", "gentle", "poly:0,1,0,0.1"]
    with pytest.raises(FileError, match="has no function frob"):
        grid_of({"activation": [f"{file}:frob"]}, None, RECIPE)


def test_the_command_line(tmp_path, onlinemode):
    """A table and a summary have the names."""
    (tmp_path / "mine.py").write_text(FILE, "utf-8")
    code, out, err = onlinemode("sweep", "--over", "activation=mine.py:softsign,erf", "--N", 40, "--init", "committee",
                                "--K", 1, "--alpha", 0.5, "--save-at", 3, "--no-plot", "--json", "--out", "s")
    assert code == 0, err
    summary = json.loads(out)
    assert summary["over"] == {"activation": ["softsign", "erf"]}
    assert [point["activation"] for point in summary["points"]] == ["softsign", "erf"]
    assert "softsign,completed" in (tmp_path / "s" / "table.csv").read_text("utf-8")
