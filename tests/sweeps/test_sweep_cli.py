"""The command ``onlinemode sweep``: --over and SWEEP.toml, folders, the table, what is said, bad input."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from small_sweeps import identical

import onlinemode as om
from onlinemode import plotting
from onlinemode.cli.sweep_file import parse_over
from onlinemode.sweeps import places, work

SMALL = ("--N", 40, "--K", 2, "--alpha", 2, "--save-at", 12)
EXPERIMENT = om.Experiment(engine="chain", N=40, K=2, alpha=2.0, save_at=12)
TWO = ("sweep", "--over", "eta=1,2", *SMALL, "--out", "s", "--no-plot")


def table(folder):
    with open(folder / "table.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def counted(monkeypatch):
    """The values of eta that are run."""
    made, real = [], work._run
    monkeypatch.setattr(work, "_run", lambda job, point, *rest: made.append(point["eta"]) or real(job, point, *rest))
    return made


@pytest.mark.parametrize("engine", ["chain", "micro", "ode"])
def test_points_are_the_runs_of_simulate(engine, onlinemode, tmp_path):
    code, out, err = onlinemode("sweep", "--over", "eta=0.5:1.5:3", *SMALL, "--engine", engine, "--out", "s", "--runs")
    assert code == 0 and "3 points (eta 3) in s" in err and "3 points: 3 completed" in out
    rows = table(tmp_path / "s")
    assert [row["eta"] for row in rows] == ["0.5", "1.0", "1.5"]
    made = om.open_sweep("s")
    for row in rows:
        arguments = [*SMALL, "--eta", row["eta"], "--out", "one", "--overwrite", "--no-plot", "-q"]
        command = ["ode"] if engine == "ode" else ["simulate", "--engine", engine, "--no-theory"]
        assert onlinemode(*command, *arguments)[0] == 0
        run, one = om.load(tmp_path / "s" / "runs" / f"eta={row['eta']}.npz"), om.load("one.npz")
        assert np.array_equal(run.G, one.G) and np.array_equal(run.S, one.S) and np.array_equal(run.alpha, one.alpha)
        assert np.array_equal(made.generalization_error.sel(eta=float(row["eta"])), one.generalization_error[0])
        assert float(row["final_error"]) == one.generalization_error[0, -1]
        assert f"{float(row['final_error']):.4g}" in out
    assert (tmp_path / "s" / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_a_grid_and_the_default_engine(onlinemode, tmp_path):
    code, out, _ = onlinemode("sweep", "--over", "N=20:320:3:log", "--over", "activation=erf,linear", "--alpha", 1,
                              "--save-at", 5, "--replicas", 3, "--json")
    assert code == 0
    summary = json.loads(out)
    assert summary["title"].startswith("chain, ")
    assert summary["over"] == {"N": [20, 80, 320], "activation": ["erf", "linear"]}
    points = [(point["N"], point["activation"]) for point in summary["points"]]
    assert points == [(N, name) for N in (20, 80, 320) for name in ("erf", "linear")]
    assert summary["counts"] == {"completed": 6} and summary["files"]["picture"].endswith("picture.png")
    made = om.open_sweep(tmp_path / "sweep_showcase_N_activation")
    assert made.generalization_error.dims == ("N", "activation", "replica", "alpha")
    experiment = om.Experiment(engine="chain", N=80, activation="linear", alpha=1.0, replicas=3,
                               save_at=tuple(made.alpha.values))
    assert np.array_equal(made.generalization_error.sel(N=80, activation="linear")[:, -1],
                          experiment.run().generalization_error[:, -1])


def test_python_a_file_and_the_command_line_share_a_folder(onlinemode, tmp_path, counted):
    """What one has made the others do not make again."""
    assert onlinemode("sweep", "--over", "eta=1,2", "--seeds", 2, *SMALL, "--out", "s", "--no-plot")[0] == 0
    (tmp_path / "s.toml").write_text(
        'engine = "chain"\nN = 40\nK = 2\nalpha = 2\nsave_at = 12\nplot = false\nseeds = 2\n[over]\neta = [1, 2]\n')
    code, _, err = onlinemode("sweep", "s.toml", "--out", "s")
    assert code == 0 and "4 points (eta 2 × seed 2) in s, 4 of them there already" in err
    made = om.sweep(EXPERIMENT, {"eta": [1, 2]}, seeds=2, store="s")
    assert len(counted) == 4 and identical(made, om.open_sweep("s"))
    assert identical(om.sweep(EXPERIMENT, {"eta": [1, 2]}, seeds=[0, 1]), made)


def test_a_file_says_it_all(onlinemode, tmp_path):
    (tmp_path / "points.csv").write_text("K,M\n2,2\n2,3\n")
    (tmp_path / "s.toml").write_text(
        'engine = "ode"\ninit = "committee"\nN = 40\nalpha = 1.0\nsave_at = 3\nplot = false\nseeds = [4]\nout = "t"\n'
        'observables = ["R"]\nruns = true\n[over]\ncsv = "points.csv"\neta = "1:2:3"\n'
        '"noise,batch" = [[0, 1], [0.5, 2]]\n')
    assert onlinemode("sweep", "s.toml")[0] == 0
    made = om.open_sweep("t")
    assert made.R.dims == ("K_M", "eta", "noise_batch", "seed", "alpha", "student_unit", "teacher_unit")
    assert [made[name].values.tolist() for name in ("M", "batch", "seed")] == [[2, 3], [1, 2], [4]]
    assert "generalization_error" not in made and len(list((tmp_path / "t" / "runs").iterdir())) == 12
    assert onlinemode("sweep", "s.toml", "--over", "eta=3", "--observables", "none", "--out", "u", "--alpha", 2)[0] == 0
    other = om.open_sweep("u")
    assert other.eta.values.tolist() == [3.0] and "R" not in other and (other.final_alpha == 2.0).all()


MAKE = """
import onlinemode as om

