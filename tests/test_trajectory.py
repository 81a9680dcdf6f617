"""Files of runs: written whole or not at all, read or refused in one line, repeated or refused."""

import csv
import os
import zipfile

import numpy as np
import pytest

import onlinemode as om
from onlinemode.array_files import Arrays, BadFile
from onlinemode.errors import FileError, RepeatError
from onlinemode.storage import read_archive, write_archive
from onlinemode.trajectory import KIND

PROBLEM = om.Problem(noise=0.1, rates=om.LearningRates(xi_in=1.0, readout=0.2))


@pytest.fixture
def run(random_weights):
    """A run from weights of the user's own, two replicas."""
    return om.simulate(PROBLEM, random_weights(20, K=3, M=2, P=2, seed=1), 2.0, replicas=2, save_at=[0.0, 0.5, 2.0])


@pytest.fixture
def saved(run, tmp_path):
    path = tmp_path / "run.npz"
    run.save(path)
    return path


def one_line(caught):
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 400
    return text


@pytest.mark.parametrize("save", ["save", "to_csv"])
def test_folder_that_does_not_exist(run, save, tmp_path):
    path = tmp_path / "nowhere" / "run.npz"
    with pytest.raises(FileError) as caught:
        getattr(run, save)(path)
    assert one_line(caught).startswith(f"cannot write {path}: No such file or directory")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("save", ["save", "to_csv"])
