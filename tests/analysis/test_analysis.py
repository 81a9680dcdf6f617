"""Equations as a function, fixed points, critical rates, noise floors, escape laws: against closed forms and runs.

Numbers of docs/theory, section 19.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import onlinemode as om
from onlinemode.analysis.findings import Finding
from onlinemode.errors import EngineError, OnlineModeError, ParameterError, ShapeError
from onlinemode.theory import differences

MODES = om.LearningRates(xi_in=1.0)


def problem(rate=1.0, **changes):
    return om.Problem(rates=om.LearningRates(xi_in=rate), **changes)


def committee(K, Q=1.0, R=1.0, M=None):
    """Identical units: by default the perfect student of an orthonormal teacher."""
    M = K if M is None else M
    return om.initial.from_overlaps(Q=Q * np.eye(K), R=R * np.eye(K, M), T=np.eye(M), readout="sum")


@pytest.fixture
def moving(random_weights, all_rates):
    """A state in which everything moves, and its problem."""
    start = random_weights(20, K=3, M=2, P=4, seed=5).order_parameters()
    return om.Problem(rates=all_rates, noise=0.3, weight_decay=0.1), start


def test_drift_is_that_of_the_engine(moving):
    drift = om.drift(*moving)
    path = solve_ivp(drift, (0.0, 3.0), drift.y0, method="LSODA", jac=drift.jacobian, rtol=1e-10, atol=1e-12)
    run = om.simulate(*moving, alpha=3.0, engine="ode", rtol=1e-10, atol=1e-12)
    end = drift.blocks(path.y[:, -1])
    for name in ("G", "S", "strengths", "xi_out", "readout"):
        np.testing.assert_allclose(end[name], getattr(run, name)[0, -1], atol=1e-8)
    np.testing.assert_allclose(drift.generalization_error(path.y[:, -1]), run.generalization_error[0, -1], rtol=1e-7)


def test_names_blocks_and_states_agree(moving):
    _, start = moving
    drift = om.drift(*moving)
    assert drift.size == len(drift.names) == 10 + 8 + 4 + 12 + 3
    assert drift.names[1] == "G[0,1]" and drift.names[10] == "S[0,0]" and drift.names[-1] == "readout[2]"
    assert drift.y0[1] == start.G[0, 1] and drift.y0[11] == start.S[0, 1] and drift.y0[-1] == start.readout[2]
    assert drift.state(drift.y0).is_close(start, 0.0, 0.0)
    np.testing.assert_array_equal(drift.vector(start), drift.y0)


def test_drift_takes_states_along_leading_axes(moving):
    drift = om.drift(*moving)
    states = drift.y0 * np.linspace(0.8, 1.2, 6).reshape(2, 3, 1)
    rates, jacobians = drift(0.0, states), drift.jacobian(0.0, states)
    assert rates.shape == states.shape and jacobians.shape == (*states.shape, drift.size)
    np.testing.assert_array_equal(rates[1, 2], drift(0.0, states[1, 2]))
    np.testing.assert_array_equal(jacobians[0, 1], drift.jacobian(0.0, states[0, 1]))
    assert drift.generalization_error(states).shape == (2, 3)
    with pytest.raises(ShapeError, match="37 entries along its last axis"):
        drift(0.0, states[..., 1:])


@pytest.mark.parametrize("activation, error", [("erf", 3e-9), ("tanh", 1e-6), ("linear", 1e-8)])
def test_jacobian_against_differences(moving, activation, error):
    """Of the second order, which are right to about 1e-8 alone."""
    given, start = moving
    drift = om.drift(replace(given, activation=activation), start)
    J, other = drift.jacobian(0.0, drift.y0), differences.jacobian(lambda y: drift(0.0, y), drift.y0, smooth=False)
    off = np.abs(J - other).max() / np.abs(J).max()
    assert off < 100 * error  # the size of the errors of the coarse differences
    rows = J.copy()
    rows[[0, 12]] = rows[[12, 0]]  # two rows exchanged
    assert np.abs(rows - other).max() / np.abs(J).max() > 1e-2


def test_jacobian_of_schedules_is_that_of_the_time(moving):
    given, start = moving
    scheduled = om.drift(replace(given, rates=om.LearningRates(xi_in=om.Schedule.exponential(2.0, 5.0))), start)
    constant = om.drift(replace(given, rates=om.LearningRates(xi_in=2.0 * np.exp(-1.0))), start)
    np.testing.assert_allclose(scheduled.jacobian(5.0, scheduled.y0), constant.jacobian(0.0, constant.y0), rtol=1e-12)
    assert np.abs(scheduled.jacobian(0.0, scheduled.y0) - constant.jacobian(0.0, constant.y0)).max() > 0.1


def test_tasks_have_the_mean_jacobian():
    start = om.initial.tasks(200, K=2, overlap=0.3, weights=False)
    drift = om.drift(problem(tasks=om.Tasks((0.3, 0.7))), start)
    J = drift.jacobian(0.0, drift.y0)
    np.testing.assert_allclose(J, differences.jacobian(lambda y: drift(0.0, y), drift.y0), atol=1e-10)


def plateau(K):
    """Saad and Solla's symmetric plateau at small rates: ε_g and the rate of escape over η."""
    level = K / np.pi * (np.pi / 6.0 - K * np.arcsin(0.5 / K))
    return level, 2.0 / np.pi * K / ((2 * K - 1) ** 0.5 * (2 * K + 1) ** 1.5)


