"""Ensembles: statistics over replicas, calls in parts, fresh students."""

import csv
import json
import os

import numpy as np
import pytest
from small_ensembles import PROBLEM, STARTS, TIMES, assert_same_draws, fresh, fresh_overlaps, simulate

import onlinemode as om
from onlinemode.ensemble import OBSERVABLES, PROBABILITIES, Ensemble, ensemble_of
from onlinemode.errors import EngineError, FileError, ParameterError, RepeatError
from onlinemode.runtime import parts, starts


def assert_same_statistics(one, other):
    one, other = one.ensemble.to_arrays(), other.ensemble.to_arrays()
    assert set(one) == set(other)
    for name in one:
        assert np.array_equal(one[name], other[name], equal_nan=True), name


def assert_numpy(ensemble, observables, alpha):
    """The statistics against NumPy on the stacked replicas, one time after the other."""
    assert np.array_equal(ensemble.alpha, alpha)
    for i in range(len(alpha)):
        there = np.isfinite(observables["generalization_error"][:, i])
        assert ensemble.count[i] == there.sum()
        for name in OBSERVABLES:
            values = observables[name][there, i]
            mean, deviation = ensemble.mean[name][i], ensemble.standard_deviation[name][i]
            if len(values) == 0:
                assert np.isnan(mean).all() and np.isnan(ensemble.quantiles[name][:, i]).all()
            else:
                assert np.allclose(mean, values.sum(0) / len(values), rtol=1e-12, atol=1e-15)
                assert np.array_equal(ensemble.quantiles[name][:, i], np.quantile(values, PROBABILITIES, axis=0))
            if len(values) < 2:
                assert np.isnan(deviation).all() and np.isnan(ensemble.standard_error(name)[i]).all()
            else:
                expected = np.sqrt(((values - values.mean(0)) ** 2).sum(0) / (len(values) - 1))
                assert np.allclose(deviation, expected, rtol=1e-9, atol=1e-15)
                assert np.allclose(ensemble.standard_error(name)[i], expected / np.sqrt(len(values)), rtol=1e-9,
                                   atol=1e-15)


@pytest.mark.parametrize("engine", ["micro", "chain", "ode"])
def test_statistics_are_those_of_numpy(engine):
    run = simulate(engine, "fresh")
    assert run.ensemble.probabilities.tolist() == list(PROBABILITIES)
    assert_numpy(run.ensemble, {name: getattr(run, name) for name in OBSERVABLES}, run.alpha)
    assert run.ensemble is run.ensemble  # computed once


@pytest.mark.filterwarnings("error")
def test_a_common_start_has_no_spread():
    """Exactly none, at α = 0, and a mean that is its value: the rounding of sums is no fluctuation."""
    start = om.initial.committee(50, K=3, readout="sum", seed=3)
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=1.0)), start, 0.5, "chain", replicas=7, save_at=5)
    for name, mean in run.ensemble.mean.items():
        spread = run.ensemble.standard_deviation[name]
        assert (mean[0] == getattr(run, name)[0, 0]).all() and (spread[0] == 0.0).all()
    assert (run.ensemble.standard_deviation["Q"][1:] > 0.0).all()


