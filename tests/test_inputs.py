"""Inputs other than i.i.d. Gaussian: what may be asked for, SGD with them, order parameters, measured errors."""

import csv
import dataclasses
import json
import math
import pickle

import numpy as np
import plain_sgd
import pytest
from plain_sgd import inputs_of as samples

import onlinemode as om
from onlinemode.errors import EngineError, FileError, ParameterError, RepeatError, ShapeError
from onlinemode.inputs import (
    Blocks,
    Gaussian,
    HiddenManifold,
    PowerLaw,
    Rademacher,
    Rows,
    Spectrum,
    Spiked,
    Uniform,
    from_dict,
    parse,
)

N = 37
DATA = np.random.default_rng(0).integers(0, 256, (50, N)).astype(np.uint8)
KINDS = [Gaussian(), Rademacher(), Uniform(), PowerLaw(1.5), Spectrum(np.arange(1.0, N + 1.0)),
         Blocks((4.0, 1.0), (0.2, 0.8)), Spiked((5.0, 3.0)), HiddenManifold(7),
         HiddenManifold(8, "sign"), Rows(DATA), Rows(DATA, standardise=False)]
PATHS = ("G", "S", "strengths", "xi_out", "readout")
erf = np.vectorize(math.erf)


def omega(inputs, N):
    return inputs.covariance(N)(np.eye(N))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("inputs", KINDS, ids=repr)
def test_sgd_against_a_loop(inputs, batch, random_weights, all_rates):
    """The rule of docs/theory, section 1.2, one sample after the other, to 1e-12."""
    w, steps, rates = random_weights(N, K=2, M=3, P=2, seed=1), 50, all_rates
    problem = om.Problem("erf", weight_decay=0.4, batch=batch, rates=rates, inputs=inputs)
    run = om.simulate(problem, w, steps / N, seed=9, save_at=[0.0, steps / N], test_samples=300)
    student, O = plain_sgd.run(problem, w, steps, seed=9), omega(inputs, N)
    B = w.teacher
    final = student.overlaps(B, lambda rows: rows @ O)
    for name, expected in final.items():
        assert np.abs(getattr(run, name)[0, 1] - expected).max() <= 1e-12 * np.abs(expected).max(), name
    W = student.xi_out @ np.diag(student.strengths) @ student.xi_in
    assert np.allclose(run.Q[0, 1], W @ O @ W.T / N, rtol=1e-12)
    assert np.allclose(run.R[0, 1], W @ O @ B.T / N, rtol=1e-12)
    x = samples(inputs, N, 0, 300, 9, stream=7).astype(np.float32).astype(float)
    f = erf(x @ W.T / math.sqrt(2.0 * N)) @ student.readout - erf(x @ B.T / math.sqrt(2.0 * N)) @ w.teacher_readout
    assert run.error[0, 1] == pytest.approx((f**2).mean() / 2.0, rel=1e-10)
    assert run.error_se[0, 1] == pytest.approx((f**2 / 2.0).std(ddof=1) / math.sqrt(300.0), rel=1e-8)
    assert np.array_equal(run.generalization_error, run.error)


@pytest.mark.parametrize("inputs", KINDS, ids=repr)
def test_initial_overlaps_are_those_of_the_inputs(inputs, random_weights):
    w, O = random_weights(N, K=2, M=3, P=2, seed=1), omega(inputs, N)
    o = w.order_parameters(inputs)
    run = om.simulate(om.Problem(inputs=inputs), w, 1.0, save_at=[0.0, 1.0], test_samples=2)
    for given in (o, run.initial):
        assert np.allclose(given.G, w.xi_in @ O @ w.xi_in.T / N, rtol=0.0, atol=1e-13)
        assert np.allclose(given.S, w.xi_in @ O @ w.teacher.T / N, rtol=0.0, atol=1e-13)
        assert np.allclose(given.T, w.teacher @ O @ w.teacher.T / N, rtol=0.0, atol=1e-13)
    assert np.allclose(run.G[0, 0], o.G, rtol=0.0, atol=1e-13) and np.allclose(run.S[0, 0], o.S, rtol=0.0, atol=1e-13)


