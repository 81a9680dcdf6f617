"""Threads that work on one trajectory: a leader offers numbered tiles, and helpers take what they can.

All of them run the same compiled loop, which holds no lock of Python; so handing out work costs a
microsecond where going through Python costs a tenth of a millisecond.  Within a call the leader waits
for tiles that have been taken, never for a thread: a helper without a tile that has lost its core to
another process holds nothing up.
"""

import os
import threading
import time
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from onlinemode.kernels.jit import UNCOMPILED, compiled, instruction

CACHE_LINE = 8  # int64
TAKEN, DONE, OVER = 0, CACHE_LINE, 2 * CACHE_LINE
LEADER_LOOKS = 10_000  # some 10 µs, the time of a tile, before another process may have the core
HELPER_LOOKS = 100  # less: a helper that holds no tile is missed by nobody

if UNCOMPILED:
    def _give_way():
        time.sleep(0)
else:
    _give_way = types.ExternalFunction("SwitchToThread" if os.name == "nt" else "sched_yield", types.int32())


class Team(NamedTuple):
    """What the threads of one trajectory share."""

    tiles: int
    counters: np.ndarray  # int64: tiles of this sweep that are taken, that are done, and whether all is over
    plan: np.ndarray  # (5,) int64: pending, first sample, samples, with_gram, teacher_move of the sweep
    decay: np.ndarray  # (1,) float64: factor of the modes in the sweep


def make_team(tiles):
    """A team for a trajectory of so many tiles, of which none is offered."""
    counters = np.zeros(3 * CACHE_LINE, np.int64)
    counters[TAKEN] = tiles
    return Team(tiles, counters, np.zeros(5, np.int64), np.ones(1))


def _counter(context, builder, signature, arguments):
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return cgutils.get_item_pointer(context, builder, signature.args[0], array, [arguments[1]])


_lock = threading.Lock()  # of kernels that are not compiled


def _add_in_python(counters, index, amount):
    with _lock:
        before = int(counters[index])
        counters[index] += amount
    return before


@instruction(_add_in_python)
def _add(typing_context, counters, index, amount):
    """Add to a counter, and return what it was, in one indivisible operation."""

    def codegen(context, builder, signature, arguments):
        return builder.atomic_rmw("add", _counter(context, builder, signature, arguments), arguments[2], "seq_cst")

    return types.int64(counters, types.intp, types.int64), codegen


def _set_in_python(counters, index, value):
    with _lock:
        counters[index] = value


@instruction(_set_in_python)
def _set(typing_context, counters, index, value):
    """Set a counter, after everything that this thread has written before."""

    def codegen(context, builder, signature, arguments):
        builder.store_atomic(arguments[2], _counter(context, builder, signature, arguments), "seq_cst", _ALIGNED)
        return context.get_dummy_value()

    return types.void(counters, types.intp, types.int64), codegen


@instruction(lambda counters, index: int(counters[index]))
def _read(typing_context, counters, index):
    """A counter as it is now."""

    def codegen(context, builder, signature, arguments):
        return builder.load_atomic(_counter(context, builder, signature, arguments), "seq_cst", _ALIGNED)

    return types.int64(counters, types.intp), codegen


_ALIGNED = ir.IntType(64).width // 8


def dismiss(team):
    """Send helpers away, however their leader has ended; to be called from Python."""
    team.counters[OVER] = 1


@compiled(inner=True)
def offer_tiles(team, pending, decay, first_sample, samples, with_gram, teacher_move):
    """The leader's: a new sweep over all tiles begins; the last one is done."""
    team.plan[0], team.plan[1], team.plan[2], team.plan[3] = pending, first_sample, samples, with_gram
    team.plan[4] = teacher_move
    team.decay[0] = decay
    _set(team.counters, DONE, 0)
    _set(team.counters, TAKEN, 0)


@compiled(inner=True)
def take_tile(team):
    """Number of a tile that is now this thread's to sweep by the plan; ``team.tiles`` or more if none is left."""
    return _add(team.counters, TAKEN, 1)


@compiled(inner=True)
def tile_is_done(team):
    """What this thread has written for its tile is there to be read."""
    _add(team.counters, DONE, 1)


@compiled(inner=True)
def wait_for_tiles(team):
    """The leader's: return when all tiles are done."""
    looks = 0
    while _read(team.counters, DONE) < team.tiles:
        looks += 1
        if looks > LEADER_LOOKS:
            _give_way()


@compiled(inner=True)
def end_work(team):
    """The leader's: no sweep comes any more."""
    _set(team.counters, OVER, 1)


@compiled(inner=True)
def wait_for_work(team):
    """A helper's: return when there are tiles to take (True) or all is over (False)."""
    looks = 0
    while _read(team.counters, TAKEN) >= team.tiles:
        if _read(team.counters, OVER) == 1:
            return False
        looks += 1
        if looks > HELPER_LOOKS:
            _give_way()
    return True
