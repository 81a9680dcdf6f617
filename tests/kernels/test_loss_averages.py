"""Losses and labels in the kernels: slopes, averages over noise and flips, and the drift against closed forms and
against samples; docs/theory, section 12."""

import math

import numpy as np
import plain_sgd
import pytest
from scipy import integrate, stats

import onlinemode as om
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.random.philox import STREAM_CHAIN_FLIP, STREAM_LABEL_FLIP
from onlinemode.kernels.random.uniforms import single_uniform
from onlinemode.kernels.rule import losses
from onlinemode.losses import loss_of
from onlinemode.theory.meanfield import MeanFieldDrift, generalization_error

OF_SIGNS = ("squared", "logistic", "hinge", "hinge:0.5", "perceptron", "adatron", "correlation", "huber", "huber:0.4")
OF_NUMBERS = ("correlation", "huber", "huber:0.4")
RATES = om.LearningRates(xi_in=0.8, strengths=0.2, xi_out=0.3, readout=0.4)
SAMPLES, BATCHES = 10**6, 20


@compiled
def slope_of_loss(loss, f, y):
    return losses.slope_of_loss(loss, f, y)


@compiled
def mean_slopes(loss, labels, noise, f, y):
    return losses.mean_slopes(loss, labels, noise, f, y)


@compiled
def value_of_loss(loss, f, y):
    return losses.value_of_loss(loss, f, y)


@compiled
def mean_value(loss, labels, noise, f, y):
    return losses.mean_value(loss, labels, noise, f, y)


def data(word):
    return losses.loss_data(loss_of(word))


@pytest.mark.parametrize("word", plain_sgd.SLOPE_OF_LOSS)
def test_slopes_are_those_of_numpy(word):
    for f in (-800.0, -1.5, -1.0, -0.3, 0.0, 0.2, 0.4, 0.5, 1.0, 3.0, 600.0, 800.0):
        for y in (-1.0, 1.0) if loss_of(word).of_signs else (-1.0, 1.0, -0.2, 0.7, 5.0):
            with np.errstate(over="ignore"):
                expected = plain_sgd.SLOPE_OF_LOSS[word](f, y)
            assert slope_of_loss(data(word), f, y) == pytest.approx(expected, rel=1e-14, abs=1e-250)


def largest_difference(slope, word):
    """From central differences of the loss, at places that no kink is near."""
    step, worst = 1e-5, 0.0
    for f in (-3.0, -1.55, -0.33, 0.23, 0.45, 1.77, 4.1):
        for y in (-1.0, 1.0) if loss_of(word).of_signs else (-1.0, 1.0, -0.2, 0.7, 5.0):
            above, below = (value_of_loss(data(word), f + sign * step, y) for sign in (1.0, -1.0))
            difference = (above - below) / (2.0 * step)
            worst = max(worst, abs(difference - slope(data(word), f, y)))
    return worst


@pytest.mark.parametrize("word", plain_sgd.SLOPE_OF_LOSS)
def test_slopes_are_those_of_the_loss(word):
    assert largest_difference(slope_of_loss, word) < 1e-9
    wrong = lambda loss, f, y: 1.1 * slope_of_loss(loss, f, y)  # noqa: E731
    assert largest_difference(wrong, word) > 1e-3


def test_losses_of_large_outputs_are_finite():
    assert value_of_loss(data("logistic"), -1e6, 1.0) == 1e6
    assert value_of_loss(data("logistic"), 800.0, 1.0) == pytest.approx(0.0, abs=1e-300)
    assert value_of_loss(data("logistic"), 0.0, 1.0) == pytest.approx(math.log(2.0), rel=1e-15)