@pytest.mark.parametrize("inputs", [Gaussian(), PowerLaw(1.0)], ids=repr)
@pytest.mark.parametrize("activation", ["erf", "linear", "relu"])
def test_measured_error_of_gaussian_fields(inputs, activation, random_weights):
    """Within 4 standard errors of the closed form at 6 times: 4e-4 false alarms a case."""
    w = random_weights(60, K=2, M=2, P=2, seed=2)
    problem = om.Problem(activation, rates=om.LearningRates(xi_in=0.2), inputs=inputs)
    closed = om.simulate(problem, w, 10.0, save_at=6, seed=3)
    measured = om.simulate(problem, w, 10.0, save_at=6, seed=3, test_samples=20_000)
    assert closed.error is None and closed.error_se is None
    assert np.array_equal(closed.G, measured.G)
    assert measured.meta["test_samples"] == 20_000
    z = (measured.error - closed.generalization_error) / measured.error_se
    assert np.abs(z).max() < 4.0 and np.abs(z).max() > 1e-3
    assert np.all(measured.error_se < 0.03 * measured.error)


@pytest.mark.parametrize("inputs", [HiddenManifold(2, "sign"), Rows(DATA[:4, :24]), Rademacher()], ids=repr)
def test_measured_error_where_fields_are_not_gaussian(inputs, random_weights):
    """Against 200,000 other samples, or all rows: within 4 combined standard errors; false alarms 6e-5 a case.

    The closed form is far off for manifold and rows.
    """
    n = 24
    w = random_weights(n, K=2, M=2, P=2, seed=2)
    run = om.simulate(om.Problem(inputs=inputs), w, 1.0, save_at=[0.0, 1.0], seed=3)
    assert run.meta["test_samples"] == 10_000
    if inputs.kind == "rows":
        x = np.concatenate(list(inputs.chunks()))
    else:
        x = samples(inputs, n, 0, 200_000, seed=77)
    W = w.xi_out @ np.diag(w.strengths) @ w.xi_in
    f = erf(x @ W.T / math.sqrt(2.0 * n)) @ w.readout - erf(x @ w.teacher.T / math.sqrt(2.0 * n)) @ w.teacher_readout
    spread = 0.0 if inputs.kind == "rows" else (f**2 / 2.0).std() / math.sqrt(len(f))
    se = run.error_se[0, 0]
    assert abs(run.error[0, 0] - (f**2).mean() / 2.0) < 4.0 * math.hypot(se, spread)
    o = w.order_parameters(inputs)
    closed = om.Trajectory.generalization_error.func(dataclasses.replace(run, error=None))[0, 0]
    assert np.isfinite(closed) and o.K == 2
    if not inputs.independent:
        assert abs(run.error[0, 0] - closed) > 5.0 * se


def test_linear_units_need_no_samples(random_weights):
    """ε_g is a second moment: exact from the overlaps for any inputs."""
    w, inputs = random_weights(N, K=2, M=2, P=2, seed=2), Rows(DATA)
    run = om.simulate(om.Problem("linear", inputs=inputs), w, 1.0, save_at=[0.0, 1.0])
    x = np.concatenate(list(inputs.chunks())) / math.sqrt(N)
    W = w.xi_out @ np.diag(w.strengths) @ w.xi_in
    f = x @ W.T @ w.readout - x @ w.teacher.T @ w.teacher_readout
    assert run.error is None
    assert run.generalization_error[0, 0] == pytest.approx((f**2).mean() / 2.0, rel=1e-12)


def test_power_law_against_the_exact_mean():
    """Linear unit, Δ = X − B in the eigenbasis: E Δ_i² obeys an exact recursion (docs/theory, section 9.3).

    600 runs; five times, 4 standard errors: 3e-4 false alarms.  A wrong covariance is off by tens.
    """
    n, eta, sigma = 40, 0.6, 0.3
    start = om.initial.committee(n, K=1, seed=1, student_size=0.5)
    problem = om.Problem("linear", noise=sigma, rates=om.LearningRates(xi_in=eta), inputs=PowerLaw(1.0))
    times = np.array([0.0, 0.5, 1.0, 4.0, 10.0])
    run = om.simulate(problem, start, 10.0, replicas=600, save_at=times)
    spectrum = PowerLaw(1.0).spectrum(n)
    squares = (start.xi_in[0] - start.teacher[0]) ** 2
    expected = []
    for step in range(int(times[-1] * n) + 1):
        if step in np.rint(times * n):
            expected.append(0.5 * spectrum @ squares / n)
        squares = (squares - 2.0 * eta / n * spectrum * squares + (eta / n) ** 2
                   * (spectrum * (spectrum @ squares) + 2.0 * spectrum**2 * squares) + eta**2 * sigma**2 * spectrum / n)
    assert run.generalization_error[0, 0] == pytest.approx(expected[0], rel=1e-12)
    mean, error = run.ensemble.mean["generalization_error"], run.ensemble.standard_error("generalization_error")
    assert np.all(np.abs(mean - expected)[1:] < 4.0 * error[1:])
    assert np.all(error[1:] < 0.1 * mean[1:])


