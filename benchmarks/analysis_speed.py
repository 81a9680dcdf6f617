"""What fixed points, critical rates, noise floors and laws of escape take, and a Jacobian against differences.

    python benchmarks/analysis_speed.py

erf committees with as many teacher units, T = 1, readout "sum"; seconds of CPU, the least of three turns.
"""

import time

import numpy as np
from common import machine

import onlinemode as om
from onlinemode.theory import differences

RATES = {2: 1.0, 3: 0.7, 4: 0.5}
TURNS = 3


def least(function):
    taken = []
    for _ in range(TURNS):
        began = time.process_time()
        function()
        taken.append(time.process_time() - began)
    return min(taken)


def per_call(function, calls=200):
    return least(lambda: [function() for _ in range(calls)]) / calls


def row(K):
    problem = om.Problem(rates=om.LearningRates(xi_in=RATES[K]), noise=0.1)
    quiet = om.Problem(rates=om.LearningRates(xi_in=RATES[K]))
    start = om.initial.committee(N=10**8, K=K, readout="sum", weights=False)
    symmetric = om.initial.from_overlaps(Q=0.1 * np.eye(K), R=np.zeros((K, K)), T=np.eye(K), readout="sum")
    drift = om.drift(problem, start)
    y = om.fixed_points(problem, start, alpha=1500.0).plateaus[-1].y
    exact, coarse = drift.jacobian(0.0, y), differences.jacobian(lambda state: drift(0.0, state), y)
    one = per_call(lambda: drift(0.0, y))
    reverse = per_call(lambda: drift.jacobian(0.0, y))
    by_differences = per_call(lambda: differences.jacobian(lambda state: drift(0.0, state), y), 50)
    print(f"{K:2d} {y.size:3d}  {1e6 * one:7.1f} {reverse / one:9.1f} {by_differences / one:11.1f} "
          f"{np.abs(exact - coarse).max() / np.abs(exact).max():8.0e}  "
          f"{least(lambda: om.fixed_points(problem, start, alpha=1500.0)):9.2f} "
          f"{1e3 * least(lambda: om.critical_rate(problem, start)):8.1f} "
          f"{1e3 * least(lambda: om.noise_floor(problem, start)):8.1f} "
          f"{least(lambda: om.escape_law(quiet, symmetric, N=1000)):7.2f}", flush=True)


if __name__ == "__main__":
    print(machine())
    print(f"{'K':>2} {'d':>3}  {'drift µs':>7} {'Jacobian':>9} {'differences':>11} {'apart':>8}  {'points, s':>9} "
          f"{'rate, ms':>8} {'floor, ms':>8} {'law, s':>7}")
    for K in RATES:
        row(K)
