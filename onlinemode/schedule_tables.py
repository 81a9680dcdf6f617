"""Functions of α as data: polynomial pieces between which they may jump.

Pieces are found octave by octave, [0, 1], [1, 2], [2, 4], ..., each in eighths that are halved until a polynomial of
degree 7 is right: so what a longer table says of a time is, to the bit, what a shorter one says.
"""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from onlinemode import checks
from onlinemode.errors import ParameterError

DEGREE = 7
TOLERANCE = 1e-12  # of the largest value in an eighth of an octave
NARROWEST = 2.0**-40  # of an octave: what is not smooth there is a jump, or the end of a kink
JUMP = 1e-9  # a change between two pieces that counts as one, of the same value
SAMPLES, MOST_SAMPLES = 32, 8192  # in a unit of α, and in an eighth: what is narrower than they are apart may be missed
REFINED = 16  # times shorter than an eighth are the pieces of what a solver should not step over
MOST_PIECES = 20_000
EIGHTHS = 8
_NODES = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))[::-1]  # Chebyshev's, in [-1, 1]
_POWERS = np.linalg.inv(np.vander(_NODES, increasing=True))  # values at the nodes to coefficients of powers
_BETWEEN = np.concatenate([[-1.0], 0.5 * (_NODES[1:] + _NODES[:-1]), [1.0 - 2.0**-30]])


