"""The folder of a sweep: its description, its results in chunks of zarr, and whole trajectories where they are kept.

A chunk is a file that is replaced whole, and the status of a point is written after its values: whenever the process
ends, what has a status is there.
"""

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onlinemode.claims import Held, Lock
from onlinemode.errors import FileError
from onlinemode.labelled import need
from onlinemode.storage import cannot_read, cannot_write, replacing, temporary_name
from onlinemode.sweeps.axes import words_of
from onlinemode.sweeps.dataset import attributes, coords_of, in_memory, readable
from onlinemode.sweeps.kept import STATUS, nothing
from onlinemode.sweeps.tiles import Tiles

if TYPE_CHECKING:
    import xarray

DESCRIPTION = "sweep.json"
RESULTS = "results.zarr"
RUNS = "runs"
TABLE = "table.csv"
LOADED_BYTES = 2**28  # of results up to which a Dataset is read into memory
TO_BE_MADE_AGAIN = ("failed", "invalid", "error", "lost")


class OtherSweep(FileError):
    """The folder is that of something else, or another process has it."""


class Memory:
    """Results that stay in memory."""

    def __init__(self, plan: Any):
        self._plan = plan
        self._flat = nothing(plan.variables, plan.grid.size)
        self.tiles = Tiles(plan.grid.shape)
        self.done = np.zeros(plan.grid.size, bool)

    def add(self, batch: Any) -> None:
        """Take the rows of a batch."""
        for name, rows in batch.rows.items():
            self._flat[name][batch.numbers] = rows
        self.done[batch.numbers] = True

    def flush(self) -> None:
        """Nothing to write."""

    def dataset(self) -> "xarray.Dataset":
        """All results."""
        shape = self._plan.grid.shape
        return in_memory(self._plan, {name: values.reshape(*shape, *values.shape[1:])
                                      for name, values in self._flat.items()})

    def statuses(self) -> np.ndarray:
        """Codes of all points, (points, replicas)."""
        return self._flat["status"].reshape(self._plan.grid.size, -1)

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
        self.path, self._plan = Path(path), plan
        self._buffers: dict[tuple, dict[str, np.ndarray]] = {}
        self._changed: set[tuple] = set()
        self.tiles = Tiles(plan.grid.shape, _point_bytes(plan))
        made = self._make_folder()
        try:
            self._lock = Lock(self.path / DESCRIPTION)
        except Held:
            raise OtherSweep(f"another running process sweeps into {self.path}: wait for it, or give another "
                             "folder") from None
        try:
            self._take(overwrite)
            self._statuses = np.array(self._arrays["status"][...]).reshape(plan.grid.size, -1)
        except BaseException:
            self._lock.release()
            if made:
                self._leave_nothing()
            raise
        if retry:
            failed = np.isin(self._statuses, [STATUS.index(name) for name in TO_BE_MADE_AGAIN]).any(1)
            self._statuses[failed] = 0
        self.done = (self._statuses != 0).any(1)

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
        try:
            self.path.rmdir()
        except OSError:
            pass

    def _take(self, overwrite):
        """Go on with the same sweep, or begin."""
        known = _known(self.path)
        if known is None and _contents(self.path):
            raise OtherSweep(f"{self.path} is not the folder of a sweep: give another folder")
        description = self._plan.describe()
        if known is not None and not overwrite and (why := difference(known, description)):
            raise OtherSweep(f"{self.path} {why}: give another folder, or overwrite it")
        if known is None or overwrite or not (self.path / RESULTS).is_dir():
            self._begin(description)
        self._arrays = _open(self.path)

    def _begin(self, description):
        """The description, then empty results, under their name when they are whole."""
        temporary = temporary_name(self.path / RESULTS)
        try:
            for name in (RESULTS, RUNS, TABLE):
                _remove(self.path / name)
            with replacing(self.path / DESCRIPTION, "w") as file:
                entries = (f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
                           for name, value in description.items())
                file.write("{\n " + ",\n ".join(entries) + "\n}\n")
            _create(self._plan, temporary, self.tiles, description)
            os.replace(temporary, self.path / RESULTS)
        except OSError as problem:
            raise FileError(cannot_write(self.path, problem)) from None
        finally:
            _remove(temporary)

    def close(self) -> None:
        """Write what is not written, and let others have the folder."""
        try:
            self.flush()
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
        self._statuses[batch.numbers] = batch.rows["status"].reshape(len(batch.numbers), -1)
        self.done[batch.numbers] = True

    def _read(self, place):
        """The arrays of a tile as they are in the files; those that hold nothing are not looked for."""
        region = self.tiles.region(place)
        shape = tuple(each.stop - each.start for each in region)
        if not self.done[self.tiles.numbers(place)].any():
            return nothing(self._plan.variables, *shape)
        return {name: np.array(self._arrays[name][region], object if variable.dtype is str else variable.dtype)
                for name, variable in self._plan.variables.items()}

    def flush(self) -> None:
        """Write all tiles that have changed."""
        try:
            for place in sorted(self._changed):
                arrays, region = self._buffers[place], self.tiles.region(place)
                for name in self._plan.variables:  # the status is the last one
                    self._arrays[name][region] = arrays[name]
                self._changed.discard(place)
                if self.done[self.tiles.numbers(place)].all():
                    del self._buffers[place]
        except OSError as problem:
            raise FileError(cannot_write(self.path, problem)) from None

    def _save_run(self, run, number):
        folder = self.path / RUNS
        folder.mkdir(exist_ok=True)
        run.save(folder / run_name(self._plan.grid.point(number)))

    def dataset(self) -> "xarray.Dataset":
        """All results."""
        return open_folder(self.path)

    def statuses(self) -> np.ndarray:
        """Codes of all points, (points, replicas)."""
        return self._statuses


