"""Sweeps: the row of a run, the grid on the command line, and a folder that an interrupted sweep goes on in."""

import csv
import dataclasses
import json
import os

import numpy as np
import pytest

import onlinemode as om
from onlinemode import plotting, simulation
from onlinemode.errors import EngineError
from onlinemode.summaries import difference, summary_of

SMALL = ("--N", 40, "--K", 2, "--alpha", 2, "--save-at", 12)


def table(folder):
    with open(folder / "table.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def same(one, other):
    return np.array_equal(one.G, other.G, equal_nan=True) and np.array_equal(one.S, other.S, equal_nan=True)


def test_row_of_an_ensemble():
    start = om.initial.showcase(4000, K=3)
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=3.0)), start, 150.0, "chain", replicas=5, save_at=150)
    row = summary_of(run)
    assert row["status"] == "completed" and row["complete"] and row["alpha"] == 150.0
    errors, values = run.generalization_error, run.specialization
    assert row["error"] == pytest.approx(errors[:, -1].mean(), rel=1e-12)
    assert row["error_se"] == pytest.approx(errors[:, -1].std(ddof=1) / np.sqrt(5), rel=1e-9)
    assert row["specialization"] == pytest.approx(values[:, -1].mean(), rel=1e-12)
    times = []
    for curve in values:
        i = np.argmax(curve >= 0.5)
        times.append(np.interp(0.5, curve[i - 1:i + 1], run.alpha[i - 1:i + 1]))
    assert values[:, -1].min() > 0.5 > values[:, 0].max()
    assert row["specialized_at"] == pytest.approx(np.median(times), rel=1e-12)
    plateau = max(run.plateaus(), key=lambda p: p.stop / p.start)
    assert (row["plateau_start"], row["plateau_stop"], row["plateau_level"]) == plateau[:3]


def test_row_of_runs_that_end_early():
    """ε_g is that of the last time that all replicas reached; none of them specializes."""
    start = om.initial.committee(20, K=2)
    run = om.simulate(om.Problem("linear", rates=om.LearningRates(xi_in=12.0)), start, 60.0, "chain", N=20, replicas=6,
                      save_at=np.linspace(0.0, 60.0, 61))
    assert len(set(run.status)) == 1 and run.status[0].value == "diverged"
    row = summary_of(run)
    reached = np.isfinite(run.generalization_error).all(0)
    assert not reached.all() and row["alpha"] == run.alpha[reached][-1]
    assert row["error"] == pytest.approx(run.generalization_error[:, reached][:, -1].mean(), rel=1e-12)
    assert row["status"] == "diverged" and not row["complete"] and np.isnan(row["plateau_start"])
    few = om.simulate(om.Problem(rates=om.LearningRates(xi_in=0.1)), start, 0.5, "ode", N=20)
    assert np.isnan(summary_of(few)["specialized_at"]) and np.isnan(summary_of(few)["error_se"])


