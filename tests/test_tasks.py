"""Several tasks: in turn, mixed and replayed, with one head or several, in micro, chain and ode.

Seeds are fixed. With others a comparison of 40 replicas with the mean-field equations would raise a false alarm once in
some 10^3 (the largest of some 100 correlated z-scores above 4.5).
"""

import math
from dataclasses import replace

import chain_vectors
import numpy as np
import plain_sgd
import pytest
from numba import njit
from small_ensembles import z_scores

import onlinemode as om
from onlinemode.engines.chain import engine as chain
from onlinemode.errors import EngineError, OnlineModeError, ParameterError
from onlinemode.kernels.random.philox import STREAM_TASK
from onlinemode.kernels.rule.tasks import draw_task, task_data
from onlinemode.theory.task_drift import TaskDrift, drift_of

RATES = om.LearningRates(xi_in=0.8, strengths=0.2, xi_out=0.2, readout=0.3)
BLOCKS = ("G", "S", "strengths", "xi_out", "readout")
TWO_HEADS = {"heads": (0, 1)}


def problem(shares=(0.3, 0.7), heads=(0, 1), changes=None, **of_tasks):
    return om.Problem(**{"noise": 0.2, "weight_decay": 0.05, "rates": RATES,
                         "tasks": om.Tasks(shares, heads, **of_tasks), **(changes or {})})


def start(weights, heads=2):
    """With readouts of two tasks, which need other units of its four, and so many heads."""
    readout = [[0.8, -0.5, 0.6], [0.4, 0.9, -0.3]] if heads else [0.8, -0.5, 0.6]
    return replace(weights, readout=readout, teacher_readout=[[1.0, -0.7, 0.0, 0.0], [0.0, 0.0, 0.9, 0.6]], origin=None)


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in BLOCKS)


# -- micro and chain ---------------------------------------------------------------------------------------


CASES = [({}, 2), ({"heads": None}, 0),
         ({"shares": ("linear:0=1,3=0", "linear:0=0,3=1"), "noise": (0.0, 0.5), "flips": (0.0, 0.3),
           "changes": {"labels": "sign", "dropout": 0.3}}, 2)]


@pytest.mark.parametrize("case, heads", CASES)
@pytest.mark.parametrize("batch", [1, 3])
def test_micro_is_the_plain_rule(random_weights, batch, case, heads):
    """120 steps of samples of both tasks; samples of other tasks give another student."""
    weights = start(random_weights(37, 3, 4, 3, seed=3), heads)
    learned = replace(problem(**case), batch=batch)
    run = om.simulate(learned, weights, 120 / 37, "micro", seed=5, save_at=np.array([0, 120]) / 37)
    expected = plain_sgd.run(learned, weights, 120, 5).overlaps(weights.teacher)
    for name, values in expected.items():
        assert np.abs(getattr(run, name)[0, -1] - values).max() < 1e-11 * max(1.0, np.abs(values).max()), name
    swapped = plain_sgd.run(replace(learned, tasks=replace(learned.tasks, shares=learned.tasks.shares[::-1])), weights,
                            120, 5).overlaps(weights.teacher)
    assert np.abs(swapped["S"] - expected["S"]).max() > 1e-3


@pytest.mark.parametrize("case, heads", CASES)
def test_chain_is_the_rule_of_real_vectors(random_weights, case, heads):
    weights = start(random_weights(40, 3, 4, 3, seed=4), heads)
    *_, pair = chain_vectors.pairs(problem(**case), weights, 41, seed=7)
    for name, values in pair.vectors.overlaps(weights.teacher).items():
        assert np.abs(pair.chain[name] - values).max() < 1e-10 * max(1.0, np.abs(values).max()), name


def test_chain_with_batches_is_the_rule_of_real_vectors(random_weights):
    weights = start(random_weights(40, 3, 4, 3, seed=4))
    *_, pair = chain_vectors.pairs(problem(changes={"batch": 6}), weights, 41, seed=7)
    for name, values in pair.vectors.overlaps(weights.teacher).items():
        assert np.abs(pair.chain[name] - values).max() < 1e-10 * max(1.0, np.abs(values).max()), name


