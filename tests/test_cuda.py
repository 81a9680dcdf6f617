"""Device cuda on a machine without one: the simulator, machine code for real devices, and what is said.

The tests of a device itself are in tests/cuda; here they run in a process of their own, in Numba's
simulator, which must be chosen before Numba is imported.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import onlinemode as om
from onlinemode.cli.main import main
from onlinemode.errors import EngineError
from onlinemode.kernels.cuda import device

FOLDER = Path(__file__).parent / "cuda"
NO_DEVICE = device.missing() is not None
needs_compiler = pytest.mark.skipif(not device.INSTALLED or device.SIMULATED, reason="numba-cuda is not installed: "
                                    "pip install \"onlinemode[cuda]\"")


@pytest.mark.skipif(device.SIMULATED, reason="this is the simulator")
def test_in_the_simulator():
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    result = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FOLDER)],
                            cwd=FOLDER.parents[1], env=environment, capture_output=True, text=True)
    passed = re.search(r"(\d+) passed", result.stdout)
    assert result.returncode == 0 and passed and int(passed[1]) > 50, result.stdout[-5000:] + result.stderr[-2000:]
    assert "failed" not in result.stdout


def kernels(K, M, P, kind, keep, batch=1, sphere=False):
    """Name, Python function, argument types, threads and blocks of every kernel for these sizes."""
    from numba.core.typing.typeof import typeof
    from numba.cuda import types

    from onlinemode.kernels.cuda import blocks as blocks_cuda
    from onlinemode.kernels.cuda import chain as chain_cuda
    from onlinemode.kernels.cuda import limits as limits_cuda
    from onlinemode.kernels.cuda import plan as plan_cuda
    from onlinemode.kernels.random.philox import Key
    from onlinemode.kernels.rule.step import Factors

    whole, real = types.int64, types.float64
    vector, matrix, cube = (types.Array(real, dimensions, "C") for dimensions in (1, 2, 3))
    rule, key = typeof(om.Problem(batch=batch).rule(10**6)), typeof(Key(np.uint64(0), 0))
    number = types.float32 if kind is np.float32 else real
    tiles, control = types.Array(number, 3, "C"), types.Array(whole, 1, "C")
    kept = types.Array(types.float32, 1, "C")
    plan = plan_cuda.make_plan(kind, 10**6, P, M, batch, keep, sphere, blocks=264)
    arrays = types.NamedTuple([tiles, tiles, kept, vector, control, vector, matrix, vector, vector,
                               types.Array(types.float32, 3, "C")], blocks_cuda.Arrays)
    for entries in ("normal",) if sphere else ("normal", "scaled", "sign", "uniform"):
        yield ("sweep" if entries == "normal" else f"sweep, {entries}",
               blocks_cuda.make_sweep(kind, P, M, plan._replace(entries=entries)), (arrays, whole, whole, key),
               (plan.threads, max(1, plan_cuda.THREADS_A_PROCESSOR // plan.threads)))
    if kind is np.float64:
        singles = types.Array(types.float32, 1, "C")
        yield "draw", limits_cuda._draw, (singles, whole, whole, types.uint64), limits_cuda.THREADS
        yield "draw and add", limits_cuda._sum, (singles, whole, whole, types.uint64), limits_cuda.THREADS
        yield "collect", blocks_cuda.make_collect(plan.adders), (arrays,), plan.adders
        yield ("learn", blocks_cuda.make_learn(K, M, P, plan.samples, plan.learners, sphere),
               (arrays, types.NamedTuple([vector, matrix, vector, vector], Factors), rule, key), plan.learners)
        if sphere:
            yield "scale back", blocks_cuda.make_scale_back(kind, P, M, plan), (arrays,), plan.threads
        for weighted in (False, True):
            yield ("weighted products" if weighted else "products",
                   blocks_cuda.make_products(plan.coordinates, 128, weighted),
                   (tiles, tiles, cube, types.Array(types.int32, 2, "C"), matrix), 128)
        sizes = chain_cuda.Sizes(K, M, P, M, P, batch, 4, sphere)
        state = types.NamedTuple([cube, matrix, cube, matrix, types.Array(whole, 2, "C"), matrix],
                                 chain_cuda.State)
        paths = types.NamedTuple([types.Array(real, d, "C") for d in (4, 3, 4, 3)], chain_cuda.Paths)
        frame = types.NamedTuple([matrix, vector, whole], chain_cuda.Frame)
        yield ("chain", chain_cuda.make_advance(sizes), (state, paths, frame, rule, control, whole, key),
               chain_cuda.THREADS)


# Bytes of the kernels that may keep a few numbers outside the registers
SPILLED = {"sweep": 64, "sweep, scaled": 64, "sweep, sign": 96, "sweep, uniform": 96, "chain": 4096}
SAME_ON_A_SPHERE = ("draw", "draw and add", "collect", "products", "weighted products")


@needs_compiler
@pytest.mark.parametrize("capability", [(8, 0), (9, 0)])
def test_every_kernel_compiles_to_machine_code(capability, monkeypatch, tmp_path, capsys):
    """PTX without a device, and, where ptxas is found, registers and spills, of which SGD has next to none."""
    import numba.cuda.dispatcher
    from numba import cuda

    class Device:
        compute_capability = capability

    monkeypatch.setattr(numba.cuda.dispatcher, "get_current_device", lambda: Device)
    ptxas = find_ptxas()
    lines = []
    for kind, keep, sphere in ((np.float32, True, False), (np.float64, False, False), (np.float64, False, True)):
        for name, function, types, bounds in kernels(2, 2, 2, kind, keep, sphere=sphere):
            if sphere and name in SAME_ON_A_SPHERE:
                continue
            ptx, _ = cuda.compile(function, types, device=False, abi="numba", cc=capability, launch_bounds=bounds)
            assert f".target sm_{capability[0]}{capability[1]}" in ptx
            if name == "sweep":
                assert "ld.shared.v4.f32" in ptx or "ld.shared.v2.f64" in ptx
                assert "sqrt.rn.f32" in ptx and "fma.rn.f32" in ptx and "approx" not in ptx
            assert "atom" not in ptx
            if ptxas is None:
                continue
            source = tmp_path / "kernel.ptx"
            source.write_text(ptx)
            told = subprocess.run([ptxas, f"-arch=sm_{capability[0]}{capability[1]}", "-v", "-o", os.devnull, source],
                                  capture_output=True, text=True)
            assert told.returncode == 0, told.stderr
            spilled = int(re.search(r"(\d+) bytes spill loads", told.stderr)[1])
            registers = int(re.search(r"Used (\d+) registers", told.stderr)[1])
            where = " on a sphere" if sphere else ""
            lines.append(f"sm_{capability[0]}{capability[1]} {name} {np.dtype(kind).name}{where}: {registers} "
                         f"registers, {spilled} bytes spilled")
            assert spilled <= SPILLED.get(name, 0), name
    with capsys.disabled():
        print("", *lines, sep="\n")


def find_ptxas():
    """The assembler, on the path or in the wheel that numba-cuda brings; None where there is none."""
    spec = importlib.util.find_spec("nvidia")
    places = [Path(place) / "cuda_nvcc" / "bin" for place in (spec.submodule_search_locations if spec else [])]
    return shutil.which("ptxas") or next((str(p / "ptxas") for p in places if (p / "ptxas").exists()), None)


@pytest.mark.skipif(not NO_DEVICE, reason="this machine has a device")
@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_no_device(engine, monkeypatch, capsys):
    problem, start = om.Problem(rates=om.LearningRates(xi_in=1.0)), om.initial.committee(20, K=2, seed=0)
    with pytest.raises(EngineError, match="^device cuda cannot be used: (no CUDA device was found|the package)"):
        om.simulate(problem, start, 1.0, engine, device="cuda")
    monkeypatch.setattr(device, "INSTALLED", False)
    with pytest.raises(EngineError, match=r"numba-cuda is not installed: pip install \"onlinemode\[cuda\]\""):
        om.simulate(problem, start, 1.0, engine, device="cuda")
    with pytest.raises(SystemExit) as exit_info:
        main(["simulate", "--N", "20", "--engine", engine, "--device", "cuda", "--alpha", "1"])
    told = capsys.readouterr().err.strip()
    assert exit_info.value.code == 2
    assert "\n" not in told and "numba-cuda is not installed" in told


def test_unknown_device():
    with pytest.raises(EngineError, match="device must be one of cpu, cuda, auto; got 'tpu'"):
        om.simulate(om.Problem(), om.initial.committee(20, K=2), 1.0, "chain", device="tpu")


@pytest.mark.parametrize("K, M, P", [(1, 1, 1), (4, 4, 4), (3, 5, 2), (30, 8, 30), (100, 100, 100)])
@pytest.mark.parametrize("batch", [1, 3, 64])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("sphere", [False, True])
def test_layouts(K, M, P, batch, kind, sphere):
    """What is chosen fits: shared memory, threads for all products, powers of two."""
    from onlinemode.kernels.cuda import plan as plan_cuda

    plan = plan_cuda.make_plan(kind, 10**6, P, M, batch, sphere=sphere, blocks=264)
    if plan is None:
        assert max(P, M) == 100 or batch == 64
        return
    assert batch <= plan.samples <= plan_cuda.MOST_SAMPLES
    assert plan.samples & (plan.samples - 1) == plan.coordinates & (plan.coordinates - 1) == 0
    size = np.dtype(kind).itemsize
    assert plan_cuda.sweep_bytes(size, P, M, plan.samples, plan.coordinates, sphere) <= plan_cuda.SHARED_BYTES
    assert sum(plan_cuda.squares_of(P, M, plan.samples, sphere)) <= plan.threads <= 1024
    assert plan_cuda.stride_of(P, M, plan.samples) // 4 % 2 == 1
    needed = plan_cuda.needed_bytes(kind, 10**6, P, M, plan)
    assert 10**6 <= plan_cuda.largest_N(kind, P, M, plan, needed) <= 10**6 + plan.coordinates
