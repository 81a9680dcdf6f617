"""What the commands print and write: tables, summaries, files."""

import json
import sys

import numpy as np

ROWS = 9


def print_table(run, theory=None):
    """A short table of one replica: α, ε_g, specialization, and the deviation from theory."""
    header = f"{'α':>10}  {'ε_g':>10}  {'special.':>8}"
    if theory is not None:
        header += f"  {'theory ε_g':>10}  {'theory sp.':>10}  {'Δ ε_g / ε_g':>11}"
    print(header)
    for i in _rows(run):
        error, value = run.generalization_error[0, i], run.specialization[0, i]
        line = f"{run.alpha[i]:10.4g}  {error:10.3e}  {value:8.3f}"
        if theory is not None:
            expected = theory.generalization_error[0, i]
            relative = f"{(error - expected) / expected:+11.1%}" if expected > 0.0 else f"{'-':>11}"
            line += f"  {expected:10.3e}  {theory.specialization[0, i]:10.3f}  {relative}"
        print(line)


def _rows(run):
    """Start, then log-spaced times over the last four decades, up to the last finite one."""
    finite = np.flatnonzero(np.isfinite(run.generalization_error[0]) & (run.alpha > 0.0))
    if finite.size == 0:
        return [0]
    last = run.alpha[finite[-1]]
    targets = np.geomspace(max(run.alpha[finite[0]], last * 1e-4), last, ROWS - 1)
    rows = finite[np.abs(np.log(run.alpha[finite][:, None] / targets)).argmin(0)]
    return [0, *np.unique(rows)] if finite[0] != 0 else list(np.unique(rows))


def print_stages(run):
    """One line a plateau, one for the times of fastest specialization."""
    for plateau in run.plateaus():
        print(f"plateau: α = {plateau.start:.3g} to {plateau.stop:.3g} at ε_g = {plateau.level:.3g}")
    steps = run.specialization_steps()
    if len(steps):
        print(f"specialization rises fastest at α = {', '.join(f'{step:.3g}' for step in steps)}")


def print_status(run):
    """Say on stderr how replicas ended that did not simply complete."""
    for number, (status, message) in enumerate(zip(run.status, run.message)):
        if status.value != "completed":
            which = f"replica {number}: " if run.replicas > 1 else ""
            print(f"{run.meta['engine']}: {which}{message}", file=sys.stderr)


def summary(command, run, files, theory=None):
    """The numbers of a run that a script may want, as plain JSON types."""
    out = {
        "command": command, "engine": run.meta["engine"], "N": run.N, "K": run.initial.K, "M": run.initial.M,
        "P": run.initial.P, "seed": run.meta["seed"], "replicas": run.replicas, "problem": run.problem.to_dict(),
        "status": [status.value for status in run.status], "message": list(run.message),
        "alpha": [float(run.alpha[0]), float(run.alpha[-1])],
        "generalization_error": _ends(run.generalization_error), "specialization": _ends(run.specialization),
        "plateaus": [plateau._asdict() for plateau in run.plateaus()],
        "specialization_steps": [float(step) for step in run.specialization_steps()],
        "seconds_compile": run.meta["seconds_compile"], "seconds_run": run.meta["seconds_run"],
        "files": {name: str(path) for name, path in files.items()},
    }
    if theory is not None:
        out["theory"] = {
            "status": theory.status[0].value, "generalization_error": _ends(theory.generalization_error)[0],
            "specialization": _ends(theory.specialization)[0],
            "plateaus": [plateau._asdict() for plateau in theory.plateaus()],
            "specialization_steps": [float(step) for step in theory.specialization_steps()]}
        out["deviation"] = deviation(run, theory)
    return out


def _ends(values):
    """First and last finite value of every replica."""
    ends = []
    for row in values:
        finite = row[np.isfinite(row)]
        ends.append([float(finite[0]), float(finite[-1])] if finite.size else [None, None])
    return ends


def deviation(run, theory):
    """How far a simulation is from the mean-field equations, plainly and in units of N^(−1/2).

    None where the two have no finite time in common but α = 0.
    """
    from onlinemode.observables import overlap_deviation

    along = overlap_deviation(run.Q, run.R, theory.Q, theory.R)
    common = np.isfinite(along).any(0) & (run.alpha > 0.0)
    if not common.any():
        return None
    along = along[:, common][np.isfinite(along[:, common])]
    errors = np.abs(run.generalization_error - theory.generalization_error)[:, common]
    rms, largest, root = float(np.sqrt(np.mean(along**2))), float(along.max()), float(np.sqrt(run.N))
    return {"up_to_alpha": float(run.alpha[common][-1]), "rms_overlaps": rms, "largest_overlaps": largest,
            "rms_overlaps_sqrt_N": rms * root, "largest_overlaps_sqrt_N": largest * root,
            "largest_error": float(np.nanmax(errors))}


def print_deviation(numbers, N):
    """The deviation in two lines."""
    if numbers is None:
        print("simulation and ODE have no finite time in common: no deviation to report")
        return
    print(f"deviation of (Q, R) from the ODE up to α = {numbers['up_to_alpha']:.4g}, rms over entries: "
          f"{numbers['rms_overlaps']:.3g} over the run, {numbers['largest_overlaps']:.3g} at most")
    print(f"in units of N^-1/2 = {N**-0.5:.3g}: {numbers['rms_overlaps_sqrt_N']:.3g} over the run, "
          f"{numbers['largest_overlaps_sqrt_N']:.3g} at most")


def print_run(run, theory, heading, with_deviation):
    """Table, stages and deviation of one simulation."""
    if heading:
        print(f"{run.meta['engine']}:")
    if run.replicas > 1:
        print(f"(the first of {run.replicas} replicas)")
    print_table(run, theory)
    if with_deviation:
        print_deviation(deviation(run, theory), run.N)
    else:
        print_stages(run if theory is None else theory)


def print_json(value):
    """The summary on stdout, NaN as null."""
    def clean(item):
        if isinstance(item, dict):
            return {key: clean(entry) for key, entry in item.items()}
        if isinstance(item, (list, tuple)):
            return [clean(entry) for entry in item]
        return None if isinstance(item, float) and not np.isfinite(item) else item

    print(json.dumps(clean(value), indent=2, ensure_ascii=False))


def print_files(files):
    """Where the results are."""
    for what, path in files.items():
        print(f"{what}: {path}")
