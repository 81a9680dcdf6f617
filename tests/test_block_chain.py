"""The chain for inputs whose covariance has few eigenvalues: pathwise, in law, and against the mean-field equations."""

import block_chain_vectors
import numpy as np
import pytest
from scipy import stats
from small_ensembles import z_scores
from stopping import StopAt

import onlinemode as om
from onlinemode.engines.chain.eigenspaces import EigenspaceStart, decomposition_of
from onlinemode.errors import EngineError, ParameterError
from onlinemode.inputs import Blocks, Gaussian, PowerLaw, Spectrum, Spiked

RATES = om.LearningRates(xi_in=0.9, strengths=0.4, xi_out=0.5, readout=0.2)
THREE = Blocks((4.0, 1.0, 0.3), (4.0, 8.0, 20.0))
SIX = dict(noise=0.3, weight_decay=0.4, rates=RATES)  # of a problem in which everything moves
EVERYTHING = dict(batch=2, constraint="sphere", dropout=0.2, mode_dropout=0.1,
                  noise="linear:0=0.3,2=0.1",
                  tasks=om.Tasks((0.6, 0.4), heads=(0, 1), noise=(0.1, 0.4)))


def path_against_vectors(problem, start, steps):
    """The largest deviation of any entry, relative to the largest of its kind, and the last pair."""
    worst = 0.0
    for vectors, chain in block_chain_vectors.pairs(problem, start, steps, seed=5):
        expected = vectors.overlaps(start.teacher, problem.inputs.covariance(start.N))
        for name, values in expected.items():
            worst = max(worst, np.abs(chain[name] - values).max() / np.abs(values).max())
    return worst, vectors, chain["shares"]


@pytest.mark.parametrize("inputs, N", [
    (THREE, 32),
    (Spectrum((5.0, *(2.0,) * 2, *(1.0,) * 4, *(0.5,) * 7, *(0.0,) * 3)), 17),  # frames that fill their eigenspaces
], ids=["three", "small"])
def test_real_vectors_learn_the_same_from_the_same_samples(inputs, N, random_weights):
    start = random_weights(N, K=3, M=2, P=2, seed=1, size=0.7)
    worst, vectors, shares = path_against_vectors(om.Problem(inputs=inputs, **SIX), start, 80)
    assert worst < 1e-10
    spectrum = inputs.spectrum(N)
    for variance, trace, G, S, T in zip(*shares[:5]):
        there = np.isclose(spectrum, variance, rtol=1e-12)
        X, B = vectors.xi_in[:, there], start.teacher[:, there]
        assert variance * there.sum() / N == pytest.approx(trace)
        for share, one, other in ((G, X, X), (S, X, B), (T, B, B)):
            assert np.allclose(share, variance * one @ other.T / N, rtol=0, atol=1e-10)


def test_the_same_with_everything_that_the_chain_has(random_weights):
    """Lengths are kept where there is no field, too."""
    inputs = Spectrum((*(4.0,) * 5, *(1.0,) * 12, *(0.0,) * 4))
    drawn = random_weights(21, K=2, M=2, P=3, seed=2)
    start = om.Weights(drawn.xi_in, drawn.strengths, drawn.xi_out, np.stack([drawn.readout] * 2), drawn.teacher,
                       np.stack([drawn.teacher_readout, -drawn.teacher_readout]))
    problem = om.Problem(inputs=inputs, weight_decay=0.4, rates=RATES, **EVERYTHING).sampled(2.0)
    worst, vectors, _ = path_against_vectors(problem, start, 40)
    assert worst < 1e-10
    assert np.allclose((vectors.xi_in**2).sum(1), (start.xi_in**2).sum(1), rtol=1e-12)


def ensembles(start, inputs, **options):
    problem = om.Problem(inputs=inputs, noise=0.3, weight_decay=0.1, rates=RATES)
    return [om.simulate(problem, start, 3.0, each, replicas=1000, seed=seed, save_at=[0.0, 0.5, 3.0], **options)
            for each, seed in (("micro", 1), ("chain", 2))]


def smallest_p(one, other):
    """The smallest KS p-value over all entries and times, times their number (Bonferroni)."""
    values = []
    for name in ("G", "S", "strengths", "xi_out", "readout", "generalization_error"):
        a, b = (getattr(run, name)[:, 1:].reshape(run.replicas, -1) for run in (one, other))
        values += [stats.ks_2samp(x, y).pvalue for x, y in zip(a.T, b.T)]
    return min(values) * len(values)


