"""``onlinemode repeat``: equal to the bit, or how it differs."""

import dataclasses

import numpy as np
import pytest

import onlinemode as om

SMALL = ["--N", "120", "--alpha", "3", "--save-at", "20"]


ENSEMBLE = ["--N", "60", "--alpha", "2", "--save-at", "12", "--replicas", "8"]


def test_repeat_of_an_interrupted_run(onlinemode):
    """Equal as far as the file goes."""
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0))

    def stop(progress):
        if progress.steps:
            raise KeyboardInterrupt

    part = om.simulate(problem, om.initial.committee(4000, seed=1), 3000.0, "chain", progress=stop, save_at=50)
    assert part.status == [om.Status.INTERRUPTED]
    part.save("part.npz")
    code, out, _ = onlinemode("repeat", "part.npz")
    assert code == 0 and "up to where the file ends" in out


def test_repeat_of_a_file_that_holds_a_step_twice(onlinemode):
    """Older versions saved a step as often as times fell on it."""
    onlinemode("simulate", *SMALL, "--no-plot", "--out", "x")
    run = om.load("x.npz")
    rows = np.sort([*range(len(run.alpha)), 3, 3, 7])
    old = dataclasses.replace(run, alpha=run.alpha[rows], **{
        name: getattr(run, name)[:, rows] for name in ("G", "S", "strengths", "xi_out", "readout")})
    old.save("old.npz")
    code, out, _ = onlinemode("repeat", "old.npz")
    assert code == 0 and "the repeated run is equal to the file, to the bit" in out
    run.info.call["save_at"] = 5
    run.save("other.npz")
    code, out, _ = onlinemode("repeat", "other.npz")
    assert code == 1 and "the repeated run has other saved times than the file, 5 and 19 of them" in out


def test_repeat_sees_other_statistics(onlinemode):
    """Also those of replicas that are not kept."""
    result = om.simulate(om.Problem(rates=om.LearningRates(xi_in=1.0)), om.initial.committee(30), 1.0, "chain",
                         replicas=8, keep="summary", save_at=5)
    result.summary.mean["Q"][-1, 0, 0] += 1e-12
    result.save("x.npz")
    code, out, _ = onlinemode("repeat", "x.npz")
    assert code == 1 and "differs from the file" in out


@pytest.mark.parametrize("keep", ["all", "summary"])
def test_repeat_of_an_interrupted_ensemble(keep, onlinemode, monkeypatch):
    """Equal as far as the draws go, though the statistics are of more replicas; the message is of one that ended."""
    from onlinemode.runtime import parts

    monkeypatch.setattr(parts, "_replicas_a_part", lambda *arguments: 2)

    def stop(progress):
        if progress.fraction > 0.4:
            raise KeyboardInterrupt

    def start(replica):
        return om.initial.committee(30, student_seed=replica)

    result = om.simulate(om.Problem(rates=om.LearningRates(xi_in=1.0)), start, 1.0, "chain", replicas=9, keep=keep,
                         save_at=5, progress=stop)
    assert om.Status.COMPLETED in result.status and om.Status.INTERRUPTED in result.status
    result.save("x.npz")
    code, out, _ = onlinemode("repeat", "x.npz")
    assert code == 0 and "up to where the file ends: stopped by the user before it began" in out
