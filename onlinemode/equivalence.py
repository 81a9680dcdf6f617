"""Whether fields are as Gaussian as theory takes them to be: ε_g on fresh samples against its closed form."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BOUND = 0.1  # relative deviation of ε_g above which theory is said not to hold: what it is trusted to for real data
SURE = 3.0  # standard errors of the measurement beyond which a deviation counts
LEAST_ERROR = 1e-12  # ε_g below which the closed form is rounding


class GaussianEquivalence(NamedTuple):
    """How far the closed form of ε_g at a run's own overlaps is from what fresh samples measure.

    The closed form is exact for Gaussian fields of these covariances, so the deviation is theirs from being Gaussian,
    apart from the error of the measurement; docs/theory, section 18.8.

    Attributes
    ----------
    alpha : array (n,)
        Saved times at which both are known.
    deviation : array (n,)
        Closed form over measured ε_g, less 1, of the means over the replicas.
    standard_error : array (n,)
        Of it, from the test samples.
    """

    alpha: np.ndarray
    deviation: np.ndarray
    standard_error: np.ndarray

    @property
    def worst(self) -> int:
        """Index of the time at which the deviation exceeds three standard errors most, or falls least short of them."""
        return int(np.argmax(np.abs(self.deviation) - SURE * self.standard_error))

    @property
    def holds(self) -> bool:
        """Whether no deviation is above 10 % by more than three standard errors."""
        return bool(np.all(np.abs(self.deviation) - SURE * self.standard_error <= BOUND))

    @property
    def words(self) -> str:
        """The largest deviation in a line, and a warning where it is too large."""
        i = self.worst
        words = (f"closed form of ε_g at the run's own overlaps {self.deviation[i]:+.1%} ± "
                 f"{self.standard_error[i]:.1%} off fresh samples at α = {self.alpha[i]:.4g}")
        if self.holds:
            return words
        return f"{words}; above {BOUND:.0%} the fields are not Gaussian enough for the theory"


def gaussian_equivalence(alpha: NDArray, measured: NDArray, standard_error: NDArray,
                         closed: NDArray) -> GaussianEquivalence | None:
    """The deviation of a closed form from measurements of ε_g.

    Parameters
    ----------
    alpha : array (n,)
        Saved times.
    measured, standard_error : array (draws, n)
        ε_g on test samples of each replica's own.
    closed : array (draws, n)
        The closed form at the same overlaps.

    Returns
    -------
    GaussianEquivalence or None
        None where no time has both.
    """
    known = np.isfinite(measured) & np.isfinite(closed) & np.isfinite(standard_error)
    count = known.sum(0)
    mean, expected = (np.where(known, each, 0.0).sum(0) for each in (measured, closed))
    use = (count > 0) & (mean > LEAST_ERROR * count) & (expected > LEAST_ERROR * count)
    if not use.any():
        return None
    ratio = expected[use] / mean[use]
    error = np.sqrt((np.where(known, standard_error, 0.0) ** 2).sum(0))[use]
    return GaussianEquivalence(np.asarray(alpha)[use], ratio - 1.0, ratio * error / mean[use])
