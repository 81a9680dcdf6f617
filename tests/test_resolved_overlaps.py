"""Starts by eigenvalues of the inputs' covariance, without vectors: their law, engines, files, experiments."""

import json
from functools import partial

import numpy as np
import pytest
from scipy import stats
from small_ensembles import assert_same_draws
from stopping import StopAt

import onlinemode as om
from onlinemode import initial, overlap_laws
from onlinemode.engines import ENGINES
from onlinemode.engines.chain.eigenspaces import EigenspaceStart, decomposition_of
from onlinemode.errors import EngineError, FileError, OverlapError, ParameterError, ShapeError
from onlinemode.inputs import Blocks, Gaussian, HiddenManifold, PowerLaw, Rademacher, Spectrum, Spiked
from onlinemode.inputs.base import Eigenspaces
from onlinemode.resolved_overlaps import components_of
from onlinemode.storage import read_archive, write_archive
from onlinemode.theory.spectral import distinct_eigenvalues, resolve
from onlinemode.theory.spectral_groups import members_of

# eigenspaces of one and three directions, fewer than student and teacher rows, and one of no variance
SMALL = Spectrum((9.0, *(2.0,) * 3, *(0.5,) * 12, *(0.0,) * 4))
THREE = Blocks((4.0, 1.0, 0.3), (4.0, 8.0, 20.0))
HUGE = 10**10
RATES = om.LearningRates(xi_in=0.9, strengths=0.4, xi_out=0.5, readout=0.2)
PROBLEM = om.Problem(inputs=THREE, noise=0.3, weight_decay=0.1, rates=RATES)
FIELDS = ("eigenvalues", "multiplicities", "G", "S", "T", "strengths", "xi_out", "readout", "teacher_readout")
MAKERS = {
    "paper": partial(initial.paper, 20, K=3, P=2),
    "orthogonal": partial(initial.committee, 20, K=2, M=3),
    "random": partial(initial.committee, 20, K=2, M=3, teacher="random"),
    "graded": partial(initial.graded, 20, K=2, M=2),
    "showcase": partial(initial.showcase, 20, K=2),
    "tasks": partial(initial.tasks, 20, K=2),
}


def committee(N, inputs=THREE, **options):
    return initial.committee(N, **{"K": 2, "readout": "sum", "weights": False, "inputs": inputs, **options})


def assert_same(one, other):
    assert one.N == other.N
    for name in FIELDS:
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def smallest_p(one, other):
    """The smallest KS p-value over all columns that move, times their number (Bonferroni)."""
    moving = np.ptp(one, axis=0) > 1e-12
    values = [stats.ks_2samp(x, y).pvalue for x, y in zip(one[:, moving].T, other[:, moving].T)]
    return min(values) * len(values)


# -- the law ---------------------------------------------------------------------------------------


def entries_of(start):
    """All shares, and their sum in the plain metric, as one row."""
    upper = np.triu_indices(start.P + start.M)
    plain = (start.covariances / start.eigenvalues[:, None, None]).sum(0)
    return np.concatenate([start.covariances[:, *upper].ravel(), plain[upper]])


@pytest.mark.parametrize("name", MAKERS)
def test_overlaps_without_vectors_have_the_law_of_vectors(name):
    """KS of every entry, 600 draws each, Bonferroni: 1e-3 false alarms a start."""
    make = MAKERS[name]
    vectors = np.array([entries_of(om.ResolvedOverlaps.of(make(seed=seed), SMALL)) for seed in range(600)])
    starts = [make(seed=10**6 + seed, weights=False, inputs=SMALL) for seed in range(600)]
    overlaps = np.array([entries_of(start) for start in starts])
    assert list(starts[0].multiplicities) == [12, 3, 1]
    assert smallest_p(vectors, overlaps) > 1e-3


ROWS = overlap_laws.Rows(2, 0.7, 3, 1.0, np.array([[1.0, 0.0, 0.0], [0.5, 1.0, 0.0]]), True)
SPACES = Eigenspaces(np.array([0.0, 0.5, 2.0, 9.0]), np.array([4, 12, 3, 1]))


def shares_of_vectors(rows, count=600):
    """Flat shares of real vectors, by NumPy alone."""
    rng, found = np.random.default_rng(1), []
    ends = np.cumsum(SPACES.multiplicities)
    for _ in range(count):
        Y = rng.standard_normal((rows.teacher, 20))
        if rows.orthogonal:
            values, basis = np.linalg.eigh(Y @ Y.T)
            Y = np.sqrt(20) * (basis / np.sqrt(values)) @ basis.T @ Y
        X, B = rows.student_size * rng.standard_normal((rows.student, 20)), rows.teacher_map @ (rows.teacher_size * Y)
        both = np.concatenate([X, B])
        found.append(np.concatenate([(value / 20 * both[:, end - size:end] @ both[:, end - size:end].T)[
            *np.triu_indices(len(both))] for value, size, end in list(zip(*SPACES, ends))[1:]]))
    return np.array(found)


