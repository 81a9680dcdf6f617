"""What float32 weights cost: the same inputs learned in float32 and in float64.

    python benchmarks/float32_accuracy.py

A long run over plateau and specialization, where the difference is compared with that of another seed,
which is of the order of N^-1/2; and a noiseless run that converges, where the generalization error of
float32 weights ends at a floor.  About 5 minutes.
"""

import numpy as np
from common import machine

import onlinemode as om


def largest(a, b, names=("G", "S")):
    """Largest difference of the order parameters at each saved time."""
    return np.max([np.abs(getattr(a, name)[0] - getattr(b, name)[0]).max((-2, -1)) for name in names], axis=0)


def long_run(N=10_000, alpha=200.0):
    problem = om.Problem(rates=om.LearningRates(xi_in=3.0))
    start = om.initial.showcase(N, seed=1)
    times = np.array([0.0, 1.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 75.0, 100.0, 150.0, 200.0])
    times = times[times <= alpha]
    double, single, other = (om.simulate(problem, start, alpha, seed=seed, precision=precision, save_at=times)
                             for seed, precision in ((0, "float64"), (0, "float32"), (1, "float64")))
    print(f"\nN = {N:,}, K = M = P = 3, η = 3, {alpha * N:,.0f} steps; N^-1/2 = {N**-0.5:.3f}")
    print(f"{'α':>6} {'ε_g':>10} {'float32 - float64':>18} {'seed 1 - seed 0':>16} {'ε_g, relative':>14}")
    errors = double.generalization_error[0], single.generalization_error[0]
    for i, time in enumerate(times):
        print(f"{time:6g} {errors[0][i]:10.3e} {largest(single, double)[i]:18.1e} {largest(other, double)[i]:16.1e} "
              f"{abs(errors[1][i] / errors[0][i] - 1.0):14.1e}")


def converged_run(N=1_000, alpha=400.0):
    problem = om.Problem(rates=om.LearningRates(xi_in=1.5))
    start = om.initial.committee(N, K=2, M=2, seed=1, readout="sum")
    times = np.array([0.0, 50.0, 100.0, 120.0, 140.0, 160.0, 180.0, 200.0, 250.0, 300.0, 400.0])
    print(f"\nN = {N:,}, committee K = M = 2, η = 1.5, no noise: ε_g from the overlaps (never below 0), and the\n"
          "largest |G - S| between a unit and its teacher, which is exactly 0 at the solution")
    runs = [om.simulate(problem, start, alpha, precision=precision, save_at=times)
            for precision in ("float64", "float32")]
    print(f"{'α':>6} {'float64 ε_g':>12} {'float32 ε_g':>12} {'float64 G-S':>12} {'float32 G-S':>12}")
    for i, time in enumerate(times):
        errors = [run.generalization_error[0, i] for run in runs]
        gaps = [max(min(abs(run.G[0, i, p, p] - value) for value in run.S[0, i, p]) for p in range(2)) for run in runs]
        print(f"{time:6g} " + " ".join(f"{value:12.1e}" for value in (*errors, *gaps)))


if __name__ == "__main__":
    print(machine())
    long_run()
    converged_run()
