"""A run among many: its row in a table, and whether it is the one that was asked for."""

import json

import numpy as np

from onlinemode.engines import options_of
from onlinemode.ensemble import PROBABILITIES
from onlinemode.state import Weights, attainable

SPECIALIZED = 0.5  # the specialization at which a run counts as specialized


def summary_of(run):
    """How a run ended, in a few numbers: means over its replicas at the last time that all of them reached.

    Parameters
    ----------
    run : Trajectory

    Returns
    -------
    dict
        ``status`` (of all replicas, or how many of each), ``complete`` (whether all reached the last saved time),
        ``alpha``, ``error`` and ``specialization`` with
        their standard errors ``error_se`` and ``specialization_se`` (NaN for one replica), ``specialized_at``
        (median over the kept replicas of the first α with a specialization of at least 1/2, NaN where no more
        than half get there), ``plateau_start``, ``plateau_stop`` and ``plateau_level`` (longest plateau, in
        decades, of the first replica; NaN without one).
    """
    last = _last(run)
    names = [status.value for status in run.status]
    kinds = {name: names.count(name) for name in dict.fromkeys(names)}
    status = names[0] if len(kinds) == 1 else ", ".join(f"{count} {name}" for name, count in kinds.items())
    complete = set(names) <= {"completed", "converged"}
    row = {"status": status, "complete": complete, "alpha": float(run.alpha[last])}
    for short, name in (("error", "generalization_error"), ("specialization", "specialization")):
        row[short], row[f"{short}_se"] = _mean_and_error(run, name, last)
    row["specialized_at"] = float(np.median([_first_time(run, values) for values in run.specialization]))
    row["specialized_at"] = row["specialized_at"] if np.isfinite(row["specialized_at"]) else float("nan")
    longest = max(run.plateaus(), key=lambda plateau: plateau.stop / plateau.start, default=None)
    for name in ("start", "stop", "level"):
        row[f"plateau_{name}"] = float("nan") if longest is None else float(getattr(longest, name))
    return row


def difference(run, problem, start, call):
    """How a run, perhaps read from a file, differs from that of ``simulate(problem, start, **call)``.

    Parameters
    ----------
    run : Trajectory
    problem : Problem
    start : Weights, OrderParameters or callable
    call : dict
        ``alpha``, ``engine``, ``N``, ``seed``, ``save_at``, and all options that were given.

    Returns
    -------
    str
        The first difference in words, such as "its noise is 0.5 and not 0.0"; "" where there is none.  Of several
        starts the first two and the last one are made and compared.
    """
    if any(status.value == "interrupted" for status in run.status):
        return "it was interrupted"
    asked, found = _plain(problem.to_dict()), _plain(run.problem.to_dict())
    names = ("alpha", "engine", "N", "seed", "replicas", "keep", "save_at", *options_of(call["engine"]).names())
    call = {"replicas": 1, "keep": "all", "quantiles": PROBABILITIES} | call
    if call["keep"] == "summary":
        asked["quantiles"] = _plain(call["quantiles"])
        found["quantiles"] = _plain(run.info.call.get("quantiles", PROBABILITIES))
    for name in names:
        if name != "threads" and not (name == "device" and call.get(name) == "auto"):
            asked[name], found[name] = _plain(call.get(name)), run.info.call.get(name)
    first = start(0) if callable(start) else start
    recorded = run.info.start
    if isinstance(first, Weights):
        origins = recorded.get("origins") or [recorded.get("origin")]
        asked["start"], found["start"] = _plain(first.origin), origins[0]
    asked["fresh students"], found["fresh students"] = callable(start), run.starts is not None
    asked, found = _flat(asked), _flat(found)
    for name in dict.fromkeys([*asked, *found]):
        if asked.get(name) != found.get(name):
            return f"its {name} is {found.get(name)!s:.80} and not {asked.get(name)!s:.80}"
    for replica in sorted({0, min(1, run.replicas - 1), run.replicas - 1}) if callable(start) else [0]:
        each = start(replica) if callable(start) else first
        if not (_same_weights if isinstance(each, Weights) else _same_overlaps)(run, each, replica):
            return "it began from other " + ("weights" if isinstance(each, Weights) else "overlaps")
    return ""


def _plain(value):
    """As JSON gives it back."""
    return json.loads(json.dumps(value, default=lambda entry: entry.tolist()))


def _flat(values, prefix=""):
    """A dict of dicts as one dict; the names say where an entry was."""
    out = {}
    for name, value in values.items():
        out |= _flat(value, f"{prefix}{name} ") if isinstance(value, dict) else {prefix + name: value}
    return out


def _same_weights(run, weights, replica):
    """Whether a replica began from these weights: their recipe, or their fingerprint where they have none."""
    recorded = run.info.start
    if recorded["kind"] != "weights":
        return False
    if weights.origin is not None:
        return (recorded.get("origins") or [recorded.get("origin")])[replica] == _plain(weights.origin)
    return (recorded.get("fingerprints") or [recorded.get("fingerprint")])[replica] == weights.fingerprint()


def _same_overlaps(run, overlaps, replica):
    """Whether a replica began from these overlaps, or from what vectors have in their place where they are rounded."""
    if run.info.start["kind"] != "overlaps":
        return False
    began, tolerance = run.start_of(replica), {"rtol": 1e-9, "atol": 1e-12}
    return began.is_close(overlaps, **tolerance) or (
        not run.info.theory and began.is_close(attainable(overlaps, run.N), **tolerance))


def _last(run):
    """Index of the last saved time that as many replicas reached as the first one."""
    if run.draws < run.replicas:
        count = run.ensemble.count
    else:
        count = np.isfinite(run.generalization_error).sum(0)
    return int(np.flatnonzero(count == count[0])[-1])


def _mean_and_error(run, name, last):
    """Mean over replicas and its standard error at one time; statistics of all times are made where they are kept."""
    if run.draws < run.replicas:
        return float(run.ensemble.mean[name][last]), float(run.ensemble.standard_error(name)[last])
    values = getattr(run, name)[:, last]
    values = values[np.isfinite(run.generalization_error[:, last])]
    if not values.size:
        return np.nan, np.nan
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else np.nan


def _first_time(run, specialization):
    """The α at which the curve first reaches SPECIALIZED, linear between saved times; infinity if it never does."""
    there = np.flatnonzero(specialization >= SPECIALIZED)
    if there.size == 0:
        return np.inf
    i = int(there[0])
    if i == 0:
        return float(run.alpha[0])
    low, high = specialization[i - 1], specialization[i]
    if not low < SPECIALIZED:  # NaN before it
        return float(run.alpha[i])
    return float(run.alpha[i - 1] + (SPECIALIZED - low) / (high - low) * (run.alpha[i] - run.alpha[i - 1]))
