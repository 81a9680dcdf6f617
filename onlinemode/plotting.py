"""Pictures of trajectories: functions that take an Axes and return it, and two whole figures.

One simulation is markers, theory is lines.  Of several replicas a few are drawn one by one as thin
lines, never their average alone: stage times differ from draw to draw.  From BANDS_FROM replicas on,
bands hold 50 % and 95 % of them.  Dotted lines are the linear-noise theory, ±2 standard deviations of
a run at that N.  Colours are those of Okabe and Ito, which stay apart for colour-blind readers.
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from onlinemode import agreement
from onlinemode.errors import ParameterError

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
GREY = "#777777"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
MARKERS_A_CURVE = 32
MOST_DRAWS = 5  # replicas that are drawn one by one
BANDS_FROM = 20  # replicas: fewer have no 2.5 % quantile to speak of
DECADES_SHOWN = 4.5


def is_theory(run):
    """Whether a run is drawn as lines."""
    return run.meta["engine"] == "ode"


def name_of(run):
    """A short name for legends: engine and N."""
    if is_theory(run):
        return r"ODE, $N\to\infty$"
    kind = {"micro": "SGD"}.get(run.meta["engine"], run.meta["engine"])
    return f"{kind}, $N = {_thousands(run.N)}$" + _draws_shown(run)


def _draws_shown(run):
    if run.replicas == 1:
        return ""
    shown = min(run.draws, MOST_DRAWS)
    return f", {run.replicas} draws" if run.replicas <= shown else f", {shown} of ${_thousands(run.replicas)}$ draws"


def has_bands(run):
    """Whether quantile bands are drawn for a run."""
    return run.replicas >= BANDS_FROM and not is_theory(run)


def _thousands(number):
    return f"{number:,}".replace(",", r"\,")


def _marked(alpha):
    """Indices of about MARKERS_A_CURVE log-spaced times over the decades shown."""
    positive = np.flatnonzero(alpha > 0.0)
    if positive.size == 0:
        return positive
    last = alpha[positive[-1]]
    targets = np.geomspace(max(alpha[positive[0]], last * 10.0**-DECADES_SHOWN), last, MARKERS_A_CURVE)
    return np.unique(positive[np.abs(np.log(alpha[positive][:, None] / targets)).argmin(0)])


def _draw(ax, run, name, entry, colour, marker="o", linestyle="-", bands=True):
    """One observable of a run, the entry (k, m) or () of it: its draws, and bands where there are many.

    ``m`` may be an array, one a draw (-1: none); then there are no bands.
    """
    positive = run.alpha > 0.0
    own = bool(entry) and np.ndim(entry[-1]) > 0
    values = getattr(run, name)[(np.arange(run.draws), slice(None), *entry)]
    if own:
        values[entry[-1] < 0] = np.nan
    if bands and has_bands(run) and not own:
        low, lower, _, upper, high = run.ensemble.quantiles[name][(slice(None), slice(None), *entry)][:, positive]
        ax.fill_between(run.alpha[positive], low, high, color=colour, alpha=0.15, lw=0.0)
        ax.fill_between(run.alpha[positive], lower, upper, color=colour, alpha=0.25, lw=0.0)
    for curve in values[:MOST_DRAWS]:
        if is_theory(run):
            ax.plot(run.alpha[positive], curve[positive], linestyle, color=colour, lw=1.4 if run.draws == 1 else 0.8,
                    alpha=1.0 if run.draws == 1 else 0.6)
        elif run.replicas == 1:
            shown = _marked(run.alpha)
            ax.plot(run.alpha[shown], curve[shown], marker, color=colour, ms=4.0, mfc="none", mew=1.0)
        else:
            ax.plot(run.alpha[positive], curve[positive], linestyle, color=colour, lw=0.6, alpha=0.8)


def _draw_standard_errors(ax, run, colour):
    """A thin band of ±2 standard errors around every measured ε_g that is drawn."""
    positive = run.alpha > 0.0
    for error, se in zip(run.generalization_error[:MOST_DRAWS, positive], run.error_se[:MOST_DRAWS, positive]):
        ax.fill_between(run.alpha[positive], error - 2.0 * se, error + 2.0 * se, color=colour, alpha=0.4, lw=0.0)


def _draw_noise(ax, runs, noise, name, entry, colour):
    """The linear-noise theory's ±2 standard deviations at the N of the simulations, within the axes as they are."""
    if noise is None:
        return
    limits = ax.get_ylim()
    positive = noise.alpha > 0.0
    for N in sorted({run.N for run in runs if not is_theory(run)}):
        for edge in noise.band(name, N):
            ax.plot(noise.alpha[positive], edge[(slice(None), *entry)][positive], ":", color=colour, lw=1.0)
    ax.set_ylim(limits)


