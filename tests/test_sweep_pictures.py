"""The pictures of sweeps: curves, maps and small multiples of a Dataset."""

import warnings

import dask.array
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import LogNorm, Normalize
from sweep_datasets import GRID, cells_of, contours_of, draw, legend_of, power_law, simulated, swept, texts_of

import onlinemode as om
from onlinemode import plotting
from onlinemode.errors import ParameterError
from onlinemode.plotting import maps
from onlinemode.plotting.swept_axes import SweptAxis
from onlinemode.plotting.swept_data import SweptData
from onlinemode.summaries import summary_of


@pytest.fixture(autouse=True)
def no_warnings():
    """Warnings are errors, but for deprecations of what Matplotlib uses itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


# -- curves ---------------------------------------------------------------------------------------

def test_curves_and_ends_of_runs():
    """One axis: the mean over replicas at each time, extremes of fewer than five, ends ± 2 s.e.; in ascending order."""
    dataset, runs = simulated({"eta": [2.0, 0.5, 1.0]}, replicas=3)
    figure = draw(plotting.sweep_figure(dataset))
    panels = figure.axes
    assert len(panels) == 4 and [line.get_label() for line in panels[0].lines] == [
        rf"$\eta$ = {value}" for value in ("0.5", "1", "2")]
    for place, run in enumerate((runs[1], runs[2], runs[0])):
        for ax, name in zip(panels, ("generalization_error", "specialization")):
            paths = getattr(run, name)[:, 1:]
            assert np.allclose(ax.lines[place].get_ydata(), paths.mean(0))
            low, high = paths.min(0), paths.max(0)
            edges = ax.collections[place].get_paths()[0].vertices[:, 1]
            assert np.allclose(sorted(set(edges)), sorted({*low, *high}))
        for ax, name in zip(panels[2:], ("error", "specialization")):
            assert ax.lines[0].get_ydata()[place] == summary_of(run)[name]
    assert texts_of(panels[0].get_legend().get_texts())[-1] == "mean and least to largest of 3 replicas"
    assert panels[2].lines[0].get_xdata().tolist() == [0.5, 1.0, 2.0] and panels[2].get_xlabel() == r"$\eta$"
    (bars,) = panels[2].containers
    low, high = bars[2][0].get_segments()[2][:, 1]
    assert high - low == pytest.approx(4.0 * summary_of(runs[0])["error_se"])
    assert panels[2].get_ylabel().endswith(r"(mean over 3 replicas, $\pm$ 2 s.e.)")


def test_bands_over_seeds_are_quantiles():
    """16–84 % of six seeds, and standard errors from their scatter; the axis of seeds is none of the picture."""
    dataset, _ = simulated({"eta": [0.5, 2.0], "seed": [0, 1, 2, 3, 4, 5]})
    panels = plotting.sweep_figure(dataset).axes
    paths = dataset.generalization_error.values[1][:, 1:]
    assert np.allclose(panels[0].lines[1].get_ydata(), paths.mean(0))
    edges = panels[0].collections[1].get_paths()[0].vertices[:, 1]
    assert np.allclose(sorted(set(edges)), sorted(set(np.quantile(paths, [0.16, 0.84], 0).ravel())))
    assert "mean and 16–84 % of 6 seeds" in texts_of(panels[0].get_legend().get_texts())
    ends = dataset.final_error.values[1]
    assert panels[2].lines[0].get_ydata()[1] == pytest.approx(ends.mean())
    low, high = panels[2].containers[0][2][0].get_segments()[1][:, 1]
    assert high - low == pytest.approx(4.0 * ends.std(ddof=1) / np.sqrt(6))


def test_a_value_counts_by_its_worst_seed_and_replica():
    """A diverged one makes it a cross, since the others are the tame ones; a missing seed is left out."""
    status = np.full((4, 3, 2), "completed", "U12")
    status[1, 0, 1], status[2, 2] = "diverged", "missing"
    status[3, 2, 0] = "failed"
    errors = np.arange(1.0, 13.0).reshape(4, 3)
    paths = np.ones((4, 3, 2, 2)) * errors[..., None, None]
    dims = ("eta", "seed", "replica", "alpha")
    dataset = xr.Dataset({"status": (dims[:3], status), "final_error": (dims[:2], errors),
                          "generalization_error": (dims, paths)},
                         {"eta": [1.0, 2.0, 3.0, 4.0], "seed": [0, 1, 2], "alpha": [1.0, 2.0]})
    curves, ends = draw(plotting.sweep_figure(dataset)).axes
    assert np.array_equal(ends.lines[0].get_ydata(), [2.0, np.nan, 7.5, np.nan], equal_nan=True)
    crosses = {line.get_label(): line.get_xdata().tolist() for line in ends.lines[1:]
               if not line.get_label().startswith("_")}
    assert crosses == {"diverged": [2.0], "failed": [4.0]}
    assert [line.get_ydata().tolist() for line in curves.lines] == [[2.0, 2.0], [], [7.5, 7.5], []]
    assert [line.get_label().partition(": ")[2] for line in curves.lines] == ["", "diverged", "", "failed"]


def test_what_the_dataset_lacks_is_not_drawn():
    dataset, _ = simulated({"K": [1, 2, 3]})
    assert len(plotting.sweep_figure(dataset.drop_vars("generalization_error")).axes) == 2
    (only,) = draw(plotting.sweep_figure(dataset, "final_error")).axes
    assert only.get_ylabel().startswith("final generalization error") and only.get_xlabel() == "$K$"
    assert all(tick == round(tick) for tick in only.get_xticks())
    (only,) = draw(plotting.sweep_figure(dataset, ["specialization"])).axes
    assert only.get_ylabel() == "specialization" and sum(len(line.get_xdata()) > 2 for line in only.lines) == 3


def test_many_curves_have_a_colour_bar_and_names_their_ticks():
    names = [f"x{i}" for i in range(25)]
    for values in (np.linspace(1.0, 5.0, 25).tolist(), np.geomspace(0.01, 5.0, 25).tolist(), names):
        dataset = swept({"eta": values}).assign(
            generalization_error=(("eta", "alpha"), np.ones((25, 3)))).assign_coords(alpha=[0.0, 1.0, 10.0])
        figure = draw(plotting.sweep_figure(dataset))
        (bar,) = [ax for ax in figure.axes if ax.get_ylabel() == r"$\eta$"]
        assert figure.axes[0].get_legend() is None
        assert len({tuple(line.get_color()) for line in figure.axes[0].lines}) == 25
    assert len(texts_of(bar.get_yticklabels())) <= 10 and texts_of(bar.get_yticklabels())[0] == "x0"
    named = draw(plotting.sweep_figure(swept({"activation": ["erf", "relu", "a$"]}))).axes[0]
    assert texts_of(named.get_xticklabels()) == ["erf", "relu", r"a\$"]
    assert named.lines[0].get_linestyle() == "None"  # nothing lies between names


def test_times_without_a_value_are_left_out():
    """Points of different N or last α have saved times of their own; on all times of the sweep they have gaps."""
    paths = np.array([[1.0, np.nan, 3.0, np.nan], [np.nan, 5.0, np.nan, 6.0]])
    dataset = swept({"N": [10, 30]}).assign(generalization_error=(("N", "alpha"), paths)).assign_coords(
        alpha=[1.0, 2.0, 3.0, 4.0])
    lines = draw(plotting.sweep_figure(dataset)).axes[0].lines
    assert [line.get_xdata().tolist() for line in lines] == [[1.0, 3.0], [2.0, 4.0]]


# -- maps -----------------------------------------------------------------------------------------

def test_maps_of_runs_in_ascending_order():
    """Values are those of the runs, whatever the order of the axes' values; small maps have them as numbers."""
    dataset, runs = simulated({"eta": [2.0, 0.5, 1.0], "noise": [0.5, 0.0]})
    figure = draw(plotting.sweep_figure(dataset))
    error, specialization = figure.axes[:2]
    expected = np.array([summary_of(run)["error"] for run in runs]).reshape(3, 2)[[1, 2, 0]][:, [1, 0]]
    assert np.array_equal(error.collections[0].get_array(), expected)
    assert error.get_xlabel() == r"noise $\sigma$" and error.get_ylabel() == r"$\eta$"
    assert texts_of(error.get_yticklabels()) == ["0.5", "1", "2"] and texts_of(error.get_xticklabels()) == ["0", "0.5"]
    assert texts_of(error.texts) == [f"{value:.2g}" for value in expected.ravel()]
    assert specialization.collections[0].colorbar.ax.get_ylabel() == "final specialization"
    assert legend_of(figure) == []


