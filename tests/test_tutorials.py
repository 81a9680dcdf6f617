"""The start page and the tutorials, as far as that needs no Sphinx: the documentation's build executes them whole."""

import re
import shlex
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
TUTORIALS = sorted(path for path in (DOCS / "tutorials").glob("*.md") if path.name != "index.md")
PAGES = [DOCS / "start.md", *TUTORIALS]
BLOCK = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.M)


def text_of(page):
    return page.read_text(encoding="utf-8")


def cells(text):
    """(options, code) of the code cells of a page."""
    bodies = [body for kind, body in BLOCK.findall(text) if kind == "{code-cell} ipython3"]
    return [re.fullmatch(r"((?::.*\n)*)((?:.*\n)*)", body).groups() for body in bodies]


def test_there_are_tutorials():
    assert len(TUTORIALS) >= 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_notebooks_whose_cells_are_python(page):
    text = text_of(page)
    assert text.startswith("---\nfile_format: mystnb\nkernelspec:\n") and "\n  name: python3\n---\n" in text
    assert len(cells(text)) == text.count("{code-cell}") >= 5
    for number, (_, code) in enumerate(cells(text)):
        compile(code, f"{page.name}, cell {number}", "exec")


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.name)
def test_tutorials_ask_and_check(page):
    text = text_of(page)
    assert re.search(r"^# .*\n\n\*\*Question\.\*\* ", text, re.M)
    assert len(re.findall(r"^ *assert ", text, re.M)) >= 3
    assert "\n## Variations\n" in text and "../theory/" in text and "../reference/" in text


def test_the_index_lists_every_tutorial():
    text = text_of(DOCS / "tutorials" / "index.md")
    toctree = re.search(r"```\{toctree\}\n:hidden:\n\n(.*?)```", text, re.S)[1].split()
    assert sorted(toctree) == [page.stem for page in TUTORIALS]
    assert re.findall(r"^\| \[.*?\]\((.*?)\.md\)", text, re.M) == toctree


def test_the_start_page_runs_the_commands_that_it_shows():
    """All but the first one, whose 800,000 steps are told and not made."""
    text = text_of(DOCS / "start.md")
    shown = [line for kind, body in BLOCK.findall(text) if kind == ""
             for line in body.replace("\\\n", " ").splitlines() if line.startswith("onlinemode ")]
    run = re.findall(r'^shell\("(.*)"\)$', text, re.M)
    assert [shlex.split(command) for command in shown[1:]] == [shlex.split(command) for command in run]
    assert len(run) >= 6 and shown[0] == "onlinemode simulate --N 10000"
    hidden = [options for options, code in cells(text) if 'shell("' in code]
    assert all(options == ":tags: [remove-input]\n" for options in hidden)


def test_formulas_of_the_plateau_hold():
    """The cells of the first tutorial that need mean-field equations alone, with their assertions."""
    import matplotlib
    import matplotlib.pyplot as plt

    before, after = text_of(DOCS / "tutorials" / "plateau.md").split("## What finite N does")
    names = {}
    with matplotlib.rc_context({"backend": "agg"}):
        try:
            for _, code in cells(before):
                exec(compile(code, "plateau.md", "exec"), names)
        finally:
            plt.close("all")
    assert "micro" in after and names["escape"](0.4, names["paper_start"](1e-4)) > 100.0
