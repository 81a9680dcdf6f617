"""Teachers that are polynomials of several fields: their labels, number of units, law, files and errors."""

import json
import warnings

import numpy as np
import pytest
from scipy import stats

import onlinemode as om
from onlinemode import initial, linear_forms
from onlinemode.activations import activation_of
from onlinemode.errors import ParameterError, ShapeError

STAIRCASE = {(1, 0, 0): 1.0, (1, 1, 0): 1.0, (1, 1, 1): 1.0}
ALL = "poly:0,1,1,1"
CASES = {  # terms, activation, whether of Hermite polynomials, units
    "product": ({(1, 1): 1.0}, "he:2", False, 2),
    "product of all powers": ({(1, 1): 1.0}, "poly:0,1,1", False, 3),
    "product of a higher degree": ({(1, 1): 1.0}, "he:4", False, 4),
    "steps": ({(1, 0): 1.0, (1, 1): 1.0}, "poly:0,1,1", False, 2),
    "staircase": (STAIRCASE, ALL, False, 9),
    "staircase with a constant": ({**STAIRCASE, (0, 0, 0): -0.7}, "poly:0.3,1,0.5,-0.2", False, 10),
    "parity": ({(1, 1, 1): 1.0}, "he:3", False, 4),
    "parity of all powers": ({(1, 1, 1): 1.0}, ALL, False, 7),
    "parity of four": ({(1, 1, 1, 1): -2.5}, "he:4", False, 8),
    "He2 He1": ({(2, 1): 1.0}, "he:3", True, 3),
    "He2 He2": ({(2, 2): 1.0}, "he:4", True, 4),
    "sum of He": ({(2, 0, 0): 1.0, (0, 2, 0): 2.0, (0, 0, 2): 3.0}, "he:2", True, 3),
    "square": ({(2,): 1.0}, "he:2", False, 2),
    "cube": ({(3,): 1.0}, "he:3", False, 2),
    "He3": ({(3,): 1.0}, "he:3", True, 1),
    "fifth power": ({(5,): 1.0}, "poly:0,1,1,1,1,1", False, 5),
    "quadratic form": ({(2, 0): 1.0, (1, 1): 3.0, (0, 2): -2.0}, "poly:0,0,1", False, 2),
    "square of a form": ({(2, 0): 1.0, (1, 1): -3.0, (0, 2): 2.25}, "poly:0,0,1", False, 1),
    "two products": ({(1, 1, 0, 0): 1.0, (0, 0, 1, 1): 1.0}, "he:2", False, 4),
    "linear": ({(1, 0): 3.0, (0, 1): 4.0}, "linear", False, 1),
}


def values(terms, nu, hermite):
    """The polynomial at these fields, (samples, r), by NumPy alone."""
    total = np.zeros(len(nu))
    for exponents, coefficient in terms.items():
        one = np.full(len(nu), coefficient)
        for field, n in zip(nu.T, exponents):
            one *= np.polynomial.hermite_e.hermeval(field, [0.0] * n + [1.0]) if hermite else field**n
        total += one
    return total


def labels(w, activation, x):
    return activation_of(activation)(x @ w.teacher.T / np.sqrt(w.N)) @ w.teacher_readout


def directions(w):
    """The rows Y of which the teacher's units are forms."""
    forms = np.array(w.origin["arguments"]["forms"])
    rows = np.random.default_rng(w.origin["arguments"]["seed"]).standard_normal((forms.shape[1], w.N))
    return np.sqrt(w.N) * np.linalg.qr(rows.T)[0].T


@pytest.mark.parametrize("name", list(CASES))
def test_labels_are_the_polynomial(name):
    terms, activation, hermite, units = CASES[name]
    w = initial.polynomial_teacher(30, terms, activation, K=2, seed=4, hermite=hermite)
    assert (w.M, w.K, w.N) == (units, 2, 30)
    Y = directions(w)
    assert np.allclose(Y @ Y.T / 30, np.eye(len(Y)), rtol=0.0, atol=1e-13)
    x = np.random.default_rng(1).standard_normal((2_000, 30))
    wanted = values(terms, x @ Y.T / np.sqrt(30), hermite)
    assert np.abs(labels(w, activation, x) - wanted).max() < 1e-9
    w.teacher.flags.writeable = True
    w.teacher[0, 0] += 1e-3  # this check can fail
    assert np.abs(labels(w, activation, x) - wanted).max() > 1e-6


