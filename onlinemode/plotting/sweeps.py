"""The picture of a sweep: curves and ends along one axis, maps over two, small multiples over three."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from onlinemode.errors import ParameterError
from onlinemode.plotting.curves import scale_times
from onlinemode.plotting.maps import BOUNDED, maps_figure, names_apart
from onlinemode.plotting.style import COLOURS, GREY, MARKERS, new_figure, wrapped
from onlinemode.plotting.swept_axes import MOST_LABELS, SweptAxis
from onlinemode.plotting.swept_data import PLATEAU_LENGTH, SweptData

if TYPE_CHECKING:
    from xarray import Dataset

QUANTILES_FROM = 5  # draws: of fewer a band is between the least and the largest
CURVES = ("generalization_error", "specialization")
ENDS = ("final_error", "final_specialization")
MOST_AXES = 3
WORTH_A_MAP = 0.1  # the share of the points that have a plateau


def sweep_figure(dataset: "Dataset", variables: Sequence[str] | str | None = None, title: str | None = None,
                 contours: "Dataset | None" = None) -> Figure:
    """The picture of a sweep, over one to three axes of more than one value.

    One axis: ε_g and specialization against α, one colour a value, and how they end against the value. Two: maps with
    contour lines. Three: maps of one variable, a panel for each value of the axis of names, else of that with the
    fewest. Values are means over the axis ``seed``, where it is not the only one, and over replicas; curves have bands
    between the 16 % and 84 % quantiles of these, below five of them between the extremes.

    Only points whose seeds and replicas all completed or converged have values; others are crosses along one axis,
    hatched in maps, and blank where they are missing.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of :func:`onlinemode.sweep`; only what is drawn is loaded.
    variables : str or sequence of str, optional
        What is drawn: variables of the Dataset with one number a point, along one axis also those at the saved times,
        or "plateau_length", plateau_stop − plateau_start: the samples/N that the plateau costs. By default ε_g and
        specialization, and in maps over two axes the length of the plateau between them where a tenth of the
        points have one; over three the final ε_g.
    title : str, optional
        By default that of the Dataset. Values that all points share of axes that were swept are added.
    contours : xarray.Dataset, optional
        A sweep over the same axes, such as theory: its contour lines at the same levels, dashed; along one axis its
        ends.

    Returns
    -------
    matplotlib.figure.Figure
        To be changed, or saved with :func:`onlinemode.plotting.save_figure`.

    Raises
    ------
    ParameterError
        If there are more axes, more than 12 panels, no such variable, several of them over three axes, or if
        ``contours`` does not fit.
    """
    data = SweptData(dataset)
    theory = None if contours is None else SweptData(contours)
    names = _chosen(data, [variables] if isinstance(variables, str) else variables)
    if len(data.axes) > MOST_AXES:
        raise ParameterError(f"the sweep has {len(data.axes)} axes, {', '.join(axis.name for axis in data.axes)}, and "
                             f"a picture at most {MOST_AXES}: choose values with dataset.sel({data.axes[-1].name}=...)")
    title = ", ".join(filter(None, [dataset.attrs.get("title") if title is None else title, data.fixed]))
    return (maps_figure if len(data.axes) > 1 else _curves_figure)(data, names, title or None, theory)


def _chosen(data, variables):
    """Names of what is drawn."""
    known = [*data.names(), *(data.curves() if len(data.axes) < 2 else [])]
    if variables is None:
        return _usual(data, known)
    for name in variables:
        if name not in known:
            raise ParameterError(f"no variable {name!r} to draw over {len(data.axes)} axes; there are "
                                 f"{', '.join(known)}")
    if not variables or (len(data.axes) == MOST_AXES and len(variables) > 1):
        raise ParameterError(f"a picture over {len(data.axes)} axes needs "
                             f"{'one variable' if len(data.axes) == MOST_AXES else 'a variable'}; got "
                             f"{', '.join(variables) or 'none'}")
    return list(dict.fromkeys(variables))


def _usual(data, known):
    """What is drawn where nobody says it."""
    if len(data.axes) < 2:
        curves = [name for name in CURVES if name in known and CURVES[0] in known]
        ends = [name for name in ENDS if name in known and (data.axes or not curves)]
        chosen = curves + ends
    elif len(data.axes) == 2:
        plateaus = PLATEAU_LENGTH in known and np.isfinite(data.ends(PLATEAU_LENGTH)).mean() >= WORTH_A_MAP
        chosen = [name for name in (ENDS[0], PLATEAU_LENGTH, ENDS[1]) if name in known and (name in ENDS or plateaus)]
    else:
        chosen = [name for name in ENDS if name in known][:1]
    if not chosen:
        raise ParameterError(f"say which variables to draw; there are {', '.join(known) or 'none'}")
    return chosen


def _curves_figure(data, names, title, theory):
    """Curves in a row, ends below them."""
    if theory is not None and [axis.name for axis in theory.axes] != [axis.name for axis in data.axes]:
        raise ParameterError(f"contours must be a sweep over {data.axes[0].name if data.axes else 'no axis'}; got one "
                             f"over {' and '.join(axis.name for axis in theory.axes) or 'none'}")
    curves = [name for name in names if name in data.curves()]
    ends = [name for name in names if name not in curves]
    rows = [row for row in (curves, ends) if row]
    width = 5.5 * max(len(curves), len(ends)) if len(names) > 1 else 6.5
    figure = new_figure(width, 3.8 * len(rows), wrapped(title, width))
    for row, panels in zip(rows, figure.subplots(len(rows), max(map(len, rows)), squeeze=False)):
        for ax in panels[len(row):]:
            ax.remove()
        if row is curves:
            _draw_curves(figure, panels[:len(row)], data, row)
        else:
            for ax, name in zip(panels, row):
                _plot_ends(ax, data, name, theory, width / len(row) - 1.0)
    return figure


def _draw_curves(figure, panels, data, names):
    axis = data.axes[0] if data.axes else None
    texts = axis.texts if axis else [""]
    named = len(texts) <= MOST_LABELS
    alpha = data.dataset["alpha"].values
    shades, colours = _shades(axis, named)
    outcome = data.outcome.reshape(-1)
    for ax, name in zip(panels, names):
        for text, colour, paths, ended in zip(texts, colours, data.paths(name), outcome):
            label = f"{axis.label} = {text}" if axis and named else None
            _plot_band(ax, alpha, paths, colour, label if label is None or ended == "ended" else f"{label}: {ended}")
        if name in BOUNDED:
            ax.axhline(0.0, color=GREY, lw=0.8)
            ax.axhline(1.0, color=GREY, lw=0.8)
        else:
            ax.set_yscale("log", nonpositive="mask")
        ax.set_ylabel(data.label(name))
        scale_times(ax, alpha[alpha > 0.0])
        _say_if_empty(ax, data)
    _explain_bands(panels[0], data, max((len(paths) for paths in data.paths(names[0])), default=0))
    if panels[0].get_legend_handles_labels()[1]:
        panels[0].legend(frameon=False, fontsize="small")
    if axis and not named:
        bar = figure.colorbar(shades, ax=list(panels), label=axis.label, pad=0.015)
        if not axis.has_numbers:
            axis.set_ticks(bar.ax.yaxis, 3.0)


def _plot_band(ax, alpha, paths, colour, label):
    """The mean of some curves (draws, saved times), and where most of them run."""
    there = (alpha > 0.0) & np.isfinite(paths).any(0)
    paths, alpha = paths[:, there], alpha[there]
    ax.plot(alpha, np.nanmean(paths, 0) if alpha.size else [], color=colour, lw=1.4, label=label)
    if len(paths) > 1 and alpha.size:
        levels = [0.16, 0.84] if len(paths) >= QUANTILES_FROM else [0.0, 1.0]
        ax.fill_between(alpha, *np.nanquantile(paths, levels, axis=0), color=colour, alpha=0.2, lw=0.0)


def _explain_bands(ax, data, draws):
    if draws > 1:
        share = "16–84 %" if draws >= QUANTILES_FROM else "least to largest"
        ax.fill_between([], [], color=GREY, alpha=0.3, lw=0.0, label=f"mean and {share} of {data.draws}")


def _plot_ends(ax, data, name, theory, inches):
    """Final values against those of the axis, ± 2 standard errors; crosses where points did not end well."""
    axis = data.axes[0] if data.axes else SweptAxis("", "", [""], np.arange(1), "names")
    values, spread = data.ends(name).reshape(-1), 2.0 * data.standard_errors(name).reshape(-1)
    measured = np.isfinite(spread).any()
    axis.set_scale(ax.xaxis)
    ax.errorbar(axis.places, values, spread if measured else None, color=COLOURS[0], marker=MARKERS[0], mfc="none",
                ms=5.0, lw=1.0, ls="-" if axis.has_numbers and axis.name != "seed" else "none", capsize=2.0)
    if theory is not None and name in theory.names():
        own, other = names_apart(data, theory)
        ax.lines[0].set_label(own)
        ax.plot(theory.axes[0].places, theory.ends(name), "--", color="black", lw=1.2, label=other)
    for kind, marker, words in (("diverged", "x", "diverged"), ("failed", "+", ", ".join(data.failures))):
        lost = axis.places[data.outcome.reshape(-1) == kind]
        if lost.size:
            ax.plot(lost, [0.03] * len(lost), marker, color=COLOURS[1], transform=ax.get_xaxis_transform(), label=words)
    there = values[np.isfinite(values)]
    if name not in BOUNDED and name not in ENDS[1:] and there.size and (there > 0.0).all() and (
            name == ENDS[0] or there.max() >= 10.0 * there.min()):
        ax.set_yscale("log")
    axis.set_ticks(ax.xaxis, inches)
    over = f"mean over {data.draws}, " if data.draws else "mean "
    ax.set_ylabel(data.label(name) + (f"\n({over}" r"$\pm$ 2 s.e.)" if measured else ""))
    _say_if_empty(ax, data)
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False, fontsize="small")


def _say_if_empty(ax, data):
    if not (data.outcome == "ended").any():
        ax.text(0.5, 0.5, "no point reached the end", transform=ax.transAxes, ha="center", va="center", color=GREY)
        ax.yaxis.set_major_locator(NullLocator())
        ax.yaxis.set_minor_locator(NullLocator())


def _shades(axis, named):
    """Colours of curves: those of the list for names, else by place on the axis; not up to a pale yellow."""
    count = len(axis.values) if axis else 1
    if count <= len(COLOURS) and not (axis and axis.has_numbers):
        return None, COLOURS[:count]
    places = np.arange(count) if named or not axis.has_numbers else axis.places
    norm = Normalize(0, count - 1) if named or not axis.has_numbers else axis.norm()
    shades = ScalarMappable(norm, ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.92, 256))))
    shades.set_array(places)
    return shades, shades.to_rgba(places)
