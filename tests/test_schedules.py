"""Rates, noise, decay and flips that depend on α: as values, in every engine, in files and in words.

Seeds are fixed. With others a comparison of 40 replicas with the mean-field equations would raise a false alarm once in
some 10^3 (the largest of 52 correlated z-scores above 4.5).
"""

import csv
import math
import pickle
import subprocess
import sys

import chain_vectors
import numpy as np
import plain_sgd
import pytest
from small_ensembles import z_scores
from stopping import StopAt, keep_step

import onlinemode as om
from onlinemode.engines.chain import engine as chain
from onlinemode.engines.micro import engine as micro
from onlinemode.errors import EngineError, OnlineModeError, ParameterError
from onlinemode.runtime import timetable
from onlinemode.schedules import number_or_schedule, schedule_of
from onlinemode.theory.fluctuations import fluctuations

FORMULAS = {
    "power:3,10,-0.5": lambda a: 3.0 / math.sqrt(1.0 + a / 10.0),
    "power:3,α0=10,-1": lambda a: 3.0 / (1.0 + a / 10.0),
    "inverse:3,10": lambda a: 3.0 / (1.0 + a / 10.0),
    "exp:3,20": lambda a: 3.0 * math.exp(-a / 20.0),
    "exp:3,20,1": lambda a: 1.0 + 2.0 * math.exp(-a / 20.0),
    "cosine:3,1,50": lambda a: 2.0 + math.cos(math.pi * a / 50.0) if a < 50.0 else 1.0,
    "warmup:3,20": lambda a: min(3.0 * a / 20.0, 3.0),
    "warmup:3,until=20,first=1": lambda a: min(1.0 + 2.0 * a / 20.0, 3.0),
    "steps:3,10=1,50=0.5": lambda a: 3.0 if a < 10.0 else 1.0 if a < 50.0 else 0.5,
    "STEPS:0=3,10=1": lambda a: 3.0 if a < 10.0 else 1.0,
    "linear:10=1,20=3,40=0": lambda a: 1.0 if a < 10.0 else 1.0 + (a - 10.0) / 5.0 if a < 20.0 else max(
        3.0 - 3.0 * (a - 20.0) / 20.0, 0.0),
    "log:1=3,100=1": lambda a: 3.0 - math.log(min(max(a, 1.0), 100.0)) / math.log(10.0)}
SCHEDULES = {"xi_in": "inverse:1.2,4", "strengths": "steps:0,1=0.6", "xi_out": "linear:0=0.2,3=0.4",
             "readout": "steps:0.2,2=0"}
OTHERS = {"noise": lambda a: np.where(a < 2.0, 0.5, 0.1), "weight_decay": lambda a: 0.2 * a}
BLOCKS = ("G", "S", "strengths", "xi_out", "readout")


def problem(rates=None, **changes):
    return om.Problem(**{"rates": om.LearningRates(**(SCHEDULES if rates is None else rates)), **OTHERS, **changes})


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in BLOCKS)


# -- values -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", FORMULAS)
def test_words(word):
    alphas = np.array([0.0, 0.3, 9.99, 10.0, 15.0, 20.0, 49.999, 50.0, 120.0])
    schedule = om.Schedule.parse(word)
    assert schedule(alphas) == pytest.approx([FORMULAS[word](a) for a in alphas], rel=1e-14, abs=1e-14)
    assert [schedule.value_at(a) for a in alphas.tolist()] == pytest.approx(schedule(alphas), rel=1e-15)
    assert om.Schedule.parse(schedule.word) == schedule and schedule_of(schedule.to_plain()) == schedule
    assert f"{schedule:g}" == str(schedule) == schedule.word


def test_made_by_methods():
    assert om.Schedule.power(3, 10, -0.5) == om.Schedule.parse("power:3,10,-.5")
    assert om.Schedule.exponential(3, 20) == om.Schedule.parse("exp:3,20")
    assert om.Schedule.cosine(3, 1, 50) == om.Schedule.parse("cosine:3,1,50")
    assert om.Schedule.warmup(3, 20) == om.Schedule.parse("warmup:3,20")
    assert om.Schedule.steps(3, {10: 1}) == om.Schedule.parse("steps:3,10=1")
    assert om.Schedule.linear({0: 3, 10: 1}) == om.Schedule.parse("linear:0=3,10=1")
    assert om.Schedule.logarithmic({1: 3, 10: 1}) == om.Schedule.parse("log:1=3,10=1")


def test_a_constant_is_a_number():
    assert number_or_schedule("noise", "constant:0.5") == number_or_schedule("noise", "0.5") == 0.5
    assert om.LearningRates(xi_in="1.5") == om.LearningRates(xi_in=1.5)


