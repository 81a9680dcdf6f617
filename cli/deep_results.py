"""What the commands that analyse trained networks share: reading networks, writing results."""

import csv

import click
import numpy as np

from onlinemode.cli.deep_options import DEEP_OPTIONS
from onlinemode.cli.names import CURVES, PICTURE, RESULT, claim_files
from onlinemode.errors import FileError, ShapeError

KIND = "mode analysis"
OUTPUT = [click.option("--csv", is_flag=True, help="Write the curves as .csv, too."),
          *(DEEP_OPTIONS[name] for name in ("out", "overwrite", "plot", "json", "quiet"))]
TESTED_ON = [DEEP_OPTIONS["data"], DEEP_OPTIONS["data_dir"]]


def with_options(options):
    """Decorator: these click options, shown in this order."""

    def decorate(function):
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def read_networks(files):
    """The networks of these files, all of one shape and of the same data.

    Raises
    ------
    FileError, ShapeError
    """
    from onlinemode.deep import load

    networks = [load(path) for path in files]
    data = {path: meta["dataset"]["fingerprint"] for path in files if (meta := _meta(path))}
    if len(set(data.values())) > 1:
        raise ShapeError(f"networks to average over must have learned from the same data; {' and '.join(data)} have "
                         "not: analyse them one by one")
    for number, (path, network) in enumerate(zip(files, networks)):
        for before in range(number):
            one, other = networks[before].state(), network.state()
            if one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one):
                raise ShapeError(f"networks to average over must differ; {files[before]} and {path} hold the same "
                                 "weights")
        if (network.sizes, network.modes, network.variant) != (networks[0].sizes, networks[0].modes,
                                                               networks[0].variant):
            raise ShapeError(f"networks to average over must have one shape; {files[0]} is {networks[0]!r}, {path} is "
                             f"{network!r}: analyse them one by one")
    return networks


def _meta(path):
    """What a training run's file says of the run; None for the file of a network alone."""
    from onlinemode.deep.network import KIND as NETWORK
    from onlinemode.deep.network import RUN
    from onlinemode.storage import read_archive

    return read_archive(path, (NETWORK, RUN))[0].get("meta")


def find_tests(files, networks, data, data_dir):
    """The Dataset that the networks are tested on: the one named, else that of the first training run.

    Raises
    ------
    FileError, ShapeError
    """
    from onlinemode.deep import data as sets

    if data is None and data_dir is not None:
        raise click.UsageError("--data-dir is the folder of a data set; name it with --data, too")
    if data is not None:
        dataset = sets.find(data, data_dir)
    else:
        meta = _meta(files[0])
        if meta is None:
            raise FileError(f"{files[0]} holds a network without its data; name them with --data")
        dataset = sets.remake(meta["dataset"]["origin"])
        for path in files:
            meta = _meta(path)
            if meta is not None and meta["dataset"]["fingerprint"] != dataset.fingerprint:
                raise FileError(f"{path} learned from other data than {dataset.name} as it is now: name the data to "
                                "test on with --data")
    for path, network in zip(files, networks):
        if network.sizes[0] != dataset.inputs:
            raise ShapeError(f"{path} takes {network.sizes[0]} inputs and {dataset.name} has {dataset.inputs}: name "
                             "its own data with --data")
        network.prepared_targets(dataset.test_y)
    return dataset


def plain(value):
    """Named tuples, arrays and NumPy numbers as dicts, lists and numbers."""
    if hasattr(value, "_asdict"):
        return {name: plain(entry) for name, entry in value._asdict().items()}
    if isinstance(value, dict):
        return {name: plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def claim_analysis(settings, stem):
    """Claim the files that :func:`finish` writes: ``--out``, or a new name that begins with ``stem``."""
    return claim_files(settings, stem, tails=[RESULT, *([CURVES] if settings["csv"] else [])])


def kind_of(ranking):
    """What a ranking adds to the name of a result: nothing for the usual one."""
    return "" if ranking == "tau" else f"_{ranking}"


def finish(settings, claim, summary, arrays, rows, figure):
    """Write the archive, the table and the picture; print the summary as JSON, or the files' names.

    Parameters
    ----------
    settings : dict
        csv, plot, json, quiet.
    claim : onlinemode.claims.Claim
    summary : dict
        The header of the archive, and what ``--json`` prints.
    arrays : dict
    rows : list of dict
        Of the table; all with the same keys.
    figure : callable
        Makes the picture.
    """
    from onlinemode.cli import report
    from onlinemode.storage import replacing, write_archive

    summary = plain(summary)

    def write_table(path):
        with replacing(path, "w") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    files = {"result": claim.write(RESULT, lambda path: write_archive(path, KIND, {"analysis": summary}, arrays))}
    if settings["csv"]:
        files["table"] = claim.write(CURVES, write_table)
    if settings["plot"] is not False:
        from onlinemode.cli.pictures import plotting

        files["picture"] = claim.write(PICTURE, lambda path: plotting.save_figure(figure(), path))
    if settings["json"]:
        report.print_json({**summary, "result_files": {name: str(each) for name, each in files.items()}})
    elif not settings["quiet"]:
        report.print_files(files)


def counted(networks):
    """How many networks, in words."""
    return f"{len(networks)} network{'s' if len(networks) > 1 else ''}"


def describe(network):
    """Variant, sizes and modes in a few words."""
    modes = f", P = {', '.join(str(P) for P in sorted(set(network.modes), reverse=True))}" if network.modes else ""
    return f"{network.variant} [{', '.join(str(n) for n in network.sizes)}]{modes}"


def spoken(settings):
    """Whether tables are printed."""
    return not (settings["quiet"] or settings["json"])
