"""E[g(h_i) g(h_j)] of units with joint normal fields, at many states at once; docs/theory, sections 2.3 to 2.5."""

import numpy as np

from onlinemode.theory.averaging import LINEAR, SUMS


def second_moments(student, teacher, Z, K):
    """E[g(h_i) g(h_j)] of all units.

    Parameters
    ----------
    student, teacher : str
        Activations of which :func:`onlinemode.theory.averaging.is_known`.
    Z : array (..., n, n)
        Covariance of the fields, of the K student units first.
    K : int

    Returns
    -------
    array (..., n, n)
    """
    diagonal = np.diagonal(Z, axis1=-2, axis2=-1)
    a, b = diagonal[..., :, None], diagonal[..., None, :]
    if student == teacher:
        return _pair(student, teacher, a, b, Z)
    out = np.empty(Z.shape)
    for rows, one in ((slice(K), student), (slice(K, None), teacher)):
        for columns, other in ((slice(K), student), (slice(K, None), teacher)):
            out[..., rows, columns] = _pair(one, other, a[..., rows, :], b[..., columns], Z[..., rows, columns])
    return out


def _pair(one, other, a, b, c):
    """E[g(h) g'(h')] of two activations, for fields of variances a and b and covariance c."""
    if one not in SUMS and other in SUMS:
        return _pair(other, one, b, a, c)
    if one in SUMS and other in SUMS:
        return sum(one_part * other_part * _erf_moment(one_factor**-2.0, other_factor**-2.0, a, b, c)
                   for one_part, one_factor in zip(*SUMS[one]) for other_part, other_factor in zip(*SUMS[other]))
    if one in SUMS:
        return c * _mean_slope(other) * sum(part * np.sqrt(2.0 / np.pi / (factor**-2.0 + a))
                                            for part, factor in zip(*SUMS[one]))
    if one == other:
        return c if one == LINEAR else _relu_moment(a, b, c)
    return c * _mean_slope(one) * _mean_slope(other)  # of linear and relu


def _mean_slope(activation):
    return 1.0 if activation == LINEAR else 0.5


def _erf_moment(width, other_width, a, b, c):
    """(2/π) asin(c/√((τ+a)(τ'+b))), by its cosine, as large units are close to ±1."""
    square = width * other_width + other_width * a + width * b + (a * b - c**2)
    return 2.0 / np.pi * np.arctan2(c, np.sqrt(np.maximum(square, 0.0)))


def _relu_moment(a, b, c):
    product = np.sqrt(a * b)
    cosine = np.where(product > 0.0, np.clip(c / product, -1.0, 1.0), 0.0)
    moments = product / (2.0 * np.pi) * (np.sqrt(1.0 - cosine**2) + (np.pi - np.arccos(cosine)) * cosine)
    return np.where(np.isnan(c), np.nan, moments)
