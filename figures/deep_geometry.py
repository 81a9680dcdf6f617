"""Dimension and subspace overlap by layer: networks of modes against dense ones.

    python figures/deep_geometry.py            # from figures/data, where it has been computed before
    python figures/deep_geometry.py --fresh    # everything anew; also --full and --quick, see deep_common.py

The measures are defined in onlinemode/deep/geometry.py. Dense networks are shown as they are, and with
all layers cut to the modes that the others have.

About 7 minutes of CPU time on one core of a slow virtual machine where nothing is kept yet: 15 networks of 20 epochs
at 0.4 to 1.1 s, and 5 to 15 s of measures each; 45 minutes with --full. The networks are those of the other two
figures.
"""

import numpy as np
from common import save
from deep_common import FULL, QUICK, budget, geometries, measured

from onlinemode import plotting

MODES = (30, 70)


def main():
    dense = measured("dense", None)
    groups, accuracies = {}, {}
    for modes in MODES:
        arrays = measured("1L2P", modes)
        groups[f"1L2P, P = {modes}"], accuracies[f"1L2P, P = {modes}"] = geometries(arrays), arrays["geometry_accuracy"]
    # all modes of a dense layer span the whole space: their overlap is 1 and says nothing
    groups["dense"] = [each._replace(overlap=each.overlap * np.nan, overlap_chance=each.overlap * np.nan)
                       for each in geometries(dense)]
    accuracies["dense"] = dense["geometry_accuracy"]
    for modes in MODES:
        name = f"dense, cut to P = {modes}"
        groups[name], accuracies[name] = geometries(dense, f"cut{modes}"), dense[f"cut{modes}_accuracy"]
    for name, found in groups.items():
        print(f"{name}: accuracy {100 * accuracies[name].mean():.2f} ± {100 * accuracies[name].std(ddof=1):.2f} %")
        for field in found[0]._fields:
            values = np.array([getattr(each, field) for each in found])
            print(f"  {field}: " + ", ".join(f"{mean:.3g} ± {spread:.2g}"
                                             for mean, spread in zip(values.mean(0), values.std(0, ddof=1))))
    figure = plotting.geometry_figure(groups, f"Fashion-MNIST, [784, 100, 100, 10], {budget()[2]} setting, "
                                              f"{budget()[1]} networks of each kind")
    save(figure, "deep_geometry" + ("_quick" if QUICK else "_full" if FULL else ""))


if __name__ == "__main__":
    main()
