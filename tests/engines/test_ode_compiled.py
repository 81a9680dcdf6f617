"""LSODA compiled together with the drift, against that of SciPy."""

import numpy as np
import pytest

import onlinemode as om
from onlinemode.kernels.averages.number_tables import fill_numbers, tabulated
from onlinemode.kernels.integrators import lsoda_coefficients
from onlinemode.kernels.jit import compiled
from onlinemode.theory.meanfield import MeanFieldDrift


def rates(*args):
    return om.LearningRates(*args)


PROBLEMS = {
    "plateau": om.Problem(rates=rates(1.5)),
    "stiff": om.Problem(rates=rates(3.0), weight_decay=3.0, noise=0.1),
    "all factors": om.Problem(rates=rates(1.0, 0.3, 0.3, 0.1), noise=0.1),
    "schedules": om.Problem(rates=rates("steps:1.5,7=0.5,20=1"), noise="power:0.3,5,-0.5"),
    "sphere": om.Problem(rates=rates(1.5), constraint="sphere"),
    "drift": om.Problem(rates=rates(1.5), drift=0.01),
}
TIMES_SAVED = np.linspace(0.0, 60.0, 241)


def rough(alpha):
    return 1.0 + 0.5 * np.sin(5.0 * alpha)


@pytest.fixture
def start():
    return om.initial.committee(1000, K=2, seed=0, readout="sum").order_parameters()


@pytest.mark.parametrize("name", PROBLEMS)
def test_as_of_scipy(name, start):
    """The same evaluations, but for rounding, and the same states."""
    ours, theirs = (om.simulate(PROBLEMS[name], start, 60.0, "ode", save_at=TIMES_SAVED, method=method)
                    for method in ("compiled", "LSODA"))
    assert ours.status == theirs.status and ours.message == theirs.message and ours.info.method == "compiled"
    assert ours.info.evaluations == pytest.approx(theirs.info.evaluations, rel=0.02, abs=8)
    for each in ("Q", "R", "readout"):
        assert np.abs(getattr(ours, each) - getattr(theirs, each)).max() < 2e-9, each
    assert np.ptp(ours.Q) > 1e-3


def test_nothing_converges_before_it_begins(start, monkeypatch):
    """A look at what is left to move takes two evaluations an entry."""
    monkeypatch.setattr("onlinemode.theory.convergence.Convergence._at_rest", lambda *given: pytest.fail("looked"))
    om.simulate(PROBLEMS["plateau"], start, 2.0, "ode", method="compiled")


def test_stiff_equations_take_few_evaluations(start):
    """Backward differences: explicit steps would be bound by stability, and be 20 times as many."""
    run = om.simulate(PROBLEMS["stiff"], start, 1e4, "ode", save_at=3, method="compiled")
    assert run.status == [om.Status.COMPLETED] and run.info.evaluations < 1500


def test_pauses_have_no_influence(start, monkeypatch):
    """A call that ends after each step, for a report, makes the same steps."""
    whole = om.simulate(PROBLEMS["plateau"], start, 60.0, "ode", save_at=TIMES_SAVED, method="compiled")
    monkeypatch.setattr("onlinemode.engines.ode.engine.SECONDS_BETWEEN_REPORTS", 0.0)
    reports = []
    halting = om.simulate(PROBLEMS["plateau"], start, 60.0, "ode", save_at=TIMES_SAVED, method="compiled",
                          progress=reports.append)
    assert np.array_equal(whole.G, halting.G) and whole.info.evaluations == halting.info.evaluations
    assert len(reports) > 50 and reports[-1].fraction == 1.0


@pytest.mark.parametrize("ending", ["converged", "stuck", "no rates"])
def test_endings_as_of_scipy(ending, start, monkeypatch):
    alpha = 1e4 if ending == "converged" else 60.0
    problem = PROBLEMS["plateau"]
    if ending == "stuck":
        monkeypatch.setattr("onlinemode.engines.ode.engine.MOST_EVALUATIONS", 150)
    if ending == "no rates":
        honest = MeanFieldDrift.flow

        def without_rates(drift, *times):
            flow = honest(drift, *times)
            return flow._replace(system=flow.system._replace(teacher_readout=np.full(2, np.nan)))

        monkeypatch.setattr(MeanFieldDrift, "flow", without_rates)
    run = om.simulate(problem, start, alpha, "ode", save_at=[0.0, 1.0, alpha], method="compiled")
    if ending == "no rates":
        assert run.status[0] in (om.Status.DIVERGED, om.Status.FAILED) and np.isnan(run.Q[0, 1:]).all()
        return
    theirs = om.simulate(problem, start, alpha, "ode", save_at=[0.0, 1.0, alpha])
    assert run.status == theirs.status
    assert run.message[0].split("α")[0] == theirs.message[0].split("α")[0]
    assert np.allclose(run.Q, theirs.Q, rtol=1e-8, atol=1e-8, equal_nan=True)
    assert run.status[0] == {"converged": om.Status.CONVERGED, "stuck": om.Status.FAILED}[ending]


@compiled
def numbers_of(table, alpha):
    fill_numbers(table, alpha)


def test_tables_of_numbers():
    """As schedules say them, to 1e-12, on both sides of jumps and kinks."""
    problem = om.Problem(rates=rates("steps:3,10=1,400=0.2", "power:2,3,-0.7", "linear:0=1,30=0", "cosine:1,0.1,77"),
                         noise="exp:1,20,0.1", weight_decay=0.01)
    table = tabulated(problem.numbers_at, problem.breaks, 0.0, 1000.0)
    breaks = np.array(problem.breaks)
    alphas = np.unique(np.concatenate([np.linspace(0.0, 1000.0, 1001)[:-1], np.geomspace(1e-6, 999.0, 400), breaks,
                                       np.nextafter(breaks, 0.0)]))
    for alpha in alphas:
        numbers_of(table, alpha)
        assert np.abs(table.row - problem.numbers_at(alpha)).max() < 2e-12, alpha
    assert table.changing.tolist() == [0, 1, 2, 3, 4]


def test_too_rough_numbers_have_no_table(monkeypatch):
    monkeypatch.setattr("onlinemode.kernels.averages.number_tables.MOST_PIECES", 100)
    assert tabulated(lambda alpha: np.sin(1e6 * alpha)[:, None], (), 0.0, 1000.0) is None


def test_coefficients():
    """Of Adams and Moulton, and of backward differences, as textbooks have them."""
    found = lsoda_coefficients.COEFFICIENTS
    assert found[0, 1:5, 0] == pytest.approx([1.0, 1 / 2, 5 / 12, 3 / 8])
    assert found[1, 1:6, 0] == pytest.approx([1.0, 2 / 3, 6 / 11, 12 / 25, 60 / 137])


@pytest.mark.parametrize("problem, words", [
    (dict(dropout=0.2), "method compiled is not for dropout; got .*: take LSODA"),
    (dict(inputs=om.inputs.PowerLaw(1.0)), "method compiled is not for inputs with a covariance; got PowerLaw"),
    (dict(rates=rates(rough)), "fine structure")])
def test_what_is_not_compiled_as_a_whole_is_refused(problem, words, monkeypatch):
    monkeypatch.setattr("onlinemode.kernels.averages.number_tables.MOST_PIECES", 2)
    with pytest.raises(om.errors.EngineError, match=words):
        om.simulate(om.Problem(**problem), om.initial.committee(100, K=2), 60.0, "ode", method="compiled")
