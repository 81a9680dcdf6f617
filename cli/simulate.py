"""``onlinemode simulate``: a simulation at finite N, with the mean-field theory beside it."""

import sys
import threading
import time

import click

from onlinemode.cli.checkpoints import Keeper, is_part_of_run, resumed_settings
from onlinemode.cli.names import CURVES, PICTURE, RESULT, STATISTICS, claim_runs
from onlinemode.cli.options import COMMON, ODE, OUTPUT, PROBLEM, SIMULATION, START, resolve, shared_options
from onlinemode.cli.running import (
    ProgressBar,
    StatusLine,
    about,
    announce,
    chosen,
    clock,
    count,
    describe,
    first_start,
    make_problem,
    make_start,
)
from onlinemode.cli.signals import INTERRUPTED
from onlinemode.cli.starts import changed_problem, end_overlaps, how_to_go_on, run_to_go_on, settings_of, with_overlaps
from onlinemode.errors import EngineError

MOST_SECONDS = 600.0  # of theory beside a run that nobody asked for by itself
SECONDS_TO_STOP = 2.0  # given to the theory after Ctrl-C
ENGINE_OPTIONS = {"micro": ("precision", "device", "threads", "test_samples"), "chain": ("device", "threads")}


@click.command("simulate", short_help="Online SGD at finite N, with the theory.")
@shared_options(*START, "alpha", *PROBLEM, "engine", *SIMULATION, *ODE, *OUTPUT)
@click.option("--theory/--no-theory", default=True, help="Integrate the mean-field equations, too.  [theory]")
@click.option("--checkpoint", type=click.Path(), help="Write the unfinished run to this file now and then.")
@click.option("--every", type=float, help="Seconds between two checkpoints.  [300]")
@click.option("--resume", type=click.Path(), help="Go on with the run of this checkpoint; its options are in the file.")
def command(theory, checkpoint, every, resume, **given):
    """Run online SGD at finite N and compare it with the mean-field equations.

    Without options: a student with three modes at N = 10,000 that leaves a plateau and specializes
    unit by unit.  Writes one .npz and one .png, prints a table, and says where the files are.

    --start RUN.npz goes on with a saved run (made with --store-final, or by the chain) to a later --alpha: samples and
    α go on, too. Options of the problem that are given hold from there on.

    Exit code: 0 (also where a run diverged: see its message, or "status" in --json), 2 for bad input, 1
    where standard output was lost, 130 after Ctrl-C (143 and 129: SIGTERM, SIGHUP), with what was computed saved.
    """
    before = run_to_go_on(given) if resume is None else None
    if before is not None:
        settings = settings_of(before, given)
    elif resume is None:
        settings = with_overlaps(resolve(given), given)
    else:
        settings = resumed_settings(resume, given)
        before = run_to_go_on(settings)
    keeper = Keeper(checkpoint, every, resume)
    engine = settings["engine"]
    check_engine(settings, engine)
    claim = claim_runs(settings, "simulate",
                       replaceable=None if resume is None else lambda path: is_part_of_run(path, resume))
    settings["name"] = str(claim.base)
    if before is None:
        problem, start, title = make_problem(settings), make_start(settings, vectors=engine == "micro"), settings
    else:
        problem = changed_problem(before, settings)
        begin, start = end_overlaps(before)
        title = settings | {"init": f"{settings['init']} from α = {begin:.6g}"}
    title = describe(title, start)
    if theory and not problem.inputs.independent:
        theory = False
        announce(settings, f"no theory: the mean-field equations need inputs with independent entries; got "
                           f"{problem.inputs!r}")
    mean_field = Theory(problem, start, settings, before=before) if theory else None
    if mean_field is not None and mean_field.too_much():
        announce(settings, f"no theory: {mean_field.too_much()}")
        mean_field = None
    run = run_simulation(problem, start, settings, engine, mean_field, keeper, before, title)
    code = finish(settings, "simulate", claim, [(run, "")], mean_field, title)
    line = how_to_go_on(run, claim.path(RESULT))
    if line is not None and not settings["quiet"] and not settings["json"]:
        print(line)
    return keeper.end(code)


