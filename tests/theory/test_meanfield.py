"""The equations of motion against the one-step rule, and what they must conserve."""

import math

import numpy as np
import pytest
from scipy import special

import onlinemode as om
from onlinemode.errors import ParameterError
from onlinemode.theory.meanfield import MeanFieldDrift, StateLayout, generalization_error

ETA = {"xi_in": 0.9, "strengths": 0.6, "xi_out": 0.8, "readout": 0.7}
TRAINED = [("xi_in",), ("xi_in", "strengths"), ("xi_in", "strengths", "xi_out"), tuple(ETA)]
SHAPES = [(3, 2, 2), (2, 3, 4)]  # K, M, P: P < K and P > K
SETTINGS = [(1, 0.3, 0.4), (3, 0.5, 0.0), (1, 0.0, 0.0)]  # batch, noise, weight decay
SAMPLES, CHUNK = 1_000_000, 50_000

FUNCTIONS = {
    "erf": (lambda z: special.erf(z / math.sqrt(2.0)), lambda z: math.sqrt(2.0 / math.pi) * np.exp(-z**2 / 2.0)),
    "linear": (lambda z: z, np.ones_like),
    "relu": (lambda z: np.maximum(z, 0.0), lambda z: (z > 0.0).astype(float)),
    "tanh": (np.tanh, lambda z: 1.0 / np.cosh(z) ** 2),
}