def _handle(run, colour, marker):
    """What stands for a run in a legend."""
    if is_theory(run):
        return Line2D([], [], color=colour, lw=1.4, label=name_of(run))
    if run.replicas == 1:
        return Line2D([], [], color=colour, ls="", marker=marker, mfc="none", ms=4.0, label=name_of(run))
    return Line2D([], [], color=colour, lw=0.8, label=name_of(run))


def _look(run, runs):
    """Colour and marker of a whole run: theory is black, simulations go through the lists."""
    if is_theory(run):
        return "black", ""
    number = [other for other in runs if not is_theory(other)].index(run)
    return COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]


def _time_axis(ax, runs):
    positive = np.concatenate([run.alpha[run.alpha > 0.0] for run in runs])
    if positive.size:
        ax.set_xscale("log")
        ax.set_xlim(max(positive.min(), positive.max() * 10.0**-DECADES_SHOWN) / 1.15, positive.max() * 1.15)
    ax.set_xlabel(r"time $\alpha$ = steps / $N$")


def _shade_plateaus(ax, run):
    for plateau in run.plateaus():
        ax.axvspan(plateau.start, plateau.stop, color="#DDDDDD", lw=0.0, zorder=0)


def plot_error(ax, runs, noise=None):
    """ε_g against α, log-log; plateaus of the first theory (else of the first run) are shaded.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    runs : list of Trajectory
    noise : onlinemode.theory.fluctuations.Fluctuations, optional
        Draws the predicted ±2 standard deviations at the N of the simulations.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax.set_yscale("log", nonpositive="mask")
    handles = []
    for run in runs:
        colour, marker = _look(run, runs)
        _draw(ax, run, "generalization_error", (), colour, marker)
        handles.append(_handle(run, colour, marker))
        if run.error_se is not None:
            _draw_standard_errors(ax, run, colour)
    if any(run.error_se is not None for run in runs):
        handles.append(Patch(color=GREY, alpha=0.4, lw=0.0, label="±2 standard errors of the measurement"))
    if any(has_bands(run) for run in runs):
        handles.append(Patch(color=GREY, alpha=0.3, lw=0.0, label="50 % and 95 % of the draws"))
    if noise is not None:
        _draw_noise(ax, runs, noise, "generalization_error", (), "black")
        handles.append(Line2D([], [], color="black", ls=":", lw=1.0, label="linear noise, ±2 sd"))
    reference = next((run for run in runs if is_theory(run)), runs[0])
    if reference.plateaus():
        _shade_plateaus(ax, reference)
        handles.append(Line2D([], [], color="#DDDDDD", lw=6, label="plateau"))
    _time_axis(ax, runs)
    ax.set_ylabel(r"generalization error $\epsilon_g$")
    ax.legend(handles=handles, frameon=False, fontsize="small", loc="lower left")
    return ax


def plot_overlaps(ax, runs, noise=None):
    """Q_kk and the matched R_kπ(k) against α, one colour a student unit.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    runs : list of Trajectory
    noise : onlinemode.theory.fluctuations.Fluctuations, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    for number, run in enumerate(runs):
        circle, square = MARKERS[2 * number % len(MARKERS)], MARKERS[(2 * number + 1) % len(MARKERS)]
        for k, m in enumerate(_partners(run, runs)):
            colour = COLOURS[k % len(COLOURS)]
            _draw(ax, run, "Q", (k, k), colour, square, "--")
            if np.any(m >= 0):
                _draw(ax, run, "R", (k, m), colour, circle, "-")
    for k, m in enumerate(_partners(runs[-1], runs)):
        _draw_noise(ax, runs, noise, "Q", (k, k), COLOURS[k % len(COLOURS)])
        if np.any(m >= 0):
            _draw_noise(ax, runs, noise, "R", (k, m), COLOURS[k % len(COLOURS)])
    _time_axis(ax, runs)
    ax.set_ylabel(r"overlaps $Q_{kk}$, $R_{k\pi(k)}$")
    _kind_legend(ax, runs, [("o", "-", r"$R_{k\pi(k)}$"), ("s", "--", r"$Q_{kk}$")])
    return ax


