"""The one entry point: run a problem from a start with an engine, and repeat a saved run."""

import platform
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from onlinemode import checks, initial
from onlinemode.activations import activation_of
from onlinemode.engines import get_engine
from onlinemode.engines.base import Call
from onlinemode.ensemble import PROBABILITIES, quantile_levels
from onlinemode.errors import EngineError, FileError, OnlineModeError, ParameterError, RepeatError
from onlinemode.initial import Start
from onlinemode.problem import Problem
from onlinemode.progress import shown
from onlinemode.run_checks import DAMAGED, check_start, sizes_of
from onlinemode.run_files import check_call
from onlinemode.run_info import RunInfo
from onlinemode.run_starts import read_start, resolved_student, start_arrays
from onlinemode.runtime.checkpoint import EVERY, Checkpoint, kernel_version, read_checkpoint
from onlinemode.runtime.parts import KEEP, run_in_parts
from onlinemode.runtime.saved_times import count_or_times, save_times
from onlinemode.runtime.starts import GoingOn, Starts
from onlinemode.trajectory import Trajectory

MAX_SEED = 2**64 - 1
MAX_REPLICAS = 2**24  # as many as random numbers tell apart
SHORTEST_ALPHA = 1e-50  # the solvers of SciPy do not return from shorter times


def simulate(problem: Problem, start: Start | Callable[[int], Start],
             alpha: float, engine: str = "micro", *, N: int | None = None, seed: int = 0, replicas: int = 1,
             keep: str = "all", save_at: int | ArrayLike = 200, progress: bool | Callable | None = None,
             store_weights: bool = False, store_final: bool = False,
             checkpoint: str | PathLike[str] | Checkpoint | None = None, checkpoint_every: float = EVERY,
             quantiles: ArrayLike = PROBABILITIES, **options: Any) -> Trajectory:
    """Let a student learn and return its trajectory.

    Parameters
    ----------
    problem : Problem
        What is learned and how.
    start : Weights, OrderParameters, ResolvedOverlaps or callable
        Weights may go to any engine.  OrderParameters go to "ode", "chain" and "leap"; "micro" makes
        N-vectors that have exactly these overlaps.  ResolvedOverlaps are for inputs with a covariance, in "ode" and
        "chain".  A callable is given the number of a replica, 0,
        1, ..., and returns the start of that replica alone, always the same for the same number;
        the teacher must be common, for example
        ``lambda r: om.initial.paper(30, student_seed=r)``.
    alpha : float
        Last time, α = steps/N, at least 1e-50.  To go beyond it later, see :func:`onlinemode.go_on`: a new run from the
        last state of this one, with the same seed, would learn from the same samples again.
    engine : {"micro", "chain", "leap", "ode"}, default "micro"
        "micro": online SGD on N-vectors; "chain": the exact Markov chain of the overlaps; "leap": its diffusion
        approximation for N ≥ 1000, many steps at once, whose cost does not grow with N; "ode": the mean-field
        equations, N → ∞.
    N : int, optional
        Number of inputs; needed by "micro", "chain" and "leap" from OrderParameters, otherwise that of the
        weights.
    seed : int, default 0
        Key of the random samples, 0 to 2^64 − 1.
    replicas : int, default 1
        Runs with different samples, from the same start unless ``start`` is a callable.  "ode" has
        one replica a start.
    keep : {"all", "summary"}, default "all"
        "summary": keep the first five replicas one by one and of all the others only the statistics,
        ``run.ensemble``; for large ensembles.
    save_at : int or array, default 200
        A count (α = 0, then log-spaced from one step to ``alpha``; besides where tasks switch, at most as many times)
        or ascending values of α.  At finite N they are rounded to whole steps, and a step is saved once, however many
        of them fall on it: ``run.alpha`` may be shorter.
    progress : bool or callable, optional
        True: a progress bar, in terminals and notebooks. A callable is called with a
        :class:`~onlinemode.runtime.progress.Progress`: once when the arguments have been checked, before
        anything is compiled, and then several times a second.
    store_weights : bool, default False
        Keep the initial weights in the trajectory (and its file).
    store_final : bool, default False
        Keep where every replica ends where that is large, so that the run can go on
        (:func:`onlinemode.go_on`): the vectors of micro, all replicas of keep = "summary".  Otherwise chain,
        leap and ode keep it anyway.
    checkpoint : str or path, optional
        Of micro, chain and leap: write the unfinished run to this file now and then, and when it is stopped;
        :func:`resume` goes on from there.
    checkpoint_every : float, default 300
        Seconds between two checkpoints.
    quantiles : sequence of float, default 0.025, 0.25, 0.5, 0.75, 0.975
        Probabilities of the quantiles over replicas in ``run.ensemble``, ascending.
    **options
        Those of the engine: of :class:`micro <onlinemode.engines.micro.options.Options>` ``precision``, ``device``,
        ``threads``, ``test_samples``; of :class:`chain <onlinemode.engines.chain.options.Options>` ``device``,
        ``threads``; of :class:`leap <onlinemode.engines.leap.options.Options>` ``threads``, ``kick_samples``; of
        :class:`ode <onlinemode.engines.ode.options.Options>` ``method``, ``rtol``, ``atol``,
        ``averages``, ``nodes``, ``node_seed``.

    Returns
    -------
    Trajectory
        A run that diverges or is interrupted (Ctrl-C) is returned as well, with its status, a
        message and NaN from there on.  Where nothing is trained (all rates and the weight decay 0), no
        step is made, and the message says so.

    Raises
    ------
    ParameterError, EngineError
        If an argument is out of range or not one that the engine understands.
    FileError
        If the checkpoint cannot be written where it should be.

    Notes
    -----
    micro: docs/theory, section 3; chain: docs/theory, section 7; leap: docs/theory, section 20; ode: docs/theory,
    sections 2.2 to 2.6.  Which
    results are equal to the bit, and where: docs/theory, section 4.5.
    """
    checks.number("checkpoint_every", checkpoint_every, above=0.0)
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(checkpoint, checkpoint_every)
    checks.instance("problem", problem, Problem)
    starts = start if isinstance(start, GoingOn) else Starts(start, problem.inputs)
    problem.check_start(starts.first)
    _check_teacher(problem, starts.first)
    made_by = get_engine(engine)
    can, known = made_by.capabilities, made_by.Options.names()
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise EngineError(f"engine {engine} has no option {unknown[0]!r}; it has {', '.join(known)}")
    alpha = check_alpha(alpha)
    if starts.resolved and problem.constraint is not None and starts.first.multiplicities.sum() < starts.N:
        raise ParameterError("lengths on a sphere count directions of no variance, too, which overlaps do not tell; "
                             f"got ResolvedOverlaps and {problem.inputs!r}: start from Weights")
    problem = problem.sampled(alpha)
    seed = checks.integer("seed", seed, 0, MAX_SEED)
    replicas = checks.integer("replicas", replicas, 1, MAX_REPLICAS)
    if can.theory and replicas > 1 and not starts.differ:
        raise EngineError(f"engine {engine} is deterministic and has one replica a start; got replicas = {replicas}: "
                          "leave it out")
    checks.choice("keep", keep, KEEP)
    quantiles = quantile_levels(quantiles)
    if N is not None:
        N = checks.inputs(N)
    if starts.N is not None:
        if N is not None and N != starts.N:
            of = "overlaps" if starts.resolved else "weights"
            raise ParameterError(f"N must be that of the {of}, {starts.N}; got {N}: leave it out")
        N = starts.N
    going_on = starts.states is not None
    if going_on and problem.stages > 1:
        raise ParameterError("tasks that wait for an error begin with their first turn, and a run that goes on is in "
                             "one of them: give shares or times, such as problem.stage(1) or Tasks.in_turn")
    if starts.states is not None and can.theory and "T" in starts.states.overlaps:
        raise EngineError("the mean-field equations hold where a drifting teacher has the overlaps of its beginning, "
                          "and at finite N it has others by now: start ode from run.initial")
    if starts.N is None and N is not None and not can.theory and not going_on:
        starts.in_dimensions(N)
    store_weights, store_final = checks.flag("store_weights", store_weights), checks.flag("store_final", store_final)
    if store_weights and not starts.vectors and not going_on:
        raise ParameterError(f"store_weights needs a start that is Weights; got {type(starts.first).__name__} (always "
                             "stored)")
    if store_weights and starts.differ and not going_on:
        raise ParameterError("store_weights needs one start for all replicas; got a callable: leave it out, recipes of "
                             "onlinemode.initial are stored anyway")

    if checkpoint is not None and not can.checkpoints:
        raise EngineError(f"engine {engine} has no checkpoints: its runs are short; leave checkpoint out")

    if problem.switches and count_or_times(save_at).ndim == 0:
        save_at, _ = save_times(save_at, alpha, N, not can.theory, problem.switches)
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in options.items()}
    call = {"alpha": alpha, "engine": engine, "N": N, "seed": seed, "replicas": replicas, "keep": keep,
            "save_at": count_or_times(save_at).tolist(), "quantiles": list(quantiles), "store_final": store_final,
            **plain}
    if checkpoint is not None:
        checkpoint.begin(*_identity(problem, starts, call, store_weights))
    with shown(progress) as report:
        made_call = Call(problem, alpha, N, seed, replicas, save_at, report, np.zeros(1, np.uint8), checkpoint,
                         store_final)
        run = run_in_parts(made_by, made_call, made_by.Options(**options), starts, keep, quantiles)
    if "device" in call:
        call["device"] = run.info.device  # of "auto" what it was
    run.info = replace(run.info, seed=seed, call=call, start=starts.describe(), versions=_versions(),
                       date=datetime.now(UTC).isoformat(timespec="seconds"))
    if going_on:
        run.info = replace(run.info, steps_before=[starts.steps] * len(starts.states))  # type: ignore[arg-type]
        if store_weights or not can.makes_vectors:
            run.begin = starts.states
    elif store_weights:
        run.weights = start
    if starts.resolved:
        run.initial_resolved = starts.first
    return run


