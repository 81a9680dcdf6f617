"""Where an integration of engine ode ends early: with nothing left to move, and only there."""

import numpy as np
import pytest
from ode_convergence import error, random_problem

import onlinemode as om

COMMITTEE = om.Problem(rates=om.LearningRates(xi_in=1.5))


@pytest.fixture
def plateau_start():
    return om.initial.committee(1000, K=2, seed=0, readout="sum")


def test_early_convergence_keeps_the_grid(plateau_start):
    """Past convergence the last state is held, to the last time."""
    times = np.linspace(0.0, 1000.0, 501)
    run = om.simulate(COMMITTEE, plateau_start, 1000.0, "ode", save_at=times)
    assert run.status == [om.Status.CONVERGED]
    assert np.array_equal(run.alpha, times)
    when = float(run.message[0].split("α = ")[1].split(" ")[0])
    assert 250.0 < when < 600.0
    assert "the last state is held from there on" in run.message[0]
    held = times >= when
    assert np.ptp(run.G[0, held], axis=0).max() == 0.0
    assert np.all(run.generalization_error[0, held] < 1e-12)
    assert np.all(np.isfinite(run.G))
    assert np.abs(run.Q[0, -1] - np.eye(2)).max() < 5e-9


CONVERGING = {
    "sum": (COMMITTEE, lambda: om.initial.committee(1000, K=2, seed=0, readout="sum"), 1000.0),
    "K = M = 4, sum": (om.Problem(rates=om.LearningRates(xi_in=0.5)),
                       lambda: om.initial.committee(1000, K=4, seed=0, readout="sum"), 1000.0),
    "K = M = 4, mean": (om.Problem(rates=om.LearningRates(xi_in=5.0)), lambda: om.initial.committee(1000, K=4, seed=0),
                        2000.0),
    "graded": (om.Problem(rates=om.LearningRates(xi_in=5.0)), lambda: om.initial.graded(1000, K=4, seed=0), 4000.0),
    "showcase": (om.Problem(rates=om.LearningRates(xi_in=3.0)), lambda: om.initial.showcase(1000, seed=1), 1000.0),
    "all factors": (om.Problem(rates=om.LearningRates(3.0, 1.0, 1.0, 1.0)),
                    lambda: om.initial.showcase(1000, seed=1), 2000.0),
    "more units than the teacher": (om.Problem(rates=om.LearningRates(xi_in=1.0)),
                                    lambda: om.initial.committee(1000, K=3, M=2, seed=0, readout="sum"), 2000.0)}


@pytest.mark.parametrize("method", ["LSODA", "DOP853"])
@pytest.mark.parametrize("case", CONVERGING)
def test_the_end_of_a_converging_run(case, method):
    """Q, R and ε_g at the last α within a few rtol = 1e-9 of a run of smaller tolerances, stopped early or not."""
    problem, start, alpha = CONVERGING[case]
    start = start()
    run, exact = (om.simulate(problem, start, alpha, "ode", save_at=[0.0, alpha], **options)
                  for options in ({"method": method}, {"method": "DOP853", "rtol": 1e-12, "atol": 1e-15}))
    scale = np.abs(exact.Q[0, -1]).max()
    assert exact.generalization_error[0, -1] < 1e-10
    for name in ("Q", "R"):
        assert np.abs(getattr(run, name)[0, -1] - getattr(exact, name)[0, -1]).max() < 5e-9 * scale
    assert abs(run.generalization_error[0, -1] - exact.generalization_error[0, -1]) < 1e-10


def test_directions_without_a_force_do_not_run_on():
    """X, s, A and v scale each other: rates of rounding there would add up over α = 10^9 and keep the solver busy."""
    near = om.initial.from_overlaps((1.0 + 1e-7) * np.eye(2), np.eye(2), np.eye(2), readout="sum")
    run = om.simulate(om.Problem(rates=om.LearningRates(1.0, 1.0, 1.0, 1.0)), near, 1e9, "ode", save_at=3)
    assert run.status == [om.Status.CONVERGED] and run.meta["evaluations"] < 50_000
    assert run.generalization_error[0, -1] < 1e-12


def test_badly_conditioned_directions_do_not_run_on():
    """Errors of the Jacobian would look like growth along them."""
    rng = np.random.default_rng(3)
    B = rng.standard_normal((4, 50)) / 7.0
    X = B + 1e-7 * rng.standard_normal((4, 50)) / 7.0
    start = om.initial.from_overlaps(X @ X.T, X @ B.T, B @ B.T)
    run = om.simulate(om.Problem(rates=om.LearningRates(1.0, 0.0, 0.1, 1.0)), start, 1e7, "ode", save_at=3)
    assert run.status == [om.Status.CONVERGED] and run.meta["evaluations"] < 50_000
    start = om.initial.committee(200, K=4, M=2, seed=1063, readout="sqrt").order_parameters()
    run = om.simulate(om.Problem(rates=om.LearningRates(0.1, 0.0, 0.1, 0.1)), start, 1e8, "ode", save_at=3, rtol=1e-11)
    assert run.status == [om.Status.CONVERGED] and run.meta["evaluations"] < 300_000


def test_a_slow_approach_is_followed_to_its_end():
    """It takes 100,000 evaluations, in thirty looks of which little happens."""
    problem, start, alpha, options = random_problem(17)
    run = om.simulate(problem, start, alpha, "ode", save_at=2, **options)
    assert run.status == [om.Status.CONVERGED]
    assert error(run, om.simulate(problem, start, alpha, "ode", save_at=2, rtol=1e-12, atol=1e-15)) < 3e-8


