"""Is anything lost or half-written when a command is killed, or stopped, at a random moment?

    python benchmarks/kill_commands.py [KILLS] [--seed 1] [--command plot]

KILLS (240) signals, spread over the commands: SIGKILL most often, else SIGTERM or SIGINT, at a moment drawn from the
time that the command takes without one.  Files of the names that it writes are there before, and it is told to replace
them.  After each signal every file must be whole: what was there before, or what the command writes when nobody stops
it.  Then the command is given again, or goes on from its checkpoint, and all its files must be those of the command
that nobody stopped, but for the times in them.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from common import machine
from hostile.samples import run
from kept_files import content_of

BEFORE = b"what was there before\n"
SIGNALS = [signal.SIGKILL] * 3 + [signal.SIGTERM, signal.SIGINT]
MIXTURE = "--data gaussian-mixture --epochs 2 --hidden 8,8 --modes 3"


class Command(NamedTuple):
    """A command line, the files that it writes, how it goes on from its checkpoint, and files that hold times alone."""

    words: str
    files: tuple
    resumed: str = ""
    timed: tuple = ()


COMMANDS = {
    "simulate, micro": Command("simulate --N 3000 --K 3 --alpha 15 --threads 1 --overwrite --out a",
                                ("a.npz", "a.png")),
    "simulate, checkpoint": Command(
        "simulate --engine chain --N 1000 --K 3 --alpha 300 --replicas 4 --threads 1 --checkpoint a.ckpt --every 0.02 "
        "--overwrite --out a", ("a.npz", "a.png"), "simulate --resume a.ckpt --overwrite"),
    "ode": Command("ode --alpha 300 --K 3 --overwrite --out a", ("a.npz", "a.png")),
    "compare": Command("compare --N 300 --alpha 10 --replicas 3 --threads 1 --overwrite --out a",
                       ("a_micro.npz", "a_ode.npz", "a.png")),
    "sweep": Command("sweep --N 100 --alpha 5 --over eta=0.5:2:8 --over noise=0:0.5:6 --out a", ()),
    "sweep, processes": Command("sweep --N 100 --alpha 5 --over eta=0.5:2:8 --over noise=0:0.5:6 --processes 2 --out a",
                                ()),
    "plot": Command("plot run.npz --csv --overwrite --out a.png", ("a.png", "run.csv")),
    "plot, sweep": Command("plot swept --overwrite --out a.png", ("a.png",)),
    "plot, movie": Command("plot run.npz --animate --seconds 0.5 --fps 10 --overwrite --out a.gif", ("a.gif",)),
    "repeat": Command("repeat run.npz --overwrite --out a", ("a.npz",)),
    "benchmark": Command("benchmark --N 200 --rounds 1 --K 2 --overwrite --out a.json", ("a.json", "a.png"),
                         timed=("a.png",)),
    "deep train": Command(f"deep train {MIXTURE} --overwrite --out a", ("a.npz", "a.png")),
    "deep train, checkpoint": Command(f"deep train {MIXTURE} --checkpoint a.ckpt --every 0.02 --overwrite --out a",
                                      ("a.npz", "a.png"), "deep train --resume a.ckpt --overwrite"),
    "deep modes": Command("deep modes net.npz --csv --overwrite --out a", ("a.npz", "a.png", "a.csv")),
    "deep prune": Command("deep prune net.npz --csv --draws 2 --overwrite --out a", ("a.npz", "a.png", "a.csv")),
    "deep geometry": Command("deep geometry net.npz --csv --overwrite --out a", ("a.npz", "a.png", "a.csv")),
    "deep width": Command("deep width --data gaussian-mixture --epochs 1 --widths 4,6,8,10 --grid 1,2,3 --repeats 1 "
                          "--cache kept --csv --overwrite --out a", ("a.npz", "a.png", "a.csv")),
}


def make_inputs(folder):
    """What commands read."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        run("simulate", "--N", "200", "--K", "2", "--alpha", "10", "--no-plot", "--out", "run")
        run("sweep", "--over", "eta=1,2", "--over", "noise=0,0.5", "--N", "40", "--alpha", "1", "--no-plot", "--out",
            "swept")
        run("deep", "train", *MIXTURE.split(), "--no-plot", "--out", "net")
    finally:
        os.chdir(here)


