"""Averages for sums of erfs: against erf, and against sums over a grid for fields in a plane."""

import itertools

import numpy as np
import pytest
from scipy import special

from onlinemode.kernels.averages.erf import MODERATE, erf_averages
from onlinemode.kernels.averages.erf_sums import Terms, erf_sum_averages
from onlinemode.kernels.averages.linear import linear_averages, linear_student_averages
from onlinemode.kernels.averages.records import make_averages
from onlinemode.kernels.averages.units import ERF_SUM, LINEAR, RELU, Units, mean_slope, moment, moment_with_erf
from onlinemode.theory.averaging import TANH_ERROR, TANH_SLOPE_ERROR, sum_of, terms_of, units_of
from onlinemode.theory.moments import second_moments

NOISE = 0.3
K, M, P = 3, 2, 2
NO_UNITS = Units(ERF_SUM, np.empty(0), np.empty(0))


def fields(seed, size=1.0):
    """Fields h, and mode and teacher fields, of independent normals in a plane; their covariances, and weights."""
    rng = np.random.default_rng(seed)
    modes, teacher, A = rng.standard_normal((P, 2)), size * rng.standard_normal((M, 2)), rng.standard_normal((K, P))
    h, x = np.concatenate([size * A @ modes, teacher]), np.concatenate([modes, teacher])
    return h, x, h @ h.T, h @ x.T, rng.standard_normal(K + M)


def plain_terms(units, coefficient, width):
    count = len(coefficient)
    return Terms(np.repeat(np.arange(units), count), np.tile(coefficient, units), np.tile(width, units), NO_UNITS, 0)


def found(Z, cross, w, terms):
    out = make_averages(K, M, P)
    erf_sum_averages(Z, cross, w, K, NOISE, terms, out)
    return out


def over_a_grid(h, x, w, g, slope, of_teacher):
    """The same averages by the trapezoidal rule in both directions, which poles close to the axis hardly disturb."""
    nodes = np.linspace(-8.6, 8.6, 200)
    weights = np.exp(-0.5 * nodes**2)
    weights /= weights.sum()
    z = np.stack(np.meshgrid(nodes, nodes)).reshape(2, -1)
    weight = np.outer(weights, weights).ravel()
    values, slopes = g(h[:K] @ z), slope(h[:K] @ z)
    error = w[:K] @ values + w[K:] @ of_teacher(h[K:] @ z)
    delta = error * w[:K, None] * slopes
    noise = NOISE**2 * (w[:K, None] * slopes * weight) @ (w[:K, None] * slopes).T
    return ((delta * weight) @ (x @ z).T, (delta * weight) @ delta.T + noise, (values * weight) @ error,
            np.array([0.5 * weight @ error**2]))


def assert_close(averages, expected, tolerance):
    for name, value, other in zip(averages._fields, averages, expected):
        assert np.abs(value - other).max() < tolerance * np.abs(other).max(), name


def sum_of_erfs(coefficient, width):
    parts = list(zip(coefficient, width))
    return (lambda z: sum(c * special.erf(z / np.sqrt(2.0 * t)) for c, t in parts),
            lambda z: sum(c * np.sqrt(2.0 / np.pi / t) * np.exp(-z * z / 2.0 / t) for c, t in parts))


@pytest.mark.parametrize("size", [1.0, 10.0, 1e4])
def test_one_term_is_erf(size):
    """Also of long units, whose closed form is another one."""
    _, _, Z, cross, w = fields(1, size)
    assert (Z.diagonal().max() > MODERATE) == (size > 1.0)
    expected = make_averages(K, M, P)
    erf_averages(Z, cross, w, K, NOISE, expected)
    one = found(Z, cross, w, plain_terms(K + M, [1.0], [1.0]))
    two = found(Z, cross, w, plain_terms(K + M, [0.3, 0.7], [1.0, 1.0]))
    assert_close(one, expected, 1e-13)
    assert_close(two, expected, 1e-13 if size < 1e4 else 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_sums_against_a_grid(seed):
    rng = np.random.default_rng(seed)
    coefficient, width = rng.uniform(-1.0, 1.0, 3), rng.uniform(0.8, 3.0, 3)
    h, x, Z, cross, w = fields(seed, 0.6)
    g, slope = sum_of_erfs(coefficient, width)
    assert_close(found(Z, cross, w, plain_terms(K + M, coefficient, width)), over_a_grid(h, x, w, g, slope, g), 1e-11)
    wrong = coefficient * [1.0, 1.0, 1.01]
    other = found(Z, cross, w, plain_terms(K + M, wrong, width))
    assert max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(other, over_a_grid(h, x, w, g, slope, g))) > 1e-4


