"""Engine ``ode``: the mean-field equations (N → ∞), integrated by SciPy."""

import time

import numpy as np

from onlinemode.blocks import OF_GROUPS, OVERLAPS
from onlinemode.engines.base import Engine
from onlinemode.engines.ode.accuracy import quadrature_error_of, spectral_error_of
from onlinemode.engines.ode.compiled import COMPLAINT, Compiled, flow_of, in_thread
from onlinemode.engines.ode.exponential import Exponential
from onlinemode.engines.ode.options import CAPABILITIES, EXPONENTIAL, Options
from onlinemode.engines.ode.resolved import MORE_NODES, resolution_of
from onlinemode.errors import EngineError, OnlineModeError
from onlinemode.memory import too_large
from onlinemode.replica_states import ReplicaState, ReplicaStates
from onlinemode.run_info import RunInfo
from onlinemode.runtime.progress import Progress
from onlinemode.runtime.replicas import NEVER_BEGUN, NOTHING_TRAINED, waiting
from onlinemode.runtime.saved_times import save_times
from onlinemode.state import OrderParameters
from onlinemode.theory.averaging import NODES, sum_error
from onlinemode.theory.convergence import CONVERGED_ERROR, Convergence
from onlinemode.theory.cost import drift_seconds, integration_bytes
from onlinemode.theory.spectral import ShareLayout, participation, require_theory
from onlinemode.theory.task_drift import drift_of
from onlinemode.trajectory import Status, Trajectory

MOST_EVALUATIONS = 2_000_000  # a solver that needs more is stuck
STEPS_A_STRETCH = 8  # at least, between two breaks of schedules, so that none steps over what a schedule does there
LOOK_EVERY = 1000  # evaluations without a step: an explicit solver whose rates are not finite looks for one for ever
SECONDS_BETWEEN_REPORTS = 0.2
SLOW = 0.5  # seconds of a drift that is evaluated in a thread
A_DRIFT = 1e-6  # seconds of the shortest one
REACHED = "reached the last α"
TOO_MANY, NO_RATES = "more than {:,} evaluations", "rates that are not finite at any step"
HOPELESS_ERROR = 1e6  # a solver that gives up at such an ε_g met a divergence, though not yet its limit


