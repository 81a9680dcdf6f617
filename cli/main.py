"""The command ``onlinemode``: finds the subcommand, and turns every error into one line."""

import sys

import click

from onlinemode import __version__
from onlinemode.cli.subcommands import Subcommands
from onlinemode.errors import OnlineModeError

COMMANDS = ("simulate", "ode", "compare", "sweep", "plot", "repeat", "benchmark", "deep")
BAD_INPUT = 2
INTERRUPTED = 130


@click.group(cls=Subcommands, names=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="onlinemode %(version)s")
def onlinemode():
    """Online learning of a mode-decomposed student, at finite N and in the mean-field limit.

    \b
    onlinemode simulate --N 10000           SGD, with the theory drawn through it
    onlinemode ode --init graded --K 4      the mean-field equations alone
    onlinemode compare --N 4000             both, with their deviation in units of N^-1/2
    onlinemode sweep --over eta=1:6:11      the same run over a grid of options
    onlinemode plot run.npz other.npz       draw saved runs again
    onlinemode repeat run.npz               make a saved run again, from its file
    onlinemode benchmark                    time the engines on this machine
    onlinemode deep train                   train a deep network of mode-decomposed layers
    """


def main(arguments=None):
    """Run the command line; returns only by SystemExit."""
    try:
        code = onlinemode.main(args=arguments, prog_name="onlinemode", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as problem:
        print(problem.ctx.get_help())
        code = BAD_INPUT
    except click.UsageError as problem:
        code = _complain(problem.format_message(), problem.ctx)
    except click.ClickException as problem:
        code = _complain(problem.format_message())
    except OnlineModeError as problem:
        code = _complain(str(problem))
    except (KeyboardInterrupt, click.Abort):
        print("onlinemode: stopped by the user", file=sys.stderr)
        code = INTERRUPTED
    except MemoryError as problem:
        why = f" ({problem})" if str(problem) else ""
        code = _complain(f"not enough memory for this run{why}: lower N, batch, replicas or the number of units; "
                         "engine chain needs none that grows with N")
    except BrokenPipeError:
        sys.stderr.close()
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message, context=None):
    command = context.command_path if context is not None else "onlinemode"
    print(f"{command}: {' '.join(message.split())}", file=sys.stderr)
    return BAD_INPUT
