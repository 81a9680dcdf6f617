"""What is read off the order parameters: specialization, margins, residuals, plateaus.

Arrays in, arrays out; leading axes (replicas, times) are kept.  docs/theory.md, section 6.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

START = 0.1  # a run has left its start once ε_g has fallen by this share
FEW_ASSIGNMENTS = 24  # up to so many are all tried, beyond them the Hungarian method is faster
PARALLEL_TEACHER = 1e-6  # below this, 1 − mean |ρ^T| counts as zero and is replaced by 1


def normalized_overlaps(Q, R, T):
    """ρ_km = R_km / √(Q_kk T_mm), the cosine between student unit k and teacher unit m.

    Parameters
    ----------
    Q : array (..., K, K)
    R : array (..., K, M)
    T : array (M, M) or (..., M, M)

    Returns
    -------
    array (..., K, M)
        0 where Q_kk or T_mm vanishes, NaN where an overlap is NaN.
    """
    lengths = np.sqrt(np.maximum(np.diagonal(Q, axis1=-2, axis2=-1), 0.0)[..., :, None]
                      * np.maximum(np.diagonal(T, axis1=-2, axis2=-1), 0.0)[..., None, :])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(lengths == 0.0, 0.0, R / lengths)


def match_units(rho, signed=True):
    """The assignment of student units to teacher units with the largest total ρ.

    Parameters
    ----------
    rho : array (..., K, M)
        Normalized overlaps.
    signed : bool, default True
        False matches |ρ|: right where the signs of the readout are trained.

    Returns
    -------
    int array (..., K)
        Teacher unit π(k) of each student unit; −1 for units without a partner (K > M) and where ρ
        is not finite.
    """
    rho = np.asarray(rho, dtype=float)
    gain = rho if signed else np.abs(rho)
    K, M = rho.shape[-2:]
    if math.perm(max(K, M), min(K, M)) <= FEW_ASSIGNMENTS:
        return _best_of_all(gain)
    from scipy.optimize import linear_sum_assignment

    out = np.full(rho.shape[:-1], -1)
    for index in np.ndindex(rho.shape[:-2]):
        if np.all(np.isfinite(gain[index])):
            rows, columns = linear_sum_assignment(-gain[index])
            out[index][rows] = columns
    return out


def _best_of_all(gain):
    """The best assignment by trying each one on all matrices at once: fast for long paths of a few units."""
    K, M = gain.shape[-2:]
    best = np.full(gain.shape[:-2], -np.inf)
    out = np.full(gain.shape[:-1], -1)
    for chosen in itertools.permutations(range(max(K, M)), min(K, M)):
        rows, columns = (range(K), chosen) if K <= M else (chosen, range(M))
        with np.errstate(invalid="ignore"):
            total = sum(gain[..., k, m] for k, m in zip(rows, columns))
        better = total > best
        best = np.where(better, total, best)
        partners = np.full(K, -1)
        partners[list(rows)] = columns
        out[better] = partners
    out[~np.isfinite(gain).all((-2, -1))] = -1
    return out


def _matched_mask(matching, M):
    return matching[..., :, None] == np.arange(M)


def specialization(Q, R, T, signed=True):
    """How far each student unit has chosen one teacher unit: 0 unspecialized, 1 a perfect student.

    (mean matched ρ − mean unmatched |ρ|) / (1 − mean_{m≠m'} |ρ^T_mm'|), not clipped.

    Parameters
    ----------
    Q : array (..., K, K)
    R : array (..., K, M)
    T : array (M, M)
    signed : bool, default True
        See :func:`match_units`; False also takes |ρ| of the matched pairs.

    Returns
    -------
    array (...)
        It can exceed 1 a little when K ≠ M; NaN where an overlap is NaN.
    """
    rho = normalized_overlaps(Q, R, T)
    M = rho.shape[-1]
    matched = _matched_mask(match_units(rho, signed), M)
    pairs = min(rho.shape[-2:])
    others = rho.shape[-2] * M - pairs
    value = np.where(matched, rho if signed else np.abs(rho), 0.0).sum((-2, -1)) / pairs
    if others:
        value = value - np.where(matched, 0.0, np.abs(rho)).sum((-2, -1)) / others
    if M > 1:
        between = np.abs(normalized_overlaps(T, T, T))
        room = 1.0 - (between.sum() - np.trace(between)) / (M * (M - 1))
        value = value / (room if room >= PARALLEL_TEACHER else 1.0)
    return np.where(np.isfinite(rho).all((-2, -1)), value, np.nan)


def unit_margins(Q, R, T, signed=True):
    """Margin of each student unit: its matched ρ minus the largest other |ρ| of that unit.

    Returns
    -------
    array (..., K)
        NaN for units without a partner; with M = 1 there is no other unit and the margin is ρ.
    """
    rho = normalized_overlaps(Q, R, T)
    matched = _matched_mask(match_units(rho, signed), rho.shape[-1])
    own = np.where(matched, rho if signed else np.abs(rho), 0.0).sum(-1)
    other = np.where(matched, 0.0, np.abs(rho)).max(-1)
    return np.where(matched.any(-1), own - other, np.nan)


def mode_residuals(G, S, T, strengths, xi_out):
    """r_p = |X_p − X*_p|² / |X*_p|², for a student that shares A and s with its teacher.

    Parameters
    ----------
    G : array (..., P, P)
    S : array (..., P, M)
    T : array (M, M)
    strengths : array (P,)
    xi_out : array (K, P)

    Returns
    -------
    array (..., P) or None
        None where the teacher's modes cannot be read off: rank(A diag(s)) < P, K ≠ M, or a teacher
        that is not of the form A diag(s) X*.  Whether A and s stay fixed is the caller's to know.
    """
    scaled = xi_out * strengths
    K, P = scaled.shape
    if T.shape[0] != K or np.linalg.matrix_rank(scaled) < P:
        return None
    inverse = np.linalg.pinv(scaled)
    T_mode = inverse @ T @ inverse.T
    if np.abs(scaled @ T_mode @ scaled.T - T).max() > 1e-8 * np.abs(T).max():
        return None
    S_mode = S @ inverse.T
    own = np.diagonal(G, axis1=-2, axis2=-1)
    mixed = np.diagonal(S_mode, axis1=-2, axis2=-1)
    teacher = np.diagonal(T_mode)
    if np.any(teacher <= 1e-10 * teacher.max()):  # 0 up to rounding
        return None
    return (own - 2.0 * mixed + teacher) / teacher


class Plateau(NamedTuple):
    """An interval of α on which the generalization error hardly falls."""

    start: float
    stop: float
    level: float  # geometric mean of ε_g on the plateau


def _on_log_grid(alpha, values, logarithm):
    """``values`` (or their logarithm) on a uniform grid of ln α: grid, curve; None if too short."""
    alpha, values = np.asarray(alpha, dtype=float), np.asarray(values, dtype=float)
    use = (alpha > 0.0) & np.isfinite(values)
    if logarithm:
        use &= values > 0.0
    alpha, first = np.unique(alpha[use], return_index=True)
    if alpha.size < 8:
        return None
    values = values[use][first]
    x = np.log(alpha)
    grid = np.linspace(x[0], x[-1], int(np.clip(4 * alpha.size, 64, 2000)))
    return grid, np.interp(grid, x, np.log(values) if logarithm else values)


def _smooth(curve, width):
    """Running mean over ``width`` points (odd), with the ends repeated."""
    if width <= 1:
        return curve
    padded = np.pad(curve, width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1.0 / width), mode="valid")


def find_plateaus(alpha, error, slope=0.1, decades=0.3, smoothing=0.0):
    """Plateaus of ε_g: maximal intervals with |d ln ε_g / d ln α| < slope.

    A plateau spans at least ``decades`` decades of α and ends in a fall; a final noise floor is
    none.  An interval that touches the first sample, or on which ε_g has not yet fallen by
    ``START`` of its first value, is the start of the run, not a plateau.

    Parameters
    ----------
    alpha, error : array (n,)
        Times and generalization errors of one run; α = 0 and vanishing errors are left out.
    slope : float, default 0.1
        0.3 suits the paper's own setting, whose plateaus are tilted.
    decades : float, default 0.3
    smoothing : float, default 0
        Width, in decades of α, of a running mean over ln ε_g: use about 0.3 for noisy curves.

    Returns
    -------
    list of Plateau
    """
    prepared = _on_log_grid(alpha, error, logarithm=True)
    if prepared is None:
        return []
    grid, curve = prepared
    step = grid[1] - grid[0]
    width = int(round(smoothing * np.log(10.0) / step)) | 1
    curve = _smooth(curve, width if smoothing > 0.0 else 1)
    steepness = np.gradient(curve, step)
    flat = np.abs(steepness) < slope
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flat, [False])).astype(int)))
    found = []
    for begin, end in zip(edges[::2], edges[1::2]):
        last = end - 1
        long_enough = grid[last] - grid[begin] >= decades * np.log(10.0)
        ends_in_fall = end < grid.size and steepness[end] < 0.0
        level = curve[begin:end].mean()
        has_fallen = begin > 0 and level < curve[0] + np.log(1.0 - START)
        if has_fallen and long_enough and ends_in_fall:
            found.append(Plateau(float(np.exp(grid[begin])), float(np.exp(grid[last])),
                                 float(np.exp(level))))
    return found


def specialization_steps(alpha, values, smoothing=0.1, height=0.1):
    """The times at which the specialization rises fastest: local maxima of d(specialization)/d ln α.

    Parameters
    ----------
    alpha, values : array (n,)
        Times and specialization of one run.
    smoothing : float, default 0.1
        Width of the running mean in decades of α.
    height : float, default 0.1
        Least d(specialization)/d ln α of a step.

    Returns
    -------
    array of floats
        The α of each step, ascending.
    """
    from scipy.signal import find_peaks

    prepared = _on_log_grid(alpha, values, logarithm=False)
    if prepared is None:
        return np.array([])
    grid, curve = prepared
    step = grid[1] - grid[0]
    width = int(round(smoothing * np.log(10.0) / step)) | 1
    rate = _smooth(np.gradient(_smooth(curve, width), step), width)
    peaks, _ = find_peaks(rate, height=height, prominence=0.2 * max(rate.max(), height))
    return np.exp(grid[peaks])


def overlap_deviation(Q, R, Q_theory, R_theory):
    """Root mean square difference of the entries of (Q, R), along a run.

    Parameters
    ----------
    Q : array (..., K, K)
    R : array (..., K, M)
    Q_theory, R_theory : arrays of the same (or a broadcastable) shape

    Returns
    -------
    array (...)
        It falls as N^(−1/2) against the mean-field equations (docs/theory.md, section 6.5).
    """
    squares = ((Q - Q_theory) ** 2).sum((-2, -1)) + ((R - R_theory) ** 2).sum((-2, -1))
    return np.sqrt(squares / (Q.shape[-1] * Q.shape[-2] + R.shape[-1] * R.shape[-2]))
