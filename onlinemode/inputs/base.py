"""What all kinds of inputs have: their N, their covariance and its eigenvalues, where kernels take samples from."""

from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onlinemode import checks, dataset
from onlinemode.errors import EngineError, ParameterError, ShapeError
from onlinemode.memory import too_large

if TYPE_CHECKING:
    from onlinemode.kernels.micro.inputs import Source, TeacherSource

DENSE_UP_TO = 4096  # inputs N up to which Ω of a manifold or a data set is kept as an N×N array
COUNTING_BYTES = 48  # a direction, where eigenvalues are sorted

_NOTHING, _NO_ROWS = np.zeros(0), np.zeros((0, 0), np.uint8)
_NO_TILES, _NO_MATRIX = np.zeros((0, 0), np.float32), np.zeros((0, 0, 0, 0), np.float32)
_NO_ROWS.flags.writeable = False


class TeacherMoments(NamedTuple):
    """Second moments of the teacher's fields ν."""

    image: NDArray[np.float64]  # (M, N)   √N E[ν xᵀ], which is BΩ where the teacher sees the inputs
    T: NDArray[np.float64]  # (M, M)   E[ν νᵀ]


class Eigenspaces(NamedTuple):
    """The different eigenvalues of a covariance.

    Attributes
    ----------
    eigenvalues : array (L,)
        Ascending; 0 of directions that have no variance.
    multiplicities : int array (L,)
        How many directions have each; their sum is N.
    """

    eigenvalues: NDArray[np.float64]
    multiplicities: NDArray[np.int64]


