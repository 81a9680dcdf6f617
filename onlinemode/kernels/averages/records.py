"""What the mean-field equations need to know about one sample, for any activation.

Six averages at given order parameters (docs/theory, sections 2.2 to 2.5):

    H_u = E[δ uᵀ]  (K, P)      H_ν = E[δ νᵀ]  (K, M)      V = E[δ δᵀ]  (K, K)
    E[e g(λ)]  (K,)            ε_g = ½ E[e²] without label noise

H_u and H_ν are the two column blocks of one H.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.jit import compiled


class Averages(NamedTuple):
    """What the mean-field equations need to know about one sample."""

    field: np.ndarray  # (K, P+M)  H = E[δ (u, ν)ᵀ]
    delta: np.ndarray  # (K, K)    V = E[δ δᵀ], label noise included
    activity: np.ndarray  # (K,)   E[e g(λ_k)]
    error: np.ndarray  # (1,)      ε_g, label noise excluded


class Erf(NamedTuple):
    """The aid of averages that need nothing beside the overlaps: all units are erf."""


class Linear(NamedTuple):
    """The same: all units are linear."""


class Relu(NamedTuple):
    """The same: all units are relu."""


class Nodes(NamedTuple):
    """Averages are taken over nodes, for any units and losses."""

    normals: np.ndarray  # (count, r_B + P)


class Labels(NamedTuple):
    """Averages for the correlation loss, whose e is −y, by the closed forms of an aid for the squared loss."""

    aid: NamedTuple


@compiled
def make_averages(K, M, P):
    return Averages(np.zeros((K, P + M)), np.zeros((K, K)), np.zeros(K), np.zeros(1))
