"""The command ``onlinemode``: finds the subcommand, and turns every error into one line."""

import os
import sys
import warnings

import click

from onlinemode import __version__
from onlinemode.cli.exit_codes import DONE, FAILED, HELP, INTERRUPTED
from onlinemode.cli.signals import Terminations
from onlinemode.cli.streams import Streams
from onlinemode.cli.subcommands import Subcommands
from onlinemode.errors import OnlineModeError

COMMANDS = ("simulate", "ode", "compare", "sweep", "optimal", "analyse", "plot", "repeat", "benchmark", "deep")


@click.group(cls=Subcommands, names=COMMANDS, epilog=HELP,
             context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="onlinemode %(version)s")
def onlinemode():
    """Online learning of a mode-decomposed student, at finite N and in the mean-field limit.

    \b
    onlinemode simulate --N 10000           SGD, with the theory drawn through it
    onlinemode ode --init graded --K 4      the mean-field equations alone
    onlinemode compare --N 4000             both, with their deviation in units of N^-1/2
    onlinemode sweep --over eta=1:6:11      the same run over a grid of options
    onlinemode optimal --K 2 --alpha 150    the learning rate that leaves the least error
    onlinemode analyse --init committee     plateaus, critical rate, noise floor
    onlinemode plot run.npz other.npz       draw saved runs again
    onlinemode repeat run.npz               make a saved run again, from its file
    onlinemode benchmark                    time the engines on this machine
    onlinemode deep train                   train a deep network of mode-decomposed layers
    """


def main(arguments=None):
    """Run the command line; returns only by SystemExit."""
    with Streams() as streams, warnings.catch_warnings():
        warnings.showwarning = _show_in_one_line
        with Terminations() as terminations:
            code = terminations.exit_code(_run(arguments))
        code = streams.end(code)
    sys.exit(code)


def _run(arguments):
    """The exit code of a command line; errors are told."""
    try:
        code = onlinemode.main(args=arguments, prog_name="onlinemode", standalone_mode=False)
        return code if isinstance(code, int) else DONE
    except click.exceptions.NoArgsIsHelpError as problem:
        print(problem.ctx.get_help())
        return FAILED
    except click.UsageError as problem:
        return _complain(problem.format_message(), problem.ctx)
    except click.ClickException as problem:
        return _complain(problem.format_message())
    except OnlineModeError as problem:
        return _complain(str(problem))
    except (KeyboardInterrupt, click.Abort):
        print("onlinemode: stopped by the user", file=sys.stderr)
        return INTERRUPTED
    except OSError as problem:
        return _complain(_about_the_system(problem))
    except MemoryError as problem:
        why = f" ({problem})" if str(problem) else ""
        return _complain(f"not enough memory for this run{why}: lower N, batch, replicas or the number of units; "
                         "engine chain needs none that grows with N")


def _complain(message, context=None):
    command = context.command_path if context is not None else "onlinemode"
    print(f"{command}: {' '.join(message.split())}", file=sys.stderr)
    return FAILED


def _about_the_system(problem):
    """What is said of an error of the system that no reader or writer of files has met."""
    try:
        os.getcwd()
    except OSError:
        return "the current folder is gone, which libraries look into: go to one that is there"
    where = f"{problem.filename}: " if problem.filename else ""
    return f"{where}{problem.strerror or problem}"


def _show_in_one_line(message, category, filename, lineno, file=None, line=None):
    if issubclass(category, DeprecationWarning):  # of one library about another: nothing that a user can do
        return
    words = " ".join(str(message).split())
    print(f"onlinemode: {words.partition(' Traceback (most recent call last)')[0]}", file=sys.stderr)
