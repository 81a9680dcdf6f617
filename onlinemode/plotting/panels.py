"""Panels of trajectories: functions that take an Axes and return it.

What a legend names is in the Axes: a curve drawn into it later joins the others at the next ``ax.legend()``.
"""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes

from onlinemode import agreement
from onlinemode.errors import ParameterError
from onlinemode.losses import SIGN
from onlinemode.plotting.curves import (
    DECADES_SHOWN,
    MOST_DRAWS,
    draw,
    draw_noise,
    draw_standard_errors,
    is_marked,
    is_theory,
    listed,
    look,
    name_of,
    partners,
    shade_plateaus,
    time_axis,
)
from onlinemode.plotting.style import COLOURS, GREY, MARKERS, colours_of, in_legend, number_ticks, short, thousands
from onlinemode.theory.fluctuations import Fluctuations
from onlinemode.trajectory import Trajectory

MOST_SWITCHES = 20  # of tasks, that are marked


def plot_error(ax: Axes, runs: Trajectory | Iterable[Trajectory], noise: Fluctuations | None = None) -> Axes:
    """Generalization error ε_g against α, log-log; plateaus of the first theory (else of the first run) are shaded.

    Where there are several tasks it is the error of each, with a line where their shares jump; where all labels are
    signs it is the classification error.  Both are without plateaus.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    runs : Trajectory or list of Trajectory
        Of one problem; theory among them is drawn as lines.
    noise : Fluctuations, optional
        Draws the predicted ±2 standard deviations at the N of the simulations.

    Returns
    -------
    matplotlib.axes.Axes
        The same.
    """
    runs = listed(runs)
    ax.set_yscale("log", nonpositive="mask")
    if all(run.problem.tasks is not None for run in runs):
        return plot_tasks(ax, runs)
    if all(run.problem.labels == SIGN for run in runs):
        return _plot_classification_error(ax, runs)
    for run in runs:
        colour, marker = look(run, runs)
        draw(ax, run, "generalization_error", (), colour, marker, label=name_of(run, runs), mean=True)
        if run.error_se is not None:
            draw_standard_errors(ax, run, colour, "±2 standard errors of the measurement")
    draw_noise(ax, runs, noise, "generalization_error", (), "black", "linear noise, ±2 sd")
    reference = next((run for run in runs if is_theory(run)), runs[0])
    shade_plateaus(ax, reference, "plateau" + (" of the ODE" if is_theory(reference) else ""))
    time_axis(ax, runs)
    ax.set_ylabel(r"generalization error $\varepsilon_g$")
    ax.legend(frameon=False, fontsize="small", loc="lower left")
    return ax


def plot_tasks(ax: Axes, runs: Trajectory | Iterable[Trajectory]) -> Axes:
    """Generalization error of every task against α, one colour a task; a line where the tasks' shares jump.

    Where turns of tasks wait for an error, lines are at those of the first replica.  More than 20 lines are left out.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    runs : Trajectory or list of Trajectory
        Of problems with tasks; theory among them is drawn as lines.

    Returns
    -------
    matplotlib.axes.Axes
        The same.

    Raises
    ------
    ParameterError
        If a run has one task.
    """
    runs = listed(runs)
    counts = [0 if run.task_errors is None else run.task_errors.shape[-1] for run in runs]
    if not all(counts):
        raise ParameterError("plot_tasks draws runs of several tasks; got one of one task: use plot_error")
    ax.set_yscale("log", nonpositive="mask")
    colours = colours_of(max(counts))
    for number, (run, count) in enumerate(zip(runs, counts)):
        for task in range(count):
            draw(ax, run, "task_errors", (task,), colours[task], MARKERS[number % len(MARKERS)],
                 label=f"task {task}" if number == 0 else None)
    time_axis(ax, runs)
    changes = {jump for run in runs for jump in run.problem.switches if jump < run.alpha[-1]}
    changes |= {alpha for run in runs if run.switched_at is not None for alpha in run.switched_at[0] if alpha > 0.0}
    for alpha in changes if len(changes) <= MOST_SWITCHES else ():
        ax.axvline(alpha, color=GREY, lw=0.8, ls=":", zorder=0)
    ax.set_ylabel(r"generalization error of a task $\varepsilon_\tau$")
    ax.legend(frameon=False, fontsize="small", loc="lower left")
    return ax