def shares_of_law(rows, spaces=SPACES, count=600):
    """The same from the law, in the same order of eigenvalues."""
    rng, found = np.random.default_rng(2), []
    for _ in range(count):
        G, S, T = overlap_laws.resolved(rng, rng, spaces, rows)
        C = np.concatenate([np.concatenate([G, S], -1), np.concatenate([np.swapaxes(S, -1, -2), T], -1)], -2)
        found.append(C[:, *np.triu_indices(C.shape[-1])].ravel())
    return np.array(found)


@pytest.mark.parametrize("orthogonal", [True, False])
def test_what_is_wrong_with_the_law_is_seen(orthogonal, monkeypatch):
    """Against vectors of NumPy (1e-3 false alarms each); exchanged multiplicities, ω = 1, and one freedom too many."""
    rows = ROWS._replace(orthogonal=orthogonal)
    vectors = shares_of_vectors(rows)
    assert smallest_p(vectors, shares_of_law(rows)) > 1e-3
    for wrong in (SPACES._replace(multiplicities=np.array([4, 1, 3, 12])),
                  SPACES._replace(multiplicities=np.array([3, 13, 3, 1])),
                  SPACES._replace(eigenvalues=np.array([0.0, 1.0, 1.0, 1.0]))):
        assert smallest_p(vectors, shares_of_law(rows, wrong)) < 1e-3
    right = overlap_laws.bartlett
    monkeypatch.setattr(overlap_laws, "bartlett", lambda generator, count, dof: right(generator, count, dof + 1))
    assert smallest_p(vectors, shares_of_law(rows)) < 1e-6


def test_orthogonal_teachers_are_orthogonal_in_the_plain_metric():
    for inputs, N in ((THREE, 32), (THREE, HUGE), (Spiked((9.0, 3.0)), 10**12)):
        start = committee(N, inputs, M=3)
        plain = (start.T / start.eigenvalues[:, None, None]).sum(0)
        assert np.allclose(plain, np.eye(3), rtol=0.0, atol=1e-12)
        assert start.N == N and start.multiplicities.sum() == N
        assert np.isclose(start.traces.sum(), 1.0, rtol=1e-12)
    start = committee(10**15, THREE)  # overlaps are at their means to N^-1/2
    expected = 0.01 * start.traces[:, None, None] * np.eye(2)
    assert np.allclose(start.G, expected, rtol=0.0, atol=1e-8) and 0.0 < np.abs(start.S).max() < 1e-7
    one = start.traces[:, None, None] * np.eye(2)
    assert np.allclose(start.T, one, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("name", MAKERS)
def test_same_seed_same_result_and_another_student(name):
    make = partial(MAKERS[name], weights=False, inputs=SMALL)
    assert_same(make(seed=5), make(seed=5))
    assert not np.array_equal(make(seed=5).G, make(seed=6).G)
    base, one, two = make(seed=5), *(make(seed=5, student_seed=r) for r in (0, 1))
    for field in ("T", "strengths", "xi_out", "readout", "teacher_readout"):
        assert np.array_equal(getattr(one, field), getattr(base, field))
    assert not np.array_equal(one.G, two.G) and not np.array_equal(one.S, two.S)


def test_independent_inputs_have_nothing_to_resolve():
    plain = committee(50, inputs=None)
    for inputs in (Gaussian(), Rademacher()):
        start = committee(50, inputs)
        assert isinstance(start, om.OrderParameters) and np.array_equal(start.G, plain.G)
    vectors = committee(50, THREE, weights=True)
    assert vectors.fingerprint() == initial.committee(50, K=2, readout="sum").fingerprint()


@pytest.mark.parametrize("inputs", [
    THREE, SMALL, Spiked((9.0, 1.0)), PowerLaw(1.0), PowerLaw(0.0), Gaussian(), Spectrum((3.0, 1.0) * 10)])
def test_eigenspaces_are_those_of_the_eigenbasis(inputs):
    N = inputs.columns or 32
    eigenvalues, multiplicities = inputs.eigenspaces(N)
    found = np.repeat(eigenvalues, multiplicities)
    assert np.allclose(found, np.sort(inputs.eigenbasis(N)[0]), rtol=0.0, atol=1e-9)
    assert (np.diff(eigenvalues) > 0.0).all() and multiplicities.dtype == np.int64


# -- from vectors ----------------------------------------------------------------------------------


def turned(start, inputs, seed=1):
    """The same vectors and covariance in other coordinates, where Ω is a matrix."""
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((start.N, start.N)))[0]
    rotated = {name: getattr(start, name) @ turn.T for name in ("xi_in", "teacher")}
    values = inputs.eigenbasis(start.N)[0]
    return om.Weights(**{**vars(start), **rotated, "origin": None}), Gaussian((turn * values) @ turn.T)