def experiment(rate, wide):
    return om.Experiment(engine="ode", init="committee", K=3 if wide else 1, N=40, alpha=1.0, save_at=3, eta=2 * rate)
"""


def test_a_function_makes_the_experiments(onlinemode, tmp_path):
    (tmp_path / "experiments.py").write_text(MAKE)
    (tmp_path / "s.toml").write_text(
        'make = "experiments.py:experiment"\nout = "t"\nplot = false\n[over]\nrate = [0.5, 1]\nwide = [false, true]\n')
    assert onlinemode("sweep", "s.toml", "--processes", 1, "-q") == (0, "", "")
    made = om.open_sweep("t")
    assert made.final_error.dims == ("rate", "wide") and made.wide.values.tolist() == [False, True]
    direct = om.Experiment(engine="ode", init="committee", K=3, N=40, alpha=1.0, save_at=3, eta=2).run()
    assert made.final_error.sel(rate=1, wide=True) == direct.generalization_error[0, -1]
    (tmp_path / "experiments.py").write_text(MAKE.replace("2 * rate", "rate"))
    code, _, err = onlinemode("sweep", "s.toml")
    assert code == 2 and "t holds another sweep, whose source is" in err
    code, _, err = onlinemode("sweep", "s.toml", "--N", 30)
    assert code == 2 and "--N belongs to the experiments that experiments.py:experiment makes; leave it out" in err


def test_three_options_have_a_picture_and_four_have_none(onlinemode, tmp_path):
    over = ("--over", "eta=1,2", "--over", "noise=0,0.1", "--over", "K=1:3:2")
    assert onlinemode("sweep", *over, "--N", 30, "--alpha", 1, "--save-at", 4, "--out", "s", "-q") == (0, "", "")
    assert len(table(tmp_path / "s")) == 8 and (tmp_path / "s" / "picture.png").exists()
    code, out, err = onlinemode("sweep", *over, "--seeds", 2, "--over", "batch=1,2", "--N", 30, "--alpha", 1,
                                "--save-at", 4, "--out", "t")
    assert code == 0 and "no picture: " in err and not (tmp_path / "t" / "picture.png").exists()
    assert "picture" not in out and err.count("\n") == 2


def test_ctrl_c_and_the_same_command_again(onlinemode, tmp_path, monkeypatch):
    monkeypatch.setattr("onlinemode.cli.sweep_report.draw", lambda dataset, path, files: drawn.append(path.parent.name))
    call, drawn = ("sweep", "--over", "eta=0.5,1,1.5,2", *SMALL, "--replicas", 2, "--out"), []
    assert onlinemode(*call, "s")[0] == 0
    made, real = [], work._run

    def interrupted(job, point, *given):
        made.append(point["eta"])
        if len(made) == 3:
            return real(job, point, given[0], lambda report: (_ for _ in ()).throw(KeyboardInterrupt))
        return real(job, point, *given)

    monkeypatch.setattr(work, "_run", interrupted)
    code, out, err = onlinemode(*call, "t")
    assert code == 130 and "stopped by the user after 2 of 4 points; the same command goes on" in err
    assert "4 points: 2 completed, 2 missing" in out
    assert made == [0.5, 1.0, 1.5] and [row["eta"] for row in table(tmp_path / "t")] == ["0.5", "1.0"]
    assert drawn == ["s"]  # half a sweep has no picture
    assert onlinemode(*call, "t")[0] == 0
    assert made == [0.5, 1.0, 1.5, 1.5, 2.0]
    assert identical(om.open_sweep("t"), om.open_sweep("s"))


def test_ctrl_c_in_the_first_point(onlinemode, tmp_path, monkeypatch):
    real = work._run
    monkeypatch.setattr(work, "_run", lambda job, point, starts, _: real(
        job, point, starts, lambda report: (_ for _ in ()).throw(KeyboardInterrupt)))
    code, out, err = onlinemode(*TWO)
    assert code == 130 and "after 0 of 2 points" in err and "folder" not in out and list(tmp_path.iterdir()) == []


def test_names_of_folders(onlinemode, tmp_path):
    """Without --out another sweep gets another folder, the same sweep its own."""
    one, two = (("sweep", "--over", "eta=1,2", *SMALL, "--noise", noise, "--no-plot", "-q") for noise in (0, 0.1))
    for call in (one, two, one, two):
        assert onlinemode(*call)[0] == 0
    assert onlinemode(*one, "--engine", "ode")[0] == onlinemode(*two, "--over", "activation=erf,linear")[0] == 0
    assert onlinemode(*two, "--over", "init=showcase,committee", "--activation", "linear")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "sweep_linear_eta_init", "sweep_showcase_eta", "sweep_showcase_eta_2", "sweep_showcase_eta_activation",
        "sweep_showcase_ode_eta"]


def test_more_values_are_more_points_of_the_same_sweep(onlinemode, tmp_path, counted):
    assert onlinemode("sweep", "--over", "eta=1,2", *SMALL, "--no-plot")[0] == 0
    code, out, err = onlinemode("sweep", "--over", "eta=0.5:1.5:3", *SMALL, "--no-plot")
    assert code == 0 and counted == [1.0, 2.0, 0.5, 1.5]
    assert "3 points (eta 3) in sweep_showcase_eta, 1 of them there already, beside 1 others" in err
    assert "3 points: 3 completed" in out
    assert [row["eta"] for row in table(tmp_path / "sweep_showcase_eta")] == ["0.5", "1.0", "1.5", "2.0"]


def test_points_that_cannot_be_run_stop_nothing(onlinemode, tmp_path):
    code, out, err = onlinemode("sweep", "--over", "K,M=2,2;2,3;3,4", "--over", "eta=-1,1", *SMALL[:2], *SMALL[4:],
                                "--out", "s", "--no-plot")
    assert code == 0 and "6 points: 1 completed, 5 invalid" in out
    assert "onlinemode: invalid: 3 points, the first at K = 2, M = 2, eta = -1.0: learning rate xi_in must be" in err
    assert "onlinemode: invalid: 1 point, the first at K = 2, M = 3, eta = 1.0: in the showcase start the t" in err
    rows = table(tmp_path / "s")
    assert [row["status"] for row in rows] == ["invalid", "completed", *["invalid"] * 4]
    assert rows[1]["message"] == "" and rows[2]["message"].startswith("learning rate xi_in")


def test_a_sweep_without_a_point_that_can_be_run(onlinemode, tmp_path, monkeypatch):
    """Known only when it is run: the exit code tells."""
    def fail(job, point, *given):
        raise RuntimeError("no luck")

    monkeypatch.setattr(work, "_run", fail)
    code, out, err = onlinemode(*TWO)
    assert code == 2 and "2 points: 2 error" in out
    assert "onlinemode: error: 2 points, the first at eta = 1.0: RuntimeError: no luck" in err
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert onlinemode(*TWO)[0] == 2 and onlinemode(*TWO, "--retry")[0] == 0
    assert (om.open_sweep("s").status == "completed").all()


def test_diverging_points(onlinemode, tmp_path, monkeypatch):
    """They are crosses, not values, in the picture."""
    drawn, real = [], plotting.sweep_figure
    monkeypatch.setattr(plotting, "sweep_figure", lambda *arguments: drawn.append(real(*arguments)) or drawn[-1])
    call = ("--N", 20, "--activation", "linear", "--alpha", 40, "--save-at", 8)
    code, out, err = onlinemode("sweep", "--over", "eta=1,2,300", *call, "--out", "s")
    assert code == 0 and "3 points: 2 completed, 1 diverged" in out and err.count("\n") == 1
    rows = table(tmp_path / "s")
    assert [row["complete"] for row in rows] == ["True", "True", "False"] and rows[2]["status"] == "diverged"
    values = drawn[0].axes[2].lines[0].get_ydata()
    assert np.isfinite(values[:2]).all() and (len(values) == 2 or np.isnan(values[2]))
    assert drawn[0].get_suptitle().startswith("chain, showcase: N = 20, K = 3") and "η" not in drawn[0].get_suptitle()


def test_replicas_that_end_in_different_ways(onlinemode, tmp_path):
    """The table counts them, a point counts as the worst of them."""
    from onlinemode.cli.sweep_report import count, status_words

    assert status_words(np.array(["diverged", "completed", "completed"])) == "2 completed, 1 diverged"
    assert status_words(np.array(["converged"] * 3)) == "converged"
    codes = np.array([[1, 1], [1, 2], [1, 3], [3, 4], [0, 0], [5, 5], [7, 7]])
    assert count(codes) == {"completed": 1, "converged": 1, "missing": 1, "diverged": 1, "failed": 1, "invalid": 1,
                            "lost": 1}


def test_configuration_file(onlinemode, tmp_path):
    (tmp_path / "run.toml").write_text('engine = "ode"\nN = 40\nalpha = 1.0\nsave_at = 5\nplot = false\n')
    assert onlinemode("sweep", "--over", "eta=1,2", "--config", "run.toml", "--out", "s")[0] == 0
    assert om.open_sweep("s").attrs["title"].startswith("ode, ")


def test_dry_run(onlinemode, tmp_path):
    code, out, err = onlinemode("sweep", "--over", "eta=0:1:200", "--over", "noise=0:1:100", "--engine", "ode",
                                "--workers", 4, "--dry-run")
    assert (code, err) == (0, "") and list(tmp_path.iterdir()) == []
    assert out.startswith("20,000 points (eta 200 × noise 100), about ") and " batches, about " in out
    assert out.endswith(" on 4 workers (to a factor of some, by a model)\n")
    assert "1 worker " in onlinemode("sweep", "--over", "eta=1", "--dry-run")[1]
    assert "3 workers " in onlinemode("sweep", "--over", "eta=1", "--processes", 3, "--dry-run")[1]


@pytest.mark.parametrize("place, words", [(("--processes", 2), None), (("--workers", 2), "dashboard at http://")])
def test_other_places(place, words, onlinemode, tmp_path, monkeypatch):
    assert onlinemode("sweep", "--over", "eta=1,2", *SMALL, "--out", "s", "--no-plot")[0] == 0
    got, real = [], places.place_of
    monkeypatch.setattr("onlinemode.sweeps.api.place_of", lambda executor, job, workers, folder: got.append(
        (executor, workers)) or real(executor, job, workers, folder))
    monkeypatch.setattr("onlinemode.sweeps.places.Cluster.has_workers", False)
    code, out, err = onlinemode("sweep", "--over", "eta=1,2", *SMALL, "--out", "t", "--no-plot", *place)
    assert code == 0 and (words is None or words in err) and "2 points: 2 completed" in out
    assert ("waiting for the first worker ..." in err) == (words is not None)
    assert got == [(place[0].replace("--", "").replace("workers", "dask"), 2)]
    assert identical(om.open_sweep("s"), om.open_sweep("t"))


def test_over_in_words():
    assert parse_over(["--student-size=1,2", " K , M =1,2;3,4", "points.csv", "N=1:2:3"]) == {
        "student_size": "1,2", "K,M": "1,2;3,4", "csv": "points.csv", "N": "1:2:3"}


def test_overwrite_makes_all_points_anew(onlinemode, tmp_path):
    """Also in the folder of another sweep, unless that one is running."""
    from onlinemode.claims import Lock

    other = ("sweep", "--over", "eta=2,3", *SMALL, "--noise", 0.5, "--out", "s", "--no-plot")
    assert onlinemode(*TWO)[0] == 0
    code, _, err = onlinemode(*other)
    assert code == 2 and "s holds another sweep, whose noise is 0.0 and not 0.5: give another folder" in err
    with Lock(tmp_path / "s" / "sweep.json"):
        code, _, err = onlinemode(*other, "--overwrite")
        assert code == 2 and err.count("\n") == 1 and "another running process sweeps into s" in err
    assert onlinemode(*other, "--overwrite")[0] == 0
    assert [row["eta"] for row in table(tmp_path / "s")] == ["2.0", "3.0"]


BAD = {
    "nothing": ([], "nothing is swept: give --over NAME=VALUES, such as eta=1,2,5"),
    "empty": (["--over", "eta= "], "--over must be NAME=VALUES, for example eta=1,2,5"),
    "seeds": (["--seeds", "frob"], "frob"),
    "no values": (["--over", "eta"], "--over must be NAME=VALUES, for example eta=1,2,5"),
    "no number": (["--over", "eta=1,x"], "eta: 'x' is neither a number nor a schedule: power"),
    "no count": (["--over", "eta=1:2"], "a range is FROM:TO:COUNT or FROM:TO:COUNT:log; got '1:2' for eta"),
    "unknown": (["--over", "foo=1,2"], "a sweep can be over alpha, engine, init, N, K, M, P, "),
    "twice": (["--over", "eta=1", "--over", "eta=2"], "--over names every option once; got eta twice"),
    "twice in two": (["--over", "eta=1", "--over", "eta,noise=2,2"], "eta is swept twice: give all its values"),
    "seed twice": (["--over", "seed=1", "--seeds", 3], "seed is swept twice"),
    "equal": (["--over", "eta=1,1.0"], "the values of eta must differ, and be at least one; got [1.0, 1.0]"),
    "strange seeds": (["--over", "noise=0,0.1", "--seeds", "²"], "seed must be a whole number"),
    "many seeds": (["--over", "noise=0,0.1", "--seeds", "99999999"], "a sweep has at most 100,000,000 points;"),
    "many": (["--over", "eta=0:1:20000", "--over", "noise=0:1:20000"], "a sweep has at most 100,000,000 points; g"),
    "many runs": (["--over", "eta=0:1:20000", "--runs"], "whole trajectories are kept of at most 10,000 points;"),
    "engine": (["--over", "eta=1,2", "--engine", "sgd"],
               "'--engine': 'sgd' is not one of 'micro', 'chain', 'leap', 'ode'"),
    "start": (["--over", "readout=sum,foo"], "readout must be one of mean, sum, sqrt; got 'foo'"),
    "alpha": (["--over", "seed=1,2", "--alpha", "-1"], "'--alpha': -1.0 is not in the range x>0"),
    "no point": (["--over", "eta=-1,-2"], "eta = -1.0: learning rate xi_in must be a finite number ≥ 0; got -1.0"),
    "swept and given": (["--over", "N=30,50"], "--N is swept; leave it out"),
    "of the ode": (["--over", "eta=1,2", "--method", "RK45"], "engine chain has no option --method; leave it out"),
    "axis of the ode": (["--over", "rtol=1e-3,1e-4"], "engine chain has no option 'rtol' to sweep"),
    "of micro": (["--over", "eta=1,2", "--engine", "ode", "--replicas", 3], "engine ode has no option --replicas"),
    "lengths": (["--over", "eta,noise=2,2;3"], "every point of eta, noise has 2 values; point 2 has 1: ['3']"),
    "lengths of a file": (["--over", "bad.csv"], "bad.csv: every line has 2 values, as the first one; line 3 has 1"),
    "no file": (["--over", "none.csv"], "cannot read none.csv: No such file or directory"),
    "observable": (["--over", "eta=1", "--observables", "foo"], "what is kept of a point can be generalization_err"),
    "places": (["--over", "eta=1", "--processes", 2, "--workers", 2], "give one of --processes, --workers and"),
    "other sweep": (["--over", "eta=1,2", "--out", "sweep"], "sweep holds another sweep, whose noise is 0.5 and not 0"),
    "inputs of the chain": (["--over", "eta=1,2", "--inputs", "rademacher"], "engine chain needs inputs with indep"),
    "folder": (["--over", "eta=1,2", "--out", "other"], "other is not the folder of a sweep: give another"),
    "no folder": (["--over", "eta=1,2", "--out", "no/where"], "cannot write no/where: No such file or directory"),
    "no toml": (["none.toml"], "cannot read none.toml: No such file or directory"),
    "unknown key": (["key.toml"], "key.toml: unknown key 'ovr'; did you mean over?"),
    "runs": (["runs.toml"], "runs.toml: runs must be true or false; got 3"),
    "seeds of a file": (["seeds.toml"], "seeds.toml: seeds must be a number or a list of seeds; got '3'"),
    "observables of a file": (["observables.toml"], "observables.toml: observables must be a list of names; got 3"),
    "maker": (["maker.toml"], "maker.toml: make must be FILE.py:NAME or MODULE:NAME; got 3"),
    "no table": (["table.toml"], "table.toml: over must be a table, [over], of names and values; got 3"),
    "make": (["make.toml"], "make = 'nowhere:f' cannot be imported"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_writes_nothing(name, onlinemode, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("of somebody")
    (tmp_path / "bad.csv").write_text("K,M\n2,2\n3\n")
    (tmp_path / "key.toml").write_text("[ovr]\neta = [1, 2]\n")
    (tmp_path / "table.toml").write_text("over = 3\n")
    for entry in ("runs = 3", 'seeds = "3"', "observables = 3", "maker = 3"):
        (tmp_path / f"{entry.split()[0]}.toml").write_text(f"{entry.replace('maker', 'make')}\n[over]\neta = [1, 2]\n")
    (tmp_path / "make.toml").write_text('make = "nowhere:f"\n[over]\neta = [1, 2]\n')
    if name == "other sweep":
        other = ("--over", "eta=1", *SMALL, "--noise", 0.5, "--no-plot", "-q", "--out", "sweep")
        assert onlinemode("sweep", *other)[0] == 0
    before = sorted(tmp_path.rglob("*"))
    arguments, message = BAD[name]
    code, out, err = onlinemode("sweep", *([] if name == "make" else SMALL), *arguments, "--quiet")
    assert code == 2 and out == "" and err.count("\n") == 1 and message in err, err
    assert sorted(tmp_path.rglob("*")) == before


def test_an_unreachable_scheduler(onlinemode, tmp_path, monkeypatch):
    monkeypatch.setattr("onlinemode.sweeps.places.CONNECT_SECONDS", 0.5)
    code, out, err = onlinemode("sweep", "--over", "eta=1", *SMALL, "--scheduler", "127.0.0.1:9", "-q")
    assert code == 2 and out == "" and err.count("\n") == 1 and "no Dask scheduler answers at tcp://127.0.0.1:9" in err
    assert list(tmp_path.iterdir()) == []


def test_overwrite_without_a_name_takes_no_other_folder(onlinemode, tmp_path):
    from onlinemode.claims import Lock

    call = ("sweep", "--over", "eta=1,2", *SMALL, "--no-plot", "--overwrite")
    assert onlinemode(*call)[0] == 0
    with Lock(tmp_path / "sweep_showcase_eta" / "sweep.json"):
        code, _, err = onlinemode(*call)
        assert code == 2 and "another running process sweeps into sweep_showcase_eta" in err
    assert onlinemode(*call, "--noise", 0.5)[0] == 0 and len(table(tmp_path / "sweep_showcase_eta")) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["sweep_showcase_eta"]


def test_overwrite_and_retry_of_a_named_folder(onlinemode, tmp_path, counted):
    """The name that the command would take by itself."""
    call = ("sweep", "--over", "eta=1,2", *SMALL, "--no-plot")
    assert onlinemode(*call)[0] == 0 and onlinemode(*call)[0] == 0 and counted == [1.0, 2.0]
    end_as("sweep_showcase_eta", ["completed", "failed"])
    assert onlinemode(*call, "--retry")[0] == 0 and counted == [1.0, 2.0, 2.0]
    assert onlinemode(*call, "--overwrite")[0] == 0 and counted == [1.0, 2.0, 2.0, 1.0, 2.0]


def end_as(folder, words):
    """Let the points of a folder have ended so."""
    from onlinemode.sweeps import store
    from onlinemode.sweeps.kept import STATUS

    codes = store.group_of(Path(folder) / "results.zarr")["status"]
    codes[...] = np.array([STATUS.index(word) for word in words]).reshape(codes.shape)


@pytest.mark.parametrize("words, code", [
    (["invalid", "invalid"], 2), (["error", "error"], 2), (["lost", "lost"], 2), (["error", "lost"], 2),
    (["invalid", "completed"], 0), (["failed", "failed"], 0), (["diverged", "diverged"], 0)])
def test_exit_codes(words, code, onlinemode):
    """2 where no point could be run; what points are called is told, also with --quiet."""
    assert onlinemode(*TWO, "--quiet") == (0, "", "")
    end_as("s", words)
    found, out, err = onlinemode(*TWO, "--quiet")
    assert found == code and out == ""
    assert [line.split(": ")[1] for line in err.splitlines()] == [
        word for word in dict.fromkeys(words) if word in ("invalid", "error", "lost", "failed")]


def test_exit_code_of_a_grid_that_is_not_full(onlinemode):
    """It is that of the points that were asked for."""
    one, other = (("sweep", "--over", f"eta={eta}", "--over", f"noise={noise}", *SMALL, "--out", "s", "--no-plot")
                  for eta, noise in ((1, 0), (2, 0.1)))
    assert onlinemode(*one)[0] == 0 and onlinemode(*other)[0] == 0
    end_as("s", ["invalid", "missing", "missing", "invalid"])
    code, out, _ = onlinemode(*other)
    assert code == 2 and "1 point: 1 invalid" in out


def test_where_nothing_is_missing_nobody_is_asked_to_make_it(onlinemode):
    assert onlinemode(*TWO)[0] == 0
    code, _, err = onlinemode(*TWO, "--scheduler", "127.0.0.1:9")
    assert code == 0 and "2 of them there already" in err


def test_seeds_of_the_command_line_and_of_a_file(onlinemode, tmp_path):
    (tmp_path / "s.toml").write_text('N = 40\nK = 2\nalpha = 1\nsave_at = 3\nplot = false\nseeds = 3\n')
    assert onlinemode("sweep", "s.toml", "--out", "s")[0] == 0
    assert onlinemode("sweep", "s.toml", "--seeds", "5,7", "--out", "t")[0] == 0
    assert [om.open_sweep(name).seed.values.tolist() for name in "st"] == [[0, 1, 2], [5, 7]]


def test_words_of_observables_in_a_file(onlinemode, tmp_path):
    (tmp_path / "s.toml").write_text('N = 40\nK = 2\nalpha = 1\nsave_at = 3\nplot = false\nobservables = "R,Q"\n')
    assert onlinemode("sweep", "s.toml", "--over", "eta=1", "--out", "s")[0] == 0
    assert {"R", "Q"} < set(om.open_sweep("s").data_vars)


def test_json_of_several_names_that_vary_together(onlinemode):
    code, out, _ = onlinemode("sweep", "--over", "eta,noise=1,0;2,0.1", *SMALL, "--out", "s", "--no-plot", "--json")
    assert code == 0 and json.loads(out)["over"] == {"eta_noise": [[1.0, 0.0], [2.0, 0.1]]}


def test_several_messages(onlinemode, tmp_path, monkeypatch):
    """The first three; they are told with --quiet, too."""
    def fail(job, point, *given):
        raise RuntimeError(f"no luck with {point['eta']}")

    monkeypatch.setattr(work, "_run", fail)
    call = ("sweep", "--over", "eta=1,2,3,4,5", *SMALL, "--out", "s", "--no-plot")
    code, out, err = onlinemode(*call, "-q")
    lines = err.splitlines()
    assert code == 2 and out == "" and len(lines) == 4 and "no luck with 3.0" in lines[2]
    assert lines[3] == "onlinemode: and 2 other messages, which table.csv has"


def test_a_line_is_printed_for_every_point_of_a_small_sweep(onlinemode, monkeypatch):
    call = ("sweep", "--over", "N=40,1000", "--over", "eta=-1,1", *SMALL[2:], "--out", "s", "--no-plot")
    _, out, _ = onlinemode(*call)
    lines = out.splitlines()
    assert lines[0].split()[:2] == ["N", "eta"] and lines[3].split()[:2] == ["1,000", "-1.0"]
    assert lines[1].split()[2:] == ["-"] * 4 + ["invalid"] and lines[2].split()[-1] == "completed"
    monkeypatch.setattr("onlinemode.cli.sweep_report.MOST_ROWS", 3)
    assert onlinemode(*call)[1].startswith("4 points: ")


def test_slabs_of_the_table(onlinemode, tmp_path, monkeypatch):
    call = ("sweep", "--over", "eta=1:2:5", "--over", "noise=0,0.1", *SMALL, "--out", "s", "--no-plot", "-q")
    assert onlinemode(*call)[0] == 0
    whole = table(tmp_path / "s")
    monkeypatch.setattr("onlinemode.cli.sweep_report.POINTS_AT_ONCE", 5)
    assert onlinemode(*call)[0] == 0 and table(tmp_path / "s") == whole and len(whole) == 10


def test_the_report_of_replicas(onlinemode, tmp_path):
    call = ("sweep", "--over", "eta=1,2", *SMALL, "--replicas", 2, "--out", "s", "--no-plot")
    assert onlinemode(*call)[0] == 0
    end_as("s", ["completed", "diverged", "completed", "completed"])
    assert "1 completed, 1 diverged" in onlinemode(*call)[1]
    assert [(row["status"], row["complete"]) for row in table(tmp_path / "s")] == [
        ("1 completed, 1 diverged", "False"), ("completed", "True")]
    end_as("s", ["missing", "completed", "completed", "completed"])
    assert onlinemode(*call)[0] == 0 and len(table(tmp_path / "s")) == 2


def test_how_much_time_is_left_is_said_once(capsys):
    from onlinemode.cli.sweep import _TimeLeft
    from onlinemode.sweeps.running import SweepProgress

    for quiet in (True, False):
        said = _TimeLeft(quiet)
        for done, left in ((5, 100.0), (6, None), (6, 100.0), (7, 100.0), (8, 90.0)):
            said(SweepProgress(done, 0, 10, left))
        assert capsys.readouterr().err.count("left") == (not quiet)
    said = _TimeLeft(False)
    for done in (0, 5):
        said(SweepProgress(done, 0, 10, 1.0))
    assert capsys.readouterr().err == ""


def test_options_of_an_engine_that_is_swept(onlinemode):
    call = ("sweep", "--over", "engine=ode,chain", "--rtol", 1e-5, *SMALL, "--out", "s", "--no-plot", "-q")
    assert onlinemode(*call) == (0, "", "") and (om.open_sweep("s").status == "completed").all()
