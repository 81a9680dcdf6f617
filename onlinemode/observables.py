"""What is read off the order parameters: specialization, margins, residuals, plateaus.

Arrays in, arrays out; leading axes (replicas, times) are kept.  docs/theory, section 6.
"""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onlinemode import checks
from onlinemode.errors import ShapeError
from onlinemode.peaks import peaks

MOST_DECADES = 100.0  # of a running mean
FEW_ASSIGNMENTS = 24  # up to so many are all tried, beyond them the Hungarian method is faster
MATRICES_AT_ONCE = 4096
PARALLEL_TEACHER = 1e-6  # below this, 1 − mean |ρ^T| counts as zero and is replaced by 1


def normalized_overlaps(Q: ArrayLike, R: ArrayLike, T: ArrayLike) -> NDArray[np.float64]:
    """Normalized overlaps ρ_km = R_km / √(Q_kk T_mm), the cosine between student unit k and teacher unit m.

    docs/theory, section 6.2.

    Parameters
    ----------
    Q : array (..., K, K)
        Overlaps of the student's units.
    R : array (..., K, M)
        Overlaps of student and teacher units.
    T : array (M, M) or (..., M, M)
        Overlaps of the teacher's units.

    Returns
    -------
    array (..., K, M)
        0 where Q_kk or T_mm vanishes, NaN where an overlap is NaN.

    Raises
    ------
    ShapeError, ParameterError
        If an array is none of real numbers or of another shape, or an option is out of range.
    """
    Q, R, T = _overlaps(Q, R, T)
    lengths = np.sqrt(np.maximum(np.diagonal(Q, axis1=-2, axis2=-1), 0.0)[..., :, None]
                      * np.maximum(np.diagonal(T, axis1=-2, axis2=-1), 0.0)[..., None, :])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.where(lengths == 0.0, 0.0, R / lengths)


