"""Geometry of what a network computes: dimensions of its activity, and subspaces and how far they overlap.

Modes of one layer may be chosen in many ways that give the same W, so everything here depends on W alone,
through orthonormal modes and their strengths (:func:`onlinemode.deep.factors.orthogonal`).  A dense
layer, cut to as many modes, meets the same measures.

Formulas and how they were checked: docs/theory, section 11.3.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onlinemode import checks
from onlinemode.deep.factors import Factors, fields, orthogonal
from onlinemode.display import short_repr
from onlinemode.errors import ParameterError, ShapeError

CLASS_DIRECTIONS = 5


class Geometry(NamedTuple):
    """Measures of one network of L layers (docs/theory, section 11.3).

    Attributes
    ----------
    activity : array (L + 1,)
        Participation ratio of the input, of each hidden activity and of the output.
    latent : array (L,)
        Participation ratio of each layer's field W h before the ReLU.
    matrix : array (L,)
        Participation ratio of the squared singular values of W: how many modes carry it.
    overlap : array (L − 1,)
        Of the spans that successive layers' modes have in the space between them.
    overlap_chance : array (L − 1,)
        Expected of random spans of these dimensions.
    alignment, alignment_chance : array (L − 1,)
        The same with every mode weighted by its squared strength.
    classes, classes_chance : array (L + 1,)
        Overlap of the classes' subspaces, as :func:`class_overlap`, where activity is; NaN where a class has too few
        samples or a layer too few units.
    """

    activity: np.ndarray
    latent: np.ndarray
    matrix: np.ndarray
    overlap: np.ndarray
    overlap_chance: np.ndarray
    alignment: np.ndarray
    alignment_chance: np.ndarray
    classes: np.ndarray
    classes_chance: np.ndarray

    def __repr__(self) -> str:
        return short_repr(self)


def participation_dimension(samples: ArrayLike) -> float:
    """Participation dimension D = (tr C)² / tr C² of the covariance C of samples: n for n equal variances.

    docs/theory, section 11.3.

    Parameters
    ----------
    samples : array (samples, N)
        Far more samples than N: of few, D is too small, by the factor 1/(1 + D/samples) to first order.

    Returns
    -------
    float
        Between 1 and N; NaN where nothing varies.

    Raises
    ------
    ShapeError, ParameterError
        If these are no such samples of finite numbers.
    """
    samples = checks.array("samples", samples)
    if samples.ndim != 2 or len(samples) < 2:
        raise ShapeError(f"samples must have shape (samples, N) with at least two samples; got {samples.shape}")
    centred = samples - samples.mean(0)
    C = centred.T @ centred
    return _participation(np.trace(C), (C * C).sum())


def _participation(total, squares):
    return float(total**2 / squares) if squares > 0.0 else float("nan")


def matrix_dimension(factors: Factors) -> float:
    """Participation dimension (Σ σ²)² / Σ σ⁴ of the singular values σ of W, from the factors alone.

    docs/theory, section 11.3.

    Parameters
    ----------
    factors : Factors
        Of one layer.

    Returns
    -------
    float
        Between 1 and the rank of W; NaN for W = 0.
    """
    energy = orthogonal(factors).strengths ** 2
    return _participation(energy.sum(), (energy**2).sum())


def principal_angles(A: ArrayLike, B: ArrayLike) -> NDArray[np.float64]:
    """Angles between the spans of the columns of A and of B, ascending, in radians.

    Cosines are the singular values of Q_Aᵀ Q_B (Björck and Golub, Math. Comp. 27, 579 (1973)); below 45° the
    sine is used, so that small angles keep their digits.

    Parameters
    ----------
    A, B : array (N, p) and (N, q)
        Of full column rank.

    Returns
    -------
    array (min(p, q),)
        Between 0 and π/2.

    Raises
    ------
    ShapeError, ParameterError
        If these are no columns of one space, or an entry is not finite.
    """
    A, B = (checks.array(name, each) for name, each in (("A", A), ("B", B)))
    if A.ndim != 2 or B.ndim != 2 or len(A) != len(B):
        raise ShapeError(f"subspaces must be columns (N, p) and (N, q) of one space; got {A.shape} and {B.shape}")
    Q_A, Q_B = np.linalg.qr(A)[0], np.linalg.qr(B)[0]
    if Q_A.shape[1] < Q_B.shape[1]:
        Q_A, Q_B = Q_B, Q_A
    product = Q_A.T @ Q_B
    cosines = np.linalg.svd(product, compute_uv=False)
    sines = np.linalg.svd(Q_B - Q_A @ product, compute_uv=False)[::-1]
    return np.where(cosines**2 > 0.5, np.arcsin(np.clip(sines, 0.0, 1.0)), np.arccos(np.clip(cosines, 0.0, 1.0)))


def subspace_overlap(A: ArrayLike, B: ArrayLike) -> float:
    """Mean squared cosine of the principal angles: 1 where one span lies in the other, 0 where they are orthogonal.

    Random spans of dimensions p and q in N dimensions have the mean max(p, q)/N.  docs/theory, section 11.3.

    Parameters
    ----------
    A, B : array (N, p) and (N, q)
        Of full column rank.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ShapeError, ParameterError
        As :func:`principal_angles`.
    """
    return float(np.mean(np.cos(principal_angles(A, B)) ** 2))


def alignment(before: Factors, after: Factors) -> tuple[float, float]:
    """Overlap of what a layer writes with what the next one reads, every direction by its weight.

    A = tr(C_out C_in) / √(tr C_out² tr C_in²), with C_out = W_l W_lᵀ and C_in = W_{l+1}ᵀ W_{l+1} in the space between
    them: 1 where both have the same directions and weights, 0 where they are orthogonal.  Random directions with the
    same weights have the mean tr C_out tr C_in / N / √(tr C_out² tr C_in²).  docs/theory, section 11.3.

    Parameters
    ----------
    before, after : Factors
        Of two successive layers.

    Returns
    -------
    value : float
        NaN where one of the two layers is 0.
    chance : float
        Expected of random directions with the same weights.

    Raises
    ------
    ShapeError
        If the layers are not successive.
    """
    before, after = orthogonal(before), orthogonal(after)
    if before.xi_out.shape[0] != after.xi_in.shape[1]:
        raise ShapeError(f"the layers must be successive; got {before.xi_out.shape[0]} outputs before "
                         f"{after.xi_in.shape[1]} inputs")
    written, read = before.strengths**2, after.strengths**2
    cosines = (after.xi_in @ before.xi_out) ** 2
    size = np.sqrt((written**2).sum() * (read**2).sum())
    if size == 0.0:
        return float("nan"), float("nan")
    return float(read @ cosines @ written / size), float(written.sum() * read.sum() / before.xi_out.shape[0] / size)


def class_overlap(samples: ArrayLike, labels: ArrayLike, directions: int = CLASS_DIRECTIONS) -> tuple[float, float]:
    """How entangled classes are: overlap of their leading subspaces, mean over all pairs of classes.

    The subspace of a class is spanned by the leading ``directions`` principal components of its own samples
    about their own mean, so that it is the class's variation that counts and not its place.  Overlap as in
    :func:`subspace_overlap`: 0 for classes that vary in orthogonal directions, 1 where all vary in the same.
    docs/theory, section 11.3.

    Parameters
    ----------
    samples : array (samples, N)
        Inputs, or activities of one layer.
    labels : array (samples,)
        Class numbers.
    directions : int, default 5
        Of each class.

    Returns
    -------
    value : float
        NaN where N < directions, where a class has no more samples than that, or where a class varies in fewer
        directions.
    chance : float
        The mean of random subspaces, directions/N; NaN where the value is.

    Raises
    ------
    ShapeError, ParameterError
        If samples and labels do not fit, or there are fewer than two classes.
    """
    samples, labels = checks.array("samples", samples), checks.real("labels", labels)
    if samples.ndim != 2 or labels.shape != samples.shape[:1]:
        raise ShapeError(f"samples and labels must have shapes (samples, N) and (samples,); got {samples.shape} and "
                         f"{labels.shape}")
    directions = checks.integer("directions", directions, 1)
    names = np.unique(labels)
    if len(names) < 2:
        raise ParameterError(f"the overlap of classes needs at least two; got {len(names)}")
    bases, nothing = [], (float("nan"), float("nan"))
    for name in names:
        own = samples[labels == name]
        if len(own) <= directions or samples.shape[1] < directions:
            return nothing
        centred = own - own.mean(0)
        values, vectors = np.linalg.eigh(centred.T @ centred)
        if values[-directions] <= 1e-12 * values[-1] or values[-1] <= 0.0:
            return nothing
        bases.append(vectors[:, -directions:])
    squares = _squared_cosines(np.array(bases))
    upper = np.triu_indices(len(names), 1)
    return float(squares[upper].mean() / directions), directions / samples.shape[1]


def measure(layers: Sequence[Factors], x: ArrayLike, labels: ArrayLike | None = None, modes: int | None = None,
            directions: int = CLASS_DIRECTIONS) -> Geometry:
    """All measures of one network.

    Parameters
    ----------
    layers : list of Factors
        Of a dense network: its decomposition cut to the modes of the network that it is compared with.
    x : array (samples, N_in)
        Inputs.
    labels : array (samples,), optional
        Class numbers; without them ``classes`` is NaN.
    modes : int, optional
        Spans and alignment use that many leading modes of each layer, by singular value.  All by default.
    directions : int, default 5
        Of each class.

    Returns
    -------
    Geometry
        By layer.

    Raises
    ------
    ShapeError, ParameterError
        If layers, samples and labels do not fit, or an argument is out of range.
    """
    z = fields(layers, x)
    activities = [checks.array("x", x), *(np.maximum(each, 0.0) for each in z[:-1]), z[-1]]
    spans = [orthogonal(factors) for factors in layers]
    if modes is not None:
        modes = checks.integer("modes", modes, 1)
        spans = [type(span)(span.xi_in[:modes], span.strengths[:modes], span.xi_out[:, :modes]) for span in spans]
    overlaps, chances = [], []
    aligned: Any = []
    for before, after in zip(spans, spans[1:]):
        A, B = _spanned(before).xi_out, _spanned(after).xi_in.T
        empty = min(A.shape[1], B.shape[1]) == 0
        overlaps.append(np.nan if empty else subspace_overlap(A, B))
        chances.append(np.nan if empty else max(A.shape[1], B.shape[1]) / len(A))
        aligned.append(alignment(before, after))
    if labels is None:
        classes = np.full((len(activities), 2), np.nan)
    else:
        classes = np.array([class_overlap(each, labels, directions) for each in activities])
    aligned = np.array(aligned).reshape(-1, 2)
    return Geometry(np.array([participation_dimension(each) for each in activities]),
                    np.array([participation_dimension(each) for each in z]),
                    np.array([matrix_dimension(factors) for factors in layers]),
                    np.array(overlaps), np.array(chances), aligned[:, 0], aligned[:, 1], classes[:, 0], classes[:, 1])


def _spanned(span):
    """Without the modes of strength 0, which are not in W."""
    kept = span.strengths > 1e-10 * span.strengths.max(initial=0.0)
    return type(span)(span.xi_in[kept], span.strengths[kept], span.xi_out[:, kept])


def _squared_cosines(bases):
    """‖Q_aᵀ Q_b‖² of all pairs of orthonormal bases (classes, N, k), (classes, classes)."""
    classes, N, k = bases.shape
    flat = np.moveaxis(bases, 0, 1).reshape(N, classes * k)
    return ((flat.T @ flat) ** 2).reshape(classes, k, classes, k).sum((1, 3))
