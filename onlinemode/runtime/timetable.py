"""The rule of the steps of a call, where its numbers change while the student learns."""

from functools import lru_cache

import numpy as np

STEPS_PER_CALL = 2**14  # whose numbers are tabulated at once: about a megabyte
TABLES_KEPT = 32  # of the last calls, since replicas make the same ones


class RuleInTime:
    """The rule of a problem at any of its steps.

    Parameters
    ----------
    problem : Problem
    N : int
    last_step : int
        No step from this one on is made; kernels may look at their numbers all the same.

    Attributes
    ----------
    rule : onlinemode.kernels.rule.step.Rule
        Without a timetable: what does not change.
    """

    def __init__(self, problem, N, last_step):
        self.rule, self._problem, self._N = problem.rule(N), problem, N
        self._last_step = int(last_step)
        self._table = lru_cache(TABLES_KEPT)(self._new_table)

    def at_most(self, steps):
        """So many steps, or fewer where a call with a timetable should make fewer."""
        return min(steps, STEPS_PER_CALL) if self._problem.scheduled else steps

    def over(self, first_step, steps):
        """The rule for the steps of a call.

        Parameters
        ----------
        first_step, steps : int

        Returns
        -------
        Rule
            With a timetable where numbers change.
        """
        return self._table(int(first_step), int(steps)) if self._problem.scheduled else self.rule

    def _new_table(self, first_step, steps):
        from onlinemode.kernels.rule.step import Timetable

        steps = max(steps, 2)  # an array of one row is of another type for Numba, which would compile twice
        numbers = np.minimum(np.arange(first_step, first_step + steps), max(self._last_step - 1, 0))
        return self.rule._replace(timetable=Timetable(first_step, self._problem.numbers_at((numbers + 0.5) / self._N)))
