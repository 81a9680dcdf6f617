"""Runs, theory, experiments, sweeps and observables with one broken argument: an error of one line, and no warning."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties.problems import examples
from properties.values import (
    SEQUENCES,
    Kind,
    array,
    assert_one_line,
    assert_refused,
    broken,
    flag,
    instance,
    name,
    no_numbers,
    not_finite,
    number,
    whole,
)

import onlinemode as om
from onlinemode import agreement, observables
from onlinemode.activations import NAMES, STUDENTS
from onlinemode.errors import OnlineModeError
from onlinemode.theory.meanfield import generalization_error

K, M, P, N = 2, 3, 2, 12
PROBLEM = om.Problem(rates=om.LearningRates(xi_in=1.0))
WEIGHTS = om.initial.committee(N, K=K, M=M, seed=1)
OVERLAPS = WEIGHTS.order_parameters()
RUN = om.simulate(PROBLEM, WEIGHTS, 1.0, "chain", save_at=5, replicas=2)
ODE = om.simulate(PROBLEM, WEIGHTS, 1.0, "ode", save_at=RUN.alpha)
NOISE = om.fluctuations(PROBLEM, OVERLAPS, RUN.alpha, nodes=64)
EXPERIMENT = om.Experiment(N=N, K=K, M=M, alpha=1.0, engine="chain", init="committee", eta=1.0, save_at=4)
T = len(RUN.alpha)

not_callable = no_numbers.filter(lambda value: not (value is None or isinstance(value, bool) or callable(value)))
PROGRESS = Kind(not_callable | st.integers() | st.floats())
PATH = Kind(no_numbers.filter(lambda value: not isinstance(value, str) and not hasattr(value, "__fspath__"))
            | st.integers() | st.floats())
NO_SEQUENCE = no_numbers.filter(lambda value: not isinstance(value, SEQUENCES))
TIMES = Kind(st.one_of(
    NO_SEQUENCE, not_finite, st.integers(max_value=1),
    st.sampled_from([2**63, 10**400, 2.5, np.ones((2, 2)), [0.5, 0.2], [-0.1, 1.0], [0.0, 9.0], [], [np.nan]])))
QUANTILES = Kind(NO_SEQUENCE | st.sampled_from([[0.5, 0.5], [0.6, 0.5], [-0.1], [1.1], [], [np.nan], 0.5]))
RUNNING = {
    "problem": instance(), "start": Kind(instance().bad.filter(lambda value: not callable(value))),
    "alpha": number(above=0.0), "seed": whole(0, 2**64 - 1), "keep": name("all", "summary"), "save_at": TIMES,
    "progress": PROGRESS, "store_weights": flag(), "store_final": flag(), "quantiles": QUANTILES,
    "checkpoint_every": number(above=0.0), "replicas": whole(1, 2**24)}
SIMULATED = {**RUNNING, "device": name("cpu", "cuda", "auto"), "threads": whole(1, optional=True),
             "N": whole(1, 10**15, optional=True), "checkpoint": Kind(PATH.bad.filter(lambda value: value is not None))}
NODES = Kind(st.one_of(whole(64, 2**24).bad, st.integers(64, 2**24).filter(lambda count: count & (count - 1))))
ENGINE = name("micro", "chain", "ode")
OF_OVERLAPS = {"Q": array((None, None, K, K)), "R": array((None, None, K, M)), "T": array((M, M)), "signed": flag()}
OVERLAPPING = dict(Q=RUN.Q, R=RUN.R, T=RUN.T)


def shapes_alone(kind):
    """An array that may hold numbers that are not finite, and whose leading axes are free, but not of another kind."""
    return Kind(kind.bad.filter(lambda value: not isinstance(value, (*SEQUENCES, int, float, np.floating))))


CALLS = {
    "micro": (om.simulate, dict(problem=PROBLEM, start=WEIGHTS, alpha=0.5, engine="micro"), {
        **SIMULATED, "engine": ENGINE, "precision": name("float32", "float64"),
        "test_samples": whole(2, 10**9, optional=True)}),
    "chain": (om.simulate, dict(problem=PROBLEM, start=OVERLAPS, alpha=0.5, engine="chain", N=N), SIMULATED),
    "ode": (om.simulate, dict(problem=PROBLEM, start=OVERLAPS, alpha=0.5, engine="ode"), {
        **RUNNING, "method": name("LSODA", "DOP853", "RK45", "Radau", "BDF"), "node_seed": whole(0), "nodes": NODES,
        "rtol": number(2.3e-14, maximum=0.1, optional=True), "atol": number(above=0.0, optional=True)}),
    "go_on": (om.go_on, dict(run=RUN, alpha=2.0), {
        "run": instance(), "alpha": number(above=0.0), "problem": instance(optional=True), "progress": PROGRESS,
        "store_weights": flag(), "store_final": flag(optional=True), "threads": whole(1, optional=True),
        "engine": Kind(ENGINE.bad.filter(lambda value: value is not None)), "checkpoint_every": number(above=0.0)}),
    "repeat": (om.repeat, dict(run=RUN), {"run": instance()}),
    "load": (om.load, dict(path="nowhere.npz"), {"path": PATH}),
    "resume": (om.resume, dict(path="nowhere.npz"), {"path": PATH}),
    "save": (RUN.save, dict(path="nowhere/run.npz"), {"path": PATH}),
    "to_csv": (RUN.to_csv, dict(path="nowhere/run.csv"), {"path": PATH, "theory": instance(optional=True)}),
    "plateaus": (RUN.plateaus, {}, {"replica": whole(0, 1), "smoothing": number(0.0), "floor": number(0.0)}),
    "start_of": (RUN.start_of, dict(replica=0), {"replica": whole(0, 1)}),
    "fluctuations": (om.fluctuations, dict(problem=PROBLEM, overlaps=OVERLAPS, alpha=[0.5], nodes=64), {
        "problem": instance(), "overlaps": instance(), "alpha": array((None,)), "nodes": NODES}),
    "standard_deviation": (NOISE.standard_deviation, dict(observable="Q", N=N), {
        "N": whole(1, 10**15), "observable": Kind(name("Q", "R", "rho", "generalization_error", "specialization")
                                                  .bad.filter(lambda value: not callable(value)))}),
    "band": (NOISE.band, dict(observable="Q", N=N), {"width": number(0.0), "N": whole(1, 10**15)}),
    "z_scores": (agreement.z_scores, dict(run=RUN, noise=NOISE), {"run": instance(), "noise": instance()}),
    "z_between": (agreement.z_between, dict(one=RUN, other=RUN), {
        "one": instance(), "other": instance(), "name": name("generalization_error", "specialization", "Q", "R", "rho",
                                                             "strengths", "readout")}),
    "trusted": (agreement.trusted, dict(noise=NOISE, N=N), {"noise": instance(), "N": whole(1, 10**15)}),
    "z_summary": (agreement.z_summary, dict(run=RUN, noise=NOISE), {"run": instance(), "noise": instance()}),
    "deviation": (agreement.deviation, dict(run=RUN, theory=ODE), {"run": instance(), "theory": instance()}),
    "rms_deviation": (agreement.rms_deviation, dict(run=RUN, theory=ODE), {"run": instance(), "theory": instance()}),
    "experiment": (lambda **values: EXPERIMENT.replace(**values).check(), {}, {
        "alpha": number(above=0.0), "engine": ENGINE, "init": name("showcase", "paper", "committee", "graded"),
        "N": whole(1, 10**15), "K": whole(1, 10_000), "M": whole(1, 10_000, optional=True),
        "readout": name("mean", "sum", "sqrt"), "student_size": number(0.0, optional=True), "fresh_students": flag(),
        "seed": whole(0, 2**64 - 1), "activation": name(*STUDENTS), "teacher_activation": name(*NAMES, optional=True),
        "eta": number(0.0), "eta_readout": number(0.0), "noise": number(0.0), "weight_decay": number(0.0),
        "batch": whole(1, 10**9), "replicas": whole(1, 2**24), "keep": name("all", "summary"),
        "inputs": name("gaussian", "rademacher", "uniform"), "overlaps": instance(optional=True),
        "rtol": number(2.3e-14, maximum=0.1, optional=True), "nodes": Kind(NODES.bad.filter(lambda n: n is not None))}),
    "generalization_error": (generalization_error, dict(
        activation="erf", **{each: getattr(OVERLAPS, each) for each in (
            "G", "S", "T", "strengths", "xi_out", "readout", "teacher_readout")}), {
        "activation": name(*STUDENTS), "teacher_activation": name(*NAMES, optional=True),
        "T": shapes_alone(array((M, M))), "G": shapes_alone(array((P, P)))}),
    "specialization": (observables.specialization, OVERLAPPING, {
        each: kind if each == "signed" else shapes_alone(kind) for each, kind in OF_OVERLAPS.items()}),
    "match_units": (observables.match_units, dict(rho=RUN.rho), {
        "rho": shapes_alone(OF_OVERLAPS["R"]), "signed": flag()}),
    "mode_residuals": (observables.mode_residuals, dict(
        G=RUN.G, S=RUN.S, T=RUN.T, strengths=WEIGHTS.strengths, xi_out=WEIGHTS.xi_out), {
        "strengths": array((P,)), "xi_out": array((None, P)), "odd": flag()}),
    "find_plateaus": (observables.find_plateaus, dict(alpha=RUN.alpha, error=RUN.generalization_error[0]), {
        "slope": number(), "prominence": number(0.0), "smoothing": number(0.0), "floor": number(0.0)}),
    "specialization_steps": (observables.specialization_steps, dict(alpha=RUN.alpha, values=RUN.specialization[0]), {
        "smoothing": number(0.0), "height": number(0.0)}),
    "sweep": (om.sweep, dict(make=EXPERIMENT, over={"eta": [1.0]}), {
        "make": Kind(instance().bad.filter(lambda value: not callable(value))), "over": instance(), "overwrite": flag(),
        "retry": flag(), "workers": whole(1, optional=True), "replicas": whole(1, 2**24, optional=True),
        "store": Kind(PATH.bad.filter(lambda value: value is not None)), "progress": PROGRESS}),
    "open_sweep": (om.open_sweep, dict(path="nowhere"), {"path": PATH}),
    "compare": (om.compare, dict(experiment=EXPERIMENT), {"experiment": instance(), "progress": PROGRESS}),
}
FAIL_ANYWAY = {"load", "resume", "save", "to_csv", "open_sweep"}  # of files that are not there


@pytest.fixture(scope="module", autouse=True)
def in_a_folder(tmp_path_factory):
    """Files with random names come into a folder of their own."""
    here = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("files"))
    yield
    os.chdir(here)


@pytest.mark.parametrize("each", sorted(CALLS))
def test_the_arguments_are_good(each):
    function, good, _ = CALLS[each]
    if each in FAIL_ANYWAY:
        assert_refused(function, good)
    else:
        function(**good)


@examples(400)
@given(broken(CALLS))
def test_one_broken_argument(call):
    each, arguments = call
    assert_refused(CALLS[each][0], arguments)


VALUES = {"eta": number(), "N": whole(1), "activation": name(*STUDENTS), "fresh_students": flag(), "seed": whole(0)}
WORDS = {"1", "x"}  # which a sweep reads


@examples(100)
@given(st.sampled_from(sorted(VALUES)), st.data())
def test_one_broken_value_of_a_sweep(axis, data):
    """Its kind is refused before anything is run; numbers out of range are told of their points."""
    value = data.draw(VALUES[axis].bad.filter(lambda bad: not isinstance(bad, (int, float, str))))
    assert_refused(om.sweep, {"make": EXPERIMENT, "over": {axis: [value]}})


@examples(60)
@given(no_numbers | st.integers() | st.floats(), st.sampled_from(["eta", "N", "activation"]))
def test_values_of_a_sweep_that_are_no_sequence(values, axis):
    """Words and sequences may do, and what they hold; nothing else."""
    if isinstance(values, (str, list, set, range, np.ndarray, bytearray, memoryview)) and np.ndim(values) != 0:
        values = object()
    if isinstance(values, str):
        values = None
    assert_refused(om.sweep, {"make": EXPERIMENT, "over": {axis: values}})


@examples(60)
@given(no_numbers.filter(lambda value: not isinstance(value, (np.ndarray, list, dict, set, bytearray))) | st.integers())
def test_names_that_cannot_be_swept(key):
    try:
        over = {key: [1.0]}
    except TypeError:  # that are no keys
        return
    assert_refused(om.sweep, {"make": EXPERIMENT, "over": over})


ANYTHING = no_numbers | not_finite | st.integers(-5, 5) | st.floats(-5.0, 5.0)
OF_USERS = {"progress", "observable", "start", "make"}  # functions that may be called, and fail on their own


@st.composite
def any_call(draw):
    """A call with anything in the place of one argument."""
    each = draw(st.sampled_from(sorted(CALLS)))
    _, good, kinds = CALLS[each]
    argument = draw(st.sampled_from(sorted({*good, *kinds})))
    value = draw(ANYTHING.filter(lambda value: not (argument in OF_USERS and callable(value))))
    return each, {**good, argument: value}


@examples(300)
@given(any_call())
@pytest.mark.filterwarnings("error")
def test_anything_anywhere_works_or_is_an_error_of_the_package(call):
    each, arguments = call
    try:
        CALLS[each][0](**arguments)
    except OnlineModeError as error:
        assert_one_line(error)
