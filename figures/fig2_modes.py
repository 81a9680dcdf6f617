"""Figure 2: accuracy of the mode-decomposed variants, against the number of modes, and the least P against the width.

    python figures/fig2_modes.py            # from figures/data, where it has been computed before
    python figures/fig2_modes.py --fresh    # everything anew; also --full and --quick, see deep_common.py

Fashion-MNIST, Adam, batch 100; the reduced setting has a tenth of the paper's epochs and of the times between
halvings of the rate. Prints the table of accuracies.

About 100 minutes of CPU time on one core of a slow virtual machine where nothing is kept yet, 80 of them for the sweep
over widths, whose epochs and seeds are its own with --full, too; 4 hours with --full. CPU seconds an epoch of 60,000
images for [784, w, w, 10]: w = 100: dense 1.1, 1L2P 0.29, 0.44 and 0.90 (P = 2, 30, 70), 1L1P 0.48 and 0.85 (P = 30,
70), SVD 1.6; w = 20: dense 0.32, 1L2P 0.32; w = 640: dense 6.5, 1L2P 0.66 and 1.3 (P = 8, 32).
"""

import json
import shutil

import numpy as np
from common import DATA, save
from deep_common import FULL, QUICK, SIZES, budget, dataset, forget_if_fresh, measured
from matplotlib.figure import Figure

from onlinemode import plotting
from onlinemode.deep import growth, width
from onlinemode.storage import replacing

VARIANTS = (("dense", None, SIZES), ("1L2P", 30, SIZES), ("1L2P", 70, SIZES), ("1L1P", 30, SIZES),
            ("1L1P", 70, SIZES), ("two-factor", 30, SIZES), ("two-factor", 50, (784, 50, 50, 10)), ("SVD", None, SIZES))
MODES = (2, 5, 10, 20, 30, 50, 70)  # of 1L2P, left panel
WIDTHS = (20, 32, 50, 80, 140, 240, 400, 640, 1000, 1600)
GRID = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64)
SHARE = 0.97
WIDTH_SEEDS = 5
WIDTH_EPOCHS, WIDTH_HALVE_EVERY = 10, 3
if QUICK:
    WIDTHS, GRID, WIDTH_SEEDS, WIDTH_EPOCHS, MODES, SHARE = (4, 6, 8, 10, 12, 14), (1, 3, 9), 1, 1, (5, 30), 0.8


def main():
    networks = {(variant, modes, sizes): measured(variant, modes, sizes)
                for variant, modes, sizes in VARIANTS}
    table(networks)
    climb = {modes: networks.get(("1L2P", modes, SIZES)) or measured("1L2P", modes) for modes in MODES}
    crossings = sweep()
    growths = growth.compare_growth([each.width for each in crossings], [each.modes for each in crossings])
    for each in growths:
        words = ", ".join(f"{name} = {value:.3g}" for name, value in each.parameters.items())
        print(f"{each.formula}: {words}, ΔAICc {each.aicc - growths[0].aicc:.1f}, rms of ln P {each.residual:.3f}")
    print("undecided:", ", ".join(growth.undecided(growths)))

    figure = Figure(figsize=(14.0, 4.4), layout="constrained")
    figure.suptitle(f"Fashion-MNIST, {budget()[2]} setting: {networks[VARIANTS[1]]['loss'].shape[1]} epochs, "
                    f"{budget()[1]} seeds; right: {WIDTH_EPOCHS} epochs, {crossings[0].dense.size} seeds",
                    fontsize="medium")
    axes = figure.subplots(1, 3)
    training(axes[0], networks)
    against_modes(axes[1], climb, networks[VARIANTS[0]])
    plotting.plot_width(axes[2], crossings, growths)
    axes[2].set_title(f"least $P$ for {SHARE:.0%} of the dense accuracy", fontsize="small")
    save(figure, "fig2_modes" + ("_quick" if QUICK else "_full" if FULL else ""))


def name_of(variant, modes, sizes):
    words = variant if modes is None else f"{variant}, P = {modes}"
    return words if sizes == SIZES else f"{words}, [{', '.join(map(str, sizes))}]"


