"""Float64 normals and chi variates of the chain, for many steps at once.

Box-Muller on 52-bit uniforms with branch-free polynomials (logarithm, sine, cosine after Sun's
fdlibm), one counter for two normals; chi variates by the rejection method of G. Marsaglia and W. W.
Tsang, ACM Trans. Math. Softw. 26, 363 (2000).  See docs/theory.md, section 4.3.
"""

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.philox import STREAM_CHAIN_CHI, philox, stream_word

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_TWELVE = np.uint64(12)
_ONE_BITS = np.uint64(0x3FF0000000000000)
_MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_SQRT2 = np.sqrt(2.0)
_HALF_PI = np.pi / 2.0


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
    series = z * (6.666666666666735130e-01 + z * (3.999999999940941908e-01 + z * (2.857142874366239149e-01
             + z * (2.222219843214978396e-01 + z * (1.818357216161805012e-01 + z * (1.531383769920937332e-01
             + z * 1.479819860511658591e-01))))))
    half = 0.5 * f * f
    return exponent * _LN2_HIGH - ((half - (s * (half + series) + exponent * _LN2_LOW)) - f)


@compiled(inner=True, forceinline=True)
def _box_muller(radius_unit, angle_unit):
    """Two normals from two uniforms in [1, 2)."""
    radius = np.sqrt(-2.0 * _log_of_uniform(2.0 - radius_unit))
    turn = 4.0 * (angle_unit - 1.0)
    quadrant = np.floor(turn + 0.5)
    x = (turn - quadrant) * _HALF_PI
    z = x * x
    sine = x + x * z * (-1.66666666666666324348e-01 + z * (8.33333333332248946124e-03
           + z * (-1.98412698298579493134e-04 + z * (2.75573137070700676789e-06
           + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))))
    cosine = 1.0 - 0.5 * z + z * z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03
             + z * (2.48015872894767294178e-05 + z * (-2.75573143513906633035e-07
             + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))))
    odd = quadrant == 1.0 or quadrant == 3.0
    first = sine if odd else cosine
    second = cosine if odd else sine
    first = -first if quadrant == 1.0 or quadrant == 2.0 else first
    second = -second if quadrant == 2.0 or quadrant == 3.0 else second
    return radius * first, radius * second


@compiled
def fill_chain_normals(out, count, stream, replica, first_sample, seed):
    """out[2 i + j, t] is normal j of counter index i of sample ``first_sample + t``, for t < count.

    ``out`` is (an even number of normals a sample, at least ``count``).
    """
    c1 = stream_word(stream, replica)
    k0 = np.uint64(seed) & _LOW
    k1 = np.uint64(seed) >> _SHIFT
    first = np.uint64(first_sample)
    for i in range(out.shape[0] // 2):
        a = out[2 * i]
        b = out[2 * i + 1]
        for t in range(count):
            sample = np.uint64(first + np.uint64(t))
            w0, w1, w2, w3 = philox(np.uint64(i), c1, sample & _LOW, sample >> _SHIFT, k0, k1)
            x, y = _box_muller(_unit(w0, w1), _unit(w2, w3))
            a[t] = x
            b[t] = y


@compiled(inner=True, forceinline=True)
def _attempt(attempt, c1, sample, k0, k1):
    """A normal and a uniform in (0, 1] for one attempt of the rejection method."""
    low, high = sample & _LOW, sample >> _SHIFT
    index = np.uint64(attempt) + np.uint64(attempt)
    w0, w1, w2, w3 = philox(index, c1, low, high, k0, k1)
    x, _ = _box_muller(_unit(w0, w1), _unit(w2, w3))
    w0, w1, _, _ = philox(index + np.uint64(1), c1, low, high, k0, k1)
    return x, 2.0 - _unit(w0, w1)


@compiled
def fill_chi(out, degrees, count, replica, first_sample, seed, uniforms):
    """out[t] is √χ² with ``degrees[t]`` degrees of freedom, for sample ``first_sample + t``, t < count.

    0 degrees give 0, 1 the size of a normal.  ``uniforms`` is scratch of the same length.
    """
    c1 = stream_word(STREAM_CHAIN_CHI, replica)
    k0 = np.uint64(seed) & _LOW
    k1 = np.uint64(seed) >> _SHIFT
    first = np.uint64(first_sample)
    for t in range(count):  # first attempts: a loop that LLVM vectorises
        x, u = _attempt(np.uint64(0), c1, first + np.uint64(t), k0, k1)
        out[t] = x
        uniforms[t] = u
    for t in range(count):
        shape = 0.5 * degrees[t]
        if shape < 1.0:
            out[t] = abs(out[t]) if shape > 0.0 else 0.0
            continue
        d = shape - 1.0 / 3.0
        c = 1.0 / np.sqrt(9.0 * d)
        x, u = out[t], uniforms[t]
        attempt = 0
        while True:
            v = 1.0 + c * x
            square = x * x
            if v > 0.0:
                v = v * v * v
                if u < 1.0 - 0.0331 * square * square or np.log(u) < 0.5 * square + d * (1.0 - v + np.log(v)):
                    break
            attempt += 1
            x, u = _attempt(np.uint64(attempt), c1, first + np.uint64(t), k0, k1)
        out[t] = np.sqrt(2.0 * d * v)
