"""Experiments: plain values that make the runs of simulate, and of the command line."""

import json
import pickle

import numpy as np
import pytest

import onlinemode as om
from onlinemode import engines, initial, task_banks
from onlinemode.cli.options import ODE, OPTIONS, PROBLEM, SIMULATION, START
from onlinemode.errors import EngineError, ParameterError
from onlinemode.experiment import CHOICES, Experiment
from onlinemode.runtime import parts

SMALL = om.presets.showcase.replace(N=40, alpha=2.0, save_at=8)
OVERLAPS = om.initial.from_overlaps([[0.3, 0.0], [0.0, 0.2]], [[0.1], [0.0]], [[1.0]], readout="sum")


def test_names_are_those_of_the_library_and_of_the_command_line():
    assert CHOICES["engine"] == engines.ENGINES
    assert CHOICES["readout"] == initial.READOUTS and CHOICES["keep"] == parts.KEEP
    assert CHOICES["overlap_of"] == task_banks.KINDS
    assert CHOICES["device"] == engines.base.DEVICES and "DOP853" in CHOICES["method"]
    fields = set(vars(Experiment())) - {"overlaps"}
    assert fields == {*START, *PROBLEM, *SIMULATION, *ODE, "alpha", "engine", "save_at"} - {"start"}
    assert fields < set(OPTIONS)
    assert fields > {name for engine in engines.ENGINES for name in engines.options_of(engine).names()}


def test_presets():
    assert om.presets.showcase == Experiment() and om.presets.names == ("showcase", "paper")
    paper = om.presets.paper
    assert (paper.start().N, paper.start().K, paper.start().M, paper.start().P) == (30, 8, 8, 3)
    assert paper.describe() == "paper: N = 30, K = 8, M = 8, P = 3, erf, η = 5, seed 0"
    assert paper.describe(without=("K", "eta")) == "paper: N = 30, M = 8, P = 3, erf, seed 0"


@pytest.mark.parametrize("engine", ["micro", "chain", "ode"])
def test_a_run_is_that_of_simulate(engine):
    more = {"method": "RK45"} if engine == "ode" else {"replicas": 3, "quantiles": [0.1, 0.9]}
    experiment = SMALL.replace(engine=engine, noise=0.2, weight_decay=0.1, batch=2, eta_strengths=0.3, eta_xi_out=0.4,
                               eta_readout=0.5, activation="tanh", readout="sum", seed=5, **more)
    rates = om.LearningRates(xi_in=3.0, strengths=0.3, xi_out=0.4, readout=0.5)
    by_hand = om.simulate(om.Problem("tanh", 0.2, 0.1, 2, rates), om.initial.showcase(40, readout="sum", seed=5), 2.0,
                          engine, seed=5, save_at=8, **more)
    run = experiment.run()
    for name in ("G", "S", "strengths", "xi_out", "readout"):
        assert np.array_equal(getattr(run, name), getattr(by_hand, name))
    assert run.problem == by_hand.problem and run.meta["start"] == by_hand.meta["start"]


@pytest.mark.parametrize("engine", ["micro", "chain", "ode"])
def test_a_run_is_that_of_the_command_line(engine, onlinemode):
    command = ["ode"] if engine == "ode" else ["simulate", "--no-theory", "--engine", engine]
    common = ["--N", 40, "--alpha", 2, "--save-at", 8, "--eta-strengths", 0.2, "--no-plot", "--out", "x"]
    assert onlinemode(*command, *common)[0] == 0
    run, file = SMALL.replace(engine=engine, eta_strengths=0.2).run(), om.load("x.npz")
    assert np.array_equal(run.G, file.G) and run.meta["call"] == file.meta["call"] and run.problem == file.problem


def test_starts():
    assert isinstance(SMALL.start(), om.Weights) and isinstance(SMALL.start(vectors=False), om.OrderParameters)
    assert isinstance(SMALL.replace(engine="chain").start(), om.Weights)  # so that engines begin alike
    assert isinstance(SMALL.replace(engine="chain", N=10**12).start(), om.OrderParameters)
    fresh = SMALL.replace(init="committee", M=2, student_size=0.2, fresh_students=True).start()
    expected = om.initial.committee(40, K=3, M=2, student_size=0.2, student_seed=4)
    assert fresh(4).fingerprint() == expected.fingerprint()
    given = SMALL.replace(overlaps=OVERLAPS, engine="ode")
    assert given.start() is OVERLAPS and np.array_equal(given.run().R[0, 0], OVERLAPS.R)
    assert given.describe() == "given overlaps: N = 40, K = 2, M = 1, P = 2, erf, η = 3, readout sum, seed 0"


