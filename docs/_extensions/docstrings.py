"""What docstrings leave out, since they are read in terminals first: escapes, full names, links to pages.

|ρ|, X* and trailing underscores mean themselves; a role may name what stands beside the object; the name of a page is a
link to it.  What is in ``literals`` stays as it is.
"""

import ast
import inspect
import re
from importlib import import_module

from reference_pages import with_members
from sphinx.pycode import ModuleAnalyzer

KEPT = re.compile(r"(``.*?``|:[a-z:]+:`[^`]*`|`[^`]*`_?)")
MARKUP = re.compile(r"[|*]|(?<=\w)_(?!\w)")
PARAMETER = re.compile(r"\s*(\*{1,2}\w|\* )")  # **options of a list of parameters, and bullets
ROLE = re.compile(r"(:[a-z]+:)`(\w+)`")
PAGE = re.compile(r"docs/(\w+)/([\w-]+)\.md")


def setup(app):
    app.connect("autodoc-process-docstring", complete, priority=400)  # before numpydoc
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def complete(app, what, name, obj, options, lines):
    if what == "data":
        lines[:] = _of_data(name)
    home = getattr(getattr(obj, "fget", None) or getattr(obj, "func", None) or obj, "__module__", None)
    lines[:] = [plain(ROLE.sub(lambda role: _in_full(role, name, home), line)) for line in lines]


def _of_data(name):
    """The text below an assignment, also of a name that a package takes from one of its modules."""
    module, _, own = name.rpartition(".")
    for node in ast.walk(ast.parse(inspect.getsource(import_module(module)))):
        if isinstance(node, ast.ImportFrom) and own in {alias.name for alias in node.names}:
            module = node.module
    return list(ModuleAnalyzer.for_module(module).find_attr_docs().get(("", own), ()))


def _in_full(role, name, home):
    """A role whose target is a public name of the same class, module or home of the object, with all of its name."""
    parents = name.split(".")
    for place in [".".join(parents[:length]) for length in range(len(parents), 0, -1)] + [home]:
        full = f"{place}.{role[2]}"
        if full in with_members():
            return f"{role[1]}`{role[2]} <{full}>`"
    return role[0]


def plain(line):
    """A line in which signs of markup mean themselves, and names of pages are links."""
    start = PARAMETER.match(line)
    head, rest = ("", line) if start is None else (line[:start.end()], line[start.end():])
    parts = KEPT.split(rest)
    parts[::2] = [PAGE.sub(r":doc:`/\1/\2`", MARKUP.sub(lambda found: "\\" + found[0], part)) for part in parts[::2]]
    return head + "".join(parts)
