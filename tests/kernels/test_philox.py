"""Philox4x32-10 against the known answers of its authors, and against NumPy."""

import numpy as np
import pytest

from onlinemode.kernels.random.philox import philox_words

F = 0xFFFFFFFF
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((F, F, F, F), (F, F), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0),
     (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]


@pytest.mark.parametrize("counter, key, answer", KNOWN)
def test_known_answers(counter, key, answer):
    words = philox_words(np.array(counter, np.uint32), np.array(key, np.uint32))
    assert words.dtype == np.uint32
    assert tuple(int(word) for word in words) == answer


def test_same_words_as_numpy(reference_words):
    """The NumPy version that other tests use, on counters with all words in play."""
    stream, replica, sample, seed = 5, 2**24 - 3, 0x1234_5678_9ABC_DEF0, 0xFEDC_BA98_7654_3210
    indices = np.array([0, 1, 77, F], dtype=np.uint64)
    expected = reference_words(indices, stream, replica, sample, seed)
    key = np.array([seed & F, seed >> 32], np.uint32)
    for index, words in zip(indices, expected):
        counter = np.array([index, (stream << 24) | replica, sample & F, sample >> 32], np.uint32)
        assert np.array_equal(philox_words(counter, key), words)
