"""What makes the experiment of a point: an Experiment with changes, or a function that other processes can import."""

import functools
import inspect
import os
import pickle
import subprocess
import sys
import tempfile
from dataclasses import fields
from pathlib import Path

import pytest

import onlinemode as om
from onlinemode.errors import FileError, ParameterError
from onlinemode.experiment import DRAWN, OF_START
from onlinemode.sweeps.axes import grid_of
from onlinemode.sweeps.files import FunctionOfFile
from onlinemode.sweeps.plan import plan_of
from onlinemode.sweeps.recipe import FIXED, KINDS, ExperimentRecipe, FunctionRecipe, recipe_of

EXPERIMENT = om.Experiment(N=40, K=2, alpha=2.0, save_at=6, engine="chain")
VALUES = {bool: [True, False], int: [2, 3], float: [0.25, 0.5]}
WORDS = {"engine": ["ode", "MICRO"], "init": ["Paper", "graded"], "readout": ["sum"], "activation": ["ReLU", "erf"],
         "teacher_activation": ["Linear"], "loss": ["Huber", "correlation"], "labels": ["SIGN"],
         "constraint": ["Sphere"], "overlap_of": ["Readouts", "units"], "heads": ["One", "own"],
         "inputs": ["rademacher"], "precision": ["FLOAT32"], "device": ["Auto"],
         "method": ["rk45"], "averages": ["closed", "NODES"],
         "corrections": ["auto", "on", "off"]}
SOURCE = """import onlinemode as om

BASE = om.Experiment(N=40, K=2, alpha=2.0, save_at=6, engine="chain")


def make(eta, noise=0.0):
    return BASE.replace(eta=eta, noise=noise)
"""


def make(eta, noise=0.0):
    return EXPERIMENT.replace(eta=eta, noise=noise)


def anything(**values):
    return EXPERIMENT.replace(**values)


def nothing(eta):
    return {"eta": eta}


def fails_below_one(eta):
    if eta < 1:
        raise RuntimeError("no luck")
    return EXPERIMENT.replace(eta=eta)


def of_status(status):
    return EXPERIMENT.replace(eta=status)


def of_replicas(count):
    return EXPERIMENT.replace(replicas=count)


class Maker:
    def __call__(self, eta):
        return EXPERIMENT.replace(eta=eta)

    def make(self, eta):
        return EXPERIMENT.replace(eta=eta)


def file_of(tmp_path, source=SOURCE, name="experiments.py"):
    (tmp_path / name).write_text(source, encoding="utf-8")
    return tmp_path / name


# -- an Experiment -------------------------------------------------------------------------------


def test_every_value_of_an_experiment_can_be_swept_but_those_of_the_whole_sweep():
    assert set(KINDS) == {each.name for each in fields(om.Experiment)} - set(FIXED)
    assert set(FIXED) == {"overlaps", "replicas", "keep", "quantiles", "save_at", "threads", "turns", "shares",
                          "task_noise"}
    recipe = ExperimentRecipe(EXPERIMENT)
    for name in FIXED:
        with pytest.raises(ParameterError, match=f"^a sweep can be over alpha, .*; got '{name}'$"):
            recipe.kind(name)


@pytest.mark.parametrize("name", KINDS)
def test_kinds_are_those_of_the_defaults(name):
    default = getattr(om.Experiment(), name)
    assert ExperimentRecipe(EXPERIMENT).kind(name) in (bool, int, float, str)
    assert default is None or type(default) is KINDS[name]
    assert (KINDS[name] is str) == (name in WORDS)


@pytest.mark.parametrize("name", KINDS)
def test_values_are_those_of_the_experiment_of_a_point(name):
    """The short way and the one with all checks."""
    recipe = ExperimentRecipe(EXPERIMENT)
    grid = grid_of({name: WORDS.get(name) or VALUES[KINDS[name]]}, None, recipe)
    for number in range(grid.size):
        point = grid.point(number)
        assert list(recipe.values(point).items()) == list(vars(recipe.at(point)).items())
        assert getattr(recipe.at(point), name) == point[name]


