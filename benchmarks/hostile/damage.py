"""Damage to the bytes of a file, and what may stand in its place."""

import os

SIZES = (b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff" * 8, b"\0\0\0\x80", b"\x01\0\0\0")  # for a size


def damaged(generator, content):
    """What was done, and the bytes of a damaged file."""
    kind = generator.choice(["cut", "cut", "bit", "bit", "bit", "byte", "size", "zeros", "moved", "repeated", "longer",
                             "random", "gone"])
    place = generator.randrange(len(content) + 1)
    length = generator.choice([1, 4, 16, 512, 4096])
    if kind == "cut":
        edge = generator.choice([place, place, 0, 1, 4, len(content) - 1, len(content) - 22])
        return kind, content[:max(edge, 0)]
    if kind == "bit":
        changed = bytearray(content or b"\0")
        for _ in range(generator.choice([1, 1, 1, 8])):
            changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
        return kind, bytes(changed)
    if kind == "byte":
        return kind, content[:place] + generator.randbytes(1) + content[place + 1:]
    if kind == "size":
        new = generator.choice(SIZES)
        return kind, content[:place] + new + content[place + len(new):]
    if kind == "zeros":
        return kind, content[:place] + b"\0" * min(length, len(content) - place) + content[place + length:]
    if kind == "moved":
        return kind, content[place:] + content[:place]
    if kind == "repeated":
        return kind, content[:place] + content[max(place - length, 0):]
    if kind == "longer":
        return kind, content + generator.choice([b"\0" * length, generator.randbytes(length), content])
    if kind == "random":
        return kind, generator.randbytes(generator.choice([1, 100, 5000]))
    return kind, content[:place] + content[place + length:]


def flipped_once(generator, content):
    """A file with one wrong bit."""
    changed = bytearray(content)
    changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
    return "one bit", bytes(changed)


def replaced(generator, path):
    """Put something else in the place of a file: a folder, a pipe, a device, a link, nothing, a terabyte of holes."""
    content = path.read_bytes()
    path.unlink()
    kind = generator.choice(["folder", "pipe", "zeros", "full", "broken link", "link to itself", "link", "nothing",
                             "empty", "terabyte", "terabyte after it", "unreadable"])
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind in ("zeros", "full"):
        path.symlink_to({"zeros": "/dev/zero", "full": "/dev/full"}[kind])
    elif kind == "broken link":
        path.symlink_to("gone")
    elif kind == "link to itself":
        path.symlink_to(path.name)
    elif kind == "link":
        path.with_name("another name").write_bytes(content)
        path.symlink_to("another name")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind in ("terabyte", "terabyte after it"):
        path.write_bytes(content if kind == "terabyte after it" else b"")
        os.truncate(path, 2**40)
    elif kind == "unreadable":
        path.write_bytes(content)
        path.chmod(0)
    return kind
