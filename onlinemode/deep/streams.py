"""Random numbers: one stream for each purpose, so that no two of them share their bits when they share a seed."""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What the numbers are for."""

    WEIGHTS = 1  # initial values
    ORDER = 2  # of the training samples; one stream an epoch
    REMOVAL = 3  # order in which modes are removed at random
    MIXTURE_TRAIN = 4  # samples of the Gaussian mixture
    MIXTURE_TEST = 5


def generator(stream, seed, number=0):
    """A generator of this stream.

    Parameters
    ----------
    stream : Stream
    seed : int or sequence of int
    number : int, default 0
        Tells the streams of one purpose apart.

    Returns
    -------
    numpy.random.Generator
        Others than ``numpy.random.default_rng(seed)``, which users may have drawn their data from.
    """
    seeds = seed if isinstance(seed, Sequence) else [seed]
    return np.random.default_rng([number, *seeds, int(stream)])  # zeros at the end would count for nothing
