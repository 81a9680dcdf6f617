"""IDX, the format of MNIST: a header of big-endian 32-bit numbers (magic, then each dimension), then bytes."""

import gzip
import math
import os
import zlib

import numpy as np

from onlinemode.array_files import MOST_EXPANSION, BadFile, check_memory
from onlinemode.errors import FileError
from onlinemode.storage import cannot_read

FILES = {"train_x": "train-images-idx3-ubyte", "train_y": "train-labels-idx1-ubyte",
         "test_x": "t10k-images-idx3-ubyte", "test_y": "t10k-labels-idx1-ubyte"}
MAGIC = {"x": 0x00000803, "y": 0x00000801}  # unsigned bytes, in 3 dimensions or in 1
_GZIP = b"\x1f\x8b"
_MOST_PACKED = 1.01  # size of bytes that cannot be compressed
_BYTES_A_NUMBER = 5  # the byte, and the float32 that becomes of it


def read_idx(folder, key):
    """The array of bytes ``key`` of a folder.

    Raises
    ------
    FileError
        If the file is missing, truncated, longer than its header says, or not IDX.
    """
    path = _path(folder, FILES[key])
    try:
        with open(path, "rb") as raw:
            zipped = raw.read(2) == _GZIP
            raw.seek(0)
            size = os.fstat(raw.fileno()).st_size
            if not zipped:
                return _read(raw, path, MAGIC[key[-1]], size, False)
            with gzip.GzipFile(fileobj=raw) as file:
                return _read(file, path, MAGIC[key[-1]], size, True)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise FileError(f"cannot read {path}: the gzip file is truncated or damaged; fetch it again") from None
    except MemoryError:
        raise FileError(f"cannot read {path}: there is not enough memory for it") from None
    except (BadFile, OSError) as problem:
        raise FileError(cannot_read(path, problem)) from None


def _path(folder, name):
    for ending in ("", ".gz"):
        if os.path.isfile(folder / (name + ending)):
            return folder / (name + ending)
    raise FileError(f"cannot read {folder / name}: there is no such file, with .gz or without; a folder needs all "
                    f"of {', '.join(FILES.values())}")


def _read(file, path, magic, size, zipped):
    """The array of an open file, which takes ``size`` bytes on the disk."""
    dimensions = magic & 0xFF
    length = 4 * (1 + dimensions)
    header = file.read(length)
    found = int.from_bytes(header[:4], "big")
    if len(header) >= 4 and found != magic:
        raise FileError(f"{path} is not an IDX file of {'images' if dimensions == 3 else 'labels'}: its first four "
                        f"bytes must be {magic:#010x}, got {found:#010x}")
    if len(header) < length:
        raise _wrong_length(path, f"at least {length}", len(header))
    shape = tuple(int(n) for n in np.frombuffer(header[4:], ">u4"))
    wanted, words = math.prod(shape), f"{length} + {' × '.join(str(n) for n in shape)}"
    if not zipped and size != length + wanted:
        raise _wrong_length(path, words, size)
    if size > _MOST_PACKED * (length + wanted) + 2**16:  # gzip reads on through zeros after the end
        raise _wrong_length(path, words, f"{size:,}, zipped")
    if zipped and length + wanted > MOST_EXPANSION * size:
        raise FileError(f"{path} says that it has {words} bytes, too many for its size; fetch it again")
    check_memory(_BYTES_A_NUMBER * wanted)
    content = file.read(wanted)
    more = file.read(1)  # at the end of a gzip file its checksum is compared
    if len(content) != wanted or more:
        raise _wrong_length(path, words, f"more than {length + wanted:,}" if more else length + len(content))
    return np.frombuffer(content, np.uint8).reshape(shape)


def _wrong_length(path, wanted, found):
    found = found if isinstance(found, str) else f"{found:,}"
    return FileError(f"{path} is truncated or too long: it must have {wanted} bytes, got {found}; fetch it again")
