"""Arrays and numbers that would lose something on their way in are refused, wherever they come in."""

from fractions import Fraction

import numpy as np
import pytest

import onlinemode as om
from onlinemode import checks, deep
from onlinemode.deep import factors, geometry, growth, importance, power_law, pruning
from onlinemode.errors import OnlineModeError, ParameterError, ShapeError
from onlinemode.inputs import Rows, Spectrum

MASKED = np.ma.masked_array(np.ones((3, 3)), mask=np.eye(3, dtype=bool))


@pytest.mark.parametrize("value, error, message", [
    (np.eye(3) + 1j, ParameterError, "x must be real; got complex128: give its .real if that is meant"),
    (np.eye(3).astype(complex), ParameterError, "x must be real; got complex128: give its .real if that is meant"),
    ([[1.0, 2j], [0.0, 1.0]], ParameterError, "x must be real; got complex128: give its .real if that is meant"),
    (np.array([[1.0, 2j]], dtype=object), ParameterError, "x must be real; got complex: give its .real if that is"),
    (MASKED, ParameterError, "x must have no masked entries; 3 of 9 are masked: fill them or leave them out"),
    ([MASKED[0], MASKED[1]], ParameterError, "x must have no masked entries; 2 of 6 are masked"),
    ([[1.0, np.ma.masked]], ParameterError, "x must have no masked entries; 1 of 2 are masked"),
    ([["1.5", "2"]], ShapeError, "x must be an array of numbers; got [['1.5', '2']]"),
    (np.array([["1.5", 2.0]], dtype=object), ShapeError, "x must be an array of numbers; got array([['1.5'"),
    ([[1.0, None]], ShapeError, "x must be an array of numbers; got [[1.0, None]]"),
    ([[1.0, 2.0], [3.0]], ShapeError, "x must be an array of numbers; got [[1.0, 2.0], [3.0]]"),
    (np.array([["2020-01-01"]], "datetime64[D]"), ShapeError, "x must be an array of numbers; got array([['2020"),
    (np.zeros((1, 1), [("a", float)]), ShapeError, "x must be an array of numbers"),
    (np.float64(3.0), ShapeError, "x must have shape (any, any); got ()"),
    ([[1.0, np.nan]], ParameterError, "x must be finite; entry (0, 1) is nan"),
    ([[10**400]], ParameterError, "x must hold numbers up to 1.8e308; got [[1000"),
])
def test_arrays_that_would_lose_something(value, error, message):
    with pytest.raises(error) as caught:
        checks.array("x", value, (None, None))
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [
    np.ma.masked_array(np.eye(2)), np.matrix(np.eye(2)), [[1, 0], [0, 1]], np.eye(2, dtype=bool),
    np.eye(2, dtype=">f4"),
    np.array([[Fraction(1), 0], [0, 1]], dtype=object), (np.ma.masked_array([1, 0], [False, False]), np.array([0, 1]))])
def test_arrays_that_lose_nothing(value):
    made = checks.array("x", value, (2, 2))
    assert type(made) is np.ndarray and made.dtype == np.float64 and np.array_equal(made, np.eye(2))


@pytest.mark.parametrize("value", [1j, np.complex64(1.0), "1.0", True, np.bool_(True), None, np.ma.masked, np.ones(1),
                                   np.nan, np.inf, 10**400, Fraction(10**400)])
def test_what_is_no_number(value):
    with pytest.raises(ParameterError, match="x must be a finite number ≥ 0; got "):
        checks.number("x", value, 0.0)


@pytest.mark.parametrize("value", [1j, np.complex64(1.0), "1", True, np.bool_(True), None, np.ma.masked, np.ones(1),
                                   np.nan, np.inf, 1.5, Fraction(10**400, 3)])
def test_what_is_no_whole_number(value):
    with pytest.raises(ParameterError, match="x must be a whole number ≥ 0; got "):
        checks.integer("x", value, 0)


def layers():
    rng = np.random.default_rng(0)
    return [factors.checked(rng.standard_normal((3, 3)), np.ones(3), rng.standard_normal((3, 3))) for _ in range(2)]


