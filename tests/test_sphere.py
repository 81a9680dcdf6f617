"""The spherical constraint: after each step every mode has the length that it had at the start.

Seeds are fixed. With others a comparison of two laws would raise a false alarm once in 10^6 (Kolmogorov-Smirnov tests
of all entries, Bonferroni), and one of z-scores with the mean-field equations in some 10^3 (20 replicas) or 10^4 (40).
"""

import functools

import chain_vectors
import numpy as np
import plain_sgd
import pytest
from scipy import stats
from stopping import StopAt

import onlinemode as om
from onlinemode.continuing import mean_field
from onlinemode.engines.chain import engine as chain
from onlinemode.engines.micro import engine as micro
from onlinemode.errors import ParameterError
from onlinemode.theory.meanfield import MeanFieldDrift

RATES = om.LearningRates(xi_in=0.8, strengths=0.3, xi_out=0.4, readout=0.2)
SPHERE = om.Problem(noise=0.2, weight_decay=0.4, rates=RATES, constraint="sphere")
FREE = om.Problem(noise=0.2, weight_decay=0.4, rates=RATES)
BLOCKS = ("G", "S", "strengths", "xi_out", "readout")


def problem(**changes):
    return om.Problem(**{"noise": 0.2, "weight_decay": 0.4, "rates": RATES, "constraint": "sphere", **changes})


def greatest_drift(run, since=0):
    """Of G_pp, relative to its value at a saved time."""
    squares = np.diagonal(run.G, axis1=-2, axis2=-1)
    return np.abs(squares / squares[:, since:since + 1] - 1.0).max()


# -- micro --------------------------------------------------------------------------------------


@pytest.mark.parametrize("decay", [0.0, 0.4])
@pytest.mark.parametrize("batch", [1, 2, 3, 8])  # with four samples a sweep: four steps, two, and one
@pytest.mark.parametrize("N", [1, 37])
def test_micro_is_the_plain_rule(random_weights, N, batch, decay):
    """203 steps: no multiple of a block."""
    start, learned = random_weights(N, 2, 3, 4, seed=3), problem(batch=batch, weight_decay=decay)
    run = om.simulate(learned, start, 203 / N, "micro", seed=5, save_at=np.array([0, 3, 50, 203]) / N)
    for name, expected in plain_sgd.run(learned, start, 203, 5).overlaps(start.teacher).items():
        assert np.abs(getattr(run, name)[0, -1] - expected).max() < 1e-12 * max(1.0, np.abs(expected).max()), name
    assert greatest_drift(run) < 1e-14


@pytest.mark.parametrize("inputs", [om.inputs.Rademacher(), om.inputs.PowerLaw(1.0)], ids=lambda each: each.kind)
def test_lengths_are_those_of_the_vectors_whatever_the_inputs(random_weights, inputs):
    N = 40
    start, learned = random_weights(N, 2, 2, 3, seed=4), problem(inputs=inputs)
    run = om.simulate(learned, start, 2.0, "micro", seed=5, save_at=[0.0, 2.0], store_final=True)
    expected = plain_sgd.run(learned, start, 2 * N, 5)
    vectors = run.end.arrays["xi_in"][0]
    assert np.abs(vectors - expected.xi_in).max() < 1e-12
    assert (vectors**2).sum(1) == pytest.approx((start.xi_in**2).sum(1), rel=1e-14)


@pytest.mark.parametrize("precision, batch", [("float64", 1), ("float64", 5), ("float32", 2)])
def test_threads_inside_change_no_bit(monkeypatch, random_weights, precision, batch):
    monkeypatch.setattr(micro, "COORDINATES_A_THREAD", 500)
    start = random_weights(4100, 2, 2, 3, seed=6)
    one, four = (om.simulate(problem(batch=batch), start, 0.02, "micro", seed=1, save_at=[0.0, 0.01, 0.02],
                             precision=precision, threads=threads) for threads in (1, 4))
    for name in BLOCKS:
        assert np.array_equal(getattr(one, name), getattr(four, name)), name


def test_lengths_stay():
    """Also in float32, in which vectors are rounded at each step and lengths when they are saved."""
    start = om.initial.committee(200, K=3, M=2, seed=1, student_size=1.0)
    for engine, precision, bound in (("micro", "float64", 1e-14), ("micro", "float32", 1e-6), ("chain", None, 1e-13)):
        options = {} if precision is None else {"precision": precision}
        assert greatest_drift(om.simulate(SPHERE, start, 300.0, engine, seed=2, save_at=50, **options)) < bound
        assert greatest_drift(om.simulate(FREE, start, 1.0, engine, seed=2, save_at=5, **options)) > 0.05


