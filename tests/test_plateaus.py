"""Plateaus and steps: of curves made by hand, and of runs."""

import numpy as np
import pytest

import onlinemode as om
from onlinemode.observables import (
    Plateau,
    find_plateaus,
    first_time,
    specialization_steps,
)


def staircase(alpha, *pieces):
    """exp of a piecewise linear function of ln α: (until α, slope) one after the other."""
    x, log, begin = np.log(alpha), np.zeros(alpha.size), np.log(alpha[0])
    for until, slope in pieces:
        end = np.log(until)
        log += slope * np.clip(x - begin, 0.0, end - begin)
        begin = end
    return np.exp(log)


ALPHA = np.geomspace(0.1, 1e4, 400)


STEP = np.log(ALPHA[1] / ALPHA[0])


def test_one_plateau():
    """A fall, a plateau from 10 to 100, a fall to the end."""
    error = staircase(ALPHA, (10.0, -1.0), (100.0, -0.02), (1e4, -2.0))
    (found,) = find_plateaus(ALPHA, error)
    assert isinstance(found, Plateau)
    assert found.start == pytest.approx(10.0, rel=2.0 * STEP)
    assert found.stop == pytest.approx(100.0, rel=2.0 * STEP)
    assert found.level == pytest.approx(0.01 * 10.0**-0.01, rel=0.01)


def test_two_plateaus():
    error = staircase(ALPHA, (1.0, -1.0), (10.0, 0.0), (30.0, -1.5), (500.0, 0.05), (1e4, -1.0))
    first, second = find_plateaus(ALPHA, error)
    assert (first.start, first.stop) == (pytest.approx(1.0, rel=2 * STEP), pytest.approx(10.0, rel=2 * STEP))
    assert (second.start, second.stop) == (pytest.approx(30.0, rel=2 * STEP), pytest.approx(500.0, rel=2 * STEP))


@pytest.mark.parametrize("pieces", [
    [(10.0, 0.0), (1e4, -1.0)],  # the start of a run
    [(0.12, -0.2), (10.0, 0.0), (1e4, -1.0)],  # the same, after a fall of 4 %
    [(10.0, -1.0), (1e4, 0.0)],  # the floor at its end
    [(10.0, -1.0), (100.0, 0.0), (1e4, 0.5)],  # ends in a rise
    [(10.0, -1.0), (10.5, 0.0), (1e4, -1.0)],  # too short
    [(10.0, -1.0), (100.0, -0.4), (1e4, -1.0)],  # too steep
    [(10.0, -0.24), (100.0, -0.2), (1e4, -0.24)],  # too shallow
    [(10.0, -1.0), (100.0, 0.0), (110.0, -1.0), (1e4, 0.0)],  # a fall of 9 % after it
    [(1e4, -1.0)],
    [(1e4, -0.2)],
])
def test_no_plateau(pieces):
    assert find_plateaus(ALPHA, staircase(ALPHA, *pieces)) == []


def test_thresholds():
    steep = staircase(ALPHA, (10.0, -1.0), (100.0, -0.4), (1e4, -1.0))
    (found,) = find_plateaus(ALPHA, steep, slope=0.5)
    assert found.prominence == pytest.approx(0.6 * np.log(10.0), rel=0.02)
    short = staircase(ALPHA, (10.0, -1.0), (15.0, 0.0), (1e4, -1.0))
    (found,) = find_plateaus(ALPHA, short)
    assert found.prominence == pytest.approx(np.log(1.5), rel=0.1)
    assert find_plateaus(ALPHA, short, prominence=0.5) == []


def test_slowest_point_and_prominence():
    """ε_g = exp(−x − 0.9 sin x) with x = ln α: steepness 1 + 0.9 cos x, slowest at π between falls at 0 and 2π.

    The weight is −cos x from π/2 to 3π/2, so the length is 2, and the prominence 1.8 times that.
    """
    x = np.linspace(-1.0, 2.0 * np.pi + 0.5, 400)
    (found,) = find_plateaus(np.exp(x), np.exp(-x - 0.9 * np.sin(x)))
    assert np.log(found.slowest) == pytest.approx(np.pi, abs=0.02)
    assert np.log(found.start) == pytest.approx(np.pi - 1.0, abs=0.02)
    assert np.log(found.stop) == pytest.approx(np.pi + 1.0, abs=0.02)
    assert found.level == pytest.approx(np.exp(-np.pi), rel=0.02)
    assert found.prominence == pytest.approx(3.6, rel=0.01)


