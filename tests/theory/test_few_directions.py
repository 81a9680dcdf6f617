"""Terms of order 1/N of few directions: against the mean of first steps of real vectors, and runs of the chain."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import erf

import onlinemode as om
from onlinemode.errors import EngineError
from onlinemode.theory.spectral import SpectralDrift, resolve

N, K, P, M = 40, 3, 2, 2
# one direction has half of the trace
EIGENVALUES = np.concatenate([[0.52 * N], 0.48 * N * np.repeat([0.8, 0.2], [19, 20]) / (19 * 0.8 + 20 * 0.2)])


def start_of(seed):
    rng = np.random.default_rng(seed)
    return om.Weights(xi_in=0.6 * rng.standard_normal((P, N)), strengths=rng.uniform(0.6, 1.4, P),
                      xi_out=rng.standard_normal((K, P)), readout=rng.uniform(0.5, 1.0, K),
                      teacher=rng.standard_normal((M, N)), teacher_readout=rng.uniform(0.5, 1.0, M))


def mean_increments(w, rate, noise, batch, samples, seed):
    """N times the increments of G_l in a first step (3, P, P): their mean over samples, and its standard error."""
    rng = np.random.default_rng(seed)
    scaled, parts = w.xi_out * w.strengths, []
    for _ in range(samples // 20_000):
        x = rng.standard_normal((20_000, batch, N)) * np.sqrt(EIGENVALUES)
        h, nu = x @ w.xi_in.T / np.sqrt(N) @ scaled.T, x @ w.teacher.T / np.sqrt(N)
        e = erf(h / np.sqrt(2)) @ w.readout - erf(nu / np.sqrt(2)) @ w.teacher_readout
        e -= noise * rng.standard_normal(e.shape)
        delta = w.readout * np.sqrt(2 / np.pi) * np.exp(-(h**2) / 2) * e[..., None]
        moved = -rate / (batch * np.sqrt(N)) * np.einsum("snp,sni->spi", delta @ scaled, x)
        steps = []
        for value in np.unique(EIGENVALUES):
            own = EIGENVALUES == value
            cross = np.einsum("spi,qi->spq", moved[..., own], value * w.xi_in[:, own])
            square = np.einsum("spi,sqi->spq", value * moved[..., own], moved[..., own])
            steps.append(cross + cross.swapaxes(1, 2) + square)
        parts.append(np.stack(steps, 1))
    found = np.concatenate(parts)
    return found.mean(0), found.std(0) / np.sqrt(len(found))


@pytest.mark.parametrize("seed, batch", [(1, 1), (3, 4)])
def test_mean_of_first_steps(seed, batch):
    """Nine entries; by chance |z| > 4 once in 1,800. Without the terms the largest share is far off."""
    w = start_of(seed)
    problem = om.Problem(rates=om.LearningRates(xi_in=0.9), noise=0.3, batch=batch)
    overlaps = w.order_parameters(om.inputs.Spectrum(EIGENVALUES))
    shares = resolve(w.xi_in, w.teacher, EIGENVALUES, 3, 1.0, 1.0)
    mean, error = mean_increments(w, 0.9, 0.3, batch, 200_000, seed)
    largest = {}
    for given in (N, None):
        drift = SpectralDrift(problem, overlaps, shares, N=given)
        assert drift.corrected == (given is not None)
        rates = drift(drift.full[drift.active])[:9].reshape(3, 3).T
        z = (rates - mean[(slice(None), *np.triu_indices(P))]) / error[(slice(None), *np.triu_indices(P))]
        largest[given] = np.abs(z).max()
    assert largest[N] < 4.0 and largest[None] > 10.0


def test_on_by_default_for_few_directions_alone():
    w = om.initial.committee(N, K=2, seed=0, readout="sum", student_size=0.3)
    few, many = (om.simulate(om.Problem(rates=om.LearningRates(xi_in=0.5), inputs=inputs), w, 5.0, "ode").info
                 for inputs in (om.inputs.Spectrum(EIGENVALUES), om.inputs.Blocks((2.0, 0.5), (0.5, 0.5))))
    assert few.corrected and few.participation < 20.0 and not many.corrected and many.participation > 20.0
    problem = om.Problem(rates=om.LearningRates(xi_in=0.5), inputs=om.inputs.Spectrum(EIGENVALUES))
    off = om.simulate(problem, w, 5.0, "ode", corrections="off")
    on = om.simulate(problem, w, 5.0, "ode", corrections="on")
    assert not off.info.corrected and "1/N" not in repr(off) and "1/N at N = 40" in repr(on)
    assert np.abs(on.generalization_error / off.generalization_error - 1.0).max() > 1e-3
    for changes in ({"inputs": om.inputs.Gaussian()}, {"constraint": "sphere"}):
        with pytest.raises(EngineError, match="corrections are for inputs with a covariance"):
            om.simulate(replace(problem, **changes), w, 5.0, "ode", corrections="on")


def test_whatever_the_number_of_shares_and_the_method():
    """All 200 eigenvalues take exponential steps, their interpolation those of LSODA; without the terms 5 % more."""
    w = om.initial.committee(200, K=2, seed=1)
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0), inputs=om.inputs.PowerLaw(6.0))
    few, every, off = (om.simulate(problem, w, 1.0, "ode", save_at=[0.0, 0.3, 1.0], **options)
                       for options in ({}, {"spectral_nodes": 200}, {"corrections": "off"}))
    assert (few.info.method, every.info.method) == ("LSODA", "exponential") and every.info.spectral_nodes == 200
    assert few.info.corrected and every.info.corrected and not off.info.corrected
    np.testing.assert_allclose(every.generalization_error, few.generalization_error, rtol=1e-4)
    assert off.generalization_error[0, -1] > 1.05 * few.generalization_error[0, -1]
