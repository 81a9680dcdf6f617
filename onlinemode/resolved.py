"""Overlaps resolved by groups of eigenvalues of the inputs' covariance, along a run."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from onlinemode.display import Described
from onlinemode.observables import match_units


@dataclass(frozen=True, eq=False, repr=False)
class Resolved(Described):
    """Shares of the overlaps in groups of directions of the inputs, the largest eigenvalues first.

    ``run.resolved`` of a run with ``resolve=R``; docs/theory, section 18.7.

    Attributes
    ----------
    eigenvalues : array (R,)
        Of each group the mean Σω²/Σω, weighted by the trace.
    multiplicities : int array (R,)
        Directions in it; those of no variance are in none.
    traces : array (R,)
        τ_l = Σω/N, whose sum is 1.
    T : array (R, M, M)
        Shares of the teacher's overlaps; their sum is T.
    G : array (draws, n, R, P, P)
        Shares of the modes' overlaps; their sum is the run's G.
    S : array (draws, n, R, P, M)
        Of modes and teacher; their sum is the run's S.
    scaled : array (draws, n, K, P)
        The run's A diag(s), which makes units of modes.
    rho : array (draws, n, K, M)
        Its normalized overlaps, of all groups together, by which units are matched.
    signed : bool
        Whether by ρ itself, and not by |ρ|.
    """

    eigenvalues: np.ndarray
    multiplicities: np.ndarray
    traces: np.ndarray
    T: np.ndarray
    G: np.ndarray
    S: np.ndarray
    scaled: np.ndarray
    rho: np.ndarray
    signed: bool

    @property
    def groups(self) -> int:
        """How many groups there are, R."""
        return len(self.eigenvalues)

    @cached_property
    def Q(self) -> NDArray[np.float64]:
        """Shares of the overlaps of the student's units, (draws, n, R, K, K)."""
        scaled = self.scaled[:, :, None]
        return scaled @ self.G @ np.swapaxes(scaled, -1, -2)

    @cached_property
    def R(self) -> NDArray[np.float64]:
        """Shares of the overlaps of student and teacher units, (draws, n, R, K, M)."""
        return self.scaled[:, :, None] @ self.S

    @cached_property
    def learned(self) -> NDArray[np.float64]:
        """How much of the teacher is learned in each group, (draws, n, R): Σ_k R_l,kπ(k) / Σ_m T_l,mm.

        π matches the units at the last time that a replica reached.  0 where nothing is known, 1 where the student has
        the teacher's components in these directions; near 1/M for units that share M orthogonal teacher units.  NaN
        where the teacher has no component.
        """
        teacher = np.trace(self.T, axis1=-2, axis2=-1)
        matched = np.full(self.R.shape[:3], np.nan)
        for draw, (rho, R) in enumerate(zip(self.rho, self.R)):
            reached = np.flatnonzero(np.isfinite(rho).all((-2, -1)))
            if not reached.size:
                continue
            last = rho[reached[-1]]
            partner = match_units(last, self.signed)
            units = np.flatnonzero(partner >= 0)
            signs = np.ones(len(units)) if self.signed else np.sign(last[units, partner[units]])
            matched[draw] = R[..., units, partner[units]] @ signs
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(teacher > 0.0, matched / teacher, np.nan)

    def _described(self):
        return [("Resolved", f"{self.groups} groups of eigenvalues, {self.eigenvalues[0]:.4g} to "
                             f"{self.eigenvalues[-1]:.4g}"),
                ("directions", ", ".join(f"{count:,}" for count in self.multiplicities)),
                ("share of the trace", ", ".join(f"{trace:.3g}" for trace in self.traces))]
