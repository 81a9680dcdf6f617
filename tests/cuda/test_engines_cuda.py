"""``device="cuda"`` of the engines, on a device or in the simulator: the same runs as on the CPU."""

import numpy as np
import pytest
from scipy import stats
from stopping import StopAt

import onlinemode as om
from onlinemode.engines.chain import cuda as chain_cuda
from onlinemode.engines.micro import cuda as micro_cuda
from onlinemode.errors import EngineError
from onlinemode.kernels.cuda import chain as chain_kernel
from onlinemode.kernels.cuda import device
from onlinemode.kernels.cuda import micro as kernel
from onlinemode.kernels.cuda import plan as plan_cuda
from onlinemode.kernels.cuda.device import SIMULATED
from onlinemode.runtime import parts
from onlinemode.runtime.checkpoint import Checkpoint, read_checkpoint

PATHS = ("G", "S", "strengths", "xi_out", "readout")


@pytest.fixture
def problem(all_rates):
    return om.Problem(noise=0.2, weight_decay=0.1, rates=all_rates)


def assert_close(one, other, tolerance=1e-10):
    assert np.array_equal(one.alpha, other.alpha)
    assert one.meta["steps"] == other.meta["steps"]
    assert (one.status, one.message) == (other.status, other.message)
    for name in (*PATHS, "generalization_error"):
        a, b = getattr(one, name), getattr(other, name)
        assert np.array_equal(np.isnan(a), np.isnan(b)), name
        assert np.nanmax(np.abs(a - b)) <= tolerance * np.nanmax(np.abs(a)), name


def test_micro(problem, tmp_path):
    start = om.initial.showcase(13, K=3, seed=1)
    options = {"replicas": 2, "seed": 5, "save_at": np.array([0.0, 3.0, 9.0]) / 13}
    run = om.simulate(problem, start, 9 / 13, device="cuda", **options)
    assert_close(run, om.simulate(problem, start, 9 / 13, **options))
    assert (run.meta["device"], run.meta["call"]["device"]) == ("cuda", "cuda")
    assert run.meta["device_name"] == device.name()
    run.save(tmp_path / "run.npz")
    again = om.repeat(om.load(tmp_path / "run.npz"))
    assert all(np.array_equal(getattr(run, name), getattr(again, name)) for name in PATHS)


@pytest.mark.parametrize("inputs", [om.inputs.Rademacher(), om.inputs.Uniform(), om.inputs.PowerLaw(1.0),
                                    om.inputs.Spectrum(np.arange(1.0, 14.0))], ids=repr)
def test_micro_with_other_inputs(all_rates, inputs):
    """Entries that are not Gaussian: the errors follow from the overlaps, which the CPU does not take for granted."""
    problem = om.Problem(noise=0.2, rates=all_rates, inputs=inputs)
    start = om.initial.showcase(13, K=3, seed=1)
    options = {"seed": 5, "save_at": np.array([0.0, 3.0, 9.0]) / 13}
    run, on_cpu = (om.simulate(problem, start, 9 / 13, device=where, **options) for where in ("cuda", "cpu"))
    for name in PATHS:
        a, b = getattr(run, name), getattr(on_cpu, name)
        assert np.abs(a - b).max() <= 1e-10 * np.abs(a).max(), name
    assert run.error is None
    if inputs.gaussian:
        assert_close(run, on_cpu)


def test_micro_from_overlaps_needs_independent_entries(random_overlaps):
    with pytest.raises(EngineError, match="vectors of given overlaps for inputs with independent entries alone"):
        om.simulate(om.Problem(inputs=om.inputs.PowerLaw(1.0)), random_overlaps(2, 2, 2, seed=3), 0.5, N=11,
                    device="cuda")