def _overlaps(Q: ArrayLike, R: ArrayLike, T: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Q (..., K, K), R (..., K, M) and T (..., M, M) as arrays whose leading axes go together."""
    R = checks.matrices("R", R, symbols="(..., K, M)")
    K, M = R.shape[-2:]
    Q, T = checks.matrices("Q", Q, K, K, "(..., K, K)"), checks.matrices("T", T, M, M, "(..., M, M)")
    checks.leading_axes(Q=Q, R=R, T=T)
    return Q, R, T


def _curves(alpha: ArrayLike, values: ArrayLike, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Times and values along one run, (n,) each."""
    alpha, values = checks.real("alpha", alpha), checks.real(name, values)
    if alpha.ndim != 1 or values.shape != alpha.shape:
        raise ShapeError(f"alpha and {name} must have one shape (n,); got {alpha.shape} and {values.shape}")
    return alpha, values


def match_units(rho: ArrayLike, signed: bool = True) -> NDArray[np.intp]:
    """The assignment of student units to teacher units with the largest total ρ.

    Parameters
    ----------
    rho : array (..., K, M)
        Normalized overlaps.
    signed : bool, default True
        False matches |ρ|: right where the signs of the readout are trained (docs/theory, section 6.2).

    Returns
    -------
    int array (..., K)
        Teacher unit π(k) of each student unit; −1 for units without a partner (K > M) and where ρ
        is not finite.

    Raises
    ------
    ShapeError, ParameterError
        If an array is none of real numbers or of another shape, or an option is out of range.
    """
    rho, signed = checks.matrices("rho", rho, symbols="(..., K, M)"), checks.flag("signed", signed)
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
    chosen = np.array(list(itertools.permutations(range(max(K, M)), min(K, M))))
    fewer = np.arange(min(K, M))[None]
    rows, columns = (fewer, chosen) if K <= M else (chosen, fewer)
    partners = np.full((len(chosen), K), -1)
    np.put_along_axis(partners, np.broadcast_to(rows, chosen.shape), columns, 1)
    flat = gain.reshape(-1, K, M)
    out = np.empty((len(flat), K), int)
    for first in range(0, len(flat), MATRICES_AT_ONCE):
        part = flat[first:first + MATRICES_AT_ONCE]
        with np.errstate(invalid="ignore"):
            out[first:first + MATRICES_AT_ONCE] = partners[part[:, rows, columns].sum(-1).argmax(-1)]
    out[~np.isfinite(flat).all((-2, -1))] = -1
    return out.reshape(gain.shape[:-1])


def _matched_mask(matching, M):
    return matching[..., :, None] == np.arange(M)


def specialization(Q: ArrayLike, R: ArrayLike, T: ArrayLike, signed: bool = True) -> NDArray[np.float64]:
    """How far each student unit has chosen one teacher unit: 0 unspecialized, 1 a perfect student.

    For K = M (mean matched ρ − mean unmatched |ρ|) / (1 − mean_{m≠m'} |ρ^T_mm'|), not clipped.  For
    K ≠ M the largest mean over min(K, M) pairs of (ρ_km − mean_{m'≠m} |ρ_km'|) / (1 − mean_{m'≠m} |ρ^T_mm'|):
    each teacher unit with the student unit that has chosen it most, or each student unit with its teacher unit.
    docs/theory, section 6.2.

    Parameters
    ----------
    Q : array (..., K, K)
        Overlaps of the student's units.
    R : array (..., K, M)
        Overlaps of student and teacher units.
    T : array (M, M) or (..., M, M)
        Overlaps of the teacher's units.
    signed : bool, default True
        See :func:`match_units`; False also takes |ρ| of the matched pairs.

    Returns
    -------
    array (...)
        NaN where an overlap is NaN.

    Raises
    ------
    ShapeError, ParameterError
        If an array is none of real numbers or of another shape, or an option is out of range.
    """
    rho, signed = normalized_overlaps(Q, R, T), checks.flag("signed", signed)
    K, M = rho.shape[-2:]
    between = np.abs(normalized_overlaps(T, T, T)) * (1.0 - np.eye(M))
    value = _specialization_of_pairs(rho, between, signed) if K == M else _chosen_most(rho, between, signed)
    return np.where(np.isfinite(rho).all((-2, -1)), value, np.nan)


def _specialization_of_pairs(rho, between, signed):
    """Specialization of as many student as teacher units, all of them matched."""
    M = rho.shape[-1]
    matched = _matched_mask(match_units(rho, signed), M)
    value = np.where(matched, rho if signed else np.abs(rho), 0.0).sum((-2, -1)) / M
    if M > 1:
        value = value - np.where(matched, 0.0, np.abs(rho)).sum((-2, -1)) / (M * (M - 1))
        value = value / _room(between.sum((-2, -1)) / (M * (M - 1)))
    return value


def _chosen_most(rho, between, signed):
    """Specialization of more or fewer student units, over the pairs that make it largest."""
    K, M = rho.shape[-2:]
    size = np.abs(rho)
    choice = rho if signed else size
    if M > 1:
        others = (size.sum(-1, keepdims=True) - size) / (M - 1)
        choice = (choice - others) / _room(between.sum(-2) / (M - 1))[..., None, :]
    matched = _matched_mask(match_units(choice), M)
    return np.where(matched, choice, 0.0).sum((-2, -1)) / min(K, M)


def _room(overlap):
    """1 − mean |ρ^T|, what a specialized unit can have over the others; 1 for parallel teacher units."""
    return np.where(1.0 - overlap >= PARALLEL_TEACHER, 1.0 - overlap, 1.0)


def unit_margins(Q: ArrayLike, R: ArrayLike, T: ArrayLike, signed: bool = True) -> NDArray[np.float64]:
    """Margin of each student unit: its matched ρ minus the largest other |ρ| of that unit.

    docs/theory, section 6.2.

    Parameters
    ----------
    Q : array (..., K, K)
        Overlaps of the student's units.
    R : array (..., K, M)
        Overlaps of student and teacher units.
    T : array (M, M) or (..., M, M)
        Overlaps of the teacher's units.
    signed : bool, default True
        See :func:`match_units`; False also takes |ρ| of the matched pair.

    Returns
    -------
    array (..., K)
        NaN for units without a partner; with M = 1 there is no other unit and the margin is ρ.

    Raises
    ------
    ShapeError, ParameterError
        If an array is none of real numbers or of another shape, or an option is out of range.
    """
    rho, signed = normalized_overlaps(Q, R, T), checks.flag("signed", signed)
    matched = _matched_mask(match_units(rho, signed), rho.shape[-1])
    own = np.where(matched, rho if signed else np.abs(rho), 0.0).sum(-1)
    other = np.where(matched, 0.0, np.abs(rho)).max(-1)
    return np.where(matched.any(-1), own - other, np.nan)


def mode_residuals(G: ArrayLike, S: ArrayLike, T: ArrayLike, strengths: ArrayLike, xi_out: ArrayLike,
                   readout: ArrayLike | None = None, teacher_readout: ArrayLike | None = None,
                   odd: bool = False) -> NDArray[np.float64] | None:
    """Mode residuals r_p = |X_p − X*_p|² / |X*_p|², for a student that shares A and s with its teacher.

    X* are the modes of the teacher with its units renumbered, which is the same function, such that
    they come closest to the student's units at the last time; with the teacher's own numbers where no
    other modes give the renumbered units.  docs/theory, section 6.3.

    Parameters
    ----------
    G : array (..., P, P)
        Overlaps of the input modes.  The last of the leading axes is time; without leading axes there is one time.
    S : array (..., P, M)
        Overlaps of input modes and teacher units.
    T : array (M, M)
        Overlaps of the teacher's units.
    strengths : array (P,)
        Of the modes.
    xi_out : array (K, P)
        Output modes.
    readout : array (..., K), optional
        Fixed second layer of the student, without an axis of times.  A student unit can take the place of
        a teacher unit with the same readout, and of any one where this is left out.
    teacher_readout : array (M,), optional
        Second layer of the teacher, where that of the student is given.
    odd : bool, default False
        Whether the activation is odd, so that a unit may also change its sign together with its readout.

    Returns
    -------
    array (..., P) or None
        None where the teacher's modes cannot be read off: rank(A diag(s)) < P, K ≠ M, a teacher that is
        not of the form A diag(s) X*, or readouts with which the student cannot become the teacher.
        Whether A and s stay fixed is the caller's to know.

    Raises
    ------
    ShapeError, ParameterError
        If an array is none of real numbers or of another shape, or an option is out of range.
    """
    xi_out = checks.array("xi_out", xi_out, (None, None), symbols="(K, P)")
    K, P = xi_out.shape
    scaled = xi_out * checks.array("strengths", strengths, (P,), symbols="(P,)")
    T = checks.real("T", T)
    if T.ndim != 2 or T.shape[0] != T.shape[1]:
        raise ShapeError(f"T must have shape (M, M); got {T.shape}")
    G, S = checks.matrices("G", G, P, P, "(..., P, P)"), checks.matrices("S", S, P, len(T), "(..., P, M)")
    checks.leading_axes(G=G, S=S)
    odd = checks.flag("odd", odd)
    if readout is not None:
        readout = _readouts(readout, K, S.shape[:-3])
        teacher_readout = checks.array("teacher_readout", teacher_readout, (len(T),), symbols="(M,)")
    if T.shape[0] != K or np.linalg.matrix_rank(scaled) < P:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        inverse = np.linalg.pinv(scaled)
    if not np.isfinite(inverse).all() or not _made_of(scaled, inverse, T):
        return None
    ends = _last_finite(S if S.ndim > 2 else S[None])
    same, opposite = _exchangeable(readout, teacher_readout, odd, ends.shape[:-2] + (K, K))
    renumbered = _closest_numbering(scaled @ ends, same, opposite)
    as_it_is = np.where(np.diagonal(same, axis1=-2, axis2=-1).all(-1), 1.0, np.nan)[..., None, None] * np.eye(K)
    kept = _made_of(scaled, inverse, renumbered @ T @ np.swapaxes(renumbered, -1, -2))
    renumbered = np.where(kept[..., None, None], renumbered, as_it_is)
    T_mode = inverse @ renumbered @ T @ np.swapaxes(renumbered, -1, -2) @ inverse.T
    teacher = np.diagonal(T_mode, axis1=-2, axis2=-1)
    if not np.all(teacher > 1e-10 * teacher.max()):  # 0 up to rounding, or NaN
        return None
    if S.ndim > 2:  # the same at all times
        renumbered, teacher = renumbered[..., None, :, :], teacher[..., None, :]
    own = np.diagonal(G, axis1=-2, axis2=-1)
    mixed = np.diagonal(S @ np.swapaxes(renumbered, -1, -2) @ inverse.T, axis1=-2, axis2=-1)
    return (own - 2.0 * mixed + teacher) / teacher


def _readouts(values: ArrayLike, K: int, lead: tuple[int, ...]) -> np.ndarray:
    """Second layers (..., K) of students with these leading axes."""
    values = checks.real("readout", values)
    if values.ndim == 0 or values.shape[-1] != K or values.shape[:-1] not in ((), lead):
        raise ShapeError(f"readout must have shape (..., K) = {(*lead, K)}, without an axis of times; got "
                         f"{values.shape}")
    return values


def _made_of(scaled, inverse, T):
    """Whether teacher units with the overlaps T are of the form A diag(s) X*; False where T is not finite."""
    span = scaled @ inverse
    return np.abs(span @ T @ span.T - T).max((-2, -1)) <= 1e-8 * np.abs(T).max((-2, -1))


def _last_finite(values):
    """The matrices (..., n, K, M) at the last finite of their n times, at the first one where none is."""
    finite = np.isfinite(values).all((-2, -1))
    last = finite.shape[-1] - 1 - finite[..., ::-1].argmax(-1)
    last = np.where(finite.any(-1), last, 0)
    return np.take_along_axis(values, last[..., None, None, None], axis=-3)[..., 0, :, :]


def _exchangeable(readout, teacher_readout, odd, shape):
    """Whether a student unit can take the place of a teacher unit as it is, and with the opposite sign."""
    if readout is None:
        return np.full(shape, True), np.full(shape, odd)
    v, v_star = np.asarray(readout)[..., :, None], np.asarray(teacher_readout)
    same, opposite = _equal(v, v_star), odd & _equal(v, -v_star)
    return np.broadcast_to(same, shape), np.broadcast_to(opposite, shape)


def _equal(one, other):
    return np.isclose(one, other, rtol=1e-9, atol=0.0)


def _closest_numbering(R, same, opposite):
    """Signed permutations U (..., K, K) with the least Σ_k |W_k − (U B)_k|² that the readouts allow; NaN for none."""
    gain = np.maximum(np.where(same, R, -np.inf), np.where(opposite, -R, -np.inf))
    allowed = same | opposite
    lowest = -3.0 * R.shape[-1] * np.abs(R).max((-2, -1), keepdims=True) - 1.0  # no sum of allowed gains is as low
    matched = _matched_mask(match_units(np.where(allowed, gain, lowest)), R.shape[-1])
    U = np.where(matched, np.where(same & ((R >= 0.0) | ~opposite), 1.0, -1.0), 0.0)
    possible = (matched & allowed).any(-1).all(-1)
    return np.where(possible[..., None, None], U, np.nan)


class Plateau(NamedTuple):
    """A slow stretch between two falls of the generalization error, docs/theory, section 6.4.

    Attributes
    ----------
    start, stop : float
        Times α at which it begins and ends.
    level : float
        Geometric mean of ε_g on the plateau.
    slowest : float
        The α at which ε_g falls slowest.
    prominence : float
        How much the plateau stands out, in units of ln ε_g.
    """

    start: float
    stop: float
    level: float
    slowest: float
    prominence: float


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


def _width(decades, grid):
    """Points of a running mean over so many decades of α; a few times the curve at most, as its ends are repeated."""
    return int(min(round(decades * np.log(10.0) / (grid[1] - grid[0])), 4 * grid.size))


def _smooth(curve, width):
    """Running mean over ``width`` points (odd), with the ends repeated."""
    if width <= 1:
        return curve
    padded = np.pad(curve, width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1.0 / width), mode="valid")


