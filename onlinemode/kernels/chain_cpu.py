"""The exact Markov chain of the overlaps at finite N, in factor form; docs/theory.md, section 7.

For Gaussian inputs the learning rule only needs the fields (u, ν) and |x|², whose joint law follows
from the overlaps.  The state is kept as factors in an orthonormal frame whose first r_B vectors span
the teacher:

    X/√N = L_XB O_B + L_X O_X,        B/√N = L_B O_B.

The frame itself is never stored.  Every sample adds one frame vector, along what its input has
outside the frame; after a few samples a rotation of the frame (a QR factorization) takes the new
columns of L_X out again.

Factors are stored transposed, ``along`` (r_B, P) = L_XBᵀ and ``across`` (columns, P) = L_Xᵀ, so
that the innermost loops run over the modes.
"""

from functools import cache

import numpy as np

from onlinemode.kernels.chain_normals import fill_chain_normals, fill_chi
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.normals import single_normal
from onlinemode.kernels.philox import STREAM_CHAIN_NOISE, STREAM_CHAIN_NORMAL
from onlinemode.kernels.rule import (
    DIVERGENCE_LIMIT,
    add_gradients,
    apply_gradients,
    backward,
    forward,
    input_coefficient,
    make_gradients,
    make_workspace,
)

BUFFER = 64  # samples whose random numbers are drawn at once
EXTRA = 4  # samples, each with a new column of L_X, between two rotations
ANY = -1  # a size or activation that is not a compile-time constant
_SUMS = {"reassoc", "contract", "nsz"}


@compiled(inner=True)
def _save(along, across, factors, paths, row):
    """Copy the state into one row of the five arrays of ``paths``."""
    for r in range(along.shape[0]):
        for p in range(along.shape[1]):
            paths[0][row, r, p] = along[r, p]
    for r in range(across.shape[0]):
        for p in range(across.shape[1]):
            paths[1][row, r, p] = across[r, p]
    for p in range(factors.strengths.size):
        paths[2][row, p] = factors.strengths[p]
    for k in range(factors.readout.size):
        for p in range(factors.strengths.size):
            paths[3][row, k, p] = factors.xi_out[k, p]
        paths[4][row, k] = factors.readout[k]


@compiled(inner=True, forceinline=True, fastmath=_SUMS)
def _rotate_back(P, rows, across):
    """Replace ``across`` (rows, P) by R of its QR factorization; rows from P on become 0."""
    for j in range(P):
        square = 0.0
        for i in range(j + 1, rows):
            square += across[i, j] * across[i, j]
        if square == 0.0:
            continue
        head = across[j, j]
        norm = np.sqrt(head * head + square)
        norm = -norm if head > 0.0 else norm
        first = head - norm  # the Householder vector is (first, across[j+1:, j])
        factor = 1.0 / (norm * first)
        across[j, j] = norm
        for p in range(j + 1, P):
            total = first * across[j, p]
            for i in range(j + 1, rows):
                total += across[i, j] * across[i, p]
            total *= factor
            across[j, p] += total * first
            for i in range(j + 1, rows):
                across[i, p] += total * across[i, j]
        for i in range(j + 1, rows):
            across[i, j] = 0.0


