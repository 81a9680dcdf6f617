"""Averages of leaky units against integrals of another kind: over the angle in a plane, and over a quadrant."""

import itertools

import numpy as np
import pytest
from scipy import special

from onlinemode.kernels.averages.leaky import Slopes, leaky_averages
from onlinemode.kernels.averages.linear import linear_averages
from onlinemode.kernels.averages.records import make_averages
from onlinemode.kernels.averages.relu import relu_averages
from onlinemode.kernels.averages.units import RELU, Units, mean_slope, moment, moment_with_erf
from onlinemode.theory.moments import _kinked_moment

NOISE = 0.3
K, M, P = 3, 2, 2
SLOPES = (-1.0, -0.4, 0.0, 0.01, 0.3, 1.0, 2.5)


def leaky(z, below):
    return np.where(z > 0.0, z, below * z)


def leaky_slope(z, below):
    return np.where(z > 0.0, 1.0, below)


def plane(seed):
    """Weights of units and of mode and teacher fields in a plane; covariances; w."""
    rng = np.random.default_rng(seed)
    modes, teacher, A = rng.standard_normal((P, 2)), rng.standard_normal((M, 2)), rng.standard_normal((K, P))
    units, w = np.concatenate([A @ modes, teacher]), rng.standard_normal(K + M)
    targets = np.concatenate([modes, teacher])
    return units, targets, units @ units.T, units @ targets.T, w


def over_angles(units, targets, w, below, teacher_below, students=K):
    """All averages of fields h = ρ (x cos φ + y sin φ), E ρ² = 2: piece by piece between the angles where one is 0."""
    directions = units[np.hypot(*units.T) > 0.0]
    kinks = np.arctan2(directions[:, 0], -directions[:, 1])
    ends = np.sort(np.concatenate([kinks, kinks + np.pi]) % (2.0 * np.pi))
    ends = np.append(ends, ends[0] + 2.0 * np.pi)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    half = 0.5 * np.diff(ends)[:, None]
    angles = (ends[:-1, None] + half * (1.0 + nodes)).ravel()
    weight = (half * weights).ravel() / (2.0 * np.pi)
    z = np.stack([np.cos(angles), np.sin(angles)])
    h = units @ z
    values = np.concatenate([leaky(h[:students], below), leaky(h[students:], teacher_below)])
    slopes = leaky_slope(h[:students], below) * (np.hypot(*units[:students].T) > 0.0)[:, None]
    error = w @ values
    delta = error * w[:students, None] * slopes
    noise = NOISE**2 * (w[:students, None] * slopes * weight) @ (w[:students, None] * slopes).T
    return (2.0 * (delta * weight) @ (targets @ z).T, 2.0 * (delta * weight) @ delta.T + noise,
            2.0 * (values[:students] * weight) @ error, np.array([weight @ error**2]))


def found(Z, cross, w, below, teacher_below=None, students=K, noise=NOISE):
    out = make_averages(students, cross.shape[1] - P, P)
    slopes = Slopes(below, below if teacher_below is None else teacher_below)
    leaky_averages(Z, cross, w, students, noise, slopes, out)
    return out


def assert_close(averages, expected, tolerance):
    for name, value, other in zip(averages._fields, averages, expected):
        assert np.abs(value - other).max() <= tolerance * np.abs(other).max(), name


@pytest.mark.parametrize("below", SLOPES)
@pytest.mark.parametrize("seed", range(3))
def test_fields_in_a_plane(seed, below):
    units, targets, Z, cross, w = plane(seed)
    averages = make_averages(K, M, P)
    leaky_averages(Z, cross, w, K, NOISE, Slopes(below, below), averages)
    assert_close(averages, over_angles(units, targets, w, below, below), 3e-12)
    wrong = over_angles(units, targets, w, 1.1 * below if abs(below) > 0.1 else below + 0.01, below)  # the student's
    for value, other in zip(averages, wrong):
        assert np.abs(value - other).max() > 1e-4 * np.abs(other).max()


@pytest.mark.parametrize("below, teacher_below", [(0.0, 1.0), (1.0, 0.0), (0.2, -1.0), (-1.0, 0.3), (1.0, -1.0)])
def test_teacher_of_another_slope(below, teacher_below):
    units, targets, Z, cross, w = plane(5)
    assert_close(found(Z, cross, w, below, teacher_below), over_angles(units, targets, w, below, teacher_below), 3e-12)


def test_is_relu_and_linear_at_their_slopes():
    """Relu to rounding of the noise term; linear exactly, but for the order of sums."""
    rng = np.random.default_rng(3)
    units, w = rng.standard_normal((6, 8)), rng.standard_normal(6)
    targets = np.concatenate([rng.standard_normal((P, 8)), units[4:]])
    Z, cross = units @ units.T, units @ targets.T
    for below, averages, tolerance in ((0.0, relu_averages, 1e-15), (1.0, linear_averages, 1e-14)):
        expected = make_averages(4, 2, P)
        averages(Z, cross, w, 4, NOISE, expected)
        assert_close(found(Z, cross, w, below, students=4), expected, tolerance)


