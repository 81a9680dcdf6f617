"""The path of the mean-field equations from a start, with what analysis needs of it."""

from typing import NamedTuple

import numpy as np

RTOL, ATOL = 1e-10, 1e-13
LARGEST = 1e8  # beyond it a path counts as diverged
LOOK_EVERY = 10_000  # evaluations: a solver that comes no further between two looks would try for ever
TRIED = 24  # steps between the slow points from which fixed points are looked for, too
SLOW = 0.1  # of the largest speed
SLOWER = 2.0  # a slow point is this much slower than what comes before and after


class Path(NamedTuple):
    """The steps of the solver."""

    alpha: np.ndarray  # (n,)
    states: np.ndarray  # (n, d)
    complete: bool  # it has reached its end


class _Stuck(Exception):
    """A solver that comes no further, since rates are not finite or leave no step that time can resolve."""


def follow(drift, alpha, y0=None, rtol=RTOL, atol=ATOL, event=None):
    """From ``y0``, or the start, to the time ``alpha``, or to where ``event(alpha, y)`` falls through 0.

    Returns
    -------
    Path
        Of its beginning alone, and not complete, where the rates are too large to be followed.
    """
    from scipy.integrate import solve_ivp

    evaluations, at_last_look = 0, 0.0

    def rates(time, y):
        nonlocal evaluations, at_last_look
        evaluations += 1
        if evaluations % LOOK_EVERY == 0:
            if not time > at_last_look:
                raise _Stuck
            at_last_look = time
        return drift(time, y)

    events = None
    if event is not None:
        event.terminal, event.direction = True, -1.0
        events = [event]
    y0 = drift.y0 if y0 is None else y0
    try:
        with np.errstate(all="ignore"):
            found = solve_ivp(rates, (0.0, alpha), y0, method="LSODA", rtol=rtol, atol=atol, events=events)
    except _Stuck:
        return Path(np.zeros(1), np.array([y0]), False)
    finite = bool(np.all(np.abs(found.y) < LARGEST))
    return Path(found.t, found.y.T, found.status >= 0 and finite)


def speeds_along(drift, path):
    """How fast the order parameters move at every step, |dy/dα|, (n,)."""
    with np.errstate(all="ignore"):
        return np.linalg.norm(drift(0.0, path.states), axis=1)


def slow_points(speeds):
    """Where a path is slowest between two stretches that are faster, with its end: indices, ascending."""
    minima = [i for i in range(1, len(speeds) - 1) if speeds[i - 1] > speeds[i] <= speeds[i + 1]]
    kept = []
    for i in minima:
        before = speeds[:i].max() if not kept else speeds[kept[-1]:i].max()
        if before > SLOWER * speeds[i] and (not kept or before > SLOWER * speeds[kept[-1]]):
            kept.append(i)
        elif kept and speeds[i] < speeds[kept[-1]]:
            kept[-1] = i
    last = len(speeds) - 1
    return [i for i in kept if speeds[i:].max() > SLOWER * speeds[i]] + [last]


def between(speeds):
    """Some steps of the slow stretches of a path, evenly: a run may pass a plateau while its speed grows."""
    slow = np.flatnonzero(speeds < SLOW * speeds.max())
    return slow[np.unique(np.linspace(0, slow.size - 1, TRIED).astype(int))] if slow.size else slow