@pytest.mark.parametrize("readout, teacher, words", [
    ("mean", "mean", ""), ("sum", "sum", ", readout sum"), ("sqrt", "sqrt", ", readout sqrt"),
    ("sum", "mean", ", readout own"), ([0.3, 0.7], [1.0, 2.0, 3.0], ", readout own")])
def test_readouts_of_given_overlaps_are_named(readout, teacher, words):
    given = initial.from_overlaps(np.eye(2), np.zeros((2, 3)), np.eye(3), readout, teacher)
    assert SMALL.replace(overlaps=given).describe() == (
        f"given overlaps: N = 40, K = 2, M = 3, P = 2, erf, η = 3{words}, seed 0")


def test_theory_beside_a_run():
    experiment = SMALL.replace(engine="chain")
    theory = experiment.theory(with_noise=True)
    theory.begin()
    run, path = experiment.run(), theory.result()
    assert np.array_equal(path.alpha, run.alpha) and path.meta["engine"] == "ode"
    assert np.array_equal(path.G, om.simulate(run.problem, experiment.start(), 2.0, "ode", save_at=run.alpha).G)
    assert np.array_equal(theory.noise.alpha, run.alpha) and theory.reason is None
    assert SMALL.replace(alpha=1e-2, N=100).theory(with_noise=False).too_much() is None
    with pytest.raises(EngineError, match="a teacher that drifts need inputs with independent"):
        SMALL.replace(inputs="power-law:1", drift=0.1).theory()


def test_options_go_to_the_engines_that_have_them():
    experiment = SMALL.replace(method="RK45", threads=1, rtol=1e-5, precision="float32", test_samples=7)
    assert experiment.options() == {"precision": "float32", "device": "cpu", "threads": 1, "test_samples": 7}
    assert experiment.options("ode") == {"method": "RK45", "rtol": 1e-5}
    assert experiment.call() == {"alpha": 2.0, "engine": "micro", "N": 40, "seed": 0, "replicas": 1, "keep": "all",
                                 "save_at": 8, **experiment.options()}
    for engine, name, value in (("chain", "precision", "float32"), ("ode", "device", "auto"),
                                ("chain", "test_samples", 9)):
        with pytest.raises(EngineError, match=f"engine {engine} has no option '{name}'; leave it out"):
            SMALL.replace(engine=engine, **{name: value}).run()


def test_names_whatever_their_capitals_and_values_of_numpy():
    experiment = Experiment(engine="CHAIN", init="Paper", activation="ReLU", method="radau", readout="SQRT",
                            N=np.int64(50), eta=np.float32(0.5), save_at=np.array([0.0, 1.0]), quantiles=[0.5])
    assert experiment == Experiment(engine="chain", init="paper", activation="relu", method="Radau", readout="sqrt",
                                    N=50, eta=0.5, save_at=(0.0, 1.0), quantiles=(0.5,))
    assert type(experiment.N) is int and type(experiment.eta) is float and hash(experiment)


@pytest.mark.parametrize("change, words", [
    ({"etaa": 1.0}, "an experiment has no 'etaa'; did you mean eta"),
    ({"frob": 1.0}, "an experiment has no 'frob'; it has alpha, engine, init, N"),
    ({"engine": "sgd"}, "engine must be one of micro, chain, leap, ode; got 'sgd'"),
    ({"engine": None}, "engine must be one of micro, chain, leap, ode; got None"),
    ({"init": "zeros"}, "init must be one of showcase, paper, committee, graded, tasks; got 'zeros'"),
    ({"activation": "step"}, "'step' is no activation: it must be one of erf, linear"),
    ({"readout": 3}, "readout must be one of mean, sum"),
    ({"keep": "some"}, "keep must be one of"), ({"precision": "float16"}, "precision must be one of float64, float32"),
    ({"device": "tpu"}, "device must be one of cpu"), ({"method": "euler"}, "method must be one of LSODA"),
    ({"overlaps": 1.0}, "overlaps must be an onlinemode.OrderParameters; got float")])
def test_bad_names(change, words):
    with pytest.raises(ParameterError, match=words):
        SMALL.replace(**change)


