"""Engine micro: bits that depend on the seed alone, precision, divergence, Ctrl-C."""

import math
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import onlinemode as om
from onlinemode.engines.micro import engine as micro
from onlinemode.engines.micro import together
from onlinemode.errors import EngineError, ParameterError
from onlinemode.kernels.micro import sgd
from onlinemode.kernels.micro.sgd import to_tiles
from onlinemode.kernels.random.philox import Key

PATHS = ("G", "S", "strengths", "xi_out", "readout")


@pytest.fixture
def problem(all_rates):
    return om.Problem(noise=0.2, weight_decay=0.1, rates=all_rates)


@pytest.fixture
def start(random_weights):
    return random_weights(301, K=3, M=2, P=4, seed=1)


def assert_bits(a, b, rows_a=slice(None), rows_b=slice(None)):
    assert np.array_equal(a.alpha, b.alpha)
    for name in PATHS:
        assert np.array_equal(getattr(a, name)[rows_a], getattr(b, name)[rows_b]), name


def test_same_bits_for_any_number_of_threads(problem, start):
    runs = [om.simulate(problem, start, 2.0, seed=5, replicas=3, threads=threads) for threads in (1, 2, None)]
    for run in runs[1:]:
        assert_bits(run, runs[0])


@pytest.fixture
def threads_inside(monkeypatch):
    """Threads share the work of one trajectory at any N."""
    monkeypatch.setattr(micro, "COORDINATES_A_THREAD", 1)
    monkeypatch.setattr(together, "advance", counted := Counted(together.advance))
    return counted


class Counted:
    """A function that notes with how many threads it is called."""

    def __init__(self, function):
        self.function, self.threads = function, set()

    def __call__(self, helpers, threads, *arguments):
        self.threads.add(threads)
        return self.function(helpers, threads, *arguments)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("N, batch", [(301, 1), (9_001, 1), (9_001, 3)])
def test_same_bits_for_any_number_of_threads_inside(all_rates, random_weights, threads_inside, precision, N, batch):
    """One tile, fewer than threads, and nine; blocks and batches that do not divide the steps."""
    problem = om.Problem(noise=0.2, weight_decay=0.1, rates=all_rates, batch=batch)
    start = random_weights(N, K=3, M=2, P=3, seed=1)
    runs = [om.simulate(problem, start, 61 / N, seed=5, threads=threads, precision=precision, save_at=3)
            for threads in (1, 2, 3)]
    for run in runs[1:]:
        assert_bits(run, runs[0])
    assert threads_inside.threads == {2, 3}


def test_replicas_come_before_threads_inside(problem, start, threads_inside):
    """Two replicas on five threads: two threads each; three on five: one each."""
    for replicas, threads in ((2, {2}), (3, {2})):
        run = om.simulate(problem, start, 0.2, seed=5, replicas=replicas, threads=5)
        assert threads_inside.threads == threads
        assert_bits(run, om.simulate(problem, start, 0.2, seed=5, replicas=replicas, threads=1))


def test_small_trajectories_are_not_shared(problem, start, threads_inside, monkeypatch):
    monkeypatch.setattr(micro, "COORDINATES_A_THREAD", 151)
    om.simulate(problem, start, 0.2, threads=2)
    assert not threads_inside.threads


def arguments_of(start, steps):
    """Of ``together.advance``, after the threads; and the modes that it changes."""
    networks = sgd.Networks(*(to_tiles(rows, "float64") for rows in (start.xi_in, start.teacher)), start.factors())
    rule = om.Problem(rates=om.LearningRates(xi_in=1.0)).rule(start.N)
    return networks.xi_in, (networks, rule, sgd.Stretch(0, steps, 4), Key(np.uint64(3), 0), None)