def committee_of_three(eta):
    start = om.initial.committee(1000, K=3, readout="sum", weights=False)
    return om.simulate(om.Problem(rates=om.LearningRates(xi_in=eta)), start, 1000.0, "ode", save_at=300)


def test_plateaus_vary_smoothly_with_the_learning_rate():
    """From η = 0.5 to 1.7 the plateau is always there, and moves by less than a factor of two at a time.

    Its largest step is where a second fall parts from the first, near η = 1.1.
    """
    runs = [committee_of_three(float(eta)) for eta in np.arange(0.5, 1.701, 0.05)]
    longest = [max(run.plateaus(), key=lambda plateau: plateau.stop / plateau.start) for run in runs]
    steps = np.abs(np.diff(np.log([plateau[:3] for plateau in longest]), axis=0)).max(0)
    assert steps[0] < np.log(2.0) and steps[1] < np.log(1.25) and steps[2] < np.log(1.15)
    assert min(plateau.prominence for plateau in longest) > 0.5
    assert min(plateau.level for run in runs for plateau in run.plateaus()) > 1e-3  # none in the rounding at the end


def test_rounding_at_the_end_is_no_plateau():
    """A curve that falls through 1e-12 on to rounding that falls, rests and falls again."""
    alpha = np.geomspace(0.1, 1e4, 500)
    error = 0.1 * np.exp(-np.minimum(alpha, 28.0)) * np.where(alpha > 2e3, 1e-2, 1.0) + 1e-15
    assert [plateau.level < 1e-12 for plateau in find_plateaus(alpha, error)] == [True]
    assert find_plateaus(alpha, error, floor=1e-12) == []
    run = committee_of_three(1.0)
    assert run.plateaus(floor=1e-1) != run.plateaus() == run.plateaus(floor=1e-12)


def test_two_plateaus_that_anyone_sees():
    start = om.initial.committee(1000, K=6, M=2, readout="sum")
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=0.5)), start, 1000.0, "ode")
    first, second = run.plateaus()
    assert first.start < 14.0 < first.stop < 30.0 and 100.0 < second.start < 165.0 < second.stop < 210.0
    assert first.level == pytest.approx(0.136, rel=0.05) and second.level == pytest.approx(0.067, rel=0.05)


def test_a_noisy_floor_has_no_plateau():
    """Label noise, N = 1,000: ε_g stays at its floor; no false alarm in 20 runs."""
    start = om.initial.committee(1000, K=1, readout="sum", weights=False)
    run = om.simulate(om.Problem(noise=0.3, rates=om.LearningRates(xi_in=1.0)), start, 300.0, "chain", N=1000,
                      replicas=20, save_at=100)
    assert [run.plateaus(replica) for replica in range(20)] == [[]] * 20


def test_noisy_plateau_needs_smoothing():
    rng = np.random.default_rng(4)
    error = staircase(ALPHA, (10.0, -1.0), (300.0, -0.01), (1e4, -2.0)) * np.exp(0.01 * rng.standard_normal(400))
    assert all(found.stop < 1.5 * found.start for found in find_plateaus(ALPHA, error))
    (found,) = find_plateaus(ALPHA, error, smoothing=0.2)
    assert found.start == pytest.approx(10.0, rel=0.25)
    assert found.stop == pytest.approx(300.0, rel=0.25)


def test_curves_with_gaps():
    """α = 0, duplicates, NaN and vanishing errors are left out; too few samples give nothing."""
    error = staircase(ALPHA, (10.0, -1.0), (100.0, 0.0), (1e4, -2.0))
    expected = find_plateaus(ALPHA, error)
    alpha = np.concatenate([[0.0], ALPHA, [2e4, 3e4], ALPHA[-1:]])
    values = np.concatenate([[0.7], error, [np.nan, 0.0], error[-1:]])
    assert np.allclose(find_plateaus(alpha, values), expected, rtol=0.02)
    assert find_plateaus(ALPHA[:7], error[:7]) == []
    assert find_plateaus(ALPHA, np.full(400, np.nan)) == []
    assert find_plateaus(ALPHA, np.zeros(400)) == []


