"""What a release is made of: the two archives hold what they should, and every place says the same of the version, of
who made it and of where it is."""

import configparser
import datetime
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import PurePosixPath

import pytest
import yaml
from sources import ROOT, in_the_tree

import onlinemode as om

SHIPPED = (".ci", "benchmarks", "cli", "docs", "figures", "onlinemode", "tests", "CHANGELOG.md", "CITATION.cff",
           "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "ruff.toml", "setup.cfg")
DATA_OF_TESTS = "figures/data/phase_diagram.npz"
MADE = ("PKG-INFO", "onlinemode.egg-info/")  # by setuptools
# What lies about in a tree that was used.
JUNK = ("run.npz", "build/lib/onlinemode/deleted.py", "dist/onlinemode-0.0.1.tar.gz", ".hypothesis/examples/0",
        "onlinemode/__pycache__/errors.cpython-311.pyc", "tests/__pycache__/conftest.cpython-311.pyc",
        "cli/__pycache__/main.cpython-311.pyc", "figures/data/large.npz", "figures/data/unfinished/large.npz",
        "figures/fig4_quick.png", "docs/_build/html/index.html", "docs/tutorials/run.npz")
ABSOLUTE = r"https?://[^\s)\"'<>`]+"


def settings():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config["metadata"]


def addresses():
    """Label to address, as an index shows them."""
    return dict(re.findall(r"^(\w+) = (\S+)$", settings()["project_urls"], re.M))


def citation():
    return yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))


# -- the archives -----------------------------------------------------------------------------


