"""V = E[δ δᵀ] of relu units, without nodes; docs/theory, section 2.5.

What is needed are the moments m = E[Θ_k Θ_l h_i⁺ h_j⁺] of units of variance 1, with the step Θ_k = Θ(h_k) and
h⁺ = max(h, 0), by the number of different units among k, l, i, j: up to three have a closed form; four take one smooth
integral, along a path that joins two independent pairs of units to the correlations that they have.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.averages.units import positive_moment
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.arcsine import arcsine

_CONTRACT = {"contract"}
_SUMS = {"reassoc", "contract", "nsz"}
_TWO_PI = 2.0 * np.pi
SAME = 1e-15  # two units that differ by no more are one


def path(count):
    """Times t on the path from 0 to 1, 1 − t, and their weights.

    t = sin(πb/2) with b = 1 − (1 − y)³, by Gauss's rule in y: close together at the end of the path, where four units
    may come to lie in a plane, or close to a line, and the integrand has a root of 1 − t in it.
    """
    y, weights = np.polynomial.legendre.leggauss(count)
    rest, weights = 0.5 * (1.0 - y), 0.5 * weights
    angle = 0.5 * np.pi * rest**3  # π/2 − πb/2
    return np.cos(angle), 2.0 * np.sin(0.5 * angle) ** 2, weights * 1.5 * np.pi * rest**2 * np.sin(angle)


_TIMES, _RESTS, _WEIGHTS = path(32)


class _Path(NamedTuple):
    """Four units, 0 and 1 in one block and 2 and 3 in the other, at all times of the path.

    For two of them, x < y, at [x, y]; last index the time.
    """

    r: np.ndarray  # (4, 4)   correlations at the end
    sine: np.ndarray  # (4, 4, times)   √(1 − correlation²)
    density: np.ndarray  # (4, 4, times)   of both at 0
    orthant: np.ndarray  # (4, 4, times)   probability that the two others are above 0 there
    moment: np.ndarray  # (4, 4, times)   E[h⁺ h⁺] of the two others there; x and y of two blocks
    together: np.ndarray  # (times,)   d/dt of P(all four above 0)


@compiled(inner=True, forceinline=True)
def _orthant(correlation):
    """P(both above 0) of two units."""
    return 0.25 + arcsine(correlation) / _TWO_PI


@compiled(inner=True, forceinline=True)
def _bounded(correlation):
    return min(1.0, max(-1.0, correlation))


@compiled(inner=True, forceinline=True)
def _boundary(r, b, c, i, j):
    """q_bc: what the place where units b and c are 0 adds to E[Θ .. h_i h_j], but for the probability of the others."""
    one = r[b, c]
    root = np.sqrt((1.0 - one) * (1.0 + one))
    if root == 0.0:
        return 0.0
    same = r[i, b] * r[j, b] + r[i, c] * r[j, c]
    if one > 0.0:  # in terms of differences, for units that are nearly parallel
        total = (1.0 - one) * same - (r[i, b] - r[i, c]) * (r[j, b] - r[j, c])
    else:
        total = (r[i, b] + r[i, c]) * (r[j, b] + r[j, c]) - (1.0 + one) * same
    return total / (_TWO_PI * root)


@compiled(inner=True)
def _moment_of_three(r, units, count, i, j):
    """m of the ``count`` ≤ 3 different units in ``units``."""
    a, b, c = units[0], units[1], units[2]
    if count == 1:
        return 0.5 * r[i, j]
    if count == 2:
        return r[i, j] * _orthant(r[a, b]) + _boundary(r, a, b, i, j)
    together = 0.125 + (arcsine(r[a, b]) + arcsine(r[a, c]) + arcsine(r[b, c])) / (2.0 * _TWO_PI)
    return r[i, j] * together + 0.5 * (_boundary(r, a, b, i, j) + _boundary(r, a, c, i, j) + _boundary(r, b, c, i, j))


@compiled(inner=True)
def _fill_densities(four):
    """Fill ``sine`` and ``density``."""
    for x in range(3):
        for y in range(x + 1, 4):
            end = four.r[x, y]
            back = 0.0 if x // 2 == y // 2 else end  # of the correlation, from the end to the beginning
            sine, density = four.sine[x, y], four.density[x, y]
            for n in range(_TIMES.size):
                sine[n] = np.sqrt(((1.0 - end) + back * _RESTS[n]) * ((1.0 + end) - back * _RESTS[n]))
                density[n] = 1.0 / (_TWO_PI * sine[n]) if sine[n] > 0.0 else 0.0


@compiled(inner=True, fastmath=_CONTRACT)
def _given_one_of_each(r, a, b, orthant, moment):
    """The orthant and the moment of the two others, given that a and b of two blocks are 0.

    The two others are replaced by what they lack to the unit of their block, if they are close to it: variances are
    then small numbers, and no differences of large ones.
    """
    u, v = 1 - a, 5 - b  # u in the block of a, v in that of b
    between, beside_u, beside_v = r[a, b], r[u, a], r[v, b]
    sign_u = 0.0 if abs(beside_u) <= 0.5 else np.sign(beside_u)
    sign_v = 0.0 if abs(beside_v) <= 0.5 else np.sign(beside_v)
    u_a, u_u = (beside_u, 1.0) if sign_u == 0.0 else (-sign_u * (1.0 - abs(beside_u)), 2.0 * (1.0 - abs(beside_u)))
    v_b, v_v = (beside_v, 1.0) if sign_v == 0.0 else (-sign_v * (1.0 - abs(beside_v)), 2.0 * (1.0 - abs(beside_v)))
    u_b, v_a = r[u, b] - sign_u * between, r[v, a] - sign_v * between  # times t, as u_v
    u_v = (r[u, v] - sign_v * r[u, b]) - sign_u * (r[v, a] - sign_v * between)
    for n in range(_TIMES.size):
        t, rest = _TIMES[n], _RESTS[n]
        plus = 0.5 / ((1.0 + between) - rest * between)  # a + b and a − b are independent
        minus = 0.5 / ((1.0 - between) + rest * between)
        u_plus, u_minus = (u_a + u_b) - rest * u_b, (u_a - u_b) + rest * u_b
        v_plus, v_minus = (v_a + v_b) - rest * v_a, (v_a - v_b) - rest * v_a
        variance_u = max(u_u - u_plus * u_plus * plus - u_minus * u_minus * minus, 0.0)
        variance_v = max(v_v - v_plus * v_plus * plus - v_minus * v_minus * minus, 0.0)
        covariance = t * u_v - u_plus * v_plus * plus - u_minus * v_minus * minus
        length = np.sqrt(variance_u * variance_v)
        correlation = _bounded(covariance / length) if length > 0.0 else 0.0
        angle = arcsine(correlation)
        orthant[n] = 0.25 + angle / _TWO_PI
        moment[n] = length / _TWO_PI * (np.sqrt((1.0 - correlation) * (1.0 + correlation))
                                        + correlation * (0.5 * np.pi + angle))


@compiled(inner=True, fastmath=_CONTRACT)
def _given_block(r, c, d, a, b, orthant):
    """The orthant of a and b, one block, given that c and d, the other block, are 0."""
    sign = 1.0 if r[a, b] > 0.0 else -1.0
    size = abs(r[a, b])
    plus = 0.5 / (1.0 + r[c, d]) if r[c, d] > -1.0 else 0.0
    minus = 0.5 / (1.0 - r[c, d]) if r[c, d] < 1.0 else 0.0
    a_plus, a_minus = r[a, c] + r[a, d], r[a, c] - r[a, d]  # times t, as b_plus and b_minus
    b_plus, b_minus = sign * (r[b, c] + r[b, d]), sign * (r[b, c] - r[b, d])
    gone_a = a_plus * a_plus * plus + a_minus * a_minus * minus
    gone_b = b_plus * b_plus * plus + b_minus * b_minus * minus
    gone_both = a_plus * b_plus * plus + a_minus * b_minus * minus
    difference_plus, difference_minus = a_plus - b_plus, a_minus - b_minus
    gone_difference = difference_plus * difference_plus * plus + difference_minus * difference_minus * minus
    more_a = -difference_plus * (a_plus + b_plus) * plus - difference_minus * (a_minus + b_minus) * minus
    for n in range(_TIMES.size):
        square = _TIMES[n] * _TIMES[n]
        variance_a, variance_b = max(1.0 - square * gone_a, 0.0), max(1.0 - square * gone_b, 0.0)
        root_a, root_b = np.sqrt(variance_a), np.sqrt(variance_b)
        vanishes = root_a * root_b == 0.0
        product = 1.0 if vanishes else root_a * root_b
        if size <= 0.5:
            angle = arcsine(_bounded((size - square * gone_both) / product))
        else:  # nearly parallel: from the variance of their difference
            uneven = square * more_a / (1.0 if vanishes else root_a + root_b)
            half = (2.0 * (1.0 - size) - square * gone_difference - uneven * uneven) / (4.0 * product)
            angle = 0.5 * np.pi - 2.0 * arcsine(np.sqrt(min(1.0, max(0.0, half))))
        orthant[n] = 0.25 + sign * (0.0 if vanishes else angle) / _TWO_PI


@compiled(inner=True, forceinline=True)
def _partial(r, j, k, c):
    """r_jc − r_jk r_kc along the path, as the coefficients of 1, t and t²; without cancellation inside a block."""
    if k // 2 == c // 2:
        sign = 1.0 if r[k, c] > 0.0 else -1.0
        return 0.0, (r[j, c] - sign * r[j, k]) + sign * (1.0 - abs(r[k, c])) * r[j, k], 0.0
    if j // 2 == k // 2:
        sign = 1.0 if r[j, k] > 0.0 else -1.0
        return 0.0, (r[j, c] - sign * r[k, c]) + sign * (1.0 - abs(r[j, k])) * r[k, c], 0.0
    return r[j, c], 0.0, -r[j, k] * r[k, c]


@compiled(inner=True, forceinline=True)
def _others(k, l):
    """The two of 0..3 that are neither k nor l, k < l."""
    i = 0 if k > 0 else (1 if l > 1 else 2)
    return i, 6 - k - l - i


@compiled(inner=True, forceinline=True)
def _ordered(x, y):
    return (x, y) if x < y else (y, x)


@compiled(inner=True)
def _fill_derivatives(four):
    """Fill what the derivatives along the path need."""
    _fill_densities(four)
    four.together[:] = 0.0
    for a in range(2):
        for b in range(2, 4):
            _given_one_of_each(four.r, a, b, four.orthant[a, b], four.moment[a, b])
            four.together[:] += four.r[a, b] * four.density[a, b] * four.orthant[a, b]
    _given_block(four.r, 0, 1, 2, 3, four.orthant[0, 1])
    _given_block(four.r, 2, 3, 0, 1, four.orthant[2, 3])


@compiled(inner=True, fastmath=_SUMS)
def _steps_meet(density, moment):
    """∫ dt of what a correlation of two steps adds, over that correlation."""
    total = 0.0
    for n in range(_TIMES.size):
        total += _WEIGHTS[n] * density[n] * moment[n]
    return total


@compiled(inner=True, fastmath=_SUMS)
def _relus_meet(together):
    """The same of the two relu units: ∫ P dt by parts."""
    total = 0.0
    for n in range(_TIMES.size):
        total += _WEIGHTS[n] * _RESTS[n] * together[n]
    return total


@compiled(inner=True, fastmath=_SUMS)
def _step_meets_relu(four, x, y, step, relu):
    """The same of a step x, at 0, and a relu unit y, which becomes a step; ``step`` and ``relu`` are the others."""
    sine, beside = four.sine[_ordered(x, relu)], four.orthant[_ordered(x, relu)]
    at_relu, beside_relu = four.density[_ordered(x, y)], four.orthant[_ordered(x, y)]
    at_step, beside_step = four.density[_ordered(x, step)], four.orthant[_ordered(x, step)]
    relu_0, relu_1, relu_2 = _partial(four.r, relu, x, y)
    step_0, step_1, step_2 = _partial(four.r, relu, x, step)
    total = 0.0
    for n in range(_TIMES.size):
        t = _TIMES[n]
        total += _WEIGHTS[n] * (sine[n] / _TWO_PI * beside[n]
                                + at_relu[n] * (relu_0 + t * (relu_1 + t * relu_2)) * beside_relu[n]
                                + at_step[n] * (step_0 + t * (step_1 + t * step_2)) * beside_step[n])
    return total


@compiled(inner=True)
def _moment_of_four(four, k, l, of_relus):
    """m for the steps k and l: at the beginning of the path, where the blocks are independent, and along it."""
    r = four.r
    first, second = _orthant(r[0, 1]), _orthant(r[2, 3])
    i, j = _others(k, l)
    if k // 2 == l // 2:
        total = (first if k == 0 else second) * positive_moment(r[i, j])
    else:
        beside_k, beside_l = (i, j) if i // 2 == k // 2 else (j, i)
        total = (1.0 + r[k, beside_k]) * (1.0 + r[l, beside_l]) / (4.0 * _TWO_PI) + r[i, j] * first * second
    for a in range(2):
        for b in range(2, 4):
            a_steps, b_steps = a == k or a == l, b == k or b == l
            if a_steps and b_steps:
                part = _steps_meet(four.density[a, b], four.moment[a, b])
            elif not (a_steps or b_steps):
                part = of_relus
            elif a_steps:
                part = _step_meets_relu(four, a, b, l if a == k else k, j if b == i else i)
            else:
                part = _step_meets_relu(four, b, a, l if b == k else k, j if a == i else i)
            total += r[a, b] * part
    return total


@compiled(inner=True)
def _split(r, a, b, c, d, units):
    """Order four units so that the largest correlation between the first two and the last two is smallest."""
    best = 2.0
    for choice in range(3):
        if choice == 1:
            b, c = c, b
        elif choice == 2:
            b, d = d, b
        largest = max(max(abs(r[a, c]), abs(r[a, d])), max(abs(r[b, c]), abs(r[b, d])))
        if largest < best:
            best = largest
            units[0], units[1], units[2], units[3] = a, b, c, d


@compiled(inner=True)
def correlations(Z):
    """Standard deviations and correlations; 0 beside a unit without variance."""
    n = Z.shape[0]
    deviations, r = np.empty(n), np.zeros((n, n))
    for i in range(n):
        deviations[i] = np.sqrt(max(Z[i, i], 0.0))
    for i in range(n):
        r[i, i] = 1.0
        for j in range(i):
            product = deviations[i] * deviations[j]
            if product > 0.0:
                r[i, j] = r[j, i] = _bounded(Z[i, j] / product)
    return deviations, r


@compiled(inner=True)
def first_of_equals(Z, r):
    """For each unit the first one that is the same to rounding: V is not smooth where two become one."""
    n = Z.shape[0]
    same_as = np.arange(n)
    for i in range(n):
        for j in range(i):
            if (same_as[i] == i and r[i, j] > 1.0 - SAME and Z[i, i] > 0.0
                    and abs(Z[i, i] - Z[j, j]) <= SAME * Z[i, i]):
                same_as[i] = same_as[j]
    return same_as


@compiled(inner=True)
def _different(k, l, i, j, units):
    """How many different ones k, l, i, j are; the first three of them into ``units``."""
    units[0] = k
    count = 1
    for each in (l, i, j):
        new = True
        for place in range(min(count, 3)):
            new &= units[place] != each
        if new:
            if count < 3:
                units[count] = each
            count += 1
    return count


@compiled
def relu_delta(Z, w, K, noise, out):
    """V_kl = v_k v_l E[(e² + σ²) Θ_k Θ_l], e = Σ_i w_i h_i⁺, for relu units.

    Parameters
    ----------
    Z : array (n, n)
        Covariance of the fields of all units.
    w : array (n,)
        (v, −v*).
    K : int
        Units of the student, the first ones.
    noise : float
        σ.
    out : array (K, K)
        Filled with V.
    """
    n = w.size
    deviations, r = correlations(Z)
    same_as = first_of_equals(Z, r)
    size = w * deviations
    units = np.zeros(4, np.int64)
    for k in range(K):
        for l in range(k + 1):
            one, other = same_as[k], same_as[l]
            total = noise * noise * (0.5 if one == other else _orthant(r[one, other]))
            for i in range(n):
                for j in range(i + 1):
                    count = _different(one, other, same_as[i], same_as[j], units)
                    if count < 4:
                        weight = size[i] * size[j] * (1.0 if i == j else 2.0)
                        total += weight * _moment_of_three(r, units, count, same_as[i], same_as[j])
            # a unit without length has no slope
            out[k, l] = total if deviations[k] * deviations[l] > 0.0 else 0.0
    times = _TIMES.size
    four = _Path(np.ones((4, 4)), np.empty((4, 4, times)), np.empty((4, 4, times)), np.empty((4, 4, times)),
                 np.empty((4, 4, times)), np.empty(times))
    for a in range(K):
        for b in range(a + 1, K):
            for c in range(b + 1, n):
                for d in range(c + 1, n):
                    if (deviations[a] * deviations[b] * deviations[c] * deviations[d] == 0.0
                            or _different(same_as[a], same_as[b], same_as[c], same_as[d], units) < 4):
                        continue
                    _split(r, a, b, c, d, units)
                    for x in range(4):
                        for y in range(4):
                            four.r[x, y] = r[units[x], units[y]]
                    _fill_derivatives(four)
                    of_relus = _relus_meet(four.together)
                    for x in range(3):
                        for y in range(x + 1, 4):
                            if units[x] < K and units[y] < K:
                                i, j = _others(x, y)
                                k, l = max(units[x], units[y]), min(units[x], units[y])
                                out[k, l] += (2.0 * size[units[i]] * size[units[j]]
                                              * _moment_of_four(four, x, y, of_relus))
    for k in range(K):
        for l in range(k + 1):
            out[k, l] *= w[k] * w[l]
            out[l, k] = out[k, l]
