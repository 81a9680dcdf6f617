"""Averages where all units are polynomials, exactly, at any covariance; docs/theory, section 2.5.

A mean of a product of polynomials of joint normal fields is a finite sum: over how often each pair of fields is
contracted, of powers of covariances times mean derivatives of the single units (Mehler's formula).
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.averages.units import mean_derivative
from onlinemode.kernels.jit import compiled

_SUMS = {"reassoc", "contract", "nsz"}


class Polynomials(NamedTuple):
    """The activations, as coefficients of powers; the last one of each is not 0, if there is a second one."""

    student: np.ndarray  # (degree + 1,)
    teacher: np.ndarray  # (degree + 1,)


def polynomials_of(student_coefficients, teacher_coefficients):
    """What :func:`polynomial_averages` needs to know of two polynomials.

    Parameters
    ----------
    student_coefficients, teacher_coefficients : sequence of float
        Of the powers 0, 1, 2, ...

    Returns
    -------
    Polynomials
    """
    trimmed = (np.trim_zeros(np.asarray(each, float), "b") for each in (student_coefficients, teacher_coefficients))
    return Polynomials(*(each.copy() if each.size else np.zeros(1) for each in trimmed))


@compiled(inner=True)
def _fill_powers(Z, powers):
    """powers[c, i, j] = Z_ij^c / c!."""
    powers[0] = 1.0
    for c in range(1, powers.shape[0]):
        for i in range(Z.shape[0]):
            for j in range(Z.shape[0]):
                powers[c, i, j] = powers[c - 1, i, j] * Z[i, j] / c


@compiled(inner=True, fastmath=_SUMS)
def _moment(powers, means, i, first, j, second):
    """E[g_i⁽ᶠⁱʳˢᵗ⁾(h_i) g_j⁽ˢᵉᶜᵒⁿᵈ⁾(h_j)]."""
    total = 0.0
    for c in range(means.shape[1] - max(first, second)):
        total += powers[c, i, j] * means[i, first + c] * means[j, second + c]
    return total


@compiled(inner=True)
def _fill_field(powers, means, cross, w, v, field):
    """H, by Stein's lemma."""
    field[:] = 0.0
    for k in range(field.shape[0]):
        curved = 0.0
        for j in range(w.size):
            slope = v[k] * w[j] * _moment(powers, means, k, 1, j, 1)
            curved += v[k] * w[j] * _moment(powers, means, k, 2, j, 0)
            for x in range(cross.shape[1]):
                field[k, x] += slope * cross[j, x]
        for x in range(cross.shape[1]):
            field[k, x] += curved * cross[k, x]


@compiled(inner=True, fastmath=_SUMS)
def _fill_delta(powers, means, w, v, degree, noise, delta):
    """V: e² has two units i and j; a contractions of k with i, b of l with i, a' and b' with j, and c of i with j.

    ``degree`` is that of the student.
    """
    n, highest = w.size, means.shape[1] - 1
    of_slopes = np.empty((degree, degree))  # E[g'⁽ᵃ⁺ᵃ'⁾(λ_k) g'⁽ᵇ⁺ᵇ'⁾(λ_l)]
    kept, contracted = np.empty((degree * degree, n)), np.empty(n)
    with_k, with_l = np.empty(degree * degree, np.int64), np.empty(degree * degree, np.int64)
    for k in range(delta.shape[0]):
        for l in range(k + 1):
            for a in range(degree):
                for b in range(degree):
                    of_slopes[a, b] = _moment(powers, means, k, 1 + a, l, 1 + b)
            total = noise * noise * of_slopes[0, 0] if degree > 0 else 0.0
            for c in range(highest + 1):
                count = 0
                for a in range(min(degree, highest - c + 1)):
                    for b in range(min(degree, highest - c - a + 1)):
                        for i in range(n):
                            kept[count, i] = w[i] * powers[a, k, i] * powers[b, l, i] * means[i, a + b + c]
                        with_k[count], with_l[count] = a, b
                        count += 1
                for one in range(count):
                    for i in range(n):
                        part = 0.0
                        for j in range(n):
                            part += powers[c, i, j] * kept[one, j]
                        contracted[i] = part
                    for other in range(one + 1):
                        a, b = with_k[one] + with_k[other], with_l[one] + with_l[other]
                        if a < degree and b < degree:
                            part = 0.0
                            for i in range(n):
                                part += contracted[i] * kept[other, i]
                            total += of_slopes[a, b] * part * (1.0 if other == one else 2.0)
            delta[k, l] = v[k] * v[l] * total
            delta[l, k] = delta[k, l]


@compiled(fastmath=_SUMS)
def polynomial_averages(Z, cross, w, K, noise, polynomials, out, v=None):
    """All averages for polynomials, which may differ between student and teacher.

    Parameters
    ----------
    Z : array (n, n)
        Covariance of the fields of all units; may be singular.
    cross : array (n, P+M)
        Covariance of these fields with (u, ν).
    w : array (n,)
        (v, −v*).
    K : int
        Units of the student, the first ones.
    noise : float
        σ.
    polynomials : Polynomials
    out : Averages
        Filled.
    v : array (at least K,), optional
        The second layer of the student in δ = e v∘g'(λ), by default that in ``w``.
    """
    v = w if v is None else v
    n, degree = w.size, polynomials.student.size - 1
    highest = max(degree, polynomials.teacher.size - 1)
    means = np.empty((n, highest + 1))  # E[g_i⁽ᑫ⁾(h_i)]
    powers = np.empty((highest + 1, n, n))
    for i in range(n):
        for q in range(highest + 1):
            means[i, q] = mean_derivative(polynomials.student if i < K else polynomials.teacher, q, Z[i, i])
    _fill_powers(Z, powers)
    squared_error = 0.0
    out.activity[:] = 0.0
    for c in range(highest + 1):
        for i in range(n):
            with_error = 0.0
            for j in range(n):
                with_error += powers[c, i, j] * w[j] * means[j, c]
            squared_error += w[i] * means[i, c] * with_error
            if i < K:
                out.activity[i] += means[i, c] * with_error
    out.error[0] = 0.5 * squared_error
    _fill_field(powers, means, cross, w, v, out.field)
    _fill_delta(powers, means, w, v, degree, noise, out.delta)