def check_engine(settings, engine):
    """Raise UsageError for an engine that does not simulate, or an option that it does not have."""
    if engine == "ode" and str(settings.get("start")).endswith(".npz"):
        raise click.UsageError(f"simulate goes on with runs of micro and chain; {settings['start']} is one of ode: go "
                               f"on with onlinemode ode --start {settings['start']}")
    if engine not in ENGINE_OPTIONS:
        raise click.UsageError(f"--engine must be one of {', '.join(ENGINE_OPTIONS)}; got {engine!r}")
    for name in ("precision", "device", "test_samples"):
        if name not in ENGINE_OPTIONS[engine] and settings[name] != COMMON.get(name):
            raise click.UsageError(f"engine {engine} has no option --{name.replace('_', '-')}; leave it out")


class Theory:
    """The mean-field equations from the same overlaps, integrated in a second thread.

    Options are checked at once.

    Parameters
    ----------
    problem : Problem
    start : Weights, OrderParameters or callable
    settings : dict
    with_noise : bool, default False
        Follow the linear-noise theory, too: then ``noise`` is a Fluctuations, or None for the
        ``reason`` given.
    before : Trajectory, optional
        The run that goes on: the equations begin where it ended.
    """

    def __init__(self, problem, start, settings, with_noise=False, before=None):
        from onlinemode.engines.ode import check_options

        self._problem, self._start, self._settings = problem, start, settings
        options = chosen(settings, ODE)
        check_options(problem, **options)
        self._options = options
        self._with_noise, self._before = with_noise, before
        self.noise, self.reason = None, None
        self._thread, self._outcome, self._stopped = None, None, False
        self._ended = threading.Event()  # a Thread whose join() is interrupted may call itself dead
        self._noise_report, self._noise_began = None, None

    def too_much(self, memory_alone=False):
        """Why the integration would need more memory (or time) than a user expects beside a run, else None."""
        from onlinemode.engines.ode import check_options
        from onlinemode.theory.cost import integration_bytes, integration_seconds, too_large

        o = first_start(self._start)
        sizes = o.K, o.M, o.P
        *_, nodes = check_options(self._problem, **self._options)
        method = self._options.get("method", "LSODA")
        seconds = integration_seconds(self._problem, *sizes, nodes)
        memory = too_large(integration_bytes(self._problem, *sizes, method, 200))
        words = f"the mean-field equations for K = {o.K}, M = {o.M}, P = {o.P}"
        if memory:
            return f"{words} need about {memory}"
        if seconds > MOST_SECONDS and not memory_alone:
            return f"{words} would take some {clock(seconds)}; onlinemode ode integrates them alone"
        return None

    def begin(self):
        """Start the integration, once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)  # nobody waits for one long evaluation
            self._thread.start()

    def _run(self):
        try:
            self._outcome = self._integrate(), None
        except BaseException as problem:
            self._outcome = None, problem
        self._ended.set()

    def _integrate(self):
        from onlinemode import go_on, simulate
        from onlinemode.engines.grid import later_times, save_times

        settings = self._settings
        if self._before is not None:
            begin, _ = end_overlaps(self._before)
            times = later_times(settings["save_at"], begin, settings["alpha"], settings["N"])
            return go_on(self._before, settings["alpha"], save_at=times, problem=self._problem, engine="ode",
                         progress=self._stop_if_asked, **self._options)
        times, _ = save_times(settings["save_at"], settings["alpha"], settings["N"])
        replicas = settings["replicas"] if callable(self._start) else 1
        theory = simulate(self._problem, self._start, settings["alpha"], "ode", N=settings["N"], save_at=times,
                          replicas=replicas, keep=settings["keep"], progress=self._stop_if_asked, **self._options)
        if self._with_noise and not self._stopped:
            self._add_noise(theory)
        return theory

    def _add_noise(self, theory):
        from onlinemode import fluctuations
        from onlinemode.errors import ParameterError

        if callable(self._start):
            self.reason = "replicas began from different students"
            return
        if theory.status[0].value not in ("completed", "converged"):
            self.reason = "the mean-field equations do not reach the last α"
            return
        try:
            self.noise = fluctuations(self._problem, self._start, theory.alpha, progress=self._note_noise)
        except ParameterError as problem:
            self.reason = str(problem)
        except KeyboardInterrupt:
            self.reason = "it was stopped by the user"

    def _note_noise(self, report):
        if self._stopped:
            raise KeyboardInterrupt
        if report.points and self._noise_began is None:
            self._noise_began = time.perf_counter()
        self._noise_report = report

    def _stop_if_asked(self, progress):
        if self._stopped:
            raise KeyboardInterrupt

    def stop(self):
        """End the integration, which then returns what it has."""
        self._stopped = True

    def result(self):
        """Wait for the trajectory; Ctrl-C ends the integration, which then returns what it has.

        Raises
        ------
        EngineError
            If it does not end when it should, or cannot be made.
        """
        self.begin()
        bar = StatusLine(self._settings["quiet"] or self._settings["json"])
        said, began = set(), time.perf_counter()
        try:
            while not self._stopped and not self._ended.wait(0.1):
                waited = time.perf_counter() - began
                if waited > 1.0:
                    self._say_what_is_done(said, bar)
        except KeyboardInterrupt:
            self.stop()
        finally:
            bar.close()
        if self._stopped and not self._ended.wait(SECONDS_TO_STOP):
            raise EngineError("stopped by the user in the middle of an evaluation")
        theory, problem = self._outcome
        if isinstance(problem, MemoryError):
            o = first_start(self._start)
            raise EngineError(f"the mean-field equations for K = {o.K}, M = {o.M}, P = {o.P} need more memory than "
                              "there is: leave them out (simulate --no-theory), or take fewer units")
        if problem is not None:
            raise problem
        return theory

    def _say_what_is_done(self, said, bar):
        """One line for each stage on stderr, with the time it will take once that can be told; a bar on a terminal."""
        report = self._noise_report
        if report is None or not report.points:
            if "theory" not in said:
                said.add("theory")
                announce(self._settings, "waiting for the theory ...")
            return
        seconds = time.perf_counter() - self._noise_began
        if seconds < 1.0 or not report.fraction:
            return
        left = seconds * (1.0 - report.fraction) / report.fraction
        if "noise" not in said:
            said.add("noise")
            announce(self._settings, f"linear noise of {report.order_parameters} order parameters at {report.points} "
                                     f"points of the path, {about(left)} more (Ctrl-C leaves it out)")
        if bar.shown:
            bar.show(f"{bar.bar(report.fraction)} {report.fraction:4.0%}  {clock(left)} left")


def run_simulation(problem, start, settings, engine, mean_field=None, keeper=None, before=None, title=None):
    """One simulation with its announcement and progress bar; ``mean_field`` begins when it is under way.

    It goes on with the run ``before``, if there is one.
    """
    from onlinemode import go_on, resume, simulate

    reports = []
    bar = ProgressBar(settings["quiet"] or settings["json"])

    def progress(state):
        if not reports:  # the arguments are right
            length = settings["alpha"] - (0.0 if before is None else end_overlaps(before)[0])
            steps = length * settings["N"] * settings["replicas"]
            announce(settings, describe(settings, start) if title is None else title)
            device = "" if settings["device"] == "cpu" else f", device {settings['device']}"
            announce(settings, f"{count(steps)} steps of {engine}{device} (the first run compiles for some seconds)")
        elif mean_field is not None:  # the kernel is compiled and running
            mean_field.begin()
        reports.append(state)
        bar(state)

    try:
        if keeper is not None and keeper.resumed is not None:
            return resume(keeper.resumed, progress, keeper.path, keeper.every)
        checkpoint = None if keeper is None else keeper.checkpoint(settings)
        if before is not None:
            return go_on(before, settings["alpha"], save_at=settings["save_at"], problem=problem, progress=progress,
                         store_weights=bool(settings["store_weights"]), store_final=settings["store_final"],
                         checkpoint=checkpoint, **chosen(settings, ("threads",)))
        return simulate(problem, start, settings["alpha"], engine, progress=progress, N=settings["N"],
                        replicas=settings["replicas"], keep=settings["keep"], seed=settings["seed"],
                        store_weights=bool(settings["store_weights"]), store_final=bool(settings["store_final"]),
                        save_at=settings["save_at"], checkpoint=checkpoint,
                        **chosen(settings, ("quantiles", *ENGINE_OPTIONS[engine])))
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
        return f" {run.meta['engine']}" if several else ""

    for run, ending in results:
        keep(run, ending)
        report.print_status(run)
    runs = [run for run, _ in results]
    theory, problem = None, None
    interrupted = any(is_interrupted(run) for run in runs)
    if interrupted and mean_field is not None:
        mean_field.stop()
    try:
        theory = mean_field.result() if mean_field is not None else None
    except EngineError as trouble:
        problem = trouble
        if command != "compare" or interrupted:
            print(f"no theory: {problem}", file=sys.stderr)
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
    return INTERRUPTED if interrupted else 0


def is_interrupted(run):
    """Whether the user stopped a replica."""
    return any(status.value == "interrupted" for status in run.status)