def plot_matched(ax, runs, noise=None):
    """Matched ρ_kπ(k) against α, one colour a student unit; partners in the legend are the first run's.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    runs : list of Trajectory
    noise : onlinemode.theory.fluctuations.Fluctuations, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    for number, run in enumerate(runs):
        for k, m in enumerate(_partners(run, runs)):
            if np.any(m >= 0):
                _draw(ax, run, "rho", (k, m), COLOURS[k % len(COLOURS)], MARKERS[number % len(MARKERS)])
    for k, m in enumerate(_partners(runs[-1], runs)):
        if np.any(m >= 0):
            _draw_noise(ax, runs, noise, "rho", (k, m), COLOURS[k % len(COLOURS)])
    _time_axis(ax, runs)
    ax.set_ylim(min(-0.05, ax.get_ylim()[0]), 1.05)
    ax.set_ylabel(r"matched overlap $\rho_{k\pi(k)}$")
    handles = [Line2D([], [], color=COLOURS[k % len(COLOURS)], marker="o", mfc="none", ms=4.0,
                      label=rf"unit {k + 1} $\to$ " + (f"teacher {m + 1}" if np.ndim(m) == 0 else "its teacher"))
               for k, m in enumerate(_partners(runs[0], runs)) if np.any(m >= 0)]
    if len(handles) <= 4:
        ax.legend(handles=handles, frameon=False, fontsize="small", loc="upper left")
    return ax


def plot_specialization(ax, runs, noise=None):
    """Normalised specialization against α, with the plateau shaded and its steps marked.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    runs : list of Trajectory
    noise : onlinemode.theory.fluctuations.Fluctuations, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    for run in runs:
        _draw(ax, run, "specialization", (), *_look(run, runs))
    _draw_noise(ax, runs, noise, "specialization", (), "black")
    reference = next((run for run in runs if is_theory(run)), runs[0])
    _shade_plateaus(ax, reference)
    for i, step in enumerate(reference.specialization_steps()):
        ax.axvline(step, color=GREY, ls=":", lw=1.0, label="fastest rise" if i == 0 else None)
    ax.axhline(1.0, color=GREY, lw=0.8)
    ax.axhline(0.0, color=GREY, lw=0.8)
    _time_axis(ax, runs)
    ax.set_ylabel("specialization")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize="small", loc="center left")
    return ax


def plot_residuals(ax, runs):
    """Mode residuals r_p against α, one colour a mode: 1 unlearned, 0 found (docs/theory.md, section 6.3).

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    runs : list of Trajectory
        Whose ``mode_residuals`` are defined.

    Returns
    -------
    matplotlib.axes.Axes
    """
    for number, run in enumerate(runs):
        for p in range(run.initial.P):
            _draw(ax, run, "mode_residuals", (p,), COLOURS[p % len(COLOURS)], MARKERS[number % len(MARKERS)],
                  bands=False)
    _time_axis(ax, runs)
    ax.axhline(0.0, color=GREY, lw=0.8)
    ax.set_ylabel(r"mode residuals $r_p = |X_p - X_p^*|^2 / |X_p^*|^2$")
    handles = [Line2D([], [], color=COLOURS[p % len(COLOURS)], lw=1.4, label=rf"mode {p + 1}, $s = {strength:.2f}$")
               for p, strength in enumerate(runs[0].initial.strengths)]
    ax.legend(handles=handles, frameon=False, fontsize="small", loc="best")
    return ax