def test_random_polynomials():
    """All powers and a few: what has the powers it needs always has a committee."""
    rng = np.random.default_rng(3)
    for r, degree, activation in ((2, 3, ALL), (3, 2, "poly:0.2,1,-0.5"), (2, 4, "poly:1,-1,1,0.5,0.2"),
                                  (2, 5, "he:5")):
        odd = activation == "he:5"
        terms = {}
        while not terms:
            for _ in range(4):
                exponents = tuple(int(n) for n in rng.integers(0, degree + 1, r))
                if 0 < sum(exponents) <= degree and (sum(exponents) % 2 or not odd):
                    terms[exponents] = rng.standard_normal()
        w = initial.polynomial_teacher(20, terms, activation, seed=1)
        x = rng.standard_normal((500, 20))
        wanted = values(terms, x @ directions(w).T / np.sqrt(20), False)
        assert np.abs(labels(w, activation, x) - wanted).max() < 1e-9 * max(1.0, np.abs(wanted).max())


def test_the_student_is_that_of_a_committee():
    w = initial.polynomial_teacher(1000, {(1, 1): 1.0}, "he:2", seed=3, student_size=0.2, readout="sum")
    assert w.K == w.M == 2
    assert np.array_equal(w.readout, np.ones(2))
    assert np.allclose(w.teacher_readout, [-0.5, 0.5])
    assert w.xi_in.std() == pytest.approx(0.2, rel=0.1)
    assert np.allclose(w.order_parameters().T, np.eye(2), atol=1e-13)
    assert "polynomial_teacher" in str(w) and "he:2" in str(w)


def test_errors_of_generalization_are_those_of_the_polynomial():
    """A student that is 0 has half the second moment of the label: ½ a product of orthonormal fields."""
    for terms, activation, hermite, moment in (({(1, 1): 1.0}, "poly:0,1,1", False, 1.0), (STAIRCASE, ALL, False, 3.0),
                                               ({(2, 1): 1.0}, "he:3", True, 2.0), ({(3,): 1.0}, "he:3", False, 15.0)):
        start = initial.polynomial_teacher(10**6, terms, activation, K=2, student_size=0.0, weights=False,
                                           hermite=hermite)
        run = om.simulate(om.Problem(activation, rates=om.LearningRates(xi_in=0.1)), start, 0.1, "ode", save_at=2)
        assert run.generalization_error[0, 0] == pytest.approx(moment / 2, rel=1e-10)


def test_overlaps_without_vectors_have_the_law_of_vectors():
    """KS of every entry of G and S, 600 draws each at N = 12; Bonferroni, 1e-3 false alarms."""
    draws = {}
    for weights in (True, False):
        states = [initial.polynomial_teacher(12, STAIRCASE, ALL, K=2, seed=seed + 10_000 * weights, student_size=0.5,
                                             weights=weights) for seed in range(600)]
        states = [each.order_parameters() if weights else each for each in states]
        upper = np.triu_indices(2)
        draws[weights] = np.array([np.concatenate([o.G[upper], o.S.ravel()]) for o in states])
        forms = initial.polynomial_teacher(12, STAIRCASE, ALL, K=2).origin["arguments"]["forms"]
        for o in states[:5]:
            assert np.allclose(o.T, np.array(forms) @ np.array(forms).T, rtol=0.0, atol=1e-13)
            assert np.allclose(o.teacher_readout, states[0].teacher_readout)
    p_values = [stats.ks_2samp(a, b).pvalue for a, b in zip(draws[True].T, draws[False].T)]
    assert min(p_values) > 1e-3 / len(p_values)
    assert stats.ks_2samp(draws[True][:, 0], 1.2 * draws[False][:, 0]).pvalue < 1e-6


