"""The matrix of derivatives of the drift for erf, row by row in reverse mode."""

import numpy as np

from onlinemode.kernels.averages.erf_reverse import erf_drift_reverse
from onlinemode.kernels.jit import compiled


@compiled
def erf_jacobian(y, system):
    """Derivatives (d, d) of the entries of ``drift_into`` (rows) by the entries of the state that move (columns)."""
    out = np.empty((y.size, y.size))
    costate, over_rates = np.zeros(y.size), np.empty(4)
    for i in range(y.size):
        costate[i] = 1.0
        erf_drift_reverse(y, costate, 0.0, system, out[i], over_rates)
        costate[i] = 0.0
    return out