def test_micro_from_overlaps_and_without_room_for_inputs(random_overlaps, problem, monkeypatch):
    o = random_overlaps(2, 2, 2, seed=3)
    run = om.simulate(problem, o, 0.5, N=11, save_at=[0.0, 0.5], device="cuda", precision="float32")
    plan = plan_cuda.Plan(**run.meta["launch"])
    assert plan.keep
    needed = [plan_cuda.needed_bytes(np.float32, 11, 2, 2, plan._replace(keep=keep)) for keep in (True, False)]
    monkeypatch.setattr(device, "free_bytes", lambda: sum(needed) / 2 / micro_cuda.USED)
    drawn = om.simulate(problem, o, 0.5, N=11, save_at=[0.0, 0.5], device="cuda", precision="float32")
    assert not drawn.meta["launch"]["keep"]
    assert_close(drawn, run, 1e-5)
    assert_close(om.simulate(problem, o, 0.5, N=11, save_at=[0.0, 0.5]), run, 1e-5)


def test_micro_divergence(random_weights):
    problem = om.Problem("linear", rates=om.LearningRates(xi_in=60.0))
    start = random_weights(7, K=2, M=2, P=2, seed=7)
    times = np.arange(0, 29, 7) / 7
    run = om.simulate(problem, start, 4.0, save_at=times, device="cuda")
    assert run.status == [om.Status.DIVERGED]
    assert_close(run, om.simulate(problem, start, 4.0, save_at=times), 1e-9)


def test_micro_checkpoint(problem, random_weights, tmp_path, monkeypatch):
    """Stopped in the middle and resumed: the bits of a run without a break."""
    monkeypatch.setattr(micro_cuda, "STEPS_PER_CALL", 4 if SIMULATED else 32)
    start, alpha = random_weights(9, K=2, M=2, P=2, seed=2), (16 if SIMULATED else 300_000) / 9
    whole = om.simulate(problem, start, alpha, save_at=[0.0, alpha], device="cuda")
    calls = []

    def stop(report):
        calls.append(report)
        if len(calls) > 1:
            raise KeyboardInterrupt

    path = tmp_path / "run.ckpt"
    monkeypatch.setattr("onlinemode.runtime.replicas.LOOK_SECONDS", 0.02)
    stopped = om.simulate(problem, start, alpha, save_at=[0.0, alpha], device="cuda", progress=stop, checkpoint=path)
    assert stopped.status == [om.Status.INTERRUPTED]
    resumed = om.resume(path)
    assert all(np.array_equal(getattr(resumed, name), getattr(whole, name)) for name in PATHS)


def test_auto(problem, random_weights, monkeypatch):
    start = random_weights(5, K=2, M=2, P=2, seed=2)
    assert om.simulate(problem, start, 0.2, device="auto", save_at=2).meta["call"]["device"] == "cpu"
    monkeypatch.setattr("onlinemode.engines.micro.engine.N_WORTH_A_DEVICE", 5)
    assert om.simulate(problem, start, 0.2, device="auto", save_at=2).meta["call"]["device"] == "cuda"
    assert micro_cuda.supports(problem, None)
    assert not micro_cuda.supports(problem, 10)
    assert micro_cuda.supports(om.Problem(inputs=om.inputs.PowerLaw(1.0)), None)
    assert micro_cuda.supports(om.Problem("linear", inputs=om.inputs.Rademacher()), None)
    for inputs in (om.inputs.Rademacher(), om.inputs.HiddenManifold(3)):  # the CPU measures their errors
        assert not micro_cuda.supports(om.Problem(inputs=inputs), None)
    assert om.simulate(problem, start, 0.2, "chain", device="auto", save_at=2).meta["device"] == "cpu"
    monkeypatch.setattr("onlinemode.engines.chain.engine.REPLICAS_WORTH_A_DEVICE", 1)
    assert om.simulate(problem, start, 0.2, "chain", device="auto", save_at=2).meta["device"] == "cuda"


