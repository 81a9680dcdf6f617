"""Archives (.npz) that are whole, with right checksums, and hostile: in their structure, or in what they hold."""

import io
import json
import pickle
import struct
import zipfile
import zlib

import numpy as np

from hostile.documents import changed_somewhere

PLANTED = "a pickle has run"  # the name of the file that a planted pickle would make


class _Planted:
    """Its pickle makes a file when it is loaded."""

    def __reduce__(self):
        return open, (PLANTED, "w")


def pickled():
    """The bytes of a pickle that leaves a file where it is loaded."""
    return pickle.dumps(_Planted())


def header_of(descr="<f8", shape=(3,), fortran=False, text=None, version=1):
    """The first bytes of an .npy file."""
    text = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}" if text is None else text
    padded = text.encode("latin-1", "replace") + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(padded)) + padded


HEADERS = [  # of arrays that say something impossible, dangerous or unusual
    ("objects", lambda: header_of("|O", (1,)) + pickled()),
    ("pickle alone", pickled),
    ("objects in fields", lambda: header_of([("a", "|O"), ("b", "<f8")], (1,)) + pickled()),
    ("fields", lambda: header_of([("a", "<f8"), ("b", "<i4")], (2,)) + b"\0" * 24),
    ("subarrays", lambda: header_of([("a", "<f8", (2,))], (2,)) + b"\0" * 32),
    ("negative shape", lambda: header_of(shape=(-1,)) + b"\0" * 24),
    ("two negative sizes", lambda: header_of(shape=(-3, -1)) + b"\0" * 24),
    ("huge shape", lambda: header_of(shape=(10**12,)) + b"\0" * 24),
    ("shape beyond 64 bits", lambda: header_of(shape=(2**70, 2**70)) + b"\0" * 24),
    ("wrapped shape", lambda: header_of(shape=(2**32, 2**32)) + b"\0" * 24),
    ("empty but huge", lambda: header_of(shape=(0, 10**12))),
    ("bytes of size 0", lambda: header_of("|S0", (10**12,))),
    ("text of size 0", lambda: header_of("<U0", (10**9, 10**9))),
    ("text of 2 GiB", lambda: header_of("<U500000000", ()) + b"\0" * 24),
    ("void", lambda: header_of("|V8", (3,)) + b"\0" * 24),
    ("many axes", lambda: header_of(shape=(1,) * 70) + b"\0" * 8),
    ("few bytes", lambda: header_of() + b"\0" * 23),
    ("more bytes", lambda: header_of() + b"\0" * 25),
    ("float shape", lambda: header_of(text="{'descr': '<f8', 'fortran_order': False, 'shape': (3.0,)}") + b"\0" * 24),
    ("no shape", lambda: header_of(text="{'descr': '<f8'}")),
    ("Python 2", lambda: header_of(text="{'descr': '<f8', 'fortran_order': False, 'shape': (3L,)}") + b"\0" * 24),
    ("deep header", lambda: header_of(text="[" * 9000 + "]" * 9000)),
    ("minus signs", lambda: header_of(text="-" * 9000)),
    ("code", lambda: header_of(text=f"__import__('os').mkdir('{PLANTED}')")),
    ("long header", lambda: header_of(text=f"{{'descr': '<f8', 'fortran_order': False, 'shape': (3,){' ' * 60_000}}}")
     + b"\0" * 24),
    ("header without end", lambda: b"\x93NUMPY\x02\0\xff\xff\xff\xff" + b"{" * 50),
    ("version 9", lambda: header_of(version=9) + b"\0" * 24),
    ("dates", lambda: header_of("<M8[s]") + b"\0" * 24),
    ("half", lambda: header_of("<f2") + b"\0" * 6),
    ("extended", lambda: header_of("<f16") + b"\0" * 48),
    ("no type", lambda: header_of("<q9") + b"\0" * 27),
    ("old type", lambda: header_of("|a8") + b"\0" * 24),
    ("booleans of 2", lambda: header_of("|b1") + b"\2" * 3)]


def members_of(content):
    """Name to bytes of the members of an archive, the order kept."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(members, method=zipfile.ZIP_STORED):
    """The bytes of an archive of these members, a list of (name, bytes) or a dict."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, data)
    return out.getvalue()