def test_helpers_leave_when_the_leader_fails(random_weights, monkeypatch):
    """They would wait for work for ever, and the pool for them."""
    real = sgd.take_part

    def take_part(leads, *work):
        if leads:
            raise MemoryError("no room")
        return real(leads, *work)

    _, arguments = arguments_of(random_weights(3_000, K=2, M=2, P=2, seed=1), 20)
    monkeypatch.setattr(together, "take_part", take_part)
    pool = ThreadPoolExecutor(2)
    with pytest.raises(MemoryError, match="no room"):
        together.advance(pool, 3, *arguments)
    end = threading.Thread(target=pool.shutdown, daemon=True)
    end.start()
    end.join(30.0)
    assert not end.is_alive()


def test_a_machine_that_gives_no_more_threads(random_weights):
    start = random_weights(3_000, K=2, M=2, P=2, seed=1)
    (alone, arguments), (led, others) = arguments_of(start, 20), arguments_of(start, 20)
    assert sgd.advance(*arguments) == 20

    class Pool(ThreadPoolExecutor):
        asked = 0

        def submit(self, *work):
            self.asked += 1
            if self.asked > 1:
                raise RuntimeError("can't start new thread")
            return super().submit(*work)

    with Pool(4) as pool:
        assert together.advance(pool, 5, *others) == 20 and pool.asked == 2
    assert np.array_equal(alone, led)


def test_divergence_with_threads_inside(start, threads_inside):
    problem = om.Problem("linear", rates=om.LearningRates(xi_in=40.0))
    one, two = (om.simulate(problem, start, 30.0, threads=threads, save_at=31) for threads in (1, 2))
    assert two.status == [om.Status.DIVERGED]
    assert two.meta["steps"] == one.meta["steps"]
    assert np.array_equal(one.G, two.G, equal_nan=True)


def test_interrupt_with_threads_inside(long_run, threads_inside):
    def progress(report):
        if report.fraction > 0.0:
            raise KeyboardInterrupt

    before = set(threading.enumerate())
    assert_interrupted(om.simulate(*long_run, threads=2, save_at=np.linspace(0.0, 2000.0, 501), progress=progress))
    assert set(threading.enumerate()) <= before


def test_block_length_depends_on_the_weights_alone(problem, start, monkeypatch):
    """Blocks of 8 where the weights are large: not the same bits as blocks of 4, the same run to rounding."""
    small = om.simulate(problem, start, 2.0, seed=5, threads=1)
    monkeypatch.setattr(micro, "LARGE_WEIGHTS", 0)
    large = [om.simulate(problem, start, 2.0, seed=5, threads=threads) for threads in (1, 2)]
    assert_bits(*large)
    assert not np.array_equal(small.G, large[0].G)
    assert np.allclose(small.G, large[0].G, rtol=1e-11, atol=0.0)


def test_replica_does_not_depend_on_the_others(problem, start):
    three, one = (om.simulate(problem, start, 2.0, seed=5, replicas=replicas) for replicas in (3, 1))
    assert_bits(one, three, slice(0, 1), slice(0, 1))


def test_replicas_and_seeds_differ(problem, start):
    run = om.simulate(problem, start, 2.0, seed=5, replicas=3, save_at=[0.0, 2.0])
    other = om.simulate(problem, start, 2.0, seed=6, save_at=[0.0, 2.0])
    ends = [*run.G[:, 1], other.G[0, 1]]
    assert np.ptp(run.G[:, 0], axis=0).max() == 0.0
    for i, a in enumerate(ends):
        for b in ends[:i]:
            assert np.abs(a - b).max() > 1e-3


def test_repeat_gives_the_same_bits(problem, tmp_path):
    start = om.initial.paper(50, K=3, seed=2)
    run = om.simulate(problem, start, 2.0, seed=11, replicas=2, precision="float32", save_at=[0.0, 1.0, 2.0])
    run.save(tmp_path / "run.npz")
    again = om.repeat(om.load(tmp_path / "run.npz"))
    assert_bits(run, again)
    assert again.meta["precision"] == "float32"
    assert again.meta["call"] == run.meta["call"]


