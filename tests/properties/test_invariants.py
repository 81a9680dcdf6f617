"""Random runs of all engines: what holds for every one of them, and which changes of a problem leave a run as it is."""

import dataclasses
import math

import numpy as np
from activation_formulas import FORMULAS
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.polynomial.hermite_e import hermegauss
from properties.problems import OVERLAPS, SEEDS, close, examples, kinds_of_inputs, recipes, same_bits

import onlinemode as om

ENGINES = st.sampled_from(["micro", "chain", "ode"])
SIMULATED = st.sampled_from(["micro", "chain"])
TIMES = st.one_of(st.integers(2, 9), st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5).map(sorted))
TOLERANCE = {"micro": 1e-12, "chain": 1e-12, "ode": 1e-3}  # of a covariance; the solver of the ode has a coarse one


def simulate(recipe, engine, alpha=1.0, weights=None, problem=None, **options):
    """A run of a Recipe from its start, or from another one; few nodes, and no samples that measure the error."""
    options = {"save_at": [0.0, 0.3, alpha], **options}
    if engine == "ode":
        options = {"nodes": 512, **options}
    elif engine == "micro":
        options = {"test_samples": 2 if recipe.inputs != ("gaussian",) else None, **options}
    return om.simulate(recipe.problem() if problem is None else problem, recipe.start() if weights is None else weights,
                       max(alpha, 1.0 / recipe.N), engine, **options)


@examples(40)
@given(recipes(), ENGINES, TIMES, SEEDS, st.integers(1, 3))
def test_what_every_run_has(recipe, engine, times, seed, replicas):
    replicas = 1 if engine == "ode" else replicas
    run = simulate(recipe, engine, save_at=times, seed=seed, replicas=replicas)
    assert np.all(np.diff(run.alpha) > 0.0) and run.alpha[0] >= 0.0 and run.alpha[-1] <= 1.0 + 0.5 / recipe.N
    assert run.replicas == replicas and all("\n" not in message for message in run.message)
    for name, values in {"rho": run.rho, "specialization": run.specialization, "Q": run.Q}.items():
        assert values.shape[:2] == (replicas, len(run.alpha)), name
    for replica, status in enumerate(run.status):
        known = np.isfinite(run.generalization_error[replica])
        assert np.all(np.diff(known.astype(int)) <= 0)  # once NaN, always NaN
        assert known.all() or status is not om.Status.COMPLETED
        for name in (*OVERLAPS, "Q", "R"):
            finite = np.isfinite(getattr(run, name)[replica]).reshape(len(known), -1)
            assert np.array_equal(finite.all(1), known) and np.array_equal(finite.any(1), known), name
        for i in np.flatnonzero(known):
            check_state(run, replica, i, TOLERANCE[engine])


def check_state(run, replica, i, tolerance):
    """Assert that overlaps are those of vectors, that Q and R follow from the others, and that the error is no less
    than 0 and as two-dimensional Gauss–Hermite quadrature has it."""
    G, S, s, A, v, Q, R = (getattr(run, name)[replica, i] for name in (*OVERLAPS, "Q", "R"))
    scaled = A * s
    assert close(Q, np.einsum("kp,pq,lq->kl", scaled, G, scaled), 1e-12) and close(R, scaled @ S, 1e-12)
    for inner, across in ((G, S), (Q, R)):
        covariance = np.block([[inner, across], [across.T, run.T]])
        assert close(covariance, covariance.T, 1e-13)
        eigenvalues = np.linalg.eigvalsh(covariance)
        assert eigenvalues[0] >= -tolerance * max(eigenvalues[-1], 1.0)
    error = run.generalization_error[replica, i]
    size = (v**2).sum() * (1.0 + np.abs(Q).max()) + (run.teacher_readout**2).sum() * (1.0 + np.abs(run.T).max())
    assert error >= 0.0
    assert abs(error - error_by_quadrature(run.problem, Q, R, run.T, v, run.teacher_readout)) <= 2e-2 * size


