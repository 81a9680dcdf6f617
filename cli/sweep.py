"""``onlinemode sweep``: the same run at every point of a grid of options."""

import math
import sys
from contextlib import closing

import click

from onlinemode.cli.exit_codes import DONE, FAILED, INTERRUPTED
from onlinemode.cli.names import until_the_end, unusual
from onlinemode.cli.options import (
    DEFAULTS,
    FROM_1,
    ODE,
    OUTPUT,
    OVERLAPS_ALONE,
    PROBLEM,
    SIMULATION,
    START,
    OneOf,
    flag,
    option,
    resolve,
    shared_options,
    with_file,
)
from onlinemode.cli.running import announce, experiment_with_overlaps
from onlinemode.cli.simulate import check_engine
from onlinemode.cli.starts import with_overlaps
from onlinemode.cli.sweep_file import EXAMPLE, parse_over, read_sweep
from onlinemode.engines import capabilities_of
from onlinemode.experiment import CHOICES, OPTIONS_OF
from onlinemode.progress import about

_OUTPUT = tuple(name for name in OUTPUT if name not in ("store_weights", "store_final", "csv"))
_PLACES = ("processes", "workers", "scheduler")


@click.command("sweep", short_help="The same run over a grid of options.")
@click.argument("file", required=False, type=click.Path())
@click.option("--over", "over", multiple=True, metavar="NAME=VALUES",
              help="What is swept: eta=1,2,5, noise=0:1:11 (from, to, how many), N=1e2:1e6:5:log, several together "
              "(K,M=2,2;3,2) or points.csv. Several --over make a grid.")
@click.option("--seeds", type=str, help="So many seeds, 0, 1, ..., or which (0,5,7): the last axis.  [one, --seed]")
@click.option("--observables", metavar="LIST", help="What is kept at the saved times: names such as specialization "
              "and Q, or none.  [generalization_error,specialization]")
@flag("runs", "Keep whole trajectories, too, one .npz a point.")
@click.option("--processes", type=FROM_1, metavar="N", help="Make points in N processes.  [in this one]")
@click.option("--workers", type=FROM_1, metavar="N", help="Start a local Dask cluster of N workers.")
@click.option("--scheduler", metavar="ADDRESS", help="Give the points to the Dask scheduler at this address.")
@flag("retry", "Make points anew that failed.")
@flag("dry_run", "Say how many points there are and about how long they take; run none.")
@shared_options(*START, "alpha", *PROBLEM, "engine", *SIMULATION, *ODE, *_OUTPUT, replaced={
    "start": OVERLAPS_ALONE,
    "engine": option("engine", OneOf(CHOICES["engine"]), "chain (exact overlaps), micro (N-vectors), leap (large N) or "
                     "ode.", "chain"),
    "threads": option("threads", FROM_1, "Of a run, where all are made in this process.", "the cores"),
    "out": option("out", click.Path(), "Folder of the results.", "a new name in this folder")})
def command(file, over, seeds, observables, runs, processes, workers, scheduler, retry, dry_run, **given):
    """Run the same simulation at every point of a grid of options, as --over or FILE.toml say.

    The engine is the exact chain unless --engine says micro, leap or ode. Writes a folder (--out) with the labelled
    array results.zarr (onlinemode.open_sweep reads it), table.csv and, for up to three swept names, picture.png.
    A point that cannot be run, diverges or fails is recorded, and stops nothing. The same command again goes on
    where a sweep stopped. FILE.toml holds options as --config does, a table [over] of names and values, and seeds,
    observables, runs, and make = "FILE.py:NAME", a function that makes the experiment of a point.
    """
    options, own = ({}, {}) if file is None else read_sweep(file)
    over = own.get("over", {}) | parse_over(over)
    seeds = _seeds(seeds) if seeds is not None else own.get("seeds")
    if not over and seeds is None:
        raise click.UsageError(f"nothing is swept: give --over NAME=VALUES, such as {EXAMPLE}, or a FILE.toml with a "
                               "table [over]")
    places = {name: value for name, value in zip(_PLACES, (processes, workers, scheduler)) if value is not None}
    if len(places) > 1:
        raise click.UsageError("give one of --processes, --workers and --scheduler; got "
                               + " and ".join(f"--{name}" for name in places))
    given = {**options, **{name: value for name, value in given.items() if value is not None or name not in options}}
    settings, make = _settings(given, over, seeds), own.get("make")
    if make is not None:
        _check_no_experiment(given, make)
    keep = _kept(observables, own, runs)
    from onlinemode.sweeps.plan import plan_of

    plan = plan_of(experiment_with_overlaps(settings) if make is None else make, over, seeds, keep=keep)
    if dry_run:
        return _tell_cost(plan, processes or workers or 1)
    return _run(plan, settings, make, places, retry)


def _seeds(text):
    """A count or a list."""
    try:
        return int(text)
    except ValueError:  # a list, a range, or nothing of this kind
        return text


def _kept(observables, own, runs):
    from onlinemode.sweeps import kept

    if observables is not None:
        names = [] if observables.strip() == "none" else [part.strip() for part in observables.split(",")]
    else:
        names = list(own.get("observables", kept.DEFAULT))
    return [*names, *[kept.RUNS] * bool(runs or own.get("runs"))]


def _settings(given, over, seeds):
    """The settings of the runs, what is swept at its default."""
    names = [name for key in over for name in (key.split(",") if isinstance(key, str) else key)]
    if seeds is not None:
        names.append("seed")
    for name in names:
        if given.get(name) is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} is swept; leave it out")
    given = with_file(given)
    engine = "chain" if given["engine"] is None else given["engine"]
    settings = with_overlaps(resolve(given | {"engine": engine}), given | dict.fromkeys(names))
    if "engine" not in names:
        _check_options(settings)
    return settings


