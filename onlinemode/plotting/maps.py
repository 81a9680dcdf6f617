"""Maps of a sweep: one quantity over two axes, where points did not end well, and contour lines, also of theory."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.colors import LogNorm, Normalize
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from onlinemode.errors import ParameterError
from onlinemode.plotting.style import COLOURS, GREY, new_figure, wrapped
from onlinemode.plotting.swept_axes import SweptAxis
from onlinemode.plotting.swept_data import SweptData

MOST_NUMBERS = 64  # cells of a map whose values are written into them
MOST_PANELS, COLUMNS = 12, 4
LEAST_SPAN = 0.2  # of colours for them: less is hardly a difference
FAR_SHARE = 0.1  # of the cells; more of them that are far from the others are a phase, not outliers
BOUNDED = ("final_specialization", "specialization")  # between 0 and 1: linear, whatever they span
LONGEST_NAME = 40  # letters of a sweep in legends
BETWEEN = 8  # steps between two cells along contour lines
SHORTEST_LABELLED = 0.2  # of the sides of a map, of contour lines
HATCHES = {"diverged": "////", "failed": "xxx"}
WITHOUT = {"specialized_at": "never specialized", **dict.fromkeys(
    ("plateau_length", "plateau_start", "plateau_stop", "plateau_level"), "no plateau")}


def plot_map(ax: Axes, x: SweptAxis, y: SweptAxis, values: np.ndarray, outcome: np.ndarray,
             norm: Normalize) -> QuadMesh:
    """Cells of one quantity: colours, hatches where points diverged or failed, grey where there is no such value.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    x, y : SweptAxis
    values : array (y, x)
        NaN where there is none.
    outcome : str array (y, x)
        As in :class:`SweptData`.
    norm : matplotlib.colors.Normalize

    Returns
    -------
    matplotlib.collections.QuadMesh
    """
    x.set_scale(ax.xaxis)
    y.set_scale(ax.yaxis)
    if isinstance(norm, LogNorm):
        values = np.where(values <= 0.0, 0.5 * norm.vmin, values)
    mesh = ax.pcolormesh(x.edges, y.edges, np.ma.masked_invalid(values), cmap="viridis", norm=norm)
    for kind, hatch in HATCHES.items():
        _fill(ax, x, y, outcome == kind, facecolor="#EEEEEE", edgecolor=GREY, hatch=hatch, gid=kind)
    _fill(ax, x, y, (outcome == "ended") & np.isnan(values), facecolor="#BBBBBB", edgecolor="none", gid="none")
    ax.set_xlim(*x.edges[[0, -1]])
    ax.set_ylim(*y.edges[[0, -1] if y.has_numbers else [-1, 0]])  # names are read from the top
    return mesh


def _fill(ax, x, y, where, **look):
    across, upward = x.edges, y.edges
    corners = [[(across[j + right], upward[i + up]) for right, up in ((0, 0), (1, 0), (1, 1), (0, 1))]
               for i, j in np.argwhere(where)]
    if corners:
        ax.add_collection(PolyCollection(corners, linewidth=0.0, **look), autolim=False)


def plot_contours(ax: Axes, x: SweptAxis, y: SweptAxis, values: np.ndarray, levels: Sequence[float],
                  logarithmic: bool, theory: bool = False, unlabelled: Sequence[float] = ()) -> QuadContourSet | None:
    """Contour lines through the centres of cells, straight on the page between them; dashed for theory.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    x, y : SweptAxis
        Of numbers.
    values : array (y, x)
    levels : sequence of float
    logarithmic : bool
        Interpolate logarithms.
    theory : bool, default False
    unlabelled : sequence of float
        Levels that have their numbers elsewhere.

    Returns
    -------
    matplotlib.contour.QuadContourSet or None
        None where no level is crossed.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        heights = np.log(np.where(values > 0.0, values, np.nan)) if logarithmic else values
    fine = _between(_between(heights, 0), 1)
    levels = [level for level in levels if np.nanmin(fine, initial=np.inf) < (np.log(level) if logarithmic else level)
              < np.nanmax(fine, initial=-np.inf)]
    if not levels:
        return None
    fine = np.ma.masked_invalid(np.exp(fine) if logarithmic else fine)
    places = [axis.inverse(_between(axis.forward(axis.places), 0)) for axis in (x, y)]
    colour = COLOURS[1] if theory else "black"
    lines = ax.contour(*places, fine, levels=levels, colors=colour, linewidths=1.4 if theory else 0.9,
                       linestyles="dashed" if theory else "solid")
    halo = [patheffects.withStroke(linewidth=2.6, foreground="white", alpha=0.6)]
    lines.set_path_effects(halo)
    if middles := _middles(lines, x, y, unlabelled):
        for text in ax.clabel(lines, fmt=_height, fontsize="x-small", inline_spacing=3, manual=middles):
            text.set_path_effects(halo)
    return lines


