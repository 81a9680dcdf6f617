"""The normals of the Philox stream: their values, their law, their independence.

Seeds are fixed, so the statistical tests are deterministic; the rates state how often another seed
would raise a false alarm.
"""

import math
import zlib

import numpy as np
import pytest
from scipy import stats

from onlinemode.kernels.random.normals import box_muller, fill_normals, single_normal
from onlinemode.kernels.random.philox import STREAM_INPUT, STREAM_LABEL_NOISE

BOUND = math.sqrt(-2.0 * math.log(2.0**-24))  # 5.77


def normals(count, first_index=0, stream=STREAM_INPUT, replica=0, sample=0, seed=1):
    out, words = np.empty(count, np.float32), np.empty((4, count // 4), np.uint32)
    fill_normals(out, first_index, stream, replica, sample, np.uint64(seed), words)
    return out


def float64_box_muller(radius_words, angle_words):
    radius = np.sqrt(-2.0 * np.log(((radius_words >> np.uint64(8)) + np.uint64(1)).astype(float) / 2.0**24))
    angle = 2.0 * np.pi * (angle_words >> np.uint64(8)).astype(float) / 2.0**24
    return radius * np.cos(angle), radius * np.sin(angle)


@pytest.mark.parametrize("stream, replica, sample, seed", [
    (STREAM_INPUT, 0, 0, 0), (STREAM_LABEL_NOISE, 12345, 2**40 + 7, 2**63 + 11),
    (255, 2**24 - 1, 2**63 - 1, 2**64 - 1)])
def test_equals_float64_box_muller_of_the_same_words(reference_words, stream, replica, sample, seed):
    count = 2**18
    w = reference_words(np.arange(count // 4), stream, replica, sample, seed)
    a, b = float64_box_muller(w[:, 0], w[:, 1])
    c, d = float64_box_muller(w[:, 2], w[:, 3])
    expected = np.stack([a, b, c, d], -1).ravel()
    assert np.abs(normals(count, 0, stream, replica, sample, seed) - expected).max() < 1e-6


def test_box_muller_at_the_edges_of_the_words():
    """Smallest and largest uniform, every quadrant boundary and the angles half way between."""
    for turn in range(0, 2**24, 2**21):
        for step in (0, 1, 2**24 - 1):
            angle = np.uint32(((turn + step) % 2**24) << 8)
            for radius in np.array([0, 0xFF, 0x100, 0x7FFFFFFF, 0xFFFFFFFF], np.uint32):
                expected = float64_box_muller(np.array([radius], np.uint64), np.array([angle], np.uint64))
                assert np.allclose(box_muller(radius, angle), np.ravel(expected), rtol=0.0, atol=2e-6)


@pytest.mark.parametrize("stream, replica, sample, seed, checksum", [
    (STREAM_INPUT, 0, 0, 0, 3406500217), (STREAM_INPUT, 12345, 2**40 + 7, 2**63 + 11, 998377241),
    (STREAM_LABEL_NOISE, 3, 2, 1, 3086327162)])
def test_bits_are_fixed(stream, replica, sample, seed, checksum):
    """Every change of the code, and every device, gives the same bits."""
    assert zlib.crc32(normals(2**18, 0, stream, replica, sample, seed).tobytes()) == checksum


@pytest.mark.parametrize("begin, end", [(0, 1), (1, 2), (3, 17), (100, 357), (999, 1000)])
def test_position_independent(begin, end):
    whole = normals(4000, sample=3)
    assert np.array_equal(normals(4 * (end - begin), first_index=begin, sample=3), whole[4 * begin:4 * end])


def test_last_index():
    """The last index that a counter word can hold still gives its own normals."""
    last = normals(4, first_index=2**32 - 1)
    assert not np.array_equal(last, normals(4, first_index=0))
    assert not np.array_equal(last, normals(4, first_index=2**31 - 1))


def test_bound():
    assert np.float32(box_muller(np.uint32(0), np.uint32(0))[0]) == pytest.approx(BOUND, rel=1e-6)
    assert np.abs(normals(2**22)).max() <= BOUND * (1.0 + 1e-6)


def test_moments():
    """Moments 1 to 8 within 5 standard errors: 5e-6 false alarms."""
    x = normals(2**22, sample=11, seed=77).astype(float)
    for k in range(1, 9):
        exact = 0.0 if k % 2 else math.prod(range(1, k, 2))
        standard_error = math.sqrt((math.prod(range(1, 2 * k, 2)) - exact**2) / x.size)
        assert abs(np.mean(x**k) - exact) < 5.0 * standard_error, k


@pytest.mark.parametrize("part", range(4))
def test_law(part):
    """KS against the normal law, each of the four normals of a counter: 4 x 1e-4 false alarms."""
    x = normals(2**22, sample=5, seed=9)[part::4]
    assert stats.kstest(x, "norm").pvalue > 1e-4


def assert_uncorrelated(x, y):
    """x, x², |x| against the same of y, within 5 standard errors: 5e-6 false alarms a call."""
    for f in (lambda z: z, np.square, np.abs):
        for g in (lambda z: z, np.square, np.abs):
            a, b = f(x), g(y)
            correlation = np.mean((a - a.mean()) * (b - b.mean())) / (a.std() * b.std())
            assert abs(correlation) < 5.0 / math.sqrt(x.size)


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 5, 8, 256, 4096])
def test_coordinates_are_independent(lag):
    x = normals(2**20, sample=21).astype(float)
    assert_uncorrelated(x[:-lag], x[lag:])


@pytest.mark.parametrize("other", [
    {"sample": 1}, {"sample": 2}, {"sample": 2**32}, {"replica": 1}, {"replica": 2**23},
    {"stream": STREAM_LABEL_NOISE}, {"stream": 7}, {"seed": 2}, {"seed": 1 + 2**32}, {"seed": 1 + 2**63}], ids=str)
def test_samples_replicas_streams_and_seeds_are_independent(other):
    assert_uncorrelated(normals(2**20).astype(float), normals(2**20, **other).astype(float))


def test_high_words_of_seed_and_sample_count():
    base = normals(64, sample=7, seed=5)
    for bit in (31, 32, 47, 62):
        assert not np.any(normals(64, sample=7 + 2**bit, seed=5) == base)
        assert not np.any(normals(64, sample=7, seed=5 + 2**bit) == base)
    assert not np.any(normals(64, sample=7, seed=5 + 2**63) == base)


@pytest.mark.parametrize("sample, seed", [(0, 0), (3, 4), (2**32 + 1, 2**64 - 1)])
def test_single_normal_is_the_first_of_its_sample(sample, seed):
    for stream in (STREAM_INPUT, STREAM_LABEL_NOISE):
        value = single_normal(stream, 6, sample, np.uint64(seed))
        assert isinstance(value, float)
        assert value == normals(4, stream=stream, replica=6, sample=sample, seed=seed)[0]
