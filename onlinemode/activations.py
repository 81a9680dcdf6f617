"""The activation functions by name: what each is, plainly, and the facts about it that theory and checks need.

An entry of :data:`ACTIVATIONS` is all that a built-in activation takes: the kernels compile its ``formula``, for
processors and devices, and averages without a closed form are taken over normal nodes (docs/howto/extending.md).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ACTIVATIONS", "NAMES", "Activation"]


@dataclass(frozen=True)
class Activation:
    """One activation function g, an entry of :data:`ACTIVATIONS`.

    Attributes
    ----------
    name : str
        As users write it.
    formula : callable
        ``formula(z)`` gives g(z) and g'(z) of one number, in Python that Numba compiles: arithmetic, ``math``,
        comparisons.  The kernels may have a faster form of it.
    odd : bool
        g(−z) = −g(z).
    homogeneous : bool
        g(az) = a g(z) for a > 0, so that lengths of the first layer and of the second are not told apart.
    linear : bool
        g(z) = z, so that only the product of all layers counts.
    smooth : bool
        g' has no jumps.
    """

    name: str
    formula: Callable
    odd: bool = False
    homogeneous: bool = False
    linear: bool = False
    smooth: bool = True


def _erf(z):
    return math.erf(z / math.sqrt(2.0)), math.sqrt(2.0 / math.pi) * math.exp(-0.5 * z * z)


def _linear(z):
    return z, 1.0


def _relu(z):
    return (z, 1.0) if z > 0.0 else (0.0, 0.0)


def _tanh(z):
    value = math.tanh(z)
    return value, 1.0 - value * value


ACTIVATIONS = {each.name: each for each in (
    Activation("erf", _erf, odd=True),
    Activation("linear", _linear, odd=True, homogeneous=True, linear=True),
    Activation("relu", _relu, homogeneous=True, smooth=False),
    Activation("tanh", _tanh, odd=True),
)}
"""Name to :class:`Activation`: erf is erf(z/√2), linear z, relu max(z, 0), tanh tanh z."""

NAMES = tuple(ACTIVATIONS)
"""Names of all activations."""
