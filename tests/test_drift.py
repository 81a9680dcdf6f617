"""A teacher that drifts, in micro, chain and ode.

Seeds are fixed. With others a comparison of two laws would raise a false alarm once in 10^5 (Kolmogorov-Smirnov tests
of all entries, Bonferroni), and one of z-scores with the mean-field equations in some 10^3 (40 replicas).
"""

import math

import numpy as np
import plain_sgd
import pytest
from scipy import special, stats
from stopping import StopAt

import onlinemode as om
from onlinemode.engines.chain import engine as chain
from onlinemode.engines.micro import engine as micro
from onlinemode.errors import EngineError, FileError, ParameterError
from onlinemode.kernels.micro.sgd import tile_shape
from onlinemode.kernels.random.normals import fill_normals
from onlinemode.kernels.random.philox import STREAM_TEACHER_DRIFT
from onlinemode.theory.quadrature import teacher_factor

RATES = om.LearningRates(xi_in=0.8, strengths=0.3, xi_out=0.4, readout=0.2)
BLOCKS = ("G", "S", "T", "strengths", "xi_out", "readout")
TIMES = np.array([1.0, 3.0, 6.0])


def problem(drift=0.3, **changes):
    return om.Problem(**{"noise": 0.2, "weight_decay": 0.1, "rates": RATES, "drift": drift, **changes})


def paths(run):
    """All that moves at the saved times, (draws, n, entries); of G and T the upper triangles."""
    blocks = []
    for name in BLOCKS:
        values = np.broadcast_to(getattr(run, name), (run.draws, len(run.alpha), *getattr(run, name).shape[-2:])
                                 if name == "T" else getattr(run, name).shape)
        rows, columns = np.triu_indices(values.shape[-1]) if name in ("G", "T") else (None, None)
        blocks.append(values[..., rows, columns] if rows is not None else values.reshape(*values.shape[:2], -1))
    return np.concatenate(blocks, -1)


# -- micro -------------------------------------------------------------------------------------------------------


