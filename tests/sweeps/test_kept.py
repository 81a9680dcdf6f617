"""What is kept of a point: observables at the saved times, numbers about its end, labels; against single runs."""

import numpy as np
import pytest

import onlinemode as om
from onlinemode.ensemble import METRICS, OF_TASKS
from onlinemode.ensemble import OBSERVABLES as OF_ENSEMBLES
from onlinemode.errors import EngineError, ParameterError
from onlinemode.labelled import OBSERVABLES
from onlinemode.summaries import summary_of
from onlinemode.sweeps.kept import DEFAULT, NUMBERS, OF_METRICS, STATUS, checked
from onlinemode.sweeps.plan import plan_of, times_of
from onlinemode.sweeps.quantities import QUANTITIES

EXPERIMENT = om.Experiment(N=40, init="committee", K=2, M=3, alpha=2.0, save_at=6, engine="chain")
ALL = tuple(name for name in OBSERVABLES if name not in OF_TASKS)  # which are of several tasks
OF_THEORY = f"of its theory {', '.join(QUANTITIES)}, and runs (whole trajectories)"
ENDS = {"final_alpha": "alpha", "final_error": "error", "final_error_se": "error_se",
        "final_specialization": "specialization", "final_specialization_se": "specialization_se",
        "specialized_at": "specialized_at", "plateau_start": "plateau_start", "plateau_stop": "plateau_stop",
        "plateau_level": "plateau_level"}


def same(labelled, values):
    """Equal to the bit, NaN where there is NaN."""
    return np.array_equal(labelled.values, values, equal_nan=True)


# -- against single runs -------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["ode", "chain", "micro"])
def test_values_are_those_of_single_runs(engine):
    experiment = EXPERIMENT.replace(engine=engine, init="showcase", M=None, eta_strengths=0.1 * (engine != "ode"))
    swept = om.sweep(experiment, {"noise": [0, 0.3], "eta": [1, 2]}, seeds=[5, 2], keep=ALL)
    assert (swept.status == "completed").all() and (swept.message == "").all() and (swept.seconds > 0).all()
    for noise in (0.0, 0.3):
        for seed in (5, 2):
            run = experiment.replace(noise=noise, eta=2.0, seed=seed).run()
            point = swept.sel(noise=noise, eta=2.0, seed=seed)
            assert same(swept.alpha, run.alpha)
            for name in ALL:
                values = getattr(run, name)
                assert (name != "mode_residuals") or (values is None) == (engine != "ode")
                assert same(point[name], np.nan * point[name] if values is None else values[0]), name


def test_values_are_those_of_simulate():
    start = om.initial.committee(40, K=2, M=3, seed=3)
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=2.0)), start, 2.0, "micro", seed=3, save_at=[0.5, 2.0])
    experiment = EXPERIMENT.replace(engine="micro", save_at=(0.5, 2.0))
    swept = om.sweep(experiment, {"eta": [2.0]}, seeds=[3], keep=["Q", "rho"])
    assert same(swept.Q[0, 0], run.Q[0]) and same(swept.rho[0, 0], run.rho[0])
    assert swept.alpha.values.tolist() == [0.5, 2.0]


def test_numbers_are_those_of_summaries():
    """Also where there are plateaus, and where the student specializes."""
    experiment = om.Experiment(N=100, K=2, eta=2.0, alpha=60.0, save_at=60, engine="chain", replicas=3)
    swept = om.sweep(experiment, {"noise": [0, 0.3]}, seeds=[0, 1])
    found = set()
    for noise in (0.0, 0.3):
        for seed in (0, 1):
            ends = summary_of(experiment.replace(noise=noise, seed=seed).run())
            point = swept.sel(noise=noise, seed=seed)
            for name, of_summary in ENDS.items():
                assert same(point[name], ends[of_summary]), name
                found |= {name} if np.isfinite(ends[of_summary]) else set()
    assert found == set(NUMBERS)


# -- replicas ------------------------------------------------------------------------------------


