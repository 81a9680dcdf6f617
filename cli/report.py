"""What the commands print and write: tables, summaries, files."""

import itertools
import json
import sys
from collections import Counter

import numpy as np

from onlinemode import agreement
from onlinemode.losses import SIGN
from onlinemode.run_info import spectrum_words
from onlinemode.runtime.replicas import NOTHING_TRAINED

ROWS = 9
MOST_LINES = 5  # about single replicas


def print_table(run, theory=None, mean=False):
    """A short table of the first replica, or of the mean over all with its standard error.

    α, ε_g, specialization, and those of the theory; the classification error in place of ε_g where labels are signs.
    """
    if run.problem.labels == SIGN:
        _print_classification(run, theory, mean)
        return

    def of(trajectory):
        names = "generalization_error", "specialization"
        if mean and trajectory.replicas > 1:
            return [trajectory.ensemble.mean[name] for name in names]
        return [getattr(trajectory, name)[0] for name in names]

    errors, specializations = of(run)
    standard_errors = run.ensemble.standard_error("generalization_error") if mean else None
    expected_errors, expected_specializations = of(theory) if theory is not None else (None, None)
    header = f"{'α':>10}  {'ε_g':>10}" + (f"  {'± s.e.':>8}" if mean else "") + f"  {'special.':>8}"
    if theory is not None:
        header += f"  {'theory ε_g':>10}  {'theory sp.':>10}  {'Δ ε_g / ε_g':>11}"
    print(header)
    for i in _rows(run, mean):
        line = f"{run.alpha[i]:10.4g}  {errors[i]:10.3e}" + (f"  {standard_errors[i]:8.1e}" if mean else "")
        line += f"  {specializations[i]:8.3f}"
        if theory is not None:
            expected = expected_errors[i]
            relative = f"{(errors[i] - expected) / expected:+11.1%}" if expected > 0.0 else f"{'-':>11}"
            line += f"  {expected:10.3e}  {expected_specializations[i]:10.3f}  {relative}"
        print(line)


def _print_classification(run, theory, mean):
    """The same of the classification error."""
    def of(trajectory):
        names = "classification_error", "specialization"
        if mean and trajectory.replicas > 1:
            return [trajectory.ensemble.mean[name] for name in names]
        return [getattr(trajectory, name)[0] for name in names]

    columns = [*of(run), *(of(theory) if theory is not None else ())]
    names = ["wrong", "special.", "theory wrong", "theory sp."][:len(columns)]
    if mean:
        columns.insert(1, run.ensemble.standard_error("classification_error"))
        names.insert(1, "± s.e.")
    print("  ".join([f"{'α':>10}", *(f"{name:>12}" for name in names)]))
    for i in _rows(run, mean):
        print("  ".join([f"{run.alpha[i]:10.4g}", *(f"{values[i]:12.4f}" for values in columns)]))
    print("wrong: share of inputs at which student and teacher, without noise and flips, have different signs")


def _rows(run, mean=False):
    """Start, then log-spaced times over the last four decades to the last finite one (of replica 0, or the mean)."""
    error = run.ensemble.mean["generalization_error"] if mean else run.generalization_error[0]
    finite = np.flatnonzero(np.isfinite(error) & (run.alpha > 0.0))
    if finite.size == 0:
        return [0]
    last = run.alpha[finite[-1]]
    targets = np.geomspace(max(run.alpha[finite[0]], last * 1e-4), last, ROWS - 1)
    rows = finite[np.abs(np.log(run.alpha[finite][:, None] / targets)).argmin(0)]
    return [0, *np.unique(rows)] if finite[0] != 0 else list(np.unique(rows))


def print_stages(run, theory=None):
    """One line a plateau; of the theory, where there is one, also the times of fastest specialization.

    A single run's specialization is too rough for that, and its plateaus are those of a smoothed curve.
    """
    if run.problem.labels == SIGN or run.problem.tasks is not None:  # ε_g is no measure of what is learned
        return
    smooth = run if run.info.theory else theory
    known = smooth if smooth is not None else run
    whose = "" if known is run else " of the theory"
    plateaus = known.plateaus()
    for plateau in plateaus:
        print(f"plateau{whose}: α = {plateau.start:.3g} to {plateau.stop:.3g} at ε_g = {plateau.level:.3g}")
    if not plateaus:
        print(f"no plateau{whose} (a stretch between two falls of ε_g with −d ln ε_g / d ln α < 0.3)")
    steps = smooth.specialization_steps() if smooth is not None else []
    if len(steps):
        print(f"specialization{whose} rises fastest at α = {', '.join(f'{step:.3g}' for step in steps)}")


