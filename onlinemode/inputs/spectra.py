"""Gaussian inputs given by the eigenvalues of their covariance, in its eigenbasis."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from onlinemode import checks
from onlinemode.errors import ParameterError
from onlinemode.inputs.base import Inputs, in_tiles, make_source


class Diagonal(Inputs):
    """Independent Gaussian entries of variances ω_i: weights are given in the eigenbasis of Ω."""

    gaussian = True

    def spectrum(self, N: int) -> NDArray[np.float64]:
        """Eigenvalues of Ω in the order of the coordinates.

        Parameters
        ----------
        N : int
            Number of inputs.

        Returns
        -------
        array (N,)
            Their mean is 1.

        Raises
        ------
        ParameterError
            If only another N is possible.
        """
        self.check(N)
        values = self._eigenvalues(N)  # type: ignore[attr-defined]
        with np.errstate(over="ignore"):
            mean = values.mean()
        if not np.isfinite(mean):  # of very large ones
            values = values / values.max()
            mean = values.mean()
        return values / mean

    def _products(self, N):
        spectrum = self.spectrum(N)
        return lambda rows: rows * spectrum

    def _eigenbasis(self, N):
        return self.spectrum(N), None

    def _source(self, N):
        return make_source("NORMAL", "INPUT", deviations=in_tiles(np.sqrt(self.spectrum(N))))


def _checked_eigenvalues(values):
    values = checks.array("eigenvalues", values, (None,))
    if values.min() < 0.0 or values.max() == 0.0:
        raise ParameterError(f"eigenvalues of a covariance must be ≥ 0 and not all 0; got {values.min():g} to "
                             f"{values.max():g}")
    return values


@dataclass(frozen=True)
class PowerLaw(Diagonal):
    """Gaussian inputs whose covariance has the eigenvalues ω_i ∝ i^(−exponent), i from 1 to N.

    Weights are given in its eigenbasis, so entries of an input are independent; docs/theory, section 9.1.

    Parameters
    ----------
    exponent : float
        At least 0; 0 is Ω = I.

    Raises
    ------
    ParameterError
        If the exponent is negative or not finite.
    """

    exponent: float

    kind = "power-law"

    def __post_init__(self) -> None:
        object.__setattr__(self, "exponent", checks.number("exponent of the power law", self.exponent, 0.0))

    @property
    def few_eigenvalues(self) -> bool:  # type: ignore[override]
        """Whether the exponent is 0, so that Ω = I."""
        return self.exponent == 0.0

    def _eigenvalues(self, N):
        return np.arange(1.0, N + 1.0) ** -self.exponent

    def _counted(self, N):
        return (np.ones(1), np.array([N], np.int64)) if self.few_eigenvalues else super()._counted(N)


@dataclass(frozen=True)
class Spectrum(Diagonal):
    """Gaussian inputs whose covariance has the given eigenvalues, up to a common factor.

    Weights are given in its eigenbasis, so entries of an input are independent; docs/theory, section 9.1.

    Parameters
    ----------
    eigenvalues : array (N,)
        At least 0, not all 0; divided by their mean.

    Raises
    ------
    ParameterError, ShapeError
        If one is negative or not finite, or all are 0.
    """

    eigenvalues: tuple[float, ...] = field(repr=False)

    kind = "spectrum"

    def __post_init__(self) -> None:
        object.__setattr__(self, "eigenvalues", tuple(_checked_eigenvalues(self.eigenvalues).tolist()))

    @property
    def columns(self) -> int:  # type: ignore[override]
        """The only possible N, the number of eigenvalues."""
        return len(self.eigenvalues)

    def _eigenvalues(self, N):
        return np.array(self.eigenvalues)

    def _eigenbasis(self, N):
        from onlinemode.theory.spectral import without_rounding

        return without_rounding(self.spectrum(N)), None


@dataclass(frozen=True)
class Blocks(Diagonal):
    """Gaussian inputs whose covariance has few eigenvalues, each for a share of all directions.

    The first share of the coordinates has the first eigenvalue, and so on; docs/theory, section 9.1.

    Parameters
    ----------
    eigenvalues : sequence of float (L,)
        At least 0, not all 0; all are divided by the mean over the coordinates.
    shares : sequence of float (L,)
        Above 0; a block of share f has f·N/Σf coordinates, rounded so that there are N.

    Raises
    ------
    ParameterError, ShapeError
        If a value is out of range or not finite, or there are not as many shares as eigenvalues.
    """

    eigenvalues: tuple[float, ...]
    shares: tuple[float, ...]

    kind = "blocks"
    few_eigenvalues = True

    def __post_init__(self) -> None:
        values = _checked_eigenvalues(self.eigenvalues)
        shares = checks.array("shares", self.shares, (len(values),))
        if shares.min() <= 0.0:
            raise ParameterError(f"shares of blocks must be above 0; got {shares.min():g}")
        object.__setattr__(self, "eigenvalues", tuple(values.tolist()))
        object.__setattr__(self, "shares", tuple(shares.tolist()))

    def _counted(self, N):
        ends = np.cumsum(self.shares)
        sizes = np.diff(np.rint(N * ends / ends[-1]).astype(np.int64), prepend=0)
        if sizes.min() < 1:
            raise ParameterError(f"N = {N} is too small for {self!r}: a block would have no coordinate")
        return np.array(self.eigenvalues), sizes

    def _eigenvalues(self, N):
        return np.repeat(*self._counted(N))


@dataclass(frozen=True)
class Spiked(Diagonal):
    """Gaussian inputs that are isotropic but for a few directions of other variances.

    The first coordinates are these directions, all others have variance 1, before all are divided by their mean;
    docs/theory, section 9.1.

    Parameters
    ----------
    spikes : sequence of float
        Variances of the first directions, at least 0, relative to that of the others.

    Raises
    ------
    ParameterError, ShapeError
        If one is negative or not finite, or there are none.
    """

    spikes: tuple[float, ...]

    kind = "spiked"
    few_eigenvalues = True

    def __post_init__(self) -> None:
        values = checks.array("spikes", self.spikes, (None,))
        if values.min() < 0.0:
            raise ParameterError(f"spikes of a covariance must be ≥ 0; got {values.min():g}")
        object.__setattr__(self, "spikes", tuple(values.tolist()))

    def _counted(self, N):
        count = len(self.spikes)
        if N <= count:
            raise ParameterError(f"N must be above {count}, the number of spikes; got {N}")
        return np.append(self.spikes, 1.0), np.append(np.ones(count, np.int64), N - count)

    def _eigenvalues(self, N):
        return np.repeat(*self._counted(N))