def plot_overlap_map(ax, run, alpha, replica=0):
    """Heat map of R at the saved time nearest to ``alpha``.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    run : Trajectory
    alpha : float
    replica : int, default 0

    Returns
    -------
    matplotlib.axes.Axes
        The image is ``ax.images[0]``; its colour scale is symmetric about 0 and common to all times.
    """
    usable = np.isfinite(run.R[replica]).all((-2, -1))
    index = np.where(usable, np.abs(run.alpha - alpha), np.inf).argmin()
    R = run.R[replica, index]
    largest = np.abs(run.R[replica, usable]).max(initial=1e-300)
    ax.imshow(R, cmap="PuOr_r", vmin=-largest, vmax=largest, aspect="equal")
    K, M = R.shape
    ax.set_xticks(range(M), range(1, M + 1))
    ax.set_yticks(range(K), range(1, K + 1))
    ax.set_xlabel("teacher unit $m$")
    ax.set_ylabel("student unit $k$")
    ax.set_title(rf"$\alpha = {_short(run.alpha[index])}$", fontsize="medium")
    if K * M <= 36:
        for k in range(K):
            for m in range(M):
                ax.text(m, k, f"{R[k, m]:.2f}".replace("-0.00", "0.00"), ha="center", va="center", fontsize="x-small",
                        color="white" if abs(R[k, m]) > 0.65 * largest else "black")
    return ax


def plot_deviation(ax, runs, theory, noise=None):
    """√N times the root mean square deviation of (Q, R) from the mean-field equations, against α.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    runs : list of Trajectory
        Simulations; of several replicas a few are drawn, and the root mean square over all.
    theory : Trajectory
        On the same saved times, from the same overlaps.
    noise : onlinemode.theory.fluctuations.Fluctuations, optional
        Draws what the linear-noise theory expects of it.

    Returns
    -------
    matplotlib.axes.Axes
    """
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
                    label=name_of(run) if r == 0 else None)
        if run.replicas > 1 and run.starts is None:
            over_all = np.sqrt(run.N) * agreement.rms_deviation(run, theory)
            ax.plot(run.alpha[shown], over_all[shown], color=colour, lw=2.0,
                    label=f"rms over ${_thousands(run.replicas)}$ draws")
    if noise is not None:
        shown = (noise.alpha > 0.0) & (noise.alpha >= last * 10.0**-DECADES_SHOWN)
        for N in sizes:
            ax.plot(noise.alpha[shown], np.sqrt(N) * agreement.expected_deviation(noise, N)[shown], "k:", lw=1.4,
                    label="linear noise" if N == sizes[0] else None)
    _shade_plateaus(ax, theory)
    ax.set_yscale("log")
    _time_axis(ax, runs)
    ax.legend(frameon=False, fontsize="small", loc="best")
    ax.set_ylabel(r"$\sqrt{N}$ × rms deviation of $(Q, R)$")
    return ax


def overview(runs, title=None):
    """The whole picture of one or several runs of the same problem.

    ε_g, specialization, matched overlaps and Q, R against α; below, R at four times of the first run.

    Parameters
    ----------
    runs : list of Trajectory
        Of the same K and M where several are given (otherwise only ε_g and specialization are drawn).
    title : str, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    first = runs[0]
    same = all(run.R.shape[-2:] == first.R.shape[-2:] for run in runs)
    figure = Figure(figsize=(11.0, 8.6) if same else (11.0, 4.2), layout="constrained")
    if title:
        figure.suptitle(title, fontsize="medium")
    if not same:
        left, right = figure.subplots(1, 2)
        plot_error(left, runs)
        plot_specialization(right, runs)
        return figure
    top, bottom = figure.subfigures(2, 1, height_ratios=(2.35, 1.0))
    axes = top.subplots(2, 2)
    plot_error(axes[0, 0], runs)
    plot_specialization(axes[0, 1], runs)
    plot_matched(axes[1, 0], runs)
    plot_overlaps(axes[1, 1], runs)
    times = map_times(next((run for run in runs if is_theory(run)), first))
    maps = bottom.subplots(1, len(times))
    for ax, time in zip(maps, times):
        plot_overlap_map(ax, first, time)
    for ax in maps[1:]:
        ax.set_ylabel("")
    bottom.colorbar(maps[0].images[0], ax=list(maps), label="$R_{km}$", shrink=0.9)
    return figure


def map_times(run):
    """Four telling times: start, middle of the plateau (geometric), fastest rise, end."""
    reached = run.alpha[np.isfinite(run.generalization_error[0])]
    last = reached[-1] if len(reached) else run.alpha[-1]
    plateaus, steps = run.plateaus(), run.specialization_steps()
    middle = np.sqrt(plateaus[0].start * plateaus[0].stop) if plateaus else last * 0.03
    later = [step for step in steps if step > 1.2 * middle]
    rise = later[0] if later else np.sqrt(middle * last)
    return [run.alpha[0], middle, rise, last]


def comparison(runs, theory, title=None, noise=None):
    """Simulations with their theory, and their deviation in units of N^(−1/2).

    Parameters
    ----------
    runs : list of Trajectory
        Simulations from the same overlaps.
    theory : Trajectory
        On the same saved times.
    title : str, optional
    noise : onlinemode.theory.fluctuations.Fluctuations, optional
        Draws the predicted ±2 standard deviations at the N of the simulations.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(11.0, 8.2), layout="constrained")
    if title:
        figure.suptitle(title, fontsize="medium")
    axes = figure.subplots(2, 2)
    plot_error(axes[0, 0], [*runs, theory], noise)
    plot_matched(axes[0, 1], [*runs, theory], noise)
    plot_overlaps(axes[1, 0], [*runs, theory], noise)
    plot_deviation(axes[1, 1], runs, theory, noise)
    return figure


