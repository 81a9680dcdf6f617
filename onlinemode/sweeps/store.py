"""The folder of a sweep: its description, its results in chunks of zarr, and whole trajectories where they are kept.

A chunk is a file that is replaced whole, and the status of a point is written after its values: however the process
ends, what has a status is there.
"""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onlinemode import checks
from onlinemode.claims import Held, Lock
from onlinemode.errors import FileError, ParameterError
from onlinemode.labelled import need
from onlinemode.storage import cannot_write, temporary_name
from onlinemode.sweeps import description
from onlinemode.sweeps.axes import words_of
from onlinemode.sweeps.dataset import in_memory
from onlinemode.sweeps.growing import grid_of_list, merged, moved, numbers_in
from onlinemode.sweeps.kept import STATUS, by_replica, nothing
from onlinemode.sweeps.results import (
    BEFORE,
    LOADED_BYTES,
    RESULTS,
    check_arrays,
    create,
    group_of,
    open_folder,
    open_results,
    point_bytes,
    reading,
    remove,
    settle,
)
from onlinemode.sweeps.tiles import Tiles

if TYPE_CHECKING:
    import xarray

RUNS = "runs"
LONGEST_NAME = 180  # bytes of the words in the name of a run's file
TABLE = "table.csv"
TO_BE_MADE_AGAIN = ("failed", "invalid", "error", "lost")


class OtherSweep(FileError):
    """The folder is that of something else, or another process has it."""


class Memory:
    """Results that stay in memory."""

    def __init__(self, plan: Any):
        self.plan = plan
        self._flat = nothing(plan.variables, plan.grid.size)
        self.tiles = Tiles(plan.grid.shape)
        self.made = np.zeros(plan.grid.size, bool)
        self.wanted = ~self.made

    def add(self, batch: Any) -> None:
        """Take the rows of a batch."""
        for name, rows in batch.rows.items():
            self._flat[name][batch.numbers] = rows
        self.made[batch.numbers] = True

    unwritten = 0

    def flush(self) -> None:
        """Nothing to write."""

    def dataset(self) -> "xarray.Dataset":
        """All results."""
        shape = self.plan.grid.shape
        return in_memory(self.plan, {name: values.reshape(*shape, *values.shape[1:])
                                      for name, values in self._flat.items()})

    def statuses(self) -> np.ndarray:
        """Codes of all points, (points, replicas)."""
        return self._flat["status"].reshape(self.plan.grid.size, -1)

    def close(self) -> None:
        """Nothing to give back."""


