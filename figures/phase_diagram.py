"""Where a student learns: learning rate η against label noise σ, and what finite N changes.

    python figures/phase_diagram.py            # from figures/data, where it has been computed before: seconds
    python figures/phase_diagram.py --fresh    # everything anew
    python figures/phase_diagram.py --quick    # a small grid at N = 200, to see that everything runs

A soft committee machine with K = M = 2 erf units and readout "sum". Colours and black lines are the exact chain at
N = 500, ten students a point, for α = 1000; dashed lines are the mean-field equations from the overlaps of the same
ten students: means of ε_g and specialization, medians of the time. White is η_c(σ), beyond which the mean-field
equations have no symmetric plateau: towards it the norm Q* of the units on the plateau goes to infinity, and the rate
at which differences between units grow goes to zero.

On a 2-core Intel Xeon virtual machine with AVX-512 (Python 3.11, NumPy 2.4, Numba 0.68, SciPy 1.17), shared with other
work, --fresh took 4 minutes: 2·10⁹ steps of the chain; --quick 8 s, and the picture of what is kept 3 s.

A sweep that was stopped goes on with the same command; its folder is figures/data/unfinished/phase_diagram unless
--store FOLDER names another. What is drawn is kept in one file in figures/data.
"""

import argparse
from pathlib import Path

import common
import numpy as np
import xarray
from matplotlib import patheffects
from scipy.optimize import root

import onlinemode as om
from onlinemode import plotting
from onlinemode.errors import FileError
from onlinemode.storage import read_archive, write_archive
from onlinemode.theory.meanfield import MeanFieldDrift

KIND = "figure data"
BASE = om.Experiment(engine="chain", init="committee", K=2, M=2, readout="sum", N=500, alpha=1000.0, replicas=10,
                     fresh_students=True)
OVER = {"noise": np.geomspace(0.05, 2.0, 17).round(4).tolist(), "eta": np.geomspace(0.05, 8.0, 24).round(4).tolist()}
TICKS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
REGIONS = ((0.0605, 0.25, "still on the plateau", 90), (3.3, 1.1, "norms run away", -45))  # of the grey cells
QUICK_BASE = BASE.replace(N=200, alpha=200.0, replicas=3)
QUICK_OVER = {"noise": OVER["noise"][::4], "eta": OVER["eta"][3::4]}
DRAWN = ("final_error", "specialized_at", "final_specialization")
KEPT = (*DRAWN, "final_error_se", "final_specialization_se", "status")
RUNAWAY = 1e8  # Q* at which η is within 0.3 % of where Q* is infinite


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fresh", action="store_true", help="make the sweep anew")
    parser.add_argument("--quick", action="store_true", help="a small grid")
    parser.add_argument("--store", type=Path, help="folder of the sweep while it is made")
    chosen = parser.parse_args(arguments)
    name = "phase_diagram_quick" if chosen.quick else "phase_diagram"
    base, over = (QUICK_BASE, QUICK_OVER) if chosen.quick else (BASE, OVER)
    chain, theory = kept(name, base, over, chosen.store or common.DATA / "unfinished" / name, chosen.fresh)
    common.save(picture(base, chain, theory), name)


def kept(name, base, over, store, fresh=False):
    """The sweeps of the chain and of theory, from figures/data/NAME.npz where it holds exactly these."""
    path = common.DATA / f"{name}.npz"
    settings = {"experiment": base.to_dict(), "over": over, "kept": list(KEPT)}
    if fresh:
        path.unlink(missing_ok=True)  # so that what is interrupted goes on without --fresh
    if path.exists():
        try:
            header, arrays = read_archive(path, KIND)
        except FileError:
            header = {}
        known = header.get("settings")
        # by its values: a later version may have options more, which are at their defaults
        if known and {**known, "experiment": om.Experiment.from_dict(known["experiment"]).to_dict()} == settings:
            return tuple(_dataset(engine, header, arrays) for engine in ("chain", "ode"))
    store.mkdir(parents=True, exist_ok=True)
    swept = {}
    for engine in ("chain", "ode"):
        swept[engine] = om.sweep(base.replace(engine=engine), over, keep=(), executor="processes",
                                 store=store / engine, overwrite=fresh, progress=True).load()
        if (swept[engine]["status"] == "missing").any():
            raise SystemExit("not finished; the same command, without --fresh, goes on")
    arrays = {f"{engine}_{each}": values[each].values for engine, values in swept.items() for each in KEPT}
    arrays |= {name: values.astype("S") for name, values in arrays.items() if name.endswith("status")}
    header = {"settings": settings, "made_with": swept["chain"].attrs["made_with"],
              "attributes": {each: swept["chain"][each].attrs for each in KEPT}}
    common.DATA.mkdir(exist_ok=True)
    write_archive(path, KIND, header, arrays)
    return tuple(_dataset(engine, header, arrays) for engine in ("chain", "ode"))


