"""Observables on overlaps made by hand."""

import dataclasses

import numpy as np
import pytest

import onlinemode as om
from onlinemode.errors import ParameterError
from onlinemode.observables import (
    find_plateaus,
    match_units,
    mode_residuals,
    normalized_overlaps,
    overlap_deviation,
    specialization,
    specialization_steps,
    unit_margins,
)
from onlinemode.theory.meanfield import generalization_error


def overlaps(student, teacher):
    N = student.shape[1]
    return student @ student.T / N, student @ teacher.T / N, teacher @ teacher.T / N


@pytest.fixture
def correlated_teacher():
    """Four teacher units that share a direction: cosines of about 0.5."""
    rng = np.random.default_rng(3)
    return rng.standard_normal((4, 500)) + 1.0 * rng.standard_normal(500)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1], [3, 2, 1, 0]])
@pytest.mark.parametrize("signed", [True, False])
def test_a_perfect_student_has_specialization_one(correlated_teacher, order, signed):
    """Also permuted, rescaled, and for a correlated teacher."""
    Q, R, T = overlaps(correlated_teacher[order] * np.array([[0.5], [1.0], [2.0], [3.0]]), correlated_teacher)
    cosine = T / np.sqrt(np.outer(np.diag(T), np.diag(T)))
    assert np.abs(cosine[np.triu_indices(4, 1)]).min() > 0.3
    assert specialization(Q, R, T, signed) == pytest.approx(1.0, rel=1e-12)
    assert np.array_equal(match_units(normalized_overlaps(Q, R, T), signed), order)


def test_flipped_units(correlated_teacher):
    """Units of the other sign are matched by |ρ| alone; signed, they are as far off as can be."""
    Q, R, T = overlaps(-correlated_teacher, correlated_teacher)
    assert specialization(Q, R, T, signed=False) == pytest.approx(1.0, rel=1e-12)
    assert specialization(Q, R, T, signed=True) < 0.0
    assert np.array_equal(match_units(normalized_overlaps(Q, R, T), False), [0, 1, 2, 3])


def test_unspecialized_student():
    """All ρ equal and positive: 0."""
    assert specialization(np.eye(3), np.full((3, 3), 0.4), np.eye(3)) == pytest.approx(0.0, abs=1e-15)


def test_specialization_of_an_example():
    """ρ = [[0.8, 0.1], [-0.3, 0.6]], ρ^T = 0.5: (0.7 − 0.2) / 0.5."""
    Q, T = np.diag([4.0, 1.0]), np.array([[1.0, 1.0], [1.0, 4.0]])
    R = np.array([[0.8, 0.1], [-0.3, 0.6]]) * np.sqrt(np.outer(np.diag(Q), np.diag(T)))
    assert specialization(Q, R, T) == pytest.approx(1.0)
    assert np.allclose(unit_margins(Q, R, T), [0.7, 0.3])
    assert np.allclose(normalized_overlaps(Q, R, T), [[0.8, 0.1], [-0.3, 0.6]])


def test_matching_is_optimal_not_greedy():
    rho = np.array([[0.9, 0.8], [0.85, 0.1]])
    assert np.array_equal(match_units(rho), [1, 0])
    assert np.array_equal(match_units(np.array([[-0.9, 0.1], [0.1, 0.1]]), signed=True), [1, 0])
    assert np.array_equal(match_units(np.array([[-0.9, 0.1], [0.1, 0.1]]), signed=False), [0, 1])


def test_more_student_units_than_teacher_units():
    rho = np.array([[0.1], [0.9], [0.3]])
    assert np.array_equal(match_units(rho), [-1, 0, -1])
    margins = unit_margins(np.eye(3), rho, np.eye(1))
    assert margins[1] == pytest.approx(0.9)
    assert np.isnan(margins[[0, 2]]).all()
    assert specialization(np.eye(3), rho, np.eye(1)) == pytest.approx(0.9)  # there is nothing else to choose