def error_by_quadrature(problem, Q, R, T, v, v_star):
    """½ Σ_ij w_i w_j E[g(h_i) g(h_j)] over pairs of fields."""
    Z, w = np.block([[Q, R], [R.T, T]]), np.concatenate([v, -v_star])
    student, teacher = (FORMULAS[each.name][0] for each in problem.activations)
    units = [student] * len(v) + [teacher] * len(v_star)
    nodes, weights = hermegauss(40)
    x, y = np.meshgrid(nodes, nodes, indexing="ij")
    weights = np.outer(weights, weights) / (2.0 * math.pi)
    total = 0.0
    for i, one in enumerate(units):
        for j, other in enumerate(units):
            length = math.sqrt(max(Z[i, i], 0.0))
            along = Z[i, j] / length if length > 0.0 else 0.0
            across = math.sqrt(max(Z[j, j] - along**2, 0.0))
            total += 0.5 * w[i] * w[j] * (weights * one(length * x) * other(along * x + across * y)).sum()
    return total


@examples(20)
@given(recipes(), SIMULATED, SEEDS)
def test_threads_and_other_replicas_have_no_influence(recipe, engine, seed):
    runs = [simulate(recipe, engine, seed=seed, replicas=3, threads=threads) for threads in (1, 2, None)]
    for run in runs[1:]:
        same_bits(run, runs[0])
    alone = simulate(recipe, engine, seed=seed)
    for name in OVERLAPS:
        assert np.array_equal(getattr(alone, name)[0], getattr(runs[0], name)[0], equal_nan=True), name


@examples(15)
@given(recipes(), SIMULATED, st.lists(st.integers(0, 40), min_size=1, max_size=6, unique=True).map(sorted), SEEDS)
def test_saved_times_do_not_change_the_chain(recipe, engine, steps, seed):
    """The chain to the bit; micro, whose blocks begin anew at saved times, to 1e-9."""
    N, last = recipe.N, max(steps[-1], 1)
    every, some = (simulate(recipe, engine, last / N, seed=seed, save_at=np.array(saved) / N)
                   for saved in (range(last + 1), steps))
    assume(every.status[0] is om.Status.COMPLETED and not recipe.has_kinks)
    for name in OVERLAPS:
        one, other = getattr(some, name), getattr(every, name)[:, steps]
        assert np.array_equal(one, other) if engine == "chain" else close(one, other, 1e-9), name


def permuted(weights, of_units=None, of_modes=None, of_teacher=None):
    """The same networks with other numbers for their units and modes."""
    units, modes, teacher = (range(size) if order is None else order for order, size in (
        (of_units, weights.K), (of_modes, weights.P), (of_teacher, weights.M)))
    units, modes, teacher = list(units), list(modes), list(teacher)
    return om.Weights(weights.xi_in[modes], weights.strengths[modes], weights.xi_out[units][:, modes],
                      weights.readout[units], weights.teacher[teacher], weights.teacher_readout[teacher])


@examples(20)
@given(recipes(students=("random", "small")), ENGINES, st.randoms(use_true_random=False), SEEDS)
def test_numbers_of_units_and_modes_mean_nothing(recipe, engine, random, seed):
    """Permuted units permute Q and R, to rounding (ode: to its tolerance); the frame of the chain goes with modes and
    teacher units, whose permutation is another realisation of the same law."""
    assume(not recipe.has_kinks)
    weights = recipe.start()
    orders = [random.sample(range(size), size) for size in (weights.K, weights.P, weights.M)]
    if engine == "chain":
        orders[1:] = [list(range(weights.P)), list(range(weights.M))]
    units, _, teacher = orders
    options = {"seed": seed}
    one = simulate(recipe, engine, weights=weights, **options)
    other = simulate(recipe, engine, weights=permuted(weights, *orders), **options)
    assume(one.status[0] is om.Status.COMPLETED)
    tolerance = 1e-9 if engine != "ode" else 1e-6
    assert close(other.Q, one.Q[:, :, units][..., units], tolerance)
    assert close(other.R, one.R[:, :, units][..., teacher], tolerance)
    assert close(other.generalization_error, one.generalization_error, tolerance)


@examples(20)
@given(recipes(), SIMULATED, st.integers(-3, 3), SEEDS)
def test_modes_and_strengths_share_a_factor(recipe, engine, power, seed):
    """X b, s/b with η b², η_s/b² is the same run, to the bit for a power of two."""
    b, (eta, eta_s, *others) = 2.0**power, recipe.rates
    weights = recipe.start()
    other = dataclasses.replace(weights, xi_in=b * weights.xi_in, strengths=weights.strengths / b)
    rates = om.LearningRates(eta * b**2, eta_s / b**2, *others)
    one = simulate(recipe, engine, seed=seed)
    scaled = simulate(recipe, engine, weights=other, problem=recipe.problem(rates=rates), seed=seed)
    for name, factor in (("G", b**2), ("S", b), ("strengths", 1.0 / b), ("xi_out", 1.0), ("readout", 1.0), ("Q", 1.0),
                         ("R", 1.0), ("generalization_error", 1.0)):
        assert np.array_equal(getattr(scaled, name), factor * getattr(one, name), equal_nan=True), name


