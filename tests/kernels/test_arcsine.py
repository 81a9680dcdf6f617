"""The branch-free arcsine against NumPy's."""

import numpy as np
import pytest

from onlinemode.kernels.mathematics.arcsine import arcsine, fill_arcsines, weighted_arcsines, weighted_arcsines_of_pairs


@pytest.fixture(scope="module")
def arguments():
    rng = np.random.default_rng(3)
    near_one = 1.0 - np.geomspace(1e-16, 0.6, 20_000)
    near_zero = np.geomspace(1e-300, 0.5, 20_000)
    special = np.array([0.0, 0.5, np.nextafter(0.5, 0), np.nextafter(0.5, 1), 1.0, np.nextafter(1.0, 0)])
    size = np.concatenate([rng.uniform(0.0, 1.0, 200_000), near_one, near_zero, special])
    return np.concatenate([size, -size])


def test_three_units_in_the_last_place(arguments):
    out = np.empty_like(arguments)
    fill_arcsines(arguments, (1.0 - arguments) * (1.0 + arguments), out)
    expected = np.arcsin(arguments)
    assert np.all(np.abs(out - expected) <= 3.0 * np.spacing(np.abs(expected)))
    assert np.array_equal(np.sign(out), np.sign(expected))


def test_weighted_sum_stops_at_count(arguments):
    x = np.random.default_rng(1).permutation(arguments)[:1003]
    weights = np.random.default_rng(2).standard_normal(x.size)
    for count in (0, 1, 7, 8, 1000, 1003):
        exact = np.sum(weights[:count] * np.arcsin(x[:count]))
        assert weighted_arcsines(x, weights, count) == pytest.approx(exact, abs=1e-12)
        pairs = weighted_arcsines_of_pairs(x, (1.0 - x) * (1.0 + x), weights, count)
        assert pairs == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("complement", [1e-300, 1e-40, 1e-16, 1e-8, 0.3])
def test_the_complement_tells_how_far_from_one(complement):
    """asin(√(1−c)) = π/2 − asin(√c), where √(1−c) rounds to 1."""
    out = np.empty(1)
    fill_arcsines(np.array([np.sqrt(1.0 - complement)]), np.array([complement]), out)
    assert out[0] == pytest.approx(np.pi / 2 - np.arcsin(np.sqrt(complement)), rel=3e-16)


@pytest.mark.parametrize("x", [1.0 + 1e-15, 1.0 + 1e-9, np.nextafter(1.0, 2.0)])
def test_rounded_beyond_one(x):
    assert arcsine(x) == np.pi / 2
    assert arcsine(-x) == -np.pi / 2
