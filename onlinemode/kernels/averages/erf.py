"""Averages for g(z) = erf(z/√2), in closed form; docs/theory, section 2.3."""

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.arcsine import replace_by_arcsines, replace_by_arcsines_of_pairs
from onlinemode.kernels.mathematics.fused import fma
from onlinemode.kernels.mathematics.lanes import LANES, load, splat, store

_CONTRACT = {"contract"}
MODERATE = 30.0  # squared length of a unit up to which the closed forms lose no more than a digit to cancellation


@compiled(inner=True, forceinline=True)
def minor(a, b, c, d):
    """a b − c d without cancellation: to two rounding errors of the difference, and 0 for equal products."""
    product = c * d
    return fma(a, b, -product) + fma(-c, d, product)


@compiled(inner=True)
def _correlate(Z, diagonal, scale, arguments, complements):
    """x and 1 − x² for all pairs, x = Z_ij / √((1+Z_ii)(1+Z_jj)); docs/theory, section 2.3.

    Rows are whole, also where a half would do, since those are vectorised.
    """
    n = Z.shape[0]
    for i in range(n):
        diagonal[i] = Z[i, i]
        scale[i] = 1.0 / np.sqrt(1.0 + Z[i, i])
    for i in range(n):
        for j in range(n):
            both = scale[i] * scale[j]
            arguments[i, j] = Z[i, j] * both
            determinant = 1.0 + diagonal[i] + diagonal[j] + minor(diagonal[i], diagonal[j], Z[i, j], Z[i, j])
            complements[i, j] = max(determinant, 0.0) * both * both


@compiled(inner=True)
def _condition(Z, k, out):
    """Covariances of the fields once h_k is known up to a normal error of variance 1.

    Z_ij − Z_ik Z_jk / (1+Z_kk) over one denominator, so that large units do not cancel.
    """
    n = Z.shape[0]
    inverse = 1.0 / (1.0 + Z[k, k])
    for i in range(n):
        for j in range(n):
            out[i, j] = (Z[i, j] + minor(Z[i, j], Z[k, k], Z[k, i], Z[k, j])) * inverse


@compiled(inner=True)
def _correlate_given(Z, k, diagonal, scales, arguments, block):
    """The x of :func:`_correlate` after :func:`_condition` on k, of the groups that count; large units cancel."""
    n = diagonal.size
    inverse = 1.0 / (1.0 + diagonal[k])
    for i in range(n):
        scales[0, i] = 1.0 / np.sqrt(1.0 + diagonal[i] - Z[k, i] * inverse * Z[k, i])
    nothing, count = splat(0.0), 0
    for j in range(0, Z.shape[1], LANES):
        of_k, of_j = load(Z, k, j), load(scales, 0, j)
        for i in range(min(j + LANES, n)):
            rest = fma(splat(-Z[k, i] * inverse), of_k, load(Z, i, j))
            store(arguments, block, count, fma(rest, fma(splat(scales[0, i]), of_j, nothing), nothing))
            count += LANES


@compiled(inner=True)
def _group_weights(w, room, out):
    """w_i w_j of the pairs whose j is in a group of four not left of that of i, twice where it is right of it.

    So each pair counts as often as in the full matrix, and most once.  Returns how many there are.
    """
    n, count = w.size, 0
    for j in range(0, room, LANES):
        for i in range(min(j + LANES, n)):
            for other in range(j, j + LANES):
                times = (2.0 if i < j else 1.0) if other < n else 0.0
                out[count] = times * w[i] * w[min(other, n - 1)]
                count += 1
    return count


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


@compiled(inner=True, fastmath={"reassoc", "contract", "nsz"})
def _mean_square(w, angles):
    """Σ_ij w_i w_j angles_ij: π/2 times E[e²]."""
    total = 0.0
    for i in range(w.size):
        of_row = 0.0
        for j in range(w.size):
            of_row += w[j] * angles[i, j]
        total += w[i] * of_row
    return total


@compiled(inner=True, fastmath={"reassoc", "contract", "nsz"})
def _sum_groups(weights, angles, block, count):
    """The same of a block of groups."""
    total = 0.0
    for i in range(count):
        total += weights[i] * angles[block, i]
    return total


