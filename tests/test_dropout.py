"""Dropout: samples leave out hidden units and modes, in micro, chain and ode.

Seeds are fixed. With others a comparison of 40 replicas with the mean-field equations would raise a false alarm once in
some 10^3 (the largest of 42 correlated z-scores above 4.5).
"""

import itertools
import math

import chain_vectors
import numpy as np
import plain_sgd
import pytest
from small_ensembles import z_scores

import onlinemode as om
from onlinemode.engines.chain import engine as chain
from onlinemode.engines.micro import engine as micro
from onlinemode.errors import EngineError, ParameterError
from onlinemode.kernels.random.philox import (
    STREAM_CHAIN_MODES_LEFT_OUT,
    STREAM_CHAIN_UNITS_LEFT_OUT,
    STREAM_MODES_LEFT_OUT,
    STREAM_UNITS_LEFT_OUT,
)
from onlinemode.kernels.random.uniforms import fill_below
from onlinemode.theory.meanfield import MeanFieldDrift

RATES = om.LearningRates(xi_in=0.8, strengths=0.3, xi_out=0.4, readout=0.2)
BLOCKS = ("G", "S", "strengths", "xi_out", "readout")


def problem(dropout=0.3, mode_dropout=0.2, **changes):
    return om.Problem(**{"noise": 0.2, "weight_decay": 0.1, "rates": RATES, "dropout": dropout,
                         "mode_dropout": mode_dropout, **changes})


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in BLOCKS)


# -- micro and chain ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dropout, mode_dropout", [(0.3, 0.2), (0.3, 0.0), (0.0, 0.2), ("linear:0=0.6,4=0", 0.2)])
@pytest.mark.parametrize("batch", [1, 3])
def test_micro_is_the_plain_rule(random_weights, batch, dropout, mode_dropout):
    """120 steps, every sample with its own masks; other masks give another student."""
    start, learned = random_weights(37, 5, 3, 4, seed=3), problem(dropout, mode_dropout, batch=batch)
    run = om.simulate(learned, start, 120 / 37, "micro", seed=5, save_at=np.array([0, 120]) / 37)
    expected = plain_sgd.run(learned, start, 120, 5).overlaps(start.teacher)
    for name, values in expected.items():
        assert np.abs(getattr(run, name)[0, -1] - values).max() < 1e-11 * max(1.0, np.abs(values).max()), name
    other = plain_sgd.run(learned, start, 120, 6).overlaps(start.teacher)
    assert np.abs(other["S"] - expected["S"]).max() > 1e-3


@pytest.mark.parametrize("batch", [1, 6])
def test_chain_is_the_rule_of_real_vectors(random_weights, batch):
    start = random_weights(40, 2, 2, 3, seed=4)
    *_, pair = chain_vectors.pairs(problem(batch=batch), start, 41, seed=7)
    for name, values in pair.vectors.overlaps(start.teacher).items():
        assert np.abs(pair.chain[name] - values).max() < 1e-10 * max(1.0, np.abs(values).max()), name


