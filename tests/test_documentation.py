"""What the pages of docs/ say about the package is so, and says all; the build itself is Sphinx's."""

import ast
import importlib.util
import inspect
import re
import textwrap
from dataclasses import fields, is_dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path

import pytest
from sources import COMMAND_LINE, PACKAGE, ROOT

import onlinemode as om
from onlinemode.cli import deep, main
from onlinemode.sweeps import kept

REFERENCE, THEORY = ROOT / "docs" / "reference", ROOT / "docs" / "theory"
NUMBER = r"\d+(?:\.\d+)?"


def extension(name):
    """A module of docs/_extensions."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "_extensions" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


public, section_links = extension("public_names"), extension("section_links")
PUBLIC = public.public_names()


def imported(name):
    module, _, own = name.rpartition(".")
    return getattr(import_module(module), own)


def importable(names):
    """Without those that need PyTorch, which is seldom there."""
    torch = importlib.util.find_spec("torch") is not None
    return [name for name in names if torch or not name.startswith("onlinemode.deep.torch")]


# -- the reference ------------------------------------------------------------------------------------


def listed():
    """All names in the lists of docs/reference, by the directives of autosummary."""
    found = []
    for page in sorted(REFERENCE.glob("*.md")):
        for block in re.findall(r"```\{eval-rst\}\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            module = re.search(r"^\.\. currentmodule:: (\S+)$", block, re.MULTILINE)
            if ".. autosummary::" in block:
                found += [f"{module[1]}.{name}" for name in re.findall(r"^   ([\w.]+)$", block, re.MULTILINE)]
    return found


def test_every_public_name_is_listed_once():
    names = listed()
    assert sorted(names) == sorted(PUBLIC)
    assert {"onlinemode.simulate", "onlinemode.inputs.Rows", "onlinemode.presets.paper", "onlinemode.deep.VARIANTS",
            "onlinemode.deep.torch.convert", "onlinemode.ensemble.Ensemble"} <= set(names)
    assert "onlinemode.inputs.provide" not in names


def test_public_modules_are_those_of_the_package():
    assert {f"onlinemode.{name}" for name in om._MODULES} <= set(public.MODULES)


def test_members_of_classes_are_found():
    found = public.members(om.Trajectory)
    assert {"Q", "final", "ensemble"} <= set(found["properties"])
    assert found["methods"][0] == "start_of" and "to_csv" in found["methods"]
    assert public.members(om.observables.Plateau) == {"properties": [], "methods": []}  # nothing of tuples
    assert "K" in public.members(om.Weights)["properties"]  # of its base


@pytest.mark.parametrize("name", [name for name in importable(PUBLIC) if isinstance(imported(name), type)])
def test_fields_of_records_are_documented(name):
    """In its list of parameters or attributes; numpydoc sees to the parameters of functions when the site is built."""
    cls = imported(name)
    own = [each.name for each in fields(cls)] if is_dataclass(cls) else getattr(cls, "_fields", ())
    own = own or list(getattr(cls, "__members__", ()))
    listed = {each for line in re.findall(r"^ *((?:\w+, )*\w+)(?: : .*)?$", inspect.getdoc(cls), re.MULTILINE)
              for each in line.split(", ")}
    assert set(own) <= listed


def functions(name):
    """The functions of a name that have a body here, and the docstring where each is described."""
    value = imported(name)
    if not isinstance(value, type):
        return [(value, value.__doc__)] if inspect.isfunction(value) else []
    found = [inspect.getattr_static(value, each) for kind in public.members(value).values() for each in kind]
    found = [getattr(each, "fget", None) or getattr(each, "__func__", None) or
             (each.func if isinstance(each, cached_property) else each) for each in found]
    made = [vars(value)[each] for each in ("__init__", "__post_init__") if each in vars(value)]
    made = [each for each in made if each.__code__.co_filename != "<string>"]  # which a dataclass is given
    return [(each, each.__doc__) for each in map(inspect.unwrap, found)] + [(each, value.__doc__) for each in made]


def raises(function):
    """Whether its own lines raise an error, or check an argument."""
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Raise) and node.exc is not None and "Error" in ast.unparse(node.exc):
            return True
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("checks."):
            return True
    return False


def test_what_raises_is_seen():
    assert raises(om.simulate) and raises(om.Trajectory.states_at_end)
    assert not raises(om.Trajectory.to_xarray)


@pytest.mark.parametrize("name", importable(PUBLIC))
def test_functions_that_raise_say_so(name):
    silent = [each.__qualname__ for each, text in functions(name) if raises(each)
              and not re.search(r"^ *Raises\n *------$", text or "", re.MULTILINE)]
    assert silent == []


def test_the_tree_of_errors_is_that_of_the_classes():
    page = (REFERENCE / "errors.md").read_text("utf-8")
    drawn, branch = {}, ["OnlineModeError"]
    for line in re.search(r"```\n(OnlineModeError\n.*?)```", page, re.DOTALL)[1].splitlines()[1:]:
        indent, name, other = re.match(r"([│├└─ ]+)(\w+)(?: +\((\w+)\))?$", line).groups()
        depth = len(indent) // 4
        drawn[name] = {branch[depth - 1], other} - {None}
        branch[depth:] = [name]
    errors = {name: value for name, value in vars(om.errors).items()
              if isinstance(value, type) and value is not om.OnlineModeError}
    assert drawn == {name: {base.__name__ for base in value.__bases__} for name, value in errors.items()}


def test_the_variables_of_sweeps_are_told():
    page = (REFERENCE / "sweeps.md").read_text("utf-8")
    variables, words = page.split("## Variables")[1].split("| status | meaning |")
    named = re.findall(r"^\| `(\w+)` \|", variables, re.MULTILINE)
    assert named == ["status", "message", *kept.NUMBERS, "seconds"]
    assert re.findall(r"^\| (\w+) \|", words, re.MULTILINE) == list(kept.STATUS)


def test_every_command_has_a_page():
    wanted = {*main.COMMANDS, *(f"deep-{name}" for name in deep.COMMANDS)}
    assert {page.stem for page in (REFERENCE / "commands").glob("*.md")} == wanted
    for name in wanted:
        module, words = name.replace("-", "_"), name.replace("-", " ")
        page = (REFERENCE / "commands" / f"{name}.md").read_text("utf-8")
        assert f".. click:: onlinemode.cli.{module}:command\n   :prog: onlinemode {words}\n" in page
        table = (REFERENCE / ("commands/deep.md" if "-" in name else "command-line.md")).read_text("utf-8")
        assert re.search(rf"\[onlinemode {words}\]\((?:commands/)?{name}\.md\)", table)


# -- the theory ---------------------------------------------------------------------------------------


def sections():
    """Number of every section to its page, by the labels above headings."""
    found = {}
    for page in sorted(THEORY.glob("*.md")):
        for label, heading in re.findall(r"^\(theory-([\d-]+)\)=\n#+ (\S+)", page.read_text("utf-8"), re.MULTILINE):
            number = label.replace("-", ".")
            assert heading.rstrip(".") == number
            found[number] = page.name
    return found


SECTIONS = sections()


def named_in(text):
    """Numbers of sections, also where a comment or a docstring is broken between words."""
    text = re.sub(r"\s*\n\s*(?:# ?)?", " ", text)
    return [number for words in re.findall(rf"[Ss]ections? ({section_links.NUMBERS})", text)
            for number in re.findall(NUMBER, words)]


def test_all_sections_have_labels():
    headings = {number for page in THEORY.glob("*.md")
                for number in re.findall(rf"^##? ({NUMBER})\.? ", page.read_text("utf-8"), re.MULTILINE)}
    assert headings == set(SECTIONS)
    assert {"1", "4.5", "11.4"} <= headings


def test_numbers_are_found_in_words():
    assert named_in("# docs/theory,\n# section 2.3, and\n  sections 2.4 and 7") == ["2.3", "2.4", "7"]
    assert named_in("sections 8.1 to 8.3 (Section 9)") == ["8.1", "8.3", "9"]


def test_sections_that_are_named_exist():
    patterns = ("*.md", "docs/**/*.md", "benchmarks/*.md", "benchmarks/*.py", "figures/*.py", "tests/**/*.py")
    files = [path for pattern in patterns for path in ROOT.glob(pattern) if path != Path(__file__)]
    files += [*PACKAGE.rglob("*.py"), *COMMAND_LINE.glob("*.py")]
    named = {path: named_in(path.read_text("utf-8")) for path in files}
    assert {str(path): set(numbers) - set(SECTIONS) for path, numbers in named.items()
            if set(numbers) - set(SECTIONS)} == {}
    assert sum(map(len, named.values())) > 200


def slug(heading):
    """The anchor that a heading has in the repository's own view, and in the site."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_links_into_pages_lead_to_headings():
    wrong, count = [], 0
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for words, target, anchor in re.findall(r"\[([^\]]*)\]\(([\w/.-]+\.md)#([\w-]+)\)", page.read_text("utf-8")):
            path = (page.parent / target).resolve()
            headings = [slug(each) for each in re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)]
            numbers = named_in(words)
            count += 1
            if anchor not in headings or any(SECTIONS.get(number) != path.name for number in numbers):
                wrong.append((page.name, words, target, anchor))
    assert wrong == []
    assert count > 10