def print_tasks(run, theory=None, mean=False):
    """ε_g of each task at the switches and the end, and what is forgotten; nothing of a run of one task."""
    tasks = run.problem.tasks
    if tasks is None:
        return
    rows, errors = _rows_of_tasks(run), _task_errors(run, mean)
    expected = None if theory is None else _task_errors(theory, mean)
    names = [f"task {task}" for task in range(tasks.count)]
    columns = names if expected is None else [*names, *(f"theory {task}" for task in range(tasks.count))]
    switches = "where tasks switch and at the end" if len(rows) > 1 else "at the end"
    print(f"ε_g of each task, {switches}:")
    print("  ".join([f"{'α':>10}", *(f"{name:>10}" for name in columns)]))
    for i in rows:
        values = [*errors[i], *([] if expected is None else expected[i])]
        print("  ".join([f"{run.alpha[i]:10.4g}", *(f"{value:10.3e}" for value in values)]))
    if tasks.order is not None:
        _print_turns(run)
    for task, since, value in _forgotten(run, errors):
        beside = "" if expected is None else f" (theory {_since(theory, expected, task, since):.3g})"
        print(f"forgetting of task {task} since α = {since:g}: {value:.3g}{beside}")


def _print_turns(run):
    """When turns ended that wait for an error: in the first replica, or the mean over those in which they did."""
    for turn, (task, level) in enumerate(zip(run.problem.tasks.order, run.problem.tasks.below)):
        ends = run.switched_at[:, turn]
        ended = ends[np.isfinite(ends)]
        of = f" in {ended.size} of {ends.size} replicas" if ends.size > 1 else ""
        print(f"ε_g of task {task} fell below {level:g} at α = {ended.mean():.4g}{of}" if ended.size else
              f"ε_g of task {task} did not fall below {level:g}: the next task did not begin")


def _task_errors(run, mean):
    """Of the first replica, or the mean over all, (n, tasks)."""
    return run.ensemble.mean["task_errors"] if mean and run.replicas > 1 else run.task_errors[0]


def _rows_of_tasks(run):
    """Saved times of the switches, of many the first ones, and the last one."""
    rows = [_row_of(run, switch) for switch in run.problem.tasks.switches]
    last = len(run.alpha) - 1
    return [*[row for row in rows if row not in (None, last)][:ROWS - 1], last]


def _row_of(run, alpha):
    """Where a time is saved; None where it is not."""
    row = int(np.abs(run.alpha - alpha).argmin())
    return row if abs(run.alpha[row] - alpha) <= (1e-9 * alpha if run.N is None else 0.5 / run.N) else None


def _forgotten(run, errors):
    """Task, since when it was first left, and how much its ε_g has risen until the end, of all tasks that were left."""
    for task in range(run.problem.tasks.count):
        since = run.problem.tasks.first_left(task)
        if since is not None and since < run.alpha[-1] and _row_of(run, since) is not None:
            yield task, since, _since(run, errors, task, since)


def _since(run, errors, task, since):
    return float(errors[-1, task] - errors[_row_of(run, since), task])


def print_status(run):
    """Say on stderr how replicas ended that did not simply complete."""
    ended = [(number, message) for number, (status, message) in enumerate(zip(run.status, run.message))
             if status.value != "completed" or message == NOTHING_TRAINED]
    for number, message in ended[:MOST_LINES]:
        which = f"replica {number}: " if run.replicas > 1 else ""
        print(f"{run.info.engine}: {which}{message}", file=sys.stderr)
    if len(ended) > MOST_LINES:
        counts = Counter(run.status[number].value for number, _ in ended)
        words = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        print(f"{run.info.engine}: and so on; of {run.replicas:,} replicas {words}", file=sys.stderr)


