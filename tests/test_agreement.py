"""z-scores against the linear-noise theory and between runs: standard normal if all is right, and only then."""

import dataclasses
import functools

import numpy as np
import pytest
from scipy import stats

import onlinemode as om
from onlinemode import agreement
from onlinemode.errors import ParameterError

PROBLEM = om.Problem(noise=0.2, rates=om.LearningRates(xi_in=1.2))
START = om.initial.committee(1000, K=2, seed=3, readout="sum", student_size=0.4, weights=False)
TIMES = np.array([0.0, 0.5, 1.0, 2.0, 4.0])
N = 1000
RUNS = 250


@pytest.fixture(scope="module")
def noise():
    theory = om.fluctuations(PROBLEM, START, TIMES)
    for name in ("mean_field", "mean_shift", "standard_deviation"):  # the same for all runs
        setattr(theory, name, functools.cache(getattr(theory, name)))
    return theory


def chain(problem=PROBLEM, N=N, seed=0, replicas=RUNS, **options):
    return om.simulate(problem, START, TIMES[-1], "chain", N=N, seed=seed, replicas=replicas, save_at=TIMES, **options)


@pytest.fixture(scope="module")
def ensemble():
    return chain(seed=1)


def some(run, first, count=1):
    """Some replicas of a run as a run of their own."""
    chosen = slice(first, first + count)
    fields = {name: getattr(run, name)[chosen] for name in ("G", "S", "strengths", "xi_out", "readout", "error")}
    return om.Trajectory(alpha=run.alpha, **fields, problem=run.problem, initial=run.initial, status=run.status[chosen],
                         message=run.message[chosen], info=run.info)


def p_value(z):
    """Kolmogorov and Smirnov against N(0, 1)."""
    return stats.kstest(z, "norm").pvalue


def test_single_runs_are_standard_normal(ensemble, noise):
    """z of 250 runs, KS at 4 times for ε_g and 2 entries: p > 1e-4 each, 1.2e-3 false alarms (seeds are fixed)."""
    runs = [some(ensemble, r) for r in range(RUNS)]
    z = {name: np.array([agreement.z_scores(run, noise, name) for run in runs])
         for name in ("generalization_error", "Q", "R")}
    assert np.isnan(z["Q"][:, 0]).all() and np.isnan(z["generalization_error"][:, 0]).all()
    for i in range(1, len(TIMES)):
        for values in (z["generalization_error"][:, i], z["Q"][:, i, 0, 1], z["R"][:, i, 1, 0]):
            assert p_value(values) > 1e-4, TIMES[i]
    assert np.allclose(z["Q"][:, 1:].std(0), 1.0, atol=0.2)  # 4.5 standard errors


def test_means_of_replicas_are_standard_normal(ensemble, noise):
    """25 runs of 10 replicas: chi-square of z of ε_g at each time, two-sided 1e-4, 4 times: 4e-4 false alarms."""
    z = np.array([agreement.z_scores(some(ensemble, first, 10), noise)[1:] for first in range(0, RUNS, 10)])
    squares = (z**2).sum(0)
    low, high = stats.chi2.ppf([5e-5, 1 - 5e-5], len(z))
    assert np.all((low < squares) & (squares < high))
    assert np.abs(agreement.z_scores(ensemble, noise)[1:]).max() < 4.0  # the mean of all: 6e-5 a time