def test_shares_of_vectors_are_those_of_projectors(random_weights):
    start = random_weights(20, K=2, M=2, P=3, seed=1)
    for weights, inputs in ((start, SMALL), turned(start, SMALL)):
        found = om.ResolvedOverlaps.of(weights, inputs)
        covariance = inputs.covariance(20)(np.eye(20))
        values, vectors = np.linalg.eigh(covariance)
        for value, count, G, S, T in zip(found.eigenvalues, found.multiplicities, found.G, found.S, found.T):
            own = np.isclose(values, value, rtol=1e-9)
            assert own.sum() == count
            part = value * vectors[:, own] @ vectors[:, own].T / 20
            X, B = weights.xi_in, weights.teacher
            for share, one, other in ((G, X, X), (S, X, B), (T, B, B)):
                assert np.allclose(share, one @ part @ other.T, rtol=0.0, atol=1e-12)
        sums, expected = found.order_parameters(inputs), weights.order_parameters(inputs)
        assert sums.is_close(expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("inputs, N", [
    (PowerLaw(6.0), 200), (PowerLaw(2.0), 20_000), (Blocks((1e-12, 1.0), (1.0, 3.0)), 20), (Spiked((1e12,)), 10**12)])
def test_eigenvalues_that_are_known_are_kept(inputs, N):
    """However small beside the largest, and however close where they are many: 1e-10 of the largest is no rounding."""
    eigenvalues, multiplicities = inputs.eigenspaces(N)
    if isinstance(inputs, PowerLaw):
        assert np.array_equal(multiplicities, np.ones(N))
        assert np.allclose(eigenvalues, inputs.spectrum(N)[::-1], rtol=1e-12, atol=0.0)
    else:
        traces = [1e-12 / 3.0, 1.0] if N == 20 else [0.5, 0.5]
        assert np.allclose(multiplicities * eigenvalues / N, traces, rtol=1e-9, atol=0.0)
    if N > 4096:
        return
    start = initial.committee(N, K=1, seed=1)
    for found in (om.ResolvedOverlaps.of(start, inputs), resolve(start.xi_in, start.teacher, inputs.spectrum(N), N,
                                                                 1.0, 1.0)):
        order = np.argsort(inputs.spectrum(N), kind="stable")
        of_directions = (inputs.spectrum(N) * start.xi_in[0] ** 2 / N)[order]
        expected = np.add.reduceat(of_directions, np.cumsum(multiplicities) - multiplicities)
        assert np.allclose(found.G[:, 0, 0], expected, rtol=1e-12, atol=0.0)
        assert np.isclose(found.traces.sum(), 1.0, rtol=1e-12)
    assert (members_of(inputs.spectrum(N), 3) >= 0).all()


def test_eigenvalues_that_rounding_tells_apart_are_one():
    """Of a matrix, or of what was computed from one; 0 where it has no full rank."""
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    matrix = (turn * np.repeat([1.0, 1e-3, 1e-7, 0.0], 10)) @ turn.T
    values = np.linalg.eigvalsh(matrix)
    for inputs in (Gaussian(matrix), Spectrum(np.maximum(values, 0.0))):
        eigenvalues, multiplicities = inputs.eigenspaces(40)
        assert multiplicities.tolist() == [10, 10, 10, 10] and eigenvalues[0] == 0.0
        assert np.allclose(eigenvalues / eigenvalues[-1], [0.0, 1e-7, 1e-3, 1.0], rtol=1e-6)
    assert distinct_eigenvalues(np.array([1.0, 1.0 + 1e-9, 2.0, 1.0])).tolist() == [1.0, 2.0]
    dense = 1.0 + 9e-9 * np.arange(5.0)  # neighbours as close as rounding, in a chain that is longer
    assert np.array_equal(distinct_eigenvalues(np.append(dense, dense[2])), dense)


# -- engines ---------------------------------------------------------------------------------------


def test_ode_equals_that_of_the_vectors():
    """Where all eigenvalues are followed, at nodes of many, and by groups of both."""
    for inputs, N in ((THREE, 64), (PowerLaw(1.0), 200)):
        problem = om.Problem(inputs=inputs, noise=0.1, rates=RATES)
        weights = initial.committee(N, K=2, readout="sum")
        resolved = om.ResolvedOverlaps.of(weights, inputs)
        for options in ({}, {"resolve": 2}):
            one, other = (om.simulate(problem, start, 5.0, "ode", save_at=6, **options)
                          for start in (weights, resolved))
            assert one.info.spectral_nodes == other.info.spectral_nodes
            assert np.allclose(one.G, other.G, rtol=1e-8, atol=1e-10)
            assert np.isclose(one.info.participation, other.info.participation, rtol=1e-12)
        for name in ("eigenvalues", "multiplicities", "traces", "T"):
            assert np.allclose(getattr(one.resolved, name), getattr(other.resolved, name), rtol=1e-10)
        assert np.allclose(one.resolved.S, other.resolved.S, rtol=1e-7, atol=1e-9)
    assert one.info.spectral_nodes < 200


def ensemble(start, engine, seed, inputs=THREE):
    problem = om.Problem(inputs=inputs, noise=0.3, weight_decay=0.1, rates=RATES)
    return om.simulate(problem, start, 3.0, engine, replicas=600, seed=seed, save_at=[0.0, 0.5, 3.0])


def entries_of_runs(run):
    return np.concatenate([getattr(run, name)[:, 1:].reshape(run.replicas, -1) for name in
                           ("G", "S", "strengths", "xi_out", "readout", "generalization_error")], 1)


@pytest.mark.parametrize("inputs, N", [(THREE, 32), (SMALL, 20)], ids=["three", "small"])
def test_chain_and_micro_have_the_law_of_the_vectors(inputs, N, random_weights):
    """KS of all entries, 600 runs each, Bonferroni: 1e-3 false alarms a pair; shares that are exchanged are told."""
    weights = random_weights(N, K=2, M=2, P=2, seed=1, size=0.7)
    resolved = om.ResolvedOverlaps.of(weights, inputs)
    vectors = ensemble(weights, "chain", 1, inputs)
    for engine in ("chain", "micro"):
        run = ensemble(resolved, engine, 2, inputs)
        assert np.allclose(run.G[:, 0], vectors.G[:, 0], rtol=1e-12, atol=1e-13) and np.allclose(run.T, vectors.T)
        assert smallest_p(entries_of_runs(vectors), entries_of_runs(run)) > 1e-3
    if inputs is THREE:
        exchanged = om.ResolvedOverlaps(**{**vars(resolved), **{
            name: getattr(resolved, name)[[2, 1, 0]] for name in ("G", "S", "T")}})
        wrong = ensemble(exchanged, "chain", 2)
        assert np.allclose(wrong.G[:, 0], vectors.G[:, 0])  # which the sums do not tell
        assert smallest_p(entries_of_runs(vectors), entries_of_runs(wrong)) < 1e-6


def test_one_eigenvalue_is_the_start_of_independent_inputs():
    """In every engine; also a PowerLaw(0), whose covariance is I."""
    weights = initial.committee(10_000, K=2, readout="sum")
    for inputs, engines in ((Gaussian(), ENGINES), (PowerLaw(0.0), ("micro", "chain", "ode"))):
        resolved, problem = om.ResolvedOverlaps.of(weights, inputs), om.Problem(inputs=inputs, rates=RATES)
        for engine in engines:
            run = om.simulate(problem, resolved, 0.01, engine, save_at=[0.0, 0.01])
            assert np.allclose(run.G[0, 0], weights.order_parameters().G, rtol=1e-12, atol=1e-14)
            assert np.isfinite(run.G).all()


@pytest.mark.parametrize("inputs", [
    PowerLaw(0.0), Spiked((1.0,)), Blocks((2.0, 2.0), (0.3, 0.7)), Gaussian(np.eye(50))], ids=lambda each: each.kind)
def test_a_covariance_that_is_the_identity(inputs):
    """Draws without vectors begin every engine that takes such inputs, and a chain ends where others go on."""
    start, problem = committee(50, inputs), om.Problem(inputs=inputs, rates=RATES)
    assert len(start.eigenvalues) == 1 and np.allclose(start.eigenvalues * start.T, np.eye(2), atol=1e-12)
    engines = ("micro", "chain", "ode")
    runs = {engine: om.simulate(problem, start, 0.1, engine, save_at=[0.0, 0.1]) for engine in engines}
    for run in runs.values():
        assert np.allclose(run.G[0, 0], start.G[0], rtol=1e-12, atol=1e-14) and np.isfinite(run.G).all()
    if inputs.kind == "gaussian":  # a matrix, whose eigenvalues are not looked at for that
        return
    assert committee(10**9, inputs).N == 10**9
    assert np.array_equal(runs["chain"].final.G[0], runs["chain"].G[0, -1])
    later = om.go_on(runs["chain"], 0.2, engine="ode", save_at=[0.2])
    assert np.isfinite(later.G).all() and later.info.spectral_nodes is None


def test_micro_in_a_basis_of_the_covariance(random_weights):
    """The vectors that are made have these shares."""
    from onlinemode.engines.micro.starts import with_vectors

    start, inputs = turned(random_weights(20, K=2, M=2, P=3, seed=1), SMALL)
    resolved = om.ResolvedOverlaps.of(start, inputs)
    overlaps, made = with_vectors(resolved, inputs, 20, 3)
    assert overlaps.is_close(made.order_parameters(inputs), rtol=1e-10, atol=1e-12)
    again = om.ResolvedOverlaps.of(made, inputs)
    for name in ("G", "S", "T"):
        assert np.allclose(getattr(again, name), getattr(resolved, name), rtol=0.0, atol=1e-10)


def test_ten_billion_inputs():
    """Chain against ode from one start: the change of G, of which the chain's fluctuations are a tenth at most."""
    start = committee(HUGE, seed=1)
    problem = om.Problem(inputs=THREE, rates=om.LearningRates(xi_in=0.9))
    chain, ode = (om.simulate(problem, start, 2e-6, engine, save_at=[0.0, 2e-6], resolve=3)
                  for engine in ("chain", "ode"))
    assert chain.info.steps == [20_000] and chain.N == HUGE
    expected = ode.G[0, 1] - ode.G[0, 0]
    assert np.abs(expected).max() > 1e-9  # about α
    assert np.allclose(chain.G[0, 1] - chain.G[0, 0], expected, rtol=0.0, atol=0.1 * np.abs(expected).max())
    assert list(chain.resolved.multiplicities) == [1_250_000_000, 2_500_000_000, 6_250_000_000]
    for name in ("G", "S"):
        one, other = (getattr(run.resolved, name)[:, 0] for run in (chain, ode))
        assert np.allclose(one, other, rtol=1e-12, atol=1e-15)
    later = om.go_on(chain, 3e-6, save_at=[3e-6])
    assert np.isfinite(later.G).all()
    learned = om.simulate(problem, start, 30.0, "ode", save_at=5)
    assert learned.generalization_error[0, -1] < 0.2 * learned.generalization_error[0, 0]


def test_lengths_that_a_sphere_keeps():
    problem = om.Problem(inputs=THREE, rates=om.LearningRates(xi_in=0.9), constraint="sphere")
    weights = initial.committee(32, K=2, seed=1, readout="sum")
    begun = EigenspaceStart(om.ResolvedOverlaps.of(weights, THREE), decomposition_of(problem, 32), problem, 32)
    assert np.allclose(begun.squared_lengths, (weights.xi_in**2).sum(1) / 32, rtol=1e-12)


def test_theory_goes_on_from_the_end_of_a_chain(tmp_path):
    """As from the shares that the run itself shows at its end; and a new run begins from them."""
    inputs = Spectrum((*(4.0,) * 3, *(1.0,) * 9, *(0.3,) * 20, 0.0, 0.0))
    problem = om.Problem(inputs=inputs, noise=0.3, batch=3, rates=RATES)
    run = om.simulate(problem, committee(34, inputs, seed=3), 1.03, "chain", replicas=2, save_at=[0.0, 1.03], resolve=3)
    later = om.go_on(run, 3.0, engine="ode", save_at=[2.0, 3.0])
    ends = [om.ResolvedOverlaps(**{**vars(run.initial_resolved), **{
        name: getattr(run, name)[replica, -1] for name in ("strengths", "xi_out", "readout")},
        "G": run.resolved.G[replica, -1, ::-1], "S": run.resolved.S[replica, -1, ::-1]}) for replica in (0, 1)]
    for replica, end in enumerate(ends):
        found = run.final(replica)
        assert np.allclose(found.covariances, end.covariances, rtol=1e-9, atol=1e-12)
        anew = om.simulate(problem, end, float(later.alpha[-1] - later.alpha[0]), "ode",
                           save_at=later.alpha - later.alpha[0])
        assert np.allclose(later.G[replica], anew.G[0], rtol=1e-5, atol=1e-8)
    assert not np.allclose(later.G[0], later.G[1], rtol=1e-2)
    later.save(tmp_path / "later.npz")
    assert_same_draws(om.repeat(om.load(tmp_path / "later.npz")), later)
    again = om.simulate(problem, run.final, 0.5, "chain", replicas=2, seed=7, save_at=[0.0, 0.5])
    assert np.allclose(again.G[:, 0], run.G[:, -1], rtol=1e-10)


# -- files -----------------------------------------------------------------------------------------


def fresh(replica):
    return committee(HUGE, M=2, seed=5, student_seed=replica)


@pytest.mark.parametrize("engine", ["chain", "ode"])
@pytest.mark.parametrize("start", [fresh(0), fresh], ids=["one", "fresh"])
def test_files_repeats_and_pieces(engine, start, tmp_path):
    replicas = {"replicas": 3} if callable(start) or engine == "chain" else {}
    run = om.simulate(PROBLEM, start, 2e-8, engine, save_at=[0.0, 1e-8, 2e-8], **replicas)
    run.save(tmp_path / "run.npz")
    loaded = om.load(tmp_path / "run.npz")
    assert loaded.info.start == {"kind": "resolved"}
    assert_same(loaded.initial_resolved, fresh(0))
    assert_same_draws(om.repeat(loaded), run)
    if callable(start):
        assert loaded.start_of(2).is_close(fresh(2).order_parameters(), rtol=0.0, atol=0.0)
        assert not np.array_equal(run.G[0, 0], run.G[2, 0])
    piece = om.simulate(PROBLEM, start, 1e-8, engine, save_at=[0.0, 1e-8], **replicas)
    if engine == "chain":
        whole = om.join(piece, om.go_on(piece, 2e-8, save_at=[2e-8]))
        assert_same_draws(whole, run)
        whole.save(tmp_path / "whole.npz")
        assert_same_draws(om.repeat(om.load(tmp_path / "whole.npz")), run)


def test_theory_from_where_a_run_began():
    from onlinemode.continuing import mean_field

    run = om.simulate(PROBLEM, fresh, 2e-8, "chain", replicas=3, save_at=[0.0, 2e-8])
    theory = mean_field(run)
    assert theory.replicas == 3
    assert np.allclose(theory.G[:, 0], run.G[:, 0], rtol=1e-10)


def test_summaries_and_checkpoints(slow_looks, tmp_path):
    call = dict(replicas=6, engine="chain", seed=3, save_at=[0.0, 900.0, 1000.0])

    def start(replica):
        return committee(32, M=2, seed=5, student_seed=replica)

    whole = om.simulate(PROBLEM, start, 1000.0, **call)
    kept = om.simulate(PROBLEM, start, 1000.0, keep="summary", **call)
    assert kept.starts["share_G"].shape == (6, 3, 2, 2)
    assert_same_draws(om.repeat(kept), kept)
    file = tmp_path / "run.ckpt"
    for begin in (start, start(0)):
        expected = whole if callable(begin) else om.simulate(PROBLEM, begin, 1000.0, **call)
        om.simulate(PROBLEM, begin, 1000.0, checkpoint=file, checkpoint_every=0.001, progress=StopAt(0.3), **call)
        resumed = om.resume(file)
        assert_same_draws(resumed, expected)
        assert_same(resumed.initial_resolved, start(0))


@pytest.mark.parametrize("change", ["missing", "shape", "other", "shares", "no covariance"])
def test_damaged_files_are_refused(change, tmp_path):
    om.simulate(PROBLEM, fresh, 1e-8, "chain", replicas=2, save_at=2).save(tmp_path / "run.npz")
    header, arrays = read_archive(tmp_path / "run.npz", "trajectory")
    if change == "missing":
        del arrays["resolved_T"]
    elif change == "shape":
        arrays["resolved_G"] = arrays["resolved_G"][:-1]
    elif change == "other":
        arrays["resolved_N"] = np.array(50)
    elif change == "shares":
        arrays["starts_share_S"] = arrays["starts_share_S"][:, :2]
    else:
        arrays["resolved_G"] = -arrays["resolved_G"]
    write_archive(tmp_path / "bad.npz", "trajectory", header, arrays)
    with pytest.raises((FileError, ParameterError), match="an entry is missing or damaged"):
        om.load(tmp_path / "bad.npz")


# -- experiments -----------------------------------------------------------------------------------


def test_experiments_and_sweeps():
    words = "blocks:0.125x4,0.25x1,0.625x0.3"
    experiment = om.Experiment(engine="chain", N=HUGE, init="committee", K=2, readout="sum", inputs=words, alpha=1e-8,
                               save_at=3)
    start = experiment.start()
    assert_same(start, committee(HUGE, om.inputs.parse(words), M=2))
    experiment.check()
    assert isinstance(experiment.replace(N=320).start(), om.Weights)
    assert_same(experiment.replace(fresh_students=True).start()(3),
                committee(HUGE, om.inputs.parse(words), M=2, student_seed=3))
    run = experiment.run()
    assert_same_draws(run, om.simulate(experiment.problem(), start, 1e-8, "chain", save_at=3))
    assert experiment.replace(engine="ode").run().info.spectral_nodes == 3
    compared = om.compare(experiment, ("chain",))
    assert np.array_equal(compared.runs[0].G, run.G) and np.allclose(compared.theory.G[:, 0], run.G[:, 0], rtol=1e-10)
    result = om.sweep(experiment, {"N": [10**9, HUGE]}, keep=["Q"])
    assert np.array_equal(result.Q.isel(N=1).values.squeeze(), run.Q[0])
    with pytest.raises(ParameterError, match="overlaps without vectors need inputs of few eigenvalues, such as Blocks"):
        experiment.replace(engine="ode", inputs="power-law:1").start()


def test_commands(onlinemode):
    options = ("--N", HUGE, "--inputs", "blocks:0.1x4,0.9x0.5", "--alpha", 1e-8, "--save-at", 4, "--no-plot")
    code, out, _ = onlinemode("simulate", "--engine", "chain", *options, "--out", "run")
    assert code == 0 and "theory resolves the spectrum of the inputs: participation number 3.96e+09" in out
    assert om.load("run.npz").initial_resolved.N == HUGE
    assert onlinemode("repeat", "run.npz")[0] == 0
    assert onlinemode("simulate", "--start", "run.npz", "--alpha", 2e-8, "--no-plot", "--no-theory")[0] == 0
    assert onlinemode("ode", *options)[0] == 0
    code, out, _ = onlinemode("compare", "--engines", "ode,chain", *options, "--json")
    assert code == 0 and json.loads(out)
    assert onlinemode("ode", *options, "--inputs", "power-law:0")[0] == 0
    code, out, err = onlinemode("ode", *options, "--inputs", "power-law:1")
    assert code == 2 and err.count("\n") == 1 and "N above 10,000,000; got PowerLaw" in err


# -- what is refused -------------------------------------------------------------------------------


def resolved(of=None, **changes):
    return om.ResolvedOverlaps(**{**vars(committee(32, seed=1) if of is None else of), **changes})


def of_two_directions(size):
    """Shares of two directions that the teacher fills, and of a small student beside it."""
    start = committee(20, Spiked((5.0, 5.0)), seed=1)
    return resolved(of=start, G=np.stack([start.G[0], size * np.eye(2)]), S=0.0 * start.S)


def test_shares_of_a_table_are_those_of_vectors():
    """What was rounded is the nearest that vectors in so few directions have, and then stays as it is."""
    start = committee(20, Spiked((5.0, 5.0)), seed=1)
    assert_same(om.ResolvedOverlaps(**vars(start)), start)
    rounded = resolved(of=start, **{name: getattr(start, name).round(6) for name in ("G", "S", "T")})
    assert np.linalg.matrix_rank(rounded.covariances[1], tol=1e-12) == 2
    assert np.allclose(rounded.covariances, start.covariances, rtol=0.0, atol=1e-5)
    assert_same(om.ResolvedOverlaps(**vars(rounded)), rounded)
    for components, C in zip(components_of(rounded), rounded.covariances / rounded.eigenvalues[:, None, None]):
        order = [2, 3, 0, 1]  # the teacher first
        assert np.allclose(components.T @ components, C[np.ix_(order, order)], rtol=0.0, atol=1e-12)


GOOD = resolved()
ONE = np.eye(2)[None]


@pytest.mark.parametrize("call, error, message", [
    (lambda: resolved(eigenvalues=[0.3, 1.0]), ShapeError,
     r"multiplicities must have shape \(L,\) = \(2,\); got \(3,\)"),
    (lambda: resolved(eigenvalues=GOOD.eigenvalues[::-1]), ParameterError, "must be above 0 and ascending; got"),
    (lambda: resolved(multiplicities=[20, 8, 3]), ParameterError, "must have the sum N = 32, since tr Ω = N; got 2"),
    (lambda: resolved(multiplicities=[20, 8.5, 4]), ParameterError, "must be whole numbers ≥ 1; got"),
    (lambda: resolved(multiplicities=[20, 8, 0]), ParameterError, "must be whole numbers ≥ 1; got"),
    (lambda: resolved(multiplicities=[20, 8, 40]), ParameterError, "must have a sum of at most N = 32; got 68"),
    (lambda: resolved(G=GOOD.G[:2]), ShapeError, r"G must have shape \(L, P, P\) = \(3, 2, 2\); got \(2, 2, 2\)"),
    (lambda: resolved(S=10.0 * np.ones((3, 2, 2))), OverlapError,
     r"\[\[G, S\], \[Sᵀ, T\]\]\[0\] of the eigenvalue 0.32 must be a covariance"),
    (lambda: resolved(G=GOOD.G + np.array([[0.0, 1.0], [0.0, 0.0]])), OverlapError, r"G\[0\] must be symmetric"),
    (lambda: om.ResolvedOverlaps(2, [1.0], [2], 0.1 * ONE, np.zeros((1, 2, 2)), ONE, [1.0, 1.0], np.eye(2),
                                 [1.0, 1.0], [1.0, 1.0]), OverlapError,
     "must have a rank of at most 2, its multiplicity; got 4"),
    (lambda: of_two_directions(0.5e-6), OverlapError, r"\[1\] of .* a rank of at most 2, its multiplicity; got 4"),
    (lambda: of_two_directions(1e-14), OverlapError, r"\[1\] of .* a rank of at most 2, its multiplicity; got 4"),
    (lambda: om.ResolvedOverlaps.of(GOOD, THREE), ParameterError,
     "weights must be an onlinemode.Weights; got Resolved"),
    (lambda: om.ResolvedOverlaps.of(initial.committee(5000), PowerLaw(1.0)), ParameterError,
     "too long a spectrum: .* at most 4,096 eigenvalues; got 5,000 of PowerLaw.*: give the Weights"),
    (lambda: om.simulate(PROBLEM, committee(32, Spiked((3.0,))), 1.0, "chain"), ParameterError,
     r"must be by the eigenvalues \(directions\) of Blocks.* at N = 32, 0.32 \(20\), .*; got .* \(31\), "
     r".*: draw them with"),
    (lambda: om.simulate(PROBLEM, GOOD, 1.0, "chain", N=64), ParameterError,
     "N must be that of the overlaps, 32; got 64"),
    (lambda: om.simulate(PROBLEM, GOOD, 1.0, "chain", store_weights=True), ParameterError,
     "got ResolvedOverlaps .always"),
    (lambda: om.simulate(om.Problem(inputs=SMALL, constraint="sphere"), committee(20, SMALL), 1.0, "chain"),
     ParameterError, "lengths on a sphere count directions of no variance"),
    (lambda: om.simulate(PROBLEM, GOOD.order_parameters(), 1.0, "chain", N=32), EngineError,
     "Weights, or ResolvedOverlaps"),
    (lambda: om.simulate(PROBLEM, GOOD.order_parameters(), 1.0, "ode", N=32), EngineError,
     "Weights, or ResolvedOverlaps"),
    (lambda: om.simulate(PROBLEM, GOOD.order_parameters(), 1.0, N=32), EngineError, "Weights, or ResolvedOverlaps"),
    (lambda: om.simulate(PROBLEM, lambda r: GOOD if r else committee(64), 1.0, "chain", replicas=2), ParameterError,
     "must have one kind and size"),
    (lambda: om.simulate(PROBLEM, lambda r: committee(32, seed=r), 1.0, "chain", replicas=2), ParameterError,
     r"all replicas must have the same teacher; T of start\(1\)"),
    (lambda: committee(HUGE, PowerLaw(1.0)), ParameterError,
     "need inputs of few eigenvalues, such as Blocks, for N above"),
    (lambda: committee(5000, PowerLaw(1.0)), ParameterError, "too long a spectrum: .* by at most 4,096 eigenvalues; "
     r"got 5,000 of PowerLaw.*: take vectors \(weights=True\)"),
    (lambda: committee(10**5, PowerLaw(3.0)), ParameterError, "too long a spectrum: .* got 100,000 of PowerLaw"),
    (lambda: committee(32, HiddenManifold(5, teacher="latent")), ParameterError,
     "of a teacher that sees the inputs; got"),
    (lambda: committee(32, "blocks:1x1"), ParameterError, "inputs must be one of the classes of onlinemode.inputs"),
    (lambda: committee(21, SMALL), ParameterError, "N must be 20, the number of columns"),
    (lambda: committee(2, Spectrum((3.0, 1.0)), M=3), ParameterError,
     "N must be at least 3 for 3 orthogonal directions"),
    (lambda: PowerLaw(1.0).eigenspaces(10**12), EngineError, "are counted one by one, which needs .* GiB"),
    (lambda: om.critical_rate(PROBLEM, GOOD), EngineError, "for inputs with independent entries; got Blocks"),
    (lambda: om.fluctuations(PROBLEM, GOOD, [1.0]), ParameterError, "needs i.i.d. Gaussian inputs; got Blocks"),
])
def test_refused(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_it_is_frozen_and_printed():
    with pytest.raises(ValueError, match="read-only"):
        GOOD.G[0, 0, 0] = 1.0
    with pytest.raises(AttributeError):
        GOOD.N = 3
    text = str(committee(HUGE))
    assert "N = 10,000,000,000, K = 2" in text and "4.26667 (1,250,000,000)" in text


@pytest.mark.parametrize("inputs", [Spectrum((1.0,) * 20), Gaussian(np.eye(20))])
def test_a_chain_of_one_eigenvalue_ends_in_a_start(inputs):
    problem = om.Problem(rates=om.LearningRates(1.0), inputs=inputs)
    run = om.simulate(problem, committee(20, inputs), 2.0, "chain", save_at=3)
    assert len(run.final.eigenvalues) == 1 and np.allclose(run.final.G[0], run.G[0, -1])
    assert om.go_on(run, 3.0, engine="ode", save_at=2).status == [om.Status.COMPLETED]


def test_every_replica_ends_with_its_own_teacher_where_that_drifts():
    problem = om.Problem(rates=om.LearningRates(1.0), inputs=PowerLaw(0.0), drift=0.5)
    run = om.simulate(problem, initial.committee(60, K=2, seed=1), 2.0, "chain", save_at=3, replicas=2)
    for replica in range(2):
        assert np.allclose(run.final(replica).T.sum(0), run.T[replica, -1], atol=1e-12)
    assert not np.allclose(run.T[0, -1], run.T[1, -1], atol=1e-3)


def test_spectra_whose_sum_is_beyond_all_numbers():
    inputs = Spectrum([1e308] * 4 + [1e307] * 4)
    assert np.allclose(inputs.spectrum(8), [20 / 11] * 4 + [2 / 11] * 4)
    assert np.allclose(inputs.eigenspaces(8).eigenvalues, [2 / 11, 20 / 11])