def moved(teacher, T, lost, move, seed, replica=0):
    """The teacher vectors after one move, with the normals of micro."""
    N, (factor, _) = teacher.shape[1], teacher_factor(T)
    tiles, length = tile_shape(N)
    out, words = np.empty(tiles * length, np.float32), np.empty((4, tiles * length // 4), np.uint32)
    fresh = []
    for direction in range(factor.shape[1]):
        fill_normals(out, 0, STREAM_TEACHER_DRIFT, replica, move * factor.shape[1] + direction, np.uint64(seed), words)
        fresh.append(out[:N].astype(np.float64))
    return math.sqrt(1.0 - lost) * teacher + math.sqrt(lost) * factor @ np.array(fresh)


def plain_run(problem, start, steps, seed):
    """Student and teacher after so many steps with the samples of micro, one after the other."""
    student, teacher, T, batch = plain_sgd.student_of(start), start.teacher, start.order_parameters().T, problem.batch
    for number in range(steps):
        sample = number * batch
        now = om.Weights(**{**vars_of(start), "teacher": teacher})
        student = plain_sgd.step(problem, now, student, plain_sgd.inputs_of(problem.inputs, now.N, sample, batch, seed),
                                 plain_sgd.label_noises(sample, batch, seed))
        if problem.constraint == "sphere":
            student = plain_sgd.scaled_back(student, start)
        if (number + 1) % problem.drift_every == 0:
            teacher = moved(teacher, T, 2.0 * problem.drift * problem.drift_every / start.N,
                            (number + 1) // problem.drift_every, seed)
    return student, teacher


def vars_of(weights):
    return {name: getattr(weights, name) for name in ("xi_in", "strengths", "xi_out", "readout", "teacher",
                                                      "teacher_readout")}


@pytest.mark.parametrize("changes", [
    {}, {"drift_every": 3}, {"drift_every": 10, "batch": 3}, {"constraint": "sphere", "drift_every": 6},
    {"inputs": om.inputs.Rademacher()}, {"rates": om.LearningRates(readout=0.3), "weight_decay": 0.0}])
def test_micro_is_the_plain_rule(random_weights, changes):
    """120 steps, saved between and at moves."""
    start, learned = random_weights(37, 2, 3, 4, seed=3), problem(**changes)
    run = om.simulate(learned, start, 120 / 37, "micro", seed=5, save_at=np.array([0, 3, 50, 120]) / 37,
                      store_final=True)
    student, teacher = plain_run(learned, start, 120, 5)
    for name, expected in {**student.overlaps(teacher), "T": teacher @ teacher.T / 37}.items():
        assert np.abs(getattr(run, name)[0, -1] - expected).max() < 1e-11 * max(1.0, np.abs(expected).max()), name
    assert np.abs(run.end.arrays["teacher"][0] - teacher).max() < 1e-11
    assert np.abs(teacher - start.teacher).max() > 0.1


def test_threads_change_no_bit(monkeypatch, random_weights):
    monkeypatch.setattr(micro, "COORDINATES_A_THREAD", 500)
    start = random_weights(4100, 2, 2, 3, seed=6)
    for precision in ("float64", "float32"):
        one, four = (om.simulate(problem(drift_every=7), start, 0.02, "micro", seed=1, save_at=[0.0, 0.01, 0.02],
                                 precision=precision, threads=threads) for threads in (1, 4))
        assert np.array_equal(paths(one), paths(four))


# -- chain -------------------------------------------------------------------------------------------------------


def plain_ensemble(problem, start, N, replicas, seed):
    """What many students and teachers of N-vectors become at TIMES: paths as above, from NumPy's own normals.

    erf, squared loss, one sample a step, all factors trained.
    """
    rng, rates, P = np.random.default_rng(seed), problem.rates, start.P
    factor, inverse = teacher_factor(start.T)
    along = inverse @ start.S.T
    values, vectors = np.linalg.eigh(start.G - along.T @ along)
    across = vectors * np.sqrt(np.maximum(values, 0.0))
    r_B = factor.shape[1]
    frame = np.linalg.qr(rng.standard_normal((replicas, N, r_B + min(P, N - r_B))))[0].swapaxes(1, 2) * math.sqrt(N)
    beta = frame[:, :r_B]
    X = along.T @ beta + across[:, P - (frame.shape[1] - r_B):] @ frame[:, r_B:]
    s, A, v = (np.repeat(each[None], replicas, 0) for each in (start.strengths, start.xi_out, start.readout))
    every, lost, found = problem.drift_every, 2.0 * problem.drift * problem.drift_every / N, []
    saved = np.rint(TIMES * N).astype(int)
    g, slope = (lambda z: special.erf(z / math.sqrt(2.0))), (lambda z: math.sqrt(2.0 / math.pi) * np.exp(-z * z / 2.0))
    for step in range(1, saved[-1] + 1):
        x, B = rng.standard_normal((replicas, N)), factor @ beta
        u, nu = (np.einsum("...in,...n->...i", rows, x) / math.sqrt(N) for rows in (X, B))
        field = np.einsum("...kp,...p->...k", A, s * u)
        error = (v * g(field)).sum(-1) - g(nu) @ start.teacher_readout - problem.noise * rng.standard_normal(replicas)
        delta = error[:, None] * v * slope(field)
        a = np.einsum("...kp,...k->...p", A, delta)
        X = (1.0 - problem.weight_decay / N) * X - rates.xi_in * (s * a)[..., None] * x[:, None] / math.sqrt(N)
        v = v - rates.readout / N * error[:, None] * g(field)
        A, s = A - rates.xi_out / N * delta[..., None] * (s * u)[:, None], s - rates.strengths / N * u * a
        if step % every == 0:
            beta = math.sqrt(1.0 - lost) * beta + math.sqrt(lost) * rng.standard_normal(beta.shape)
        if step in saved:
            B = factor @ beta
            G, S, T = (one @ other.swapaxes(1, 2) / N for one, other in ((X, X), (X, B), (B, B)))
            G, T = (each[:, *np.triu_indices(each.shape[-1])] for each in (G, T))
            found.append(np.concatenate([G, S.reshape(replicas, -1), T, s, A.reshape(replicas, -1), v], 1))
    return np.stack(found, 1)


def worst(one, other):
    """The smallest p of two-sample KS tests of all entries that move, times their number."""
    found = [stats.ks_2samp(one[:, i, j], other[:, i, j], method="asymp").pvalue for i in range(one.shape[1])
             for j in range(one.shape[2]) if one[:, i, j].std() > 1e-12 or other[:, i, j].std() > 1e-12]
    return min(found) * len(found)


def overlaps_of(rank_deficient=False):
    rng = np.random.default_rng(3)
    factor = 0.8 * rng.standard_normal((3, 2)) if rank_deficient else np.linalg.cholesky([[1.2, 0.3], [0.3, 0.8]])
    M = len(factor)
    along = 0.4 * rng.standard_normal((2, 2))
    return om.OrderParameters(G=along @ along.T + [[0.5, 0.1], [0.1, 0.4]], S=along @ factor.T, T=factor @ factor.T,
                              strengths=[1.2, 0.8], xi_out=[[0.9, -0.3], [0.4, 1.1]], readout=[1.0, 0.7],
                              teacher_readout=[1.0, -0.8, 0.4][:M])


@pytest.mark.parametrize("N, rank_deficient, changes", [
    (4, False, {}),  # the frame spans all inputs
    (5, False, {}),  # ... with the new column of a sample
    (6, False, {"drift_every": 4}),  # ... with one of the two of the teacher
    (8, True, {"drift_every": 2})])
def test_chain_has_the_law_of_vectors(N, rank_deficient, changes):
    start, learned, replicas = overlaps_of(rank_deficient), problem(**changes), 1000
    runs = om.simulate(learned, start, TIMES[-1], "chain", N=N, replicas=replicas, save_at=TIMES, seed=2)
    assert worst(paths(runs), plain_ensemble(learned, start, N, replicas, seed=1)) > 1e-5


def test_another_law_is_seen():
    """δ smaller by 20 %, moves of another size, and a teacher whose overlaps do not fluctuate."""
    start = overlaps_of()
    run = lambda learned, replicas: paths(om.simulate(  # noqa: E731
        learned, start, TIMES[-1], "chain", N=12, replicas=replicas, save_at=TIMES, seed=2))
    expected = plain_ensemble(problem(), start, 12, 3000, seed=1)
    assert worst(run(problem(0.24), 3000), expected) < 1e-5
    assert worst(run(problem(drift_every=12), 1000), expected) < 1e-5
    right = run(problem(), 1000)
    assert worst(right, expected) > 1e-5
    right[..., 7:10] = start.T[np.triu_indices(2)]
    assert worst(right, expected) < 1e-100


def test_overlaps_of_the_teacher_fluctuate_as_they_must():
    """Var T = 2 T²/N at the end; N = 50, 2,000 replicas, within five standard errors, √(2/2000), and 4 % of O(1/N)."""
    start = om.OrderParameters(G=[[0.5]], S=[[0.1]], T=[[1.5]], strengths=[1.0], xi_out=[[1.0]], readout=[1.0],
                               teacher_readout=[1.0])
    learned = om.Problem(activation="linear", rates=om.LearningRates(xi_in=0.2), drift=2.0)
    run = om.simulate(learned, start, 4.0, "chain", N=50, replicas=2000, save_at=[4.0])
    T = run.T[:, 0, 0, 0]
    assert T.mean() == pytest.approx(1.5, abs=5.0 * T.std() / math.sqrt(2000))
    assert T.var() / 1.5**2 * 50 / 2 == pytest.approx(1.0, abs=0.2)


# -- mean field --------------------------------------------------------------------------------------------------


def z_scores(runs, limit):
    values, expected = paths(runs), paths(limit)[0]
    spread = values.std(0, ddof=1) / math.sqrt(len(values))
    moving = spread > 1e-12
    return np.abs((values.mean(0) - expected)[moving] / spread[moving])


@pytest.mark.parametrize("engine, changes", [("chain", {}), ("micro", {"drift_every": 20}),
                                             ("chain", {"constraint": "sphere", "drift_every": 5}),
                                             ("chain", {"dropout": 0.2})])
def test_ode_is_the_limit(engine, changes):
    """At N = 2,000; δ that is smaller by 20 % is seen."""
    start = overlaps_of()
    if changes.get("activation") == "relu":
        start = om.OrderParameters(**{**{name: getattr(start, name) for name in (
            "G", "S", "T", "strengths", "xi_out", "teacher_readout")}, "readout": [0.5, 0.3]})
    runs = om.simulate(problem(**changes), start, 3.0, engine, N=2000, replicas=40, save_at=[1.0, 3.0], seed=2)
    wrong = problem(0.24, **changes)
    z = z_scores(runs, om.simulate(problem(**changes), start, 3.0, "ode", save_at=[1.0, 3.0]))
    assert z.max() < 4.5 and np.sqrt((z**2).mean()) < 1.6
    assert z_scores(runs, om.simulate(wrong, start, 3.0, "ode", save_at=[1.0, 3.0])).max() > 6.0


@pytest.mark.parametrize("eta, drift, noise, expected", [(0.5, 0.05, 0.3, 0.15121), (1.0, 0.2, 0.0, 0.33333),
                                                         (0.2, 0.01, 1.0, 0.16402)])
def test_stationary_error_of_a_linear_unit(eta, drift, noise, expected):
    """2 ε_g = (η σ² + 2δT/(η + δ))/(2 − η); chain at N = 1,000 within five standard errors and 2/N."""
    start = om.OrderParameters(G=[[0.5]], S=[[0.1]], T=[[1.0]], strengths=[1.0], xi_out=[[1.0]], readout=[1.0],
                               teacher_readout=[1.0])
    learned = om.Problem(activation="linear", rates=om.LearningRates(xi_in=eta), noise=noise, drift=drift)
    limit = om.simulate(learned, start, 200.0, "ode", save_at=[200.0])
    exact = (eta * noise**2 + 2.0 * drift / (eta + drift)) / (2.0 - eta)
    assert exact == pytest.approx(expected, abs=1e-5)
    assert 2.0 * limit.generalization_error[0, 0] == pytest.approx(exact, rel=1e-7)
    runs = om.simulate(learned, start, 60.0, "chain", N=1000, replicas=8, save_at=np.arange(30.0, 61.0, 2.0))
    means = 2.0 * runs.generalization_error.mean(1)
    assert abs(means.mean() - exact) < 5.0 * means.std(ddof=1) / math.sqrt(8) + 2e-3


def test_a_student_that_learns_nothing_loses_its_teacher():
    """S decays as exp(−δα) where the drift alone moves anything."""
    start, learned = overlaps_of(), om.Problem(drift=0.4)
    run = om.simulate(learned, start, 2.0, "ode", save_at=[0.0, 1.0, 2.0])
    assert run.S[0, 1:] == pytest.approx(np.exp([-0.4, -0.8])[:, None, None] * start.S, rel=1e-8)
    for name in ("G", "strengths", "xi_out", "readout"):
        assert np.ptp(getattr(run, name), 1).max() == 0.0
    assert run.T.shape == (2, 2) and run.teacher_overlaps is None
    runs = om.simulate(learned, start, 2.0, "chain", N=200, replicas=400, save_at=[0.0, 1.0, 2.0])
    spread = runs.S.std(0, ddof=1)[1:] / 20.0
    assert np.abs((runs.S.mean(0) - run.S[0])[1:] / spread).max() < 4.5
    assert np.abs(runs.G - runs.G[:, :1]).max() < 1e-12


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_tasks_of_a_teacher_that_drifts(tmp_path, engine):
    """Against the ode at N = 1,000, and each task as a run of its own."""
    one = overlaps_of()
    start = om.OrderParameters(**{name: getattr(one, name) for name in ("G", "S", "T", "strengths", "xi_out")},
                               readout=[[1.0, 0.7], [0.3, -0.4]], teacher_readout=[[1.0, -0.8], [0.0, 0.6]])
    learned = problem(tasks=om.Tasks((0.3, 0.7), (0, 1)), drift_every=10)
    runs = om.simulate(learned, start, 2.0, engine, N=1000, replicas=40, save_at=[0.0, 2.0], seed=3)
    z = z_scores(runs, om.simulate(learned, start, 2.0, "ode", save_at=[0.0, 2.0]))
    assert z.max() < 4.5 and np.sqrt((z**2).mean()) < 1.6
    runs.save(tmp_path / "run.npz")
    assert same(om.load(tmp_path / "run.npz"), runs)
    second = runs.of_task(1)
    assert np.array_equal(second.T, runs.T[..., 1:, 1:])
    assert second.generalization_error == pytest.approx(runs.task_errors[..., 1], rel=1e-12)
    assert om.simulate(problem(), second.initial, 1.0, "ode").generalization_error[0, 0] == pytest.approx(
        second.generalization_error[0, 0], rel=0.02)


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_turns_wait_for_the_error_of_the_present_teacher(engine):
    """With all looks saved: the first turn ends at the first of them with ε_g below 0.16 of its own task."""
    one, times = overlaps_of(), np.arange(0.0, 4.1, 0.1)
    shared = {name: getattr(one, name) for name in ("G", "S", "T", "strengths", "xi_out", "readout")}
    start = om.OrderParameters(**shared, teacher_readout=[[1.0, -0.8], [0.0, 0.6]])
    tasks = om.Tasks.until_known((0, 1), (0.16,), check_every=0.1)
    run = om.simulate(problem(0.3, tasks=tasks), start, 4.0, engine, N=50, save_at=times, seed=3)
    low = np.flatnonzero(run.task_errors[0, :, 0] < 0.16)
    assert low[0] > 1 and run.switches[0, -1, 0] == pytest.approx(times[low[0]])


# -- runs and files ----------------------------------------------------------------------------------------------


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
               for name in (*BLOCKS, "generalization_error"))


@pytest.mark.parametrize("engine", ["micro", "chain"])
@pytest.mark.parametrize("replicas", [1, 3])
def test_pieces_and_files_are_the_run(tmp_path, engine, replicas):
    """To the bit: threads, pieces that meet at a move and between two, a file, its repetition, a piece's, too."""
    learned, start = problem(drift_every=3), om.initial.showcase(20, K=2, seed=1)
    times, kept = [0.0, 3.0, 4.0, 8.0], {"store_final": True, "replicas": replicas, "seed": 2}
    one, two = (om.simulate(learned, start, 8.0, engine, save_at=times, threads=threads, **kept) for threads in (1, 2))
    assert same(one, two) and one.T.shape == (replicas, 4, 2, 2) and np.ptp(one.T, 1).min() > 1e-3
    piece = om.simulate(learned, start, 3.0, engine, save_at=[0.0, 3.0], **kept)  # 60 steps
    for alpha in (4.0, 8.0):  # 80 steps
        piece = om.join(piece, om.go_on(piece, alpha, save_at=[alpha], store_weights=engine == "micro"))
    assert same(piece, one)
    last = om.go_on(om.simulate(learned, start, 4.0, engine, save_at=times[:3], **kept), 8.0, save_at=[8.0],
                    store_weights=engine == "micro")
    for run in (one, piece, last):
        run.save(tmp_path / "run.npz")
        loaded = om.load(tmp_path / "run.npz")
        assert loaded.problem == learned and same(loaded, run) and same(om.repeat(loaded), run)
    for replica in range(replicas):
        assert last.start_of(replica).T == pytest.approx(one.T[replica, 2], rel=1e-12)


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_a_run_that_was_stopped_goes_on_to_the_bit(tmp_path, slow_looks, monkeypatch, engine):
    learned, start, last = problem(drift_every=3), om.initial.showcase(20, K=2, seed=1), 2000.0
    call = {"engine": engine, "save_at": [0.0, 0.5 * last, last], "seed": 2, "replicas": 2, "store_final": True}
    whole = om.simulate(learned, start, last, **call)
    stopped = om.simulate(learned, start, last, progress=StopAt(0.3), checkpoint=tmp_path / "run.ckpt", **call)
    assert stopped.status[-1].value == "interrupted"
    assert same(om.resume(tmp_path / "run.ckpt"), whole)


def test_a_summary_has_the_statistics_of_all():
    learned, start = problem(), om.initial.showcase(20, K=2, seed=1).order_parameters()
    call = {"N": 20, "replicas": 8, "save_at": [0.0, 1.0], "seed": 3}
    whole, few = (om.simulate(learned, start, 1.0, "chain", keep=keep, **call) for keep in ("all", "summary"))
    assert few.T.shape == (5, 2, 2, 2) and np.array_equal(few.T, whole.T[:5])
    for name, mean in few.ensemble.mean.items():
        assert mean == pytest.approx(getattr(whole, name).mean(0), rel=1e-12, abs=1e-12), name


def test_observables_are_those_of_the_present_teacher(monkeypatch):
    """ε_g, also from the factors, ρ, specialization, margins, ... each against that of one state."""
    arguments = problem(), om.initial.showcase(30, K=2, seed=1), 3.0, "chain"
    run = om.simulate(*arguments, replicas=2, save_at=4)
    monkeypatch.setattr("onlinemode.engines.chain.states.EXACT_BELOW", 1e9)
    over_nodes = om.simulate(*arguments, replicas=2, save_at=4).generalization_error
    assert over_nodes == pytest.approx(run.generalization_error, rel=2e-3) and np.any(over_nodes != run.error)
    o = run.initial
    for place in np.ndindex(2, len(run.alpha)):
        state = om.OrderParameters(**{name: getattr(run, name)[place] for name in BLOCKS},
                                   teacher_readout=o.teacher_readout)
        one = om.simulate(om.Problem(rates=RATES), state, 1.0, "ode", save_at=[0.0, 1.0])
        for name in ("generalization_error", "rho", "specialization", "unit_margins", "classification_error"):
            assert getattr(run, name)[place] == pytest.approx(getattr(one, name)[0, 0], rel=1e-10, abs=1e-12), name
    assert run.mode_residuals is None


def test_mean_loss_is_that_of_the_present_teacher():
    learned = om.Problem(noise="exp:0.3,1", loss="huber", rates=RATES, drift=0.3)
    run = om.simulate(learned, om.initial.showcase(30, K=2, seed=1), 2.0, "chain", save_at=[0.0, 2.0])
    state = om.OrderParameters(**{name: getattr(run, name)[0, -1] for name in BLOCKS},
                               teacher_readout=run.teacher_readout)
    one = om.simulate(learned.at(2.0), state, 1.0, "ode", save_at=[0.0, 1.0])
    assert run.mean_loss[0, -1] == pytest.approx(one.mean_loss[0, 0], rel=1e-9)


def test_tables_have_the_overlaps_of_every_time(tmp_path):
    run = om.simulate(problem(), om.initial.showcase(30, K=2, seed=1), 2.0, "chain", replicas=2, save_at=[0.0, 2.0])
    run.to_csv(tmp_path / "run.csv")
    table = np.genfromtxt(tmp_path / "run.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    assert table["T_0_1"] == pytest.approx(run.T[..., 0, 1].ravel(), rel=1e-12)
    assert np.all(table["drift"] == 0.3)
    labelled = pytest.importorskip("xarray") and run.to_xarray()
    assert labelled["T"].dims == ("replica", "alpha", "teacher_unit", "teacher_unit_2")
    assert np.array_equal(labelled["T"], run.T)
    still = om.simulate(problem(0.0), om.initial.showcase(30, K=2, seed=1), 2.0, "chain", save_at=[0.0, 2.0])
    assert still.to_xarray()["T"].dims == ("teacher_unit", "teacher_unit_2") and still.teacher_overlaps is None


def test_compare_has_theory_without_noise():
    report = om.compare(om.Experiment(N=200, K=2, alpha=2.0, eta=1.0, drift=0.1, replicas=3, engine="chain"))
    assert "drift 0.1" in report.runs[0].__repr__()


@pytest.mark.parametrize("change, message", [
    ({"drift": -0.1}, "drift must be a finite number ≥ 0; got -0.1"),
    ({"drift": "power:1,2,-1"}, "drift must be a finite number ≥ 0; got 'power:1,2,-1'"),
    ({"drift_every": 0}, "drift_every must be a whole number"),
    ({"drift_every": 1.5}, "drift_every must be a whole number")])
def test_what_is_no_drift(change, message):
    with pytest.raises(ParameterError, match=message):
        problem(**change)


def test_what_is_refused(monkeypatch):
    start = om.initial.showcase(20, K=2, seed=1)
    with pytest.raises(ParameterError, match="must be at most 1; got 1.2: take a smaller drift"):
        om.simulate(problem(0.3, drift_every=40), start, 1.0, "chain")
    with pytest.raises(EngineError, match="independent entries; got PowerLaw"):
        om.simulate(problem(inputs=om.inputs.PowerLaw(1.0)), start, 1.0, "micro")
    with pytest.raises(ParameterError, match=r"knows no teacher that drifts; got drift = 0.3: compare"):
        om.fluctuations(problem(), start, [0.0, 1.0])
    with pytest.raises(EngineError, match="an optimal schedule knows no teacher that drifts; got drift = 0.3"):
        om.optimal_schedule(problem(), start.order_parameters(), 2.0)
    run = om.simulate(problem(), start, 1.0, "chain", save_at=[0.0, 1.0])
    with pytest.raises(ParameterError, match="a teacher that drifts goes on drifting; got drift = 0 after 0.3"):
        om.go_on(run, 2.0, problem=problem(0.0))
    with pytest.raises(EngineError, match=r"at finite N it has others by now: start ode from run.initial"):
        om.go_on(run, 2.0, engine="ode")
    for engine in (micro, chain):
        monkeypatch.setattr(engine, "choose", lambda device, worth: device)  # as where there is one
        with pytest.raises(EngineError, match="device cuda has no teacher that drifts: use device cpu"):
            om.simulate(problem(), start, 1.0, engine.ENGINE.name, device="cuda")


def test_a_drift_may_begin_and_change_later():
    start = om.initial.showcase(20, K=2, seed=1)
    for engine in ("micro", "chain"):
        run = om.simulate(problem(0.0), start, 1.0, engine, save_at=[0.0, 1.0], store_final=True)
        later = om.go_on(run, 2.0, problem=problem(0.2), save_at=[2.0])
        assert later.T[0, 0] == pytest.approx(run.T, rel=1e-12) and np.abs(later.T[0, 1] - run.T).max() > 1e-3
        last = om.go_on(later, 3.0, problem=problem(0.4), save_at=[3.0])
        assert last.T[0, 0] == pytest.approx(later.T[0, -1], rel=1e-12)
        assert last.end.arrays["mean_T"][0] == pytest.approx(start.order_parameters().T, rel=1e-12)
    limit = om.simulate(problem(0.2), start.order_parameters(), 1.0, "ode", save_at=[0.0, 1.0])
    assert om.go_on(limit, 2.0, problem=problem(0.0)).status[0].value == "completed"


@pytest.mark.parametrize("damage", [{"end_state_directions": None}, {"end_T": None}, {"end_state_mean_T": None},
                                    {"teacher_overlaps": None}, {"teacher_overlaps": np.zeros((1, 2, 3, 3))},
                                    {"end_state_directions": np.zeros((1, 4))}])
def test_damaged_files_are_refused(tmp_path, damage):
    from onlinemode.storage import read_archive, write_archive

    run = om.simulate(problem(), om.initial.showcase(20, K=2, seed=1), 1.0, "chain", save_at=[0.0, 1.0])
    run.save(tmp_path / "run.npz")
    header, arrays = read_archive(tmp_path / "run.npz", "trajectory")
    arrays = {name: values for name, values in {**arrays, **damage}.items() if values is not None}
    header = {name: header[name] for name in ("problem", "status", "message", "meta", "format")}
    write_archive(tmp_path / "run.npz", "trajectory", header, arrays)
    with pytest.raises(FileError, match="an entry is missing or damaged"):
        om.load(tmp_path / "run.npz")


def test_words_and_command_line(tmp_path, monkeypatch):
    from onlinemode.cli.main import main

    monkeypatch.chdir(tmp_path)

    def call(*words):
        with pytest.raises(SystemExit) as end:
            main([*words, "--no-plot", "--out", "run.npz", "--overwrite"])
        assert end.value.code == 0
        return om.load("run.npz")

    run = call("simulate", "--engine", "chain", "--N", "50", "--alpha", "1", "--drift", "0.2", "--drift-every", "5")
    assert (run.problem.drift, run.problem.drift_every) == (0.2, 5)
    assert "drift 0.2 every 5 steps" in repr(run)
    (tmp_path / "run.npz").rename("before.npz")
    later = call("simulate", "--start", "before.npz", "--alpha", "2", "--drift", "0.1", "--csv")
    assert (later.problem.drift, later.problem.drift_every) == (0.1, 5)
    assert "drift 0.2 every 5 steps" in om.Experiment(drift=0.2, drift_every=5).describe()
    assert "drift" not in om.Problem().to_dict() and om.Problem.from_dict(run.problem.to_dict()) == run.problem


def test_sweeps_take_rates_of_drift():
    swept = om.sweep(om.Experiment(N=40, K=2, alpha=1.0, engine="chain", save_at=3, eta=1.0), {"drift": [0.0, 0.5]},
                     progress=False)
    assert np.abs(np.diff(swept["generalization_error"], axis=0)).max() > 1e-6