def _check_no_experiment(given, make):
    """Raise UsageError for an option of runs beside a function that makes them."""
    for name in (*START, "alpha", *PROBLEM, "engine", *SIMULATION, *ODE, "save_at"):
        if given.get(name) is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} belongs to the experiments that {make} makes; leave it "
                                   "out")


def _check_options(settings):
    """Raise UsageError for an option that the engine does not have."""
    engine = settings["engine"]
    theory = capabilities_of(engine).theory
    if not theory:
        check_engine(settings, engine)
    foreign = [name for name in (SIMULATION if theory else ODE)
               if settings[name] is not None and settings[name] != DEFAULTS.get(name)
               and name not in ("threads", *OPTIONS_OF[engine])]
    if foreign:
        raise click.UsageError(f"engine {engine} has no option --{foreign[0].replace('_', '-')}; leave it out")


def _shape(grid):
    return " × ".join(f"{axis.dim} {len(axis.rows):,}" for axis in grid.axes)


def _tell_cost(plan, workers):
    from onlinemode.sweeps.batches import SHARES, sampled
    from onlinemode.sweeps.places import Processes

    points, each = plan.grid.size, sampled(plan)
    batches = min(points, max(math.ceil(points * each / Processes.seconds), SHARES * workers))
    print(f"{points:,} points ({_shape(plan.grid)}), about {batches:,} batches, {about(points * each / workers)} on "
          f"{workers} {'worker' if workers == 1 else 'workers'} (to a factor of some, by a model)")
    return DONE


def _run(plan, settings, make, places, retry):
    store = until_the_end(closing(_store(plan, settings, make, retry)))
    there = int((store.made & store.wanted).sum())
    others = int((store.made & ~store.wanted).sum())
    announce(settings, f"{plan.grid.size:,} points ({_shape(plan.grid)}) in {store.path}"
             + (f", {there:,} of them there already" if there else "")
             + (f", beside {others:,} others" if others else ""))
    finished = _make_points(store, settings, places)
    return _finish(store.plan, store, settings, finished)


def _store(plan, settings, make, retry):
    """The folder: --out, or a new name, or that of the same sweep."""
    import itertools

    from onlinemode.claims import numbered
    from onlinemode.sweeps.store import OtherSweep, Store

    overwrite = bool(settings["overwrite"])
    if settings["out"] is not None:
        return Store(plan, settings["out"], overwrite, retry)
    swept = plan.grid.names
    drawn = [] if make is not None or "init" in swept else [settings["init"]]
    usual = [] if make is not None else unusual({name: value for name, value in settings.items() if name not in swept},
                                                DEFAULTS | {"engine": "chain"})
    for number in itertools.count(1):
        path = numbered("_".join(["sweep", *drawn, *usual, *swept]), number)
        try:
            return Store(plan, path, overwrite, retry)
        except OtherSweep:
            if overwrite:
                raise


def _make_points(store, settings, places):
    """Make what is missing, with a bar; returns whether all is made."""
    from onlinemode.progress import PointsBar
    from onlinemode.sweeps.api import make_points
    from onlinemode.sweeps.places import Cluster

    quiet = settings["quiet"] or settings["json"]
    executor, workers = None, None
    if "processes" in places:
        executor, workers = "processes", places["processes"]
    elif "workers" in places:
        executor, workers = "dask", places["workers"]
    elif "scheduler" in places:
        executor = places["scheduler"]
        if "://" not in executor:
            executor = f"tcp://{executor}"
    bar = PointsBar(leave=False) if not quiet and sys.stderr.isatty() else None

    def opened(place):
        if isinstance(place, Cluster):
            announce(settings, f"dashboard at {place.dashboard}")
            if not place.has_workers:
                announce(settings, "waiting for the first worker ...")

    if store.made[store.wanted].all():
        return True
    try:
        return make_points(store, executor, workers, bar if bar is not None else _TimeLeft(quiet), opened)
    finally:
        if bar is not None:
            bar.close()


class _TimeLeft:
    """Where there is no terminal: one line says how long the rest takes, once that can be told."""

    WORTH_SAYING = 5.0

    def __init__(self, quiet):
        self._said, self._first = quiet, None

    def __call__(self, report):
        self._first = report.done if self._first is None else self._first
        if not self._said and report.seconds_left is not None and report.done - self._first > 1:
            self._said = True
            if report.seconds_left > self.WORTH_SAYING:
                print(f"{about(report.seconds_left)} left", file=sys.stderr, flush=True)


def _finish(plan, store, settings, finished):
    """Write the table, draw and print; returns the exit code."""
    from onlinemode.cli import sweep_report
    from onlinemode.sweeps.store import RESULTS, TABLE

    store.flush()
    made = int(store.made.sum())
    dataset = store.dataset()
    files = {}
    if made:
        files = {"folder": store.path, "results": store.path / RESULTS, "table": store.path / TABLE}
        sweep_report.write_table(plan, dataset, store.path / TABLE)
        if settings["plot"] and finished:
            sweep_report.draw(dataset, store.path / "picture.png", files)
    if not finished:
        there = int((store.made & store.wanted).sum())
        print(f"stopped by the user after {there:,} of {int(store.wanted.sum()):,} points; the same command goes on",
              file=sys.stderr)
    counts = sweep_report.count(store.statuses()[store.wanted])
    sweep_report.say(plan, dataset, counts, settings, files)
    if not finished:
        return INTERRUPTED
    return FAILED if set(counts) <= {"invalid", "error", "lost", "missing"} else DONE
