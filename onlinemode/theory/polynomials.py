"""Second moments of polynomials of joint normal fields, at many states at once; docs/theory, section 2.5."""

from math import factorial

import numpy as np


def polynomial_mean(p, a):
    """E[p(h)] of fields of variance a, an array of its shape."""
    return _mean_derivative(p, 0, a)


def polynomial_moment(p, q, a, b, c):
    """E[p(h) q(h')], by Mehler's formula.

    Parameters
    ----------
    p, q : sequence of float
        Coefficients of the powers 0, 1, 2, ...
    a, b, c : array
        Variances of h and h', and their covariance; broadcast against each other.

    Returns
    -------
    array
    """
    return sum(c**order / factorial(order) * _mean_derivative(p, order, a) * _mean_derivative(q, order, b)
               for order in range(min(len(p), len(q))))


def polynomial_erf_moment(p, width, a, b, c):
    """E[erf(h/√(2τ)) p(h')].

    Parameters
    ----------
    p : sequence of float
        Coefficients of the powers 0, 1, 2, ...
    width : float
        τ, a squared width; that of the sign is 0, with sign 0 = 0.
    a, b, c : array
        Variances of h and h', and their covariance; broadcast against each other.

    Returns
    -------
    array
    """
    spread = width + a
    inverse = 1.0 / np.where(spread == 0.0, np.inf, spread)
    rest = np.maximum(width * b + (a * b - c**2), 0.0) * inverse  # of h', once h is known up to an error of variance τ
    factor, total = c * np.sqrt(2.0 / np.pi * inverse), np.zeros(np.broadcast(a, b, c).shape)
    for order in range(1, len(p), 2):
        total = total + factor * _mean_derivative(p, order, rest)
        factor = factor * c**2 * inverse / (order + 2)
    return total


def polynomial_kinked_moment(p, below, a, b, c):
    """E[g(h) p(h')] with g(z) = z above 0 and ``below`` times z under it.

    Mehler's formula, E[g p] = Σ_n cⁿ/n! E[g⁽ⁿ⁾] E[p⁽ⁿ⁾], in which g'' is 1 − below times a delta at 0: from then on
    E[g⁽ⁿ⁾] is a derivative of the density there, φ(0) He_{n−2}(0) a^(1−n/2).

    Parameters
    ----------
    p : sequence of float
        Coefficients of the powers 0, 1, 2, ...
    below : float
    a, b, c : array
        Variances of h and h', and their covariance; broadcast against each other.

    Returns
    -------
    array
    """
    inverse = 1.0 / np.where(a == 0.0, np.inf, a)
    total = ((1.0 - below) * np.sqrt(a / (2.0 * np.pi)) * _mean_derivative(p, 0, b)
             + 0.5 * (1.0 + below) * c * _mean_derivative(p, 1, b))
    factor = (1.0 - below) * np.sqrt(inverse / (2.0 * np.pi)) * c**2 / 2.0
    for order in range(2, len(p), 2):
        total = total + factor * _mean_derivative(p, order, b)
        factor = -factor * c**2 * inverse * (order - 1) / ((order + 1) * (order + 2))
    return total


def _mean_derivative(p, order, a):
    """E[p⁽ᵒʳᵈᵉʳ⁾(h)] of fields of variance a."""
    return sum((factorial(r) / factorial((r - order) // 2) * p[r] * (0.5 * a) ** ((r - order) // 2)
                for r in range(order, len(p), 2)), np.zeros(np.shape(a)))
