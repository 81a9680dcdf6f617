"""Statistics over the replicas of a run at its saved times: means, standard deviations, quantiles."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onlinemode import checks
from onlinemode.display import Described
from onlinemode.errors import ParameterError
from onlinemode.losses import SIGN
from onlinemode.problem import Problem
from onlinemode.storage import replacing

OBSERVABLES = ("generalization_error", "specialization", "Q", "R", "rho", "strengths", "readout")
"""Of every run."""
METRICS = ("classification_error", "mean_loss")
"""Of runs whose labels are signs; of those whose loss is not the squared one of real labels."""
OF_TASKS = ("task_errors",)
"""Of runs of several tasks."""
PROBABILITIES = (0.025, 0.25, 0.5, 0.75, 0.975)


def quantile_levels(values: ArrayLike) -> tuple[float, ...]:
    """Ascending, different probabilities as a tuple of floats.

    Raises
    ------
    ParameterError, ShapeError
    """
    levels = checks.array("quantiles", values, (None,))
    if levels[0] < 0.0 or levels[-1] > 1.0 or (np.diff(levels) <= 0.0).any():
        raise ParameterError("quantiles must be ascending probabilities between 0 and 1, such as 0.05, 0.5, 0.95; got "
                             f"{', '.join(f'{level:g}' for level in levels[:20])}")
    return tuple(levels.tolist())


def observables_of(problem: Problem) -> tuple[str, ...]:
    """Names of what statistics are made of in the runs of a problem.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    tuple of str
        OBSERVABLES, those METRICS that say what is learned, and OF_TASKS where there are several.
    """
    told = {"classification_error": problem.labels == SIGN, "mean_loss": not problem.plain}
    of_tasks = () if problem.tasks is None else OF_TASKS
    return (*OBSERVABLES, *(name for name in METRICS if told[name]), *of_tasks)


@dataclass(eq=False, repr=False)
class Ensemble(Described):
    """Statistics over the replicas of a run at its saved times: means, standard deviations, quantiles.

    Of generalization_error, specialization, Q, R, rho, strengths and readout, of classification_error where labels are
    signs, of mean_loss where the loss is not the squared one of real labels, and of task_errors where there are tasks;
    ``n`` is the number of saved times.  A replica that diverged or was interrupted counts up to there.

    Attributes
    ----------
    alpha : array (n,)
        The saved times α = steps/N.
    count : int array (n,)
        Replicas that reached each time.
    probabilities : array (q,)
        Of the quantiles, ascending.
    mean, standard_deviation : dict of arrays (n, ...)
        By name of the observable, for example ``mean["Q"]``; the standard deviation is that of one
        replica (ddof 1), NaN for fewer than two.
    quantiles : dict of arrays (q, n, ...)
        By name of the observable.
    """

    alpha: np.ndarray
    count: np.ndarray
    probabilities: np.ndarray
    mean: dict[str, np.ndarray]
    standard_deviation: dict[str, np.ndarray]
    quantiles: dict[str, np.ndarray]

    def bands(self) -> list[tuple[float, int, int]]:
        """Pairs of quantiles about the median.

        Returns
        -------
        list of tuple
            The widest first: share of the replicas between the two, index of the lower, index of the upper one.
        """
        levels = self.probabilities
        return [(levels[-1 - i] - levels[i], i, len(levels) - 1 - i) for i in range(len(levels) // 2)]

    def _described(self):
        rows = [("Ensemble", f"{self.count[0]:,} replicas at {len(self.alpha)} times, α = {self.alpha[0]:.4g} to "
                             f"{self.alpha[-1]:.4g}"),
                ("at the end", f"{self.count[-1]:,} replicas"),
                ("quantiles", ", ".join(f"{level:g}" for level in self.probabilities))]
        for label, name in (("mean ε_g", "generalization_error"), ("mean specialization", "specialization"),
                            ("mean classification error", "classification_error"), ("mean loss", "mean_loss")):
            if name not in self.mean:
                continue
            mean, error = self.mean[name], self.standard_error(name)
            rows.append((label, " → ".join(f"{mean[i]:.4g} ± {error[i]:.1g}" for i in (0, -1))))
        return rows

    def standard_error(self, name: str) -> NDArray[np.float64]:
        """Standard error of the mean of an observable.

        Parameters
        ----------
        name : str
            Of the observable, as in ``mean``.

        Returns
        -------
        array (n, ...)
            NaN for fewer than two replicas.
        """
        deviation = self.standard_deviation[name]  # NaN for fewer than two replicas
        return deviation / np.sqrt(self.count.reshape((-1,) + (1,) * (deviation.ndim - 1)))

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write one row a saved time: α, count, then mean, sd and quantiles of every entry.

        Parameters
        ----------
        path : str or path
            Of the file; one that is there is replaced.

        Raises
        ------
        FileError
            If the file cannot be written.
        """
        header, columns = ["alpha", "replicas"], [self.alpha, self.count]
        statistics = [("mean", self.mean), ("sd", self.standard_deviation)]
        statistics += [(f"q{100 * p:g}", {name: values[i] for name, values in self.quantiles.items()})
                       for i, p in enumerate(self.probabilities)]
        for name in self.mean:
            for index in np.ndindex(self.mean[name].shape[1:]):
                for label, values in statistics:
                    header.append("_".join([name, *(str(i) for i in index), label]))
                    columns.append(values[name][(slice(None), *index)])
        with replacing(path, "w") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows([repr(value) for value in row] for row in zip(*(column.tolist() for column in columns)))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays of a file.

        Returns
        -------
        dict of arrays
            Names begin with ``ensemble_``.
        """
        arrays = {"ensemble_count": self.count, "ensemble_probabilities": self.probabilities}
        for name in self.mean:
            arrays[f"ensemble_mean_{name}"] = self.mean[name]
            arrays[f"ensemble_sd_{name}"] = self.standard_deviation[name]
            arrays[f"ensemble_quantiles_{name}"] = self.quantiles[name]
        return arrays

    @classmethod
    def from_arrays(cls, alpha: np.ndarray, arrays: dict[str, np.ndarray]) -> Self | None:
        """The inverse of :meth:`to_arrays`.

        Parameters
        ----------
        alpha : array (n,)
            The saved times.
        arrays : dict of arrays
            All of a file.

        Returns
        -------
        Ensemble or None
            None where the file holds no ensemble.
        """
        if "ensemble_count" not in arrays:
            return None
        names = [*OBSERVABLES, *(name for name in (*METRICS, *OF_TASKS) if f"ensemble_mean_{name}" in arrays)]
        of = lambda kind: {name: arrays[f"ensemble_{kind}_{name}"] for name in names}  # noqa: E731
        return cls(alpha, arrays["ensemble_count"], arrays["ensemble_probabilities"], of("mean"), of("sd"),
                   of("quantiles"))


def ensemble_of(alpha: ArrayLike, observables: dict[str, np.ndarray],
                probabilities: Sequence[float] = PROBABILITIES) -> Ensemble:
    """Statistics over the first axis.

    Parameters
    ----------
    alpha : array (n,)
    observables : dict of arrays (replicas, n, ...)
        NaN from where a replica ended early.
    probabilities : sequence of float
        Of the quantiles.

    Returns
    -------
    Ensemble
    """
    finite = np.isfinite(observables["generalization_error"])
    count = finite.sum(0)
    mean, deviation, quantiles = {}, {}, {}
    for name, values in observables.items():
        shape = values.shape[1:]
        mean[name], deviation[name] = np.full(shape, np.nan), np.full(shape, np.nan)
        quantiles[name] = np.full((len(probabilities), *shape), np.nan)
        for i in np.flatnonzero(count):
            reached = values[finite[:, i], i]
            differ = (reached != reached[0]).any(0)  # where not, as at a common start, nothing is left to rounding
            mean[name][i] = np.where(differ, reached.mean(0), reached[0])
            quantiles[name][:, i] = np.quantile(reached, probabilities, axis=0)
            if count[i] > 1:
                deviation[name][i] = np.where(differ, reached.std(0, ddof=1), 0.0)
    return Ensemble(np.asarray(alpha), count, np.array(probabilities), mean, deviation, quantiles)
