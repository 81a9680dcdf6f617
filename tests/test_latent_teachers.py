"""Teachers that see something else than the student, and Gaussian inputs whose covariance is a matrix."""

import json
import math

import numpy as np
import plain_sgd
import pytest
from scipy.linalg import hadamard

import onlinemode as om
from onlinemode.engines.ode.resolved import resolution_of
from onlinemode.errors import EngineError, FileError, ParameterError, RepeatError, ShapeError
from onlinemode.inputs import Gaussian, HiddenManifold, Rows, Spectrum, from_dict, parse

N = 37
RNG = np.random.default_rng(0)
DATA = RNG.integers(0, 256, (50, N)).astype(np.uint8)
CLEAN = RNG.integers(0, 256, (50, 11)).astype(np.uint8)
LATENT = [HiddenManifold(7, teacher="latent"), HiddenManifold(45, "sign", 3, teacher="latent"),
          Rows(DATA, teacher=CLEAN), Rows(DATA, False, CLEAN)]
PATHS = ("G", "S", "strengths", "xi_out", "readout")
erf = np.vectorize(math.erf)


def covariance(N, rank, seed=0):
    """A covariance of trace N, and its eigenvalues and eigenvectors."""
    rng = np.random.default_rng(seed)
    vectors = np.linalg.qr(rng.standard_normal((N, N)))[0]
    eigenvalues = np.where(np.arange(N) < rank, rng.uniform(0.2, 3.0, N), 0.0)
    eigenvalues *= N / eigenvalues.sum()
    return (vectors * eigenvalues) @ vectors.T, eigenvalues, vectors


OMEGA = covariance(N, N)[0]


def start_for(inputs, N, seed=0, K=2, **settings):
    return om.initial.committee(N, K=K, seed=seed, readout="sum", teacher_columns=inputs.teacher_columns(N),
                                **{"student_size": 0.3, **settings})


def test_the_latent_variables_are_those_behind_the_inputs():
    inputs = HiddenManifold(45, "sign", 3, teacher="latent")
    x, c = (draw(inputs, N, 5, 200, seed=9, replica=2) for draw in (plain_sgd.inputs_of, plain_sgd.seen_of))
    z = c @ inputs.projection(N).T
    clear = np.abs(z) > 1e-4
    assert c.shape == (200, 45) and clear.mean() > 0.99
    assert np.array_equal(np.sign(z)[clear], x[clear])
    rows = Rows(DATA, teacher=CLEAN)
    x, y = (draw(rows, N, 5, 200, seed=9) for draw in (plain_sgd.inputs_of, plain_sgd.seen_of))
    known, seen = (np.concatenate(list(each.chunks())) for each in (rows, rows.teacher))
    numbers = np.abs(x[:, None] - known).max(2).argmin(1)
    assert np.allclose(x, known[numbers], rtol=0.0, atol=1e-6) and np.allclose(y, seen[numbers], rtol=0.0, atol=1e-6)
    assert len(set(numbers)) > 40


@pytest.mark.parametrize("inputs", [*LATENT, Gaussian(OMEGA)], ids=repr)
def test_sgd_against_a_loop(inputs, random_weights, all_rates):
    """As tests/test_inputs.py has it, to 1e-12; ε_g on test samples of their own."""
    D = inputs.teacher_columns(N)
    w = random_weights(N, K=2, M=3, P=2, seed=1)
    B = np.random.default_rng(4).standard_normal((3, D))
    w = om.Weights(w.xi_in, w.strengths, w.xi_out, w.readout, B, w.teacher_readout)
    problem = om.Problem("erf", weight_decay=0.4, noise=0.1, batch=3, rates=all_rates, inputs=inputs)
    run = om.simulate(problem, w, 50 / N, seed=9, save_at=[0.0, 50 / N], test_samples=300)
    student = plain_sgd.run(problem, w, 50, seed=9)
    omega, (image, T) = inputs.covariance(N)(np.eye(N)), inputs.teacher_moments(B, N)
    expected = {"G": student.xi_in @ omega @ student.xi_in.T / N, "S": student.xi_in @ image.T / N,
                "strengths": student.strengths, "xi_out": student.xi_out, "readout": student.readout}
    for name, value in expected.items():
        assert np.abs(getattr(run, name)[0, 1] - value).max() <= 1e-11 * np.abs(value).max(), name
    assert np.array_equal(run.initial.T, w.order_parameters(inputs).T) and np.allclose(run.initial.T, T, atol=1e-14)
    W = student.xi_out @ np.diag(student.strengths) @ student.xi_in
    x, y = (draw(inputs, N, 0, 300, 9, stream=7) for draw in (plain_sgd.inputs_of, plain_sgd.seen_of))
    f = erf(x @ W.T / math.sqrt(2.0 * N)) @ student.readout - erf(y @ B.T / math.sqrt(2.0 * D)) @ w.teacher_readout
    assert run.error[0, 1] == pytest.approx((f**2).mean() / 2.0, rel=1e-8)


