"""How exact averages over nodes, and a resolved spectrum, have made a run: by other nodes, and by more."""

import warnings

import numpy as np

from onlinemode.engines.ode.resolved import largest_deviation

WORTH_A_WARNING = 1e-3  # of a drift over nodes, relative to its largest entry


def quadrature_error_of(drift, other, options, alphas, moving):
    """Error of the drift over its nodes, over its largest entry; by ``other`` nodes, at three of the saved times.

    A warning says so where it is above WORTH_A_WARNING.
    """
    finite = np.isfinite(moving).all(1)
    known, times = moving[finite], alphas[finite]
    errors = [0.0]
    try:
        for number in sorted({0, len(known) // 2, len(known) - 1}) if len(known) else ():
            one, another = (each(known[number], times[number]) for each in (drift, other))
            if np.any(one):
                errors.append(np.abs(one - another).max() / np.sqrt(2.0) / np.abs(one).max())
    except KeyboardInterrupt:
        return None  # the run itself is at its end
    error = float(max(errors))
    if error > WORTH_A_WARNING:
        warnings.warn(f"averages over {options.nodes:,} nodes are right to {error:.1e} of the drift: more nodes make "
                      "it less, and another node_seed shows what it does to the run", RuntimeWarning, stacklevel=2)
    return error


def spectral_error_of(problem, overlaps, finer, integration, path):
    """How far ε_g is from that with more nodes of the spectrum, relative to it; a warning where that is much."""
    states = np.repeat(finer.full[None], len(integration.moving), 0)
    states[:, finer.active] = integration.moving
    error = largest_deviation(problem, overlaps, finer.layout.unpack(states), path)
    if error > WORTH_A_WARNING:
        warnings.warn(f"the spectrum of the inputs is resolved to {error:.1e} of ε_g: more spectral_nodes make it less",
                      RuntimeWarning, stacklevel=2)
    return error