def test_shares_and_independence_of_masks():
    """100,000 masks of 5: shares of units and of pairs within 5 standard errors; streams of engines differ."""
    masks = np.empty((100_000, 5))
    for sample, mask in enumerate(masks):
        fill_below(0.3, STREAM_UNITS_LEFT_OUT, 1, sample, np.uint64(3), mask)
    assert set(np.unique(masks)) == {0.0, 1.0}
    assert np.abs(masks.mean(0) - 0.7).max() < 5.0 * math.sqrt(0.21 / 1e5)
    for i, j in itertools.combinations(range(5), 2):
        assert abs((masks[:, i] * masks[:, j]).mean() - 0.49) < 5.0 * math.sqrt(0.25 / 1e5)
    others = []
    for stream in (STREAM_MODES_LEFT_OUT, STREAM_CHAIN_UNITS_LEFT_OUT, STREAM_CHAIN_MODES_LEFT_OUT):
        mask = np.empty((1000, 5))
        for sample in range(1000):
            fill_below(0.3, stream, 1, sample, np.uint64(3), mask[sample])
        others.append(mask)
    assert len({mask.tobytes() for mask in (masks[:1000], *others)}) == 4
    nothing, all_ = np.empty(5), np.empty(5)
    fill_below(0.0, 11, 0, 0, np.uint64(0), nothing)
    fill_below(1.0, 11, 0, 0, np.uint64(0), all_)
    assert np.all(nothing == 1.0) and np.all(all_ == 0.0)


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_no_dropout_is_none(engine):
    """To the bit, and the same code: a share of 0 in a schedule draws masks that keep all."""
    start = om.initial.showcase(200, K=2, seed=1)
    plain, none, scheduled = (om.simulate(problem(share, 0.0), start, 5.0, engine, seed=2, save_at=5)
                              for share in (0.0, 0, "steps:0,3=0"))
    assert same(plain, none) and same(plain, scheduled)
    assert not problem(0.0, 0.0).drops_out and problem(0.0, 0.0).rule(10).dropout is None


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_units_that_are_always_left_out_learn_nothing(engine):
    start = om.initial.showcase(100, K=2, seed=1)
    run = om.simulate(problem(1.0, 0.0, weight_decay=0.0), start, 3.0, engine, seed=2, save_at=3)
    for name in BLOCKS:
        assert getattr(run, name)[0, -1] == pytest.approx(getattr(run, name)[0, 0], rel=1e-12, abs=1e-13)
    sizes = np.sqrt(1.0 + np.diag(run.T))
    moments = 2.0 / math.pi * np.arcsin(run.T / np.outer(sizes, sizes))
    silent = 0.5 * run.teacher_readout @ moments @ run.teacher_readout
    assert run.generalization_error[0] == pytest.approx(np.full(3, silent), rel=1e-9)  # the student says nothing


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_threads_pieces_and_files(tmp_path, engine):
    start = om.initial.showcase(60, K=2, seed=1)
    end = {"store_final": True} if engine == "micro" else {}
    one, three = (om.simulate(problem(), start, 8.0, engine, seed=2, save_at=[0.0, 4.0, 8.0], replicas=3,
                              threads=threads) for threads in (1, 3))
    assert same(one, three)
    first = om.simulate(problem(), start, 4.0, engine, seed=2, save_at=[0.0, 4.0], replicas=3, **end)
    assert same(om.join(first, om.go_on(first, 8.0, save_at=[8.0])), one)
    one.save(tmp_path / "run.npz")
    loaded = om.load(tmp_path / "run.npz")
    assert loaded.problem == problem() and same(om.repeat(loaded), one)
    assert np.array_equal(loaded.generalization_error, one.generalization_error)


# -- theory ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"activation": "relu", "dropout": "linear:0=0.5,4=0"}])
def test_ode_is_the_limit(changes):
    """Chain at N = 4,000; another share is seen."""
    start = om.initial.showcase(2000, K=2, seed=3).order_parameters()
    times, learned = [0.0, 1.0, 3.0, 6.0], problem(**changes)
    runs = om.simulate(learned, start, 6.0, "chain", N=4000, replicas=40, save_at=times, seed=1)
    limit = om.simulate(learned, start, 6.0, "ode", save_at=times)
    z = z_scores(runs, limit)
    assert z.max() < 4.5 and np.sqrt((z**2).mean()) < 1.6
    spread = runs.generalization_error[:, 1:].std(0, ddof=1) / math.sqrt(40)
    assert np.abs((runs.generalization_error.mean(0) - limit.generalization_error[0])[1:] / spread).max() < 4.5
    wrong = problem(**{"activation": learned.activation, "dropout": 0.2, "mode_dropout": 0.25})
    assert z_scores(runs, om.simulate(wrong, start, 6.0, "ode", save_at=times)).max() > 9.0


def test_drift_is_that_of_moments(random_overlaps):
    """Only moments of the masks enter for X trained alone: p^(different units) in the weights, docs/theory, 15.2."""
    o, q = random_overlaps(3, 2, 3, seed=5), 0.35
    drift = MeanFieldDrift(om.Problem(noise=0.2, rates=om.LearningRates(xi_in=0.7), dropout=q), o)
    found = drift(drift.full[drift.active])
    masks = [np.array(each) for each in itertools.product((0.0, 1.0), repeat=3)]
    moment = lambda *units: sum(q ** (3 - mask.sum()) * (1 - q) ** mask.sum() * mask[list(units)].prod()  # noqa: E731
                                for mask in masks)
    assert moment(0, 0, 1, 2) == pytest.approx((1 - q) ** 3, rel=1e-12) and moment(1, 1) == pytest.approx(1 - q)
    expected = sum(q ** (3 - mask.sum()) * (1 - q) ** mask.sum() * thinned_drift(o, mask) for mask in masks)
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-13)
    assert thinned_drift(o, np.ones(3)) != pytest.approx(found, rel=1e-3)