def hostile_structure(generator, content):
    """What was done, and an archive with one member or its structure changed, its checksums right."""
    members = members_of(content)
    victim = generator.choice(list(members))
    kind = generator.choice(["member", "member", "member", "twice", "outside", "absolute", "claims", "bomb", "bzip2",
                             "deflated", "encrypted", "no names", "prefix", "not .npy", "nested", "empty", "many"])
    if kind == "member":
        words, make = generator.choice(HEADERS)
        return f"member: {words}", written(members | {victim: make()})
    if kind == "twice":
        return kind, written([*members.items(), (victim, generator.choice([members[victim], HEADERS[0][1]()]))])
    if kind in ("outside", "absolute"):
        name = {"outside": "../../outside.npy", "absolute": "/tmp/absolute.npy"}[kind]
        return kind, written(members | {name: members[victim]})
    if kind == "claims":
        return kind, _with_claim(content, victim, generator.choice([2**31 - 2, 2**32 - 2, 10**9, 0, 1]))
    if kind == "bomb":
        size = generator.choice([2**27, 2**28])
        head = header_of(shape=(size // 8,))
        return kind, written(members | {victim: head + b"\0" * size}, zipfile.ZIP_DEFLATED)
    if kind in ("bzip2", "deflated"):
        return kind, written(members, {"bzip2": zipfile.ZIP_BZIP2, "deflated": zipfile.ZIP_DEFLATED}[kind])
    if kind == "encrypted":
        place = content.index(b"PK\x01\x02")
        return kind, content[:place + 8] + b"\x01" + content[place + 9:]
    if kind == "no names":
        return kind, written({name.removesuffix(".npy"): data for name, data in members.items()})
    if kind == "prefix":
        return kind, generator.randbytes(100) + content
    if kind == "not .npy":
        return kind, written(members | {"readme.txt": b"hello", "folder/": b""})
    if kind == "nested":
        return kind, written(members | {victim: content})
    if kind == "empty":
        return kind, written({})
    return kind, written(members | {f"more_{i}.npy": members[victim] for i in range(2000)})


def _with_claim(content, victim, size):
    """The archive says that a member has ``size`` bytes."""
    changed, start = bytearray(content), content.index(b"PK\x01\x02")
    while changed[start:start + 4] == b"PK\x01\x02":
        name, extra, comment = struct.unpack("<HHH", changed[start + 28:start + 34])
        if changed[start + 46:start + 46 + name].decode() == victim:
            struct.pack_into("<I", changed, start + 24, size)
            return bytes(changed)
        start += 46 + name + extra + comment
    raise AssertionError(victim)


def changed_content(generator, content):
    """What was done, and an archive of onlinemode with another value somewhere in its header or its arrays."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    words = []
    for _ in range(generator.choice([1, 1, 1, 2])):
        if "header" in arrays and generator.random() < 0.5:
            where, header = changed_somewhere(generator, json.loads(str(arrays["header"])))
            arrays["header"] = np.array(json.dumps(header))
            words.append(f"header {where}")
        else:
            words.append(_change_arrays(generator, arrays))
    out = io.BytesIO()
    np.savez(out, **arrays)
    return ", ".join(words), out.getvalue()


def _change_arrays(generator, arrays):
    """Change one of a dict of arrays; returns what was done."""
    names = [name for name in arrays if name != "header"]
    if not names:
        return "nothing"
    name = generator.choice(names)
    value = arrays[name]
    changes = {
        "removed": lambda: None, "float32": lambda: value.astype(np.float32), "int": lambda: _as(value, np.int64),
        "int8": lambda: _as(value, np.int8), "complex": lambda: value + 0j, "words": lambda: value.astype(str),
        "bytes": lambda: value.astype("S"), "booleans": lambda: value.astype(bool),
        "half": lambda: _as(value, np.float16), "big-endian": lambda: value.astype(value.dtype.newbyteorder(">")),
        "Fortran": lambda: np.asfortranarray(value),
        "shorter": lambda: value[..., :-1] if value.ndim else value, "first axis shorter": lambda: value[:-1],
        "transposed": lambda: value.T, "more axes": lambda: value[None], "fewer axes": lambda: value.ravel(),
        "empty": lambda: value[:0], "one number": lambda: np.array(1.0), "zero-sized": lambda: np.empty((0, 10**9)),
        "NaN": lambda: _planted(generator, value, np.nan), "inf": lambda: _planted(generator, value, np.inf),
        "negative": lambda: -value, "huge": lambda: value * 1e300, "tiny": lambda: value * 1e-310,
        "a number": lambda: _planted(generator, value, 7.0), "longer": lambda: np.concatenate([value, value]),
        "dates": lambda: np.zeros(value.shape, "M8[s]"), "text": lambda: np.array("x"),
        "all NaN": lambda: value * np.nan}
    kind = generator.choice(list(changes))
    try:
        with np.errstate(all="ignore"):
            new = changes[kind]()
    except (TypeError, ValueError, IndexError):
        kind, new = "text", np.array("x")
    if new is None:
        del arrays[name]
    else:
        arrays[name] = new
    return f"{name} {kind}"


def _as(value, dtype):
    return np.nan_to_num(value).astype(dtype)


def _planted(generator, value, number):
    value = np.array(value, np.float64)
    if value.size:
        value.flat[generator.randrange(value.size)] = number
    return value


def gzip_bomb(size):
    """``size`` zeros as a gzip file."""
    pack = zlib.compressobj(9, wbits=31)
    pieces = [pack.compress(b"\0" * 2**20) for _ in range(size // 2**20)]
    return b"".join(pieces) + pack.flush()
