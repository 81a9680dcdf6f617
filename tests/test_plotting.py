"""Pictures: what is drawn for 1, 5 and 40 replicas, of one start or of different students."""

import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from interrupted_drawings import interrupt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting

PROBLEM = om.Problem(noise=0.1, rates=om.LearningRates(xi_in=1.0))
TIMES = np.array([0.0, 0.02, 0.1, 0.5, 1.0, 2.0])


def fresh(replica):
    return om.initial.committee(50, K=2, seed=1, readout="sum", student_seed=replica, weights=False)


@pytest.fixture(scope="module")
def theory():
    return om.simulate(PROBLEM, fresh(0), 2.0, "ode", save_at=TIMES)


@pytest.fixture(scope="module")
def noise():
    return om.fluctuations(PROBLEM, fresh(0), TIMES)


def chain(replicas, start=None, keep="all"):
    return om.simulate(PROBLEM, start or fresh(0), 2.0, "chain", N=50, replicas=replicas, save_at=TIMES, keep=keep)


def axes():
    return plotting.new_figure(6.0, 4.0).subplots()


def test_notebooks_show_figures():
    """What IPython asks a value for: a PNG of the figure's size, also where nobody has imported pyplot."""
    figure = plotting.new_figure(3.0, 2.0, "a title")
    figure.subplots().plot([0.0, 1.0])
    image = figure._repr_png_()
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(image[at:at + 4]) for at in (16, 20)] == [3.0 * figure.dpi, 2.0 * figure.dpi]


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize("keep", ["all", "summary"])
@pytest.mark.parametrize("replicas, lines, bands, name", [
    (1, 1, 0, "chain, $N = 50$"), (5, 5, 0, "chain, $N = 50$, 5 draws"),
    (19, 5, 0, "chain, $N = 50$, 5 of $19$ draws"), (40, 5, 2, "chain, $N = 50$, 5 of $40$ draws")])
def test_draws_and_bands(replicas, lines, bands, name, keep, theory, noise):
    run = chain(replicas, keep=keep)
    ax = plotting.plot_error(axes(), [run, theory], noise)
    mean = replicas > 1
    assert len(ax.lines) == lines + mean + 1 + 2  # draws, their mean, theory, the two edges of the linear noise
    assert len(ax.collections) == bands
    texts = labels(ax)
    assert texts[0] == name and "linear noise, ±2 sd" in texts
    assert ("50 % and 95 % of the draws" in texts) == (bands > 0)
    positive = TIMES > 0.0
    if bands:
        low, _, _, _, high = run.ensemble.quantiles["generalization_error"][:, positive]
        edge = ax.collections[0].get_paths()[0].vertices[:, 1]
        assert edge.min() == pytest.approx(low.min()) and edge.max() == pytest.approx(high.max())
    assert ("their mean" in texts) == mean
    if mean:
        assert np.array_equal(ax.lines[lines].get_ydata(), run.ensemble.mean["generalization_error"][positive])
        assert np.array_equal(ax.lines[1].get_ydata(), run.generalization_error[1, positive])
    low, high = noise.band("generalization_error", 50)
    assert np.array_equal(ax.lines[-2].get_ydata(), low[positive])
    assert np.array_equal(ax.lines[-1].get_ydata(), high[positive])


