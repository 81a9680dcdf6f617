"""The saved times, as every engine understands ``save_at``."""

import numpy as np

from onlinemode import checks
from onlinemode.errors import ParameterError
from onlinemode.replica_states import MOST_STEPS

MOST_TIMES = 10**7
SHORTEST = 1e-4  # first saved time over the last, where there is no step to set it


def count_or_times(save_at):
    """The argument ``save_at`` as an array, 0-dimensional for a count."""
    if isinstance(save_at, str):  # whose error speaks of a whole number
        checks.integer("save_at", save_at, 2, MOST_TIMES)
    return checks.real("save_at", save_at)


def save_times(save_at, alpha, N=None, whole_steps=True, switches=()):
    """The saved values of α, and the steps at which they fall.

    Parameters
    ----------
    save_at : int or array
        A count (α = 0, then log-spaced from one step to ``alpha``; at least 2), or ascending values
        of α in [0, alpha]; the last may lie up to half a step beyond ``alpha``, where another engine's
        rounding may have put it.
    alpha : float
        The last time.
    N : int, optional
        Sets the length of a step, 1/N.
    whole_steps : bool, default True
        Given N, round every time to a whole number of steps.  Every time, or step, is kept once.
    switches : sequence of float, default ()
        Where tasks switch, ascending: a count has these times, too, but no more of them than the count.

    Returns
    -------
    alphas : array (n,)
    steps : int array (n,), or None without whole steps

    Raises
    ------
    ParameterError
    """
    if N is not None and whole_steps and not 0.5 <= alpha * N <= MOST_STEPS:
        raise ParameterError(f"alpha = {alpha:g} at N = {N:g} makes {alpha * N:.3g} steps; it must be at least one and "
                             f"at most 2^62: choose another alpha")
    latest = alpha * (1.0 + 1e-12) + (0.5 / N if N else 0.0)
    given = count_or_times(save_at)
    if given.ndim == 0:
        count = checks.integer("save_at", given.item(), 2, MOST_TIMES)
        first = min(alpha, 1.0 / N) if N else SHORTEST * alpha
        times = np.concatenate(([0.0], np.geomspace(first, alpha, count - 1))) if count > 2 else np.array([0.0, alpha])
        times[-1] = alpha
        times = _with_switches(times, switches, count)
    else:
        times = np.array(checks.array("save_at", save_at, (None,)))
        if np.any(np.diff(times) < 0.0) or times[0] < 0.0 or times[-1] > latest:
            raise ParameterError(f"save_at must hold ascending times between 0 and alpha = {alpha:g}; got "
                                 f"{times[0]:g} ... {times[-1]:g}")
    if N is None or not whole_steps:
        return np.unique(times), None
    steps = np.unique(np.rint(times * N).astype(np.int64))
    return steps / N, steps


def _with_switches(times, switches, count):
    inside = [each for each in switches if times[0] < each < times[-1]]
    return np.union1d(times, inside[:count]) if inside else times


def later_times(save_at, begin, alpha, N=None, whole_steps=True, switches=()):
    """The saved values of α of a run that goes on at ``begin``, which is the first of them.

    Parameters
    ----------
    save_at : int or array
        A count (log-spaced from ``begin`` to ``alpha``), or ascending values of α in [begin, alpha].
    begin, alpha : float
    N, whole_steps, switches
        As in :func:`save_times`.

    Returns
    -------
    array (n,)

    Raises
    ------
    ParameterError
    """
    a_step = 1.0 / N if N and whole_steps else 0.0
    if not alpha > begin or alpha - begin < 0.5 * a_step:
        raise ParameterError(f"alpha must be beyond the end of the run, α = {begin:.6g} (by a step at least, where "
                             f"there are steps); got {alpha:g}: α counts from the run's own beginning")
    given = count_or_times(save_at)
    if given.ndim == 0:
        if begin == 0.0:
            return save_times(save_at, alpha, N, whole_steps, switches)[0]
        count = checks.integer("save_at", given.item(), 2, MOST_TIMES)
        times = _with_switches(np.geomspace(begin, alpha, count), switches, count)
    else:
        times = np.array(checks.array("save_at", save_at, (None,)))
        latest = alpha * (1.0 + 1e-12) + 0.5 * a_step
        if np.any(np.diff(times) < 0.0) or times[0] < begin - 0.5 * a_step or times[-1] > latest:
            raise ParameterError(f"save_at must hold ascending times between the end of the run, α = {begin:.6g}, and "
                                 f"alpha = {alpha:g}; got {times[0]:g} ... {times[-1]:g}")
    times = np.concatenate(([begin], times[times > begin]))
    return save_times(times, alpha, N, whole_steps)[0]
