"""Optimal shares of two tasks, and of hidden units that dropout keeps: gradients, and what is found with them."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import onlinemode as om
from onlinemode.errors import EngineError, OnlineModeError, ParameterError
from onlinemode.optimal import optimal_schedule
from onlinemode.theory.controls import KeptUnits, ShareOfTask
from onlinemode.theory.optimal_control import Control

X_ALONE = om.LearningRates(xi_in=0.6)
ALL = om.LearningRates(xi_in=0.6, strengths=0.2, xi_out=0.1, readout="inverse:0.3,2")
KNOTS = np.array([0.0, 0.7, 2.0, 4.0])


def generic(K, heads=None):
    """A state without any symmetry; with heads of two tasks."""
    rng = np.random.default_rng(K)
    W, B = rng.standard_normal((4, 40)), rng.standard_normal((3, 40))
    readout, teacher = rng.standard_normal((2, K)), rng.standard_normal((2, 3))
    of_tasks = heads is not None
    return om.OrderParameters(G=W @ W.T / 40, S=W @ B.T / 40, T=B @ B.T / 40, strengths=rng.uniform(0.5, 1.0, 4),
                              xi_out=rng.standard_normal((K, 4)), readout=readout if heads else readout[0],
                              teacher_readout=teacher if of_tasks else teacher[0])


def differences(function, at, step=1e-3):
    """Derivatives by central differences of fourth order."""
    out = []
    for each in step * np.eye(at.size):
        near, far = function(at + each) - function(at - each), function(at + 2.0 * each) - function(at - 2.0 * each)
        out.append((8.0 * near - far) / (12.0 * step))
    return np.array(out)


def varied(**changes):
    """With other numbers that depend on time, and jump."""
    return om.Problem(noise="steps:0.3,1.3=0.1", weight_decay="exp:0.02,3", batch=2, **changes)


# -- gradients ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("heads", [(), (0, 1)], ids=["one head", "two heads"])
@pytest.mark.parametrize("objective", ["final", "mean"])
def test_the_gradient_by_shares_of_tasks(heads, objective, monkeypatch):
    tasks = om.Tasks((1, 1), heads or None, noise=(0.1, "steps:0.4,1.3=0.2"))
    control = Control(varied(rates=ALL, tasks=tasks), generic(2, heads), KNOTS, "task", objective, weights=(1, 3))
    values = np.array([0.3, 0.8, 0.1, 0.6])
    _, gradient = control.value_and_gradient(values)
    expected = differences(control.value, values)
    assert np.abs(gradient - expected).max() < 1e-9
    monkeypatch.setattr(ShareOfTask, "over_values", lambda self, values, rates, shares: shares[..., 1])
    assert np.abs(control.value_and_gradient(values)[1] - expected).max() > 1e-2  # the other share moves, too


@pytest.mark.parametrize("rates", [X_ALONE, ALL], ids=["X alone", "all factors"])
@pytest.mark.parametrize("values", [[0.3, 0.8, 0.4, 0.6], [1.0, 0.0, 0.0, 1.0]], ids=["inside", "at bounds"])
def test_the_gradient_by_what_is_kept(rates, values, monkeypatch):
    control, values = Control(varied(rates=rates), generic(2), KNOTS, "keep", "final"), np.array(values)
    _, gradient = control.value_and_gradient(values)
    expected = differences(control.value, values)
    assert np.abs(gradient - expected).max() < 1e-9
    over_end = KeptUnits.over_end
    monkeypatch.setattr(KeptUnits, "over_end", lambda self, *given: (over_end(self, *given)[0], 0.0))
    assert np.abs(control.value_and_gradient(values)[1] - expected).max() > 1e-2  # the end is damped by the last knot


@pytest.mark.parametrize("over, K", [("task", 2), ("keep", 3)])
def test_runs_are_those_of_the_engine(over, K):
    values = np.array([0.3, 0.8, 0.4, 0.6])
    number, other = (om.Schedule.linear(dict(zip(KNOTS.tolist(), each.tolist()))) for each in (values, 1.0 - values))
    if over == "task":
        start, problem = generic(K, (0, 1)), varied(rates=ALL, tasks=om.Tasks((other, number), (0, 1)))
    else:
        start, problem = generic(K), varied(rates=ALL, dropout=other)
    path = Control(problem, start, KNOTS, over, "final", 0.02).path(values)
    ode = om.simulate(problem, start, 4.0, "ode", save_at=path.alpha, rtol=1e-10, atol=1e-13)
    if over == "task":
        assert path.task_errors == pytest.approx(ode.task_errors[0], rel=1e-8)
        assert path.generalization_error == pytest.approx(ode.task_errors[0].mean(-1), rel=1e-8)
    else:
        assert path.task_errors is None
        assert path.generalization_error == pytest.approx(ode.generalization_error[0], rel=1e-8)


# -- what is found -----------------------------------------------------------------------------------------


def two_tasks():
    """Four units, two of them of each task, cosine 0.6 between the tasks; heads that are not trained."""
    T = np.eye(4)
    T[[0, 1, 2, 3], [2, 3, 0, 1]] = 0.6
    return om.OrderParameters(G=0.2 * np.eye(4), S=0.01 * np.random.default_rng(0).standard_normal((4, 4)), T=T,
                              strengths=np.ones(4), xi_out=np.eye(4), readout=[[1, 1, 0.3, 0.3], [0.3, 0.3, 1, 1]],
                              teacher_readout=[[1, 1, 0, 0], [0, 0, 1, 1]])


MIXED = om.Problem(noise=0.1, rates=X_ALONE, tasks=om.Tasks((1, 1), (0, 1)))


@pytest.fixture(scope="module")
def mixing():
    return optimal_schedule(MIXED, two_tasks(), 200.0, knots=24, over="task")


def test_tasks_are_mixed_best(mixing):
    """docs/theory, section 14.6: less than even shares, and than any constant ones."""
    even = Control(MIXED, two_tasks(), [0.0, 200.0], "task", "final").value(np.full(2, 0.5))
    assert mixing.converged
    assert np.exp(even) == pytest.approx(1.988e-2, rel=3e-3)
    assert mixing.constant_error == pytest.approx(1.327e-2, rel=3e-3)
    assert mixing.error == pytest.approx(1.245e-2, rel=3e-3)
    ode = om.simulate(mixing.problem, two_tasks(), 200.0, "ode", save_at=[200.0])
    assert ode.task_errors[0, -1].mean() == pytest.approx(mixing.error, rel=1e-4)
    assert mixing.path.task_errors[-1] == pytest.approx(ode.task_errors[0, -1], rel=1e-3)


def test_the_schedule_of_tasks(mixing):
    share, other = mixing.problem.tasks.shares[::-1]
    assert mixing.schedule == share
    assert om.Schedule.parse(share.word) == share
    assert share(mixing.path.alpha) + other(mixing.path.alpha) == pytest.approx(1.0, abs=1e-12)
    assert mixing.problem.shares_at(mixing.path.alpha)[:, 1] == pytest.approx(mixing.path.control, abs=1e-12)
    assert mixing.greedy is None and mixing.stationary_rate is None
    assert "best constant share" in repr(mixing) and "mean ε_g of two tasks at the end" in repr(mixing)


def test_weights_of_tasks(mixing):
    first = optimal_schedule(MIXED, two_tasks(), 40.0, knots=4, over="task", weights=(1, 0))
    second = optimal_schedule(MIXED, two_tasks(), 40.0, knots=4, over="task", weights=(0, 2), bounds=(0.1, 0.9))
    assert first.error == first.path.task_errors[-1, 0]
    assert second.error == second.path.task_errors[-1, 1]
    assert first.path.control.max() < 0.2 and second.path.control.min() >= 0.1 and second.path.control.max() == 0.9


def test_the_chain_has_the_gain_of_tasks():
    """At N = 2,000, one unit a task that learns only its own, which the other disturbs."""
    start = om.OrderParameters(G=0.3 * np.eye(2), S=[[0.2, 0.1], [0.05, 0.15]], T=[[1.0, 0.5], [0.5, 1.0]],
                               strengths=np.ones(2), xi_out=np.eye(2), readout=[[1.0, 0.4], [0.4, 1.0]],
                               teacher_readout=[[1.0, 0.0], [0.0, 1.0]])
    begin = om.Problem(rates=om.LearningRates(xi_in=1.0), tasks=om.Tasks((1, 1), (0, 1), noise=(0.1, 0.6)))
    found = optimal_schedule(begin, start, 20.0, knots=6, over="task")
    even = replace(begin, tasks=replace(begin.tasks, shares=(0.5, 0.5)))
    means = [om.simulate(problem, start, 20.0, "chain", N=2000, replicas=24, seed=5, save_at=[20.0],
                         threads=1).task_errors[:, -1].mean() for problem in (found.problem, even)]
    assert means[1] > 1.1 * means[0]
    assert means[0] == pytest.approx(found.error, rel=0.04)


NOISY = om.Problem(noise=0.3, rates=om.LearningRates(xi_in=0.3, readout=0.3))
TOO_LARGE = om.initial.from_overlaps(Q=np.diag([0.2, 0.22]), R=[[0.02], [0.04]], T=[[1.0]], readout="sum")


@pytest.fixture(scope="module")
def keeping():
    return optimal_schedule(NOISY, TOO_LARGE, 60.0, knots=6, over="keep")


def test_a_student_that_is_too_large_keeps_less(keeping):
    """Two units for one, noise: less than the best constant share leaves, whose error is no larger than that of all."""
    none = om.simulate(NOISY, TOO_LARGE, 60.0, "ode", save_at=[60.0]).generalization_error[0, -1]
    assert keeping.error < 0.9 * keeping.constant_error
    assert keeping.constant_error <= none
    assert 0.0 <= keeping.path.control.min() < 0.9 < keeping.path.control.max() <= 1.0
    assert keeping.schedule(keeping.path.alpha) == pytest.approx(keeping.path.control, abs=1e-6)
    assert keeping.problem.dropout(0.0) == pytest.approx(1.0 - keeping.path.control[0])
    ode = om.simulate(keeping.problem, TOO_LARGE, 60.0, "ode", save_at=[60.0])
    assert ode.generalization_error[0, -1] == pytest.approx(keeping.error, rel=1e-4)


def test_the_chain_has_the_gain_of_dropout(keeping):
    constant = replace(NOISY, dropout=1.0 - keeping.constant_control)
    means = [om.simulate(problem, TOO_LARGE, 60.0, "chain", N=2000, replicas=16, seed=5, save_at=[60.0],
                         threads=1).generalization_error.mean() for problem in (keeping.problem, constant)]
    assert means[0] == pytest.approx(keeping.error, rel=0.05)
    assert means[1] == pytest.approx(keeping.constant_error, rel=0.05)


def test_a_student_of_the_right_size_keeps_all():
    """Without noise nothing is better than no dropout: the search says so."""
    R = 0.05 * np.random.default_rng(1).standard_normal((2, 2))
    start = om.initial.from_overlaps(Q=np.diag([0.2, 0.22]), R=R, T=np.eye(2), readout="sum")
    found = optimal_schedule(om.Problem(rates=om.LearningRates(xi_in=0.3)), start, 100.0, knots=4, over="keep")
    assert found.constant_control == 1.0
    assert np.all(found.path.control == 1.0)
    assert found.error == found.constant_error


# -- what is refused ---------------------------------------------------------------------------------------


ONE = om.initial.from_overlaps(Q=[[0.9]], R=[[0.9]], T=[[1.0]], readout="sum")
LEARNING = om.Problem(rates=om.LearningRates(xi_in=1.0))
SAME = om.OrderParameters(G=[[0.9]], S=[[0.9]], T=[[1.0]], strengths=[1.0], xi_out=[[1.0]], readout=[1.0],
                          teacher_readout=[[1.0], [1.0]])
REFUSED = {
    "one task": (lambda: optimal_schedule(LEARNING, ONE, 9.0, over="task"), ParameterError,
                 "needs a problem with two tasks.*got 1"),
    "three tasks": (lambda: optimal_schedule(replace(MIXED, tasks=om.Tasks((1, 1, 1))), ONE, 9.0, over="task"),
                    ParameterError, "two tasks.*got 3"),
    "rate of tasks": (lambda: optimal_schedule(MIXED, two_tasks(), 9.0), ParameterError,
                      "over = 'xi_in' is for one task; got 2"),
    "keep of tasks": (lambda: optimal_schedule(MIXED, two_tasks(), 9.0, over="keep"), ParameterError,
                      "over = 'keep' is for one task; got 2"),
    "rounding of tasks": (lambda: optimal_schedule(om.Problem(rates=om.LearningRates(xi_in=1.0),
                                                              tasks=om.Tasks((1, 1))), SAME, 200.0, over="task"),
                          ParameterError, "must stay above 1e-14"),
    "rounding of keep": (lambda: optimal_schedule(LEARNING, ONE, 200.0, over="keep"), ParameterError,
                         "must stay above 1e-14"),
    "no learning": (lambda: optimal_schedule(om.Problem(), ONE, 9.0, over="keep"), ParameterError,
                    "must learn for its keep to matter"),
    "mean of keep": (lambda: optimal_schedule(LEARNING, ONE, 9.0, over="keep", objective="mean"), ParameterError,
                     "knows the error at the end alone"),
    "modes": (lambda: optimal_schedule(replace(LEARNING, mode_dropout=0.1), ONE, 9.0, over="keep"), EngineError,
              "no dropout; got mode dropout 0.1"),
    "dropout of tasks": (lambda: optimal_schedule(replace(MIXED, dropout=0.1), two_tasks(), 9.0, over="task"),
                         EngineError, "of the share knows no dropout; got dropout 0.1"),
    "units": (lambda: optimal_schedule(LEARNING, om.initial.committee(100, K=9, seed=1), 9.0, over="keep"), EngineError,
              "at most 8 units; got 9"),
    "relu": (lambda: optimal_schedule(replace(MIXED, activation="relu"), two_tasks(), 9.0, over="task"), EngineError,
             "known for erf units"),
    "bounds": (lambda: optimal_schedule(MIXED, two_tasks(), 9.0, over="task", bounds=(0, 1.5)), ParameterError,
               "upper bound must be .* > 0 and ≤ 1; got 1.5"),
    "weights": (lambda: optimal_schedule(MIXED, two_tasks(), 9.0, over="task", weights=(1,)), ParameterError,
                "weights must be of two tasks"),
    "no weight": (lambda: optimal_schedule(MIXED, two_tasks(), 9.0, over="task", weights=(0, 0)), ParameterError,
                  "must not both be 0"),
    "weights of one": (lambda: optimal_schedule(LEARNING, ONE, 9.0, weights=(1, 1)), ParameterError,
                       "weights are of the errors of two tasks"),
    "start": (lambda: optimal_schedule(MIXED, ONE, 9.0, over="task"), ParameterError, "teacher_readout must have"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, kind, words = REFUSED[name]
    with pytest.raises(kind, match=words) as caught:
        call()
    assert isinstance(caught.value, OnlineModeError)
    assert "\n" not in str(caught.value)


# -- how it looks ------------------------------------------------------------------------------------------


def test_the_picture(mixing, keeping, tmp_path):
    left, right = mixing.plot(tmp_path / "mixing.png").axes
    drawn = [line.get_ydata() for line in left.lines]
    assert all(map(np.array_equal, drawn, (mixing.constant.control, mixing.path.control)))
    assert len(right.lines) == 6  # of both, the mean and either task
    left, right = keeping.plot().axes
    assert (left.get_ylabel(), len(right.lines)) == ("share of units that are kept", 2)


def test_the_command(onlinemode, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ("--init", "committee", "--K", 2, "--M", 1, "--N", 1000, "--noise", 0.3, "--eta", 0.3, "--alpha", 10,
               "--knots", 3, "--over", "keep")
    code, out, err = onlinemode("optimal", *options, "--out", "best")
    assert code == 0, err
    assert (tmp_path / "best.png").exists()
    word = re.search(r"--dropout (linear:\S+)", out)[1]
    assert f'dropout = "{word}"' in (tmp_path / "best.toml").read_text("utf-8")
    error = float(re.search(r"optimal +\S+ +\S+ +(\S+)", out)[1])
    code, _, err = onlinemode("ode", "--config", "best.toml", "--no-plot", "-q", "--out", "run")
    assert code == 0, err
    assert om.load("run.npz").generalization_error[0, -1] == pytest.approx(error, rel=2e-3)
    code, out, err = onlinemode("optimal", *options, "--largest", 0.9, "--json", "--no-plot", "--out", "own")
    assert code == 0, err
    said = json.loads(out)
    assert (said["over"], said["option"], said["greedy_error"]) == ("keep", "--dropout", None)
    code, _, err = onlinemode("optimal", *options, "--dropout", 0.1)
    assert code == 2 and "--dropout is what is looked for with --over keep" in err
    code, _, err = onlinemode("optimal", *options[:-1], "task")
    assert code != 0 and "needs a problem with two tasks" in err