@pytest.mark.parametrize("value, message", [
    ("power:3", "noise: the schedule power has the numbers first, scale, exponent; got 'power:3'"),
    ("power:3,10,x", "noise: the schedule power is written power:FIRST,SCALE,EXPONENT; got 'power:3,10,x'"),
    ("power:3,β=10,-1", "noise: the schedule power is written power:FIRST,SCALE,EXPONENT; got 'power:3,β=10,-1'"),
    ("power:3,0,-1", "scale of the schedule power must be a finite number > 0; got 0.0"),
    ("steps:3,50=1,40=2", "the times of the schedule steps must be ascending; got 50, 40"),
    ("steps:3,50", "times and values of a schedule are written as in 50=1,100=0.3; got 'steps:3,50'"),
    ("steps:3,0=1", "a time of the times of the schedule steps must be a finite number > 0; got 0.0"),
    ("steps:1=3,2=1", "a schedule of steps begins at 0, as in steps:3,50=1"),
    ("log:0=1,2=3", "a time of the times of the schedule log must be a finite number > 0; got 0.0"),
    ("linear:0=1,10=-2", "noise must be a finite number ≥ 0 at every α; got -2 at α = 10 of the schedule"),
    ("exp:1,10,-0.5", "noise must be a finite number ≥ 0 at every α; got -0.5 at α = 600 of the schedule"),
    ("fast", "noise: 'fast' is neither a number nor a schedule: power, inverse, exp, cosine, warmup, steps, linear, "
             "log, as in power:3,10,-1"),
    (-1.0, "noise must be a finite number ≥ 0; got -1.0"),
    ([1.0], "noise must be a finite number ≥ 0; got [1.0]")])
def test_what_is_refused(value, message):
    with pytest.raises(ParameterError) as caught:
        om.Problem(noise=value)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_flips_have_a_largest_value():
    message = "flips must be a finite number ≥ 0 and ≤ 0.5 at every α; got 0.7 at α = 3 of the schedule steps:0.1,3=0.7"
    with pytest.raises(ParameterError, match=message):
        om.Problem(labels="sign", flips="steps:0.1,3=0.7")


# -- functions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function, tolerance", [
    (lambda a: 1.0 / (1.0 + a), 1e-12), (lambda a: 2.0 + np.sin(a), 1e-11), (np.sqrt, 1e-11),
    (lambda a: np.where(a < 33.3, 1.0, 0.1), 1e-12), (lambda a: np.abs(a - 30.0), 1e-10),
    (lambda a: np.maximum(1.0 - a / 77.0, 0.0), 1e-11), (lambda a: 0.5, 1e-15)])
def test_a_function_is_sampled(function, tolerance):
    sampled = om.Schedule.from_function(function).sampled(77.0)
    alphas = np.random.default_rng(0).uniform(0.0, 77.0, 5000)
    expected = np.broadcast_to(function(alphas), alphas.shape)
    assert np.abs(sampled(alphas) - expected).max() < tolerance * max(1.0, np.abs(expected).max())
    assert [sampled.value_at(a) for a in alphas[:500].tolist()] == sampled(alphas[:500]).tolist()
    order = np.argsort(alphas)
    assert np.array_equal(sampled(alphas[order]), sampled(alphas)[order])  # by pieces and one by one


def test_jumps_are_found_and_declared():
    found = om.Schedule.from_function(lambda a: np.where(a < 33.3, 1.0, 0.1) + np.sin(a)).sampled(100.0)
    assert found.jumps == pytest.approx([33.3], rel=1e-11)
    assert om.Schedule.from_function(np.sqrt).sampled(100.0).jumps == ()
    assert om.Schedule.from_function(lambda a: np.abs(a - 30.0)).sampled(100.0).jumps == ()
    declared = om.Schedule.from_function(lambda a: np.where(a < 33.3, 1.0, 0.1), jumps=[33.3]).sampled(100.0)
    assert declared.jumps == (33.3,)
    assert declared([33.3 - 1e-9, 33.3]).tolist() == pytest.approx([1.0, 0.1])


