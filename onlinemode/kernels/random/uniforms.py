"""Uniform numbers from the Philox stream, the same bits on every device."""

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.random.philox import philox, stream_word

_WORD = 2.0**32
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_ELEVEN = np.uint64(11)


@compiled(forceinline=True)
def single_uniform(stream, replica, sample, seed):
    """The first uniform number of one sample of a stream, a multiple of 2^-53 in [0, 1)."""
    w0, w1, _, _ = philox(np.uint64(0), stream_word(stream, replica), np.uint64(sample) & _LOW,
                          np.uint64(sample) >> _SHIFT, np.uint64(seed) & _LOW, np.uint64(seed) >> _SHIFT)
    bits = np.uint64(np.uint64(np.uint64(w0 << _SHIFT) | w1) >> _ELEVEN)
    return np.float64(bits) * 2.0**-53


@compiled(forceinline=True)
def fill_below(share, stream, replica, sample, seed, out):
    """out[i] <- 0 with the probability ``share``, a multiple of 2^-32, else 1; four of them from one counter."""
    limit = share * _WORD
    for block in range(-(-out.size // 4)):
        words = philox(np.uint64(block), stream_word(stream, replica), np.uint64(sample) & _LOW,
                       np.uint64(sample) >> _SHIFT, np.uint64(seed) & _LOW, np.uint64(seed) >> _SHIFT)
        for i in range(min(4, out.size - 4 * block)):
            out[4 * block + i] = 0.0 if np.float64(words[i]) < limit else 1.0
