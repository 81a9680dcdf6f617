"""The results of a sweep in the arrays of zarr: made, opened, and read as a Dataset."""

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onlinemode import checks
from onlinemode.array_files import one_line
from onlinemode.errors import FileError, OnlineModeError
from onlinemode.labelled import need
from onlinemode.storage import cannot_read, is_there, temporary_name
from onlinemode.sweeps import metadata
from onlinemode.sweeps.dataset import attributes, coords_of, readable
from onlinemode.sweeps.tiles import Tiles

if TYPE_CHECKING:
    import xarray

RESULTS = "results.zarr"
BEFORE = ".onlinemode-before.zarr"  # the results while larger ones take their place
LOADED_BYTES = 2**28  # of results up to which a Dataset is read into memory


def point_bytes(plan: Any) -> int:
    """Of all arrays of one point."""
    return sum(int(np.prod(variable.shape)) * (64 if variable.dtype is str else np.dtype(variable.dtype).itemsize)
               for variable in plan.variables.values())


def create(plan: Any, path: Path, described: dict[str, Any]) -> None:
    """An empty store: coordinates by xarray, whose conventions it follows, arrays by zarr, without a chunk."""
    xarray = need("xarray")
    attrs = attributes(described, plan.title)
    codecs = _compressors()
    coords = coords_of(plan)
    xarray.Dataset(coords=coords, attrs=attrs).to_zarr(path, mode="w-", zarr_format=3, consolidated=False,
                                                       encoding={name: {"compressors": codecs} for name in coords})
    tiles = Tiles(plan.grid.shape, point_bytes(plan))
    group = group_of(path)
    for name, variable in plan.variables.items():
        group.create_array(
            name, shape=plan.grid.shape + variable.shape, chunks=tiles.lengths + variable.shape,
            dtype=str if variable.dtype is str else np.dtype(variable.dtype), fill_value=variable.fill,
            compressors=codecs, dimension_names=plan.grid.dims + variable.dims, attributes=dict(variable.attrs))
    metadata.seal(path)


def _compressors():
    """zstd, as zarr has it by default, and a checksum of what it made: no wrong bit becomes another number."""
    codecs = need("zarr").codecs
    return codecs.ZstdCodec(level=0), codecs.Crc32cCodec()


def group_of(path: Path) -> Any:
    """The arrays in a folder of zarr, to be written, too."""
    return need("zarr").open_group(str(path), mode="r+", zarr_format=3)


def settle(path: Path) -> None:
    """After a sweep has grown, or has failed to: the results are those before, where there are no larger ones."""
    if (path / BEFORE).is_dir() and not (path / RESULTS).is_dir():
        os.replace(path / BEFORE, path / RESULTS)
    remove(path / BEFORE)


def open_results(path: Path) -> Any:
    """The arrays of a folder; None where there are none yet."""
    settle(path)
    if not (path / RESULTS).is_dir():
        return None
    with reading(path):
        metadata.check(path / RESULTS)
        return group_of(path / RESULTS)


def check_arrays(group: Any, plan: Any) -> None:
    """Raise ValueError unless there is an array for each variable of a plan, of its shape and type, in its chunks."""
    tiles = Tiles(plan.grid.shape, point_bytes(plan))
    for name, variable in plan.variables.items():
        array = group[name]
        kind = "string" if variable.dtype is str else np.dtype(variable.dtype).name
        found = (array.shape, array.chunks, array.metadata.data_type.to_json(zarr_format=3))
        if found != (plan.grid.shape + variable.shape, tiles.lengths + variable.shape, kind):
            raise ValueError(f"{name} has shape {array.shape}, chunks {array.chunks} and type {found[2]}")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What goes wrong inside is an error of the folder, in one line."""
    try:
        yield
    except OnlineModeError:
        raise
    except Exception as problem:  # damaged files make the readers fail in every way there is
        reason = one_line(problem)
        raise FileError(f"cannot read {path}: damaged, or not the folder of a sweep ({reason:.150})") from None


def open_folder(path: Any) -> "xarray.Dataset":
    """The Dataset of a folder, see :func:`onlinemode.open_sweep`."""
    xarray, path = need("xarray"), Path(checks.path("the path of a sweep", path))
    need("zarr")
    try:
        there = is_there(path)
    except (OSError, ValueError) as problem:
        raise FileError(cannot_read(path, problem)) from None
    if not there:
        raise FileError(cannot_read(path, "there is no such folder"))
    if not (path / RESULTS).is_dir():
        raise FileError(f"{path} is not the folder of a sweep: there is no {RESULTS} in it")
    with reading(path), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Object at .* is not recognized as a component")  # somebody's file
        metadata.check(path / RESULTS)
        dataset = xarray.open_zarr(path / RESULTS, consolidated=False, chunks=None, zarr_format=3)
        if dataset.nbytes <= LOADED_BYTES:
            dataset = dataset.load()
        else:
            dataset = xarray.open_zarr(path / RESULTS, consolidated=False, chunks={}, zarr_format=3)
        dataset.attrs.pop(metadata.CHECKSUM, None)
        return readable(dataset)


def remove(path: Path) -> None:
    """Remove a file or a folder, if there is one."""
    if path.is_dir():
        trash = temporary_name(path)
        os.replace(path, trash)  # at once, so that nobody finds half of it
        shutil.rmtree(trash, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
