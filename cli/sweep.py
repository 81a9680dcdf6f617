"""``onlinemode sweep``: the same run at every point of a grid of options."""

import sys
from contextlib import contextmanager

import click

from onlinemode.cli import grid
from onlinemode.cli.names import until_the_end, unusual
from onlinemode.cli.options import (
    DEFAULTS,
    ODE,
    OUTPUT,
    OVERLAPS_ALONE,
    PROBLEM,
    SIMULATION,
    START,
    OneOf,
    option,
    resolve,
    shared_options,
    typed_values,
)
from onlinemode.cli.running import WORTH_SAYING, ProgressBar, announce, from_settings
from onlinemode.cli.signals import INTERRUPTED
from onlinemode.cli.simulate import check_engine
from onlinemode.cli.starts import with_overlaps
from onlinemode.engines import capabilities_of
from onlinemode.experiment import CHOICES, describe, first_of
from onlinemode.progress import about

_OUTPUT = tuple(name for name in OUTPUT if name not in ("store_weights", "store_final", "csv"))
SHOWN = {"error": "ε_g", "error_se": "± s.e.", "specialization": "special.", "specialized_at": "α of 1/2"}


@click.command("sweep", short_help="The same run over a grid of options.")
@click.option("--over", "over", multiple=True, required=True, metavar="NAME=VALUES",
              help="An option to sweep and its values: eta=1,2,5, noise=0:1:11 (from, to, how many) or "
              "N=1e2:1e6:5:log. Several --over make a grid.")
@shared_options(*START, "alpha", *PROBLEM, "engine", *SIMULATION, *ODE, *_OUTPUT, replaced={
    "start": OVERLAPS_ALONE,
    "engine": option("engine", OneOf(CHOICES["engine"]), "chain (exact overlaps), micro (N-vectors) or ode.", "chain"),
    "out": option("out", click.Path(), "Folder of the results.", "a new name in this folder")})
def command(over, **given):
    """Run the same simulation at every point of a grid of options, and compare how the runs end.

    The engine is the exact chain unless --engine says micro or ode; all points have the same seed.
    Writes a folder (--out) with one .npz a point, table.csv and, for one or two options, picture.png. The
    table has means over replicas at the end of the runs, with standard errors from two replicas on, and the
    first time α at which the specialization reaches 1/2.
    The same command again goes on where a sweep stopped, and other values add points to its folder: table.csv has
    all of them, picture.png those of the last call. A file that does not hold the run of its point is kept
    under another name. --overwrite makes all points anew.
    """
    from onlinemode.sweep_folder import SweepFolder
    from onlinemode.sweep_grid import Grid
    from onlinemode.sweeps import run_grid

    axes = grid.parse(over)
    for name in axes:
        if given[name] is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} is swept by --over; leave it out")
    typed = typed_values(given)
    fixed = {**given, **typed, "engine": typed.get("engine", "chain"), "config": None}
    settings = with_overlaps(resolve(fixed), {**given, **dict.fromkeys(axes, True)})
    _check_options(settings)
    swept = Grid(from_settings(settings), axes)
    swept.check()
    drawn = [] if "init" in axes else [settings["init"]]
    fixed = {name: value for name, value in settings.items() if name not in axes}
    usual = unusual(fixed, DEFAULTS | {"engine": "chain"})
    folder = until_the_end(SweepFolder(
        swept, settings["out"], "_".join(["sweep", *drawn, *usual, *axes]), bool(settings["overwrite"]),
        lambda line: print(f"onlinemode: {line}", file=sys.stderr)))
    result = run_grid(swept, folder, _Watch(settings, swept, folder), settings["plot"] and len(axes) == 1)
    if result.interrupted:
        announce(settings, f"stopped by the user after {len(result.rows)} of {len(swept.points)} points; the same "
                           "command goes on")
    return _finish(settings, result)


def _check_options(settings):
    """Raise UsageError for an option that the engine does not have."""
    engine = settings["engine"]
    theory = capabilities_of(engine).theory
    if not theory:
        check_engine(settings, engine)
    foreign = [name for name in (SIMULATION if theory else ODE)
               if settings[name] is not None and settings[name] != DEFAULTS.get(name) and name != "threads"]
    if foreign:
        raise click.UsageError(f"engine {engine} has no option --{foreign[0].replace('_', '-')}; leave it out")


class _Watch:
    """Announces, draws bars, and prints the rows of the table as they come; see ``onlinemode.sweeps.Watch``."""

    def __init__(self, settings, swept, folder):
        self._settings, self._grid, self._folder = settings, swept, folder
        self._quiet = settings["quiet"] or settings["json"]
        self._missing, self._runs, self._rows = [], 0, 0

    def begin(self, experiments):
        self._missing = experiments
        points = len(self._grid.points)
        text = f"{points} points of {self._settings['engine']} in {self._folder.path}"
        if there := points - len(experiments):
            text += f", {there} of them there already"
        announce(self._settings, text)

    @contextmanager
    def run(self):
        bar = ProgressBar(self._quiet)
        try:
            yield bar
        finally:
            bar.close()

    def made(self, run):
        """After the first run say how long the others take."""
        self._runs += 1
        first, *others = self._missing
        left = run.info.seconds_run * sum(_work(each) for each in others) / _work(first)
        if self._runs == 1 and not capabilities_of(first.engine).theory and left > WORTH_SAYING:
            announce(self._settings, f"{about(left)} for the other {len(others)} points, by the first")

    def row(self, row):
        """The last row of the table, and its head before the first."""
        self._rows += 1
        if self._quiet:
            return
        axes = self._grid.over
        if self._rows == 1:
            print("  ".join([f"{name:>12}" for name in axes] + [f"{title:>14}" for title in SHOWN.values()])
                  + "  status")
        cells = [f"{row[name]:>12,}" if isinstance(row[name], int) else f"{row[name]:>12}" for name in axes]
        cells += [f"{row[name]:14.4g}" if row[name] == row[name] else f"{'-':>14}" for name in SHOWN]
        print("  ".join(cells) + f"  {row['status']}", flush=True)


def _work(experiment):
    vectors = experiment.N if capabilities_of(experiment.engine).makes_vectors else 1
    return experiment.alpha * experiment.N * experiment.batch * experiment.replicas * vectors


def _finish(settings, result):
    """Draw and print; returns the exit code."""
    from onlinemode.cli import report
    from onlinemode.sweep_folder import TABLE

    axes, folder = result.over, result.folder
    files = {"folder": folder, "table": folder / TABLE} if result.rows else {}
    if settings["plot"] and not result.interrupted and len(axes) <= 2:
        from onlinemode.cli.pictures import plotting

        files["picture"] = folder / "picture.png"
        sizes = first_of(result.experiment.start(vectors=False))
        title = f"{settings['engine']}, {describe(settings, sizes, tuple(axes))}"
        figure = plotting.sweep_figure(axes, result.rows, result.runs if len(axes) == 1 else [], title)
        plotting.save_figure(figure, files["picture"])
    if settings["json"]:
        report.print_json({"command": "sweep", "engine": settings["engine"], "over": axes, "points": result.rows,
                           "files": {name: str(path) for name, path in files.items()}})
    elif not settings["quiet"]:
        report.print_files(files)
    return INTERRUPTED if result.interrupted else 0