def _check_teacher(problem, start):
    """Warn where the units of a start would say a polynomial with another activation than that of the problem."""
    origin = getattr(start, "origin", None) or {}
    needed = origin.get("arguments", {}).get("activation")
    if origin.get("name") == "polynomial_teacher" and activation_of(needed) != problem.activations[1]:
        warnings.warn(f"the teacher of this start says its polynomial with the activation {needed}, and that of the "
                      f"problem has {problem.activations[1]}: it says something else. Give the problem "
                      f"teacher_activation = {needed!r}", RuntimeWarning, stacklevel=3)


def check_alpha(alpha):
    """The last time as a float.

    Raises
    ------
    ParameterError
    """
    alpha = checks.number("alpha", alpha, above=0.0)
    if alpha < SHORTEST_ALPHA:
        raise ParameterError(f"alpha must be at least {SHORTEST_ALPHA:g}; got {alpha:g}")
    return alpha


def repeat(run: Trajectory, progress: bool | Callable | None = None) -> Trajectory:
    """Make a saved run again from what its file holds.

    Parameters
    ----------
    run : Trajectory
        For example ``onlinemode.load("run.npz")``.
    progress : bool or callable, optional
        As in :func:`simulate`.

    Returns
    -------
    Trajectory
        With the same version of the package on the same kind of machine, equal to ``run`` to the bit.

    Raises
    ------
    RepeatError
        If the run began from the user's own weights, or goes on from another one, and these weights were
        not stored; or if the data set that it drew its inputs from is not there.
    ParameterError, EngineError
        If this version refuses what made the run, or it was made on a device and there is none.
    """
    checks.instance("run", run, Trajectory)
    try:
        run.problem.inputs.available()
    except FileError as problem:
        raise RepeatError(f"this run cannot be repeated: {problem}") from None
    call = dict(run.info.call)
    if run.info.start["kind"] == "weights":
        call["N"] = None
    stored = run.weights is not None or run.begin is not None
    return simulate(run.problem, rebuilt_start(run), progress=progress, store_weights=stored, **call)


