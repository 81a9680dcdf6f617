"""The schedule that leaves the least error, of a learning rate, a task or dropout: :func:`optimal_schedule`."""

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

NAMES = {"xi_in": "rate", "task": "share", "keep": "keep"}  # of the numbers that are controlled
RATE, SHARE, KEEP = OVER
MOST_KNOTS = 10_000
MOST_ITERATIONS = 1_000
MOST_UNITS = 8  # that may be left out: 2^K students are averaged
CORRECTIONS = 30  # that L-BFGS-B remembers
TOLERANCE = 1e-9  # of ln ε_g, between two iterations
STEP_ERROR = 1e-4  # of ln ε_g, from the steps of the integration
SMALLEST_STEP = 1e-3
SCANNED = np.geomspace(0.02, 20.0, 40)  # constant rates, in units of the one that lowers ε_g fastest at the start
SCANNED_SHARES = 21  # between the bounds
DIGITS = 7  # of rates, and decimals of shares


@dataclass(frozen=True, eq=False, repr=False)
class OptimalSchedule(Described):
    """The best schedule of a number, beside its best constant value and, of rates, the greedy one; prints as a table.

    Attributes
    ----------
    problem : Problem
        The problem with the schedule in it, for :func:`onlinemode.simulate`.
    start : OrderParameters
        Where it is optimal from.
    over : str
        What it is of.
    schedule : Schedule
        Piecewise linear in α: of the rate, of the share of the second task, or of the probability that a unit is kept.
    objective : str
        What is least.
    path, constant : Path
        ε_g and the controlled number along the mean-field equations: with the schedule, and with the best constant.
    greedy : Path or None
        With the rate that lowers ε_g fastest at each moment; None of shares.
    stationary_rate : array (n,) or None
        The rate −p·f1/(2 p·f2) that Pontryagin's principle demands, within the bounds, at the times of ``path``: where
        the knots are dense enough it is that of ``path``.  None of shares, in which the drift is linear.
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
    schedule: Schedule
    objective: str
    path: Path
    constant: Path
    greedy: Path | None
    stationary_rate: np.ndarray | None
    converged: bool
    message: str
    evaluations: int

    @property
    def alpha(self) -> float:
        """The end."""
        return float(self.path.alpha[-1])

    @property
    def error(self) -> float:
        """Error ε_g at the end; of two tasks the mean that is minimised."""
        return self.path.error

    @property
    def constant_control(self) -> float:
        """The best constant value of the rate, or of the share."""
        return float(self.constant.control[0])

    @property
    def constant_error(self) -> float:
        """Error ε_g at the end with that."""
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
        name, word = NAMES[self.over], self.schedule.word or ""
        what = "ε_g" if self.over != SHARE else "the mean ε_g of two tasks"
        what = f"{what} at the end" if self.objective == "final" else f"the mean of {what}"
        greedy = [] if self.greedy is None else [
            ("greedy", f"ε_g = {self.greedy.error:.3g} with {_range(self.greedy.control)}")]
        return [("OptimalSchedule", f"{what} to α = {self.alpha:g}"),
                (f"best constant {name}", f"ε_g = {self.constant_error:.3g} with {self.constant_control:.4g}"), *greedy,
                ("optimal", f"ε_g = {self.error:.3g} with {_range(self.path.control)}: "
                            f"{self.constant_error / self.error:.3g} times less than the constant {name}"),
                ("converged" if self.converged else "NOT converged", f"{self.message}, {self.evaluations} runs of the "
                 "equations"),
                ("schedule", word if len(word) <= 60 else f"{word[:57]}...")]


def _range(values):
    return f"{values.min():.3g} to {values.max():.3g}"


def optimal_schedule(problem: Problem, start: OrderParameters | Weights, alpha: float, knots: int = 32,
                     bounds: Sequence[float | None] = (0.0, None), over: str = "xi_in", objective: str = "final",
                     weights: Sequence[float] | None = None) -> OptimalSchedule:
    """The schedule, piecewise linear in α, that leaves the least generalization error.

    Of a learning rate, of how often a sample is of the second of two tasks, or of how likely dropout keeps a unit; of
    the mean-field equations, with the exact gradient by their discrete adjoint, from the best constant value on, by the
    method L-BFGS-B of SciPy.

    Parameters
    ----------
    problem : Problem
        Of erf units, with the squared loss and real labels; what ``over`` names counts for nothing in it.  Its other
        numbers may be schedules, and other factors may be trained.
    start : OrderParameters or Weights
        Where learning begins; at an exactly symmetric start no rate makes a difference.
    alpha : float
        The end, in steps/N.
    knots : int, default 32
        Of the schedule, at equal distances, 0 and ``alpha`` among them.
    bounds : pair of float, default (0, None)
        Least and largest value; None where there is no largest one, which of shares is 1.
    over : {"xi_in", "task", "keep"}
        The learning rate of the input modes; the share of the second of two tasks, whose shares add up to 1; or the
        probability that a sample keeps a hidden unit, 1 − dropout.
    objective : {"final", "mean"}
        What is least: ε_g at ``alpha``, or its mean over [0, ``alpha``].  Of ``over`` = "keep" the first alone.
    weights : pair of float, default (1, 1)
        Of the errors of two tasks, whose weighted mean is ε_g here, with ``over`` = "task".

    Returns
    -------
    OptimalSchedule
        With the schedule, the problem that has it, and what it is better than; also where the optimisation has not
        converged, which ``converged`` says.

    Raises
    ------
    ParameterError
        If an argument is out of range or does not go with the problem, the objective falls below 1e-14, where its
        gradient is rounding, or the equations diverge at every constant value.
    EngineError
        If the drift has no compiled gradient (units other than erf, other losses or labels, a constraint, dropout
        that is not ``over``, inputs without independent entries), or more memory is needed than there is.

    Notes
    -----
    docs/theory, section 14.6.  The optimum is a local one; random starts at K = 2 and 3 led to no other rates.

    Examples
    --------
    >>> best = om.optimal_schedule(om.Problem(noise=0.1), om.initial.showcase(N=1000, seed=1), 100.0)  # doctest: +SKIP
    >>> run = om.simulate(best.problem, start, 100.0, "chain")                                        # doctest: +SKIP
    """
    checks.instance("problem", problem, Problem)
    over, objective = checks.choice("over", over, OVER), checks.choice("objective", objective, OBJECTIVES)
    overlaps = _checked_start(problem, start, over)
    if over == KEEP and objective != "final":
        raise ParameterError("over = 'keep' knows the error at the end alone; got objective = 'mean': leave it out")
    alpha, knots = checks.number("alpha", alpha, above=0.0), checks.integer("knots", knots, 2, MOST_KNOTS)
    limits, of_tasks = _checked_bounds(bounds, over), _checked_weights(weights, over)
    problem = _controlled(problem, over, 0.5).sampled(alpha)
    times = np.unique(_significant(np.linspace(0.0, alpha, knots)))
    times[-1] = alpha
    _check_memory(overlaps, alpha, over)
    search = _Search(problem, overlaps, times, limits, over, objective, of_tasks)
    constant = search.best_constant()
    values, converged, message = search.best_knots(constant)
    values = np.clip(_rounded(values, over), *limits)
    schedule, fine = _linear(times, values), search.fine
    path, best_constant = fine.path(values), fine.path(np.full(times.size, constant))
    stationary, greedy = (fine.stationary_rates(values, limits), fine.greedy(limits)) if over == RATE else (None, None)
    return OptimalSchedule(_controlled(problem, over, schedule), overlaps, over, schedule, objective, path,
                           best_constant, greedy, stationary, converged, message, search.evaluations)


class _Search:
    """The best constant value, and the best knots, with steps that are short enough for either."""

    def __init__(self, problem, start, times, bounds, over, objective, weights):
        self._make = lambda step: Control(problem, start, times, over, objective, step, weights)
        self._bounds, self._times, self._over = bounds, times, over
        self._past = 0
        self.coarse, self.fine = self._make(STEP), self._make(0.5 * STEP)

    @property
    def evaluations(self):
        """How often the equations were integrated."""
        return self._past + self.coarse.evaluations + self.fine.evaluations

    def best_constant(self):
        """The best constant value.

        Raises
        ------
        ParameterError
            If there is none that does not diverge.
        """
        from scipy.optimize import minimize_scalar

        def value(constant):
            return self.coarse.value(np.full(self._times.size, constant))

        scanned = self._scanned()
        values = [value(constant) for constant in scanned]
        best = int(np.argmin(values))
        if not np.isfinite(values[best]):
            raise ParameterError(f"the mean-field equations must not diverge at every constant {NAMES[self._over]}; "
                                 f"they do from {scanned[0]:.3g} to {scanned[-1]:.3g}: give lower bounds, or a smaller "
                                 "alpha")
        around = scanned[[max(best - 1, 0), min(best + 1, scanned.size - 1)]]
        if around[0] == around[1]:
            return float(scanned[best])
        found = minimize_scalar(lambda each: min(value(each), 1e3), bounds=around, method="bounded",
                                options={"xatol": 1e-4 * around[1]})
        constant = found.x if found.fun < values[best] else scanned[best]
        return float(np.clip(_rounded(constant, self._over), *self._bounds))

    def _scanned(self):
        """Constant values among which the best is looked for."""
        least, largest = self._bounds
        if self._over != RATE:
            return np.linspace(least, largest, SCANNED_SHARES)
        unit = self.coarse.first_greedy_rate((0.0, np.inf))
        rates = (unit if 0.0 < unit < np.inf else 1.0) * SCANNED
        return np.unique(np.clip(rates, max(least, min(rates[0], largest)), largest))

    def best_knots(self, constant):
        """The best values of the knots (k,), whether that has converged, and a message."""
        values = np.full(self._times.size, constant)
        unit = constant if self._over == RATE else 1.0
        while True:
            self._shorten_steps(values)
            values, converged, message = self._minimised(values, unit)
            if not self._shorten_steps(values):
                return values, converged, message

    def _minimised(self, values, unit):
        from scipy.optimize import minimize

        def scaled(knots):
            value, gradient = self.coarse.value_and_gradient(unit * knots)
            return value, unit * gradient

        least, largest = (None if not np.isfinite(bound) else bound / unit for bound in self._bounds)
        bounds = [(least, largest)] * self._times.size
        found = minimize(scaled, values / unit, jac=True, method="L-BFGS-B", bounds=bounds,
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


def _checked_start(problem, start, over):
    """The overlaps that learning begins from, where the problem is one that can be optimised."""
    if not isinstance(start, (OrderParameters, Weights)):
        raise ParameterError(f"start must be one start, Weights or OrderParameters; got {checks.one_line(start)}")
    if not problem.plain or method_of(problem) != ERF:
        raise EngineError("an optimal schedule needs the gradient of the drift, which is known for erf units that "
                          f"learn from erf units with the squared loss and real labels; got {problem.activation_words}"
                          f"{problem.label_words}: choose a schedule of your own (docs/howto/schedules.md)")
    if problem.constraint is not None:
        raise EngineError(f"an optimal schedule knows no constraints; got {problem.constraint!r}: leave it out, or "
                          "choose a schedule of your own")
    _check_tasks(problem, over)
    _check_dropout(problem, start, over)
    if problem.drifts:
        raise EngineError(f"an optimal schedule knows no teacher that drifts; got drift = {problem.drift:g}: leave it "
                          "out, or choose a schedule of your own")
    if over != RATE and not problem.trains:
        raise ParameterError(f"a problem must learn for its {NAMES[over]} to matter; got rates that are all 0: give "
                             "rates = LearningRates(xi_in=1.0)")
    require_inputs(problem.inputs, "ode", "independent")
    problem.check_start(start)
    return start.order_parameters() if isinstance(start, Weights) else start


def _check_tasks(problem, over):
    count = 1 if problem.tasks is None else problem.tasks.count
    if over == SHARE and count != 2:
        raise ParameterError(f"over = 'task' needs a problem with two tasks, Problem(tasks=Tasks((1, 1))); got {count}")
    if over != SHARE and count > 1:
        raise ParameterError(f"over = {over!r} is for one task; got {count}: give over = 'task', or take "
                             "problem.of_task(0)")


def _check_dropout(problem, start, over):
    others = replace(problem, dropout=0.0) if over == KEEP else problem
    if others.drops_out:
        raise EngineError(f"an optimal schedule of the {NAMES[over]} knows no dropout; got "
                          f"{others.dropout_words.removesuffix(', ')}: leave it out (that of hidden units is optimised "
                          "with over = 'keep')")
    if over == KEEP and start.K > MOST_UNITS:
        raise EngineError(f"over = 'keep' averages over all students that samples may have, of at most {MOST_UNITS} "
                          f"units; got {start.K}")


def _checked_bounds(bounds, over):
    given = checks.entries(bounds)
    if given is None or len(given) != 2 or isinstance(bounds, (str, dict)):
        raise ParameterError(f"bounds must be the least and the largest {NAMES[over]}, such as (0, 3) or (0, None); "
                             f"got {checks.one_line(bounds)}")
    most = None if over == RATE else 1.0
    least = checks.number("the lower bound", 0.0 if given[0] is None else given[0], 0.0, maximum=most)
    if given[1] is None:
        return least, np.inf if most is None else most
    return least, checks.number("the upper bound", given[1], above=least, maximum=most)


def _checked_weights(weights, over):
    if weights is None:
        return None
    if over != SHARE:
        raise ParameterError(f"weights are of the errors of two tasks, over = 'task'; got over = {over!r}: leave them "
                             "out")
    given = checks.entries(weights)
    if given is None or len(given) != 2 or isinstance(weights, (str, dict)):
        raise ParameterError(f"weights must be of two tasks, such as (1, 1); got {checks.one_line(weights)}")
    found = [checks.number("a weight", each, 0.0) for each in given]
    if sum(found) == 0.0:
        raise ParameterError("weights must not both be 0: give one that is positive")
    return found


def _controlled(problem, over, number):
    """The problem with this number, or schedule, where ``over`` says."""
    if over == RATE:
        return replace(problem, rates=replace(problem.rates, xi_in=number))
    if isinstance(number, Schedule):
        other = _linear(number.numbers[::2], np.round(1.0 - np.array(number.numbers[1::2]), DIGITS))
    else:
        other = 1.0 - number
    if over == KEEP:
        return replace(problem, dropout=other)
    return replace(problem, tasks=replace(problem.tasks, shares=(other, number), order=None, below=None))


def _linear(times, values):
    return Schedule.linear(dict(zip(np.asarray(times).tolist(), np.asarray(values).tolist())))


def _rounded(values, over):
    """To so many digits that a schedule can be read and typed."""
    return _significant(values) if over == RATE else np.round(values, DIGITS)


def _significant(values):
    values = np.asarray(values, float)
    size = np.where(values == 0.0, 1.0, np.abs(values))
    power = 10.0 ** (DIGITS - 1 - np.floor(np.log10(size)))
    return np.round(values * power) / power


def _check_memory(start, alpha, over):
    state = start.P * (start.P + 1) // 2 + start.P * (start.M + 1) + start.K * (start.P + 1)
    parts = {RATE: 1, SHARE: 2, KEEP: 2**start.K}[over]
    needed = too_large(3.0 * (alpha / STEP) * 8 * (6 * state + 16 * parts))
    if needed is not None:
        raise EngineError(f"the gradient of a run to α = {alpha:g} needs about {needed}: give a smaller alpha")
