"""The activation functions g, their derivatives and their integer codes.

Kernels take the code, not the function: Numba cannot cache a kernel that captures another
compiled function.
"""

import math

import numpy as np

from onlinemode.kernels.jit import compiled

ERF, LINEAR, RELU, TANH = range(4)
ACTIVATION_CODES = {"erf": ERF, "linear": LINEAR, "relu": RELU, "tanh": TANH}

_SQRT_HALF = math.sqrt(0.5)
_SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)


@compiled(inner=True, forceinline=True)
def activation_value(activation, z):
    """g(z): erf(z/√2), z, max(z, 0) or tanh(z)."""
    if activation == ERF:
        return math.erf(z * _SQRT_HALF)
    if activation == LINEAR:
        return z
    if activation == RELU:
        return z if z > 0.0 else 0.0
    return math.tanh(z)


@compiled(inner=True, forceinline=True)
def activation_slope(activation, z, value):
    """g'(z), given z and g(z); the slope of relu at 0 is 0."""
    if activation == ERF:
        return _SQRT_2_OVER_PI * math.exp(-0.5 * z * z)
    if activation == LINEAR:
        return 1.0
    if activation == RELU:
        return 1.0 if z > 0.0 else 0.0
    return 1.0 - value * value


@compiled
def apply_activation(activation, z, out):
    """Fill the 1-D array ``out`` with g of the 1-D array ``z``."""
    for i in range(z.size):
        out[i] = activation_value(activation, z[i])


def activation_values(activation, z):
    """g of an array of any shape, for a code of :data:`ACTIVATION_CODES`."""
    z = np.ascontiguousarray(z, dtype=np.float64)
    out = np.empty_like(z)
    apply_activation(activation, z.reshape(-1), out.reshape(-1))
    return out
