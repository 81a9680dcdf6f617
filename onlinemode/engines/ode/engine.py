"""Engine ``ode``: the mean-field equations (N → ∞), integrated by SciPy."""

import threading
import time

import numpy as np

from onlinemode import checks
from onlinemode.errors import EngineError, OnlineModeError
from onlinemode.inputs import require_independent
from onlinemode.replica_states import OVERLAPS, ReplicaState, ReplicaStates
from onlinemode.runtime.progress import Progress
from onlinemode.runtime.replicas import NEVER_BEGUN, NOTHING_TRAINED
from onlinemode.runtime.saved_times import save_times
from onlinemode.state import Weights
from onlinemode.theory.convergence import CONVERGED_ERROR, Convergence
from onlinemode.theory.cost import drift_seconds, integration_bytes, too_large
from onlinemode.theory.meanfield import MeanFieldDrift, is_closed
from onlinemode.theory.quadrature import DEFAULT_NODES, NODE_SEED
from onlinemode.trajectory import Status, Trajectory

OPTIONS = ("method", "rtol", "atol", "nodes", "node_seed")
DETERMINISTIC = True
MAKES_VECTORS = False
METHODS = ("LSODA", "DOP853", "RK45", "Radau", "BDF")

MOST_EVALUATIONS = 2_000_000  # a solver that needs more is stuck
LOOK_EVERY = 1000  # evaluations without a step: an explicit solver whose rates are not finite looks for one for ever
SECONDS_BETWEEN_REPORTS = 0.2


def default_tolerances(problem):
    """rtol and atol: 1e-9, 1e-12; for relu, whose right-hand side jumps, 1e-5, 1e-7 (theory.md, 2.6)."""
    return (1e-9, 1e-12) if problem.activations[0].smooth else (1e-5, 1e-7)


def check_options(problem, method="LSODA", rtol=None, atol=None, nodes=DEFAULT_NODES):
    """Raise ParameterError for a bad option; returns rtol, atol and nodes with their defaults filled in."""
    checks.choice("method", method, METHODS)
    usual_rtol, usual_atol = default_tolerances(problem)
    rtol = usual_rtol if rtol is None else checks.number("rtol", rtol, above=0.0, maximum=0.1)
    atol = usual_atol if atol is None else checks.number("atol", atol, above=0.0)
    return rtol, atol, checks.power_of_two("nodes", nodes, 64, 2**24)


