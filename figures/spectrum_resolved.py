"""Learning of inputs with a power-law spectrum, resolved by eigenvalues: which directions are learned when.

    python figures/spectrum_resolved.py            # from figures/data
    python figures/spectrum_resolved.py --fresh    # everything anew, a minute or two

docs/theory, section 18.7.
"""

from dataclasses import replace

import matplotlib
import numpy as np
from common import run, save
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting
from onlinemode.theory.spectral_groups import members_of

N, LAST, GROUPS, REPLICAS = 1000, 2000.0, 10, 16
TIMES = np.concatenate([[0.0], np.geomspace(0.02, LAST, 70)])
SOME = slice(1, None, 3)  # of these times, at which SGD is shown
SHOWN = (0, 2, 4, 6, 9)
BLOCKS = 32  # eigenvalues of the exact chain
PROBLEM = om.Problem(rates=om.LearningRates(xi_in=0.5), inputs=om.inputs.PowerLaw(1.0))


def blocked():
    """The power law with few eigenvalues: those of groups of neighbours are replaced by their mean."""
    eigenvalues = om.inputs.PowerLaw(1.0).spectrum(N)
    members = members_of(eigenvalues, BLOCKS)
    return om.inputs.Spectrum((np.bincount(members, eigenvalues) / np.bincount(members))[members])


def main():
    start = om.initial.committee(N, K=2, seed=3, readout="sum", student_size=0.1)
    theory = run("spectrum_resolved_ode", PROBLEM, start, LAST, "ode", save_at=TIMES.tolist(), resolve=GROUPS)
    micro = run("spectrum_resolved_micro", PROBLEM, start, LAST, "micro", save_at=TIMES[SOME].tolist(), resolve=GROUPS,
                replicas=REPLICAS, seed=1)
    chain = run("spectrum_resolved_chain", replace(PROBLEM, inputs=blocked()), start, LAST, "chain",
                save_at=TIMES[SOME].tolist(), resolve=GROUPS, replicas=REPLICAS, seed=2)
    figure = Figure(figsize=(10.2, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1.0))
    plotting.plot_resolved(left, theory)
    left.set_title("theory")
    figure.colorbar(left.collections[0], ax=left, label=r"$\lambda$, share of the teacher learned", extend="both")
    colours = matplotlib.colormaps["plasma"](np.linspace(0.0, 0.85, len(SHOWN)))
    found = micro.resolved.learned
    for group, colour in zip(SHOWN, colours):
        right.plot(TIMES[1:], theory.resolved.learned[0, 1:, group], color=colour, lw=1.4,
                   label=rf"$\omega$ = {theory.resolved.eigenvalues[group]:.3g}")
        right.errorbar(micro.alpha, found[:, :, group].mean(0), found[:, :, group].std(0, ddof=1) / np.sqrt(REPLICAS),
                       fmt="o", color=colour, ms=3.5, mfc="none", lw=0.8)
        right.plot(chain.alpha, chain.resolved.learned[:, :, group].mean(0), "+", color=colour, ms=6.0)
    right.axhline(1.0, color="0.8", lw=0.8, zorder=0)
    right.set(xscale="log", xlabel=r"time $\alpha$ = steps / $N$", ylabel=r"$\lambda$ of a group",
              title="lines theory, circles SGD, + chain")
    right.legend(frameon=False, fontsize="small", title="mean eigenvalue")
    report(theory, micro)
    for group in range(GROUPS):
        apart = chain.resolved.learned[:, :, group].mean(0) - found[:, :, group].mean(0)
        print(f"group {group}: {chain.resolved.multiplicities[group]} directions of the chain, which is within "
              f"{np.abs(apart).max():.3f} of SGD")
    save(figure, "spectrum_resolved")


def report(theory, micro):
    """When each group is learned to one half and nine tenths, and how far SGD is from it."""
    resolved = theory.resolved
    info = theory.info
    print(f"p = {info.participation:.3g}, {info.spectral_nodes} nodes, right to {info.spectral_error:.1e}")
    for group in range(resolved.groups):
        times = [np.interp(level, resolved.learned[0, :, group], TIMES) for level in (0.5, 0.9)]
        apart = micro.resolved.learned[:, :, group].mean(0) - resolved.learned[0, SOME, group]
        print(f"eigenvalue {resolved.eigenvalues[group]:8.3g}, {resolved.multiplicities[group]:4d} directions, "
              f"{resolved.traces[group]:.3f} of the trace: one half at alpha = {times[0]:.3g}, 0.9 at {times[1]:.3g}; "
              f"SGD within {np.abs(apart).max():.3f}")


if __name__ == "__main__":
    main()