def test_hatches_where_points_did_not_end_well_and_nowhere_else():
    status = np.full((6, 7), "completed", "U12")
    status[4:, 5:], status[0, 0], status[0, 1], status[2] = "diverged", "error", "lost", "missing"
    dataset = swept({"eta": np.arange(1.0, 7.0), "noise": np.arange(7.0)}, status=status)
    figure = draw(plotting.sweep_figure(dataset))
    for ax in figure.axes[:2]:
        assert cells_of(ax, "diverged") == {(5.0, 5.0), (6.0, 5.0), (5.0, 6.0), (6.0, 6.0)}
        assert cells_of(ax, "failed") == {(0.0, 1.0), (1.0, 1.0)} and cells_of(ax, "none") == set()
        assert np.array_equal(ax.collections[0].get_array().mask, status != "completed")
        hatches = {each.get_gid(): each.get_hatch() for each in ax.collections if each.get_gid()}
        assert hatches["diverged"] == "////" and hatches["failed"] not in (None, "////")
    assert legend_of(figure) == ["diverged", "error, lost", "not run yet"]
    assert [patch.get_hatch() for patch in figure.legends[0].get_patches()] == ["////", "xxx", None]


def test_all_diverged():
    for axes in ({"eta": [1.0, 2.0]}, {"eta": [1.0, 2.0], "noise": [0.0, 1.0]}):
        shape = tuple(map(len, axes.values()))
        nothing = {"final_error": np.full(shape, np.nan), "final_specialization": np.full(shape, np.inf)}
        figure = draw(plotting.sweep_figure(swept(axes, status=np.full(shape, "diverged"), **nothing)))
        assert len(figure.axes) == 2  # and no colour bars
    assert all(len(cells_of(ax, "diverged")) == 4 for ax in figure.axes)
    assert legend_of(figure) == ["diverged"]


