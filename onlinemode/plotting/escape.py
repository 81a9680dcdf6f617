"""When the runs of an ensemble leave their plateau, beside the law of that time."""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onlinemode.analysis.escape import EscapeLaw
from onlinemode.analysis.escape_times import escape_times, law_of_run
from onlinemode.analysis.findings import Finding
from onlinemode.errors import ParameterError
from onlinemode.plotting.curves import is_theory, listed
from onlinemode.plotting.panels import plot_error
from onlinemode.plotting.style import COLOURS, GREY, new_figure, thousands
from onlinemode.trajectory import Trajectory

ENDS = (1e-4, 1.0 - 1e-3)  # of the law, that are drawn


def plot_escape(ax: Axes, runs: Trajectory | Iterable[Trajectory], laws: EscapeLaw | Iterable[EscapeLaw] | None = None,
                level: float | None = None) -> Axes:
    """The share of replicas that have left their plateau, as steps, and its law as a line through them.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    runs : Trajectory or list of Trajectory
        Ensembles of simulations, each from one start, as :func:`onlinemode.escape_law` takes it, and with all replicas
        one by one; theory among them is left out.
    laws : EscapeLaw or list of EscapeLaw, optional
        One for each ensemble; by default they are found, at the N of the runs.
    level : float, optional
        Error ε_g below which a run is out; by default that of the law.

    Returns
    -------
    matplotlib.axes.Axes
        The same.

    Raises
    ------
    ParameterError
        If there is no ensemble, no law, with the reason, as for replicas with students of their own, or a law of
        another level.
    """
    ensembles = [run for run in listed(runs) if not is_theory(run)]
    if not ensembles:
        raise ParameterError("plot_escape draws ensembles of simulations; there is none among these runs")
    given = [law_of_run(run, level) for run in ensembles] if laws is None else (
        [laws] if isinstance(laws, EscapeLaw) else list(laws))
    if len(given) != len(ensembles):
        raise ParameterError(f"plot_escape needs a law for each ensemble, {len(ensembles)}; got {len(given)}")
    for run, law, colour in zip(ensembles, given, COLOURS * len(ensembles)):
        if law.status is not Finding.FOUND:
            raise ParameterError(f"there is no law of escape at N = {run.N:,}: {law.message}")
        if level is not None and level != law.level:
            raise ParameterError(f"the law is that of ε_g < {law.level:g}; got level = {level:g}: leave level out")
        _draw(ax, run, law, colour)
    levels = sorted({float(f"{law.level:.3g}") for law in given})
    ax.set_xlabel(r"time of escape $\alpha$, when $\varepsilon_g$ < " + ", ".join(f"{each:g}" for each in levels))
    ax.set_ylabel("share of runs that are out")
    ax.set_ylim(-0.02, 1.02)
    ax.legend(frameon=False, fontsize="small", loc="lower right")
    return ax


def _draw(ax, run, law, colour):
    times = np.sort(escape_times(run, law.level))
    out = times[np.isfinite(times)]
    first, last = law.quantile(ENDS)
    first, last = min([first, *out[:1]]), max([last, *out[-1:]])
    shares = np.arange(out.size + 1) / len(times)
    until = min(last, run.alpha[-1])
    mean = f"mean {out.mean():.4g} ± {out.std():.3g}" if out.size == len(times) else f"{out.size} of them out"
    ax.step(np.concatenate([[first], out, [max(until, out[-1] if out.size else first)]]),
            np.concatenate([shares, shares[-1:]]), where="post", color=colour, lw=1.2,
            label=f"{len(times)} of {run.info.engine}, $N = {thousands(run.N)}$: {mean}")
    alpha = np.linspace(first, last, 400)
    ax.plot(alpha, law.cdf(alpha), color=GREY, lw=1.0)
    ax.plot(alpha, law.cdf(alpha), color=colour, lw=1.6, ls="--",
            label=rf"law: {law.mean:.4g} ± {law.sd:.3g}")


def escape_figure(runs: Trajectory | Iterable[Trajectory], title: str | None = None, level: float | None = None
                  ) -> Figure:
    """The errors of ensembles as they leave their plateaus, and the distribution of that time beside its law.

    Parameters
    ----------
    runs : Trajectory or list of Trajectory
        As :func:`plot_escape` takes them.
    title : str, optional
        Above the picture.
    level : float, optional
        Error ε_g below which a run is out; by default midway between the plateau and where runs go from there.

    Returns
    -------
    matplotlib.figure.Figure
        To be changed, or saved with :func:`onlinemode.plotting.save_figure`.

    Raises
    ------
    ParameterError
        If there is no ensemble, or no law, with the reason.
    """
    runs = listed(runs)
    figure = new_figure(11.0, 4.2, title)
    left, right = figure.subplots(1, 2)
    plot_escape(right, runs, level=level)
    plot_error(left, runs)
    return figure
