"""Tables of activations: any function of a number as polynomial pieces, with the error that was measured.

Between breaks the pieces of a segment are equally wide, so that a kernel finds the piece of a number by arithmetic;
docs/concepts/activations.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from onlinemode import checks
from onlinemode.errors import ParameterError

DEGREE = 7  # of the pieces
MOST_PIECES = 2**12  # of a segment
TAIL_DEGREE = 3
SLOPE_TOLERANCE = 1e-6  # of a slope that is given, relative to max(1, |g'|)
SAME_VALUE, SAME_SLOPE = 1e-8, 1e-5  # what counts as no jump, and as odd, relative to max(1, |g|)
SEGMENT_NUMBERS = 6
CORE = 8.0  # half the width of the middle; segments beyond are as wide as all before them
LARGEST = float(np.finfo(float).max)  # ends of the tails, since JSON knows no infinity
MOST_BREAKS, MOST_LETTERS = 64, 80
NAMELESS = "function"  # the name of functions that have none
LOOKS, LOOKS_OF_A_SEGMENT = 19, 2001  # places in a piece, and in a segment, at least, where the error is measured

_NODES = 0.5 * np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))  # of Chebyshev, in [−½, ½]
_INSIDE = 1.0 - 2e-6  # the error is not measured at breaks themselves
_SLOPES = 200  # places in each segment where a slope is checked
_DIFFERENCE = 1e-5  # between numbers, relative to max(1, |z|)


@dataclass(frozen=True)
class Table:
    """A function of a number as polynomial pieces; :meth:`onlinemode.Activation.from_function` makes it.

    Attributes
    ----------
    name : str
        Of the function.
    segments : tuple of tuples
        For each segment: lower and upper end, origin, pieces per unit of z, number of its first piece, number of pieces
        less one.  A piece i of it is a polynomial in (z − origin) · pieces per unit − i.
    pieces : tuple of tuples
        Coefficients, of the constant first.
    error : float
        The largest error of g that was measured within the reach, relative to max(1, |g|).
    slope_error : float or None
        The same of g', where the function came with a slope.
    tails : tuple of str
        How g goes on below and above the reach: "as the function", to the error, or "straight".
    odd, even, smooth, continuous : bool
        g(−z) = −g(z); g(−z) = g(z); g' has no jumps; g has none.
    """

    name: str
    segments: tuple[tuple[float, ...], ...]
    pieces: tuple[tuple[float, ...], ...]
    error: float
    slope_error: float | None
    tails: tuple[str, str]
    odd: bool
    even: bool
    smooth: bool
    continuous: bool

    def __repr__(self) -> str:
        return (f"Table({self.name!r}, {len(self.pieces)} pieces, error {self.error:.1g}, tails "
                f"{' and '.join(self.tails)})")

    @property
    def digits(self) -> str:
        """Eight hexadecimal digits that tell the numbers of this table from those of others."""
        return hashlib.sha256(repr((self.segments, self.pieces)).encode()).hexdigest()[:8]

    def to_dict(self) -> dict[str, Any]:
        """As JSON knows it.

        Returns
        -------
        dict
            Of plain values.
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> "Table":
        """The inverse of :meth:`to_dict`.

        Parameters
        ----------
        saved : dict
            What it gave.

        Returns
        -------
        Table
            Equal to the one that was saved.

        Raises
        ------
        ParameterError
            If the numbers cannot be those of a table.
        """
        missing = [each.name for each in fields(cls) if each.name not in saved]
        if missing or len(saved) > len(fields(cls)):
            raise ParameterError(f"a table of an activation has {', '.join(each.name for each in fields(cls))}; got "
                                 f"{checks.one_line(list(saved))}: it is damaged")
        segments = checks.array("segments of a table", saved["segments"], (None, SEGMENT_NUMBERS))
        pieces = checks.array("pieces of a table", saved["pieces"], (None, DEGREE + 1))
        first, last = segments[:, 4], segments[:, 5]
        counted = np.concatenate([[0.0], np.cumsum(last + 1.0)])
        if not (np.array_equal(first, counted[:-1]) and counted[-1] == len(pieces) and (last >= 0.0).all()
                and np.array_equal(last, np.rint(last)) and (segments[:, 3] > 0.0).all()):
            raise ParameterError("the segments of a table of an activation do not go with its pieces: it is damaged")
        low, high = segments[np.argsort(segments[:, 0], kind="stable"), :2].T
        if not (low[0] == -LARGEST and high[-1] == LARGEST and np.array_equal(low[1:], high[:-1])):
            raise ParameterError("the segments of a table of an activation must follow each other: it is damaged")
        name, tails = saved["name"], saved["tails"]
        if not (_is_name(name) and isinstance(tails, (list, tuple)) and len(tails) == 2 and all(map(_is_name, tails))):
            raise ParameterError("a table of an activation must have a name and two tails: it is damaged")
        rows = lambda values: tuple(tuple(row) for row in values.tolist())  # noqa: E731
        slope_error = saved["slope_error"]
        return cls(name, rows(segments), rows(pieces), checks.number("error of a table", saved["error"], 0.0),
                   None if slope_error is None else checks.number("slope error of a table", slope_error, 0.0),
                   (str(tails[0]), str(tails[1])),
                   **{fact: checks.flag(f"{fact} of a table", saved[fact])
                      for fact in ("odd", "even", "smooth", "continuous")})


