"""The student that is its teacher: how large learning rates may be there, and what label noise leaves of it.

:func:`critical_rate` and :func:`noise_floor`; docs/theory, section 19.2.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from onlinemode.analysis.drift import Drift
from onlinemode.analysis.findings import Finding
from onlinemode.analysis.fixed_points import FixedPoint, autonomous, largest_rate, near
from onlinemode.analysis.paths import follow
from onlinemode.display import Described
from onlinemode.problem import Problem
from onlinemode.state import OrderParameters
from onlinemode.theory.meanfield import generalization_error
from onlinemode.theory.quadrature import DEFAULT_NODES

if TYPE_CHECKING:
    import xarray

    from onlinemode.state import Weights

PERFECT = 1e-12  # ε_g below which a start is a perfect student
SAME = 1e-9  # readouts that differ by less, relative to the largest, are equal
ZERO = 1e-7  # of eigenvalues, relative to the largest: symmetries, at any rate
LARGEST, SMALLEST = 1e6, 1e-3  # rates that are tried, relative to where both terms of the drift are alike
LONG = 2000.0  # over the learning rate: when a run should have come to the floor, if it ever does


@dataclass(frozen=True, eq=False, repr=False)
class CriticalRate(Described):
    """The learning rate above which the perfect student is unstable.

    Attributes
    ----------
    status : Finding
        Whether it was found.
    message : str
        Why not.
    rate : float
        Of the input modes; NaN if not found, infinite where no rate is too large.
    factor : float
        By which all rates of the problem may be multiplied.
    student : OrderParameters or None
        The perfect student.
    """

    status: Finding
    message: str
    rate: float
    factor: float
    student: OrderParameters | None

    def to_xarray(self) -> "xarray.Dataset":
        """As labelled arrays.

        Returns
        -------
        xarray.Dataset
            ``rate``, ``factor``, ``status`` and ``message``.

        Raises
        ------
        MissingPackageError
            If the extra ``sweep`` is not installed.
        """
        from onlinemode.analysis import datasets

        return datasets.of_rate(self)

    def _described(self):
        if self.status is not Finding.FOUND:
            return [("CriticalRate", self.status.value), ("why", self.message)]
        return [("CriticalRate", f"{self.rate:.9g}"), ("the rates may be multiplied by", f"{self.factor:.6g}")]


@dataclass(frozen=True, eq=False, repr=False)
class NoiseFloor(Described):
    """What label noise, or weight decay, leaves of the perfect student after infinite time.

    Attributes
    ----------
    status : Finding
        Whether it was found, and is stable.
    message : str
        Why not; or that it is above the critical rate.
    level : float
        Error ε_g there; NaN if not found, or if it is unstable.
    point : FixedPoint or None
        The fixed point, also where it is unstable.
    """

    status: Finding
    message: str
    level: float
    point: FixedPoint | None

    def to_xarray(self) -> "xarray.Dataset":
        """As labelled arrays.

        Returns
        -------
        xarray.Dataset
            ``level``, ``rate`` of the slowest approach, ``status`` and ``message``.

        Raises
        ------
        MissingPackageError
            If the extra ``sweep`` is not installed.
        """
        from onlinemode.analysis import datasets

        return datasets.of_floor(self)

    def _described(self):
        if self.status is not Finding.FOUND:
            return [("NoiseFloor", self.status.value), ("why", self.message)]
        rows = [("NoiseFloor", f"ε_g = {self.level:.9g}"), ("slowest approach", f"{self.point.rate:.6g}")]
        return [*rows, ("but", self.message)] if self.message else rows


def critical_rate(problem: Problem, start: "OrderParameters | Weights", nodes: int = DEFAULT_NODES) -> CriticalRate:
    """The learning rate above which a student that has become its teacher leaves it again.

    All rates of the problem are varied by one factor.  The drift is f = c·f1 + c²·f2 in this factor c, so its Jacobian
    at the perfect student is known for all c from two of them; the critical factor is the least at which an eigenvalue
    passes 0 (docs/theory, section 19.2).

    Parameters
    ----------
    problem : Problem
        Without schedules and weight decay, of the squared loss; smooth activations.  Label noise has no influence.
    start : OrderParameters or Weights
        Its teacher and sizes; where it is no perfect student, one of its strengths and output modes (and of the
        teacher's readout, where the readout is trained) is looked for.
    nodes : int, default 2^14
        Quadrature nodes, where averages have no closed form.

    Returns
    -------
    CriticalRate
        With a status: not all starts have a perfect student.

    Raises
    ------
    ParameterError
        If an argument is out of range, nothing is trained, or the problem has schedules.
    EngineError
        If the inputs have a covariance.

    Examples
    --------
    >>> import onlinemode as om
    >>> start = om.initial.committee(N=1000, K=2, readout="sum", weights=False)
    >>> print(om.critical_rate(om.Problem(rates=om.LearningRates(xi_in=1.0)), start))
    CriticalRate: 2.3068277
      the rates may be multiplied by  2.30683
    """
    problem, start = autonomous(problem, start)
    student, why = _perfect(problem, start)
    why = why or _not_simple(problem)
    if why:
        return CriticalRate(Finding.NONE, why, float("nan"), float("nan"), student)
    factor = _critical_factor(problem, student, nodes)
    if factor is not None and np.isnan(factor):
        return CriticalRate(Finding.NONE, "the equations have no finite derivatives at the perfect student: give "
                            "smaller overlaps and readouts", factor, factor, student)
    if factor is None:
        return CriticalRate(Finding.UNSTABLE, "the perfect student is unstable at any learning rate", float("nan"),
                            float("nan"), student)
    message = "" if np.isfinite(factor) else "no learning rate is too large"
    return CriticalRate(Finding.FOUND, message, factor * problem.rates.xi_in, factor, student)


def noise_floor(problem: Problem, start: "OrderParameters | Weights", nodes: int = DEFAULT_NODES) -> NoiseFloor:
    """Error ε_g that is left after infinite time, from label noise (or weight decay) at a constant learning rate.

    The root of the mean-field equations that the perfect student becomes under noise, by Newton's method (docs/theory,
    section 19.2); not an expansion in the noise or the rate.

    Parameters
    ----------
    problem : Problem
        Without schedules.
    start : OrderParameters or Weights
        As of :func:`critical_rate`.
    nodes : int, default 2^14
        Quadrature nodes, where averages have no closed form.

    Returns
    -------
    NoiseFloor
        With a status.  Above the critical rate there may be a stable state that does not become the perfect student
        as the noise vanishes; then it says so.

    Raises
    ------
    ParameterError
        If an argument is out of range, nothing is trained, or the problem has schedules.
    EngineError
        If the inputs have a covariance.

    Examples
    --------
    >>> import onlinemode as om
    >>> start = om.initial.committee(N=1000, K=2, readout="sum", weights=False)
    >>> print(om.noise_floor(om.Problem(rates=om.LearningRates(xi_in=1.0), noise=0.3), start))
    NoiseFloor: ε_g = 0.0263408074
      slowest approach  -0.0385383
    """
    problem, start = autonomous(problem, start)
    student, why = _perfect(problem, start)
    if student is None:
        return NoiseFloor(Finding.NONE, why, float("nan"), None)
    drift = Drift(problem, student, nodes)
    point = near(drift, drift.y0)
    if point.status is not Finding.FOUND:  # strong noise: the floor is far from the perfect student
        path = follow(drift, LONG / largest_rate(problem))
        if not path.complete:
            return NoiseFloor(Finding.DIVERGED, "from the perfect student on the mean-field equations diverge: lower "
                              "the learning rates", float("nan"), None)
        point = near(drift, path.states[-1])
    if point.status is not Finding.FOUND:
        return NoiseFloor(point.status, point.message, float("nan"), None)
    if point.unstable:
        return NoiseFloor(Finding.UNSTABLE, f"the floor at ε_g = {point.level:.6g} is unstable, with {point.unstable} "
                          f"directions: lower the learning rates", float("nan"), point)
    return NoiseFloor(Finding.FOUND, _beyond(problem, student, nodes), point.level, point)


def _beyond(problem, student, nodes):
    """What is to be said of a floor above the critical rate; nothing below it, or where that is not known."""
    if _not_simple(problem):
        return ""
    factor = _critical_factor(problem, student, nodes)
    if factor is None or not factor <= 1.0:
        return ""
    return f"the learning rate is {1.0 / factor:.3g} times the critical one: this floor does not vanish with the noise"


def _perfect(problem, start):
    """The student that is the teacher of a start, or None, and why there is none."""
    if problem.tasks is not None:
        return None, "several tasks have no common perfect student: take one of them, problem.of_task(task)"
    if not problem.plain:
        return None, (f"the perfect student is known for the squared loss and real labels; got {problem.loss} and "
                      f"{problem.labels} labels")
    own, of_teacher = problem.activations
    if own != of_teacher:
        return None, f"a student of {own} is never a teacher of {of_teacher}"
    if problem.drops_out:
        return None, "no student is perfect for all that dropout leaves of it: leave dropout out"
    if problem.constraint is not None:
        return None, f"the perfect student is no fixed point on a {problem.constraint}: leave the constraint out"
    if problem.drifts:
        return None, f"no student stays perfect for a teacher that drifts, here by {problem.drift:g}: leave drift out"
    error = generalization_error(own, start.G, start.S, start.T, start.strengths, start.xi_out, start.readout,
                                 start.teacher_readout)
    if error < PERFECT:
        return start, ""
    if problem.rates.xi_in == 0.0:
        return None, "the input modes are not trained, so the student stays what it is: give a perfect one as the start"
    if start.K != start.M:
        return None, (f"with K = {start.K} and M = {start.M} units no single student is the teacher: give a perfect "
                      "one as the start")
    scaled = start.xi_out * start.strengths
    if np.linalg.matrix_rank(scaled) < start.K:
        return None, (f"{start.P} modes with output modes of rank {np.linalg.matrix_rank(scaled)} cannot make "
                      f"{start.K} units: give a perfect student as the start")
    order, readout = _matched(start.readout, start.teacher_readout, problem.rates.readout > 0.0)
    if order is None:
        return None, ("the readouts of student and teacher differ, and are not trained: give a perfect student as the "
                      "start")
    back = np.linalg.pinv(scaled)
    S = back @ start.T[order]
    return replace(start, G=S[:, order] @ back.T, S=S, readout=readout), ""


def _matched(readout, teacher_readout, trained):
    """Which teacher unit each student unit becomes, and the student's readout then."""
    if trained:
        return np.arange(readout.size), teacher_readout.copy()
    order = np.empty(readout.size, int)
    order[np.argsort(readout, kind="stable")] = np.argsort(teacher_readout, kind="stable")
    near_enough = np.abs(readout - teacher_readout[order]) <= SAME * np.abs(teacher_readout).max()
    return (order, readout) if near_enough.all() else (None, None)


