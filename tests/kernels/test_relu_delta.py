"""V of relu units against integrals of another kind: over a quadrant, and over the angles of units in a plane."""

import itertools

import numpy as np
import pytest
from scipy import special

from onlinemode.kernels.averages.relu_delta import path, relu_delta

NOISE = 0.3


def found(Z, w, K, noise=NOISE):
    V = np.empty((K, K))
    relu_delta(np.ascontiguousarray(Z), w, K, noise, V)
    return V


def both_positive(a, b, r):
    """P(x > −a, y > −b) of unit normals of correlation r, by Owen's T."""
    root = np.sqrt(1.0 - r * r)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [special.owens_t(one, (other - r * one) / (one * root)) for one, other in ((a, b), (b, a))]
    return 0.5 * (special.ndtr(a) + special.ndtr(b)) - parts[0] - parts[1] - np.where(a * b < 0.0, 0.5, 0.0)


def product_of_positive_parts(a, b, r):
    """E[(a + x)⁺ (b + y)⁺] of unit normals of correlation r."""
    density = lambda z: np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)  # noqa: E731
    root = np.sqrt(1.0 - r * r)
    return ((a * b + r) * both_positive(a, b, r) + a * density(b) * special.ndtr((a - r * b) / root)
            + b * density(a) * special.ndtr((b - r * a) / root) + root * density(a) * density((b - r * a) / root))


def moment_over_quadrant(Z, k, l, i, j, count=70):
    """E[Θ_k Θ_l h_i⁺ h_j⁺]: what is left of h_i and h_j, given h_k and h_l, over the quadrant of these."""
    given = [k] if k == l else [k, l]
    nodes, weights = np.polynomial.legendre.leggauss(count)
    nodes, weights = 5.0 * (nodes + 1.0), 5.0 * weights
    scale = np.sqrt(np.diag(Z)[given])
    grid = np.array(np.meshgrid(*[nodes * each for each in scale], indexing="ij")).reshape(len(given), -1)
    weight = np.prod(np.array(np.meshgrid(*[weights * each for each in scale], indexing="ij")), 0).ravel()
    block = Z[np.ix_(given, given)]
    weight = weight * np.exp(-0.5 * np.einsum("in,ij,jn->n", grid, np.linalg.inv(block), grid))
    weight /= np.sqrt(np.linalg.det(2.0 * np.pi * block))
    regression = np.linalg.solve(block, Z[np.ix_(given, [i, j])])
    mean = regression.T @ grid
    rest = Z[np.ix_([i, j], [i, j])] - regression.T @ Z[np.ix_(given, [i, j])]
    if i in given and j in given:
        return weight @ (np.maximum(mean[0], 0.0) * np.maximum(mean[1], 0.0))
    free = [place for place, unit in enumerate((i, j)) if unit not in given]
    deviation = np.sqrt(np.diag(rest))
    if len(free) == 1 or i == j:
        a = mean[free[0]] / deviation[free[0]]
        density = np.exp(-0.5 * a * a) / np.sqrt(2.0 * np.pi)
        if i == j:
            return weight @ (rest[0, 0] * ((a * a + 1.0) * special.ndtr(a) + a * density))
        return weight @ (np.maximum(mean[1 - free[0]], 0.0) * deviation[free[0]] * (a * special.ndtr(a) + density))
    value = product_of_positive_parts(mean[0] / deviation[0], mean[1] / deviation[1], rest[0, 1] / np.prod(deviation))
    return weight @ (np.prod(deviation) * value)


def moment_in_a_plane(units, k, l, i, j):
    """The same of units h = s ρ cos(φ − a), E ρ² = 2: over the angles at which all four are above 0."""
    angles = np.arctan2(units[:, 1], units[:, 0])
    lengths = np.hypot(units[:, 0], units[:, 1])
    low, high = -np.pi / 2, np.pi / 2  # of φ − a_k
    for unit in (l, i, j):
        turn = (angles[unit] - angles[k] + np.pi) % (2.0 * np.pi) - np.pi
        low, high = max(low, turn - np.pi / 2), min(high, turn + np.pi / 2)
    if high <= low:
        return 0.0
    one, other = angles[i] - angles[k], angles[j] - angles[k]
    integral = 0.5 * (high - low) * np.cos(one - other) + 0.25 * (np.sin(2 * high - one - other)
                                                                  - np.sin(2 * low - one - other))
    return lengths[i] * lengths[j] * integral / np.pi


def expected(moment, Z, w, K):
    V = np.zeros((K, K))
    for k, l in itertools.product(range(K), repeat=2):
        for i, j in itertools.product(range(len(w)), repeat=2):
            V[k, l] += w[k] * w[l] * w[i] * w[j] * moment(k, l, i, j)
        correlation = min(Z[k, l] / np.sqrt(Z[k, k] * Z[l, l]), 1.0)
        V[k, l] += w[k] * w[l] * NOISE**2 * (0.25 + np.arcsin(correlation) / (2.0 * np.pi))
    return V