def test_replicas_that_end_early_count_up_to_there():
    rng = np.random.default_rng(1)
    alpha = np.arange(6.0)
    shapes = {"Q": (2, 2), "R": (2, 3), "rho": (2, 3), "strengths": (2,), "readout": (2,)}
    values = {name: rng.standard_normal((4, 6, *shapes.get(name, ()))) for name in OBSERVABLES}
    for replica, end in enumerate((5, 2, 4, 3)):  # 4, 4, 3, 2, 1, 0 replicas
        for array in values.values():
            array[replica, end:] = np.nan
    ensemble = ensemble_of(alpha, values)
    assert ensemble.count.tolist() == [4, 4, 3, 2, 1, 0]
    assert_numpy(ensemble, values, alpha)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_diverging_replicas(engine):
    """Some replicas diverge, others do not: each counts as far as it came."""
    problem = om.Problem("linear", rates=om.LearningRates(xi_in=4.0))
    times = np.linspace(0.0, 25.0, 26)
    call = dict(N=3, seed=0, replicas=12, save_at=times, threads=1)
    start = om.initial.committee(3, K=1, seed=2, readout="sum")
    run = om.simulate(problem, start, 25.0, engine, **call)
    ended = {status.value for status in run.status}
    assert ended == {"completed", "diverged"}
    count = run.ensemble.count
    assert count[0] == 12 and 0 < count[-1] < 12 and np.all(np.diff(count) <= 0)
    assert_same_statistics(run, om.simulate(problem, start, 25.0, engine, keep="summary", **call))


@pytest.mark.parametrize("engine, start", [
    *((engine, start) for engine in ("micro", "chain") for start in STARTS),
    ("ode", "fresh"), ("ode", "fresh overlaps")])
def test_the_size_of_the_parts_and_what_is_kept_have_no_influence(engine, start, monkeypatch, tmp_path):
    """Bit for bit, with parts of 1, of 3, and all at once; saved, loaded and repeated in other parts."""
    whole = simulate(engine, start)
    assert whole.draws == whole.replicas == 7
    for size in (1, 3):
        monkeypatch.setattr(parts, "_replicas_a_part", lambda *arguments, size=size: size)
        for keep in ("all", "summary"):
            run = simulate(engine, start, keep=keep)
            assert run.replicas == 7 and run.draws == (7 if keep == "all" else 5)
            assert_same_draws(run, whole) if keep == "all" else assert_same_draws(run, whole, 5)
            assert_same_statistics(run, whole)
            assert run.meta["steps"] == whole.meta["steps"]
            assert run.meta.get("evaluations") == whole.meta.get("evaluations")
            assert run.meta["start"] == whole.meta["start"]
            assert (run.summary is None) == (keep == "all")
            assert np.array_equal(run.initial.G, whole.initial.G)
            run.save(tmp_path / "run.npz")
            again = om.load(tmp_path / "run.npz")
            assert again.meta == json.loads(json.dumps(run.meta))
            assert_same_draws(again, run)
            assert_same_statistics(again, run)
            assert again.start_of(6).G.tolist() == run.start_of(6).G.tolist()
            monkeypatch.setattr(parts, "_replicas_a_part", lambda *arguments: 2)
            repeated = om.repeat(again)
            assert_same_draws(repeated, run)
            assert_same_statistics(repeated, run)
            monkeypatch.setattr(parts, "_replicas_a_part", lambda *arguments, size=size: size)


@pytest.mark.parametrize("engine", ["micro", "chain"])
@pytest.mark.parametrize("start", ["one", "fresh"])
def test_any_number_of_threads(engine, start):
    first = simulate(engine, start, threads=1, keep="summary")
    for threads in (2, 7):
        again = simulate(engine, start, threads=threads, keep="summary")
        assert_same_draws(again, first)
        assert_same_statistics(again, first)


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_a_replica_of_many_equals_one_of_few(engine):
    """Replica 3 of 7 is that of 4, and differs from its neighbours."""
    many, few = simulate(engine, "fresh"), simulate(engine, "fresh", replicas=4)
    assert np.array_equal(many.G[:4], few.G)
    assert not np.array_equal(many.G[2], many.G[3])


