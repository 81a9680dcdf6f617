"""What is swept: single names over values, or several names together over a list of points."""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onlinemode import checks
from onlinemode.activations import Activation, from_plain, to_plain
from onlinemode.array_files import check_is_text
from onlinemode.checks import one_line
from onlinemode.errors import FileError, ParameterError
from onlinemode.experiment import ACTIVATIONS, SCHEDULED
from onlinemode.schedules import Schedule, schedule_of
from onlinemode.storage import cannot_read
from onlinemode.sweeps.files import activation_of_file, is_of_file

MOST_POINTS = 10**8
CSV = "csv"  # the key of ``over`` whose value is a file of points
_AFTER_AN_ACTIVATION = re.compile(r",(?=\s*(?:[A-Za-z_/]|\.\.?/))")  # "poly:0,0,1,relu" are two
EXAMPLE = "{'eta': [1, 2, 5], 'N': '1e2:1e6:5:log', ('K', 'M'): [(2, 2), (3, 2)]}"
DIMENSIONS = {"alpha": "last_alpha"}  # alpha itself is the dimension of the saved times


@dataclass(frozen=True)
class Axis:
    """One dimension of a sweep.

    Attributes
    ----------
    names : tuple of str
        What varies along it; several vary together.
    rows : tuple of tuple
        A value for each name at each place.
    """

    names: tuple[str, ...]
    rows: tuple[tuple, ...]

    @property
    def dim(self) -> str:
        """Name of the dimension."""
        return "_".join(DIMENSIONS.get(name, name) for name in self.names)

    def column(self, name: str) -> list:
        """The values of one name."""
        i = self.names.index(name)
        return [row[i] for row in self.rows]

    def labels(self, name: str) -> list:
        """The same as results have them: of activations their names."""
        return [label_of(value) for value in self.column(name)]

    def to_list(self) -> list:
        """As JSON knows it: names and rows, of activations that have no word all their numbers."""
        return [list(self.names), [[to_plain(value) for value in row] for row in self.rows]]

    @classmethod
    def from_list(cls, saved: list) -> "Axis":
        """The inverse of :meth:`to_list`."""
        names, rows = saved
        return cls(tuple(names), tuple(tuple(map(from_plain, row)) for row in rows))


@dataclass(frozen=True)
class Grid:
    """All points of a sweep, numbered with the last axis running fastest."""

    axes: tuple[Axis, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(axis.rows) for axis in self.axes)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def names(self) -> tuple[str, ...]:
        """All that is swept."""
        return tuple(name for axis in self.axes for name in axis.names)

    @property
    def dims(self) -> tuple[str, ...]:
        return tuple(axis.dim for axis in self.axes)

    def values(self, number: int) -> tuple:
        """The values of :attr:`names` at a point."""
        places = np.unravel_index(number, self.shape)
        return tuple(value for axis, place in zip(self.axes, places) for value in axis.rows[place])

    def point(self, number: int) -> dict[str, Any]:
        """The same as a dict."""
        return dict(zip(self.names, self.values(number)))


def label_of(value: Any) -> Any:
    """A value as results have it: of an activation its name."""
    return value.name if isinstance(value, Activation) else value


def check_names_differ(axis: Axis) -> None:
    """Raise ParameterError where two activations cannot be told apart by their names."""
    for name in axis.names:
        values = {value for value in axis.column(name) if isinstance(value, Activation)}
        names = [value.name for value in values] + list({each for each in axis.column(name) if isinstance(each, str)})
        for each in names if values else ():
            if names.count(each) > 1:
                raise ParameterError(f"activations in a sweep must have different names, by which results know them; "
                                     f"two of {name} are called {each}: give Activation.from_function a name")


def words_of(point: dict) -> str:
    """A point in words."""
    return ", ".join(f"{name} = {value}" for name, value in point.items())


