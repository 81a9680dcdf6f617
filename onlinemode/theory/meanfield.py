"""The mean-field equations of motion, and the generalization error at given order parameters.

Equations and derivations: docs/theory.md, sections 2.2 to 2.5.
"""

import numpy as np

from onlinemode import checks
from onlinemode.theory.quadrature import DEFAULT_NODES, NODE_SEED, normal_nodes, teacher_factor

CLOSED_FORM = ("erf", "linear")  # activations whose equations of motion need no nodes
ACTIVATIONS = (*CLOSED_FORM, "relu", "tanh")
ERROR_NODES = 2**12  # for ε_g of tanh at every saved time


class StateLayout:
    """Order of the entries of a full state vector: upper triangle of G, S, strengths, xi_out, readout."""

    def __init__(self, K, M, P):
        self.K, self.M, self.P = K, M, P
        self.upper = np.triu_indices(P)
        sizes = (len(self.upper[0]), P * M, P, K * P, K)
        ends = np.cumsum(sizes)
        self.G, self.S, self.strengths, self.xi_out, self.readout = (
            slice(int(end - size), int(end)) for end, size in zip(ends, sizes))
        self.size = int(ends[-1])
        self.full_G = np.empty((P, P), np.intp)  # where each entry of the symmetric G stands
        self.full_G[self.upper] = np.arange(sizes[0])
        self.full_G.T[self.upper] = np.arange(sizes[0])

    def pack(self, G, S, strengths, xi_out, readout):
        """One full state vector."""
        return np.concatenate([G[self.upper], S.ravel(), strengths, xi_out.ravel(), readout])

    def unpack(self, states):
        """G, S, strengths, xi_out and readout from states of shape (..., size)."""
        lead = states.shape[:-1]
        return (states[..., self.full_G], states[..., self.S].reshape(lead + (self.P, self.M)),
                states[..., self.strengths], states[..., self.xi_out].reshape(lead + (self.K, self.P)),
                states[..., self.readout])


class MeanFieldDrift:
    """The right-hand side d/dα of the order parameters that move, as a compiled callable.

    Parameters
    ----------
    problem : Problem
    overlaps : OrderParameters
        Fixes the sizes, the teacher, and the values of everything that is not trained.
    nodes : int, default 2^14
        Quadrature nodes, for relu and tanh.
    node_seed : int
        Seed of the nodes' scrambling.

    Attributes
    ----------
    layout : StateLayout
    full : array
        The full state of ``overlaps``.
    active : int array
        Which entries of the full state move; ``drift(y)`` takes and returns these.
    """

    def __init__(self, problem, overlaps, nodes=DEFAULT_NODES, node_seed=NODE_SEED):
        from onlinemode.kernels import drift

        rates = problem.rates
        self.layout = StateLayout(overlaps.K, overlaps.M, overlaps.P)
        self.full = self.layout.pack(overlaps.G, overlaps.S, overlaps.strengths, overlaps.xi_out, overlaps.readout)
        moves = np.zeros(self.layout.size, bool)
        moves[self.layout.G] = moves[self.layout.S] = rates.xi_in > 0.0 or problem.weight_decay > 0.0
        moves[self.layout.strengths] = rates.strengths > 0.0
        moves[self.layout.xi_out] = rates.xi_out > 0.0
        moves[self.layout.readout] = rates.readout > 0.0
        self.active = np.flatnonzero(moves)
        parameters = np.array([rates.xi_in, rates.strengths, rates.xi_out, rates.readout,
                               problem.weight_decay, problem.noise, problem.batch], dtype=float)
        self._error = np.empty(1)
        self._teacher_overlaps = overlaps.T
        # The state in the arrays that the kernel reads; copies, since kernels are compiled for writable arrays.
        self._state = self.full.copy()
        self._G, S, *factors = self.layout.unpack(self._state)
        self._arguments = (self._G, S, *factors, np.array(overlaps.T), np.array(overlaps.teacher_readout),
                           parameters, self._error)
        self._kernel = getattr(drift, f"{problem.activation}_drift")
        if problem.activation not in CLOSED_FORM:
            factor, inverse = teacher_factor(overlaps.T)
            self._arguments += (factor, inverse, normal_nodes(factor.shape[1] + overlaps.P, nodes, node_seed))

    def __call__(self, y):
        self._state[self.active] = y
        self._state.take(self.layout.full_G, out=self._G, mode="clip")
        return self._kernel(*self._arguments)[self.active]

    @property
    def last_error(self):
        """ε_g at the state of the last call."""
        return float(self._error[0])

    def sizes(self, y):
        """How large each entry of ``y`` can be: √(G_pp G_qq), √(G_pp T_mm), and the sizes of the other factors."""
        full = self.full.copy()
        full[self.active] = y
        G, _, *factors = self.layout.unpack(full)
        lengths, teacher_lengths = np.sqrt(np.abs(np.diag(G))), np.sqrt(np.diag(self._teacher_overlaps))
        return self.layout.pack(np.outer(lengths, lengths), np.outer(lengths, teacher_lengths),
                                *map(np.abs, factors))[self.active]

    def at_start(self):
        """d/dα of all order parameters at the initial state.

        Returns
        -------
        tuple of arrays
            dG (P, P), dS (P, M), dstrengths (P,), dxi_out (K, P), dreadout (K,).
        """
        derivative = np.zeros(self.layout.size)
        if self.active.size:
            derivative[self.active] = self(self.full[self.active])
        return self.layout.unpack(derivative)


