"""The options that the commands share, and how their values are found.

Command line beats configuration file beats preset.  Every option is declared once, in ``OPTIONS``;
a TOML key is the option's name with underscores.
"""

import difflib
from dataclasses import fields

import click

from onlinemode import checks, presets
from onlinemode.activations import WORDS, from_plain, word_or_value
from onlinemode.cli.toml_files import read_toml
from onlinemode.engines import ENGINES, base, options_of
from onlinemode.errors import ConfigError, OnlineModeError
from onlinemode.experiment import CHOICES, OPTIONS_OF, SIMULATED
from onlinemode.losses import WORDS as LOSSES
from onlinemode.losses import loss_of
from onlinemode.schedules import Schedule, number_or_schedule
from onlinemode.task_options import HEADS, PROTOCOL, TEACHERS

PRESETS = {name: {"plot": True, **getattr(presets, name).to_dict()} for name in presets.names}
for _values in PRESETS.values():
    del _values["overlaps"]  # --start in their place
DEFAULTS = PRESETS["showcase"]


class SaveAt(click.ParamType):
    """A count, or comma-separated times."""

    name = "COUNT|TIMES"
    takes_lists = True

    def convert(self, value, parameter, context):
        if not isinstance(value, str):
            return value
        try:
            return [float(part) for part in value.split(",")] if "," in value else int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a count nor a comma-separated list of times")


class WholeNumber(click.ParamType):
    """A whole number that may be written as 1e4."""

    name = "integer"

    def convert(self, value, parameter, context):
        for read in (int, float):
            try:
                number = read(str(value))
                whole = int(number)
            except (ValueError, OverflowError):
                continue
            if whole == number:
                return super().convert(whole, parameter, context)
        self.fail(f"{value!r} is not a whole number")


class WholeNumberFrom(WholeNumber, click.IntRange):
    """A whole number with a least one, which help shows."""


class OneOf(click.Choice):
    """One of a few names, whatever its capitals, shown as they are; click's own would show them in small letters."""

    def convert(self, value, parameter, context):
        return super().convert(checks.spelled(value, self.choices), parameter, context)


class ActivationWord(click.ParamType):
    """An activation in words, or FILE.py:NAME, a function or an Activation that the file makes."""

    name = "NAME"

    def convert(self, value, parameter, context):
        from onlinemode.sweeps.files import activation_of_file, is_of_file

        try:
            found = activation_of_file(value) if is_of_file(value) else from_plain(value)  # of a checkpoint
            return word_or_value(found, parameter.name if parameter is not None else self.name)
        except OnlineModeError as problem:
            self.fail(str(problem).replace("or an Activation, such as Activation.from_function(f)", "or FILE.py:NAME"))


class NumberOrSchedule(click.ParamType):
    """A number that is not negative, a schedule in words, or FILE.py:NAME, a function of α or a Schedule."""

    name = "FLOAT|SCHEDULE"

    def __init__(self, maximum=None):
        self.maximum = maximum

    def convert(self, value, parameter, context):
        from onlinemode.sweeps.files import is_of_file, made_by_file

        name = parameter.name if parameter is not None else "a number"
        try:
            found = made_by_file(value) if is_of_file(value) else value
            number = number_or_schedule(name, found, 0.0, self.maximum)
        except OnlineModeError as problem:
            self.fail(str(problem).removeprefix(f"{name}: ").removeprefix(f"{name} "))
        return (number.word or number) if isinstance(number, Schedule) else number


class ListOf(click.ParamType):
    """Entries of one kind, with a separator between them; in a file a list, too."""

    takes_lists = True

    def __init__(self, each, separator, name):
        self.each, self.separator, self.name = each, separator, name

    def convert(self, value, parameter, context):
        if isinstance(value, str):
            value = [part.strip() for part in value.split(self.separator)]
        entries = value if isinstance(value, (list, tuple)) else [value]
        return tuple(self.each.convert(entry, parameter, context) for entry in entries)


class Heads(ListOf):
    """A word, or of each task the number of its head."""

    def __init__(self):
        super().__init__(FROM_0, ",", "LIST")

    def convert(self, value, parameter, context):
        if isinstance(value, str) and value.strip().casefold() in HEADS:
            return value.strip().casefold()
        return super().convert(value, parameter, context)


class LossWord(click.ParamType):
    """A loss in words."""

    name = "NAME"

    def convert(self, value, parameter, context):
        try:
            return loss_of(value).word
        except OnlineModeError as problem:
            self.fail(str(problem))


