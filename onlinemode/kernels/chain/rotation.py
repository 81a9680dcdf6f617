"""The rotation that takes new columns out of the factors of a frame again, a QR factorization in lanes of modes."""

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.fused import fma
from onlinemode.kernels.mathematics.lanes import LANES, load, splat, spread_2d, store

TINY = 1e-280  # squares below this are 0: their inverse would be infinite


@compiled(inner=True)
def padded(count):
    """The next multiple of LANES."""
    return -(-count // LANES) * LANES


@compiled(inner=True, forceinline=True)
def rotate_back(first, rows, P, width, modes, product):
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
        if square < TINY:
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
