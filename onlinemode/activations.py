"""Activation functions as values: named ones, polynomials, sums of erfs, and tables of any function.

An :class:`Activation` is data, so that it can be saved, sent to another process and handed to any kernel; what the
kernels make of it is in ``onlinemode.kernels.rule.activations``.  Light: commands read it for their help.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from onlinemode import checks
from onlinemode.errors import ParameterError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from onlinemode.activation_tables import Table

__all__ = ["NAMES", "STUDENTS", "WORDS", "Activation", "activation_of"]

ERF, SIGN, LINEAR, RELU, LEAKY, TANH, SIGMOID = "erf", "sign", "linear", "relu", "leaky", "tanh", "sigmoid"
HERMITE, POLYNOMIAL, ERF_SUM, TABLE = "he", "poly", "erfs", "table"
WORDS = ("erf", "linear", "relu", "tanh", "sigmoid", "sign", "leaky", "erf:GAIN", "leaky:SLOPE", "he:DEGREE",
         "poly:C0,C1,...", "erfs:C,GAIN,C,GAIN,...")
"""What an activation may be called, in words."""
NAMES = (ERF, LINEAR, RELU, TANH, SIGMOID, SIGN, LEAKY)
"""Those words that stand alone."""
STUDENTS = tuple(name for name in NAMES if name != SIGN)
"""Those that a student can have."""
MOST_DEGREE = 10  # the moments of degree 4 MOST_DEGREE - 2 enter V
LARGEST = 1e6  # of a gain, a slope or a coefficient, and of their inverses
LEAKY_SLOPE = 0.01
MOST_ERFS = 64


@dataclass(frozen=True)
class Activation:
    """An activation function g.

    Called with an array it gives g of each number.  Equal values are equal activations, also in files and in other
    processes.

    Parameters
    ----------
    kind : {"erf", "sign", "linear", "relu", "leaky", "tanh", "sigmoid", "he", "poly", "erfs", "table"}
        erf is erf(bz/√2), leaky max(z, 0) + s min(z, 0), sigmoid 1/(1 + e^−z), he the Hermite polynomial He_n with
        He_2 = z² − 1, poly Σ_n c_n zⁿ, erfs Σ_r c_r erf(b_r z/√2).
    numbers : sequence of float, default ()
        Of erf the gain b, by default 1; of leaky the slope s below zero, by default 0.01; of he the degree, 1 to 10;
        of poly c_0, c_1, ..., up to degree 10; of erfs c_1, b_1, c_2, b_2, ....  No others take any.
    table : Table, optional
        Of kind "table": what ``Activation.from_function`` makes.

    Raises
    ------
    ParameterError
        If there is no such kind, or its numbers are none that it can have.

    Notes
    -----
    What is the same function under two names has one: "leaky:0" is relu, "he:1" and "poly:0,1" are linear.
    """

    kind: str
    numbers: Sequence[float] = ()
    table: "Table | None" = None

    def __post_init__(self) -> None:
        if (self.kind == TABLE) != (self.table is not None):
            raise ParameterError("an activation of kind table has a table, and no other has; use Activation"
                                 ".from_function")
        if self.kind == TABLE:
            from onlinemode.activation_tables import Table

            checks.instance("table", self.table, Table)
            object.__setattr__(self, "numbers", ())
            return
        if isinstance(self.kind, str) and ":" in self.kind and self.numbers == ():  # a word
            parsed = Activation.parse(self.kind)
            object.__setattr__(self, "kind", parsed.kind)
            object.__setattr__(self, "numbers", parsed.numbers)
            return
        given = checks.entries(self.numbers)
        if given is None or isinstance(self.numbers, (str, dict)):
            raise ParameterError("the numbers of an activation must be a sequence; got "
                                 f"{checks.one_line(self.numbers)}")
        numbers = tuple(checks.number(f"a number of the activation {checks.one_line(self.kind)}", each)
                        for each in given)
        kind, numbers = _CANONICAL[checks.choice("kind", self.kind, tuple(_CANONICAL))](numbers)
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "numbers", numbers)

    @classmethod
    def parse(cls, word: str) -> "Activation":
        """The activation of a word, such as "tanh", "he:3", "poly:0,0,1" or "erf:0.5".

        Parameters
        ----------
        word : str
            One of ``onlinemode.activations.WORDS``; capitals do not count.

        Returns
        -------
        Activation
            With the numbers of the word.

        Raises
        ------
        ParameterError
            If it is none.
        """
        kind, colon, rest = word.strip().casefold().partition(":")
        if kind not in _CANONICAL or bool(colon) != bool(rest) or (not colon and kind not in NAMES):
            raise ParameterError(f"{checks.one_line(word)} is no activation: it must be one of {', '.join(WORDS)}, or "
                                 "an Activation, such as Activation.from_function(f)")
        try:
            numbers = [float(part) for part in rest.split(",")] if colon else []
        except ValueError:
            raise ParameterError(f"the numbers of an activation follow its colon, separated by commas, as in "
                                 f"poly:0,0,1; got {checks.one_line(word)}") from None
        return cls(kind, numbers)

    @classmethod
    def polynomial(cls, coefficients: Sequence[float]) -> "Activation":
        """The polynomial Σ_n c_n zⁿ.

        Parameters
        ----------
        coefficients : sequence of float
            Of the powers, c_0, c_1, ..., up to degree 10.

        Returns
        -------
        Activation
            Of kind "poly", or "linear".
        """
        return cls(POLYNOMIAL, coefficients)

    @classmethod
    def erf_sum(cls, coefficients: Sequence[float], gains: Sequence[float]) -> "Activation":
        """The sum of erfs Σ_r c_r erf(b_r z/√2), whose averages have closed forms (docs/theory, section 2.5).

        Parameters
        ----------
        coefficients, gains : sequence of float
            Of each erf c_r, and b_r above 0; as many.

        Returns
        -------
        Activation
            Of kind "erfs", or "erf".

        Raises
        ------
        ParameterError
            If there are not as many gains as coefficients.
        """
        factors, numbers = checks.entries(coefficients), checks.entries(gains)
        if factors is None or numbers is None or len(factors) != len(numbers):
            raise ParameterError(f"there must be as many gains as coefficients; got {checks.one_line(coefficients)} "
                                 f"and {checks.one_line(gains)}")
        return cls(ERF_SUM, [value for pair in zip(factors, numbers) for value in pair])

    @classmethod
    def from_function(cls, function: "Callable[[NDArray[np.float64]], ArrayLike]",
                      slope: "Callable[[NDArray[np.float64]], ArrayLike] | None" = None,
                      breaks: Sequence[float] = (), name: str | None = None, tolerance: float = 1e-10,
                      reach: float = 64.0) -> "Activation":
        """Any function of a number, as a table of polynomial pieces with a measured error.

        Parameters
        ----------
        function : callable
            ``function(z)`` gives g of an array of any length, number by number.
        slope : callable, optional
            The derivative g' in the same way; checked against the table, whose own derivative the kernels use.
        breaks : sequence of float, default ()
            Where g jumps, or has a kink or a jump in a higher derivative: no piece goes across.
        name : str, optional
            How pictures and files call it; by default that of the function.  What is the name of an activation in
            words, and what has no name, as a lambda, gets some digits that follow from the table's numbers:
            "tanh-3f9a21c4", "function-08d1e77b".
        tolerance : float, default 1e-10
            The largest error of g, relative to max(1, |g|).
        reach : float, default 64
            Beyond ±reach g goes on as a polynomial of degree 3 or less where it is one to the tolerance, else in a
            straight line; the table's ``tails`` say which.

        Returns
        -------
        Activation
            Of kind "table"; ``table.error`` is the error that was measured.

        Raises
        ------
        ParameterError
            If the function is not vectorised, not finite, or no table of a reasonable size has this error; the message
            says where.  If ``slope`` is not its derivative.
        """
        from onlinemode.activation_tables import NAMELESS, table_of

        table = table_of(function, slope, breaks, name, tolerance, reach)
        if is_word(table.name) or (name is None and table.name == NAMELESS):
            table = replace(table, name=f"{table.name}-{table.digits}")
        return cls(TABLE, (), table)

    @property
    def word(self) -> str | None:
        """What :meth:`parse` reads; None of a table."""
        if self.kind == TABLE:
            return None
        return self.kind + (":" + ",".join(_short(each) for each in self.numbers) if self.numbers else "")

    @property
    def name(self) -> str:
        """The word, or the name of the table."""
        return self.table.name if self.table is not None else str(self.word)

    def __str__(self) -> str:
        return self.name

    @property
    def linear(self) -> bool:
        """Whether g(z) = z, so that only the product of all layers counts."""
        return self.kind == LINEAR

    @property
    def homogeneous(self) -> bool:
        """Whether g(az) = a g(z) for a > 0, so that lengths of the first layer and of the second are not told apart."""
        return self.kind in (LINEAR, RELU, LEAKY) or (self.kind == POLYNOMIAL and not any(self.numbers[:1])
                                                      and len(self.numbers) == 2)

    @property
    def odd(self) -> bool:
        """Whether g(−z) = −g(z)."""
        if self.table is not None:
            return self.table.odd
        coefficients = self.coefficients
        if coefficients is not None:
            return not any(coefficients[::2])
        return self.kind in (ERF, SIGN, TANH, ERF_SUM)

    @property
    def even(self) -> bool:
        """Whether g(−z) = g(z)."""
        if self.table is not None:
            return self.table.even
        coefficients = self.coefficients
        return self.word == "leaky:-1" if coefficients is None else not any(coefficients[1::2])

    @property
    def smooth(self) -> bool:
        """Whether g' has no jumps."""
        return self.table.smooth if self.table is not None else self.kind not in (SIGN, RELU, LEAKY)

    @property
    def continuous(self) -> bool:
        """Whether g has no jumps, so that a student can learn with it."""
        return self.table.continuous if self.table is not None else self.kind != SIGN

    @cached_property
    def coefficients(self) -> tuple[float, ...] | None:
        """Coefficients c_0, c_1, ... of a polynomial Σ_n c_n zⁿ; None of other kinds."""
        if self.kind == LINEAR:
            return (0.0, 1.0)
        if self.kind == HERMITE:
            return _hermite(int(self.numbers[0]))
        return tuple(self.numbers) if self.kind == POLYNOMIAL else None

    def __call__(self, z: "ArrayLike") -> "NDArray[np.float64]":
        return self._values(z)[0]

    def slope(self, z: "ArrayLike") -> "NDArray[np.float64]":
        """The derivative g' of each number.

        Parameters
        ----------
        z : array
            Numbers.

        Returns
        -------
        array
            Of the shape of ``z``.
        """
        return self._values(z)[1]

    def _values(self, z):
        from onlinemode.kernels.rule.activations import values_and_slopes

        return values_and_slopes(self, checks.real("z", z))

    def to_dict(self) -> "str | dict[str, Any]":
        """The word, or of a table what :meth:`from_dict` reads, as JSON knows it.

        Returns
        -------
        str or dict
            Of plain values.
        """
        return {"kind": TABLE, **self.table.to_dict()} if self.table is not None else str(self.word)

    @classmethod
    def from_dict(cls, saved: "str | dict[str, Any]") -> "Activation":
        """The inverse of :meth:`to_dict`.

        Parameters
        ----------
        saved : str or dict
            What it gave.

        Returns
        -------
        Activation
            Equal to the one that was saved.

        Raises
        ------
        ParameterError, ShapeError
            If it is no activation, or a damaged one.
        """
        if isinstance(saved, str):
            return cls.parse(saved)
        from onlinemode.activation_tables import Table

        if not isinstance(saved, dict):
            raise ParameterError("a saved activation must be a word or a table; got " + checks.one_line(saved))
        checks.choice("kind", saved.get("kind"), (TABLE,))
        return cls(TABLE, (), Table.from_dict({name: value for name, value in saved.items() if name != "kind"}))


