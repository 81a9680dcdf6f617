"""Kinds of files that people write: TOML and CSV."""

from pathlib import Path

from hostile.runs import SMALL_RUN
from hostile.spoiling import NO_CHECKSUM, Kind, bytes_spoiler, nothing_more
from hostile.tomls import random_options, random_overlaps, random_sweep

OPTIONS = ["N", "K", "eta", "noise", "alpha", "activation", "seed", "save_at", "init"]
POINTS = (b"a,b", b"K,eta\n" + b"1,1\n" * 2000, b"\xff\xfe", b'"K', b"K,K\n1,1", b"K\n" + b"9" * 5000, b"K,eta\n1",
          b"x" * 200_000, b"K,eta\n1,nan\n", b"K,eta\n\0,1\n", b"K,eta\n,\n", b"eta\n" + b'"' + b"1\n" * 1000)


def _read_options():
    from onlinemode.cli.options import OPTIONS, options_of_toml
    from onlinemode.cli.toml_files import read_toml

    return options_of_toml("options.toml", read_toml("options.toml"), OPTIONS)


def _read_overlaps():
    from onlinemode.cli.overlaps import read_overlaps

    return read_overlaps("overlaps.toml")


def _read_sweep():
    from onlinemode.cli.sweep_file import read_sweep

    return read_sweep("sweep.toml")


def _read_points():
    from onlinemode import Experiment
    from onlinemode.sweeps.plan import plan_of

    return plan_of(Experiment(N=40, alpha=1.0, engine="chain"), {"csv": "points.csv"}).describe()


def _text_kind(name, file, content, command, random_content, read):
    return Kind(name, lambda: Path(file).write_text(content), read, nothing_more, [command],
                bytes_spoiler([file], lambda generator: ("random", random_content(generator))), NO_CHECKSUM)


KINDS = [
    _text_kind("options, .toml", "options.toml", 'eta = 2.0\nactivation = "erf"\nseed = 3\n',
               ("ode", *SMALL_RUN, "--config", "options.toml"),
               lambda generator: random_options(generator, OPTIONS), _read_options),
    _text_kind("overlaps, .toml", "overlaps.toml", "Q = [[1.0, 0.0], [0.0, 1.0]]\nR = [[0.1, 0.0], [0.0, 0.2]]\n"
               "T = [[1.0, 0.0], [0.0, 1.0]]\n", ("ode", "--start", "overlaps.toml", "--alpha", "1", "--no-plot"),
               random_overlaps, _read_overlaps),
    _text_kind("sweep, .toml", "sweep.toml", 'seeds = 2\nobservables = ["Q"]\n[over]\neta = "1:2:2"\n',
               ("sweep", "sweep.toml", *SMALL_RUN), lambda generator: random_sweep(generator, OPTIONS), _read_sweep),
    _text_kind("points, .csv", "points.csv", "K,eta\n1,1.0\n2,0.5\n",
               ("sweep", "--over", "points.csv", "--alpha", "1", "--N", "40", "--no-plot"),
               lambda generator: generator.choice(POINTS), _read_points),
]
