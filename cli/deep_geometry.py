"""``onlinemode deep geometry``: dimensions and subspaces by layer, with modes against dense."""

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
    plain,
    read_networks,
    spoken,
    with_options,
)

MEASURES = (
    ("activity", None, "dimension of the activity: input, hidden layers, output"),
    ("latent", None, "dimension of the fields W h, layer by layer"),
    ("matrix", None, "dimension of W"),
    ("overlap", "overlap_chance", "overlap of successive layers' spans"),
    ("alignment", "alignment_chance", "alignment of successive layers"),
    ("classes", "classes_chance", "overlap of the classes' subspaces: input, hidden layers, output"),
)


@click.command("geometry", short_help="Dimensions and subspaces by layer.")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--against", multiple=True, type=click.Path(), help="Another network to compare with, such as a dense "
              "one; repeat it for several.")
@click.option("--leading", type=int, help="Leading modes that span a layer's subspaces.  [those of the first file]")
@click.option("--directions", type=int, default=5, help="Principal directions of a class.  [5]")
@with_options([*TESTED_ON, *OUTPUT])
def command(files, against, leading, directions, data, data_dir, **settings):
    """Measure how the activity of trained networks is laid out, on the test samples.

    FILES are networks of one shape (mean ± sd over them), and so are those after --against. A dense layer takes
    part with as many leading modes of its decomposition as the first file has; dense networks appear a second
    time with all their layers cut to these modes. Chance is what random subspaces of the same dimensions would
    give.
    """
    from onlinemode.deep import factors, geometry

    networks, others = read_networks(files), read_networks(against)
    claim = claim_analysis(settings, f"deep_geometry_{Path(files[0]).stem}")
    dataset = find_tests([*files, *against], [*networks, *others], data, data_dir)
    labels = dataset.test_y if dataset.test_y.dtype.kind == "i" else None
    modes = networks[0].modes
    spans = leading if leading is not None else max(modes) if modes else None
    groups, accuracies = {}, {}

    def add(title, members, cut=None):
        layers = [factors.of_network(network, cut) for network in members]
        while title in groups:
            title += " (against)"
        groups[title] = [geometry.measure(each, dataset.test_x, labels, spans, directions) for each in layers]
        accuracies[title] = [factors.accuracy(factors.fields(each, dataset.test_x)[-1], dataset.test_y)
                             for each in layers]

    add(describe(networks[0]), networks)
    if others:
        if len(others[0].layers) != len(networks[0].layers):
            raise click.UsageError(f"--against must have as many layers as the first file, {len(networks[0].layers)}; "
                                   f"got {len(others[0].layers)}")
        add(describe(others[0]), others)
        if others[0].variant == "dense" and modes:
            add(f"dense, cut to P = {', '.join(str(P) for P in sorted(set(modes), reverse=True))}", others, modes)
    arrays, rows = {}, []
    for number, (title, found) in enumerate(groups.items()):
        for name in found[0]._fields:
            arrays[f"{name}_{number}"] = np.array([getattr(each, name) for each in found])
        for name, chance, _ in MEASURES:
            values = arrays[f"{name}_{number}"]
            for place in range(values.shape[1]):
                rows.append({"network": title, "measure": name, "place": place, "mean": values[:, place].mean(),
                             "sd": values[:, place].std(ddof=1) if len(values) > 1 else np.nan,
                             "chance": np.nan if chance is None else arrays[f"{chance}_{number}"][:, place].mean()})
    if spoken(settings):
        _print(groups, accuracies, dataset, directions)
    summary = {"command": "deep geometry", "files": [str(each) for each in files], "data": dataset.name,
               "against": [str(each) for each in against], "leading": spans, "directions": directions,
               "groups": [{"name": title, "accuracy": accuracies[title], "networks": plain(found)}
                          for title, found in groups.items()]}

    def figure():
        from onlinemode.cli.pictures import plotting

        return plotting.geometry_figure(groups, f"{dataset.name}, {len(dataset.test_x):,} test samples")

    finish(settings, claim, summary, arrays, rows, figure)


def _print(groups, accuracies, dataset, directions):
    for title, found in groups.items():
        print(f"{title}: {counted(found)}, test accuracy "
              f"{np.mean(accuracies[title]):.4f} on {dataset.name}")
        for name, chance, words in MEASURES:
            values = np.array([getattr(each, name) for each in found])
            if not np.isfinite(values).any():
                if name == "classes" and dataset.test_y.dtype.kind == "i":
                    print(f"  {words}: none, the classes do not have {directions} directions")
                continue
            line = f"  {words}: " + ", ".join(f"{value:.3g}" for value in values.mean(0))
            if chance is not None:
                line += " (chance " + ", ".join(f"{value:.3g}" for value in np.mean([getattr(each, chance)
                                                                                     for each in found], axis=0)) + ")"
            print(line)
