"""What is kept of a point: how its run ended, in numbers, and observables at the saved times of the sweep."""

import math
from typing import Any, NamedTuple

import numpy as np

from onlinemode import checks
from onlinemode.ensemble import METRICS, OF_TASKS
from onlinemode.ensemble import OBSERVABLES as OF_ALL_RUNS
from onlinemode.errors import ParameterError
from onlinemode.labelled import OBSERVABLES, dims_of
from onlinemode.summaries import summary_of
from onlinemode.sweeps import quantities
from onlinemode.trajectory import Status, Trajectory

STATUS = ("missing", "completed", "converged", "diverged", "failed", "invalid", "error", "lost")
"""How a replica of a point ended, by the number that stands in a file, the worst last.

Beside the statuses of a run: missing, not made yet; invalid, the point cannot be run; error, it failed in another way;
lost, each process that tried it died."""
FINISHED = ("completed", "converged")
DEFAULT = ("generalization_error", "specialization")
RUNS = "runs"  # in ``keep``: the whole trajectories, one file each


class Number(NamedTuple):
    """A number that tells how a point ended."""

    summary: str  # its name in a summary of a run
    long_name: str
    symbol: str


NUMBERS = {
    "final_alpha": Number("alpha", "last time that all replicas reached", r"$\alpha$ at the end"),
    "final_error": Number("error", "generalization error at the end", r"$\varepsilon_g$ at the end"),
    "final_error_se": Number("error_se", "standard error of the generalization error at the end",
                             r"s.e. of $\varepsilon_g$"),
    "final_specialization": Number("specialization", "specialization at the end", "specialization at the end"),
    "final_specialization_se": Number("specialization_se", "standard error of the specialization at the end",
                                      "s.e. of the specialization"),
    "specialized_at": Number("specialized_at", "time at which the specialization reaches 1/2, median over replicas",
                             r"$\alpha$ of specialization 1/2"),
    "plateau_start": Number("plateau_start", "begin of the longest plateau of replica 0",
                            r"$\alpha$ where the plateau begins"),
    "plateau_stop": Number("plateau_stop", "end of the longest plateau of replica 0",
                           r"$\alpha$ where the plateau ends"),
    "plateau_level": Number("plateau_level", "generalization error on the longest plateau of replica 0",
                            r"$\varepsilon_g$ on the plateau"),
}
OF_METRICS = {f"final_{name}{short}": Number(f"{name}{short}", f"{words}{OBSERVABLES[name].long_name} at the end",
                                             f"{symbol}{OBSERVABLES[name].symbol}{end}")
              for name in METRICS for short, words, symbol, end in (("", "", "", " at the end"),
                                                                    ("_se", "standard error of the ", "s.e. of ", ""))}
"""The same of metrics, where they are kept."""
TIMES = ("final_alpha", "specialized_at", "plateau_start", "plateau_stop")  # in steps/N; the others have no unit


