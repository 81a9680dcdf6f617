"""Engine ode for inputs with a covariance: against micro, its interpolation of spectra, its solvers, its limits."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest

import onlinemode as om
from onlinemode.engines.ode.exponential import Exponential
from onlinemode.errors import EngineError

RATES = om.LearningRates(xi_in=0.5, readout=0.2)
TIMES = [0.0, 0.3, 3.0, 10.0]


def problem_of(inputs, activation="erf", **changes):
    return om.Problem(activation, **{"noise": 0.1, "rates": RATES, "inputs": inputs, **changes})


def start_of(N, seed=0):
    return om.initial.committee(N, K=2, seed=seed, readout="sum", student_size=0.3)


def error_of(inputs, start, alpha=10.0, problem=None, **options):
    return om.simulate(problem or problem_of(inputs), start, alpha, "ode", save_at=TIMES, **options)


@pytest.mark.parametrize("inputs, activation", [
    (om.inputs.PowerLaw(0.7), "erf"), (om.inputs.Blocks((4.0, 0.3), (0.2, 0.8)), "relu"),
    (om.inputs.HiddenManifold(300), "tanh")], ids=lambda each: getattr(each, "kind", each))
def test_against_micro(inputs, activation):
    """Mean over runs within four standard errors and 2 %, which the equations of isotropic inputs are not."""
    N, replicas = 600, 16
    start, problem = start_of(N), problem_of(inputs, activation)
    theory = om.simulate(problem, start, TIMES[-1], "ode", save_at=TIMES)
    run = om.simulate(problem, start, TIMES[-1], save_at=TIMES, replicas=replicas,
                      test_samples=None if inputs.gaussian else 100)
    plain = om.simulate(problem_of(om.inputs.Gaussian(), activation), start.order_parameters(inputs), TIMES[-1], "ode",
                        save_at=TIMES)

    def agrees(name, equations):
        values = getattr(run, name)
        mean, error = values.mean(0), values.std(0, ddof=1) / np.sqrt(replicas)
        return bool(np.all(np.abs(mean - getattr(equations, name)[0]) <= 4.0 * error + 0.02 * np.abs(mean).max()))

    assert agrees("Q", theory) and agrees("R", theory) and agrees("readout", theory)
    assert not agrees("Q", plain) or not agrees("R", plain)
    assert np.allclose(theory.G[0, 0], start.order_parameters(inputs).G, rtol=0.0, atol=1e-12)


def test_more_nodes_of_a_spectrum():
    inputs, start = om.inputs.PowerLaw(1.0), start_of(500)
    exact = error_of(inputs, start, spectral_nodes=500)
    assert exact.info.spectral_nodes == 500 and exact.info.spectral_error is None and exact.info.method == "exponential"
    expected, deviations = exact.generalization_error[0], []
    for count in (4, 8, 16):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            run = error_of(inputs, start, spectral_nodes=count, rtol=1e-8)
        assert run.info.spectral_nodes == count
        deviations.append(np.abs(run.generalization_error[0] / expected - 1.0).max())
        assert 0.1 < run.info.spectral_error / deviations[-1] < 10.0 or deviations[-1] < 1e-5
    assert deviations[0] > 1e-2 and deviations[1] < 0.2 * deviations[0] and deviations[2] < 1e-3 * deviations[0]
    usual = error_of(inputs, start)
    assert usual.info.spectral_error < 1e-5 and usual.info.spectral_nodes < 40
    assert usual.info.participation == pytest.approx(1.0 / np.sum((inputs.spectrum(500) / 500) ** 2))
    with pytest.warns(RuntimeWarning, match="the spectrum of the inputs is resolved to .* of ε_g: more spectral_nodes"):
        error_of(inputs, start, spectral_nodes=3)


def test_late_times_of_a_steep_spectrum():
    """ε_g falls to 1e-4 of its start, so what is left of the largest eigenvalues, which is nothing, must be right."""
    start = om.initial.committee(100, K=2, seed=1)
    problem = problem_of(om.inputs.PowerLaw(6.0), noise=0.0, rates=om.LearningRates(xi_in=0.5))
    given = {"save_at": [0.0, 10.0, 1e3, 1e4], "corrections": "off", "method": "exponential", "rtol": 1e-6}
    few, every = (om.simulate(problem, start, 1e4, "ode", spectral_nodes=count, **given) for count in (None, 100))
    assert few.info.spectral_nodes < 30 and few.info.spectral_error < 1e-5 and every.info.spectral_error is None
    assert every.generalization_error[0, -1] < 1e-3 * every.generalization_error[0, 0]
    np.testing.assert_allclose(few.generalization_error, every.generalization_error, rtol=1e-5)


@pytest.mark.parametrize("method", ["LSODA", "BDF", "DOP853", "exponential"])
def test_solvers_agree(method):
    problem = problem_of(om.inputs.PowerLaw(1.0), weight_decay=0.1,
                         rates=om.LearningRates(xi_in="steps:0.8,4=0.3", strengths=0.1, xi_out=0.2, readout=0.2))
    start = start_of(200)
    expected = error_of(None, start, problem=problem, method="DOP853", rtol=1e-10, atol=1e-13).generalization_error[0]
    found = error_of(None, start, problem=problem, method=method, rtol=1e-6, atol=1e-9)
    assert found.info.method == method
    assert np.abs(found.generalization_error[0] / expected - 1.0).max() < 1e-4


@pytest.mark.parametrize("N", [None, 100], ids=["", "few directions"])
def test_exponential_steps_are_of_fourth_order(N):
    from onlinemode.theory.spectral import SpectralDrift, resolve

    inputs, start = om.inputs.Blocks((3.0, 0.5), (0.2, 0.8)), start_of(100)
    shares = resolve(start.xi_in, start.teacher, inputs.spectrum(100), 2, 1.0, 1.0)
    drift = SpectralDrift(problem_of(inputs), start.order_parameters(inputs), shares, N=N)

    class Rate:
        generator = staticmethod(lambda alpha, y: drift.generator(y, alpha))

    def after(steps):
        solver = Exponential(Rate, drift, 0.0, drift.full[drift.active], 0.8, [], 1e-3, 1e-3)
        for _ in range(steps):
            solver.y, solver._generator, _ = solver._attempt(0.8 / steps)
        return solver.y

    best = after(64)
    one, two = (np.abs(after(steps) - best).max() for steps in (4, 8))
    assert 11.0 < one / two < 24.0


def test_one_eigenvalue_is_the_isotropic_engine():
    start = start_of(100)
    plain = error_of(om.inputs.Gaussian(), start)
    for inputs in (om.inputs.PowerLaw(0.0), om.inputs.Spectrum(np.full(100, 3.0)), om.inputs.Blocks((2.0,), (1.0,))):
        run = error_of(inputs, start)
        assert run.info.spectral_nodes is None and run.info.evaluations == plain.info.evaluations
        assert np.allclose(run.G, plain.G, rtol=0.0, atol=1e-10)


def test_a_kind_of_its_own_for_every_law():
    """Signs over nodes, other losses, and starts that differ."""
    inputs = om.inputs.PowerLaw(0.5)
    problem = problem_of(inputs, loss="logistic", labels="sign", flips=0.1)
    run = om.simulate(problem, start_of(300), 3.0, "ode", save_at=[0.0, 3.0], nodes=2**10)
    micro = om.simulate(problem, start_of(300), 3.0, save_at=[0.0, 3.0], replicas=16)
    mean, error = micro.R.mean(0), micro.R.std(0, ddof=1) / 4.0
    assert run.info.averages == "nodes" and np.all(np.abs(mean - run.R[0]) < 4.0 * error + 0.02 * np.abs(mean).max())
    several = om.simulate(problem_of(inputs), lambda replica: om.initial.committee(60, K=2, student_seed=replica), 2.0,
                          "ode", replicas=2, save_at=4)
    assert several.replicas == 2 and not np.allclose(several.G[0], several.G[1])


def test_beside_runs_and_in_files(tmp_path):
    experiment = om.Experiment(N=60, K=2, alpha=3.0, inputs="power-law:1.0", eta=0.5, save_at=5, replicas=2)
    found = om.compare(experiment)
    assert found.noise is None and "i.i.d. Gaussian inputs" in found.reason
    assert found.theory.info.spectral_nodes and set(found.deviation) == {"micro"}
    found.theory.save(tmp_path / "theory.npz")
    loaded = om.load(tmp_path / "theory.npz")
    assert loaded.info.participation == found.theory.info.participation
    assert np.array_equal(om.repeat(loaded).G, loaded.G)
    with pytest.raises(EngineError, match="keeps no shares of its overlaps .* make it again with a larger alpha"):
        om.go_on(loaded, 5.0)
    run = om.simulate(experiment.problem(), experiment.start(), 3.0, store_final=True)
    assert om.go_on(run, 5.0, engine="ode").info.spectral_nodes is not None
    with pytest.raises(EngineError, match="make the run that goes on with store_final=True"):
        om.go_on(om.simulate(experiment.problem(), experiment.start(), 3.0), 5.0, engine="ode")
    assert json.dumps(found.theory.info.to_dict())


def tasks_at(tasks, start, engine="ode", alpha=6.0, **options):
    return om.simulate(problem_of(om.inputs.PowerLaw(0.7), tasks=tasks), start, alpha, engine, save_at=[0.0, 3.0, 6.0],
                       **options)


def test_a_turn_is_a_problem_of_one_task():
    """Up to the switch the run is that of its task alone, and no longer afterwards."""
    start = om.initial.tasks(400, K=2, overlap=0.3, student_size=0.3)
    run = tasks_at(om.Tasks.in_turn((0, 1), (3.0,)), start)
    alone = replace(start, teacher_readout=start.teacher_readout[0], origin=None)
    first = om.simulate(run.problem.of_task(0), alone, 6.0, "ode", save_at=[0.0, 3.0, 6.0])
    assert run.info.spectral_nodes == first.info.spectral_nodes and run.info.spectral_error < 1e-5
    np.testing.assert_allclose(run.G[0, :2], first.G[0, :2], rtol=1e-5)
    np.testing.assert_allclose(run.task_errors[0, :2, 0], first.generalization_error[0, :2], rtol=1e-5)
    assert abs(run.task_errors[0, 2, 0] / first.generalization_error[0, 2] - 1.0) > 0.5


def test_mixed_tasks_with_heads_against_micro():
    """Mean over 16 runs of N = 400 within four standard errors and 2 %; shares exchanged are not."""
    start = om.initial.tasks(400, K=2, overlap=0.3, student_size=0.3, heads=(0, 1))
    run = tasks_at(om.Tasks((0.3, 0.7), heads=(0, 1)), start, "micro", replicas=16)
    mean, error = run.task_errors.mean(0), run.task_errors.std(0, ddof=1) / 4.0
    theory, other = (tasks_at(om.Tasks(shares, heads=(0, 1)), start).task_errors[0] for shares in ((0.3, 0.7),
                                                                                                  (0.7, 0.3)))
    bound = 4.0 * error + 0.02 * mean.max()
    assert np.all(np.abs(theory - mean) < bound) and np.any(np.abs(other - mean) > 2.0 * bound)


def test_exponential_steps_are_for_one_task():
    start = om.initial.tasks(400, K=2, overlap=0.3)
    with pytest.raises(EngineError, match="method exponential is for one task; got 2"):
        tasks_at(om.Tasks((0.5, 0.5)), start, method="exponential")
