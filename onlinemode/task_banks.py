"""Teachers of several tasks with exact overlaps: a bank of units, and readouts; docs/theory, section 16.4."""

import numpy as np

from onlinemode import checks
from onlinemode.errors import ParameterError
from onlinemode.state import symmetric

FEATURES, READOUTS, UNITS = KINDS = ("features", "readouts", "units")
ROUNDING = 1e-12  # of an eigenvalue of overlaps


def bank(kind, tasks, units, overlap, readout):
    """The units of all tasks in terms of orthonormal directions, and the readouts.

    Parameters
    ----------
    kind : {"features", "readouts", "units"}
        What differs between the tasks.
    tasks, units : int
        Of the teacher, ``units`` a task.
    overlap : float or array (tasks, tasks)
        Of any two tasks, or of each pair.
    readout : array (units,)
        Of each task; where readouts differ that of the first one.

    Returns
    -------
    forms : array (M, directions)
    readouts : array (tasks, M)

    Raises
    ------
    ParameterError, ShapeError, OverlapError
        If no tasks have these overlaps.
    """
    checks.choice("kind", kind, KINDS)
    if kind == UNITS:
        return _sharing_units(tasks, units, overlap, readout)
    factor = _factor(_overlaps(tasks, overlap))
    if kind == FEATURES:
        return np.kron(factor, np.eye(units)), np.kron(np.eye(tasks), readout)
    if factor.shape[1] > units:
        raise ParameterError(f"readouts of these overlaps need at least {factor.shape[1]} units a task; got {units}: "
                             "give more units, or features")
    length = np.linalg.norm(readout)
    axes = np.linalg.qr(np.column_stack([readout, np.eye(units)]))[0].T
    axes[0] = readout / length
    return np.eye(units), length * factor @ axes[:factor.shape[1]]


def _sharing_units(tasks, units, overlap, readout):
    shared = units * checks.number("overlap", overlap, 0.0, maximum=1.0)
    if abs(shared - round(shared)) > 1e-9 * units:
        raise ParameterError(f"tasks of {units} units share a whole number of them: overlap must be a multiple of "
                             f"1/{units}; got {overlap:g}")
    shared = round(shared)
    own = units - shared
    readouts = np.zeros((tasks, shared + tasks * own))
    readouts[:, :shared] = readout[:shared]
    for task in range(tasks):
        readouts[task, shared + task * own:shared + (task + 1) * own] = readout[shared:]
    return np.eye(shared + tasks * own), readouts


def _overlaps(tasks, overlap):
    if np.ndim(overlap) == 0:
        overlap = checks.number("overlap", overlap, -1.0, maximum=1.0)
        return overlap + (1.0 - overlap) * np.eye(tasks)
    given = symmetric("overlap", checks.array("overlap", overlap, (tasks, tasks), symbols="(tasks, tasks)"))
    if np.abs(np.diag(given) - 1.0).max() > ROUNDING:
        raise ParameterError(f"a task has overlap 1 with itself; got {np.diag(given).tolist()} on the diagonal")
    return given


def _factor(overlaps):
    """Lower triangular F with F Fᵀ = overlaps, as many columns as their rank."""
    eigenvalues, vectors = np.linalg.eigh(overlaps)
    if eigenvalues[0] < -ROUNDING * len(overlaps):
        raise ParameterError(f"no {len(overlaps)} tasks have these overlaps, whose least eigenvalue is "
                             f"{eigenvalues[0]:.4g}: it must not be negative (one overlap of all pairs at least "
                             f"-1/{len(overlaps) - 1})")
    kept = eigenvalues > ROUNDING * len(overlaps)
    factor = np.linalg.qr((vectors[:, kept] * np.sqrt(eigenvalues[kept])).T, mode="r").T
    return factor * np.where(np.diag(factor) < 0.0, -1.0, 1.0)
