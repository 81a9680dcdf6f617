"""What makes the experiment of a point: an Experiment in which values are changed, or a function of the values.

Both are recipes that other processes, and a later call, can follow: no closures.
"""

import hashlib
import importlib
import inspect
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from onlinemode import checks
from onlinemode.errors import ParameterError
from onlinemode.experiment import DRAWN, OF_EACH_TASK, Experiment
from onlinemode.sweeps.files import FunctionOfFile

FIXED = ("overlaps", "replicas", "keep", "quantiles", "save_at", "threads", "turns", *OF_EACH_TASK)
"""The same for all points of a sweep."""
KINDS = {each.name: next(kind for kind in (get_args(each.type) or (each.type,)) if kind is not type(None))
         for each in fields(Experiment) if each.name not in FIXED}
"""What can be swept of an Experiment, and the type of its values."""


@dataclass(frozen=True)
class ExperimentRecipe:
    """An experiment in which values are changed.

    Parameters
    ----------
    experiment : Experiment
    """

    experiment: Experiment

    def kind(self, name: str) -> type:
        """The type of the values of a name.

        Raises
        ------
        ParameterError
            If it cannot be swept.
        """
        if name not in KINDS:
            raise ParameterError(f"a sweep can be over {', '.join(KINDS)}; got {checks.one_line(name)}")
        if self.experiment.overlaps is not None and name in DRAWN:
            raise ParameterError(f"{name} cannot be swept: the student and its teacher are those of the overlaps of "
                                 "the experiment")
        return KINDS[name]

    def spelled(self, name: str, value: Any) -> Any:
        """The value as an experiment has it: names in their own capitals."""
        return getattr(Experiment(**{name: value}), name) if KINDS[name] is str else value

    def at(self, point: dict[str, Any]) -> Experiment:
        """The experiment of a point."""
        return self.experiment.replace(**point)

    def values(self, point: dict[str, Any]) -> dict[str, Any]:
        """The same as a dict of values, in a hundredth of the time."""
        return vars(self.experiment) | point

    def code(self) -> str:
        """Nothing that a process could have another version of."""
        return ""

    def to_dict(self) -> dict[str, Any]:
        """As ``sweep.json`` holds it."""
        return {"experiment": {name: value for name, value in self.experiment.to_dict().items() if name != "threads"}}


@dataclass(frozen=True)
class FunctionRecipe:
    """A function of the values of a point that returns its Experiment.

    Parameters
    ----------
    function : callable
        Of a module, or a :class:`FunctionOfFile`; called with the values by their names.
    """

    function: Callable[..., Experiment]

    def __post_init__(self) -> None:
        name = getattr(self.function, "__qualname__", "")
        try:
            if not name:
                raise pickle.PicklingError
            pickle.dumps(self.function)
        except Exception:
            given = name or checks.one_line(self.function)
            raise ParameterError("make must be an Experiment, or a function that other processes can import, at the "
                                 f"top level of a module or FILE.py:NAME; got {given}") from None

    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The arguments of the function by their names.

        Raises
        ------
        ParameterError
            If Python does not know them, as of int.
        """
        try:
            return inspect.signature(self.function).parameters
        except ValueError:
            raise ParameterError(f"make must be a function whose arguments have names; got {self.name}") from None

    def kind(self, name: str) -> None:
        """Any type.

        Raises
        ------
        ParameterError
            If the function has no such argument.
        """
        parameters = self.parameters()
        if name not in parameters and not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
            raise ParameterError(f"{self.name} has no argument {name!r}; it has {', '.join(parameters) or 'none'}")

    def spelled(self, name: str, value: Any) -> Any:
        """The value."""
        return value

    @property
    def name(self) -> str:
        """Module and name."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    def at(self, point: dict[str, Any]) -> Experiment:
        """The experiment of a point.

        Raises
        ------
        ParameterError
            If the function returns something else.
        """
        made = self.function(**point)
        if not isinstance(made, Experiment):
            raise ParameterError(f"{self.name} must return an onlinemode.Experiment; got {type(made).__name__}")
        return made

    def values(self, point: dict[str, Any]) -> dict[str, Any]:
        """The values of the experiment."""
        return vars(self.at(point))

    def code(self) -> str:
        """Hash of the function as this process has loaded it."""
        source = getattr(self.function, "source", None)
        known = source if source is not None else repr(_code(getattr(self.function, "__code__", None)))
        return hashlib.sha256(known.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Name and hash of the source, by which a change is noticed."""
        source = getattr(self.function, "source", None)
        try:
            source = inspect.getsource(self.function) if source is None else source
        except (OSError, TypeError):
            source = ""
        return {"function": self.name, "source": hashlib.sha256(source.encode()).hexdigest()}


def _code(code):
    """What a function does, without where it stands."""
    if isinstance(code, frozenset):  # of which each process has an order of its own
        return sorted(map(repr, code))
    if not hasattr(code, "co_code"):
        return code
    return code.co_code, code.co_names, code.co_varnames, [_code(constant) for constant in code.co_consts]


def recipe_of(make: Any) -> ExperimentRecipe | FunctionRecipe:
    """The recipe of an Experiment, a function, or words such as "experiments.py:make" or "package.module:make".

    Raises
    ------
    ParameterError, FileError
    """
    if isinstance(make, Experiment):
        return ExperimentRecipe(make)
    if isinstance(make, str):
        module, colon, name = make.rpartition(":")
        if not colon or not name.isidentifier():
            raise ParameterError(f"make must be FILE.py:NAME or MODULE:NAME; got {checks.one_line(make)}")
        if module.endswith(".py"):
            return FunctionRecipe(FunctionOfFile(module, name))
        try:
            return FunctionRecipe(getattr(importlib.import_module(module), name))
        except (ImportError, AttributeError, ValueError) as problem:
            raise ParameterError(f"make = {checks.one_line(make)} cannot be imported: {problem}") from None
    if not callable(make):
        raise ParameterError("make must be an onlinemode.Experiment, a function that returns one, or its name; got "
                             f"{type(make).__name__}")
    return FunctionRecipe(make)
