"""The picture of ``onlinemode sweep``: curves and ends along one axis, maps over two."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from onlinemode.plotting.curves import time_axis
from onlinemode.plotting.style import COLOURS, GREY, MARKERS, new_figure
from onlinemode.trajectory import Trajectory

MOST_LABELS = 10  # curves that are named one by one
MOST_NUMBERS = 64  # cells of a map whose values are written into them
SYMBOLS = {"eta": r"$\eta$", "eta_strengths": r"$\eta_s$", "eta_xi_out": r"$\eta_A$", "eta_readout": r"$\eta_v$",
           "noise": r"noise $\sigma$", "weight_decay": r"weight decay $\kappa$", "alpha": r"$\alpha$",
           **{name: f"${name}$" for name in "NKMP"}}  # of options; the others keep their names


def sweep_figure(axes: Mapping[str, Sequence], rows: Sequence[Mapping[str, Any]], runs: Sequence[Trajectory],
                 title: str | None = None) -> Figure:
    """Curves and final values of one swept option; of two, maps of the final ε_g and specialization.

    Runs that diverged or failed have no final values: they are crosses, or empty cells.

    Parameters
    ----------
    axes : dict
        Name of each swept option, one or two, to its values, in the order of the grid (the last one runs fastest).
    rows : list of dict
        What :func:`onlinemode.summaries.summary_of` says of every point of the grid.
    runs : list of Trajectory
        Not used for two options.
    title : str, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    return _one_axis(axes, rows, runs, title) if len(axes) == 1 else _two_axes(axes, rows, title)


def _ends(rows, name):
    """Final values of the complete points, NaN for the others."""
    return np.array([row[name] if row["complete"] else np.nan for row in rows])


def _one_axis(axes, rows, runs, title):
    (name, values), = axes.items()
    figure = new_figure(11.0, 7.6, title)
    panels = figure.subplots(2, 2)
    places = _places(values)
    named = len(values) <= MOST_LABELS
    shades = _shades(list(range(len(values))) if named else places)
    for value, run, shade in zip(values, runs, shades.to_rgba(shades.get_array())):
        positive = run.alpha > 0.0
        label = f"{_symbol(name)} = {_text(value)}" if named else None
        for ax, observable in zip(panels[0], ("generalization_error", "specialization")):
            ax.plot(run.alpha[positive], run.ensemble.mean[observable][positive], color=shade, lw=1.4, label=label)
    panels[0, 0].set_yscale("log", nonpositive="mask")
    panels[0, 0].set_ylabel(r"generalization error $\epsilon_g$")
    panels[0, 1].set_ylabel("specialization")
    panels[0, 1].axhline(0.0, color=GREY, lw=0.8)
    panels[0, 1].axhline(1.0, color=GREY, lw=0.8)
    for ax in panels[0]:
        time_axis(ax, runs)
    if named:
        panels[0, 0].legend(frameon=False, fontsize="small", loc="lower left")
    else:
        bar = figure.colorbar(shades, ax=list(panels[0]), label=_symbol(name))
        if not _numbers(values):
            _name_cells(bar.ax.yaxis, values)
    for ax, short, label in zip(panels[1], ("error", "specialization"),
                                (r"$\epsilon_g$ at the end", "specialization at the end")):
        ends, spread = _ends(rows, short), 2.0 * np.nan_to_num(_ends(rows, f"{short}_se"))
        ax.errorbar(places, ends, spread, color=COLOURS[0], marker=MARKERS[0], mfc="none", ms=5.0, lw=1.0, capsize=2.0)
        lost = [place for place, row in zip(places, rows) if not row["complete"]]
        if lost:
            ax.plot(lost, [0.03] * len(lost), "x", color=COLOURS[1], transform=ax.get_xaxis_transform(),
                    label="did not reach the end")
            ax.legend(frameon=False, fontsize="small")
        _value_axis(ax.xaxis, ax.set_xscale, name, values)
        ax.set_ylabel(label + (r" (mean $\pm$ 2 se)" if spread.any() else ""))
    errors = _ends(rows, "error")
    if (errors[np.isfinite(errors)] > 0.0).all() and np.isfinite(errors).any():
        panels[1, 0].set_yscale("log")
    return figure