class Inputs:
    """Base of all kinds of inputs (docs/theory, section 9).

    Attributes
    ----------
    kind : str
        Its name in files.
    independent : bool
        Entries are independent, with mean 0 and variance 1; then Ω = I.
    gaussian : bool
        Entries are jointly Gaussian, so that fields are, at any N.
    has_mean : bool
        Entries have means other than 0, so that Ω is no covariance.
    few_eigenvalues : bool
        Eigenvalues of Ω are known without a list of all N.
    columns : int or None
        The only possible N, where there is one.
    sees_inputs : bool
        The teacher sees x, as the student does; else something else of D numbers, by which its fields are
        ν = B c/√D (docs/theory, section 9.6).
    """

    kind: str = ""
    independent: bool = False
    gaussian: bool = False
    has_mean: bool = False
    few_eigenvalues: bool = False
    columns: int | None = None
    sees_inputs: bool = True

    def check(self, N: int) -> None:
        """Raise an error unless N-dimensional inputs of this kind exist.

        Parameters
        ----------
        N : int
            Number of inputs.

        Raises
        ------
        ParameterError
            If only another N is possible.
        """
        N = checks.inputs(N)
        if self.columns is not None and N != self.columns:
            raise ParameterError(f"N must be {self.columns}, the number of columns of the inputs {self!r}; got {N}")

    def covariance(self, N: int) -> Callable[[np.ndarray], np.ndarray]:
        """The covariance Ω = E[x xᵀ] as a function, since Ω itself may not fit into memory.

        Parameters
        ----------
        N : int
            Number of inputs.

        Returns
        -------
        callable
            Takes row vectors (r, N) and returns them times Ω, in float64.

        Raises
        ------
        ParameterError
            If only another N is possible.
        """
        self.check(N)
        return _covariance(self, N)

    def eigenbasis(self, N: int) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Eigenvalues and eigenvectors of the covariance Ω.

        Parameters
        ----------
        N : int
            Number of inputs.

        Returns
        -------
        eigenvalues : array (N,)
            At least 0; their mean is 1.  Those that were computed from a matrix, or are given, are equal, or 0, where
            they are within 10^-12 of the largest.
        eigenvectors : array (N, N) or None
            As columns, in float64, to rounding; None where the coordinates themselves are an eigenbasis.

        Raises
        ------
        ParameterError
            If only another N is possible.
        EngineError
            If Ω is a matrix, and N above 4,096.
        """
        self.check(N)
        return self._eigenbasis(N)

    def eigenspaces(self, N: int) -> Eigenspaces:
        """The different eigenvalues of the covariance Ω, and how many directions have each.

        Parameters
        ----------
        N : int
            Number of inputs; up to 10^15 for independent entries, :class:`Blocks` and :class:`Spiked`, whose
            eigenvalues are not counted one by one.

        Returns
        -------
        Eigenspaces
            ``eigenvalues``, ascending, and ``multiplicities``.

        Raises
        ------
        ParameterError
            If only another N is possible.
        EngineError
            If Ω is a matrix, and N above 4,096; or if as many eigenvalues as directions do not fit into memory.
        """
        from onlinemode.theory.spectral import merged

        self.check(N)
        values, counts = self._counted(N)
        values, counts = merged(values / values.max(), counts)  # so that sums of large ones are numbers
        return Eigenspaces(values * (N / np.sum(values * counts)), counts)

    def _counted(self, N):
        """Eigenvalues up to a common factor, in any order, and how many directions each stands for."""
        if self.independent:
            return np.ones(1), np.array([N], np.int64)
        needed = too_large(COUNTING_BYTES * N)
        if needed:
            raise EngineError(f"the eigenvalues of {self!r} are counted one by one, which needs {needed} at N = "
                              f"{N:,}: take a smaller N, or Blocks or Spiked, whose eigenvalues are few")
        return self._eigenbasis(N)[0], np.ones(N, np.int64)

    def _eigenbasis(self, N):
        if self.independent:
            return np.ones(N), None
        if N > DENSE_UP_TO:
            raise EngineError(f"eigenvalues of the covariance of {self!r} are known up to N = {DENSE_UP_TO:,}; got "
                              f"{N:,}")
        from onlinemode.theory.spectral import without_rounding

        eigenvalues, vectors = eigenvectors(self, N)
        return without_rounding(eigenvalues), vectors

    def source(self, N: int) -> "Source":
        """Where the kernels take these inputs from.

        Parameters
        ----------
        N : int
            Number of inputs.

        Returns
        -------
        Source
            A record of ``onlinemode.kernels.micro.inputs``.

        Raises
        ------
        ParameterError
            If only another N is possible.
        """
        self.check(N)
        return self._source(N)  # type: ignore[attr-defined]

    def teacher_columns(self, N: int) -> int:
        """How many numbers the teacher sees of a sample: the columns of ``Weights.teacher``.

        Parameters
        ----------
        N : int
            Number of inputs.

        Returns
        -------
        int
            N where it sees the inputs, else D.

        Raises
        ------
        ParameterError
            If only another N is possible.
        """
        self.check(N)
        return N if self.sees_inputs else self._latent_columns()  # type: ignore[attr-defined]

    def teacher_moments(self, teacher: NDArray[np.float64], N: int) -> TeacherMoments:
        """The exact second moments of a teacher's fields with the inputs and with each other.

        Parameters
        ----------
        teacher : array (M, D)
            Its first layer B.
        N : int
            Number of inputs.

        Returns
        -------
        TeacherMoments
            ``image``, √N E[ν xᵀ], (M, N), and ``T``, E[ν νᵀ], (M, M).

        Raises
        ------
        ShapeError
            If the teacher has another number of columns than :meth:`teacher_columns`.
        ParameterError, FileError
            If only another N is possible, or data cannot be had.
        """
        self.check_teacher(teacher, N)
        if not self.sees_inputs:
            return self._latent_moments(teacher, N)  # type: ignore[attr-defined]
        image = self.covariance(N)(teacher)
        return TeacherMoments(image, mean_products(teacher, image))

    def check_teacher(self, teacher: NDArray[np.float64], N: int) -> None:
        """Raise an error unless a teacher has as many columns as it sees numbers.

        Parameters
        ----------
        teacher : array (M, D)
            Its first layer B.
        N : int
            Number of inputs.

        Raises
        ------
        ShapeError
            If it has not.
        ParameterError
            If only another N is possible.
        """
        M, D = teacher.shape
        wanted = self.teacher_columns(N)
        if D == wanted:
            return
        if self.sees_inputs:
            raise ShapeError(f"teacher must have shape (M, N) = ({M}, {N}) where it sees the inputs; got ({M}, {D})")
        raise ShapeError(f"teacher must have shape (M, D) = ({M}, {wanted}), a column for each number that it sees in "
                         f"{self!r}; got ({M}, {D}): draw it with teacher_columns={wanted}")

    def teacher_source(self, N: int) -> "TeacherSource | None":
        """Where the kernels take what the teacher sees from.

        Parameters
        ----------
        N : int
            Number of inputs.

        Returns
        -------
        TeacherSource or None
            A record of ``onlinemode.kernels.micro.inputs``; None where it sees the inputs.

        Raises
        ------
        ParameterError, FileError
            If only another N is possible, or data cannot be had.
        """
        if self.sees_inputs:
            return None
        from onlinemode.kernels.micro.inputs import TeacherSource

        return TeacherSource(self._latent_source(), self.teacher_columns(N))  # type: ignore[attr-defined]

    def available(self) -> None:
        """Raise an error if data that the inputs need cannot be had.

        Raises
        ------
        FileError
            If a file is missing or has changed, or an array was never in one.
        """

    def fingerprint(self) -> str | None:
        """SHA-256 of the data that inputs are made of.

        Returns
        -------
        str or None
            In hexadecimal; None where the parameters say all.
        """
        return None

    def to_dict(self) -> dict[str, Any]:
        """The kind and its parameters, as they are saved.

        Returns
        -------
        dict
            Of plain values, with the key "kind".
        """
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]

    @classmethod
    def _restored(cls, fields):
        return cls(**fields)

    def _products(self, N):
        return lambda rows: rows


def make_source(kind, stream, *, deviations=_NO_TILES, projection=_NO_MATRIX, rows=_NO_ROWS, offset=_NOTHING,
                 scale=_NOTHING):
    from onlinemode.kernels.micro import inputs as kernel
    from onlinemode.kernels.random import philox

    return kernel.Source(getattr(kernel, kind), getattr(philox, f"STREAM_{stream}"), deviations, projection, rows,
                         offset, scale)


def in_tiles(values):
    """Numbers (N,) as float32 (tiles, coordinates), 0 from N on."""
    from onlinemode.kernels.micro.sgd import to_tiles

    return to_tiles(values[None], np.float32)[:, 0]


def mean_products(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """a bᵀ over their number of columns, by pairwise sums, whose bits do not depend on a number of BLAS threads."""
    return np.array([[np.sum(x * y) for y in b] for x in a]) / a.shape[1]


@lru_cache(maxsize=1)
def _covariance(inputs, N):
    return inputs._products(N)


@lru_cache(maxsize=1)
def eigenvectors(inputs, N):
    """Eigenvalues of Ω in ascending order, as they are computed, and eigenvectors."""
    return np.linalg.eigh(inputs.covariance(N)(np.eye(N)))


def row_products(N, chunk, kept=False):
    """rows -> rows Ω, from a function that gives some rows of Ω; they are kept up to DENSE_UP_TO."""
    from onlinemode.kernels.micro.inputs import add_products

    length = max(1, dataset.CHUNK_ENTRIES // N)
    edges = [(first, min(first + length, N)) for first in range(0, N, length)]
    if not kept and N <= DENSE_UP_TO:
        parts = {first: chunk(first, last) for first, last in edges}
        chunk = lambda first, last: parts[first]  # noqa: E731

    def products(rows):
        rows, out = np.array(rows, np.float64, order="C"), np.zeros((len(rows), N))
        for first, last in edges:
            part = np.zeros((len(rows), last - first))
            add_products(rows, chunk(first, last), part, False)
            out[:, first:last] = part
        return out

    return products
