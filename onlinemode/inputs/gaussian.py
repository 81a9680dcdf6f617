"""Inputs with independent N(0, 1) entries."""

from dataclasses import dataclass

import numpy as np

from onlinemode.inputs.base import Inputs, in_tiles, make_source


@dataclass(frozen=True)
class Gaussian(Inputs):
    """Independent N(0, 1) entries: the default."""

    kind = "gaussian"
    independent = True
    gaussian = True

    def _source(self, N):
        return make_source("NORMAL", "INPUT", deviations=in_tiles(np.ones(N)))
