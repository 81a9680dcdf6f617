"""The sphere in engine ode beside inputs with a covariance: lengths, runs of vectors, solvers, going on."""

import numpy as np
import pytest
from small_ensembles import z_scores

import onlinemode as om
from onlinemode.errors import EngineError
from onlinemode.inputs import Blocks, PowerLaw, Spectrum

RATES = om.LearningRates(xi_in=0.9, strengths=0.4, xi_out=0.5, readout=0.2)
TIMES = [0.0, 0.5, 1.0, 3.0]
BLOCKS = Blocks((3.0, 0.5), (0.2, 0.8))
WITH_ZEROS = Spectrum((*(2.0,) * 250, *(1.0,) * 500, *(0.0,) * 250))


def problem_of(inputs, **changes):
    return om.Problem(inputs=inputs, **{"noise": 0.3, "rates": RATES, "constraint": "sphere", **changes})


def integrated(inputs, start, **changes):
    options = {name: changes.pop(name) for name in ("resolve", "spectral_nodes", "rtol", "atol") if name in changes}
    return om.simulate(problem_of(inputs, **changes), start, 3.0, "ode", save_at=TIMES, **options)


@pytest.mark.parametrize("inputs, batch", [(BLOCKS, 3), (PowerLaw(0.4), 1), (WITH_ZEROS, 1)], ids=str)
def test_against_runs_of_vectors(inputs, batch, random_weights):
    """32 runs: all means within 4.5 standard errors, 7e-6 false alarms a number; not without the constraint."""
    start = random_weights(1000, K=2, M=2, P=2, seed=3, size=0.5)
    micro = om.simulate(problem_of(inputs, batch=batch, weight_decay=0.4), start, 3.0, replicas=32, seed=1,
                        save_at=TIMES)
    assert z_scores(micro, integrated(inputs, start, batch=batch, weight_decay=0.4)).max() < 4.5
    free = integrated(inputs, start, batch=batch, weight_decay=0.4, constraint=None)
    assert z_scores(micro, free).max() > 20.0


def test_lengths_stay_and_decay_drops_out(random_weights):
    start = random_weights(1000, K=2, M=2, P=3, seed=3, size=0.5)
    exact = {"rtol": 1e-10, "atol": 1e-12}
    found = integrated(BLOCKS, start, resolve=2, **exact)
    lengths = (found.resolved.G / found.resolved.eigenvalues[:, None, None]).sum(2)[0].diagonal(axis1=1, axis2=2)
    assert np.allclose(lengths, (start.xi_in**2).mean(1), rtol=1e-8)
    metric = found.G[0].diagonal(axis1=1, axis2=2)
    assert np.abs(metric / metric[0] - 1.0).max() > 0.05  # which moves
    decayed = integrated(BLOCKS, start, weight_decay=0.4, **exact)
    assert np.allclose(decayed.G, found.G, rtol=1e-7, atol=1e-9)


def test_one_eigenvalue_is_the_sphere_of_independent_inputs(random_weights):
    start = random_weights(1000, K=2, M=2, P=2, seed=3, size=0.5)
    near = integrated(Blocks((1.0 + 1e-7, 1.0), (0.5, 0.5)), start, batch=2)
    one = integrated(om.inputs.Gaussian(), start, batch=2)
    assert near.info.spectral_nodes == 2 and np.allclose(near.G, one.G, rtol=1e-5, atol=1e-6)


def test_nodes_are_as_good_as_all_eigenvalues(random_weights):
    start = random_weights(200, K=2, M=2, P=2, seed=3, size=0.5)
    few, all_ = (integrated(PowerLaw(1.0), start, spectral_nodes=count) for count in (30, 200))
    assert few.info.spectral_error < 1e-4 and all_.info.spectral_error is None
    assert np.allclose(few.G, all_.G, rtol=1e-3, atol=1e-5)


def test_a_mode_of_no_length_stays(random_weights):
    drawn = random_weights(200, K=2, M=2, P=2, seed=3, size=0.5)
    start = om.Weights(**{**vars(drawn), "xi_in": drawn.xi_in * np.array([[1.0], [0.0]])})
    found = integrated(BLOCKS, start)
    assert np.all(found.G[0, :, 1] == 0.0) and np.all(found.S[0, :, 1] == 0.0) and np.isfinite(found.G).all()


def test_starts_without_vectors_tasks_and_going_on(random_weights):
    start = random_weights(1000, K=2, M=2, P=2, seed=3, size=0.5)
    expected = integrated(BLOCKS, start)
    resolved = integrated(BLOCKS, om.ResolvedOverlaps.of(start, BLOCKS))
    assert np.allclose(resolved.G, expected.G, rtol=1e-8, atol=1e-10)
    run = om.simulate(problem_of(BLOCKS), start, 1.0, save_at=[0.0, 1.0], store_final=True)
    later = om.go_on(run, 3.0, engine="ode", save_at=[3.0], resolve=2)
    lengths = (later.resolved.G / later.resolved.eigenvalues[:, None, None]).sum(2)[0].diagonal(axis1=1, axis2=2)
    assert np.allclose(lengths, (start.xi_in**2).mean(1), rtol=1e-6)
    both = om.initial.tasks(400, K=2, student_size=0.5)
    tasks = integrated(BLOCKS, both, tasks=om.Tasks((0.5, 0.5)), resolve=2)
    lengths = (tasks.resolved.G / tasks.resolved.eigenvalues[:, None, None]).sum(2)[0].diagonal(axis1=1, axis2=2)
    assert np.allclose(lengths, (both.xi_in**2).mean(1), rtol=1e-6)


def test_what_is_refused(random_weights):
    start = random_weights(200, K=2, M=2, P=2, seed=3)
    for options, message in (({"method": "exponential"}, "method exponential knows no constraints; got 'sphere': take"),
                             ({"corrections": "on"}, "constraint or dropout; got Blocks.* sphere, the loss squared:")):
        with pytest.raises(EngineError, match=message) as caught:
            om.simulate(problem_of(BLOCKS), start, 1.0, "ode", **options)
        assert "\n" not in str(caught.value)
