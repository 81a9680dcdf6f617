"""Activations as values: words, tables of any function, and what is refused."""

import dataclasses
import json
import math
import pickle
import re

import numpy as np
import pytest
from activation_formulas import FORMULAS, bell
from scipy import special

import onlinemode as om
from onlinemode.activation_tables import MOST_PIECES, Table
from onlinemode.activations import NAMES, Activation, activation_of, is_word
from onlinemode.errors import ParameterError, ShapeError

Z = np.concatenate([np.random.default_rng(3).normal(scale=4.0, size=2000), [0.0, -0.0, 70.0, -300.0]])
FUNCTIONS = {  # g, g', breaks, tails
    "tanh": (np.tanh, lambda z: 1.0 / np.cosh(np.clip(z, -300.0, 300.0)) ** 2, (), ("as the function",) * 2),
    "sin": (np.sin, np.cos, (), ("straight",) * 2),
    "softsign": (lambda z: z / (1.0 + np.abs(z)), lambda z: 1.0 / (1.0 + np.abs(z)) ** 2, (0.0,), ("straight",) * 2),
    "softplus": (lambda z: np.logaddexp(0.0, z), special.expit, (), ("as the function",) * 2),
    "gelu": (lambda z: z * special.ndtr(z), lambda z: special.ndtr(z) + 0.5 * z * bell(z), (),
             ("as the function",) * 2),
    "hard tanh": (lambda z: np.clip(z, -1.0, 1.0), lambda z: 1.0 * (np.abs(z) < 1.0), (-1.0, 1.0),
                  ("as the function",) * 2),
    "stairs": (lambda z: np.floor(np.clip(z, -3.0, 3.0)), np.zeros_like, range(-3, 4), ("as the function",) * 2),
}


@pytest.mark.parametrize("word", FORMULAS)
def test_words(word):
    activation = Activation.parse(word.upper())
    assert activation.word == activation.name == str(activation) == word
    g, slope = FORMULAS[word]
    tolerance = 1e-14 * np.maximum(1.0, np.abs(g(Z)))
    assert np.all(np.abs(activation(Z) - g(Z)) <= tolerance)
    assert np.all(np.abs(activation.slope(Z) - slope(Z)) <= 1e-14 * np.maximum(1.0, np.abs(slope(Z))))
    wrong = {"erf:0.5": "erf:0.55", "he:3": "poly:0,-3,0,1.1", "leaky:0.2": "leaky:0.22"}.get(word)
    if wrong is not None:
        assert np.any(np.abs(Activation.parse(wrong)(Z) - g(Z)) > tolerance)


def test_one_function_has_one_word():
    for word, same in {"leaky:0": "relu", "leaky:1": "linear", "he:1": "linear", "poly:0,1": "linear", "erf:1": "erf",
                       "erfs:1,0.5": "erf:0.5", "leaky": "leaky:0.01", "poly:0,0,1,0": "poly:0,0,1",
                       " ReLU ": "relu", "he:2.0": "he:2"}.items():
        assert Activation.parse(word) == Activation.parse(same) and Activation.parse(word).word == same
    assert Activation.polynomial([0, 0, 1]).word == "poly:0,0,1"
    assert Activation("he", [2]).coefficients == (-1.0, 0.0, 1.0)
    assert Activation("he:3") == Activation("he", [3]) and Activation("poly:0,2").homogeneous
    assert Activation.erf_sum([0.6, 0.4], [0.5, 2]) == Activation.parse("erfs:0.6,0.5,0.4,2")
    assert om.Problem("poly:0,1") == om.Problem("linear") and om.Problem(Activation.parse("he:2")).activation == "he:2"
    assert om.Problem("tanh", teacher_activation=Activation("tanh")).teacher_activation is None


def test_hermite_polynomials():
    for degree in range(2, 11):
        expected = np.polynomial.hermite_e.herme2poly([0.0] * degree + [1.0])
        assert np.array_equal(Activation("he", (degree,)).coefficients, expected)


