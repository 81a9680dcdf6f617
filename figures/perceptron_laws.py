"""Learning curves of perceptron rules, and their asymptotic laws.

    python figures/perceptron_laws.py            # from figures/data
    python figures/perceptron_laws.py --fresh    # everything anew, a minute or two

One linear unit learns from the signs of another one, η = 1; Hebb's rule is the correlation loss.
"""

import warnings

import numpy as np
from common import run, save
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting

N, REPLICAS = 1000, 8
ALPHA, LAST = 1000.0, {"adatron": 100.0}  # AdaTron over nodes takes many steps
RULES = {  # the name, and the law: coefficient and power of α
    "correlation": ("Hebb", (2.0 * np.pi) ** -0.5, -0.5),
    "perceptron": ("perceptron", (2.0 / 3.0) ** (1.0 / 3.0) / np.pi, -1.0 / 3.0),
    "adatron": ("AdaTron", 1.5, -1.0)}


def main():
    overlaps = om.initial.committee(N, K=1, seed=1, student_size=0.3, weights=False)
    figure = Figure(figsize=(7.6, 5.2), layout="constrained")
    ax = figure.subplots()
    for number, (loss, (name, factor, power)) in enumerate(RULES.items()):
        colour, alpha = plotting.COLOURS[number], LAST.get(loss, ALPHA)
        problem = om.Problem("linear", rates=om.LearningRates(xi_in=1.0), loss=loss, labels="sign")
        times = [0.0, *np.geomspace(0.1, alpha, 80)]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="averages over")  # which docs/theory, section 12.6, states
            theory = run(f"perceptron_laws_{loss}", problem, overlaps, alpha, "ode", save_at=times, rtol=1e-6,
                         atol=1e-9)
        chain = run(f"perceptron_laws_{loss}_chain", problem, overlaps, ALPHA, "chain", N=N, replicas=REPLICAS, seed=3,
                    save_at=[0.0, *np.geomspace(0.1, ALPHA, 30)])
        ax.plot(theory.alpha, theory.classification_error[0], color=colour, lw=1.5, label=name)
        mean = chain.classification_error.mean(0)
        ax.plot(chain.alpha, mean, "o", color=colour, ms=4.0, mfc="none")
        late = np.geomspace(3.0, 2.0 * ALPHA, 50)
        ax.plot(late, factor * late**power, ":", color="black", lw=1.0)
        error = chain.classification_error[:, -1].std() / REPLICAS**0.5
        print(f"{name}: chain at α = {ALPHA:g}: {mean[-1]:.5f} ± {error:.1g}, law {factor * ALPHA**power:.5f}")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(0.1, 2.0 * ALPHA)
    ax.set_ylim(1e-3, 0.6)
    ax.set_xlabel(r"time $\alpha$ = steps / $N$")
    ax.set_ylabel("classification error")
    ax.set_title("lines theory, circles chain at N = 1,000, dotted laws", fontsize="medium")
    ax.legend(frameon=False)
    save(figure, "perceptron_laws")


if __name__ == "__main__":
    main()