@pytest.mark.parametrize("inputs", [Rademacher(), Uniform()], ids=repr)
def test_independent_entries_approach_the_ode(inputs):
    """Root mean square deviation of (Q, R) falls as N^-1/2: by 4 from N = 60 to 960 (16 runs: within 2.5 to 6.5)."""
    deviations = []
    for n in (60, 960):
        start = om.initial.committee(n, K=2, seed=1, student_size=0.5, readout="sum")
        problem = om.Problem(rates=om.LearningRates(xi_in=1.0), inputs=inputs)
        run = om.simulate(problem, start, 3.0, replicas=16, save_at=[0.0, 1.0, 2.0, 3.0], test_samples=2000)
        ode = om.simulate(problem, start, 3.0, "ode", save_at=run.alpha)
        deviations.append(np.sqrt(np.mean([(run.Q - ode.Q) ** 2, (run.R - ode.R) ** 2])))
        z = (run.error[:, 1:].mean(0) - ode.generalization_error[0, 1:]) / (
            run.error[:, 1:].std(0, ddof=1) / 4.0)
    assert 2.5 < deviations[0] / deviations[1] < 6.5
    assert np.abs(z).max() < 5.0  # the bias of order 1/N is far smaller at N = 960


def test_same_bits_for_any_number_of_threads(random_weights, all_rates):
    w = random_weights(N, K=2, M=3, P=2, seed=1)
    for inputs in (HiddenManifold(7), Rows(DATA)):
        problem = om.Problem(noise=0.1, rates=all_rates, inputs=inputs)
        one, two = (om.simulate(problem, w, 3.0, replicas=3, threads=threads, save_at=6, test_samples=500)
                    for threads in (1, 2))
        for name in (*PATHS, "error", "error_se"):
            assert np.array_equal(getattr(one, name), getattr(two, name)), name
        assert np.ptp(one.error[:, 0]) > 0.0  # every replica has samples of its own
        alone = om.simulate(problem, w, 3.0, save_at=6, test_samples=500)
        assert np.array_equal(alone.error[0], one.error[0])


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_same_bits_for_any_number_of_threads_inside(random_weights, precision, monkeypatch):
    """Three tiles; blocks that do not divide the steps."""
    from onlinemode.engines.micro import engine

    monkeypatch.setattr(engine, "COORDINATES_A_THREAD", 1)
    n = 2_100
    w = random_weights(n, K=2, M=2, P=2, seed=1)
    data = np.random.default_rng(1).integers(0, 256, (20, n)).astype(np.uint8)
    for inputs in (Rademacher(), Uniform(), PowerLaw(1.0), HiddenManifold(6), Rows(data)):
        problem = om.Problem(rates=om.LearningRates(xi_in=0.5), inputs=inputs)
        one, two, three = (om.simulate(problem, w, 30 / n, save_at=[0.0, 30 / n], threads=threads, test_samples=2,
                                       precision=precision) for threads in (1, 2, 3))
        for name in PATHS:
            assert np.array_equal(getattr(one, name), getattr(two, name)), (inputs, name)
            assert np.array_equal(getattr(one, name), getattr(three, name)), (inputs, name)
        assert not np.array_equal(one.G[0, 0], one.G[0, 1])


def test_samples_that_are_not_kept_are_drawn_again(random_weights, monkeypatch):
    from onlinemode.engines.micro import fresh_samples

    w = random_weights(N, K=2, M=3, P=2, seed=1)
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0), inputs=Rademacher())
    kept = om.simulate(problem, w, 2.0, save_at=4, test_samples=700)
    monkeypatch.setattr(fresh_samples, "BYTES_KEPT", 60_000)
    assert np.array_equal(om.simulate(problem, w, 2.0, save_at=4, test_samples=700).error, kept.error)


