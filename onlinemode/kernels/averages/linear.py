"""Averages for students with g(z) = z, in closed form; docs/theory, sections 2.4 and 2.5."""

from onlinemode.kernels.averages.units import mean_slope, moment
from onlinemode.kernels.jit import compiled

_CONTRACT = {"contract"}


@compiled(fastmath=_CONTRACT)
def linear_averages(Z, cross, w, K, noise, out, v=None):
    """All averages for g(z) = z; docs/theory, section 2.4.

    ``v`` is the second layer of the student in δ = e v∘g'(λ), by default that in ``w``.
    """
    v = w if v is None else v
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
            out.field[k, x] = v[k] * total
    for k in range(K):
        for l in range(K):
            out.delta[k, l] = v[k] * v[l] * (squared_error + noise**2)
    out.error[0] = 0.5 * squared_error


@compiled
def linear_student_averages(Z, cross, w, K, noise, teacher, out, v=None):
    """The same with a teacher of other units; docs/theory, section 2.5.

    A linear student only sees the linear part of its teacher, E[g'(ν_m)] ν_m.
    """
    v = w if v is None else v
    linear = w.copy()  # of that part
    for m in range(K, w.size):
        linear[m] *= mean_slope(teacher, Z[m, m], teacher.table)
    linear_averages(Z, cross, linear, K, noise, out, v)
    rest = 0.0
    for m in range(K, w.size):
        for n in range(K, w.size):
            both = moment(teacher, Z[m, m], Z[n, n], Z[m, n], teacher.table)
            rest += w[m] * w[n] * both - linear[m] * linear[n] * Z[m, n]
    for k in range(K):
        for l in range(K):
            out.delta[k, l] += v[k] * v[l] * rest
    out.error[0] += 0.5 * rest