@pytest.mark.parametrize("values, scale, edges", [
    ([1.0, 2.0, 4.0, 6.0], "linear", [0.5, 1.5, 3.0, 5.0, 7.0]),
    ([100, 1, 10], "log", [10**-0.5, 10**0.5, 10**1.5, 10**2.5]), ([1, 2, 4, 8], "log", 2.0 ** np.arange(-0.5, 4.0)),
    ([10, 10**6], "log", [10**-1.5, 10**3.5, 10**8.5]), (list(range(1, 101)), "linear", np.arange(0.5, 101.0)),
    ([0.0, 0.01, 0.1, 1.0], "symlog", [-0.005, 0.005, 10**-1.5, 10**-0.5, 10**0.5]),
    ([0.0, 0.1, 0.2, 0.4], "linear", [-0.05, 0.05, 0.15, 0.3, 0.5]),
    ([-1.0, 1.0, 100.0], "linear", [-2.0, 0.0, 50.5, 149.5]), (["b", "a"], "names", [-0.5, 0.5, 1.5]),
    ([True, False], "names", [-0.5, 0.5, 1.5])])
def test_edges_of_cells(values, scale, edges):
    """Midway between the values on the page."""
    axis = SweptAxis.of(swept({"x": values}), "x")
    assert axis.scale == scale and np.allclose(axis.edges, edges)
    assert (axis.edges[:-1] < axis.places).all() and (axis.places < axis.edges[1:]).all()
    assert np.allclose(axis.inverse(axis.forward(axis.places)), axis.places)
    assert [values[i] for i in axis.order] == axis.values
    ax = plotting.sweep_figure(swept({"y": [1, 2], "x": values})).axes[0]
    assert ax.get_xscale() == {"names": "linear"}.get(scale, scale)
    assert np.allclose(ax.collections[0].get_coordinates()[0, :, 0], edges) and np.allclose(
        ax.get_xlim(), np.array(edges)[[0, -1]])


def test_colours_are_for_most_cells():
    """One column far from the others takes no colours but an arrow; a sixth of the map is no outlier."""
    values = np.linspace(0.2, 0.3, 4)[:, None] + 0.01 * np.arange(13)
    values[:, 5] = 1e6
    dataset = swept({"N": [10, 20, 40, 10**6], "noise": np.arange(13) / 12}, final_error=values)
    ax = plotting.sweep_figure(dataset).axes[0]
    assert ax.collections[0].norm.vmax == values[values < 1.0].max() and ax.collections[0].colorbar.extend == "max"
    assert len(texts_of(ax.get_xticklabels())) <= 10
    norm, extend = maps.norm_of("final_error", np.where(np.arange(96) < 16, 1e-6, np.linspace(0.1, 0.11, 96)))
    assert (norm.vmin, norm.vmax, extend) == (1e-6, 0.11, "neither") and type(norm) is LogNorm


