"""Help texts of the command line as reStructuredText: defaults and choices in words, blocks of commands as they are."""

import re

from docstrings import plain

HELP = re.compile(r"^( +)(\*\*Required\*\* )?(.*?)(?:  \[(.*)\])?$")  # a text that may end with its default
CHOICES = re.compile(r"^ +:options: (.*)$")


def setup(app):
    app.connect("sphinx-click-process-options", in_one_paragraph)
    app.connect("sphinx-click-process-description", blocks_as_they_are)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def in_one_paragraph(app, context, lines):
    """What an option is, its default, and its choices."""
    found = []
    for line in lines:
        if line.startswith(".. ") or not line.strip():
            found.append(line)
        elif choices := CHOICES.match(line):
            while not found[-1].strip():
                found.pop()
            if "|" not in found[-2]:  # where the name of the value does not say it
                found[-1] += f" *One of* {choices[1].replace(' | ', ', ')}."
        else:
            indent, required, text, default = HELP.match(line).groups("")
            found.append(indent + required + plain(text) + (f" *Default:* {plain(default)}." if default else ""))
    lines[:] = found


def blocks_as_they_are(app, context, lines):
    """Lines after a backspace, which click does not wrap either."""
    found, inside = [], False
    for line in lines:
        if line.startswith("| ") and not inside:
            found += [".. code-block:: text", ""]
        inside = line.startswith("| ")
        found.append(f"   {line[2:]}" if inside else plain(line))
    lines[:] = found