def is_word(text: str) -> bool:
    """Whether a text is an activation in words.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool
    """
    try:
        Activation.parse(text)
    except ParameterError:
        return False
    return True


def activation_of(value: "str | Activation", name: str = "activation") -> Activation:
    """The activation that a word or a value stands for.

    Parameters
    ----------
    value : str or Activation
        A word of :data:`WORDS`, or the value itself.
    name : str
        Of the argument, for the message.

    Returns
    -------
    Activation
        A value.

    Raises
    ------
    ParameterError
        If it is neither.
    """
    if isinstance(value, Activation):
        return value
    if not isinstance(value, str):
        raise ParameterError(f"{name} must be one of {', '.join(WORDS)}, or an onlinemode.Activation; got "
                             f"{checks.one_line(value)}")
    return Activation.parse(value)


def to_plain(value: Any) -> Any:
    """What JSON takes in place of an :class:`Activation`; anything else as it is."""
    return value.to_dict() if isinstance(value, Activation) else value


def from_plain(value: Any) -> Any:
    """The inverse of :func:`to_plain`."""
    return Activation.from_dict(value) if isinstance(value, dict) else value


def word_or_value(value: "str | Activation", name: str = "activation") -> "str | Activation":
    """The same as the word where there is one, as problems and experiments hold it."""
    found = activation_of(value, name)
    return found if found.word is None else found.word


