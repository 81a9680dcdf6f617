"""The exact Markov chain of the overlaps at finite N, in factor form; docs/theory.md, section 7.

For Gaussian inputs the learning rule only needs the fields (u, ν) and |x|², whose joint law follows
from the overlaps.  All vectors are kept by their components in an orthonormal frame whose first r_B
vectors span the teacher; the frame itself is never stored:

    B/√N = L_B O_B,        X/√N = L_XB O_B + L_X O_X.

Every sample of a block adds one frame vector, along what its input has outside the frame; at the end
of the block a rotation of the frame (a QR factorization) takes the new columns of L_X out again.
Within a block the modes stay as they were at its beginning, and the fields are corrected for what
has been learned since, as in micro.

``modes`` (frame vectors, P) is [L_XB, L_X]ᵀ, ``inputs`` (samples of a block, frame vectors, blocks)
holds the components of the inputs of many blocks: innermost loops run over modes or over blocks.
"""

from functools import cache

import numpy as np

from onlinemode.kernels.chain_normals import fill_chain_normals, fill_chi
from onlinemode.kernels.fused import fma
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.lanes import LANES, load, splat, spread_2d, spread_3d, store
from onlinemode.kernels.philox import STREAM_CHAIN_NORMAL
from onlinemode.kernels.rule import (
    DIVERGENCE_LIMIT,
    add_gradients,
    apply_gradients,
    backward,
    forward,
    input_coefficient,
    make_gradients,
    make_workspace,
    teacher_unit,
)

BUFFER = 128  # samples whose random numbers are drawn at once
EXTRA = 4  # samples between two rotations, each with a new column of L_X
ANY = -1  # a size or activation that is not a compile-time constant
_TINY = 1e-280  # squares below this are 0: their inverse would be infinite


