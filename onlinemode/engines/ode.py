"""Engine ``ode``: the mean-field equations (N → ∞), integrated by SciPy."""

import time

import numpy as np

from onlinemode import checks
from onlinemode.engines.grid import save_times
from onlinemode.engines.progress import Progress
from onlinemode.engines.replicas import NEVER_BEGUN
from onlinemode.inputs import require_independent
from onlinemode.state import Weights
from onlinemode.theory.meanfield import CLOSED_FORM, MeanFieldDrift
from onlinemode.theory.quadrature import DEFAULT_NODES, NODE_SEED
from onlinemode.trajectory import Status, Trajectory

OPTIONS = ("method", "rtol", "atol", "nodes", "node_seed")
DETERMINISTIC = True
MAKES_VECTORS = False
METHODS = ("LSODA", "DOP853", "RK45", "Radau", "BDF")

CONVERGED_ERROR = 1e-12  # past it the solver works for nothing
MOST_EVALUATIONS = 2_000_000  # a solver that needs more is stuck
SECONDS_BETWEEN_REPORTS = 0.2


def default_tolerances(activation):
    """rtol and atol: 1e-9, 1e-12; for relu, whose right-hand side jumps, 1e-5, 1e-7 (theory.md, 2.6)."""
    return (1e-5, 1e-7) if activation == "relu" else (1e-9, 1e-12)


def check_options(problem, method="LSODA", rtol=None, atol=None, nodes=DEFAULT_NODES):
    """Raise ParameterError for a bad option; returns rtol, atol and nodes with their defaults filled in."""
    checks.choice("method", method, METHODS)
    usual_rtol, usual_atol = default_tolerances(problem.activation)
    rtol = usual_rtol if rtol is None else checks.number("rtol", rtol, above=0.0, maximum=0.1)
    atol = usual_atol if atol is None else checks.number("atol", atol, above=0.0)
    return rtol, atol, checks.power_of_two("nodes", nodes, 64, 2**24)


