"""Two power laws: exact fits against a brute search, and calibration on synthetic networks with known answers."""

import numpy as np
import pytest
from scipy import stats

from onlinemode.deep import power_law
from onlinemode.deep.importance import importance
from onlinemode.deep.power_law import fit_power_law
from onlinemode.errors import ParameterError, ShapeError

P = 70
X = np.log(np.arange(1.0, P + 1.0))
TWO = -0.13 * np.minimum(X - np.log(12.0), 0.0) - 0.82 * np.maximum(X - np.log(12.0), 0.0)
ONE = -0.5 * X


def draw(rng, networks, curve, evenness=1.0):
    """Importances whose mean ln τ is the curve up to a constant; evenness 1: independent modes of a power law."""
    steps = rng.gamma(evenness, 1.0 / evenness, (networks, P - 1)) * np.diff(curve)
    start = 0.05 * rng.standard_normal((networks, 1))
    values = np.exp(np.cumsum(np.concatenate([start, steps], axis=1), axis=1))
    return rng.permuted(values, axis=1)


def test_a_clean_curve_is_found_exactly():
    found = fit_power_law(np.exp(TWO)[::-1])
    assert [slope.value for slope in found.segments.slopes] == pytest.approx([-0.13, -0.82], abs=1e-9)
    assert found.segments.breakpoint.value == pytest.approx(12.0, rel=1e-8)
    assert found.segments.height == pytest.approx(1.0)
    assert found.curve(np.exp(X)) == pytest.approx(np.exp(TWO))
    first, second = found.windows
    assert (first.first, first.last, second.first, second.last) == (1, 10, 11, 70)
    assert first.slope.value == pytest.approx(-0.13) and first.height == pytest.approx(12.0**0.13)
    assert second.slope.value == pytest.approx(stats.linregress(X[10:], TWO[10:]).slope)


@pytest.mark.parametrize("seed", range(6))
def test_the_breakpoint_is_the_best_of_all(seed):
    """Against least squares at 4,000 breakpoints; also where the bend sits at a rank or at the edge."""
    rng = np.random.default_rng(seed)
    n = 25
    x = np.log(np.arange(1.0, n + 1.0))
    y = -0.4 * x - 0.5 * np.maximum(x - rng.uniform(0.5, 3.0), 0.0) + 0.1 * rng.standard_normal(n)

    def residual(at):
        columns = np.stack([np.ones(n), x, np.maximum(x - at, 0.0)], 1)
        left = y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]
        return left @ left

    at, height, one, two = power_law._Fits(x)(y)[0]
    lines = height + np.where(x < at, one, two) * (x - at)
    best = ((y - lines) ** 2).sum()
    scanned = [residual(c) for c in np.linspace(x[2], x[-3], 4000)]
    assert x[2] <= at <= x[-3]
    assert best <= min(scanned) * (1.0 + 1e-9)
    assert best == pytest.approx(residual(at), rel=1e-9)


@pytest.mark.parametrize("networks, sets, least", [(1, 80, (0.87, 0.87, 0.78)), (5, 200, (0.89, 0.88, 0.89))])
def test_intervals_hold_the_truth(networks, sets, least):
    """Coverage of the 95 % intervals over synthetic sets: three standard errors below that measured over 400."""
    rng, held, bent = np.random.default_rng(1), np.zeros(3), 0
    for _ in range(sets):
        found = fit_power_law(draw(rng, networks, TWO))
        for i, (estimate, truth) in enumerate(zip((*found.segments.slopes, found.segments.breakpoint),
                                                  (-0.13, -0.82, 12.0))):
            held[i] += estimate.low <= truth <= estimate.high
        bent += power_law.TWO in found.supported and found.bent == "bent"
    assert np.all(held / sets >= least), held / sets
    if networks > 1:
        assert np.all(held / sets <= 0.995)  # intervals that are too wide are wrong, too
    assert bent / sets > 0.8


@pytest.mark.parametrize("networks, sets", [(1, 80), (5, 200)])
def test_a_single_power_law_is_not_taken_for_two(networks, sets):
    """False-alarm rate 5 % by construction; at most 5 % and three standard errors."""
    rng = np.random.default_rng(2)
    found = [fit_power_law(draw(rng, networks, ONE)) for _ in range(sets)]
    alarms = np.mean([each.bend < 0.05 for each in found])
    assert alarms <= 0.05 + 3.0 * (0.05 * 0.95 / sets) ** 0.5
    assert np.mean([power_law.ONE in each.supported for each in found]) == pytest.approx(1.0 - alarms)


