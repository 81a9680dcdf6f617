"""Results as labelled arrays of xarray: everything that a run has at its saved times, by name.

Arrays of runs have the dimensions replica (where there are several) and alpha, then those of the table below.
"""

from typing import Any, NamedTuple

from onlinemode.errors import MissingPackageError

INSTALL = 'pip install "onlinemode[sweep]"'


class Observable(NamedTuple):
    """What a run has at every saved time."""

    dims: tuple[str, ...]  # after replica and alpha
    long_name: str
    symbol: str  # as Matplotlib writes it


OBSERVABLES = {
    "generalization_error": Observable((), "generalization error", r"$\epsilon_g$"),
    "specialization": Observable((), "specialization", "specialization"),
    "unit_margins": Observable(("student_unit",), "margin of a student unit", r"$\Delta_k$"),
    "mode_residuals": Observable(("mode",), "residual of a mode", r"$r_p$"),
    "Q": Observable(("student_unit", "student_unit_2"), "overlap of student units", "$Q$"),
    "R": Observable(("student_unit", "teacher_unit"), "overlap of student and teacher units", "$R$"),
    "rho": Observable(("student_unit", "teacher_unit"), "normalized overlap of student and teacher units", r"$\rho$"),
    "G": Observable(("mode", "mode_2"), "overlap of input modes", "$G$"),
    "S": Observable(("mode", "teacher_unit"), "overlap of input modes and teacher units", "$S$"),
    "strengths": Observable(("mode",), "strength of a mode", "$s$"),
    "xi_out": Observable(("student_unit", "mode"), "output mode", "$A$"),
    "readout": Observable(("student_unit",), "second layer of the student", "$v$"),
}
"""All dimensionless."""


def dimensions(K: int, M: int, P: int) -> dict[str, int]:
    """Sizes of the dimensions that number units and modes."""
    return {"student_unit": K, "student_unit_2": K, "teacher_unit": M, "mode": P, "mode_2": P}


def need(package: str) -> Any:
    """An optional package.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(package)
    except ImportError as problem:
        raise MissingPackageError(f"labelled results need {package.partition('.')[0]}, which is not installed "
                                  f"({problem}): {INSTALL}") from None
