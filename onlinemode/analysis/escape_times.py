"""When the runs of an ensemble leave their plateau: :func:`escape_times`."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from onlinemode import checks

if TYPE_CHECKING:
    from onlinemode.trajectory import Trajectory


def escape_times(run: "Trajectory", level: float) -> NDArray[np.float64]:
    """When ε_g of each replica first falls below a level: what :func:`onlinemode.escape_law` is the law of.

    Between two saved times ln ε_g is taken as linear, so save as many as the time of escape has to be sharp.

    Parameters
    ----------
    run : Trajectory
        Whose replicas are kept one by one.
    level : float
        Of ε_g, above 0.

    Returns
    -------
    array (replicas,)
        Times α; NaN where a replica does not fall below it, and 0 where it begins below it.

    Raises
    ------
    ParameterError
        If the level is no positive number.

    Examples
    --------
    >>> import numpy as np
    >>> import onlinemode as om
    >>> start = om.initial.from_overlaps(Q=0.1 * np.eye(2), R=np.zeros((2, 2)), T=np.eye(2), readout="sum")
    >>> problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
    >>> run = om.simulate(problem, start, 200.0, "chain", N=100, replicas=50, seed=1, save_at=np.arange(201.0))
    >>> law = om.escape_law(problem, start, N=100, level=0.01)
    >>> abs(np.nanmean(om.escape_times(run, 0.01)) - law.mean) < 3.0 * law.sd / np.sqrt(50)
    True
    """
    level = checks.number("level", level, above=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        below = run.generalization_error < level
        first, rows = below.argmax(1), np.arange(len(below))
        before = np.maximum(first - 1, 0)
        errors = np.log(run.generalization_error)
        fall = errors[rows, before] - errors[rows, first]
        share = np.where(fall > 0.0, (errors[rows, before] - np.log(level)) / fall, 0.0)
    times = run.alpha[before] + share * (run.alpha[first] - run.alpha[before])
    return np.where(below.any(1), times, np.nan)
