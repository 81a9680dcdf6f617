"""Averages for g(z) = max(z, 0); docs/theory, section 2.5."""

import numpy as np

from onlinemode.kernels.averages.relu_delta import relu_delta
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.arcsine import arcsine

_CONTRACT = {"contract"}


@compiled(inner=True, fastmath=_CONTRACT)
def _field_average(slope, diagonal, cross, out):
    """H = slope · cross − diag(diagonal) · cross[:K], which is E[δ (u, ν)ᵀ] by Stein's lemma."""
    K, n = slope.shape
    for k in range(K):
        for x in range(cross.shape[1]):
            total = -diagonal[k] * cross[k, x]
            for j in range(n):
                total += slope[k, j] * cross[j, x]
            out[k, x] = total


@compiled
def relu_averages(Z, cross, w, K, noise, out):
    """All averages for g(z) = max(z, 0)."""
    n = w.size
    squared_error = 0.0
    slope = np.zeros((K, n))
    diagonal = np.zeros(K)
    out.activity[:] = 0.0
    for i in range(n):
        for j in range(n):
            product = np.sqrt(Z[i, i] * Z[j, j])
            if product <= 0.0:
                continue
            # aligned = π − θ, with θ the angle between the two units; area = √(Z_ii Z_jj) sin θ
            # (both from the same rounded cosine, so that their errors cancel near convergence)
            cosine = min(max(Z[i, j] / product, -1.0), 1.0)
            aligned = np.pi / 2 + arcsine(cosine)
            area = product * np.sqrt((1.0 - cosine) * (1.0 + cosine))
            second_moment = (area + aligned * Z[i, j]) / (2.0 * np.pi)
            squared_error += w[i] * w[j] * second_moment
            if i < K:
                out.activity[i] += w[j] * second_moment
                slope[i, j] = w[i] * w[j] * aligned / (2.0 * np.pi)
                diagonal[i] -= w[i] * w[j] * area / (2.0 * np.pi * Z[i, i])
    _field_average(slope, diagonal, cross, out.field)
    out.error[0] = 0.5 * squared_error
    relu_delta(Z, w, K, noise, out.delta)
