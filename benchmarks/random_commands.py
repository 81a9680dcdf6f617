"""Random command lines and TOML files of onlinemode, made from its own options, and what came of each.

    python benchmarks/random_commands.py [5000] [--seed 1]

Every line runs in a process and a folder of its own.  Most are forked from one that has imported everything; some are
started by the shell, with a stream closed or full, in another encoding, or in another environment.
"""

import argparse
import random
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from common import machine
from hostile.lines import random_line
from hostile.running import outcome
from hostile.samples import make_files


def check(count, seed, shell, report, first=0, show=False):
    """Run lines number ``first`` to ``count`` of a seed.

    Parameters
    ----------
    count, seed, first : int
    shell : float
        The share that a shell starts.
    report : callable
        Is given a text about every bad line; with ``show`` about all lines.

    Returns
    -------
    bad, files : int
        How many lines are bad, and how many had a random TOML file.
    Counter
        Of exit codes.
    """
    bad, files, codes = 0, 0, Counter()
    with tempfile.TemporaryDirectory() as work:
        template = Path(work) / "template"
        template.mkdir()
        make_files(template)
        for number in range(first, count):
            line = random_line(random.Random(f"{seed} {number}"), shell)
            folder = Path(work) / str(number)
            found = outcome(line, template, folder)
            codes[found.code] += 1
            files += bool(line.files)
            bad += bool(found.complaint)
            if found.complaint or show:
                report(f"{number}: {line}\n    {found.complaint or found.code}\n{found.printed[-3000:]}")
            shutil.rmtree(folder, ignore_errors=True)
    return bad, files, codes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("count", type=int, nargs="?", default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--shell", type=float, default=0.15, help="share that a shell starts")
    parser.add_argument("--show", action="store_true", help="print every line with its output")
    given = parser.parse_args()
    began = time.monotonic()
    bad, files, codes = check(given.count, given.seed, given.shell, lambda text: print(text, flush=True), given.first,
                              given.show)
    print(machine())
    print(f"{given.count - given.first} command lines, {files} with random TOML files, {bad} bad, exit codes "
          f"{dict(codes)}, {time.monotonic() - began:.0f} s")
