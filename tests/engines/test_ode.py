"""Engine ode: against independent equations, solvers and tolerances; how it fails."""

import math
import signal
import warnings

import numpy as np
import pytest
from scipy import integrate

import onlinemode as om
from onlinemode.errors import EngineError, ParameterError

COMMITTEE = om.Problem(rates=om.LearningRates(xi_in=1.5))


@pytest.fixture
def plateau_start():
    return om.initial.committee(1000, K=2, seed=0, readout="sum")


def error_of(problem, start, alpha, **options):
    return om.simulate(problem, start, alpha, "ode", **options).generalization_error[0]


def test_default_against_a_tight_solver(plateau_start):
    """Through a plateau and its escape, to 1e-6 of ε_g; below ε_g = 1e-6 arcsines cancel: to 1e-12."""
    times = np.linspace(0.0, 200.0, 401)
    default = error_of(COMMITTEE, plateau_start, 200.0, save_at=times)
    tight = error_of(COMMITTEE, plateau_start, 200.0, save_at=times, method="DOP853", rtol=1e-12, atol=1e-15)
    assert tight[0] > 0.1
    assert tight[-1] < 1e-8
    assert om.observables.find_plateaus(times, tight)
    large = tight > 1e-6
    assert np.abs(default / tight - 1.0)[large].max() < 1e-6
    assert np.abs(default - tight)[~large].max() < 1e-12


def test_tolerances_converge(plateau_start):
    times = np.linspace(0.0, 60.0, 61)
    tight = error_of(COMMITTEE, plateau_start, 60.0, save_at=times, method="DOP853", rtol=1e-13, atol=1e-15)
    worst = [np.abs(error_of(COMMITTEE, plateau_start, 60.0, save_at=times, rtol=rtol, atol=1e-3 * rtol) / tight
                    - 1.0).max() for rtol in (1e-5, 1e-7, 1e-9)]
    assert worst[1] < 0.1 * worst[0]
    assert worst[2] < 0.1 * worst[1]


@pytest.mark.parametrize("method", ["LSODA", "DOP853", "RK45", "Radau", "BDF"])
def test_all_methods_agree(plateau_start, method):
    times = [0.0, 1.0, 10.0, 40.0]
    expected = error_of(COMMITTEE, plateau_start, 40.0, save_at=times, method="DOP853", rtol=1e-12, atol=1e-15)
    found = error_of(COMMITTEE, plateau_start, 40.0, save_at=times, method=method, rtol=1e-8, atol=1e-11)
    assert np.abs(found / expected - 1.0).max() < 1e-5


def perceptron(_, state, eta):
    """The two equations of Biehl and Schwarze (1995) for K = M = 1, T = 1."""
    R, Q = state
    root = math.sqrt(2.0 * (1.0 + Q) - R**2)
    dR = 2.0 / math.pi * eta / (1.0 + Q) * ((1.0 + Q - R**2) / root - R / math.sqrt(1.0 + 2.0 * Q))
    dQ = 4.0 / math.pi * eta / (1.0 + Q) * (R / root - Q / math.sqrt(1.0 + 2.0 * Q))
    rest = 1.0 + 2.0 * Q - R**2
    dQ += 4.0 / math.pi**2 * eta**2 / math.sqrt(1.0 + 2.0 * Q) * (
        math.asin(Q / (1.0 + 3.0 * Q)) + math.asin((1.0 + 2.0 * (Q - R**2)) / (2.0 * rest))
        - 2.0 * math.asin(R / (math.sqrt(2.0 * rest) * math.sqrt(1.0 + 3.0 * Q))))
    return [dR, dQ]


@pytest.mark.parametrize("eta", [0.5, 2.0])
def test_perceptron(eta):
    """K = M = 1 against the closed equations of the literature."""
    start = om.initial.from_overlaps([[0.3]], [[0.1]], [[1.0]], readout="sum")
    times = np.linspace(0.0, 8.0, 9)
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=eta)), start, 8.0, "ode", save_at=times)
    exact = integrate.solve_ivp(perceptron, (0.0, 8.0), [0.1, 0.3], args=(eta,), t_eval=times, rtol=1e-11, atol=1e-13)
    assert np.allclose(run.R[0, :, 0, 0], exact.y[0], rtol=0.0, atol=1e-8)
    assert np.allclose(run.Q[0, :, 0, 0], exact.y[1], rtol=0.0, atol=1e-8)


