"""Results as labelled arrays of xarray: everything that a run has at its saved times, by name.

Arrays of runs have the dimensions replica (where there are several) and alpha, then those of the table below.
"""

import json
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onlinemode import checks, ensemble
from onlinemode.errors import MissingPackageError, ParameterError

if TYPE_CHECKING:
    import pandas
    import xarray

    from onlinemode.trajectory import Trajectory

INSTALL = 'pip install "onlinemode[sweep]"'


class Observable(NamedTuple):
    """What a run has at every saved time.

    Attributes
    ----------
    dims : tuple of str
        Dimensions after replica and alpha.
    long_name : str
        What it is, in words.
    symbol : str
        As Matplotlib writes it.
    """

    dims: tuple[str, ...]
    long_name: str
    symbol: str


OBSERVABLES = {
    "generalization_error": Observable((), "generalization error", r"$\varepsilon_g$"),
    "specialization": Observable((), "specialization", "specialization"),
    "classification_error": Observable((), "classification error", r"$\varepsilon_c$"),
    "mean_loss": Observable((), "mean loss", r"$\langle l\rangle$"),
    "task_errors": Observable(("task",), "generalization error of a task", r"$\varepsilon_\tau$"),
    "unit_margins": Observable(("student_unit",), "margin of a student unit", r"$\Delta_k$"),
    "mode_residuals": Observable(("mode",), "residual of a mode", r"$r_p$"),
    "Q": Observable(("student_unit", "student_unit_2"), "overlap of student units", "$Q$"),
    "R": Observable(("student_unit", "teacher_unit"), "overlap of student and teacher units", "$R$"),
    "rho": Observable(("student_unit", "teacher_unit"), "normalized overlap of student and teacher units", r"$\rho$"),
    "G": Observable(("mode", "mode_2"), "overlap of input modes", "$G$"),
    "S": Observable(("mode", "teacher_unit"), "overlap of input modes and teacher units", "$S$"),
    "strengths": Observable(("mode",), "strength of a mode", "$s$"),
    "xi_out": Observable(("student_unit", "mode"), "output mode", "$A$"),
    "readout": Observable(("student_unit",), "second layer of the student", "$v$"),
}
"""Name to :class:`Observable` of all that a run has at its saved times; all are dimensionless."""

LONG_NAMES = {
    "alpha": "time α = steps/N", "replica": "replica", "student_unit": "student unit",
    "student_unit_2": "other student unit", "teacher_unit": "teacher unit", "teacher_unit_2": "other teacher unit",
    "mode": "mode", "mode_2": "other mode", "quantile": "probability of a quantile", "task": "task",
    "head": "head of the student", "group": "group of eigenvalues, the largest first",
}
"""Of the coordinates."""

_WHY_ABSENT = {
    "mode_residuals": "strengths or output modes are trained or differ between replicas, the teacher has another "
                      "activation or several tasks or drifts at finite N, or many students are perfect (docs/theory, "
                      "section 6.3)",
    "task_errors": "there is one task",
}
_INT32 = 2**31
_OF_TEACHER = ("teacher_unit", "teacher_unit_2")


def dimensions(K: int, M: int, P: int, tasks: int | None = None, heads: int | None = None) -> dict[str, int]:
    """Sizes of the dimensions that number units and modes, and tasks and heads where there are several."""
    found = {"student_unit": K, "student_unit_2": K, "teacher_unit": M, "teacher_unit_2": M, "mode": P, "mode_2": P}
    return found | {name: size for name, size in (("task", tasks), ("head", heads)) if size is not None}


def dims_of(name: str, heads: bool) -> tuple[str, ...]:
    """Dimensions of an observable after replica and alpha; the readout of a student of several heads has one more."""
    dims = OBSERVABLES[name].dims
    return ("head", *dims) if name == "readout" and heads else dims


