"""The activation functions: erf to two units in the last place, against a series in fifty digits."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy import special

from onlinemode.activations import activation_of
from onlinemode.kernels.rule.activations import values_and_slopes

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")

ERF = activation_of("erf")


def exact(z):
    """erf(z/√2) and its derivative: √(2/π) exp(-z²/2) times 1, and times Σ z^(2n+1) / (2n+1)!!, a sum without signs."""
    with localcontext() as context:
        context.prec = 50
        z = Decimal(float(z))
        slope = (2 / PI).sqrt() * (-z * z / 2).exp()
        term, total, n = z, z, 1
        while abs(term) > abs(total) * Decimal("1e-45"):
            term *= z * z / (2 * n + 1)
            total += term
            n += 1
        return slope * total, slope


def errors(z):
    """Of the value in units in its last place, of the slope relative to it."""
    values, slopes = values_and_slopes(ERF, z)
    references = [exact(x) for x in z]
    value_errors = [float(Decimal(float(got)) - value) for got, (value, _) in zip(values, references)]
    slope_errors = [float(Decimal(float(got)) / slope - 1) for got, (_, slope) in zip(slopes, references)]
    return np.abs(value_errors) / np.spacing(np.abs(values)), np.abs(slope_errors)


@pytest.mark.parametrize("z", [
    np.linspace(-1.6, 1.6, 1501), np.linspace(1.4, 9.0, 1501), -np.logspace(-2, 0.9, 300), np.logspace(-300, -2, 300),
    np.nextafter(1.5, [0.0, 2.0]),
], ids=["inner", "outer", "negative", "tiny", "seam"])
def test_erf_and_its_slope(z):
    value_errors, slope_errors = errors(z)
    assert value_errors.max() < 2.0
    assert np.all(slope_errors < 3e-16 + 1.2e-16 * z**2)  # rounding -z²/2 costs as much as in any exponential


def test_erf_of_large_and_special_numbers():
    z = np.array([0.0, -0.0, 5e-324, 1e-310, 9.0, -40.0, 37.6, 38.0, 1e200, np.inf, -np.inf, np.nan])
    values, slopes = values_and_slopes(ERF, z)
    assert np.array_equal(np.signbit(values[:2]), [False, True])
    assert np.array_equal(values[:2], [0.0, 0.0])
    assert np.allclose(values[2:4], np.sqrt(2.0 / np.pi) * z[2:4], rtol=1e-13, atol=5e-324)
    assert np.array_equal(values[4:-1], np.sign(z[4:-1]))
    assert np.array_equal(slopes[:4], np.full(4, np.sqrt(2.0 / np.pi)))
    assert 0.0 < slopes[6] < 1e-300
    assert np.all(slopes[7:-1] == 0.0)
    assert np.isnan(values[-1]) and np.isnan(slopes[-1])


def test_erf_has_the_same_bits_alone_and_in_a_vector():
    """Student and teacher go through different loops; equal fields must cancel exactly."""
    z = np.random.default_rng(2).normal(scale=2.0, size=1003)
    together = np.stack(values_and_slopes(ERF, z))
    alone = np.concatenate([np.stack(values_and_slopes(ERF, z[i:i + 1])) for i in range(z.size)], axis=1)
    assert np.array_equal(together, alone)
    assert np.array_equal(values_and_slopes(ERF, -z)[0], -together[0])


@pytest.mark.parametrize("name, function, slope", [
    ("erf", lambda z: special.erf(z / np.sqrt(2.0)), lambda z: np.sqrt(2.0 / np.pi) * np.exp(-z**2 / 2.0)),
    ("linear", lambda z: z, np.ones_like),
    ("relu", lambda z: np.maximum(z, 0.0), lambda z: np.where(z > 0.0, 1.0, 0.0)),
    ("tanh", np.tanh, lambda z: 1.0 - np.tanh(z) ** 2)])
def test_values_and_slopes(name, function, slope):
    z = np.random.default_rng(1).normal(scale=3.0, size=(5, 7, 11))
    values, slopes = values_and_slopes(activation_of(name), z)
    assert values.shape == slopes.shape == z.shape
    assert np.allclose(values, function(z), rtol=0.0, atol=1e-15)
    assert np.allclose(slopes, slope(z), rtol=1e-14, atol=1e-15)
