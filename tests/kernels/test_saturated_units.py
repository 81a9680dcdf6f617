"""The closed forms for erf over all sizes of units, against exact rational arithmetic.

All arguments of the arcsines and all roots are rational functions of the covariances; the reference
evaluates them as fractions, and rounds before the last root and arcsine.
"""

import math
from fractions import Fraction

import numpy as np
import pytest

from onlinemode.kernels.averages.erf import erf_averages
from onlinemode.kernels.averages.records import make_averages
from onlinemode.theory.meanfield import generalization_error

NOISE = 0.3


def angle(Z, i, j):
    """asin(Z_ij / √((1+Z_ii)(1+Z_jj)))."""
    return math.atan2(Z[i][j], math.sqrt(max((1 + Z[i][i]) * (1 + Z[j][j]) - Z[i][j] ** 2, 0)))


def twice_error(Z, w):
    n = len(w)
    return 2 / math.pi * math.fsum(w[i] * w[j] * angle(Z, i, j) for i in range(n) for j in range(n))


def tilted(Z, k, l):
    """Covariance under the weight exp(−(h_k² + h_l²)/2), and the determinant Λ; docs/theory, section 2.3."""
    a, b, c = 1 + Z[k][k], 1 + Z[l][l], Z[k][l]
    det = a * b - c**2
    n = range(len(Z))
    return [[Z[i][j] - (b * Z[i][k] * Z[j][k] + a * Z[i][l] * Z[j][l] - c * (Z[i][k] * Z[j][l] + Z[i][l] * Z[j][k]))
             / det for j in n] for i in n], det


def exact_averages(Z, w, K):
    """H, V, E[e g] and ε_g, with cross = Z (ordinary SGD), from the very float64 numbers in Z; and their scales.

    A scale is the sum of the sizes of the terms that are added.
    """
    n = len(w)
    Z = [[Fraction(float(x)) for x in row] for row in Z]
    H, H_scale = np.empty((K, n)), np.empty((K, n))
    V, V_scale = np.empty((K, K)), np.empty((K, K))
    for k in range(K):
        one = 1 + Z[k][k]
        slope = [w[k] * w[j] * 2 / math.pi / math.sqrt(one * (1 + Z[j][j]) - Z[k][j] ** 2) for j in range(n)]
        for x in range(n):
            terms = [slope[j] * float(Z[j][x] - Z[k][j] * Z[k][x] / one) for j in range(n)]
            H[k, x], H_scale[k, x] = math.fsum(terms), sum(map(abs, terms))
        for l in range(K):
            given, det = tilted(Z, k, l)
            factor = w[k] * w[l] * 2 / math.pi / math.sqrt(det)
            V[k, l] = factor * (twice_error(given, w) + NOISE**2)
            V_scale[k, l] = abs(factor) * sum(abs(x) for x in w) ** 2
    activity = [2 / math.pi * math.fsum(w[j] * angle(Z, k, j) for j in range(n)) for k in range(K)]
    size = sum(abs(x) for x in w)
    return {"field": (H, H_scale), "delta": (V, V_scale), "activity": (np.array(activity), size),
            "error": (np.array([0.5 * twice_error(Z, w)]), size**2)}


def kernel_averages(Z, w, K):
    out = make_averages(K, len(w) - K, K)
    erf_averages(Z, Z, w, K, NOISE, out)
    return out


def covariances(fields, sizes):
    """Z of vectors with these lengths, symmetric to the bit."""
    fields = fields / np.linalg.norm(fields, axis=1, keepdims=True)
    root = np.sqrt(sizes)
    Z = fields @ fields.T
    Z = 0.5 * (Z + Z.T)
    np.fill_diagonal(Z, 1.0)
    return Z * np.outer(root, root)


