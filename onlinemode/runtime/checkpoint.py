"""Checkpoints: an unfinished call on disk, from which it goes on to the same bits.

A checkpoint holds what identifies the call, what its finished parts left (see
:mod:`onlinemode.runtime.parts`), the replicas of the current part that are finished, and of those
under way a snapshot: weights or factors, counters, order parameters saved so far.  Random numbers
need no state: the number of a step is the counter of its samples.

The engine's threads copy a snapshot when one has been asked for, at their next look at the flag; the
main thread writes the file, to a temporary name first, so that a kill at any moment leaves the old
checkpoint or the new one.
"""

import time
import warnings
from pathlib import Path

import numpy as np

from onlinemode import checks, records
from onlinemode.blocks import missing_rows
from onlinemode.errors import FileError
from onlinemode.storage import check_writable, is_there, read_archive, write_archive
from onlinemode.trajectory import Status

KIND = "checkpoint"
_HEADER = {**dict.fromkeys(("problem", "call", "start", "finished", "part", "versions"), records.record),
           "kernels": records.text, "store_weights": records.flag, "every": records.number, "completed": records.flag}
EVERY = 300.0  # seconds between two checkpoints


class Checkpoint:
    """Where and how often an unfinished call is written.

    Parameters
    ----------
    path : str or path
        The file.
    every : float, default 300
        Seconds between two checkpoints.
    note : optional
        Anything that JSON can hold, for the caller's own use.
    restored : dict, optional
        What :func:`read_checkpoint` gave: the call goes on from there.

    Raises
    ------
    FileError
        If no file can be made there, or another file would be lost.
    """

    def __init__(self, path, every=EVERY, note=None, restored=None):
        check_writable(path)
        self.path, self.every, self.note = Path(path), checks.number("checkpoint_every", every, above=0.0), note
        if is_there(self.path) and (restored is None or not self.path.samefile(restored["path"])):
            _refuse_to_replace(self.path)
        self._restored = restored
        self._identity, self._start_arrays = {}, {}
        self._finished = {}, {}
        self._first, self._count = 0, 0
        self._last = time.monotonic()
        self.asked = 0  # how many snapshots have been asked for; replicas compare it with their last answer
        self._complained, self._completed = False, False

    # -- what the call is ---------------------------------------------------------------------

    def begin(self, identity, start_arrays):
        """Say what is being computed, before it begins."""
        self._identity, self._start_arrays = identity, start_arrays

    # -- parts --------------------------------------------------------------------------------

    def restored_parts(self):
        """Header and arrays of the finished parts of a restored call, and the range of the part under way; or None."""
        if self._restored is None:
            return None
        header, arrays = self._restored["header"], self._restored["arrays"]
        return header["finished"], _strip("finished_", arrays), header["part"]["first"], header["part"]["count"]

    def begin_part(self, first, count, header, arrays):
        """A part begins; ``header`` and ``arrays`` are what the finished ones left."""
        self._first, self._count, self._finished = first, count, (header, arrays)

    # -- replicas -----------------------------------------------------------------------------

    def restore(self, replicas):
        """Bring replicas to where the restored call left them; once, for the part that was under way."""
        if self._restored is None:
            return
        part, arrays = self._restored["header"]["part"], self._restored["arrays"]
        for replica, status, message in zip(replicas, part["status"], part["message"]):
            if status is not None:
                paths = {name: values[replica.number - self._first] for name, values in _strip("part_", arrays).items()}
                replica.restore_finished(Status(status), message or "", part["steps"][replica.number - self._first],
                                         paths, _strip(f"ended_{replica.number}_", arrays) or None)
            else:
                snapshot = _strip(f"running_{replica.number}_", arrays)
                if snapshot:
                    replica.snapshot = snapshot
        self._restored = None

    def due(self):
        """Whether it is time for the next one."""
        return time.monotonic() - self._last >= self.every

    def ask(self):
        """Ask every replica under way for a snapshot."""
        self.asked += 1
        self._last = time.monotonic()

    def complete(self, replicas, header, arrays):
        """The call is done; the file holds its result, until another run takes the name."""
        self.begin_part(replicas, 0, header, arrays)
        self._completed = True
        self.write([])

    def write(self, replicas):
        """Write the file; a failure is a warning, and the older file stays."""
        finished = [replica for replica in replicas if replica.finished]
        arrays = {f"start_{name}": value for name, value in self._start_arrays.items()}
        arrays |= {f"finished_{name}": value for name, value in self._finished[1].items()}
        if finished:
            for name in finished[0].path_names:
                paths = missing_rows(getattr(finished[0], name)[np.newaxis], len(replicas))
                for replica in finished:
                    paths[replica.number - self._first] = getattr(replica, name)
                arrays[f"part_{name}"] = paths
        for replica in finished:
            arrays |= {f"ended_{replica.number}_{name}": value for name, value in (replica.end or {}).items()}
        for replica in replicas:
            if not replica.finished and replica.snapshot is not None:
                arrays |= {f"running_{replica.number}_{name}": value for name, value in replica.snapshot.items()}
        part = {"first": self._first, "count": self._count,
                "status": [replica.status.value if replica.finished else None for replica in replicas],
                "message": [replica.message if replica.finished else None for replica in replicas],
                "steps": [replica.steps_made if replica.finished else 0 for replica in replicas]}
        try:
            write_archive(self.path, KIND, {**self._identity, "note": self.note, "every": self.every,
                                            "finished": self._finished[0], "part": part,
                                            "completed": self._completed}, arrays)
        except FileError as problem:
            if not self._complained:
                warnings.warn(f"no checkpoint: {problem}; the run goes on", RuntimeWarning, stacklevel=2)
            self._complained = True
        self._last = time.monotonic()


def _refuse_to_replace(path):
    """An unfinished run, or a file of another kind, is not to be lost."""
    header, _ = read_archive(path, KIND)
    if not header.get("completed"):
        raise FileError(f"{path} holds an unfinished run, which a new one would replace: resume it, delete it, or give "
                        "another name")


def read_checkpoint(path):
    """Header and arrays of a checkpoint.

    Returns
    -------
    dict
        ``path``, ``header``, ``arrays``, and ``start_arrays``, the arrays that describe the start.

    Raises
    ------
    FileError
        If the file is missing, damaged, no checkpoint, or of another version of the kernels.
    """
    header, arrays = read_archive(path, KIND)
    try:
        records.check(header, _HEADER)
        records.check(header["versions"], {"onlinemode": records.text}, name="versions")
        records.check(header["part"], {"first": records.whole, "count": records.whole}, name="part")
        of_each = {"status": records.text, "message": records.text, "steps": records.whole}
        records.check(header["part"], {name: records.list_of(records.or_nothing(kind), header["part"]["count"])
                                       for name, kind in of_each.items()}, name="part")
        if header["finished"]:
            records.check(header["finished"], {"status": records.list_of(records.text), "meta": records.record,
                                               "message": records.list_of(records.text)}, name="finished")
    except ValueError as problem:
        raise FileError(f"cannot read {path}: an entry of the checkpoint is missing or damaged ({problem}); start the "
                        "run anew") from None
    return {"path": Path(path), "header": header, "arrays": arrays, "start_arrays": _strip("start_", arrays)}


def kernel_version():
    """A hash of the kernels' sources: other kernels may round in another order."""
    from onlinemode.kernels.jit import source_hash

    return source_hash()


def _strip(prefix, arrays):
    return {name[len(prefix):]: value for name, value in arrays.items() if name.startswith(prefix)}
