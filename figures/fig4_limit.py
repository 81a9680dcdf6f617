"""How simulations approach the mean-field equations as N grows from 30 to 10^7.

    python figures/fig4_limit.py            # from figures/data, where it has been computed before
    python figures/fig4_limit.py --fresh    # everything anew; N = 10^7 alone makes 10^9 steps

The exact chain from one set of initial overlaps (those of the default run) at every N, SGD with real
vectors where it is affordable, and what the linear-noise theory expects.
"""

import numpy as np
from common import run, save
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import agreement, plotting

ALPHA = 50.0
TIMES = np.concatenate([[0.0], np.geomspace(0.05, ALPHA, 59)])
REPLICAS = {30: 4000, 100: 2000, 1000: 400, 10**4: 100, 10**5: 40, 10**6: 10, 10**7: 2}
SGD_REPLICAS = {30: 400, 100: 200, 1000: 20}
SHOWN = (1.0, 10.0, 50.0)  # early, on the plateau, past it


def main():
    problem = om.Problem(rates=om.LearningRates(xi_in=3.0))
    overlaps = om.initial.showcase(10**4).order_parameters()
    times = TIMES.tolist()
    chains = [run(f"fig4_limit_chain_{N}", problem, overlaps, ALPHA, "chain", N=N, replicas=replicas, seed=N,
                  save_at=times, keep="summary") for N, replicas in REPLICAS.items()]
    sgd = [run(f"fig4_limit_sgd_{N}", problem, overlaps, ALPHA, "micro", N=N, replicas=replicas, seed=N + 1,
               save_at=times, keep="summary") for N, replicas in SGD_REPLICAS.items()]
    ode = run("fig4_limit_ode", problem, overlaps, ALPHA, "ode", save_at=times)
    noise = om.fluctuations(problem, overlaps, TIMES)

    figure = Figure(figsize=(14.0, 8.4), layout="constrained")
    figure.suptitle("The default run at every N: K = M = P = 3, η = 3, the same initial overlaps", fontsize="medium")
    axes = figure.subplots(2, 3)
    against_N(axes[0, 0], chains, sgd, ode, noise)
    collapse(axes[0, 1], chains, ode, noise)
    for ax, chain in zip(axes.flat[2:], chains[:4]):
        plotting.plot_error(ax, [chain, ode], noise)
        ax.set_ylim(1e-3, 0.2)
    save(figure, "fig4_limit")


def deviation(simulated, ode):
    """Root mean square deviation from theory at the run's own times: a step is saved once if several fall on it."""
    if simulated.alpha.shape != ode.alpha.shape:
        ode = om.simulate(simulated.problem, simulated.initial, ALPHA, "ode", save_at=simulated.alpha)
    return agreement.rms_deviation(simulated, ode)


def against_N(ax, chains, sgd, ode, noise):
    """Root mean square deviation of (Q, R) from the mean-field equations against N, at a few times."""
    def at(alpha, runs):
        return [deviation(each, ode)[np.abs(each.alpha - alpha).argmin()] for each in runs]

    sizes = np.array(list(REPLICAS))
    for number, alpha in enumerate(SHOWN):
        i = int(np.abs(TIMES - alpha).argmin())
        colour = plotting.COLOURS[number]
        ax.plot(sizes, at(TIMES[i], chains), "o", color=colour, ms=5.0, mfc="none", label=rf"$\alpha = {TIMES[i]:.3g}$")
        ax.plot(list(SGD_REPLICAS), at(TIMES[i], sgd), "x", color=colour, ms=6.0)
        ax.plot(sizes, [agreement.expected_deviation(noise, N)[i] for N in sizes], ":", color=colour, lw=1.2)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("$N$")
    ax.set_ylabel("rms deviation of $(Q, R)$ from the ODE")
    ax.set_title("circles chain, crosses SGD, dotted linear noise", fontsize="small")
    ax.legend(frameon=False, fontsize="small")


def collapse(ax, chains, ode, noise):
    """√N times the deviation against α: one curve for all N, where the linear-noise theory holds."""
    for number, chain in enumerate(chains):
        size = chain.N if chain.N < 100 else f"10^{round(np.log10(chain.N))}"
        ax.plot(chain.alpha[1:], np.sqrt(chain.N) * deviation(chain, ode)[1:], lw=1.2,
                color=plotting.COLOURS[number], label=f"$N = {size}$")
    ax.plot(TIMES[1:], np.sqrt(10.0**9) * agreement.expected_deviation(noise, 10**9)[1:], "k:", lw=1.6,
            label="linear noise")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel(r"time $\alpha$ = steps / $N$")
    ax.set_ylabel(r"$\sqrt{N}$ × rms deviation of $(Q, R)$")
    ax.legend(frameon=False, fontsize="small", loc="upper left")


if __name__ == "__main__":
    main()
