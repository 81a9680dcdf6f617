"""Pictures that move: the overlaps as the student specializes, beside the error as it falls."""

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle

from onlinemode import checks
from onlinemode.errors import ParameterError
from onlinemode.plotting.curves import DECADES_SHOWN, listed, look
from onlinemode.plotting.movies import DPI, movie_kind, write_movie
from onlinemode.plotting.panels import plot_error, plot_overlap_map, plot_specialization, show_overlaps
from onlinemode.plotting.style import new_figure, undisturbed, wrapped
from onlinemode.progress import shown
from onlinemode.runtime.progress import Progress
from onlinemode.trajectory import Status, Trajectory

WIDTH, HEIGHT = 8.0, 4.4  # inches
SECONDS, FPS, HOLD = 10.0, 20.0, 1.5  # the last frame stays on for HOLD seconds more
LEAST_FPS, MOST_FPS, MOST_FRAMES = 1.0, 50.0, 1000
AXIS_SHARE = 0.4  # of the seconds, over which the frames run evenly along the axis of α


def animate(runs: Trajectory | Iterable[Trajectory], path: str | PathLike[str], title: str | None = None,
            replica: int = 0, seconds: float = SECONDS, fps: float = FPS, progress: object = None,
            kind: str | None = None) -> None:
    """Write a movie of the first run: the map of its overlaps ρ, beside ε_g and specialization of all runs.

    Curves are those of :func:`onlinemode.plotting.overview`, pale after the α of the frame; a line and points mark it.
    Frames run from the first time that is drawn to the last one with finite overlaps, and the faster the less
    the overlaps move. Between saved times overlaps are interpolated linearly in ln α, as lines of curves are.

    Parameters
    ----------
    runs : Trajectory or list of Trajectory
        The first one has the map, and the points; the others, such as theory, are drawn beside its curves.
    path : str or path
        Ends in .gif, or in .mp4, which is written by the program ffmpeg. A file that is there is replaced.
    title : str, optional
        Above the picture.
    replica : int, default 0
        Whose overlaps are shown, of the replicas that are kept one by one.
    seconds : float, default 10
        Length, without the 1.5 s for which the last frame stays on.
    fps : float, default 20
        Frames a second, 1 to 50.
    progress : bool or callable, default None
        True for a bar; or a function that is given a report for each frame: α, share of the frames, 0 steps, ε_g.
    kind : str, optional
        "gif" or "mp4", where the name does not end so.

    Raises
    ------
    FileError
        If the file is of another kind, or cannot be written.
    MissingPackageError
        If there is no ffmpeg for an .mp4.
    ParameterError
        If there is no such replica, if it has fewer than two saved times above 0 with finite overlaps, or if there
        would be fewer than 2 frames or more than 1000.
    """
    runs = listed(runs)
    for run in runs:
        if not isinstance(run, Trajectory):
            raise ParameterError(f"animate needs runs, each a Trajectory; got a {type(run).__name__}")
    kind = movie_kind(path, kind)
    count = _number_of_frames(seconds, fps)
    replica = checks.integer("replica", replica, 0, runs[0].draws - 1)
    frames = Frames.of(runs[0], replica, max(run.alpha[-1] for run in runs) * 10.0**-DECADES_SHOWN, count)
    scene = undisturbed(Scene, runs, replica, wrapped(title, WIDTH), DPI[kind])

    def draw(number):
        return undisturbed(scene.draw, frames, number)

    with shown(progress, "frames") as report:
        def after(number):
            if report is not None:
                report(Progress(float(frames.alpha[number]), (number + 1) / count, 0, float(frames.error[number])))

        write_movie(path, kind, draw, count, fps, HOLD, after)


def _number_of_frames(seconds, fps):
    seconds = checks.number("seconds", seconds, above=0.0)
    fps = checks.number("fps", fps, LEAST_FPS, maximum=MOST_FPS)
    if not 2.0 <= seconds * fps <= MOST_FRAMES:
        raise ParameterError(f"an animation has 2 to {MOST_FRAMES} frames; got seconds × fps = {seconds:g} × {fps:g}")
    return round(seconds * fps)


@dataclass
class Frames:
    """What is shown in each of F frames.

    Attributes
    ----------
    alpha : array (F,)
    rho : array (F, K, M)
    error : array (F,)
        ε_g.
    specialization : array (F,)
    """

    alpha: np.ndarray
    rho: np.ndarray
    error: np.ndarray
    specialization: np.ndarray

    @classmethod
    def of(cls, run: Trajectory, replica: int, earliest: float, count: int) -> "Frames":
        """Frames of one replica, from ``earliest`` on, evenly along a path of ln α and of the overlaps."""
        used = (run.alpha > 0.0) & (run.alpha >= earliest) & np.isfinite(run.rho[replica]).all((-2, -1))
        if used.sum() < 2:
            ended = "" if run.status[replica] is Status.COMPLETED else f"; {run.message[replica]}"
            raise ParameterError("an animation needs two saved times above 0 at least, with finite overlaps; got "
                                 f"{used.sum()} of replica {replica}{ended}")
        x, rho = np.log(run.alpha[used]), run.rho[replica, used]
        moved = np.concatenate(([0.0], np.abs(np.diff(rho, axis=0)).max((-2, -1)).cumsum()))
        path = AXIS_SHARE * (x - x[0]) / (x[-1] - x[0]) + (1.0 - AXIS_SHARE) * moved / (moved[-1] or 1.0)
        at = np.interp(np.linspace(0.0, path[-1], count), path, x)
        with np.errstate(divide="ignore", invalid="ignore"):  # where ε_g is 0 there is no point on the axis
            error = np.exp(_between(x, np.log(run.generalization_error[replica, used]), at))
        return cls(np.exp(at), _between(x, rho, at), error, _between(x, run.specialization[replica, used], at))