def test_shares_of_samples():
    """100,000 samples of three tasks, within 5 standard errors; a task without a share has none."""
    counts = count_tasks(task_data(None, [0.2, 0.5, 0.3, *[0.0] * 6]), 100_000) / 1e5
    assert np.abs(counts - (0.2, 0.5, 0.3)).max() < 5.0 * math.sqrt(0.25 / 1e5)
    assert np.array_equal(count_tasks(task_data(None, [0.0, 0.5, 0.0, *[0.0] * 6]), 1000), [0, 1000, 0])


@njit
def count_tasks(tasks, samples):
    counts = np.zeros(tasks.heads.size)
    for sample in range(samples):
        counts[draw_task(tasks, STREAM_TASK, 1, sample, np.uint64(3))] += 1
    return counts


@pytest.mark.parametrize("engine", ["micro", "chain", "ode"])
def test_one_task_alone_is_a_problem_of_one(random_weights, engine):
    """The samples of a task that has them all are those of a run of one task; to the bit but for sums of labels."""
    weights = start(random_weights(37, 3, 4, 3, seed=3))
    alone = replace(weights, readout=weights.readout[1], teacher_readout=weights.teacher_readout[1])
    options = {} if engine == "ode" else {"seed": 2}
    run, other = (om.simulate(learned, begin, 3.0, engine, save_at=4, **options)
                  for learned, begin in ((problem((0.0, 2.0)), weights),
                                         (om.Problem(noise=0.2, weight_decay=0.05, rates=RATES), alone)))
    for name in BLOCKS[:-1]:
        assert getattr(run, name) == pytest.approx(getattr(other, name), rel=1e-11, abs=1e-12)
    assert run.readout[..., 1, :] == pytest.approx(other.readout, rel=1e-11)
    assert np.all(run.readout[..., 0, :] == weights.readout[0])  # the other head is not trained
    assert np.array_equal(run.generalization_error, run.task_errors[..., 1])
    assert run.generalization_error == pytest.approx(other.generalization_error, rel=1e-10)


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_threads_pieces_and_files(tmp_path, engine):
    weights = om.initial.tasks(60, K=3, units=2, overlap=0.3, heads=(0, 1), head_size=0.5, seed=1)
    end = {"store_final": True} if engine == "micro" else {}
    learned = problem(("steps:1,3=0.5", "steps:0,3=0.5"))
    one, three = (om.simulate(learned, weights, 8.0, engine, seed=2, save_at=[0.0, 4.0, 8.0], replicas=3,
                              threads=threads) for threads in (1, 3))
    assert same(one, three)
    first = om.simulate(learned, weights, 4.0, engine, seed=2, save_at=[0.0, 4.0], replicas=3, **end)
    joined = om.join(first, om.go_on(first, 8.0, save_at=[8.0]))
    assert same(joined, one) and joined.task_errors == pytest.approx(one.task_errors, rel=1e-12)
    one.save(tmp_path / "run.npz")
    loaded = om.load(tmp_path / "run.npz")
    assert loaded.problem == learned and same(om.repeat(loaded), one)
    assert np.array_equal(loaded.task_errors, one.task_errors)
    summary = om.simulate(learned, weights, 8.0, engine, seed=2, save_at=[0.0, 4.0, 8.0], replicas=3, keep="summary")
    assert summary.ensemble.mean["task_errors"] == pytest.approx(one.task_errors.mean(0), rel=1e-12)
    summary.of_task(1).save(tmp_path / "task.npz")
    alone = om.load(tmp_path / "task.npz")
    assert alone.replicas == summary.draws
    assert np.array_equal(alone.generalization_error, summary.task_errors[..., 1])
    summary.save(tmp_path / "summary.npz")
    assert om.load(tmp_path / "summary.npz").ensemble.mean["readout"].shape == (3, 2, 3)


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_pieces_with_other_tasks_are_one_protocol(engine):
    """A then B as two calls: the run of the schedule, to the bit."""
    weights = om.initial.tasks(100, overlap=0.3, heads=(0, 1), seed=1)
    whole = om.simulate(problem(("steps:1,4=0", "steps:0,4=1")), weights, 8.0, engine, seed=2, save_at=[0.0, 4.0, 8.0])
    end = {"store_final": True} if engine == "micro" else {}
    first = om.simulate(problem((1.0, 0.0)), weights, 4.0, engine, seed=2, save_at=[0.0, 4.0], **end)
    second = om.go_on(first, 8.0, save_at=[4.0, 8.0], problem=problem((0.0, 1.0)))
    for name in BLOCKS:
        assert np.array_equal(getattr(second, name), getattr(whole, name)[:, 1:])
    assert np.array_equal(second.task_errors, whole.task_errors[:, 1:])


