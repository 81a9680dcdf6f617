"""Links to the theory from plain words, so that docstrings and formulas read well without them.

"docs/theory, section 2.3" in a docstring, and "section 2.3" on a page of the theory, become links to the label
theory-2-3; a source such as [SS] on a page of the theory becomes a link to the list of sources.
"""

import re

NUMBER = r"\d+(?:\.\d+)?"
NUMBERS = rf"{NUMBER}(?:(?:, | and | to ){NUMBER})*"
IN_DOCSTRING = re.compile(rf"(\n\s*\n\s*|\.\s+)?docs/theory,\s+(sections?)\s+({NUMBERS})")
ON_PAGE = re.compile(rf"\b([Ss]ections?) ({NUMBERS})")
SOURCES = "theory-sources"
SOURCE = re.compile(r"\[(LH|SS|G|BS|CS|Pl|MT|P|HMM|YO|CMO|vK|LGS)\](?!\()")
KEPT = re.compile(  # code, formulas, links, headings, labels, the list of sources itself
    r"(```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$|\[[^\]]*\]\([^)]*\)|^#.*?$|^\([\w-]+\)=$|^- \*\*\[\w+\]\*\*)",
    re.DOTALL | re.MULTILINE)


def setup(app):
    app.connect("autodoc-process-docstring", link_docstring)
    app.connect("source-read", link_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def label(number):
    return "theory-" + number.replace(".", "-")


def link_docstring(app, what, name, obj, options, lines):
    """Links in reStructuredText; a reference may begin on one line and end on the next."""
    lines[:] = IN_DOCSTRING.sub(_with_labels, "\n".join(lines)).split("\n")


def _with_labels(found):
    before, words, numbers = found.groups("")
    numbers = re.sub(NUMBER, lambda number: f":ref:`{number[0]} <{label(number[0])}>`", numbers)
    return f"{before}{'Theory' if before else 'theory'}, {words} {numbers}"


def link_page(app, docname, source):
    """Links in Markdown, on pages of the theory."""
    if docname.startswith("theory/"):
        parts = KEPT.split(source[0])
        parts[::2] = [_linked(part) for part in parts[::2]]
        source[0] = "".join(parts)


def _linked(text):
    text = ON_PAGE.sub(lambda found: f"{found[1]} " + re.sub(
        NUMBER, lambda number: f"[{number[0]}](#{label(number[0])})", found[2]), text)
    return SOURCE.sub(lambda found: rf"[\[{found[1]}\]](#{SOURCES})", text)
