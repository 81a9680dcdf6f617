"""Vectors for engine micro where a start gives overlaps alone."""

from onlinemode.errors import EngineError
from onlinemode.state import weights_from_overlaps


def vectors_from_overlaps(overlaps, inputs, N, seed):
    """Weights of these overlaps.

    Raises
    ------
    EngineError
        If entries of the inputs are not independent, so that overlaps are no products of vectors alone.
    """
    if not inputs.independent:
        raise EngineError("engine micro makes vectors of given overlaps for inputs with independent entries alone; got "
                          f"{inputs!r}: start from Weights")
    return weights_from_overlaps(overlaps, N, seed)
