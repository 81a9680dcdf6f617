"""Inputs of a hidden manifold: products of latent vectors with a fixed matrix, for many samples at once.

x_i is a function of F_i·c/√D (docs/theory, section 9.1); the identity makes Gaussian inputs of any
covariance.  The matrix leaves the fast caches where D is large, so a piece of it meets all samples of a block while it
is there.  Every operation is float32 and rounds as it is written.
"""

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.fused import fma
from onlinemode.kernels.random.normals import fill_normals
from onlinemode.kernels.registers import prefer_wide_registers

SIGN, ERF, LINEAR = range(3)

TOGETHER = 4  # samples that share a load of the matrix, and latent variables that share one of the sums
PIECE = 256  # coordinates whose sums, of up to 16 samples, stay in the first cache
REGISTER = 16  # float32 of the widest registers: of a shorter loop what is left over would cost as much as the rest

# √3 erf(z/√2) = z P(z²)/Q(z²) to 3.3e-8 for |z| up to 5.6, beyond which it is √3 to 4e-8; lowest power first
_LARGEST = np.float32(5.6)
_P = tuple(np.float32(c) for c in (
    1.381976394988139, 0.11907618112858903, 0.016305942876265796, 6.021576395554909e-4, 2.201769715023621e-05,
    7.670994139964186e-08))
_Q = tuple(np.float32(c) for c in (
    1.0, 0.25282939076563066, 0.02893899260529129, 0.0019128535068505992, 7.509235598918468e-05,
    1.1801378042356349e-06))


def to_pieces(projection, length):
    """The matrix as the kernel takes it.

    Parameters
    ----------
    projection : array (N, D)
        Rows F_i/√D.
    length : int
        Coordinates of a tile.

    Returns
    -------
    float32 array (tiles, pieces of a tile, padded D, coordinates of a piece)
        0 where there is no coordinate or latent variable.
    """
    N, D = projection.shape
    piece = min(PIECE, -(-length // REGISTER) * REGISTER)
    tiles, pieces = -(-N // length), -(-length // piece)
    out = np.zeros((tiles, pieces, -(-D // TOGETHER) * TOGETHER, piece), np.float32)
    for tile in range(tiles):
        for p in range(pieces):
            first = tile * length + p * piece
            rows = projection[first:min(first + piece, (tile + 1) * length)]
            out[tile, p, :D, :len(rows)] = rows.T
    return out


@compiled(forceinline=True)
def erf_entry(z):
    """√3 erf(z/√2) of a float32, to 7e-7."""
    inside = min(max(z, -_LARGEST), _LARGEST)
    u = inside * inside
    above, below = _P[5], _Q[5]
    above, below = fma(above, u, _P[4]), fma(below, u, _Q[4])
    above, below = fma(above, u, _P[3]), fma(below, u, _Q[3])
    above, below = fma(above, u, _P[2]), fma(below, u, _Q[2])
    above, below = fma(above, u, _P[1]), fma(below, u, _Q[1])
    above, below = fma(above, u, _P[0]), fma(below, u, _Q[0])
    return inside * above / below


@compiled(inner=True, forceinline=True)
def _add_four(z, f0, f1, f2, f3, c):
    """z[j, i] += Σ_d c[j, d] f_d[i] for four samples j and four latent variables d, which are added in their order."""
    prefer_wide_registers()
    z0, z1, z2, z3 = z[0], z[1], z[2], z[3]
    c00, c01, c02, c03 = c[0, 0], c[0, 1], c[0, 2], c[0, 3]
    c10, c11, c12, c13 = c[1, 0], c[1, 1], c[1, 2], c[1, 3]
    c20, c21, c22, c23 = c[2, 0], c[2, 1], c[2, 2], c[2, 3]
    c30, c31, c32, c33 = c[3, 0], c[3, 1], c[3, 2], c[3, 3]
    for i in range(f0.size):
        a0, a1, a2, a3 = f0[i], f1[i], f2[i], f3[i]
        s0 = fma(a3, c03, fma(a2, c02, fma(a1, c01, fma(a0, c00, z0[i]))))
        s1 = fma(a3, c13, fma(a2, c12, fma(a1, c11, fma(a0, c10, z1[i]))))
        s2 = fma(a3, c23, fma(a2, c22, fma(a1, c21, fma(a0, c20, z2[i]))))
        s3 = fma(a3, c33, fma(a2, c32, fma(a1, c31, fma(a0, c30, z3[i]))))
        z0[i], z1[i], z2[i], z3[i] = s0, s1, s2, s3


@compiled(inner=True)
def _activate(activation, z, out):
    prefer_wide_registers()
    if activation == SIGN:
        for i in range(out.size):
            out[i] = np.float32(1) if z[i] >= np.float32(0) else np.float32(-1)
    elif activation == ERF:
        for i in range(out.size):
            out[i] = erf_entry(z[i])
    else:
        for i in range(out.size):
            out[i] = z[i]


@compiled(inner=True)
def fill_manifold(activation, projection, inputs, stream, first_sample, samples, key):
    """Fill ``inputs[:samples]`` with the coordinates of one tile.

    Parameters
    ----------
    activation : int
        SIGN, ERF, or LINEAR for z itself.
    projection : float32 array (pieces, padded D, coordinates of a piece)
        Of this tile, from :func:`to_pieces`.
    inputs : float32 array (at least samples, coordinates)
    stream : int
        Of the latent vectors.
    first_sample, samples, key
        As for :func:`onlinemode.kernels.micro.inputs.fill_tile`.
    """
    _, D, piece = projection.shape
    together = -(-samples // TOGETHER) * TOGETHER
    latent, words = np.zeros((together, D), np.float32), np.empty((4, D // 4), np.uint32)
    for j in range(samples):
        fill_normals(latent[j], 0, stream, key.replica, first_sample + j, key.seed, words)
    z = np.empty((together, piece), np.float32)
    for first in range(0, inputs.shape[1], piece):
        z[:] = np.float32(0)
        matrix = projection[first // piece]
        for d in range(0, D, TOGETHER):
            for j in range(0, together, TOGETHER):
                _add_four(z[j:j + TOGETHER], matrix[d], matrix[d + 1], matrix[d + 2], matrix[d + 3],
                          latent[j:j + TOGETHER, d:d + TOGETHER])
        for j in range(samples):
            _activate(activation, z[j], inputs[j, first:min(first + piece, inputs.shape[1])])
