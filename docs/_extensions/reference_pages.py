"""Pages of classes: which members they show; and whether all public names have a page."""

import importlib
import re
from functools import cache
from importlib.util import find_spec

from public_names import members, public_names
from sphinx.ext.autodoc import mock
from sphinx.util import logging

logger = logging.getLogger(__name__)

if find_spec("torch") is None:
    with mock(["torch"]):
        importlib.import_module("onlinemode.deep.torch")


def setup(app):
    app.connect("env-check-consistency", check_complete)
    app.connect("autodoc-process-signature", leave_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Page:
    """What templates of autosummary ask about a full name; an object, since Sphinx pickles its settings."""

    def members(self, fullname):
        """Properties and methods of a class."""
        return members(_imported(fullname))

    def title(self, fullname):
        """As much of the name as tells it from all others."""
        parts = fullname.split(".")[1:]
        for length in range(1, len(parts)):
            end = "." + ".".join(parts[-length:])
            if sum(name.endswith(end) for name in public_names()) == 1:
                return end[1:]
        return ".".join(parts)


def classes():
    """Short names of public classes, as docstrings have them in the types of parameters, to their full names."""
    found = {}
    for name in public_names():
        if isinstance(_imported(name), type):
            found.setdefault(name.rpartition(".")[2], name)
    return found


@cache
def with_members():
    """Public names, and those of the members of classes."""
    found = {}
    for name in public_names():
        value = _imported(name)
        kinds = members(value).values() if isinstance(value, type) else ()
        found |= dict.fromkeys([name, *(f"{name}.{each}" for kind in kinds for each in kind)])
    return tuple(found)


def _imported(fullname):
    module, _, name = fullname.rpartition(".")
    return getattr(importlib.import_module(module), name)


def leave_out(app, what, name, obj, options, signature, returns):
    """No signature of errors, and of records that users are given and do not make: their fields are listed below."""
    is_record = what == "class" and _section("Attributes", obj) and not _section("Parameters", obj)
    return ("", None) if is_record or what == "exception" else None


def _section(title, obj):
    return re.search(rf"^ *{title}\n *-+$", obj.__doc__ or "", re.MULTILINE)


def check_complete(app, env):
    """Warn of public names, and of members of public classes, that are on no page of the reference."""
    for name in with_members():
        if name not in env.domains["py"].objects:
            logger.warning("%s is on no page of docs/reference", name)
