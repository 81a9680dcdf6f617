"""Annealing under label noise: which decay of the learning rate learns on, and how fast.

    python figures/annealing.py            # from figures/data
    python figures/annealing.py --fresh    # everything anew, some minutes

Two erf units that have found theirs, η = c/(α + 100) beside other rates; the law is in docs/theory, section 14.4.
"""

import math

import numpy as np
from common import run, save
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting

NOISE, BEGIN = 0.3, 100.0
N, REPLICAS, ALPHA = 1000, 16, 3000.0
LAST = 1e5
SLOPE = 2.0 / math.pi / math.sqrt(3.0)
MU = np.array([SLOPE - 1.0 / math.pi, SLOPE + 1.0 / math.pi])  # eigenvalues of E[g'(ν_k) g'(ν_l)]
BEST = 1.0 / MU[0]
RATES = {"constant": 0.5, "root": om.Schedule.power(1.0, BEGIN, -0.5),
         "slow": om.Schedule.inverse(0.35 * BEST / BEGIN, BEGIN), "inverse": om.Schedule.inverse(BEST / BEGIN, BEGIN)}
NAMES = {"constant": "η = 0.5", "root": "η = (1 + α/100)$^{-1/2}$", "slow": "η = c/(α + 100), cμ = 0.35",
         "inverse": "the same, cμ = 1"}
SHARES = (0.75, 0.85, 1.0, 1.2, 1.5, 2.0, 2.5)  # cμ, of the right panel


def law(share):
    """The limit of ε_g α/σ² at c = share/μ of the smallest eigenvalue, which is infinite up to ½."""
    each = share * MU / MU[0]
    return 0.5 * np.sum(each**2 / (2.0 * each - 1.0))


def problem(rate):
    return om.Problem(noise=NOISE, rates=om.LearningRates(xi_in=rate))


def main():
    start = om.OrderParameters(G=0.9 * np.eye(2), S=[[0.9, 0.01], [0.0, 0.85]], T=np.eye(2), strengths=np.ones(2),
                               xi_out=np.eye(2), readout=np.ones(2), teacher_readout=np.ones(2))
    figure = Figure(figsize=(10.2, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1.0])
    for number, (name, rate) in enumerate(RATES.items()):
        colour = plotting.COLOURS[number]
        theory = run(f"annealing_{name}", problem(rate), start, LAST, "ode",
                     save_at=[0.0, *np.geomspace(1.0, LAST, 120)], rtol=1e-10, atol=1e-15)
        chain = run(f"annealing_{name}_chain", problem(rate), start, ALPHA, "chain", N=N, replicas=REPLICAS, seed=3,
                    save_at=[0.0, *np.geomspace(1.0, ALPHA, 20)])
        left.plot(theory.alpha, theory.generalization_error[0] / NOISE**2, color=colour, lw=1.5, label=NAMES[name])
        mean = chain.generalization_error.mean(0) / NOISE**2
        left.plot(chain.alpha, mean, "o", color=colour, ms=4.0, mfc="none")
        error = chain.generalization_error[:, -1].std() / NOISE**2 / math.sqrt(REPLICAS)
        print(f"{name}: ε_g/σ² of the chain at α = {ALPHA:g}: {mean[-1]:.3g} ± {error:.1g}, theory "
              f"{np.interp(ALPHA, theory.alpha, theory.generalization_error[0]) / NOISE**2:.3g}; theory at {LAST:g}: "
              f"{theory.generalization_error[0, -1] / NOISE**2:.3g}")
    late = np.geomspace(300.0, LAST, 10)
    left.plot(late, law(1.0) / late, ":", color="black", lw=1.2, label=f"{law(1.0):.2f}/α")
    left.set(xscale="log", yscale="log", xlabel=r"time $\alpha$ = steps / $N$", ylabel=r"$\epsilon_g/\sigma^2$",
             xlim=(1.0, LAST), title="lines theory, circles chain at N = 1,000")
    left.legend(frameon=False, fontsize="small")
    found = []
    for share in SHARES:
        rate = om.Schedule.inverse(share * BEST / BEGIN, BEGIN)
        end = run(f"annealing_share_{share:g}", problem(rate), start, 10.0 * LAST, "ode", save_at=[0.0, 10.0 * LAST],
                  rtol=1e-10, atol=1e-15)
        found.append(end.generalization_error[0, -1] * 10.0 * LAST / NOISE**2)
        print(f"cμ = {share:g}: ε_g α/σ² at α = {10.0 * LAST:g}: {found[-1]:.4f}, law {law(share):.4f}")
    fine = np.linspace(0.53, 2.6, 300)
    right.plot(fine, [law(share) for share in fine], ":", color="black", lw=1.2, label="law")
    right.plot(SHARES, found, "o", color=plotting.COLOURS[3], ms=5.0, mfc="none", label=r"ODE at $\alpha = 10^6$")
    best = fine[np.argmin([law(share) for share in fine])]
    right.axvline(best, color="0.8", lw=1.0, zorder=0)
    print(f"best cμ {best:.3f}, ε_g α/σ² {law(best):.4f}")
    right.set(xlabel=r"$c\mu_{\min}$", ylabel=r"$\epsilon_g\,\alpha/\sigma^2$", ylim=(0.0, 12.0), xlim=(0.4, 2.6),
              title="how large c should be")
    right.legend(frameon=False, fontsize="small")
    save(figure, "annealing")


if __name__ == "__main__":
    main()
