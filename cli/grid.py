"""The grid of ``onlinemode sweep``: its axes on the command line, its points, and the folder of its results."""

import itertools
import json
import math
from pathlib import Path

import click

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
    size = math.prod(len(values) for values in axes.values())
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
    import numpy as np

    begin, end, number, *rest = [*text.split(":"), "", ""]
    if [part for part in rest if part] not in ([], ["log"]) or text.count(":") > 3:
        raise click.UsageError(f"a range is FROM:TO:COUNT or FROM:TO:COUNT:log; got {text!r} for {name}")
    try:
        low, high, points = float(begin), float(end), int(number)
    except ValueError:
        raise click.UsageError(f"a range is FROM:TO:COUNT or FROM:TO:COUNT:log; got {text!r} for {name}") from None
    if points > MOST_POINTS:
        raise click.UsageError(f"a sweep has at most {MOST_POINTS:,} points; got {points:,} for {name}")
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


def file_of(point):
    """Name of the file of a point's run."""
    return ",".join(f"{name}={value}" for name, value in point.items()) + ".npz"


class Folder:
    """The folder of a sweep's results: made with the first of them, and recognised when the sweep goes on.

    A sweep is known by the names of its options and by what it holds fixed: other values of the same options
    are more points of the same sweep.

    Parameters
    ----------
    out : str or None
        ``None``: a new name after the swept options, or that of the same sweep if it is there.
    names : sequence of str
        The swept options.
    settings : dict
        All settings of one point.

    Raises
    ------
    FileError
        If the folder is that of something else, or cannot be made.
    """

    def __init__(self, out, names, settings):
        from onlinemode import __version__
        from onlinemode.errors import FileError
        from onlinemode.storage import check_writable

        fixed = {name: value for name, value in settings.items() if name not in (*names, *_FREE)}
        self._description = json.loads(json.dumps({"version": __version__, "swept": list(names), **fixed}))
        start = "" if "init" in names else f"_{settings['init']}"
        self.path, number = Path(out or f"sweep{start}_{'_'.join(names)}"), 1
        while not out and self._difference():
            number += 1
            self.path = Path(f"sweep{start}_{'_'.join(names)}_{number}")
        if difference := self._difference():
            raise FileError(f"{self.path} {difference}: give another folder with --out")
        if not self.path.exists():
            check_writable(self.path)

    def _difference(self):
        """What keeps this sweep out of the folder, in words; "" where nothing does."""
        if not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir())):
            return ""
        try:
            found = json.loads((self.path / DESCRIPTION).read_text(encoding="utf-8"))
            known = dict(found)
        except (OSError, ValueError, TypeError):
            return "is not the folder of a sweep"
        for name, value in self._description.items():
            if name not in known or known[name] != value:
                return f"holds another sweep, whose {name} is {known.get(name)} and not {value}"
        return ""

    def make(self):
        """The folder, with the description of the sweep in it."""
        from onlinemode.storage import replacing

        self.path.mkdir(exist_ok=True)
        if not (self.path / DESCRIPTION).exists():
            with replacing(self.path / DESCRIPTION, "w") as stream:
                json.dump(self._description, stream, indent=2, ensure_ascii=False)


_FREE = (*(name for name in OUTPUT if name != "save_at"), "threads")  # options without influence on the results
