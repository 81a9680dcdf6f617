"""Pictures of deep networks."""

from typing import TYPE_CHECKING

import numpy as np

from onlinemode.plotting.style import COLOURS, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from onlinemode.deep.runs import TrainingRun


def plot_training_loss(ax: "Axes", runs: "Sequence[TrainingRun]") -> "Axes":
    """Training and test loss against the epoch, one colour a run.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    runs : list of TrainingRun
        Of one setting, with different seeds.

    Returns
    -------
    matplotlib.axes.Axes
        The same.
    """
    for number, run in enumerate(runs):
        colour = COLOURS[number % len(COLOURS)]
        ax.plot(run.epoch[:-1] + 0.5, run.loss, "-", color=colour, lw=1.2, label="training" if number == 0 else None)
        ax.plot(run.epoch, run.test_loss, "--", color=colour, lw=1.2, label="test" if number == 0 else None)
    if all(run.epochs and np.nanmin(run.loss) > 0.0 for run in runs):
        ax.set_yscale("log")
    ax.set_xlabel("epoch")
    ax.set_ylabel("mean loss")
    ax.legend(frameon=False, fontsize="small")
    return ax


def plot_training_accuracy(ax: "Axes", runs: "Sequence[TrainingRun]") -> "Axes":
    """Training and test accuracy against the epoch, one colour a run.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        To draw into.
    runs : list of TrainingRun
        Of one setting, with different seeds.

    Returns
    -------
    matplotlib.axes.Axes
        The same.
    """
    for number, run in enumerate(runs):
        colour = COLOURS[number % len(COLOURS)]
        ax.plot(run.epoch[:-1] + 0.5, run.train_accuracy, "-", color=colour, lw=1.2)
        ax.plot(run.epoch, run.test_accuracy, "--", color=colour, lw=1.2,
                label=f"seed {run.meta['arguments']['seed']}: {run.test_accuracy[-1]:.4f}")
    ax.set_xlabel("epoch")
    ax.set_ylabel("accuracy")
    ax.legend(frameon=False, fontsize="small", loc="lower right", title="test accuracy at the end")
    return ax


def training_figure(runs: "Sequence[TrainingRun]", title: str | None = None) -> "Figure":
    """Loss and accuracy of one or several training runs of the same setting.

    Parameters
    ----------
    runs : list of TrainingRun
        Of one setting, with different seeds.
    title : str, optional
        Above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        To be changed, or saved with :func:`onlinemode.plotting.save_figure`.
    """
    figure = new_figure(9.0, 3.8, title)
    left, right = figure.subplots(1, 2)
    plot_training_loss(left, runs)
    plot_training_accuracy(right, runs)
    return figure
