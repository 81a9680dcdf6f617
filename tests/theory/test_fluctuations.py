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
    for name, values in (("Q", run.Q), ("R", run.R), ("error", run.generalization_error)):
        expected = theory.standard_deviation(getattr(theory, name), 200)[1:]
        assert np.abs(values[:, 1:].std(0) / expected - 1.0).max() < 0.05, name


def test_bias_at_N_60(case):
    """The mean over runs minus the ODE: within 5 standard errors plus 10 % of the largest bias (the next order)."""
    problem, start, theory = case
    N = 60
    run = om.simulate(problem, start, TIMES[-1], "chain", N=N, replicas=4 * REPLICAS, save_at=TIMES, seed=6)
    ode = om.simulate(problem, start, TIMES[-1], "ode", save_at=TIMES)
    for name, values, limit in (("Q", run.Q, ode.Q), ("R", run.R, ode.R)):
        measured = (values.mean(0) - limit[0])[1:]
        error = values.std(0)[1:] / np.sqrt(run.replicas)
        expected = theory.mean_shift(getattr(theory, name), N)[1:]
        assert np.abs(expected).max() > 8.0 * error.max(), "a bias that can be seen"
        assert np.all(np.abs(measured - expected) < 5.0 * error + 0.1 * np.abs(expected).max()), name


def test_no_fluctuations_at_the_start(case):
    _, _, theory = case
    assert np.all(theory.covariance[0] == 0.0) and np.all(theory.bias[0] == 0.0)
    assert np.all(np.linalg.eigvalsh(theory.covariance[1:]) > -1e-9)


@pytest.mark.parametrize("problem, message", [
    (om.Problem(batch=2, rates=om.LearningRates(xi_in=1.0)), "needs batch = 1; got 2"),
    (om.Problem(), "nothing is trained"),
    (om.Problem("relu", rates=om.LearningRates(xi_in=1.0)), "needs a smooth activation .*; got relu"),
])
def test_refused(problem, message):
    with pytest.raises(ParameterError, match=message):
        fluctuations(problem, om.initial.committee(50).order_parameters(), TIMES)