def run(call, options):
    """Integrate the mean-field equations; the overlaps are all that there is to a state, which is kept always.

    Parameters
    ----------
    call : onlinemode.engines.base.Call
    options : onlinemode.engines.ode.options.Options

    Returns
    -------
    Trajectory
    """
    problem, progress, stop = call.problem, call.progress, call.stop
    require_theory(problem)
    given_spectrum = options.spectral_nodes, call.alpha, options.resolve
    resolutions = [resolution_of(start, problem, *given_spectrum, N=call.N) for start in call.starts]
    shares, groups = [each.shares for each in resolutions], resolutions[0].groups
    overlaps = [_overlaps(start, problem.inputs) for start in call.starts]
    begin = call.starts[0].alpha if isinstance(call.starts[0], ReplicaState) else 0.0
    alphas, _ = save_times(call.save_at, call.alpha, call.N, whole_steps=False)
    method = options.solver(problem, overlaps[0], shares[0])
    _check_memory(problem, overlaps[0], method, len(alphas), shares[0])
    if progress is not None:
        progress(Progress(begin, 0.0, 0, float("nan")))

    sizes = overlaps[0].K, overlaps[0].M, overlaps[0].P
    a_drift = drift_seconds(problem, *sizes, options.nodes, options.averages)
    make_drift = drift_of if a_drift < SLOW else _SlowDrift
    began = time.perf_counter()
    given = options.nodes, options.node_seed, options.averages
    directions = None if shares[0] is None else participation(*problem.inputs.eigenspaces(call.N))
    N = call.N if options.corrects(problem, directions) else None

    def drift_from(start, resolved):
        return (make_drift(problem, start, *given) if resolved is None else
                drift_of(problem, start, *given, resolved, N))

    drift = drift_from(overlaps[0], shares[0])
    _evaluate_once(drift, stop)
    if drift.active.size and (flow := flow_of(method, drift, begin, alphas[-1])) is not None:
        Compiled(flow, drift.full[drift.active], begin, alphas, 0).compile()
    compiled_at = time.perf_counter()
    paths, of_groups, outcomes, switches, evaluations, quadrature_error, spectral_error = [], [], [], [], 0, None, None
    for number, each in enumerate(overlaps):
        if number and not stop[0]:
            drift = drift_from(each, shares[number])
            _evaluate_once(drift, stop)
        if stop[0]:
            outcomes.append((Status.INTERRUPTED, NEVER_BEGUN))
            switches.append(np.full((len(alphas), problem.stages - 1), np.nan))
            unknown = np.full((len(alphas), drift.layout.size), np.nan)
            paths.append(drift.layout.unpack(unknown))
            of_groups.append(resolutions[0].overlaps(drift.layout, unknown))
            continue
        shown = None if progress is None else _share_of(progress, number, len(overlaps))
        states = np.repeat(drift.full[None], len(alphas), 0)
        status, message = Status.COMPLETED, NOTHING_TRAINED
        switched = np.full(problem.stages - 1, np.nan)
        if drift.active.size:
            integration = _Integration(problem, drift, each, options, method, begin, alphas, a_drift)
            status, message = integration.run(shown, stop)
            if status is Status.COMPLETED and len(integration.switched) < problem.stages - 1:
                message += waiting(problem, len(integration.switched))
            evaluations += integration.evaluations
            states[:, drift.active] = integration.moving
            states[np.isnan(integration.moving).any(1)] = np.nan
            switched[:len(integration.switched)] = integration.switched
            if number == 0 and drift.method == NODES and shares[0] is None and not stop[0]:
                if problem.stages > 1:
                    drift.begin_stage(0)
                other = make_drift(problem, each, options.nodes, options.node_seed + 1, options.averages)
                quadrature_error = quadrature_error_of(drift, other, options, alphas, integration.moving)
        paths.append(drift.layout.unpack(states))
        of_groups.append(resolutions[number].overlaps(drift.layout, states))
        switches.append(np.where(switched <= alphas[:, None], switched, np.nan))
        if number == 0 and drift.active.size and shares[0] is not None and not shares[0].exact and not stop[0]:
            finer = drift_from(each, resolution_of(call.starts[0], problem, *given_spectrum, MORE_NODES, call.N).shares)
            integration = _Integration(problem, finer, each, options, method, begin, alphas)
            if integration.run(None, stop)[0] != Status.INTERRUPTED:
                spectral_error = spectral_error_of(problem, each, finer, integration, paths[0])
        outcomes.append((status, message))
        if shown is not None and not stop[0]:
            try:
                shown(Progress(alphas[-1], 1.0, 0, drift.last_error))
            except KeyboardInterrupt:
                stop[0] = 1
    ended = time.perf_counter()

    # contiguous, as they are when a file is read: products of matrices round differently in another layout
    parts = [np.ascontiguousarray(np.stack(part)) for part in zip(*paths)]
    rtol, atol = options.tolerances(problem, shares[0] is not None)
    resolved = {} if shares[0] is None else {
        "spectral_nodes": len(shares[0].eigenvalues), "spectral_error": spectral_error,
        "participation": directions, "corrected": drift.corrected}
    by_group = {} if groups is None else dict(zip(OF_GROUPS, (np.ascontiguousarray(np.stack(part))
                                                              for part in zip(*of_groups))))
    quadrature = {"nodes": options.nodes, "node_seed": options.node_seed} if drift.method == NODES else {}
    return Trajectory(
        alpha=alphas, **dict(zip(OVERLAPS, parts)), **by_group, groups=groups, problem=problem,
        initial=overlaps[0], switches=np.stack(switches) if problem.stages > 1 else None,
        end=ReplicaStates.of_rows(alphas, [0] * len(paths), dict(zip(OVERLAPS, parts))),
        status=[status for status, _ in outcomes], message=[message for _, message in outcomes],
        info=RunInfo("ode", call.N, theory=True, steps=[0] * len(paths), method=method, rtol=rtol, atol=atol,
                     evaluations=evaluations, averages=drift.method, activation_error=sum_error(problem, drift.method),
                     quadrature_error=quadrature_error, **quadrature, **resolved, seconds_compile=compiled_at - began,
                     seconds_run=ended - compiled_at))


