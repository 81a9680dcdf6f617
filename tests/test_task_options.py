"""Several tasks in an experiment, on the command line, in files of options and in sweeps."""

import errno
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import onlinemode as om
from onlinemode.errors import ParameterError

SMALL = om.Experiment(init="tasks", N=60, K=2, overlap=0.3, heads="own", head_size=0.1, eta=1.0, eta_readout=1.0,
                      switch_at=2.0, alpha=4.0, save_at=6, engine="chain")
COMMAND = ("simulate", "--init", "tasks", "--N", 60, "--K", 2, "--overlap", 0.3, "--heads", "own", "--head-size", 0.1,
           "--eta", 1, "--eta-readout", 1, "--alpha", 4, "--save-at", 6, "--engine", "chain", "--no-plot")
BLOCKS = ("G", "S", "readout", "task_errors")


def same(one, other, times=slice(None)):
    return all(np.array_equal(getattr(one, name), getattr(other, name)[:, times]) for name in BLOCKS)


# -- experiments -------------------------------------------------------------------------------------------


def test_an_experiment_is_the_run_of_its_tasks():
    """With the time of the switch among those that a count saves."""
    start = om.initial.tasks(60, K=2, overlap=0.3, heads=(0, 1), head_size=0.1, readout="mean")
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0, readout=1.0), tasks=om.Tasks.in_turn((0, 1), (2,), (0, 1)))
    run = SMALL.run()
    assert run.problem == problem and same(run, om.simulate(problem, start, 4.0, "chain", save_at=6))
    assert 2.0 in run.alpha and not same(run, SMALL.replace(overlap=0.4).run())
    assert len(SMALL.replace(switch_at=None).run().alpha) == len(run.alpha) - 1
    assert 2.0 not in SMALL.replace(save_at=(0.0, 1.0, 4.0)).run().alpha
    assert 2.0 in SMALL.replace(engine="ode").run().alpha and 2.0 in SMALL.theory().result().alpha


PROTOCOLS = [
    ({}, om.Tasks.in_turn((0, 1), (2.0,), (0, 1)), "task 0, from α = 2 on 1, a head each"),
    ({"heads": None}, om.Tasks.in_turn((0, 1), (2.0,)), "task 0, from α = 2 on 1"),
    ({"switch_at": [1, 2]}, om.Tasks.in_turn((0, 1, 0), (1.0, 2.0), (0, 1)),
     "task 0, from α = 1 on 1, from α = 2 on 0, a head each"),
    ({"tasks": 3, "turns": [2, 0, 1], "switch_at": [1, 2], "heads": [0, 0, 1]},
     om.Tasks.in_turn((2, 0, 1), (1.0, 2.0), (0, 0, 1)), "task 2, from α = 1 on 0, from α = 2 on 1, heads 0, 0, 1"),
    ({"switch_at": None, "switch_below": [0.01], "turns": (1, 0)}, om.Tasks.until_known((1, 0), 0.01, heads=(0, 1)),
     "task 1, from ε_1 < 0.01 on 0, a head each"),
    ({"switch_at": None}, om.Tasks((1.0, 1.0), (0, 1)), "shares 1; 1, a head each"),
    ({"switch_at": None, "shares": ["1", "linear:0=0,4=1"], "task_noise": (0, 0.5), "heads": "One"},
     om.Tasks((1.0, "linear:0=0,4=1"), None, (0.0, 0.5)), "shares 1; linear:0=0,4=1, noise 0; 0.5"),
    ({"replay_every": 0.5, "replay_for": 0.1}, om.Tasks.with_replay(2.0, 0.5, 0.1, 4.0, (0, 1)),
     "task 0, from α = 2 on 1, from α = 2.4 on 0, from α = 2.5 on 1, from α = 2.9 on 0, and so on, 10 switches, a head "
     "each")]


@pytest.mark.parametrize("change, tasks, words", PROTOCOLS)
def test_protocols(change, tasks, words):
    experiment = SMALL.replace(**change)
    experiment.check()
    assert experiment.problem().tasks == tasks and tasks.words == words
    assert experiment.describe().endswith(f"{tasks.count} tasks, overlap 0.3, {words}, seed 0")
    for copy in (om.Experiment.from_dict(json.loads(json.dumps(experiment.to_dict()))),
                 pickle.loads(pickle.dumps(experiment)), eval(repr(experiment), {"Experiment": om.Experiment})):
        assert copy == experiment
    start = experiment.start(vectors=False)  # given overlaps say how many tasks and heads there are
    heads = {"heads": experiment.heads} if isinstance(experiment.heads, tuple) else {"heads": None}
    assert experiment.replace(overlaps=start, init="showcase", **heads).problem().tasks == tasks


