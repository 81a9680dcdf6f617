"""Right-hand side of the mean-field equations.

The derivative comes as one flat vector, the concatenation of: upper triangle of G by rows, S,
strengths, xi_out, readout.
"""

import numpy as np

from onlinemode.kernels.activations import RELU
from onlinemode.kernels.averages import (
    erf_averages,
    field_covariances,
    linear_averages,
    make_averages,
    node_averages,
    relu_averages,
    tanh_averages,
    tanh_error,
)
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.rule import Factors


@compiled(inner=True)
def assemble_drift(averages, G, S, factors, parameters):
    """d/dα of the full state vector; docs/theory.md, section 2.2."""
    K, P = factors.xi_out.shape
    M = S.shape[1]
    eta = parameters[0]
    eta_strengths = parameters[1]
    eta_xi_out = parameters[2]
    eta_readout = parameters[3]
    weight_decay = parameters[4]
    batch = parameters[6]
    out = np.empty(P * (P + 1) // 2 + P * M + P + K * P + K)
    back = np.empty((P, P + M))  # AᵀH
    for p in range(P):
        for x in range(P + M):
            total = 0.0
            for k in range(K):
                total += factors.xi_out[k, p] * averages.field[k, x]
            back[p, x] = total
    position = 0
    for p in range(P):
        for q in range(p, P):
            random_walk = 0.0  # (AsᵀV As)_pq, the η² term
            for k in range(K):
                for l in range(K):
                    random_walk += factors.xi_out[k, p] * averages.delta[k, l] * factors.xi_out[l, q]
            random_walk *= factors.strengths[p] * factors.strengths[q]
            out[position] = (-eta * (factors.strengths[p] * back[p, q] + factors.strengths[q] * back[q, p])
                             + eta**2 / batch * random_walk - 2.0 * weight_decay * G[p, q])
            position += 1
    for p in range(P):
        for m in range(M):
            out[position] = -eta * factors.strengths[p] * back[p, P + m] - weight_decay * S[p, m]
            position += 1
    for p in range(P):
        out[position] = -eta_strengths * back[p, p]
        position += 1
    for k in range(K):
        for p in range(P):
            out[position] = -eta_xi_out * averages.field[k, p] * factors.strengths[p]
            position += 1
    for k in range(K):
        out[position] = -eta_readout * averages.activity[k]
        position += 1
    return out


@compiled
def erf_drift(G, S, strengths, xi_out, readout, T, teacher_readout, parameters, error):
    """d/dα of the full state vector, for erf.

    ``parameters`` is (η, η_s, η_A, η_v, κ, σ, n); ``error[0]`` receives ε_g.
    """
    factors = Factors(strengths, xi_out, readout, teacher_readout)
    K = readout.size
    Z, cross, w = field_covariances(G, S, T, factors)
    averages = make_averages(K, T.shape[0], G.shape[0])
    erf_averages(Z, cross, w, K, parameters[5], averages)
    error[0] = averages.error[0]
    return assemble_drift(averages, G, S, factors, parameters)


@compiled
def linear_drift(G, S, strengths, xi_out, readout, T, teacher_readout, parameters, error):
    """The same for the linear activation."""
    factors = Factors(strengths, xi_out, readout, teacher_readout)
    K = readout.size
    Z, cross, w = field_covariances(G, S, T, factors)
    averages = make_averages(K, T.shape[0], G.shape[0])
    linear_averages(Z, cross, w, K, parameters[5], averages)
    error[0] = averages.error[0]
    return assemble_drift(averages, G, S, factors, parameters)


@compiled
def relu_drift(G, S, strengths, xi_out, readout, T, teacher_readout, parameters, error,
               teacher_factor, teacher_inverse, nodes):
    """The same for relu: V over normal nodes, the rest in closed form."""
    factors = Factors(strengths, xi_out, readout, teacher_readout)
    K = readout.size
    averages = make_averages(K, T.shape[0], G.shape[0])
    node_averages(RELU, G, S, teacher_factor, teacher_inverse, factors, parameters[5], nodes, averages)
    Z, cross, w = field_covariances(G, S, T, factors)
    relu_averages(Z, cross, w, K, averages)
    error[0] = averages.error[0]
    return assemble_drift(averages, G, S, factors, parameters)


@compiled
def tanh_drift(G, S, strengths, xi_out, readout, T, teacher_readout, parameters, error,
               teacher_factor, teacher_inverse, nodes):
    """The same for tanh, over normal nodes with an erf as control variate."""
    factors = Factors(strengths, xi_out, readout, teacher_readout)
    averages = make_averages(readout.size, T.shape[0], G.shape[0])
    tanh_averages(G, S, T, teacher_factor, teacher_inverse, factors, parameters[5], nodes, averages)
    error[0] = averages.error[0]
    return assemble_drift(averages, G, S, factors, parameters)


@compiled
def tanh_errors(G, S, strengths, xi_out, readout, T, teacher_readout, teacher_factor, teacher_inverse, nodes, out):
    """Fill out[i] with ε_g of the i-th of a row of states, for tanh."""
    for i in range(out.size):
        factors = Factors(strengths[i], xi_out[i], readout[i], teacher_readout)
        out[i] = tanh_error(G[i], S[i], T, teacher_factor, teacher_inverse, factors, nodes)
