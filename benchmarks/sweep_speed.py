"""Sweeps where they run: this process, two processes, a local Dask cluster of two workers; time, overhead, bits.

    python benchmarks/sweep_speed.py [POINTS] [ROUNDS]
    python benchmarks/sweep_speed.py theory [POINTS] [ROUNDS]

"theory": POINTS mean-field runs of K = M = 4 up to α = 100 in two processes, by SciPy's LSODA and by the compiled one,
how far numbers are from those of single runs, and what a point costs beside its integration.

Otherwise, first POINTS (10,000) mean-field runs of some milliseconds (K = M = 3, committee, α = 100, 20 saved times),
then 40 runs of the chain of about a second each.  Places take turns; medians of ROUNDS (3).  Times are those of the
whole call, with the start of the workers, and with a folder of results.
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


def theory(points=10_000, rounds=3):
    """Points of K = M = 4 in two processes; a single run, and the farthest of some points from theirs."""
    experiment = om.Experiment(engine="ode", init="committee", K=4, N=1000, alpha=100.0, save_at=20)
    over = {"eta": f"0.2:4:{points}"}
    made, times = {}, {}
    for method in ("LSODA", "compiled"):
        om.sweep(experiment.replace(method=method), {"eta": [1.0]}, executor="processes", workers=1)  # compiled
    for _ in range(rounds):
        for method in ("LSODA", "compiled"):
            began = time.perf_counter()
            made[method] = om.sweep(experiment.replace(method=method), over, executor="processes", workers=2)
            times.setdefault(method, []).append(time.perf_counter() - began)
    for method, found in made.items():
        farthest, integration = 0.0, []
        for number in range(0, points, max(points // 100, 1)):
            one = experiment.replace(method=method, eta=float(found.eta[number]), save_at=tuple(found.alpha.values))
            run = one.run()
            integration.append(run.info.seconds_run)
            farthest = max(farthest, abs(run.generalization_error[0] - found.generalization_error[number].values).max())
        seconds = statistics.median(times[method])
        print(f"{points:,} points of K = M = 4, {method:9} {seconds:6.1f} s ({min(times[method]):.1f} to "
              f"{max(times[method]):.1f}), {2e3 * seconds / points:.2f} ms of a process a point; engine in a single "
              f"run {1e3 * statistics.median(integration):.2f} ms; ε_g within {farthest:.1e} of single runs")
    apart = abs(made["LSODA"].generalization_error - made["compiled"].generalization_error).max()
    print(f"the two methods within {float(apart):.1e} of each other")


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
    kind, given = (theory, sys.argv[2:]) if sys.argv[1:2] == ["theory"] else (main, sys.argv[1:])
    kind(*map(int, given))
