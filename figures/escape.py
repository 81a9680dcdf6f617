"""When runs of finite N leave the symmetric plateau, and what label noise leaves at the end.

    python figures/escape.py            # from figures/data
    python figures/escape.py --fresh    # everything anew, some minutes

erf committees with as many teacher units, T = 1, readout "sum", from Q = 0.1, R = 0; docs/theory, section 19.
"""

import sys

import numpy as np
from common import DATA, save
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting
from onlinemode.errors import FileError
from onlinemode.storage import read_archive, write_archive

KIND = "figure data"
CASES = {2: (1.0, 0.01), 3: (0.7, 0.02)}  # units: learning rate, and ε_g below which a run is out
REPLICAS = {100: 400, 300: 400, 1000: 400, 3000: 200, 10_000: 100, 100_000: 20}
LEAPT = {10**4: 400, 10**6: 400, 10**9: 400, 10**12: 400, 10**15: 400}  # replicas of engine leap
SHOWN = 1000  # N of the distribution
LAWS = np.geomspace(100.0, 1e15, 14)
DIRECTIONS = 400
NOISES = (0.1, 0.3, 1.0)
RATES = np.concatenate([np.linspace(0.05, 2.0, 40), 2.0 + 0.3 * np.linspace(0.0, 1.0, 30)[1:]])


def start_of(K):
    return om.initial.from_overlaps(Q=0.1 * np.eye(K), R=np.zeros((K, K)), T=np.eye(K), readout="sum")


def law_of(K):
    rate, level = CASES[K]
    return om.escape_law(om.Problem(rates=om.LearningRates(xi_in=rate)), start_of(K), SHOWN, level,
                         directions=DIRECTIONS, nodes=2**16)


def times_of(K, N, law, engine, replicas):
    """When each of many runs first falls below the level."""
    rate, level = CASES[K]
    last = float(np.ceil(law.at(N).mean + 9.0 * law.sd))
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=rate)), start_of(K), last, engine, N=N,
                      replicas=replicas, seed=N, save_at=np.arange(0.0, last + 0.5))
    return om.escape_times(run, level)


def kept(laws, engine, replicas, name):
    """Times of escape by units and N, from figures/data where they are of these runs."""
    path = DATA / f"{name}.npz"
    settings = {"cases": {str(K): list(case) for K, case in CASES.items()},
                "replicas": {str(N): count for N, count in replicas.items()}}
    if "--fresh" not in sys.argv[1:]:
        try:
            header, arrays = read_archive(path, KIND)
            if header.get("settings") == settings:
                return arrays
        except FileError:
            pass
    arrays = {}
    for K, law in laws.items():
        for N, count in replicas.items():
            arrays[f"{K}_{N}"] = times_of(K, N, law, engine, count)
            print(f"K = {K}, N = {N:,}, {engine}: {np.nanmean(arrays[f'{K}_{N}']):.2f}, theory {law.at(N).mean:.2f}",
                  flush=True)
    DATA.mkdir(exist_ok=True)
    write_archive(path, KIND, {"settings": settings}, arrays)
    return arrays


def draw_times(ax, laws, of_engines):
    for (K, law), colour in zip(laws.items(), plotting.COLOURS):
        means = np.array([law.at(int(N)).mean for N in LAWS])
        low, high = np.array([law.at(int(N)).quantile([0.05, 0.95]) for N in LAWS]).T
        ax.fill_between(LAWS, low, high, color=colour, alpha=0.15, lw=0)
        ax.plot(LAWS, means, color=colour, lw=1.5, label=f"K = {K}, η = {CASES[K][0]:g}")
        for engine, (replicas, times, marker) in of_engines.items():
            for N in replicas:
                own = times[f"{K}_{N}"]
                own = own[np.isfinite(own)]
                error = own.std(ddof=1) / np.sqrt(len(own))
                print(f"K = {K}, N = {N:,}: {len(own)} of {engine} {own.mean():.2f} ± {error:.2f}, sd "
                      f"{own.std(ddof=1):.2f}, law {law.at(N).mean:.2f}, sd {law.sd:.2f}")
                ax.errorbar(N, own.mean(), error, fmt=marker, color=colour, ms=4.5, mfc="none")
    for engine, (_, _, marker) in of_engines.items():
        ax.plot([], [], marker, color="0.4", mfc="none", ms=4.5, label=engine)
    ax.set(xscale="log", xlabel="inputs $N$", ylabel=r"time of escape $\alpha$", ylim=(0.0, None),
           title="mean, and 5 to 95 %")
    ax.legend(frameon=False, fontsize="small", loc="upper left")


def draw_distribution(ax, laws, times):
    for (K, law), colour in zip(laws.items(), plotting.COLOURS):
        own, law = times[f"{K}_{SHOWN}"], law.at(SHOWN)
        edges = np.linspace(law.mean - 3.0 * law.sd, law.mean + 5.0 * law.sd, 33)
        ax.hist(own, edges, density=True, color=colour, alpha=0.35)
        middles = np.linspace(edges[0], edges[-1], 400)
        ax.plot(middles, np.gradient(law.cdf(middles), middles), color=colour, lw=1.5)
    ax.set(xlabel=r"time of escape $\alpha$", ylabel="density", title=f"N = {SHOWN:,}: chain and law")


def draw_floors(ax):
    start = start_of(2)
    critical = om.critical_rate(om.Problem(rates=om.LearningRates(xi_in=1.0)), start).rate
    for noise, colour in zip(NOISES, plotting.COLOURS[2:]):
        found = [om.noise_floor(om.Problem(rates=om.LearningRates(xi_in=rate), noise=noise), start) for rate in RATES]
        ax.plot(RATES, [each.level for each in found], color=colour, lw=1.5, label=f"σ = {noise:g}")
        ax.plot(RATES, RATES * noise**2 * 2.0 / (2.0 * np.sqrt(3.0) * np.pi), ":", color=colour, lw=1.0)
    ax.axvline(critical, color="0.4", lw=1.0, ls="--")
    ax.text(critical, 0.6, f"  $\\eta_c$ = {critical:.4f}", rotation=90, ha="right", va="top", fontsize="small",
            transform=ax.get_xaxis_transform())
    ax.set(yscale="log", xlabel=r"learning rate $\eta$", ylabel=r"$\epsilon_g$ after infinite time",
           title="K = 2: noise floor", xlim=(0.0, 2.4))
    ax.legend(frameon=False, fontsize="small")


def main():
    laws = {K: law_of(K) for K in CASES}
    chains, leaps = kept(laws, "chain", REPLICAS, "escape"), kept(laws, "leap", LEAPT, "escape_leap")
    figure = Figure(figsize=(13.0, 4.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    draw_times(left, laws, {"chain": (REPLICAS, chains, "o"), "leap": (LEAPT, leaps, "s")})
    draw_distribution(middle, laws, chains)
    draw_floors(right)
    save(figure, "escape")


if __name__ == "__main__":
    main()
