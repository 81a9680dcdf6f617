"""Optimal rates: the reverse mode of the drift, the gradient by the knots, and what is found with it."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode.errors import EngineError, OnlineModeError, ParameterError
from onlinemode.kernels.averages.erf_reverse import erf_drift_reverse
from onlinemode.optimal import optimal_schedule
from onlinemode.theory.meanfield import MeanFieldDrift
from onlinemode.theory.optimal_control import Control

START = om.initial.from_overlaps(Q=np.diag([0.25, 0.2]), R=1e-3 * np.array([[0.7, -0.4], [0.3, 0.9]]), T=np.eye(2),
                                 readout="sum")
NOISY = om.Problem(noise=0.1)
X_ALONE = {"xi_in": 0.7}
ALL = {"xi_in": 0.7, "strengths": 0.3, "xi_out": 0.4, "readout": 0.5}


def generic(K, M, P, seed=0):
    """A state without any symmetry."""
    rng = np.random.default_rng(seed)
    W, B = rng.standard_normal((P, 40)), rng.standard_normal((M, 40))
    return om.OrderParameters(G=W @ W.T / 40, S=W @ B.T / 40, T=B @ B.T / 40, strengths=rng.uniform(0.5, 1.0, P),
                              xi_out=rng.standard_normal((K, P)), readout=rng.standard_normal(K),
                              teacher_readout=rng.standard_normal(M))


def drift_at(overlaps, rates, **changes):
    return MeanFieldDrift(om.Problem(rates=om.LearningRates(**rates),
                                     **{"noise": 0.3, "weight_decay": 0.05, "batch": 3} | changes), overlaps)


def reverse(drift, costate, error_weight):
    over_y, over_rates = np.empty(drift.active.size), np.empty(4)
    erf_drift_reverse(drift.full[drift.active], costate, error_weight, drift._system, over_y, over_rates)
    return over_y, over_rates


def differences(function, at, step=1e-3):
    """Derivatives by central differences of fourth order."""
    out = []
    for each in step * np.eye(at.size):
        near, far = function(at + each) - function(at - each), function(at + 2.0 * each) - function(at - 2.0 * each)
        out.append((8.0 * near - far) / (12.0 * step))
    return np.array(out)


def far(one, other):
    """Largest difference in units of the largest entry."""
    return np.abs(one - other).max() / np.abs(other).max()


# -- reverse mode -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rates", [X_ALONE, ALL], ids=["X alone", "all factors"])
@pytest.mark.parametrize("sizes", [(2, 3, 4), (4, 2, 3), (3, 3, 1)])
def test_reverse_mode_is_the_derivative_of_the_drift(sizes, rates):
    drift = drift_at(generic(*sizes), rates)
    y = drift.full[drift.active]
    costate = np.random.default_rng(1).standard_normal(y.size)

    def weighted(y):
        return costate @ drift(y) + 0.7 * drift.last_error

    expected = differences(weighted, y)
    assert far(reverse(drift, costate, 0.7)[0], expected) < 1e-9
    # wrong ones: without ε_g, with the η² term of other batches, 10 % more noise
    assert far(reverse(drift, costate, 0.0)[0], expected) > 1e-4
    assert far(reverse(drift_at(generic(*sizes), rates, batch=2), costate, 0.7)[0], expected) > 1e-3
    assert far(reverse(drift_at(generic(*sizes), rates, noise=0.33), costate, 0.7)[0], expected) > 1e-5


def test_derivatives_by_the_rates():
    state = generic(2, 3, 4)
    drift = drift_at(state, ALL)
    costate = np.random.default_rng(1).standard_normal(drift.active.size)
    _, found = reverse(drift, costate, 0.7)

    def weighted(rates):
        other = drift_at(state, dict(zip(ALL, rates)))
        return costate @ other(other.full[other.active])

    expected = differences(weighted, np.array(list(ALL.values())), 0.05)
    assert far(found, expected) < 1e-10
    assert far(1.1 * found, expected) > 1e-2


def test_the_locally_optimal_rate_is_that_of_the_closed_form():
    """a/(2b) of docs/theory, section 14.6, in plain NumPy; V is that of the drift's η² term."""
    state = generic(3, 2, 4)
    As = state.xi_out * state.strengths
    fields = np.concatenate([As @ np.concatenate([state.G, state.S], 1),
                             np.concatenate([state.S.T, state.T], 1)])  # of h with (u, ν)
    C = np.concatenate([fields[:, :4] @ As.T, fields[:, 4:]], 1)
    w = np.concatenate([state.readout, -state.teacher_readout])
    determinant = np.outer(1.0 + np.diag(C)[:3], 1.0 + np.diag(C)) - C[:3]**2
    F = 2.0 / np.pi * np.outer(state.readout, w) / np.sqrt(determinant)
    F[:, :3] -= np.diag((F * C[:3]).sum(1) / (1.0 + np.diag(C)[:3]))
    E = As @ As.T
    a = np.trace(E @ F @ C @ F.T)
    one, small = (drift_at(state, {"xi_in": rate}, weight_decay=0.0, batch=1).at_start()[0] for rate in (1.0, 1e-6))
    f2 = one - small / 1e-6  # (As)ᵀ V As, to 1e-6
    V = np.linalg.pinv(As.T) @ f2 @ np.linalg.pinv(As)
    b = 0.5 * np.sum(F[:, :3] * (E @ V @ E))
    problem = om.Problem(noise=0.3, rates=om.LearningRates(xi_in=1.0))
    control = Control(problem, state, [0.0, 1.0], "xi_in", "final")
    assert control.first_greedy_rate((0.0, np.inf)) == pytest.approx(a / (2.0 * b), rel=1e-4)
    assert control.first_greedy_rate((0.0, 0.01)) == 0.01


