"""When the replicas of an ensemble fall below a level, and the picture of it beside its law."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting
from onlinemode.errors import ParameterError

PROBLEM = om.Problem(rates=om.LearningRates(xi_in=1.0))
SYMMETRIC = om.initial.from_overlaps(Q=0.1 * np.eye(2), R=np.zeros((2, 2)), T=np.eye(2), readout="sum")


@pytest.fixture(scope="module")
def runs():
    return om.simulate(PROBLEM, SYMMETRIC, 250.0, "chain", N=100, replicas=40, seed=2, save_at=np.arange(251.0))


def test_times_are_those_of_a_known_curve():
    """ln ε_g linear in α is followed exactly, through the first fall, also where it rises again; and to 0."""
    alpha = np.array([0.0, 1.0, 3.0, 4.0])
    errors = np.array([[1.0, np.exp(-1.0), np.exp(-3.0), np.exp(-4.0)], [1.0, 1.0, 1.0, 1.0],
                       [0.1, 0.1, 0.1, 0.1], [1.0, np.exp(-2.0), 1.0, np.exp(-6.0)], [1.0, 1.0, 1.0, 0.0]])
    run = SimpleNamespace(alpha=alpha, generalization_error=errors, draws=5, replicas=5,
                          info=SimpleNamespace(start={"kind": "overlaps"}))
    found = om.escape_times(run, np.exp(-1.5))
    assert found == pytest.approx([1.5, np.nan, 0.0, 0.75, 3.0], nan_ok=True)
    # a level that a saved time has exactly is passed after it
    assert om.escape_times(run, np.exp(-3.0))[0] == pytest.approx(3.0)
    # of a later beginning it is not known when replica 2 fell
    run.alpha = alpha + 1.0
    for kind, advice in (("overlaps", "save α = 0, too$"), ("states", "join what came before")):
        run.info.start["kind"] = kind
        with pytest.raises(ParameterError, match=f"got replica 2 below 0.22.* first saved time, α = 1: {advice}"):
            om.escape_times(run, np.exp(-1.5))
    assert np.isnan(om.escape_times(run, 0.05)[2]) and om.escape_times(run, 0.05)[4] == 4.0


def test_an_ensemble_has_the_mean_of_its_law(runs):
    """Within 4 standard errors of the mean: false alarms 6e-5."""
    law = om.escape_law(PROBLEM, SYMMETRIC, 100, 0.01)
    times = om.escape_times(runs, 0.01)
    assert abs(times.mean() - law.mean) < 4.0 * law.sd / np.sqrt(times.size)
    assert abs(times.mean() - law.at(10**4).mean) > 4.0 * law.sd / np.sqrt(times.size)


def test_picture(runs):
    ax = plotting.plot_escape(Figure().subplots(), runs, level=0.01)
    law, times = om.escape_law(PROBLEM, SYMMETRIC, 100, 0.01), np.sort(om.escape_times(runs, 0.01))
    steps, *lines = ax.lines
    x, y = steps.get_data()
    assert np.array_equal(x[1:-1], times) and y[1:-1] == pytest.approx(np.arange(1, 41) / 40)
    for line in lines:
        assert line.get_ydata() == pytest.approx(law.cdf(line.get_xdata()))
    named = [text.get_text() for text in ax.get_legend().get_texts()]
    assert named[0] == f"40 of chain, $N = 100$: mean {times.mean():.4g} ± {times.std():.3g}"
    assert named[1].startswith(f"law: {law.mean:.4g}") and "0.01" in ax.get_xlabel()
    assert len(plotting.escape_figure([runs], "title").axes) == 2


def test_what_cannot_be_drawn(runs):
    ax, law = Figure().subplots(), om.escape_law(PROBLEM, SYMMETRIC, 100, 0.01)
    theory = om.simulate(PROBLEM, SYMMETRIC, 1.0, "ode")
    with pytest.raises(ParameterError, match="draws ensembles of simulations; there is none among these runs"):
        plotting.plot_escape(ax, theory)
    with pytest.raises(ParameterError, match="needs a law for each ensemble, 1; got 2"):
        plotting.plot_escape(ax, runs, [law, law])
    with pytest.raises(ParameterError, match="the law is that of ε_g < 0.01; got level = 0.02"):
        plotting.plot_escape(ax, runs, law, 0.02)
    random = om.simulate(PROBLEM, om.initial.committee(100, K=2, readout="sum"), 1.0, "chain", replicas=2)
    with pytest.raises(ParameterError, match="no law of escape at N = 100: .* leaves the plateau without noise"):
        plotting.plot_escape(ax, random)
    with pytest.raises(ParameterError, match="level must be a finite number > 0"):
        om.escape_times(runs, 0.0)
    few = om.simulate(PROBLEM, SYMMETRIC, 1.0, "chain", N=100, replicas=7, keep="summary", save_at=2)
    with pytest.raises(ParameterError, match='kept 5 of its 7: make it with keep="all"'):
        om.escape_times(few, 0.01)
    # students of their own, without overlaps along the unstable directions
    fresh = om.simulate(PROBLEM, lambda replica: om.initial.from_overlaps(
        Q=(0.1 + 0.1 * replica) * np.eye(2), R=np.zeros((2, 2)), T=np.eye(2), readout="sum"), 1.0, "chain", N=100,
        replicas=2, save_at=2)
    with pytest.raises(ParameterError, match="got 2 replicas with students of their own, each of which has its own"):
        plotting.plot_escape(ax, fresh)
    piece = om.go_on(runs, 251.0, save_at=2)
    with pytest.raises(ParameterError, match=r"a piece that goes on at α = 250: join it"):
        plotting.plot_escape(ax, piece)
    none_out = om.simulate(PROBLEM, SYMMETRIC, 1.0, "chain", N=100, replicas=2, save_at=2)
    assert plotting.plot_escape(Figure().subplots(), none_out, law).get_legend().get_texts()[0].get_text().endswith(
        ": 0 of them out")
    whole = plotting.plot_escape(ax, om.join(runs, piece), law)
    assert whole.lines[0].get_xdata()[1:-1] == pytest.approx(np.sort(om.escape_times(runs, 0.01)))


def test_one_task_of_several_has_no_law():
    start = replace(SYMMETRIC, teacher_readout=np.array([[1.0, 1.0], [1.0, -1.0]]))
    run = om.simulate(replace(PROBLEM, tasks=om.Tasks.in_turn((1, 0), (1.0,))), start, 2.0, "leap", N=1000, save_at=4)
    with pytest.raises(ParameterError, match="one task of several, number 0: simulate it alone"):
        plotting.plot_escape(Figure().subplots(), run.of_task(0), level=0.01)