def test_facts():
    facts = {word: (each.odd, each.even, each.homogeneous, each.smooth, each.continuous)
             for word in [*NAMES, "he:2", "he:3", "leaky:-1", "erf:2"] for each in [Activation.parse(word)]}
    yes, no = True, False
    assert facts == {"erf": (yes, no, no, yes, yes), "linear": (yes, no, yes, yes, yes), "relu": (no, no, yes, no, yes),
                     "tanh": (yes, no, no, yes, yes), "sigmoid": (no, no, no, yes, yes), "sign": (yes, no, no, no, no),
                     "leaky": (no, no, yes, no, yes), "he:2": (no, yes, no, yes, yes), "he:3": (yes, no, no, yes, yes),
                     "leaky:-1": (no, yes, yes, no, yes), "erf:2": (yes, no, no, yes, yes)}
    tables = {name: Activation.from_function(g, breaks=breaks).table for name, (g, _, breaks, _) in FUNCTIONS.items()}
    assert {name for name, table in tables.items() if table.odd} == {"tanh", "sin", "softsign", "hard tanh"}
    assert {name for name, table in tables.items() if not table.smooth} == {"hard tanh", "stairs"}
    assert {name for name, table in tables.items() if not table.continuous} == {"stairs"}
    assert Activation.from_function(np.cos).even and not Activation.from_function(np.abs).smooth


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_table_has_the_error_that_it_says(name):
    g, slope, breaks, tails = FUNCTIONS[name]
    made = Activation.from_function(g, slope, breaks, name)
    z = np.concatenate([np.linspace(-63.9, 63.9, 40_001), Z[np.abs(Z) < 64.0]])
    z = z[np.abs(z[:, None] - np.array([*breaks, 1e9])).min(1) > 1e-6]
    errors = np.abs(made(z) - g(z)) / np.maximum(1.0, np.abs(g(z)))
    assert errors.max() <= 1.1 * made.table.error + 1e-15 and made.table.error <= 1e-10
    assert np.abs(made.slope(z) - slope(z)).max() <= 3.0 * made.table.slope_error + 1e-12
    expected = f"{name}-{made.table.digits}" if is_word(name) else name
    assert made.table.tails == tails and made.name == expected and made.word is None
    far = np.array([-1e6, -100.0, 100.0, 1e6])
    if tails == ("as the function",) * 2:
        assert np.allclose(made(far), g(far), rtol=1e-9, atol=1e-9)
    else:
        ends = np.array([-64.0, -64.0, 64.0, 64.0])
        assert np.allclose(made(far), g(ends) + slope(ends) * (far - ends), rtol=1e-6, atol=1e-6)
    coarse = Activation.from_function(g, slope, breaks, name, tolerance=1e-4)
    assert len(coarse.table.pieces) < len(made.table.pieces) or breaks
    assert np.abs(coarse(z) - g(z)).max() <= 1e-4
    facts = "odd", "even", "smooth", "continuous"
    assert [getattr(coarse, each) for each in facts] == [getattr(made, each) for each in facts]
    # and it is seen where a table is another function
    assert np.abs(Activation.from_function(lambda z: 1.1 * g(z), None, breaks, name)(z) - g(z)).max() > 0.05


def test_narrow_features_are_seen():
    bump = lambda z: np.exp(-((z - 0.37) / 0.05) ** 2)  # noqa: E731
    made = Activation.from_function(bump)
    z = np.linspace(0.0, 1.0, 1001)
    assert np.abs(made(z) - bump(z)).max() < 1e-10


@pytest.mark.parametrize("word", ["sign", "leaky:0.2", "he:2", "poly:0,1,2"])
def test_numbers_that_are_none_or_infinite(word):
    g, given = Activation.parse(word), [math.nan, math.inf, -math.inf]
    expected = {"sign": [math.nan, 1.0, -1.0], "leaky:0.2": [math.nan, math.inf, -math.inf]}.get(
        word, [math.nan, math.inf, math.inf])
    found = g(given)
    assert np.isnan(found[0]) and np.all((found[1:] == expected[1:]) | (np.abs(found[1:]) > 1e300))
    assert np.array_equal(np.sign(found[1:]), np.sign(expected[1:]))
    table = Activation.from_function(np.tanh)
    assert np.isnan(table(math.nan)) and table([math.inf, -math.inf]) == pytest.approx([1.0, -1.0])