def resume(path: str | PathLike[str], progress: bool | Callable | None = None,
           checkpoint: str | PathLike[str] | None = None, checkpoint_every: float | None = None) -> Trajectory:
    """Go on with a run from its checkpoint; the result is that of the run without a break, to the bit.

    Parameters
    ----------
    path : str or path
        What ``simulate(..., checkpoint=path)`` wrote.
    progress : bool or callable, optional
        As in :func:`simulate`.
    checkpoint : str or path, optional
        Where to write further checkpoints; by default to the same file.
    checkpoint_every : float, optional
        Seconds between them; by default as before.

    Returns
    -------
    Trajectory
        As the run without a break would have returned it.

    Raises
    ------
    FileError
        If the file is missing, damaged, no checkpoint, or of another version of the kernels.
    RepeatError
        If its start cannot be made again.
    ParameterError, EngineError
        If ``checkpoint_every`` is out of range, or the run was made on a device and there is none.
    """
    restored = read_checkpoint(path)
    header = restored["header"]
    if header["kernels"] != kernel_version():
        raise FileError(f"{path} was written by other kernels (onlinemode {header['versions']['onlinemode']}) than "
                        f"those installed (onlinemode {_versions()['onlinemode']}), so the bits would differ; resume "
                        "it with that version, or start anew")
    problem, start = start_in_checkpoint(path, restored)
    watched = _Watched(progress) if callable(progress) else None
    with _telling_of_damage(path, watched):
        call = dict(header["call"])
        if header["start"]["kind"] == "weights":
            call["N"] = None
        place = path if checkpoint is None else checkpoint
        every = header["every"] if checkpoint_every is None else checkpoint_every
        return simulate(problem, start, progress=watched or progress, store_weights=header["store_weights"],
                        checkpoint=Checkpoint(place, every, header["note"], restored), **call)


