"""Derivatives of a function of several variables by differences."""

import numpy as np

STEP = 1e-3  # of the fourth order, relative to the size of the state: an error of 1e-12
COARSE_STEP = 1e-4  # of the second order, for functions that are not smooth to rounding, such as averages over nodes


def jacobian(function, y, smooth=True):
    """Derivatives (d, d) of the entries of ``function(y)`` (rows) by those of y (columns), by central differences.

    Parameters
    ----------
    function : callable
        Of an array (d,); returns another one.
    y : array (d,)
        Where.
    smooth : bool, default True
        Whether differences of the fourth order are worth it.
    """
    size = max(np.abs(y).max(), 1e-3)
    h = (STEP if smooth else COARSE_STEP) * size
    columns = []
    for direction in h * np.eye(y.size):
        slope = function(y + direction) - function(y - direction)
        if smooth:
            slope = (8.0 * slope - (function(y + 2.0 * direction) - function(y - 2.0 * direction))) / 6.0
        columns.append(slope / (2.0 * h))
    return np.array(columns).T
