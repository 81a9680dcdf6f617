"""``onlinemode deep modes``: importance of the modes and its power laws."""

from pathlib import Path

import click
import numpy as np

from onlinemode.cli.deep_results import (
    OUTPUT,
    claim_analysis,
    counted,
    describe,
    finish,
    kind_of,
    plain,
    read_networks,
    spoken,
    with_options,
)


@click.command("modes", short_help="Importance of the modes, power laws with uncertainty.")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--ranking", default="tau", help="tau, strength, participation or overlap.  [tau]")
@click.option("--confidence", type=float, default=0.95, help="Of the intervals.  [0.95]")
@with_options(OUTPUT)
def command(files, ranking, confidence, **settings):
    """Rank the modes of each layer of trained networks, and fit two power laws that meet.

    Several FILES are networks of one shape that differ by their seeds: mean ± sd over them, and intervals
    from their spread. Of a dense network, modes are those of its singular value decomposition. Fitted are the
    mean of ln τ against ln rank; beside it stand the same fit without the last 10 % of the ranks, the fixed windows
    1 to 10 and 11 to 70, and three other forms. Intervals of one or two networks are indicative only.
    """
    from onlinemode.deep import factors
    from onlinemode.deep.importance import importance, ranked
    from onlinemode.deep.power_law import LEAST_MODES, fit_power_law
    from onlinemode.errors import ParameterError

    networks = read_networks(files)
    claim = claim_analysis(settings, f"deep_modes_{Path(files[0]).stem}{kind_of(ranking)}")
    arrays, layers, rows, skipped = {}, [], [], {}
    for l, same in enumerate(zip(*(factors.of_network(network) for network in networks))):
        try:
            values = np.array([importance(*each, ranking) for each in same])
        except ParameterError as problem:
            if ranking != "overlap":
                raise
            skipped[l] = str(problem)
            continue
        fit = fit_power_law(values, confidence=confidence) if values.shape[1] >= LEAST_MODES and values.min() > 0.0 \
            else None
        layers.append((l, ranked(values), fit))
        arrays[f"importance_{l}"] = values
        rows += [{"layer": l + 1, "rank": rank + 1, "mean": mean, "sd": sd}
                 for rank, (mean, sd) in enumerate(zip(layers[-1][1].mean, layers[-1][1].standard_deviation))]
    if not layers:
        raise ParameterError(next(iter(skipped.values())))
    if spoken(settings):
        print(f"{describe(networks[0])}, {counted(networks)}, ranking {ranking}")
        _print(layers, skipped, confidence)
    summary = {"command": "deep modes", "files": [str(each) for each in files], "ranking": ranking,
               "network": networks[0].specification(),
               "layers": [{"layer": l + 1, "modes": len(each.mean), "fit": plain(fit),
                           "supported": None if fit is None else list(fit.supported)} for l, each, fit in layers]}

    def figure():
        from onlinemode.cli.pictures import plotting

        return plotting.modes_figure([(each, fit) for _, each, fit in layers],
                                     f"{describe(networks[0])}, {counted(networks)}, ranking {ranking}")

    finish(settings, claim, summary, arrays, rows, figure)


def _print(layers, skipped, confidence):
    from onlinemode.deep.power_law import FEWEST_NETWORKS

    for l, reason in skipped.items():
        print(f"layer {l + 1}: left out, {reason}")
    for l, each, fit in layers:
        if fit is None:
            print(f"layer {l + 1}: {len(each.mean)} modes, too few for a fit, or some of importance 0")
            continue
        (one, two), at = fit.segments.slopes, fit.segments.breakpoint
        print(f"layer {l + 1}: slopes {_interval(one)} and {_interval(two)}, breakpoint at rank {_interval(at)}"
              + _edge(fit.segments))
        rest = fit.without_tail
        print(f"  without the last {len(each.mean) - rest.ranks} ranks: slopes {rest.slopes[0]:.3g} and "
              f"{rest.slopes[1]:.3g}, breakpoint at rank {rest.breakpoint:.3g}{_edge(rest)}")
        print("  fixed windows: " + ", ".join(f"ranks {window.first}-{window.last} {_interval(window.slope)}"
                                             for window in fit.windows))
        best = min(model.bic for model in fit.models)
        print("  BIC above the best: " + ", ".join(f"{model.name} {model.bic - best:.1f}" for model in fit.models))
        p = "" if fit.bent == "undefined" else f", p = {fit.bend:.2g}"
        print(f"  bend: {fit.bent}{p}; the data support: {fit.verdict}")
    fitted = next((fit for _, _, fit in layers if fit is not None), None)
    if fitted:
        print(f"[ ]: {confidence:.0%} intervals, {fitted.method}"
              + ("; of one or two networks they are indicative only" if fitted.networks < FEWEST_NETWORKS else ""))


def _edge(segments):
    return " (at the edge)" if segments.at_edge else ""


def _interval(estimate):
    return f"{estimate.value:.3g} [{estimate.low:.3g}, {estimate.high:.3g}]"
