"""Removal curves against networks whose strengths are set to zero by hand."""

import numpy as np
import pytest

from onlinemode import deep
from onlinemode.deep import factors
from onlinemode.deep.importance import importance
from onlinemode.deep.pruning import removal
from onlinemode.errors import ParameterError, ShapeError

SHARES = (0.0, 0.25, 0.5, 1.0)


@pytest.fixture(scope="module")
def problem():
    network = deep.Network((6, 9, 8, 4), modes=7, seed=1, precision="float64")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 6))
    return network, x, network.forward(x).argmax(1)  # every mode counts: the accuracy of all is 1


@pytest.mark.parametrize("which", [0, 1, 2, (0, 2)])
def test_curves_are_those_of_networks_without_the_modes(problem, which):
    network, x, y = problem
    found = removal(factors.of_network(network), x, y, which, SHARES, draws=3, seed=5)
    layers = [which] if isinstance(which, int) else list(which)
    rng = np.random.default_rng([0, 5, 3])

    def accuracies(orders):
        out = []
        for share in SHARES:
            pruned = network.copy()
            for l, order in zip(layers, orders):
                pruned.layers[l].strengths[order[:int(share * 7 + 0.5)]] = 0.0
            out.append(pruned.accuracy(x, y))
        return out

    order = [np.argsort(importance(*factors.of_network(network)[l])) for l in layers]
    assert found.ascending == pytest.approx(accuracies(order))
    assert found.descending == pytest.approx(accuracies([each[::-1] for each in order]))
    for draw in range(3):
        assert found.random[draw] == pytest.approx(accuracies([rng.permutation(7) for _ in layers]))
    assert np.array_equal(found.counts, [[0, 2, 4, 7]] * len(layers))
    assert found.ascending[0] == 1.0


def test_orders_go_by_importance():
    """Modes that each decide one class: the accuracy tells which of them are gone."""
    strengths = np.array([3.0, 1.0, 4.0, 2.0])
    layer = factors.checked(np.eye(4), strengths, np.eye(4))
    x = np.eye(4)[[0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3]] - 0.1
    y = np.repeat([0, 1, 2, 3], [1, 2, 4, 8])
    found = removal([layer], x, y, 0, np.arange(5) / 4, "strength", draws=1)
    right = lambda kept: sum(2**c for c in kept) / 15  # noqa: E731
    # a class without its mode has output 0, above the −0.1 s of the others: its samples are right, theirs are not wrong
    expected = []
    for order in ([1, 3, 0, 2], [2, 0, 3, 1]):
        curve = []
        for number in range(5):
            s = strengths.copy()
            s[order[:number]] = 0.0
            curve.append(np.mean((x * s).argmax(1) == y))
        expected.append(curve)
    assert found.ascending == pytest.approx(expected[0]) and found.descending == pytest.approx(expected[1])
    assert found.ascending[0] == right(range(4)) and not np.array_equal(found.ascending, found.descending)


def test_all_modes_removed_leave_the_first_class(problem):
    network, x, y = problem
    found = removal(factors.of_network(network), x, y, 1, (1.0,), draws=2)
    assert found.ascending == found.descending == pytest.approx([np.mean(y == 0)])
    assert np.all(found.random == found.ascending)


def test_nothing_is_changed(problem):
    network, x, y = problem
    before = {name: array.copy() for name, array in network.parameters.items()}
    layers = factors.of_network(network)
    kept = [layer.strengths.copy() for layer in layers]
    removal(layers, x, y, (0, 1, 2), SHARES, draws=1)
    assert all(np.array_equal(array, before[name]) for name, array in network.parameters.items())
    assert all(np.array_equal(layer.strengths, each) for layer, each in zip(layers, kept))


def test_seeds(problem):
    network, x, y = problem
    layers = factors.of_network(network)
    one, same, other, *two = (removal(layers, x, y, 0, (0.5,), draws=4, seed=seed).random
                              for seed in (1, 1, 2, [1, 1], [1, 2]))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    assert not np.array_equal(one, two[0]) and not np.array_equal(*two)
    assert len(set(one[:, 0])) > 1


@pytest.mark.parametrize("arguments, error, message", [
    ((3,), ParameterError, "layer must be a whole number ≥ 0 and ≤ 2; got 3"),
    (((1, 1),), ParameterError, r"each layer must be named once; got \[1, 1\]"),
    ((0, (0.5, 1.2)), ParameterError, "shares must be between 0 and 1; got 0.5 to 1.2"),
    ((0, (-0.1,)), ParameterError, "shares must be between 0 and 1"),
    ((0, (0.5,), "size"), ParameterError, "ranking must be one of"),
    ((0, (0.5,), "tau", 0), ParameterError, "draws must be a whole number ≥ 1"),
    ((0, (0.5,), "tau", 1, -1), ParameterError, "seed must be a whole number ≥ 0; got -1"),
    ((0, (0.5,), "tau", 1, [2, 0.5]), ParameterError, "seed must be a whole number ≥ 0; got 0.5")])
def test_bad_input(problem, arguments, error, message):
    network, x, y = problem
    with pytest.raises(error, match=message):
        removal(factors.of_network(network), x, y, *arguments)


def test_bad_samples(problem):
    network, x, y = problem
    with pytest.raises(ShapeError, match="got 300 samples and 299 labels"):
        removal(factors.of_network(network), x, y[1:], 0)
    with pytest.raises(ShapeError, match="x must have shape"):
        removal(factors.of_network(network), x[:, 1:], y, 0)
