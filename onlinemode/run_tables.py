"""A run as a table of text, a row for each replica and saved time."""

import csv
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from onlinemode.ensemble import OBSERVABLES, observables_of
from onlinemode.errors import ParameterError
from onlinemode.labelled import column_names
from onlinemode.storage import replacing

if TYPE_CHECKING:
    from onlinemode.trajectory import Trajectory


def write_csv(path: str | PathLike[str], run: "Trajectory", theory: "Trajectory | None" = None) -> None:
    """What :meth:`onlinemode.Trajectory.to_csv` writes.

    Raises
    ------
    FileError, ParameterError
    """
    columns = {"generalization_error": run.generalization_error}
    if run.generalization_error_se is not None:
        columns["generalization_error_se"] = run.generalization_error_se
    metrics = [name for name in observables_of(run.problem) if name not in OBSERVABLES]
    columns |= {name: getattr(run, name) for name in ("specialization", *metrics, "Q", "R", "readout")}
    rates = run.problem.rates
    columns |= {name: getattr(run, name) for name in ("strengths", "xi_out") if getattr(rates, name) != 0.0}
    if theory is not None:
        _check_theory(run, theory)
        columns |= {f"theory_{name}": np.broadcast_to(getattr(theory, name), getattr(run, name).shape)
                    if theory.draws == 1 else getattr(theory, name)[:run.draws]
                    for name in ("generalization_error", "specialization", *metrics, "Q", "R")}
    constants = {"T": run.T, "teacher_readout": run.teacher_readout}
    if run.teacher_overlaps is not None:
        columns["T"] = constants.pop("T")
    fixed = [(name, repr(float(value))) for each, values in constants.items()
             for name, value in zip(column_names(each, values.shape), values.flat)]
    fixed += [(name, "" if value is None else value) for name, value in _parameters(run).items()]
    with replacing(path, "w") as file:
        writer = csv.writer(file)
        names = [name for each, values in columns.items() for name in column_names(each, values.shape[2:])]
        writer.writerow(["replica", "alpha", *names, *(name for name, _ in fixed)])
        for r in range(run.draws):
            for i, alpha in enumerate(run.alpha):
                values = (alpha, *(entry for column in columns.values() for entry in column[r, i].flat))
                writer.writerow([r, *(repr(float(value)) for value in values), *(value for _, value in fixed)])


def _check_theory(run, theory):
    same = theory.alpha.shape == run.alpha.shape and np.allclose(theory.alpha, run.alpha, rtol=1e-9)
    if not same or theory.R.shape[2:] != run.R.shape[2:] or theory.draws not in (1, run.draws):
        raise ParameterError("the theory in a table must have the times, K and M of the run; simulate it with "
                             "save_at=run.alpha from the same start")


def _parameters(run):
    """Numbers and names that made the run, as columns of a table."""
    problem, rates = run.problem, run.problem.rates
    other = problem.teacher_activation
    return {"engine": run.info.engine, "N": run.N, "seed": run.info.seed, "activation": str(problem.activation),
            "noise": problem.noise, "weight_decay": problem.weight_decay, "batch": problem.batch,
            "eta": rates.xi_in, "eta_strengths": rates.strengths, "eta_xi_out": rates.xi_out,
            "eta_readout": rates.readout, "inputs": repr(problem.inputs),
            **({} if other is None else {"teacher_activation": str(other)}),
            **({} if problem.plain else {"loss": problem.loss, "labels": problem.labels, "flips": problem.flips}),
            **({} if problem.constraint is None else {"constraint": problem.constraint}),
            **({} if problem.tasks is None else {"tasks": problem.tasks.words}),
            **({"dropout": problem.dropout, "mode_dropout": problem.mode_dropout} if problem.drops_out else {}),
            **({"drift": problem.drift, "drift_every": problem.drift_every} if problem.drifts else {})}
