"""After each step every mode is scaled back to its length: docs/theory, section 13.

Modes are kept as they are at the beginning of a block, with a factor each, ``scales``, and the coefficients of
what the block has added to them.  A step changes the square of a length by products that the block knows,

    |decay X + Σ_j c_j x_j|² = decay² |X|² + 2 decay Σ_j c_j X·x_j + Σ_ij c_i c_j x_i·x_j,

so that scales and coefficients are scaled back without a look at the modes.  Without the constraint kernels get
``None`` in place of a :class:`Sphere`, and leave all this out when they are compiled.  A device, on which a thread
has one mode, takes the functions of one mode from here.
"""

import math
from typing import NamedTuple

import numpy as np

from onlinemode.kernels.jit import compiled


class Sphere(NamedTuple):
    """The lengths that are kept, and how far a block is with them."""

    lengths: np.ndarray  # (P,)   squares of the lengths of the modes, in the units of the kernel
    scales: np.ndarray  # (1, at least P)   factors of the modes since the beginning of the block
    growth: np.ndarray  # (P,)   what this step adds to decay² times the square
    squares: np.ndarray  # (pieces, P)   squares of the lengths of the modes as they are stored, over pieces of them


@compiled
def make_sphere(lengths, width, pieces):
    """A sphere for modes with these squared lengths (P,), with ``width`` scales."""
    return Sphere(lengths, np.ones((1, width)), np.zeros(lengths.size), np.zeros((pieces, lengths.size)))


@compiled(inner=True, forceinline=True)
def back_to(wanted, square):
    """The factor that gives a vector of this square the square ``wanted``; 0 for a vector of length 0."""
    return math.sqrt(wanted / square) if square > 0.0 else 0.0


@compiled(inner=True, forceinline=True)
def back_after(wanted, decay, growth):
    """The factor that gives a vector of the square ``wanted`` this square again after it has decayed and grown."""
    return back_to(wanted, decay * decay * wanted + growth)


@compiled(inner=True, forceinline=True)
def growth_along(decay, coefficient, product):
    """What an input with this coefficient adds to the square of a mode with which it has this product."""
    return 2.0 * decay * coefficient * product


@compiled(inner=True, forceinline=True)
def growth_of_pair(j, i, one, other, product):
    """What the product of the inputs i ≤ j of one step, with these coefficients, adds to it."""
    return one * other * (product if i == j else 2.0 * product)


@compiled(inner=True, forceinline=True)
def factor_of(sphere, decay, p):
    """Factor of mode p since the beginning of the block; ``decay`` without a sphere."""
    if sphere is None:
        return decay
    return sphere.scales[0, p]


@compiled(inner=True, forceinline=True)
def begin_block(sphere):
    """Scale the modes, whose ``squares`` are known, back to their lengths."""
    for p in range(sphere.lengths.size):
        square = 0.0
        for piece in range(sphere.squares.shape[0]):
            square += sphere.squares[piece, p]
        sphere.scales[0, p] = back_to(sphere.lengths[p], square)
        sphere.growth[p] = 0.0


@compiled(inner=True, forceinline=True)
def add_along_modes(sphere, decay, coefficients, j, fields, unit):
    """Input j of a step grows the modes along themselves; ``unit * fields[p]`` is its product with mode p."""
    for p in range(sphere.lengths.size):
        sphere.growth[p] += growth_along(decay, coefficients[j, p], unit * fields[p])


@compiled(inner=True, forceinline=True)
def add_pair(sphere, coefficients, j, i, product):
    """Inputs i ≤ j of one step, whose product this is, grow the modes."""
    for p in range(sphere.lengths.size):
        sphere.growth[p] += growth_of_pair(j, i, coefficients[j, p], coefficients[i, p], product)


@compiled(inner=True, forceinline=True)
def end_step(sphere, decay, coefficients, inputs, known):
    """Let the modes decay, and scale them back where the products of a step are ``known``.

    The ``inputs`` of this block so far, those of the step among them, have the ``coefficients``, of which those of
    earlier steps have decayed.
    """
    for p in range(sphere.lengths.size):
        sphere.scales[0, p] *= decay
        if known:
            back = back_after(sphere.lengths[p], decay, sphere.growth[p])
            sphere.scales[0, p] *= back
            for i in range(inputs):
                coefficients[i, p] *= back
        sphere.growth[p] = 0.0