def test_more_teacher_units_than_student_units():
    rho = np.array([[0.1, 0.9, -0.3]])
    assert np.array_equal(match_units(rho), [1])
    assert unit_margins(np.eye(1), rho, np.eye(3))[0] == pytest.approx(0.6)
    assert specialization(np.eye(1), rho, np.eye(3)) == pytest.approx(0.9 - 0.2)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("units", [
    [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]],  # K < M
    [*np.eye(4), [0.0] * 4, [1e-9, 0.0, 0.0, -1e-9]],  # K > M, the others switched off
    [*np.eye(4), [1.0, 0.0, 0.0, 0.0], [0.5, 0.0, 0.0, 0.0]],  # copies
    [*np.eye(4), [1.0, 2.0, 0.0, 3.0], [-1.0, -2.0, 0.0, -3.0]],  # two that cancel
])
def test_a_perfect_student_of_another_size_has_specialization_one(correlated_teacher, units, signed):
    for order in (slice(None), [1, 0, *range(len(units) - 1, 1, -1)]):
        Q, R, T = overlaps(np.array(units)[order] @ correlated_teacher, correlated_teacher)
        assert specialization(Q, R, T, signed) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("K, M", [(5, 2), (4, 3), (2, 5), (1, 3)])
def test_an_unspecialized_student_of_another_size(K, M):
    assert specialization(np.eye(K), np.full((K, M), 0.4), np.eye(M)) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("K, M", [(3, 3), (5, 2), (3, 2), (2, 4)])
def test_specialization_is_continuous(K, M):
    """No jumps where the matching changes: ρ ≥ 0 on straight lines between random students, 2,000 steps each."""
    rng = np.random.default_rng(8)
    for _ in range(10):
        begin, end = rng.uniform(0.0, 1.0, (2, K, M))
        along = np.linspace(0.0, 1.0, 2001)[:, None, None]
        value = specialization(np.eye(K), begin + along * (end - begin), np.eye(M))
        assert np.abs(np.diff(value)).max() < 2.0 * np.abs(end - begin).max() / 2000


@pytest.mark.parametrize("K, readout, eta, alpha", [(4, "sum", 1.0, 2000.0), (6, "sum", 1.0, 2000.0),
                                                    (4, "mean", 10.0, 1e5)])
def test_specialization_of_runs_that_find_every_teacher_unit(K, readout, eta, alpha):
    """Unmatched units end as pairs that cancel (sum) or as copies (mean)."""
    start = om.initial.committee(1000, K=K, M=2, readout=readout)
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=eta)), start, alpha, "ode", save_at=20)
    assert run.generalization_error[0, -1] < 1e-7
    assert abs(run.specialization[0, 0]) < 0.2
    assert run.specialization[0, -1] == pytest.approx(1.0, abs=5e-3)


@pytest.mark.parametrize("rho", [0.3, -0.4])
def test_one_unit_each(rho):
    Q, R, T = np.array([[4.0]]), np.array([[6.0 * rho]]), np.array([[9.0]])
    assert specialization(Q, R, T) == pytest.approx(rho)
    assert specialization(Q, R, T, signed=False) == pytest.approx(abs(rho))
    assert unit_margins(Q, R, T) == pytest.approx(rho)


def test_parallel_teacher_units():
    """The denominator would vanish and is replaced by 1."""
    T = np.ones((2, 2))
    assert specialization(np.eye(2), np.array([[0.9, 0.9], [0.2, 0.2]]), T) == pytest.approx(0.0, abs=1e-15)
    almost = np.array([[1.0, 1.0 - 1e-9], [1.0 - 1e-9, 1.0]])
    assert abs(specialization(np.eye(2), np.array([[0.9, 0.8], [0.2, 0.2]]), almost)) < 0.1
    assert np.isfinite(specialization(T, T, T))


@pytest.mark.parametrize("value", [0.0, -1e-18])
def test_vanishing_units(value):
    """Q_kk = 0 or T_mm = 0 (or below, by rounding) gives ρ = 0 there and no warning."""
    Q, R, T = np.diag([1.0, value]), np.array([[0.5, 0.1], [0.0, 0.0]]), np.diag([1.0, 4.0])
    assert np.allclose(normalized_overlaps(Q, R, T), [[0.5, 0.05], [0.0, 0.0]])
    assert specialization(Q, R, T) == pytest.approx(0.25 - 0.025)
    T = np.diag([1.0, value])
    R = np.array([[0.5, 0.0], [0.1, 0.0]])
    assert np.allclose(normalized_overlaps(np.eye(2), R, T), [[0.5, 0.0], [0.1, 0.0]])
    assert np.isfinite(specialization(np.eye(2), R, T))


