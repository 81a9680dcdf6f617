"""Pictures of modes: the numbers that are drawn."""

import numpy as np
import pytest

from onlinemode import plotting
from onlinemode.deep import geometry, growth
from onlinemode.deep.importance import ranked
from onlinemode.deep.power_law import fit_power_law
from onlinemode.deep.pruning import Removal
from onlinemode.deep.width import Crossing


def axes():
    return plotting.new_figure(5.0, 4.0).subplots()


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.fixture
def values():
    steps = np.random.default_rng(0).gamma(4.0, 0.25, (4, 39)) * np.diff(-0.5 * np.log(np.arange(1.0, 41.0)))
    return np.exp(np.cumsum(np.concatenate([np.zeros((4, 1)), steps], 1), 1))


def test_importance(values):
    found, fit = ranked(values), fit_power_law(values)
    ax = axes()
    assert plotting.plot_importance(ax, found, fit) is ax
    assert np.array_equal(ax.containers[0].lines[0].get_ydata(), found.mean)
    two, first, second = [line for line in ax.lines if len(line.get_xdata()) in (2, 200)]
    assert two.get_ydata() == pytest.approx(fit.curve(two.get_xdata()))
    for line, window in ((first, fit.windows[0]), (second, fit.windows[1])):
        x, y = line.get_data()
        assert list(x) == [window.first, window.last]
        assert np.log(y[1] / y[0]) / np.log(x[1] / x[0]) == pytest.approx(window.slope.value)
    assert any(f"{fit.segments.slopes[1].value:.2f}" in text for text in labels(ax))
    rest = fit.without_tail
    assert rest.ranks == 36
    expected = f"break {fit.segments.breakpoint.value:.3g}; without last 4 ranks {rest.breakpoint:.3g}"
    fit = fit._replace(segments=fit.segments._replace(at_edge=False), without_tail=rest._replace(at_edge=False))
    assert expected in labels(plotting.plot_importance(axes(), found, fit))
    edge = fit._replace(without_tail=rest._replace(at_edge=True))
    assert expected + " (at the edge)" in labels(plotting.plot_importance(axes(), found, edge))
    assert "one network" in labels(plotting.plot_importance(axes(), ranked(values[0])))


def test_removal():
    shares = np.array([0.0, 0.5])
    one = Removal(shares, np.array([[0, 2]]), np.array([0.9, 0.8]), np.array([0.9, 0.2]),
                  np.array([[0.9, 0.6], [0.9, 0.4]]))
    other = one._replace(ascending=np.array([0.7, 0.6]))
    ax = plotting.plot_removal(axes(), [one, other])
    drawn = [container.lines[0].get_ydata() for container in ax.containers]
    assert drawn[0] == pytest.approx([80.0, 70.0])
    assert drawn[1] == pytest.approx([90.0, 50.0]) and drawn[2] == pytest.approx([90.0, 20.0])
    assert labels(ax) == ["least important first", "at random, 2 draws", "most important first"]


def test_geometry():
    one = geometry.Geometry(*(np.full(n, float(i)) for i, n in enumerate((4, 3, 3, 2, 2, 2, 2, 4, 4))))
    other = one._replace(activity=np.full(4, 2.0))
    figure = plotting.geometry_figure({"modes": [one, other], "dense": [one]})
    assert len(figure.axes) == 6
    assert figure.axes[0].containers[0].lines[0].get_ydata() == pytest.approx(np.full(4, 1.0))
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["input", "hidden 1", "hidden 2", "output"]
    without = one._replace(classes=np.full(4, np.nan))
    assert len(plotting.geometry_figure({"modes": [without]}).axes) == 5
    shallow = geometry.Geometry(*(np.full(n, 1.0) for n in (2, 1, 1, 0, 0, 0, 0, 2, 2)))
    assert len(plotting.geometry_figure({"one layer": [shallow]}).axes) == 4


def test_width():
    def crossing(width, modes, reached="crossed"):
        return Crossing(width, 0.8, modes, 0.1, reached, np.array([2, 4]), np.array([[0.7, 0.72], [0.82, 0.84]]),
                        np.array([0.9, 0.9]))

    widths = [10, 20, 40, 80, 160, 320]
    found = [crossing(w, 1.0 + np.log(w)) for w in widths]
    found += [crossing(640, np.nan, "never"), crossing(5, np.nan, "always")]
    growths = growth.compare_growth(widths, 1.0 + np.log(widths))
    figure = plotting.width_figure(found, growths)
    left, right = figure.axes
    assert left.lines[0].get_ydata() == pytest.approx([0.71, 0.83])
    assert right.containers[0].lines[0].get_ydata() == pytest.approx(1.0 + np.log(widths))
    assert {"more than this", "this or fewer", "P = a + b ln w, ΔAICc 0.0"} <= set(labels(right))
    bounds = {line.get_marker(): line.get_data() for line in right.lines if line.get_marker() in "^v"}
    assert [list(map(float, part)) for part in bounds["^"]] == [[640.0], [4.0]]
    assert [list(map(float, part)) for part in bounds["v"]] == [[5.0], [2.0]]
    assert len(plotting.width_figure(found[-2:]).axes) == 2
