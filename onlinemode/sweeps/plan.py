"""A sweep before it is run: what makes its points, what is kept of them, and how a folder describes it."""

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from onlinemode import __version__, checks
from onlinemode.engines import capabilities_of
from onlinemode.errors import EngineError, OnlineModeError, ParameterError
from onlinemode.experiment import DRAWN, OPTIONS_OF, Experiment, outline_of
from onlinemode.inputs import parse
from onlinemode.labelled import dimensions
from onlinemode.runtime.checkpoint import kernel_version
from onlinemode.runtime.saved_times import count_or_times, save_times
from onlinemode.simulation import MAX_REPLICAS
from onlinemode.sweeps.axes import DIMENSIONS, Axis, Grid, grid_of, words_of
from onlinemode.sweeps.kept import Kept, Variable, checked
from onlinemode.sweeps.quantities import QUANTITIES
from onlinemode.sweeps.recipe import ExperimentRecipe, FunctionRecipe, recipe_of
from onlinemode.task_options import PROTOCOL, TEACHERS

FORMAT = 1  # of sweep.json
TRIED = 64  # points, spread over the sweep, one of which must be possible
MOST_LOOKED_AT = 1000  # points of a function, to know the longest of them and its replicas
MOST_RUNS = 10_000  # files of whole trajectories


@dataclass(frozen=True)
class Plan:
    """A sweep.

    Attributes
    ----------
    recipe : ExperimentRecipe or FunctionRecipe
    grid : Grid
    kept : Kept
    first : Experiment
        That of one of the points that can be run.
    data : dict
        The data sets from which points draw their inputs, by their words.
    """

    recipe: ExperimentRecipe | FunctionRecipe
    grid: Grid
    kept: Kept
    first: Experiment
    data: dict[str, Any]

    @cached_property
    def variables(self) -> dict[str, Variable]:
        """All arrays, see :meth:`onlinemode.sweeps.kept.Kept.variables`."""
        return self.kept.variables()

    def describe(self) -> dict[str, Any]:
        """What ``sweep.json`` holds: enough to make the sweep again, and to see whether another one is the same."""
        return json.loads(json.dumps({
            "format": FORMAT, "version": __version__, "kernels": kernel_version(), **self.recipe.to_dict(),
            "data": {words: given.fingerprint() for words, given in self.data.items()},
            "over": [axis.to_list() for axis in self.grid.axes], "replicas": self.kept.replicas,
            "keep": self.kept.words, "times": list(self.kept.times),
            "sizes": self.kept.sizes}))

    @property
    def title(self) -> str:
        """One line about what all points share."""
        swept = set(self.grid.names)
        swept |= {"M", "P"} if swept & {"K", "M", "P", "init", *TEACHERS} or self.first.init == "paper" else set()
        words = self.first.describe(tuple(swept))
        return words if "engine" in swept else f"{self.first.engine}, {words}"


def plan_of(make: Any, over: dict, seeds: Any = None, replicas: int | None = None, keep: Any = ()) -> Plan:
    """The plan of a call of :func:`onlinemode.sweep`.

    Raises
    ------
    ParameterError, EngineError, FileError
        If something cannot be swept or kept, or if none of some points that are tried can be run: with the reason of
        the first one.
    """
    recipe = recipe_of(make)
    if replicas is not None:
        if not isinstance(recipe, ExperimentRecipe):
            raise ParameterError(f"replicas are those of the experiments that {recipe.name} makes; leave replicas out")
        replicas = checks.integer("replicas", replicas, 1, MAX_REPLICAS)
        recipe = ExperimentRecipe(recipe.experiment.replace(replicas=replicas))
    grid = grid_of(over, seeds, recipe)
    _check_options(recipe, grid)
    first = _one_possible(recipe, grid)
    words, runs = checked(keep, first.keep == "summary")
    names, quantities = (tuple(each for each in words if (each in QUANTITIES) is theirs) for theirs in (False, True))
    if runs and grid.size > MOST_RUNS:
        raise ParameterError(f"whole trajectories are kept of at most {MOST_RUNS:,} points; got {grid.size:,}: keep "
                             "observables")
    kept = Kept(names, runs, _times(first, grid, recipe), _replicas(first, grid, recipe), first.keep == "summary", {},
                quantities)
    if kept.needs_sizes:
        kept = kept._replace(sizes=_sizes(recipe, grid))
    if "task_errors" in names and "task" not in kept.sizes:
        raise ParameterError("task_errors are of several tasks, and no point has them: sweep experiments with init = "
                             "'tasks', or leave task_errors out")
    plan = Plan(recipe, grid, kept, first, _data_sets(first, grid))
    _check_labels(plan)
    return plan


def _check_labels(plan):
    """Raise ParameterError where what is swept has the name of a result."""
    taken = set(plan.variables).union({"replica", "alpha"}, *(each.dims for each in plan.variables.values()))
    for axis in plan.grid.axes:
        for label in (axis.dim, *(DIMENSIONS.get(name, name) for name in axis.names)):
            if label in taken:
                of_function = isinstance(plan.recipe, FunctionRecipe)
                raise ParameterError(f"{label} is a name of the results, and cannot be swept: "
                                     + ("give the argument another name" if of_function else "leave it out of keep"))