@pytest.mark.parametrize("change, words", [
    ({"alpha": 0.0}, "alpha must be a finite number > 0"), ({"N": 10**16}, "N must be a whole number ≥ 1 and ≤ "),
    ({"seed": -1}, "seed must be a whole number ≥ 0 and ≤ "), ({"eta": -1.0}, "learning rate xi_in must be"),
    ({"K": 2.5}, "K must be a whole number ≥ 1 and ≤ 10000; got 2.5"), ({"M": 4}, "M must equal K = 3; got 4"),
    ({"init": "committee", "P": 2}, "P is K = 3; got 2: leave P out"), ({"inputs": "gauss"}, "inputs must be one of"),
    ({"init": "paper", "student_size": 1.0}, "the size of the student; got student_size = 1.0: leave it out"),
    ({"engine": "chain", "precision": "float32"}, "engine chain has no option 'precision'")])
def test_check_sees_what_is_wrong_before_a_run(change, words):
    SMALL.check()
    with pytest.raises(om.OnlineModeError, match=words):
        SMALL.replace(**change).check()


def test_experiments_travel():
    """As JSON, as pickle, and as they print."""
    experiment = SMALL.replace(save_at=[0.0, 1.0], quantiles=[0.1, 0.5], init="committee", M=2, noise=0.1)
    assert Experiment.from_dict(json.loads(json.dumps(experiment.to_dict()))) == experiment
    assert pickle.loads(pickle.dumps(experiment)) == experiment
    assert eval(repr(experiment)) == experiment and repr(Experiment()) == "Experiment()"
    given = SMALL.replace(overlaps=OVERLAPS)
    for copy in (Experiment.from_dict(json.loads(json.dumps(given.to_dict()))), pickle.loads(pickle.dumps(given))):
        assert copy.overlaps.is_close(OVERLAPS, rtol=0.0, atol=0.0)
        assert copy.replace(overlaps=None) == SMALL
    with pytest.raises(ParameterError, match="has no 'colour'"):
        Experiment.from_dict({"colour": 3})


def test_another_activation_for_the_teacher(onlinemode):
    experiment = SMALL.replace(activation="erf", teacher_activation="TANH", engine="chain")
    run = experiment.run()
    assert run.problem == om.Problem("erf", teacher_activation="tanh", rates=om.LearningRates(xi_in=3.0))
    assert "erf, of the teacher tanh, η = 3" in experiment.describe()
    command = ["simulate", "--engine", "chain", "--N", 40, "--alpha", 2, "--save-at", 8, "--out", "x"]
    code, _, err = onlinemode(*command, "--teacher-activation", "tanh")
    assert code == 0 and "of the teacher tanh" in err
    assert np.array_equal(om.load("x.npz").G, run.G)
    code, _, err = onlinemode("simulate", "--start", "x.npz", "--alpha", 3, "--out", "y", "--no-plot")
    assert code == 0 and om.load("y.npz").problem == run.problem


@pytest.mark.parametrize("values, message", [
    ({"inputs": 3}, "inputs must be words, such as 'rademacher' or 'images.npy'; got 3"),
    ({"inputs": om.inputs.Rademacher()}, r"inputs must be words, .*; got Rademacher\(\)"),
    ({"fresh_students": "no"}, "fresh_students must be True or False; got 'no'")])
def test_values_of_other_kinds(values, message):
    with pytest.raises(ParameterError, match=message):
        SMALL.replace(**values)


@pytest.mark.parametrize("values, message", [
    ({"engine": "ode", "activation": "tanh", "nodes": 100}, "nodes must be a power of 2"), ({"threads": 0}, "threads"),
    ({"replicas": 0}, "replicas"), ({"engine": "chain", "rtol": 5.0}, "rtol")])
def test_what_can_be_known_before_the_run(values, message):
    with pytest.raises(ParameterError, match=message):
        SMALL.replace(**values).check()


@pytest.mark.parametrize("engine, option", [("micro", "device"), ("micro", "precision"), ("chain", "device"),
                                            ("ode", "nodes"), ("ode", "node_seed")])
def test_options_with_a_default_are_not_none(engine, option):
    start = om.initial.committee(20, K=2)
    with pytest.raises(om.OnlineModeError, match=f"^{option} must be .*; got None"):
        om.simulate(om.Problem(), start, 1.0, engine, **{option: None})


@pytest.mark.parametrize("change, message", [
    ({"save_at": 1}, "save_at must be a whole number"), ({"save_at": [0.0, 1e9]}, "save_at must hold ascending times"),
    ({"quantiles": (0.9, 0.1)}, "quantiles must"), ({"alpha": 1e-60}, "alpha must be at least 1e-50"),
    ({"alpha": 1e-9}, "makes .* steps; it must be at least one")])
def test_check_finds_what_a_run_would_refuse(change, message):
    for refuse in (SMALL.replace(**change).check, SMALL.replace(**change).run):
        with pytest.raises(ParameterError, match=message):
            refuse()