def _shades(places):
    """Colours of curves by their place on the swept axis, logarithmic as the axis is; not up to a pale yellow."""
    norm = (LogNorm if _is_logarithmic(places) else Normalize)(min(places), max(places))
    shades = ScalarMappable(norm, ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.92, 256))))
    shades.set_array(places)
    return shades


def _two_axes(axes, rows, title):
    (outer, outer_values), (inner, inner_values) = axes.items()
    figure = new_figure(11.0, 4.8, title)
    for ax, short, label in zip(figure.subplots(1, 2), ("error", "specialization"),
                                (r"$\epsilon_g$ at the end", "specialization at the end")):
        values = _ends(rows, short).reshape(len(outer_values), len(inner_values))
        norm, extend = _spread(values, logarithmic=short == "error")
        image = ax.imshow(values, origin="lower", aspect="auto", cmap="viridis", norm=norm)
        _name_cells(ax.xaxis, inner_values)
        _name_cells(ax.yaxis, outer_values)
        ax.set_xlabel(_symbol(inner))
        ax.set_ylabel(_symbol(outer))
        figure.colorbar(image, ax=ax, label=label, extend=extend)
        for (i, j), value in np.ndenumerate(values if values.size <= MOST_NUMBERS else np.empty((0, 0))):
            if np.isfinite(value):
                ax.text(j, i, f"{value:.2g}", ha="center", va="center", fontsize="x-small",
                        color="black" if norm(value) > 0.6 else "white")
    return figure


def _spread(values, logarithmic):
    """The norm of a map, and which ends of its colour bar have arrows.

    Cells far from most others (Tukey's outer fences, 3 interquartile ranges beyond the quartiles) do not get colours
    of their own: one column would use up nearly all of them.
    """
    there = np.sort(values[np.isfinite(values)])
    if not there.size:
        return Normalize(0.0, 1.0), "neither"
    logarithmic = logarithmic and 0.0 < 3.0 * there[0] < there[-1]
    lower, upper = np.quantile(np.log(there) if logarithmic else there, [0.25, 0.75])
    near = np.abs((np.log(there) if logarithmic else there) - 0.5 * (lower + upper)) <= 3.5 * (upper - lower)
    shown = there[near] if upper > lower else there
    arrows = (bool(there[0] < shown[0]), bool(there[-1] > shown[-1]))
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[arrows]
    return (LogNorm if logarithmic else Normalize)(shown[0], shown[-1]), extend


def _name_cells(axis, values):
    """The values of a map's cells, to three digits, as many as there is room for."""
    shown = range(0, len(values), -(-len(values) // MOST_LABELS))
    axis.set_ticks(shown, [_text(values[i]) for i in shown])
    if axis.axis_name == "x" and sum(len(_text(values[i])) for i in shown) > 36:
        axis.set_tick_params(rotation=90)


def _symbol(name):
    return SYMBOLS.get(name, name.replace("_", " "))


def _numbers(values):
    return all(isinstance(value, (int, float)) for value in values)


def _places(values):
    """Where the values stand on an axis: numbers at themselves, names one after the other."""
    return list(values) if _numbers(values) else list(range(len(values)))


def _value_axis(axis, set_scale, name, values):
    axis.set_label_text(_symbol(name))
    if not _numbers(values):
        axis.set_ticks(range(len(values)), [_text(value) for value in values])
    elif _is_logarithmic(values):
        set_scale("log")
    elif all(isinstance(value, int) for value in values):
        axis.set_major_locator(MaxNLocator(integer=True))


def _is_logarithmic(values):
    return min(values) > 0 and max(values) >= 30 * min(values)


def _text(value):
    return f"{value:.3g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
