"""What every engine promises, whatever it does inside."""

import json
import warnings

import numpy as np
import pytest

import onlinemode as om
from onlinemode.engines import ENGINES
from onlinemode.errors import EngineError, ParameterError
from onlinemode.runtime.saved_times import save_times

PATHS = ("G", "S", "strengths", "xi_out", "readout")


@pytest.fixture(params=["micro", "chain", "ode"])
def engine(request):
    return request.param


@pytest.fixture
def problem(all_rates):
    return om.Problem(noise=0.1, weight_decay=0.05, rates=all_rates)


@pytest.fixture
def start(random_weights):
    return random_weights(41, K=3, M=2, P=4, seed=1)  # all sizes differ


def assert_same(a, b):
    for name in ("alpha", *PATHS, "T", "Q", "R", "generalization_error", "specialization", "unit_margins", "rho"):
        assert np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True), name
    assert (a.status, a.message, a.problem, a.N) == (b.status, b.message, b.problem, b.N)


def test_the_list_of_engines_is_tested():
    assert set(ENGINES) == {"micro", "chain", "leap", "ode"}  # leap, which needs a larger N, in test_leap.py


@pytest.mark.parametrize("from_weights", [True, False])
def test_shapes(engine, problem, start, from_weights):
    K, M, P, replicas = 3, 2, 4, 1 if engine == "ode" else 3
    run = om.simulate(problem, start if from_weights else start.order_parameters(), 2.0, engine, N=41, save_at=9,
                      replicas=replicas)
    n = len(run.alpha)
    assert run.alpha.shape == (n,)
    assert n == 9
    shapes = {"G": (P, P), "S": (P, M), "strengths": (P,), "xi_out": (K, P), "readout": (K,), "Q": (K, K), "R": (K, M),
              "rho": (K, M), "generalization_error": (), "specialization": (), "unit_margins": (K,)}
    for name, shape in shapes.items():
        value = getattr(run, name)
        assert value.shape == (replicas, n, *shape), name
        assert value.dtype == np.float64
    for name in (*PATHS, "Q", "R", "generalization_error"):
        assert np.all(np.isfinite(getattr(run, name))), name
    assert run.T.shape == (M, M)
    assert run.teacher_readout.shape == (M,)
    assert run.mode_residuals is None
    assert run.replicas == len(run.status) == len(run.message) == replicas
    assert run.N == 41
    assert run.status == [om.Status.COMPLETED] * replicas
    assert all(isinstance(text, str) and "\n" not in text and text for text in run.message)


@pytest.mark.parametrize("from_weights", [True, False])
def test_starts_at_the_given_overlaps(engine, problem, start, from_weights):
    o = start.order_parameters()
    run = om.simulate(problem, start if from_weights else o, 1.0, engine, N=41, save_at=5)
    assert run.alpha[0] == 0.0
    for name in PATHS:
        assert np.allclose(getattr(run, name)[:, 0], getattr(o, name), rtol=0.0, atol=1e-12), name
        assert np.array_equal(getattr(run.initial, name), getattr(o, name))
        assert not np.allclose(getattr(run, name)[:, -1], getattr(o, name), atol=1e-4), name
    assert np.array_equal(run.T, o.T)


def test_derived_quantities_belong_to_the_saved_state(engine, problem, start):
    run = om.simulate(problem, start, 1.0, engine, save_at=4)
    scaled = run.xi_out[0, -1] * run.strengths[0, -1]
    assert np.allclose(run.Q[0, -1], scaled @ run.G[0, -1] @ scaled.T, rtol=0.0, atol=1e-13)
    assert np.allclose(run.R[0, -1], scaled @ run.S[0, -1], rtol=0.0, atol=1e-13)
    Z = np.block([[run.Q[0, -1], run.R[0, -1]], [run.R[0, -1].T, run.T]])
    w = np.concatenate([run.readout[0, -1], -run.teacher_readout])
    length = np.sqrt(1.0 + np.diag(Z))
    error = w @ np.arcsin(Z / np.outer(length, length)) @ w / np.pi
    assert run.generalization_error[0, -1] == pytest.approx(error, rel=1e-12)


@pytest.mark.parametrize("count", [2, 3, 10])
@pytest.mark.parametrize("from_weights", [True, False])
def test_save_at_a_count(engine, problem, start, count, from_weights):
    """α = 0, then log-spaced from one step to the last α."""
    run = om.simulate(problem, start if from_weights else start.order_parameters(), 40.0, engine, N=41, save_at=count)
    assert len(run.alpha) == count
    assert run.alpha[0] == 0.0
    assert run.alpha[-1] == pytest.approx(40.0, rel=1e-15)
    assert np.all(np.diff(run.alpha) > 0.0)
    if count > 3:
        assert run.alpha[1] == pytest.approx(1.0 / 41.0)
        assert np.ptp(np.diff(np.log(run.alpha[3:]))) < 0.4  # to the rounding of micro


