"""Figure 4 at large N: four hidden units specialize one after the other.

    python figures/fig4_stages.py            # from figures/data, where it has been computed before
    python figures/fig4_stages.py --fresh    # everything anew, about ten minutes on two cores

A soft committee machine with K = M = 4 whose teacher units have the strengths T = diag(4, 2, 1, 1/2),
η = 5.  SGD with real vectors at N = 1,000; the exact chain at N = 1,000 and N = 100,000; the
mean-field equations from the same overlaps.
"""

from common import run, save
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting

ALPHA, SMALL, LARGE = 1000.0, 1000, 100_000


def main():
    problem = om.Problem(rates=om.LearningRates(xi_in=5.0))
    weights = om.initial.graded(SMALL, K=4, seed=3, student_size=0.02)
    overlaps = weights.order_parameters()
    sgd = run("fig4_stages_sgd", problem, weights, ALPHA, "micro", replicas=2, seed=1, save_at=100)
    small = run("fig4_stages_chain_small", problem, overlaps, ALPHA, "chain", N=SMALL, replicas=100, seed=2,
                save_at=100, keep="summary")
    large = run("fig4_stages_chain_large", problem, overlaps, ALPHA, "chain", N=LARGE, replicas=3, seed=3, save_at=200)
    ode = run("fig4_stages_ode", problem, overlaps, ALPHA, "ode", save_at=large.alpha)

    figure = Figure(figsize=(14.0, 8.4), layout="constrained")
    figure.suptitle("K = M = 4, teacher units of strength 4, 2, 1, 1/2, η = 5", fontsize="medium")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.35, 1.0))
    axes = top.subplots(1, 3)
    plotting.plot_error(axes[0], [sgd, small, large, ode])
    plotting.plot_specialization(axes[1], [sgd, small, large, ode])
    plotting.plot_matched(axes[2], [large, ode])
    axes[2].set_title("chain, $N = 10^5$ (thin), and ODE", fontsize="small")
    for ax in axes:
        ax.set_xlim(1.0, 1.1 * ALPHA)
    times = plotting.map_times(ode)[1:2] + list(ode.specialization_steps())[-3:] + [ALPHA]
    maps = bottom.subplots(1, len(times))
    for ax, time in zip(maps, times):
        plotting.plot_overlap_map(ax, large, time)
    for ax in maps[1:]:
        ax.set_ylabel("")
    bottom.colorbar(maps[0].images[0], ax=list(maps), label=r"$\rho_{km}$", shrink=0.9)
    save(figure, "fig4_stages")


if __name__ == "__main__":
    main()
