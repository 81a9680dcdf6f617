"""Gradients of every variant against central differences, and what the variants promise about their factors."""

import numpy as np
import pytest

from onlinemode import deep
from onlinemode.deep.penalties import Penalty
from onlinemode.errors import ParameterError, ShapeError

SHAPES = {  # sizes and modes: odd, P above N, one layer, many layers
    "odd": ((7, 5, 3), 4), "P > N": ((3, 4, 2), 9), "one layer": ((6, 3), 2), "deep": ((5, 4, 6, 3, 4), 3),
}
LOSSES = ("cross-entropy", "mse")


def network_of(variant, sizes, modes, loss, seed=0):
    return deep.Network(sizes, variant, modes, seed=seed, precision="float64", loss=loss)


def batch_of(sizes, seed=1, n=11):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, sizes[0])), rng.integers(0, sizes[-1], n)


def batch_away_from_kinks(network, margin=2e-2):
    """Samples none of whose hidden fields changes its sign in a difference, where the ReLU has no derivative."""
    x, y = batch_of(network.sizes, n=200)
    clear, h = np.ones(len(x), bool), x
    for layer in network.layers[:-1]:
        z = h @ layer.matrix().T
        clear &= (np.abs(z) > margin * np.abs(z).mean()).all(1)
        h = np.maximum(z, 0.0)
    assert clear.sum() >= 11
    return x[clear][:11], y[clear][:11]


def central_difference(network, array, function, h=1e-6):
    """d function / d array, entry by entry."""
    out = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        before = array[index]
        array[index] = before + h
        above = function()
        array[index] = before - h
        out[index] = (above - function()) / (2.0 * h)
        array[index] = before
    return out


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("variant", deep.VARIANTS)
def test_gradients_are_central_differences(variant, shape, loss):
    sizes, modes = SHAPES[shape]
    network = network_of(variant, sizes, modes, loss)
    if variant == "SVD":
        network.layers[0].strengths[::2] *= -1.0  # |Σ| of either sign
    x, y = batch_away_from_kinks(network)
    gradients = network.gradients(x, y)
    assert gradients.keys() == network.parameters.keys()
    for name, array in network.parameters.items():
        # one step of Richardson: differences at 1e-4 and 2e-4, of fourth order together
        fine, coarse = (central_difference(network, array, lambda: network.loss(x, y), h) for h in (1e-4, 2e-4))
        expected = (4.0 * fine - coarse) / 3.0
        scale = np.linalg.norm(expected)
        assert scale > 0.0
        assert np.linalg.norm(gradients[name] - expected) < 1e-7 * scale, name


def test_one_output_and_numbers_as_targets():
    network = network_of("1L2P", (4, 3, 1), 2, "mse")
    x, _ = batch_of((4, 3, 1))
    y = np.where(np.arange(len(x)) % 2, 1.0, -1.0)
    expected = central_difference(network, network.parameters["xi_in_0"], lambda: network.loss(x, y), 1e-5)
    assert network.gradients(x, y)["xi_in_0"] == pytest.approx(expected, rel=1e-6, abs=1e-9)
    outputs = network.forward(x)[:, 0]
    assert network.loss(x, y) == pytest.approx(0.5 * np.mean((outputs - y) ** 2), rel=1e-12)
    assert network.accuracy(x, y) == np.mean(np.where(outputs > 0.0, 1.0, -1.0) == y)


def plain_forward(network, x):
    """Through W, formed."""
    activities = []
    for layer in network.layers[:-1]:
        x = np.maximum(x @ layer.matrix().T, 0.0)
        activities.append(x)
    return x @ network.layers[-1].matrix().T, activities


