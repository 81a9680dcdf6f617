"""Memory of the client of a large sweep, and what it does for each point.

    python benchmarks/sweep_memory.py [POINTS]

POINTS (100,000) short mean-field runs in two processes, with a folder of results; then a million points whose rows are
not computed but made up in the client, which shows what describing, batching and storing them costs.  Each in a process
of its own, which says its largest memory (resident set) before and after.
"""

import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np

import onlinemode as om

CHEAP = om.Experiment(engine="ode", init="committee", K=1, N=1000, alpha=1.0, save_at=20)


class MadeUp:
    """An executor whose rows are random numbers, at no cost."""

    _max_workers = 2

    def submit(self, function, packed, numbers, values):
        from onlinemode.sweeps.kept import nothing
        from onlinemode.sweeps.work import Batch, _unpack

        rows = nothing(_unpack(packed).kept.variables(), len(numbers))
        rng = np.random.default_rng(numbers[0])
        for entries in rows.values():
            if entries.dtype == np.float64:
                entries[...] = rng.random(entries.shape)
        rows["status"][...] = 1
        rows["seconds"][...] = 5e-3
        future = Future()
        future.set_result(Batch(numbers, rows, [None] * len(numbers)))
        return future


def memory():
    """Largest resident set of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(points, made_up):
    """One sweep; prints what it took."""
    side = round(points**0.5)
    over = {"eta": np.linspace(0.1, 2.0, side).tolist(), "noise": np.linspace(0.0, 0.5, -(-points // side)).tolist()}
    om.sweep(CHEAP, {"eta": [1.0, 2.0]})
    before, began = memory(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        executor = MadeUp() if made_up else "processes"
        made = om.sweep(CHEAP, over, executor=executor, workers=2, store=Path(folder) / "s")
        seconds, after = time.perf_counter() - began, memory()
        files = sum(1 for _ in (Path(folder) / "s").rglob("*"))
        size = sum(each.stat().st_size for each in (Path(folder) / "s").rglob("*") if each.is_file())
        count = int((made.status == "completed").sum())
        lazy = made.chunks is not None and len(made.chunks) > 0
    what = "made up" if made_up else "in two processes"
    print(f"{made.status.size:,} points {what}: {count:,} completed, {seconds:.0f} s "
          f"({1e6 * seconds / count:.0f} µs a point), client {before:.0f} MiB before, {after:.0f} MiB at most; results "
          f"{made.nbytes / 2**20:.0f} MiB, {size / 2**20:.0f} MiB in {files:,} files"
          f"{', read when used' if lazy else ''}", flush=True)


if __name__ == "__main__":
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for arguments in ((1000, False), (points, False), (1000, True), (1_000_000, True)):
        process = multiprocessing.get_context("spawn").Process(target=measure, args=arguments)
        process.start()
        process.join()
