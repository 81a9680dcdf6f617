"""Annotations of the public API: none is missing, and a type checker understands them as users do."""

import ast
import importlib
import inspect
import subprocess
import sys
from dataclasses import fields, is_dataclass
from functools import cached_property

import pytest
from sources import PACKAGE, ROOT

import onlinemode as om

# Public without being in onlinemode.__all__: results, and what extensions are made of.
MORE = ["onlinemode.run_info", "onlinemode.ensemble", "onlinemode.replica_states", "onlinemode.engines",
        "onlinemode.engines.base", "onlinemode.deep.data", "onlinemode.deep.torch", "onlinemode.deep.factors",
        "onlinemode.deep.geometry", "onlinemode.deep.growth", "onlinemode.deep.importance", "onlinemode.deep.power_law",
        "onlinemode.deep.pruning", "onlinemode.deep.width", "onlinemode.theory.fluctuations", "onlinemode.sweeps",
        "onlinemode.comparison"]


def public_objects():
    """Name and object of every public function and class, each once."""
    found = {"generalization_error": importlib.import_module("onlinemode.theory.meanfield").generalization_error}
    found |= {name: getattr(om, name) for name in om.__all__}
    modules = {name: value for name, value in found.items() if inspect.ismodule(value)}
    for name in MORE:
        try:
            modules[name.removeprefix("onlinemode.")] = importlib.import_module(name)
        except om.errors.EngineError:  # PyTorch is not installed; its module is looked at as text below
            assert name == "onlinemode.deep.torch"
    for name, module in modules.items():
        named = {*getattr(module, "__all__", ()), *(
            each for each, value in vars(module).items()
            if not each.startswith("_") and getattr(value, "__module__", "") == module.__name__)}
        found |= {f"{name}.{each}": getattr(module, each) for each in named}
    return {name: value for name, value in found.items()
            if (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__.startswith("onlinemode")}


def functions_of(name, value):
    """Functions of a class that are public or special, those of its bases in this package too."""
    if inspect.isfunction(value):
        yield name, value
        return
    generated = {"__init__", "__eq__", "__repr__", "__hash__", "__setattr__", "__delattr__", "__replace__",
                 "__getstate__", "__setstate__"} if is_dataclass(value) else set()
    if hasattr(value, "_fields"):  # of a named tuple
        generated |= {"__new__", "_replace", "_asdict", "_make", "__getnewargs__", "__replace__"}
    for base in value.__mro__:
        if not base.__module__.startswith("onlinemode"):
            continue
        for own, member in vars(base).items():
            if (own.startswith("_") and not own.startswith("__")) or own in generated:
                continue
            member = getattr(member, "fget", None) or getattr(member, "__func__", None) or member
            member = member.func if isinstance(member, cached_property) else inspect.unwrap(member)
            if (inspect.isfunction(member) and member.__name__ != "<lambda>"
                    and member.__module__.startswith("onlinemode")):
                yield f"{name}.{own}", member


def missing(function):
    """Arguments, and ``return``, without annotation."""
    signature = inspect.signature(function)
    names = [name for name, each in signature.parameters.items() if each.annotation is each.empty]
    if signature.return_annotation is signature.empty:
        names.append("return")
    return [name for name in names if name not in ("self", "cls")]


PUBLIC = public_objects()


def test_the_public_api_is_found():
    known = {"simulate", "Trajectory", "initial.committee", "inputs.Rows", "plotting.overview", "deep.Network",
             "deep.data.idx", "run_info.RunInfo", "ensemble.Ensemble", "generalization_error", "engines.base.option",
             "theory.fluctuations.Fluctuations", "replica_states.ReplicaStates"}
    assert known <= set(PUBLIC)
    names = {name for name, value in PUBLIC.items() for name, _ in functions_of(name, value)}
    assert {"Trajectory.final", "Trajectory.Q", "Problem.from_dict", "Weights.K", "Experiment.run",
            "inputs.Rows.__init__", "deep.Dataset.fingerprint"} <= names


def test_what_is_missing_is_told():
    def function(a, b: int, *c, d: str = "", **e: int):
        pass

    assert missing(function) == ["a", "c", "return"]


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_functions_are_annotated(name):
    lacking = {own: missing(function) for own, function in functions_of(name, PUBLIC[name])}
    assert {own: names for own, names in lacking.items() if names} == {}


@pytest.mark.parametrize("name", sorted(name for name, value in PUBLIC.items() if is_dataclass(value)))
def test_entries_say_what_they_hold(name):
    """No bare containers: what is in a dict or a list is said."""
    assert {each.name for each in fields(PUBLIC[name]) if each.type in (dict, list, tuple)} == set()


def test_layers_of_torch_are_annotated():
    """As text, since PyTorch is seldom there."""
    tree = ast.parse((PACKAGE / "deep" / "torch.py").read_text("utf-8"))
    bodies = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    functions = [node for body in bodies for node in body.body
                 if isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__init__")]
    assert {node.name for node in functions} >= {"convert", "from_dense", "forward", "weight"}
    lacking = {f"{node.name}: {each.arg}" for node in functions for each in [*node.args.args, *node.args.kwonlyargs]
               if each.annotation is None and each.arg != "self"}
    assert lacking | {node.name for node in functions if node.returns is None} == set()


def test_the_lazy_names_are_those_for_type_checkers():
    """What __getattr__ loads and what the block for type checkers imports: the same names from the same modules."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    imported = [(alias.name, alias.asname, node.module) for node in block.body for alias in node.names]
    assert all(name == public for name, public, _ in imported)  # else the name is private for type checkers
    homes = {name: module for name, _, module in imported}
    assert homes == om._HOME | dict.fromkeys(om._MODULES, "onlinemode")
    assert set(homes) == set(om.__all__) - {"__version__"}


def test_the_marker_is_shipped():
    assert (PACKAGE / "py.typed").read_text("utf-8") == ""
    assert "py.typed" in (ROOT / "setup.cfg").read_text("utf-8")


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Runs mypy with the project's settings on some files, and gives its report."""
    pytest.importorskip("mypy", reason="mypy is not installed")
    cache = tmp_path_factory.mktemp("mypy")

    def run(*files):
        command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "setup.cfg"), "--cache-dir", str(cache)]
        done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return done.stdout

    return run


def test_a_type_checker_passes(mypy):
    """The package, and user's code."""
    assert mypy().startswith("Success")


@pytest.mark.parametrize("line, told", [
    ("om.Problem(batch='many')", '"Problem" has incompatible type "str"; expected "int"'),
    ("om.simulate(om.Problem(), om.initial.committee(10), '1')", '"simulate" has incompatible type "str"'),
    ("om.simulate(om.Problem(), 10, 1.0)", 'Argument 2 to "simulate" has incompatible type "int"'),
    ("run: om.Weights = om.simulate(om.Problem(), om.initial.committee(10), 1.0)", 'has type "Trajectory"'),
    ("om.load('run.npz').nonsense", '"Trajectory" has no attribute "nonsense"'),
    ("om.deep.Network(seed='1')", '"Network" has incompatible type "str"; expected "int"'),
    ("om.plotting.overview(om.Problem())", '"overview" has incompatible type "Problem"'),
    ("om.nonsense", 'Module has no attribute "nonsense"'),
])
def test_a_type_checker_sees_a_mistake(mypy, tmp_path, line, told):
    wrong = tmp_path / "wrong.py"
    wrong.write_text(f"import onlinemode as om\n\n{line}\n", "utf-8")
    report = mypy(wrong)
    assert f"{wrong.name}:3: error: " in report
    assert told in report
    assert "Found 1 error in 1 file" in report
