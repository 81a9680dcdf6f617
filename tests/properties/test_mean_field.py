"""Random problems: the mean-field equations against one step of learning, and against ensembles at finite N.

All statistics are z-scores of means over many draws, compared with LARGEST_Z: for a normal law two-sided p = 2e-11. An
example has up to 60 of them, so a false alarm has a rate of about 1e-9 an example; the means are over some hundred
draws, whose skewness raises it, by less than a factor of 100 where the skewness is below 1.
"""

import numpy as np
from activation_formulas import FORMULAS
from hypothesis import assume, given
from hypothesis import strategies as st
from properties.problems import OVERLAPS, SEEDS, examples, kinds_of_inputs, recipes

import onlinemode as om
from onlinemode.theory.meanfield import MeanFieldDrift

LARGEST_Z = 6.7
QUADRATURE = {"closed": 1e-8, "tanh": 1e-6, "nodes": 2e-2}  # error of averages, of the largest


def averages_of(recipe):
    pair = recipe.activation, recipe.teacher_activation or recipe.activation
    if pair[0] in ("relu", "leaky") and pair[1] not in ("relu", "leaky", "linear"):
        return "nodes"
    return "tanh" if {"tanh", "sigmoid"} & set(pair) else "closed"


def z_scores(values, expected, slack):
    """Of the means of columns: beyond ``slack``, in standard errors; of columns that do not vary by the slack alone."""
    deviation = np.maximum(np.abs(values.mean(0) - expected) - slack, 0.0)
    error = values.std(0, ddof=1) / np.sqrt(len(values))
    return deviation / np.maximum(error, 1e-14 + 1e-12 * np.abs(expected).max(initial=0.0))