@pytest.mark.parametrize("engine", ["chain", "micro", "ode"])
def test_points_are_the_runs_of_simulate(engine, onlinemode, tmp_path):
    code, out, err = onlinemode("sweep", "--over", "eta=0.5:1.5:3", *SMALL, "--engine", engine, "--out", "s")
    assert code == 0 and f"3 points of {engine} in s" in err
    rows = table(tmp_path / "s")
    assert [row["eta"] for row in rows] == ["0.5", "1.0", "1.5"]
    for row in rows:
        arguments = [*SMALL, "--eta", row["eta"], "--out", "one", "--overwrite", "--no-plot", "-q"]
        command = ["ode"] if engine == "ode" else ["simulate", "--engine", engine, "--no-theory"]
        assert onlinemode(*command, *arguments)[0] == 0
        run, one = om.load(tmp_path / "s" / row["file"]), om.load("one.npz")
        assert same(run, one)
        assert float(row["error"]) == one.generalization_error[0, -1]
        assert f"{float(row['error']):.4g}" in out
    assert (tmp_path / "s" / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_a_grid_and_the_default_engine(onlinemode, tmp_path):
    code, out, _ = onlinemode("sweep", "--over", "N=20:320:3:log", "--over", "activation=erf,linear", "--alpha", 1,
                              "--save-at", 5, "--replicas", 3, "--json")
    assert code == 0
    summary = json.loads(out)
    assert summary["engine"] == "chain" and summary["over"] == {"N": [20, 80, 320], "activation": ["erf", "linear"]}
    points = [(point["N"], point["activation"]) for point in summary["points"]]
    assert points == [(N, name) for N in (20, 80, 320) for name in ("erf", "linear")]
    assert om.load(tmp_path / "sweep_showcase_N_activation" / "N=80,activation=linear.npz").N == 80
    assert (tmp_path / "sweep_showcase_N_activation" / "picture.png").exists()


def test_three_options_have_a_table_and_no_picture(onlinemode, tmp_path):
    over = ("--over", "eta=1,2", "--over", "noise=0,0.1", "--over", "K=1:3:2")
    assert onlinemode("sweep", *over, "--N", 30, "--alpha", 1, "--save-at", 4, "--out", "s", "-q") == (0, "", "")
    assert len(table(tmp_path / "s")) == 8 and not (tmp_path / "s" / "picture.png").exists()


def test_an_interrupted_sweep_goes_on(onlinemode, tmp_path, monkeypatch):
    call = ("sweep", "--over", "eta=0.5,1,1.5,2", *SMALL, "--replicas", 2, "--out", "s", "--no-plot")
    assert onlinemode(*call)[0] == 0
    whole = [om.load(tmp_path / "s" / f"eta={eta}.npz") for eta in (0.5, 1.0, 1.5, 2.0)]
    made, real = [], simulation.simulate

    def interrupted(problem, *arguments, **options):
        made.append(problem.rates.xi_in)
        if len(made) == 3:
            options["progress"] = lambda report: (_ for _ in ()).throw(KeyboardInterrupt)
        return real(problem, *arguments, **options)

    monkeypatch.setattr(simulation, "simulate", interrupted)
    call = (*call[:-2], "t", "--no-plot")
    code, _, err = onlinemode(*call)
    assert code == 130 and "after 2 of 4 points; the same command goes on" in err
    assert made == [0.5, 1.0, 1.5] and len(table(tmp_path / "t")) == 2
    assert not (tmp_path / "t" / "eta=1.5.npz").exists()
    assert onlinemode(*call)[0] == 0
    assert made == [0.5, 1.0, 1.5, 1.5, 2.0]  # the first two were read
    assert all(same(om.load(tmp_path / "t" / f"eta={run.problem.rates.xi_in}.npz"), run) for run in whole)
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in table(tmp_path / "t")]
    assert rows == [{name: value for name, value in row.items() if name != "seconds"} for row in table(tmp_path / "s")]


