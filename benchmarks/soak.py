"""Does memory stay flat while a run goes on for an hour?

    python benchmarks/soak.py [SECONDS] [WHAT ...]

WHAT: micro, chain, sweep (all three, at the same time); SECONDS (3600) each.  Every one is a command of onlinemode in a
process of its own, with a checkpoint every ten seconds (the sweep with its folder), too long to end by itself.  The
resident sets of the process and its children are read every two seconds; after SECONDS the command is stopped by
SIGTERM, goes on from its checkpoint (the sweep: from its folder) for 20 s more, and is stopped again.  Growth is the
median of the last tenth of the readings over that of the tenth that follows the first five minutes (or the first
tenth, in a short soak).  It is told of the anonymous memory alone, too: the rest are pages of libraries, which come
into memory when they are first used.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import machine

READ_EVERY, SETTLED, AFTERWARDS = 2.0, 300.0, 20.0
COMMANDS = {
    "micro": ["simulate", "--N", "10000", "--alpha", "1e7", "--eta", "0.5", "--noise", "0.2", "--threads", "1",
              "--no-theory", "--json", "--out", "micro", "--checkpoint", "micro.ckpt", "--every", "10"],
    "chain": ["simulate", "--engine", "chain", "--N", "10000", "--alpha", "1e7", "--eta", "0.5", "--noise", "0.2",
              "--replicas", "20", "--keep", "summary", "--threads", "1", "--no-theory", "--json", "--out", "chain",
              "--checkpoint", "chain.ckpt", "--every", "10"],
    "sweep": ["sweep", "--N", "1000", "--alpha", "500", "--over", "eta=0.1:5:300", "--over", "noise=0:1:300",
              "--processes", "1", "--json", "--out", "sweep"]}
GOING_ON = {what: ["simulate", "--resume", f"{what}.ckpt", "--no-theory", "--json", "--out", f"{what}-later"]
            for what in ("micro", "chain")} | {"sweep": COMMANDS["sweep"]}


class Soak:
    """A command, watched."""

    def __init__(self, what, folder):
        self.what, self.folder, self.readings = what, folder, []
        self.began = time.monotonic()
        self.process = start(COMMANDS[what], folder)
        self.checkpoints, self._written = 0, None

    def read(self):
        """Take one reading of memory, and count checkpoints."""
        if self.process.poll() is not None:
            raise SystemExit(f"{self.what} ended by itself: {self.process.communicate()}")
        pids = family(self.process.pid)
        self.readings.append((time.monotonic() - self.began, memory(pids, "VmRSS"), memory(pids, "RssAnon")))
        file = self.folder / f"{self.what}.ckpt"
        written = file.stat().st_mtime_ns if file.exists() else None
        self.checkpoints += written != self._written
        self._written = written

    def growth(self, seconds, column):
        """Median of the last tenth of the readings over that of an early tenth, less one; the early one, in MiB."""
        begin = SETTLED if seconds > 4 * SETTLED else 0.1 * seconds
        early = statistics.median(reading[column] for reading in self.readings
                                  if begin <= reading[0] < begin + seconds / 10)
        late = statistics.median(reading[column] for reading in self.readings if reading[0] >= seconds * 0.9)
        return late / early - 1.0, early / 2**20

    def end(self):
        """Stop the command, let it go on, stop it again: exit codes and what it printed for scripts."""
        yield stop(self.process)
        process = start(GOING_ON[self.what], self.folder)
        time.sleep(AFTERWARDS)
        yield stop(process)

    def cpu_seconds(self):
        return cpu_seconds(family(self.process.pid))


def start(arguments, folder):
    return subprocess.Popen([sys.executable, "-m", "onlinemode", *arguments], cwd=folder, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def stop(process):
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=600)
    try:
        return process.returncode, json.loads(out)
    except ValueError:
        return process.returncode, error.strip()


def family(pid):
    """A process and all that descend from it."""
    return [pid] + [each for child in words_of(f"/proc/{pid}/task/{pid}/children") for each in family(int(child))]


def words_of(path):
    """Of a file that is gone when its process has ended."""
    try:
        return Path(path).read_text().rpartition(")")[2].split()
    except OSError:
        return []


def memory(pids, kind):
    """Sum over processes of a line of /proc/PID/status, in bytes."""
    total = 0
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:  # it ended between
            continue
        total += sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(f"{kind}:"))
    return total


def cpu_seconds(pids):
    """What these processes have used, children that ended included."""
    ticks = 0
    for pid in pids:
        ticks += sum(int(word) for word in words_of(f"/proc/{pid}/stat")[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def progress_of(what, said):
    """What a command made, from what it printed for scripts."""
    if not isinstance(said, dict):
        return said
    if what == "sweep":
        return said["counts"]
    return {key: value for key, value in said.items() if not isinstance(value, dict | list)}


def main(seconds, wanted):
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as top:
        soaks = []
        for what in wanted:
            folder = Path(top) / what
            folder.mkdir()
            soaks.append(Soak(what, folder))
        while time.monotonic() - soaks[-1].began < seconds:
            time.sleep(READ_EVERY)
            for soak in soaks:
                soak.read()
        for soak in soaks:
            growth, early = soak.growth(seconds, 1)
            own_growth, own_early = soak.growth(seconds, 2)
            print(f"{soak.what}: {seconds:.0f} s, {soak.cpu_seconds():.0f} s of CPU, {len(soak.readings)} readings, "
                  f"{early:.1f} MiB then {growth:+.2%}; anonymous {own_early:.1f} MiB then {own_growth:+.2%}; "
                  f"{soak.checkpoints} checkpoints", flush=True)
            for code, said in soak.end():
                print(f"  exit code {code}: {progress_of(soak.what, said)}", flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 3600.0, sys.argv[2:] or list(COMMANDS))
