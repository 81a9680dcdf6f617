"""The mean-field drift resolved by the eigenvalues of a covariance: against steps of real vectors, and its limits."""

from functools import lru_cache

import numpy as np
import pytest
from scipy import special

import onlinemode as om
from onlinemode.theory.meanfield import MeanFieldDrift
from onlinemode.theory.spectral import SpectralDrift, resolve, usual_nodes

SIZES = (200, 600, 1200)
EIGENVALUES = np.repeat([4.0, 1.0, 0.3], SIZES)
EIGENVALUES = EIGENVALUES / EIGENVALUES.mean()
N, K, M, P = EIGENVALUES.size, 3, 2, 2
SAMPLES, AT_ONCE = 20_000, 2000
RATES = {"xi_in": 0.9, "strengths": 0.7, "xi_out": 0.5, "readout": 0.4}
ACTIVATIONS = {"erf": (lambda z: special.erf(z / np.sqrt(2.0)), lambda z: np.sqrt(2.0 / np.pi) * np.exp(-z**2 / 2.0)),
               "relu": (lambda z: np.maximum(z, 0.0), lambda z: (z > 0.0).astype(float)),
               "tanh": (np.tanh, lambda z: 1.0 - np.tanh(z)**2)}


def problem_of(activation, **changes):
    return om.Problem(activation, **{"noise": 0.3, "weight_decay": 0.6, "rates": om.LearningRates(**RATES), **changes})


@lru_cache
def weights():
    """A student that is correlated with its teacher differently in each block."""
    rng = np.random.default_rng(11)
    X, B = 0.8 * rng.standard_normal((P, N)), rng.standard_normal((M, N))
    for part, size in zip(np.split(np.arange(N), np.cumsum(SIZES)[:-1]), (0.25, -0.15, 0.4)):
        X[:, part] += size * rng.standard_normal((P, M)) @ B[:, part]
    return om.Weights(xi_in=X, strengths=1.0 + 0.3 * rng.standard_normal(P), xi_out=0.7 * rng.standard_normal((K, P)),
                      readout=0.5 + 0.5 * rng.standard_normal(K), teacher=B, teacher_readout=rng.uniform(0.3, 1.1, M))