# -- turns that wait for an error ---------------------------------------------------------------------------------


def waiting(below=0.02, order=(0, 1, 0), **more):
    return om.Problem(rates=om.LearningRates(xi_in=1.0, readout=1.0), tasks=om.Tasks.until_known(order, below, **more))


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_turns_end_where_the_error_is_low_enough(engine):
    """At the first look at which it is; the run is that of the same turns at the times found."""
    weights = om.initial.tasks(200, overlap=0.2, seed=1)
    times = np.arange(0.0, 40.25, 0.25)
    run = om.simulate(waiting(check_every=0.5), weights, 40.0, engine, seed=2, save_at=times)
    (first, second), = run.switched_at
    assert 0.0 < first < second < 40.0
    if engine == "micro":
        turns = om.Problem(rates=RATES.__class__(xi_in=1.0, readout=1.0), tasks=om.Tasks.in_turn(
            (0, 1, 0), (first - 1e-9, second - 1e-9)))
        again = om.simulate(turns, weights, 40.0, engine, seed=2, save_at=times)
        for name in BLOCKS:
            assert getattr(run, name) == pytest.approx(getattr(again, name), rel=1e-6, abs=1e-8)
    for begin, end, task in ((0.0, first, 0), (first, second, 1), (second, 40.0, 0)):
        turn = (run.alpha >= begin) & (run.alpha < end)
        assert np.array_equal(run.generalization_error[0, turn], run.task_errors[0, turn, task])
        if end < 40.0:
            assert abs(end / 0.5 - round(end / 0.5)) < 5 / 200
            looks = [abs(run.alpha - alpha).argmin() for alpha in np.arange(begin + 0.5, end + 0.25, 0.5)]
            low = run.task_errors[0, looks, task] < 0.02
            assert low[-1] and not low[:-1].any()


def test_theory_turns_at_the_level_itself():
    weights = om.initial.tasks(200, overlap=0.2, seed=1)
    whole = om.simulate(waiting(), weights, 60.0, "ode", save_at=np.arange(0.0, 60.5, 0.5))
    (first, second), = whole.switched_at
    at_turns = om.simulate(waiting(), weights, 60.0, "ode", save_at=[0.0, first, second, 60.0])
    assert at_turns.task_errors[0, [1, 2], [0, 1]] == pytest.approx([0.02, 0.02], rel=1e-5)
    turns = replace(waiting(), tasks=om.Tasks.in_turn((0, 1, 0), (first, second)))
    again = om.simulate(turns, weights, 60.0, "ode", save_at=whole.alpha)
    for name in BLOCKS:
        assert getattr(whole, name) == pytest.approx(getattr(again, name), rel=1e-5, abs=1e-6)
    chains = om.simulate(waiting(check_every=0.05), weights.order_parameters(), 60.0, "chain", N=10_000, replicas=6,
                         seed=1, save_at=[0.0, 60.0])
    assert chains.switched_at.mean(0) == pytest.approx([first, second], rel=0.02)
    never = om.simulate(waiting(1e-9), weights, 5.0, "ode", save_at=[0.0, 5.0])
    assert np.all(np.isnan(never.switched_at)) and np.all(np.isnan(never.switches))
    assert never.message[0].endswith("turn 1 of 3 of its tasks had not ended, whose level is 1e-09")
    assert "turns ended" in repr(never) and "never" in repr(never)


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_turns_in_files_and_from_checkpoints(tmp_path, engine):
    """Resumed from any snapshot a run has the bits and the turns of one without a break; files hold both."""
    weights = om.initial.tasks(200, overlap=0.2, seed=1)
    call = {"alpha": 30.0, "engine": engine, "seed": 2, "save_at": [0.0, 10.0, 30.0], "replicas": 3}
    whole = om.simulate(waiting(check_every=0.1), weights, **call)
    assert np.isfinite(whole.switched_at[:, 0]).all() and len(np.unique(whole.switched_at[:, 0])) > 1

    def stop(report):
        if report.alpha > 12.0:
            raise KeyboardInterrupt

    om.simulate(whole.problem, weights, **call, progress=stop, threads=1, checkpoint=tmp_path / "run.ckpt",
                checkpoint_every=0.001)
    resumed = om.resume(tmp_path / "run.ckpt")
    assert same(resumed, whole) and np.array_equal(resumed.switches, whole.switches, equal_nan=True)
    whole.save(tmp_path / "run.npz")
    loaded = om.load(tmp_path / "run.npz")
    assert loaded.problem == whole.problem
    assert np.array_equal(loaded.switches, whole.switches, equal_nan=True)
    assert np.array_equal(loaded.generalization_error, whole.generalization_error)
    assert same(om.repeat(loaded), whole)
    end = om.simulate(waiting(), weights, **{**call, "replicas": 1}, store_final=engine == "micro")
    with pytest.raises(ParameterError, match="begin with their first turn"):
        om.go_on(end, 40.0)
    further = om.go_on(end, 40.0, problem=end.problem.stage(2))
    assert np.array_equal(further.task_errors[0, 0], end.task_errors[0, -1])


