"""What an input vector x is: i.i.d. entries, a covariance spectrum, a hidden manifold, rows of a data set.

All are scaled so that tr Ω/N = 1, with Ω = E[x xᵀ], and drawn as float32 (docs/theory, section 9).  Nothing
but :class:`Spectrum` and :class:`Rows` fixes N.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, asdict, dataclass, field
from functools import cached_property, lru_cache
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onlinemode import checks, dataset
from onlinemode.errors import EngineError, FileError, ParameterError

if TYPE_CHECKING:
    from onlinemode.kernels.micro.inputs import Source

__all__ = ["Blocks", "Gaussian", "HiddenManifold", "Inputs", "PowerLaw", "Rademacher", "Rows", "Spectrum", "Spiked",
           "Uniform", "parse"]

MANIFOLD_ACTIVATIONS = ("erf", "sign")
MOST_LATENT = 10**9
NO_MEAN = 1e-6  # of tr Ω/N: what means of columns may be, so that rows count as centred
DENSE_UP_TO = 4096  # inputs N up to which Ω of a manifold or a data set is kept as an N×N array
WORDS = ("gaussian, rademacher, uniform, power-law:EXPONENT, blocks:SHARExEIGENVALUE,..., spiked:VARIANCE,..., "
         "manifold:D=LATENT,erf or sign, FILE.npy, FILE.npy:raw")

_NOTHING, _NO_ROWS = np.zeros(0), np.zeros((0, 0), np.uint8)
_NO_TILES, _NO_MATRIX = np.zeros((0, 0), np.float32), np.zeros((0, 0, 0, 0), np.float32)
_NO_ROWS.flags.writeable = False


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
    columns : int or None
        The only possible N, where there is one.
    """

    kind: str = ""
    independent: bool = False
    gaussian: bool = False
    has_mean: bool = False
    columns: int | None = None

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
            At least 0; their mean is 1.
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

    def _eigenbasis(self, N):
        if self.independent:
            return np.ones(N), None
        if N > DENSE_UP_TO:
            raise EngineError(f"eigenvalues of the covariance of {self!r} are known up to N = {DENSE_UP_TO:,}; got "
                              f"{N:,}")
        return _eigenvectors(self, N)

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

    def available(self) -> None:
        """Raise an error if data that the inputs need cannot be had.

        Raises
        ------
        FileError
            If a file is missing or has changed, or an array was never in one.
        """

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


@dataclass(frozen=True)
class Gaussian(Inputs):
    """Independent N(0, 1) entries: the default."""

    kind = "gaussian"
    independent = True
    gaussian = True

    def _source(self, N):
        return _make_source("NORMAL", "INPUT", deviations=_in_tiles(np.ones(N)))


@dataclass(frozen=True)
class Rademacher(Inputs):
    """Independent entries ±1, each with probability ½."""

    kind = "rademacher"
    independent = True

    def _source(self, N):
        return _make_source("RADEMACHER", "INPUT")


@dataclass(frozen=True)
class Uniform(Inputs):
    """Independent entries, uniform on (−√3, √3)."""

    kind = "uniform"
    independent = True

    def _source(self, N):
        return _make_source("UNIFORM", "INPUT")


class _Diagonal(Inputs):
    """Independent Gaussian entries of variances ω_i: weights are given in the eigenbasis of Ω."""

    gaussian = True

    def spectrum(self, N: int) -> NDArray[np.float64]:
        """Eigenvalues of Ω in the order of the coordinates.

        Parameters
        ----------
        N : int
            Number of inputs.

        Returns
        -------
        array (N,)
            Their mean is 1.

        Raises
        ------
        ParameterError
            If only another N is possible.
        """
        self.check(N)
        values = self._eigenvalues(N)  # type: ignore[attr-defined]
        return values / values.mean()

    def _products(self, N):
        spectrum = self.spectrum(N)
        return lambda rows: rows * spectrum

    def _eigenbasis(self, N):
        return self.spectrum(N), None

    def _source(self, N):
        return _make_source("NORMAL", "INPUT", deviations=_in_tiles(np.sqrt(self.spectrum(N))))


def _checked_eigenvalues(values):
    values = checks.array("eigenvalues", values, (None,))
    if values.min() < 0.0 or values.max() == 0.0:
        raise ParameterError(f"eigenvalues of a covariance must be ≥ 0 and not all 0; got {values.min():g} to "
                             f"{values.max():g}")
    return values