@pytest.mark.parametrize("batch", [1, 3])
def test_linear_unit(batch):
    """K = M = 1, g(z) = z: R and ε_g are exponentials, with a floor from the label noise."""
    eta, sigma = 0.8, 0.5
    start = om.initial.from_overlaps([[0.3]], [[0.1]], [[1.0]], readout="sum")
    problem = om.Problem("linear", noise=sigma, batch=batch, rates=om.LearningRates(xi_in=eta))
    run = om.simulate(problem, start, 6.0, "ode", save_at=np.linspace(0.0, 6.0, 7))
    rate = 2.0 * eta - eta**2 / batch
    floor = eta**2 / batch * sigma**2 / rate
    twice = (0.3 - 0.2 + 1.0 - floor) * np.exp(-rate * run.alpha) + floor
    assert np.allclose(run.R[0, :, 0, 0], 1.0 - 0.9 * np.exp(-eta * run.alpha), rtol=0.0, atol=1e-8)
    assert np.allclose(run.generalization_error[0], twice / 2.0, rtol=0.0, atol=1e-8)


def test_divergence(plateau_start):
    run = om.simulate(om.Problem("linear", rates=om.LearningRates(xi_in=30.0)), plateau_start, 50.0, "ode",
                      save_at=np.linspace(0.0, 50.0, 501))
    assert run.status == [om.Status.DIVERGED]
    assert "lower the learning rates (or noise); later times are NaN" in run.message[0]
    assert np.isnan(run.Q[0, -1]).all()
    assert np.isfinite(run.Q[0, 0]).all()


def test_nothing_trained(random_overlaps):
    o = random_overlaps(3, 2, 2, seed=1)
    run = om.simulate(om.Problem(noise=0.3), o, 5.0, "ode", save_at=4)
    assert run.status == [om.Status.COMPLETED]
    assert run.message == ["nothing is trained: the state is constant"]
    for name in ("G", "S", "strengths", "xi_out", "readout"):
        assert np.all(getattr(run, name)[0] == getattr(o, name))


@pytest.mark.parametrize("activation", ["erf", "linear", "relu", "tanh"])
def test_two_equal_teacher_units_are_one_of_twice_the_readout(activation):
    """A rank-deficient T, against the teacher without redundancy."""
    Q = np.array([[0.4, 0.1], [0.1, 0.3]])
    R = np.array([0.2, -0.1])
    two = om.initial.from_overlaps(Q, np.stack([R, R], 1), np.ones((2, 2)), [1.0, 0.5], [0.6, 0.6])
    one = om.initial.from_overlaps(Q, R[:, None], np.ones((1, 1)), [1.0, 0.5], [1.2])
    problem = om.Problem(activation, noise=0.1, rates=om.LearningRates(0.5, 0.2, 0.2, 0.1))
    a, b = (om.simulate(problem, start, 5.0, "ode", save_at=6) for start in (two, one))
    assert a.status == b.status == [om.Status.COMPLETED]
    assert np.allclose(a.Q, b.Q, rtol=0.0, atol=1e-7)
    assert np.allclose(a.R, b.R[..., [0, 0]], rtol=0.0, atol=1e-7)


def test_from_overlaps_is_sgd_on_W(plateau_start):
    o = plateau_start.order_parameters()
    bare = om.initial.from_overlaps(o.Q, o.R, o.T, readout="sum")
    a, b = (om.simulate(COMMITTEE, start, 20.0, "ode", save_at=[0.0, 5.0, 20.0]) for start in (plateau_start, bare))
    assert np.allclose(a.Q, b.Q, rtol=0.0, atol=1e-10)
    assert np.allclose(a.R, b.R, rtol=0.0, atol=1e-10)