@pytest.mark.parametrize("times", [[0.0, 0.5, 0.5, 1.0], [0.26, 0.27, 0.9], [0.0], [1.0], [0.0, 0.0]])
def test_save_at_an_array(engine, problem, start, times):
    run = om.simulate(problem, start, 1.0, engine, save_at=np.array(times))
    kept = np.unique(np.rint(np.array(times) * 41) / 41 if engine != "ode" else times)
    assert np.array_equal(run.alpha, kept)
    assert run.G.shape[1] == len(kept)
    for i in range(1, len(kept)):
        assert not np.array_equal(run.G[:, i], run.G[:, i - 1])


def test_nothing_trained_is_said_and_makes_no_steps(engine, start):
    """At N = 10^12 of the chain the steps would take years."""
    N = 10**12 if engine == "chain" else 41
    run = om.simulate(om.Problem(noise=0.5), start.order_parameters() if engine == "chain" else start, 1e3, engine, N=N,
                      save_at=[0.0, 1.0, 1e3])
    assert (run.status, run.message) == ([om.Status.COMPLETED], ["nothing is trained: the state is constant"])
    assert np.array_equal(run.G[:, 1:], run.G[:, [0, 0]]) and np.array_equal(run.S[:, 1:], run.S[:, [0, 0]])
    assert np.isfinite(run.generalization_error).all() and np.ptp(run.generalization_error) == 0.0
    assert np.allclose(run.G[0, 0], start.order_parameters().G, rtol=1e-12)
    decays = om.simulate(om.Problem(weight_decay=0.5), start, 1.0, engine, N=41, save_at=[0.0, 1.0])
    assert decays.message == ["reached the last α"] and np.all(np.diag(decays.G[0, 1]) < np.diag(decays.G[0, 0]))


def test_saved_times_do_not_change_the_run(engine, problem, start):
    """Saving more often leaves the state at common times as it was, to rounding and solver error."""
    few = om.simulate(problem, start, 2.0, engine, save_at=[1.0, 2.0], seed=4)
    many = om.simulate(problem, start, 2.0, engine, save_at=np.linspace(0.0, 2.0, 41), seed=4)
    assert np.allclose(few.G[:, 0], many.G[:, 20], rtol=0.0, atol=1e-7 if engine == "ode" else 1e-12)
    assert np.allclose(few.G[:, 1], many.G[:, 40], rtol=0.0, atol=1e-7 if engine == "ode" else 1e-12)


@pytest.mark.parametrize("save_at, message", [
    ([0.0, 2.0], "save_at must hold ascending times between 0 and alpha = 1; got 0 ... 2"),
    ([-0.5, 1.0], "save_at must hold ascending times between 0 and alpha = 1; got -0.5 ... 1"),
    ([0.5, 0.2], "save_at must hold ascending times between 0 and alpha = 1; got 0.5 ... 0.2"),
    (1, "save_at must be a whole number ≥ 2 and ≤ 10000000; got 1"),
    (2.5, "save_at must be a whole number ≥ 2 and ≤ 10000000; got 2.5"),
    ([0.0, np.nan], r"save_at must be finite; entry (1,) is nan"),
    ([], "save_at must not be empty; got shape (0,)"),
    ("often", "save_at must be a whole number ≥ 2 and ≤ 10000000; got 'often'"),
])
def test_bad_save_at(engine, problem, start, save_at, message):
    with pytest.raises(ValueError) as caught:
        om.simulate(problem, start, 1.0, engine, save_at=save_at)
    assert str(caught.value) == message


def test_save_times_keep_a_step_once():
    alphas, steps = save_times(50, 1.0, N=10)
    assert np.array_equal(steps, np.arange(11))
    assert np.array_equal(alphas, np.arange(11) / 10)
    assert np.array_equal(save_times([0.1, 0.11, 0.12], 1.0, N=10)[1], [1])
    assert np.array_equal(save_times([0.1, 0.1, 0.12], 1.0)[0], [0.1, 0.12])


@pytest.mark.parametrize("store", [True, False])
def test_save_and_load(engine, problem, start, store, tmp_path):
    run = om.simulate(problem, start, 1.0, engine, save_at=6, seed=2**40 + 3, store_weights=store)
    run.save(tmp_path / "run.npz")
    again = om.load(tmp_path / "run.npz")
    assert_same(run, again)
    assert again.meta == json.loads(json.dumps(run.meta))
    for name in (*PATHS[:-3], "T", "strengths", "xi_out", "readout", "teacher_readout"):
        assert np.array_equal(getattr(again.initial, name), getattr(run.initial, name))
    assert (again.weights is not None) == store
    if store:
        assert again.weights.fingerprint() == start.fingerprint()
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]


