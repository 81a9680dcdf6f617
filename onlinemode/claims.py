"""Names of files that a process keeps for itself from when it chooses them until its files are there.

A claim is a lock on a small hidden file beside the result.  The kernel releases it when the process ends in any way,
so a killed process leaves nothing that blocks.  Where a file system has no locks, two processes may choose one name;
the second to write then takes the next number, for a file is given its name only if that is free.
"""

import errno
import hashlib
import itertools
import os
import sys
import weakref
from contextlib import suppress
from pathlib import Path

from onlinemode.errors import FileError
from onlinemode.storage import cannot_write, is_there, temporary_name

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

LONGEST_NAME = 255  # bytes, of the file systems in use
_NO_LOCKS = {getattr(errno, name) for name in ("ENOLCK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL")
             if hasattr(errno, name)}


_HELD: "weakref.WeakSet[Lock]" = weakref.WeakSet()


def _leave_all():
    for lock in list(_HELD):
        lock._leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)


class Held(FileError):
    """Another running process holds the name."""


class Lock:
    """The hidden file beside ``path``, locked until :meth:`release`.

    Parameters
    ----------
    path : path
        Need not exist; its folder must.
    shared : bool, default False
        With others that ask for a shared lock.
    wait : bool, default False
        For another process to release it, where the system can.

    Raises
    ------
    Held
        If another process has it.
    FileError
        If there can be no file of this name.
    """

    def __init__(self, path, shared=False, wait=False):
        self.path = Path(path)
        name = hashlib.sha256(os.fsencode(self.path.name)).hexdigest()[:16]
        self._descriptor: int | None = None
        self.file, self._locked = self.path.parent / f".onlinemode-{name}.lock", True
        try:
            is_there(path)
            while True:
                self._descriptor = self._open()
                self._lock(shared, wait)
                if self._still_there():
                    _HELD.add(self)
                    return
                os.close(self._descriptor)  # the process before has just removed it
        except BlockingIOError:
            self._leave()
            raise Held(f"another running process writes {self.path}: wait for it, or give another name") from None
        except (OSError, ValueError) as problem:
            self._leave()
            raise FileError(cannot_write(path, problem)) from None

    def _leave(self):
        """In a process that was forked: the lock is the parent's, and must not outlive it here."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self):
        try:
            return os.open(self.file, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        except PermissionError:  # left by another user, in a folder for all: a lock needs no more than reading
            if not os.access(self.file.parent, os.W_OK):
                raise
            return os.open(self.file, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))

    def _lock(self, shared, wait):
        """Lock the open file, where there are locks."""
        try:
            if fcntl is None:
                msvcrt.locking(self._descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(self._descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
                            | (0 if wait else fcntl.LOCK_NB))
        except OSError as problem:
            if fcntl is None and shared:
                return  # there are no shared locks
            if problem.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                raise BlockingIOError from None
            if problem.errno not in _NO_LOCKS:
                raise
            self._locked = False

    def _still_there(self):
        """Whether the file has its name yet; else the lock is on a file that no other process can find."""
        if fcntl is None:  # an open file cannot be removed
            return True
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self.file))
        except FileNotFoundError:
            return False

    def is_alone(self):
        """Whether no other process shares the lock; from then on none can."""
        if fcntl is None:
            return False
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            with suppress(OSError):  # the system has given the shared lock back before it tried to get this one
                fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False

    def share(self):
        """From now on together with others that ask for a shared lock."""
        if fcntl is not None:
            self._lock(shared=True, wait=True)

    def release(self):
        """Remove the hidden file, unless others share it, and unlock."""
        if self._descriptor is None:
            return
        _HELD.discard(self)
        if fcntl is not None and (not self._locked or self.is_alone()):
            _remove(self.file)
        os.close(self._descriptor)
        self._descriptor = None
        if fcntl is None:
            _remove(self.file)  # fails where another process has opened it

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()


class Claim:
    """A name, ``base``, to which each file of one command adds its tail, such as ``.png`` or ``_micro.npz``.

    Use :func:`claim` or :func:`claim_free`.
    """

    def __init__(self, base, tails):
        self.base, self.replaces = Path(base), False
        self._locks = []
        try:
            for tail in sorted(tails):  # all processes in one order, so that one of them gets all
                self._locks.append(Lock(self.path(tail)))
        except BaseException:
            self.release()
            raise

    def path(self, tail):
        """The path of the file with this tail."""
        return self.base.with_name(self.base.name + tail)

    def write(self, tail, save):
        """Let ``save(path)`` make a file, and give it its name.

        Returns
        -------
        Path
            The name.  If there is a file of this name after all, made by a process that did not ask, it is the next
            number, and stderr says so.

        Raises
        ------
        FileError
        """
        path = self.path(tail)
        temporary = temporary_name(path)
        try:
            save(temporary)
            if self.replaces:
                os.replace(temporary, path)
                return path
            number, given = 1, path
            while not place_free(temporary, given):
                number += 1
                given = numbered(self.base, number, tail)
        except FileError as problem:
            raise FileError(str(problem).replace(str(temporary), str(path))) from None
        except OSError as problem:
            raise FileError(cannot_write(path, problem)) from None
        finally:
            _remove(temporary)
        if given != path:
            print(f"onlinemode: another file has taken the name {path} meanwhile; the result is {given}",
                  file=sys.stderr)
        return given

    def release(self):
        """Others may take the names."""
        while self._locks:
            self._locks.pop().release()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()


def claim(base, tails, replace=False):
    """Claim a name that the user gave.

    Parameters
    ----------
    base : path
        Without a suffix.
    tails : sequence of str
        Of all files that will be written.
    replace : bool or callable, default False
        Whether files that are there may be replaced; a callable is asked if there are any.

    Returns
    -------
    Claim

    Raises
    ------
    Held
        If another process has one of the names.
    FileError
        If one is not to be replaced, or cannot be made.
    """
    made = Claim(base, tails)
    try:
        if there := [path for path in map(made.path, tails) if is_there(path)]:
            for path in there:
                if os.path.isdir(path):
                    raise FileError(f"cannot write {path}: it is a folder; give a file name")
            made.replaces = replace() if callable(replace) else replace
            if not made.replaces:
                raise FileError(f"{there[0]} is there already: give another name with --out, or --overwrite to replace "
                                "it")
    except BaseException:
        made.release()
        raise
    return made


def claim_free(base, tails, others=()):
    """Claim a name of which nothing is there: ``base`` or, with a number, ``base_2``, ``base_3``, ...

    Parameters
    ----------
    base : path
        Cut where it is too long.
    tails : sequence of str
        Of all files that will be written.
    others : sequence of str
        Tails of files that will not be written, of which there must be none all the same.

    Returns
    -------
    Claim

    Raises
    ------
    FileError
        If nothing can be written there.
    """
    every = (*tails, *others)
    for number in itertools.count(1):
        name = numbered(base, number, room=max(every, key=len))
        if not _nothing_there(name, every):
            continue
        try:
            made = Claim(name, tails)
        except Held:
            continue
        if _nothing_there(name, every):  # still: another process may have finished between the two looks
            return made
        made.release()


def numbered(base, number, tail="", room=""):
    """The path of ``base`` with a number from 2 on and a tail, its stem cut where it is too long for a file's name.

    ``room`` is what may be added to it later.
    """
    base = Path(base)
    ending = ("" if number == 1 else f"_{number}") + tail
    left = LONGEST_NAME - len(os.fsencode(ending + room))
    return base.with_name(os.fsencode(base.name)[:left].decode(sys.getfilesystemencoding(), "ignore") + ending)


def place_free(temporary, path):
    """Give a finished file the name ``path`` if it is free.

    Returns
    -------
    bool
        False where there is a file of this name; ``temporary`` stays then.
    """
    try:
        try:
            os.link(temporary, path)
            os.unlink(temporary)
        except FileExistsError:
            return False
        except OSError:  # no hard links here
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
            os.replace(temporary, path)
    except FileExistsError:
        return False
    return True


def _nothing_there(name, tails):
    try:
        return not any(is_there(name.with_name(name.name + tail)) for tail in tails)
    except (OSError, ValueError) as problem:
        raise FileError(cannot_write(name, problem)) from None


def _remove(path):
    try:
        os.unlink(path)
    except OSError:
        pass
