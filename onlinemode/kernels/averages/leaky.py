"""Averages for g(z) = z for z > 0 and s z for z < 0; docs/theory, section 2.5.

g(z) = p z + q |z| with p = (1 + s)/2 and q = (1 − s)/2, so e = A + B with the odd part A = Σ_i w_i p_i h_i and the even
part B = Σ_i w_i q_i |h_i|.  Only even products have a mean.  All that have no more than three signs in them are
closed; the one that has four is what relu units of the weights w_i q_i have.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.averages.relu import relu_averages
from onlinemode.kernels.averages.relu_delta import correlations, first_of_equals
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.arcsine import arcsine

_TWO_OVER_PI = 2.0 / np.pi


class Slopes(NamedTuple):
    """Slopes s below 0, of any sign: −1 is that of |z|, 0 of relu, 1 of a linear unit."""

    student: float
    teacher: float


@compiled
def leaky_averages(Z, cross, w, K, noise, slopes, out):
    """All averages for such units.

    Parameters
    ----------
    Z, cross, w : array (n, n), (n, P+M), (n,)
        As :func:`onlinemode.kernels.averages.fields.field_covariances` gives them.
    K : int
        Units of the student, the first ones.  One without length has no slope.
    noise : float
        σ.
    slopes : Slopes
    out : Averages
        Filled.
    """
    n = w.size
    odd, even = np.empty(n), np.empty(n)  # A = Σ odd_i h_i, B = Σ even_i |h_i|
    for i in range(n):
        below = slopes.student if i < K else slopes.teacher
        odd[i] = 0.5 * (1.0 + below) * w[i]
        even[i] = 0.5 * (1.0 - below) * w[i]
    relu_averages(Z, cross, even, K, 0.0, out)
    of_relu = out.error[0]
    beside_odd, beside_even = np.zeros(n), np.zeros(n)  # Cov(A, h_i), and Cov(B', h_i) for B' = Σ even_i h_i
    rest = 0.0  # E[A²] − E[B'²]
    for i in range(n):
        for j in range(n):
            beside_odd[i] += Z[i, j] * odd[j]
            beside_even[i] += Z[i, j] * even[j]
        rest += odd[i] * beside_odd[i] - even[i] * beside_even[i]
    out.error[0] = 4.0 * of_relu + 0.5 * rest
    p, q = 0.5 * (1.0 + slopes.student), 0.5 * (1.0 - slopes.student)
    for k in range(K):
        out.activity[k] = 4.0 * q * out.activity[k] + (p * beside_odd[k] - q * beside_even[k])
    for x in range(cross.shape[1]):
        with_odd, with_even = 0.0, 0.0
        for i in range(n):
            with_odd += odd[i] * cross[i, x]
            with_even += even[i] * cross[i, x]
        for k in range(K):
            linear = odd[k] * with_odd - even[k] * with_even if Z[k, k] > 0.0 else 0.0
            out.field[k, x] = 4.0 * out.field[k, x] + linear
    _fill_delta(Z, w, even, beside_odd, beside_even, (p, q, of_relu, rest, noise), out)


@compiled(inner=True)
def _fill_delta(Z, w, even, beside_odd, beside_even, numbers, out):
    """V from that of relu units of the weights ``even``, which ``out.delta`` has; ``out.error`` is ε_g."""
    p, q, of_relu, rest, noise = numbers
    K, n = out.delta.shape[0], w.size
    deviations, r = correlations(Z)
    same_as = first_of_equals(Z, r)
    mixed = p * beside_odd - q * beside_even
    with_sign = np.zeros(K)  # q E[(p A − q B') B sgn h_k]
    for k in range(K):
        if deviations[k] > 0.0:
            beside_odd[k] /= deviations[k]
            beside_even[k] /= deviations[k]
            for j in range(n):
                sine = np.sqrt((1.0 - r[j, k]) * (1.0 + r[j, k]))
                with_sign[k] += even[j] * (mixed[j] * arcsine(r[j, k])
                                           + deviations[j] / deviations[k] * mixed[k] * sine)
            with_sign[k] *= _TWO_OVER_PI * q
    for k in range(K):
        for l in range(k + 1):
            if deviations[k] * deviations[l] == 0.0:
                out.delta[k, l] = out.delta[l, k] = 0.0
                continue
            one, other = same_as[k], same_as[l]
            alike, boundary = 1.0, 0.0  # E[sgn h_k sgn h_l]; what E[(A² − B'²) sgn sgn] has beyond it
            if one != other:
                alike = _TWO_OVER_PI * arcsine(r[one, other])
                boundary = _TWO_OVER_PI * (_boundary(r[one, other], beside_odd[one], beside_odd[other])
                                           - _boundary(r[one, other], beside_even[one], beside_even[other]))
            total = (p * p * (2.0 * out.error[0] + noise * noise)
                     + q * q * (alike * (rest + noise * noise) + boundary - 8.0 * of_relu)
                     + 2.0 * (with_sign[one] + with_sign[other]))
            out.delta[k, l] = 16.0 * out.delta[k, l] + w[k] * w[l] * total
            out.delta[l, k] = out.delta[k, l]


@compiled(inner=True, forceinline=True)
def _boundary(r, a, b):
    """(2ab − r(a² + b²))/√(1 − r²), with the smaller of 1 ± r taken out."""
    root = np.sqrt((1.0 - r) * (1.0 + r))
    if root == 0.0:
        return 0.0
    if r > 0.0:
        return ((1.0 - r) * (a * a + b * b) - (a - b) * (a - b)) / root
    return ((a + b) * (a + b) - (1.0 + r) * (a * a + b * b)) / root