def table_of(function: Callable, slope: Callable | None, breaks: Sequence[float], name: str | None, tolerance: float,
             reach: float) -> Table:
    """The table of a function; arguments and errors are those of :meth:`onlinemode.Activation.from_function`."""
    name = _name(function, name)
    tolerance = checks.number("tolerance", tolerance, above=0.0, maximum=0.1)
    reach = checks.number("reach", reach, 1.0, maximum=1e6)
    edges = _edges(breaks, reach)
    sampled = _Sampled(name, function)
    sampled.check_vectorised(edges)
    table = _Growing()
    # where most numbers fall first, since a kernel looks at the segments in their order
    for low, high in sorted(zip(edges, edges[1:]), key=lambda ends: abs(ends[0] + ends[1])):
        table.add_between(sampled, low, high, tolerance)
    inner = _Evaluated(table)
    below = table.add_tail(sampled, inner, -reach, tolerance)
    above = table.add_tail(sampled, inner, reach, tolerance)
    whole = _Evaluated(table)
    slope_error = None if slope is None else _slope_error(
        whole, sampled, _Sampled(f"the slope of {name}", slope), edges)
    odd, even = (_symmetric(whole, reach, sign, max(SAME_VALUE, 4.0 * table.error)) for sign in (-1.0, 1.0))
    continuous, smooth = whole.has_no_jumps(table.error)
    return Table(name, tuple(table.segments), tuple(table.pieces), table.error, slope_error, (below, above), odd, even,
                 smooth and continuous, continuous)


def _name(function, name):
    if not callable(function):
        raise ParameterError("an activation is made from a function of an array of numbers, such as np.tanh; got "
                             f"{checks.one_line(function)}")
    if name is None:
        name = getattr(function, "__name__", NAMELESS)
        name = NAMELESS if name == "<lambda>" else name
    if not _is_name(name):
        raise ParameterError(f"the name of an activation must be text of at most {MOST_LETTERS} letters; got "
                             f"{checks.one_line(name)}")
    return name


def _is_name(name):
    return isinstance(name, str) and bool(name.strip()) and len(name) <= MOST_LETTERS and name.isprintable()


def _edges(breaks, reach):
    """Ends of the segments, in order: breaks, ±reach, and ±8, ±16, ... between them."""
    found = checks.entries(breaks)
    if found is None or isinstance(breaks, (str, dict)):
        raise ParameterError(f"breaks must be a sequence of numbers; got {checks.one_line(breaks)}")
    if len(found) > MOST_BREAKS:
        raise ParameterError(f"an activation can have at most {MOST_BREAKS} breaks; got {len(found)}")
    places = {checks.number("a break", each) for each in found}
    for place in places:
        if not abs(place) < reach:
            raise ParameterError(f"a break must be within ±reach = ±{reach:g}; got {place:g}")
    size = CORE
    while size < reach:
        places |= {-size, size}
        size *= 2.0
    return sorted(places | {-reach, reach})


