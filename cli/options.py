"""The options that the commands share, and how their values are found.

Command line beats configuration file beats preset.  Every option is declared once, in ``OPTIONS``;
a TOML key is the option's name with underscores.
"""

import codecs
import difflib
import tomllib

import click

from onlinemode.errors import ConfigError, FileError

PRESETS = {
    "showcase": {"init": "showcase", "N": 10_000, "K": 3, "alpha": 80.0, "eta": 3.0},
    "paper": {"init": "paper", "N": 30, "K": 8, "alpha": 10_000.0, "eta": 5.0},
}
COMMON = {"activation": "erf", "noise": 0.0, "weight_decay": 0.0, "batch": 1, "eta_strengths": 0.0, "eta_xi_out": 0.0,
          "eta_readout": 0.0, "readout": "mean", "inputs": "gaussian", "seed": 0, "save_at": 200, "replicas": 1,
          "keep": "all", "precision": "float64", "device": "cpu", "engine": "micro", "plot": True}


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
    """An int that may be written as 1e4."""

    name = "INTEGER"

    def convert(self, value, parameter, context):
        try:
            return int(value)
        except (TypeError, ValueError):
            pass
        try:
            if float(value).is_integer():
                return int(float(value))
        except (TypeError, ValueError, OverflowError):
            pass
        self.fail(f"{value!r} is not a whole number")


class Name(click.ParamType):
    """One of a few names, whatever its capitals; others are left to who knows what each name means."""

    name = "NAME"

    def __init__(self, *names):
        self.names = names

    def convert(self, value, parameter, context):
        if not isinstance(value, str):
            self.fail(f"{value!r} is not a name")
        from onlinemode.checks import spelled

        return spelled(value, self.names)


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


WHOLE = WholeNumber()

