"""What the figures of deep networks share: networks that are trained and measured once and kept in figures/data.

A network leaves its history, the importances of its modes, removal curves and geometry, not its weights: a
file of some kilobytes a setting instead of megabytes. Unfinished settings are kept network by network in
figures/data/unfinished, so that a script that was stopped goes on.

Flags of all scripts: --fresh computes everything anew, one setting after the other; --full takes the paper's numbers
of epochs, ten times the time; --quick takes one epoch and two seeds, to see that everything runs.
"""

import shutil
import sys

import numpy as np
from common import DATA

from onlinemode import deep
from onlinemode.deep import factors, geometry
from onlinemode.deep.importance import importance
from onlinemode.deep.pruning import removal
from onlinemode.storage import read_archive, write_archive

SEEDS = 5
SIZES = (784, 100, 100, 10)
REMOVAL_DRAWS = 10
ANALYSED = (("dense", None, SIZES), ("1L2P", 30, SIZES), ("1L2P", 70, SIZES))  # by their geometry
REMOVED = ("1L2P", 70, SIZES)
CUTS = (30, 70)  # modes to which a dense network is cut for the geometry
FULL, QUICK = "--full" in sys.argv[1:], "--quick" in sys.argv[1:]
KIND = "figure data"


def budget():
    """Arguments of training, number of seeds, and a word that names them in files and titles."""
    if QUICK:
        return {"epochs": 1}, 2, "quick"
    return {}, SEEDS, "full" if FULL else "reduced"


def measured(variant, modes, sizes=SIZES):
    """Networks of one setting on Fashion-MNIST, one for each seed, from figures/data where they are.

    Returns
    -------
    dict
        Name to array with one row a seed: test_accuracy (seeds, epochs + 1), loss, seconds, parameters,
        multiplications, importance_l; of those in ANALYSED the fields of Geometry as geometry_NAME (of dense
        networks also cut30_NAME and cut70_NAME); of that in REMOVED those of Removal as removal_l_NAME.
    """
    given, seeds, word = budget()
    name = "_".join(["deep", variant, *([] if modes is None else [f"P{modes}"]),
                     *([] if sizes == SIZES else ["x".join(map(str, sizes[1:-1]))]), word])
    values = deep.preset(deep.Network(sizes, variant, modes or 1), dataset(), reduced=not FULL) | given
    settings = {"variant": variant, "modes": modes, "sizes": list(sizes), "values": values,
                "data": dataset().fingerprint}
    return kept(name, settings, seeds, lambda seed: _measure(variant, modes, sizes, values, seed))


_SETS = []


def dataset():
    """Fashion-MNIST, read once."""
    if not _SETS:
        _SETS.append(deep.data.find("fashion-mnist"))
    return _SETS[0]


def kept(name, settings, seeds, compute):
    """Arrays of ``compute(seed)`` for all seeds, stacked; from figures/data/NAME.npz where it holds these settings."""
    settings = settings | {"seeds": seeds}
    path, folder = DATA / f"{name}.npz", DATA / "unfinished" / name
    forget_if_fresh(path, folder)
    found = _read(path, settings)
    if found is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed in range(seeds):
        part, row = folder / f"seed{seed}.npz", None
        if part.exists():
            row = _read(part, settings)
        if row is None:
            print(f"{name}, seed {seed}: computing ...", flush=True)
            row = compute(seed)
            write_archive(part, KIND, {"settings": settings}, row)
        rows.append(row)
    arrays = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    write_archive(path, KIND, {"settings": settings}, arrays)
    shutil.rmtree(folder)
    return arrays


def forget_if_fresh(path, folder):
    """With --fresh delete what is kept."""
    if "--fresh" in sys.argv[1:]:
        path.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def _read(path, settings):
    from onlinemode.errors import FileError

    try:
        header, arrays = read_archive(path, KIND)
    except FileError:
        return None
    return arrays if header["settings"] == settings else None


def _measure(variant, modes, sizes, values, seed):
    run = deep.train(deep.Network(sizes, variant, modes or 1, seed=seed), dataset(), **values, seed=seed)
    if run.status.value != "completed":
        raise SystemExit(f"{variant}, seed {seed}: {run.message or run.status.value}")
    out = {"test_accuracy": run.test_accuracy, "loss": run.loss, "seconds": run.seconds,
           "parameters": np.array(run.network.count_parameters()),
           "multiplications": np.array(run.network.multiplications())}
    x, y = dataset().test_x, dataset().test_y
    layers, which = factors.of_network(run.network), (variant, modes, sizes)
    out |= {f"importance_{l}": importance(*layer) for l, layer in enumerate(layers)}
    if which == REMOVED:
        for l in range(len(layers)):
            curves = removal(layers, x, y, l, draws=REMOVAL_DRAWS, seed=seed)
            out |= {f"removal_{l}_{name}": value for name, value in curves._asdict().items()}
    if which not in ANALYSED:
        return out
    cuts = {"geometry": layers} | ({f"cut{P}": factors.of_network(run.network, P) for P in CUTS}
                                   if variant == "dense" else {})
    for kind, each in cuts.items():
        spans = int(kind[3:]) if kind != "geometry" else modes
        out |= {f"{kind}_{name}": value for name, value in geometry.measure(each, x, y, spans)._asdict().items()}
        out[f"{kind}_accuracy"] = np.array(factors.accuracy(factors.fields(each, x)[-1], y))
    return out


def geometries(arrays, kind="geometry"):
    """List of Geometry, one a seed."""
    return [geometry.Geometry(*(arrays[f"{kind}_{name}"][i] for name in geometry.Geometry._fields))
            for i in range(len(arrays["loss"]))]
