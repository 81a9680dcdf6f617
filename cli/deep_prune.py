"""``onlinemode deep prune``: accuracy without some of the modes."""

from pathlib import Path

import click
import numpy as np

from onlinemode.cli.deep_results import (
    OUTPUT,
    TESTED_ON,
    claim_analysis,
    counted,
    describe,
    find_tests,
    finish,
    kind_of,
    read_networks,
    spoken,
    with_options,
)

ROWS = 9


class Layers(click.ParamType):
    """Comma-separated layers from 1, or the word all."""

    name = "L,L,...|all"

    def convert(self, value, parameter, context):
        if not isinstance(value, str) or value.lower() == "all":
            return value if not isinstance(value, str) else "all"
        try:
            return [int(part) for part in value.split(",")]
        except ValueError:
            self.fail(f"{value!r} is neither a comma-separated list of layers, from 1, nor all")


@click.command("prune", short_help="Accuracy without some of the modes.")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--layer", "layers", type=Layers(), help="Which layers lose modes, one at a time, from 1; all: all at "
              "once.  [each in turn]")
@click.option("--ranking", default="tau", help="tau, strength, participation or overlap.  [tau]")
@click.option("--draws", type=int, default=10, help="Random orders.  [10]")
@click.option("--seed", type=int, default=0, help="Of the random orders.  [0]")
@with_options([*TESTED_ON, *OUTPUT])
def command(files, layers, ranking, draws, seed, data, data_dir, **settings):
    """Set the strengths of 0 to 80 % of a layer's modes to zero, and test.

    In three orders: the least important first, the most important first, at random. Several FILES are
    networks of one shape: mean ± sd over them. The files stay as they are; nothing is trained again.
    """
    from onlinemode import checks
    from onlinemode.deep import factors
    from onlinemode.deep.pruning import removal
    from onlinemode.errors import ParameterError

    checks.integer("seed", seed, 0)
    networks = read_networks(files)
    count = len(networks[0].layers)
    panels = [("all layers", list(range(count)))] if layers == "all" else [
        (f"layer {l}", [l - 1]) for l in (layers or range(1, count + 1))]
    for _, (first, *_rest) in panels:
        if not 0 <= first < count:
            raise ParameterError(f"--layer must be 1 to {count}, or all; got {first + 1}")
    claim = claim_analysis(settings, f"deep_prune_{Path(files[0]).stem}{kind_of(ranking)}")
    dataset = find_tests(files, networks, data, data_dir)
    found = {}
    for title, which in panels:
        found[title] = [removal(factors.of_network(network), dataset.test_x, dataset.test_y, which, ranking=ranking,
                                draws=draws, seed=[seed, number]) for number, network in enumerate(networks)]
    arrays, rows = {}, []
    for title, removals in found.items():
        key = title.replace(" ", "_")
        arrays[f"shares_{key}"], arrays[f"counts_{key}"] = removals[0].shares, removals[0].counts
        for order in ("ascending", "descending", "random"):
            arrays[f"{order}_{key}"] = np.array([getattr(each, order) for each in removals])
        rows += [{"layer": title, "share": share, **{order: float(np.mean(arrays[f"{order}_{key}"][..., i]))
                                                     for order in ("ascending", "random", "descending")}}
                 for i, share in enumerate(removals[0].shares)]
        if spoken(settings):
            _print(title, removals, arrays, key)
    summary = {"command": "deep prune", "files": [str(each) for each in files], "ranking": ranking, "draws": draws,
               "seed": seed, "data": dataset.name, "network": networks[0].specification(),
               "curves": [{"layer": row["layer"], **{name: float(row[name]) for name in row if name != "layer"}}
                          for row in rows]}

    def figure():
        from onlinemode.cli.pictures import plotting

        return plotting.removal_figure(found, f"{describe(networks[0])} on {dataset.name}, {counted(networks)}, "
                                              f"ranking {ranking}")

    finish(settings, claim, summary, arrays, rows, figure)


def _print(title, removals, arrays, key):
    print(f"{title}: test accuracy without a share of its modes"
          + (f" (mean of {len(removals)} networks)" if len(removals) > 1 else ""))
    print(f"{'removed':>9}  {'least first':>11}  {'random':>8}  {'most first':>10}")
    shares = removals[0].shares
    for i in np.unique(np.linspace(0, len(shares) - 1, ROWS).round().astype(int)):
        values = [arrays[f"{order}_{key}"][..., i].mean() for order in ("ascending", "random", "descending")]
        print(f"{shares[i]:9.0%}  {values[0]:11.4f}  {values[1]:8.4f}  {values[2]:10.4f}")
