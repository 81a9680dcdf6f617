"""Inputs other than i.i.d. Gaussian, their covariance, and the error on fresh samples (docs/theory, section 9).

A :class:`Source` says how the entries of a sample come from its counters.  Any tile of any sample can be
made by itself, so inputs depend neither on blocks and tiles nor on the order of the work.
"""

import math
from typing import NamedTuple

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.arcsine import arcsine
from onlinemode.kernels.random.normals import fill_normals
from onlinemode.kernels.random.philox import STREAM_PROJECTION, philox, stream_word
from onlinemode.kernels.rule.step import error_without_noise, make_small

NORMAL, RADEMACHER, UNIFORM, SIGN_MANIFOLD, ERF_MANIFOLD, ROWS = range(6)

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_SIGN_BIT = np.uint64(31)
_EIGHT = np.uint64(8)
_UNIFORM_UNIT = math.sqrt(3.0) * 2.0**-24
_SQRT3 = math.sqrt(3.0)
_SQRT_HALF = math.sqrt(0.5)
_TWO_OVER_PI = 2.0 / math.pi

_SUM_LENGTH = 256  # numbers of a row that are summed at a time, so that many rows stay in the caches

_SUMS = {"reassoc", "contract", "nsz"}


class Source(NamedTuple):
    """What :func:`fill_tile` needs to know; arrays that a kind does not use are empty.

    ``stream`` is the Philox stream of the entries, the latent vectors or the row numbers.
    """

    kind: int
    stream: int
    scale: np.ndarray  # (N,)   factor of every entry: normal (√ω_i), rows
    offset: np.ndarray  # (N,)   subtracted before: rows
    projection: np.ndarray  # (tiles, D, coordinates)   unit vectors F_i/√D, as columns: manifolds
    rows: np.ndarray  # (n, N)   the data set, of any real type: rows


@compiled(inner=True)
def _fill_words(words, count, first_index, stream, sample, key):
    """words[r, i] is word r of counter index ``first_index + i``."""
    c1 = stream_word(stream, key.replica)
    c2, c3 = np.uint64(sample) & _LOW, np.uint64(sample) >> _SHIFT
    k0, k1 = np.uint64(key.seed) & _LOW, np.uint64(key.seed) >> _SHIFT
    for i in range(count):
        w0, w1, w2, w3 = philox(np.uint64(first_index + i) & _LOW, c1, c2, c3, k0, k1)
        words[0, i] = w0
        words[1, i] = w1
        words[2, i] = w2
        words[3, i] = w3


@compiled(inner=True)
def _row_number(rows, stream, sample, key):
    w0, w1, _, _ = philox(np.uint64(0), stream_word(stream, key.replica), np.uint64(sample) & _LOW,
                          np.uint64(sample) >> _SHIFT, np.uint64(key.seed) & _LOW, np.uint64(key.seed) >> _SHIFT)
    return np.int64(((w0 << _SHIFT) | w1) % np.uint64(rows))


@compiled(inner=True)
def _fill_manifold(source, inputs, tile, first_sample, samples, key):
    """x_i = sign or √3 erf(·/√2) of F_i·c/√D, with D normals c a sample; sums run over d in order."""
    projection = source.projection[tile]
    D, length = projection.shape
    latent = np.empty((samples, 4 * ((D + 3) // 4)), np.float32)
    words = np.empty((4, latent.shape[1] // 4), np.uint32)
    for j in range(samples):
        fill_normals(latent[j], 0, source.stream, key.replica, first_sample + j, key.seed, words)
    z = np.zeros((samples, length))
    for d in range(D):
        for j in range(samples):
            c = np.float64(latent[j, d])
            for i in range(length):
                z[j, i] += c * projection[d, i]
    for j in range(samples):
        for i in range(length):
            if source.kind == SIGN_MANIFOLD:
                inputs[j, i] = 1.0 if z[j, i] >= 0.0 else -1.0
            else:
                inputs[j, i] = _SQRT3 * math.erf(_SQRT_HALF * z[j, i])


@compiled(inner=True)
def fill_tile(source, inputs, tile, N, first_sample, samples, key, scratch):
    """Fill ``inputs[:samples]`` with one tile of consecutive samples; coordinates from N on are 0.

    Parameters
    ----------
    source : Source
    inputs : float32 or float64 array (at least samples, coordinates of a tile)
    tile, N : int
    first_sample, samples : int
    key : onlinemode.kernels.random.philox.Key
    scratch : float32 array (coordinates,), uint32 array (4, coordinates / 4)
    """
    normals, words = scratch
    length = inputs.shape[1]
    start = tile * length
    inside = min(length, N - start)
    if source.kind == SIGN_MANIFOLD or source.kind == ERF_MANIFOLD:
        _fill_manifold(source, inputs, tile, first_sample, samples, key)
    for j in range(samples):
        sample = first_sample + j
        if source.kind == NORMAL:
            fill_normals(normals, start // 4, source.stream, key.replica, sample, key.seed, words)
            for i in range(inside):
                inputs[j, i] = source.scale[start + i] * normals[i]
        elif source.kind == RADEMACHER:
            _fill_words(words, length // 4, start // 4, source.stream, sample, key)
            for i in range(inside):
                inputs[j, i] = 1.0 - 2.0 * np.float64(np.uint64(words[i % 4, i // 4]) >> _SIGN_BIT)
        elif source.kind == UNIFORM:
            _fill_words(words, length // 4, start // 4, source.stream, sample, key)
            for i in range(inside):
                middle = 2.0 * np.float64(np.uint64(words[i % 4, i // 4]) >> _EIGHT) + 1.0  # of one of 2^24 cells
                inputs[j, i] = _UNIFORM_UNIT * (middle - 2.0**24)
        elif source.kind == ROWS:
            row = _row_number(source.rows.shape[0], source.stream, sample, key)
            for i in range(inside):
                value = np.float64(source.rows[row, start + i]) - source.offset[start + i]
                inputs[j, i] = source.scale[start + i] * value
        for i in range(inside, length):
            inputs[j, i] = 0.0


@compiled
def draw_inputs(source, N, first_sample, samples, key, inputs):
    """Fill ``inputs`` (tiles, at least samples, coordinates) with consecutive samples."""
    scratch = np.empty(inputs.shape[2], np.float32), np.empty((4, inputs.shape[2] // 4), np.uint32)
    for tile in range(inputs.shape[0]):
        fill_tile(source, inputs[tile], tile, N, first_sample, samples, key, scratch)


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
def sample_losses(networks, rule, inputs, out):
    """Fill ``out`` with ½(f − y)² of as many samples, without label noise.

    Parameters
    ----------
    networks : onlinemode.kernels.micro.sgd.Networks
    rule : onlinemode.kernels.rule.step.Rule
    inputs : array (tiles, at least ``out.size``, coordinates)
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
            for m in range(M):
                teacher_fields[j, m] += _dot(teacher[tile, m], inputs[tile, j])
    small = make_small((factors.xi_out.shape[0], M, P), factors)
    scale = 1.0 / math.sqrt(rule.N)
    for j in range(out.size):
        for p in range(P):
            small.work.u[p] = scale * mode_fields[j, p]
        for m in range(M):
            small.work.nu[m] = scale * teacher_fields[j, m]
        out[j] = 0.5 * error_without_noise(rule, small) ** 2