def generalization_error(activation, G, S, T, strengths, xi_out, readout, teacher_readout):
    """ε_g = ½ E[(f − y)²] without label noise, for a row of states.

    Parameters
    ----------
    activation : {"erf", "linear", "relu", "tanh"}
    G : array (..., P, P)
    S : array (..., P, M)
    T : array (M, M)
    strengths : array (..., P)
    xi_out : array (..., K, P)
    readout : array (..., K)
    teacher_readout : array (M,)

    Returns
    -------
    array (...)
        Closed forms (erf, linear, relu) have an absolute floor of about 1e-16; tanh is an average over
        2^12 nodes with a control variate, to about 1e-5 of its initial value.  Clipped at 0.  NaN where
        a state is NaN.

    Raises
    ------
    ParameterError, ShapeError
        For an unknown activation, and arrays that are not of real numbers.

    Notes
    -----
    docs/theory.md, sections 2.3 to 2.5 and 6.1.
    """
    arrays = {"G": G, "S": S, "T": T, "strengths": strengths, "xi_out": xi_out, "readout": readout,
              "teacher_readout": teacher_readout}
    error = signed_error(activation, *(checks.real(name, value) for name, value in arrays.items()))
    return np.where(error < 0.0, 0.0, error)


def signed_error(activation, G, S, T, strengths, xi_out, readout, teacher_readout):
    """ε_g as :func:`generalization_error`, but smooth: negative for overlaps that no vectors have, to differentiate."""
    checks.choice("activation", activation, ACTIVATIONS)
    if activation == "tanh":
        return _tanh_error(G, S, T, strengths, xi_out, readout, teacher_readout)
    scaled = xi_out * strengths[..., None, :]
    R = scaled @ S
    Q = scaled @ G @ np.swapaxes(scaled, -1, -2)
    T = np.broadcast_to(T, R.shape[:-2] + T.shape)
    Z = np.concatenate([np.concatenate([Q, R], -1), np.concatenate([np.swapaxes(R, -1, -2), T], -1)], -2)
    w = np.concatenate([readout, np.broadcast_to(-teacher_readout, readout.shape[:-1] + teacher_readout.shape)], -1)
    diagonal = np.diagonal(Z, axis1=-2, axis2=-1)
    with np.errstate(all="ignore"):
        if activation == "linear":
            moments = Z
        elif activation == "erf":  # asin(Z_ij/√((1+Z_ii)(1+Z_jj))), by its cosine, as large units are close to ±1
            one, other = diagonal[..., :, None], diagonal[..., None, :]
            cosine = np.sqrt(np.maximum(1.0 + one + other + (one * other - Z**2), 0.0))
            moments = 2.0 / np.pi * np.arctan2(Z, cosine)
        else:  # relu
            product = np.sqrt(diagonal[..., :, None] * diagonal[..., None, :])
            cosine = np.where(product > 0.0, np.clip(Z / product, -1.0, 1.0), 0.0)
            moments = product / (2.0 * np.pi) * (np.sqrt(1.0 - cosine**2) + (np.pi - np.arccos(cosine)) * cosine)
            moments = np.where(np.isnan(Z), np.nan, moments)
        return 0.5 * np.einsum("...i,...ij,...j->...", w, moments, w)


def _tanh_error(G, S, T, strengths, xi_out, readout, teacher_readout):
    from onlinemode.kernels.drift import tanh_errors

    lead, (K, P), M = readout.shape[:-1], xi_out.shape[-2:], len(T)
    factor, inverse = teacher_factor(T)
    G, S, strengths, xi_out, readout = (
        np.array(value, dtype=float).reshape((-1,) + shape)
        for value, shape in ((G, (P, P)), (S, (P, M)), (strengths, (P,)), (xi_out, (K, P)), (readout, (K,))))
    out = np.empty(len(G))
    tanh_errors(G, S, strengths, xi_out, readout, np.array(T), np.array(teacher_readout), factor, inverse,
                normal_nodes(factor.shape[1] + P, ERROR_NODES), out)
    return out.reshape(lead)
