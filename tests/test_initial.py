"""Initial conditions: what they are, whom they refuse, and that both ways of drawing have one law."""

import json
import math

import numpy as np
import pytest
from scipy import stats

import onlinemode as om
from onlinemode import initial
from onlinemode.errors import OverlapError, ParameterError, ShapeError

STARTS = {
    "paper": {"K": 4, "P": 3},
    "committee": {"K": 2, "M": 3},
    "committee random": {"K": 2, "M": 3, "teacher": "random"},
    "graded": {"K": 3, "M": 2},
    "showcase": {"K": 3},
}
MAKERS = {name: (getattr(initial, name.split()[0]), options) for name, options in STARTS.items()}


@pytest.mark.parametrize("name", list(MAKERS))
@pytest.mark.parametrize("options, message", [
    ({"N": -5}, "N must be a whole number ≥ {least} and ≤ 1000000000000000; got -5"),
    ({"N": 10.5}, "N must be a whole number ≥ {least} and ≤ 1000000000000000; got 10.5"),
    ({"N": math.nan}, "N must be a whole number ≥ {least} and ≤ 1000000000000000; got nan"),
    ({"N": 10**15 + 1}, "N must be a whole number ≥ {least} and ≤ 1000000000000000; got 1000000000000001"),
    ({"K": 0}, "K must be a whole number ≥ 1 and ≤ 10000; got 0"),
    ({"M": 0}, "M must be a whole number ≥ 1 and ≤ 10000; got 0"),
    ({"seed": -1}, "seed must be a whole number ≥ 0; got -1"),
    ({"seed": "a"}, "seed must be a whole number ≥ 0; got 'a'"),
    ({"readout": "max"}, "readout must be one of mean, sum, sqrt; got 'max'"),
])
def test_bad_arguments(name, options, message):
    make, defaults = MAKERS[name]
    with pytest.raises(ParameterError) as caught:
        make(**{"N": 50, **defaults, **options})
    assert str(caught.value) == message.replace("{least}", "3" if name == "paper" else "1")


@pytest.mark.parametrize("call, message", [
    (lambda: initial.paper(30, K=4, M=3), "M must equal K = 4; got 3"),
    (lambda: initial.showcase(30, K=4, M=3), "M must equal K = 4; got 3"),
    (lambda: initial.showcase(30, K=4, P=3), "P must equal K = 4; got 3"),
    (lambda: initial.paper(30, P=0), "P must be a whole number ≥ 1 and ≤ 10000; got 0"),
    (lambda: initial.committee(30, teacher="equal"), "teacher must be one of orthogonal, random; got 'equal'"),
    (lambda: initial.committee(30, student_size=-0.1), "student_size must be a finite number ≥ 0 .* got -0.1"),
    (lambda: initial.showcase(30, mixing=math.nan), "mixing must be a finite number ≥ 0 .* got nan"),
    (lambda: initial.committee(3, M=4), "N must be at least 4 for 4 orthogonal directions; got 3"),
    (lambda: initial.graded(30, M=2, teacher_norms=[1.0, -2.0]), r"teacher_norms must be ≥ 0; got \[1.0, -2.0\]"),
    (lambda: initial.graded(30, M=2, teacher_norms=[1.0]), r"teacher_norms must have shape .* = \(2,\); got \(1,\)"),
    (lambda: initial.paper(5, P=3, weights=False), "with weights=False, N must be at least 6 .* got 5"),
    (lambda: initial.committee(5, K=3, weights=False), "with weights=False, N must be at least 6 .* got 5"),
])
def test_bad_combinations(call, message):
    with pytest.raises((ParameterError, ShapeError), match=message):
        call()


@pytest.mark.parametrize("name", list(MAKERS))
@pytest.mark.parametrize("weights", [True, False])
def test_same_seed_same_result(name, weights):
    make, options = MAKERS[name]
    first, again, other = (make(30, seed=seed, weights=weights, **options) for seed in (5, 5, 6))
    fields = ("xi_in", "teacher") if weights else ("G", "S", "T")
    for field in (*fields, "strengths", "xi_out", "readout", "teacher_readout"):
        assert np.array_equal(getattr(first, field), getattr(again, field))
    assert not np.array_equal(getattr(first, fields[0]), getattr(other, fields[0]))


@pytest.mark.parametrize("name", list(MAKERS))
def test_origin_makes_the_weights_again(name):
    make, options = MAKERS[name]
    w = make(30, seed=5, **options)
    again = getattr(initial, w.origin["name"])(**w.origin["arguments"])
    assert again.fingerprint() == w.fingerprint()