@pytest.mark.parametrize("K", [2, 3, 4])
def test_symmetric_plateau_at_small_rates(K):
    """Extrapolated to η = 0 from two rates: level and rate of Saad and Solla (1995), (K − 1)² unstable directions."""
    found = []
    for rate in (1e-3, 2e-3):
        points = om.fixed_points(problem(rate), committee(K, Q=0.1, R=0.0), alpha=500.0 / rate)
        found.append(points.plateaus[-1])
    level, growth = (2.0 * one - other for one, other in ((found[0].level, found[1].level),
                                                          (found[0].rate / 1e-3, found[1].rate / 2e-3)))
    expected_level, expected_growth = plateau(K)
    assert level == pytest.approx(expected_level, rel=1e-4)
    assert growth == pytest.approx(expected_growth, rel=1e-4)
    assert {point.multiplicity for point in found} == {point.unstable for point in found} == {(K - 1) ** 2}
    assert found[1].level != pytest.approx(expected_level, rel=1e-4)  # not without the extrapolation


def test_plateau_of_a_run_from_random_weights():
    """K = 2, η = 1: ε_g = 0.020656 and λ = 0.05914, which the run passes while its speed grows."""
    start = om.initial.committee(N=10**8, K=2, readout="sum", weights=False)
    found = om.fixed_points(problem(), start, alpha=400.0)
    assert len(found) == 3 and found.complete
    last = found.plateaus[-1]
    assert last.level == pytest.approx(0.0206565, abs=1e-6)
    assert last.rate == pytest.approx(0.0591404, abs=1e-6)
    assert 50.0 < last.alpha < 150.0 and last.distance < 0.1 and last.unstable == 1
    end = found[-1]
    assert end.level < 1e-12 and end.unstable == 0 and end.rate < 0.0 and end not in found.plateaus
    drift = found.drift
    assert all(np.abs(drift(0.0, point.y)).max() < 1e-10 for point in found)
    assert "3 unstable" in repr(found) and "0.0206565" in repr(last)


def test_end_without_a_fixed_point_says_so():
    """More student than teacher units, with noise: the run has not come to its end."""
    start = om.initial.committee(N=10**6, K=4, M=2, readout="sum", weights=False)
    found = om.fixed_points(problem(0.5, noise=0.1), start, alpha=3000.0)
    assert found[-1].status is Finding.NOT_CONVERGED and np.isnan(found[-1].level) and found[-1].state is None
    assert "not converged" in repr(found)