def test_law_of_stochastic_gradient_descent(random_weights, monkeypatch):
    start = random_weights(32, K=2, M=2, P=2, seed=1, size=0.7)
    micro, chain = ensembles(start, THREE)
    assert np.allclose(micro.G[:, 0], chain.G[:, 0], rtol=1e-12) and np.allclose(micro.T, chain.T, rtol=1e-12)
    assert smallest_p(micro, chain) > 1e-3
    right = EigenspaceStart.frame

    def exchanged(self):
        frame = right(self)
        return frame._replace(eigenspaces=frame.eigenspaces._replace(dof=frame.eigenspaces.dof[[1, 0, 2]]))

    monkeypatch.setattr(EigenspaceStart, "frame", exchanged)
    assert smallest_p(*ensembles(start, THREE)) < 1e-6


def test_mean_field_equations(random_weights):
    start = random_weights(4000, K=2, M=2, P=2, seed=1, size=0.5)
    problem = om.Problem(inputs=Blocks((3.0, 0.5), (0.2, 0.8)), **SIX)
    times = [0.0, 0.5, 1.0, 2.0]
    chain = om.simulate(problem, start, 2.0, "chain", replicas=60, seed=1, save_at=times)
    ode = om.simulate(problem, start, 2.0, "ode", save_at=times)
    assert z_scores(chain, ode).max() < 4.5
    isotropic = om.simulate(om.Problem(**SIX), start, 2.0, "ode", save_at=times)
    assert z_scores(chain, isotropic).max() > 50.0


def test_one_eigenvalue_is_the_chain_of_independent_inputs(random_weights):
    """Ω = I takes that path; the same frame as one eigenspace gives the same numbers."""
    start = random_weights(40, K=2, M=2, P=2, seed=1)
    runs = [om.simulate(om.Problem(inputs=inputs, **SIX), start, 3.0, "chain", seed=3, save_at=5)
            for inputs in (Gaussian(), PowerLaw(0.0), Blocks((2.0, 2.0), (0.5, 0.5)))]
    for run in runs[1:]:
        assert np.array_equal(run.G, runs[0].G) and np.array_equal(run.readout, runs[0].readout)
    assert decomposition_of(runs[1].problem, 40) is None


def test_a_covariance_as_a_matrix_is_taken_in_its_eigenbasis(random_weights):
    start = random_weights(32, K=2, M=2, P=2, seed=1)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((32, 32)))[0]
    turned = om.Weights(start.xi_in @ turn.T, start.strengths, start.xi_out, start.readout, start.teacher @ turn.T,
                        start.teacher_readout)
    one, other = (EigenspaceStart(begin, decomposition_of(problem, 32), problem, 32) for begin, problem in (
        (start, om.Problem(inputs=THREE)), (turned, om.Problem(inputs=Gaussian((turn * THREE.spectrum(32)) @ turn.T)))))
    assert list(other.dof) == [16, 4, 0]
    for expected, values in zip(one.shares(one.modes)[:5], other.shares(other.modes)[:5]):
        assert np.allclose(values, expected, rtol=1e-10, atol=1e-12)


def test_threads_saved_times_checkpoints_and_going_on(slow_looks, random_weights, tmp_path):
    start = random_weights(32, K=2, M=2, P=2, seed=1, size=0.7)
    problem = om.Problem(inputs=THREE, **SIX)
    call = dict(alpha=2000.0, engine="chain", replicas=2, seed=3)
    times = [0.0, 1.0, 900.03, 2000.0]
    whole = om.simulate(problem, start, save_at=times, threads=2, **call)
    few = om.simulate(problem, start, save_at=times[::3], threads=1, **call)
    assert np.array_equal(few.G, whole.G[:, ::3])
    file = tmp_path / "run.ckpt"
    om.simulate(problem, start, save_at=times, checkpoint=file, checkpoint_every=0.001, progress=StopAt(0.3), **call)
    assert np.array_equal(om.resume(file).G, whole.G)
    piece = om.simulate(problem, start, save_at=times[:3], **{**call, "alpha": times[2]})
    piece.save(tmp_path / "piece.npz")
    going_on = om.go_on(om.load(tmp_path / "piece.npz"), 2000.0, save_at=times[2:])
    assert np.array_equal(going_on.G[:, -1], whole.G[:, -1])
    still = om.Problem(inputs=THREE, weight_decay=0.4, rates=om.LearningRates(xi_in=0.0))
    decayed = om.go_on(piece, 901.0, problem=still, save_at=[901.0])  # from the last step, not the first of its block
    assert np.allclose(decayed.G[:, -1], piece.G[:, -1] * (1.0 - 0.4 / 32) ** (2 * (28832 - 28801)), rtol=1e-9)