@pytest.mark.parametrize("name", list(MAKERS))
def test_origin_of_numpy_numbers_can_be_written(name):
    """Sizes and seeds often come from arrays; the origin is part of the file of a run."""
    make, options = MAKERS[name]
    sizes = {key: np.int64(value) if isinstance(value, int) else value for key, value in options.items()}
    w = make(np.int64(30), seed=np.uint32(5), **sizes)
    assert json.loads(json.dumps(w.origin)) == make(30, seed=5, **options).origin


def test_paper():
    w = initial.paper(30, seed=3)
    assert (w.K, w.M, w.P, w.N) == (8, 8, 3, 30)
    assert np.all(w.readout == 1.0 / 8.0)
    modes = np.linalg.lstsq(w.xi_out * w.strengths, w.teacher, rcond=None)[0]  # B = A diag(s) X*
    assert np.allclose((w.xi_out * w.strengths) @ modes, w.teacher, rtol=0.0, atol=1e-12)
    draws = [initial.paper(30, seed=seed) for seed in range(200)]
    for name in ("xi_in", "strengths", "xi_out"):
        entries = np.concatenate([getattr(w, name).ravel() for w in draws])
        assert stats.kstest(entries * math.log(30) ** (1 / 6), "norm").pvalue > 1e-4


def test_committee():
    w = initial.committee(40, K=2, M=3, seed=1, readout="sum", student_size=0.2)
    assert np.array_equal(w.xi_out, np.eye(2))
    assert np.array_equal(w.strengths, np.ones(2))
    assert np.array_equal(w.teacher_readout, np.ones(3))
    assert np.allclose(w.order_parameters().T, np.eye(3), rtol=0.0, atol=1e-14)
    random = initial.committee(40, K=2, M=3, seed=1, teacher="random").order_parameters()
    assert np.abs(random.T - np.eye(3)).max() > 0.05
    assert initial.committee(10_000, seed=1, student_size=0.2).xi_in.std() == pytest.approx(0.2, rel=0.03)


def test_graded():
    assert np.allclose(initial.graded(40, seed=1).order_parameters().T, np.diag([4.0, 2.0, 1.0, 0.5]), atol=1e-13)
    T = initial.graded(40, K=2, M=3, seed=1, teacher_norms=[3.0, 0.0, 1.0], weights=False).T
    assert np.allclose(T, np.diag([3.0, 0.0, 1.0]), atol=1e-13)


def test_showcase():
    w = initial.showcase(5000, K=3, seed=1, mixing=0.1)
    assert w.P == w.K == w.M == 3
    assert np.allclose(w.strengths, [2.0, 1.5, 1.0])
    assert w.xi_in.std() == pytest.approx(0.3, rel=0.05)
    modes = np.linalg.solve(w.xi_out * w.strengths, w.teacher)
    assert modes.std() == pytest.approx(1.0, rel=0.05)
    draws = np.array([initial.showcase(3, K=3, seed=seed, mixing=0.1).xi_out - np.eye(3) for seed in range(300)])
    assert stats.kstest(draws.ravel() / 0.1, "norm").pvalue > 1e-4


@pytest.mark.parametrize("kind, value", [("mean", 0.25), ("sum", 1.0), ("sqrt", 0.5)])
def test_readouts(kind, value):
    assert np.array_equal(initial.readout_vector(kind, 4), np.full(4, value))


def entries_of(o):
    """All overlaps of a draw, and two random projections of its unit overlaps, as one row."""
    upper_G, upper_T = np.triu_indices(o.P), np.triu_indices(o.M)
    a, b = np.random.default_rng(0).standard_normal((2, o.P + o.M))
    mixed = o.covariance @ a
    return np.concatenate([o.G[upper_G], o.S.ravel(), o.T[upper_T], [a @ mixed, b @ mixed]])


def draws(name, N, weights, first_seed, count):
    make, options = MAKERS[name]
    states = (make(N, seed=first_seed + i, weights=weights, **options) for i in range(count))
    return np.array([entries_of(state.order_parameters() if weights else state) for state in states])


@pytest.mark.parametrize("name", list(MAKERS))
def test_overlaps_without_vectors_have_the_law_of_vectors(name):
    """KS of every entry, 1500 draws each at N = 30, Bonferroni: 1e-3 false alarms a start."""
    vectors, overlaps = draws(name, 30, True, 0, 1500), draws(name, 30, False, 1_000_000, 1500)
    fixed = np.ptp(vectors, axis=0) < 1e-12  # exactly orthogonal teachers
    assert np.allclose(vectors[:, fixed], overlaps[:, fixed], rtol=0.0, atol=1e-12)
    assert np.array_equal(fixed, np.ptp(overlaps, axis=0) < 1e-12)
    p_values = np.array([stats.ks_2samp(x, y).pvalue for x, y in zip(vectors[:, ~fixed].T, overlaps[:, ~fixed].T)])
    assert p_values.min() > 1e-3 / p_values.size


