"""What is in the files that commands leave, without the times that runs took; damaged ones are errors."""

import csv
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np

TIMES = ("header", "history_seconds")  # entries of an .npz that hold how long a run took


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
    digest = hashlib.sha256()
    read(path, digest)
    return digest.hexdigest()


def _archive(path, digest):
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"{path}: {damaged} is damaged")
    with np.load(path, allow_pickle=False) as archive:
        for name in sorted(archive.files):
            if name == "header":
                json.loads(str(archive[name]))
            elif name not in TIMES:
                values = archive[name]
                digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
                digest.update(np.ascontiguousarray(values).tobytes())


def _picture(path, digest):
    from PIL import Image

    end = {".png": b"IEND\xaeB`\x82", ".gif": b";"}[path.suffix]  # which Pillow does not miss
    if not path.read_bytes().endswith(end):
        raise ValueError(f"{path} is cut")
    with Image.open(path) as picture:
        for frame in range(getattr(picture, "n_frames", 1)):
            picture.seek(frame)
            digest.update(picture.convert("RGBA").tobytes())


def _table(path, digest):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    lengths = {len(row) for row in rows if row and not row[0].startswith("#")}
    if len(lengths) != 1 or not path.read_bytes().endswith(b"\n"):
        raise ValueError(f"{path} is no whole table")
    timed = [column for column, name in enumerate(rows[0]) if "seconds" in name]
    digest.update(repr([[word for column, word in enumerate(row) if column not in timed] for row in rows]).encode())


def _document(path, digest):
    json.loads(path.read_text(encoding="utf-8"))  # times of a benchmark, and nothing else


def _checkpoint(path, digest):
    """How far it is tells when it was stopped: only whether it can be read."""
    from onlinemode.deep.training import CHECKPOINT
    from onlinemode.runtime.checkpoint import KIND
    from onlinemode.storage import read_archive

    read_archive(path, (KIND, CHECKPOINT))


def _store(path, digest):
    import onlinemode as om

    found = om.open_sweep(path.parent).load()
    for name in sorted(map(str, found.variables)):
        if name != "seconds":
            values = found[name].values
            digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
            digest.update(values.tobytes() if values.dtype != object else repr(values.tolist()).encode())
