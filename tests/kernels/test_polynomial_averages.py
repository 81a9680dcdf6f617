"""Averages for polynomials: against products of Gauss's rules over all independent fields, which are exact, too."""

import numpy as np
import pytest
from numpy.polynomial import Polynomial
from numpy.polynomial.hermite_e import herme2poly, hermegauss
from scipy import integrate, special

from onlinemode.kernels.averages.linear import linear_averages, linear_student_averages
from onlinemode.kernels.averages.polynomials import polynomial_averages, polynomials_of
from onlinemode.kernels.averages.records import make_averages
from onlinemode.kernels.averages.units import POLYNOMIAL, Units, mean, mean_slope, moment, moment_with_erf
from onlinemode.theory.polynomials import polynomial_erf_moment, polynomial_moment

NOISE = 0.3
HERMITE = {degree: herme2poly([0.0] * degree + [1.0]) for degree in (2, 3, 6, 10)}
UNEVEN = [0.3, 1.0, 0.5, -0.2]  # even, odd and constant parts
PAIRS = {"He2": (HERMITE[2], HERMITE[2]), "He3": (HERMITE[3], HERMITE[3]), "uneven": (UNEVEN, UNEVEN),
         "He2 of He3": (HERMITE[2], HERMITE[3]), "He3 of uneven square": (HERMITE[3], [1.0, 0.4, 2.0]),
         "linear of square": ([0.2, 1.0], [0.0, 0.0, 1.0]), "cube of linear": ([0.0, 0.0, 0.0, 1.0], [-0.4, 1.0]),
         "square of constant": ([0.0, 0.0, 1.0], [0.7]), "constant of square": ([0.5], [0.0, 1.0, 1.0]),
         "degree 5 of 4": ([0.1, 0.2, -0.3, 0.1, 0.05, 0.02], [0.0, 1.0, 0.0, 0.3, -0.1]),
         "He10": (HERMITE[10], HERMITE[10])}


def units(coefficients):
    return Units(POLYNOMIAL, np.array(coefficients, float), np.empty(0))


def problem(seed, K, M, P, dimensions):
    """Factors of the fields h and (u, ν) over independent normals, and weights; singular where there are few."""
    rng = np.random.default_rng(seed)
    x = 0.8 * rng.standard_normal((P + M, dimensions))
    return np.concatenate([rng.standard_normal((K, P)) @ x[:P], x[P:]]), x, rng.standard_normal(K + M)


def found(h, x, w, K, student, teacher, noise=NOISE):
    out = make_averages(K, len(h) - K, len(x) - len(h) + K)
    polynomial_averages(h @ h.T, h @ x.T, w, K, noise, polynomials_of(student, teacher), out)
    return out


def exact(h, x, w, K, student, teacher, noise=NOISE):
    """The same from the error at each node."""
    student, teacher = Polynomial(student), Polynomial(teacher)
    nodes, weights = hermegauss(student.degree() + max(student.degree(), teacher.degree()) + 1)
    grid = np.meshgrid(*[nodes] * h.shape[1], indexing="ij")
    z = np.stack(grid).reshape(h.shape[1], -1)
    weight = np.ones(1)
    for _ in grid:
        weight = np.outer(weight, weights / weights.sum()).ravel()
    values, gain = student(h[:K] @ z), w[:K, None] * student.deriv()(h[:K] @ z)
    error = w[:K] @ values + w[K:] @ teacher(h[K:] @ z)
    return ((gain * error * weight) @ (x @ z).T, (gain * weight * (error**2 + noise**2)) @ gain.T,
            (values * weight) @ error, np.array([0.5 * weight @ error**2]))


def furthest(averages, expected):
    """The largest difference, of the largest entry."""
    return max(np.abs(value - other).max() / (np.abs(other).max() or 1.0) for value, other in zip(averages, expected))


@pytest.mark.parametrize("K, M, P, dimensions", [(1, 1, 1, 2), (3, 2, 2, 2), (2, 2, 1, 3), (2, 1, 4, 1)])
@pytest.mark.parametrize("name", PAIRS)
def test_against_all_nodes(name, K, M, P, dimensions):
    """Fields in as many dimensions as there are, or in fewer, so that their covariance is singular."""
    student, teacher = PAIRS[name]
    h, x, w = problem(len(name), K, M, P, dimensions)
    tolerance = 1e-12 if name == "He10" else 1e-13  # its powers cancel, at the nodes, too
    assert furthest(found(h, x, w, K, student, teacher), exact(h, x, w, K, student, teacher)) < tolerance