@pytest.mark.parametrize("engine", ["micro", "chain", "ode"])
def test_a_mode_without_length_stays_so(random_weights, engine):
    start = random_weights(20, 2, 2, 3, seed=7)
    xi_in = start.xi_in.copy()
    xi_in[1] = 0.0
    start = om.Weights(xi_in=xi_in, **{name: getattr(start, name) for name in (
        "strengths", "xi_out", "readout", "teacher", "teacher_readout")})
    run = om.simulate(SPHERE, start, 3.0, engine, save_at=4)
    assert max(np.abs(run.G[:, :, 1]).max(), np.abs(run.S[:, :, 1]).max()) < 1e-30  # of the chain's first factors
    assert np.ptp(run.S[0, :, 0, 0]) > 0.01
    assert np.diagonal(run.G[0, -1]) == pytest.approx(np.diagonal(run.G[0, 0]), rel=1e-13, abs=1e-30)


@pytest.mark.parametrize("engine", ["micro", "chain", "ode"])
@pytest.mark.parametrize("decay", [0.0, 0.4])
def test_modes_that_are_not_trained_stand_still(engine, decay, random_weights):
    rates = om.LearningRates(strengths=0.3, xi_out=0.2)
    run = om.simulate(problem(rates=rates, weight_decay=decay), random_weights(20, 2, 2, 3, seed=7), 3.0, engine,
                      save_at=5)
    for name in ("G", "S"):
        assert np.abs(getattr(run, name) - getattr(run, name)[:, :1]).max() < 1e-13
    assert np.ptp(run.strengths[0, :, 0]) > 0.01


# -- chain --------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 2, 3, 8])
@pytest.mark.parametrize("N, K, M, P", [(5, 2, 3, 4), (6, 2, 2, 2), (40, 3, 2, 4)])
def test_chain_is_the_plain_rule_of_its_own_vectors(random_weights, N, K, M, P, batch):
    """At N = 5 the frame spans all inputs from the start, at 6 within a block."""
    start = random_weights(N, K=K, M=M, P=P, seed=N)
    for vectors, state in chain_vectors.pairs(problem(batch=batch), start, steps=200, seed=5):
        for name, expected in vectors.overlaps(start.teacher).items():
            assert np.abs(state[name] - expected).max() < 1e-12 * max(1.0, np.abs(expected).max()), name


FALSE_ALARM = 1e-6  # of a comparison of two laws, over all its entries


def smallest_p(one, other):
    """Of Kolmogorov-Smirnov tests of all entries that move at the last time, times their number."""
    rows = [np.concatenate([getattr(run, name)[:, -1].reshape(run.replicas, -1) for name in BLOCKS], axis=1)
            for run in (one, other)]
    moves = np.ptp(rows[0], axis=0) > 1e-9
    return moves.sum() * min(stats.ks_2samp(a, b).pvalue for a, b in zip(rows[0].T[moves], rows[1].T[moves]))


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("N", [5, 12])
def test_chain_and_micro_have_one_law(random_weights, monkeypatch, N, batch):
    start = random_weights(N, 2, 2, 2, seed=N)
    law = functools.partial(om.simulate, alpha=3.0, replicas=1000, save_at=[3.0])
    learned = problem(batch=batch)
    vectors = law(learned, start, engine="micro", seed=1)
    assert smallest_p(vectors, law(learned, start, engine="chain", seed=2)) > FALSE_ALARM
    free = problem(batch=batch, constraint=None)
    assert smallest_p(vectors, law(free, start, engine="chain", seed=2)) < FALSE_ALARM
    monkeypatch.setattr(chain._Simulation, "kept_lengths", lambda self, start: 1.1**2 * start.squared_lengths)
    assert smallest_p(vectors, law(learned, start, engine="chain", seed=2)) < FALSE_ALARM


def test_compiled_sizes_make_the_same_steps(monkeypatch):
    start = om.initial.committee(30, K=2, M=2, seed=1, student_size=0.8)
    any_sizes = om.simulate(SPHERE, start, 20.0, "chain", save_at=5)
    monkeypatch.setattr(chain, "STEPS_WORTH_COMPILING", 0.0)
    these = om.simulate(SPHERE, start, 20.0, "chain", save_at=5)
    for name in BLOCKS:
        assert np.abs(getattr(any_sizes, name) - getattr(these, name)).max() < 1e-9, name


# -- ode ----------------------------------------------------------------------------------------


