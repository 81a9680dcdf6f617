"""``onlinemode deep``: the group of commands for deep networks, each in a module of its own."""

from importlib import import_module

import click

COMMANDS = ("train", "fetch", "modes", "prune", "geometry", "width")


class _Commands(click.Group):
    """Subcommands, imported when they are needed."""

    def list_commands(self, context):
        return list(COMMANDS)

    def get_command(self, context, name):
        if name not in COMMANDS:
            return None
        return import_module(f"onlinemode.cli.deep_{name}").command


@click.group("deep", cls=_Commands, short_help="Deep networks with mode-decomposed weights.")
def command():
    """Deep networks with mode-decomposed weights W = ξ_out diag(Σ) ξ_in.

    \b
    onlinemode deep train                                       the Gaussian mixture of figure 1, embedded
    onlinemode deep train --data fashion-mnist --variant dense  images, the standard baseline
    onlinemode deep fetch mnist                                 download a data set
    onlinemode deep modes a.npz b.npz                           importance of the modes, power laws with uncertainty
    onlinemode deep prune a.npz                                 accuracy without some of the modes
    onlinemode deep geometry a.npz --against dense.npz          dimensions and subspaces by layer
    onlinemode deep width --data fashion-mnist                  the least number of modes against the width
    """
