"""What does a step of the chain cost, at which N, and against micro?

    python benchmarks/chain_speed.py

One core, erf, X trained, random committee starts.  The law of the chain is the business of the tests.
"""

from common import machine, median_seconds

import onlinemode as om
from onlinemode.engines.chain import engine as chain

STEPS = 1_000_000


def main():
    print(machine())
    problem = om.Problem(rates=om.LearningRates(xi_in=1.5))
    print(f"{'K = M = P':>10} {'N':>8} {'ns a step':>10} {'to N = 10^3':>12} {'all sizes, ns':>14}")
    for K in (4, 8):
        tasks = {}
        for exponent in (3, 6, 12):
            N = 10**exponent
            start = om.initial.committee(N, K=K, weights=False)

            def run(worth, start=start, N=N):
                chain.STEPS_WORTH_COMPILING = worth  # 0: the kernel for these sizes, as in runs that are long enough
                om.simulate(problem, start, STEPS / N, "chain", N=N, save_at=2)

            tasks[exponent, "these"] = lambda run=run: run(0)
            tasks[exponent, "all"] = lambda run=run: run(float("inf"))
        for task in tasks.values():
            task()
        seconds = median_seconds(tasks)
        for exponent in (3, 6, 12):
            these, every = (seconds[exponent, kernel] for kernel in ("these", "all"))
            print(f"{K:10} {f'10^{exponent}':>8} {these / STEPS * 1e9:10.0f} {these / seconds[3, 'these']:12.2f} "
                  f"{every / STEPS * 1e9:14.0f}")
    chain.STEPS_WORTH_COMPILING = 0
    print(f"{'N':>8} {'micro, µs a step':>17} {'chain, µs a step':>17} {'ratio':>7}   (K = M = P = 4)")
    for N in (1_000, 10_000, 100_000, 1_000_000):
        start = om.initial.committee(N, K=4)
        counts = {"micro": max(40, int(3e7 / N)), "chain": STEPS}
        tasks = {name: (lambda name=name, N=N, start=start, counts=counts:
                        om.simulate(problem, start, counts[name] / N, name, threads=1, save_at=2)) for name in counts}
        for task in tasks.values():
            task()
        seconds = median_seconds(tasks, 3)
        each = {name: seconds[name] / counts[name] * 1e6 for name in counts}
        print(f"{N:8,} {each['micro']:17.1f} {each['chain']:17.3f} {each['micro'] / each['chain']:7.0f}")


if __name__ == "__main__":
    main()
