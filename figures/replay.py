"""Replay: one task after the other, both mixed evenly, and the shares that leave the least error of both.

    python figures/replay.py            # from figures/data
    python figures/replay.py --fresh    # everything anew, some seconds

The first task has been learned, then the second one comes; theory in docs/theory, sections 14.6 and 16.
"""

import json
import sys

import numpy as np
from common import DATA, run, save
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting
from onlinemode.storage import replacing

N, SWITCH, ALPHA, KNOTS, REPLICAS = 10_000, 40.0, 40.0, 32, 8
RATES, HEADS, NOISE = om.LearningRates(xi_in=1.0, readout=1.0), (0, 1), 0.1
NAMES = {"none": "no replay", "even": "even shares", "optimal": "optimal shares"}
KEPT = DATA / "replay.json"


def problem(shares):
    return om.Problem(noise=NOISE, rates=RATES, tasks=om.Tasks(shares, HEADS))


def after_the_first_task():
    """The mean-field overlaps at which the second task begins."""
    start = om.initial.tasks(N, K=2, units=1, overlap=0.5, heads=HEADS, head_size=0.1, student_size=0.03, seed=0)
    first = run("replay_first", problem((1.0, 0.0)), start.order_parameters(), SWITCH, "ode", save_at=[0.0, SWITCH])
    end = {name: getattr(first, name)[0, -1] for name in ("G", "S", "strengths", "xi_out", "readout")}
    return om.OrderParameters(T=first.initial.T, teacher_readout=first.initial.teacher_readout, **end)


def schedules(start):
    """The shares of both tasks in words, kept in figures/data: other processors round their last digits otherwise."""
    if KEPT.exists() and "--fresh" not in sys.argv[1:]:
        return json.loads(KEPT.read_text("utf-8"))
    best = om.optimal_schedule(problem((1.0, 1.0)), start, ALPHA, KNOTS, over="task")
    print(best)
    words = {"none": ["0", "1"], "even": ["1", "1"], "optimal": [each.word for each in best.problem.tasks.shares]}
    with replacing(KEPT, "w") as file:
        json.dump(words, file, indent=1)
    return words


def main():
    start, times = after_the_first_task(), np.linspace(0.0, ALPHA, 161)
    figure = Figure(figsize=(12.4, 4.2), layout="constrained")
    of_shares, *of_tasks = figure.subplots(1, 3)
    for number, (name, words) in enumerate(schedules(start).items()):
        learned, colour = problem([om.Schedule.parse(word) for word in words]), plotting.COLOURS[number]
        theory = run(f"replay_{name}", learned, start, ALPHA, "ode", save_at=times.tolist())
        chain = run(f"replay_{name}_chain", learned, start, ALPHA, "chain", N=N, replicas=REPLICAS, seed=1,
                    save_at=times[::10].tolist())
        of_shares.plot(times, learned.shares_at(times)[:, 0], color=colour, lw=1.6, label=NAMES[name])
        for task, ax in enumerate(of_tasks):
            ax.plot(theory.alpha, theory.task_errors[0, :, task], color=colour, lw=1.6, label=NAMES[name])
            ax.plot(chain.alpha, chain.task_errors.mean(0)[:, task], "o", color=colour, ms=4.5, mfc="none")
        ends = chain.task_errors[:, -1].mean(-1)
        print(f"{name}: ε_g of the tasks at the end {theory.task_errors[0, -1]}, their mean "
              f"{theory.task_errors[0, -1].mean():.3e}, chain {ends.mean():.3e} ± "
              f"{ends.std(ddof=1) / np.sqrt(REPLICAS):.1e}")
    of_shares.set(ylabel="share of the first task", title="replay")
    for ax, name in zip(of_tasks, ("first task", "second task")):
        ax.set(ylabel=r"$\epsilon_g$", yscale="log", title=f"{name}; lines theory, circles chain")
    for ax in (of_shares, *of_tasks):
        ax.set(xlabel=r"time $\alpha$ since the second task begins", xlim=(0.0, 1.01 * ALPHA))
    of_shares.legend(frameon=False, fontsize="small")
    save(figure, "replay")


if __name__ == "__main__":
    main()