def run(problem, starts, *, alpha, N, seed, replicas, first_replica, save_at, progress, stop, store_final=False,
        method="LSODA", rtol=None, atol=None, nodes=DEFAULT_NODES, node_seed=NODE_SEED):
    """Integrate the mean-field equations; see :func:`onlinemode.simulate` for the common arguments.

    The overlaps are all that there is to a state, which is kept with or without ``store_final``.

    Parameters
    ----------
    method : {"LSODA", "DOP853", "RK45", "Radau", "BDF"}, default "LSODA"
        The solver of SciPy.
    rtol, atol : float, optional
        Tolerances a step; by default 1e-9 and 1e-12; relu 1e-5 and 1e-7.
    nodes : int, default 2^14
        Quadrature nodes for relu and tanh, a power of 2.
    node_seed : int
        Another seed gives an independent set of nodes: the difference shows the quadrature's error.
    """
    from scipy import integrate

    require_independent(problem.inputs, "ode")
    rtol, atol, nodes = check_options(problem, method, rtol, atol, nodes)
    overlaps = [_overlaps(start) for start in starts]
    begin = starts[0].alpha if isinstance(starts[0], ReplicaState) else 0.0
    alphas, _ = save_times(save_at, alpha, N, whole_steps=False)
    _check_memory(problem, overlaps[0], method, len(alphas))
    if progress is not None:
        progress(Progress(begin, 0.0, 0, float("nan")))

    sizes = overlaps[0].K, overlaps[0].M, overlaps[0].P
    drift_class = MeanFieldDrift if drift_seconds(problem, *sizes, nodes) < 0.5 else _SlowDrift
    began = time.perf_counter()
    try:
        drift_class(problem, overlaps[0], nodes, node_seed).at_start()
    except KeyboardInterrupt:
        stop[0] = 1
    compiled_at = time.perf_counter()
    paths, outcomes, evaluations = [], [], 0
    for number, each in enumerate(overlaps):
        drift = drift_class(problem, each, nodes, node_seed)
        if stop[0]:
            outcomes.append((Status.INTERRUPTED, NEVER_BEGUN))
            paths.append(drift.layout.unpack(np.full((len(alphas), drift.layout.size), np.nan)))
            continue
        shown = None if progress is None else _share_of(progress, number, len(overlaps))
        drift.at_start()
        states = np.repeat(drift.full[None], len(alphas), 0)
        moving = np.full((len(alphas), drift.active.size), np.nan)
        status, message, used = Status.COMPLETED, NOTHING_TRAINED, 0
        if drift.active.size:
            status, message, used = _integrate(getattr(integrate, method), problem, drift, each, begin, alphas, rtol,
                                               atol, moving, shown, stop)
            states[:, drift.active] = moving
            states[np.isnan(moving).any(1)] = np.nan
        paths.append(drift.layout.unpack(states))
        outcomes.append((status, message))
        evaluations += used
        if shown is not None and not stop[0]:
            try:
                shown(Progress(alphas[-1], 1.0, 0, drift.last_error))
            except KeyboardInterrupt:
                stop[0] = 1
    ended = time.perf_counter()

    # contiguous, as they are when a file is read: products of matrices round differently in another layout
    parts = [np.ascontiguousarray(np.stack(part)) for part in zip(*paths)]
    quadrature = {} if is_closed(problem) else {"nodes": nodes, "node_seed": node_seed}
    return Trajectory(
        alpha=alphas, **dict(zip(OVERLAPS, parts)), problem=problem,
        initial=overlaps[0], end=ReplicaStates.of_rows(alphas, [0] * len(starts), dict(zip(OVERLAPS, parts))),
        status=[status for status, _ in outcomes], message=[message for _, message in outcomes],
        meta={"N": N, "device": "cpu", "precision": "float64", "steps": [0] * len(starts), "method": method,
              "rtol": rtol, "atol": atol, "evaluations": evaluations, **quadrature,
              "seconds_compile": compiled_at - began, "seconds_run": ended - compiled_at})


def _check_memory(problem, start, method, saved):
    """Raise EngineError if the solver's matrices cannot fit into memory."""
    needed = too_large(integration_bytes(problem, start.K, start.M, start.P, method, saved))
    if needed:
        raise EngineError(f"the mean-field equations for K = {start.K}, M = {start.M}, P = {start.P} need about "
                          f"{needed}, with method {method}: take fewer units or modes, or method DOP853, which needs "
                          "no matrices")


def _overlaps(start):
    if isinstance(start, ReplicaState):
        return start.overlaps
    return start.order_parameters() if isinstance(start, Weights) else start


def _share_of(progress, number, count):
    """A callback for one of several integrations that reports the share of all."""
    return lambda report: progress(report._replace(fraction=(number + report.fraction) / count))


