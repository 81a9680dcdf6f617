"""How fast and how exact are the averages of relu and tanh, in closed form and over nodes?

    python benchmarks/averages_speed.py

First one drift at K = M = P = 3 and 4, and the error of nodes: largest entry, against the closed form, median of six
scramblings.
Then whole runs through a plateau, K = M = 3, at rtol 1e-8: when the specialization reaches 0.5, and the largest
relative error of ε_g against rtol 1e-11.
"""

import numpy as np
from common import machine, median_seconds

import onlinemode as om
from onlinemode.theory.meanfield import MeanFieldDrift

RATES = om.LearningRates(xi_in=1.0, strengths=0.2, xi_out=0.2, readout=0.2)
SCRAMBLINGS = 6
RUNS = {"relu": (0.5, 500.0), "tanh": (1.5, 1000.0), "erf": (1.5, 500.0)}  # η, and the last α


def start_of(K):
    return om.initial.committee(2000, K=K, seed=1, student_size=0.7).order_parameters()


def drift_of(activation, K, **how):
    return MeanFieldDrift(om.Problem(activation, noise=0.1, rates=RATES), start_of(K), **how)


def over_nodes(activation, K, seed):
    return drift_of(activation, K, node_seed=seed, averages="nodes")


def many(drift, count):
    y = drift.full[drift.active]
    drift(y)

    def task():
        for _ in range(count):
            drift(y)

    return task


def drift_table():
    print(f"{'activation':>10} {'K':>2} {'closed µs':>10} {'nodes µs':>9} {'ratio':>7} {'error of nodes':>15}")
    for activation in ("relu", "tanh"):
        for K in (3, 4):
            closed, nodes = drift_of(activation, K), [over_nodes(activation, K, seed) for seed in range(SCRAMBLINGS)]
            y = closed.full[closed.active]
            exact = closed(y)
            error = np.median([np.abs(each(y) - exact).max() for each in nodes]) / np.abs(exact).max()
            seconds = median_seconds({"closed": many(closed, 100), "nodes": many(nodes[0], 20)}, rounds=7)
            one, other = seconds["closed"] / 100, seconds["nodes"] / 20
            print(f"{activation:>10} {K:2} {one * 1e6:10.1f} {other * 1e6:9.0f} {other / one:7.1f} {error:15.1e}")


def run_table():
    print(f"\n{'activation':>10} {'ends at':>8} {'to α':>6} {'seconds':>8} {'evaluations':>12} {'error':>9}")
    for activation, (eta, alpha) in RUNS.items():
        problem = om.Problem(activation, rates=om.LearningRates(xi_in=eta))
        start = om.initial.committee(10_000, K=3, seed=2, readout="sum", student_size=0.1).order_parameters()
        times = np.concatenate([[0.0], np.geomspace(0.1, alpha, 100)])

        def run(rtol=1e-8, atol=1e-12, problem=problem, start=start, times=times):
            return om.simulate(problem, start, times[-1], "ode", save_at=times, rtol=rtol, atol=atol)

        made = run()
        seconds = median_seconds({"run": run}, rounds=5)["run"]
        error, exact = made.generalization_error[0], run(1e-11, 1e-15).generalization_error[0]
        shown = exact > 1e-9
        print(f"{activation:>10} {made.specialized_at(0.5)[0]:8.1f} {alpha:6.0f} {seconds:8.3f} "
              f"{made.info.evaluations:12,} {np.abs(error / exact - 1.0)[shown].max():9.1e}")


if __name__ == "__main__":
    print(machine())
    drift_table()
    run_table()
