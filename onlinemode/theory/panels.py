"""Where integrals over an activation are cut into panels, on each of which a few of Gauss's nodes tell it."""

from functools import lru_cache

import numpy as np

DEGREE = 15  # of the polynomial that follows it on a panel
TOLERANCE = 1e-6  # of that; a rule of as many nodes is right to about the square of it
LOOKS_OF_A_PIECE = 4  # in each piece of a table

_PLACES = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))  # of Chebyshev, in [−1, 1]


@lru_cache(maxsize=64)
def panels_of(activation):
    """Ends of the panels of an activation.

    Parameters
    ----------
    activation : Activation
        A table, or a word that is a polynomial, or one on each side of 0.

    Returns
    -------
    ends : array (n,)
        Increasing.  Beyond them it is a polynomial.
    breaks : array (b,)
        Those of them at which it may jump or have a kink.
    """
    if activation.table is None:
        ends = np.array([] if activation.smooth else [0.0])
        return ends, ends
    table = activation.table
    segments = np.array(table.segments)
    known = np.sort(segments[:, 0])[1:]  # where segments meet
    ends = {known[0], known[-1]}
    waiting = [(known[0], known[-1])]
    while waiting:
        low, high = waiting.pop()
        if not _is_followed(activation, segments, low, high):
            inside = known[(known > low) & (known < high)]
            middle = 0.5 * (low + high)
            middle = inside[np.argmin(np.abs(inside - middle))] if len(inside) else middle
            ends.add(middle)
            waiting += [(low, middle), (middle, high)]
    ordered = np.array(sorted(ends))
    about = 0.25 * np.diff(ordered).min()
    breaks = [end for end in known[np.isin(known, ordered)]
              if not _is_followed(activation, segments, end - about, end + about)]
    return ordered, np.array(breaks)


def _is_followed(activation, segments, low, high):
    """Whether one polynomial follows the table between two ends, to the tolerance or the error of the table."""
    half = 0.5 * (high - low)
    at = lambda x: activation(np.clip(low + half * (1.0 + x), low, np.nextafter(high, low)))  # noqa: E731
    meets = (segments[:, 0] < high) & (segments[:, 1] > low)
    pieces = 2.0 * half * segments[meets, 3].max()
    x = np.cos(np.pi * np.linspace(0.0, 1.0, max(8 * DEGREE, int(LOOKS_OF_A_PIECE * pieces) + 1)))
    values = at(x)
    found = np.polynomial.chebyshev.Chebyshev(np.polynomial.chebyshev.chebfit(_PLACES, at(_PLACES), DEGREE))(x)
    size = np.abs(values).max()
    return bool(np.abs(found - values).max() <= max(TOLERANCE * size, 4.0 * activation.table.error * max(1.0, size)))
