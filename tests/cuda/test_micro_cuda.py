"""SGD on a CUDA device, or in the simulator, against the CPU's kernel on the same samples."""

import numpy as np
import pytest
from numba import cuda
from pairs_cuda import SMALL, STEPS, Pair

from onlinemode.inputs import PowerLaw, Rademacher, Uniform
from onlinemode.kernels.cuda import micro as micro_cuda
from onlinemode.kernels.cuda.chain import _two_normals
from onlinemode.kernels.cuda.device import SIMULATED
from onlinemode.kernels.cuda.limits import draw
from onlinemode.kernels.micro.sgd import vector_overlaps
from onlinemode.kernels.random.chain_normals import fill_chain_normals
from onlinemode.kernels.random.normals import fill_normals
from onlinemode.kernels.rule.step import Rates


def compare(weights, kind=np.float64, batch=1, keep=True, layout=None, tolerance=1e-10, inputs=None, **run):
    pair = Pair(weights, kind, batch, keep, inputs=inputs, **(layout or {}))
    steps = run.get("steps", STEPS)
    assert pair.advance(batch=batch, **run) == (steps, steps)
    assert max(pair.differences()) < tolerance
    tiles = pair.state.xi_in.copy_to_host().transpose(1, 0, 2).reshape(weights.P, -1)
    assert np.all(tiles[:, weights.N:] == 0.0)
    return pair


@pytest.mark.parametrize("replica, sample, seed", [
    (0, 0, 0), (12345, 2**40 + 7, 2**63 + 11), (2**24 - 1, 3, 2**64 - 1)])