# -- theory ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case, heads", [({"shares": ("steps:1,2=0,4=0.3", "steps:0,2=1,4=0.7")}, 2),
                                         ({"shares": ("linear:0=1,6=0", "linear:0=0,6=1"), "heads": None,
                                           "noise": (0.1, 0.4)}, 0)])
def test_ode_is_the_limit(random_overlaps, case, heads):
    """Chain at N = 4,000: two heads, A, B, then both; one head and a ramp. Shares swapped in the mixture are seen."""
    o = random_overlaps(3, 4, 3, seed=5)
    begin = replace(o, readout=start_readout(heads), teacher_readout=[[1.0, -0.7, 0.0, 0.0], [0.0, 0.0, 0.9, 0.6]])
    times, learned = [0.0, 1.0, 3.0, 4.0, 6.0], problem(**case)
    runs = om.simulate(learned, begin, 6.0, "chain", N=4000, replicas=40, save_at=times, seed=1)
    limit = om.simulate(learned, begin, 6.0, "ode", save_at=times)
    z = z_scores(runs, limit)
    assert z.max() < 4.5 and np.sqrt((z**2).mean()) < 1.6
    spread = runs.task_errors[:, 1:].std(0, ddof=1) / math.sqrt(40)
    assert np.abs((runs.task_errors.mean(0) - limit.task_errors[0])[1:] / spread).max() < 4.5
    wrong = replace(learned, tasks=replace(learned.tasks, shares=("steps:1,2=0,4=0.7", "steps:0,2=1,4=0.3")))
    assert z_scores(runs, om.simulate(wrong, begin, 6.0, "ode", save_at=times)).max() > 12.0


def start_readout(heads):
    return [[0.8, -0.5, 0.6], [0.4, 0.9, -0.3]] if heads else [0.8, -0.5, 0.6]


def test_one_head_needs_the_mean_of_readouts_alone(random_overlaps):
    """Trained X alone: η² term of W = Σ p w wᵀ, docs/theory, 16.2; that of the mean readout would be another."""
    o = random_overlaps(2, 2, 2, seed=5)
    readouts, shares = np.array([[1.0, 0.2], [-0.4, 0.9]]), (0.3, 0.7)
    begin = replace(o, teacher_readout=readouts)
    rates = om.LearningRates(xi_in=0.7)
    drift = TaskDrift(om.Problem(rates=rates, tasks=om.Tasks(shares)), begin)
    found = drift(drift.full[drift.active])
    mean, spread = np.array(shares) @ readouts, readouts[0] - readouts[1]
    parts = [drift_of(om.Problem(rates=rates), replace(o, teacher_readout=mean + size * spread))
             for size in (0.0, 1.0, -1.0)]
    of_mean, above, below = (each(each.full[each.active]) for each in parts)
    variance = shares[0] * shares[1]  # a quadratic form: its curvature times the variance of the readout
    assert found == pytest.approx(of_mean + 0.5 * variance * (above - 2.0 * of_mean + below), rel=1e-10, abs=1e-12)
    assert found != pytest.approx(of_mean, rel=1e-3)


def lee_start(overlap, seed):
    """K = 2 students of two heads; one teacher unit a task."""
    generator = np.random.default_rng(seed)
    along = generator.standard_normal((2, 4))[:, :2] / 100.0
    T = np.array([[1.0, overlap], [overlap, 1.0]])
    return om.OrderParameters(G=0.001 * np.eye(2) + along @ along.T,
                              S=along @ np.linalg.cholesky(T + 1e-15 * np.eye(2)).T, T=T, strengths=np.ones(2),
                              xi_out=np.eye(2), readout=0.1 * generator.standard_normal((2, 2)),
                              teacher_readout=np.eye(2))


