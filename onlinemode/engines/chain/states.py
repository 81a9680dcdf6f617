"""What the chain's factors say about a state: its overlaps, and ε_g where these do not know it."""

from dataclasses import replace

import numpy as np

from onlinemode.blocks import FACTORS
from onlinemode.theory.meanfield import generalization_error
from onlinemode.theory.quadrature import normal_nodes

EXACT_BELOW = 1e-9  # ε_g below this, in units of Σ_i w_i², is computed from the factors
ERROR_NODES = 2**13


def overlaps(modes, teacher_factor):
    """G and S from modes (..., frame vectors, P) and L_B, (M, r_B) or of each state (..., M, frame vectors)."""
    columns = np.swapaxes(modes, -1, -2)
    with np.errstate(over="ignore", invalid="ignore"):
        return (columns @ modes,
                columns[..., :teacher_factor.shape[-1]] @ np.swapaxes(teacher_factor, -1, -2))


def drifted_factor(teacher_factor, directions):
    """L_B (..., M, frame vectors) of teachers that drift, from L (M, r_B) and directions (..., frame vectors, r_B)."""
    return teacher_factor @ np.swapaxes(directions, -1, -2)


def at_the_end(states, N):
    """States of replicas of which no step is to be made again, as it must be where the problem changes.

    Parameters
    ----------
    states : ReplicaStates
        At the beginning of a block of steps, with ``last_modes`` at their end.
    N : int

    Returns
    -------
    ReplicaStates
        The frame is rotated as between two blocks.
    """
    frame, P = states.arrays["modes"].shape[1:]
    modes = states.arrays["last_modes"]
    if modes.shape[1] > frame:
        triangles = np.linalg.qr(modes[:, frame - P:], mode="r")
        modes = np.concatenate([modes[:, :frame - P], triangles], axis=1)
    arrays = {**states.arrays, "modes": modes,
              **{name: states.overlaps[name] for name in FACTORS}}
    return replace(states, arrays=arrays, steps=np.rint(states.alpha * N).astype(np.int64))


def errors(problem, start, state, modes, drifted=None):
    """ε_g of states; from the factors where the closed form would show its floor.

    Parameters
    ----------
    problem : Problem
    start : ChainStart
    state : tuple of arrays
        G, S, strengths, xi_out, readout of n states, (n, ...).
    modes : array (n, frame vectors, P)
    drifted : array (n, M, frame vectors), optional
        L_B of each state, where the teacher drifts.

    Returns
    -------
    array (n,)
        Of several tasks (n, tasks).
    """
    if problem.tasks is None:
        return _errors(problem, start, state, modes, drifted, start.overlaps.teacher_readout)
    *others, readout = state
    heads = problem.tasks.heads
    return np.stack([_errors(problem.of_task(task), start,
                             (*others, readout if heads is None else readout[:, heads[task]]), modes, drifted,
                             of_teacher)
                     for task, of_teacher in enumerate(start.overlaps.teacher_readout)], -1)


def _errors(problem, start, state, modes, drifted, teacher_readout):
    from onlinemode.kernels.averages.nodes import factor_errors
    from onlinemode.kernels.rule.step import Factors

    G, S, strengths, xi_out, readout = state
    T = start.overlaps.T if drifted is None else drifted @ np.swapaxes(drifted, -1, -2)
    values = np.array(generalization_error(problem.activation, G, S, T, strengths, xi_out, readout, teacher_readout,
                                           problem.teacher_activation))
    with np.errstate(over="ignore", invalid="ignore"):
        scale = (readout**2).sum(-1) + (teacher_readout**2).sum()
        small = np.flatnonzero(values < EXACT_BELOW * scale)
    if len(small):
        modes, *factors = (np.ascontiguousarray(values[small]) for values in (modes, strengths, xi_out, readout))
        exact, nodes = np.empty(len(small)), normal_nodes(modes.shape[1], ERROR_NODES)
        of_each = [(slice(None), start.teacher_factor)] if drifted is None else [
            (slice(i, i + 1), np.ascontiguousarray(drifted[row])) for i, row in enumerate(small)]
        for part, teacher in of_each:  # states that have this one
            these = Factors(*(each[part] for each in factors), np.array(teacher_readout))
            factor_errors(problem.rule(1), modes[part], these, teacher, nodes, exact[part])
        values[small] = exact
    return values
