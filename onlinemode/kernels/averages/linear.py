"""Averages for g(z) = z, in closed form; docs/theory, section 2.4."""

from onlinemode.kernels.jit import compiled

_CONTRACT = {"contract"}


@compiled(fastmath=_CONTRACT)
def linear_averages(Z, cross, w, K, noise, out):
    """All averages for g(z) = z; docs/theory, section 2.4."""
    n = w.size
    squared_error = 0.0
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += Z[i, j] * w[j]
        squared_error += w[i] * total
        if i < K:
            out.activity[i] = total
    for x in range(cross.shape[1]):
        total = 0.0
        for i in range(n):
            total += w[i] * cross[i, x]
        for k in range(K):
            out.field[k, x] = w[k] * total
    for k in range(K):
        for l in range(K):
            out.delta[k, l] = w[k] * w[l] * (squared_error + noise**2)
    out.error[0] = 0.5 * squared_error
