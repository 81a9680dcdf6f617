"""Factors of a network's layers: what every analysis of modes works on.

W = ξ_out diag(Σ) ξ_in of shape (N_out, N_in).  A dense layer has no modes of its own; those of its
singular value decomposition take their place, so that both kinds of network meet the same measures.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onlinemode import checks
from onlinemode.deep.arrays import to_numpy
from onlinemode.display import short_repr
from onlinemode.errors import ParameterError, ShapeError

if TYPE_CHECKING:
    from onlinemode.deep.network import Network

__all__ = ["Factors", "accuracy", "fields", "of_network", "orthogonal", "truncated"]


class Factors(NamedTuple):
    """One layer in modes, W = ξ_out diag(Σ) ξ_in; float64.

    Attributes
    ----------
    xi_in : array (P, N_in)
        Input modes.
    strengths : array (P,)
        Of the modes.
    xi_out : array (N_out, P)
        Output modes.
    """

    xi_in: np.ndarray
    strengths: np.ndarray
    xi_out: np.ndarray

    def __repr__(self) -> str:
        return short_repr(self)

    @property
    def modes(self) -> int:
        """Number of modes P."""
        return len(self.strengths)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """W, (N_out, N_in)."""
        return (self.xi_out * self.strengths) @ self.xi_in


def checked(xi_in: ArrayLike, strengths: ArrayLike, xi_out: ArrayLike) -> Factors:
    """Factors whose shapes agree and whose entries are finite.

    Raises
    ------
    ShapeError, ParameterError
    """
    strengths = checks.array("strengths", strengths, (None,), symbols="(P,)")
    P = len(strengths)
    return Factors(checks.array("xi_in", xi_in, (P, None), symbols="(P, N_in)"), strengths,
                   checks.array("xi_out", xi_out, (None, P), symbols="(N_out, P)"))


def truncated(W: ArrayLike, modes: int | None = None) -> Factors:
    """The leading modes of a matrix by its singular value decomposition: U, σ and Vᵀ cut to ``modes``.

    Parameters
    ----------
    W : array (N_out, N_in)
        Any matrix.
    modes : int, optional
        How many to keep, at most min(N_out, N_in), which is the default.

    Returns
    -------
    Factors
        Orthonormal modes, strengths in descending order; the best approximation of W of this rank.

    Raises
    ------
    ParameterError
        If there are fewer modes than asked for.
    """
    W = checks.array("W", W, (None, None), symbols="(N_out, N_in)")
    modes = min(W.shape) if modes is None else checks.integer("modes", modes, 1)
    if modes > min(W.shape):
        raise ParameterError(f"a {W.shape[0]} × {W.shape[1]} matrix has at most {min(W.shape)} modes; got modes = "
                             f"{modes}: ask for fewer")
    U, s, V = np.linalg.svd(W, full_matrices=False)
    return Factors(V[:modes], s[:modes], U[:, :modes])


def orthogonal(factors: Factors) -> Factors:
    """The same matrix with orthonormal modes and descending strengths, without forming W.

    Its singular value decomposition from the QR decompositions of both sides, at the cost of P²(N_in + N_out).

    Parameters
    ----------
    factors : Factors
        Of one layer.

    Returns
    -------
    Factors
        With min(P, N_in, N_out) modes.
    """
    Q_in, R_in = np.linalg.qr(factors.xi_in.T)
    Q_out, R_out = np.linalg.qr(factors.xi_out)
    U, s, V = np.linalg.svd((R_out * factors.strengths) @ R_in.T, full_matrices=False)
    return Factors(V @ Q_in.T, s, Q_out @ U)


def of_network(network: "Network", modes: int | Sequence[int] | None = None) -> list[Factors]:
    """Factors of every layer of a network.

    Parameters
    ----------
    network : Network
        Trained or not.
    modes : int or sequence of int, optional
        Of dense layers, of all or of each: how many modes to keep of the decomposition, at most (a layer may have
        fewer).  All by default.  Of a decomposed layer it changes nothing.

    Returns
    -------
    list of Factors
        One a layer, copies in the processor's memory.

    Raises
    ------
    ShapeError
        If a sequence does not name every layer.
    """
    out = []
    single = modes is None or np.ndim(modes) == 0
    wanted = [modes] * len(network.layers) if single else list(modes)  # type: ignore[arg-type]
    if len(wanted) != len(network.layers):
        raise ShapeError(f"modes must be one number, or one for each of the {len(network.layers)} layers; got "
                         f"{len(wanted)}")
    for layer, modes in zip(network.layers, wanted):
        if hasattr(layer, "strengths"):
            xi_in, strengths, xi_out = (to_numpy(each) for each in (layer.xi_in, layer.strengths, layer.xi_out))
            out.append(checked(xi_in, np.abs(strengths) if layer.absolute else strengths, xi_out))
        else:
            W = to_numpy(layer.weights)
            out.append(truncated(W, None if modes is None else min(modes, *W.shape)))
    return out


def check_chain(layers: Sequence[Factors], x: ArrayLike | None = None) -> None:
    """Raise ShapeError unless each layer takes what the one before gives, and the first one takes x."""
    if not layers:
        raise ShapeError("a network needs at least one layer; got none")
    for l, (before, after) in enumerate(zip(layers, layers[1:]), start=1):
        if before.xi_out.shape[0] != after.xi_in.shape[1]:
            raise ShapeError(f"layer {l} gives {before.xi_out.shape[0]} outputs and layer {l + 1} takes "
                             f"{after.xi_in.shape[1]} inputs: give layers of one network, in their order")
    if x is not None and (np.ndim(x) != 2 or np.shape(x)[1] != layers[0].xi_in.shape[1]):
        raise ShapeError(f"x must have shape (samples, N_in) = (any, {layers[0].xi_in.shape[1]}); got {np.shape(x)}")


def fields(layers: Sequence[Factors], x: ArrayLike) -> list[np.ndarray]:
    """Pre-activations W h of every layer, with h the activity below.

    ReLU between the layers, none after the last, no biases.

    Parameters
    ----------
    layers : list of Factors
        Of a network, in their order.
    x : array (samples, N_in)
        Inputs.

    Returns
    -------
    list of arrays (samples, N_l)
        One a layer.

    Raises
    ------
    ShapeError, ParameterError
        If layers and inputs do not fit, or an entry is not finite.
    """
    x = checks.array("x", x)
    check_chain(layers, x)
    out, h = [], x
    for factors in layers:
        out.append(((h @ factors.xi_in.T) * factors.strengths) @ factors.xi_out.T)
        h = np.maximum(out[-1], 0.0)
    return out


def accuracy(outputs: ArrayLike, y: ArrayLike) -> float:
    """Share of samples whose largest output is that of their class; with one output, whose sign is that of y.

    Parameters
    ----------
    outputs : array (samples, N_out)
        Of the last layer.
    y : array (samples,) or (samples, N_out)
        Class numbers from 0; targets whose largest one marks the class; for one output, numbers whose sign counts.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ShapeError, ParameterError
        If the shapes are others, there is not one label a sample, or they are no numbers.
    """
    outputs, y = checks.real("outputs", outputs), checks.real("y", y)
    if outputs.ndim != 2 or y.ndim not in (1, 2):
        raise ShapeError("outputs must have the shape (samples, N_out) and y (samples,) or (samples, N_out); got "
                         f"{outputs.shape} and {y.shape}")
    if len(outputs) != len(y):
        raise ShapeError(f"there must be one label a sample; got {len(outputs)} samples and {len(y)} labels")
    y = y.argmax(1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)
    guesses = (outputs[:, 0] > 0.0) == (y > 0.0) if outputs.shape[1] == 1 else outputs.argmax(1) == y
    return float(np.mean(guesses))
