"""What is in the files that commands leave, without the times that runs took; damaged ones are errors."""

import csv
import json
from pathlib import Path

import numpy as np
from hostile.reading import fingerprint


def content_of(path):
    """A hash of what a whole file holds, the same for two runs of one command.

    Parameters
    ----------
    path : Path
        A file, or the store of a sweep.

    Raises
    ------
    ValueError, OSError, zipfile.BadZipFile
        If it is not whole.
    """
    path = Path(path)
    read = {".npz": _archive, ".png": _picture, ".gif": _picture, ".csv": _table, ".json": _document,
            ".ckpt": _checkpoint, ".zarr": _store}[path.suffix]
    return fingerprint(read(path))


def _archive(path):
    """All arrays; of the header, which holds times, that it can be read."""
    with np.load(path, allow_pickle=False) as archive:
        found = {name: archive[name] for name in sorted(archive.files)}
    if "header" in found:
        json.loads(str(found.pop("header")))
    found.pop("history_seconds", None)
    return found


def _picture(path):
    from PIL import Image

    end = {".png": b"IEND\xaeB`\x82", ".gif": b";"}[path.suffix]  # which Pillow does not miss
    if not path.read_bytes().endswith(end):
        raise ValueError(f"{path} is cut")
    with Image.open(path) as picture:
        frames = []
        for frame in range(getattr(picture, "n_frames", 1)):
            picture.seek(frame)
            frames.append(picture.convert("RGBA").tobytes())
    return frames


def _table(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    lengths = {len(row) for row in rows if row and not row[0].startswith("#")}
    if len(lengths) != 1 or not path.read_bytes().endswith(b"\n"):
        raise ValueError(f"{path} is no whole table")
    timed = [column for column, name in enumerate(rows[0]) if "seconds" in name]
    return [[word for column, word in enumerate(row) if column not in timed] for row in rows]


def _document(path):
    json.loads(path.read_text(encoding="utf-8"))  # times of a benchmark, and nothing else


def _checkpoint(path):
    """How far it is tells when it was stopped: only whether it can be read."""
    from onlinemode.deep.training import CHECKPOINT
    from onlinemode.runtime.checkpoint import KIND
    from onlinemode.storage import read_archive

    read_archive(path, (KIND, CHECKPOINT))


def _store(path):
    import onlinemode as om

    found = om.open_sweep(path.parent).load()
    return {str(name): values.values for name, values in found.variables.items() if name != "seconds"}
