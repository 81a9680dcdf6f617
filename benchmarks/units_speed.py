"""How does the cost of a step, and of an evaluation of the drift, grow with the number of units?

    python benchmarks/units_speed.py

K = M = P from 1 to 32, erf, X trained, one thread. CPU seconds, which other processes on the machine change less than
the time that passes; medians of interleaved runs.
"""

import time

from common import machine, median_seconds

import onlinemode as om
from onlinemode.engines.chain import engine as chain
from onlinemode.theory.meanfield import MeanFieldDrift

UNITS = (1, 2, 4, 8, 16, 32)
N = 10_000
STEPS = {"micro": 4_000, "chain": 100_000, "ode": 300}  # of one run; evaluations of the drift


def task(engine, K):
    """A run of one engine that returns its CPU seconds a step."""
    problem = om.Problem(rates=om.LearningRates(xi_in=1.5))
    start, steps = om.initial.committee(N, K=K), STEPS[engine]
    if engine == "ode":
        drift = MeanFieldDrift(problem, start.order_parameters())
        y = drift.full[drift.active]

    def run():
        before = time.process_time()
        if engine == "ode":
            for _ in range(steps):
                drift(y)
        else:
            om.simulate(problem, start, steps / N, engine, threads=1, save_at=2)
        return (time.process_time() - before) / steps

    run()
    return run


def main():
    print(machine())
    chain.STEPS_WORTH_COMPILING = 0  # the kernel for these sizes, as in runs that are long enough
    seconds = median_seconds({(engine, K): task(engine, K) for engine in STEPS for K in UNITS}, rounds=9)
    print(f"{'K = M = P':>10} {'micro, µs a step':>18} {'chain, µs a step':>18} {'ode, µs a drift':>18}")
    for K in UNITS:
        print(f"{K:10}" + "".join(f" {seconds[engine, K] * 1e6:18.3g}" for engine in STEPS))


if __name__ == "__main__":
    main()
