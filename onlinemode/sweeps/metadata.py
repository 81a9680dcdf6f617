"""What the metadata of results say (``zarr.json``), looked at before zarr believes it and takes memory."""

import json
import math
import os
from pathlib import Path
from typing import Any

from onlinemode import records
from onlinemode.array_files import check_is_file

METADATA = "zarr.json"
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
    for place, _, names in os.walk(folder):
        for name in names:
            check_is_file(os.path.join(place, name))
    records.check(_read(folder), _GROUP, name=METADATA)
    for name in sorted(os.listdir(folder)):
        if os.path.isdir(folder / name) and not name.startswith("."):
            _check_array(name, _read(folder / name))


def _read(folder) -> Any:
    try:
        return json.loads((folder / METADATA).read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{METADATA} of {folder.name} is nested too deeply") from None


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
