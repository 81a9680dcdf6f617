"""The optimal learning rate through a plateau, against the best constant rate and the greedy one.

    python figures/optimal_rate.py            # from figures/data
    python figures/optimal_rate.py --fresh    # everything anew, some minutes

Three erf units and noise σ = 0.1, from weights that were drawn at N = 10,000; theory in docs/theory, section 14.6.
"""

import json
import sys

import numpy as np
from common import DATA, run, save
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting
from onlinemode.storage import replacing

N, K, ALPHA, NOISE, REPLICAS = 10_000, 3, 400.0, 0.1, 16
NAMES = {"constant": "best constant", "greedy": "greedy", "optimal": "optimal"}
KEPT = DATA / "optimal_rate.json"


def schedules(start):
    """The three rates in words, kept in figures/data: other processors round the last of their digits otherwise."""
    if KEPT.exists() and "--fresh" not in sys.argv[1:]:
        return json.loads(KEPT.read_text("utf-8"))
    best = om.optimal_schedule(om.Problem(noise=NOISE), start, ALPHA)
    print(best)
    greedy = best.greedy
    times = np.unique(np.searchsorted(greedy.alpha, [0.0, *np.geomspace(0.25, ALPHA, 80)]))
    knots = {float(f"{greedy.alpha[i]:.6g}"): float(f"{greedy.control[i]:.6g}") for i in times}
    words = {"constant": f"{best.constant_control:g}", "greedy": om.Schedule.linear(knots).word,
             "optimal": best.schedule.word}
    with replacing(KEPT, "w") as file:
        json.dump(words, file, indent=1)
    return words


def main():
    start = om.initial.committee(N, K=K, seed=1, readout="sum", student_size=0.45).order_parameters()
    figure = Figure(figsize=(10.2, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, (name, word) in enumerate(schedules(start).items()):
        rate, colour = om.Schedule.parse(word), plotting.COLOURS[number]
        problem = om.Problem(noise=NOISE, rates=om.LearningRates(xi_in=rate))
        theory = run(f"optimal_rate_{name}", problem, start, ALPHA, "ode",
                     save_at=np.linspace(0.0, ALPHA, 161).tolist())
        chain = run(f"optimal_rate_{name}_chain", problem, start, ALPHA, "chain", N=N, replicas=REPLICAS, seed=3,
                    save_at=np.linspace(0.0, ALPHA, 17).tolist())
        values = rate(theory.alpha) if isinstance(rate, om.Schedule) else np.full(theory.alpha.size, rate)
        left.plot(theory.alpha, values, color=colour, lw=1.6, label=NAMES[name])
        right.plot(theory.alpha, theory.generalization_error[0], color=colour, lw=1.6, label=NAMES[name])
        right.plot(chain.alpha, np.median(chain.generalization_error, axis=0), "o", color=colour, ms=4.5, mfc="none")
        end, ends = theory.generalization_error[0, -1], chain.generalization_error[:, -1]
        print(f"{name}: rate {values.min():.3g} to {values.max():.3g}; ε_g at α = {ALPHA:g}: theory {end:.3e}, chain: "
              f"median {np.median(ends):.3e}, mean {ends.mean():.3e} ± {ends.std() / np.sqrt(REPLICAS):.1e}")
    left.set(xlabel=r"time $\alpha$ = steps / $N$", ylabel=r"learning rate $\eta$", xlim=(0.0, ALPHA))
    left.set_ylim(bottom=0.0)
    right.set(xlabel=r"time $\alpha$ = steps / $N$", ylabel=r"$\epsilon_g$", yscale="log", xlim=(0.0, 1.01 * ALPHA))
    right.set_title(f"lines theory, circles chain at N = {N:,}, median of {REPLICAS}", fontsize="medium")
    left.legend(frameon=False, fontsize="small")
    right.legend(frameon=False, fontsize="small", loc="lower left")
    save(figure, "optimal_rate")


if __name__ == "__main__":
    main()
