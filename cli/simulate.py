"""``onlinemode simulate``: a simulation at finite N, with the mean-field theory beside it."""

import sys

import click

from onlinemode.cli.checkpoints import Keeper, is_part_of_run, resumed_settings
from onlinemode.cli.exit_codes import DONE, INTERRUPTED
from onlinemode.cli.names import CURVES, PICTURE, RESULT, STATISTICS, claim_runs
from onlinemode.cli.options import DEFAULTS, ODE, OUTPUT, PROBLEM, SIMULATION, START, shared_options
from onlinemode.cli.running import ProgressBar, Waiting, announce, chosen, count, experiment_of
from onlinemode.cli.starts import beginning, how_to_go_on, is_run, settings_and_run
from onlinemode.engines import capabilities_of
from onlinemode.errors import EngineError, FileError
from onlinemode.experiment import OPTIONS_OF, SIMULATED


@click.command("simulate", short_help="Online SGD at finite N, with the theory.")
@shared_options(*START, "alpha", *PROBLEM, "engine", *SIMULATION, *ODE, *OUTPUT)
@click.option("--theory/--no-theory", default=None, help="Integrate the mean-field equations, too.  [theory]")
@click.option("--checkpoint", type=click.Path(), help="Write the unfinished run to this file now and then.")
@click.option("--every", type=float, help="Seconds between two checkpoints.  [300]")
@click.option("--resume", type=click.Path(), help="Go on with the run of this checkpoint; its options are in the file.")
def command(theory, checkpoint, every, resume, **given):
    """Run online SGD at finite N and compare it with the mean-field equations.

    Without options: a student with three modes at N = 10,000 that leaves a plateau and specializes
    unit by unit.  Writes one .npz and one .png, prints a table, and says where the files are.

    --start RUN.npz goes on with a saved run (made with --store-final, or by the chain) to a later --alpha: samples and
    α go on, too. Options of the problem that are given hold from there on.

    A run that diverges is a result, and no error: its message, or "status" in --json, says so.
    """
    from onlinemode.beside import Theory
    from onlinemode.theory.spectral import require_theory

    settings, before = settings_and_run(given) if resume is None else (resumed_settings(resume, given), None)
    theory = settings.get("theory", True) if theory is None else theory
    settings["theory"] = theory
    keeper = Keeper(checkpoint, every, resume, settings["out"])
    engine = settings["engine"]
    check_engine(settings, engine)
    claim = claim_runs(settings, "simulate",
                       replaceable=None if resume is None else lambda path: is_part_of_run(path, resume))
    settings["name"] = str(claim.base)
    problem, start, title = beginning(settings, before, resume, vectors=capabilities_of(engine).makes_vectors)
    if theory:
        try:
            require_theory(problem)
        except EngineError as reason:
            theory = False
            announce(settings, f"no theory: {reason}")
    mean_field = Theory(problem, start, experiment_of(settings).call(), chosen(settings, ODE)) if theory else None
    if mean_field is not None and mean_field.too_much():
        announce(settings, f"no theory: {mean_field.too_much()}")
        mean_field = None
    run = None
    try:
        run = run_simulation(problem, start, settings, engine, mean_field, title, keeper, before)
        code = finish(settings, "simulate", claim, [(run, "")], mean_field, title)
    except (KeyboardInterrupt, FileError) as problem:
        if run is not None or isinstance(problem, KeyboardInterrupt):
            keeper.say_how_to_go_on()
        raise
    line = how_to_go_on(run, claim.path(RESULT))
    if line is not None and not settings["quiet"] and not settings["json"]:
        print(line)
    return keeper.end(code)


def check_engine(settings, engine):
    """Raise UsageError for an engine that does not simulate, or an option that it does not have."""
    if capabilities_of(engine).theory and is_run(settings.get("start")):
        raise click.UsageError(f"simulate goes on with runs of {', '.join(SIMULATED)}; {settings['start']} is one of "
                               f"ode: go on with onlinemode ode --start {settings['start']}")
    if engine not in SIMULATED:
        raise click.UsageError(f"--engine must be one of {', '.join(SIMULATED)}; got {engine!r}")
    for name in ("precision", "device", "test_samples", "kick_samples", "resolve"):
        if name not in OPTIONS_OF[engine] and settings[name] != DEFAULTS.get(name):
            raise click.UsageError(f"engine {engine} has no option --{name.replace('_', '-')}; leave it out")


