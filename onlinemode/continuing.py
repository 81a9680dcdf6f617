"""Going on: from the end of a run with its steps and its samples, and pieces put together."""

from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from onlinemode import checks
from onlinemode.blocks import OF_GROUPS, OVERLAPS
from onlinemode.engines import capabilities_of, get_engine
from onlinemode.ensemble import PROBABILITIES, Ensemble
from onlinemode.errors import EngineError, ParameterError
from onlinemode.problem import Problem
from onlinemode.replica_states import ReplicaStates
from onlinemode.runtime.checkpoint import EVERY
from onlinemode.runtime.saved_times import later_times
from onlinemode.runtime.starts import GoingOn
from onlinemode.simulation import rebuilt_start, simulate
from onlinemode.theory.spectral import require_theory
from onlinemode.trajectory import Trajectory


def go_on(run: Trajectory, alpha: float, *, save_at: int | ArrayLike = 200, problem: Problem | None = None,
          engine: str | None = None, progress: bool | Callable | None = None, store_weights: bool = False,
          store_final: bool | None = None, checkpoint: str | PathLike[str] | None = None,
          checkpoint_every: float = EVERY, **options: Any) -> Trajectory:
    """Go on with a run from where it ended, to a later time.

    Steps and random numbers go on, too: with the same problem and the same saved times, a run in
    pieces is the run in one piece.  micro, chain and leap are equal to it to the bit (the chain to rounding
    where one piece has more than 2·10^7 steps and another less, since it then runs other machine
    code; leap to about 1/N² where numbers are schedules); ode starts its solver anew, and is equal to the tolerance.

    Parameters
    ----------
    run : Trajectory
        Completed, or interrupted: then it goes on from where it was stopped, if all replicas were stopped at
        one step (else resume a checkpoint).  None may have diverged.  micro needs the vectors,
        ``simulate(..., store_final=True)``, and so does a run with ``keep="summary"``.
    alpha : float
        Last time, counted from the run's own beginning.
    save_at : int or array, default 200
        A count (log-spaced from the end of ``run`` to ``alpha``), or ascending values of α, counted
        from the run's own beginning.  The end of ``run`` is saved first in any case.
    problem : Problem, optional
        Other rates, schedules, noise, weight decay or activation from here on; schedules count from the run's own
        beginning.  To the bit the same as one piece with these numbers in a schedule of steps; of the chain where the
        pieces meet at a step whose number is a multiple of four, with mini-batches of n samples of ⌊4/n⌋.  Batch and
        inputs must be those of the run, to which its samples and overlaps belong.
    engine : {"ode"}, optional
        The mean-field equations from the final overlaps instead of the run's own engine.
    progress : bool or callable, optional
        As in :func:`onlinemode.simulate`.
    store_weights : bool, default False
        Of micro: keep the vectors at the beginning of this piece, so that it can be repeated from its
        file; chain and ode keep what they need.
    store_final : bool, optional
        By default as the run did.
    checkpoint : str or path, optional
        As in :func:`onlinemode.simulate`.
    checkpoint_every : float, default 300
        Seconds between two checkpoints.
    **options
        ``threads`` and ``resolve``; ode: its options.  The others are those of the run.

    Returns
    -------
    Trajectory
        Of the new piece alone; ``run.alpha[0]`` is the end of ``run``.  ``meta["steps"]`` counts from
        the run's own beginning, ``meta["steps_before"]`` are those of the earlier pieces.
        :func:`join` puts pieces together.

    Raises
    ------
    ParameterError, EngineError
        If the run has no end to go on from, as one of ode whose inputs have a covariance, or an argument is out of
        range.
    FileError
        If the checkpoint cannot be written where it should be.
    """
    if not isinstance(run, Trajectory):
        raise ParameterError(f"run must be a Trajectory, such as load('run.npz'); got {type(run).__name__}")
    own = run.info.engine
    if engine is not None and not (isinstance(engine, str) and engine == own) and not capabilities_of(engine).theory:
        raise EngineError(f"engine must be that of the run, {own}, or ode; got {engine!r}: start anew from run.final, "
                          "with another seed")
    engine = own if engine is None else engine
    alpha = checks.number("alpha", alpha, above=0.0)
    problem = _checked_problem(run, problem).sampled(alpha)
    states = end_of(run, engine)
    call, goes_on = run.info.call, get_engine(engine)
    if run.info.theory and not run.problem.inputs.independent:
        raise EngineError(f"a run of {own} keeps no shares of its overlaps by eigenvalue at its end, and cannot go on "
                          f"where inputs have a covariance; got {run.problem.inputs!r}: make it again with a larger "
                          "alpha")
    theory, known = goes_on.capabilities.theory, goes_on.Options.names()
    free = known if theory else tuple(name for name in ("threads", "resolve") if name in known)
    fixed = sorted(set(options) - set(free))
    if fixed:
        raise EngineError(f"go_on has no option {fixed[0]!r}; engine {engine} has {', '.join(free)}, the others are "
                          "those of the run")
    if engine == own:
        options = {name: call[name] for name in known if name in call} | options
    if engine != own:
        if run.problem.inputs.independent:  # else the equations need the vectors, to resolve their overlaps
            states = states.overlaps_alone()
    elif not problem.extends(run.problem):
        states = goes_on.at_the_end(states, run.N)
    times = later_times(save_at, float(states.alpha[0]), alpha, run.N, not theory, problem.switches)
    store_final = call.get("store_final", False) if store_final is None else store_final
    origin = run.info.start.get("origin") if run.info.start["kind"] == "states" else run.info.start
    start: Any = GoingOn(states, run.initial, run.N, origin, run.began_together)
    return simulate(problem, start, alpha, engine, N=run.N, seed=run.info.seed, replicas=run.replicas,
                    keep=call["keep"], save_at=times, progress=progress, store_weights=store_weights,
                    store_final=store_final, checkpoint=checkpoint, checkpoint_every=checkpoint_every,
                    quantiles=call.get("quantiles", PROBABILITIES), **options)


