"""Fixtures that several test files share: plain NumPy references and random starts."""

import gc
import signal
import threading

import numpy as np
import pytest
import stopping

import onlinemode as om

USUAL_HANDLERS = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL, "SIGHUP": signal.SIG_DFL}
LOW = np.uint64(0xFFFFFFFF)
SHIFT = np.uint64(32)


def pytest_configure():
    """Processes that tests start and stop by signals get them, also where nohup or a shell's & ignores them."""
    if threading.current_thread() is threading.main_thread():
        for name, handler in USUAL_HANDLERS.items():
            if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == signal.SIG_IGN:
                signal.signal(getattr(signal, name), handler)


def pytest_collection_finish():
    """The collector of garbage passes over the tests themselves, which took a fifth of the time of all compiling."""
    gc.freeze()


def _philox(counter, key):
    """Philox4x32-10 in NumPy; counter and key are sequences of uint64 arrays below 2^32."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        low, high = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (high >> SHIFT) ^ c1 ^ k0, high & LOW, (low >> SHIFT) ^ c3 ^ k1, low & LOW
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & LOW, (k1 + np.uint64(0xBB67AE85)) & LOW
    return c0, c1, c2, c3


@pytest.fixture
def slow_looks(monkeypatch):
    """Small runs can be stopped in the middle, see :func:`stopping.keep_step`."""
    stopping.keep_step(monkeypatch)


@pytest.fixture(scope="session")
def reference_words():
    """The words of one sample, (counters, 4), from the layout of docs/theory, section 4.1."""

    def words(indices, stream, replica, sample, seed):
        indices = np.asarray(indices, dtype=np.uint64)
        constant = lambda value: np.full_like(indices, value)  # noqa: E731
        counter = (indices, constant((stream << 24) | replica), constant(sample % 2**32), constant(sample >> 32))
        return np.stack(_philox(counter, (constant(seed % 2**32), constant(seed >> 32))), -1)

    return words


@pytest.fixture(scope="session")
def input_vector():
    """x of one sample as float64, (N,), from the package's own stream."""
    from onlinemode.kernels.random.normals import fill_normals
    from onlinemode.kernels.random.philox import STREAM_INPUT

    def vector(N, sample, seed, replica=0):
        counters = -(-N // 4)
        out, words = np.empty(4 * counters, np.float32), np.empty((4, counters), np.uint32)
        fill_normals(out, 0, STREAM_INPUT, replica, sample, np.uint64(seed), words)
        return out[:N].astype(np.float64)

    return vector


@pytest.fixture(scope="session")
def random_weights():
    """Weights with every factor and both readouts random."""

    def draw(N, K, M, P, seed, size=1.0):
        rng = np.random.default_rng(seed)
        return om.Weights(
            xi_in=size * rng.standard_normal((P, N)), strengths=rng.uniform(0.5, 1.5, P),
            xi_out=rng.standard_normal((K, P)) / np.sqrt(P), readout=rng.uniform(0.4, 1.2, K),
            teacher=rng.standard_normal((M, N)), teacher_readout=rng.uniform(0.4, 1.2, M))

    return draw


@pytest.fixture(scope="session")
def random_overlaps(random_weights):
    """Order parameters of random weights in few dimensions, so that all entries differ clearly."""

    def draw(K, M, P, seed, size=1.0):
        return random_weights(3 * (P + M), K, M, P, seed, size).order_parameters()

    return draw


@pytest.fixture
def all_rates():
    """Learning rates that train every factor, all different."""
    return om.LearningRates(xi_in=0.7, strengths=0.3, xi_out=0.5, readout=0.2)


@pytest.fixture
def onlinemode(tmp_path, monkeypatch, capsys):
    """Run the command line in an empty folder; returns exit code, stdout and stderr."""
    from onlinemode.cli.main import main

    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        with pytest.raises(SystemExit) as exit_info:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return exit_info.value.code, captured.out, captured.err

    return call