def test_redundant_modes_have_no_rate():
    """P = 3 modes for K = 2 units: some directions leave both units as they are."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((3, 40))
    A = rng.standard_normal((2, 3))
    T = A @ (X @ X.T / 40) @ A.T
    start = om.OrderParameters(G=X @ X.T / 40, S=X @ X.T / 40 @ A.T, T=T, strengths=np.ones(3), xi_out=A,
                               readout=np.ones(2), teacher_readout=np.ones(2))
    point = om.fixed_points(problem(0.1), start, alpha=10.0)[-1]
    assert point.zero > 0 and point.unstable == 0


CRITICAL = {1: np.pi * np.sqrt(5.0 / 3.0), 2: 2.30683, 3: 1.62067, 4: 1.24939, 5: 1.01645}


@pytest.mark.parametrize("K", CRITICAL)
def test_critical_rate_of_a_committee(K):
    """The closed boundary of the phase diagram, in the sum convention with T = I."""
    found = om.critical_rate(problem(0.1), committee(K, Q=0.2, R=0.1))
    assert found.rate == pytest.approx(CRITICAL[K], rel=1e-11 if K == 1 else 5e-6)
    assert found.factor == pytest.approx(10.0 * found.rate)


@pytest.mark.parametrize("K", [1, 2, 3])
def test_critical_rate_of_linear_units(K):
    """The field error vᵀDv decays as −2η|v|² + η²|v|⁴, so the rate is 2/|v|²."""
    found = om.critical_rate(problem(0.1, activation="linear"), committee(K))
    assert found.rate == pytest.approx(2.0 / K, rel=1e-9)


@pytest.mark.parametrize("K, P, expected", [(4, 2, 17.41191), (3, 3, 6.640046), (2, 4, 3.977179)])
def test_critical_rate_of_modes(K, P, expected):
    """Random factors, against the largest eigenvalue of L⁻¹V, computed apart from the drift."""
    rng = np.random.default_rng(2)
    for k, p in ((4, 2), (3, 3), (2, 4)):
        A, s, X = rng.standard_normal((k, p)), rng.uniform(0.5, 1.5, p), rng.standard_normal((p, 50))
        if (k, p) == (K, P):
            break
    G = X @ X.T / 50
    start = om.OrderParameters(G=G, S=G @ (A * s).T, T=(A * s) @ G @ (A * s).T, strengths=s, xi_out=A,
                               readout=np.full(K, 1.0 / K), teacher_readout=np.full(K, 1.0 / K))
    assert om.critical_rate(problem(), start).rate == pytest.approx(expected, rel=1e-6)


def test_runs_leave_the_perfect_student_above_the_critical_rate():
    near = om.initial.from_overlaps(Q=1.0001 * np.eye(2), R=np.eye(2), T=np.eye(2), readout="sum")
    below, above = (om.simulate(problem(factor * CRITICAL[2]), near, alpha=300.0, engine="ode").generalization_error[0]
                    for factor in (0.9, 1.1))
    assert below[-1] < 0.1 * below[0] and above[-1] > 10.0 * above[0]


def test_readout_in_another_order_is_matched():
    start = replace(committee(2, Q=0.3, R=0.1), readout=np.array([2.0, 1.0]), teacher_readout=np.array([1.0, 2.0]))
    found = om.critical_rate(problem(), start)
    np.testing.assert_array_equal(found.student.R, [[0.0, 1.0], [1.0, 0.0]])
    exchanged = replace(start, teacher_readout=np.array([2.0, 1.0]))
    assert found.rate == pytest.approx(om.critical_rate(problem(), exchanged).rate, rel=1e-10)


@pytest.mark.parametrize("changes, start, why", [
    ({"activation": "relu"}, committee(2), "no derivatives"),
    ({"weight_decay": 0.1}, committee(2), "weight decay"),
    ({"loss": "huber:1"}, committee(2), "squared loss"),
    ({"constraint": "sphere"}, committee(2), "on a sphere: leave"),
    ({"drift": 0.1}, committee(2), "here by 0.1: leave"),
    ({}, committee(3, M=2, Q=0.5, R=0.1), "no single student"),
    ({}, replace(committee(2, Q=0.5, R=0.1), teacher_readout=np.array([1.0, 3.0])), "readouts"),
    ({"teacher_activation": "linear"}, committee(2), "never a teacher"),
    ({"rates": om.LearningRates(strengths=1.0)}, committee(2), "input modes are not trained"),
    ({"rates": om.LearningRates(readout=1.0)}, committee(2, Q=0.5, R=0.1), "input modes are not trained"),
])
def test_what_has_no_critical_rate_says_why(changes, start, why):
    found = om.critical_rate(replace(problem(), **changes), start)
    assert found.status is Finding.NONE and np.isnan(found.rate) and why in found.message and why in repr(found)


@pytest.mark.parametrize("K, rate, noise, floor", [(2, 1.0, 0.3, 0.0263408), (3, 0.6, 0.2, 0.0102372)])
def test_noise_floor(K, rate, noise, floor):
    """Against Newton's roots of the equations; chains of N = 1000 come to .0263226(136e-7), .0102329(72e-7)."""
    found = om.noise_floor(problem(rate, noise=noise), committee(K, Q=0.3, R=0.2))
    assert found.level == pytest.approx(floor, abs=1e-7)
    assert found.point.unstable == 0
    assert om.noise_floor(problem(rate, noise=1.1 * noise), committee(K)).level > 1.1 * floor


