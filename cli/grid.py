"""The grid of ``onlinemode sweep``: what ``--over`` says."""

import math

import click

from onlinemode.cli.options import WholeNumber, convert, option_type


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
    from onlinemode.sweep_grid import KINDS, MOST_POINTS

    axes = {}
    for text in over:
        name, equals, values = text.partition("=")
        name = name.strip().lstrip("-").replace("-", "_")
        if not equals or not values.strip():
            raise click.UsageError("--over must be NAME=VALUES, for example eta=1,2,5 or N=100:1e6:5:log; got "
                                   f"{text!r}")
        if name not in KINDS:
            raise click.UsageError(f"--over can sweep {', '.join(KINDS)}; got {name!r}")
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

    from onlinemode.sweep_grid import MOST_POINTS

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
    if isinstance(option_type(name), WholeNumber):
        return [int(value) for value in dict.fromkeys(np.rint(values))]
    return [convert(name, float(f"{value:.12g}")) for value in values]
