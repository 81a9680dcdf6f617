"""Links to the sections of the theory from plain words, so that docstrings and formulas read well without them.

"docs/theory, section 2.3" in a docstring, and "section 2.3" on a page of the theory, become links to the label
theory-2-3.
"""

import re

NUMBERS = r"\d+(?:\.\d+)?(?:(?:, | and | to )\d+(?:\.\d+)?)*"
IN_DOCSTRING = re.compile(rf"docs/theory,\s+sections?\s+({NUMBERS})")
ON_PAGE = re.compile(rf"\b([Ss]ections?) ({NUMBERS})")


def setup(app):
    app.connect("autodoc-process-docstring", link_docstring)
    app.connect("source-read", link_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def label(number):
    return "theory-" + number.replace(".", "-")


def link_docstring(app, what, name, obj, options, lines):
    """Links in reStructuredText; a reference may begin on one line and end on the next."""
    text = IN_DOCSTRING.sub(lambda found: "theory, section " + re.sub(
        r"\d+(?:\.\d+)?", lambda number: f":ref:`{number[0]} <{label(number[0])}>`", found[1]), "\n".join(lines))
    lines[:] = text.split("\n")


def link_page(app, docname, source):
    """Links in Markdown, on pages of the theory, but not in headings and code."""
    if not docname.startswith("theory/"):
        return
    source[0] = "".join(line if line.startswith(("#", "(", "```")) else ON_PAGE.sub(
        lambda found: found[1] + " " + re.sub(
            r"\d+(?:\.\d+)?", lambda number: f"[{number[0]}](#{label(number[0])})", found[2]), line)
        for line in source[0].splitlines(keepends=True))
