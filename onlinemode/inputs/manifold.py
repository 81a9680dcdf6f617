"""Inputs of a hidden manifold: functions of few latent variables."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from onlinemode import checks
from onlinemode.inputs.base import Inputs, TeacherMoments, in_tiles, make_source, mean_products, row_products

FIRST_MOMENTS = {"erf": math.sqrt(3.0 / math.pi), "sign": math.sqrt(2.0 / math.pi)}  # E[z f(z)] of activations f
TEACHERS = ("inputs", "latent")
MOST_LATENT = 10**9


@dataclass(frozen=True)
class HiddenManifold(Inputs):
    """Inputs of a hidden manifold: x_i = sign(z_i) or √3 erf(z_i/√2), with D latent variables behind the N fields z.

    z_i = F_i·c/√D with a latent vector c of D independent normals.  F is fixed: its rows are Gaussian directions of
    length √D, so every z_i is N(0, 1) and every x_i has variance 1.  Goldt, Mézard, Krzakala and Zdeborová, Phys. Rev.
    X 10, 041044 (2020), whose labels are functions of c, as with ``teacher="latent"``; docs/theory, sections 9.1, 9.6.

    Parameters
    ----------
    D : int
        Number of latent variables.
    activation : {"erf", "sign"}, default "erf"
        What makes x_i of z_i.
    seed : int, default 0
        Draws F, 0 to 2^64 − 1.
    teacher : {"inputs", "latent"}, default "inputs"
        What the teacher sees: x, as the student does, or the latent variables c, by fields ν = B c/√D.

    Raises
    ------
    ParameterError
        If a value is out of range.
    """

    D: int
    activation: str = "erf"
    seed: int = 0
    teacher: str = "inputs"

    kind = "manifold"

    def __post_init__(self) -> None:
        object.__setattr__(self, "D", checks.integer("D, the number of latent variables,", self.D, 1, MOST_LATENT))
        checks.choice("activation of the hidden manifold", self.activation, tuple(FIRST_MOMENTS))
        object.__setattr__(self, "seed", checks.integer("seed of the hidden manifold", self.seed, 0, 2**64 - 1))
        checks.choice("teacher of the hidden manifold", self.teacher, TEACHERS)

    def __repr__(self) -> str:
        latent = "" if self.sees_inputs else f", teacher={self.teacher!r}"
        return f"HiddenManifold(D={self.D}, activation={self.activation!r}, seed={self.seed}{latent})"

    @property
    def sees_inputs(self) -> bool:  # type: ignore[override]
        """Whether the teacher sees the inputs, and not the latent variables."""
        return self.teacher == "inputs"

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

    def _latent_columns(self):
        return self.D

    def _latent_source(self):
        return make_source("NORMAL", "LATENT", deviations=in_tiles(np.ones(self.D)))

    def _latent_moments(self, B, N) -> TeacherMoments:
        """E[ν x_i] = E[z f(z)] B·F_i/D, since z_i and ν are jointly Gaussian."""
        from onlinemode.kernels.micro.inputs import add_products

        image = np.zeros((len(B), N))
        add_products(np.ascontiguousarray(B), self.projection(N), image, False)
        return TeacherMoments(FIRST_MOMENTS[self.activation] * math.sqrt(N / self.D) * image, mean_products(B, B))

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
