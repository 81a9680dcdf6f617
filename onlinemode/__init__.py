"""onlinemode: a statistical-physics simulator of online learning with hierarchical modes.

Import it as ``import onlinemode as om``; the public names are listed in ``__all__``.  Importing the
package imports neither Numba nor Matplotlib: names are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what __getattr__ does, for type checkers, to which "as" says that a name is public
    from onlinemode import agreement as agreement
    from onlinemode import deep as deep
    from onlinemode import errors as errors
    from onlinemode import initial as initial
    from onlinemode import inputs as inputs
    from onlinemode import observables as observables
    from onlinemode import plotting as plotting
    from onlinemode import presets as presets
    from onlinemode.activations import Activation as Activation
    from onlinemode.analysis.drift import drift as drift
    from onlinemode.analysis.escape import escape_law as escape_law
    from onlinemode.analysis.escape_times import escape_times as escape_times
    from onlinemode.analysis.fixed_points import fixed_points as fixed_points
    from onlinemode.analysis.perfect import critical_rate as critical_rate
    from onlinemode.analysis.perfect import noise_floor as noise_floor
    from onlinemode.comparison import compare as compare
    from onlinemode.continuing import go_on as go_on
    from onlinemode.continuing import join as join
    from onlinemode.errors import OnlineModeError as OnlineModeError
    from onlinemode.experiment import Experiment as Experiment
    from onlinemode.optimal import optimal_schedule as optimal_schedule
    from onlinemode.problem import LearningRates as LearningRates
    from onlinemode.problem import Problem as Problem
    from onlinemode.resolved_overlaps import ResolvedOverlaps as ResolvedOverlaps
    from onlinemode.run_files import load as load
    from onlinemode.schedules import Schedule as Schedule
    from onlinemode.simulation import repeat as repeat
    from onlinemode.simulation import resume as resume
    from onlinemode.simulation import simulate as simulate
    from onlinemode.state import OrderParameters as OrderParameters
    from onlinemode.state import Weights as Weights
    from onlinemode.sweeps.api import open_sweep as open_sweep
    from onlinemode.sweeps.api import sweep as sweep
    from onlinemode.tasks import Tasks as Tasks
    from onlinemode.theory.fluctuations import fluctuations as fluctuations
    from onlinemode.trajectory import Status as Status
    from onlinemode.trajectory import Trajectory as Trajectory

__version__ = "1.1.0.dev0"

_HOME = {
    "Problem": "onlinemode.problem",
    "LearningRates": "onlinemode.problem",
    "Activation": "onlinemode.activations",
    "Schedule": "onlinemode.schedules",
    "Tasks": "onlinemode.tasks",
    "Weights": "onlinemode.state",
    "OrderParameters": "onlinemode.state",
    "ResolvedOverlaps": "onlinemode.resolved_overlaps",
    "simulate": "onlinemode.simulation",
    "repeat": "onlinemode.simulation",
    "resume": "onlinemode.simulation",
    "go_on": "onlinemode.continuing",
    "join": "onlinemode.continuing",
    "Trajectory": "onlinemode.trajectory",
    "Status": "onlinemode.trajectory",
    "load": "onlinemode.run_files",
    "fluctuations": "onlinemode.theory.fluctuations",
    "Experiment": "onlinemode.experiment",
    "sweep": "onlinemode.sweeps.api",
    "open_sweep": "onlinemode.sweeps.api",
    "compare": "onlinemode.comparison",
    "optimal_schedule": "onlinemode.optimal",
    "drift": "onlinemode.analysis.drift",
    "fixed_points": "onlinemode.analysis.fixed_points",
    "critical_rate": "onlinemode.analysis.perfect",
    "noise_floor": "onlinemode.analysis.perfect",
    "escape_law": "onlinemode.analysis.escape",
    "escape_times": "onlinemode.analysis.escape_times",
    "OnlineModeError": "onlinemode.errors",
}
_MODULES = ("presets", "initial", "inputs", "observables", "agreement", "plotting", "errors",
            "deep")

__all__ = [*_HOME, *_MODULES, "__version__"]


if not TYPE_CHECKING:  # a type checker would take any name for one of these

    def __getattr__(name):
        if name in _HOME:
            return getattr(import_module(_HOME[name]), name)
        if name in _MODULES:
            return import_module(f"onlinemode.{name}")
        raise AttributeError(f"module 'onlinemode' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