def test_auto_takes_the_cpu_for_what_a_device_cannot_do(random_weights, monkeypatch):
    monkeypatch.setattr("onlinemode.engines.micro.engine.N_WORTH_A_DEVICE", 5)
    start = random_weights(5, K=2, M=2, P=2, seed=2)
    problem = om.Problem(batch=100, rates=om.LearningRates(xi_in=0.5))
    with pytest.raises(EngineError, match="a batch of at most 64"):
        om.simulate(problem, start, 0.2, device="cuda", save_at=2)
    assert om.simulate(problem, start, 0.2, device="auto", save_at=2).meta["call"]["device"] == "cpu"


def test_complaints_of_the_driver_are_one_line(problem, random_weights, monkeypatch):
    CudaAPIError = type("CudaAPIError", (Exception,), {"__module__": "numba.cuda.cudadrv.driver"})

    def broken(*arguments):
        raise CudaAPIError("[700] Call to cuMemcpyDtoH results in an illegal address\nmore")

    monkeypatch.setattr(micro_cuda._Simulation, "compile", broken)
    with pytest.raises(EngineError) as caught:
        om.simulate(problem, random_weights(5, K=2, M=2, P=2, seed=2), 0.2, device="cuda", save_at=2)
    assert str(caught.value) == ("device cuda failed: [700] Call to cuMemcpyDtoH results in an illegal address")


@pytest.mark.parametrize("where", ["begin", "collect"])
def test_interrupts_of_the_chain_at_bad_moments(problem, random_weights, monkeypatch, where):
    """Before the first group is there: an interrupt. While results are fetched: they are fetched again, whole."""
    start, sent = random_weights(20, K=2, M=2, P=2, seed=1), []

    def interrupt(*arguments):
        sent.append(True)
        if len(sent) == (2 if where == "begin" else 1):  # the first group only compiles
            raise KeyboardInterrupt
        return real(*arguments)

    target, name = (chain_cuda, "_Group") if where == "begin" else (chain_cuda.states, "errors")
    real = getattr(target, name)
    monkeypatch.setattr(target, name, interrupt)
    call = lambda: om.simulate(problem, start, 0.2, "chain", save_at=3, device="cuda")  # noqa: E731
    if where == "begin":
        with pytest.raises(KeyboardInterrupt):
            call()
    else:
        run = call()
        assert np.isfinite(run.generalization_error).all() and run.status == [om.Status.COMPLETED]


@pytest.mark.parametrize("K, M, P, N, batch, activation", [
    (3, 2, 4, 37, 1, "erf"), (2, 3, 2, 30, 3, "linear"), (3, 3, 3, 5, 1, "relu"), (1, 2, 1, 4, 2, "tanh"),
    (2, 2, 3, 6, 5, "erf")])
def test_chain_equals_the_cpu_step_by_step(all_rates, random_weights, K, M, P, N, batch, activation):
    """Same random numbers, blocks and rotations; frames that fill all dimensions or nearly."""
    problem = om.Problem(activation, noise=0.2, weight_decay=0.1, batch=batch, rates=all_rates)
    start = random_weights(N, K=K, M=M, P=P, seed=N)
    options = {"replicas": 3, "seed": 5, "save_at": np.array([0, 1, 5, 9, 13]) / N}
    on_cpu = om.simulate(problem, start, 13 / N, "chain", **options)
    assert_close(om.simulate(problem, start, 13 / N, "chain", device="cuda", **options), on_cpu)


def test_chain_in_groups_and_launches(problem, random_weights, monkeypatch):
    """Neither the replicas on the device at the same time nor the launches have an influence."""
    start = random_weights(20, K=2, M=2, P=2, seed=1)
    options = {"alpha": 1.0, "engine": "chain", "replicas": 5, "save_at": 4, "device": "cuda"}
    whole = om.simulate(problem, start, **options)
    monkeypatch.setattr(chain_cuda, "STEPS_OF_A_REPLICA", 4)
    monkeypatch.setattr(device, "free_bytes", lambda: 1800)
    parts = om.simulate(problem, start, **options)
    assert all(np.array_equal(getattr(whole, name), getattr(parts, name)) for name in PATHS)


