"""Arrays, and JSON, in files that anybody may have made: no pickle, and sizes are checked before memory is taken.

The shape that an array names must account for every byte of its entry. So nothing is left out unseen, and the checksum
of the entry, which is compared at its last byte, covers all that is read.
"""

import errno
import json
import math
import os
import stat
import struct
import warnings
import zipfile

import numpy as np

from onlinemode.memory import too_large

MOST_EXPANSION = 1032  # deflate makes no more bytes of one
ALWAYS_READ = 2**26  # bytes, whatever the machine says of its memory
MOST_TEXT = 2**28  # bytes of a file of text
MOST_HEADER = 10_000  # bytes of the words before an array, as NumPy has it
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # that NumPy writes
_LENGTHS = {(1, 0): "<H", (2, 0): "<I"}  # of the header, by version of the format; (3, 0) is for names of fields


class BadFile(ValueError):
    """What is wrong with a file, in some words."""


class Arrays:
    """The arrays of an .npz file, read one by one; a context manager.

    Parameters
    ----------
    path : str or path
    compressed : bool, default True
        Whether compressed entries may have more than 64 MiB together; onlinemode itself writes none.

    Attributes
    ----------
    names : list of str

    Raises
    ------
    BadFile, OSError
    """

    def __init__(self, path, compressed=True):
        check_is_file(path)
        if not zipfile.is_zipfile(path):
            raise BadFile("it is no .npz archive")
        self._file = _or_bad(zipfile.ZipFile, path)
        try:
            self._entries = self._checked(compressed)
        except BaseException:
            self._file.close()
            raise
        self.names = list(self._entries)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def __getitem__(self, name):
        return _or_bad(self._read, name)

    def _checked(self, compressed):
        """Name to entry of the archive."""
        entries, expanded = {}, 0
        for entry in self._file.infolist():
            if not entry.filename.endswith(".npy"):
                _or_bad(self._file.open, entry).close()  # which compares its two names: it may be an array's, damaged
                continue
            name = entry.filename.removesuffix(".npy")
            if name in entries:
                raise BadFile(f"it has two entries {name:.40}")
            if entry.compress_type not in _METHODS:
                raise BadFile(f"entry {name:.40} is compressed in a way that NumPy does not write")
            most = entry.compress_size * (1 if entry.compress_type == zipfile.ZIP_STORED else MOST_EXPANSION)
            if entry.file_size > most:
                raise BadFile(f"entry {name:.40} says that it has {entry.file_size:,} bytes, which cannot come from "
                              f"{entry.compress_size:,}")
            entries[name] = entry
            expanded += entry.file_size if entry.compress_type != zipfile.ZIP_STORED else 0
        if not compressed and expanded > ALWAYS_READ:
            raise BadFile(f"its compressed entries say that they have {expanded / 2**30:,.1f} GiB")
        check_memory(sum(entry.file_size for entry in entries.values()))
        return entries

    def _read(self, name):
        entry = self._entries[name]
        with self._file.open(entry) as file:
            _checked_header(file, entry.file_size, f"entry {name:.40}")
            file.seek(0)
            values = np.lib.format.read_array(file, allow_pickle=False)
        return np.asarray(values, values.dtype.newbyteorder("="), order="C")


def mapped(path):
    """The array of an .npy file, memory-mapped.

    Raises
    ------
    BadFile, OSError
    """
    check_is_file(path)
    with open(path, "rb") as file:
        _or_bad(_checked_header, file, os.fstat(file.fileno()).st_size, "the file")
    return _or_bad(np.lib.format.open_memmap, path, mode="r")


def check_is_file(path):
    """Raise OSError where there is nothing or a folder, BadFile for a pipe or a device, which may never end."""
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise BadFile("it is no regular file")


def check_is_text(path):
    """As :func:`check_is_file`; BadFile, too, for one that is too large to be read as text."""
    check_is_file(path)
    if os.path.getsize(path) > MOST_TEXT:
        raise BadFile(f"it has more than {MOST_TEXT / 2**20:.0f} MiB")


def read_json(path):
    """What a JSON file holds.

    Raises
    ------
    ValueError, OSError
        BadFile among them, if it is larger than 256 MiB.
    """
    check_is_text(path)
    with open(path, encoding="utf-8") as file:
        try:
            return json.load(file)
        except RecursionError:
            raise BadFile("it is nested too deeply") from None


def check_memory(size):
    """Raise BadFile where so many bytes are more than there is."""
    if size > ALWAYS_READ and (reason := too_large(size)):
        raise BadFile(f"it takes {reason}")


def _checked_header(file, size, what):
    """Raise unless the header of an array is that of ``size`` bytes of plain numbers or text."""
    magic = np.lib.format.read_magic(file)
    if magic not in _LENGTHS:
        raise BadFile(f"{what} has fields, or is of another format")
    form = _LENGTHS[magic]
    field = file.read(struct.calcsize(form))
    if len(field) < struct.calcsize(form) or struct.unpack(form, field)[0] > MOST_HEADER:
        raise BadFile(f"{what} has a damaged header")
    file.seek(np.lib.format.MAGIC_LEN)
    shape, dtype = _shape_and_type(file, magic, what)
    if dtype.hasobject:
        raise BadFile(f"{what} holds Python objects, which are never loaded")
    if dtype.kind == "V" or dtype.itemsize == 0 or any(length < 0 for length in shape):
        raise BadFile(f"{what} holds no array of numbers or text, but {dtype!s:.40} of shape {shape!s:.40}")
    held = size - file.tell()
    if math.prod(shape) * dtype.itemsize != held:
        raise BadFile(f"{what} should have {math.prod(shape) * dtype.itemsize:,} bytes, as {dtype!s:.40} of shape "
                      f"{shape!s:.80}, and has {held:,}")


def _shape_and_type(file, magic, what):
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[magic]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of types and ways to write that no file needs
            shape, _, dtype = read(file)
    except Exception:  # a MemoryError of the parser, too, says nothing about memory
        raise BadFile(f"{what} has a damaged header") from None
    return shape, dtype


def _or_bad(function, *arguments, **more):
    """What a function returns; every error of the libraries that read is one of the file."""
    try:
        return function(*arguments, **more)
    except (BadFile, KeyError):
        raise
    except MemoryError:
        raise BadFile("there is not enough memory for what it holds") from None
    except Exception as problem:  # a damaged file makes the readers fail in every way there is
        raise BadFile(f"{one_line(problem):.150}") from None


def one_line(problem):
    """The first line of an error, or its kind where it says nothing."""
    return getattr(problem, "strerror", None) or (str(problem).splitlines() or [type(problem).__name__])[0]
