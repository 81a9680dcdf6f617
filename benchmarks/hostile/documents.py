"""JSON documents with another value somewhere."""

import copy
import json

VALUES = (None, True, False, 0, 1, -1, 2, 0.5, 1e308, -1e308, float("nan"), float("inf"), 10**30, 2**63, 10**9, "", "x",
          "1", "ü", "nan", "a\0b", "x" * 3000, [], [[]], [1, 2], ["a", "a"], [None], {}, {"a": 1}, [float("nan")],
          [10**9, 10**9], "weights", "overlaps", "states", "np", "__init__", "../../etc/passwd", "/dev/zero")


def places_in(document, place=()):
    """All places in a document, each a tuple of keys."""
    yield place
    if not isinstance(document, (dict, list)):
        return
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield from places_in(value, (*place, key))


def changed_somewhere(generator, document):
    """Where it was changed, and the document."""
    place = generator.choice(list(places_in(document))[1:] or [()])
    kind = generator.choice(["value", "value", "value", "gone", "more", "deep"])
    new = generator.choice(VALUES)
    if not place:
        return "all", new
    document = copy.deepcopy(document)
    inside = document
    for key in place[:-1]:
        inside = inside[key]
    if kind == "gone":
        del inside[place[-1]]
    elif kind == "more" and isinstance(inside, dict):
        inside[generator.choice(["more", "x" * 100, ""])] = new
    elif kind == "more":
        inside.append(new)
    elif kind == "deep":
        inside[place[-1]] = json.loads("[" * 200 + "]" * 200)
    else:
        inside[place[-1]] = new
    return f"{'.'.join(str(key) for key in place)} {kind}" + (f" {new!r:.20}" if kind == "value" else ""), document