def test_noise_floor_at_small_rates():
    """η σ² K/(2√3 π) for T = I."""
    found = om.noise_floor(problem(1e-3, noise=0.1), committee(3))
    assert found.level == pytest.approx(1e-3 * 0.01 * 3 / (2.0 * np.sqrt(3.0) * np.pi), rel=2e-3)


def test_floors_of_what_is_not_trained_or_measured_say_why():
    untrained = om.Problem(rates=om.LearningRates(readout=1.0), noise=0.3)
    assert "input modes are not trained" in om.noise_floor(untrained, committee(2, Q=0.5, R=0.1)).message
    assert "squared loss" in om.noise_floor(problem(labels="sign"), committee(2)).message


def test_floor_above_the_critical_rate_does_not_vanish_with_the_noise():
    strong, weak = (om.noise_floor(problem(3.0, noise=noise), committee(2)) for noise in (0.3, 0.01))
    assert weak.level > 0.05 and strong.level > weak.level
    assert "1.3 times the critical one" in weak.message and weak.message in repr(weak)
    assert om.noise_floor(problem(2.0, noise=0.01), committee(2)).message == ""


def test_critical_rate_is_found_from_any_rate():
    for rate in (1e-200, 1e-4, 5000.0, 1e200):
        assert om.critical_rate(problem(rate), committee(2)).rate == pytest.approx(2.30683, rel=5e-6)


@pytest.mark.parametrize("rate", [1e50, 1e100, 1e200])
def test_rates_that_no_solver_follows_end_soon(rate):
    """No step that time resolves is small enough, or rates are not finite: the solver would try for ever."""
    wild = problem(rate, noise=0.1)
    assert om.noise_floor(wild, committee(2)).status is Finding.DIVERGED
    assert om.escape_law(wild, committee(2, Q=0.1, R=0.0), 1000).status is Finding.DIVERGED
    found = om.fixed_points(wild, om.initial.committee(1000, K=2, readout="sum", weights=False), 1.0)
    assert not found.complete and not any(point.status is Finding.FOUND for point in found)


def test_overlaps_beyond_all_bounds_have_no_critical_rate():
    found = om.critical_rate(problem(), om.initial.from_overlaps(Q=[[1e200]], R=[[1e200]], T=[[1e200]], readout="sum"))
    assert found.status is Finding.NONE and np.isnan(found.rate) and "no finite derivatives" in found.message


def test_no_floor_where_the_student_grows_for_ever():
    found = om.noise_floor(problem(0.5, noise=2.0), committee(1))
    assert found.status is Finding.NOT_CONVERGED and np.isnan(found.level)


def test_floor_and_rate_of_relu():
    assert om.noise_floor(problem(0.5, activation="relu", noise=0.1), committee(2)).status is Finding.FOUND


@pytest.fixture(scope="module")
def law():
    return om.escape_law(problem(), committee(2, Q=0.1, R=0.0), N=10**6, level=0.01)


