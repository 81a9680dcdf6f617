"""The chain against the law of the overlaps in double-double, and down to the floor of float64.

Reduced versions of benchmarks/chain_exactness.py; the limit N → ∞ is in engines/test_limit.py, the linear-noise
theory in theory/test_fluctuations.py.
"""

from fractions import Fraction

import numpy as np
import overlap_recursion as dd
import pytest
from chain_exactness import DRIFT_CASES, general_start, matched_starts, outside

import onlinemode as om


def as_fraction(number):
    return Fraction(number.real) + Fraction(number.imag)


def test_double_double():
    """The reference's arithmetic against rational numbers: 100 bits."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        a, b = (dd.quick_sum(x, 1e-17 * x * y) for x, y in np.exp(rng.normal(0.0, 5.0, (2, 2))))
        x, y = as_fraction(a), as_fraction(b)
        for result, expected in ((dd.plus(a, -b), x - y), (dd.times(a, b), x * y), (dd.over(a, b), x / y)):
            assert abs(as_fraction(result) - expected) < (x + y if expected == x - y else expected) * 2.0**-100
        assert abs(as_fraction(dd.root(a)) ** 2 - x) < x * 2.0**-100


@pytest.mark.slow
@pytest.mark.parametrize("case, steps", [("X, κ = 0", 10**6), ("X+s+A+v, κ = 0.1", 3 * 10**5)])
def test_drift_from_the_recursion_in_double_double(case, steps):
    """Below 1e-12 in up to 1e6 steps (1e-11 in 1e7 is the benchmark's), with either kind of fields.

    P = 3 > K = 2: at κ = 0 a direction of X does not learn, and nothing restores it either.  No false alarms: given
    the seed nothing is random.  Five other seeds gave at most 3e-13.
    """
    problem, N, seed = DRIFT_CASES[case], 1000, 1
    fed, own, (G, S) = dd.drift(problem, general_start(), N, steps, seed)
    assert fed.max() < 1e-12
    assert own.max() < 1e-12
    run = om.simulate(problem, general_start(), len(fed) * dd.BLOCK / N, "chain", N=N, seed=seed, save_at=2)
    assert np.allclose(run.G[0, -1], G, rtol=0.0, atol=1e-14)
    assert np.allclose(run.S[0, -1], S, rtol=0.0, atol=1e-14)


@pytest.mark.parametrize("name", ["random teacher", "orthogonal teacher", "two student modes equal to 1e-9",
                                  "student in the teacher's span to 1e-9"])
def test_outside_the_teachers_span(name):
    """Without label noise tr L_X L_Xᵀ falls below 1e-28 while the overlaps become singular; no NaN on the way.

    No false alarms: given the seed nothing is random.  Twenty other seeds end below 3e-29.
    """
    N = 50
    trace, finite = outside(matched_starts(N)[name], N, 8000.0, 3.0)
    assert finite
    assert trace[-1] < 1e-28
    assert np.all(trace > 0.0)
