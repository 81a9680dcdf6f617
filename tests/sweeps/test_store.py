"""The folder of a sweep: whole at any time, known for what it holds, and taken by one process at a time."""

import json
import os
import time

import numpy as np
import pytest
import xarray
from small_sweeps import OVER, SMALL, identical

import onlinemode as om
from onlinemode.claims import Lock
from onlinemode.errors import FileError
from onlinemode.runtime.checkpoint import kernel_version
from onlinemode.sweeps import dataset, results, running, store, work
from onlinemode.sweeps.kept import STATUS
from onlinemode.sweeps.plan import plan_of


@pytest.fixture
def counted(monkeypatch):
    """The points that are run, in a list."""
    numbers, real = [], work._run
    monkeypatch.setattr(work, "_run", lambda job, point, *given: numbers.append(point) or real(job, point, *given))
    return numbers


def test_a_folder_has_the_numbers_of_a_sweep_in_memory(serial, tmp_path):
    there = om.sweep(SMALL, OVER, store=tmp_path / "s")
    assert identical(there, serial) and identical(om.open_sweep(tmp_path / "s"), serial)
    assert sorted(os.listdir(tmp_path / "s")) == ["results.zarr", "sweep.json"]


def test_any_reader_of_zarr_understands_it(serial, tmp_path):
    om.sweep(SMALL, OVER, store=tmp_path / "s")
    raw = xarray.open_zarr(tmp_path / "s" / "results.zarr", consolidated=False)
    assert raw.sizes == serial.sizes and (raw.generalization_error == serial.generalization_error).all()
    meanings = raw.status.attrs["flag_meanings"].split()
    assert meanings[int(raw.status[0, 0])] == "completed" and raw.status.attrs["flag_values"][1] == 1
    assert json.loads(raw.attrs["over"])[0] == [["eta"], [[0.5], [1.0], [2.0]]]
    assert "committee: N = 50" in raw.attrs["title"] and raw.final_error.attrs["units"] == "1"
    assert raw.eta.attrs == {"long_name": "learning rate η", "units": "1"} and raw.alpha.attrs["units"] == "steps/N"
    assert raw.attrs["kernels"] == kernel_version() and raw.attrs["date"].startswith("20")


def test_variables_and_coordinates_are_those_that_are_needed(serial, tmp_path):
    names = list(serial.data_vars)
    assert names[:2] == ["status", "message"] and names[-1] == "seconds" and (serial.seconds > 0).all()
    assert names.index("final_error") < names.index("generalization_error") < names.index("specialization")
    om.sweep(SMALL, {"eta": [1]}, keep="Q", store=tmp_path / "s")
    raw = xarray.open_zarr(tmp_path / "s" / "results.zarr", consolidated=False)
    assert set(raw.coords) == {"eta", "alpha", "student_unit", "student_unit_2"}


def test_nothing_that_is_there_is_made_again(serial, tmp_path, counted):
    om.sweep(SMALL, OVER, store=tmp_path / "s")
    assert len(counted) == 6
    again = om.sweep(SMALL, OVER, store=tmp_path / "s")
    assert len(counted) == 6 and identical(again, serial)


def test_what_has_no_status_is_made_again(serial, tmp_path, counted):
    """As after a process that was killed between the values of a tile and its statuses."""
    om.sweep(SMALL, OVER, store=tmp_path / "s")
    group = store.group_of(tmp_path / "s" / "results.zarr")
    codes = group["status"][...]
    codes[1, 1] = codes[2, 0] = 0
    group["status"][...] = codes
    assert (om.open_sweep(tmp_path / "s").status == "missing").sum() == 2
    counted.clear()
    assert identical(om.sweep(SMALL, OVER, store=tmp_path / "s"), serial)
    assert counted == [{"eta": 1.0, "noise": 0.1}, {"eta": 2.0, "noise": 0.0}]


