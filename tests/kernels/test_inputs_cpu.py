"""Every generator of inputs against NumPy from the same counters, their moments, and their covariance."""

import math

import numpy as np
import pytest

from onlinemode.inputs import Gaussian, HiddenManifold, PowerLaw, Rademacher, Rows, Spectrum, Uniform
from onlinemode.kernels.micro.inputs import add_products, draw_inputs, draw_projection
from onlinemode.kernels.micro.manifold import erf_entry
from onlinemode.kernels.micro.sgd import tile_shape
from onlinemode.kernels.random.philox import Key

SEED, REPLICA, FIRST = 2**40 + 17, 5, 2**33 + 3
STREAMS = {"input": 0, "noise": 1, "latent": 5, "row": 6, "test": 7, "projection": 8}
DATA = np.random.default_rng(0).integers(0, 256, (40, 301)).astype(np.uint8)

erf = np.vectorize(math.erf)


@pytest.fixture
def draw():
    """Samples of some inputs through the kernel, (samples, N)."""

    def rows(inputs, N, samples, first=FIRST, seed=SEED, replica=REPLICA, stream=None):
        tiles, length = tile_shape(N)
        out = np.full((tiles, samples, length), np.nan, np.float32)
        source = inputs.source(N)
        if stream is not None:
            source = source._replace(stream=stream)
        draw_inputs(source, N, first, samples, Key(np.uint64(seed), replica), out)
        flat = out.transpose(1, 0, 2).reshape(samples, -1)
        assert np.all(flat[:, N:] == 0.0)
        return flat[:, :N]

    return rows


