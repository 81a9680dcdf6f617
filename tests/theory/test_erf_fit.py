"""Sums of erfs for smooth odd functions: the errors that they report, on a grid of another kind."""

import numpy as np
import pytest
from scipy import special

from onlinemode.theory.averaging import TANH_ERROR, TANH_SLOPE_ERROR, sum_of
from onlinemode.theory.erf_fit import LARGEST_COEFFICIENT, SLOPE_WEIGHT, fit_erfs


def over_cosh_squared(z):
    return 4.0 * np.exp(-2.0 * abs(z)) / (1.0 + np.exp(-2.0 * abs(z))) ** 2


def erf_of(coefficients, gains):
    return (lambda z: sum(c * special.erf(b * z / np.sqrt(2.0)) for c, b in zip(coefficients, gains)),
            lambda z: sum(c * b * np.sqrt(2.0 / np.pi) * np.exp(-0.5 * (b * z) ** 2)
                          for c, b in zip(coefficients, gains)))


TANH = np.tanh, over_cosh_squared
ARCTAN = np.arctan, lambda z: 1.0 / (1.0 + z * z)
SOFTSIGN = lambda z: z / (1.0 + abs(z)), lambda z: (1.0 + abs(z)) ** -2.0
BUMP = lambda z: z * np.exp(-0.5 * z * z), lambda z: (1.0 - z * z) * np.exp(-0.5 * z * z)
GUDERMANN = lambda z: 2.0 * np.arctan(np.tanh(0.5 * z)), lambda z: 2.0 / (np.exp(abs(z)) + np.exp(-abs(z)))


def errors_elsewhere(found, g, slope):
    """The largest errors over 40,000 even points and far tails, by other means than those of the fit."""
    z = np.concatenate([np.linspace(-12.0, 12.0, 40_001), np.geomspace(12.0, 1e9, 4_001)])
    value, derivative = erf_of(found.coefficients, found.gains)
    with np.errstate(all="ignore"):
        return np.abs(value(z) - g(z)).max(), np.abs(derivative(z) - slope(z)).max()


def assert_honest(found, g, slope):
    for reported, measured in zip((found.error, found.slope_error), errors_elsewhere(found, g, slope)):
        assert 0.99 * measured - 1e-14 < reported < 1.01 * measured + 1e-14


def test_tanh_needs_the_seven_terms_that_are_known():
    found = fit_erfs(*TANH)
    assert_honest(found, *TANH)
    assert found.error < 1.02 * TANH_ERROR and found.slope_error < 1.02 * TANH_SLOPE_ERROR
    terms = sum_of("tanh")
    for value, known in zip((found.coefficients, found.gains), (terms.coefficients, np.array(terms.widths) ** -0.5)):
        assert np.allclose(value, known, rtol=2e-2)
    wrong = found._replace(gains=found.gains * (1.0 + 1e-6))
    assert errors_elsewhere(wrong, *TANH)[0] > 3.0 * found.error  # the measure sees as much


def test_no_more_terms_than_are_wanted():
    counts = [len(fit_erfs(*TANH, wanted=wanted).gains) for wanted in (1e-2, 1e-4, 1e-5)]
    assert counts == sorted(counts) and counts[0] <= 2 and counts[-1] <= 5
    found = fit_erfs(*TANH, most=3)
    assert len(found.gains) == 3 and 1e-5 < found.largest < 1e-3


@pytest.mark.parametrize("coefficients, gains", [((1.0,), (1.7,)), ((-0.4,), (0.03,)), ((1.0, -0.6), (1.4, 4.2))])
def test_sums_of_erfs_are_found_again(coefficients, gains):
    found = fit_erfs(*erf_of(coefficients, gains))
    assert np.allclose(found.coefficients, coefficients, rtol=1e-9) and np.allclose(found.gains, gains, rtol=1e-9)
    assert found.largest < 1e-12


@pytest.mark.parametrize("scale", [0.02, 30.0])
def test_tanh_of_another_scale(scale):
    g, slope = lambda z: np.tanh(scale * z), lambda z: scale * over_cosh_squared(scale * z)
    found = fit_erfs(g, slope, wanted=1e-5)
    assert found.largest < 1e-5 and len(found.gains) <= 6
    assert found(0.7 / scale) == pytest.approx(np.tanh(0.7), abs=1e-5)
    assert found.slope(0.7 / scale) == pytest.approx(slope(0.7 / scale), abs=4e-5)


@pytest.mark.parametrize("functions, least, largest", [(ARCTAN, 1e-4, 1e-3), (SOFTSIGN, 5e-4, 5e-3),
                                                       (GUDERMANN, 0.0, 1.1e-7), (BUMP, 0.0, 1e-6)],
                         ids=["arctan", "softsign", "Gudermann", "bump"])
def test_slow_tails_and_bumps(functions, least, largest):
    """Errors of what no sum of so few erfs can be are reported as they are."""
    found = fit_erfs(*functions)
    assert_honest(found, *functions)
    assert least < found.largest < largest
    assert found.largest == max(found.error, SLOPE_WEIGHT * found.slope_error)
    size = np.abs(functions[0](np.linspace(0.0, 1e3, 100_001))).max()
    assert np.abs(found.coefficients).max() < 1.01 * LARGEST_COEFFICIENT * size


@pytest.mark.parametrize("g, slope", [(lambda z: z, np.ones_like), (np.sin, np.cos), (np.sinh, np.cosh),
                                      (lambda z: np.maximum(z, 0.0), lambda z: 1.0 * (z > 0.0)),
                                      (lambda z: np.sqrt(1.0 - z), lambda z: -0.5 / np.sqrt(1.0 - z)),
                                      (np.sign, np.zeros_like)],
                         ids=["linear", "sin", "sinh", "relu", "not real", "sign"])
def test_functions_that_are_no_such_sums(g, slope):
    assert fit_erfs(g, slope, most=3).largest > 0.3


def test_nothing_is_the_empty_sum():
    found = fit_erfs(np.zeros_like, np.zeros_like)
    assert found.gains.size == 0 and found.largest == 0.0 and found(np.ones(3)).tolist() == [0.0, 0.0, 0.0]


def test_is_the_same_again():
    one, other = fit_erfs(*TANH, most=4), fit_erfs(*TANH, most=4)
    assert np.array_equal(one.coefficients, other.coefficients) and np.array_equal(one.gains, other.gains)
