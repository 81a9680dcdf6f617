"""The grid of ``onlinemode sweep``: its axes on the command line, its points, and the folder of its results."""

import csv
import itertools
import json
import math
import os
import sys
from pathlib import Path

import click

from onlinemode.cli.names import unusual
from onlinemode.cli.options import COMMON, OUTPUT, PROBLEM, START, WHOLE, convert, option_type
from onlinemode.errors import FileError

NAMES = tuple(name for name in (*START, "alpha", *PROBLEM) if name not in ("inputs", "start"))
MOST_POINTS = 10_000
DESCRIPTION = "sweep.json"
TABLE = "table.csv"


def parse(over):
    """Name of each swept option to the list of its values.

    Parameters
    ----------
    over : sequence of str
        ``NAME=V1,V2,...``, ``NAME=FROM:TO:COUNT`` or ``NAME=FROM:TO:COUNT:log``.

    Raises
    ------
    click.UsageError
    """
    axes = {}
    for text in over:
        name, equals, values = text.partition("=")
        name = name.strip().lstrip("-").replace("-", "_")
        if not equals or not values.strip():
            raise click.UsageError("--over must be NAME=VALUES, for example eta=1,2,5 or N=100:1e6:5:log; got "
                                   f"{text!r}")
        if name not in NAMES:
            raise click.UsageError(f"--over can sweep {', '.join(NAMES)}; got {name!r}")
        if name in axes:
            raise click.UsageError(f"--over names every option once; got {name} twice: give all its values in one")
        axes[name] = _values(name, values)
    size = math.prod(len(values) for values in axes.values())
    if size > MOST_POINTS:
        raise click.UsageError(f"a sweep has at most {MOST_POINTS:,} points; got {size:,}")
    return axes


def _values(name, text):
    if ":" not in text:
        values = [convert(name, part.strip()) for part in text.split(",")]
    else:
        values = _range(name, text)
    if len(set(values)) < len(values):
        raise click.UsageError(f"the values of --over {name} must differ; got {text}")
    return values


def _range(name, text):
    import numpy as np

    begin, end, number, *rest = [*text.split(":"), "", ""]
    if [part for part in rest if part] not in ([], ["log"]) or text.count(":") > 3:
        raise click.UsageError(f"a range is FROM:TO:COUNT or FROM:TO:COUNT:log; got {text!r} for {name}")
    try:
        low, high, points = float(begin), float(end), int(number)
    except ValueError:
        raise click.UsageError(f"a range is FROM:TO:COUNT or FROM:TO:COUNT:log; got {text!r} for {name}") from None
    if points > MOST_POINTS:
        raise click.UsageError(f"a sweep has at most {MOST_POINTS:,} points; got {points:,} for {name}")
    if points < 2 or not np.isfinite([low, high]).all() or ("log" in rest and min(low, high) <= 0.0):
        raise click.UsageError("a range has at least 2 points, finite ends, and positive ones with log; got "
                               f"{text!r} for {name}")
    values = np.geomspace(low, high, points) if "log" in rest else np.linspace(low, high, points)
    if option_type(name) is WHOLE:
        return [int(value) for value in dict.fromkeys(np.rint(values))]
    return [convert(name, float(f"{value:.12g}")) for value in values]


def points(axes):
    """The points of the grid, dicts from name to value; the last option runs fastest."""
    return [dict(zip(axes, values)) for values in itertools.product(*axes.values())]


def file_of(point):
    """Name of the file of a point's run."""
    return ",".join(f"{name}={value}" for name, value in point.items()) + ".npz"


def point_of(name, names):
    """The point of a file's name, the inverse of :func:`file_of`; None where it is no such name."""
    parts = [part.partition("=") for part in name.removesuffix(".npz").split(",")]
    if [part[0] for part in parts] != list(names):
        return None
    try:
        point = {option: convert(option, text) for option, _, text in parts}
    except click.UsageError:
        return None
    return point if file_of(point) == name else None