def test_escape_law_of_two_units(law):
    """K = 2, η = 1, ε_g below .01: 157.28 at N = 10^6, 98.88 at 10^3, 332.48 at 10^15, sd 18.78."""
    assert law.plateau.level == pytest.approx(0.0206565, abs=1e-6)
    assert law.rate == pytest.approx(0.0591404, abs=1e-6)
    assert law.mean == pytest.approx(157.28, abs=0.3)  # B is known to about 1.5 %
    assert law.at(1000).mean == pytest.approx(98.88, abs=0.3)
    assert law.at(10**15).mean == pytest.approx(332.48, abs=0.3)
    assert law.sd == pytest.approx(18.78, abs=0.01) == law.at(10**15).sd
    assert law.multiplicity == 1 and law.offsets.shape == (2,)


def test_run_must_have_come_to_the_plateau(law):
    """At α = 25 it is still 0.5 % away, and so is the rate: 0.5 of α. At α = 200 it has come."""
    early, late = (om.escape_law(problem(), committee(2, Q=0.1, R=0.0), N=10**6, level=0.01, alpha=alpha)
                   for alpha in (25.0, 200.0))
    assert early.status is Finding.NONE and "still 0.005 away" in early.message and "larger alpha" in early.message
    assert late.mean == pytest.approx(law.mean, abs=0.1)


def test_quantiles_mean_and_distribution_are_of_one_law(law):
    shares = (np.arange(4000) + 0.5) / 4000
    times = law.quantile(shares)
    np.testing.assert_allclose(law.cdf(times), shares, atol=1e-9)
    assert times.mean() == pytest.approx(law.mean, abs=0.05)
    assert times.std() == pytest.approx(law.sd, rel=0.01)
    with pytest.raises(ParameterError, match="above 0 and below 1"):
        law.quantile(1.0)


def escapes(run, level):
    """When each replica first falls below a level, linear in ln ε_g between two times, which are 1 apart."""
    below, errors = run.generalization_error < level, np.log(run.generalization_error)
    assert below.any(1).all()
    first, rows = below.argmax(1), np.arange(len(below))
    before, after = errors[rows, first - 1], errors[rows, first]
    return run.alpha[first - 1] + (before - np.log(level)) / (before - after)


def test_chain_escapes_by_the_law(law):
    """150 runs of N = 100: a KS test at the false-alarm rate 1e-3, and the mean within 4 standard errors.

    The law of N = 2,000 is refused.
    """
    from scipy.stats import kstest

    at = law.at(100)
    run = om.simulate(problem(), committee(2, Q=0.1, R=0.0), N=100, alpha=260.0, engine="chain", replicas=150, seed=3,
                      save_at=np.arange(0.0, 261.0))
    times = escapes(run, 0.01)
    assert kstest(times, at.cdf).pvalue > 1e-3
    assert abs(times.mean() - at.mean) < 4.0 * at.sd / np.sqrt(150)
    assert kstest(times, law.at(2000).cdf).pvalue < 1e-6


def test_law_of_several_directions():
    """K = 3, four directions: 50 chains of N = 100; mean within 4 standard errors, KS at 1e-3; a chi of one is off."""
    from scipy.stats import kstest

    given, start = problem(0.7), committee(3, Q=0.1, R=0.0)
    found = om.escape_law(given, start, N=100, level=0.02, directions=50, nodes=2**13)
    assert found.multiplicity == 4 and 0.5 < found.standard_error < 6.0 and "directions followed" in repr(found)
    times = escapes(om.simulate(given, start, N=100, alpha=450.0, engine="chain", replicas=50, seed=5,
                                save_at=np.arange(0.0, 451.0)), 0.02)
    error = np.hypot(found.sd / np.sqrt(50), found.standard_error)
    assert abs(times.mean() - found.mean) < 4.0 * error
    assert kstest(times, found.cdf).pvalue > 1e-3
    assert kstest(times, replace(found, multiplicity=1).cdf).pvalue < 1e-3


def test_start_that_leaves_by_itself_has_no_law_at_large_N():
    """R_11 = 1e-8 along the unstable direction: less than the noise at N = 10^6, and more at 10^15."""
    start = om.initial.from_overlaps(Q=0.1 * np.eye(2), R=[[1e-8, 0.0], [0.0, 0.0]], T=np.eye(2), readout="sum")
    found = om.escape_law(problem(), start, N=10**6, level=0.01)
    assert found.mean == pytest.approx(157.28, abs=0.3)
    large = found.at(10**15)
    assert large.status is Finding.NONE and "N = 1,000,000,000,000,000, so the run leaves" in large.message
    assert om.escape_law(problem(), start, N=10**15, level=0.01).status is Finding.NONE
    with pytest.raises(ParameterError, match="at least P \\+ M = 4"):
        found.at(3)


