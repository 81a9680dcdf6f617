"""How blocked SGD is laid out on a CUDA device: tiles, threads, shared memory, and what fits; see blocks and micro."""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.cuda.device import SIMULATED, processors

SHARED_BYTES = 48 * 1024  # that every device gives to a block of threads
SAMPLES = (4,) if SIMULATED else (32, 16, 8, 4)  # in a block: more of them cost more products with each other
THREADS = (4, 8, 16, 32) if SIMULATED else (256, 512, 1024)  # of a block of threads of the sweep
LENGTHS = (8, 16) if SIMULATED else (128, 64, 32, 16)  # of a tile
MOST_SAMPLES = 64  # and so the largest batch
THREADS_A_PROCESSOR = 512  # of which a thread has 128 registers


class Plan(NamedTuple):
    """How the work is laid out."""

    samples: int  # in a block, a power of two
    coordinates: int  # of a tile, a power of two
    threads: int  # in a block of threads of the sweep
    blocks: int  # of threads in the grid of the sweep
    learners: int  # threads that learn
    adders: int  # threads of a block that add the sums of 16 products
    keep: bool  # inputs are kept until the next sweep, not drawn again
    sphere: bool = False  # modes are scaled back to their lengths, whose squares a sweep sums as well
    entries: str = "normal"  # of inputs: "normal", "scaled" (normals of given deviations), "sign" or "uniform"

    def steps(self, batch):
        """Steps in a block."""
        return max(1, self.samples // batch)


def padded(count):
    """The next multiple of four."""
    return -(-count // 4) * 4


def _power_of_two(least):
    """The smallest power of two that is at least this, and 4."""
    return max(4, 1 << (least - 1).bit_length())


def blocks_a_processor(threads):
    """Blocks of threads of a sweep that work on a multiprocessor at the same time."""
    return max(1, min(8, THREADS_A_PROCESSOR // threads))


def squares_of(P, M, samples, sphere=False):
    """Squares of four by four products: of modes and teacher vectors, then of inputs, with inputs.

    On a sphere then those of modes with themselves.
    """
    columns = samples // 4
    return ((padded(P) + padded(M)) // 4 * columns, columns * (columns + 1) // 2, padded(P) // 4 if sphere else 0)


def weights_of(P, samples, sphere=False):
    """Numbers with which a sweep updates the modes: of each input, and on a sphere the factors of the modes."""
    return (samples + (1 if sphere else 0)) * padded(P)


def stride_of(P, M, samples):
    """Numbers between two coordinates of a tile: an odd multiple of 16 bytes, for the banks of shared memory."""
    rows = padded(P) + padded(M) + samples
    return rows + 4 if rows // 4 % 2 == 0 else rows


def sweep_bytes(size, P, M, samples, coordinates, sphere=False):
    """Shared memory of the sweep."""
    return (size * (coordinates * stride_of(P, M, samples) + weights_of(P, samples, sphere))
            + 8 * 16 * sum(squares_of(P, M, samples, sphere)))


def learn_bytes(P, samples, sphere=False):
    return 8 * (samples * (samples + 2 * P + 1) + 1 + (2 * P if sphere else 0))


def make_plan(kind, N, P, M, batch, keep=True, sphere=False, samples=None, coordinates=None, threads=None, blocks=None,
              entries="normal"):
    """The layout for this device and these sizes; what is given is taken.

    Parameters
    ----------
    kind : numpy.float32 or numpy.float64
    N, P, M, batch : int
    keep : bool, default True
    sphere : bool, default False
    samples, coordinates, threads, blocks : int, optional
        ``samples`` and ``coordinates`` are powers of two, at least 4.
    entries : {"normal", "scaled", "sign", "uniform"}

    Returns
    -------
    Plan or None
        None where no layout fits: a batch above MOST_SAMPLES, or too many modes.
    """
    size = np.dtype(kind).itemsize
    for count in SAMPLES if samples is None else (samples,):
        count = max(count, _power_of_two(batch))
        squares = sum(squares_of(P, M, count, sphere))
        lanes = threads or next((lanes for lanes in THREADS if squares <= lanes), None)
        length = coordinates or next((length for length in LENGTHS
                                      if sweep_bytes(size, P, M, count, length, sphere) <= SHARED_BYTES), None)
        if (count > MOST_SAMPLES or lanes is None or squares > lanes or length is None
                or learn_bytes(P, count, sphere) > SHARED_BYTES):
            continue
        grid = blocks or min(-(-N // length), blocks_a_processor(lanes) * processors())
        return Plan(count, length, lanes, grid, min(128, lanes), 16 if SIMULATED else 256, keep, sphere, entries)
    return None


def needed_bytes(kind, N, P, M, plan):
    """Device memory of a run, up to what does not grow with N."""
    tiles = -(-N // plan.coordinates)
    inputs = 4 * plan.samples if plan.keep else 0
    deviations = 4 + 8 if plan.entries == "scaled" else 0  # and their squares, for the overlaps
    return tiles * plan.coordinates * (np.dtype(kind).itemsize * (P + M) + inputs + deviations)


def largest_N(kind, P, M, plan, free):
    """The largest N whose run fits into so many bytes."""
    return int(free / needed_bytes(kind, plan.coordinates, P, M, plan)) * plan.coordinates