# -- runs and their gradient ------------------------------------------------------------------------------


VARIED = om.Problem(noise="steps:0.3,1.3=0.1", weight_decay=lambda a: 0.02 * np.cos(a) ** 2, batch=2,
                    rates=om.LearningRates(xi_in=1.0, strengths=0.2, readout="inverse:0.3,2")).sampled(4.0)
KNOTS = np.array([0.0, 0.7, 2.0, 4.0])
VALUES = np.array([0.3, 0.6, 0.4, 0.2])


@pytest.mark.parametrize("objective", ["final", "mean"])
def test_the_gradient_is_that_of_differences(objective, monkeypatch):
    control = Control(VARIED, generic(2, 3, 4), KNOTS, "xi_in", objective)
    value, gradient = control.value_and_gradient(VALUES)
    expected = differences(control.value, VALUES)
    assert value == control.value(VALUES)
    assert np.abs(gradient - expected).max() < 1e-9
    backward = Control._backward

    def wrong(self, values):  # costates 10 % too large on the way back
        self._weights = tuple(1.1 * each for each in self._weights)
        return backward(self, values)

    monkeypatch.setattr(Control, "_backward", wrong)
    assert np.abs(control.value_and_gradient(VALUES)[1] - expected).max() > 1e-2


def test_runs_are_those_of_the_engine():
    schedule = om.Schedule.linear(dict(zip(KNOTS.tolist(), VALUES.tolist())))
    problem = replace(VARIED, rates=replace(VARIED.rates, xi_in=schedule))
    control = Control(VARIED, generic(2, 3, 4), KNOTS, "xi_in", "final", 0.02)
    path = control.path(VALUES)
    ode = om.simulate(problem, generic(2, 3, 4), 4.0, "ode", save_at=path.alpha, rtol=1e-10, atol=1e-13)
    assert path.generalization_error == pytest.approx(ode.generalization_error[0], rel=1e-8)
    mean = Control(VARIED, generic(2, 3, 4), KNOTS, "xi_in", "mean", 0.02)
    assert np.exp(mean.value(VALUES)) == pytest.approx(np.trapezoid(path.generalization_error, path.alpha) / 4.0,
                                                       rel=1e-4)


# -- what is found ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def best():
    return optimal_schedule(NOISY, START, 150.0)


