"""What a picture takes of the Dataset of a sweep: means of points that ended well, and what became of the others."""

import warnings
from typing import TYPE_CHECKING

import numpy as np

from onlinemode.errors import ParameterError
from onlinemode.labelled import OBSERVABLES
from onlinemode.plotting.swept_axes import PLAIN, SweptAxis, symbol_of, text_of

if TYPE_CHECKING:
    from xarray import Dataset

ENDED = ("completed", "converged")
PLATEAU_LENGTH = "plateau_length"
LABELS = {"final_error": r"final generalization error $\varepsilon_g$", "final_specialization": "final specialization",
          "specialized_at": r"first $\alpha$ with specialization 1/2",
          "plateau_start": r"$\alpha$ where the plateau begins", "plateau_stop": r"$\alpha$ where the plateau ends",
          "plateau_level": r"$\varepsilon_g$ of the plateau", PLATEAU_LENGTH: r"length of the plateau in $\alpha$",
          "seconds": "seconds of computing"}  # shorter than the long_name of a sweep's variables


class SweptData:
    """The points of a sweep, in the order in which they are drawn.

    A point counts by its worst replica, and a value of the axes by its worst seed: the mean of the others would be
    that of the tame ones. Seeds that are missing are left out.

    Parameters
    ----------
    dataset : xarray.Dataset
        Variables are loaded where they are asked for.

    Attributes
    ----------
    axes : list of SweptAxis
        Those of more than one value; not ``seed``, unless it is the only one.
    outcome : str array (values of each axis)
        "ended", "diverged", "failed" (in whatever way), or "missing".
    failures : list of str
        The words of the failed ones.
    """

    def __init__(self, dataset: "Dataset") -> None:
        marker = next((name for name in ("status", "final_error") if name in dataset.data_vars), None)
        if marker is None:
            raise ParameterError(f"a picture needs the Dataset of a sweep, with status or final_error; got one with "
                                 f"{', '.join(map(str, dataset.data_vars)) or 'no variables'}")
        dims = [name for name in dataset[marker].dims if name != "replica"]
        dataset = dataset.isel({name: 0 for name in dims if dataset.sizes[name] == 1})
        long = [name for name in dims if dataset.sizes.get(name, 1) > 1]
        self.dataset = dataset
        self._seeds = "seed" if "seed" in long and len(long) > 1 else ""
        self.axes = [SweptAxis.of(dataset, name) for name in long if name != self._seeds]
        points, failures = self._outcomes() if marker == "status" else (self._there(marker), [])
        self._points, self.failures = points, failures
        self.outcome = _worst(points)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each axis."""
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def fixed(self) -> str:
        """What every point shares that was swept or chosen, in words."""
        coordinates = {name: self.dataset[name] for name in self.dataset.coords if name not in ("alpha",)}
        return ", ".join(f"{PLAIN.get(name, name.replace('_', ' '))} = {text_of(value.values.item())}"
                         for name, value in coordinates.items() if value.dims == ())

    @property
    def draws(self) -> str:
        """What means are over, in words; "" where there is one run a point."""
        counts = {"seeds": self._points.shape[-1], "replicas": self.dataset.sizes.get("replica", 1)}
        return " × ".join(f"{count} {name}" for name, count in counts.items() if count > 1)

    def names(self) -> list[str]:
        """Variables that are one number a point."""
        own = {*(axis.name for axis in self.axes), "seed", "replica"}
        names = [str(name) for name, variable in self.dataset.data_vars.items()
                 if set(variable.dims) <= own and variable.dtype.kind in "iuf"]
        return [*names, PLATEAU_LENGTH] if {"plateau_start", "plateau_stop"} <= set(names) else names

    def curves(self) -> list[str]:
        """Variables that are one number at each saved time."""
        own = {*(axis.name for axis in self.axes), "seed", "replica", "alpha"}
        return [str(name) for name, variable in self.dataset.data_vars.items()
                if "alpha" in variable.dims and set(variable.dims) <= own and variable.dtype.kind in "iuf"]

    def label(self, name: str) -> str:
        """Of an axis or a colour bar: long_name, symbol and units."""
        if name in LABELS:
            return LABELS[name]
        attributes, known = self.dataset[name].attrs, OBSERVABLES.get(name)
        words = attributes.get("long_name") or (known.long_name if known else symbol_of(name))
        symbol = attributes.get("symbol") or (known.symbol if known else "")
        if symbol.startswith("$") and symbol.endswith("$") and symbol not in words:  # others have words, too
            words += f" {symbol}"
        return f"{words} ({attributes['units']})" if attributes.get("units") not in (None, "", "1", 1) else words

    def ends(self, name: str) -> np.ndarray:
        """Means over seeds (and replicas) of the points that ended well, NaN for others (values of each axis).

        A point that never specializes has no ``specialized_at``, nor has the mean over seeds then.
        """
        values = self._of_points(name)
        if name == "specialized_at":
            values = np.where((np.isnan(values) & (self._points == "ended")).any(-1, keepdims=True), np.nan, values)
        return np.where(self.outcome == "ended", _mean(values, -1), np.nan)

    def standard_errors(self, name: str) -> np.ndarray:
        """Those of :meth:`ends`: from the scatter of seeds, else from that of replicas; NaN for one run a point."""
        if self._points.shape[-1] > 1:
            values = self._of_points(name)
            count = np.isfinite(values).sum(-1)
            squares = np.nansum((values - _mean(values, -1)[..., None]) ** 2, -1)
            errors = np.sqrt(squares / np.maximum(count - 1, 1) / np.maximum(count, 1))
            return np.where((self.outcome == "ended") & (count > 1), errors, np.nan)
        there = f"{name}_se" in self.dataset.data_vars
        return self.ends(f"{name}_se") if there else np.full(self.shape, np.nan)

    def paths(self, name: str) -> list[np.ndarray]:
        """Curves of the values of one axis: (seeds and replicas, saved times), of the points that ended well."""
        values = self._values(name, "replica", "alpha")
        values = values.reshape(-1, *values.shape[-3:])
        kept = (self._points == "ended") & (self.outcome == "ended")[..., None]
        return [each[well].reshape(-1, each.shape[-1]) for each, well in zip(values, kept.reshape(len(values), -1))]

    def _of_points(self, name):
        """(values of each axis, seeds), NaN where a point did not end well."""
        if name == PLATEAU_LENGTH:
            values = self._values("plateau_stop", "replica") - self._values("plateau_start", "replica")
        else:
            values = self._values(name, "replica")
        return np.where(self._points == "ended", _mean(values.astype(float), -1), np.nan)

    def _values(self, name, *more):
        """(values of each axis, seeds, ...) in the order of drawing; dimensions that it lacks have length 1."""
        variable = self.dataset[name]
        wanted = [*(axis.name for axis in self.axes), self._seeds, *more]
        present = [dim for dim in wanted if dim in variable.dims]
        values = np.asarray(variable.transpose(*present).values)
        values = values.reshape([dict(zip(present, values.shape)).get(dim, 1) for dim in wanted])
        for place, axis in enumerate(self.axes):
            if axis.name in present:
                values = values.take(axis.order, place)
        return np.broadcast_to(values, (*self.shape, *values.shape[len(self.axes):]))

    def _outcomes(self):
        status = self._values("status", "replica").astype(str)
        well = np.isin(status, ENDED)
        kinds = np.where(well, "ended", np.where(np.isin(status, ("diverged", "missing")), status, "failed"))
        failures = sorted(set(status[kinds == "failed"].tolist()))
        return _worst(kinds, missing_first=True), failures

    def _there(self, name):
        return np.where(np.isfinite(self._values(name)), "ended", "missing")


def _worst(kinds, missing_first=False):
    """The worst of the last axis; a missing one counts only where no other is there, or before those that ended."""
    choices = ["diverged", "failed", *(("missing", "ended") if missing_first else ("ended", "missing"))]
    return np.select([(kinds == each).any(-1) for each in choices], choices, "missing")


def _mean(values, axis):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a mean of nothing, which is NaN
        return np.nanmean(values, axis)