@dataclass(frozen=True)
class Table:
    """A function of α in pieces.

    Parameters
    ----------
    name : str
        Of the function.
    ends : tuple of float, n + 1
        Piece i holds from ends[i] on, up to ends[i + 1].
    coefficients : tuple of n tuples of 8 floats
        Of the powers of x, which goes from −1 to 1 along a piece.
    jumps : tuple of float
        Where it jumps.
    declared : tuple of float
        Those of which the user said so, and later ones.
    """

    name: str
    ends: tuple[float, ...]
    coefficients: tuple[tuple[float, ...], ...]
    jumps: tuple[float, ...] = ()
    declared: tuple[float, ...] = ()

    @property
    def end(self) -> float:
        """The α up to which it is known."""
        return self.ends[-1]

    @cached_property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Ends and coefficients as arrays."""
        return np.array(self.ends), np.array(self.coefficients)

    @cached_property
    def breaks(self) -> tuple[float, ...]:
        """Its jumps, and the ends of the parts in which it has fine structure, which no solver should step over."""
        ends, _ = self.arrays
        eighth = np.maximum(np.exp2(np.floor(np.log2(np.maximum(ends[:-1], 1.0)))), 1.0) / EIGHTHS
        fine = np.concatenate([[False], np.diff(ends) < eighth / REFINED, [False]])
        return tuple(sorted({*self.jumps, *ends[np.flatnonzero(fine[1:] != fine[:-1])].tolist()}))

    def value_at(self, alpha: float) -> float:
        """The function at one time, quickly.

        Parameters
        ----------
        alpha : float
            Up to :attr:`end`.

        Returns
        -------
        float
            What :func:`values` gives.
        """
        piece = min(bisect_right(self.ends, alpha), len(self.coefficients)) - 1
        return _at(self.ends[piece], self.ends[piece + 1], self.coefficients[piece], alpha)

    def to_plain(self) -> dict:
        """As it is saved.

        Returns
        -------
        dict
            Of a string and lists.
        """
        return {"name": self.name, "ends": list(self.ends), "coefficients": [list(each) for each in self.coefficients],
                "jumps": list(self.jumps), "declared": list(self.declared)}

    @classmethod
    def from_plain(cls, saved: dict) -> "Table":
        """The inverse of :meth:`to_plain`.

        Parameters
        ----------
        saved : dict
            From a file, which may be damaged.

        Returns
        -------
        Table
            Equal to the one that was saved.

        Raises
        ------
        ParameterError
            If it is no such table.
        """
        try:
            rows = checks.array("coefficients", saved["coefficients"], (None, DEGREE + 1))
            ends = checks.array("ends", saved["ends"], (len(rows) + 1,))
            jumps, declared = (np.array([checks.number("a jump", each, 0.0) for each in saved[name]])
                               for name in ("jumps", "declared"))
            name = saved["name"]
        except (KeyError, TypeError, ValueError) as problem:
            raise ParameterError("this is no table of a schedule: it lacks an entry, or one is of another kind: "
                                 f"{checks.one_line(problem)}") from None
        if not isinstance(name, str) or set(saved) != {"name", "ends", "coefficients", "jumps", "declared"}:
            raise ParameterError("this is no table of a schedule: its name or its entries are wrong")
        for each in (ends, jumps, declared):
            if np.any(np.diff(each) <= 0.0):
                raise ParameterError("this is no table of a schedule: its times are not ascending")
        if ends[0] != 0.0:
            raise ParameterError(f"this is no table of a schedule: it begins at α = {ends[0]:g} in place of 0")
        return cls(name, tuple(ends.tolist()), tuple(map(tuple, rows.tolist())), tuple(jumps.tolist()),
                   tuple(declared.tolist()))


def function_name(function: Any) -> str:
    """What a function is called in reports."""
    name = getattr(function, "__name__", type(function).__name__)
    return "function of α" if name == "<lambda>" else re.sub(r"\s+", " ", str(name))


def called(function: Callable, alpha: np.ndarray) -> np.ndarray:
    """A user's function at many times, checked.

    Parameters
    ----------
    function : callable
        Of an array.
    alpha : array (...)
        Times.

    Returns
    -------
    array (...)
        Its values, which may not be finite.

    Raises
    ------
    ParameterError
        If it raises, or gives anything but numbers of that shape.
    """
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(function(alpha))
    except Exception as problem:
        raise ParameterError(f"the schedule {function_name(function)} cannot take an array of α: "
                             f"{type(problem).__name__}: {checks.one_line(str(problem))}; write it with NumPy, such as "
                             "np.where(a < 50, 1.0, 0.1)") from None
    if values.dtype in (np.float16, np.float32):
        raise ParameterError(f"the schedule {function_name(function)} must give numbers of float64; got {values.dtype}")
    if values.dtype.kind not in "iuf" or values.shape not in ((), alpha.shape):
        raise ParameterError(f"the schedule {function_name(function)} must give a real number for each α; got "
                             f"{values.dtype} of shape {values.shape} for {alpha.shape}")
    return np.broadcast_to(values, alpha.shape).astype(float)


def tabulated(function: Callable, jumps: tuple[float, ...], until: float) -> Table:
    """The table of a function, at least up to a time.

    Parameters
    ----------
    function : callable
        Of an array of α.
    jumps : tuple of float
        Where it is known to jump, ascending.
    until : float
        The last time that is needed.

    Returns
    -------
    Table
        Up to the next eighth of an octave; to ``until`` alone where the function is not finite beyond.

    Raises
    ------
    ParameterError
        If it is not finite, or has too much structure.
    """
    pieces: list[_Piece] = []
    for first, last, octave in _eighths(until):
        cuts = [each for each in jumps if first < each < last]
        for begin, end in zip([first, *cuts], [*cuts, last]):
            if begin >= until and pieces:
                break
            if end > until and not np.all(np.isfinite(called(function, np.linspace(begin, end, 65)))):
                end = until
            alphas = np.linspace(begin, end, int(np.clip(SAMPLES * (end - begin), 64, MOST_SAMPLES)) + 1)
            sampled = called(function, alphas)
            _check_finite(function, alphas, sampled)
            whole = _Whole(alphas[:-1], sampled[:-1], np.abs(sampled).max(), NARROWEST * octave)
            _divide(function, begin, end, whole, pieces)
    ends = [each.begin for each in pieces] + [pieces[-1].end]
    return Table(function_name(function), tuple(map(float, ends)), tuple(tuple(each.row.tolist()) for each in pieces),
                 _jumps(function, pieces, jumps), tuple(jumps))


def _eighths(until):
    """Eighths of octaves, with the lengths of the octaves, as far as needed."""
    begin, octave = 0.0, 1.0
    while True:
        for eighth in range(EIGHTHS):
            first, last = begin + octave * eighth / EIGHTHS, begin + octave * (eighth + 1) / EIGHTHS
            if first >= until and first > 0.0:
                return
            yield first, last, octave
        begin, octave = begin + octave, begin + octave


class _Whole(NamedTuple):
    """What is divided: an eighth of an octave, or a part of it between declared jumps."""

    alphas: np.ndarray  # where it was sampled, so that no feature is lost that is wider than these are apart
    values: np.ndarray
    scale: float  # its largest value
    narrowest: float  # of its pieces


class _Piece(NamedTuple):
    begin: float
    end: float
    row: np.ndarray
    scale: float


def _divide(function, begin, end, whole, pieces):
    """Append pieces of [begin, end)."""
    middle, half = 0.5 * (begin + end), 0.5 * (end - begin)
    points = np.concatenate([_NODES, _BETWEEN])
    values = called(function, np.clip(middle + half * points, begin, np.nextafter(end, begin)))
    _check_finite(function, middle + half * points, values)
    row = _POWERS @ values[:DEGREE + 1]
    inside = slice(*np.searchsorted(whole.alphas, [begin, end]))
    others = np.concatenate([_BETWEEN, (whole.alphas[inside] - middle) / half])
    wrong = np.abs(_polynomial(row, others) - np.concatenate([values[DEGREE + 1:], whole.values[inside]])).max()
    # the rounding of α counts, too, where the function is steep
    error_here = TOLERANCE * whole.scale + 4.0 * np.finfo(float).eps * end * np.ptp(values) / (end - begin)
    if wrong > error_here and end - begin > whole.narrowest:
        _divide(function, begin, middle, whole, pieces)
        _divide(function, middle, end, whole, pieces)
        return
    if wrong > error_here or np.ptp(values) == 0.0:
        row = np.zeros(DEGREE + 1)
        row[0] = values[DEGREE + 1]  # constant: what it is at the beginning
    pieces.append(_Piece(begin, end, row, whole.scale))
    if len(pieces) > MOST_PIECES:
        raise ParameterError(f"the schedule {function_name(function)} has too much structure for a table: near α = "
                             f"{end:.6g} it needs more than {MOST_PIECES:,} pieces; make it smooth between its jumps")


def _check_finite(function, alpha, values):
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ParameterError(f"the schedule {function_name(function)} must be finite at every α; got {values[bad[0]]} "
                             f"at α = {alpha[bad[0]]:.6g}")


def _jumps(function, pieces, declared):
    """Ends of pieces between which the function jumps, and those that are declared."""
    found = {each for each in declared if each > 0.0}
    for piece, following in zip(pieces, pieces[1:]):
        end, near = piece.end, NARROWEST * max(piece.end, 1.0)
        change = abs(following.row @ (-1.0) ** np.arange(DEGREE + 1) - piece.row.sum())
        known = any(abs(end - each) < 8.0 * near for each in found)
        if change > JUMP * max(piece.scale, following.scale) and not known:
            around = 1000.0 * near  # where it is steep, it changes by much more there
            left, right = called(function, np.array([max(end - around, 0.0), end + around]))
            if not change <= 0.8 * abs(right - left):
                found.add(end)
    return tuple(sorted(found))


def _polynomial(row, x):
    total = np.full(x.shape, row[-1])
    for coefficient in row[-2::-1]:
        total = total * x + coefficient
    return total


def values(table: Table, alpha: np.ndarray) -> np.ndarray:
    """The function at given times.

    Parameters
    ----------
    table : Table
        Of a function.
    alpha : array (...)
        Times.

    Returns
    -------
    array (...)
        Its values.

    Raises
    ------
    ParameterError
        If a time lies beyond the table.
    """
    ends, rows = table.arrays
    if alpha.size and alpha.max() > table.end:
        raise ParameterError(f"the schedule {table.name} is known up to α = {table.end:g} alone; got α = "
                             f"{alpha.max():g}")
    if alpha.ndim == 1 and alpha.size > len(rows) and np.all(alpha[1:] >= alpha[:-1]):
        return _of_ascending(ends, rows, alpha)
    piece = np.clip(np.searchsorted(ends, alpha, side="right") - 1, 0, len(rows) - 1)
    return _at(ends[piece], ends[piece + 1], rows[piece].T, alpha)


def _at(begin, end, coefficients, alpha):
    x, total = (alpha - 0.5 * (begin + end)) / (0.5 * (end - begin)), coefficients[DEGREE]
    for power in range(DEGREE - 1, -1, -1):
        total = total * x + coefficients[power]
    return total


def _of_ascending(ends, rows, alpha):
    """The same to the bit, piece by piece, so that no coefficients are gathered for each time."""
    out = np.empty(alpha.shape)
    cuts = np.searchsorted(alpha, ends)
    cuts[-1] = alpha.size
    for number in np.flatnonzero(np.diff(cuts)):
        part = slice(cuts[number], cuts[number + 1])
        out[part] = _at(ends[number], ends[number + 1], rows[number], alpha[part])
    return out


def extends(table: Table, other: Table) -> bool:
    """Whether a table says of all times of another one the same, to the bit but for its last piece.

    Parameters
    ----------
    table : Table
        Perhaps the longer one.
    other : Table
        Whose last piece may end with a run, in place of an eighth.

    Returns
    -------
    bool
        Then it may take its place.
    """
    last = len(other.coefficients) - 1
    if table.name != other.name or table.ends[:last + 1] != other.ends[:-1] or table.end < other.end:
        return False
    if table.coefficients[:last] != other.coefficients[:-1]:
        return False
    for jumps, others in ((table.jumps, other.jumps), (table.declared, other.declared)):
        if [each for each in jumps if each < other.end] != [each for each in others if each < other.end]:
            return False
    if table.ends[last + 1] == other.end:
        return table.coefficients[last] == other.coefficients[last]
    alphas = nodes(other)
    return bool(np.allclose(values(table, alphas), values(other, alphas), rtol=1e-9, atol=1e-11))


def nodes(table: Table) -> np.ndarray:
    """Times at which pieces were sampled.

    Parameters
    ----------
    table : Table
        Of a function.

    Returns
    -------
    array
        Ascending.
    """
    ends, _ = table.arrays
    middle, half = 0.5 * (ends[1:] + ends[:-1]), 0.5 * np.diff(ends)
    return np.concatenate([(middle[:, None] + half[:, None] * _NODES).ravel(), ends[:1]])