@contextmanager
def no_warnings():
    """Warnings are errors, but for deprecations of what Matplotlib uses itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for library in ("matplotlib", "pyparsing"):
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=library)
        yield


@pytest.mark.parametrize("start, replicas", [("one", 1), ("one", 40), ("fresh", 20)])
def test_whole_figures_without_warnings(start, replicas, theory, noise, tmp_path):
    run = chain(replicas, fresh if start == "fresh" else None, keep="summary")
    ode = theory if start == "one" else om.simulate(PROBLEM, fresh, 2.0, "ode", save_at=TIMES, replicas=replicas)
    with no_warnings():
        for number, figure in enumerate([
                plotting.overview([run, ode]),
                plotting.comparison([run], ode, "title", noise if start == "one" else None)]):
            plotting.save_figure(figure, tmp_path / f"{number}.png")


def test_many_units_have_colours_and_a_few_names(tmp_path):
    """60 units: no warning of a layout that does not fit, no colour twice, readable numbers beside the maps."""
    start = om.initial.paper(200, K=60, P=60)
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=1.0)), start, 0.5, save_at=5)
    with no_warnings():
        figure = plotting.overview(run)
        plotting.save_figure(figure, tmp_path / "many.png")
    residuals = next(ax for ax in figure.axes if "residuals" in ax.get_ylabel())
    curves = [line for line in residuals.lines if len(line.get_xdata()) > 2]
    assert len({line.get_color() for line in curves}) == 60
    assert [text.get_text().split(",")[0] for text in residuals.get_legend().get_texts()] == [
        "mode 1", "mode 16", "mode 31", "mode 45", "mode 60"]
    numbers = [text.get_text() for text in figure.axes[-2].get_xticklabels()]
    assert numbers == ["1", "10", "20", "30", "40", "50", "60"]


@pytest.mark.parametrize("times", [(6.0, 9.9), (1000.0, 1001.0), (1e6, 1.9e6), (1e5, 100100.0), (40.0, 1000.0)])
def test_every_stretch_of_time_has_two_numbers_at_least(times):
    run = om.simulate(PROBLEM, fresh(0), times[1], "ode", save_at=np.linspace(*times, 9))
    ax = plotting.plot_error(Figure().subplots(), run)
    FigureCanvasAgg(ax.figure).draw()
    low, high = ax.get_xlim()
    inside = [text.get_text() for text in ax.get_xticklabels() if low <= text.get_position()[0] <= high]
    assert len(inside) == len(set(inside)) >= 2


def test_a_short_stretch_of_time_has_plain_numbers_that_do_not_overlap():
    run = om.simulate(PROBLEM, fresh(0), 40.0, "chain", N=50, save_at=[0, 30, 35, 40])
    run = om.go_on(run, 80.0, save_at=20)
    figure = plotting.overview(run)
    FigureCanvasAgg(figure).draw()
    for ax in (ax for ax in figure.axes if ax.get_xscale() == "log"):
        texts = [text for text in ax.get_xticklabels(which="both") if text.get_text()]
        inside = [text for text in texts if ax.get_xlim()[0] <= text.get_position()[0] <= ax.get_xlim()[1]]
        assert inside
        boxes = sorted((text.get_window_extent() for text in inside), key=lambda box: box.x0)
        assert all(left.x1 < right.x0 for left, right in zip(boxes, boxes[1:]))
        assert ax.get_xlim()[0] > 36.0


def test_the_overview_shows_the_modes_where_they_have_residuals():
    for rates, words in ((om.LearningRates(xi_in=1.0), ["mode residuals $r_p$"]),
                         (om.LearningRates(xi_in=1.0, strengths=0.1), [])):
        run = om.simulate(om.Problem(rates=rates), fresh(0), 2.0, "chain", N=50, save_at=TIMES)
        panels = plotting.overview([run]).axes
        assert [ax.get_ylabel() for ax in panels if "residuals" in ax.get_ylabel()] == words
        assert len([ax for ax in panels if ax.get_xlabel() == "teacher unit $m$"]) == 4 - len(words)


def test_rms_over_all_replicas(theory, noise):
    """Also of those that are not kept; the linear noise beside it in the same units."""
    run, few = chain(40), chain(40, keep="summary")
    expected = np.sqrt(50) * np.sqrt((np.concatenate([
        ((run.Q - theory.Q) ** 2).reshape(40, 6, -1), ((run.R - theory.R) ** 2).reshape(40, 6, -1)], 2)).mean((0, 2)))
    ax = plotting.plot_deviation(axes(), [few], theory, noise)
    assert np.allclose(ax.lines[5].get_ydata(), expected[TIMES >= 0.01], rtol=1e-9)
    assert labels(ax) == ["chain, $N = 50$, 5 of $40$ draws", "rms over $40$ draws", "linear noise"]
    squares = [noise.standard_deviation(name, 50) ** 2 + noise.mean_shift(name, 50) ** 2 for name in ("Q", "R")]
    variance = np.concatenate([square.reshape(6, -1) for square in squares], 1).mean(1)
    assert np.allclose(ax.lines[6].get_ydata(), np.sqrt(50 * variance)[TIMES > 0.0], rtol=1e-9)


def test_different_students_are_matched_one_by_one():
    """Students that turn to other teacher units are each drawn with their own; bands of a fixed pair mean nothing."""
    perfect = om.initial.committee(50, K=2, seed=1, readout="sum", weights=False)

    def start(replica):
        S = 0.9 * np.eye(2)[:, ::-1 if replica % 2 else 1]
        return om.OrderParameters(G=np.eye(2), S=S, T=np.eye(2), strengths=perfect.strengths, xi_out=perfect.xi_out,
                                  readout=perfect.readout, teacher_readout=perfect.teacher_readout)

    problem = om.Problem(rates=om.LearningRates(xi_in=0.1))
    run = om.simulate(problem, start, 2.0, "chain", N=5000, replicas=20, save_at=TIMES)
    for draw, function in ((plotting.plot_matched, "rho"), (plotting.plot_overlaps, "R")):
        ax = draw(axes(), [run])
        if function == "rho":
            assert len(ax.lines) == 10 and len(ax.collections) == 0
            assert labels(ax) == [r"unit 1 $\to$ its teacher", r"unit 2 $\to$ its teacher"]
        assert all(line.get_ydata().min() > 0.8 for line in ax.lines if len(line.get_ydata()))
    one = om.simulate(problem, start(1), 2.0, "chain", N=5000, replicas=2, save_at=TIMES)
    assert labels(plotting.plot_matched(axes(), [one])) == [r"unit 1 $\to$ teacher 2", r"unit 2 $\to$ teacher 1"]


def test_more_units_than_teachers():
    """A unit without a partner in one draw may have one in another."""
    run = om.simulate(PROBLEM, lambda r: om.initial.committee(50, K=3, M=2, seed=1, student_seed=r), 2.0, "chain",
                      replicas=4, save_at=TIMES)
    ax = plotting.plot_matched(axes(), [run])
    drawn = sum(np.isfinite(line.get_ydata()).any() for line in ax.lines)
    assert drawn == 4 * 2


def test_no_mean_of_different_students():
    """Nor does the table print one."""
    run = chain(5, fresh)
    assert len(plotting.plot_error(axes(), [run]).lines) == 5
    assert len(plotting.plot_specialization(axes(), [run]).lines) == 5 + 2  # at 0 and 1
    assert len(plotting.plot_specialization(axes(), [chain(5)]).lines) == 5 + 1 + 2


@pytest.mark.parametrize("panel", [plotting.plot_error, plotting.plot_overlaps, plotting.plot_matched,
                                   plotting.plot_specialization, plotting.plot_residuals])
def test_a_curve_of_ones_own_joins_the_legend(panel, theory):
    """The entries of a panel are in its Axes, where the next legend() finds them."""
    ax = panel(axes(), [chain(40), theory])
    before = labels(ax) if ax.get_legend() else []
    ax.plot([0.1, 1.0], [0.2, 0.2], label="my own")
    ax.legend()
    assert labels(ax) == [*before, "my own"] and (before or panel is plotting.plot_specialization)


def test_legends_name_the_markers_of_every_simulation(theory):
    """In grey, each with the marker that its curves have."""
    micro = om.simulate(PROBLEM, om.initial.committee(50, K=2, seed=1, readout="sum"), 2.0, "micro", save_at=TIMES)
    for panel in (plotting.plot_matched, plotting.plot_residuals, plotting.plot_overlaps):
        ax = panel(axes(), [micro, chain(1), theory])
        named = {line.get_marker(): line.get_label() for line in ax.lines if line.get_label().endswith("$N = 50$")}
        drawn = {line.get_marker() for line in ax.lines} - {"None", ""}
        assert set(named) == drawn and set(named.values()) <= set(labels(ax))
        assert {label.split(", ")[-2] for label in named.values()} == {"SGD", "chain"}
    assert all("N = 50" not in label for label in labels(plotting.plot_matched(axes(), [chain(1), theory])))


def test_runs_of_one_kind_are_told_apart():
    """By what differs, else by their number."""
    other = om.simulate(om.Problem(noise=0.1, rates=om.LearningRates(xi_in=2.0)), fresh(0), 2.0, "chain", N=50, seed=3,
                        save_at=TIMES)
    assert labels(plotting.plot_error(axes(), [chain(1), other])) == [
        r"chain, $N = 50$, $\eta = 1$, seed 0", r"chain, $N = 50$, $\eta = 2$, seed 3"]
    same = labels(plotting.plot_error(axes(), [chain(1), chain(1)]))
    assert same == ["run 1: chain, $N = 50$", "run 2: chain, $N = 50$"]


def maps_of(figure):
    return [ax for ax in figure.axes if ax.get_xlabel() == "teacher unit $m$"]


def test_a_diverged_run_has_one_map_a_time():
    problem = om.Problem("linear", rates=om.LearningRates(xi_in=1e4, xi_out=0.1))
    run = om.simulate(problem, fresh(0), 2.0, "chain", N=50, save_at=[0.0, 1.0, 1.5, 2.0])
    assert run.status[0].value == "diverged" and np.isfinite(run.generalization_error).sum() == 1
    (only,) = maps_of(plotting.overview([run]))
    assert only.get_title() == r"$\alpha = 0$"


def test_weak_units_have_all_colours():
    """A perfect student of a graded teacher: every found unit is 1 of −1 to 1."""
    norms = np.array([4.0, 1.0, 0.1])
    start = om.initial.from_overlaps(Q=np.diag(norms), R=np.diag(norms), T=np.diag(norms))
    run = om.simulate(PROBLEM, start, 1.0, "ode", save_at=2)
    image = plotting.plot_overlap_map(axes(), run, 0.0).images[0]
    assert np.allclose(image.get_array(), np.eye(3)) and (image.norm.vmin, image.norm.vmax) == (-1.0, 1.0)


def test_ctrl_c_while_a_picture_is_drawn(theory, tmp_path, monkeypatch):
    """It comes as it is, where Matplotlib's compiled code would change it; no file is left."""
    figure = plotting.overview(theory)
    sent = interrupt(monkeypatch, FigureCanvasAgg, "print_png")
    with pytest.raises(KeyboardInterrupt):
        plotting.save_figure(figure, tmp_path / "x.png")
    assert sent and not list(tmp_path.iterdir())
