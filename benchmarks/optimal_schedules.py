"""How much less error does the optimal learning rate leave, what does it take to find it, and does the chain agree?

    python benchmarks/optimal_schedules.py            # K = 2 and 3
    python benchmarks/optimal_schedules.py 4          # K = 4, minutes

erf committees with as many teacher units, σ = 0.1, overlaps of random weights in N = 10,000 (of two units those of the
tests); 32 knots; the chain at that N.
"""

import sys
import time

import numpy as np
from common import machine

import onlinemode as om
from onlinemode.errors import ParameterError

N, REPLICAS = 10_000, 16
ALPHA = {2: 150.0, 3: 400.0, 4: 1000.0}


def start_of(K):
    if K == 2:
        Q, R = np.diag([0.25, 0.2]), 1e-3 * np.array([[0.7, -0.4], [0.3, 0.9]])
    else:
        rng = np.random.default_rng(3)
        Q = 0.2 * (np.eye(K) + rng.standard_normal((K, K)) / np.sqrt(N))
        Q, R = 0.5 * (Q + Q.T), np.sqrt(0.2 / N) * rng.standard_normal((K, K))
    return om.initial.from_overlaps(Q=Q, R=R, T=np.eye(K), readout="sum")


def row(K, noise):
    start, problem = start_of(K), om.Problem(noise=noise)
    om.optimal_schedule(problem, start, 1.0, knots=2)  # compiles
    wall, cpu = time.perf_counter(), time.process_time()
    best = om.optimal_schedule(problem, start, ALPHA[K])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{K} {ALPHA[K]:5g} {noise:5g}  {best.constant_control:8.4g} {best.constant_error:10.3e} "
          f"{best.greedy.error:10.3e} {best.error:10.3e} {best.constant_error / best.error:6.2f}  "
          f"{best.evaluations:5d} {wall:6.2f} {cpu:6.2f}  {best.message}", flush=True)
    return best


def chain(best):
    constant = om.Problem(noise=best.problem.noise, rates=om.LearningRates(xi_in=best.constant_control))
    for name, problem in (("best constant", constant), ("optimal", best.problem)):
        run = om.simulate(problem, best.start, best.alpha, "chain", N=N, replicas=REPLICAS, seed=1,
                          save_at=[best.alpha])
        errors = run.generalization_error[:, -1]
        print(f"  chain, N = {N:,}, {name}: {errors.mean():.3e} ± {errors.std() / np.sqrt(REPLICAS):.1e}, median "
              f"{np.median(errors):.3e}", flush=True)


if __name__ == "__main__":
    print(machine())
    print(f"{'K':1} {'α':>5} {'σ':>5}  {'constant':>8} {'ε_g':>10} {'greedy':>10} {'optimal':>10} {'gain':>6}  "
          f"{'runs':>5} {'s':>6} {'s CPU':>6}")
    for K in [int(each) for each in sys.argv[1:]] or (2, 3):
        try:
            row(K, 0.0)
        except ParameterError as problem:  # rounding: no gradient
            print(f"{K} {ALPHA[K]:5g}     0  {problem}", flush=True)
        chain(row(K, 0.1))