@pytest.mark.parametrize("name, values, kind, limits, extend", [
    ("final_error", [1e-4, 1e-2, 1.0], LogNorm, (1e-4, 1.0), "neither"),
    ("final_error", [0.1, 0.2, 0.9], Normalize, (0.1, 0.9), "neither"),
    ("final_error", [-1e-17, 1e-4, 1e-2, 1.0], LogNorm, (1e-4, 1.0), "min"),
    ("plateau_level", [-0.5, 1e-2, 1.0], Normalize, (-0.5, 1.0), "neither"),
    ("final_specialization", [1e-4, 1e-2, 1.0], Normalize, (1e-4, 1.0), "neither"),
    ("final_specialization", [0.5, 0.52], Normalize, (0.41, 0.61), "neither"),
    ("final_specialization", [0.01, 0.02], Normalize, (0.0, 0.2), "neither"),
    ("final_error", [np.nan], Normalize, (0.0, 1.0), "neither")])
def test_norms(name, values, kind, limits, extend):
    """Logarithmic from a decade on, but for specializations, of which small differences are no colours either."""
    norm, arrows = maps.norm_of(name, np.array(values))
    assert type(norm) is kind and (norm.vmin, norm.vmax) == pytest.approx(limits) and arrows == extend
    assert all(norm.vmin < level < norm.vmax for level in maps.levels_of(norm)) and 2 <= len(maps.levels_of(norm)) <= 9


def test_a_perfect_student_has_a_colour():
    """An ε_g of zero in a logarithmic map is below all others, and not blank."""
    ax = plotting.sweep_figure(swept({"N": [1, 2], "eta": [1.0, 2.0]}, final_error=np.array([[0.0, 1e-4], [1e-2, 1.0]]))
                               ).axes[0]
    mesh = ax.collections[0]
    assert not np.ma.getmaskarray(mesh.get_array()).any() and mesh.norm(mesh.get_array())[0, 0] < 0.0


def test_plateaus_are_shown_where_a_tenth_of_the_points_has_one():
    start, stop = np.full((4, 5), np.nan), np.full((4, 5), np.nan)
    start[1, :2], stop[1, :2] = 3.0, (5.0, 9.0)
    dataset = swept({"eta": [1, 2, 3, 4], "noise": [0, 1, 2, 3, 4]}, plateau_start=start, plateau_stop=stop)
    figure = draw(plotting.sweep_figure(dataset))
    ax = figure.axes[1]
    assert ax.collections[0].colorbar.ax.get_ylabel() == r"length of the plateau in $\alpha$"
    assert ax.collections[0].get_array()[1, :2].tolist() == [2.0, 6.0]
    assert len(cells_of(ax, "none")) == 18 and legend_of(figure) == ["no plateau"]
    dataset["plateau_stop"][1, 0] = np.nan
    assert len([ax for ax in plotting.sweep_figure(dataset).axes if ax.get_xlabel()]) == 2


def test_logarithmic_bars_have_the_numbers_of_the_contour_lines():
    """Not 6 × 10² between two decades."""
    times = np.linspace(40.0, 900.0, 16).reshape(4, 4)
    dataset = swept({"noise": [0.1, 0.2, 0.3, 0.4], "eta": [1.0, 2.0, 3.0, 4.0]}, specialized_at=times)
    bar = draw(plotting.sweep_figure(dataset, "specialized_at")).axes[1]
    assert texts_of(bar.get_yticklabels()) == ["50", "100", "200", "500"]
    assert bar.get_yticks().tolist() == [50.0, 100.0, 200.0, 500.0] and not len(bar.get_yticks(minor=True))


def test_bars_of_a_real_sweep_have_short_names():
    """Its variables have a long_name and words as symbol; the two in a row are no label, and too long for a bar."""
    dataset = om.sweep(om.Experiment(engine="chain", init="committee", K=2, N=30, alpha=1.0), {"eta": [1.0, 2.0]})
    data = SweptData(dataset)
    labels = {name: data.label(name) for name in data.names()}
    assert labels["final_error"] == r"final generalization error $\varepsilon_g$"
    assert labels["specialized_at"] == r"first $\alpha$ with specialization 1/2"
    assert labels["final_error_se"] == "standard error of the generalization error at the end"
    assert data.label("generalization_error") == r"generalization error $\varepsilon_g$"
    assert max(map(len, labels.values())) < 60


