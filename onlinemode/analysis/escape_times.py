"""When the runs of an ensemble leave their plateau: :func:`escape_times`, and the law that they have."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from onlinemode import checks
from onlinemode.analysis.escape import EscapeLaw, escape_law
from onlinemode.errors import ParameterError

if TYPE_CHECKING:
    from onlinemode.trajectory import Trajectory


def escape_times(run: "Trajectory", level: float) -> NDArray[np.float64]:
    """When ε_g of each replica first falls below a level: what :func:`onlinemode.escape_law` is the law of.

    Between two saved times ln ε_g is taken as linear, so save as many as the time of escape has to be sharp.

    Parameters
    ----------
    run : Trajectory
        Whose replicas are all kept one by one, from its beginning on.
    level : float
        Of ε_g, above 0.

    Returns
    -------
    array (replicas,)
        Times α; NaN where a replica does not fall below it, and 0 where it is below it at α = 0.

    Raises
    ------
    ParameterError
        If the level is no positive number, not all replicas are kept (``keep="summary"``), or one is below the level
        before the first saved time, as in a piece of a run: :func:`onlinemode.join` puts pieces together.

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
    if run.draws < run.replicas:
        raise ParameterError(f"escape_times needs all replicas one by one; got a run that kept {run.draws} of its "
                             f'{run.replicas:,}: make it with keep="all"')
    with np.errstate(divide="ignore", invalid="ignore"):
        below = run.generalization_error < level
        if run.alpha[0] > 0.0 and below[:, 0].any():
            piece = run.info.start["kind"] == "states"
            raise ParameterError(f"escape_times needs runs from before they fall below the level; got replica "
                                 f"{below[:, 0].argmax()} below {level:g} at the first saved time, α = "
                                 f"{run.alpha[0]:.6g}: "
                                 + ("join what came before (onlinemode.join)" if piece else "save α = 0, too"))
        first, rows = below.argmax(1), np.arange(len(below))
        before = np.maximum(first - 1, 0)
        errors = np.log(run.generalization_error)
        fall = errors[rows, before] - errors[rows, first]
        share = np.where(fall > 0.0, (errors[rows, before] - np.log(level)) / fall, 0.0)
    times = run.alpha[before] + share * (run.alpha[first] - run.alpha[before])
    return np.where(below.any(1), times, np.nan)


def law_of_run(run: "Trajectory", level: float | None = None) -> EscapeLaw:
    """The law that the times of escape of an ensemble have.

    Parameters
    ----------
    run : Trajectory
        Whose replicas began from one start, at α = 0.
    level : float, optional
        As of :func:`onlinemode.escape_law`.

    Returns
    -------
    EscapeLaw

    Raises
    ------
    ParameterError
        If the replicas have no common law, N is not known, or as :func:`onlinemode.escape_law`.
    """
    if run.replicas > 1 and not run.began_together:
        raise ParameterError(f"the law of escape is that of runs from one start; got {run.replicas:,} replicas with "
                             "students of their own, each of which has its own law: give all the same start")
    if run.info.start["kind"] == "states":
        raise ParameterError("the law of escape counts α from the start of a run; got a piece that goes on at α = "
                             f"{run.info.start['alpha']:.6g}: join it with what came before (onlinemode.join)")
    if run.info.start["kind"] == "task":
        raise ParameterError("the law of escape is that of a run that learns one task alone; got one task of several, "
                             f"number {run.info.start['task']}: simulate it alone")
    if run.N is None:
        raise ParameterError("the law of escape needs N, the number of inputs; got a run of the mean-field equations "
                             "without it: give N")
    return escape_law(run.problem, run.initial, run.N, level)
