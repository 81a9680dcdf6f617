"""Weights and OrderParameters: validation, overlaps, and weights made from overlaps."""

import copy
import pickle

import numpy as np
import pytest

import onlinemode as om
from onlinemode.errors import OverlapError, ParameterError, ShapeError
from onlinemode.state import weights_from_overlaps

WEIGHTS = {"xi_in": np.ones((2, 5)), "strengths": np.ones(2), "xi_out": np.ones((3, 2)), "readout": np.ones(3),
           "teacher": np.ones((4, 5)), "teacher_readout": np.ones(4)}
OVERLAPS = {"G": np.eye(2), "S": np.zeros((2, 4)), "T": np.eye(4), "strengths": np.ones(2), "xi_out": np.ones((3, 2)),
            "readout": np.ones(3), "teacher_readout": np.ones(4)}


@pytest.mark.parametrize("changes, message", [
    ({"xi_in": np.ones((3, 5))}, "xi_in must have shape (P, N) = (2, any); got (3, 5)"),
    ({"xi_in": np.ones(5)}, "xi_in must have shape (P, N) = (2, any); got (5,)"),
    ({"teacher": np.ones((3, 5))}, "teacher must have shape (M, N) = (4, any); got (3, 5)"),
    ({"teacher_readout": np.ones(3)}, "teacher must have shape (M, N) = (3, any); got (4, 5)"),
    ({"readout": np.ones(2)}, "readout must have shape (K,) = (3,); got (2,)"),
    ({"strengths": np.ones(3)}, "strengths must have shape (P,) = (2,); got (3,)"),
    ({"xi_out": np.ones(2)}, "xi_out must have shape (K, P) = (any, any); got (2,)"),
    ({"xi_in": np.ones((2, 0)), "teacher": np.ones((4, 0))}, "xi_in must not be empty; got shape (2, 0)"),
    ({"readout": "ones"}, "readout must be an array of numbers; got 'ones'"),
])
def test_weights_of_wrong_shape(changes, message):
    with pytest.raises(ShapeError) as caught:
        om.Weights(**{**WEIGHTS, **changes})
    assert str(caught.value) == message


def test_a_teacher_that_does_not_fit_the_inputs():
    weights = om.Weights(**{**WEIGHTS, "teacher": np.ones((4, 6))})
    for call in (weights.order_parameters, lambda: om.simulate(om.Problem(), weights, 1.0, "chain")):
        with pytest.raises(ShapeError) as caught:
            call()
        assert str(caught.value) == ("teacher must have shape (M, N) = (4, 5) where it sees the inputs; got (4, 6)")


