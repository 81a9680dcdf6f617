"""A teacher that drifts: how far its vectors move, and after which steps; docs/theory, section 17."""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.jit import compiled


class TeacherDrift(NamedTuple):
    """How the teacher B = L β moves: β <- keep β + fresh ξ with normals ξ, each time that some steps are made."""

    factor: np.ndarray  # (M, r_B)   L, with L Lᵀ the mean of BBᵀ/N
    every: int  # steps between two moves, D
    keep: float  # √(1 − 2δD/N)
    fresh: float  # √(2δD/N)


@compiled(inner=True, forceinline=True)
def move_due(teacher_drift, steps):
    """Number of the move that follows the first ``steps`` steps, counted from 1; 0 where none does."""
    if teacher_drift is None:  # decided when the kernel is compiled
        return np.int64(0)
    return np.int64(steps // teacher_drift.every) if steps % teacher_drift.every == 0 else np.int64(0)


@compiled(inner=True, forceinline=True)
def steps_to_move(teacher_drift, made, most):
    """So many steps, or those to the next move where that comes before."""
    if teacher_drift is None:
        return most
    return min(most, teacher_drift.every - made % teacher_drift.every)