def summary(command, run, files, theory=None, noise=None):
    """The numbers of a run that a script may want, as plain JSON types."""
    out = {
        "command": command, "engine": run.info.engine, "N": run.N, "K": run.initial.K, "M": run.initial.M,
        "P": run.initial.P, "seed": run.info.seed, "replicas": run.replicas, "problem": run.problem.to_dict(),
        "status": [status.value for status in run.status], "message": list(run.message),
        "alpha": [float(run.alpha[0]), float(run.alpha[-1])],
        "generalization_error": _ends(run.generalization_error), "specialization": _ends(run.specialization),
        "plateaus": [plateau._asdict() for plateau in run.plateaus()],
        "specialization_steps": [float(step) for step in run.specialization_steps()],
        "seconds_compile": run.info.seconds_compile, "seconds_run": run.info.seconds_run,
        "files": {name: str(path) for name, path in files.items()},
    }
    if run.problem.labels == SIGN:
        out["classification_error"] = _ends(run.classification_error)
    if not run.problem.plain:
        out["mean_loss"] = _ends(run.mean_loss)
    if run.problem.tasks is not None:
        out["tasks"] = _summary_of_tasks(run)
    if run.gaussian_equivalence is not None:
        out["gaussian_equivalence"] = _summary_of_equivalence(run.gaussian_equivalence)
    if theory is not None:
        out["theory"] = {
            "status": theory.status[0].value, "generalization_error": _ends(theory.generalization_error)[0],
            "specialization": _ends(theory.specialization)[0],
            "plateaus": [plateau._asdict() for plateau in theory.plateaus()],
            "specialization_steps": [float(step) for step in theory.specialization_steps()]}
        if theory.info.participation is not None:
            out["theory"]["participation"] = theory.info.participation
        out["deviation"] = agreement.deviation(run, theory)
    if noise is not None:
        out["z_scores"] = agreement.z_summary(run, noise)
    return out


def _summary_of_equivalence(found):
    """Where the closed form of ε_g is farthest from what fresh samples measure."""
    i = found.worst
    return {"alpha": float(found.alpha[i]), "deviation": float(found.deviation[i]),
            "standard_error": float(found.standard_error[i]), "holds": found.holds}


def _summary_of_tasks(run):
    """ε_g at the switches and the end, and forgetting: of one replica, or means over those that began together."""
    errors = _task_errors(run, run.began_together)
    return {"alpha": [float(run.alpha[i]) for i in _rows_of_tasks(run)],
            "generalization_error": [[float(value) for value in errors[i]] for i in _rows_of_tasks(run)],
            "forgetting": [{"task": task, "since": since, "value": value}
                           for task, since, value in _forgotten(run, errors)],
            "switched_at": None if run.switched_at is None else run.switched_at.tolist()}


def _ends(values):
    """First and last finite value of every replica."""
    ends = []
    for row in values:
        finite = row[np.isfinite(row)]
        ends.append([float(finite[0]), float(finite[-1])] if finite.size else [None, None])
    return ends


def print_deviation(numbers, N):
    """The deviation in two lines."""
    if numbers is None:
        print("simulation and ODE have no finite time in common: no deviation to report")
        return
    print(f"deviation of (Q, R) from the ODE up to α = {numbers['up_to_alpha']:.4g}, rms over entries: "
          f"{numbers['rms_overlaps']:.3g} over the run, {numbers['largest_overlaps']:.3g} at most")
    print(f"in units of N^-1/2 = {N**-0.5:.3g}: {numbers['rms_overlaps_sqrt_N']:.3g} over the run, "
          f"{numbers['largest_overlaps_sqrt_N']:.3g} at most")


def print_run(run, theory):
    """Table and stages of one simulation."""
    mean = run.replicas > 1 and run.began_together
    if run.replicas > 1:
        print(f"(mean of {run.replicas:,} replicas)" if mean else
              f"(the first of {run.replicas:,} replicas, which began from different students)")
    print_table(run, theory, mean)
    _print_spectrum(run if run.info.theory else theory)
    _print_equivalence(run)
    print_stages(run, theory)
    print_tasks(run, theory, mean)


