"""``onlinemode deep``: the group of commands for deep networks, each in a module of its own."""

import click

from onlinemode.cli.subcommands import Subcommands

COMMANDS = ("train", "fetch", "modes", "prune", "geometry", "width")


@click.group("deep", cls=Subcommands, names=COMMANDS, prefix="deep_",
             short_help="Deep networks with mode-decomposed weights.")
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
