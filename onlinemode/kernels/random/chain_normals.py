"""Float64 normals and chi variates of the chain, for many steps at once.

Box-Muller on 52-bit uniforms with branch-free polynomials (logarithm, sine, cosine after Sun's
fdlibm), one counter for two normals; chi variates by the rejection method of G. Marsaglia and W. W.
Tsang, ACM Trans. Math. Softw. 26, 363 (2000).  See docs/theory, section 4.3.
"""

import math

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.fused import fma
from onlinemode.kernels.random.philox import STREAM_CHAIN_CHI, philox, stream_word

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_TWELVE = np.uint64(12)
_ONE_BITS = np.uint64(0x3FF0000000000000)
_MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_SQRT2 = np.sqrt(2.0)
_HALF_PI = np.pi / 2.0
_ROUND = 1.5 * 2.0**52  # added to a float64 it leaves the nearest integer in the low bits
_LOG = (6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
        1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860510658591e-01)
_SIN = (-1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04,
        2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10)
_COS = (4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
        -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11)


@compiled(inner=True, forceinline=True)
def _unit(high, low):
    """A uniform in [1, 2) from two 32-bit words."""
    bits = np.uint64(np.uint64(np.uint64(np.uint64(high << _SHIFT) | low) >> _TWELVE) | _ONE_BITS)
    return bits.view(np.float64)


@compiled(inner=True, forceinline=True)
def _log_of_uniform(u):
    """ln(u) for u in (0, 1]."""
    number = np.float64(u)
    bits = number.view(np.uint64)
    mantissa_bits = np.uint64(np.uint64(bits & _MANTISSA) | _ONE_BITS)
    m = mantissa_bits.view(np.float64)
    # the exponent as a float64, by placing its bits below those of 2^52
    exponent_bits = np.uint64(np.uint64(bits >> np.uint64(52)) | np.uint64(0x4330000000000000))
    exponent = exponent_bits.view(np.float64) - (4503599627370496.0 + 1023.0)
    large = m > _SQRT2
    m = 0.5 * m if large else m
    exponent = exponent + 1.0 if large else exponent
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = fma(fma(fma(w, _LOG[6], _LOG[4]), w, _LOG[2]), w, _LOG[0])
    even = fma(fma(w, _LOG[5], _LOG[3]), w, _LOG[1])
    half = 0.5 * f * f
    tail = fma(s, half + fma(z, odd, w * even), exponent * _LN2_LOW)
    return fma(exponent, _LN2_HIGH, f - (half - tail))


@compiled(inner=True, forceinline=True)
def _with_sign(number, bit):
    """``number``, negated where bit 1 of the integer ``bit`` is set."""
    bits = np.int64(np.float64(number).view(np.int64) ^ ((bit & 2) << 62))
    return bits.view(np.float64)


@compiled(inner=True, forceinline=True)
def _box_muller(radius_unit, angle_unit):
    """Two normals from two uniforms in [1, 2)."""
    radius = math.sqrt(-2.0 * _log_of_uniform(2.0 - radius_unit))
    turn = fma(4.0, angle_unit, -4.0)
    shifted = np.float64(turn + _ROUND)  # the nearest quadrant in its low bits
    quadrant = shifted.view(np.int64)
    x = (turn - (shifted - _ROUND)) * _HALF_PI
    z = x * x
    series = fma(fma(fma(fma(fma(z, _SIN[5], _SIN[4]), z, _SIN[3]), z, _SIN[2]), z, _SIN[1]), z, _SIN[0])
    sine = fma(x * z, series, x)
    series = fma(fma(fma(fma(fma(z, _COS[5], _COS[4]), z, _COS[3]), z, _COS[2]), z, _COS[1]), z, _COS[0])
    cosine = fma(z * z, series, fma(-0.5, z, 1.0))
    odd = quadrant & 1 != 0
    first = sine if odd else cosine
    second = cosine if odd else sine
    return _with_sign(radius * first, quadrant + 1), _with_sign(radius * second, quadrant)


@compiled(inner=True, forceinline=True)
def two_normals(index, c1, sample, k0, k1):
    """The two normals of one counter."""
    w0, w1, w2, w3 = philox(np.uint64(index), c1, sample & _LOW, sample >> _SHIFT, k0, k1)
    return _box_muller(_unit(w0, w1), _unit(w2, w3))


