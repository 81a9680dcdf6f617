"""Normals alone on a CUDA device: their bits, and how fast they come.  Used by tests and the benchmark."""

from functools import cache

import numpy as np
from numba import cuda

from onlinemode.kernels.cuda.blocks import four_normals
from onlinemode.kernels.cuda.device import SIMULATED, kernel, launched, processors

THREADS = 4 if SIMULATED else 256
BLOCKS_A_PROCESSOR = 1 if SIMULATED else 6  # that have room at the same time with 37 registers a thread


def _draw(out, replica, sample, seed):
    i = cuda.grid(1)
    if i < out.size // 4:
        out[4 * i], out[4 * i + 1], out[4 * i + 2], out[4 * i + 3] = four_normals(i, replica, sample, seed)


def _sum(out, counters, samples, seed):
    thread = cuda.grid(1)
    total = np.float32(0)
    for sample in range(samples):
        for i in range(thread, counters, out.size):
            a, b, c, d = four_normals(i, 0, sample, seed)
            total += (a + b) + (c + d)
    out[thread] = total


@cache
def _kernels():
    return kernel(_draw, THREADS), kernel(_sum, THREADS)


def draw(count, replica, sample, seed):
    """The first normals of one input, as ``fill_normals`` gives them; ``count`` is a multiple of four."""
    out = cuda.device_array(count, np.float32)
    launched(_kernels()[0], -(-count // (4 * THREADS)), THREADS)(out, replica, sample, np.uint64(seed))
    return out.copy_to_host()


def draw_and_add(N, samples, seed):
    """Draw so many inputs and write none of them; waits for the device."""
    blocks = BLOCKS_A_PROCESSOR * processors()
    out = cuda.device_array(blocks * THREADS, np.float32)
    launched(_kernels()[1], blocks, THREADS)(out, N // 4, samples, np.uint64(seed))
    return out.copy_to_host()
