"""What the analysis says of the points of a sweep, against the analysis of single problems, and as arrays of xarray."""

from unittest.mock import Mock

import numpy as np
import pytest

import onlinemode as om
from onlinemode.errors import ParameterError
from onlinemode.sweeps.quantities import QUANTITIES, finding_of, numbers_of, put

BASE = om.Experiment(engine="ode", init="committee", K=2, readout="sum", N=10**6, alpha=150.0, save_at=5)
ALL = tuple(QUANTITIES)
SYMMETRIC = om.initial.from_overlaps(Q=0.1 * np.eye(2), R=np.zeros((2, 2)), T=np.eye(2), readout="sum")


def at_share_of_critical_rate(ratio):
    base = BASE.replace(noise=0.1, alpha=20.0)
    return base.replace(eta=ratio * om.critical_rate(base.problem(), base.start()).rate)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep") / "swept"
    om.sweep(BASE, {"noise": [0.0, 0.3], "eta": [1.0, 2.5]}, keep=(*ALL, "generalization_error"), store=folder)
    return om.open_sweep(folder)


def test_values_are_those_of_single_problems(swept):
    for noise in (0.0, 0.3):
        for eta in (1.0, 2.5):
            experiment = BASE.replace(noise=noise, eta=eta)
            problem, start, point = experiment.problem(), experiment.start(), swept.sel(noise=noise, eta=eta)
            rate, floor = om.critical_rate(problem, start), om.noise_floor(problem, start)
            assert point.critical_rate == rate.rate and point.critical_rate_finding == "found"
            assert np.array_equal(point.noise_floor, floor.level, equal_nan=True)
            assert str(point.noise_floor_finding.values).startswith(floor.status.value)
            saddle = min(om.fixed_points(problem, start, 150.0).plateaus, key=lambda each: each.distance)
            assert point.saddle_level == saddle.level and point.saddle_rate == saddle.rate
            assert point.saddle_distance == saddle.distance
    assert np.isnan(swept.escape_mean).all() and np.isnan(swept.escape_sd).all()
    assert all(str(each).startswith("none: ") for each in swept.escape_law_finding.values.ravel())
    # the noiseless student above its critical rate is unstable, and says so; below it is perfect
    assert swept.noise_floor.sel(noise=0.0, eta=1.0) < 1e-14
    assert str(swept.noise_floor_finding.sel(noise=0.0, eta=2.5).values).startswith("unstable: ")


def test_names_and_labels(swept):
    names = [*numbers_of(ALL), *map(finding_of, ALL)]
    assert set(names) < set(swept) and list(swept)[-2:] == ["generalization_error", "seconds"]
    for name, number in numbers_of(ALL).items():
        assert swept[name].long_name == number.long_name and swept[name].symbol == number.symbol
        assert swept[name].units == number.units and swept[name].dims == ("noise", "eta")
    one = om.sweep(BASE.replace(alpha=5.0), {"eta": [1.0]}, keep="critical_rate")
    assert one.critical_rate.values == pytest.approx(2.306828, abs=1e-6)
    assert not set(names) & set(one) - {"critical_rate", "critical_rate_finding"}


def test_escape_from_given_overlaps():
    experiment = BASE.replace(overlaps=SYMMETRIC, eta=1.0)
    swept = om.sweep(experiment, {"N": [10**3, 10**9]}, keep="escape_law")
    one = om.escape_law(experiment.problem(), SYMMETRIC, 10**3)
    for N in (10**3, 10**9):
        law = one.at(N)
        assert swept.escape_mean.sel(N=N) == law.mean and swept.escape_sd.sel(N=N) == law.sd
    gained = np.log(10**6) / (2.0 * law.rate)
    assert float(swept.escape_mean[1] - swept.escape_mean[0]) == pytest.approx(gained, rel=1e-9)


def test_what_is_refused_is_said_and_stops_nothing():
    swept = om.sweep(BASE.replace(alpha=5.0), {"eta": ["1.0", "inverse:1,10"]}, keep="noise_floor")
    words = swept.noise_floor_finding.values
    assert (swept.status == "completed").all() and words[0] == "found"
    assert words[1].startswith("refused: fixed points are those of equations that do not change")


