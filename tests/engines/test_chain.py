"""The chain: exact in law at any N, pathwise equal to micro for the same fields."""

import numpy as np
import pytest
from scipy import stats

import onlinemode as om
from onlinemode.engines.chain.engine import ChainStart
from onlinemode.errors import EngineError, ParameterError

REPLICAS = 2000
RATES = {
    "X": dict(xi_in=1.5), "X+s": dict(xi_in=1.5, strengths=0.5), "X+s+A": dict(xi_in=1.5, strengths=0.5, xi_out=0.5),
    "all": dict(xi_in=1.5, strengths=0.5, xi_out=0.5, readout=0.5),
}
# name of the rates, K, M, P, and everything else of the problem
SHAPES = [
    ("X", 3, 3, 2, {}), ("X+s", 2, 3, 4, {"noise": 0.2}), ("X+s+A", 3, 2, 2, {"weight_decay": 0.3}),
    ("all", 2, 2, 3, {"batch": 3}), ("X", 1, 1, 1, {"batch": 2, "noise": 0.1, "weight_decay": 0.2}),
]


def smallest_p(one, other):
    """The smallest KS p-value over all entries and times, times their number (Bonferroni)."""
    values = []
    for name in ("G", "S", "Q", "R", "strengths", "xi_out", "readout"):
        a, b = (getattr(run, name)[:, 1:].reshape(run.replicas, -1) for run in (one, other))
        values += [stats.ks_2samp(x, y).pvalue for x, y in zip(a.T, b.T) if np.ptp(x) > 0.0]
    return min(values) * len(values)


@pytest.mark.parametrize("N", [6, 20, 50])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]}-{shape[1]}{shape[2]}{shape[3]}")
def test_law_of_micro(N, shape, random_weights):
    """KS over 2,000 replicas, Bonferroni over entries and times.

    False-alarm rate at most 1e-3 a case, 1.5e-2 for the fifteen; seeds are fixed and differ.
    """
    rates, K, M, P, fields = shape
    problem = om.Problem(rates=om.LearningRates(**RATES[rates]), **fields)
    start = random_weights(N, K=K, M=M, P=P, seed=N)
    micro, chain = (om.simulate(problem, start, 3.0, engine, replicas=REPLICAS, seed=seed, save_at=[0.0, 1.0, 3.0])
                    for engine, seed in (("micro", 1), ("chain", 2)))
    assert smallest_p(micro, chain) > 1e-3


def test_the_law_test_sees_a_wrong_dof(random_weights, monkeypatch):
    """A test of the test: with dof = N instead of N − r_B − r_X the law is rejected."""
    problem = om.Problem(rates=om.LearningRates(xi_in=1.5))
    start = random_weights(20, K=3, M=3, P=3, seed=1)
    micro = om.simulate(problem, start, 3.0, "micro", replicas=REPLICAS, seed=1, save_at=[0.0, 1.0, 3.0])

    class WrongStart(ChainStart):
        def __init__(self, start, N):
            super().__init__(start, N)
            self.dof = N

    monkeypatch.setattr("onlinemode.engines.chain.engine.ChainStart", WrongStart)
    chain = om.simulate(problem, start, 3.0, "chain", replicas=REPLICAS, seed=2, save_at=[0.0, 1.0, 3.0])
    assert smallest_p(micro, chain) < 1e-6


def test_a_full_frame_needs_no_new_directions():
    """N equal to the rank of the overlaps: dof = 0, and the weights stay N-dimensional."""
    start = om.initial.committee(5, K=3, M=2, seed=1)
    assert ChainStart(start, 5).dof == 0
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
    micro, chain = (om.simulate(problem, start, 5.0, engine, replicas=REPLICAS, seed=seed, save_at=[0.0, 1.0, 5.0])
                    for engine, seed in (("micro", 1), ("chain", 2)))
    assert smallest_p(micro, chain) > 1e-3
    covariance = np.block([[chain.G[0, -1], chain.S[0, -1]], [chain.S[0, -1].T, chain.T]])
    assert np.linalg.matrix_rank(covariance, tol=1e-12) == 5


def test_start_from_weights_and_from_overlaps_is_the_same_run(random_weights):
    problem = om.Problem(rates=om.LearningRates(xi_in=1.5))
    start = random_weights(30, K=2, M=3, P=3, seed=3)
    runs = [om.simulate(problem, begin, 2.0, "chain", N=30, seed=4, save_at=[0.0, 1.0, 2.0])
            for begin in (start, start.order_parameters())]
    assert np.allclose(runs[0].G, runs[1].G, rtol=1e-10)
    assert np.allclose(runs[0].S, runs[1].S, atol=1e-10)


@pytest.mark.parametrize("rows", ["equal teacher units", "student inside the teacher's span", "zero student",
                                  "zero teacher"])