def increments(activation, o, batch, sigma, kappa, rng, steps):
    """N times the change of (G, S, s, A, v) in one step as N → ∞, one row a step, upper triangle of G.

    Inputs of a batch have |x|²/N → 1 and no overlap with each other (docs/theory, section 2.2).
    """
    g, slope = FUNCTIONS[activation]
    values, vectors = np.linalg.eigh(np.block([[o.G, o.S], [o.S.T, o.T]]))
    fields = rng.standard_normal((steps, batch, len(values))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    u, nu = fields[..., :o.P], fields[..., o.P:]
    lam = (o.strengths * u) @ o.xi_out.T
    e = g(lam) @ o.readout - g(nu) @ o.teacher_readout - sigma * rng.standard_normal((steps, batch))
    delta = e[..., None] * o.readout * slope(lam)
    a = delta @ o.xi_out
    c = -ETA["xi_in"] * o.strengths * a
    cu = np.einsum("ijp,ijq->ipq", c, u) / batch
    dG = cu + np.swapaxes(cu, 1, 2) + np.einsum("ijp,ijq->ipq", c, c) / batch**2 - 2.0 * kappa * o.G
    dS = np.einsum("ijp,ijm->ipm", c, nu) / batch - kappa * o.S
    ds = -ETA["strengths"] * (u * a).mean(1)
    dA = -ETA["xi_out"] * np.einsum("ijk,ijp->ikp", delta, o.strengths * u) / batch
    dv = -ETA["readout"] * (e[..., None] * g(lam)).mean(1)
    upper = np.triu_indices(o.P)
    return np.concatenate([dG[:, upper[0], upper[1]], *(d.reshape(steps, -1) for d in (dS, ds, dA, dv))], 1)


@pytest.fixture(scope="module", params=[
    (activation, shape, setting) for activation in FUNCTIONS for shape in SHAPES for setting in SETTINGS], ids=str)
def monte_carlo(request, random_overlaps):
    """Mean and standard error of a million samples of the one-step rule, all factors trained."""
    activation, (K, M, P), (batch, sigma, kappa) = request.param
    o = random_overlaps(K, M, P, seed=17)
    rng = np.random.default_rng(2024)
    total, squares, steps = 0.0, 0.0, 0
    while steps * batch < SAMPLES:
        rows = increments(activation, o, batch, sigma, kappa, rng, CHUNK // batch)
        total, squares, steps = total + rows.sum(0), squares + (rows**2).sum(0), steps + len(rows)
    mean = total / steps
    return request.param, o, mean, np.sqrt((squares / steps - mean**2) / steps)


@pytest.mark.parametrize("trained", TRAINED, ids="+".join)
def test_drift_is_the_mean_of_the_one_step_rule(monte_carlo, trained):
    """Within 5 standard errors plus the quadrature's own error: 1e-5 false alarms a case (17 to 37 entries)."""
    (activation, (K, M, P), (batch, sigma, kappa)), o, mean, standard_error = monte_carlo
    problem = om.Problem(activation=activation, noise=sigma, weight_decay=kappa, batch=batch,
                         rates=om.LearningRates(**{name: ETA[name] for name in trained}))
    layout = StateLayout(K, M, P)
    nodes = {} if activation in ("erf", "linear") else {"nodes": 2**16}
    drift, other = (layout.pack(*MeanFieldDrift(problem, o, node_seed=seed, **nodes).at_start()) for seed in (1, 2))
    moves = np.zeros(layout.size, bool)
    for block, name in ((layout.G, "xi_in"), (layout.S, "xi_in"), (layout.strengths, "strengths"),
                        (layout.xi_out, "xi_out"), (layout.readout, "readout")):
        moves[block] = name in trained
    assert np.all(drift[~moves] == 0.0)
    own_error = np.abs(drift - other).max()
    assert own_error == 0.0 if activation in ("erf", "linear") else own_error < 0.01 * np.abs(drift).max()
    assert np.all(standard_error < 0.03 * np.abs(mean).max())
    deviation = np.abs(drift - mean)[moves]
    assert np.all(deviation < 5.0 * standard_error[moves] + own_error + 1e-12)


@pytest.mark.parametrize("activation", ["erf", "linear", "relu", "tanh"])
def test_weight_decay_alone_moves_the_overlaps(random_overlaps, activation):
    o = random_overlaps(2, 3, 2, seed=1)
    dG, dS, *others = MeanFieldDrift(om.Problem(activation=activation, weight_decay=0.6), o).at_start()
    assert np.allclose(dG, -1.2 * o.G, rtol=1e-14)
    assert np.allclose(dS, -0.6 * o.S, rtol=1e-14)
    assert all(np.all(d == 0.0) for d in others)


@pytest.mark.parametrize("activation", ["erf", "linear", "relu", "tanh"])
def test_last_error_is_the_generalization_error(random_overlaps, activation, all_rates):
    o = random_overlaps(2, 3, 2, seed=1)
    drift = MeanFieldDrift(om.Problem(activation=activation, noise=0.4, rates=all_rates), o)
    drift.at_start()
    assert drift.last_error == pytest.approx(error_of(activation, o), rel=1e-12)


def test_drift_does_not_remember(random_overlaps, all_rates):
    """The same state gives the same bits after a call at another state."""
    drift = MeanFieldDrift(om.Problem(activation="tanh", rates=all_rates), random_overlaps(2, 3, 2, seed=1))
    y = drift.full[drift.active]
    first = drift(y).copy()
    drift(1.1 * y)
    assert np.array_equal(drift(y), first)


def test_layout_packs_and_unpacks(random_overlaps):
    o = random_overlaps(2, 3, 4, seed=2)
    layout = StateLayout(2, 3, 4)
    state = (o.G, o.S, o.strengths, o.xi_out, o.readout)
    packed = layout.pack(*state)
    assert packed.shape == (layout.size,)
    for rows in (packed, np.broadcast_to(packed, (5, 6, layout.size))):
        for value, expected in zip(layout.unpack(rows), state):
            assert value.shape == rows.shape[:-1] + expected.shape
            assert np.all(value == expected)


def error_of(activation, o):
    return float(generalization_error(activation, o.G, o.S, o.T, o.strengths, o.xi_out, o.readout, o.teacher_readout))


@pytest.mark.parametrize("activation", list(FUNCTIONS))
@pytest.mark.parametrize("K, M, P", [(3, 2, 2), (2, 3, 4), (1, 1, 1)])
def test_generalization_error_is_the_mean_squared_error(random_overlaps, activation, K, M, P):
    """Within 5 standard errors of a million samples: 6e-7 false alarms a case."""
    o = random_overlaps(K, M, P, seed=23)
    g, _ = FUNCTIONS[activation]
    values, vectors = np.linalg.eigh(np.block([[o.Q, o.R], [o.R.T, o.T]]))
    h = np.random.default_rng(5).standard_normal((SAMPLES, K + M)) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    losses = 0.5 * (g(h) @ np.concatenate([o.readout, -o.teacher_readout])) ** 2
    exact = error_of(activation, o)
    standard_error = losses.std() / math.sqrt(SAMPLES)
    assert standard_error < 0.01 * exact
    assert abs(losses.mean() - exact) < 5.0 * standard_error


@pytest.mark.parametrize("activation", list(FUNCTIONS))
def test_generalization_error_of_a_row_of_states(random_overlaps, activation):
    states = [random_overlaps(3, 2, 2, seed=seed) for seed in range(6)]
    T, v_star = states[0].T, states[0].teacher_readout
    stack = [np.stack([getattr(o, name) for o in states]).reshape((2, 3) + getattr(states[0], name).shape)
             for name in ("G", "strengths", "xi_out", "readout")]
    S = np.stack([o.S for o in states]).reshape(2, 3, 2, 2) * 0.2  # small enough to fit this T
    G, strengths, xi_out, readout = stack
    errors = generalization_error(activation, G, S, T, strengths, xi_out, readout, v_star)
    assert errors.shape == (2, 3)
    for i in np.ndindex(2, 3):
        one = generalization_error(activation, G[i], S[i], T, strengths[i], xi_out[i], readout[i], v_star)
        assert errors[i] == pytest.approx(float(one), rel=1e-13)
    G = G.copy()
    G[1, 2] = np.nan
    S[1, 2] = np.nan
    errors = generalization_error(activation, G, S, T, strengths, xi_out, readout, v_star)
    assert np.isnan(errors[1, 2])
    assert np.isfinite(errors).sum() == 5


@pytest.mark.parametrize("activation", list(FUNCTIONS))
@pytest.mark.parametrize("units", [1, 3, 8])
def test_perfect_student(random_weights, activation, units):
    """ε_g = 0 to rounding: finite, not negative; the drift vanishes with it."""
    for seed in range(20):
        w = random_weights(50, units, units, units, seed)
        perfect = om.Weights(xi_in=w.teacher, strengths=np.ones(units), xi_out=np.eye(units), readout=w.teacher_readout,
                             teacher=w.teacher, teacher_readout=w.teacher_readout).order_parameters()
        error = error_of(activation, perfect)
        assert 0.0 <= error < 1e-13
        if seed == 0:
            drift = MeanFieldDrift(om.Problem(activation=activation, rates=om.LearningRates(**ETA)), perfect)
            assert all(np.abs(d).max() < 1e-6 for d in drift.at_start())


@pytest.mark.parametrize("activation", ["erf", "linear", "relu"])
@pytest.mark.parametrize("size", [1.0, 1e8, 1e17, 1e25])
def test_overlaps_rounded_beyond_a_covariance(activation, size):
    """Cosines a little above 1, as solvers make them, give no NaN and no negative ε_g."""
    Q, one = np.full((1, 1), size), np.ones(1)
    for excess in (0.0, 1e-16, 1e-12, 1e-6):
        error = generalization_error(activation, Q, Q * (1.0 + excess), Q, one, np.ones((1, 1)), one, one)
        assert np.isfinite(error)
        assert error >= 0.0


def test_relu_with_a_silent_unit(random_overlaps):
    """Q_kk = 0: no direction, no output, no NaN."""
    o = random_overlaps(2, 2, 2, seed=2)
    silent = om.OrderParameters(G=np.diag([1.0, 0.0]), S=np.array([[0.1, 0.2], [0.0, 0.0]]), T=np.eye(2),
                                strengths=np.ones(2), xi_out=np.eye(2), readout=o.readout, teacher_readout=o.readout)
    drift = MeanFieldDrift(om.Problem(activation="relu", rates=om.LearningRates(**ETA)), silent).at_start()
    assert all(np.all(np.isfinite(d)) for d in drift)
    assert np.isfinite(error_of("relu", silent))


@pytest.mark.parametrize("batch, kappa", [(1, 0.0), (3, 0.1)])
def test_conserved_quantity(batch, kappa):
    """s_p²/η_s − Σ_k A_kp²/η_A is constant to 1e-10 of its size over α = 1000 (docs/theory, section 2.7)."""
    rates = om.LearningRates(xi_in=1.0, strengths=0.7, xi_out=0.4)
    problem = om.Problem(noise=0.1, batch=batch, weight_decay=kappa, rates=rates)
    start = om.initial.paper(1000, K=4, P=3, seed=3, readout="sqrt")
    run = om.simulate(problem, start, 1000.0, engine="ode", method="DOP853", rtol=1e-10, atol=1e-12, save_at=50)
    assert run.status == [om.Status.COMPLETED]
    parts = run.strengths[0] ** 2 / rates.strengths, (run.xi_out[0] ** 2).sum(1) / rates.xi_out
    size = np.maximum(parts[0][0], parts[1][0])
    drift = np.abs((parts[0] - parts[1]) - (parts[0] - parts[1])[0]) / size
    assert np.abs(run.strengths[0] - run.strengths[0, 0]).max() > 0.05  # it is not constant for lack of motion
    assert drift.max() < 1e-10


def test_both_readouts_scaled_is_a_change_of_rates(random_overlaps):
    """v, v*, σ times b and η/b² leave the drift of X unchanged (docs/theory, section 1.4)."""
    o, b = random_overlaps(3, 2, 2, seed=31), 2.5
    scaled = om.OrderParameters(G=o.G, S=o.S, T=o.T, strengths=o.strengths, xi_out=o.xi_out, readout=b * o.readout,
                                teacher_readout=b * o.teacher_readout)
    rates = om.LearningRates(xi_in=ETA["xi_in"], strengths=ETA["strengths"], xi_out=ETA["xi_out"])
    slow = om.LearningRates(*(getattr(rates, name) / b**2 for name in ("xi_in", "strengths", "xi_out")))
    for activation in FUNCTIONS:
        one = MeanFieldDrift(om.Problem(activation=activation, noise=0.3, rates=rates), o).at_start()
        two = MeanFieldDrift(om.Problem(activation=activation, noise=0.3 * b, rates=slow), scaled).at_start()
        for x, y in zip(one, two):
            assert np.allclose(x, y, rtol=0.0, atol=1e-12 * max(np.abs(x).max(), 1.0))


@pytest.mark.parametrize("name", ["gelu", "relus", "", None, 2])
def test_an_unknown_activation_is_none_of_the_known(name):
    from onlinemode.theory.meanfield import signed_error

    one = np.ones((1, 1))
    for function in (generalization_error, signed_error):
        with pytest.raises(ParameterError, match="must be one of erf, linear, relu, tanh, sigmoid, sign"):
            function(name, one, one, one, np.ones(1), one, np.ones(1), np.ones(1))