@pytest.mark.parametrize("seed", [3, 5])
def test_rates_of_rounding_are_none(seed):
    """Divided by the slowest force they would be more than the tolerance."""
    rng = np.random.default_rng(seed)
    B = rng.standard_normal((3, 50)) / 7.0
    X = B + 1e-3 * rng.standard_normal((3, 50)) / 7.0
    start = om.initial.from_overlaps(X @ X.T, X @ B.T, B @ B.T, readout="sum")
    run = om.simulate(om.Problem("linear", rates=om.LearningRates(0.5, 0.1, 0.01, 1.0)), start, 1e9, "ode", save_at=3)
    assert run.status == [om.Status.CONVERGED]


@pytest.mark.parametrize("rates, readout", [((0.5, 0.01, 0.0, 0.1), "mean"), ((0.5, 0.1, 0.0, 0.01), "sum")])
def test_an_explicit_solver_that_goes_to_and_fro(rates, readout):
    """At the limit of its stability it never comes within the tolerance; the end is right all the same."""
    start = om.initial.committee(200, K=1, seed=1, readout=readout).order_parameters()
    problem = om.Problem(rates=om.LearningRates(*rates))
    run = om.simulate(problem, start, 1e6, "ode", save_at=3, method="DOP853")
    assert run.status == [om.Status.CONVERGED] and run.meta["evaluations"] < 50_000
    exact = om.simulate(problem, start, 1e5, "ode", save_at=3, rtol=1e-12, atol=1e-15)
    assert np.abs(run.Q[0, -1] - exact.Q[0, -1]).max() < 1e-7 * exact.Q[0, -1].max()


@pytest.mark.parametrize("activation, rates, apart", [
    ("tanh", 3.0, 5e-7), ("linear", 3.0, 5e-7), ("linear", 3.0, 1e-11), ("erf", 5.0, 5e-7), ("erf", 5.0, 1e-11)])
@pytest.mark.filterwarnings("error")
def test_an_unstable_state_is_no_end(activation, rates, apart):
    """ε_g < 10^-12, but the student leaves its teacher: above the critical rate, which erf units have elsewhere."""
    start = om.initial.from_overlaps([[1.0 + 2.0 * apart + 2.0 * apart**2]], [[1.0 + apart]], [[1.0]], readout="sum")
    problem = om.Problem(activation, rates=om.LearningRates(xi_in=rates))
    run = om.simulate(problem, start, 400.0, "ode", save_at=3)
    assert run.generalization_error[0, 0] < 1e-12
    assert run.status == [om.Status.DIVERGED] or run.generalization_error[0, -1] > 1e-3


def test_nodes_do_not_keep_the_solver_busy():
    """Where the student lies in the teacher's span the averages are not smooth: the tail is left at 1e-5."""
    activation, rates = "tanh", om.LearningRates(xi_in=1.0)
    perfect = om.initial.from_overlaps(np.eye(2), np.eye(2), np.eye(2), readout="sum")
    run = om.simulate(om.Problem(activation, rates=rates), perfect, 1e9, "ode", save_at=3, nodes=1024,
                      averages="nodes")
    assert run.status == [om.Status.CONVERGED] and run.meta["evaluations"] == 0
    run = om.simulate(om.Problem(activation, rates=rates), om.initial.committee(200, K=2, seed=1), 1e5, "ode",
                      save_at=3, nodes=1024, averages="nodes")
    # 1,500 to 15,000, by the rounding of the machine; nearly 2,000,000 where the tail is followed
    assert run.status == [om.Status.CONVERGED] and run.meta["evaluations"] < 100_000
    assert np.abs(run.Q[0, -1] - run.T).max() < 1e-4


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_tail_of_other_units_is_followed_as_that_of_erf(activation):
    run = om.simulate(om.Problem(activation, rates=om.LearningRates(xi_in=0.5)),
                      om.initial.committee(200, K=2, seed=1), 1e5, "ode", save_at=3)
    assert run.status == [om.Status.CONVERGED] and run.meta["evaluations"] < 10_000
    assert np.abs(run.Q[0, -1] - run.T).max() < 1e-8


def test_a_small_error_alone_is_no_convergence():
    """ε_g < 1e-12 from the first moment on, but Q and R are still to move by 1e-6."""
    start = om.initial.from_overlaps([[1.0 + 2e-6]], [[1.0 + 1e-6]], [[1.0]], readout="sum")
    run = om.simulate(COMMITTEE, start, 100.0, "ode", save_at=[0.0, 100.0])
    assert run.generalization_error[0, 0] < 1e-12
    assert abs(run.Q[0, -1, 0, 0] - 1.0) < 1e-9
    assert abs(run.R[0, -1, 0, 0] - 1.0) < 1e-9


@pytest.mark.parametrize("save_at", [20, [0.0, 1.0, 2.0], [2.0]])
def test_a_perfect_student_has_converged(plateau_start, save_at):
    perfect = om.initial.from_overlaps(np.eye(2), np.eye(2), np.eye(2))
    run = om.simulate(COMMITTEE, perfect, 2.0, "ode", save_at=save_at)
    assert run.status == [om.Status.CONVERGED]
    assert np.array_equal(run.Q, np.broadcast_to(np.eye(2), run.Q.shape))
    assert "at α = 0 " in run.message[0]


def test_label_noise_prevents_convergence(plateau_start):
    run = om.simulate(om.Problem(noise=0.1, rates=COMMITTEE.rates), plateau_start, 300.0, "ode", save_at=50)
    assert run.status == [om.Status.COMPLETED]
    assert run.generalization_error[0, -1] > 1e-4