def build(kind, tree, folder):
    """Let setuptools, as of this environment, build one archive; returns its path and what was said."""
    code = f"from setuptools import build_meta; print(build_meta.build_{kind}({str(folder)!r}))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tree)
    assert made.returncode == 0, made.stderr[-2000:]
    return folder / made.stdout.split()[-1], made.stdout + made.stderr


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Names of files in a copy of the tree, in the source archive, and in the wheel that is made from it, its metadata,
    and what setuptools said."""
    pytest.importorskip("setuptools", minversion="77.0.3", reason="needs the extra test")
    if not (ROOT / "onlinemode").is_dir():
        pytest.skip("the package that is tested is an installed one, without its sources beside the tests")
    folder = tmp_path_factory.mktemp("archives")
    tree = folder / "tree"
    unwanted = shutil.ignore_patterns("__pycache__", "*.py[cod]", "*.npz", "*_quick.png", "_build", "jupyter_execute",
                                      "generated")
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=unwanted)
        else:
            shutil.copy(ROOT / name, tree / name)
    for path in (*(ROOT / "tests" / "data").glob("*.npz"), ROOT / DATA_OF_TESTS):
        shutil.copy(path, tree / path.relative_to(ROOT))
    wanted = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    wanted -= {name for name in wanted if name.startswith("figures/data/")} - {DATA_OF_TESTS}
    for name in JUNK:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("")

    source, said = build("sdist", tree, folder)
    with tarfile.open(source) as archive:
        names = [member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()]
        archive.extractall(folder / "unpacked", filter="data")
    unpacked, = (folder / "unpacked").iterdir()
    wheel, more = build("wheel", unpacked, folder)
    with zipfile.ZipFile(wheel) as archive:
        inside = archive.namelist()
        metadata = next(archive.read(name).decode() for name in inside if name.endswith("/METADATA"))
    return wanted, names, inside, message_from_string(metadata), said + more


def test_the_source_archive_holds_the_tree_and_nothing_else(archives):
    wanted, names, _, _, _ = archives
    assert len(wanted) > 250 and {"cli/main.py", "tests/conftest.py", "figures/showcase.png", DATA_OF_TESTS} <= wanted
    assert {name for name in names if not name.startswith(MADE)} == wanted


def test_the_wheel_holds_every_module_of_the_tree_and_nothing_else(archives):
    wanted, _, inside, _, _ = archives
    package = {name for name in wanted if name.startswith("onlinemode/")}
    command_line = {f"onlinemode/{name}" for name in wanted if name.startswith("cli/")}
    assert {"onlinemode/py.typed", "onlinemode/kernels/rule/step.py"} <= package and len(command_line) > 20
    code = {name for name in inside if ".dist-info/" not in name}
    assert code == package | command_line
    about = {name.partition(".dist-info/")[2] for name in inside} - {""}
    assert about == {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}


def test_the_build_says_nothing_of_deprecation(archives):
    said = archives[-1]
    assert "writing" in said or "adding" in said
    assert "eprecat" not in said and "SetuptoolsWarning" not in said


def test_the_metadata_of_the_wheel(archives):
    metadata = archives[3]
    assert metadata["Version"] == om.__version__
    assert metadata["License-Expression"] == "BSD-3-Clause" and metadata["License-File"] == "LICENSE"
    assert not [each for each in metadata.get_all("Classifier") if each.startswith("License ::")]
    assert metadata["Description-Content-Type"] == "text/markdown" and metadata.get_payload().startswith("# onlinemode")
    told = dict(each.split(", ") for each in metadata.get_all("Project-URL"))
    assert told == addresses() and set(told) == {"Documentation", "Source", "Changelog", "Issues"}


# -- version, authors, addresses --------------------------------------------------------------


def disagreements(version, changelog, cited):
    """What is wrong, in words: of a version, the newest heading of the changelog, and the citation file."""
    newest = re.search(r"^## (.*)$", changelog, re.M)[1]
    found = []
    if cited["version"] != version:
        found.append(f"CITATION.cff has version {cited['version']}, the package {version}")
    if ".dev" in version:
        if newest != "Unreleased":
            found.append(f"the package is {version}, but the newest heading of the changelog is not Unreleased")
        if "date-released" in cited:
            found.append(f"CITATION.cff has a date of release, but the package is {version}")
        return found
    dated = re.fullmatch(r"(\S+) \((\d{4}-\d\d-\d\d)\)", newest)
    if not dated or dated[1] != version:
        found.append(f"the newest heading of the changelog is not {version} (YEAR-MONTH-DAY)")
    elif cited.get("date-released") != datetime.date.fromisoformat(dated[2]):
        found.append(f"the changelog says {dated[2]}, CITATION.cff {cited.get('date-released')}")
    return found


def test_version_changelog_and_citation_agree():
    assert disagreements(om.__version__, (ROOT / "CHANGELOG.md").read_text("utf-8"), citation()) == []


DAY = datetime.date(2030, 2, 1)


@pytest.mark.parametrize("version, heading, cited, told", [
    ("1.0.0", "1.0.0 (2030-02-01)", {"version": "1.0.0", "date-released": DAY}, None),
    ("1.1.0.dev0", "Unreleased", {"version": "1.1.0.dev0"}, None),
    ("1.0.0", "Unreleased", {"version": "1.0.0", "date-released": DAY}, "newest heading of the changelog is not 1.0.0"),
    ("1.0.0", "1.0.0", {"version": "1.0.0", "date-released": DAY}, "newest heading of the changelog is not 1.0.0"),
    ("1.0.1", "1.0.0 (2030-02-01)", {"version": "1.0.1", "date-released": DAY}, "newest heading"),
    ("1.0.0", "1.0.0 (2030-02-01)", {"version": "1.0.0"}, "the changelog says 2030-02-01, CITATION.cff None"),
    ("1.0.0", "1.0.0 (2030-02-02)", {"version": "1.0.0", "date-released": DAY}, "CITATION.cff 2030-02-01"),
    ("1.0.0", "1.0.0 (2030-02-01)", {"version": "0.9.0", "date-released": DAY}, "CITATION.cff has version 0.9.0"),
    ("1.1.0.dev0", "1.0.0 (2030-02-01)", {"version": "1.1.0.dev0"}, "not Unreleased"),
    ("1.1.0.dev0", "Unreleased", {"version": "1.1.0.dev0", "date-released": DAY}, "a date of release"),
])
def test_what_counts_as_agreement(version, heading, cited, told):
    found = disagreements(version, f"# Changelog\n\n## {heading}\n\ntext\n\n## 0.1.0 (2029-01-01)\n", cited)
    assert found == [] if told is None else len(found) == 1 and told in found[0]


def test_the_citation_says_what_setup_says():
    cited, stated = citation(), settings()
    assert cited["cff-version"] == "1.2.0" and cited["type"] == "software" and cited["message"] and cited["abstract"]
    assert cited["title"].startswith("onlinemode: ")
    assert cited["title"].lower() == f"onlinemode: {stated['description']}".lower()
    assert [each["name"] for each in cited["authors"]] == [stated["author"]] == [stated["maintainer"]]
    assert stated["author"] in (ROOT / "LICENSE").read_text("utf-8")
    assert cited["license"] == stated["license_expression"]
    assert cited["keywords"] == stated["keywords"].strip().split("\n")
    assert cited["repository-code"] == stated["url"] == addresses()["Source"]
    assert cited["url"] == addresses()["Documentation"]


def test_the_paper_is_cited():
    paper, = citation()["references"]
    assert [each["family-names"] for each in paper["authors"]] == ["Li", "Huang"]
    assert (paper["doi"], paper["start"], paper["year"]) == ("10.1103/PhysRevResearch.5.L022011", "L022011", 2023)


def wrong_links(text):
    """Absolute links of a page that mean this project but lead nowhere in its tree."""
    source, documentation = addresses()["Source"], addresses()["Documentation"]
    raw = f"{source.replace('//github.com/', '//raw.githubusercontent.com/')}/main/"
    found = []
    for link in re.findall(ABSOLUTE, text):
        address = link.partition("#")[0].rstrip(".,;")
        if address.startswith(source):
            kind, _, path = address[len(source):].strip("/").partition("/main/")
            right = (not path and kind in ("", "issues", "releases")) or (
                kind in ("blob", "tree", "raw") and in_the_tree(path))
        elif address.startswith(raw):
            right = in_the_tree(address.removeprefix(raw))
        elif address.startswith(documentation):
            page = re.sub(r"^/(en/(latest|stable)/?)?", "", address[len(documentation):])
            right = page == "" or (page.endswith(".html") and _is_a_page(page.removesuffix(".html")))
        else:
            right = "onlinemode" not in address
        if not right:
            found.append(link)
    return found


def _is_a_page(name):
    """Pages of the API reference are made from docstrings when the site is built."""
    path = PurePosixPath(name)
    return "generated" in path.parts or any((ROOT / "docs" / f"{path}{kind}").exists() for kind in (
        ".md", ".rst", ".ipynb", ".py"))


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"])
def test_absolute_links_to_the_project_lead_into_the_tree(page):
    assert wrong_links((ROOT / page).read_text("utf-8")) == []


@pytest.mark.parametrize("form, right", [
    ("[x](SOURCE/blob/main/CHANGELOG.md#added)", True), ("<SOURCE>", True), ("SOURCE/issues.", True),
    ("![x](SOURCE/raw/main/figures/showcase.png)", True), ('<img src="SOURCE/raw/main/figures/none.png">', False),
    ("https://raw.githubusercontent.com/someone/onlinemode/main/README.md", False),
    ("SOURCE/blob/main/cli/main.py", True), ("SOURCE/blob/main/onlinemode/errors.py", True),
    ("SOURCE/blob/main/cli/none.py", False), ("SOURCE/blob/master/README.md", False), ("SOURCE/main/README.md", False),
    ("https://github.com/someone/onlinemode", False), ("https://example.org/x", True),
    ("DOCS/en/latest/none.html", False), ("DOCS/", True), ("[d](DOCS/en/stable/)", True), ("DOCS/architecture", False),
])
def test_which_links_are_wrong(form, right):
    link = form.replace("SOURCE", addresses()["Source"]).replace("DOCS", addresses()["Documentation"])
    assert (wrong_links(f"text {link} text") == []) is right
