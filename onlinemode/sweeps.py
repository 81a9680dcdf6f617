"""Sweeps: the same experiment at every point of a grid of values."""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from onlinemode.display import Described
from onlinemode.errors import ParameterError
from onlinemode.experiment import Experiment
from onlinemode.progress import shown
from onlinemode.storage import replacing
from onlinemode.sweep_folder import SweepFolder, row_of
from onlinemode.sweep_grid import Grid, told_of, words_of
from onlinemode.trajectory import Status, Trajectory, load

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 20  # that are printed


@dataclass(frozen=True, eq=False, repr=False)
class Sweep(Described):
    """What a sweep has made.

    Attributes
    ----------
    grid : Grid
        The experiment, and what was swept.
    rows : list of dict
        One a point that is done: its values, what :func:`onlinemode.summaries.summary_of` says, ``seconds`` and
        ``file``.
    folder : Path or None
        Where the runs are.
    interrupted : bool
        Whether it was stopped before all points were done.
    """

    grid: Grid
    rows: list[dict]
    folder: Path | None
    interrupted: bool
    _runs: list[Trajectory] | None

    @property
    def experiment(self) -> Experiment:
        """What all points share."""
        return self.grid.experiment

    @property
    def over(self) -> dict[str, Sequence]:
        """Name of each swept value to its values."""
        return self.grid.over

    @property
    def points(self) -> list[dict]:
        """The points that are done, each a dict from name to value."""
        return self.grid.points[:len(self.rows)]

    @property
    def runs(self) -> list[Trajectory]:
        """The runs of these points; read from the folder where there is one.

        Raises
        ------
        FileError
            If a file is no longer there.
        """
        return [load(self.folder / row["file"]) for row in self.rows] if self._runs is None else self._runs

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write the table, one row a point.

        Raises
        ------
        ParameterError
            If no point is done.
        FileError
        """
        if not self.rows:
            raise ParameterError("a sweep without a finished point has no table")
        with replacing(path, "w") as file:
            writer = csv.DictWriter(file, self.rows[0])
            writer.writeheader()
            writer.writerows(self.rows)

    def plot(self, path: str | PathLike[str] | None = None, title: str | None = None) -> "Figure":
        """The picture of one swept value, curves and ends, or of two, maps.

        Parameters
        ----------
        path : path, optional
            Where to save it, too.
        title : str, optional
            By default what all points share.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ParameterError
            If more than two values were swept, or points are missing.
        """
        from onlinemode import plotting

        if len(self.over) > 2 or len(self.rows) < len(self.grid.points):
            raise ParameterError(f"the picture of a sweep needs one or two swept names and all points; got "
                                 f"{len(self.over)} and {len(self.rows)} of {len(self.grid.points)}")
        title = f"{self.experiment.engine}, {self.experiment.describe(tuple(self.over))}" if title is None else title
        figure = plotting.sweep_figure(self.over, self.rows, self.runs if len(self.over) == 1 else [], title)
        if path is not None:
            plotting.save_figure(figure, path)
        return figure

    def _described(self):
        done = f"{len(self.rows)} of {len(self.grid.points)} points of {self.experiment.engine}"
        rows = [("Sweep", done + (f" in {self.folder}" if self.folder is not None else ""))]
        for point, row in zip(self.points[:MOST_ROWS], self.rows):
            error = f"ε_g {row['error']:.4g}" + ("" if row["error_se"] != row["error_se"] else
                                                 f" ± {row['error_se']:.2g}")
            rows.append((words_of(point), f"{error}, specialization {row['specialization']:.3g}, {row['status']}"))
        left = len(self.rows) - MOST_ROWS
        return [*rows, ("...", f"and {left} more")] if left > 0 else rows


class Watch:
    """What a sweep tells on its way; this one is silent."""

    def begin(self, experiments: list[Experiment]) -> None:
        """These are the experiments that are to be made; the others are there already."""

    @contextmanager
    def run(self) -> Iterator[Callable | None]:
        """Around one run; gives the ``progress`` of :func:`onlinemode.simulate`."""
        yield None

    def made(self, run: Trajectory) -> None:
        """A run was made."""

    def row(self, row: dict) -> None:
        """Another point is done."""


class _Share(Watch):
    """Reports of the single runs as those of the whole sweep."""

    def __init__(self, show):
        self._show, self._done, self._steps, self._missing = show, 0, 0, 0

    def begin(self, experiments):
        self._missing = len(experiments)

    @contextmanager
    def run(self):
        yield lambda report: self._show(report._replace(
            fraction=(self._done + report.fraction) / self._missing, steps=self._steps + report.steps))

    def made(self, run):
        self._done, self._steps = self._done + 1, self._steps + sum(run.info.steps)


def sweep(experiment: Experiment, over: dict[str, Sequence], folder: str | PathLike[str] | None = None,
          overwrite: bool = False, progress: bool | Callable | None = None) -> Sweep:
    """Run an experiment at every point of a grid of values, one after the other.

    Parameters
    ----------
    experiment : Experiment
    over : dict
        Name of each swept value to its values, ``{"eta": [1, 2, 5], "noise": [0, 0.1]}``; the last one runs fastest.
        All but inputs, replicas and what engines are told can be swept.
    folder : path, optional
        Where every run gets a file, and the sweep a table, as ``onlinemode sweep`` writes them; runs of the same sweep
        that are there are not made again. By default runs stay in memory.
    overwrite : bool, default False
        Make all points anew, also in the folder of another sweep.
    progress : bool or callable, optional
        True: one bar for all. A callable is called as by :func:`onlinemode.simulate`, with the share of the whole.

    Returns
    -------
    Sweep
        After an interrupt (Ctrl-C) with the points that are done.

    Raises
    ------
    ParameterError, EngineError
        If a point cannot be run; it says which, before the first run where that can be known.
    FileError
        If the folder is that of something else, or cannot be written.
    """
    grid = Grid(experiment, over)
    grid.check()
    with shown(progress) as show:
        watch = Watch() if show is None else _Share(show)
        if folder is None:
            return run_grid(grid, watch=watch)
        with SweepFolder(grid, folder, overwrite=overwrite) as kept:
            return run_grid(grid, kept, watch=watch, in_memory=False)


def run_grid(grid: Grid, folder: SweepFolder | None = None, watch: Watch | None = None,
             in_memory: bool = True) -> Sweep:
    """The points of a grid that a folder does not have yet, one after the other.

    Parameters
    ----------
    grid : Grid
        Checked.
    folder : SweepFolder, optional
    watch : Watch, optional
    in_memory : bool, default True
        Keep the runs.

    Returns
    -------
    Sweep
    """
    watch, rows, runs, interrupted = Watch() if watch is None else watch, [], [], False
    if folder is not None:
        folder.check_names()
    found = [_found(folder, point, in_memory) for point in grid.points]
    watch.begin([grid.at(point) for point, there in zip(grid.points, found) if there is None])
    try:
        for point, there in zip(grid.points, found):
            with told_of(point):
                row, run = there or _made(grid, point, folder, watch)
            rows.append(row)
            if in_memory:
                runs.append(run)
            if folder is not None:
                folder.add_to_table(row)
            watch.row(row)
    except KeyboardInterrupt:
        interrupted = True
    return Sweep(grid, rows, None if folder is None else folder.path, interrupted, runs if in_memory else None)


def _found(folder, point, in_memory):
    """Row and run of a point that is there; None where it is not."""
    run = None if folder is None else folder.read(point)
    return None if run is None else (row_of(run, point), run if in_memory else None)


def _made(grid, point, folder, watch):
    with watch.run() as progress:
        run = grid.at(point).run(progress)
    if Status.INTERRUPTED in run.status:
        raise KeyboardInterrupt
    if folder is not None:
        folder.save(run, point)
    watch.made(run)
    return row_of(run, point), run
