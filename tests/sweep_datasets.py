"""Datasets of sweeps for tests of their pictures, and what is in a picture."""

import itertools

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg

import onlinemode as om
from onlinemode.summaries import summary_of

TIMES = (0.0, 0.1, 0.5, 1.0, 2.0)
ENDS = {"final_error": "error", "final_error_se": "error_se", "final_specialization": "specialization",
        "final_specialization_se": "specialization_se"}
GRID = {"N": np.geomspace(10, 1e4, 10).round().astype(int).tolist(), "eta": np.geomspace(0.1, 10.0, 9).tolist()}


def swept(axes, title="chain, committee: N = 500, K = 2", **variables):
    """A sweep in which all points are completed; by default both final values are there."""
    shape = tuple(len(values) for values in axes.values())
    fields = {"status": np.full(shape, "completed", "U12"), "message": np.full(shape, ""),
              "final_error": np.geomspace(1.0, 1e-3, int(np.prod(shape))).reshape(shape),
              "final_specialization": np.linspace(0.0, 1.0, int(np.prod(shape))).reshape(shape)} | variables
    return xr.Dataset({name: (tuple(axes), field) for name, field in fields.items()}, axes, {"title": title})


def simulated(over, **settings):
    """The runs of a small grid, one at a time, as a sweep has them."""
    base = om.Experiment(N=30, K=2, init="committee", alpha=2.0, engine="chain", save_at=TIMES, **settings)
    shape = tuple(len(values) for values in over.values())
    runs = [base.replace(**dict(zip(over, point))).run() for point in itertools.product(*over.values())]
    several = ("replica",) if base.replicas > 1 else ()
    fields = {name: (tuple(over), np.reshape([summary_of(run)[short] for run in runs], shape))
              for name, short in ENDS.items()}
    status = np.array([[each.value for each in run.status] for run in runs])
    fields["status"] = (*over, *several), status.reshape(*shape, *status.shape[1:][:len(several)])
    for name in ("generalization_error", "specialization"):
        paths = np.array([getattr(run, name) for run in runs])
        fields[name] = (*over, *several, "alpha"), paths.reshape(*shape, *paths.shape[1 + (not several):])
    return xr.Dataset(fields, {**over, "alpha": list(TIMES)}), runs


def texts_of(ticks):
    return [tick.get_text() for tick in ticks]


def legend_of(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def cells_of(ax, kind):
    """Centres of the cells that are hatched, or grey, in this way."""
    return {tuple(np.round(path.vertices[:4].mean(0), 6)) for collection in ax.collections
            if collection.get_gid() == kind for path in collection.get_paths()}


def contours_of(ax):
    """The sets of contour lines: of the map, and of theory."""
    return [each for each in ax.collections if hasattr(each, "levels")]


def draw(figure):
    FigureCanvasAgg(figure).draw()
    return figure


def power_law(prefactor=1.0, **changes):
    """ε_g = prefactor √(η/N): straight lines on the page."""
    N, eta = np.meshgrid(*GRID.values(), indexing="ij")
    return swept(GRID, final_error=prefactor * np.sqrt(eta / N), **changes)
