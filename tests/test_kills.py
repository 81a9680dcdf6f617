"""benchmarks/kill_commands.py in small: signals at random moments, and files that are whole; what is damaged."""

import random
import shutil
import signal
import zipfile

import kill_commands
import numpy as np
import pytest
from kept_files import content_of

import onlinemode as om


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    kill_commands.make_inputs(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["simulate, checkpoint"])
def test_nothing_is_lost(name, inputs, tmp_path):
    """SIGTERM: tests/test_checkpoint.py, test_command_line."""
    trial = kill_commands.Trial(name, inputs, tmp_path)
    trial.stop(signal.SIGKILL, random.Random(1).uniform(0.3, 0.9) * trial.seconds)


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip])
def test_a_damaged_archive_is_seen(damage, inputs, tmp_path):
    path = tmp_path / "run.npz"
    shutil.copy(inputs / "run.npz", path)
    assert content_of(path) == content_of(inputs / "run.npz")
    damage(path)
    with pytest.raises((ValueError, OSError, zipfile.BadZipFile)):
        content_of(path)


def test_a_picture_and_a_table_that_are_cut_are_seen(inputs, tmp_path):
    run = om.load(inputs / "run.npz")
    om.plotting.save_figure(om.plotting.overview([run]), tmp_path / "a.png")
    run.to_csv(tmp_path / "a.csv")
    for name in ("a.png", "a.csv"):
        content_of(tmp_path / name)
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises((ValueError, OSError)):
            content_of(path)


def test_other_numbers_are_seen(inputs, tmp_path):
    run = om.load(inputs / "run.npz")
    run.G[0, -1, 0, 0] = np.nextafter(run.G[0, -1, 0, 0], np.inf)
    run.save(tmp_path / "run.npz")
    assert content_of(tmp_path / "run.npz") != content_of(inputs / "run.npz")
