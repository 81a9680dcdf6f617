"""A smooth odd function as a sum of erfs, g(z) ≈ Σ_r c_r erf(b_r z/√2), whose averages have closed forms.

The gains b are found by least squares, term by term; then gains and coefficients together so that the largest error is
least, by a row of linear programs.  docs/theory, section 2.5.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares, linprog
from scipy.special import erf

SLOPE_WEIGHT = 0.3  # of an error of g', beside one of g
LARGEST_COEFFICIENT = 20.0  # over sup|g|: averages are sums of products of four, and lose digits if these are large
_SCAN = np.logspace(-6.0, 6.0, 961)
_FIT_POINTS, _CHECK_POINTS = 200, 6007
_NEAR, _LEAST = 4.0, 1e-13  # least squares are made uniform if within this factor of the wanted error; rounding
_TINY = np.finfo(float).tiny


class ErfSum(NamedTuple):
    """g(z) ≈ Σ_r c_r erf(b_r z/√2)."""

    coefficients: np.ndarray  # (R,)   c
    gains: np.ndarray  # (R,)   b, ascending
    error: float  # sup_z |error of g|
    slope_error: float  # sup_z |error of g'|

    @property
    def largest(self):
        """What the fit makes small."""
        return max(self.error, SLOPE_WEIGHT * self.slope_error)

    def __call__(self, z):
        """Σ_r c_r erf(b_r z/√2)."""
        return _erfs(z, self.gains) @ self.coefficients

    def slope(self, z):
        """Its derivative."""
        return _slopes(z, self.gains) @ self.coefficients


class _Target(NamedTuple):
    z: np.ndarray  # (n,)
    wanted: np.ndarray  # (2n,)   g, then weighted g'
    size: float  # sup |g|
    ridge: float  # of least squares
    low: float  # where g begins to bend
    high: float  # where it has settled


def fit_erfs(g, slope, most=8, wanted=1e-7):
    """The sum of the fewest erfs that is as close to an odd smooth function as is wanted.

    Parameters
    ----------
    g, slope : callable
        The function and its derivative, of arrays.
    most : int, default 8
        Terms at most.
    wanted : float, default 1e-7
        Bound for the larger of sup|error of g| and 0.3 sup|error of g'|, over all z.

    Returns
    -------
    ErfSum
        With the errors that it has, as measured on a grid other than that of the fit, of both signs and far into the
        tails: if no sum of ``most`` erfs meets the bound, the best one found.  No terms, and infinite errors, for a
        function that is not finite.
    """
    with np.errstate(all="ignore"):
        target = _target(g, slope, wanted)
        if target is None:
            return ErfSum(np.empty(0), np.empty(0), np.inf, np.inf)
        bound = LARGEST_COEFFICIENT * target.size
        best, fewer = _measured(g, slope, target, np.empty(0), np.empty(0)), np.empty(0)
        for count in range(1, most + 1):
            if best.largest <= wanted:
                break
            rows = _least_squares(target, count, fewer)
            fewer = rows[0]
            for log_gains in rows:
                coefficients = np.clip(_projected(target, log_gains)[0], -bound, bound)
                found = _measured(g, slope, target, coefficients, log_gains)
                sums = [best, found]
                if count == most or found.largest <= _NEAR * wanted:
                    coefficients, uniform = _uniform(target, log_gains, bound)
                    if coefficients is not None:
                        sums.append(_measured(g, slope, target, coefficients, uniform))
                best = min(sums, key=lambda each: each.largest)
                if best.largest <= wanted:
                    break
    return best


def _target(g, slope, wanted):
    """Values at points close together where g bends, up to where it has settled; None if it is not finite."""
    values, slopes = _both(g, slope, _SCAN)
    if not np.all(np.isfinite([values, slopes])):
        return None
    size = np.abs(values).max()
    bends = np.abs(slopes - slopes[0]) > 0.01 * np.abs(slopes).max()
    moves = np.abs(values - values[-1]) > 1e-9 * size
    low = _SCAN[np.argmax(bends)] if bends.any() else 1.0
    high = max(_SCAN[np.flatnonzero(moves)[-1]] if moves.any() else 1.0, 10.0 * low)
    z = _points(low, high, _FIT_POINTS)
    values, slopes = _both(g, slope, z)
    if not np.all(np.isfinite([values, slopes])):
        return None
    ridge = 2.0 * wanted / max(size, _TINY)
    return _Target(z, np.concatenate([values, SLOPE_WEIGHT * slopes]), size, ridge, low, high)


def _both(g, slope, z):
    return np.broadcast_to(g(z), z.shape), np.broadcast_to(slope(z), z.shape)


def _points(low, high, count):
    """Points from nearly 0 to ``high``, evenly below ``low`` and by factors above."""
    return low * np.sinh((np.arange(count) + 0.5) / count * np.arcsinh(high / low))


def _erfs(z, gains):
    return erf(np.multiply.outer(z, gains / np.sqrt(2.0)))


def _slopes(z, gains):
    bz = np.multiply.outer(z, gains)
    return np.sqrt(2.0 / np.pi) * gains * np.exp(-0.5 * bz * bz)


def _columns(z, log_gains):
    """Each erf at z, and its weighted slope (2n, R)."""
    gains = np.exp(log_gains)
    return np.concatenate([_erfs(z, gains), SLOPE_WEIGHT * _slopes(z, gains)])


def _columns_by_gain(z, log_gains):
    """Their derivatives by ln b."""
    gains = np.exp(log_gains)
    bz, slopes = np.multiply.outer(z, gains), _slopes(z, gains)
    return np.concatenate([z[:, None] * slopes, SLOPE_WEIGHT * slopes * (1.0 - bz * bz)])


def _projected(target, log_gains):
    """Coefficients of least squares, and what is left of ``wanted`` and of the ridge that keeps them small."""
    ridge = target.ridge * np.eye(log_gains.size)
    matrix = np.concatenate([_columns(target.z, log_gains), ridge])
    wanted = np.concatenate([target.wanted, np.zeros(log_gains.size)])
    coefficients = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
    return coefficients, matrix @ coefficients - wanted


def _least_squares(target, count, fewer):
    """Rows of ``count`` ln b with locally least squares, the best first: from one term less, and from even rows."""
    lowest, highest = np.log(0.1 / target.high), np.log(10.0 / target.low)
    centre = np.log(1.0 / target.low) - 1.5
    steps = np.arange(count) - 0.5 * (count - 1)
    starts = [centre + ratio * steps for ratio in (0.1, 0.3, 0.8)]
    if fewer.size > 1:
        places = np.linspace(-0.5, fewer.size - 0.5, count)
        inside = np.interp(places, np.arange(fewer.size), fewer)
        first, last = fewer[1] - fewer[0], fewer[-1] - fewer[-2]
        inside[0], inside[-1] = fewer[0] - 0.5 * first, fewer[-1] + 0.5 * last
        starts.insert(0, inside)

    found = [least_squares(lambda log_gains: _projected(target, log_gains)[1],
                           np.clip(start, lowest + 1e-3, highest - 1e-3), bounds=(lowest, highest), max_nfev=40,
                           xtol=1e-12, ftol=1e-6, gtol=None) for start in starts]
    return [np.sort(each.x) for each in sorted(found, key=lambda each: each.cost)]


def _uniform(target, log_gains, bound):
    """The coefficients and ln b with the least largest error: linear programs in a region of trust of ln b."""
    count = log_gains.size
    columns = _columns(target.z, log_gains)
    coefficients, largest = _least_largest(columns, target.wanted, np.full(count, -bound), np.full(count, bound))
    trust = 0.1
    for _ in range(30):
        if coefficients is None or largest < _LEAST * target.size or trust < 1e-5:
            break
        limit = np.concatenate([np.full(count, bound), np.full(count, trust)])
        by_gain = _columns_by_gain(target.z, log_gains) * coefficients
        step, _ = _least_largest(np.concatenate([columns, by_gain], 1), target.wanted, -limit, limit)
        if step is None:
            break
        new_gains = log_gains + step[count:]
        new_columns = _columns(target.z, new_gains)
        new, new_largest = _least_largest(new_columns, target.wanted, -limit[:count], limit[:count])
        if new is not None and new_largest < largest:
            gained = 1.0 - new_largest / largest
            coefficients, log_gains, columns, largest = new, new_gains, new_columns, new_largest
            trust = min(2.0 * trust, 0.5)
            if gained < 1e-3:
                break
        else:
            trust *= 0.25
    return coefficients, log_gains


def _least_largest(columns, wanted, low, high):
    """The bounded coefficients with the least largest error, and that error; None where the solver gives up.

    About those of least squares, and in units of what is left of them, since the solver has tolerances of its own.
    """
    near = np.clip(np.linalg.lstsq(columns, wanted, rcond=1e-13)[0], low, high)
    rest = wanted - columns @ near
    unit = max(np.abs(rest).max(), _TINY)
    scale = unit / np.abs(columns).max(0)
    matrix, error = columns * scale / unit, -np.ones((wanted.size, 1))
    found = linprog(np.append(np.zeros(low.size), 1.0), np.block([[matrix, error], [-matrix, error]]),
                    np.concatenate([rest, -rest]) / unit,
                    bounds=[*zip((low - near) / scale, (high - near) / scale), (0.0, None)])
    if found.x is None:
        return None, np.inf
    best = near + found.x[:-1] * scale
    return best, np.abs(columns @ best - wanted).max()


def _measured(g, slope, target, coefficients, log_gains):
    """The sum with its errors, on a finer grid, far beyond it, and on the negative side."""
    z = np.concatenate([target.low * np.logspace(-6.0, 0.0, 61), target.high * np.logspace(0.0, 6.0, 301),
                        _points(target.low, 3.0 * target.high, _CHECK_POINTS)])
    z = np.concatenate([z, -z])
    gains = np.exp(log_gains)
    order = np.argsort(gains)
    values, slopes = _both(g, slope, z)
    error = np.abs(_erfs(z, gains) @ coefficients - values).max()
    slope_error = np.abs(_slopes(z, gains) @ coefficients - slopes).max()
    return ErfSum(coefficients[order], gains[order],
                  *(float(each) if np.isfinite(each) else np.inf for each in (error, slope_error)))
