"""Hyperparameters of the experiments, and their reduced setting."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onlinemode.deep.data import Dataset
    from onlinemode.deep.network import Network

PRESETS = {
    "dense": {"epochs": 200, "batch": 100, "rate": 1e-3, "halve_every": 50, "decay": 1e-4},
    "1L2P": {"epochs": 200, "batch": 100, "rate": 3e-3, "halve_every": 50, "decay": 1e-3},
    "1L1P": {"epochs": 200, "batch": 100, "rate": 1e-2, "halve_every": 30, "decay": 1e-4},
    "two-factor": {"epochs": 150, "batch": 100, "rate": 5e-3, "halve_every": 30, "decay": 1e-4},
    "SVD": {"epochs": 150, "batch": 100, "rate": 5e-3, "halve_every": 30, "decay": 0.0},
    "gaussian-mixture": {"epochs": 200, "batch": 10, "rate": 1e-3, "halve_every": 50, "decay": 1e-4},
}
"""Hyperparameters of Li and Huang's experiments by the variant; those of dense are this project's."""

REDUCED = 10
"""The reduced setting has one epoch in so many, and a rate that is halved so many times as often."""


def preset(network: "Network", dataset: "Dataset | None" = None, reduced: bool = False) -> dict[str, Any]:
    """Hyperparameters for a network: those of its variant, or of figure 1 for the Gaussian mixture.

    Parameters
    ----------
    network : Network
        To be trained.
    dataset : Dataset, optional
        What it is to be trained on.
    reduced : bool, default False
        A tenth of the epochs, with the same halvings of the rate in between.

    Returns
    -------
    dict
        With ``epochs``, ``batch``, ``rate``, ``halve_every`` and ``decay``, as :func:`onlinemode.deep.train` takes
        them; docs/theory, section 10.3.
    """
    values = dict(PRESETS[network.variant])
    if dataset is not None and dataset.is_mixture:
        values = dict(PRESETS["gaussian-mixture"])
    elif network.variant == "1L1P" and len(network.layers) >= 4:
        values["rate"] = 3e-3  # the five-layer network of figure 2
    if reduced:
        values |= {name: values[name] // REDUCED for name in ("epochs", "halve_every")}
    return values