def start(words, folder):
    """The process of a command line, for which Ctrl-C is what it is in a terminal."""
    quiet = [] if words.startswith("plot") else ["-q"]
    return subprocess.Popen([sys.executable, "-m", "onlinemode", *words.split(), *quiet], cwd=folder, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def files_of(folder):
    """Relative names of all results: files, the stores of sweeps, the networks that `deep width` keeps."""
    found = set()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.suffix == ".zarr":
            found.add(name)
        elif path.is_file() and not any(part.startswith(".") or part.endswith(".zarr") for part in name.parts):
            found.add(name)
    return found


class Trial:
    """A command, the inputs that it reads, and what it writes and takes when nobody stops it."""

    def __init__(self, name, inputs, work):
        self.name, self.command, self.inputs, self.work = name, COMMANDS[name], inputs, work
        folder = self._fresh()
        self._run(self.command.words, folder)  # once to compile
        shutil.rmtree(folder)
        folder = self._fresh()
        began = time.monotonic()
        self._run(self.command.words, folder)
        self.seconds = time.monotonic() - began
        self.whole = self._contents(folder)
        for name in self.command.files:
            if self.whole[Path(name)] == contents(None):
                raise AssertionError(f"{self.command.words} has not written {name}")
        shutil.rmtree(folder)

    def _contents(self, folder):
        """Name to content of all files; of those with times alone, whether they are new."""
        found = {name: contents(folder / name) for name in files_of(folder)}
        return {name: "new" if str(name) in self.command.timed and content != contents(None) else content
                for name, content in found.items()}

    def _fresh(self):
        folder = self.work / "trial"
        shutil.copytree(self.inputs, folder)
        for name in self.command.files:
            (folder / name).write_bytes(BEFORE)
        return folder

    def _run(self, words, folder):
        process = start(words, folder)
        _, error = process.communicate(timeout=600)
        if process.returncode != 0:
            raise AssertionError(f"{words} ended with {process.returncode}: {error}")

    def stop(self, number, moment):
        """Send a signal after so many seconds, look at what is there, and do the work again.

        Returns
        -------
        str
            ``"early"`` where no result was there yet, ``"between"`` where one was, ``"late"`` where the command had
            ended well.
        """
        folder = self._fresh()
        process = start(self.command.words, folder)
        time.sleep(moment)
        process.send_signal(number)
        _, error = process.communicate(timeout=600)
        code = process.returncode
        usual = {0, -number} | ({128 + number} if number != signal.SIGKILL else set())
        assert code in usual, f"exit code {code}: {error}"
        assert "Traceback" not in error and "Exception ignored" not in error, error
        new = 0
        for name, found in self._contents(folder).items():
            expected = self.whole.get(name)
            before = contents(None) if str(name) in self.command.files else None
            new += found != before and str(name) in self.command.files
            if name.suffix in (".zarr", ".ckpt") or expected is None:
                continue  # whole, as it could be read; how far it is depends on the moment
            stored = "kept" in name.parts
            assert found in (expected, before) or stored or number != signal.SIGKILL, f"{name} holds something else"
        if code != 0:
            resumed = self.command.resumed and (folder / "a.ckpt").exists()
            self._run(self.command.resumed if resumed else self.command.words, folder)
        after = self._contents(folder)
        assert after == self.whole, {name for name in after.keys() | self.whole.keys()
                                     if after.get(name) != self.whole.get(name)}
        shutil.rmtree(folder)
        return "late" if code == 0 else "between" if new else "early"


def contents(path):
    """What a file holds; of None what stands for files that were there before."""
    if path is None or (path.is_file() and path.read_bytes() == BEFORE):
        return "before"
    return content_of(path)


def main(kills, seed, names):
    """Print a table of the commands; returns how many signals found a fault."""
    rng, found = random.Random(seed), {name: Counter() for name in names}
    with tempfile.TemporaryDirectory() as work:
        inputs = Path(work) / "inputs"
        inputs.mkdir()
        make_inputs(inputs)
        for row, name in enumerate(names):
            trial = Trial(name, inputs, Path(work))
            for _ in range(kills // len(names) + (row < kills % len(names))):
                number, moment = rng.choice(SIGNALS), rng.uniform(0.0, trial.seconds)
                found[name][number.name] += 1
                try:
                    found[name][trial.stop(number, moment)] += 1
                except Exception as problem:
                    found[name]["BAD"] += 1
                    print(f"{name}, {number.name} after {moment:.3f} of {trial.seconds:.3f} s: {problem!r}", flush=True)
                    shutil.rmtree(Path(work) / "trial", ignore_errors=True)
            print(f"{name}: {trial.seconds:.1f} s, {dict(found[name])}", flush=True)
    print(machine())
    columns = ("SIGKILL", "SIGTERM", "SIGINT", "early", "between", "late", "BAD")
    print(f"| {'command':24} |" + "|".join(f" {column:>8} " for column in columns) + "|")
    print(f"|{'-' * 26}" + f"|{'-' * 10}" * len(columns) + "|")
    total = sum(found.values(), Counter())
    for name, counts in [*found.items(), ("all", total)]:
        print(f"| {name:24} |" + "|".join(f" {counts[column]:8} " for column in columns) + "|")
    return total["BAD"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kills", type=int, nargs="?", default=240)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", action="append", choices=COMMANDS, help="these alone")
    given = parser.parse_args()
    sys.exit(1 if main(given.kills, given.seed, given.command or list(COMMANDS)) else 0)
