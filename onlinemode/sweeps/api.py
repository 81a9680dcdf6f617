"""``sweep()`` and ``open_sweep()``."""

import sys
from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from onlinemode import checks
from onlinemode.errors import ParameterError
from onlinemode.experiment import Experiment
from onlinemode.labelled import need
from onlinemode.progress import points_shown
from onlinemode.runtime.checkpoint import kernel_version
from onlinemode.sweeps import kept, running
from onlinemode.sweeps.places import Cluster, place_of, sends_data
from onlinemode.sweeps.plan import plan_of
from onlinemode.sweeps.store import Memory, Store, open_folder
from onlinemode.sweeps.work import Job, provide, withdraw

if TYPE_CHECKING:
    import xarray


def sweep(make: Experiment | Callable[..., Experiment] | str, over: dict[Any, Any] | None = None, *,
          seeds: int | Sequence[int] | None = None, replicas: int | None = None,
          keep: str | Sequence[str] = kept.DEFAULT, executor: Any = None, workers: int | None = None,
          store: str | PathLike[str] | None = None, overwrite: bool = False, retry: bool = False,
          progress: bool | Callable | None = None) -> "xarray.Dataset":
    """Run an experiment at every point of a grid of values.

    Parameters
    ----------
    make : Experiment, function or str
        What all points share; or a function of the swept values that returns an Experiment, at the top level of a
        module, or its name, "experiments.py:make" or "package.module:make".  Its ``save_at`` says at which times
        observables are kept: a count is spread log-uniformly up to the last time of the whole sweep.
    over : dict
        Name to values, ``{"eta": [1, 2, 5], "noise": "0:0.5:11", "N": "1e2:1e6:5:log"}``; several names that vary
        together as ``{("K", "M"): [(2, 2), (3, 2)]}``; ``{"csv": "points.csv"}`` takes names and points from a file.
        The last one runs fastest.  Any value of an Experiment can be swept but overlaps, replicas, keep, quantiles,
        save_at, threads, turns, shares and task_noise; of a function its arguments.
    seeds : int or sequence of int, optional
        So many seeds, 0, 1, ..., or these: the last axis.
    replicas : int, optional
        Of every point, in place of those of the experiment.
    keep : str or sequence of str, default ("generalization_error", "specialization")
        Names of :data:`onlinemode.labelled.OBSERVABLES`, at the saved times, of every replica (with the experiment's
        keep = "summary": their means and standard deviations); "runs": also the whole trajectories, in files of the
        folder ``store/runs``.  How each point ended is kept in any case.
    executor : str or executor, optional
        None: this process; "threads"; "processes"; "dask", a local cluster; the address of a Dask scheduler, a
        dask.distributed Client; or any executor of concurrent.futures, of mpi4py or of a cluster.  The same numbers
        to the bit everywhere.
    workers : int, optional
        How many threads, processes or workers of a local cluster; by default the number of cores.
    store : str or path, optional
        A folder for the results.  Points that it has are not made again, so that an interrupted sweep goes on with
        the same call.
    overwrite : bool, default False
        Begin anew, also in the folder of another sweep.
    retry : bool, default False
        Make those points of the folder anew that failed (not those that diverged).
    progress : bool or callable, optional
        True: a bar, and of a Dask cluster the address of its dashboard. A callable is given
        :class:`onlinemode.sweeps.running.SweepProgress`.

    Returns
    -------
    xarray.Dataset
        Dimensions: the swept names, then ``replica`` where there are several, ``alpha``, and units or modes.
        ``status`` tells how each point ended; those that cannot be run, fail or diverge are told there and in
        ``message``, and stop nothing.  After an interrupt (Ctrl-C) points that are missing have the status "missing".
        Results of more than 256 MiB in a folder are read when they are used (dask).

    Raises
    ------
    ParameterError, EngineError
        If something cannot be swept, or none of the points that are tried first can be run; if no scheduler answers,
        or a pool is gone for good.
    FileError
        If the folder is that of something else, or another process sweeps into it.
    MissingPackageError
        If the extra ``sweep`` is not installed.
    """
    need("xarray")
    overwrite, retry = checks.flag("overwrite", overwrite), checks.flag("retry", retry)
    plan = plan_of(make, {} if over is None else over, seeds, replicas, keep)
    if plan.kept.runs and store is None:
        raise ParameterError(f'"{kept.RUNS}" are kept in files: name a folder with store')
    results = Memory(plan) if store is None else Store(plan, store, overwrite, retry)
    try:
        with points_shown(progress) as report:
            make_points(results, executor, workers, report, _show_dashboard if progress is True else None)
        results.flush()
        return results.dataset()
    finally:
        results.close()


def _show_dashboard(place):
    if isinstance(place, Cluster):
        print(f"dashboard at {place.dashboard}", file=sys.stderr)


def make_points(results: Memory | Store, executor: Any = None, workers: int | None = None,
                report: Callable | None = None, opened: Callable | None = None) -> bool:
    """Make the points that are missing.

    Parameters
    ----------
    results : Memory or Store
    executor, workers
        As in :func:`sweep`.
    report : callable, optional
        Is given a SweepProgress several times a second.
    opened : callable, optional
        Is given the place where points are made before the first one is.

    Returns
    -------
    bool
        False after an interrupt.
    """
    plan = results.plan
    data = plan.data if sends_data(executor) else dict.fromkeys(plan.data)
    hashes = {words: given.fingerprint() for words, given in plan.data.items()}
    job = Job(plan.recipe, plan.grid.names, plan.kept, data, kernel_version(), None if executor is None else 1,
              hashes, plan.recipe.code())
    if executor is None or (isinstance(executor, str) and executor == "threads"):
        provide(job)
    try:
        place = place_of(executor, job, workers, getattr(results, "path", None))
        return running.run(results, place, (lambda _: None) if report is None else report, opened)
    finally:
        withdraw(data)


def open_sweep(path: str | PathLike[str]) -> "xarray.Dataset":
    """The results of a sweep's folder, finished or not.

    Parameters
    ----------
    path : str or path
        What ``store`` or ``onlinemode sweep --out`` named.

    Returns
    -------
    xarray.Dataset
        As :func:`sweep` returns it; points that are not made yet have the status "missing".  Beyond 256 MiB values
        are read when they are used.

    Raises
    ------
    FileError
        If it is not the folder of a sweep, or damaged.
    MissingPackageError
        If the extra ``sweep`` is not installed.
    """
    return open_folder(path)
