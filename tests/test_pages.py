"""What the pages say about files is so."""

import os
import re
import shlex

import click
import pytest
from sources import PACKAGE, ROOT, in_the_tree

from onlinemode.cli.main import COMMANDS, onlinemode

PAGES = ("README.md", "CONTRIBUTING.md", "benchmarks/README.md",
         *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")))


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_exist(page):
    """A path with a slash from the top, from onlinemode/, or from the page's folder."""
    text = (ROOT / page).read_text(encoding="utf-8")
    named = {name for name in re.findall(r"`([\w/.]+\.(?:py|md|cfg|toml))`", text) if "/" in name}
    homes = (PACKAGE, (ROOT / page).parent)
    missing = [name for name in sorted(named)
               if not in_the_tree(name) and not any((home / name).exists() for home in homes)]
    assert not missing
    if page == "docs/project/architecture.md":
        assert "kernels/rule/step.py" in text and len(named) > 10


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([\w/.-]+)(?:#[\w-]*)?\)", text):
        path = os.path.normpath(os.path.join(os.path.dirname(page), target))
        made_with_the_site = path.startswith("docs/reference/generated/")  # whose build checks such links itself
        assert made_with_the_site or in_the_tree(path), target


BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.S | re.M)


def command_lines(text):
    """Command lines of onlinemode: in code blocks of no language or of a shell's, and between single backquotes."""
    blocks = [block for language, block in BLOCK.findall(text) if language in ("", "console", "bash", "sh")]
    lines = [line.removeprefix("$ ").strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", BLOCK.sub("", text))]
    return [line for line in lines if line.startswith("onlinemode ") and line.split()[1] in COMMANDS]


def parse(arguments):
    """Find the command and read its options, as the command line does; nothing is run."""
    command, context = onlinemode, click.Context(onlinemode, info_name="onlinemode")
    while isinstance(command, click.Group) and arguments:
        name, command, arguments = command.resolve_command(context, list(arguments))
        context = click.Context(command, parent=context, info_name=name)
    command.make_context(context.info_name, list(arguments), parent=context.parent)


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page_are_taken(page):
    """Their names, options and kinds of values; a command alone is a name in the text."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("mine.py:softsign", "tanh")  # of a file
    for line in command_lines(text):
        arguments = shlex.split(line, comments=True)[1:]
        if "--help" in arguments or len(arguments) == 1 or arguments[0] == "deep" and len(arguments) == 2:
            continue
        try:
            parse(arguments)
        except click.UsageError as problem:
            pytest.fail(f"{line}: {problem.format_message()}")


@pytest.mark.parametrize("line, right", [
    ("simulate --N 1e4 --eta 2", True), ("simulate --n-inputs 100", False), ("simulate --N many", False),
    ("deep train --variant 1L2P", True), ("deep train --variant 3L", False), ("deep brain --epochs 2", False),
    ("plot run.npz other.npz", True), ("sweep --over eta=1:6:11 --processes 2", True)])
def test_which_commands_are_taken(line, right):
    assert command_lines(f"```\nonlinemode {line}\n```\nand `onlinemode {line}`.") == [f"onlinemode {line}"] * 2
    if right:
        parse(shlex.split(line))
    else:
        with pytest.raises(click.UsageError):
            parse(shlex.split(line))


@pytest.mark.parametrize("page", PAGES)
def test_scripts_of_a_page_exist(page):
    """``python figures/NAME.py`` and the like, with the flags that the script knows."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for script, flags in re.findall(r"python ((?:figures|benchmarks|tests)/[\w/]+\.py)((?: --[a-z-]+)*)", text):
        source = (ROOT / script).read_text(encoding="utf-8")
        if script.startswith("figures/") and flags:
            source += (ROOT / "figures/deep_common.py").read_text(encoding="utf-8")
        for flag in flags.split():
            assert flag in source, f"{script} {flag}"