def mean_field(run: Trajectory) -> Trajectory:
    """The mean-field equations from where a run, or a piece that goes on with one, began, at its saved times.

    Parameters
    ----------
    run : Trajectory

    Returns
    -------
    Trajectory
        Of engine ode; one replica a start.

    Raises
    ------
    EngineError, FileError, RepeatError
        If the equations are not known for the inputs of the run, or need vectors or data that cannot be had.
    """
    if run.info.start["kind"] == "task":
        raise ParameterError("theory is of a run of several tasks as a whole, and this is one of them: take the run "
                             "itself")
    start: Any = run.initial if run.starts is None else run.start_of
    replicas = 1 if run.starts is None else run.draws
    resolve = {} if run.groups is None else {"resolve": run.info.call["resolve"]}
    if not run.problem.inputs.independent:  # overlaps alone do not tell how they are shared among its eigenvalues
        require_theory(run.problem)
        run.problem.inputs.available()
        start = rebuilt_start(run)
        replicas = run.draws if isinstance(start, GoingOn) else replicas
    elif run.info.start["kind"] == "states":
        rows = {name: values[:, :1] for name, values in run.overlaps().items()}
        start = GoingOn(ReplicaStates.of_rows(run.alpha[:1], [0] * run.draws, rows), run.initial, run.N)
        replicas = run.draws
    return simulate(run.problem, start, float(run.alpha[-1]), "ode", N=run.N, replicas=replicas, save_at=run.alpha,
                    **resolve)


def end_of(run: Trajectory, engine: str | None = None) -> ReplicaStates:
    """Where a run goes on with an engine (by default its own), a ReplicaStates.

    Raises
    ------
    ParameterError, EngineError
        If it cannot.
    """
    own = run.info.engine
    engine = own if engine is None else engine
    states = run.states_at_end()
    if engine == own and not run.info.theory and run.end is None:
        if run.info.device != "cpu":
            raise EngineError("a run on device cuda cannot go on: start anew from run.final, with another seed")
        raise ParameterError(f"a run of {own} goes on from its "
                             + ("N-dimensional vectors, which this one did not keep: make it with store_final=True "
                                "(onlinemode simulate --store-final)" if capabilities_of(own).makes_vectors else
                                "factors, which this file, of an older version, does not hold: make the run again with "
                                "repeat"))
    if np.ptp(states.alpha):
        raise ParameterError("the replicas of this run were stopped at different times, α = "
                             f"{states.alpha.min():.6g} to {states.alpha.max():.6g}, and cannot go on together: "
                             "resume its checkpoint, or make it again with repeat")
    return states


def _checked_problem(run, problem):
    if problem is None:
        return run.problem
    checks.instance("problem", problem, Problem)
    for name, why in (("batch", "samples are numbered by it, and some would be drawn again"),
                      ("inputs", "overlaps are those of their fields")):
        if getattr(problem, name) != getattr(run.problem, name):
            raise ParameterError(f"{name} must be that of the run, {getattr(run.problem, name)!r}; got "
                                 f"{getattr(problem, name)!r}: {why}; start anew from run.final, with another seed")
    if run.teacher_overlaps is not None and not problem.drifts:
        raise ParameterError(f"a teacher that drifts goes on drifting; got drift = 0 after {run.problem.drift:g}: give "
                             "a smaller one")
    return problem