def test_shares_of_a_function_travel():
    experiment = SMALL.replace(switch_at=None, shares=(1.0, lambda a: a))
    copy = om.Experiment.from_dict(json.loads(json.dumps(experiment.to_dict())))
    assert copy.problem().shares_at([3.0])[0] == pytest.approx([0.25, 0.75]) and copy.problem() == experiment.problem()


def test_when_a_task_is_left():
    tasks = om.Tasks(("steps:1,3=0,5=1,7=0", "linear:0=1,4=0", "steps:0,3=1"))
    assert [tasks.first_left(task) for task in range(3)] == [3.0, None, None] and tasks.switches == (3.0, 5.0, 7.0)


BAD = [
    ({"init": "committee", "heads": None, "switch_at": None},
     "overlap is of several tasks, and this start has one; got 0.3: give init = 'tasks', or leave it out"),
    ({"init": "paper", "overlap": None, "head_size": None}, "heads is of several tasks, and this start has one"),
    ({"overlaps": om.initial.committee(60, K=2).order_parameters()}, "heads is of several tasks"),
    ({"M": 2}, "the tasks start has task_units in each task; got M = 2: leave M out"),
    ({"P": 5}, "the tasks start trains W itself, so P is K = 2; got 5"),
    ({"tasks": 1}, "tasks must be a whole number ≥ 2 and ≤ 64; got 1"), ({"overlap": 2.0}, "overlap must be"),
    ({"overlap": 0.3, "overlap_of": "units"}, "overlap must be a multiple of 1/1"),
    ({"overlap_of": "heads"}, "overlap_of must be one of features, readouts, units; got 'heads'"),
    ({"heads": "two"}, "heads must be one of one, own; got 'two'"), ({"heads": (0, 2)}, "a head must be a whole"),
    ({"turns": 3}, r"turns must be numbers of tasks, as \(0, 1, 0\); got 3"),
    ({"turns": (0, 0.5)}, "an entry of turns must be a whole number ≥ 0; got 0.5"),
    ({"turns": (0, 2)}, r"turns must be of all 3 tasks; got \(0, 2\)"),
    ({"turns": (0, 1, 0)}, "switch_at must have a time for every turn but the last, 2; got 1"),
    ({"turns": (0, 1), "switch_at": None}, "turns needs switch_at, the α at which the next task begins"),
    ({"tasks": 3}, r"turns must be of all 3 tasks; got \(0, 1\)"),
    ({"switch_at": (2, 1)}, "ascending"), ({"switch_at": "x"}, "a time must be a finite number > 0; got 'x'"),
    ({"replay_every": 1.0}, "replay_every and replay_for go together: give replay_for, too"),
    ({"replay_every": 1.0, "replay_for": 2.0}, "length must be"),
    ({"replay_every": 1.0, "replay_for": 0.1, "turns": (0, 1)}, "replay is of two tasks"),
    ({"switch_below": 0.1}, "switch_below and switch_at both say when a task ends: give one of them"),
    ({"switch_at": None, "switch_below": -1}, "an error must be a finite number > 0; got -1"),
    ({"shares": (1, 1)}, "shares and switch_at both say which task teaches when: give one of them"),
    ({"shares": (1,), "switch_at": None, "tasks": 2}, r"shares must be of all 2 tasks; got \(1,\)"),
    ({"shares": "1;1", "switch_at": None}, "shares must have an entry a task"),
    ({"shares": (1, "x"), "switch_at": None}, "shares: 'x' is neither a number nor a schedule"),
    ({"task_noise": (0.1,)}, "noise must have an entry a task, 2"),
    ({"task_noise": (0, -1)}, "noise of task 1 must be")]


@pytest.mark.parametrize("change, words", BAD)
def test_what_does_not_fit(change, words):
    with pytest.raises(om.OnlineModeError, match=words) as error:
        SMALL.replace(**change).check()
    assert "\n" not in str(error.value)


# -- the command line --------------------------------------------------------------------------------------