@pytest.mark.parametrize("inputs", [*LATENT, Gaussian(OMEGA)], ids=repr)
def test_moments_against_samples(inputs):
    """E[x xᵀ], E[ν xᵀ] and E[ν νᵀ] within five standard errors of 40,000 samples, or those of all rows exactly."""
    D, count = inputs.teacher_columns(N), 40_000
    B = np.random.default_rng(1).standard_normal((2, D))
    image, T = inputs.teacher_moments(B, N)
    if inputs.kind == "rows":
        x, y = (np.concatenate(list(each.chunks())) for each in (inputs, inputs.teacher))
    else:
        x, y = (draw(inputs, N, 0, count, seed=3) for draw in (plain_sgd.inputs_of, plain_sgd.seen_of))
    nu = y @ B.T / math.sqrt(D)
    for one, other, expected in ((nu, x, image / math.sqrt(N)), (nu, nu, T), (x, x, inputs.covariance(N)(np.eye(N)))):
        found = one.T @ other / len(x)
        error = np.sqrt(np.maximum((one**2).T @ other**2 / len(x) - found**2, 0.0) / len(x))
        tolerance = 1e-10 if inputs.kind == "rows" else 5.0 * error + 1e-6
        assert np.all(np.abs(found - expected) < tolerance)
        if inputs.kind != "rows":
            assert np.any(np.abs(found - 1.1 * expected) > tolerance)


def residual(inputs, start):
    """T_res and the effective teacher, of the equations' own shares."""
    problem = om.Problem(inputs=inputs)
    shares = resolution_of(start, problem, 10**6, 1.0).shares
    values, vectors = inputs.eigenbasis(start.N)
    image = inputs.teacher_moments(start.teacher, start.N).image @ vectors
    effective = np.where(values > 1e-9, image / np.maximum(values, 1e-9), 0.0) @ vectors.T
    return start.order_parameters(inputs).T - shares.T.sum(0), effective


@pytest.mark.parametrize("activation", ["sign", "erf"])
def test_residual_against_samples(activation):
    """Of ν what no linear function of x tells: uncorrelated with x, and of the covariance T_res."""
    n, count = 60, 40_000
    inputs = HiddenManifold(30, activation, teacher="latent")
    start = start_for(inputs, n)
    T_res, effective = residual(inputs, start)
    x, c = (draw(inputs, n, 0, count, seed=3) for draw in (plain_sgd.inputs_of, plain_sgd.seen_of))
    rest = c @ start.teacher.T / math.sqrt(30.0) - x @ effective.T / math.sqrt(n)
    found = rest.T @ rest / count
    error = np.sqrt(((rest**2).T @ rest**2 / count - found**2) / count)
    assert np.all(np.abs(found - T_res) < 4.5 * error) and np.all(np.diag(T_res) > 20.0 * np.diag(error))
    z = (x.T @ rest) / np.sqrt((x**2).T @ rest**2)
    assert 0.85 < np.sqrt(np.mean(z**2)) < 1.15


def largest_z(run, theory):
    """Of ε_g and R, in standard errors of the mean over runs and 1 % for a finite N."""
    error, R = ((values.mean(0), values.std(0, ddof=1) / math.sqrt(len(values))) for values in (run.error, run.R))
    return max(np.max(np.abs(error[0] - theory.generalization_error[0]) / (error[1] + 0.01 * error[0])),
               np.max(np.abs(R[0] - theory.R[0]) / (R[1] + 0.01 * np.abs(R[0]).max())))


def with_noise(rng, rows, size):
    return rows + size * rng.standard_normal(rows.shape)


