"""How relu units leave their plateau, beside erf units: exact averages, averages over nodes, and the chain.

    python figures/relu_plateau.py            # from figures/data
    python figures/relu_plateau.py --fresh    # everything anew, some seconds

Two units that learn from two orthogonal ones, readout "sum"; above their error, below how they part from each other.
"""

import warnings

import numpy as np
from common import run, save
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting

N, REPLICAS = 10**4, 4
SETTINGS = {"erf": (1.0, 300.0), "relu": (0.3, 200.0)}  # η, and the last α
SEEDS = (1, 2, 3)  # of the nodes' scrambling
STARTS = (5e-2, 5e-4, 5e-6, 5e-8)  # half of Δ


def main():
    figure = Figure(figsize=(12.0, 6.6), layout="constrained")
    axes = figure.subplots(2, 2)
    for (upper, lower), (activation, (eta, alpha)) in zip(axes.T, SETTINGS.items()):
        problem = om.Problem(activation, rates=om.LearningRates(xi_in=eta))
        overlaps = om.initial.committee(N, K=2, seed=1, student_size=0.3, weights=False, readout="sum")
        times = np.linspace(0.0, alpha, 301).tolist()
        exact = run(f"relu_plateau_{activation}", problem, overlaps, alpha, "ode", save_at=times)
        chain = run(f"relu_plateau_{activation}_chain", problem, overlaps, alpha, "chain", N=N, replicas=REPLICAS,
                    seed=2, save_at=times)
        errors(upper, exact, chain, [over_nodes(activation, problem, overlaps, alpha, times, seed) for seed in SEEDS])
        distances(lower, activation, problem, alpha)
        upper.set_title(f"{activation}, η = {eta:g}: K = M = 2, N = 10,000", fontsize="medium")
    save(figure, "relu_plateau")


def over_nodes(activation, problem, overlaps, alpha, times, seed):
    """The same theory with averages over quadrature nodes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="averages over")  # which is what the picture shows
        return run(f"relu_plateau_{activation}_nodes_{seed}", problem, overlaps, alpha, "ode", save_at=times,
                   averages="nodes", node_seed=seed)


def errors(ax, exact, chain, nodes):
    """ε_g of the chain, and of the theory with exact averages and over nodes."""
    for number, curve in enumerate(chain.generalization_error):
        ax.plot(chain.alpha, curve, color=plotting.COLOURS[0], lw=0.8, label=None if number else "chain, N = 10,000")
    for number, each in enumerate(nodes):
        ax.plot(each.alpha, each.generalization_error[0], "--", color=plotting.COLOURS[1], lw=1.0,
                label=None if number else r"theory over $2^{14}$ nodes, three scramblings")
    ax.plot(exact.alpha, exact.generalization_error[0], "k", lw=1.6, label="theory, exact averages")
    ax.set_yscale("log")
    ax.set_ylim(1e-6, 1.0)
    ax.set_xlabel(r"time $\alpha$ = steps / $N$")
    ax.set_ylabel(r"generalization error $\varepsilon_g$")
    ax.legend(frameon=False, fontsize="small", loc="lower left")


def distances(ax, activation, problem, alpha):
    """The distance of the two student units from each other, for units that begin close to each other."""
    times = [0.0, *np.geomspace(1e-4, alpha, 200)]
    for number, start in enumerate(STARTS):
        overlaps = om.initial.from_overlaps([[0.3, 0.3 - start], [0.3 - start, 0.3]], np.full((2, 2), 0.02), np.eye(2),
                                            readout="sum")
        made = run(f"relu_plateau_{activation}_distance_{number}", problem, overlaps, alpha, "ode", save_at=times)
        Q = made.Q[0]
        ax.plot(made.alpha[1:], Q[1:, 0, 0] + Q[1:, 1, 1] - 2.0 * Q[1:, 0, 1], color=plotting.COLOURS[number],
                label=rf"$\Delta(0) = 10^{{{np.log10(2.0 * start):.0f}}}$")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel(r"time $\alpha$ = steps / $N$")
    ax.set_ylabel(r"distance $\Delta = Q_{11} + Q_{22} - 2\,Q_{12}$")
    ax.set_ylim(1e-9, 3.0)
    ax.legend(frameon=False, fontsize="small", loc="lower left", ncols=2)


if __name__ == "__main__":
    main()