def join(*pieces: Trajectory) -> Trajectory:
    """Put a run and the pieces that go on with it together, one after the other.

    Parameters
    ----------
    *pieces : Trajectory
        A run, what :func:`go_on` made of it, what it made of that, ..., all of one problem.

    Returns
    -------
    Trajectory
        As of one call with all their saved times; it can be saved, repeated (in one piece, of which a joined
        run of ode differs by the tolerance), and gone on with.

    Raises
    ------
    ParameterError
        If one does not go on where the one before it ends, or with another problem.
    """
    if not pieces or not all(isinstance(piece, Trajectory) for piece in pieces):
        raise ParameterError("join takes a run and the pieces that go on with it, each a Trajectory; got "
                             f"{', '.join(type(piece).__name__ for piece in pieces) or 'nothing'}")
    joined = pieces[0]
    for piece in pieces[1:]:
        joined = _joined(joined, piece)
    return joined


def _joined(run, piece):
    begin = piece.alpha[0]
    if not piece.problem.extends(run.problem):
        raise ParameterError(f"the piece from α = {begin:.6g} has another problem, and a Trajectory has one: draw them "
                             "together instead, onlinemode.plotting.overview([run, piece])")
    if not _follows(run, piece):
        raise ParameterError(f"the piece from α = {begin:.6g} does not go on where the one before it ends, at α = "
                             f"{run.states_at_end().alpha[0]:.6g}: give them in the order in which they were made")
    earlier = run.alpha < begin
    along = lambda first, second, axis=1: np.concatenate(  # noqa: E731
        [np.compress(earlier, first, axis), second], axis)
    fields = {name: along(getattr(run, name), getattr(piece, name)) for name in OVERLAPS}
    if run.error is not None or piece.error is not None:
        fields["error"] = along(*(each.generalization_error if each.task_errors is None else each.task_errors
                                  for each in (run, piece)))
    if run.error_se is not None or piece.error_se is not None:
        unknown = np.full_like(fields["error"][:, :1], np.nan)
        fields["error_se"] = along(*(np.repeat(unknown, each.G.shape[1], 1) if each.error_se is None else each.error_se
                                     for each in (run, piece)))
    if run.teacher_overlaps is not None:
        fields["teacher_overlaps"] = along(run.T, piece.T)
    if None not in (run.groups, piece.groups) and np.array_equal(run.groups.eigenvalues, piece.groups.eigenvalues):
        fields |= {name: along(getattr(run, name), getattr(piece, name)) for name in OF_GROUPS}
        fields["groups"] = run.groups
    alpha = along(run.alpha, piece.alpha, 0)
    call, last = run.info.call, piece.info
    info = replace(run.info, steps=last.steps, date=last.date, call={
        **call, "alpha": last.call["alpha"], "save_at": alpha.tolist(), "store_final": last.call["store_final"]})
    for name in ("seconds_compile", "seconds_run", "evaluations"):
        if getattr(info, name) is not None:
            info = replace(info, **{name: getattr(info, name) + (getattr(last, name) or 0)})
    for name in ("leaps", "halved_kicks"):
        if getattr(info, name) is not None:
            info = replace(info, **{name: [sum(counts) for counts in zip(getattr(info, name), getattr(last, name))]})
    return Trajectory(alpha=alpha, **fields, problem=piece.problem, initial=run.initial, status=piece.status,
                      message=piece.message, info=info, weights=run.weights, starts=run.starts, begin=run.begin,
                      initial_resolved=run.initial_resolved,
                      switches=None if run.switches is None else along(run.switches, piece.switches),
                      end=piece.end, summary=_summaries(run, piece, alpha, along))


def _follows(run, piece):
    """Whether a piece goes on where a run ends."""
    start, names = piece.info.start, ("engine", "seed", "N")
    if start["kind"] != "states" or any(getattr(run.info, name) != getattr(piece.info, name) for name in names):
        return False
    states = end_of(run, "ode")  # its overlaps
    if piece.replicas != run.replicas or float(states.alpha[0]) != start["alpha"]:
        return False
    ends = [states.one(replica, run.initial).overlaps for replica in range(run.replicas)]
    return all(np.array_equal(getattr(piece.start_of(replica), name), getattr(end, name))
               for replica, end in enumerate(ends) for name in ("T", *OVERLAPS))


def _summaries(run, piece, alpha, along):
    one, other = run.summary, piece.summary
    if one is None or other is None:
        return None
    entries = lambda name, axis=0: {key: along(getattr(one, name)[key], getattr(other, name)[key], axis)  # noqa: E731
                                    for key in getattr(one, name)}
    return Ensemble(alpha, along(one.count, other.count, 0), one.probabilities, entries("mean"),
                    entries("standard_deviation"), entries("quantiles", 1))
