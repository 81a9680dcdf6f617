"""Vectors for engine micro where a start gives overlaps alone."""

import numpy as np

from onlinemode.errors import EngineError
from onlinemode.resolved_overlaps import ResolvedOverlaps, components_of
from onlinemode.state import OrderParameters, Weights, weights_from_overlaps
from onlinemode.theory.spectral import eigenspace_of


def with_vectors(start, inputs, N, seed):
    """Overlaps and vectors of a start.

    Parameters
    ----------
    start : Weights, OrderParameters or ResolvedOverlaps
    inputs : Inputs
    N : int
    seed : int
        Of the frames in which vectors of given overlaps lie.

    Returns
    -------
    overlaps : OrderParameters
    weights : Weights

    Raises
    ------
    EngineError
        If entries of the inputs are not independent, so that overlaps are no products of vectors alone, and they are
        not resolved.
    """
    if isinstance(start, OrderParameters):
        if not inputs.independent:
            raise EngineError("engine micro makes vectors of given overlaps for inputs with independent entries alone; "
                              f"got {inputs!r}: start from Weights, or ResolvedOverlaps")
        return start, weights_from_overlaps(start, N, seed)
    weights = _from_resolved(start, inputs, seed) if isinstance(start, ResolvedOverlaps) else start
    return start.order_parameters(inputs), weights


def _from_resolved(overlaps, inputs, seed):
    """In a random frame of each eigenspace; nothing where there is no variance."""
    N, M = overlaps.N, overlaps.M
    values, vectors = inputs.eigenbasis(N)
    space = eigenspace_of(values)
    there = np.flatnonzero(inputs.eigenspaces(N).eigenvalues)
    generator, rows = np.random.default_rng([seed, 1]), np.zeros((M + overlaps.P, N))
    for number, components in zip(there, components_of(overlaps)):
        own = np.flatnonzero(space == number)
        frame = np.linalg.qr(generator.standard_normal((len(own), len(components))))[0]
        rows[:, own] = np.sqrt(N) * (frame @ components).T
    if vectors is not None:
        rows = rows @ vectors.T
    return Weights(xi_in=rows[M:], strengths=overlaps.strengths, xi_out=overlaps.xi_out, readout=overlaps.readout,
                   teacher=rows[:M], teacher_readout=overlaps.teacher_readout)
