"""Losses and labels on a device, or in the simulator: the runs of the CPU."""

import numpy as np
import pytest

import onlinemode as om

CASES = [("logistic", dict(labels="sign", flips=0.3, noise=0.2)), ("huber:0.4", dict(noise=0.5))]


@pytest.mark.parametrize("engine", ["micro", "chain"])
@pytest.mark.parametrize("word, fields", CASES)
def test_same_numbers_and_the_same_run(engine, word, fields, all_rates):
    problem = om.Problem(loss=word, rates=all_rates, **fields)
    start = om.initial.showcase(13, K=3, seed=1)
    options = {"replicas": 2, "seed": 5, "save_at": np.array([0.0, 9.0]) / 13}
    one, other = (om.simulate(problem, start, 9 / 13, engine, device=device, **options) for device in ("cuda", "cpu"))
    for name in ("G", "S", "strengths", "xi_out", "readout"):
        a, b = getattr(one, name), getattr(other, name)
        assert np.abs(a - b).max() <= 1e-10 * np.abs(b).max(), name
