"""Checks of arguments; each raises one clear error and returns the value in its final type.

NumPy is imported where arrays are checked: numbers and names are checked without it, for ``onlinemode --help``, too.
"""

import math
import numbers
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from onlinemode.errors import FileError, ParameterError, ShapeError

if TYPE_CHECKING:
    import numpy as np

MAX_N = 10**15
MOST_DIMENSIONS = 64  # of an array of NumPy: lists that are nested deeper, for example in themselves, are none


def one_line(value: Any) -> str:
    """The beginning of what a value prints as, for a message."""
    try:
        return f"{' '.join(repr(value).split()):.80}"
    except Exception:  # a whole number of thousands of digits, or an object whose class is at fault
        return f"a value of type {type(value).__name__}"


def integer(name: str, value: Any, minimum: float, maximum: float | None = None) -> int:
    """A whole number of at least ``minimum`` (and at most ``maximum``)."""
    rule = f"{name} must be a whole number ≥ {minimum}" + ("" if maximum is None else f" and ≤ {maximum}")
    whole = _is_real(value) and (isinstance(value, numbers.Integral) or (  # 1e6 is a whole number to a physicist
        _finite(value) and value == int(value)))
    if not whole or value < minimum or (maximum is not None and value > maximum):
        raise ParameterError(f"{rule}; got {one_line(value)}")
    return int(value)


def inputs(value: Any) -> int:
    """N, a number of inputs."""
    return integer("N", value, 1, MAX_N)


def power_of_two(name: str, value: Any, minimum: int, maximum: int) -> int:
    """A power of 2, as Sobol nodes need it."""
    value = integer(name, value, minimum, maximum)
    if value & (value - 1):
        raise ParameterError(f"{name} must be a power of 2; got {value}")
    return value


def number(name: str, value: Any, minimum: float | None = None, *, above: float | None = None,
           maximum: float | None = None) -> float:
    """A finite number, ``≥ minimum``, ``> above`` and ``≤ maximum`` where these are given."""
    rule = f"{name} must be a finite number"
    if minimum is not None:
        rule += f" ≥ {minimum:g}"
    if above is not None:
        rule += f" > {above:g}"
    if maximum is not None:
        rule += f" and ≤ {maximum:g}"
    if (not _is_real(value) or not _finite(value) or (minimum is not None and value < minimum)
            or (above is not None and value <= above) or (maximum is not None and value > maximum)):
        raise ParameterError(f"{rule}; got {one_line(value)}")
    return float(value)


def _is_real(value):
    """Whether it is a real number; True is none, nor is a difference of times, which NumPy counts among whole ones."""
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and kind != "m"