def _not_simple(problem):
    """Why the drift is not c·f1 + c²·f2 with Jacobians at the perfect student; empty where it is."""
    if problem.weight_decay:
        return f"with weight decay, here {problem.weight_decay:g}, the perfect student is no fixed point: take 0"
    if not problem.activations[0].smooth:
        return f"the drift of {problem.activation_words} has no derivatives at the perfect student"
    if problem.rates.xi_in == 0.0:
        return "the input modes are not trained, so no rate is too large for the mean-field equations"
    return ""


def _parts_of_jacobian(problem, student, nodes):
    """J1 and J2 of J(c) = c·J1 + c²·J2 without noise, from c = 1 and c = 2, where the largest rate is c."""
    rates, largest = problem.rates, largest_rate(problem)

    def jacobian(c):
        scaled = {name: c * (getattr(rates, name) / largest) for name in rates.__dataclass_fields__}
        drift = Drift(replace(problem, noise=0.0, rates=replace(rates, **scaled)), student, nodes)
        return drift.jacobian(0.0, drift.y0)

    at_one, at_two = jacobian(1.0), jacobian(2.0)
    return 2.0 * at_one - 0.5 * at_two, 0.5 * at_two - at_one


def _critical_factor(problem, student, nodes):
    """By which all rates may be multiplied; None where no rate is small enough, NaN where J1 or J2 is not finite."""
    parts = _parts_of_jacobian(problem, student, nodes)
    if not np.isfinite(parts).all():
        return float("nan")
    largest = _least_crossing(*parts)
    return None if largest is None else largest / largest_rate(problem)


def _least_crossing(first, second):
    """The least c > 0 at which the largest real part of J1 + c·J2 becomes positive; None where it is from 0 on."""
    from scipy.optimize import brentq

    zeros = int(np.sum(np.abs(np.linalg.eigvals(first)) < ZERO * np.abs(first).max()))

    def growth(c):
        values = np.linalg.eigvals(first + c * second)
        values = values[np.argsort(np.abs(values))][zeros:]  # without the symmetries
        return values.real.max()

    alike = np.linalg.norm(first) / max(np.linalg.norm(second), 1e-300)
    below = above = SMALLEST * alike
    if growth(below) >= 0.0:
        return None
    while growth(above) < 0.0:
        below, above = above, 1.1 * above
        if above > LARGEST * alike:
            return float("inf")
    return float(brentq(growth, below, above, xtol=1e-14 * above, rtol=1e-13))
