"""A solver for wide spectra: exponential steps of fourth order, docs/theory, section 18.4."""

import numpy as np

SAFETY, LEAST, MOST = 0.9, 0.2, 3.0  # of what the error lets a step be, and of its changes
FIRST = 1e-3  # of the shortest time in the equations, for the first step
ORDER = 4


class Exponential:
    """Commutator-free Runge-Kutta steps of order 4 over exact flows, with an error of order 3 that they embed.

    A state moves by the flow of a generator, which would be exact if the generator were constant; it changes as slowly
    as the sums over all shares do.  So steps are limited by these and not by the largest eigenvalue.  E. Celledoni, A.
    Marthinsen and B. Owren, Future Generation Computer Systems 19, 341 (2003).

    It is called as the solvers of SciPy are; steps end at the times in ``stops``.

    Parameters
    ----------
    rate : object
        ``rate.generator(alpha, y)`` says what moves all shares alike.
    drift : onlinemode.theory.spectral.SpectralDrift
        Has the flow of a generator, and the sizes to which errors are relative.
    begin : float
    state : array (d,)
        At the beginning.
    end : float
    stops : array
        Ascending times.
    rtol, atol : float
        Tolerances of a step.
    max_step : float, optional

    Attributes
    ----------
    t : float
    y : array (d,)
    status : {"running", "finished", "failed"}
    """

    def __init__(self, rate, drift, begin, state, end, stops, rtol, atol, max_step=np.inf):
        self._rate, self._flow, self._size = rate, drift.after, drift.sizes
        self._end, self._stops, self._rtol, self._atol, self._max_step = end, stops, rtol, atol, max_step
        self.t, self.y, self.status = begin, state, "running"
        self._generator = rate.generator(begin, state)
        self._length = min(max_step, end - begin)
        moved = np.abs(self._flow(state, FIRST * self._length * self._generator) - state)
        fastest = np.max(moved / (atol + self._size(state)), initial=0.0) / (FIRST * self._length)
        if fastest > 0.0:
            self._length = min(self._length, (rtol ** (1.0 / ORDER)) / fastest)

    def step(self):
        """Make one step; a message where there is none that is short enough."""
        stop = self._next_stop()
        while True:
            length = min(self._length, self._max_step)
            lands = self.t + 1.001 * length >= stop
            if lands:
                length = stop - self.t
            if length <= 10.0 * np.spacing(abs(self.t)):
                self.status = "failed"
                return "no step is short enough for the tolerances"
            state, generator, error = self._attempt(length)
            if np.isfinite(error) and error <= 1.0:
                break
            self._length = length * max(LEAST, SAFETY * error ** (-1.0 / ORDER) if np.isfinite(error) else LEAST)
        longer = length * min(MOST, SAFETY * max(error, 1e-10) ** (-1.0 / ORDER))
        self._length = longer if not lands else max(self._length, longer) if longer > length else longer
        self.t = stop if lands else self.t + length
        self.y, self._generator = state, generator
        if self.t >= self._end:
            self.status = "finished"
        return None

    def dense_output(self):
        """The state at the end of the step, which is where a saved time is."""
        return lambda alphas: np.repeat(self.y[:, None], len(alphas), 1)

    def _next_stop(self):
        later = np.searchsorted(self._stops, self.t, side="right")
        return min(self._end, self._stops[later]) if later < len(self._stops) else self._end

    def _attempt(self, h):
        """The state a step later, the generator there, and the error over what it may be."""
        rate, flow, t, y = self._rate.generator, self._flow, self.t, self.y
        one = h * self._generator
        halfway = flow(y, 0.5 * one)
        two = h * rate(t + 0.5 * h, halfway)
        three = h * rate(t + 0.5 * h, flow(y, 0.5 * two))
        four = h * rate(t + h, flow(halfway, three - 0.5 * one))
        first_half = flow(y, (3.0 * one + 2.0 * (two + three) - four) / 12.0)
        second = -one + 2.0 * (two + three)
        state = flow(first_half, (second + 3.0 * four) / 12.0)
        if not np.all(np.isfinite(state)):
            return state, one, np.inf
        generator = rate(t + h, state)
        embedded = flow(first_half, (second + four + 2.0 * h * generator) / 12.0)
        scale = self._atol + self._rtol * np.maximum(self._size(y), self._size(state))
        return state, generator, float(np.max(np.abs(embedded - state) / scale, initial=0.0))
