"""Ctrl-C in the middle of an ensemble: what was made is kept, nothing is half done."""

import signal
import threading

import numpy as np
import pytest
from small_ensembles import TIMES, assert_same_draws, fresh, simulate

import onlinemode as om
from onlinemode.runtime import parts

LONG = {"micro": 20_000.0, "chain": 200_000.0, "ode": 1e7}


def long_run(engine, replicas, keep, after, interrupt, **options):
    """A call in parts of 2 that is interrupted when the share ``after`` is done."""
    sent = []

    def progress(report):
        if report.fraction > after and not sent:
            sent.append(True)
            interrupt()

    problem = om.Problem(noise=0.1, weight_decay=0.1, rates=om.LearningRates(xi_in=0.5))
    times = np.linspace(0.0, LONG[engine], 2001)
    threads = {} if engine == "ode" else {"threads": 1}
    return om.simulate(problem, fresh, LONG[engine], engine, replicas=replicas, keep=keep, save_at=times, seed=3,
                       progress=progress, **threads, **options)


def raise_signal():
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("keep", ["all", "summary"])
@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_interrupt_in_the_middle_of_a_part(engine, keep, monkeypatch, tmp_path):
    """What was reached stays, the rest is NaN, and the file can be read and knows every start."""
    monkeypatch.setattr(parts, "_replicas_a_part", lambda *arguments: 2)
    run = long_run(engine, 7, keep, 0.0, raise_signal)
    assert run.status == [om.Status.INTERRUPTED] * 7
    assert run.draws == (7 if keep == "all" else 5) and run.replicas == 7 == len(run.meta["steps"])
    assert run.message[0].startswith("stopped by the user at α = ")
    assert run.message[1:] == ["stopped by the user before it began; all times are NaN"] * 6
    kept = np.isfinite(run.generalization_error[0])
    assert 0 < kept.sum() < kept.size and np.isnan(run.G[1:]).all()
    assert np.array_equal(run.ensemble.count, kept.astype(int))
    assert run.meta["steps"][1:] == [0] * 6
    run.save(tmp_path / "run.npz")
    again = om.load(tmp_path / "run.npz")
    assert_same_draws(again, run)
    assert [again.start_of(r).S.tolist() for r in range(7)] == [fresh(r).order_parameters().S.tolist()
                                                                for r in range(7)]
    assert again.meta["start"]["fingerprints"] == [fresh(r).fingerprint() for r in range(7)]


@pytest.mark.parametrize("keep", ["all", "summary"])
def test_interrupt_of_the_mean_field_equations_in_parts(keep, monkeypatch):
    """Short integrations are interrupted, too, and those made are kept."""
    monkeypatch.setattr(parts, "_replicas_a_part", lambda *arguments: 2)

    def progress(report):
        if report.fraction > 0.4:
            raise KeyboardInterrupt

    whole = simulate("ode", "fresh", keep=keep)
    run = simulate("ode", "fresh", keep=keep, progress=progress)
    done = sum(status is om.Status.COMPLETED for status in run.status)
    assert done == 3 and run.status[3:] == [om.Status.INTERRUPTED] * 4
    assert np.array_equal(run.G[:3], whole.G[:3]) and np.isnan(run.G[3:]).all()
    assert run.ensemble.count.tolist() == [3] * len(TIMES)
    assert 0 < run.meta["evaluations"] < whole.meta["evaluations"]


@pytest.mark.parametrize("keep", ["all", "summary"])
@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_interrupt_when_all_of_a_part_is_done(engine, keep, monkeypatch):
    """A signal that comes when the last replica of a part has just ended stops the parts that follow."""
    monkeypatch.setattr(parts, "_replicas_a_part", lambda *arguments: 2)

    sent = []

    def progress(report):
        if report.fraction == pytest.approx(4 / 7) and not sent:
            sent.append(True)
            raise_signal()

    run = simulate(engine, "fresh", keep=keep, progress=progress)
    assert [status.value for status in run.status] == ["completed"] * 4 + ["interrupted"] * 3
    whole = simulate(engine, "fresh", keep=keep)
    assert np.array_equal(run.G[:4], whole.G[:4])
    assert np.isnan(run.G[4:]).all()
    assert run.ensemble.count.tolist() == [4] * len(TIMES)


@pytest.mark.parametrize("where, keep", [("start", "all"), ("start", "summary"), ("gather", "summary")])
def test_interrupt_between_two_parts(where, keep, monkeypatch):
    """While a start is drawn or statistics are gathered: the parts before are kept, and nothing half done."""
    monkeypatch.setattr(parts, "_replicas_a_part", lambda *arguments: 2)
    fired = []

    def start(replica):
        if where == "start" and replica == 5 and not fired:
            fired.append(True)
            raise KeyboardInterrupt
        return fresh(replica)

    if where == "gather":
        gather = parts._gather

        def broken(gathered, part, first, replicas):
            gather(gathered, part, first, replicas)
            if first == 4:
                raise KeyboardInterrupt

        monkeypatch.setattr(parts, "_gather", broken)
    run = simulate("chain", start, keep=keep)
    assert [status.value for status in run.status] == ["completed"] * 4 + ["interrupted"] * 3
    assert run.ensemble.count.tolist() == [4] * len(TIMES)
    assert [run.start_of(r).S.tolist() for r in range(7)] == [fresh(r).order_parameters().S.tolist() for r in range(7)]


def test_interrupt_before_anything_was_made_is_an_interrupt():
    def start(replica):
        if replica == 1:
            raise KeyboardInterrupt
        return fresh(replica)

    with pytest.raises(KeyboardInterrupt):
        simulate("chain", start)


def test_interrupt_from_outside_while_parts_run(monkeypatch):
    monkeypatch.setattr(parts, "_replicas_a_part", lambda *arguments: 2)
    simulate("chain", "fresh", replicas=1)  # compiled
    timer = threading.Timer(0.7, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    timer.start()
    try:
        run = long_run("chain", 5, "summary", 2.0, raise_signal)
    finally:
        timer.cancel()
        timer.join()
    assert run.status[-1] is om.Status.INTERRUPTED and run.draws == 5


# fresh students