@pytest.fixture
def normals(reference_words):
    """Box-Muller of docs/theory, section 4.2, in float64."""

    def make(count, stream, replica, sample, seed):
        words = reference_words(np.arange(-(-count // 4)), stream, replica, sample, seed).reshape(-1, 2)
        radius = np.sqrt(-2.0 * np.log(((words[:, 0] >> np.uint64(8)) + np.uint64(1)) / 2.0**24))
        angle = 2.0 * np.pi * (words[:, 1] >> np.uint64(8)) / 2.0**24
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1).ravel()[:count]

    return make


@pytest.fixture
def reference(reference_words, normals):
    """One sample of some inputs, from the definitions of docs/theory, section 9.1."""

    def vector(inputs, N, sample, stream=None, seed=SEED, replica=REPLICA, data=DATA):
        where = lambda name: (STREAMS[name] if stream is None else stream, replica, sample, seed)  # noqa: E731
        words = lambda count: reference_words(np.arange(-(-count // 4)), *where("input")).ravel()[:count]  # noqa: E731
        if inputs.kind == "gaussian":
            return normals(N, *where("input"))
        if inputs.kind == "rademacher":
            bits = words(-(-N // 32))[:, None] >> np.arange(32, dtype=np.uint64) & np.uint64(1)
            return 1.0 - 2.0 * bits.ravel()[:N]
        if inputs.kind == "uniform":
            return math.sqrt(3.0) * (2.0 * ((words(N) >> np.uint64(8)) + 0.5) / 2.0**24 - 1.0)
        if inputs.kind == "power-law":
            spectrum = np.arange(1, N + 1) ** -inputs.exponent
            return np.sqrt(N * spectrum / spectrum.sum()) * normals(N, *where("input"))
        if inputs.kind == "manifold":
            F = np.array([normals(inputs.D, STREAMS["projection"], 0, i, inputs.seed) for i in range(N)])
            F *= math.sqrt(inputs.D) / np.linalg.norm(F, axis=1)[:, None]
            z = F @ normals(inputs.D, *where("latent")) / math.sqrt(inputs.D)
            return np.sign(z) if inputs.activation == "sign" else math.sqrt(3.0) * erf(z / math.sqrt(2.0))
        data = np.asarray(data, float)
        high, low = reference_words(np.arange(1), *where("row"))[0, :2]
        row = data[(int(high) * 2**32 + int(low)) % len(data)]
        if inputs.standardise:
            return (row - data.mean(0)) / data.std(0)
        return row / np.sqrt((data**2).mean())

    return vector


def kinds(data):
    return [Gaussian(), Rademacher(), Uniform(), PowerLaw(1.5), HiddenManifold(7),
            HiddenManifold(8, "sign", seed=2**40), Rows(data), Rows(data, standardise=False)]


KINDS = kinds(DATA)
MANY_COLUMNS = np.random.default_rng(1).integers(0, 256, (40, 1037)).astype(np.uint8)


def rounding(x):
    """Half of the distance of float32 numbers near x, and what float64 leaves."""
    return 0.5 * np.spacing(np.abs(x).astype(np.float32)) + 1e-13


@pytest.mark.parametrize("inputs", KINDS, ids=repr)
def test_samples_against_numpy(inputs, draw, reference):
    drawn = draw(inputs, 301, 5)
    for j, x in enumerate(drawn):
        expected = reference(inputs, 301, FIRST + j)
        assert np.allclose(x, expected, rtol=0.0, atol=1e-5)
        if inputs.kind in ("rademacher", "rows"):  # rounded once
            assert np.all(np.abs(x - expected) <= rounding(expected))
    assert np.abs(drawn[0] - drawn[1]).max() > 0.1


@pytest.mark.parametrize("inputs", kinds(MANY_COLUMNS), ids=repr)
def test_samples_of_two_tiles(inputs, draw, reference):
    """The second begins inside a word of signs, 520 = 16·32 + 8, and ends inside one."""
    assert tile_shape(1037) == (2, 520)
    assert np.allclose(draw(inputs, 1037, 1)[0], reference(inputs, 1037, FIRST, data=MANY_COLUMNS), rtol=0.0, atol=1e-5)


def test_uniform_numbers_have_fixed_bits(draw, reference_words):
    words = reference_words(np.arange(76), STREAMS["input"], REPLICA, FIRST, SEED).ravel()[:301]
    middles = 2 * (words >> np.uint64(8)).astype(np.int64) + 1 - 2**24
    expected = middles.astype(np.float32) * np.float32(math.sqrt(3.0) * 2.0**-24)
    assert np.array_equal(draw(Uniform(), 301, 1)[0], expected)


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_rows_of_all_types(kind, draw):
    """A row is standardised in float64, then rounded."""
    data = (DATA if kind == np.uint8 else DATA / 7.0 + 1e6).astype(kind)
    rows = Rows(data)
    x = draw(rows, 301, 80)
    mean, deviation = data.astype(float).mean(0), data.astype(float).std(0)
    all_rows = (data.astype(float) - mean) / deviation
    nearest = np.abs(x[:, None] - all_rows[None]).max(2).argmin(1)
    assert len(set(nearest)) > 20
    expected = all_rows[nearest]
    assert np.all(np.abs(x - expected) <= rounding(expected) + 1e-8 * (kind != np.uint8))  # of means near 10^6


@pytest.mark.parametrize("inputs", KINDS, ids=repr)
def test_fresh_samples_are_others(inputs, draw, reference):
    test = draw(inputs, 301, 2, stream=STREAMS["test"])
    assert np.allclose(test[1], reference(inputs, 301, FIRST + 1, stream=STREAMS["test"]), rtol=0.0, atol=1e-5)
    assert not np.allclose(test, draw(inputs, 301, 2))


@pytest.mark.parametrize("inputs", KINDS, ids=repr)
def test_a_sample_depends_on_its_coordinates_alone(inputs, draw):
    """Not on how many are drawn together; replicas and seeds differ."""
    many = draw(inputs, 301, 19)
    for j in (0, 1, 2, 3, 18):
        assert np.array_equal(draw(inputs, 301, 1, first=FIRST + j)[0], many[j])
    for other in ({"replica": REPLICA + 1}, {"seed": SEED + 1}, {"seed": SEED + 2**33}):
        assert not np.allclose(draw(inputs, 301, 5, **other), many[:5])


def test_gaussian_source_is_the_stream_of_the_fast_path(draw, input_vector):
    assert np.array_equal(draw(Gaussian(), 301, 1)[0], input_vector(301, FIRST, SEED, REPLICA))


def covariance_of(inputs, N):
    return inputs.covariance(N)(np.eye(N))


def expected_covariance(inputs, N):
    if inputs.independent:
        return np.eye(N)
    if inputs.kind == "power-law":
        return np.diag(inputs.spectrum(N))
    if inputs.kind == "manifold":
        F = draw_projection(N, inputs.D, np.uint64(inputs.seed))
        cosine = F @ F.T
        np.fill_diagonal(cosine, 1.0)
        if inputs.activation == "sign":
            return 2.0 / np.pi * np.arcsin(cosine)
        return 6.0 / np.pi * np.arcsin(cosine / 2.0)
    data = np.asarray(DATA, float)
    x = (data - data.mean(0)) / data.std(0) if inputs.standardise else data / np.sqrt((data**2).mean())
    return x.T @ x / len(x)


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("inputs", KINDS, ids=repr)
def test_covariance(inputs, dense, monkeypatch):
    """Against its definition, as a matrix, and in chunks without one."""
    from onlinemode import dataset
    from onlinemode.inputs import base as module

    if not dense:
        monkeypatch.setattr(module, "DENSE_UP_TO", 10)
        monkeypatch.setattr(dataset, "CHUNK_ENTRIES", 301 * 7)
    module._covariance.cache_clear()
    omega = covariance_of(inputs, 301)
    module._covariance.cache_clear()
    assert np.allclose(omega, expected_covariance(inputs, 301), rtol=0.0, atol=1e-12)
    assert np.trace(omega) == pytest.approx(301.0, rel=1e-12)


@pytest.mark.parametrize("inputs, N", [(Rademacher(), 24), (Uniform(), 24), (PowerLaw(1.0), 24),
                                       (HiddenManifold(5), 24), (HiddenManifold(5, "sign"), 24),
                                       (HiddenManifold(1), 24), (Rows(DATA[:, :24]), 24),
                                       (Rows(DATA[:, :24], standardise=False), 24)], ids=repr)
def test_moments(inputs, N, draw):
    """Means and second moments of 40,000 samples: 324 z-scores each below 5; false alarms 2e-4 a case."""
    x = draw(inputs, N, 40_000, first=0)
    pairs = x[:, :, None] * x[:, None, :]
    error = pairs.std(0) / math.sqrt(len(x))
    assert np.all(np.abs(pairs.mean(0) - covariance_of(inputs, N)) <= 5.0 * error + 1e-7)
    mean = DATA[:, :24].mean(0) / np.sqrt((DATA[:, :24].astype(float) ** 2).mean()) if not getattr(
        inputs, "standardise", True) else 0.0
    assert np.all(np.abs(x.mean(0) - mean) <= 5.0 * x.std(0) / math.sqrt(len(x)))


def largest_score(x):
    """Of means of entries, of products of two and three of them, and of those of successive samples, for x = ±1.

    In standard errors; all should be 0.
    """
    n, N = x.shape
    means = [x.mean(0), x.T @ x / n - np.eye(N), x[1:].T @ x[:-1] / n]
    for apart in (1, 32, 128):  # neighbours, words, counters
        means.append((x[:, 2 * apart:] * x[:, apart:-apart] * x[:, :-2 * apart]).mean(0))
    return math.sqrt(n) * max(np.abs(each).max() for each in means)


SPOILED_SIGNS = {
    "two words are one": lambda x: np.concatenate([x[:, :32], x[:, :32], x[:, 64:]], 1),
    "an entry often follows another": lambda x: np.concatenate([x[:, :-1], np.where(
        np.arange(len(x)) % 6 == 0, x[:, 0], x[:, -1])[:, None]], 1),
    "an entry is a product of two": lambda x: np.concatenate([x[:, :2], x[:, :1] * x[:, 1:2], x[:, 3:]], 1),
    "samples come in pairs": lambda x: np.repeat(x[::2], 2, 0) * np.tile([1.0, -1.0], len(x) // 2)[:, None],
    "one sign is preferred": lambda x: np.where(np.arange(len(x))[:, None] % 6 == 0, 1.0, x)}


@pytest.fixture(scope="module")
def signs():
    """2,000 samples of 300 entries, three counters."""
    (tiles, length), n = tile_shape(300), 2000
    out = np.empty((tiles, n, length), np.float32)
    draw_inputs(Rademacher().source(300), 300, 0, n, Key(np.uint64(SEED), REPLICA), out)
    return out.transpose(1, 0, 2).reshape(n, -1)[:, :300].astype(float)


def test_signs_are_independent(signs):
    """140,000 scores below 5.5: 5e-3 false alarms."""
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert largest_score(signs) < 5.5


@pytest.mark.parametrize("fault", SPOILED_SIGNS)
def test_signs_that_are_not_independent_are_seen(signs, fault):
    assert largest_score(SPOILED_SIGNS[fault](signs)) > 5.5


@pytest.mark.parametrize("z", [0.0, 1e-20, -0.3, 1.0, -2.5, 5.599, 5.601, -40.0, 1e30])
def test_erf_of_a_manifold(z):
    assert abs(float(erf_entry(np.float32(z))) - math.sqrt(3.0) * math.erf(np.float32(z) / math.sqrt(2.0))) < 7e-7


def test_uniform_fills_its_range(draw):
    """Fourth moment 9/5 (5 sigma: 6e-7 false alarms) and the ends."""
    x = draw(Uniform(), 301, 2000).ravel()
    assert abs((x**4).mean() - 1.8) < 5.0 * (x**4).std() / math.sqrt(x.size)
    assert -math.sqrt(3.0) < x.min() < -1.7320 and 1.7320 < x.max() < math.sqrt(3.0)


def test_all_rows_are_drawn_equally_often(draw):
    """χ² of 39 degrees of freedom below 90; false alarms 7e-6."""
    data = np.arange(80, dtype=np.uint8).reshape(40, 2)
    x = draw(Rows(data, standardise=False), 2, 20_000, first=0)
    rows = np.rint(x[:, 0] * np.sqrt((data.astype(float) ** 2).mean()) / 2.0).astype(int)
    counts = np.bincount(rows, minlength=40)
    assert counts.size == 40 and ((counts - 500.0) ** 2 / 500.0).sum() < 90.0


def test_projection_rows_are_unit_vectors():
    F = draw_projection(50, 6, np.uint64(3))
    assert np.allclose((F**2).sum(1), 1.0, rtol=0.0, atol=1e-14)
    assert np.array_equal(F[:20], draw_projection(20, 6, np.uint64(3)))
    assert not np.allclose(F, draw_projection(50, 6, np.uint64(4)))


@pytest.mark.parametrize("p, q", [(1, 1), (3, 6), (5, 9)])
def test_products(p, q):
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((p, 37)), rng.standard_normal((q, 37))
    out = np.ones((p, q))
    add_products(a, b, out, False)
    assert np.allclose(out, 1.0 + a @ b.T, rtol=0.0, atol=1e-13)
    lower = np.zeros((q, q))
    add_products(b, b, lower, True)
    assert np.allclose(np.tril(lower), np.tril(b @ b.T), rtol=0.0, atol=1e-13)


def test_spectrum_is_scaled_to_mean_one():
    assert np.allclose(Spectrum([1.0, 0.0, 5.0]).spectrum(3), [0.5, 0.0, 2.5])
    assert np.allclose(PowerLaw(2.0).spectrum(3), 3.0 * np.array([36.0, 9.0, 4.0]) / 49.0)
    assert np.array_equal(PowerLaw(0.0).spectrum(4), np.ones(4))