def test_replicas():
    swept = om.sweep(EXPERIMENT, {"eta": [1, 2]}, replicas=3, keep=["G", "generalization_error"])
    assert swept.G.dims == ("eta", "replica", "alpha", "mode", "mode_2") and swept.status.dims == ("eta", "replica")
    assert swept.generalization_error.dims == ("eta", "replica", "alpha") and swept.replica.values.tolist() == [0, 1, 2]
    for eta in (1.0, 2.0):
        run = EXPERIMENT.replace(eta=eta, replicas=3).run()
        assert same(swept.G.sel(eta=eta), run.G)
        assert same(swept.generalization_error.sel(eta=eta), run.generalization_error)
    assert np.ptp(swept.generalization_error.values[:, :, -1], axis=1).min() > 0.0


def test_statistics_of_replicas():
    experiment = EXPERIMENT.replace(replicas=5, keep="summary")
    swept = om.sweep(experiment, {"eta": [1, 2]}, keep=OF_ENSEMBLES)
    assert "Q" not in swept and swept.status.shape == (2, 5)
    for eta in (1.0, 2.0):
        of_run = experiment.replace(eta=eta).run().ensemble
        for name in OF_ENSEMBLES:
            assert same(swept[f"{name}_mean"].sel(eta=eta), of_run.mean[name]), name
            assert same(swept[f"{name}_sd"].sel(eta=eta), of_run.standard_deviation[name]), name
    assert swept.R_mean.dims == ("eta", "alpha", "student_unit", "teacher_unit")
    assert swept.R_sd.long_name == "overlap of student and teacher units, standard deviation over replicas"


def test_fresh_students():
    experiment = EXPERIMENT.replace(fresh_students=True, replicas=2)
    for engine in ("chain", "ode"):
        run = experiment.replace(engine=engine, noise=0.3).run()
        swept = om.sweep(experiment.replace(engine=engine), {"noise": [0.3]}, keep="Q")
        assert same(swept.Q[0], run.Q) and (swept.status == "completed").all()


def test_theory_among_simulations_is_the_same_for_all_replicas():
    swept = om.sweep(EXPERIMENT, {"engine": ["chain", "ode", "micro"]}, replicas=2, keep="Q")
    assert (swept.status == "completed").all()
    theory = swept.Q.sel(engine="ode")
    run = EXPERIMENT.replace(engine="ode", save_at=tuple(swept.alpha.values)).run()
    assert same(theory[0], run.Q[0]) and same(theory[1], run.Q[0])
    assert same(swept.Q.sel(engine="micro"), EXPERIMENT.replace(engine="micro", replicas=2).run().Q)
    assert np.isnan(swept.final_error_se.sel(engine="ode")) and np.isfinite(swept.final_error_se.sel(engine="chain"))


def test_the_first_point_may_have_fewer_replicas():
    swept = om.sweep(EXPERIMENT, {"engine": ["ode", "chain"]}, replicas=2, keep="Q")
    assert (swept.status == "completed").all() and swept.sizes["replica"] == 2
    turned = om.sweep(EXPERIMENT, {"engine": ["chain", "ode"]}, replicas=2, keep="Q")
    assert same(turned.alpha, swept.alpha) and same(turned.Q.sel(engine="ode"), swept.Q.sel(engine="ode"))
    fresh = om.sweep(EXPERIMENT.replace(engine="ode"), {"fresh_students": [False, True]}, replicas=2, keep="Q")
    assert (fresh.status == "completed").all() and same(fresh.Q[0, 0], fresh.Q[0, 1])
    assert same(fresh.Q[1], EXPERIMENT.replace(engine="ode", fresh_students=True, replicas=2).run().Q)


def test_theory_alone_has_one_replica():
    assert om.sweep(EXPERIMENT.replace(engine="ode", replicas=3), {"eta": [1, 2]}).status.dims == ("eta",)


# -- sizes ---------------------------------------------------------------------------------------


