"""``--activation FILE.py:NAME``: an activation of the user's own, from a Python file."""

from onlinemode.activations import Activation
from onlinemode.sweeps.recipe import FunctionOfFile


def activation_of_file(word):
    """The activation that FILE.py:NAME names: a function of an array, or an Activation.

    The file runs here, once; what is saved is the table, which needs it no more.

    Raises
    ------
    FileError, ParameterError
        If the file cannot be run, has nothing of that name, or that cannot be an activation.
    """
    path, _, name = word.rpartition(":")
    found = FunctionOfFile(path, name).function
    return found if isinstance(found, Activation) else Activation.from_function(found)