def test_narrow_features_are_seen():
    """A pulse of 2 in an eighth of 64; a train of pulses whose jumps nobody names; no jumps where there are none."""
    pulse = om.Schedule.from_function(lambda a: np.where((a > 1000.2) & (a < 1002.2), 3.0, 1.0)).sampled(2000.0)
    assert pulse.jumps == pytest.approx([1000.2, 1002.2], rel=1e-11) and pulse(1001.0) == 3.0
    short = om.Schedule.from_function(lambda a: np.where((a > 1000.2) & (a < 1000.3), 3.0, 1.0)).sampled(2000.0)
    assert short.jumps == pytest.approx([1000.2, 1000.3], rel=1e-11)
    bursts = lambda a: np.where(a % 10.0 < 1.0, 3.0, 0.5)  # noqa: E731
    alphas = np.random.default_rng(1).uniform(0.0, 1000.0, 20_000)
    assert np.array_equal(om.Schedule.from_function(bursts).sampled(1000.0)(alphas), bursts(alphas))
    for smooth in (lambda a: np.exp(-a), lambda a: a**0.1, lambda a: 1.0 - np.tanh((a - 50.0) * 1e4)):
        assert om.Schedule.from_function(smooth).sampled(1000.0).jumps == ()
    named = om.Schedule.from_function(lambda a: np.where(a < 1000.2, 3.0, 1.0), jumps=[1000.2]).sampled(2000.0)
    assert named.jumps == (1000.2,)


def test_what_extends_what():
    """The last piece counts, too, whether it ends with an eighth or with the run."""
    def table(until, late):
        return om.Schedule.from_function(lambda a: np.where(a < 36.0, 1.0, late), jumps=[36.0]).sampled(until)

    assert table(44.0, 0.5).extends(table(40.0, 0.5)) and not table(44.0, 2.0).extends(table(40.0, 0.5))
    assert not om.Schedule.from_function(lambda a: 3.0 + 0.0 * a).sampled(0.12).extends(
        om.Schedule.from_function(lambda a: 1.0 + 0.0 * a).sampled(0.1))
    ends = [om.Schedule.from_function(lambda a, until=until: np.where(a <= until, 1.0 - a / 99.0, np.nan)).sampled(
        until) for until in (70.3, 77.1)]
    assert ends[1].extends(ends[0]) and not ends[0].extends(ends[1])


def test_a_longer_table_begins_with_a_shorter_one():
    schedule = om.Schedule.from_function(lambda a: 1.0 / (1.0 + a) + 0.1 * np.sin(a))
    short, long = schedule.sampled(7.0), schedule.sampled(100.0)
    alphas = np.linspace(0.0, 7.0, 1001)[:-1]
    assert np.array_equal(short(alphas), long(alphas))
    assert short.sampled(100.0) == long and long.extends(short) and not short.extends(long)
    assert not om.Schedule.from_function(lambda a: 1.1 / (1.0 + a)).sampled(100.0).extends(short)


def test_a_function_needs_no_values_beyond_the_run():
    ends = om.Schedule.from_function(lambda a: np.where(a <= 77.0, 1.0 - a / 77.0, np.nan)).sampled(77.0)
    ends.check("noise", 0.0, until=77.0)
    assert ends([76.0, 77.0]) == pytest.approx([1.0 / 77.0, 0.0], abs=1e-12)
    below = om.Schedule.from_function(lambda a: 1.0 - a / 77.0).sampled(77.0)  # negative, but beyond
    below.check("noise", 0.0, until=77.0)


def test_tables_go_to_other_processes_and_files():
    sampled = om.Schedule.from_function(lambda a: 1.0 / (1.0 + a)).sampled(20.0)
    assert pickle.loads(pickle.dumps(sampled)) == sampled == schedule_of(sampled.to_plain())
    with pytest.raises(ParameterError, match="is known up to α = .* alone, and the run needs it to 100: give the "
                                             "function itself again"):
        pickle.loads(pickle.dumps(sampled)).sampled(100.0)


@pytest.mark.parametrize("function, message", [
    (lambda a: 1.0 - a / 10.0, "learning rate xi_in must be a finite number ≥ 0 at every α; got -0.00\\S+ at α = 10.0"),
    (lambda a: 1.0 / (a - 5.0) ** 2, "must be finite at every α; got inf at α = 5"),
    (lambda a: np.sqrt(5.0 - a), "must be finite at every α; got nan at α = 5"),
    (lambda a: np.random.default_rng(0).uniform(size=a.shape), "has too much structure for a table"),
    (lambda a: 1.0 if a < 3 else 0.1, "cannot take an array of α: ValueError"),
    (lambda a: a + 1j, "must give a real number for each α; got complex128")])
