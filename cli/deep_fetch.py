"""``onlinemode deep fetch``: download a data set."""

import sys

import click


@click.command("fetch", short_help="Download MNIST or Fashion-MNIST.")
@click.argument("name")
@click.option("--out", "folder", type=click.Path(), help="Where a folder of this name is made.  [ONLINEMODE_DATA, or "
              "the user's cache folder]")
@click.option("--url", help="Another place that has the same files.  [the usual one]")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing.")
def command(name, folder, url, quiet):
    """Download the data set NAME (mnist or fashion-mnist), check its SHA-256, and keep it.

    Later commands find it by its name.  Files that are there already are checked, not fetched again.
    """
    from onlinemode.deep import data, fetch

    def say(file):
        if not quiet:
            print(f"{file} ...", file=sys.stderr, flush=True)

    place = fetch(name, folder, url, progress=say)
    found = data.idx(place, name)
    if not quiet:
        print(f"{found.name}: {len(found.train_x):,} + {len(found.test_x):,} samples of {found.inputs} entries, "
              f"{found.classes} classes")
        print(f"folder: {place}")
