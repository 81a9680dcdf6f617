"""Mean-field rates of modes that keep their lengths: docs/theory, section 13."""

import numpy as np

from onlinemode.kernels.jit import compiled


@compiled
def keep_lengths(y, rates, P, M):
    """Let each mode lose what it would gain in length, in place.

    Parameters
    ----------
    y : array
        Begins with the upper triangle of G by rows and S, as a state does.
    rates : array
        Of the entries of ``y``, without the constraint; changed.
    P, M : int
    """
    squares, loss = np.zeros(P), np.zeros(P)  # G_pp, and half of its relative rate
    position = 0
    for p in range(P):
        squares[p] = y[position]
        if squares[p] > 0.0:
            loss[p] = 0.5 * rates[position] / squares[p]
        position += P - p
    position = 0
    for p in range(P):
        for q in range(p, P):
            moves = p != q and squares[p] > 0.0 and squares[q] > 0.0  # a mode of length 0 has nowhere to go
            rates[position] = rates[position] - y[position] * (loss[p] + loss[q]) if moves else 0.0
            position += 1
    for p in range(P):
        for _ in range(M):
            rates[position] = rates[position] - y[position] * loss[p] if squares[p] > 0.0 else 0.0
            position += 1