def test_gauge_of_the_modes(random_overlaps):
    """X_p times b, s_p over b is the same student; with X alone trained, η_p scales as b²."""
    o, b = random_overlaps(3, 2, 2, seed=3), 2.0
    scaled = om.OrderParameters(G=b**2 * o.G, S=b * o.S, T=o.T, strengths=o.strengths / b, xi_out=o.xi_out,
                                readout=o.readout, teacher_readout=o.teacher_readout)
    a = om.simulate(om.Problem(noise=0.2, rates=om.LearningRates(0.5)), o, 5.0, "ode", save_at=5)
    c = om.simulate(om.Problem(noise=0.2, rates=om.LearningRates(0.5 * b**2)), scaled, 5.0, "ode", save_at=5)
    assert np.allclose(a.Q, c.Q, rtol=0.0, atol=1e-6)
    assert np.allclose(a.R, c.R, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("activation", ["erf", "relu", "tanh"])
def test_symmetric_start_stays_symmetric(activation):
    """Equal student units never part: the plateau of the ODE has no end."""
    start = om.initial.from_overlaps(np.full((2, 2), 0.1), np.full((2, 2), 0.05), np.eye(2), readout="sum")
    run = om.simulate(om.Problem(activation, rates=om.LearningRates(xi_in=0.5)), start, 50.0, "ode", save_at=10)
    assert np.ptp(run.Q[0].reshape(10, 4), axis=1).max() < 1e-9
    assert np.ptp(run.R[0], axis=1).max() < 1e-9
    assert np.ptp(run.R[0].reshape(10, 4), axis=1).max() < 1e-9
    assert np.abs(run.specialization).max() < 1e-8
    assert run.generalization_error[0, -1] > 0.01


def test_a_symmetric_start_of_relu_units():
    """Its drift is symmetric to rounding. Close to it two units part as d' = c √d: docs/theory, section 2.5."""
    from onlinemode.theory.meanfield import MeanFieldDrift

    def drift(apart):
        Q = np.full((2, 2), 0.1) + apart * np.eye(2)
        start = om.initial.from_overlaps(Q, np.full((2, 2), 0.05), np.eye(2), readout="sum")
        dG, dS, *_ = MeanFieldDrift(om.Problem("relu", rates=om.LearningRates(xi_in=0.5)), start).at_start()
        assert np.ptp(dS) < 1e-14 and abs(dG[0, 0] - dG[1, 1]) < 1e-14
        return dG[0, 0] - dG[0, 1]

    assert abs(drift(0.0)) < 1e-14
    small, smaller = drift(1e-6), drift(1e-8)
    assert small > 1e-4 and small / smaller == pytest.approx(10.0, rel=1e-2)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_node_seed_shows_the_error_of_the_quadrature(plateau_start, activation):
    """The spread over scramblings falls with the number of nodes."""
    problem = om.Problem(activation, rates=om.LearningRates(xi_in=0.5))
    spread = []
    for nodes in (2**7, 2**11):
        ends = [om.simulate(problem, plateau_start, 2.0, "ode", save_at=[2.0], averages="nodes", nodes=nodes,
                            node_seed=seed, rtol=1e-5, atol=1e-7).Q[0, 0] for seed in range(4)]
        spread.append(np.std(ends, axis=0).max())
    assert 0.0 < spread[1] < 0.3 * spread[0]


def test_nodes_in_meta(plateau_start):
    problem = om.Problem("relu", teacher_activation="tanh", rates=COMMITTEE.rates)
    with pytest.warns(RuntimeWarning, match=r"^averages over 256 nodes are right to \d\.\de-0[12] of the drift: "):
        meta = om.simulate(problem, plateau_start, 0.1, "ode", nodes=256, node_seed=3).meta
    assert (meta["nodes"], meta["node_seed"], meta["averages"]) == (256, 3, "nodes")
    closed = om.simulate(COMMITTEE, plateau_start, 0.1, "ode").meta
    assert closed["averages"] == "erf" and not {"nodes", "quadrature_error"} & set(closed)


@pytest.mark.parametrize("activation", ["erf", "tanh", "relu"])
def test_the_error_of_nodes_is_that_against_the_closed_form(plateau_start, activation):
    """Within a factor of 10 either way, of a few numbers; it falls with more nodes, and then there is no warning."""
    from onlinemode.theory.meanfield import MeanFieldDrift

    problem, errors = om.Problem(activation, rates=om.LearningRates(xi_in=0.5)), []
    for nodes in (2**8, 2**16):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run = om.simulate(problem, plateau_start, 0.1, "ode", averages="nodes", nodes=nodes, save_at=[0.0, 0.1])
        errors.append(run.info.quadrature_error)
        assert bool(caught) == (errors[-1] > 1e-3)
        exact, found = (np.concatenate([np.ravel(part) for part in MeanFieldDrift(
            problem, plateau_start.order_parameters(), nodes, averages=averages).at_start()])
            for averages in ("closed", "nodes"))
        true = np.abs(found - exact).max() / np.abs(exact).max()
        assert true / 10.0 < errors[-1] < 10.0 * true
    assert errors[1] < 0.1 * errors[0]


def test_closed_forms_that_there_are_not(plateau_start):
    problem = om.Problem("relu", teacher_activation="tanh", rates=om.LearningRates(xi_in=0.5))
    with pytest.raises(EngineError, match="^no closed form is known for averages of relu, of the teacher tanh: leave"):
        om.simulate(problem, plateau_start, 0.1, "ode", averages="closed")


@pytest.mark.parametrize("options, error, message", [
    ({"nodes": 1000}, ParameterError, "nodes must be a power of 2; got 1000"),
    ({"nodes": 32}, ParameterError, "nodes must be a whole number ≥ 64 and ≤ 16777216; got 32"),
    ({"method": "Euler"}, ParameterError, "method must be one of LSODA, DOP853, RK45, Radau, BDF, "
     "compiled, exponential; got 'Euler'"),
    ({"rtol": 0.0}, ParameterError, "rtol must be a finite number ≥ 2.3e-14 and ≤ 0.1; got 0.0"),
    ({"atol": -1e-9}, ParameterError, "atol must be a finite number > 0; got -1e-09"),
    ({"replicas": 2}, EngineError, "engine ode is deterministic and has one replica a start; got replicas = 2"),
])
def test_bad_options(plateau_start, options, error, message):
    with pytest.raises(error) as caught:
        om.simulate(COMMITTEE, plateau_start, 1.0, "ode", **options)
    assert message in str(caught.value)


def test_interrupt(plateau_start):
    def progress(report):
        if report.fraction > 0.0:
            seen.append(report)
            signal.raise_signal(signal.SIGINT)

    seen = []
    problem = om.Problem("relu", teacher_activation="tanh", rates=om.LearningRates(xi_in=1.0))
    run = om.simulate(problem, plateau_start, 1000.0, "ode", nodes=2**17, progress=progress,
                      save_at=np.concatenate([[0.0], np.geomspace(1e-6, 1000.0, 50)]))
    assert len(seen) == 1
    assert run.status == [om.Status.INTERRUPTED]
    assert run.message[0].startswith("stopped by the user at α = ")
    kept = np.isfinite(run.G[0]).all((-2, -1))
    assert 1 <= kept.sum() < len(run.alpha)
    assert run.alpha[kept][-1] <= seen[0].alpha < run.alpha[~kept][0]


def test_a_solver_that_gives_up(plateau_start, monkeypatch):
    class Tired(integrate.RK45):
        def _step_impl(self):
            if self.t > 0.5:
                return False, "Required step size is less than spacing between numbers."
            return super()._step_impl()

    monkeypatch.setattr(integrate, "RK45", Tired)
    run = om.simulate(COMMITTEE, plateau_start, 5.0, "ode", method="RK45", save_at=np.linspace(0.0, 5.0, 51))
    assert run.status == [om.Status.FAILED]
    assert run.message[0].startswith("the solver gave up at α = 0.5")
    assert "Required step size" in run.message[0]
    assert np.all(np.isfinite(run.G[0, :6]))
    assert np.all(np.isnan(run.G[0, 10:]))


def test_noise_and_decay_have_no_fixed_point_at_zero_error():
    """A perfect student at σ > 0 or κ > 0 leaves ε_g = 0; a run must not be held there."""
    start = om.initial.from_overlaps(np.eye(2), np.eye(2), np.eye(2), "sum")
    for fields in ({"noise": 0.3}, {"weight_decay": 0.1}):
        run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=0.5), **fields), start, 50.0, "ode")
        assert run.status == [om.Status.COMPLETED]
        assert run.generalization_error[0, 0] < 1e-12 < 1e-4 < run.generalization_error[0, -1]