@compiled
def rotation_period(batch):
    """Steps between two rotations, and columns by which L_X may grow until then."""
    steps = max(1, EXTRA // batch)
    return steps, steps * batch


@cache
def make_advance(K, M, P, r_B, activation):
    """The compiled chain for these sizes.

    Parameters
    ----------
    K, M, P, r_B, activation : int
        Compile-time constants, which makes a step two to three times faster; machine code is cached
        for each set.  All ANY gives the one function for all sizes.

    Returns
    -------
    callable
        ``advance(along, across, columns, teacher_factor, factors, rates, weight_decay, noise, activation,
        N, dof, batch, save_steps, counts, paths, stop, seed, replica)``.  It changes the state in place,
        fills the rows of ``paths`` (along, across, strengths, xi_out, readout at the saved steps),
        keeps ``counts`` (steps made, rows filled), looks at ``stop[0]`` now and then, and returns
        whether the run diverged.
    """
    constant_K, constant_M, constant_P, constant_r_B, constant_activation = K, M, P, r_B, activation

    @compiled
    def advance(along, across, columns, teacher_factor, factors, rates, weight_decay, noise, activation, N, dof,
                batch, save_steps, counts, paths, stop, seed, replica):
        K = constant_K if constant_K != ANY else factors.readout.size
        M = constant_M if constant_M != ANY else factors.teacher_readout.size
        P = constant_P if constant_P != ANY else factors.strengths.size
        r_B = constant_r_B if constant_r_B != ANY else teacher_factor.shape[1]
        activation = constant_activation if constant_activation != ANY else activation
        sizes = (K, M, P)
        rotate_every, extra = rotation_period(batch)
        steps_a_buffer = max(1, BUFFER // batch)
        length = steps_a_buffer * batch
        normals = np.empty((-(-(r_B + across.shape[0]) // 2) * 2, length))
        chi = np.empty(length)
        degrees = np.empty(length)
        uniforms = np.empty(length)
        coefficients = np.empty((batch, P))
        work = make_workspace(K, M, P)
        gradients = make_gradients(K, P)
        inverse_N = 1.0 / N
        decay = 1.0 - weight_decay * inverse_N
        base = columns  # columns of L_X right after a rotation
        made, saved = counts[0], counts[1]
        while saved < save_steps.size:
            if save_steps[saved] == made:
                _save(along, across, factors, paths, saved)
                saved += 1
                counts[1] = saved
                continue
            if stop[0] != 0:
                break
            count = min(steps_a_buffer - made % steps_a_buffer, save_steps[saved] - made)
            first_sample = made * batch
            fill_chain_normals(normals, count * batch, STREAM_CHAIN_NORMAL, replica, first_sample, seed)
            grown = columns - base
            for t in range(count * batch):
                degrees[t] = max(dof - grown, 0.0)
                grown = grown + 1 if (first_sample + t + 1) % extra != 0 else 0
            fill_chi(chi, degrees, count * batch, replica, first_sample, seed, uniforms)
            for step in range(count):
                for j in range(batch):
                    t = step * batch + j
                    for m in range(M):
                        total = 0.0
                        for r in range(r_B):
                            total += teacher_factor[m, r] * normals[r, t]
                        work.nu[m] = total
                    for p in range(P):
                        work.u[p] = 0.0
                    for r in range(r_B):
                        for p in range(P):
                            work.u[p] += along[r, p] * normals[r, t]
                    for r in range(columns):
                        for p in range(P):
                            work.u[p] += across[r, p] * normals[r_B + r, t]
                    label_noise = 0.0
                    if noise != 0.0:
                        label_noise = noise * single_normal(STREAM_CHAIN_NOISE, replica, first_sample + t, seed)
                    error = forward(sizes, activation, factors, work, label_noise)
                    if not abs(error) < DIVERGENCE_LIMIT:
                        counts[0] = made
                        return True
                    backward(sizes, factors, work, error)
                    add_gradients(sizes, work, error, gradients)
                    for p in range(P):
                        coefficients[j, p] = -rates.xi_in * inverse_N / batch * input_coefficient(factors, work, p)
                for r in range(r_B):
                    for p in range(P):
                        along[r, p] *= decay
                for r in range(columns):
                    for p in range(P):
                        across[r, p] *= decay
                for j in range(batch):
                    t = step * batch + j
                    for r in range(r_B):
                        for p in range(P):
                            along[r, p] += coefficients[j, p] * normals[r, t]
                    for r in range(columns):
                        for p in range(P):
                            across[r, p] += coefficients[j, p] * normals[r_B + r, t]
                    if degrees[t] > 0.0:  # outside the frame so far: a new frame vector
                        for p in range(P):
                            across[columns, p] = coefficients[j, p] * chi[t]
                        columns += 1
                apply_gradients(sizes, factors, rates, gradients, inverse_N / batch)
                made += 1
                if made % rotate_every == 0 and columns > base:
                    _rotate_back(P, columns, across)
                    columns = base
            counts[0] = made
        return False

    return advance
