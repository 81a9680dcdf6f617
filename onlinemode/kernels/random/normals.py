"""Standard normals from the Philox stream, the same bits on every device.

Box-Muller on 24-bit uniforms with branch-free float32 polynomials (logarithm, sine, cosine after
S. L. Moshier's Cephes library), written so that LLVM vectorises the loops.  The smallest uniform is
2^-24, so no normal exceeds sqrt(-2 ln 2^-24) = 5.77 in magnitude.  See docs/theory, section 4.2.
"""

import math

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.fused import fma
from onlinemode.kernels.random.philox import philox, stream_word
from onlinemode.kernels.registers import prefer_wide_registers

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_FLOAT = np.float32
_HALF_PI_UNIT = _FLOAT(np.pi / 2 * 2.0**-22)
_LN2_HIGH = _FLOAT(0.693359375)
_LN2_LOW = _FLOAT(-2.12194440e-4)
_ONE = _FLOAT(1.0)
_MINUS_HALF = _FLOAT(-0.5)
_MINUS_TWO = _FLOAT(-2.0)
_EIGHT = np.uint32(8)
_MANTISSA_BITS = np.int32(23)
_MANTISSA_MASK = np.int32(0x007FFFFF)
_SQRT_HALF_BITS = np.int32(0x3F3504F3)
_SQRT_HALF_BITS_TIMES_2_24 = np.int32(0x3F3504F3 + (24 << 23))
_HALF_QUADRANT = np.uint64(1 << 29)  # of a turn of 2^32; 64 bits, where no sum overflows
_QUADRANT = np.uint64(1 << 30)
_SIGN_BIT = np.uint32(1 << 31)

_LOG = tuple(_FLOAT(c) for c in (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1))
_SIN = tuple(_FLOAT(c) for c in (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1))
_COS = tuple(_FLOAT(c) for c in (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2))


@compiled(forceinline=True)
def box_muller(radius_word, angle_word):
    """Two float32 normals from two uint32 words."""
    # -2 ln u, u = number / 2^24 in (0, 1]; mantissa in [sqrt(1/2), sqrt(2)), exponent by integer arithmetic
    # (every integer operation is cast back to 32 bits, since Numba widens them to 64)
    number = np.float32(np.int32((radius_word >> _EIGHT) + np.uint32(1)))
    bits = np.int32(number.view(np.int32) - _SQRT_HALF_BITS_TIMES_2_24)
    exponent = _FLOAT(np.int32(bits >> _MANTISSA_BITS))
    mantissa = np.int32(np.int32(bits & _MANTISSA_MASK) + _SQRT_HALF_BITS)
    z = mantissa.view(np.float32) - _ONE
    series = _LOG[0]
    series = fma(series, z, _LOG[1])
    series = fma(series, z, _LOG[2])
    series = fma(series, z, _LOG[3])
    series = fma(series, z, _LOG[4])
    series = fma(series, z, _LOG[5])
    series = fma(series, z, _LOG[6])
    series = fma(series, z, _LOG[7])
    series = fma(series, z, _LOG[8])
    square = z * z
    tail = fma(exponent, _LN2_LOW, (series * z) * square)
    tail = fma(_MINUS_HALF, square, tail)
    logarithm = fma(exponent, _LN2_HIGH, z + tail)
    radius = np.float32(math.sqrt(_MINUS_TWO * logarithm))

    # The word without its low 8 bits is the angle, a full turn being 2^32.  It is quadrant * pi/2 + x with
    # x in [-pi/4, pi/4): x is what is left of the two top bits, read as a signed number.
    x = _FLOAT(np.int32(np.int32(angle_word << np.uint32(2)) >> np.int32(10))) * _HALF_PI_UNIT
    square = x * x
    sine = fma(fma(_SIN[0], square, _SIN[1]), square, _SIN[2])
    sine = fma(sine * square, x, x)
    cosine = fma(fma(_COS[0], square, _COS[1]), square, _COS[2])
    cosine = fma(cosine * square, square, fma(_MINUS_HALF, square, _ONE))
    # The top bits of `turn` are the quadrant: odd ones exchange sine and cosine, and quadrants 1 and 2
    # turn the sign of the first normal, 2 and 3 that of the second.
    turn = np.uint32(angle_word + _HALF_QUADRANT)
    odd = np.int32(turn << np.uint32(1)) < np.int32(0)
    first = sine if odd else cosine
    second = cosine if odd else sine
    first_radius = np.uint32(radius.view(np.uint32) ^ np.uint32(np.uint32(turn + _QUADRANT) & _SIGN_BIT))
    second_radius = np.uint32(radius.view(np.uint32) ^ np.uint32(turn & _SIGN_BIT))
    return first_radius.view(np.float32) * first, second_radius.view(np.float32) * second


@compiled
def fill_normals(out, first_index, stream, replica, sample, seed, words, deviations=None):
    """Fill ``out`` with the normals of one sample, from counter index ``first_index`` on.

    Parameters
    ----------
    out : float32 array, length a multiple of 4
        Normal ``4 * i + j`` is the j-th of counter index ``first_index + i``.
    first_index, sample, seed : int
        Position inside the sample, number of the sample (64 bits), key (64 bits).
    stream, replica : int
        See :mod:`onlinemode.kernels.random.philox`.
    words : uint32 array of shape (4, at least ``len(out) // 4``)
        Scratch space.
    deviations : float32 array, as long as ``out``, optional
        Standard deviations, with which the normals are multiplied; 1 by default.
    """
    prefer_wide_registers()
    count = out.size // 4
    c1 = stream_word(stream, replica)
    c2 = np.uint64(sample) & _LOW
    c3 = np.uint64(sample) >> _SHIFT
    k0 = np.uint64(seed) & _LOW
    k1 = np.uint64(seed) >> _SHIFT
    start = np.uint64(first_index)
    for i in range(count):
        w0, w1, w2, w3 = philox((start + np.uint64(i)) & _LOW, c1, c2, c3, k0, k1)
        words[0, i] = w0
        words[1, i] = w1
        words[2, i] = w2
        words[3, i] = w3
    for i in range(count):
        a, b = box_muller(words[0, i], words[1, i])
        c, d = box_muller(words[2, i], words[3, i])
        if deviations is not None:  # decided when the kernel is compiled
            a, b = deviations[4 * i] * a, deviations[4 * i + 1] * b
            c, d = deviations[4 * i + 2] * c, deviations[4 * i + 3] * d
        out[4 * i] = a
        out[4 * i + 1] = b
        out[4 * i + 2] = c
        out[4 * i + 3] = d


@compiled(forceinline=True)
def single_normal(stream, replica, sample, seed):
    """The first normal of one sample of a stream, as float64."""
    w0, w1, _, _ = philox(np.uint64(0), stream_word(stream, replica), np.uint64(sample) & _LOW,
                          np.uint64(sample) >> _SHIFT, np.uint64(seed) & _LOW, np.uint64(seed) >> _SHIFT)
    first, _ = box_muller(np.uint32(w0), np.uint32(w1))
    return np.float64(first)
