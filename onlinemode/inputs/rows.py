"""Inputs that are rows of a data set: of an array, or of an .npy file."""

import os
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from onlinemode import checks, dataset
from onlinemode.errors import FileError
from onlinemode.inputs import base
from onlinemode.inputs.base import Inputs, make_source, row_products

NO_MEAN = 1e-6  # of tr Ω/N: what means of columns may be, so that rows count as centred


class Rows(Inputs):
    """Rows of a data set, drawn with replacement; docs/theory, section 9.1.

    Parameters
    ----------
    source : array (n, ...) or path of an .npy file
        The n rows; further axes (of images) are flattened.  A file of uint8, float32 or float64 in C order is
        memory-mapped and stays as it is (a row is converted when it is drawn); everything else is read as float64.
    standardise : bool, default True
        Shift and scale every column to mean 0 and variance 1 over the data set.  False: leave the
        mean, and divide all entries by one number, their root mean square.

    Attributes
    ----------
    path : str or None
        Of the file; None for an array in memory.
    shape : tuple
        Rows and columns, (n, N).
    sha256 : str
        Of type, shape and numbers.

    Raises
    ------
    FileError, ShapeError, ParameterError
        If the file cannot be read, if there are no two rows of finite numbers, or if a column to be
        standardised is constant.
    """

    kind = "rows"
    path: str | None
    standardise: bool
    shape: tuple[int, int]
    sha256: str
    _opened: Any

    def __init__(self, source: ArrayLike | str | PathLike[str], standardise: bool = True) -> None:
        standardise = checks.flag("standardise", standardise)
        path = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
        data = dataset.from_file(path) if path is not None else dataset.from_array(source)
        self._set(path=path, standardise=standardise, shape=data.shape, sha256=dataset.fingerprint(data))
        self._set(_opened=(data, *dataset.column_statistics(path or "the array", data, self.standardise)))

    def _set(self, **values):
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: Any) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __repr__(self) -> str:
        return f"Rows({self.path or f'array of shape {self.shape}'}{'' if self.standardise else ', standardise=False'})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and (self.sha256, self.standardise) == (other.sha256, other.standardise)

    def __hash__(self) -> int:
        return hash((self.sha256, self.standardise))

    @property
    def columns(self) -> int:  # type: ignore[override]
        """The only possible N, the number of columns."""
        return self.shape[1]

    @property
    def has_mean(self) -> bool:  # type: ignore[override]
        """Whether the means of the columns are a part of Ω: above 10^-6 of its trace, and rows not standardised."""
        return not self.standardise and self._mean_share > NO_MEAN

    @cached_property
    def _mean_share(self):
        mean = sum(part.sum(0) for part in self.chunks()) / self.shape[0]
        return float(mean @ mean) / self.shape[1]

    def to_dict(self) -> dict[str, Any]:
        """Path, shape and hash, from which :meth:`available` knows the data again; not the numbers themselves.

        Returns
        -------
        dict
            Of plain values, with the key "kind".
        """
        return {"kind": self.kind, "path": self.path, "standardise": self.standardise, "shape": list(self.shape),
                "sha256": self.sha256}

    @classmethod
    def _restored(cls, fields):
        """Without looking at the data: a saved run can be read and drawn without them."""
        rows = object.__new__(cls)
        rows._set(_opened=None, **{**fields, "shape": tuple(fields["shape"])})
        return rows

    def available(self) -> None:
        """Raise an error if the data cannot be had.

        Raises
        ------
        FileError
            If the file is missing or has changed, or the rows were an array in memory.
        """
        if self._opened is not None:
            return
        if self.path is None:
            raise FileError("the inputs were rows of an array in memory, which no file holds: save such arrays with "
                            "numpy.save and give their path")
        there = Rows(self.path, self.standardise)
        if there.sha256 != self.sha256:
            raise FileError(f"{self.path} has changed: its SHA-256 is {there.sha256[:16]}..., that of the inputs "
                            f"{self.sha256[:16]}...; put the old file there")
        self._set(_opened=there._opened)

    def opened(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The data, and what makes inputs of them: x = (row − offset)·scale.

        Returns
        -------
        data : array (n, N)
            As it is stored.
        offset : array (N,)
            What is subtracted from the columns.
        scale : array (N,)
            What they are multiplied with.

        Raises
        ------
        FileError
            If the data cannot be had.
        """
        self.available()
        return self._opened

    def chunks(self) -> Iterator[np.ndarray]:
        """Consecutive rows as inputs x.

        Yields
        ------
        array (some, N)
            In float64.

        Raises
        ------
        FileError
            If the data cannot be had.
        """
        data, offset, scale = self.opened()
        for part in dataset.chunks(data):
            yield (part - offset) * scale

    def _source(self, N):
        data, offset, scale = self.opened()
        return make_source("ROWS", "ROW", scale=scale, offset=offset, rows=data)

    def _products(self, N):
        from onlinemode.kernels.micro.inputs import add_products

        n = self.shape[0]
        if N <= base.DENSE_UP_TO:
            moments = np.zeros((N, N))
            for part in self.chunks():
                columns = np.ascontiguousarray(part.T)
                add_products(columns, columns, moments, True)
            moments = np.tril(moments) / n
            moments += np.tril(moments, -1).T
            return row_products(N, lambda first, last: moments[first:last], kept=True)

        def products(rows):
            rows = np.array(rows, np.float64, order="C")
            out = np.zeros(rows.shape)
            for part in self.chunks():
                fields = np.zeros((len(rows), len(part)))
                add_products(rows, part, fields, False)
                add_products(fields, np.ascontiguousarray(part.T), out, False)
            return out / n

        return products
