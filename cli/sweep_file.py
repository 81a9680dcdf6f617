"""What is swept, on the command line (``--over``) and in a file, SWEEP.toml."""

import click

from onlinemode.cli.options import OPTIONS, options_of_toml
from onlinemode.cli.toml_files import read_toml
from onlinemode.errors import ConfigError

OWN = ("over", "seeds", "observables", "runs", "make")  # keys beside the options of a run
EXAMPLE = "eta=1,2,5, N=100:1e6:5:log, K,M=2,2;3,2 or points.csv"


def parse_over(texts):
    """Name, or names, to the words of the values, of several ``--over``.

    Raises
    ------
    click.UsageError
    """
    over = {}
    for text in texts:
        names, equals, values = text.partition("=")
        if not equals and text.strip().endswith(".csv"):
            names, values = "csv", text.strip()
        elif not equals or not values.strip():
            raise click.UsageError(f"--over must be NAME=VALUES, for example {EXAMPLE}; got {text!r}")
        key = ",".join(name.strip().lstrip("-").replace("-", "_") for name in names.split(","))
        if key in over:
            raise click.UsageError(f"--over names every option once; got {key} twice: give all its values in one")
        over[key] = values.strip()
    return over


def read_sweep(path):
    """The options of runs that a file gives, and its own keys.

    Returns
    -------
    options, own : dict

    Raises
    ------
    FileError, ConfigError
    """
    values = read_toml(path)
    own = {name: values.pop(name) for name in OWN if name in values}
    over = own.get("over", {})
    if not isinstance(over, dict):
        raise ConfigError(f"{path}: over must be a table, [over], of names and values; got {over!r:.80}")
    for name, kind, words in (("runs", bool, "true or false"), ("make", str, "FILE.py:NAME or MODULE:NAME"),
                              ("observables", (str, list), "a list of names"), ("seeds", (int, list), "a number or a "
                                                                               "list of seeds")):
        if name in own and not isinstance(own[name], kind):
            raise ConfigError(f"{path}: {name} must be {words}; got {own[name]!r:.80}")
    if isinstance(own.get("observables"), str):
        own["observables"] = own["observables"].split(",")
    return options_of_toml(path, values, OPTIONS, OWN), own