def _middles(lines, x, y, unlabelled):
    """Where the longest line of each level has its middle; labels that Matplotlib places may be cut at the frame."""
    places = []
    for level, path in zip(lines.levels, lines.get_paths()):
        if level in unlabelled or not len(path.vertices):
            continue
        parts = np.split(path.vertices, np.flatnonzero(path.codes == path.MOVETO)[1:])
        on_page = [np.column_stack([axis.forward(along) / np.ptp(axis.forward(axis.places))
                                    for axis, along in zip((x, y), part.T)]) for part in parts]
        lengths = [np.concatenate([[0.0], np.hypot(*np.diff(part, axis=0).T).cumsum()]) for part in on_page]
        longest = max(range(len(parts)), key=lambda i: lengths[i][-1])
        if lengths[longest][-1] > SHORTEST_LABELLED:
            middle = np.searchsorted(lengths[longest], 0.5 * lengths[longest][-1])
            places.append(tuple(parts[longest][middle]))
    return places


def _height(level):
    power = np.log10(abs(level)) if level else 0.0
    return f"$10^{{{power:.0f}}}$" if abs(power) > 3.0 and power == round(power) else f"{level:g}"


def _between(values, axis):
    """Linear interpolation in BETWEEN steps along an axis; NaN only strictly between a value and a NaN."""
    values = np.moveaxis(values, axis, 0)
    parts = np.arange(BETWEEN).reshape(-1, *[1] * (values.ndim - 1)) / BETWEEN
    steps = [np.where(parts == 0.0, low, (1.0 - parts) * low + parts * high) for low, high in zip(values, values[1:])]
    return np.moveaxis(np.concatenate([*steps, values[-1:]]), 0, axis)


def norm_of(name: str, values: np.ndarray) -> tuple[Normalize, str]:
    """The norm of all maps of a variable, and which ends of its colour bar have arrows.

    Logarithmic where the values span a decade. A few cells far from all others (at most a tenth of them, beyond
    Tukey's outer fences, 3 interquartile ranges from the quartiles) do not get colours of their own: one column would
    use up nearly all.
    """
    there = np.sort(values[np.isfinite(values)])
    if not there.size:
        return Normalize(0.0, 1.0), "neither"
    positive = there[there > 0.0]
    logarithmic = (name not in BOUNDED and there[0] > -1e-12 and 2 * positive.size > there.size
                   and positive[-1] >= 10.0 * positive[0])  # an ε_g of zero may have the sign of its rounding
    heights = np.log(positive) if logarithmic else there
    lower, upper = np.quantile(heights, [0.25, 0.75])
    near = np.abs(heights - 0.5 * (lower + upper)) <= 3.5 * (upper - lower)
    near |= upper == lower or np.mean(~near) > FAR_SHARE
    shown = (positive if logarithmic else there)[near]
    if logarithmic and shown[-1] < 10.0 * shown[0]:  # the decades were those of the outliers
        logarithmic = False
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[
        bool(there[0] < shown[0]), bool(there[-1] > shown[-1])]
    low, high = float(shown[0]), float(shown[-1])
    if name in BOUNDED and high - low < LEAST_SPAN:
        low = max(min(0.5 * (low + high - LEAST_SPAN), 1.0 - LEAST_SPAN), 0.0)
        high = low + LEAST_SPAN
    return (LogNorm if logarithmic else Normalize)(low, high), extend


def levels_of(norm: Normalize) -> list[float]:
    """Round numbers within a norm, up to about eight."""
    if isinstance(norm, LogNorm):
        decades = np.log10(norm.vmax / norm.vmin)
        digits = (1.0, 2.0, 5.0) if decades < 2.5 else (1.0, 3.0) if decades < 4.0 else (1.0,)
        powers = range(int(np.floor(np.log10(norm.vmin))), int(np.ceil(np.log10(norm.vmax))) + 1)
        powers = powers[::max(1, int(np.ceil(decades / 7.0)))]
        levels = [digit * 10.0**power for power in powers for digit in digits]
    else:
        levels = MaxNLocator(7, steps=[1.0, 2.5, 5.0, 10.0]).tick_values(norm.vmin, norm.vmax)
    return [float(level) for level in levels if norm.vmin < level < norm.vmax]


