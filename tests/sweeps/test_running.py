"""The loop of a sweep: what it takes, tells, writes, and whom it blames."""

from collections import deque
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from small_sweeps import LONG, MANY, OVER, SMALL

import onlinemode as om
from onlinemode.errors import EngineError
from onlinemode.sweeps import places, running, store, work


def test_what_a_point_raises_is_told_and_stops_nothing(monkeypatch, serial):
    real = work._run

    def run(job, point, *given):
        if point == {"eta": 1.0, "noise": 0.1}:
            raise ZeroDivisionError("in the\nmiddle")
        if point == {"eta": 2.0, "noise": 0.0}:
            raise MemoryError
        return real(job, point, *given)

    monkeypatch.setattr(work, "_run", run)
    reports = []
    made = om.sweep(SMALL, OVER | {"noise": [0.0, 0.1, -1.0]}, progress=reports.append)
    assert made.status.values.tolist() == [["completed", "completed", "invalid"], ["completed", "error", "invalid"],
                                           ["error", "completed", "invalid"]]
    assert made.message.values[1, 1] == "ZeroDivisionError: in the middle"
    assert made.message.values[2, 0].startswith("not enough memory")
    assert "noise must be a finite number ≥ 0; got -1.0" in made.message.values[0, 2]
    assert reports[-1][:4] == (9, 5, 9, pytest.approx(0.0, abs=1e-6))
    assert made.final_error[:, 0].values.tolist()[:2] == serial.final_error[:, 0].values.tolist()[:2]


def test_what_a_pool_raises_ends_the_sweep():
    """An error that every batch would meet is no affair of single points."""

    class Pool:
        def submit(self, *_):
            future = Future()
            future.set_exception(ModuleNotFoundError("No module named 'onlinemode'"))
            return future

    with pytest.raises(EngineError, match="the workers cannot make points: ModuleNotFoundError: No module named .*: "
                       "what makes experiments must be in a module that the workers have"):
        om.sweep(SMALL, OVER, executor=Pool())


def test_tiles_do_not_wait_in_memory(tmp_path, monkeypatch):
    """However fast they come, and however long they take to be written."""
    from onlinemode.sweeps import tiles

    most, real = [], store.Store.add
    monkeypatch.setattr(tiles, "MOST_POINTS", 1)
    monkeypatch.setattr(running, "FLUSH_SHARE", 1e-9)
    monkeypatch.setattr(running, "MOST_UNWRITTEN", 3)
    monkeypatch.setattr(store.Store, "add", lambda self, batch: real(self, batch) or most.append(self.unwritten))
    om.sweep(SMALL, {"eta": "0.5:2:20"}, store=tmp_path / "s")
    assert 3 < max(most) < 8


def test_progress_tells_the_share_of_a_folder(tmp_path):
    reports = []
    om.sweep(SMALL, {"eta": [0.5], "noise": [0.0, 0.1]}, store=tmp_path / "s")
    om.sweep(SMALL, OVER, store=tmp_path / "s", progress=reports.append)
    assert reports[0] == running.SweepProgress(2, 0, 6, None) and reports[-1][:3] == (6, 0, 6)


def test_progress_tells_what_failed_before(tmp_path):
    reports, over = [], {"eta": [0.5, 1.0], "noise": [0.0, -1.0]}
    for _ in range(2):
        om.sweep(SMALL, over, store=tmp_path / "s", progress=reports.append)
    assert reports[-1][:3] == (4, 2, 4) and (4, 2, 4) in [each[:3] for each in reports[:-1]]
    assert running._well(np.array([[1, 1], [1, 2], [1, 3]])).tolist() == [True, True, False]


@pytest.fixture
def loop():
    """A loop without a sweep, for what it does when workers die."""
    loop = object.__new__(running._Loop)
    loop._again, loop._flying, loop._breaks, loop._has_made = deque(), {}, 0, True
    loop._place, loop._store = SimpleNamespace(recover=lambda: None), SimpleNamespace(flush=lambda: None)
    return loop


def test_deaths_count_only_where_it_is_known_who_is_to_blame(loop):
    flying = running._Flying
    for lost, again in [(flying([1, 2]), [flying([1, 2], 1)]), (flying([1], 1), [flying([1], 2)]),
                        (flying([1, 2], 2), [flying([1], 2), flying([2], 2)]), (flying([1], 2), [flying([1], 2, 1)])]:
        loop._again.clear()
        loop._lose(lost)
        assert list(loop._again) == again
    loop._again.clear()
    loop._has_made = False  # maybe nothing can be made there
    loop._lose(flying([1], 2, 1))
    assert list(loop._again) == [flying([1], 2, 2)]


def test_nothing_is_made_beside_a_batch_that_is_made_alone(loop):
    flying = running._Flying
    loop._batches, loop._place.workers = SimpleNamespace(next=lambda workers: [9]), 2
    loop._again.extend([flying([1], 2), flying([2], 1)])
    loop._flying = {Future(): flying([3], 1)}
    assert loop._next() is None  # it waits for what is in the making
    loop._flying = {}
    assert loop._next() == flying([1], 2)
    loop._flying = {Future(): flying([1], 2)}
    assert loop._next() is None
    loop._flying = {}
    assert [loop._next(), loop._next()] == [flying([2], 1), flying([9])]