def _finite(value):
    """Whether a real number is one in float64, too."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def flag(name: str, value: Any) -> bool:
    """True or False, of Python or of NumPy."""
    kind = type(value)
    if kind is bool or (kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_")):
        return bool(value)
    raise ParameterError(f"{name} must be True or False; got {one_line(value)}")


def path(name: str, value: Any) -> "str | os.PathLike[str]":
    """The path of a file or folder, as text or as a path."""
    if not isinstance(value, (str, os.PathLike)) or not isinstance(os.fspath(value), str):
        raise FileError(f"{name} must be text or a pathlib.Path; got {one_line(value)}")
    return value


def entries(value: Any) -> list | None:
    """The entries of what has some, in order; None of a number, or an array without axes."""
    try:
        return list(value)
    except TypeError:
        return None


def instance(name: str, value: Any, kind: type) -> Any:
    """An object of the class ``kind``."""
    if not isinstance(value, kind):
        raise ParameterError(f"{name} must be an onlinemode.{kind.__name__}; got {type(value).__name__}")
    return value


def choice(name: str, value: Any, allowed: Iterable[str]) -> str:
    """One of the names in ``allowed``."""
    if not isinstance(value, str) or value not in allowed:
        raise ParameterError(f"{name} must be one of {', '.join(allowed)}; got {one_line(value)}")
    return value


def spelled(value: Any, allowed: Iterable[str]) -> Any:
    """The name in ``allowed`` that differs from ``value`` in capitals alone, else ``value`` itself."""
    if not isinstance(value, str):
        return value
    return {name.casefold(): name for name in allowed}.get(value.casefold(), value)


def real(name: str, value: Any) -> "np.ndarray":
    """An array of real numbers of the type that they have, where nothing of ``value`` is lost in it.

    Refused are imaginary parts, masked entries, words that look like numbers, and rows of different lengths.
    """
    import numpy as np

    masked, entries = _count_masked(value)
    if masked:
        raise ParameterError(f"{name} must have no masked entries; {masked} of {entries} are masked: fill them or "
                             "leave them out")
    try:
        result, kind = np.asarray(value), None
        if result.dtype == object and all(isinstance(entry, numbers.Number) for entry in result.flat):
            kinds = {type(entry).__name__: None for entry in result.flat if not isinstance(entry, numbers.Real)}
            kind = next(iter(kinds), None)
            result = result.astype(np.complex128 if kinds else np.float64)
    except OverflowError:
        raise ParameterError(f"{name} must hold numbers up to 1.8e308; got {one_line(value)}") from None
    except (TypeError, ValueError, RuntimeError):  # the last of PyTorch, for a tensor with a gradient
        raise ShapeError(f"{name} must be an array of numbers; got {one_line(value)}") from None
    if result.dtype.kind == "c":
        raise ParameterError(f"{name} must be real; got {kind or result.dtype.name}: give its .real if that is meant")
    if result.dtype.kind not in "buif":
        raise ShapeError(f"{name} must be an array of numbers; got {one_line(value)}")
    return result


def _count_masked(value, depth=0):
    """Masked entries and all entries, of an array or of arrays in lists; NumPy would use what is under the mask."""
    import numpy as np

    if isinstance(value, np.ma.MaskedArray):
        return int(np.ma.getmaskarray(value).sum()), value.size
    if not isinstance(value, (list, tuple)) or depth == MOST_DIMENSIONS:
        return 0, np.size(value) if isinstance(value, np.ndarray) else 1
    if set(map(type, value)) <= {int, float}:  # often, and long
        return 0, len(value)
    counts = [_count_masked(entry, depth + 1) for entry in value]
    return sum(masked for masked, _ in counts), sum(entries for _, entries in counts)


def array(name: str, value: Any, shape: tuple | None = None, *, symbols: str = "") -> "np.ndarray":
    """A finite, read-only float64 copy; ``shape`` may hold None for a free length.

    ``symbols`` names the shape in the message, for example ``"(K, P)"``.
    """
    import numpy as np

    result = np.array(real(name, value), dtype=np.float64, order="C")
    if shape is not None:
        fits = result.ndim == len(shape) and all(
            want is None or want == have for want, have in zip(shape, result.shape))
        if not fits:
            sizes = ", ".join("any" if n is None else str(n) for n in shape)
            wanted = f"({sizes},)" if len(shape) == 1 else f"({sizes})"
            raise ShapeError(f"{name} must have shape {symbols + ' = ' if symbols else ''}{wanted}; got {result.shape}")
    if 0 in result.shape:
        raise ShapeError(f"{name} must not be empty; got shape {result.shape}")
    if not np.all(np.isfinite(result)):
        position = tuple(int(i) for i in np.argwhere(~np.isfinite(result))[0])
        raise ParameterError(f"{name} must be finite; entry {position} is {result[position]}")
    result.flags.writeable = False
    return result


def matrices(name: str, values: Any, rows: int | None = None, columns: int | None = None,
             symbols: str = "") -> "np.ndarray":
    """An array of matrices of this shape, with any axes in front."""
    values = real(name, values)
    fits = values.ndim >= 2 and 0 not in values.shape[-2:] and all(
        want is None or want == have for want, have in zip((rows, columns), values.shape[-2:]))
    if not fits:
        wanted = "" if rows is None else f" = (..., {rows}, {columns})"
        raise ShapeError(f"{name} must have shape {symbols}{wanted}; got {values.shape}")
    return values


def leading_axes(**matrices: Any) -> None:
    """Raise ShapeError unless the axes before the last two go together."""
    import numpy as np

    try:
        np.broadcast_shapes(*(values.shape[:-2] for values in matrices.values()))
    except ValueError:
        shapes = ", ".join(str(values.shape) for values in matrices.values())
        raise ShapeError(f"the leading axes of {', '.join(matrices)} must agree; got shapes {shapes}") from None