@lru_cache
def steps(activation):
    """Means and standard errors of what one step does to N times the shares (metric form) and the small factors."""
    w, rng = weights(), np.random.default_rng(5)
    g, slope = ACTIVATIONS[activation]
    blocks = np.split(np.arange(N), np.cumsum(SIZES)[:-1])
    phi = 1.0 - 0.6 / N
    rows = []
    for _ in range(SAMPLES // AT_ONCE):
        x = rng.standard_normal((AT_ONCE, N)) * np.sqrt(EIGENVALUES)
        u, nu = x @ w.xi_in.T / np.sqrt(N), x @ w.teacher.T / np.sqrt(N)
        field = u * w.strengths @ w.xi_out.T
        error = g(field) @ w.readout - g(nu) @ w.teacher_readout - 0.3 * rng.standard_normal(AT_ONCE)
        delta = error[:, None] * w.readout * slope(field)
        back = delta @ w.xi_out
        c = -RATES["xi_in"] * w.strengths * back
        columns = []
        for block in blocks:
            part, omega = x[:, block], EIGENVALUES[block[0]]
            X, B = w.xi_in[:, block], w.teacher[:, block]
            G, S = omega * X @ X.T / N, omega * X @ B.T / N
            cu = c[:, :, None] * (omega * part @ X.T / np.sqrt(N))[:, None]
            cc = c[:, :, None] * c[:, None] * (omega * np.sum(part**2, 1) / N)[:, None, None]
            columns.append(((phi**2 - 1.0) * N * G + phi * (cu + cu.swapaxes(1, 2)) + cc).reshape(AT_ONCE, -1))
            columns.append(((phi - 1.0) * N * S + c[:, :, None] * (omega * part @ B.T / np.sqrt(N))[:, None])
                           .reshape(AT_ONCE, -1))
        columns += [-RATES["strengths"] * u * back, -RATES["readout"] * error[:, None] * g(field),
                    (-RATES["xi_out"] * delta[:, :, None] * (w.strengths * u)[:, None]).reshape(AT_ONCE, -1)]
        rows.append(np.concatenate(columns, 1))
    rows = np.concatenate(rows)
    return rows.mean(0), rows.std(0, ddof=1) / np.sqrt(len(rows))


def drift(activation, change=lambda shares: shares, averages=None):
    """What the equations say of the same entries."""
    w, inputs = weights(), om.inputs.Spectrum(EIGENVALUES)
    shares = change(resolve(w.xi_in, w.teacher, EIGENVALUES, 3, 1.0, 1.0))
    equations = SpectralDrift(problem_of(activation), w.order_parameters(inputs), shares, averages=averages)
    rate, layout = equations(equations.full), equations.layout
    one = np.triu_indices(P)
    columns = []
    for share in rate[layout.shares].reshape(layout.of_share, -1)[:, ::-1].T:  # from the largest eigenvalue on
        G = np.zeros((P, P))
        G[one] = G.T[one] = share[:len(one[0])]
        columns += [G.ravel(), share[len(one[0]):]]
    return np.concatenate([*columns, rate[layout.strengths], rate[layout.readout], rate[layout.xi_out]])


def largest_z(activation, *changes, **averages):
    mean, error = steps(activation)
    return np.abs((mean - drift(activation, *changes, **averages)) / error).max()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_against_steps_of_vectors(activation):
    assert largest_z(activation) < 4.5
    assert largest_z(activation, lambda shares: shares._replace(eigenvalues=np.ones(3))) > 20.0
    assert largest_z(activation, lambda shares: shares._replace(traces=shares.traces[::-1].copy())) > 5.5


def test_over_nodes():
    assert largest_z("erf", averages="nodes") < 4.5
    closed, nodes = drift("erf"), drift("erf", averages="nodes")
    assert 0.0 < np.abs(nodes - closed).max() < 2e-3 * np.abs(closed).max()


@pytest.mark.parametrize("activation", ["erf", "relu", "linear", "tanh", "he:2"])
def test_shares_of_one_eigenvalue_sum_to_the_isotropic_drift(activation):
    w, problem = weights(), problem_of(activation, batch=2)
    groups = resolve(w.xi_in, w.teacher, EIGENVALUES, 3, 1.0, 1.0)
    alike = groups._replace(**{name: getattr(groups, name) / groups.eigenvalues.reshape(-1, *(1,) * extra)
                               for name, extra in (("traces", 0), ("G", 2), ("S", 2), ("T", 2))},
                            eigenvalues=np.ones(3))
    o = w.order_parameters()
    expected = MeanFieldDrift(problem, o).at_start()
    found = SpectralDrift(problem, o, alike).at_start()
    for one, other in zip(expected, found):
        assert np.abs(one - other).max() < 1e-14 * max(np.abs(part).max() for part in expected)


@pytest.mark.parametrize("noise, rates", [(0.0, {"xi_in": 1.0}), (0.3, RATES)])
def test_flow_of_a_generator(noise, rates):
    """Exact: half the time twice is the whole time, and its slope is the drift."""
    w, inputs = weights(), om.inputs.Spectrum(EIGENVALUES)
    shares = resolve(w.xi_in, w.teacher, EIGENVALUES, 3, 1.0, 1.0)
    problem = problem_of("erf", noise=noise, rates=om.LearningRates(**rates))
    equations = SpectralDrift(problem, w.order_parameters(inputs), shares)
    state = equations.full[equations.active]
    generator = equations.generator(state)
    whole, half = equations.after(state, 2.0 * generator), equations.after(state, generator)
    assert np.abs(equations.after(half, generator) - whole).max() < 1e-14 * np.abs(whole).max()
    h = 1e-4
    slope = (equations.after(state, h * generator) - equations.after(state, -h * generator)) / (2.0 * h)
    assert np.abs(slope - equations(state)).max() < 1e-6
    assert np.abs(slope - equations(half)).max() > 1e-3


def test_shares_of_vectors():
    """Sums over all shares are the overlaps, exact or interpolated; directions of no variance are left out."""
    rng = np.random.default_rng(2)
    X, B = rng.standard_normal((2, 300)), rng.standard_normal((1, 300))
    steep = om.inputs.PowerLaw(1.5).spectrum(300)
    steep[-20:] = 0.0
    few = np.repeat([2.0, 0.5], 150) * (1.0 + 1e-13 * rng.standard_normal(300))  # as an eigendecomposition has them
    for eigenvalues, count, exact in ((steep, 12, False), (few, 12, True), (steep[:5].repeat(60), 5, True)):
        shares = resolve(X, B, eigenvalues, count, 0.5, 100.0)
        assert shares.exact == exact
        assert len(shares.eigenvalues) == (len(np.unique(eigenvalues.round(6))) if exact else 12)
        assert shares.traces.sum() == pytest.approx(eigenvalues.mean(), rel=1e-12)
        for part, one, other in ((shares.G, X, X), (shares.S, X, B), (shares.T, B, B)):
            assert np.allclose(part.sum(0), one * eigenvalues @ other.T / 300, rtol=0.0, atol=1e-12)
            found, expected = np.tensordot(shares.eigenvalues, part, 1), one * eigenvalues**2 @ other.T / 300
            assert np.allclose(found, expected, rtol=0.0, atol=1e-3 * np.abs(expected).max())
    assert usual_nodes(np.ones(3), 1.0, 1.0) == 1
    assert usual_nodes(np.sort(om.inputs.PowerLaw(1.0).spectrum(1000)), 0.5, 1000.0) == 31


@pytest.mark.parametrize("small", [1e-9, 1e-18])
def test_eigenvalues_far_above_the_others_stand_alone(small):
    """Those that have learned nothing are one node, however rounding places them; few nodes are left to many others."""
    rng = np.random.default_rng(4)
    X, B = rng.standard_normal((2, 300)), rng.standard_normal((2, 300))
    eigenvalues = np.concatenate([[5.0, 3.0, 2.0, 1.0], small * (1.0 + 1e-3 * rng.random(296))])
    for count in (None, 5, 9, 40):
        shares = resolve(X, B, eigenvalues, count, 0.5, 100.0)
        assert not shares.exact and np.array_equal(shares.eigenvalues[1:], [1.0, 2.0, 3.0, 5.0])
        for part, one, other in ((shares.G, X, X), (shares.S, X, B), (shares.T, B, B)):
            assert np.allclose(part[:0:-1], one.T[:4, :, None] * other.T[:4, None] * eigenvalues[:4, None, None] / 300,
                               rtol=1e-12, atol=0.0)
            assert np.allclose(part.sum(0), one * eigenvalues @ other.T / 300, rtol=0.0, atol=1e-12)
    for count in range(2, 12):
        shares = resolve(X, B, om.inputs.PowerLaw(3.0).spectrum(300), count, 0.5, 1e4)
        assert len(shares.eigenvalues) == count and np.isfinite(shares.G).all()