def print_comparison(runs, theory, noise, reason):
    """For each simulation a table against theory and the deviation; then simulations against each other.

    ``noise`` is the linear-noise theory, or None for the ``reason`` given.
    """
    for run in runs:
        if len(runs) > 1 or run.replicas > 1:
            which = "the first" if noise is None else "mean"
            print(f"{run.info.engine}{f', {which} of {run.replicas:,} replicas' if run.replicas > 1 else ''}:")
        if noise is None:
            print_table(run, theory)
            print_tasks(run, theory)
        else:
            _print_z_table(run, theory, noise)
        print_deviation(agreement.deviation(run, theory), run.N)
        _print_equivalence(run)
    _print_spectrum(theory)
    if noise is None and reason is not None:
        print(f"no z-scores: {reason}")
    for one, other in itertools.combinations(runs, 2):
        _print_between(one, other, noise)


def _print_spectrum(theory):
    words = None if theory is None else spectrum_words(theory.info)
    if words is not None:
        print(f"theory resolves the spectrum of the inputs: {words}")


def _print_equivalence(run):
    found = run.gaussian_equivalence
    if found is not None:
        print(f"{'' if found.holds else 'warning: '}{found.words}")


def _print_z_table(run, theory, noise):
    name = "generalization_error"
    expected = agreement.predicted(noise, run.N, name)
    z = agreement.z_scores(run, noise)
    trusted = agreement.trusted(noise, run.N)
    several, rows = run.replicas > 1, _rows(run, mean=True)
    print(f"{'α':>10}  {'ε_g':>10}  {'ODE':>10}  {'ODE + 1/N':>10}  {'sd, theory':>10}"
          + (f"  {'sd, draws':>10}" if several else "") + f"  {'z':>6}")
    for i in rows:
        line = (f"{run.alpha[i]:10.4g}  {run.ensemble.mean[name][i]:10.3e}  {theory.generalization_error[0, i]:10.3e}  "
                f"{expected.mean[i]:10.3e}  {expected.standard_deviation[i]:10.2e}")
        if several:
            line += f"  {run.ensemble.standard_deviation[name][i]:10.2e}"
        print(line + (f"  {z[i]:+6.2f}" if np.isfinite(z[i]) else f"  {'-':>6}") + ("" if trusted[i] else "  *"))
    if not trusted[rows].all():
        print(f"* linear noise does not hold here: its spread or shift of ε_g is above {agreement.TRUSTED:.0%} (a run "
              "leaves a plateau at a random time), or ε_g is too small to be resolved")
    numbers = agreement.z_summary(run, noise)
    if numbers is not None:
        print(f"z of Q and R up to α = {numbers['up_to_alpha']:.3g}: rms {numbers['rms']:.2f} (1 expected), largest "
              f"{numbers['largest']:.1f}")


def _print_between(one, other, noise):
    if one.starts is not None or (noise is None and min(one.replicas, other.replicas) < 2):
        return
    values = {name: agreement.z_between(one, other, noise, name) for name in ("generalization_error", "Q", "R")}
    if noise is not None:
        holds = np.logical_and.accumulate(agreement.trusted(noise, one.N))
        values = {name: z[holds] for name, z in values.items()}
    finite = {name: z[np.isfinite(z)] for name, z in values.items()}
    if min(z.size for z in finite.values()) == 0:
        return
    words = [f"{label} rms {np.sqrt(np.mean(finite[name]**2)):.2f}, largest {np.abs(finite[name]).max():.1f}"
             for name, label in (("generalization_error", "ε_g"), ("Q", "Q"), ("R", "R"))]
    print(f"{one.info.engine} against {other.info.engine}, z of the difference (rms 1 expected): "
          + "; ".join(words))


def as_json_has_it(value):
    """A value with null for what is NaN or infinite in it."""
    if isinstance(value, dict):
        return {key: as_json_has_it(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json_has_it(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def print_json(value):
    """The summary on stdout."""
    value = as_json_has_it(value)
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    print(text)


def print_files(files):
    """Where the results are."""
    for what, path in files.items():
        print(f"{what}: {path}")