@pytest.mark.parametrize("variant", deep.VARIANTS)
def test_forward_is_that_of_the_formed_matrix(variant):
    network = network_of(variant, (7, 5, 6, 3), 4, "cross-entropy")
    x, y = batch_of((7, 3), n=2501)  # more than one block of evaluation
    outputs, activities = plain_forward(network, x)
    assert network.forward(x) == pytest.approx(outputs, rel=1e-12, abs=1e-14)
    assert len(network.activities(x)) == 2
    for found, expected in zip(network.activities(x), activities):
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-14)
    own = outputs[np.arange(len(y)), y] - np.log(np.exp(outputs).sum(1))
    assert network.loss(x, y) == pytest.approx(-own.mean(), rel=1e-12)
    assert network.accuracy(x, y) == np.mean(outputs.argmax(1) == y)


def test_layers_are_what_the_variants_say():
    dense = network_of("dense", (7, 5, 3), 4, "mse").layers[0]
    assert dense.matrix() == pytest.approx(dense.weights) and dense.weights.shape == (5, 7)
    layer = network_of("1L2P", (7, 5, 3), 4, "mse").layers[0]
    assert layer.matrix() == pytest.approx(layer.xi_out @ np.diag(layer.strengths) @ layer.xi_in)
    layer = network_of("SVD", (7, 5, 3), 99, "mse").layers[1]
    layer.strengths[1] = -2.0
    assert layer.modes == 3 and layer.matrix() == pytest.approx(
        layer.xi_out @ np.diag(np.abs(layer.strengths)) @ layer.xi_in)


def test_shared_modes_are_one_array():
    network = network_of("1L1P", (7, 5, 4, 3), 6, "cross-entropy")
    x, y = batch_of((7, 3))
    below, above = network.layers[0], network.layers[1]
    assert np.shares_memory(below.xi_out, above.xi_in)
    before = network.forward(x)
    above.xi_in[2, 1] += 1.0
    assert below.xi_out[1, 2] == above.xi_in[2, 1]
    assert not np.allclose(network.forward(x), before)
    assert "xi_out_0" not in network.parameters and "xi_out_2" in network.parameters


def test_gradients_of_shared_modes_add_up():
    """Both layers' gradients, each from a network whose factors are the same but not shared."""
    shared = network_of("1L1P", (7, 5, 4, 3), 6, "cross-entropy")
    free = network_of("1L2P", (7, 5, 4, 3), 6, "cross-entropy")
    for layer, other in zip(free.layers, shared.layers):
        for name in ("xi_in", "strengths", "xi_out"):
            getattr(layer, name)[...] = getattr(other, name)
    x, y = batch_of((7, 3))
    found, parts = shared.gradients(x, y), free.gradients(x, y)
    for l in (0, 1):
        assert found[f"xi_in_{l + 1}"] == pytest.approx(parts[f"xi_in_{l + 1}"] + parts[f"xi_out_{l}"].T, rel=1e-12)
    assert found["xi_in_0"] == pytest.approx(parts["xi_in_0"], rel=1e-12)


def test_initial_values_have_the_variance_of_the_paper():
    N = 400
    network = deep.Network((N, 300, 10), modes=25, seed=3)
    expected = 25 / (N * np.log(N))
    assert network.layers[0].matrix().var() == pytest.approx(expected, rel=0.35)  # 25 strengths alone
    for name in ("xi_in_0", "xi_out_0"):  # 7,500 entries and more: 5 standard errors of a variance
        assert network.parameters[name].var() == pytest.approx((N * np.log(N)) ** (-1 / 3), rel=0.09)
    again = deep.Network((N, 300, 10), modes=25, seed=3, precision="float64")
    assert np.array_equal(again.flat.astype("f4"), network.flat)


def test_penalty_is_the_gradient_of_its_terms():
    network = network_of("SVD", (6, 4, 3), 1, "mse", seed=2)
    layer = network.layers[0]
    layer.strengths[0] *= -1.0
    r = layer.modes

    def terms():
        orthogonal = sum(((f - np.eye(r)) ** 2).sum() for f in (layer.xi_out.T @ layer.xi_out,
                                                               layer.xi_in @ layer.xi_in.T))
        s = layer.strengths
        return 30.0 / r**2 * orthogonal + np.abs(s).sum() / np.sqrt((s**2).sum())

    expected = {name: central_difference(network, getattr(layer, name), terms)
                for name in ("xi_in", "strengths", "xi_out")}
    before = {name: getattr(layer, name).copy() for name in expected}
    penalty = Penalty(np, network.layers)
    penalty.evaluate()
    penalty.apply(0.25)
    for name, gradient in expected.items():
        assert before[name] - getattr(layer, name) == pytest.approx(0.25 * gradient, rel=1e-7, abs=1e-8), name


