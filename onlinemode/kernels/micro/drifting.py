"""Teacher vectors that drift, tile by tile."""

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.random.normals import fill_normals
from onlinemode.kernels.random.philox import STREAM_TEACHER_DRIFT


@compiled(inner=True)
def move_tile(kind, rows, tile, N, teacher_drift, move, key, words):
    """Move the teacher vectors in one tile, in place; coordinates from N on stay 0.

    ``words`` is scratch space, as of fill_normals.
    """
    factor, length = teacher_drift.factor, rows.shape[1]
    M, r_B = factor.shape
    normals = np.empty(length, np.float32)
    keep = kind(teacher_drift.keep)
    for m in range(M):
        for i in range(length):
            rows[m, i] *= keep
    for b in range(r_B):
        fill_normals(normals, tile * length // 4, STREAM_TEACHER_DRIFT, key.replica, move * r_B + b, key.seed, words)
        for i in range(N - tile * length, length):
            normals[i] = np.float32(0)
        for m in range(M):
            fresh = kind(teacher_drift.fresh * factor[m, b])
            if fresh != 0.0:  # orthogonal units have a direction each
                for i in range(length):
                    rows[m, i] += fresh * normals[i]