def _evaluate_once(drift, stop):
    """Compile it, so that the error at its start is known; Ctrl-C sets ``stop``."""
    try:
        drift.at_start()
    except KeyboardInterrupt:
        stop[0] = 1


def _check_memory(problem, start, method, saved, shares):
    """Raise EngineError if the solver's matrices cannot fit into memory."""
    L = 1 if shares is None else len(shares.eigenvalues)
    needed = too_large(integration_bytes(problem, start.K, start.M, start.P, method, saved, L))
    if needed:
        raise EngineError(f"the mean-field equations for K = {start.K}, M = {start.M}, P = {start.P} need about "
                          f"{needed}, with method {method}: take fewer units or modes, or method DOP853, which needs "
                          "no matrices")


def _overlaps(start, inputs):
    if isinstance(start, ReplicaState):
        return start.overlaps
    return start if isinstance(start, OrderParameters) else start.order_parameters(inputs)


def _share_of(progress, number, count):
    """A callback for one of several integrations that reports the share of all."""
    return lambda report: progress(report._replace(fraction=(number + report.fraction) / count))


class _Integration:
    """One integration, from the time ``begin`` on.

    Attributes
    ----------
    moving : array (n, d)
        The entries that move at the saved times; NaN where they are not known.
    evaluations : int
        Of the right-hand side.
    switched : list of float
        When turns of tasks ended that waited for an error.
    """

    def __init__(self, problem, drift, overlaps, options, method, begin, alphas, a_drift=0.0):
        self._drift, self._begin, self._alphas, self._a_drift = drift, begin, alphas, a_drift
        self._method = method
        resolved = isinstance(drift.layout, ShareLayout)
        self._rtol, self._atol = options.tolerances(problem, resolved)
        self._start, self._last = drift.full[drift.active], alphas[-1]
        self._breaks, self._scheduled = problem.breaks, problem.scheduled
        self._convergence = None if resolved else Convergence(problem, drift, overlaps, self._last, self._rtol,
                                                              self._atol)
        self._saved = int(np.searchsorted(alphas, begin, side="right"))
        self.moving = np.full((len(alphas), drift.active.size), np.nan)
        self.moving[:self._saved] = self._start
        self.evaluations, self.switched = 0, []
        self._levels = () if problem.stages == 1 else problem.tasks.below

    def run(self, progress, stop):
        """Status and message; Ctrl-C sets ``stop``."""
        rate = _Watched(self._drift, self._begin, self._last, self._breaks, self._scheduled, progress)
        with np.errstate(all="ignore"):
            try:
                return self._follow(rate)
            except KeyboardInterrupt:
                stop[0] = 1
                return Status.INTERRUPTED, f"stopped by the user at α = {rate.reached:.6g}; later times are NaN"
            except (_Stuck, np.linalg.LinAlgError, ValueError, ArithmeticError, Warning) as problem:
                if isinstance(problem, OnlineModeError):
                    raise
                return _broken(rate, rate.state, str(problem))
            finally:
                self.evaluations = rate.evaluations

    def _follow(self, rate):
        if self._converges(self._start, self._begin, 0):
            return self._converged(self._start, self._begin)
        if self._saved == len(self._alphas):
            return Status.COMPLETED, REACHED
        flow = flow_of(self._method, self._drift, self._begin, self._last)
        return self._solve(rate) if flow is None else self._make_steps(rate, flow)

    def _make_steps(self, rate, flow):
        """In steps that are compiled together with the drift."""
        from onlinemode.kernels.integrators import flow as ended
        from onlinemode.kernels.rule.step import DIVERGENCE_LIMIT

        pause = max(int(0.25 * SECONDS_BETWEEN_REPORTS / max(self._a_drift, A_DRIFT)), 1)
        steps = Compiled(flow, self._start, self._begin, self._alphas, self._saved)
        begin = self._begin
        while True:
            longest = (rate.until - begin) / STEPS_A_STRETCH if rate.scheduled else np.inf
            small, small_from = (-np.inf, 0) if self._convergence is None else self._convergence.next_look
            goal = ended.Goal(rate.until, self._rtol, self._atol, longest, pause, MOST_EVALUATIONS, small, small_from,
                              0.5 * DIVERGENCE_LIMIT**2, LOOK_EVERY)
            why = steps.advance(goal) if self._a_drift < SLOW else in_thread(steps.advance, goal)
            rate.evaluations, rate.reached, rate.state = steps.evaluations, steps.alpha, steps.y
            self.moving[self._saved:steps.saved] = steps.rows[self._saved:steps.saved]
            self._saved = steps.saved
            if why == ended.TOO_MANY:
                raise _Stuck(TOO_MANY.format(MOST_EVALUATIONS))
            if why == ended.NO_RATES:
                raise _Stuck(NO_RATES)
            if why in (ended.DIVERGED, ended.GAVE_UP):
                return _broken(rate, rate.state, None if why == ended.DIVERGED else COMPLAINT)
            rate.report()
            if self._converges(rate.state, rate.reached, rate.evaluations):
                return self._converged(rate.state, rate.reached)
            if why == ended.FINISHED:
                if rate.until == self._last:
                    return Status.COMPLETED, REACHED
                begin = rate.next_stretch()
                steps.begin_anew()

    def _solve(self, rate):
        """By a solver of SciPy, or exponential steps."""
        from scipy import integrate

        from onlinemode.kernels.rule.step import DIVERGENCE_LIMIT

        alphas = self._alphas

        def make_solver(begin, state):
            most = {"max_step": (rate.until - begin) / STEPS_A_STRETCH} if rate.scheduled else {}
            if self._method == EXPONENTIAL:
                return Exponential(rate, self._drift, begin, state, rate.until, alphas, self._rtol, self._atol, **most)
            return getattr(integrate, self._method)(rate, begin, state, rate.until, rtol=self._rtol, atol=self._atol,
                                                    **most)

        solver = make_solver(self._begin, self._start)
        while solver.status == "running" or rate.until < self._last:
            if solver.status == "finished":  # a break of a schedule: nothing that the solver knows holds beyond it
                solver = make_solver(rate.next_stretch(), solver.y)
            complaint = solver.step()
            if solver.status == "failed" or not np.all(np.isfinite(solver.y)):
                return _broken(rate, solver.y, complaint)
            if len(self.switched) < len(self._levels):
                switch = self._end_of_turn(solver)
                if switch is not None:
                    solver = make_solver(*switch)
                    continue
            rate.reached = solver.t
            reached = int(np.searchsorted(alphas, solver.t, side="right"))
            if reached > self._saved:
                self.moving[self._saved:reached] = solver.dense_output()(alphas[self._saved:reached]).T
                self._saved = reached
            if not self._drift.last_error < 0.5 * DIVERGENCE_LIMIT**2:
                return _broken(rate, solver.y, None)
            if self._converges(solver.y, solver.t, rate.evaluations):
                return self._converged(solver.y, solver.t)
        return Status.COMPLETED, REACHED

    def _end_of_turn(self, solver):
        """Time and state at which the error fell below its level in the last step, from where the next turn begins."""
        from scipy.optimize import brentq

        level, between = self._levels[len(self.switched)], solver.dense_output()

        def above(alpha):
            self._drift(between(alpha), alpha)
            return self._drift.last_error - level

        if above(solver.t) >= 0.0:
            return None
        begin = solver.t_old
        switch = begin if above(begin) < 0.0 else brentq(above, begin, solver.t, xtol=1e-12, rtol=1e-12)
        reached = int(np.searchsorted(self._alphas, switch, side="right"))
        if reached > self._saved:
            self.moving[self._saved:reached] = between(self._alphas[self._saved:reached]).T
            self._saved = reached
        self.switched.append(switch)
        self._drift.begin_stage(len(self.switched))
        return switch, between(switch)

    def _converges(self, state, alpha, evaluations):
        return self._convergence is not None and self._convergence.reached(state, alpha, evaluations)

    def _converged(self, state, alpha):
        self.moving[self._saved:] = state
        return Status.CONVERGED, (f"ε_g fell below {CONVERGED_ERROR:g}, and at α = {alpha:.6g} what is left to move "
                                  "below the tolerance; the last state is held from there on")


