"""Normal nodes and the factor of the teacher's overlaps."""

import math

import numpy as np
import pytest

from onlinemode.theory.quadrature import DEFAULT_NODES, normal_nodes, teacher_factor


@pytest.mark.parametrize("dimension", [1, 2, 5, 9])
@pytest.mark.parametrize("count", [2**7, DEFAULT_NODES])
def test_mean_and_covariance_are_exact(dimension, count):
    nodes = normal_nodes(dimension, count)
    assert nodes.shape == (count, dimension)
    assert nodes.flags.c_contiguous
    assert np.abs(nodes.mean(0)).max() < 1e-14
    assert np.abs(nodes.T @ nodes / count - np.eye(dimension)).max() < 1e-13


def test_higher_moments():
    """Means of products of order up to 6, to 3 times the accuracy of plain Monte Carlo."""
    nodes = normal_nodes(4, 2**14)
    for i in range(4):
        for order, exact in ((3, 0.0), (4, 3.0), (5, 0.0), (6, 15.0)):
            spread = math.sqrt((math.prod(range(1, 2 * order, 2)) - exact**2) / 2**14)
            assert abs(np.mean(nodes[:, i] ** order) - exact) < 0.3 * spread
        for j in range(i):
            assert abs(np.mean(nodes[:, i] ** 2 * nodes[:, j] ** 2) - 1.0) < 0.3 * math.sqrt(8.0 / 2**14)
            assert abs(np.mean(nodes[:, i] ** 3 * nodes[:, j])) < 0.3 * math.sqrt(15.0 / 2**14)


def test_seeds_give_different_nodes_and_one_seed_the_same():
    first = normal_nodes(3, 256, 1).copy()
    normal_nodes.cache_clear()
    assert np.array_equal(normal_nodes(3, 256, 1), first)
    assert not np.any(normal_nodes(3, 256, 2) == first)


@pytest.mark.parametrize("M, rank", [(1, 1), (3, 3), (4, 2), (5, 1)])
def test_teacher_factor(M, rank):
    rng = np.random.default_rng(M)
    root = rng.standard_normal((M, rank))
    T = root @ root.T
    factor, inverse = teacher_factor(T)
    assert factor.shape == (M, rank)
    assert np.allclose(factor @ factor.T, T, rtol=0.0, atol=1e-13)
    assert np.allclose(inverse @ factor, np.eye(rank), rtol=0.0, atol=1e-12)


def test_equal_teacher_units_have_rank_one():
    factor, inverse = teacher_factor(np.ones((2, 2)))
    assert factor.shape == (2, 1)
    assert np.allclose(factor @ factor.T, 1.0, rtol=0.0, atol=1e-15)
    assert np.allclose(inverse @ factor, 1.0, rtol=0.0, atol=1e-15)


def test_vanishing_teacher():
    factor, inverse = teacher_factor(np.zeros((3, 3)))
    assert np.array_equal(factor, np.zeros((3, 1)))
    assert np.array_equal(inverse, np.zeros((1, 3)))
