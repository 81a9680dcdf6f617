"""Arrays and .npy files of samples: opened, checked, and read a part at a time."""

import hashlib
import os

import numpy as np

from onlinemode import checks
from onlinemode.errors import FileError, ParameterError, ShapeError

CHUNK_ENTRIES = 2**22  # numbers handled at a time


def from_file(path):
    """The rows (n, N) of an .npy file: memory-mapped if of uint8, float32 or float64 in C order, else read.

    Raises
    ------
    FileError, ParameterError, ShapeError
    """
    if not os.path.isfile(path):
        raise FileError(f"cannot read {path!s:.300}: there is no such file")
    try:
        data = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(data, np.ndarray):
            raise ValueError("an .npz archive of several arrays")
    except Exception as problem:  # NumPy's readers fail in many ways
        reason = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise FileError(f"cannot read {path!s:.300}: truncated or no .npy file of one numeric array "
                        f"({reason:.100})") from None
    return _as_rows(path, data)


def from_array(value):
    """A copy of an array as rows (n, N).

    Raises
    ------
    ParameterError, ShapeError
    """
    return _as_rows("the array", np.array(checks.real("the rows", value), order="C"))


def _as_rows(name, data):
    """(n, N), read-only, C order, of a type that the kernels take."""
    if data.dtype.kind not in "buif":
        raise ParameterError(f"a data set must hold real numbers; {name} holds {data.dtype}")
    if data.ndim < 2 or data.shape[0] < 2 or 0 in data.shape:
        raise ShapeError(f"a data set must have shape (n, ...), at least two rows; {name} has shape {data.shape}")
    if data.dtype not in (np.uint8, np.float32, np.float64) or not data.dtype.isnative or not data.flags.c_contiguous:
        data = np.ascontiguousarray(data, np.float64)
    data = np.asarray(data).reshape(len(data), -1)
    data.flags.writeable = False
    return data


def chunks(data):
    """Consecutive rows in float64."""
    length = max(1, CHUNK_ENTRIES // data.shape[1])
    for first in range(0, len(data), length):
        yield data[first:first + length].astype(np.float64)


def fingerprint(data):
    """SHA-256 of type, shape and numbers: the same for an array and for its file."""
    digest = hashlib.sha256(f"{data.dtype.str} {data.shape}".encode())
    length = max(1, CHUNK_ENTRIES // data.shape[1])
    for first in range(0, len(data), length):
        digest.update(data[first:first + length].data)
    return digest.hexdigest()


def column_statistics(name, data, standardise):
    """What is subtracted from every column and what multiplies it, (N,) each.

    Raises
    ------
    ParameterError
        If an entry is not finite, or a column to be standardised does not vary.
    """
    n, N = data.shape
    total, low, high = np.zeros(N), np.full(N, np.inf), np.full(N, -np.inf)
    first = 0
    for part in chunks(data):
        bad = ~np.isfinite(part)
        if bad.any():
            row, column = (int(i) for i in np.argwhere(bad)[0])
            raise ParameterError(f"a data set must be finite; entry ({first + row}, {column}) of {name} is "
                                 f"{part[row, column]}")
        total += part.sum(0)
        low, high = np.minimum(low, part.min(0)), np.maximum(high, part.max(0))
        first += len(part)
    if standardise and np.any(low == high):
        constant = np.flatnonzero(low == high)
        raise ParameterError(f"columns to be standardised must vary; {constant.size} of {N} in {name} are constant, "
                             f"the first is column {constant[0]}: drop them, or use standardise=False")
    offset = total / n if standardise else np.zeros(N)
    with np.errstate(over="ignore"):
        squares = sum(((part - offset) ** 2).sum(0) for part in chunks(data)) / n
    variance = squares if standardise else np.full(N, squares.mean())
    if not np.all(variance > 0.0) or not np.all(np.isfinite(variance)):
        raise ParameterError(f"a data set must have entries other than 0 whose squares are finite; {name} has a mean "
                             f"square of {variance.min():g} to {variance.max():g}")
    return offset, 1.0 / np.sqrt(variance)
