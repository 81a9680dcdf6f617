"""What the pages say about files is so."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/extending.md", "docs/going-on.md",
         "docs/labelled.md", "docs/exit-codes.md", "docs/sweeps.md", "docs/sweep-pictures.md", "benchmarks/README.md")


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_exist(page):
    """A path with a slash from the top, from onlinemode/, or from the page's folder."""
    text = (ROOT / page).read_text(encoding="utf-8")
    named = {name for name in re.findall(r"`([\w/.]+\.(?:py|md|cfg|toml))`", text) if "/" in name}
    missing = [name for name in sorted(named)
               if not any((folder / name).exists() for folder in (ROOT, ROOT / "onlinemode", (ROOT / page).parent))]
    assert not missing
    if page == "docs/architecture.md":
        assert "kernels/rule/step.py" in text and len(named) > 10


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([\w/.-]+)(?:#[\w-]*)?\)", text):
        assert ((ROOT / page).parent / target).exists(), target