def test_functions_that_are_refused(function, message):
    start = om.initial.committee(20, K=2, seed=1)
    with pytest.raises(ParameterError, match=message) as caught:
        om.simulate(om.Problem(rates=om.LearningRates(xi_in=function)), start, 30.0, "chain")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [
    {"ends": [0.0, 2.0]}, {"ends": [0.0, -1.0]}, {"ends": "no"}, {"name": 3}, {"jumps": [2.0, 1.0]}, {"other": 1},
    {"coefficients": [[1.0, 2.0]]}, {"coefficients": [[math.nan] * 8]}])
def test_damaged_tables(change):
    saved = om.Schedule.from_function(lambda a: 1.0 + 0.0 * a).sampled(1.0).to_plain()
    with pytest.raises(OnlineModeError):
        schedule_of(saved | change)


# -- engines -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch, constraint", [(1, None), (3, "sphere"), (8, None)])
def test_micro_is_the_plain_rule(monkeypatch, random_weights, batch, constraint):
    """At mid-step; 203 steps in calls of 56, no multiple of a block."""
    monkeypatch.setattr(timetable, "STEPS_PER_CALL", 56)
    N = 37
    start, learned = random_weights(N, 2, 3, 4, seed=3), problem(batch=batch, constraint=constraint)
    run = om.simulate(learned, start, 203 / N, "micro", seed=5, save_at=np.array([0, 3, 50, 203]) / N)
    expected = plain_sgd.run(learned, start, 203, 5).overlaps(start.teacher)
    for name, values in expected.items():
        assert np.abs(getattr(run, name)[0, -1] - values).max() < 1e-11 * max(1.0, np.abs(values).max()), name
    late = plain_sgd.run(problem({"xi_in": lambda a: 1.2 / (1.0 + (a + 0.5 / N) / 4.0)}, batch=batch,
                                 constraint=constraint), start, 203, 5).overlaps(start.teacher)
    assert np.abs(late["S"] - expected["S"]).max() > 1e-6  # half a step is seen


@pytest.mark.parametrize("batch, labels", [(1, {}), (3, {}), (6, {}), (1, {"labels": "sign", "loss": "hinge",
                                                                         "flips": "linear:0=0,4=0.4"})])
def test_chain_is_the_rule_of_real_vectors(random_weights, batch, labels):
    start, learned = random_weights(40, 2, 2, 3, seed=4), problem(batch=batch, **labels)
    *_, pair = chain_vectors.pairs(learned.sampled(3.0), start, 81, seed=7)
    for name, values in pair.vectors.overlaps(start.teacher).items():
        assert np.abs(pair.chain[name] - values).max() < 1e-10 * max(1.0, np.abs(values).max()), name


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_equal_steps_are_a_constant(engine):
    start = om.initial.committee(200, K=2, seed=1)
    constant, steps = (om.simulate(om.Problem(noise=noise, rates=om.LearningRates(xi_in=rate, readout=0.1)), start, 5.0,
                                   engine, seed=2, save_at=5)
                       for noise, rate in ((0.1, 1.0), ("steps:0.1,3=0.1", "steps:1,2=1")))
    assert same(constant, steps)


@pytest.mark.parametrize("engine", ["micro", "chain"])
@pytest.mark.parametrize("steps_per_call", [7, 100])
def test_the_length_of_calls_changes_no_bit(monkeypatch, engine, steps_per_call):
    start = om.initial.showcase(60, K=2, seed=1)
    calls = {"micro": (micro, "WORK_PER_CALL", 60 * 4 * 24), "chain": (chain, "STEPS_PER_CALL", 2**20)}[engine]
    monkeypatch.setattr(*calls)
    one = om.simulate(problem(), start, 6.0, engine, seed=2, save_at=5)
    monkeypatch.setattr(timetable, "STEPS_PER_CALL", steps_per_call * 4)
    other = om.simulate(problem(), start, 6.0, engine, seed=2, save_at=5, replicas=3, threads=2)
    assert all(np.array_equal(getattr(one, name)[0], getattr(other, name)[0]) for name in BLOCKS)


def test_threads_inside_change_no_bit(monkeypatch):
    monkeypatch.setattr(micro, "COORDINATES_A_THREAD", 500)
    start = om.initial.showcase(4100, K=2, seed=6)
    one, four = (om.simulate(problem(), start, 0.05, "micro", seed=1, save_at=[0.0, 0.05], threads=threads)
                 for threads in (1, 4))
    assert same(one, four)


def test_the_chain_for_all_sizes_and_that_for_these(monkeypatch):
    start = om.initial.showcase(60, K=2, seed=1)
    one = om.simulate(problem(), start, 6.0, "chain", seed=2, save_at=5)
    monkeypatch.setattr(chain, "STEPS_WORTH_COMPILING", 1)
    other = om.simulate(problem(), start, 6.0, "chain", seed=2, save_at=5)
    for name in BLOCKS:
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-10, abs=1e-10)


