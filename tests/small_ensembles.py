"""A small problem and students of one teacher, which the tests of ensembles share."""

import numpy as np

import onlinemode as om

PROBLEM = om.Problem(noise=0.1, rates=om.LearningRates(xi_in=1.0, readout=0.2))
PATHS = ("G", "S", "strengths", "xi_out", "readout")
TIMES = [0.0, 0.1, 0.5, 1.0]


def fresh(replica):
    return om.initial.committee(30, K=2, M=3, seed=5, student_seed=replica)


def fresh_overlaps(replica):
    return om.initial.committee(30, K=2, M=3, seed=5, student_seed=replica, weights=False)


STARTS = {"one": fresh(0), "one overlaps": fresh_overlaps(0), "fresh": fresh, "fresh overlaps": fresh_overlaps}


def simulate(engine, start, replicas=7, **options):
    return om.simulate(PROBLEM, STARTS.get(start, start) if isinstance(start, str) else start, 1.0, engine, N=30,
                       seed=9, replicas=replicas, save_at=TIMES, **options)


def assert_same_draws(one, other, count=None):
    for name in PATHS:
        assert np.array_equal(getattr(one, name)[:count], getattr(other, name)[:count], equal_nan=True), name
    assert np.array_equal(one.generalization_error[:count], other.generalization_error[:count], equal_nan=True)
    assert (one.status, one.message) == (other.status, other.message)


def z_scores(runs, limit):
    """Absolute values, of the means of all entries that move at all times but the first, against those of theory."""
    found = []
    for name in PATHS:
        values, expected = getattr(runs, name)[:, 1:], getattr(limit, name)[0, 1:]
        spread = values.std(0, ddof=1) / np.sqrt(len(values))
        moving = spread > 1e-12
        found.append((values.mean(0) - expected)[moving] / spread[moving])
    return np.abs(np.concatenate(found))