def test_path_that_is_a_folder(run, save, tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(FileError) as caught:
        getattr(run, save)(path)
    assert one_line(caught).startswith(f"cannot write {path}: ")
    assert list(tmp_path.iterdir()) == [path]
    assert list(path.iterdir()) == []


def test_path_below_a_file(run, tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(FileError, match="cannot write .*: Not a directory"):
        run.save(tmp_path / "file" / "run.npz")


def test_an_error_while_writing_leaves_the_old_file(run, saved, monkeypatch):
    """And no temporary file."""
    before = saved.read_bytes()

    def full(file, array, **options):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(FileError) as caught:
        run.save(saved)
    assert one_line(caught).startswith(f"cannot write {saved}: No space left on device")
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["run.npz"]

    def interrupted(file, array, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(np.lib.format, "write_array", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.save(saved)
    assert [path.name for path in saved.parent.iterdir()] == ["run.npz"]


def test_replacing_a_file(run, saved):
    first = om.load(saved)
    other = om.simulate(PROBLEM, run.initial, 1.0, N=20, seed=5)
    other.save(saved)
    assert not np.array_equal(om.load(saved).alpha, first.alpha)
    assert [path.name for path in saved.parent.iterdir()] == ["run.npz"]


def test_mode_of_a_new_file_follows_the_umask(run, tmp_path):
    before = os.umask(0o027)
    try:
        run.save(tmp_path / "run.npz")
    finally:
        os.umask(before)
    assert (tmp_path / "run.npz").stat().st_mode & 0o777 == 0o640


def test_path_without_suffix_is_kept(run, tmp_path):
    run.save(str(tmp_path / "result"))
    assert np.array_equal(om.load(str(tmp_path / "result")).G, run.G)


def test_missing_file(tmp_path):
    with pytest.raises(FileError) as caught:
        om.load(tmp_path / "none.npz")
    assert one_line(caught) == f"cannot read {tmp_path / 'none.npz'}: there is no such file"


def test_folder(tmp_path):
    with pytest.raises(FileError) as caught:
        om.load(tmp_path)
    assert "Is a directory" in one_line(caught)


@pytest.mark.parametrize("content", [b"", b"alpha,error\n0,1\n", "α, ε".encode(), b"PK\x03\x04", b"\x93NUMPY\x01\x00",
                                     b"\x80\x04K\x01."])
def test_foreign_bytes(content, tmp_path):
    path = tmp_path / "run.npz"
    path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        om.load(path)
    assert one_line(caught).startswith(f"cannot read {path}: truncated or not an onlinemode trajectory")


def test_foreign_archives(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, weights=np.ones(3))
    with pytest.raises(FileError) as caught:
        om.load(path)
    assert one_line(caught).startswith(f"{path} is not an onlinemode trajectory: it is an .npz without a header")
    other = "something else"
    for header, holds in (('{"onlinemode": "ensemble"}', "ensemble"), ("{}", other), ("[1]", other), ("3", other)):
        np.savez(path, header=np.array(header))
        with pytest.raises(FileError) as caught:
            om.load(path)
        assert one_line(caught) == f"{path} is not an onlinemode trajectory; it holds {holds}"
    for header in (np.array("no json"), np.array('{"onlinemode": "trajectory"}'), np.array([1, 2]), np.array(None)):
        np.savez(path, header=header)
        with pytest.raises(FileError) as caught:
            om.load(path)
        assert one_line(caught).startswith("cannot read")
    np.save(path.with_suffix(".npy"), np.ones(3))
    with pytest.raises(FileError) as caught:
        om.load(path.with_suffix(".npy"))
    one_line(caught)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "a zip of something else")
    with pytest.raises(FileError) as caught:
        om.load(path)
    one_line(caught)


def test_truncated_files(saved):
    """Cut anywhere, the file is refused in one line."""
    content = saved.read_bytes()
    for length in np.unique(np.linspace(0, len(content) - 1, 97).astype(int)):
        saved.write_bytes(content[:length])
        with pytest.raises(FileError) as caught:
            om.load(saved)
        one_line(caught)


def test_damaged_files(saved, run):
    """A flipped byte is refused in one line or does no harm."""
    content = saved.read_bytes()
    rng = np.random.default_rng(6)
    refused = 0
    for position in rng.integers(0, len(content), 1000):
        damaged = bytearray(content)
        damaged[position] ^= 1 << rng.integers(8)
        saved.write_bytes(damaged)
        try:
            again = om.load(saved)
        except FileError as problem:
            refused += 1
            assert "\n" not in str(problem)
        else:
            assert np.array_equal(again.G, run.G)
    assert refused > 700


@pytest.mark.parametrize("name", ["alpha", "G", "readout", "initial_T"])
def test_missing_array(saved, name):
    with np.load(saved) as archive:
        arrays = {key: archive[key] for key in archive.files if key != name}
    np.savez(saved, **arrays)
    with pytest.raises(FileError) as caught:
        om.load(saved)
    assert one_line(caught) == f"cannot read {saved}: an entry is missing or damaged ('{name}')"


@pytest.mark.parametrize("damage", [
    {"end_state_readout": None}, {"end_alpha": np.empty(0)}, {"end_steps": np.zeros(5)},
    {"header": {"problem": ["erf"]}},
    {"header": {"meta": {"start": "weights"}}}, {"strengths": lambda values: values * np.inf},
    {"xi_out": lambda values: values * 1e200},
    {"alpha": lambda values: values * 1e300}, {"call": {"quantiles": [0.5, -1.0]}},
    {"start": {"origin": {"name": "committee", "arguments": {"K": 2}}}}])
def test_entries_that_do_not_fit(damage, tmp_path):
    """Readable, but of other replicas, or of other kinds."""
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=1.0)), om.initial.committee(50, K=2), 1.0, "chain")
    header, arrays = {"problem": run.problem.to_dict(), "status": ["completed"], "message": [""], "meta": run.meta}, {}
    run.save(tmp_path / "run.npz")
    _, arrays = read_archive(tmp_path / "run.npz", KIND)
    changed = damage.get("header", {})
    for name in {"call", "start"}.intersection(damage):
        changed = {"meta": {**run.meta, name: {**run.meta[name], **damage[name]}}}
    damage = {name: made(arrays[name]) if callable(made) else made for name, made in damage.items()
              if name in arrays}
    kept = {name: values for name, values in (arrays | damage).items() if values is not None}
    write_archive(tmp_path / "bad.npz", KIND, header | changed, kept)
    with pytest.raises(FileError) as caught:
        om.load(tmp_path / "bad.npz")
    assert "an entry is missing or damaged" in one_line(caught)


def test_an_entry_under_another_name_is_seen(tmp_path):
    """One bit of its name in the directory of the archive; an entry that is no array would be left out unseen."""
    np.savez(tmp_path / "a.npz", first=np.zeros(3), second=np.ones(2))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[content.rindex(b"second.npy") + 7] ^= 4
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(BadFile, match="differ"):
        Arrays(tmp_path / "a.npz")


def test_no_pickle_in_the_file(saved):
    with np.load(saved, allow_pickle=False) as archive:
        assert all(archive[name].dtype.kind in "fU" for name in archive.files)


