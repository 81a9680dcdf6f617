"""What do numbers that depend on α cost, against constant ones?

    python benchmarks/schedules_speed.py

Steps of micro at N = 1,000 and 10,000, of the chain, and whole runs of ode, one thread, interleaved; the error of the
table of a function beside its time.
"""

from functools import partial

import numpy as np
from common import machine, median_seconds, print_costs

import onlinemode as om

FUNCTIONS = {"function": lambda a: 0.3 / (1.0 + 0.01 * a), "wave": lambda a: 0.3 + 0.15 * np.sin(a / 10.0)}
RATES = {"constant": 0.3, "power": "power:0.3,100,-0.5", "steps": "steps:0.3,5=0.2,1000=0.1",
         "cosine": "cosine:0.3,0,3000", **FUNCTIONS}
SETTINGS = {
    "micro, N = 1,000, ns a step": {"engine": "micro", "N": 1000, "alpha": 60.0},
    "micro, N = 10,000, ns a step": {"engine": "micro", "N": 10_000, "alpha": 0.5},
    "chain, ns a step": {"engine": "chain", "N": 10_000, "alpha": 2_100.0},
    "ode to α = 500, µs": {"engine": "ode", "alpha": 500.0}}


def table(title, setting, rounds=5):
    start = om.initial.committee(setting.get("N", 10_000), K=4, seed=1, student_size=0.7)
    start = start if setting["engine"] == "micro" else start.order_parameters()
    options = {} if setting["engine"] == "ode" else {"threads": 1}
    problems = {name: om.Problem(noise=0.1, rates=om.LearningRates(xi_in=rate)) for name, rate in RATES.items()}
    tasks = {name: partial(om.simulate, problem, start, save_at=[setting["alpha"]], **setting, **options)
             for name, problem in problems.items()}
    for task in tasks.values():
        task()  # compiles
    seconds = median_seconds(tasks, rounds=rounds)
    unit = 1e6 if setting["engine"] == "ode" else 1e9 / (setting["N"] * setting["alpha"])
    print_costs(title, "learning rate", seconds, "constant", unit)


if __name__ == "__main__":
    print(machine())
    for name, function in FUNCTIONS.items():
        sampled, alpha = om.Schedule.from_function(function).sampled(2_100.0), np.linspace(0.0, 2_100.0, 100_001)
        print(f"{name}: {len(sampled.table.coefficients)} pieces, right to "
              f"{np.abs(sampled(alpha) - function(alpha)).max():.0e}")
    for title, setting in SETTINGS.items():
        table(title, setting)
