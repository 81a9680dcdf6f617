"""``--start``: overlaps from a TOML file, or the end of a saved run."""

import shlex
from dataclasses import replace
from pathlib import Path

import click

from onlinemode.cli.checkpoints import FREE, with_repeated
from onlinemode.cli.options import DEFAULTS, ODE, OPTIONS, resolve, typed_values, with_file
from onlinemode.cli.overlaps import read_overlaps
from onlinemode.cli.running import experiment_with_overlaps
from onlinemode.errors import OnlineModeError
from onlinemode.experiment import DRAWN, describe, first_of
from onlinemode.task_options import ORDERS, PROTOCOL, options_of, tasks_of

CHANGEABLE = ("start", "alpha", "activation", "teacher_activation", "eta", "eta_strengths", "eta_xi_out", "eta_readout",
              "noise", "weight_decay", "loss", "labels", "flips", "constraint", "dropout", "mode_dropout", "drift",
              "drift_every", *PROTOCOL, *ODE, *FREE)


def settings_and_run(given):
    """The settings of a command that starts anew or goes on, and the saved run that it goes on with, or None."""
    given = with_file(given)
    before = run_to_go_on(given)
    return (with_overlaps(resolve(given), given) if before is None else settings_of(before, given)), before


def beginning(settings, before=None, checkpoint=None, vectors=False):
    """Problem and start of a command, and the line that describes them.

    Parameters
    ----------
    settings : dict
    before : Trajectory, optional
        The run that goes on.
    checkpoint : path, optional
        Of the run that is resumed.
    vectors : bool, default False
        Whether the engine needs them.

    Returns
    -------
    problem : Problem
    start : Weights, OrderParameters, callable, or GoingOn where a run goes on
    str
    """
    from onlinemode.continuing import end_of
    from onlinemode.runtime.starts import GoingOn
    from onlinemode.simulation import start_in_checkpoint

    if before is not None:
        states, problem = end_of(before, "ode"), changed_problem(before, settings)
        if problem.inputs.independent:  # else the equations need the vectors, to resolve their overlaps
            states = states.overlaps_alone()
        start = GoingOn(states, before.initial, before.N)
    elif checkpoint is not None and settings["start"] is not None:
        problem, start = start_in_checkpoint(checkpoint)  # the file may be another one by now
    else:
        experiment = experiment_with_overlaps(settings | {"engine": "micro" if vectors else "chain"})
        problem, start = experiment.problem(), experiment.start()
    if not isinstance(start, GoingOn):
        return problem, start, describe(settings, first_of(start))
    return problem, start, describe(settings | {"init": f"{settings['init']} from α = {start.first.alpha:.6g}"},
                                    start.initial)


def run_to_go_on(given):
    """The saved run that ``--start``, of :func:`with_file`, names, told by its suffix; None where it names none."""
    from onlinemode import load

    path = given.get("start")
    return load(path) if is_run(path) else None


def is_run(path):
    """Whether what ``--start`` names is a saved run."""
    return path is not None and Path(path).suffix.lower() == ".npz"


def with_overlaps(settings, given):
    """The settings with the sizes of the overlaps in their file ``start``, if there is one.

    Parameters
    ----------
    settings, given : dict
        Resolved, and as the user gave them.

    Raises
    ------
    click.UsageError
        If it is a saved run, or an option says what the file says.
    FileError, ConfigError, OverlapError, ShapeError
        If the file is none of overlaps.
    """
    path = settings["start"]
    if path is None:
        return settings
    if is_run(path):
        raise click.UsageError(f"--start takes a file of overlaps here, OVERLAPS.toml; got {path}: simulate and ode go "
                               "on with a saved run")
    for name in DRAWN:
        if given.get(name) is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} does not go with --start: the student and its teacher "
                                   f"are those of {path}; leave it out")
    overlaps = read_overlaps(path)
    return settings | {"init": Path(path).stem, "K": overlaps.K, "M": overlaps.M, "P": overlaps.P,
                       "readout": DEFAULTS["readout"], "student_size": None}


