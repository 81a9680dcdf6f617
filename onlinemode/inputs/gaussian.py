"""Gaussian inputs: with independent N(0, 1) entries, or with a covariance that is given as a matrix."""

from dataclasses import FrozenInstanceError
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onlinemode.errors import ParameterError, ShapeError
from onlinemode.inputs.base import DENSE_UP_TO, Inputs, eigenvectors, in_tiles, make_source, row_products
from onlinemode.inputs.stored import StoredData

ROUNDING = 1e-8  # of the largest eigenvalue: below it an eigenvalue is 0
NEGATIVE = 1e-6  # of the largest eigenvalue: what a negative one may be, from a computation in float32
ASYMMETRY = 1e-6  # of the largest entry, which may have been computed in float32

_WHAT = "Gaussian with a covariance"


class Gaussian(Inputs):
    """Independent N(0, 1) entries, the default; or jointly Gaussian ones of mean 0 and any covariance.

    Weights are given in the coordinates of the covariance.  In its eigenbasis such inputs are a
    :class:`~onlinemode.inputs.Spectrum`, which costs no product with a matrix; docs/theory, section 9.1.

    Parameters
    ----------
    covariance : array (N, N) or path of an .npy file, optional
        Ω, symmetric and positive semidefinite, N up to 4,096; divided so that tr Ω = N.  By default Ω = I.

    Raises
    ------
    FileError
        If the file cannot be read.
    ShapeError, ParameterError
        If the covariance is no square matrix, not symmetric to 10^-6, not finite, 0, too large, or has an eigenvalue
        below −10^-6 times its largest one.
    """

    kind = "gaussian"
    gaussian = True
    _stored: StoredData | None

    def __init__(self, covariance: ArrayLike | str | PathLike[str] | None = None) -> None:
        self.__dict__["_stored"] = None if covariance is None else StoredData(covariance, _WHAT)
        if self._stored is not None:
            _check_shape(self._stored)
            _check_sign(self._stored.name, eigenvectors(self, self._stored.shape[0])[0])

    def __setattr__(self, name: str, value: Any) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __repr__(self) -> str:
        return "Gaussian()" if self._stored is None else f"Gaussian(covariance={self._stored!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Gaussian) and self._stored == other._stored

    def __hash__(self) -> int:
        return hash(() if self._stored is None else self._stored)

    @property
    def independent(self) -> bool:  # type: ignore[override]
        """Whether no covariance was given, so that Ω = I."""
        return self._stored is None

    @property
    def columns(self) -> int | None:  # type: ignore[override]
        """The only possible N, that of the covariance."""
        return None if self._stored is None else self._stored.shape[0]

    def fingerprint(self) -> str | None:
        """SHA-256 of the covariance.

        Returns
        -------
        str or None
            In hexadecimal; None where there is none.
        """
        return None if self._stored is None else self._stored.sha256

    def to_dict(self) -> dict[str, Any]:
        """The kind; of a covariance path, shape and hash, and not its entries.

        Returns
        -------
        dict
            Of plain values, with the key "kind".
        """
        return {"kind": self.kind, **({} if self._stored is None else self._stored.to_dict())}

    @classmethod
    def _restored(cls, fields):
        made = cls()
        if fields:
            made.__dict__["_stored"] = StoredData.restored(fields, _WHAT)
        return made

    def available(self) -> None:
        """Raise an error if the covariance cannot be had.

        Raises
        ------
        FileError
            If its file is missing or has changed, or it was an array in memory.
        """
        if self._stored is not None:
            self._stored.opened()

    def _matrix(self):
        """Ω of trace N."""
        given = np.array(self._stored.opened(), np.float64)
        return (0.5 * given + 0.5 * given.T) / (np.trace(given) / len(given))

    def _products(self, N):
        if self._stored is None:
            return super()._products(N)
        matrix = self._matrix()
        return row_products(N, lambda first, last: matrix[first:last], kept=True)

    def _source(self, N):
        if self._stored is None:
            return make_source("NORMAL", "INPUT", deviations=in_tiles(np.ones(N)))
        from onlinemode.kernels.micro.manifold import to_pieces
        from onlinemode.kernels.micro.sgd import tile_shape

        return make_source("LINEAR_MANIFOLD", "LATENT", projection=to_pieces(_factor(self._matrix()), tile_shape(N)[1]))


def _check_shape(stored):
    name, shape = stored.name, stored.shape
    if shape[0] != shape[1]:
        raise ShapeError(f"a covariance must have shape (N, N); {name} has shape {shape}")
    if shape[0] > DENSE_UP_TO:
        raise ParameterError(f"a covariance has at most {DENSE_UP_TO:,} rows; {name} has {shape[0]:,}: take a "
                             "Spectrum, with weights in its eigenbasis")
    matrix = stored.opened().astype(np.float64)
    if not np.isfinite(matrix).all():
        i, j = (int(n) for n in np.argwhere(~np.isfinite(matrix))[0])
        raise ParameterError(f"a covariance must be finite; entry ({i}, {j}) of {name} is {matrix[i, j]}")
    difference, largest = np.abs(matrix - matrix.T), np.abs(matrix).max()
    if difference.max() > ASYMMETRY * largest:
        i, j = (int(n) for n in np.unravel_index(difference.argmax(), shape))
        raise ParameterError(f"a covariance must be symmetric; entries ({i}, {j}) and ({j}, {i}) of {name} are "
                             f"{matrix[i, j]:g} and {matrix[j, i]:g}")
    variances = np.diag(matrix)
    if variances.max() <= 0.0:
        raise ParameterError(f"a covariance must have variances above 0; those of {name} have the sum "
                             f"{variances.sum():g}")
    if variances.sum() <= ROUNDING * variances.max():  # no trace to divide by, and so a negative eigenvalue
        _check_sign(name, np.linalg.eigvalsh(matrix))


def _check_sign(name, eigenvalues):
    if eigenvalues[0] < -NEGATIVE * eigenvalues[-1]:
        raise ParameterError(f"a covariance must have no negative eigenvalue; the smallest of {name} is "
                             f"{eigenvalues[0] / eigenvalues[-1]:.3g} times the largest: compute it in float64, or "
                             "set negative eigenvalues to 0")


def _factor(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """L with L Lᵀ = Ω, a column for each of its rank: Cholesky's factor with pivots.

    Sums of NumPy's own, not of BLAS, whose bits may depend on its threads.
    """
    N = len(matrix)
    rest, factor = np.diag(matrix).copy(), np.zeros((N, N))
    smallest = ROUNDING * rest.max()
    for column in range(N):
        pivot = int(rest.argmax())
        if rest[pivot] <= smallest:
            return factor[:, :column]
        known = factor[:, :column]
        factor[:, column] = (matrix[pivot] - np.einsum("ij,j->i", known, known[pivot])) / np.sqrt(rest[pivot])
        rest -= factor[:, column] ** 2
        rest[pivot] = 0.0
    return factor