def test_modulus_sees_no_sign():
    rng = np.random.default_rng(4)
    units, w = rng.standard_normal((5, 7)), rng.standard_normal(5)
    signs = np.array([1.0, -1.0, 1.0, -1.0, -1.0])
    targets = rng.standard_normal((P + M, 7))
    one = found(units @ units.T, units @ targets.T, w, -1.0)
    units *= signs[:, None]
    other = found(units @ units.T, units @ targets.T, w, -1.0)
    assert_close(other, (signs[:K, None] * one.field, signs[:K, None] * signs[:K] * one.delta, one.activity, one.error),
                 1e-12)


def both_above(a, b, r):
    """P(x > −a, y > −b) of unit normals of correlation r, by Owen's T."""
    root = np.sqrt(1.0 - r * r)
    parts = [special.owens_t(one, (other - r * one) / (one * root)) for one, other in ((a, b), (b, a))]
    return 0.5 * (special.ndtr(a) + special.ndtr(b)) - parts[0] - parts[1] - np.where(a * b < 0.0, 0.5, 0.0)


def product_of_parts(a, b, r):
    """E[(a + x)⁺ (b + y)⁺] of unit normals of correlation r."""
    density = lambda z: np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)  # noqa: E731
    root = np.sqrt(1.0 - r * r)
    return ((a * b + r) * both_above(a, b, r) + a * density(b) * special.ndtr((a - r * b) / root)
            + b * density(a) * special.ndtr((b - r * a) / root) + root * density(a) * density((b - r * a) / root))