def corrupted_rows(n=3000, D=120, N=200, seed=2):
    """Clean rows of D numbers, and rows of N numbers that are projections of them, corrupted."""
    rng = np.random.default_rng(seed)
    clean = rng.standard_normal((n, D)) @ np.diag(np.linspace(0.5, 1.5, D))
    return with_noise(rng, clean @ rng.standard_normal((D, N)) / math.sqrt(D), 0.4), clean


def as_bytes(rows):
    low, high = rows.min(), rows.max()
    return np.rint(255.0 * (rows - low) / (high - low)).astype(np.uint8)


@pytest.mark.parametrize("kind", ["sign", "erf", "rows"])
def test_theory_against_sgd(kind):
    """Without the part of the teacher's fields that x does not tell the equations are far off."""
    times = [0.0, 2.0, 6.0, 15.0]
    if kind == "rows":
        corrupted, clean = map(as_bytes, corrupted_rows())
        inputs, n = Rows(corrupted, teacher=clean), corrupted.shape[1]
    else:
        inputs, n = HiddenManifold(200, kind, teacher="latent"), 400
    start = start_for(inputs, n)
    problem = om.Problem(rates=om.LearningRates(xi_in=0.3), inputs=inputs)
    run = om.simulate(problem, start, times[-1], save_at=times, replicas=16, test_samples=5000, seed=1)
    theory = om.simulate(problem, start, times[-1], "ode", save_at=times)
    assert np.allclose(theory.S[0, 0], run.S[0, 0], rtol=0.0, atol=1e-12)
    assert largest_z(run, theory) < 4.0
    sees_inputs = HiddenManifold(200, kind) if kind != "rows" else Rows(corrupted)
    _, effective = residual(inputs, start)
    without = om.Weights(start.xi_in, start.strengths, start.xi_out, start.readout, effective, start.teacher_readout)
    plain = om.simulate(om.Problem(rates=problem.rates, inputs=sees_inputs), without, times[-1], "ode", save_at=times)
    assert np.allclose(plain.S[0, 0], run.S[0, 0], rtol=0.0, atol=1e-10)
    assert largest_z(run, plain) > 10.0


def test_groups_of_eigenvalues(tmp_path):
    inputs = HiddenManifold(30, "sign", teacher="latent")
    start, problem = start_for(inputs, 60), om.Problem(rates=om.LearningRates(xi_in=0.3), inputs=inputs)
    run = om.simulate(problem, start, 2.0, save_at=[0.0, 2.0], resolve=4, test_samples=100)
    theory = om.simulate(problem, start, 2.0, "ode", save_at=[0.0, 2.0], resolve=4)
    assert np.allclose(run.resolved.S.sum(2), run.S, rtol=0.0, atol=1e-12)
    assert np.allclose(run.resolved.S[0, 0], theory.resolved.S[0, 0], rtol=0.0, atol=1e-12)
    assert np.allclose(run.groups.T.sum(0), run.initial.T - residual(inputs, start)[0], rtol=0.0, atol=1e-12)
    assert np.allclose(run.groups.T, theory.groups.T, rtol=0.0, atol=1e-12)
    theory.save(tmp_path / "run.npz")
    assert np.array_equal(om.load(tmp_path / "run.npz").groups.T, theory.groups.T)


def test_a_teacher_of_which_isotropic_inputs_tell_nothing():
    """One eigenvalue, 1, and yet not the equations of independent inputs, by which S would grow."""
    columns = hadamard(32)[:, 1:]
    inputs = Rows(columns[:, :16], teacher=columns[:, 16:])
    start, problem = start_for(inputs, 16), om.Problem(rates=om.LearningRates(xi_in=0.5), inputs=inputs)
    theory = om.simulate(problem, start, 5.0, "ode", save_at=3)
    assert theory.info.spectral_nodes == 1 and np.abs(theory.S).max() < 1e-12
    assert not np.allclose(theory.G[0, -1], theory.G[0, 0], atol=0.01)
    assert "a teacher that sees D = 15 numbers" in str(start)