def test_sampling_does_not_matter():
    """The same curve with few samples, unevenly spaced."""
    alpha = np.sort(np.exp(np.random.default_rng(1).uniform(np.log(0.1), np.log(1e4), 120)))
    (found,) = find_plateaus(alpha, staircase(alpha, (10.0, -1.0), (100.0, -0.02), (1e4, -2.0)))
    assert found.start == pytest.approx(10.0, rel=0.3)
    assert found.stop == pytest.approx(100.0, rel=0.3)


def test_specialization_steps():
    """Two sigmoids in ln α rise fastest at their centres."""
    x = np.log(ALPHA)
    values = 0.4 / (1.0 + np.exp(-6.0 * (x - np.log(5.0)))) + 0.5 / (1.0 + np.exp(-6.0 * (x - np.log(200.0))))
    assert np.allclose(specialization_steps(ALPHA, values), [5.0, 200.0], rtol=0.05)
    assert specialization_steps(ALPHA, 0.02 * values).size == 0  # below the least height
    assert specialization_steps(ALPHA, np.full(400, 0.3)).size == 0
    assert specialization_steps(ALPHA, 1.0 - values).size == 0  # a fall is no step
    assert specialization_steps(ALPHA[:5], values[:5]).size == 0


def test_first_time():
    """Between saved times, at one, from the start, after missing values, after a fall, never; any leading axes."""
    alpha = np.array([0.0, 1.0, 3.0, 7.0])
    nan = np.nan
    curves = np.array([[0.0, 0.25, 0.75, 1.0], [0.0, 0.5, 0.6, 0.1], [0.6, 0.1, 0.2, 0.9], [nan, nan, 0.7, 0.8],
                       [0.1, 0.2, 0.3, 0.9], [0.1, 0.2, nan, nan]])
    expected = [2.0, 1.0, 0.0, 3.0, 3.0 + 4.0 / 3.0, nan]
    assert np.allclose(first_time(alpha, curves), expected, equal_nan=True)
    assert np.allclose(first_time(alpha, curves.reshape(2, 3, 4)).ravel(), expected, equal_nan=True)
    assert first_time(alpha, curves[0], level=0.8) == pytest.approx(3.8)


def test_times_of_specialization_of_a_run():
    start = om.initial.committee(200, K=2, readout="sum")
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=1.5)), start, 60.0, "chain", replicas=8, save_at=61)
    times = run.specialized_at()
    assert times.shape == (8,) and np.isfinite(times).any()
    for curve, time in zip(run.specialization, times):
        if np.isnan(time):
            assert curve.max() < 0.5
        else:
            assert curve[run.alpha < time].max() < 0.5 and np.interp(time, run.alpha, curve) == pytest.approx(0.5)
    assert (run.specialized_at(0.3) <= times)[np.isfinite(times)].all()


def test_plateaus_and_steps_of_a_run():
    """Committee of two: a plateau, and the step that ends it."""
    start = om.initial.committee(1000, K=2, seed=0, readout="sum")
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=1.5)), start, 200.0, "ode")
    (found,) = run.plateaus()
    (step,) = run.specialization_steps()
    assert found.start < found.stop < step < 3.0 * found.stop
    assert found.level == pytest.approx(0.038, abs=0.002)
    assert run.specialization[0, 0] < 0.3
    assert run.specialization[0, -1] > 0.999


def test_plateau_of_a_simulation_is_that_of_the_theory():
    start = om.initial.committee(1000, K=2, seed=0, readout="sum", student_size=0.01)
    problem = om.Problem(rates=om.LearningRates(xi_in=0.5))
    (theory,) = om.simulate(problem, start, 300.0, "ode").plateaus()
    run = om.simulate(problem, start, 300.0, "micro", replicas=2, save_at=100)
    for r in range(2):
        (found,) = run.plateaus(r, smoothing=0.3)
        assert found.start == pytest.approx(theory.start, rel=0.3)
        assert found.stop == pytest.approx(theory.stop, rel=0.4)
        assert found.level == pytest.approx(theory.level, rel=0.1)


@pytest.mark.parametrize("values, level, message", [
    (np.zeros(3), 0.5, r"values must have the shape \(..., 4\), as alpha has 4 times; got \(3,\)"),
    (np.zeros((2, 5)), 0.5, r"values must have the shape \(..., 4\)"), (0.3, 0.5, "values must have the shape"),
    (np.zeros(4), "high", "level must be a finite number; got 'high'")])
def test_first_time_of_what_does_not_fit(values, level, message):
    with pytest.raises((om.errors.ShapeError, om.errors.ParameterError), match=message):
        first_time(np.arange(4.0), values, level)
