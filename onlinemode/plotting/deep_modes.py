"""Pictures of the modes of deep networks: importance, removal, geometry, least number against the width."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onlinemode.plotting.style import COLOURS, GREY, MARKERS, new_figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from onlinemode.deep.geometry import Geometry
    from onlinemode.deep.growth import Growth
    from onlinemode.deep.importance import Ranked
    from onlinemode.deep.power_law import PowerLaw
    from onlinemode.deep.pruning import Removal
    from onlinemode.deep.width import Crossing


def plot_importance(ax: "Axes", ranked: "Ranked", fit: "PowerLaw | None" = None, colour: str = COLOURS[0],
                    label: str | None = None) -> "Axes":
    """Sorted importance against the rank, log-log: mean ± sd over networks, the two segments and the fixed windows.

    The legend gives the break with and without the last 10 % of the ranks.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    ranked : Ranked
        What :func:`onlinemode.deep.importance.ranked` gives.
    fit : PowerLaw, optional
        What :func:`onlinemode.deep.power_law.fit_power_law` gives.
    colour : str, optional
        Of Matplotlib.
    label : str, optional
        In the legend.

    Returns
    -------
    matplotlib.axes.Axes
        The same.
    """
    ranks = np.arange(1, len(ranked.mean) + 1)
    shown = ranked.mean > 0.0
    spread = None if np.isnan(ranked.standard_deviation).all() else ranked.standard_deviation[shown]
    ax.errorbar(ranks[shown], ranked.mean[shown], spread, fmt="o", ms=3.5, mfc="none", lw=0.8, color=colour,
                label=label or (f"mean ± sd, {len(ranked.each)} networks" if len(ranked.each) > 1 else "one network"))
    if fit is not None:
        (one, two), at = fit.segments.slopes, fit.segments.breakpoint
        fine = np.geomspace(1.0, len(ranks), 200)
        ax.plot(fine, fit.curve(fine), color="black", lw=1.4,
                label=f"slopes {_interval(one)}, {_interval(two)}")
        rest = fit.without_tail
        ax.axvspan(at.low, at.high, color=GREY, alpha=0.2, lw=0.0,
                   label=f"break {at.value:.3g}{_edge(fit.segments)}; without last {len(ranks) - rest.ranks} ranks "
                         f"{rest.breakpoint:.3g}{_edge(rest)}")
        for number, window in enumerate(fit.windows):
            ends = np.array([window.first, window.last])
            ax.plot(ends, window.height * ends**window.slope.value, ":", color=COLOURS[1], lw=1.6,
                    label="fixed windows " + ", ".join(f"{each.slope.value:.2f}" for each in fit.windows)
                    if number == 0 else None)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("rank")
    ax.set_ylabel(r"importance of the mode")
    ax.legend(frameon=False, fontsize="x-small", loc="lower left")
    return ax


def _edge(segments):
    return " (at the edge)" if segments.at_edge else ""


def _interval(estimate):
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def plot_removal(ax: "Axes", removals: "Sequence[Removal]") -> "Axes":
    """Accuracy against the share of modes removed: least important first, most important first, at random.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    removals : list of Removal
        Of several networks, with the same shares: mean ± sd over them.

    Returns
    -------
    matplotlib.axes.Axes
        The same.
    """
    shares = 100.0 * removals[0].shares
    kinds = [("ascending", "least important first"), ("random", "at random"), ("descending", "most important first")]
    for (name, words), colour, marker in zip(kinds, COLOURS, MARKERS):
        curves = np.array([getattr(each, name) for each in removals])
        if name == "random":
            words += f", {curves.shape[1]} draws"
            curves = curves.reshape(-1, len(shares))
        spread = curves.std(0, ddof=1) if len(curves) > 1 else None
        ax.errorbar(shares, 100.0 * curves.mean(0), None if spread is None else 100.0 * spread, color=colour,
                    marker=marker, ms=3.5, mfc="none", lw=1.0, label=words)
    ax.set_xlabel("modes removed (%)")
    ax.set_ylabel("test accuracy (%)")
    ax.set_ylim(0.0, 102.0)
    ax.legend(frameon=False, fontsize="x-small", loc="lower left")
    return ax


def plot_by_layer(ax: "Axes", groups: "Mapping[str, Sequence[Geometry]]", name: str, places: Sequence[str],
                  chance: str | None = None) -> "Axes":
    """One measure of :class:`onlinemode.deep.geometry.Geometry` by layer, mean ± sd over the networks of each group.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    groups : dict
        Name to list of Geometry.
    name : str
        A field of Geometry.
    places : sequence of str
        What stands at each entry.
    chance : str, optional
        The field that holds what random subspaces would give; drawn dotted.

    Returns
    -------
    matplotlib.axes.Axes
        The same.
    """
    for number, (title, found) in enumerate(groups.items()):
        values = np.array([getattr(each, name) for each in found])
        at = np.arange(values.shape[1]) + 0.06 * (number - 0.5 * (len(groups) - 1))
        colour = COLOURS[number % len(COLOURS)]
        ax.errorbar(at, values.mean(0), values.std(0, ddof=1) if len(values) > 1 else None, color=colour,
                    marker=MARKERS[number % len(MARKERS)], ms=5.0, mfc="none", lw=1.0, capsize=2.0, label=title)
        if chance is not None:
            ax.plot(at, np.mean([getattr(each, chance) for each in found], axis=0), ":", color=colour, lw=1.4,
                    label="chance" if number == 0 else None)
    ax.set_xticks(range(len(places)), places)
    ax.set_xlim(-0.3, len(places) - 0.7)
    ax.legend(frameon=False, fontsize="x-small")
    return ax


def plot_width(ax: "Axes", crossings: "Sequence[Crossing]", growths: "Sequence[Growth]" = ()) -> "Axes":
    """Least number of modes against the width, with all forms of growth that were fitted.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    crossings : list of Crossing
        Widths without a crossing are drawn as bounds (arrows).
    growths : list of Growth
        All are drawn, with their AICc above the first one's.

    Returns
    -------
    matplotlib.axes.Axes
        The same.
    """
    found = [each for each in crossings if each.reached == "crossed"]
    if found:
        modes, errors = (np.array([getattr(each, name) for each in found]) for name in ("modes", "standard_error"))
        ax.errorbar([each.width for each in found], modes,
                    None if np.isnan(errors).all() else modes * np.nan_to_num(errors), fmt="o", color="black", ms=5.0,
                    mfc="none", capsize=2.0, label="least modes ± standard error")
    for reached, pick, marker in (("never", -1, "^"), ("always", 0, "v")):
        rest = [each for each in crossings if each.reached == reached]
        if rest:
            ax.plot([each.width for each in rest], [each.tried[pick] for each in rest], marker, color=GREY, ms=7.0,
                    ls="none", label="more than this" if reached == "never" else "this or fewer")
    widths = np.array([each.width for each in crossings])
    fine = np.geomspace(widths.min(), widths.max(), 200)
    for number, growth in enumerate(growths):
        ax.plot(fine, growth(fine), color=COLOURS[number % len(COLOURS)], lw=1.6 if number == 0 else 0.9,
                label=f"{growth.formula}, ΔAICc {growth.aicc - growths[0].aicc:.1f}")
    ax.set_xscale("log")
    ax.set_xticks(widths, [str(width) for width in widths], fontsize="small")
    ax.minorticks_off()
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel("width of the hidden layers")
    ax.set_ylabel("least number of modes $P$")
    ax.legend(frameon=False, fontsize="x-small", loc="upper left")
    return ax


def plot_width_curves(ax: "Axes", crossings: "Sequence[Crossing]") -> "Axes":
    """Test accuracy against the number of modes, one colour a width; dashed the target at this width.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    crossings : list of Crossing
        What :func:`onlinemode.deep.width.sweep` gives.

    Returns
    -------
    matplotlib.axes.Axes
        The same.
    """
    for number, each in enumerate(crossings):
        colour = COLOURS[number % len(COLOURS)]
        ax.plot(each.tried, each.accuracy.mean(1), "o-", color=colour, ms=3.5, mfc="none", lw=1.0,
                label=f"width {each.width}")
        ax.plot(each.tried, each.accuracy, ".", color=colour, ms=2.0)
        ax.axhline(each.target, color=colour, ls="--", lw=0.6)
    ax.set_xscale("log")
    ax.set_xlabel("number of modes $P$")
    ax.set_ylabel("test accuracy")
    ax.legend(frameon=False, fontsize="x-small", loc="lower right")
    return ax


def modes_figure(layers: "Sequence[tuple[Ranked, PowerLaw | None]]", title: str | None = None) -> "Figure":
    """Importance of the modes of every layer.

    Parameters
    ----------
    layers : list of tuple
        Of each layer its Ranked, and its PowerLaw or None.
    title : str, optional
        Above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        To be changed, or saved with :func:`onlinemode.plotting.save_figure`.
    """
    figure = new_figure(4.2 * len(layers), 3.9, title)
    for l, (ax, (ranked, fit)) in enumerate(zip(np.atleast_1d(figure.subplots(1, len(layers))), layers), start=1):
        plot_importance(ax, ranked, fit).set_title(f"layer {l}", fontsize="medium")
    return figure


def removal_figure(removals: "Mapping[str, Sequence[Removal]]", title: str | None = None) -> "Figure":
    """Removal curves, a panel for each group of networks.

    Parameters
    ----------
    removals : dict
        Title of a panel to its list of :class:`onlinemode.deep.pruning.Removal`.
    title : str, optional
        Above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        To be changed, or saved with :func:`onlinemode.plotting.save_figure`.
    """
    figure = new_figure(4.0 * len(removals), 3.7, title)
    for ax, (name, found) in zip(np.atleast_1d(figure.subplots(1, len(removals))), removals.items()):
        plot_removal(ax, found).set_title(name, fontsize="medium")
    return figure


def geometry_figure(groups: "Mapping[str, Sequence[Geometry]]", title: str | None = None) -> "Figure":
    """All measures of the geometry by layer.

    Parameters
    ----------
    groups : dict
        Name of a group of networks to its list of :class:`onlinemode.deep.geometry.Geometry`.
    title : str, optional
        Above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        To be changed, or saved with :func:`onlinemode.plotting.save_figure`.
    """
    layers = len(next(iter(groups.values()))[0].latent)
    units = ["input", *(f"hidden {l}" for l in range(1, layers)), "output"]
    fields, gaps = [f"layer {l}" for l in range(1, layers + 1)], [f"{l} to {l + 1}" for l in range(1, layers)]
    panels = [("activity", units, None, "dimension of the activity"),
              ("latent", fields, None, "dimension of the fields $W h$"),
              ("matrix", fields, None, "dimension of $W$"),
              ("classes", units, "classes_chance", "overlap of the classes' subspaces")]
    if gaps:
        panels += [("overlap", gaps, "overlap_chance", "overlap of the modes' spans"),
                   ("alignment", gaps, "alignment_chance", "alignment, modes by strength")]
    panels = [panel for panel in panels
              if any(np.isfinite(getattr(each, panel[0])).any() for found in groups.values() for each in found)]
    rows = -(-len(panels) // 3)
    figure = new_figure(11.0, 3.4 * rows, title)
    axes = np.atleast_1d(figure.subplots(rows, 3)).reshape(-1)
    for ax, (name, places, chance, words) in zip(axes, panels):
        plot_by_layer(ax, groups, name, places, chance).get_legend().remove()
        ax.set_ylabel(words)
    fullest = max(axes[:len(panels)], key=lambda ax: len(ax.get_legend_handles_labels()[1]))
    figure.legend(*fullest.get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False,
                  fontsize="small")
    for ax in axes[len(panels):]:
        ax.remove()
    return figure


def width_figure(crossings: "Sequence[Crossing]", growths: "Sequence[Growth]" = (),
                 title: str | None = None) -> "Figure":
    """Accuracy against modes, and the least number of modes against the width.

    Parameters
    ----------
    crossings : list of Crossing
        What :func:`onlinemode.deep.width.sweep` gives.
    growths : list of Growth, optional
        What :func:`onlinemode.deep.growth.compare_growth` gives.
    title : str, optional
        Above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        To be changed, or saved with :func:`onlinemode.plotting.save_figure`.
    """
    figure = new_figure(10.0, 4.4, title)
    left, right = figure.subplots(1, 2)
    plot_width_curves(left, crossings)
    plot_width(right, crossings, growths)
    return figure
