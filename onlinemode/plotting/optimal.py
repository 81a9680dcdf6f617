"""The picture of an optimal schedule."""

from typing import TYPE_CHECKING

from onlinemode.plotting.style import COLOURS, GREY, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from onlinemode.optimal import OptimalSchedule


LABELS = {"xi_in": r"learning rate $\eta$", "task": "share of the second task", "keep": "share of units that are kept"}
CONSTANTS = {"xi_in": "rate", "task": "share", "keep": "share"}


def optimal_figure(best: "OptimalSchedule", title: str | None = None) -> "Figure":
    """The controlled number and ε_g against α: the optimal schedule, the best constant value, and the greedy rate.

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
    plot_controls(left, best)
    plot_errors(right, best)
    return figure


def plot_controls(ax: "Axes", best: "OptimalSchedule") -> "Axes":
    """The learning rates, or shares, against α.

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
        ax.plot(path.alpha, path.control, **look)
    ax.set(xlabel=r"time $\alpha$ = steps / $N$", ylabel=LABELS[best.over], xlim=(0.0, best.alpha))
    if best.over == "xi_in":
        ax.set_ylim(bottom=0.0)
    else:
        ax.set_ylim(-0.03, 1.03)
    ax.legend(frameon=False, fontsize="small")
    return ax


def plot_errors(ax: "Axes", best: "OptimalSchedule") -> "Axes":
    """The generalization errors against α; of two tasks those of each, too, dashed and dotted.

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
        if path.task_errors is not None:
            for errors, dashes in zip(path.task_errors.T, ("--", ":")):
                ax.plot(path.alpha, errors, dashes, color=look["color"], lw=1.0)
    ax.set(xlabel=r"time $\alpha$ = steps / $N$", ylabel=r"generalization error $\varepsilon_g$", yscale="log",
           xlim=(0.0, best.alpha))
    ax.legend(frameon=False, fontsize="small")
    return ax


def _paths(best):
    name, constant = CONSTANTS[best.over], {"color": COLOURS[0], "lw": 1.5}
    found = [(best.constant, {**constant, "label": f"best constant {name}, {best.constant_control:.3g}"})]
    if best.greedy is not None:
        found.append((best.greedy, {"color": GREY, "label": "greedy", "lw": 1.5, "ls": "--"}))
    return [*found, (best.path, {"color": COLOURS[1], "label": "optimal", "lw": 1.8})]