def over_plane_of_two(Z, w, below, count=44):
    """V_01 of two units: e² given both their fields, by Owen's T, over the plane of these."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    nodes, weights = 4.6 * (nodes + 1.0), 4.6 * weights
    nodes, weights = np.concatenate([-nodes, nodes]), np.concatenate([weights, weights])
    scale = np.sqrt(np.diag(Z)[:2])
    h = np.array(np.meshgrid(nodes * scale[0], nodes * scale[1], indexing="ij")).reshape(2, -1)
    weight = np.outer(weights * scale[0], weights * scale[1]).ravel()
    block = Z[:2, :2]
    weight = weight * np.exp(-0.5 * np.einsum("in,ij,jn->n", h, np.linalg.inv(block), h))
    weight /= 2.0 * np.pi * np.sqrt(np.linalg.det(block))
    regression = np.linalg.solve(block, Z[:2, 2:])
    rest = Z[2:, 2:] - regression.T @ Z[:2, 2:]
    deviation = np.sqrt(np.diag(rest))
    a, r = (regression.T @ h) / deviation[:, None], rest / np.outer(deviation, deviation)
    density, above = np.exp(-0.5 * a * a) / np.sqrt(2.0 * np.pi), special.ndtr(a)
    positive, negative = a * above + density, density - a * (1.0 - above)
    means = deviation[:, None] * (positive - below * negative)
    known = w[:2] @ leaky(h, below)
    square = known**2 + 2.0 * known * (w[2:] @ means)
    for i, j in itertools.product(range(len(w) - 2), repeat=2):
        if i == j:
            one = (a[i] ** 2 + 1.0) * above[i] + a[i] * density[i]
            part = one + below**2 * (a[i] ** 2 + 1.0 - one)
        else:
            part = sum(one * other * product_of_parts(x * a[i], y * a[j], x * y * r[i, j])
                       for x, one in ((1, 1.0), (-1, -below)) for y, other in ((1, 1.0), (-1, -below)))
        square += w[2 + i] * w[2 + j] * deviation[i] * deviation[j] * part
    slopes = leaky_slope(h[0], below) * leaky_slope(h[1], below)
    return w[0] * w[1] * weight @ (slopes * (square + NOISE**2))


@pytest.mark.parametrize("below", [-1.0, -0.5, 0.2, 0.7])
def test_generic_units(below):
    rng = np.random.default_rng(11)
    units, w = rng.standard_normal((4, 6)), rng.standard_normal(4)
    Z = units @ units.T / 6.0
    V = found(Z, units @ rng.standard_normal((P + 2, 6)).T, w, below, students=2).delta
    assert abs(V[0, 1] - over_plane_of_two(Z, w, below)) < 1e-11 * np.abs(V).max()
    assert abs(V[0, 1] - over_plane_of_two(Z, w, 1.1 * below)) > 1e-4 * np.abs(V).max()


@pytest.mark.parametrize("distance", [1e-1, 1e-3, 1e-5, 1e-7, 0.0])
@pytest.mark.parametrize("below", [-1.0, 0.1])
def test_students_close_to_their_teacher(below, distance):
    """Two students share one unit of the teacher.  V keeps what relu units in a plane leave it, 2e-11, times 16."""
    units, targets = plane(8)[:2]
    teacher = units[K:]
    units = np.concatenate([teacher[[0, 1, 1]] + distance * units[:K], teacher])
    w = np.array([0.8, 0.5, -1.3, -0.8, 0.8])
    averages = found(units @ units.T, units @ targets.T, w, below)
    expected = over_angles(units, targets, w, below, below)
    for name, value, other in zip(averages._fields, averages, expected):
        tolerance = 1e-14 if name != "delta" else 2e-13 if distance > 1e-4 else 1e-9
        assert np.abs(value - other).max() < tolerance, name


@pytest.mark.parametrize("distance", [1e-1, 1e-3, 1e-5, 1e-7])
@pytest.mark.parametrize("below", [-1.0, 0.1, 0.6])
def test_delta_vanishes_with_the_distance_to_the_teacher(below, distance):
    """With its square, to the rounding of its terms, for units in general directions."""
    rng = np.random.default_rng(4)
    teacher = rng.standard_normal((3, 8)) / np.sqrt(8.0)
    units = np.concatenate([teacher + distance * rng.standard_normal((3, 8)) / np.sqrt(8.0), teacher])
    V = found(units @ units.T, units @ np.concatenate([teacher[:P], teacher]).T, np.array([1.0, 1.0, 1.0, -1, -1, -1]),
              below, noise=0.0).delta
    assert np.all(np.diag(V) > -1e-13) and np.abs(V).max() < 40.0 * distance**2 + 1e-13


def test_units_without_length():
    units, targets, Z, cross, w = plane(9)
    units[[1, 4]] = 0.0
    expected = over_angles(units, targets, w, 0.2, 0.2)
    averages = found(units @ units.T, units @ targets.T, w, 0.2)
    assert_close(averages, expected, 3e-12)
    assert np.all(averages.field[1] == 0.0) and np.all(averages.delta[1] == 0.0)


def test_equal_units_have_equal_averages():
    """To the bit, so that a symmetric start stays symmetric; and close to those of units that are nearly equal."""
    rng = np.random.default_rng(7)
    units, w = rng.standard_normal((6, 8)) / np.sqrt(8.0), rng.standard_normal(6)
    units[1] = units[0]
    w[1] = w[0]
    targets = rng.standard_normal((P + 2, 8))
    one = found(units @ units.T, units @ targets.T, w, 0.3, students=4)
    V = one.delta
    assert V[0, 0] == V[0, 1] == V[1, 1] and V[0, 2] == V[1, 2]
    assert np.all(one.field[0] == one.field[1]) and one.activity[0] == one.activity[1]
    Z = units @ units.T
    Z[0, 1] = Z[1, 0] = Z[0, 1] * (1.0 - 5e-16)  # equal to rounding: still one unit
    assert np.abs(found(Z, units @ targets.T, w, 0.3, students=4).delta - V).max() < 1e-13
    units[1] += 1e-9
    assert np.abs(found(units @ units.T, units @ targets.T, w, 0.3, students=4).delta - V).max() < 1e-8


def test_nearly_parallel_units():
    """Their difference is no difference of rounded numbers."""
    units, targets, _, _, w = plane(3)
    units[1] = units[0] + 1e-5 * units[1]
    averages = found(units @ units.T, units @ targets.T, w, -1.0)
    assert_close(averages, over_angles(units, targets, w, -1.0, -1.0), 2e-12)


@pytest.mark.parametrize("below, other", [(0.0, 0.0), (0.3, 0.3), (-1.0, -1.0), (1.0, 0.0), (0.2, -0.7)])
def test_moments_of_one_and_of_two_units(below, other):
    units, targets, Z, cross, w = plane(10)
    values = over_angles(units[[0, 3]], targets, np.array([0.0, 1.0]), below, other, students=1)[2][0]
    a, b, c = Z[0, 0], Z[3, 3], Z[0, 3]
    assert _kinked_moment(a, b, c, below, other) == pytest.approx(values, rel=1e-13)
    if below == other:
        kind = Units(RELU, np.empty(0), np.empty(0), 0.0, below)
        assert moment(kind, a, b, c) == pytest.approx(values, rel=1e-13)
        assert mean_slope(kind, a) == 0.5 * (1.0 + below)
        nodes, weights = np.polynomial.hermite_e.hermegauss(60)
        z = np.stack(np.meshgrid(nodes, nodes)).reshape(2, -1)
        weight = np.outer(weights, weights).ravel() / (2.0 * np.pi)
        h = units[0] @ z
        assert moment_with_erf(kind, 0.8, a, b, c) == pytest.approx(
            weight @ (special.erf(h / np.sqrt(1.6)) * 0.5 * (1.0 + below) * (units[3] @ z)), rel=1e-5)
        assert np.isnan(_kinked_moment(a, b, np.nan, below, other))
