"""From settings to a run: its experiment, its bar, and what is said about it."""

import sys
import time

from onlinemode.cli.options import DEFAULTS
from onlinemode.experiment import DRAWN, Experiment, describe
from onlinemode.progress import Bar, about
from onlinemode.task_options import options_of

START_SECONDS = 1.0  # of a run that are not typical: code is compiled, and states are saved at every step
MEASURED_SECONDS = 1.0  # after them, from which the time of the rest is told
WORTH_SAYING = 5.0  # seconds left, below which it is not


def experiment_of(settings, overlaps=None):
    """The Experiment of these settings; with ``--start`` nothing is drawn, and ``overlaps`` are what it begins from."""
    left_out = DRAWN if settings.get("start") is not None else ()
    values = {name: settings[name] for name in DEFAULTS.keys() & settings.keys()
              if name != "plot" and name not in left_out and settings[name] is not None}
    return Experiment(overlaps=overlaps, **values)


def experiment_with_overlaps(settings):
    """:func:`experiment_of` with the overlaps of ``--start``, read from their file."""
    from onlinemode.cli.overlaps import read_overlaps

    return experiment_of(settings, None if settings.get("start") is None else read_overlaps(settings["start"]))


def chosen(settings, names):
    """The named settings that have a value, as keyword arguments."""
    return {name: settings[name] for name in names if settings.get(name) is not None}


def terminal_bar(quiet, title=""):
    """A Bar that is wiped away at the end; None unless stderr is a terminal."""
    return Bar(title, leave=False) if not quiet and sys.stderr.isatty() else None


class ProgressBar:
    """A bar on a terminal; elsewhere one line says how long the rest takes, once that can be told."""

    def __init__(self, quiet):
        self._bar = terminal_bar(quiet)
        self._to_say = not quiet and self._bar is None
        self._first, self._began = None, None

    def __call__(self, progress):
        if self._bar is not None:
            self._bar(progress)
        elif self._to_say:
            self._say(progress)

    def _say(self, progress):
        now = time.perf_counter()
        if self._first is None:
            self._first = now
        if self._began is None or self._began[0] < self._first + START_SECONDS:
            self._began = now, progress.fraction
        seconds, share = now - self._began[0], progress.fraction - self._began[1]
        if seconds > MEASURED_SECONDS and share > 0.0:
            self._to_say = False
            left = seconds * (1.0 - progress.fraction) / share
            if left > WORTH_SAYING:
                print(f"{about(left)} left", file=sys.stderr, flush=True)

    def close(self):
        """Wipe the bar away."""
        if self._bar is not None:
            self._bar.close()


class Waiting:
    """Says what theory takes its time: a line for each stage, and a bar on a terminal."""

    def __init__(self, settings):
        self._settings, self._said, self._bar = settings, set(), None

    def result(self, theory):
        """The trajectory of an ``onlinemode.beside.Theory``."""
        try:
            return theory.result(self._say)
        finally:
            if self._bar is not None:
                self._bar.close()

    def _say(self, report, seconds):
        if report is None:
            self._once("theory", "waiting for the theory ...")
            return
        if seconds < 1.0 or not report.fraction:
            return
        left = seconds * (1.0 - report.fraction) / report.fraction
        if self._once("noise", f"linear noise of {report.order_parameters} order parameters at {report.points} points "
                      f"of the path, {about(left)} more (Ctrl-C leaves it out)"):
            self._bar = terminal_bar(self._settings["quiet"] or self._settings["json"])
        if self._bar is not None:
            self._bar.show(report.fraction)

    def _once(self, what, text):
        new = what not in self._said
        if new:
            self._said.add(what)
            announce(self._settings, text)
        return new


def announce(settings, text):
    """Say on stderr what will be done."""
    if not settings["quiet"] and not settings["json"]:
        print(text, file=sys.stderr, flush=True)


def describe_run(run):
    """The line of :func:`onlinemode.experiment.describe` for a saved run, from what its file holds."""
    from onlinemode.inputs import Gaussian

    problem, o = run.problem, run.initial
    settings = {"init": "", "N": run.N, "activation": problem.activation,
                "teacher_activation": problem.teacher_activation, "eta": problem.rates.xi_in,
                "eta_strengths": problem.rates.strengths, "eta_xi_out": problem.rates.xi_out,
                "eta_readout": problem.rates.readout, "noise": problem.noise, "weight_decay": problem.weight_decay,
                "loss": problem.loss, "labels": problem.labels, "flips": problem.flips,
                "constraint": problem.constraint, "dropout": problem.dropout, "mode_dropout": problem.mode_dropout,
                "drift": problem.drift, "drift_every": problem.drift_every, "batch": problem.batch,
                "seed": run.info.seed, "fresh_students": not run.began_together, **options_of(problem.tasks, {})}
    settings["inputs"] = DEFAULTS["inputs"] if problem.inputs == Gaussian() else repr(problem.inputs)
    return describe(settings, o, without=("init",))


def count(number):
    """A number of steps for reading."""
    return f"{number:,.0f}" if number < 1e15 else f"{number:.3g}"