def test_the_command_line_prints_each_task(onlinemode):
    code, out, err = onlinemode(*COMMAND, "--switch-at", 2, "--out", "x")
    assert code == 0 and "2 tasks, overlap 0.3, task 0, from α = 2 on 1, a head each" in err and "plateau" not in out
    run = om.load("x.npz")
    assert same(run, SMALL.run()) and run.meta["start"] == SMALL.run().meta["start"]
    table = out.split("ε_g of each task, where tasks switch and at the end:\n")[1].splitlines()
    assert table[0].split() == "α task 0 task 1 theory 0 theory 1".split()
    at = int(np.flatnonzero(run.alpha == 2.0)[0])
    for line, row in zip(table[1:3], (at, -1)):
        assert [float(each) for each in line.split()[:3]] == pytest.approx([run.alpha[row], *run.task_errors[0, row]],
                                                                           rel=1e-3)
    forgotten = run.forgetting(0, 2.0)[0, -1]
    assert re.match(rf"forgetting of task 0 since α = 2: {forgotten:.3g} \(theory [-\d.e]+\)$", table[3])


def test_json_of_several_replicas(onlinemode):
    code, out, _ = onlinemode(*COMMAND, "--switch-at", "1,2", "--replicas", 3, "--json", "--no-theory")
    found, runs = json.loads(out)["tasks"], SMALL.replace(switch_at=(1, 2), replicas=3).run()
    rows = [int(np.abs(runs.alpha - alpha).argmin()) for alpha in (1, 2, 4)]
    assert code == 0 and found["alpha"] == pytest.approx([1, 2, 4])
    assert np.array(found["generalization_error"]) == pytest.approx(runs.task_errors.mean(0)[rows], rel=1e-12)
    assert [(each["task"], each["since"]) for each in found["forgetting"]] == [(0, 1.0), (1, 2.0)]
    assert found["forgetting"][1]["value"] == pytest.approx(runs.forgetting(1, 2.0)[:, -1].mean(), rel=1e-12)


WORDS = [(["--shares", "1;linear:0=0,4=1", "--task-noise", "0;0.5"],
          {"switch_at": None, "shares": (1, "linear:0=0,4=1"), "task_noise": (0, 0.5)}),
         (["--turns", "1,0", "--switch-at", "1", "--overlap-of", "readouts", "--task-units", 2],
          {"turns": (1, 0), "switch_at": 1, "overlap_of": "readouts", "task_units": 2}),
         (["--switch-at", "2", "--replay-every", "0.5", "--replay-for", "0.1"],
          {"replay_every": 0.5, "replay_for": 0.1})]


@pytest.mark.parametrize("options, change", WORDS)
def test_words_and_files_of_options(options, change, onlinemode):
    assert onlinemode(*COMMAND, "--no-theory", *options, "--out", "words")[0] == 0
    lines = [f"{name} = {json.dumps(value)}" for name, value in change.items() if value is not None]
    lines += ["switch_at = 2"] if "switch_at" not in change else []
    Path("tasks.toml").write_text("\n".join(lines))
    assert onlinemode(*COMMAND, "--no-theory", "--config", "tasks.toml", "--out", "file")[0] == 0
    for name in ("words.npz", "file.npz"):
        assert same(om.load(name), SMALL.replace(**change).run())


def test_going_on_repeating_and_drawing(onlinemode):
    """A protocol in two commands is that in one, to the bit; what is not given stays."""
    pieces = ("--no-plot", "--no-theory", "--out")
    assert onlinemode(*COMMAND, "--switch-at", 2, "--save-at", "0,4", "--out", "first")[0] == 0
    code, out, err = onlinemode("simulate", "--start", "first.npz", "--alpha", 6, "--save-at", "4,6", "--turns",
                                "0,1,0", "--switch-at", "2,4", *pieces, "second")
    assert code == 0 and "from α = 2 on 1, from α = 4 on 0" in err
    whole = SMALL.replace(switch_at=(2, 4), alpha=6.0, save_at=(0, 4, 6)).run()
    assert same(om.load("second.npz"), whole, slice(1, None))
    assert onlinemode("simulate", "--start", "first.npz", "--alpha", 6, "--save-at", "4,6", *pieces, "same")[0] == 0
    assert om.load("same.npz").problem == om.load("first.npz").problem
    assert not same(om.load("same.npz"), whole, slice(1, None))
    assert onlinemode("repeat", "second.npz")[1].startswith("the repeated run is equal to the file, to the bit")
    code, _, err = onlinemode("simulate", "--start", "first.npz", "--alpha", 6, "--overlap", 0.4, *pieces, "other")
    assert code == 2 and "--overlap must be that of the run in first.npz, 0.3; got 0.4" in err
    code, _, err = onlinemode("simulate", "--start", "first.npz", "--alpha", 6, "--shares", "1;1;1", *pieces, "other")
    assert code == 2 and err.endswith("shares must be of all 2 tasks; got (1.0, 1.0, 1.0)\n") and err.count("\n") == 1