@examples(20)
@given(recipes(), SIMULATED, st.integers(-3, 3), SEEDS)
def test_readouts_and_noise_share_a_factor(recipe, engine, power, seed):
    """v, v*, σ times b with η, η_s, η_A over b² leave X as it is (docs/theory, section 1.4), to the bit."""
    b, (*others, eta_v) = 2.0**power, recipe.rates
    weights = recipe.start()
    other = dataclasses.replace(weights, readout=b * weights.readout, teacher_readout=b * weights.teacher_readout)
    problem = recipe.problem(rates=om.LearningRates(*(rate / b**2 for rate in others), eta_v), noise=b * recipe.noise)
    one = simulate(recipe, engine, seed=seed)
    assume(one.status[0] is om.Status.COMPLETED)
    scaled = simulate(recipe, engine, weights=other, problem=problem, seed=seed)
    for name, factor in (("G", 1.0), ("S", 1.0), ("strengths", 1.0), ("xi_out", 1.0), ("readout", b)):
        assert np.array_equal(getattr(scaled, name), factor * getattr(one, name), equal_nan=True), name
    assert close(scaled.generalization_error, b**2 * one.generalization_error, 1e-12)


@examples(15)
@given(recipes(), st.lists(st.booleans(), min_size=4, max_size=4), SEEDS)
def test_signs_of_modes_mean_nothing(recipe, flips, seed):
    """X_p, s_p with the other sign are the same run of micro, to the bit."""
    weights = recipe.start()
    signs = np.where(flips[:recipe.P], -1.0, 1.0)
    other = dataclasses.replace(weights, xi_in=signs[:, None] * weights.xi_in, strengths=signs * weights.strengths)
    one, flipped = (simulate(recipe, "micro", weights=each, seed=seed) for each in (weights, other))
    for name in ("Q", "R", "xi_out", "readout"):
        assert np.array_equal(getattr(flipped, name), getattr(one, name), equal_nan=True), name


@examples(15)
@given(recipes(students=("random", "small"), teachers=("random",)), SEEDS)
def test_the_chain_begins_from_overlaps_as_from_rotated_weights(recipe, seed):
    """Its law is that of all vectors with the same overlaps; with distinct eigenvalues of T, so is its realisation."""
    assume(recipe.N >= recipe.M + recipe.P and not recipe.has_kinks)
    weights = recipe.start()
    eigenvalues = np.linalg.eigvalsh(weights.order_parameters().T)
    assume(np.diff(eigenvalues).min(initial=1.0) > 1e-2)
    rotation = np.linalg.qr(np.random.default_rng(recipe.seed).standard_normal((recipe.N, recipe.N)))[0]
    rotated = dataclasses.replace(weights, xi_in=weights.xi_in @ rotation, teacher=weights.teacher @ rotation)
    runs = [simulate(recipe, "chain", weights=start, N=recipe.N, seed=seed)
            for start in (weights, weights.order_parameters(), rotated)]
    assume(runs[0].status[0] is om.Status.COMPLETED)
    for run in runs[1:]:
        for name in OVERLAPS:
            assert close(getattr(run, name), getattr(runs[0], name), 1e-7), name


@examples(10)
@given(recipes(N=st.integers(3, 20), inputs=kinds_of_inputs()), SEEDS)
def test_what_a_run_with_other_inputs_has(recipe, seed):
    """Overlaps are those of vectors in the metric of the inputs, also where measured errors take their place."""
    run = simulate(recipe, "micro", seed=seed, test_samples=200)
    assume(run.status[0] is om.Status.COMPLETED)
    covariance = np.block([[run.G[0, -1], run.S[0, -1]], [run.S[0, -1].T, run.T]])
    assert close(covariance, covariance.T, 1e-12)
    assert np.linalg.eigvalsh(covariance)[0] >= -1e-10 * max(1.0, np.abs(covariance).max())
    assert np.all(run.error >= 0.0) and np.all(run.error_se >= 0.0)
