"""How fast is a step of micro, against a plain Numba loop and a plain NumPy loop?

    python benchmarks/micro_speed.py

One core, K = M = P = 4, erf, X trained.  All three do the same learning; before they are timed, the
kernel is checked against the NumPy loop on the same inputs (largest relative difference of the
overlaps), and the two loops against it in law is the business of the tests.
"""

import math

import numpy as np
from common import machine, median_seconds
from numba import njit
from scipy.special import erf

from onlinemode.kernels import micro_cpu
from onlinemode.kernels.normals import fill_normals
from onlinemode.kernels.philox import STREAM_INPUT
from onlinemode.kernels.rule import Factors, Rates

K = 4
ETA = 0.5
SIZES = (1_000, 10_000, 100_000)
COORDINATES = 3e7  # steps times N of one timed run of the fast engines


def start(N):
    generator = np.random.default_rng(0)
    xi_in = 0.3 * generator.standard_normal((K, N))
    teacher = generator.standard_normal((K, N))
    factors = Factors(np.linspace(2.0, 1.0, K), np.eye(K) + 0.05 * generator.standard_normal((K, K)),
                      np.full(K, 1.0 / K), np.full(K, 1.0 / K))
    return xi_in, teacher, factors


@njit(fastmath=True)
def numba_loop(X, B, A, s, v, v_star, steps, generator):
    """The strongest plain baseline: one compiled loop, vectorised sums, a NumPy Generator inside."""
    P, N = X.shape
    M = B.shape[0]
    root = math.sqrt(N)
    u, nu = np.empty(P), np.empty(M)
    for _ in range(steps):
        x = generator.standard_normal(N)
        for p in range(P):
            total = 0.0
            for i in range(N):
                total += X[p, i] * x[i]
            u[p] = total / root
        for m in range(M):
            total = 0.0
            for i in range(N):
                total += B[m, i] * x[i]
            nu[m] = total / root
        field = A @ (s * u)
        error = 0.0
        for k in range(field.size):
            error += v[k] * math.erf(field[k] / math.sqrt(2.0))
        for m in range(M):
            error -= v_star[m] * math.erf(nu[m] / math.sqrt(2.0))
        delta = error * v * math.sqrt(2.0 / math.pi) * np.exp(-0.5 * field**2)
        c = -ETA / root * s * (A.T @ delta)
        for p in range(P):
            for i in range(N):
                X[p, i] += c[p] * x[i]


def numpy_loop(X, B, A, s, v, v_star, inputs):
    """The ten lines that a physicist writes first; ``inputs`` yields input vectors."""
    N = X.shape[1]
    for x in inputs:
        field = A @ (s * (X @ x)) / np.sqrt(N)
        error = v @ erf(field / np.sqrt(2.0)) - v_star @ erf(B @ x / np.sqrt(2.0 * N))
        delta = error * v * np.sqrt(2.0 / np.pi) * np.exp(-0.5 * field**2)
        X -= np.outer(ETA / np.sqrt(N) * s * (A.T @ delta), x)


def philox_inputs(N, steps):
    """The inputs of replica 0 and seed 0, one by one."""
    length = -(-N // 4) * 4
    buffer, words = np.empty(length, np.float32), np.empty((4, length // 4), np.uint32)
    for step in range(steps):
        fill_normals(buffer, 0, STREAM_INPUT, 0, step, 0, words)
        yield buffer[:N].astype(float)


def kernel_run(N, steps, kind):
    xi_in, teacher, factors = start(N)
    tiles = micro_cpu.to_tiles(xi_in, kind)
    micro_cpu.advance(tiles, micro_cpu.to_tiles(teacher, kind), factors, Rates(ETA, 0.0, 0.0, 0.0), 0.0, 0.0, 0, N,
                      1, 4, 0, steps, 0, 0)
    return micro_cpu.vector_overlaps(tiles, tiles, N)


def check(N, kind):
    """Largest relative difference of the overlaps G after 100 steps, kernel against NumPy loop."""
    xi_in, teacher, factors = start(N)
    numpy_loop(xi_in, teacher, factors.xi_out, factors.strengths, factors.readout, factors.teacher_readout,
               philox_inputs(N, 100))
    reference = xi_in @ xi_in.T / N
    return np.abs(kernel_run(N, 100, kind) - reference).max() / np.abs(reference).max()


def main():
    print(machine())
    generator = np.random.default_rng(1)
    small = start(8)
    numba_loop(*small[:2], small[2].xi_out, small[2].strengths, small[2].readout, small[2].teacher_readout, 1,
               generator)
    print(f"{'N':>8} {'engine':>16} {'µs a step':>10} {'ns a coordinate':>16} {'ratio to Numba loop':>20} "
          f"{'difference':>11}")
    for N in SIZES:
        differences = {"micro float64": check(N, "float64"), "micro float32": check(N, "float32")}
        steps = max(40, int(COORDINATES / N))
        few = max(10, steps // 10)
        xi_in, teacher, factors = start(N)
        arrays = (xi_in, teacher, factors.xi_out, factors.strengths, factors.readout, factors.teacher_readout)
        tiles = {kind: (micro_cpu.to_tiles(xi_in, kind), micro_cpu.to_tiles(teacher, kind))
                 for kind in ("float64", "float32")}

        def advance(kind, tiles=tiles, factors=factors, N=N, steps=steps):
            micro_cpu.advance(*tiles[kind], factors, Rates(ETA, 0.0, 0.0, 0.0), 0.0, 0.0, 0, N, 1, 4, 0, steps, 0, 0)

        tasks = {
            "NumPy loop": (lambda a=arrays, N=N, few=few: numpy_loop(
                a[0].copy(), *a[1:], (generator.standard_normal(N) for _ in range(few))), few),
            "Numba loop": (lambda a=arrays, n=steps // 2: numba_loop(a[0].copy(), *a[1:], n, generator), steps // 2),
            "micro float64": (lambda: advance("float64"), steps),
            "micro float32": (lambda: advance("float32"), steps),
        }
        seconds = median_seconds({name: task for name, (task, _) in tasks.items()})
        per_step = {name: seconds[name] / count for name, (_, count) in tasks.items()}
        for name, value in per_step.items():
            difference = f"{differences[name]:11.1e}" if name in differences else f"{'-':>11}"
            print(f"{N:8,} {name:>16} {value * 1e6:10.1f} {value / N * 1e9:16.2f} "
                  f"{per_step['Numba loop'] / value:20.2f} {difference}")


if __name__ == "__main__":
    main()