@pytest.mark.parametrize("seed", range(4))
def test_generic_units(seed):
    rng = np.random.default_rng(seed)
    units, w = rng.standard_normal((5, 7)), rng.standard_normal(5)
    Z = units @ units.T / 7.0
    V = expected(lambda *of: moment_over_quadrant(Z, *of), Z, w, 3)
    assert np.abs(found(Z, w, 3) - V).max() < 1e-12 * np.abs(V).max()
    other = units.copy()
    other[3] *= 1.001
    assert np.abs(found(other @ other.T / 7.0, w, 3) - V).max() > 1e-5 * np.abs(V).max()  # it sees as much


@pytest.mark.parametrize("seed", range(20))
def test_units_in_a_plane(seed):
    rng = np.random.default_rng(seed)
    units, w = rng.standard_normal((6, 2)), rng.standard_normal(6)
    V = expected(lambda *of: moment_in_a_plane(units, *of), units @ units.T, w, 3)
    assert np.abs(found(units @ units.T, w, 3) - V).max() < 1e-12 * np.abs(V).max()


@pytest.mark.parametrize("distance", [1e-1, 1e-3, 1e-5, 1e-7])
def test_students_close_to_their_teacher(distance):
    """V vanishes with the square of the distance, to the rounding of one average of its terms."""
    rng = np.random.default_rng(4)
    teacher = rng.standard_normal((3, 8)) / np.sqrt(8.0)
    units = np.concatenate([teacher + distance * rng.standard_normal((3, 8)) / np.sqrt(8.0), teacher])
    w = np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
    V = found(units @ units.T, w, 3, 0.0)
    assert np.all(np.diag(V) > -1e-14) and np.abs(V).max() < 40.0 * distance**2 + 1e-14
    if distance > 1e-2:
        Z = units @ units.T
        direct = expected(lambda *of: moment_over_quadrant(Z, *of, count=110), Z, w, 3)
        direct -= expected(lambda *of: 0.0, Z, w, 3)
        assert np.abs(V - direct).max() < 1e-12


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-6])
def test_students_that_are_nearly_parallel(distance):
    """On a plateau: the limit of parallel units is reached, with an error of the size of the distance."""
    rng = np.random.default_rng(5)
    teacher = rng.standard_normal((3, 8)) / np.sqrt(8.0)
    common, w = teacher.sum(0), np.array([0.5, 0.7, -0.4, -1.0, -1.0, -1.0])
    parallel, apart = (np.concatenate([common + size * rng.standard_normal((3, 8)), teacher])
                       for size in (0.0, distance))
    limit, V = found(parallel @ parallel.T, w, 3), found(apart @ apart.T, w, 3)
    one = found(np.delete(parallel, [1, 2], 0) @ np.delete(parallel, [1, 2], 0).T, np.array([0.8, -1.0, -1.0, -1.0]), 1)
    assert np.allclose(limit, np.outer(w[:3], w[:3]) * one[0, 0] / 0.8**2, rtol=1e-12, atol=0.0)
    assert np.abs(V - limit).max() < 20.0 * distance * np.abs(limit).max()


def test_units_without_length():
    rng = np.random.default_rng(6)
    units, w = rng.standard_normal((5, 7)), rng.standard_normal(5)
    units[4] = 0.0
    whole, less = found(units @ units.T, w, 2), found(units[:4] @ units[:4].T, w[:4], 2)
    assert np.allclose(whole, less, rtol=1e-14, atol=0.0)
    units[0] = 0.0  # δ = 0, at any error and noise
    silent = found(units @ units.T, w, 2)
    assert np.all(silent[0] == 0.0) and np.all(silent[:, 0] == 0.0) and silent[1, 1] > 0.0


def test_equal_units_have_equal_averages():
    """To the bit, so that a symmetric start stays symmetric; and close to those of units that are nearly equal."""
    rng = np.random.default_rng(7)
    units, w = rng.standard_normal((6, 8)) / np.sqrt(8.0), rng.standard_normal(6)
    units[1] = units[0]
    w[1] = w[0]
    V = found(units @ units.T, w, 4)
    assert V[0, 0] == V[0, 1] == V[1, 1] and V[0, 2] == V[1, 2]
    units[1] += 1e-9
    assert np.abs(found(units @ units.T, w, 4) - V).max() < 1e-8


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_units_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    units, w = rng.standard_normal((8, 9)) / 3.0, rng.standard_normal(8)
    units[2] = -units[1] + 1e-3 * units[2]  # nearly antiparallel
    order = np.concatenate([rng.permutation(4), 4 + rng.permutation(4)])
    V, other = found(units @ units.T, w, 4), found(units[order] @ units[order].T, w[order], 4)
    assert np.abs(other - V[np.ix_(order[:4], order[:4])]).max() < 1e-13 * np.abs(V).max()


def test_path_is_a_rule_of_integration():
    times, rests, weights = path(32)
    assert np.abs(times + rests - 1.0).max() < 1e-15 and rests.min() > 0.0
    for power in range(4):
        assert weights @ times**power == pytest.approx(1.0 / (power + 1.0), rel=1e-13)
    assert weights @ np.sqrt(1.0 - times) == pytest.approx(2.0 / 3.0, rel=1e-9)
