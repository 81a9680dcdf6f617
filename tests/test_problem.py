"""Problem and LearningRates: defaults, limits, and messages that state the rule and the value."""

import dataclasses
import math

import numpy as np
import pytest

import onlinemode as om
from onlinemode.activations import STUDENTS as ACTIVATIONS
from onlinemode.activations import WORDS
from onlinemode.errors import OnlineModeError, ParameterError


@pytest.mark.parametrize("name", ["xi_in", "strengths", "xi_out", "readout"])
@pytest.mark.parametrize("value, shown", [
    (math.nan, "nan"), (-1.0, "-1.0"), (math.inf, "inf"), (None, "None"), (True, "True")])
def test_bad_learning_rate(name, value, shown):
    with pytest.raises(ParameterError) as caught:
        om.LearningRates(**{name: value})
    assert str(caught.value) == f"learning rate {name} must be a finite number ≥ 0; got {shown}"


@pytest.mark.parametrize("options, message", [
    ({"activation": None}, f"activation must be one of {', '.join(WORDS)}, or an onlinemode.Activation; got None"),
    ({"teacher_activation": 3},
     f"teacher_activation must be one of {', '.join(WORDS)}, or an onlinemode.Activation; got 3"),
    ({"noise": -0.1}, "noise must be a finite number ≥ 0; got -0.1"),
    ({"noise": math.nan}, "noise must be a finite number ≥ 0; got nan"),
    ({"weight_decay": -2}, "weight_decay must be a finite number ≥ 0; got -2"),
    ({"weight_decay": math.inf}, "weight_decay must be a finite number ≥ 0; got inf"),
    ({"batch": 0}, "batch must be a whole number ≥ 1 and ≤ 1000000000; got 0"),
    ({"batch": 1.5}, "batch must be a whole number ≥ 1 and ≤ 1000000000; got 1.5"),
    ({"batch": math.nan}, "batch must be a whole number ≥ 1 and ≤ 1000000000; got nan"),
    ({"batch": 10**10}, "batch must be a whole number ≥ 1 and ≤ 1000000000; got 10000000000"),
])
def test_bad_problem(options, message):
    with pytest.raises(ParameterError) as caught:
        om.Problem(**options)
    assert str(caught.value) == message


def test_rates_must_be_learning_rates():
    with pytest.raises(ParameterError, match=r"rates must be a LearningRates.*got 0\.5"):
        om.Problem(rates=0.5)


def test_errors_are_value_errors_too():
    with pytest.raises(ValueError, match="batch must be"):
        om.Problem(batch=-1)
    assert issubclass(ParameterError, OnlineModeError)


def test_defaults_and_types():
    problem = om.Problem(noise=1, batch=2.0, rates=om.LearningRates(xi_in=np.float32(0.5)))
    assert (problem.activation, problem.weight_decay) == ("erf", 0.0)
    assert isinstance(problem.noise, float)
    assert isinstance(problem.batch, int)
    assert isinstance(problem.rates.xi_in, float)
    assert problem.rates == om.LearningRates(0.5, 0.0, 0.0, 0.0)


def test_frozen():
    problem = om.Problem()
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.noise = 1.0


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_dict_round_trip(activation, all_rates):
    problem = om.Problem(activation=activation, noise=0.1, weight_decay=0.2, batch=3, rates=all_rates)
    assert om.Problem.from_dict(problem.to_dict()) == problem