def test_float32(random_weights, all_rates):
    w = random_weights(N, K=2, M=3, P=2, seed=1)
    problem = om.Problem(rates=all_rates, inputs=PowerLaw(1.0))
    single, double = (om.simulate(problem, w, 2.0, save_at=3, precision=p) for p in ("float32", "float64"))
    for name in PATHS:
        assert np.allclose(getattr(single, name), getattr(double, name), rtol=0.0, atol=2e-5)
    assert not np.array_equal(single.G, double.G)


def assert_repeats(run, path):
    run.save(path)
    loaded = om.load(path)
    assert loaded.problem == run.problem
    again = om.repeat(loaded)
    for one, other in ((run, loaded), (loaded, again)):
        for name in (*PATHS, "error", "error_se"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
    return loaded


def test_save_load_repeat(tmp_path, random_weights):
    np.save(tmp_path / "x.npy", DATA)
    start = om.initial.committee(N, K=2, seed=4)
    for inputs in (Rademacher(), HiddenManifold(5, "sign", seed=3), Rows(tmp_path / "x.npy")):
        run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=1.0), inputs=inputs), start, 2.0, replicas=7,
                          save_at=5, test_samples=100, keep="summary")
        assert run.error_se.shape == (5, len(run.alpha))
        loaded = assert_repeats(run, tmp_path / "run.npz")
        assert loaded.meta["call"]["test_samples"] == 100
    loaded.to_csv(tmp_path / "run.csv")
    with open(tmp_path / "run.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[1]["generalization_error_se"]) == run.error_se[0, 1]


def test_fresh_students_have_the_overlaps_of_the_inputs(tmp_path):
    def start(r):
        return om.initial.paper(N, K=3, seed=1, student_seed=r)

    problem = om.Problem(rates=om.LearningRates(xi_in=1.0), inputs=PowerLaw(1.0))
    run = om.simulate(problem, start, 1.0, replicas=2, save_at=3, test_samples=10)
    for r in range(2):
        assert np.allclose(run.start_of(r).G, run.G[r, 0], rtol=0.0, atol=1e-13)
    assert_repeats(run, tmp_path / "run.npz")


def test_repeat_on_another_kind_of_machine(tmp_path):
    """A recipe whose weights differ in the last bits is recognised by its overlaps, which are those of the inputs."""
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0), inputs=PowerLaw(1.0))
    run = om.simulate(problem, om.initial.committee(N, K=2, seed=4), 1.0, save_at=3)
    run.info.start["fingerprint"] = 64 * "0"
    assert np.array_equal(om.repeat(run).G, run.G)


def test_old_files_had_gaussian_inputs():
    fields = om.Problem(noise=0.1).to_dict()
    del fields["inputs"]
    assert om.Problem.from_dict(fields) == om.Problem(noise=0.1)


def test_repeat_needs_the_data(tmp_path):
    start, rates = om.initial.committee(N, K=2, seed=4), om.LearningRates(xi_in=1.0)
    om.simulate(om.Problem(inputs=Rows(DATA), rates=rates), start, 1.0, test_samples=10).save(tmp_path / "memory.npz")
    with pytest.raises(RepeatError, match="cannot be repeated: the inputs were rows of an array in memory.*numpy.save"):
        om.repeat(om.load(tmp_path / "memory.npz"))
    path = tmp_path / "x.npy"
    np.save(path, DATA)
    om.simulate(om.Problem(inputs=Rows(path), rates=rates), start, 1.0, test_samples=10).save(tmp_path / "file.npz")
    changed = DATA.copy()
    changed[3, 4] ^= 1
    np.save(path, changed)
    with pytest.raises(RepeatError, match="x.npy has changed: its SHA-256 is [0-9a-f]{16}"):
        om.repeat(om.load(tmp_path / "file.npz"))
    path.unlink()
    run = om.load(tmp_path / "file.npz")  # can be read and drawn all the same
    assert run.generalization_error.shape == (1, len(run.alpha))
    with pytest.raises(RepeatError, match="cannot be repeated: cannot read .*x.npy: there is no such file"):
        om.repeat(run)