def test_forgetting_is_worst_in_the_middle():
    """Of the first task, 30 after the switch at α = 40, for seven overlaps of the tasks; Lee, Goldt and Saxe (2021)."""
    learned = om.Problem(rates=om.LearningRates(xi_in=1.0, readout=1.0),
                         tasks=om.Tasks.in_turn((0, 1), (40.0,), (0, 1)))
    found = []
    for overlap in (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0):
        runs = [om.simulate(learned, lee_start(overlap, seed), 70.0, "ode", save_at=[40.0, 70.0]) for seed in range(6)]
        found.append(np.mean([run.forgetting(0, 40.0)[0, -1] for run in runs]))
    assert found == pytest.approx([0.019, 0.077, 0.134, 0.125, 0.074, 0.040, 0.0025], abs=6e-4)


# -- starts ------------------------------------------------------------------------------------------------------


def test_features_of_exact_overlap():
    for overlap in (0.6, [[1.0, 0.6, 0.2], [0.6, 1.0, -0.1], [0.2, -0.1, 1.0]], 1.0):
        weights = om.initial.tasks(30, units=2, tasks=3, overlap=overlap, readout="mean", seed=1)
        cosines = overlap if isinstance(overlap, list) else overlap + (1.0 - overlap) * np.eye(3)
        assert weights.order_parameters().T == pytest.approx(np.kron(cosines, np.eye(2)), abs=1e-12)
        assert weights.teacher_readout == pytest.approx(np.kron(np.eye(3), [0.5, 0.5]))


def test_readouts_of_exact_overlap():
    weights = om.initial.tasks(30, units=4, tasks=3, overlap=-0.3, kind="readouts", readout="sum", seed=1)
    rows = weights.teacher_readout
    assert rows @ rows.T == pytest.approx(4.0 * (-0.3 + 1.3 * np.eye(3)), abs=1e-12)
    assert rows[0] == pytest.approx(np.ones(4)) and weights.order_parameters().T == pytest.approx(np.eye(4), abs=1e-12)


def test_units_that_tasks_share():
    weights = om.initial.tasks(30, units=4, tasks=2, overlap=0.25, kind="units", seed=1)
    assert np.array_equal(weights.teacher_readout, [[1, 1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 1, 1, 1]])


@pytest.mark.parametrize("arguments, message", [
    ({"overlap": 0.3, "units": 2, "kind": "units"}, "overlap must be a multiple of 1/2; got 0.3"),
    ({"overlap": -0.6, "tasks": 3}, "no 3 tasks have these overlaps, whose least eigenvalue is -0.2"),
    ({"overlap": 0.5, "kind": "readouts"}, "need at least 2 units a task; got 1"),
    ({"overlap": [[1.0, 0.5]]}, r"overlap must have shape \(tasks, tasks\)"),
    ({"overlap": [[2.0, 0.5], [0.5, 1.0]]}, "a task has overlap 1 with itself"),
    ({"kind": "other"}, "kind must be one of features, readouts, units"),
    ({"heads": (0, 2)}, "a head must be a whole number ≥ 0 and ≤ 1; got 2"),
    ({"tasks": 1}, "tasks must be a whole number ≥ 2 and ≤ 64; got 1")])
def test_starts_that_are_refused(arguments, message):
    with pytest.raises(OnlineModeError, match=message):
        om.initial.tasks(30, **arguments)


# -- values, observables and words ---------------------------------------------------------------------------------


def test_protocols_as_shares():
    turn = om.Tasks.in_turn((0, 1, 0), (10, 20))
    assert [str(each) for each in turn.shares] == ["steps:1,10=0,20=1", "steps:0,10=1,20=0"]
    replay = om.Tasks.with_replay(10.0, 4.0, 1.0, 20.0)
    learned = om.Problem(tasks=replay)
    assert learned.shares_at([0.0, 10.0, 12.9, 13.5, 14.0, 17.5, 18.0])[:, 0] == pytest.approx([1, 0, 0, 1, 0, 1, 0])
    assert om.Problem.from_dict(learned.to_dict()) == learned
    assert om.Problem(tasks=om.Tasks((1, 3))).shares_at([0.0])[0] == pytest.approx([0.25, 0.75])
    assert om.Problem(tasks=om.Tasks((lambda a: 1.0 + a, 1.0))).sampled(3.0).shares_at([3.0])[0] == pytest.approx(
        [0.8, 0.2])