def test_a_seed_that_never_specializes_leaves_no_mean_time():
    """That of the others would be too early; such cells are grey."""
    times = np.array([[[2.0, 4.0], [3.0, np.nan]], [[1.0, 1.0], [5.0, 6.0]]])
    figure = draw(plotting.sweep_figure(swept({"eta": [1.0, 2.0], "noise": [0.0, 1.0], "seed": [0, 1]},
                                              specialized_at=times), "specialized_at"))
    assert figure.axes[0].collections[0].get_array().filled(-1.0).tolist() == [[3.0, -1.0], [1.0, 5.5]]
    assert cells_of(figure.axes[0], "none") == {(1.0, 1.0)} and legend_of(figure) == ["never specialized"]


def test_names_and_parameters_that_were_swept_together():
    dataset = swept({"K_M": [0, 1, 2], "inputs": [f"manifold:D={1000 + i}" for i in range(4)]}).drop_vars("K_M")
    ax = draw(plotting.sweep_figure(dataset.assign_coords(K=("K_M", [2, 2, 3]), M=("K_M", [2, 3, 3])))).axes[0]
    assert texts_of(ax.get_yticklabels()) == ["2, 2", "2, 3", "3, 3"] and ax.get_ylabel() == "$K$, $M$"
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # from the top
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {90.0} and not contours_of(ax)


# -- contours -------------------------------------------------------------------------------------

def test_contour_lines_run_where_the_level_is():
    """Also where a decade lies between two cells; at round numbers within the colours, with labels."""
    ax = draw(plotting.sweep_figure(power_law(), "final_error")).axes[0]
    (lines,) = contours_of(ax)
    assert {0.01, 0.1} <= set(lines.levels) and len(lines.levels) > 3
    assert set(texts_of(lines.labelTexts)) >= {"0.01", "0.1"}
    for level, path in zip(lines.levels, lines.get_paths()):
        eta, N = path.vertices.T
        assert np.allclose(np.sqrt(eta / N), level, rtol=0.02)


def test_contour_lines_end_at_hatched_cells():
    dataset = power_law()
    dataset["status"][4:, 5:] = "diverged"
    ax = draw(plotting.sweep_figure(dataset, "final_error")).axes[0]
    (lines,) = contours_of(ax)
    vertices = np.concatenate([path.vertices for path in lines.get_paths()])
    inside = (vertices[:, 0] > GRID["eta"][4] * 1.11) & (vertices[:, 1] > GRID["N"][3] * 1.11)
    assert len(vertices) > 50 and not inside.any()


def test_contours_of_theory_have_the_levels_of_the_map():
    """Dashed, at its own places; the legend names both by what tells their titles apart."""
    theory = power_law(0.5, title="ode, committee: N = 500, K = 2")[{"N": slice(None, None, 3)}].transpose("eta", "N")
    figure = draw(plotting.sweep_figure(power_law(), "final_error", contours=theory))
    own, dashed = contours_of(figure.axes[0])
    assert set(dashed.levels) <= set(maps.levels_of(figure.axes[0].collections[0].norm)) and len(dashed.levels) > 3
    assert set(own.levels) <= set(maps.levels_of(figure.axes[0].collections[0].norm))
    assert dashed.linestyles == "dashed" and own.linestyles == "solid"
    for level, path in zip(dashed.levels, dashed.get_paths()):
        eta, N = path.vertices.T
        assert np.allclose(0.5 * np.sqrt(eta / N), level, rtol=0.02)
    assert legend_of(figure) == ["chain", "ode"]
    (ax,) = draw(plotting.sweep_figure(swept({"eta": [1.0, 2.0]}), "final_error", contours=swept(
        {"eta": [1.0, 1.5, 2.0]}, "ode"))).axes
    assert ax.lines[-1].get_linestyle() == "--" and ax.lines[-1].get_xdata().tolist() == [1.0, 1.5, 2.0]


# -- small multiples ------------------------------------------------------------------------------

