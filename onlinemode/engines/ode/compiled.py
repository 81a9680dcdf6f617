"""Solvers compiled together with the drift, in calls between which Python reports and is interrupted."""

import threading

import numpy as np

COMPLAINTS = {"DOP853": "Required step size is less than spacing between numbers.",  # in the words of SciPy
              "LSODA": "Unexpected istate in LSODA."}


def flow_of(method, drift, begin, last):
    """The right-hand side of a whole run for kernels; None where it, or the method, is not compiled as a whole."""
    make = getattr(drift, "flow", None)
    return None if make is None or method not in COMPLAINTS else make(begin, last)


class Compiled:
    """An integration in compiled steps.

    Parameters
    ----------
    method : {"DOP853", "LSODA"}
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

    def __init__(self, method, right_side, y, begin, alphas, saved):
        from onlinemode.kernels.integrators import dop853, flow, follow, lsoda_place

        self._places, self._right_side = flow, right_side
        self._alphas = np.ascontiguousarray(alphas, float)
        self.rows = np.full((len(alphas), y.size), np.nan)
        place, self._follow = {"DOP853": (dop853, follow.follow_dop853), "LSODA": (lsoda_place, follow.follow_lsoda)
                               }[method]
        self._place = place.make_place(y, begin)
        self._place.counts[flow.SAVED] = saved

    def advance(self, goal):
        """Make steps, see :class:`onlinemode.kernels.integrators.flow.Goal`; why it ended."""
        return self._follow(self._place, self._right_side, goal, self._alphas, self.rows)

    def compile(self):
        """So that the first call takes no longer than others."""
        from onlinemode.kernels.integrators.flow import Goal

        self.advance(Goal(self.alpha, 1.0, 1.0, 1.0, 1, 0, -1.0, 0, 1.0, 1))

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