def test_repeat_gives_the_same_bits(engine, problem, tmp_path):
    for start in (om.initial.committee(41, seed=3), om.initial.committee(41, seed=3).order_parameters()):
        run = om.simulate(problem, start, 1.0, engine, N=41, save_at=[0.0, 0.3, 1.0], seed=8)
        run.save(tmp_path / "run.npz")
        assert_same(om.repeat(om.load(tmp_path / "run.npz")), run)


def test_a_run_called_with_numpy_numbers_can_be_saved(engine, problem, start, tmp_path):
    """Seeds and counts often come from arrays; a long run must not be lost for it."""
    options = {"threads": np.int64(1)} if engine != "ode" else {"nodes": np.int64(1024), "rtol": np.float32(1e-6)}
    run = om.simulate(problem, start, np.float32(1.0), engine, N=np.int64(41), seed=np.int64(3), replicas=np.int64(1),
                      save_at=np.int64(5), **options)
    run.save(tmp_path / "run.npz")
    assert_same(om.load(tmp_path / "run.npz"), run)


def test_meta(engine, problem, start):
    meta = om.simulate(problem, start, 1.0, engine, save_at=5, seed=9).meta
    assert meta["engine"] == engine
    assert (meta["N"], meta["seed"]) == (41, 9)
    assert (meta["device"], meta["precision"]) == ("cpu", "float64")
    assert meta["versions"]["onlinemode"] == om.__version__
    assert meta["steps"] == [0 if engine == "ode" else 41]
    assert meta["seconds_run"] >= 0.0
    assert meta["seconds_compile"] >= 0.0
    assert meta["start"]["fingerprint"] == start.fingerprint()


def test_status_and_message_of_a_run_without_training(engine, start):
    run = om.simulate(om.Problem(), start, 1.0, engine, save_at=5)
    assert run.status == [om.Status.COMPLETED]
    assert np.ptp(run.G, axis=1).max() == 0.0
    assert np.ptp(run.generalization_error) == 0.0


def test_divergence_keeps_what_was_reached(engine, start, tmp_path):
    problem = om.Problem("linear", rates=om.LearningRates(xi_in=60.0))
    run = om.simulate(problem, start, 20.0, engine, save_at=np.linspace(0.0, 20.0, 401))
    assert run.status == [om.Status.DIVERGED]
    assert run.message[0].startswith("diverged at α = ")
    assert "lower the learning rates" in run.message[0]
    kept = np.isfinite(run.generalization_error[0])
    assert 1 <= kept.sum() < 401
    assert np.all(np.diff(kept.astype(int)) <= 0)  # NaN from there on
    for name in PATHS:
        assert np.array_equal(np.isfinite(getattr(run, name)[0]).reshape(401, -1).all(1), kept), name
        assert np.array_equal(np.isnan(getattr(run, name)[0]).reshape(401, -1).any(1), ~kept), name
    when = float(run.message[0].split("α = ")[1].split(":")[0])
    assert run.alpha[kept][-1] <= when <= run.alpha[~kept][0] + 1e-6
    run.save(tmp_path / "run.npz")
    assert_same(om.load(tmp_path / "run.npz"), run)


@pytest.mark.parametrize("engine", ["micro", "chain"])
@pytest.mark.parametrize("fields", [{"rates": om.LearningRates(strengths=1e308)}, {"weight_decay": 1e30},
                                    {"rates": om.LearningRates(xi_in=1e308)}], ids=str)