def test_names_tell_tables_apart():
    """Of functions without a name, and from words."""
    one, same, other = (Activation.from_function(lambda z, a=a: np.tanh(a * z)) for a in (1.0, 1.0, 1.1))
    assert re.fullmatch("function-[0-9a-f]{8}", one.name) and one.name == same.name != other.name and one == same
    for named in (Activation.from_function(np.tanh), Activation.from_function(np.tanh, name="tanh")):
        assert re.fullmatch("tanh-[0-9a-f]{8}", named.name) and named != activation_of("tanh")
    square = Activation.from_function(np.square, name="poly:0,0,1")
    assert square.name.startswith("poly:0,0,1-") and not is_word(square.name)
    assert Activation.from_function(np.square).name == "square"  # no word
    assert Activation.from_function(np.tanh, name="mine").name == "mine"
    assert Activation.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_kinks_that_nobody_names_are_refused_with_their_place():
    with pytest.raises(ParameterError, match=r"cannot be told to 1e-10 at z = 0\.(3|29)\d*: .*say so with breaks"):
        Activation.from_function(lambda z: np.abs(z - 0.3))
    made = Activation.from_function(lambda z: np.abs(z - 0.3), breaks=[0.3])
    assert np.abs(made(Z) - np.abs(Z - 0.3)).max() < 1e-10
    assert max(segment[5] for segment in made.table.segments) < MOST_PIECES


@pytest.mark.parametrize("function, options, message", [
    (lambda z: z if z > 0 else 0, {}, "must take an array of numbers.*np.where.*it raised ValueError"),
    (lambda z: 1.0 / z, {}, "must be finite; it is inf at z = 0"),
    (lambda z: 1.0 / (z - 0.1), {}, r"cannot be told to 1e-10 at z = 0\.\d*: with 4096 pieces"),
    (np.log, {}, "log must be finite; it is nan at z = -"),
    (lambda z: z.sum(), {}, "a number for each number"),
    (lambda z: z[:-1], {}, r"for an array of shape \(6,\) it returned one of shape \(5,\)"),
    (lambda z: z - z.mean(), {}, "must act on each number by itself"),
    (lambda z: z + 1j, {}, "must be real; got complex128"),
    (lambda z: ["a"] * len(z), {}, "must be an array of numbers"),
    (lambda z: math.tanh(z), {}, "must take an array"),
    (np.tanh, {"slope": lambda z: 1.0 - 1.1 * np.tanh(z) ** 2}, "must be the derivative.*differences of the function"),
    (np.tanh, {"slope": "no"}, "must take an array|made from a function"),
    (np.tanh, {"breaks": [100]}, "within ±reach = ±64; got 100"),
    (np.tanh, {"breaks": ["a"]}, "a break must be a finite number; got 'a'"),
    (np.tanh, {"breaks": 0.0}, "breaks must be a sequence of numbers; got 0.0"),
    (np.tanh, {"breaks": np.linspace(0.0, 1.0, 65)}, "at most 64 breaks; got 65"),
    (np.tanh, {"name": ""}, "the name of an activation must be text"),
    (np.tanh, {"name": "a\nb"}, "the name of an activation must be text"),
    (np.tanh, {"tolerance": 0.0}, "tolerance must be a finite number > 0"),
    (np.tanh, {"reach": math.inf}, "reach must be a finite number"),
    ("tanh", {}, "made from a function of an array"),
])
def test_functions_that_are_none(function, options, message):
    with pytest.raises((ParameterError, ShapeError), match=message):
        Activation.from_function(function, **options)


@pytest.mark.parametrize("word, message", [
    ("gelu", "'gelu' is no activation: it must be one of erf, linear, relu"), ("", "'' is no activation"),
    ("he", "'he' is no activation"), ("erf:", "'erf:' is no activation"), ("table", "'table' is no activation"),
    ("poly:0,x", "separated by commas"), ("poly:1", "beside the constant that is not 0"),
    ("poly:0,nan", "must be a finite number"), ("poly:" + ",".join("1" * 12), "degree of at most 10; got 11"),
    ("poly:0,1e9", "a coefficient of a polynomial must be"), ("he:11", "its degree from 1 to 10"),
    ("he:0", "its degree from 1 to 10"), ("he:2.5", "its degree from 1 to 10"), ("relu:1", "relu takes no numbers"),
    ("erf:-1", "the gain of erf must be"), ("erf:1,2", "one number, its gain"), ("leaky:1,2", "its slope below zero"),
    ("erfs:1", "a coefficient and a gain for each"), ("erfs:0,1", "can be 0"), ("erfs:1,-1", "the gain of an erf"),
])
def test_words_that_are_none(word, message):
    with pytest.raises(ParameterError, match=message):
        Activation.parse(word)
    with pytest.raises(ParameterError, match=message):
        om.Problem(word)
    with pytest.raises(ParameterError, match=message):
        om.Experiment(teacher_activation=word)


