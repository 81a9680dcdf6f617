"""Closed Gaussian averages against quadrature nodes, explicit sums and Monte Carlo."""

import itertools

import numpy as np
import pytest
from scipy import special

import onlinemode as om
from onlinemode.kernels.averages.erf import erf_averages
from onlinemode.kernels.averages.erf_sums import erf_sum_averages
from onlinemode.kernels.averages.fields import Overlaps, field_covariances, student_factors
from onlinemode.kernels.averages.linear import linear_averages
from onlinemode.kernels.averages.nodes import node_averages
from onlinemode.kernels.averages.records import make_averages
from onlinemode.kernels.averages.relu import relu_averages
from onlinemode.kernels.rule.step import Factors
from onlinemode.theory.averaging import terms_of
from onlinemode.theory.meanfield import teacher_of
from onlinemode.theory.quadrature import normal_nodes, teacher_factor

SHAPES = [(2, 3, 1), (3, 2, 4), (2, 2, 2), (1, 1, 1)]
NOISE = 0.3


def factors_of(overlaps):
    return Factors(*(np.array(value) for value in (
        overlaps.strengths, overlaps.xi_out, overlaps.readout, overlaps.teacher_readout)))


def covariance_of(overlaps):
    return Overlaps(np.array(overlaps.G), np.array(overlaps.S), teacher_of(overlaps.T))


def closed(activation, overlaps, noise=NOISE):
    K, M, P = overlaps.K, overlaps.M, overlaps.P
    out = make_averages(K, M, P)
    Z, cross, w = field_covariances(covariance_of(overlaps), factors_of(overlaps))
    if activation == "tanh":
        erf_sum_averages(Z, cross, w, K, noise, terms_of("tanh", "tanh", K, M), out)
    else:
        {"erf": erf_averages, "linear": linear_averages, "relu": relu_averages}[activation](Z, cross, w, K, noise, out)
    return out


def by_nodes(activation, overlaps, seed, count=2**18, noise=NOISE):
    out = make_averages(overlaps.K, overlaps.M, overlaps.P)
    law = covariance_of(overlaps)
    node_averages(om.Problem(activation=activation, noise=noise).rule(1), law, factors_of(overlaps),
                  normal_nodes(law.teacher.factor.shape[1] + overlaps.P, count, seed), out)
    return out


@pytest.mark.parametrize("K, M, P", SHAPES)
def test_field_covariances(random_overlaps, K, M, P):
    o = random_overlaps(K, M, P, seed=8)
    Z, cross, w = field_covariances(covariance_of(o), factors_of(o))
    scaled = o.xi_out * o.strengths
    assert np.allclose(Z, np.block([[o.Q, o.R], [o.R.T, o.T]]), rtol=0.0, atol=1e-14 * np.abs(Z).max())
    assert np.allclose(cross, np.block([[scaled @ o.G, o.R], [o.S.T, o.T]]), rtol=0.0, atol=1e-14 * np.abs(Z).max())
    assert np.array_equal(w, np.concatenate([o.readout, -o.teacher_readout]))


@pytest.mark.parametrize("K, M, P", SHAPES)
@pytest.mark.parametrize("activation", ["erf", "linear", "relu", "tanh"])
def test_closed_forms_agree_with_nodes(random_overlaps, activation, K, M, P):
    """Mean of four node sets within 5 times their spread (largest entry of each average)."""
    o = random_overlaps(K, M, P, seed=3)
    exact, sets = closed(activation, o), [by_nodes(activation, o, seed) for seed in range(4)]
    for name in exact._fields:
        value, estimates = getattr(exact, name), np.array([getattr(nodes, name) for nodes in sets])
        spread, size = estimates.std(0, ddof=1).max(), np.abs(value).max()
        assert spread < 3e-3 * size, name  # else the comparison says nothing
        assert np.abs(value - estimates.mean(0)).max() <= 5.0 * spread + 1e-13 * size, name


@pytest.mark.parametrize("activation", ["erf", "linear", "relu", "tanh"])
def test_order_of_convergence(random_overlaps, activation):
    """More nodes come closer to the closed form, so the two have the same limit."""
    o = random_overlaps(2, 2, 2, seed=4)
    exact = closed(activation, o)
    deviation = [np.mean([np.abs(by_nodes(activation, o, seed, count).field - exact.field).max() for seed in range(4)])
                 for count in (2**8, 2**16)]
    assert deviation[1] < 0.05 * deviation[0] or deviation[1] < 1e-13


