"""The frame of the chain where the covariance of the inputs has several eigenvalues; docs/theory, section 18.6.

Each eigenspace of Ω has a frame of its own, which stand one after the other:

    B Π_l/√N = L_B O_B,        X Π_l/√N = L_XB O_B + L_X O_X.

An input is as in :mod:`onlinemode.kernels.chain.markov` in each eigenspace, times √ω_l.  What is learned along it,
the products of inputs and the lengths of modes are sums over all frame vectors, so that nothing but the drawing of an
input and the rotation of the frame knows of eigenspaces.  A block of samples adds a frame vector a sample to each;
there is place for them between the frames.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.chain.rotation import rotate_back
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.random.chain_normals import fill_chain_normals, fill_chi_of_stream
from onlinemode.kernels.random.philox import (
    STREAM_CHAIN_CHI,
    STREAM_CHAIN_CHI_OF_EIGENSPACES,
    STREAM_CHAIN_NORMAL,
    STREAM_CHAIN_NORMAL_OF_EIGENSPACES,
)


class Eigenspaces(NamedTuple):
    """Their frames, one after the other."""

    deviations: np.ndarray  # (L,)   √ω_l
    first: np.ndarray  # (L + 1,)   at which frame vector each begins, and how many there are
    along: np.ndarray  # (L,)   frame vectors that span the teacher
    framed: np.ndarray  # (L,)   frame vectors between two blocks
    dof: np.ndarray  # (L,)   dimensions outside the frame


@compiled(inner=True)
def draw_in_eigenspaces(eigenspaces, x, noise, j, count, key, number, apart):
    """Components x[r, b] of sample j of each block b along the frame as the samples before have left it.

    ``noise[b]`` is a normal that no other number depends on.
    """
    for space in range(eigenspaces.dof.size):  # ascending: a fill may go one row beyond its own
        first, dof, deviation = eigenspaces.first[space], eigenspaces.dof[space], eigenspaces.deviations[space]
        rows = eigenspaces.framed[space] + min(j, dof)
        of_normals, of_chi = STREAM_CHAIN_NORMAL, STREAM_CHAIN_CHI
        if space > 0:
            of_normals = STREAM_CHAIN_NORMAL_OF_EIGENSPACES + space
            of_chi = STREAM_CHAIN_CHI_OF_EIGENSPACES + space
        fill_chain_normals(x[first:], rows, count, of_normals, key.replica, number, apart, key.seed)
        fill_chi_of_stream(x[first + rows], noise, max(dof - j, 0), count, of_chi, key.replica, number, apart,
                           key.seed)
        for r in range(first, first + rows + 1):
            for b in range(count):
                x[r, b] *= deviation


@compiled(inner=True, forceinline=True)
def rotate_in_eigenspaces(eigenspaces, P, width, modes, product):
    """Rotate each frame back, where a block has added to it."""
    for space in range(eigenspaces.dof.size):
        if eigenspaces.dof[space] > 0:
            rotate_back(eigenspaces.first[space] + eigenspaces.along[space], eigenspaces.first[space + 1], P, width,
                        modes, product)