def table(networks):
    """Accuracy at the end, mean ± sd over seeds, with parameters and multiplications against dense."""
    dense = networks[VARIANTS[0]]
    print(f"{'network':<36} {'test accuracy (%)':>18} {'parameters':>12} {'share':>6} {'mult. share':>11} "
          f"{'s/epoch':>8}")
    for key, arrays in networks.items():
        final = 100.0 * arrays["test_accuracy"][:, -1]
        print(f"{name_of(*key):<36} {final.mean():10.2f} ± {final.std(ddof=1):.2f}  {arrays['parameters'][0]:12,} "
              f"{arrays['parameters'][0] / dense['parameters'][0]:6.0%} "
              f"{arrays['multiplications'][0] / dense['multiplications'][0]:11.0%} {np.median(arrays['seconds']):8.2f}")


def training(ax, networks):
    """Test accuracy against the epoch, mean over seeds."""
    for number, (key, arrays) in enumerate(networks.items()):
        curves = 100.0 * arrays["test_accuracy"]
        epochs = np.arange(curves.shape[1])
        colour = plotting.COLOURS[number % len(plotting.COLOURS)]
        ax.plot(epochs[1:], curves.mean(0)[1:], color=colour, lw=1.2,
                label=f"{name_of(*key)}: {curves[:, -1].mean():.2f} ± {curves[:, -1].std(ddof=1):.2f}")
        ax.fill_between(epochs[1:], (curves.mean(0) - curves.std(0, ddof=1))[1:],
                        (curves.mean(0) + curves.std(0, ddof=1))[1:], color=colour, alpha=0.15, lw=0.0)
    ax.set_xlabel("epoch")
    ax.set_ylabel("test accuracy (%)")
    ax.set_ylim(np.clip(ax.get_ylim()[0], 80.0, None) if not QUICK else None, None)
    ax.legend(frameon=False, fontsize="x-small", loc="lower right")


def against_modes(ax, climb, dense):
    """Accuracy of 1L2P against P, with the dense networks as a band."""
    final = 100.0 * np.array([arrays["test_accuracy"][:, -1] for arrays in climb.values()])
    ax.errorbar(list(climb), final.mean(1), final.std(1, ddof=1), fmt="o-", color=plotting.COLOURS[0], mfc="none",
                ms=5.0, lw=1.0, capsize=2.0, label="1L2P, mean ± sd")
    reference = 100.0 * dense["test_accuracy"][:, -1]
    ax.axhspan(reference.mean() - reference.std(ddof=1), reference.mean() + reference.std(ddof=1),
               color=plotting.COLOURS[1], alpha=0.3, lw=0.0, label="dense, ± sd")
    ax.set_xscale("log")
    ax.set_xticks(list(climb), [str(modes) for modes in climb])
    ax.minorticks_off()
    ax.set_xlabel("number of modes $P$")
    ax.set_ylabel("test accuracy (%)")
    ax.legend(frameon=False, fontsize="small", loc="lower right")


def sweep():
    """The least number of modes at every width; the results of single networks lie in one file when all are there.

    More widths, seeds or numbers of modes than there are train what is missing.
    """
    train, settings = width.make_training(dataset(), values={"epochs": WIDTH_EPOCHS, "halve_every": WIDTH_HALVE_EVERY})
    path = DATA / f"fig2_width{'_quick' if QUICK else ''}.json"
    folder = DATA / "unfinished" / path.stem
    forget_if_fresh(path, folder)
    known = {}
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        known = kept["accuracy"] if kept["settings"] == json.loads(json.dumps(settings)) else {}
    slow = None

    def accuracy_of(w, modes, seed):
        nonlocal slow
        key = f"{w},{modes},{seed}"
        if key not in known:
            slow = slow or width.cached(train, folder, settings)
            known[key] = slow(w, modes, seed)
        return known[key]

    found = width.sweep(accuracy_of, WIDTHS, SHARE, GRID, WIDTH_SEEDS, lambda each: print(
        f"width {each.width}: dense {each.dense.mean():.4f}, least P {each.modes:.3g} ({each.reached})", flush=True))
    if slow is not None:
        with replacing(path, "w") as file:
            json.dump({"settings": settings, "accuracy": known}, file, indent=0)
        shutil.rmtree(folder)
    return found


if __name__ == "__main__":
    main()