class _Watched:
    """A callback that remembers its own error."""

    def __init__(self, callback):
        self._callback, self.problem = callback, None

    def __call__(self, report):
        try:
            return self._callback(report)
        except Exception as problem:
            self.problem = problem
            raise


@contextmanager
def _telling_of_damage(path, callback=None):
    try:
        yield
    except DAMAGED as damage:
        if isinstance(damage, OnlineModeError) or (callback is not None and damage is callback.problem):
            raise
        raise FileError(f"cannot resume {path}: an entry is missing or damaged ({damage!s:.120}); start the run "
                        "anew") from None


def _identity(problem, starts, call, store_weights):
    """What a checkpoint says about the call, and the arrays from which the start can be made again."""
    starts.complete(call["replicas"])
    replica = starts.without_recipe()
    if replica is not None:
        raise ParameterError("a checkpoint needs starts that can be made again from their recipe; got vectors of the "
                             f"user's own from start({replica}): use onlinemode.initial, give their order_parameters() "
                             "to engine chain, or run without a checkpoint")
    header = {"problem": problem.to_dict(), "call": call, "start": starts.describe(), "store_weights": store_weights,
              "versions": _versions(), "kernels": kernel_version()}
    if starts.states is not None:
        return header, start_arrays(starts.overlaps(), starts.arrays(), None, starts.states)
    own = store_weights or (starts.vectors and not starts.differ and starts.first.origin is None)
    return header, start_arrays(starts.overlaps(), starts.arrays(), starts.first if own else None,
                                resolved=starts.first if starts.resolved else None)


