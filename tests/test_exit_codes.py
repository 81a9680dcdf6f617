"""Every exit code is one of the table, which has its page; each of them is met."""

import ast
import re
from pathlib import Path

import pytest

import onlinemode as om
from onlinemode.cli import exit_codes

ROOT = Path(__file__).resolve().parents[1]
CODES = {exit_codes.DONE, exit_codes.DOUBTFUL, exit_codes.FAILED, exit_codes.INTERRUPTED}
OF_SIGNALS = {exit_codes.OF_SIGNALS + number for number in (1, 2, 15)}
SMALL = ["--N", "30", "--alpha", "1", "--no-plot"]


def codes_in(node):
    """Whole numbers that an expression can be, as far as they are written in it."""
    if isinstance(node, ast.Constant):
        return [node.value] if type(node.value) is int else []
    if isinstance(node, ast.IfExp):
        return codes_in(node.body) + codes_in(node.orelse)
    if isinstance(node, ast.BoolOp):
        return [code for value in node.values for code in codes_in(value)]
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get":
        return [code for value in node.args for code in codes_in(value)]
    return []


@pytest.mark.parametrize("path", sorted((ROOT / "cli").glob("*.py")), ids=lambda path: path.name)
def test_codes_have_names(path):
    """A number that a function of the command line returns, or ends with, stands in exit_codes.py alone."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Return) and node.value is not None:
            assert codes_in(node.value) == [], ast.unparse(node)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("exit", "_exit"):
            assert [code for argument in node.args for code in codes_in(argument)] == [], ast.unparse(node)


def test_the_page_has_all_codes_and_no_other():
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text("utf-8")
    listed = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", page, re.M) for code in row.split(",")}
    assert listed == CODES | OF_SIGNALS


def test_the_help_names_them(onlinemode):
    code, out, _ = onlinemode("--help")
    words = " ".join(out.split())
    assert code == 0 and exit_codes.HELP in words and "docs/reference/exit-codes.md" in words
    assert CODES | OF_SIGNALS == {int(each) for each in re.findall(r"\b\d+\b", exit_codes.HELP)}


def test_a_run_that_diverges_is_done(onlinemode):
    code, _, err = onlinemode("simulate", *SMALL, "--activation", "linear", "--eta", "1e9", "--no-theory", "--out", "x")
    assert code == exit_codes.DONE and "diverged" in err and om.load("x.npz").status == [om.Status.DIVERGED]


@pytest.mark.parametrize("batch, code", [("1,100", exit_codes.DONE), ("100,101", exit_codes.FAILED)])
def test_a_sweep_needs_one_good_point(batch, code, onlinemode, monkeypatch):
    from onlinemode.sweeps import work

    real = work._run

    def run(job, point, *given):
        if point["batch"] >= 100:
            raise ZeroDivisionError("no such batch")
        return real(job, point, *given)

    monkeypatch.setattr(work, "_run", run)
    assert onlinemode("sweep", "--over", f"batch={batch}", *SMALL, "--out", "s")[0] == code


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_training_that_diverges_is_not_done_and_keeps_its_history(onlinemode):
    code, _, err = onlinemode("deep", "train", "--epochs", "3", "--rate", "1e30", "--no-plot", "--out", "x")
    assert code == exit_codes.FAILED and "training diverged in epoch 1" in err
    assert om.deep.load_run("x.npz").status.value == "diverged"


def test_bad_input_is_not_done(onlinemode):
    assert onlinemode("frob")[0] == onlinemode()[0] == exit_codes.FAILED


@pytest.mark.parametrize("problem, code", [(KeyboardInterrupt(), exit_codes.INTERRUPTED),
                                           (MemoryError(), exit_codes.FAILED), (OSError(5, "no"), exit_codes.FAILED)])
def test_what_ends_a_command_has_its_code(problem, code, onlinemode, monkeypatch):
    def end(*_):
        raise problem

    monkeypatch.setattr("onlinemode.cli.ode.beginning", end)
    found, out, err = onlinemode("ode", *SMALL)
    assert found == code and out == "" and len(err.strip().splitlines()) == 1


def test_warnings_of_one_library_about_another_are_not_shown(onlinemode, monkeypatch):
    """Also where the library itself asks for it, as one did of checksums when sweeps began."""
    import warnings

    def warn(*_):
        warnings.filterwarnings("once", category=DeprecationWarning)
        warnings.warn("is deprecated", DeprecationWarning, stacklevel=2)
        warnings.warn("is slow", RuntimeWarning, stacklevel=2)
        raise KeyboardInterrupt

    monkeypatch.setattr("onlinemode.cli.ode.beginning", warn)
    said = [line for line in onlinemode("ode", *SMALL)[2].splitlines() if line]
    assert said == ["onlinemode: is slow", "onlinemode: stopped by the user"]