def test_parts_fit_into_memory(monkeypatch):
    """Fresh weights, vectors that micro makes of overlaps, and the paths of a summary count; one start does not."""
    monkeypatch.setattr(parts, "PART_BYTES", 10**6)
    sizes = []
    wrapped = starts.Starts.part

    def part(self, replicas):
        sizes.append(len(replicas))
        return wrapped(self, replicas)

    monkeypatch.setattr(starts.Starts, "part", part)
    big = {"fresh": lambda r: om.initial.committee(4000, K=2, seed=1, student_seed=r),
           "overlaps": lambda r: om.initial.committee(4000, K=2, seed=1, student_seed=r, weights=False)}
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
    for start, engine, keep, expected in [
            ("fresh", "ode", "all", [3, 3, 3, 1]),  # 4000 × 4 × 16 bytes each
            ("overlaps", "micro", "all", [3, 3, 3, 1]), ("overlaps", "chain", "all", [10]),
            ("overlaps", "chain", "summary", [10])]:
        sizes.clear()
        options = {} if engine == "ode" else {"threads": 1}
        om.simulate(problem, big[start], 1e-3, engine, N=4000, replicas=10, keep=keep, save_at=2, **options)
        assert sizes == expected, (start, engine, keep)
    sizes.clear()
    om.simulate(problem, big["overlaps"], 1.0, "chain", N=4000, replicas=60, keep="summary", save_at=201, threads=1)
    # a path: 201 times × 16 bytes × (P(P+M) + K(K+M+P) = 20)
    assert sizes == [15] * 4
    sizes.clear()
    om.simulate(problem, big["fresh"](0), 1e-3, "micro", replicas=30, save_at=2)
    assert sizes == [30]
    sizes.clear()
    monkeypatch.setattr(parts, "PART_BYTES", 1)
    om.simulate(problem, big["overlaps"], 1e-3, "micro", N=4000, replicas=10, save_at=2, threads=4)
    assert sizes == [4, 4, 2]  # every thread has work


def test_progress_over_parts(monkeypatch):
    for engine in ("micro", "chain", "ode"):
        seen = []
        monkeypatch.setattr(parts, "_replicas_a_part", lambda *arguments: 2)
        simulate(engine, "fresh", progress=seen.append)
        fractions = [report.fraction for report in seen]
        assert fractions == sorted(fractions) and fractions[0] == 0.0
        assert fractions[-1] == pytest.approx(1.0)
        assert seen[-1].steps == (0 if engine == "ode" else 7 * 30)
        assert any(fraction == pytest.approx(2 / 7) for fraction in fractions)


def test_fresh_students_share_their_teacher():
    """They differ in X alone."""
    run = simulate("micro", "fresh")
    starts = [run.start_of(replica) for replica in range(7)]
    for name in ("T", "strengths", "xi_out", "readout", "teacher_readout"):
        assert all(np.array_equal(getattr(start, name), getattr(starts[0], name)) for start in starts)
    assert all(not np.array_equal(starts[0].G, start.G) and not np.array_equal(starts[0].S, start.S)
               for start in starts[1:])
    for replica in range(7):
        assert np.allclose(run.G[replica, 0], starts[replica].G, rtol=0.0, atol=1e-13)
        assert np.array_equal(fresh(replica).teacher, fresh(0).teacher)


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_a_fresh_student_runs_as_if_alone(engine):
    """Replica 0 of a callable is the run from that start."""
    many, one = simulate(engine, "fresh"), simulate(engine, fresh(0), replicas=1)
    assert np.array_equal(many.G[0], one.G[0])
    ode = simulate("ode", "fresh")
    for replica in (0, 4):
        assert np.array_equal(ode.G[replica], simulate("ode", fresh(replica), replicas=1).G[0])


def test_residuals_of_students_that_differ_in_their_factors():
    """The modes of the teacher are read off A and s, so all replicas must have the same."""
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
    base = om.initial.showcase(30, K=2, seed=1, weights=False)

    def other(replica):
        return om.OrderParameters(G=base.G, S=base.S, T=base.T, strengths=base.strengths * (1.0 + 0.1 * replica),
                                  xi_out=base.xi_out, readout=base.readout, teacher_readout=base.teacher_readout)

    assert om.simulate(problem, other, 1.0, "ode", replicas=2, save_at=TIMES).mode_residuals is None
    same = om.simulate(problem, lambda r: om.initial.showcase(30, K=2, seed=1, student_seed=r), 1.0, "ode", replicas=2,
                       save_at=TIMES)
    assert same.mode_residuals.shape == (2, 4, 2)


