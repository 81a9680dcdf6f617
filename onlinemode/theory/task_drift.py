"""The mean-field equations of several tasks: the mean of the equations of each; docs/theory, section 16.2."""

import numpy as np

from onlinemode.blocks import StateLayout
from onlinemode.theory.meanfield import MeanFieldDrift
from onlinemode.theory.quadrature import DEFAULT_NODES, NODE_SEED
from onlinemode.theory.spectral import ShareLayout, SpectralDrift


def drift_of(problem, overlaps, nodes=DEFAULT_NODES, node_seed=NODE_SEED, averages=None, shares=None, N=None):
    """The right-hand side for a problem of one task or of several, and for inputs with or without a covariance.

    Parameters
    ----------
    problem, overlaps, nodes, node_seed, averages
        As of :class:`onlinemode.theory.meanfield.MeanFieldDrift`.
    shares : Shares, optional
        Of the overlaps, where the covariance of the inputs is resolved.
    N : int, optional
        As of :class:`onlinemode.theory.spectral.SpectralDrift`.

    Returns
    -------
    MeanFieldDrift, SpectralDrift or TaskDrift
    """
    kind = _drift_of_one if problem.tasks is None else TaskDrift
    return kind(problem, overlaps, nodes, node_seed, averages, shares, N)


def _drift_of_one(problem, overlaps, nodes, node_seed, averages, shares, N):
    if shares is None:
        return MeanFieldDrift(problem, overlaps, nodes, node_seed, averages)
    return SpectralDrift(problem, overlaps, shares, nodes, node_seed, averages, N)


class TaskDrift:
    """The right-hand side where samples are drawn from several tasks, used as :class:`MeanFieldDrift` is.

    Parameters
    ----------
    problem, overlaps, nodes, node_seed, averages, shares, N
        As of :func:`drift_of`, of a problem with tasks.

    Attributes
    ----------
    layout, full, active, method
        As of MeanFieldDrift; states have all heads.
    of_tasks : list of MeanFieldDrift or SpectralDrift
        The drift of each task alone.
    moving : list of int arrays
        Of each task, where among the entries that move its own stand.
    """

    def __init__(self, problem, overlaps, nodes=DEFAULT_NODES, node_seed=NODE_SEED, averages=None, shares=None,
                 N=None):
        tasks, K = problem.tasks, overlaps.K
        heads = tasks.heads or (None,) * tasks.count
        self.of_tasks = [_drift_of_one(problem.of_task(task), overlaps.of_task(task, head), nodes, node_seed, averages,
                                       shares, N)
                        for task, head in enumerate(heads)]
        first = self.of_tasks[0]
        sizes = K, overlaps.M, overlaps.P
        self.layout = (StateLayout(*sizes, tasks.head_count) if shares is None else
                       ShareLayout(*sizes, len(shares.eigenvalues), tasks.head_count))
        G, S = (overlaps.G, overlaps.S) if shares is None else (shares.G, shares.S)
        self.full = self.layout.pack(G, S, overlaps.strengths, overlaps.xi_out, overlaps.readout)
        self.method, self.last_error = first.method, np.nan
        # the entries of all heads follow those that tasks share
        places = [np.arange(first.layout.size) + np.where(np.arange(first.layout.size) < self.layout.readout.start, 0,
                                                          K * (head or 0)) for head in heads]
        self.active = np.unique(np.concatenate([place[each.active] for place, each in zip(places, self.of_tasks)]))
        self.moving = [np.searchsorted(self.active, place[each.active]) for place, each in zip(places, self.of_tasks)]
        self._problem, self._stages = problem.stage(0), problem

    @property
    def corrected(self):
        """Whether there are terms of order 1/N."""
        return self.of_tasks[0].corrected

    def begin_stage(self, number):
        """From here on the shares are those of a later turn of tasks."""
        self._problem = self._stages.stage(number)

    def __call__(self, y, alpha=0.0):
        y = np.asarray(y, np.float64)
        shares = self._problem.shares_of(alpha)
        total, self.last_error = np.zeros(y.size), 0.0
        for share, drift, moving in zip(shares, self.of_tasks, self.moving):
            if share > 0.0:
                total[moving] += share * drift(y[moving], alpha)
                self.last_error += share * drift.last_error
        return total

    def jacobian(self, y, alpha=0.0):
        """Derivatives of the rates, as of MeanFieldDrift."""
        y = np.asarray(y, np.float64)
        total = np.zeros((y.size, y.size))
        for share, drift, moving in zip(self._problem.shares_of(alpha), self.of_tasks, self.moving):
            if share > 0.0:
                total[np.ix_(moving, moving)] += share * drift.jacobian(y[moving], alpha)
        return total

    def at_start(self, alpha=0.0):
        """Derivatives d/dα of all order parameters at the overlaps, as of MeanFieldDrift."""
        derivative = np.zeros(self.layout.size)
        derivative[self.active] = self(self.full[self.active], alpha)
        return self.layout.unpack(derivative)
