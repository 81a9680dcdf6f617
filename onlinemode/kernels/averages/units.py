"""What averages need to know of one unit, or of two with joint normal fields, by the kind of unit.

A unit is linear, relu, or a sum of erfs, g(z) = Σ_r c_r erf(z/√(2τ_r)).  Variances of fields are a and b, their
covariance is c.  docs/theory, section 2.5.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.arcsine import arcsine

LINEAR, RELU, ERF_SUM = 0, 1, 2  # kinds


class Units(NamedTuple):
    """One kind of unit."""

    kind: int
    coefficient: np.ndarray  # (R,)   c of a sum of erfs, else empty
    width: np.ndarray  # (R,)   τ, a squared width


@compiled(inner=True, forceinline=True)
def positive_moment(correlation):
    """E[h⁺ h'⁺], h⁺ = max(h, 0), of two fields of variance 1."""
    r = correlation
    return (np.sqrt((1.0 - r) * (1.0 + r)) + r * (0.5 * np.pi + arcsine(r))) / (2.0 * np.pi)


@compiled
def mean_slope(units, a):
    """E[g'(h)] of a field of variance a."""
    if units.kind == LINEAR:
        return 1.0
    if units.kind == RELU:
        return 0.5
    total = 0.0
    for r in range(units.coefficient.size):
        total += units.coefficient[r] * np.sqrt(2.0 / np.pi / (units.width[r] + a))
    return total


@compiled
def moment_with_erf(units, width, a, b, c):
    """E[erf(h/√(2τ)) g(h')] for h of variance a and h' of variance b."""
    if units.kind != ERF_SUM:
        return mean_slope(units, b) * c * np.sqrt(2.0 / np.pi / (width + a))
    total = 0.0
    for r in range(units.coefficient.size):
        total += units.coefficient[r] * arcsine(c / np.sqrt((width + a) * (units.width[r] + b)))
    return 2.0 / np.pi * total


@compiled
def moment(units, a, b, c):
    """E[g(h) g(h')] of two such units."""
    if units.kind == LINEAR:
        return c
    if units.kind == RELU:
        product = np.sqrt(a * b)
        if product <= 0.0:
            return 0.0
        return product * positive_moment(min(max(c / product, -1.0), 1.0))
    total = 0.0
    for r in range(units.coefficient.size):
        total += units.coefficient[r] * moment_with_erf(units, units.width[r], a, b, c)
    return total
