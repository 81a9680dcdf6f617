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


def _mean_derivative(p, order, a):
    """E[p⁽ᵒʳᵈᵉʳ⁾(h)] of fields of variance a."""
    return sum((factorial(r) / factorial((r - order) // 2) * p[r] * (0.5 * a) ** ((r - order) // 2)
                for r in range(order, len(p), 2)), np.zeros(np.shape(a)))
