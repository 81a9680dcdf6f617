"""What the analysis of the mean-field equations says of a point of a sweep: rates, levels and times, beside its run."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from onlinemode.analysis.escape_times import law_of_run
from onlinemode.analysis.findings import Finding
from onlinemode.analysis.fixed_points import fixed_points
from onlinemode.analysis.perfect import critical_rate, noise_floor
from onlinemode.errors import OnlineModeError
from onlinemode.trajectory import Trajectory

REFUSED = "refused"  # in place of a Finding: the analysis is not known for the problem
FAILED = "failed"  # the same of one that ends in an error of its own, which must not cost the run of the point


class Number(NamedTuple):
    """A variable of a sweep."""

    long_name: str
    symbol: str
    units: str = "1"


class Found(NamedTuple):
    """What an analysis finds: its numbers, NaN where there is none, and how it went."""

    numbers: tuple[float, ...]
    status: Finding
    message: str


class Quantity(NamedTuple):
    """What can be kept of a point.

    Attributes
    ----------
    numbers : dict
        Its variables, by name.
    find : callable
        ``find(run)`` of a finished run returns a :class:`Found`.
    seconds : float
        About how long that takes.
    """

    numbers: dict[str, Number]
    find: Callable[[Trajectory], Found]
    seconds: float


def _critical_rate(run):
    found = critical_rate(run.problem, run.initial)
    return Found((found.rate,), found.status, found.message)


def _noise_floor(run):
    found = noise_floor(run.problem, run.initial)
    return Found((found.level,), found.status, found.message)


def _saddle(run):
    points = fixed_points(run.problem, run.initial, float(run.alpha[-1]))
    if not points.plateaus:
        nan, why = float("nan"), "no fixed point with unstable directions is near the run"
        return Found((nan, nan, nan), Finding.NONE if points.complete else Finding.DIVERGED,
                     why if points.complete else "the mean-field equations diverge")
    nearest = min(points.plateaus, key=lambda point: point.distance)
    return Found((nearest.level, nearest.rate, nearest.distance), Finding.FOUND, "")


def _escape_law(run):
    law = law_of_run(run)
    return Found((law.mean, law.sd), law.status, law.message)


QUANTITIES = {
    "critical_rate": Quantity({"critical_rate": Number("learning rate above which the perfect student is unstable",
                                                       r"$\eta_c$")}, _critical_rate, 0.01),
    "noise_floor": Quantity({"noise_floor": Number("generalization error after infinite time",
                                                   r"$\varepsilon_g$ at $\alpha = \infty$")}, _noise_floor, 0.03),
    "saddle": Quantity({
        "saddle_level": Number("generalization error at the saddle that the run passes nearest", r"$\varepsilon_g$"),
        "saddle_rate": Number("rate at which deviations from it grow", r"$\lambda$"),
        "saddle_distance": Number("relative distance of the run from it", "distance")}, _saddle, 0.1),
    "escape_law": Quantity({
        "escape_mean": Number("mean time at which runs of N inputs leave the plateau", r"mean escape $\alpha$",
                              "steps/N"),
        "escape_sd": Number("standard deviation of that time over runs", r"s.d. of escape $\alpha$", "steps/N")},
        _escape_law, 2.0),
}
"""By the names that ``keep`` takes."""


def finding_of(name: str) -> str:
    """The variable that says whether a quantity was found."""
    return f"{name}_finding"


def numbers_of(quantities: tuple[str, ...]) -> dict[str, Number]:
    """All variables of these quantities that are numbers."""
    return {name: number for each in quantities for name, number in QUANTITIES[each].numbers.items()}


def put(out: dict[str, np.ndarray], run: Trajectory, quantities: tuple[str, ...]) -> None:
    """Write the quantities of a finished run into arrays of one point."""
    for name in quantities:
        quantity = QUANTITIES[name]
        try:
            found = quantity.find(run)
        except OnlineModeError as problem:
            out[finding_of(name)][0] = _words(REFUSED, str(problem))
            continue
        except MemoryError:
            raise
        except Exception as problem:
            out[finding_of(name)][0] = _words(FAILED, f"{type(problem).__name__}: {' '.join(str(problem).split())}")
            continue
        for variable, number in zip(quantity.numbers, found.numbers):
            out[variable][0] = number
        out[finding_of(name)][0] = _words(found.status.value, found.message)


def _words(status: str, message: Any) -> str:
    return f"{status}: {message}" if message else status
