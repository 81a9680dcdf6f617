"""N-dimensional online SGD on one core: real weight vectors, a fresh input per sample.

Blocks of samples (docs/theory.md, section 3).  The N-dimensional work of a block is one sweep over
tiles that stay in the first-level cache: a tile of the weights receives the update of the previous
block, the next inputs of that tile are drawn, and both are projected on each other.  The learning
rule itself then runs in the small space of the fields.  This equals the sequential algorithm to
rounding.

Vectors are stored tile by tile, as arrays (tiles, vectors, coordinates of a tile); the last tile is
padded, and the padding of inputs and weights stays 0.
"""

import numpy as np

from onlinemode.kernels.inputs_cpu import fill_tile
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.normals import fill_normals, single_normal
from onlinemode.kernels.philox import STREAM_INPUT, STREAM_LABEL_NOISE
from onlinemode.kernels.rule import (
    DIVERGENCE_LIMIT,
    add_gradients,
    apply_gradients,
    backward,
    forward,
    input_coefficient,
    make_gradients,
    make_workspace,
    teacher_output,
)

LARGEST_TILE = 256  # coordinates; 4 modes, 4 teacher vectors and 4 inputs of a tile fit into 32 KiB
TILE_MULTIPLE = 8  # whole counters of four normals, whole vector registers
SAMPLE_GROUP = 4  # samples that share one load of a weight

# Sums may be reordered and fused, so that LLVM vectorises them; NaN and infinity keep their meaning.
_SUMS = {"reassoc", "contract", "nsz"}


