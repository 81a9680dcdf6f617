"""``--checkpoint``, ``--every`` and ``--resume``: what the command line adds to checkpoints."""

import os
import sys
from pathlib import Path
from types import NoneType

import click

from onlinemode.cli.exit_codes import DONE
from onlinemode.cli.names import hold
from onlinemode.cli.options import DEFAULTS, OPTIONS, OUTPUT, converted, typed_values
from onlinemode.errors import FileError
from onlinemode.schedules import Schedule, to_plain

FREE_TEXTS = ("name", "init")  # in a checkpoint: the files' name, and how the run began, in words
FREE = (*OUTPUT, "threads")  # options that have no influence on the result, or only on where it goes


def resumed_settings(path, given):
    """The settings of the run in a checkpoint; those repeated on the command line must agree.

    Raises
    ------
    FileError
        If it cannot be read.
    click.UsageError
        If an option differs from that of the run.
    """
    from onlinemode.runtime.checkpoint import read_checkpoint

    note = read_checkpoint(path)["header"].get("note")
    if not isinstance(note, dict) or "engine" not in note:
        raise FileError(f"{path} was written from Python, not by onlinemode simulate; resume it with om.resume")
    theory = note.get("theory", True)  # of files that do not say so
    if not isinstance(theory, bool):
        raise FileError(f"cannot resume {path}: its option theory is damaged; start the run anew")
    return with_repeated(settings_in(note, path, OPTIONS, DEFAULTS) | {"theory": theory}, given, path, FREE)


def settings_in(note, path, options, defaults):
    """The settings that a command left in its checkpoint, each checked as on the command line.

    Parameters
    ----------
    note : dict
        Of the checkpoint.
    path : str
        The checkpoint, for messages.
    options, defaults : dict
        All options that the command may have, and their defaults.

    Returns
    -------
    dict

    Raises
    ------
    FileError, ConfigError
    """
    settings = {}
    for name in (*options, *FREE_TEXTS):
        value = note.get(name)
        missing = value is None and defaults.get(name) not in (None, False)
        if missing or (name in FREE_TEXTS and not isinstance(value, (str, NoneType))):
            raise FileError(f"cannot resume {path}: its option {name} is missing or damaged; start the run anew")
        free = value is None or name in FREE_TEXTS
        settings[name] = value if free else converted(path, name, value, options)
    return settings


def with_repeated(settings, given, path, free, options=OPTIONS):
    """The settings of a checkpoint with those that are ``free`` and given again; others must agree.

    Parameters
    ----------
    settings, given : dict
        Of the run, and of the command line, with ``config``.
    path : str
        The checkpoint, for messages.
    free : sequence of str
    options : dict, default those of simulations
        All that a ``--config`` file may hold.

    Returns
    -------
    dict

    Raises
    ------
    click.UsageError
        If one does not.
    """
    if given.get("preset") is not None:
        raise click.UsageError(f"--preset does not go with the run in {path}, which has its own settings; leave it out")
    for name, value in typed_values(given, options).items():
        if name == "preset" or name not in given:  # settings stand in its place; of another command
            continue
        own = settings.get(name)
        if name not in free and own != value:
            option = "--" + name.replace("_", "-")
            raise click.UsageError(f"{option} must be that of the run in {path}, "
                                   f"{'which has none' if own is None else own}; got {value}: leave it out, it is in "
                                   "the file")
        settings[name] = value
    return settings


def is_part_of_run(path, checkpoint):
    """Whether a result is of the run in a checkpoint, which goes on under that name: what it left when it was stopped.

    Or all of it, where the command was stopped later, while it drew: made again it is the same to the bit.
    """
    from onlinemode.runtime.checkpoint import read_checkpoint
    from onlinemode.storage import read_archive
    from onlinemode.trajectory import KIND

    try:
        found, run = read_archive(path, KIND)[0], read_checkpoint(checkpoint)["header"]
        of_device = {"device": None}  # auto became what it was
        return (found["problem"] == run["problem"] and found["meta"]["start"] == run["start"]
                and found["meta"]["call"] | of_device == run["call"] | of_device)
    except (FileError, KeyError, TypeError):
        return False


class Keeper:
    """Looks after the checkpoint of one command: a finished run leaves none, an unfinished one says how to go on.

    Parameters
    ----------
    path, every, resumed
        The values of the three options, None where not given.
    out : str or None
        Where the result goes.
    command : str
        The words after ``onlinemode`` that make or resume such a run.
    """

    def __init__(self, path, every, resumed, out, command="simulate"):
        from onlinemode.storage import archive_path

        self._command = command
        if every is not None and path is None and resumed is None:
            raise click.UsageError("--every needs --checkpoint or --resume; got neither")
        self.path, self.every, self.resumed = path, every, resumed
        self._files = {os.path.realpath(file): file for file in (path, resumed) if file is not None}
        for real, file in self._files.items():
            if out is not None and os.path.realpath(archive_path(out)) == real:
                raise click.UsageError(f"checkpoint and result (--out) must have different names; got {file} for both")
            hold(file)

    def checkpoint(self, settings):
        """The argument ``checkpoint`` of om.simulate."""
        from onlinemode.runtime.checkpoint import EVERY, Checkpoint

        if self.path is None:
            return None
        def plain(value):
            if isinstance(value, (list, tuple)):
                return [plain(each) for each in value]
            return to_plain(value.sampled(settings["alpha"]) if isinstance(value, Schedule) else value)

        note = {name: plain(value) for name, value in settings.items()}
        return Checkpoint(self.path, EVERY if self.every is None else self.every, note=note)

    def end(self, code):
        """Say how to go on, or remove what is no longer needed where all is done; returns the exit code."""
        if code == DONE:
            for file in self._files:
                Path(file).unlink(missing_ok=True)
        else:
            self.say_how_to_go_on()
        return code

    def say_how_to_go_on(self):
        """One line on stderr, where there is a checkpoint."""
        file = self.path if self.path is not None else self.resumed
        if file is not None and os.path.exists(file):
            print(f"the run is not finished; go on with: onlinemode {self._command} --resume {file}", file=sys.stderr)