def maps_figure(data: SweptData, names: Sequence[str], title: str | None, theory: SweptData | None) -> Figure:
    """Maps of several variables over two axes, or of one over two axes at every value of a third one."""
    *_, y, x = axes = data.axes
    if len(axes) == 2:
        wide = 4.6 if len(names) > 1 else 5.8
        figure = new_figure(wide * len(names), 4.6, wrapped(title, wide * len(names)))
        panels = [_Panel(ax, name, x, y, data.ends(name), data.outcome, _ends_of(theory, name, (y, x), {}))
                  for ax, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names)]
        groups = [[panel] for panel in panels]
        inches = wide - 1.9, 3.6
    else:
        across = _panel_axis(axes)
        place, count = axes.index(across), len(across.values)
        y, x = (axis for axis in axes if axis is not across)
        columns = min(count, COLUMNS) if count != 5 and count != 6 else 3
        rows = -(-count // columns)
        wide = 2.8 * columns + 1.4
        figure = new_figure(wide, 2.5 * rows + 0.9, wrapped(title, wide))
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        values = np.moveaxis(data.ends(names[0]), place, 0)
        panels = [_Panel(ax, names[0], x, y, part, outcome, _ends_of(theory, names[0], (y, x), {across.name: value}))
                  for ax, value, part, outcome in zip(grid, across.values, values, np.moveaxis(data.outcome, place, 0))]
        if theory is not None and all(panel.theory is None for panel in panels):
            raise ParameterError(f"contours has none of the panels: {across.name} = {', '.join(across.texts)}")
        for ax in grid[count:]:
            ax.remove()
        for ax, text in zip(grid, across.texts):
            ax.set_title(f"{across.label} = {text}", fontsize="medium")
        groups = [panels]
        inches = 2.2, 1.9
    for group in groups:
        _draw_group(figure, data, group, inches, theory is not None)
    if len(axes) == 3:
        _outer_labels(grid, count, columns)
    _legend(figure, data, theory, names, panels)
    return figure


class _Panel:
    """A map to be drawn."""

    def __init__(self, ax, name, x, y, values, outcome, theory):
        self.ax, self.name, self.x, self.y = ax, name, x, y
        self.values, self.outcome, self.theory = values, outcome, theory
        self.lines = None


def _draw_group(figure, data, group, inches, with_theory):
    """Maps with one norm and one colour bar."""
    name, x, y = group[0].name, group[0].x, group[0].y
    values = np.stack([panel.values for panel in group])
    norm, extend = norm_of(name, values)
    levels = levels_of(norm)
    numbers = not with_theory and _have_room(x, y, values, inches)
    for panel in group:
        mesh = plot_map(panel.ax, x, y, panel.values, panel.outcome, norm)
        x.set_ticks(panel.ax.xaxis, inches[0])
        y.set_ticks(panel.ax.yaxis, inches[1])
        if x.has_numbers and y.has_numbers and not numbers:
            logarithmic = isinstance(norm, LogNorm)
            panel.lines = plot_contours(panel.ax, x, y, panel.values, levels, logarithmic)
            if panel.theory is not None:
                theory_y, theory_x, heights = panel.theory
                plot_contours(panel.ax, theory_x, theory_y, heights, levels, logarithmic, True,
                              () if panel.lines is None else panel.lines.levels)
        if numbers:
            _write_numbers(panel.ax, x, y, panel.values, norm)
    if np.isfinite(values).any():
        beside = {"pad": 0.015, "aspect": 30} if len(group) > 1 else {}
        bar = figure.colorbar(mesh, ax=[panel.ax for panel in group], label=data.label(name), extend=extend, **beside)
        if isinstance(norm, LogNorm) and len(levels) > 1:
            bar.set_ticks(levels, labels=list(map(_height, levels)))
            bar.minorticks_off()
    else:
        group[0].ax.set_title(f"no {data.label(name)}", fontsize="medium")


def _have_room(x, y, values, inches):
    """Whether numbers fit into all cells."""
    if len(x.values) * len(y.values) > MOST_NUMBERS:
        return False
    width, height = (np.diff(axis.forward(axis.edges)).min() / np.ptp(axis.forward(axis.edges)) * size
                     for axis, size in zip((x, y), inches))
    longest = max((len(_digits(value)) for value in values[np.isfinite(values)]), default=0)
    return bool(width > 0.06 * longest + 0.06 and height > 0.16)


def _digits(value):
    return f"{value:.0f}" if 100.0 <= abs(value) < 1e5 else f"{value:.2g}"


def _write_numbers(ax, x, y, values, norm):
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            ax.text(x.places[j], y.places[i], _digits(value), ha="center", va="center", fontsize="x-small",
                    color="black" if norm(value) > 0.6 else "white")


def _panel_axis(axes):
    """The axis whose values have a panel each: one of names, else the one of fewest values, the last of equals."""
    across = min(reversed(axes), key=lambda axis: (axis.has_numbers, len(axis.values)))
    if len(across.values) > MOST_PANELS:
        raise ParameterError(f"a picture has {MOST_PANELS} panels at most; {across.name} has {len(across.values)} "
                             f"values: choose some with dataset.sel({across.name}=[...])")
    return across


def _outer_labels(grid, count, columns):
    """Labels of shared axes at the outer panels alone, also where the last row is not full."""
    for place, ax in enumerate(grid[:count]):
        below = place + columns >= count
        ax.tick_params(labelbottom=below, labelleft=place % columns == 0)
        if not below:
            ax.set_xlabel("")
        if place % columns:
            ax.set_ylabel("")


def _ends_of(theory, name, axes, at):
    """Axes (y, x) and values of a theory beside a map; None where it has none at this value of a third axis.

    Raises
    ------
    ParameterError
        If it is not over the axes of the map, or lacks the variable.
    """
    if theory is None:
        return None
    names, wanted = [axis.name for axis in theory.axes], [axis.name for axis in axes]
    if not set(wanted) <= set(names) <= {*wanted, *at} or not all(axis.has_numbers for axis in axes):
        raise ParameterError(f"contours must be a sweep over the axes of the map, numbers of {' and '.join(wanted)}; "
                             f"got {' and '.join(names) or 'none'}")
    if name not in theory.names():
        raise ParameterError(f"contours has no {name}; it has {', '.join(theory.names())}")
    values, left = theory.ends(name), list(theory.axes)
    for axis in [axis for axis in theory.axes if axis.name in at]:
        if at[axis.name] not in axis.values:
            return None
        values = values.take(axis.values.index(at[axis.name]), left.index(axis))
        left.remove(axis)
    y, x = (next(axis for axis in left if axis.name == each) for each in wanted)
    return y, x, values if left == [y, x] else values.T


def names_apart(data: SweptData, theory: SweptData) -> tuple[str, ...]:
    """What legends call two sweeps: the parts of their titles in which they differ."""
    parts = [str(each.dataset.attrs.get("title", "")).split(", ") for each in (data, theory)]
    own = [", ".join(part for part in these if part and part not in others)
           for these, others in (parts, parts[::-1])]
    return tuple(textwrap.shorten(each or other, LONGEST_NAME, placeholder="…")
                 for each, other in zip(own, ("this sweep", "the other sweep")))


def _legend(figure, data, theory, names, panels):
    outcomes = np.stack([panel.outcome for panel in panels])
    words = {"diverged": "diverged", "failed": ", ".join(data.failures) or "failed"}
    handles = [Patch(facecolor="#EEEEEE", edgecolor=GREY, hatch=hatch, linewidth=0.0, label=words[kind])
               for kind, hatch in HATCHES.items() if (outcomes == kind).any()]
    without = {WITHOUT.get(panel.name, "no value") for panel in panels
               if (np.isnan(panel.values) & (panel.outcome == "ended")).any()}
    if without:
        handles.append(Patch(facecolor="#BBBBBB", edgecolor="none", label=" or ".join(sorted(without))))
    if (outcomes == "missing").any():
        handles.append(Patch(facecolor="white", edgecolor=GREY, linewidth=0.6, label="not run yet"))
    if theory is not None:
        own, other = names_apart(data, theory)
        handles += [Line2D([], [], color="black", lw=0.9, label=own)] if any(each.lines for each in panels) else []
        handles += [Line2D([], [], color=COLOURS[1], lw=1.4, ls="--", label=other)]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4), frameon=False,
                      fontsize="small")