def need(package: str) -> Any:
    """An optional package.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(package)
    except ImportError as problem:
        name = package.partition(".")[0]
        raise MissingPackageError(f"sweeps and labelled results need {name}, which is not installed ({problem}): "
                                  f"{INSTALL}") from None


def dataset(run: "Trajectory", observables: Iterable[str] | None = None) -> "xarray.Dataset":
    """What :meth:`onlinemode.Trajectory.to_xarray` returns.

    Parameters
    ----------
    run : Trajectory
    observables : names of OBSERVABLES, optional
        Default: all that the run has.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    MissingPackageError, ParameterError
    """
    xarray = need("xarray")
    values = _values(run, observables)
    variables = {name: (_of_replicas(run, *_dims(run, name)), _kept(run, each),
                        _attributes(OBSERVABLES[name].long_name)) for name, each in values.items()}
    if run.error_se is not None and "generalization_error" in values:
        variables["generalization_error_se"] = (_of_replicas(run), _kept(run, run.generalization_error_se),
                                                _attributes("standard error of the measured generalization error"))
    variables |= _statistics(run, values)
    if observables is None and run.resolved is not None:
        variables |= _of_groups(run, run.resolved)
    variables |= {
        "T": _teacher_overlaps(run),
        "teacher_readout": (("teacher_unit",) if run.initial.tasks is None else ("task", "teacher_unit"),
                            np.array(run.teacher_readout),
                            _attributes("second layer of the teacher")),
        "status": _words(run, [status.value for status in run.status], "how a replica ended"),
        "message": _words(run, run.message, "how a replica ended, in words"),
    }
    used = {name for dims, _, _ in variables.values() for name in dims}
    return xarray.Dataset(variables, {name: each for name, each in _coordinates(run).items() if name in used},
                          provenance(run))


def _of_groups(run, resolved):
    """Variables of the overlaps by group of eigenvalues."""
    constant = {"group_eigenvalue": ((), resolved.eigenvalues, "mean eigenvalue of a group of directions"),
                "group_multiplicity": ((), resolved.multiplicities, "directions in a group"),
                "group_trace": ((), resolved.traces, "share of a group in the trace"),
                "group_T": (_OF_TEACHER, resolved.T, "overlap of teacher units in a group")}
    along = {"group_G": (OBSERVABLES["G"].dims, resolved.G, "overlap of input modes in a group"),
             "group_S": (OBSERVABLES["S"].dims, resolved.S, "overlap of input modes and teacher units in a group"),
             "group_learned": ((), resolved.learned, "share of the teacher that is learned in a group")}
    return ({name: (("group", *dims), np.array(values), _attributes(words))
             for name, (dims, values, words) in constant.items()}
            | {name: (_of_replicas(run, "group", *dims), _kept(run, values), _attributes(words))
               for name, (dims, values, words) in along.items()})


def _dims(run, name):
    return dims_of(name, run.initial.heads is not None)


def _teacher_overlaps(run):
    dims, attributes = _OF_TEACHER, _attributes("overlap of teacher units")
    if run.teacher_overlaps is None:
        return dims, np.array(run.T), attributes
    return _of_replicas(run, *dims), _kept(run, run.T), attributes


def _of_replicas(run, *dims):
    """Dimensions of an array of the kept replicas."""
    return ("alpha", *dims) if run.draws == 1 else ("replica", "alpha", *dims)


def _kept(run, values):
    """A copy, without the axis of a single replica: who changes a Dataset does not change the run."""
    return np.array(values[0] if run.draws == 1 else values)


def _words(run, values, long_name):
    """Objects, not the strings of fixed length that zarr has no specification for."""
    words = np.array(values[:run.draws], dtype=object)
    dims = () if run.draws == 1 else ("replica",)
    return dims, words.reshape(()) if run.draws == 1 else words, _attributes(long_name)


def _attributes(long_name):
    return {"long_name": long_name, "units": "1"}


def _is_usual(run, name):
    """Whether it is given unasked."""
    return name not in (*ensemble.METRICS, *ensemble.OF_TASKS) or name in ensemble.observables_of(run.problem)


def _values(run, observables):
    """Array (draws, n, ...) of each observable that is asked for."""
    if observables is None:
        found = {name: getattr(run, name) for name in OBSERVABLES if _is_usual(run, name)}
        return {name: each for name, each in found.items() if each is not None}
    names = [observables] if isinstance(observables, str) else checks.entries(observables)
    if names is None:
        raise ParameterError(f"observables must be names, such as ('R', 'Q'); got {checks.one_line(observables)}")
    found = {}
    for name in names:
        found[name] = getattr(run, checks.choice("each of observables", name, OBSERVABLES))
        if found[name] is None:
            raise ParameterError(f"this run has no {name}, which are not defined where {_WHY_ABSENT[name]}: leave "
                                 "them out")
    return found


def _statistics(run, names):
    """Variables of the statistics over all replicas, where not all are kept."""
    if run.summary is None:
        return {}
    found = {"count": (("alpha",), np.array(run.summary.count), _attributes("replicas that reached a time"))}
    for name in run.summary.mean:
        if name in names:
            dims, long_name = ("alpha", *_dims(run, name)), OBSERVABLES[name].long_name
            for suffix, of_each, dims_of_each, words in (
                    ("mean", run.summary.mean, dims, "mean"),
                    ("sd", run.summary.standard_deviation, dims, "standard deviation"),
                    ("quantile", run.summary.quantiles, ("quantile", *dims), "quantile")):
                found[f"{name}_{suffix}"] = (dims_of_each, np.array(of_each[name]),
                                             _attributes(f"{long_name}, {words} over replicas"))
    return found


def _coordinates(run):
    start = run.initial
    numbers = {"replica": run.draws, **dimensions(start.K, start.M, start.P, start.tasks, start.heads)}
    if run.groups is not None:
        numbers["group"] = len(run.groups.T)
    found = {name: (name, np.arange(size), {"long_name": LONG_NAMES[name]}) for name, size in numbers.items()}
    found["alpha"] = ("alpha", np.array(run.alpha), {"long_name": LONG_NAMES["alpha"], "units": "steps/N"})
    if run.summary is not None:
        found["quantile"] = ("quantile", np.array(run.summary.probabilities), _attributes(LONG_NAMES["quantile"]))
    return found


def provenance(run: "Trajectory") -> dict[str, str | int | float]:
    """What made a run, as plain text and numbers, which every file format takes.

    ``problem``, ``call``, ``start``, ``versions`` and ``launch`` are JSON; ``steps`` is the largest number of steps
    that a replica made.  What is not known, such as N of a mean-field run from overlaps, is left out.
    """
    info = run.info.to_dict()
    known = {"onlinemode": run.info.versions.get("onlinemode"), **info, "replicas": run.replicas,
             "problem": run.problem.to_dict(),
             "start": {name: value for name, value in run.info.start.items() if not isinstance(value, list)}}
    known |= {name: max(info[name]) for name in ("steps", "steps_before") if info.get(name)}
    return {name: _plain(value) for name, value in known.items() if value is not None and not isinstance(value, list)}


def _plain(value):
    """Whole numbers that netCDF-3 lacks become floats where these are exact, else their digits."""
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, int) and abs(value) >= _INT32:
        return float(value) if float(value) == value else str(value)
    return int(value) if isinstance(value, bool) else value


def dataframe(run: "Trajectory", observables: Iterable[str] | None = None) -> "pandas.DataFrame":
    """What :meth:`onlinemode.Trajectory.to_dataframe` returns.

    Parameters
    ----------
    run : Trajectory
    observables : names of OBSERVABLES, optional
        Default: generalization_error, specialization, and those metrics that say what is learned.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    MissingPackageError, ParameterError
    """
    pandas = need("pandas")
    if observables is None:
        metrics = [name for name in (*ensemble.METRICS, *ensemble.OF_TASKS) if _is_usual(run, name)]
        observables = ("generalization_error", "specialization", *metrics)
    values = _values(run, observables)
    times = len(run.alpha)
    columns = {} if run.draws == 1 else {"replica": np.repeat(np.arange(run.draws), times)}
    columns["alpha"] = np.tile(run.alpha, run.draws)
    for name, each in values.items():
        rows = each.reshape(run.draws * times, math.prod(each.shape[2:]))
        columns |= dict(zip(column_names(name, each.shape[2:]), rows.T))
    return pandas.DataFrame(columns)


def column_names(name: str, shape: Sequence[int]) -> list[str]:
    """A name for every entry of an array: R_0_0, R_0_1, ..."""
    return ["_".join([name, *(str(i) for i in index)]) for index in np.ndindex(*shape)]