def test_rows_of_an_array_and_of_its_file_are_the_same(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, DATA)
    assert Rows(path) == Rows(DATA) and hash(Rows(path)) == hash(Rows(DATA))
    assert Rows(path) != Rows(DATA, standardise=False) and Rows(path) != Rows(DATA + 1) and Rows(path) != Gaussian()
    assert isinstance(Rows(path).opened()[0].base, np.memmap) or isinstance(Rows(path).opened()[0].base.base, np.memmap)
    assert Rows(DATA.reshape(50, N, 1)) == Rows(DATA)  # images are flattened
    mine = DATA.copy()
    rows = Rows(mine)
    mine[:] = 0
    assert np.array_equal(rows.opened()[0], DATA)
    assert "50" in repr(rows) and str(path) in repr(Rows(path))
    with pytest.raises(dataclasses.FrozenInstanceError):
        rows.path = "y.npy"


@pytest.mark.parametrize("convert", [lambda x: x.astype(">f4"), lambda x: x.astype(np.int16), np.asfortranarray,
                                     lambda x: x > 100, lambda x: x.astype(np.float16)])
def test_other_types_are_read_as_float64(convert, tmp_path):
    np.save(tmp_path / "x.npy", convert(DATA))
    data = Rows(tmp_path / "x.npy").opened()[0]
    assert data.dtype == np.float64 and np.array_equal(data, convert(DATA).astype(float))
    assert data.flags.c_contiguous


@pytest.mark.parametrize("inputs", KINDS, ids=repr)
def test_dict_round_trip(inputs):
    restored = from_dict(json.loads(json.dumps(inputs.to_dict())))
    assert restored == inputs and type(restored) is type(inputs)
    problem = om.Problem(inputs=inputs)
    assert om.Problem.from_dict(json.loads(json.dumps(problem.to_dict()))) == problem


def finite(value):
    data = DATA.astype(float)
    data[7, 5] = value
    return data


