"""The grid of ``onlinemode sweep``: its axes on the command line, its points, and the folder of its results."""

import itertools
import json
from pathlib import Path

import click
import numpy as np

from onlinemode.cli.options import OUTPUT, PROBLEM, START, WHOLE, convert, option_type

NAMES = tuple(name for name in (*START, "alpha", *PROBLEM) if name != "inputs")
MOST_POINTS = 10_000
DESCRIPTION = "sweep.json"


def parse(over):
    """Name of each swept option to the list of its values.

    Parameters
    ----------
    over : sequence of str
        ``NAME=V1,V2,...``, ``NAME=FROM:TO:COUNT`` or ``NAME=FROM:TO:COUNT:log``.

    Raises
    ------
    click.UsageError
    """
    axes = {}
    for text in over:
        name, equals, values = text.partition("=")
        name = name.strip().lstrip("-").replace("-", "_")
        if not equals or not values.strip():
            raise click.UsageError("--over must be NAME=VALUES, for example eta=1,2,5 or N=100:1e6:5:log; got "
                                   f"{text!r}")
        if name not in NAMES:
            raise click.UsageError(f"--over can sweep {', '.join(NAMES)}; got {name!r}")
        if name in axes:
            raise click.UsageError(f"--over names every option once; got {name} twice: give all its values in one")
        axes[name] = _values(name, values)
    size = int(np.prod([len(values) for values in axes.values()], dtype=object))
    if size > MOST_POINTS:
        raise click.UsageError(f"a sweep has at most {MOST_POINTS:,} points; got {size:,}")
    return axes


def _values(name, text):
    if ":" not in text:
        values = [convert(name, part.strip()) for part in text.split(",")]
    else:
        values = _range(name, text)
    if len(set(values)) < len(values):
        raise click.UsageError(f"the values of --over {name} must differ; got {text}")
    return values


def _range(name, text):
    begin, end, number, *rest = [*text.split(":"), "", ""]
    if [part for part in rest if part] not in ([], ["log"]) or text.count(":") > 3:
        raise click.UsageError(f"a range is FROM:TO:COUNT or FROM:TO:COUNT:log; got {text!r} for {name}")
    try:
        low, high, points = float(begin), float(end), int(number)
    except ValueError:
        raise click.UsageError(f"a range is FROM:TO:COUNT or FROM:TO:COUNT:log; got {text!r} for {name}") from None
    if points < 2 or not np.isfinite([low, high]).all() or ("log" in rest and min(low, high) <= 0.0):
        raise click.UsageError("a range has at least 2 points, finite ends, and positive ones with log; got "
                               f"{text!r} for {name}")
    values = np.geomspace(low, high, points) if "log" in rest else np.linspace(low, high, points)
    if option_type(name) is WHOLE:
        return [int(value) for value in dict.fromkeys(np.rint(values))]
    return [convert(name, float(f"{value:.12g}")) for value in values]


def points(axes):
    """The points of the grid, dicts from name to value; the last option runs fastest."""
    return [dict(zip(axes, values)) for values in itertools.product(*axes.values())]


class Folder:
    """The folder of a sweep's results: made with the first of them, and recognised when the sweep goes on.

    Parameters
    ----------
    out : str or None
        ``None``: a new name after the swept options, or that of the same sweep if it is there.
    axes : dict
    settings : dict
        All settings of the first point.

    Raises
    ------
    FileError
        If the folder is that of something else, or cannot be made.
    """

    def __init__(self, out, axes, settings):
        from onlinemode.errors import FileError
        from onlinemode.storage import check_writable

        fixed = {name: value for name, value in settings.items() if name not in (*axes, *_FREE)}
        self._description = json.loads(json.dumps({"over": axes, "options": fixed}))
        name = out or f"sweep_{settings['init']}_{'_'.join(axes)}"
        self.path, number = Path(name), 1
        while not out and self.path.exists() and not self._is_this():
            number += 1
            self.path = Path(f"{name}_{number}")
        if self.path.exists() and not self._is_this():
            raise FileError(f"{self.path} holds something else than this sweep ({DESCRIPTION} there would say): give "
                            "another folder with --out, or repeat the options of its sweep")
        if not self.path.exists():
            check_writable(self.path)

    def _is_this(self):
        """Whether the folder holds results of this sweep, or nothing."""
        try:
            if not any(self.path.iterdir()):
                return True
            return json.loads((self.path / DESCRIPTION).read_text(encoding="utf-8")) == self._description
        except (OSError, ValueError):
            return False

    def make(self):
        """The folder, with the description of the sweep in it."""
        from onlinemode.storage import replacing

        self.path.mkdir(exist_ok=True)
        if not (self.path / DESCRIPTION).exists():
            with replacing(self.path / DESCRIPTION, "w") as stream:
                json.dump(self._description, stream, indent=2, ensure_ascii=False)


_FREE = (*(name for name in OUTPUT if name != "save_at"), "threads")  # options without influence on the results