def run_simulation(problem, start, settings, engine, mean_field, title, keeper=None, before=None):
    """One simulation with its announcement and progress bar; ``mean_field`` begins when it is under way.

    It goes on with the run ``before``, if there is one.
    """
    from onlinemode import go_on, resume, simulate

    begun = False
    bar = ProgressBar(settings["quiet"] or settings["json"])

    def progress(state):
        nonlocal begun
        if not begun:  # the arguments are right
            begun = True
            begin = getattr(getattr(start, "first", None), "alpha", 0.0)  # of a run that goes on
            announce(settings, title)
            steps = (settings["alpha"] - begin) * settings["N"] * settings["replicas"]
            device = "" if settings["device"] == "cpu" else f", device {settings['device']}"
            announce(settings, f"{count(steps)} steps of {engine}{device} (the first run compiles for some seconds)")
        elif mean_field is not None:  # the kernel is compiled and running
            mean_field.begin()
        bar(state)

    try:
        if keeper is not None and keeper.resumed is not None:
            return resume(keeper.resumed, progress, keeper.path, keeper.every)
        checkpoint = None if keeper is None else keeper.checkpoint(settings)
        if before is not None:
            return go_on(before, settings["alpha"], save_at=settings["save_at"], problem=problem, progress=progress,
                         store_weights=bool(settings["store_weights"]), store_final=settings["store_final"],
                         checkpoint=checkpoint, **chosen(settings, {"threads", "resolve"} & set(OPTIONS_OF[engine])))
        return simulate(problem, start, progress=progress, store_weights=bool(settings["store_weights"]),
                        store_final=bool(settings["store_final"]), checkpoint=checkpoint,
                        **experiment_of(settings | {"engine": engine}).call())
    finally:
        bar.close()


def finish(settings, command, claim, results, mean_field, title, theory_ending=None):
    """Save runs, wait for the theory, draw, print; returns the exit code.

    ``results`` is a list of (Trajectory, what its files add to the claimed name); they are on disk before anything
    else happens.
    """
    from onlinemode.cli import report

    several = len(results) > 1 or theory_ending is not None
    files = {}

    def keep(run, ending):
        files[f"result{label(run)}"] = claim.write(ending + RESULT, run.save)

    def tabulate(run, ending, beside=None):
        files[f"curves{label(run)}"] = claim.write(ending + CURVES, lambda path: run.to_csv(path, beside))
        if run.replicas > 1:
            files[f"statistics{label(run)}"] = claim.write(ending + STATISTICS, run.ensemble.to_csv)

    def label(run):
        return f" {run.info.engine}" if several else ""

    for run, ending in results:
        keep(run, ending)
        report.print_status(run)
    runs = [run for run, _ in results]
    theory, problem = None, None
    interrupted = any(is_interrupted(run) for run in runs)
    if interrupted and mean_field is not None:
        mean_field.stop()
    try:
        theory = Waiting(settings).result(mean_field) if mean_field is not None else None
    except EngineError as trouble:
        problem = trouble
        if command != "compare" or mean_field.stopped:
            print(f"no theory: {problem}", file=sys.stderr)
    interrupted = interrupted or (mean_field is not None and mean_field.stopped)
    noise = mean_field.noise if mean_field is not None else None
    if theory is not None:
        report.print_status(theory)
        if theory_ending is not None:
            keep(theory, theory_ending)
    if settings["csv"]:
        for run, ending in results:
            tabulate(run, ending, theory if theory_ending is None else None)
        if theory is not None and theory_ending is not None:
            tabulate(theory, theory_ending)
    if command == "compare" and problem is not None:
        report.print_files(files)
        if interrupted:
            return INTERRUPTED
        raise problem
    if settings["plot"]:
        from onlinemode.cli.pictures import plotting

        figure = (plotting.comparison(runs, theory, title, noise) if command == "compare" else
                  plotting.overview(runs if theory is None else [*runs, theory], title))
        files["picture"] = claim.write(PICTURE, lambda path: plotting.save_figure(figure, path))
    if settings["json"]:
        summaries = [report.summary(command, run, files, theory, noise) for run in runs]
        report.print_json(summaries if len(summaries) > 1 else summaries[0])
    elif not settings["quiet"]:
        if command == "compare":
            report.print_comparison(runs, theory, noise, mean_field.reason)
        else:
            for run in runs:
                report.print_run(run, theory)
        report.print_files(files)
    return INTERRUPTED if interrupted else DONE


def is_interrupted(run):
    """Whether the user stopped a replica."""
    return any(status.value == "interrupted" for status in run.status)
