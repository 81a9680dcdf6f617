"""What one core can do at most: multiply-adds, bytes moved, normals drawn.  Used by the benchmark alone."""

import llvmlite.binding
import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.random.normals import fill_normals
from onlinemode.kernels.random.philox import STREAM_INPUT

MULTIPLY_ADDS = 16  # for each value that is loaded


@compiled(fastmath=True)
def multiply_adds(values, rounds):
    """rounds · values.size · MULTIPLY_ADDS multiply-adds; ``values`` should fit into the first-level cache."""
    kind = values.dtype.type
    for _ in range(rounds):
        for i in range(values.size):
            x = values[i]
            total = kind(0)
            for _ in range(MULTIPLY_ADDS):
                total = total * x + x
            values[i] = kind(0.25) * total + kind(0.2)


@compiled(fastmath=True)
def move(read, changed, rounds):
    """Read two arrays and write one of them, as an update of weights does."""
    kind = read.dtype.type
    for r in range(rounds):
        factor = kind(1.0 / (r + 2.0))
        for i in range(read.size):
            changed[i] = changed[i] * factor + read[i]


@compiled
def draw(buffer, words, rounds):
    """rounds · buffer.size normals of the input stream."""
    for sample in range(rounds):
        fill_normals(buffer, 0, STREAM_INPUT, 0, sample, np.uint64(1), words)


def llvm_target():
    """The processor that LLVM compiles for."""
    return llvmlite.binding.get_host_cpu_name()