def test_a_covariance_is_its_spectrum_in_other_coordinates():
    matrix, eigenvalues, vectors = covariance(60, 50)
    inputs, rotated = Gaussian(3.0 * matrix), Spectrum(eigenvalues)
    start = om.initial.committee(60, K=2, seed=0, readout="sum", student_size=0.3)
    turned = om.Weights(start.xi_in @ vectors, start.strengths, start.xi_out, start.readout, start.teacher @ vectors,
                        start.teacher_readout)
    one, other = start.order_parameters(inputs), turned.order_parameters(rotated)
    for name in "GST":
        assert np.allclose(getattr(one, name), getattr(other, name), rtol=0.0, atol=1e-12)
    rates = om.LearningRates(xi_in=0.5)
    found, expected = (om.simulate(om.Problem(rates=rates, inputs=each), begin, 10.0, "ode", save_at=6, rtol=1e-11,
                                   atol=1e-13) for each, begin in ((inputs, start), (rotated, turned)))
    assert found.info.spectral_nodes == expected.info.spectral_nodes
    assert np.allclose(found.G, expected.G, rtol=0.0, atol=1e-8) and np.allclose(found.S, expected.S, atol=1e-8)
    assert not np.allclose(om.simulate(om.Problem(rates=rates, inputs=rotated), start, 10.0, "ode", save_at=6).G,
                           expected.G, atol=1e-2)
    assert inputs.source(60).projection.shape[2] == 52  # of rank 50, padded to fours
    identity = om.simulate(om.Problem(rates=rates, inputs=Gaussian(np.eye(60))), start, 2.0, "ode", save_at=3)
    assert identity.info.spectral_nodes is None


def test_gaussian_is_what_it_was():
    assert Gaussian() == Gaussian() and hash(Gaussian()) == hash(()) and repr(Gaussian()) == "Gaussian()"
    assert Gaussian().to_dict() == {"kind": "gaussian"} and Gaussian().independent and Gaussian().columns is None
    assert Gaussian() != Gaussian(OMEGA) and Gaussian(OMEGA) == Gaussian(OMEGA.copy())
    assert repr(HiddenManifold(7)) == "HiddenManifold(D=7, activation='erf', seed=0)"


def test_files(tmp_path):
    np.save(tmp_path / "x.npy", DATA)
    np.save(tmp_path / "clean.npy", CLEAN)
    np.save(tmp_path / "omega.npy", OMEGA)
    kinds = [LATENT[0], Rows(tmp_path / "x.npy", teacher=tmp_path / "clean.npy"), Gaussian(tmp_path / "omega.npy")]
    assert kinds[1] == LATENT[2] and kinds[1] != Rows(DATA) and kinds[1].fingerprint() != Rows(DATA).fingerprint()
    for inputs in kinds:
        problem = om.Problem(rates=om.LearningRates(xi_in=1.0), inputs=inputs)
        run = om.simulate(problem, start_for(inputs, N), 2.0, replicas=3, save_at=4, test_samples=100,
                          store_final=True)
        assert om.Problem.from_dict(json.loads(json.dumps(problem.to_dict()))) == problem
        run.save(tmp_path / "run.npz")
        loaded = om.load(tmp_path / "run.npz")
        again = om.repeat(loaded)
        for name in (*PATHS, "error"):
            assert np.array_equal(getattr(run, name), getattr(loaded, name)), name
            assert np.array_equal(getattr(run, name), getattr(again, name)), name
        whole = om.simulate(problem, start_for(inputs, N), 3.0, replicas=3, save_at=[0.0, 2.0, 3.0], test_samples=100)
        on = om.go_on(loaded, 3.0, save_at=[3.0])
        assert np.allclose(on.G[:, -1], whole.G[:, -1], rtol=1e-12) and om.go_on(run, 3.0, engine="ode").G.shape[0] == 3
    for inputs in (LATENT[2], Gaussian(OMEGA)):
        (tmp_path / "run.npz").unlink()
        om.simulate(om.Problem(inputs=inputs), start_for(inputs, N), 1.0, test_samples=10).save(tmp_path / "run.npz")
        with pytest.raises(RepeatError, match="cannot be repeated: the inputs were .* in memory.*numpy.save"):
            om.repeat(om.load(tmp_path / "run.npz"))
    np.save(tmp_path / "clean.npy", CLEAN + 1)
    with pytest.raises(FileError, match="clean.npy has changed: its SHA-256 is"):
        from_dict(kinds[1].to_dict()).available()