def increments(recipe, draws, seed):
    """N times what a step adds to (G, S, s, A, v) at N → ∞, from draws of its fields, (draws, entries)."""
    o, (eta, eta_s, eta_A, eta_v), n = recipe.start().order_parameters(), recipe.rates, recipe.batch
    rng, kappa = np.random.default_rng(seed), recipe.weight_decay
    values, vectors = np.linalg.eigh(o.covariance)
    fields = rng.standard_normal((draws, n, len(values))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    u, nu = fields[..., :o.P], fields[..., o.P:]
    (g, slope), (of_teacher, _) = (FORMULAS[each.name] for each in recipe.problem().activations)
    field = (o.strengths * u) @ o.xi_out.T
    label = of_teacher(nu) @ o.teacher_readout
    error = g(field) @ o.readout - label - recipe.noise * rng.standard_normal(label.shape)
    delta = error[..., None] * o.readout * slope(field)
    a = delta @ o.xi_out
    c = -eta * o.strengths * a
    outer = lambda one, other: np.einsum("dnp,dnq->dpq", one, other) / n  # noqa: E731
    dG = outer(c, u) + outer(u, c) + outer(c, c) / n - 2.0 * kappa * o.G
    dS = outer(c, nu) - kappa * o.S
    parts = [dG, dS, -eta_s * (u * a).mean(1), -eta_A * outer(delta, o.strengths * u),
             -eta_v * (error[..., None] * g(field)).mean(1)]
    return np.concatenate([part.reshape(draws, -1) for part in parts], axis=1)


@examples(25)
@given(recipes(), SEEDS)
def test_the_drift_is_the_mean_of_a_step(recipe, seed):
    """20,000 steps, each from its fields as sections 1.2 and 1.3 of docs/theory have it."""
    made = increments(recipe, 20_000, seed)
    drift = MeanFieldDrift(recipe.problem(), recipe.start().order_parameters(), nodes=2**12).at_start()
    expected = np.concatenate([np.ravel(part) for part in drift])
    slack = QUADRATURE[averages_of(recipe)] * np.abs(expected).max()
    assert z_scores(made, expected, slack).max() < LARGEST_Z


def extrapolated(recipe, engine, alpha, seed, replicas, sizes=(200, 400)):
    """Mean ends for N → ∞ by Richardson's rule from two N, and squared standard errors; of all order parameters."""
    overlaps, ends = recipe.start().order_parameters(), []
    for number, N in enumerate(sizes):
        run = om.simulate(recipe.problem(), overlaps, alpha, engine, N=N, seed=(seed + number) % 2**64,
                          replicas=replicas, save_at=[alpha], **({"test_samples": 2} if engine == "micro" else {}))
        assume(set(run.status) == {om.Status.COMPLETED})
        ends.append(np.concatenate([getattr(run, name)[:, -1].reshape(replicas, -1) for name in OVERLAPS], axis=1))
    few, many = ends
    mean = 2.0 * many.mean(0) - few.mean(0)
    return mean, (4.0 * many.var(0, ddof=1) + few.var(0, ddof=1)) / replicas


def end_of_ode(recipe, alpha):
    run = om.simulate(recipe.problem(), recipe.start().order_parameters(), alpha, "ode", save_at=[alpha], nodes=2**14)
    assume(run.status[0] in (om.Status.COMPLETED, om.Status.CONVERGED))
    return np.concatenate([getattr(run, name)[0, -1].ravel() for name in OVERLAPS])


def assert_limit(recipe, engine, alpha, seed, replicas, sizes=(200, 400)):
    """The mean over runs, less its part of order 1/N, is the ODE's: what is left is of order 1/N²."""
    mean, squared_error = extrapolated(recipe, engine, alpha, seed, replicas, sizes)
    expected = end_of_ode(recipe, alpha)
    scale = max(1.0, np.abs(expected).max())
    slack = scale * (30.0 / sizes[0] ** 2 + QUADRATURE[averages_of(recipe)])
    z = np.maximum(np.abs(mean - expected) - slack, 0.0) / np.sqrt(squared_error + (1e-12 * scale) ** 2)
    assert z.max() < LARGEST_Z


@examples(12)
@given(recipes(N=st.integers(10, 30), batch=st.integers(1, 3), largest_rate=0.7), st.floats(0.1, 1.0), SEEDS)
def test_the_mean_of_the_chain_goes_to_the_equations(recipe, alpha, seed):
    assert_limit(recipe, "chain", round(alpha, 1), seed, 200)


@examples(4)
@given(recipes(N=st.integers(10, 30), batch=st.integers(1, 3), largest_rate=0.7, inputs=kinds_of_inputs(True)),
       st.floats(0.1, 0.5), SEEDS)
def test_the_mean_of_micro_with_signs_and_uniform_inputs_goes_to_the_equations(recipe, alpha, seed):
    assert_limit(recipe, "micro", round(alpha, 1), seed, 100, sizes=(100, 200))


@examples(5)
@given(recipes(N=st.integers(10, 30), activations=("erf", "linear", "tanh"), batch=st.just(1), largest_rate=0.7,
               students=("random", "small", "zero"), teachers=("random", "orthogonal")), SEEDS)
def test_mean_and_spread_of_the_chain_are_those_of_linear_noise(recipe, seed):
    """At N = 1000: means within LARGEST_Z standard errors and 10 % of the predicted shift, standard deviations within a
    third (6.7 standard errors of 200 replicas) and 5 % for the nodes."""
    N, replicas, times = 1000, 200, [0.5, 1.0]
    problem, overlaps = recipe.problem(), recipe.start().order_parameters()
    noise = om.fluctuations(problem, overlaps, times, nodes=2**12)
    run = om.simulate(problem, overlaps, 1.0, "chain", N=N, seed=seed, replicas=replicas, save_at=times)
    assume(set(run.status) == {om.Status.COMPLETED})
    for name in ("Q", "R", "generalization_error"):
        mean, spread = om.agreement.predicted(noise, N, name)
        values = getattr(run, name)
        known = spread > 1e-6 * max(1.0, np.abs(mean).max())
        shift = np.abs(noise.mean_shift(name, N))
        error = spread / np.sqrt(replicas)
        beyond = np.abs(values.mean(0) - mean) - 0.1 * shift - 30.0 / N**2 * max(1.0, np.abs(mean).max())
        assert np.all((beyond < LARGEST_Z * error)[known]), name
        ratio = values.std(0, ddof=1)[known] / spread[known]
        assert np.all(np.abs(np.log(ratio)) < np.log(1.4)), name
