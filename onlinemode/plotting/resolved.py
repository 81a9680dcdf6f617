"""Which directions of the inputs are learned when: maps of groups of eigenvalues against time."""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onlinemode.errors import ParameterError
from onlinemode.plotting.curves import listed, name_of
from onlinemode.plotting.style import new_figure, short
from onlinemode.trajectory import Trajectory

MOST_LABELS = 12  # of eigenvalues beside a map
LEAST, MOST = 0.0, 1.0  # of the colours: nothing learned, and all


def plot_resolved(ax: Axes, run: Trajectory) -> Axes:
    """Map of what is learned in each group of eigenvalues, the largest at the top, against α.

    The colour is ``run.resolved.learned``, the mean over the replicas that are kept one by one: 0 nothing of the
    teacher's components in these directions, 1 all of them (docs/theory, section 18.7).

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    run : Trajectory
        Made with ``resolve=``.

    Returns
    -------
    matplotlib.axes.Axes
        The map is ``ax.collections[0]``.

    Raises
    ------
    ParameterError
        If the run has no groups.
    """
    if run.resolved is None:
        raise ParameterError("plot_resolved draws runs whose overlaps are resolved; this one is not: make it with "
                             "resolve=8, say")
    resolved, later = run.resolved, run.alpha > 0.0
    alpha, learned = run.alpha[later], resolved.learned[:, later]
    known = np.isfinite(learned)
    with np.errstate(invalid="ignore"):
        values = np.where(known, learned, 0.0).sum(0) / known.sum(0)
    ax.pcolormesh(_edges(alpha), np.arange(resolved.groups + 1) - 0.5, np.ma.masked_invalid(values.T), cmap="viridis",
                  vmin=LEAST, vmax=MOST)
    ax.set_xscale("log")
    ax.set_ylim(resolved.groups - 0.5, -0.5)
    ticks = np.unique(np.linspace(0, resolved.groups - 1, MOST_LABELS).round().astype(int))
    ax.set_yticks(ticks, [f"{short(resolved.eigenvalues[group])}" for group in ticks], fontsize="small")
    ax.set_xlabel(r"time $\alpha$ = steps / $N$")
    ax.set_ylabel(r"eigenvalue $\omega$ of the inputs")
    return ax


def _edges(alpha):
    """Between saved times, geometrically; a single time has a decade."""
    logs = np.log(alpha)
    middles = 0.5 * (logs[1:] + logs[:-1])
    half = 0.5 * (logs[-1] - logs[-2]) if len(logs) > 1 else 0.5 * np.log(10.0)
    return np.exp(np.concatenate([[logs[0] - half], middles, [logs[-1] + half]]))


def resolved_figure(runs: Trajectory | Iterable[Trajectory], title: str | None = None) -> Figure:
    """Maps of what is learned in each group of eigenvalues, one a run, side by side.

    Parameters
    ----------
    runs : Trajectory or list of Trajectory
        Made with ``resolve=``; others among them are left out.
    title : str, optional
        Above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        To be changed, or saved with :func:`onlinemode.plotting.save_figure`.

    Raises
    ------
    ParameterError
        If no run has groups.
    """
    runs = listed(runs)
    shown = [run for run in runs if run.resolved is not None] or runs[:1]
    figure = new_figure(1.5 + 4.6 * len(shown), 3.8, title)
    draw_maps(figure, shown)
    return figure


def draw_maps(figure, runs):
    """The maps of runs with groups in a figure, or in a part of one, with one scale of colours."""
    axes = figure.subplots(1, len(runs), squeeze=False)[0]
    for ax, run in zip(axes, runs):
        plot_resolved(ax, run)
        ax.set_title(name_of(run, runs) + (", their mean" if run.draws > 1 else ""), fontsize="medium")
    for ax in axes[1:]:
        ax.set_ylabel("")
    figure.colorbar(axes[0].collections[0], ax=list(axes), label="share of the teacher learned", extend="both")