def test_what_is_drawn_cannot_be_swept_over_given_overlaps():
    start = om.initial.committee(40, K=2).order_parameters()
    recipe = ExperimentRecipe(EXPERIMENT.replace(overlaps=start))
    for name in DRAWN:
        with pytest.raises(ParameterError, match=f"^{name} cannot be swept: the student and its teacher are those of"):
            recipe.kind(name)
    assert recipe.kind("eta") is float
    swept = om.sweep(recipe.experiment, {"eta": [1, 2]}, keep="Q")
    assert swept.Q.values[0, 0] == pytest.approx(start.Q, abs=1e-12)


@pytest.mark.parametrize("init", ["showcase", "tasks"])
def test_starts_depend_on_what_is_said_to_make_them(init):
    """Points that agree in it share a start."""
    experiment = om.Experiment(init=init, N=40, K=2, engine="chain")
    bits = experiment.start().fingerprint()
    others = {"quantiles": [(0.5,)], "replicas": [7], "keep": ["summary"], "save_at": [7, (0.5, 1.0)], "threads": [2],
              "activation": ["relu"], "teacher_activation": ["relu"]}
    for name in {each.name for each in fields(experiment)} - set(OF_START):
        for value in others.get(name) or WORDS.get(name) or VALUES[KINDS[name]]:
            assert experiment.replace(**{name: value}).start().fingerprint() == bits, name
    changes = {"N": 41, "K": 3, "seed": 1, "readout": "sum", "student_size": 0.7}
    for name, value in (changes | ({"tasks": 3, "overlap": 0.2} if init == "tasks" else {"init": "graded"})).items():
        assert name in OF_START
        assert experiment.replace(**{name: value}).start().fingerprint() != bits, name


def test_threads_are_no_part_of_the_description():
    described = [ExperimentRecipe(EXPERIMENT.replace(threads=threads)).to_dict() for threads in (1, 2)]
    assert described[0] == described[1] and "threads" not in described[0]["experiment"]
    assert described[0] != ExperimentRecipe(EXPERIMENT.replace(noise=0.1)).to_dict()
    assert om.Experiment.from_dict(described[0]["experiment"]) == EXPERIMENT


# -- functions -----------------------------------------------------------------------------------


def test_a_function_of_a_module():
    recipe = recipe_of(make)
    assert recipe == FunctionRecipe(make) and pickle.loads(pickle.dumps(recipe)).at({"eta": 2.0}).eta == 2.0
    assert recipe.at({"eta": 2.0, "noise": 0.5}) == EXPERIMENT.replace(eta=2.0, noise=0.5)
    assert recipe.values({"eta": 2.0}) == vars(make(2.0))
    assert recipe.name == f"{__name__}:make"
    assert recipe.kind("eta") is None and recipe.spelled("eta", "X") == "X"


def test_a_class_and_a_method_are_functions():
    assert recipe_of(om.Experiment).at({"eta": 2.0}) == om.Experiment(eta=2.0)
    recipe = pickle.loads(pickle.dumps(recipe_of(Maker().make)))
    assert recipe.at({"eta": 2.0}).eta == 2.0 and recipe.name == f"{__name__}:Maker.make"


def test_the_points_of_a_function():
    swept = om.sweep(make, {"eta": [1.0, 2.0], "noise": "0,0.5"})
    for eta in (1.0, 2.0):
        for noise in (0, 0.5):
            point = swept.sel(eta=eta, noise=noise)
            run = make(eta, noise).run()
            assert point.generalization_error.values.tolist() == run.generalization_error[0].tolist()


def closure():
    return lambda eta: EXPERIMENT.replace(eta=eta)


def inner():
    def made(eta):
        return EXPERIMENT.replace(eta=eta)

    return made


@pytest.mark.parametrize("function, got", [
    (closure(), "closure.<locals>.<lambda>"), (lambda eta: EXPERIMENT, "<lambda>"), (inner(), "inner.<locals>.made"),
    (Maker(), "<.*Maker object at 0x[0-9a-f]+>"), (functools.partial(make, noise=0.1), "functools.partial.*")])
def test_functions_that_other_processes_cannot_import(function, got):
    with pytest.raises(ParameterError, match=r"^make must be an Experiment, or a function that other processes can "
                                             rf"import, at the top level of a module or FILE.py:NAME; got '?{got}'?$"):
        recipe_of(function)


