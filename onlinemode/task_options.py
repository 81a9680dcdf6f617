"""The options of an experiment that say how several tasks are drawn, and which of them teaches when."""

from collections.abc import Mapping
from typing import Any

from onlinemode import checks
from onlinemode.errors import ParameterError
from onlinemode.tasks import MOST, Tasks

__all__ = ["HEADS", "ORDERS", "PROTOCOL", "TASKS", "TEACHERS", "arguments_of", "options_of", "refuse_without_tasks",
           "tasks_of"]

TASKS = "tasks"  # the initial condition that has several
TEACHERS = ("tasks", "task_units", "overlap", "overlap_of", "head_size")
"""Of the initial condition."""
PROTOCOL = ("heads", "turns", "switch_at", "switch_below", "replay_every", "replay_for", "shares", "task_noise")
"""Of the problem."""
HEADS = ("one", "own")
ORDERS = ("turns", "switch_at", "switch_below", "replay_every", "replay_for")
"""Those of the protocol that put one task after the other."""


def refuse_without_tasks(values: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Raise ParameterError for an option of tasks where there is one task.

    Parameters
    ----------
    values : mapping
        By the names of an Experiment; None where not given.
    names : tuple of str
        Which of them.
    """
    for name in names:
        value = values[name]
        if value is not None:
            raise ParameterError(f"{name} is of several tasks, and this start has one; got {checks.one_line(value)}: "
                                 f"give init = {TASKS!r}, or leave it out")


def count_of(values: Mapping[str, Any]) -> int:
    """How many tasks there are: what is given, as many as other options speak of, or two."""
    if values["tasks"] is not None:
        return checks.integer("tasks", values["tasks"], 2, MOST)
    heads, turns = values["heads"], values["turns"]
    told = [len(values[name]) for name in ("shares", "task_noise") if values[name] is not None]
    told += [len(heads)] if isinstance(heads, tuple) else []
    told += [max(turns, default=0) + 1] if turns is not None else []
    return max(2, next(iter(told), 2))


def heads_of(heads: "str | tuple[int, ...] | None", count: int) -> tuple[int, ...] | None:
    """Of each task its head; None where one readout answers to all."""
    if heads is None or heads == "one":
        return None
    return tuple(range(count)) if isinstance(heads, str) else heads


def arguments_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of :func:`onlinemode.initial.tasks` that other initial conditions do not have."""
    count = count_of(values)
    given = {"units": values["task_units"], "overlap": values["overlap"], "kind": values["overlap_of"],
             "head_size": values["head_size"]}
    return {"tasks": count, "heads": heads_of(values["heads"], count),
            **{name: value for name, value in given.items() if value is not None}}


def options_of(tasks: Tasks | None, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The options that say what a run had.

    Parameters
    ----------
    tasks : Tasks or None
        Of its problem.
    arguments : mapping
        With which :func:`onlinemode.initial.tasks` drew its start, if it did.

    Returns
    -------
    dict
        All options of tasks; None where there is nothing to say.
    """
    found = dict.fromkeys((*TEACHERS, *PROTOCOL))
    if tasks is not None:
        of_start = {"tasks": tasks.count, "task_units": arguments.get("units"), "overlap": arguments.get("overlap"),
                    "overlap_of": arguments.get("kind"), "head_size": arguments.get("head_size")}
        found |= of_start | {"heads": tasks.heads, "task_noise": tasks.noise}
        found |= ({"shares": tasks.shares} if tasks.order is None else
                  {"turns": tasks.order, "switch_below": tasks.below})
    return found


def tasks_of(values: Mapping[str, Any], start: Any = None) -> Tasks | None:
    """The tasks of a problem.

    Parameters
    ----------
    values : mapping
        By the names of an Experiment; ``alpha`` is the end of replay.
    start : Weights or OrderParameters, optional
        What the run begins from, where it is not drawn by ``init``.

    Returns
    -------
    Tasks or None
        None where there is one task; of several by default all mixed evenly.

    Raises
    ------
    ParameterError
        If options do not go together, or do not fit the number of tasks.
    """
    values = dict.fromkeys((*TEACHERS, *PROTOCOL)) | dict(values)
    count = start.tasks if start is not None else count_of(values) if values["init"] == TASKS else None
    if count is None:
        refuse_without_tasks(values, PROTOCOL)
        return None
    heads = values["heads"]
    if heads is None and start is not None and start.heads is not None:
        if start.heads != count:
            raise ParameterError(f"heads must say of each of {count} tasks which of the {start.heads} rows of readout "
                                 "is its own; got none")
        heads = "own"
    return _protocol(values, count, (heads_of(heads, count), values["task_noise"]))


def _protocol(values, count, of_tasks):
    given = [name for name in ORDERS if values[name] is not None]
    if values["shares"] is not None:
        if given:
            raise ParameterError(f"shares and {given[0]} both say which task teaches when: give one of them")
        _check_count("shares", len(values["shares"]), values["shares"], count)
        return Tasks(values["shares"], *of_tasks)
    if not given:
        return Tasks((1.0,) * count, *of_tasks)
    if values["switch_below"] is not None:
        return _waiting(values, count, of_tasks)
    times, turns = values["switch_at"], values["turns"]
    if times is None:
        raise ParameterError(f"{given[0]} needs switch_at, the α at which the next task begins, or switch_below, the "
                             "error that ends a turn; got none" if given[0] == "turns" else
                             f"{given[0]} needs switch_at, the α at which the next task begins; got none")
    times = times if isinstance(times, tuple) else (times,)
    if values["replay_every"] is not None or values["replay_for"] is not None:
        return _replayed(values, times, count, of_tasks)
    if turns is None:  # 0, 1, ..., and again
        turns = tuple(turn % count for turn in range(len(times) + 1))
    if len(turns) != len(times) + 1:
        raise ParameterError(f"switch_at must have a time for every turn but the last, {len(turns) - 1}; got "
                             f"{len(times)}")
    _check_count("turns", len(set(turns)), turns, count)
    return Tasks.in_turn(turns, times, *of_tasks)


def _waiting(values, count, of_tasks):
    for name in ("switch_at", "replay_every", "replay_for"):
        if values[name] is not None:
            raise ParameterError(f"switch_below and {name} both say when a task ends: give one of them")
    turns = tuple(range(count)) if values["turns"] is None else values["turns"]
    _check_count("turns", len(set(turns)), turns, count)
    heads, noise = of_tasks
    return Tasks.until_known(turns, values["switch_below"], heads=heads, noise=noise)


def _check_count(name, found, given, count):
    if found != count:
        raise ParameterError(f"{name} must be of all {count} tasks; got {checks.one_line(given)}")


def _replayed(values, times, count, of_tasks):
    missing = [name for name in ("replay_every", "replay_for") if values[name] is None]
    if missing:
        raise ParameterError(f"replay_every and replay_for go together: give {missing[0]}, too")
    if count != 2 or len(times) != 1 or values["turns"] is not None:
        raise ParameterError("replay is of two tasks, of which the first comes back after the second has begun at "
                             "switch_at, one time: leave turns out, or give shares")
    alpha = checks.number("alpha", values["alpha"], above=0.0)
    if alpha <= times[0]:
        return Tasks.in_turn((0, 1), times, *of_tasks)
    return Tasks.with_replay(times[0], values["replay_every"], values["replay_for"], alpha, *of_tasks)
