"""What a schedule leads to, and its derivatives by the knots; docs/theory, section 14.6."""

from typing import NamedTuple

import numpy as np

from onlinemode.display import short_repr
from onlinemode.errors import ParameterError
from onlinemode.theory.averaging import ERF
from onlinemode.theory.controls import CONTROLS

OVER = tuple(CONTROLS)  # what can be optimised
OBJECTIVES = ("final", "mean")
STEP = 1.0  # of α, at first
SMALLEST_ERROR = 1e-14  # below it ε_g is rounding, and so is its gradient
DIVERGED = 50.0  # the logarithm that stands for a run that diverges


class Path(NamedTuple):
    """A run of the mean-field equations with one schedule.

    Attributes
    ----------
    alpha : array (n,)
        Times.
    control : array (n,)
        The controlled number at these: a learning rate, the share of the second task, or that of units that are kept.
    generalization_error : array (n,)
        ε_g at these; of two tasks the mean that is minimised.
    task_errors : array (n, 2), optional
        ε_g of each of two tasks.
    """

    alpha: np.ndarray
    control: np.ndarray
    generalization_error: np.ndarray
    task_errors: np.ndarray | None = None

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
    over : {"xi_in", "task", "keep"}
        Whose schedule.
    objective : {"final", "mean"}
        Whether ε_g at the end counts, or its mean over α.
    step : float
        Largest step of the integration; steps end at every knot and at every break of the other numbers.
    weights : array (2,), optional
        Of the errors of two tasks in the objective; by default equal ones.

    Attributes
    ----------
    evaluations : int
        How often the equations have been integrated.
    """

    def __init__(self, problem, overlaps, knots, over, objective, step=STEP, weights=None):
        self._controlled = CONTROLS[over](problem, overlaps, weights)
        assert self._controlled.drift.method == ERF
        self._system, self._parts, self._start = (getattr(self._controlled, name) for name in ("system", "parts",
                                                                                               "start"))
        self.knots, self.step, self.evaluations = np.asarray(knots, float), step, 0
        end = self.knots[-1]
        breaks = np.union1d(self.knots, [jump for jump in problem.breaks if 0.0 < jump < end])
        pieces = [np.linspace(one, other, int(np.ceil((other - one) / step - 1e-9)) + 1)[:-1]
                  for one, other in zip(breaks, breaks[1:])]
        self.alpha = np.concatenate([*pieces, [end]])
        self._steps = np.diff(self.alpha)
        last = np.nextafter(self.alpha[1:], 0.0)  # at a jump the value before it
        times = np.stack([self.alpha[:-1], self.alpha[:-1] + 0.5 * self._steps, last], axis=1)
        self._numbers = self._controlled.numbers(times)
        self._hats = hats(self.knots, times.ravel())
        n, parts = self._steps.size, len(self._parts.places)
        self._shares = np.ones((n, 3, parts))
        self._stages = np.empty((n, 4, self._start.size))
        self._errors = np.empty((n + 1, 4, parts))
        self._end = np.empty(self._start.size)
        self._weights = (1.0, 0.0) if objective == "final" else (0.0, 1.0 / end)

    def value(self, values):
        """The logarithm of the objective at these values of the knots (k,); infinite where the run diverges.

        Raises
        ------
        TooSmallError
            If the objective falls below 1e-14.
        """
        from onlinemode.kernels.averages.runge_kutta import forward

        self.evaluations += 1
        self._controlled.apply((self._hats @ values).reshape(-1, 3), self._numbers, self._shares)
        self._end[:] = self._start
        with np.errstate(all="ignore"):
            if not forward(self._end, self._steps, self._numbers, self._shares, self._system, self._parts,
                           self._stages, self._errors):
                return np.inf
        last, mean = self._weights
        objective = last * float(self._controlled.error(self._end, self._errors[-1, 0], values[-1]))
        if mean:
            objective += mean * self._integral()
        if not np.isfinite(objective):
            return np.inf
        if objective < SMALLEST_ERROR:
            raise TooSmallError(f"ε_g must stay above {SMALLEST_ERROR:g} for its gradient to be more than rounding; it "
                                f"falls to {objective:.1e} at α = {self.knots[-1]:g}: give a smaller alpha, or noise")
        return float(np.log(objective))

    def _integral(self):
        errors = self._errors[:-1] @ self._controlled.weights
        return float(self._steps @ (errors @ np.array([1.0, 2.0, 2.0, 1.0]))) / 6.0

    def value_and_gradient(self, values):
        """The same, and its derivatives by the values of the knots (k,), which are 0 where the run diverges."""
        value = self.value(values)
        if not np.isfinite(value):
            return DIVERGED, np.zeros(self.knots.size)
        over_rates, over_shares, _, over_last = self._backward(values)
        at_times = (self._hats @ values).reshape(-1, 3)
        gradient = self._hats.T @ self._controlled.over_values(at_times, over_rates, over_shares).ravel()
        gradient[-1] += over_last
        return value, gradient / np.exp(value)

    def _backward(self, values):
        """Derivatives of the objective by the rates and shares at all times, the states (n + 1, d), and the last knot.

        The last one is what the end itself depends on the controlled number.
        """
        from onlinemode.kernels.averages.runge_kutta import backward

        over_rates, over_shares = np.empty((self._steps.size, 3, 4)), np.empty(self._shares.shape)
        costates = np.empty((self._steps.size + 1, self._start.size))
        last, mean = self._weights
        over_end, over_last = self._controlled.over_end(self._end, self._numbers[-1, 2], values[-1])
        backward(last * over_end, self._steps, self._numbers, self._shares, self._system, self._parts, self._stages,
                 mean * self._controlled.weights, over_rates, over_shares, costates)
        return over_rates, over_shares, costates, last * over_last

    def path(self, values):
        """The run with these values of the knots."""
        self.value(values)
        control = np.interp(self.alpha, self.knots, values)
        states, errors = np.concatenate([self._stages[:, 0], self._end[None]]), self._errors[:, 0]
        return Path(self.alpha, control, self._controlled.error(states, errors, control),
                    errors.copy() if self._controlled.tasks else None)

    def stationary_rates(self, values, bounds):
        """−p·f1 / (2 p·f2) at all times of :attr:`alpha`, with the costate p of the run with these values."""
        from onlinemode.kernels.averages.runge_kutta import best_rate

        self.value(values)
        _, _, costates, _ = self._backward(values)
        states = [*self._stages[:, 0], self._end]
        rows = [*self._numbers[:, 0, 0], self._numbers[-1, 2, 0]]
        return np.array([best_rate(state, costate, 0.0, row, self._system, bounds)
                         for state, costate, row in zip(states, costates, rows)])

    def greedy(self, bounds):
        """The run with the rate that lowers ε_g fastest at each time."""
        from onlinemode.kernels.averages.runge_kutta import follow_greedily

        self.evaluations += 1
        end, rates, errors = self._start.copy(), np.zeros(self.alpha.size), np.full(self.alpha.size, np.inf)
        with np.errstate(all="ignore"):
            follow_greedily(end, self._steps, self._numbers[:, :, 0].copy(), self._system, bounds, rates, errors)
        return Path(self.alpha, rates, errors)

    def first_greedy_rate(self, bounds):
        """The rate that lowers ε_g fastest at the start."""
        from onlinemode.kernels.averages.runge_kutta import best_rate

        return best_rate(self._start, np.zeros(self._start.size), 1.0, self._numbers[0, 0, 0], self._system, bounds)


def hats(knots, times):
    """What each knot counts at each time, (times, knots): linear in between."""
    before = np.clip(np.searchsorted(knots, times, side="right") - 1, 0, knots.size - 2)
    share = (times - knots[before]) / (knots[before + 1] - knots[before])
    out = np.zeros((times.size, knots.size))
    rows = np.arange(times.size)
    out[rows, before], out[rows, before + 1] = 1.0 - share, share
    return out