def test_names_of_folders(onlinemode, tmp_path):
    """Without --out another sweep gets another folder, the same sweep its own."""
    one, two = (("sweep", "--over", "eta=1,2", *SMALL, "--noise", noise, "--no-plot", "-q") for noise in (0, 0.1))
    for call in (one, two, one, two):
        assert onlinemode(*call)[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sweep_showcase_eta", "sweep_showcase_eta_2"]


def test_more_values_are_more_points_of_the_same_sweep(onlinemode, tmp_path, monkeypatch):
    made, real = [], simulation.simulate
    monkeypatch.setattr(simulation, "simulate", lambda problem, *arguments, **options: made.append(
        problem.rates.xi_in) or real(problem, *arguments, **options))
    for values in ("eta=1,2", "eta=0.5:2:4"):
        code, _, err = onlinemode("sweep", "--over", values, *SMALL, "--no-plot")
        assert code == 0
    assert made == [1.0, 2.0, 0.5, 1.5] and "4 points of chain in sweep_showcase_eta, 2 of them there already" in err
    assert [row["eta"] for row in table(tmp_path / "sweep_showcase_eta")] == ["0.5", "1.0", "1.5", "2.0"]


def test_a_point_that_fails_keeps_the_table_of_those_before(onlinemode, tmp_path, monkeypatch):
    real = simulation.simulate

    def simulate(problem, *arguments, **options):
        if problem.rates.xi_in == 2.0:
            raise EngineError("no luck")
        return real(problem, *arguments, **options)

    monkeypatch.setattr(simulation, "simulate", simulate)
    code, _, err = onlinemode("sweep", "--over", "eta=1,2", *SMALL, "--out", "s", "-q")
    assert code == 2 and err == "onlinemode: eta = 2.0: no luck\n"
    assert [row["eta"] for row in table(tmp_path / "s")] == ["1.0"]


def test_diverging_points(onlinemode, tmp_path, monkeypatch):
    """They are crosses, not values, in the picture."""
    drawn, real = [], plotting.sweep_figure
    monkeypatch.setattr(plotting, "sweep_figure", lambda *arguments: drawn.append(real(*arguments)) or drawn[-1])
    call = ("--N", 20, "--activation", "linear", "--alpha", 40, "--save-at", 8, "-q")
    assert onlinemode("sweep", "--over", "eta=1,2,300", *call, "--out", "s")[0] == 0
    rows = table(tmp_path / "s")
    assert [row["complete"] for row in rows] == ["True", "True", "False"] and rows[2]["status"] == "diverged"
    values = drawn[0].axes[2].lines[0].get_ydata()
    assert np.isfinite(values[:2]).all() and np.isnan(values[2])
    assert drawn[0].axes[2].lines[-1].get_xdata() == [300.0]
    assert drawn[0].get_suptitle().startswith("chain, showcase: N = 20, K = 3") and "η" not in drawn[0].get_suptitle()
    assert onlinemode("sweep", "--over", "eta=300,400", "--over", "noise=0,1", *call, "--out", "t")[0] == 0
    assert drawn[1].axes[0].images[0].get_array().mask.all()


def test_configuration_file(onlinemode, tmp_path):
    (tmp_path / "run.toml").write_text('engine = "ode"\nN = 40\nalpha = 1.0\nsave_at = 5\nplot = false\n')
    assert onlinemode("sweep", "--over", "eta=1,2", "--config", "run.toml", "--out", "s")[0] == 0
    assert om.load(tmp_path / "s" / "eta=1.0.npz").meta["engine"] == "ode"


TWO = ("sweep", "--over", "eta=1,2", *SMALL, "--out", "s", "--no-plot")


@pytest.mark.parametrize("change, words", [
    (("--noise", 0.5), "its noise is 0.5 and not 0.0"), (("--seed", 3), "its seed is 3 and not 0"),
    (("--alpha", 3), "its alpha is 3.0 and not 2.0"), (("--save-at", 9), "its save_at is 9 and not 12"),
    (("--replicas", 2), "its replicas is 2 and not 1"), (("--N", 50), "its N is 50 and not 40"),
    (("--student-size", 0.2), "its start arguments student_size is 0.2 and not 0.3"),
    (("--activation", "linear"), "its activation is linear and not erf"),
    (("--eta", 2), "its rates xi_in is 2.0 and not 1.0"), (("--engine", "micro"), "its engine is micro and not chain"),
    (("--init", "committee"), "its start name is committee and not showcase"),
    (("--fresh-students",), "its fresh students is True and not False")])
def test_a_file_of_other_settings_is_kept_aside(change, words, onlinemode, tmp_path):
    """It is not the point, whatever its name says; the point is made anew."""
    assert onlinemode(*TWO)[0] == 0
    one, two = tmp_path / "s" / "eta=1.0.npz", tmp_path / "s" / "eta=2.0.npz"
    right = om.load(one)
    assert onlinemode("simulate", "--engine", "chain", "--eta", 1, *SMALL, "--no-theory", "--no-plot", *change, "--out",
                      "x")[0] == 0
    one.write_bytes((tmp_path / "x.npz").read_bytes())
    before = two.stat().st_mtime_ns
    code, _, err = onlinemode(*TWO)
    assert code == 0 and "is not the run of this point: " + words in err, err
    assert "kept as eta=1.0.npz.other, and the point is made anew" in err and "1 of them there already" in err
    assert (tmp_path / "s" / "eta=1.0.npz.other").read_bytes() == (tmp_path / "x.npz").read_bytes()
    assert same(om.load(one), right) and two.stat().st_mtime_ns == before
    assert "kept as" not in onlinemode(*TWO)[2]


def test_overlaps_and_the_ode_are_compared_too(onlinemode, tmp_path):
    call = ("sweep", "--over", "seed=1,2", "--N", "1e9", "--alpha", "1e-8", "--save-at", 3, "--out", "s", "--no-plot")
    for engine in ("chain", "ode"):
        assert onlinemode(*call, engine, "--engine", engine)[0] == 2  # a word too many
        assert onlinemode(*call[:-2], engine, "--no-plot", "--engine", engine)[0] == 0
        code, _, err = onlinemode(*call[:-2], engine, "--no-plot", "--engine", engine)
        assert code == 0 and "2 of them there already" in err and "kept as" not in err
    folder = tmp_path / "ode"
    run = om.load(folder / "seed=1.npz")
    run.initial = om.load(folder / "seed=2.npz").initial
    run.save(folder / "seed=1.npz")
    assert "it began from other overlaps: kept as seed=1.npz.other" in onlinemode(*call[:-2], "ode", "--no-plot",
                                                                                 "--engine", "ode")[2]


def test_a_damaged_file_is_kept_aside(onlinemode, tmp_path):
    assert onlinemode(*TWO)[0] == 0
    one = tmp_path / "s" / "eta=1.0.npz"
    right, half = om.load(one), one.read_bytes()[:900]
    for name in ("eta=1.0.npz.damaged", "eta=1.0.npz_2.damaged"):
        one.write_bytes(half)
        code, out, err = onlinemode(*TWO)
        assert code == 0 and f"kept as {name}" in err and err.count("is damaged") == 1
        assert (tmp_path / "s" / name).read_bytes() == half and same(om.load(one), right)


def test_the_table_has_all_points_of_the_folder(onlinemode, tmp_path):
    """In the order of the values, whatever was called when; files that are no points are left out."""
    for values in ("eta=2,0.5", "eta=10,1"):
        assert onlinemode("sweep", "--over", values, *SMALL, "--out", "s", "--no-plot", "-q")[0] == 0
    folder = tmp_path / "s"
    assert [row["eta"] for row in table(folder)] == ["0.5", "1.0", "2.0", "10.0"]
    (folder / "eta=5.0.npz").write_bytes((folder / "eta=2.0.npz").read_bytes())
    (folder / "eta=6.0.npz").write_bytes(b"half")
    (folder / "mine.npz").write_bytes((folder / "eta=2.0.npz").read_bytes())
    code, out, err = onlinemode("sweep", "--over", "eta=3", *SMALL, "--out", "s", "--no-plot", "--json")
    assert [row["eta"] for row in table(folder)] == ["0.5", "1.0", "2.0", "3.0", "10.0"]
    assert [point["eta"] for point in json.loads(out)["points"]] == [3.0]
    for name, why in (("eta=5.0", "its rates xi_in is 2.0 and not 5.0"), ("eta=6.0", "is damaged"),
                      ("mine", "its name")):
        assert len([line for line in err.splitlines() if f"{name}.npz is left out of the table: " in line
                    and why in line]) == 1
    assert all((folder / f"{name}.npz").exists() for name in ("eta=5.0", "eta=6.0", "mine"))


def test_overwrite_makes_all_points_anew(onlinemode, tmp_path):
    """Also in the folder of another sweep, unless that one is running."""
    from onlinemode.claims import Lock

    other = ("sweep", "--over", "eta=2,3", *SMALL, "--noise", 0.5, "--out", "s", "--no-plot")
    assert onlinemode(*TWO)[0] == 0
    code, _, err = onlinemode(*other)
    assert code == 2 and "s holds another sweep, whose noise is 0.0 and not 0.5: give another folder" in err
    with Lock(tmp_path / "s" / "sweep.json", shared=True):
        code, _, err = onlinemode(*other, "--overwrite")
        assert code == 2 and err.count("\n") == 1 and "another running process writes s" in err
    code, _, err = onlinemode(*other, "--overwrite")
    assert code == 0 and "eta=1.0.npz is left out of the table: is not the run of this point: its noise" in err
    assert [row["eta"] for row in table(tmp_path / "s")] == ["2.0", "3.0"]
    assert {om.load(tmp_path / "s" / f"eta={eta}.npz").problem.noise for eta in (2.0, 3.0)} == {0.5}


@pytest.mark.skipif(os.name == "nt", reason="needs fork")
def test_sweeps_started_together_into_one_folder(tmp_path):
    """Six of them, two by two with the same points: one table of all points, every file right."""
    from test_names import start_together

    calls = [("sweep", "--over", f"eta={values}", *SMALL, "--out", "s", "--no-plot", "-q")
             for values in ("1,2", "1,2", "2,3", "2,3", "4,1,5", "4,1,5")]
    assert start_together(tmp_path, calls) == [0] * 6
    folder = tmp_path / "s"
    assert [row["eta"] for row in table(folder)] == ["1.0", "2.0", "3.0", "4.0", "5.0"]
    points = [f"eta={eta}.0.npz" for eta in range(1, 6)]
    assert sorted(path.name for path in folder.iterdir()) == [*points, "sweep.json", "table.csv"]
    for eta in range(1, 6):
        assert om.load(folder / f"eta={eta}.0.npz").problem.rates.xi_in == eta


BAD = {
    "no values": (["--over", "eta"], "--over must be NAME=VALUES, for example eta=1,2,5 or N=100:1e6:5:log; got 'eta'"),
    "no number": (["--over", "eta=1,x"], "--eta: 'x' is not a valid float"),
    "no count": (["--over", "eta=1:2"], "a range is FROM:TO:COUNT or FROM:TO:COUNT:log; got '1:2' for eta"),
    "no log": (["--over", "eta=1:2:3:lin"], "a range is FROM:TO:COUNT or FROM:TO:COUNT:log; got '1:2:3:lin' for eta"),
    "one point": (["--over", "eta=1:2:1"], "a range has at least 2 points"),
    "log of 0": (["--over", "noise=0:1:3:log"], "positive ones with log; got '0:1:3:log' for noise"),
    "unknown": (["--over", "foo=1,2"], "--over can sweep init, N, K, M, P, "),
    "inputs": (["--over", "inputs=rademacher"], "got 'inputs'"),
    "twice": (["--over", "eta=1", "--over", "eta=2"], "--over names every option once; got eta twice"),
    "equal": (["--over", "eta=1,1.0"], "the values of --over eta must differ; got 1,1.0"),
    "many": (["--over", "eta=0:1:101", "--over", "noise=0:1:100"], "a sweep has at most 10,000 points; got 10,100"),
    "engine": (["--over", "eta=1,2", "--engine", "sgd"], "'--engine': 'sgd' is not one of 'micro', 'chain', 'ode'"),
    "negative": (["--over", "eta=1,-2"], "--eta: -2.0 is not in the range x>=0"),
    "start": (["--over", "readout=sum,foo"], "--readout: 'foo' is not one of 'mean', 'sum', 'sqrt'"),
    "alpha": (["--over", "seed=1,2", "--alpha", "-1"], "'--alpha': -1.0 is not in the range x>0"),
    "at a point": (["--over", "init=committee,paper", "--M", 1], "init = paper: in the paper start the teacher shares"),
    "swept and given": (["--over", "N=30,50"], "--N is swept by --over; leave it out"),
    "range": (["--over", "eta=0:1:300000000"], "a sweep has at most 10,000 points; got 300,000,000 for eta"),
    "of the ode": (["--over", "eta=1,2", "--method", "RK45"], "engine chain has no option --method; leave it out"),
    "of micro": (["--over", "eta=1,2", "--engine", "ode", "--replicas", 3], "engine ode has no option --replicas"),
    "other sweep": (["--over", "eta=1,2", "--out", "sweep"], "sweep holds another sweep, whose noise is 0.5 and not 0"),
    "inputs of the chain": (["--over", "eta=1,2", "--inputs", "rademacher"], "engine chain needs inputs with indep"),
    "folder": (["--over", "eta=1,2", "--out", "other"], "other is not the folder of a sweep: give another"),
    "no folder": (["--over", "eta=1,2", "--out", "no/where"], "cannot write no/where: No such file or directory"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_writes_nothing(name, onlinemode, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("of somebody")
    if name == "other sweep":
        other = ("--over", "eta=1", *SMALL, "--noise", 0.5, "--no-plot", "-q", "--out", "sweep")
        assert onlinemode("sweep", *other)[0] == 0
    before = sorted(tmp_path.rglob("*"))
    arguments, message = BAD[name]
    code, out, err = onlinemode("sweep", *SMALL, *arguments, "--quiet")
    assert code == 2 and out == "" and err.count("\n") == 1 and message in err
    assert sorted(tmp_path.rglob("*")) == before


def changed(weights, row=0):
    """The same weights without their recipe, one of them a little larger."""
    xi_in = weights.xi_in.copy()
    xi_in[row, 0] += 1e-3
    return dataclasses.replace(weights, xi_in=xi_in, origin=None)


def test_difference_sees_the_start_of_every_replica():
    """Weights of the user's own by their fingerprint; of several students not the first alone."""
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
    call = {"alpha": 0.5, "engine": "chain", "N": 60, "seed": 0, "save_at": 3}

    def run_of(start, **options):
        return om.simulate(problem, start, **call, **options)

    def fresh(replica):
        return om.initial.committee(60, K=2, student_seed=replica)

    weights = fresh(0)
    own = dataclasses.replace(weights, origin=None)
    assert difference(run_of(own), problem, own, call) == ""
    assert difference(run_of(own), problem, changed(own), call) == "it began from other weights"
    several, call_of_three = run_of(fresh, replicas=3), {**call, "replicas": 3}
    assert difference(several, problem, fresh, call_of_three) == ""
    assert difference(several, problem, lambda replica: changed(fresh(replica)) if replica == 2 else fresh(replica),
                      call_of_three) == "it began from other weights"
    overlaps = [fresh(replica).order_parameters() for replica in range(3)]
    several = run_of(overlaps.__getitem__, replicas=3)
    assert difference(several, problem, overlaps.__getitem__, call_of_three) == ""
    others = [*overlaps[:2], overlaps[0]]
    assert difference(several, problem, others.__getitem__, call_of_three) == "it began from other overlaps"


def test_difference_sees_quantiles_and_forgives_rounded_overlaps():
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
    call = {"alpha": 0.5, "engine": "chain", "N": 60, "seed": 0, "save_at": 3, "replicas": 6, "keep": "summary"}
    weights = om.initial.committee(60, K=2)
    usual, other = (om.simulate(problem, weights, **call, **more) for more in ({}, {"quantiles": (0.4, 0.6)}))
    assert difference(usual, problem, weights, call) == ""
    assert difference(other, problem, weights, call | {"quantiles": (0.4, 0.6)}) == ""
    assert difference(other, problem, weights, call).startswith("its quantiles is [0.4, 0.6] and not [0.025,")
    perfect = om.initial.from_overlaps([[0.123456]], [[0.351364]], [[1.0]])  # QT − R² = −7e-7: no vectors have it
    call = {"alpha": 0.5, "engine": "chain", "N": 60, "seed": 0, "save_at": 3}
    assert difference(om.simulate(problem, perfect, **call), problem, perfect, call) == ""


# -- in Python -----------------------------------------------------------------------------------
