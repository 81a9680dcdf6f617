"""States at which the mean-field equations stand still: plateaus and ends of learning, :func:`fixed_points`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from onlinemode import checks
from onlinemode.analysis.drift import Drift, checked
from onlinemode.analysis.findings import Finding
from onlinemode.analysis.paths import between, follow, slow_points, speeds_along
from onlinemode.display import Described
from onlinemode.errors import OverlapError, ParameterError
from onlinemode.problem import Problem
from onlinemode.state import OrderParameters
from onlinemode.theory.quadrature import DEFAULT_NODES

if TYPE_CHECKING:
    import xarray

    from onlinemode.state import Weights

ITERATIONS = 60
CUT = 1e-9  # of singular values: along these directions Newton's step does not go
LONGEST = 0.3  # Newton step, relative to the state
TOLERANCE = 1e-10  # of the rates at a root, relative to the learning rate and the size of the state
ZERO = 1e-7  # of real parts of eigenvalues, relative to the largest modulus
CLOSE = 0.1  # relative distance within which a run that is not slowest there passes a fixed point
SAME_PLACE = 1e-3  # relative distance within which there is no other one
SAME = 1e-6  # relative distance of two roots that are one


@dataclass(frozen=True, eq=False, repr=False)
class FixedPoint(Described):
    """A fixed point of the mean-field equations, or why there is none near a slow point of a run.

    Attributes
    ----------
    status : Finding
        Whether it was found; if not, ``state`` is None, and numbers are NaN.
    message : str
        What that means.
    alpha : float
        When the run passes; its end where nothing is slower.
    distance : float
        |y − y*|/|y*| of the run there.
    level : float
        Error ε_g.
    state : OrderParameters or None
        Where it is.
    y : array (d,)
        The same as a state of ``drift``.
    rates : complex array (d,)
        Eigenvalues of the Jacobian, those of largest real part first: deviations grow as e^(rate·α).
    unstable, zero : int
        How many of them are positive, and how many vanish (symmetries, or redundant parameters).
    multiplicity : int
        How many equal the first one.
    """

    status: Finding
    message: str
    alpha: float
    distance: float
    level: float
    state: OrderParameters | None
    y: np.ndarray
    rates: np.ndarray
    unstable: int
    zero: int
    multiplicity: int

    @property
    def rate(self) -> float:
        """The largest real part of ``rates``: of the escape where it is positive, else of the approach."""
        return float(self.rates[0].real) if self.rates.size else float("nan")

    def _described(self):
        if self.status is not Finding.FOUND:
            return [("FixedPoint", self.status.value), ("run", f"α = {self.alpha:.4g}"), ("why", self.message)]
        return [("FixedPoint", f"ε_g = {self.level:.6g}"), ("run", f"α = {self.alpha:.4g}, {self.distance:.2g} away"),
                ("rate", f"{self.rate:.6g}, {self.multiplicity} times"),
                ("directions", f"{self.unstable} unstable, {self.zero} of no rate, of {self.rates.size}")]


@dataclass(frozen=True, eq=False, repr=False)
class FixedPoints(Described, Sequence):
    """What :func:`onlinemode.fixed_points` finds: a sequence of :class:`FixedPoint` in the order of the run.

    Attributes
    ----------
    points : tuple of FixedPoint
        One for every slow point, equal ones once.
    drift : Drift
        The equations.
    complete : bool
        Whether the run has reached its end; if not it diverges.
    """

    points: tuple[FixedPoint, ...]
    drift: Drift
    complete: bool

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index):
        return self.points[index]

    def __iter__(self) -> Iterator[FixedPoint]:
        return iter(self.points)

    @property
    def plateaus(self) -> tuple[FixedPoint, ...]:
        """Those with unstable directions, which a run leaves."""
        return tuple(point for point in self.points if point.unstable > 0)

    def to_xarray(self) -> "xarray.Dataset":
        """As labelled arrays.

        Returns
        -------
        xarray.Dataset
            Everything that is known of each ``point``: ``growth`` and ``frequency`` are the parts of its rates, by
            ``direction``; the overlaps are those of units and modes.

        Raises
        ------
        MissingPackageError
            If the extra ``sweep`` is not installed.
        """
        from onlinemode.analysis import datasets

        return datasets.of_points(self)

    def _described(self):
        rows = [(f"α = {point.alpha:.4g}", _in_words(point)) for point in self.points]
        return [("FixedPoints", f"{len(self.points)}{'' if self.complete else ', the run diverges'}"), *rows]


def _in_words(point):
    if point.status is not Finding.FOUND:
        return f"{point.status.value}: {point.message}"
    kind = f"{point.unstable} unstable" if point.unstable else "stable"
    return (f"ε_g = {point.level:.6g}, {kind}, rate {point.rate:.6g} ({point.multiplicity} times), {point.zero} of no "
            f"rate, {point.distance:.2g} away")


def fixed_points(problem: Problem, start: "OrderParameters | Weights", alpha: float,
                 nodes: int = DEFAULT_NODES) -> FixedPoints:
    """Plateaus and ends of a run of the mean-field equations, their stability, and how far the run passes from them.

    From every slow point of the run, and from its end, Newton's method with steps of least norm (docs/theory, section
    19.1).  A plateau is a fixed point with unstable directions.

    Parameters
    ----------
    problem : Problem
        Without schedules and turns of tasks.
    start : OrderParameters or Weights
        Where the run begins.
    alpha : float
        Where it ends, above 0.
    nodes : int, default 2^14
        Quadrature nodes, where averages have no closed form.

    Returns
    -------
    FixedPoints
        In the order in which the run passes; where none is found near a slow point, the reason.

    Raises
    ------
    ParameterError
        If an argument is out of range, nothing is trained, or the problem has schedules.
    EngineError
        If the inputs have a covariance.

    Examples
    --------
    >>> import onlinemode as om
    >>> start = om.initial.committee(N=10**6, K=2, readout="sum", weights=False)
    >>> found = om.fixed_points(om.Problem(rates=om.LearningRates(xi_in=1.0)), start, alpha=400)
    >>> round(found.plateaus[-1].level, 5), round(found.plateaus[-1].rate, 5)
    (0.02066, 0.05914)
    """
    problem, start = autonomous(problem, start)
    drift = Drift(problem, start, nodes)
    alpha = checks.number("alpha", alpha, above=0.0)
    path = follow(drift, alpha)
    found: list[FixedPoint] = []
    speeds = speeds_along(drift, path)
    slow = slow_points(speeds)
    for i in slow if path.complete else slow[:-1]:
        _add(found, near(drift, path.states[i], path.alpha[i]), path)
    for i in between(speeds):
        if not _passed(found, path, i):
            point = near(drift, path.states[i], path.alpha[i])
            if point.status is Finding.FOUND and _closest(point, path)[1] < CLOSE:
                _add(found, point, path)
    return FixedPoints(tuple(sorted(found, key=lambda point: point.alpha)), drift, path.complete)


def _closest(point, path):
    """The step of a path that is nearest to a fixed point, and how far it is."""
    away = np.linalg.norm(path.states - point.y, axis=1)
    i = int(np.argmin(away))
    return i, float(away[i] / max(np.linalg.norm(point.y), 1e-300))


def _add(found, point, path):
    """A point that is new, with when and how near the path passes."""
    if point.status is Finding.FOUND:
        if any(_same(point, other) for other in found):
            return
        i, distance = _closest(point, path)
        point = replace(point, alpha=float(path.alpha[i]), distance=distance)
    found.append(point)


def _passed(found, path, i):
    """Whether the path is at a known fixed point here, nearer than which none is looked for."""
    return any(point.status is Finding.FOUND
               and np.linalg.norm(path.states[i] - point.y) < SAME_PLACE * np.linalg.norm(point.y) for point in found)


def autonomous(problem: Problem, start: "OrderParameters | Weights") -> tuple[Problem, OrderParameters]:
    """A problem whose equations do not depend on time, and its start.

    Raises
    ------
    ParameterError, EngineError
        As :func:`fixed_points`.
    """
    problem, start = checked(problem, start)
    if problem.scheduled:
        raise ParameterError("fixed points are those of equations that do not change; got a problem with schedules: "
                             "take problem.at(alpha), with the numbers of one time")
    if problem.tasks is not None and problem.stages > 1:
        raise ParameterError("fixed points are those of equations that do not change; got tasks in turn: take a "
                             "problem of one of them, problem.of_task(task)")
    if largest_rate(problem) == 0.0:
        raise ParameterError("nothing is trained, so every state is a fixed point; give a learning rate above 0")
    return problem, start


def near(drift, y, alpha=float("nan")):
    """The fixed point to which Newton's method leads from a state.

    Parameters
    ----------
    drift : Drift
    y : array (d,)
        Where it begins.
    alpha : float, optional
        When a run is there.

    Returns
    -------
    FixedPoint
    """
    with np.errstate(all="ignore"):
        root, residual = _newton(drift, y)
        scale = max(np.abs(root).max(), 1e-3) * largest_rate(drift.problem)
    if not residual < TOLERANCE * scale:
        return _nothing(Finding.NOT_CONVERGED, alpha, "no fixed point within reach of Newton's method, whose rates "
                        f"stay at {residual:.1e}")
    distance = float(np.linalg.norm(root - y) / max(np.linalg.norm(root), 1e-300))
    try:
        state = drift.state(root)
    except (OverlapError, ParameterError):
        return _nothing(Finding.OUTSIDE, alpha, "Newton's method leads to overlaps that no vectors have, "
                        f"{distance:.2g} away")
    jacobian = drift.jacobian(0.0, root)
    if not np.isfinite(jacobian).all():
        return _nothing(Finding.NOT_CONVERGED, alpha, "the equations have no finite derivatives where Newton's method "
                        "ends: lower the learning rates")
    rates = np.linalg.eigvals(jacobian).astype(complex)
    rates = rates[np.argsort(-rates.real, kind="stable")]
    largest = max(np.abs(rates).max(), 1e-300)
    return FixedPoint(Finding.FOUND, "", float(alpha), distance, float(drift.generalization_error(root)), state, root,
                      rates, int(np.sum(rates.real > ZERO * largest)),
                      int(np.sum(np.abs(rates.real) <= ZERO * largest)),
                      int(np.sum(np.abs(rates - rates[0]) < SAME * largest)))


def _nothing(status, alpha, message):
    nan = float("nan")
    return FixedPoint(status, message, float(alpha), nan, nan, None, np.zeros(0), np.zeros(0, complex), 0, 0, 0)


def _newton(drift, y):
    """The root, or the last state, and the largest rate there."""
    y = np.array(y, np.float64)
    rates = drift(0.0, y)
    goal = 1e-4 * TOLERANCE * max(np.abs(y).max(), 1e-3) * largest_rate(drift.problem)
    for _ in range(ITERATIONS):
        if np.abs(rates).max() < goal:
            break
        jacobian = drift.jacobian(0.0, y)
        if not np.isfinite(jacobian).all():  # beyond all bounds, where a run diverges
            return y, float("inf")
        step = np.linalg.lstsq(jacobian, -rates, rcond=CUT)[0]
        length, most = np.linalg.norm(step), LONGEST * np.linalg.norm(y)
        if length > most:
            step *= most / length
        share, size = 1.0, np.linalg.norm(rates)
        while share > 1e-4:
            tried = drift(0.0, y + share * step)
            if np.linalg.norm(tried) < size * (1.0 - 0.1 * share):
                break
            share *= 0.5
        else:
            break
        y, rates = y + share * step, tried
    return y, np.abs(rates).max()


def largest_rate(problem):
    """The largest learning rate of a problem without schedules."""
    rates = problem.rates
    return max(rates.xi_in, rates.strengths, rates.xi_out, rates.readout)


def _same(one, other):
    if one.status is not Finding.FOUND or other.status is not Finding.FOUND:
        return False
    return np.linalg.norm(one.y - other.y) < SAME * max(np.linalg.norm(one.y), 1e-300)