class _Stuck(Exception):
    """A solver that needs more evaluations than any run does."""


class _Watched:
    """The right-hand side as a solver calls it: counts, reports, and ends a solver that does not end by itself.

    Attributes
    ----------
    reached : float
        α of the last accepted step, for reports.
    state : array
        Where it was evaluated last.
    until : float
        The next break of a schedule, or the last α.
    scheduled : bool
        Whether numbers depend on α.
    """

    def __init__(self, drift, begin, last, breaks, scheduled, progress):
        self._drift, self._begin, self._last, self._progress = drift, begin, last, progress
        self._ends = [begin, *(each for each in breaks if begin < each < last), last]
        self.scheduled = scheduled
        self.next_stretch()
        self.evaluations, self.reached, self.state = 0, begin, drift.full[drift.active]
        self._reached_at_look = None
        self._reported = time.perf_counter()

    def next_stretch(self):
        """Go on to the stretch between the next two breaks, of which the beginning is returned."""
        begin = self._ends.pop(0)
        self.until = self._ends[0]
        # a schedule has its value after the jump at its beginning, and up to its end the one before the next jump
        self._latest = np.nextafter(self.until, begin)
        return begin

    @property
    def last_error(self):
        """ε_g there."""
        return self._drift.last_error

    def __call__(self, alpha, y):
        return self._evaluate(self._drift, alpha, y)

    def generator(self, alpha, y):
        """The same of what moves all shares alike, for exponential steps."""
        return self._evaluate(self._drift.generator, alpha, y)

    def _evaluate(self, function, alpha, y):
        if self.evaluations >= MOST_EVALUATIONS:
            raise _Stuck(TOO_MANY.format(MOST_EVALUATIONS))
        self.evaluations += 1
        self.state = y
        value = function(y, min(alpha, self._latest))
        if self.evaluations % LOOK_EVERY == 0:
            if self.reached == self._reached_at_look and not np.all(np.isfinite(value)):
                raise _Stuck(NO_RATES)
            self._reached_at_look = self.reached
        self.report()
        return value

    def report(self):
        """Tell the progress now and then."""
        if self._progress is not None and time.perf_counter() - self._reported > SECONDS_BETWEEN_REPORTS:
            self._reported = time.perf_counter()
            share = (self.reached - self._begin) / (self._last - self._begin)
            self._progress(Progress(self.reached, share, 0, self._drift.last_error))


class _SlowDrift:
    """A drift that takes seconds: evaluated in a thread that nobody waits for after Ctrl-C."""

    def __init__(self, *given):
        self._drift = drift_of(*given)

    def __getattr__(self, name):
        return getattr(self._drift, name)

    def __call__(self, y, alpha=0.0):
        return in_thread(self._drift, y, alpha)

    def at_start(self, alpha=0.0):
        return in_thread(self._drift.at_start, alpha)


def _broken(rate, state, complaint):
    """Divergence if the state left all bounds, else a failure of the solver."""
    finite = np.all(np.isfinite(state)) and np.isfinite(rate.last_error)
    if complaint is None or not finite or rate.last_error > HOPELESS_ERROR:
        message = f"diverged at α = {rate.reached:.6g}: lower the learning rates (or noise); later times are NaN"
        return Status.DIVERGED, message
    message = (f"the solver gave up at α = {rate.reached:.6g} ({complaint}): try another method, a larger rtol or "
               "lower learning rates; later times are NaN")
    return Status.FAILED, message


ENGINE = Engine("ode", Options, CAPABILITIES, run)
