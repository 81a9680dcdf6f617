"""The chain's update, pathwise against real vectors; its random numbers; the rotation."""

import chain_vectors
import numpy as np
import pytest
from scipy import stats

import onlinemode as om
from onlinemode.kernels.random.chain_normals import fill_chain_normals, fill_chi

COUNT = 200_000


def chi(degrees, count=COUNT, seed=3):
    out = np.empty(count)
    fill_chi(out, np.empty(count), degrees, count, 0, 0, 1, seed)
    return out


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 100, 10**6])
def test_chi(degrees):
    """KS of 2e5 draws; false-alarm rate 1e-3 a case."""
    assert stats.kstest(chi(degrees) ** 2, stats.chi2(degrees).cdf).pvalue > 1e-3


def test_chi_of_no_and_of_huge_degrees():
    assert np.all(chi(0, 100) == 0.0)
    huge = (chi(10**12) ** 2 - 1e12) / np.sqrt(2e12)
    assert abs(huge.mean()) < 5.0 / np.sqrt(COUNT)
    assert huge.std() == pytest.approx(1.0, abs=0.01)


def test_chi_does_not_depend_on_the_buffer():
    whole, parts = chi(3, 1000), np.empty(1000)
    for first in range(0, 1000, 64):
        count = min(64, 1000 - first)
        piece = np.empty(64)
        fill_chi(piece, np.empty(64), 3, count, 0, first, 1, 3)
        parts[first:first + count] = piece[:count]
    assert np.array_equal(parts, whole)
    third = np.empty(333)
    fill_chi(third, np.empty(333), 3, 333, 0, 1, 3, 3)
    assert np.array_equal(third, whole[1::3][:333])


@pytest.mark.parametrize("degrees", [0, 1, 3, 100])
def test_the_noise_beside_chi(degrees):
    """A normal that is independent of chi and the same for all degrees; KS at 1e-3, correlations at 5 errors."""
    length, noise, other = np.empty((3, COUNT))
    fill_chi(length, noise, degrees, COUNT, 0, 0, 1, 3)
    fill_chi(length.copy(), other, 7, COUNT, 0, 0, 1, 3)
    assert np.array_equal(noise, other)
    assert stats.kstest(noise, "norm").pvalue > 1e-3
    if degrees:
        for x in (noise, noise**2):
            assert abs(np.corrcoef(x, length)[0, 1]) < 5.0 / np.sqrt(COUNT)


def normals(rows, count, seed=1, first=0, replica=0, stride=1):
    out = np.empty((rows, count))
    fill_chain_normals(out, rows, count, 2, replica, first, stride, seed)
    return out


def test_chain_normals():
    """Moments to order 6 within 5 standard errors, KS at 1e-3, no correlations beyond 5 standard errors."""
    values = normals(4, COUNT)
    flat = values.ravel()
    for order, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)):
        assert abs((flat**order).mean() - moment) < 5.0 * np.sqrt(spread / flat.size)
    assert stats.kstest(flat, "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(values) - np.eye(4)).max() < 5.0 / np.sqrt(COUNT)
    for other in (normals(4, COUNT, seed=2), normals(4, COUNT, replica=1), normals(4, COUNT, first=1)):
        assert np.abs(np.corrcoef(values, other)[:4, 4:]).max() < 5.0 / np.sqrt(COUNT)


def test_chain_normals_do_not_depend_on_the_buffer():
    assert np.array_equal(normals(6, 10, first=2**40 + 5), normals(6, 20, first=2**40)[:, 5:15])
    assert np.array_equal(normals(4, 5, first=2**40 + 5, stride=3), normals(6, 20, first=2**40)[:4, 5:20:3])


@pytest.mark.parametrize("N, K, M, P, batch", [(31, 3, 2, 2, 1), (40, 2, 3, 4, 1), (30, 2, 2, 2, 3), (9, 2, 3, 3, 1),
                                              (40, 3, 2, 6, 1), (50, 2, 2, 9, 2)])
def test_pathwise_equal_to_real_vectors(N, K, M, P, batch, random_weights):
    """400 steps: real N-vectors that have the chain's fields and lengths learn to the same overlaps.

    The chain's normals and chi variates are components in its frame.  Here the frame is made of real
    vectors, the input is put together from them, and ten lines of NumPy learn from it.
    """
    rates = om.LearningRates(xi_in=1.2, strengths=0.3, xi_out=0.4, readout=0.2)
    problem = om.Problem(noise=0.3, weight_decay=0.3, batch=batch, rates=rates)
    start = random_weights(N, K=K, M=M, P=P, seed=N)
    made = 0
    for vectors, chain in chain_vectors.pairs(problem, start, steps=400, seed=5):
        for name, expected in vectors.overlaps(start.teacher).items():
            assert np.abs(chain[name] - expected).max() < 1e-12 * max(1.0, np.abs(expected).max()), name
        made += 1
    assert made == 400
