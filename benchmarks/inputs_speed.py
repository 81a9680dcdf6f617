"""What does a step of micro cost with each kind of inputs, and what do two threads gain?

    python benchmarks/inputs_speed.py            # --quick: one thread, fewer rounds

erf, X trained, K = M = P = 4, N = 10,000, float64 weights; short runs in turns.  A step in one thread is CPU time, so
that other work on the machine does not count as waiting; it still shares caches and memory.  The ratio is the median of
those of the rounds.  "Gain" is the time of one thread over that of two, of rounds in which other processes were idle,
"-" without three of them.  The rows are 2,000 of random bytes, kept as uint8 and as float32, more than the caches hold.
"""

import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from common import machine, quiet_median_seconds

import onlinemode as om
from onlinemode import inputs as kinds
from onlinemode.engines.micro import together
from onlinemode.engines.micro.engine import samples_per_block
from onlinemode.kernels.micro import sgd
from onlinemode.kernels.random.philox import Key

N, K, ROWS = 10_000, 4, 2_000
STEPS, STEPS_OF_MANIFOLD = 1_000, 400


def all_kinds():
    """Inputs by their names in the table."""
    data = np.random.default_rng(1).integers(0, 256, (ROWS, N), np.uint8)
    return {"Gaussian": kinds.Gaussian(), "Rademacher": kinds.Rademacher(), "uniform": kinds.Uniform(),
            "power law": kinds.PowerLaw(1.0), "rows, float32": kinds.Rows(data.astype(np.float32)),
            "rows, uint8": kinds.Rows(data), "manifold, D = 100, erf": kinds.HiddenManifold(100),
            "manifold, D = 100, sign": kinds.HiddenManifold(100, "sign"),
            "the same, latent teacher": kinds.HiddenManifold(100, "sign", teacher="latent")}


def steps_of(inputs):
    """Number of steps, and a function that makes them in so many threads."""
    start = om.initial.committee(N, K=K, seed=1, student_size=0.7, teacher_columns=inputs.teacher_columns(N))
    problem = om.Problem(rates=om.LearningRates(xi_in=0.3), inputs=inputs)
    source = None if inputs == kinds.Gaussian() else inputs.source(N)
    networks = sgd.Networks(sgd.to_tiles(start.xi_in, np.float64), sgd.to_tiles(start.teacher, np.float64),
                            start.factors())
    swept = networks.xi_in.nbytes + networks.teacher.nbytes + (0 if source is None else source.projection.nbytes)
    steps = STEPS_OF_MANIFOLD if inputs.kind == "manifold" else STEPS
    stretch, key = sgd.Stretch(0, steps, samples_per_block(swept)), Key(np.uint64(1), 0)

    def run(threads):
        arguments = networks, problem.rule(N), stretch, key, source, None, None, inputs.teacher_source(N)
        if threads == 1:
            sgd.advance(*arguments)
        else:
            with ThreadPoolExecutor(1) as helpers:
                together.advance(helpers, threads, *arguments)

    return steps, run


def microseconds_a_step(steps, run):
    """CPU time in one thread."""
    began = time.thread_time()
    run(1)
    return 1e6 * (time.thread_time() - began) / steps


def main(quick):
    print(f"{machine()}, load {os.getloadavg()[0]:.1f}")
    runs = {name: steps_of(inputs) for name, inputs in all_kinds().items()}
    for _, run in runs.values():
        run(1), run(2)  # compiles
    rounds = [{name: microseconds_a_step(*each) for name, each in runs.items()} for _ in range(9 if quick else 41)]
    print(f"{'inputs':>24} {'µs a step':>10} {'least':>6} {'of Gaussian':>12} {'gain':>6}")
    for name, (_, run) in runs.items():
        steps = [each[name] for each in rounds]
        ratio = statistics.median(each[name] / each["Gaussian"] for each in rounds)
        pair = None if quick else quiet_median_seconds({threads: partial(run, threads) for threads in (1, 2)}, 9)
        gain = f"{pair[1] / pair[2]:6.2f}" if pair else f"{'-':>6}"
        print(f"{name:>24} {statistics.median(steps):10.1f} {min(steps):6.1f} {ratio:12.2f} {gain}", flush=True)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