def test_smaller_students_leave_room():
    experiment = om.Experiment(N=40, alpha=1.0, save_at=4, engine="chain")
    sizes = [("paper", 1, 1, 4), ("committee", 3, 2, 3), ("committee", 2, 4, 2)]
    swept = om.sweep(experiment, {("init", "K", "M", "P"): sizes}, keep=ALL)
    assert dict(swept.sizes) == {"init_K_M_P": 3, "alpha": 4, "student_unit": 3, "student_unit_2": 3, "teacher_unit": 4,
                                 "mode": 4, "mode_2": 4}
    for place, (init, K, M, P) in enumerate(sizes):
        run = experiment.replace(init=init, K=K, M=M, P=P).run()
        size_of = {"student_unit": K, "student_unit_2": K, "teacher_unit": M, "mode": P, "mode_2": P}
        for name in ALL:
            point, dims = swept[name][place], OBSERVABLES[name].dims
            inner = point[(slice(None), *(slice(size_of[dim]) for dim in dims))]
            values = getattr(run, name)
            assert same(inner, np.nan * inner if values is None else values[0]), name
            assert np.isfinite(point.values).sum() == np.isfinite(inner.values).sum()


@pytest.mark.parametrize("over, modes", [
    ({"K": [1, 3]}, 3), ({"K": [2, 4], "P": [2, 3]}, 2), ({"init": ["paper"], "P": [3, 4]}, 4),
    ({"N": [100, 2000], "init": ["paper"]}, 7),
    ({"init": ["showcase", "paper"]}, 3), ({"K": [1, 2], "noise": [0, 1, 2]}, 2), ({"K": [2, 50], "N": [40]}, 2)])
def test_room_for_the_largest(over, modes):
    """The paper's start has ⌊ln N⌋ modes; points that cannot be run need no room."""
    experiment = om.Experiment(N=40, K=2, alpha=1.0, save_at=4, engine="chain")
    assert plan_of(experiment, over, keep="strengths").kept.sizes["mode"] == modes


def test_no_sizes_without_need():
    assert plan_of(EXPERIMENT, {"K": [2]}).kept.sizes == {}
    assert dict(om.sweep(EXPERIMENT, {"K": [2, 3]}, keep=()).sizes) == {"K": 2}


# -- times ---------------------------------------------------------------------------------------


def test_a_count_of_times_is_that_of_a_run():
    """Whole steps where all points have the same N."""
    for engine in ("chain", "ode"):
        experiment = EXPERIMENT.replace(engine=engine, save_at=20)
        assert plan_of(experiment, {"eta": [1]}).kept.times == tuple(experiment.run().alpha)


def test_times_go_from_the_shortest_step_to_the_last_time_of_all():
    times = plan_of(EXPERIMENT, {"N": [10, 1000], "alpha": [1, 30]}).kept.times
    assert len(times) == 6 and times[:2] == (0.0, 0.001) and times[-1] == 30.0
    assert np.allclose(np.diff(np.log(times[1:])), np.log(30_000) / 4)


def test_the_values_of_other_sizes_are_those_of_the_nearest_steps():
    swept = om.sweep(EXPERIMENT, {"N": [10, 35]}, keep="generalization_error")
    for N in (10, 35):
        every = EXPERIMENT.replace(N=N, save_at=tuple(np.arange(2 * N + 1) / N)).run()
        nearest = np.abs(every.alpha - swept.alpha.values[:, None]).argmin(1)
        assert np.array_equal(swept.generalization_error.sel(N=N), every.generalization_error[0, nearest])
    first = swept.generalization_error.sel(N=10)
    assert swept.alpha[1] == pytest.approx(1 / 35) and first[1] == first[0]  # no step of N = 10 is nearer than α = 0


def test_nothing_is_known_beyond_the_last_time_of_a_point():
    swept = om.sweep(EXPERIMENT.replace(save_at=(0.0, 0.5, 1.0, 1.5, 2.0)), {"alpha": [0.7, 1.0, 2.0]},
                     keep=["generalization_error", "Q"])
    known = np.isfinite(swept.generalization_error.values)
    assert known.tolist() == [[i < count for i in range(5)] for count in (2, 3, 5)]
    assert np.array_equal(np.isfinite(swept.Q.values).all((2, 3)), known)
    assert swept.final_alpha.values == pytest.approx([0.7, 1.0, 2.0], abs=0.5 / 40)
    for place, alpha in enumerate((0.7, 1.0, 2.0)):
        run = EXPERIMENT.replace(alpha=alpha, save_at=(0.0, alpha)).run()
        assert swept.final_error[place] == run.generalization_error[0, -1]
    assert (swept.status == "completed").all() and swept.sizes["last_alpha"] == 3


