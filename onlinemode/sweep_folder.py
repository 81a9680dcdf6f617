"""The folder of a sweep's results: claimed at once, recognised when the sweep goes on, and read with care."""

import csv
import itertools
import json
import os
import warnings
from pathlib import Path

from onlinemode import __version__
from onlinemode.claims import Lock, numbered, place_free
from onlinemode.errors import FileError
from onlinemode.storage import cannot_write, is_there, replacing, temporary_name
from onlinemode.summaries import difference, summary_of
from onlinemode.sweep_grid import Grid, file_of
from onlinemode.trajectory import load

DESCRIPTION = "sweep.json"
TABLE = "table.csv"


def row_of(run, point: dict) -> dict:
    """The row of a run in the table: its point, what :func:`onlinemode.summaries.summary_of` says, seconds and file."""
    return {**point, **summary_of(run), "seconds": run.info.seconds_run, "file": file_of(point)}


def described(grid: Grid) -> dict:
    """What all points of a sweep share, as ``sweep.json`` holds it."""
    fixed = {name: value or None if isinstance(value, bool) else value
             for name, value in grid.experiment.to_dict().items() if name != "threads" and name not in grid.over}
    return json.loads(json.dumps({"version": __version__, "swept": list(grid.over), **fixed}))


class OtherSweep(FileError):
    """The folder is that of something else."""


class SweepFolder:
    """The folder of a sweep's results.

    A sweep is known by the names of its options and by what it holds fixed: other values of the same options
    are more points of the same sweep.  The name belongs to the process that puts the description there first.
    Several processes may work on one sweep.

    Parameters
    ----------
    grid : Grid
    path : path, optional
        By default a new name that begins with ``base``, or that of the same sweep if it is there.
    base : str, default "sweep"
    overwrite : bool, default False
        Make all points anew, also in the folder of another sweep.
    tell : callable, default warnings.warn
        Is given a line about every file that is kept aside or left out.

    Raises
    ------
    FileError
        If the folder is that of something else, or cannot be made.
    """

    def __init__(self, grid: Grid, path=None, base: str = "sweep", overwrite: bool = False, tell=warnings.warn):
        self._grid, self._description, self._replaces, self._tell = grid, described(grid), overwrite, tell
        self._rows, self._left_out, self._made, self._described = {}, set(), False, False
        if path is not None:
            self.path = Path(path)
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
        try:
            self.path.mkdir()
            self._made = True
        except FileExistsError:
            pass
        except (OSError, ValueError) as problem:
            raise FileError(cannot_write(self.path, problem)) from None

    def _describe(self):
        """Put the description there, unless another process was faster."""
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
                return f"holds another sweep, whose {name} is {known.get(name)!s:.80} and not {value!s:.80}"
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

    def check_names(self):
        """Raise FileError if the file of one of the points cannot have its name."""
        for point in self._grid.points:
            try:
                is_there(self.path / file_of(point))
            except (OSError, ValueError) as problem:
                raise FileError(cannot_write(file_of(point), problem)) from None

    def read(self, point):
        """The run of a point, where the folder has it, else None.

        A file of this name that is damaged or holds another run is kept under another name.
        """
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
                self._tell(f"{path} {why}: kept as {kept.name}, and the point is made anew")
        return run

    def _look(self, path, point):
        """Run, what is wrong with the file in words, and the ending that says so in its name."""
        try:
            run = load(path)
        except FileError as problem:
            return None, f"is damaged ({problem})", ".damaged"
        why = self._difference(run, point)
        return (None, f"is not the run of this point: {why}", ".other") if why else (run, "", "")

    def _difference(self, run, point):
        experiment = self._grid.at(point)
        return difference(run, experiment.problem(), experiment.start(), experiment.call())

    def save(self, run, point):
        """Write the run of a point; if another process was faster, its file stays, with the same bits."""
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

    def add_to_table(self, row):
        """Write the table of all points that the folder has, this one among them."""
        self._rows[row["file"]] = row
        with self._table():
            there = sorted(name for name in os.listdir(self.path) if name.endswith(".npz"))
            for name in there:
                if name not in self._rows and name not in self._left_out:
                    self._add_of_others(name)
            rows = sorted((self._rows[name] for name in there if name in self._rows), key=self._place)
            with replacing(self.path / TABLE, "w") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)

    def _add_of_others(self, name):
        point = self._grid.point_of(name)
        if point is None:
            why = "its name is none of this sweep"
        else:
            run, why, _ = self._look(self.path / name, point)
        if why:
            self._left_out.add(name)
            self._tell(f"{self.path / name} is left out of the table: {why}")
        else:
            self._rows[name] = row_of(run, point)

    def _place(self, row):
        """Numbers in their order, then names in that of the alphabet."""
        return [(isinstance(row[name], str), row[name]) for name in self._grid.over]

    def _table(self):
        """The right to change the table, and to set files aside, which one process has at a time."""
        return Lock(self.path / TABLE, wait=True)


def _set_aside(path, ending):
    if path.is_dir():
        raise FileError(f"cannot write {path}: it is a folder; give another folder with --out")
    for number in itertools.count(1):
        kept = numbered(path, number, ending)
        if place_free(path, kept):
            return kept
