"""Files that version 0.1.0 wrote: runs load and repeat, checkpoints are refused in one line."""

import json
from pathlib import Path

import numpy as np
import pytest

import onlinemode as om
from onlinemode.blocks import OVERLAPS
from onlinemode.errors import FileError
from onlinemode.run_info import FORMAT, RunInfo
from onlinemode.storage import read_archive, write_archive

FOLDER = Path(__file__).parent / "data"


@pytest.mark.parametrize("engine, replicas", [("micro", 2), ("chain", 7)])
def test_runs_load_and_repeat(engine, replicas):
    """To rounding: sums run in other orders on other processors."""
    run = om.load(FOLDER / f"{engine}_0.1.0.npz")
    assert run.info.engine == engine and not run.info.theory and run.replicas == replicas
    assert run.info.versions["onlinemode"] == "0.1.0"
    again = om.repeat(run)
    for name in OVERLAPS:
        assert np.allclose(getattr(again, name), getattr(run, name), rtol=1e-9, atol=1e-12), name
    if run.summary is not None:
        expected = run.ensemble.mean["generalization_error"]
        assert np.allclose(again.ensemble.mean["generalization_error"], expected, rtol=1e-9)


def test_a_run_of_the_old_version_goes_on():
    run = om.load(FOLDER / "micro_0.1.0.npz")
    longer = om.join(run, om.go_on(run, 3.0, save_at=4))
    assert longer.alpha[-1] == 3.0 and longer.info.steps == [180, 180]


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_checkpoints_are_refused_in_one_line(engine):
    path = FOLDER / f"{engine}_0.1.0.checkpoint"
    with pytest.raises(FileError, match="was written by other kernels") as caught:
        om.resume(path)
    assert "onlinemode 0.1.0" in str(caught.value) and "\n" not in str(caught.value)


def test_old_theories_are_known_by_their_engine():
    saved = {"engine": "ode", "N": None, "seed": 0, "gone": 1}
    assert RunInfo.from_dict(saved).theory and not RunInfo.from_dict(saved | {"engine": "chain"}).theory


@pytest.mark.parametrize("found", [FORMAT + 1, "two"])
def test_files_of_newer_versions_are_refused(tmp_path, found):
    header, arrays = read_archive(FOLDER / "micro_0.1.0.npz", "trajectory")
    assert "format" not in header
    write_archive(tmp_path / "newer.npz", "trajectory", json.loads(json.dumps(header)) | {"format": found}, arrays)
    with pytest.raises(FileError, match=rf"format {found}, .* reads formats up to {FORMAT}: .* update onlinemode"):
        om.load(tmp_path / "newer.npz")


def test_files_say_their_format(tmp_path):
    run = om.load(FOLDER / "micro_0.1.0.npz")
    run.save(tmp_path / "new.npz")
    assert read_archive(tmp_path / "new.npz", "trajectory")[0]["format"] == FORMAT
    assert om.load(tmp_path / "new.npz").meta == run.meta