def test_leading_axes_and_nan():
    rng = np.random.default_rng(5)
    student, teacher = rng.standard_normal((4, 5, 3, 20)), rng.standard_normal((2, 20))
    Q, R, T = student @ np.swapaxes(student, -1, -2) / 20, student @ teacher.T / 20, teacher @ teacher.T / 20
    Q[1, 2], R[1, 2] = np.nan, np.nan
    value, margins = specialization(Q, R, T), unit_margins(Q, R, T)
    assert value.shape == (4, 5)
    assert margins.shape == (4, 5, 3)
    assert np.isnan(value[1, 2])
    assert np.isnan(margins[1, 2]).all()
    assert np.isfinite(value).sum() == 19
    assert np.array_equal(match_units(normalized_overlaps(Q, R, T))[1, 2], [-1, -1, -1])
    for index in ((0, 0), (3, 4)):
        assert value[index] == pytest.approx(float(specialization(Q[index], R[index], T)), rel=1e-14)
        assert np.allclose(margins[index], unit_margins(Q[index], R[index], T), equal_nan=True)


@pytest.fixture
def shared_modes():
    """X, X* and a student that shares A and s with its teacher; K = 5, P = 3."""
    rng = np.random.default_rng(8)
    return (rng.standard_normal((3, 40)), rng.standard_normal((3, 40)), rng.uniform(0.5, 2.0, 3),
            rng.standard_normal((5, 3)))


def test_mode_residuals_equal_those_of_the_vectors(shared_modes):
    X, modes, s, A = shared_modes
    B = (A * s) @ modes
    exact = ((X - modes) ** 2).sum(1) / (modes**2).sum(1)
    found = mode_residuals(X @ X.T / 40, X @ B.T / 40, B @ B.T / 40, s, A)
    assert np.allclose(found, exact, rtol=1e-12)
    rows = mode_residuals(np.stack([X @ X.T, modes @ modes.T]) / 40, np.stack([X @ B.T, modes @ B.T]) / 40,
                          B @ B.T / 40, s, A)
    assert np.allclose(rows[0], exact, rtol=1e-12)
    assert np.abs(rows[1]).max() < 1e-13  # X = X*


def test_mode_residuals_are_absent(shared_modes):
    """P > K, a strength of 0, K ≠ M, a teacher with other output modes, a vanishing teacher mode."""
    X, modes, s, A = shared_modes

    def residuals(X, B, s, A):
        return mode_residuals(X @ X.T / 40, X @ B.T / 40, B @ B.T / 40, s, A)

    assert residuals(X, (A * s) @ modes, s, A) is not None
    assert residuals(X, (A[:2] * s) @ modes, s, A[:2]) is None
    zero = s * np.array([1.0, 0.0, 1.0])
    assert residuals(X, (A * zero) @ modes, zero, A) is None
    assert residuals(X, ((A * s) @ modes)[:4], s, A) is None
    assert residuals(X, np.random.default_rng(1).standard_normal((5, 40)), s, A) is None
    for vanishing in (0.0, 1e-6):  # |X*|² of the second is lost in the rounding of T
        assert residuals(X, (A * s) @ (modes * np.array([[1.0], [vanishing], [1.0]])), s, A) is None


def test_mode_residuals_of_a_run():
    """Present while A and s are fixed and fall to 0; absent where they are trained."""
    start = om.initial.showcase(300, seed=1)
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=3.0)), start, 400.0, "ode", save_at=5)
    modes = np.linalg.solve(start.xi_out * start.strengths, start.teacher)
    exact = ((start.xi_in - modes) ** 2).sum(1) / (modes**2).sum(1)
    assert np.allclose(run.mode_residuals[0, 0], exact, rtol=1e-10)
    assert run.mode_residuals[0, -1].max() < 1e-3
    for rates in (om.LearningRates(3.0, strengths=0.1), om.LearningRates(3.0, xi_out=0.1)):
        assert om.simulate(om.Problem(rates=rates), start, 0.1, "ode", save_at=2).mode_residuals is None


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 0, 2]])
def test_residuals_of_exchanged_units_are_zero(order):
    """The student knows the teacher, in another order: ε_g = 0, specialization 1, residuals 0."""
    start = om.initial.from_overlaps(Q=np.eye(3), R=np.eye(3)[order], T=np.eye(3))
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=1.0)), start, 1.0, "ode", save_at=3)
    assert np.array_equal(run.generalization_error[0], np.zeros(3)) and np.all(run.specialization == 1.0)
    assert np.abs(run.mode_residuals).max() < 1e-14


@pytest.mark.parametrize("start, eta", [
    (om.initial.committee(1000, K=3, readout="sum", weights=False), 0.5),
    (om.initial.graded(1000, K=4, weights=False), 5.0),
    *((om.initial.showcase(1000, seed=seed, weights=False), 3.0) for seed in range(4))])