def _short(number):
    return str(int(number)) if number == int(number) else repr(number)


def _hermite(degree):
    """Coefficients of He_n by He_{n+1} = z He_n − n He_{n−1}."""
    before, now = (0.0,), (1.0,)
    for n in range(degree):
        shifted = (0.0, *now)
        before, now = now, tuple(a - n * (before[i] if i < len(before) else 0.0) for i, a in enumerate(shifted))
    return now


def _without_numbers(kind):
    def canonical(numbers):
        if numbers:
            raise ParameterError(f"the activation {kind} takes no numbers; got {', '.join(map(_short, numbers))}")
        return kind, ()

    return canonical


def _size(what, value):
    return checks.number(what, value, 1.0 / LARGEST, maximum=LARGEST)


def _canonical_erf(numbers):
    if len(numbers) > 1:
        raise ParameterError(f"the activation erf takes one number, its gain, as in erf:0.5; got {len(numbers)}")
    gain = _size("the gain of erf", numbers[0]) if numbers else 1.0
    return ERF, () if gain == 1.0 else (gain,)


def _canonical_leaky(numbers):
    if len(numbers) > 1:
        raise ParameterError("the activation leaky takes one number, its slope below zero, as in leaky:0.2; got "
                             f"{len(numbers)}")
    slope = checks.number("the slope of leaky", numbers[0], -LARGEST, maximum=LARGEST) if numbers else LEAKY_SLOPE
    return {0.0: (RELU, ()), 1.0: (LINEAR, ())}.get(slope, (LEAKY, (slope,)))