def test_a_wrong_coefficient_is_seen():
    h, x, w = problem(1, 2, 2, 2, 2)
    expected = exact(h, x, w, 2, UNEVEN, HERMITE[3])
    for power in range(4):
        for wrong_student in (True, False):
            student, teacher = np.array(UNEVEN), HERMITE[3].copy()
            changed = student if wrong_student else teacher
            if changed[power] != 0.0:
                changed[power] *= 1.1
                assert furthest(found(h, x, w, 2, student, teacher), expected) > 1e-3


@pytest.mark.parametrize("name", ["He2", "uneven", "degree 5 of 4", "He10"])
def test_degenerate_units(name):
    """Two equal units, opposite ones, one without length, and one that is the teacher's."""
    student, teacher = PAIRS[name]
    h, x, w = problem(2, 6, 2, 3, 2)
    h[1], h[2], h[3], h[4] = h[0], -h[0], 0.0, h[6]
    assert furthest(found(h, x, w, 6, student, teacher), exact(h, x, w, 6, student, teacher)) < 1e-13
    h[:], x[:] = 0.0, 0.0
    assert furthest(found(h, x, w, 6, student, teacher), exact(h, x, w, 6, student, teacher)) < 1e-13


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-6, 1e-8, 0.0])
@pytest.mark.parametrize("name", ["He2", "He3", "uneven"])
def test_near_convergence(name, distance):
    """What is lost is rounding of the sizes that cancel; at each node the error itself is a difference."""
    student, teacher = PAIRS[name]
    rng = np.random.default_rng(3)
    B = 0.7 * rng.standard_normal((3, 2))
    x = np.concatenate([B + distance * rng.standard_normal(B.shape), B])
    w = np.array([1.0, 0.7, -1.2, -1.0, -0.7, 1.2])
    sizes = exact(x, x, np.abs(w), 3, np.abs(student), np.abs(teacher), 0.0)
    averages, expected = found(x, x, w, 3, student, teacher, 0.0), exact(x, x, w, 3, student, teacher, 0.0)
    for value, other, size in zip(averages, expected, sizes):
        assert np.abs(value - other).max() < 3e-15 * np.abs(size).max()
    if distance == 0.0:
        assert averages.delta.max() < 1e-25 * sizes[1].max() and averages.error[0] < 1e-25 * sizes[3][0]
    elif distance > 1e-5:
        assert averages.error[0] == pytest.approx(expected[3][0], rel=1e-15 / distance**2)
        assert 0.01 < averages.error[0] / (distance**2 * sizes[3][0]) < 100.0


def test_linear_polynomials_are_linear_units():
    h, x, w = problem(4, 3, 2, 2, 4)
    both, linear = found(h, x, w, 3, [0.0, 1.0], [0.0, 1.0]), make_averages(3, 2, 2)
    linear_averages(h @ h.T, h @ x.T, w, 3, NOISE, linear)
    assert furthest(both, linear) < 1e-13


@pytest.mark.parametrize("teacher", [HERMITE[2], HERMITE[3], UNEVEN, [0.7]], ids=["He2", "He3", "uneven", "constant"])
def test_linear_students_of_polynomials(teacher):
    h, x, w = problem(5, 3, 2, 2, 3)
    out = make_averages(3, 2, 2)
    linear_student_averages(h @ h.T, h @ x.T, w, 3, NOISE, units(teacher), out)
    expected = exact(h, x, w, 3, [0.0, 1.0], teacher)
    assert furthest(out, expected) < 1e-13
    linear_student_averages(h @ h.T, h @ x.T, w, 3, NOISE, units(1.1 * np.array(teacher)), out)
    assert furthest(out, expected) > 1e-3


def test_polynomials_end_with_their_degree():
    made = polynomials_of([1.0, 2.0, 0.0, 0.0], [0.0])
    assert made.student.tolist() == [1.0, 2.0] and made.teacher.tolist() == [0.0]


