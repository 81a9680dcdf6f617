"""Normal nodes for the Gaussian averages that have no closed form (docs/theory, section 2.5)."""

from functools import lru_cache

import numpy as np

from onlinemode.errors import ParameterError
from onlinemode.theory.defaults import DEFAULT_NODES, NODE_SEED


@lru_cache(maxsize=8)
def normal_nodes(dimension, count=DEFAULT_NODES, seed=NODE_SEED):
    """Scrambled Sobol points mapped to standard normals, with exactly zero mean and unit covariance.

    Parameters
    ----------
    dimension : int
    count : int, default 2^14
        A power of 2.
    seed : int
        Seed of the scrambling; another seed gives an independent estimate, which is how the
        quadrature's own error is measured.

    Returns
    -------
    array (count, dimension)
        Do not change it: it is shared.

    Raises
    ------
    ParameterError
        If there are fewer than twice as many nodes as dimensions.
    """
    if count < 2 * dimension:
        raise ParameterError(f"nodes must be at least {2 * dimension}, twice the number of dimensions; got {count}")
    from scipy.special import ndtri
    from scipy.stats import qmc

    points = qmc.Sobol(dimension, seed=seed).random(count)
    nodes = ndtri(np.clip(points, 1e-15, 1.0 - 1e-15))
    nodes -= nodes.mean(axis=0)
    covariance = nodes.T @ nodes / count
    return np.ascontiguousarray(np.linalg.solve(np.linalg.cholesky(covariance), nodes.T).T)


def teacher_factor(T):
    """L_B (M, r_B) with T = L_B L_Bᵀ, r_B = rank(T), and its left inverse (r_B, M).

    Eigenvalues below 1e-12 of the largest count as zero.  A vanishing teacher keeps one zero column,
    so that no array is empty.
    """
    eigenvalues, vectors = np.linalg.eigh(T)
    kept = eigenvalues > 1e-12 * max(eigenvalues[-1], 0.0)
    if not kept.any():
        return np.zeros((len(T), 1)), np.zeros((1, len(T)))
    lengths = np.sqrt(eigenvalues[kept])
    factor = vectors[:, kept] * lengths
    inverse = (vectors[:, kept] / lengths).T
    return np.ascontiguousarray(factor), np.ascontiguousarray(inverse)