def test_ode_is_the_limit():
    """Chain at N = 4,000; a decay that is 10 % quicker is seen."""
    start = om.initial.showcase(2000, K=2, seed=3).order_parameters()
    times = [0.0, 1.0, 3.0, 6.0]
    runs = om.simulate(problem(), start, 6.0, "chain", N=4000, replicas=40, save_at=times, seed=1)
    z = z_scores(runs, om.simulate(problem(), start, 6.0, "ode", save_at=times))
    assert z.max() < 4.5 and np.sqrt((z**2).mean()) < 1.6
    wrong = problem({**SCHEDULES, "xi_in": "inverse:1.2,3.6"})
    assert z_scores(runs, om.simulate(wrong, start, 6.0, "ode", save_at=times)).max() > 9.0


def test_ode_goes_from_jump_to_jump():
    """As two runs of constant rates, to the tolerance; a function whose jump is not declared, too."""
    start = om.initial.committee(100, K=2, seed=3)
    first = om.simulate(om.Problem(rates=om.LearningRates(xi_in=2.0)), start, 10.0, "ode", save_at=[0.0, 10.0])
    second = om.go_on(first, 30.0, save_at=[30.0], problem=om.Problem(rates=om.LearningRates(xi_in=0.5)))
    for rate in ("steps:2,10=0.5", lambda a: np.where(a < 10.0, 2.0, 0.5)):
        one = om.simulate(om.Problem(rates=om.LearningRates(xi_in=rate)), start, 30.0, "ode",
                          save_at=[0.0, 10.0, 30.0])
        assert one.R[0, -1] == pytest.approx(second.R[0, -1], abs=2e-8)
        assert one.R[0, 1] == pytest.approx(first.R[0, -1], abs=2e-8)
        assert one.info.evaluations < 1.3 * (first.info.evaluations + second.info.evaluations)


@pytest.mark.parametrize("rate", [
    "linear:0=0,60=0,60.001=2,62=2,62.001=0",
    lambda a: np.interp(a, [60.0, 60.001, 62.0, 62.001], [0.0, 2.0, 2.0, 0.0]),
    lambda a: 2.0 * np.exp(-0.5 * ((a - 61.0) / 0.4) ** 2) / (0.4 * math.sqrt(2.0 * math.pi))])
def test_no_solver_steps_over_a_pulse(rate):
    """Of area 2 about α = 61, where nothing is learned before: as much as its equal in steps, to 2 % for the bell."""
    start = om.initial.committee(100, K=2, seed=3)
    first, other = (om.simulate(om.Problem(noise=0.1, rates=om.LearningRates(xi_in=each)), start, 100.0, "ode",
                                save_at=[0.0, 100.0]) for each in (rate, "steps:0,60.0005=2,62.0005=0"))
    learned = other.generalization_error[0, 0] - other.generalization_error[0, 1]
    assert learned > 1e-3
    if isinstance(rate, str) or "interp" in rate.__code__.co_names:
        assert first.generalization_error[0, 1] == pytest.approx(other.generalization_error[0, 1], rel=1e-3)
    else:
        assert first.generalization_error[0, 0] - first.generalization_error[0, 1] > 0.3 * learned
    theory = fluctuations(first.problem, start, [0.0, 100.0])
    assert theory.states[1] == pytest.approx(  # which linear noise finds again
        theory.layout.pack(*(getattr(first, name)[0, 1] for name in BLOCKS)), abs=1e-5)
    assert theory.standard_deviation("R", 100)[1].max() > 1e-3


def test_jumps_between_saved_times():
    """None of the saved times lies in some of the stretches."""
    learned = om.Problem(rates=om.LearningRates(xi_in="steps:1,1=0.5,1.2=1,2=0.3"))
    start = om.initial.committee(100, K=2, seed=3)
    few, many = (fluctuations(learned, start, times) for times in ([2.9, 3.0], [0.0, 1.1, 1.5, 2.9, 3.0]))
    assert few.covariance[-1] == pytest.approx(many.covariance[-1], rel=1e-6)


@pytest.mark.parametrize("activation, K, c, scale, tolerance", [
    ("linear", 1, 1.0, 2.0, 1e-3), ("linear", 1, 1.5, 2.0, 1e-3), ("erf", 1, 2.0, 5.0, 7e-3),
    ("erf", 1, 3.0, 5.0, 1e-3), ("erf", 2, 1.4, 100.0, 2e-3)])