@pytest.mark.parametrize("word", ("squared", *OF_NUMBERS))
def test_mean_losses_over_normal_noise(word):
    """By quadrature of scipy, to 1e-9; a noise 10 % off is seen."""
    for noise in (0.0, 1e-3, 0.3, 5.0):
        for f, y in ((0.7, 0.4), (-1.3, -0.1), (0.1, -2.0)):
            kinks = [z for d in (-1.0, 1.0, -0.4, 0.4) if noise and abs(z := (f - y + d) / noise) < 12.0]
            density = lambda z: stats.norm.pdf(z) * value_of_loss(data(word), f, y + noise * z)  # noqa: B023, E731
            expected = value_of_loss(data(word), f, y)
            if noise:
                expected, _ = integrate.quad(density, -12.0, 12.0, points=kinks, epsabs=1e-12, limit=200)
            assert mean_value(data(word), None, noise, f, y) == pytest.approx(expected, rel=1e-9, abs=1e-9)
            if noise > 1.0 and word != "correlation":
                assert mean_value(data(word), None, 1.1 * noise, f, y) != pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("word", OF_SIGNS)
def test_mean_losses_over_signs(word):
    for flips, noise, f, y in ((0.0, 0.0, 0.7, 0.4), (0.1, 0.3, -0.2, 0.4), (0.1, 0.0, 0.1, -2.0)):
        positive = stats.norm.cdf(y / noise) if noise else float(y > 0.0)
        positive = (1.0 - flips) * positive + flips * (1.0 - positive)
        expected = positive * value_of_loss(data(word), f, 1.0) + (1.0 - positive) * value_of_loss(data(word), f, -1.0)
        assert mean_value(data(word), losses.Labels(1, flips), noise, f, y) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("flips", [0.0, 0.1])
@pytest.mark.parametrize("word", OF_SIGNS)
def test_means_over_signs(word, flips, noise):
    """Two labels with their probabilities, of which scipy has the normal one."""
    slope = plain_sgd.SLOPE_OF_LOSS[word]
    for f, y in ((0.7, 0.4), (-0.2, 0.4), (-1.3, -0.1), (0.1, -2.0), (0.3, 0.0)):
        positive = stats.norm.cdf(y / noise) if noise else float(y > 0.0)
        positive = (1.0 - flips) * positive + flips * (1.0 - positive)
        for power, found in zip((1, 2), mean_slopes(data(word), losses.Labels(1, flips), noise, f, y)):
            expected = positive * slope(f, 1.0) ** power + (1.0 - positive) * slope(f, -1.0) ** power
            assert found == pytest.approx(expected, rel=1e-13, abs=1e-300)


@pytest.mark.parametrize("noise", [0.0, 1e-3, 0.3, 5.0])
@pytest.mark.parametrize("word", ("squared", *OF_NUMBERS))
def test_means_over_normal_noise(word, noise):
    """By quadrature of scipy, to 1e-9."""
    slope = plain_sgd.SLOPE_OF_LOSS[word]
    for f, y in ((0.7, 0.4), (-0.2, 0.4), (-1.3, -0.1), (0.1, -2.0)):
        kinks = [z for d in (-1.0, 1.0, -0.4, 0.4) if noise and abs(z := (f - y + d) / noise) < 12.0]
        for power, found in zip((1, 2), mean_slopes(data(word), None, noise, f, y)):
            density = lambda z: stats.norm.pdf(z) * slope(f, y + noise * z) ** power  # noqa: B023, E731
            expected = slope(f, y) ** power
            if noise:
                expected, _ = integrate.quad(density, -12.0, 12.0, points=kinks, epsabs=1e-12, limit=200)
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_uniform_numbers():
    """KS of 2e4 numbers, and correlations with other streams, samples and replicas within 5 errors; rate below 1e-3."""
    count, seed = 20_000, np.uint64(3)
    numbers = lambda stream, replica=0, first=0: np.array(  # noqa: E731
        [single_uniform(stream, replica, first + i, seed) for i in range(count)])
    values = numbers(STREAM_LABEL_FLIP)
    assert values.min() >= 0.0 and values.max() < 1.0
    assert stats.kstest(values, "uniform").pvalue > 1e-3
    for other in (numbers(STREAM_CHAIN_FLIP), numbers(STREAM_LABEL_FLIP, 1), numbers(STREAM_LABEL_FLIP, 0, 1)):
        assert abs(np.corrcoef(values, other)[0, 1]) < 5.0 / math.sqrt(count)


