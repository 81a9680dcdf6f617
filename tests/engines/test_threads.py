"""Engine ode in several threads at once: the command line integrates beside the simulation, users in pools."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import onlinemode as om


@pytest.mark.parametrize("method", ["LSODA", "DOP853", "Radau"])
def test_integrations_in_threads_are_those_made_alone(method):
    """To the bit. LSODA of SciPy before 1.17 keeps its state in global variables: wrong results, or exceptions."""
    def integrate(seed):
        start = om.initial.committee(100 + seed, K=2, seed=seed)
        problem = om.Problem(rates=om.LearningRates(xi_in=0.5 + 0.1 * (seed % 7)))
        return om.simulate(problem, start, 40.0, "ode", save_at=20, method=method).G

    seeds = range(24 if method == "LSODA" else 6)
    alone = [integrate(seed) for seed in seeds]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(integrate, seeds))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together))