def test_through_a_plateau(best):
    """docs/theory, section 14.6, two units."""
    assert best.converged
    assert best.constant_error == pytest.approx(4.49e-3, rel=3e-3)
    assert best.error == pytest.approx(6.645e-4, rel=3e-3)
    assert best.greedy.error == pytest.approx(1.264e-2, rel=3e-3)  # has not left the plateau
    assert best.greedy.control[-1] < 0.02
    ode = om.simulate(best.problem, START, 150.0, "ode")
    assert ode.generalization_error[0, -1] == pytest.approx(best.error, rel=1e-4)


def test_pontryagins_rate_is_met_in_the_middle(best):
    middle = (best.path.alpha > 25.0) & (best.path.alpha < 85.0)
    assert best.stationary_rate[middle] == pytest.approx(best.path.control[middle], rel=1e-3)
    of_error = best.greedy.control[middle]  # with the gradient of ε_g in place of the costate
    assert np.abs(of_error - best.path.control[middle]).min() > 1.0


def test_the_chain_has_the_gain():
    """At N = 2,000 from a start whose plateau ends by itself, not by the noise of the samples."""
    start = om.initial.from_overlaps(Q=np.diag([0.25, 0.2]), R=[[0.07, -0.04], [0.03, 0.09]], T=np.eye(2),
                                     readout="sum")
    found = optimal_schedule(NOISY, start, 80.0, knots=16)
    constant = om.Problem(noise=0.1, rates=om.LearningRates(xi_in=found.constant_control))
    means = [om.simulate(problem, start, 80.0, "chain", N=2000, replicas=8, seed=5, save_at=[80.0],
                         threads=1).generalization_error.mean() for problem in (found.problem, constant)]
    assert found.constant_error > 4.0 * found.error
    assert means[0] == pytest.approx(found.error, rel=0.06)
    assert means[1] == pytest.approx(found.constant_error, rel=0.06)


def test_bounds_hold_and_cost():
    loose = optimal_schedule(NOISY, START, 40.0, knots=6)
    tight = optimal_schedule(NOISY, START, 40.0, knots=6, bounds=(0.5, 0.8))
    assert tight.path.control.min() == 0.5
    assert tight.path.control.max() <= 0.8
    assert tight.greedy.control.min() == 0.5
    assert loose.error < tight.error


def test_the_mean_as_the_objective():
    final, mean = (optimal_schedule(NOISY, START, 40.0, knots=6, objective=each) for each in ("final", "mean"))
    assert mean.path.generalization_error.mean() < final.path.generalization_error.mean()
    assert final.error < mean.error


def test_a_single_unit_without_a_plateau():
    start = om.initial.from_overlaps(Q=[[0.3]], R=[[0.1]], T=[[1.0]], readout="sum")
    found = optimal_schedule(NOISY, start, 30.0, knots=12)
    assert found.error < found.constant_error
    assert found.error < found.greedy.error * (1.0 + 1e-3)


# -- what is refused --------------------------------------------------------------------------------------