def test_chain_divergence(random_weights):
    problem = om.Problem("linear", rates=om.LearningRates(xi_in=60.0))
    start, times = random_weights(7, K=2, M=2, P=2, seed=7), np.arange(0, 36, 5) / 7
    runs = [om.simulate(problem, start, 5.0, "chain", replicas=4, save_at=times, device=where)
            for where in ("cuda", "cpu")]
    assert om.Status.DIVERGED in runs[0].status
    assert_close(*runs, 1e-8)


def test_chain_summary_and_interrupt(problem, random_weights, monkeypatch):
    start = random_weights(20, K=2, M=2, P=2, seed=1)
    options = {"alpha": 1.0, "engine": "chain", "replicas": 7, "save_at": 3, "keep": "summary"}
    monkeypatch.setattr(parts, "_replicas_a_part", lambda *arguments: 3)
    on_cpu, on_device = (om.simulate(problem, start, device=where, **options) for where in ("cpu", "cuda"))
    assert np.allclose(on_cpu.ensemble.mean["R"], on_device.ensemble.mean["R"], atol=1e-12)
    one, other = (om.simulate(problem, start, **options | {"replicas": 1}, device="cuda") for _ in range(2))
    for name in ("seconds_device", "seconds_run"):
        assert parts._together([one, other]).meta[name] == one.meta[name] + other.meta[name] > 0.0
    monkeypatch.setattr(chain_cuda, "STEPS_OF_A_REPLICA", 4)

    def stop(report):
        if report.fraction > 0.3:
            raise KeyboardInterrupt

    run = om.simulate(problem, start, 1.0, "chain", replicas=2, save_at=np.linspace(0, 1, 6), device="cuda",
                      progress=stop)
    assert run.status == [om.Status.INTERRUPTED] * 2
    assert 4 <= run.meta["steps"][0] < 20
    known = np.isfinite(run.generalization_error[0])
    assert known[0] and not known[-1]


@pytest.mark.skipif(SIMULATED, reason="thousands of replicas are for a device")
@pytest.mark.parametrize("batch", [1, 3])
def test_law_of_micro(batch, random_weights):
    """KS of 20,000 replicas of the chain on the device against 2,000 of SGD; 1e-3 false alarms."""
    problem = om.Problem(batch=batch, noise=0.2, rates=om.LearningRates(xi_in=1.5, strengths=0.5))
    start = random_weights(20, K=3, M=3, P=2, seed=20)
    sgd = om.simulate(problem, start, 3.0, "micro", replicas=2000, seed=1, save_at=[0.0, 3.0])
    chain = om.simulate(problem, start, 3.0, "chain", replicas=20_000, seed=2, save_at=[0.0, 3.0], device="cuda")
    values = [stats.ks_2samp(a, b).pvalue for name in ("G", "S", "strengths")
              for a, b in zip(*(getattr(run, name)[:, 1].reshape(run.replicas, -1).T for run in (sgd, chain)))]
    assert min(values) * len(values) > 1e-3


