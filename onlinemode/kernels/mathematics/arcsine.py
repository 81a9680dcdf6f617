"""A branch-free arcsine, so that LLVM evaluates several at once.

The erf averages are sums of arcsines: 4,896 of them for one drift at K = M = 8.  The rational
approximation is that of Sun's fdlibm (e_asin.c, 1993); both ranges are evaluated and one is chosen.
"""

import numpy as np

from onlinemode.kernels.jit import compiled

_HALF_PI = np.pi / 2


@compiled(forceinline=True)
def arcsine(x):
    """asin(x) to about one unit in the last place; arguments rounded beyond ±1 count as ±1."""
    return _arcsine(x, 0.5 * (1.0 - abs(x)))


@compiled(forceinline=True)
def arcsine_of_pair(x, complement):
    """asin(x) for x with its 1 − x², which tells x from ±1 where the rounding of x does not."""
    return _arcsine(x, 0.5 * complement / (1.0 + abs(x)))


@compiled(inner=True, forceinline=True)
def _arcsine(x, half_rest):
    """asin(x) with half of what |x| lacks to 1."""
    size = abs(x)
    small = size < 0.5
    t = x * x if small else half_rest
    t = 0.0 if t < 0.0 else t
    root = size if small else np.sqrt(t)
    above = t * (1.66666666666666657415e-01 + t * (-3.25565818622400915405e-01
            + t * (2.01212532134862925881e-01 + t * (-4.00555345006794114027e-02
            + t * (7.91534994289814532176e-04 + t * 3.47933107596021167570e-05)))))
    below = 1.0 + t * (-2.40339491173441421878e+00 + t * (2.02094576023350569471e+00
            + t * (-6.88283971605453293030e-01 + t * 7.70381505559019352791e-02)))
    series = root + root * (above / below)
    value = series if small else _HALF_PI - 2.0 * series
    return value if x >= 0.0 else -value


@compiled(fastmath={"reassoc", "contract", "nsz"})
def weighted_arcsines(arguments, weights, count):
    """Σ_i weights[i] asin(arguments[i]) over the first ``count`` entries."""
    total = 0.0
    for i in range(count):
        total += weights[i] * arcsine(arguments[i])
    return total


@compiled(fastmath={"reassoc", "contract", "nsz"})
def weighted_arcsines_of_pairs(arguments, complements, weights, count):
    """Σ_i weights[i] asin(arguments[i]) from the arguments and their 1 − x²."""
    total = 0.0
    for i in range(count):
        total += weights[i] * arcsine_of_pair(arguments[i], complements[i])
    return total


@compiled
def fill_arcsines(arguments, complements, out):
    """out[i] = asin(arguments[i]) for all entries of ``out``, from the arguments and their 1 − x²."""
    for i in range(out.size):
        out[i] = arcsine_of_pair(arguments[i], complements[i])
