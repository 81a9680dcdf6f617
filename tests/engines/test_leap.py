"""Engine leap: the law of the chain, at a cost that does not grow with N.

Tests of the law compare replicas of leap and chain at N = 1000, whose random numbers have nothing in common.  All their
numbers are tested together, with Bonferroni's correction: with other seeds the test would fail by chance once in a
thousand times.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from stopping import StopAt

import onlinemode as om
from onlinemode.errors import EngineError

PATHS = ("G", "S", "strengths", "xi_out", "readout")
N, REPLICAS, TIMES = 1000, 4000, (0.5, 1.5, 3.0)
FALSE_ALARM = 1e-3
PROBLEM = om.Problem(noise=0.1, weight_decay=0.05, rates=om.LearningRates(2.0, 0.5, 0.5, 0.3))


def start():
    """All four factors may be trained, and no unit is like another."""
    r = np.random.default_rng(4)
    A, X, B = r.standard_normal((3, 2)), 0.5 * r.standard_normal((2, 60)), r.standard_normal((3, 60))
    return om.OrderParameters(G=X @ X.T / 60, S=X @ B.T / 60, T=B @ B.T / 60, strengths=np.array([1.0, 0.6]), xi_out=A,
                              readout=np.full(3, 1 / 3), teacher_readout=np.full(3, 1 / 3))


def committee(K=2):
    return om.initial.from_overlaps(Q=0.1 * np.eye(K), R=np.zeros((K, K)), T=np.eye(K), readout="sum")


def leap(problem=PROBLEM, begin=None, alpha=3.0, N=N, **options):
    return om.simulate(problem, start() if begin is None else begin, alpha, "leap", N=N, **options)


def entries(run):
    """All order parameters that scatter and ε_g, (replicas, times, entries)."""
    values = [getattr(run, name).reshape(run.replicas, len(run.alpha), -1) for name in PATHS]
    return np.concatenate([*values, run.generalization_error[..., None]], -1)


def chances(one, other):
    """Two-sided probabilities of differences in law, in the mean and in the spread, all of them."""
    a, b = entries(one), entries(other)
    scatters = (b.std(0) > 1e-12).all(0)
    a, b = a[..., scatters].reshape(len(a), -1), b[..., scatters].reshape(len(b), -1)
    laws = [stats.ks_2samp(a[:, i], b[:, i]).pvalue for i in range(a.shape[1])]
    means = (a.mean(0) - b.mean(0)) / np.sqrt((a.var(0) + b.var(0)) / len(a))
    kurtosis = stats.kurtosis(np.concatenate([a, b]), fisher=True)
    spreads = np.log(a.std(0) / b.std(0)) / np.sqrt((2.0 + kurtosis) / (2.0 * len(a)))
    return {"law": np.array(laws), "mean": 2.0 * stats.norm.sf(np.abs(means)),
            "spread": 2.0 * stats.norm.sf(np.abs(spreads))}


def rejected(found):
    """Which of the three kinds of test find a difference."""
    count = sum(map(len, found.values()))
    return {name for name, values in found.items() if values.min() < FALSE_ALARM / count}


@pytest.fixture(scope="module")
def exact():
    return om.simulate(PROBLEM, start(), 3.0, "chain", N=N, replicas=REPLICAS, save_at=TIMES, seed=1)


@pytest.fixture(scope="module")
def leaps():
    return leap(replicas=REPLICAS, save_at=TIMES, seed=7)


def test_the_law_is_that_of_the_chain(exact, leaps):
    found = chances(leaps, exact)
    assert rejected(found) == set(), {name: values.min() for name, values in found.items()}
    assert leaps.meta["halved_kicks"] == [0] * REPLICAS
    assert max(leaps.meta["leaps"]) < 60  # and not 3000 steps


def test_one_sample_a_kick_is_too_few(exact):
    """The tests see a law that is not right in its fourth moment alone."""
    found = chances(leap(replicas=REPLICAS, save_at=TIMES, seed=7, kick_samples=1), exact)
    assert "law" in rejected(found)


def test_the_spread_shrinks_with_N_to_the_mean_field_equations(leaps):
    theory = om.simulate(PROBLEM, start(), 3.0, "ode", save_at=TIMES)
    many = leap(N=10**8, replicas=50, save_at=TIMES, seed=3)
    ratio = entries(leaps).std(0) / np.where(entries(many).std(0) > 0, entries(many).std(0), np.nan)
    assert np.nanmedian(ratio) == pytest.approx(np.sqrt(10**8 / N), rel=0.1)
    one = leap(N=10**15, save_at=TIMES)
    assert np.allclose(entries(one), entries(theory), rtol=2e-5, atol=2e-6)


def test_means_and_spreads_on_a_plateau(monkeypatch):
    """Kicks after the step, or means without their parts of order 1/N, are seen: N is small, and leaps are long."""
    from onlinemode.engines.leap import engine

    monkeypatch.setattr(engine, "CAPABILITIES", replace(engine.CAPABILITIES, least_N=1))
    problem, times, size = om.Problem(rates=om.LearningRates(1.0)), (10.0, 20.0), 200
    runs = [om.simulate(problem, committee(), times[-1], name, N=size, replicas=REPLICAS // 2, save_at=times, seed=seed)
            for name, seed in (("leap", 3), ("chain", 4))]
    found = chances(*runs)
    assert not rejected(found) & {"mean", "spread"}, {name: values.min() for name, values in found.items()}


def test_escape_times_at_large_N():
    """α_esc of two erf units at η = 1 has the mean ln N/(2 λ) + ..., 215.68 at N = 10⁹, and the spread 18.78 at any N.

    200 runs: by chance the mean is off by 4 standard errors once in 10⁴ times, and the spread, whose own standard error
    is 1.6, by as much as is allowed once in 10⁴ times.
    """
    times = np.arange(120.0, 361.0, 2.0)
    problem = om.Problem(rates=om.LearningRates(1.0))
    run = leap(problem, committee(), times[-1], 10**9, replicas=200, save_at=times, seed=5)
    escaped = om.escape_times(run, 0.01)
    assert abs(escaped.mean() - 215.68) < 4.0 * 18.78 / np.sqrt(200)
    assert 12.3 < escaped.std() < 25.3


def in_turn(heads, until=(1.0, 2.0), noise=(0.1, 0.8)):
    """Problem and start of two tasks, of which the first comes back."""
    tasks = om.Tasks.in_turn((0, 1, 0), until, heads=heads, noise=noise)
    readout = np.array([[0.3, 0.3, 0.3], [0.2, -0.1, 0.3]])
    begin = replace(start(), teacher_readout=np.array([[0.3, 0.3, 0.3], [0.5, -0.4, 0.1]]),
                    readout=readout[0] if heads is None else readout)
    return replace(PROBLEM, tasks=tasks), begin


def test_tasks_in_turn_have_the_law_of_the_chain():
    """Which tells the noise of one task from that of the other."""
    (problem, begin), times = in_turn((0, 1)), (1.0, 1.5, 2.5)
    runs = [om.simulate(problem, begin, times[-1], name, N=N, replicas=1000, save_at=times, seed=seed)
            for name, seed in (("leap", 7), ("chain", 1))]
    found = chances(*runs)
    assert rejected(found) == set(), {name: values.min() for name, values in found.items()}


@pytest.mark.parametrize("heads", [None, (0, 1)])
def test_tasks_in_turn_follow_their_equations_at_large_N(heads):
    (problem, begin), times = in_turn(heads), (1.0, 1.5, 2.5)
    theory = om.simulate(problem, begin, times[-1], "ode", save_at=times)
    one = leap(problem, begin, times[-1], N=10**15, save_at=times)
    assert np.allclose(entries(one), entries(theory), rtol=2e-5, atol=2e-6)
    assert np.allclose(one.task_errors, theory.task_errors, rtol=2e-5) and np.ptp(one.task_errors[0, -1]) > 1e-3


def test_tasks_in_turn_until_they_are_known(tmp_path):
    """At the next look after the equations fall below the level, and when the chain does at N = 1000."""
    _, begin = in_turn((0, 1))
    calm = replace(PROBLEM, noise=0.0, weight_decay=0.0)
    problem = replace(calm, tasks=om.Tasks.until_known((0, 1, 0), (0.02, 0.02), 0.25, heads=(0, 1)))
    theory = om.simulate(problem, begin, 14.0, "ode", save_at=29)
    run = leap(problem, begin, 14.0, N=10**14, save_at=29)
    late = run.switched_at[0] - theory.switched_at[0]
    assert 0.0 <= late[0] < 0.25 and 0.0 <= late[1] < 0.25 + 1.5 * late[0]
    exact, small = (om.simulate(problem, begin, 14.0, name, N=N, save_at=29, replicas=100, seed=seed)
                    for name, seed in (("chain", 1), ("leap", 7)))
    for turn in range(2):
        a, b = (np.rint(4.0 * run.switched_at[:, turn]) for run in (small, exact))  # the chain ends blocks of steps
        assert np.ptp(b) > 1.0 and stats.ks_2samp(a, b).pvalue > FALSE_ALARM
    small.save(tmp_path / "run.npz")
    assert np.array_equal(om.load(tmp_path / "run.npz").switched_at, small.switched_at)


def test_looks_at_tasks_are_taken_whatever_rounding_makes_of_their_times():
    problem, begin = in_turn((0, 1))
    reports = []

    def watched(report):
        reports.append(report)
        assert len(reports) < 100, f"no end, at {report}"

    for size, every in ((10**15 - 1, 1.0), (10**15, 1.0 / 3.0)):
        tasks = om.Tasks.until_known((0, 1), 1e-9, every, heads=(0, 1))
        run = leap(replace(problem, tasks=tasks), begin, 12.0, N=size, save_at=4, progress=watched)
        assert run.status == [om.Status.COMPLETED] and "turn 1 of 2" in run.message[0]


def test_the_first_leap_after_a_switch_is_short(monkeypatch):
    """As at a start: the length that a calm task allowed would bring all its noise at once."""
    from onlinemode.engines.leap import engine
    from onlinemode.kernels.leap.steps import ALPHA, STEP

    begun, advance = {}, engine._Simulation.advance

    def watched(self, motion, place, *given):
        begun[float(place.numbers[ALPHA])] = float(place.numbers[STEP])
        return advance(self, motion, place, *given)

    monkeypatch.setattr(engine._Simulation, "advance", watched)
    monkeypatch.setattr(engine, "LEAPS_PER_CALL", 3)
    problem, begin = in_turn((0, 1), (10.0, 20.0))
    leap(problem, begin, 30.0, save_at=(0.0, 30.0))
    assert begun[10.0] == begun[20.0] == 0.0
    assert all(step > 0.0 for alpha, step in begun.items() if alpha not in (0.0, 10.0, 20.0)) and len(begun) > 6


def test_tasks_in_turn_go_on_and_are_resumed(slow_looks, tmp_path, monkeypatch):
    """A head that is not trained keeps its readout over pieces and stops."""
    from onlinemode.engines.leap import engine

    monkeypatch.setattr(engine, "LEAPS_PER_CALL", 3)
    problem, begin = in_turn((0, 1), (10.0, 30.0))
    call = {"replicas": 3, "save_at": np.linspace(0.0, 40.0, 21), "seed": 3, "threads": 2}
    whole = leap(problem, begin, 40.0, **call)
    stopped = leap(problem, begin, 40.0, **call, checkpoint=tmp_path / "run.ckpt", checkpoint_every=0.001,
                   progress=StopAt(0.6))
    assert om.Status.INTERRUPTED in stopped.status
    assert_same(om.resume(tmp_path / "run.ckpt"), whole)
    assert np.ptp(whole.readout[:, 5:16, 0], axis=1).max() == 0.0 < np.ptp(whole.readout[:, 5:16, 1], axis=1).min()
    first = leap(problem, begin, 20.0, **call | {"save_at": np.linspace(0.0, 20.0, 11)})
    assert_same(om.join(first, om.go_on(first, 40.0, save_at=np.linspace(22.0, 40.0, 10))), whole)


def assert_same(one, other, count=None):
    for name in ("alpha", *PATHS, "generalization_error"):
        first, second = getattr(one, name), getattr(other, name)
        assert np.array_equal(first if name == "alpha" else first[:count], second, equal_nan=True), name


def test_threads_parts_and_the_number_of_replicas_change_nothing():
    call = {"replicas": 6, "save_at": 7, "seed": 2}
    run = leap(**call)
    assert_same(leap(**call, threads=1), run)
    assert_same(run, leap(**call | {"replicas": 3}), 3)
    few = leap(**call, keep="summary")
    assert np.array_equal(few.G, run.G[:5]) and few.meta["leaps"] == run.meta["leaps"]
    assert not np.array_equal(leap(**call | {"seed": 3}).G, run.G)


def test_saved_and_repeated(tmp_path):
    run = leap(replicas=2, save_at=5)
    run.save(tmp_path / "run.npz")
    again = om.load(tmp_path / "run.npz")
    assert_same(again, run)
    assert (again.meta["leaps"], again.meta["halved_kicks"]) == (run.meta["leaps"], run.meta["halved_kicks"])
    assert_same(om.repeat(again), run)


def test_weights_begin_as_their_overlaps():
    weights = om.initial.committee(N, K=2, seed=1)
    assert_same(leap(begin=weights, save_at=4, N=None), leap(begin=weights.order_parameters(), save_at=4))


@pytest.mark.parametrize("keep", ["all", "summary"])
def test_goes_on_to_the_bits_of_one_piece(keep, tmp_path):
    whole = leap(alpha=6.0, replicas=3, save_at=[0.0, 1.0, 2.5, 4.0, 6.0], keep=keep, store_final=True)
    first = leap(alpha=2.5, replicas=3, save_at=[0.0, 1.0, 2.5], keep=keep, store_final=True)
    first.save(tmp_path / "run.npz")
    later = om.go_on(om.load(tmp_path / "run.npz"), 6.0, save_at=[4.0, 6.0])
    assert np.array_equal(later.G, whole.G[:, 2:])
    joined = om.join(first, later)
    assert_same(joined, whole)
    assert joined.meta["leaps"] == whole.meta["leaps"] and joined.meta["steps"] == [6 * N] * 3


def test_goes_on_with_another_problem_and_as_ode():
    run = leap(alpha=2.0, replicas=2, save_at=3)
    other = om.Problem(noise=0.1, weight_decay=0.05, rates=om.LearningRates(0.5, 0.5, 0.5, 0.3))
    assert om.go_on(run, 4.0, save_at=3, problem=other).status == [om.Status.COMPLETED] * 2
    theory = om.go_on(run, 4.0, save_at=3, engine="ode")
    assert np.allclose(theory.G[:, 0], run.G[:, -1])


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_stopped_and_resumed(share, slow_looks, tmp_path, monkeypatch):
    from onlinemode.engines.leap import engine

    monkeypatch.setattr(engine, "LEAPS_PER_CALL", 3)
    call = {"alpha": 60.0, "replicas": 4, "save_at": 30, "seed": 3, "threads": 2}
    reference = leap(**call)
    stopped = leap(**call, checkpoint=tmp_path / "run.ckpt", checkpoint_every=0.001, progress=StopAt(share))
    assert om.Status.INTERRUPTED in stopped.status and np.isnan(stopped.G).any()
    resumed = om.resume(tmp_path / "run.ckpt")
    assert_same(resumed, reference)
    assert resumed.status == reference.status
    assert resumed.meta["leaps"] == reference.meta["leaps"]


def test_interrupted_from_the_beginning():
    def stop(report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leap(progress=stop)


def test_nothing_is_trained():
    run = leap(om.Problem(), save_at=4)
    assert run.status == [om.Status.COMPLETED] and "nothing is trained" in run.message[0]
    assert np.ptp(run.G, axis=1).max() == 0.0 and run.meta["leaps"] == [0]


def test_errors_beyond_all_bounds_are_divergence():
    begin = start()
    huge = om.OrderParameters(G=begin.G, S=begin.S, T=begin.T, strengths=begin.strengths, xi_out=begin.xi_out,
                              readout=np.full(3, 1e13), teacher_readout=begin.teacher_readout)
    run = leap(begin=huge, save_at=[0.0, 1.0, 3.0])
    assert run.status == [om.Status.DIVERGED] and "diverged at α = 0" in run.message[0]
    assert np.isfinite(run.G[0, 0]).all() and np.isnan(run.G[0, 1:]).all()


@pytest.mark.slow
def test_divergence_keeps_what_was_reached():
    fast = om.Problem("linear", rates=om.LearningRates(60.0))
    run = leap(fast, alpha=20.0, save_at=np.linspace(0.0, 20.0, 41))
    assert run.status == [om.Status.DIVERGED] and "lower the learning rates" in run.message[0]
    known = np.isfinite(run.generalization_error[0])
    assert 1 <= known.sum() < 41 and np.all(np.diff(known.astype(int)) <= 0)


@pytest.mark.filterwarnings("error")
def test_many_halved_kicks_are_told():
    """A student that has learned everything but its own size stands at the border of what vectors can have."""
    from onlinemode.engines.leap.engine import _warn_of_halved_kicks

    _warn_of_halved_kicks(1000, 10)
    with pytest.raises(RuntimeWarning, match="11 of 1,000 kicks of noise were halved.*use engine chain"):
        _warn_of_halved_kicks(1000, 11)


@pytest.mark.parametrize("problem, size, message", [
    (om.Problem(), 999, "engine leap approximates the chain for large N, and needs N ≥ 1,000; got 999: use"),
    (om.Problem(), None, "engine leap needs N when it starts from overlaps; got None"),
    (om.Problem(dropout=0.1), N, "engine leap knows no dropout; got dropout 0.1: use engine chain"),
    (om.Problem(drift=0.1), N, "engine leap knows no teacher that drifts; got drift = 0.1: use engine chain"),
    (om.Problem(tasks=om.Tasks((1, 2))), N, "engine leap knows no tasks that are mixed; got shares 1; 2: use engine"),
    (om.Problem(loss="huber"), N, "engine leap needs averages in closed form, .* loss huber: use engine chain"),
    (om.Problem(inputs=om.inputs.Rademacher()), N, "engine leap needs inputs with independent Gaussian entries"),
    (om.Problem(inputs=om.inputs.PowerLaw(1.0)), N, "engine leap (needs|knows no)"),
])
def test_refused(problem, size, message):
    with pytest.raises(EngineError, match=message) as caught:
        om.simulate(problem, start() if problem.tasks is None else in_turn(None)[1], 1.0, "leap", N=size)
    assert "\n" not in str(caught.value)


def test_an_experiment_is_refused_before_it_runs():
    experiment = om.Experiment(engine="leap", N=500)
    with pytest.raises(EngineError, match="needs N ≥ 1,000; got 500"):
        experiment.check()
    om.Experiment(engine="leap", N=10**15, kick_samples=32).check()
    with pytest.raises(EngineError, match="engine chain has no option 'kick_samples'"):
        om.Experiment(engine="chain", kick_samples=32).check()


def test_compared_with_theory():
    experiment = om.Experiment(engine="leap", init="committee", K=2, eta=1.0, N=10**6, alpha=5.0, save_at=10,
                               replicas=50)
    compared = om.compare(experiment, ["leap"])
    assert np.abs(compared.z_scores["leap"][1:]).max() < 4.5
    assert "leap, α = 5" in str(compared)
