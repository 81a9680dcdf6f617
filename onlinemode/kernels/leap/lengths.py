"""Modes that keep their lengths while noise acts on them: docs/theory, section 20.5.

States begin with the upper triangle of G by rows and S, all of which move.  ``squared_lengths`` are None where there is
no constraint; then nothing of this is compiled.
"""

import numpy as np

from onlinemode.kernels.averages.lengths import keep_lengths
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.rule.sphere import back_to


@compiled(inner=True)
def constrain(squared_lengths, y, rates, P, M):
    """Make the rates those of modes that keep their lengths, in place."""
    if squared_lengths is None:  # decided when the kernel is compiled
        return
    keep_lengths(y, rates, P, M)


@compiled(inner=True)
def scale_back(squared_lengths, y, M):
    """Give each mode its length again, in place."""
    if squared_lengths is None:
        return
    P = squared_lengths.size
    scales = np.empty(P)
    position = 0
    for p in range(P):
        scales[p] = back_to(squared_lengths[p], y[position])
        position += P - p
    position = 0
    for p in range(P):
        for q in range(p, P):
            y[position] *= scales[p] * scales[q]
            position += 1
    for p in range(P):
        for _ in range(M):
            y[position] *= scales[p]
            position += 1


@compiled(inner=True)
def add_curvature(squared_lengths, y, rates, amount, change, P, M):
    """Add what scaling back does in second order to a step along ``rates``, those without the constraint.

    With a_p = f_pp / G_pp this is G_pq (3 a_p² + 3 a_q² + 2 a_p a_q)/8 − f_pq (a_p + a_q)/2, and 3/8 S_pm a_p² −
    f_pm a_p / 2.
    """
    if squared_lengths is None:
        return
    relative = np.zeros(P)
    position = 0
    for p in range(P):
        if y[position] > 0.0:
            relative[p] = rates[position] / y[position]
        position += P - p
    position = 0
    for p in range(P):
        a = relative[p]
        for q in range(p, P):
            b = relative[q]
            change[position] += amount * (0.125 * y[position] * (3.0 * (a * a + b * b) + 2.0 * a * b)
                                          - 0.5 * rates[position] * (a + b))
            position += 1
    for p in range(P):
        a = relative[p]
        for _ in range(M):
            change[position] += amount * (0.375 * y[position] * a * a - 0.5 * rates[position] * a)
            position += 1
