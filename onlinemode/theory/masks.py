"""Dropout in the mean-field equations: the mean over all students that samples may have; docs/theory, section 15.2."""

from itertools import product

import numpy as np

from onlinemode.errors import ParameterError

MOST = 4096  # of these students


def dropped(problem, K, P):
    """How many units, and how many modes, a sample may leave out."""
    return (K if problem.dropout != 0.0 else 0), (P if problem.mode_dropout != 0.0 else 0)


class Masks:
    """What samples may leave out, and how likely that is.

    Parameters
    ----------
    problem : Problem
        With dropout of units, of modes, or of both.
    drift : MeanFieldDrift or SpectralDrift
        Has the layout of states, the full state, and which entries move.

    Raises
    ------
    ParameterError
        If there are more than 4,096 of them.
    """

    def __init__(self, problem, drift):
        layout = drift.layout
        units, modes = dropped(problem, layout.K, layout.P)
        if 2 ** (units + modes) > MOST:
            raise ParameterError(f"the mean-field equations with dropout average over all students that samples may "
                                 f"have, at most {MOST:,}; got 2^{units + modes}: use engine micro or chain")
        self._problem, self._active = problem, drift.active
        kept = np.array(list(product((0.0, 1.0), repeat=units + modes)))
        self._masks = np.ones((len(kept), layout.size))
        if units:
            self._masks[:, layout.readout] = kept[:, :units]
        if modes:
            self._masks[:, layout.strengths] = kept[:, units:]
        self._units, self._modes = (part.sum(1) for part in (kept[:, :units], kept[:, units:]))  # that are kept
        self._sizes, self._layout = (units, modes), layout
        self._states = self._masks * drift.full

    def learn(self, entries):
        """Of each mask 1 for these entries of the full state that learn, 0 for what is left out; (masks, entries)."""
        return self._masks[:, entries]

    def mean(self, rate, y, alpha, learn=None):
        """The mean of the rates, and last of all the whole student's, for its ε_g.

        Parameters
        ----------
        rate : callable
            ``rate(state, y)`` of a full state, whose entries that move are taken from y.
        y : array (d,)
        alpha : float
        learn : array (masks, size), optional
            Factors of what ``rate`` gives; by default :meth:`learn` of the entries that move.

        Returns
        -------
        array (size,)
        """
        learn = self.learn(self._active) if learn is None else learn
        of_units, of_modes = self._problem.numbers_of(alpha)[-2:]
        likely = _likely(of_units, self._units, self._sizes[0]) * _likely(of_modes, self._modes, self._sizes[1])
        total = np.zeros(learn.shape[1])
        for probability, mask, state, learning in zip(likely, self._masks, self._states, learn):
            if probability > 0.0:
                total += probability * learning * rate(state, mask[self._active] * y)
        damping = np.ones(self._layout.size)
        damping[self._layout.readout], damping[self._layout.strengths] = 1.0 - of_units, 1.0 - of_modes
        rate(damping * self._states[-1], damping[self._active] * y)  # the last mask keeps all
        return total


def _likely(share, kept, size):
    """Probability that of so many just these are kept."""
    return (1.0 - share) ** kept * share ** (size - kept)
