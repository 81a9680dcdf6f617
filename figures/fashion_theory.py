"""SGD on images of Fashion-MNIST beside the theory of Gaussian inputs of their covariance.

    python figures/fashion_theory.py            # from figures/data
    python figures/fashion_theory.py --fresh    # everything anew, some minutes; needs the data set

Images are standardised, or have the means of their columns subtracted; the control draws Gaussian inputs of the same
covariance: docs/theory, section 18.5.
"""

import numpy as np
from common import DATA, run, save
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting
from onlinemode.errors import FileError

N, LAST, REPLICAS, SEEDS = 784, 100.0, 16, (1, 2)
TIMES = np.concatenate([[0.0], np.geomspace(0.1, LAST, 25)])
RATES = om.LearningRates(xi_in=0.2)
KINDS = {"standardised": "standardised images", "centred": "images less their mean"}
TRUSTED = 0.1  # to which the theory is asked to agree


def inputs_of(kind):
    """Rows of the data set as inputs; None where the data are not there, and what is kept is drawn."""
    try:
        images = om.deep.data.find("fashion-mnist").train_x
    except FileError:
        return None
    if kind == "standardised":
        return om.inputs.Rows(images)
    return om.inputs.Rows(images - images.mean(0, dtype=np.float64), standardise=False)


def weights(seed, basis=None):
    """Student and teacher of independent normal entries, in the coordinates of a basis."""
    rng = np.random.default_rng(seed)
    student, teacher = 0.3 * rng.standard_normal((2, N)), rng.standard_normal((2, N))
    if basis is not None:
        student, teacher = student @ basis, teacher @ basis
    ones = np.ones(2)
    return om.Weights(xi_in=student, strengths=ones, xi_out=np.eye(2), readout=ones, teacher=teacher,
                      teacher_readout=ones)


def found(name, inputs, start, engine, **call):
    """A run of these inputs; without them the one that is kept."""
    if inputs is None:
        return om.load(DATA / f"{name}.npz")
    return run(name, om.Problem(rates=RATES, inputs=inputs), start, LAST, engine, save_at=TIMES.tolist(), **call)


def runs_of(kind, seed):
    """SGD on the images, on Gaussian inputs of their covariance, and the theory of both."""
    images, control, start = inputs_of(kind), None, weights(seed)
    in_basis = start
    if images is not None:
        eigenvalues, basis = images.eigenbasis(N)
        control, in_basis = om.inputs.Spectrum(eigenvalues), weights(seed, basis)
    name = f"fashion_theory_{kind}_{seed}"
    return (found(f"{name}_images", images, start, "micro", replicas=REPLICAS, seed=seed),
            found(f"{name}_control", control, in_basis, "micro", replicas=REPLICAS, seed=seed),
            found(f"{name}_ode", control, in_basis, "ode"))


def compared(each, theory):
    """Mean and standard error of ε_g, and theory over that mean, less 1."""
    error = each.generalization_error
    mean, spread = error.mean(0), error.std(0, ddof=1) / np.sqrt(len(error))
    return mean, spread, theory.generalization_error[0] / mean - 1.0


def main():
    figure = Figure(figsize=(10.2, 6.4), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(1.5, 1.0))
    looks = (("images", "o", plotting.COLOURS[0]), ("Gaussian, same covariance", "s", plotting.COLOURS[1]))
    for column, (kind, title) in enumerate(KINDS.items()):
        top, bottom = axes[:, column]
        bottom.axhspan(-TRUSTED, TRUSTED, color="0.92", lw=0, zorder=0)
        bottom.axhline(0.0, color="0.6", lw=0.8, zorder=0)
        for number, seed in enumerate(SEEDS):
            *simulated, theory = runs_of(kind, seed)
            later, shift = TIMES > 0.0, 0.985 + 0.03 * number
            if number == 0:
                top.plot(TIMES[later], theory.generalization_error[0, later], "k-", lw=1.3, label="theory")
            for each, (label, marker, colour) in zip(simulated, looks):
                mean, spread, apart = compared(each, theory)
                fill = colour if number == 0 else "none"
                if number == 0:
                    top.errorbar(TIMES[later], mean[later], spread[later], fmt=marker, color=colour, ms=4.0, mfc="none",
                                 lw=1.0, label=f"SGD, {label}")
                bottom.errorbar(shift * TIMES[later], apart[later], ((1.0 + apart) * spread / mean)[later], fmt=marker,
                                color=colour, ms=3.5, mfc=fill, lw=0.8)
                worst = int(np.argmax(np.abs(apart)))
                print(f"{kind}, start {seed}, {label}: theory over SGD {apart.min():+.1%} to {apart.max():+.1%}, "
                      f"{apart[worst]:+.1%} ± {(spread / mean)[worst]:.1%} at alpha = {TIMES[worst]:.3g}")
                if each.gaussian_equivalence is not None:
                    print(f"    {each.gaussian_equivalence.words}")
            if number == 0:
                print(f"{kind}: participation number {theory.info.participation:.3g}, "
                      f"{theory.info.spectral_nodes} nodes, right to {theory.info.spectral_error:.1e}")
        top.set(xscale="log", yscale="log", title=f"{title}, $p$ = {theory.info.participation:.1f}")
        bottom.set(xlabel=r"time $\alpha$ = steps / $N$", ylim=(-0.25, 0.25))
    axes[0, 0].set_ylabel(r"generalization error $\epsilon_g$")
    axes[1, 0].set_ylabel(r"theory / SGD $-$ 1")
    axes[0, 0].legend(frameon=False, fontsize="small")
    axes[1, 1].text(0.98, 0.04, "filled: the start above, open: another one", ha="right", fontsize="small",
                    transform=axes[1, 1].transAxes)
    save(figure, "fashion_theory")


if __name__ == "__main__":
    main()