def test_the_last_time_may_be_half_a_step_off():
    """α = 1.01 is no whole number of steps of N = 40, and the time of the sweep that is nearest is the last one."""
    swept = om.sweep(EXPERIMENT.replace(save_at=(0.5, 1.01), alpha=1.01), {"eta": [1, 2]})
    run = EXPERIMENT.replace(alpha=1.01, save_at=(0.5, 1.01), eta=2.0).run()
    assert run.alpha[-1] == 1.0 and same(swept.generalization_error[1], run.generalization_error[0])


def test_times_of_a_point():
    reach = lambda alpha: times_of(EXPERIMENT.replace(alpha=alpha), (0.0, 0.5, 1.0))  # noqa: E731
    assert [reach(alpha) for alpha in (0.2, 0.5, 0.7, 1.0, 2.0)] == [
        (0.0, 0.2), (0.0, 0.5), (0.0, 0.5, 0.7), (0.0, 0.5, 1.0), (0.0, 0.5, 1.0, 2.0)]


@pytest.mark.parametrize("save_at", [(1.0, 0.5), (-1.0, 1.0), (1.0, 5.0)])
def test_saved_times_are_checked_before_the_sweep(save_at, monkeypatch):
    monkeypatch.setattr("onlinemode.simulation.simulate", None)
    with pytest.raises(ParameterError, match="^eta = 1.0: save_at must hold ascending times between 0 and alpha = 2"):
        om.sweep(EXPERIMENT.replace(save_at=save_at), {"eta": [1]})
    with pytest.raises(ParameterError, match="^eta = 1.0: save_at must be a whole number ≥ 2 and ≤ 10000000; got 1$"):
        om.sweep(EXPERIMENT.replace(save_at=1), {"eta": [1]})


def of_alpha(last):
    return EXPERIMENT.replace(alpha=last, save_at=(0.5, 1.0))


def test_points_of_a_function_may_be_longer_than_the_first_one():
    swept = om.sweep(of_alpha, {"last": [0.5, 3.0]})
    assert swept.alpha.values.tolist() == [0.5, 1.0] and swept.final_alpha.values.tolist() == [0.5, 3.0]
    assert np.isfinite(swept.generalization_error).values.tolist() == [[True, False], [True, True]]


# -- how points end ------------------------------------------------------------------------------


def test_replicas_that_diverge():
    """Some of them do: each has its own status, and the message is that of the first one that did."""
    experiment = om.Experiment(N=10, K=2, init="committee", activation="linear", eta=4.6, alpha=60.0, engine="chain",
                               save_at=tuple(np.linspace(0.0, 60.0, 61)), replicas=8)
    run = experiment.run()
    statuses = [status.value for status in run.status]
    assert set(statuses) == {"completed", "diverged"}
    swept = om.sweep(experiment, {"eta": [4.6, 0.1]})
    assert swept.status.values.tolist() == [statuses, ["completed"] * 8]
    assert swept.message.values.tolist() == [run.message[statuses.index("diverged")], ""]
    assert same(swept.generalization_error[0], run.generalization_error)
    assert same(swept.final_alpha, [summary_of(run)["alpha"], 60.0])


def test_converged_and_impossible_points():
    experiment = om.Experiment(N=40, K=2, init="committee", engine="ode", alpha=5000.0, save_at=5)
    swept = om.sweep(experiment, {"eta": [2, -1], "noise": [0, 0.1]})
    assert swept.status.values.tolist() == [["converged", "completed"], ["invalid", "invalid"]]
    assert swept.message.values[1, 0] == "learning rate xi_in must be a finite number ≥ 0; got -1.0"
    assert np.isnan(swept.final_error.values[1]).all() and np.isnan(swept.generalization_error.values[1]).all()


