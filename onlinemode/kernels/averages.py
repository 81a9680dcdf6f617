"""Gaussian averages of the learning rule at given order parameters.

For every activation the same six averages are needed (docs/theory.md, sections 2.2 to 2.5):

    H_u = E[δ uᵀ]  (K, P)      H_ν = E[δ νᵀ]  (K, M)      V = E[δ δᵀ]  (K, K)
    E[e g(λ)]  (K,)            ε_g = ½ E[e²] without label noise

erf and linear have closed forms.  relu has closed forms for all but V; V of relu and everything of
tanh are averages over fixed normal nodes, through the learning rule itself.

h = (λ_1..λ_K, ν_1..ν_M) are the fields of all units, Z = Cov(h), w = (v, −v*), so e = Σ_i w_i g(h_i).
``cross`` is Cov(h, (u, ν)), of shape (K+M, P+M); H_u and H_ν are the two column blocks of one H.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.activations import ERF, TANH
from onlinemode.kernels.arcsine import arcsine, fill_arcsines, weighted_arcsines, weighted_arcsines_of_pairs
from onlinemode.kernels.fused import fma
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.rule import Factors, forward, make_workspace, teacher_output

_CONTRACT = {"contract"}
MODERATE = 30.0  # squared length of a unit up to which the closed forms lose no more than a digit to cancellation
ERF_LIKE_TANH = 1.2  # tanh(z) and erf(1.2 z/√2) differ by less than 0.024 everywhere


class Averages(NamedTuple):
    """What the mean-field equations need to know about one sample."""

    field: np.ndarray  # (K, P+M)  H = E[δ (u, ν)ᵀ]
    delta: np.ndarray  # (K, K)    V = E[δ δᵀ], label noise included
    activity: np.ndarray  # (K,)   E[e g(λ_k)]
    error: np.ndarray  # (1,)      ε_g, label noise excluded


@compiled
def make_averages(K, M, P):
    return Averages(np.zeros((K, P + M)), np.zeros((K, K)), np.zeros(K), np.zeros(1))


@compiled
def field_covariances(G, S, T, factors):
    """Z = Cov(h), cross = Cov(h, (u, ν)) and w = (v, −v*) at the given order parameters."""
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


@compiled(inner=True, fastmath=_CONTRACT)
def _field_average(slope, diagonal, cross, out):
    """H = slope · cross − diag(diagonal) · cross[:K], which is E[δ (u, ν)ᵀ] by Stein's lemma."""
    K, n = slope.shape
    for k in range(K):
        for x in range(cross.shape[1]):
            total = -diagonal[k] * cross[k, x]
            for j in range(n):
                total += slope[k, j] * cross[j, x]
            out[k, x] = total


@compiled(inner=True, forceinline=True)
def minor(a, b, c, d):
    """a b − c d without cancellation: to two rounding errors of the difference, and 0 for equal products."""
    product = c * d
    return fma(a, b, -product) + fma(-c, d, product)


@compiled(inner=True)
def _correlate(Z, arguments, complements):
    """x and 1 − x² for the pairs i ≤ j, x = Z_ij / √((1+Z_ii)(1+Z_jj)); docs/theory.md, section 2.3."""
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


@compiled
def closed_error(Z, w):
    """ε_g = ½ Σ_ij w_i w_j (2/π) asin(Z_ij / √((1+Z_ii)(1+Z_jj)))."""
    weights = pair_weights(w)
    arguments, complements = np.empty(weights.size), np.empty(weights.size)
    _correlate(Z, arguments, complements)
    return weighted_arcsines_of_pairs(arguments, complements, weights, weights.size) / np.pi


@compiled(fastmath=_CONTRACT)
def erf_averages(Z, cross, w, K, noise, out):
    """All averages for g(z) = erf(z/√2); docs/theory.md, section 2.3."""
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
        own = w[k] * 2.0 / np.pi / one_plus
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
            value = w[k] * w[l] * 2.0 / np.pi / root * (squared_error + noise**2)
            out.delta[k, l] = value
            out.delta[l, k] = value


