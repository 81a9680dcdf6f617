"""About how long a point takes, before it is run: enough to make batches of equal length, and to tell a user."""

from functools import lru_cache
from typing import Any

from onlinemode.engines import capabilities_of
from onlinemode.theory.cost import integration_seconds
from onlinemode.theory.defaults import DEFAULT_NODES

RATES = ("eta", "eta_strengths", "eta_xi_out", "eta_readout")
A_RUN = 2e-3  # seconds beside its steps
A_STEP = {"chain": 3e-8, "micro": 1e-7}  # of the smallest problem
A_FIELD = {"chain": 2e-9, "micro": 6e-11}  # times the square of all vectors; times N and the vectors that are touched


@lru_cache(maxsize=1000)
def _integration(activation, teacher_activation, trained, decays, K, M, P, nodes):
    """Seconds of the mean-field equations, which depend on which rates are not 0."""
    from onlinemode.problem import LearningRates, Problem

    problem = Problem(activation, rates=LearningRates(*map(float, trained)), weight_decay=float(decays),
                      teacher_activation=teacher_activation)
    return integration_seconds(problem, K, M, P, nodes)


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
            trained = tuple(values[name] > 0.0 for name in RATES)
            return A_RUN + replicas * _integration(values["activation"], values["teacher_activation"], trained,
                                                   values["weight_decay"] > 0.0, K, M, P,
                                                   values["nodes"] or DEFAULT_NODES)
        steps, vectors = values["alpha"] * values["N"] * values["batch"] * replicas, K + M + P
        engine = values["engine"]
        work = values["N"] * (3 * P + M) if engine == "micro" else vectors**2
        return A_RUN + steps * (A_STEP.get(engine, 1e-7) + A_FIELD.get(engine, 1e-10) * work)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):  # of values that cannot be run
        return A_RUN
