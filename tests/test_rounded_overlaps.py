"""Overlaps of a table, or of float32, that miss the covariance of real vectors by their rounding."""

import dataclasses

import numpy as np
import pytest

import onlinemode as om
from onlinemode.engines.chain.engine import ChainStart
from onlinemode.errors import ParameterError
from onlinemode.state import COVARIANCE_TOLERANCE, attainable, weights_from_overlaps

N, K, M = 6, 4, 4
PROBLEM = om.Problem(rates=om.LearningRates(xi_in=0.5))


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-5, 2e-6])
def test_short_vectors_beside_long_ones_keep_their_digits(size):
    rng = np.random.default_rng(0)
    X = size * rng.standard_normal((2, 8)) / np.sqrt(8.0)
    B = np.eye(8)[:2]
    overlaps = om.initial.from_overlaps(X @ X.T, X @ B.T, B @ B.T)
    made = weights_from_overlaps(overlaps, 1000, 0).order_parameters()
    assert np.allclose(made.G, overlaps.G, rtol=1e-11, atol=0.0)
    assert np.allclose(made.S, overlaps.S, rtol=1e-11, atol=0.0)


def vectors(size=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return size * rng.standard_normal((K, N)), rng.standard_normal((M, N))


def gram(X, B, kind):
    """Q, R, T of the rows, in float64, or rounded as a user has them."""
    if kind == "float32":
        X, B = X.astype(np.float32), B.astype(np.float32)
    Q, R, T = X @ X.T / X.dtype.type(N), X @ B.T / X.dtype.type(N), B @ B.T / X.dtype.type(N)
    return tuple(each.round(6) for each in (Q, R, T)) if kind == "six digits" else (Q, R, T)


@pytest.mark.parametrize("kind", ["six digits", "float32"])
@pytest.mark.parametrize("engine", ["micro", "chain"])
@pytest.mark.parametrize("seed", range(5))
def test_rounded_overlaps_of_more_vectors_than_dimensions(engine, kind, seed):
    """K + M = 8 vectors in N = 6: the run begins within the tolerance of what was given, and says from where."""
    given = om.initial.from_overlaps(*gram(*vectors(seed=seed), kind))
    assert np.linalg.matrix_rank(given.covariance, tol=1e-12) == K + M  # by rounding alone
    run = om.simulate(PROBLEM, given, 1.0, engine, N=N, save_at=3)
    largest = np.linalg.eigvalsh(given.covariance)[-1]
    assert np.abs(run.initial.covariance - given.covariance).max() < 2e-6 < COVARIANCE_TOLERANCE * largest
    assert np.linalg.matrix_rank(run.initial.covariance, tol=1e-12 * largest) == N
    for name in ("G", "S"):
        assert np.abs(getattr(run, name)[0, 0] - getattr(run.initial, name)).max() < 1e-10
    assert np.array_equal(om.repeat(run).G, run.G)


def test_dimensions_that_the_rounding_does_not_explain():
    given = om.initial.from_overlaps(*gram(*vectors(), "six digits"))
    for begin in (lambda: weights_from_overlaps(given, N - 1, seed=0), lambda: ChainStart(given, N - 1),
                  lambda: om.simulate(PROBLEM, given, 1.0, "chain", N=N - 1)):
        with pytest.raises(ParameterError) as caught:
            begin()
        assert str(caught.value) == (f"N must be at least {N}, the rank of the overlaps; got {N - 1}: no "
                                     f"{N - 1}-dimensional vectors have these overlaps")


@pytest.mark.parametrize("size", [1e-4, 1e-7])
@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_small_students_keep_their_digits(engine, size):
    """Q/T far below the tolerance and below the square root of rounding, in as many dimensions as there are vectors."""
    X, B = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0].reshape(2, 2, 4)
    X = size * (X + 0.3 * B)
    given = om.initial.from_overlaps(X @ X.T / 4, X @ B.T / 4, B @ B.T / 4)
    run = om.simulate(PROBLEM, given, 1.0, engine, N=4, save_at=3)
    assert np.array_equal(run.initial.G, given.G)
    assert np.allclose(run.G[0, 0], given.G, rtol=1e-7, atol=1e-9 * size**2)
    assert np.allclose(run.S[0, 0], given.S, rtol=1e-7, atol=1e-9 * size)


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_a_small_student_keeps_its_digits_beside_a_rounded_teacher(engine):
    """Eight vectors in six dimensions; what is dropped is the teacher's rounding, a hundred times Q."""
    X, B = vectors(1e-4, seed=3)
    X, B[3] = X[:2], B[0] + B[1] - B[2]
    Q, R, T = X @ X.T / N, X @ B.T / N, (B @ B.T / N).round(6)
    given = om.initial.from_overlaps(Q, R, T)
    run = om.simulate(PROBLEM, given, 1.0, engine, N=5, save_at=3)
    assert np.abs(run.T - T).max() < 2e-6
    assert np.allclose(run.G[0, 0], Q, rtol=1e-4) and np.allclose(run.S[0, 0], R, atol=1e-5 * np.abs(R).max())


@pytest.mark.parametrize("size", [1e-8, 1e-14])
def test_a_student_is_not_dropped_for_its_size(size):
    """Two vectors of the teacher fill N = 2: a small student beside them has no place, and is not set to zero."""
    given = om.initial.from_overlaps(size * np.eye(2), np.zeros((2, 2)), np.eye(2))
    with pytest.raises(ParameterError, match="N must be at least 4, the rank of the overlaps; got 2"):
        om.simulate(PROBLEM, given, 1.0, "micro", N=2)


def test_what_is_attainable_stays_as_it_is(random_overlaps):
    """To the bit, so that runs can be repeated; and what was made attainable is."""
    exact = random_overlaps(2, 3, 4, seed=4)
    assert attainable(exact, 7) is exact
    made = attainable(om.initial.from_overlaps(*gram(*vectors(), "six digits")), N)
    assert attainable(made, N) is made


def test_starts_that_differ_have_one_teacher():
    rounded = om.initial.from_overlaps(*gram(*vectors(), "six digits"))
    other = dataclasses.replace(rounded, G=1.44 * rounded.G, S=1.2 * rounded.S)
    with pytest.raises(ParameterError, match=r"start\(1\) was rounded: vectors of N = 6 would have its overlaps only"):
        om.simulate(PROBLEM, lambda r: (rounded, other)[r], 1.0, "chain", N=N, replicas=2)
