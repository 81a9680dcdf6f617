"""What all pictures share: colours (Okabe and Ito's, which stay apart for colour-blind readers), numbers, files."""

import warnings

import matplotlib
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
GREY = "#777777"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")


def use_defaults():
    """From here on draw as Matplotlib does without a user's settings."""
    matplotlib.rcdefaults()


def new_figure(width, height, title=None):
    """An empty figure of a size in inches, with its title, which may hold any file name and no formulas."""
    figure = Figure(figsize=(width, height), layout="constrained")
    if title:
        figure.suptitle(title.encode("utf-8", "backslashreplace").decode(), fontsize="medium", parse_math=False)
    return figure


def save_figure(figure, path):
    """Write a figure as PNG, whole or not at all.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from onlinemode.storage import replacing

    with replacing(path) as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a file name in letters that the font lacks
        FigureCanvasAgg(figure).print_png(file)


def thousands(number):
    return f"{number:,}".replace(",", r"\,")


def short(number):
    return thousands(round(number)) if abs(number) >= 1000.0 else f"{number:.3g}"