def start_in_checkpoint(path, restored=None):
    """Problem and start of the run in a checkpoint; ``restored`` is what :func:`read_checkpoint` gave, if it was read.

    Raises
    ------
    FileError, RepeatError
    """
    restored = read_checkpoint(path) if restored is None else restored
    nothing = np.empty(0)
    with _telling_of_damage(path):
        header = restored["header"]
        begin = read_start(restored["start_arrays"], header["start"].get("origin"))
        call = header["call"]
        check_call(call)
        check_start(header["start"], call["replicas"], sizes_of(begin["initial"], call["N"]))
        _check_part(header, call["replicas"])
        record = Trajectory(alpha=nothing, G=nothing, S=nothing, strengths=nothing, xi_out=nothing, readout=nothing,
                            problem=Problem.from_dict(header["problem"]), status=[], message=[],
                            info=RunInfo(call["engine"], call["N"], start=header["start"],
                                         versions=header["versions"]), **begin)
        return record.problem, rebuilt_start(record)


def _check_part(header, replicas):
    """Raise ValueError unless the part under way lies among so many replicas, behind those that are finished."""
    part, finished = header["part"], len(header["finished"].get("status", ()))
    if part["first"] != finished or finished + part["count"] > replicas:
        raise ValueError(f"{part['count']} replicas from number {part['first']} on, after {finished} of {replicas}")


def rebuilt_start(run):
    """The start of a saved run, a callable where replicas have their own, or a GoingOn."""
    recorded = run.info.start
    if recorded["kind"] == "task":
        raise RepeatError(f"this is task {recorded['task']} of a run of several, which alone was learned: repeat the "
                          "run itself")
    if recorded["kind"] == "states":
        if run.begin is None:
            raise RepeatError(f"this run goes on from another one at α = {recorded['alpha']:.6g}, from vectors that "
                              "its file does not hold, so it cannot be repeated; make such runs with "
                              "go_on(..., store_weights=True), or join the pieces")
        return GoingOn(run.begin, run.initial, run.N, recorded["origin"], run.began_together)
    if recorded["kind"] == "overlaps":
        return run.initial if run.starts is None else run.start_of
    if recorded["kind"] == "resolved":
        if run.initial_resolved is None:
            raise ValueError("a start by eigenvalues without its shares")
        if run.starts is None:
            return run.initial_resolved
        return lambda replica: resolved_student(run.initial_resolved, run.starts, replica)
    if run.weights is not None:
        return run.weights
    if run.starts is None:
        return _rebuild_weights(run, recorded, 0)
    return lambda replica: _rebuild_weights(run, {"origin": recorded["origins"][replica],
                                                  "fingerprint": recorded["fingerprints"][replica]}, replica)


def _rebuild_weights(run, recorded, replica):
    if recorded["origin"] is None and run.starts is not None:
        raise RepeatError(f"replica {replica} of this run began from weights of your own (SHA-256 "
                          f"{recorded['fingerprint'][:16]}...) that its file does not hold, so it cannot be repeated; "
                          "draw them with onlinemode.initial, or start from their order_parameters()")
    if recorded["origin"] is None:
        raise RepeatError(f"this run began from weights of your own (SHA-256 {recorded['fingerprint'][:16]}...) that "
                          "its file does not hold, so it cannot be repeated; save such runs with store_weights=True")
    make = getattr(initial, recorded["origin"]["name"])
    weights = make(**recorded["origin"]["arguments"])
    if weights.fingerprint() != recorded["fingerprint"]:
        drawn = weights.order_parameters(run.problem.inputs)
        if not drawn.is_close(run.start_of(replica), rtol=0.0, atol=1e-9):
            raise RepeatError(f"the recipe {recorded['origin']['name']} does not give the weights of this file: they "
                              "were changed after they were drawn, or drawn by another version (onlinemode "
                              f"{run.info.versions['onlinemode']}, NumPy {run.info.versions['numpy']}); "
                              "save such runs with store_weights=True")
    return weights


@lru_cache(maxsize=1)
def _installed():
    """Versions that are looked up on disk, once a process."""
    return {name: version(name) for name in ("numpy", "numba", "scipy")}


def _versions():
    from onlinemode import __version__

    return {"onlinemode": __version__, "python": platform.python_version(),
            **_installed(), "machine": platform.machine()}
