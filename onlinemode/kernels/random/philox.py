"""The counter-based generator Philox4x32-10 and the streams that keep its purposes apart.

Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as
1, 2, 3", SC'11.  The layout of the counter is described in docs/theory, section 4.1.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.jit import compiled

STREAM_INPUT = 0
STREAM_LABEL_NOISE = 1
STREAM_CHAIN_NORMAL = 2
STREAM_CHAIN_CHI = 3
STREAM_LATENT = 5  # 4 was the noise of the chain in earlier versions
STREAM_ROW = 6
STREAM_TEST = 7
STREAM_PROJECTION = 8
STREAM_LABEL_FLIP = 9
STREAM_CHAIN_FLIP = 10
STREAM_UNITS_LEFT_OUT = 11
STREAM_MODES_LEFT_OUT = 12
STREAM_CHAIN_UNITS_LEFT_OUT = 13
STREAM_CHAIN_MODES_LEFT_OUT = 14
STREAM_TASK = 15
STREAM_CHAIN_TASK = 16
STREAM_TEACHER_DRIFT = 20
STREAM_CHAIN_DRIFT_NORMAL = 21
STREAM_CHAIN_DRIFT_CHI = 22
STREAM_LEAP_NORMAL = 23
STREAM_CHAIN_NORMAL_OF_EIGENSPACES = 32  # and those up to 63, one for each eigenspace but the first
STREAM_CHAIN_CHI_OF_EIGENSPACES = 64  # and those up to 95

MAX_REPLICAS = 2**24

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_STREAM_SHIFT = np.uint64(24)


class Key(NamedTuple):
    """What tells the random numbers of one replica from those of all others."""

    seed: int  # numpy.uint64
    replica: int  # below MAX_REPLICAS


@compiled(inner=True, forceinline=True)
def philox(c0, c1, c2, c3, k0, k1):
    """Four 32-bit words (as uint64) from a counter and a key of 32-bit words (as uint64)."""
    for _ in range(10):
        product_0 = _MULTIPLIER_0 * c0
        product_1 = _MULTIPLIER_1 * c2
        c0 = (product_1 >> _SHIFT) ^ c1 ^ k0
        c1 = product_1 & _LOW
        c2 = (product_0 >> _SHIFT) ^ c3 ^ k1
        c3 = product_0 & _LOW
        k0 = (k0 + _WEYL_0) & _LOW
        k1 = (k1 + _WEYL_1) & _LOW
    return c0, c1, c2, c3


@compiled(inner=True, forceinline=True)
def stream_word(stream, replica):
    """The second counter word: the purpose in the top 8 bits, the replica in the others."""
    return (np.uint64(stream) << _STREAM_SHIFT) | np.uint64(replica)


@compiled
def philox_words(counter, key):
    """Philox of one counter and key, ``uint32`` arrays of 4 and 2 words (for known-answer tests)."""
    words = philox(np.uint64(counter[0]), np.uint64(counter[1]), np.uint64(counter[2]),
                   np.uint64(counter[3]), np.uint64(key[0]), np.uint64(key[1]))
    out = np.empty(4, np.uint32)
    for i in range(4):
        out[i] = np.uint32(words[i])
    return out