@compiled
def rotation_period(batch):
    """Steps between two rotations, and samples in them: a block."""
    steps = max(1, EXTRA // batch)
    return steps, steps * batch


@compiled(inner=True)
def padded(count):
    """The next multiple of LANES."""
    return -(-count // LANES) * LANES


@compiled(inner=True)
def _save(sizes, modes, factors, paths, row):
    """Copy the state into one row of the four arrays of ``paths``."""
    K, _, P = sizes
    for p in range(P):
        for r in range(modes.shape[0]):
            paths[0][row, r, p] = modes[r, p]
        paths[1][row, p] = factors.strengths[p]
    for k in range(K):
        for p in range(P):
            paths[2][row, k, p] = factors.xi_out[k, p]
        paths[3][row, k] = factors.readout[k]


@compiled(inner=True)
def _draw(inputs, grams, teacher_fields, noises, teacher_factor, columns, dof, batch, samples, count, seed, replica,
          first_sample):
    """Draw the inputs of ``count`` blocks, with their scalar products and their teacher fields.

    grams[j, i, b] is the product of inputs i and j of block b, for i of an earlier step than j.
    """
    M, r_B = teacher_factor.shape
    for j in range(samples):
        x = inputs[j]
        rows = r_B + columns + min(j, dof)  # the frame as the samples before j have left it
        fill_chain_normals(x, rows, count, STREAM_CHAIN_NORMAL, replica, first_sample + j, samples, seed)
        # along what the input has outside the frame, a new frame vector
        fill_chi(x[rows], noises[j], max(dof - j, 0), count, replica, first_sample + j, samples, seed)
        for i in range(j // batch * batch):
            for b in range(count):
                grams[j, i, b] = 0.0
            for r in range(min(r_B + columns + i + 1, rows)):
                for b in range(count):
                    grams[j, i, b] += inputs[i, r, b] * inputs[j, r, b]
        for m in range(M):
            for b in range(count):
                teacher_fields[j, m, b] = 0.0
            for r in range(r_B):
                for b in range(count):
                    teacher_fields[j, m, b] += teacher_factor[m, r] * inputs[j, r, b]


@compiled(inner=True, forceinline=True)
def _project(samples, rows, P, modes, inputs, b, fields):
    """fields[j, p]: product of mode p and input j of block b, over the first ``rows`` frame vectors."""
    for j in range(0, samples, LANES):
        for p in range(0, P, LANES):
            field_0 = field_1 = field_2 = field_3 = splat(0.0)
            for r in range(rows):
                part = load(modes, r, p)
                field_0 = fma(part, spread_3d(inputs, j, r, b), field_0)
                field_1 = fma(part, spread_3d(inputs, j + 1, r, b), field_1)
                field_2 = fma(part, spread_3d(inputs, j + 2, r, b), field_2)
                field_3 = fma(part, spread_3d(inputs, j + 3, r, b), field_3)
            store(fields, j, p, field_0)
            store(fields, j + 1, p, field_1)
            store(fields, j + 2, p, field_2)
            store(fields, j + 3, p, field_3)


@compiled(inner=True, forceinline=True)
def _learn(samples, rows, P, modes, inputs, b, coefficients, decay, out):
    """out <- decay * modes + Σ_j coefficients[j] * input j of block b."""
    for j in range(0, samples, LANES):
        for p in range(0, P, LANES):
            c_0, c_1 = load(coefficients, j, p), load(coefficients, j + 1, p)
            c_2, c_3 = load(coefficients, j + 2, p), load(coefficients, j + 3, p)
            for r in range(rows):
                part = fma(splat(decay), load(modes, r, p), splat(0.0)) if j == 0 else load(out, r, p)
                part = fma(c_0, spread_3d(inputs, j, r, b), part)
                part = fma(c_1, spread_3d(inputs, j + 1, r, b), part)
                part = fma(c_2, spread_3d(inputs, j + 2, r, b), part)
                store(out, r, p, fma(c_3, spread_3d(inputs, j + 3, r, b), part))


@compiled(inner=True, forceinline=True)
def _rotate_back(first, rows, P, width, modes, product):
    """Replace ``modes[first:rows]`` by R of its QR factorization; rows from ``first + P`` on become 0."""
    nothing = splat(0.0)
    for j in range(P):  # entries below the diagonal of columns before j are left as they come
        top = first + j
        block = j // LANES * LANES
        for p in range(block, width, LANES):
            total = nothing
            for r in range(top + 1, rows):
                total = fma(spread_2d(modes, r, j), load(modes, r, p), total)
            store(product, 0, p, total)
        head, square = modes[top, j], product[0, j]
        if square < _TINY:
            continue
        norm = np.sqrt(head * head + square)
        norm = -norm if head > 0.0 else norm
        entry = splat(head - norm)  # the Householder vector is (head - norm, modes[top+1:rows, j])
        factor = splat(1.0 / (norm * (head - norm)))
        for p in range(width - LANES, block - 1, -LANES):  # the block of column j last
            total = fma(factor, fma(entry, load(modes, top, p), load(product, 0, p)), nothing)
            store(modes, top, p, fma(entry, total, load(modes, top, p)))
            for r in range(top + 1, rows):
                store(modes, r, p, fma(spread_2d(modes, r, j), total, load(modes, r, p)))
        modes[top, j] = norm
    for j in range(P):
        for p in range(j):
            modes[first + j, p] = 0.0
    for r in range(first + P, rows):
        for p in range(0, width, LANES):
            store(modes, r, p, nothing)


@compiled(inner=True, forceinline=True)
def _label(sizes, activation, factors, teacher_fields, noise, noises, j, count, labels):
    """labels[j, b] of sample j of each block b, with its noise."""
    _, M, _ = sizes
    for b in range(count):
        labels[j, b] = noise * noises[j, b]
    for m in range(M):
        for b in range(count):
            labels[j, b] += teacher_unit(activation, factors, m, teacher_fields[j, m, b])


@cache
def make_advance(K, M, P, r_B, activation, batch):
    """The compiled chain for these sizes.

    Parameters
    ----------
    K, M, P, r_B, activation, batch : int
        Compile-time constants, which makes a step up to twice as fast; machine code is cached for each
        set.  The function is then for ``columns`` = P and ``dof`` of at least the samples of a block.
        All ANY gives the one function for all sizes.

    Returns
    -------
    callable
        ``advance(modes, columns, dof, teacher_factor, factors, rates, weight_decay, noise, activation, N, batch,
        save_steps, until, counts, paths, stop, seed, replica)``.  It starts from ``modes`` (r_B + columns, P) and
        ``factors``, which change in place, fills the rows of ``paths`` (modes, strengths, xi_out, readout at the
        saved steps), keeps ``counts`` (steps made, rows filled), looks at ``stop[0]`` now and then, and
        returns whether the run diverged.  It returns at the first look after step ``until``, from where
        another call goes on to the same bits.
    """
    known = int(K != ANY)
    constant_K, constant_M, constant_P, constant_r_B = K, M, P, r_B
    constant_activation, constant_batch = activation, batch

    @compiled
    def advance(modes, columns, dof, teacher_factor, factors, rates, weight_decay, noise, activation, N, batch,
                save_steps, until, counts, paths, stop, seed, replica):
        if known:
            K, M, P, r_B, columns = constant_K, constant_M, constant_P, constant_r_B, constant_P
            activation, batch = constant_activation, constant_batch
        else:
            K, P = factors.xi_out.shape
            M, r_B = teacher_factor.shape
        sizes = (K, M, P)
        width = padded(P)  # modes come in lanes; those from P on stay 0
        period, samples = rotation_period(batch)
        fresh = samples if known else min(samples, dof)  # columns of L_X that a block adds
        frame = r_B + columns
        rows = frame + fresh
        blocks = max(1, BUFFER // samples)
        inputs = np.zeros((padded(samples), rows + 2, blocks))
        met = samples if period > 1 else 0  # inputs of one step never meet
        grams = np.zeros((met, met, blocks))
        teacher_fields = np.empty((samples, M, blocks))
        noises = np.empty((samples, blocks))
        labels = np.empty((samples, blocks))
        state = np.zeros((rows, width))
        fields, coefficients = np.zeros((padded(samples), width)), np.zeros((padded(samples), width))
        product = np.empty((1, width))
        work = make_workspace(factors.readout.size, M, P)
        gradients = make_gradients(K, P)
        saved_modes = np.empty((rows, width))
        for r in range(frame):
            for p in range(P):
                state[r, p] = modes[r, p]
        inverse_N = 1.0 / N
        step_decay = 1.0 - weight_decay * inverse_N
        made, saved = counts[0], counts[1]
        while saved < save_steps.size:
            if stop[0] != 0 or made >= until:
                break
            count = min(blocks, (save_steps[-1] - made) // period + 1)
            _draw(inputs, grams, teacher_fields, noises, teacher_factor, columns, dof, batch, samples, count, seed,
                  replica, made * batch)
            for j in range(samples):
                _label(sizes, activation, factors, teacher_fields, noise, noises, j, count, labels)
            for b in range(count):
                _project(samples, frame, width, state, inputs, b, fields)
                for j in range(samples):
                    for p in range(P):
                        coefficients[j, p] = 0.0
                decay = 1.0
                for step in range(period):
                    while saved < save_steps.size and save_steps[saved] == made:
                        _learn(samples, rows, width, state, inputs, b, coefficients, decay, saved_modes)
                        _save(sizes, saved_modes, factors, paths, saved)
                        saved += 1
                        counts[1] = saved
                    counts[0] = made
                    if saved == save_steps.size:
                        return False
                    earlier = step * batch  # samples of this block that the weights have learned from
                    for j in range(earlier, earlier + batch):
                        for p in range(P):
                            work.u[p] = decay * fields[j, p]
                        for i in range(earlier):
                            for p in range(P):
                                work.u[p] = fma(coefficients[i, p], grams[j, i, b], work.u[p])
                        error = forward(sizes, activation, factors, work, labels[j, b])
                        if not abs(error) < DIVERGENCE_LIMIT:
                            return True
                        backward(sizes, factors, work, error)
                        add_gradients(sizes, rates, work, error, gradients)
                        for p in range(P):
                            coefficients[j, p] = (-rates.xi_in * inverse_N / batch
                                                  * input_coefficient(factors, work, p))
                    if step_decay != 1.0:
                        decay *= step_decay
                        for i in range(earlier):
                            for p in range(P):
                                coefficients[i, p] *= step_decay
                    apply_gradients(sizes, factors, rates, gradients, inverse_N / batch)
                    made += 1
                _learn(samples, rows, width, state, inputs, b, coefficients, decay, state)
                if fresh > 0:
                    _rotate_back(r_B, rows, P, width, state, product)
            counts[0] = made
        for r in range(frame):
            for p in range(P):
                modes[r, p] = state[r, p]
        return False

    return advance