def test_statuses_are_written_last(tmp_path, monkeypatch):
    """A write that fails in the middle leaves points that are missing, and no half of one."""
    plan = plan_of(SMALL, OVER, keep=("specialization",))
    kept = store.Store(plan, tmp_path / "s")
    job = work.Job(plan.recipe, plan.grid.names, plan.kept, {}, "")
    batch = work.make_points(job, [3, 4], [(1.0, 0.1), (2.0, 0.0)])
    kept.add(batch)
    real, written = type(kept._arrays["seconds"]).__setitem__, []

    def fail(array, *arguments):
        written.append(array.basename)
        if len(written) == 5:
            raise OSError(28, "No space left on device")
        real(array, *arguments)

    monkeypatch.setattr(type(kept._arrays["seconds"]), "__setitem__", fail)
    with pytest.raises(FileError, match="cannot write .*s: No space left on device"):
        kept.flush()
    assert (om.open_sweep(tmp_path / "s").status == "missing").all()
    kept.flush()  # there is space again
    assert written[-1] == "status"
    found = om.open_sweep(tmp_path / "s")
    assert [str(name) for name in found.status.values.ravel()] == ["missing"] * 3 + ["completed"] * 2 + ["missing"]
    kept.close()


def test_tiles_that_are_filled_in_any_order(monkeypatch, tmp_path):
    """Batches of several tiles come back as they please; what one process wrote, another one completes."""
    from onlinemode.sweeps import tiles

    monkeypatch.setattr(tiles, "MOST_POINTS", 4)
    over = {"eta": [0.5, 1.0, 1.5], "seed": [0, 1, 2, 3, 4], "noise": [0.0, 0.1]}
    whole = om.sweep(SMALL, over)
    plan = plan_of(SMALL, over, keep=("generalization_error", "specialization"))
    job = work.Job(plan.recipe, plan.grid.names, plan.kept, {}, "")
    order = np.random.default_rng(0).permutation(30)
    for part in np.split(order, 5):
        kept = store.Store(plan, tmp_path / "s")
        assert kept.tiles.lengths == (1, 2, 2)
        for pair in np.split(part, 3):
            numbers = pair.tolist()
            kept.add(work.make_points(job, numbers, [plan.grid.values(number) for number in numbers]))
            kept.flush()
        kept.close()
    assert not kept._buffers  # a tile that is complete is forgotten
    assert identical(om.open_sweep(tmp_path / "s"), whole)


@pytest.mark.parametrize("change, words", [
    ({"alpha": 5.0}, "alpha is 4.0 and not 5.0"), ({"K": 3}, "K is 2 and not 3"), ({"engine": "chain"}, "engine is"),
    ({"save_at": 7}, "save_at is 6 and not 7"), ({"activation": "linear"}, 'activation is "erf" and not "linear"')])
def test_another_sweep_is_noticed(change, words, tmp_path):
    om.sweep(SMALL, OVER, store=tmp_path / "s")
    with pytest.raises(FileError, match=f"holds another sweep, whose {words}.*: give another folder, or overwrite it"):
        om.sweep(SMALL.replace(**change), OVER, store=tmp_path / "s")
    anew = om.sweep(SMALL.replace(**change), OVER, store=tmp_path / "s", overwrite=True)
    assert (anew.status == "completed").all()
    assert identical(om.open_sweep(tmp_path / "s"), anew)


def test_what_is_kept_and_swept_is_noticed(tmp_path):
    om.sweep(SMALL, OVER, store=tmp_path / "s")
    with pytest.raises(FileError, match="whose keep is"):
        om.sweep(SMALL, OVER, store=tmp_path / "s", keep="Q")
    with pytest.raises(FileError, match="over other names"):
        om.sweep(SMALL, {"eta": [1, 2]}, store=tmp_path / "s")
    with pytest.raises(FileError, match="over other names"):
        om.sweep(SMALL, OVER, seeds=2, store=tmp_path / "s")


def test_other_kernels_are_noticed(tmp_path, monkeypatch):
    om.sweep(SMALL, OVER, store=tmp_path / "s")
    monkeypatch.setattr("onlinemode.sweeps.plan.kernel_version", lambda: "others")
    with pytest.raises(FileError, match="was begun by other kernels .* so the bits would differ"):
        om.sweep(SMALL, OVER, store=tmp_path / "s")


