"""What all pictures share: colours (Okabe and Ito's, which stay apart for colour-blind readers), numbers, files."""

import io
import textwrap
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from os import PathLike

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Of runs, units and modes: those of Okabe and Ito, which stay apart for colour-blind readers."""
GREY = "#777777"
"""Of lines for orientation."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
"""Of simulations of one replica."""
MOST_NUMBERED, MOST_STEPS = 12, 6  # units of a map that are numbered one by one, else numbers


def colours_of(count):
    """A colour for each of ``count`` units or modes: those of the list, or of a scale where there are more."""
    if count <= len(COLOURS):
        return COLOURS[:count]
    return tuple(map(to_hex, matplotlib.colormaps["viridis"](np.linspace(0.0, 0.95, count))))


def in_legend(count):
    """Which of ``count`` units or modes a legend names: all, or a few where there are more than colours."""
    return range(count) if count <= len(COLOURS) else sorted(set(np.linspace(0, count - 1, 5).round().astype(int)))


def number_ticks(axis, count):
    """Ticks of a map's axis of ``count`` units, counted from 1: each of them, or round numbers where they are many."""
    if count <= MOST_NUMBERED:
        numbers = range(1, count + 1)
    else:
        step = next(step for power in range(20) for step in (10**power, 2 * 10**power, 5 * 10**power)
                    if count <= MOST_STEPS * step)
        numbers = [1, *range(step, count + 1, step)]
    axis.set_ticks([number - 1 for number in numbers], numbers)


def use_defaults() -> None:
    """From here on draw as Matplotlib does without a user's settings."""
    matplotlib.rcdefaults()


class ShownFigure(Figure):
    """A figure that notebooks show where it is the value of a cell, also before pyplot has been used."""

    def _repr_png_(self) -> bytes:
        image = io.BytesIO()
        _print_png(self, image)
        return image.getvalue()


def new_figure(width: float, height: float, title: str | None = None) -> Figure:
    """An empty figure.

    Parameters
    ----------
    width, height : float
        In inches.
    title : str, optional
        Any text, such as the name of a file; formulas are not read as such.

    Returns
    -------
    matplotlib.figure.Figure
        With constrained layout; notebooks show it where it is the value of a cell.
    """
    figure = ShownFigure(figsize=(width, height), layout="constrained")
    if title:
        figure.suptitle(title.encode("utf-8", "backslashreplace").decode(), fontsize="medium", parse_math=False)
    return figure


def wrapped(title: str | None, width: float) -> str | None:
    """A title in as many lines as a figure of this width in inches needs for it."""
    return title and textwrap.fill(title, int(13 * width))


def undisturbed(function: Callable, *arguments: object) -> object:
    """What a function returns that draws, called in another thread.

    Signals come in the main thread alone: Ctrl-C in the middle of a drawing would not be a KeyboardInterrupt, since
    Matplotlib's compiled code replaces any error that it meets by one of its own.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(function, *arguments).result()


def save_figure(figure: Figure, path: str | PathLike[str]) -> None:
    """Write a figure as PNG, whole or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Any.
    path : str or path
        Of the file; one that is there is replaced.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    from onlinemode.storage import replacing

    with replacing(path) as file:
        _print_png(figure, file)


def _print_png(figure, file):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a file name in letters that the font lacks
        undisturbed(FigureCanvasAgg(figure).print_png, file)


def thousands(number):
    return f"{number:,}".replace(",", r"\,")


def short(number):
    return thousands(round(number)) if abs(number) >= 1000.0 else f"{number:.3g}"