class Store:
    """The folder of a sweep, which one process has at a time.

    Parameters
    ----------
    plan : Plan
    path : path
    overwrite : bool, default False
        Begin anew, also in the folder of another sweep.
    retry : bool, default False
        Make points anew that failed.

    Raises
    ------
    FileError
        If the folder is that of something else, another process has it, or it cannot be made.
    """

    def __init__(self, plan: Any, path: Any, overwrite: bool = False, retry: bool = False):
        need("zarr")
        if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
            raise ParameterError(f"store must be the path of a folder; got {checks.one_line(path)}")
        self.path, self.plan = Path(path), plan
        self._buffers: dict[tuple, dict[str, np.ndarray]] = {}
        self._changed: set[tuple] = set()
        self._new = self._make_folder()
        try:
            self._lock = Lock(self.path / description.DESCRIPTION)
        except Held:
            raise OtherSweep(f"another running process sweeps into {self.path}: wait for it, or give another "
                             "folder") from None
        try:
            self._take(overwrite)
            self._see_what_is_there(plan.grid, retry)
        except BaseException:
            try:
                self._leave_nothing()
            finally:
                self._lock.release()
            raise

    def _see_what_is_there(self, asked, retry):
        """Which points are wanted, and which of them are made."""
        with reading(self.path):
            self._statuses = np.array(self._arrays["status"][...]).reshape(self.plan.grid.size, -1)
            if not np.isin(self._statuses, range(len(STATUS))).all():
                raise ValueError("there is no such status")
        self.made = (self._statuses != 0).any(1)
        self._in_files = self.made.copy()
        self.wanted = np.zeros(self.plan.grid.size, bool)
        self.wanted[numbers_in(self.plan.grid, asked)] = True
        if retry:
            failed = np.isin(self._statuses, [STATUS.index(name) for name in TO_BE_MADE_AGAIN]).any(1)
            self.made[failed & self.wanted] = False

    # -- the folder ---------------------------------------------------------------------------

    def _make_folder(self):
        try:
            self.path.mkdir()
            return True
        except FileExistsError:
            if not self.path.is_dir():
                raise OtherSweep(f"{self.path} is not the folder of a sweep, but a file: give another name") from None
            return False
        except (OSError, ValueError) as problem:
            raise FileError(cannot_write(self.path, problem)) from None

    def _leave_nothing(self):
        """Remove a folder that was made in vain."""
        if self._new:
            shutil.rmtree(self.path, ignore_errors=True)

    def _take(self, overwrite):
        """Go on with the same sweep, or begin."""
        known = description.read(self.path)
        if known is None and _contents(self.path):
            raise OtherSweep(f"{self.path} is not the folder of a sweep: give another folder")
        asked = self.plan.describe()
        if known is not None and not overwrite and (why := description.difference(known, asked)):
            raise OtherSweep(f"{self.path} {why}: give another folder, or overwrite it")
        for name in os.listdir(self.path):  # of calls that were killed
            if name.startswith(".onlinemode-") and name.endswith(".tmp"):
                remove(self.path / name)
        there = None if known is None or overwrite else open_results(self.path)
        if there is None:
            self._begin(asked)
        else:
            with reading(self.path):
                self._grow(there, known)
        self._arrays = open_results(self.path)
        self.tiles = Tiles(self.plan.grid.shape, point_bytes(self.plan))

    def _begin(self, asked):
        """The description, then empty results, under their name when they are whole."""
        temporary = temporary_name(self.path / RESULTS)
        try:
            for name in (BEFORE, RESULTS, RUNS, TABLE):
                remove(self.path / name)
            description.write(self.path, asked)
            create(self.plan, temporary, asked)
            os.replace(temporary, self.path / RESULTS)
        except OSError as problem:
            raise FileError(cannot_write(self.path, problem)) from None
        finally:
            remove(temporary)

    def _grow(self, there, known):
        """Make room for values that the results do not have yet; they are replaced when the new ones are whole."""
        before = grid_of_list(json.loads(there.attrs["over"]))
        numbers_in(before, grid_of_list(known["over"]))  # a process may have ended before it wrote more there
        check_arrays(there, replace(self.plan, grid=before))
        after = merged(before, self.plan.grid)
        self.plan = replace(self.plan, grid=after)
        if after == before:
            return
        if not (point_bytes(self.plan) * after.size <= LOADED_BYTES):
            raise OtherSweep(f"{self.path} holds a sweep that is too large to take more values: give another folder")
        arrays = {name: np.array(there[name][...]) for name in self.plan.variables}
        arrays = moved(arrays, before, after, nothing(self.plan.variables, *after.shape))
        temporary = temporary_name(self.path / RESULTS)
        try:
            create(self.plan, temporary, self.plan.describe())
            group = group_of(temporary)
            for name, values in arrays.items():
                group[name][...] = values
            os.replace(self.path / RESULTS, self.path / BEFORE)
            os.replace(temporary, self.path / RESULTS)
            description.write(self.path, self.plan.describe())
        except OSError as problem:
            raise FileError(cannot_write(self.path, problem)) from None
        finally:
            remove(temporary)
            settle(self.path)

    def close(self) -> None:
        """Write what is not written, and let others have the folder."""
        try:
            self.flush()
            if not self.made.any():
                self._leave_nothing()
        finally:
            self._lock.release()

    # -- its points ---------------------------------------------------------------------------

    def add(self, batch: Any) -> None:
        """Take the rows of a batch; :meth:`flush` writes them."""
        for run, number in zip(batch.runs, batch.numbers):
            if run is not None:
                self._save_run(run, number)
        for row, number in enumerate(batch.numbers):
            place = self.tiles.place_of(number)
            if place not in self._buffers:
                self._buffers[place] = self._read(place)
            inside = self.tiles.inside(number, place)
            for name, values in self._buffers[place].items():
                values[inside] = batch.rows[name][row]
            self._changed.add(place)
        self._statuses[batch.numbers] = by_replica(batch.rows["status"])
        self.made[batch.numbers] = True

    def _read(self, place):
        """The arrays of a tile as they are in the files; those that hold nothing are not looked for."""
        region = self.tiles.region(place)
        shape = tuple(each.stop - each.start for each in region)
        if not self._in_files[self.tiles.numbers(place)].any():
            return nothing(self.plan.variables, *shape)
        with reading(self.path):
            return {name: np.array(self._arrays[name][region], object if variable.dtype is str else variable.dtype)
                    for name, variable in self.plan.variables.items()}

    @property
    def unwritten(self) -> int:
        """Tiles that have changed since they were written."""
        return len(self._changed)

    def flush(self) -> None:
        """Write all tiles that have changed."""
        try:
            for place in sorted(self._changed):
                arrays, region = self._buffers[place], self.tiles.region(place)
                for name in self.plan.variables:  # the status is the last one
                    self._arrays[name][region] = arrays[name]
                self._changed.discard(place)
                if self.made[self.tiles.numbers(place)].all():
                    del self._buffers[place]
        except OSError as problem:
            raise FileError(cannot_write(self.path, problem)) from None
        except (KeyError, ValueError) as problem:  # zarr finds no array where there was one
            raise FileError(f"cannot write {self.path}: its results have been changed or removed meanwhile "
                            f"({problem!s:.80})") from None

    def _save_run(self, run, number):
        folder = self.path / RUNS
        try:
            folder.mkdir(exist_ok=True)
        except OSError as problem:
            raise FileError(cannot_write(folder, problem)) from None
        run.save(folder / run_name(self.plan.grid.point(number), number))

    def dataset(self) -> "xarray.Dataset":
        """All results."""
        return open_folder(self.path)

    def statuses(self) -> np.ndarray:
        """Codes of all points, (points, replicas)."""
        return self._statuses


def run_name(point: dict, number: int) -> str:
    """Name of the file of a point's whole trajectory; with the point's number where the words alone may not tell it."""
    text = words_of(point).replace(" = ", "=").replace(", ", ",")
    name = "".join(letter if letter not in '/\\:*?"<>|' else "-" for letter in text)
    name = name.encode()[:LONGEST_NAME].decode(errors="ignore")
    return (name if name == text else f"{name},{number}") + ".npz"


def _contents(path):
    return [name for name in os.listdir(path) if not name.startswith(".onlinemode-")]
