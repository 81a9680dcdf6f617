"""Pictures: panels that take an Axes and return it, and whole figures."""

from onlinemode.plotting.animation import animate
from onlinemode.plotting.curves import BANDS_FROM, MOST_DRAWS, has_bands, is_theory, name_of
from onlinemode.plotting.deep import plot_training_accuracy, plot_training_loss, training_figure
from onlinemode.plotting.deep_modes import (
    geometry_figure,
    modes_figure,
    plot_by_layer,
    plot_importance,
    plot_removal,
    plot_width,
    plot_width_curves,
    removal_figure,
    width_figure,
)
from onlinemode.plotting.escape import escape_figure, plot_escape
from onlinemode.plotting.figures import comparison, map_times, overview
from onlinemode.plotting.movies import movie_kind
from onlinemode.plotting.optimal import optimal_figure, plot_controls, plot_errors
from onlinemode.plotting.panels import (
    plot_deviation,
    plot_error,
    plot_matched,
    plot_overlap_map,
    plot_overlaps,
    plot_residuals,
    plot_specialization,
    plot_tasks,
)
from onlinemode.plotting.resolved import plot_resolved, resolved_figure
from onlinemode.plotting.style import COLOURS, GREY, MARKERS, new_figure, save_figure, use_defaults
from onlinemode.plotting.sweeps import sweep_figure
from onlinemode.plotting.timings import benchmark_figure

__all__ = [
    "BANDS_FROM", "COLOURS", "GREY", "MARKERS", "MOST_DRAWS", "animate", "benchmark_figure", "comparison",
    "escape_figure", "geometry_figure", "has_bands", "is_theory", "map_times", "modes_figure", "movie_kind",
    "name_of", "new_figure", "optimal_figure", "overview", "plot_by_layer", "plot_controls", "plot_deviation",
    "plot_error", "plot_errors", "plot_escape", "plot_importance", "plot_matched", "plot_overlap_map",
    "plot_overlaps", "plot_removal", "plot_residuals", "plot_resolved", "plot_specialization", "plot_tasks",
    "plot_training_accuracy", "plot_training_loss", "plot_width", "plot_width_curves", "removal_figure",
    "resolved_figure", "save_figure", "sweep_figure", "training_figure", "use_defaults", "width_figure",
]
