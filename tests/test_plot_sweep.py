"""``onlinemode plot`` of a sweep's folder."""

import pytest
from sweep_datasets import power_law

import onlinemode as om
from onlinemode import plotting


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Folders of two sweeps and a run; opening a folder gives its Dataset."""
    datasets = {"etas": power_law(), "theory": power_law(0.5, title="ode")}
    for name in datasets:
        (tmp_path / name).mkdir()
        (tmp_path / name / "sweep.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(om, "open_sweep", lambda path: datasets[path.name], raising=False)
    om.simulate(om.Problem(), om.initial.committee(20, K=2), 1.0, "chain", N=20, save_at=3).save(tmp_path / "run.npz")


def test_the_command_draws_the_folder_of_a_sweep(onlinemode, folders, tmp_path, monkeypatch):
    calls, real = [], plotting.sweep_figure
    monkeypatch.setattr(plotting, "sweep_figure", lambda *arguments, **options: calls.append((arguments, options))
                        or real(*arguments, **options))
    code, out, err = onlinemode("plot", "etas/")
    assert code == 0 and out.strip().endswith("etas_plot.png") and (tmp_path / "etas" / "etas_plot.png").is_file(), err
    assert onlinemode("plot", "etas")[0] == 0 and (tmp_path / "etas" / "etas_plot_2.png").is_file()
    assert onlinemode("plot", "etas", "--variable", "final_error", "--variable", "final_specialization", "--contours",
                      "theory", "--out", "x")[0] == 0
    assert (tmp_path / "x.png").is_file()
    assert [each[0][1] for each in calls] == [None, None, ("final_error", "final_specialization")]
    assert [each[1]["contours"] is None for each in calls] == [True, True, False]


@pytest.mark.parametrize("arguments, words", [
    (("etas", "--csv"), "--csv is for runs, and etas is the folder of a sweep; leave it out"),
    (("etas", "--no-theory"), "--theory/--no-theory is for runs"), (("etas", "theory"), "one sweep and nothing else"),
    (("run.npz", "etas"), "one sweep and nothing else"),
    (("run.npz", "--variable", "x"), "--variable is for the folder of a sweep, and run.npz is none; leave it out"),
    (("run.npz", "--contours", "etas"), "--contours is for the folder of a sweep"),
    (("etas", "--contours", "run.npz"), "--contours must be the folder of a sweep, with sweep.json; got run.npz"),
    (("etas", "--variable", "x"), "no variable 'x' to draw"), (("empty",), "empty")])
def test_options_that_make_no_sense_together(arguments, words, onlinemode, folders, tmp_path):
    code, out, err = onlinemode("plot", *arguments)
    assert code == 2 and out == "" and words in err and err.count("\n") == 1
    assert not list(tmp_path.rglob("*.png"))


def test_overwrite_here_and_other_contours(onlinemode, folders, tmp_path, monkeypatch):
    """A picture of the folder one is in has the name of that folder."""
    contours, real = [], plotting.sweep_figure
    monkeypatch.setattr(plotting, "sweep_figure", lambda *arguments, **options: contours.append(options["contours"])
                        or real(*arguments, **options))
    assert onlinemode("plot", "etas", "--out", "x", "--contours", "theory")[0] == 0
    assert contours[0].equals(om.open_sweep(tmp_path / "theory"))
    code, _, err = onlinemode("plot", "etas", "--out", "x")
    assert code == 2 and "x" in err
    assert onlinemode("plot", "etas", "--out", "x", "--overwrite")[0] == 0
    monkeypatch.chdir(tmp_path / "etas")
    assert onlinemode("plot", ".")[0] == 0 and (tmp_path / "etas" / "etas_plot.png").is_file()
