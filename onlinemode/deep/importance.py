"""How much a mode matters: rankings of the modes of one layer, and the sorted curve over several networks.

Formulas and how they were checked: docs/theory, section 11.1.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onlinemode import checks
from onlinemode.deep.factors import checked
from onlinemode.display import short_repr
from onlinemode.errors import ParameterError

RANKINGS = ("tau", "strength", "participation", "overlap")
OVERLAP_SHARE = 0.1  # of the overlap beside the strength, in the ranking "overlap"


class Ranked(NamedTuple):
    """Sorted importance over networks.

    Attributes
    ----------
    each : array (networks, P)
        Every network's values in descending order.
    mean : array (P,)
        Over the networks, rank by rank.
    standard_deviation : array (P,)
        Of one network; NaN where there is one alone.
    """

    each: np.ndarray
    mean: np.ndarray
    standard_deviation: np.ndarray

    def __repr__(self) -> str:
        return short_repr(self)


def importance(xi_in: ArrayLike, strengths: ArrayLike, xi_out: ArrayLike, ranking: str = "tau") -> NDArray[np.float64]:
    """Importance of each mode of a layer (docs/theory, section 11.1).

    Parameters
    ----------
    xi_in : array (P, N_in)
        Input modes.
    strengths : array (P,)
        Of the modes.
    xi_out : array (N_out, P)
        Output modes.
    ranking : str, default "tau"
        Li and Huang (2023) rank by τ; the others are alternatives.

        * ``"tau"``: τ_a = γ(‖ξ_out,a‖₂ + ‖ξ_in,a‖₂) + |Σ_a|, with γ = mean|Σ| / mean(‖ξ_out‖₂ + ‖ξ_in‖₂), so that
          both terms have the same mean.  Where all modes are zero, τ is 0.
        * ``"strength"``: |Σ_a|.
        * ``"participation"``: (Σ_i |x_i|³)² / Σ_i |x_i|⁶ of ξ_in,a plus that of ξ_out,a: how many inputs and outputs
          the mode is spread over.  0 for a mode of zeros.
        * ``"overlap"``: |Σ_a| + 0.1 |Σ_i ξ_out,ia ξ_in,ai|, for layers with as many outputs as inputs.

    Returns
    -------
    array (P,)
        In the order of the modes, at least 0.

    Raises
    ------
    ShapeError, ParameterError
        If shapes disagree, an entry is not finite, or the ranking does not suit the layer.
    """
    checks.choice("ranking", ranking, RANKINGS)
    xi_in, strengths, xi_out = checked(xi_in, strengths, xi_out)
    size = np.abs(strengths)
    if ranking == "strength":
        return size
    if ranking == "participation":
        return _spread(xi_in) + _spread(xi_out.T)
    if ranking == "overlap":
        if len(xi_out) != xi_in.shape[1]:
            raise ParameterError(f"the ranking overlap needs a layer with as many outputs as inputs; got {len(xi_out)} "
                                 f"outputs and {xi_in.shape[1]} inputs: take another ranking")
        return size + OVERLAP_SHARE * np.abs(np.einsum("ia,ai->a", xi_out, xi_in))
    lengths = np.linalg.norm(xi_in, axis=1) + np.linalg.norm(xi_out, axis=0)
    gamma = size.mean() / lengths.mean() if lengths.any() else 0.0
    return gamma * lengths + size


def _spread(vectors):
    """(Σ|x|³)² / Σ|x|⁶ of each row; entries are scaled by the largest, whose sixth power may not underflow."""
    largest = np.abs(vectors).max(1, keepdims=True)
    cubes = (np.abs(vectors) / np.where(largest > 0.0, largest, 1.0)) ** 3
    squares = (cubes**2).sum(1)
    return np.divide(cubes.sum(1) ** 2, squares, out=np.zeros(len(vectors)), where=squares > 0.0)


def ranked(values: ArrayLike) -> Ranked:
    """Importances of several networks, each in descending order, with mean and spread rank by rank.

    Parameters
    ----------
    values : array (networks, P) or (P,)
        What :func:`importance` gives, of each network.

    Returns
    -------
    Ranked
        Sorted, with mean and spread.

    Raises
    ------
    ShapeError, ParameterError
        If these are no such arrays of finite numbers.
    """
    values = np.atleast_2d(checks.real("values", values))
    each = -np.sort(-checks.array("values", values, (None, None), symbols="(networks, P)"), axis=1)
    spread = each.std(0, ddof=1) if len(each) > 1 else np.full(each.shape[1], np.nan)
    return Ranked(each, each.mean(0), spread)