def _between(x, values, at):
    """Values (n, ...) of the ascending x (n,), linearly interpolated."""
    upper = np.searchsorted(x, at).clip(1, len(x) - 1)
    share = ((at - x[upper - 1]) / (x[upper] - x[upper - 1])).reshape(-1, *[1] * (values.ndim - 1))
    return (1.0 - share) * values[upper - 1] + share * values[upper]


class Scene:
    """The figure, of which what stays is drawn once.

    Parameters
    ----------
    runs : list of Trajectory
    replica : int
    title : str or None
    dpi : float
    """

    def __init__(self, runs: list[Trajectory], replica: int, title: str | None, dpi: float) -> None:
        figure = new_figure(WIDTH, HEIGHT, title)
        figure.set_dpi(dpi)
        left, right = figure.subfigures(1, 2, width_ratios=(1.0, 1.12))
        self.map = _map(left.subplots(), runs, replica)
        self.panels = right.subplots(2, 1, sharex=True)
        plot_error(self.panels[0], runs).set_xlabel("")
        plot_specialization(self.panels[1], runs)
        for ax in self.panels:
            ax.tick_params(which="both", labelsize="small")
            ax.set_ylim(ax.get_ylim())  # whatever is added
        self.time = self.map.set_title(_in_words(runs[0].alpha[-1]), loc="left", fontsize="x-large")
        colour = look(runs[0], runs)[0]
        self.veils = [ax.add_patch(Rectangle((1.0, 0.0), 1.0, 1.0, color="white", alpha=0.75, lw=0.0,
                                             transform=ax.get_xaxis_transform())) for ax in self.panels]
        self.lines = [ax.axvline(1.0, color=colour, lw=1.0) for ax in self.panels]
        self.points = [ax.plot([], [], "o", color=colour, ms=8.0, mec="white", mew=1.2, clip_on=False,
                               in_layout=False)[0] for ax in self.panels]
        self._moving = self._set_apart()
        self._canvas = FigureCanvasAgg(figure)
        self._canvas.draw()
        self._still = self._canvas.copy_from_bbox(figure.bbox)

    def _set_apart(self):
        """What is drawn in each frame, from below to above: also what a veil would cover."""
        moving = [*self.map.images, *self.map.texts, *self.map.spines.values(), self.time]
        for ax, veil, line, point in zip(self.panels, self.veils, self.lines, self.points):
            legend = [ax.get_legend()] if ax.get_legend() else []
            moving += [veil, line, *ax.spines.values(), *legend, point]
        for artist in moving:
            artist.set_animated(True)
        return moving

    def draw(self, frames: Frames, number: int) -> np.ndarray:
        """One frame as (height, width, 4) bytes."""
        alpha = frames.alpha[number]
        show_overlaps(self.map, frames.rho[number])
        self.time.set_text(_in_words(alpha))
        for veil, line, point, values in zip(self.veils, self.lines, self.points,
                                             (frames.error, frames.specialization)):
            veil.set_x(alpha)
            veil.set_width(veil.axes.get_xlim()[1] - alpha)
            line.set_xdata([alpha, alpha])
            point.set_data([alpha], [values[number]])
        self._canvas.restore_region(self._still)
        for artist in self._moving:
            artist.draw(self._canvas.get_renderer())
        return np.array(self._canvas.buffer_rgba())


def _map(ax: Axes, runs: list[Trajectory], replica: int) -> Axes:
    first = runs[0]
    plot_overlap_map(ax, first, first.alpha[-1], replica)
    ax.set_title("")
    K, M = first.rho.shape[-2:]
    for text in ax.texts:
        text.set_fontsize(max(6.0, min(12.0, 40.0 / max(K, M))))
    whose = " of the first run" if len(runs) > 1 and not runs[1].info.theory else ""
    if first.replicas > 1:
        whose += ", first draw" if replica == 0 else f", replica {replica}"
    thick = max(1.0, K / M)  # in widths of the map
    bar = ax.figure.colorbar(ax.images[0], cax=ax.inset_axes((1.0 + 0.05 * thick, 0.0, 0.06 * thick, 1.0)),
                             label=r"$\rho_{km}$" + whose)
    bar.set_ticks([-1.0, 0.0, 1.0] if M > 2 * K else [-1.0, -0.5, 0.0, 0.5, 1.0])  # it is as high as the map
    return ax


def _in_words(alpha: float) -> str:
    """Three digits with their zeros, so that the number does not change its length from frame to frame."""
    if alpha >= 999.5:
        return f"α = {alpha:,.0f}"
    return f"α = {alpha:#.3g}".rstrip(".") if alpha >= 0.001 else f"α = {alpha:.2e}"