class OtherSweep(FileError):
    """The folder is that of something else."""


class Folder:
    """The folder of a sweep's results: claimed at once, recognised when the sweep goes on, and read with care.

    A sweep is known by the names of its options and by what it holds fixed: other values of the same options
    are more points of the same sweep.  The name belongs to the process that puts the description there first.
    Several processes may work on one sweep.

    Parameters
    ----------
    out : str or None
        ``None``: a new name after the swept options, or that of the same sweep if it is there.
    names : sequence of str
        The swept options.
    settings : dict
        All settings of one point.
    difference : callable
        ``difference(run, point)``: how a run differs from that of a point, in words; "" where it does not.

    Raises
    ------
    FileError
        If the folder is that of something else, or cannot be made.
    """

    def __init__(self, out, names, settings, difference):
        from onlinemode import __version__
        from onlinemode.claims import numbered

        fixed = {name: value for name, value in settings.items() if name not in (*names, *_FREE)}
        self._description = json.loads(json.dumps({"version": __version__, "swept": list(names), **fixed}))
        self._names, self._difference, self._replaces = tuple(names), difference, bool(settings["overwrite"])
        start = [] if "init" in names else [settings["init"]]
        base = "_".join(["sweep", *start, *unusual(fixed, {**COMMON, "engine": "chain"}), *names])
        self._rows, self._left_out, self._made, self._described = {}, set(), False, False
        if out is not None:
            self.path = Path(out)
            self._take()
            return
        for number in itertools.count(1):
            self.path = numbered(base, number)
            try:
                return self._take()
            except OtherSweep:
                if number == 1 and self._replaces:
                    raise

    # -- the folder ---------------------------------------------------------------------------

    def _take(self):
        """Make the folder, or go on in that of the same sweep."""
        from onlinemode.claims import Lock

        self._make()
        if self._what_else() and not self._may_be_replaced():
            raise OtherSweep(f"{self.path} {self._what_else()}: give another folder with --out"
                             + (", or --overwrite" if self._known() is not None else ""))
        self._lock = Lock(self.path / DESCRIPTION, shared=not self._replaces, wait=not self._replaces)
        try:
            self._describe()
            if why := self._what_else():
                raise OtherSweep(f"{self.path} {why}: give another folder with --out")
            self._lock.share()
        except BaseException:
            self._lock.release()
            raise

    def _make(self):
        from onlinemode.storage import cannot_write

        try:
            self.path.mkdir()
            self._made = True
        except FileExistsError:
            pass
        except (OSError, ValueError) as problem:
            raise FileError(cannot_write(self.path, problem)) from None

    def _describe(self):
        """Put the description there, unless another process was faster."""
        from onlinemode.claims import place_free
        from onlinemode.storage import replacing, temporary_name

        path = self.path / DESCRIPTION
        temporary = temporary_name(path)
        try:
            with replacing(temporary, "w") as stream:
                json.dump(self._description, stream, indent=2, ensure_ascii=False)
            if self._may_be_replaced() and self._what_else():
                os.replace(temporary, path)
            elif place_free(temporary, path):
                self._described = True
        finally:
            temporary.unlink(missing_ok=True)

    def _what_else(self):
        """What keeps this sweep out of the folder, in words; "" where nothing does."""
        known = self._known()
        if known is None:
            return "" if os.path.isdir(self.path) and not self._contents() else "is not the folder of a sweep"
        for name, value in self._description.items():
            if known.get(name) != value:
                return f"holds another sweep, whose {name} is {known.get(name)} and not {value}"
        return ""

    def _known(self):
        """The description of the sweep that is there; None where there is none."""
        try:
            return dict(json.loads((self.path / DESCRIPTION).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _may_be_replaced(self):
        return self._replaces and self._known() is not None

    def _contents(self):
        return [name for name in os.listdir(self.path) if not name.startswith(".onlinemode-")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Others may replace the sweep; a folder without a result goes."""
        if self._described and self._lock.is_alone() and self._contents() == [DESCRIPTION]:
            (self.path / DESCRIPTION).unlink()
            self._lock.release()
            if self._made:
                self.path.rmdir()
        self._lock.release()

    # -- its points ---------------------------------------------------------------------------

    def check_names(self, points):
        """Raise FileError if the file of one of the points cannot have its name."""
        from onlinemode.storage import cannot_write, is_there

        for point in points:
            try:
                is_there(self.path / file_of(point))
            except (OSError, ValueError) as problem:
                raise FileError(cannot_write(file_of(point), problem)) from None

    def read(self, point):
        """The run of a point, where the folder has it, else None.

        A file of this name that is damaged or holds another run is kept under another name.
        """
        from onlinemode.storage import is_there

        path = self.path / file_of(point)
        if not is_there(path) or self._replaces:
            return None
        run, why, _ = self._look(path, point)
        if not why:
            return run
        with self._table():
            if not is_there(path):
                return None
            run, why, ending = self._look(path, point)  # another process may have put the right file in its place
            if why:
                kept = _set_aside(path, ending)
                print(f"onlinemode: {path} {why}: kept as {kept.name}, and the point is made anew", file=sys.stderr)
        return run

    def _look(self, path, point):
        """Run, what is wrong with the file in words, and the ending that says so in its name."""
        from onlinemode import load

        try:
            run = load(path)
        except FileError as problem:
            return None, f"is damaged ({problem})", ".damaged"
        why = self._difference(run, point)
        return (None, f"is not the run of this point: {why}", ".other") if why else (run, "", "")

    def save(self, run, point):
        """Write the run of a point; if another process was faster, its file stays, with the same bits."""
        from onlinemode.claims import place_free
        from onlinemode.storage import temporary_name

        self._make()
        self._describe()
        path = self.path / file_of(point)
        temporary = temporary_name(path)
        try:
            run.save(temporary)
            if self._replaces:
                os.replace(temporary, path)
            else:
                while not place_free(temporary, path) and self.read(point) is None:
                    pass
        finally:
            temporary.unlink(missing_ok=True)

    # -- its table ----------------------------------------------------------------------------

    def add_to_table(self, row, row_of):
        """Write the table of all points that the folder has, this one among them.

        ``row_of(run, point)`` makes the row of a point that another call has made.
        """
        from onlinemode.storage import replacing

        self._rows[row["file"]] = row
        with self._table():
            there = sorted(name for name in os.listdir(self.path) if name.endswith(".npz"))
            for name in there:
                if name not in self._rows and name not in self._left_out:
                    self._add_of_others(name, row_of)
            rows = sorted((self._rows[name] for name in there if name in self._rows), key=self._place)
            with replacing(self.path / TABLE, "w") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)

    def _add_of_others(self, name, row_of):
        point = point_of(name, self._names)
        if point is None:
            why = "its name is none of this sweep"
        else:
            run, why, _ = self._look(self.path / name, point)
        if why:
            self._left_out.add(name)
            print(f"onlinemode: {self.path / name} is left out of the table: {why}", file=sys.stderr)
        else:
            self._rows[name] = row_of(run, point)

    def _place(self, row):
        """Numbers in their order, then names in that of the alphabet."""
        return [(isinstance(row[name], str), row[name]) for name in self._names]

    def _table(self):
        """The right to change the table, and to set files aside, which one process has at a time."""
        from onlinemode.claims import Lock

        return Lock(self.path / TABLE, wait=True)


def _set_aside(path, ending):
    from onlinemode.claims import numbered, place_free

    if path.is_dir():
        raise FileError(f"cannot write {path}: it is a folder; give another folder with --out")
    for number in itertools.count(1):
        kept = numbered(path, number, ending)
        if place_free(path, kept):
            return kept


_FREE = (*(name for name in OUTPUT if name != "save_at"), "threads")  # options without influence on the results
