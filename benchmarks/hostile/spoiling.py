"""A kind of file, and the ways in which one is spoilt."""

from collections.abc import Callable
from typing import NamedTuple

from hostile.archives import changed_content, hostile_structure
from hostile.damage import damaged, flipped_once, replaced

DAMAGE, ONE_BIT, REPLACED, STRUCTURE, CONTENT = "damage", "one bit", "replaced", "structure", "content"
NO_CHECKSUM = (CONTENT, DAMAGE, ONE_BIT)


class Kind(NamedTuple):
    """A kind of file.

    Attributes
    ----------
    name : str
    make : callable
        Writes a good one in the current folder.
    read : callable
        Reads it there, and returns what it holds.
    use : callable
        Does with that what users do.
    commands : list
        Command lines that read it.
    spoil : callable
        ``spoil(generator, folder)``: what was done to the file, as (way, words).
    free : tuple of str
        Ways after which other content is no fault: a new file that is whole, or one without a checksum.
    """

    name: str
    make: Callable
    read: Callable
    use: Callable
    commands: list
    spoil: Callable
    free: tuple = (CONTENT,)


def nothing_more(_):
    """Where there is no use beyond reading."""


def refused_or(function):
    """What a function returns; None where it refuses with an error of onlinemode."""
    from onlinemode.errors import OnlineModeError

    try:
        return function()
    except OnlineModeError:
        return None


def archive_spoiler(name):
    """Spoils an archive (.npz) in all ways."""
    ways = {DAMAGE: (4, damaged), ONE_BIT: (2, flipped_once), STRUCTURE: (3, hostile_structure),
            CONTENT: (6, changed_content), REPLACED: (1, None)}
    return lambda generator, folder: _spoilt(generator, folder / name, ways)


def bytes_spoiler(names, crafted):
    """Spoils one of several files in its bytes, or puts the words and bytes ``crafted(generator)`` in its place."""
    ways = {DAMAGE: (4, damaged), ONE_BIT: (2, flipped_once), REPLACED: (1, None),
            CONTENT: (3, lambda generator, _: crafted(generator))}
    return lambda generator, folder: _spoilt(generator, folder / generator.choice(names), ways)


def _spoilt(generator, path, ways):
    way = generator.choices(list(ways), [share for share, _ in ways.values()])[0]
    if way == REPLACED:
        return way, replaced(generator, path)
    words, content = ways[way][1](generator, path.read_bytes())
    path.write_bytes(content)
    return way, words