def benchmark_figure(timings, title=None):
    """Time of a step against N, and the share of the machine's limits that micro reaches.

    Parameters
    ----------
    timings : list of onlinemode.benchmark.Timing
    title : str, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    if title:
        figure.suptitle(title, fontsize="medium")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1.0))
    engines = list(dict.fromkeys(timing.engine for timing in timings))
    for number, engine in enumerate(engines):
        own = [timing for timing in timings if timing.engine == engine]
        look = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)], "ms": 5.0}
        left.plot([timing.N for timing in own], [timing.seconds * 1e6 for timing in own], label=engine, **look)
        limited = [timing for timing in own if timing.roofline is not None]
        if limited:
            right.plot([timing.N for timing in limited], [timing.roofline["share"] for timing in limited], label=engine,
                       **look)
    left.set_yscale("log")
    left.set_ylabel("µs a step")
    right.set_ylim(0.0, 1.05)
    right.axhline(1.0, color=GREY, lw=0.8)
    right.set_ylabel("share of the measured limits reached")
    for ax in (left, right):
        ax.set_xscale("log")
        ax.set_xlabel("$N$")
        ax.legend(frameon=False, fontsize="small")
    return figure


def save_figure(figure, path):
    """Write a figure as PNG, whole or not at all.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from onlinemode.storage import replacing

    with replacing(path) as file:
        FigureCanvasAgg(figure).print_png(file)


def _partners(run, runs):
    """Partner π(k) of each student unit; of draws from different students an array for each unit, one a draw."""
    if run.starts is None:
        return _final_matching(run, runs, 0)
    return np.stack([_final_matching(run, runs, draw) for draw in range(run.draws)], 1)


def _final_matching(run, runs, draw):
    """π(k) of a draw at the last finite time, of the theory from the same start if there is one; -1 for none."""
    from onlinemode.observables import match_units

    start = run.start_of(draw)
    rho = run.rho[draw]
    for other in runs:
        if is_theory(other):
            same = other.start_of(min(draw, other.draws - 1))
            if all(np.shape(getattr(same, name)) == np.shape(getattr(start, name))
                   and np.allclose(getattr(same, name), getattr(start, name)) for name in ("S", "G")):
                rho = other.rho[min(draw, other.draws - 1)]
                break
    finite = np.flatnonzero(np.isfinite(rho).all((-2, -1)))
    return match_units(rho[finite[-1]], run.signed) if len(finite) else np.full(rho.shape[1], -1)


def _kind_legend(ax, runs, kinds):
    simulated = any(not is_theory(run) for run in runs)
    theory = any(is_theory(run) for run in runs)
    handles = [Line2D([], [], color=GREY, marker=marker if simulated else "", ls=line if theory else "", mfc="none",
                      ms=4.0, label=label) for marker, line, label in kinds]
    ax.legend(handles=handles, frameon=False, fontsize="small", loc="upper left")


def _short(number):
    return _thousands(round(number)) if abs(number) >= 1000.0 else f"{number:.3g}"
