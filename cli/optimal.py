"""``onlinemode optimal``: the schedule, of the learning rate or a share, that leaves the least error."""

import json
import shlex
import sys

import click

from onlinemode.cli.names import PICTURE, check_numbers, claim_files, default_name
from onlinemode.cli.options import (
    FROM_1,
    NOT_NEGATIVE,
    OVERLAPS_ALONE,
    PROBLEM,
    START,
    OneOf,
    resolve,
    shared_options,
    with_file,
)
from onlinemode.cli.running import announce, experiment_with_overlaps
from onlinemode.cli.starts import with_overlaps

CONFIG = ".toml"
OPTION = {"xi_in": "eta", "task": "shares", "keep": "dropout"}  # that is looked for, of each --over
TURNS = ("turns", "switch_at", "replay_every", "replay_for")  # that shares take the place of
CONTROL = {"xi_in": "learning rate", "task": "share of task 1", "keep": "share kept"}
_OUTPUT = ("out", "overwrite", "plot", "json", "quiet")


@click.command("optimal", short_help="The learning rate, or share, that leaves the least error.")
@shared_options(*START, "alpha", *PROBLEM, *_OUTPUT, replaced={
    "start": OVERLAPS_ALONE,
    "out": click.option("--out", "out", type=click.Path(), help="Result file (.toml).  [a new name in this folder]")})
@click.option("--over", type=OneOf(tuple(OPTION)), default="xi_in", help="What is looked for: the learning rate --eta, "
              "the share of the second of two tasks, or the share of hidden units that samples keep.  [xi_in]")
@click.option("--knots", type=FROM_1, default=32, help="Of the schedule, piecewise linear in α.  [32]")
@click.option("--least", type=NOT_NEGATIVE, metavar="FLOAT", default=0.0, help="Lower bound.  [0]")
@click.option("--largest", type=click.FloatRange(0, min_open=True), metavar="FLOAT",
              help="Upper bound.  [none; of shares 1]")
@click.option("--objective", type=OneOf(("final", "mean")), default="final",
              help="What is least: ε_g at the end, or its mean over α.  [final]")
def command(over, knots, least, largest, objective, **given):
    """Find the learning rate, as a function of α, that leaves the least generalization error at --alpha.

    Of the mean-field equations, erf units, from the overlaps of a start of finite N. Prints the error beside that
    of the best constant rate and of the greedy one, which lowers the error fastest at each moment, and the
    schedule as a word for --eta. Writes it with all options to a .toml, for simulate --config, and a .png.
    With --over task it is the share of the second of two tasks, for the least mean error of both, with --over keep
    what dropout keeps.
    """
    from onlinemode import optimal_schedule
    from onlinemode.cli import report
    from onlinemode.experiment import describe, first_of

    if given.get(OPTION[over]) is not None:
        raise click.UsageError(f"--{OPTION[over]} is what is looked for with --over {over}: leave it out")
    given = with_file(given)
    settings = with_overlaps(resolve(given), given)
    check_numbers(settings)
    claim = claim_files(settings, default_name(settings, "optimal"), tails=[CONFIG])
    experiment = experiment_with_overlaps(settings | {"engine": "chain"})
    start = experiment.start()
    if over == "task":
        title = f"{describe(settings, first_of(start), without=('shares',))}, optimal shares"
    else:
        title = describe(settings | {OPTION[over]: "optimal"}, first_of(start))
    announce(settings, title)
    best = optimal_schedule(experiment.problem(), start, settings["alpha"], knots, (least, largest),
                            over, objective)
    files = {"options": claim.write(CONFIG, lambda path: _write_options(settings, best, path))}
    if settings["plot"]:
        from onlinemode.cli.pictures import plotting

        figure = best.plot(title=title)
        files["picture"] = claim.write(PICTURE, lambda path: plotting.save_figure(figure, path))
    if not best.converged:
        print(f"onlinemode: the optimisation has not converged: {best.message}", file=sys.stderr)
    if settings["json"]:
        report.print_json(_summary(best, title, files))
    elif not settings["quiet"]:
        _print_table(best)
        report.print_files(files)
        print(f"simulate it: onlinemode simulate --config {shlex.quote(str(files['options']))}")


def _paths(best):
    return {"best constant": best.constant, **({} if best.greedy is None else {"greedy": best.greedy}),
            "optimal": best.path}


def _print_table(best):
    print(f"{CONTROL[best.over]:>15}  {'from':>9}  {'to':>9}  {'ε_g at the end':>14}")
    for name, path in _paths(best).items():
        print(f"{name:>15}  {path.control.min():9.4g}  {path.control.max():9.4g}  {path.error:14.3e}")
    print(f"--{OPTION[best.over]} {shlex.quote(_word(best))}")


def _word(best):
    """The schedule as its option takes it: of tasks the shares of both, of what is kept the dropout."""
    if best.over == "task":
        return ";".join(share.word for share in best.problem.tasks.shares)
    return (best.problem.dropout if best.over == "keep" else best.schedule).word


def _summary(best, title, files):
    name = OPTION[best.over]
    return {"command": "optimal", "title": title, "over": best.over, "option": f"--{name}", "schedule": _word(best),
            "objective": best.objective, "generalization_error": best.error, "constant_control": best.constant_control,
            "constant_error": best.constant_error,
            "greedy_error": None if best.greedy is None else best.greedy.error, "converged": best.converged,
            "message": best.message, "evaluations": best.evaluations,
            "files": {name: str(path) for name, path in files.items()}}


def _write_options(settings, best, path):
    """All options of the problem and its start with the schedule, as ``--config`` reads them."""
    from onlinemode.experiment import DRAWN
    from onlinemode.storage import replacing

    left_out = (*(DRAWN if settings["start"] is not None else ()), *(TURNS if best.over == "task" else ()))
    values = {name: settings[name] for name in (*START, "alpha", *PROBLEM) if name not in left_out}
    lines = [f"# onlinemode optimal: ε_g = {best.error:.3e}, with the best constant {CONTROL[best.over]} "
             f"{best.constant_control:.4g} {best.constant_error:.3e}"]
    for name, value in (values | {OPTION[best.over]: _word(best)}).items():
        value = list(value) if isinstance(value, tuple) else value
        if all(isinstance(each, (str, int, float)) for each in (value if isinstance(value, list) else [value])):
            lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
        elif value is not None:
            lines.append(f"# {name} was a function of your own: give it again, --{name.replace('_', '-')} FILE.py:NAME")
    with replacing(path, "w") as file:
        file.write("\n".join([*lines, ""]))
