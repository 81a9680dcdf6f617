"""From settings to a run: problem, start, progress bar."""

import sys
import time

import click

from onlinemode.cli.options import COMMON

START_SECONDS = 1.0  # of a run that are not typical: code is compiled, and states are saved at every step
MEASURED_SECONDS = 1.0  # after them, from which the time of the rest is told
WORTH_SAYING = 5.0  # seconds left, below which it is not
VECTORS_UP_TO = 10**8  # entries of all weight vectors; beyond, ode and chain draw the overlaps alone


def make_problem(settings):
    """The Problem of these settings."""
    from onlinemode import LearningRates, Problem
    from onlinemode.inputs import parse

    rates = LearningRates(xi_in=settings["eta"], strengths=settings["eta_strengths"],
                          xi_out=settings["eta_xi_out"], readout=settings["eta_readout"])
    return Problem(activation=settings["activation"], noise=settings["noise"], weight_decay=settings["weight_decay"],
                   batch=settings["batch"], rates=rates, inputs=parse(settings["inputs"]))


def make_start(settings, vectors=True, small=False):
    """Weights (or, for a large N with ``vectors=False``, OrderParameters) of these settings.

    With ``--fresh-students`` a function that draws them for one replica.  ``small``: OrderParameters at any N.
    """
    from onlinemode import checks, initial
    from onlinemode.cli.overlaps import read_overlaps

    if settings.get("start") is not None:
        return read_overlaps(settings["start"])
    name = settings["init"]
    makers = {"showcase": initial.showcase, "paper": initial.paper, "committee": initial.committee,
              "graded": initial.graded}
    checks.choice("init", name, makers)
    arguments = {"N": settings["N"], "K": settings["K"], "M": settings["M"], "seed": settings["seed"],
                 "readout": settings["readout"]}
    if name in ("showcase", "paper"):
        arguments["P"] = settings["P"]
    elif settings["P"] is not None and settings["P"] != settings["K"]:
        raise click.UsageError(f"the {name} start trains W itself, so P is K = {settings['K']}; "
                               f"got {settings['P']}: leave --P out")
    if settings["student_size"] is not None:
        if name == "paper":
            raise click.UsageError("the paper start fixes the size of the student; leave --student-size out")
        arguments["student_size"] = settings["student_size"]
    N, K = (checks.integer(key, settings[key], 1) for key in ("N", "K"))
    arguments["weights"] = not small and (vectors or N * 4 * K <= VECTORS_UP_TO)
    if settings.get("fresh_students"):
        return lambda replica: makers[name](**arguments, student_seed=replica)
    return makers[name](**arguments)


def goes_on(start):
    """Whether a start is where the replicas of an earlier run stand."""
    from onlinemode.runtime.starts import GoingOn

    return isinstance(start, GoingOn)


def first_start(start):
    """The start of replica 0, whose sizes are those of all."""
    if goes_on(start):
        return start.first
    return start(0) if callable(start) else start


def chosen(settings, names):
    """The named settings that have a value, as keyword arguments."""
    return {name: settings[name] for name in names if settings.get(name) is not None}


class StatusLine:
    """One line on stderr that is written over again and again.  Silent unless stderr is a terminal."""

    WIDTH = 24

    def __init__(self, quiet):
        self.shown = not quiet and sys.stderr.isatty()
        self.length = 0

    def bar(self, fraction):
        """A bar of which this share is done."""
        filled = int(self.WIDTH * fraction)
        return f"[{'#' * filled}{'.' * (self.WIDTH - filled)}]"

    def show(self, line):
        """Put this line in place of the one before."""
        sys.stderr.write("\r" + line.ljust(self.length))
        sys.stderr.flush()
        self.length = len(line)

    def close(self):
        """Wipe the line away."""
        if self.shown and self.length:
            sys.stderr.write("\r" + " " * self.length + "\r")
            sys.stderr.flush()