def test_what_is_done_when_a_pool_breaks_is_taken(loop, monkeypatch):
    taken, done, broken = [], Future(), Future()
    done.set_result("rows")
    broken.set_exception(BrokenProcessPool("a process died"))
    monkeypatch.setattr(loop, "_take", lambda batch, numbers: taken.append((batch, numbers)))
    loop._flying = {broken: running._Flying([1]), done: running._Flying([2])}
    loop._recover()
    assert taken == [("rows", [2])] and list(loop._again) == [running._Flying([1], 1)]


def test_ctrl_c_takes_what_has_come_meanwhile(monkeypatch):
    """And lets the pool of the user begin nothing more."""
    given = []

    class Pool:
        _max_workers = 1

        def submit(self, function, packed, numbers, values):
            future = Future()
            given.append((future, numbers, lambda: future.set_result(function(packed, numbers, values))))
            if len(given) == 1:
                given[0][2]()
            return future

    def stop(report):
        if report.done:
            given[1][2]()
            raise KeyboardInterrupt

    monkeypatch.setattr(places.Foreign, "seconds", 1e-9)
    many = om.sweep(LONG, MANY, executor=Pool(), progress=stop)
    assert (many.status == "completed").sum() == len(given[0][1]) + len(given[1][1])
    assert len(given) == 3 and given[2][0].cancelled()


@pytest.mark.parametrize("problem, closed", [(None, False), (KeyboardInterrupt, True), (EngineError, True)])
def test_a_place_is_told_how_a_sweep_ended(problem, closed, monkeypatch):
    told = []

    class Place(places.Here):
        def close(self, interrupted=False):
            told.append(interrupted)

    def stop(report):
        if report.done and problem is not None:
            raise problem("no luck")

    monkeypatch.setattr("onlinemode.sweeps.api.place_of", lambda executor, job, *_: Place(job))
    with pytest.raises(EngineError, match="no luck") if problem is EngineError else nullcontext():
        om.sweep(SMALL, OVER, progress=stop)
    assert told == [closed]


def test_a_report_that_fails_is_no_fault_of_the_point(tmp_path, monkeypatch):
    """The sweep ends with the user's own error; the point is missing, or what it is."""
    def fail(report):
        if report.inside > 0.0:
            raise ZeroDivisionError("mine")

    monkeypatch.setattr(places.Here, "seconds", 0.0)
    base = SMALL.replace(engine="chain", N=2000, alpha=20.0)
    with pytest.raises(ZeroDivisionError, match="mine"):
        om.sweep(base, {"eta": [1.0, 2.0]}, store=tmp_path / "s", progress=fail)
    made = om.sweep(base, {"eta": [1.0, 2.0]}, store=tmp_path / "s")
    assert (made.status == "completed").all()


def test_ctrl_c_between_the_runs_of_a_batch(monkeypatch):
    """The points of the batch that were made before it are kept."""
    from onlinemode.sweeps.plan import plan_of

    real = work._run
    monkeypatch.setattr(work, "_run", lambda job, point, *given: real(job, point, *given) if point["noise"] == 0
                        else (_ for _ in ()).throw(KeyboardInterrupt))
    plan = plan_of(SMALL, OVER)
    job = work.Job(plan.recipe, plan.grid.names, plan.kept, {}, "")
    batch = work.make_points(job, [0, 1], [(0.5, 0.0), (0.5, 0.1)])
    assert batch.numbers == [0] and len(batch.rows["status"]) == 1


def test_points_share_a_start_where_they_have_the_same(monkeypatch):
    """The numbers are those of single runs, and nothing is drawn twice in a row."""
    from onlinemode.sweeps.plan import plan_of

    experiment = om.Experiment(N=40, K=2, alpha=2.0, save_at=6, engine="ode")
    plan = plan_of(experiment, {"seed": [3, 4], "eta": [1.0, 2.0, 3.0]}, keep="Q")
    points = [(seed, eta) for seed in (3, 4) for eta in (1.0, 2.0, 3.0)]
    drawn, draw = [], om.initial.showcase
    monkeypatch.setattr("onlinemode.initial.showcase", lambda **given: drawn.append(given["seed"]) or draw(**given))
    made = work.make_points(work.Job(plan.recipe, plan.grid.names, plan.kept, {}, ""), list(range(6)), points)
    assert drawn == [3, 4]
    for number, (seed, eta) in enumerate(points):
        run = experiment.replace(seed=seed, eta=eta, save_at=plan.kept.times).run()
        assert np.array_equal(made.rows["Q"][number], run.Q[0])


def test_messages_are_not_longer_than_a_page(monkeypatch):
    def fail(*_):
        raise RuntimeError("x" * 5000)

    monkeypatch.setattr(work, "_run", fail)
    assert len(om.sweep(SMALL, {"eta": [1]}).message.item()) == work.LONGEST_MESSAGE