@pytest.mark.parametrize("name", list(MAKERS))
def test_law_at_the_smallest_N(name):
    """The same at N = student plus teacher modes, where a wrong number of freedoms shows most."""
    make, options = MAKERS[name]
    N = make(30, **options).P + (3 if name.startswith(("paper", "committee", "showcase")) else 2)
    vectors, overlaps = draws(name, N, True, 0, 500), draws(name, N, False, 1_000_000, 500)
    moving = np.ptp(vectors, axis=0) > 1e-12
    p_values = np.array([stats.ks_2samp(x, y).pvalue for x, y in zip(vectors[:, moving].T, overlaps[:, moving].T)])
    assert p_values.min() > 1e-3 / p_values.size


@pytest.mark.parametrize("name", list(MAKERS))
def test_huge_N(name):
    """At N = 10^15 overlaps are at their means to N^-1/2, and a covariance."""
    make, options = MAKERS[name]
    o = make(10**15, seed=1, weights=False, **options)
    assert isinstance(o, om.OrderParameters)
    size = {"paper": math.log(10**15) ** (-1 / 6), "showcase": 0.3}.get(name, 0.1)
    assert np.allclose(o.G, size**2 * np.eye(o.P), rtol=0.0, atol=1e-6)
    assert 0.0 < np.abs(o.S).max() < 1e-6


def test_from_overlaps():
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((5, 20))
    C = vectors @ vectors.T / 20
    o = initial.from_overlaps(C[:2, :2], C[:2, 2:], C[2:, 2:], readout="sum")
    assert np.allclose(o.Q, C[:2, :2], rtol=1e-15)
    assert np.allclose(o.R, C[:2, 2:], rtol=1e-15)
    assert np.allclose(o.T, C[2:, 2:], rtol=1e-15)
    assert np.array_equal(o.readout, np.ones(2))
    assert np.array_equal(o.teacher_readout, np.ones(3))
    mixed = initial.from_overlaps(C[:2, :2], C[:2, 2:], C[2:, 2:], readout=[0.1, 0.2], teacher_readout="mean")
    assert np.array_equal(mixed.readout, [0.1, 0.2])
    assert np.allclose(mixed.teacher_readout, 1 / 3)


@pytest.mark.parametrize("arguments, error, message", [
    (([[1.0, 0.3], [0.2, 1.0]], np.zeros((2, 2)), np.eye(2)), OverlapError,
     "Q must be symmetric; got Q[0,1] = 0.3 but Q[1,0] = 0.2"),
    ((np.eye(2), np.zeros((2, 2)), [[1.0, 0.3], [0.2, 1.0]]), OverlapError,
     "T must be symmetric; got T[0,1] = 0.3 but T[1,0] = 0.2"),
    ((np.eye(2), np.zeros((2, 3)), np.eye(2)), ShapeError, "R must have shape (K, M) = (2, 2); got (2, 3)"),
    ((np.ones((2, 3)), np.zeros((2, 2)), np.eye(2)), ShapeError, "Q must have shape (K, K) = (2, 2); got (2, 3)"),
    ((np.eye(2), np.zeros((2, 2)), np.ones(2)), ShapeError, "T must have shape (M, M) = (any, any); got (2,)"),
    ((np.eye(2), np.full((2, 2), np.nan), np.eye(2)), ParameterError, "R must be finite; entry (0, 0) is nan"),
])
def test_from_bad_overlaps(arguments, error, message):
    with pytest.raises(error) as caught:
        initial.from_overlaps(*arguments)
    assert str(caught.value) == message


def test_from_overlaps_that_are_no_covariance():
    with pytest.raises(OverlapError) as caught:
        initial.from_overlaps(np.eye(2), 0.8 * np.ones((2, 2)), np.eye(2))
    assert str(caught.value).startswith("the overlaps [[Q, R], [Rᵀ, T]] must be a covariance")
    assert "the smallest eigenvalue is -0.6, the largest 2.6" in str(caught.value)


def test_from_overlaps_needs_the_teachers_readout():
    with pytest.raises(ParameterError, match="teacher_readout must be given when readout is an array; got None"):
        initial.from_overlaps(np.eye(2), np.zeros((2, 2)), np.eye(2), readout=[1.0, 2.0])


