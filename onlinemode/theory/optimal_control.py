"""What a schedule of the learning rate leads to, and its derivatives by the knots; docs/theory, section 14.6."""

from typing import NamedTuple

import numpy as np

from onlinemode.display import short_repr
from onlinemode.errors import ParameterError
from onlinemode.theory.averaging import ERF
from onlinemode.theory.meanfield import MeanFieldDrift

OVER = {"xi_in": 0}  # what can be optimised: the column of Problem.numbers, and of the derivatives by the rates
OBJECTIVES = ("final", "mean")
STEP = 0.25  # of α, at first
SMALLEST_ERROR = 1e-14  # below it ε_g is rounding, and so is its gradient
DIVERGED = 50.0  # the logarithm that stands for a run that diverges


class Path(NamedTuple):
    """A run of the mean-field equations with one schedule.

    Attributes
    ----------
    alpha : array (n,)
        Times.
    rate : array (n,)
        The learning rate at these.
    generalization_error : array (n,)
        ε_g at these.
    """

    alpha: np.ndarray
    rate: np.ndarray
    generalization_error: np.ndarray

    def __repr__(self) -> str:
        return short_repr(self)

    @property
    def error(self) -> float:
        """Error ε_g at the end."""
        return float(self.generalization_error[-1])


class TooSmallError(ParameterError):
    """Error ε_g has come to where rounding hides its gradient."""


class Control:
    """The mean-field equations as a function of the knots of one number's schedule, piecewise linear in α.

    Parameters
    ----------
    problem : Problem
        With a method of averages that has a reverse mode; every schedule reaches ``knots[-1]``.
    overlaps : OrderParameters
        The start.
    knots : array (k,)
        Their times, from 0 to the end.
    over : {"xi_in"}
        Whose schedule.
    objective : {"final", "mean"}
        Whether ε_g at the end counts, or its mean over α.
    step : float
        Largest step of the integration; steps end at every knot and at every break of the other numbers.

    Attributes
    ----------
    evaluations : int
        How often the equations have been integrated.
    """

    def __init__(self, problem, overlaps, knots, over, objective, step=STEP):
        drift = MeanFieldDrift(problem, overlaps)
        assert drift.method == ERF
        self._system, self._start = drift._system, drift.full[drift.active]
        self.knots, self.step, self.evaluations = np.asarray(knots, float), step, 0
        self._column = OVER[over]
        end = self.knots[-1]
        breaks = np.union1d(self.knots, [jump for jump in problem.breaks if 0.0 < jump < end])
        pieces = [np.linspace(one, other, int(np.ceil((other - one) / step - 1e-9)) + 1)[:-1]
                  for one, other in zip(breaks, breaks[1:])]
        self.alpha = np.concatenate([*pieces, [end]])
        self._steps = np.diff(self.alpha)
        last = np.nextafter(self.alpha[1:], 0.0)  # at a jump the value before it
        times = np.stack([self.alpha[:-1], self.alpha[:-1] + 0.5 * self._steps, last], axis=1)
        self._numbers = problem.numbers_at(times.ravel()).reshape(*times.shape, -1)
        self._hats = _hats(self.knots, times.ravel())
        self._stages = np.empty((self._steps.size, 4, self._start.size))
        self._errors = np.empty((self._steps.size + 1, 4))
        self._end = np.empty(self._start.size)
        self._weights = (1.0, 0.0) if objective == "final" else (0.0, 1.0 / end)

    def value(self, values):
        """The logarithm of the objective at these values of the knots (k,); infinite where the run diverges.

        Raises
        ------
        TooSmallError
            If ε_g falls below 1e-14.
        """
        from onlinemode.kernels.averages.runge_kutta import forward

        self.evaluations += 1
        self._numbers[..., self._column] = (self._hats @ values).reshape(-1, 3)
        self._end[:] = self._start
        with np.errstate(all="ignore"):
            if not forward(self._end, self._steps, self._numbers, self._system, self._stages, self._errors):
                return np.inf
        last, mean = self._weights
        objective = last * self._errors[-1, 0] + mean * self._integral()
        if not np.isfinite(objective):
            return np.inf
        if objective < SMALLEST_ERROR:
            raise TooSmallError(f"ε_g must stay above {SMALLEST_ERROR:g} for its gradient to be more than rounding; it "
                                f"falls to {objective:.1e} at α = {self.knots[-1]:g}: give a smaller alpha, or noise")
        return float(np.log(objective))

    def _integral(self):
        return float(self._steps @ (self._errors[:-1] @ np.array([1.0, 2.0, 2.0, 1.0]))) / 6.0

    def value_and_gradient(self, values):
        """The same, and its derivatives by the values of the knots (k,), which are 0 where the run diverges."""
        value = self.value(values)
        if not np.isfinite(value):
            return DIVERGED, np.zeros(self.knots.size)
        over_rates, _ = self._backward()
        return value, self._hats.T @ over_rates[..., self._column].ravel() / np.exp(value)

    def _backward(self):
        """Derivatives of the objective by the rates at all times, and by the states (n + 1, d)."""
        from onlinemode.kernels.averages.runge_kutta import backward

        over_rates = np.empty((self._steps.size, 3, 4))
        costates = np.empty((self._steps.size + 1, self._start.size))
        backward(self._end, self._steps, self._numbers, self._system, self._stages, self._weights, over_rates, costates)
        return over_rates, costates

    def path(self, values):
        """The run with these values of the knots."""
        self.value(values)
        return Path(self.alpha, np.interp(self.alpha, self.knots, values), self._errors[:, 0].copy())

    def stationary_rates(self, values, bounds):
        """−p·f1 / (2 p·f2) at all times of :attr:`alpha`, with the costate p of the run with these values."""
        from onlinemode.kernels.averages.runge_kutta import best_rate

        self.value(values)
        _, costates = self._backward()
        states = [*self._stages[:, 0], self._end]
        rows = [*self._numbers[:, 0], self._numbers[-1, 2]]
        return np.array([best_rate(state, costate, 0.0, row, self._system, bounds)
                         for state, costate, row in zip(states, costates, rows)])

    def greedy(self, bounds):
        """The run with the rate that lowers ε_g fastest at each time."""
        from onlinemode.kernels.averages.runge_kutta import follow_greedily

        self.evaluations += 1
        end, rates, errors = self._start.copy(), np.zeros(self.alpha.size), np.full(self.alpha.size, np.inf)
        with np.errstate(all="ignore"):
            follow_greedily(end, self._steps, self._numbers, self._system, bounds, rates, errors)
        return Path(self.alpha, rates, errors)

    def first_greedy_rate(self, bounds):
        """The rate that lowers ε_g fastest at the start."""
        from onlinemode.kernels.averages.runge_kutta import best_rate

        return best_rate(self._start, np.zeros(self._start.size), 1.0, self._numbers[0, 0], self._system, bounds)


def _hats(knots, times):
    """What each knot counts at each time, (times, knots): linear in between."""
    before = np.clip(np.searchsorted(knots, times, side="right") - 1, 0, knots.size - 2)
    share = (times - knots[before]) / (knots[before + 1] - knots[before])
    out = np.zeros((times.size, knots.size))
    rows = np.arange(times.size)
    out[rows, before], out[rows, before + 1] = 1.0 - share, share
    return out