@dataclass(frozen=True)
class PowerLaw(_Diagonal):
    """Gaussian inputs whose covariance has the eigenvalues ω_i ∝ i^(−exponent), i from 1 to N.

    Weights are given in its eigenbasis, so entries of an input are independent; docs/theory, section 9.1.

    Parameters
    ----------
    exponent : float
        At least 0; 0 is Ω = I.

    Raises
    ------
    ParameterError
        If the exponent is negative or not finite.
    """

    exponent: float

    kind = "power-law"

    def __post_init__(self) -> None:
        object.__setattr__(self, "exponent", checks.number("exponent of the power law", self.exponent, 0.0))

    def _eigenvalues(self, N):
        return np.arange(1.0, N + 1.0) ** -self.exponent


@dataclass(frozen=True)
class Spectrum(_Diagonal):
    """Gaussian inputs whose covariance has the given eigenvalues, up to a common factor.

    Weights are given in its eigenbasis, so entries of an input are independent; docs/theory, section 9.1.

    Parameters
    ----------
    eigenvalues : array (N,)
        At least 0, not all 0; divided by their mean.

    Raises
    ------
    ParameterError, ShapeError
        If one is negative or not finite, or all are 0.
    """

    eigenvalues: tuple[float, ...] = field(repr=False)

    kind = "spectrum"

    def __post_init__(self) -> None:
        object.__setattr__(self, "eigenvalues", tuple(_checked_eigenvalues(self.eigenvalues).tolist()))

    @property
    def columns(self) -> int:  # type: ignore[override]
        """The only possible N, the number of eigenvalues."""
        return len(self.eigenvalues)

    def _eigenvalues(self, N):
        return np.array(self.eigenvalues)


@dataclass(frozen=True)
class Blocks(_Diagonal):
    """Gaussian inputs whose covariance has few eigenvalues, each for a share of all directions.

    The first share of the coordinates has the first eigenvalue, and so on; docs/theory, section 9.1.

    Parameters
    ----------
    eigenvalues : sequence of float (L,)
        At least 0, not all 0; all are divided by the mean over the coordinates.
    shares : sequence of float (L,)
        Above 0; a block of share f has f·N/Σf coordinates, rounded so that there are N.

    Raises
    ------
    ParameterError, ShapeError
        If a value is out of range or not finite, or there are not as many shares as eigenvalues.
    """

    eigenvalues: tuple[float, ...]
    shares: tuple[float, ...]

    kind = "blocks"

    def __post_init__(self) -> None:
        values = _checked_eigenvalues(self.eigenvalues)
        shares = checks.array("shares", self.shares, (len(values),))
        if shares.min() <= 0.0:
            raise ParameterError(f"shares of blocks must be above 0; got {shares.min():g}")
        object.__setattr__(self, "eigenvalues", tuple(values.tolist()))
        object.__setattr__(self, "shares", tuple(shares.tolist()))

    def _eigenvalues(self, N):
        ends = np.cumsum(self.shares)
        sizes = np.diff(np.rint(N * ends / ends[-1]).astype(int), prepend=0)
        if sizes.min() < 1:
            raise ParameterError(f"N = {N} is too small for {self!r}: a block would have no coordinate")
        values = np.repeat(self.eigenvalues, sizes)
        if values.max() == 0.0:
            raise ParameterError(f"N = {N} is too small for {self!r}")
        return values


@dataclass(frozen=True)
class Spiked(_Diagonal):
    """Gaussian inputs that are isotropic but for a few directions of other variances.

    The first coordinates are these directions, all others have variance 1, before all are divided by their mean;
    docs/theory, section 9.1.

    Parameters
    ----------
    spikes : sequence of float
        Variances of the first directions, at least 0, relative to that of the others.

    Raises
    ------
    ParameterError, ShapeError
        If one is negative or not finite, or there are none.
    """

    spikes: tuple[float, ...]

    kind = "spiked"

    def __post_init__(self) -> None:
        values = checks.array("spikes", self.spikes, (None,))
        if values.min() < 0.0:
            raise ParameterError(f"spikes of a covariance must be ≥ 0; got {values.min():g}")
        object.__setattr__(self, "spikes", tuple(values.tolist()))

    def _eigenvalues(self, N):
        if N <= len(self.spikes):
            raise ParameterError(f"N must be above {len(self.spikes)}, the number of spikes; got {N}")
        return np.concatenate([self.spikes, np.ones(N - len(self.spikes))])