def test_annealing_constants(activation, K, c, scale, tolerance):
    """η = c/(μ(α + α0)) with noise σ: ε_g α/σ² → ½ Σ c_i²/(2c_i − 1), c_i = c μ_i/μ; docs/theory, section 14.4."""
    slope = 2.0 / math.pi / math.sqrt(3.0)
    mu = {("linear", 1): [1.0], ("erf", 1): [slope], ("erf", 2): [slope - 1.0 / math.pi, slope + 1.0 / math.pi]}[
        activation, K]
    start = om.OrderParameters(
        G=0.9 * np.eye(K) if K > 1 else [[0.1]], S=[[0.9, 0.01], [0.0, 0.85]] if K > 1 else [[0.05]], T=np.eye(K),
        strengths=np.ones(K), xi_out=np.eye(K), readout=np.ones(K), teacher_readout=np.ones(K))
    rate = f"power:{c / abs(mu[0]) / scale!r},{scale},-1"
    run = om.simulate(om.Problem(activation, noise=0.3, rates=om.LearningRates(xi_in=rate)), start, 1e5, "ode",
                      save_at=[0.0, 1e5], rtol=1e-10, atol=1e-15)
    shares = [c * each / abs(mu[0]) for each in mu]
    expected, other = (0.5 * sum((f * each) ** 2 / (2.0 * f * each - 1.0) for each in shares) for f in (1.0, 1.1))
    found = run.generalization_error[0, -1] * 1e5 / 0.3**2
    assert found == pytest.approx(expected, rel=tolerance) and found != pytest.approx(other, rel=tolerance)


def test_bias_of_linear_noise_is_that_of_mid_step():
    """N (mean − ODE) of the linear unit, from its exact recursion; at the left end of steps it is another one."""
    learned = om.Problem("linear", noise=lambda a: 0.5 * np.exp(-0.3 * a), weight_decay=lambda a: 0.2 * a,
                         rates=om.LearningRates(xi_in="power:1.5,1,-1"))
    start = om.OrderParameters(G=[[0.3]], S=[[0.1]], T=[[1.0]], strengths=[1.0], xi_out=[[1.0]], readout=[1.0],
                               teacher_readout=[1.0])
    theory = fluctuations(learned, start, [0.0, 4.0])
    limit = om.simulate(learned, start, 4.0, "ode", save_at=[0.0, 4.0], rtol=1e-11, atol=1e-13)
    limit = np.array([limit.G[0, -1, 0, 0], limit.S[0, -1, 0, 0]])
    mid, left = (1000 * (exact_mean(learned, 1000, 4000, at) - limit) for at in (0.5, 0.0))
    bias = theory.bias[-1]
    assert bias == pytest.approx(mid, abs=2e-4)
    assert np.abs(bias - left).max() > 0.05


def exact_mean(learned, N, steps, at):
    """E G and E S of a linear unit after so many steps whose numbers are those of α = (t + at)/N."""
    G, S, T = 0.3, 0.1, 1.0
    for step in range(steps):
        now = learned.at((step + at) / N)
        eta, phi = now.rates.xi_in, 1.0 - now.weight_decay / N
        d = G - 2.0 * S + T
        G, S = (phi**2 * G - 2.0 * phi * eta * (G - S) / N + eta**2 * (d * (1.0 + 2.0 / N) + now.noise**2) / N,
                phi * S - eta * (S - T) / N)
    return np.array([G, S])


def test_spread_of_linear_noise():
    """Within 10 % for every entry of Q and R: 2,000 replicas at N = 400 across a jump (1.6 % each)."""
    learned = om.Problem(noise="steps:0.5,2=0.1", rates=om.LearningRates(xi_in="steps:0.5,2=1.5", readout=0.2))
    start = om.initial.showcase(400, K=2, seed=3).order_parameters()
    times = [0.0, 2.0, 4.0]
    theory = fluctuations(learned, start, times)
    runs = om.simulate(learned, start, 4.0, "chain", N=400, replicas=2000, save_at=times, seed=1)
    constant = fluctuations(om.Problem(noise=0.5, rates=om.LearningRates(xi_in=0.5, readout=0.2)), start, times)
    for name, values in (("Q", runs.Q), ("R", runs.R)):
        expected = theory.standard_deviation(name, 400)[1:]
        assert np.abs(values[:, 1:].std(0) / expected - 1.0).max() < 0.1, name
        assert np.abs(values[:, 2].std(0) / constant.standard_deviation(name, 400)[2] - 1.0).max() > 0.1, name
        shift, spread = theory.mean_shift(name, 400)[1:], values[:, 1:].std(0) / math.sqrt(2000)
        assert np.all(np.abs(values[:, 1:].mean(0) - theory.mean_field(name)[1:] - shift) < 5.0 * spread)