def _integrate(solver_class, problem, drift, overlaps, begin, alphas, rtol, atol, moving, progress, stop):
    """Fill the rows of ``moving``, from the time ``begin`` on; Ctrl-C sets ``stop``.

    Returns status, message and the number of evaluations.
    """
    from onlinemode.kernels.rule.step import DIVERGENCE_LIMIT

    saved = int(np.searchsorted(alphas, begin, side="right"))
    start, last = drift.full[drift.active], alphas[-1]
    moving[:saved] = start
    convergence = Convergence(problem, drift, overlaps, last, rtol, atol)
    rate = _Watched(drift, begin, last, progress)
    with np.errstate(all="ignore"):
        if convergence.reached(start, begin, 0):
            return _converged(moving, saved, start, begin, 0)
        if saved == len(alphas):
            return Status.COMPLETED, "reached the last α", 0
        try:
            solver = solver_class(rate, begin, start, last, rtol=rtol, atol=atol)
            while solver.status == "running":
                complaint = solver.step()
                if solver.status == "failed" or not np.all(np.isfinite(solver.y)):
                    return _broken(rate, solver.y, complaint)
                rate.reached = solver.t
                reached = int(np.searchsorted(alphas, solver.t, side="right"))
                if reached > saved:
                    moving[saved:reached] = solver.dense_output()(alphas[saved:reached]).T
                    saved = reached
                if not drift.last_error < 0.5 * DIVERGENCE_LIMIT**2:
                    return _broken(rate, solver.y, None)
                if convergence.reached(solver.y, solver.t, rate.evaluations):
                    return _converged(moving, saved, solver.y, solver.t, rate.evaluations)
        except KeyboardInterrupt:
            stop[0] = 1
            message = f"stopped by the user at α = {rate.reached:.6g}; later times are NaN"
            return Status.INTERRUPTED, message, rate.evaluations
        except (_Stuck, np.linalg.LinAlgError, ValueError, ArithmeticError, Warning) as problem:
            if isinstance(problem, OnlineModeError):
                raise
            return _broken(rate, rate.state, str(problem))
    return Status.COMPLETED, "reached the last α", rate.evaluations


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
    """

    def __init__(self, drift, begin, last, progress):
        self._drift, self._begin, self._last, self._progress = drift, begin, last, progress
        self.evaluations, self.reached, self.state = 0, begin, drift.full[drift.active]
        self._reached_at_look = None
        self._reported = time.perf_counter()

    @property
    def last_error(self):
        """ε_g there."""
        return self._drift.last_error

    def __call__(self, _, y):
        if self.evaluations >= MOST_EVALUATIONS:
            raise _Stuck(f"more than {MOST_EVALUATIONS:,} evaluations")
        self.evaluations += 1
        self.state = y
        value = self._drift(y)
        if self.evaluations % LOOK_EVERY == 0:
            if self.reached == self._reached_at_look and not np.all(np.isfinite(value)):
                raise _Stuck("rates that are not finite at any step")
            self._reached_at_look = self.reached
        if self._progress is not None and time.perf_counter() - self._reported > SECONDS_BETWEEN_REPORTS:
            self._reported = time.perf_counter()
            share = (self.reached - self._begin) / (self._last - self._begin)
            self._progress(Progress(self.reached, share, 0, self._drift.last_error))
        return value


class _SlowDrift(MeanFieldDrift):
    """A drift that takes seconds: evaluated in a thread that nobody waits for after Ctrl-C."""

    def __call__(self, y):
        result = []
        worker = threading.Thread(target=lambda: result.append(super(_SlowDrift, self).__call__(y)), daemon=True)
        worker.start()
        while worker.is_alive():
            worker.join(0.1)
        return result[0]


def _converged(moving, saved, state, alpha, evaluations):
    moving[saved:] = state
    message = (f"ε_g fell below {CONVERGED_ERROR:g}, and at α = {alpha:.6g} what is left to move below the tolerance; "
               "the last state is held from there on")
    return Status.CONVERGED, message, evaluations


def _broken(rate, state, complaint):
    """Divergence if the state left all bounds, else a failure of the solver."""
    finite = np.all(np.isfinite(state)) and np.isfinite(rate.last_error)
    if complaint is None or not finite or rate.last_error > 1e6:
        message = f"diverged at α = {rate.reached:.6g}: lower the learning rates (or noise); later times are NaN"
        return Status.DIVERGED, message, rate.evaluations
    message = (f"the solver gave up at α = {rate.reached:.6g} ({complaint}): try another method, a larger rtol or "
               "lower learning rates; later times are NaN")
    return Status.FAILED, message, rate.evaluations