def test_same_bits_for_any_number_of_threads_inside(monkeypatch):
    """The teacher sees three tiles, the student two."""
    from onlinemode.engines.micro import engine

    monkeypatch.setattr(engine, "COORDINATES_A_THREAD", 1)
    inputs = HiddenManifold(2_100, teacher="latent")
    start, problem = start_for(inputs, 1_100), om.Problem(rates=om.LearningRates(xi_in=0.5), inputs=inputs)
    one, two = (om.simulate(problem, start, 30 / 1_100, save_at=[0.0, 30 / 1_100], threads=threads, test_samples=2)
                for threads in (1, 2))
    for name in (*PATHS, "error"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
    assert not np.array_equal(one.G[0, 0], one.G[0, 1])


@pytest.mark.parametrize("recipe", ["showcase", "paper", "committee", "graded", "polynomial_teacher", "tasks"])
def test_teachers_of_other_columns(recipe):
    given = {"polynomial_teacher": {"terms": {(1, 1): 1.0}, "activation": "he:2"}}.get(recipe, {})
    draw = getattr(om.initial, recipe)
    weights = draw(30, seed=3, teacher_columns=12, **given)
    assert weights.teacher.shape[1] == 12 and weights.xi_in.shape[1] == 30
    assert weights.origin["arguments"]["teacher_columns"] == 12
    again = getattr(om.initial, weights.origin["name"])(**weights.origin["arguments"])
    assert again.fingerprint() == weights.fingerprint()
    if recipe == "committee":
        assert np.allclose(weights.teacher @ weights.teacher.T / 12, np.eye(3), atol=1e-12)
    assert "teacher_columns" not in draw(30, seed=3, **given).origin["arguments"]
    with pytest.raises(ParameterError, match="weights=False draws .* a teacher that sees the inputs; got "):
        draw(30, seed=3, teacher_columns=12, weights=False, **given)


def simulate(inputs, engine="micro", columns=None, N=N, **settings):
    start = om.initial.committee(N, K=2, teacher_columns=columns)
    return om.simulate(om.Problem(inputs=inputs), start, 1.0, engine, **settings)


def changed(i, j, value):
    matrix = OMEGA.copy()
    matrix[i, j] = value
    return matrix


BAD = {
    "not symmetric": (lambda: Gaussian(changed(0, 1, 5.0)), ParameterError,
                      r"must be symmetric; entries \(0, 1\) and \(1, 0\) of the array are 5 and "),
    "negative": (lambda: Gaussian(OMEGA - np.eye(N)), ParameterError,
                 "must have no negative eigenvalue; the smallest of the array is -1.5 times the largest"),
    "no trace": (lambda: Gaussian(np.diag([1.0, -1.0])), ParameterError, "smallest of the array is -1 times the larg"),
    "negative trace": (lambda: Gaussian(np.diag([1.0, 0.5, -1.5 - 1e-15])), ParameterError, "is -1.5 times the large"),
    "infinite": (lambda: Gaussian(changed(2, 2, math.inf)), ParameterError, r"finite; entry \(2, 2\) of .* is inf"),
    "zero": (lambda: Gaussian(np.zeros((N, N))), ParameterError, "variances above 0; those of .* have the sum 0"),
    "not square": (lambda: Gaussian(DATA), ShapeError, r"must have shape \(N, N\); the array has shape \(50, 37\)"),
    "no matrix": (lambda: Gaussian(np.ones(4)), ShapeError, r"the array has shape \(4,\)"),
    "words": (lambda: Gaussian([["a", "b"], ["c", "d"]]), ShapeError, "must be an array of numbers"),
    "large": (lambda: Gaussian(np.broadcast_to(np.float32(1), (4097, 4097))), ParameterError,
              "a covariance has at most 4,096 rows; the array has 4,097: take a Spectrum"),
    "missing": (lambda: Gaussian("nowhere.npy"), FileError, "cannot read nowhere.npy: there is no such file"),
    "N": (lambda: simulate(Gaussian(OMEGA), N=41), ParameterError, "N must be 37, the number of columns of .* got 41"),
    "cuda": (lambda: simulate(Gaussian(OMEGA), device="cuda"), EngineError, "device cuda"),
    "drift": (lambda: om.simulate(om.Problem(inputs=Gaussian(OMEGA), drift=0.1), om.initial.committee(N, K=2), 1.0),
              EngineError, "a teacher that drifts needs inputs with independent entries; got Gaussian"),
    "latent columns": (lambda: simulate(LATENT[0]), ShapeError, r"teacher must have shape \(M, D\) = \(2, 7\), a "
                       r"column for each number .* HiddenManifold\(D=7.*; got \(2, 37\): draw it with .*_columns=7"),
    "columns": (lambda: simulate(HiddenManifold(7), columns=7), ShapeError,
                r"teacher must have shape \(M, N\) = \(2, 37\) where it sees the inputs; got \(2, 7\)"),
    "few latent": (lambda: om.initial.committee(N, K=3, teacher_columns=2), ParameterError,
                   "teacher_columns must be at least 3 for 3 orthogonal directions; got 2"),
    "no columns": (lambda: om.initial.committee(N, teacher_columns=0), ParameterError, "teacher_columns must .* ≥ 1"),
    "teacher": (lambda: HiddenManifold(7, teacher="mine"), ParameterError,
                "teacher of the hidden manifold must be .* inputs, latent; got 'mine'"),
    "fewer rows": (lambda: Rows(DATA, teacher=CLEAN[:49]), ShapeError,
                   "must see as many rows as the student, 50; the array has 49"),
    "constant": (lambda: Rows(DATA, teacher=0 * CLEAN), ParameterError, "11 of 11 in the array are constant"),
    "chain": (lambda: simulate(LATENT[0], "chain", columns=7), EngineError, "engine chain needs .*HiddenManifold"),
    "mean": (lambda: simulate(LATENT[3], "ode", columns=11), EngineError, "equations need inputs of mean 0; "),
    "mean of the teacher": (lambda: simulate(Rows(DATA - DATA.mean(0), False, CLEAN), "ode", columns=11), EngineError,
                            "equations need inputs of mean 0; "),
    "parse": (lambda: parse("manifold:D=5,erf,hidden"), ParameterError, "hidden manifold must be .* got 'hidden'"),
    "parse teacher": (lambda: parse("x.npy,teacher=y.txt"), ParameterError, "inputs must be one of .*teacher=y.txt'"),
    "parse covariance": (lambda: parse("covariance:5"), ParameterError, "inputs must be one of .* got 'covariance:5'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_words_and_commands(onlinemode):
    for name, array in (("x.npy", DATA), ("clean.npy", CLEAN), ("omega.npy", OMEGA)):
        np.save(name, array)
    assert parse("manifold:D=7,erf,latent") == LATENT[0] and parse("manifold:D=7,inputs") == HiddenManifold(7)
    assert parse("x.npy,teacher=clean.npy") == LATENT[2] and parse("x.npy:raw,teacher=clean.npy") == LATENT[3]
    assert parse("covariance:omega.npy") == Gaussian(OMEGA)
    small = ("--N", N, "--K", 2, "--alpha", 2, "--save-at", 4, "--init", "committee")
    for words, name in (("manifold:D=7,erf,latent", "manifold"), ("x.npy,teacher=clean.npy", "x"),
                        ("covariance:omega.npy", "covariance")):
        code, out, err = onlinemode("simulate", *small, "--inputs", words, "--no-plot")
        assert code == 0 and f"inputs {words}" in err and "resolves the spectrum" in out
        path = f"simulate_committee_N37_{name}_seed0.npz"
        assert om.load(path).problem.inputs == parse(words) and onlinemode("repeat", path)[0] == 0
    code, out, err = onlinemode("simulate", *small, "--engine", "chain", "--inputs", "manifold:D=7,erf,latent")
    assert code == 2 and err.count("\n") == 1 and "engine chain needs" in err
    raw = ("--inputs", "x.npy:raw,teacher=clean.npy")
    code, _, err = onlinemode("compare", *small, *raw, "--no-plot")
    assert code == 2 and err.count("\n") == 1 and "the mean-field equations need inputs of mean 0" in err
    swept = om.sweep(om.Experiment(N=N, K=2, alpha=1.0, init="committee", engine="ode", save_at=3),
                     {"inputs": ["x.npy,teacher=clean.npy", "manifold:D=7,sign,latent", "x.npy:raw"]},
                     keep=["generalization_error"])
    assert list(swept.status.values) == ["completed", "completed", "invalid"]
    assert "need inputs of mean 0" in str(swept.message.values[2])