STATES = [(1.3, 0.4, 0.5), (0.7, 2.0, -0.9), (1.0, 1.0, 0.0), (0.5, 2.0, 1.0), (0.5, 2.0, -1.0), (0.0, 1.2, 0.0)]


def over_both(p, q, a, b, c):
    nodes, weights = hermegauss(12)
    weights = weights / weights.sum()
    along = c / np.sqrt(a) if a > 0.0 else 0.0
    other = along * nodes[:, None] + np.sqrt(max(b - along**2, 0.0)) * nodes
    return weights @ (p(np.sqrt(a) * nodes)[:, None] * q(other)) @ weights


@pytest.mark.parametrize("a, b, c", STATES)
@pytest.mark.parametrize("coefficients", [UNEVEN, HERMITE[6], HERMITE[10]], ids=["uneven", "He6", "He10"])
def test_moments_of_polynomials(coefficients, a, b, c):
    p, kind, size = Polynomial(coefficients), units(coefficients), Polynomial(np.abs(coefficients))
    scale = over_both(size, size, a, b, np.sqrt(a * b))
    assert moment(kind, a, b, c) == pytest.approx(over_both(p, p, a, b, c), abs=1e-14 * scale)
    assert mean(kind, b) == pytest.approx(over_both(p, Polynomial([1.0]), b, 0.0, 0.0), abs=1e-14 * scale)
    assert mean_slope(kind, b) == pytest.approx(over_both(p.deriv(), Polynomial([1.0]), b, 0.0, 0.0), abs=1e-14 * scale)
    assert polynomial_moment(coefficients, UNEVEN, a, b, c) == pytest.approx(
        over_both(p, Polynomial(UNEVEN), a, b, c), abs=1e-14 * scale)


def erf_with(p, width, a, b, c):
    """E[erf(h/√(2τ)) p(h')], an integral over h', of which the mean erf is known."""
    spread = width + a - c * c / b
    if spread <= 1e-15:
        of_erf = np.sign
    else:
        of_erf = lambda mean: special.erf(mean / np.sqrt(2.0 * spread))  # noqa: E731
    integrand = lambda t: (of_erf(t * c / np.sqrt(b)) * p(t * np.sqrt(b))  # noqa: E731
                           * np.exp(-0.5 * t * t) / np.sqrt(2.0 * np.pi))
    return sum(integrate.quad(integrand, *ends, epsabs=0.0, epsrel=1e-12, limit=200)[0]
               for ends in ((-14.0, 0.0), (0.0, 14.0)))


@pytest.mark.parametrize("a, b, c", STATES)
@pytest.mark.parametrize("width", [0.8, 0.0])
def test_polynomials_with_an_erf(width, a, b, c):
    """Width 0 is the sign, also of a field along the other one, or without length."""
    for coefficients in (UNEVEN, HERMITE[3], HERMITE[2], [0.0] * 9 + [1.0]):
        expected = erf_with(Polynomial(coefficients), width, a, b, c) if width + a > 0.0 else 0.0
        size = erf_with(Polynomial(np.abs(coefficients)), 0.0, b, b, b)
        assert moment_with_erf(units(coefficients), width, a, b, c) == pytest.approx(expected, abs=1e-12 * size)
        assert polynomial_erf_moment(coefficients, width, a, b, c) == pytest.approx(expected, abs=1e-12 * size)
    if c != 0.0:
        wrong = moment_with_erf(units([0.3, 1.1, 0.5, -0.2]), width, a, b, c)
        assert wrong != pytest.approx(erf_with(Polynomial(UNEVEN), width, a, b, c), rel=1e-2)


def test_many_states_at_once():
    a, b, c = np.array(STATES).T
    for p, q in ((UNEVEN, HERMITE[3]), ([0.5], UNEVEN)):
        together = polynomial_moment(p, q, a, b, c)
        assert together.shape == a.shape
        assert together == pytest.approx([polynomial_moment(p, q, *each) for each in STATES], rel=1e-13, abs=1e-13)
    together = polynomial_erf_moment(UNEVEN, 0.0, a, b, c)
    assert together == pytest.approx([moment_with_erf(units(UNEVEN), 0.0, *each) for each in STATES], abs=1e-14)
    assert np.shape(polynomial_moment([0.5], [2.0], a, b, c)) == a.shape
