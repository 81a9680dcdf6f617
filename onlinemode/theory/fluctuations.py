"""Linear-noise theory: fluctuations and the 1/N bias of the order parameters at finite N.

The order parameters of a run at finite N are θ = θ̄(α) + N^(−1/2) ψ + m/N with the mean-field θ̄, a
Gaussian ψ of covariance Λ and the bias m.  Equations and derivation: docs/theory, section 8.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onlinemode import checks, observables
from onlinemode.display import Described
from onlinemode.errors import ParameterError
from onlinemode.memory import too_large
from onlinemode.theory.averaging import is_closed
from onlinemode.theory.cost import fluctuations_bytes
from onlinemode.theory.meanfield import MeanFieldDrift, StateLayout, signed_error, teacher_of
from onlinemode.theory.quadrature import NODE_SEED, normal_nodes

if TYPE_CHECKING:
    from onlinemode.problem import Problem
    from onlinemode.state import OrderParameters, Weights

FLUCTUATION_NODES = 2**14
LEAST_STEPS = 8  # between two breaks of schedules
STEP = 1e-4  # of central differences, relative to the size of the state
LARGEST_STATE = 1e8  # beyond it the mean-field path counts as diverged
PATH_RTOL, PATH_ATOL = 1e-10, 1e-13  # of the mean-field path
SAMPLE_RTOL, SAMPLE_ATOL = 1e-6, 1e-9  # the steps of a coarser path are where the coefficients are sampled
RTOL, ATOL = 1e-8, 1e-14  # of Λ and m


class Fluctuations(Described):
    """Covariance and bias of the order parameters along the mean-field path (docs/theory, sections 8.1 and 8.2).

    Attributes
    ----------
    alpha : array (n,)
        Times, in steps/N.
    states : array (n, full state)
        Mean-field order parameters in the order of ``layout``.
    covariance : array (n, d, d)
        Λ of the d order parameters that move; the covariance at finite N is Λ/N.
    bias : array (n, d)
        m; the mean over runs is θ̄ + m/N.
    layout : StateLayout
        Where the order parameters stand in a full state.
    active : int array (d,)
        Which entries of the full state move.
    """

    layout: StateLayout
    active: np.ndarray

    def __init__(self, alpha: np.ndarray, states: np.ndarray, covariance: np.ndarray, bias: np.ndarray,
                 drift: MeanFieldDrift, overlaps: "OrderParameters", problem: "Problem") -> None:
        self.alpha, self.states, self.covariance, self.bias = alpha, states, covariance, bias
        self.layout, self.active = drift.layout, drift.active
        self._overlaps, self._problem = overlaps, problem

    def _described(self):
        return [("Fluctuations", f"{self.active.size} order parameters at {len(self.alpha)} times, α = "
                                 f"{self.alpha[0]:.4g} to {self.alpha[-1]:.4g}"),
                ("activation", self._problem.activation_words)]

    def standard_deviation(self, observable: str | Callable[..., np.ndarray], N: int) -> NDArray[np.float64]:
        """Standard deviation of an observable over runs at finite N, to leading order (docs/theory, section 8.3).

        Parameters
        ----------
        observable : str or callable
            "generalization_error", "Q", "R", "rho" or "specialization", or a function of G, S,
            strengths, xi_out, readout with leading axes, whose result has the same leading axes.
        N : int
            Number of inputs.

        Returns
        -------
        array (n, ...)
            At each time.

        Raises
        ------
        ParameterError
            If there is no such observable, or N is no number of inputs.
        """
        N, gradient = checks.inputs(N), self._gradient(self._function(observable))
        variance = np.einsum("nd...,nde,ne...->n...", gradient, self.covariance, gradient)
        return np.sqrt(np.maximum(variance, 0.0) / N)

    def mean_shift(self, observable: str | Callable[..., np.ndarray], N: int) -> NDArray[np.float64]:
        """Mean over runs at finite N minus the mean-field value of an observable, to order 1/N.

        The bias of the order parameters and the curvature of the observable both enter (docs/theory, section 8.3).

        Parameters
        ----------
        observable : str or callable
            As for :meth:`standard_deviation`.
        N : int
            Number of inputs.

        Returns
        -------
        array (n, ...)
            At each time.

        Raises
        ------
        ParameterError
            If there is no such observable, or N is no number of inputs.
        """
        N, observable = checks.inputs(N), self._function(observable)
        gradient = self._gradient(observable)
        shift = np.einsum("nd...,nd->n...", gradient, self.bias)
        values, vectors = np.linalg.eigh(self.covariance)
        centre = self._evaluate(observable, self.states[:, None])
        h = self._step()[:, None, None]
        directions = np.zeros((len(self.alpha), self.active.size, self.layout.size))
        directions[..., self.active] = np.swapaxes(vectors, -1, -2)
        second = (self._evaluate(observable, self.states[:, None] + h * directions)
                  + self._evaluate(observable, self.states[:, None] - h * directions) - 2.0 * centre)
        weights = values / self._step()[:, None] ** 2
        return (shift + 0.5 * np.einsum("nd...,nd->n...", second, weights)) / N

    def mean_field(self, observable: str | Callable[..., np.ndarray]) -> NDArray[np.float64]:
        """The mean-field value of an observable, N → ∞.

        Parameters
        ----------
        observable : str or callable
            As for :meth:`standard_deviation`.

        Returns
        -------
        array (n, ...)
            At each time.

        Raises
        ------
        ParameterError
            If there is no such observable.
        """
        return self._evaluate(self._function(observable), self.states)

    def band(self, observable: str | Callable[..., np.ndarray], N: int,
             width: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
        """Predicted mean over runs minus and plus some standard deviations of a run.

        Parameters
        ----------
        observable : str or callable
            As for :meth:`standard_deviation`.
        N : int
            Number of inputs.
        width : float, default 2
            How many standard deviations.

        Returns
        -------
        low : array (n, ...)
            The lower edge of the band.
        high : array (n, ...)
            The upper one.

        Raises
        ------
        ParameterError
            If there is no such observable, the width is negative, or N is no number of inputs.
        """
        width = checks.number("width", width, 0.0)
        centre = self.mean_field(observable) + self.mean_shift(observable, N)
        half = width * self.standard_deviation(observable, N)
        return centre - half, centre + half

    def _function(self, observable):
        if callable(observable):
            return observable
        known = {"generalization_error": self._error, "Q": self._Q, "R": self._R, "rho": self._rho,
                 "specialization": self._specialization}
        if not isinstance(observable, str) or observable not in known:
            raise ParameterError(f"observable must be a function or one of {', '.join(known)}; got "
                                 f"{checks.one_line(observable)}")
        return known[observable]

    def _Q(self, G, S, strengths, xi_out, readout):
        scaled = xi_out * strengths[..., None, :]
        return scaled @ G @ np.swapaxes(scaled, -1, -2)

    def _R(self, G, S, strengths, xi_out, readout):
        return (xi_out * strengths[..., None, :]) @ S

    def _error(self, G, S, strengths, xi_out, readout):
        return signed_error(self._problem.activation, G, S, self._overlaps.T, strengths, xi_out, readout,
                            self._overlaps.teacher_readout, self._problem.teacher_activation)

    def _rho(self, *state):
        return observables.normalized_overlaps(self._Q(*state), self._R(*state), self._overlaps.T)

    def _specialization(self, *state):
        return observables.specialization(self._Q(*state), self._R(*state), self._overlaps.T,
                                          self._problem.signed)

    def _step(self):
        return STEP * np.maximum(np.abs(self.states).max(-1), 1e-3)

    def _evaluate(self, observable, states):
        return observable(*self.layout.unpack(states))

    def _gradient(self, observable):
        h = self._step()[:, None, None]
        directions = np.eye(self.layout.size)[self.active]
        above = self._evaluate(observable, self.states[:, None] + h * directions)
        below = self._evaluate(observable, self.states[:, None] - h * directions)
        return (above - below) / (2.0 * h.reshape((-1,) + (1,) * (above.ndim - 1)))


class Report(NamedTuple):
    """How far :func:`onlinemode.fluctuations` is.

    Attributes
    ----------
    order_parameters : int
        How many move.
    points : int
        Of the path at which coefficients are computed; 0 while the path is not known.
    fraction : float
        Share of the work that is done, 0 to 1.
    """

    order_parameters: int
    points: int
    fraction: float


def fluctuations(problem: "Problem", overlaps: "OrderParameters | Weights", alpha: ArrayLike,
                 nodes: int = FLUCTUATION_NODES, progress: Callable[[Report], object] | None = None) -> Fluctuations:
    """Integrate the linear-noise equations from fixed initial overlaps.

    Van Kampen's system-size expansion about the mean-field equations, docs/theory, section 8: the covariance Λ/N and
    the bias m/N of the order parameters at finite N.

    Parameters
    ----------
    problem : Problem
        With batch = 1.
    overlaps : OrderParameters or Weights
        The start, common to all runs: Λ(0) = 0.
    alpha : array (n,)
        Ascending times.
    nodes : int, default 2^14
        Quadrature nodes for the covariance of the increments, a power of 2; the error of Λ is about
        1.5 % at 2^14 and falls nearly as 1/nodes.
    progress : callable, optional
        Called with a :class:`~onlinemode.theory.fluctuations.Report` now and then; what it raises ends the
        computation.

    Returns
    -------
    Fluctuations
        At the given times.

    Raises
    ------
    ParameterError
        If the problem has mini-batches, a constraint, another loss than the squared one, labels that are signs,
        students with kinks whose averages are over nodes, or inputs other than i.i.d. Gaussian, if nothing is trained,
        if the mean-field equations diverge, or if an argument is not one of these.
    """
    if not hasattr(problem, "activations"):
        raise ParameterError(f"problem must be an onlinemode.Problem; got {type(problem).__name__}")
    if not (progress is None or callable(progress)):
        raise ParameterError(f"progress must be a function that is given reports; got {checks.one_line(progress)}")
    require_linear_noise(problem)
    if hasattr(overlaps, "order_parameters"):
        overlaps = overlaps.order_parameters()
    if not hasattr(overlaps, "teacher_readout"):
        raise ParameterError("the linear-noise theory needs one start, Weights or OrderParameters; got "
                             f"{type(overlaps).__name__}")
    alpha = np.array(checks.array("alpha", alpha, (None,)))
    if np.any(np.diff(alpha) < 0.0) or alpha[0] < 0.0:
        raise ParameterError(f"alpha must hold ascending times ≥ 0; got {alpha[0]:g} ... {alpha[-1]:g}")
    nodes = checks.power_of_two("nodes", nodes, 64, 2**24)
    problem = problem.sampled(float(alpha[-1]) or 1.0)
    drift = MeanFieldDrift(problem, overlaps)
    if drift.active.size == 0:
        raise ParameterError("nothing is trained, so nothing fluctuates; give a learning rate above 0")
    with np.errstate(all="ignore"):
        return _follow(problem, overlaps, alpha, nodes, drift, progress or (lambda report: None))


def require_linear_noise(problem: "Problem") -> None:
    """Raise ParameterError unless the linear-noise equations are known for a problem."""
    if not problem.plain:
        raise ParameterError("the linear-noise theory needs the squared loss and real labels; got the loss "
                             f"{problem.loss} and {problem.labels} labels")
    if not (problem.activations[0].smooth or is_closed(problem)):
        raise ParameterError("the linear-noise theory needs a smooth drift; got a student of "
                             f"{problem.activation_words}, whose drift jumps at the quadrature nodes")
    if not (problem.inputs.independent and problem.inputs.gaussian):
        raise ParameterError(f"the linear-noise theory needs i.i.d. Gaussian inputs; got {problem.inputs!r}: "
                             "compare runs with each other (onlinemode.agreement.z_between)")
    if problem.batch != 1:
        raise ParameterError(f"the linear-noise theory needs batch = 1; got {problem.batch}")
    if problem.tasks is not None:
        raise ParameterError("the linear noise theory is for one task; got several: take the spread of chain or micro "
                             "over replicas")
    if problem.drops_out:
        raise ParameterError("the linear-noise theory knows no dropout: compare runs with each other "
                             "(onlinemode.agreement.z_between)")
    if problem.drifts:
        raise ParameterError(f"the linear-noise theory knows no teacher that drifts; got drift = {problem.drift:g}: "
                             "compare runs with each other (onlinemode.agreement.z_between)")
    if problem.constraint is not None:
        raise ParameterError(f"the linear-noise theory knows no constraints; got {problem.constraint!r}: compare runs "
                             "with each other (onlinemode.agreement.z_between)")


def _follow(problem, overlaps, alpha, nodes, drift, progress):
    d = drift.active.size
    _check_memory(d, 100, len(alpha))
    last = alpha[-1] if alpha[-1] > 0.0 else 1.0
    ends = [0.0, *(each for each in problem.breaks if 0.0 < each < last), last]
    coefficients = Coefficients(problem, overlaps, drift, nodes)
    state = drift.full[drift.active], np.zeros(d * d), np.zeros(d)
    parts = [], [], []
    for begin, end in zip(ends, ends[1:]):  # between two breaks of schedules, at which coefficients jump
        share = lambda report, begin=begin, end=end: progress(report._replace(  # noqa: E731
            fraction=(begin + (end - begin) * report.fraction) / last))
        solutions = _over_stretch(coefficients, state, (begin, end), len(alpha), share)
        inside = alpha[(alpha >= begin) & ((alpha < end) | (end == last))]
        for part, solution in zip(parts, solutions):
            if inside.size:
                part.append(solution(inside).T)
        state = tuple(solution(end) for solution in solutions)
    states = np.repeat(drift.full[None], len(alpha), 0)
    states[:, drift.active], covariance, bias = (np.concatenate(part) for part in parts)
    return Fluctuations(alpha, states, covariance.reshape(-1, d, d), bias, drift, overlaps, problem)


def _over_stretch(coefficients, state, stretch, saved, progress):
    """Order parameters, covariance and bias as functions of α from ``state`` on, in which coefficients are smooth."""
    from scipy.integrate import solve_ivp
    from scipy.interpolate import CubicSpline

    start, covariance, bias = state
    d, (begin, end) = coefficients.d, stretch
    before_the_jump = np.nextafter(end, begin)
    if not np.all(np.abs(start) < LARGEST_STATE):
        raise ParameterError(f"the linear-noise theory needs order parameters below {LARGEST_STATE:g}; got "
                             f"{np.abs(start).max():.3g}")

    def rate(time, y):
        progress(Report(d, 0, 0.0))
        return coefficients.drift(y, min(time, before_the_jump))

    most = {"max_step": (end - begin) / LEAST_STEPS} if coefficients.problem.scheduled else {}
    follow = partial(solve_ivp, rate, stretch, start, method="LSODA", **most)
    path = follow(rtol=PATH_RTOL, atol=PATH_ATOL, dense_output=True)
    if path.status != 0 or not np.all(np.abs(path.y) < LARGEST_STATE):
        raise ParameterError(f"the mean-field equations diverge before α = {end:g}, so nothing fluctuates about them; "
                             "lower the learning rates, or alpha")
    times = follow(rtol=SAMPLE_RTOL, atol=SAMPLE_ATOL).t
    points = len(times)
    _check_memory(d, points, saved)

    def at_all(coefficient, done):
        """A coefficient at all points, and how far this is after the share ``done``."""
        for number, time in enumerate(times):
            progress(Report(d, points, done + 0.5 * number / points))
            yield coefficient(time)

    sampled = list(at_all(lambda time: coefficients.at(min(time, before_the_jump), path.sol(time)), 0.0))
    jacobian, omega, correction = (CubicSpline(times, np.array(values)) for values in zip(*sampled))

    def covariance_rate(time, flat):
        progress(Report(d, points, 0.5))
        growth = jacobian(time) @ flat.reshape(d, d)
        return (growth + growth.T + omega(time)).ravel()

    def curvature_at(time):
        return coefficients.curvature(min(time, before_the_jump), path.sol(time), covariances(time).reshape(d, d))

    covariances = _solve(covariance_rate, stretch, covariance)
    curvature = CubicSpline(times, list(at_all(curvature_at, 0.5)))
    return path.sol, covariances, _solve(lambda time, y: jacobian(time) @ y + curvature(time) + correction(time),
                                         stretch, bias)


def _check_memory(d, points, saved):
    """Raise ParameterError if the covariances of d order parameters do not fit into memory."""
    needed = too_large(fluctuations_bytes(d, points, saved))
    if needed:
        raise ParameterError(f"the linear noise of {d:,} order parameters needs about {needed}: take fewer units, "
                             "modes or times, or run replicas in its place")


def _solve(rate, stretch, start):
    """The solution of a linear equation on a stretch, as a function of α."""
    from scipy.integrate import solve_ivp

    solution = solve_ivp(rate, stretch, start, method="DOP853", rtol=RTOL, atol=ATOL, dense_output=True)
    if solution.status != 0:
        raise ParameterError(f"the linear-noise equations could not be integrated: {solution.message}")
    return solution.sol


class Coefficients:
    """J, Ω and the fixed part of the bias equation at points of the mean-field path."""

    def __init__(self, problem: "Problem", overlaps: "OrderParameters", drift: MeanFieldDrift, nodes: int) -> None:
        self.problem, self.drift, self.d = problem, drift, drift.active.size
        self.rule, self.teacher = problem.rule(1), teacher_of(overlaps.T)
        self.nodes = normal_nodes(self.teacher.factor.shape[1] + overlaps.P + 1, nodes, NODE_SEED)
        self.teacher_readout = np.array(overlaps.teacher_readout)

    def at(self, alpha: float, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """J (d, d), Ω (d, d) and f_1 − ½ J f (d,) at the time α and the state y."""
        from onlinemode.kernels.averages.fields import Overlaps
        from onlinemode.kernels.averages.increments import increment_moments
        from onlinemode.kernels.rule.step import Factors, rule_with_numbers

        J = self.drift.jacobian(y, alpha)
        state = self.drift.full.copy()
        state[self.drift.active] = y
        layout = self.drift.layout
        mean, covariance = np.empty(self.d), np.empty((self.d, self.d))
        correction = np.empty((layout.P, layout.P))
        G, S, strengths, xi_out, readout = (np.ascontiguousarray(part) for part in layout.unpack(state))
        factors = Factors(strengths, xi_out, readout, self.teacher_readout)
        rule = rule_with_numbers(self.rule, self.problem.numbers_of(alpha))
        increment_moments(rule, Overlaps(G, S, self.teacher), factors, self.nodes, self.drift.active, mean, covariance,
                          correction)
        full = np.zeros(layout.size)
        full[layout.G] = correction[layout.upper]
        return J, covariance, full[self.drift.active] - 0.5 * J @ self.drift(y, alpha)

    def curvature(self, alpha: float, y: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        """½ Σ_ij Λ_ij ∂_i ∂_j f, by second differences along the eigenvectors of Λ."""
        h = STEP * max(np.abs(y).max(), 1e-3)
        values, vectors = np.linalg.eigh(covariance)
        centre = self.drift(y, alpha)
        total = np.zeros(self.d)
        for value, vector in zip(values, vectors.T):
            if value > 1e-12 * values[-1]:
                total += value * (self.drift(y + h * vector, alpha) + self.drift(y - h * vector, alpha)
                                  - 2.0 * centre)
        return 0.5 * total / h**2
