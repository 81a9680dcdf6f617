"""The learning rate, as a function of α, that leaves the least error: :func:`optimal_schedule`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from onlinemode import checks
from onlinemode.display import Described
from onlinemode.errors import EngineError, ParameterError
from onlinemode.inputs import require_inputs
from onlinemode.memory import too_large
from onlinemode.problem import Problem
from onlinemode.schedules import Schedule
from onlinemode.state import OrderParameters, Weights
from onlinemode.theory.averaging import ERF, method_of
from onlinemode.theory.optimal_control import OBJECTIVES, OVER, STEP, Control, Path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_KNOTS = 10_000
MOST_ITERATIONS = 1_000
CORRECTIONS = 30  # that L-BFGS-B remembers
TOLERANCE = 1e-9  # of ln ε_g, between two iterations
STEP_ERROR = 1e-4  # of ln ε_g, from the steps of the integration
SMALLEST_STEP = 1e-3
SCANNED = np.geomspace(0.02, 20.0, 40)  # constant rates, in units of the one that lowers ε_g fastest at the start
DIGITS = 7  # of knots


@dataclass(frozen=True, eq=False, repr=False)
class OptimalSchedule(Described):
    """The best schedule of a learning rate, beside the best constant rate and the greedy one; prints as a table.

    Attributes
    ----------
    problem : Problem
        The problem with the schedule in it, for :func:`onlinemode.simulate`.
    start : OrderParameters
        Where it is optimal from.
    over : str
        Which rate.
    objective : str
        What is least.
    path, constant, greedy : Path
        ε_g and the rate along the mean-field equations: with the schedule, with the best constant rate, and with the
        rate that lowers ε_g fastest at each moment.
    stationary_rate : array (n,)
        The rate −p·f1/(2 p·f2) that Pontryagin's principle demands, within the bounds, at the times of ``path``: where
        the knots are dense enough it is that of ``path``.
    converged : bool
        Whether the optimisation ended because nothing improved.
    message : str
        How it ended.
    evaluations : int
        How often the equations were integrated.
    """

    problem: Problem
    start: OrderParameters
    over: str
    objective: str
    path: Path
    constant: Path
    greedy: Path
    stationary_rate: np.ndarray
    converged: bool
    message: str
    evaluations: int

    @property
    def schedule(self) -> Schedule:
        """The schedule, piecewise linear in α."""
        return getattr(self.problem.rates, self.over)

    @property
    def alpha(self) -> float:
        """The end."""
        return float(self.path.alpha[-1])

    @property
    def error(self) -> float:
        """Error ε_g at the end."""
        return self.path.error

    @property
    def constant_rate(self) -> float:
        """The best constant rate."""
        return float(self.constant.rate[0])

    @property
    def constant_error(self) -> float:
        """Error ε_g at the end with the best constant rate."""
        return self.constant.error

    def plot(self, path: str | PathLike[str] | None = None, title: str | None = None) -> "Figure":
        """The picture: rates and ε_g of all three (:func:`onlinemode.plotting.optimal_figure`).

        Parameters
        ----------
        path : str or path, optional
            Where to save it, too.
        title : str, optional
            Above the picture.

        Returns
        -------
        matplotlib.figure.Figure
            To be changed, or saved with :func:`onlinemode.plotting.save_figure`.

        Raises
        ------
        FileError
            If the picture cannot be written.
        """
        from onlinemode import plotting

        figure = plotting.optimal_figure(self, title)
        if path is not None:
            plotting.save_figure(figure, path)
        return figure

    def _described(self):
        rate, word = self.path.rate, self.schedule.word or ""
        what = "ε_g at the end" if self.objective == "final" else "the mean of ε_g"
        return [("OptimalSchedule", f"{what} to α = {self.alpha:g}"),
                ("best constant rate", f"ε_g = {self.constant_error:.3g} with {self.constant_rate:.4g}"),
                ("greedy", f"ε_g = {self.greedy.error:.3g} with {_range(self.greedy.rate)}"),
                ("optimal", f"ε_g = {self.error:.3g} with {_range(rate)}: {self.constant_error / self.error:.3g} times "
                            "less than the constant rate"),
                ("converged" if self.converged else "NOT converged", f"{self.message}, {self.evaluations} runs of the "
                 "equations"),
                ("schedule", word if len(word) <= 60 else f"{word[:57]}...")]


def _range(rates):
    return f"{rates.min():.3g} to {rates.max():.3g}"


def optimal_schedule(problem: Problem, start: OrderParameters | Weights, alpha: float, knots: int = 32,
                     bounds: Sequence[float | None] = (0.0, None), over: str = "xi_in",
                     objective: str = "final") -> OptimalSchedule:
    """The learning rate, piecewise linear in α, that leaves the least generalization error.

    Of the mean-field equations, with the exact gradient by their discrete adjoint, from the best constant rate on, by
    the method L-BFGS-B of SciPy.

    Parameters
    ----------
    problem : Problem
        Of erf units, with the squared loss and real labels; its own rate ``over`` counts for nothing. Its other
        numbers may be schedules, and other factors may be trained.
    start : OrderParameters or Weights
        Where learning begins; at an exactly symmetric start no rate makes a difference.
    alpha : float
        The end, in steps/N.
    knots : int, default 32
        Of the schedule, at equal distances, 0 and ``alpha`` among them.
    bounds : pair of float, default (0, None)
        Least and largest rate; None where there is no largest one.
    over : {"xi_in"}
        Which rate.
    objective : {"final", "mean"}
        What is least: ε_g at ``alpha``, or its mean over [0, ``alpha``].

    Returns
    -------
    OptimalSchedule
        With the schedule, the problem that has it, and what it is better than; also where the optimisation has not
        converged, which ``converged`` says.

    Raises
    ------
    ParameterError
        If an argument is out of range, the objective falls below 1e-14, where its gradient is rounding, or the
        equations diverge at every constant rate.
    EngineError
        If the drift has no compiled gradient (units other than erf, other losses or labels, a constraint, dropout,
        inputs without independent entries), or more memory is needed than there is.

    Notes
    -----
    docs/theory, section 14.6.  The optimum is a local one; random starts at K = 2 and 3 led to no other.

    Examples
    --------
    >>> best = om.optimal_schedule(om.Problem(noise=0.1), om.initial.showcase(N=1000, seed=1), 100.0)  # doctest: +SKIP
    >>> run = om.simulate(best.problem, start, 100.0, "chain")                                        # doctest: +SKIP
    """
    problem, overlaps = _checked(problem, start)
    alpha, knots = checks.number("alpha", alpha, above=0.0), checks.integer("knots", knots, 2, MOST_KNOTS)
    least, largest = _checked_bounds(bounds)
    over, objective = checks.choice("over", over, OVER), checks.choice("objective", objective, OBJECTIVES)
    problem = _with_rate(problem, over, 1.0).sampled(alpha)
    times = np.unique(_rounded(np.linspace(0.0, alpha, knots)))
    times[-1] = alpha
    _check_memory(overlaps, alpha)
    search = _Search(problem, overlaps, times, (least, largest), over, objective)
    constant = search.best_constant()
    values, converged, message = search.best_knots(constant)
    values = np.clip(_rounded(values), least, largest)
    fine, stationary = search.fine, search.fine.stationary_rates(values, (least, largest))
    schedule = Schedule.linear(dict(zip(times.tolist(), values.tolist())))
    paths = fine.path(values), fine.path(np.full(times.size, constant)), fine.greedy((least, largest))
    return OptimalSchedule(_with_rate(problem, over, schedule), overlaps, over, objective, *paths, stationary,
                           converged, message, search.evaluations)


class _Search:
    """The best constant rate, and the best knots, with steps that are short enough for either."""

    def __init__(self, problem, start, times, bounds, over, objective):
        self._make = lambda step: Control(problem, start, times, over, objective, step)
        self._bounds, self._count = bounds, times.size
        self._past = 0
        self.coarse, self.fine = self._make(STEP), self._make(0.5 * STEP)

    @property
    def evaluations(self):
        """How often the equations were integrated."""
        return self._past + self.coarse.evaluations + self.fine.evaluations

    def best_constant(self):
        """The best constant rate.

        Raises
        ------
        ParameterError
            If there is none that does not diverge.
        """
        from scipy.optimize import minimize_scalar

        def value(log_rate):
            return self.coarse.value(np.full(self._count, np.exp(log_rate)))

        unit = self.coarse.first_greedy_rate((0.0, np.inf))
        least, largest = self._bounds
        rates = (unit if 0.0 < unit < np.inf else 1.0) * SCANNED
        rates = np.unique(np.clip(rates, max(least, min(rates[0], largest)), largest))
        values = [value(np.log(rate)) for rate in rates]
        best = int(np.argmin(values))
        if not np.isfinite(values[best]):
            raise ParameterError(f"the mean-field equations must not diverge at every constant rate; they do from "
                                 f"{rates[0]:.3g} to {rates[-1]:.3g}: give lower bounds, or a smaller alpha")
        around = np.log(rates[[max(best - 1, 0), min(best + 1, rates.size - 1)]])
        if around[0] == around[1]:
            return float(rates[best])
        found = minimize_scalar(lambda each: min(value(each), 1e3), bounds=around, method="bounded",
                                options={"xatol": 1e-4})
        rate = np.exp(found.x) if found.fun < values[best] else rates[best]
        return float(np.clip(_rounded(rate), least, largest))

    def best_knots(self, constant):
        """The best values of the knots (k,), whether that has converged, and a message."""
        values = np.full(self._count, constant)
        while True:
            self._shorten_steps(values)
            values, converged, message = self._minimised(values, constant)
            if not self._shorten_steps(values):
                return values, converged, message

    def _minimised(self, values, unit):
        from scipy.optimize import minimize

        def scaled(knots):
            value, gradient = self.coarse.value_and_gradient(unit * knots)
            return value, unit * gradient

        least, largest = (None if not np.isfinite(bound) else bound / unit for bound in self._bounds)
        found = minimize(scaled, values / unit, jac=True, method="L-BFGS-B", bounds=[(least, largest)] * self._count,
                         options={"maxiter": MOST_ITERATIONS, "maxfun": 10 * MOST_ITERATIONS, "ftol": TOLERANCE,
                                  "maxcor": CORRECTIONS})
        after = f"after {found.nit} iterations"
        message = f"nothing improves {after}" if found.success else f"{str(found.message).capitalize()}, {after}"
        return unit * found.x, bool(found.success), message

    def _shorten_steps(self, values):
        """Halve the steps until that changes nothing any more; whether anything was changed."""
        changed = False
        while abs(self.fine.value(values) - self.coarse.value(values)) > STEP_ERROR:
            if self.fine.step < SMALLEST_STEP:
                raise ParameterError(f"the mean-field equations need steps shorter than {SMALLEST_STEP:g} of α at a "
                                     f"rate of {values.max():.3g}: give a lower upper bound")
            self._past += self.coarse.evaluations
            self.coarse, self.fine = self.fine, self._make(0.5 * self.fine.step)
            changed = True
        return changed


def _checked(problem, start):
    checks.instance("problem", problem, Problem)
    if not isinstance(start, (OrderParameters, Weights)):
        raise ParameterError(f"start must be one start, Weights or OrderParameters; got {checks.one_line(start)}")
    if not problem.plain or method_of(problem) != ERF:
        raise EngineError("an optimal schedule needs the gradient of the drift, which is known for erf units that "
                          f"learn from erf units with the squared loss and real labels; got {problem.activation_words}"
                          f"{problem.label_words}: choose a schedule of your own (docs/howto/schedules.md)")
    if problem.constraint is not None:
        raise EngineError(f"an optimal schedule knows no constraints; got {problem.constraint!r}: leave it out, or "
                          "choose a schedule of your own")
    if problem.tasks is not None:
        raise ParameterError("optimal_schedule is for one task; got several: take problem.of_task(0)")
    if problem.drops_out:
        raise EngineError(f"an optimal schedule knows no dropout; got {problem.dropout_words.removesuffix(', ')}: "
                          "leave it out, or choose a schedule of your own")
    if problem.drifts:
        raise EngineError(f"an optimal schedule knows no teacher that drifts; got drift = {problem.drift:g}: leave it "
                          "out, or choose a schedule of your own")
    require_inputs(problem.inputs, "ode", "independent")
    return problem, start.order_parameters() if isinstance(start, Weights) else start


def _checked_bounds(bounds):
    given = checks.entries(bounds)
    if given is None or len(given) != 2 or isinstance(bounds, (str, dict)):
        raise ParameterError(f"bounds must be the least and the largest rate, such as (0, 3) or (0, None); got "
                             f"{checks.one_line(bounds)}")
    least = checks.number("the lower bound", 0.0 if given[0] is None else given[0], 0.0)
    largest = np.inf if given[1] is None else checks.number("the upper bound", given[1], above=least)
    return least, largest


def _with_rate(problem, over, rate):
    return replace(problem, rates=replace(problem.rates, **{over: rate}))


def _rounded(values):
    """To so many digits that a schedule can be read and typed."""
    values = np.asarray(values, float)
    size = np.where(values == 0.0, 1.0, np.abs(values))
    power = 10.0 ** (DIGITS - 1 - np.floor(np.log10(size)))
    return np.round(values * power) / power


def _check_memory(start, alpha):
    state = start.P * (start.P + 1) // 2 + start.P * (start.M + 1) + start.K * (start.P + 1)
    needed = too_large(3.0 * (alpha / STEP) * 8 * 6 * state)
    if needed is not None:
        raise EngineError(f"the gradient of a run to α = {alpha:g} needs about {needed}: give a smaller alpha")