def test_uniform_numbers_are_53_bits_of_two_words(reference_words):
    words = reference_words([0], STREAM_LABEL_FLIP, 7, 2**40 + 3, 2**63 + 1)[0]
    bits = (int(words[0]) << 32 | int(words[1])) >> 11
    assert single_uniform(STREAM_LABEL_FLIP, 7, 2**40 + 3, np.uint64(2**63 + 1)) == bits / 2**53


def increments(problem, o, rng, count):
    """N times what a step adds to (G, S, s, A, v) at N → ∞, (count, entries), as sections 1.2 and 12.1 have it."""
    values, vectors = np.linalg.eigh(o.covariance)
    fields = rng.standard_normal((count, len(values))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    u, nu, rates = fields[:, :o.P], fields[:, o.P:], problem.rates
    g, slope = problem.activations[0], problem.activations[0].slope
    field = (o.strengths * u) @ o.xi_out.T
    y = problem.activations[1](nu) @ o.teacher_readout + problem.noise * rng.standard_normal(count)
    if problem.labels == "sign":
        y = np.where(y > 0.0, 1.0, -1.0) * np.where(rng.random(count) < problem.flips, -1.0, 1.0)
    of_loss = plain_sgd.SLOPE_OF_LOSS[problem.loss](g(field) @ o.readout, y)
    delta = of_loss[:, None] * o.readout * slope(field)
    a = delta @ o.xi_out
    c = -rates.xi_in * o.strengths * a
    outer = lambda one, other: (one[:, :, None] * other[:, None]).reshape(count, -1)  # noqa: E731
    return np.concatenate([outer(c, u) + outer(u, c) + outer(c, c), outer(c, nu), -rates.strengths * u * a,
                           -rates.xi_out * outer(delta, o.strengths * u),
                           -rates.readout * of_loss[:, None] * g(field)], axis=1)


def deviation(problem, o, sampled=None, nodes=2**14, averages=None):
    """Largest |drift − mean of 10⁶ sampled steps| in standard errors, beyond the error of the nodes.

    That error is four times the root mean square of the difference of two sets of nodes, relative to the largest entry.
    """
    drifts = [np.concatenate([np.ravel(part) for part in MeanFieldDrift(problem, o, nodes, seed, averages).at_start()])
              for seed in (20230208, 1)]
    rng, means = np.random.default_rng(7), []
    for _ in range(BATCHES):
        means.append(increments(sampled or problem, o, rng, SAMPLES // BATCHES).mean(0))
    error = np.std(means, axis=0, ddof=1) / math.sqrt(BATCHES)
    slack = 4.0 * np.sqrt(np.mean((drifts[0] - drifts[1]) ** 2) / 2.0)
    beyond = np.maximum(np.abs(drifts[0] - np.mean(means, axis=0)) - slack, 0.0)
    return (beyond / error).max(), slack / np.abs(drifts[0]).max()


CASES = [(word, dict(labels="sign", flips=0.1, noise=0.2)) for word in OF_SIGNS]
CASES += [(word, dict(noise=0.5)) for word in OF_NUMBERS] + [("huber:0.4", {})]


@pytest.mark.parametrize("word, fields", CASES, ids=lambda value: value if isinstance(value, str) else None)
def test_drift_of_nodes_is_the_mean_of_a_step(word, fields, random_overlaps):
    """K = P = 2, M = 2: within 5 standard errors of 19 degrees of freedom beside the nodes' own error, at most 1 %.

    Two-sided p = 8e-5 an entry, 15 entries: false alarms below 2e-2 in all, if the slack were 0; the seeds are fixed.
    """
    problem = om.Problem(loss=word, rates=RATES, **fields)
    z, slack = deviation(problem, random_overlaps(2, 2, 2, seed=5), averages="nodes")
    assert slack < 1e-2
    assert z < 5.0


@pytest.mark.parametrize("student, teacher", [
    ("erf", None), ("linear", None), ("tanh", "sign"), ("erfs:.6,.5,.4,2", "poly:0,1,.3"), ("linear", "erf"),
    ("sigmoid", None), ("poly:.1,1,.2", "he:3")])
def test_closed_drift_of_the_correlation_loss(student, teacher, random_overlaps):
    """Within 5 standard errors of a million samples, with no slack; ε_g stays that of f − y."""
    problem = om.Problem(student, loss="correlation", noise=0.3, rates=RATES, teacher_activation=teacher)
    o = random_overlaps(2, 2, 2, seed=6)
    assert MeanFieldDrift(problem, o, averages="closed").method != "nodes"
    z, slack = deviation(problem, o)
    assert slack == 0.0 and z < 5.0
    drift = MeanFieldDrift(problem, o)
    drift.at_start()
    expected = generalization_error(student, o.G, o.S, o.T, o.strengths, o.xi_out, o.readout, o.teacher_readout,
                                    teacher)
    assert drift.last_error == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("taken, given", [
    (dict(loss="logistic", flips=0.15), dict(loss="logistic", flips=0.1)),
    (dict(loss="hinge:0.5", flips=0.1), dict(loss="hinge:0.55", flips=0.1)),
    (dict(loss="perceptron", noise=0.4), dict(loss="perceptron", noise=0.2))])
def test_the_drift_test_sees_wrong_labels_and_losses(taken, given, random_overlaps, monkeypatch):
    """Controls: flips .15 for .10, a margin 10 % off, twice the noise."""
    monkeypatch.setitem(plain_sgd.SLOPE_OF_LOSS, "hinge:0.55", lambda f, y: -y * (y * f < 0.55))
    one, other = (om.Problem(labels="sign", rates=RATES, **fields) for fields in (taken, given))
    assert deviation(one, random_overlaps(2, 2, 2, seed=5), sampled=other)[0] > 6.0


def closed(word, Q, R, T, q):
    """E[l' λ], E[l' ν] and E[l'²] for one linear unit and y = sign(ν), flipped with probability q."""
    rho = R / math.sqrt(Q * T)
    angle = math.acos(rho)
    if word == "correlation":
        return -(1 - 2 * q) * math.sqrt(2 / math.pi / T) * R, -(1 - 2 * q) * math.sqrt(2 * T / math.pi), 1.0
    if word == "perceptron":
        return (math.sqrt(Q / 2 / math.pi) * ((1 - q) * (1 - rho) + q * (1 + rho)),
                math.sqrt(T / 2 / math.pi) * (-(1 - q) * (1 - rho) + q * (1 + rho)),
                (1 - q) * angle / math.pi + q * (1 - angle / math.pi))
    if word == "adatron":
        a = (angle - math.sin(angle) * rho) / math.pi
        b = (angle * rho - math.sin(angle)) / math.pi
        a, b = (1 - q) * a + q * (1 - a), (1 - q) * b + q * (rho - b)
        return Q * a, math.sqrt(Q * T) * b, Q * a
    return (Q - (1 - 2 * q) * R * math.sqrt(2 / math.pi / T), R - (1 - 2 * q) * math.sqrt(2 * T / math.pi),
            Q - 2 * (1 - 2 * q) * R * math.sqrt(2 / math.pi / T) + 1.0)


def one_unit(Q, R, T):
    return om.OrderParameters(G=[[Q]], S=[[R]], T=[[T]], strengths=[1.0], xi_out=[[1.0]], readout=[1.0],
                              teacher_readout=[1.0])


@pytest.mark.parametrize("q", [0.0, 0.2])
@pytest.mark.parametrize("word, tolerance", [("correlation", 1e-3), ("perceptron", 4e-3), ("adatron", 1e-3),
                                             ("squared", 1e-3)])
def test_drift_of_one_linear_unit(word, tolerance, q):
    """Hebb, perceptron, AdaTron and Adaline: 2^16 nodes in two dimensions against closed forms."""
    Q, R, T, eta = 0.8, 0.5, 1.3, 0.7
    problem = om.Problem("linear", loss=word, labels="sign", flips=q, rates=om.LearningRates(xi_in=eta))
    dG, dS, *_ = MeanFieldDrift(problem, one_unit(Q, R, T), nodes=2**16).at_start()
    own, with_teacher, square = closed(word, Q, R, T, q)
    assert dG[0, 0] == pytest.approx(-2 * eta * own + eta**2 * square, abs=tolerance)
    assert dS[0, 0] == pytest.approx(-eta * with_teacher, abs=tolerance)
