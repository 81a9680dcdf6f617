"""The plain loops that the benchmark compares with: what a careful user writes, with no tricks of ours."""

import math

import numpy as np

from onlinemode.kernels.jit import compiled


@compiled(fastmath=True)
def numba_loop(X, B, A, s, v, v_star, eta, steps, given, generator):
    """The strongest plain baseline: one compiled loop, vectorised sums, a NumPy Generator inside.

    Parameters
    ----------
    X : array (P, N)
        Input modes, changed in place.
    B : array (M, N)
    A : array (K, P)
    s : array (P,)
    v, v_star : array (K,), array (M,)
    eta : float
    steps : int
    given : array (steps, N), or (0, N)
        Inputs to learn from; with none, they are drawn from ``generator``.
    generator : numpy.random.Generator
    """
    P, N = X.shape
    M = B.shape[0]
    root = math.sqrt(N)
    u, nu = np.empty(P), np.empty(M)
    for step in range(steps):
        x = given[step] if given.shape[0] > 0 else generator.standard_normal(N)
        for p in range(P):
            total = 0.0
            for i in range(N):
                total += X[p, i] * x[i]
            u[p] = total / root
        for m in range(M):
            total = 0.0
            for i in range(N):
                total += B[m, i] * x[i]
            nu[m] = total / root
        field = A @ (s * u)
        error = 0.0
        for k in range(field.size):
            error += v[k] * math.erf(field[k] / math.sqrt(2.0))
        for m in range(M):
            error -= v_star[m] * math.erf(nu[m] / math.sqrt(2.0))
        delta = error * v * math.sqrt(2.0 / math.pi) * np.exp(-0.5 * field**2)
        c = -eta / root * s * (A.T @ delta)
        for p in range(P):
            for i in range(N):
                X[p, i] += c[p] * x[i]
