"""docs/howto/sweeps.md and clusters.md: every block runs, and the tables name what there is.

Blocks after ``<!-- cluster -->`` need Slurm, MPI or several machines: they are compiled or parsed, not run.
"""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import numpy as np
import pytest
from matplotlib import pyplot

import onlinemode as om
from onlinemode.cli import sweep, sweep_report
from onlinemode.cli.main import main
from onlinemode.labelled import OBSERVABLES
from onlinemode.sweeps.kept import NUMBERS, STATUS

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
PAGE = "".join((HOWTO / name).read_text("utf-8") for name in ("sweeps.md", "clusters.md"))
BLOCKS = re.findall(r"^(<!-- cluster -->\n)?```(\w*)\n(.*?)^```$", PAGE, re.S | re.M)
NAMED = re.compile(r"# (\S+\.(?:py|toml))\n")  # the first line of a block that is a file


def blocks(language, cluster=False):
    return [text for marked, name, text in BLOCKS if name == language and bool(marked) == cluster]


def commands(cluster=False):
    return [shlex.split(line) for text in blocks("", cluster) for line in text.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where all blocks run, with the files that the page names."""
    path = tmp_path_factory.mktemp("page")
    for text in blocks("python") + blocks("toml"):
        if name := NAMED.match(text):
            (path / name[1]).write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def names(folder):
    """What the Python blocks of the page leave behind."""
    before, found = Path.cwd(), {}
    os.chdir(folder)
    try:
        for text in blocks("python"):
            if not NAMED.match(text):
                exec(compile(text, "sweeps.md", "exec"), found)
    finally:
        os.chdir(before)
        pyplot.close("all")
    return found


def test_the_page_has_what_this_file_runs(folder):
    assert {path.name for path in folder.iterdir()} >= {"etas.toml", "split.toml", "experiments.py", "places.py",
                                                        "pool.py"}
    assert len(blocks("python")) > 15 and len(commands()) > 8
    assert {name for _, name, _ in BLOCKS} == {"", "python", "toml", "sh"}
    assert PAGE.count("```") == 2 * len(BLOCKS)


def test_python(names, folder):
    """The comments of the page about what comes out are so."""
    assert dict(names["data"].sizes) == {"eta": 3, "seed": 5, "alpha": 19}
    assert names["data"].final_error.dims == ("eta", "seed")
    assert names["data"].generalization_error.dims == ("eta", "seed", "alpha")
    assert names["kept"].R.dims == ("eta", "replica", "alpha", "student_unit", "teacher_unit")
    assert names["zipped"].final_error.dims == ("K_M", "seed") and (names["zipped"].status[1] == "invalid").all()
    assert names["split"].sizes["ratio"] == 2 and (names["split"].status == "completed").all()
    one, data = names["one"], names["data"]
    assert np.array_equal(one.generalization_error[0], data.generalization_error.sel(eta=2.0, seed=3))
    assert {"generalization_error_mean", "generalization_error_sd", "Q_mean"} <= set(names["many"])
    assert names["run"].problem.rates.xi_in == 2.0
    status = names["mixed"].status.values
    assert (status[:, 1] == "invalid").all() and status[0, 0] == "completed"
    assert status[1, 0] in ("completed", "diverged")
    assert names["mixed"].message.values[0, 1].startswith("in the showcase start the teacher shares")
    assert names["again"].status.equals(names["mixed"].status)
    assert names["more"].eta.values.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert names["raw"].status.attrs["flag_meanings"].split() == list(STATUS)
    assert names["curve"].dims == ("alpha",) and names["table"].index.names == ["eta", "seed"]
    assert names["best"] in (1.0, 2.0, 4.0) and np.isfinite(names["good"]).all()
    assert {"etas", "whole", "mixed", "two.nc"} <= {path.name for path in folder.iterdir()}


def test_tables(names):
    """Variables and statuses of the page are all that there are."""
    first, second = re.findall(r"^\| (variable|status) \|.*\n\|[-|]*\|\n((?:\|.*\n)+)", PAGE, re.M)
    named = {name for row in first[1].splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == set(names["data"]) | {"generalization_error_mean", "generalization_error_sd"}
    assert set(NUMBERS) <= named
    assert tuple(row.split("|")[1].strip() for row in second[1].splitlines()) == STATUS
    kept = re.search(r"^The names are (.*?), as in", PAGE, re.S | re.M)[1]
    assert re.findall(r"`(\w+)`", kept) == list(OBSERVABLES)


def test_three_ways_are_one(names, folder, monkeypatch, capsys):
    """Python, options and a file: one folder, and the points are made once."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sweep_report, "draw", lambda *_: None)  # pictures have tests of their own
    for arguments in commands()[1:4]:
        with pytest.raises(SystemExit) as exit_info:
            main([*arguments[1:], "--out", "three"] if "--dry-run" not in arguments else arguments[1:])
        assert exit_info.value.code == 0, capsys.readouterr().err
    assert "15 of them there already" in capsys.readouterr().err
    made, given = om.open_sweep("three").drop_vars("seconds"), names["data"].drop_vars("seconds")
    assert made.equals(given)


@pytest.mark.slow
def test_commands(names, folder, monkeypatch, capsys):
    """All of onlinemode, in order; pip is not called."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sweep_report, "draw", lambda *_: None)
    ran = 0
    for program, *arguments in commands():
        assert program in ("onlinemode", "pip")
        if program == "onlinemode":
            where = arguments.index("--out") + 1 if "--out" in arguments else None
            if where is not None:
                arguments[where] = f"cli_{ran}"
            with pytest.raises(SystemExit) as exit_info:
                main(arguments)
            assert exit_info.value.code == 0, f"{arguments}\n{capsys.readouterr().err}"
            ran += 1
    assert ran >= 8
    first, by_dask = om.open_sweep("cli_0"), om.open_sweep(f"cli_{ran - 1}")
    assert by_dask.drop_vars("seconds").equals(first.drop_vars("seconds"))


@pytest.mark.slow
@pytest.mark.parametrize("script, words", [("places.py", "threads True\nprocesses True\ndask True\n"),
                                           ("pool.py", "True\n")])
def test_scripts(script, words, folder):
    """The scripts of the page, which start processes."""
    made = subprocess.run([sys.executable, script], cwd=folder, capture_output=True, text=True, timeout=300,
                          env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
    assert made.returncode == 0, made.stderr
    assert made.stdout.endswith(words)


def test_blocks_for_clusters_are_parsed():
    """They need Slurm, MPI or other machines, and are not run here."""
    scripts = blocks("python", cluster=True)
    assert {NAMED.match(text)[1] for text in scripts} == {"slurm.py", "with_mpi.py"}
    for text in scripts:
        compile(text, "sweeps.md", "exec")
        assert 'if __name__ == "__main__":' in text
    programs = [line[0] for line in commands(cluster=True)]
    assert programs == ["dask", "dask", "onlinemode", "mpiexec"]
    assert commands(cluster=True)[-1][-1] == "with_mpi.py"
    job, = blocks("sh", cluster=True)
    in_job = shlex.split(job.splitlines()[-1])
    by_hand = commands(cluster=True)[2]
    assert in_job[:2] == by_hand[:2] == ["onlinemode", "sweep"]
    for line, name, value in ((in_job, "processes", 32), (by_hand, "scheduler", "first-machine:8786")):
        with click.Context(sweep.command) as context:
            sweep.command.parse_args(context, line[2:])
        assert context.params[name] == value


def test_files_of_the_page_are_toml():
    texts = blocks("toml")
    assert [set(tomllib.loads(text)["over"]) for text in texts] == [{"eta"}, {"N", "ratio"}]
