"""Reading a spoilt file in a process of its own, with little memory: what came of it."""

import dataclasses
import enum
import hashlib
import json
import os
import resource
import signal
import traceback
import warnings
from typing import NamedTuple

import numpy as np

from hostile.archives import PLANTED
from hostile.running import patience

ROOM = 2**31  # of addresses, beyond those of the process that reads
MOST_TAKEN = 2**29  # bytes of memory that reading a small file may take
SECONDS = 60.0


class Reading(NamedTuple):
    """What came of reading a file.

    Attributes
    ----------
    outcome : {"refused", "loaded", "bad"}
    words : str
        The message, or what is bad.
    digest : str
        Of what was loaded.
    taken : int
        Bytes of memory beyond what the process had.
    """

    outcome: str
    words: str
    digest: str
    taken: int


def read_in_fork(kind, folder):
    """Read and use the file of a kind that is in ``folder``, in a child of this process."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(receive)
            os.write(send, json.dumps(_child(kind, folder)).encode())
        finally:
            os._exit(0)
    os.close(send)
    with open(receive, "rb") as pipe:
        said = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not said:
        return Reading("bad", "hangs" if code == -signal.SIGALRM else f"ended with {code}", "", 0)
    outcome, words, digest, taken = json.loads(said)
    if taken > MOST_TAKEN and outcome != "bad":
        outcome, words = "bad", f"took {taken / 2**20:,.0f} MiB ({words:.200})"
    return Reading(outcome, words, digest, taken)


def _child(kind, folder):
    from onlinemode.errors import OnlineModeError

    os.chdir(folder)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    signal.alarm(round(patience(SECONDS)))
    limit = _memory("VmSize") + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak of memory begins anew
    before = _memory("VmRSS")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            found = kind.read()
            digest = fingerprint(found)
            kind.use(found)
            result = "loaded", "", digest
        except OnlineModeError as problem:
            result = "refused", str(problem)[:3000], ""
        except BaseException:
            result = "bad", traceback.format_exc()[-3000:], ""
    if told and result[0] != "bad":
        first = told[0]
        result = "bad", f"warned: {first.category.__name__}: {first.message} at {first.filename}:{first.lineno}", ""
    if os.path.exists(PLANTED):
        result = "bad", "a planted pickle has run", ""
    if result[0] == "refused" and "\n" in result[1]:
        result = "bad", f"a message of several lines: {result[1]}", ""
    return *result, max(0, _memory("VmHWM") - before)


def _memory(name):
    """Bytes that Linux tells of this process."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))


def fingerprint(thing):
    """A hash of all numbers and words in an object, its arrays, and its parts."""
    digest = hashlib.sha256()
    _feed(digest, thing, 0)
    return digest.hexdigest()


def _feed(digest, thing, depth):
    if depth > 30:
        thing = "too deep"
    if hasattr(thing, "specification"):  # a network
        thing = {"specification": thing.specification(), "state": thing.state()}
    elif hasattr(thing, "to_dict") and hasattr(thing, "data_vars"):  # an xarray.Dataset
        thing = {"attributes": dict(thing.attrs),
                 **{str(name): (each.dims, each.values, dict(each.attrs)) for name, each in thing.variables.items()}}
    if isinstance(thing, np.ndarray) and thing.dtype != object:
        digest.update(f"{thing.dtype.str}{thing.shape}".encode())
        digest.update(np.ascontiguousarray(thing).tobytes())
    elif isinstance(thing, dict):
        for key, value in thing.items():
            digest.update(f"{key!r}:".encode("utf-8", "surrogatepass"))
            _feed(digest, value, depth + 1)
    elif isinstance(thing, (list, tuple)) or isinstance(thing, np.ndarray):
        digest.update(f"{len(thing)}".encode())
        for value in thing:
            _feed(digest, value, depth + 1)
    elif isinstance(thing, (str, bytes, int, float, complex, bool, np.generic, type(None), enum.Enum)):
        digest.update(f"{type(thing).__name__}{thing!r};".encode("utf-8", "surrogatepass"))
    elif dataclasses.is_dataclass(thing) or hasattr(thing, "__dict__"):
        _feed(digest, {name: value for name, value in vars(thing).items() if not callable(value)}, depth + 1)
    else:
        digest.update(type(thing).__name__.encode())
