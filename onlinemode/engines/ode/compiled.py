"""LSODA compiled together with the drift, in calls between which Python reports and is interrupted."""

import threading

import numpy as np

from onlinemode.engines.ode.options import COMPILED
from onlinemode.errors import EngineError

COMPLAINT = "Unexpected istate in LSODA."  # in the words of SciPy


def flow_of(method, drift, begin, last):
    """The right-hand side of a whole run for kernels; None for the other methods.

    Raises
    ------
    EngineError
        If schedules have no table.
    """
    if method != COMPILED:
        return None
    flow = drift.flow(begin, last)
    if flow is None:
        raise EngineError("method compiled needs schedules that are smooth between a few breaks, and these have too "
                          "much fine structure: take LSODA")
    return flow


class Compiled:
    """An integration in compiled steps.

    Parameters
    ----------
    right_side : Flow
        The equations.
    y : array (d,)
        Where it begins.
    begin : float
        When it begins.
    alphas : array (n,)
        Times at which states are saved.
    saved : int
        So many are known already.

    Attributes
    ----------
    rows : array (n, d)
        The states there.
    """

    def __init__(self, right_side, y, begin, alphas, saved):
        from onlinemode.kernels.integrators import flow, lsoda_place

        self._places, self._right_side = flow, right_side
        self._alphas = np.ascontiguousarray(alphas, float)
        self.rows = np.full((len(alphas), y.size), np.nan)
        self._place = lsoda_place.make_place(y, begin)
        self._place.counts[flow.SAVED] = saved

    def advance(self, goal):
        """Make steps, see :class:`onlinemode.kernels.integrators.flow.Goal`; why it ended."""
        from onlinemode.kernels.integrators.follow import follow

        return follow(self._place, self._right_side, goal, self._alphas, self.rows)

    def compile(self):
        """So that the first call takes no longer than others."""
        from onlinemode.kernels.integrators.flow import Goal

        error = self._right_side.system.error
        before = error[0]
        self.advance(Goal(self.alpha, 1.0, 1.0, 1.0, 1, 0, -1.0, 0, 1.0, 1))
        error[0] = before  # that of the state where the drift was evaluated, and no step was made

    def begin_anew(self):
        """At a break of a schedule: nothing that is known holds beyond it."""
        self._place.counts[self._places.PHASE] = self._places.START

    @property
    def y(self):
        """The state."""
        return self._place[0][0].copy()

    @property
    def alpha(self):
        """The time."""
        return float(self._place.numbers[self._places.ALPHA])

    @property
    def evaluations(self):
        """Of the right-hand side."""
        return int(self._place.counts[self._places.EVALUATIONS])

    @property
    def saved(self):
        """How many rows are known."""
        return int(self._place.counts[self._places.SAVED])


def in_thread(function, *arguments):
    """The result of a function in a thread that nobody waits for after Ctrl-C."""
    result, problems = [], []

    def evaluate():
        try:
            result.append(function(*arguments))
        except BaseException as problem:
            problems.append(problem)

    worker = threading.Thread(target=evaluate, daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(0.1)
    if problems:
        raise problems[0]
    return result[0]
