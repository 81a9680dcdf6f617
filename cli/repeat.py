"""``onlinemode repeat``: make a saved run again from what its file holds, and compare."""

import click

from onlinemode.cli.exit_codes import DONE, DOUBTFUL, INTERRUPTED
from onlinemode.cli.names import RESULT, claim_file


@click.command("repeat", short_help="Make a saved run again, from its file.")
@click.argument("file", type=click.Path())
@click.option("--out", type=click.Path(), help="Where to write the repeated run (.npz).  [nowhere]")
@click.option("--overwrite", is_flag=True, help="Replace a file of this name.  [refuse]")
@click.option("--quiet", "-q", is_flag=True, help="No progress bar.")
def command(file, out, overwrite, quiet):
    """Make a saved run again from the seeds in its file (or from weights stored in it).

    Says whether the result is the same to the bit; exit code 1 if it is not.
    """
    import numpy as np

    from onlinemode import load, repeat
    from onlinemode.cli.running import ProgressBar
    from onlinemode.storage import archive_path

    if overwrite and out is None:
        raise click.UsageError("--overwrite goes with --out; got no --out: nothing is written without it")
    run = load(file)
    claim = None if out is None else claim_file(archive_path(out), None, RESULT, overwrite)
    bar = ProgressBar(quiet)
    try:
        again = repeat(run, progress=bar)
    finally:
        bar.close()
    if claim is not None:
        print(f"result: {claim.write(RESULT, again.save)}")
    if any(status.value == "interrupted" for status in again.status) and again.status != run.status:
        print(f"stopped before it was repeated: {again.message[0]}")
        return INTERRUPTED
    rows = _rows_at(run.alpha, again.alpha)
    if rows is None:
        print(f"the repeated run has other saved times than the file, {len(again.alpha)} and {len(run.alpha)} of them")
        return DOUBTFUL
    names = ("G", "S", "strengths", "xi_out", "readout")
    pairs = [(getattr(run, name), getattr(again, name)[:, rows]) for name in names]
    interrupted = [number for number, status in enumerate(run.status) if status.value == "interrupted"]
    complete = not interrupted and len(rows) == len(again.alpha)
    if run.summary is not None and complete:  # else the statistics are those of fewer replicas
        statistics = run.summary.to_arrays(), again.summary.to_arrays()
        pairs += [(statistics[0][name], statistics[1][name]) for name in statistics[0]]
    if all(np.array_equal(old, new, equal_nan=True) for old, new in pairs):
        print("the repeated run is equal to the file, to the bit")
        return DONE
    if interrupted and all(np.array_equal(old[np.isfinite(old)], new[np.isfinite(old)]) for old, new in pairs):
        print("the repeated run is equal to the file, to the bit, up to where the file ends: "
              f"{run.message[interrupted[0]]}")
        return DONE
    largest = np.nanmax(np.abs(run.generalization_error - again.generalization_error[:, rows]))
    print(f"the repeated run differs from the file: ε_g by {largest:.3g} at most (other versions or another kind of "
          f"machine? the file was made with {run.info.versions})")
    return DOUBTFUL


def _rows_at(times, others):
    """Where each of ``times`` is among ``others``, or None; older versions saved one step several times."""
    import numpy as np

    rows = np.minimum(np.searchsorted(others, times), len(others) - 1)
    return rows if np.array_equal(others[rows], times) and np.isin(others, times).all() else None
