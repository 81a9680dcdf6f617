"""The blocked kernel of N-dimensional SGD against a plain NumPy loop over the same samples."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import plain_sgd
import pytest
from numba import njit

import onlinemode as om
from onlinemode.activations import STUDENTS, activation_of
from onlinemode.kernels.micro.sgd import (
    Networks,
    Stretch,
    advance,
    make_block,
    take_part,
    tile_shape,
    to_tiles,
    vector_overlaps,
)
from onlinemode.kernels.micro.team import make_team
from onlinemode.kernels.random.normals import fill_normals, single_normal
from onlinemode.kernels.random.philox import STREAM_LABEL_NOISE, Key, philox_words
from onlinemode.kernels.registers import ATTRIBUTE
from onlinemode.kernels.rule.activations import activation_data
from onlinemode.kernels.rule.step import DIVERGENCE_LIMIT, Factors, Rates, Rule

SEED = np.uint64(987654321)
STEPS = 203  # no multiple of any block length below
ALL = Rates(0.7, 0.3, 0.5, 0.2)


@pytest.fixture
def sequential(input_vector):
    """The rule of docs/theory, sections 1.2 and 1.3, one step after the other."""

    def run(weights, rates, kappa, sigma, activation, batch, first, steps, replica):
        problem = om.Problem(activation, sigma, kappa, batch, om.LearningRates(*rates))
        student = plain_sgd.student_of(weights)
        for sample in range(first * batch, (first + steps) * batch, batch):
            numbers = range(sample, sample + batch)
            student = plain_sgd.step(problem, weights, student,
                                     [input_vector(weights.N, number, SEED, replica) for number in numbers],
                                     [single_normal(STREAM_LABEL_NOISE, replica, number, SEED) for number in numbers])
        return student

    return run


def rule_of(rates, kappa, sigma, activation, N, batch):
    return Rule(*[activation_data(activation_of(activation))] * 2, rates, sigma, kappa, batch, float(N))


class Run:
    """State of the kernel: tiles and factors, advanced in place."""

    def __init__(self, weights, precision="float64"):
        self.N = weights.N
        self.factors = Factors(*(np.array(value) for value in (
            weights.strengths, weights.xi_out, weights.readout, weights.teacher_readout)))
        self.xi_in = to_tiles(weights.xi_in, precision)
        self.networks = Networks(self.xi_in, to_tiles(weights.teacher, precision), self.factors)

    def advance(self, rates=ALL, kappa=0.0, sigma=0.0, activation="erf", batch=1, block=4, first=0, steps=STEPS,
                replica=0):
        return advance(self.networks, rule_of(rates, kappa, sigma, activation, self.N, batch),
                       Stretch(first, steps, block), Key(SEED, replica))

    @property
    def padded(self):
        return self.xi_in.transpose(1, 0, 2).reshape(self.xi_in.shape[1], -1)

    @property
    def state(self):
        return self.padded[:, :self.N], self.factors.strengths, self.factors.xi_out, self.factors.readout


def assert_close(state, expected, rtol):
    for value, reference in zip(state, expected):
        assert np.all(np.isfinite(value))
        assert np.abs(value - reference).max() <= rtol * np.abs(reference).max()


def compare(sequential, weights, block=4, first=0, steps=STEPS, replica=0, rates=ALL, kappa=0.0, sigma=0.0,
            activation="erf", batch=1):
    run = Run(weights)
    assert run.advance(rates, kappa, sigma, activation, batch, block, first, steps, replica) == steps
    assert_close(run.state, sequential(weights, rates, kappa, sigma, activation, batch, first, steps, replica), 1e-12)
    assert np.all(run.padded[:, run.N:] == 0.0)
    return run


@pytest.mark.parametrize("N", [1, 7, 37, 301, 1000, 1031])
@pytest.mark.parametrize("block", [*range(1, 9), 12])
def test_sizes_and_blocks(sequential, random_weights, N, block):
    compare(sequential, random_weights(N, 3, 2, 2, seed=N), block, kappa=0.9, sigma=0.2)


@pytest.mark.parametrize("activation", STUDENTS)
@pytest.mark.parametrize("K, M, P", [(3, 2, 1), (3, 4, 3), (2, 3, 5), (1, 1, 1), (5, 1, 2)])
def test_activations_and_shapes(sequential, random_weights, activation, K, M, P):
    compare(sequential, random_weights(37, K, M, P, seed=1), sigma=0.3, activation=activation)


@pytest.mark.parametrize("rates", [
    Rates(0.7, 0.0, 0.0, 0.0), Rates(0.0, 0.3, 0.0, 0.0), Rates(0.0, 0.0, 0.5, 0.0), Rates(0.0, 0.0, 0.0, 0.2),
    Rates(0.7, 0.3, 0.0, 0.0), Rates(0.0, 0.3, 0.5, 0.2), Rates(0.0, 0.0, 0.0, 0.0)])
@pytest.mark.parametrize("kappa", [0.0, 2.5])
def test_trained_factors(sequential, random_weights, rates, kappa):
    weights = random_weights(37, 3, 2, 4, seed=2)
    run = compare(sequential, weights, rates=rates, kappa=kappa, sigma=0.1)
    start = (weights.xi_in, weights.strengths, weights.xi_out, weights.readout)
    moves = (rates.xi_in > 0.0 or kappa > 0.0, *(rate > 0.0 for rate in rates[1:]))
    for value, before, moved in zip(run.state, start, moves):
        assert np.array_equal(value, before) != moved
    assert np.array_equal(run.factors.teacher_readout, weights.teacher_readout)


@pytest.mark.parametrize("batch", [1, 3, 5])
@pytest.mark.parametrize("block", [1, 2, 5])
@pytest.mark.parametrize("kappa, sigma", [(0.0, 0.0), (0.9, 0.0), (0.0, 0.4), (0.9, 0.4)])
def test_batches(sequential, random_weights, batch, block, kappa, sigma):
    compare(sequential, random_weights(45, 2, 3, 2, seed=3), block, steps=61, batch=batch, kappa=kappa, sigma=sigma)


def test_first_step_and_replica_choose_the_samples(sequential, random_weights):
    weights = random_weights(37, 2, 2, 2, seed=4)
    a = compare(sequential, weights, first=2**33, replica=5, steps=20, sigma=0.5, batch=3)
    b = compare(sequential, weights, first=2**33, replica=6, steps=20, sigma=0.5, batch=3)
    assert not np.allclose(a.padded, b.padded)


@pytest.mark.parametrize("batch", [1, 3])
def test_chunked_calls_agree(random_weights, batch):
    weights = random_weights(301, 3, 2, 4, seed=5)
    whole, parts = Run(weights), Run(weights)
    whole.advance(kappa=0.9, sigma=0.2, batch=batch)
    assert parts.advance(kappa=0.9, sigma=0.2, batch=batch, steps=100) == 100
    assert parts.advance(kappa=0.9, sigma=0.2, batch=batch, first=100, steps=103) == 103
    assert_close(parts.state, whole.state, 1e-12)


@pytest.mark.parametrize("N", [8_192, 9_001])
@pytest.mark.parametrize("block", [3, 8])
def test_several_tiles(sequential, random_weights, N, block):
    """Several tiles, the last one full or not."""
    assert tile_shape(N)[0] > 5
    compare(sequential, random_weights(N, 2, 3, 3, seed=8), block, steps=19, kappa=0.9, sigma=0.2)


@pytest.mark.parametrize("late", [0.0, 0.05])
def test_helpers_may_come_late_and_leave_at_the_end(random_weights, late):
    """More threads than cores, most of them after the leader has begun, one when all is over: the same bits."""
    weights = random_weights(9_001, 2, 3, 3, seed=9)
    alone, led = Run(weights), Run(weights)
    steps = 2_000
    assert alone.advance(kappa=0.9, sigma=0.2, steps=steps) == steps
    work = (make_team(len(led.xi_in)), make_block(led.networks, 4, 1), led.networks,
            rule_of(ALL, 0.9, 0.2, "erf", led.N, 1), Stretch(0, steps, 4), Key(SEED, 0), None, None, None, None)
    with ThreadPoolExecutor(5) as threads:
        early = threads.submit(take_part, False, *work)
        leader = threads.submit(take_part, True, *work)
        time.sleep(late)
        others = [threads.submit(take_part, False, *work) for _ in range(3)]
        assert leader.result() == steps
        assert [helper.result() for helper in (early, *others)] == [0] * 4
    assert take_part(False, *work) == 0
    assert np.array_equal(led.padded, alone.padded)
    for value, expected in zip(led.factors, alone.factors):
        assert np.array_equal(value, expected)


def test_loops_ask_for_the_widest_registers(random_weights):
    """The attribute that LLVM reads stands in the code of the hot loops, and in no other function."""
    assert ATTRIBUTE == '"prefer-vector-width"="512"'
    out, words = np.empty(8, np.float32), np.empty((4, 2), np.uint32)
    wide, plain = (njit(function) for function in (fill_normals.py_func, philox_words.py_func))
    wide(out, 0, 0, 0, 0, SEED, words)
    plain(np.zeros(4, np.uint32), np.zeros(2, np.uint32))
    assert ATTRIBUTE in next(iter(wide.inspect_llvm().values()))
    assert ATTRIBUTE not in next(iter(plain.inspect_llvm().values()))


def test_no_steps_change_nothing(random_weights):
    weights = random_weights(37, 3, 2, 4, seed=5)
    run = Run(weights)
    assert run.advance(kappa=0.9, steps=0) == 0
    assert np.array_equal(run.padded[:, :37], weights.xi_in)


@pytest.mark.parametrize("N", [37, 1000])
@pytest.mark.parametrize("activation", ["erf", "linear", "tanh"])
def test_float32_weights(random_weights, N, activation):
    """203 steps; over 30 draws the largest relative difference was 3e-6."""
    weights = random_weights(N, 3, 2, 4, seed=6)
    single, double = Run(weights, "float32"), Run(weights)
    for run in (single, double):
        assert run.advance(kappa=0.9, sigma=0.2, activation=activation) == STEPS
    assert single.xi_in.dtype == np.float32
    assert_close(single.state, double.state, 1e-5)
    assert not np.array_equal(single.state[1], double.state[1])
    assert np.all(single.padded[:, N:] == 0.0)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("block", [1, 4, 7])
def test_divergence_stops_before_the_step(random_weights, precision, batch, block):
    """Fewer steps come back, with the weights of the last step that was made."""
    weights = random_weights(37, 2, 2, 2, seed=7)
    options = {"rates": Rates(60.0, 0.0, 0.0, 0.0), "activation": "linear", "batch": batch, "block": block}
    run = Run(weights, precision)
    made = run.advance(steps=5000, **options)
    assert 0 < made < 5000
    assert all(np.all(np.isfinite(value)) for value in run.state)
    assert np.all(run.padded[:, 37:] == 0.0)
    again = Run(weights, precision)
    assert again.advance(steps=made, **options) == made
    assert_close(again.state, run.state, 1e-4 if precision == "float32" else 1e-10)
    assert again.advance(first=made, steps=1, **options) == 0


def test_divergence_limit_is_within_float32():
    assert DIVERGENCE_LIMIT**2 < np.finfo(np.float32).max


@pytest.mark.parametrize("N", [1, 7, 8, 37, 301, 1000, 1023, 1024, 1025, 10_007])
def test_tiles(N):
    tiles, length = tile_shape(N)
    assert length % 8 == 0
    assert (tiles - 1) * length < N <= tiles * length
    rng = np.random.default_rng(N)
    a, b = rng.standard_normal((3, N)), rng.standard_normal((2, N))
    overlaps = vector_overlaps(to_tiles(a, "float64"), to_tiles(b, "float64"), N)
    assert np.allclose(overlaps, a @ b.T / N, rtol=0.0, atol=1e-14)
    a, b = a.astype(np.float32), b.astype(np.float32)
    overlaps = vector_overlaps(to_tiles(a, "float32"), to_tiles(b, "float32"), N)
    assert np.allclose(overlaps, a.astype(float) @ b.T.astype(float) / N, rtol=0.0, atol=1e-14)
