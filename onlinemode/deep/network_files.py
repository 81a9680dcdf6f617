"""The files of networks: reading one, alone or as a part of another file."""

from os import PathLike
from typing import Any

import numpy as np

from onlinemode import checks, records
from onlinemode.deep.network import (
    KIND,
    RUN,
    VARIANTS,
    Network,
    checked_modes,
    checked_sizes,
    parameter_shapes,
)
from onlinemode.errors import FileError, ShapeError
from onlinemode.storage import read_archive

_SPECIFICATION = {"sizes": records.list_of(records.whole), "variant": records.text, "precision": records.text,
                  "loss": records.text, "seed": records.whole}
_MODES = {"modes": records.or_nothing(records.any_of(records.whole, records.list_of(records.whole)))}


def network_from(header: dict[str, Any], arrays: dict[str, Any], path: str | PathLike[str],
                 device: str = "cpu") -> Network:
    """The network of an archive, from its specification and arrays.

    Raises
    ------
    FileError
        If an entry is missing or damaged.
    """
    try:
        records.check(header, {"network": records.record})
        records.check(header["network"], _SPECIFICATION, _MODES, "network")
        specification = {name: value for name, value in header["network"].items() if value is not None}
        _check_arrays(specification, arrays)
        network = Network(**specification, device=device)
        network.set_state(arrays)
    except (TypeError, ValueError) as problem:
        raise FileError(f"cannot read {path}: a part of the network is missing or damaged ({problem!s:.120})") from None
    return network


def load(path: str | PathLike[str], device: str = "cpu") -> Network:
    """Read a network: one that :meth:`onlinemode.deep.Network.save` wrote, or the trained one of a saved training run.

    Parameters
    ----------
    path : str or path
        Of the .npz file.
    device : {"cpu", "cuda"}, default "cpu"
        Where the network's arrays are; "cuda" needs CuPy.

    Returns
    -------
    Network
        With the saved values.

    Raises
    ------
    FileError
        If the file is missing, truncated, or holds no network.
    """
    header, arrays = read_archive(path, (KIND, RUN))
    return network_from(header, {name.removeprefix("network_"): array for name, array in arrays.items()}, path, device)


def _check_arrays(specification, arrays):
    """Raise ValueError unless these are the arrays of such a network, before there is memory for one."""
    sizes, variant = checked_sizes(specification["sizes"]), checks.choice("variant", specification["variant"], VARIANTS)
    modes = checked_modes(specification.get("modes"), sizes, variant)
    for name, shape in parameter_shapes(sizes, variant, modes).items():
        found = arrays.get(name)
        if np.shape(found) != shape or found.dtype.kind != "f" or not np.isfinite(found).all():
            kind = "nothing" if found is None else f"{found.dtype} of shape {found.shape}"
            raise ShapeError(f"{name} must be finite, of floats and of shape {shape}; got {kind}")
