"""om.sweep: the runs of simulate, folders shared with the command line, interrupts, bad grids."""

import csv

import numpy as np
import pytest

import onlinemode as om
from onlinemode import simulation
from onlinemode.errors import FileError, ParameterError

SMALL = ("--N", 40, "--K", 2, "--alpha", 2, "--save-at", 12)
EXPERIMENT = om.Experiment(N=40, K=2, alpha=2.0, save_at=12, engine="chain")


def table(folder):
    with open(folder / "table.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def same(one, other):
    return np.array_equal(one.G, other.G, equal_nan=True) and np.array_equal(one.S, other.S, equal_nan=True)


def test_a_sweep_in_python_is_the_runs_one_by_one(tmp_path):
    swept = om.sweep(EXPERIMENT, {"noise": [0, 0.3], "seed": np.array([4, 2])})
    assert swept.points == [{"noise": noise, "seed": seed} for noise in (0.0, 0.3) for seed in (4, 2)]
    for point, run, row in zip(swept.points, swept.runs, swept.rows):
        one = EXPERIMENT.replace(**point).run()
        assert same(run, one) and run.problem == one.problem and run.meta["seed"] == point["seed"]
        assert row["error"] == one.generalization_error[0, -1] and (row["noise"], row["seed"]) == (*point.values(),)
    assert not swept.interrupted and swept.folder is None and swept.experiment is EXPERIMENT
    swept.to_csv(tmp_path / "table.csv")
    assert [(row["noise"], row["seed"]) for row in table(tmp_path)] == [("0.0", "4"), ("0.0", "2"), ("0.3", "4"),
                                                                        ("0.3", "2")]
    text = repr(swept)
    assert text.startswith("Sweep: 4 of 4 points of chain\n  noise = 0.0, seed = 4  ε_g 0.") and "completed" in text
    assert swept._repr_html_().count("<tr>") == 4
    assert swept.plot(tmp_path / "x.png").axes[0].images[0].get_array()[1, 0] == swept.rows[2]["error"]
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_python_and_the_command_line_share_a_folder(onlinemode, tmp_path, monkeypatch):
    """What one has made the other does not make again; table and description are the same."""
    made, real = [], simulation.simulate
    monkeypatch.setattr(simulation, "simulate", lambda problem, *arguments, **options: made.append(
        problem.rates.xi_in) or real(problem, *arguments, **options))
    assert onlinemode("sweep", "--over", "eta=1,2", *SMALL, "--out", "s", "--no-plot")[0] == 0
    swept = om.sweep(EXPERIMENT, {"eta": [1, 3]}, folder="s")
    assert made == [1.0, 2.0, 3.0] and [row["eta"] for row in table(tmp_path / "s")] == ["1.0", "2.0", "3.0"]
    assert [run.problem.rates.xi_in for run in swept.runs] == [1.0, 3.0]
    assert repr(swept).startswith("Sweep: 2 of 2 points of chain in s\n")
    code, _, err = onlinemode("sweep", "--over", "eta=1,2,3", *SMALL, "--out", "s", "--no-plot")
    assert code == 0 and "3 of them there already" in err and len(made) == 3
    assert swept.plot().get_suptitle() == "chain, showcase: N = 40, K = 2, M = 2, P = 2, erf, seed 0"
    with pytest.raises(FileError, match="s holds another sweep, whose noise is 0.0 and not 0.5"):
        om.sweep(EXPERIMENT.replace(noise=0.5), {"eta": [1]}, folder="s")
    with pytest.warns(UserWarning, match="is left out of the table"):
        om.sweep(EXPERIMENT.replace(noise=0.5), {"eta": [1]}, folder="s", overwrite=True)
    assert om.load("s/eta=1.0.npz").problem.noise == 0.5 and len(table(tmp_path / "s")) == 1


def test_files_that_are_no_points_are_told_of_in_python(tmp_path):
    """A damaged one is kept aside, one whose name can be no point is left out."""
    om.sweep(EXPERIMENT, {"readout": ["sum"]}, folder=tmp_path / "s")
    (tmp_path / "s" / "readout=foo.npz").write_bytes((tmp_path / "s" / "readout=sum.npz").read_bytes())
    (tmp_path / "s" / "readout=sum.npz").write_bytes(b"half")
    with pytest.warns(UserWarning) as told:
        om.sweep(EXPERIMENT, {"readout": ["sum"]}, folder=tmp_path / "s")
    words = " ".join(str(each.message) for each in told)
    assert "kept as readout=sum.npz.damaged" in words and "readout=foo.npz is left out of the table: its name" in words
    assert [row["readout"] for row in table(tmp_path / "s")] == ["sum"]


@pytest.mark.parametrize("folder", [None, "s"])
def test_an_interrupted_sweep_in_python(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def stop(report):
        if report.fraction >= 1 / 3:  # too late for the first run, which is done
            raise KeyboardInterrupt

    swept = om.sweep(EXPERIMENT, {"eta": [1, 2, 3]}, folder, progress=stop)
    assert swept.interrupted and swept.points == [{"eta": 1.0}] and "1 of 3 points" in repr(swept)
    assert same(swept.runs[0], EXPERIMENT.replace(eta=1.0).run())
    with pytest.raises(ParameterError, match="needs one or two swept names and all points; got 1 and 1 of 3"):
        swept.plot()


def test_a_run_that_is_stopped_half_way_is_no_point(tmp_path):
    def stop(report):
        if 0.5 < report.fraction < 1.0:
            raise KeyboardInterrupt

    swept = om.sweep(EXPERIMENT.replace(N=2000), {"alpha": [0.1, 5e3]}, tmp_path / "s", progress=stop)
    assert swept.interrupted and swept.points == [{"alpha": 0.1}]
    assert [path.name for path in (tmp_path / "s").glob("*.npz")] == ["alpha=0.1.npz"]


def test_a_sweep_of_given_overlaps():
    start = om.initial.committee(40, K=2).order_parameters()
    swept = om.sweep(EXPERIMENT.replace(overlaps=start), {"eta": [1, 2]})
    assert all(run.initial.is_close(start, rtol=1e-9, atol=1e-12) for run in swept.runs)
    with pytest.raises(ParameterError, match="K cannot be swept: the student and its teacher are those of the overl"):
        om.sweep(EXPERIMENT.replace(overlaps=start), {"K": [1, 2]})


@pytest.mark.parametrize("over, words", [
    ({}, "over must name what is swept and its values, such as {'eta': .*; got {}"),
    ([1], r"over must name what is swept .*; got \[1\]"),
    ({"frob": [1]}, "a sweep can be over init, N, .*; got 'frob'"),
    ({"eta": 1.0}, "the values of eta must be a sequence, such as a list; got 1.0"),
    ({"init": "paper"}, "the values of init must be a sequence"),
    ({"eta": []}, "the values of eta must differ, and be at least one"),
    ({"eta": [1, 1.0]}, "the values of eta must differ"),
    ({"N": [10.5]}, "N must be a whole number ≥ 0; got 10.5"),
    ({"eta": ["1"]}, "eta must be a finite number; got '1'"),
    ({"init": ["x"]}, "init must be one of showcase, paper"),
    ({"eta": np.arange(101), "noise": np.arange(100)}, "a sweep has at most 10,000 points; got 10,100"),
    ({"eta": [1, -2]}, "eta = -2.0: learning rate xi_in must be a finite number ≥ 0; got -2.0"),
    ({"K": [2, 3], "M": [2]}, "K = 3, M = 2: in the showcase start the teacher shares")])
def test_bad_grids(over, words, monkeypatch):
    """Known before the first run."""
    monkeypatch.setattr(simulation, "simulate", None)
    with pytest.raises(ParameterError, match=words):
        om.sweep(EXPERIMENT, over)