def weights_of(K=2, M=3, N=30, readout=0.5, seed=1):
    rng = np.random.default_rng(seed)
    return om.Weights(xi_in=rng.standard_normal((K, N)), strengths=np.ones(K), xi_out=np.eye(K),
                      readout=np.full(K, 0.5), teacher=np.ones((M, N)), teacher_readout=np.full(M, readout))


BAD_STARTS = {
    "nonsense": (lambda r: 3.0, "start(0) must be Weights, OrderParameters or ResolvedOverlaps; got float"),
    "nothing": (lambda r: weights_of() if r == 0 else None,
                "start(1) must be Weights, OrderParameters or ResolvedOverlaps; got NoneType"),
    "sizes": (lambda r: weights_of(K=2 + r), "the starts of all replicas must have one kind and size; start(1) is "
              "Weights with N = 30, K = 3, M = 3, P = 3, start(0) is Weights with N = 30, K = 2, M = 3, P = 2"),
    "N": (lambda r: weights_of(N=30 + r), "start(1) is Weights with N = 31, K = 2, M = 3, P = 2, start(0)"),
    "kinds": (lambda r: weights_of() if r == 0 else weights_of().order_parameters(),
              "start(1) is OrderParameters with K = 2, M = 3, P = 2, start(0) is Weights with N = 30"),
    "teachers": (lambda r: om.initial.committee(30, seed=r), "all replicas must have the same teacher; teacher of "
                 "start(1) differs from that of start(0): draw the student alone anew, as student_seed does"),
    "overlaps of teachers": (lambda r: om.initial.showcase(30, seed=r, weights=False), "T of start(1) differs"),
    "readouts": (lambda r: weights_of(readout=0.5 + r), "teacher_readout of start(1) differs"),
}


@pytest.mark.parametrize("engine", ["micro", "chain", "ode"])
@pytest.mark.parametrize("name", list(BAD_STARTS))
def test_bad_starts(name, engine):
    start, message = BAD_STARTS[name]
    with pytest.raises(ParameterError) as caught:
        om.simulate(PROBLEM, start, 1.0, engine, N=30 if name == "overlaps of teachers" else None, replicas=3)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("call, error, message", [
    (dict(keep="some"), ParameterError, "keep must be one of all, summary; got 'some'"),
    (dict(keep=None), ParameterError, "keep must be one of all, summary; got None"),
    (dict(engine="ode", start=fresh(0)), EngineError,
     "engine ode is deterministic and has one replica a start; got replicas = 3: leave it out"),
    (dict(store_weights=True), ParameterError, "store_weights needs one start for all replicas; got a callable: leave "
     "it out, recipes of onlinemode.initial are stored anyway"),
    (dict(N=31), ParameterError, "N must be that of the weights, 30; got 31: leave it out"),
    (dict(keep="summary", replicas=10**7, save_at=1000, engine="chain"), ParameterError,
     "quantiles of 10,000,000 replicas at 1000 times need 1639.1 GiB of memory; it must be at most 4 GiB: give fewer "
     "replicas"),
    (dict(keep="summary", replicas=10**6, save_at=1000), ParameterError, "give fewer replicas, or save_at = 24"),
    (dict(replicas=2**24 + 1), ParameterError, "replicas must be a whole number ≥ 1 and ≤ 16777216; got 16777217"),
    (dict(start=fresh_overlaps), EngineError, "engine chain needs N when it starts from overlaps; got None"),
    (dict(start=fresh_overlaps, engine="micro"), EngineError, "engine micro needs N when it starts from overlaps"),
])
def test_bad_calls(call, error, message, monkeypatch):
    monkeypatch.setattr(parts, "_replicas_a_part", lambda *arguments: 2)
    with pytest.raises(error) as caught:
        om.simulate(**{"problem": PROBLEM, "start": fresh, "alpha": 1.0, "engine": "chain", "replicas": 3, **call})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_students_of_ones_own_cannot_be_repeated(tmp_path):
    """As Weights without a recipe; as overlaps they are in the file."""
    rng = np.random.default_rng(4)
    students = [rng.standard_normal((2, 30)) for _ in range(3)]

    def start(replica):
        w = fresh(0)
        return om.Weights(xi_in=students[replica], strengths=w.strengths, xi_out=w.xi_out, readout=w.readout,
                          teacher=w.teacher, teacher_readout=w.teacher_readout)

    run = simulate("chain", start, replicas=3)
    run.save(tmp_path / "run.npz")
    with pytest.raises(RepeatError) as caught:
        om.repeat(om.load(tmp_path / "run.npz"))
    assert str(caught.value).startswith("replica 0 of this run began from weights of your own (SHA-256 ")
    assert "store_weights" not in str(caught.value) and "\n" not in str(caught.value)
    overlaps = simulate("chain", lambda r: start(r).order_parameters(), replicas=3)
    overlaps.save(tmp_path / "run.npz")
    assert_same_draws(om.repeat(om.load(tmp_path / "run.npz")), overlaps)


