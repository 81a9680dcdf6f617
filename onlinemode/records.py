"""Entries of records that a file holds (JSON): each is there and of its kind, or a ValueError names one that is not.

A kind is a function that tells whether a value is one; its ``__doc__`` are the words for it.
"""

import math
from collections.abc import Callable
from typing import Any

Kind = Callable[[Any], bool]


def text(value: Any) -> bool:
    """a text"""
    return isinstance(value, str)


def flag(value: Any) -> bool:
    """true or false"""
    return isinstance(value, bool)


def whole(value: Any) -> bool:
    """a whole number from 0 up"""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def number(value: Any) -> bool:
    """a finite number"""
    real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return real and abs(value) < 1e300 and math.isfinite(value)


def record(value: Any) -> bool:
    """a record"""
    return isinstance(value, dict)


def or_nothing(kind: Kind) -> Kind:
    """The kind that may be null."""
    return _kind(lambda value: value is None or kind(value), f"{kind.__doc__}, or null")


def one_of(*values: Any) -> Kind:
    """The kind that is one of these values."""
    return _kind(lambda value: any(value == each and type(value) is type(each) for each in values),
                 f"one of {', '.join(str(value) for value in values)}")


def list_of(kind: Kind, length: int | None = None) -> Kind:
    """The kind of lists of one kind, of this length if it is given."""
    return _kind(lambda value: isinstance(value, list) and (length is None or len(value) == length)
                 and all(kind(entry) for entry in value),
                 f"a list, each of it {kind.__doc__}" + ("" if length is None else f", {length} of them"))


def any_of(*kinds: Kind) -> Kind:
    """The kind that is of one of several."""
    return _kind(lambda value: any(kind(value) for kind in kinds), " or ".join(str(kind.__doc__) for kind in kinds))


def check(found: Any, kinds: dict[str, Kind], optional: dict[str, Kind] | None = None,
          name: str = "the header") -> None:
    """Raise ValueError unless ``found`` is a record with entries of these kinds; others may be there as well."""
    if not isinstance(found, dict):
        raise ValueError(f"{name} must be a record; got {_short(found)}")
    optional = optional or {}
    for key, kind in {**kinds, **optional}.items():
        if key not in found:
            if key in kinds:
                raise ValueError(f"{key} is missing in {name}")
        elif not kind(found[key]):
            raise ValueError(f"{key} in {name} must be {kind.__doc__}; got {_short(found[key])}")


def _kind(function, words):
    function.__doc__ = words
    return function


def _short(value):
    return f"{value!r:.40}" if not isinstance(value, (dict, list)) else f"a {'record' if record(value) else 'list'}"
