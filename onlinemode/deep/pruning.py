"""Removal curves: what accuracy is left when modes of a layer are taken away, by importance or at random.

Formulas and how they were checked: docs/theory, section 11.2.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from onlinemode import checks
from onlinemode.deep.factors import Factors, accuracy, check_chain, fields
from onlinemode.deep.importance import importance
from onlinemode.deep.streams import Stream, generator
from onlinemode.display import short_repr
from onlinemode.errors import ParameterError, ShapeError

SHARES = tuple(np.arange(0.0, 0.81, 0.05).round(2).tolist())
RANDOM_DRAWS = 10


class Removal(NamedTuple):
    """Accuracy after the removal of modes.

    Attributes
    ----------
    shares : array (n,)
        Of the modes, as asked for.
    counts : int array (layers, n)
        Modes removed of each layer that loses some.
    ascending : array (n,)
        Accuracy, the least important modes first.
    descending : array (n,)
        The most important first.
    random : array (draws, n)
        Each draw one random order.
    """

    shares: np.ndarray
    counts: np.ndarray
    ascending: np.ndarray
    descending: np.ndarray
    random: np.ndarray

    def __repr__(self) -> str:
        return short_repr(self)


def removal(layers: Sequence[Factors], x: ArrayLike, y: ArrayLike, which: int | Sequence[int],
            shares: ArrayLike = SHARES, ranking: str = "tau", draws: int = RANDOM_DRAWS,
            seed: int | Sequence[int] = 0) -> Removal:
    """Accuracy against the share of modes removed, in three orders.

    A mode is removed by setting its strength to 0 in a copy; nothing is trained again.  The number removed of P is
    share · P, rounded to the nearest, halves up.  docs/theory, section 11.2.

    Parameters
    ----------
    layers : list of Factors
        Of all layers of a network, as :func:`onlinemode.deep.factors.of_network` gives them.
    x : array (samples, N_in)
        Inputs.
    y : array (samples,)
        Targets, as for :func:`onlinemode.deep.factors.accuracy`.
    which : int or sequence of int
        Layers that lose modes, from 0; of several, each loses the share of its own modes.
    shares : sequence of float, default 0, 0.05, ..., 0.8
        Between 0 and 1.
    ranking : str, default "tau"
        As in :func:`onlinemode.deep.importance.importance`; modes of equal importance go in their order.
    draws : int, default 10
        Of the random order.
    seed : int or sequence of int, default 0
        Of the random order; a second number gives each of several networks an order of its own.

    Returns
    -------
    Removal
        Accuracies on these samples.

    Raises
    ------
    ShapeError, ParameterError
        If layers and samples do not fit, or an argument is out of range.
    """
    x, y = checks.array("x", x), checks.real("y", y)
    check_chain(layers, x)
    if len(x) != len(y):
        raise ShapeError(f"there must be one label a sample; got {len(x)} samples and {len(y)} labels")
    which = [checks.integer("layer", l, 0, len(layers) - 1) for l in np.atleast_1d(which).tolist()]
    if len(set(which)) < len(which):
        raise ParameterError(f"each layer must be named once; got {which}")
    shares = checks.array("shares", shares, (None,))
    if shares.min() < 0.0 or shares.max() > 1.0:
        raise ParameterError(f"shares must be between 0 and 1; got {shares.min():g} to {shares.max():g}")
    draws = checks.integer("draws", draws, 1)
    seeds = [checks.integer("seed", each, 0) for each in (seed if isinstance(seed, Sequence) else [seed])]
    orders = [np.argsort(importance(*layers[l], ranking), kind="stable") for l in which]
    counts = np.array([np.floor(shares * layers[l].modes + 0.5) for l in which]).astype(int)
    first = min(which)
    below = np.maximum(fields(layers[:first], x)[-1], 0.0) if first else x
    read = below @ layers[first].xi_in.T  # what the modes of the lowest of these layers see, whatever is removed

    def outputs(pruned):
        z = (read * pruned[first].strengths) @ pruned[first].xi_out.T
        return fields(pruned[first + 1:], np.maximum(z, 0.0))[-1] if pruned[first + 1:] else z

    def curve(orders):
        return np.array([accuracy(outputs(_without(layers, which, orders, number)), y) for number in counts.T])

    rng = generator(Stream.REMOVAL, seeds)
    random = [curve([rng.permutation(layers[l].modes) for l in which]) for _ in range(draws)]
    return Removal(shares, counts, curve(orders), curve([order[::-1] for order in orders]), np.array(random))


def _without(layers, which, orders, numbers):
    """Layers in which the first modes of each order have strength 0."""
    out = list(layers)
    for l, order, number in zip(which, orders, numbers):
        strengths = layers[l].strengths.copy()
        strengths[order[:number]] = 0.0
        out[l] = layers[l]._replace(strengths=strengths)
    return out