def test_laws_that_are_not_there_say_why():
    start = om.initial.committee(N=1000, K=2, readout="sum", weights=False)
    found = om.escape_law(problem(), start, N=1000)
    assert found.status is Finding.NONE and "leaves the plateau without noise" in found.message
    assert np.isnan(found.at(10**6).mean)
    assert np.isnan(found.mean) and np.isnan(found.sd) and np.isnan(found.quantile(0.5)) and np.isnan(found.cdf(1.0))
    assert "no plateau" in om.escape_law(problem(), committee(2), N=1000).message
    too_high = om.escape_law(problem(), committee(2, Q=0.1, R=0.0), N=1000, level=0.1)
    assert "below that of the plateau" in too_high.message and np.isnan(too_high.mean)


@pytest.mark.parametrize("call, words", [
    (lambda: om.escape_law(problem(), committee(2, Q=0.1, R=0.0), N=3), "N must be at least P \\+ M = 4"),
    (lambda: om.escape_law(problem(batch=2), committee(2), N=100), "batch = 1"),
    (lambda: om.fixed_points(problem(), committee(2), alpha=0.0), "alpha"),
    (lambda: om.fixed_points(problem("exp:1,9"), committee(2), alpha=10.0), "problem.at"),
    (lambda: om.fixed_points(om.Problem(), committee(2), alpha=10.0), "nothing is trained"),
    (lambda: om.fixed_points(problem(0.0, weight_decay=0.1), committee(2), alpha=10.0), "nothing is trained"),
    (lambda: om.drift(om.Problem(), committee(2)), "nothing is trained"),
    (lambda: om.drift(problem(tasks=om.Tasks.until_known((0, 1), (0.3,))), om.initial.tasks(200, weights=False)),
     "wait for an error"),
    (lambda: om.drift("problem", committee(2)), "must be an onlinemode.Problem"),
    (lambda: om.drift(problem(), "start"), "must be an onlinemode.OrderParameters"),
    (lambda: om.drift(problem(inputs=om.inputs.PowerLaw(1.0)), committee(2)), "engine ode"),
    (lambda: om.critical_rate(problem(tasks=om.Tasks((0.5, 0.5))), committee(2)), "tasks"),
])
def test_bad_input(call, words):
    with pytest.raises(OnlineModeError, match=words) as found:
        call()
    assert isinstance(found.value, ParameterError | EngineError | ShapeError)


def test_command_prints_what_is_found(onlinemode):
    committee_of_two = "--init", "committee", "--K", 2, "--readout", "sum", "--N", 10**6, "--eta", 1.0, "--noise", 0.3
    code, out, err = onlinemode("analyse", *committee_of_two, "--alpha", 600)
    assert code == 0 and "K = 2" in err
    assert "critical rate  2.30683" in out and "noise floor    0.0263408" in out
    assert "escape         the run leaves the plateau without noise" in out
    rows = [line.split() for line in out.splitlines()[1:] if line.startswith(" ")]
    assert [row[2] for row in rows][-1] == "0" and float(rows[-1][1]) == pytest.approx(0.0263408, abs=1e-6)


def test_command_tells_the_law_of_a_symmetric_start(onlinemode, tmp_path):
    import json

    (tmp_path / "start.toml").write_text("Q = [[0.1, 0], [0, 0.1]]\nR = [[0, 0], [0, 0]]\nT = [[1, 0], [0, 1]]\n"
                                         'readout = "sum"\n')
    code, out, err = onlinemode("analyse", "--start", "start.toml", "--N", 10**6, "--eta", 1.0, "--alpha", 500,
                                "--level", 0.01, "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert summary["escape"]["mean"] == pytest.approx(157.28, abs=0.3) and summary["escape_message"] == ""
    assert summary["fixed_points"][-1]["unstable"] == 1


def test_command_refuses_a_level_of_0(onlinemode):
    code, _, err = onlinemode("analyse", "--level", 0)
    assert code == 2 and "--level" in err
