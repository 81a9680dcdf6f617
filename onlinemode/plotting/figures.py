"""Whole figures of trajectories."""

from collections.abc import Iterable

import numpy as np
from matplotlib.figure import Figure

from onlinemode.plotting.curves import is_theory, listed
from onlinemode.plotting.panels import (
    plot_deviation,
    plot_error,
    plot_matched,
    plot_overlap_map,
    plot_overlaps,
    plot_residuals,
    plot_specialization,
    saved_index,
)
from onlinemode.plotting.resolved import draw_maps
from onlinemode.plotting.style import new_figure
from onlinemode.theory.fluctuations import Fluctuations
from onlinemode.trajectory import Trajectory

MAP_HEIGHT = 2.9  # inches, of maps of groups of eigenvalues
MOST_MAPS = 3


def overview(runs: Trajectory | Iterable[Trajectory], title: str | None = None) -> Figure:
    """The whole picture of one or several runs of the same problem.

    ε_g, specialization, matched overlaps and Q, R against α; below, mode residuals where the first run has them,
    and ρ at three or four of its times; then, of runs whose overlaps are resolved by eigenvalues, what is learned in
    each group.

    Parameters
    ----------
    runs : Trajectory or list of Trajectory
        Of the same K and M where several are given (otherwise only ε_g and specialization are drawn).
    title : str, optional
        Above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        To be changed, or saved with :func:`onlinemode.plotting.save_figure`.
    """
    runs = listed(runs)
    first = runs[0]
    same = all(run.R.shape[-2:] == first.R.shape[-2:] for run in runs)
    resolved = [run for run in runs if run.resolved is not None][:MOST_MAPS] if same else []
    figure = new_figure(11.0, (8.6 if same else 4.2) + (MAP_HEIGHT if resolved else 0.0), title)
    if not same:
        left, right = figure.subplots(1, 2)
        plot_error(left, runs)
        plot_specialization(right, runs)
        return figure
    if resolved:
        whole, last = figure.subfigures(2, 1, height_ratios=(8.6, MAP_HEIGHT))
        draw_maps(last, resolved)
    else:
        whole = figure
    top, bottom = whole.subfigures(2, 1, height_ratios=(2.35, 1.0))
    axes = top.subplots(2, 2)
    plot_error(axes[0, 0], runs)
    plot_specialization(axes[0, 1], runs)
    plot_matched(axes[1, 0], runs)
    plot_overlaps(axes[1, 1], runs)
    times = map_times(next((run for run in runs if is_theory(run)), first))
    times = [float(first.alpha[i]) for i in dict.fromkeys(saved_index(first, time) for time in times)]
    residuals = all(run.mode_residuals is not None for run in runs)
    if residuals and len(times) > 1:  # in place of the start, where little is to be seen
        times = times[1:]
    below = maps = bottom.subplots(1, len(times) + residuals, squeeze=False)[0]
    if residuals:
        plot_residuals(below[0], runs).set_ylabel("mode residuals $r_p$")
        below[0].legend(frameon=False, fontsize="x-small", loc="best")
        maps = below[1:]
    for ax, time in zip(maps, times):
        plot_overlap_map(ax, first, time)
    for ax in maps[1:]:
        ax.set_ylabel("")
    whose = " of the first run" if len([run for run in runs if not is_theory(run)]) > 1 else ""
    whose += ", first draw" if first.replicas > 1 else ""
    bottom.colorbar(maps[0].images[0], ax=list(maps), label=r"$\rho_{km}$" + whose, shrink=0.9)
    return figure


def map_times(run: Trajectory) -> list[float]:
    """Four telling times: start, middle of the plateau (geometric), fastest rise, end.

    Parameters
    ----------
    run : Trajectory
        Any; the fastest rise is that of a theory.

    Returns
    -------
    list of float
        Values of α.
    """
    reached = run.alpha[np.isfinite(run.generalization_error[0])]
    last = reached[-1] if len(reached) else run.alpha[-1]
    plateaus = run.plateaus()
    steps = run.specialization_steps() if is_theory(run) else ()
    early = max(last * 0.03, np.sqrt(run.alpha[0] * last))
    middle = np.sqrt(plateaus[0].start * plateaus[0].stop) if plateaus else early
    later = [step for step in steps if step > 1.2 * middle]
    rise = later[0] if later else np.sqrt(middle * last)
    return [run.alpha[0], middle, rise, last]


def comparison(runs: Trajectory | Iterable[Trajectory], theory: Trajectory, title: str | None = None,
               noise: Fluctuations | None = None) -> Figure:
    """Simulations with their theory, and their deviation in units of N^(−1/2).

    Parameters
    ----------
    runs : Trajectory or list of Trajectory
        Simulations from the same overlaps.
    theory : Trajectory
        On the same saved times.
    title : str, optional
        Above the picture.
    noise : Fluctuations, optional
        Draws the predicted ±2 standard deviations at the N of the simulations.

    Returns
    -------
    matplotlib.figure.Figure
        To be changed, or saved with :func:`onlinemode.plotting.save_figure`.
    """
    runs = listed(runs)
    figure = new_figure(11.0, 8.2, title)
    axes = figure.subplots(2, 2)
    plot_error(axes[0, 0], [*runs, theory], noise)
    plot_matched(axes[0, 1], [*runs, theory], noise)
    plot_overlaps(axes[1, 0], [*runs, theory], noise)
    plot_deviation(axes[1, 1], runs, theory, noise)
    return figure