PROBLEM = om.Problem(rates=om.LearningRates(1.0))
NETWORK = deep.Network((3, 3, 3), "1L2P", modes=2, loss="mse")
FRESH = om.initial.committee(9, K=3, student_size=0.5)
PLACES = {
    "xi_in": lambda bad: om.Weights(bad, np.ones(3), np.eye(3), np.ones(3), np.eye(3), np.ones(3)),
    "strengths": lambda bad: om.Weights(np.eye(3), bad[0], np.eye(3), np.ones(3), np.eye(3), np.ones(3)),
    "G": lambda bad: om.OrderParameters(bad, np.eye(3), np.eye(3), np.ones(3), np.eye(3), np.ones(3), np.ones(3)),
    "Q": lambda bad: om.initial.from_overlaps(bad, np.zeros((3, 3)), np.eye(3)),
    "R": lambda bad: om.initial.from_overlaps(np.eye(3), bad, np.eye(3)),
    "readout": lambda bad: om.initial.from_overlaps(np.eye(3), np.zeros((3, 3)), np.eye(3), bad[0], "sum"),
    "teacher_norms": lambda bad: om.initial.graded(9, K=3, teacher_norms=bad[0]),
    "save_at": lambda bad: om.simulate(PROBLEM, FRESH, 2.0, save_at=bad[0]),
    "save_at of a list": lambda bad: om.simulate(PROBLEM, FRESH, 2.0, save_at=list(bad[0])),
    "alpha": lambda bad: om.fluctuations(PROBLEM, FRESH, bad[0]),
    "rows": lambda bad: Rows(bad),
    "eigenvalues": lambda bad: Spectrum(bad[0]),
    "train_x": lambda bad: deep.Dataset(bad, np.arange(3), np.eye(3), np.arange(3), "d", 3),
    "train_y": lambda bad: deep.Dataset(np.eye(3), bad[0], np.eye(3), np.ones(3), "d", 3),
    "inputs of a network": lambda bad: NETWORK.forward(bad),
    "targets of a network": lambda bad: NETWORK.loss(np.eye(3), bad),
    "state of a network": lambda bad: deep.Network((3, 3), "dense", loss="mse").set_state(
        {name: bad for name in deep.Network((3, 3), "dense", loss="mse").state()}),
    "W": lambda bad: factors.truncated(bad),
    "x of factors": lambda bad: factors.fields(layers(), bad),
    "outputs": lambda bad: factors.accuracy(bad, np.arange(3)),
    "samples": lambda bad: geometry.participation_dimension(bad),
    "A": lambda bad: geometry.principal_angles(bad, np.eye(3)),
    "samples of classes": lambda bad: geometry.class_overlap(bad, np.arange(3), 1),
    "labels of classes": lambda bad: geometry.class_overlap(np.eye(3), bad[0], 1),
    "x measured": lambda bad: geometry.measure(layers(), bad),
    "widths": lambda bad: growth.compare_growth(bad.reshape(-1), np.arange(1.0, 10.0)),
    "importances": lambda bad: importance.ranked(bad),
    "power law": lambda bad: power_law.fit_power_law(bad),
    "x pruned": lambda bad: pruning.removal(layers(), bad, np.arange(3), [0]),
    "labels pruned": lambda bad: pruning.removal(layers(), np.eye(3), bad[0], [0]),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bad, words", [(np.eye(3) + 0.5j, "must be real; got complex"),
                                        (MASKED, "must have no masked entries; ")], ids=["complex", "masked"])
@pytest.mark.parametrize("place", list(PLACES))
def test_every_place(place, bad, words):
    with pytest.raises(OnlineModeError, match=words):
        PLACES[place](bad)


def test_complex_rows_of_a_file(tmp_path):
    np.save(tmp_path / "rows.npy", np.eye(3) + 0.5j)
    with pytest.raises(ParameterError, match="must hold real numbers; .*rows.npy holds complex128"):
        Rows(tmp_path / "rows.npy")


def test_ragged_times():
    with pytest.raises(ShapeError, match=r"save_at must be an array of numbers; got \[\[0.0, 1.0\], \[2.0\]\]"):
        om.simulate(PROBLEM, FRESH, 2.0, save_at=[[0.0, 1.0], [2.0]])
