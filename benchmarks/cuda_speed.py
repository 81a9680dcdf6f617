"""How fast are SGD and the chain on a CUDA device, and are they right there?

    python benchmarks/cuda_speed.py [--only agreement,normals,micro,launches,layouts,chain] [--out cuda_speed.json]

erf, X trained, K = M = P = 4.  First the agreement: bits of the normals, trajectories against the CPU's.
"normals" is the time that drawing the inputs takes at least on this device, measured alone; "share" is
that over the time of a step.  PyTorch, where it is installed, runs the same steps one by one on the same
device.  The CPU's times are of this machine.
"""

import argparse
import importlib.util
import json
import time
from functools import partial
from importlib.metadata import version

import numpy as np
from common import machine
from numba import cuda

import onlinemode as om
from onlinemode.kernels.cuda import device
from onlinemode.kernels.cuda import limits as limits_cuda
from onlinemode.kernels.cuda import micro as micro_cuda
from onlinemode.kernels.cuda import plan as plan_cuda
from onlinemode.kernels.cuda.graph import record
from onlinemode.kernels.micro import sgd
from onlinemode.kernels.random.normals import fill_normals
from onlinemode.kernels.random.philox import Key
from onlinemode.kernels.rule.step import Factors

SIZES = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
LARGEST_ON_CPU = 1_000_000
SIZES_OF_LAUNCHES = (100_000, 1_000_000)
K = 4
PROBLEM = om.Problem(rates=om.LearningRates(xi_in=0.5))
KEY = Key(np.uint64(1), 0)
SECONDS = 0.5  # about, of a timed run
ROUNDS = 3


def factors():
    return Factors(np.ones(K), np.eye(K), np.full(K, 1.0 / K), np.full(K, 1.0 / K))


def weights(N):
    """Modes and teacher vectors, float32 to keep the largest small."""
    generator = np.random.default_rng(0)
    return generator.standard_normal((2, K, N), dtype=np.float32)


def on_device(N, kind, vectors, **layout):
    """A run on the device and its layout; None where it does not fit."""
    plan = plan_cuda.make_plan(kind, N, K, K, 1, **layout)
    if plan is None or plan_cuda.needed_bytes(kind, N, K, K, plan) > 0.9 * device.free_bytes():
        return None
    xi_in, teacher = (micro_cuda.to_device(rows, kind, plan) for rows in vectors)
    return micro_cuda.make_state(xi_in, teacher, factors(), plan), plan


def advance(state, plan, N, steps, first=0):
    made = micro_cuda.advance(state, plan, PROBLEM.rule(N), first, steps, KEY)
    if made != steps:
        raise SystemExit(f"N = {N:,}: the run diverged after {made} of {steps} steps, its time means nothing")
    return made


def launcher_of(state, plan, N):
    """What :func:`advance` launches the kernels with."""
    return micro_cuda.launcher(state, plan, PROBLEM.rule(N), KEY)


