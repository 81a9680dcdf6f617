"""What the metadata of results say (``zarr.json``), looked at before zarr believes it and takes memory."""

import hashlib
import json
import math
import os
from pathlib import Path

from onlinemode import records
from onlinemode.array_files import check_is_file, read_json

METADATA = "zarr.json"
CHECKSUM = "checksum"  # of all metadata, an attribute of the folder's
MOST_CHUNK_BYTES = 2**28
MOST_CHUNKS = 10**6  # of an array
_BYTES = {"bool": 1, "int8": 1, "int16": 2, "int32": 4, "int64": 8, "float32": 4, "float64": 8, "string": 64}
_CODECS = ("bytes", "vlen-utf8", "zstd", "crc32c")  # those that the store writes
_ARRAY = {"node_type": records.one_of("array"), "zarr_format": records.one_of(3),
          "shape": records.list_of(records.whole), "data_type": records.one_of(*_BYTES), "chunk_grid": records.record,
          "chunk_key_encoding": records.record, "codecs": records.list_of(records.record),
          "dimension_names": records.list_of(records.text), "attributes": records.record}
_GROUP = {"node_type": records.one_of("group"), "zarr_format": records.one_of(3), "attributes": records.record}


def check(folder: Path) -> None:
    """Raise ValueError or OSError unless all metadata in a folder of zarr are such as the store writes.

    Every file must be a regular one, since a pipe would never end.
    """
    group, arrays = _read_all(folder)
    records.check(group, _GROUP, name=METADATA)
    for name, found in arrays.items():
        _check_array(name, found)
        _check_files(folder / name, len(found["shape"]))
    known = group["attributes"].get(CHECKSUM)  # older stores have none
    if known is not None and known != _checksum(group, arrays):
        raise ValueError("what describes the arrays has changed since it was written")


def seal(folder: Path) -> None:
    """Write the checksum of the metadata of a folder that nobody reads yet."""
    group, arrays = _read_all(folder)
    group["attributes"][CHECKSUM] = _checksum(group, arrays)
    (folder / METADATA).write_text(json.dumps(group, indent=2), encoding="utf-8")


def _read_all(folder):
    """Of the folder, and of each array in it by its name."""
    names = sorted(name for name in os.listdir(folder) if os.path.isdir(folder / name) and not name.startswith("."))
    return read_json(folder / METADATA), {name: read_json(folder / name / METADATA) for name in names}


def _checksum(group, arrays):
    attributes = {name: value for name, value in group["attributes"].items() if name != CHECKSUM}
    content = json.dumps([{**group, "attributes": attributes}, arrays], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _check_files(folder, dimensions):
    """Of an array whose chunks are files so many folders deep: zarr takes another folder in place of one for none."""
    for place, _, names in os.walk(folder):
        for name in names:
            check_is_file(os.path.join(place, name))
        if len(Path(place).relative_to(folder).parts) > dimensions:
            raise ValueError(f"{Path(place).relative_to(folder.parent)} is a folder")


def _check_array(name, found):
    records.check(found, _ARRAY, name=name)
    records.check(found["chunk_grid"], {"name": records.one_of("regular"), "configuration": records.record}, name=name)
    shape = found["shape"]
    records.check(found["chunk_grid"]["configuration"], {"chunk_shape": records.list_of(records.whole, len(shape))},
                  name=f"chunks of {name}")
    records.check(found["chunk_key_encoding"], {"name": records.one_of("default")}, name=f"chunk keys of {name}")
    chunk = found["chunk_grid"]["configuration"]["chunk_shape"]
    for codec in found["codecs"]:
        records.check(codec, {"name": records.one_of(*_CODECS)}, {"configuration": records.record}, f"codecs of {name}")
    if len(found["dimension_names"]) != len(shape):
        raise ValueError(f"{name} has {len(shape)} dimensions and {len(found['dimension_names'])} names")
    if 0 in chunk or math.prod(chunk) * _BYTES[found["data_type"]] > MOST_CHUNK_BYTES:
        raise ValueError(f"a chunk of {name} has shape {tuple(chunk)}")
    if math.prod(-(-size // length) for size, length in zip(shape, chunk)) > MOST_CHUNKS:
        raise ValueError(f"{name} of shape {tuple(shape)} has too many chunks, of shape {tuple(chunk)}")