def find_plateaus(alpha: ArrayLike, error: ArrayLike, slope: float = 0.3, prominence: float = 0.1,
                  smoothing: float = 0.0, floor: float = 0.0) -> list[Plateau]:
    """Plateaus of ε_g: where it falls slowest, ln ε_g against ln α, between two falls.

    The steepness −d ln ε_g / d ln α has a local minimum there, and depth is how far the lower of the two
    falls beside it is steeper.  Each time has the weight 1 − 2 (steepness − minimum)/depth, not below 0;
    the plateau has the length and the centre of this weight.  The start of a run and a final noise
    floor have a fall on one side only and are none.  docs/theory, section 6.4.

    Parameters
    ----------
    alpha, error : array (n,)
        Times and generalization errors of one run; α = 0 and vanishing errors are left out.
    slope : float, default 0.3
        Least −d ln ε_g / d ln α above which a slow stretch is no plateau.
    prominence : float, default 0.1
        Least of three changes of ln ε_g: how much it falls before the plateau, how much after it, and how
        much further it would have fallen along it at the speed of the slower fall (depth times length).
    smoothing : float, default 0
        Width, in decades of α, of a running mean over ln ε_g, and half of it over its steepness: use
        about 0.3 for noisy curves.
    floor : float, default 0
        The curve ends where ε_g first falls to this, beyond which it is rounding.

    Returns
    -------
    list of Plateau
        In the order of time; empty where there is none, or fewer than eight times.

    Raises
    ------
    ShapeError, ParameterError
        If an array is none of real numbers or of another shape, or an option is out of range.
    """
    alpha, error = _curves(alpha, error, "error")
    slope, prominence = checks.number("slope", slope), checks.number("prominence", prominence, 0.0)
    smoothing = checks.number("smoothing", smoothing, 0.0, maximum=MOST_DECADES)
    floor = checks.number("floor", floor, 0.0)
    reached: Any = np.flatnonzero(error <= floor) if floor > 0.0 else []
    if len(reached):
        alpha, error = alpha[:reached[0]], error[:reached[0]]
    prepared = _on_log_grid(alpha, error, logarithm=True)
    if prepared is None:
        return []
    grid, curve = prepared
    step, width = grid[1] - grid[0], _width(smoothing, grid)
    curve = _smooth(curve, width | 1)
    steepness = _smooth(-np.gradient(curve, step), width // 2 | 1)
    minima, prominences = peaks(-steepness, above=-slope)
    depths = dict(zip(minima, prominences))
    found, taken = [], np.zeros(grid.size, dtype=bool)
    for i in sorted(minima, key=lambda minimum: steepness[minimum]):
        if taken[i] or depths[i] * grid.size * step < prominence or depths[i] <= 0.0:
            continue
        weight = np.maximum(1.0 - 2.0 * (steepness - steepness[i]) / depths[i], 0.0)
        ends = np.flatnonzero(weight == 0.0)
        begin, end = ends[ends < i].max(initial=-1) + 1, ends[ends > i].min(initial=grid.size)
        part = slice(begin, end)
        shares = weight[part] / weight[part].sum()
        length, centre, level = weight[part].sum() * step, shares @ grid[part], shares @ curve[part]
        stands_out = min(depths[i] * length, curve[:i].max() - level, level - curve[i:].min())
        if stands_out >= prominence:
            taken[part] = True
            values = np.exp([centre - 0.5 * length, centre + 0.5 * length, level, grid[i]])
            found.append(Plateau(*values.tolist(), float(stands_out)))  # type: ignore[call-arg]
    return sorted(found)


def specialization_steps(alpha: ArrayLike, values: ArrayLike, smoothing: float = 0.1,
                         height: float = 0.1) -> NDArray[np.float64]:
    """The times at which the specialization rises fastest: local maxima of d(specialization)/d ln α.

    docs/theory, section 6.4.

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

    Raises
    ------
    ShapeError, ParameterError
        If an array is none of real numbers or of another shape, or an option is out of range.
    """
    smoothing = checks.number("smoothing", smoothing, 0.0, maximum=MOST_DECADES)
    height = checks.number("height", height, 0.0)
    prepared = _on_log_grid(*_curves(alpha, values, "values"), logarithm=False)
    if prepared is None:
        return np.array([])
    grid, curve = prepared
    step, width = grid[1] - grid[0], _width(smoothing, grid) | 1
    rate = _smooth(np.gradient(_smooth(curve, width), step), width)
    tops, prominences = peaks(rate)
    return np.exp(grid[tops[(rate[tops] >= height) & (prominences >= 0.2 * max(rate.max(), height))]])


def first_time(alpha: ArrayLike, values: ArrayLike, level: float = 0.5) -> NDArray[np.float64]:
    """The α at which a curve first reaches a level, linear between the saved times.

    Parameters
    ----------
    alpha : array (n,)
        Saved times, ascending.
    values : array (..., n)
        NaN from where a run ended early.
    level : float, default 0.5
        What is reached.

    Returns
    -------
    array (...)
        NaN where it never does.

    Raises
    ------
    ShapeError, ParameterError
        If an array is none of real numbers or of another shape, or the level is no finite number.
    """
    alpha, values = checks.array("alpha", alpha, (None,)), checks.real("values", values)
    level = checks.number("level", level)
    if values.ndim == 0 or values.shape[-1] != alpha.size:
        raise ShapeError(f"values must have the shape (..., {alpha.size}), as alpha has {alpha.size} times; got "
                         f"{values.shape}")
    there = values >= level
    i = there.argmax(-1)
    before = np.maximum(i - 1, 0)
    low, high = (np.take_along_axis(values, each[..., None], -1)[..., 0] for each in (before, i))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(low < level, (level - low) / (high - low), 1.0)
        return np.where(there.any(-1), alpha[before] + share * (alpha[i] - alpha[before]), np.nan)


def overlap_deviation(Q: ArrayLike, R: ArrayLike, Q_theory: ArrayLike, R_theory: ArrayLike) -> NDArray[np.float64]:
    """Root mean square difference of the entries of (Q, R), along a run.

    Parameters
    ----------
    Q : array (..., K, K)
        Overlaps of the student's units.
    R : array (..., K, M)
        Overlaps of student and teacher units.
    Q_theory, R_theory : arrays of the same (or a broadcastable) shape
        What theory has in their place.

    Returns
    -------
    array (...)
        It falls as N^(−1/2) against the mean-field equations (docs/theory, section 6.5).

    Raises
    ------
    ShapeError, ParameterError
        If an array is none of real numbers or of another shape, or an option is out of range.
    """
    R = checks.matrices("R", R, symbols="(..., K, M)")
    K, M = R.shape[-2:]
    Q = checks.matrices("Q", Q, K, K, "(..., K, K)")
    Q_theory = checks.matrices("Q_theory", Q_theory, K, K, "(..., K, K)")
    R_theory = checks.matrices("R_theory", R_theory, K, M, "(..., K, M)")
    checks.leading_axes(Q=Q, R=R, Q_theory=Q_theory, R_theory=R_theory)
    squares = ((Q - Q_theory) ** 2).sum((-2, -1)) + ((R - R_theory) ** 2).sum((-2, -1))
    return np.sqrt(squares / (Q.shape[-1] * Q.shape[-2] + R.shape[-1] * R.shape[-2]))
