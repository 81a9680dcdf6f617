"""Inputs that are rows of a data set: of an array, or of an .npy file."""

import hashlib
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onlinemode import checks, dataset
from onlinemode.errors import ShapeError
from onlinemode.inputs import base
from onlinemode.inputs.base import Inputs, TeacherMoments, make_source, row_products
from onlinemode.inputs.stored import StoredData

NO_MEAN = 1e-6  # of tr Ω/N: what means of columns may be, so that rows count as centred

_WHAT = "rows of an array"


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
    teacher : array (n, ...) or path of an .npy file, optional
        What the teacher sees where that is not what the student sees: row r of D numbers, with row r of ``source``,
        scaled likewise.  A clean image, for example, beside one that was corrupted; docs/theory, section 9.6.

    Attributes
    ----------
    path : str or None
        Of the file; None for an array in memory.
    shape : tuple
        Rows and columns, (n, N).
    sha256 : str
        Of type, shape and numbers.
    teacher : Rows or None
        What the teacher sees, where it does not see the inputs.

    Raises
    ------
    FileError, ShapeError, ParameterError
        If a file cannot be read, if there are no two rows of finite numbers, if a column to be
        standardised is constant, or if the teacher's rows are not as many.
    """

    kind = "rows"
    standardise: bool
    teacher: "Rows | None"
    _stored: StoredData

    def __init__(self, source: ArrayLike | str | PathLike[str], standardise: bool = True,
                 teacher: ArrayLike | str | PathLike[str] | None = None) -> None:
        standardise = checks.flag("standardise", standardise)
        self._set(_stored=StoredData(source, _WHAT), standardise=standardise, teacher=None)
        self._scaling()
        if teacher is not None:
            seen = Rows(teacher, standardise)
            if seen.shape[0] != self.shape[0]:
                raise ShapeError(f"the teacher must see as many rows as the student, {self.shape[0]:,}; "
                                 f"{seen._stored.name} has {seen.shape[0]:,}")
            self._set(teacher=seen)

    def _set(self, **values):
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: Any) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __repr__(self) -> str:
        scaled = "" if self.standardise else ", standardise=False"
        seen = "" if self.teacher is None else f", teacher={self.teacher._stored!r}"
        return f"Rows({self._stored!r}{scaled}{seen})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self):
        return self.sha256, self.standardise, self.teacher

    @property
    def path(self) -> str | None:
        """The file; None for an array in memory."""
        return self._stored.path

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, (n, N)."""
        return self._stored.shape

    @property
    def sha256(self) -> str:
        """SHA-256 of type, shape and numbers."""
        return self._stored.sha256

    @property
    def columns(self) -> int:  # type: ignore[override]
        """The only possible N, the number of columns."""
        return self.shape[1]

    @property
    def has_mean(self) -> bool:  # type: ignore[override]
        """Whether columns have means: above 10^-6 of tr Ω/N, in rows that are not standardised."""
        if self.standardise:
            return False
        return self._mean_share > NO_MEAN or (self.teacher is not None and self.teacher.has_mean)

    @cached_property
    def _mean_share(self):
        mean = sum(part.sum(0) for part in self.chunks()) / self.shape[0]
        return float(mean @ mean) / self.shape[1]

    def fingerprint(self) -> str:
        """SHA-256 of the data: of the rows, and where the teacher sees others, of both.

        Returns
        -------
        str
            In hexadecimal.
        """
        if self.teacher is None:
            return self.sha256
        return hashlib.sha256(f"{self.sha256} {self.teacher.sha256}".encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Path, shape and hash, from which :meth:`available` knows the data again; not the numbers themselves.

        Returns
        -------
        dict
            Of plain values, with the key "kind".
        """
        seen = {} if self.teacher is None else {"teacher": self.teacher._stored.to_dict()}
        return {"kind": self.kind, "standardise": self.standardise, **self._stored.to_dict(), **seen}

    @classmethod
    def _restored(cls, fields):
        """Without looking at the data: a saved run can be read and drawn without them."""
        rows, seen = object.__new__(cls), fields.get("teacher")
        if seen is not None:
            seen = cls._restored({**seen, "standardise": fields["standardise"]})
        rows._set(_stored=StoredData.restored(fields, _WHAT), standardise=fields["standardise"], teacher=seen)
        return rows

    def available(self) -> None:
        """Raise an error if the data cannot be had.

        Raises
        ------
        FileError
            If a file is missing or has changed, or the rows were an array in memory.
        """
        self._stored.opened()
        if self.teacher is not None:
            self.teacher.available()

    def _scaling(self):
        """What is subtracted from every column, and what multiplies it."""
        if "_scaled_by" not in self.__dict__:
            self._set(_scaled_by=dataset.column_statistics(self._stored.name, self._stored.opened(),
                                                            self.standardise))
        return self._scaled_by

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
        return self._stored.opened(), *self._scaling()

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

    @property
    def sees_inputs(self) -> bool:  # type: ignore[override]
        """Whether the teacher sees the rows that the student sees."""
        return self.teacher is None

    def _latent_columns(self):
        return self.teacher.columns

    def _latent_source(self):
        return self.teacher._source(self.teacher.columns)

    def _latent_moments(self, B, N) -> TeacherMoments:
        """Averages over all n rows."""
        from onlinemode.kernels.micro.inputs import add_products

        assert self.teacher is not None
        B = np.ascontiguousarray(B)
        image, T = np.zeros((len(B), N)), np.zeros((len(B), len(B)))
        for x, seen in zip(_equal_parts(self), _equal_parts(self.teacher)):
            fields = np.zeros((len(B), len(x)))
            add_products(B, seen, fields, False)
            add_products(fields, np.ascontiguousarray(x.T), image, False)
            add_products(fields, fields, T, False)
        n, D = self.shape[0], self.teacher.columns
        return TeacherMoments(image * (np.sqrt(N / D) / n), 0.5 * (T + T.T) / (D * n))

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


def _equal_parts(rows: Rows, length: int = 1024) -> Iterator[NDArray[np.float64]]:
    """Consecutive rows as inputs, ``length`` at a time whatever their number of columns."""
    data, offset, scale = rows.opened()
    for first in range(0, len(data), length):
        yield (data[first:first + length].astype(np.float64) - offset) * scale
