"""How one run looks in a panel.

One simulation is markers, theory is lines.  Of several replicas a few are drawn one by one as thin
lines, their average never alone: stage times differ from draw to draw.  From BANDS_FROM replicas on,
bands lie between its quantiles, 50 % and 95 %.  Dotted lines are the linear-noise theory, ±2 standard deviations of
a run at that N.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from onlinemode.errors import ParameterError
from onlinemode.plotting.style import COLOURS, MARKERS, thousands
from onlinemode.schedules import Schedule
from onlinemode.trajectory import Trajectory

MARKERS_A_CURVE = 32
MOST_DRAWS = 5
"""Replicas that are drawn one by one."""
BANDS_FROM = 20
"""Replicas from which on quantile bands are drawn: fewer have no 2.5 % quantile to speak of."""
DECADES_SHOWN = 4.5


def listed(runs: Trajectory | Iterable[Trajectory]) -> list[Trajectory]:
    """A list of runs, also of one alone."""
    runs = [runs] if isinstance(runs, Trajectory) else list(runs)
    if not runs:
        raise ParameterError("a picture needs at least one run; got none")
    return runs


def is_theory(run: Trajectory) -> bool:
    """Whether a run is drawn as lines.

    Parameters
    ----------
    run : Trajectory
        Any.

    Returns
    -------
    bool
        True for the mean-field equations.
    """
    return run.info.theory


def name_of(run: Trajectory, runs: Sequence[Trajectory] = ()) -> str:
    """A short name for legends: engine and N, and what tells it from others that would have the same name.

    Parameters
    ----------
    run : Trajectory
        Whose name it is.
    runs : sequence of Trajectory, default ()
        All of the picture, that run among them.

    Returns
    -------
    str
        With formulas as Matplotlib writes them.
    """
    plain = [_plain_name(other) for other in runs]
    if len(set(plain)) == len(plain):
        return _plain_name(run)
    settings = [_settings(other) for other in runs]
    differing = [key for key in settings[0] if len({each[key] for each in settings}) > 1]
    if is_theory(run):
        differing = [key for key in differing if key != "seed"]
    names = [", ".join([name, *(each[key] for key in differing)]) for name, each in zip(plain, settings)]
    index = list(runs).index(run)
    if names.count(names[index]) > 1 and not is_theory(run):
        return f"run {index + 1}: {names[index]}"
    return names[index]


def _settings(run):
    """What two runs may differ in, as words."""
    problem, rates, start = run.problem, run.problem.rates, run.initial
    words = {name: f"${name} = {getattr(start, name)}$" for name in "KMP"}
    words |= {"activation": problem.activation_words + problem.label_words, "batch": f"batch {problem.batch}",
              "inputs": repr(problem.inputs), "constraint": problem.constraint or "no constraint"}
    words |= {name: _equal(symbol, value) for name, symbol, value in (
        ("xi_in", r"\eta", rates.xi_in), ("strengths", r"\eta_s", rates.strengths), ("xi_out", r"\eta_A", rates.xi_out),
        ("readout", r"\eta_v", rates.readout), ("noise", r"\sigma", problem.noise),
        ("weight_decay", r"\kappa", problem.weight_decay))}
    words["dropout"] = problem.dropout_words.removesuffix(", ") or "no dropout"
    return words | {"seed": f"seed {run.info.seed}"}


def _equal(symbol, value):
    """A number as mathematics; a schedule as text, in which nothing stands for mathematics."""
    if isinstance(value, Schedule):
        return f"${symbol}$ = " + str(value).replace("$", r"\$")
    return f"${symbol} = {value:g}$"


def _plain_name(run):
    if is_theory(run):
        return r"ODE, $N\to\infty$"
    kind = {"micro": "SGD"}.get(run.info.engine, run.info.engine)
    return f"{kind}, $N = {thousands(run.N)}$" + _draws_shown(run)


def _draws_shown(run):
    if run.replicas == 1:
        return ""
    shown = min(run.draws, MOST_DRAWS)
    return f", {run.replicas} draws" if run.replicas <= shown else f", {shown} of ${thousands(run.replicas)}$ draws"


def has_bands(run: Trajectory) -> bool:
    """Whether quantile bands are drawn for a run.

    Parameters
    ----------
    run : Trajectory
        Any.

    Returns
    -------
    bool
        True for simulations of :data:`BANDS_FROM` replicas or more.
    """
    return run.replicas >= BANDS_FROM and not is_theory(run) and bool(run.ensemble.bands())


def has_mean(run: Trajectory) -> bool:
    """Whether the mean over replicas is drawn: of several simulations that began from one start."""
    return run.replicas > 1 and run.began_together and not is_theory(run)


def is_marked(run: Trajectory) -> bool:
    """Whether a run is drawn as markers."""
    return run.replicas == 1 and not is_theory(run)


def _marked(alpha):
    """Indices of about MARKERS_A_CURVE log-spaced times over the decades shown."""
    positive = np.flatnonzero(alpha > 0.0)
    if positive.size == 0:
        return positive
    last = alpha[positive[-1]]
    targets = np.geomspace(max(alpha[positive[0]], last * 10.0**-DECADES_SHOWN), last, MARKERS_A_CURVE)
    return np.unique(positive[np.abs(np.log(alpha[positive][:, None] / targets)).argmin(0)])


def draw(ax, run, name, entry, colour, marker="o", linestyle="-", bands=True, label=None, mean=False):
    """One observable of a run, the entry (k, m) or () of it: its draws, and bands where there are many.

    ``m`` may be an array, one a draw (-1: none); then there are no bands.  ``label`` names the first draw in
    legends, and the bands with it; ``mean`` adds the mean over replicas from one start.
    """
    positive = run.alpha > 0.0
    own = bool(entry) and np.ndim(entry[-1]) > 0
    values = getattr(run, name)[(np.arange(run.draws), slice(None), *entry)]
    if own:
        values[entry[-1] < 0] = np.nan
    for number, curve in enumerate(values[:MOST_DRAWS]):
        named = label if number == 0 else None
        if is_theory(run):
            ax.plot(run.alpha[positive], curve[positive], linestyle, color=colour, lw=1.4 if run.draws == 1 else 0.8,
                    alpha=1.0 if run.draws == 1 else 0.6, label=named)
        elif run.replicas == 1:
            shown = _marked(run.alpha)
            ax.plot(run.alpha[shown], curve[shown], marker, color=colour, ms=4.0, mfc="none", mew=1.0, label=named)
        else:
            ax.plot(run.alpha[positive], curve[positive], linestyle, color=colour, lw=0.6, alpha=0.8, label=named)
    if mean and has_mean(run):
        ax.plot(run.alpha[positive], run.ensemble.mean[name][(slice(None), *entry)][positive], color=colour, lw=2.0,
                label=None if label is None else "their mean")
    if bands and has_bands(run) and not own:
        levels = run.ensemble.quantiles[name][(slice(None), slice(None), *entry)][:, positive]
        ranges = run.ensemble.bands()
        shares = " and ".join(f"{100.0 * share:.4g} %" for share, _, _ in reversed(ranges))
        for number, (_, low, high) in enumerate(ranges):
            ax.fill_between(run.alpha[positive], levels[low], levels[high], color=colour, lw=0.0,
                            alpha=0.25 if number else 0.15,
                            label=None if label is None or number + 1 < len(ranges) else f"{shares} of the draws")


def draw_standard_errors(ax, run, colour, label=None):
    """A thin band of ±2 standard errors around every measured ε_g that is drawn."""
    positive = run.alpha > 0.0
    errors, standard_errors = run.generalization_error, run.generalization_error_se
    for error, se in zip(errors[:MOST_DRAWS, positive], standard_errors[:MOST_DRAWS, positive]):
        ax.fill_between(run.alpha[positive], error - 2.0 * se, error + 2.0 * se, color=colour, alpha=0.4, lw=0.0,
                        label=label)
        label = None


def draw_noise(ax, runs, noise, name, entry, colour, label=None):
    """The linear-noise theory's ±2 standard deviations at the N of the simulations, within the axes as they are."""
    if noise is None:
        return
    limits = ax.get_ylim()
    positive = noise.alpha > 0.0
    for N in sorted({run.N for run in runs if not is_theory(run)}):
        for edge in noise.band(name, N):
            ax.plot(noise.alpha[positive], edge[(slice(None), *entry)][positive], ":", color=colour, lw=1.0,
                    label=label)
            label = None
    ax.set_ylim(limits)


