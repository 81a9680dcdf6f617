"""Kinds of folders with results of many runs: those of sweeps, and those of widths of deep networks."""

import json
from pathlib import Path

from hostile.damage import damaged, flipped_once, replaced
from hostile.data import write_data
from hostile.documents import changed_somewhere
from hostile.runs import SMALL_RUN
from hostile.samples import run
from hostile.spoiling import CONTENT, DAMAGE, ONE_BIT, REPLACED, Kind, nothing_more, refused_or

SWEEP = ("sweep", "--over", "eta=1,1e4", "--over", "noise=0,0.5", *SMALL_RUN, "--out", "swept")
WIDTH = ("deep", "width", "--data", "data.npz", "--widths", "4,8,16", "--grid", "1,2", "--epochs", "1", "--batch", "50",
         "--cache", "cache", "--no-plot")
METADATA = {  # of zarr: keys, and values that they should not have
    "shape": ([2**40, 2**40], [0], [-1, 2], [2], [2, 2, 2], "x", [10**9, 10**9], [2, 3]),
    "chunk_shape": ([1, 1], [10**9, 10**9], [0, 0], [-1], [2**62, 2], []), "separator": (".", "", "x"),
    "data_type": ("float32", "complex128", "int8", "x", "variable_length_bytes", "r16", 5),
    "fill_value": (None, "x", 0, 1e999, "NaN", {}), "name": ("zlib", "sharding_indexed", "x", "gzip", ""),
    "level": (10**9, -1, "x"), "endian": ("big", "x"), "zarr_format": (2, 4, "3"), "codecs": ([], [{}], "x"),
    "node_type": ("group", "array", "x"), "dimension_names": ([], ["a", "b"], [None, None], "x")}


def _read():
    import onlinemode as om

    return om.open_sweep("swept").load()


def _use(dataset):
    from onlinemode import plotting

    refused_or(lambda: plotting.sweep_figure(dataset))


def _spoil(generator, folder):
    files = sorted(path for path in (folder / "swept").rglob("*")
                   if path.is_file() and path.suffix not in (".png", ".csv") and not path.name.startswith(".onl"))
    way = generator.choices([DAMAGE, ONE_BIT, REPLACED, CONTENT], [4, 3, 1, 4])[0]
    path = generator.choice([each for each in files if each.suffix == ".json"] if way == CONTENT else files)
    return way, f"{path.relative_to(folder / 'swept')}: {_spoil_one(generator, path, way)}"


def _spoil_one(generator, path, way):
    if way == REPLACED:
        return replaced(generator, path)
    if way == CONTENT:
        change = _plant if path.name == "zarr.json" and generator.random() < 0.6 else changed_somewhere
        words, document = change(generator, json.loads(path.read_text()))
        path.write_text(json.dumps(document))
        return words
    words, content = (damaged if way == DAMAGE else flipped_once)(generator, path.read_bytes())
    path.write_bytes(content)
    return words


def _plant(generator, document):
    """A hostile value for one of the keys of zarr's metadata."""
    found = []

    def look(inside):
        for key, value in inside.items() if isinstance(inside, dict) else enumerate(inside):
            if key in METADATA:
                found.append((inside, key))
            if isinstance(value, (dict, list)) and key != "attributes":
                look(value)

    look(document)
    inside, key = generator.choice(found)
    inside[key] = generator.choice(METADATA[key])
    return f"{key} = {inside[key]!r:.40}", document


def _fill_cache():
    write_data()
    run(*WIDTH, "--out", "width.npz")
    Path("width.npz").unlink()


def _spoil_cache(generator, folder):
    path = generator.choice(sorted((folder / "cache").glob("*.json")))
    way = generator.choice([DAMAGE, ONE_BIT, REPLACED, CONTENT])
    return way, f"{path.name}: {_spoil_one(generator, path, way)}"


KINDS = [
    Kind("sweep's folder", lambda: run(*SWEEP), _read, _use,
         [("plot", "swept"), SWEEP, (*SWEEP, "--retry"), ("sweep", "--over", "eta=1,2,1e4", *SWEEP[3:])], _spoil),
    Kind("width's cache", _fill_cache, lambda: None, nothing_more, [WIDTH], _spoil_cache),
]