def _plot_classification_error(ax, runs):
    for run in runs:
        draw(ax, run, "classification_error", (), *look(run, runs), label=name_of(run, runs), mean=True)
    time_axis(ax, runs)
    ax.set_ylabel("classification error")
    ax.legend(frameon=False, fontsize="small", loc="lower left")
    return ax


def plot_overlaps(ax: Axes, runs: Trajectory | Iterable[Trajectory], noise: Fluctuations | None = None) -> Axes:
    """Q_kk and the matched R_kπ(k) against α, one colour a student unit.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    runs : Trajectory or list of Trajectory
        Of one problem; theory among them is drawn as lines.
    noise : Fluctuations, optional
        Draws the predicted ±2 standard deviations at the N of the simulations.

    Returns
    -------
    matplotlib.axes.Axes
        The same.
    """
    runs = listed(runs)
    for number, run in enumerate(runs):
        circle, square = MARKERS[2 * number % len(MARKERS)], MARKERS[(2 * number + 1) % len(MARKERS)]
        for k, (m, colour) in enumerate(_coloured_partners(run, runs)):
            draw(ax, run, "Q", (k, k), colour, square, "--")
            if np.any(m >= 0):
                draw(ax, run, "R", (k, m), colour, circle, "-")
    for k, (m, colour) in enumerate(_coloured_partners(runs[-1], runs)):
        draw_noise(ax, runs, noise, "Q", (k, k), colour)
        if np.any(m >= 0):
            draw_noise(ax, runs, noise, "R", (k, m), colour)
    time_axis(ax, runs)
    ax.set_ylabel(r"overlaps $Q_{kk}$, $R_{k\pi(k)}$")
    marked = [(number, run) for number, run in enumerate(runs) if is_marked(run)]
    lines = len(marked) < len(runs)
    for column, (line, label) in enumerate((("-", r"$R_{k\pi(k)}$"), ("--", r"$Q_{kk}$"))):
        for number, run in marked or [(0, None)]:  # type: ignore[list-item]
            marker = MARKERS[(2 * number + column) % len(MARKERS)] if marked else ""
            _name_in_legend(ax, label + (f", {name_of(run, runs)}" if len(marked) > 1 else ""), GREY, marker,
                            line if lines else "")
    ax.legend(frameon=False, fontsize="small", loc="best")
    return ax


def plot_matched(ax: Axes, runs: Trajectory | Iterable[Trajectory], noise: Fluctuations | None = None) -> Axes:
    """Matched ρ_kπ(k) against α, one colour a student unit; partners in the legend are the first run's.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    runs : Trajectory or list of Trajectory
        Of one problem; theory among them is drawn as lines.
    noise : Fluctuations, optional
        Draws the predicted ±2 standard deviations at the N of the simulations.

    Returns
    -------
    matplotlib.axes.Axes
        The same.
    """
    runs = listed(runs)
    few = sum(np.any(m >= 0) for m in partners(runs[0], runs)) <= 4
    for run in runs:
        for k, (m, colour) in enumerate(_coloured_partners(run, runs)):
            if np.any(m >= 0):
                whose = f"teacher {m + 1}" if np.ndim(m) == 0 else "its teacher"
                draw(ax, run, "rho", (k, m), colour, look(run, runs)[1],
                     label=rf"unit {k + 1} $\to$ {whose}" if few and run is runs[0] else None)
    for k, (m, colour) in enumerate(_coloured_partners(runs[-1], runs)):
        if np.any(m >= 0):
            draw_noise(ax, runs, noise, "rho", (k, m), colour)
    time_axis(ax, runs)
    ax.set_ylim(min(-0.05, ax.get_ylim()[0]), 1.05)
    ax.set_ylabel(r"matched overlap $\rho_{k\pi(k)}$")
    _name_markers(ax, runs)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize="small", loc="best")
    return ax


