"""The beginning of a run as the arrays of a file."""

from onlinemode.blocks import OVERLAPS
from onlinemode.replica_states import ReplicaStates
from onlinemode.state import OrderParameters, Weights

_WEIGHTS = ("xi_in", "strengths", "xi_out", "readout", "teacher", "teacher_readout")
_OVERLAPS = ("G", "S", "T", "strengths", "xi_out", "readout", "teacher_readout")


def start_arrays(initial, starts, weights, begin=None):
    """The arrays of a file from which :func:`read_start` makes these four again."""
    arrays = {f"initial_{name}": getattr(initial, name) for name in _OVERLAPS}
    if starts is not None:
        arrays |= {f"starts_{name}": values for name, values in starts.items()}
    if weights is not None:
        arrays |= {f"weights_{name}": getattr(weights, name) for name in _WEIGHTS}
    if begin is not None:
        arrays |= begin.to_arrays("begin_")
    return arrays


def read_start(arrays, origin=None):
    """These four fields of a Trajectory; ``origin`` is the recipe of the weights."""
    weights = None
    if "weights_xi_in" in arrays:
        weights = Weights(**{name: arrays[f"weights_{name}"] for name in _WEIGHTS}, origin=origin)
    return {"initial": OrderParameters(**{name: arrays[f"initial_{name}"] for name in _OVERLAPS}), "weights": weights,
            "starts": _read_starts(arrays) if "starts_G" in arrays else None,
            "begin": ReplicaStates.from_arrays("begin_", arrays)}


def _read_starts(arrays):
    own = ("T",) if "starts_T" in arrays else ()
    return {name: arrays[f"starts_{name}"] for name in (*OVERLAPS, *own)}
