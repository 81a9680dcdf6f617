"""The linear-noise theory against ensembles of the exact chain."""

import numpy as np
import pytest

import onlinemode as om
from onlinemode.errors import ParameterError
from onlinemode.theory.fluctuations import fluctuations

TIMES = np.array([0.0, 1.0, 2.0, 5.0])
REPLICAS = 8000


@pytest.fixture(scope="module")
def case():
    """K = 3, P = 2, M = 3 without a plateau escape; X, s and A trained, label noise, weight decay."""
    rng = np.random.default_rng(2)
    start = om.Weights(xi_in=0.5 * rng.standard_normal((2, 60)), strengths=[1.0, 0.8],
                       xi_out=rng.standard_normal((3, 2)), readout=np.full(3, 0.6),
                       teacher=rng.standard_normal((3, 60)), teacher_readout=np.full(3, 0.6)).order_parameters()
    problem = om.Problem(noise=0.3, weight_decay=0.1, rates=om.LearningRates(xi_in=1.0, strengths=0.4, xi_out=0.4))
    return problem, start, fluctuations(problem, start, TIMES)


def test_standard_deviations_at_N_200(case):
    """Within 5 % for every entry of Q, R and ε_g; the Monte Carlo error is 0.8 % (8,000 replicas)."""
    problem, start, theory = case
    run = om.simulate(problem, start, TIMES[-1], "chain", N=200, replicas=REPLICAS, save_at=TIMES, seed=5)
    for name, values in (("Q", run.Q), ("R", run.R), ("generalization_error", run.generalization_error)):
        expected = theory.standard_deviation(name, 200)[1:]
        assert np.abs(values[:, 1:].std(0) / expected - 1.0).max() < 0.05, name


def test_standard_deviations_of_relu(case):
    """Their drift is smooth, too: within 8 % for every entry of Q and R; the Monte Carlo error is 1.3 %."""
    _, start, _ = case
    problem = om.Problem("relu", noise=0.3, rates=om.LearningRates(xi_in=0.5, strengths=0.2))
    theory = fluctuations(problem, start, TIMES[:3])
    run = om.simulate(problem, start, TIMES[2], "chain", N=200, replicas=3000, save_at=TIMES[:3], seed=7)
    for name, values in (("Q", run.Q), ("R", run.R)):
        expected = theory.standard_deviation(name, 200)[1:]
        assert np.abs(values[:, 1:].std(0) / expected - 1.0).max() < 0.08, name
    run = om.simulate(problem, start, TIMES[2], "chain", N=60, replicas=28_000, save_at=TIMES[:3], seed=8)
    limit = om.simulate(problem, start, TIMES[2], "ode", save_at=TIMES[:3])
    measured, error = (run.Q.mean(0) - limit.Q[0])[1:], run.Q.std(0)[1:] / np.sqrt(run.replicas)
    expected = theory.mean_shift("Q", 60)[1:]
    assert np.abs(expected).max() > 8.0 * error.max(), "a bias that can be seen"
    assert np.all(np.abs(measured - expected) < 5.0 * error + 0.1 * np.abs(expected).max())


def test_bias_at_N_60(case):
    """The mean over runs minus the ODE: within 5 standard errors plus 10 % of the largest bias (the next order)."""
    problem, start, theory = case
    N = 60
    run = om.simulate(problem, start, TIMES[-1], "chain", N=N, replicas=4 * REPLICAS, save_at=TIMES, seed=6)
    ode = om.simulate(problem, start, TIMES[-1], "ode", save_at=TIMES)
    for name, values, limit in (("Q", run.Q, ode.Q), ("R", run.R, ode.R)):
        measured = (values.mean(0) - limit[0])[1:]
        error = values.std(0)[1:] / np.sqrt(run.replicas)
        expected = theory.mean_shift(name, N)[1:]
        assert np.abs(expected).max() > 8.0 * error.max(), "a bias that can be seen"
        assert np.all(np.abs(measured - expected) < 5.0 * error + 0.1 * np.abs(expected).max()), name


def test_no_fluctuations_at_the_start(case):
    _, _, theory = case
    assert np.all(theory.covariance[0] == 0.0) and np.all(theory.bias[0] == 0.0)
    assert np.all(np.linalg.eigvalsh(theory.covariance[1:]) > -1e-9)


@pytest.mark.parametrize("problem, message", [
    (om.Problem(batch=2, rates=om.LearningRates(xi_in=1.0)), "needs batch = 1; got 2"),
    (om.Problem(), "nothing is trained"),
    (om.Problem("relu", teacher_activation="tanh", rates=om.LearningRates(xi_in=1.0)),
     "needs a smooth drift; got a student of relu, of the teacher tanh, whose drift jumps"),
])
def test_refused(problem, message):
    with pytest.raises(ParameterError, match=message):
        fluctuations(problem, om.initial.committee(50).order_parameters(), TIMES)


