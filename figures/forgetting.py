"""Two tasks in turn: what is left of the first one, against how much they have in common.

    python figures/forgetting.py            # from figures/data
    python figures/forgetting.py --fresh    # everything anew, some minutes

Two hidden units, a head for each task; the setting is that of Lee, Goldt and Saxe (2021), docs/theory, section 16.
"""

import math

import numpy as np
from common import run, save
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting

N, SWITCH, LAST, STARTS = 10_000, 40.0, 70.0, 20
EXAMPLE = 0.5
OVERLAPS = tuple(np.linspace(0.0, 1.0, 11))
RATES = om.LearningRates(xi_in=1.0, readout=1.0)
OWN, ONE = (0, 1), None
# what differs, the heads, hidden units of the student and of a task
CASES = {"features": ("features", OWN, 2, 1), "readouts": ("readouts", OWN, 2, 2),
         "one head": ("features", ONE, 2, 1)}
NAMES = {"features": "features", "readouts": "readouts of two units", "one head": "features, one head"}
SIMULATED = ("features", "one head")


def problem(heads):
    return om.Problem(rates=RATES, tasks=om.Tasks.in_turn((0, 1), (SWITCH,), heads))


def starts(case, overlap):
    """Students and teachers by their number."""
    kind, heads, K, units = CASES[case]
    return lambda number: om.initial.tasks(N, K=K, units=units, overlap=overlap, kind=kind, heads=heads, head_size=0.1,
                                           student_size=0.03, weights=False, seed=number)


def mean_over_starts(case, overlap, engine, **call):
    """Forgetting at the end: the mean over starts, and its standard error."""
    each = run(f"forgetting_{case.replace(' ', '_')}_{engine}_{overlap:.1f}", problem(CASES[case][1]),
               starts(case, overlap), LAST, engine, replicas=STARTS, save_at=[0.0, SWITCH, LAST], **call)
    found = each.forgetting(0, SWITCH)[:, -1]
    return found.mean(), found.std(ddof=1) / math.sqrt(STARTS)


def main():
    figure = Figure(figsize=(10.2, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    start, times = starts("features", EXAMPLE)(0), np.linspace(0.0, LAST, 141)
    theory = run("forgetting_example", problem(OWN), start, LAST, "ode", save_at=times)
    chain = run("forgetting_example_chain", problem(OWN), start, LAST, "chain", N=N, save_at=times[::4], seed=1)
    for task, name in enumerate(("first task", "second task")):
        colour = plotting.COLOURS[task]
        left.plot(theory.alpha, theory.task_errors[0, :, task], color=colour, lw=1.5, label=name)
        left.plot(chain.alpha, chain.task_errors[0, :, task], "o", color=colour, ms=4.0, mfc="none")
    left.axvline(SWITCH, color="0.8", lw=1.0, zorder=0)
    left.set(yscale="log", xlabel=r"time $\alpha$ = steps / $N$", ylabel=r"$\epsilon_g$ of a task", xlim=(0.0, LAST),
             title=f"overlap {EXAMPLE:g}; lines theory, circles chain at N = {N:,}")
    left.legend(frameon=False, fontsize="small")
    for number, case in enumerate(CASES):
        colour = plotting.COLOURS[number]
        curve = [mean_over_starts(case, overlap, "ode")[0] for overlap in OVERLAPS]
        right.plot(OVERLAPS, curve, color=colour, lw=1.5, label=NAMES[case])
        worst = int(np.argmax(curve))
        print(f"{case}: theory {', '.join(f'{each:.3f}' for each in curve)}, worst at overlap {OVERLAPS[worst]:g}")
        if case in SIMULATED:
            points = np.array([mean_over_starts(case, overlap, "chain", N=N, seed=1) for overlap in OVERLAPS[::2]])
            right.errorbar(OVERLAPS[::2], points[:, 0], points[:, 1], fmt="o", color=colour, ms=5.0, mfc="none", lw=1.0)
            print(f"{case}: chain {', '.join(f'{mean:.3f} ± {error:.3f}' for mean, error in points)}")
    right.set(xlabel="overlap of the tasks", ylabel=f"forgetting, {LAST - SWITCH:g} after the switch",
              title=f"the mean of {STARTS} starts")
    right.legend(frameon=False, fontsize="small")
    save(figure, "forgetting")


if __name__ == "__main__":
    main()
