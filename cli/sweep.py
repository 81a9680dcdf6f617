"""``onlinemode sweep``: the same run at every point of a grid of options."""

import csv

import click

from onlinemode.cli import grid
from onlinemode.cli.options import ODE, OUTPUT, PROBLEM, SIMULATION, START, resolve, shared_options, typed_values
from onlinemode.cli.running import about, announce, chosen, count, estimated_seconds, make_problem, make_start
from onlinemode.cli.simulate import ENGINE_OPTIONS, check_engine

_OUTPUT = tuple(name for name in OUTPUT if name not in ("store_weights", "csv"))
_ENGINES = ("chain", "micro", "ode")
SHOWN = ("error", "error_se", "specialization", "specialized_at")


@click.command("sweep", short_help="The same run over a grid of options.")
@click.option("--over", "over", multiple=True, required=True, metavar="NAME=VALUES",
              help="An option to sweep and its values: eta=1,2,5, noise=0:1:11 (from, to, how many) or "
              "N=1e2:1e6:5:log. Several --over make a grid.")
@shared_options(*START, "alpha", *PROBLEM, "engine", *SIMULATION, *ODE, *_OUTPUT)
def command(over, **given):
    """Run the same simulation at every point of a grid of options, and compare how the runs end.

    The engine is the exact chain unless --engine says micro or ode; all points have the same seed.
    Writes a folder (--out) with one .npz a point, table.csv and, for one or two options, picture.png.
    The same command again goes on where an interrupted sweep stopped.
    """
    axes = grid.parse(over)
    given = {**given, "engine": typed_values(given).get("engine", "chain")}
    points = [resolve({**given, **point}) for point in grid.points(axes)]
    if points[0]["engine"] not in _ENGINES:
        raise click.UsageError(f"--engine must be one of {', '.join(_ENGINES)}; got {points[0]['engine']!r}")
    for settings in points:
        if settings["engine"] != "ode":
            check_engine(settings, settings["engine"])
        make_problem(settings)  # a bad value is found before the first run
    first = points[0]
    folder = grid.Folder(first["out"], axes, first)
    announce(first, f"{len(points)} points of {first['engine']} in {folder.path}")
    rows, runs, code = [], [], 0
    try:
        for number, (settings, point) in enumerate(zip(points, grid.points(axes)), 1):
            run = _run(settings, folder, f"{number:03}.npz")
            if any(status.value == "interrupted" for status in run.status):
                raise KeyboardInterrupt
            runs.append(run)
            rows.append({**point, **_end_of(run), "file": f"{number:03}.npz"})
            _say(first, axes, rows)
    except KeyboardInterrupt:
        announce(first, f"stopped by the user after {len(rows)} of {len(points)} points; the same command goes on")
        code = 130
    if rows:
        _write_table(folder.path / "table.csv", rows)
    files = {"folder": folder.path, "table": folder.path / "table.csv"} if rows else {}
    if first["plot"] and code == 0:
        files |= _draw(folder.path / "picture.png", axes, rows, runs)
    if first["json"]:
        from onlinemode.cli.report import print_json

        print_json({"command": "sweep", "engine": first["engine"], "over": axes, "points": rows,
                    "files": {name: str(path) for name, path in files.items()}})
    elif not first["quiet"]:
        from onlinemode.cli.report import print_files

        print_files(files)
    return code


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
    common = {"N": settings["N"], "seed": settings["seed"], "save_at": settings["save_at"]}
    if engine == "ode":
        run = simulate(problem, start, settings["alpha"], "ode", **common, **chosen(settings, ODE))
    else:
        seconds = estimated_seconds(settings, problem, start, engine)
        if seconds > 10.0:
            steps = settings["alpha"] * settings["N"] * settings["replicas"]
            announce(settings, f"{count(steps)} steps, {about(seconds)} ...")
        run = simulate(problem, start, settings["alpha"], engine, replicas=settings["replicas"], keep=settings["keep"],
                       **common, **chosen(settings, ENGINE_OPTIONS[engine]))
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
        print("  ".join([f"{name:>12}" for name in axes] + [f"{name:>14}" for name in SHOWN]) + "  status")
    cells = [f"{row[name]:>12,}" if isinstance(row[name], int) else f"{row[name]:>12}" for name in axes]
    cells += [f"{row[name]:14.4g}" if row[name] == row[name] else f"{'-':>14}" for name in SHOWN]
    print("  ".join(cells) + f"  {row['status']}", flush=True)


def _write_table(path, rows):
    from onlinemode.storage import replacing

    with replacing(path, "w") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _draw(path, axes, rows, runs):
    from onlinemode import plotting

    figure = plotting.sweep_figure(axes, rows, runs)
    if figure is None:
        return {}
    plotting.save_figure(figure, path)
    return {"picture": path}
