"""What do losses, sign labels, the sphere and a teacher that drifts cost, against the squared loss with none of them?

    python benchmarks/rules_speed.py            # --quick: four rules, N = 1,000, few rounds

Steps of micro and of the chain and runs of the ode at K = M = P = 4, erf, one thread, interleaved.  Beside the times,
how far the mean ε_g of runs of the chain is from that of the ode, in standard errors, and the error of the drift of the
ode where its averages are over nodes.
"""

import sys
import warnings

import numpy as np
from common import machine, median_seconds

import onlinemode as om

RATES = om.LearningRates(xi_in=0.3)
SIGNS = {"labels": "sign"}
PLAIN = "squared"
RULES = {PLAIN: {}, "huber": {"loss": "huber"}, "correlation": {"loss": "correlation"},
         "squared, signs": SIGNS, "logistic, signs": {"loss": "logistic", **SIGNS},
         "... a tenth flipped": {"loss": "logistic", **SIGNS, "flips": 0.1},
         "hinge, signs": {"loss": "hinge", **SIGNS}, "perceptron, signs": {"loss": "perceptron", **SIGNS},
         "adatron, signs": {"loss": "adatron", **SIGNS}, "sphere": {"constraint": "sphere"},
         "drift": {"drift": 0.01}, "... every 10 steps": {"drift": 0.01, "drift_every": 10},
         "... every 100 steps": {"drift": 0.01, "drift_every": 100}}
QUICK = (PLAIN, "logistic, signs", "sphere", "drift")
STEPS = {"micro": 10_000, "chain": 21_000_000}  # of the chain as many as have machine code of their own
ODE_ALPHA = 5.0
CHECKED_AT = np.array([0.0, 1.0, 2.0, 5.0])  # α, with so many runs at this N
CHECKED_RUNS, CHECKED_N = 64, 10_000


def start_of(N):
    return om.initial.committee(N, K=4, seed=1, student_size=0.7)


def steps_of(problem, engine, N, start):
    alpha = STEPS[engine] / N
    return lambda: om.simulate(problem, start, alpha, engine, N=N, save_at=[alpha], threads=1)


def run_of(problem, start):
    return lambda: om.simulate(problem, start, ODE_ALPHA, "ode", save_at=[ODE_ALPHA])


def deviation(problem, start):
    """Largest difference between the mean ε_g of the chain and the ode, in standard errors; the error of nodes."""
    runs = om.simulate(problem, start, CHECKED_AT[-1], "chain", N=CHECKED_N, replicas=CHECKED_RUNS, save_at=CHECKED_AT)
    theory = om.simulate(problem, start, CHECKED_AT[-1], "ode", save_at=CHECKED_AT)
    found, expected = runs.generalization_error[:, 1:], theory.generalization_error[0, 1:]
    scores = (found.mean(0) - expected) / (found.std(0, ddof=1) / np.sqrt(CHECKED_RUNS))
    return np.abs(scores).max(), theory.info.quadrature_error


def table(title, unit, tasks, scale, rounds):
    """Print medians, and their ratios to the plain rule."""
    for task in tasks.values():
        task()  # compiles
    seconds = median_seconds(tasks, rounds=rounds)
    print(f"\n{title}\n{'rule':>20} {unit:>12} {'ratio':>7}", flush=True)
    for name, each in seconds.items():
        print(f"{name:>20} {each * scale:12.3g} {each / seconds[PLAIN]:7.2f}", flush=True)


if __name__ == "__main__":
    quick = "--quick" in sys.argv[1:]
    warnings.filterwarnings("ignore", message="averages over")  # their error is in a table of its own
    print(machine())
    problems = {name: om.Problem("erf", rates=RATES, **RULES[name]) for name in (QUICK if quick else RULES)}
    rounds = 3 if quick else 9
    for N in (1_000,) if quick else (1_000, 10_000):
        vectors = start_of(N)
        table(f"micro, N = {N:,}, K = M = P = 4", "µs a step",
              {name: steps_of(problem, "micro", N, vectors) for name, problem in problems.items()},
              1e6 / STEPS["micro"], rounds)
    overlaps = start_of(CHECKED_N).order_parameters()
    table("chain, K = M = P = 4", "ns a step",
          {name: steps_of(problem, "chain", CHECKED_N, overlaps) for name, problem in problems.items()},
          1e9 / STEPS["chain"], 1 if quick else 5)
    table(f"ode, K = M = P = 4, to α = {ODE_ALPHA:g}", "ms a run",
          {name: run_of(problem, overlaps) for name, problem in problems.items()}, 1e3, 1 if quick else 5)
    print(f"\nmean ε_g of {CHECKED_RUNS} runs of the chain at N = {CHECKED_N:,} against the ode, up to α = "
          f"{CHECKED_AT[-1]:g}\n{'rule':>20} {'standard errors':>16} {'nodes':>8}")
    for name, problem in problems.items():
        scores, of_nodes = deviation(problem, overlaps)
        print(f"{name:>20} {scores:16.1f} {'' if of_nodes is None else f'{of_nodes:8.0e}':>8}", flush=True)