def test_a_changed_data_set_is_noticed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    np.save("rows.npy", rng.normal(size=(20, 10)))
    base = om.Experiment(engine="micro", N=10, K=1, alpha=1.0, save_at=3, inputs="rows.npy")
    om.sweep(base, {"eta": [1, 2]}, store="s")
    np.save("rows.npy", rng.normal(size=(20, 10)))
    with pytest.raises(FileError, match="whose data is"):
        om.sweep(base, {"eta": [1, 2]}, store="s")


def test_folders_of_something_else(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("mine", "file"):
        with pytest.raises(FileError, match=f"{name} is not the folder of a sweep"):
            om.sweep(SMALL, OVER, store=tmp_path / name, overwrite=True)
        with pytest.raises(FileError, match=f"{name} is not the folder of a sweep"):
            om.open_sweep(tmp_path / name)
    with pytest.raises(FileError, match="cannot read .*nowhere: there is no such folder"):
        om.open_sweep(tmp_path / "nowhere")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "x" and len(os.listdir(tmp_path / "mine")) == 1


def replaced(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("damage", [
    lambda path: (path / "zarr.json").write_text("{"), lambda path: (path / "status" / "zarr.json").unlink(),
    lambda path: (path / "final_error" / "c" / "0" / "0").write_bytes(b"half"),
    lambda path: (path / "final_error" / "c" / "0" / "0").unlink() or (path / "final_error" / "c" / "0" / "0").mkdir(),
    lambda path: replaced(path / "status" / "zarr.json", '"fill_value": 0', '"fill_value": 1'),
    lambda path: replaced(path / "final_error" / "zarr.json", "long_name", "lkng_name"),
    lambda path: replaced(path / "zarr.json", "onlinemode ", "onlinemodd ")])
def test_damage_is_told_in_one_line(damage, tmp_path):
    om.sweep(SMALL, OVER, store=tmp_path / "s")
    damage(tmp_path / "s" / "results.zarr")
    with pytest.raises(FileError, match="cannot read .*s: damaged, or not the folder of a sweep") as told:
        om.open_sweep(tmp_path / "s")
    assert "\n" not in str(told.value)


def test_a_folder_without_a_checksum_is_read(tmp_path):
    """As older versions left it; otherwise formatted metadata are the same metadata."""
    made = om.sweep(SMALL, OVER, store=tmp_path / "s")
    file = tmp_path / "s" / "results.zarr" / "zarr.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(content), encoding="utf-8")
    assert identical(om.open_sweep(tmp_path / "s"), made)
    assert content["attributes"].pop("checksum") and "checksum" not in made.attrs
    file.write_text(json.dumps(content), encoding="utf-8")
    assert identical(om.open_sweep(tmp_path / "s"), made)


@pytest.mark.filterwarnings("error")
def test_other_files_in_the_folder_are_left_alone(tmp_path):
    made = om.sweep(SMALL, OVER, store=tmp_path / "s")
    (tmp_path / "s" / "results.zarr" / "notes.txt").write_text("x")
    assert identical(om.open_sweep(tmp_path / "s"), made)


def test_coordinates_have_one_order(tmp_path):
    """zarr lists arrays as its threads happen to find them."""
    made = om.sweep(SMALL, {"noise": [0.0, 0.1], "eta": [1, 2]}, store=tmp_path / "s")
    others = {name: made[name] for name in reversed(list(made.coords))}
    shuffled = made.drop_vars(list(others)).assign_coords(others)
    shuffled["status"] = made.status.dims, np.zeros(made.status.shape, np.int8), made.status.attrs
    assert list(dataset.readable(shuffled).coords) == list(made.coords) == ["noise", "eta", "alpha"]


def test_one_process_at_a_time(tmp_path):
    om.sweep(SMALL, OVER, store=tmp_path / "s")
    with Lock(tmp_path / "s" / "sweep.json"):
        for overwrite in (False, True):
            with pytest.raises(FileError, match="another running process sweeps into .*s: wait for it, or give anoth"):
                om.sweep(SMALL, OVER, store=tmp_path / "s", overwrite=overwrite)
        assert (om.open_sweep(tmp_path / "s").status == "completed").all()  # to look is always allowed


def test_a_sweep_without_a_point_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise om.errors.EngineError("no luck")

    monkeypatch.setattr(running, "run", fail)
    with pytest.raises(om.errors.EngineError, match="no luck"):
        om.sweep(SMALL, OVER, store=tmp_path / "s")
    assert os.listdir(tmp_path) == []


def test_more_values_keep_what_is_there(tmp_path, counted):
    """The Dataset has the grid of all values; what nobody asked for is missing."""
    om.sweep(SMALL, OVER, store=tmp_path / "s")
    counted.clear()
    reports = []
    grown = om.sweep(SMALL, {"eta": [0.75, 2.0], "noise": [0.0, 0.05]}, store=tmp_path / "s", progress=reports.append)
    assert reports[0][:3] == (1, 0, 4) and reports[-1][:3] == (4, 0, 4)
    assert sorted(os.listdir(tmp_path / "s")) == ["results.zarr", "sweep.json"]
    assert counted == [{"eta": 0.75, "noise": 0.0}, {"eta": 0.75, "noise": 0.05}, {"eta": 2.0, "noise": 0.05}]
    assert grown.eta.values.tolist() == [0.5, 0.75, 1.0, 2.0] and grown.noise.values.tolist() == [0.0, 0.05, 0.1]
    missing = grown.status == "missing"
    assert missing.sum() == 3 and bool(missing.sel(eta=0.5, noise=0.05)) and bool(missing.sel(eta=0.75, noise=0.1))
    whole = om.sweep(SMALL, {"eta": [0.5, 0.75, 1.0, 2.0], "noise": [0.0, 0.05, 0.1]})
    assert grown.final_error.where(~missing).equals(whole.final_error.where(~missing))
    counted.clear()
    assert identical(om.sweep(SMALL, {"eta": [0.5, 0.75, 1.0, 2.0], "noise": [0.0, 0.05, 0.1]}, store=tmp_path / "s"),
                     whole)
    assert len(counted) == 3 and json.loads((tmp_path / "s" / "sweep.json").read_text())["over"][1][1][1] == [0.05]


@pytest.mark.parametrize("last", [store.BEFORE, store.RESULTS])
def test_a_process_that_ends_while_a_sweep_grows(last, tmp_path, monkeypatch, counted, serial):
    """Before or after the larger results have their name."""
    om.sweep(SMALL, OVER, store=tmp_path / "s")
    real, more = os.replace, {"eta": [0.5, 3.0], "noise": [0.0, 0.1]}

    def end(source, target):
        real(source, target)
        if str(target).endswith(last):
            raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(store.os, "replace", end)
        killed.setattr(store, "remove", lambda path: None)
        killed.setattr(store, "settle", lambda path: None)
        with pytest.raises(KeyboardInterrupt):
            om.sweep(SMALL, more, store=tmp_path / "s")
    assert (tmp_path / "s" / "results.zarr").exists() == (last == store.RESULTS)
    assert (tmp_path / "s" / store.BEFORE).exists()
    counted.clear()
    again = om.sweep(SMALL, OVER, store=tmp_path / "s")
    assert counted == [] and ((again.status == "completed").sum("noise").sel(eta=serial.eta) == 2).all()
    assert ("eta", 4 if last == store.RESULTS else 3) in again.sizes.items()
    assert not (tmp_path / "s" / store.BEFORE).exists()
    om.sweep(SMALL, more, store=tmp_path / "s")
    assert counted == [{"eta": 3.0, "noise": 0.0}, {"eta": 3.0, "noise": 0.1}]


@pytest.mark.parametrize("problem", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_sweep_that_fails_to_grow_keeps_its_results(problem, tmp_path, monkeypatch, counted, serial):
    """Ctrl-C or a full disk between the two names."""
    om.sweep(SMALL, OVER, store=tmp_path / "s")
    real = os.replace

    def fail(source, target):
        if str(target).endswith("results.zarr") and str(source).endswith(".tmp"):
            raise problem
        real(source, target)

    with monkeypatch.context() as failing:
        failing.setattr(store.os, "replace", fail)
        with pytest.raises((KeyboardInterrupt, FileError)):
            om.sweep(SMALL, {"eta": [0.5, 3.0], "noise": [0.0, 0.1]}, store=tmp_path / "s")
    assert identical(om.open_sweep(tmp_path / "s"), serial)
    assert sorted(os.listdir(tmp_path / "s")) == ["results.zarr", "sweep.json"]
    counted.clear()
    assert identical(om.sweep(SMALL, OVER, store=tmp_path / "s"), serial) and counted == []


def test_results_of_before_are_not_those_of_another_sweep(tmp_path, monkeypatch):
    """Killed while it grew, begun anew as another one, and killed again."""
    om.sweep(SMALL, OVER, store=tmp_path / "s")
    os.replace(tmp_path / "s" / "results.zarr", tmp_path / "s" / store.BEFORE)
    (tmp_path / "s" / ".onlinemode-0123.tmp").mkdir()
    monkeypatch.setattr(store, "create", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        om.sweep(SMALL.replace(noise=1.0), {"eta": [0.5, 1.0]}, store=tmp_path / "s", overwrite=True)
    monkeypatch.undo()
    assert os.listdir(tmp_path / "s") == ["sweep.json"]
    other = om.sweep(SMALL.replace(noise=1.0), {"eta": [0.5, 1.0]}, store=tmp_path / "s")
    assert identical(other, om.sweep(SMALL.replace(noise=1.0), {"eta": [0.5, 1.0]}))


def test_a_retry_of_some_points_leaves_the_others(tmp_path):
    over = {"eta": [-1.0, 1.0, -2.0], "noise": [0.0, 0.1]}
    om.sweep(SMALL, over, store=tmp_path / "s")
    om.sweep(SMALL, {"eta": [1.0, -2.0], "noise": [0.1]}, store=tmp_path / "s", retry=True)
    made = om.open_sweep(tmp_path / "s")
    assert made.status.values.tolist() == [["invalid"] * 2, ["completed"] * 2, ["invalid"] * 2]


def test_a_folder_that_goes_while_it_is_filled(tmp_path):
    import shutil

    def remove(report):
        if report.done == 0:
            shutil.rmtree(tmp_path / "s")

    with pytest.raises(FileError, match="cannot write .*s: "):
        om.sweep(SMALL, OVER, store=tmp_path / "s", progress=remove, keep=("Q", "runs"))
    with pytest.raises(FileError, match="cannot write .*t: "):
        om.sweep(SMALL, OVER, store=tmp_path / "t", progress=lambda report: shutil.rmtree(tmp_path / "t",
                                                                                         ignore_errors=True))


def test_a_forked_process_does_not_keep_the_folder(tmp_path):
    """A pool that was forked may outlive its client."""
    import multiprocessing

    context = multiprocessing.get_context("fork")
    lock = Lock(tmp_path / "s")
    child = context.Process(target=time.sleep, args=(60,))
    child.start()
    began = time.monotonic()
    os.close(lock._descriptor)  # as when the client is killed
    lock._descriptor = None
    try:
        with Lock(tmp_path / "s", wait=True):  # for the child to begin
            assert child.is_alive() and time.monotonic() - began < 30.0
    finally:
        child.terminate()
        child.join()


def test_bad_stores_and_keeps(tmp_path):
    with pytest.raises(om.errors.ParameterError, match="store must be the path of a folder; got 3"):
        om.sweep(SMALL, OVER, store=3)
    with pytest.raises(om.errors.ParameterError, match="keep must be names of observables; got 3"):
        om.sweep(SMALL, OVER, keep=3)


def test_points_that_failed_are_made_anew_where_asked(tmp_path, monkeypatch):
    """Not those that diverged: they would again."""
    real, calls = work._run, []

    def unlucky(job, point, *given):
        calls.append(point["eta"])
        if point["eta"] == 2.0:
            raise RuntimeError("no luck")
        return real(job, point, *given)

    monkeypatch.setattr(work, "_run", unlucky)
    diverging = om.Experiment(engine="chain", init="committee", activation="linear", N=20, K=2, alpha=40, save_at=4)
    over = {"eta": [1.0, 2.0, 300.0]}
    first = om.sweep(diverging, over, store=tmp_path / "s")
    assert first.status.values.tolist() == ["completed", "error", "diverged"]
    assert first.message.values.tolist()[:2] == ["", "RuntimeError: no luck"]
    assert first.message[2].item().startswith("diverged at α = ")
    monkeypatch.setattr(work, "_run", lambda *arguments: calls.append(arguments[1]["eta"]) or real(*arguments))
    calls.clear()
    assert om.sweep(diverging, over, store=tmp_path / "s").status.values.tolist() == ["completed", "error", "diverged"]
    assert calls == []
    again = om.sweep(diverging, over, store=tmp_path / "s", retry=True)
    assert again.status.values.tolist() == ["completed", "completed", "diverged"] and calls == [2.0]
    assert again.message.values.tolist()[1] == "" and np.isfinite(again.final_error[1])


def test_words_as_coordinates(tmp_path):
    over = {"activation": ["linear", "erf"], ("init", "K"): [("committee", 2), ("graded", 1)]}
    there = om.sweep(SMALL, over, store=tmp_path / "s")
    assert there.activation.values.tolist() == ["linear", "erf"]
    assert there.init.values.tolist() == ["committee", "graded"]
    assert identical(there, om.sweep(SMALL, over)) and there.sel(activation="erf").K.values.tolist() == [2, 1]


def test_whole_trajectories(tmp_path):
    om.sweep(SMALL, {"eta": [1, 2], "activation": ["erf"]}, store=tmp_path / "s", keep=("Q", "runs"))
    names = sorted(os.listdir(tmp_path / "s" / "runs"))
    assert names == ["eta=1.0,activation=erf.npz", "eta=2.0,activation=erf.npz"]
    run, swept = om.load(tmp_path / "s" / "runs" / names[1]), om.open_sweep(tmp_path / "s")
    assert run.problem.rates.xi_in == 2.0 and np.array_equal(run.Q[0], swept.Q.sel(eta=2.0, activation="erf"))
    assert np.array_equal(om.repeat(run).Q, run.Q)
    with pytest.raises(om.errors.ParameterError, match='"runs" are kept in files: name a folder with store'):
        om.sweep(SMALL, {"eta": [1]}, keep="runs")


def test_large_results_are_read_when_they_are_used(tmp_path, monkeypatch, serial):
    om.sweep(SMALL, OVER, store=tmp_path / "s")
    for module in (results, store):
        monkeypatch.setattr(module, "LOADED_BYTES", 100)
    lazy = om.open_sweep(tmp_path / "s")
    assert lazy.chunks and lazy.status.chunks is not None and identical(lazy, serial)
    with pytest.raises(FileError, match="too large to take more values"):
        om.sweep(SMALL, {"eta": [7.0], "noise": [0.0]}, store=tmp_path / "s")


def test_description_makes_the_sweep_again(tmp_path, serial):
    om.sweep(SMALL, OVER, store=tmp_path / "s")
    known = json.loads((tmp_path / "s" / "sweep.json").read_text())
    over = {tuple(names): rows for names, rows in known["over"]}
    assert identical(om.sweep(om.Experiment.from_dict(known["experiment"]), over), serial)


def test_overwrite_leaves_nothing_of_the_other_sweep(tmp_path):
    om.sweep(SMALL, {"eta": [1.0]}, store=tmp_path / "s", keep=("Q", "runs"))
    (tmp_path / "s" / "table.csv").write_text("of the other sweep")
    om.sweep(SMALL, {"eta": [2.0]}, store=tmp_path / "s", overwrite=True)
    assert sorted(os.listdir(tmp_path / "s")) == ["results.zarr", "sweep.json"]


@pytest.mark.parametrize("status", ["failed", "invalid", "error", "lost"])
def test_retry_is_for_every_kind_of_failure_of_any_replica(status, tmp_path, counted):
    base = SMALL.replace(engine="chain", alpha=1.0, replicas=2)
    om.sweep(base, {"eta": [0.5, 1.0]}, store=tmp_path / "s")
    codes = store.group_of(tmp_path / "s" / "results.zarr")["status"]
    codes[1, 0] = STATUS.index(status)
    counted.clear()
    assert (om.sweep(base, {"eta": [0.5, 1.0]}, store=tmp_path / "s").status == status).sum() == 1 and counted == []
    assert (om.sweep(base, {"eta": [0.5, 1.0]}, store=tmp_path / "s", retry=True).status == "completed").all()
    assert counted == [{"eta": 1.0}]


def test_saved_times_that_go_by_the_largest_alpha(tmp_path):
    """Another last time would change those of all points."""
    om.sweep(SMALL, {"alpha": [1.0, 2.0]}, store=tmp_path / "s")
    with pytest.raises(FileError, match="whose saved times are others .*give times instead.*: give another folder"):
        om.sweep(SMALL, {"alpha": [1.0, 3.0]}, store=tmp_path / "s")


def test_names_of_whole_trajectories_are_names_of_files():
    """Different ones, also where the words are too long or no name."""
    assert store.run_name({"inputs": "b", "eta": 1.0}, 7) == "inputs=b,eta=1.0.npz"
    assert store.run_name({"inputs": "a/b:c?", "eta": 1.0}, 7) == "inputs=a-b-c-,eta=1.0,7.npz"
    for letter in "xé日":
        name = store.run_name({"inputs": letter * 300, "seed": 3}, 12345)
        assert len(name.encode()) < 255 and name.endswith(letter + ",12345.npz")


@pytest.mark.parametrize("last", ["create", "results.zarr"])
def test_a_process_that_ends_while_a_sweep_begins(last, serial, tmp_path, monkeypatch):
    """Half of a folder is never taken for a whole one, and no obstacle."""
    create, rename = store.create, os.replace

    def end_in_create(*arguments):
        create(*arguments)
        if last == "create":
            raise KeyboardInterrupt

    def end_in_rename(source, target):
        rename(source, target)
        if str(target).endswith(last):
            raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(store, "create", end_in_create)
        killed.setattr(store.os, "replace", end_in_rename)
        killed.setattr(store, "remove", lambda path: None)
        killed.setattr(store.Store, "_leave_nothing", lambda self: None)
        with pytest.raises(KeyboardInterrupt):
            om.sweep(SMALL, OVER, store=tmp_path / "s")
    assert (tmp_path / "s" / "results.zarr").exists() == (last == "results.zarr")
    assert identical(om.sweep(SMALL, OVER, store=tmp_path / "s"), serial)


def test_a_folder_that_could_not_be_begun_has_nothing_left_over(tmp_path, monkeypatch):
    real = store.create

    def fail(*arguments):
        real(*arguments)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "create", fail)
    (tmp_path / "s").mkdir()
    with pytest.raises(FileError, match="cannot write .*s: No space left on device"):
        om.sweep(SMALL, OVER, store=tmp_path / "s")
    assert os.listdir(tmp_path / "s") == ["sweep.json"]


def test_what_a_killed_process_left_over_is_no_obstacle(serial, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / ".onlinemode-job").write_text("x")
    assert identical(om.sweep(SMALL, OVER, store=tmp_path / "s"), serial)


def test_values_that_were_not_in_order_stay_so(tmp_path):
    om.sweep(SMALL, {"eta": [2.0, 1.0]}, store=tmp_path / "s")
    grown = om.sweep(SMALL, {"eta": [0.5, 1.0]}, store=tmp_path / "s")
    assert grown.eta.values.tolist() == [2.0, 1.0, 0.5]


def test_what_is_written_is_not_written_again(tmp_path, monkeypatch):
    plan = plan_of(SMALL, OVER)
    kept = store.Store(plan, tmp_path / "s")
    job = work.Job(plan.recipe, plan.grid.names, plan.kept, {}, "")
    kept.add(work.make_points(job, [3], [(1.0, 0.1)]))
    kept.flush()
    assert not kept._changed and kept._buffers
    kept.close()


def test_points_are_in_the_folder_while_others_are_made(tmp_path):
    there = []

    def look(report):
        there.append((report.done, int((om.open_sweep(tmp_path / "s").status != "missing").sum())))

    om.sweep(SMALL.replace(alpha=40.0), {"eta": "0.5:2:300"}, store=tmp_path / "s", progress=look)
    assert any(0 < written <= done < 300 for done, written in there)