def test_overlaps_that_are_no_numbers_are_divergence(engine, fields):
    """Not a completed run with infinite overlaps, and no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = om.simulate(om.Problem(**fields), om.initial.committee(12, K=2, M=3, seed=1), 5.0, engine,
                          save_at=[0.0, 0.25, 0.5, 1.0, 5.0])
        assert run.status == [om.Status.DIVERGED]
        known = np.isfinite(run.G).all((0, 2, 3))
        assert 0 < known.sum() < 5 and np.all(np.diff(known.astype(int)) <= 0)
        assert np.array_equal(np.isfinite(run.Q).all((0, 2, 3)), known)
        repr(run), run.ensemble, run.to_xarray()


@pytest.mark.parametrize("arguments, error, message", [
    ({"colour": "red"}, EngineError, "engine {engine} has no option 'colour'; it has "),
    ({"N": 40}, ParameterError, "N must be that of the weights, 41; got 40: leave it out"),
    ({"N": -41}, ParameterError, "N must be a whole number ≥ 1 and ≤ 1000000000000000; got -41"),
    ({"alpha": 0.0}, ParameterError, "alpha must be a finite number > 0; got 0.0"),
    ({"alpha": np.nan}, ParameterError, "alpha must be a finite number > 0; got nan"),
    ({"alpha": -1}, ParameterError, "alpha must be a finite number > 0; got -1"),
    ({"seed": -1}, ParameterError, "seed must be a whole number ≥ 0 and ≤ 18446744073709551615; got -1"),
    ({"seed": 2**64}, ParameterError, "got 18446744073709551616"),
    ({"replicas": 0}, ParameterError, "replicas must be a whole number ≥ 1 and ≤ 16777216; got 0"),
    ({"problem": {"eta": 1.0}}, ParameterError, "problem must be an onlinemode.Problem; got dict"),
    ({"start": np.ones(3)}, ParameterError, "start must be Weights, OrderParameters or ResolvedOverlaps; got ndarray"),
])
def test_bad_calls(engine, problem, start, arguments, error, message):
    with pytest.raises(error) as caught:
        om.simulate(**{"problem": problem, "start": start, "alpha": 1.0, "engine": engine, **arguments})
    assert message.replace("{engine}", engine) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_of_another_engine_are_refused(engine, problem, start):
    other = {"micro": {"rtol": 1e-9}, "chain": {"rtol": 1e-9}, "ode": {"precision": "float32"}}[engine]
    with pytest.raises(EngineError, match=f"engine {engine} has no option"):
        om.simulate(problem, start, 1.0, engine, **other)


def test_unknown_engine(problem, start):
    with pytest.raises(EngineError, match="engine must be one of micro, chain, leap, ode.*; got 'macro'"):
        om.simulate(problem, start, 1.0, "macro")


def test_stored_weights_need_weights(engine, problem, start):
    with pytest.raises(ParameterError, match="store_weights needs a start that is Weights; got OrderParameters"):
        om.simulate(problem, start.order_parameters(), 1.0, engine, N=41, store_weights=True)


def test_progress_is_called_and_ends_at_one(engine, problem, start):
    seen = []
    om.simulate(problem, start, 5.0, engine, progress=seen.append)
    assert seen[-1].fraction == pytest.approx(1.0)
    assert seen[-1].alpha == pytest.approx(5.0)
    assert seen[-1].steps == (0 if engine == "ode" else 205)
    assert np.isfinite(seen[-1].error)


def test_replicas_of_starts_of_their_own(engine, problem, tmp_path):
    """A callable is asked once a replica, in order; each replica is the run from its start."""
    asked = []

    def start(replica):
        asked.append(replica)
        return om.initial.committee(41, K=2, seed=1, student_seed=replica)

    run = om.simulate(problem, start, 1.0, engine, replicas=3, save_at=4, seed=2)
    assert asked == [0, 1, 2]
    assert run.G.shape[:2] == (3, 4) and run.draws == run.replicas == 3
    for replica in range(3):
        o = start(replica).order_parameters()
        assert np.allclose(run.G[replica, 0], o.G, rtol=0.0, atol=1e-12)
        assert np.array_equal(run.start_of(replica).G, o.G) and np.array_equal(run.start_of(replica).T, run.T)
        assert np.array_equal(run.starts["S"][replica], o.S)
    assert np.array_equal(run.initial.G, run.start_of(0).G)
    run.save(tmp_path / "run.npz")
    assert_same(om.repeat(om.load(tmp_path / "run.npz")), run)


def test_keep_summary(engine, problem, tmp_path):
    """Five draws and the statistics of all, also after loading; a run that keeps all has the same statistics."""
    start = lambda replica: om.initial.committee(41, K=2, seed=1, student_seed=replica)  # noqa: E731
    call = dict(replicas=8, save_at=4, seed=2)
    all_, few = (om.simulate(problem, start, 1.0, engine, keep=keep, **call) for keep in ("all", "summary"))
    assert (few.replicas, few.draws, few.G.shape[0]) == (8, 5, 5)
    assert len(few.status) == len(few.message) == len(few.meta["steps"]) == 8
    assert np.array_equal(few.G, all_.G[:5]) and np.array_equal(few.generalization_error, all_.generalization_error[:5])
    few.save(tmp_path / "run.npz")
    for run in (few, om.load(tmp_path / "run.npz")):
        for kind in ("mean", "standard_deviation", "quantiles"):
            for name, values in getattr(all_.ensemble, kind).items():
                assert np.array_equal(getattr(run.ensemble, kind)[name], values, equal_nan=True), name
    two = om.simulate(problem, start, 1.0, engine, keep="summary", replicas=2, save_at=4)
    assert two.draws == 2
    few.to_csv(tmp_path / "run.csv")
    assert len((tmp_path / "run.csv").read_text().splitlines()) == 1 + 5 * 4
