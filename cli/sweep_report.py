"""What ``onlinemode sweep`` says when it is done: a table, counts, what went wrong, files."""

import csv
import sys

import numpy as np

from onlinemode.cli import report
from onlinemode.errors import ParameterError
from onlinemode.storage import replacing
from onlinemode.sweeps.axes import label_of, words_of
from onlinemode.sweeps.kept import FINISHED, STATUS, worst_of
from onlinemode.sweeps.quantities import numbers_of

MOST_ROWS = 40  # that are printed
MOST_MESSAGES = 3
POINTS_AT_ONCE = 2**16  # in memory, for the table
SHOWN = {"final_error": "ε_g", "final_error_se": "± s.e.", "final_specialization": "special.",
         "specialized_at": "α of 1/2", "final_classification_error": "wrong", "final_mean_loss": "mean loss"}


def rows_of(plan, dataset):
    """A dict a point that is made, in the order of the grid: its values, how it ended, seconds; a slab at a time."""
    grid, columns = plan.grid, ("message", *plan.kept.columns, "seconds")
    first, rest = grid.dims[0], grid.size // grid.shape[0]
    step = max(POINTS_AT_ONCE // rest, 1)
    for begin in range(0, grid.shape[0], step):
        slab = dataset[["status", *columns]].isel({first: slice(begin, begin + step)}).load()
        points = slab.sizes[first] * rest
        statuses = slab["status"].values.reshape(points, -1)
        values = {name: slab[name].values.reshape(points).tolist() for name in columns}
        for i in np.flatnonzero((statuses != "missing").any(1)).tolist():
            complete = bool(np.isin(statuses[i], (*FINISHED, "missing")).all())
            point = {name: label_of(value) for name, value in grid.point(begin * rest + i).items()}
            row = point | {"status": status_words(statuses[i]), "complete": complete}
            yield row | {name: values[name][i] for name in (*plan.kept.columns, "seconds", "message")}


def status_words(replicas):
    """One status for all replicas, or how many there are of each."""
    there = replicas[replicas != "missing"]
    kinds, counts = np.unique(there, return_counts=True)
    return str(kinds[0]) if len(kinds) == 1 else ", ".join(f"{n} {kind}" for kind, n in zip(kinds, counts))


def write_table(plan, dataset, path):
    """All points that are made, one row each."""
    rows = rows_of(plan, dataset)
    first = next(rows)
    with replacing(path, "w") as file:
        writer = csv.DictWriter(file, first)
        writer.writeheader()
        writer.writerow(first)
        writer.writerows(rows)


def draw(dataset, path, files):
    """The picture, where a sweep has one."""
    from onlinemode.cli.pictures import plotting

    try:
        figure = plotting.sweep_figure(dataset)
    except ParameterError as problem:
        print(f"onlinemode: no picture: {problem}", file=sys.stderr)
        return
    plotting.save_figure(figure, path)
    files["picture"] = path


def say(plan, dataset, counts, settings, files):
    """The table of a small sweep, how points ended, and where everything is."""
    if settings["json"]:
        over = {axis.dim: axis.labels(axis.names[0]) if len(axis.names) == 1 else
                [[label_of(value) for value in row] for row in axis.rows] for axis in plan.grid.axes}
        report.print_json({"command": "sweep", "title": plan.title, "over": over,
                           "points": list(rows_of(plan, dataset)), "counts": counts,
                           "files": {name: str(path) for name, path in files.items()}})
        return
    _say_what_failed(plan, dataset, counts)
    if settings["quiet"]:
        return
    if plan.grid.size <= MOST_ROWS:
        print_rows(plan, dataset)
    print(f"{_points(sum(counts.values()))}: " + ", ".join(f"{n:,} {name}" for name, n in counts.items()))
    report.print_files(files)


def _points(number):
    return f"{number:,} {'point' if number == 1 else 'points'}"


def count(statuses):
    """How many points ended how."""
    counts = np.bincount(worst_of(statuses), minlength=len(STATUS))
    return {STATUS[code]: int(counts[code]) for code in [*range(1, len(STATUS)), 0] if counts[code]}  # missing last


def print_rows(plan, dataset):
    """A line a point."""
    of_tasks = {f"final_error_of_task_{task}": f"ε_g of task {task}" for task in range(plan.kept.tasks)}
    shown = {name: words for name, words in (SHOWN | of_tasks).items() if name in plan.kept.numbers}
    shown |= {name: name for name in numbers_of(plan.kept.quantities)}
    widths = {name: max(14, len(words)) for name, words in shown.items()}
    print("  ".join([f"{name:>12}" for name in plan.grid.names]
                    + [f"{words:>{widths[name]}}" for name, words in shown.items()])
          + "  status")
    for row in rows_of(plan, dataset):
        cells = [f"{row[name]:>12,}" if type(row[name]) is int else f"{row[name]!s:>12}" for name in plan.grid.names]
        cells += [f"{f'{row[name]:.4g}' if row[name] == row[name] else '-':>{widths[name]}}" for name in shown]
        print("  ".join(cells) + f"  {row['status']}")


def _say_what_failed(plan, dataset, counts):
    """The first messages of points that could not be run, failed or were lost, each with the first of its points."""
    bad = [name for name in counts if name in ("failed", "invalid", "error", "lost")]
    found = {}
    for row in rows_of(plan, dataset) if bad else ():
        if any(name in row["status"] for name in bad):
            found.setdefault((row["status"], row["message"]), []).append(row)
    for (status, message), rows in list(found.items())[:MOST_MESSAGES]:
        where = words_of({name: rows[0][name] for name in plan.grid.names})
        print(f"onlinemode: {status}: {_points(len(rows))}, the first at {where}: "
              f"{message}", file=sys.stderr)
    if len(found) > MOST_MESSAGES:
        print(f"onlinemode: and {len(found) - MOST_MESSAGES:,} other messages, which table.csv has", file=sys.stderr)
