"""Random problems: micro and the chain have the same law at equal N, by ranks of two ensembles.

Under the null hypothesis the order in which the values of both ensembles fall is a random one, whatever their law, so
rank sums are known. A test looks at places (rank sum of the values) and at spreads (rank sum of the distances from the
common median) of every entry of G, S, s, A, v at the last time, and is red below P_VALUE. With FALSE_ALARM the rate of
false alarms of one example, 2·(number of entries)·P_VALUE, is at most 1e-7, of the 15 examples in CI 1.5e-6.
"""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from properties.problems import OVERLAPS, SEEDS, examples, recipes
from scipy import stats

import onlinemode as om

FALSE_ALARM = 1e-7  # of an example
REPLICAS = 300


def smallest_p(one, other):
    """The smallest p-value of two rank sums of every column, times their number (Bonferroni)."""
    moves = np.ptp(np.concatenate([one, other]), axis=0) > 1e-12
    one, other = one[:, moves], other[:, moves]
    if not moves.any():
        return 1.0
    median = np.median(np.concatenate([one, other]), axis=0)
    values = [stats.mannwhitneyu(a, b, axis=0, method="asymptotic").pvalue
              for a, b in ((one, other), (np.abs(one - median), np.abs(other - median)))]
    return min(1.0, np.min(values) * np.size(values))


def ends(run):
    """All entries of the last states, (replicas, entries)."""
    return np.concatenate([getattr(run, name)[:, -1].reshape(run.replicas, -1) for name in OVERLAPS], axis=1)


def ensemble(recipe, engine, alpha, seed, replicas=REPLICAS):
    """The ends of replicas; an ensemble that diverges is no example."""
    steps = max(1, round(alpha * recipe.N))
    run = om.simulate(recipe.problem(), recipe.start(), steps / recipe.N, engine, seed=seed, replicas=replicas,
                      save_at=[steps / recipe.N], threads=1)
    assume(set(run.status) == {om.Status.COMPLETED})
    return ends(run)


@examples(15)
@given(recipes(N=st.integers(2, 24)), st.floats(0.1, 1.5), SEEDS)
def test_micro_and_the_chain_have_one_law(recipe, alpha, seed):
    one, other = ensemble(recipe, "micro", alpha, seed), ensemble(recipe, "chain", alpha, seed)
    assert smallest_p(one, other) > FALSE_ALARM


@examples(6)
@given(recipes(N=st.integers(2, 24)), st.floats(0.1, 1.5), SEEDS)
def test_the_chain_from_overlaps_has_the_law_of_the_vectors_made_of_them(recipe, alpha, seed):
    """Vectors of other directions with the same overlaps, as micro makes them of OrderParameters."""
    overlaps, steps = recipe.start().order_parameters(), max(1, round(alpha * recipe.N))
    runs = [om.simulate(recipe.problem(), overlaps, steps / recipe.N, engine, N=recipe.N, seed=seed, threads=1,
                        replicas=REPLICAS, save_at=[steps / recipe.N]) for engine in ("micro", "chain")]
    assume(all(set(run.status) == {om.Status.COMPLETED} for run in runs))
    assert smallest_p(*map(ends, runs)) > FALSE_ALARM


@examples(3)
@given(st.integers(0, 2**32 - 1))
def test_the_test_sees_a_shift_of_two_thirds_of_a_standard_deviation_and_half_more_of_it(seed):
    """Which deviations the tests above miss with a probability below 1e-2."""
    one, other = np.random.default_rng(seed).standard_normal((2, REPLICAS, 30))
    assert smallest_p(one, other) > FALSE_ALARM
    assert smallest_p(one, other + 2.0 / 3.0) < FALSE_ALARM
    assert smallest_p(one, 1.8 * other) < FALSE_ALARM
