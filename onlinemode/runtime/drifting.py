"""A teacher that drifts, as the kernels take it."""

import numpy as np

from onlinemode.errors import ParameterError
from onlinemode.theory.quadrature import teacher_factor


def teacher_drift(problem, N, mean_T):
    """How the teacher of a problem moves; None where it does not.

    Parameters
    ----------
    problem : Problem
    N : int
    mean_T : array (M, M)
        Overlaps about which those of the teacher fluctuate: the ones at the beginning of the run.

    Returns
    -------
    TeacherDrift or None
        A record of ``onlinemode.kernels.rule.drifting``.

    Raises
    ------
    ParameterError
        If one move would forget more than there is.
    """
    if not problem.drifts:
        return None
    from onlinemode.kernels.rule.drifting import TeacherDrift

    lost = 2.0 * problem.drift * problem.drift_every / N
    if lost > 1.0:
        raise ParameterError(f"2 drift drift_every/N, what a teacher forgets in one move, must be at most 1; got "
                             f"{lost:.4g}: take a smaller drift, a smaller drift_every or a larger N")
    factor, _ = teacher_factor(mean_T)
    if not np.any(factor):  # no teacher
        factor = factor[:, :0]
    return TeacherDrift(np.ascontiguousarray(factor), problem.drift_every, np.sqrt(1.0 - lost), np.sqrt(lost))