def test_bias_of_a_linear_unit():
    """K = M = P = 1, linear: the means obey an exact recursion at any N, so the bias is known without noise."""
    N, eta, sigma, kappa, last = 20_000, 0.7, 0.4, 0.3, 2.0
    start = om.initial.from_overlaps([[0.5]], [[0.2]], [[1.3]], "sum")
    problem = om.Problem("linear", noise=sigma, weight_decay=kappa, rates=om.LearningRates(xi_in=eta))
    theory = fluctuations(problem, start, np.array([0.0, last]))
    G, S, T, phi = 0.5, 0.2, 1.3, 1.0 - kappa / N
    for _ in range(int(last * N)):  # E[e u] = G − S, E[e² |x|²] = (N + 2)(G − 2S + T) + N σ²
        loss = (N + 2) * (G - 2.0 * S + T) + N * sigma**2
        G, S = (phi**2 * G - 2.0 * phi * eta / N * (G - S) + eta**2 / N**2 * loss,
                phi * S - eta / N * (S - T))
    ode = om.simulate(problem, start, last, "ode", save_at=[0.0, last], rtol=1e-12, atol=1e-14)
    exact = N * np.array([G - ode.G[0, -1, 0, 0], S - ode.S[0, -1, 0, 0]])
    assert np.abs(exact).min() > 0.01
    assert np.allclose(theory.bias[-1], exact, rtol=0.02)


def test_covariance_of_the_increments():
    """Ω against 4e5 increments drawn and written out in NumPy: within 4 % of the largest (1 % each for both sides)."""
    from onlinemode.theory.fluctuations import Coefficients
    from onlinemode.theory.meanfield import MeanFieldDrift

    rng = np.random.default_rng(3)
    start = om.initial.showcase(50, K=2, seed=1).order_parameters()
    eta, eta_s, sigma = 4.0, 1.5, 0.3
    problem = om.Problem("linear", noise=sigma, rates=om.LearningRates(xi_in=eta, strengths=eta_s))
    drift = MeanFieldDrift(problem, start)
    _, omega, _ = Coefficients(problem, start, drift, 2**15).at(0.0, drift.full[drift.active])
    fields = rng.multivariate_normal(np.zeros(4), start.covariance, 400_000)
    u, nu = fields[:, :2], fields[:, 2:]
    e = (u * start.strengths) @ start.xi_out.T @ start.readout - nu @ start.teacher_readout
    e = e - sigma * rng.standard_normal(len(e))
    back = e[:, None] * (start.xi_out.T @ start.readout)
    c = -eta * start.strengths * back
    increments = [c[:, p] * u[:, q] + c[:, q] * u[:, p] + c[:, p] * c[:, q] for p, q in ((0, 0), (0, 1), (1, 1))]
    increments += [c[:, p] * nu[:, m] for p in range(2) for m in range(2)]
    increments += [-eta_s * u[:, p] * back[:, p] for p in range(2)]
    expected = np.cov(np.array(increments))
    assert np.abs(omega - expected).max() < 0.04 * np.abs(expected).max()


def test_rho_and_specialization_against_the_chain(case):
    """Spread within 5 % and mean within 5 standard errors plus 10 % of the largest shift: N = 400, 4,000 runs."""
    problem, start, theory = case
    N = 400
    run = om.simulate(problem, start, TIMES[-1], "chain", N=N, replicas=4000, save_at=TIMES, seed=8)
    for name in ("rho", "specialization", "generalization_error"):
        values = getattr(run, name)[:, 1:]
        expected = theory.standard_deviation(name, N)[1:]
        assert np.abs(values.std(0) / expected - 1.0).max() < 0.06, name
        error, shift = values.std(0) / np.sqrt(4000), theory.mean_shift(name, N)[1:]
        measured = values.mean(0) - theory.mean_field(name)[1:]
        assert np.all(np.abs(measured - shift) < 5.0 * error + 0.1 * np.abs(shift).max()), name


