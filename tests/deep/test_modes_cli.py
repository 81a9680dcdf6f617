"""The commands that analyse modes, on tiny networks: what they write and print, and one line for bad input."""

import csv
import json

import numpy as np
import pytest

from onlinemode import deep
from onlinemode.deep import factors
from onlinemode.deep.importance import importance
from onlinemode.deep.power_law import fit_power_law
from onlinemode.deep.pruning import removal
from onlinemode.storage import read_archive

KIND = "mode analysis"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, request):
    """A folder with data, networks of 10 modes, of other sizes and data, dense ones, one whose data changed."""
    folder = tmp_path_factory.mktemp("trained")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((240, 6)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int) + 2 * (x[:, 1] > 0)
    np.savez(folder / "data.npz", train_x=x[:160], train_y=y[:160], test_x=x[160:], test_y=y[160:])
    data = deep.data.arrays(folder / "data.npz")
    for name, variant, modes, seed in (("a", "1L2P", 10, 0), ("b", "1L2P", 10, 1), ("c", "1L2P", 10, 2),
                                       ("other", "1L2P", 3, 0), ("dense", "dense", 1, 0), ("dense2", "dense", 1, 1)):
        network = deep.Network((6, 9, 9, 4), variant, modes, seed=seed)
        deep.train(network, data, epochs=3, batch=20, rate=0.01, seed=seed).save(folder / f"{name}.npz")
    for name, count in (("elsewhere", 80), ("changed", 120)):
        np.savez(folder / f"{name}_data.npz", train_x=x[:count], train_y=y[:count], test_x=x[160:], test_y=y[160:])
        deep.train(deep.Network((6, 9, 9, 4), modes=10), deep.data.arrays(folder / f"{name}_data.npz"), epochs=1,
                   batch=20).save(folder / f"{name}.npz")
    np.savez(folder / "changed_data.npz", train_x=x[:160], train_y=y[:160], test_x=x[160:], test_y=y[160:])
    deep.Network((6, 9, 9, 4), modes=10).save(folder / "network.npz")
    deep.Network((5, 9, 4), modes=2).save(folder / "narrow.npz")
    return folder


@pytest.fixture
def run(onlinemode):
    """Run a deep command in an empty folder; returns exit code, stdout and stderr."""
    return lambda *arguments: onlinemode("deep", *arguments)


def is_picture(path):
    return path.read_bytes().startswith(b"\x89PNG")