OPTIONS = {
    "N": click.option("--N", "N", type=WHOLE, help="Number of inputs.  [showcase: 10000; paper: 30]"),
    "K": click.option("--K", "K", type=WHOLE, help="Hidden units of the student.  [showcase: 3; paper: 8]"),
    "M": click.option("--M", "M", type=WHOLE, help="Hidden units of the teacher.  [K]"),
    "P": click.option("--P", "P", type=WHOLE, help="Number of modes.  [showcase: K; paper: the integer part of ln N]"),
    "alpha": click.option("--alpha", type=float, help="Last time, in steps/N.  [showcase: 80; paper: 10000]"),
    "eta": click.option("--eta", type=float, help="Learning rate of the input modes.  [showcase: 3; paper: 5]"),
    "eta_strengths": click.option("--eta-strengths", type=float, help="Learning rate of the strengths.  [0]"),
    "eta_xi_out": click.option("--eta-xi-out", type=float, help="Learning rate of the output modes.  [0]"),
    "eta_readout": click.option("--eta-readout", type=float, help="Learning rate of the second layer.  [0]"),
    "activation": click.option("--activation", type=Name("erf", "linear", "relu", "tanh"),
                               help="erf, linear, relu or tanh.  [erf]"),
    "noise": click.option("--noise", type=float, help="Standard deviation of the label noise.  [0]"),
    "weight_decay": click.option("--weight-decay", type=float, help="Decay of the input modes.  [0]"),
    "batch": click.option("--batch", type=WHOLE, help="Samples a step.  [1]"),
    "inputs": click.option("--inputs", help="gaussian, rademacher, uniform, power-law:EXPONENT, manifold:D=LATENT,erf "
                           "(or sign), FILE.npy (its rows, standardised) or FILE.npy:raw (as they are).  [gaussian]"),
    "test_samples": click.option("--test-samples", type=WHOLE, help="Fresh samples that measure the error.  "
                                 "[10000 where the overlaps do not tell it]"),
    "start": click.option("--start", type=click.Path(), help="What to begin from in place of --init: OVERLAPS.toml "
                          "(docs/going-on.md), or RUN.npz, to go on with that run.  [--init]"),
    "init": click.option("--init", type=Name("showcase", "paper", "committee", "graded"),
                         help="Initial condition: showcase, paper, committee or graded.  [the preset's]"),
    "readout": click.option("--readout", type=Name("mean", "sum", "sqrt"),
                            help="Second layers: mean (1/K), sum (1) or sqrt (1/√K).  [mean]"),
    "student_size": click.option("--student-size", type=float,
                                 help="Size of the student's initial modes.  [showcase: 0.3; committee, graded: 0.1]"),
    "preset": click.option("--preset", type=Name(*PRESETS),
                           help="A set of defaults: showcase or paper.  [showcase]"),
    "engine": click.option("--engine", type=Name("micro", "chain", "ode"),
                           help="micro (N-vectors) or chain (exact overlaps, any N).  [micro]"),
    "device": click.option("--device", type=Name("cpu", "cuda", "auto"),
                           help="Where it runs: cpu, cuda (an NVIDIA device), or auto (cuda where there "
                           "is one and the run is large).  [cpu]"),
    "precision": click.option("--precision", type=Name("float64", "float32"),
                              help="Of the weights: float64 or float32.  [float64]"),
    "replicas": click.option("--replicas", type=WHOLE, help="Runs with different samples, from one start.  [1]"),
    "fresh_students": click.option("--fresh-students", is_flag=True, default=None,
                                   help="Draw another student for every replica, from the same teacher."),
    "keep": click.option("--keep", type=Name("all", "summary"),
                         help="all: every replica; summary: five of them, and means and quantiles.  [all]"),
    "quantiles": click.option("--quantiles", type=Probabilities(),
                              help="Of the statistics over replicas.  [0.025,0.25,0.5,0.75,0.975]"),
    "threads": click.option("--threads", type=WHOLE,
                            help="Over replicas, then inside trajectories of large N.  [all cores]"),
    "method": click.option("--method", type=Name("LSODA", "DOP853", "RK45", "Radau", "BDF"),
                           help="ODE solver: LSODA, DOP853, RK45, Radau or BDF.  [LSODA]"),
    "rtol": click.option("--rtol", type=float, help="Relative tolerance of the ODE.  [1e-9; relu 1e-5]"),
    "atol": click.option("--atol", type=float, help="Absolute tolerance of the ODE.  [1e-12; relu 1e-7]"),
    "nodes": click.option("--nodes", type=WHOLE, help="Quadrature nodes for tanh and relu.  [16384]"),
    "seed": click.option("--seed", type=WHOLE, help="Of the initial weights and of the samples.  [0]"),
    "save_at": click.option("--save-at", type=SaveAt(), help="How many times to save (log-spaced; fewer where "
                            "two fall on one step), or which.  [200]"),
    "store_weights": click.option("--store-weights", is_flag=True, default=None,
                                  help="Keep the initial weights in the result file."),
    "store_final": click.option("--store-final", is_flag=True, default=None,
                                help="Keep the vectors at the end, so that the run can go on (--start RUN.npz)."),
    "out": click.option("--out", type=click.Path(), help="Result file (.npz).  [a new name in this folder]"),
    "overwrite": click.option("--overwrite", is_flag=True, default=None,
                              help="Replace files of this name.  [refuse, or take a new name]"),
    "csv": click.option("--csv", is_flag=True, default=None, help="Write the curves as .csv, too."),
    "plot": click.option("--plot/--no-plot", "plot", default=None, help="Write a picture (.png).  [plot]"),
    "json": click.option("--json", is_flag=True, default=None, help="Print the summary as JSON, for scripts."),
    "quiet": click.option("--quiet", "-q", is_flag=True, default=None, help="No progress bar, no table."),
}
PROBLEM = ("activation", "eta", "eta_strengths", "eta_xi_out", "eta_readout", "noise", "weight_decay", "batch",
           "inputs")