def run(problem, starts, *, alpha, N, seed, replicas, first_replica, save_at, progress, stop, method="LSODA",
        rtol=None, atol=None, nodes=DEFAULT_NODES, node_seed=NODE_SEED):
    """Integrate the mean-field equations; see :func:`onlinemode.simulate` for the common arguments.

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
    overlaps = [start.order_parameters() if isinstance(start, Weights) else start for start in starts]
    alphas, _ = save_times(save_at, alpha, N, whole_steps=False)
    if progress is not None:
        progress(Progress(0.0, 0.0, 0, float("nan")))

    began = time.perf_counter()
    MeanFieldDrift(problem, overlaps[0], nodes, node_seed).at_start()
    compiled_at = time.perf_counter()
    paths, outcomes, evaluations = [], [], 0
    for number, each in enumerate(overlaps):
        if stop[0]:
            outcomes.append((Status.INTERRUPTED, NEVER_BEGUN))
            paths.append([np.full_like(part, np.nan) for part in paths[-1]])
            continue
        shown = None if progress is None else _share_of(progress, number, len(overlaps))
        drift = MeanFieldDrift(problem, each, nodes, node_seed)
        drift.at_start()
        states = np.repeat(drift.full[None], len(alphas), 0)
        moving = np.full((len(alphas), drift.active.size), np.nan)
        status, message, used = Status.COMPLETED, "nothing is trained: the state is constant", 0
        if drift.active.size:
            status, message, used = _integrate(getattr(integrate, method), problem, drift, alphas, rtol, atol, moving,
                                               shown, stop)
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
    G, S, strengths, xi_out, readout = (np.ascontiguousarray(np.stack(part)) for part in zip(*paths))
    quadrature = {} if problem.activation in CLOSED_FORM else {"nodes": nodes, "node_seed": node_seed}
    return Trajectory(
        alpha=alphas, G=G, S=S, strengths=strengths, xi_out=xi_out, readout=readout, problem=problem,
        initial=overlaps[0], status=[status for status, _ in outcomes], message=[message for _, message in outcomes],
        meta={"N": N, "device": "cpu", "precision": "float64", "steps": [0] * len(starts), "method": method,
              "rtol": rtol, "atol": atol, "evaluations": evaluations, **quadrature,
              "seconds_compile": compiled_at - began, "seconds_run": ended - compiled_at})


def _share_of(progress, number, count):
    """A callback for one of several integrations that reports the share of all."""
    return lambda report: progress(report._replace(fraction=(number + report.fraction) / count))


def _integrate(solver_class, problem, drift, alphas, rtol, atol, moving, progress, stop):
    """Fill the rows of ``moving``; returns status, message and the number of evaluations; Ctrl-C sets ``stop``."""
    from onlinemode.kernels.rule import DIVERGENCE_LIMIT

    saved = int(np.searchsorted(alphas, 0.0, side="right"))
    moving[:saved] = drift.full[drift.active]
    last = alphas[-1]
    may_converge = problem.noise == 0.0 and problem.weight_decay == 0.0  # else ε_g = 0 is no fixed point
    if may_converge and drift.last_error < CONVERGED_ERROR:
        return _converged(moving, saved, moving[0] if saved else drift.full[drift.active], 0.0, 0, drift.last_error)
    if saved == len(alphas):
        return Status.COMPLETED, "reached the last α", 0

    with np.errstate(over="ignore", invalid="ignore"):
        solver = solver_class(lambda _, y: drift(y), 0.0, drift.full[drift.active], last, rtol=rtol, atol=atol)
        reported = time.perf_counter()
        try:
            while solver.status == "running":
                complaint = solver.step()
                if solver.status == "failed" or not np.all(np.isfinite(solver.y)):
                    return _broken(solver, drift, complaint)
                if solver.nfev > MOST_EVALUATIONS:
                    return _broken(solver, drift, f"more than {MOST_EVALUATIONS:,} evaluations")
                reached = int(np.searchsorted(alphas, solver.t, side="right"))
                if reached > saved:
                    moving[saved:reached] = solver.dense_output()(alphas[saved:reached]).T
                    saved = reached
                if not drift.last_error < 0.5 * DIVERGENCE_LIMIT**2:
                    return _broken(solver, drift, None)
                if may_converge and drift.last_error < CONVERGED_ERROR:
                    return _converged(moving, saved, solver.y, solver.t, solver.nfev, drift.last_error)
                if progress is not None and time.perf_counter() - reported > SECONDS_BETWEEN_REPORTS:
                    reported = time.perf_counter()
                    progress(Progress(solver.t, solver.t / last, 0, drift.last_error))
        except KeyboardInterrupt:
            stop[0] = 1
            message = f"stopped by the user at α = {solver.t:.6g}; later times are NaN"
            return Status.INTERRUPTED, message, solver.nfev
    return Status.COMPLETED, "reached the last α", solver.nfev


def _converged(moving, saved, state, alpha, evaluations, error):
    moving[saved:] = state
    if error > -CONVERGED_ERROR:
        message = f"ε_g fell below {CONVERGED_ERROR:g} at α = {alpha:.6g}; the last state is held from there on"
    else:  # ε_g cannot be negative: what is left of it is the error of the integration
        message = (f"ε_g fell below the integration error at α = {alpha:.6g}; the last state is held from there on: "
                   "a smaller rtol and atol follow it further")
    return Status.CONVERGED, message, evaluations


def _broken(solver, drift, complaint):
    """Divergence if the state left all bounds, else a failure of the solver."""
    finite = np.all(np.isfinite(solver.y)) and np.isfinite(drift.last_error)
    if complaint is None or not finite or drift.last_error > 1e6:
        message = f"diverged at α = {solver.t:.6g}: lower the learning rates (or noise); later times are NaN"
        return Status.DIVERGED, message, solver.nfev
    message = (f"the solver gave up at α = {solver.t:.6g} ({complaint}): try another method, a larger rtol or lower "
               "learning rates; later times are NaN")
    return Status.FAILED, message, solver.nfev
