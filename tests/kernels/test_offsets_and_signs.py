"""Sums of erfs with offsets, and teachers that are signs or polynomials: against an integral over a plane."""

import numpy as np
import pytest
from scipy import special

from onlinemode.kernels.averages.erf_sums import Terms, erf_sum_averages
from onlinemode.kernels.averages.linear import linear_student_averages
from onlinemode.kernels.averages.records import make_averages
from onlinemode.kernels.averages.units import (
    ERF_SUM,
    POLYNOMIAL,
    RELU,
    Units,
    mean,
    mean_slope,
    moment,
    moment_with_erf,
)

NOISE = 0.3
K, M, P = 3, 2, 2
NONE = np.empty(0)
SIGN = Units(ERF_SUM, np.ones(1), np.zeros(1))
SIGMOID = Units(ERF_SUM, np.array([0.3, 0.2]), np.array([1.5, 4.0]), 0.5)
ERF = Units(ERF_SUM, np.ones(1), np.ones(1))
STEP = Units(ERF_SUM, np.array([0.5]), np.zeros(1), 0.5)
TEACHERS = {"sign": SIGN, "sigmoid": SIGMOID, "erf": ERF, "step": STEP, "relu": Units(RELU, NONE, NONE),
            "He2": Units(POLYNOMIAL, np.array([-1.0, 0.0, 1.0]), NONE),
            "uneven": Units(POLYNOMIAL, np.array([0.3, 1.0, 0.5, -0.2]), NONE)}


def terms_of(student, teacher, of_student=K, of_teacher=M, told_as_units=False):
    kinds = [(student, of_student)]
    if teacher.kind == ERF_SUM and not told_as_units:
        kinds.append((teacher, of_teacher))
    size = np.concatenate([np.full(count, each.width.size) for each, count in kinds])
    return Terms(np.repeat(np.arange(len(size)), size),
                 np.concatenate([np.tile(each.coefficient, count) for each, count in kinds]),
                 np.concatenate([np.tile(each.width, count) for each, count in kinds]),
                 teacher, 0 if len(kinds) > 1 else of_teacher, student.offset)


def found(h, x, w, student, teacher, **options):
    out, of_teacher = make_averages(K, len(h) - K, P), len(h) - K
    terms = terms_of(student, teacher, K, of_teacher, **options)
    erf_sum_averages(h @ h.T, h @ x.T, w, K, NOISE, terms, out)
    return out


def value(unit, z):
    if unit.kind == POLYNOMIAL:
        return np.polynomial.polynomial.polyval(z, unit.coefficient)
    if unit.kind == RELU:
        return np.maximum(z, 0.0)
    return unit.offset + sum(c * (special.erf(z / np.sqrt(2.0 * width)) if width > 0.0 else np.sign(z))
                             for c, width in zip(unit.coefficient, unit.width))


def slope(unit, z):
    return sum(c * np.sqrt(2.0 / np.pi / width) * np.exp(-z * z / 2.0 / width)
               for c, width in zip(unit.coefficient, unit.width))


def plane(directions):
    """Points of a plane and their weights, of a normal law: by Gauss's rules in the radius, and in the angle between
    the lines across ``directions``, where signs jump."""
    jumps = np.arctan2(directions[:, 1], directions[:, 0]) + 0.5 * np.pi
    ends = np.unique(np.concatenate([jumps, jumps + np.pi, np.arange(6.0)]) % (2.0 * np.pi))
    ends = np.append(ends, ends[0] + 2.0 * np.pi)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    nodes, weights = 0.5 * (nodes + 1.0), 0.5 * weights
    width = np.diff(ends)
    angle, of_angle = (ends[:-1, None] + width[:, None] * nodes).ravel(), (width[:, None] * weights).ravel()
    radius = 9.5 * nodes
    of_radius = 9.5 * weights * radius * np.exp(-0.5 * radius**2) / (2.0 * np.pi)
    z = np.stack([np.outer(np.cos(angle), radius).ravel(), np.outer(np.sin(angle), radius).ravel()])
    return z, np.outer(of_angle, of_radius).ravel()