@compiled(fastmath=_CONTRACT)
def linear_averages(Z, cross, w, K, noise, out):
    """All averages for g(z) = z; docs/theory.md, section 2.4."""
    n = w.size
    squared_error = 0.0
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += Z[i, j] * w[j]
        squared_error += w[i] * total
        if i < K:
            out.activity[i] = total
    for x in range(cross.shape[1]):
        total = 0.0
        for i in range(n):
            total += w[i] * cross[i, x]
        for k in range(K):
            out.field[k, x] = w[k] * total
    for k in range(K):
        for l in range(K):
            out.delta[k, l] = w[k] * w[l] * (squared_error + noise**2)
    out.error[0] = 0.5 * squared_error


@compiled
def relu_averages(Z, cross, w, K, out):
    """The averages of relu that have a closed form: all but V; docs/theory.md, section 2.5."""
    n = w.size
    squared_error = 0.0
    slope = np.zeros((K, n))
    diagonal = np.zeros(K)
    out.activity[:] = 0.0
    for i in range(n):
        for j in range(n):
            product = np.sqrt(Z[i, i] * Z[j, j])
            if product <= 0.0:
                continue
            # aligned = π − θ, with θ the angle between the two units; area = √(Z_ii Z_jj) sin θ
            # (both from the same rounded cosine, so that their errors cancel near convergence)
            cosine = min(max(Z[i, j] / product, -1.0), 1.0)
            aligned = np.pi / 2 + arcsine(cosine)
            area = product * np.sqrt((1.0 - cosine) * (1.0 + cosine))
            second_moment = (area + aligned * Z[i, j]) / (2.0 * np.pi)
            squared_error += w[i] * w[j] * second_moment
            if i < K:
                out.activity[i] += w[j] * second_moment
                slope[i, j] = w[i] * w[j] * aligned / (2.0 * np.pi)
                diagonal[i] -= w[i] * w[j] * area / (2.0 * np.pi * Z[i, i])
    _field_average(slope, diagonal, cross, out.field)
    out.error[0] = 0.5 * squared_error


@compiled
def student_factors(G, S, teacher_inverse):
    """L_XB (P, r_B) and L_X (P, P) with S = L_XB L_Bᵀ and G = L_XB L_XBᵀ + L_X L_Xᵀ.

    L_X is a Cholesky factor of what the teacher's span leaves of G; a pivot that is zero to
    rounding gives a zero column, so input modes inside the span of the teacher are allowed.
    """
    P, M = S.shape
    r_B = teacher_inverse.shape[0]
    along = np.zeros((P, r_B))
    for p in range(P):
        for r in range(r_B):
            for m in range(M):
                along[p, r] += S[p, m] * teacher_inverse[r, m]
    factor = np.zeros((P, P))
    for j in range(P):
        for p in range(j, P):
            rest = G[p, j]
            for r in range(r_B):
                rest -= along[p, r] * along[j, r]
            for i in range(j):
                rest -= factor[p, i] * factor[j, i]
            if p > j:
                factor[p, j] = rest / factor[j, j]
            elif rest > 1e-14 * G[j, j]:
                factor[j, j] = np.sqrt(rest)
            else:
                break
    return along, factor


@compiled(inner=True)
def _fields_at_node(node, teacher_factor, along, across, work):
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


@compiled
def node_averages(activation, G, S, teacher_factor, teacher_inverse, factors, noise, nodes, out):
    """All averages of the learning rule over normal nodes; docs/theory.md, section 2.5.

    ``nodes`` is (count, r_B + P), ``teacher_factor`` L_B (M, r_B) with T = L_B L_Bᵀ and
    ``teacher_inverse`` its left inverse (r_B, M).
    """
    K, P = factors.xi_out.shape
    M = teacher_factor.shape[0]
    along, across = student_factors(G, S, teacher_inverse)
    sizes = (K, M, P)
    work = make_workspace(K, M, P)
    out.field[:] = 0.0
    out.delta[:] = 0.0
    out.activity[:] = 0.0
    squared_error = 0.0
    count = nodes.shape[0]
    for i in range(count):
        _fields_at_node(nodes[i], teacher_factor, along, across, work)
        error = forward(sizes, activation, factors, work, teacher_output(sizes, activation, factors, work))
        squared_error += error * error
        for k in range(K):
            delta = error * work.gain[k]
            for p in range(P):
                out.field[k, p] += delta * work.u[p]
            for m in range(M):
                out.field[k, P + m] += delta * work.nu[m]
            for l in range(k + 1):
                out.delta[k, l] += work.gain[k] * work.gain[l] * (error * error + noise * noise)
            out.activity[k] += error * work.activity[k]
    for k in range(K):
        for l in range(k):
            out.delta[l, k] = out.delta[k, l]
    for k in range(K):
        for x in range(P + M):
            out.field[k, x] /= count
        for l in range(K):
            out.delta[k, l] /= count
        out.activity[k] /= count
    out.error[0] = 0.5 * squared_error / count


