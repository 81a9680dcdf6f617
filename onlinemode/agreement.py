"""How well runs agree with the theory and with each other, in standard deviations."""

from typing import NamedTuple

import numpy as np

from onlinemode.errors import ParameterError

TRUSTED = 0.3  # where the linear-noise theory gives ε_g a relative spread or shift above this, it is not to be trusted


class Prediction(NamedTuple):
    """Mean and standard deviation over runs at finite N, docs/theory.md, section 8; arrays (n, ...)."""

    mean: np.ndarray
    standard_deviation: np.ndarray


def predicted(noise, N, name):
    """The linear-noise prediction for one observable: the mean-field value with its 1/N shift, and the spread.

    Parameters
    ----------
    noise : onlinemode.theory.fluctuations.Fluctuations
    N : int
    name : str
        "generalization_error", "Q", "R", "rho" or "specialization".

    Returns
    -------
    Prediction
    """
    return Prediction(noise.mean_field(name) + noise.mean_shift(name, N), noise.standard_deviation(name, N))


def trusted(noise, N):
    """Whether the linear-noise theory holds at each time, as far as it can tell by itself, bool (n,).

    False where the predicted spread or shift of ε_g exceeds 30 % of ε_g: typically where a run leaves a
    plateau, at a time that is itself random.
    """
    error = noise.mean_field("generalization_error")
    limit = TRUSTED * np.abs(error)
    return ((noise.standard_deviation("generalization_error", N) < limit)
            & (np.abs(noise.mean_shift("generalization_error", N)) < limit))


def z_scores(run, noise, name="generalization_error"):
    """Deviation of a run (of the mean over its replicas) from the linear-noise prediction, in standard errors.

    Parameters
    ----------
    run : Trajectory
        Of micro or chain, all replicas from one start, at the times of ``noise``.
    noise : onlinemode.theory.fluctuations.Fluctuations
    name : str, default "generalization_error"

    Returns
    -------
    array (n, ...)
        Standard normal where the theory holds; NaN where nothing fluctuates (α = 0) or no replica is left.

    Raises
    ------
    ParameterError
        If the replicas had different starts, or the times differ.
    """
    _check(run, noise)
    mean, deviation = predicted(noise, run.N, name)
    count = run.ensemble.count.reshape((-1,) + (1,) * (mean.ndim - 1))
    return _ratio(run.ensemble.mean[name] - mean, deviation / np.sqrt(count))


def z_between(one, other, noise=None, name="generalization_error"):
    """Difference of the means of two runs, in standard errors of that difference.

    Parameters
    ----------
    one, other : Trajectory
        At the same times.
    noise : onlinemode.theory.fluctuations.Fluctuations, optional
        Gives the spread of a run of one replica, which has none of its own to show.
    name : str, default "generalization_error"

    Returns
    -------
    array (n, ...)
        NaN where nothing fluctuates.

    Raises
    ------
    ParameterError
        If a run has one replica and ``noise`` is not given.
    """
    variance = 0.0
    for run in (one, other):
        if run.replicas > 1:
            variance = variance + run.ensemble.standard_error(name) ** 2
        elif noise is not None:
            _check(run, noise)
            variance = variance + noise.standard_deviation(name, run.N) ** 2
        else:
            raise ParameterError("a run of one replica shows no spread; give noise=om.fluctuations(...), or more "
                                 "replicas")
    return _ratio(one.ensemble.mean[name] - other.ensemble.mean[name], np.sqrt(variance))


def rms_deviation(run, theory):
    """Deviation of (Q, R) from a theory, root mean square over all replicas and entries.

    Parameters
    ----------
    run, theory : Trajectory
        On the same saved times, from one start.

    Returns
    -------
    array (n,)
    """
    ensemble = run.ensemble
    share = ((ensemble.count - 1.0) / np.maximum(ensemble.count, 1))[:, None, None]
    squares = [ensemble.standard_deviation[name] ** 2 * share
               + (ensemble.mean[name] - getattr(theory, name)[0]) ** 2 for name in ("Q", "R")]
    return np.sqrt(_entries_mean(*squares))


def expected_deviation(noise, N):
    """What the linear-noise theory expects of :func:`rms_deviation` at this N.

    Returns
    -------
    array (n,)
    """
    return np.sqrt(_entries_mean(*(noise.standard_deviation(name, N) ** 2 + noise.mean_shift(name, N) ** 2
                                   for name in ("Q", "R"))))


def _entries_mean(*matrices):
    """Mean over the entries of (n, ., .) matrices together, (n,)."""
    return np.concatenate([matrix.reshape(len(matrix), -1) for matrix in matrices], axis=1).mean(1)


def _check(run, noise):
    if run.starts is not None:
        raise ParameterError("the linear-noise theory needs one start for all replicas; these began from different "
                             "students")
    if run.alpha.shape != noise.alpha.shape or not np.allclose(run.alpha, noise.alpha, rtol=0.0, atol=0.5 / run.N):
        raise ParameterError(f"run and linear-noise theory must have the same times; got {len(run.alpha)} times up to "
                             f"{run.alpha[-1]:g} and {len(noise.alpha)} up to {noise.alpha[-1]:g}")


def _ratio(difference, error):
    rounding = 1e-12 * np.nanmax(np.abs(difference), initial=1e-300)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(error > rounding, difference / error, np.nan)