def over_the_plane(h, x, w, student, teacher, student_value=None, student_slope=None):
    z, weight = plane(h[K:])
    values = value(student, h[:K] @ z) if student_value is None else student_value(h[:K] @ z)
    slopes = slope(student, h[:K] @ z) if student_slope is None else student_slope(h[:K] @ z)
    gain, error = w[:K, None] * slopes, w[:K] @ values + w[K:] @ value(teacher, h[K:] @ z)
    return ((gain * error * weight) @ (x @ z).T, (gain * weight * (error**2 + NOISE**2)) @ gain.T,
            (values * weight) @ error, np.array([0.5 * weight @ error**2]))


def furthest(averages, expected):
    return max(np.abs(value - other).max() / np.abs(other).max() for value, other in zip(averages, expected))


def fields(seed):
    rng = np.random.default_rng(seed)
    modes, teacher, A = 0.7 * rng.standard_normal((P, 2)), rng.standard_normal((M, 2)), rng.standard_normal((K, P))
    return np.concatenate([A @ modes, teacher]), np.concatenate([modes, teacher]), rng.standard_normal(K + M)


@pytest.mark.parametrize("teacher", TEACHERS)
@pytest.mark.parametrize("student", [ERF, SIGMOID], ids=["erf", "sigmoid"])
def test_against_the_plane(student, teacher):
    h, x, w = fields(len(teacher))
    teacher = TEACHERS[teacher]
    expected = over_the_plane(h, x, w, student, teacher)
    assert furthest(found(h, x, w, student, teacher), expected) < 1e-11
    if teacher.coefficient.size:
        wrong = teacher._replace(coefficient=1.1 * teacher.coefficient)
        assert furthest(found(h, x, w, student, wrong), expected) > 1e-3
    for each in (student, teacher):
        if each.offset != 0.0:
            wrong = each._replace(offset=1.1 * each.offset)
            pair = (wrong, teacher) if each is student else (student, wrong)
            assert furthest(found(h, x, w, *pair), expected) > 1e-3


@pytest.mark.parametrize("teacher", ["sign", "sigmoid", "step"])
def test_teachers_without_terms_are_as_those_with_terms(teacher):
    h, x, w = fields(1)
    with_terms = found(h, x, w, SIGMOID, TEACHERS[teacher])
    assert furthest(found(h, x, w, SIGMOID, TEACHERS[teacher], told_as_units=True), with_terms) < 1e-13


@pytest.mark.parametrize("teacher", TEACHERS)
def test_linear_students(teacher):
    h, x, w = fields(3)
    teacher = TEACHERS[teacher]
    out = make_averages(K, M, P)
    linear_student_averages(h @ h.T, h @ x.T, w, K, NOISE, teacher, out)
    expected = over_the_plane(h, x, w, None, teacher, lambda z: z, np.ones_like)
    assert furthest(out, expected) < 1e-11
    linear_student_averages(h @ h.T, h @ x.T, w, K, NOISE, teacher._replace(kind=POLYNOMIAL, coefficient=np.ones(2)),
                            out)
    assert furthest(out, expected) > 1e-3


@pytest.mark.parametrize("size", [0.7, 1e4])
@pytest.mark.parametrize("student", [ERF, SIGMOID], ids=["erf", "sigmoid"])
def test_equal_and_vanishing_sign_teachers(student, size):
    """Two equal ones are one of the sum of their weights, two opposite ones of the difference, one at 0 is none."""
    h, x, w = fields(2)
    h, x = size * h, size * x
    several, weights = np.concatenate([h, h[K:K + 1], -h[K:K + 1], 0.0 * h[:1]]), np.concatenate([w, [0.4, -0.9, 1.3]])
    fields_of_all = np.concatenate([x, x[P:P + 1], -x[P:P + 1], 0.0 * x[:1]])
    together = w.copy()
    together[K] += 0.4 + 0.9
    one, all_of_them = found(h, x, together, student, SIGN), found(several, fields_of_all, weights, student, SIGN)
    all_of_them = all_of_them._replace(field=all_of_them.field[:, :P + M])
    assert furthest(all_of_them, one) < 1e-12
    together[K] += 0.1
    assert furthest(all_of_them, found(h, x, together, student, SIGN)) > 1e-4
    for each in found(0.0 * h, 0.0 * x, w, student, SIGN):
        assert np.isfinite(each).all()


