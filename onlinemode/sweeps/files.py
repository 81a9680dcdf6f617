"""What a Python file of the user's makes: functions that other processes can have, activations."""

import hashlib
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from onlinemode.activations import Activation, is_word
from onlinemode.errors import FileError
from onlinemode.storage import cannot_read


class FunctionOfFile:
    """A function of a Python file; it carries the text of the file to other processes, which need not have it.

    Parameters
    ----------
    path : path
    name : str

    Raises
    ------
    FileError
        If the file cannot be read or run, or has no such function.
    """

    def __init__(self, path, name: str):
        try:
            self.source = Path(path).read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as problem:
            raise FileError(cannot_read(path, problem)) from None
        self.__module__, self.__qualname__ = str(path), name
        self._function = None
        try:
            function = self.function
        except Exception as problem:
            raise FileError(f"cannot run {path}: {type(problem).__name__}: {problem}") from None
        if not callable(function):
            raise FileError(f"{path} has no function {name}")

    @property
    def function(self):
        """The function, made from the text when it is first needed in a process."""
        if self._function is None:
            module = ModuleType("onlinemode_sweep_" + hashlib.sha256(self.source.encode()).hexdigest()[:16])
            module.__file__ = self.__module__
            sys.modules[module.__name__] = module  # where dataclasses look for it
            exec(compile(self.source, self.__module__, "exec"), vars(module))
            self._function = getattr(module, self.__qualname__, None)
        return self._function

    @property
    def __signature__(self):
        return inspect.signature(self.function)

    def __getstate__(self):
        return vars(self) | {"_function": None}

    def __call__(self, **values):
        return self.function(**values)


def is_of_file(value: Any) -> bool:
    """Whether a value is a word FILE.py:NAME."""
    return isinstance(value, str) and value.rpartition(":")[0].endswith(".py")


def made_by_file(word: str) -> Any:
    """What FILE.py:NAME names: a function of an array, an Activation, or a Schedule.

    The file runs here, once; what is saved is a table, which needs it no more.

    Raises
    ------
    FileError
        If the file cannot be run, or has nothing of that name.
    """
    path, _, name = word.rpartition(":")
    return FunctionOfFile(path, name).function


def activation_of_file(word: str) -> Activation:
    """The activation of FILE.py:NAME, which is a function of an array, or an Activation.

    Raises
    ------
    FileError, ParameterError
        If the file cannot be run, has nothing of that name, or that cannot be an activation.
    """
    found, name = made_by_file(word), word.rpartition(":")[2]
    if isinstance(found, Activation):
        return found
    return Activation.from_function(found, name=None if is_word(name) else name)
