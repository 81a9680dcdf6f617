"""Whether all that a file says of a run fits together.

A checksum tells of damage, not of a file that somebody else made: what is not checked here would fail later, in the
midst of a kernel or of a picture.
"""

from inspect import signature
from typing import Any

import numpy as np

from onlinemode import initial, records
from onlinemode.blocks import shapes_of
from onlinemode.ensemble import METRICS
from onlinemode.replica_states import MOST_STEPS
from onlinemode.state import OrderParameters
from onlinemode.trajectory import Trajectory

DAMAGED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)  # what hostile entries make code raise


def check_run(run: Trajectory, whole: bool = True) -> None:
    """Raise ValueError unless shapes, types and counts fit together; of a part of a run statistics are to come."""
    o, n, replicas = run.initial, len(np.atleast_1d(run.alpha)), run.replicas
    tasks = run.problem.tasks
    run.problem.check_start(o)
    _is_array("alpha", run.alpha, (n,))
    if not n or not np.isfinite(run.alpha).all() or run.alpha[0] < 0.0 or (np.diff(run.alpha) < 0.0).any():
        raise ValueError("alpha must be finite, ascending times from 0 on")
    if run.alpha[-1] * (1 if run.info.theory else run.N or 1) > MOST_STEPS * (1.0 + 1e-9):
        raise ValueError(f"alpha is {run.alpha[-1]:g}, which no run reaches")
    if not replicas or len(run.message) != replicas:
        raise ValueError(f"{replicas} statuses and {len(run.message)} messages")
    draws = len(np.atleast_1d(run.G))
    if draws > replicas or not draws or (whole and run.summary is None and draws < replicas):
        raise ValueError(f"{draws} draws of {replicas} replicas")
    shapes = shapes_of(o.K, o.M, o.P, o.heads)
    for name, shape in shapes.items():
        _is_array(name, getattr(run, name), (draws, n, *shape))
        if np.isinf(getattr(run, name)).any():
            raise ValueError(f"{name} must be finite, or NaN where it is not known")
    with np.errstate(over="ignore"):
        longest = o.P**2 * (_largest(run.xi_out) * _largest(run.strengths))**2 * _largest(run.G)
    if not np.isfinite(longest):
        raise ValueError("student units are longer than any number")
    for name in ("error", "error_se"):
        if getattr(run, name) is not None:
            _is_array(name, getattr(run, name), (draws, n) if tasks is None else (draws, n, tasks.count))
    if (run.switches is None) != (run.problem.stages == 1):
        raise ValueError("switches without turns that wait for an error, or the other way round")
    if run.switches is not None:
        _is_array("switches", run.switches, (draws, n, run.problem.stages - 1))
    if (run.teacher_overlaps is None) != (not run.problem.drifts or run.info.theory):
        raise ValueError("overlaps of a teacher that drifts without one, or the other way round")
    if run.teacher_overlaps is not None:
        _is_array("teacher_overlaps", run.teacher_overlaps, (draws, n, o.M, o.M))
        if np.isinf(run.teacher_overlaps).any():
            raise ValueError("teacher_overlaps must be finite, or NaN where they are not known")
    _check_groups(run, draws, n)
    resolved = run.initial_resolved
    L = 0 if resolved is None else len(resolved.eigenvalues)
    of_starts = {**shapes, "T": (o.M, o.M), "share_G": (L, o.P, o.P), "share_S": (L, o.P, o.M)}
    for name, values in (run.starts or {}).items():
        _is_array(f"starts_{name}", values, (replicas, *of_starts[name]), finite=True)
    if resolved is not None and (resolved.K, resolved.M, resolved.P, resolved.N) != (o.K, o.M, o.P, run.N):
        raise ValueError("resolved overlaps of other sizes")
    if run.summary is not None:
        _check_summary(run.summary, n, {"generalization_error": (), "specialization": (), "Q": (o.K, o.K),
                                        "R": (o.K, o.M), "rho": (o.K, o.M), "strengths": (o.P,),
                                        "readout": shapes["readout"], **dict.fromkeys(METRICS, ()),
                                        "task_errors": (o.tasks or 0,)})
    w = run.weights
    if w is not None and (w.K, w.M, w.P, w.N) != (o.K, o.M, o.P, run.N):
        raise ValueError("weights of other sizes")
    for states in (run.begin, run.end):
        if states is not None:
            states.check(replicas, o, run.N, None if run.N is None else run.problem.inputs.teacher_columns(run.N))
            if ("xi_in" in states.arrays) == (states.teacher is None and "teacher" not in states.arrays):
                raise ValueError("vectors of a student without those of its teacher, or the other way round")
    if run.N is None and not run.info.theory:
        raise ValueError("no N, and no theory")
    for name in ("steps", "steps_before"):
        steps = getattr(run.info, name)
        if steps is not None and len(steps) not in ((0, replicas) if run.info.theory else (replicas,)):
            raise ValueError(f"{name} of {len(steps)} replicas")


