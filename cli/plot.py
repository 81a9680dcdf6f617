"""``onlinemode plot``: draw saved runs, one or several on top of each other, or a sweep."""

import os
import sys
from pathlib import Path

import click

from onlinemode.cli.names import CURVES, MOVIE, PICTURE, claim_file
from onlinemode.cli.simulate import is_interrupted
from onlinemode.errors import EngineError, FileError, RepeatError

MOST_FILES = 3  # that are named in the title
DESCRIPTION = "sweep.json"  # makes a folder that of a sweep
OF_SWEEPS = {"variables": "--variable", "contours": "--contours"}
OF_RUNS = {"csv": "--csv", "theory": "--theory/--no-theory", "animated": "--animate", "seconds": "--seconds",
           "fps": "--fps", "escape": "--escape"}
OF_ANIMATIONS = {"seconds": "--seconds", "fps": "--fps"}


@click.command("plot", short_help="Draw saved runs, overlaid, or a sweep.")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--out", type=click.Path(), help="Picture (.png), with --animate a movie (.gif, or .mp4, which needs "
              "ffmpeg).  [the first file's name with _plot]")
@click.option("--overwrite", is_flag=True, help="Replace files of this name.  [refuse, or take a new name]")
@click.option("--theory/--no-theory", default=True,
              help="Draw the mean-field equations through the first simulation, where no ode run is given.  [theory]")
@click.option("--csv", is_flag=True, help="Write the curves of every run as .csv beside its file, too.")
@click.option("--animate", "animated", is_flag=True, help="Write a movie: the overlaps of the first run as its units "
              "specialize, beside the error of all as it falls.")
@click.option("--escape", is_flag=True, help="Draw when the replicas of ensembles leave their plateau, and the law of "
              "that time through them.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), metavar="FLOAT",
              help="Of --animate: its length.  [10]")
@click.option("--fps", type=click.FloatRange(1, 50), metavar="FLOAT", help="Of --animate: frames a second.  [20]")
@click.option("--variable", "variables", multiple=True, metavar="NAME",
              help="Of a sweep: what is drawn, such as final_error or plateau_length; several --variable are several "
              "panels.  [error, plateaus and specialization]")
@click.option("--contours", type=click.Path(), metavar="SWEEP",
              help="Of a sweep: another one over the same axes, such as theory, as dashed contour lines.")
def command(files, out, overwrite, theory, csv, animated, escape, seconds, fps, variables, contours):
    """Draw one saved run, or several on top of each other, of any engine; or the sweep in a folder.

    The picture of a sweep is beside its results. It has curves over one swept option, maps over two, and a map for
    each value of a third one.
    """
    if any(map(_is_sweep, files)):
        if len(files) > 1:
            raise click.UsageError(f"a picture has one sweep and nothing else; got {len(files)} names: --contours "
                                   "SWEEP draws the contour lines of another one")
        _refuse(OF_RUNS, f"is for runs, and {files[0]} is the folder of a sweep")
        _plot_sweep(Path(os.path.abspath(files[0])), out, overwrite, variables, contours)
    else:
        _refuse(OF_SWEEPS, f"is for the folder of a sweep, and {files[0]} is none")
        if not animated:
            _refuse(OF_ANIMATIONS, "is for --animate, which is not given")
        pace = {name: value for name, value in (("seconds", seconds), ("fps", fps)) if value is not None}
        if escape and animated:
            raise click.UsageError("--escape is a picture, and --animate a movie: leave one of them out")
        _plot_runs(files, out, overwrite, theory, csv, pace if animated else None, escape)


def _is_sweep(name):
    return os.path.isfile(os.path.join(name, DESCRIPTION))


def _refuse(options, why):
    """Raise UsageError for the first of these options that was typed."""
    context = click.get_current_context()
    for name, words in options.items():
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{words} {why}; leave it out")


def _plot_sweep(folder, out, overwrite, variables, contours):
    from onlinemode import open_sweep
    from onlinemode.cli.pictures import plotting

    if contours is not None and not _is_sweep(contours):
        raise click.UsageError(f"--contours must be the folder of a sweep, with {DESCRIPTION}; got {contours}")
    swept = open_sweep(folder)
    theory = None if contours is None else open_sweep(Path(contours))
    picture = claim_file(out, folder / f"{folder.name}_plot", PICTURE, overwrite)
    figure = plotting.sweep_figure(swept, variables or None, contours=theory)
    print(f"picture: {picture.write(PICTURE, lambda path: plotting.save_figure(figure, path))}")


def _plot_runs(files, out, overwrite, theory, csv, pace, escape):
    """``pace`` is what is said of the frames of a movie; None for a picture that stands still."""
    from onlinemode import load
    from onlinemode.cli.pictures import plotting
    from onlinemode.cli.running import describe_run

    runs = [load(name) for name in files]
    first_file = Path(files[0])
    beside = first_file.with_name(first_file.stem + "_plot")  # simulate's picture stays
    suffix = PICTURE if pace is None else _suffix_of_movie(out)
    picture = claim_file(out, beside, suffix, overwrite)
    curves = {name: claim_file(None, Path(name).with_suffix(""), CURVES, overwrite)
              for name in dict.fromkeys(files)} if csv else {}
    first = runs[0]
    if theory and not any(plotting.is_theory(run) for run in runs):
        runs += _theory(first)
    title = describe_run(first) if len(files) == 1 else _title(files, [describe_run(run) for run in runs[:len(files)]])
    if pace is None:
        figure = (plotting.escape_figure if escape else plotting.overview)(runs, title)
        print(f"picture: {picture.write(PICTURE, lambda path: plotting.save_figure(figure, path))}")
    else:
        print(f"animation: {picture.write(suffix, lambda path: _animate(runs, path, title, suffix, pace))}")
    for name, claim in curves.items():
        print(f"curves: {claim.write(CURVES, runs[files.index(name)].to_csv)}")


def _suffix_of_movie(out):
    """That of ``--out``, as it is written there; raises an error where no such movie can be made."""
    from onlinemode.cli.pictures import plotting

    if out is None or not Path(out).suffix:
        return MOVIE
    plotting.movie_kind(out)
    return Path(out).suffix


def _animate(runs, path, title, suffix, pace):
    from onlinemode.cli.pictures import plotting
    from onlinemode.cli.running import terminal_bar

    bar = terminal_bar(quiet=False, title="frames")
    try:
        plotting.animate(runs, path, title, progress=bar, kind=suffix[1:].lower(), **pace)
    finally:
        if bar is not None:
            bar.close()


def _theory(run):
    """The mean-field equations through a run, in a list that is empty where they take too long or cannot be made."""
    from onlinemode.beside import too_much
    from onlinemode.continuing import mean_field

    reason = too_much(run.problem, run.initial, 1 if run.starts is None else run.draws, {})
    if not reason:
        try:
            theory = mean_field(run)
        except (EngineError, FileError, RepeatError) as problem:
            if run.problem.inputs.independent:
                raise
            reason = str(problem)
    if reason:
        print(f"no theory: {reason}", file=sys.stderr)
        return []
    if is_interrupted(theory):
        raise KeyboardInterrupt
    return [theory]


def _title(files, descriptions):
    """The files and what all their runs have in common."""
    names = [Path(name).name for name in files]
    shown = ", ".join(names) if len(names) <= MOST_FILES else f"{names[0]} and {len(names) - 1} more"
    common = [words for words in descriptions[0].split(", ")
              if all(words in other.split(", ") for other in descriptions)]
    return shown + (": " if common else "") + ", ".join(common)
