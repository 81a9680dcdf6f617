"""Overlaps as a start that knows how they are shared among the eigenvalues of the inputs' covariance."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onlinemode import checks
from onlinemode.errors import OverlapError, ParameterError
from onlinemode.inputs import Inputs, check_inputs
from onlinemode.state import (
    OrderParameters,
    Sizes,
    Weights,
    check_covariance,
    factor_of,
    nearest_covariance,
    symmetric,
)
from onlinemode.theory.spectral import Shares, eigenspace_of

MOST_EIGENVALUES = 4096
SHOWN = 6  # eigenvalues in words
SAME_COVARIANCE = 1e-8  # what eigenvalues and their trace may differ by, relative


@dataclass(frozen=True, eq=False, repr=False)
class ResolvedOverlaps(Sizes):
    """Student and teacher by their overlaps in each eigenspace of the inputs' covariance, at any N and without vectors.

    What engines chain and ode need of a start where inputs have a covariance Ω of few eigenvalues; docs/theory, section
    18.10.  ``onlinemode.initial`` draws it (``inputs=..., weights=False``), :meth:`of` takes it from vectors.  Shares
    that were rounded become the nearest that vectors have.

    Parameters
    ----------
    N : int
        Number of inputs.
    eigenvalues : array (L,)
        The different eigenvalues ω_l of Ω, tr Ω = N, ascending; those that are 0 are left out.
    multiplicities : int array (L,)
        N_l, how many directions have each.
    G : array (L, P, P)
        Shares of the overlaps of the input modes, X Ω Π_l Xᵀ/N with projectors Π_l; their sum is G.
    S : array (L, P, M)
        Of input modes and teacher, X Ω Π_l Bᵀ/N.
    T : array (L, M, M)
        Of the teacher, B Ω Π_l Bᵀ/N.
    strengths : array (P,)
        Mode strengths s.
    xi_out : array (K, P)
        Output modes A.
    readout : array (K,) or (heads, K)
        Second layer v of the student, or its heads.
    teacher_readout : array (M,) or (tasks, M)
        Second layer v* of the teacher, or of each task.

    Raises
    ------
    ShapeError, ParameterError
        If shapes disagree, an entry is not finite, or no covariance of tr Ω = N has these eigenvalues.
    OverlapError
        If the overlaps of an eigenvalue are no covariance, or have a rank above its multiplicity, by more
        than the rounding of a table explains.
    """

    N: int
    eigenvalues: np.ndarray
    multiplicities: np.ndarray
    G: np.ndarray
    S: np.ndarray
    T: np.ndarray
    strengths: np.ndarray
    xi_out: np.ndarray
    readout: np.ndarray
    teacher_readout: np.ndarray

    def __post_init__(self) -> None:
        _, M, P = self._check_factors()
        set_field = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        set_field("N", checks.inputs(self.N))
        values = checks.array("eigenvalues", self.eigenvalues, (None,), symbols="(L,)")
        L = len(values)
        if values[0] <= 0.0 or (np.diff(values) <= 0.0).any():
            raise ParameterError(f"eigenvalues must be above 0 and ascending; got {checks.one_line(values.tolist())}")
        if L > MOST_EIGENVALUES:
            raise ParameterError(f"overlaps are resolved by at most {MOST_EIGENVALUES:,} eigenvalues; got {L:,}")
        set_field("eigenvalues", values)
        set_field("multiplicities", _checked_multiplicities(self.multiplicities, values, self.N))
        symbols = {"G": "(L, P, P)", "S": "(L, P, M)", "T": "(L, M, M)"}
        for name, shape in (("G", (L, P, P)), ("S", (L, P, M)), ("T", (L, M, M))):
            parts = checks.array(name, getattr(self, name), shape, symbols=symbols[name])
            if name != "S":
                parts = np.stack([symmetric(f"{name}[{number}]", part) for number, part in enumerate(parts)])
            set_field(name, parts)
        attained = np.stack([
            _attainable(f"[[G, S], [Sᵀ, T]][{number}] of the eigenvalue {values[number]:.6g}", C, int(count))
            for number, (count, C) in enumerate(zip(self.multiplicities, self.covariances))])
        for name, parts in (("G", attained[:, :P, :P]), ("S", attained[:, :P, P:]), ("T", attained[:, P:, P:])):
            parts = np.ascontiguousarray(parts)
            parts.flags.writeable = False
            set_field(name, parts)

    @classmethod
    def of(cls, weights: Weights, inputs: Inputs) -> "ResolvedOverlaps":
        """Those of vectors.

        Parameters
        ----------
        weights : Weights
            Student and teacher, which sees the inputs.
        inputs : Inputs
            Of a covariance of at most 4,096 different eigenvalues.

        Returns
        -------
        ResolvedOverlaps
            A start that has the law of these vectors in engine chain, and their equations in engine ode.

        Raises
        ------
        ParameterError, ShapeError, EngineError, FileError
            If an argument is none of these, they do not fit together, or the eigenvalues are too many.
        """
        checks.instance("weights", weights, Weights)
        check_inputs(inputs)
        require_seen(inputs)
        inputs.check_teacher(weights.teacher, weights.N)
        N = weights.N
        eigenvalues, multiplicities = inputs.eigenspaces(N)
        if len(eigenvalues) > MOST_EIGENVALUES:
            raise ParameterError(f"too long a spectrum: overlaps are resolved by at most {MOST_EIGENVALUES:,} "
                                 f"eigenvalues; got {len(eigenvalues):,} of {inputs!r}: give the Weights themselves")
        values, vectors = inputs.eigenbasis(N)
        rows = np.concatenate([weights.xi_in, weights.teacher])
        if vectors is not None:
            rows = rows @ vectors
        order = np.argsort(eigenspace_of(values), kind="stable")
        ends = np.cumsum(multiplicities)
        there = np.flatnonzero(eigenvalues)
        shares = np.stack([eigenvalues[number] / N * _products(rows[:, order[ends[number] - multiplicities[number]:
                                                                             ends[number]]]) for number in there])
        P = weights.P
        return cls(N=N, eigenvalues=eigenvalues[there], multiplicities=multiplicities[there], G=shares[:, :P, :P],
                   S=shares[:, :P, P:], T=shares[:, P:, P:], strengths=weights.strengths, xi_out=weights.xi_out,
                   readout=weights.readout, teacher_readout=weights.teacher_readout)

    @property
    def covariances(self) -> NDArray[np.float64]:
        """[[G_l, S_l], [S_lᵀ, T_l]], the covariances of the shares of mode and teacher fields, (L, P+M, P+M)."""
        return np.concatenate([np.concatenate([self.G, self.S], -1),
                               np.concatenate([np.swapaxes(self.S, -1, -2), self.T], -1)], -2)

    @property
    def traces(self) -> NDArray[np.float64]:
        """Share τ_l = ω_l N_l/N of each eigenvalue in tr Ω/N, (L,); their sum is 1."""
        return self.eigenvalues * self.multiplicities / self.N

    def order_parameters(self, inputs: Inputs | None = None) -> OrderParameters:
        """The overlaps themselves, the sums over all eigenvalues.

        Parameters
        ----------
        inputs : Inputs, optional
            If given, :meth:`check_covariance_of` them.

        Returns
        -------
        OrderParameters
            With the same factors.

        Raises
        ------
        ParameterError, EngineError
            If the inputs have other eigenvalues.
        """
        if inputs is not None:
            self.check_covariance_of(inputs)
        return OrderParameters(G=self.G.sum(0), S=self.S.sum(0), T=self.T.sum(0), strengths=self.strengths,
                               xi_out=self.xi_out, readout=self.readout, teacher_readout=self.teacher_readout)

    def check_covariance_of(self, inputs: Inputs) -> None:
        """Raise an error unless these are overlaps by the eigenvalues of the covariance of the inputs.

        Parameters
        ----------
        inputs : Inputs
            Of the problem.

        Raises
        ------
        ParameterError, EngineError
            If they are not.
        """
        check_inputs(inputs)
        require_seen(inputs)
        eigenvalues, multiplicities = inputs.eigenspaces(self.N)
        there = np.flatnonzero(eigenvalues)
        fits = np.array_equal(multiplicities[there], self.multiplicities) and np.allclose(
            eigenvalues[there], self.eigenvalues, rtol=SAME_COVARIANCE, atol=0.0)
        if not fits:
            words = [_words(eigenvalues[there], multiplicities[there]), _words(self.eigenvalues, self.multiplicities)]
            raise ParameterError(f"ResolvedOverlaps must be by the eigenvalues (directions) of {inputs!r} at N = "
                                 f"{self.N:,}, {words[0]}; got {words[1]}: draw them with these inputs")

    def _described(self):
        rows, sizes = super()._described()
        return [("ResolvedOverlaps", f"N = {self.N:,}, {sizes}"),
                ("eigenvalues (directions)", _words(self.eigenvalues, self.multiplicities)), *rows]


def shares_of(overlaps: ResolvedOverlaps) -> Shares:
    """The same for the equations resolved by eigenvalues."""
    return Shares(overlaps.eigenvalues, overlaps.traces, overlaps.G, overlaps.S, overlaps.T, True)


def components_of(overlaps: ResolvedOverlaps) -> Iterator[NDArray[np.float64]]:
    """Components of student and teacher in an orthonormal frame of each eigenspace, teacher first.

    Parameters
    ----------
    overlaps : ResolvedOverlaps

    Yields
    ------
    array (min(M + P, N_l), M + P)
        Upper trapezoidal R with RᵀR = [[T_l, S_lᵀ], [S_l, G_l]]/ω_l, columns of the teacher before those of X.
    """
    order = np.concatenate([np.arange(overlaps.P, overlaps.P + overlaps.M), np.arange(overlaps.P)])
    for eigenvalue, count, C in zip(overlaps.eigenvalues, overlaps.multiplicities, overlaps.covariances):
        dimensions = int(min(count, len(C)))
        factor = factor_of(C[np.ix_(order, order)] / eigenvalue)[:, -dimensions:]
        rows = np.zeros((dimensions, len(C)))
        rows[:factor.shape[1]] = factor.T
        yield np.linalg.qr(rows).R


def require_seen(inputs: Inputs) -> None:
    """Raise ParameterError where the teacher sees something else than the inputs."""
    if not inputs.sees_inputs:
        raise ParameterError(f"overlaps resolved by eigenvalues are of a teacher that sees the inputs; got {inputs!r}: "
                             "start from Weights")


def _words(eigenvalues, multiplicities):
    """The first few eigenvalues and how many directions have each."""
    words = [f"{value:.6g} ({count:,})" for value, count in zip(eigenvalues[:SHOWN], multiplicities)]
    return ", ".join(words + (["..."] if len(eigenvalues) > SHOWN else []))


def _checked_multiplicities(given, values, N):
    """As int64, where they are those of a covariance of tr Ω = N."""
    counts = checks.array("multiplicities", given, values.shape, symbols="(L,)")
    if (counts < 1.0).any() or (counts != np.rint(counts)).any():
        raise ParameterError(f"multiplicities must be whole numbers ≥ 1; got {checks.one_line(counts.tolist())}")
    if counts.sum() > N:
        raise ParameterError(f"multiplicities must have a sum of at most N = {N:,}; got {int(counts.sum()):,}")
    trace = float(values @ counts)
    if abs(trace - N) > SAME_COVARIANCE * N:
        raise ParameterError(f"eigenvalues times multiplicities must have the sum N = {N:,}, since tr Ω = N; got "
                             f"{trace:.10g}")
    result = counts.astype(np.int64)
    result.flags.writeable = False
    return result


def _attainable(name, C, dimensions):
    """C, or the nearest of vectors in so many dimensions where it was rounded."""
    check_covariance(name, C)
    nearest = nearest_covariance(C, dimensions)
    if nearest is None:
        ranks = (rank for rank in range(dimensions + 1, len(C)) if nearest_covariance(C, rank) is not None)
        raise OverlapError(f"the overlaps {name} must have a rank of at most {dimensions}, its multiplicity; got "
                           f"{next(ranks, len(C))}")
    return nearest


def _products(rows):
    """All products of rows by pairwise sums, whose bits do not depend on a number of BLAS threads."""
    out = np.empty((len(rows), len(rows)))
    for i, one in enumerate(rows):
        for j in range(i + 1):
            out[i, j] = out[j, i] = np.sum(one * rows[j])
    return out
