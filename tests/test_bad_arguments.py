"""Arguments of the wrong kind, one for each place that once took them silently or let NumPy speak."""

import numpy as np
import pytest

import onlinemode as om
from onlinemode import agreement, checks, deep, observables
from onlinemode.errors import EngineError, FileError, OnlineModeError, ParameterError, ShapeError
from onlinemode.theory.meanfield import generalization_error

PROBLEM = om.Problem(rates=om.LearningRates(xi_in=1.0))
WEIGHTS = om.initial.committee(12, K=2, M=3, seed=1)
OVERLAPS = WEIGHTS.order_parameters()
RUN = om.simulate(PROBLEM, WEIGHTS, 1.0, "chain", save_at=5, replicas=2)
NOISE = om.fluctuations(PROBLEM, OVERLAPS, RUN.alpha, nodes=64)
NETWORK, CLOUDS = deep.Network((2, 3, 1), modes=2, loss="mse"), deep.data.gaussian_mixture(20, 20)
EXPERIMENT = om.Experiment(N=12, K=2, alpha=1.0, engine="chain", init="committee", save_at=4)
STATE = {name: getattr(OVERLAPS, name) for name in ("G", "S", "T", "strengths", "xi_out", "readout", "teacher_readout")}
SQUARE = np.eye(2)

