"""Numbers that inputs are made of, in an array or an .npy file; files of runs keep the path and a hash of them."""

import os
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from onlinemode import dataset
from onlinemode.errors import FileError


class StoredData:
    """The rows of an array, or of an .npy file that may have changed when they are needed again.

    Parameters
    ----------
    source : array (n, ...) or path of an .npy file
        As :mod:`onlinemode.dataset` takes them.
    what : str
        What the inputs are where there is no file, for an error: "rows of an array".

    Attributes
    ----------
    path : str or None
        Of the file; None for an array in memory.
    shape : tuple
        Rows and columns.
    sha256 : str
        Of type, shape and numbers.

    Raises
    ------
    FileError, ShapeError, ParameterError
        If the file cannot be read, or there are no two rows of numbers.
    """

    def __init__(self, source: ArrayLike | str | PathLike[str], what: str) -> None:
        self.path = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
        self._what = what
        self._data: np.ndarray | None = (
            dataset.from_file(self.path) if self.path is not None else dataset.from_array(source))
        self.shape: tuple[int, int] = self._data.shape
        self.sha256: str = dataset.fingerprint(self._data)

    @property
    def name(self) -> str:
        """For errors."""
        return self.path or "the array"

    def __repr__(self) -> str:
        return self.path or f"array of shape {self.shape}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredData) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def to_dict(self) -> dict[str, Any]:
        """Path, shape and hash; not the numbers themselves."""
        return {"path": self.path, "shape": list(self.shape), "sha256": self.sha256}

    @classmethod
    def restored(cls, fields: dict[str, Any], what: str) -> "StoredData":
        """The inverse, without looking at the file: a saved run can be read and drawn without it."""
        made = object.__new__(cls)
        made.path, made.shape, made.sha256 = fields["path"], tuple(fields["shape"]), fields["sha256"]
        made._what, made._data = what, None
        return made

    def opened(self) -> np.ndarray:
        """The numbers, as they are stored.

        Raises
        ------
        FileError
            If the file is missing or has changed, or there never was one.
        """
        if self._data is None:
            if self.path is None:
                raise FileError(f"the inputs were {self._what} in memory, which no file holds: save such arrays with "
                                "numpy.save and give their path")
            there = StoredData(self.path, self._what)
            if there.sha256 != self.sha256:
                raise FileError(f"{self.path} has changed: its SHA-256 is {there.sha256[:16]}..., that of the inputs "
                                f"{self.sha256[:16]}...; put the old file there")
            self._data = there._data
        assert self._data is not None
        return self._data
