"""Inputs other than i.i.d. Gaussian, their covariance, and the error on fresh samples (docs/theory, section 9).

A :class:`Source` says how the entries of a sample come from its counters.  Any tile of any sample can be
made by itself, so inputs depend neither on blocks and tiles nor on the order of the work.  All are float32.
"""

import math
from typing import NamedTuple

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.arcsine import arcsine
from onlinemode.kernels.micro.manifold import ERF, LINEAR, SIGN, fill_manifold
from onlinemode.kernels.random.entries import fill_signs, fill_uniforms, words_for
from onlinemode.kernels.random.normals import fill_normals
from onlinemode.kernels.random.philox import STREAM_PROJECTION, philox, stream_word
from onlinemode.kernels.registers import prefer_wide_registers
from onlinemode.kernels.rule.step import error_without_noise, make_small

NORMAL, RADEMACHER, UNIFORM, SIGN_MANIFOLD, ERF_MANIFOLD, LINEAR_MANIFOLD, ROWS = range(7)

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_TWO_OVER_PI = 2.0 / math.pi

_SUM_LENGTH = 256  # numbers of a row that are summed at a time, so that many rows stay in the caches

_SUMS = {"reassoc", "contract", "nsz"}


class Source(NamedTuple):
    """What :func:`fill_tile` needs to know; arrays that a kind does not use are empty.

    ``stream`` is the Philox stream of the entries, the latent vectors or the row numbers.
    """

    kind: int
    stream: int
    deviations: np.ndarray  # (tiles, coordinates)   float32 √ω_i, 0 from N on: normals
    projection: np.ndarray  # (tiles, pieces, padded D, coordinates)   rows F_i/√D, of to_pieces: manifolds
    rows: np.ndarray  # (n, N)   the data set, of any real type: rows
    offset: np.ndarray  # (N,)   float64, subtracted from them: rows
    scale: np.ndarray  # (N,)   float64, with which the difference is multiplied: rows


class TeacherSource(NamedTuple):
    """Where what the teacher sees comes from, if that is not the input: numbers of the same sample."""

    source: Source  # of the same stream as that of the inputs
    columns: int  # how many numbers


@compiled(inner=True)
def _row_number(rows, stream, sample, key):
    w0, w1, _, _ = philox(np.uint64(0), stream_word(stream, key.replica), np.uint64(sample) & _LOW,
                          np.uint64(sample) >> _SHIFT, np.uint64(key.seed) & _LOW, np.uint64(key.seed) >> _SHIFT)
    return np.int64(((w0 << _SHIFT) | w1) % np.uint64(rows))


@compiled(inner=True)
def _fill_from_row(out, row, offset, scale):
    """out[i] <- (row[i] - offset[i]) * scale[i], in float64 before it is rounded."""
    prefer_wide_registers()
    for i in range(row.size):
        out[i] = np.float32((np.float64(row[i]) - offset[i]) * scale[i])


@compiled(inner=True)
def make_scratch(length):
    """Scratch space of :func:`fill_tile` for tiles of so many coordinates."""
    return np.empty((4, words_for(length)), np.uint32)