@pytest.mark.parametrize("seed", [2**32, 2**63 - 1, 2**63, 2**64 - 1])
def test_large_seeds(problem, start, seed):
    """All seeds up to 2^64 − 1 work, also after a small one, and differ from it."""
    small = om.simulate(problem, start, 0.2, seed=seed % 2**31, save_at=[0.2])
    large = om.simulate(problem, start, 0.2, seed=seed, save_at=[0.2])
    assert not np.array_equal(small.G, large.G)


def test_float32_is_close_to_float64(problem, start):
    """Within 2e-5 over 900 steps, and not the same."""
    single, double = (om.simulate(problem, start, 3.0, precision=p, save_at=[0.0, 1.0, 3.0], seed=1)
                      for p in ("float32", "float64"))
    assert single.meta["precision"] == "float32"
    for name in PATHS:
        a, b = getattr(single, name), getattr(double, name)
        assert a.dtype == np.float64
        assert np.abs(a - b).max() < 2e-5 * np.abs(b).max()
    assert not np.array_equal(single.G, double.G)


def test_weights_of_one_coordinate(problem, random_weights):
    run = om.simulate(problem, random_weights(1, K=2, M=1, P=1, seed=3), 20.0, save_at=5)
    assert run.status == [om.Status.COMPLETED]
    assert np.allclose(run.S[0, :, 0, 0] ** 2, run.G[0, :, 0, 0] * run.T[0, 0])  # all vectors are parallel


def test_start_from_overlaps(problem, random_overlaps):
    """Vectors with exactly these overlaps; N is needed and may not be below their rank."""
    o = random_overlaps(3, 2, 4, seed=6)
    run = om.simulate(problem, o, 1.0, N=6, seed=1, save_at=[0.0, 1.0])
    for name in ("G", "S"):
        assert np.abs(getattr(run, name)[0, 0] - getattr(o, name)).max() < 1e-12
    assert run.N == 6
    assert run.initial is o
    with pytest.raises(EngineError, match="engine micro needs N when it starts from overlaps; got None"):
        om.simulate(problem, o, 1.0)
    with pytest.raises(ParameterError, match="N must be at least 6, the rank of the overlaps; got 5"):
        om.simulate(problem, o, 1.0, N=5)


@pytest.mark.parametrize("options, error, message", [
    ({"precision": "float16"}, ParameterError, "precision must be one of float64, float32; got 'float16'"),
    ({"device": "abacus"}, EngineError, "device must be one of cpu.*; got 'abacus'"),
    ({"threads": 0}, ParameterError, "threads must be a whole number ≥ 1; got 0"),
    ({"replicas": 2**24 + 1}, ParameterError, "replicas must be a whole number ≥ 1 and ≤ 16777216; got 16777217"),
])
def test_bad_options(problem, start, options, error, message):
    with pytest.raises(error, match=message):
        om.simulate(problem, start, 1.0, **options)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_divergence(start, precision):
    problem = om.Problem("linear", rates=om.LearningRates(xi_in=40.0))
    times = np.linspace(0.0, 30.0, 301)
    run = om.simulate(problem, start, 30.0, replicas=2, precision=precision, save_at=times)
    for r in range(2):
        assert run.status[r] == om.Status.DIVERGED
        steps = run.meta["steps"][r]
        assert f"diverged at α = {steps / 301:.6g}" in run.message[r]
        assert 0 < steps < 9030
        kept = np.isfinite(run.generalization_error[r])
        assert np.array_equal(kept, np.rint(times * 301) <= steps)
        assert np.array_equal(kept, np.isfinite(run.G[r]).all((-2, -1)))
    early = om.simulate(problem, start, 30.0, replicas=2, precision=precision, save_at=times[:2])
    assert np.array_equal(early.G, run.G[:, :2])


