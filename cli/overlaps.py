"""A file of overlaps, OVERLAPS.toml, as a start."""

from onlinemode.cli.toml_files import read_toml
from onlinemode.errors import ConfigError, OnlineModeError

UNITS = ("Q", "R", "T")  # overlaps of hidden units, required together
MODES = ("G", "S", "T", "strengths", "xi_out")  # or those of modes, with the factors that make units of them
READOUTS = ("readout", "teacher_readout")  # names or lists


def read_overlaps(path):
    """The OrderParameters of a TOML file: Q, R, T, or G, S, T, strengths, xi_out; and readouts.

    Raises
    ------
    FileError, ConfigError, OverlapError, ShapeError
    """
    import numpy as np

    from onlinemode import OrderParameters, checks, initial

    values = read_toml(path)
    required = MODES if set(values) & (set(MODES) - set(UNITS)) else UNITS
    known = (*required, *READOUTS)
    for name in values:
        if name not in known:
            raise ConfigError(f"{path}: unknown key {name!r:.80}; a file of overlaps has {', '.join(UNITS)} of the "
                              f"units, or {', '.join(MODES)} of the modes, and {', '.join(READOUTS)}")
    missing = [name for name in required if name not in values]
    if missing:
        raise ConfigError(f"{path}: {missing[0]} is missing; a file of overlaps has {', '.join(required)}")
    readout = values.pop("readout", "mean")
    teacher = values.pop("teacher_readout", readout)
    try:
        if teacher is readout and not isinstance(readout, str):
            raise ConfigError("teacher_readout is missing; it is needed where readout is a list")
        if required is UNITS:
            return initial.from_overlaps(**values, readout=readout, teacher_readout=teacher)
        units, teacher_units = (len(np.atleast_1d(checks.real(name, values[name]))) for name in ("xi_out", "T"))
        vector = lambda value, units: initial.readout_vector(value, units) if isinstance(value, str) else value  # noqa: E731
        return OrderParameters(**values, readout=vector(readout, units), teacher_readout=vector(teacher, teacher_units))
    except OnlineModeError as problem:
        raise type(problem)(f"{path}: {problem}") from None
