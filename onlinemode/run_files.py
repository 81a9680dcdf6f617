"""The files of runs: what :meth:`onlinemode.Trajectory.save` wrote is read here."""

from os import PathLike
from typing import Any

from onlinemode import records
from onlinemode.blocks import OVERLAPS
from onlinemode.engines import options_of
from onlinemode.ensemble import Ensemble, quantile_levels
from onlinemode.errors import FileError
from onlinemode.problem import Problem
from onlinemode.replica_states import ReplicaStates
from onlinemode.run_checks import DAMAGED, check_run, check_start, sizes_of
from onlinemode.run_info import FORMAT, RunInfo
from onlinemode.run_starts import read_start
from onlinemode.storage import read_archive
from onlinemode.theory.spectral_groups import EigenvalueGroups
from onlinemode.trajectory import BESIDE, KIND, Status, Trajectory

_CALL = {"alpha": records.number, "engine": records.text, "N": records.or_nothing(records.whole),
         "seed": records.whole, "replicas": records.whole, "keep": records.one_of("all", "summary"),
         "save_at": records.any_of(records.whole, records.list_of(records.number))}
_LATER = {"quantiles": records.list_of(records.number), "store_final": records.flag}  # what old files may lack


def load(path: str | PathLike[str]) -> Trajectory:
    """Read a run that :meth:`onlinemode.Trajectory.save` wrote.

    Parameters
    ----------
    path : str or path
        Of the .npz file; those of version 0.1.0 can be read, too.

    Returns
    -------
    Trajectory
        Equal to the saved one, to the bit.

    Raises
    ------
    FileError
        If the file is missing, truncated, not a trajectory, or of parts that do not fit together.
    """
    header, arrays = read_archive(path, KIND)
    if header.get("format", 1) not in range(1, FORMAT + 1):
        raise FileError(f"{path} has format {header['format']!s:.20}, and this version of onlinemode reads formats up "
                        f"to {FORMAT}: it was written by a newer one; update onlinemode")
    try:
        records.check(header, {"problem": records.record, "status": records.list_of(records.text),
                               "message": records.list_of(records.text), "meta": records.record})
        info = RunInfo.from_dict(header["meta"])
        records.check(info.versions, {"onlinemode": records.text, "numpy": records.text}, name="versions")
        check_call(info.call)
        if info.call["engine"] != info.engine or info.call["replicas"] != len(header["status"]):
            raise ValueError("the call is that of another run")
        start = read_start(arrays, info.start.get("origin"))
        check_start(info.start, len(header["status"]), sizes_of(start["initial"], info.N))
        run = Trajectory(
            alpha=arrays["alpha"], **{name: arrays[name] for name in OVERLAPS},
            problem=Problem.from_dict(header["problem"]), **start,
            status=[Status(name) for name in header["status"]], message=header["message"], info=info,
            **{name: arrays.get(name) for name in BESIDE}, groups=EigenvalueGroups.from_arrays(arrays),
            summary=Ensemble.from_arrays(arrays["alpha"], arrays), end=ReplicaStates.from_arrays("end_", arrays))
        check_run(run)
        levels = None if run.summary is None else run.summary.probabilities.tolist()
        if levels is not None and info.call.get("quantiles", levels) != levels:
            raise ValueError("quantiles of other probabilities than the call's")
    except DAMAGED as problem:
        raise FileError(f"cannot read {path}: an entry is missing or damaged ({problem!s:.120})") from None
    return run


def check_call(call: dict[str, Any]) -> None:
    """Raise ValueError unless a record can be the arguments of :func:`onlinemode.simulate`."""
    records.check(call, _CALL, _LATER, "call")
    if "quantiles" in call:
        quantile_levels(call["quantiles"])
    options_of(call["engine"])(**{name: value for name, value in call.items() if name not in {**_CALL, **_LATER}})