def test_normals_have_the_bits_of_the_cpu(replica, sample, seed):
    """On a device this holds because every fused operation is written; the simulator computes them in float64."""
    count = 64 if SIMULATED else 2**22
    expected, words = np.empty(count, np.float32), np.empty((4, count // 4), np.uint32)
    fill_normals(expected, 0, 0, replica, sample, np.uint64(seed), words)
    assert np.array_equal(draw(count, replica, sample, seed), expected)


@pytest.mark.parametrize("N", [1, 5, 13, 19])
@pytest.mark.parametrize("keep", [True, False])
def test_sizes(random_weights, N, keep):
    """Odd N, tiles that are not full, a last block that is not; inputs kept and drawn again."""
    compare(random_weights(N, 3, 2, 2, seed=N), keep=keep, kappa=0.9, sigma=0.2)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("inputs", [Rademacher(), Uniform(), PowerLaw(1.5)], ids=repr)
def test_other_entries(random_weights, inputs, keep):
    """Tiles that begin inside a word of signs and beyond its counter; fewer of them than coordinates of a tile."""
    for N in (5, 141):
        compare(random_weights(N, 2, 2, 2, seed=N), keep=keep, inputs=inputs, steps=5, kappa=0.9, sigma=0.2)


def test_other_entries_are_others(random_weights):
    weights = random_weights(13, 2, 2, 2, seed=1)
    ends = []
    for inputs in (None, Rademacher(), Uniform(), PowerLaw(1.5)):
        pair = Pair(weights, inputs=inputs)
        pair.advance(steps=2)
        ends.append(micro_cuda.to_host(pair.state.xi_in, 13))
    assert all(np.abs(ends[i] - ends[j]).max() > 0.01 for i in range(4) for j in range(i))


@pytest.mark.parametrize("activation, K, M, P", [("erf", 2, 3, 5), ("linear", 3, 2, 1), ("relu", 3, 4, 3),
                                                 ("tanh", 1, 1, 2)])
def test_activations_and_shapes(random_weights, activation, K, M, P):
    layout = {**SMALL, "threads": 8} if SIMULATED else None
    compare(random_weights(11, K, M, P, seed=1), layout=layout, sigma=0.3, activation=activation)


@pytest.mark.parametrize("rates, kappa", [
    (Rates(0.7, 0.0, 0.0, 0.0), 0.0), (Rates(0.0, 0.3, 0.0, 0.0), 2.5), (Rates(0.0, 0.0, 0.5, 0.0), 0.0),
    (Rates(0.0, 0.0, 0.0, 0.2), 0.0), (Rates(0.0, 0.0, 0.0, 0.0), 2.5)])
def test_trained_factors(random_weights, rates, kappa):
    weights = random_weights(7, 3, 2, 4, seed=2)
    pair = compare(weights, rates=rates, kappa=kappa, steps=6)
    moved = [not np.array_equal(value.copy_to_host(), before) for value, before in zip(
        pair.state.factors, (weights.strengths, weights.xi_out, weights.readout))]
    assert moved == [rate > 0.0 for rate in rates[1:]]
    assert np.array_equal(micro_cuda.to_host(pair.state.xi_in, 7), weights.xi_in) == (rates.xi_in == kappa == 0.0)


@pytest.mark.parametrize("batch, samples", [(2, 8), (3, 8), (5, 8)])
def test_batches(random_weights, batch, samples):
    """Blocks of several steps, and of one; batches that leave samples of a block unused."""
    layout = {**SMALL, "samples": samples, "threads": 8} if SIMULATED else {}
    compare(random_weights(9, 2, 3, 2, seed=3), batch=batch, layout=layout, steps=7, kappa=0.9, sigma=0.4)


def test_a_thousand_steps(random_weights):
    """Blocks that are no divisor of the steps, P above K; in the simulator a hundred steps."""
    layout = {"samples": 16, "coordinates": 8, "threads": 32, "blocks": 1}
    compare(random_weights(7, 1, 2, 3, seed=11), layout=layout, steps=101 if SIMULATED else 1003, sigma=0.1)


def test_several_slices_and_turns(random_weights):
    """Threads that share the coordinates of a tile, and float32 sums added up more than once."""
    layout = {**SMALL, "threads": 8, "blocks": 1}
    weights = random_weights(45, 2, 2, 2, seed=4)
    compare(weights, layout=layout, steps=4)
    compare(weights, np.float32, layout=layout, steps=4, tolerance=1e-6)


def test_first_step_and_replica_choose_the_samples(random_weights):
    weights = random_weights(7, 2, 2, 2, seed=4)
    a, b = (compare(weights, first=2**33, replica=replica, steps=5, sigma=0.5) for replica in (5, 6))
    assert not np.allclose(a.state.xi_in.copy_to_host(), b.state.xi_in.copy_to_host())


def test_calls_agree_and_bits_are_fixed(random_weights):
    weights = random_weights(13, 3, 2, 3, seed=5)
    runs = [Pair(weights) for _ in range(3)]
    for run in runs[:2]:
        run.advance(kappa=0.9, sigma=0.2)
    runs[2].advance(kappa=0.9, sigma=0.2, steps=5)
    assert runs[2].advance(kappa=0.9, sigma=0.2, first=5, steps=STEPS - 5) == (STEPS - 5, STEPS - 5)
    assert max(runs[2].differences()) < 1e-10
    one, other, parts = (micro_cuda.to_host(run.state.xi_in, 13) for run in runs)
    assert np.array_equal(one, other)
    assert np.abs(parts - one).max() < 1e-12


@pytest.mark.parametrize("activation", ["erf", "tanh"])
def test_float32_weights(random_weights, activation):
    compare(random_weights(13, 3, 2, 3, seed=6), np.float32, kappa=0.9, sigma=0.2, activation=activation,
            tolerance=1e-5)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("batch", [1, 3])
def test_divergence_stops_before_the_step(random_weights, kind, batch):
    pair = Pair(random_weights(7, 2, 2, 2, seed=7), kind, batch)
    run = {"rates": Rates(60.0, 0.0, 0.0, 0.0), "activation": "linear", "batch": batch}
    made, on_device = pair.advance(steps=40, **run)
    assert 0 < made == on_device < 40
    assert max(pair.differences()) < (1e-3 if kind is np.float32 else 1e-10)
    assert pair.advance(first=made, steps=1, **run) == (0, 0)
    assert max(pair.differences()) < (1e-3 if kind is np.float32 else 1e-10)


def test_overlaps(random_weights):
    pair = Pair(random_weights(37, 2, 3, 4, seed=8))
    expected = (vector_overlaps(pair.xi_in, other, 37) for other in pair.networks[:2])
    found = (micro_cuda.vector_overlaps(pair.state.xi_in, other, 37) for other in pair.state.arrays[:2])
    for one, other in zip(expected, found):
        assert np.abs(one - other).max() < 1e-14


def test_overlaps_of_a_spectrum(random_weights):
    weights = random_weights(37, 2, 3, 4, seed=8)
    pair, spectrum = Pair(weights), PowerLaw(1.0).spectrum(37)
    variances = micro_cuda.to_device(spectrum[None], np.float64, pair.plan)
    for rows, other in zip((weights.xi_in, weights.teacher), pair.state.arrays[:2]):
        found = micro_cuda.vector_overlaps(pair.state.xi_in, other, 37, variances)
        assert np.abs(found - weights.xi_in * spectrum @ rows.T / 37).max() < 1e-14


def test_copies_in_pieces(random_weights, monkeypatch):
    weights = random_weights(37, 2, 3, 4, seed=9)
    monkeypatch.setattr(micro_cuda, "COPIED_AT_ONCE", 70)
    pair = Pair(weights)
    assert np.array_equal(micro_cuda.to_host(pair.state.xi_in, 37), weights.xi_in)


def _fill_chain_normals(out):
    i = cuda.grid(1)
    out[2 * i, 0], out[2 * i + 1, 0] = _two_normals(i, np.uint64(2 << 24), np.uint64(5), np.uint64(7), np.uint64(0))


def test_chain_normals_agree():
    """Float64 normals, to rounding: the device may fuse what the CPU does not."""
    expected, found = np.empty((64, 1)), cuda.to_device(np.empty((64, 1)))
    fill_chain_normals(expected, 64, 1, 2, 0, 5, 1, np.uint64(7))
    cuda.jit(_fill_chain_normals)[8, 4](found)
    assert np.abs(found.copy_to_host() - expected).max() < 1e-14
