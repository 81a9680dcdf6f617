"""E[g(h_i) g(h_j)] of units with joint normal fields, at many states at once; docs/theory, sections 2.3 to 2.5."""

import numpy as np

from onlinemode.activations import activation_of
from onlinemode.theory.averaging import is_kinked, slope_below, sum_of, tables_of
from onlinemode.theory.polynomials import (
    polynomial_erf_moment,
    polynomial_kinked_moment,
    polynomial_mean,
    polynomial_moment,
)


def second_moments(student, teacher, Z, K):
    """E[g(h_i) g(h_j)] of all units.

    Parameters
    ----------
    student, teacher : Activation or str
        Any two.
    Z : array (..., n, n)
        Covariance of the fields, of the K student units first.
    K : int

    Returns
    -------
    array (..., n, n)
    """
    student, teacher = activation_of(student), activation_of(teacher)
    diagonal = np.diagonal(Z, axis1=-2, axis2=-1)
    a, b = diagonal[..., :, None], diagonal[..., None, :]
    if student == teacher:
        return _pair(student, teacher, a, b, Z)
    out = np.empty(Z.shape)
    own, others = slice(K), slice(K, None)
    for rows, one, columns, other in ((own, student, own, student), (others, teacher, others, teacher),
                                      (own, student, others, teacher)):
        out[..., rows, columns] = _pair(one, other, a[..., rows, :], b[..., columns], Z[..., rows, columns])
    out[..., others, own] = _transposed(out[..., own, others])
    return out


def moments_of_units(student, teacher, G, S, T, strengths, xi_out):
    """The same from the factors, (..., P, P), (..., P, M), (M, M) or (..., M, M), (..., P) and (..., K, P)."""
    scaled = xi_out * strengths[..., None, :]
    R = scaled @ S
    Q = scaled @ G @ np.swapaxes(scaled, -1, -2)
    T = np.broadcast_to(T, R.shape[:-2] + T.shape[-2:])
    Z = np.concatenate([np.concatenate([Q, R], -1), np.concatenate([np.swapaxes(R, -1, -2), T], -1)], -2)
    return second_moments(student, teacher, Z, xi_out.shape[-2])


def _pair(one, other, a, b, c):
    """E[g(h) g'(h')] of two activations, for fields of variances a (..., r, 1) and b (..., 1, s) and covariance c."""
    terms, others = sum_of(one), sum_of(other)
    if terms is None and others is not None:
        return _transposed(_pair(other, one, *map(_transposed, (b, a, c))))
    if terms is not None and others is not None:
        return terms.offset * others.offset + sum(
            part * other_part * _erf_moment(width, other_width, a, b, c)
            for part, width in zip(terms.coefficients, terms.widths)
            for other_part, other_width in zip(others.coefficients, others.widths))
    if _is_table(one) or _is_table(other):
        return _with_table(terms, one, other, a, b, c)
    if terms is not None:
        return terms.offset * _mean(other, b) + sum(part * _with_erf(other, width, a, b, c)
                                                    for part, width in zip(terms.coefficients, terms.widths))
    if one.coefficients is not None and other.coefficients is not None:
        return c if one.linear and other.linear else polynomial_moment(one.coefficients, other.coefficients, a, b, c)
    if is_kinked(one) and is_kinked(other):
        return _kinked_moment(a, b, c, slope_below(one), slope_below(other))
    if is_kinked(other):
        return polynomial_kinked_moment(one.coefficients, slope_below(other), b, a, c)
    return polynomial_kinked_moment(other.coefficients, slope_below(one), a, b, c)


def _transposed(values):
    return np.swapaxes(values, -1, -2)


def _is_table(activation):
    return activation.table is not None and sum_of(activation) is None


def _with_table(terms, one, other, a, b, c):
    """The same of two activations of which one is a table; the first one may be a sum of erfs."""
    from onlinemode.kernels.averages.tables import fill_moments, fill_moments_with_erfs

    rows = np.ascontiguousarray(c.reshape(-1, *c.shape[-2:]))
    variances = tuple(np.ascontiguousarray(each.reshape(len(rows), -1)) for each in (a, b))
    units, out = sum(rows.shape[1:]), np.empty(rows.shape)
    if terms is None:
        same = one == other and np.array_equal(*variances)
        fill_moments(*tables_of(units, one, other), variances, rows, same, out)
    else:
        fill_moments_with_erfs((np.array(terms.coefficients), np.array(terms.widths), terms.offset),
                               *tables_of(units, other), variances, rows, out)
    return out.reshape(c.shape)


def _mean(activation, a):
    """E[g(h)]."""
    if activation.coefficients is not None:
        return polynomial_mean(activation.coefficients, a)
    return (1.0 - slope_below(activation)) * np.sqrt(a / (2.0 * np.pi))


def _with_erf(activation, width, a, b, c):
    """E[erf(h/√(2τ)) g(h')]."""
    if activation.coefficients is not None and not activation.linear:
        return polynomial_erf_moment(activation.coefficients, width, a, b, c)
    spread = np.where(width + a > 0.0, width + a, np.inf)
    return 0.5 * (1.0 + slope_below(activation)) * c * np.sqrt(2.0 / np.pi / spread)


def _erf_moment(width, other_width, a, b, c):
    """(2/π) asin(c/√((τ+a)(τ'+b))), by its cosine, as large units are close to ±1."""
    square = width * other_width + other_width * a + width * b + (a * b - c**2)
    return 2.0 / np.pi * np.arctan2(c, np.sqrt(np.maximum(square, 0.0)))


def _kinked_moment(a, b, c, below, other_below):
    """Of two units that are z above 0 and have these slopes below it."""
    product = np.sqrt(a * b)
    cosine = np.where(product > 0.0, np.clip(c / product, -1.0, 1.0), 0.0)
    of_relu = product / (2.0 * np.pi) * (np.sqrt(1.0 - cosine**2) + (np.pi - np.arccos(cosine)) * cosine)
    moments = (1.0 - below) * (1.0 - other_below) * of_relu + 0.5 * (below + other_below) * c
    return np.where(np.isnan(c), np.nan, moments)