def _check_options(recipe, grid):
    """Raise EngineError for an axis that none of the engines has."""
    if not isinstance(recipe, ExperimentRecipe):
        return
    engines = [recipe.experiment.engine]
    for axis in grid.axes:
        engines = axis.column("engine") if "engine" in axis.names else engines
    known = {name for engine in engines for name in OPTIONS_OF[engine]}
    for name in grid.names:
        if name not in known and any(name in options for options in OPTIONS_OF.values()):
            raise EngineError(f"engine {' and '.join(engines)} has no option {name!r} to sweep")


def _data_sets(first, grid):
    """Data sets by their words, opened; those that cannot be are left to the points that need them."""
    words, found = {first.inputs}, {}
    for axis in grid.axes:
        words |= set(axis.column("inputs")) if "inputs" in axis.names else set()
    for each in sorted(words):
        if each.removesuffix(":raw").endswith(".npy"):
            with suppress(OnlineModeError):
                found[each] = parse(each)
    return found


def _one_possible(recipe, grid):
    """The experiment of a point that can be run."""
    problem, tried = None, np.unique(np.linspace(0, grid.size - 1, TRIED).astype(int))
    for number in tried:
        point = grid.point(number)
        try:
            experiment = prepared(recipe, point)
            experiment.check()
            return experiment
        except OnlineModeError as found:
            problem = problem or type(found)(f"{words_of(point)}: {found}")
        except Exception as found:  # of a user's function
            problem = problem or ParameterError(f"{words_of(point)}: {type(found).__name__}: {found}")
    raise problem


def prepared(recipe: ExperimentRecipe | FunctionRecipe, point: dict[str, Any], threads: int | None = 1) -> Experiment:
    """The experiment of a point with so many threads, and with one replica where the engine has no more.

    Raises
    ------
    ParameterError
    """
    experiment = recipe.at(point)
    changes: dict[str, Any] = {}
    if capabilities_of(experiment.engine).theory:
        if not experiment.fresh_students and experiment.replicas != 1:
            changes["replicas"] = 1
    elif threads is not None:
        changes["threads"] = threads
    return experiment.replace(**changes) if changes else experiment


def _values_of(name, first, grid, recipe):
    """All values that an Experiment's name has in a sweep; of a large one of a function those of some points."""
    if isinstance(recipe, ExperimentRecipe):
        axes = [axis for axis in grid.axes if name in axis.names]
        return axes[0].column(name) if axes else [getattr(first, name)]
    found = []
    for number in np.unique(np.linspace(0, grid.size - 1, MOST_LOOKED_AT).astype(int)):
        with suppress(Exception):  # of a point that cannot be run
            found.append(getattr(recipe.at(grid.point(number)), name))
    return found


def _times(first, grid, recipe):
    """The saved times of the whole sweep; a count is spread up to its last time, from the shortest step on."""
    alpha, N, engines = (_values_of(name, first, grid, recipe) for name in ("alpha", "N", "engine"))
    last, sizes = max(alpha), {value for value in N if value is not None and 1 <= value <= checks.MAX_N}
    largest = max(sizes, default=None)
    whole_steps = len(sizes) == 1 and not _all_theory(engines)
    given = count_or_times(first.save_at).ndim > 0
    switches = sorted(_switches(first, grid, recipe))
    return tuple(save_times(first.save_at, last, largest, whole_steps and not given, switches)[0].tolist())


def _switches(first, grid, recipe):
    """Where tasks switch at any point; of replay the first one."""
    found = {each for each in _values_of("switch_at", first, grid, recipe) if each is not None}
    return {time for each in found for time in (each if isinstance(each, tuple) else (each,))}


def _all_theory(engines):
    return all(capabilities_of(name).theory for name in engines)


def times_of(experiment: Experiment, times: tuple[float, ...]) -> tuple[float, ...]:
    """Those of the sweep's saved times that a point reaches, and its last one."""
    there = [each for each in times if each <= experiment.alpha]
    return tuple(there) if there and there[-1] == experiment.alpha else (*there, experiment.alpha)


def _replicas(first, grid, recipe):
    """The most that a point has, see :func:`prepared`."""
    replicas, fresh, engines = (_values_of(name, first, grid, recipe)
                                for name in ("replicas", "fresh_students", "engine"))
    if isinstance(recipe, ExperimentRecipe):
        replicas = [recipe.experiment.replicas]
    return max(replicas) if any(fresh) or not _all_theory(engines) else 1


def _sizes(recipe, grid):
    """The largest of each size over all points that can be run."""
    if isinstance(recipe, ExperimentRecipe):  # of the other names one value will do
        grid = Grid(tuple(axis if set(axis.names) & {"N", *DRAWN, *PROTOCOL} else Axis(axis.names, axis.rows[:1])
                          for axis in grid.axes))
    found, seen = dimensions(1, 1, 1), set()
    for number in range(grid.size):
        try:
            experiment = recipe.at(grid.point(number))
            key = tuple(getattr(experiment, name) for name in ("N", "overlaps", *DRAWN, *PROTOCOL))
            if key not in seen:
                seen.add(key)
                start = outline_of(experiment)
                found |= {name: max(size, found.get(name, 0))
                          for name, size in dimensions(start.K, start.M, start.P, start.tasks, start.heads).items()}
        except Exception:  # no point that can be run
            continue
    return found