def tile_shape(N):
    """Number of tiles for N coordinates, and coordinates a tile."""
    tiles = -(-N // LARGEST_TILE)
    length = -(-N // (tiles * TILE_MULTIPLE)) * TILE_MULTIPLE
    return -(-N // length), length


def to_tiles(rows, kind):
    """Row vectors (vectors, N) as tiles (tiles, vectors, coordinates) of type ``kind``."""
    vectors, N = rows.shape
    tiles, length = tile_shape(N)
    padded = np.zeros((vectors, tiles * length), kind)
    padded[:, :N] = rows
    return np.ascontiguousarray(padded.reshape(vectors, tiles, length).transpose(1, 0, 2))


@compiled(inner=True, forceinline=True, fastmath=_SUMS)
def _dot4(row, x0, x1, x2, x3):
    """Products of ``row`` with four inputs over one tile."""
    s0 = s1 = s2 = s3 = row.dtype.type(0)
    for i in range(row.size):
        w = row[i]
        s0 += w * x0[i]
        s1 += w * x1[i]
        s2 += w * x2[i]
        s3 += w * x3[i]
    return s0, s1, s2, s3


@compiled(inner=True)
def _project(rows, inputs, samples, out):
    """Add to out[r, j] the product of row r with input j over one tile."""
    for r in range(rows.shape[0]):
        for j in range(0, samples, SAMPLE_GROUP):
            s0, s1, s2, s3 = _dot4(rows[r], inputs[j], inputs[j + 1], inputs[j + 2], inputs[j + 3])
            out[r, j] += s0
            out[r, j + 1] += s1
            out[r, j + 2] += s2
            out[r, j + 3] += s3


@compiled(inner=True, forceinline=True, fastmath=_SUMS)
def _add4(row, factor, c0, c1, c2, c3, x0, x1, x2, x3):
    """row <- factor * row + Σ_j c_j x_j over one tile."""
    for i in range(row.size):
        row[i] = factor * row[i] + c0 * x0[i] + c1 * x1[i] + c2 * x2[i] + c3 * x3[i]


@compiled(inner=True)
def _update(rows, inputs, samples, coefficients, decay):
    """rows[p] <- decay * rows[p] + Σ_j coefficients[p, j] * inputs[j] over one tile."""
    kind = rows.dtype.type
    for p in range(rows.shape[0]):
        for j in range(0, samples, SAMPLE_GROUP):
            _add4(rows[p], kind(decay) if j == 0 else kind(1),
                  kind(coefficients[p, j]), kind(coefficients[p, j + 1]),
                  kind(coefficients[p, j + 2]), kind(coefficients[p, j + 3]),
                  inputs[j], inputs[j + 1], inputs[j + 2], inputs[j + 3])


@compiled(inner=True)
def _draw(inputs, tile, N, seed, replica, first_sample, samples, normals, words):
    """Draw one tile of the inputs of ``samples`` samples; coordinates from N on are 0."""
    length = inputs.shape[1]
    for j in range(samples):
        fill_normals(normals, tile * length // 4, STREAM_INPUT, replica, first_sample + j, seed, words)
        for i in range(length):
            inputs[j, i] = normals[i] if tile * length + i < N else np.float32(0)


@compiled
def advance(xi_in, teacher, factors, rates, weight_decay, noise, activation, N, batch,
            steps_per_block, first_step, steps, seed, replica, source=None):
    """Make ``steps`` steps of online SGD in place.

    Parameters
    ----------
    xi_in : float32 or float64 array (tiles, P, coordinates)
        Input modes, changed in place.
    teacher : array (tiles, M, coordinates) of the same type
        Teacher vectors.
    factors : Factors
        Strengths, output modes and readout, changed in place.
    rates : Rates
    weight_decay, noise : float
    activation : int
        A code of :mod:`onlinemode.kernels.activations`.
    N, batch, steps_per_block : int
    first_step, steps : int
        Step ``first_step`` is the first one made; it fixes the random numbers.
    seed, replica : int
        Key and replica of the random stream.
    source : Source, optional
        Where inputs come from that are not i.i.d. Gaussian; see :mod:`onlinemode.kernels.inputs_cpu`.

    Returns
    -------
    made : int
        Steps made: ``steps``, or fewer where the error left ±DIVERGENCE_LIMIT or became NaN in
        step ``first_step + made``.
    """
    tiles, P, length = xi_in.shape
    M = teacher.shape[1]
    K = factors.readout.size
    sizes = (K, M, P)
    most = -(-steps_per_block * batch // SAMPLE_GROUP) * SAMPLE_GROUP
    inputs = np.zeros((tiles, most, length), xi_in.dtype)
    normals = np.empty(length, np.float32)
    words = np.empty((4, length // 4), np.uint32)
    mode_fields = np.empty((P, most))
    teacher_fields = np.empty((M, most))
    gram = np.zeros((most, most)) if steps_per_block > 1 else np.zeros((1, 1))  # inputs of one batch never meet
    coefficients = np.zeros((P, most))
    work = make_workspace(K, M, P)
    gradients = make_gradients(K, P)

    scale = 1.0 / np.sqrt(N)
    step_decay = 1.0 - weight_decay / N
    modes_move = rates.xi_in != 0.0 or weight_decay != 0.0
    pending = np.int64(0)  # samples of the previous block that the weights have not seen yet
    decay = 1.0
    made = 0
    diverged = False
    block = min(steps_per_block, steps)
    while block > 0 or pending > 0:  # the last sweep only brings the weights up to date
        samples = block * batch
        first_sample = (first_step + made) * batch
        mode_fields[:] = 0.0
        teacher_fields[:] = 0.0
        if block > 1:
            gram[:] = 0.0
        for tile in range(tiles):
            if pending > 0:
                _update(xi_in[tile], inputs[tile], pending, coefficients, decay)
            if source is None:  # decided when the kernel is compiled
                _draw(inputs[tile], tile, N, seed, replica, first_sample, samples, normals, words)
            else:
                fill_tile(source, inputs[tile], tile, N, first_sample, samples, seed, replica, normals, words)
            _project(xi_in[tile], inputs[tile], samples, mode_fields)
            _project(teacher[tile], inputs[tile], samples, teacher_fields)
            if modes_move and block > 1:
                _project(inputs[tile], inputs[tile], samples, gram)

        coefficients[:] = 0.0
        decay = 1.0
        for t in range(block):
            earlier = t * batch  # samples of this block that the weights have learned from
            for j in range(earlier, earlier + batch):
                for p in range(P):
                    field = decay * mode_fields[p, j]
                    for i in range(earlier):
                        field += coefficients[p, i] * gram[j, i]
                    work.u[p] = field * scale
                for m in range(M):
                    work.nu[m] = teacher_fields[m, j] * scale
                label = teacher_output(sizes, activation, factors, work)
                if noise != 0.0:
                    label += noise * single_normal(STREAM_LABEL_NOISE, replica, first_sample + j, seed)
                error = forward(sizes, activation, factors, work, label)
                diverged |= not abs(error) < DIVERGENCE_LIMIT
                backward(sizes, factors, work, error)
                add_gradients(sizes, rates, work, error, gradients)
                for p in range(P):
                    coefficients[p, j] = -rates.xi_in * scale / batch * input_coefficient(factors, work, p)
            if diverged:  # this step is not made
                coefficients[:, earlier:] = 0.0
                break
            for p in range(P):
                for i in range(earlier):
                    coefficients[p, i] *= step_decay
            decay *= step_decay
            apply_gradients(sizes, factors, rates, gradients, 1.0 / (N * batch))
            made += 1
        pending = samples if modes_move else 0
        block = 0 if diverged else min(steps_per_block, steps - made)
    return made


@compiled(inner=True, fastmath=_SUMS)
def _dot(a, b):
    total = a.dtype.type(0)
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@compiled
def vector_overlaps(a, b, N):
    """a bᵀ / N in float64 for vectors in tiles, (tiles, rows of a or b, coordinates).

    Sums run tile by tile in a fixed order, so the bits do not depend on a number of threads.
    """
    out = np.zeros((a.shape[1], b.shape[1]))
    for tile in range(a.shape[0]):
        for i in range(a.shape[1]):
            for j in range(b.shape[1]):
                out[i, j] += _dot(a[tile, i], b[tile, j])
    for i in range(a.shape[1]):
        for j in range(b.shape[1]):
            out[i, j] /= N
    return out