def test_an_analysis_that_fails_costs_no_run(monkeypatch):
    def fails(run):
        raise np.linalg.LinAlgError("SVD did not\nconverge")

    monkeypatch.setitem(QUANTITIES, "saddle", QUANTITIES["saddle"]._replace(find=fails))
    swept = om.sweep(BASE.replace(alpha=5.0), {"eta": [1.0]}, keep=("saddle", "noise_floor"))
    assert swept.status.values == "completed" and np.isnan(swept.saddle_level) and np.isfinite(swept.noise_floor)
    assert swept.saddle_finding.values == "failed: LinAlgError: SVD did not converge"
    for stops in (MemoryError, KeyboardInterrupt):
        monkeypatch.setitem(QUANTITIES, "saddle", QUANTITIES["saddle"]._replace(find=Mock(side_effect=stops)))
        with pytest.raises(stops):
            put({}, None, ("saddle",))


def test_runs_without_a_law_of_escape_say_why():
    of_ode = om.Experiment(engine="ode", N=None, overlaps=SYMMETRIC, alpha=1.0, save_at=2)
    assert om.sweep(of_ode, {"eta": [1.0]}, keep="escape_law").escape_law_finding.values == (
        "refused: the law of escape needs N, the number of inputs; got a run of the mean-field equations without it: "
        "give N")
    fresh = BASE.replace(fresh_students=True, replicas=2, alpha=1.0)
    found = str(om.sweep(fresh, {"eta": [1.0]}, keep="escape_law").escape_law_finding.values[0])
    assert found.startswith("refused: the law of escape is that of runs from one start; got 2 replicas")


def test_a_learning_rate_in_units_of_the_critical_one():
    """An axis that the analysis gives, by a function that makes experiments."""
    swept = om.sweep(at_share_of_critical_rate, {"ratio": [0.25, 0.5]}, keep=("critical_rate", "noise_floor"))
    assert swept.critical_rate.values == pytest.approx([2.306828] * 2, abs=1e-6)
    assert 0.0 < swept.noise_floor[0] < swept.noise_floor[1]


def test_unknown_names_are_refused_with_all_that_there_are():
    with pytest.raises(ParameterError, match="of its theory critical_rate, noise_floor, saddle, escape_law, and runs"):
        om.sweep(BASE, {"eta": [1.0]}, keep="floor")


# -- as arrays of xarray -------------------------------------------------------------------------


def test_fixed_points_as_arrays():
    experiment = BASE.replace(eta=1.0)
    points = om.fixed_points(experiment.problem(), experiment.start(), 400.0)
    data = points.to_xarray()
    assert data.sizes["point"] == len(points) > 1 and data.complete == 1
    for number, point in enumerate(points):
        row = data.isel(point=number)
        assert row.generalization_error == point.level and row.distance == point.distance
        assert np.array_equal(row.growth, point.rates.real) and np.array_equal(row.frequency, point.rates.imag)
        assert np.array_equal(row.R, point.state.R) and np.array_equal(row.S, point.state.S)
        assert row.unstable == point.unstable and row.status == "found"


def test_fixed_points_that_are_not_found_as_arrays():
    """Rates at which norms run away, so fast at the larger one that no derivative is finite at the end."""
    for eta in (6.0, 12.0):
        experiment = BASE.replace(eta=eta)
        points = om.fixed_points(experiment.problem(), experiment.start(), 200.0)
        data = points.to_xarray()
        assert data.sizes == {"point": 1, "direction": 0} and "R" not in data
        assert np.isnan(data.generalization_error).all() and data.status.values.tolist() == ["not converged"]
        assert data.message.values.tolist() == [points[0].message]


def test_the_other_records_as_arrays():
    experiment = BASE.replace(eta=1.0, noise=0.3)
    problem, start = experiment.problem(), experiment.start()
    rate, floor = om.critical_rate(problem, start), om.noise_floor(problem, start)
    assert rate.to_xarray().rate == rate.rate and rate.to_xarray().factor == rate.factor
    assert floor.to_xarray().level == floor.level and floor.to_xarray().rate == floor.point.rate
    assert floor.to_xarray().status == "found"
    law = om.escape_law(om.Problem(rates=om.LearningRates(xi_in=1.0)), SYMMETRIC, 1000)
    data = law.to_xarray([10**3, 10**6], [0.1, 0.9])
    assert data["mean"].values.tolist() == [law.mean, law.at(10**6).mean] and data["mean"].units == "steps/N"
    assert np.array_equal(data["quantile"].sel(N=1000), law.quantile([0.1, 0.9]))
    with pytest.raises(ParameterError, match=r"N must be a whole number ≥ 1 and .*; got 100\.5$"):
        law.to_xarray([100.5])
    assert law.to_xarray().sizes == {"N": 1, "probability": 5} and (data.status == "found").all()
    none = om.escape_law(problem, start, 10**6).to_xarray()
    assert np.isnan(none["mean"]).all() and none.status.values[0] == "none"
    assert none.message.values[0].startswith("the run leaves the plateau without noise")
