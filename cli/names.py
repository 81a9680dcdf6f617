"""Names of result files: how a command finds them, and claims them before it computes.

A name that nobody gave is new: it says in a few words what was run, and takes a number where it is there already.
A name given with ``--out`` must be free, unless ``--overwrite`` is given.
"""

import os
import re
from pathlib import Path

import click

from onlinemode.cli.options import DEFAULTS

RESULT = ".npz"
PICTURE = ".png"
MOVIE = ".gif"
CURVES = ".csv"
STATISTICS = "_ensemble.csv"
_NUMBERS = re.compile(r"[-+.\de]*\d[-+.\de]*(,[-+.\de]*\d[-+.\de]*)*")


def claim_runs(settings, command, endings=("",), replaceable=None):
    """Claim the files of one or several runs of a problem, with one picture.

    Parameters
    ----------
    settings : dict
    command : str
    endings : sequence of str
        What the names of the runs' files add to the common name.
    replaceable : callable, optional
        ``replaceable(path)`` says of a result that is there whether this run may replace it all the same.

    Returns
    -------
    onlinemode.claims.Claim
        Released when the command ends.

    Raises
    ------
    FileError, ParameterError
    """
    check_numbers(settings)
    tails = [ending + tail for ending in endings for tail in _tails_of_run(settings)]
    return claim_files(settings, default_name(settings, command), endings, tails, replaceable)


def check_numbers(settings):
    """Raise ParameterError for an N or a seed that is too large, for a name, too."""
    from onlinemode import checks
    from onlinemode.initial import MAX_N
    from onlinemode.simulation import MAX_SEED

    if settings["N"] is not None:
        checks.integer("N", settings["N"], 1, MAX_N)
    checks.integer("seed", settings["seed"], 0, MAX_SEED)


def _tails_of_run(settings):
    tails = [RESULT]
    if settings["csv"]:
        tails += [CURVES] + ([STATISTICS] if (settings.get("replicas") or 1) > 1 else [])
    return tails


def default_name(settings, command):
    """Command, start, N, whatever is not the usual kind, and the seed: ``simulate_showcase_N1000_manifold_seed0``."""
    size = [] if settings["N"] is None else [f"N{settings['N']}"]
    return "_".join([command, settings["init"], *size, *unusual(settings), f"seed{settings['seed']}"])


def unusual(settings, usual=DEFAULTS):
    """A word for each of engine, activation, loss, labels and so on that is not the usual one."""
    names = ("engine", "activation", "teacher_activation", "loss", "labels", "constraint", "inputs", "readout",
             "overlap_of")
    return [_one_word(settings[name]) for name in names if settings.get(name) not in (None, usual[name])]


def _one_word(value):
    """A value in a name.

    ``he3`` of ``he:3``, ``poly0_-1_0.5`` of ``poly:0,-1,0.5``, ``manifold`` of ``manifold:D=100,erf``, and of a path
    its file's name without the suffix.
    """
    kind, _, numbers = str(value).partition(":")
    if kind.isalpha() and _NUMBERS.fullmatch(numbers):
        return kind + numbers.replace(",", "_").replace("+", "")
    return re.sub(r"[^\w.-]", "_", Path(re.split("[:(,]", str(value))[0]).stem) or "inputs"


def claim_files(settings, stem, endings=("",), tails=(RESULT,), replaceable=None):
    """Claim ``--out``, or a new name in the current folder: ``tails``, and a picture where one is wanted.

    Parameters
    ----------
    settings : dict
        ``out``, ``overwrite``, ``plot``, and of a resumed run the ``name`` that it began with.
    stem : str
        The name where the user gives none.
    endings : sequence of str
        What the names of the single results add.
    tails : sequence of str
        Of all files but the picture.
    replaceable : callable, optional
        As for :func:`claim_runs`.

    Returns
    -------
    onlinemode.claims.Claim
        Released when the command ends.

    Raises
    ------
    FileError
    """
    from onlinemode.claims import claim, claim_free
    from onlinemode.errors import FileError
    from onlinemode.storage import archive_path

    tails = [*tails, *([PICTURE] if settings["plot"] is not False else [])]
    others = [ending + tail for ending in endings for tail in (RESULT, CURVES, STATISTICS)] + [PICTURE]
    made = None

    def replace(base):
        if settings["overwrite"]:
            return True
        return replaceable is not None and replaceable(base.with_name(base.name + endings[0] + RESULT))

    if settings["out"] is not None:
        base = archive_path(settings["out"]).with_suffix("")
        made = claim(base, tails, lambda: replace(base))
    elif settings["overwrite"]:
        made = claim(fitting(stem, tails), tails, replace=True)
    elif settings.get("name") is not None:
        base = Path(settings["name"])
        try:
            made = claim(base, tails, lambda: replace(base))
        except FileError:
            pass
    if made is None:
        made = claim_free(stem, tails, others)
    return until_the_end(made)


def claim_file(out, default, suffix, overwrite, others=()):
    """Claim one file (and ``others`` beside it): ``out``, with the suffix added where it lacks it, or a new name.

    Returns
    -------
    onlinemode.claims.Claim
        Released when the command ends.

    Raises
    ------
    FileError
    """
    from onlinemode.claims import claim, claim_free
    from onlinemode.errors import FileError

    tails = (suffix, *others)
    if out is None and not overwrite:
        return until_the_end(claim_free(default, tails))
    if out is None:
        return until_the_end(claim(fitting(default, tails), tails, replace=True))
    path = Path(out)
    if path.name in ("", "..") or os.path.isdir(path):
        raise FileError(f"cannot write {path}: it is a folder; give a file name")
    base = path.with_suffix("") if path.suffix == suffix else path
    return until_the_end(claim(base, tails, overwrite))


def fitting(stem, tails):
    """A default name, cut where it would be too long."""
    from onlinemode.claims import numbered

    return numbered(stem, 1, room=max(tails, key=len))


def hold(path):
    """Keep other processes from a file, a checkpoint, that this one reads and writes again and again.

    Raises
    ------
    FileError
        If another running process holds it, or it is a folder.
    """
    from onlinemode.claims import Lock
    from onlinemode.errors import FileError

    if os.path.isdir(Path(path)):  # "" is this folder, too
        raise FileError(f"cannot write {path or repr(path)}: it is a folder; give a file name")
    until_the_end(Lock(path))


def until_the_end(resource):
    """Release a claim when the command ends."""
    return click.get_current_context().with_resource(resource)
