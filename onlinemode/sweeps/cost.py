"""About how long a point takes, before it is run: enough to make batches of equal length, and to tell a user."""

from functools import lru_cache
from typing import Any

from onlinemode.engines import capabilities_of
from onlinemode.errors import OnlineModeError
from onlinemode.theory.cost import drift_seconds
from onlinemode.theory.defaults import DEFAULT_NODES

A_RUN = 2e-3  # seconds beside its steps
LONGEST = 1e12
EVALUATIONS, A_CALL = 500, 5e-6  # of an integration that is not stiff, and seconds of one beside its drift
A_STEP = {"chain": 8e-8, "micro": 4e-7}  # of the smallest problem
LEAPS, A_LEAP = 4.0, 8e-6  # of a unit of α, and seconds of one beside its five drifts
A_FIELD = {"chain": 5e-10, "micro": 1e-10}  # times the square of all vectors; times N and the vectors that are touched


@lru_cache(maxsize=1000)
def _drift(activation, teacher_activation, K, M, P, nodes, averages):
    from onlinemode.problem import Problem

    return drift_seconds(Problem(activation, teacher_activation=teacher_activation), K, M, P, nodes, averages)


def seconds_of(values: dict[str, Any]) -> float:
    """Seconds of a run on one core, to a factor of some.

    Parameters
    ----------
    values : dict
        By the names of an Experiment.
    """
    try:
        K = values["K"]
        M, P = values["M"] or K, values["P"] or K
        if values["overlaps"] is not None:
            K, M, P = (getattr(values["overlaps"], name) for name in "KMP")
        replicas = values["replicas"]
        if capabilities_of(values["engine"]).theory:
            nodes, runs = values["nodes"] or DEFAULT_NODES, replicas if values["fresh_students"] else 1
            drift = _drift(values["activation"], values["teacher_activation"], K, M, P, nodes, values["averages"])
            return _bounded(runs * EVALUATIONS * (A_CALL + drift))
        if values["engine"] == "leap":
            drift = _drift(values["activation"], values["teacher_activation"], K, M, P, DEFAULT_NODES, None)
            return _bounded(replicas * values["alpha"] * LEAPS * (A_LEAP + 5.0 * drift))
        steps, vectors = values["alpha"] * values["N"] * values["batch"] * replicas, K + M + P
        engine = values["engine"]
        work = values["N"] * (3 * P + M) if engine == "micro" else vectors**2
        return _bounded(steps * (A_STEP.get(engine, 1e-7) + A_FIELD.get(engine, 1e-10) * work))
    except (ArithmeticError, AttributeError, KeyError, OnlineModeError, TypeError, ValueError):  # values of no run
        return A_RUN


def _bounded(seconds):
    """With those beside the steps; never negative or infinite, also of values that cannot be run."""
    return A_RUN + min(max(0.0, seconds), LONGEST)  # in this order 0 for NaN
