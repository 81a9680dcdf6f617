"""``onlinemode sweep``: the same run at every point of a grid of options."""

import click

from onlinemode.cli import grid
from onlinemode.cli.names import check_numbers, until_the_end
from onlinemode.cli.options import (
    COMMON,
    ODE,
    OUTPUT,
    OVERLAPS_ALONE,
    PROBLEM,
    SIMULATION,
    START,
    resolve,
    shared_options,
    typed_values,
)
from onlinemode.cli.running import (
    WORTH_SAYING,
    ProgressBar,
    about,
    announce,
    chosen,
    describe,
    first_start,
    make_problem,
    make_start,
)
from onlinemode.cli.simulate import ENGINE_OPTIONS, check_engine
from onlinemode.cli.starts import with_overlaps

_OUTPUT = tuple(name for name in OUTPUT if name not in ("store_weights", "store_final", "csv"))
_ENGINES = ("chain", "micro", "ode")
SHOWN = {"error": "ε_g", "error_se": "± s.e.", "specialization": "special.", "specialized_at": "α of 1/2"}


@click.command("sweep", short_help="The same run over a grid of options.")
@click.option("--over", "over", multiple=True, required=True, metavar="NAME=VALUES",
              help="An option to sweep and its values: eta=1,2,5, noise=0:1:11 (from, to, how many) or "
              "N=1e2:1e6:5:log. Several --over make a grid.")
@shared_options(*START, "alpha", *PROBLEM, "engine", *SIMULATION, *ODE, *_OUTPUT, replaced={
    "start": OVERLAPS_ALONE,
    "engine": click.option("--engine", help="chain (exact overlaps), micro (N-vectors) or ode.  [chain]"),
    "out": click.option("--out", type=click.Path(), help="Folder of the results.  [a new name in this folder]")})
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
    axes = grid.parse(over)
    for name in axes:
        if given[name] is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} is swept by --over; leave it out")
    fixed = typed_values(given)
    fixed = {**given, **fixed, "engine": fixed.get("engine", "chain"), "config": None}
    points = grid.points(axes)
    settings = [with_overlaps(resolve({**fixed, **point}), {**given, **point}) for point in points]
    _check_options(settings[0])
    for each, point in zip(settings, points):
        with _named(point):
            _check_values(each)
    first = settings[0]

    def settings_of(point):
        return resolve({**fixed, **point})

    folder = until_the_end(grid.Folder(first["out"], tuple(axes), first,
                                       lambda run, point: _difference(run, settings_of(point))))
    folder.check_names(points)
    keep = first["plot"] and len(axes) == 1
    found = [_found(folder.read(point), point, keep) for point in points]
    _announce(settings, found, folder)
    rows, runs, code = _run_all(axes, settings, points, found, folder, keep)
    _finish(first, axes, rows, runs, folder, code)
    return code


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

    check_numbers(settings)
    make_problem(settings)
    checks.number("alpha", settings["alpha"], above=0.0)
    first_start(make_start(settings, vectors=False, small=True))


def _found(run, point, keep):
    """Row of a point that is there, and its run where a picture needs it; None where it is not."""
    return None if run is None else (_row_of(run, point), run if keep else None)


def _announce(settings, found, folder):
    first, there = settings[0], sum(each is not None for each in found)
    text = f"{len(found)} points of {first['engine']} in {folder.path}"
    if there:
        text += f", {there} of them there already"
    announce(first, text)


def _run_all(axes, settings, points, found, folder, keep):
    """Rows of the table, the runs where a picture needs them, and the exit code."""
    rows, runs, code, first = [], [], 0, settings[0]
    missing = [each for each, there in zip(settings, found) if there is None]
    try:
        for each, point, there in zip(settings, points, found):
            with _named(point):
                if there is None:
                    run = _run(each)
                    if any(status.value == "interrupted" for status in run.status):
                        raise KeyboardInterrupt
                    folder.save(run, point)
                    if each is missing[0]:
                        _say_what_is_left(missing, run.meta["seconds_run"])
                    there = _found(run, point, keep)
            row, run = there
            rows.append(row)
            if keep:
                runs.append(run)
            folder.add_to_table(row, _row_of)
            _say(first, axes, rows)
    except KeyboardInterrupt:
        announce(first, f"stopped by the user after {len(rows)} of {len(points)} points; the same command goes on")
        code = 130
    return rows, runs, code


def _say_what_is_left(missing, seconds):
    """How long the other points take, from the time of the first."""
    def work(settings):
        vectors = settings["N"] if settings["engine"] == "micro" else 1
        return settings["alpha"] * settings["N"] * settings["batch"] * settings["replicas"] * vectors

    left = seconds * sum(work(each) for each in missing[1:]) / work(missing[0])
    if missing[0]["engine"] != "ode" and left > WORTH_SAYING:
        announce(missing[0], f"{about(left)} for the other {len(missing) - 1} points, by the first")


def _row_of(run, point):
    """The row of the table."""
    from onlinemode.sweeps import summary_of

    return {**point, **summary_of(run), "seconds": run.meta["seconds_run"], "file": grid.file_of(point)}


def _difference(run, settings):
    """How a run differs from that of these settings, in words; "" where it does not."""
    from onlinemode.sweeps import difference

    return difference(run, *_call(settings))


def _call(settings):
    """Problem, start and all other arguments of the run of one point."""
    engine = settings["engine"]
    problem, start = make_problem(settings), make_start(settings, vectors=engine == "micro")
    call = {"alpha": settings["alpha"], "engine": engine, "N": settings["N"], "seed": settings["seed"],
            "save_at": settings["save_at"], **chosen(settings, ODE if engine == "ode" else ENGINE_OPTIONS[engine])}
    if engine != "ode":
        call |= {"replicas": settings["replicas"], "keep": settings["keep"], **chosen(settings, ("quantiles",))}
    return problem, start, call


def _run(settings):
    """The run of one point."""
    from onlinemode import simulate

    problem, start, call = _call(settings)
    bar = ProgressBar(settings["quiet"] or settings["json"])
    try:
        return simulate(problem, start, progress=bar, **call)
    finally:
        bar.close()


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


def _finish(settings, axes, rows, runs, folder, code):
    """Draw and print."""
    from onlinemode.cli import report

    files = {"folder": folder.path, "table": folder.path / grid.TABLE} if rows else {}
    if settings["plot"] and code == 0 and len(axes) <= 2:
        from onlinemode.cli.pictures import plotting

        files["picture"] = folder.path / "picture.png"
        start = make_start(settings, vectors=False, small=True)
        title = f"{settings['engine']}, {describe(settings, start, without=tuple(axes))}"
        plotting.save_figure(plotting.sweep_figure(axes, rows, runs, title), files["picture"])
    if settings["json"]:
        report.print_json({"command": "sweep", "engine": settings["engine"], "over": axes, "points": rows,
                           "files": {name: str(path) for name, path in files.items()}})
    elif not settings["quiet"]:
        report.print_files(files)
