"""The mean-field equations for inputs with a covariance, resolved by its eigenvalues; docs/theory, section 18.

At a given state all shares (G_l, S_l) of the overlaps, one an eigenvalue ω_l, obey one law, which is affine in them:

    DS_l = ω_l (pull S_l + lift T_l) − κ S_l
    DG_l = ω_l (pull G_l + lift S_lᵀ + transpose) + ω_l τ_l walk − 2κ G_l

pull, lift and walk, κ and the rates of the small factors are the *generator*, one flat vector in this order; it is a
function of the sums over l alone.  A walk of each share's own, which few directions have, may follow: what is added to
DG_l, in the order of a state.  A state is one flat vector, too: the upper triangle of G by rows and S, each entry
for all l, then strengths, xi_out and readout.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.averages.fields import (
    Overlaps,
    Teacher,
    field_covariances,
    fields_at_node,
    student_factors,
)
from onlinemode.kernels.averages.methods import by_method, closed_averages
from onlinemode.kernels.averages.records import make_averages
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.rule.losses import mean_slopes
from onlinemode.kernels.rule.step import (
    Factors,
    Rule,
    decay_rate,
    descended,
    make_small,
    open_step,
    output_and_clean_label,
)

_CONTRACT = {"contract"}


class Spectrum(NamedTuple):
    """What is fixed of each eigenvalue."""

    eigenvalues: np.ndarray  # (L,)   ω_l
    traces: np.ndarray  # (L,)   τ_l = tr(Ω Π_l)/N
    teacher: np.ndarray  # (M, M, L)   T_l


class System(NamedTuple):
    """The equations of motion."""

    rule: Rule  # at N = 1: increments in units of 1/N
    sizes: tuple  # (K, M, P)
    teacher: Teacher  # the sum over l, and its factors
    teacher_readout: np.ndarray  # (M,)
    aid: NamedTuple  # what the averages need beside the overlaps, see methods.py
    spectrum: Spectrum
    state: np.ndarray  # (full state,)   of which the entries that move change
    active: np.ndarray  # (d,)   which those are
    error: np.ndarray  # (1,)   receives ε_g


@compiled(inner=True)
def _unpacked(y, system):
    """Sums of the overlaps over all shares, and the factors, of the state whose moving entries are ``y``."""
    K, M, P = system.sizes
    state = system.state
    shares = _loaded(y, system)
    upper, L = P * (P + 1) // 2, shares.shape[1]
    sums = np.zeros(upper + P * M)
    for i in range(sums.size):
        for l in range(L):
            sums[i] += shares[i, l]
    G = np.empty((P, P))
    position = 0
    for p in range(P):
        for q in range(p, P):
            G[p, q] = sums[position]
            G[q, p] = sums[position]
            position += 1
    strengths = L * sums.size
    xi_out = strengths + P
    readout = xi_out + K * P
    factors = Factors(state[strengths:xi_out], state[xi_out:readout].reshape((K, P)), state[readout:],
                      system.teacher_readout)
    return Overlaps(G, sums[upper:].reshape((P, M)), system.teacher), factors


@compiled(inner=True)
def _units_and_modes(overlaps, factors):
    """Z, ∂h/∂(u, ν) and w.

    The closed forms average δ times anything that is jointly Gaussian with h, linearly in its covariance with h
    (Stein's lemma).  Given ∂h/∂(u, ν) in its place they yield E[∂δ/∂(u, ν)].
    """
    Z, cross, w = field_covariances(overlaps, factors)
    K, P = factors.xi_out.shape
    cross[:] = 0.0
    for k in range(K):
        for p in range(P):
            cross[k, p] = factors.xi_out[k, p] * factors.strengths[p]
    for m in range(w.size - K):
        cross[K + m, P + m] = 1.0
    return Z, cross, w


@compiled(inner=True)
def _generator(system, overlaps, factors, averages):
    """The generator, from averages whose ``field`` is E[∂δ/∂(u, ν)]."""
    rule = system.rule
    K, M, P = system.sizes
    now = open_step(rule, 1.0)
    along = rule.batch * now.along_input  # of all samples of a step
    out = np.zeros(2 * P * P + P * M + 1 + P + K * P + K)
    lift, walk = P * P, P * P + P * M
    for k in range(K):
        for p in range(P):
            left = factors.xi_out[k, p] * factors.strengths[p]
            for q in range(P):
                out[p * P + q] += along * left * averages.field[k, q]
            for m in range(M):
                out[lift + p * M + m] += along * left * averages.field[k, P + m]
            for l in range(K):
                for q in range(P):
                    right = factors.xi_out[l, q] * factors.strengths[q]
                    out[walk + p * P + q] += rule.batch * now.along_input**2 * left * averages.delta[k, l] * right
    for p in range(P):  # pull is symmetric; over nodes up to their error
        for q in range(p):
            mean = 0.5 * (out[p * P + q] + out[q * P + p])
            out[p * P + q] = mean
            out[q * P + p] = mean
    decay = walk + P * P
    out[decay] = decay_rate(rule)
    strengths, xi_out = decay + 1, decay + 1 + P
    for k in range(K):
        for p in range(P):
            field = 0.0  # E[δ_k u_p]
            for q in range(P):
                field += averages.field[k, q] * overlaps.G[q, p]
            for m in range(M):
                field += averages.field[k, P + m] * overlaps.S[p, m]
            out[strengths + p] = descended(out[strengths + p], rule.rates.strengths, factors.xi_out[k, p] * field)
            out[xi_out + k * P + p] = descended(0.0, rule.rates.xi_out, field * factors.strengths[p])
        out[xi_out + K * P + k] = descended(0.0, rule.rates.readout, averages.activity[k])
    system.error[0] = averages.error[0]
    return out


@compiled(inner=True)
def _node_averages(aid, rule, overlaps, factors, out):
    """Averages whose ``field`` is E[∂δ/∂(u, ν)], over nodes, which need no slope of g'.

    Of the normals ω behind (u, ν), ν = L_B ω_B and u = L_XB ω_B + L_X ω_X, Stein's lemma is E[∂δ/∂ω] = E[δ ωᵀ]; what
    δ cannot depend on by itself, since L_X has no length there, counts as 0.
    """
    K, P = factors.xi_out.shape
    M = overlaps.S.shape[1]
    along, across = student_factors(overlaps.G, overlaps.S, overlaps.teacher.inverse)
    r_B = along.shape[1]
    small = make_small((K, M, P), factors)
    work = small.work
    by_normals = np.zeros((K, r_B + P))  # E[δ ωᵀ]
    squared_error = 0.0
    nodes = aid.normals
    count = nodes.shape[0]
    for i in range(count):
        fields_at_node(nodes[i], overlaps.teacher.factor, along, across, work)
        output, label = output_and_clean_label(rule, small)
        squared_error += (output - label)**2
        slope, squared_slope = mean_slopes(rule.loss, rule.labels, rule.noise, output, label)
        for k in range(K):
            delta = slope * work.gain[k]
            for r in range(r_B + P):
                by_normals[k, r] += delta * nodes[i, r]
            for l in range(K):
                out.delta[k, l] += work.gain[k] * work.gain[l] * squared_slope
            out.activity[k] += slope * work.activity[k]
    for k in range(K):
        for p in range(P - 1, -1, -1):  # E[∂δ/∂u] L_X = E[δ ω_Xᵀ]
            rest = by_normals[k, r_B + p] / count
            for q in range(p + 1, P):
                rest -= out.field[k, q] * across[q, p]
            out.field[k, p] = rest / across[p, p] if across[p, p] > 0.0 else 0.0
        for r in range(r_B):
            rest = by_normals[k, r] / count
            for p in range(P):
                rest -= out.field[k, p] * along[p, r]
            for m in range(M):
                out.field[k, P + m] += rest * overlaps.teacher.inverse[r, m]
        for l in range(K):
            out.delta[k, l] /= count
        out.activity[k] /= count
    out.error[0] = 0.5 * squared_error / count


@compiled(inner=True, inline="always")
def _closed(aid, rule, overlaps, factors, out):
    Z, modes, w = _units_and_modes(overlaps, factors)
    closed_averages(aid, Z, modes, w, factors.readout, rule.noise, out)


_averages_at = by_method(_closed, _node_averages)


@compiled
def generator(y, system):
    """The generator at the state whose entries that move are ``y``; ε_g goes to ``system``."""
    overlaps, factors = _unpacked(y, system)
    averages = make_averages(*system.sizes)
    _averages_at(system.aid, system.rule, overlaps, factors, averages)
    return _generator(system, overlaps, factors, averages)


@compiled(inner=True)
def _matrices(generator, sizes):
    """pull (P, P), lift (P, M), walk (P, P), κ, the rates of the small factors, and the shares' own walks, if any."""
    K, M, P = sizes
    lift, walk = P * P, P * P + P * M
    decay = walk + P * P
    own = decay + 1 + P + K * P + K
    return (generator[:lift].reshape((P, P)), generator[lift:walk].reshape((P, M)),
            generator[walk:decay].reshape((P, P)), generator[decay], generator[decay + 1:own], generator[own:])


@compiled(inner=True, forceinline=True)
def _upper(p, q, P):
    """Where G_pq stands in an upper triangle by rows."""
    if p > q:
        p, q = q, p
    return p * P - p * (p - 1) // 2 + q - p


@compiled(inner=True)
def _loaded(y, system):
    """Copy the entries that move into the full state; its shares (P(P+1)/2 + P M, L)."""
    _, M, P = system.sizes
    state, L = system.state, system.spectrum.eigenvalues.size
    for i in range(y.size):
        state[system.active[i]] = y[i]
    entries = P * (P + 1) // 2 + P * M
    return state[:entries * L].reshape((entries, L))


@compiled(inner=True)
def _moving(full, active):
    out = np.empty(active.size)
    for i in range(out.size):
        out[i] = full[active[i]]
    return out


@compiled(inner=True, forceinline=True, fastmath=_CONTRACT)
def _add(factor, values, out):
    """out += factor · values, over all shares."""
    for l in range(out.size):
        out[l] += factor * values[l]


@compiled(inner=True, forceinline=True, fastmath=_CONTRACT)
def _add_products(one, other, out):
    """out += one · other, over all shares."""
    for l in range(out.size):
        out[l] += one[l] * other[l]


@compiled(fastmath=_CONTRACT)
def rates(y, generator, system):
    """d/dα of the entries that move: what a generator does to a state."""
    _, M, P = system.sizes
    omega, traces, teacher = system.spectrum
    pull, lift, walk, decay, of_factors, own = _matrices(generator, system.sizes)
    shares = _loaded(y, system)
    upper, L = P * (P + 1) // 2, omega.size
    out = np.zeros(system.state.size)
    moved = out[:shares.size].reshape(shares.shape)
    for p in range(P):
        for m in range(M):
            to = moved[upper + p * M + m]
            for q in range(P):
                _add(pull[p, q], shares[upper + q * M + m], to)
            for n in range(M):
                _add(lift[p, n], teacher[n, m], to)
        for q in range(p, P):
            to = moved[_upper(p, q, P)]
            for r in range(P):
                _add(pull[p, r], shares[_upper(r, q, P)], to)
                _add(pull[q, r], shares[_upper(r, p, P)], to)
            for m in range(M):
                _add(lift[p, m], shares[upper + q * M + m], to)
                _add(lift[q, m], shares[upper + p * M + m], to)
            _add(walk[p, q], traces, to)
    for i in range(len(moved)):
        lost = decay if i >= upper else 2.0 * decay
        for l in range(L):
            moved[i, l] = omega[l] * moved[i, l] - lost * shares[i, l]
    for i in range(own.size):
        out[i] += own[i]
    first = out.size - of_factors.size
    for i in range(of_factors.size):
        out[first + i] = of_factors[i]
    return _moving(out, system.active)


@compiled(inner=True, forceinline=True)
def _mean_exponential(z):
    """(eᶻ − 1)/z, the mean of the exponential between 0 and z."""
    if abs(z) < 0.1:  # terms zⁿ/(n+1)!
        total = 1.0
        for n in range(9, 0, -1):
            total = 1.0 + total * z / (n + 1.0)
        return total
    return np.expm1(z) / z


@compiled(fastmath=_CONTRACT)
def flow(y, generator, system):
    """Where a state is after a unit of time if its generator were constant: exact for every share.

    In the eigenbasis of pull, in which x are its eigenvalues times ω_l, less κ, the modes follow
    X' = eˣ X + ω_l φ(x) lift B with φ(x) = (eˣ − 1)/x, and what the walks add grows with φ(x_p + x_q).
    """
    _, M, P = system.sizes
    omega, traces, teacher = system.spectrum
    pull, lift, walk, decay, of_factors, own = _matrices(generator, system.sizes)
    shares = _loaded(y, system)
    upper, L = P * (P + 1) // 2, omega.size
    values, U = np.linalg.eigh(pull)
    lift, walk = U.T @ lift, U.T @ walk @ U
    x, growth, drive, lifted = np.empty((P, L)), np.empty((P, L)), np.zeros((P, M, L)), np.zeros((P, M, L))
    for p in range(P):
        for l in range(L):
            x[p, l] = omega[l] * values[p] - decay
            mean = _mean_exponential(x[p, l])
            growth[p, l] = 1.0 + x[p, l] * mean if x[p, l] > -0.1 else np.exp(x[p, l])
            for m in range(M):
                drive[p, m, l] = omega[l] * mean * lift[p, m]
        for m in range(M):
            for n in range(M):
                _add_products(drive[p, n], teacher[n, m], lifted[p, m])
    S, G = _turned(U, shares, P, M, L)
    if own.size > 0:
        walks = np.zeros(shares.shape)
        walks[:upper] = own.reshape((upper, L))
        own_walk = _turned(U, walks, P, M, L)[1]
        for p in range(P):
            for q in range(p, P):
                at = _upper(p, q, P)
                for l in range(L):
                    own_walk[at, l] *= _mean_exponential(x[p, l] + x[q, l])
    else:
        own_walk = np.zeros(G.shape)
    for p in range(P):
        for q in range(p, P):
            to = G[_upper(p, q, P)]
            for l in range(L):
                to[l] = (growth[p, l] * growth[q, l] * to[l] + own_walk[_upper(p, q, P), l]
                         + omega[l] * traces[l] * walk[p, q] * _mean_exponential(x[p, l] + x[q, l]))
            for m in range(M):
                for l in range(L):
                    to[l] += ((growth[p, l] * S[p, m, l] + lifted[p, m, l]) * drive[q, m, l]
                              + drive[p, m, l] * growth[q, l] * S[q, m, l])
    for p in range(P):
        for m in range(M):
            for l in range(L):
                S[p, m, l] = growth[p, l] * S[p, m, l] + lifted[p, m, l]
    out = system.state.copy()
    moved = out[:shares.size].reshape(shares.shape)
    moved[:upper] = G
    moved[upper:] = S.reshape((P * M, L))
    S, G = _turned(np.ascontiguousarray(U.T), moved, P, M, L)
    moved[:upper] = G
    moved[upper:] = S.reshape((P * M, L))
    first = out.size - of_factors.size
    for i in range(of_factors.size):
        out[first + i] += of_factors[i]
    return _moving(out, system.active)


@compiled(inner=True, fastmath=_CONTRACT)
def _turned(U, shares, P, M, L):
    """UᵀS (P, M, L) and the upper triangle of UᵀGU (P(P+1)/2, L)."""
    upper = P * (P + 1) // 2
    S, half, G = np.zeros((P, M, L)), np.zeros((P, P, L)), np.zeros((upper, L))
    for p in range(P):
        for r in range(P):
            for m in range(M):
                _add(U[r, p], shares[upper + r * M + m], S[p, m])
            for q in range(P):
                _add(U[r, p], shares[_upper(r, q, P)], half[p, q])
    for p in range(P):
        for q in range(p, P):
            for r in range(P):
                _add(U[r, q], half[p, r], G[_upper(p, q, P)])
    return S, G
