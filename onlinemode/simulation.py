"""The one entry point: run a problem from a start with an engine, and repeat a saved run."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np

from onlinemode import checks, initial
from onlinemode.engines import get_engine
from onlinemode.errors import EngineError, ParameterError, RepeatError
from onlinemode.problem import Problem
from onlinemode.state import OrderParameters, Weights

MAX_SEED = 2**64 - 1
SHORTEST_ALPHA = 1e-50  # the solvers of SciPy do not return from shorter times


def simulate(problem, start, alpha, engine="micro", *, N=None, seed=0, replicas=1, save_at=200, progress=None,
             store_weights=False, **options):
    """Let a student learn and return its trajectory.

    Parameters
    ----------
    problem : Problem
    start : Weights or OrderParameters
        Weights may go to any engine.  OrderParameters go to "ode"; "micro" makes N-vectors that
        have exactly these overlaps.
    alpha : float
        Last time, α = steps/N, > 0.
    engine : {"micro", "ode"}, default "micro"
        "micro": online SGD on N-vectors; "ode": the mean-field equations, N → ∞.
    N : int, optional
        Number of inputs; needed by "micro" from OrderParameters, otherwise that of the weights.
    seed : int, default 0
        Key of the random samples, 0 to 2^64 − 1.
    replicas : int, default 1
        Runs from the same start with different samples.
    save_at : int or array, default 200
        A count (α = 0, then log-spaced from one step to ``alpha``) or ascending values of α.
    progress : callable, optional
        Called with a :class:`onlinemode.engines.progress.Progress`: once when the arguments have been
        checked, before anything is compiled, and then several times a second.
    store_weights : bool, default False
        Keep the initial weights in the trajectory (and its file).
    **options
        micro: ``precision`` ("float64" or "float32"), ``device`` ("cpu"), ``threads``;
        ode: ``method``, ``rtol``, ``atol``, ``nodes``, ``node_seed`` (see :mod:`onlinemode.engines.ode`).

    Returns
    -------
    Trajectory
        A run that diverges or is interrupted (Ctrl-C) is returned as well, with its status, a
        message and NaN from there on.

    Raises
    ------
    ParameterError, EngineError
        If an argument is out of range or not one that the engine understands.
    """
    if not isinstance(problem, Problem):
        raise ParameterError(f"problem must be an onlinemode.Problem; got {type(problem).__name__}")
    if not isinstance(start, (Weights, OrderParameters)):
        raise ParameterError(f"start must be Weights or OrderParameters; got {type(start).__name__}")
    module = get_engine(engine)
    unknown = sorted(set(options) - set(module.OPTIONS))
    if unknown:
        raise EngineError(f"engine {engine} has no option {unknown[0]!r}; it has {', '.join(module.OPTIONS)}")
    alpha = checks.number("alpha", alpha, above=0.0)
    if alpha < SHORTEST_ALPHA:
        raise ParameterError(f"alpha must be at least {SHORTEST_ALPHA:g}; got {alpha!r}")
    seed = checks.integer("seed", seed, 0, MAX_SEED)
    replicas = checks.integer("replicas", replicas, 1)
    if N is not None:
        N = checks.integer("N", N, 1, initial.MAX_N)
    if isinstance(start, Weights):
        if N is not None and N != start.N:
            raise ParameterError(f"N must be that of the weights, {start.N}; got {N}: leave it out")
        N = start.N
    if store_weights and not isinstance(start, Weights):
        raise ParameterError("store_weights needs a start that is Weights; got OrderParameters (always stored)")

    run = module.run(problem, start, alpha=alpha, N=N, seed=seed, replicas=replicas, save_at=save_at,
                     progress=progress, **options)
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in options.items()}
    run.meta = {
        "engine": engine, "seed": seed, **run.meta,
        "call": {"alpha": alpha, "engine": engine, "N": N, "seed": seed, "replicas": replicas,
                 "save_at": np.asarray(save_at).tolist(), **plain},
        "start": _describe(start), "versions": _versions(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if store_weights:
        run.weights = start
    return run


def repeat(run, progress=None):
    """Make a saved run again from what its file holds.

    Parameters
    ----------
    run : Trajectory
        For example ``onlinemode.load("run.npz")``.
    progress : callable, optional

    Returns
    -------
    Trajectory
        With the same version of the package on the same kind of machine, equal to ``run`` to the bit.

    Raises
    ------
    RepeatError
        If the run began from the user's own weights and these were not stored.
    """
    call = dict(run.meta["call"])
    return simulate(run.problem, _rebuild_start(run), progress=progress, store_weights=run.weights is not None,
                    **{**call, "N": None if run.meta["start"]["kind"] == "weights" else call["N"]})


def _rebuild_start(run):
    start = run.meta["start"]
    if start["kind"] == "overlaps":
        return run.initial
    if run.weights is not None:
        return run.weights
    if start["origin"] is None:
        raise RepeatError(f"this run began from weights of your own (SHA-256 {start['fingerprint'][:16]}...) that its "
                          "file does not hold, so it cannot be repeated; save such runs with store_weights=True")
    make = getattr(initial, start["origin"]["name"])
    weights = make(**start["origin"]["arguments"])
    if weights.fingerprint() != start["fingerprint"]:
        drawn = weights.order_parameters()
        names = ("G", "S", "T", "strengths", "xi_out", "readout", "teacher_readout")
        if not all(np.allclose(getattr(drawn, name), getattr(run.initial, name), rtol=0.0, atol=1e-9)
                   if getattr(drawn, name).shape == getattr(run.initial, name).shape else False for name in names):
            raise RepeatError(f"the recipe {start['origin']['name']} does not give the weights of this file: they were "
                              "changed after they were drawn, or drawn by another version (onlinemode "
                              f"{run.meta['versions']['onlinemode']}, NumPy {run.meta['versions']['numpy']}); "
                              "save such runs with store_weights=True")
    return weights


def _describe(start):
    if isinstance(start, OrderParameters):
        return {"kind": "overlaps"}
    return {"kind": "weights", "origin": start.origin, "fingerprint": start.fingerprint()}


def _versions():
    from onlinemode import __version__

    return {"onlinemode": __version__, "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "numba", "scipy")}, "machine": platform.machine()}
