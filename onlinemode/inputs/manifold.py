"""Inputs of a hidden manifold: functions of few latent variables."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from onlinemode import checks
from onlinemode.inputs.base import Inputs, make_source, row_products

MANIFOLD_ACTIVATIONS = ("erf", "sign")
MOST_LATENT = 10**9


@dataclass(frozen=True)
class HiddenManifold(Inputs):
    """Inputs of a hidden manifold: x_i = sign(z_i) or √3 erf(z_i/√2), with D latent variables behind the N fields z.

    z_i = F_i·c/√D with a latent vector c of D independent normals.  F is fixed: its rows are Gaussian directions of
    length √D, so every z_i is N(0, 1) and every x_i has variance 1.  Goldt, Mézard, Krzakala and Zdeborová, Phys. Rev.
    X 10, 041044 (2020), whose labels are functions of c; docs/theory, section 9.1.

    Parameters
    ----------
    D : int
        Number of latent variables.
    activation : {"erf", "sign"}, default "erf"
        What makes x_i of z_i.
    seed : int, default 0
        Draws F, 0 to 2^64 − 1.

    Raises
    ------
    ParameterError
        If a value is out of range.
    """

    D: int
    activation: str = "erf"
    seed: int = 0

    kind = "manifold"

    def __post_init__(self) -> None:
        object.__setattr__(self, "D", checks.integer("D, the number of latent variables,", self.D, 1, MOST_LATENT))
        checks.choice("activation of the hidden manifold", self.activation, MANIFOLD_ACTIVATIONS)
        object.__setattr__(self, "seed", checks.integer("seed of the hidden manifold", self.seed, 0, 2**64 - 1))

    def projection(self, N: int) -> NDArray[np.float64]:
        """The fixed matrix F, scaled.

        Parameters
        ----------
        N : int
            Number of inputs.

        Returns
        -------
        array (N, D)
            F/√D.

        Raises
        ------
        ParameterError
            If N is no number of inputs, or only another one is possible.
        """
        self.check(N)
        return _projection(N, self.D, self.seed)

    def _code(self):
        return f"{self.activation.upper()}_MANIFOLD"

    def _source(self, N):
        from onlinemode.kernels.micro.manifold import to_pieces
        from onlinemode.kernels.micro.sgd import tile_shape

        return make_source(self._code(), "LATENT", projection=to_pieces(self.projection(N), tile_shape(N)[1]))

    def _products(self, N):
        from onlinemode.kernels.micro import inputs as kernel

        F, code = self.projection(N), getattr(kernel, self._code())

        def chunk(first, last):  # rows of Ω
            part = np.zeros((last - first, N))
            kernel.add_products(F[first:last], F, part, False)
            kernel.manifold_covariance(part, code, first)
            return part

        return row_products(N, chunk)


@lru_cache(maxsize=1)
def _projection(N, D, seed):
    from onlinemode.kernels.micro.inputs import draw_projection

    return draw_projection(N, D, np.uint64(seed))
