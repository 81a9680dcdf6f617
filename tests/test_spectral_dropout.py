"""Dropout in engine ode beside inputs with a covariance."""

import numpy as np
import pytest
from small_ensembles import z_scores

import onlinemode as om
from onlinemode.errors import EngineError
from onlinemode.inputs import Blocks, PowerLaw
from onlinemode.theory.spectral import SpectralDrift

RATES = om.LearningRates(xi_in=0.9, strengths=0.4, xi_out=0.5, readout=0.2)
TIMES = [0.0, 0.5, 1.0, 3.0]
BLOCKS = Blocks((3.0, 0.5), (0.2, 0.8))
CASES = {
    "blocks": (BLOCKS, dict(dropout=0.3, mode_dropout=0.2)),
    "schedule": (PowerLaw(0.4), dict(dropout="linear:0=0.5,3=0", activation="relu")),
    "modes": (BLOCKS, dict(mode_dropout=0.4)),
    "sphere": (PowerLaw(0.4), dict(dropout=0.3, batch=3, constraint="sphere")),
}


def problem_of(inputs, **changes):
    return om.Problem(inputs=inputs, **{"noise": 0.3, "rates": RATES, "weight_decay": 0.4, **changes})


@pytest.fixture(scope="module")
def start():
    rng = np.random.default_rng(3)
    return om.Weights(xi_in=0.5 * rng.standard_normal((2, 1000)), strengths=rng.uniform(0.5, 1.5, 2),
                      xi_out=rng.standard_normal((3, 2)), readout=rng.uniform(0.4, 1.2, 3),
                      teacher=rng.standard_normal((2, 1000)), teacher_readout=rng.uniform(0.4, 1.2, 2))


@pytest.mark.parametrize("name", CASES)
def test_against_runs_of_vectors(name, start):
    """32 runs: all means within 4.5 standard errors, 7e-6 false alarms a number; not without dropout."""
    inputs, changes = CASES[name]
    micro = om.simulate(problem_of(inputs, **changes), start, 3.0, replicas=32, seed=1, save_at=TIMES)
    theory = om.simulate(micro.problem, start, 3.0, "ode", save_at=TIMES)
    assert z_scores(micro, theory).max() < 4.5
    error = micro.generalization_error[:, 1:]
    z = (error.mean(0) - theory.generalization_error[0, 1:]) / (error.std(0, ddof=1) / np.sqrt(32))
    assert np.abs(z).max() < 4.5
    whole = problem_of(inputs, **{key: value for key, value in changes.items() if "dropout" not in key})
    assert z_scores(micro, om.simulate(whole, start, 3.0, "ode", save_at=TIMES)).max() > 20.0


def test_one_eigenvalue_is_dropout_of_independent_inputs(start):
    near, one = (om.simulate(problem_of(inputs, dropout=0.3, mode_dropout=0.2), start, 3.0, "ode", save_at=TIMES)
                 for inputs in (Blocks((1.0 + 1e-7, 1.0), (0.5, 0.5)), om.inputs.Gaussian()))
    assert near.info.spectral_nodes == 2 and np.allclose(near.G, one.G, rtol=1e-5, atol=1e-6)
    assert np.allclose(near.readout, one.readout, rtol=1e-5)
    assert np.allclose(near.generalization_error, one.generalization_error, rtol=1e-5)


def test_solvers_agree_and_starts_without_vectors(start):
    problem = problem_of(BLOCKS, dropout=0.3, mode_dropout=0.2)
    steps, solver, resolved = (om.simulate(problem, begin, 3.0, "ode", save_at=TIMES, **options) for begin, options in (
        (start, {"method": "exponential"}), (start, {}), (om.ResolvedOverlaps.of(start, BLOCKS), {})))
    assert np.allclose(steps.G, solver.G, rtol=1e-4, atol=1e-6)
    assert np.allclose(resolved.G, solver.G, rtol=1e-8, atol=1e-10)


def test_a_share_of_nothing_is_no_dropout(start):
    from onlinemode.engines.ode.resolved import resolution_of

    plain, none = problem_of(BLOCKS).sampled(3.0), problem_of(BLOCKS, dropout="linear:0=0,3=0").sampled(3.0)
    shares = resolution_of(start, plain, None, 3.0).shares
    one, other = (SpectralDrift(problem, start.order_parameters(BLOCKS), shares) for problem in (plain, none))
    assert np.allclose(one(one.full[one.active]), other(other.full[other.active]), rtol=1e-14)


def test_the_error_is_that_of_the_whole_student(start):
    """By which turns of tasks end: damped, and without masks."""
    from onlinemode.engines.ode.resolved import resolution_of

    problem = problem_of(BLOCKS, dropout=0.3, mode_dropout=0.2)
    drift = SpectralDrift(problem, start.order_parameters(BLOCKS), resolution_of(start, problem, None, 3.0).shares)
    drift.at_start()
    run = om.simulate(problem, start, 1.0, "ode", save_at=2)
    assert np.isclose(drift.last_error, run.generalization_error[0, 0], rtol=1e-10)


def test_corrections_are_refused(start):
    with pytest.raises(EngineError, match="or dropout; got .* dropout 0.3, the loss squared: leave") as caught:
        om.simulate(problem_of(BLOCKS, dropout=0.3), start, 1.0, "ode", corrections="on")
    assert "\n" not in str(caught.value)