@pytest.mark.parametrize("what, problem, size", [
    ("N", PROBLEM, N // 2), ("learning rate", om.Problem(noise=0.2, rates=om.LearningRates(xi_in=1.26)), N),
    ("noise", om.Problem(noise=0.3, rates=om.LearningRates(xi_in=1.2)), N)])
def test_a_run_of_another_problem_is_seen(what, problem, size, noise):
    """N/2 taken for N spreads by √2 too much; 5 % more learning rate or label noise 0.3 moves the mean."""
    run = chain(problem, size, seed=2)
    run.info = dataclasses.replace(run.info, N=N)
    z = np.array([agreement.z_scores(some(run, r), noise, "Q") for r in range(RUNS)])[:, 1:, 0, 0]
    if what == "N":
        assert stats.chi2.sf((z**2).sum(0), RUNS).max() < 1e-8
        assert np.allclose((z**2).mean(0), 2.0, atol=0.75)  # 4 standard errors
    else:
        assert min(p_value(z[:, i]) for i in range(len(TIMES) - 1)) < 1e-7
        assert np.nanmax(np.abs(agreement.z_scores(run, noise, "Q"))) > 7.0


@pytest.mark.parametrize("given", [True, False])
def test_between_runs(given, ensemble, noise):
    """12 pairs of 10 replicas against 10: z of ε_g, chi-square with 1e-4 at 4 times (with noise: 4e-4 false alarms).

    Without noise the spread of 10 replicas stands for that of all: t of about 18 degrees of freedom, variance 1.125.
    """
    groups = [some(ensemble, first, 10) for first in range(0, RUNS, 10)]
    z = np.array([agreement.z_between(a, b, noise if given else None)[1:] for a, b in zip(groups[::2], groups[1::2])])
    squares = (z**2).sum(0) / (1.0 if given else 18 / 16)
    low, high = stats.chi2.ppf([5e-5, 1 - 5e-5], len(z))
    assert np.all((low < squares) & (squares < high))
    other = chain(om.Problem(noise=0.2, rates=om.LearningRates(xi_in=1.26)), seed=2)
    assert np.nanmax(np.abs(agreement.z_between(ensemble, other, noise if given else None, "Q"))) > 5.0
    assert np.isnan(agreement.z_between(ensemble, other, noise if given else None, "Q")[0]).all()


def test_micro_against_chain(noise):
    """The same process: 20 replicas each, largest |z| of 4 ε_g, 16 Q and 16 R < 5: below 1e-4 false alarms."""
    micro = om.simulate(PROBLEM, START, TIMES[-1], "micro", N=N, replicas=20, save_at=TIMES, seed=1)
    exact = chain(seed=7, replicas=20)
    for name in ("generalization_error", "Q", "R"):
        assert np.nanmax(np.abs(agreement.z_between(micro, exact, noise, name))) < 5.0
        assert np.nanmax(np.abs(agreement.z_between(micro, some(exact, 3), noise, name))) < 5.0


def test_definitions(ensemble, noise):
    """Mean-field value plus shift, spread over √count, by hand."""
    for name in ("generalization_error", "Q", "R", "rho", "specialization"):
        expected = agreement.predicted(noise, N, name)
        assert np.array_equal(expected.mean, noise.mean_field(name) + noise.mean_shift(name, N))
        assert np.array_equal(expected.standard_deviation, noise.standard_deviation(name, N))
        z = agreement.z_scores(ensemble, noise, name)[1:]
        difference = getattr(ensemble, name).mean(0) - expected.mean
        by_hand = difference[1:] / expected.standard_deviation[1:] * np.sqrt(RUNS)
        assert np.allclose(z, by_hand, rtol=1e-9, atol=1e-9)
    a, b = chain(seed=3, replicas=6), chain(seed=4, replicas=9)
    difference = a.Q.mean(0) - b.Q.mean(0)
    error = np.sqrt(a.Q.var(0, ddof=1) / 6 + b.Q.var(0, ddof=1) / 9)
    assert np.allclose(agreement.z_between(a, b, name="Q")[1:], difference[1:] / error[1:], rtol=1e-9)
    assert np.allclose(agreement.z_between(a, b, noise, name="Q")[1:],
                       difference[1:] / (noise.standard_deviation("Q", N)[1:] * np.sqrt(1 / 6 + 1 / 9)), rtol=1e-9)
    assert np.array_equal(agreement.z_between(a, b, name="Q"), -agreement.z_between(b, a, name="Q"), equal_nan=True)


@pytest.mark.filterwarnings("error")
def test_replicas_that_end_early(noise):
    """The count of each time enters; NaN, and no warning, where none is left."""
    run = chain(seed=5, replicas=9, keep="summary")
    cut = chain(seed=5, replicas=9)
    for replica, end in enumerate((1, 2, 3, 3, 3, 3, 3, 4, 4)):  # 9, 8, 7, 2, 0 replicas
        for name in ("G", "S", "strengths", "xi_out", "readout", "error"):
            getattr(cut, name)[replica, end:] = np.nan
    z = agreement.z_scores(cut, noise)
    assert cut.ensemble.count.tolist() == [9, 8, 7, 2, 0]
    assert np.isfinite(z[1:4]).all() and np.isnan(z[[0, 4]]).all()
    expected = agreement.predicted(noise, N, "generalization_error")
    assert z[3] == pytest.approx((cut.generalization_error[7:, 3].mean() - expected.mean[3])
                                 / expected.standard_deviation[3] * np.sqrt(2))
    for given in (noise, None):
        z = agreement.z_between(cut, run, given)
        assert np.isfinite(z[1:4]).all() and np.isnan(z[[0, 4]]).all()
    for name in ("strengths", "readout"):  # not trained: no spread but rounding, whatever the number of replicas
        assert np.isnan(agreement.z_between(run, chain(seed=6, replicas=7), name=name)).all()


def test_converged_runs():
    """Down to 1e-8 of the first ε_g the theory still holds; below that it says that it does not.

    |z| < 5 at each time: 1e-6.
    """
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
    start = om.initial.committee(400, K=1, seed=3, readout="sum", student_size=0.3, weights=False)
    times = np.linspace(0.0, 90.0, 16)
    noise = om.fluctuations(problem, start, times)
    N = 20_000
    run = om.simulate(problem, start, 90.0, "chain", N=N, replicas=8, save_at=times, seed=1)
    error = run.ensemble.mean["generalization_error"]
    trusted = agreement.trusted(noise, N)
    assert error[-1] < 1e-11 and not trusted[-1] and not trusted[error < 1e-10].any()
    assert trusted[error > 1e-8].all()
    z = agreement.z_scores(run, noise)
    assert np.isfinite(z[1:][trusted[1:]]).all() and np.abs(z[1:][trusted[1:]]).max() < 5.0
    trusted[0] = False  # the start has no spread
    spread = (run.ensemble.standard_deviation["generalization_error"][trusted]
              / noise.standard_deviation("generalization_error", N)[trusted])
    assert np.all((0.2 < spread) & (spread < 2.1))  # chi of 7: 1e-4 a side


def test_trusted(noise):
    """Where spread and shift are small against ε_g; not at a small N, and not at the escape from a plateau."""
    assert agreement.trusted(noise, N).all()
    assert agreement.trusted(noise, 4)[0] and not agreement.trusted(noise, 4)[1:].any()
    problem = om.Problem(rates=om.LearningRates(xi_in=1.5))
    start = om.initial.committee(400, K=2, seed=3, readout="sum", student_size=0.3, weights=False)
    times = np.array([0.0, 1.0, 10.0, 20.0, 40.0, 50.0])
    assert agreement.trusted(om.fluctuations(problem, start, times), 400).tolist() == [True] * 4 + [False] * 2


def test_bad_calls(ensemble, noise):
    ode = om.simulate(PROBLEM, START, TIMES[-1], "ode", save_at=TIMES)
    short = om.simulate(PROBLEM, START, 2.0, "chain", N=N, save_at=TIMES[:-1])
    shifted = om.simulate(PROBLEM, START, 4.0, "chain", N=N, save_at=TIMES + np.array([0, 0, 0, 0.1, 0]))
    fresh = om.simulate(PROBLEM, lambda r: om.initial.committee(1000, K=2, seed=3, weights=False, student_seed=r),
                        TIMES[-1], "chain", N=N, replicas=3, save_at=TIMES)
    one = some(ensemble, 0)
    cases = [
        (lambda: agreement.z_scores(ode, noise), "about runs at finite N; got a run of engine ode"),
        (lambda: agreement.z_scores(short, noise), "run and linear-noise theory must have the same times; got 4 times "
         "up to 2 and 5 up to 4: give both the same save_at"),
        (lambda: agreement.z_scores(shifted, noise), "run and linear-noise theory must have the same times"),
        (lambda: agreement.z_scores(fresh, noise), "one start for all replicas; these began from different students"),
        (lambda: agreement.z_scores(ensemble, noise, "colour"), "observable must be a function or one of"),
        (lambda: agreement.z_between(one, ensemble), "a run of one replica shows no spread; give noise="),
        (lambda: agreement.z_between(ensemble, one), "a run of one replica shows no spread"),
        (lambda: agreement.z_between(ensemble, short), "the two runs must have the same times; got 5 times"),
        (lambda: agreement.z_between(ensemble, ode, noise), "got a run of engine ode"),
        (lambda: agreement.z_between(fresh, fresh), "the two runs share their different students"),
        (lambda: agreement.z_between(fresh, ensemble, noise), "these began from different students"),
        (lambda: agreement.z_between(ensemble, ensemble, name="colour"), "name must be one of generalization_error, "),
    ]
    for call, message in cases:
        with pytest.raises(ParameterError) as caught:
            call()
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_independent_students_can_be_compared():
    """Two ensembles of students of their own: 30 against 30, |z| of 4 ε_g < 5.5: 1e-5 false alarms (t of 58)."""
    runs = [om.simulate(PROBLEM, lambda r, first=first: om.initial.committee(
        1000, K=2, seed=3, readout="sum", weights=False, student_seed=first + r), TIMES[-1], "chain", N=N, replicas=30,
        save_at=TIMES, seed=first) for first in (0, 1000)]
    assert np.abs(agreement.z_between(*runs)).max() < 5.5


def test_a_spread_that_is_rounding_is_none():
    """Means of 1/3 over 7 and over 9 replicas differ by the last bit: that is no deviation of many standard errors."""
    value, expected = np.array([1.0, 1.0 / 3.0, 1e-3]), np.array([1.0, 1.0 / 3.0 + 1e-16, 1.1e-3])
    z = agreement._ratio(value, expected, np.array([0.0, 1e-34, 1e-8]))
    assert np.isnan(z[:2]).all() and z[2] == pytest.approx(-1.0)