def test_csv(run, tmp_path):
    run.to_csv(tmp_path / "run.csv")
    with open(tmp_path / "run.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 3
    assert list(rows[0]) == ["replica", "alpha", "generalization_error", "specialization",
                             *(f"Q_{k}_{l}" for k in range(3) for l in range(3)),
                             *(f"R_{k}_{m}" for k in range(3) for m in range(2)), *(f"readout_{k}" for k in range(3)),
                             *(f"T_{m}_{n}" for m in range(2) for n in range(2)), "teacher_readout_0",
                             "teacher_readout_1", "engine", "N", "seed", "activation", "noise", "weight_decay", "batch",
                             "eta", "eta_strengths", "eta_xi_out", "eta_readout", "inputs"]
    for r in range(2):
        for i in range(3):
            row = rows[3 * r + i]
            assert int(row["replica"]) == r
            assert float(row["alpha"]) == run.alpha[i]
            assert float(row["generalization_error"]) == run.generalization_error[r, i]
            assert float(row["specialization"]) == run.specialization[r, i]
            assert float(row["Q_2_1"]) == run.Q[r, i, 2, 1]
            assert float(row["R_2_1"]) == run.R[r, i, 2, 1]
            assert float(row["readout_2"]) == run.readout[r, i, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["run.csv"]


def test_csv_of_trained_factors(tmp_path):
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0, strengths=0.3, xi_out=0.2))
    run = om.simulate(problem, om.initial.paper(20, K=3, P=2), 1.0, "chain", save_at=3)
    run.to_csv(tmp_path / "run.csv")
    with open(tmp_path / "run.csv", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert [float(last[f"strengths_{p}"]) for p in range(2)] == list(run.strengths[0, -1])
    assert [float(last[f"xi_out_{k}_{p}"]) for k in range(3) for p in range(2)] == list(run.xi_out[0, -1].flat)


def assert_bits(a, b):
    for name in ("alpha", "G", "S", "strengths", "xi_out", "readout"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name


def test_users_weights_that_were_not_stored(saved):
    again = om.load(saved)
    assert again.weights is None
    with pytest.raises(RepeatError) as caught:
        om.repeat(again)
    assert "this run began from weights of your own" in one_line(caught)
    assert again.meta["start"]["fingerprint"][:16] in str(caught.value)
    assert "store_weights=True" in str(caught.value)


def test_users_weights_that_were_stored(random_weights, tmp_path):
    start = random_weights(20, K=3, M=2, P=2, seed=1)
    run = om.simulate(PROBLEM, start, 2.0, replicas=2, save_at=[0.0, 2.0], store_weights=True)
    run.save(tmp_path / "run.npz")
    again = om.repeat(om.load(tmp_path / "run.npz"))
    assert_bits(run, again)
    assert again.weights.fingerprint() == start.fingerprint()
    again.save(tmp_path / "again.npz")
    assert_bits(om.repeat(om.load(tmp_path / "again.npz")), run)


@pytest.mark.parametrize("make", [
    lambda: om.initial.paper(20, K=3, seed=2, readout="sqrt"),
    lambda: om.initial.committee(20, K=2, M=3, seed=2, teacher="random", student_size=0.3),
    lambda: om.initial.graded(20, K=3, M=2, seed=2, teacher_norms=[2.0, 0.3]),
    lambda: om.initial.showcase(20, K=2, seed=2, mixing=0.2, student_size=0.1)])
def test_recipes_are_made_again(make, tmp_path):
    run = om.simulate(PROBLEM, make(), 1.0, save_at=[0.0, 1.0], seed=3)
    run.save(tmp_path / "run.npz")
    assert_bits(om.repeat(om.load(tmp_path / "run.npz")), run)


def test_a_recipe_that_gives_other_weights(tmp_path):
    """As after a change of NumPy's generator: refused, not silently another run."""
    run = om.simulate(PROBLEM, om.initial.committee(20, K=2, seed=2), 1.0, save_at=[0.0, 1.0])
    run.info.start["origin"]["arguments"]["seed"] = 3
    with pytest.raises(RepeatError, match="the recipe committee does not give the weights of this file"):
        om.repeat(run)


def test_repeat_from_overlaps(random_overlaps, tmp_path):
    for engine in ("micro", "ode"):
        run = om.simulate(PROBLEM, random_overlaps(3, 2, 2, seed=1), 1.0, engine, N=20, seed=4, save_at=[0.0, 1.0])
        run.save(tmp_path / "run.npz")
        assert_bits(om.repeat(om.load(tmp_path / "run.npz")), run)


def test_repeat_refuses_a_recipe_whose_weights_were_changed(tmp_path):
    """dataclasses.replace keeps the recipe but not the weights."""
    import dataclasses

    changed = dataclasses.replace(om.initial.graded(40, K=2), readout=[1.0, 1.0])
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=1.0)), changed, 1.0)
    run.save(tmp_path / "run.npz")
    with pytest.raises(RepeatError, match="does not give the weights of this file"):
        om.repeat(om.load(tmp_path / "run.npz"))