def test_a_run_is_resumed(onlinemode, monkeypatch):
    """Schedules of shares and noise come back from the checkpoint; options that are repeated must agree."""
    options = ("--no-theory", "--shares", "1;linear:0=0,4=1", "--task-noise", "0;exp:0.5,2")
    write = om.Trajectory.save

    def full(run, path):
        monkeypatch.setattr(om.Trajectory, "save", write)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(om.Trajectory, "save", full)
    assert onlinemode(*COMMAND, *options, "--out", "x", "--checkpoint", "c")[0] == 2 and Path("c").exists()
    code, _, err = onlinemode("simulate", "--resume", "c", "--shares", "1;1")
    assert code == 2 and "--shares must be that of the run in c, (1.0, 'linear:0=0,4=1'); got (1.0, 1.0)" in err
    assert onlinemode("simulate", "--resume", "c", *options[1:], "--heads", "own", "--out", "x")[0] == 0
    assert same(om.load("x.npz"), SMALL.replace(**WORDS[0][1] | {"task_noise": (0, "exp:0.5,2")}).run())


@pytest.mark.parametrize("level, words", [("0.16", "ε_g of task 0 fell below 0.16 at α = "),
                                          ("1e-9", "ε_g of task 0 did not fall below 1e-09: the next task did not")])
def test_turns_that_wait_for_an_error(level, words, onlinemode):
    """And whose run goes on with times."""
    code, out, err = onlinemode(*COMMAND, "--switch-below", level, "--out", "x", "--no-theory", "--alpha", 12)
    assert code == 0 and words in out and f"task 0, from ε_0 < {float(level):g} on 1, a head each" in err
    run = om.load("x.npz")
    assert np.isfinite(run.switched_at).all() == (level == "0.16")
    go_on = ("simulate", "--start", "x.npz", "--alpha", 14, "--no-plot", "--no-theory", "--out", "y")
    code, _, err = onlinemode(*go_on)
    assert code == 2 and "give shares or times" in err and err.count("\n") == 1
    assert onlinemode(*go_on, "--switch-at", 13)[0] == 0
    assert om.load("y.npz").problem.tasks == om.Tasks.in_turn((0, 1), (13.0,), (0, 1))


@pytest.mark.parametrize("options, words", [
    (["--shares", "1;x"], "Invalid value for '--shares': 'x' is neither a number nor a schedule"),
    (["--turns", "0,x"], "Invalid value for '--turns': 'x' is not a whole number"),
    (["--switch-at", "2,"], "Invalid value for '--switch-at': '' is not a valid float"),
    (["--heads", "both"], "Invalid value for '--heads': 'both' is not a whole number"),
    (["--overlap", "1.5"], "Invalid value for '--overlap': 1.5 is not in the range -1<=x<=1"),
    (["--turns", "0,1"], "turns needs switch_at"), (["--switch-at", "2,1"], "ascending"),
    (["--replay-every", "1"], "replay_every needs switch_at"), (["--init", "graded"], "heads is of several tasks"),
    (["--M", "3"], "the tasks start has task_units in each task; got M = 3")])
def test_bad_words(options, words, onlinemode):
    code, out, err = onlinemode(*COMMAND, *options)
    assert code == 2 and words in err and err.count("\n") == 1 and not out and not list(Path().glob("*.npz"))


# -- sweeps ------------------------------------------------------------------------------------------------


def test_a_sweep_over_overlap():
    swept = om.sweep(SMALL, {"overlap": [0, 0.3, 1]}, replicas=2, keep=["task_errors", "readout"])
    runs = SMALL.replace(replicas=2, save_at=tuple(swept.alpha.values)).run()
    assert 2.0 in swept.alpha and swept.overlap.attrs["long_name"] == "overlap of tasks"
    assert swept.task_errors.dims == ("overlap", "replica", "alpha", "task")
    assert swept.readout.dims == ("overlap", "replica", "alpha", "head", "student_unit")
    assert np.array_equal(swept.task_errors.sel(overlap=0.3), runs.task_errors)
    assert np.array_equal(swept.readout.sel(overlap=0.3), runs.readout)
    for task in (0, 1):
        ends = runs.task_errors[:, -1, task]
        assert swept[f"final_error_of_task_{task}"].sel(overlap=0.3) == pytest.approx(ends.mean(), rel=1e-12)
        assert swept[f"final_error_of_task_{task}_se"].sel(overlap=0.3) == pytest.approx(ends.std() / 1.0, rel=1e-12)
    assert "final_error_of_task_2" not in swept