def _canonical_hermite(numbers):
    if len(numbers) != 1 or not 1 <= numbers[0] <= MOST_DEGREE or numbers[0] != int(numbers[0]):
        raise ParameterError(f"the activation he takes one number, its degree from 1 to {MOST_DEGREE}, as in he:3; got "
                             f"{', '.join(map(_short, numbers)) or 'none'}")
    return (LINEAR, ()) if numbers[0] == 1.0 else (HERMITE, numbers)


def _canonical_polynomial(numbers):
    while numbers and numbers[-1] == 0.0:
        numbers = numbers[:-1]
    if len(numbers) < 2:
        raise ParameterError("a polynomial must have a coefficient beside the constant that is not 0, as in poly:0,0,1")
    if len(numbers) > MOST_DEGREE + 1:
        raise ParameterError(f"a polynomial must have a degree of at most {MOST_DEGREE}; got {len(numbers) - 1}")
    for each in numbers:
        checks.number("a coefficient of a polynomial", each, -LARGEST, maximum=LARGEST)
    return (LINEAR, ()) if numbers == (0.0, 1.0) else (POLYNOMIAL, tuple(each + 0.0 for each in numbers))


def _canonical_erf_sum(numbers):
    if not numbers or len(numbers) % 2 or len(numbers) > 2 * MOST_ERFS:
        raise ParameterError(f"a sum of erfs must have a coefficient and a gain for each, and at most {MOST_ERFS} of "
                             f"them, as in erfs:0.6,0.5,0.4,2; got {len(numbers)} numbers")
    for coefficient, gain in zip(numbers[::2], numbers[1::2]):
        if coefficient == 0.0 or not math.isfinite(1.0 / coefficient):
            raise ParameterError("no coefficient of a sum of erfs can be 0")
        checks.number("a coefficient of a sum of erfs", coefficient, -LARGEST, maximum=LARGEST)
        _size("the gain of an erf", gain)
    return _canonical_erf(numbers[1:]) if len(numbers) == 2 and numbers[0] == 1.0 else (ERF_SUM, numbers)


_CANONICAL = {
    **{kind: _without_numbers(kind) for kind in (SIGN, LINEAR, RELU, TANH, SIGMOID)},
    ERF: _canonical_erf, LEAKY: _canonical_leaky, HERMITE: _canonical_hermite, POLYNOMIAL: _canonical_polynomial,
    ERF_SUM: _canonical_erf_sum}