def look(run, runs):
    """Colour and marker of a whole run: theory is black, simulations go through the lists."""
    if is_theory(run):
        return "black", ""
    number = [other for other in runs if not is_theory(other)].index(run)
    return COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]


def time_axis(ax, runs):
    scale_times(ax, np.concatenate([run.alpha[run.alpha > 0.0] for run in runs]))


def scale_times(ax, positive):
    """Label and logarithmic scale of the axis of these times, all positive."""
    if positive.size:
        ax.set_xscale("log")
        first, last = max(positive.min(), positive.max() * 10.0**-DECADES_SHOWN), positive.max()
        margin = min((last / first) ** 0.05, 1.15) if last > first else 1.15
        ax.set_xlim(first / margin, last * margin)
        if last < 100.0 * first:  # too few powers of ten to read it by
            few = last < 5.0 * first
            ax.xaxis.set_major_locator(MaxNLocator(4) if few else LogLocator(subs=(1.0, 2.0, 5.0)))
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(r"time $\alpha$ = steps / $N$")


def shade_plateaus(ax, run, label=None):
    for plateau in run.plateaus():
        ax.axvspan(plateau.start, plateau.stop, color="#DDDDDD", lw=0.0, zorder=0, label=label)
        label = None


def partners(run, runs):
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