@compiled(inner=True)
def _mean_square_of_large_units(Z, l, w):
    """The same after :func:`_condition` on l, too; without cancellation."""
    n = w.size
    given, arguments, complements = np.empty((n, n)), np.empty((n, n)), np.empty((n, n))
    _condition(Z, l, given)
    _correlate(given, np.empty(n), np.empty(n), arguments, complements)
    replace_by_arcsines_of_pairs(arguments, complements)
    return _mean_square(w, arguments)


@compiled(inner=True)
def _fill_fields(Z, k, cross, slopes, out):
    """E[δ_k x] = Σ_j slope_j (cross_jx (1+Z_kk) − Z_kj cross_kx), without cancellation; rows have room for groups."""
    nothing, one, square = splat(0.0), splat(1.0), splat(Z[k, k])
    for x in range(0, cross.shape[1], LANES):
        of_k, total = load(cross, k, x), nothing
        for j in range(slopes.size):
            of_j, overlap, negative = load(cross, j, x), splat(Z[k, j]), splat(-Z[k, j])
            first = fma(of_j, square, fma(negative, of_k, nothing))
            second = fma(negative, of_k, fma(overlap, of_k, nothing))
            total = fma(splat(slopes[j]), fma(one, first, fma(one, second, of_j)), total)
        store(out, 0, x, total)


@compiled(fastmath=_CONTRACT)
def erf_averages(Z, cross, w, K, noise, out, v=None):
    """All averages for g(z) = erf(z/√2); docs/theory, section 2.3.

    ``v`` is the second layer of the student in δ = e v∘g'(λ), by default that in ``w``.
    """
    v = w if v is None else v
    field, delta, activity = out.field, out.delta, out.activity
    n, fields, blocks = w.size, cross.shape[1], K * (K + 1) // 2
    room, wide = (n + LANES - 1) // LANES * LANES, (fields + LANES - 1) // LANES * LANES
    given_one, diagonal, of_given, scale, scales = (np.zeros((n, room)), np.empty(n), np.empty(n), np.empty(n),
                                                    np.zeros((1, room)))
    angles = np.empty((n, n))
    _correlate(Z, diagonal, scale, angles, given_one)
    replace_by_arcsines_of_pairs(angles, given_one)
    out.error[0] = _mean_square(w, angles) / np.pi
    largest = 0.0
    for i in range(n):
        largest = max(largest, diagonal[i])
    for k in range(K):
        activity[k] = 0.0
        for j in range(n):
            activity[k] += w[j] * angles[k, j]
        activity[k] *= 2.0 / np.pi

    weights, wide_cross, row = np.empty(n * room), np.zeros((n, wide)), np.empty((1, wide))
    count = _group_weights(w, room, weights)
    given_both = np.empty((blocks, count))
    for j in range(n):
        for x in range(fields):
            wide_cross[j, x] = cross[j, x]
    block = 0
    for k in range(K):
        one_plus = 1.0 + Z[k, k]
        own = v[k] * 2.0 / np.pi / one_plus
        for j in range(n):
            determinant = one_plus + diagonal[j] + minor(Z[k, k], diagonal[j], Z[k, j], Z[k, j])
            scale[j] = own * w[j] / np.sqrt(determinant)
        _fill_fields(Z, k, wide_cross, scale, row)
        for x in range(fields):
            field[k, x] = row[0, x]
        # V_kl = v_k v_l J_kl (2 ε_g[Z̃] + σ²): g'(λ_k) g'(λ_l) tilts the Gaussian to the covariance Z̃
        _condition(Z, k, given_one)
        for i in range(n):
            of_given[i] = given_one[i, i]
        for l in range(k + 1):
            delta[l, k] = v[k] * v[l] * 2.0 / np.pi / np.sqrt(one_plus * (1.0 + of_given[l]))
            if largest <= MODERATE:
                _correlate_given(given_one, l, of_given, scales, given_both, block)
                block += 1
            else:
                square = 2.0 / np.pi * _mean_square_of_large_units(given_one, l, w)
                delta[l, k] *= square + noise**2
                delta[k, l] = delta[l, k]
    if block:  # the arcsines of all of them at once, which is faster
        replace_by_arcsines(given_both)
        block = 0
        for k in range(K):
            for l in range(k + 1):
                delta[l, k] *= 2.0 / np.pi * _sum_groups(weights, given_both, block, count) + noise**2
                delta[k, l] = delta[l, k]
                block += 1