CONSTANT = DATA.copy()
CONSTANT[:, 3] = 9
OVERLAPS = om.initial.committee(N, K=2).order_parameters()
BAD = {
    "exponent": (lambda: PowerLaw(-1.0), ParameterError, "exponent of the power law must be a finite .* ≥ 0; got -1"),
    "exponent NaN": (lambda: PowerLaw(math.nan), ParameterError, "exponent of the power law .* got nan"),
    "D": (lambda: HiddenManifold(0), ParameterError, "D, the number of latent variables, must be .* ≥ 1 and .*; got 0"),
    "manifold": (lambda: HiddenManifold(3, "tanh"), ParameterError, "hidden manifold must be .* erf, sign; got 'tanh'"),
    "manifold seed": (lambda: HiddenManifold(3, seed=-1), ParameterError, "seed of the hidden manifold must be"),
    "negative eigenvalue": (lambda: Spectrum([1.0, -0.1]), ParameterError, "≥ 0 and not all 0; got -0.1 to 1"),
    "no eigenvalue": (lambda: Spectrum([0.0, 0.0]), ParameterError, "≥ 0 and not all 0; got 0 to 0"),
    "NaN": (lambda: Rows(finite(math.nan)), ParameterError, r"finite; entry \(7, 5\) of the array is nan"),
    "infinity": (lambda: Rows(finite(math.inf)), ParameterError, r"finite; entry \(7, 5\) of the array is inf"),
    "huge": (lambda: Rows(finite(1e200)), ParameterError, "squares are finite"),
    "constant": (lambda: Rows(CONSTANT), ParameterError, "1 of 37 in .* are constant, the first is column 3: drop"),
    "zero": (lambda: Rows(np.zeros((4, 3)), standardise=False), ParameterError, "entries other than 0"),
    "vector": (lambda: Rows(np.arange(5.0)), ShapeError, r"at least two rows; the array has shape \(5,\)"),
    "one row": (lambda: Rows(DATA[:1]), ShapeError, "at least two rows"),
    "complex": (lambda: Rows(DATA * 1j), ParameterError, "the rows must be real; got complex128"),
    "objects": (lambda: Rows([[None, 1], [2, 3]]), ShapeError, "the rows must be an array of numbers"),
    "ragged": (lambda: Rows([[1, 2], [3]]), ShapeError, "the rows must be an array of numbers"),
    "standardise": (lambda: Rows(DATA, standardise="no"), ParameterError, "must be True or False; got 'no'"),
    "missing": (lambda: Rows("nowhere.npy"), FileError, "cannot read nowhere.npy: there is no such file"),
    "no inputs": (lambda: om.Problem(inputs="rademacher"), ParameterError, "of onlinemode.inputs.*'rademacher'"),
    "columns": (lambda: simulate(Rows(DATA), N=41), ParameterError, "N must be 37, the number of columns .* got 41"),
    "spectrum N": (lambda: simulate(Spectrum([1.0, 2.0])), ParameterError, "N must be 2, the .* columns .* got 37"),
    "ode overlaps": (lambda: om.simulate(om.Problem(inputs=PowerLaw(1.0)), OVERLAPS, 1.0, "ode", N=N), EngineError,
                     "engine ode needs the weight vectors .* got OrderParameters and PowerLaw.*: start from Weights"),
    "ode rows": (lambda: simulate(Rows(DATA, standardise=False), "ode"), EngineError,
                 r"need inputs of mean 0; the rows of Rows\(array of .* standardise=False\) have another one: take"),
    "ode drift": (lambda: simulate(PowerLaw(1.0), "ode", drift=0.1), EngineError,
                  r"a teacher that drifts need inputs with independent entries; got PowerLaw\(exponent=1.0\): take"),
    "ode sphere": (lambda: simulate(PowerLaw(1.0), "ode", constraint="sphere", options={"method": "exponential"}),
                   EngineError, "method exponential knows no constraints; got 'sphere': take LSODA"),
    "exponential": (lambda: simulate(Rademacher(), "ode", options={"method": "exponential"}), EngineError,
                    r"is for inputs with a covariance of several eigenvalues; got Rademacher\(\): take LSODA"),
    "ode large": (lambda: HiddenManifold(5).eigenbasis(5000), EngineError, "known up to N = 4,096; got 5,000"),
    "blocks": (lambda: Blocks((1.0, 2.0), (0.5,)), ShapeError, r"shares must have shape \(2,\); got \(1,\)"),
    "block share": (lambda: Blocks((1.0, 2.0), (1.0, 0.0)), ParameterError, "shares of blocks must be above 0; got 0"),
    "block eigenvalue": (lambda: Blocks((1.0, -2.0), (1.0, 1.0)), ParameterError, "≥ 0 and not all 0; got -2 to 1"),
    "small blocks": (lambda: Blocks((1.0, 2.0), (1.0, 9.0)).spectrum(2), ParameterError, "N = 2 is too small for "),
    "spikes": (lambda: Spiked((-1.0,)), ParameterError, "spikes of a covariance must be ≥ 0; got -1"),
    "many spikes": (lambda: Spiked((2.0, 3.0)).spectrum(2), ParameterError, "N must be above 2, .* of spikes; got 2"),
    "parse blocks": (lambda: parse("blocks:4"), ParameterError, "inputs must be one of .* got 'blocks:4'"),
    "chain": (lambda: simulate(Rademacher(), "chain"), EngineError, "engine chain needs inputs with independent "
              r"Gaussian entries; got Rademacher\(\): use engine micro"),
    "chain correlated": (lambda: simulate(PowerLaw(1.0), "chain"), EngineError, "engine chain needs .* got 37 of Pow"),
    "fluctuations": (lambda: om.fluctuations(om.Problem(inputs=Uniform()), OVERLAPS, [1.0]), ParameterError,
                     r"needs i.i.d. Gaussian inputs; got Uniform\(\): compare runs with each other .*z_between"),
    "overlaps": (lambda: om.simulate(om.Problem(inputs=PowerLaw(1.0)), OVERLAPS, 1.0, N=N), EngineError,
                 "vectors of given overlaps for inputs with independent entries .*PowerLaw.*: start from Weights"),
    "test samples": (lambda: simulate(Rademacher(), test_samples=1), ParameterError, "test_samples must .* got 1"),
    "parse": (lambda: parse("gauss"), ParameterError, "inputs must be one of gaussian, .* FILE.npy:raw; got 'gauss'"),
    "parse exponent": (lambda: parse("power-law:steep"), ParameterError, "must be one of .* got 'power-law:steep'"),
    "parse manifold": (lambda: parse("manifold:erf"), ParameterError, "inputs must be one of .* got 'manifold:erf'"),
    "parse D": (lambda: parse("manifold:D=0,erf"), ParameterError, "D, the number of latent variables"),
}


