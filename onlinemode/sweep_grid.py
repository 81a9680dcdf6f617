"""The points of a sweep: which values of which names, their experiments, and the names of their files."""

import itertools
import math
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from onlinemode import checks
from onlinemode.errors import OnlineModeError, ParameterError
from onlinemode.experiment import DRAWN, Experiment

KINDS = {"init": str, "N": int, "K": int, "M": int, "P": int, "readout": str, "student_size": float, "seed": int,
         "alpha": float, "activation": str, "eta": float, "eta_strengths": float, "eta_xi_out": float,
         "eta_readout": float, "noise": float, "weight_decay": float, "batch": int}
"""What can be swept, and as what its values are written."""
MOST_POINTS = 10_000


@dataclass(frozen=True)
class Grid:
    """An experiment at every point of a grid of values.

    Parameters
    ----------
    experiment : Experiment
        Holds all that is not swept.
    over : dict
        Name of each swept value to the sequence of its values; the last one runs fastest.

    Raises
    ------
    ParameterError
        If a name cannot be swept, a value is not of its kind, values repeat, or there are too many points.
    """

    experiment: Experiment
    over: dict[str, Sequence]

    def __post_init__(self):
        checks.instance("experiment", self.experiment, Experiment)
        if not isinstance(self.over, dict) or not self.over:
            raise ParameterError("over must name what is swept and its values, such as {'eta': [1, 2, 5]}; got "
                                 f"{self.over!r:.80}")
        for name in self.over:
            if name not in KINDS:
                raise ParameterError(f"a sweep can be over {', '.join(KINDS)}; got {name!r}")
            if self.experiment.overlaps is not None and name in DRAWN:
                raise ParameterError(f"{name} cannot be swept: the student and its teacher are those of the overlaps "
                                     "of the experiment")
        object.__setattr__(self, "over", {name: _values(name, values) for name, values in self.over.items()})
        size = math.prod(len(values) for values in self.over.values())
        if size > MOST_POINTS:
            raise ParameterError(f"a sweep has at most {MOST_POINTS:,} points; got {size:,}")

    @property
    def points(self) -> list[dict]:
        """Dicts from name to value, in order."""
        return [dict(zip(self.over, values)) for values in itertools.product(*self.over.values())]

    def at(self, point: dict) -> Experiment:
        """The experiment of a point."""
        return self.experiment.replace(**point)

    def check(self):
        """Raise an error for what can be known to be wrong before the first run; it says at which point.

        Raises
        ------
        ParameterError, EngineError, FileError
        """
        for point in self.points:
            with told_of(point):
                self.at(point).check()

    def point_of(self, file: str) -> dict | None:
        """The point of a file's name, the inverse of :func:`file_of`; None where it is no such name."""
        parts = [part.partition("=") for part in file.removesuffix(".npz").split(",")]
        if [part[0] for part in parts] != list(self.over):
            return None
        try:
            point = {name: KINDS[name](text) for name, _, text in parts}
            self.at(point).check()
        except ValueError:
            return None
        return point if file_of(point) == file else None


def _values(name, values):
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise ParameterError(f"the values of {name} must be a sequence, such as a list; got {values!r}")
    checked = [_value(name, value) for value in values]
    if len(set(checked)) < len(checked) or not checked:
        raise ParameterError(f"the values of {name} must differ, and be at least one; got {checked!r:.80}")
    return checked


def _value(name, value):
    """As it is written into the name of a file: 1 as 1.0 where it is a rate."""
    if KINDS[name] is str:
        return getattr(Experiment(**{name: value}), name)
    return checks.integer(name, value, 0) if KINDS[name] is int else checks.number(name, value)


def file_of(point: dict) -> str:
    """Name of the file of a point's run."""
    return f"{words_of(point, '=', ',')}.npz"


def words_of(point: dict, equals: str = " = ", comma: str = ", ") -> str:
    """The point in words."""
    return comma.join(f"{name}{equals}{value}" for name, value in point.items())


@contextmanager
def told_of(point: dict):
    """Errors inside say at which point they came."""
    try:
        yield
    except OnlineModeError as problem:
        raise type(problem)(f"{words_of(point)}: {problem}") from None