def thinned_drift(o, mask):
    """Of the student of this mask, without dropout."""
    student = om.OrderParameters(**{name: getattr(o, name) for name in ("G", "S", "T", "strengths", "xi_out",
                                                                      "teacher_readout")}, readout=mask * o.readout)
    drift = MeanFieldDrift(om.Problem(noise=0.2, rates=om.LearningRates(xi_in=0.7)), student)
    return drift(drift.full[drift.active])


def test_error_is_that_of_the_whole_student(random_overlaps):
    """Of the student whose second layer and strengths are damped; damping by other factors is seen."""
    o = random_overlaps(2, 2, 2, seed=5)
    run = om.simulate(problem(0.3, 0.2), o, 1.0, "ode", save_at=[0.0, 1.0])
    damped = om.OrderParameters(G=o.G, S=o.S, T=o.T, strengths=0.8 * o.strengths, xi_out=o.xi_out,
                                readout=0.7 * o.readout, teacher_readout=o.teacher_readout)
    plain = om.simulate(om.Problem(), damped, 1.0, "ode", save_at=[0.0, 1.0])
    assert run.generalization_error[0, 0] == pytest.approx(plain.generalization_error[0, 0], rel=1e-12)
    other = om.simulate(problem(0.2, 0.3), o, 1.0, "ode", save_at=[0.0, 1.0])
    assert other.generalization_error[0, 0] != pytest.approx(run.generalization_error[0, 0], rel=1e-3)


def test_measured_error_is_that_of_the_whole_student():
    """On fresh samples of Rademacher inputs, N = 1,000, within 5 standard errors of the overlaps' formula and 1 %."""
    start = om.initial.showcase(1000, K=2, seed=1)
    run = om.simulate(problem(0.3, 0.2, inputs=om.inputs.Rademacher()), start, 1.0, "micro", save_at=[0.0, 1.0],
                      test_samples=40_000)
    exact = om.simulate(problem(0.3, 0.2), start, 1.0, "chain", save_at=[0.0, 1.0])
    assert abs(run.generalization_error[0, 0] - exact.generalization_error[0, 0]) < (
        5.0 * run.error_se[0, 0] + 0.01 * exact.generalization_error[0, 0])


@pytest.mark.parametrize("change, message", [
    ({"dropout": 1.5}, "dropout must be a finite number ≥ 0 and ≤ 1; got 1.5"),
    ({"mode_dropout": "linear:0=0,3=2"}, "mode_dropout must be a finite number ≥ 0 and ≤ 1 at every α; got 2 at α = 3"),
    ({"dropout": "much"}, "dropout: 'much' is neither a number nor a schedule")])
def test_what_is_refused(change, message):
    with pytest.raises(ParameterError, match=message):
        problem(**change)


def test_what_has_no_dropout(monkeypatch):
    start = om.initial.committee(40, K=13, seed=1)
    with pytest.raises(ParameterError, match=r"at most 4,096; got 2\^13: use engine micro or chain"):
        om.simulate(problem(0.3, 0.0), start, 1.0, "ode")
    with pytest.raises(ParameterError, match="knows no dropout"):
        om.fluctuations(problem(noise=0.1), om.initial.committee(40, K=2), [0.0, 1.0])
    for engine in (micro, chain):
        monkeypatch.setattr(engine, "choose", lambda device, worth: device)  # as where there is one
        with pytest.raises(EngineError, match="device cuda has no dropout: use device cpu"):
            om.simulate(problem(), om.initial.committee(20, K=2), 1.0, engine.ENGINE.name, device="cuda")


def test_words_and_command_line(tmp_path, monkeypatch):
    from onlinemode.cli.main import main

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["simulate", "--engine", "chain", "--N", "50", "--alpha", "1", "--dropout", "0.2", "--mode-dropout",
              "linear:0=0.3,1=0", "--no-plot", "--out", "run.npz"])
    assert end.value.code == 0
    run = om.load("run.npz")
    assert run.problem.dropout == 0.2 and str(run.problem.mode_dropout) == "linear:0=0.3,1=0"
    assert "dropout 0.2, mode dropout linear:0=0.3,1=0" in repr(run)
    assert "dropout 0.2, mode dropout linear:0=0.3,1=0" in om.Experiment(
        dropout=0.2, mode_dropout="linear:0=0.3,1=0").describe()
    assert "dropout" not in om.Problem().to_dict() and om.Problem.from_dict(run.problem.to_dict()) == run.problem
