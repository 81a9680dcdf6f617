"""A run among many: how it ended, in a few numbers."""

import numpy as np


def summary_of(run, metrics=(), tasks=0):
    """How a run ended, in a few numbers: means over its replicas at the last time that all of them reached.

    Parameters
    ----------
    run : Trajectory
    metrics : names of ``onlinemode.ensemble.METRICS``, default ()
        Of which there are numbers, too; NaN where statistics are kept alone, and none of them.
    tasks : int, default 0
        Of how many tasks there are numbers; NaN where the run has fewer.

    Returns
    -------
    dict
        ``status`` (of all replicas, or how many of each), ``complete`` (whether all reached the last saved time),
        ``alpha``, ``error`` and ``specialization`` with
        their standard errors ``error_se`` and ``specialization_se`` (NaN for one replica), ``specialized_at``
        (median over the kept replicas of the first α with a specialization of at least 1/2, NaN where no more
        than half get there), ``plateau_start``, ``plateau_stop`` and ``plateau_level`` (longest plateau, in
        decades, of the first replica; NaN without one); and each of ``metrics`` and ``error_of_task_0``, ... with its
        standard error.
    """
    last = _last(run)
    names = [status.value for status in run.status]
    kinds = {name: names.count(name) for name in dict.fromkeys(names)}
    status = names[0] if len(kinds) == 1 else ", ".join(f"{count} {name}" for name, count in kinds.items())
    complete = set(names) <= {"completed", "converged"}
    row = {"status": status, "complete": complete, "alpha": float(run.alpha[last])}
    for short, name in (("error", "generalization_error"), ("specialization", "specialization"),
                        *((name, name) for name in metrics)):
        row[short], row[f"{short}_se"] = _mean_and_error(run, name, last)
    count = 0 if run.problem.tasks is None else run.problem.tasks.count
    for task in range(tasks):
        name = f"error_of_task_{task}"
        row[name], row[f"{name}_se"] = (_mean_and_error(run, "task_errors", last, task) if task < count
                                        else (np.nan, np.nan))
    times = run.specialized_at()
    median = float(np.median(np.where(np.isnan(times), np.inf, times)))
    row["specialized_at"] = median if np.isfinite(median) else float("nan")
    longest = max(run.plateaus(), key=lambda plateau: plateau.stop / plateau.start, default=None)
    for name in ("start", "stop", "level"):
        row[f"plateau_{name}"] = float("nan") if longest is None else float(getattr(longest, name))
    return row


def _last(run):
    """Index of the last saved time that as many replicas reached as the first one."""
    if run.draws < run.replicas:
        count = run.ensemble.count
    else:
        count = np.isfinite(run.generalization_error).sum(0)
    return int(np.flatnonzero(count == count[0])[-1])


def _mean_and_error(run, name, *place):
    """Mean over replicas and its standard error at one place; statistics of all places are made where they are kept."""
    last = place[0]
    if run.draws < run.replicas:
        if name not in run.ensemble.mean:
            return np.nan, np.nan
        return float(run.ensemble.mean[name][place]), float(run.ensemble.standard_error(name)[place])
    values = getattr(run, name)[:, *place]
    values = values[np.isfinite(run.generalization_error[:, last])]
    if not values.size:
        return np.nan, np.nan
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else np.nan