def test_the_ends_of_different_students_have_one_teacher():
    """Which each replica knows with a rounding of its own."""
    def fresh(replica):
        return om.initial.committee(32, K=2, readout="sum", weights=False, inputs=THREE, student_seed=replica)

    problem = om.Problem(inputs=THREE, **SIX)
    run = om.simulate(problem, fresh, 1.0, "chain", replicas=3, save_at=2)
    ends = [run.final(replica) for replica in range(3)]
    assert np.allclose(ends[1].T, fresh(1).T, rtol=0, atol=1e-12)
    later = om.simulate(problem, run.final, 0.5, "chain", replicas=3, seed=1, save_at=2)
    assert np.allclose(later.G[:, 0], run.G[:, -1], rtol=0, atol=1e-12)
    assert not np.allclose(ends[0].S, ends[1].S)


def test_a_constraint_that_comes_or_goes_where_directions_have_no_variance(random_weights):
    inputs, start = Spectrum((*(4.0,) * 5, *(1.0,) * 12, *(0.0,) * 4)), random_weights(21, K=2, M=2, P=2, seed=1)
    free, kept = (om.Problem(inputs=inputs, rates=om.LearningRates(xi_in=0.5), constraint=constraint)
                  for constraint in (None, "sphere"))
    for first, second, message in (
            (free, kept, "goes on as it began, without one; got constraint = 'sphere' and .*: start anew from Weights"),
            (kept, free, "goes on as it began, with one; got constraint = None and .*: start anew from run.final")):
        run = om.simulate(first, start, 1.0, "chain", save_at=2)
        with pytest.raises(ParameterError, match=message):
            om.go_on(run, 2.0, problem=second, save_at=2)
    assert om.simulate(free, run.final, 1.0, "chain", seed=1, save_at=2).status == [om.Status.COMPLETED]


@pytest.mark.slow
def test_the_kernel_for_these_sizes_equals_the_one_for_all_sizes(random_weights, monkeypatch):
    start = random_weights(40, K=2, M=3, P=5, seed=2, size=0.5)
    problem = om.Problem(inputs=Spiked((9.0, 4.0)), batch=3, **SIX)
    general = om.simulate(problem, start, 3.0, "chain", save_at=10)
    monkeypatch.setattr("onlinemode.engines.chain.engine.STEPS_WORTH_COMPILING", 1.0)
    special = om.simulate(problem, start, 3.0, "chain", save_at=10)
    assert np.allclose(special.G, general.G, rtol=1e-9, atol=1e-12)
    assert np.allclose(special.xi_out, general.xi_out, rtol=1e-9, atol=1e-12)


def test_what_diverges_and_a_perfect_student(random_weights):
    start = random_weights(32, K=2, M=2, P=2, seed=1, size=0.7)
    wild = om.Problem(activation="linear", inputs=THREE, rates=om.LearningRates(xi_in=50.0))
    assert om.simulate(wild, start, 100.0, "chain").status == [om.Status.DIVERGED]
    same = om.Weights(start.teacher, np.ones(2), np.eye(2), np.ones(2), start.teacher, np.ones(2))
    still = om.Problem(inputs=THREE, rates=om.LearningRates(xi_in=0.5))
    assert om.simulate(still, same, 2.0, "chain").generalization_error.max() < 1e-28


@pytest.mark.parametrize("inputs, changes, message", [
    (PowerLaw(1.0), {}, "engine chain needs a covariance of at most 32 different eigenvalues; got 40 of Power"),
    (om.inputs.Rademacher(), {}, "engine chain needs inputs with independent Gaussian entries"),
    (THREE, {"drift": 0.1}, "a teacher that drifts needs inputs with independent entries"),
    (THREE, {"device": "cuda"}, "device cuda has the chain for inputs with independent entries alone"),
    (Spiked((9.0,)), {"overlaps": True}, "engine chain needs the weight vectors where inputs have a covariance"),
])
def test_what_is_refused(inputs, changes, message, random_weights):
    start = random_weights(40, K=2, M=2, P=2, seed=1)
    if "overlaps" in changes:
        start = start.order_parameters(inputs)
    options = {name: changes[name] for name in ("device",) if name in changes}
    problem = om.Problem(inputs=inputs, drift=changes.get("drift", 0.0), rates=RATES)
    with pytest.raises(EngineError, match=message) as caught:
        om.simulate(problem, start, 1.0, "chain", N=40, **options)
    assert "\n" not in str(caught.value)


def test_eigenvalues_that_differ_by_little_are_one_space():
    """Neighbours nearer than rounding, of a cluster that is wider: no direction is lost."""
    rng = np.random.default_rng(0)
    for values in (om.inputs.PowerLaw(1e-10).spectrum(1000), 1.0 + 1e-8 * rng.random(1000),
                   np.concatenate([[5.0, 5.0], 1.0 + 1e-8 * rng.random(998)])):
        found = decomposition_of(om.Problem(inputs=om.inputs.Spectrum(values)), 1000)
        assert found is None or found.sizes.sum() == 1000
        if found is not None:
            assert found.eigenvalues @ found.sizes == pytest.approx(1000.0, rel=1e-12)
