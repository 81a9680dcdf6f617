"""Sweeps where they run: this process, two processes, a local Dask cluster of two workers; time, overhead, bits.

    python benchmarks/sweep_speed.py [POINTS] [ROUNDS]

First POINTS (10,000) mean-field runs of some milliseconds (K = M = 3, committee, α = 100, 20 saved times), then 40 runs
of the chain of about a second each.  Places take turns; medians of ROUNDS (3).  Times are those of the whole call, with
the start of the workers, and with a folder of results.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import onlinemode as om

SHORT = om.Experiment(engine="ode", init="committee", K=3, N=1000, alpha=100.0, save_at=20)
LONG = om.Experiment(engine="chain", init="committee", K=3, N=66_000, alpha=100.0, save_at=20)
PLACES = ("processes", "dask")


def timed(experiment, over, place, folder):
    """Seconds of a sweep, seconds that its points took, and the result."""
    began = time.perf_counter()
    made = om.sweep(experiment, over, executor=place, workers=2, store=folder)
    seconds = time.perf_counter() - began
    assert set(made.status.values.ravel()) == {"completed"}
    return seconds, float(made.seconds.sum()), made


def compare(title, experiment, over, rounds):
    """Rounds in turns, and whether all results are the same."""
    times, work, results = {place: [] for place in PLACES}, {place: [] for place in PLACES}, {}
    for number in range(rounds):
        for place in PLACES:
            with tempfile.TemporaryDirectory() as folder:
                seconds, inside, made = timed(experiment, over, place, Path(folder) / "s")
            times[place].append(seconds)
            work[place].append(inside)
            results[place] = made.drop_vars("seconds").load()
            print(f"  {title}, {place}, round {number + 1}: {seconds:.1f} s, points {inside:.1f} s", flush=True)
    for place in PLACES:
        seconds = statistics.median(times[place])
        idle = 1.0 - statistics.median(work[place]) / 2.0 / seconds
        print(f"{title:24} {place:10} {seconds:7.1f} s   {idle:6.1%} of two workers' time not in points")
    ratios = [dask / processes for processes, dask in zip(times["processes"], times["dask"])]
    print(f"{title:24} Dask / processes {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}), "
          f"same to the bit: {results['dask'].equals(results['processes'])}")
    return results["processes"]


def main(points=10_000, rounds=3):
    side = round(points**0.5)
    over = {"eta": f"0.2:4:{side}", "noise": f"0:0.5:{side}"}
    om.sweep(SHORT, {"eta": [1.0]}, executor="processes", workers=1)  # compiled before any time is taken
    om.sweep(LONG.replace(alpha=1.0), {"eta": [1.0]}, executor="processes", workers=1)
    short = compare(f"{side**2:,} short points", SHORT, over, rounds)
    few = {name: short[name].values[:10].tolist() for name in ("eta", "noise")}
    here = om.sweep(SHORT, few)
    times = {"eta": few["eta"], "noise": few["noise"]}
    assert here.drop_vars("seconds").equals(short.sel(times)), "other bits than in this process"
    print("the first 100 points are those of this process to the bit")
    compare("40 points of a second", LONG, {"eta": "0.5:2:40"}, rounds)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
