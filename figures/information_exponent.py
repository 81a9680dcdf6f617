"""How long a single Hermite unit takes to find its teacher, against N: the information exponent read off.

    python figures/information_exponent.py            # from figures/data
    python figures/information_exponent.py --fresh    # everything anew, some minutes

One unit of activation He_k on the sphere learns from another one by the correlation loss, from the overlap of a random
start, R = N^(-1/2).
"""

import numpy as np
from common import run, save
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting

REPLICAS, FOUND = 8, 0.5  # the overlap at which the teacher counts as found
# degree: η times N to the power (k-2)/2, so that noise does not drown the drift; sizes; the last ηα of the chain
SETTINGS = {2: (0.05, (100, 300, 1000, 3000, 10_000, 30_000, 100_000), lambda N: 2.0 + 0.5 * np.log(N)),
            3: (0.05, (100, 300, 1000, 3000, 10_000), lambda N: 0.2 * np.sqrt(N)),
            4: (0.01, (30, 50, 100, 200), lambda N: 0.05 * N)}


def main():
    figure = Figure(figsize=(7.6, 5.2), layout="constrained")
    ax = figure.subplots()
    for number, (degree, (rate, sizes, last)) in enumerate(SETTINGS.items()):
        found = np.array([times(degree, rate * N ** (1.0 - degree / 2.0), N, last(N)) for N in sizes])
        theory, median, low, high = found.T
        colour = plotting.COLOURS[number]
        ax.plot(sizes, theory, color=colour, lw=1.5, label=f"He$_{degree}$")
        ax.errorbar(sizes, median, [median - low, high - median], fmt="o", color=colour, ms=4.0, mfc="none", lw=1.0)
        slope = np.polyfit(np.log(sizes), np.log(theory), 1)[0]
        print(f"He_{degree}: slope of ln(ηα) against ln N {slope:.3f}; ηα at the largest N {theory[-1]:.3f} (theory), "
              f"{median[-1]:.3f} (chain)")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("$N$")
    ax.set_ylabel(r"$\eta\alpha$ at which $R = 0.5$")
    ax.set_title("lines theory, circles chain (median and quartiles of eight)", fontsize="medium")
    ax.legend(frameon=False)
    save(figure, "information_exponent")


def times(degree, rate, N, last):
    """ηα at which the teacher is found: of the theory, and median and quartiles of the chain.

    A run that does not find it counts as one that does at its end.
    """
    problem = om.Problem(f"he:{degree}", loss="correlation", constraint="sphere", rates=om.LearningRates(xi_in=rate))
    start = om.initial.from_overlaps([[1.0]], [[N**-0.5]], [[1.0]], readout="sum")
    saved = np.linspace(0.0, last / rate, 401).tolist()
    theory = run(f"information_exponent_{degree}_{N}", problem, start, saved[-1], "ode", save_at=saved)
    chain = run(f"information_exponent_{degree}_{N}_chain", problem, start, saved[-1], "chain", N=N, replicas=REPLICAS,
                seed=degree, save_at=saved)
    found = [rate * first_time(chain.alpha, np.abs(R)) for R in chain.R[:, :, 0, 0]]
    return rate * first_time(theory.alpha, theory.R[0, :, 0, 0]), *np.quantile(found, [0.5, 0.25, 0.75])


def first_time(alpha, R):
    """Where R reaches FOUND, between two saved times; the last one if never."""
    above = np.flatnonzero(R > FOUND)
    if not above.size:
        return float(alpha[-1])
    i = above[0]
    return float(np.interp(FOUND, R[i - 1:i + 1], alpha[i - 1:i + 1]))


if __name__ == "__main__":
    main()