@pytest.mark.parametrize("name", list(WEIGHTS))
@pytest.mark.parametrize("value, shown", [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_weights_must_be_finite(name, value, shown):
    array = WEIGHTS[name].copy()
    array.flat[-1] = value
    position = tuple(n - 1 for n in array.shape)
    with pytest.raises(ParameterError) as caught:
        om.Weights(**{**WEIGHTS, name: array})
    assert str(caught.value) == f"{name} must be finite; entry {position} is {shown}"


@pytest.mark.parametrize("changes, message", [
    ({"G": np.eye(3)}, "G must have shape (P, P) = (2, 2); got (3, 3)"),
    ({"S": np.zeros((4, 2))}, "S must have shape (P, M) = (2, 4); got (4, 2)"),
    ({"T": np.eye(5)}, "T must have shape (M, M) = (4, 4); got (5, 5)"),
])
def test_overlaps_of_wrong_shape(changes, message):
    with pytest.raises(ShapeError) as caught:
        om.OrderParameters(**{**OVERLAPS, **changes})
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["G", "T"])
def test_asymmetric_overlaps(name):
    value = OVERLAPS[name].copy()
    value[0, 1] = 0.125
    with pytest.raises(OverlapError) as caught:
        om.OrderParameters(**{**OVERLAPS, name: value})
    assert str(caught.value) == f"{name} must be symmetric; got {name}[0,1] = 0.125 but {name}[1,0] = 0"


def test_overlaps_that_are_no_covariance():
    S = np.zeros((2, 4))
    S[0, 0] = 1.1  # a cosine of 1.1
    with pytest.raises(OverlapError) as caught:
        om.OrderParameters(**{**OVERLAPS, "S": S})
    assert str(caught.value).startswith("the overlaps [[G, S], [Sᵀ, T]] must be a covariance")
    assert "the smallest eigenvalue is -0.1, the largest 2.1" in str(caught.value)


def test_negative_norm_is_no_covariance():
    with pytest.raises(OverlapError, match="the smallest eigenvalue is -1"):
        om.OrderParameters(**{**OVERLAPS, "G": np.diag([1.0, -1.0])})


def test_table_of_six_digits(random_weights):
    """Overlaps of a singular covariance, rounded to six digits as they are printed, are accepted."""
    smallest = 0.0
    for seed in range(20):
        o = random_weights(6, 4, 4, 4, seed).order_parameters()  # rank 6 of 8
        rounded = om.OrderParameters(G=o.G.round(6), S=o.S.round(6), T=o.T.round(6), strengths=o.strengths,
                                     xi_out=o.xi_out, readout=o.readout, teacher_readout=o.teacher_readout)
        smallest = min(smallest, np.linalg.eigvalsh(rounded.covariance)[0])
    assert smallest < -1e-8  # the tolerance was needed


def test_tolerance_is_no_more_than_that():
    for excess, fits in ((5e-6, True), (5e-5, False)):
        S = np.zeros((2, 4))
        S[0, 0] = 1.0 + excess  # eigenvalues −excess and 2 + excess
        if fits:
            om.OrderParameters(**{**OVERLAPS, "S": S})
        else:
            with pytest.raises(OverlapError):
                om.OrderParameters(**{**OVERLAPS, "S": S})


def test_rank_deficient_teacher():
    o = om.OrderParameters(**{**OVERLAPS, "T": np.ones((4, 4))})
    assert np.linalg.matrix_rank(o.T) == 1


@pytest.mark.parametrize("K, M, P, N", [(3, 2, 2, 10), (2, 3, 4, 5), (1, 1, 1, 1), (4, 4, 4, 3)])
def test_order_parameters_are_the_products(random_weights, K, M, P, N):
    w = random_weights(N, K, M, P, seed=3)
    o = w.order_parameters()
    student = w.xi_out @ np.diag(w.strengths) @ w.xi_in
    for value, a, b in ((o.G, w.xi_in, w.xi_in), (o.S, w.xi_in, w.teacher), (o.T, w.teacher, w.teacher),
                        (o.Q, student, student), (o.R, student, w.teacher)):
        assert value.shape == (len(a), len(b))
        assert np.allclose(value, a @ b.T / N, rtol=1e-13, atol=1e-13)
    assert (o.K, o.M, o.P) == (w.K, w.M, w.P) == (K, M, P)
    assert w.N == N
    for name in ("strengths", "xi_out", "readout", "teacher_readout"):
        assert np.array_equal(getattr(o, name), getattr(w, name))
    assert np.array_equal(o.covariance, np.block([[o.G, o.S], [o.S.T, o.T]]))


def test_arrays_are_read_only_copies():
    mine = WEIGHTS["xi_in"].copy()
    w = om.Weights(**{**WEIGHTS, "xi_in": mine})
    mine[0, 0] = 7.0
    assert w.xi_in[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        w.xi_in[0, 0] = 7.0
    with pytest.raises(ValueError, match="read-only"):
        om.OrderParameters(**OVERLAPS).G[0, 0] = 7.0


def test_fingerprint():
    first = om.Weights(**WEIGHTS).fingerprint()
    assert om.Weights(**WEIGHTS).fingerprint() == first
    for name, value in WEIGHTS.items():
        changed = value.copy()
        changed.flat[0] = np.nextafter(1.0, 2.0)
        assert om.Weights(**{**WEIGHTS, name: changed}).fingerprint() != first


@pytest.mark.parametrize("K, M, P, N", [(3, 2, 2, 4), (3, 2, 2, 50), (2, 3, 4, 7), (2, 3, 4, 1001)])
def test_weights_from_overlaps_are_exact(random_overlaps, K, M, P, N):
    """Also at N = rank = P + M."""
    o = random_overlaps(K, M, P, seed=4)
    w = weights_from_overlaps(o, N, seed=1)
    assert w.N == N
    scale = np.abs(o.covariance).max()
    assert np.abs(w.order_parameters().covariance - o.covariance).max() < 1e-12 * scale
    again, other = (weights_from_overlaps(o, N, seed=seed) for seed in (1, 2))
    assert np.array_equal(again.xi_in, w.xi_in)
    assert not np.array_equal(other.xi_in, w.xi_in)


def test_weights_from_overlaps_of_low_rank(random_weights):
    """Rank 3 overlaps of 5 + 4 vectors fit into N = 3, not into 2."""
    o = random_weights(3, 2, 4, 5, seed=9).order_parameters()
    w = weights_from_overlaps(o, 3, seed=1)
    assert np.abs(w.order_parameters().covariance - o.covariance).max() < 1e-12 * np.abs(o.covariance).max()
    with pytest.raises(ParameterError) as caught:
        weights_from_overlaps(o, 2, seed=1)
    assert str(caught.value) == ("N must be at least 3, the rank of the overlaps; got 2: no 2-dimensional vectors "
                                 "have these overlaps")


def test_weights_from_a_rounded_table(random_weights):
    """Negative eigenvalues within the tolerance count as zero: overlaps to the table's own accuracy."""
    o = random_weights(6, 4, 4, 4, seed=2).order_parameters()
    rounded = om.OrderParameters(G=o.G.round(6), S=o.S.round(6), T=o.T.round(6), strengths=o.strengths,
                                 xi_out=o.xi_out, readout=o.readout, teacher_readout=o.teacher_readout)
    w = weights_from_overlaps(rounded, 20, seed=1)
    assert np.abs(w.order_parameters().covariance - o.covariance).max() < 1e-5


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies_of_weights_remember_nothing_and_cannot_be_written_to(copied):
    weights = om.initial.committee(20, K=2, seed=1)
    overlaps, fingerprint = weights.order_parameters(), weights.fingerprint()
    other = copied(weights)
    assert not {name for name in vars(other) if name.startswith("_")}
    with pytest.raises(ValueError, match="read-only"):
        other.xi_in[:] = 0.0
    assert other.fingerprint() == fingerprint and np.array_equal(other.order_parameters().G, overlaps.G)
