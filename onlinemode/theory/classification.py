"""The classification error at given order parameters; docs/theory, section 12.5."""

import numpy as np

from onlinemode.activations import ERF, LEAKY, LINEAR, SIGN, TANH
from onlinemode.theory.outputs import mean_over_nodes
from onlinemode.theory.quadrature import DEFAULT_NODES


def classification_error(activations, G, S, T, strengths, xi_out, readout, teacher_readout, nodes=DEFAULT_NODES):
    """The probability that the outputs of student and teacher have different signs.

    P(f y < 0) + P(f y = 0)/2, with the clean label y: where one of them has no sign, it is guessed.

    Parameters
    ----------
    activations : tuple of Activation
        Those of student and teacher.
    G : array (..., P, P)
        Overlaps of the input modes.
    S : array (..., P, M)
        Overlaps of input modes and teacher units.
    T : array (M, M) or (..., M, M)
        Overlaps of the teacher's units.
    strengths, xi_out, readout : array (..., P), (..., K, P), (..., K)
        The other factors of the student.
    teacher_readout : array (M,)
        Second layer of the teacher.
    nodes : int, default 2^14
        Quadrature nodes, a power of 2; of one unit each that keeps the sign of its field none are needed.

    Returns
    -------
    array (...)
        NaN where a state is not finite.
    """
    factors = strengths, xi_out, readout, teacher_readout
    finite = is_finite(G, S, *factors[:3])
    with np.errstate(all="ignore"):  # of states beyond all bounds
        if readout.shape[-1] == T.shape[-1] == 1 and all(map(keeps_sign, activations)):
            error = _angle(G, S, T, *factors)
        else:
            error = mean_over_nodes(_wrong_signs, nodes, activations, G, S, T, factors)
    return np.where(finite, error, np.nan)


def _wrong_signs(f, y):
    """The share of nodes with different signs; where one of them is 0, half a node."""
    return 0.5 - 0.5 * np.mean(np.sign(f) * np.sign(y))


def is_finite(*arrays):
    """Whether all entries of a state are, (...); the last array has one axis more than that."""
    lead = arrays[-1].ndim - 1
    return np.all([np.isfinite(each).all(tuple(range(lead, each.ndim))) for each in arrays], axis=0)


def _angle(G, S, T, strengths, xi_out, readout, teacher_readout):
    """Over π, that of one unit of the student, with the sign of its readout, and one of the teacher."""
    scaled = xi_out * strengths[..., None, :]
    Q = (scaled @ G @ np.swapaxes(scaled, -1, -2))[..., 0, 0]
    R = (scaled @ S)[..., 0, 0] * readout[..., 0] * teacher_readout[0]
    square = (readout[..., 0] * teacher_readout[0]) ** 2 * Q * T[..., 0, 0]
    return np.where(square == 0.0, 0.5, np.arctan2(np.sqrt(np.maximum(square - R * R, 0.0)), R) / np.pi)


def keeps_sign(activation):
    """Whether g(z) has the sign of z, as far as its kind says."""
    if activation.kind in (ERF, SIGN, TANH, LINEAR):
        return True
    if activation.kind == LEAKY:
        return activation.numbers[0] > 0.0
    if activation.coefficients is not None:
        return activation.odd and min(activation.coefficients) >= 0.0
    return activation.kind == "erfs" and min(activation.numbers[::2]) > 0.0
