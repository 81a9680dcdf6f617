"""How large a learning rate may be: perfect students, noise floors, and norms that run away.

    python figures/rate_phases.py            # from figures/data
    python figures/rate_phases.py --fresh    # everything anew, some minutes

Committees of K erf units with as many teacher units, T = 1, readout "sum"; docs/theory, section 19.2.
"""

import sys

import numpy as np
from common import DATA, save
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from scipy.optimize import brentq

import onlinemode as om
from onlinemode import plotting
from onlinemode.errors import FileError
from onlinemode.storage import read_archive, write_archive

KIND = "figure data"
TICKS = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
UNITS = tuple(range(1, 9))
RATIOS = (0.25, 0.5, 0.8, 0.95, 1.05, 1.25, 2.0)  # of the critical rate
LONG = 2000.0  # over the learning rate: when a run has come to where it goes
AWAY = 1e-3  # of the start from the perfect student
K, NOISES, RATES = 2, np.linspace(0.0, 1.5, 16), np.linspace(0.2, 3.6, 35)
CHAIN = {"N": 500, "replicas": 4, "over": 200.0}  # the last α is this over the learning rate


def closed_boundary(K):
    """η_c of K units, the least root of det(L − ηV) = 0: docs/theory, section 19.2."""
    a = 2.0 / np.pi
    L = 2.0 * np.array([[a / 3**0.5, (K - 1) * a / 2], [a / 2, a / 3**0.5 + (K - 2) * a / 2]])
    V = a**2 * np.array([
        [5**-0.5 + (K - 1) / 3, (K - 1) / 2**0.5 + (K - 1) * (K - 2) / (2 * 3**0.5)],
        [2**-0.5 + (K - 2) / (2 * 3**0.5), 2 / 3 + 2 * (K - 2) / 3**0.5 + (K - 2) * (K - 3) / 4]])
    det, largest = lambda rate: np.linalg.det(L - rate * V), 3.0 * np.pi * 3**0.5 / K
    tried = np.linspace(0.0, largest, 2000)
    signs = np.sign([det(rate) for rate in tried])
    first = int(np.flatnonzero(signs != signs[0])[0])
    return brentq(det, tried[first - 1], tried[first])


def near_perfect(K):
    """A start beside the perfect student."""
    overlaps = np.eye(K) * (1.0 - AWAY)
    return om.initial.from_overlaps(Q=np.eye(K), R=overlaps, T=np.eye(K), readout="sum")


def problem_of(rate, noise=0.0):
    return om.Problem(rates=om.LearningRates(xi_in=rate), noise=noise)


def learned():
    """Whether runs from beside the perfect student come to it (units, ratios)."""
    found = np.zeros((len(UNITS), len(RATIOS)))
    for i, units in enumerate(UNITS):
        critical = om.critical_rate(problem_of(1.0), near_perfect(units)).rate
        for j, ratio in enumerate(RATIOS):
            run = om.simulate(problem_of(ratio * critical), near_perfect(units), LONG / (ratio * critical), "ode",
                              save_at=10)
            error = run.generalization_error[0]
            found[i, j] = error[-1] < error[0]
        print(f"K = {units}: η_c = {critical:.6f}, closed {closed_boundary(units):.6f}, learned {found[i]}", flush=True)
    return found


def floors():
    """Noise floors of K units, NaN where there is none, by the equations and by the chain (noises, rates)."""
    theory, chain = np.full((2, len(NOISES), len(RATES)), np.nan)
    for j, rate in enumerate(RATES):
        for i, noise in enumerate(NOISES):
            theory[i, j] = om.noise_floor(problem_of(rate, noise), near_perfect(K)).level
            last = CHAIN["over"] / rate
            run = om.simulate(problem_of(rate, noise), near_perfect(K), last, "chain", N=CHAIN["N"],
                              replicas=CHAIN["replicas"], seed=100 * i + j, save_at=np.linspace(0.0, last, 41))
            late = run.generalization_error[:, run.alpha > 0.5 * run.alpha[-1]]
            chain[i, j] = late.mean() if np.isfinite(late).all() else np.nan
        print(f"η = {rate:.2f}", flush=True)
    return theory, chain


def main():
    path = DATA / "rate_phases.npz"
    settings = {"units": list(UNITS), "ratios": list(RATIOS), "noises": NOISES.tolist(), "rates": RATES.tolist(),
                "chain": CHAIN}
    arrays = None
    if "--fresh" not in sys.argv[1:]:
        try:
            header, arrays = read_archive(path, KIND)
            arrays = arrays if header.get("settings") == settings else None
        except FileError:
            pass
    if arrays is None:
        theory, chain = floors()
        arrays = {"learned": learned(), "theory": theory, "chain": chain}
        DATA.mkdir(exist_ok=True)
        write_archive(path, KIND, {"settings": settings}, arrays)
    figure = Figure(figsize=(13.0, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    draw_boundary(left, arrays["learned"])
    draw_floors(middle, arrays["theory"], "equations, infinite time")
    mesh = draw_floors(right, arrays["chain"], f"chain, N = {CHAIN['N']}, α = {CHAIN['over']:g}/η")
    right.contour(RATES, NOISES, np.isfinite(arrays["theory"]), [0.5], colors="w", linewidths=1.0)
    figure.colorbar(mesh, ax=[middle, right], label=r"$\varepsilon_g$", extend="both")
    both = np.isfinite(arrays["theory"]) & np.isfinite(arrays["chain"]) & (arrays["theory"] > 1e-4)
    ratio = arrays["chain"][both] / arrays["theory"][both]
    print(f"chain over equations, where both have a floor: median {np.median(ratio):.3f}, 5 to 95 % "
          f"{np.quantile(ratio, 0.05):.3f} to {np.quantile(ratio, 0.95):.3f}")
    save(figure, "rate_phases")


def draw_boundary(ax, learned):
    units = np.linspace(1.0, 8.3, 200)
    ax.plot(units, [closed_boundary(each) for each in units], color="k", lw=1.5, label=r"$\eta_c$, closed form")
    ax.plot(units, np.pi * 3**0.5 / units, ":", color="0.4", lw=1.0, label=r"$\pi\sqrt{3}/K$")
    for good, colour, marker, label in ((1, plotting.COLOURS[0], "o", "comes to the teacher"),
                                        (0, plotting.COLOURS[1], "x", "leaves it")):
        x, y = np.nonzero(learned == good)
        rates = [RATIOS[j] * closed_boundary(UNITS[i]) for i, j in zip(x, y)]
        ax.plot(np.array(UNITS)[x], rates, marker, color=colour, ms=4.5, mfc="none", label=label)
    ax.set(xlabel="units $K = M$", ylabel=r"learning rate $\eta$", yscale="log", title="without label noise")
    ax.set_yticks(TICKS, [f"{each:g}" for each in TICKS])
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize="small")


def draw_floors(ax, values, title):
    ax.set_facecolor("0.8")
    shown = np.ma.masked_invalid(np.maximum(values, 1e-30))
    mesh = ax.pcolormesh(RATES, NOISES, shown, norm=LogNorm(1e-3, 1.0), cmap="viridis", shading="nearest")
    ax.axvline(closed_boundary(K), color="w", lw=1.2, ls="--")
    ax.set(xlabel=r"learning rate $\eta$", ylabel=r"label noise $\sigma$", title=f"K = {K}, {title}")
    return mesh


if __name__ == "__main__":
    main()