def assert_exact(Z, w, K, rng):
    """Right to 2e-14 of the terms, and to what the last bits of the covariances leave open."""
    expected, found = exact_averages(Z, w, K), kernel_averages(Z, w, K)
    open_by = {name: 0.0 for name in expected}
    for _ in range(4):
        change = 1.0 + np.finfo(float).eps * rng.choice([-1.0, 0.0, 1.0], Z.shape)
        shaken = Z * np.triu(change) + (Z * np.triu(change)).T - np.diag(np.diag(Z * change))
        try:
            other = exact_averages(shaken, w, K)
        except (ValueError, ZeroDivisionError):
            continue
        open_by = {name: np.maximum(open_by[name], np.abs(other[name][0] - expected[name][0])) for name in expected}
    for name, (value, scale) in expected.items():
        error = np.abs(getattr(found, name) - value)
        assert np.all(error <= 2e-14 * scale + 4.0 * open_by[name]), (name, error / scale)


@pytest.mark.parametrize("cosine", [0.0, 0.5, -0.9375, 1.0 - 2.0**-20, 1.0, -1.0])
@pytest.mark.parametrize("teacher", [2.0**-54, 1.0, 2.0**20, 2.0**54])
@pytest.mark.parametrize("student", [2.0**-54, 2.0**-10, 1.0, 16.0, 64.0, 4e8, 2.0**54])
def test_one_unit(student, teacher, cosine):
    """Q from 1e-16 to 1e16: no digit is lost, also where student and teacher are parallel."""
    R = cosine * math.sqrt(student * teacher)
    Z = np.array([[student, R], [R, teacher]])
    assert_exact(Z, np.array([1.0, -1.0]), 1, np.random.default_rng(0))


@pytest.mark.parametrize("dimensions", [2, 3, 10])
@pytest.mark.parametrize("seed", range(6))
def test_several_units_of_any_size(seed, dimensions):
    """K = M = 2 and 3, sizes from 1e-16 to 1e16, also with fewer dimensions than units."""
    rng = np.random.default_rng([seed, dimensions])
    for K in (2, 3):
        sizes = 10.0 ** rng.uniform(-16.0, 16.0, 2 * K)
        Z = covariances(rng.standard_normal((2 * K, dimensions)), sizes)
        assert_exact(Z, np.concatenate([rng.standard_normal(K), -np.ones(K)]), K, rng)


@pytest.mark.parametrize("size", [1e-3, 1.0, 29.0, 31.0, 1e4, 1e8, 1e12])
@pytest.mark.parametrize("apart", [0.1, 1e-4, 1e-8])
def test_nearly_parallel_units(size, apart):
    rng = np.random.default_rng(7)
    teacher = rng.standard_normal((2, 5))
    student = teacher + apart * rng.standard_normal((2, 5))
    Z = covariances(np.concatenate([student, teacher]), np.full(4, size))
    assert_exact(Z, np.array([1.0, 1.0, -1.0, -1.0]), 2, rng)


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e6, 2.0**54])
def test_a_perfect_student_of_any_size_stays(size):
    """Equal bits give equal arcsines: H, E[e g] and ε_g vanish."""
    rng = np.random.default_rng(1)
    T = covariances(rng.standard_normal((3, 6)), np.full(3, size))
    Z = np.block([[T, T], [T, T]])
    w = np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
    out = make_averages(3, 3, 3)
    erf_averages(Z, Z, w, 3, 0.0, out)
    scale = np.sqrt(1.0 + size)
    assert np.abs(out.field).max() < 1e-15 * scale
    assert np.abs(out.delta).max() < 1e-14
    assert np.abs(out.activity).max() < 1e-14 and abs(out.error[0]) < 1e-14


@pytest.mark.parametrize("size", [1e-16, 1.0, 4e8, 1e12, 1e16])
def test_generalization_error_in_numpy(size):
    Z = np.array([[size, 0.5 * math.sqrt(size)], [0.5 * math.sqrt(size), 1.0]])
    exact = exact_averages(Z, np.array([1.0, -1.0]), 1)["error"][0][0]
    found = generalization_error("erf", Z[:1, :1], Z[:1, 1:], Z[1:, 1:], np.ones(1), np.ones((1, 1)), np.ones(1),
                                 np.ones(1))
    assert found == pytest.approx(exact, rel=4e-16, abs=2e-16)
