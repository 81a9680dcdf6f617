"""``onlinemode compare``: several engines from the same overlaps, and how far they are apart."""

import click

from onlinemode.cli.options import MICRO, ODE, OUTPUT, PROBLEM, START, resolve, shared_options
from onlinemode.cli.running import describe, make_problem, make_start, result_path
from onlinemode.cli.simulate import simulate_with_theory


@click.command("compare", short_help="SGD against theory, in units of N^-1/2.")
@shared_options(*START, "alpha", *PROBLEM, *MICRO, *ODE, *OUTPUT)
@click.option("--engine", default="micro,ode", help="Engines, comma-separated.  [micro,ode]")
def command(engine, **given):
    """Run SGD and the mean-field equations from the same overlaps and report their deviation.

    Writes one .npz an engine and one .png, prints a table and the deviation of (Q, R), also in
    units of N^-1/2: for a theory that is right, that number does not grow with N.
    """
    engines = engine.split(",")
    if engines != ["micro", "ode"]:
        raise click.UsageError(f"--engine must be micro,ode; got {engine}")
    from onlinemode.cli import report

    settings = resolve(given)
    path = result_path(settings, "compare")
    problem = make_problem(settings)
    start = make_start(settings)
    run, expected = simulate_with_theory(problem, start, settings)

    files = {}
    for name, result in (("micro", run), ("ode", expected)):
        files[f"result {name}"] = path.with_name(f"{path.stem}_{name}.npz")
        result.save(files[f"result {name}"])
        if settings["csv"]:
            files[f"curves {name}"] = files[f"result {name}"].with_suffix(".csv")
            result.to_csv(files[f"curves {name}"])
    if settings["plot"]:
        from onlinemode import plotting

        files["picture"] = path.with_suffix(".png")
        figure = plotting.comparison(run, expected, describe(settings, start))
        plotting.save_figure(figure, files["picture"])
    report.print_status(run)
    if settings["json"]:
        report.print_json(report.summary("compare", run, files, expected))
    elif not settings["quiet"]:
        report.print_table(run, expected)
        report.print_deviation(report.deviation(run, expected), run.N)
        report.print_files(files)
    return 130 if any(status.value == "interrupted" for status in run.status) else 0
