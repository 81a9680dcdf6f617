"""TOML files that anybody may have made: what is read of them, and the one line where they cannot be read."""

import codecs
import errno
import os
import stat
import tomllib

from onlinemode.errors import ConfigError, FileError

MOST_BYTES, MOST_NESTED = 2**24, 20


def read_toml(path):
    """What a TOML file holds, with or without the mark of UTF-8 that some editors put before it.

    Raises
    ------
    FileError, ConfigError
    """
    try:
        content = _first_bytes(path, MOST_BYTES + 1)  # a device may never end
    except OSError as problem:
        raise FileError(f"cannot read {path}: {problem.strerror}") from None
    if len(content) > MOST_BYTES:
        raise ConfigError(f"a TOML file may have {MOST_BYTES / 2**20:.0f} MiB; {path} has more: give a smaller one")
    try:
        values = tomllib.loads(content.decode("utf-8-sig"))
        if _is_nested_deeper(values, MOST_NESTED):
            raise RecursionError
        return values
    except UnicodeDecodeError as problem:
        line = content[:problem.start].count(b"\n") + 1
        kind = "UTF-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "another encoding"
        raise ConfigError(f"{path} must be in UTF-8; line {line} is in {kind}: save it as UTF-8") from None
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{path} is not valid TOML: {problem!s:.200}") from None
    except RecursionError:
        raise ConfigError(f"{path} has lists or tables in each other, more than {MOST_NESTED} levels deep; no value "
                          "is such a one") from None
    except ValueError as problem:  # a whole number of more digits than Python converts
        raise ConfigError(f"{path} has a number that cannot be read: {problem!s:.100}") from None


def _first_bytes(path, count):
    """So many bytes of a file, or of a pipe, which must have a writer: nobody waits for one."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        if hasattr(os, "set_blocking"):
            os.set_blocking(descriptor, True)
        content = file.read(count)
        if not content and stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            raise OSError(errno.EPIPE, "nobody writes into this pipe")
    return content


def _is_nested_deeper(values, depth):
    """Whether there is a dict or a list so far inside; what is deeper than Python recurses cannot even be printed."""
    level = [values]
    for _ in range(depth):
        level = [entry for each in level for entry in (each.values() if isinstance(each, dict) else each)
                 if isinstance(entry, (dict, list))]
    return bool(level)