@dataclass(frozen=True)
class HiddenManifold(Inputs):
    """Inputs of a hidden manifold: x_i = sign(z_i) or √3 erf(z_i/√2), with D latent variables behind the N fields z.

    z_i = F_i·c/√D with a latent vector c of D independent normals.  F is fixed: its rows are Gaussian directions of
    length √D, so every z_i is N(0, 1) and every x_i has variance 1.  Goldt, Mézard, Krzakala and Zdeborová, Phys. Rev.
    X 10, 041044 (2020), whose labels are functions of c; docs/theory, section 9.1.

    Parameters
    ----------
    D : int
        Number of latent variables.
    activation : {"erf", "sign"}, default "erf"
        What makes x_i of z_i.
    seed : int, default 0
        Draws F, 0 to 2^64 − 1.

    Raises
    ------
    ParameterError
        If a value is out of range.
    """

    D: int
    activation: str = "erf"
    seed: int = 0

    kind = "manifold"

    def __post_init__(self) -> None:
        object.__setattr__(self, "D", checks.integer("D, the number of latent variables,", self.D, 1, MOST_LATENT))
        checks.choice("activation of the hidden manifold", self.activation, MANIFOLD_ACTIVATIONS)
        object.__setattr__(self, "seed", checks.integer("seed of the hidden manifold", self.seed, 0, 2**64 - 1))

    def projection(self, N: int) -> NDArray[np.float64]:
        """The fixed matrix F, scaled.

        Parameters
        ----------
        N : int
            Number of inputs.

        Returns
        -------
        array (N, D)
            F/√D.

        Raises
        ------
        ParameterError
            If N is no number of inputs, or only another one is possible.
        """
        self.check(N)
        return _projection(N, self.D, self.seed)

    def _code(self):
        return f"{self.activation.upper()}_MANIFOLD"

    def _source(self, N):
        from onlinemode.kernels.micro.manifold import to_pieces
        from onlinemode.kernels.micro.sgd import tile_shape

        return _make_source(self._code(), "LATENT", projection=to_pieces(self.projection(N), tile_shape(N)[1]))

    def _products(self, N):
        from onlinemode.kernels.micro import inputs as kernel

        F, code = self.projection(N), getattr(kernel, self._code())

        def chunk(first, last):  # rows of Ω
            part = np.zeros((last - first, N))
            kernel.add_products(F[first:last], F, part, False)
            kernel.manifold_covariance(part, code, first)
            return part

        return _row_products(N, chunk)


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
        return _make_source("ROWS", "ROW", scale=scale, offset=offset, rows=data)

    def _products(self, N):
        from onlinemode.kernels.micro.inputs import add_products

        n = self.shape[0]
        if N <= DENSE_UP_TO:
            moments = np.zeros((N, N))
            for part in self.chunks():
                columns = np.ascontiguousarray(part.T)
                add_products(columns, columns, moments, True)
            moments = np.tril(moments) / n
            moments += np.tril(moments, -1).T
            return _row_products(N, lambda first, last: moments[first:last], kept=True)

        def products(rows):
            rows = np.array(rows, np.float64, order="C")
            out = np.zeros(rows.shape)
            for part in self.chunks():
                fields = np.zeros((len(rows), len(part)))
                add_products(rows, part, fields, False)
                add_products(fields, np.ascontiguousarray(part.T), out, False)
            return out / n

        return products


_KINDS = {cls.kind: cls for cls in (Gaussian, Rademacher, Uniform, PowerLaw, Spectrum, Blocks, Spiked, HiddenManifold,
                                   Rows)}


def from_dict(fields: dict[str, Any]) -> Inputs:
    """The inverse of :meth:`Inputs.to_dict`."""
    fields = dict(fields)
    return _KINDS[fields.pop("kind")]._restored(fields)