def test_dependent_vectors(rows):
    """Rank-deficient starts run, and reproduce their overlaps at α = 0 exactly."""
    generator = np.random.default_rng(0)
    B, X = generator.standard_normal((2, 3, 40))
    if rows == "equal teacher units":
        B[1] = B[0]
    elif rows == "student inside the teacher's span":
        X = generator.standard_normal((3, 3)) @ B
    elif rows == "zero student":
        X = np.zeros_like(X)
    else:
        B = np.zeros_like(B)
    start = om.Weights(X, np.ones(3), np.eye(3), np.full(3, 1 / 3), B, np.full(3, 1 / 3))
    problem = om.Problem(noise=0.1, rates=om.LearningRates(xi_in=1.0))
    for begin in (start, start.order_parameters()):
        run = om.simulate(problem, begin, 2.0, "chain", N=40, save_at=10)
        assert np.allclose(run.G[0, 0], start.order_parameters().G, atol=1e-12)
        assert np.allclose(run.S[0, 0], start.order_parameters().S, atol=1e-12)
        assert np.isfinite(run.generalization_error).all()
        assert run.status == [om.Status.COMPLETED]


def test_noiseless_matched_student_converges_below_the_floor_of_the_arcsine():
    """ε_g from the factors reaches 1e-28 without NaN."""
    start = om.initial.committee(100, K=2, seed=0)
    problem = om.Problem(rates=om.LearningRates(xi_in=3.0))
    run = om.simulate(problem, start, 2500.0, "chain", save_at=50)
    assert np.isfinite(run.generalization_error).all()
    assert run.generalization_error[0, -1] < 1e-28
    assert run.specialization[0, -1] == pytest.approx(1.0, abs=1e-12)
    assert np.all(run.generalization_error > 0.0)


def test_error_from_the_factors_continues_the_closed_form(monkeypatch):
    """Where both are good they agree to the error of the nodes."""
    start = om.initial.showcase(100, seed=0)
    problem = om.Problem(rates=om.LearningRates(xi_in=2.0))
    closed = om.simulate(problem, start, 20.0, "chain", save_at=10).generalization_error
    monkeypatch.setattr("onlinemode.engines.chain.states.EXACT_BELOW", 1e9)
    nodes = om.simulate(problem, start, 20.0, "chain", save_at=10).generalization_error
    assert not np.array_equal(nodes, closed)
    assert np.allclose(nodes, closed, rtol=5e-3)


def test_saved_times_and_threads_do_not_change_the_run():
    start = om.initial.showcase(200, seed=1)
    problem = om.Problem(noise=0.1, rates=om.LearningRates(xi_in=2.0, strengths=0.5))
    few = om.simulate(problem, start, 3.0, "chain", replicas=3, save_at=[1.0, 3.0], threads=1)
    many = om.simulate(problem, start, 3.0, "chain", replicas=3, save_at=np.linspace(0.0, 3.0, 31), threads=2)
    assert np.array_equal(few.G, many.G[:, [10, 30]])
    assert np.array_equal(few.strengths, many.strengths[:, [10, 30]])
    alone = om.simulate(problem, start, 3.0, "chain", save_at=[1.0, 3.0])
    assert np.array_equal(alone.G[0], few.G[0])
    assert not np.allclose(few.G[0, 1], few.G[1, 1], atol=1e-6)


@pytest.mark.parametrize("K, M, P, batch", [(4, 4, 4, 1), (1, 2, 6, 5)])
def test_the_kernel_for_these_sizes_equals_the_one_for_all_sizes(K, M, P, batch, random_weights, monkeypatch):
    start = random_weights(300, K=K, M=M, P=P, seed=2)
    problem = om.Problem(noise=0.1, weight_decay=0.3, batch=batch, rates=om.LearningRates(xi_in=2.0, xi_out=0.5))
    general = om.simulate(problem, start, 5.0, "chain", save_at=10)
    monkeypatch.setattr("onlinemode.engines.chain.engine.STEPS_WORTH_COMPILING", 1.0)
    special = om.simulate(problem, start, 5.0, "chain", save_at=10)
    assert np.allclose(special.G, general.G, rtol=1e-11, atol=1e-13)
    assert np.allclose(special.xi_out, general.xi_out, rtol=1e-11, atol=1e-13)


def test_huge_N_follows_the_mean_field_equations():
    """A step costs the same at N = 10^12; 2,000 of them lead to α = 2e-9, where nothing has moved."""
    N = 10**12
    start = om.initial.committee(N, K=3, seed=1, weights=False)
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
    run = om.simulate(problem, start, 2e-9, "chain", N=N, save_at=[0.0, 2e-9])
    assert np.allclose(run.G[0, 1], run.G[0, 0], rtol=1e-6)
    assert not np.array_equal(run.S[0, 1], run.S[0, 0])


@pytest.mark.parametrize("arguments, error, message", [
    ({"N": None}, EngineError, "engine chain needs N when it starts from overlaps; got None"),
    ({"N": 2}, ParameterError, "N must be at least 6, the rank of the overlaps; got 2"),
    ({"N": 4}, ParameterError, "N must be at least 6, the rank of the overlaps; got 4"),
    ({"replicas": 0}, ParameterError, "replicas must be a whole number ≥ 1 and ≤ 16777216; got 0"),
    ({"precision": "float32"}, EngineError, "engine chain has no option 'precision'"),
])
def test_bad_calls(arguments, error, message):
    overlaps = om.initial.committee(50, K=3, seed=1).order_parameters()
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
    with pytest.raises(error) as caught:
        om.simulate(problem, overlaps, 1.0, "chain", **{"N": 50, **arguments})
    assert message in str(caught.value) and "\n" not in str(caught.value)