class Probabilities(click.ParamType):
    """Comma-separated probabilities."""

    name = "LIST"
    takes_lists = True

    def convert(self, value, parameter, context):
        if not isinstance(value, str):
            return value if isinstance(value, list) else [value]
        try:
            return [float(part) for part in value.split(",")]
        except ValueError:
            self.fail(f"{value!r} is not a comma-separated list of probabilities")


WHOLE, FROM_0, FROM_1 = WholeNumber(), WholeNumberFrom(0), WholeNumberFrom(1)
NOT_NEGATIVE, RATE = click.FloatRange(0), NumberOrSchedule()
POSITIVE, OF_EACH_TASK = click.FloatRange(0, min_open=True), ListOf(NumberOrSchedule(), ";", "LIST")


def default_of(name):
    """The default of an option in words: one for all presets, or that of each."""
    words = [f"{value:g}" if isinstance(value, (int, float)) else str(value)
             for value in (preset[name] for preset in PRESETS.values())]
    if len(set(words)) == 1:
        return words[0]
    return "; ".join(f"{preset}: {value}" for preset, value in zip(PRESETS, words))


def option(name, kind, text, default=None, metavar=None):
    """An option, whose help ends with its default: that of the presets, or the words that are given."""
    if metavar is None and isinstance(kind, click.FloatRange):
        metavar = "FLOAT"
    return click.option("--" + name.replace("_", "-"), name, type=kind, metavar=metavar,
                        help=f"{text}  [{default_of(name) if default is None else default}]")


def flag(name, text):
    return click.option("--" + name.replace("_", "-"), name, is_flag=True, default=None, help=text)


def _of_engines():
    """The options of all engines, as each declares them."""
    found = {}
    for engine in ENGINES:
        for each in fields(options_of(engine)):
            kind = each.metadata["kind"]
            if isinstance(kind, base.Choice):
                click_type = OneOf(kind.names)
            elif isinstance(kind, base.Positive):
                click_type = float
            else:
                click_type = WholeNumberFrom(kind.minimum) if isinstance(kind, base.Whole) else WHOLE
            found.setdefault(each.name, option(each.name, click_type, each.metadata["help"], each.metadata["usual"]))
    return found