def test_residuals_end_at_zero_where_the_student_is_perfect(start, eta):
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=eta)), start, 1500.0, "ode", save_at=20)
    residuals = run.mode_residuals[0]
    assert run.generalization_error[0, -1] < 1e-8
    assert residuals[-1].max() < 1e-4 and residuals.max() < 1.5
    assert residuals[0] == pytest.approx(1.0, abs=0.3)


def test_each_replica_has_its_own_numbering():
    """Students that find the teacher's units in different orders."""
    problem = om.Problem(rates=om.LearningRates(xi_in=1.5))
    run = om.simulate(problem, lambda r: om.initial.committee(500, K=2, readout="sum", student_seed=r, weights=False),
                      200.0, "chain", N=500, replicas=6, save_at=10)
    orders = {tuple(match_units(rho[-1])) for rho in run.rho}
    assert orders == {(0, 1), (1, 0)}
    assert run.mode_residuals[:, -1].max() < 0.01


def test_residuals_of_modes_that_no_other_numbering_gives(shared_modes):
    """With P < K and A drawn at random the teacher has one numbering, whatever the student does."""
    X, modes, s, A = shared_modes
    B = (A * s) @ modes
    for student in (X, modes[::-1], -modes):
        exact = ((student - modes) ** 2).sum(1) / (modes**2).sum(1)
        found = mode_residuals(student @ student.T / 40, student @ B.T / 40, B @ B.T / 40, s, A)
        assert np.allclose(found, exact, rtol=1e-12)


@pytest.mark.parametrize("readout, teacher_readout, odd, expected", [
    ([1.0, 2.0], [1.0, 2.0], True, 2.0),  # exchanged, but each readout belongs to one unit
    ([1.0, 2.0], [2.0, 1.0], False, 0.0),
    ([1.0, 1.0], [2.0, 1.0], False, None),
    ([1.0, 1.0], [1.0, -1.0], False, None),
    ([1.0, -1.0], [-1.0, 1.0], True, 0.0),
])
def test_residuals_and_readouts(readout, teacher_readout, odd, expected):
    """A student unit takes the place of a teacher unit whose readout it has."""
    swapped = np.eye(2)[::-1]
    found = mode_residuals(np.eye(2), swapped, np.eye(2), np.ones(2), np.eye(2), np.array(readout),
                           np.array(teacher_readout), odd)
    assert found is None if expected is None else np.allclose(found, expected)


def test_residuals_of_flipped_units():
    """(v, W) and (−v, −W) are one function where g is odd."""
    flipped = np.diag([-1.0, 1.0])
    arguments = (np.eye(2), flipped, np.eye(2), np.ones(2), np.eye(2))
    v, v_star = np.array([-1.0, 1.0]), np.ones(2)
    assert np.allclose(mode_residuals(*arguments, v, v_star, odd=True), 0.0)
    assert mode_residuals(*arguments, v, v_star) is None
    assert np.allclose(mode_residuals(*arguments, odd=True), 0.0)  # trained readouts
    assert np.allclose(mode_residuals(*arguments, v_star, v_star, odd=True), [4.0, 0.0])


@pytest.mark.parametrize("activation, readout, there", [
    ("erf", 0.0, True), ("erf", 0.1, True), ("relu", 0.0, True), ("relu", 0.1, False), ("linear", 0.0, False)])
def test_residuals_are_absent_where_many_students_are_perfect(activation, readout, there):
    """Linear units add up; relu units can trade length for readout."""
    problem = om.Problem(activation, rates=om.LearningRates(xi_in=0.1, readout=readout))
    run = om.simulate(problem, om.initial.committee(50, K=2, weights=False), 0.1, "chain", N=50, save_at=2)
    assert (run.mode_residuals is not None) == there


def test_matching_of_a_run_is_signed_unless_the_readout_is_trained():
    start = om.initial.committee(50, K=2, seed=1)
    for readout, signed in ((0.0, True), (0.1, False)):
        run = om.simulate(om.Problem(rates=om.LearningRates(1.0, readout=readout)), start, 0.1, "ode", save_at=3)
        assert run.signed == signed
        assert np.array_equal(run.specialization, specialization(run.Q, run.R, run.T, signed))
        assert np.array_equal(run.unit_margins, unit_margins(run.Q, run.R, run.T, signed), equal_nan=True)
        assert np.array_equal(run.rho, normalized_overlaps(run.Q, run.R, run.T))