@pytest.mark.parametrize("variant, modes, parameters, multiplications", [
    ("dense", 30, 89_400, 89_400), ("1L2P", 30, 35_910, 35_910), ("1L2P", 70, 83_790, 83_790),
    ("1L1P", 30, 29_910, 35_910), ("two-factor", 30, 35_820, 35_820)])
def test_counts_of_the_paper(variant, modes, parameters, multiplications):
    network = deep.Network(variant=variant, modes=modes)
    assert (network.count_parameters(), network.multiplications()) == (parameters, multiplications)


def test_save_copy_and_load(tmp_path):
    for variant in deep.VARIANTS:
        network = deep.Network((6, 5, 3), variant, 2, seed=4)
        network.flat *= 2.0
        other = network.copy()
        network.save(tmp_path / "n.npz")
        assert np.array_equal(deep.load(tmp_path / "n.npz").flat, network.flat)
        other.flat[:] = 0.0
        assert network.flat.any() and repr(network) == repr(other)


@pytest.mark.parametrize("arguments, error, message", [
    ({"modes": 0}, ParameterError, "the number of modes P must be a whole number ≥ 1; got 0"),
    ({"modes": [3, 3]}, ShapeError, "one for each of the 3 layers; got 2"),
    ({"modes": [3, 3, 4], "variant": "1L1P"}, ShapeError, r"P must be the same everywhere; got \[3, 3, 4\]"),
    ({"variant": "2L2P"}, ParameterError, "variant must be one of dense, 1L2P, 1L1P, two-factor, SVD; got '2L2P'"),
    ({"sizes": (7,)}, ShapeError, r"sizes must name the inputs.*; got \(7,\)"),
    ({"sizes": (7, 1, 3)}, ParameterError, "ln N > 0.* must be a whole number ≥ 2; got 1"),
    ({"sizes": (7, 3, 1)}, ParameterError, "the cross-entropy needs at least 2 outputs"),
    ({"precision": "float16"}, ParameterError, "precision must be one of float32, float64"),
    ({"loss": "hinge"}, ParameterError, "loss must be one of cross-entropy, mse; got 'hinge'"),
    ({"device": "tpu"}, ParameterError, "device must be one of cpu, cuda; got 'tpu'"),
    ({"seed": -1}, ParameterError, "seed must be a whole number ≥ 0"),
])
def test_bad_networks(arguments, error, message):
    with pytest.raises(error, match=message) as info:
        deep.Network(**arguments)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("x, y, error, message", [
    (np.zeros((2, 6)), [0, 1], ShapeError, r"inputs must have shape \(samples, 7\); got \(2, 6\)"),
    (np.zeros((2, 7)), [0, 1, 1], ShapeError, "equally many; got 2 and 3"),
    (np.zeros((2, 7)), [0, 3], ParameterError, "labels must be 0 to 2, .* got 0 to 3"),
    (np.zeros((2, 7)), [0.5, 1.0], ShapeError, "must be class numbers, whole"),
    (np.zeros((0, 7)), [], ShapeError, r"got \(0, 7\)"),
])
def test_bad_batches(x, y, error, message):
    with pytest.raises(error, match=message):
        network_of("1L2P", (7, 5, 3), 2, "cross-entropy").loss(x, y)


def test_targets_of_the_mean_square():
    with pytest.raises(ShapeError, match=r"must have shape \(n, 3\)"):
        network_of("dense", (7, 5, 3), 2, "mse").loss(np.zeros((2, 7)), np.zeros((2, 2)))