def test_a_stuck_solver_gives_up(monkeypatch):
    monkeypatch.setattr("onlinemode.engines.ode.engine.MOST_EVALUATIONS", 50)
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=1.0)), om.initial.committee(100), 50.0, "ode")
    assert run.status == [om.Status.FAILED]
    assert "more than 50 evaluations" in run.message[0] and "later times are NaN" in run.message[0]


def test_relu_error_near_a_perfect_student():
    """Area and angle come from the same rounded cosine: the drift's ε_g stays at rounding, not at its root."""
    from onlinemode.theory.meanfield import MeanFieldDrift

    generator = np.random.default_rng(0)
    B = generator.standard_normal((3, 50))
    X = B + 1e-8 * generator.standard_normal((3, 50))
    start = om.initial.from_overlaps(X @ X.T / 50, X @ B.T / 50, B @ B.T / 50, "sum")
    drift = MeanFieldDrift(om.Problem("relu", rates=om.LearningRates(xi_in=1.0)), start)
    drift.at_start()
    assert abs(drift.last_error) < 1e-14


METHODS = ["LSODA", "DOP853", "RK45", "Radau", "BDF"]


@pytest.mark.parametrize("method", METHODS)
def test_a_saturated_student(method):
    """A unit of length 2·10⁴ is a sign; it hardly moves, and ε_g is that of its angle to the teacher."""
    Q, R, T = 4e8, 3e3, 1.0
    start = om.initial.from_overlaps([[Q]], [[R]], [[T]], readout="sum")
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=3.0)), start, 80.0, "ode", method=method, save_at=5)
    assert run.status == [om.Status.COMPLETED]
    by_hand = (math.asin(Q / (1 + Q)) + math.asin(T / (1 + T))
               - 2.0 * math.asin(R / math.sqrt((1 + Q) * (1 + T)))) / math.pi
    assert run.generalization_error[0, 0] == pytest.approx(by_hand, abs=1e-11)
    assert abs(run.generalization_error[0, -1] - by_hand) < 1e-3
    assert run.meta["evaluations"] < 1000


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("activation", ["erf", "linear", "relu"])
@pytest.mark.parametrize("size, rate", [(4e8, 1e6), (1e-24, 3.0), (1e16, 3.0)])
def test_no_solver_leaves_with_an_exception_or_never(activation, method, size, rate, monkeypatch):
    """Huge and tiny units and rates: a status of its own, under NumPy's strictest mode."""
    monkeypatch.setattr("onlinemode.engines.ode.engine.MOST_EVALUATIONS", 20_000)
    start = om.initial.from_overlaps([[size]], [[0.1 * math.sqrt(size)]], [[1.0]], readout="sum")
    with np.errstate(all="raise"):
        run = om.simulate(om.Problem(activation, rates=om.LearningRates(rate)), start, 80.0, "ode", method=method,
                          save_at=5)
    assert run.status[0] in (om.Status.COMPLETED, om.Status.DIVERGED, om.Status.FAILED)
    assert run.meta["evaluations"] <= 20_000


