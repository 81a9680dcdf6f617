"""Averages of units of any function, alone or in pairs, with joint normal fields; docs/theory, section 2.5.

Orthonormal Hermite polynomials h_n give g(√a z) = Σ_n ĝ_n h_n(z), and E[f(h) g(h')] = Σ_n rⁿ f̂_n ĝ_n for fields of
correlation r.  The orders that are left out are bounded by the rests of E[f²] and E[g²]; where the bound is not
small, as for two parallel units with kinks, the integral is taken by Gauss's rules between the breaks.
"""

import math
from typing import NamedTuple

import numpy as np

from onlinemode.kernels.averages.erf import minor
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.error_function import erf_and_slope
from onlinemode.kernels.rule.activations import Activation, value_and_slope

NODES = 16  # of a panel
PANEL = 3.0  # the widest panel, in standard deviations of a field
REACH = 8.5  # of the integrals, in standard deviations
ORDERS = 64  # of the highest Hermite polynomial
TOLERANCE = 1e-13  # of what higher orders may add, relative to √(E[f²] E[g²])
NEGLIGIBLE = 1e-18  # powers of a correlation
LEAST_VARIANCE = 1e-8  # of a mean slope: below it g(√a z) − g(0) is lost in rounding
_BLURS = np.array([-6.5, -2.2, 2.2, 6.5])  # ends of panels about a smoothed break, in standard deviations
_SQUARE, _REST, _VARIANCE = ORDERS + 1, ORDERS + 2, ORDERS + 3  # places in a spectrum, behind ĝ
_X, _WEIGHT, _VALUE, _BEFORE, _NOW = range(5)  # rows of the scratch
_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)

_PLACES, _WEIGHTS = np.polynomial.legendre.leggauss(NODES)
_NORMAL, _OF_NORMAL = np.polynomial.hermite_e.hermegauss(24)  # for an inner integral that meets no break
_OF_NORMAL = _OF_NORMAL * _DENSITY


def _spectrum_of_sign():
    """Of sign z: √(2/π) (−1)^k (2k−1)!!/√((2k+1)!) at n = 2k + 1."""
    out = np.zeros(ORDERS + 4)
    value = math.sqrt(2.0 / math.pi)
    for n in range(1, ORDERS + 1, 2):
        out[n] = value
        value *= -n / math.sqrt((n + 1.0) * (n + 2.0))
    out[_SQUARE], out[_REST] = 1.0, 1.0 - (out[:ORDERS + 1] ** 2).sum()
    return out


_SIGN = _spectrum_of_sign()


class Table(NamedTuple):
    """A function between whose ends polynomials of degree 15 follow it, and room to work in: for one thread."""

    function: Activation
    ends: np.ndarray  # (n,)   increasing
    breaks: np.ndarray  # (b,)   those of them at which it may jump or have a kink
    finest: float  # the least distance between ends
    edges: np.ndarray  # room for ends of panels
    scratch: np.ndarray  # (5, nodes)
    spectra: np.ndarray  # (slots, ORDERS + 4)   those that were wanted last: ĝ, E[g²], its rest, variance
    slots: np.ndarray  # (2,) int   the one that is filled next, and the one that was wanted last


def make_tables(units, *functions):
    """Tables that share their room, of (data, ends, breaks) each, for so many units."""
    most = 2 + _BLURS.size + sum((2 + _BLURS.size) * len(ends) + _BLURS.size * len(breaks)
                                 for _, ends, breaks in functions)
    edges, scratch = np.empty(most), np.empty((5, NODES * (most + math.ceil(2.0 * REACH / PANEL))))
    return tuple(Table(function, ends, breaks, np.diff(ends).min(initial=np.inf), edges, scratch,
                       np.full((2 * units + 2, ORDERS + 4), np.nan), np.zeros(2, np.int64))
                 for function, ends, breaks in functions)


@compiled(inner=True)
def _value(table, z):
    return value_and_slope(table.function, z)[0]


@compiled(inner=True)
def _add_edge(edges, count, place):
    if -REACH < place < REACH:
        edges[count] = place
        count += 1
    return count


@compiled(inner=True)
def _own_edges(table, root):
    """Ends of panels for g(root x); returns how many."""
    table.edges[0], table.edges[1] = -REACH, REACH
    count = 2
    for end in table.ends:
        count = _add_edge(table.edges, count, end / root)
    return count


@compiled(inner=True)
def _fill_nodes(table, count):
    """Gauss's nodes and weights between the first edges, for a standard normal; returns how many."""
    edges, x, weight = table.edges, table.scratch[_X], table.scratch[_WEIGHT]
    edges[:count].sort()
    total = 0
    for e in range(count - 1):
        width = edges[e + 1] - edges[e]
        if width <= 0.0:
            continue
        panels = int(math.ceil(width / PANEL))
        half = 0.5 * width / panels
        for panel in range(panels):
            centre = edges[e] + (2 * panel + 1) * half
            for q in range(NODES):
                place = centre + half * _PLACES[q]
                x[total] = place
                weight[total] = half * _WEIGHTS[q] * _DENSITY * math.exp(-0.5 * place * place)
                total += 1
    return total


