"""The normals of the input stream on 2^30 draws: moments, law, tails, correlations, each as a z-score or p-value.

    python benchmarks/normals_quality.py

The reference is the law of section 4.2 of docs/theory: Box-Muller on 24-bit uniforms, not the normal
law.  Of the 33 z-scores of perfect normals one beyond 3 is seen in 8 % of the runs, one beyond 4 in 0.2 %.
About a minute.
"""

import math

import numpy as np
from common import machine
from numba import njit
from scipy import special, stats

from onlinemode.kernels.random.normals import fill_normals
from onlinemode.kernels.random.philox import STREAM_INPUT

LENGTH = 2**20  # coordinates of a sample
SAMPLES = 2**10
UNIFORMS = 2**24
MOMENTS = 8
BINS_A_UNIT = 256
REACH = 6  # beyond the largest normal, 5.77
TAILS = (3.0, 4.0, 4.5, 5.0, 5.5)
LAGS = (1, 2, 3, 4, 5, 8, 1024)


@njit(fastmath={"reassoc", "contract"})
def power_sums(x):
    s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = 0.0
    for i in range(x.size):
        a = np.float64(x[i])
        b = a * a
        c = b * b
        s1 += a
        s2 += b
        s3 += a * b
        s4 += c
        s5 += a * c
        s6 += b * c
        s7 += a * b * c
        s8 += c * c
    return np.array([s1, s2, s3, s4, s5, s6, s7, s8])


@njit
def count(x, bins):
    for i in range(x.size):
        bins[int((np.float64(x[i]) + REACH) * BINS_A_UNIT)] += 1


@njit(fastmath={"reassoc", "contract"})
def products(x, y):
    """Σ x y and Σ (x² - 1)(y² - 1)."""
    first = second = 0.0
    for i in range(x.size):
        a, b = np.float64(x[i]), np.float64(y[i])
        first += a * b
        second += (a * a - 1.0) * (b * b - 1.0)
    return np.array([first, second])


class Stream:
    """Samples of one seed and replica, one after the other."""

    def __init__(self, seed, replica):
        self.seed, self.replica = np.uint64(seed), replica
        self._words = np.empty((4, LENGTH // 4), np.uint32)

    def __getitem__(self, sample):
        out = np.empty(LENGTH, np.float32)
        fill_normals(out, 0, STREAM_INPUT, self.replica, sample, self.seed, self._words)
        return out


def exact_moments():
    """E x^k for k = 0 to 16 of the 24-bit law: E ρ^k of the grid times E cos^k of the full circle."""
    radius_squared = -2.0 * np.log(np.arange(1, UNIFORMS + 1) / UNIFORMS)
    moments = np.zeros(2 * MOMENTS + 1)
    for k in range(0, 2 * MOMENTS + 1, 2):
        moments[k] = np.mean(radius_squared ** (k // 2)) * special.binom(k, k // 2) / 2.0**k
    return moments


def upper_tail(t):
    """P(x > t), t >= 0: (1/D) Σ arccos(t/ρ_k)/π over the uniforms k/D whose radius is beyond t."""
    if t < 2.0:  # the sum against its integral: Euler-Maclaurin
        return special.ndtr(-t) - 0.25 / UNIFORMS
    k = np.arange(1, math.floor(UNIFORMS * math.exp(-0.5 * t * t)) + 1)
    return float(np.sum(np.arccos(np.minimum(1.0, t / np.sqrt(-2.0 * np.log(k / UNIFORMS)))))) / (math.pi * UNIFORMS)


def main():
    print(machine())
    draws = LENGTH * SAMPLES
    stream, replica, seed = Stream(1, 0), Stream(1, 1), Stream(2, 0)
    powers, bins = np.zeros(MOMENTS), np.zeros(2 * REACH * BINS_A_UNIT, np.int64)
    pairs = {f"coordinates {lag} apart": np.zeros(2) for lag in LAGS}
    pairs |= {"next step": np.zeros(2), "next replica": np.zeros(2), "next seed": np.zeros(2)}
    x = stream[0]
    for sample in range(SAMPLES):
        after = stream[sample + 1]
        powers += power_sums(x)
        count(x, bins)
        for lag in LAGS:
            pairs[f"coordinates {lag} apart"] += products(x[:-lag], x[lag:])
        for name, other in (("next step", after), ("next replica", replica[sample]), ("next seed", seed[sample])):
            pairs[name] += products(x, other)
        x = after

    print(f"{draws:,} draws\n\nmoment      mean of x^k    24-bit law      z")
    exact = exact_moments()
    for k in range(1, MOMENTS + 1):
        z = (powers[k - 1] / draws - exact[k]) / math.sqrt((exact[2 * k] - exact[k] ** 2) / draws)
        print(f"{k:6d} {powers[k - 1] / draws:16.8f} {exact[k]:13.7f} {z:6.2f}")

    edges = np.arange(1, bins.size) / BINS_A_UNIT - REACH
    law = np.array([upper_tail(-t) if t < 0 else 1.0 - upper_tail(t) for t in edges])
    distance = np.abs(np.cumsum(bins)[:-1] / draws - law).max()
    print(f"\nKolmogorov-Smirnov on {edges.size} edges: distance {distance:.2e}, "
          f"p = {stats.kstwobign.sf(distance * math.sqrt(draws)):.2f}")

    print("\n|x| beyond     count   24-bit law   normal law      z")
    for t in TAILS:
        inside = round((REACH - t) * BINS_A_UNIT)
        found, expected = bins[:inside].sum() + bins[-inside:].sum(), 2.0 * upper_tail(t) * draws
        print(f"{t:10g} {found:9d} {expected:12.1f} {2.0 * special.ndtr(-t) * draws:12.1f} "
              f"{(found - expected) / math.sqrt(expected):6.2f}")

    print("\ncorrelation of               x, z    x², z")
    for name, (first, second) in pairs.items():
        print(f"{name:22s} {first / math.sqrt(draws):10.2f} {second / (2.0 * math.sqrt(draws)):8.2f}")


if __name__ == "__main__":
    main()