OPTIONS = {
    **_of_engines(),
    "N": option("N", FROM_1, "Number of inputs."),
    "K": option("K", FROM_1, "Hidden units of the student."),
    "M": option("M", FROM_1, "Hidden units of the teacher.", "K"),
    "P": option("P", FROM_1, "Number of modes.", "K; paper: the integer part of ln N"),
    "alpha": option("alpha", POSITIVE, "Last time, in steps/N."),
    "eta": option("eta", RATE, "Learning rate of the input modes: a number, or one that changes, such as "
                  "power:3,10,-1 or steps:3,50=1 (docs/howto/schedules.md)."),
    "eta_strengths": option("eta_strengths", RATE, "Learning rate of the strengths."),
    "eta_xi_out": option("eta_xi_out", RATE, "Learning rate of the output modes."),
    "eta_readout": option("eta_readout", RATE, "Learning rate of the second layer."),
    "activation": option("activation", ActivationWord(), f"Of student and teacher: {', '.join(WORDS)}, or "
                         "FILE.py:NAME, a function of your own."),
    "teacher_activation": option("teacher_activation", ActivationWord(), "Of the teacher alone.", "--activation"),
    "noise": option("noise", RATE, "Standard deviation of the label noise."),
    "weight_decay": option("weight_decay", RATE, "Decay of the input modes."),
    "loss": option("loss", LossWord(), f"Of one sample: {', '.join(LOSSES)}."),
    "labels": option("labels", OneOf(CHOICES["labels"]), "What the teacher says, or its sign."),
    "flips": option("flips", NumberOrSchedule(0.5), "Probability that a sign is negated."),
    "constraint": option("constraint", OneOf(CHOICES["constraint"]), "sphere: input modes keep their lengths.", "none"),
    "dropout": option("dropout", NumberOrSchedule(1.0), "Probability that a sample leaves out a hidden unit."),
    "mode_dropout": option("mode_dropout", NumberOrSchedule(1.0), "Probability that a sample leaves out a mode."),
    "drift": option("drift", NOT_NEGATIVE, "Rate at which the directions of the teacher drift."),
    "drift_every": option("drift_every", FROM_1, "Steps between two moves of a teacher that drifts."),
    "heads": option("heads", Heads(), "Of several tasks: one readout for all, each its own, or of each task the number "
                    "of its head (0,0,1).", "one", metavar="[one|own|LIST]"),
    "turns": option("turns", ListOf(FROM_0, ",", "LIST"), "Tasks one after the other (0,1,0), until --switch-at "
                    "or --switch-below.", "0,1,..., and again"),
    "switch_at": option("switch_at", ListOf(POSITIVE, ",", "TIMES"), "α at which the next task begins (50,100).",
                        "no turns: all tasks mixed evenly"),
    "switch_below": option("switch_below", ListOf(POSITIVE, ",", "LIST"), "In place of --switch-at: the next task "
                           "begins when the error of this one falls below (0.01).", "as --switch-at"),
    "replay_every": option("replay_every", POSITIVE, "After --switch-at: the period, in α, in which the first of two "
                           "tasks comes back ...", "no replay"),
    "replay_for": option("replay_for", POSITIVE, "... for so long, at its end.", "no replay"),
    "shares": option("shares", OF_EACH_TASK, 'In place of turns: how often a sample is of each task, numbers or '
                     'schedules ("1;linear:0=0,100=1").', "as --switch-at"),
    "task_noise": option("task_noise", OF_EACH_TASK, 'Standard deviation of the label noise of each task ("0.1;0.3").',
                         "--noise"),
    "batch": option("batch", FROM_1, "Samples a step."),
    "inputs": option("inputs", str, "gaussian, rademacher, uniform, power-law:EXPONENT, blocks:SHARExEIGENVALUE,..., "
                     "spiked:VARIANCE,..., covariance:FILE.npy, manifold:D=LATENT,erf (or sign; with ,latent the "
                     "teacher sees the latent variables), FILE.npy (its rows, standardised) or FILE.npy:raw (as they "
                     "are); with ,teacher=FILE.npy the teacher sees the rows of another file."),
    "start": option("start", click.Path(), "What to begin from in place of --init: OVERLAPS.toml "
                    "(docs/howto/going-on.md), or RUN.npz, to go on with that run.", "--init"),
    "init": option("init", OneOf(CHOICES["init"]), "Initial condition.", "the preset's"),
    "readout": option("readout", OneOf(CHOICES["readout"]), "Second layers: mean (1/K), sum (1) or sqrt (1/√K)."),
    "student_size": option("student_size", NOT_NEGATIVE, "Size of the student's initial modes.",
                           "showcase: 0.3; committee, graded, tasks: 0.1"),
    "tasks": option("tasks", WholeNumberFrom(2), "Of --init tasks: how many (docs/howto/tasks.md).",
                    "2, or as many as --turns or --shares have"),
    "task_units": option("task_units", FROM_1, "Hidden units of the teacher in each task.", "1"),
    "overlap": option("overlap", click.FloatRange(-1, 1), "Of any two tasks: a cosine, of units a share.", "0.5",
                      metavar="FLOAT"),
    "overlap_of": option("overlap_of", OneOf(CHOICES["overlap_of"]), "What overlaps: features of units, readouts of "
                         "the same units, or units that tasks share.", "features"),
    "head_size": option("head_size", NOT_NEGATIVE, "Standard deviation of the student's initial readouts.",
                        "--readout"),
    "preset": option("preset", OneOf(presets.names), "A set of defaults.", "showcase"),
    "engine": option("engine", OneOf(CHOICES["engine"]), "micro (N-vectors), chain (exact overlaps, any N) or "
                     "leap (large N, at a cost that does not grow with it).",
                     metavar="[micro|chain|leap]"),
    "replicas": option("replicas", FROM_1, "Runs with different samples, from one start."),
    "fresh_students": flag("fresh_students", "Draw another student for every replica, from the same teacher."),
    "keep": option("keep", OneOf(CHOICES["keep"]), "all: every replica; summary: five of them, and means and "
                   "quantiles."),
    "quantiles": option("quantiles", Probabilities(), "Of the statistics over replicas.", "0.025,0.25,0.5,0.75,0.975"),
    "seed": option("seed", FROM_0, "Of the initial weights and of the samples."),
    "save_at": option("save_at", SaveAt(), "How many times to save (log-spaced; fewer where two fall on one step), or "
                      "which."),
    "store_weights": flag("store_weights", "Keep the initial weights in the result file."),
    "store_final": flag("store_final", "Keep the vectors at the end, so that the run can go on (--start RUN.npz)."),
    "out": option("out", click.Path(), "Result file (.npz).", "a new name in this folder"),
    "overwrite": flag("overwrite", "Replace files of this name.  [refuse, or take a new name]"),
    "csv": flag("csv", "Write the curves as .csv, too."),
    "plot": click.option("--plot/--no-plot", "plot", default=None, help="Write a picture (.png).  [plot]"),
    "json": flag("json", "Print the summary as JSON, for scripts."),
    "quiet": click.option("--quiet", "-q", is_flag=True, default=None, help="No progress bar, no table."),
}
PROBLEM = ("activation", "teacher_activation", "eta", "eta_strengths", "eta_xi_out", "eta_readout", "noise",
           "weight_decay", "loss", "labels", "flips", "constraint", "dropout", "mode_dropout", "drift",
           "drift_every", *PROTOCOL, "batch", "inputs")