@pytest.mark.parametrize("make, words", [
    (5, "make must be an onlinemode.Experiment, a function that returns one, or its name; got int"),
    (None, "or its name; got NoneType"),
    ("make", "make must be FILE.py:NAME or MODULE:NAME; got 'make'"),
    ("experiments.py:", "make must be FILE.py:NAME or MODULE:NAME; got 'experiments.py:'"),
    ("experiments.py:a b", "make must be FILE.py:NAME or MODULE:NAME; got 'experiments.py:a b'"),
    ("no.such.module:make", "make = 'no.such.module:make' cannot be imported: No module named 'no'"),
    (":make", "make = ':make' cannot be imported: Empty module name"),
    ("json:frob", "make = 'json:frob' cannot be imported: module 'json' has no attribute 'frob'"),
    ("json:__name__", "make must be an Experiment, or a function that other processes can import")])
def test_what_makes_no_experiments(make, words):
    with pytest.raises(ParameterError) as error:
        recipe_of(make)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_arguments_that_a_function_does_not_have():
    with pytest.raises(ParameterError, match=rf"^{__name__}:make has no argument 'N'; it has eta, noise$"):
        recipe_of(make).kind("N")
    assert recipe_of(anything).kind("N") is None


def test_a_function_that_returns_something_else():
    with pytest.raises(ParameterError, match=r"nothing must return an onlinemode.Experiment; got dict$"):
        recipe_of(nothing).at({"eta": 1.0})
    with pytest.raises(ParameterError, match=r"^eta = 1: .*nothing must return"):
        om.sweep(nothing, {"eta": [1]})


def test_a_function_that_fails_everywhere_is_told_of_before_the_sweep():
    with pytest.raises(ParameterError, match="^eta = 0.5: RuntimeError: no luck$"):
        om.sweep(fails_below_one, {"eta": [0.5, 0.7]})
    with pytest.raises(ParameterError, match="^noise = 1: TypeError: .*missing 1 required positional argument: 'eta'"):
        om.sweep(make, {"noise": [1]})


def test_a_function_that_fails_somewhere_stops_nothing():
    swept = om.sweep(fails_below_one, {"eta": [0.5, 1.0]}, keep="Q")
    assert swept.status.values.tolist() == ["error", "completed"]
    assert swept.message.values.tolist() == ["RuntimeError: no luck", ""]


def test_arguments_named_like_results_are_refused_before_the_sweep(monkeypatch):
    monkeypatch.setattr("onlinemode.simulation.simulate", None)
    with pytest.raises(ParameterError, match="^status is a name of the results, and cannot be swept: give the argum"):
        om.sweep(of_status, {"status": [1, 2]})
    for name, keep in (("replica", ()), ("mode", "G"), ("final_error", ()), ("Q", "Q")):
        with pytest.raises(ParameterError, match=f"^{name} is a name of the results"):
            plan_of(tolerant, {name: [1, 2]}, keep=keep)
    assert plan_of(tolerant, {"mode": [1, 2], "alpha": [1]}).grid.dims == ("mode", "last_alpha")


def tolerant(**values):
    return EXPERIMENT


def test_points_of_a_function_may_have_fewer_replicas_than_others(monkeypatch):
    """The others are missing, which is no failure; more than a large sweep has room for cannot be run."""
    reports = []
    swept = om.sweep(of_replicas, {"count": [2, 1, 3]}, keep="Q", progress=reports.append)
    assert swept.sizes["replica"] == 3 and reports[-1].failed == 0
    assert swept.status.values.tolist() == [["completed"] * 2 + ["missing"], ["completed"] + ["missing"] * 2,
                                            ["completed"] * 3]
    monkeypatch.setattr("onlinemode.sweeps.plan.MOST_LOOKED_AT", 1)
    narrow = om.sweep(of_replicas, {"count": [2, 1, 3]}, keep="Q")
    assert narrow.status.values.tolist() == [["completed"] * 2, ["completed", "missing"], ["invalid"] * 2]
    assert narrow.message.values[2] == ("a sweep of 2 replicas, by the points that were looked at first, has no "
                                         "room for 3")
    with pytest.raises(ParameterError, match="^replicas are those of the experiments that .*of_replicas makes; leave"):
        om.sweep(of_replicas, {"count": [2]}, replicas=3)