def test_of_task_is_a_run_of_one_task():
    weights = om.initial.tasks(200, units=2, overlap=0.0, heads=(0, 1), seed=1)
    run = om.simulate(problem(), weights, 3.0, "ode", save_at=5)
    for task in (0, 1):
        alone = run.of_task(task)
        assert alone.R.shape == (1, 5, 2, 2) and alone.problem.tasks is None
        assert alone.generalization_error == pytest.approx(run.task_errors[..., task], rel=1e-10)
        assert np.array_equal(alone.R, run.R[..., 2 * task:2 * task + 2])
        assert alone.specialization.shape == (1, 5) and alone.to_dataframe().shape[0] == 5
    assert run.generalization_error == pytest.approx(run.task_errors @ (0.3, 0.7), rel=1e-12)
    for refused in (om.repeat, lambda run: om.go_on(run, 4.0), lambda run: run.final):
        with pytest.raises(OnlineModeError, match="this is task 1 of a run of several"):
            refused(run.of_task(1))
    assert "task 1: " in repr(run)
    frame = run.to_xarray()
    assert frame.task_errors.dims == ("alpha", "task") and frame.readout.dims == ("alpha", "head", "student_unit")
    assert frame.teacher_readout.dims == ("task", "teacher_unit")


def test_jumps_between_tasks_are_no_ends_of_plateaus():
    turns = om.Problem(rates=om.LearningRates(xi_in=1.0, readout=1.0), tasks=om.Tasks.in_turn((0, 1), (30.0,), (0, 1)))
    run = om.simulate(turns, om.initial.tasks(1000, overlap=0.2, heads=(0, 1), seed=1), 60.0, "ode", save_at=400)
    assert om.observables.find_plateaus(run.alpha, run.generalization_error[0])
    assert run.plateaus() == [] and "plateaus" not in repr(run)
    assert "plateaus" in repr(run.of_task(1))


def test_forgetting_and_transfer():
    run = om.simulate(problem(("steps:1,4=0", "steps:0,4=1")), om.initial.tasks(200, heads=(0, 1), seed=1), 8.0, "ode",
                      save_at=[0.0, 4.0, 8.0])
    errors = run.task_errors
    assert run.forgetting(0, 4.0) == pytest.approx(errors[..., 0] - errors[:, 1:2, 0])
    assert run.transfer(1, 4.0) == pytest.approx(errors[:, 1:2, 1] - errors[..., 1])
    with pytest.raises(ParameterError, match="no saved time is α = 5; give save_at"):
        run.forgetting(0, 5.0)


def test_table_of_a_run_with_tasks(tmp_path):
    run = om.simulate(problem(), om.initial.tasks(50, heads=(0, 1), seed=1), 1.0, "chain", save_at=[0.0, 1.0])
    run.to_csv(tmp_path / "run.csv", om.simulate(problem(), run.initial, 1.0, "ode", save_at=[0.0, 1.0]))
    header, first, _ = (tmp_path / "run.csv").read_text().splitlines()
    row = dict(zip(header.split(","), first.split(",")))
    assert float(row["task_errors_1"]) == run.task_errors[0, 0, 1]
    assert {"readout_1_0", "theory_task_errors_0", "teacher_readout_0_1"} <= set(row)
    assert "shares 0.3; 0.7, a head each" in (tmp_path / "run.csv").read_text()