def _dataset(engine, header, arrays):
    over = header["settings"]["over"]
    variables = {name.removeprefix(f"{engine}_"): values for name, values in arrays.items() if name.startswith(engine)}
    dims = (*over, "replica")
    variables["status"] = variables["status"].astype(str)
    return xarray.Dataset({name: (dims[:values.ndim], values, header["attributes"][name])
                           for name, values in variables.items()}, coords=over)


def picture(base, chain, theory):
    """Three maps with the lines of theory and η_c(σ) in them."""
    chain.attrs["title"] = f"exact chain, N = {base.N}"
    theory.attrs["title"] = "mean field, same students"
    figure = plotting.sweep_figure(
        chain, DRAWN, f"Soft committee machine, K = M = {base.K}, erf, after learning up to α = {base.alpha:g}: "
        f"{base.replicas} students a point", theory)
    panels = figure.axes[:len(DRAWN)]
    for ax in panels:
        ax.set_xlabel(r"learning rate $\eta$")
        ax.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
        noise = np.geomspace(*ax.get_ylim(), 60)
        line, = ax.plot(critical_rates(base, noise), noise, color="white", lw=2.2,
                        path_effects=[patheffects.withStroke(linewidth=4.5, foreground="black")])
    for x, y, words, angle in REGIONS:
        panels[DRAWN.index("specialized_at")].text(x, y, words, rotation=angle, ha="center", va="center",
                                                   fontsize="small")
    old, = figure.legends
    handles, texts = old.legend_handles, [text.get_text() for text in old.texts]
    old.remove()
    figure.legend([*handles, line], [*texts, r"$\eta_c$: mean field has no plateau beyond"],
                  loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    return figure


def critical_rates(base, noises):
    """η_c(σ): the rates at which the norm of the units on the symmetric plateau is RUNAWAY, as good as infinite.

    On the plateau all units are alike, Q_kk = Q, Q_kl = C, R_km = R. With Q given, the three equations of its fixed
    point are solved for η, C and R, at one σ after the other. For K = 2 and large Q they are C = 1.2 Q^(2/3) − Q and
    R = 0.55 Q^(1/3) (found numerically), so that η comes near its limit as Q^(-1/3).
    """
    found, guess = [], np.array([np.log(3.6), 1.2, 0.55])
    for noise in noises:
        solved = root(plateau_slopes, guess, (base, noise))
        if not solved.success:
            raise SystemExit(f"no plateau found at σ = {noise}: {solved.message}")
        guess = solved.x
        found.append(np.exp(guess[0]))
    return np.array(found)


def plateau_slopes(unknown, base, noise):
    """dQ/dα, d(Q + C)/dα and dR/dα at Q = RUNAWAY where all units are alike, scaled to order 1."""
    K, eta, scale = base.K, np.exp(unknown[0]), RUNAWAY ** (1.0 / 3.0)
    C, R = unknown[1] * scale**2 - RUNAWAY, unknown[2] * scale
    Q = np.full((K, K), C) + (RUNAWAY - C) * np.eye(K)
    start = om.initial.from_overlaps(Q, np.full((K, K), R), np.eye(K), base.readout)
    G, S, *_ = MeanFieldDrift(base.replace(eta=eta, noise=noise).problem(), start).at_start()
    return np.array([G[0, 0], scale * (G[0, 0] + G[0, 1]), scale * S[0, 0]]) / eta


if __name__ == "__main__":
    main()
