"""Activations as kernels receive them: data, of which :func:`value_and_slope` makes g and g'.

Kernels take the data, not the function: Numba cannot cache a kernel that captures another compiled function.
"""

import math
from typing import NamedTuple

import numpy as np

from onlinemode.activations import ACTIVATIONS
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.mathematics.error_function import erf_and_slope

_FASTER = {"erf": erf_and_slope}  # than the formula of the table


class Activation(NamedTuple):
    """One activation function."""

    kind: int  # its number in the table of onlinemode.activations


def activation_named(name):
    """The data of a built-in activation."""
    return Activation(list(ACTIVATIONS).index(name))


@compiled(inner=True, forceinline=True)
def _unknown(activation, z):
    return math.nan, math.nan


def _first_of(kind, formula, others):
    """value_and_slope that knows this kind, and leaves others to ``others``."""
    @compiled(inner=True, forceinline=True)
    def value_and_slope(activation, z):
        if activation.kind == kind:
            return formula(z)
        return others(activation, z)

    return value_and_slope


def _choice_of_all():
    choice = _unknown
    for kind, entry in reversed(list(enumerate(ACTIVATIONS.values()))):
        formula = _FASTER.get(entry.name) or compiled(entry.formula, inner=True, forceinline=True)
        choice = _first_of(kind, formula, choice)
    return choice


value_and_slope = _choice_of_all()  # (activation, z) -> g(z), g'(z); NaN for a kind that there is not


@compiled
def apply_activation(activation, z, values, slopes):
    """Fill two 1-D arrays with g and g' of the 1-D array ``z``."""
    for i in range(z.size):
        values[i], slopes[i] = value_and_slope(activation, z[i])


def values_and_slopes(name, z):
    """g and g' of an array of any shape, for a name of :data:`onlinemode.activations.ACTIVATIONS`."""
    z = np.ascontiguousarray(z, dtype=np.float64)
    values, slopes = np.empty_like(z), np.empty_like(z)
    apply_activation(activation_named(name), z.reshape(-1), values.reshape(-1), slopes.reshape(-1))
    return values, slopes
