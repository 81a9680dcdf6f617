"""Where machine code is kept: damaged entries, missing folders, full disks, two processes at once."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from onlinemode.kernels import jit


def three_times(x):
    return 3 * x


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setattr(jit, "CACHE_FOLDER", tmp_path / "kernels-test")
    return jit.CACHE_FOLDER


def hits():
    """A new process's function: called, and how many of its two entries came from the cache."""
    function = jit.compiled(three_times)
    assert function(2) == 6 and function(0.5) == 1.5
    return sum(function.stats.cache_hits.values())


def truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


def empty(path):
    path.write_bytes(b"")


def fill_with_garbage(path):
    path.write_bytes(b"\x80\x05garbage" * 100)


def flip_one_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, empty, fill_with_garbage, flip_one_bit, Path.unlink])
@pytest.mark.parametrize("ending, still_good", [("nbi", 0), ("nbc", 1)])
def test_a_damaged_entry_is_compiled_anew_and_replaced(ending, still_good, damage, folder):
    assert hits() == 0 and hits() == 2
    damage(next(folder.glob(f"*.{ending}")))
    assert hits() == still_good
    assert hits() == 2


def test_a_folder_that_vanishes_is_made_again(folder):
    function = jit.compiled(three_times)
    assert function(2) == 6
    shutil.rmtree(folder)
    assert function(0.5) == 1.5 and hits() == 1


def test_an_entry_that_cannot_be_read_or_written_is_no_error(folder):
    hits()
    index = next(folder.glob("*.nbi"))
    index.unlink()
    index.mkdir()
    assert hits() == 0


def test_a_full_disk_is_no_error(folder, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numba.core.caching.os.replace", fail)
    assert hits() == 0 and hits() == 0
    assert list(folder.iterdir()) == []


def test_two_processes_that_compile_at_once_do_not_take_each_others_code(folder, monkeypatch):
    """Both have seen an empty index: one entry is lost, none is wrong."""
    read = jit._CheckedFiles._load_index
    monkeypatch.setattr(jit._CheckedFiles, "_load_index", lambda files: {})
    hits()
    monkeypatch.setattr(jit._CheckedFiles, "_load_index", read)
    assert len(list(folder.glob("*.nbc"))) == 2
    assert hits() == 1 and hits() == 2


def no_home():
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize("broken", ["NUMBA_CACHE_DIR", "empty", "XDG_CACHE_HOME", "home", "all"])
def test_the_next_folder_where_one_cannot_be_had(broken, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "TMPDIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / ("file" if broken in (name, "all") else name)))
    monkeypatch.setattr("tempfile.tempdir", os.environ["TMPDIR"])
    if broken != "NUMBA_CACHE_DIR":
        monkeypatch.delenv("NUMBA_CACHE_DIR")
    if broken == "empty":  # as good as unset, not the folder where one stands
        monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    if broken == "home":
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(Path, "home", no_home)
    found = jit._find_cache_folder()
    expected = {"NUMBA_CACHE_DIR": "XDG_CACHE_HOME", "empty": "XDG_CACHE_HOME", "XDG_CACHE_HOME": "TMPDIR",
                "home": "TMPDIR", "all": None}[broken]
    monkeypatch.chdir(tmp_path)
    assert (None if found is None else found.relative_to(tmp_path).parts[0]) == expected


def test_without_a_folder_functions_are_compiled(monkeypatch):
    monkeypatch.setattr(jit, "CACHE_FOLDER", None)
    assert hits() == 0