BAD = {
    "seconds for a number": (lambda: om.LearningRates(np.timedelta64(1, "s")),
                             ParameterError, "xi_in must be a finite"),
    "seconds for a count": (lambda: om.Problem(batch=np.timedelta64(1, "s")),
                            ParameterError, "batch must be a whole"),
    "a matrix for a number": (lambda: om.Problem(noise=SQUARE),
                              ParameterError, r"got array\(\[\[1., 0.\], \[0., 1.\]\]\)"),
    "a list in itself": (lambda: om.inputs.Spectrum(_itself()),
                         ShapeError, "must be an array of numbers; got \\[1.0, \\["),
    "a flag of drawn weights": (lambda: om.initial.committee(12, weights="no"),
                                ParameterError, "weights must be True or "),
    "a flag of a run": (lambda: om.simulate(PROBLEM, WEIGHTS, 1.0, store_final=2),
                        ParameterError, "store_final must be T"),
    "a flag of a sweep": (lambda: om.sweep(EXPERIMENT, {"eta": [1.0]}, retry=1),
                          ParameterError, "retry must be True or"),
    "a flag of matching": (lambda: observables.match_units(RUN.rho, "no"),
                           ParameterError, "signed must be True or False"),
    "units": (lambda: om.initial.readout_vector("mean", 0),
              ParameterError, "units must be a whole number ≥ 1 and ≤ 10000"),
    "too many units": (lambda: om.initial.paper(30, K=10**400),
                       ParameterError, "K must be a whole number ≥ 1 and ≤ 10000"),
    "too large a student": (lambda: om.initial.graded(30, student_size=1e200),
                            ParameterError, "student_size must be .* ≤ 1e"),
    "too many replicas": (lambda: om.simulate(PROBLEM, OVERLAPS, 1.0, "ode", replicas=10**400), ParameterError,
                          "replicas must be a whole number ≥ 1 and ≤ 16777216"),
    "too many times": (lambda: om.simulate(PROBLEM, WEIGHTS, 1.0, save_at=2**63),
                       ParameterError, "save_at must be a whole"),
    "too many samples": (lambda: om.simulate(PROBLEM, WEIGHTS, 1.0, test_samples=2**63),
                         ParameterError, "test_samples must"),
    "too small a tolerance": (lambda: om.simulate(PROBLEM, OVERLAPS, 1.0, "ode", rtol=1e-16), ParameterError,
                              "rtol must be a finite number ≥ 2.3e-14 and ≤ 0.1; got 1e-16"),
    "too many inputs": (lambda: om.inputs.PowerLaw(1.0).spectrum(10**400),
                        ParameterError, "N must be a whole number"),
    "no inputs": (lambda: om.inputs.HiddenManifold(3).covariance(0), ParameterError, "N must be a whole number ≥ 1"),
    "words of inputs": (lambda: om.inputs.parse(3), ParameterError, "inputs must be words, one of gaussian"),
    "inputs of overlaps": (lambda: WEIGHTS.order_parameters("gaussian"),
                           ParameterError, "inputs must be one of the cl"),
    "an engine": (lambda: om.simulate(PROBLEM, WEIGHTS, 1.0, SQUARE),
                  EngineError, "engine must be one of micro, chain"),
    "a device": (lambda: om.simulate(PROBLEM, WEIGHTS, 1.0, device=SQUARE),
                 EngineError, "device must be one of cpu, cuda"),
    "an engine to go on": (lambda: om.go_on(RUN, 2.0, engine=SQUARE),
                           EngineError, "engine must be one of micro, chain"),
    "a run to repeat": (lambda: om.repeat("run.npz"),
                        ParameterError, "run must be an onlinemode.Trajectory; got str"),
    "a path to read": (lambda: om.load(3), FileError, "the path of a file must be text or a pathlib.Path; got 3"),
    "a path to write": (lambda: RUN.save(b"run.npz"),
                        FileError, "the path of a file must be text or a pathlib.Path; got b'"),
    "a path of a checkpoint": (lambda: om.simulate(PROBLEM, WEIGHTS, 1.0, checkpoint=1),
                               FileError, "the path of a file"),
    "a folder": (lambda: om.sweep(EXPERIMENT, {"eta": [1.0]}, store=""),
                 ParameterError, "store must be the path of a fol"),
    "a folder to open": (lambda: om.open_sweep(["x"]),
                         FileError, "the path of a sweep must be text or a pathlib.Path"),
    "a long folder": (lambda: om.open_sweep("x" * 5000), FileError, "cannot read xxx.*File name too long"),
    "a replica": (lambda: RUN.plateaus(2), ParameterError, "replica must be a whole number ≥ 0 and ≤ 1; got 2"),
    "a start": (lambda: RUN.start_of("0"), ParameterError, "replica must be a whole number ≥ 0 and ≤ 1; got '0'"),
    "names of observables": (lambda: RUN.to_xarray(np.array(3)), ParameterError, "observables must be names"),
    "a problem of noise": (lambda: om.fluctuations({}, OVERLAPS, [1.0]),
                           ParameterError, "problem must be an onlinemode.Pr"),
    "progress of noise": (lambda: om.fluctuations(PROBLEM, OVERLAPS, [1.0], progress=3),
                          ParameterError, "progress must be"),
    "N of noise": (lambda: NOISE.standard_deviation("Q", 0), ParameterError, "N must be a whole number ≥ 1"),
    "an observable of noise": (lambda: NOISE.mean_field([]),
                               ParameterError, "observable must be a function or one of"),
    "a width": (lambda: NOISE.band("Q", 12, -1.0), ParameterError, "width must be a finite number ≥ 0"),
    "noise": (lambda: agreement.trusted(RUN, 12), ParameterError, "noise must be an onlinemode.Fluctuations"),
    "a run of scores": (lambda: agreement.z_scores(NOISE, NOISE),
                        ParameterError, "run must be an onlinemode.Trajectory"),
    "theory": (lambda: agreement.deviation(RUN, 3),
               ParameterError, "run and theory must be results of onlinemode; got int"),
    "Q": (lambda: observables.specialization(np.eye(3), RUN.R, RUN.T),
          ShapeError, r"Q must have shape .* = \(\.\.\., 2, 2\)"),
    "leading axes": (lambda: observables.normalized_overlaps(np.ones((3, 2, 2)), RUN.R, RUN.T), ShapeError,
                     "the leading axes of Q, R, T must agree"),
    "rho": (lambda: observables.match_units(3.0), ShapeError, r"rho must have shape \(\.\.\., K, M\); got \(\)"),
    "Q of a theory": (lambda: observables.overlap_deviation(RUN.Q, RUN.R, 1.0, RUN.R),
                      ShapeError, "Q_theory must have sh"),
    "T of residuals": (lambda: observables.mode_residuals(RUN.G, RUN.S, 1.0, np.ones(2), SQUARE),
                       ShapeError, "T must have"),
    "readout of residuals": (lambda: observables.mode_residuals(RUN.G, RUN.S, RUN.T, np.ones(2), SQUARE, [1.0], [1.0]),
                             ShapeError, r"readout must have shape \(\.\.\., K\) = \(2, 2\), without an axis of times"),
    "a curve": (lambda: observables.find_plateaus([1.0, 2.0], [1.0]),
                ShapeError, r"alpha and error must have one shape"),
    "smoothing": (lambda: observables.find_plateaus([1.0], [1.0], smoothing=1e300),
                  ParameterError, "smoothing must be"),
    "a step": (lambda: observables.specialization_steps([1.0], [1.0], height="x"),
               ParameterError, "height must be a fini"),
    "G of an error": (lambda: generalization_error(**{"activation": "erf", **STATE, "G": np.eye(3)}), ShapeError,
                      r"G must have the shape that goes with the other arrays, \(2, 2\); got \(3, 3\)"),
    "overlaps of no array": (lambda: om.Experiment(overlaps=np.ma.masked),
                             ParameterError, "overlaps must be an onlinemode"),
    "a saved experiment": (lambda: om.Experiment.from_dict([]),
                           ParameterError, "saved must be an onlinemode.dict; got list"),
    "names without": (lambda: EXPERIMENT.describe(without=3), ParameterError, "without must be names"),
    "engines": (lambda: om.compare(EXPERIMENT, [["chain"]]),
                ParameterError, "engines must be at least one of micro, chain"),
    "a function of no arguments": (lambda: om.sweep(type, {"eta": [1.0]}),
                                   ParameterError, "make must be a function whose ar"),
    "values": (lambda: om.sweep(EXPERIMENT, {"eta": np.array(1.0)}),
               ParameterError, "the values of eta must be a sequence"),
    "seeds": (lambda: om.sweep(EXPERIMENT, seeds=np.array(3)), ParameterError, "seeds must be a whole number"),
    "what is kept": (lambda: om.sweep(EXPERIMENT, {"eta": [1.0]}, keep=np.eye(2)),
                     ParameterError, "what is kept of a point"),
    "where": (lambda: om.sweep(EXPERIMENT, {"eta": [1.0]}, executor=np.eye(2)), ParameterError, "executor must be"),
    "modes of a network": (lambda: deep.Network((2, 3, 1), modes=10**400, loss="mse"),
                           ParameterError, "a network has at most 1,000,000,000,000 parameters"),
    "ragged modes": (lambda: deep.Network((2, 3, 1), modes=[[1, 2], [3]], loss="mse"),
                     ParameterError, r"the number of modes P must be a whole number ≥ 1; got \[1, 2\]"),
    "a dict of inputs": (lambda: NETWORK.forward({}), ShapeError, "inputs must be an array of numbers; got {}"),
    "a dict of targets": (lambda: NETWORK.loss(np.ones((3, 2)), {}), ShapeError, "must be an array of numbers; got {}"),
    "no seed": (lambda: deep.train(NETWORK, CLOUDS, epochs=0, seed=None), ParameterError, "seed must be a whole"),
    "progress of training": (lambda: deep.train(NETWORK, CLOUDS, epochs=0, progress=True),
                             ParameterError, "progress must be a function that is given reports; got True"),
    "a folder of images": (lambda: deep.data.idx(3), FileError, "the path of a folder must be text or a pathlib.Path"),
    "a file of samples": (lambda: deep.data.arrays(3), FileError, "the path of a file must be text or a pathlib.Path"),
    "a data set": (lambda: deep.data.find(np.eye(2)), FileError, "a data set has a name, such as fashion-mnist; got"),
    "results that are swept": (lambda: om.sweep(EXPERIMENT, {"readout": ["sum"]}, keep="readout"), ParameterError,
                               "readout is a name of the results, and cannot be swept: leave it out of keep"),
}


