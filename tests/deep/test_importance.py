"""Rankings of modes against loops, and the sorted curve."""

import numpy as np
import pytest

from onlinemode.deep.importance import RANKINGS, importance, ranked
from onlinemode.errors import ParameterError, ShapeError


@pytest.fixture
def layer():
    rng = np.random.default_rng(3)
    return rng.standard_normal((4, 6)), rng.standard_normal(4), rng.standard_normal((6, 4))


def test_tau(layer):
    xi_in, strengths, xi_out = layer
    lengths = [sum(v * v for v in xi_in[a]) ** 0.5 + sum(v * v for v in xi_out[:, a]) ** 0.5 for a in range(4)]
    gamma = sum(map(abs, strengths)) / sum(lengths)
    assert importance(*layer) == pytest.approx([gamma * lengths[a] + abs(strengths[a]) for a in range(4)])


def test_tau_weighs_both_terms_equally(layer):
    xi_in, strengths, xi_out = layer
    assert importance(*layer).mean() == pytest.approx(2.0 * np.abs(strengths).mean())


def test_strength_participation_and_overlap(layer):
    xi_in, strengths, xi_out = layer
    assert importance(*layer, "strength") == pytest.approx(np.abs(strengths))
    spread = lambda v: sum(abs(v) ** 3) ** 2 / sum(v**6)  # noqa: E731
    assert importance(*layer, "participation") == pytest.approx([spread(xi_in[a]) + spread(xi_out[:, a])
                                                                 for a in range(4)])
    expected = [abs(strengths[a]) + 0.1 * abs(sum(xi_in[a, i] * xi_out[i, a] for i in range(6))) for a in range(4)]
    assert importance(*layer, "overlap") == pytest.approx(expected)


def test_participation_counts_entries_and_survives_small_ones():
    xi_in, xi_out = np.zeros((2, 10)), np.zeros((5, 2))
    xi_in[0, :7], xi_out[:3, 0] = -1e-60, 1e-60
    assert importance(xi_in, [1.0, 1.0], xi_out, "participation") == pytest.approx([10.0, 0.0])


def test_a_layer_of_zeros_has_no_importance():
    for ranking in RANKINGS:
        assert np.array_equal(importance(np.zeros((3, 4)), np.zeros(3), np.zeros((4, 3)), ranking), np.zeros(3))


def test_ranked():
    found = ranked([[1.0, 3.0, 2.0], [5.0, 4.0, 0.0]])
    assert np.array_equal(found.each, [[3.0, 2.0, 1.0], [5.0, 4.0, 0.0]])
    assert found.mean == pytest.approx([4.0, 3.0, 0.5])
    assert found.standard_deviation == pytest.approx(np.array([1.0, 1.0, 0.5]) * 2**0.5)
    assert np.isnan(ranked([3.0, 1.0]).standard_deviation).all()


def test_bad_input(layer):
    with pytest.raises(ParameterError, match="tau, strength, participation, overlap; got 'size'"):
        importance(*layer, "size")
    with pytest.raises(ParameterError, match="as many outputs as inputs; got 5 outputs and 6 inputs"):
        importance(layer[0], layer[1], layer[2][:5], "overlap")
    with pytest.raises(ShapeError, match="xi_in must have shape"):
        importance(layer[0][:3], *layer[1:])