def test_a_student_on_top_of_its_teacher():
    """No error is left, with an offset either."""
    h, x, w = fields(6)
    h[0], h[1], h[2], w[:] = h[3], h[4], h[3], [0.4, -1.2, 0.3, -0.7, 1.2]
    averages, size = found(h, x, w, SIGMOID, SIGMOID), found(h, x, np.abs(w), SIGMOID, SIGMOID)
    noise = over_the_plane(h, x, w, SIGMOID, SIGMOID)[1]
    assert abs(averages.error[0]) < 1e-15 and np.abs(averages.activity).max() < 1e-15
    assert np.abs(averages.field).max() < 1e-15 and size.error[0] > 0.1
    assert averages.delta == pytest.approx(noise, rel=1e-11)


def test_moments_of_signs():
    """Of two signs: 1 − 2 angle/π, to their last digits where they are parallel."""
    for a, b in ((1.3, 0.4), (1e-8, 1e8), (0.1, 0.3), (1.0, 1.0)):
        for correlation in (-0.999, -0.3, 0.0, 0.8):
            expected = 2.0 / np.pi * np.arcsin(correlation)
            assert moment(SIGN, a, b, correlation * np.sqrt(a * b)) == pytest.approx(expected, abs=1e-14)
        assert mean_slope(SIGN, a) == pytest.approx(np.sqrt(2.0 / np.pi / a), rel=1e-15)
        assert moment(SIGN, a, a, a) == 1.0 and moment(SIGN, a, a, -a) == -1.0
    assert moment(SIGN, 1.0, 4.0, 2.0) == 1.0 and moment(SIGN, 1.0, 4.0, -2.0) == -1.0
    small = 2.0**-40
    assert moment(SIGN, 1.0, 1.0 + small**2, 1.0) == 1.0  # the longer one cannot be told from the other
    assert 1.0 - moment(SIGN, 1.0, 1.0 + 2.0**-30, 1.0) == pytest.approx(2.0 / np.pi * np.arctan(2.0**-15), rel=1e-8)
    for a, b in ((0.0, 1.0), (1.0, 0.0), (0.0, 0.0)):
        assert moment(SIGN, a, b, 0.0) == 0.0 and mean_slope(SIGN, 0.0) == 0.0
    for units in TEACHERS.values():
        assert moment_with_erf(units, 0.0, 0.0, 1.0, 0.0) == 0.0
        assert np.isnan(moment_with_erf(units, 0.0, np.nan, 1.0, 0.3)) and np.isnan(moment(units, np.nan, 1.0, np.nan))
    assert np.isnan(mean_slope(SIGN, np.nan))


@pytest.mark.parametrize("name", TEACHERS)
def test_means(name):
    """E[g], and offsets in second moments."""
    units = TEACHERS[name]
    a, b, c = 1.3, 0.4, 0.5
    factor = np.linalg.cholesky([[a, c], [c, b]])
    z, weight = plane(factor)
    one, other = value(units, factor @ z)
    assert mean(units, a) == pytest.approx(weight @ one, abs=1e-12)
    assert moment(units, a, b, c) == pytest.approx(weight @ (one * other), abs=1e-12)
    assert moment_with_erf(units, 0.8, a, b, c) == pytest.approx(
        weight @ (special.erf((factor @ z)[0] / np.sqrt(1.6)) * other), abs=1e-12)
    assert moment_with_erf(units, 0.0, a, b, c) == pytest.approx(weight @ (np.sign((factor @ z)[0]) * other), abs=1e-12)
    assert moment(units, a, b, 0.8 * c) != pytest.approx(weight @ (one * other), abs=1e-3)
