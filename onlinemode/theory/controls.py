"""What a schedule can control: a learning rate, the share of a task, or what dropout keeps; docs/theory, section 14.6.

Each is a class with what the compiled integration needs: of which parts the drift is the mean, how the controlled
number enters the numbers of the problem or the shares of the parts, and what counts at the end.  Arrays over times are
(n, 3, ...), at the beginning, the middle and the end of n steps.
"""

from dataclasses import replace
from itertools import product

import numpy as np

from onlinemode.theory.meanfield import MeanFieldDrift, generalization_error
from onlinemode.theory.task_drift import TaskDrift


class RateOfModes:
    """The learning rate of the input modes.

    Parameters
    ----------
    problem : Problem
        Of one task, without dropout.
    overlaps : OrderParameters
        The start.
    weights : array (tasks,), optional
        None: there is one task.

    Attributes
    ----------
    system : System
        What all parts have in common.
    parts : Parts
        Of which the drift is the mean.
    start : array (d,)
        The entries that move.
    weights : array (parts,)
        Of the errors of the parts in what is minimised.
    """

    tasks = False  # whether the parts are tasks
    column = 0  # of Problem.numbers, and of the derivatives by the rates

    def __init__(self, problem, overlaps, weights=None):
        drift = MeanFieldDrift(problem, overlaps)
        self.drift, self.start, self.system = drift, drift.full[drift.active], drift._system
        self.parts = parts_of(self.system, np.arange(drift.active.size)[None], np.ones((1, drift.full.size)))
        self.weights = np.ones(1)
        self._problems = [problem]

    def numbers(self, times):
        """Those of the problem, (n, 3, 1 or parts, 9)."""
        return np.stack([each.numbers_at(times.ravel()).reshape(*times.shape, -1) for each in self._problems], axis=2)

    def apply(self, values, numbers, shares):
        """Put the controlled number, (n, 3), where it counts."""
        numbers[..., 0, self.column] = values

    def over_values(self, values, over_rates, over_shares):
        """Derivatives by the controlled number, (n, 3), from those that the adjoint integration gives."""
        return over_rates[..., self.column]

    def error(self, y, errors, value):
        """What counts at one time, from state and errors of the parts, (..., parts)."""
        return errors @ self.weights

    def over_end(self, y, rows, value):
        """Derivatives of what counts by the state (d,), and by the controlled number."""
        from onlinemode.kernels.averages.runge_kutta import over_state

        over_y = np.empty(y.size)
        over_state(y, self.weights, rows, self.system, self.parts, over_y)
        return over_y, 0.0


class ShareOfTask(RateOfModes):
    """How often a sample is of the second of two tasks; what counts is a mean over the tasks."""

    tasks = True

    def __init__(self, problem, overlaps, weights=None):
        drift = TaskDrift(problem, overlaps)
        self.drift, self.start = drift, drift.full[drift.active]
        tasks = drift.of_tasks
        self.system = tasks[0]._system
        self.parts = parts_of(self.system, np.stack(drift.moving), np.ones((2, tasks[0].full.size)),
                              np.stack([each.full for each in tasks]),
                              np.stack([each._system.teacher_readout for each in tasks]))
        self.weights = np.full(2, 0.5) if weights is None else np.asarray(weights, float) / np.sum(weights)
        self._problems = [problem.of_task(task) for task in (0, 1)]

    def apply(self, values, numbers, shares):
        shares[..., 0], shares[..., 1] = 1.0 - values, values

    def over_values(self, values, over_rates, over_shares):
        return over_shares[..., 1] - over_shares[..., 0]


class KeptUnits(RateOfModes):
    """How likely a hidden unit is kept by a sample: 1 − dropout; what counts is ε_g of the whole, damped student."""

    def __init__(self, problem, overlaps, weights=None):
        super().__init__(replace(problem, dropout=0.0), overlaps)
        layout, self._overlaps = self.drift.layout, overlaps
        kept = np.array(list(product((0.0, 1.0), repeat=layout.K)))
        masks = np.ones((len(kept), layout.size))
        masks[:, layout.readout] = kept
        self.parts = parts_of(self.system, np.tile(np.arange(self.start.size), (len(kept), 1)), masks)
        self.weights = np.zeros(len(kept))  # no student of one sample counts
        self._kept, self._left_out = kept.sum(1), layout.K - kept.sum(1)
        readout = np.arange(layout.size)[layout.readout]
        self._active = np.union1d(self.drift.active, readout)
        self._whole = self.system._replace(state=self.drift.full.copy(), active=self._active)
        self._is_readout = np.isin(self._active, readout)
        self._moves = np.searchsorted(self._active, self.drift.active)

    def apply(self, values, numbers, shares):
        shares[:] = values[..., None]**self._kept * (1.0 - values[..., None])**self._left_out

    def over_values(self, values, over_rates, over_shares):
        keep, drop = values[..., None], 1.0 - values[..., None]
        one, other = np.maximum(self._kept - 1.0, 0.0), np.maximum(self._left_out - 1.0, 0.0)  # 0 where a factor is 0
        slopes = self._kept * keep**one * drop**self._left_out - self._left_out * keep**self._kept * drop**other
        return (slopes * over_shares).sum(-1)

    def error(self, y, errors, value):
        y = np.asarray(y)
        full = np.broadcast_to(self.drift.full, (*y.shape[:-1], self.drift.full.size)).copy()
        full[..., self.drift.active] = y
        G, S, strengths, xi_out, readout = self.drift.layout.unpack(full)
        o = self._overlaps
        return generalization_error("erf", G, S, o.T, strengths, xi_out, np.asarray(value)[..., None] * readout,
                                    o.teacher_readout)

    def over_end(self, y, rows, value):
        from onlinemode.kernels.averages.erf_reverse import erf_drift_reverse

        full = self.drift.full.copy()
        full[self.drift.active] = y
        state = full[self._active]
        damping = np.where(self._is_readout, value, 1.0)
        over = np.empty(state.size)
        erf_drift_reverse(damping * state, np.zeros(state.size), 1.0, self._whole, over, np.empty(4))
        return (damping * over)[self._moves], float((over * state)[self._is_readout].sum())


def parts_of(system, places, masks, states=None, teacher_readouts=None):
    """Parts of a system.

    Parameters
    ----------
    system : System
    places : int array (parts, m)
        Where among all entries that move those of each part stand.
    masks : array (parts, full state)
        Factors of the entries of each part.
    states : array (parts, full state), optional
        By default that of the system.
    teacher_readouts : array (parts, M), optional
        By default that of the system.

    Returns
    -------
    Parts
    """
    from onlinemode.kernels.averages.runge_kutta import Parts

    states = masks * (system.state if states is None else states)
    if teacher_readouts is None:
        teacher_readouts = np.tile(system.teacher_readout, (len(places), 1))
    return Parts(np.ascontiguousarray(places), np.ascontiguousarray(masks[:, system.active]), states, teacher_readouts)


CONTROLS = {"xi_in": RateOfModes, "task": ShareOfTask, "keep": KeptUnits}