START = ("start", "init", "N", "K", "M", "P", "readout", "student_size", *TEACHERS, "seed")
OUTPUT = ("save_at", "store_weights", "store_final", "out", "overwrite", "csv", "plot", "json", "quiet")
SIMULATION = ("replicas", "fresh_students", "keep", "quantiles",
              *dict.fromkeys(name for engine in SIMULATED for name in OPTIONS_OF[engine]))
ODE = OPTIONS_OF["ode"]

OVERLAPS_ALONE = option("start", click.Path(), "What to begin from in place of --init: OVERLAPS.toml "
                        "(docs/howto/going-on.md).", "--init")  # where there is no going on with a run


def shared_options(*names, replaced=None):
    """Decorator: the named options, ``--preset`` and ``--config``; ``replaced`` has some of them with other help."""
    options = OPTIONS | (replaced or {})
    config = click.option("--config", type=click.Path(), help="TOML file of options (names with underscores).")

    def decorate(function):
        for decorator in reversed([options[name] for name in dict.fromkeys(("preset", *names))] + [config]):
            function = decorator(function)
        return function

    return decorate


def resolve(given):
    """All settings of a command: defaults, then the preset's, the file's and the command line's.

    Parameters
    ----------
    given : dict
        Option values as click hands them over; None means not given.

    Returns
    -------
    dict
        Every option of the command except ``config`` and ``preset``; None where nothing is set.

    Raises
    ------
    FileError, ConfigError, click.UsageError
    """
    known = [name for name in given if name != "config"]
    values = typed_values(given)
    settings = {**PRESETS[values.get("preset", "showcase")], **values}
    return {name: settings.get(name) for name in known if name != "preset"}


def typed_values(given, options=OPTIONS):
    """The options that the user gave, in the file or on the command line, which beats the file."""
    file = options_of_toml(given["config"], read_toml(given["config"]), options) if given.get("config") else {}
    return {**file, **{name: value for name, value in given.items() if value is not None and name != "config"}}


def with_file(given):
    """What the user gave with the options of the file ``--config`` in it, so that a file is read once."""
    return {**given, **typed_values(given), "config": None}


def options_of_toml(path, values, options, others=()):
    """All settings of a file; a key that is an option of another command is allowed, and not used.

    ``others`` are keys that the file could have as well.

    Raises
    ------
    ConfigError
    """
    known = [*options, *others]
    for name, value in values.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"known keys: {', '.join(known)}"
            raise ConfigError(f"{path}: unknown key {name!r:.80}; {hint}")
        values[name] = converted(path, name, value, options)
    return values


def converted(path, name, value, options):
    """The value of an option that a file holds, through the same conversion that the command line applies.

    Raises
    ------
    ConfigError
    """
    parameter = _parameter(options[name])
    flag = isinstance(value, bool)
    if flag != bool(parameter.is_flag):
        raise ConfigError(f"{path}: {name} must be {'true or false' if parameter.is_flag else 'a value, not a flag'}; "
                          f"got {value!r:.80}")
    if flag:
        return value
    if isinstance(value, str) and "\0" in value:
        raise ConfigError(f"{path}: no value can hold a NUL byte; {name} is {value!r:.80}")
    if isinstance(value, list) and getattr(parameter.type, "takes_lists", False):
        return parameter.type.convert(value, parameter, None) if isinstance(parameter.type, ListOf) else value
    if isinstance(parameter.type, click.Path) and not isinstance(value, str):
        raise ConfigError(f"{path}: {name} must be the name of a file, in quotes; got {value!r:.80}")
    try:
        return parameter.type.convert(value, parameter, None)
    except click.BadParameter as problem:
        words = problem.message
        words = words if len(words) <= 300 else f"{words[:80]}...{words[-80:]}"
        raise ConfigError(f"{path}: {name}: {words}") from None
    except (OverflowError, TypeError, ValueError):  # also whole numbers beyond all floats
        raise ConfigError(f"{path}: {name} cannot be {value!r:.80}") from None


def _parameter(decorator):
    """The click parameter of an option."""
    def function():
        pass

    decorator(function)
    return function.__click_params__[0]
