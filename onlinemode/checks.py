"""Checks of arguments; each raises one clear error and returns the value in its final type.

NumPy is imported where arrays are checked: numbers and names are checked without it, for ``onlinemode --help``, too.
"""

import math
import numbers
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from onlinemode.errors import ParameterError, ShapeError

if TYPE_CHECKING:
    import numpy as np


def integer(name: str, value: Any, minimum: float, maximum: float | None = None) -> int:
    """A whole number of at least ``minimum`` (and at most ``maximum``)."""
    rule = f"{name} must be a whole number ≥ {minimum}" + ("" if maximum is None else f" and ≤ {maximum}")
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole and isinstance(value, numbers.Real) and not isinstance(value, bool) and _finite(value):
        whole = value == int(value)  # type: ignore[call-overload]  # 1e6 is a whole number to a physicist
    if not whole or value < minimum or (maximum is not None and value > maximum):
        raise ParameterError(f"{rule}; got {value!r}")
    return int(value)


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
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if (not real or not _finite(value) or (minimum is not None and value < minimum)
            or (above is not None and value <= above) or (maximum is not None and value > maximum)):
        raise ParameterError(f"{rule}; got {value!r}")
    return float(value)


def _finite(value):
    """Whether a real number is one in float64, too."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def instance(name: str, value: Any, kind: type) -> Any:
    """An object of the class ``kind``."""
    if not isinstance(value, kind):
        raise ParameterError(f"{name} must be an onlinemode.{kind.__name__}; got {type(value).__name__}")
    return value


def choice(name: str, value: Any, allowed: Iterable[str]) -> str:
    """One of the names in ``allowed``."""
    if not isinstance(value, str) or value not in allowed:
        raise ParameterError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
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
        result = np.asarray(value)
        kind = result.dtype.name
        if result.dtype == object and all(isinstance(entry, numbers.Number) for entry in result.flat):
            kinds = {type(entry).__name__: None for entry in result.flat if not isinstance(entry, numbers.Real)}
            kind = next(iter(kinds), kind)
            result = result.astype(np.complex128 if kinds else np.float64)
    except OverflowError:
        raise ParameterError(f"{name} must hold numbers up to 1.8e308; got {_one_line(value)}") from None
    except (TypeError, ValueError, RuntimeError):  # the last of PyTorch, for a tensor with a gradient
        raise ShapeError(f"{name} must be an array of numbers; got {_one_line(value)}") from None
    if result.dtype.kind == "c":
        raise ParameterError(f"{name} must be real; got {kind}: give its .real if that is meant")
    if result.dtype.kind not in "buif":
        raise ShapeError(f"{name} must be an array of numbers; got {_one_line(value)}")
    return result


def _count_masked(value):
    """Masked entries and all entries, of an array or of arrays in lists; NumPy would use what is under the mask."""
    import numpy as np

    if isinstance(value, np.ma.MaskedArray):
        return int(np.ma.getmaskarray(value).sum()), value.size
    if not isinstance(value, (list, tuple)):
        return 0, np.size(value) if isinstance(value, np.ndarray) else 1
    counts = [_count_masked(entry) for entry in value]
    return sum(masked for masked, _ in counts), sum(entries for _, entries in counts)


def _one_line(value):
    return f"{' '.join(repr(value).split()):.80}"


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
