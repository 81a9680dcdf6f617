"""``onlinemode simulate``: online SGD at finite N, with the mean-field theory beside it."""

import sys
from concurrent.futures import ThreadPoolExecutor

import click

from onlinemode.cli.options import MICRO, ODE, OUTPUT, PROBLEM, START, resolve, shared_options
from onlinemode.cli.running import (
    ProgressBar,
    about,
    announce,
    chosen,
    describe,
    estimated_seconds,
    make_problem,
    make_start,
    result_path,
)


@click.command("simulate", short_help="Online SGD at finite N, with the theory.")
@shared_options(*START, "alpha", *PROBLEM, *MICRO, *ODE, *OUTPUT)
@click.option("--theory/--no-theory", default=True, help="Integrate the mean-field equations, too.  [theory]")
def command(theory, **given):
    """Run online SGD at finite N and compare it with the mean-field equations.

    Without options: a student with three modes at N = 10,000 that leaves a plateau and specializes
    unit by unit.  Writes one .npz and one .png, prints a table, and says where the files are.
    """
    from onlinemode.cli import report

    settings = resolve(given)
    path = result_path(settings, "simulate")
    problem = make_problem(settings)
    start = make_start(settings)
    run, expected = simulate_with_theory(problem, start, settings, theory)

    files = {"result": path}
    run.save(path)
    if settings["csv"]:
        files["curves"] = path.with_suffix(".csv")
        run.to_csv(files["curves"])
    if settings["plot"]:
        from onlinemode import plotting

        files["picture"] = path.with_suffix(".png")
        runs = [run] if expected is None else [run, expected]
        plotting.save_figure(plotting.overview(runs, describe(settings, start)), files["picture"])
    report.print_status(run)
    if settings["json"]:
        report.print_json(report.summary("simulate", run, files, expected))
    elif not settings["quiet"]:
        report.print_table(run, expected)
        report.print_stages(expected if expected is not None else run)
        report.print_files(files)
    return 130 if any(status.value == "interrupted" for status in run.status) else 0


def simulate_with_theory(problem, start, settings, theory=True):
    """A micro run, and the ode from the same overlaps on the same times (None without theory).

    The equations are integrated in a second thread while the simulation keeps the first core busy.
    """
    from onlinemode import simulate
    from onlinemode.cli import report
    from onlinemode.engines.grid import save_times

    alpha = settings["alpha"]
    steps = (alpha or 0.0) * start.N * settings["replicas"]
    bar = ProgressBar(settings["quiet"] or settings["json"])
    pool = ThreadPoolExecutor(max_workers=1)
    reports, pending = [], []

    def integrate():
        times, _ = save_times(settings["save_at"], alpha, start.N)
        return simulate(problem, start, alpha, "ode", save_at=times, **chosen(settings, ODE))

    def progress(state):
        if not reports:  # the arguments are right
            announce(settings, describe(settings, start))
            announce(settings, f"{steps:,.0f} steps of SGD, {about(estimated_seconds(settings, start))} "
                               "(the first run compiles for some seconds more)")
        elif theory and not pending:  # the kernel of the simulation is compiled and running
            pending.append(pool.submit(integrate))
        reports.append(state)
        bar(state)

    try:
        run = simulate(problem, start, alpha, "micro", progress=progress, replicas=settings["replicas"],
                       store_weights=bool(settings["store_weights"]),
                       seed=settings["seed"], save_at=settings["save_at"],
                       **chosen(settings, ("precision", "device", "threads")))
    finally:
        bar.close()
    if not theory:
        return run, None
    if not pending:
        pending.append(pool.submit(integrate))
    expected = pending[0].result()
    report.print_status(expected)
    sys.stderr.flush()
    return run, expected
