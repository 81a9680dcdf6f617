"""What the analysis finds as labelled arrays of xarray; searches that found nothing are there, with their reason."""

from typing import TYPE_CHECKING, Any

import numpy as np

from onlinemode.labelled import LONG_NAMES, need

if TYPE_CHECKING:
    import xarray

PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)
_UNITS = {"mean": "steps/N", "sd": "steps/N", "quantile": "steps/N", "alpha": "steps/N"}


def of_points(points: Any) -> "xarray.Dataset":
    """What ``FixedPoints.to_xarray`` returns."""
    known = [point.state for point in points if point.state is not None]
    most = max((point.rates.size for point in points), default=0)
    rates = np.full((len(points), most), complex(np.nan, np.nan))
    for row, point in zip(rates, points):
        row[:point.rates.size] = point.rates
    variables = {
        "alpha": (("point",), _column(points, "alpha"), "when the run passes nearest"),
        "generalization_error": (("point",), _column(points, "level"), "generalization error"),
        "distance": (("point",), _column(points, "distance"), "relative distance of the run"),
        "growth": (("point", "direction"), rates.real, "rate at which a deviation grows, by direction"),
        "frequency": (("point", "direction"), rates.imag, "angular frequency at which it turns"),
        "unstable": (("point",), _column(points, "unstable"), "unstable directions"),
        "zero": (("point",), _column(points, "zero"), "directions of no rate"),
        "multiplicity": (("point",), _column(points, "multiplicity"), "directions of the largest rate"),
        **_found(("point",), [point.status for point in points], [point.message for point in points]),
    }
    if known:
        blocks = {"Q": ("student_unit", "student_unit_2"), "R": ("student_unit", "teacher_unit"),
                  "G": ("mode", "mode_2"), "S": ("mode", "teacher_unit")}
        for name, dims in blocks.items():
            values = np.full((len(points), *getattr(known[0], name).shape), np.nan)
            for row, point in zip(values, points):
                if point.state is not None:
                    row[:] = getattr(point.state, name)
            variables[name] = (("point", *dims), values, f"overlaps {name} at the fixed point")
    return _dataset(variables, {"complete": int(points.complete)})


def of_rate(found: Any) -> "xarray.Dataset":
    """What ``CriticalRate.to_xarray`` returns."""
    return _dataset({"rate": ((), found.rate, "critical learning rate"),
                     "factor": ((), found.factor, "by which all rates may be multiplied"),
                     **_found((), found.status, found.message)}, {})


def of_floor(found: Any) -> "xarray.Dataset":
    """What ``NoiseFloor.to_xarray`` returns."""
    rate = float("nan") if found.point is None else found.point.rate
    return _dataset({"level": ((), found.level, "generalization error after infinite time"),
                     "rate": ((), rate, "rate of the slowest approach, negative"),
                     **_found((), found.status, found.message)}, {})


def of_laws(laws: Any, probabilities: Any) -> "xarray.Dataset":
    """What ``EscapeLaw.to_xarray`` returns: of the same law at several N."""
    quantiles = np.array([law.quantile(probabilities) for law in laws])
    dims = ("N",)
    variables = {
        "mean": (dims, _column(laws, "mean"), "mean time of escape"),
        "sd": (dims, _column(laws, "sd"), "standard deviation of the time of escape"),
        "quantile": (("N", "probability"), quantiles, "time by which a share of all runs is out"),
        "rate": ((), laws[0].rate, "rate at which deviations grow"),
        "multiplicity": ((), laws[0].multiplicity, "directions in which they do"),
        "level": ((), laws[0].level, "generalization error below which a run is out"),
        **_found(dims, [law.status for law in laws], [law.message for law in laws]),
    }
    return _dataset(variables, {}, {"N": [law.N for law in laws], "probability": probabilities})


def _column(records, name):
    return np.array([getattr(each, name) for each in records])


def _found(dims, status, message):
    words = status.value if dims == () else [each.value for each in status]
    return {"status": (dims, np.array(words, object), "whether it was found"),
            "message": (dims, np.array(message, object), "why not, or what is to be said of it")}


def _dataset(variables, attrs, coords=None):
    xarray = need("xarray")
    names = LONG_NAMES | {"N": "number of inputs", "probability": "probability"}
    labelled = {name: (dims, values, {"long_name": words, "units": _UNITS.get(name, "1")}
                       if np.asarray(values).dtype.kind in "if" else {"long_name": words})
                for name, (dims, values, words) in variables.items()}
    return xarray.Dataset(labelled, {name: (name, np.asarray(values), {"long_name": names[name]})
                                     for name, values in (coords or {}).items()}, attrs)
