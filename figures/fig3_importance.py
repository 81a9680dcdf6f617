"""Figure 3: importance of the modes, its power laws, and removal, of 1L2P networks with P = 70.

    python figures/fig3_importance.py            # from figures/data, where it has been computed before
    python figures/fig3_importance.py --fresh    # everything anew; also --full and --quick, see deep_common.py

About 3 minutes of CPU time on one core of a slow virtual machine where nothing is kept yet: five networks of 20
epochs at 0.9 s, and 14 s each for removal and geometry; 17 minutes with --full.
"""

import textwrap

from common import save
from deep_common import FULL, QUICK, budget, measured
from matplotlib.figure import Figure

from onlinemode import plotting
from onlinemode.deep.importance import ranked
from onlinemode.deep.power_law import fit_power_law
from onlinemode.deep.pruning import Removal

MODES = 70


def main():
    arrays = measured("1L2P", MODES)
    figure = Figure(figsize=(13.0, 8.0), layout="constrained")
    accuracy = 100.0 * arrays["test_accuracy"][:, -1]
    figure.suptitle(f"1L2P [784, 100, 100, 10], P = {MODES}, Fashion-MNIST, {budget()[2]} setting: "
                    f"{arrays['loss'].shape[1]} epochs, {len(accuracy)} networks, accuracy {accuracy.mean():.2f} ± "
                    f"{accuracy.std(ddof=1):.2f} %", fontsize="medium")
    axes = figure.subplots(2, 3)
    for l in range(3):
        fit = fit_power_law(arrays[f"importance_{l}"])
        plotting.plot_importance(axes[0, l], ranked(arrays[f"importance_{l}"]), fit)
        axes[0, l].set_title(textwrap.fill(f"layer {l + 1}: {fit.verdict}", 40), fontsize="small")
        removals = [Removal(*(arrays[f"removal_{l}_{name}"][seed] for name in Removal._fields))
                    for seed in range(len(accuracy))]
        plotting.plot_removal(axes[1, l], removals).set_title(f"layer {l + 1}: modes removed", fontsize="small")
        report(l, fit, removals)
    save(figure, "fig3_importance" + ("_quick" if QUICK else "_full" if FULL else ""))


def report(l, fit, removals):
    """The numbers of one layer."""
    (one, two), at = fit.segments.slopes, fit.segments.breakpoint
    words = [f"{name} {each.value:.3g} [{each.low:.3g}, {each.high:.3g}]"
             for name, each in (("slopes", one), ("and", two), ("breakpoint", at))]
    rest = fit.without_tail
    edge, rest_edge = (" (at the edge)" if each.at_edge else "" for each in (fit.segments, rest))
    print(f"layer {l + 1}: {' '.join(words)}{edge}; the first {rest.ranks} ranks: slopes {rest.slopes[0]:.3g} and "
          f"{rest.slopes[1]:.3g} breakpoint {rest.breakpoint:.3g}{rest_edge}; windows "
          + ", ".join(f"{each.first}-{each.last} {each.slope.value:.3g} ± {each.slope.standard_error:.2g}"
                      for each in fit.windows)
          + f"; bend p = {fit.bend:.2g} ({fit.bent}); BIC above the best "
          + ", ".join(f"{each.name} {each.bic - min(model.bic for model in fit.models):.1f}" for each in fit.models)
          + f"; supported: {fit.verdict}; {fit.method}")
    for order in ("ascending", "random", "descending"):
        curve = sum(getattr(each, order).reshape(-1, len(each.shares)).mean(0) for each in removals) / len(removals)
        print(f"  removed {order}: " + ", ".join(f"{share:.0%} {value:.4f}"
                                                 for share, value in zip(removals[0].shares[::4], curve[::4])))


if __name__ == "__main__":
    main()