NEAR = om.initial.from_overlaps(Q=[[0.9]], R=[[0.9]], T=[[1.0]], readout="sum")
REFUSED = {
    "rounding": (lambda: optimal_schedule(om.Problem(), NEAR, 200.0), ParameterError,
                 r"ε_g must stay above 1e-14 .*it falls to .*at α = 200: give a smaller alpha, or noise"),
    "relu": (lambda: optimal_schedule(om.Problem("relu"), START, 10.0), EngineError, "known for erf units.*got relu"),
    "teacher": (lambda: optimal_schedule(om.Problem(teacher_activation="linear"), START, 10.0), EngineError,
                "got erf, of the teacher linear"),
    "loss": (lambda: optimal_schedule(om.Problem(loss="huber"), START, 10.0), EngineError, "loss huber"),
    "sphere": (lambda: optimal_schedule(om.Problem(constraint="sphere"), START, 10.0), EngineError, "no constraints"),
    "dropout": (lambda: optimal_schedule(om.Problem(dropout=0.2), START, 10.0), EngineError,
                "rate knows no dropout; got dropout 0.2"),
    "inputs": (lambda: optimal_schedule(om.Problem(inputs=om.inputs.PowerLaw(1.0)), START, 10.0), EngineError,
               "independent entries"),
    "problem": (lambda: optimal_schedule("erf", START, 10.0), ParameterError, "problem must be"),
    "start": (lambda: optimal_schedule(NOISY, [1.0], 10.0), ParameterError, "start must be one start"),
    "alpha": (lambda: optimal_schedule(NOISY, START, 0.0), ParameterError, "alpha must be a finite number > 0"),
    "knots": (lambda: optimal_schedule(NOISY, START, 1.0, knots=1), ParameterError, "knots must be a whole number ≥ 2"),
    "bounds": (lambda: optimal_schedule(NOISY, START, 1.0, bounds=3.0), ParameterError, "bounds must be the least"),
    "order": (lambda: optimal_schedule(NOISY, START, 1.0, bounds=(2, 1)), ParameterError, "upper bound must be .* > 2"),
    "over": (lambda: optimal_schedule(NOISY, START, 1.0, over="readout"), ParameterError, "over must be"),
    "objective": (lambda: optimal_schedule(NOISY, START, 1.0, objective="sum"), ParameterError, "objective must be"),
    "memory": (lambda: optimal_schedule(NOISY, START, 1e12), EngineError, "needs about .*give a smaller alpha"),
    "divergence": (lambda: optimal_schedule(NOISY, START, 20.0, bounds=(1e6, 2e6)), ParameterError,
                   "diverge at every constant rate"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, kind, words = REFUSED[name]
    with pytest.raises(kind, match=words) as caught:
        call()
    assert isinstance(caught.value, OnlineModeError)
    assert "\n" not in str(caught.value)


# -- how it looks -----------------------------------------------------------------------------------------


def test_the_record(best):
    text = repr(best)
    assert text.startswith("OptimalSchedule: ε_g at the end to α = 150\n")
    assert "6.76 times less" in text
    assert "<table>" in best._repr_html_()
    assert best.problem.rates.xi_in == best.schedule
    assert om.Schedule.parse(best.schedule.word) == best.schedule
    assert best.schedule(best.path.alpha) == pytest.approx(best.path.control)
    assert len(best.schedule.numbers) == 64
    assert best.constant_control == pytest.approx(1.103, abs=2e-3)
    assert om.optimal_schedule is optimal_schedule


def test_the_picture(best, tmp_path):
    figure = best.plot(tmp_path / "best.png", "two units")
    assert isinstance(figure, Figure)
    assert (tmp_path / "best.png").stat().st_size > 10_000
    left, right = figure.axes
    for ax, name in ((left, "control"), (right, "generalization_error")):
        drawn = [line.get_ydata() for line in ax.lines]
        assert all(np.array_equal(one, getattr(path, name))
                   for one, path in zip(drawn, (best.constant, best.greedy, best.path), strict=True))


def test_the_command(onlinemode, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ("--init", "committee", "--K", 2, "--N", 1000, "--noise", 0.1, "--alpha", 20, "--knots", 5)
    code, out, err = onlinemode("optimal", *options, "--out", "best")
    assert code == 0, err
    assert (tmp_path / "best.png").exists()
    word = re.search(r"--eta (linear:\S+)", out)[1]
    assert f'eta = "{word}"' in (tmp_path / "best.toml").read_text("utf-8")
    error = float(re.search(r"optimal +\S+ +\S+ +(\S+)", out)[1])
    code, _, err = onlinemode("ode", "--config", "best.toml", "--no-plot", "-q", "--out", "run")
    assert code == 0, err
    assert om.load("run.npz").generalization_error[0, -1] == pytest.approx(error, rel=2e-3)
    (tmp_path / "fading.py").write_text("def noise(a):\n    return 0.1 / (1.0 + a)\n", "utf-8")
    code, out, err = onlinemode("optimal", *options, "--noise", "fading.py:noise", "--json", "--no-plot", "--out",
                                "own")
    assert code == 0, err
    assert json.loads(out)["converged"]
    assert "# noise was a function of your own: give it again, --noise FILE.py:NAME" in (
        tmp_path / "own.toml").read_text("utf-8")
    code, _, err = onlinemode("optimal", *options, "--activation", "relu")
    assert code != 0
    assert "known for erf units" in err
