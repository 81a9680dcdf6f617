"""When runs of finite N leave a plateau: :func:`escape_law`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onlinemode import checks
from onlinemode.analysis.drift import Drift
from onlinemode.analysis.findings import Finding
from onlinemode.analysis.fixed_points import SAME, FixedPoint, autonomous, largest_rate, near
from onlinemode.analysis.paths import follow, slow_points, speeds_along
from onlinemode.display import Described
from onlinemode.errors import ParameterError
from onlinemode.problem import Problem
from onlinemode.theory.fluctuations import FLUCTUATION_NODES, Coefficients, require_linear_noise

if TYPE_CHECKING:
    import xarray

    from onlinemode.state import OrderParameters, Weights

LONG = 500.0  # over the learning rate: when a run should have come to its plateau
ON_THE_PLATEAU = 1e-3  # relative distance of the run
OF_NOISE = 0.1  # what the start may have along the unstable directions, relative to the noise
FIRST_AMPLITUDE = 1e-6  # relative to the state, of the deviations from which the way out is followed
RTOL, ATOL = 1e-9, 1e-13
COARSE = 1e-6  # rtol of the run at whose steps the noise is sampled
OUT = 40.0  # over the rate of the escape: when a run must have come to the level
DIRECTIONS = 100
_REMEDY = ("start without overlaps along its unstable directions, for example with R = 0 and equal Q_kk "
           "(onlinemode.initial.from_overlaps)")


@dataclass(frozen=True, eq=False, repr=False)
class EscapeLaw(Described):
    """The law of the time at which runs of finite N leave a plateau (docs/theory, section 19.3).

    Attributes
    ----------
    status : Finding
        Whether there is one; if not, numbers are NaN.
    message : str
        Why not.
    N : int
        Number of inputs.
    level : float
        The time is that at which ε_g falls below it.
    plateau : FixedPoint or None
        What is left.
    rate : float
        λ: deviations from the plateau grow as e^(λα).
    multiplicity : int
        Directions m in which they do.
    of_start : float
        What the start has along the unstable directions over the noise at N = 1; times √N it must be below 0.1.
    offsets : array (directions,)
        c of each direction u on the unit sphere: α = ln N/(2λ) + c(u) − ln χ/λ, with a chi variable χ of m degrees of
        freedom.
    """

    status: Finding
    message: str
    N: int
    level: float
    plateau: FixedPoint | None
    rate: float
    multiplicity: int
    of_start: float
    offsets: np.ndarray

    @property
    def mean(self) -> float:
        """The mean time α, by E ln χ = (ψ(m/2) + ln 2)/2."""
        from scipy.special import digamma

        if self.status is not Finding.FOUND:
            return float("nan")
        log_chi = 0.5 * (digamma(0.5 * self.multiplicity) + np.log(2.0))
        return float(self._common + self.offsets.mean() - log_chi / self.rate)

    @property
    def sd(self) -> float:
        """The standard deviation of the time α, which does not depend on N."""
        from scipy.special import polygamma

        if self.status is not Finding.FOUND:
            return float("nan")
        return float(np.sqrt(0.25 * polygamma(1, 0.5 * self.multiplicity) / self.rate**2 + self.offsets.var()))

    @property
    def standard_error(self) -> float:
        """That of the mean from the directions that were followed; 0 where there are two alone."""
        if self.status is not Finding.FOUND or self.multiplicity == 1:
            return 0.0 if self.status is Finding.FOUND else float("nan")
        return float(self.offsets.std(ddof=1) / np.sqrt(self.offsets.size))

    def at(self, N: int) -> "EscapeLaw":
        """The same law for another number of inputs.

        Parameters
        ----------
        N : int
            Which.

        Returns
        -------
        EscapeLaw
            All but N is the same; none where the start is no longer small beside the noise.

        Raises
        ------
        ParameterError
            If N is no number of inputs, or below P + M.
        """
        N = checks.inputs(N)
        if self.plateau is None or self.plateau.state is None:
            return replace(self, N=N)
        _check_rank(N, self.plateau.state)
        if self.of_start * np.sqrt(N) > OF_NOISE:
            return replace(self, N=N, status=Finding.NONE, message=_of_start(self.of_start, N))
        return replace(self, N=N)

    def cdf(self, alpha: ArrayLike) -> NDArray[np.float64]:
        """The probability that a run is out at the time α.

        Parameters
        ----------
        alpha : array (...)
            Times.

        Returns
        -------
        array (...)
            0 to 1; NaN where there is no law.
        """
        from scipy.special import gammaincc

        alpha = np.asarray(alpha, np.float64)
        if self.status is not Finding.FOUND:
            return np.full(alpha.shape, np.nan)
        with np.errstate(over="ignore"):
            chi = np.exp(self.rate * (self._common + self.offsets - alpha[..., None]))
            return gammaincc(0.5 * self.multiplicity, 0.5 * chi**2).mean(-1)

    def quantile(self, probability: ArrayLike) -> NDArray[np.float64]:
        """The time by which a share of all runs is out.

        Parameters
        ----------
        probability : array (...)
            Above 0 and below 1.

        Returns
        -------
        array (...)
            Times α; NaN where there is no law.

        Raises
        ------
        ParameterError
            If a probability is out of range.
        """
        from scipy.optimize import brentq

        shares = checks.real("probability", probability)
        if not np.all((shares > 0.0) & (shares < 1.0)):
            raise ParameterError(f"probability must be above 0 and below 1; got {checks.one_line(probability)}")
        if self.status is not Finding.FOUND:
            return np.full(np.shape(shares), np.nan)
        low, high = self.mean - 2.0 * self.sd, self.mean + 2.0 * self.sd

        def time_of(share):
            first, last = low, high
            while self.cdf(first) > share:
                first -= self.sd
            while self.cdf(last) < share:
                last += self.sd
            return brentq(lambda alpha: self.cdf(alpha) - share, first, last, xtol=1e-10)

        return np.array([time_of(share) for share in np.ravel(shares)]).reshape(np.shape(shares))

    def to_xarray(self, N: int | Sequence[int] | None = None, probabilities: ArrayLike | None = None
                  ) -> "xarray.Dataset":
        """The law as labelled arrays, at one number of inputs or several.

        Parameters
        ----------
        N : int or sequence of int, optional
            Which, by default that of the law.
        probabilities : array, optional
            Of the quantiles; by default 0.05, 0.25, 0.5, 0.75, 0.95.

        Returns
        -------
        xarray.Dataset
            ``mean``, ``sd``, ``status`` and ``message`` (N), ``quantile`` (N, probability), ``rate``, ``multiplicity``
            and ``level``.

        Raises
        ------
        ParameterError
            If an N is no number of inputs, or a probability is out of range.
        MissingPackageError
            If the extra ``sweep`` is not installed.
        """
        from onlinemode.analysis import datasets

        laws = [self.at(each) for each in np.atleast_1d(self.N if N is None else N).tolist()]
        shares = np.atleast_1d(datasets.PROBABILITIES if probabilities is None else probabilities)
        return datasets.of_laws(laws, shares)

    @property
    def _common(self):
        return np.log(self.N) / (2.0 * self.rate)

    def _described(self):
        if self.status is not Finding.FOUND:
            return [("EscapeLaw", self.status.value), ("why", self.message)]
        rows = [("EscapeLaw", f"α = {self.mean:.5g} ± {self.sd:.4g} at N = {self.N:,}"),
                ("plateau", f"ε_g = {self.plateau.level:.6g}, left below {self.level:.4g}"),
                ("rate", f"{self.rate:.6g}, in {self.multiplicity} directions"),
                ("grows with N as", f"ln N · {0.5 / self.rate:.5g}")]
        if self.standard_error:
            rows.append(("mean", f"± {self.standard_error:.2g} from the {self.offsets.size} directions followed"))
        return [*rows, ("but", self.message)] if self.message else rows


def escape_law(problem: Problem, start: "OrderParameters | Weights", N: int, level: float | None = None,
               alpha: float | None = None, directions: int = DIRECTIONS, seed: int = 0,
               nodes: int = FLUCTUATION_NODES) -> EscapeLaw:
    """When a run of finite N, from fixed overlaps that lead to a plateau, leaves it.

    Deviations from the plateau begin as the noise of the steps, of variance B/N, and grow as e^(λα): the time is
    ln N/(2λ) on average, and its spread does not depend on N (docs/theory, section 19.3).

    Parameters
    ----------
    problem : Problem
        As :func:`onlinemode.fluctuations` takes it, without schedules.
    start : OrderParameters or Weights
        Common to all runs, with nothing along the unstable directions, as a symmetric start has it.
    N : int
        Number of inputs, at least P + M.
    level : float, optional
        Error ε_g below which a run is out; by default midway between the plateau and where runs go from there.
    alpha : float, optional
        When the mean-field run is on the plateau at the latest; by default 500 over the largest learning rate.
    directions : int, default 100
        Ways out that are followed where there are several unstable directions.
    seed : int, default 0
        Draws them.
    nodes : int, default 2^14
        Quadrature nodes for the noise of the steps; the error of B is about 1.5 % at 2^14.

    Returns
    -------
    EscapeLaw
        With a status: not every start leads to a plateau.

    Raises
    ------
    ParameterError
        If an argument is out of range, nothing is trained, or the linear noise is not known for the problem.

    Examples
    --------
    >>> import numpy as np
    >>> import onlinemode as om
    >>> start = om.initial.from_overlaps(Q=0.1 * np.eye(2), R=np.zeros((2, 2)), T=np.eye(2), readout="sum")
    >>> law = om.escape_law(om.Problem(rates=om.LearningRates(xi_in=1.0)), start, N=10**6, level=0.01)
    >>> round(law.mean), round(law.at(10**9).mean - law.mean, 1), round(law.sd, 1)
    (157, 58.4, 18.8)
    """
    problem, start = autonomous(problem, start)
    require_linear_noise(problem)
    N = checks.inputs(N)
    _check_rank(N, start)
    level = None if level is None else checks.number("level", level, above=0.0)
    alpha = LONG / largest_rate(problem) if alpha is None else checks.number("alpha", alpha, above=0.0)
    directions = checks.integer("directions", directions, 2, 10**6)
    seed = checks.integer("seed", seed, 0)
    nodes = checks.power_of_two("nodes", nodes, 64, 2**24)

    def nothing(status, message, plateau=None):
        nan = float("nan")
        return EscapeLaw(status, message, N, nan if level is None else level, plateau, nan, 0, nan, np.zeros(0))

    drift = Drift(problem, start)
    path = follow(drift, alpha)
    if not path.complete:
        return nothing(Finding.DIVERGED, "the mean-field equations diverge: lower the learning rates")
    plateau, place, *why = _plateau_of(drift, path)
    if plateau is None:
        return nothing(*why)
    arrival = path.alpha[place]
    left, right = _unstable(drift, plateau)
    if abs(plateau.rates[0].imag) > SAME * abs(plateau.rates[0]):
        return nothing(Finding.NONE, "the fastest deviations from the plateau turn as they grow", plateau)
    noise = _noise(drift, left, arrival, plateau, nodes)
    along = left @ (path.states[place] - plateau.y) * np.exp(-plateau.rate * arrival)
    of_start = float(np.sqrt(along @ np.linalg.solve(noise, along)))
    if of_start * np.sqrt(N) > OF_NOISE:
        return nothing(Finding.NONE, _of_start(of_start, N), plateau)
    steps = _directions(noise, directions, seed)
    amplitude = FIRST_AMPLITUDE * np.linalg.norm(plateau.y)
    if level is None:
        last = follow(drift, OUT / plateau.rate, plateau.y + amplitude * right @ steps[0], RTOL, ATOL)
        if not (last.complete and drift.error(last.states[-1]) < plateau.level):
            return nothing(Finding.NONE, "the way out of the plateau does not lead to a smaller error, so no level is "
                           "known below which a run is out: give one", plateau)
        level = 0.5 * (plateau.level + drift.error(last.states[-1]))
    if not level < plateau.level:
        return nothing(Finding.NONE, f"level must be below that of the plateau, {plateau.level:.6g}; got {level:.6g}",
                       plateau)
    times = np.array([_time_out(drift, plateau.y + amplitude * right @ step, level, plateau.rate) for step in steps])
    if np.isnan(times).any():
        return nothing(Finding.NONE, f"{np.isnan(times).sum()} of {times.size} ways out of the plateau do not come to "
                       f"ε_g < {level:.4g}: give a larger level", plateau)
    lengths = np.einsum("ni,ij,nj->n", steps, np.linalg.inv(noise), steps)
    offsets = times + (np.log(amplitude) + 0.5 * np.log(lengths)) / plateau.rate
    return EscapeLaw(Finding.FOUND, _slower(plateau), N, float(level), plateau, plateau.rate, plateau.multiplicity,
                     of_start, offsets)


def _check_rank(N, state):
    """Raise ParameterError unless N-vectors can have any overlaps of these sizes."""
    if N < state.P + state.M:
        raise ParameterError(f"N must be at least P + M = {state.P + state.M}, the vectors of student and teacher; got "
                             f"{N}")


def _of_start(of_start, N):
    return (f"the start has {of_start * np.sqrt(N):.2g} times as much along the unstable directions as the noise at "
            f"N = {N:,}, so the run leaves without it: {_REMEDY}")


def _slower(plateau):
    """What is to be said of unstable directions of smaller rates, which the law leaves out."""
    more = plateau.unstable - plateau.multiplicity
    if more == 0:
        return ""
    return (f"{more} more directions grow, at rates of up to {plateau.rates[plateau.multiplicity].real:.4g}: the law "
            "is that of large N")


def _plateau_of(drift, path):
    """The plateau on which a run stays, and at which of its steps; or None, None, a status and why there is none."""
    nearest, closest, unknown = float("inf"), None, 0
    for i in slow_points(speeds_along(drift, path)):
        point = near(drift, path.states[i], path.alpha[i])
        unknown += point.status is not Finding.FOUND
        if point.unstable:
            if point.distance < nearest:
                nearest, closest = point.distance, i
            if point.distance < ON_THE_PLATEAU:
                return point, i
    last = path.alpha[-1]
    if closest == len(path.alpha) - 1:
        why = (f"at α = {last:.4g} the run is still {nearest:.1g} away from the plateau, and must be within "
               f"{ON_THE_PLATEAU:g}: give a larger alpha")
        return None, None, Finding.NONE, why
    if closest is not None:
        why = f"the run leaves the plateau without noise, {nearest:.2g} away at its nearest: {_REMEDY}"
        return None, None, Finding.NONE, why
    if unknown:
        why = f"where the run is slow up to α = {last:.4g} Newton's method comes to no fixed point (om.fixed_points)"
        return None, None, Finding.NOT_CONVERGED, why
    why = f"no plateau up to α = {last:.4g}: the run comes to no fixed point that it could leave"
    return None, None, Finding.NONE, why


def _unstable(drift, plateau):
    """Bases of the fastest deviations, left (m, d) and right (d, m): left @ right = 1, and right is orthonormal."""
    J, m = drift.jacobian(0.0, plateau.y), plateau.multiplicity
    right = _nullspace(J - plateau.rate * np.eye(drift.size), m).T
    left = _nullspace(J.T - plateau.rate * np.eye(drift.size), m)
    return np.linalg.solve(left @ right, left), right


def _nullspace(matrix, count):
    """An orthonormal basis (count, d) of the directions that a matrix shrinks most."""
    return np.linalg.svd(matrix)[2][-count:]


def _noise(drift, left, arrival, plateau, nodes):
    """B (m, m): deviations along the unstable directions have the covariance B·e^(2λα)/N long after the arrival."""
    from scipy.integrate import solve_ivp
    from scipy.interpolate import CubicSpline

    (m, d), rate = left.shape, plateau.rate
    coefficients = Coefficients(drift.problem, drift.start, drift.compiled, nodes)
    samples = follow(drift, arrival, rtol=COARSE, atol=COARSE * 1e-3)
    jacobians, covariances, _ = zip(*(coefficients.at(time, y) for time, y in zip(samples.alpha, samples.states)))
    relative = CubicSpline(samples.alpha, np.array(jacobians) - rate * np.eye(d))

    def backward(time, flat):  # what a deviation at this time becomes along them, divided by the growth since then
        return -(flat.reshape(m, d) @ relative(time)).ravel()

    seen = solve_ivp(backward, (arrival, 0.0), left.ravel(), method="DOP853", rtol=1e-9, atol=1e-10,
                     dense_output=True).sol(samples.alpha).T.reshape(-1, m, d)
    gained = np.einsum("nij,njk,nlk->nil", seen, np.array(covariances), seen)
    gained *= np.exp(-2.0 * rate * samples.alpha)[:, None, None]
    return CubicSpline(samples.alpha, gained).integrate(0.0, arrival) + gained[-1] / (2.0 * rate)


def _directions(noise, count, seed):
    """Unit vectors (count, m) along which deviations of this covariance point; both signs of the only one."""
    if len(noise) == 1:
        return np.array([[1.0], [-1.0]])
    normals = np.random.default_rng(seed).standard_normal((count, len(noise)))
    drawn = normals @ np.linalg.cholesky(noise).T
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def _time_out(drift, y, level, rate):
    """When a run from here falls below the level; NaN where it does not."""
    path = follow(drift, OUT / rate, y, RTOL, ATOL, lambda alpha, state: drift.error(state) - level)
    return path.alpha[-1] if path.complete and path.alpha[-1] < OUT / rate else np.nan