@compiled
def tanh_averages(G, S, T, teacher_factor, teacher_inverse, factors, noise, nodes, out):
    """All averages for g = tanh: over nodes, with erf(c z/√2) as control variate; section 2.5.

    The nodes only average the difference between tanh and the erf that follows it closely, whose own
    averages are known in closed form.
    """
    c = ERF_LIKE_TANH
    K, P = factors.xi_out.shape
    M = T.shape[0]
    node_averages(TANH, G, S, teacher_factor, teacher_inverse, factors, noise, nodes, out)
    # erf units see fields of c times the size: A -> cA, B -> cB
    scaled = Factors(factors.strengths, c * factors.xi_out, factors.readout, factors.teacher_readout)
    over_nodes = make_averages(K, M, P)
    node_averages(ERF, G, c * S, c * teacher_factor, teacher_inverse / c, scaled, noise, nodes, over_nodes)
    exact = make_averages(K, M, P)
    Z, cross, w = field_covariances(G, c * S, c * c * T, scaled)
    erf_averages(Z, cross, w, K, noise, exact)
    for k in range(K):
        for x in range(P + M):  # g' brings a factor c; the teacher fields of the scaled problem are cν
            out.field[k, x] += (exact.field[k, x] - over_nodes.field[k, x]) * (c if x < P else 1.0)
        for l in range(K):
            out.delta[k, l] += (exact.delta[k, l] - over_nodes.delta[k, l]) * c * c
        out.activity[k] += exact.activity[k] - over_nodes.activity[k]
    out.error[0] += exact.error[0] - over_nodes.error[0]


@compiled
def tanh_error(G, S, T, teacher_factor, teacher_inverse, factors, nodes):
    """ε_g for g = tanh: over nodes, with the same control variate."""
    c = ERF_LIKE_TANH
    K, P = factors.xi_out.shape
    M = T.shape[0]
    scaled = Factors(factors.strengths, c * factors.xi_out, factors.readout, factors.teacher_readout)
    along, across = student_factors(G, S, teacher_inverse)
    sizes = (K, M, P)
    work = make_workspace(K, M, P)
    difference = 0.0
    for i in range(nodes.shape[0]):
        _fields_at_node(nodes[i], teacher_factor, along, across, work)
        error = forward(sizes, TANH, factors, work, teacher_output(sizes, TANH, factors, work))
        for m in range(M):
            work.nu[m] *= c
        erf_error = forward(sizes, ERF, scaled, work, teacher_output(sizes, ERF, scaled, work))
        difference += error * error - erf_error * erf_error
    Z, _, w = field_covariances(G, c * S, c * c * T, scaled)
    return 0.5 * difference / nodes.shape[0] + closed_error(Z, w)


@compiled
def factor_errors(activation, modes, strengths, xi_out, readout, teacher_readout, teacher_factor, nodes, out):
    """Fill out[i] with ½ E[e²] over nodes, straight from the factors of the i-th of a row of states.

    ``modes`` is (states, frame vectors, P), the first r_B of them along the teacher.  The error of a node
    is a difference of activations, so that ε_g keeps its relative accuracy down to about 1e-32.
    """
    K, P = xi_out.shape[1:]
    M, r_B = teacher_factor.shape
    sizes = (K, M, P)
    work = make_workspace(K, M, P)
    for state in range(out.size):
        factors = Factors(strengths[state], xi_out[state], readout[state], teacher_readout)
        total = 0.0
        for i in range(nodes.shape[0]):
            for m in range(M):
                work.nu[m] = 0.0
                for r in range(r_B):
                    work.nu[m] += teacher_factor[m, r] * nodes[i, r]
            for p in range(P):
                work.u[p] = 0.0
                for r in range(modes.shape[1]):
                    work.u[p] += modes[state, r, p] * nodes[i, r]
            error = forward(sizes, activation, factors, work, teacher_output(sizes, activation, factors, work))
            total += error * error
        out[state] = 0.5 * total / nodes.shape[0]
