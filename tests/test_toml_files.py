"""TOML files from anywhere: what cannot be read is one line, and no file takes more memory than there is."""

import os
import subprocess
import threading

import pytest

from onlinemode.cli import toml_files

DEEP = "has lists or tables in each other, more than 20 levels deep"
UNREADABLE = {
    "deep lists": ("eta = " + "[" * 20_000 + "]" * 20_000, DEEP),
    "deep tables": ("eta = " + "{a = " * 20_000 + "1" + "}" * 20_000, DEEP),
    "a deep name": ("eta." + "a." * 5000 + "a = 1", DEEP),
    "21 levels": ("eta = " + "[" * 20 + "]" * 20, DEEP),
    "many digits": ("N = " + "9" * 5000, "has a number that cannot be read: Exceeds the limit"),
    "digits in a list": ("save_at = [1, " + "9" * 5000 + "]", "has a number that cannot be read: Exceeds the limit"),
    "NUL": ("eta = 1 # \0", "is not valid TOML"),
    "two values": ("eta = 1\neta = 2", "is not valid TOML: Cannot overwrite a value"),
    "a long name": ("x" * 100_000 + " = 1", "unknown key 'xxx"),
}


@pytest.mark.parametrize("command", [("simulate", "--config"), ("deep", "train", "--config"), ("ode", "--start"),
                                     ("sweep",)])
@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_is_one_line(onlinemode, tmp_path, name, command):
    text, expected = UNREADABLE[name]
    (tmp_path / "odd.toml").write_text(text)
    code, out, err = onlinemode(*command, "odd.toml")
    assert code == 2 and out == "" and err.count("\n") == 1 and len(err) < 1500
    assert expected in err


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no devices here")
@pytest.mark.parametrize("command", [("simulate", "--config"), ("ode", "--start"), ("sweep",)])
def test_a_file_without_end_is_refused(onlinemode, command):
    code, out, err = onlinemode(*command, "/dev/zero")
    assert code == 2 and out == "" and err.count("\n") == 1
    assert "a TOML file may have 16 MiB; /dev/zero has more: give a smaller one" in err


def test_no_more_than_the_limit_is_read(onlinemode, tmp_path, monkeypatch):
    monkeypatch.setattr(toml_files, "MOST_BYTES", 2**20)
    (tmp_path / "long.toml").write_text("#" + "x" * (2**20 - 2) + "\n")
    assert toml_files.read_toml("long.toml") == {}
    (tmp_path / "long.toml").write_text("#" + "x" * (2**20 - 1) + "\n")
    code, _, err = onlinemode("simulate", "--config", "long.toml")
    assert code == 2 and "a TOML file may have 1 MiB; long.toml has more" in err


@pytest.mark.parametrize("value", ["5", "2026-11-27", "[1]"])
@pytest.mark.parametrize("command, name", [(("simulate",), "out"), (("ode",), "start"), (("deep", "train"), "out")])
def test_names_of_files_are_words(onlinemode, tmp_path, command, name, value):
    (tmp_path / "odd.toml").write_text(f"{name} = {value}\n")
    code, out, err = onlinemode(*command, "--config", "odd.toml")
    assert code == 2 and out == "" and err.count("\n") == 1
    assert f"odd.toml: {name} must be the name of a file, in quotes; got " in err


def test_a_long_value_is_told_in_short(onlinemode, tmp_path):
    (tmp_path / "odd.toml").write_text(f'eta = "{"x" * 100_000}"')
    code, _, err = onlinemode("simulate", "--config", "odd.toml")
    assert code == 2 and len(err) < 300 and err.endswith("as in power:3,10,-1\n")


def test_a_whole_number_beyond_all_floats(onlinemode, tmp_path):
    (tmp_path / "huge.toml").write_text(f"eta = 1{'0' * 400}")
    code, _, err = onlinemode("simulate", "--config", "huge.toml")
    assert err.startswith("onlinemode: huge.toml: eta: must be a finite number ≥ 0; got 1000")
    assert code == 2 and len(err) < 200


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_read_where_somebody_writes_into_it(onlinemode, tmp_path):
    """Nobody waits for a writer."""
    os.mkfifo(tmp_path / "pipe")
    code, _, err = onlinemode("simulate", "--config", "pipe")
    assert code == 2 and err == "onlinemode: cannot read pipe: nobody writes into this pipe\n"
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with open(tmp_path / "pipe", "wb") as writer:
        writer.write(b"eta = 2.0\n")
        writer.flush()
        os.set_blocking(reader, True)
        there = threading.Timer(0.2, writer.close)
        there.start()
        assert toml_files.read_toml("pipe") == {"eta": 2.0}
        there.join()
    os.close(reader)


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="no pipes of the shell here")
@pytest.mark.parametrize("command", ["simulate", "ode", "compare", "sweep --over eta=1"])
def test_a_file_of_options_may_be_a_pipe(command, tmp_path):
    """A file is read once by a command."""
    words = f"onlinemode {command} --config <(echo 'N = 30\nK = 2\nalpha = 0.5\nplot = false\nout = \"x\"') -q"
    made = subprocess.run(["bash", "-c", words.replace("echo", "printf")], cwd=tmp_path, capture_output=True, text=True)
    assert (made.returncode, made.stderr) == (0, "") and list(tmp_path.glob("x*"))