def parse(text: str) -> Inputs:
    """Inputs from the words of the command line.

    Parameters
    ----------
    text : str
        "gaussian", "rademacher", "uniform", "power-law:1.0", "blocks:0.1x4,0.3x1,0.6x0.3" (shares of the
        directions and their eigenvalues), "spiked:30,20" (variances of the first directions, relative to the others),
        "manifold:D=100,erf" (also "sign", and "seed=1"), the path of an .npy file, or that path with ":raw" for rows
        that are not standardised.

    Returns
    -------
    Inputs
        Of the class that is meant.

    Raises
    ------
    ParameterError
        If the text is none of these.
    FileError, ShapeError
        If the file cannot be read, or holds no rows of numbers.
    """
    if not isinstance(text, str):
        raise ParameterError(f"inputs must be words, one of {WORDS}; got {checks.one_line(text)}")
    if text in _PROVIDED:
        return _PROVIDED[text]
    word, _, rest = text.partition(":")
    simple = {"gaussian": Gaussian, "rademacher": Rademacher, "uniform": Uniform}
    try:
        if word in simple and not rest:
            return simple[word]()
        if word == "power-law":
            return PowerLaw(float(rest))
        if word == "blocks":
            shares, eigenvalues = zip(*(part.split("x") for part in rest.split(",")))
            return Blocks(tuple(map(float, eigenvalues)), tuple(map(float, shares)))
        if word == "spiked":
            return Spiked(tuple(map(float, rest.split(","))))
        if word == "manifold":
            arguments: dict[str, Any] = {}
            for part in rest.split(","):
                name, equals, value = part.partition("=")
                if name in ("D", "seed") and equals:
                    arguments[name] = int(value)
                else:
                    arguments["activation"] = part
            return HiddenManifold(**arguments)
    except ParameterError:
        raise
    except (TypeError, ValueError):
        pass
    else:
        path = text.removesuffix(":raw")
        if path.endswith(".npy"):
            return Rows(path, standardise=path == text)
    raise ParameterError(f"inputs must be one of {WORDS}; got {checks.one_line(text)}")


_PROVIDED: dict[str, Inputs] = {}


def provide(text: str, inputs: Inputs) -> None:
    """From now on these words mean these inputs in this process: of a data set that was read once, or sent here."""
    _PROVIDED[text] = inputs


def withdraw(text: str) -> None:
    """They mean again what :func:`parse` makes of them."""
    _PROVIDED.pop(text, None)


def check_inputs(value: Any) -> None:
    """Raise ParameterError unless it is one of the kinds of inputs."""
    if not isinstance(value, Inputs):
        raise ParameterError("inputs must be one of the classes of onlinemode.inputs, such as Rademacher(); got "
                             f"{checks.one_line(value)}")


def require_few_eigenvalues(inputs: Inputs, engine: str, most: int, N: int) -> None:
    """Raise EngineError if the covariance has more different eigenvalues than an engine takes."""
    from onlinemode.theory.spectral import distinct_eigenvalues

    if inputs.independent:
        return
    count = len(distinct_eigenvalues(inputs.eigenbasis(N)[0]))
    if count > most:
        raise EngineError(f"engine {engine} needs a covariance of at most {most} different eigenvalues; got {count:,} "
                          f"of {inputs!r}: use engine micro, or ode for N → ∞")


def require_inputs(inputs: Inputs, engine: str, kind: str) -> None:
    """Raise EngineError unless the inputs are of the kind that an engine needs, see Capabilities.inputs."""
    if kind == "gaussian" and not inputs.gaussian:
        raise EngineError(f"engine {engine} needs inputs with independent Gaussian entries; got {inputs!r}: use engine "
                          "micro")
    if kind == "independent" and not inputs.independent:
        raise EngineError(f"engine {engine} needs inputs with independent entries of mean 0 and variance 1; got "
                          f"{inputs!r}: use engine micro")


def _make_source(kind, stream, *, deviations=_NO_TILES, projection=_NO_MATRIX, rows=_NO_ROWS, offset=_NOTHING,
                 scale=_NOTHING):
    from onlinemode.kernels.micro import inputs as kernel
    from onlinemode.kernels.random import philox

    return kernel.Source(getattr(kernel, kind), getattr(philox, f"STREAM_{stream}"), deviations, projection, rows,
                         offset, scale)


def _in_tiles(values):
    """Numbers (N,) as float32 (tiles, coordinates), 0 from N on."""
    from onlinemode.kernels.micro.sgd import to_tiles

    return to_tiles(values[None], np.float32)[:, 0]


@lru_cache(maxsize=1)
def _covariance(inputs, N):
    return inputs._products(N)


@lru_cache(maxsize=1)
def _eigenvectors(inputs, N):
    eigenvalues, vectors = np.linalg.eigh(inputs.covariance(N)(np.eye(N)))
    return np.maximum(eigenvalues, 0.0), vectors


@lru_cache(maxsize=1)
def _projection(N, D, seed):
    from onlinemode.kernels.micro.inputs import draw_projection

    return draw_projection(N, D, np.uint64(seed))


def _row_products(N, chunk, kept=False):
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
