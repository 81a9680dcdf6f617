"""SGD whose teacher sees the latent variables of a hidden manifold, beside theory: D/N = 1, 1/4 and 1/16.

    python figures/hidden_manifold_teacher.py            # from figures/data
    python figures/hidden_manifold_teacher.py --fresh    # everything anew, some minutes

Inputs are signs, or error functions, of N = 784 fields of D latent variables: docs/theory, sections 9.6 and 18.9.
"""

import numpy as np
from common import run, save
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting

N, LATENT, LAST, REPLICAS = 784, (784, 196, 49), 100.0, 16
TIMES = np.concatenate([[0.0], np.geomspace(0.1, LAST, 25)])
RATES = om.LearningRates(xi_in=0.2)
LOOKS = {"sign": ("o", plotting.COLOURS[0]), "erf": ("s", plotting.COLOURS[1])}
TRUSTED = 0.1  # to which the theory is asked to agree


def runs_of(D, activation):
    """SGD, its theory, and the theory of a teacher that sees the inputs and has the same covariances with them."""
    latent, seen = (om.inputs.HiddenManifold(D, activation, 1, teacher) for teacher in ("latent", "inputs"))
    start = om.initial.committee(N, K=2, seed=1, readout="sum", student_size=0.3, teacher_columns=D)
    eigenvalues, vectors = latent.eigenbasis(N)
    image = latent.teacher_moments(start.teacher, N).image
    on_inputs = om.Weights(start.xi_in, start.strengths, start.xi_out, start.readout,
                           image @ vectors / eigenvalues @ vectors.T, start.teacher_readout)
    name, times = f"hidden_manifold_teacher_{D}_{activation}", TIMES.tolist()
    problem = om.Problem(rates=RATES, inputs=latent)
    return (run(name, problem, start, LAST, "micro", save_at=times, replicas=REPLICAS, seed=2, test_samples=20_000),
            run(f"{name}_ode", problem, start, LAST, "ode", save_at=times),
            run(f"{name}_told", om.Problem(rates=RATES, inputs=seen), on_inputs, LAST, "ode", save_at=times))


def main():
    figure = Figure(figsize=(11.4, 6.4), layout="constrained")
    axes = figure.subplots(2, len(LATENT), sharex=True, sharey="row", height_ratios=(1.6, 1.0))
    for (top, bottom), D in zip(axes.T, LATENT):
        bottom.axhspan(-TRUSTED, TRUSTED, color="0.92", lw=0, zorder=0)
        bottom.axhline(0.0, color="0.6", lw=0.8, zorder=0)
        for number, (activation, (marker, colour)) in enumerate(LOOKS.items()):
            sgd, theory, told = runs_of(D, activation)
            mean, spread = sgd.error.mean(0), sgd.error.std(0, ddof=1) / np.sqrt(REPLICAS)
            later, at = TIMES > 0.0, TIMES * (0.985 + 0.03 * number)
            top.plot(TIMES[later], told.generalization_error[0, later], ":", color=colour, lw=1.2,
                     label=f"{activation}: theory without $T_{{\\mathrm{{res}}}}$")
            top.plot(TIMES[later], theory.generalization_error[0, later], color=colour, lw=1.3,
                     label=f"{activation}: theory")
            top.errorbar(TIMES[later], mean[later], 2.0 * spread[later], fmt=marker, ms=3.5, color=colour,
                         label=f"{activation}: SGD")
            apart = theory.generalization_error[0] / mean - 1.0
            bottom.errorbar(at[later], apart[later], 2.0 * (spread / mean)[later], fmt=marker, ms=3.5, color=colour)
            print(f"D = {D}, {activation}: {apart.min():+.1%} to {apart.max():+.1%}, at the end {apart[-1]:+.1%} ± "
                  f"{spread[-1] / mean[-1]:.1%}; ε_g {mean[-1]:.4f}, without T_res "
                  f"{told.generalization_error[0, -1]:.4f}; p = {theory.info.participation:.0f}")
        top.set_title(f"D = {D}, N = {N}", fontsize="medium")
        top.set(xscale="log", yscale="log")
        bottom.set_xlabel(r"time $\alpha$ = steps / $N$")
    axes[0, 0].set_ylabel(r"generalization error $\varepsilon_g$")
    axes[1, 0].set_ylabel("theory / SGD − 1")
    axes[1, 0].set_ylim(-0.2, 0.45)
    axes[0, 0].legend(frameon=False, fontsize="small", loc="lower left")
    save(figure, "hidden_manifold_teacher")


if __name__ == "__main__":
    main()
