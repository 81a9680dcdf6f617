"""Every purpose has random numbers of its own."""

import numpy as np

from onlinemode import deep
from onlinemode.deep.streams import Stream, generator


def test_no_two_streams_share_their_bits():
    """Among 10⁴ words of 64 bits two are equal by chance with probability 3e-12."""
    words = [generator(stream, seed, number).integers(0, 2**64, 20, np.uint64)
             for stream in Stream for seed in range(10) for number in range(10)]
    words += [np.random.default_rng(seed).integers(0, 2**64, 20, np.uint64) for seed in range(10)]
    flat = np.concatenate(words)
    assert len(np.unique(flat)) == len(flat)


def test_the_same_call_gives_the_same_numbers():
    assert np.array_equal(generator(Stream.ORDER, 3, 1).permutation(50), generator(Stream.ORDER, 3, 1).permutation(50))


def test_several_seeds():
    """As NumPy before 2.5 took them when they were nested, which it refuses now."""
    expected = np.random.default_rng([0, 2**40, 7, int(Stream.REMOVAL)]).permutation(50)
    assert np.array_equal(generator(Stream.REMOVAL, [2**40, 7]).permutation(50), expected)
    assert not np.array_equal(generator(Stream.REMOVAL, [2**40, 0]).permutation(50), expected)


def test_weights_are_not_what_a_user_draws_with_the_same_seed():
    weights = deep.Network((4, 3, 2), "dense", seed=7, precision="float64").parameters["weights_0"]
    assert not np.isclose(weights[0, 0], np.sqrt(2.0 / 4.0) * np.random.default_rng(7).standard_normal())
    expected = np.sqrt(2.0 / 4.0) * np.random.default_rng([0, 7, 1]).standard_normal((3, 4))
    assert np.array_equal(weights, expected)
