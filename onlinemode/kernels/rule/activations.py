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


def _choice_of_all():
    """value_and_slope as one function, ``if activation.kind == 0: return formula_0(z)`` and so on.

    Its source is made from the table: a function a kind would take Numba several times as long.
    """
    formulas, lines = {"math": math}, ["def value_and_slope(activation, z):"]
    for kind, entry in enumerate(ACTIVATIONS.values()):
        formulas[f"formula_{kind}"] = _FASTER.get(entry.name) or compiled(entry.formula, inner=True, forceinline=True)
        lines += [f"    if activation.kind == {kind}:", f"        return formula_{kind}(z)"]
    exec("\n".join([*lines, "    return math.nan, math.nan"]), formulas)
    return compiled(formulas["value_and_slope"], inner=True, forceinline=True)


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