class _Sampled:
    """A function of the user's, asked in such a way that all that is wrong with it is told."""

    def __init__(self, name, function):
        self.name, self.function = name, function

    def __call__(self, z):
        values = self.anywhere(z)
        if not np.isfinite(values).all():
            i = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ParameterError(f"{self.name} must be finite; it is {values[i]} at z = {z[i]:.6g}")
        return values

    def anywhere(self, z):
        """Values that may be infinite or NaN."""
        try:
            with np.errstate(all="ignore"):
                values = self.function(z.copy())
        except Exception as problem:
            raise ParameterError(f"{self.name} must take an array of numbers, and be written with NumPy (np.where in "
                                 f"place of if); it raised {type(problem).__name__}: {problem}") from None
        values = checks.real(f"what {self.name} returns", values)
        if values.shape != z.shape:
            raise ParameterError(f"{self.name} must return a number for each number that it is given; for an array of "
                                 f"shape {z.shape} it returned one of shape {values.shape}")
        return values.astype(np.float64)

    def check_vectorised(self, edges):
        """Raise ParameterError unless the value of a number does not depend on the others in its array."""
        z = np.array([each + 0.123 for each in (-2.0, -0.3, 0.1, 0.9, 3.0)] + [edges[0] / 2.0 + 0.7])
        together, alone = self.anywhere(z), np.concatenate([self.anywhere(z[i:i + 1]) for i in range(len(z))])
        if not np.allclose(together, alone, rtol=1e-12, atol=1e-12, equal_nan=True):
            i = int(np.argmax(np.abs(together - alone)))
            raise ParameterError(f"{self.name} must act on each number by itself; at z = {z[i]:.6g} it is "
                                 f"{alone[i]:g}, and {together[i]:g} in an array with others")