START = ("start", "init", "N", "K", "M", "P", "readout", "student_size", "seed")
OUTPUT = ("save_at", "store_weights", "store_final", "out", "overwrite", "csv", "plot", "json", "quiet")
SIMULATION = ("replicas", "fresh_students", "keep", "quantiles", "precision", "device", "threads", "test_samples")
ODE = ("method", "rtol", "atol", "nodes")


OVERLAPS_ALONE = click.option("--start", type=click.Path(), help="What to begin from in place of --init: OVERLAPS.toml "
                              "(docs/going-on.md).  [--init]")  # where there is no going on with a run


def shared_options(*names, replaced=None):
    """Decorator: the named options, ``--preset`` and ``--config``; ``replaced`` has some of them with other help."""
    options = OPTIONS | (replaced or {})
    config = click.option("--config", type=click.Path(), help="TOML file of options (names with underscores).")

    def decorate(function):
        for decorator in reversed([options[name] for name in ("preset", *names)] + [config]):
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
    preset = values.get("preset", "showcase")
    if preset not in PRESETS:
        raise click.UsageError(f"--preset must be one of {', '.join(PRESETS)}; got {preset!r}")
    settings = {**COMMON, **PRESETS[preset], **values}
    return {name: settings.get(name) for name in known if name != "preset"}


def typed_values(given, options=OPTIONS):
    """The options that the user gave, in the file or on the command line, which beats the file."""
    file = _read_config(given["config"], options) if given.get("config") else {}
    return {**file, **{name: value for name, value in given.items() if value is not None and name != "config"}}


def read_toml(path):
    """What a TOML file holds, with or without the mark of UTF-8 that some editors put before it.

    Raises
    ------
    FileError, ConfigError
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as problem:
        raise FileError(f"cannot read {path}: {problem.strerror}") from None
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as problem:
        line = content[:problem.start].count(b"\n") + 1
        kind = "UTF-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "another encoding"
        raise ConfigError(f"{path} must be in UTF-8; line {line} is in {kind}: save it as UTF-8") from None
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{path} is not valid TOML: {problem}") from None


def _read_config(path, options):
    """All settings of a file; a key that is an option of another command is allowed, and not used."""
    known = list(options)
    values = read_toml(path)
    for name, value in values.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"known keys: {', '.join(known)}"
            raise ConfigError(f"{path}: unknown key {name!r}; {hint}")
        values[name] = _from_toml(path, name, value, options)
    return values


def option_type(name):
    """The click type of an option's value."""
    return _parameter(OPTIONS[name]).type


def convert(name, value):
    """A value through the conversion that the command line applies to an option.

    Raises
    ------
    click.UsageError
    """
    try:
        return option_type(name).convert(value, _parameter(OPTIONS[name]), None)
    except click.BadParameter as problem:
        raise click.UsageError(f"--{name.replace('_', '-')}: {problem.message}") from None


def _from_toml(path, name, value, options):
    """The value through the same conversion that the command line applies."""
    parameter = _parameter(options[name])
    flag = isinstance(value, bool)
    if flag != bool(parameter.is_flag):
        raise ConfigError(f"{path}: {name} must be {'true or false' if parameter.is_flag else 'a value, not a flag'}; "
                          f"got {value!r}")
    if flag:
        return value
    if isinstance(value, str) and "\0" in value:
        raise ConfigError(f"{path}: no value can hold a NUL byte; {name} is {value!r:.80}")
    if isinstance(value, list) and getattr(parameter.type, "takes_lists", False):
        return value
    try:
        return parameter.type.convert(value, parameter, None)
    except click.BadParameter as problem:
        raise ConfigError(f"{path}: {name}: {problem.message}") from None
    except (TypeError, ValueError):
        raise ConfigError(f"{path}: {name} cannot be {value!r}") from None


def _parameter(decorator):
    """The click parameter of an option."""
    def function():
        pass

    decorator(function)
    return function.__click_params__[0]
