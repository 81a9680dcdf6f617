"""Numbers that change while the student learns: a schedule is a function of α, as a value; docs/theory, section 14.

Light, so that commands can read their options before anything heavy is imported.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from onlinemode import activations, checks, schedule_words
from onlinemode.errors import ParameterError
from onlinemode.schedule_words import (
    CONSTANT,
    COSINE,
    DURATIONS,
    EXPONENTIAL,
    INVERSE,
    LINEAR,
    LOGARITHMIC,
    PARAMETERS,
    POWER,
    STEPS,
    WARMUP,
    parsed,
    written,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

    from onlinemode.schedule_tables import Table

__all__ = ["WORDS", "Schedule", "number_or_schedule", "schedule_of"]

WORDS = schedule_words.WORDS
"""What a schedule may be called, in words."""
FUNCTION = "function"


@dataclass(frozen=True)
class Schedule:
    """A number that depends on α = steps/N: a learning rate, the noise, the weight decay or the share of flips.

    Step t takes its value at α = (t + ½)/N.  Made by the methods below, by a word such as "power:3,10,-1", or by
    handing a Python function to :class:`onlinemode.LearningRates` or :class:`onlinemode.Problem`.

    Parameters
    ----------
    kind : {"power", "exp", "cosine", "steps", "linear", "log", "function"}
        Which.
    numbers : sequence of float
        What the method of that name says.
    table : Table, optional
        Of a function that was sampled.
    function : callable, optional
        Of one that is not sampled yet.
    jumps_at : sequence of float, default ()
        Where that function jumps.

    Raises
    ------
    ParameterError
        If there is no such kind, or its numbers are none that it can have.
    """

    kind: str
    numbers: Sequence[float] = ()
    table: "Table | None" = None
    function: Callable | None = field(default=None, repr=False)
    jumps_at: Sequence[float] = ()

    def __post_init__(self) -> None:
        checks.choice("kind", self.kind, (POWER, EXPONENTIAL, COSINE, STEPS, LINEAR, LOGARITHMIC, FUNCTION))
        if (self.kind == FUNCTION) != (self.table is not None or self.function is not None):
            raise ParameterError("a schedule of kind function has a function or its table, and no other has; use "
                                 "Schedule.from_function")
        given = checks.entries(self.numbers)
        if given is None or isinstance(self.numbers, (str, dict)):
            raise ParameterError(f"the numbers of a schedule must be a sequence; got {checks.one_line(self.numbers)}")
        numbers = tuple(checks.number(f"a number of the schedule {self.kind}", each) for each in given)
        object.__setattr__(self, "numbers", numbers)
        object.__setattr__(self, "jumps_at", _ascending("jumps", self.jumps_at, 0.0))
        if self.kind in PARAMETERS:
            self._check_parameters(numbers)
        elif self.kind != FUNCTION:
            self._check_knots(numbers)

    def _check_parameters(self, numbers):
        names = PARAMETERS[self.kind]
        if len(numbers) != len(names):
            raise ParameterError(f"the schedule {self.kind} has the numbers {', '.join(names)}; got {numbers}")
        for name, number in zip(names, numbers):
            if name in DURATIONS:
                checks.number(f"{name} of the schedule {self.kind}", number, above=0.0)

    def _check_knots(self, numbers):
        times = numbers[1::2] if self.kind == STEPS else numbers[::2]
        least = 2 if self.kind != STEPS else 3
        if len(numbers) < least or len(numbers) % 2 != (self.kind == STEPS):
            raise ParameterError(f"the schedule {self.kind} needs pairs of α and value; got {numbers}")
        above = {STEPS: 0.0, LINEAR: None, LOGARITHMIC: 0.0}[self.kind]
        _ascending(f"the times of the schedule {self.kind}", times, 0.0, above)

    # how they are made

    @classmethod
    def power(cls, first: float, scale: float, exponent: float) -> "Schedule":
        """The law first · (1 + α/scale)^exponent.

        Parameters
        ----------
        first : float
            Value at α = 0.
        scale : float
            The α0 from which on it is a power law.
        exponent : float
            Negative for a decay.

        Returns
        -------
        Schedule
            "power:FIRST,SCALE,EXPONENT".
        """
        return cls(POWER, (first, scale, exponent))

    @classmethod
    def inverse(cls, first: float, scale: float) -> "Schedule":
        """The decay first / (1 + α/scale).

        Parameters
        ----------
        first : float
            Value at α = 0.
        scale : float
            From about which α on it falls.

        Returns
        -------
        Schedule
            That of :meth:`power` with exponent −1.
        """
        return cls.power(first, scale, -1.0)

    @classmethod
    def exponential(cls, first: float, time: float, last: float = 0.0) -> "Schedule":
        """The decay last + (first − last) e^(−α/time).

        Parameters
        ----------
        first : float
            Value at α = 0.
        time : float
            In units of α.
        last : float, default 0
            Where it goes to.

        Returns
        -------
        Schedule
            "exp:FIRST,TIME,LAST".
        """
        return cls(EXPONENTIAL, (first, time, last))

    @classmethod
    def cosine(cls, first: float, last: float, until: float) -> "Schedule":
        """Half a period of a cosine from ``first`` to ``last``, which holds from ``until`` on.

        Parameters
        ----------
        first, last : float
            Values at α = 0 and from ``until`` on.
        until : float
            In units of α.

        Returns
        -------
        Schedule
            "cosine:FIRST,LAST,UNTIL".
        """
        return cls(COSINE, (first, last, until))

    @classmethod
    def warmup(cls, last: float, until: float, first: float = 0.0) -> "Schedule":
        """Linear from ``first`` to ``last``, which holds from ``until`` on.

        Parameters
        ----------
        last : float
            Value from ``until`` on.
        until : float
            In units of α.
        first : float, default 0
            Value at α = 0.

        Returns
        -------
        Schedule
            "linear:0=FIRST,UNTIL=LAST"; also "warmup:LAST,UNTIL".
        """
        return cls(LINEAR, (0.0, first, until, last))

    @classmethod
    def steps(cls, first: float, later: Mapping[float, float]) -> "Schedule":
        """Constant values that jump at given times.

        Parameters
        ----------
        first : float
            From α = 0.
        later : dict
            From which α on there is which value, as in ``{50: 1.0, 100: 0.3}``.

        Returns
        -------
        Schedule
            "steps:FIRST,50=1,100=0.3".
        """
        return cls(STEPS, (first, *_flat(later)))

    @classmethod
    def linear(cls, knots: Mapping[float, float]) -> "Schedule":
        """Piecewise linear in α, constant outside its knots.

        Parameters
        ----------
        knots : dict
            From α to value, as in ``{0: 3.0, 100: 1.0}``.

        Returns
        -------
        Schedule
            "linear:0=3,100=1".
        """
        return cls(LINEAR, _flat(knots))

    @classmethod
    def logarithmic(cls, knots: Mapping[float, float]) -> "Schedule":
        """Piecewise linear in ln α, constant outside its knots.

        Parameters
        ----------
        knots : dict
            From α above 0 to value, as in ``{1: 3.0, 100: 1.0}``.

        Returns
        -------
        Schedule
            "log:1=3,100=1".
        """
        return cls(LOGARITHMIC, _flat(knots))

    @classmethod
    def from_function(cls, function: Callable, jumps: Sequence[float] = ()) -> "Schedule":
        """Any function of α.

        When a run begins, it is sampled: a table of polynomials, right to 10⁻¹² of its values, takes its place, so
        that a file can repeat the run to the bit without the function.

        Parameters
        ----------
        function : callable
            Takes an array of α and returns one of its shape, or one number.
        jumps : sequence of float, default ()
            Where it jumps; jumps that are not named are found, too, to 10⁻¹² of their α.

        Returns
        -------
        Schedule
            That function's.

        Raises
        ------
        ParameterError
            If it is no function, or the jumps are not ascending times.
        """
        if not callable(function):
            raise ParameterError(f"function must be a function of α; got {checks.one_line(function)}")
        return cls(FUNCTION, function=function, jumps_at=jumps)

    @classmethod
    def parse(cls, word: str) -> "Schedule | float":
        """The schedule of a word, such as "power:3,10,-1", "power:3,α0=10,-1" or "steps:3,50=1"; of a number itself.

        Parameters
        ----------
        word : str
            One of ``onlinemode.schedules.WORDS``; capitals do not count.

        Returns
        -------
        Schedule or float
            With the numbers of the word.

        Raises
        ------
        ParameterError
            If it is none.
        """
        kind, numbers = parsed(word)
        if kind == CONSTANT:
            return numbers[0]
        if kind == INVERSE:
            return cls.inverse(*numbers)
        return cls.warmup(*numbers) if kind == WARMUP else cls(kind, numbers)

    # what they are

    @property
    def word(self) -> str | None:
        """What :meth:`parse` reads; None of a function."""
        return None if self.kind == FUNCTION else written(self.kind, tuple(self.numbers))

    def __str__(self) -> str:
        if self.word is not None:
            return self.word
        if self.table is not None:
            return self.table.name
        from onlinemode.schedule_tables import function_name

        return function_name(self.function)

    def __repr__(self) -> str:
        return f"Schedule({str(self)!r})"

    def __format__(self, specification: str) -> str:
        return str(self)  # beside numbers that are written with :g

    def __call__(self, alpha: "ArrayLike") -> "np.ndarray":
        """Its values.

        Parameters
        ----------
        alpha : array (...)
            Times, not below 0.

        Returns
        -------
        array (...)
            At a jump the value after it.

        Raises
        ------
        ParameterError
            If a function is not what :meth:`from_function` takes, or its table ends before the last time.
        """
        import numpy as np

        from onlinemode import schedule_tables

        alpha = np.asarray(alpha, float)
        if self.table is not None:
            return schedule_tables.values(self.table, alpha)
        if self.function is not None:
            return schedule_tables.called(self.function, alpha)
        return _VALUES[self.kind](np, self.numbers, alpha)

    def value_at(self, alpha: float) -> float:
        """The same at one time, quickly.

        Parameters
        ----------
        alpha : float
            Not below 0.

        Returns
        -------
        float
            As there, to the last bit but one.
        """
        if self.table is not None:
            return self.table.value_at(alpha)
        if self.kind == STEPS:
            return self.numbers[::2][bisect_right(self.numbers[1::2], alpha)]
        return float(self(alpha))

    @property
    def jumps(self) -> tuple[float, ...]:
        """Where it jumps, ascending."""
        if self.kind == STEPS:
            return tuple(self.numbers[1::2])
        return self.table.jumps if self.table is not None else tuple(self.jumps_at)

    @property
    def breaks(self) -> tuple[float, ...]:
        """Where it jumps or has a kink, and the ends of fine structure, ascending: a solver should stop at each."""
        if self.kind in (LINEAR, LOGARITHMIC):
            return tuple(each for each in self.numbers[::2] if each > 0.0)
        if self.kind == COSINE:
            return (self.numbers[2],)
        return self.table.breaks if self.table is not None else self.jumps

    def sampled(self, until: float) -> "Schedule":
        """The schedule as data that reach a time: itself, but of a function its table.

        Parameters
        ----------
        until : float
            The last α that is needed.

        Returns
        -------
        Schedule
            One that is sampled longer begins with the same numbers.

        Raises
        ------
        ParameterError
            If the function is not finite or has too much structure, or if a table that was read from a file ends
            before.
        """
        if self.kind != FUNCTION or (self.table is not None and self.table.end >= until):
            return self
        from onlinemode import schedule_tables

        end, declared = (0.0, self.jumps_at) if self.table is None else (self.table.end, self.table.declared)
        source = getattr(self, "_source", self.function)
        if source is None:
            raise ParameterError(f"the schedule {self} is known up to α = {end:g} alone, and the run needs it to "
                                 f"{until:g}: give the function itself again")
        made = Schedule(FUNCTION, table=schedule_tables.tabulated(source, tuple(declared), until))
        object.__setattr__(made, "_source", source)
        return made

    def __getstate__(self):
        return {name: value for name, value in self.__dict__.items() if name != "_source"}  # for other processes

    def check(self, name: str, minimum: float, maximum: float | None = None, until: float | None = None) -> None:
        """Refuse values out of a range.

        Parameters
        ----------
        name : str
            Of the number, for the message.
        minimum : float
            The least.
        maximum : float, optional
            The largest; by default any.
        until : float, optional
            The last α that is needed; without it functions are not looked at.

        Raises
        ------
        ParameterError
            With the α where it is the first time.
        """
        import numpy as np

        alphas = np.array(self._telling(until))
        if alphas.size == 0:
            return
        values = self(alphas)
        slack = 1e-11 * np.abs(values).max(initial=0.0) if self.kind == FUNCTION else 0.0
        bad = ~(values >= minimum - slack) | ~np.isfinite(values)
        if maximum is not None:
            bad |= values > maximum + slack
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            range_ = f"≥ {minimum:g}" + ("" if maximum is None else f" and ≤ {maximum:g}")
            raise ParameterError(f"{name} must be a finite number {range_} at every α; got {values[at]:g} at α = "
                                 f"{alphas[at]:.6g} of the schedule {self}")

    def _telling(self, until):
        """Times that tell its least and its largest value: between two of them it is monotone, or almost."""
        if self.kind == FUNCTION:
            if until is None or self.table is None:
                return []
            import numpy as np

            from onlinemode import schedule_tables

            inside = schedule_tables.nodes(self.table)
            return np.unique(np.concatenate([inside[inside <= until], np.linspace(0.0, until, 1001)]))
        if self.kind in (LINEAR, LOGARITHMIC):
            return self.numbers[::2]
        if self.kind == STEPS:
            return (0.0, *self.numbers[1::2])
        ends = {POWER: (0.0,), EXPONENTIAL: (0.0, 60.0 * self.numbers[1]), COSINE: (0.0, self.numbers[2])}[self.kind]
        return ends if until is None else (*ends, until)

    def extends(self, other: "float | Schedule") -> bool:
        """Whether it is the other one, as a table perhaps one that is known for longer.

        Parameters
        ----------
        other : float or Schedule
            To compare with.

        Returns
        -------
        bool
            What they say of common times is then the same to the bit.
        """
        if not isinstance(other, Schedule) or self.table is None or other.table is None:
            return self == other
        from onlinemode import schedule_tables

        return schedule_tables.extends(self.table, other.table)

    def to_plain(self) -> str | dict:
        """As it is saved: its word, or of a function its table.

        Returns
        -------
        str or dict
            Of strings, numbers and lists.

        Raises
        ------
        ParameterError
            If a function was not sampled.
        """
        if self.word is not None:
            return self.word
        if self.table is None:
            raise ParameterError(f"the schedule {self} is a function that was not sampled; call sampled(alpha) first")
        return {"kind": FUNCTION, **self.table.to_plain()}


def schedule_of(value: Any, name: str = "a schedule") -> "float | Schedule | Any":
    """What stands for a schedule as one: a word, a function, or what ``Schedule.to_plain`` gives.

    Parameters
    ----------
    value : object
        Anything.
    name : str
        Of the number, for messages.

    Returns
    -------
    Schedule, float or object
        A float of a word that is a number; a value that is none of these as it is.

    Raises
    ------
    ParameterError
        For words that are no schedule, and damaged tables.
    """
    if isinstance(value, str):
        try:
            return Schedule.parse(value)
        except ParameterError as problem:
            raise ParameterError(f"{name}: {problem}") from None
    if isinstance(value, Schedule):
        return value
    if isinstance(value, Mapping) and value.get("kind") == FUNCTION:
        from onlinemode.schedule_tables import Table

        return Schedule(FUNCTION, table=Table.from_plain({key: each for key, each in value.items() if key != "kind"}))
    if callable(value):
        return Schedule.from_function(value)
    return value


def number_or_schedule(name: str, value: Any, minimum: float = 0.0, maximum: float | None = None) -> "float | Schedule":
    """A number of at least ``minimum``, or a schedule of such numbers.

    Parameters
    ----------
    name : str
        Of the number, for messages.
    value : float, str, callable or Schedule
        As :func:`schedule_of` takes it.
    minimum, maximum : float
        The range.

    Returns
    -------
    float or Schedule
        A constant is a float.

    Raises
    ------
    ParameterError
        If it is neither, or out of range at some α.
    """
    value = schedule_of(value, name)
    if not isinstance(value, Schedule):
        return checks.number(name, value, minimum, maximum=maximum)
    value.check(name, minimum, maximum)
    return value


def to_plain(value: Any) -> Any:
    """A schedule or an activation as it is saved, anything else as it is."""
    return value.to_plain() if isinstance(value, Schedule) else activations.to_plain(value)


def _ascending(name, times, minimum, above=None):
    given = checks.entries(times)
    if given is None:
        raise ParameterError(f"{name} must be a sequence of times; got {checks.one_line(times)}")
    times = tuple(checks.number(f"a time of {name}", each, minimum if above is None else None, above=above)
                  for each in given)
    if any(later <= earlier for earlier, later in zip(times, times[1:])):
        raise ParameterError(f"{name} must be ascending; got {', '.join(f'{each:g}' for each in times)}")
    return times


def _flat(pairs):
    if not isinstance(pairs, Mapping):
        raise ParameterError(f"the values of a schedule must be a dict, such as {{50: 1.0}}; got "
                             f"{checks.one_line(pairs)}")
    return tuple(each for pair in pairs.items() for each in pair)


def _power(np, numbers, alpha):
    first, scale, exponent = numbers
    base = 1.0 + alpha / scale
    return first / base if exponent == -1.0 else first * base**exponent


def _exponential(np, numbers, alpha):
    first, time, last = numbers
    return last + (first - last) * np.exp(-alpha / time)


def _cosine(np, numbers, alpha):
    first, last, until = numbers
    return last + (first - last) * 0.5 * (1.0 + np.cos(np.pi * np.minimum(alpha / until, 1.0)))


def _steps(np, numbers, alpha):
    return np.array(numbers[::2])[np.searchsorted(np.array(numbers[1::2]), alpha, side="right")]


def _linear(np, numbers, alpha):
    return np.interp(alpha, numbers[::2], numbers[1::2])


def _logarithmic(np, numbers, alpha):
    first = numbers[0]
    return np.interp(np.log(np.maximum(alpha, first)), np.log(numbers[::2]), numbers[1::2])


_VALUES = {POWER: _power, EXPONENTIAL: _exponential, COSINE: _cosine, STEPS: _steps, LINEAR: _linear,
           LOGARITHMIC: _logarithmic}