def _check_groups(run, draws, n):
    o, groups, paths = run.initial, run.groups, (run.group_G, run.group_S)
    if any((each is None) != (groups is None) for each in paths):
        raise ValueError("overlaps by group without the groups, or the other way round")
    if groups is None:
        return
    R = len(np.atleast_1d(groups.eigenvalues))
    for name in ("eigenvalues", "traces"):
        _is_array(f"group_{name}", getattr(groups, name), (R,), finite=True)
    _is_array("group_T", groups.T, (R, o.M, o.M), finite=True)
    if groups.multiplicities.shape != (R,) or groups.multiplicities.dtype.kind not in "iu":
        raise ValueError("group_multiplicities must be whole numbers, one a group")
    _is_array("group_G", run.group_G, (draws, n, R, o.P, o.P))
    _is_array("group_S", run.group_S, (draws, n, R, o.P, o.M))


def _check_summary(summary, n, shapes):
    q = len(np.atleast_1d(summary.probabilities))
    _is_array("ensemble_probabilities", summary.probabilities, (q,), finite=True)
    if summary.count.shape != (n,) or summary.count.dtype.kind not in "iu":
        raise ValueError(f"ensemble_count of {summary.count.dtype} and shape {summary.count.shape}")
    for name in summary.mean:
        _is_array(f"ensemble_mean_{name}", summary.mean[name], (n, *shapes[name]))
        _is_array(f"ensemble_sd_{name}", summary.standard_deviation[name], (n, *shapes[name]))
        _is_array(f"ensemble_quantiles_{name}", summary.quantiles[name], (q, n, *shapes[name]))


def _largest(values):
    return max(np.nanmax(values, initial=0.0), -np.nanmin(values, initial=0.0))


def _is_array(name, values, shape, finite=False):
    if values.shape != shape or values.dtype != np.float64:
        raise ValueError(f"{name} must be float64 of shape {shape}; got {values.dtype} of shape {values.shape}")
    if finite and not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite")


def sizes_of(overlaps: OrderParameters, N: int | None) -> dict[str, int | None]:
    """N, K, M and P."""
    return {"N": N, "K": overlaps.K, "M": overlaps.M, "P": overlaps.P}


def check_start(start: dict[str, Any], replicas: int, sizes: dict[str, int | None], inside: bool = False) -> None:
    """Raise ValueError unless a record can tell how so many replicas of these sizes began."""
    kinds = ("weights", "overlaps", "resolved") if inside else ("weights", "overlaps", "resolved", "states", "task")
    records.check(start, {"kind": records.one_of(*kinds)}, name="start")
    if start["kind"] == "task":
        records.check(start, {"task": records.whole}, name="start")
    elif start["kind"] == "states":
        records.check(start, {"alpha": records.number, "origin": records.or_nothing(records.record)},
                      {"together": records.flag}, "start")
        if start["origin"] is not None:
            check_start(start["origin"], replicas, sizes, inside=True)
    elif "origins" in start:
        records.check(start, {"origins": records.list_of(records.or_nothing(records.record), replicas),
                              "fingerprints": records.list_of(records.text, replicas)}, name="start")
        for origin in start["origins"]:
            _check_recipe(origin, sizes)
    elif start["kind"] == "weights":
        records.check(start, {"origin": records.or_nothing(records.record), "fingerprint": records.text}, name="start")
        _check_recipe(start["origin"], sizes)


def _check_recipe(origin, sizes):
    """Raise ValueError unless this is a function of onlinemode.initial with arguments that it has."""
    if origin is None:
        return
    records.check(origin, {"name": records.one_of(*initial.RECIPES), "arguments": records.record}, name="recipe")
    parameters = signature(getattr(initial, origin["name"])).parameters
    if unknown := set(origin["arguments"]) - (set(parameters) - {"weights", "inputs"}):
        raise ValueError(f"the recipe {origin['name']} has no argument {unknown.pop()!r:.40}")
    needed = {name for name, each in parameters.items() if each.default is each.empty}
    if missing := needed - set(origin["arguments"]):
        raise ValueError(f"the recipe {origin['name']} needs an argument {missing.pop()}")
    for name, size in sizes.items():
        if origin["arguments"].get(name) not in (None, size):
            raise ValueError(f"the recipe {origin['name']} has {name} = {origin['arguments'][name]!r:.40}, not {size}")