def test_divergence_of_one_replica_leaves_the_others():
    """Linear units at the edge of stability: some replicas fall over the limit, the rest complete."""
    start = om.initial.committee(4, K=1, seed=1, readout="sum")
    problem = om.Problem("linear", noise=1.0, rates=om.LearningRates(xi_in=2.6))
    run = om.simulate(problem, start, 60.0, replicas=40, save_at=[0.0, 20.0, 40.0, 60.0])
    diverged = np.array([status == om.Status.DIVERGED for status in run.status])
    assert 0 < diverged.sum() < 40
    assert np.all(np.isfinite(run.G[~diverged]))
    assert np.all(np.isnan(run.G[diverged, -1]))
    assert np.all(np.isfinite(run.G[:, 0]))


@pytest.fixture
def long_run():
    """Arguments of a run of some seconds, long enough to be stopped in the middle."""
    start = om.initial.committee(1000, K=2, seed=1)
    return om.Problem(rates=om.LearningRates(xi_in=1.0)), start, 2000.0


def assert_interrupted(run, replica=0):
    assert run.status[replica] == om.Status.INTERRUPTED
    kept = np.isfinite(run.generalization_error[replica])
    assert 0 < kept.sum() < kept.size
    assert np.all(np.diff(kept.astype(int)) <= 0)
    reached = run.meta["steps"][replica] / run.N
    assert run.message[replica] == f"stopped by the user at α = {reached:.6g}; later times are NaN"
    assert run.alpha[kept][-1] <= reached < run.alpha[~kept][0]


def test_interrupt_in_the_progress_callback(long_run, tmp_path):
    def progress(report):
        seen.append(report)
        if report.fraction > 0.0:
            signal.raise_signal(signal.SIGINT)

    seen = []
    run = om.simulate(*long_run, save_at=np.linspace(0.0, 2000.0, 501), progress=progress)
    assert [report.fraction > 0.0 for report in seen[-2:]] in ([True], [False, True])  # none after the signal
    assert_interrupted(run)
    run.save(tmp_path / "run.npz")
    assert om.load(tmp_path / "run.npz").status == [om.Status.INTERRUPTED]


def test_interrupt_from_outside(long_run):
    """SIGINT while the main thread waits; the replica that had not begun is all NaN."""
    main = threading.main_thread().ident
    timer = threading.Timer(0.5, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    try:
        run = om.simulate(*long_run, save_at=np.linspace(0.0, 2000.0, 501), replicas=2, threads=1)
    finally:
        timer.cancel()
        timer.join()
    assert_interrupted(run)
    assert run.status[1] == om.Status.INTERRUPTED
    assert np.all(np.isnan(run.G[1]))
    assert run.meta["steps"][1] == 0


def test_interrupted_part_equals_the_whole(long_run):
    problem, start, _ = long_run
    times = np.linspace(0.0, 2000.0, 501)

    def progress(report):
        if report.fraction > 0.0:
            raise KeyboardInterrupt

    part = om.simulate(problem, start, 2000.0, save_at=times, progress=progress)
    kept = int(np.isfinite(part.generalization_error[0]).sum())
    last = min(kept - 1, 20)
    whole = om.simulate(problem, start, times[last], save_at=times[:last + 1])
    for name in PATHS:
        assert np.array_equal(getattr(whole, name)[0], getattr(part, name)[0, :last + 1])


def test_an_error_in_the_callback_ends_the_run(long_run):
    """It reaches the caller, and no thread goes on computing behind it."""
    def progress(report):
        if report.fraction > 0.0:
            raise RuntimeError("no more paper")

    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match="no more paper"):
        om.simulate(*long_run, save_at=3, progress=progress)
    assert set(threading.enumerate()) <= before


def test_progress_of_a_long_run(long_run):
    problem, start, _ = long_run
    seen = []
    om.simulate(problem, start, 100.0, replicas=2, threads=1, save_at=50, progress=seen.append)
    fractions = [report.fraction for report in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert seen[-1].steps == 200_000
    assert all(0.0 <= report.alpha <= 100.0 for report in seen)
    assert all(math.isfinite(report.error) for report in seen if report.fraction > 0.0)