@compiled(inner=True, fastmath={"contract", "reassoc"})
def _fill_spectrum(table, a, out):
    root = np.sqrt(max(a, 0.0))
    count = _fill_nodes(table, _own_edges(table, root))
    x, weighted, before, now = (table.scratch[_X], table.scratch[_VALUE], table.scratch[_BEFORE],
                                table.scratch[_NOW])
    square = 0.0
    for i in range(count):
        value = _value(table, root * x[i])
        weighted[i] = table.scratch[_WEIGHT, i] * value
        square += weighted[i] * value
        before[i], now[i] = 0.0, 1.0
    rest = square
    for n in range(ORDERS + 1):
        up = 1.0 / np.sqrt(n + 1.0)
        down, total = up * np.sqrt(float(n)), 0.0
        for i in range(count):
            total += weighted[i] * now[i]
            following = up * x[i] * now[i] - down * before[i]
            before[i] = now[i]
            now[i] = following
        out[n] = total
        rest -= total * total
    out[_SQUARE], out[_REST], out[_VARIANCE] = square, max(rest, 1e-15 * square), a


@compiled(inner=True)
def _spectrum(table, a):
    """That of a field of variance a; kept for a while, as it is wanted for every pair."""
    for slot in range(table.spectra.shape[0]):
        if table.spectra[slot, _VARIANCE] == a:
            table.slots[1] = slot
            return table.spectra[slot]
    slot = table.slots[0]
    if slot == table.slots[1]:  # a pair needs two at once
        slot = (slot + 1) % table.spectra.shape[0]
    _fill_spectrum(table, a, table.spectra[slot])
    table.slots[0], table.slots[1] = (slot + 1) % table.spectra.shape[0], slot
    return table.spectra[slot]


@compiled(inner=True)
def _of_spectra(one, other, correlation):
    """Mehler's sum, and whether what it leaves out is small enough."""
    total, power = 0.0, 1.0
    for n in range(ORDERS + 1):
        total += power * one[n] * other[n]
        power *= correlation
        if abs(power) < NEGLIGIBLE:
            break
    left = abs(power) * np.sqrt(one[_REST] * other[_REST])
    return total, not left > TOLERANCE * np.sqrt(one[_SQUARE] * other[_SQUARE])


@compiled(inner=True)
def table_mean(table, a):
    """E[g(h)]."""
    return _spectrum(table, a)[0]


@compiled(inner=True)
def table_mean_slope(table, a):
    """E[g'(h)], by parts, so that jumps and kinks are no trouble."""
    root = np.sqrt(max(a, LEAST_VARIANCE))
    origin = _value(table, 0.0)
    count, total = _fill_nodes(table, _own_edges(table, root)), 0.0
    for i in range(count):
        x = table.scratch[_X, i]
        total += table.scratch[_WEIGHT, i] * x * (_value(table, root * x) - origin)
    return total / root


@compiled(inner=True)
def table_with_erf(table, width, a, b, c):
    """E[erf(h/√(2τ)) g(h')] for h of variance a and h' of variance b."""
    product = (width + a) * b
    correlation = c / np.sqrt(product) if product > 0.0 else 0.0 * c
    total, enough = _of_spectra(_SIGN, _spectrum(table, b), correlation)
    return total if enough else _erf_between_breaks(table, width, a, b, c)


@compiled(inner=True)
def _erf_between_breaks(table, width, a, b, c):
    """Given h' = √b x, the mean of erf(h/√(2τ)) is erf(x/(blur √2))."""
    root = np.sqrt(b)
    spread = np.sqrt(width + max(minor(a, b, c, c), 0.0) / b)
    blur = spread * root / c
    count = _own_edges(table, root)
    if abs(blur) < 1.0:  # else what is seen of the erf is smooth
        for each in _BLURS:
            count = _add_edge(table.edges, count, blur * each)
    total = 0.0
    for i in range(_fill_nodes(table, count)):
        x = table.scratch[_X, i]
        mean = erf_and_slope(x / blur)[0] if spread > 0.0 else np.sign(x * c)
        total += table.scratch[_WEIGHT, i] * _value(table, root * x) * mean
    return total


@compiled(inner=True)
def moment_of_tables(one, other, a, b, c):
    """E[f(h) g(h')] of two tables that share their room."""
    product = np.sqrt(a * b)
    total, enough = _of_spectra(_spectrum(one, a), _spectrum(other, b), c / product if product > 0.0 else 0.0 * c)
    return total if enough else _between_breaks(one, other, a, b, c)


