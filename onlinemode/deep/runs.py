"""What training returns: a history with the trained network, and its file."""

from dataclasses import dataclass
from enum import Enum
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from onlinemode import records
from onlinemode.deep.network import RUN, Network
from onlinemode.deep.network_files import network_from
from onlinemode.display import Described
from onlinemode.errors import FileError
from onlinemode.storage import read_archive, write_archive

_META = {"parameters": records.whole, "multiplications": records.whole, "device": records.text,
         "versions": records.record}
_ARGUMENTS = {**dict.fromkeys(("epochs", "batch", "halve_every", "seed"), records.whole), "rate": records.number,
              "decay": records.number}


class Status(Enum):
    """How a training run ended.

    Attributes
    ----------
    COMPLETED
        All epochs were made; ``value`` is "completed".
    INTERRUPTED
        By the user; the network is that at the beginning of the unfinished epoch.  "interrupted".
    DIVERGED
        The loss left all bounds; the network is that at the beginning of this epoch.  "diverged".
    """

    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"


class Progress(NamedTuple):
    """One report to the ``progress`` callback of :func:`onlinemode.deep.train`.

    Attributes
    ----------
    epoch : int
        Epochs finished.
    epochs : int
        Epochs to make in all.
    fraction : float
        Share of all steps made, 0 to 1.
    loss : float
        Mean training loss of this epoch so far; NaN before the first step.
    accuracy : float
        Test accuracy at the beginning of this epoch, or at the end of the run.
    seconds_left : float
        NaN at the beginning.
    """

    epoch: int
    epochs: int
    fraction: float
    loss: float
    accuracy: float
    seconds_left: float


@dataclass(eq=False, repr=False)
class TrainingRun(Described):
    """A trained network and how it got there; E is the number of finished epochs.

    Attributes
    ----------
    epoch : array (E + 1,)
        0 to E.
    test_accuracy, test_loss : arrays (E + 1,)
        Before the updates of each epoch, and at the end.
    loss, train_accuracy : arrays (E,)
        Means over the training samples of each epoch, each measured just before the step that learns from it.
    rate : array (E,)
        Learning rate of each epoch.
    seconds : array (E,)
        Of each epoch, without the test before it.
    network : Network
        The trained network.
    status : onlinemode.deep.runs.Status
        How it ended.
    message : str
        Why, where there is something to say.
    meta : dict
        The arguments of the call, the data set's name, origin and fingerprint, versions.
    """

    epoch: np.ndarray
    test_accuracy: np.ndarray
    test_loss: np.ndarray
    loss: np.ndarray
    train_accuracy: np.ndarray
    rate: np.ndarray
    seconds: np.ndarray
    network: Network
    status: Status
    message: str
    meta: dict[str, Any]

    TESTED = ("epoch", "test_accuracy", "test_loss")  # E + 1 of each
    HISTORY = (*TESTED, "loss", "train_accuracy", "rate", "seconds")

    def _described(self):
        network = self.network
        ends = lambda values: f"{values[0]:.4g} → {values[-1]:.4g}" if len(values) else "none"  # noqa: E731
        return [("TrainingRun", f"{network.variant}, {' - '.join(str(size) for size in network.sizes)}"
                                + (f", P = {', '.join(str(P) for P in network.modes)}" if network.modes else "")),
                ("status", f"{self.status.value} after {self.epochs} epochs"),
                ("test accuracy", ends(self.test_accuracy)), ("test loss", ends(self.test_loss)),
                ("training loss", ends(self.loss))]

    @property
    def epochs(self) -> int:
        """Number of finished epochs."""
        return len(self.loss)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the run with its network to an .npz file (no pickle), whole or not at all.

        Parameters
        ----------
        path : str or path
            Of the file; one that is there is replaced.

        Raises
        ------
        FileError
            If the file cannot be written.
        """
        arrays = {f"history_{name}": getattr(self, name) for name in self.HISTORY}
        arrays |= {f"network_{name}": array for name, array in self.network.state().items()}
        write_archive(path, RUN, {"network": self.network.specification(), "status": self.status.value,
                                   "message": self.message, "meta": self.meta}, arrays)


def load_run(path: str | PathLike[str], device: str = "cpu") -> TrainingRun:
    """Read a run that :meth:`onlinemode.deep.TrainingRun.save` wrote.

    Parameters
    ----------
    path : str or path
        Of the .npz file.
    device : {"cpu", "cuda"}, default "cpu"
        Where the network's arrays are; "cuda" needs CuPy.

    Returns
    -------
    TrainingRun
        Equal to the saved one, to the bit.

    Raises
    ------
    FileError
        If the file is missing, truncated, or not a training run.
    """
    header, arrays = read_archive(path, RUN)
    network = network_from(header, entries("network_", arrays), path, device)
    try:
        records.check(header, {"status": records.text, "message": records.text, "meta": records.record})
        check_meta(header["meta"])
        history = history_of(arrays)
        if len(history["test_loss"]) != len(history["loss"]) + 1:
            raise ValueError("histories of different lengths")
        return TrainingRun(**history, network=network,
                           status=Status(header["status"]), message=header["message"], meta=header["meta"])
    except (KeyError, TypeError, ValueError) as problem:
        raise FileError(f"cannot read {path}: an entry is missing or damaged ({problem!s:.120})") from None


def history_of(arrays):
    """The curves of a file, name to array.

    Raises
    ------
    KeyError, ValueError
        If one is missing, or they do not fit together.
    """
    history = {name: arrays[f"history_{name}"] for name in TrainingRun.HISTORY}
    for name, values in history.items():
        if values.ndim != 1 or (values.size and values.dtype.kind not in ("iu" if name == "epoch" else "f")):
            raise ValueError(f"history {name} of {values.dtype} and shape {values.shape}")
        if len(values) != len(history["test_loss" if name in TrainingRun.TESTED else "loss"]):
            raise ValueError("histories of different lengths")
    return history


def check_meta(meta):
    """Raise ValueError unless a file says all that is needed of its run."""
    records.check(meta, {"arguments": records.record, "dataset": records.record}, _META, "meta")
    records.check(meta["arguments"], _ARGUMENTS, name="arguments")
    records.check(meta["dataset"], {"name": records.text, "origin": records.record, "fingerprint": records.text},
                  name="dataset")


def entries(prefix, arrays):
    """The arrays whose names begin with a prefix, without it."""
    return {name[len(prefix):]: value for name, value in arrays.items() if name.startswith(prefix)}