def z_scores(runs, theory):
    """Of the means of all entries that move, at all times but the first."""
    scores = []
    for name in BLOCKS:
        values, expected = getattr(runs, name)[:, 1:], getattr(theory, name)[0, 1:]
        error = values.std(0, ddof=1) / np.sqrt(runs.replicas)
        scores.append(((values.mean(0) - expected)[error > 1e-12] / error[error > 1e-12]).ravel())
    return np.concatenate(scores)


@pytest.mark.parametrize("batch", [1, 3])
def test_ode_is_the_mean_of_large_runs(random_overlaps, batch):
    start = random_overlaps(2, 2, 2, 1)
    call = dict(alpha=6.0, N=2000, save_at=[0.0, 1.0, 3.0, 6.0])
    runs = om.simulate(problem(batch=batch), start, engine="chain", seed=3, replicas=40, **call)
    call.pop("N")
    scores = z_scores(runs, om.simulate(problem(batch=batch), start, engine="ode", **call))
    assert np.abs(scores).max() < 5.5 and np.sqrt((scores**2).mean()) < 1.8
    free = om.simulate(problem(batch=batch, constraint=None), start, engine="ode", **call)
    assert np.abs(z_scores(runs, free)).max() > 15.0


def test_sgd_of_vectors_follows_the_ode(random_weights):
    start = random_weights(2000, 2, 2, 2, seed=2)
    times = [0.0, 1.0, 3.0]
    runs = om.simulate(SPHERE, start, 3.0, "micro", seed=3, replicas=20, save_at=times)
    scores = z_scores(runs, mean_field(runs))
    assert np.abs(scores).max() < 5.5 and np.sqrt((scores**2).mean()) < 1.8


def test_decay_drops_out_of_the_ode(random_overlaps):
    start = random_overlaps(2, 2, 3, 1)
    one, other = (om.simulate(problem(weight_decay=decay), start, 6.0, "ode", save_at=7) for decay in (0.4, 0.0))
    for name in BLOCKS:
        assert np.abs(getattr(one, name) - getattr(other, name)).max() < 1e-10, name  # another path of the solver
    assert np.array_equal(np.diagonal(one.G, axis1=-2, axis2=-1)[:, 0], np.diagonal(one.G, axis1=-2, axis2=-1)[:, -1])
    one, other = (MeanFieldDrift(problem(weight_decay=decay), start).at_start() for decay in (0.4, 0.0))
    for here, there in zip(one, other):
        assert np.abs(here - there).max() < 1e-14


@pytest.mark.parametrize("activation", ["erf", "tanh", "relu", "linear", "he:2"])
def test_drift_is_what_projection_leaves(random_overlaps, activation):
    """The drift of G and S along the sphere: of G_pq / √(G_pp G_qq) and S_pm / √G_pp it is that without constraint."""
    start = random_overlaps(2, 3, 3, 2)
    drifts = []
    for constraint in ("sphere", None):
        rates = problem(activation=activation, weight_decay=0.0, constraint=constraint)
        dG, dS, *_ = MeanFieldDrift(rates, start).at_start()
        square, growth = np.diag(start.G), np.diag(dG)
        length, change = np.sqrt(square), 0.5 * growth / square
        drifts.append((dG / np.outer(length, length) - start.G / np.outer(length, length) * (change[:, None] + change),
                       dS / length[:, None] - start.S / length[:, None] * change[:, None]))
        assert (np.abs(growth).max() == 0.0) == (constraint == "sphere")
    for here, there in zip(*drifts):
        assert np.abs(here - there).max() < 1e-12 * max(1.0, np.abs(there).max())


def test_a_quadratic_unit_on_the_sphere_finds_its_teacher():
    """He_2: R leaves 0 because its square does; first from a known R, then from random directions."""
    one = np.ones((1, 1))
    learned = om.Problem("he:2", rates=om.LearningRates(xi_in=0.05), constraint="sphere")

    def start(R):
        return om.OrderParameters(G=one, S=R * one, T=one, strengths=[1.0], xi_out=one, readout=[1.0],
                                  teacher_readout=[1.0])

    times = np.linspace(0.0, 24.0, 7)
    theory = om.simulate(learned, start(0.3), 24.0, "ode", save_at=times).S[0, :, 0, 0]
    runs = om.simulate(learned, start(0.3), 24.0, "micro", N=2000, replicas=20, save_at=times).S[:, :, 0, 0]
    error = runs.std(0, ddof=1) / np.sqrt(20)
    assert theory[-1] > 0.95
    assert (np.abs(runs.mean(0) - theory)[1:] < 5.0 * error[1:] + 3.0 / 2000).all()

    def random(replica):
        return om.initial.committee(500, K=1, M=1, seed=1, student_seed=replica, student_size=1.0)

    escaped = om.simulate(learned, random, 80.0, "micro", replicas=8, save_at=[0.0, 80.0])
    R = np.abs(escaped.S[:, :, 0, 0]) / np.sqrt(escaped.G[:, :, 0, 0])
    assert R[:, 0].max() < 0.2 and R[:, 1].min() > 0.9
    followed = np.abs(mean_field(escaped).S[:, -1, 0, 0]) / np.sqrt(escaped.G[:, -1, 0, 0])
    assert np.abs(followed - R[:, 1]).max() < 0.1


