"""Groups of commands, each command in a module of its own."""

from importlib import import_module

import click


def refuse_nul(values):
    """Raise UsageError if one of the texts holds a NUL byte."""
    for value in values:
        if isinstance(value, str) and "\0" in value:
            raise click.UsageError(f"no value can hold a NUL byte; got {value!r:.80}")


class Subcommands(click.Group):
    """A group whose commands are imported when they are needed.

    Parameters
    ----------
    names : sequence of str
        The commands, in the order of the help.
    prefix : str, default ""
        The module of command NAME is ``onlinemode.cli.<prefix>NAME``; it is called ``command`` there.
    """

    def __init__(self, *arguments, names, prefix="", **options):
        super().__init__(*arguments, **options)
        self._names, self._prefix = names, prefix

    def parse_args(self, context, arguments):
        """No name of a file, and no other value, holds a NUL byte."""
        refuse_nul(arguments)
        return super().parse_args(context, arguments)

    def list_commands(self, context):
        return list(self._names)

    def get_command(self, context, name):
        return import_module(f"onlinemode.cli.{self._prefix}{name}").command if name in self._names else None