def test_numpy_seeds_of_students_can_be_saved(tmp_path):
    seeds = np.array([3, 1, 4])
    run = simulate("chain", lambda r: om.initial.committee(30, K=2, seed=5, student_seed=seeds[r]), replicas=3)
    run.save(tmp_path / "run.npz")
    assert_same_draws(om.repeat(om.load(tmp_path / "run.npz")), run)


# files

def test_csv_of_statistics(tmp_path):
    run = simulate("chain", "fresh", keep="summary")
    run.ensemble.to_csv(tmp_path / "e.csv")
    with open(tmp_path / "e.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["alpha"]) for row in rows] == run.alpha.tolist()
    assert [row["replicas"] for row in rows] == ["7"] * 4
    endings = ("mean", "sd", "q2.5", "q25", "q50", "q75", "q97.5")
    entries = {"generalization_error": 1, "specialization": 1, "Q": 4, "R": 6, "rho": 6, "strengths": 2, "readout": 2}
    assert len(rows[0]) == 2 + len(endings) * sum(entries.values())
    for i, row in enumerate(rows):
        ensemble = run.ensemble
        assert float(row["R_1_2_mean"]) == ensemble.mean["R"][i, 1, 2]
        assert float(row["R_1_2_sd"]) == ensemble.standard_deviation["R"][i, 1, 2]
        assert float(row["R_1_2_q2.5"]) == ensemble.quantiles["R"][0, i, 1, 2]
        assert float(row["Q_0_1_q97.5"]) == ensemble.quantiles["Q"][4, i, 0, 1]
        assert float(row["readout_1_q50"]) == ensemble.quantiles["readout"][2, i, 1]
        assert float(row["generalization_error_q75"]) == ensemble.quantiles["generalization_error"][3, i]
    with pytest.raises(FileError):
        run.ensemble.to_csv(tmp_path / "nowhere" / "e.csv")


def test_a_file_without_statistics_and_one_that_lost_some(tmp_path):
    assert Ensemble.from_arrays(np.zeros(2), {}) is None
    run = simulate("chain", "one", keep="summary")
    run.save(tmp_path / "run.npz")
    assert os.path.getsize(tmp_path / "run.npz") < 60_000
    with np.load(tmp_path / "run.npz") as archive:
        arrays = {key: archive[key] for key in archive.files if key != "ensemble_sd_R"}
    np.savez(tmp_path / "run.npz", **arrays)
    with pytest.raises(FileError, match="an entry is missing or damaged .'ensemble_sd_R'."):
        om.load(tmp_path / "run.npz")