@compiled(inner=True)
def _between_breaks(one, other, a, b, c):
    """The integral over h, and inside it that over h' given h."""
    root = np.sqrt(a)
    slope, spread = c / root, np.sqrt(max(minor(a, b, c, c), 0.0) / a)
    count = _own_edges(one, root)
    if spread < abs(slope):  # else all that is seen of the other one is smooth
        for end in other.breaks:
            for each in _BLURS:
                count = _add_edge(one.edges, count, (end + spread * each) / slope)
        for e in range(other.ends.size):
            end, gap = other.ends[e], _gap(other.ends, e)
            count = _add_if_alone(one.edges, count, end / slope, 0.25 * gap / abs(slope))
            if gap < 2.0 * spread:  # what is as narrow as that is as good as a break
                for each in _BLURS:
                    place = (end + spread * each) / slope
                    count = _add_if_alone(one.edges, count, place, 0.5 * spread / abs(slope))
    total = 0.0
    for i in range(_fill_nodes(one, count)):
        x = one.scratch[_X, i]
        total += (one.scratch[_WEIGHT, i] * _value(one, root * x)
                  * _smoothed(other, slope * x, spread))
    return total


@compiled(inner=True)
def _gap(ends, e):
    """To the nearest other end."""
    below = ends[e] - ends[e - 1] if e > 0 else np.inf
    return min(below, ends[e + 1] - ends[e]) if e + 1 < ends.size else below


@compiled(inner=True)
def _add_if_alone(edges, count, place, distance):
    """Add an edge unless another one is as near as that."""
    for e in range(count):
        if abs(edges[e] - place) < distance:
            return count
    return _add_edge(edges, count, place)


@compiled(inner=True)
def _has_between(ends, low, high):
    for end in ends:
        if low < end < high:
            return True
    return False


@compiled(inner=True)
def _smoothed(table, mean, spread):
    """E[g(mean + spread z)]."""
    if spread == 0.0:
        return _value(table, mean)
    total, low, last = 0.0, mean - REACH * spread, mean + REACH * spread
    if not _has_between(table.breaks if last - low < table.finest else table.ends, low, last):
        for q in range(_NORMAL.size):
            total += _OF_NORMAL[q] * _value(table, mean + spread * _NORMAL[q])
        return total
    e = np.searchsorted(table.ends, low, "right")
    while low < last:
        high = min(table.ends[e], last) if e < table.ends.size else last
        panels = int(math.ceil((high - low) / (PANEL * spread)))
        half = 0.5 * (high - low) / max(panels, 1)
        for panel in range(panels):
            centre = low + (2 * panel + 1) * half
            for q in range(NODES):
                place = centre + half * _PLACES[q]
                z = (place - mean) / spread
                total += (half * _WEIGHTS[q] * math.exp(-0.5 * z * z) * _value(table, place))
        low = high
        e += 1
    return total * _DENSITY / spread


@compiled
def fill_moments(one, other, variances, covariances, same, out):
    """E[f(h_i) g(h'_j)] at many states.

    Parameters
    ----------
    one, other : Table
        That share their room.
    variances : tuple of arrays (states, r), (states, s)
        Of h and h'.
    covariances : array (states, r, s)
    same : bool
        Whether both are the same units of the same function.
    out : array (states, r, s)
        Filled.
    """
    a, b = variances
    for t in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(i + 1 if same else out.shape[2]):
                c = covariances[t, i, j]
                if t > 0 and a[t, i] == a[t - 1, i] and b[t, j] == b[t - 1, j] and c == covariances[t - 1, i, j]:
                    out[t, i, j] = out[t - 1, i, j]
                elif same and i == j:
                    out[t, i, j] = _spectrum(one, a[t, i])[_SQUARE]
                else:
                    out[t, i, j] = moment_of_tables(one, other, a[t, i], b[t, j], c)
                if same:
                    out[t, j, i] = out[t, i, j]


@compiled
def fill_moments_with_erfs(erfs, table, variances, covariances, out):
    """E[f(h_i) g(h'_j)] at many states, f(z) = offset + Σ_r c_r erf(z/√(2τ_r)).

    Parameters
    ----------
    erfs : tuple of arrays (R,), (R,), and float
        c, τ, offset.
    table : Table
        g.
    variances, covariances, out
        As above.
    """
    (coefficient, width, offset), (a, b) = erfs, variances
    for t in range(out.shape[0]):
        for j in range(out.shape[2]):
            mean = table_mean(table, b[t, j])
            for i in range(out.shape[1]):
                total = offset * mean
                for r in range(width.size):
                    total += coefficient[r] * table_with_erf(table, width[r], a[t, i], b[t, j], covariances[t, i, j])
                out[t, i, j] = total
