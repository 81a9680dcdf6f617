"""``sweep.json``: what a folder's sweep is, and whether another one is the same."""

import json
from pathlib import Path
from typing import Any

from onlinemode import records
from onlinemode.array_files import read_json
from onlinemode.storage import replacing

DESCRIPTION = "sweep.json"


def write(path: Path, description: dict[str, Any]) -> None:
    """Write it into a folder, whole."""
    with replacing(path / DESCRIPTION, "w") as file:
        entries = (f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
                   for name, value in description.items())
        file.write("{\n " + ",\n ".join(entries) + "\n}\n")


def read(path: Path) -> dict[str, Any] | None:
    """The description of the sweep that is there; None where there is none, or a damaged one."""
    file = Path(path) / DESCRIPTION
    try:
        found = read_json(file)
        records.check(found, {}, {"experiment": records.or_nothing(records.record), "over": records.list_of(_axis)})
    except (OSError, ValueError):
        return None
    return found


def _axis(value):
    """the names and the rows of an axis"""
    return (isinstance(value, list) and len(value) == 2 and records.list_of(records.text)(value[0])
            and records.list_of(records.list_of(_plain, len(value[0])))(value[1]))


def _plain(value):
    """a number, a text, the table of an activation, or null"""
    return value is None or isinstance(value, (int, float, str, dict))


def difference(known: dict[str, Any], asked: dict[str, Any]) -> str:
    """What makes a folder that of another sweep, in words; "" where it has other values of the same names at most."""
    if known.get("kernels") != asked["kernels"]:
        return (f"was begun by other kernels (onlinemode {known.get('version')}) than those installed (onlinemode "
                f"{asked['version']}), so the bits would differ")
    if not _same_names(known.get("over"), asked["over"]):
        return "holds another sweep, over other names"
    flat = {**(known.get("experiment") or {}), **known}, {**(asked.get("experiment") or {}), **asked}
    for name in dict.fromkeys([*flat[1], *flat[0]]):
        if name not in ("version", "experiment", "over") and flat[0].get(name) != flat[1].get(name):
            if name == "times":
                return ("holds another sweep, whose saved times are others (a count in save_at goes by the largest N "
                        "and alpha: give times instead)")
            return (f"holds another sweep, whose {name} is {json.dumps(flat[0].get(name), ensure_ascii=False):.80} and "
                    f"not {json.dumps(flat[1].get(name), ensure_ascii=False):.80}")
    return ""


def _same_names(known, asked):
    return isinstance(known, list) and [entry[0] for entry in known] == [entry[0] for entry in asked]
