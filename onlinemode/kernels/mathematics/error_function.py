"""erf(z/√2) and its derivative in loops that LLVM vectorises: docs/theory, section 4.4.

The two share the exponential and have no branches; a library's erf is called unit by unit.
"""

import math

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.fused import fma

_SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)

# Polynomials of degree 11, lowest power first; the approximations of docs/theory, section 4.4
_EXP = (
    1.0, 1.0, 0.5000000000000018, 0.16666666666666166, 0.041666666666492276, 0.008333333333559905,
    0.001388888895135803, 0.0001984126943183175, 2.4801486376203207e-05, 2.7557622936166907e-06,
    2.7632347496401305e-07, 2.499427344771443e-08)
_ERF = (
    0.7978845608028653, -0.132980760133808, 0.019947114020011533, -0.002374656430468376, 0.0002308693731396121,
    -1.8889307254683493e-05, 1.3319302764696781e-06, -8.244442730919258e-08, 4.540718419637457e-09,
    -2.230149575548899e-10, 9.301645928739343e-12, -2.537838419291237e-13)
_ERFC = (
    0.24302789671112468, -0.4128052240169729, 0.24644990062988098, -0.09242691504084243, 0.012266719520892113,
    0.005811830634000614, -0.0019816792387695892, -0.000691206609598099, 0.0002628876302895974,
    0.00013750855973898793, -2.111366639055205e-05, -2.2955984098075016e-05)
_LOG2_E = 1.0 / math.log(2.0)
_LN2_HIGH = 6.93147180559945286227e-01
_LN2_LOW = 2.31904681384629955842e-17
_SMALLEST = -708.0  # exp(x) is 0 below
_ROUND = 1.5 * 2.0**52  # added to a float64 it leaves the nearest integer in the low bits


@compiled(inner=True, forceinline=True)
def _polynomial(c, x):
    """c[0] + c[1] x + ... + c[11] x^11: short chains, and a last step that rounds once."""
    x2 = x * x
    x4 = x2 * x2
    low = fma(fma(c[4], x, c[3]), x2, fma(c[2], x, c[1]))
    middle = fma(fma(c[8], x, c[7]), x2, fma(c[6], x, c[5]))
    high = fma(c[11], x2, fma(c[10], x, c[9]))
    return fma(fma(fma(high, x4, middle), x4, low), x, c[0])


@compiled(inner=True, forceinline=True)
def gaussian(z):
    """exp(-z²/2)."""
    x = -0.5 * z * z
    inside = _SMALLEST if x < _SMALLEST else x
    shifted = np.float64(fma(inside, _LOG2_E, _ROUND))
    power = shifted - _ROUND
    rest = fma(power, -_LN2_LOW, fma(power, -_LN2_HIGH, inside))
    bits = np.int64((shifted.view(np.int64) + 1023) << 52)
    value = _polynomial(_EXP, rest) * bits.view(np.float64)
    return 0.0 if x < _SMALLEST else value


@compiled(inner=True, forceinline=True)
def erf_and_slope(z):
    """erf(z/√2) and its derivative; without branches, so that LLVM vectorises loops over it."""
    bell = gaussian(z)
    size = abs(z)
    inner = z * _polynomial(_ERF, z * z)
    outer = math.copysign(1.0 - bell * _polynomial(_ERFC, 1.0 - 6.0 / (size + 3.0)), z)
    return inner if size < 1.5 else outer, _SQRT_2_OVER_PI * bell
