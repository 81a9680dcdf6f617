"""The learning rule of one sample, in the space of the fields; every engine applies it from here.

The rule (docs/theory.md, section 1.2) never needs the input vector itself: it takes the mode
fields u and the teacher fields ν of a sample and gives the gradients of the small factors and the
coefficients with which the input is added to the input modes.  How u and ν come about is the
business of the engine: projections of real vectors, a Gaussian draw, quadrature nodes.

``sizes`` is (K, M, P): compile-time constants where speed needs them, plain integers elsewhere.
Arrays are float64 and C-contiguous.  Nothing here allocates except :func:`make_workspace` and
:func:`make_gradients`.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.activations import value_and_slope
from onlinemode.kernels.fused import fma
from onlinemode.kernels.jit import compiled

# An error beyond this is a run that will not come back; float32 weights are still finite there.
DIVERGENCE_LIMIT = 1e12


class Factors(NamedTuple):
    """The small factors: trained ones change in place, ``teacher_readout`` never does."""

    strengths: np.ndarray  # (P,)   s
    xi_out: np.ndarray  # (K, P)    A
    readout: np.ndarray  # (K,)     v
    teacher_readout: np.ndarray  # (M,)     v*


class Rates(NamedTuple):
    """Learning rates of the four factors; 0 leaves a factor untouched."""

    xi_in: float
    strengths: float
    xi_out: float
    readout: float


class Workspace(NamedTuple):
    """What one sample passes from the forward to the backward half."""

    u: np.ndarray  # (P,)   mode fields
    nu: np.ndarray  # (M,)   teacher fields
    scaled_u: np.ndarray  # (P,)   s∘u
    field: np.ndarray  # (K,)   λ
    activity: np.ndarray  # (K,)   g(λ)
    gain: np.ndarray  # (K,)   v∘g'(λ), so that δ = e * gain
    back: np.ndarray  # (P,)   a = Aᵀδ


class Gradients(NamedTuple):
    """Sums of the loss gradients over samples, of the factors that live in the small space."""

    strengths: np.ndarray  # (P,)   u∘a
    xi_out: np.ndarray  # (K, P)    δ (s∘u)ᵀ
    readout: np.ndarray  # (K,)     e g(λ)


@compiled
def make_workspace(K, M, P):
    return Workspace(np.zeros(P), np.zeros(M), np.zeros(P), np.zeros(K), np.zeros(K), np.zeros(K), np.zeros(P))


@compiled
def make_gradients(K, P):
    return Gradients(np.zeros(P), np.zeros((K, P)), np.zeros(K))


@compiled(inner=True, forceinline=True)
def teacher_unit(activation, factors, m, nu):
    """What teacher unit m adds to the label at the field ν_m: v*_m g(ν_m)."""
    value, _ = value_and_slope(activation, nu)
    return factors.teacher_readout[m] * value


@compiled(inner=True, forceinline=True)
def teacher_output(sizes, activation, factors, work):
    """The label without its noise, at the teacher fields ``work.nu``."""
    _, M, _ = sizes
    output = 0.0
    for m in range(M):
        output += teacher_unit(activation, factors, m, work.nu[m])
    return output


@compiled(inner=True, forceinline=True)
def forward(sizes, activation, factors, work, label):
    """Error e = f − y of the sample whose mode fields are ``work.u`` and whose label is y.

    Fills ``scaled_u``, ``activity`` and ``gain``.
    """
    K, _, P = sizes
    for p in range(P):
        work.scaled_u[p] = factors.strengths[p] * work.u[p]
    for k in range(K):
        field = 0.0
        for p in range(P):
            field = fma(factors.xi_out[k, p], work.scaled_u[p], field)
        work.field[k] = field
    for k in range(work.field.size):  # not K: where LLVM knows the length it unrolls, and does not vectorise
        work.activity[k], slope = value_and_slope(activation, work.field[k])
        work.gain[k] = factors.readout[k] * slope
    output = 0.0
    for k in range(K):
        output += factors.readout[k] * work.activity[k]
    return output - label


@compiled(inner=True, forceinline=True)
def backward(sizes, factors, work, error):
    """Fill ``work.back`` with a = Aᵀδ, δ = e v∘g'(λ)."""
    K, _, P = sizes
    for p in range(P):
        total = 0.0
        for k in range(K):
            total = fma(factors.xi_out[k, p], work.gain[k], total)
        work.back[p] = error * total


@compiled(inner=True, forceinline=True)
def input_coefficient(factors, work, p):
    """Gradient of mode p along the input: s_p a_p (the rule subtracts η/√N times it times x)."""
    return factors.strengths[p] * work.back[p]


@compiled(inner=True, forceinline=True)
def add_gradients(sizes, rates, work, error, gradients):
    """Add this sample's gradients of those of s, A and v that have a learning rate."""
    K, _, P = sizes
    if rates.strengths != 0.0:
        for p in range(P):
            gradients.strengths[p] += work.u[p] * work.back[p]
    if rates.xi_out != 0.0:
        for k in range(K):
            delta = error * work.gain[k]
            for p in range(P):
                gradients.xi_out[k, p] += delta * work.scaled_u[p]
    if rates.readout != 0.0:
        for k in range(K):
            gradients.readout[k] += error * work.activity[k]


@compiled(inner=True, forceinline=True)
def apply_gradients(sizes, factors, rates, gradients, scale):
    """Subtract ``rate * scale * gradient`` from s, A and v, and set the gradients back to 0.

    ``scale`` is 1/(N n) for a batch of n samples.
    """
    K, _, P = sizes
    if rates.strengths != 0.0:
        for p in range(P):
            factors.strengths[p] -= rates.strengths * scale * gradients.strengths[p]
            gradients.strengths[p] = 0.0
    if rates.xi_out != 0.0:
        for k in range(K):
            for p in range(P):
                factors.xi_out[k, p] -= rates.xi_out * scale * gradients.xi_out[k, p]
                gradients.xi_out[k, p] = 0.0
    if rates.readout != 0.0:
        for k in range(K):
            factors.readout[k] -= rates.readout * scale * gradients.readout[k]
            gradients.readout[k] = 0.0