# -- going on -----------------------------------------------------------------------------------


TIMES = np.array([0.0, 0.1, 0.5, 1.0, 1.25, 2.0, 3.1, 3.12, 5.0])  # with joins within a block


def assert_same(run, reference):
    for name in ("alpha", *BLOCKS, "generalization_error"):
        assert np.array_equal(getattr(run, name), getattr(reference, name)), name
    assert (run.status, run.problem, run.meta["steps"]) == (reference.status, reference.problem,
                                                            reference.meta["steps"])


@pytest.mark.parametrize("engine, options", [("micro", {}), ("micro", {"precision": "float32"}), ("chain", {})])
@pytest.mark.parametrize("batch", [1, 3])
def test_pieces_have_the_bits_of_one_run(engine, options, batch, tmp_path):
    start = lambda replica: om.initial.committee(61, K=2, M=3, seed=1, student_seed=replica)  # noqa: E731
    learned, call = problem(batch=batch), dict(seed=7, replicas=2, **options)
    whole = om.simulate(learned, start, 5.0, engine, save_at=TIMES, **call)
    pieces = [om.simulate(learned, start, 1.0, engine, save_at=TIMES[:4], store_final=True, **call)]
    for first, last in ((4, 8), (8, 9)):
        pieces[-1].save(tmp_path / "piece.npz")
        pieces[-1] = om.load(tmp_path / "piece.npz")
        pieces.append(om.go_on(pieces[-1], TIMES[last - 1], save_at=TIMES[first:last]))
    joined = om.join(*pieces)
    assert_same(joined, whole)
    assert_same(om.repeat(joined), whole)


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_a_later_constraint_keeps_the_lengths_of_that_moment(engine):
    start = om.initial.committee(61, K=2, M=3, seed=1)
    run = om.simulate(FREE, start, 1.0, engine, save_at=[0.0, 1.0], store_final=True)
    later = om.go_on(run, 2.0, save_at=[1.5, 2.0], problem=SPHERE)
    assert greatest_drift(later) < 1e-13
    assert greatest_drift(om.go_on(later, 3.0, save_at=[2.5, 3.0], problem=problem(noise=0.0))) < 1e-13
    free = om.go_on(later, 3.0, save_at=[2.5, 3.0], problem=FREE)
    assert greatest_drift(free) > 1e-3
    assert greatest_drift(om.go_on(free, 4.0, save_at=[3.5, 4.0], problem=SPHERE)) < 1e-13


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_resumed_to_the_same_bits(engine, slow_looks, tmp_path):
    call = dict(start=om.initial.committee(60, K=2), alpha={"micro": 2000.0, "chain": 12_000.0}[engine],
                engine=engine, replicas=2, save_at=20, seed=3, threads=2)
    reference = om.simulate(SPHERE, **call)
    file = tmp_path / "run.ckpt"
    stopped = om.simulate(SPHERE, **call, checkpoint=file, checkpoint_every=0.001, progress=StopAt(0.4))
    assert om.Status.INTERRUPTED in stopped.status
    assert_same(om.resume(file), reference)


# -- what it is called, and where it is not --------------------------------------------------------


def test_files_and_names(tmp_path):
    assert "constraint" not in om.Problem().to_dict()
    assert SPHERE.to_dict()["constraint"] == "sphere"
    assert om.Problem.from_dict(SPHERE.to_dict()) == SPHERE != FREE
    run = om.simulate(SPHERE, om.initial.committee(20, K=2), 1.0, "chain", save_at=3)
    run.save(tmp_path / "run.npz")
    loaded = om.load(tmp_path / "run.npz")
    assert loaded.problem == SPHERE
    assert_same(om.repeat(loaded), run)
    with pytest.raises(ParameterError, match="constraint must be one of sphere; got 'ball'"):
        om.Problem(constraint="ball")


def test_no_linear_noise():
    with pytest.raises(ParameterError, match="knows no constraints; got 'sphere'"):
        om.fluctuations(SPHERE, om.initial.committee(20, K=2), [0.0, 1.0])
