"""Moments of the one-step increments, for the linear-noise theory; docs/theory.md, section 8."""

import numpy as np

from onlinemode.kernels.averages import student_factors
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.rule import (
    Factors,
    Rates,
    add_gradients,
    backward,
    forward,
    input_coefficient,
    make_gradients,
    make_workspace,
    teacher_output,
)


@compiled
def increment_moments(activation, G, S, strengths, xi_out, readout, teacher_readout, teacher_factor, teacher_inverse,
                      parameters, nodes, active, mean, covariance, correction):
    """Mean and covariance of N times the increment of one step, over normal nodes.

    Parameters
    ----------
    parameters : array (7,)
        (η, η_s, η_A, η_v, κ, σ, n), as in :mod:`onlinemode.kernels.drift`; weight decay, which is no
        random quantity, is left out of mean and covariance.
    nodes : array (count, r_B + P + 1)
        The last column is the label noise ζ.
    active : int array
        Entries of the full state (upper triangle of G, S, strengths, xi_out, readout) to keep.
    mean : array (len(active),), covariance : array (len(active), len(active)), correction : array (P, P)
        Filled; ``correction`` is f_1, the 1/N part of the mean increment of G.
    """
    K, P = xi_out.shape
    M, r_B = teacher_factor.shape
    sizes = (K, M, P)
    eta, weight_decay, noise = parameters[0], parameters[4], parameters[5]
    rates = Rates(eta, parameters[1], parameters[2], parameters[3])
    factors = Factors(strengths, xi_out, readout, teacher_readout)
    along, across = student_factors(G, S, teacher_inverse)
    work = make_workspace(K, M, P)
    gradients = make_gradients(K, P)
    c = np.empty(P)
    full = np.empty(P * (P + 1) // 2 + P * M + P + K * P + K)
    for i in range(active.size):
        mean[i] = 0.0
        for j in range(active.size):
            covariance[i, j] = 0.0
    for p in range(P):
        for q in range(P):
            correction[p, q] = 0.0
    count = nodes.shape[0]
    for node in range(count):
        for m in range(M):
            work.nu[m] = 0.0
            for r in range(r_B):
                work.nu[m] += teacher_factor[m, r] * nodes[node, r]
        square = 0.0
        for r in range(r_B + P):
            square += nodes[node, r] * nodes[node, r]
        for p in range(P):
            work.u[p] = 0.0
            for r in range(r_B):
                work.u[p] += along[p, r] * nodes[node, r]
            for r in range(p + 1):
                work.u[p] += across[p, r] * nodes[node, r_B + r]
        label = teacher_output(sizes, activation, factors, work) + noise * nodes[node, r_B + P]
        error = forward(sizes, activation, factors, work, label)
        backward(sizes, factors, work, error)
        for p in range(P):
            gradients.strengths[p] = 0.0
            for k in range(K):
                gradients.xi_out[k, p] = 0.0
            c[p] = -eta * input_coefficient(factors, work, p)
        for k in range(K):
            gradients.readout[k] = 0.0
        add_gradients(sizes, rates, work, error, gradients)
        position = 0
        for p in range(P):
            for q in range(P):
                correction[p, q] += (c[p] * c[q] * (square - r_B - P) - weight_decay * (c[p] * work.u[q]
                                     + c[q] * work.u[p])) / count
            for q in range(p, P):
                full[position] = c[p] * work.u[q] + c[q] * work.u[p] + c[p] * c[q]
                position += 1
        for p in range(P):
            for m in range(M):
                full[position] = c[p] * work.nu[m]
                position += 1
        for p in range(P):
            full[position] = -parameters[1] * gradients.strengths[p]
            position += 1
        for k in range(K):
            for p in range(P):
                full[position] = -parameters[2] * gradients.xi_out[k, p]
                position += 1
        for k in range(K):
            full[position] = -parameters[3] * gradients.readout[k]
            position += 1
        for i in range(active.size):
            mean[i] += full[active[i]] / count
            for j in range(i + 1):
                covariance[i, j] += full[active[i]] * full[active[j]] / count
    for i in range(active.size):
        for j in range(i + 1):
            covariance[i, j] -= mean[i] * mean[j]
            covariance[j, i] = covariance[i, j]
    for p in range(P):
        for q in range(P):
            correction[p, q] += weight_decay * weight_decay * G[p, q]
