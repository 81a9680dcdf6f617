"""``onlinemode sweep``: the same run at every point of a grid of options."""

import csv

import click

from onlinemode.cli import grid
from onlinemode.cli.checkpoints import Keeper
from onlinemode.cli.options import (
    COMMON,
    ODE,
    OUTPUT,
    PROBLEM,
    SIMULATION,
    START,
    resolve,
    shared_options,
    typed_values,
)
from onlinemode.cli.running import (
    ProgressBar,
    about,
    announce,
    chosen,
    describe,
    estimated_seconds,
    first_start,
    make_problem,
    make_start,
)
from onlinemode.cli.simulate import ENGINE_OPTIONS, check_engine

_OUTPUT = tuple(name for name in OUTPUT if name not in ("store_weights", "csv"))
_ENGINES = ("chain", "micro", "ode")
SHOWN = {"error": "ε_g", "error_se": "± s.e.", "specialization": "special.", "specialized_at": "α of 1/2"}


@click.command("sweep", short_help="The same run over a grid of options.")
@click.option("--over", "over", multiple=True, required=True, metavar="NAME=VALUES",
              help="An option to sweep and its values: eta=1,2,5, noise=0:1:11 (from, to, how many) or "
              "N=1e2:1e6:5:log. Several --over make a grid.")
@shared_options(*START, "alpha", *PROBLEM, "engine", *SIMULATION, *ODE, *_OUTPUT, replaced={
    "engine": click.option("--engine", help="chain (exact overlaps), micro (N-vectors) or ode.  [chain]"),
    "out": click.option("--out", type=click.Path(), help="Folder of the results.  [a new name in this folder]")})
def command(over, **given):
    """Run the same simulation at every point of a grid of options, and compare how the runs end.

    The engine is the exact chain unless --engine says micro or ode; all points have the same seed.
    Writes a folder (--out) with one .npz a point, table.csv and, for one or two options, picture.png. The
    table has means over replicas at the end of the runs, with standard errors from two replicas on, and the
    first time α at which the specialization reaches 1/2.
    The same command again goes on where a sweep stopped, and other values add points to its folder.
    """
    axes = grid.parse(over)
    for name in axes:
        if given[name] is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} is swept by --over; leave it out")
    fixed = typed_values(given)
    fixed = {**given, **fixed, "engine": fixed.get("engine", "chain"), "config": None}
    points = grid.points(axes)
    settings = [resolve({**fixed, **point}) for point in points]
    _check_options(settings[0])
    for each, point in zip(settings, points):
        with _named(point):
            _check_values(each)
    first = settings[0]
    folder = grid.Folder(first["out"], tuple(axes), first)
    _announce(settings, points, folder)
    keeper = Keeper(None, None, None)  # SIGTERM is Ctrl-C
    with keeper:
        rows, runs, code = _run_all(axes, settings, points, folder)
    _finish(first, axes, rows, runs, folder, code)
    return keeper.end(code)


class _named:
    """Errors inside say at which point they came."""

    def __init__(self, point):
        self._point = ", ".join(f"{name} = {value}" for name, value in point.items())

    def __enter__(self):
        return self

    def __exit__(self, kind, problem, _):
        from onlinemode.errors import OnlineModeError

        if isinstance(problem, OnlineModeError):
            raise kind(f"{self._point}: {problem}") from None
        if isinstance(problem, click.UsageError):
            raise click.UsageError(f"{self._point}: {problem.message}") from None


def _check_options(settings):
    """Raise UsageError for an engine that there is not, or an option that it does not have."""
    engine = settings["engine"]
    if engine not in _ENGINES:
        raise click.UsageError(f"--engine must be one of {', '.join(_ENGINES)}; got {engine!r}")
    if engine != "ode":
        check_engine(settings, engine)
    foreign = [name for name in (SIMULATION if engine == "ode" else ODE)
               if settings[name] is not None and settings[name] != COMMON.get(name) and name != "threads"]
    if foreign:
        raise click.UsageError(f"engine {engine} has no option --{foreign[0].replace('_', '-')}; leave it out")


def _check_values(settings):
    """What can be known to be wrong before the first run; the overlaps alone are drawn for it."""
    from onlinemode import checks

    make_problem(settings)
    checks.number("alpha", settings["alpha"], above=0.0)
    first_start(make_start(settings, vectors=False, small=True))