def test_small_multiples_share_their_colours():
    """A panel for each value of the axis with the fewest, from the same norm, with one colour bar."""
    dataset = swept({"eta": [1.0, 2.0, 3.0, 4.0], "N": [10, 30, 100], "noise": [0.0, 0.1, 0.2, 0.3, 0.4]})
    figure = draw(plotting.sweep_figure(dataset))
    *panels, bar = figure.axes
    assert [ax.get_title() for ax in panels] == ["$N$ = 10", "$N$ = 30", "$N$ = 100"]
    assert len({id(ax.collections[0].norm) for ax in panels}) == 1
    norm = panels[0].collections[0].norm
    assert (norm.vmin, norm.vmax) == (dataset.final_error.min(), dataset.final_error.max())
    for place, ax in enumerate(panels):
        assert np.array_equal(ax.collections[0].get_array(), dataset.final_error[:, place])
    assert [ax.get_ylabel() for ax in panels] == [r"$\eta$", "", ""]
    theory = dataset.isel(N=0, drop=True).assign_attrs(title="ode")
    dashed = draw(plotting.sweep_figure(dataset, contours=theory)).axes[:3]
    assert [contours_of(ax)[-1].linestyles for ax in dashed] == ["dashed"] * 3
    named = swept({"init": ["paper", "graded"], "eta": np.arange(1.0, 15.0), "noise": np.arange(14.0)})
    assert [ax.get_title() for ax in plotting.sweep_figure(named, "final_specialization").axes[:2]] == [
        "init = paper", "init = graded"]


# -- what is fixed, refused, loaded ---------------------------------------------------------------

def test_axes_of_one_value_are_named_in_the_title():
    dataset = swept({"eta": [3.0], "K_M": [0], "noise": [0.0, 0.1], "seed": [4]}).drop_vars("K_M").assign_coords(
        K=("K_M", [2]), M=("K_M", [5]))
    figure = draw(plotting.sweep_figure(dataset))
    assert figure.get_suptitle() == "chain, committee: N = 500, K = 2, η = 3, seed = 4, K = 2, M = 5"
    assert figure.axes[0].get_xlabel() == r"noise $\sigma$"
    point, _ = simulated({"eta": [1.0], "seed": [7]}, replicas=2)
    figure = draw(plotting.sweep_figure(point, title="My own"))
    assert figure.get_suptitle() == "My own, η = 1, seed = 7" and len(figure.axes) == 2
    assert len(draw(plotting.sweep_figure(swept({"eta": [1.0, 2.0]}).sel(eta=2.0))).axes) == 2


@pytest.mark.parametrize("call, words", [
    (lambda: plotting.sweep_figure(swept({name: [1, 2] for name in "NKMP"})),
     "the sweep has 4 axes, N, K, M, P, and a picture at most 3: choose values with dataset.sel"),
    (lambda: plotting.sweep_figure(swept({name: list(range(13)) for name in "NKM"})),
     r"12 panels at most; M has 13 values: choose some with dataset.sel\(M="),
    (lambda: plotting.sweep_figure(swept({"N": [1, 2], "K": [1, 2]}), ["final"]),
     "no variable 'final' to draw over 2 axes; there are final_error, final_specialization"),
    (lambda: plotting.sweep_figure(swept({"N": [1, 2], "K": [1, 2]}), "message"), "no variable 'message'"),
    (lambda: plotting.sweep_figure(swept({"N": [1, 2]}), []), "needs a variable; got none"),
    (lambda: plotting.sweep_figure(swept({name: [1, 2] for name in "NKM"}), ["final_error", "final_specialization"]),
     "over 3 axes needs one variable; got final_error, final_specialization"),
    (lambda: plotting.sweep_figure(power_law(), contours=swept({"N": [1, 2]})),
     "contours must be a sweep over the axes of the map, numbers of N and eta; got N"),
    (lambda: plotting.sweep_figure(power_law(), contours=power_law().drop_vars("final_specialization")),
     "contours has no final_specialization; it has final_error"),
    (lambda: plotting.sweep_figure(swept({"N": [1, 2]}), contours=swept({"K": [1, 2]})), "over N; got one over K"),
    (lambda: plotting.sweep_figure(swept({name: [1, 2] for name in "NKM"}), contours=swept(
        {"N": [1, 2], "K": [1, 2], "M": [3, 4]})), "contours has none of the panels: M = 1, 2"),
    (lambda: plotting.sweep_figure(xr.Dataset({"x": 1.0})), "the Dataset of a sweep, with status or final_error; got")])
def test_what_cannot_be_drawn(call, words):
    with pytest.raises(ParameterError, match=words):
        call()


def test_only_what_is_drawn_is_loaded():
    def never(block):
        raise AssertionError("loaded")

    dataset = swept({"N": [1, 2], "K": [1, 2]})
    lazy = dask.array.zeros((2, 2, 9), chunks=1).map_blocks(never, dtype=float, meta=np.empty((0, 0, 0)))
    draw(plotting.sweep_figure(dataset.assign(generalization_error=(("N", "K", "alpha"), lazy)).chunk()))
