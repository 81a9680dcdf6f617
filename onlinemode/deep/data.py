"""Data sets of deep networks: IDX folders (MNIST, Fashion-MNIST), a user's .npz, the Gaussian mixture of figure 1."""

import hashlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from onlinemode import checks, records
from onlinemode.array_files import Arrays, BadFile
from onlinemode.deep.idx_files import FILES, read_idx
from onlinemode.deep.streams import Stream, generator
from onlinemode.display import Described
from onlinemode.errors import FileError, ParameterError, ShapeError
from onlinemode.storage import cannot_read

ENVIRONMENT = "ONLINEMODE_DATA"
DEBIAN = {"fashion-mnist": Path("/usr/share/datasets/fashion-mnist")}  # Debian's package dataset-fashion-mnist
FETCHABLE = ("mnist", "fashion-mnist")  # onlinemode.deep.downloads has them
_ORIGINS: dict[str, dict[str, records.Kind]] = {
    "gaussian_mixture": dict.fromkeys(("train", "test", "seed"), records.whole), "arrays": {"path": records.text},
    "idx": {"folder": records.text, "name": records.or_nothing(records.text)}}  # what remake() takes
MIXTURE_VARIANCE = 0.05
MIXTURE_MEANS = ((0.5, 0.5, 1.0), (-0.5, -0.5, 1.0), (-0.5, 0.5, -1.0), (0.5, -0.5, -1.0))  # x₁, x₂, label


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(Described):
    """Samples to learn from and samples to be tested on; arrays are read-only.

    Attributes
    ----------
    train_x, test_x : float32 array (n, N)
        Inputs; images are in [0, 1].
    train_y, test_y : array (n,)
        Class numbers from 0 (int64), or numbers (float32).
    name : str
        For titles and files.
    classes : int
        Number of classes.
    origin : dict
        The function of this module that made it, and its arguments: what :func:`remake` needs.

    Raises
    ------
    ShapeError, ParameterError
        If shapes or label counts disagree, a label is outside the classes, or an entry is not finite.
    """

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    name: str
    classes: int
    origin: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.integer("classes", self.classes, 2)
        images = [checks.real(f"{self.name}: {part}_x", getattr(self, f"{part}_x")).dtype == np.uint8
                  for part in ("train", "test")]
        for part in ("train", "test"):
            x, y = (checks.real(f"{self.name}: {part}_{axis}", getattr(self, f"{part}_{axis}")) for axis in "xy")
            if x.ndim > 1 and x.size and y.ndim and len(x) != len(y):  # before large copies are made
                raise ShapeError(f"{self.name}: {part} inputs and labels must be equally many; got {len(x):,} and "
                                 f"{len(y):,}")
            x, y = _inputs(f"{self.name}: {part}_x", x), _labels(f"{self.name}: {part}_y", y, self.classes)
            for name, array in ((f"{part}_x", x), (f"{part}_y", y)):
                array.flags.writeable = False
                object.__setattr__(self, name, array)
        if images[0] != images[1]:
            raise ShapeError(f"{self.name}: training and test inputs must both be bytes, which become [0, 1], or "
                             f"neither; got train_x {'of' if images[0] else 'not of'} bytes and test_x "
                             f"{'of' if images[1] else 'not of'} bytes")
        if self.train_x.shape[1] != self.test_x.shape[1]:
            raise ShapeError(f"{self.name}: training and test inputs must have equally many entries; got "
                             f"{self.train_x.shape[1]} and {self.test_x.shape[1]}")

    def _described(self):
        return [("Dataset", f"{self.name}, {self.inputs} inputs, {self.classes} classes"),
                ("training", f"{len(self.train_x):,} samples"), ("test", f"{len(self.test_x):,} samples")]

    @property
    def inputs(self) -> int:
        """Entries of one input."""
        return self.train_x.shape[1]

    @property
    def is_mixture(self) -> bool:
        """Whether :func:`gaussian_mixture` has drawn it, whatever its name."""
        return self.origin.get("kind") == "gaussian_mixture"

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all arrays, to tell whether two runs had the same data."""
        digest = hashlib.blake2b(digest_size=8)
        for array in (self.train_x, self.train_y, self.test_x, self.test_y):
            digest.update(f"{array.shape}{array.dtype.str}".encode())
            digest.update(np.ascontiguousarray(array))  # type: ignore[arg-type]
        return digest.hexdigest()


def _inputs(name, values):
    """Samples as (n, N) float32 in C order; images are flattened, bytes become [0, 1]."""
    x = checks.real(name, values)
    if x.ndim < 2 or 0 in x.shape:
        raise ShapeError(f"{name} must hold numbers of shape (samples, entries), or images; got {x.dtype} of shape "
                         f"{x.shape}")
    x = x.reshape(len(x), -1)
    if x.dtype == np.uint8:
        return np.multiply(x, np.float32(1.0 / 255.0), dtype=np.float32)
    with np.errstate(over="ignore"):
        result = np.array(x, dtype=np.float32, order="C")
    if not np.isfinite(result).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(result))[0])
        raise ParameterError(f"{name} must be finite in float32; entry {column} of sample {row} is {x[row, column]}")
    return result


def _labels(name, values, classes):
    """Class numbers as int64, other targets as float32."""
    y = np.array(checks.real(name, values))
    if y.dtype.kind in "iu" and y.ndim == 1:
        y = y.astype(np.int64)
        wrong = np.flatnonzero((y < 0) | (y >= classes))
        if wrong.size:
            raise ParameterError(f"{name} must be labels 0 to {classes - 1}; got {y[wrong[0]]} for sample {wrong[0]}")
        return y
    if y.dtype.kind != "f" or y.ndim not in (1, 2):
        raise ShapeError(f"{name} must be whole class numbers (n,), or numbers (n,) or (n, outputs); got {y.dtype} of "
                         f"shape {y.shape}")
    if not np.isfinite(y).all():
        raise ParameterError(f"{name} must be finite; sample {int(np.argwhere(~np.isfinite(y))[0][0])} is not")
    return y.astype(np.float32)


def gaussian_mixture(train: int = 100_000, test: int = 10_000, seed: int = 0) -> Dataset:
    """Four Gaussian clouds in the plane, labelled like XOR: the data of figure 1 of Li and Huang.

    Means ±(½, ½) have the label +1, ±(−½, ½) the label −1; the covariance is 0.05 times the identity, and each
    cloud holds a quarter of the samples.  The best possible accuracy is Φ(½/√0.05)² + Φ(−½/√0.05)² = 0.9750
    (docs/theory, section 10.4).

    Parameters
    ----------
    train, test : int, default 100000 and 10000
        Numbers of samples; multiples of 4.
    seed : int, default 0
        Of the samples.

    Returns
    -------
    Dataset
        Labels are float32.

    Raises
    ------
    ParameterError
        If a number is out of range or no multiple of 4.
    """
    counts = {"train": checks.integer("train", train, 4), "test": checks.integer("test", test, 4)}
    arrays = {}
    for stream, (part, count) in zip((Stream.MIXTURE_TRAIN, Stream.MIXTURE_TEST), counts.items()):
        if count % 4:
            raise ParameterError(f"{part} must be a multiple of 4, a quarter for each cloud; got {count}")
        rng = generator(stream, checks.integer("seed", seed, 0))
        cloud = np.repeat(np.array(MIXTURE_MEANS), count // 4, axis=0)
        arrays[f"{part}_x"] = cloud[:, :2] + np.sqrt(MIXTURE_VARIANCE) * rng.standard_normal((count, 2))
        arrays[f"{part}_y"] = cloud[:, 2].astype(np.float32)
    return Dataset(**arrays, name="gaussian-mixture", classes=2,
                   origin={"kind": "gaussian_mixture", "train": int(train), "test": int(test), "seed": int(seed)})


def idx(folder: str | PathLike[str], name: str | None = None) -> Dataset:
    """MNIST or any data set in the four files of its format, gzip or not.

    Parameters
    ----------
    folder : str or path
        Holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
        t10k-labels-idx1-ubyte, each with or without .gz.
    name : str, optional
        The folder's name by default.

    Returns
    -------
    Dataset
        With as many classes as the largest label needs, and at least 10.

    Raises
    ------
    FileError
        If a file is missing, truncated, or not IDX, with its name.
    ShapeError
        If the numbers of images and labels disagree.
    """
    folder = Path(checks.path("the path of a folder", folder))
    if not os.path.isdir(folder):
        raise FileError(f"cannot read {folder}: there is no such folder; give one with the four IDX files "
                        f"({', '.join(FILES.values())}, .gz or not)")
    arrays = {key: read_idx(folder, key) for key in FILES}
    classes = max(10, 1 + int(max(arrays["train_y"].max(initial=0), arrays["test_y"].max(initial=0))))
    return Dataset(**arrays, name=folder.name if name is None else name, classes=classes,
                   origin={"kind": "idx", "folder": str(folder), "name": name})


def arrays(path: str | PathLike[str]) -> Dataset:
    """A user's own data: an .npz with train_x, train_y, test_x and test_y.

    Parameters
    ----------
    path : str or path
        Inputs of shape (n, ...) are flattened; bytes become [0, 1], other numbers stay as they are.  Labels are
        whole numbers from 0, or numbers, also (n, outputs).

    Returns
    -------
    Dataset
        With as many classes as the largest label needs, and at least two.

    Raises
    ------
    FileError
        If it cannot be read, or an array is missing.
    ShapeError, ParameterError
        If shapes or counts disagree, or an entry is not finite.
    """
    path = Path(checks.path("the path of a file", path))
    try:
        with Arrays(path) as archive:
            missing = [key for key in FILES if key not in archive.names]
            if missing:
                raise FileError(f"{path} must hold the arrays {', '.join(FILES)}; {', '.join(missing)} is missing")
            found = {key: archive[key] for key in FILES}
    except FileNotFoundError:
        raise FileError(f"cannot read {path}: there is no such file") from None
    except BadFile as problem:
        raise FileError(f"cannot read {path}: truncated or no .npz of arrays ({problem})") from None
    except (OSError, ValueError) as problem:  # ValueError: a NUL byte
        raise FileError(cannot_read(path, problem)) from None
    labels = [found[key] for key in ("train_y", "test_y")]
    if all(np.asarray(y).dtype.kind in "iu" and np.size(y) for y in labels):
        classes = max(2, 1 + int(max(y.max() for y in labels)))
    else:
        for part in ("train", "test"):
            key, y = f"{part}_y", found[f"{part}_y"]
            if y.dtype.kind != "f" or y.shape != found[f"{part}_x"].shape[:1]:
                continue
            if (np.isfinite(y) & (y >= 0.0) & (y == np.floor(y))).all():
                raise ParameterError(f"{path}: {key} holds whole numbers as {y.dtype}; store classes as integers, and "
                                     "numbers that are to be fitted with the shape (n, 1)")
        classes = max(2, found["train_y"].shape[1] if np.ndim(found["train_y"]) == 2 else 2)
    return Dataset(**found, name=path.stem, classes=classes, origin={"kind": "arrays", "path": str(path.resolve())})


def find(name: str, folder: str | PathLike[str] | None = None) -> Dataset:
    """A data set by its name: ``"gaussian-mixture"``, ``"mnist"``, ``"fashion-mnist"``, or an .npz file.

    IDX folders are looked up in this order: ``folder``, the folder that the environment variable
    ONLINEMODE_DATA names, there the subfolder of this name, what ``onlinemode deep fetch`` left, and for
    Fashion-MNIST the folder of Debian's package dataset-fashion-mnist.

    Parameters
    ----------
    name : str
        Of the data set, or of an .npz file.
    folder : str or path, optional
        Where the four IDX files are.

    Returns
    -------
    Dataset
        Read, or drawn.

    Raises
    ------
    FileError
        If there is none of these.
    """
    if not isinstance(name, str):
        raise FileError(f"a data set has a name, such as fashion-mnist; got {checks.one_line(name)}")
    if name == "gaussian-mixture":
        return gaussian_mixture()
    if str(name).endswith(".npz"):
        return arrays(name)
    if folder is not None:
        return idx(folder, name)
    places = []
    if os.environ.get(ENVIRONMENT):
        base = Path(os.environ[ENVIRONMENT])
        places += [base / name, base]
    places += [cache_folder() / name]
    places += [DEBIAN[name]] if name in DEBIAN else []
    for place in places:
        if any(os.path.isfile(place / (FILES["train_x"] + ending)) for ending in ("", ".gz")):
            return idx(place, name)
    hint = f", or fetch it (onlinemode deep fetch {name})" if name in FETCHABLE else (
        f"; known names are gaussian-mixture, {' and '.join(FETCHABLE)}, or an .npz file")
    hint += ", or install Debian's dataset-fashion-mnist" if name in DEBIAN else ""
    raise FileError(f"no data set {name!r} in {', '.join(str(place) for place in places)}: name a folder "
                    f"(folder, --data-dir, or {ENVIRONMENT}){hint}")


def cache_folder() -> Path:
    """Where fetched data sets are kept: ONLINEMODE_DATA if set, else the user's cache folder.

    Returns
    -------
    Path
        It need not exist.
    """
    if os.environ.get(ENVIRONMENT):
        return Path(os.environ[ENVIRONMENT])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onlinemode"


def remake(origin: dict[str, Any]) -> Dataset:
    """The data set again, from the ``origin`` of one.

    Parameters
    ----------
    origin : dict
        Of a :class:`onlinemode.deep.Dataset`.

    Returns
    -------
    Dataset
        Equal to that one, if its files are the same.

    Raises
    ------
    FileError
        If its files are gone, or it was made from arrays in memory.
    """
    makers = {"gaussian_mixture": gaussian_mixture, "idx": idx, "arrays": arrays}
    origin = dict(origin)
    kind = origin.pop("kind", None)
    if not isinstance(kind, str) or kind not in makers:
        raise FileError("the data set was made from arrays in memory and cannot be found again; give it as an argument")
    try:
        records.check(origin, _ORIGINS[kind], name="origin")
    except ValueError as problem:
        raise FileError(f"the data set cannot be made again: {problem}; give it as an argument") from None
    origin = {name: origin[name] for name in _ORIGINS[kind]}
    return makers[kind](**origin)  # type: ignore[operator]
