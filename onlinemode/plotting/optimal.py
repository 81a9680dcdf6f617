"""The picture of an optimal schedule."""

from typing import TYPE_CHECKING

from onlinemode.plotting.style import COLOURS, GREY, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from onlinemode.optimal import OptimalSchedule


def optimal_figure(best: "OptimalSchedule", title: str | None = None) -> "Figure":
    """Learning rate and ε_g against α: the optimal schedule, the best constant rate, and the greedy rate.

    Parameters
    ----------
    best : OptimalSchedule
        What :func:`onlinemode.optimal_schedule` returns.
    title : str, optional
        Above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        To be changed, or saved with :func:`onlinemode.plotting.save_figure`.
    """
    figure = new_figure(10.2, 4.4, title)
    left, right = figure.subplots(1, 2)
    plot_rates(left, best)
    plot_errors(right, best)
    return figure


def plot_rates(ax: "Axes", best: "OptimalSchedule") -> "Axes":
    """The learning rates of the three against α.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    best : OptimalSchedule
        Whose.

    Returns
    -------
    matplotlib.axes.Axes
        The same.
    """
    for path, look in _paths(best):
        ax.plot(path.alpha, path.rate, **look)
    ax.set(xlabel=r"time $\alpha$ = steps / $N$", ylabel=r"learning rate $\eta$", xlim=(0.0, best.alpha))
    ax.set_ylim(bottom=0.0)
    ax.legend(frameon=False, fontsize="small")
    return ax


def plot_errors(ax: "Axes", best: "OptimalSchedule") -> "Axes":
    """The generalization errors of the three against α.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    best : OptimalSchedule
        Whose.

    Returns
    -------
    matplotlib.axes.Axes
        The same.
    """
    for path, look in _paths(best):
        ax.plot(path.alpha, path.generalization_error, **look)
    ax.set(xlabel=r"time $\alpha$ = steps / $N$", ylabel=r"generalization error $\varepsilon_g$", yscale="log",
           xlim=(0.0, best.alpha))
    ax.legend(frameon=False, fontsize="small")
    return ax


def _paths(best):
    return ((best.constant, {"color": COLOURS[0], "label": f"best constant rate, {best.constant_rate:.3g}", "lw": 1.5}),
            (best.greedy, {"color": GREY, "label": "greedy", "lw": 1.5, "ls": "--"}),
            (best.path, {"color": COLOURS[1], "label": "optimal", "lw": 1.8}))
