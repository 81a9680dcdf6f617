"""Users who make NumPy raise on every overflow, underflow and invalid number get results, not FloatingPointError."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest

import onlinemode as om


@pytest.fixture(autouse=True)
def strict():
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


PROBLEM = om.Problem(rates=om.LearningRates(xi_in=1.5))


@pytest.mark.parametrize("start", ["showcase", "paper", "committee", "graded"])
@pytest.mark.parametrize("engine", ["micro", "chain", "ode"])
def test_engines(engine, start):
    weights = getattr(om.initial, start)(100, K=2)
    run = om.simulate(PROBLEM, weights, 3.0, engine, save_at=10, **({} if engine == "ode" else {"replicas": 2}))
    for name in ("generalization_error", "specialization", "unit_margins"):
        assert np.isfinite(getattr(run, name)).all()
    run.plateaus(), run.specialization_steps(), run.ensemble, run.mode_residuals, repr(run)


@pytest.mark.parametrize("engine", ["micro", "chain", "ode"])
@pytest.mark.parametrize("student_size", [1e-150, 1e8])
def test_extreme_students(engine, student_size):
    run = om.simulate(PROBLEM, om.initial.committee(100, K=2, student_size=student_size), 1.0, engine, save_at=5)
    assert np.isfinite(run.generalization_error).all()
    assert np.isfinite(run.specialization).all()


@pytest.mark.parametrize("engine", ["micro", "chain", "ode"])
def test_divergence(engine):
    run = om.simulate(om.Problem("linear", rates=om.LearningRates(xi_in=50.0)), om.initial.committee(100, K=2), 50.0,
                      engine, save_at=10)
    assert run.status == [om.Status.DIVERGED]
    assert np.isnan(run.generalization_error[0, -1])
    run.ensemble, run.specialization, run.plateaus()


def test_fluctuations_agreement_and_pictures():
    weights = om.initial.committee(100, K=2)
    run = om.simulate(PROBLEM, weights, 30.0, "chain", save_at=20, replicas=3)
    theory = om.simulate(PROBLEM, weights, 30.0, "ode", save_at=run.alpha)
    noise = om.fluctuations(PROBLEM, weights, run.alpha)
    for name in ("generalization_error", "Q", "R", "rho", "specialization"):
        assert np.isfinite(noise.standard_deviation(name, 100)).all()
        noise.mean_shift(name, 100), noise.band(name, 100), om.agreement.z_scores(run, noise, name)
    om.agreement.trusted(noise, 100), om.agreement.rms_deviation(run, theory)
    om.agreement.expected_deviation(noise, 100), om.agreement.z_between(run, run)
    for figure in (om.plotting.overview([run, theory]), om.plotting.comparison([run], theory, "", noise)):
        figure.canvas.draw()
        plt.close(figure)


@pytest.mark.parametrize("activation, rates", [("linear", (1.0, 0.0, 0.0, 0.0)), ("erf", (1.0, 0.3, 0.3, 0.3)),
                                               ("tanh", (1.0, 0.0, 0.0, 0.0))])
def test_fluctuations_of_other_problems(activation, rates):
    problem = om.Problem(activation, rates=om.LearningRates(*rates))
    noise = om.fluctuations(problem, om.initial.showcase(50, K=1), [1.0], nodes=2**8)
    assert np.isfinite(noise.standard_deviation("generalization_error", 50)).all()