def _announce(settings, points, folder):
    first, there = settings[0], sum((folder.path / grid.file_of(point)).exists() for point in points)
    text = f"{len(points)} points of {first['engine']} in {folder.path}"
    if there:
        text += f", {there} of them there already"
    if first["engine"] != "ode":
        left = [each for each, point in zip(settings, points) if not (folder.path / grid.file_of(point)).exists()]
        text += ", " + about(sum(_seconds(each) for each in left))
    announce(first, text)


def _seconds(settings):
    start = make_start(settings, vectors=False, small=True)
    return estimated_seconds(settings, make_problem(settings), start, settings["engine"])


def _run_all(axes, settings, points, folder):
    """Rows of the table, the runs where a picture needs them, and the exit code."""
    rows, runs, code, first = [], [], 0, settings[0]
    try:
        for each, point in zip(settings, points):
            with _named(point):
                run = _run(each, folder, grid.file_of(point))
            if any(status.value == "interrupted" for status in run.status):
                raise KeyboardInterrupt
            if len(axes) == 1 and first["plot"]:
                runs.append(run)
            rows.append({**point, **_end_of(run), "file": grid.file_of(point)})
            _write_table(folder.path / "table.csv", rows)
            _say(first, axes, rows)
    except KeyboardInterrupt:
        announce(first, f"stopped by the user after {len(rows)} of {len(points)} points; the same command goes on")
        code = 130
    return rows, runs, code


def _end_of(run):
    from onlinemode.sweeps import end_of

    return {**end_of(run), "seconds": run.meta["seconds_run"]}


def _run(settings, folder, name):
    """The run of one point: from its file if it is there, else made and saved."""
    from onlinemode import load, simulate

    path = folder.path / name
    if path.exists():
        return load(path)
    engine = settings["engine"]
    problem, start = make_problem(settings), make_start(settings, vectors=engine == "micro")
    options = {"N": settings["N"], "seed": settings["seed"], "save_at": settings["save_at"],
               **chosen(settings, ODE if engine == "ode" else ENGINE_OPTIONS[engine])}
    if engine != "ode":
        options |= {"replicas": settings["replicas"], "keep": settings["keep"], **chosen(settings, ("quantiles",))}
    bar = ProgressBar(settings["quiet"] or settings["json"])
    try:
        run = simulate(problem, start, settings["alpha"], engine, progress=bar, **options)
    finally:
        bar.close()
    if not any(status.value == "interrupted" for status in run.status):
        folder.make()
        run.save(path)
    return run


def _say(settings, axes, rows):
    """The last row of the table, and its head before the first."""
    if settings["json"] or settings["quiet"]:
        return
    row = rows[-1]
    if len(rows) == 1:
        print("  ".join([f"{name:>12}" for name in axes] + [f"{title:>14}" for title in SHOWN.values()]) + "  status")
    cells = [f"{row[name]:>12,}" if isinstance(row[name], int) else f"{row[name]:>12}" for name in axes]
    cells += [f"{row[name]:14.4g}" if row[name] == row[name] else f"{'-':>14}" for name in SHOWN]
    print("  ".join(cells) + f"  {row['status']}", flush=True)


def _write_table(path, rows):
    from onlinemode.storage import replacing

    with replacing(path, "w") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _finish(settings, axes, rows, runs, folder, code):
    """Draw and print."""
    from onlinemode.cli import report

    files = {"folder": folder.path, "table": folder.path / "table.csv"} if rows else {}
    if settings["plot"] and code == 0 and len(axes) <= 2:
        from onlinemode import plotting

        files["picture"] = folder.path / "picture.png"
        start = make_start(settings, vectors=False, small=True)
        title = f"{settings['engine']}, {describe(settings, start, without=tuple(axes))}"
        plotting.save_figure(plotting.sweep_figure(axes, rows, runs, title), files["picture"])
    if settings["json"]:
        report.print_json({"command": "sweep", "engine": settings["engine"], "over": axes, "points": rows,
                           "files": {name: str(path) for name, path in files.items()}})
    elif not settings["quiet"]:
        report.print_files(files)