@pytest.mark.parametrize("seed", range(3))
def test_tanh_is_its_sum(seed):
    h, x, Z, cross, w = fields(seed, 0.6)
    expected = over_a_grid(h, x, w, np.tanh, lambda z: 1.0 / np.cosh(z) ** 2, np.tanh)
    assert_close(found(Z, cross, w, terms_of("tanh", "tanh", K, M)), expected, 5e-7)


@pytest.mark.parametrize("teacher", ["linear", "erf", "tanh"])
@pytest.mark.parametrize("student", ["erf", "tanh"])
def test_other_teachers_against_a_grid(student, teacher):
    h, x, Z, cross, w = fields(4, 0.6)
    g, slope = (np.tanh, lambda z: 1.0 / np.cosh(z) ** 2) if student == "tanh" else sum_of_erfs([1.0], [1.0])
    of_teacher = {"linear": lambda z: z, "erf": sum_of_erfs([1.0], [1.0])[0], "tanh": np.tanh}[teacher]
    expected = over_a_grid(h, x, w, g, slope, of_teacher)
    assert_close(found(Z, cross, w, terms_of(student, teacher, K, M)), expected,
                 5e-7 if "tanh" in (student, teacher) else 1e-11)


@pytest.mark.parametrize("student", ["erf", "tanh"])
def test_a_relu_teacher_is_half_a_linear_one_to_odd_students(student):
    """Of z⁺ = z/2 + |z|/2 an odd student sees the first half; the second is an error that no one learns."""
    _, _, Z, cross, w = fields(4, 0.6)
    halved = np.concatenate([w[:K], 0.5 * w[K:]])
    relu, linear = found(Z, cross, w, terms_of(student, "relu", K, M)), found(Z, cross, halved,
                                                                             terms_of(student, "linear", K, M))
    assert np.abs(relu.field - linear.field).max() < 1e-13 and np.abs(relu.activity - linear.activity).max() < 1e-13
    rest = sum(w[K + m] * w[K + n] * (moment(units_of("relu"), Z[K + m, K + m], Z[K + n, K + n], Z[K + m, K + n])
                                      - 0.25 * Z[K + m, K + n]) for m in range(M) for n in range(M))
    assert relu.error[0] - linear.error[0] == pytest.approx(0.5 * rest, rel=1e-12) and rest > 0.0


@pytest.mark.parametrize("seed", range(2))
def test_teachers_without_terms_are_as_those_with_terms(seed):
    """A sum of erfs may be told either way."""
    _, _, Z, cross, w = fields(seed)
    with_terms = terms_of("tanh", "tanh", K, M)
    without = terms_of("tanh", "linear", K, M)._replace(teacher=units_of("tanh"))
    assert_close(found(Z, cross, w, without), found(Z, cross, w, with_terms), 1e-13)


@pytest.mark.parametrize("teacher", ["erf", "tanh"])
def test_linear_students(teacher):
    h, x, Z, cross, w = fields(5, 0.6)
    out = make_averages(K, M, P)
    linear_student_averages(Z, cross, w, K, NOISE, units_of(teacher), out)
    of_teacher = np.tanh if teacher == "tanh" else sum_of_erfs([1.0], [1.0])[0]
    assert_close(out, over_a_grid(h, x, w, lambda z: z, np.ones_like, of_teacher), 5e-7 if teacher == "tanh" else 1e-11)
    both, linear = make_averages(K, M, P), make_averages(K, M, P)
    linear_student_averages(Z, cross, w, K, NOISE, units_of("linear"), both)
    linear_averages(Z, cross, w, K, NOISE, linear)
    assert_close(both, linear, 1e-13)


