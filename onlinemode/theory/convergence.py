"""When the mean-field equations have nothing left to move: docs/theory, section 2.6."""

from dataclasses import replace

import numpy as np

from onlinemode.theory.averaging import NODES
from onlinemode.theory.meanfield import MeanFieldDrift

CONVERGED_ERROR = 1e-12  # from here on it may be that nothing is left to move
JACOBIAN_STEP = 1e-6  # of central differences, relative to the size of an entry
NO_FORCE = 1e-8  # directions of a smaller singular value, relative to the largest, have no force but errors of J
STABLE = 1e-4  # growth rates below this, relative to J, are errors of J along such directions
ROUNDING = 8.0 * np.finfo(float).eps  # of an entry of the state, relative to its size
NODES_RTOL = 1e-5  # averages over nodes are not as exact as the solver's tolerance
NEAR = 1000.0  # times the tolerance, within which an explicit solver may go to and fro for ever
LOOKS = 30  # in which what is left has not become less: then that is all it does
LESS = 0.95  # of the least so far


class Convergence:
    """Tells when less than the tolerance is left to move.

    Parameters
    ----------
    problem : Problem
    drift : MeanFieldDrift
    overlaps : OrderParameters
        From which the drift was made.
    last : float
        The last α.
    rtol, atol : float
    """

    def __init__(self, problem, drift, overlaps, last, rtol, atol):
        # with noise, decay, dropout or drift ε_g = 0 is no fixed point, other losses have other ones, and other rates
        # may leave it
        self._possible = (problem.noise == 0.0 and problem.weight_decay == 0.0 and problem.plain
                          and not problem.scheduled and not problem.drops_out and problem.tasks is None
                          and not problem.drifts)
        self._drift, self._last, self._rtol, self._atol = drift, last, rtol, atol
        self._smooth, self._differentiable = drift.method != NODES, drift
        if self._possible and not self._smooth:
            # nodes are not smooth where a student lies in the teacher's span; erf units relax much as others do
            self._differentiable = MeanFieldDrift(replace(problem, activation="erf", teacher_activation=None), overlaps)
            self._rtol = max(rtol, NODES_RTOL)
        self._next_look, self._error_before = 0, 0.0
        self._least, self._looks = np.inf, 0  # the least that was left, and the looks since then

    @property
    def next_look(self):
        """ε_g below which, and evaluations from which on, there is something to look at."""
        return CONVERGED_ERROR if self._possible else -np.inf, self._next_look

    def reached(self, state, alpha, evaluations):
        """Whether the run may end here; looks from time to time, as it costs two evaluations an entry."""
        small, first = self.next_look
        if not self._drift.last_error < small or evaluations < first:
            return False
        self._next_look = evaluations + max(100, 4 * state.size)
        return self._at_rest(state, self._last - alpha)

    def _at_rest(self, state, time):
        from scipy.linalg import svd

        sizes = self._drift.sizes(state)
        J = self._jacobian(state, sizes)
        rate = self._drift(state)
        error, error_before = self._drift.last_error, self._error_before
        self._error_before = error
        if not np.isfinite(J).all() or not np.isfinite(rate).all():
            return False
        if np.all(np.abs(rate) <= np.abs(J) @ (ROUNDING * sizes)):
            return True
        if self._smooth and np.linalg.eigvals(J).real.max() > STABLE * np.abs(J).max():
            return False
        if not self._smooth and error >= error_before and error != 0.0:  # erf units may be stable where others are not
            return False
        U, values, Vt = svd(J)
        along, forced = rate @ U, values > NO_FORCE * values[0]
        step = (along[forced] / values[forced]) @ Vt[forced]
        drifting = np.abs(U[:, ~forced] @ along[~forced])
        left = np.max((np.abs(step) + time * drifting) / (self._atol + self._rtol * sizes))
        self._looks += 1
        if left < LESS * self._least:
            self._least, self._looks = left, 0
        return bool(left <= 1.0 or (self._least <= NEAR and self._looks >= LOOKS))

    def _jacobian(self, state, sizes):
        J = np.empty((state.size, state.size))
        for i, step in enumerate(JACOBIAN_STEP * np.maximum(sizes, 1e-6 * sizes.max())):
            shift = np.zeros(state.size)
            shift[i] = step
            J[:, i] = (self._differentiable(state + shift) - self._differentiable(state - shift)) / (2.0 * step)
        return J