@pytest.mark.parametrize("name", ["rho", "specialization", "generalization_error", "Q", "R"])
def test_named_observables_are_those_of_a_trajectory(case, name):
    """At the states of the path, and their spread is that of the same function with other finite differences."""
    problem, start, theory = case
    G, S, strengths, xi_out, readout = theory.layout.unpack(theory.states)
    path = om.Trajectory(alpha=TIMES, G=G[None], S=S[None], strengths=strengths[None], xi_out=xi_out[None],
                         readout=readout[None], problem=problem, initial=start, status=[], message=[], info=None)
    values = getattr(path, name)[0]
    assert np.allclose(theory.mean_field(name), values, rtol=1e-12, atol=1e-13)

    def at(states):
        G, S, strengths, xi_out, readout = theory.layout.unpack(states)
        path = om.Trajectory(alpha=TIMES, G=G[None], S=S[None], strengths=strengths[None], xi_out=xi_out[None],
                             readout=readout[None], problem=problem, initial=start, status=[], message=[], info=None)
        return getattr(path, name)[0]

    h, gradient = 3e-6, []
    for entry in theory.active:
        step = np.zeros(theory.layout.size)
        step[entry] = h
        gradient.append((at(theory.states + step) - at(theory.states - step)) / (2.0 * h))
    variance = np.einsum("dn...,nde,en...->n...", np.array(gradient), theory.covariance, np.array(gradient))
    assert np.allclose(theory.standard_deviation(name, 50), np.sqrt(np.maximum(variance, 0.0) / 50), rtol=1e-3,
                       atol=1e-7)
    low, high = theory.band(name, 50, width=3.0)
    assert np.allclose((high - low) / 6.0, theory.standard_deviation(name, 50), rtol=1e-9, atol=1e-15)
    assert np.allclose((high + low) / 2.0 - values, theory.mean_shift(name, 50), rtol=0.0, atol=1e-12)


def test_spread_of_a_small_error():
    """Near the perfect student the slope of the unclipped form gives the spread: the relative one goes on smoothly."""
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
    start = om.initial.committee(400, K=1, seed=3, readout="sum", student_size=0.3, weights=False)
    times = np.linspace(0.0, 60.0, 31)
    theory = fluctuations(problem, start, times)
    error = theory.mean_field("generalization_error")
    exact = om.simulate(problem, start, 60.0, "ode", save_at=times, rtol=1e-12, atol=1e-14).generalization_error[0]
    assert error[-1] < 1e-8
    assert np.abs(error / exact - 1.0).max() < 2e-3
    relative = (theory.standard_deviation("generalization_error", 10_000) / error)[5:]
    assert relative.max() / relative.min() < 2.0
    shift = (theory.mean_shift("generalization_error", 10_000) / error)[5:]
    assert np.abs(shift).max() < 1e-3


@pytest.mark.parametrize("arguments, message", [
    (dict(alpha=[0.0, 2.0, 1.0]), "alpha must hold ascending times ≥ 0; got 0 ... 1"),
    (dict(alpha=[-1.0, 2.0]), "alpha must hold ascending times ≥ 0; got -1 ... 2"),
    (dict(alpha=[0.0, np.nan]), "alpha must be finite"),
    (dict(alpha=3.0), "alpha must have shape (any,); got ()"),
    (dict(nodes=1000), "nodes must be a power of 2; got 1000"),
    (dict(overlaps=lambda replica: None), "needs one start, Weights or OrderParameters; got function"),
])
def test_bad_calls(case, arguments, message):
    problem, start, _ = case
    with pytest.raises(ValueError) as caught:
        fluctuations(**{"problem": problem, "overlaps": start, "alpha": TIMES, **arguments})
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_unknown_observable(case):
    with pytest.raises(ParameterError, match="must be a function or one of generalization_error, Q, R, rho, spec"):
        case[2].band("colour", 100)


def test_shift_of_a_product(case):
    """E[θ_i θ_j] − θ̄_i θ̄_j = (θ̄_i m_j + θ̄_j m_i + Λ_ij)/N exactly, by section 8.3."""
    theory = case[2]
    i, j = (int(np.flatnonzero(theory.active == entry)[0]) for entry in (theory.layout.G.start, theory.layout.S.start))
    G, S = theory.states[:, theory.layout.G.start], theory.states[:, theory.layout.S.start]
    expected = (G * theory.bias[:, j] + S * theory.bias[:, i] + theory.covariance[:, i, j]) / 50
    shift = theory.mean_shift(lambda G, S, *rest: G[..., 0, 0] * S[..., 0, 0], 50)
    assert np.allclose(shift, expected, rtol=1e-5, atol=1e-9)
    assert np.abs(theory.covariance[1:, i, j] / 50).max() > 0.1 * np.abs(expected).max()


def test_specialization_of_even_units_is_that_of_runs():
    """Of He_2, for which a unit and its negative are one: |ρ| counts, as in a Trajectory."""
    problem = om.Problem("he:2", rates=om.LearningRates(xi_in=0.02))
    start = om.initial.from_overlaps(0.5 * np.eye(2), [[-0.3, 0.02], [0.01, 0.2]], np.eye(2), readout="mean")
    theory = fluctuations(problem, start, [0.0, 0.5])
    run = om.simulate(problem, start, 0.5, "ode", save_at=[0.0, 0.5])
    assert theory.mean_field("specialization") == pytest.approx(run.specialization[0], abs=1e-6)
    assert run.specialization[0, 0] > 0.2 > om.observables.specialization(run.Q, run.R, run.T)[0, 0]