def with_criteria(bend, *bic):
    """A fit whose four forms have these criteria."""
    found = fit_power_law(np.exp(TWO))
    models = tuple(model._replace(bic=value) for model, value in zip(found.models, bic))
    return found._replace(models=models, bend=bend)


@pytest.mark.parametrize("bend, bic, supported, bent", [
    (0.001, (20.0, 1.0, 9.0, 3.1), ("exponential", "two power laws"), "bent"),
    (0.001, (20.0, 1.0, 9.0, 5.1), ("exponential",), "bent"),
    (0.001, (0.0, 5.0, 8.9, 9.1), ("exponential", "parabola"), "bent"),  # one power law is no measure for the others
    (0.05, (20.0, 1.0, 9.0, 3.1), ("exponential", "two power laws", "one power law"), "no bend shown"),
    (0.5, (0.0, 9.0, 9.0, 9.0), ("one power law",), "no bend shown"),
    (np.nan, (0.0, 3.9, 4.1, 9.0), ("one power law", "exponential"), "undefined"),
    (np.nan, (9.0, 3.0, 8.0, 0.0), ("two power laws", "exponential"), "undefined")])
def test_all_forms_near_the_best_are_named(bend, bic, supported, bent):
    found = with_criteria(bend, *bic)
    assert (found.supported, found.bent) == (supported, bent)
    assert found.verdict == ("undecided: " if len(supported) > 1 else "") + ", ".join(supported)


@pytest.mark.parametrize("values", [
    np.tile(np.exp(TWO), (3, 1)), np.tile(np.exp(-ONE), (4, 1)), np.exp(TWO) * np.array([[1.0], [3.0], [7.0]]),
    np.ones((3, 9)), np.ones((1, 9))], ids=["same", "same line", "same but for the height", "flat", "one, flat"])
def test_networks_that_do_not_differ_show_no_bend(values):
    found = fit_power_law(values)
    assert np.isnan(found.bend) and found.bent == "undefined"


@pytest.mark.parametrize("n, kept", [(70, 63), (8, 7), (20, 18), (11, 9)])
def test_a_break_that_the_last_ranks_make(n, kept):
    """A line whose last ranks fall: the break is theirs, and gone without them."""
    x = np.log(np.arange(1.0, n + 1.0))
    y = -0.2 * x - 40.0 * np.maximum(x - x[-4], 0.0)
    if n == 70:
        y -= 0.1 * np.maximum(x - x[19], 0.0)
    found = fit_power_law(np.exp(y))
    assert found.without_tail.ranks == kept
    alone = fit_power_law(np.exp(y[:kept])).segments if kept >= power_law.LEAST_MODES else None
    if alone:
        assert found.without_tail.slopes == pytest.approx([slope.value for slope in alone.slopes])
        assert found.without_tail.at_edge == alone.at_edge
    if n == 70:
        assert found.segments.breakpoint.value > 63.0 and found.segments.slopes[1].value < -1.0
        assert found.without_tail.breakpoint == pytest.approx(20.0)
        assert found.without_tail.slopes == pytest.approx([-0.2, -0.3])
        assert not found.without_tail.at_edge


@pytest.mark.parametrize("rank, at_edge", [(3.0, True), (3.5, True), (4.2, False), (20.0, False), (66.5, False),
                                           (67.5, True), (68.0, True)])
def test_a_break_at_the_edge(rank, at_edge):
    """Three ranks, the fewest allowed, on one side."""
    found = fit_power_law(np.exp(-0.2 * X - np.maximum(X - np.log(rank), 0.0))).segments
    assert found.breakpoint.value == pytest.approx(rank, rel=1e-6) and found.at_edge == at_edge


@pytest.mark.parametrize("networks, confidence, reach", [(1, 0.95, 1.96), (2, 0.9, 1.645), (5, 0.95, 2.776)])
def test_standard_errors_are_those_of_the_intervals(networks, confidence, reach):
    found = fit_power_law(draw(np.random.default_rng(9), networks, TWO), confidence=confidence)
    for each in (*found.segments.slopes, found.segments.breakpoint, *(window.slope for window in found.windows)):
        assert each.standard_error == pytest.approx((each.high - each.low) / (2.0 * reach), rel=1e-3)


