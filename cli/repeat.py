"""``onlinemode repeat``: make a saved run again from what its file holds, and compare."""

from pathlib import Path

import click


@click.command("repeat", short_help="Make a saved run again, from its file.")
@click.argument("file", type=click.Path())
@click.option("--out", type=click.Path(), help="Where to write the repeated run (.npz).  [nowhere]")
@click.option("--quiet", "-q", is_flag=True, help="No progress bar.")
def command(file, out, quiet):
    """Make a saved run again from the seeds in its file (or from weights stored in it).

    Says whether the result is the same to the bit; exit code 1 if it is not.
    """
    import numpy as np

    from onlinemode import load, repeat
    from onlinemode.cli.running import ProgressBar
    from onlinemode.storage import check_writable

    run = load(file)
    if out:
        out = Path(out)
        out = out if out.suffix == ".npz" else out.with_name(out.name + ".npz")
        check_writable(out)
    bar = ProgressBar(quiet)
    try:
        again = repeat(run, progress=bar)
    finally:
        bar.close()
    if out:
        again.save(out)
        print(f"result: {out}")
    names = ("alpha", "G", "S", "strengths", "xi_out", "readout")
    if all(np.array_equal(getattr(run, name), getattr(again, name), equal_nan=True) for name in names):
        print("the repeated run is equal to the file, to the bit")
        return 0
    largest = np.nanmax(np.abs(run.generalization_error - again.generalization_error))
    print(f"the repeated run differs from the file: ε_g by {largest:.3g} at most (other versions or another kind of "
          f"machine? the file was made with {run.meta['versions']})")
    return 1