def _itself():
    inner = [1.0]
    inner.append(inner)
    return inner


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_told_in_one_line(name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_messages_are_one_line():
    assert str(OnlineModeError("a value\n  of two lines\nsaid")) == "a value of two lines said"
    assert str(om.errors.MissingPackageError("no\nmodule")) == "no module"


@pytest.mark.parametrize("value, words", [("x" * 100, "'" + "x" * 79), (10**5000, "a value of type int"),
                                          (np.eye(2), "array([[1., 0.], [0., 1.]])")], ids=["text", "digits", "array"])
def test_values_in_messages_are_short(value, words):
    assert checks.one_line(value) == words


@pytest.mark.parametrize("value", [True, False, np.True_, np.False_])
def test_flags(value):
    assert checks.flag("x", value) is bool(value)


def test_as_many_replicas_as_random_numbers_tell_apart():
    from onlinemode.kernels.random.philox import MAX_REPLICAS
    from onlinemode.simulation import MAX_REPLICAS as ALLOWED

    assert ALLOWED == MAX_REPLICAS


def test_a_size_that_no_point_can_have_leaves_the_others():
    made = om.sweep(EXPERIMENT, {"N": [14, 10**400]})
    assert made.status.values.tolist() == ["completed", "invalid"]
    assert "N must be a whole number" in made.message.values[1]


def test_a_running_mean_is_no_wider_than_a_few_times_the_curve():
    """A piece of a long run is short on the scale of ln α; its mean over a third of a decade took gigabytes."""
    alpha = 1e6 + np.arange(50.0)
    assert observables._width(0.3, np.log(alpha)) == 4 * 50
    assert observables.find_plateaus(alpha, 1.0 / alpha, smoothing=0.3) == []
