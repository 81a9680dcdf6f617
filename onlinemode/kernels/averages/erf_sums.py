"""Averages for students whose units are sums of erfs, in closed form, with any teacher; docs/theory, section 2.5.

A unit g(z) = offset + Σ_r c_r erf(z/√(2τ_r)) is as many erf units, its terms, with one field.  Teachers that are sums
of erfs have terms, too, of width 0 if they are signs; others are ``Units`` of another kind.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.averages.erf import MODERATE, minor, pair_weights
from onlinemode.kernels.averages.units import Units, mean, mean_slope, moment, moment_with_erf
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.arcsine import arcsine, fill_arcsines, weighted_arcsines_of_pairs
from onlinemode.kernels.registers import prefer_wide_registers

_CONTRACT = {"contract"}
AT_ONCE = 128  # tilts: their covariances stay in the second-level cache
LEAST = 1e-100  # in the place of 0 under a root: the sign of a unit without length correlates with nothing


class Terms(NamedTuple):
    """The terms of all units that are sums of erfs, in the order of the units."""

    unit: np.ndarray  # (n,) int   to which each belongs
    coefficient: np.ndarray  # (n,)   c
    width: np.ndarray  # (n,)   τ, a squared width
    teacher: Units  # what a unit of the teacher is
    others: int  # how many of the teacher have no terms: all, or 0
    offset: float = 0.0  # of a unit of the student; that of the teacher is teacher.offset


@compiled(inner=True, forceinline=True)
def _determinant(Z, i, width_i, j, width_j):
    """(τ_i+Z_ii)(τ_j+Z_jj) − Z_ij² without cancellation; not below its least for a true covariance."""
    return (width_i * width_j + width_i * Z[j, j] + width_j * Z[i, i]
            + max(minor(Z[i, i], Z[j, j], Z[i, j], Z[i, j]), 0.0))


@compiled(inner=True)
def _correlate(Z, terms, arguments, complements):
    """x and 1 − x² for the pairs a ≤ b of terms, x = Z_ab / √((τ_a+Z_aa)(τ_b+Z_bb))."""
    unit, width = terms.unit, terms.width
    count = 0
    for a in range(unit.size):
        i = unit[a]
        scale = 1.0 / np.sqrt(max(width[a] + Z[i, i], LEAST))
        for b in range(a, unit.size):
            j = unit[b]
            both = scale / np.sqrt(max(width[b] + Z[j, j], LEAST))
            arguments[count] = Z[i, j] * both
            complements[count] = _determinant(Z, i, width[a], j, width[b]) * both * both
            count += 1


@compiled(inner=True)
def _condition(Z, k, width, out):
    """Covariances of the fields once h_k is known up to a normal error of variance τ: Z_ij − Z_ik Z_jk / (τ+Z_kk).

    Over one denominator, so that large units do not cancel.
    """
    n = Z.shape[0]
    inverse = 1.0 / (width + Z[k, k])
    for i in range(n):
        for j in range(i, n):
            rest = minor(Z[i, j], Z[k, k], Z[i, k], Z[j, k])
            out[i, j] = (width * Z[i, j] + (max(rest, 0.0) if i == j else rest)) * inverse
            out[j, i] = out[i, j]


@compiled(inner=True)
def _with_others(Z, w, own, terms):
    """What the units without terms add to E[e²]."""
    first, total = w.size - terms.others, 0.0
    for m in range(first, w.size):
        for a in range(terms.unit.size):
            i = terms.unit[a]
            total += 2.0 * own[a] * w[m] * moment_with_erf(terms.teacher, terms.width[a], Z[i, i], Z[m, m], Z[i, m],
                                                           terms.teacher.table)
        for n in range(first, m + 1):
            weight = w[m] * w[n] * (1.0 if n == m else 2.0)
            total += weight * moment(terms.teacher, Z[m, m], Z[n, n], Z[m, n], terms.teacher.table)
    return total


@compiled(inner=True)
def _constant_error(w, K, terms):
    """What the offsets of the units with terms add to e."""
    total = 0.0
    for i in range(w.size - terms.others):
        total += w[i] * (terms.offset if i < K else terms.teacher.offset)
    return total


@compiled(inner=True)
def _mean_of_others(Z, w, terms):
    """What the units without terms add to E[e]."""
    total = 0.0
    for m in range(w.size - terms.others, w.size):
        total += w[m] * mean(terms.teacher, Z[m, m], terms.teacher.table)
    return total


@compiled(inner=True)
def _leading(v, K, terms):
    """Of each term of the student v_k c, which is its weight in δ; of others 0."""
    lead = np.zeros(terms.unit.size)
    for a in range(lead.size):
        if terms.unit[a] < K:
            lead[a] = v[terms.unit[a]] * terms.coefficient[a]
    return lead


@compiled(fastmath=_CONTRACT)
def erf_sum_averages(Z, cross, w, K, noise, terms, out, v=None):
    """All averages for students that are sums of erfs; ``w`` is that of the units.

    ``v`` is the second layer of the student in δ = e v∘g'(λ), by default that in ``w``.
    """
    unit, width = terms.unit, terms.width
    n, first_other = unit.size, w.size - terms.others
    own = w[unit] * terms.coefficient
    lead = own if v is None else _leading(v, K, terms)
    weights = pair_weights(own)
    arguments, complements, angles = np.empty(weights.size), np.empty(weights.size), np.empty(weights.size)
    _correlate(Z, terms, arguments, complements)
    fill_arcsines(arguments, complements, angles)
    total = 0.0
    out.activity[:] = 0.0
    out.field[:] = 0.0
    out.delta[:] = 0.0
    count = 0
    for a in range(n):
        for b in range(a, n):
            total += weights[count] * angles[count]
            if unit[a] < K:
                out.activity[unit[a]] += terms.coefficient[a] * own[b] * angles[count] * 2.0 / np.pi
            if a < b and unit[b] < K:
                out.activity[unit[b]] += terms.coefficient[b] * own[a] * angles[count] * 2.0 / np.pi
            count += 1
    out.error[0] = total / np.pi + 0.5 * _with_others(Z, w, own, terms)
    constant = _constant_error(w, K, terms)
    mean_error = constant + _mean_of_others(Z, w, terms)
    out.error[0] += constant * (mean_error - 0.5 * constant)
    for k in range(K):
        out.activity[k] += terms.offset * mean_error

    given = np.empty(Z.shape)
    for a in range(n):
        k = unit[a]
        if k >= K:
            break
        spread = width[a] + Z[k, k]
        _condition(Z, k, width[a], given)
        for b in range(n):
            j = unit[b]
            determinant = max(_determinant(Z, k, width[a], j, width[b]), LEAST)
            slope = lead[a] * own[b] * 2.0 / np.pi / np.sqrt(determinant) / spread
            _add_to_field(Z, cross, k, j, width[a], slope, out.field)
        for m in range(first_other, w.size):
            slope = (lead[a] * w[m] * np.sqrt(2.0 / np.pi / spread)
                     * mean_slope(terms.teacher, given[m, m], terms.teacher.table) / spread)
            _add_to_field(Z, cross, k, m, width[a], slope, out.field)
            out.activity[k] += terms.coefficient[a] * w[m] * moment_with_erf(terms.teacher, width[a], Z[k, k], Z[m, m],
                                                                             Z[k, m], terms.teacher.table)
    _fill_delta(Z, w, K, noise, terms, (own, lead), weights, constant, out.delta)


@compiled(inner=True)
def _fill_delta(Z, w, K, noise, terms, of_terms, weights, constant, delta):
    """V: g'(λ_k) g'(λ_l) tilts the Gaussian to another covariance, pair by pair of terms of the student.

    Many tilts at once, along the last index: so the loop over them is one of vectors.
    """
    unit, width = terms.unit, terms.width
    own, lead = of_terms
    n, units, largest, narrowest = unit.size, w.size, 0.0, width.min()
    for i in range(units):
        largest = max(largest, Z[i, i])
    # a sign never is: it is steepest where another one is parallel
    moderate = narrowest > 0.0 and largest <= MODERATE * min(1.0, 10.0 * narrowest)
    of_student = 0
    while of_student < n and unit[of_student] < K:
        of_student += 1
    given_one, given_both = np.empty(Z.shape), np.empty(Z.shape)
    tilted, scale = np.empty((units, units, AT_ONCE)), np.empty((n, AT_ONCE))
    factor, square = np.empty(AT_ONCE), np.empty(AT_ONCE)
    arguments, complements = np.empty(weights.size), np.empty(weights.size)
    first, second = np.empty(AT_ONCE, np.int64), np.empty(AT_ONCE, np.int64)
    count = 0
    for a in range(of_student):
        k = unit[a]
        _condition(Z, k, width[a], given_one)
        for b in range(a + 1):
            l = unit[b]
            _condition(given_one, l, width[b], given_both)
            root = np.sqrt((width[a] + Z[k, k]) * (width[b] + given_one[l, l]))
            factor[count] = lead[a] * lead[b] * 2.0 / np.pi / root * (1.0 if a == b or k != l else 2.0)
            square[count] = noise**2
            if terms.others > 0:
                square[count] += _with_others(given_both, w, own, terms)
            if constant != 0.0:
                square[count] += constant * (constant + 2.0 * _mean_of_others(given_both, w, terms))
            first[count], second[count] = k, l
            if not moderate:
                _correlate(given_both, terms, arguments, complements)
                square[count] += 2.0 / np.pi * weighted_arcsines_of_pairs(arguments, complements, weights, weights.size)
            for i in range(units):
                for j in range(i, units):
                    tilted[i, j, count] = given_both[i, j]
            count += 1
            if count == AT_ONCE or (a == of_student - 1 and b == a):
                if moderate:
                    _add_squared_errors(tilted, terms, weights, scale, count, square)
                for each in range(count):
                    delta[first[each], second[each]] += factor[each] * square[each]
                count = 0
    for k in range(K):
        for l in range(k):
            delta[l, k] = delta[k, l]


@compiled(inner=True, fastmath=_CONTRACT)
def _add_squared_errors(tilted, terms, weights, scale, count, square):
    """Add E[e²] of units with terms at each covariance; of units of moderate length."""
    prefer_wide_registers()
    unit = terms.unit
    for a in range(unit.size):
        own = tilted[unit[a], unit[a]]
        for each in range(count):
            scale[a, each] = 1.0 / np.sqrt(terms.width[a] + own[each])
    pair = 0
    for a in range(unit.size):
        for b in range(a, unit.size):
            weight, one, other, covariance = weights[pair] * 2.0 / np.pi, scale[a], scale[b], tilted[unit[a], unit[b]]
            for each in range(count):
                square[each] += weight * arcsine(covariance[each] * one[each] * other[each])
            pair += 1


@compiled(inner=True)
def _add_to_field(Z, cross, k, j, width, slope, field):
    """H_k. += slope (τ+Z_kk) [C_j. − Z_jk C_k. / (τ+Z_kk)]."""
    for x in range(cross.shape[1]):
        field[k, x] += slope * (width * cross[j, x] + minor(cross[j, x], Z[k, k], Z[k, j], cross[k, x]))
