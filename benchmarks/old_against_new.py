"""Is any engine slower than in another version of onlinemode?

    python benchmarks/old_against_new.py OLD_PYTHON [PROCESSES [PART_OF_A_NAME]]

OLD_PYTHON is the interpreter of a virtual environment that holds the older version.  Both versions run in
processes of their own, in turns: old, new, new, old.  A case's ratio is the median over all turns of new over old,
so that a machine whose speed drifts does not choose the winner.  The last column is the range of that median over
the pairs of processes: where arrays and machine code happen to lie in memory differs from process to process, and
changes the time of the same code by some per cent.
"""

import itertools
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

import onlinemode as om
from onlinemode.theory.meanfield import MeanFieldDrift

try:
    from onlinemode.engines.chain import engine as chain
except ImportError:  # an older version
    from onlinemode.engines import chain

PROCESSES = 6
TURNS = 3  # in each pair of processes
THREADS = {"OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


def cases():
    """Name to a callable that lasts some tenths of a second."""
    problem = om.Problem(rates=om.LearningRates(xi_in=1.5))
    everything = om.Problem(noise=0.1, rates=om.LearningRates(xi_in=0.5, strengths=0.5, xi_out=0.5))
    tasks = {}
    for N, steps in ((1_000, 200_000), (10_000, 20_000), (100_000, 1_500)):
        start = om.initial.committee(N, K=4)
        for precision, threads in itertools.product(("float64", "float32"), (1, 2)):
            options = {"N": N, "threads": threads, "precision": precision, "save_at": 2}
            tasks[f"micro {precision}, N = {N:,}" + ", 2 threads" * (threads == 2)] = (
                lambda alpha=steps / N, start=start, options=options: om.simulate(problem, start, alpha, **options))
    start = om.initial.paper(1_000, K=4)
    tasks["micro, all sets trained, N = 1,000"] = lambda start=start: (
        om.simulate(everything, start, 60.0, "micro", threads=1, save_at=2))
    for K in (4, 8):
        start = om.initial.committee(1_000_000, K=K, weights=False)
        for worth, kernel in ((0, "its own kernel"), (float("inf"), "all sizes")):
            def steps(start=start, worth=worth):
                chain.STEPS_WORTH_COMPILING = worth
                om.simulate(problem, start, 0.5, "chain", N=1_000_000, threads=1, save_at=2)

            tasks[f"chain, K = {K}, {kernel}"] = steps
    for K, P in ((4, 4), (8, 3)):
        overlaps = om.initial.paper(1_000, K=K, P=P).order_parameters()
        drift = MeanFieldDrift(problem, overlaps)

        def drifts(drift=drift, y=drift.full[drift.active]):
            for _ in range(10_000):
                drift(y)

        tasks[f"drift, K = {K}, P = {P}"] = drifts
    overlaps = om.initial.committee(1_000, K=4).order_parameters()
    times = np.concatenate(([0.0], np.geomspace(0.01, 1000.0, 100)))
    noisy = om.Problem(noise=0.01, rates=om.LearningRates(xi_in=5.0))  # never converged, so that both do the same
    for method in ("LSODA", "DOP853"):
        tasks[f"ode {method}, K = 4, α = 1000"] = lambda method=method: (
            om.simulate(noisy, overlaps, 1000.0, "ode", save_at=times, method=method))

    def short():
        for _ in range(10):
            om.simulate(problem, overlaps, 10.0, "ode", save_at=20)

    tasks["ode, ten short runs"] = short
    return tasks


def serve():
    """Time the cases that come in on standard input, a name a line; answer in seconds."""
    tasks = cases()
    for line in sys.stdin:
        task = tasks[json.loads(line)]
        began = time.perf_counter()
        task()
        print(time.perf_counter() - began, flush=True)


class Version:
    """An installed version of onlinemode, in a process that waits for cases."""

    def __init__(self, python):
        self.process = subprocess.Popen([python, os.path.abspath(__file__), "--serve"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **THREADS})

    def seconds(self, name):
        print(json.dumps(name), file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def main(old_python, processes=PROCESSES, part=""):
    from common import machine  # not in an older version

    print(machine())
    measured = {name: [] for name in cases() if part in name}  # one list a pair of processes
    for _ in range(int(processes)):
        old, new = versions = Version(old_python), Version(sys.executable)
        for name, processes_pairs in measured.items():
            for version in versions:
                version.seconds(name)  # compiles, and warms up
            pairs = []
            for _ in range(TURNS):
                pairs.append([version.seconds(name) for version in (old, new)])
                pairs.append([version.seconds(name) for version in (new, old)][::-1])
            processes_pairs.append(pairs)
        for version in versions:
            version.end()
    print(f"{'case':>36} {'old, s':>8} {'new, s':>8} {'new / old':>10}   over {processes} pairs of processes")
    for name, processes_pairs in measured.items():
        before, after = (statistics.median(seconds) for seconds in zip(*sum(processes_pairs, []), strict=True))
        ratio = statistics.median(_ratios(sum(processes_pairs, [])))
        each = [statistics.median(_ratios(pairs)) for pairs in processes_pairs]
        print(f"{name:>36} {before:8.3f} {after:8.3f} {ratio:10.3f}   {min(each):.3f} to {max(each):.3f}")


def _ratios(pairs):
    return [after / before for before, after in pairs]


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    elif len(sys.argv) < 2:
        sys.exit(__doc__)
    else:
        main(*sys.argv[1:])
