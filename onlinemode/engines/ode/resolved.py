"""Starts resolved by the eigenvalues of the inputs' covariance, for engine ode: docs/theory, section 18."""

import numpy as np

from onlinemode.errors import EngineError
from onlinemode.replica_states import ReplicaState
from onlinemode.state import Weights
from onlinemode.theory.meanfield import generalization_error
from onlinemode.theory.spectral import Shares, resolve

MORE_NODES = 8  # of the interpolation that a run is checked with
TIMES = 200  # at which the learning rate is looked at for its largest value
NOTHING = 1e-6  # of ε_g at the start: below it a relative error says nothing


def shares_of(start: Weights | ReplicaState, problem, count: int | None, alpha: float) -> Shares | None:
    """The shares of a start; None where the covariance has nothing to resolve.

    Raises
    ------
    EngineError
        If the start has no vectors, or the eigenvalues of the covariance cannot be had.
    """
    inputs = problem.inputs
    if inputs.independent:
        return None
    if isinstance(start, ReplicaState):
        start = start.start()
    if not isinstance(start, Weights):
        raise EngineError("engine ode needs the weight vectors where inputs have a covariance, since overlaps do not "
                          f"tell how they are shared among its eigenvalues; got {type(start).__name__} and "
                          f"{inputs!r}: start from Weights")
    eigenvalues, vectors = inputs.eigenbasis(start.N)
    modes, teacher = start.xi_in, start.teacher
    if vectors is not None:
        modes, teacher = (_products(rows, vectors.T) for rows in (modes, teacher))
    rate = float(problem.numbers_at(np.linspace(0.0, alpha, TIMES))[:, 0].max())
    shares = resolve(modes, teacher, eigenvalues, count, rate, alpha)
    return None if shares.isotropic else shares


def _products(rows, others):
    from onlinemode.kernels.micro.inputs import add_products

    out = np.zeros((len(rows), len(others)))
    add_products(np.ascontiguousarray(rows), np.ascontiguousarray(others), out, False)
    return out


def largest_deviation(problem, overlaps, one, other):
    """The largest relative deviation of ε_g between two paths of order parameters, each (G, S, strengths, ...)."""
    first, second = (generalization_error(problem.activation, G, S, overlaps.T, strengths, xi_out, readout,
                                          overlaps.teacher_readout, problem.teacher_activation)
                     for G, S, strengths, xi_out, readout in (one, other))
    known = np.isfinite(first) & np.isfinite(second) & (first > NOTHING * first[0])
    return float(np.max(np.abs(second[known] / first[known] - 1.0), initial=0.0))