@pytest.mark.parametrize("engine, change, options, message", [
    ("micro", {"inputs": om.inputs.HiddenManifold(5)}, {}, "device cuda draws inputs with independent entries alone; "
     "got HiddenManifold"),
    ("micro", {}, {"test_samples": 10}, "device cuda takes the error from the overlaps alone; got test_samples = 10"),
    ("micro", {"batch": 65}, {}, "device cuda takes a batch of at most 64 and a moderate number of vectors; got batch "
     "= 65"),
    ("chain", {}, {"checkpoint": "x.ckpt"}, "engine chain has no checkpoints on device cuda"),
    ("chain", {"batch": 100}, {}, "device cuda gives each replica one thread, which has room for smaller sizes; got K"),
])
def test_what_a_device_cannot_do(all_rates, random_weights, engine, change, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EngineError) as caught:
        om.simulate(om.Problem(rates=all_rates, **change), random_weights(9, 2, 2, 2, seed=1), 1.0, engine,
                    device="cuda", **options)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_out_of_memory(problem, monkeypatch):
    start = om.initial.committee(1000, K=4, seed=1)
    monkeypatch.setattr(device, "free_bytes", lambda: 20_000)
    with pytest.raises(EngineError, match=r"^N = 1,000 needs [5-9].\d+e-05 GiB of the device's memory, of which "
                                          r"1.86e-05 GiB are free; the largest N that fits is about 2\d\d: lower N, or "
                                          r"use precision float32$"):
        om.simulate(problem, start, 0.01, device="cuda")


def test_out_of_memory_where_the_estimate_was_wrong(problem, random_weights, monkeypatch):
    def full(*_):
        raise RuntimeError("[CUresult.CUDA_ERROR_OUT_OF_MEMORY] Call to cuMemAlloc results in ...")

    copy = kernel.to_device
    monkeypatch.setattr(kernel, "to_device", lambda rows, *rest: (full if rows.any() else copy)(rows, *rest))
    with pytest.raises(EngineError, match="of the device's memory"):
        om.simulate(problem, random_weights(9, 2, 2, 2, seed=1), 1.0, device="cuda")


def test_too_many_sizes_for_a_thread():
    assert chain_kernel.Sizes(4, 4, 4, 4, 4, 1, 4).bytes_of_a_thread < chain_kernel.LOCAL_BYTES / 10


@pytest.mark.parametrize("engine", ["micro", "chain"])
@pytest.mark.parametrize("fields", [{"rates": om.LearningRates(xi_in=1e200)}, {"weight_decay": 1e30}], ids=str)
def test_overlaps_that_are_no_numbers_are_divergence(engine, fields, tmp_path):
    """As on the CPU; such a file can be read again."""
    problem = om.Problem(**fields)
    call = {"engine": engine, "save_at": np.arange(0, 41, 10) / 20, "seed": 1}
    run, other = (om.simulate(problem, om.initial.committee(20, K=2), 2.0, device=where, **call)
                  for where in ("cuda", "cpu"))
    assert run.status == other.status == [om.Status.DIVERGED]
    assert np.array_equal(np.isnan(run.G), np.isnan(other.G))
    run.save(tmp_path / "run.npz")
    assert np.array_equal(om.load(tmp_path / "run.npz").G, run.G, equal_nan=True)


def test_a_snapshot_of_another_size_is_refused(problem, random_weights, slow_looks, tmp_path, monkeypatch):
    monkeypatch.setattr(micro_cuda, "STEPS_PER_CALL", 4 if SIMULATED else 32)
    start, alpha = random_weights(9, K=2, M=2, P=2, seed=2), (16 if SIMULATED else 300_000) / 9
    om.simulate(problem, start, alpha, save_at=[0.0, alpha], device="cuda", checkpoint=tmp_path / "a.ckpt",
                checkpoint_every=1e-3, progress=StopAt(0.3))
    with np.load(tmp_path / "a.ckpt", allow_pickle=False) as archive:
        names = [name for name in archive.files if name.startswith("running_0_strengths")]
    assert names  # the run was stopped in its middle
    restored = read_checkpoint(tmp_path / "a.ckpt")
    restored["arrays"]["running_0_strengths"] = restored["arrays"]["running_0_strengths"][:1]
    with pytest.raises(ValueError, match=r"float64 of shape \(2,\) cannot be float64 of shape \(1,\)"):
        om.simulate(problem, start, alpha, save_at=[0.0, alpha], device="cuda",
                    checkpoint=Checkpoint(tmp_path / "a.ckpt", restored=restored))
