"""Averages for g(z) = erf(z/√2), in closed form; docs/theory, section 2.3."""

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.arcsine import fill_arcsines, weighted_arcsines, weighted_arcsines_of_pairs
from onlinemode.kernels.mathematics.fused import fma

_CONTRACT = {"contract"}
MODERATE = 30.0  # squared length of a unit up to which the closed forms lose no more than a digit to cancellation


@compiled(inner=True, forceinline=True)
def minor(a, b, c, d):
    """a b − c d without cancellation: to two rounding errors of the difference, and 0 for equal products."""
    product = c * d
    return fma(a, b, -product) + fma(-c, d, product)


@compiled(inner=True)
def _correlate(Z, arguments, complements):
    """x and 1 − x² for the pairs i ≤ j, x = Z_ij / √((1+Z_ii)(1+Z_jj)); docs/theory, section 2.3."""
    n = Z.shape[0]
    scale = np.empty(n)
    for i in range(n):
        scale[i] = 1.0 / np.sqrt(1.0 + Z[i, i])
    count = 0
    for i in range(n):
        for j in range(i, n):
            both = scale[i] * scale[j]
            arguments[count] = Z[i, j] * both
            determinant = 1.0 + Z[i, i] + Z[j, j] + minor(Z[i, i], Z[j, j], Z[i, j], Z[i, j])
            complements[count] = max(determinant, 0.0) * both * both
            count += 1


@compiled(inner=True)
def _condition(Z, k, out):
    """Covariances of the fields once h_k is known up to a normal error of variance 1.

    Z_ij − Z_ik Z_jk / (1+Z_kk) over one denominator, so that large units do not cancel.
    """
    n = Z.shape[0]
    inverse = 1.0 / (1.0 + Z[k, k])
    for i in range(n):
        for j in range(i, n):
            out[i, j] = (Z[i, j] + minor(Z[i, j], Z[k, k], Z[i, k], Z[j, k])) * inverse
            out[j, i] = out[i, j]


@compiled(inner=True, fastmath=_CONTRACT)
def _correlate_given(Z, k, scale, arguments):
    """The x of :func:`_correlate` after :func:`_condition` on k; faster, but large units cancel."""
    n = Z.shape[0]
    inverse = 1.0 / (1.0 + Z[k, k])
    for i in range(n):
        scale[i] = 1.0 / np.sqrt(1.0 + Z[i, i] - Z[k, i] * inverse * Z[k, i])
    count = 0
    for i in range(n):
        a = Z[k, i] * inverse
        for j in range(i, n):
            arguments[count] = (Z[i, j] - a * Z[k, j]) * scale[i] * scale[j]
            count += 1


@compiled(inner=True)
def pair_weights(w):
    """w_i w_j for the pairs i ≤ j, twice where i < j."""
    n = w.size
    weights = np.empty(n * (n + 1) // 2)
    count = 0
    for i in range(n):
        for j in range(i, n):
            weights[count] = w[i] * w[j] if i == j else 2.0 * w[i] * w[j]
            count += 1
    return weights


@compiled(fastmath=_CONTRACT)
def erf_averages(Z, cross, w, K, noise, out, v=None):
    """All averages for g(z) = erf(z/√2); docs/theory, section 2.3.

    ``v`` is the second layer of the student in δ = e v∘g'(λ), by default that in ``w``.
    """
    v = w if v is None else v
    n = w.size
    weights = pair_weights(w)
    arguments, complements, angles = np.empty(weights.size), np.empty(weights.size), np.empty(weights.size)
    _correlate(Z, arguments, complements)
    fill_arcsines(arguments, complements, angles)
    total = 0.0
    out.activity[:] = 0.0
    count = 0
    for i in range(n):
        for j in range(i, n):
            total += weights[count] * angles[count]
            if i < K:
                out.activity[i] += w[j] * angles[count] * 2.0 / np.pi
            if i < j < K:
                out.activity[j] += w[i] * angles[count] * 2.0 / np.pi
            count += 1
    out.error[0] = total / np.pi

    out.field[:] = 0.0
    given_one, given_both, scale = np.empty((n, n)), np.empty((n, n)), np.empty(n)
    largest = 0.0
    for i in range(n):
        largest = max(largest, Z[i, i])
    for k in range(K):
        one_plus = 1.0 + Z[k, k]
        own = v[k] * 2.0 / np.pi / one_plus
        for j in range(n):
            determinant = one_plus + Z[j, j] + minor(Z[k, k], Z[j, j], Z[k, j], Z[k, j])
            slope = own * w[j] / np.sqrt(determinant)
            for x in range(cross.shape[1]):
                out.field[k, x] += slope * (cross[j, x] + minor(cross[j, x], Z[k, k], Z[k, j], cross[k, x]))
        # V_kl = v_k v_l J_kl (2 ε_g[Z̃] + σ²): g'(λ_k) g'(λ_l) tilts the Gaussian to the covariance Z̃
        # (the pair weights are those of ε_g[Z] and stay)
        _condition(Z, k, given_one)
        for l in range(k + 1):
            if largest <= MODERATE:
                _correlate_given(given_one, l, scale, arguments)
                squared_error = 2.0 / np.pi * weighted_arcsines(arguments, weights, weights.size)
            else:
                _condition(given_one, l, given_both)
                _correlate(given_both, arguments, complements)
                squared_error = 2.0 / np.pi * weighted_arcsines_of_pairs(arguments, complements, weights, weights.size)
            root = np.sqrt(one_plus * (1.0 + given_one[l, l]))
            value = v[k] * v[l] * 2.0 / np.pi / root * (squared_error + noise**2)
            out.delta[k, l] = value
            out.delta[l, k] = value
