"""Dimensions and overlaps of known subspaces, and against plain computations."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from onlinemode import deep
from onlinemode.deep import factors, geometry
from onlinemode.errors import ParameterError, ShapeError


def rotation(N, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((N, N)))[0]


def test_participation_dimension():
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((500, 6)) * [3.0, 2.0, 1.0, 1.0, 0.1, 0.0] + 5.0
    values = np.linalg.eigvalsh(np.cov(samples.T))
    expected = values.sum() ** 2 / (values**2).sum()
    assert geometry.participation_dimension(samples) == pytest.approx(expected)
    assert geometry.participation_dimension(samples @ rotation(6)) == pytest.approx(expected)  # of no basis


def test_dimension_of_equal_directions():
    corners = np.concatenate([np.eye(5), -np.eye(5)])
    assert geometry.participation_dimension(corners) == pytest.approx(5.0)
    assert geometry.participation_dimension(np.outer(np.arange(4.0), [1.0, 2.0])) == pytest.approx(1.0)
    assert np.isnan(geometry.participation_dimension(np.ones((4, 2))))


def test_too_few_samples_make_it_small_by_the_factor_stated():
    rng = np.random.default_rng(1)
    found = np.mean([geometry.participation_dimension(rng.standard_normal((200, 20))) for _ in range(50)])
    assert found == pytest.approx(20.0 / (1.0 + 20.0 / 200.0), rel=0.02)


def test_matrix_dimension():
    rng = np.random.default_rng(2)
    layer = factors.checked(rng.standard_normal((4, 9)), rng.standard_normal(4), rng.standard_normal((7, 4)))
    s = np.linalg.svd(layer.matrix, compute_uv=False)
    assert geometry.matrix_dimension(layer) == pytest.approx((s**2).sum() ** 2 / (s**4).sum())
    assert np.isnan(geometry.matrix_dimension(layer._replace(strengths=np.zeros(4))))


@pytest.mark.parametrize("p, q", [(3, 3), (2, 5), (5, 2), (1, 9)])
def test_angles_are_scipys(p, q):
    rng = np.random.default_rng(p)
    A, B = rng.standard_normal((9, p)), rng.standard_normal((9, q))
    assert geometry.principal_angles(A, B) == pytest.approx(np.sort(subspace_angles(A, B)), abs=1e-12)


def test_small_angles_keep_their_digits():
    A = np.eye(4)[:, :2]
    B = A.copy()
    B[2, 1] = 1e-9
    assert geometry.principal_angles(A, B) == pytest.approx([0.0, 1e-9], rel=1e-6, abs=1e-16)


def test_overlap_of_known_spans():
    E = np.eye(6)
    assert geometry.subspace_overlap(E[:, :2], E[:, :4] @ rotation(4)) == pytest.approx(1.0)
    assert geometry.subspace_overlap(E[:, :2], E[:, 2:4]) == pytest.approx(0.0)
    assert geometry.subspace_overlap(E[:, :2], E[:, 1:3]) == pytest.approx(0.5)
    tilted = np.cos(0.3) * E[:, [0]] + np.sin(0.3) * E[:, [1]]
    assert geometry.subspace_overlap(E[:, [0]], tilted) == pytest.approx(np.cos(0.3) ** 2)


@pytest.mark.parametrize("p, q", [(3, 7), (7, 3), (5, 5)])
def test_overlap_of_random_spans(p, q):
    rng = np.random.default_rng(0)
    found = [geometry.subspace_overlap(rng.standard_normal((20, p)), rng.standard_normal((20, q))) for _ in range(300)]
    assert np.mean(found) == pytest.approx(max(p, q) / 20, abs=4.0 * np.std(found) / 300**0.5)


def test_alignment_against_the_matrices():
    rng = np.random.default_rng(3)
    one = factors.checked(rng.standard_normal((3, 5)), rng.standard_normal(3), rng.standard_normal((8, 3)))
    two = factors.checked(rng.standard_normal((4, 8)), rng.standard_normal(4), rng.standard_normal((6, 4)))
    C, D = one.matrix @ one.matrix.T, two.matrix.T @ two.matrix
    size = np.sqrt(np.trace(C @ C) * np.trace(D @ D))
    assert geometry.alignment(one, two) == pytest.approx((np.trace(C @ D) / size, np.trace(C) * np.trace(D) / 8 / size))
    mirrored = factors.Factors(one.xi_out.T, one.strengths, one.xi_in.T)  # reads exactly what the first one writes
    assert geometry.alignment(one, mirrored)[0] == pytest.approx(1.0)
    turned = [geometry.alignment(one, two._replace(xi_in=two.xi_in @ rotation(8, seed))) for seed in range(300)]
    values, chances = np.array(turned).T
    assert np.ptp(chances) < 1e-12 and values.mean() == pytest.approx(chances[0], rel=0.1)


def test_alignment_of_nothing():
    one = factors.checked(np.eye(3), np.zeros(3), np.eye(3))
    assert np.isnan(geometry.alignment(one, one)).all()


def test_class_overlap_of_known_classes():
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1, 2], 60)
    samples = np.zeros((180, 8))
    for label, plane in enumerate(([0, 1], [2, 3], [0, 3])):
        samples[np.ix_(labels == label, plane)] = rng.standard_normal((60, 2))
    samples += 10.0 * rng.standard_normal(8) + 0.001 * rng.standard_normal(samples.shape)
    samples[labels == 1] += 5.0  # where a class lies does not count
    value, chance = geometry.class_overlap(samples, labels, 2)
    assert value == pytest.approx((0.0 + 0.5 + 0.5) / 3, abs=1e-4) and chance == 0.25


def test_class_overlap_is_the_mean_of_the_pairs():
    rng = np.random.default_rng(5)
    samples, labels = rng.standard_normal((400, 12)), rng.integers(0, 4, 400)
    bases = []
    for label in range(4):
        own = samples[labels == label]
        bases.append(np.linalg.svd(own - own.mean(0), full_matrices=False)[2][:3].T)
    pairs = [geometry.subspace_overlap(bases[a], bases[b]) for a in range(4) for b in range(a)]
    assert geometry.class_overlap(samples, labels, 3)[0] == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("samples, labels", [
    (np.random.default_rng(0).standard_normal((20, 3)), np.repeat([0, 1], 10)),  # fewer units than directions
    (np.random.default_rng(0).standard_normal((20, 9)), np.repeat([0, 1], [16, 4])),  # a class of four
    (np.tile(np.arange(20.0)[:, None], 9), np.repeat([0, 1], 10))])  # one direction alone
def test_class_overlap_is_nan_where_it_has_no_meaning(samples, labels):
    assert np.isnan(geometry.class_overlap(samples, labels, 5)[0])


@pytest.mark.parametrize("variant", ["1L2P", "1L1P", "dense"])
def test_measures_of_a_network(variant):
    network = deep.Network((7, 9, 8, 6), variant, modes=4, seed=3, precision="float64")
    rng = np.random.default_rng(6)
    x, labels = rng.standard_normal((200, 7)), rng.integers(0, 3, 200)
    layers = factors.of_network(network, 4)
    found = geometry.measure(layers, x, labels, directions=2)
    h, activities, latent = x, [x], []
    for layer in layers:
        latent.append(h @ layer.matrix.T)
        h = np.maximum(latent[-1], 0.0)
        activities.append(h)
    activities[-1] = latent[-1]
    assert found.activity == pytest.approx([geometry.participation_dimension(each) for each in activities])
    assert found.latent == pytest.approx([geometry.participation_dimension(each) for each in latent])
    assert found.matrix == pytest.approx([geometry.matrix_dimension(layer) for layer in layers])
    pairs = list(zip(layers, layers[1:]))
    assert found.overlap == pytest.approx([geometry.subspace_overlap(a.xi_out, b.xi_in.T) for a, b in pairs])
    assert found.overlap_chance == pytest.approx([4 / 9, 4 / 8])
    assert np.stack([found.alignment, found.alignment_chance], 1) == pytest.approx(
        np.array([geometry.alignment(a, b) for a, b in pairs]))
    assert found.classes == pytest.approx([geometry.class_overlap(each, labels, 2)[0] for each in activities])
    if variant == "1L1P":  # the next layer reads what this one writes
        assert found.overlap == pytest.approx([1.0, 1.0])


def test_leading_modes_alone():
    network = deep.Network((7, 9, 8, 6), modes=5, seed=3, precision="float64")
    layers, x = factors.of_network(network), np.random.default_rng(0).standard_normal((50, 7))
    found = geometry.measure(layers, x, modes=2)
    left, right = np.linalg.svd(layers[0].matrix)[0][:, :2], np.linalg.svd(layers[1].matrix)[2][:2].T
    assert found.overlap[0] == pytest.approx(np.mean(np.cos(subspace_angles(left, right)) ** 2))
    assert found.overlap_chance[0] == pytest.approx(2 / 9)
    assert np.isnan(found.classes).all()
    assert geometry.measure(layers, x).overlap[0] != pytest.approx(found.overlap[0])


def test_chance_of_spans_of_different_dimensions():
    network = deep.Network((7, 9, 8, 6), modes=(3, 5, 2), seed=3, precision="float64")
    found = geometry.measure(factors.of_network(network), np.random.default_rng(0).standard_normal((50, 7)))
    assert found.overlap_chance == pytest.approx([5 / 9, 5 / 8])


def test_dead_modes_span_nothing():
    rng = np.random.default_rng(7)
    one = factors.checked(rng.standard_normal((3, 5)), [1.0, 2.0, 0.0], rng.standard_normal((8, 3)))
    two = factors.checked(rng.standard_normal((2, 8)), [1.0, 1.0], rng.standard_normal((4, 2)))
    found = geometry.measure([one, two], rng.standard_normal((30, 5)))
    assert found.overlap[0] == pytest.approx(geometry.subspace_overlap(one.xi_out[:, :2], two.xi_in.T))
    assert np.isnan(geometry.measure([one._replace(strengths=np.zeros(3)), two], np.ones((30, 5))).overlap[0])


@pytest.mark.parametrize("call, error, message", [
    (lambda: geometry.participation_dimension(np.ones((1, 3))), ShapeError, "at least two samples"),
    (lambda: geometry.principal_angles(np.ones((3, 1)), np.ones((4, 1))), ShapeError, "of one space"),
    (lambda: geometry.class_overlap(np.ones((3, 2)), [0, 1]), ShapeError, "samples and labels must have shapes"),
    (lambda: geometry.class_overlap(np.ones((3, 2)), [1, 1, 1]), ParameterError, "needs at least two; got 1"),
    (lambda: geometry.class_overlap(np.ones((3, 2)), [0, 1, 1], 0), ParameterError, "directions must be"),
    (lambda: geometry.alignment(factors.checked(np.eye(3), np.ones(3), np.eye(3)),
                                factors.checked(np.eye(2), np.ones(2), np.eye(2))), ShapeError, "successive"),
    (lambda: geometry.measure([factors.checked(np.eye(3), np.ones(3), np.eye(3))], np.eye(3), modes=0), ParameterError,
     "modes must be")])
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
