"""How well runs agree with the theory and with each other, in standard deviations."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onlinemode import checks
from onlinemode.ensemble import observables_of
from onlinemode.errors import ParameterError
from onlinemode.observables import overlap_deviation
from onlinemode.theory.fluctuations import Fluctuations
from onlinemode.trajectory import Trajectory

TRUSTED = 0.3  # where the linear-noise theory gives ε_g a relative spread or shift above this, it is not to be trusted
RESOLVED = 1e-8  # below this share of the largest ε_g the error of its mean-field path shows


class Prediction(NamedTuple):
    """Mean and standard deviation over runs at finite N, docs/theory, section 8.3.

    Attributes
    ----------
    mean : array (n, ...)
        The mean-field value with its 1/N shift.
    standard_deviation : array (n, ...)
        Of one run.
    """

    mean: np.ndarray
    standard_deviation: np.ndarray


def predicted(noise: Fluctuations, N: int, name: str) -> Prediction:
    """The linear-noise prediction for one observable: the mean-field value with its 1/N shift, and the spread.

    docs/theory, section 8.3.

    Parameters
    ----------
    noise : Fluctuations
        What :func:`onlinemode.fluctuations` returned.
    N : int
        Number of inputs.
    name : {"generalization_error", "Q", "R", "rho", "specialization"}
        Of the observable.

    Returns
    -------
    Prediction
        At the times of ``noise``.

    Raises
    ------
    ParameterError
        If there is no such observable.
    """
    checks.instance("noise", noise, Fluctuations)
    return Prediction(noise.mean_field(name) + noise.mean_shift(name, N), noise.standard_deviation(name, N))


def trusted(noise: Fluctuations, N: int) -> NDArray[np.bool_]:
    """Whether the linear-noise theory holds at each time, as far as it can tell by itself.

    False where the predicted spread or shift of ε_g exceeds 30 % of ε_g: typically where a run leaves a
    plateau, at a time that is itself random.  False, too, where ε_g is below 1e-8 of its largest value,
    which the mean-field path does not resolve.  docs/theory, sections 8.4 and 8.5.

    Parameters
    ----------
    noise : Fluctuations
        What :func:`onlinemode.fluctuations` returned.
    N : int
        Number of inputs.

    Returns
    -------
    bool array (n,)
        At the times of ``noise``.

    Raises
    ------
    ParameterError
        If ``noise`` is no Fluctuations, or N no number of inputs.
    """
    checks.instance("noise", noise, Fluctuations)
    error = noise.mean_field("generalization_error")
    limit = TRUSTED * np.abs(error)
    return ((noise.standard_deviation("generalization_error", N) < limit)
            & (np.abs(noise.mean_shift("generalization_error", N)) < limit) & (error > RESOLVED * error.max()))


def z_scores(run: Trajectory, noise: Fluctuations, name: str = "generalization_error") -> NDArray[np.float64]:
    """Deviation of a run (of the mean over its replicas) from the linear-noise prediction, in standard errors.

    docs/theory, section 8.5.

    Parameters
    ----------
    run : Trajectory
        Of micro, chain or leap, all replicas from one start, at the times of ``noise``.
    noise : Fluctuations
        What :func:`onlinemode.fluctuations` returned.
    name : str, default "generalization_error"
        One of those of :func:`predicted`.

    Returns
    -------
    array (n, ...)
        Standard normal where the theory holds; NaN where nothing fluctuates (α = 0) or no replica is left.

    Raises
    ------
    ParameterError
        If the run is of the mean-field equations, its replicas had different starts, or the times differ.
    """
    _check_start(run)
    _check_times("run and linear-noise theory", run, noise)
    expected = predicted(noise, run.N, name).mean
    return _ratio(run.ensemble.mean[name], expected, _squared_error(run, noise, name))


def z_between(one: Trajectory, other: Trajectory, noise: Fluctuations | None = None,
              name: str = "generalization_error") -> NDArray[np.float64]:
    """Difference of the means of two runs, in standard errors of that difference.

    Parameters
    ----------
    one, other : Trajectory
        Independent runs at the same times.
    noise : Fluctuations, optional
        Gives the spread of a run.  Without it, replicas show the spread themselves, which some 20 of
        them do well enough for a z that is close to standard normal.
    name : str, default "generalization_error"
        An observable of :class:`onlinemode.ensemble.Ensemble`; with ``noise`` one of those of :func:`predicted`.

    Returns
    -------
    array (n, ...)
        NaN where nothing fluctuates or no replica is left.

    Raises
    ------
    ParameterError
        If the times differ, if both runs began from the same several students (whose spread is common
        to them), or if a run has one replica and ``noise`` is not given.
    """
    _check_times("the two runs", one, other)
    others = observables_of(other.problem)
    checks.choice("name", name, [each for each in observables_of(one.problem) if each in others])
    if one.starts is not None and other.starts is not None and np.array_equal(one.starts["G"], other.starts["G"]):
        raise ParameterError("the two runs share their different students, whose spread hides the difference; give "
                             "runs from one start")
    squared: Any = 0.0
    for run in (one, other):
        if noise is not None:
            _check_start(run)
            _check_times("run and linear-noise theory", run, noise)
            squared = squared + _squared_error(run, noise, name)
        elif run.replicas > 1:
            squared = squared + run.ensemble.standard_error(name) ** 2
        else:
            raise ParameterError("a run of one replica shows no spread; give noise=om.fluctuations(...), or more "
                                 "replicas")
    return _ratio(one.ensemble.mean[name], other.ensemble.mean[name], squared)


def rms_deviation(run: Trajectory, theory: Trajectory) -> NDArray[np.float64]:
    """Deviation of (Q, R) from a theory, root mean square over all replicas and entries.

    docs/theory, sections 6.5 and 8.5.

    Parameters
    ----------
    run, theory : Trajectory
        On the same saved times, from one start.

    Returns
    -------
    array (n,)
        At the saved times; about N^(−1/2).

    Raises
    ------
    ParameterError
        If the times or sizes differ, or replicas began from different students.
    """
    _check_times("run and theory", run, theory)
    if run.starts is not None or theory.draws > 1:
        raise ParameterError("the deviation over replicas needs one start for all of them; these began from different "
                             "students: simulate again from one of them")
    ensemble = run.ensemble
    share = ((ensemble.count - 1.0) / np.maximum(ensemble.count, 1))[:, None, None]
    squares = [ensemble.standard_deviation[name] ** 2 * share
               + (ensemble.mean[name] - getattr(theory, name)[0]) ** 2 for name in ("Q", "R")]
    return np.sqrt(_entries_mean(*squares))


def expected_deviation(noise: Fluctuations, N: int) -> NDArray[np.float64]:
    """What the linear-noise theory expects of :func:`rms_deviation`.

    docs/theory, section 8.5.

    Parameters
    ----------
    noise : Fluctuations
        What :func:`onlinemode.fluctuations` returned.
    N : int
        Number of inputs.

    Returns
    -------
    array (n,)
        At the times of ``noise``.

    Raises
    ------
    ParameterError
        If ``noise`` is no Fluctuations, or N no number of inputs.
    """
    checks.instance("noise", noise, Fluctuations)
    return np.sqrt(_entries_mean(*(noise.standard_deviation(name, N) ** 2 + noise.mean_shift(name, N) ** 2
                                   for name in ("Q", "R"))))


def deviation(run: Trajectory, theory: Trajectory) -> dict[str, float] | None:
    """How far a simulation is from the mean-field equations, plainly and in units of N^(−1/2).

    docs/theory, section 6.5.

    Parameters
    ----------
    run, theory : Trajectory
        On the same saved times; of different students, each with its own theory.

    Returns
    -------
    dict or None
        ``up_to_alpha``; ``rms_overlaps`` and ``largest_overlaps``, of (Q, R), over the run, and both ``..._sqrt_N``,
        times √N; ``largest_error``, of ε_g.  None where the two have no finite time in common but α = 0.
    """
    _check_times("run and theory", run, theory)
    along = overlap_deviation(run.Q, run.R, theory.Q[:run.draws], theory.R[:run.draws])
    common = np.isfinite(along).any(0) & (run.alpha > 0.0)
    if not common.any():
        return None
    along = along[:, common][np.isfinite(along[:, common])]
    errors = np.abs(run.generalization_error - theory.generalization_error[:run.draws])[:, common]
    rms, largest, root = float(np.sqrt(np.mean(along**2))), float(along.max()), float(np.sqrt(run.N))
    return {"up_to_alpha": float(run.alpha[common][-1]), "rms_overlaps": rms, "largest_overlaps": largest,
            "rms_overlaps_sqrt_N": rms * root, "largest_overlaps_sqrt_N": largest * root,
            "largest_error": float(np.nanmax(errors))}


def z_summary(run: Trajectory, noise: Fluctuations) -> dict[str, float] | None:
    """Root mean square and largest z-score of the entries of Q and R, up to where linear noise can be trusted.

    docs/theory, section 8.5.

    Parameters
    ----------
    run : Trajectory
        As for :func:`z_scores`.
    noise : Fluctuations
        What :func:`onlinemode.fluctuations` returned.

    Returns
    -------
    dict or None
        ``up_to_alpha``, ``rms``, ``largest``; None where there is no such time.

    Raises
    ------
    ParameterError
        If an argument is of another kind.
    """
    checks.instance("run", run, Trajectory)
    holds = np.logical_and.accumulate(trusted(noise, run.N))
    if run.starts is not None or not holds.any():
        return None
    z = np.concatenate([z_scores(run, noise, name)[holds].ravel() for name in ("Q", "R")])
    z = z[np.isfinite(z)]
    if z.size == 0:
        return None
    return {"up_to_alpha": float(run.alpha[holds][-1]), "rms": float(np.sqrt(np.mean(z**2))),
            "largest": float(np.abs(z).max())}


def _entries_mean(*matrices):
    """Mean over the entries of (n, ., .) matrices together, (n,)."""
    return np.concatenate([matrix.reshape(len(matrix), -1) for matrix in matrices], axis=1).mean(1)


def _squared_error(run, noise, name):
    """Predicted variance of the mean over the replicas that reached each time; NaN where none did."""
    variance = noise.standard_deviation(name, run.N) ** 2
    count = run.ensemble.count.reshape((-1,) + (1,) * (variance.ndim - 1))
    return np.where(count > 0, variance / np.maximum(count, 1), np.nan)


def _check_start(run):
    checks.instance("run", run, Trajectory)
    if run.info.theory:
        raise ParameterError("the linear-noise theory is about runs at finite N; got a run of engine ode: give one of "
                             "micro, chain or leap")
    if run.starts is not None:
        raise ParameterError("the linear-noise theory needs one start for all replicas; these began from different "
                             "students: simulate again from one of them")


def _check_times(who, one, other):
    """The same times, and of two runs the same K and M."""
    for each in (one, other):
        if not isinstance(each, (Trajectory, Fluctuations)):
            raise ParameterError(f"{who} must be results of onlinemode; got {type(each).__name__}")
    sizes = [(run.initial.K, run.initial.M) for run in (one, other) if hasattr(run, "initial")]
    if len(set(sizes)) > 1:
        raise ParameterError(f"{who} must have the same K and M; got K = {sizes[0][0]}, M = {sizes[0][1]} and "
                             f"K = {sizes[1][0]}, M = {sizes[1][1]}")
    steps = [run.N for run in (one, other) if getattr(run, "N", None)]
    apart = 0.5 / min(steps) if steps else 0.0
    if one.alpha.shape != other.alpha.shape or not np.allclose(one.alpha, other.alpha, rtol=1e-12, atol=apart):
        raise ParameterError(f"{who} must have the same times; got {len(one.alpha)} times up to {one.alpha[-1]:g} and "
                             f"{len(other.alpha)} up to {other.alpha[-1]:g}: give both the same save_at")


def _ratio(value, expected, squared_error):
    """(value − expected)/error; NaN where the error is no more than the rounding of the values."""
    rounding = 1e-12 * max(np.nanmax(np.abs(each), initial=1e-300) for each in (value, expected))
    error = np.sqrt(squared_error)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(error > rounding, (value - expected) / error, np.nan)