def test_points_of_different_tasks_lie_in_one_array():
    """NaN where a point has fewer tasks or heads, and beyond; statistics alone, too."""
    axes = {"tasks": [2, 3], "heads": ["one", "own"]}
    mixed = SMALL.replace(switch_at=None)
    swept = om.sweep(mixed, axes, keep=["task_errors", "readout"])
    assert swept.task_errors.shape[2:] == (6, 3) and swept.readout.shape[2:] == (6, 3, 2)
    two, three = swept.isel(tasks=0), swept.isel(tasks=1)
    assert np.isnan(two.task_errors[..., 2]).all() and np.isnan(two.final_error_of_task_2).all()
    assert np.isfinite(two.task_errors[..., :2]).all() and np.isfinite(three.task_errors).all()
    assert np.isfinite(two.readout.sel(heads="own")).sum() == 6 * 4
    one = mixed.replace(heads="one", save_at=tuple(swept.alpha.values)).run()
    assert np.array_equal(two.readout.sel(heads="one", head=0), one.readout[0])
    assert np.isnan(two.readout.sel(heads="one")[:, 1:]).all()
    means = om.sweep(mixed.replace(keep="summary", replicas=7), {"tasks": [2, 3]}, keep="task_errors")
    runs = mixed.replace(replicas=7, save_at=tuple(means.alpha.values)).run()
    assert means.task_errors_mean[0, :, :2].values == pytest.approx(runs.task_errors.mean(0), rel=1e-12)
    assert means.final_error_of_task_1.values[0] == pytest.approx(runs.task_errors[:, -1, 1].mean(), rel=1e-12)


def test_times_of_switches_are_saved_of_every_point():
    swept = om.sweep(SMALL.replace(engine="ode"), {"switch_at": [1, 3]}, keep="task_errors")
    assert {1.0, 3.0} <= set(swept.alpha.values) and len(swept.alpha) == 8
    one = SMALL.replace(engine="ode", switch_at=3, save_at=tuple(swept.alpha.values)).run()
    assert np.array_equal(swept.task_errors.sel(switch_at=3.0), one.task_errors[0])
    assert swept.switch_at.attrs == {"long_name": "α at which the next task begins", "units": "steps/N"}


def test_sweeps_that_have_no_tasks():
    with pytest.raises(ParameterError, match="task_errors are of several tasks, and no point has them: sweep experi"):
        om.sweep(om.Experiment(N=40, alpha=1.0), {"eta": [1, 2]}, keep="task_errors")
    for name in ("turns", "shares", "task_noise"):
        with pytest.raises(ParameterError, match=f"a sweep can be over alpha, .*; got '{name}'"):
            om.sweep(SMALL, {name: [1]})
    swept = om.sweep(SMALL.replace(overlap_of="units", task_units=2), {"overlap": [0.3, 0.5]}, keep="task_errors")
    assert swept.status.values.tolist() == ["invalid", "completed"]
    assert "overlap must be a multiple of 1/2; got 0.3" in swept.message.values[0]
    committee = om.sweep(SMALL.replace(overlap=None, heads=None, head_size=None, switch_at=None),
                         {"init": ["committee", "tasks"]}, keep=("task_errors", "Q"))
    assert np.isnan(committee.task_errors[0]).all() and np.isfinite(committee.task_errors[1]).all()


def test_the_command_sweeps_over_overlap(onlinemode):
    options = [str(each) for each in COMMAND[1:] if each not in ("--overlap", 0.3)]
    code, out, _ = onlinemode("sweep", *options, "--switch-at", 2, "--over", "overlap=0,1", "--seeds", 2,
                              "--observables", "task_errors", "--out", "s")
    header, *lines = out.splitlines()
    assert code == 0 and "ε_g of task 0   ε_g of task 1" in header and len(lines) > 4
    swept = om.open_sweep("s")
    assert float(lines[1].split()[-3]) == pytest.approx(swept.final_error_of_task_0.values[0, 1], rel=1e-3)
    assert "final_error_of_task_1_se" in Path("s/table.csv").read_text().splitlines()[0]