def relu_by_angles(function, a, b, c, count=300):
    """E[f(h) h'⁺] for fields of these covariances: Gauss's rule in h', of which f's mean given it is known."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    h = 6.0 * np.sqrt(b) * (nodes + 1.0)
    density = 6.0 * np.sqrt(b) * weights * np.exp(-h * h / 2.0 / b) / np.sqrt(2.0 * np.pi * b)
    return density @ (h * function(h * c / b, a - c * c / b))


@pytest.mark.parametrize("a, b, c", [(1.3, 0.4, 0.5), (0.7, 2.0, -0.9), (1.0, 1.0, 0.0)])
def test_moments_with_relu(a, b, c):
    units = units_of("relu")
    erf_given = lambda mean, rest: special.erf(mean / np.sqrt(2.0 * (0.8 + rest)))  # noqa: E731
    assert moment_with_erf(units, 0.8, a, b, c) == pytest.approx(relu_by_angles(erf_given, a, b, c), abs=1e-12)
    relu_given = lambda mean, rest: (mean * special.ndtr(mean / np.sqrt(rest))  # noqa: E731
                                     + np.sqrt(rest / 2.0 / np.pi) * np.exp(-mean**2 / 2.0 / rest))
    assert moment(units, a, b, c) == pytest.approx(relu_by_angles(relu_given, a, b, c), abs=1e-12)
    step = lambda mean, rest: special.ndtr(mean / np.sqrt(rest))  # noqa: E731
    assert relu_by_angles(step, a, b, c) != pytest.approx(moment(units, a, b, c), abs=1e-3)  # it tells functions apart
    assert mean_slope(units, a) == 0.5 and moment(units, 0.0, b, 0.0) == 0.0


@pytest.mark.parametrize("student, teacher", itertools.product(["erf", "linear", "relu", "tanh"], repeat=2))
def test_second_moments_of_many_states(student, teacher):
    """Those of a trajectory are those of the kernels, pair by pair."""
    _, _, Z, _, _ = fields(6)
    names, found = [student] * K + [teacher] * M, second_moments(student, teacher, np.stack([Z, 2.0 * Z]), K)
    for state, covariance in zip(found, (Z, 2.0 * Z)):
        for i, j in itertools.product(range(K + M), repeat=2):
            a, b, c = covariance[i, i], covariance[j, j], covariance[i, j]
            one, other = units_of(names[i]), units_of(names[j])
            if one.kind != ERF_SUM and other.kind == ERF_SUM:
                one, other, a, b = other, one, b, a
            if one.kind == ERF_SUM:
                value = sum(part * moment_with_erf(other, width, a, b, c)
                            for part, width in zip(one.coefficient, one.width))
            else:
                value = moment(one, a, b, c) if one.kind == other.kind else 0.5 * c
            assert state[i, j] == pytest.approx(value, rel=1e-11, abs=1e-13)


def test_long_parallel_units():
    """Overlaps that a solver has rounded: no square root of less than nothing."""
    Z = np.full((2, 2), 1e12)
    Z[0, 1] = Z[1, 0] = 1e12 * (1.0 + 1e-9)
    out = make_averages(1, 1, 1)
    erf_sum_averages(Z, Z.copy(), np.array([1.0, -1.0]), 1, NOISE, terms_of("tanh", "tanh", 1, 1), out)
    assert all(np.isfinite(each).all() for each in out)


def test_linear_units():
    assert (mean_slope(units_of("linear"), 3.0), moment(units_of("linear"), 1.0, 2.0, 0.3)) == (1.0, 0.3)
    assert {units_of(name).kind for name in ("linear", "relu", "tanh")} == {LINEAR, RELU, ERF_SUM}


def test_the_sums_are_what_they_stand_for():
    z = np.linspace(-12.0, 12.0, 200_001)
    coefficients, widths = (np.array(each) for each in sum_of("tanh")[:2])
    g, slope = sum_of_erfs(coefficients, widths)
    assert 0.9 * TANH_ERROR < np.abs(g(z) - np.tanh(z)).max() < TANH_ERROR
    assert 0.9 * TANH_SLOPE_ERROR < np.abs(slope(z) - 1.0 / np.cosh(z) ** 2).max() < TANH_SLOPE_ERROR
    for r, change in itertools.product(range(7), (0.999, 1.001)):  # no number of it can be another one
        other = coefficients.copy()
        other[r] *= change
        assert np.abs(sum_of_erfs(other, widths)[0](z) - np.tanh(z)).max() > 2.0 * TANH_ERROR
