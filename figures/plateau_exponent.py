"""The plateau of a committee against the exponent of the inputs' power-law spectrum.

    python figures/plateau_exponent.py            # from figures/data
    python figures/plateau_exponent.py --fresh    # everything anew, some minutes

Yoshida and Okada (2019) and docs/theory, section 18.
"""

import json
import sys
import warnings

import matplotlib
import numpy as np
from common import DATA, run, save
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting

N, LAST, STARTS = 1000, 1000.0, 8
EXPONENTS = tuple(np.arange(11) / 8.0)
SIMULATED = EXPONENTS[::2]
CURVES = (0.0, 0.5, 0.75, 1.0, 1.25)
TIMES = np.concatenate([[0.0], np.geomspace(0.05, LAST, 300)])
NUMBERS = DATA / "plateau_exponent.json"


def problem(exponent):
    return om.Problem(rates=om.LearningRates(xi_in=0.5), inputs=om.inputs.PowerLaw(float(exponent)))


def start(seed):
    """Nearly without overlap, so that the units have to be told apart."""
    return om.initial.committee(N, K=2, seed=seed, readout="sum", student_size=0.01)


def numbers_of(exponent, engine):
    """Of each start the length of the first plateau after α = 1, 0 without one, and when the units have specialized."""
    found = []
    for seed in range(STARTS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # that nodes resolve a spectrum to 2e-3
            each = om.simulate(problem(exponent), start(seed), LAST, engine, save_at=TIMES, seed=seed)
        lengths = [plateau.stop - plateau.start for plateau in each.plateaus() if plateau.stop > 1.0]
        found.append([float(lengths[0]) if lengths else 0.0, float(each.specialized_at(0.5)[0])])
    return found


def all_numbers():
    """Those of all exponents, from figures/data or anew."""
    if NUMBERS.exists() and "--fresh" not in sys.argv[1:]:
        return json.loads(NUMBERS.read_text(encoding="utf-8"))
    found = {engine: {f"{exponent:g}": numbers_of(exponent, engine) for exponent in exponents}
             for engine, exponents in (("ode", EXPONENTS), ("micro", SIMULATED))}
    NUMBERS.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def main():
    figure = Figure(figsize=(10.2, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, len(CURVES)))
    for exponent, colour in zip(CURVES, colours):
        each = run(f"plateau_exponent_{exponent:g}", problem(exponent), start(0), LAST, "ode", save_at=TIMES.tolist())
        left.plot(TIMES[1:], each.generalization_error[0, 1:], color=colour, lw=1.5, label=f"exponent {exponent:g}")
    left.set(xscale="log", yscale="log", ylim=(1e-5, 1.0), xlabel=r"time $\alpha$ = steps / $N$",
             ylabel=r"generalization error $\epsilon_g$", title=f"theory, $N$ = {N:,}")
    left.legend(frameon=False, fontsize="small")
    numbers = {engine: np.array([[float(exponent), *each] for exponent, starts in found.items() for each in starts])
               for engine, found in all_numbers().items()}
    theory, micro = numbers["ode"], numbers["micro"]
    for column, label, colour in ((2, "units specialized to 1/2", plotting.COLOURS[0]),
                                  (1, "length of the plateau", plotting.COLOURS[1])):
        right.plot(theory[:, 0], theory[:, column], "_", color=colour, ms=9.0, mew=1.4, alpha=0.7)
        mean = [theory[theory[:, 0] == exponent, column].mean() for exponent in EXPONENTS]
        right.plot(EXPONENTS, mean, color=colour, lw=1.5, label=label)
        print(f"{label}, theory: {', '.join(f'{exponent:g}: {value:.3g}' for exponent, value in zip(EXPONENTS, mean))}")
    right.plot(micro[:, 0] + 0.02, micro[:, 2], "o", color=plotting.COLOURS[0], ms=4.0, mfc="none",
               label="SGD, the same starts")
    for exponent in SIMULATED:
        own = micro[:, 0] == exponent
        print(f"SGD, exponent {exponent:g}: {micro[own, 2].mean():.3g} ± {micro[own, 2].std(ddof=1) / STARTS**0.5:.2g}")
    right.set(yscale="symlog", ylim=(0.0, 500.0), xlabel="exponent of the power law", ylabel=r"time $\alpha$",
              title=f"{STARTS} starts; their mean")
    right.legend(frameon=False, fontsize="small")
    save(figure, "plateau_exponent")


if __name__ == "__main__":
    main()
