"""The joint law of the fields: what averages over it begin with.

h = (λ_1..λ_K, ν_1..ν_M) are the fields of all units, Z = Cov(h), w = (v, −v*), so e = Σ_i w_i g(h_i).
``cross`` is Cov(h, (u, ν)), of shape (K+M, P+M).
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.jit import compiled


class Teacher(NamedTuple):
    """The overlaps of the teacher."""

    T: np.ndarray  # (M, M)
    factor: np.ndarray  # (M, r_B)   L_B with T = L_B L_Bᵀ
    inverse: np.ndarray  # (r_B, M)   its left inverse


class Overlaps(NamedTuple):
    """The covariance of mode fields and teacher fields."""

    G: np.ndarray  # (P, P)
    S: np.ndarray  # (P, M)
    teacher: Teacher


@compiled
def field_covariances(overlaps, factors):
    """Z = Cov(h), cross = Cov(h, (u, ν)) and w = (v, −v*) at the given order parameters."""
    G, S, T = overlaps.G, overlaps.S, overlaps.teacher.T
    K, P = factors.xi_out.shape
    M = T.shape[0]
    Z = np.empty((K + M, K + M))
    cross = np.empty((K + M, P + M))
    w = np.empty(K + M)
    for k in range(K):
        for p in range(P):
            total = 0.0
            for q in range(P):
                total += factors.xi_out[k, q] * factors.strengths[q] * G[q, p]
            cross[k, p] = total
        for m in range(M):
            total = 0.0
            for q in range(P):
                total += factors.xi_out[k, q] * factors.strengths[q] * S[q, m]
            cross[k, P + m] = total
    for m in range(M):
        for p in range(P):
            cross[K + m, p] = S[p, m]
        for j in range(M):
            cross[K + m, P + j] = T[m, j]
    for k in range(K):
        for j in range(k + 1):
            total = 0.0
            for p in range(P):
                total += cross[k, p] * factors.xi_out[j, p] * factors.strengths[p]
            Z[k, j] = total
            Z[j, k] = total
        for m in range(M):
            Z[k, K + m] = cross[k, P + m]
            Z[K + m, k] = cross[k, P + m]
    for m in range(M):
        for j in range(M):
            Z[K + m, K + j] = T[m, j]
        w[K + m] = -factors.teacher_readout[m]
    for k in range(K):
        w[k] = factors.readout[k]
    return Z, cross, w


@compiled
def student_factors(G, S, teacher_inverse):
    """L_XB (P, r_B) and L_X (P, P) with S = L_XB L_Bᵀ and G = L_XB L_XBᵀ + L_X L_Xᵀ.

    L_X is a Cholesky factor of what the teacher's span leaves of G; a pivot that is zero to
    rounding gives a zero column, so input modes inside the span of the teacher are allowed.
    """
    along, factor = np.empty((S.shape[0], teacher_inverse.shape[0])), np.empty(G.shape)
    fill_student_factors(G, S, teacher_inverse, along, factor)
    return along, factor


@compiled(inner=True)
def fill_student_factors(G, S, teacher_inverse, along, factor):
    """Fill both in; the smallest pivot over its G_pp, which is negative for overlaps that no vectors have."""
    P, M = S.shape
    r_B = teacher_inverse.shape[0]
    smallest = 1.0
    for p in range(P):
        for r in range(r_B):
            total = 0.0
            for m in range(M):
                total += S[p, m] * teacher_inverse[r, m]
            along[p, r] = total
    for j in range(P):
        for p in range(P):
            factor[p, j] = 0.0
        for p in range(j, P):
            rest = G[p, j]
            for r in range(r_B):
                rest -= along[p, r] * along[j, r]
            for i in range(j):
                rest -= factor[p, i] * factor[j, i]
            if p > j:
                factor[p, j] = rest / factor[j, j]
                continue
            if not rest > smallest * G[j, j]:
                smallest = rest / G[j, j] if G[j, j] > 0.0 else min(smallest, rest)
            if not rest > 1e-14 * G[j, j]:
                break
            factor[j, j] = np.sqrt(rest)
    return smallest


@compiled(inner=True, forceinline=True)
def fields_at_node(node, teacher_factor, along, across, work):
    """ν = L_B ω_B and u = L_XB ω_B + L_X ω_X, for a node (ω_B, ω_X)."""
    M, r_B = teacher_factor.shape
    for m in range(M):
        total = 0.0
        for r in range(r_B):
            total += teacher_factor[m, r] * node[r]
        work.nu[m] = total
    for p in range(along.shape[0]):
        total = 0.0
        for r in range(r_B):
            total += along[p, r] * node[r]
        for r in range(p + 1):
            total += across[p, r] * node[r_B + r]
        work.u[p] = total
