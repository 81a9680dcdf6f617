"""Figure 1: mode-decomposed networks on the Gaussian mixture, with the paper's three hidden units and with eight.

    python figures/fig1_mixture.py            # from figures/data, where it has been computed before
    python figures/fig1_mixture.py --fresh    # everything anew; also --full and --quick, see deep_common.py

Networks [2, H, 1] with P = 3, batch 10, 100,000 training samples. Three units without biases cannot separate four
clouds (docs/theory, section 10.4). About 4 minutes of CPU time where nothing is kept yet, ten times that with
--full.
"""

import numpy as np
from common import save
from deep_common import FULL, QUICK, budget, kept

from onlinemode import deep, plotting
from onlinemode.plotting import new_figure

HIDDEN = (3, 8)
MODES = 3
BEST = 0.9750  # what the best network reaches on the average; 10,000 test samples scatter by 0.0016
EDGE, POINTS = 1.2, 121
SHOWN = 400  # test samples in the picture


def main():
    data = deep.data.gaussian_mixture()
    networks = {hidden: measured(hidden, data) for hidden in HIDDEN}
    figure = new_figure(12.5, 4.0, f"Gaussian mixture, 1L2P [2, H, 1], P = {MODES}, {budget()[2]} setting: "
                                   f"{networks[3]['loss'].shape[1]} epochs, {budget()[1]} seeds")
    axes = figure.subplots(1, 3)
    for number, (ax, (hidden, arrays)) in enumerate(zip(axes, networks.items())):
        final = arrays["test_accuracy"][:, -1]
        print(f"H = {hidden}: test accuracy {final.mean():.4f} ± {final.std(ddof=1):.4f}; "
              + ", ".join(f"{value:.4f}" for value in final))
        regions(ax, arrays["outputs"][final.argmax()], data)
        ax.set_title(f"H = {hidden}, best of {len(final)} seeds: {final.max():.4f}", fontsize="small")
        curves(axes[2], arrays["test_accuracy"], plotting.COLOURS[number], f"H = {hidden}")
    axes[2].axhline(BEST, color=plotting.GREY, ls="--", lw=1.0, label="best possible, 0.9750")
    axes[2].set_xlabel("epoch")
    axes[2].set_ylabel("test accuracy")
    axes[2].legend(frameon=False, fontsize="small", loc="lower right", bbox_to_anchor=(1.0, 0.12))
    save(figure, "fig1_mixture" + ("_quick" if QUICK else "_full" if FULL else ""))


def measured(hidden, data):
    """Histories and outputs on a grid of all seeds."""
    given, seeds, word = budget()
    network = deep.Network((2, hidden, 1), modes=MODES, loss="mse")
    values = deep.preset(network, data, reduced=not FULL) | given
    line = np.linspace(-EDGE, EDGE, POINTS)
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)

    def compute(seed):
        run = deep.train(deep.Network((2, hidden, 1), modes=MODES, loss="mse", seed=seed), data, **values, seed=seed)
        if run.status.value != "completed":
            raise SystemExit(f"H = {hidden}, seed {seed}: {run.message or run.status.value}")
        return {"test_accuracy": run.test_accuracy, "loss": run.loss,
                "outputs": run.network.forward(grid).reshape(POINTS, POINTS)}

    return kept(f"deep_mixture_{hidden}_{word}", {"hidden": hidden, "modes": MODES, "values": values,
                                                 "data": data.fingerprint}, seeds, compute)


def regions(ax, outputs, data):
    """Where the output is positive, where negative, where exactly 0; and some test samples."""
    ax.imshow(np.sign(outputs), origin="lower", extent=(-EDGE, EDGE, -EDGE, EDGE), cmap="PuOr", vmin=-2.5, vmax=2.5)
    step = len(data.test_x) // SHOWN
    for sign, colour, marker in ((1.0, plotting.COLOURS[0], "o"), (-1.0, plotting.COLOURS[1], "s")):
        x = data.test_x[::step][data.test_y[::step] == sign]
        ax.plot(x[:, 0], x[:, 1], marker, color=colour, ms=2.5, mfc="none", label=f"label {sign:+.0f}")
    ax.set_xlabel("$x_1$")
    ax.set_ylabel("$x_2$")
    ax.set_xlim(-EDGE, EDGE)
    ax.set_ylim(-EDGE, EDGE)
    ax.legend(frameon=False, fontsize="x-small", loc="upper center", ncols=2)


def curves(ax, accuracy, colour, name):
    """One thin line a seed."""
    for number, curve in enumerate(accuracy):
        ax.plot(curve, color=colour, lw=1.0, label=name if number == 0 else None)


if __name__ == "__main__":
    main()