def plot_specialization(ax: Axes, runs: Trajectory | Iterable[Trajectory], noise: Fluctuations | None = None) -> Axes:
    """Normalised specialization against α, with the plateau shaded and its steps marked.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    runs : Trajectory or list of Trajectory
        Of one problem; theory among them is drawn as lines.
    noise : Fluctuations, optional
        Draws the predicted ±2 standard deviations at the N of the simulations.

    Returns
    -------
    matplotlib.axes.Axes
        The same.
    """
    runs = listed(runs)
    for run in runs:
        draw(ax, run, "specialization", (), *look(run, runs), mean=True)  # type: ignore[misc]
    draw_noise(ax, runs, noise, "specialization", (), "black")
    reference = next((run for run in runs if is_theory(run)), runs[0])
    shade_plateaus(ax, reference)
    for i, step in enumerate(reference.specialization_steps() if is_theory(reference) else ()):
        ax.axvline(step, color=GREY, ls=":", lw=1.0, label="fastest rise of the ODE" if i == 0 else None)
    ax.axhline(1.0, color=GREY, lw=0.8)
    ax.axhline(0.0, color=GREY, lw=0.8)
    time_axis(ax, runs)
    ax.set_ylabel("specialization")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize="small", loc="center left")
    return ax


def plot_residuals(ax: Axes, runs: Trajectory | Iterable[Trajectory]) -> Axes:
    """Mode residuals r_p against α, one colour a mode: about 1 or more unlearned, 0 found (docs/theory, section 6.3).

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    runs : Trajectory or list of Trajectory
        Whose ``mode_residuals`` are defined.

    Returns
    -------
    matplotlib.axes.Axes
        The same.
    """
    runs = listed(runs)
    for run in runs:
        strengths = run.initial.strengths
        for p, (strength, colour) in enumerate(zip(strengths, colours_of(len(strengths)))):
            named = run is runs[0] and p in in_legend(len(strengths))
            draw(ax, run, "mode_residuals", (p,), colour, look(run, runs)[1], bands=False,
                 label=rf"mode {p + 1}, $s = {strength:.2f}$" if named else None)
    time_axis(ax, runs)
    ax.axhline(0.0, color=GREY, lw=0.8)
    ax.set_ylabel(r"mode residuals $r_p = |X_p - X_p^*|^2 / |X_p^*|^2$")
    _name_markers(ax, runs)
    ax.legend(frameon=False, fontsize="small", loc="best")
    return ax


def plot_overlap_map(ax: Axes, run: Trajectory, alpha: float, replica: int = 0) -> Axes:
    """Heat map of ρ_km = R_km/√(Q_kk T_mm), −1 to 1 for strong and weak units, at the saved time nearest to ``alpha``.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    run : Trajectory
        Any.
    alpha : float
        A time, in steps/N.
    replica : int, default 0
        One of those that are kept one by one.

    Returns
    -------
    matplotlib.axes.Axes
        The image is ``ax.images[0]``.
    """
    index = saved_index(run, alpha, replica)
    K, M = run.rho.shape[-2:]
    ax.imshow(np.zeros((K, M)), cmap="PuOr_r", vmin=-1.0, vmax=1.0, aspect="equal")
    number_ticks(ax.xaxis, M)
    number_ticks(ax.yaxis, K)
    ax.set_xlabel("teacher unit $m$")
    ax.set_ylabel("student unit $k$")
    ax.set_title(rf"$\alpha = {short(run.alpha[index])}$", fontsize="medium")
    if K * M <= 36:
        for k in range(K):
            for m in range(M):
                ax.text(m, k, "", ha="center", va="center", fontsize="x-small")
    show_overlaps(ax, run.rho[replica, index])
    return ax


