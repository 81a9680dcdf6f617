"""Files: written whole or not at all, read with a clear error or not at all.

An archive is an .npz of plain arrays plus one JSON text under the key ``header``; no pickle.
"""

import json
import os
import secrets
import tempfile
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from onlinemode import checks
from onlinemode.array_files import Arrays, BadFile, one_line
from onlinemode.errors import FileError


@contextmanager
def replacing(path, mode="wb"):
    """Write to a temporary file beside ``path`` and rename it when the block ends without an error."""
    path = Path(checks.path("the path of a file", path))
    temporary = temporary_name(path)
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        try:
            is_there(path)
            file = open(temporary, mode.replace("w", "x"), **text)
        except (OSError, ValueError) as problem:  # ValueError: a NUL byte
            raise FileError(cannot_write(path, problem)) from None
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as problem:
        with suppress(OSError, ValueError):
            temporary.unlink()
        if isinstance(problem, OSError):
            raise FileError(cannot_write(path, problem)) from None
        raise


def temporary_name(path):
    """A new name beside ``path``, short for any length of its own."""
    return Path(path).parent / f".onlinemode-{secrets.token_hex(8)}.tmp"


def cannot_write(path, problem):
    """The message for an OSError (or the ValueError of a NUL byte) met on the way to ``path``."""
    reason = getattr(problem, "strerror", None) or problem
    return f"cannot write {_printable(path)}: {reason}; give another place with --out or another path"


def cannot_read(path, problem):
    """The same on the way from ``path``."""
    reason = getattr(problem, "strerror", None) or problem
    return f"cannot read {_printable(path)}: {reason}"


def _printable(path):
    """A path on one line of some length: a name that is too long is not worth repeating."""
    text = str(path).replace("\0", "\\0")
    return text if len(text) <= 300 else f"{text[:100]}...{text[-20:]} ({len(text)} characters)"


def archive_path(path):
    """``path`` with the suffix .npz, added where it is missing.

    Raises
    ------
    FileError
        If it is no file name, or has the suffix of another kind of file.
    """
    path = Path(path)
    if path.name in ("", "..") or os.path.isdir(path):
        raise FileError(f"cannot write {path}: it is a folder; give a file name")
    if path.suffix.lower() in (".png", ".csv", ".json", ".toml"):
        raise FileError(f"a result is an .npz file; got {path}: leave the suffix out, the picture takes the same name")
    return path if path.suffix == ".npz" else path.with_name(path.name + ".npz")


def check_writable(path):
    """Raise FileError unless a file can be made beside ``path``, before any work is done."""
    path = Path(checks.path("the path of a file", path))
    if os.path.isdir(path):
        raise FileError(f"cannot write {path}: it is a folder; give a file name")
    try:
        is_there(path)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except (OSError, ValueError) as problem:
        raise FileError(cannot_write(path, problem)) from None


def is_there(path):
    """Whether the name is taken, by a broken link, too.

    Raises
    ------
    OSError, ValueError
        If there can be no such name, for example because it is too long or holds a NUL byte.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def write_archive(path, kind, header, arrays):
    """Write an archive of one kind (a word that says what the file holds)."""
    text = json.dumps({"onlinemode": kind, **header}, allow_nan=True)
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:  # on a full disk NumPy 1 leaves it open
        for name, values in {"header": np.array(text), **arrays}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(values), allow_pickle=False)


def read_archive(path, kind):
    """Header (dict) and arrays (dict) of an archive of this kind, or of one of several kinds.

    Raises
    ------
    FileError
        If the file is missing, truncated, not an .npz, or an archive of something else.
    """
    path, kinds = Path(checks.path("the path of a file", path)), (kind,) if isinstance(kind, str) else kind
    kind = kinds[0]
    try:
        with Arrays(path, compressed=False) as archive:
            if "header" not in archive.names:
                raise FileError(f"{path} is not an onlinemode {kind}: it is an .npz without a header; give a file "
                                "that onlinemode wrote")
            header = _header_of(archive)
            found = header.pop("onlinemode", None)
            if found not in kinds:
                raise FileError(f"{path} is not an onlinemode {kind}; it holds {found or 'something else'}")
            return header, {name: archive[name] for name in archive.names if name != "header"}
    except FileNotFoundError:
        raise FileError(f"cannot read {path}: there is no such file") from None
    except BadFile as problem:
        raise FileError(f"cannot read {_printable(path)}: truncated or not an onlinemode {kind} ({problem})") from None
    except (OSError, ValueError) as problem:  # ValueError: a NUL byte
        raise FileError(cannot_read(path, problem)) from None


def _header_of(archive):
    """The dict that the JSON text of an archive holds."""
    text = archive["header"]
    if text.shape != () or text.dtype.kind != "U":
        raise BadFile(f"its header is no text, but {text.dtype} of shape {text.shape}")
    try:
        header = json.loads(str(text))
    except (ValueError, RecursionError) as problem:
        raise BadFile(f"its header is no JSON: {one_line(problem)}") from None
    return header if isinstance(header, dict) else {}