def test_modes(run, trained, tmp_path):
    code, out, err = run("modes", trained / "a.npz", trained / "b.npz", "--csv")
    assert code == 0, err
    assert "2 networks, ranking tau" in out and "layer 3: slopes" in out and "the data support" in out
    header, arrays = read_archive(tmp_path / "deep_modes_a.npz", KIND)
    networks = [deep.load(trained / f"{name}.npz") for name in "ab"]
    values = np.array([importance(*factors.of_network(network)[1]) for network in networks])
    assert np.array_equal(arrays["importance_1"], values)
    layer = header["analysis"]["layers"][1]
    fit = fit_power_law(values)
    assert layer["fit"]["segments"]["breakpoint"]["value"] == fit.segments.breakpoint.value
    assert layer["supported"] == list(fit.supported) and layer["modes"] == 10
    assert f"bend: {fit.bent}, p = {fit.bend:.2g}; the data support: {fit.verdict}" in out
    rest = fit.without_tail
    assert (f"without the last 1 ranks: slopes {rest.slopes[0]:.3g} and {rest.slopes[1]:.3g}, breakpoint at rank "
            f"{rest.breakpoint:.3g}" + " (at the edge)" * rest.at_edge + "\n") in out
    assert layer["fit"]["without_tail"]["breakpoint"] == rest.breakpoint
    assert "synthetic networks of independent modes; of one or two networks they are indicative only" in out
    with open(tmp_path / "deep_modes_a.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30 and list(rows[0]) == ["layer", "rank", "mean", "sd"]
    assert float(rows[10]["mean"]) == pytest.approx(values.max(1).mean())
    assert is_picture(tmp_path / "deep_modes_a.png")
    three = run("modes", *[trained / f"{name}.npz" for name in "abc"], "--no-plot")[1]
    assert "jackknife over 3 networks" in three and "indicative" not in three
    assert run("modes", trained / "a.npz")[0] == 0 and (tmp_path / "deep_modes_a_2.npz").is_file()


def test_modes_of_few_and_of_dense(run, trained, tmp_path):
    code, out, _ = run("modes", trained / "other.npz", "--no-plot")
    assert code == 0 and "layer 1: 3 modes, too few for a fit" in out
    assert not (tmp_path / "deep_modes_other.png").exists()
    code, out, _ = run("modes", trained / "dense.npz", "--ranking", "strength", "--no-plot", "--quiet")
    assert (code, out) == (0, "")
    arrays = read_archive(tmp_path / "deep_modes_dense_strength.npz", KIND)[1]
    W = deep.load(trained / "dense.npz").layers[2].weights
    assert arrays["importance_2"][0] == pytest.approx(np.linalg.svd(W, compute_uv=False), rel=1e-5)


def test_modes_by_overlap_leaves_out_layers_that_have_none(run, trained):
    code, out, _ = run("modes", trained / "a.npz", "--ranking", "overlap", "--no-plot")
    assert code == 0 and "layer 1: left out, the ranking overlap needs a layer with as many outputs" in out
    assert "layer 2: slopes" in out
    code, out, _ = run("modes", trained / "a.npz", "--ranking", "overlap", "--no-plot", "--json")
    summary = json.loads(out)
    assert [layer["layer"] for layer in summary["layers"]] == [2] and summary["layers"][0]["fit"]["networks"] == 1


def test_prune(run, trained, tmp_path):
    before = (trained / "a.npz").read_bytes()
    code, out, err = run("prune", trained / "a.npz", trained / "b.npz", "--draws", 3, "--csv")
    assert code == 0, err
    assert "layer 2: test accuracy without a share of its modes (mean of 2 networks)" in out
    arrays = read_archive(tmp_path / "deep_prune_a.npz", KIND)[1]
    data = deep.data.arrays(trained / "data.npz")
    for number, name in enumerate("ab"):
        expected = removal(factors.of_network(deep.load(trained / f"{name}.npz")), data.test_x, data.test_y, 2, draws=3,
                           seed=[0, number])
        assert np.array_equal(arrays["ascending_layer_3"][number], expected.ascending)
        assert np.array_equal(arrays["random_layer_3"][number], expected.random)
    with open(tmp_path / "deep_prune_a.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["layer"] == "layer 3"]
    assert [float(row["descending"]) for row in rows] == pytest.approx(arrays["descending_layer_3"].mean(0))
    assert is_picture(tmp_path / "deep_prune_a.png") and (trained / "a.npz").read_bytes() == before


def test_prune_some_layers(run, trained, tmp_path):
    assert run("prune", trained / "a.npz", "--layer", "2", "--no-plot", "--draws", 1, "--out", "x")[0] == 0
    assert {name for name in read_archive(tmp_path / "x.npz", KIND)[1]} == {
        f"{name}_layer_2" for name in ("shares", "counts", "ascending", "descending", "random")}
    code, out, _ = run("prune", trained / "a.npz", "--layer", "all", "--draws", 1, "--json")
    curve = json.loads(out)["curves"]
    assert code == 0 and {row["layer"] for row in curve} == {"all layers"} and curve[0]["ascending"] > 0.3


def test_geometry(run, trained, tmp_path):
    code, out, err = run("geometry", trained / "a.npz", trained / "b.npz", "--against", trained / "dense.npz",
                         "--against", trained / "dense2.npz", "--directions", 2, "--csv")
    assert code == 0, err
    assert "1L2P [6, 9, 9, 4], P = 10: 2 networks" in out and "dense, cut to P = 10: 2 networks" in out
    header, arrays = read_archive(tmp_path / "deep_geometry_a.npz", KIND)
    data = deep.data.arrays(trained / "data.npz")
    network = deep.load(trained / "b.npz")
    h = network.activities(data.test_x)[1].astype(float)
    C = np.cov(h.T)
    assert arrays["activity_0"][1, 2] == pytest.approx(np.trace(C) ** 2 / np.sum(C * C), rel=1e-4)
    assert arrays["overlap_1"].shape == (2, 2) and len(header["analysis"]["groups"]) == 3
    assert header["analysis"]["groups"][0]["accuracy"][1] == pytest.approx(network.accuracy(data.test_x, data.test_y))
    with open(tmp_path / "deep_geometry_a.csv", encoding="utf-8") as file:
        assert {row["measure"] for row in csv.DictReader(file)} >= {"activity", "overlap", "classes"}
    assert is_picture(tmp_path / "deep_geometry_a.png")


def test_geometry_says_that_classes_have_not_so_many_directions(run, trained):
    code, out, _ = run("geometry", trained / "dense.npz", "--directions", 40, "--no-plot")
    assert code == 0 and "none, the classes do not have 40 directions" in out
    code, out, _ = run("geometry", trained / "dense.npz", "--directions", 2, "--no-plot")
    assert code == 0 and "none, " not in out


def test_geometry_of_leading_modes(run, trained):
    code, out, _ = run("geometry", trained / "dense.npz", "--leading", 2, "--no-plot", "--json")
    groups = json.loads(out)["groups"]
    assert code == 0 and len(groups) == 1
    assert groups[0]["networks"][0]["overlap_chance"] == pytest.approx([2 / 9, 2 / 9])


def test_the_data_of_a_bare_network_are_named(run, trained):
    code, _, err = run("prune", trained / "network.npz")
    assert code == 2 and "holds a network without its data; name them with --data" in err
    code, _, err = run("prune", trained / "network.npz", "--data", trained / "data.npz", "--draws", 1, "--no-plot")
    assert code == 0, err


WIDTH = ["--repeats", 1, "--epochs", 1, "--batch", 20, "--share", 0.5, "--grid", "1,2,4,8", "--no-plot"]


def test_width_goes_on_where_it_was_stopped(run, trained, tmp_path, monkeypatch):
    data = ["--data", trained / "data.npz"]
    from onlinemode.deep import width

    real, calls = width.train, []

    def stopped(*arguments, **options):
        calls.append(arguments[0])
        return real(*arguments, **options | ({"progress": interrupt} if len(calls) == 5 else {}))

    def interrupt(progress):
        raise KeyboardInterrupt

    monkeypatch.setattr(width, "train", stopped)
    code, _, err = run("width", *data, "--widths", "4,6,8", *WIDTH, "--rate", 0.05)
    assert code == 130 and "stopped by the user" in err and len(list((tmp_path / "deep_width_networks").iterdir())) == 4
    code, out, err = run("width", *data, "--widths", "4,6,8", *WIDTH, "--rate", 0.05, "--csv")
    assert code == 0, err
    assert "no comparison of forms: a comparison of forms needs at least 6 widths" in out
    trained_now = len(calls)
    shapes = [(network.sizes[1:], network.variant, network.modes) for network in calls[:4] + calls[5:]]
    assert len(set(shapes)) == len(shapes) and calls[4].sizes == calls[5].sizes
    header, arrays = read_archive(tmp_path / "deep_width_data_1L2P.npz", KIND)
    values = header["analysis"]["settings"]["hyperparameters"]
    assert values["1L2P"]["rate"] == 0.05 and values["dense"]["rate"] == 1e-3  # --rate is that of the modes
    assert values["1L2P"]["epochs"] == values["dense"]["epochs"] == 1
    crossings = header["analysis"]["crossings"]
    assert [each["width"] for each in crossings] == [4, 6, 8]
    for each in crossings:
        assert arrays[f"accuracy_{each['width']}"].shape == (len(each["tried"]), 1)
    with open(tmp_path / "deep_width_data_1L2P.csv", encoding="utf-8") as file:
        assert [row["width"] for row in csv.DictReader(file)] == ["4", "6", "8"]
    code, out, _ = run("width", *data, "--widths", "4,6,8", *WIDTH, "--rate", 0.05, "--json")
    assert code == 0 and len(calls) == trained_now
    assert [each["accuracy"] for each in json.loads(out)["crossings"]] == [each["accuracy"] for each in crossings]


def test_width_checks_before_anything_is_made(run, trained, tmp_path):
    code, out, err = run("width", "--data", trained / "data.npz", "--share", 2.0)
    assert code == 2 and out == "" and err.count("\n") == 1 and "share must be" in err
    assert not (tmp_path / "deep_width_networks").exists()


def test_width_of_six_compares_forms(run, trained, tmp_path, monkeypatch):
    """With accuracies made up: least P = 2 √w."""
    from onlinemode.deep import width

    def made_up(w, modes, seed):
        noise = 1e-4 * np.random.default_rng([w, modes or 0, seed]).standard_normal()
        return {"accuracy": 0.9 + noise if modes is None else 0.81 + 0.1 * np.log(modes / (2.0 * w**0.5)) + noise}

    real = width.make_training
    monkeypatch.setattr(width, "make_training", lambda *arguments: (made_up, real(*arguments)[1]))
    code, out, err = run("width", "--data", trained / "data.npz", "--widths", "4,8,16,32,64,100,9000", "--share", 0.9)
    assert code == 0, err
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert "> 64" in lines["9000"] and float(lines["16"].split()[3]) == pytest.approx(8.0, rel=0.01)
    assert "ΔAICc 0.0" in lines["power"] and "b = 0.5" in lines["power"]
    assert "6 widths; undecided (ΔAICc < 4): power law" in out
    assert is_picture(tmp_path / "deep_width_data_1L2P.png")


def test_a_network_of_numbers(run, tmp_path, monkeypatch):
    """One output: the mixture's networks; classes have no meaning there."""
    data = deep.data.gaussian_mixture(400, 200)
    network = deep.Network((2, 8, 1), modes=3, loss="mse")
    deep.train(network, data, epochs=1).save(tmp_path / "mixture.npz")
    assert run("prune", "mixture.npz", "--draws", 1, "--no-plot")[0] == 0
    code, out, _ = run("geometry", "mixture.npz")
    assert code == 0 and "classes" not in out and is_picture(tmp_path / "deep_geometry_mixture.png")


@pytest.mark.parametrize("arguments, message", [
    (["modes", "nothing.npz"], "cannot read nothing.npz: there is no such file"),
    (["modes"], "Missing argument 'FILES...'"),
    (["modes", "T/a.npz", "T/other.npz"], "networks to average over must have one shape"),
    (["modes", "T/data.npz"], "is not an onlinemode"),
    (["modes", "T/a.npz", "--ranking", "size"], "ranking must be one of tau, strength, participation, overlap"),
    (["modes", "T/a.npz", "--confidence", "2"], "confidence must be"),
    (["modes", "T/a.npz", "--out", "no/where"], "cannot write no/where.npz"),
    (["modes", "T/narrow.npz", "--ranking", "overlap"], "as many outputs as inputs; got 9 outputs and 5 inputs"),
    (["prune", "T/a.npz", "--layer", "4"], "--layer must be 1 to 3, or all; got 4"),
    (["prune", "T/a.npz", "--layer", "0"], "--layer must be 1 to 3, or all; got 0"),
    (["prune", "T/a.npz", "--layer", "first"], "'first' is neither a comma-separated list of layers"),
    (["prune", "T/a.npz", "--draws", "0"], "draws must be a whole number ≥ 1"),
    (["prune", "T/a.npz", "--seed", "-1"], "seed must be a whole number ≥ 0; got -1"),
    (["modes", "T/a.npz", "T/a.npz"], "networks to average over must differ"),
    (["modes", "T/a.npz", "T/elsewhere.npz"], "must have learned from the same data"),
    (["prune", "T/changed.npz"], "learned from other data than changed_data as it is now: name the data to test on"),
    (["prune", "T/a.npz", "--data-dir", "T"], "--data-dir is the folder of a data set; name it with --data"),
    (["prune", "T/narrow.npz", "--data", "T/data.npz"], "takes 5 inputs and data has 6"),
    (["geometry", "T/a.npz", "--against", "T/narrow.npz", "--data", "T/data.npz"], "takes 5 inputs and data has 6"),
    (["geometry", "T/a.npz", "--leading", "0"], "modes must be a whole number ≥ 1"),
    (["geometry", "T/a.npz", "--directions", "0"], "directions must be a whole number ≥ 1"),
    (["width"], "Missing option '--data'"),
    (["width", "--data", "T/data.npz", "--variant", "dense"], "variant must be one of 1L2P, 1L1P, two-factor"),
    (["width", "--data", "T/data.npz", "--grid", "4,2"], "the grid of modes must increase"),
    (["width", "--data", "T/data.npz", "--widths", "a"], "'a' is not a whole number"),
    (["width", "--data", "T/data.npz", "--share", "0"], "share must be a finite number > 0"),
    (["width", "--data", "T/data.npz", "--cache", "T/a.npz/x"], "cannot make the folder"),
    (["width", "--data", "T/data.npz", "--rate", "1e30", "--widths", "4", "--epochs", "2"], "training diverged")])
def test_bad_input_is_one_line(run, trained, tmp_path, arguments, message):
    code, out, err = run(*(argument.replace("T/", f"{trained}/") if argument != "T" else trained
                           for argument in arguments))
    last = err.strip().splitlines()[-1]
    assert code == 2 and message in last and "Traceback" not in err
    assert len(err.strip().splitlines()) == 1 or arguments[0] == "width"  # which first says what it will do
    assert not list(tmp_path.glob("*.npz"))
