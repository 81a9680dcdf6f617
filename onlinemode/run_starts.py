"""The beginning of a run as the arrays of a file."""

from dataclasses import fields, replace

import numpy as np

from onlinemode.blocks import FACTORS, OVERLAPS, blocks_of
from onlinemode.replica_states import ReplicaStates
from onlinemode.resolved_overlaps import ResolvedOverlaps
from onlinemode.state import OrderParameters, Weights

SHARES = ("share_G", "share_S")  # of students of one teacher, beside the sums

_WEIGHTS = ("xi_in", "strengths", "xi_out", "readout", "teacher", "teacher_readout")
_OVERLAPS = ("G", "S", "T", "strengths", "xi_out", "readout", "teacher_readout")
_RESOLVED = tuple(each.name for each in fields(ResolvedOverlaps))


def student_arrays(start):
    """What tells students of one teacher apart: G, S and the factors, and their shares where they are resolved."""
    if not isinstance(start, ResolvedOverlaps):
        return blocks_of(start)
    return blocks_of(start.order_parameters()) | {"share_G": start.G, "share_S": start.S}


def resolved_student(first, starts, replica):
    """The start of one replica, from that of replica 0 and the arrays of all."""
    own = {"G": starts["share_G"][replica], "S": starts["share_S"][replica]}
    return replace(first, **own, **{name: starts[name][replica] for name in FACTORS})


def start_arrays(initial, starts, weights, begin=None, resolved=None):
    """The arrays of a file from which :func:`read_start` makes these five again."""
    arrays = {f"initial_{name}": getattr(initial, name) for name in _OVERLAPS}
    if starts is not None:
        arrays |= {f"starts_{name}": values for name, values in starts.items()}
    if weights is not None:
        arrays |= {f"weights_{name}": getattr(weights, name) for name in _WEIGHTS}
    if resolved is not None:
        arrays |= {f"resolved_{name}": np.asarray(getattr(resolved, name)) for name in _RESOLVED}
    if begin is not None:
        arrays |= begin.to_arrays("begin_")
    return arrays


def read_start(arrays, origin=None):
    """These five fields of a Trajectory; ``origin`` is the recipe of the weights."""
    weights, resolved = None, None
    if "weights_xi_in" in arrays:
        weights = Weights(**{name: arrays[f"weights_{name}"] for name in _WEIGHTS}, origin=origin)
    if "resolved_N" in arrays:
        found = {name: arrays[f"resolved_{name}"] for name in _RESOLVED}
        resolved = ResolvedOverlaps(**{**found, "N": found["N"].item()})
    return {"initial": OrderParameters(**{name: arrays[f"initial_{name}"] for name in _OVERLAPS}), "weights": weights,
            "initial_resolved": resolved, "starts": _read_starts(arrays) if "starts_G" in arrays else None,
            "begin": ReplicaStates.from_arrays("begin_", arrays)}


def _read_starts(arrays):
    own = tuple(name for name in ("T", *SHARES) if f"starts_{name}" in arrays)
    return {name: arrays[f"starts_{name}"] for name in (*OVERLAPS, *own)}