def seconds_each(run, block=1):
    """Median seconds of one of the steps that ``run(steps)`` makes, and how many it was timed with."""
    run(2 * block)  # compiles
    steps = 16 * block
    while True:
        began = time.perf_counter()
        run(steps)
        taken = time.perf_counter() - began
        if taken > 0.2 * SECONDS:
            break
        steps *= 4
    steps = max(block, int(steps * SECONDS / taken) // block * block)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        run(steps)
        times.append((time.perf_counter() - began) / steps)
    return float(np.median(times)), steps


def agreement():
    """Bits of the normals; relative differences of G after 1,003 steps, odd N; modes with and without CUDA graphs."""
    count = 2**22
    drawn, words = np.empty(count, np.float32), np.empty((4, count // 4), np.uint32)
    equal = True
    for sample, seed in ((0, 0), (2**40 + 7, 2**63 + 11)):
        fill_normals(drawn, 0, 0, 3, sample, np.uint64(seed), words)
        equal &= bool(np.array_equal(limits_cuda.draw(count, 3, sample, seed), drawn))
    found = {"normals equal to the bit": equal}
    for N in (1_001, 100_003):
        start = om.initial.committee(N, K=K, seed=1)
        problem = om.Problem(noise=0.1, weight_decay=0.1,
                             rates=om.LearningRates(xi_in=1.0, strengths=0.2, xi_out=0.2, readout=0.1))
        runs = {(precision, where): om.simulate(problem, start, 1003 / N, precision=precision, device=where, save_at=2)
                for precision in ("float64", "float32") for where in ("cpu", "cuda")}
        for precision in ("float64", "float32"):
            one, other = (runs[precision, where].G[0, -1] for where in ("cpu", "cuda"))
            found[f"N = {N}, {precision}: cuda against cpu"] = float(np.abs(one - other).max() / np.abs(one).max())
        one, other = (runs[precision, "cpu"].G[0, -1] for precision in ("float64", "float32"))
        found[f"N = {N}, cpu: float32 against float64"] = float(np.abs(one - other).max() / np.abs(one).max())
    N, modes = 100_003, []
    for graphs in (True, False):
        state, plan = on_device(N, np.float32, weights(N))
        launcher = launcher_of(state, plan, N)
        if not graphs:
            launcher.forget_graphs()
        advance(state, plan, N, 100 * plan.samples + 3)
        modes.append(micro_cuda.to_host(state.xi_in, N))
        if graphs:
            found["graphs are recorded"] = launcher.has_graph
    found["modes equal to the bit with graphs and without"] = bool(np.array_equal(*modes))
    for name, value in found.items():
        print(f"  {name}: {value}")
    return found


def normals():
    """Seconds to draw 10^6 normals, writing none; in turns so long that the last, unequal one does not count."""
    each, _ = seconds_each(lambda samples: limits_cuda.draw_and_add(10**8, samples, 1))
    print(f"  10^6 normals: {each * 1e4:.3f} µs")
    return {"seconds of 10^6": each / 100.0}


def micro(drawing, save):
    """A step at several N, in both precisions, with inputs kept and drawn again; and the parts of a block."""
    rows = []
    print(f"  {'N':>11} {'precision':>9} {'inputs':>8} {'µs a step':>10} {'normals':>8} {'share':>6} {'CPU, µs':>9} "
          f"{'ratio':>6} {'PyTorch':>8} {'ratio':>6}   sweep, collect, learn: µs a block of samples")
    for N in SIZES:
        vectors = weights(N)
        for kind in (np.float32, np.float64):
            cpu = cpu_seconds(N, kind, vectors) if N <= LARGEST_ON_CPU else float("nan")
            torch = torch_seconds(N, kind, vectors)
            give_back_torch()
            for keep in (True, False):
                made = on_device(N, kind, vectors, keep=keep)
                if made is None:
                    continue
                state, plan = made
                each, steps = seconds_each(lambda steps, state=state, plan=plan, N=N: advance(state, plan, N, steps),
                                           plan.samples)
                row = {"N": N, "precision": np.dtype(kind).name, "inputs": "kept" if keep else "again",
                       "seconds": each, "steps": steps, "normals": drawing * N / 1e6, "cpu": cpu, "torch": torch,
                       "launch": plan._asdict(), "parts": parts(state, plan, N)}
                rows.append(row)
                print(f"  {N:11,} {row['precision']:>9} {row['inputs']:>8} {each * 1e6:10.3f} "
                      f"{row['normals'] * 1e6:8.3f} {row['normals'] / each:6.0%} {cpu * 1e6:9.1f} {cpu / each:6.0f} "
                      f"{torch * 1e6:8.1f} {torch / each:6.1f}   "
                      + ", ".join(f"{seconds * 1e6:.1f}" for seconds in row["parts"]) + f" of {plan.samples}",
                      flush=True)
                del state, made
                save(rows)
    return rows


def parts(state, plan, N, times=20):
    """Seconds of each of the three kernels of a block, launched as a graph, so that the host takes no part."""
    control = np.zeros(6, np.int64)
    control[1] = 10**9  # steps wanted
    state.control.copy_to_device(control)
    launcher = launcher_of(state, plan, N)
    arguments = launcher.of_sweep, launcher.of_collect, launcher.of_learn
    found = []
    launcher.blocks(2)  # to have a block to learn from
    for number, given in enumerate(arguments):
        def launches(stream, number=number, given=given):
            for _ in range(times):
                launcher.kernels(stream)[number](*given)

        graph = record(launches)
        run = graph.launch if graph else lambda launches=launches: launches(0)
        begin, end = cuda.event(), cuda.event()
        run()
        begin.record()
        run()
        end.record()
        end.synchronize()
        found.append(cuda.event_elapsed_time(begin, end) * 1e-3 / times)
    return found


def launches():
    """A step with launches one by one and as graphs, float32."""
    rows = []
    for N in SIZES_OF_LAUNCHES:
        vectors = weights(N)
        for graphs in (True, False):
            state, plan = on_device(N, np.float32, vectors)
            launcher = launcher_of(state, plan, N)
            if not graphs:
                launcher.forget_graphs()
            advance(state, plan, N, 3 * micro_cuda.BLOCKS_A_GRAPH * plan.samples)  # records
            each, _ = seconds_each(lambda steps, state=state, plan=plan, N=N: advance(state, plan, N, steps),
                                   plan.samples * micro_cuda.BLOCKS_A_GRAPH)
            rows.append({"N": N, "graphs": launcher.has_graph, "seconds": each})
            print(f"  N = {N:9,}, {'graphs' if launcher.has_graph else 'one by one'}: {each * 1e6:.3f} µs a step")
    return rows


def layouts():
    """A step with other numbers of samples, coordinates and threads, N = 10^6, float32: what to choose."""
    rows, N = [], 1_000_000
    vectors = weights(N)
    for samples in (8, 16, 32, 64):
        for coordinates in (64, 128):
            for threads in (128, 256, 512):
                for blocks_each in (1, 2, 3, 4):
                    layout = {"samples": samples, "coordinates": coordinates, "threads": threads,
                              "blocks": blocks_each * device.processors()}
                    made = on_device(N, np.float32, vectors, **layout)
                    if made is None:
                        continue
                    try:
                        each, _ = seconds_each(lambda steps, made=made: advance(*made, N, steps), samples)
                    except Exception as problem:  # a layout that this device cannot launch
                        print(f"  {layout}: {problem!s:.80}")
                        continue
                    rows.append({**layout, "seconds": each})
    rows.sort(key=lambda row: row["seconds"])
    for row in rows[:12] + rows[-2:]:
        print(f"  {row['seconds'] * 1e6:8.3f} µs a step: {row}")
    return rows


def cpu_seconds(N, kind, vectors):
    """A step of micro on one core of this machine."""
    networks = sgd.Networks(*(sgd.to_tiles(rows, kind) for rows in vectors), factors())
    run = lambda steps: sgd.advance(networks, PROBLEM.rule(N), sgd.Stretch(0, steps, 8), KEY)  # noqa: E731
    return seconds_each(run)[0]


def torch_seconds(N, kind, vectors):
    """A step in plain PyTorch on the device; NaN without it."""
    if importlib.util.find_spec("torch") is None:
        return float("nan")
    import torch

    where, real = torch.device("cuda"), torch.float32 if kind is np.float32 else torch.float64
    X, B = (torch.tensor(rows, dtype=real, device=where) for rows in vectors)
    v = torch.full((K,), 1.0 / K, dtype=real, device=where)
    root = N**0.5

    def run(steps):
        with torch.no_grad():
            for _ in range(steps):
                x = torch.randn(N, dtype=real, device=where)
                field = X @ x / root
                error = v @ torch.erf(field / 2**0.5) - v @ torch.erf(B @ x / (root * 2**0.5))
                delta = error * v * (2.0 / np.pi) ** 0.5 * torch.exp(-0.5 * field**2)
                X.addr_(delta, x, alpha=-PROBLEM.rates.xi_in / root)
        torch.cuda.synchronize()

    try:
        return seconds_each(run)[0]
    except torch.cuda.OutOfMemoryError:
        return float("nan")


def give_back_torch():
    """PyTorch keeps the memory of its arrays for itself; the next run may need it."""
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.cuda.empty_cache()


def chain():
    """Steps of all replicas a second: on the device, in its launches alone and in all, and on all cores of this CPU."""
    problem, rows = om.Problem(rates=om.LearningRates(xi_in=1.5)), []
    N = 10_000
    overlaps = om.initial.committee(N, K=K, weights=False)

    def rate(where, replicas, steps):
        run = om.simulate(problem, overlaps, steps / N, "chain", N=N, replicas=replicas, save_at=2, device=where)
        seconds = run.meta["seconds_run"]
        return sum(run.meta["steps"]) / np.array([run.meta.get("seconds_device", seconds), seconds])

    rate("cpu", 20, 10_000)
    on_cpu = max(rate("cpu", 200, 50_000)[0] for _ in range(ROUNDS))
    for replicas in (1_000, 10_000, 100_000, 300_000):
        rate("cuda", replicas, 100)
        launches, whole = np.max([rate("cuda", replicas, 2_000) for _ in range(ROUNDS)], axis=0)
        rows.append({"replicas": replicas, "launches": launches, "whole": whole, "cpu": on_cpu})
        print(f"  {replicas:8,} replicas: {launches:.3g} steps/s in the launches, {whole:.3g} with what NumPy does "
              f"before and after, on the CPU {on_cpu:.3g}: ratios {launches / on_cpu:.1f} and {whole / on_cpu:.1f}",
              flush=True)
    return rows


def main():
    parts_of_it = ("agreement", "normals", "micro", "launches", "layouts", "chain")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(parts_of_it))
    parser.add_argument("--out", default="cuda_speed.json")
    given = parser.parse_args()
    reason = device.missing()
    if reason is not None:
        raise SystemExit(f"no benchmark of a device: {reason}")
    driver = cuda.cudadrv.driver.driver.get_version()
    entries = {"machine": machine(), "device": device.name(), "processors": device.processors(),
              "free GiB": device.free_bytes() / 2**30, "CUDA of the driver": ".".join(map(str, driver)),
              "date": time.strftime("%Y-%m-%d"), "numba-cuda": version("numba-cuda"),
              "torch": version("torch") if importlib.util.find_spec("torch") else None}
    print(entries)
    drawing = float("nan")

    def save(part, found):
        entries[part] = found
        with open(given.out, "w") as file:
            json.dump(entries, file, indent=2)

    for part in given.only.split(","):
        print(part, flush=True)
        if part == "micro":
            save(part, micro(drawing, partial(save, part)))
        else:
            save(part, {"agreement": agreement, "normals": normals, "launches": launches, "layouts": layouts,
                        "chain": chain}[part]())
        if part == "normals":
            drawing = entries[part]["seconds of 10^6"]


if __name__ == "__main__":
    main()
