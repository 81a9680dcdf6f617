"""What do several tasks cost, against one?

    python benchmarks/tasks_speed.py

Two tasks of one teacher unit each and a student of two units: steps of micro at N = 1,000 and 10,000, of the chain, and
runs of ode, one thread, interleaved; modes and readout are trained.
"""

from dataclasses import replace
from functools import partial

from common import machine, median_seconds, print_costs

import onlinemode as om

RATES = om.LearningRates(xi_in=1.0, readout=1.0)
TASKS = {"one": None, "two, mixed": om.Tasks((1.0, 1.0)), "two, a head each": om.Tasks((1.0, 1.0), (0, 1)),
         "two, in turn": om.Tasks.in_turn((0, 1), (0.2,), (0, 1)),
         "two, until known": om.Tasks.until_known((0, 1), 1e-9, heads=(0, 1))}
SETTINGS = {
    "micro, N = 1,000, ns a step": {"engine": "micro", "N": 1000, "alpha": 60.0},
    "micro, N = 10,000, ns a step": {"engine": "micro", "N": 10_000, "alpha": 0.5},
    "chain, ns a step": {"engine": "chain", "N": 10_000, "alpha": 200.0},
    "ode to α = 200, µs": {"engine": "ode", "alpha": 200.0}}


def start_of(tasks, setting):
    drawn = om.initial.tasks(setting.get("N", 10_000), heads=None if tasks is None else tasks.heads, head_size=0.1,
                             student_size=0.5, weights=setting["engine"] == "micro", seed=1)
    return drawn if tasks is not None else replace(drawn, teacher_readout=drawn.teacher_readout[0])


def table(title, setting, rounds=5):
    options = {} if setting["engine"] == "ode" else {"threads": 1}
    runs = {name: partial(om.simulate, om.Problem(noise=0.1, rates=RATES, tasks=tasks), start_of(tasks, setting),
                          save_at=[setting["alpha"]], **setting, **options) for name, tasks in TASKS.items()}
    for run in runs.values():
        run()  # compiles
    seconds = median_seconds(runs, rounds=rounds)
    unit = 1e6 if setting["engine"] == "ode" else 1e9 / (setting["N"] * setting["alpha"])
    print_costs(title, "tasks", seconds, "one", unit)


if __name__ == "__main__":
    print(machine())
    for title, setting in SETTINGS.items():
        table(title, setting)