def grid_of(over: dict, seeds: int | Sequence[int] | None, recipe: Any) -> Grid:
    """The grid that a call of :func:`onlinemode.sweep` describes.

    Parameters
    ----------
    over : dict
        Name, or tuple of names, to values.  Values are a sequence, an array, or words: ``"1,2,5"``, ``"0:1:11"`` (from,
        to, how many) or ``"1e2:1e6:5:log"``; for several names a row of values a point.  The key "csv" stands for a
        file of points whose first line has their names.
    seeds : int or sequence of int, optional
        So many seeds, 0, 1, ..., or these: the last axis.
    recipe : ExperimentRecipe or FunctionRecipe
        Knows what a name can be.

    Raises
    ------
    ParameterError, FileError
    """
    if not isinstance(over, dict) or not (over or seeds is not None):
        raise ParameterError(f"over must name what is swept and its values, such as {EXAMPLE}; got {one_line(over)}")
    try:
        axes = [_axis(key, values, recipe) for key, values in over.items()]
        if seeds is not None:
            seeds = _seeds(seeds)
            if not isinstance(seeds, str):
                _check_size(Grid(tuple(axes)).size * max(1, _length(seeds)))  # before they are listed
            axes.append(_axis("seed", seeds, recipe))
    except MemoryError:
        raise ParameterError("there is not enough memory for all values of the sweep: give fewer") from None
    names = [name for axis in axes for name in axis.names]
    for name in names:
        if names.count(name) > 1:
            raise ParameterError(f"{name} is swept twice: give all its values in one place"
                                 + (", either in over or as seeds" if name == "seed" else ""))
    grid = Grid(tuple(axes))
    _check_size(grid.size)
    return grid


def _check_size(points):
    if points > MOST_POINTS:
        raise ParameterError(f"a sweep has at most {MOST_POINTS:,} points; got {points:,}")


def _seeds(seeds):
    if isinstance(seeds, (str, Sequence)) or (isinstance(seeds, np.ndarray) and seeds.ndim > 0):
        return seeds
    return range(checks.integer("seeds", seeds, 1, MOST_POINTS))


def _axis(key, values, recipe):
    several, rows = isinstance(key, tuple) or (isinstance(key, str) and "," in key), None
    names = tuple(key.split(",") if isinstance(key, str) else key) if several else (key,)
    if key == CSV:
        names, rows = _read_csv(values)
    names = tuple(name.strip() if isinstance(name, str) else name for name in names)
    if not names or not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise ParameterError(f"what is swept has a name, or a tuple of different names; got {one_line(key)}")
    kinds = [recipe.kind(name) for name in names]
    if several:
        rows = _rows(names, values)
    elif rows is None:
        rows = [(value,) for value in _sequence(key, values, kinds[0])]
    checked = tuple(tuple(recipe.spelled(name, _converted(name, value, kind))
                          for name, value, kind in zip(names, row, kinds)) for row in rows)
    checked = _in_words(names, checked)
    for name, column in zip(names, zip(*checked)):
        if len({isinstance(value, (str, Activation)) for value in column}) > 1:
            raise ParameterError(f"the values of {name} must be words or numbers, not both; got {one_line(column[:8])}")
    if not checked or len(set(checked)) < len(checked):
        raise ParameterError(f"the values of {', '.join(names)} must differ, and be at least one; got "
                             f"{[row[0] if len(row) == 1 else row for row in checked[:8]]}")
    axis = Axis(names, checked)
    check_names_differ(axis)
    return axis


def _in_words(names, rows):
    """The rows with all values of a number in words where one is a schedule: "3" beside "power:3,10,-1"."""
    if not rows:
        return rows
    columns = [tuple(f"{value:g}" if isinstance(value, float) else value for value in column)
               if name in SCHEDULED and any(isinstance(value, str) for value in column) else column
               for name, column in zip(names, zip(*rows))]
    return tuple(zip(*columns))


