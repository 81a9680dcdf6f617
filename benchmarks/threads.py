"""What do two threads gain: inside one trajectory of micro, over replicas of micro and of the chain?

    python benchmarks/threads.py

Replicas are independent, so what they gain is the most that this machine gives.  erf, X trained,
K = M = P = 4.  The bits do not depend on the threads; the tests hold that.
"""

from common import machine, median_seconds

import onlinemode as om
from onlinemode.engines import micro

ROUNDS = 5


def ratio(run):
    """Time of run(threads=1) over that of run(threads=2), from interleaved runs, and the first in seconds."""
    tasks = {threads: (lambda threads=threads: run(threads)) for threads in (1, 2)}
    for task in tasks.values():
        task()
    seconds = median_seconds(tasks, ROUNDS)
    return seconds[1] / seconds[2], seconds[1]


def main():
    print(machine())
    problem = om.Problem(rates=om.LearningRates(xi_in=1.5))
    micro.N_SHARED_BY_THREADS = 1  # share always: the table shows from which N on it pays
    print(f"{'N':>9} {'precision':>9} {'µs a step':>10} {'inside':>7} {'replicas':>9}")
    for N in (30_000, 100_000, 200_000, 500_000, 1_000_000):
        start, steps = om.initial.committee(N, K=4), int(2.4e8 / N)
        for precision in ("float64", "float32"):
            def run(threads, replicas=1, N=N, start=start, steps=steps, precision=precision):
                om.simulate(problem, start, steps / N, "micro", precision=precision, threads=threads,
                            replicas=replicas, save_at=2)

            inside, seconds = ratio(run)
            replicas, _ = ratio(lambda threads, run=run: run(threads, replicas=2))
            print(f"{N:9,} {precision:>9} {seconds / steps * 1e6:10.0f} {inside:7.2f} {replicas:9.2f}", flush=True)
    overlaps = om.initial.committee(10**4, K=4, weights=False)
    chain, seconds = ratio(lambda threads: om.simulate(problem, overlaps, 100.0, "chain", N=10**4, replicas=4,
                                                       threads=threads, save_at=2))
    print(f"chain, 4 replicas of 10^6 steps: one thread {seconds:.2f} s, two {chain:.2f} times as fast")


if __name__ == "__main__":
    main()
