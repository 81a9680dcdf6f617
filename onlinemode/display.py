"""How results look when they are printed, or are the last line of a notebook's cell: a few lines, not their arrays."""

from html import escape
from typing import Any


class Described:
    """Prints the rows (label, value) of ``_described()``, the first label being the title, as lines or as a table."""

    def __repr__(self) -> str:
        (title, first), *rows = self._described()
        width = max((len(label) for label, _ in rows), default=0)
        lines = [f"  {label:<{width}}  {value}" for label, value in rows]
        return "\n".join([f"{title}: {first}" if first else title, *lines])

    def _repr_html_(self):
        (title, first), *rows = self._described()
        cells = "".join(f'<tr><th style="text-align:left">{escape(label)}</th>'
                        f'<td style="text-align:left">{escape(value)}</td></tr>' for label, value in rows)
        return f"<table><caption>{escape(f'{title}: {first}' if first else title)}</caption>{cells}</table>"


def short_repr(values: Any) -> str:
    """``__repr__`` of a named tuple in one line, arrays by their shapes."""
    words = [f"{name}={short(value)}" for name, value in zip(values._fields, values)]
    return f"{type(values).__name__}({', '.join(words)})"


def short(value: Any, longest: int = 60) -> str:
    """``repr`` in a few characters; of an array its shape."""
    if hasattr(value, "shape") and getattr(value, "ndim", 0):
        return f"array {value.shape}"
    text = " ".join(repr(value).split())
    return text if len(text) <= longest else f"{text[:longest - 3]}..."