def _converted(name, value, kind):
    """A value in its final type: 1 as 1.0 where it is a rate, words read, scalars of NumPy as those of Python."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, Activation):
        if value.word is None:
            return value
        value = value.word
    if name in ACTIVATIONS and is_of_file(value):
        return activation_of_file(value)
    if isinstance(value, np.ndarray):
        raise ParameterError(f"each value of {name} must be one number or word; got an array of shape {value.shape}")
    lowest = 0 if kind is int else -math.inf
    if kind is None:
        kind = type(value) if not isinstance(value, str) else _kind_of_word(value)
        if kind not in (bool, int, float, str):
            raise ParameterError(f"the values of {name} must be numbers, words, or True and False; got "
                                 f"{one_line(value)}")
    if kind is bool:
        value = {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value
        if not isinstance(value, bool):
            raise ParameterError(f"{name} must be true or false; got {one_line(value)}")
        return value
    if kind is str:
        if not isinstance(value, str):
            raise ParameterError(f"{name} must be a word; got {one_line(value)}")
        return value
    if kind is float and name in SCHEDULED and not isinstance(value, (int, float)):
        value = _schedule(name, value)
        if isinstance(value, str):
            return value
    number = value
    if isinstance(value, str):
        try:
            number = int(value) if kind is int and value.strip().lstrip("+-").isdigit() else float(value)
        except ValueError:
            pass
    return checks.integer(name, number, lowest) if kind is int else checks.number(name, number)


def _schedule(name, value):
    """A schedule as its word; what is none as it is, but a number in words as the number."""
    if isinstance(value, str):
        value = schedule_of(value, name)
    if callable(value) and getattr(value, "word", None) is None:
        raise ParameterError(f"the values of {name} must be numbers or schedules in words, such as power:3,10,-1; got "
                             f"{one_line(value)}: give sweep a function that makes the experiment of a point")
    return value.word if isinstance(value, Schedule) else value


def _kind_of_word(word):
    if word.lower() in ("true", "false"):
        return bool
    for kind in (int, float):
        try:
            kind(word)
            return kind
        except ValueError:
            pass
    return str


def _sequence(name, values, kind):
    """The values of one name; words are read."""
    if isinstance(values, str):
        is_range = kind is not str and _is_range(values)
        if name in ACTIVATIONS or (name in SCHEDULED and values.strip()[:1].isalpha()):
            return [part.strip() for part in _AFTER_AN_ACTIVATION.split(values)]
        return _range(name, values, kind) if is_range else [part.strip() for part in values.split(",")]
    if (length := _length(values)) > MOST_POINTS:
        raise ParameterError(f"a sweep has at most {MOST_POINTS:,} points; got {length:,} for {name}")
    several = None if isinstance(values, (bytes, dict)) else checks.entries(values)
    if several is None:
        raise ParameterError(f"the values of {name} must be a sequence, such as a list, or words such as '0:1:11'; got "
                             f"{one_line(values)}")
    return several


def _length(values):
    """How many there are, before they are listed; 0 where that is not known."""
    try:
        return len(values)
    except TypeError:
        return 0


def _is_range(text):
    return ":" in text and not text.partition(":")[0].strip()[:1].isalpha()  # "power-law:1.0" is a value


def _range(name, text, kind):
    parts = [part.strip() for part in text.split(":")]
    try:
        if len(parts) not in (3, 4) or parts[3:] not in ([], ["log"]):
            raise ValueError
        low, high, points = float(parts[0]), float(parts[1]), int(parts[2])
    except ValueError:
        raise ParameterError(f"a range is FROM:TO:COUNT or FROM:TO:COUNT:log; got {one_line(text)} for "
                             f"{name}") from None
    logarithmic = len(parts) == 4
    if points > MOST_POINTS:
        raise ParameterError(f"a sweep has at most {MOST_POINTS:,} points; got {points:,} for {name}")
    if points < 2 or not np.isfinite([low, high]).all() or (logarithmic and min(low, high) <= 0.0):
        raise ParameterError("a range has at least 2 points, finite ends, and positive ones with log; got "
                             f"{one_line(text)} for {name}")
    values = np.geomspace(low, high, points) if logarithmic else np.linspace(low, high, points)
    if kind is int:  # some may fall together
        return [int(value) for value in dict.fromkeys(np.rint(values))]
    return [float(f"{value:.12g}") for value in values]


def _rows(names, values):
    """Points of several names, from rows, an array, or words such as "2,2;3,2"."""
    if isinstance(values, str):
        values = [part.split(",") for part in values.split(";")]
    values = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(values, (list, tuple)) or not all(isinstance(row, (list, tuple)) for row in values):
        raise ParameterError(f"the values of {', '.join(names)} must be rows, such as [(2, 2), (3, 2)]; got "
                             f"{one_line(values)}")
    for number, row in enumerate(values, 1):
        if len(row) != len(names):
            raise ParameterError(f"every point of {', '.join(names)} has {len(names)} values; point {number} has "
                                 f"{len(row)}: {one_line(row)}")
    return [tuple(value.strip() if isinstance(value, str) else value for value in row) for row in values]


def _read_csv(path):
    """Names and points of a file; values are words."""
    try:
        check_is_text(path)
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, TypeError, ValueError, csv.Error) as problem:
        raise FileError(cannot_read(path, problem)) from None
    if len(lines) < 2:
        raise FileError(f"{path} must have a line of names and then a line a point; it has {len(lines)} lines")
    names = tuple(lines[0])
    for number, row in enumerate(lines[1:], 2):
        if len(row) != len(names):
            raise FileError(f"{path}: every line has {len(names)} values, as the first one; line {number} has "
                            f"{len(row)}")
    return names, [tuple(cell.strip() for cell in row) for row in lines[1:]]