def test_slopes_of_dense_layers_are_those_of_shifted_singular_values():
    """Why they cannot be compared with others: unit vectors add the mean to each, theory 11.1."""
    rng = np.random.default_rng(10)
    U, V = (np.linalg.qr(rng.standard_normal((n, 9)))[0] for n in (20, 30))
    sigma = np.geomspace(8.0, 0.1, 9)
    assert importance(U.T, sigma, V) == pytest.approx(sigma.mean() + sigma)


def test_other_bent_forms_are_told_apart():
    rng = np.random.default_rng(4)
    ranks = np.exp(X)
    for name, curve in (("exponential", -ranks / 20.0), ("parabola", -0.2 * X - 0.3 * X**2)):
        found = [fit_power_law(draw(rng, 5, curve, evenness=4.0)).supported for _ in range(20)]
        assert sum(name in each for each in found) >= 18, (name, found)
        assert sum(each[0] == name for each in found) >= 15, (name, found)


def test_criteria_are_those_of_the_residuals():
    found = fit_power_law(draw(np.random.default_rng(5), 4, TWO))
    effective = P * (1.0 - found.correlation) / (1.0 + found.correlation)
    assert found.effective_ranks == pytest.approx(effective)
    assert [model.parameters for model in found.models] == [3, 3, 4, 5]
    for model in found.models:
        fit = effective * np.log(model.residual / P)
        assert model.aic == pytest.approx(fit + 2.0 * model.parameters)
        assert model.bic == pytest.approx(fit + model.parameters * max(np.log(effective), 2.0))


def test_bic_never_penalises_less_than_aic():
    """Also where few ranks count as independent: e² = 7.4."""
    few = fit_power_law(np.exp(-(np.exp(X) / 20.0)**1.5))
    assert few.effective_ranks < 7.0
    for found in (few, fit_power_law(draw(np.random.default_rng(5), 4, TWO))):
        assert all(model.bic >= model.aic - 1e-9 for model in found.models)
    assert [model.bic for model in few.models] == pytest.approx([model.aic for model in few.models])


def test_single_line_residual_is_that_of_a_regression():
    values = draw(np.random.default_rng(6), 3, TWO)
    mean = np.log(-np.sort(-values)).mean(0)
    line = stats.linregress(X, mean)
    expected = ((mean - line.intercept - line.slope * X) ** 2).sum()
    assert fit_power_law(values).models[0].residual == pytest.approx(expected)


def test_jackknife_of_a_linear_statistic_is_the_plain_error():
    """The slope in a fixed window is linear in ln τ: mean and standard error over networks, Student's interval."""
    values = draw(np.random.default_rng(7), 6, TWO)
    slopes = [stats.linregress(X[:10], row[:10]).slope for row in np.log(-np.sort(-values))]
    window = fit_power_law(values, confidence=0.9).windows[0].slope
    assert window.value == pytest.approx(np.mean(slopes))
    assert window.standard_error == pytest.approx(stats.sem(slopes))
    assert (window.low, window.high) == pytest.approx(stats.t.interval(0.9, 5, np.mean(slopes), stats.sem(slopes)))


def test_the_same_seed_gives_the_same_interval():
    values = draw(np.random.default_rng(8), 1, TWO)
    assert fit_power_law(values) == fit_power_law(values)
    assert fit_power_law(values, seed=1).segments.slopes[0].low != fit_power_law(values).segments.slopes[0].low


def test_windows_are_cut_to_the_modes():
    found = fit_power_law(np.exp(TWO)[:12])
    assert [(window.first, window.last) for window in found.windows] == [(1, 10)]  # 11 to 12 is no line


@pytest.mark.parametrize("values, error, message", [
    (np.ones((2, 7)), ParameterError, "at least 8 modes; got 7"),
    (np.arange(10.0), ParameterError, "importances above 0; 1 of 10 are not"),
    (np.full(10, np.nan), ParameterError, "values must be finite"),
    (np.ones((2, 10, 2)), ShapeError, "values must have shape")])
def test_bad_input(values, error, message):
    with pytest.raises(error, match=message):
        fit_power_law(values)


def test_bad_confidence():
    with pytest.raises(ParameterError, match="confidence must be"):
        fit_power_law(np.ones(10), confidence=1.0)
