"""Figure 4 of Li and Huang in their own setting: N = 30, K = M = 8, P = 3, η = 5, erf.

    python figures/fig4_paper.py            # from figures/data, where it has been computed before
    python figures/fig4_paper.py --fresh    # everything anew, about six minutes on two cores

One draw of student and teacher, learned by SGD with real weight vectors, by the exact chain and by the
mean-field equations; then other draws of the same setting, whose stages come at other times.
"""

from common import run, save
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting

N, ALPHA, DRAW = 30, 10_000.0, 5
OTHER_DRAWS = (0, 2, 3, 4, 7, 9)


def main():
    problem = om.Problem(rates=om.LearningRates(xi_in=5.0))
    weights = om.initial.paper(N, seed=DRAW)
    sgd = run("fig4_paper_sgd", problem, weights, ALPHA, "micro", replicas=4, seed=1, save_at=100)
    chain = run("fig4_paper_chain", problem, weights, ALPHA, "chain", replicas=400, seed=2, keep="summary", save_at=100)
    ode = run("fig4_paper_ode", problem, weights, ALPHA, "ode", save_at=sgd.alpha)
    noise = om.fluctuations(problem, weights, ode.alpha)

    figure = Figure(figsize=(14.0, 8.4), layout="constrained")
    figure.suptitle(f"Li and Huang's setting: N = {N}, K = M = 8, P = 3, η = 5, one draw of student and teacher",
                    fontsize="medium")
    axes = figure.subplots(2, 3)
    plotting.plot_error(axes[0, 0], [sgd, chain, ode])
    plotting.plot_residuals(axes[0, 1], [sgd, ode])
    plotting.plot_specialization(axes[0, 2], [sgd, chain, ode])
    plotting.plot_matched(axes[1, 0], [sgd, ode])
    plotting.plot_deviation(axes[1, 1], [sgd, chain], ode, noise)
    several_draws(axes[1, 2], problem)
    save(figure, "fig4_paper")


def several_draws(ax, problem):
    """ε_g of other draws of weights, each with one run of SGD and its own theory."""
    for number, seed in enumerate(OTHER_DRAWS):
        weights = om.initial.paper(N, seed=seed)
        colour = plotting.COLOURS[number]
        sgd = run(f"fig4_paper_draw{seed}_sgd", problem, weights, ALPHA, "micro", seed=1, save_at=60)
        ode = run(f"fig4_paper_draw{seed}_ode", problem, weights, ALPHA, "ode", save_at=100)
        ax.plot(sgd.alpha[1:], sgd.generalization_error[0, 1:], "o", ms=3.0, mfc="none", mew=0.8, color=colour)
        ax.plot(ode.alpha[1:], ode.generalization_error[0, 1:], color=colour, lw=1.2, label=f"draw {seed}")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(1.0, 1.15 * ALPHA)
    ax.set_ylim(1e-8, 0.2)
    ax.set_xlabel(r"time $\alpha$ = steps / $N$")
    ax.set_ylabel(r"generalization error $\varepsilon_g$")
    ax.set_title("other draws: markers SGD, lines ODE", fontsize="small")
    ax.legend(frameon=False, fontsize="small", loc="lower left")


if __name__ == "__main__":
    main()