@pytest.mark.parametrize("name", ["product", "staircase", "square", "sum of He"])
@pytest.mark.parametrize("engine", ["micro", "chain", "ode"])
def test_runs_repeat_from_their_files(name, engine, tmp_path):
    """Without vectors in the file, and without another search."""
    terms, activation, hermite, _ = CASES[name]
    start = initial.polynomial_teacher(40, terms, activation, K=2, seed=2, readout="sum", student_size=0.3,
                                       hermite=hermite)
    problem = om.Problem(activation, rates=om.LearningRates(xi_in=0.05))
    run = om.simulate(problem, start, 0.5, engine, save_at=4)
    run.save(tmp_path / "run.npz")
    linear_forms._search.cache_clear()
    read = om.load(tmp_path / "run.npz")
    again = om.repeat(read)
    assert linear_forms._search.cache_info().misses == 0
    assert read.weights is None and run.status == again.status == [om.Status.COMPLETED]
    assert np.array_equal(again.G, run.G) and np.array_equal(again.S, run.S)
    assert not np.array_equal(run.G[:, 0], run.G[:, -1])


def test_replicas_have_their_own_students(tmp_path):
    problem = om.Problem("he:2", rates=om.LearningRates(xi_in=0.05))
    run = om.simulate(problem, lambda r: initial.polynomial_teacher(40, {(1, 1): 1.0}, "he:2", student_seed=r), 0.2,
                      "micro", replicas=3, save_at=3)
    run.save(tmp_path / "run.npz")
    again = om.repeat(om.load(tmp_path / "run.npz"))
    assert np.array_equal(again.G, run.G)
    assert not np.array_equal(run.G[0], run.G[1])


@pytest.mark.parametrize("activation, teacher, needed", [
    ("he:2", None, None), ("erf", "he:2", None), ("erf", None, "erf"), ("he:2", "he:4", "he:4")])
def test_a_problem_with_another_teacher_is_told(activation, teacher, needed):
    start = initial.polynomial_teacher(40, {(1, 1): 1.0}, "he:2", seed=2)
    problem = om.Problem(activation, teacher_activation=teacher, rates=om.LearningRates(0.01))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        om.simulate(problem, start, 0.1, "chain", save_at=2)
    expected = [] if needed is None else [
        f"the teacher of this start says its polynomial with the activation he:2, and that of the problem has {needed}"
        ": it says something else. Give the problem teacher_activation = 'he:2'"]
    assert [str(each.message) for each in caught] == expected


def test_a_student_of_another_activation():
    start = initial.polynomial_teacher(2_000, {(1, 1): 1.0}, "he:2", K=4, seed=1, student_size=0.5)
    problem = om.Problem("erf", teacher_activation="he:2", rates=om.LearningRates(xi_in=0.5, readout=0.2))
    run = om.simulate(problem, start, 0.2, "chain", save_at=3)
    assert run.status == [om.Status.COMPLETED]


def test_the_origin_makes_the_weights_again():
    w = initial.polynomial_teacher(np.int64(30), {(np.int64(1), 1): np.float64(1.0)}, "HE:2", K=np.int64(3),
                                   seed=np.uint32(5), student_seed=np.int64(2))
    origin = json.loads(json.dumps(w.origin))
    assert initial.polynomial_teacher(**origin["arguments"]).fingerprint() == w.fingerprint()
    assert origin["arguments"]["activation"] == "he:2" and origin["arguments"]["K"] == 3
    assert initial.polynomial_teacher(30, {(1, 1): 1.0}, "he:2", K=3, seed=5).fingerprint() != w.fingerprint()
    other = initial.polynomial_teacher(30, {(1, 1): 1.0}, "he:2", K=3, seed=5, student_seed=3)
    assert np.array_equal(other.teacher, w.teacher) and not np.array_equal(other.xi_in, w.xi_in)