# -- pieces, files, words ------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine, steps", [("micro", 301), ("chain", 300)])
def test_pieces_of_constant_rates_are_steps_in_one_piece(engine, steps):
    """To the bit: of the chain where the number of steps is a multiple of four."""
    N = 100
    start = om.initial.showcase(N, K=2, seed=2)
    constant = lambda rate: om.Problem(noise=0.1, rates=om.LearningRates(xi_in=rate, readout=0.1))  # noqa: E731
    end = {"store_final": True} if engine == "micro" else {}
    first = om.simulate(constant(1.0), start, steps / N, engine, seed=4, save_at=[0.0, steps / N], **end)
    second = om.go_on(first, 8.0, save_at=[5.0, 8.0], problem=constant(0.5))
    one = om.simulate(constant(f"steps:1,{steps / N!r}=0.5"), start, 8.0, engine, seed=4,
                      save_at=[0.0, steps / N, 5.0, 8.0])
    for name in BLOCKS:
        assert np.array_equal(getattr(one, name)[0, 1:], getattr(second, name)[0]), name
    other = om.go_on(first, 8.0, save_at=[5.0, 8.0], problem=constant(0.55))
    assert not np.array_equal(other.S, second.S)


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_a_function_in_pieces_is_the_function(engine):
    start = om.initial.showcase(80, K=2, seed=2)
    learned = om.Problem(noise=0.1, rates=om.LearningRates(xi_in=lambda a: 1.0 / (1.0 + 0.1 * a)))
    end = {"store_final": True} if engine == "micro" else {}
    first = om.simulate(learned, start, 3.0, engine, seed=4, save_at=[0.0, 3.0], **end)
    second = om.go_on(first, 40.0, save_at=[20.0, 40.0])
    one = om.simulate(learned, start, 40.0, engine, seed=4, save_at=[0.0, 3.0, 20.0, 40.0])
    whole = om.join(first, second)
    assert same(whole, one) and whole.problem == one.problem
    assert same(om.go_on(first, 40.0, save_at=[20.0, 40.0], problem=learned), second)


@pytest.mark.parametrize("engine", ["micro", "chain", "ode"])
def test_a_file_repeats_the_run_without_the_function(tmp_path, engine):
    start = om.initial.showcase(50, K=2, seed=2)
    learned = problem({**SCHEDULES, "xi_in": lambda a: 1.0 / (1.0 + 0.1 * a)})
    run = om.simulate(learned, start, 3.0, engine, seed=4, save_at=[0.0, 1.5, 3.0])
    run.save(tmp_path / "run.npz")
    loaded = om.load(tmp_path / "run.npz")
    assert loaded.problem == run.problem and same(om.repeat(loaded), run)
    if engine == "chain":
        with pytest.raises(ParameterError, match="is known up to α = .* alone, and the run needs it to 300"):
            om.go_on(loaded, 300.0)
        assert om.go_on(loaded, 300.0, problem=learned, save_at=2).status == [om.Status.COMPLETED]


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_stopped_and_resumed(monkeypatch, tmp_path, engine):
    start = om.initial.showcase(2000, K=2, seed=2)
    arguments = {"seed": 4, "save_at": np.linspace(0.0, 20.0, 9), "replicas": 2}
    path = tmp_path / "run.checkpoint"
    keep_step(monkeypatch)
    stopped = om.simulate(problem(), start, 20.0, engine, checkpoint=path, progress=StopAt(0.4), **arguments)
    assert set(stopped.status) == {om.Status.INTERRUPTED}
    assert same(om.resume(path), om.simulate(problem(), start, 20.0, engine, **arguments))


@pytest.mark.parametrize("engine", [micro, chain])
def test_devices_refuse_them(monkeypatch, engine):
    monkeypatch.setattr(engine, "choose", lambda device, worth: device)  # as where there is one
    with pytest.raises(EngineError, match="device cuda has no schedules: use device cpu, or constant numbers"):
        om.simulate(problem(), om.initial.showcase(50, K=2), 1.0, engine.ENGINE.name, device="cuda")


def test_tables_and_descriptions_name_them(tmp_path):
    run = om.simulate(problem(), om.initial.showcase(50, K=2), 1.0, "chain")
    run.to_csv(tmp_path / "run.csv")
    first = next(csv.DictReader(open(tmp_path / "run.csv", encoding="utf-8")))
    assert first["eta"] == "power:1.2,4,-1" and first["weight_decay"] == "function of α"
    assert "xi_in power:1.2,4,-1" in repr(run)
    assert om.Experiment(eta="inverse:3,10").describe() .count("η = power:3,10,-1") == 1


