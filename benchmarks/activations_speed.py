"""What does an activation cost in a simulation: named ones and a table of a user's function, against erf?

    python benchmarks/activations_speed.py

Steps of micro at N = 10,000 and of the chain at K = M = P = 4, one thread, interleaved; the error of each table against
its function beside its time.
"""

import numpy as np
from common import machine, median_seconds

import onlinemode as om

RATES = om.LearningRates(xi_in=0.3)
TABLES = {"tanh as a table": (np.tanh, ()), "softsign": (lambda z: z / (1.0 + np.abs(z)), (0.0,)),
          "softplus": (lambda z: np.logaddexp(0.0, z), ())}
WORDS = ("erf", "linear", "relu", "tanh", "sigmoid", "erf:0.5", "erfs:0.6,0.5,0.4,2", "leaky", "poly:0,1,0,-0.03")
MICRO = {"engine": "micro", "N": 10_000, "alpha": 0.2}
CHAIN = {"engine": "chain", "N": 10_000, "alpha": 2_100.0}  # as many steps as have machine code of their own


def activations():
    """Name to activation, and the largest error of tables."""
    found = {word: (om.Activation.parse(word), None) for word in WORDS}
    for name, (function, breaks) in TABLES.items():
        made = om.Activation.from_function(function, breaks=breaks, name=name)
        z = np.random.default_rng(1).normal(scale=2.0, size=100_000)
        found[name] = made, np.abs(made(z) - function(z)).max()
    return found


def task_of(activation, start, engine, N, alpha):
    problem = om.Problem(activation, rates=RATES)
    return lambda: om.simulate(problem, start, alpha, engine, N=N, save_at=[alpha], threads=1)


def table(title, known, start, setting, rounds):
    tasks = {name: task_of(activation, start, **setting) for name, (activation, _) in known.items()}
    for task in tasks.values():
        task()  # compiles
    seconds = median_seconds(tasks, rounds=rounds)
    steps = setting["N"] * setting["alpha"]
    print(f"\n{title}\n{'activation':>20} {'ns a step':>10} {'over erf':>9} {'error':>8}")
    for name, (_, error) in known.items():
        shown = "" if error is None else f"{error:8.0e}"
        print(f"{name:>20} {seconds[name] / steps * 1e9:10.0f} {seconds[name] / seconds['erf']:9.2f} {shown:>8}")


if __name__ == "__main__":
    print(machine())
    known = activations()
    vectors = om.initial.committee(MICRO["N"], K=4, seed=1, student_size=0.7)
    table("micro, N = 10,000, K = M = P = 4", known, vectors, MICRO, 7)
    table("chain, K = M = P = 4", known, vectors.order_parameters(), CHAIN, 5)
