"""The result of a sweep as a labelled array: coordinates, attributes, and words for numbers."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from onlinemode.labelled import LONG_NAMES, OBSERVABLES, need
from onlinemode.sweeps.axes import DIMENSIONS, Axis
from onlinemode.sweeps.kept import NUMBERS, OF_METRICS, STATUS, numbers_of_tasks
from onlinemode.sweeps.quantities import QUANTITIES, finding_of

if TYPE_CHECKING:
    import xarray

SWEPT = {"last_alpha": "last time", "N": "number of inputs", "K": "student units", "M": "teacher units", "P": "modes",
         "eta": "learning rate η", "noise": "label noise σ", "weight_decay": "weight decay κ",
         "batch": "samples a step", "tasks": "number of tasks", "task_units": "teacher units a task",
         "overlap": "overlap of tasks", "switch_at": "α at which the next task begins",
         "switch_below": "error at which the next task begins",
         "replay_every": "period of replay in α", "replay_for": "length of replay in α"}
"""Long names of what is swept, where the option's own name says less."""
TIMES = ("alpha", "last_alpha", "switch_at", "replay_every", "replay_for")


def coordinates(axes: tuple[Axis, ...], times: tuple[float, ...], replicas: int, sizes: dict[str, int]) -> dict:
    """All coordinates of a sweep, as ``xarray.Dataset`` takes them."""
    found = {}
    for axis in axes:
        for name in axis.names:
            values = axis.labels(name)
            column = np.array(values, object if isinstance(values[0], str) else None)  # as zarr and netCDF take words
            label = DIMENSIONS.get(name, name)
            found[label] = ((axis.dim,), column, _attrs(label, column))
    if replicas > 1:
        found["replica"] = (("replica",), np.arange(replicas), _attrs("replica", np.arange(1)))
    found["alpha"] = (("alpha",), np.array(times), _attrs("alpha", np.zeros(1)))
    for dim, size in sizes.items():
        found[dim] = ((dim,), np.arange(size), {"long_name": LONG_NAMES[dim]})
    return found


def _attrs(name, column):
    attrs = {"long_name": (LONG_NAMES | SWEPT).get(name, name.replace("_", " "))}
    if column.dtype.kind in "if":
        attrs["units"] = "steps/N" if name in TIMES else "1"
    return attrs


def attributes(description: dict[str, Any], title: str) -> dict[str, str]:
    """The provenance of a sweep, as text."""
    made = description.get("experiment") or description.get("function")
    return {"title": title, "made_with": f"onlinemode {description['version']}", "kernels": description["kernels"],
            "make": json.dumps(made), "over": json.dumps(description["over"]),
            "date": datetime.now(UTC).isoformat(timespec="seconds")}


def in_memory(plan: Any, arrays: dict[str, np.ndarray]) -> "xarray.Dataset":
    """A Dataset from arrays of the shape of the grid."""
    xarray = need("xarray")
    variables = {name: (plan.grid.dims + variable.dims, arrays[name], variable.attrs)
                 for name, variable in plan.variables.items()}
    return readable(xarray.Dataset(variables, coords_of(plan), attributes(plan.describe(), plan.title)))


def coords_of(plan: Any) -> dict:
    """The coordinates of a plan."""
    kept = plan.kept
    used = {dim for variable in plan.variables.values() for dim in variable.dims}
    return coordinates(plan.grid.axes, kept.times, kept.replicas,
                       {dim: size for dim, size in kept.sizes.items() if dim in used})


def readable(dataset: "xarray.Dataset") -> "xarray.Dataset":
    """In the usual order, with words for the numbers of the status, which files hold."""
    status, words = dataset["status"], np.array(STATUS)
    texts = ["message", *(name for name in map(finding_of, QUANTITIES) if name in dataset)]
    observables = [name for each in OBSERVABLES for name in (each, f"{each}_mean", f"{each}_sd") if name in dataset]
    more = (*OF_METRICS, *numbers_of_tasks(dataset.sizes.get("task", 0)),
            *(name for each, quantity in QUANTITIES.items() for name in (*quantity.numbers, finding_of(each))))
    order = ["status", "message", *NUMBERS, *(name for name in more if name in dataset), *observables, "seconds"]
    coords = {name: (coord.dims, coord.values.astype(object) if coord.values.dtype.kind == "T" else coord.values,
                     coord.attrs) for name, coord in dataset.coords.items()}
    places = {dim: place for place, dim in enumerate(status.dims)}  # zarr lists them in an order that varies
    sorted_coords = dict(sorted(coords.items(), key=lambda item: (places.get(item[1][0][0], len(places)), item[0])))
    return dataset.drop_vars(list(coords)).assign_coords(sorted_coords).assign(
        status=(status.dims, _changed(status.data, lambda codes: words[codes], words.dtype),
                {"long_name": status.attrs["long_name"]}),
        **{name: (dataset[name].dims, _changed(dataset[name].data, lambda text: text.astype(object), object),
                  dataset[name].attrs) for name in texts},
    )[order]


def _changed(data, function, dtype):
    """A function of an array, or of the chunks of an array of dask."""
    return data.map_blocks(function, dtype=dtype) if hasattr(data, "map_blocks") else function(np.asarray(data))