def test_from_a_rounded_table():
    """A student that is its teacher, printed with six digits: a little off a covariance, accepted."""
    rng = np.random.default_rng(7)
    B = rng.standard_normal((3, 3))
    T = B @ B.T / 3
    for _ in range(10):
        noise = rng.uniform(-5e-7, 5e-7, (3, 3))
        o = initial.from_overlaps(T.round(6), (T + noise).round(6), T.round(6))
        assert np.array_equal(o.T, T.round(6))


def test_from_equal_teacher_units():
    o = initial.from_overlaps(0.1 * np.eye(2), np.zeros((2, 2)), np.ones((2, 2)))
    assert np.array_equal(o.T, np.ones((2, 2)))


@pytest.mark.parametrize("name", list(MAKERS))
def test_student_seed_draws_the_student_alone(name):
    """Teacher, A, s and readouts stay; X is new for every student_seed; the same from the same; in the origin."""
    make, options = MAKERS[name]
    base = make(30, seed=5, **options)
    students = [make(30, seed=5, student_seed=r, **options) for r in range(3)]
    for w in students:
        for field in ("teacher", "strengths", "xi_out", "readout", "teacher_readout"):
            assert np.array_equal(getattr(w, field), getattr(base, field)), field
        assert not np.array_equal(w.xi_in, base.xi_in)
        again = getattr(initial, w.origin["name"])(**w.origin["arguments"])
        assert again.fingerprint() == w.fingerprint()
    assert not np.array_equal(students[0].xi_in, students[1].xi_in)
    assert "student_seed" not in base.origin["arguments"]
    origin = json.loads(json.dumps(make(30, student_seed=np.int64(3), **options).origin))
    assert origin["arguments"]["student_seed"] == 3
    other = make(30, seed=6, student_seed=0, **options)
    assert not np.array_equal(other.xi_in, students[0].xi_in)  # another teacher, another student
    a, b = (make(30, seed=5, student_seed=r, weights=False, **options) for r in (0, 1))
    for field in ("T", "strengths", "xi_out", "readout", "teacher_readout"):
        assert np.array_equal(getattr(a, field), getattr(make(30, seed=5, weights=False, **options), field)), field
        assert np.array_equal(getattr(a, field), getattr(b, field)), field
    assert not np.array_equal(a.G, b.G) and not np.array_equal(a.S, b.S)
    for bad in (-1, 0.5, "x"):
        with pytest.raises(ParameterError, match="student_seed must be a whole number ≥ 0; got"):
            make(30, student_seed=bad, **options)


@pytest.mark.parametrize("name", list(MAKERS))
@pytest.mark.parametrize("weights", [True, False])
def test_law_of_fresh_students(name, weights):
    """Entries of X (weights), or G and S given T (overlaps), of 600 students of one teacher.

    Weights: KS of all entries against their Gaussian.  Overlaps: KS of each entry of G and S against those of
    600 students with vectors and the same T, that is S = X Bᵀ/N with B a root of T.  Bonferroni, 1e-3 false
    alarms a start.
    """
    make, options = MAKERS[name]
    size = {"paper": math.log(30) ** (-1 / 6), "showcase": 0.3}.get(name, 0.1)
    draws_ = [make(30, seed=5, student_seed=r, weights=weights, **options) for r in range(600)]
    if weights:
        entries = np.array([w.xi_in for w in draws_]) / size
        assert stats.kstest(entries[::6].ravel(), "norm").pvalue > 3e-4
        assert np.abs(np.corrcoef(entries[:, 0].T)[np.triu_indices(30, 1)]).max() < 6.0 / np.sqrt(600)
        assert abs(np.corrcoef(entries[:-1].ravel(), entries[1:].ravel())[0, 1]) < 5.0 / np.sqrt(entries.size)
        return
    o = draws_[0]
    rng = np.random.default_rng(11)
    eigenvalues, vectors = np.linalg.eigh(o.T)
    B = np.zeros((o.M, 30))
    B[:, :o.M] = vectors * np.sqrt(30 * np.maximum(eigenvalues, 0.0))
    X = size * rng.standard_normal((600, o.P, 30))
    upper = np.triu_indices(o.P)
    reference = np.concatenate([(X @ np.swapaxes(X, 1, 2) / 30)[:, *upper], (X @ B.T / 30).reshape(600, -1)], 1)
    drawn = np.array([np.concatenate([o.G[upper], o.S.ravel()]) for o in draws_])
    p_values = [stats.ks_2samp(a, b).pvalue for a, b in zip(drawn.T, reference.T)]
    assert min(p_values) > 1e-3 / len(p_values)