def test_values_that_are_none():
    for value in (None, 3, np.tanh, ["erf"]):
        with pytest.raises(ParameterError, match="activation must be one of erf, .*, or an onlinemode.Activation; got"):
            activation_of(value)
    for arguments, message in ((("erf", "12"), "must be a sequence"), (("gelu",), "kind must be one of"),
                               (("table",), "use Activation.from_function"), (("erf", (), 3), "no other has"),
                               (("table", (), 3), "must be an onlinemode.Table")):
        with pytest.raises(ParameterError, match=message):
            Activation(*arguments)
    with pytest.raises(ParameterError, match="as many gains as coefficients"):
        Activation.erf_sum([1.0], [1.0, 2.0])


def test_a_student_cannot_have_jumps():
    stairs = Activation.from_function(FUNCTIONS["stairs"][0], breaks=range(-3, 4), name="stairs")
    for activation in ("sign", stairs):
        with pytest.raises(ParameterError, match="a student cannot learn with s.*teacher_activation"):
            om.Problem(activation)
        assert om.Problem("erf", teacher_activation=activation).activations[1] == activation_of(activation)


@pytest.fixture(scope="module")
def softsign():
    return Activation.from_function(lambda z: z / (1.0 + np.abs(z)), breaks=[0.0], name="softsign")


def test_tables_are_data(softsign):
    for copy in (pickle.loads(pickle.dumps(softsign)),
                 Activation.from_dict(json.loads(json.dumps(softsign.to_dict())))):
        assert copy == softsign and hash(copy) == hash(softsign) and np.array_equal(copy(Z), softsign(Z))
    problem = om.Problem(softsign, teacher_activation=softsign)
    assert problem.teacher_activation is None and problem.activation is softsign
    assert om.Problem.from_dict(json.loads(json.dumps(problem.to_dict()))) == problem
    experiment = om.Experiment(activation=softsign, teacher_activation="he:2")
    assert om.Experiment.from_dict(json.loads(json.dumps(experiment.to_dict()))) == experiment
    other = Activation.from_function(lambda z: 1.1 * z / (1.0 + np.abs(z)), breaks=[0.0], name="softsign")
    assert other != softsign and om.Problem(other) != problem
    assert repr(softsign.table).startswith("Table('softsign', ")


def test_damaged_tables_are_refused(softsign):
    whole = softsign.to_dict()
    rows = lambda name, i, j, value: {name: [[value if (a, b) == (i, j) else each for b, each in enumerate(row)]  # noqa: E731
                                             for a, row in enumerate(whole[name])]}
    for changes in ({"pieces": whole["pieces"][:-1]}, rows("segments", 1, 4, 3.0), rows("segments", 0, 5, -1.0),
                    rows("segments", 0, 5, 1e9), rows("segments", 0, 3, 0.0), rows("pieces", 0, 0, math.nan),
                    {"segments": "no"}, {"pieces": [[1.0]]}, {"name": 5}, {"tails": "x"}, {"odd": 1}, {"error": -1.0},
                    {"name": "a\nb"}, {"name": "x" * 400},
                    rows("segments", 0, 0, 3.0),
                    {"more": 1}, {"kind": "erf"}):
        with pytest.raises((ParameterError, ShapeError)):
            Activation.from_dict(whole | changes)
    for name in (each.name for each in dataclasses.fields(Table)):
        with pytest.raises(ParameterError, match="it is damaged"):
            Activation.from_dict({key: value for key, value in whole.items() if key != name})


@pytest.mark.parametrize("engine", ["micro", "chain", "ode"])
def test_runs_repeat_from_their_files_alone(tmp_path, softsign, engine):
    problem = om.Problem(softsign, teacher_activation="sign", noise=0.1, rates=om.LearningRates(xi_in=0.7))
    start = om.initial.committee(100, K=2, seed=1)
    options = {"nodes": 64} if engine == "ode" else {}
    with pytest.warns(RuntimeWarning, match="averages over 64 nodes") if engine == "ode" else _nothing():
        run = om.simulate(problem, start, 1.0, engine, save_at=3, store_weights=True, **options)
    run.save(tmp_path / "run.npz")
    read = om.load(tmp_path / "run.npz")
    assert read.problem == problem
    with pytest.warns(RuntimeWarning, match="averages over 64 nodes") if engine == "ode" else _nothing():
        again = om.repeat(read)
    assert np.array_equal(again.G, run.G) and np.array_equal(again.generalization_error, run.generalization_error)
    assert not np.array_equal(run.G[:, 0], run.G[:, -1])


class _nothing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False
