"""onlinemode: a statistical-physics simulator of online learning with hierarchical modes.

Import it as ``import onlinemode as om``; the public names are listed in ``__all__``.  Importing the
package imports neither Numba nor Matplotlib: names are loaded when they are first used.
"""

from importlib import import_module

__version__ = "0.2.0.dev0"

_HOME = {
    "Problem": "onlinemode.problem",
    "LearningRates": "onlinemode.problem",
    "Weights": "onlinemode.state",
    "OrderParameters": "onlinemode.state",
    "simulate": "onlinemode.simulation",
    "repeat": "onlinemode.simulation",
    "resume": "onlinemode.simulation",
    "go_on": "onlinemode.continuing",
    "join": "onlinemode.continuing",
    "Trajectory": "onlinemode.trajectory",
    "Status": "onlinemode.trajectory",
    "load": "onlinemode.trajectory",
    "fluctuations": "onlinemode.theory.fluctuations",
    "Experiment": "onlinemode.experiment",
    "sweep": "onlinemode.sweeps",
    "compare": "onlinemode.comparison",
    "OnlineModeError": "onlinemode.errors",
}
_MODULES = ("presets", "initial", "inputs", "observables", "agreement", "plotting", "errors",
            "deep")

__all__ = [*_HOME, *_MODULES, "__version__"]


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _MODULES:
        return import_module(f"onlinemode.{name}")
    raise AttributeError(f"module 'onlinemode' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
