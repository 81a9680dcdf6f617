"""The picture of `onlinemode benchmark`."""

from typing import TYPE_CHECKING

from onlinemode.plotting.style import COLOURS, GREY, MARKERS, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from onlinemode.benchmark import Timing


def benchmark_figure(timings: "Sequence[Timing]", title: str | None = None) -> "Figure":
    """Time of a step against N, and the share of the machine's limits that micro reaches.

    Parameters
    ----------
    timings : list of Timing
        What :func:`onlinemode.benchmark.benchmark` gives.
    title : str, optional
        Above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        To be changed, or saved with :func:`onlinemode.plotting.save_figure`.
    """
    figure = new_figure(11.0, 4.6, title)
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1.0))
    engines = list(dict.fromkeys(timing.engine for timing in timings))
    for number, engine in enumerate(engines):
        own = [timing for timing in timings if timing.engine == engine]
        look = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)], "ms": 5.0}
        left.plot([timing.N for timing in own], [timing.seconds * 1e6 for timing in own], label=engine, **look)
        limited = [timing for timing in own if timing.roofline is not None]
        if limited:
            right.plot([timing.N for timing in limited], [timing.roofline["share"] for timing in limited],  # type: ignore[index]
                       label=engine, **look)
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
