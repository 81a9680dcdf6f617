"""Spoilt and hostile files of every kind that onlinemode reads, and what came of each.

    python benchmarks/hostile_files.py [3000] [--seed 1] [--kind "run of ode"]

Every file is read in a process of its own with 2 GiB of addresses, by the function of the library and then, if it was
not refused, by a command.  A file is refused in one line, or it holds what it held; other content is no fault where the
whole file was written anew, or where the format has no checksum.
"""

import argparse
import random
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

from common import machine
from hostile.kinds import KINDS, make_all
from hostile.lines import Line
from hostile.reading import PLANTED, read_in_fork
from hostile.running import in_fork, wrong_in
from hostile.spoiling import REPLACED

OUTCOMES = ("refused", "equal", "other", "BAD")
COMMANDS_OF_REFUSED = 0.15  # share of the refused files that a command reads, too


def check(count, seed, report, first=0, kinds=KINDS, show=False):
    """Spoil and read files number ``first`` to ``count`` of a seed, the kinds in turns.

    Parameters
    ----------
    count, seed, first : int
    report : callable
        Is given a text about every bad file; with ``show`` about all.
    kinds : list of Kind

    Returns
    -------
    dict
        Name of the kind to a Counter of outcomes.
    dict
        Name of the kind to the most memory that reading took, in bytes.
    """
    counts, most = defaultdict(Counter), defaultdict(int)
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        made = make_all(work, kinds)
        whole = {kind.name: _read_whole(kind, made[kind.name]) for kind in kinds}
        for number in range(first, count):
            generator, kind, folder = random.Random(f"{seed} {number}"), kinds[number % len(kinds)], work / str(number)
            shutil.copytree(made[kind.name], folder)
            way, words = kind.spoil(generator, folder)
            outcome, why, taken = _judge(generator, kind, folder, way, words, whole[kind.name])
            counts[kind.name][outcome] += 1
            most[kind.name] = max(most[kind.name], taken)
            if outcome == "BAD" or show:
                report(f"{number}: {kind.name}: {way}: {words}\n    {outcome}: {why}")
            shutil.rmtree(folder, ignore_errors=True)
    return counts, most


def _read_whole(kind, folder):
    """What the whole file holds; commands must take it, too, or they would try nothing of the spoilt ones."""
    found = read_in_fork(kind, folder)
    assert found.outcome == "loaded", (kind.name, found)
    for arguments in kind.commands:
        if "--resume" in arguments:  # minutes
            continue
        with tempfile.TemporaryDirectory(dir=folder.parent) as copy:
            place = Path(shutil.copytree(folder, Path(copy) / "copy"))
            code, printed, *_ = in_fork(Line(arguments), place)
            assert code == 0, (kind.name, arguments, code, printed)
    return found.digest


def _judge(generator, kind, folder, way, words, whole):
    """Outcome, what is bad or said, and memory taken."""
    found = read_in_fork(kind, folder)
    if found.outcome == "bad":
        return "BAD", found.words, found.taken
    if found.outcome == "refused" and generator.random() > COMMANDS_OF_REFUSED:
        return "refused", found.words, found.taken
    outcome = "refused" if found.outcome == "refused" else "equal" if found.digest == whole else "other"
    # a chunk of an array that is gone is points that are missing, as zarr has it
    free = way in kind.free or way == REPLACED and (words == "empty" or words.endswith("nothing") and "/c/" in words)
    if outcome == "other" and not free:
        return "BAD", "other content, and nobody told", found.taken
    line = Line(generator.choice(kind.commands))
    why = _command(line, folder)
    return ("BAD", f"{line}\n{why}", found.taken) if why else (outcome, found.words, found.taken)


def _command(line, folder):
    """What is wrong with a command line that reads the file."""
    before = {path.name for path in folder.iterdir()}
    code, printed, complaint, late, _ = in_fork(line, folder)
    complaint = complaint or wrong_in(code, printed, late, {1} if "repeat" in line.arguments else set())
    left = [path.name for path in folder.iterdir() if path.name not in before and path.name.startswith(".")]
    if not complaint and left:
        complaint = f"left {left}"
    if not complaint and (folder / PLANTED).exists():
        complaint = "a planted pickle has run"
    if not complaint and "not enough memory for this run" in printed:
        complaint = "blames the run for the file"
    return f"{complaint}\n{printed[-3000:]}" if complaint else ""


def print_table(counts, most):
    """Kinds and outcomes."""
    print(f"| {'kind of file':24} | {'files':>6} | " + " | ".join(f"{name:>7}" for name in OUTCOMES) + " | most MiB |")
    print(f"|{'-' * 26}|{'-' * 8}|" + f"{'-' * 9}|" * len(OUTCOMES) + f"{'-' * 10}|")
    for name, found in [*counts.items(), ("all", sum(counts.values(), Counter()))]:
        memory = most[name] if name in most else max(most.values())
        print(f"| {name:24} | {found.total():6,} | " + " | ".join(f"{found[each]:7,}" for each in OUTCOMES)
              + f" | {memory / 2**20:8,.0f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("count", type=int, nargs="?", default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kind", action="append", help="of this name alone")
    parser.add_argument("--show", action="store_true", help="tell of every file")
    given = parser.parse_args()
    began = time.monotonic()
    chosen = [kind for kind in KINDS if given.kind is None or kind.name in given.kind]
    counts, most = check(given.count, given.seed, lambda text: print(text, flush=True), given.first, chosen, given.show)
    print(machine())
    print_table(counts, most)
    print(f"{time.monotonic() - began:.0f} s")