@pytest.mark.parametrize("activation, teacher, signed", [
    ("he:2", None, False), ("leaky:-1", None, False), ("poly:1,0,2", "erf", False), ("erf", "he:4", False),
    ("he:3", None, True), ("erf", None, True), ("poly:0,1,1", None, True)])
def test_even_units_have_no_sign(activation, teacher, signed):
    """A student whose units are those of the teacher with the other sign is perfect, or as far off as can be."""
    start = om.initial.from_overlaps(np.eye(2), -np.eye(2), np.eye(2))
    run = om.simulate(om.Problem(rates=om.LearningRates(1e-9)), start, 1e-6, "ode", save_at=[1e-6])
    run = dataclasses.replace(run, problem=om.Problem(activation, teacher_activation=teacher))
    assert run.signed == signed
    assert run.specialization[0, 0] == pytest.approx(-1.0 if signed else 1.0, abs=1e-6)
    assert run.unit_margins[0, 0] == pytest.approx(-1.0 if signed else 1.0, abs=1e-6)


@pytest.mark.parametrize("call", [
    lambda bad: specialization(np.eye(2), bad, np.eye(2)), lambda bad: normalized_overlaps(bad, np.eye(2), np.eye(2)),
    match_units, lambda bad: find_plateaus(np.arange(4.0), bad.ravel()),
    lambda bad: specialization_steps(bad.ravel(), np.arange(4.0)),
    lambda bad: unit_margins(np.eye(2), np.eye(2), bad), lambda bad: overlap_deviation(np.eye(2), bad, np.eye(2), bad),
    lambda bad: mode_residuals(bad, np.eye(2), np.eye(2), np.ones(2), np.eye(2)),
    lambda bad: generalization_error("erf", bad, np.eye(2), np.eye(2), np.ones(2), np.eye(2), np.ones(2), np.ones(2))])
def test_complex_and_masked_overlaps_are_refused(call):
    for bad, words in ((np.eye(2) + 1j, "must be real; got complex128"),
                       (np.ma.masked_equal(np.eye(2), 0.0), "must have no masked entries; 2 of 4 are masked")):
        with pytest.raises(ParameterError, match=words):
            call(bad)


def test_overlap_deviation():
    Q, R = np.zeros((3, 2, 2)), np.ones((3, 2, 1))
    Q_theory, R_theory = np.array([[0.3, 0.0], [0.0, 0.0]]), np.array([[1.0], [1.4]])
    deviation = overlap_deviation(Q, R, Q_theory, R_theory)
    assert deviation.shape == (3,)
    assert np.allclose(deviation, np.sqrt((0.3**2 + 0.4**2) / 6.0))
    assert np.all(overlap_deviation(Q, R, Q, R) == 0.0)


@pytest.mark.parametrize("K, M", [(1, 1), (1, 4), (2, 2), (2, 3), (3, 2), (3, 3), (4, 4), (2, 5), (5, 2), (4, 1),
                                  (5, 5), (3, 6)])
@pytest.mark.parametrize("signed", [True, False])
def test_matching_is_the_best_of_all(K, M, signed):
    """Total ρ of the matched pairs is that of SciPy's assignment, for few units (tried one by one) and for many."""
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(10 * K + M)
    rho = rng.uniform(-1.0, 1.0, (3, 40, K, M))
    rho[1, 7, 0, 0] = np.nan
    rho[2, 8, -1, -1] = np.inf
    matching = match_units(rho, signed)
    assert matching.shape == (3, 40, K)
    assert np.all(matching[1, 7] == -1) and np.all(matching[2, 8] == -1)
    for index in np.ndindex(3, 40):
        if index in ((1, 7), (2, 8)):
            continue
        gain = rho[index] if signed else np.abs(rho[index])
        rows, columns = linear_sum_assignment(-gain)
        units = np.flatnonzero(matching[index] >= 0)
        assert len(units) == min(K, M) == len(set(matching[index][units]))
        assert gain[units, matching[index][units]].sum() == pytest.approx(gain[rows, columns].sum(), abs=1e-12)
        assert np.array_equal(units, np.sort(rows)) and np.array_equal(matching[index][rows], columns)


@pytest.mark.filterwarnings("error")
def test_no_residuals_of_strengths_that_nothing_can_be_divided_by():
    eye = np.eye(2)
    assert mode_residuals(eye, eye, eye, np.array([1e-310, 3e-310]), eye) is None