def test_forms_of_ones_own():
    """Scaled as one likes; what does not span the polynomial is refused."""
    w = initial.polynomial_teacher(20, {(1, 1): 1.0}, "poly:0,0,1", forms=[[3.0, 3.0], [1.0, -1.0]])
    assert np.allclose(w.teacher_readout, [1 / 36, -1 / 4], rtol=1e-12)
    with pytest.raises(ParameterError, match="these forms do not give the polynomial: its coefficients are missed by 1 "
                                             "of the largest; at most 1e-10 is allowed"):
        initial.polynomial_teacher(20, {(1, 1): 1.0}, "poly:0,0,1", forms=[[1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ShapeError, match=r"forms must have shape \(M, fields\) = \(any, 2\); got \(1, 3\)"):
        initial.polynomial_teacher(20, {(1, 1): 1.0}, "poly:0,0,1", forms=np.ones((1, 3)))


@pytest.mark.parametrize("terms, activation, options, message", [
    ({(1, 1): 1.0}, "he:3", {}, r"has terms of degree 2, and the activation he:3 has no power z\^2, .*: he:2 would do"),
    (STAIRCASE, "he:3", {}, r"terms of degree 2, and the activation he:3 has no power z\^2, .*: poly:0,1,1,1 would do"),
    ({(1, 1, 1): 1.0}, "he:2", {}, r"terms of degree 3, and the activation he:2 has no power z\^3, .*: he:3 would do"),
    ({(2,): 1.0}, "poly:0,0,1", {"hermite": True}, r"a constant, and the activation poly:0,0,1 has no constant, g\(0\) "
                                                   "= 0, .*: he:2 would do"),
    ({(0,): 1.0, (1,): 1.0}, "linear", {}, "has a constant, .*: poly:1,1 would do"),
    ({(1, 1): 1.0}, "erf", {}, "must have a polynomial activation; got erf: he:2 would do"),
    ({(1, 1): 1.0}, "square", {}, "'square' is no activation"),
    ({(0, 0): 1.0}, "he:2", {}, r"terms must depend on a field; got \{\(0, 0\): 1.0\}"),
    ({(1, 1): 0.0}, "he:2", {}, "terms must depend on a field"),
    ({}, "he:2", {}, "terms must have exponents of the same number of fields in each term, .*; got {}"),
    ({(1, 1): 1.0, (1,): 1.0}, "he:2", {}, "terms must have exponents of the same number of fields"),
    ({2: 1.0}, "he:2", {}, "each of terms must have the exponents of all fields and a coefficient"),
    (3.0, "he:2", {}, "terms must have exponents"),
    ("ab", "he:2", {}, "each of terms must have the exponents"),
    ({(1.5, 1): 1.0}, "he:2", {}, "an exponent in terms must be a whole number ≥ 0 and ≤ 10; got 1.5"),
    ({(-1, 1): 1.0}, "he:2", {}, "an exponent in terms must be a whole number ≥ 0 and ≤ 10; got -1"),
    ({(6, 5): 1.0}, "he:10", {}, "the degree of a term must be a whole number ≥ 0 and ≤ 10; got 11"),
    ({(1, 1): np.nan}, "he:2", {}, "a coefficient in terms must be a finite number"),
    ({(1,) + (0,) * 100: 1.0}, "linear", {}, "the number of fields in terms must be a whole number ≥ 1 and ≤ 100"),
    ({(1,) * 10: 1.0}, "he:10", {}, "too large a polynomial: .* coefficients with .* candidate forms; take fewer"),
    ({(1, 1): 1.0}, "he:2", {"N": 1}, "N must be at least 2 for 2 orthogonal directions; got 1"),
    ({(1, 1): 1.0}, "he:2", {"N": 4, "K": 3, "weights": False}, "with weights=False, N must be at least 5 .*; got 4"),
    ({(1, 1): 1.0}, "he:2", {"hermite": 1}, "hermite must be True or False; got 1"),
    ({(1, 1): 1.0}, "he:2", {"K": 0}, "K must be a whole number ≥ 1 and ≤ 10000; got 0"),
    ({(1, 1): 1.0}, "he:2", {"forms": [[1e7, 0.0]]}, "the largest entry of forms must be a finite number .*; got"),
    ({(1, 1): 1.0}, "he:2", {"forms": np.ones((257, 2))}, "the number of forms must be a whole number .*; got 257"),
])
def test_errors(terms, activation, options, message):
    with pytest.raises(ParameterError, match=message):
        initial.polynomial_teacher(**{"N": 20, "terms": terms, "activation": activation, **options})


def test_sums_of_hermite_polynomials_cancel():
    """He2 + 1 is a square, which needs no constant; rounding of 0.1 + 0.2 − 0.3 is none either."""
    square = initial.polynomial_teacher(20, {(2,): 1.0, (0,): 1.0}, "poly:0,0,1", hermite=True)
    assert square.M == 1
    pairs = [((2,), 0.1), ((2,), 0.2), ((0,), 0.3)]
    assert initial.polynomial_teacher(20, pairs, "poly:0,0,1", hermite=True).M == 1
