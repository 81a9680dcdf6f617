"""What do two threads gain: inside one trajectory of micro, over replicas of micro and of the chain?

    python benchmarks/threads.py

Replicas are independent, so what they gain is the most that this machine gives.  erf, X trained,
K = M = P = 4.  The bits do not depend on the threads; the tests hold that.  Only rounds in which other
processes were idle count; without three of them a "-" stands in the table.
"""

from common import machine, quiet_median_seconds

import onlinemode as om
from onlinemode.engines.micro import engine as micro

COORDINATES = 2e8  # N times steps of a run: some seconds


def ratio(run):
    """Time of run(threads=1) over that of run(threads=2), and the first in seconds, from interleaved runs."""
    tasks = {threads: (lambda threads=threads: run(threads)) for threads in (1, 2)}
    for task in tasks.values():
        task()
    seconds = quiet_median_seconds(tasks)
    return (seconds[1] / seconds[2], seconds[1]) if seconds else (float("nan"), float("nan"))


def text(number, digits):
    return f"{number:.{digits}f}" if number == number else "-"


def main():
    print(machine())
    problem = om.Problem(rates=om.LearningRates(xi_in=1.5))
    micro.COORDINATES_A_THREAD = 1  # share always: the table shows from which N on it pays
    print(f"{'N':>9} {'precision':>9} {'µs a step':>10} {'inside':>7} {'replicas':>9}")
    for N in (2_500, 5_000, 10_000, 30_000, 100_000, 1_000_000):
        start, steps = om.initial.committee(N, K=4), int(COORDINATES / N)
        for precision in ("float64", "float32"):
            def run(threads, replicas=1, N=N, start=start, steps=steps, precision=precision):
                return om.simulate(problem, start, steps / N, "micro", precision=precision, threads=threads,
                                   replicas=replicas, save_at=2).meta["seconds_run"]

            inside, seconds = ratio(run)
            replicas, _ = ratio(lambda threads, run=run: run(threads, replicas=2))
            print(f"{N:9,} {precision:>9} {text(seconds / steps * 1e6, 1):>10} {text(inside, 2):>7} "
                  f"{text(replicas, 2):>9}", flush=True)
    overlaps = om.initial.committee(10**4, K=4, weights=False)
    chain, seconds = ratio(lambda threads: om.simulate(problem, overlaps, 100.0, "chain", N=10**4, replicas=4,
                                                       threads=threads, save_at=2))
    print(f"chain, 4 replicas of 10^6 steps: one thread {text(seconds, 2)} s, two {text(chain, 2)} times as fast")


if __name__ == "__main__":
    main()