def settings_of(run, given):
    """The settings with which a saved run goes on: its own, and those that are given and may change.

    Raises
    ------
    click.UsageError
        If one is given that cannot change.
    """
    from onlinemode.inputs import Gaussian, parse

    problem, call, rates = run.problem, run.info.call, run.problem.rates
    began = run.info.start["origin"] if run.info.start["kind"] == "states" else run.info.start
    began = began or {"kind": "overlaps"}
    recipe = (began.get("origins") or [began.get("origin")])[0] or {"name": began["kind"], "arguments": {}}
    arguments = recipe["arguments"]
    typed = typed_values(given)
    if typed.get("preset") is not None:
        raise click.UsageError(f"--preset does not go with --start: the settings are those of the run in "
                               f"{typed['start']}; leave it out")
    inputs = DEFAULTS["inputs"] if problem.inputs == Gaussian() else repr(problem.inputs)
    if typed.get("inputs") is not None and parse(typed["inputs"]) == problem.inputs:
        inputs = typed["inputs"]
    settings = dict.fromkeys(OPTIONS) | DEFAULTS | {
        "init": recipe["name"], "N": run.N, "K": run.initial.K, "M": run.initial.M, "P": run.initial.P,
        "readout": arguments.get("readout", DEFAULTS["readout"]), "student_size": arguments.get("student_size"),
        "fresh_students": True if "origins" in began else None, "seed": run.info.seed, "alpha": call["alpha"],
        "activation": problem.activation,
        "teacher_activation": problem.teacher_activation, "noise": problem.noise, "weight_decay": problem.weight_decay,
        "loss": problem.loss, "labels": problem.labels, "flips": problem.flips, "constraint": problem.constraint,
        "dropout": problem.dropout, "mode_dropout": problem.mode_dropout, "drift": problem.drift,
        "drift_every": problem.drift_every,
        "batch": problem.batch, "inputs": inputs, "eta": rates.xi_in, "eta_strengths": rates.strengths,
        "eta_xi_out": rates.xi_out, "eta_readout": rates.readout, "engine": run.info.engine,
        "replicas": run.replicas, "keep": call["keep"], "quantiles": call.get("quantiles"),
        "precision": call.get("precision", DEFAULTS["precision"]), "device": run.info.device,
        "test_samples": call.get("test_samples"), "resolve": call.get("resolve"), "threads": call.get("threads")}
    settings |= options_of(problem.tasks, arguments)
    if any(typed.get(name) is not None for name in ("shares", *ORDERS)):
        settings |= dict.fromkeys(("shares", *ORDERS))  # those of the run until now
    return with_repeated(settings, given, typed["start"], CHANGEABLE)


def changed_problem(run, settings):
    """The problem of a run with the rates, noise, weight decay, activation and tasks of the settings."""
    from onlinemode import LearningRates

    rates = LearningRates(xi_in=settings["eta"], strengths=settings["eta_strengths"], xi_out=settings["eta_xi_out"],
                          readout=settings["eta_readout"])
    tasks = tasks_of(settings, run.initial)
    if tasks is not None:
        waits = {} if tasks.order is None else {"check_every": run.problem.tasks.check_every}
        tasks = replace(tasks, flips=run.problem.tasks.flips, **waits)
    return replace(run.problem, tasks=tasks, activation=settings["activation"],
                   teacher_activation=settings["teacher_activation"], noise=settings["noise"],
                   weight_decay=settings["weight_decay"], rates=rates, loss=settings["loss"],
                   labels=settings["labels"], flips=settings["flips"], constraint=settings["constraint"],
                   dropout=settings["dropout"], mode_dropout=settings["mode_dropout"], drift=settings["drift"],
                   drift_every=settings["drift_every"])


def how_to_go_on(run, path):
    """The line that says so, where a run can go on; else None."""
    from onlinemode.continuing import end_of

    try:
        end_of(run)
    except OnlineModeError:
        return None
    return f"go on with: onlinemode simulate --start {shlex.quote(str(path))} --alpha ..."
