"""Where tests find what they read: the pages beside them, and the package that they test.

The package is this tree's where it is installed in place, and the installed one where the tests of a source archive run
against a wheel.
"""

import shutil
from pathlib import Path

import onlinemode
import onlinemode.cli

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(onlinemode.__file__).resolve().parent
COMMAND_LINE = Path(onlinemode.cli.__file__).resolve().parent


def copy_package(folder):
    """Put a copy of the package with its command line into this folder, as a wheel has it; returns its path."""
    unwanted = shutil.ignore_patterns("__pycache__")
    copy = Path(shutil.copytree(PACKAGE, folder / "onlinemode", ignore=unwanted))
    shutil.copytree(COMMAND_LINE, copy / "cli", ignore=unwanted, dirs_exist_ok=True)
    return copy


def in_the_tree(name):
    """Whether the tree has this path from its top; that of a module may lie in a wheel's folder."""
    first, _, rest = name.partition("/")
    home = {"onlinemode": PACKAGE, "cli": COMMAND_LINE}.get(first)
    return (home / rest if home else ROOT / name).exists()
