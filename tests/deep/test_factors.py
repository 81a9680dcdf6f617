"""Factors of layers: decompositions, forward pass and accuracy against plain ones."""

import numpy as np
import pytest

from onlinemode import deep
from onlinemode.deep import factors
from onlinemode.deep.factors import Factors
from onlinemode.errors import ParameterError, ShapeError


def test_truncated_is_the_best_of_its_rank():
    W = np.random.default_rng(0).standard_normal((7, 11))
    singular = np.linalg.svd(W, compute_uv=False)
    for modes in (1, 4, 7):
        cut = factors.truncated(W, modes)
        assert cut.modes == modes
        assert np.linalg.norm(W - cut.matrix) == pytest.approx(np.sqrt((singular[modes:] ** 2).sum()), abs=1e-12)


@pytest.mark.parametrize("P, N_in, N_out", [(3, 9, 5), (12, 9, 5), (5, 4, 20)])
def test_orthogonal_keeps_the_matrix(P, N_in, N_out):
    rng = np.random.default_rng(P)
    given = factors.checked(rng.standard_normal((P, N_in)), rng.standard_normal(P), rng.standard_normal((N_out, P)))
    found = factors.orthogonal(given)
    rank = min(P, N_in, N_out)
    assert found.modes == rank
    assert np.allclose(found.matrix, given.matrix, atol=1e-12)
    assert np.allclose(found.xi_in @ found.xi_in.T, np.eye(rank)) and np.allclose(found.xi_out.T @ found.xi_out,
                                                                                 np.eye(rank))
    assert np.allclose(found.strengths, np.linalg.svd(given.matrix, compute_uv=False)[:rank])


@pytest.mark.parametrize("variant", deep.VARIANTS)
def test_fields_are_those_of_the_network(variant):
    network = deep.Network((6, 8, 7, 4), variant, modes=3, seed=2, precision="float64")
    if variant == "SVD":
        network.layers[0].strengths[::2] *= -1.0  # the layer takes |Σ|
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 6)), rng.integers(0, 4, 50)
    found = factors.of_network(network)
    fields = factors.fields(found, x)
    assert np.allclose(fields[-1], network.forward(x), atol=1e-12)
    for field, activity in zip(fields, network.activities(x)):
        assert np.allclose(np.maximum(field, 0.0), activity, atol=1e-12)
    assert factors.accuracy(fields[-1], y) == network.accuracy(x, y)
    assert all(not np.shares_memory(f.strengths, l.strengths) for f, l in zip(found, network.layers)
               if hasattr(l, "strengths"))


def test_dense_layers_are_cut_to_what_they_have():
    network = deep.Network((6, 8, 4), "dense", seed=0)
    assert [f.modes for f in factors.of_network(network)] == [6, 4]
    assert [f.modes for f in factors.of_network(network, 5)] == [5, 4]


def test_accuracy_of_signs_classes_and_targets():
    assert factors.accuracy([[0.2], [-1.0], [3.0]], [1.0, 1.0, 0.5]) == pytest.approx(2.0 / 3.0)
    assert factors.accuracy([[0.2, 0.1], [0.0, 4.0]], [0, 0]) == 0.5
    assert factors.accuracy([[0.2, 0.1], [0.0, 4.0]], np.eye(2)) == 1.0


@pytest.mark.parametrize("call, error, message", [
    (lambda: factors.truncated(np.eye(3), 4), ParameterError, "a 3 × 3 matrix has at most 3 modes; got modes = 4"),
    (lambda: factors.checked(np.ones((2, 3)), np.ones(3), np.ones((4, 3))), ShapeError, r"xi_in must have shape"),
    (lambda: factors.checked(np.ones((2, 3)), np.ones(2), np.ones((4, 3))), ShapeError, r"xi_out must have shape"),
    (lambda: factors.checked([[np.nan]], [1.0], [[1.0]]), ParameterError, "xi_in must be finite"),
    (lambda: factors.accuracy(np.zeros(3), np.arange(3)), ShapeError, r"outputs must have the shape .*got \(3,\) and"),
    (lambda: factors.accuracy(1.0, [0]), ShapeError, r"outputs must have the shape .*; got \(\) and \(1,\)"),
    (lambda: factors.check_chain([]), ShapeError, "needs at least one layer"),
    (lambda: factors.fields([Factors(np.ones((1, 3)), np.ones(1), np.ones((2, 1)))] * 2, np.ones((5, 3))), ShapeError,
     "layer 1 gives 2 outputs and layer 2 takes 3"),
    (lambda: factors.fields([Factors(np.ones((1, 3)), np.ones(1), np.ones((2, 1)))], np.ones((5, 4))), ShapeError,
     r"x must have shape .*any, 3\); got \(5, 4\)"),
    (lambda: factors.accuracy(np.ones((3, 2)), [0, 1]), ShapeError, "got 3 samples and 2 labels")])
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