class _Growing:
    """The segments and pieces of a table that is being made."""

    def __init__(self):
        self.segments, self.pieces, self.error = [], [], 0.0

    def add_between(self, sampled, low, high, tolerance):
        """Add a segment with as many pieces as the error takes."""
        count = 1
        while True:
            centres, width = low + (np.arange(count) + 0.5) * ((high - low) / count), (high - low) / count
            values = sampled(np.ravel(centres[:, None] + width * _NODES)).reshape(count, -1)
            pieces = np.linalg.solve(np.vander(_NODES, increasing=True), values.T).T
            places = _INSIDE * np.linspace(-0.5, 0.5, max(LOOKS, -(-LOOKS_OF_A_SEGMENT // count)))
            z = np.ravel(centres[:, None] + width * places)
            wanted = sampled(z)
            found = np.ravel(pieces @ np.vander(places, DEGREE + 1, increasing=True).T)
            errors = np.abs(found - wanted) / np.maximum(1.0, np.abs(wanted))
            worst = int(np.argmax(errors))
            if errors[worst] <= tolerance:
                break
            if count == MOST_PIECES:
                raise ParameterError(f"{sampled.name} cannot be told to {tolerance:g} at z = {z[worst]:.6g}: with "
                                     f"{count} pieces from {low:g} to {high:g} the error there is {errors[worst]:.1g}. "
                                     "Where it has a kink, a jump or a pole, say so with breaks, or give a larger "
                                     "tolerance")
            count *= 2
        self.segments.append((low, high, float(centres[0]), count / (high - low), float(len(self.pieces)), count - 1.0))
        self.pieces += [tuple(piece) for piece in pieces.tolist()]
        self.error = max(self.error, float(errors[worst]))

    def add_tail(self, sampled, inner, end, tolerance):
        """Add what is beyond an end of the reach, and say what that is."""
        z = end * np.linspace(1.0, 4.0, 25)
        wanted = sampled.anywhere(z)
        piece, words = None, "as the function"
        for degree in range(TAIL_DEGREE + 1):
            if np.isfinite(wanted).all():
                fitted = np.polynomial.Polynomial.fit(z, wanted, degree).convert().coef
                fitted = np.pad(fitted, (0, DEGREE + 1 - len(fitted)))
                errors = np.abs(np.vander(z, DEGREE + 1, increasing=True) @ fitted - wanted)
                if (errors <= tolerance * np.maximum(1.0, np.abs(wanted))).all():
                    piece = fitted
                    break
        if piece is None:
            value, slope = inner.at(end)
            piece, words = np.zeros(DEGREE + 1), "straight"
            piece[:2] = value - slope * end, slope
        ends = (-LARGEST, end) if end < 0.0 else (end, LARGEST)
        self.segments.append((*ends, 0.0, 1.0, float(len(self.pieces)), 0.0))
        self.pieces.append(tuple(piece.tolist()))
        return words


class _Evaluated:
    """A table at single numbers, from either side of a break."""

    def __init__(self, table):
        self.segments, self.pieces = np.array(table.segments), np.array(table.pieces)

    def at(self, z):
        """g and g' at a number."""
        low, high = self.segments[:, 0], self.segments[:, 1]
        _, _, origin, scale, first, last = self.segments[np.flatnonzero((low <= z) & (z <= high))[0]]
        x = (z - origin) * scale
        index = int(min(max(np.rint(x), 0.0), last))
        piece = np.polynomial.Polynomial(self.pieces[int(first) + index])
        return piece(x - index), piece.deriv()(x - index) * scale

    def has_no_jumps(self, error):
        """Of g, and of g', beyond what pieces of this error leave; looks at both ends of all of them."""
        ends = []  # lower end, then g and g' there and at the upper end
        for low, high, _, scale, first, last in self.segments:
            for index in range(int(last) + 1):
                piece = np.polynomial.Polynomial(self.pieces[int(first) + index])
                sides = np.array([-0.5, 0.5]) if low > -LARGEST and high < LARGEST else np.array([low, high])
                sides = sides[np.abs(sides) < LARGEST]
                values, slopes = piece(sides), piece.deriv()(sides) * scale
                ends.append((low + index / scale, values[0], slopes[0], values[-1], slopes[-1]))
        _, below, slope_below, above, slope_above = np.array(sorted(ends)).T
        value = max(SAME_VALUE, 4.0 * error)
        slope = max(SAME_SLOPE, 8.0 * DEGREE**2 * error * self.segments[:, 3].max())
        return (bool((np.abs(below[1:] - above[:-1]) <= value * np.maximum(1.0, np.abs(below[1:]))).all()),
                bool((np.abs(slope_below[1:] - slope_above[:-1])
                      <= slope * np.maximum(1.0, np.abs(slope_below[1:]))).all()))


def _slope_error(table, sampled, slope, edges):
    """The largest error of g' relative to max(1, |g'|); refuses a slope that is none."""
    z = np.concatenate([low + (high - low) * (np.arange(_SLOPES) + 0.5) / _SLOPES
                        for low, high in zip(edges, edges[1:])])
    step = _DIFFERENCE * np.maximum(1.0, np.abs(z))
    inside = np.abs(z[:, None] - np.array(edges)).min(1) > step
    z, step = z[inside], step[inside]
    given, differences = slope(z), (sampled(z + step) - sampled(z - step)) / (2.0 * step)
    errors = np.abs(differences - given) / np.maximum(1.0, np.abs(differences))
    if errors.max(initial=0.0) > SLOPE_TOLERANCE:
        worst = int(np.argmax(errors))
        raise ParameterError(f"{slope.name} must be the derivative of the function: at z = {z[worst]:.6g} it is "
                             f"{given[worst]:g}, and differences of the function give {differences[worst]:g}")
    found = np.array([table.at(each)[1] for each in z])
    return float((np.abs(found - given) / np.maximum(1.0, np.abs(given))).max(initial=0.0))


def _symmetric(table, reach, sign, tolerance):
    """Whether g(−z) = ±g(z)."""
    z = np.concatenate([np.linspace(0.003, CORE, 101), np.geomspace(CORE, 2.0 * reach, 23)])
    values, mirrored = (np.array([table.at(each)[0] for each in side * z]) for side in (1.0, -1.0))
    return bool((np.abs(mirrored - sign * values) <= tolerance * np.maximum(1.0, np.abs(values))).all())