def test_pictures_of_runs_with_schedules(tmp_path):
    """Names of functions with underscores and dollars are text."""
    def rate_a_b(a):
        return 1.0 / (1.0 + a)

    def other(a):
        return 1.0 / (2.0 + a)

    other.__name__ = "an $other$"
    start = om.initial.showcase(50, K=2)
    runs = [om.simulate(om.Problem(rates=om.LearningRates(xi_in=rate)), start, 1.0, "chain")
            for rate in (rate_a_b, other)]
    om.plotting.overview(runs).savefig(tmp_path / "both.png")
    assert (tmp_path / "both.png").stat().st_size > 10_000


def test_experiments_hold_plain_values():
    experiment = om.Experiment(eta=lambda a: 1.0 / (1.0 + a), noise=om.Schedule.steps(0.1, {3: 0.0}), alpha=5.0, N=100)
    assert experiment.noise == "steps:0.1,3=0" and experiment.eta.table is not None
    assert om.Experiment.from_dict(experiment.to_dict()) == experiment == pickle.loads(pickle.dumps(experiment))
    assert experiment.replace(engine="chain").run().problem.noise == om.Schedule.steps(0.1, {3: 0.0})


def test_sweeps_over_words():
    base = om.Experiment(N=40, alpha=1.0, engine="chain", K=2, save_at=3)
    swept = om.sweep(base, {"eta": ["power:3,10,-1", om.Schedule.steps(3, {0.5: 1}), 2]})
    assert swept.eta.values.tolist() == ["power:3,10,-1", "steps:3,0.5=1", "2"]
    for word, value in zip(swept.eta.values, swept.final_error.values):
        run = base.replace(eta=str(word)).run()
        assert value == run.generalization_error[0, -1]
    split = om.sweep(base, {"noise": "exp:0.3,1,0.1,steps:0,0.5=0.2"})
    assert split.noise.values.tolist() == ["exp:0.3,1,0.1", "steps:0,0.5=0.2"]
    for values, message in (([np.sqrt], "the values of eta must be numbers or schedules in words, such as power:3,10,"),
                            (["fast"], "eta: 'fast' is neither a number nor a schedule")):
        with pytest.raises(ParameterError, match=message):
            om.sweep(base, {"eta": values})


def onlinemode(folder, *arguments):
    return subprocess.run([sys.executable, "-m", "onlinemode", *arguments], cwd=folder, capture_output=True, text=True)


def test_command_line(tmp_path):
    (tmp_path / "mine.py").write_text("import numpy as np\ndef eta(a):\n    return np.where(a < 2, 1.0, 0.5)\n")
    (tmp_path / "run.toml").write_text('eta = "mine.py:eta"\nnoise = "linear:0=0.2,3=0"\nweight_decay = 0.1\n')
    made = onlinemode(tmp_path, "simulate", "--engine", "chain", "--N", "100", "--alpha", "3", "--config", "run.toml",
                      "--eta-readout", "power:0.1,α0=10,-1", "--out", "run.npz", "--csv", "--no-plot")
    assert made.returncode == 0, made.stderr
    run = om.load(tmp_path / "run.npz")
    assert f"{run.problem.rates.xi_in}" == "eta" and run.problem.jumps == pytest.approx([2.0])
    assert run.problem.noise == om.Schedule.linear({0: 0.2, 3: 0}) and run.problem.weight_decay == 0.1
    assert str(run.problem.rates.readout) == "power:0.1,10,-1" and "η_v = power:0.1,10,-1" in made.stderr
    on = onlinemode(tmp_path, "simulate", "--start", "run.npz", "--alpha", "4", "--eta", "0.3", "--out", "on.npz",
                    "--no-plot")
    assert on.returncode == 0, on.stderr
    assert om.load(tmp_path / "on.npz").problem.rates.xi_in == 0.3
    kept = onlinemode(tmp_path, "simulate", "--engine", "chain", "--N", "100", "--alpha", "3", "--eta", "mine.py:eta",
                      "--checkpoint", "run.ckpt", "--out", "kept.npz", "--no-plot")
    assert kept.returncode == 0 and not (tmp_path / "run.ckpt").exists(), kept.stderr
    bad = onlinemode(tmp_path, "simulate", "--eta", "steps:1,3=-1")
    assert bad.returncode == 2 and "Invalid value for '--eta': must be a finite number ≥ 0 at every α; got -1" in (
        bad.stderr)