class ProgressBar(StatusLine):
    """Share, α, ε_g, steps/s, time left."""

    def __init__(self, quiet):
        super().__init__(quiet)
        self.began = None
        self.first = None
        self.to_say = not quiet and not self.shown  # where there is no bar, one line says how long the rest takes

    def __call__(self, progress):
        now = time.perf_counter()
        if self.first is None:
            self.first = now
        if self.began is None or self.began[0] < self.first + START_SECONDS:
            self.began = now, progress.fraction, progress.steps
        seconds, share = now - self.began[0], progress.fraction - self.began[1]
        if self.to_say and seconds > MEASURED_SECONDS and share > 0.0:
            self.to_say = False
            left = seconds * (1.0 - progress.fraction) / share
            if left > WORTH_SAYING:
                print(f"{about(left)} left", file=sys.stderr, flush=True)
        if not self.shown:
            return
        began, fraction, steps = self.began
        seconds = now - began
        line = f"{self.bar(progress.fraction)} {progress.fraction:4.0%}  α = {progress.alpha:.4g}"
        if progress.error == progress.error:
            line += f"  ε_g = {progress.error:.3e}"
        if seconds > 0.5 and progress.fraction > fraction:
            if progress.steps:
                line += f"  {(progress.steps - steps) / seconds:,.0f} steps/s"
            line += f"  {clock(seconds * (1.0 - progress.fraction) / (progress.fraction - fraction))} left"
        self.show(line)


def clock(seconds):
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    if seconds < 360_000:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.3g} days"


def about(seconds):
    """A duration in words, for an estimate."""
    return "about a second" if seconds < 2 else f"about {clock(seconds)}"


def announce(settings, text):
    """Say on stderr what will be done."""
    if not settings["quiet"] and not settings["json"]:
        print(text, file=sys.stderr, flush=True)


def describe(settings, start, without=()):
    """One line: start, sizes, activation, rates, seed, but for the options ``without``."""
    start = first_start(start)
    words = {"init": settings["init"] + ":", "N": "no N" if settings["N"] is None else f"N = {settings['N']:,}",
             **{name: f"{name} = {getattr(start, name)}" for name in "KMP"}, "activation": settings["activation"]}
    for symbol, name in (("η", "eta"), ("η_s", "eta_strengths"), ("η_A", "eta_xi_out"), ("η_v", "eta_readout"),
                         ("σ", "noise"), ("κ", "weight_decay")):
        if settings[name] or name == "eta":
            words[name] = f"{symbol} = {settings[name]:g}"
    if settings["batch"] > 1:
        words["batch"] = f"batch {settings['batch']}"
    if settings["inputs"] != COMMON["inputs"]:
        words["inputs"] = f"inputs {settings['inputs']}"
    if settings["readout"] != COMMON["readout"]:
        words["readout"] = f"readout {settings['readout']}"
    if settings.get("fresh_students"):
        words["fresh_students"] = "fresh students"
    words["seed"] = f"seed {settings['seed']}"
    shown = [text for name, text in words.items() if name not in without]
    return ", ".join(shown).replace(":,", ":", 1)


def describe_run(run):
    """The same line of a saved run, from what its file holds."""
    from onlinemode.inputs import Gaussian

    problem, o = run.problem, run.initial
    settings = {"init": "", "N": run.N, "activation": problem.activation, "eta": problem.rates.xi_in,
                "eta_strengths": problem.rates.strengths, "eta_xi_out": problem.rates.xi_out,
                "eta_readout": problem.rates.readout, "noise": problem.noise, "weight_decay": problem.weight_decay,
                "batch": problem.batch, "seed": run.meta["seed"], "fresh_students": not run.began_together}
    settings["inputs"] = COMMON["inputs"] if problem.inputs == Gaussian() else repr(problem.inputs)
    scales = {"mean": 1.0 / o.M, "sum": 1.0, "sqrt": o.M**-0.5}
    settings["readout"] = next((name for name, scale in scales.items()
                                if (abs(o.teacher_readout - scale) < 1e-12).all()), "own")
    return describe(settings, o, without=("init",))


def count(number):
    """A number of steps for reading."""
    return f"{number:,.0f}" if number < 1e15 else f"{number:.3g}"