class Variable(NamedTuple):
    """An array of a sweep: its dimensions after those of the points, their sizes, type, and attributes."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: Any
    fill: Any
    attrs: dict[str, Any]


class Kept(NamedTuple):
    """What is kept of every point.

    Attributes
    ----------
    names : tuple of str
        Of :data:`onlinemode.labelled.OBSERVABLES`.
    runs : bool
        Whether whole trajectories are, too.
    times : tuple of float
        The saved times of the sweep.
    replicas : int
        Of a point.
    statistics : bool
        Means and standard deviations over replicas, in place of each replica's observables.
    sizes : dict
        Largest number of student units, teacher units, modes, tasks and heads, by dimension.
    quantities : tuple of str
        Of :data:`onlinemode.sweeps.quantities.QUANTITIES`.
    """

    names: tuple[str, ...]
    runs: bool
    times: tuple[float, ...]
    replicas: int
    statistics: bool
    sizes: dict[str, int]
    quantities: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """What an argument ``keep`` has for all of it."""
        return [*self.names, *self.quantities, *[RUNS] * self.runs]

    @property
    def columns(self) -> tuple[str, ...]:
        """Variables that are one number a point, but the seconds."""
        return (*self.numbers, *quantities.numbers_of(self.quantities))

    @property
    def metrics(self) -> tuple[str, ...]:
        """Those of :data:`onlinemode.ensemble.METRICS`."""
        return tuple(name for name in METRICS if name in self.names)

    @property
    def tasks(self) -> int:
        """Of how many tasks there are numbers."""
        return self.sizes["task"] if "task_errors" in self.names else 0

    @property
    def numbers(self) -> dict[str, Number]:
        """The numbers that tell how a point ended."""
        of_metrics = {name: number for name, number in OF_METRICS.items()
                      if number.summary.removesuffix("_se") in self.metrics}
        return NUMBERS | of_metrics | numbers_of_tasks(self.tasks)

    @property
    def needs_sizes(self) -> bool:
        """Whether an observable has entries for units or modes."""
        return any(OBSERVABLES[name].dims for name in self.names)

    def variables(self) -> dict[str, Variable]:
        """All arrays of the sweep; the status last, by which a point counts as made."""
        several = self.replicas > 1
        replica = ("replica",) if several else ()
        count = (self.replicas,) if several else ()
        found = {}
        for name, number in self.numbers.items():
            units = "steps/N" if name in TIMES else "1"
            found[name] = Variable((), (), np.float64, math.nan, _attrs(number.long_name, number.symbol, units))
        for name in self.names:
            observable = OBSERVABLES[name]
            dims = ("alpha", *dims_of(name, "head" in self.sizes))
            shape = (len(self.times), *(self.sizes[dim] for dim in dims[1:]))
            attrs = _attrs(observable.long_name, observable.symbol, "1")
            if self.statistics:
                found |= {f"{name}_{short}": Variable(dims, shape, np.float64, math.nan, attrs | {
                    "long_name": f"{observable.long_name}, {words} over replicas"})
                    for short, words in (("mean", "mean"), ("sd", "standard deviation"))}
            else:
                found[name] = Variable(replica + dims, count + shape, np.float64, math.nan, attrs)
        for name in self.quantities:
            found |= {each: Variable((), (), np.float64, math.nan, _attrs(*number))
                      for each, number in quantities.QUANTITIES[name].numbers.items()}
            found[quantities.finding_of(name)] = Variable((), (), str, "", {
                "long_name": f"whether there is a {name.replace('_', ' ')}, or why not"})
        found["seconds"] = Variable((), (), np.float64, math.nan, _attrs("seconds that the point took", "seconds", "s"))
        found["message"] = Variable((), (), str, "", {"long_name": "what a point that did not end well says"})
        found["status"] = Variable(replica, count, np.int8, 0, {
            "long_name": "how a replica ended", "flag_values": list(range(len(STATUS))),
            "flag_meanings": " ".join(STATUS)})
        return found


def numbers_of_tasks(count: int) -> dict[str, Number]:
    """The generalization error of each task at the end, with its standard error."""
    found = {}
    for task in range(count):
        name, symbol = f"error_of_task_{task}", rf"$\varepsilon_{{{task}}}$"
        words = f"generalization error of task {task} at the end"
        found[f"final_{name}"] = Number(name, words, f"{symbol} at the end")
        found[f"final_{name}_se"] = Number(f"{name}_se", f"standard error of the {words}", f"s.e. of {symbol}")
    return found


def _attrs(long_name: str, symbol: str, units: str) -> dict[str, Any]:
    return {"long_name": long_name, "units": units, "symbol": symbol}


def checked(keep: Any, statistics: bool) -> tuple[tuple[str, ...], bool]:
    """The observables and quantities of an argument ``keep``, and whether whole runs are kept.

    Raises
    ------
    ParameterError
        If one is not known, or no statistics over replicas are made of it.
    """
    names = (keep,) if isinstance(keep, str) else checks.entries(keep)
    if names is None:
        raise ParameterError(f"keep must be names of observables; got {checks.one_line(keep)}")
    known = (*OF_ALL_RUNS, *METRICS, *OF_TASKS) if statistics else tuple(OBSERVABLES)
    for name in names:
        if not isinstance(name, str) or name not in (*known, *quantities.QUANTITIES, RUNS):
            rule = "of a sweep whose replicas are summarised (keep = 'summary') " if statistics else ""
            raise ParameterError(f"what is kept of a point {rule}can be {', '.join(known)}, of its theory "
                                 f"{', '.join(quantities.QUANTITIES)}, and {RUNS} (whole trajectories); got "
                                 f"{checks.one_line(name)}")
    return tuple(dict.fromkeys(name for name in names if name != RUNS)), RUNS in names


def nothing(variables: dict[str, Variable], *lead: int) -> dict[str, np.ndarray]:
    """Arrays of which nothing is known yet, with these axes in front."""
    return {name: np.full((*lead, *variable.shape), variable.fill, object if variable.dtype is str else variable.dtype)
            for name, variable in variables.items()}


def put(rows: dict[str, np.ndarray], place: int, run: Trajectory, kept: Kept) -> None:
    """Write what is kept of a finished run into a row of the arrays, all but ``seconds``."""
    out = {name: values[place:place + 1] for name, values in rows.items()}
    ends = summary_of(run, kept.metrics, kept.tasks)
    for name, entry in kept.numbers.items():
        out[name][0] = ends[entry.summary]
    of_theory = run.info.theory and run.replicas == 1  # which is the same for all replicas
    count = kept.replicas if of_theory else run.replicas
    codes = np.array([STATUS.index(status.value) for status in run.status], np.int8)
    out["status"].reshape(-1)[:count] = codes
    quantities.put(out, run, kept.quantities)
    if not ends["complete"]:
        out["message"][0] = next(message for status, message in zip(run.status, run.message)
                                 if status not in (Status.COMPLETED, Status.CONVERGED))
    places, there = _places(run, kept.times)
    for name in kept.names:
        if kept.statistics:
            for short, values in (("mean", run.ensemble.mean), ("sd", run.ensemble.standard_deviation)):
                if name not in values:  # a metric that says nothing of this point
                    continue
                _put(out[f"{name}_{short}"][0], values[name], places, there)
            continue
        values = getattr(run, name)
        if values is not None:
            targets = out[name][0] if kept.replicas > 1 else out[name]
            for number in range(count):
                _put(targets[number], values[0 if of_theory else number], places, there)


def worst_of(statuses: np.ndarray) -> np.ndarray:
    """The status that counts for each point, by number, (points,): the worst of its replicas that there are."""
    return by_replica(statuses).max(1)


def by_replica(statuses: np.ndarray) -> np.ndarray:
    """Statuses of points, (points,) or (points, replicas), as (points, replicas)."""
    return statuses if statuses.ndim == 2 else statuses[:, None]


def _places(run, times):
    """Where the saved times of the sweep stand among those of the run, and which of them it has."""
    times, step = np.asarray(times), 0.0 if run.info.theory or run.N is None else 0.5 / run.N
    right = np.clip(np.searchsorted(run.alpha, times), 1, max(len(run.alpha) - 1, 1))
    left = right - 1
    if len(run.alpha) == 1:
        right = left
    places = np.where(times - run.alpha[left] <= run.alpha[right] - times, left, right)
    return places, times <= run.alpha[-1] * (1.0 + 1e-12) + step


def _put(target, values, places, there):
    """Values at all saved times of a run into the corner of an array that may have room for more units."""
    if values.ndim < target.ndim:  # one readout beside points with several heads
        values = values[:, None]
    corner = tuple(slice(size) for size in values.shape[1:])
    target[(there, *corner)] = values[places[there]]
