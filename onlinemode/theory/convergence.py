"""When the mean-field equations have nothing left to move: docs/theory.md, section 2.6."""

from dataclasses import replace

import numpy as np

from onlinemode.theory.meanfield import CLOSED_FORM, MeanFieldDrift

CONVERGED_ERROR = 1e-12  # from here on it may be that nothing is left to move
JACOBIAN_STEP = 1e-6  # of central differences, relative to the size of an entry
JACOBIAN_ERROR = 1e-9  # of its entries, relative to the largest; no further than 1/that do the equations tell
ROUNDING = 8.0 * np.finfo(float).eps  # of an entry of the state, relative to its size
NODES_RTOL = 1e-5  # averages over nodes are not as exact as the solver's tolerance


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
        # with noise or decay ε_g = 0 is no fixed point
        self._possible = problem.noise == 0.0 and problem.weight_decay == 0.0
        self._drift, self._last, self._rtol, self._atol = drift, last, rtol, atol
        self._differentiable = drift
        if self._possible and problem.activation not in CLOSED_FORM:
            # nodes are not smooth where a student lies in the teacher's span; erf units relax much as others do
            self._differentiable = MeanFieldDrift(replace(problem, activation="erf"), overlaps)
            self._rtol = max(rtol, NODES_RTOL)
        self._next_look = 0

    def reached(self, state, alpha, evaluations):
        """Whether the run may end here; looks from time to time, as it costs two evaluations an entry."""
        if not self._possible or not self._drift.last_error < CONVERGED_ERROR or evaluations < self._next_look:
            return False
        self._next_look = evaluations + max(100, 4 * state.size)
        sizes = self._drift.sizes(state)
        left = self._left(state, sizes, self._last - alpha)
        return bool(np.all(np.abs(left) <= self._atol + self._rtol * sizes))

    def _left(self, state, sizes, time):
        """How far the equations linearised at ``state`` still move it: the integral of exp(J t) f."""
        from scipy.linalg import expm

        J = self._jacobian(state, sizes)
        rate = self._drift(state)
        rate[np.abs(rate) <= np.abs(J) @ (ROUNDING * sizes)] = 0.0
        if not rate.any():
            return rate
        extended = np.zeros((state.size + 1, state.size + 1))
        extended[:-1, :-1], extended[:-1, -1] = J, rate
        return expm(min(time, 1.0 / (JACOBIAN_ERROR * np.abs(J).max())) * extended)[:-1, -1]

    def _jacobian(self, state, sizes):
        J = np.empty((state.size, state.size))
        for i, step in enumerate(JACOBIAN_STEP * np.maximum(sizes, 1e-6 * sizes.max())):
            shift = np.zeros(state.size)
            shift[i] = step
            J[:, i] = (self._differentiable(state + shift) - self._differentiable(state - shift)) / (2.0 * step)
        return J