@compiled(inner=True, forceinline=True)
def fill_tile(source, inputs, tile, N, first_sample, samples, key, words):
    """Fill ``inputs[:samples]`` with one tile of consecutive samples; coordinates from N on are 0.

    It becomes part of the sweep: a call would count references to the arrays of the source, which threads that share
    a trajectory cannot do at the same time.

    Parameters
    ----------
    source : Source
    inputs : float32 array (at least samples, coordinates of a tile)
    tile, N : int
    first_sample, samples : int
    key : onlinemode.kernels.random.philox.Key
    words : array
        From :func:`make_scratch`.
    """
    kind, stream, replica, seed = source.kind, source.stream, key.replica, key.seed
    length = inputs.shape[1]
    start = tile * length
    inside = min(length, N - start)
    if kind == SIGN_MANIFOLD or kind == ERF_MANIFOLD or kind == LINEAR_MANIFOLD:
        activation = ERF if kind == ERF_MANIFOLD else SIGN if kind == SIGN_MANIFOLD else LINEAR
        fill_manifold(activation, source.projection[tile], inputs, stream, first_sample,
                      samples, key)
    for j in range(samples):
        sample = first_sample + j
        if kind == NORMAL:
            fill_normals(inputs[j], start // 4, stream, replica, sample, seed, words, source.deviations[tile])
        elif kind == RADEMACHER:
            fill_signs(inputs[j], start, stream, replica, sample, seed, words)
        elif kind == UNIFORM:
            fill_uniforms(inputs[j], start, stream, replica, sample, seed, words)
        elif kind == ROWS:
            row = _row_number(source.rows.shape[0], stream, sample, key)
            part = slice(start, start + inside)
            _fill_from_row(inputs[j], source.rows[row, part], source.offset[part], source.scale[part])
        for i in range(inside, length):
            inputs[j, i] = np.float32(0)


@compiled
def draw_inputs(source, N, first_sample, samples, key, inputs):
    """Fill ``inputs``, float32 (tiles, at least samples, coordinates), with consecutive samples."""
    words = make_scratch(inputs.shape[2])
    for tile in range(inputs.shape[0]):
        fill_tile(source, inputs[tile], tile, N, first_sample, samples, key, words)


@compiled
def draw_projection(N, D, seed):
    """The unit vectors F_i/√D of a hidden manifold, (N, D): directions of D normals each."""
    out = np.empty((N, D))
    normals = np.empty(4 * ((D + 3) // 4), np.float32)
    words = np.empty((4, normals.size // 4), np.uint32)
    for i in range(N):
        fill_normals(normals, 0, STREAM_PROJECTION, 0, i, seed, words)
        square = 0.0
        for d in range(D):
            square += np.float64(normals[d]) ** 2
        for d in range(D):
            out[i, d] = np.float64(normals[d]) / math.sqrt(square) if square > 0.0 else np.float64(d == 0)
    return out


@compiled(inner=True, forceinline=True, fastmath=_SUMS)
def _dot(a, b):
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@compiled(inner=True, forceinline=True, fastmath=_SUMS)
def _add_dots(a0, a1, b0, b1, b2, b3, out, i, j):
    """Add the products of two rows with four others to out[i:i + 2, j:j + 4]."""
    s0 = s1 = s2 = s3 = t0 = t1 = t2 = t3 = 0.0
    for k in range(a0.size):
        x, y = a0[k], a1[k]
        s0 += x * b0[k]
        s1 += x * b1[k]
        s2 += x * b2[k]
        s3 += x * b3[k]
        t0 += y * b0[k]
        t1 += y * b1[k]
        t2 += y * b2[k]
        t3 += y * b3[k]
    out[i, j] += s0
    out[i, j + 1] += s1
    out[i, j + 2] += s2
    out[i, j + 3] += s3
    out[i + 1, j] += t0
    out[i + 1, j + 1] += t1
    out[i + 1, j + 2] += t2
    out[i + 1, j + 3] += t3


@compiled
def add_products(a, b, out, symmetric):
    """out += a bᵀ, in an order that depends on the shapes alone (BLAS may split sums among its threads).

    With ``symmetric``, where b is a, only the lower triangle (and some entries above it) is added.
    """
    rows, columns = out.shape
    for first in range(0, a.shape[1], _SUM_LENGTH):
        part = slice(first, min(first + _SUM_LENGTH, a.shape[1]))
        for i in range(0, rows, 2):
            last = min(i + 2, columns) if symmetric else columns
            for j in range(0, last, 4):
                if i + 2 <= rows and j + 4 <= columns:
                    _add_dots(a[i, part], a[i + 1, part], b[j, part], b[j + 1, part], b[j + 2, part], b[j + 3, part],
                              out, i, j)
                else:
                    for k in range(i, min(i + 2, rows)):
                        for l in range(j, min(j + 4, columns)):
                            out[k, l] += _dot(a[k, part], b[l, part])


@compiled
def manifold_covariance(correlations, kind, first):
    """Rows ``first``, ... of Ω: covariance of sign or √3 erf(·/√2) of unit normals from their correlations, in place.

    The diagonal is set to 1: an arcsine turns a rounding error at 1 into its square root.
    """
    for i in range(correlations.shape[0]):
        for j in range(correlations.shape[1]):
            if kind == SIGN_MANIFOLD:
                correlations[i, j] = _TWO_OVER_PI * arcsine(correlations[i, j])
            else:
                correlations[i, j] = 3.0 * _TWO_OVER_PI * arcsine(0.5 * correlations[i, j])
        correlations[i, first + i] = 1.0


@compiled
def sample_losses(networks, rule, inputs, seen, out):
    """Fill ``out`` with ½(f − y)² of as many samples, without label noise.

    Parameters
    ----------
    networks : onlinemode.kernels.micro.sgd.Networks
    rule : onlinemode.kernels.rule.step.Rule
    inputs : array (tiles, at least ``out.size``, coordinates)
    seen : array of the same kind
        What the teacher sees of them.
    out : float64 array (samples,)
    """
    xi_in, teacher, factors = networks
    tiles, P, _ = xi_in.shape
    M = teacher.shape[1]
    mode_fields, teacher_fields = np.zeros((out.size, P)), np.zeros((out.size, M))
    for tile in range(tiles):
        for j in range(out.size):
            for p in range(P):
                mode_fields[j, p] += _dot(xi_in[tile, p], inputs[tile, j])
    for tile in range(teacher.shape[0]):
        for j in range(out.size):
            for m in range(M):
                teacher_fields[j, m] += _dot(teacher[tile, m], seen[tile, j])
    small = make_small((factors.xi_out.shape[0], M, P), factors)
    scale = 1.0 / math.sqrt(rule.N)
    for j in range(out.size):
        for p in range(P):
            small.work.u[p] = scale * mode_fields[j, p]
        for m in range(M):
            small.work.nu[m] = scale * teacher_fields[j, m]
        out[j] = 0.5 * error_without_noise(rule, small) ** 2