def simulate(inputs, engine="micro", N=N, options=(), **settings):
    problem = {name: settings.pop(name) for name in ("drift", "constraint") if name in settings}
    return om.simulate(om.Problem(inputs=inputs, **problem), om.initial.committee(N, K=2), 1.0, engine, **dict(options),
                       **settings)


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def write_truncated(path):
    np.save(path, DATA)
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("write", [
    write_truncated, lambda path: path.write_bytes(b""), lambda path: path.write_text("1,2\n3,4\n"),
    lambda path: np.save(path, np.array([[1, None]]), allow_pickle=True),
    lambda path: path.write_bytes(pickle.dumps(DATA)),
    lambda path: np.savez(open(path, "wb"), DATA)], ids=["truncated", "empty", "text", "objects", "pickle", "npz"])
def test_bad_files(write, tmp_path):
    write(tmp_path / "x.npy")
    with pytest.raises(FileError, match="cannot read .*x.npy: truncated or no .npy file of one numeric") as caught:
        Rows(tmp_path / "x.npy")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text, inputs", [
    ("gaussian", Gaussian()), ("rademacher", Rademacher()), ("uniform", Uniform()), ("power-law:1.5", PowerLaw(1.5)),
    ("manifold:D=100,erf", HiddenManifold(100)), ("manifold:sign,D=3,seed=4", HiddenManifold(3, "sign", 4)),
    ("blocks:0.1x4,0.9x0.5", Blocks((4.0, 0.5), (0.1, 0.9))), ("spiked:30,20", Spiked((30.0, 20.0))),
    ("x.npy", Rows(DATA)), ("x.npy:raw", Rows(DATA, standardise=False))])
def test_parse(text, inputs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", DATA)
    assert parse(text) == inputs


SMALL = ("--N", N, "--K", 2, "--alpha", 2, "--save-at", 6)


def test_command_line(onlinemode):
    np.save("x.npy", DATA)
    raw = "--inputs", "x.npy:raw", "--test-samples", 50
    code, _, err = onlinemode("simulate", *SMALL, *raw, "--out", "raw")
    assert code == 0
    assert "no theory: the mean-field equations need inputs of mean 0; the rows of Rows(x.npy, standardise=" in err
    rows = "--inputs", "x.npy", "--test-samples", 50
    code, out, err = onlinemode("simulate", *SMALL, *rows, "--out", "rows", "--csv")
    assert code == 0
    assert "inputs x.npy" in err and "theory resolves the spectrum of the inputs: participation number" in out
    run = om.load("rows.npz")
    assert run.problem.inputs == Rows(DATA) and run.meta["test_samples"] == 50
    assert onlinemode("repeat", "rows.npz")[0] == 0
    assert onlinemode("plot", "rows.npz", "--out", "again")[0] == 0  # without the theory
    with open("run.toml", "w", encoding="utf-8") as file:
        file.write('inputs = "rademacher"\ntest_samples = 60\nreplicas = 2\n')
    code, out, _ = onlinemode("simulate", *SMALL, "--config", "run.toml", "--out", "signs", "--json")
    assert code == 0 and json.loads(out)["problem"]["inputs"] == {"kind": "rademacher"}
    assert "theory" in json.loads(out)  # which holds for large N
    assert onlinemode("compare", *SMALL, "--inputs", "uniform", "--no-plot")[0] == 0
    assert onlinemode("ode", *SMALL, "--inputs", "uniform", "--no-plot")[0] == 0


@pytest.mark.parametrize("arguments, message", [
    (("compare", "--inputs", "manifold:D=5,erf", "--drift", 0.1), "a teacher that drifts need inputs with independent"),
    (("ode", "--inputs", "power-law:1", "--constraint", "sphere", "--method", "exponential"), "knows no constraints"),
    (("simulate", "--engine", "chain", "--inputs", "rademacher"), "engine chain needs inputs with independent Gau"),
    (("simulate", "--engine", "chain", "--test-samples", "5"), "engine chain has no option --test-samples"),
    (("simulate", "--inputs", "gauss"), "inputs must be one of gaussian, rademacher"),
    (("simulate", "--inputs", "nowhere.npy"), "cannot read nowhere.npy: there is no such file")])
def test_command_line_refuses_in_one_line(arguments, message, onlinemode, tmp_path):
    code, out, err = onlinemode(arguments[0], *SMALL, *arguments[1:])
    assert code == 2 and out == "" and err.count("\n") == 1
    assert message in err
    assert list(tmp_path.iterdir()) == []
