"""The names that users of onlinemode call, and the members of its classes; without Sphinx, so that tests can ask, too.

Each name stands in exactly one list of docs/reference, and every member on the page of its class.
"""

import ast
import inspect
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

MODULES = (  # whose public names are for users; a name that two of them have is that of the first
    "onlinemode", "onlinemode.presets", "onlinemode.initial", "onlinemode.inputs", "onlinemode.activations",
    "onlinemode.losses", "onlinemode.schedules",
    "onlinemode.observables", "onlinemode.agreement", "onlinemode.errors", "onlinemode.plotting", "onlinemode.deep",
    "onlinemode.deep.data", "onlinemode.deep.factors", "onlinemode.deep.importance", "onlinemode.deep.power_law",
    "onlinemode.deep.pruning", "onlinemode.deep.geometry", "onlinemode.deep.width", "onlinemode.deep.growth",
    "onlinemode.deep.torch", "onlinemode.engines", "onlinemode.engines.base")
RECORDS = (  # what users are given, or give, without calling it by its name
    "onlinemode.run_info.RunInfo", "onlinemode.resolved.Resolved", "onlinemode.equivalence.GaussianEquivalence",
    "onlinemode.theory.spectral_groups.EigenvalueGroups", "onlinemode.ensemble.Ensemble",
    "onlinemode.replica_states.ReplicaState",
    "onlinemode.replica_states.ReplicaStates", "onlinemode.runtime.progress.Progress",
    "onlinemode.activation_tables.Table", "onlinemode.labelled.Observable",
    "onlinemode.labelled.OBSERVABLES",
    "onlinemode.engines.micro.options.Options", "onlinemode.engines.chain.options.Options",
    "onlinemode.engines.leap.options.Options", "onlinemode.engines.ode.options.Options",
    "onlinemode.comparison.Comparison", "onlinemode.beside.Theory",
    "onlinemode.optimal.OptimalSchedule", "onlinemode.theory.optimal_control.Path",
    "onlinemode.analysis.drift.Drift", "onlinemode.analysis.findings.Finding",
    "onlinemode.analysis.fixed_points.FixedPoint", "onlinemode.analysis.fixed_points.FixedPoints",
    "onlinemode.analysis.perfect.CriticalRate", "onlinemode.analysis.perfect.NoiseFloor",
    "onlinemode.analysis.escape.EscapeLaw",
    "onlinemode.sweeps.running.SweepProgress", "onlinemode.theory.fluctuations.Fluctuations",
    "onlinemode.theory.fluctuations.Report", "onlinemode.theory.meanfield.generalization_error",
    "onlinemode.theory.meanfield.MeanFieldDrift", "onlinemode.blocks.StateLayout", "onlinemode.deep.runs.Status",
    "onlinemode.deep.runs.Progress", "onlinemode.benchmark.benchmark", "onlinemode.benchmark.Timing")


def public_names():
    """All of them, by their full names, each object once."""
    names, seen = [], set()
    for module in MODULES:
        for name, value in _of_module(module):
            if not inspect.ismodule(value) and (not callable(value) or id(value) not in seen):
                seen.add(id(value))
                names.append(f"{module}.{name}")
    return [*names, *RECORDS]


def _of_module(module):
    if module == "onlinemode.deep.torch" and find_spec("torch") is None:  # read as text
        path = Path(find_spec("onlinemode").origin).parent / "deep" / "torch.py"
        return [(node.name, object()) for node in ast.parse(path.read_text("utf-8")).body
                if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")]
    found = import_module(module)
    listed = getattr(found, "__all__", None) or [
        name for name, value in vars(found).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module]
    return [(name, getattr(found, name)) for name in listed if not name.startswith("__")]


def members(cls):
    """Public properties and methods of a class, those of its bases in this package too, in the order of the source.

    Returns
    -------
    dict
        "properties" and "methods": lists of names.
    """
    found = {"properties": [], "methods": []}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("onlinemode"):
            for name, value in vars(base).items():
                kind = ("properties" if isinstance(value, property | cached_property) else
                        "methods" if inspect.isroutine(value) and _is_own(value) else None)
                is_field = name in getattr(cls, "__dataclass_fields__", ())
                if kind and not is_field and not name.startswith("_") and name not in found[kind]:
                    found[kind].append(name)
    return found


def _is_own(value):
    """Not one that a named tuple or a dataclass was given."""
    return (getattr(getattr(value, "__func__", value), "__module__", None) or "").startswith("onlinemode")