def i4_sum(o):
    """V by the fourfold sum of Saad and Solla, docs/theory, section 2.3; label noise added."""
    Z = np.block([[o.Q, o.R], [o.R.T, o.T]])
    w = np.concatenate([o.readout, -o.teacher_readout])
    K, n = o.K, len(w)
    V = np.zeros((K, K))
    for k, l in itertools.product(range(K), repeat=2):
        for i, j in itertools.product(range(n), repeat=2):
            C = Z[np.ix_([k, l, i, j], [k, l, i, j])]
            c11, c22, c33, c44 = np.diag(C)
            L4 = (1 + c11) * (1 + c22) - C[0, 1] ** 2
            L0 = (L4 * C[2, 3] - C[1, 2] * C[1, 3] * (1 + c11) - C[0, 2] * C[0, 3] * (1 + c22)
                  + C[0, 1] * C[0, 2] * C[1, 3] + C[0, 1] * C[0, 3] * C[1, 2])
            L1 = L4 * (1 + c33) - C[1, 2] ** 2 * (1 + c11) - C[0, 2] ** 2 * (1 + c22) + 2 * C[0, 1] * C[0, 2] * C[1, 2]
            L2 = L4 * (1 + c44) - C[1, 3] ** 2 * (1 + c11) - C[0, 3] ** 2 * (1 + c22) + 2 * C[0, 1] * C[0, 3] * C[1, 3]
            V[k, l] += w[k] * w[l] * w[i] * w[j] * 4 / np.pi**2 / np.sqrt(L4) * np.arcsin(L0 / np.sqrt(L1 * L2))
        V[k, l] += w[k] * w[l] * NOISE**2 * 2 / np.pi / np.sqrt((1 + Z[k, k]) * (1 + Z[l, l]) - Z[k, l] ** 2)
    return V


@pytest.mark.parametrize("K, M, P", SHAPES)
def test_erf_delta_is_the_i4_sum(random_overlaps, K, M, P):
    o = random_overlaps(K, M, P, seed=5)
    V = i4_sum(o)
    assert np.abs(closed("erf", o).delta - V).max() < 1e-13 * np.abs(V).max()


@pytest.mark.parametrize("activation", ["erf", "relu"])
def test_delta_against_monte_carlo(random_overlaps, activation):
    """V within 5 standard errors: 5e-6 false alarms."""
    o = random_overlaps(3, 2, 2, seed=6)
    C = np.block([[o.Q, o.R], [o.R.T, o.T]])
    values, vectors = np.linalg.eigh(C)
    rng = np.random.default_rng(12)
    h = rng.standard_normal((1_000_000, len(C))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    lam = h[:, :3]
    if activation == "erf":
        g, slope = special.erf(h / np.sqrt(2)), np.sqrt(2 / np.pi) * np.exp(-lam**2 / 2)
    else:
        g, slope = np.maximum(h, 0.0), (lam > 0.0).astype(float)
    e = g @ np.concatenate([o.readout, -o.teacher_readout]) - NOISE * rng.standard_normal(len(h))
    delta = e[:, None] * slope * o.readout
    V = closed(activation, o).delta
    products = delta[:, :, None] * delta[:, None, :]
    standard_error = products.std(0) / np.sqrt(len(h))
    assert np.all(np.abs(products.mean(0) - V) < 5.0 * standard_error)
    assert np.all(standard_error < 0.01 * np.abs(V).max())


@pytest.mark.parametrize("activation", ["erf", "linear", "relu", "tanh"])
def test_label_noise_enters_delta_alone(random_overlaps, activation):
    o = random_overlaps(3, 2, 2, seed=7)
    quiet, noisy = closed(activation, o, 0.0), closed(activation, o, 0.5)
    for name in ("field", "activity", "error"):
        assert np.array_equal(getattr(quiet, name), getattr(noisy, name))
    assert np.linalg.eigvalsh(noisy.delta - quiet.delta)[0] > -1e-14
    assert np.trace(noisy.delta - quiet.delta) > 0.0


def test_student_factors(random_overlaps):
    for K, M, P in SHAPES:
        o = random_overlaps(K, M, P, seed=9)
        factor, inverse = teacher_factor(o.T)
        along, across = student_factors(np.array(o.G), np.array(o.S), inverse)
        assert np.allclose(along @ factor.T, o.S, rtol=0.0, atol=1e-13)
        assert np.allclose(along @ along.T + across @ across.T, o.G, rtol=0.0, atol=1e-13)
        assert np.array_equal(across, np.tril(across))


def test_student_inside_the_span_of_the_teacher():
    """X = D B, a copy and a zero mode: vanishing pivots are zero columns, not NaN."""
    rng = np.random.default_rng(0)
    B = rng.standard_normal((3, 20))
    X = np.vstack([rng.standard_normal((2, 3)) @ B, B[0], np.zeros(20), rng.standard_normal(20)])
    G, S, T = X @ X.T / 20, X @ B.T / 20, B @ B.T / 20
    factor, inverse = teacher_factor(T)
    along, across = student_factors(G, S, inverse)
    assert np.all(np.isfinite(across))
    assert np.allclose(along @ along.T + across @ across.T, G, rtol=0.0, atol=1e-7)
    assert np.abs(across[:4]).max() < 1e-7
    assert across[4, 4] > 0.1