def test_a_sweep_without_a_possible_point():
    with pytest.raises(ParameterError, match="^eta = -2.0: learning rate xi_in must be a finite number ≥ 0; got -2"):
        om.sweep(EXPERIMENT, {"eta": [-2, -1]})
    with pytest.raises(EngineError, match="^engine chain has no option 'rtol' to sweep$"):
        om.sweep(EXPERIMENT, {"rtol": [1e-3]})
    assert plan_of(EXPERIMENT, {"engine": ["chain", "ode"], "rtol": [1e-3]}).grid.size == 2


def test_the_first_possible_point_is_found_among_many():
    assert plan_of(EXPERIMENT, {"eta": "-1:1:500"}).first.eta >= 0.0


# -- labels --------------------------------------------------------------------------------------


def test_dimensions_units_and_names():
    swept = om.sweep(EXPERIMENT, {"alpha": [1, 2], "noise": [0], ("K", "M"): [(2, 3), (2, 2)]}, replicas=2, keep=ALL)
    lead = ("last_alpha", "noise", "K_M")
    for name in ALL:
        assert swept[name].dims == (*lead, "replica", "alpha", *OBSERVABLES[name].dims)
        assert swept[name].attrs == {"long_name": OBSERVABLES[name].long_name, "units": "1",
                                     "symbol": OBSERVABLES[name].symbol}
    times = {name for name in swept.data_vars if swept[name].attrs.get("units") == "steps/N"}
    assert times == {"final_alpha", "specialized_at", "plateau_start", "plateau_stop"}
    for name, number in NUMBERS.items():
        assert swept[name].dims == lead and swept[name].long_name == number.long_name
        assert swept[name].symbol == number.symbol
    assert swept.message.dims == swept.seconds.dims == lead and swept.seconds.units == "s"
    assert swept.K.dims == swept.M.dims == ("K_M",) and swept.M.values.tolist() == [3, 2]
    assert swept.alpha.units == swept.last_alpha.units == "steps/N" and swept.noise.long_name == "label noise σ"
    assert list(swept)[:2] == ["status", "message"] and list(swept)[-1] == "seconds"
    assert set(swept) == {"status", "message", "seconds", *NUMBERS, *OF_METRICS, *ALL}


def test_provenance():
    swept = om.sweep(EXPERIMENT, {"eta": [1, 2]})
    assert swept.title == "chain, committee: N = 40, K = 2, M = 3, P = 2, erf, seed 0"
    assert swept.made_with == f"onlinemode {om.__version__}" and swept.over == '[[["eta"], [[1.0], [2.0]]]]'
    assert {"make", "kernels", "date"} <= set(swept.attrs)


def test_what_is_kept():
    assert set(DEFAULT) < set(om.sweep(EXPERIMENT, {"eta": [1]}))
    assert checked("Q", False) == (("Q",), False) and checked(["R", "Q", "R"], False) == (("R", "Q"), False)
    assert checked(["runs", "G"], False) == (("G",), True) and checked((), True) == ((), False)
    assert [STATUS.index(name) for name in ("missing", "completed")] == [0, 1]


@pytest.mark.parametrize("keep, statistics, words", [
    ("q", False, f"what is kept of a point can be {', '.join(OBSERVABLES)}, {OF_THEORY}; got 'q'"),
    (["Q", "frob"], False, "got 'frob'"),
    (["G"], True, "what is kept of a point of a sweep whose replicas are summarised (keep = 'summary') can be "
                  f"{', '.join((*OF_ENSEMBLES, *METRICS, *OF_TASKS))}, {OF_THEORY}; got 'G'")])
def test_unknown_observables(keep, statistics, words):
    with pytest.raises(ParameterError) as error:
        om.sweep(EXPERIMENT.replace(keep="summary" if statistics else "all"), {"eta": [1]}, keep=keep)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_whole_runs_need_a_folder_and_few_points():
    with pytest.raises(ParameterError, match='^"runs" are kept in files: name a folder with store$'):
        om.sweep(EXPERIMENT, {"eta": [1]}, keep="runs")
    with pytest.raises(ParameterError, match="^whole trajectories are kept of at most 10,000 points; got 10,001: keep"):
        plan_of(EXPERIMENT, {"noise": "0:1:10001"}, keep="runs")
