"""The pictures of sweeps: curves, maps, ticks and colour bars."""

import numpy as np

import onlinemode as om
from onlinemode import plotting
from onlinemode.summaries import summary_of


def test_pictures():
    """One axis: a curve a value, ends at the values; names as ticks; maps of two axes in the order of the grid."""
    start = om.initial.committee(30, K=2)
    runs = [om.simulate(om.Problem(rates=om.LearningRates(xi_in=eta)), start, 1.0, "chain", N=30, replicas=2, save_at=6)
            for eta in (0.5, 1.0, 2.0, 3.0)]
    rows = [summary_of(run) for run in runs]
    panels = plotting.sweep_figure({"eta": [0.5, 1.0, 2.0, 3.0]}, rows, runs).axes
    assert np.array_equal(panels[0].lines[2].get_ydata(), runs[2].ensemble.mean["generalization_error"][1:])
    assert panels[2].lines[0].get_ydata().tolist() == [row["error"] for row in rows]
    assert panels[2].get_xlabel() == r"$\eta$" and panels[2].get_ylabel().endswith(r"(mean $\pm$ 2 se)")
    named = plotting.sweep_figure({"readout": ["mean", "sum", "sqrt", "x"]}, rows, runs).axes[2]
    assert [label.get_text() for label in named.get_xticklabels()] == ["mean", "sum", "sqrt", "x"]
    maps = plotting.sweep_figure({"N": [10, 1000], "noise": [0.0, 0.1]}, rows, runs).axes
    assert maps[0].images[0].get_array().tolist() == [[row["error"] for row in rows[:2]],
                                                     [row["error"] for row in rows[2:]]]
    assert [label.get_text() for label in maps[0].get_yticklabels()] == ["10", "1,000"]


def sweep_rows(values):
    return [{"complete": True, "error": error, "error_se": np.nan, "specialization": error, "specialization_se": np.nan}
            for error in np.ravel(values)]


def texts_of(ticks):
    return [tick.get_text() for tick in ticks]


def test_maps_have_short_ticks_and_colours_for_most_cells():
    """Thirteen values to three digits; one column far from the others takes no colours but an arrow."""
    noise = [i / 12 for i in range(13)]
    values = np.linspace(0.2, 0.3, 4)[:, None] + 0.01 * np.arange(13)
    values[:, 5] = 1e6
    for axis, part in (("noise", values), ("eta", values[:, :4])):
        figure = plotting.sweep_figure({"N": [10, 20, 40, 10**6], axis: noise[:part.shape[1]]}, sweep_rows(part), [])
        for ax in figure.axes[:2]:
            assert len(texts_of(ax.get_xticklabels())) <= 10 and max(map(len, texts_of(ax.get_xticklabels()))) <= 6
            assert texts_of(ax.get_yticklabels()) == ["10", "20", "40", "1,000,000"]
            assert ax.images[0].norm.vmax == (part[part < 1.0].max())
            assert ax.images[0].colorbar.extend == ("max" if part.max() == 1e6 else "neither")
            assert len(ax.texts) == part.size  # the values themselves
    wide = plotting.sweep_figure({"N": [1, 2], "eta": [1.0, 2.0]}, sweep_rows([1e-9, 1e-6, 1e-3, 1.0]), []).axes
    assert type(wide[0].images[0].norm).__name__ == "LogNorm" and type(wide[1].images[0].norm).__name__ == "Normalize"


def test_long_ticks_stand_upright():
    names = [f"manifold:D={1000 + i}" for i in range(4)]
    figure = plotting.sweep_figure({"N": [10, 20], "inputs": names}, sweep_rows(np.ones(8)), [])
    assert {label.get_rotation() for label in figure.axes[0].get_xticklabels()} == {90.0}


def test_whole_numbers_have_whole_ticks_and_many_curves_a_colour_bar():
    problem, start = om.Problem(rates=om.LearningRates(xi_in=1.0)), om.initial.committee(50, K=2, weights=False)
    run = om.simulate(problem, start, 1.0, "ode", save_at=5)
    few = plotting.sweep_figure({"K": [1, 2, 3]}, sweep_rows([1.0, 2.0, 3.0]), [run] * 3)
    few.canvas.draw()
    assert all(tick == round(tick) for tick in few.axes[2].get_xticks())
    assert few.axes[0].get_legend() is not None and len(few.axes) == 4
    names = [f"x{i}" for i in range(25)]
    for values in (np.linspace(1.0, 5.0, 25).tolist(), np.geomspace(0.01, 5.0, 25).tolist(), names):
        many = plotting.sweep_figure({"eta": values}, sweep_rows(np.ones(25)), [run] * 25)
        (bar,) = [ax for ax in many.axes if ax.get_ylabel() == r"$\eta$"]
        assert many.axes[0].get_legend() is None
        assert len({tuple(line.get_color()) for line in many.axes[0].lines}) == 25
    assert len(texts_of(bar.get_yticklabels())) <= 10 and texts_of(bar.get_yticklabels())[0] == "x0"