def test_sections_become_links():
    page = ["(section 5.6), and that\n\n(theory-7-4)=\n## 7.4 as in section 2\n\n$$ x \\text{ section 3} $$\n\n"
            "`section 4`, sections 8.1 to 8.3 of [SS] ([section 9](x.md))\n"]
    section_links.link_page(None, "theory/chain", page)
    assert page == [
        "(section [5.6](#theory-5-6)), and that\n\n(theory-7-4)=\n## 7.4 as in section 2\n\n$$ x \\text{ section 3} "
        "$$\n\n`section 4`, sections [8.1](#theory-8-1) to [8.3](#theory-8-3) of [\\[SS\\]](#theory-sources) "
        "([section 9](x.md))\n"]
    elsewhere = ["section 2 of [SS]"]
    section_links.link_page(None, "howto/sweeps", elsewhere)
    assert elsewhere == ["section 2 of [SS]"]
    lines = ["Theirs (docs/theory,", "  sections 2.3 and 6).", "", "docs/theory, section 7.", "", "One", "docs/theory,"]
    section_links.link_docstring(None, "function", "f", None, None, lines)
    assert lines == ["Theirs (theory, sections :ref:`2.3 <theory-2-3>` and :ref:`6 <theory-6>`).", "",
                     "Theory, section :ref:`7 <theory-7>`.", "", "One", "docs/theory,"]


def test_sources_are_those_of_the_list():
    listed = re.findall(r"^- \*\*\[(\w+)\]\*\*", (THEORY / "index.md").read_text("utf-8"), re.MULTILINE)
    assert set(listed) == set(re.search(r"\((.*?)\)", section_links.SOURCE.pattern)[1].split("|"))
    text = "".join(page.read_text("utf-8") for page in THEORY.glob("*.md") if page.name != "index.md")
    assert set(section_links.SOURCE.findall(text)) == set(listed)