@pytest.mark.parametrize("method", METHODS)
def test_a_drift_that_is_no_number(method, monkeypatch):
    """Neither LinAlgError of Radau and BDF nor an endless search for a step."""
    from onlinemode.theory.meanfield import MeanFieldDrift

    monkeypatch.setattr(MeanFieldDrift, "__call__", lambda self, y, alpha=0.0: np.full_like(y, np.nan))
    run = om.simulate(COMMITTEE, om.initial.committee(100, K=2), 5.0, "ode", method=method, save_at=5)
    assert run.status[0] in (om.Status.DIVERGED, om.Status.FAILED)
    assert np.isnan(run.Q[0, -1]).all()


def test_an_error_of_a_slow_drift_is_told(random_overlaps, monkeypatch):
    """It is evaluated in a thread, from which an error must come out."""
    from onlinemode.engines.ode.engine import _SlowDrift

    drift = _SlowDrift(om.Problem("tanh", rates=om.LearningRates(xi_in=1.0)), random_overlaps(2, 2, 2, seed=1), 64)

    def fail(*_):
        raise MemoryError("none left")

    monkeypatch.setattr(drift._drift, "_kernel", fail)
    with pytest.raises(MemoryError, match="none left"):
        drift.at_start()


def test_an_interrupt_between_two_starts(monkeypatch):
    """What is finished is kept, wherever Ctrl-C comes."""
    from onlinemode.theory.meanfield import MeanFieldDrift

    honest, calls = MeanFieldDrift.at_start, []

    def at_start(drift):
        calls.append(drift)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return honest(drift)

    monkeypatch.setattr(MeanFieldDrift, "at_start", at_start)
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
    run = om.simulate(problem, lambda replica: om.initial.committee(30, K=2, seed=replica).order_parameters()
                      if replica == 0 else om.initial.committee(30, K=2, seed=0, student_seed=replica)
                      .order_parameters(), 2.0, "ode", replicas=3, save_at=3)
    assert [status.value for status in run.status] == ["completed", "interrupted", "interrupted"]
    assert np.isfinite(run.G[0]).all() and np.isnan(run.G[1:]).all()