@pytest.mark.parametrize("make, message", [
    (lambda: om.Tasks((1.0,)), "shares must be of 2 to 64 tasks"),
    (lambda: om.Tasks("11"), "shares must be of 2 to 64 tasks"),
    (lambda: om.Tasks((1.0, -1.0)), "share of task 1 must be a finite number ≥ 0; got -1"),
    (lambda: om.Tasks((0.0, 0.0)), "a task must have a share at all α; got none at α = 0"),
    (lambda: om.Tasks(("steps:1,5=0", 0.0)), "got none at α = 5"),
    (lambda: om.Tasks((1, 1), heads=(0,)), "heads must have an entry a task, 2"),
    (lambda: om.Tasks((1, 1), heads=(1, 1)), "numbered from 0 without a gap"),
    (lambda: om.Tasks((1, 1), noise=(0.1, 0.2, 0.3)), "noise must have an entry a task, 2"),
    (lambda: om.Tasks.in_turn((0, 1), (3, 4)), "one time fewer"),
    (lambda: om.Tasks.in_turn((0, 2), (3,)), "without a gap"),
    (lambda: om.Tasks.until_known((0, 1), (0.1, 0.2)), "one error fewer"),
    (lambda: om.Tasks.until_known((0, 1), 0.0), "an error must be"),
    (lambda: om.Tasks.until_known((0, 1), 0.1, check_every=0.0), "check_every must be"),
    (lambda: om.Tasks((1, 1), order=(0, 1), below=(0.1,)), "use Tasks.until_known"),
    (lambda: om.Tasks.with_replay(10.0, 4.0, 4.0, 20.0), "length must be below the period, 4, .* got 4"),
    (lambda: om.Tasks.in_turn((0, 1, 0), (10, 10)), "at ascending times; got 10, 10"),
    (lambda: om.Problem(tasks=om.Tasks((lambda a: np.maximum(0.0, 1.0 - a), 0.0))).sampled(5.0), "got none at α = 1"),
    (lambda: om.Problem(tasks=om.Tasks(("exp:1,0.01", 0.0))).sampled(10.0), "got none at α = "),
    (lambda: om.Problem(labels="sign", tasks=om.Tasks.until_known((0, 1), 0.1)), "give times"),
    (lambda: om.initial.tasks(100, units=6000), "at most 10,000 units together"),
    (lambda: om.Problem(tasks=(1, 1)), r"tasks must be a Tasks, such as Tasks\(shares=\(1, 1\)\)"),
    (lambda: om.Problem(tasks=om.Tasks((1, 1), flips=(0.1, 0.0))), "only labels that are signs are flipped")])
def test_what_is_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_starts_of_replicas_must_have_the_same_heads():
    starts = [om.initial.tasks(30, heads=heads, weights=False, seed=1) for heads in ((0, 1), None)]
    with pytest.raises(ParameterError, match=r"start\(1\) is .* 2 tasks, start\(0\) is .* 2 heads, 2 tasks"):
        om.simulate(problem(), lambda replica: starts[replica], 1.0, "chain", N=30, replicas=2)


def test_pictures_have_every_task_and_lines_at_switches():
    run = om.simulate(problem(("steps:1,3=0", "steps:0,3=1"), changes={"noise": "steps:0.1,1=0.2"}),
                      om.initial.tasks(100, heads=(0, 1), seed=1), 6.0, "chain", save_at=20)
    ax = om.plotting.plot_error(om.plotting.new_figure(4.0, 3.0).subplots(), run)
    curves = [line for line in ax.lines if line.get_label().startswith("task ")]
    assert [line.get_label() for line in curves] == ["task 0", "task 1"]
    for task, line in enumerate(curves):
        assert set(line.get_ydata()) <= set(run.task_errors[0, :, task])
    assert [line.get_xdata()[0] for line in ax.lines if line not in curves] == [3.0]
    with pytest.raises(ParameterError, match="use plot_error"):
        om.plotting.plot_tasks(ax, run.of_task(0))


def test_starts_must_fit_the_tasks(random_weights):
    weights = start(random_weights(37, 3, 4, 3, seed=3))
    for learned, begin, message in (
            (om.Problem(), weights, r"must have shape \(M,\) for a problem with one task; got \(2, M\)"),
            (problem(heads=None), weights, r"readout must have shape \(K,\) for a problem with 2 tasks; got \(2, K\)"),
            (problem((1, 1, 1), None), weights, r"must have shape \(3, M\)")):
        with pytest.raises(ParameterError, match=message):
            om.simulate(learned, begin, 1.0, "chain")


def test_what_has_no_tasks(monkeypatch):
    weights = om.initial.tasks(40, heads=(0, 1), seed=1)
    with pytest.raises(ParameterError, match="for one task; got several"):
        om.fluctuations(problem(), weights, [0.0, 1.0])
    monkeypatch.setattr(chain, "choose", lambda device, worth: device)  # as where there is one
    with pytest.raises(EngineError, match="device cuda has no tasks: use device cpu"):
        om.simulate(problem(), weights, 1.0, "chain", device="cuda")
