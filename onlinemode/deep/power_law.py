"""Power laws of sorted importances: two segments with a fitted breakpoint, and whether the data ask for them.

All fits are least squares in ln τ against ln rank, every rank with the same weight; of several networks
the mean of ln τ is fitted.

Formulas and how they were checked: docs/theory, section 11.1.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from onlinemode import checks
from onlinemode.display import short_repr
from onlinemode.errors import ParameterError

WINDOWS = ((1, 10), (11, 70))  # ranks between which Li and Huang (2023) draw their two lines
LEAST_POINTS = 3  # a segment
LEAST_MODES = 8
DRAWS = 400  # synthetic networks, for the uncertainty of fewer than three
FEWEST_NETWORKS = 3  # for an uncertainty from the networks themselves
STRONGEST_CORRELATION = 0.95
SIGNIFICANT = 0.05
CLEAR = 4.0  # a difference of the criterion below this leaves two forms undecided
TAIL = 0.1  # share of the ranks, the last ones, that a second fit leaves out
ONE, TWO = "one power law", "two power laws"


class Estimate(NamedTuple):
    """A number, its standard error and the ends of its interval.

    Attributes
    ----------
    value : float
        The best one.
    standard_error : float
        The length of the interval, (high − low), over 2t, with the quantile t of Student (three or more networks) or
        Gauss.
    low, high : float
        Ends of the interval.
    """

    value: float
    standard_error: float
    low: float
    high: float


class Segments(NamedTuple):
    """Two power laws that meet.

    Attributes
    ----------
    slopes : (Estimate, Estimate)
        Exponents before and after the breakpoint.
    breakpoint : Estimate
        A rank, not rounded.
    height : float
        The importance at the breakpoint.
    at_edge : bool
        Whether only three ranks, the fewest allowed, lie on one side of the breakpoint.
    """

    slopes: tuple[Estimate, Estimate]
    breakpoint: Estimate
    height: float
    at_edge: bool


class WithoutTail(NamedTuple):
    """The two power laws that the first ranks alone give, without intervals.

    Attributes
    ----------
    ranks : int
        How many.
    slopes : tuple of float
        Exponents before and after the breakpoint.
    breakpoint : float
        A rank, not rounded.
    at_edge : bool
        As in :class:`Segments`.
    """

    ranks: int
    slopes: tuple[float, ...]
    breakpoint: float
    at_edge: bool


class Window(NamedTuple):
    """One power law between two fixed ranks, τ = height · rank^slope.

    Attributes
    ----------
    first, last : int
        Ranks from 1, both counted.
    slope : Estimate
        The exponent.
    height : float
        At rank 1.
    """

    first: int
    last: int
    slope: Estimate
    height: float


class Model(NamedTuple):
    """A form of the sorted curve.

    Attributes
    ----------
    name : {"one power law", "exponential", "parabola", "two power laws"}
        Of ln τ against ln rank.
    parameters : int
        Free ones, with that of the noise.
    residual : float
        Sum of squares.
    aic, bic : float
        Criteria; smaller is better (docs/theory, section 11.1).
    """

    name: str
    parameters: int
    residual: float
    aic: float
    bic: float


class PowerLaw(NamedTuple):
    """What :func:`fit_power_law` finds.

    Attributes
    ----------
    networks : int
        How many were fitted together.
    method : str
        How the uncertainties were found.
    confidence : float
        Of the intervals.
    segments : Segments
        The two power laws.
    without_tail : WithoutTail
        The same fit without the last 10 % of the ranks (rounded up).
    windows : tuple of Window
        Those that have at least three ranks.
    models : tuple of Model
        "one power law", "exponential", "parabola", "two power laws".
    correlation : float
        Of neighbouring residuals about the two segments.
    effective_ranks : float
        How many independent ranks the criteria count.
    bend : float
        A p-value: how often a single power law would look as bent as this curve; NaN if undefined, where networks
        or modes do not differ.
    """

    networks: int
    method: str
    confidence: float
    segments: Segments
    without_tail: WithoutTail
    windows: tuple[Window, ...]
    models: tuple[Model, ...]
    correlation: float
    effective_ranks: float
    bend: float

    def __repr__(self) -> str:
        return short_repr(self)

    @property
    def supported(self) -> tuple[str, ...]:
        """Names of the forms whose BIC is less than 4 above the lowest, the lowest first: undecided if several.

        One power law is left out where ``bend`` < 0.05, before the lowest is sought; where ``bend`` is larger it is
        always named; where ``bend`` is undefined the criterion alone decides.
        """
        forms = sorted((model for model in self.models if model.name != ONE or self.bent != "bent"),
                       key=lambda model: model.bic)
        return tuple(model.name for model in forms if model.bic - forms[0].bic < CLEAR
                     or (model.name == ONE and self.bent == "no bend shown"))

    @property
    def bent(self) -> str:
        """What ``bend`` says at 5 %: "bent", "no bend shown" or "undefined"."""
        if np.isnan(self.bend):
            return "undefined"
        return "bent" if self.bend < SIGNIFICANT else "no bend shown"

    @property
    def verdict(self) -> str:
        """What ``supported`` says, in words."""
        return ("undecided: " if len(self.supported) > 1 else "") + ", ".join(self.supported)

    def curve(self, ranks: ArrayLike) -> NDArray[np.float64]:
        """Importance by the two segments.

        Parameters
        ----------
        ranks : array (n,)
            From 1, not only whole ones.

        Returns
        -------
        array (n,)
            At these ranks.
        """
        (one, two), at = self.segments.slopes, self.segments.breakpoint.value
        ratio = np.asarray(ranks, np.float64) / at
        return self.segments.height * np.where(ratio < 1.0, ratio**one.value, ratio**two.value)


def fit_power_law(values: ArrayLike, windows: Sequence[tuple[int, int]] = WINDOWS, confidence: float = 0.95,
                  seed: int = 0) -> PowerLaw:
    """Two power laws with a fitted breakpoint, the paper's fixed windows, and a comparison of four forms.

    docs/theory, section 11.1.

    The breakpoint is exact: the best pair of lines that meet, over all real ln rank that leave three ranks on
    each side (Hudson, J. Am. Stat. Assoc. 61, 1097 (1966)).

    Uncertainties of three or more networks are the jackknife's over networks, with Student's t: sorted values
    of one network are correlated from rank to rank, and only other networks show how much.  Of one or two they
    are those of 400 synthetic networks whose modes are independent draws from the distribution that the fit
    describes: i (ln τ_i − ln τ_{i+1}) of draws from a power law are independent exponential variables (Rényi, Acta
    Math. Acad. Sci. Hung. 4, 191 (1953)).

    ``bend`` tests the coefficient of a parabola in ln rank: Student's t over three or more networks, fewer
    against synthetic networks of a single power law.  The criteria, n' ln(RSS/n) + 2k and n' ln(RSS/n) +
    k max(ln n', 2), count n' = n(1 − ρ)/(1 + ρ) ranks as independent, ρ ≥ 0 being the correlation of neighbouring
    residuals about the two segments; they order the forms and are no test.  Forms whose BIC differ by less than 4
    are undecided; for 280 synthetic straight lines one power law was never the only form left, since a parabola and
    two power laws can be straight.

    On synthetic sets with known answers (70 modes, two segments with exponents −0.13 and −0.82 meeting at rank 12,
    400 sets of independent modes) the 95 % intervals hold the truth in 93 to 95 % of the cases for three to ten
    networks; for one or two in 94 to 96 % (exponents) and 87 to 90 % (breakpoint), more where modes are spaced more
    evenly than independent ones.  A straight line has ``bend`` < 0.05 in 4 to 8 % of the cases.

    Trained networks are no independent draws: of 15 intervals for the breakpoint from single networks (1L2P with
    70 modes on Fashion-MNIST, three layers, five seeds) 9 hold the value that the five together give.  Intervals of
    one or two networks are indicative only: too narrow there, too wide for evenly spaced modes.

    The breakpoint may be made by the last few ranks: compare ``without_tail``, and see ``at_edge``.

    Parameters
    ----------
    values : array (networks, P) or (P,)
        Importances above 0, in any order; P ≥ 8.
    windows : sequence of (first, last), default ((1, 10), (11, 70))
        Ranks from 1; the last is cut to P.
    confidence : float, default 0.95
        Of the intervals, above 0 and at most 0.9999.
    seed : int, default 0
        Of the synthetic networks.

    Returns
    -------
    PowerLaw
        Fits, intervals and criteria.

    Raises
    ------
    ShapeError, ParameterError
        If there are fewer than eight modes, an importance is not above 0, or an argument is out of range.
    """
    values = checks.array("values", np.atleast_2d(checks.real("values", values)), (None, None),
                          symbols="(networks, P)")
    confidence = checks.number("confidence", confidence, above=0.0, maximum=0.9999)
    networks, P = values.shape
    if P < LEAST_MODES:
        raise ParameterError(f"two power laws need at least {LEAST_MODES} modes; got {P}: train with more")
    if values.min() <= 0.0:
        raise ParameterError(f"a power law needs importances above 0; {int((values <= 0.0).sum())} of {values.size} "
                             "are not: remove those modes first, or take the ranking tau")
    y = np.log(-np.sort(-values, axis=1))
    x = np.log(np.arange(1.0, P + 1.0))
    mean, fits = y.mean(0), _Fits(x)
    best = fits(mean)[0]
    residuals = mean - _two_lines(best, x)
    parabola = lambda curves: np.polynomial.polynomial.polyfit(x, np.atleast_2d(curves).T, 2)[2:].T  # noqa: E731
    if networks >= FEWEST_NETWORKS:
        method = f"jackknife over {networks} networks"
        others = (y.sum(0) - y) / (networks - 1)
        intervals = lambda value, refit: _jackknife(value, refit(others), confidence)  # noqa: E731
        bend = _bend(parabola(y)[:, 0])
    else:
        method = f"{DRAWS} synthetic networks of independent modes"
        drawn = _synthetic(_two_lines(best, x), networks, seed)
        intervals = lambda value, refit: _percentiles(value, refit(drawn), confidence)  # noqa: E731
        single = _synthetic(np.polynomial.Polynomial.fit(x, mean, 1)(x), networks, seed)
        extremes = (np.abs(parabola(single)) >= np.abs(parabola(mean))).sum()
        bend = float((1 + extremes) / (1 + DRAWS)) if np.ptp(mean) > 0.0 else np.nan
    parameters = intervals(best, fits)
    at = parameters[0]
    rank, low, high = (float(np.exp(each)) for each in (at.value, at.low, at.high))
    breakpoint = Estimate(rank, (high - low) / (2.0 * _quantile(networks, confidence)), low, high)
    kept = P - math.ceil(TAIL * P)
    rest = _Fits(x[:kept])(mean[:kept])[0]
    without_tail = WithoutTail(kept, tuple(map(float, rest[2:])), float(np.exp(rest[0])), _at_edge(rest[0], kept))
    found = []
    for first, last in windows:
        first, last = checks.integer("first rank", first, 1), min(checks.integer("last rank", last, 1), P)
        if last - first + 1 >= LEAST_POINTS:
            inside = slice(first - 1, last)
            line = lambda curves, inside=inside: _line(x[inside], np.atleast_2d(curves)[:, inside])  # noqa: E731
            slope, height = line(mean)[0]
            found.append(Window(first, last, intervals(np.array([slope, height]), line)[0], float(np.exp(height))))
    correlation = _correlation(residuals)
    models, effective = _models(x, mean, residuals, correlation)
    segments = Segments(tuple(parameters[2:]), breakpoint, float(np.exp(best[1])), _at_edge(best[0], P))
    return PowerLaw(networks, method, confidence, segments, without_tail, tuple(found), models, correlation, effective,
                    bend)


class _Fits:
    """Exact continuous two-line fits to curves over the same x.

    A best pair of lines either is the best free pair on the two sides of a gap between points, which happen to
    meet inside the gap, or bends at a point.
    """

    def __init__(self, x):
        n = len(x)
        self.x = x
        self.free = np.arange(LEAST_POINTS, n - LEAST_POINTS + 1)  # points on the left of the gap
        left = np.arange(n) < self.free[:, None]
        columns = np.stack([left, left * x, ~left, ~left * x], -1).astype(np.float64)
        self.bends = x[LEAST_POINTS - 1:n - LEAST_POINTS + 1]
        bent = np.stack([np.ones((len(self.bends), n)), np.minimum(x - self.bends[:, None], 0.0),
                         np.maximum(x - self.bends[:, None], 0.0)], -1)
        self.bases = [np.linalg.qr(columns)[0], np.linalg.qr(bent)[0]]
        self.inverses = [np.linalg.pinv(columns), np.linalg.pinv(bent)]

    def __call__(self, curves):
        """Break point, height there and both slopes of each curve, (curves, 4)."""
        curves = np.atleast_2d(curves)
        middle = curves.mean(1, keepdims=True)
        y = (curves - middle).T
        explained = [(np.swapaxes(basis, 1, 2) @ y)**2 for basis in self.bases]
        left, left_slope, right, right_slope = np.moveaxis(self.inverses[0] @ y, 1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            meet = (right - left) / (left_slope - right_slope)
            inside = (meet > self.x[self.free - 1, None]) & (meet < self.x[self.free, None])
        free = np.where(inside, explained[0].sum(1), -np.inf)
        bent = explained[1].sum(1)
        i, j, each = free.argmax(0), bent.argmax(0), np.arange(len(curves))
        level, slope, later_slope = np.moveaxis(self.inverses[1] @ y, 1, 0)
        at_gap = np.stack([meet, left + left_slope * np.where(inside, meet, 0.0), left_slope, right_slope], -1)[i, each]
        at_point = np.stack([np.broadcast_to(self.bends[:, None], level.shape), level, slope, later_slope], -1)[j, each]
        out = np.where((free[i, each] >= bent[j, each])[:, None], at_gap, at_point)
        out[:, 1] += middle[:, 0]
        return out


def _two_lines(parameters, x):
    at, height, one, two = parameters
    return height + one * np.minimum(x - at, 0.0) + two * np.maximum(x - at, 0.0)


def _at_edge(at, n):
    """Whether a break at this ln rank has the fewest allowed of n ranks on one side."""
    return bool(at < np.log(LEAST_POINTS + 1.0) - 1e-9 or at > np.log(n - LEAST_POINTS) + 1e-9)


def _bend(coefficients):
    """Student's p-value that the mean is 0; NaN where the networks do not differ beyond rounding."""
    if not np.ptp(coefficients) > max(1e-9 * np.abs(coefficients).max(), 1e-12):
        return np.nan
    return float(stats.ttest_1samp(coefficients, 0.0).pvalue)


def _quantile(networks, confidence):
    """Half the length of an interval in standard errors."""
    upper = 0.5 + confidence / 2.0
    return float(stats.t.ppf(upper, networks - 1) if networks >= FEWEST_NETWORKS else stats.norm.ppf(upper))


def _line(x, curves):
    """Slope and constant of each curve, (curves, 2)."""
    centred = x - x.mean()
    slope = curves @ centred / (centred @ centred)
    return np.stack([slope, curves.mean(1) - slope * x.mean()], -1)


def _correlation(residuals):
    """Correlation of neighbouring residuals, between 0 and 0.95."""
    size = residuals @ residuals
    if size <= 0.0:
        return 0.0
    return float(np.clip(residuals[1:] @ residuals[:-1] / size, 0.0, STRONGEST_CORRELATION))


def _synthetic(curve, networks, seed):
    """Mean sorted ln τ of networks whose modes are independent draws with this expected curve, (draws, n)."""
    steps = np.random.default_rng(seed).gamma(networks, 1.0 / networks, (DRAWS, len(curve) - 1)) * np.diff(curve)
    return curve[0] + np.concatenate([np.zeros((DRAWS, 1)), np.cumsum(steps, axis=1)], axis=1)


def _jackknife(values, without, confidence):
    """Estimates from the refits that leave one network out each, (networks, parameters)."""
    n = len(without)
    errors = np.sqrt((n - 1) / n * ((without - without.mean(0)) ** 2).sum(0))
    reach = _quantile(n, confidence)
    return [Estimate(float(value), float(error), float(value - reach * error), float(value + reach * error))
            for value, error in zip(values, errors)]


def _percentiles(values, refits, confidence):
    low, high = np.quantile(refits, [0.5 - confidence / 2.0, 0.5 + confidence / 2.0], axis=0)
    errors = (high - low) / (2.0 * _quantile(1, confidence))
    return [Estimate(*map(float, row)) for row in zip(values, errors, low, high)]


def _models(x, y, two_lines, correlation):
    """The four forms with their criteria, and the number of ranks that count as independent."""
    ranks, n = np.exp(x), len(x)
    effective = n * (1.0 - correlation) / (1.0 + correlation)
    forms = [(ONE, np.stack([np.ones(n), x], 1)), ("exponential", np.stack([np.ones(n), ranks], 1)),
             ("parabola", np.stack([np.ones(n), x, x**2], 1))]
    residuals = [(name, columns.shape[1] + 1, y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0])
                 for name, columns in forms]
    residuals.append((TWO, 5, two_lines))
    out = []
    for name, parameters, left in residuals:
        fit = effective * np.log(max(left @ left / n, 1e-26))
        out.append(Model(name, parameters, float(left @ left), float(fit + 2.0 * parameters),
                         float(fit + parameters * max(np.log(effective), 2.0))))
    return tuple(out), float(effective)