# -- functions by their name ---------------------------------------------------------------------


def test_a_function_of_a_module_by_its_name(tmp_path, monkeypatch):
    file_of(tmp_path, name="experiments_of_a_test.py")
    monkeypatch.syspath_prepend(tmp_path)
    recipe = recipe_of("experiments_of_a_test:make")
    assert recipe.name == "experiments_of_a_test:make" and recipe.at({"eta": 2.0}) == EXPERIMENT.replace(eta=2.0)
    sys.modules.pop("experiments_of_a_test")


def test_a_function_of_a_file(tmp_path):
    path = file_of(tmp_path)
    recipe = recipe_of(f"{path}:make")
    assert recipe.name == f"{path}:make" and recipe.at({"eta": 2.0}) == EXPERIMENT.replace(eta=2.0)
    assert recipe.kind("noise") is None and list(inspect.signature(recipe.function).parameters) == ["eta", "noise"]
    with pytest.raises(ParameterError, match="experiments.py:make has no argument 'N'; it has eta, noise$"):
        recipe.kind("N")
    assert om.sweep(f"{path}:make", {"eta": [1.0]}).final_error == EXPERIMENT.replace(eta=1.0).run(
        ).generalization_error[0, -1]


def test_a_function_of_a_file_travels_without_the_file(tmp_path):
    """To another process, which has neither the file nor this test."""
    path = file_of(tmp_path)
    sent = tmp_path / "recipe.pickle"
    sent.write_bytes(pickle.dumps(recipe_of(f"{path}:make")))
    path.unlink()
    script = f"import pickle; print(pickle.load(open({str(sent)!r}, 'rb')).at({{'eta': 2.0}}).eta)"
    found = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert found.stdout == "2.0\n", found.stderr


def test_a_file_with_a_byte_order_mark(tmp_path):
    assert recipe_of(f"{file_of(tmp_path, chr(0xfeff) + SOURCE)}:make").at({"eta": 2.0}).eta == 2.0


def test_the_description_changes_with_the_source(tmp_path):
    described = []
    for source in (SOURCE, SOURCE, SOURCE.replace("N=40", "N=50")):
        described.append(recipe_of(f"{file_of(tmp_path, source)}:make").to_dict())
    assert described[0] == described[1] and described[0]["function"] == f"{tmp_path / 'experiments.py'}:make"
    assert described[0]["source"] != described[2]["source"] and len(described[0]["source"]) == 64
    assert recipe_of(make).to_dict()["source"] != recipe_of(anything).to_dict()["source"]


def test_the_description_of_a_function_without_source():
    assert len(recipe_of(dict).to_dict()["source"]) == 64


@pytest.mark.parametrize("source, words", [
    ("x = ", "cannot run .*experiments.py: SyntaxError: "), ("1 / 0", "cannot run .*: ZeroDivisionError: division by"),
    ("", "experiments.py has no function make$"), ("make = 5", "experiments.py has no function make$"),
    (None, "^cannot read .*experiments.py: No such file or directory$")])
def test_files_without_the_function(source, words, tmp_path):
    if source is not None:
        file_of(tmp_path, source)
    with pytest.raises(FileError, match=words) as error:
        recipe_of(f"{tmp_path / 'experiments.py'}:make")
    assert "\n" not in str(error.value)


def test_a_file_of_other_bytes(tmp_path):
    (tmp_path / "experiments.py").write_bytes(b"\xff\xfe")
    with pytest.raises(FileError, match="^cannot read .*experiments.py: "):
        FunctionOfFile(tmp_path / "experiments.py", "make")


def test_the_code_of_a_function_is_the_same_in_every_process():
    """Also of one with a set of words, whose order differs from process to process."""
    def hash_with(seed):
        code = ("from onlinemode.sweeps.recipe import FunctionRecipe; from code_of_a_test import make; "
                "print(FunctionRecipe(make).code())")
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder,
                              env={**os.environ, "PYTHONHASHSEED": str(seed)}).stdout

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "code_of_a_test.py").write_text(
            "def make(init):\n    return 1 if init in {'paper', 'graded', 'showcase', 'committee'} else 2\n")
        assert len({hash_with(seed) for seed in (1, 2, 3, 4)}) == 1