def run_name(point: dict) -> str:
    """Name of the file of a point's whole trajectory."""
    text = words_of(point).replace(" = ", "=").replace(", ", ",")
    return "".join(letter if letter not in '/\\:*?"<>|' else "-" for letter in text)[:200] + ".npz"


def _known(path):
    """The description of the sweep that is there; None where there is none."""
    try:
        return dict(json.loads((Path(path) / DESCRIPTION).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _contents(path):
    return [name for name in os.listdir(path) if not name.startswith(".onlinemode-")]


def _remove(path):
    if path.is_dir():
        trash = temporary_name(path)
        os.replace(path, trash)  # at once, so that nobody finds half of it
        shutil.rmtree(trash, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def difference(known: dict[str, Any], asked: dict[str, Any]) -> str:
    """What makes a folder that of another sweep, in words; "" where nothing does."""
    if known.get("kernels") != asked["kernels"]:
        return (f"was begun by other kernels (onlinemode {known.get('version')}) than those installed (onlinemode "
                f"{asked['version']}), so the bits would differ")
    flat = {**known, **(known.get("experiment") or {})}, {**asked, **(asked.get("experiment") or {})}
    for name in dict.fromkeys([*flat[1], *flat[0]]):
        if name not in ("version", "experiment") and flat[0].get(name) != flat[1].get(name):
            return (f"holds another sweep, whose {name} is {json.dumps(flat[0].get(name), ensure_ascii=False):.80} and "
                    f"not {json.dumps(flat[1].get(name), ensure_ascii=False):.80}")
    return ""


# -- zarr -----------------------------------------------------------------------------------


def _point_bytes(plan):
    return sum(int(np.prod(variable.shape)) * (64 if variable.dtype is str else np.dtype(variable.dtype).itemsize)
               for variable in plan.variables.values())


def _create(plan, path, tiles, description):
    """An empty store: coordinates by xarray, whose conventions it follows, arrays by zarr, without a chunk."""
    xarray, zarr = need("xarray"), need("zarr")
    attrs = attributes(description, plan.title)
    xarray.Dataset(coords=coords_of(plan), attrs=attrs).to_zarr(path, mode="w-", zarr_format=3, consolidated=False)
    group = zarr.open_group(str(path), mode="r+", zarr_format=3)
    for name, variable in plan.variables.items():
        group.create_array(
            name, shape=plan.grid.shape + variable.shape, chunks=tiles.lengths + variable.shape,
            dtype=str if variable.dtype is str else np.dtype(variable.dtype), fill_value=variable.fill,
            dimension_names=plan.grid.dims + variable.dims, attributes=dict(variable.attrs))


def _open(path):
    zarr = need("zarr")
    return zarr.open_group(str(Path(path) / RESULTS), mode="r+", zarr_format=3)


def open_folder(path: Any) -> "xarray.Dataset":
    """The Dataset of a folder, see :func:`onlinemode.open_sweep`."""
    xarray, path = need("xarray"), Path(path)
    need("zarr")
    if not path.exists():
        raise FileError(cannot_read(path, "there is no such folder"))
    if not (path / RESULTS).is_dir():
        raise FileError(f"{path} is not the folder of a sweep: there is no {RESULTS} in it")
    try:
        dataset = xarray.open_zarr(path / RESULTS, consolidated=False, chunks=None, zarr_format=3)
        if dataset.nbytes <= LOADED_BYTES:
            dataset = dataset.load()
        else:
            dataset = xarray.open_zarr(path / RESULTS, consolidated=False, chunks={}, zarr_format=3)
        return readable(dataset)
    except Exception as problem:  # damaged metadata makes the readers fail in every way there is
        reason = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise FileError(f"cannot read {path}: damaged, or not the folder of a sweep ({reason:.150})") from None
