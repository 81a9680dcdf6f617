"""What averages need to know of one unit, or of two with joint normal fields, by the kind of unit.

A unit is linear, relu with a slope below 0 if wanted, a sum of erfs, g(z) = offset + Σ_r c_r erf(z/√(2τ_r)), a
polynomial, g(z) = Σ_r c_r z^r, or any function as a table.
The erf of width τ = 0 is the sign, with sign 0 = 0.  Variances of fields are a and b, their covariance is c.
docs/theory, section 2.5.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.averages.erf import minor
from onlinemode.kernels.averages.tables import Table, moment_of_tables, table_mean, table_mean_slope, table_with_erf
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.arcsine import arcsine, arcsine_of_pair

LINEAR, RELU, ERF_SUM, POLYNOMIAL, TABLE = range(5)  # kinds


class Units(NamedTuple):
    """One kind of unit."""

    kind: int
    coefficient: np.ndarray  # (R,)   c of a sum of erfs or of powers, else empty
    width: np.ndarray  # (R,)   τ, a squared width, of a sum of erfs, else empty
    offset: float = 0.0  # of a sum of erfs
    below: float = 0.0  # slope of a relu unit below 0
    table: Table | None = None  # of kind TABLE; an argument of what follows, as others are compiled without it


@compiled(inner=True, forceinline=True)
def positive_moment(correlation):
    """E[h⁺ h'⁺], h⁺ = max(h, 0), of two fields of variance 1."""
    r = correlation
    return (np.sqrt((1.0 - r) * (1.0 + r)) + r * (0.5 * np.pi + arcsine(r))) / (2.0 * np.pi)


@compiled(inner=True)
def mean_derivative(coefficient, order, a):
    """E[p⁽ᵒʳᵈᵉʳ⁾(h)] of a polynomial, by the even moments of a field of variance a."""
    factor, total = 1.0, 0.0  # factor = (order+2m)! (a/2)ᵐ / m! for m = 0, 1, ...
    for r in range(2, order + 1):
        factor *= r
    for r in range(order, coefficient.size, 2):
        total += coefficient[r] * factor
        factor *= a * (r + 1.0) * (r + 2.0) / (r - order + 2.0)
    return total


@compiled
def mean(units, a, table=None):
    """E[g(h)] of a field of variance a."""
    if table is not None:
        return table_mean(table, a)
    if units.kind == POLYNOMIAL:
        return mean_derivative(units.coefficient, 0, a)
    if units.kind == RELU:
        return (1.0 - units.below) * np.sqrt(a / (2.0 * np.pi))
    return units.offset if units.kind == ERF_SUM else 0.0


@compiled
def mean_slope(units, a, table=None):
    """E[g'(h)] of a field of variance a."""
    if table is not None:
        return table_mean_slope(table, a)
    if units.kind == LINEAR:
        return 1.0
    if units.kind == RELU:
        return 0.5 * (1.0 + units.below)
    if units.kind == POLYNOMIAL:
        return mean_derivative(units.coefficient, 1, a)
    return _mean_slope_of_erfs(units, a)


@compiled(inner=True)
def _mean_slope_of_erfs(units, a):
    total = 0.0
    for r in range(units.coefficient.size):
        spread = units.width[r] + a
        if spread <= 0.0:
            continue
        total += units.coefficient[r] * np.sqrt(2.0 / np.pi / spread)
    return total


@compiled(inner=True)
def _moment_of_erfs(width, other_width, a, b, c):
    """(π/2) E[erf(h/√(2τ)) erf(h'/√(2τ'))]."""
    spread = (width + a) * (other_width + b)
    if spread <= 0.0:
        return 0.0
    if width == 0.0 and other_width == 0.0:  # the arcsine of two signs is steepest where they are parallel
        return arcsine_of_pair(c / np.sqrt(spread), max(minor(a, b, c, c), 0.0) / spread)
    return arcsine(c / np.sqrt(spread))


@compiled(inner=True)
def _polynomial_with_erf(coefficient, width, a, b, c):
    """E[erf(h/√(2τ)) p(h')].

    The erf is the mean sign of x, which is h with a normal error of variance τ; given x, h' has the mean x c/(τ+a),
    and E|x|^(2j+1) is known.  With the variance that is left no term cancels another one.
    """
    spread = width + a
    if spread <= 0.0:
        return 0.0
    rest = max(width * b + minor(a, b, c, c), 0.0) / spread
    factor, total = c * np.sqrt(2.0 / np.pi / spread), 0.0
    for order in range(1, coefficient.size, 2):
        total += factor * mean_derivative(coefficient, order, rest)
        factor *= c * c / (spread * (order + 2.0))
    return total


@compiled
def moment_with_erf(units, width, a, b, c, table=None):
    """E[erf(h/√(2τ)) g(h')] for h of variance a and h' of variance b."""
    if table is not None:
        return table_with_erf(table, width, a, b, c)
    if units.kind == POLYNOMIAL:
        return _polynomial_with_erf(units.coefficient, width, a, b, c)
    if units.kind == ERF_SUM:
        return _erf_sum_with_erf(units, width, a, b, c)
    slope = 1.0 if units.kind == LINEAR else 0.5 * (1.0 + units.below)
    return 0.0 if width + a <= 0.0 else slope * c * np.sqrt(2.0 / np.pi / (width + a))


@compiled(inner=True)
def _erf_sum_with_erf(units, width, a, b, c):
    total = 0.0
    for r in range(units.coefficient.size):
        total += units.coefficient[r] * _moment_of_erfs(width, units.width[r], a, b, c)
    return 2.0 / np.pi * total


@compiled
def moment(units, a, b, c, table=None):
    """E[g(h) g(h')] of two such units."""
    if table is not None:
        return moment_of_tables(table, table, a, b, c)
    if units.kind == LINEAR:
        return c
    if units.kind == RELU:
        product = np.sqrt(a * b)
        if product <= 0.0:
            return 0.0
        of_relu = product * positive_moment(min(max(c / product, -1.0), 1.0))
        return (1.0 - units.below) ** 2 * of_relu + units.below * c
    if units.kind == POLYNOMIAL:
        return _moment_of_polynomials(units.coefficient, a, b, c)
    total = 0.0
    for r in range(units.coefficient.size):
        total += units.coefficient[r] * _erf_sum_with_erf(units, units.width[r], a, b, c)
    return units.offset**2 + total


@compiled(inner=True)
def _moment_of_polynomials(coefficient, a, b, c):
    """E[p(h) p(h')], by Mehler's formula."""
    power, total = 1.0, 0.0  # power = c^order / order!
    for order in range(coefficient.size):
        total += power * mean_derivative(coefficient, order, a) * mean_derivative(coefficient, order, b)
        power *= c / (order + 1.0)
    return total
