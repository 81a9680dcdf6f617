"""The axes of a sweep in its pictures: values in order, linear or logarithmic, edges of cells, ticks."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axis import Axis
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

if TYPE_CHECKING:
    from xarray import Dataset

MOST_LABELS = 10  # values that are named one by one
SYMBOLS = {"eta": r"$\eta$", "eta_strengths": r"$\eta_s$", "eta_xi_out": r"$\eta_A$", "eta_readout": r"$\eta_v$",
           "noise": r"noise $\sigma$", "weight_decay": r"weight decay $\kappa$", "alpha": r"$\alpha$",
           "last_alpha": r"last $\alpha$", **{name: f"${name}$" for name in "NKMP"}}  # the others keep their names
PLAIN = {"eta": "η", "eta_strengths": "η_s", "eta_xi_out": "η_A", "eta_readout": "η_v", "noise": "σ",
         "weight_decay": "κ", "last_alpha": "last α"}  # where no formulas are set
LINE = 0.2  # inches that a line of ticks takes


def symbol_of(name: str) -> str:
    """A parameter as axes of pictures have it."""
    return SYMBOLS.get(name, name.replace("_", " "))


def text_of(value: Any, digits: int = 3) -> str:
    """A value as ticks have it."""
    if isinstance(value, float):
        return f"{value:,.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.{digits}g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class SweptAxis:
    """An axis of a sweep as it is drawn.

    Attributes
    ----------
    name : str
        Of the dimension.
    label : str
    values : list
        Numbers in ascending order, names in their own.
    order : int array
        Places of these values in the Dataset.
    scale : {"linear", "log", "symlog", "names"}
        "symlog": zero, and logarithmic from the first value above it.
    """

    name: str
    label: str
    values: list
    order: np.ndarray
    scale: str

    @classmethod
    def of(cls, dataset: "Dataset", name: str) -> "SweptAxis":
        """The axis along one dimension; parameters that were swept together have one, with names."""
        size = dataset.sizes[name]
        if name in dataset.coords:
            values, label = dataset[name].values.tolist(), symbol_of(name)
        else:
            together = [key for key in dataset.coords if dataset[key].dims == (name,)]
            columns = [list(map(text_of, dataset[key].values.tolist())) for key in together]
            values = list(map(", ".join, zip(*columns))) if together else list(range(size))
            label = ", ".join(map(symbol_of, together)) or symbol_of(name)
        if not all(_is_number(value) for value in values) or len(set(values)) < size:
            return cls(name, label, values, np.arange(size), "names")
        order = np.argsort(values, kind="stable")
        values = [values[i] for i in order]
        return cls(name, label, values, order, _scale_of(values))

    @property
    def has_numbers(self) -> bool:
        """Whether values stand where their numbers are, and not one after the other."""
        return self.scale != "names"

    @property
    def places(self) -> np.ndarray:
        """Where the values stand."""
        return np.array(self.values if self.has_numbers else range(len(self.values)), float)

    @property
    def threshold(self) -> float:
        """Up to where "symlog" is linear."""
        return min((value for value in self.places if value > 0.0), default=1.0)

    def forward(self, places: np.ndarray) -> np.ndarray:
        """Places as distances on the page."""
        if self.scale == "log":
            return np.log10(places)
        if self.scale == "symlog":
            units = places / self.threshold
            return np.where(units > 1.0, 1.0 + np.log10(np.maximum(units, 1.0)), units)
        return np.asarray(places, float)

    def inverse(self, distances: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`forward`."""
        if self.scale == "log":
            return 10.0**distances
        if self.scale == "symlog":
            return self.threshold * np.where(distances > 1.0, 10.0 ** (np.maximum(distances, 1.0) - 1.0), distances)
        return distances

    @property
    def edges(self) -> np.ndarray:
        """Edges of the cells, one more than values: midway on the page, so geometric means on logarithmic axes."""
        distances = self.forward(self.places)
        if len(distances) == 1:
            return self.inverse(distances + np.array([-0.5, 0.5]))
        between = 0.5 * (distances[1:] + distances[:-1])
        first, last = 2.0 * distances[0] - between[0], 2.0 * distances[-1] - between[-1]
        return self.inverse(np.concatenate([[first], between, [last]]))

    @property
    def texts(self) -> list[str]:
        """The values as ticks have them: numbers with as many digits as tell them apart, names without formulas."""
        if not self.has_numbers:
            return [text_of(value).replace("$", r"\$") for value in self.values]
        return next(texts for digits in (3, 4, 6, 17) if len(set(
            texts := [text_of(value, digits) for value in self.values])) == len(set(self.values)) or digits == 17)

    def norm(self) -> Normalize:
        """Colours of the values."""
        low, high = self.places[[0, -1]]
        if self.scale == "log":
            return LogNorm(low, high)
        return SymLogNorm(self.threshold, vmin=low, vmax=high) if self.scale == "symlog" else Normalize(low, high)

    def set_scale(self, axis: Axis) -> None:
        """Give an axis of a picture this scale; call it before other things are drawn."""
        if self.scale in ("log", "symlog"):
            options = {"linthresh": self.threshold} if self.scale == "symlog" else {}
            {"x": axis.axes.set_xscale, "y": axis.axes.set_yscale}[axis.axis_name](self.scale, **options)

    def set_ticks(self, axis: Axis, inches: float) -> None:
        """Label and ticks of an axis of this length: at the values where they are few, else at round numbers."""
        axis.set_label_text(self.label)
        if self.has_numbers and len(self.values) > MOST_LABELS:
            self._round_ticks(axis, inches)
            return
        upright = axis.axis_name == "x" and not self.has_numbers and (
            sum(map(_width, self._thinned(self.texts))) > inches)
        shown = self._with_room(inches, LINE if upright or axis.axis_name == "y" else None)
        axis.set_ticks([self.places[i] for i in shown], [self.texts[i] for i in shown])
        axis.set_minor_locator(NullLocator())
        if upright:
            axis.set_tick_params(rotation=90)

    def _thinned(self, items):
        return items[::-(-len(items) // MOST_LABELS)]

    def _with_room(self, inches, size):
        """Indices of the values whose ticks do not overlap; each takes ``size``, by default what its letters take."""
        if not self.has_numbers:
            return self._thinned(range(len(self.values)))
        distances = self.forward(self.edges)
        places = (self.forward(self.places) - distances[0]) / (distances[-1] - distances[0]) * inches
        sizes = [size or _width(text) for text in self.texts]
        shown = [0]
        for i in range(1, len(places)):
            if places[i] - places[shown[-1]] >= 0.5 * (sizes[i] + sizes[shown[-1]]):
                shown.append(i)
        return shown

    def _round_ticks(self, axis, inches):
        if self.scale == "log" and self.values[-1] < 100 * self.values[0]:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(lambda value, _: f"{value:g}")
            axis.set_minor_formatter(NullFormatter())
        elif self.scale == "linear":
            whole = all(isinstance(value, int) for value in self.values)
            axis.set_major_locator(MaxNLocator(max(3, int(inches / 0.45)), steps=[1, 2, 5, 10], integer=whole))


def _width(text):
    """Inches that a tick takes, with some room."""
    narrow = sum(letter in ".,-il" for letter in text)
    return 0.09 * (len(text) - narrow) + 0.045 * narrow + 0.07


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _scale_of(values):
    if _is_logarithmic(values):
        return "log"
    above = values[1:]
    return "symlog" if values[0] == 0 and len(above) > 2 and _is_logarithmic(above, 30) else "linear"


def _is_logarithmic(values, least=3):
    """Whether ascending numbers are spread more evenly on a logarithmic axis, and it makes a difference.

    They must span a factor of 30, or of ``least`` where they are spread quite evenly.
    """
    if values[0] <= 0 or len(values) < 2:
        return False
    ratio = values[-1] / values[0]
    if len(values) == 2:
        return ratio >= 30
    uneven, uneven_logs = _unevenness(values), _unevenness(np.log(values))
    return uneven_logs < uneven and ratio >= (least if uneven_logs < 0.2 else 30)


def _unevenness(values):
    steps = np.diff(values)
    return steps.std() / steps.mean()
