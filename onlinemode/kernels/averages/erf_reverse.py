"""Reverse mode of the drift of :mod:`onlinemode.kernels.averages.erf`, for any factors trained.

From weights on what a function returns to the derivatives of the weighted sum by what it takes, function by function
backwards: the assembly of the drift, the averages, the covariances of the fields.  ``over`` before a name says the
derivative by it.  Formulas: docs/theory, section 14.6.

Overlaps enter by differences as they are, so that units far beyond length 1 lose digits that the drift itself keeps.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.averages.drift import unpacked
from onlinemode.kernels.averages.erf import erf_averages
from onlinemode.kernels.averages.fields import field_covariances
from onlinemode.kernels.averages.records import make_averages
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.arcsine import arcsine
from onlinemode.kernels.rule.step import decay_rate

_CONTRACT = {"contract"}
_TWO_OVER_PI = 2.0 / np.pi


class OverState(NamedTuple):
    """Derivatives by the blocks of a state."""

    G: np.ndarray  # (P, P)   by each entry as if G were not symmetric
    S: np.ndarray  # (P, M)
    strengths: np.ndarray  # (P,)
    xi_out: np.ndarray  # (K, P)
    readout: np.ndarray  # (K,)


class OverFields(NamedTuple):
    """Derivatives by what :func:`field_covariances` returns, and by the second layer in δ."""

    Z: np.ndarray  # (K+M, K+M)   by each entry as if Z were not symmetric
    cross: np.ndarray  # (K+M, P+M)
    w: np.ndarray  # (K+M,)
    v: np.ndarray  # (K,)


@compiled
def erf_drift_reverse(y, costate, error_weight, system, over_y, over_rates):
    """Derivatives of costate · f + error_weight · ε_g, with the drift f of ``drift_into``.

    Parameters
    ----------
    y, costate : array (d,)
        The entries that move, and their weights.
    error_weight : float
        Of the generalization error.
    system : System
        As for ``drift_into``.
    over_y : array (d,)
        Receives the derivatives by the entries that move.
    over_rates : array (4,)
        Receives those by the four learning rates.
    """
    K, M, P = system.sizes
    overlaps, factors = unpacked(system, y)
    Z, cross, w = field_covariances(overlaps, factors)
    averages = make_averages(K, M, P)
    erf_averages(Z, cross, w, K, system.rule.noise, averages)
    full = np.zeros(system.state.size)
    for i in range(y.size):
        full[system.active[i]] = costate[i]
    state = OverState(np.zeros((P, P)), np.zeros((P, M)), np.zeros(P), np.zeros((K, P)), np.zeros(K))
    over_averages = make_averages(K, M, P)
    over_averages.error[0] = error_weight
    _assemble_reverse(system, factors, averages, full, over_averages, state, over_rates)
    fields = OverFields(np.zeros((K + M, K + M)), np.zeros((K + M, P + M)), np.zeros(K + M), np.zeros(K))
    second_layer = system.active[-1] >= system.state.size - K
    _averages_reverse(Z, cross, w, system.rule.noise, averages, over_averages, second_layer, fields)
    _fields_reverse(overlaps, factors, cross, fields, state)
    _pack(state, full)
    for i in range(y.size):
        over_y[i] = full[system.active[i]]


@compiled(inner=True)
def _assemble_reverse(system, factors, averages, costate, over_averages, state, over_rates):
    """Of ``drift._assemble``: adds to the derivatives by averages and state, and fills those by the rates."""
    rule = system.rule
    K, M, P = system.sizes
    s, A, H = factors.strengths, factors.xi_out, averages.field
    rate, walk_factor, decay = rule.rates.xi_in, rule.rates.xi_in**2 / rule.batch, decay_rate(rule)
    over_rates[:] = 0.0
    over_back = np.zeros((P, P + M))
    AH, AV = np.zeros((P, P + M)), np.zeros((P, K))  # AᵀH, AᵀV
    for p in range(P):
        for k in range(K):
            for x in range(P + M):
                AH[p, x] += A[k, p] * H[k, x]
            for l in range(K):
                AV[p, l] += A[k, p] * averages.delta[k, l]
    position = 0
    for p in range(P):
        for q in range(p, P):
            weight = costate[position]
            position += 1
            walk = 0.0
            for k in range(K):
                walk += AV[p, k] * A[k, q]
            over_back[p, q] -= rate * s[p] * weight
            over_back[q, p] -= rate * s[q] * weight
            state.strengths[p] += weight * (walk_factor * s[q] * walk - rate * AH[p, q])
            state.strengths[q] += weight * (walk_factor * s[p] * walk - rate * AH[q, p])
            both = weight * walk_factor * s[p] * s[q]
            for k in range(K):
                state.xi_out[k, p] += both * AV[q, k]
                state.xi_out[k, q] += both * AV[p, k]
                for l in range(K):
                    over_averages.delta[k, l] += both * A[k, p] * A[l, q]
            state.G[p, q] -= 2.0 * decay * weight
            over_rates[0] += weight * (2.0 * rate / rule.batch * s[p] * s[q] * walk - s[p] * AH[p, q] - s[q] * AH[q, p])
    for p in range(P):
        for m in range(M):
            weight = costate[position]
            position += 1
            over_back[p, P + m] -= rate * s[p] * weight
            state.strengths[p] -= rate * weight * AH[p, P + m]
            state.S[p, m] -= decay * weight
            over_rates[0] -= weight * s[p] * AH[p, P + m]
    for p in range(P):
        weight = costate[position]
        position += 1
        over_back[p, p] -= rule.rates.strengths * weight
        over_rates[1] -= weight * AH[p, p]
    for k in range(K):
        for p in range(P):
            weight = costate[position]
            position += 1
            over_averages.field[k, p] -= rule.rates.xi_out * weight * s[p]
            state.strengths[p] -= rule.rates.xi_out * weight * H[k, p]
            over_rates[2] -= weight * H[k, p] * s[p]
    for k in range(K):
        weight = costate[position]
        position += 1
        over_averages.activity[k] -= rule.rates.readout * weight
        over_rates[3] -= weight * averages.activity[k]
    for p in range(P):
        for x in range(P + M):
            for k in range(K):
                state.xi_out[k, p] += over_back[p, x] * H[k, x]
                over_averages.field[k, x] += over_back[p, x] * A[k, p]


@compiled(inner=True, fastmath=_CONTRACT)
def _averages_reverse(Z, cross, w, noise, averages, over, second_layer, fields):
    """Of ``erf_averages``, where the first K entries of w are v; by w and v only where the second layer is trained."""
    K, n = averages.delta.shape[0], w.size
    slopes, over_rho = np.empty(n), np.empty((n, n))
    for k in range(K):
        _field_reverse(Z, cross, w, k, over.field, fields, slopes)
    _error_and_activity_reverse(Z, w, over, fields)
    for k in range(K):
        for l in range(k + 1):
            weight = over.delta[k, l] + over.delta[l, k] if l != k else over.delta[k, k]
            _delta_reverse(Z, w, noise, k, l, averages.delta[k, l], weight, second_layer, fields, over_rho)


@compiled(inner=True, fastmath=_CONTRACT)
def _field_reverse(Z, cross, w, k, over_field, fields, slopes):
    """Of H_kx = Σ_j F_kj (c_jx − Z_kj c_kx / (1+Z_kk)), F_kj = (2/π) v_k w_j / √D_kj."""
    n, one = w.size, 1.0 / (1.0 + Z[k, k])
    for j in range(n):
        determinant = (1.0 + Z[k, k]) * (1.0 + Z[j, j]) - Z[k, j] * Z[k, j]
        root = _TWO_OVER_PI / np.sqrt(determinant)
        slope = root * w[k] * w[j]
        along = Z[k, j] * one
        over_slope, over_along = 0.0, 0.0
        for x in range(cross.shape[1]):
            weight = over_field[k, x]
            over_slope += weight * (cross[j, x] - along * cross[k, x])
            over_along -= weight * cross[k, x]
            fields.cross[j, x] += slope * weight
            fields.cross[k, x] -= slope * along * weight
        fields.v[k] += over_slope * root * w[j]
        fields.w[j] += over_slope * root * w[k]
        fields.Z[k, j] += slope * over_along * one
        fields.Z[k, k] -= slope * over_along * along * one
        over_determinant = -0.5 * over_slope * slope / determinant
        fields.Z[k, k] += over_determinant * (1.0 + Z[j, j])
        fields.Z[j, j] += over_determinant * (1.0 + Z[k, k])
        fields.Z[k, j] -= 2.0 * over_determinant * Z[k, j]


@compiled(inner=True, fastmath=_CONTRACT)
def _error_and_activity_reverse(Z, w, over, fields):
    """Of ε_g = Σ_ij w_i w_j θ_ij / π and E[e g(λ_k)] = (2/π) Σ_j w_j θ_kj, θ the arcsines."""
    K, n = over.activity.size, w.size
    any_activity = False
    for k in range(K):
        any_activity = any_activity or over.activity[k] != 0.0
    if over.error[0] == 0.0 and not any_activity:
        return
    for i in range(n):
        for j in range(n):
            weight = over.error[0] / np.pi * w[i] * w[j]
            if i < K:
                weight += _TWO_OVER_PI * over.activity[i] * w[j]
            determinant = (1.0 + Z[i, i]) * (1.0 + Z[j, j]) - Z[i, j] * Z[i, j]
            weight /= np.sqrt(determinant)
            fields.Z[i, j] += weight
            fields.Z[i, i] -= 0.5 * weight * Z[i, j] / (1.0 + Z[i, i])
            fields.Z[j, j] -= 0.5 * weight * Z[i, j] / (1.0 + Z[j, j])
            angle = arcsine(Z[i, j] / np.sqrt((1.0 + Z[i, i]) * (1.0 + Z[j, j])))
            fields.w[i] += 2.0 * over.error[0] / np.pi * w[j] * angle
            if i < K:
                fields.w[j] += _TWO_OVER_PI * over.activity[i] * angle


@compiled(inner=True, fastmath=_CONTRACT)
def _delta_reverse(Z, w, noise, k, l, value, weight, second_layer, fields, over_rho):
    """Of V_kl = (2/π) v_k v_l D^(−1/2) ((2/π) Σ_ij w_i w_j asin ρ_ij + σ²), D = (1+Z_kk)(1+Z_ll) − Z_kl².

    ρ_ij = C_ij/√((1+C_ii)(1+C_jj)), C_ij = Z_ij − a_i Z_kj − b_i Z_lj: the covariances after h_k and h_l are known.
    """
    n = w.size
    if weight == 0.0:
        return
    determinant = (1.0 + Z[k, k]) * (1.0 + Z[l, l]) - Z[k, l] * Z[k, l]
    inverse = 1.0 / determinant
    own, other, mixed = (1.0 + Z[l, l]) * inverse, (1.0 + Z[k, k]) * inverse, Z[k, l] * inverse
    a, b, scale = np.empty(n), np.empty(n), np.empty(n)
    over_a, over_b, over_length = np.zeros(n), np.zeros(n), np.zeros(n)
    for i in range(n):
        a[i] = own * Z[k, i] - mixed * Z[l, i]
        b[i] = other * Z[l, i] - mixed * Z[k, i]
        scale[i] = 1.0 / np.sqrt(1.0 + Z[i, i] - a[i] * Z[k, i] - b[i] * Z[l, i])
    front = _TWO_OVER_PI / np.sqrt(determinant)
    over_sum = weight * front * w[k] * w[l] * _TWO_OVER_PI
    for i in range(n):
        length = 0.0
        for j in range(i, n):
            rho = (Z[i, j] - a[i] * Z[k, j] - b[i] * Z[l, j]) * scale[i] * scale[j]
            over = over_sum * (1.0 if i == j else 2.0) * w[i] * w[j] / np.sqrt(1.0 - rho * rho)
            over_rho[i, j] = over
            length += over * rho
            over_length[j] -= 0.5 * over * rho * scale[j] * scale[j]
        over_length[i] -= 0.5 * length * scale[i] * scale[i]
    if second_layer:
        total = 0.0  # Σ_ij w_i w_j asin ρ_ij
        for i in range(n):
            for j in range(n):
                angle = arcsine((Z[i, j] - a[i] * Z[k, j] - b[i] * Z[l, j]) * scale[i] * scale[j])
                total += w[i] * w[j] * angle
                fields.w[i] += 2.0 * over_sum * w[j] * angle
        common = weight * front * (_TWO_OVER_PI * total + noise * noise)
        fields.v[k] += common * w[l]
        fields.v[l] += common * w[k]
    for i in range(n):
        for j in range(i, n):
            over_C = over_rho[i, j] * scale[i] * scale[j]
            _covariance_reverse(Z, a, b, i, j, k, l, over_C, fields, over_a, over_b)
        _covariance_reverse(Z, a, b, i, i, k, l, over_length[i], fields, over_a, over_b)
    over_own, over_other, over_mixed = 0.0, 0.0, 0.0
    for i in range(n):
        fields.Z[k, i] += own * over_a[i] - mixed * over_b[i]
        fields.Z[l, i] += other * over_b[i] - mixed * over_a[i]
        over_own += over_a[i] * Z[k, i]
        over_other += over_b[i] * Z[l, i]
        over_mixed -= over_a[i] * Z[l, i] + over_b[i] * Z[k, i]
    fields.Z[l, l] += over_own * inverse
    fields.Z[k, k] += over_other * inverse
    fields.Z[k, l] += over_mixed * inverse
    over_determinant = (-0.5 * weight * value - over_own * own - over_other * other - over_mixed * mixed) * inverse
    fields.Z[k, k] += over_determinant * (1.0 + Z[l, l])
    fields.Z[l, l] += over_determinant * (1.0 + Z[k, k])
    fields.Z[k, l] -= 2.0 * over_determinant * Z[k, l]


@compiled(inner=True, forceinline=True, fastmath=_CONTRACT)
def _covariance_reverse(Z, a, b, i, j, k, l, weight, fields, over_a, over_b):
    """Of C_ij = Z_ij − a_i Z_kj − b_i Z_lj."""
    fields.Z[i, j] += weight
    fields.Z[k, j] -= a[i] * weight
    fields.Z[l, j] -= b[i] * weight
    over_a[i] -= weight * Z[k, j]
    over_b[i] -= weight * Z[l, j]


@compiled(inner=True)
def _fields_reverse(overlaps, factors, cross, fields, state):
    """Of ``field_covariances``."""
    G, S = overlaps.G, overlaps.S
    s, A = factors.strengths, factors.xi_out
    K, P = A.shape
    M = S.shape[1]
    scaled, over_scaled = np.empty((K, P)), np.zeros((K, P))  # A diag(s)
    for k in range(K):
        for p in range(P):
            scaled[k, p] = A[k, p] * s[p]
    for k in range(K):
        for j in range(k + 1):
            weight = fields.Z[k, j] + fields.Z[j, k] if j != k else fields.Z[k, k]
            for p in range(P):
                fields.cross[k, p] += weight * scaled[j, p]
                over_scaled[j, p] += weight * cross[k, p]
        for m in range(M):
            fields.cross[k, P + m] += fields.Z[k, K + m] + fields.Z[K + m, k]
    for k in range(K):
        for q in range(P):
            for p in range(P):
                over_scaled[k, q] += fields.cross[k, p] * G[q, p]
                state.G[q, p] += scaled[k, q] * fields.cross[k, p]
            for m in range(M):
                over_scaled[k, q] += fields.cross[k, P + m] * S[q, m]
                state.S[q, m] += scaled[k, q] * fields.cross[k, P + m]
        state.readout[k] += fields.w[k] + fields.v[k]
    for m in range(M):
        for p in range(P):
            state.S[p, m] += fields.cross[K + m, p]
    for k in range(K):
        for p in range(P):
            state.xi_out[k, p] += over_scaled[k, p] * s[p]
            state.strengths[p] += over_scaled[k, p] * A[k, p]


@compiled(inner=True)
def _pack(state, out):
    """Into one vector in the order of a state; both entries of the symmetric G count for the one that is kept."""
    K, P = state.xi_out.shape
    M = state.S.shape[1]
    position = 0
    for p in range(P):
        for q in range(p, P):
            out[position] = state.G[p, q] + state.G[q, p] if p != q else state.G[p, p]
            position += 1
    for p in range(P):
        for m in range(M):
            out[position] = state.S[p, m]
            position += 1
    for p in range(P):
        out[position] = state.strengths[p]
        position += 1
    for k in range(K):
        for p in range(P):
            out[position] = state.xi_out[k, p]
            position += 1
    for k in range(K):
        out[position] = state.readout[k]
        position += 1