@compiled
def fill_chain_normals(out, rows, count, stream, replica, first_sample, stride, seed):
    """out[2 i + j, b] is normal j of counter index i of sample ``first_sample + b * stride``, for b < count.

    The first ``rows`` rows are filled, and one more where that is an odd number.
    """
    c1 = stream_word(stream, replica)
    k0 = np.uint64(seed) & _LOW
    k1 = np.uint64(seed) >> _SHIFT
    first, apart = np.uint64(first_sample), np.uint64(stride)
    for i in range((rows + 1) // 2):
        even = out[2 * i]
        odd = out[2 * i + 1]
        for b in range(count):
            x, y = two_normals(i, c1, np.uint64(first + np.uint64(b) * apart), k0, k1)
            even[b] = x
            odd[b] = y


@compiled(inner=True, forceinline=True)
def _attempt(attempt, c1, sample, k0, k1):
    """For one attempt of the rejection method: a normal, the other normal of its pair, a uniform in (0, 1]."""
    low, high = sample & _LOW, sample >> _SHIFT
    index = np.uint64(attempt) + np.uint64(attempt)
    w0, w1, w2, w3 = philox(index, c1, low, high, k0, k1)
    x, y = _box_muller(_unit(w0, w1), _unit(w2, w3))
    w0, w1, _, _ = philox(index + np.uint64(1), c1, low, high, k0, k1)
    return x, y, 2.0 - _unit(w0, w1)


@compiled(inner=True, forceinline=True)
def chi_constants(degrees):
    """shape, d, c of the rejection method, for a number of degrees of freedom."""
    shape = 0.5 * degrees
    d = max(shape, 1.0) - 1.0 / 3.0
    return shape, d, 1.0 / math.sqrt(9.0 * d)


@compiled(inner=True, forceinline=True)
def first_chi(shape, d, c, c1, sample, k0, k1):
    """√χ² of the first attempt, or -1 where that one needs the full condition; and a normal of its own."""
    x, y, u = _attempt(np.uint64(0), c1, sample, k0, k1)
    v = 1.0 + c * x
    square = x * x
    accepted = u < 1.0 - 0.0331 * square * square and v > 0.0
    gamma = d * v * v * v
    chi = math.sqrt(gamma + gamma) if accepted else -1.0
    if shape < 1.0:
        chi = abs(x) if shape > 0.0 else 0.0
    return chi, y


@compiled(inner=True)
def later_chi(d, c, c1, sample, k0, k1):
    """√χ² of the first attempt that meets the full condition."""
    attempt = 0
    while True:
        x, _, u = _attempt(np.uint64(attempt), c1, sample, k0, k1)
        v = 1.0 + c * x
        if v > 0.0:
            v = v * v * v
            if math.log(u) < 0.5 * x * x + d * (1.0 - v + math.log(v)):
                return math.sqrt(2.0 * d * v)
        attempt += 1


@compiled
def fill_chi(out, noise, degrees, count, replica, first_sample, stride, seed):
    """out[b] is √χ² with ``degrees`` degrees of freedom, for sample ``first_sample + b * stride``, b < count.

    0 degrees give 0, 1 the size of a normal.  ``noise[b]`` is a normal that no other number depends on.
    """
    _fill_chi(out, noise, degrees, count, STREAM_CHAIN_CHI, replica, first_sample, stride, seed)


@compiled
def fill_chi_of_stream(out, noise, degrees, count, stream, replica, first_sample, stride, seed):
    """The same of any stream; a little slower."""
    _fill_chi(out, noise, degrees, count, stream, replica, first_sample, stride, seed)


@compiled(inner=True, forceinline=True)
def _fill_chi(out, noise, degrees, count, stream, replica, first_sample, stride, seed):
    c1 = stream_word(stream, replica)
    k0 = np.uint64(seed) & _LOW
    k1 = np.uint64(seed) >> _SHIFT
    first, apart = np.uint64(first_sample), np.uint64(stride)
    shape, d, c = chi_constants(degrees)
    for b in range(count):  # first attempts: a loop that LLVM vectorises
        out[b], noise[b] = first_chi(shape, d, c, c1, first + np.uint64(b) * apart, k0, k1)
    for b in range(count):
        if out[b] < 0.0:
            out[b] = later_chi(d, c, c1, first + np.uint64(b) * apart, k0, k1)