def show_overlaps(ax: Axes, rho: np.ndarray) -> None:
    """Give a map of :func:`plot_overlap_map` other values of ρ, (K, M), in its colours and in its numbers."""
    ax.images[0].set_data(rho)
    for text, value in zip(ax.texts, rho.ravel()):
        text.set_text(f"{value:.2f}".replace("-0.00", "0.00"))
        text.set_color("white" if abs(value) > 0.65 else "black")


def saved_index(run: Trajectory, alpha: float, replica: int = 0) -> int:
    """Index of the saved time nearest to ``alpha`` that a replica reached."""
    usable = np.isfinite(run.rho[replica]).all((-2, -1))
    return int(np.where(usable, np.abs(run.alpha - alpha), np.inf).argmin())


def plot_deviation(ax: Axes, runs: Trajectory | Iterable[Trajectory], theory: Trajectory,
                   noise: Fluctuations | None = None) -> Axes:
    """√N times the root mean square deviation of (Q, R) from the mean-field equations, against α.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    runs : Trajectory or list of Trajectory
        Simulations; of several replicas a few are drawn, and the root mean square over all.
    theory : Trajectory
        On the same saved times, from the same overlaps.
    noise : Fluctuations, optional
        Draws what the linear-noise theory expects of it.

    Returns
    -------
    matplotlib.axes.Axes
        The same.

    Raises
    ------
    ParameterError
        If the times differ.
    """
    runs = listed(runs)
    from onlinemode.observables import overlap_deviation

    for run in runs:
        if len(run.alpha) != len(theory.alpha):
            raise ParameterError(f"runs and theory must have the same times; got {len(run.alpha)} and "
                                 f"{len(theory.alpha)} of them: simulate the theory with save_at=run.alpha")
    last, sizes = max(run.alpha[-1] for run in runs), sorted({run.N for run in runs})
    for number, run in enumerate(runs):
        colour = COLOURS[number % len(COLOURS)]
        shown = run.alpha >= max(last * 10.0**-DECADES_SHOWN, 0.5 / run.N)
        each = np.sqrt(run.N) * overlap_deviation(run.Q, run.R, theory.Q[:run.draws], theory.R[:run.draws])
        for r, deviation in enumerate(each[:MOST_DRAWS]):
            ax.plot(run.alpha[shown], deviation[shown], color=colour, lw=1.0 if run.replicas == 1 else 0.6,
                    label=name_of(run, runs) if r == 0 else None)
        if run.replicas > 1 and run.starts is None:
            over_all = np.sqrt(run.N) * agreement.rms_deviation(run, theory)
            ax.plot(run.alpha[shown], over_all[shown], color=colour, lw=2.0,
                    label=f"rms over ${thousands(run.replicas)}$ draws")
    if noise is not None:
        shown = (noise.alpha > 0.0) & (noise.alpha >= last * 10.0**-DECADES_SHOWN)
        for N in sizes:
            ax.plot(noise.alpha[shown], np.sqrt(N) * agreement.expected_deviation(noise, N)[shown], "k:", lw=1.4,
                    label="linear noise" if N == sizes[0] else None)
    shade_plateaus(ax, theory)
    ax.set_yscale("log")
    time_axis(ax, runs)
    ax.legend(frameon=False, fontsize="small", loc="best")
    ax.set_ylabel(r"$\sqrt{N}$ × rms deviation of $(Q, R)$")
    return ax


def _coloured_partners(run, runs):
    """Partner and colour of each student unit."""
    matched = partners(run, runs)
    return list(zip(matched, colours_of(len(matched))))


def _name_in_legend(ax, label, colour, marker, linestyle):
    """An entry of the legend that stands for many curves: a line without points."""
    ax.plot([], [], color=colour, marker=marker, ls=linestyle, mfc="none", ms=4.0, label=label)


def _name_markers(ax, runs):
    """Which markers belong to which simulation, where several have some."""
    marked = [run for run in runs if is_marked(run)]
    for run in marked if len(marked) > 1 else ():
        _name_in_legend(ax, name_of(run, runs), GREY, look(run, runs)[1], "")
