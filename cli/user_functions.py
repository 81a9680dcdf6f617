"""``FILE.py:NAME``: an activation or a schedule of the user's own, from a Python file."""

from onlinemode.sweeps.recipe import FunctionOfFile


def of_file(word):
    """What FILE.py:NAME names: a function of an array, an Activation, or a Schedule.

    The file runs here, once; what is saved is a table, which needs it no more.

    Raises
    ------
    FileError, ParameterError
        If the file cannot be run, or has nothing of that name.
    """
    path, _, name = word.rpartition(":")
    return FunctionOfFile(path, name).function
