"""Activations as kernels receive them: data, of which :func:`value_and_slope` makes g and g'.

Kernels take the data, not a function: Numba cannot cache a kernel that captures another compiled function.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.error_function import erf_and_slope

ERF, LINEAR, RELU, TANH, SIGMOID, ERF_SUM, PIECES = range(7)  # kinds; those up to TANH are plain formulas
_LOWER, _UPPER, _ORIGIN, _SCALE, _FIRST, _LAST = range(6)  # columns of segments; see onlinemode.activation_tables
_LARGEST = float(np.finfo(float).max)
_TINY = 5e-324  # above which there is no number nearer to 0
_NOTHING = np.zeros((1, 1))  # not empty, since a device copies no empty arrays


class Activation(NamedTuple):
    """One activation function."""

    kind: int
    segments: np.ndarray  # (segments, 6)   of PIECES
    pieces: np.ndarray  # (pieces, degree+1)   coefficients of PIECES; rows (c, b) of ERF_SUM


@lru_cache(maxsize=64)
def activation_data(activation):
    """The data of an activation.

    Parameters
    ----------
    activation : onlinemode.Activation

    Returns
    -------
    Activation
        Do not change it: it is shared.
    """
    alone = {"erf": ERF, "linear": LINEAR, "relu": RELU, "tanh": TANH, "sigmoid": SIGMOID}
    if activation.kind in alone and not activation.numbers:
        return Activation(alone[activation.kind], _NOTHING, _NOTHING)
    if activation.kind == "erf":
        return Activation(ERF_SUM, _NOTHING, np.array([[1.0, activation.numbers[0]]]))
    if activation.kind == "erfs":
        return Activation(ERF_SUM, _NOTHING, np.array(activation.numbers).reshape(-1, 2))
    if activation.kind == "sign":
        return _in_pieces([(-_LARGEST, 0.0), (0.0, _TINY), (0.0, _LARGEST)], [[-1.0], [0.0], [1.0]])
    if activation.kind == "leaky":
        below = activation.numbers[0]  # at 0 itself no slope, as relu has none
        return _in_pieces([(-_LARGEST, 0.0), (0.0, _TINY), (0.0, _LARGEST)], [[0.0, below], [0.0, 0.0], [0.0, 1.0]])
    if activation.coefficients is not None:
        return _in_pieces([(-_LARGEST, _LARGEST)], [activation.coefficients])
    return Activation(PIECES, np.array(activation.table.segments), np.array(activation.table.pieces))


def _in_pieces(ends, pieces):
    """One polynomial in z between each pair of ends."""
    segments = np.array([(low, high, 0.0, 1.0, number, 0.0) for number, (low, high) in enumerate(ends)], float)
    return Activation(PIECES, segments, np.array(pieces, float))


@compiled(inner=True, forceinline=True)
def value_and_slope(activation, z):
    """g(z) and g'(z)."""
    if activation.kind <= TANH:
        return _plain(activation.kind, z)
    return _of_data(activation, z)


@compiled(inner=True, forceinline=True)
def fill_values_and_slopes(activation, z, values, slopes):
    """g and g' of each entry of ``z``; the plain kinds in a loop of their own, which LLVM vectorises."""
    if activation.kind <= TANH:
        for i in range(z.size):
            values[i], slopes[i] = _plain(activation.kind, z[i])
    else:
        for i in range(z.size):
            values[i], slopes[i] = _of_data(activation, z[i])


@compiled(inner=True, forceinline=True)
def add_values(activation, factor, z, count, out):
    """Add ``factor`` g(z) to ``out``, for the first ``count`` entries."""
    if activation.kind <= TANH:
        for i in range(count):
            out[i] += factor * _plain(activation.kind, z[i])[0]
    else:
        for i in range(count):
            out[i] += factor * _of_data(activation, z[i])[0]


@compiled(inner=True, forceinline=True)
def is_plain(activation):
    """Whether it is one of the plain formulas, whose loops LLVM vectorises."""
    return activation.kind <= TANH


@compiled(inner=True, forceinline=True)
def plain_value(activation, z):
    """g(z) of a plain formula."""
    return _plain(activation.kind, z)[0]


@compiled(inner=True, forceinline=True)
def _plain(kind, z):
    if kind == ERF:
        return erf_and_slope(z)
    if kind == LINEAR:
        return z, 1.0
    if kind == RELU:
        return (z, 1.0) if z > 0.0 else (0.0, 0.0)
    value = math.tanh(z)
    return value, 1.0 - value * value


@compiled(inner=True)
def _of_data(activation, z):
    if activation.kind == SIGMOID:
        half = 0.5 * math.tanh(0.5 * z)
        return 0.5 + half, (0.5 + half) * (0.5 - half)
    if activation.kind == ERF_SUM:
        return _erf_sum(activation.pieces, z)
    return _in_table(activation.segments, activation.pieces, z)


@compiled(inner=True)
def _erf_sum(terms, z):
    """Σ_r c_r erf(b_r z/√2) and its slope."""
    value, slope = 0.0, 0.0
    for r in range(terms.shape[0]):
        one, slope_of_one = erf_and_slope(terms[r, 1] * z)
        value += terms[r, 0] * one
        slope += terms[r, 0] * terms[r, 1] * slope_of_one
    return value, slope


@compiled(inner=True)
def _in_table(segments, pieces, z):
    """The piece at z."""
    if z != z:
        return z, z
    z = min(max(z, -_LARGEST), _LARGEST)
    s = 0
    while s + 1 < segments.shape[0] and not segments[s, _LOWER] <= z < segments[s, _UPPER]:
        s += 1
    x = (z - segments[s, _ORIGIN]) * segments[s, _SCALE]
    index = 0
    if x > 0.0:
        index = int(min(x + 0.5, segments[s, _LAST]))
    x -= index
    piece = int(segments[s, _FIRST]) + index
    degree = pieces.shape[1] - 1
    value, slope = pieces[piece, degree], 0.0
    for power in range(degree - 1, -1, -1):
        slope = slope * x + value
        value = value * x + pieces[piece, power]
    return value, slope * segments[s, _SCALE]


@compiled
def apply_activation(activation, z, values, slopes):
    """Fill two 1-D arrays with g and g' of the 1-D array ``z``."""
    fill_values_and_slopes(activation, z, values, slopes)


def values_and_slopes(activation, z):
    """g and g' of an array of any shape, for an :class:`onlinemode.Activation`."""
    z = np.asarray(z, dtype=np.float64, order="C")
    values, slopes = np.empty_like(z), np.empty_like(z)
    apply_activation(activation_data(activation), z.reshape(-1), values.reshape(-1), slopes.reshape(-1))
    return values, slopes
