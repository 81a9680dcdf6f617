"""Kinds of files of deep networks and of data sets: networks, their checkpoints, IDX, .npz, .npy."""

import gzip
import tempfile
from pathlib import Path

import numpy as np

from hostile.archives import HEADERS, gzip_bomb, header_of, pickled
from hostile.runs import SMALL_RUN
from hostile.samples import run, run_and_interrupt
from hostile.spoiling import CONTENT, NO_CHECKSUM, Kind, archive_spoiler, bytes_spoiler, nothing_more, refused_or

IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
TRAIN = ("deep", "train", "--hidden", "4", "--modes", "2", "--batch", "50", "--no-plot", "--epochs", "2")


def write_data():
    """data.npz."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 200)
    points = generator.standard_normal((200, 6)) + labels[:, None]
    np.savez("data.npz", train_x=points, train_y=labels, test_x=points[:50], test_y=labels[:50])


def _train():
    write_data()
    run(*TRAIN, "--data", "data.npz", "--out", "net.npz")


def _leave_checkpoint():
    write_data()
    run_and_interrupt(*TRAIN, "--epochs", "100", "--data", "data.npz", "--checkpoint", "net.ckpt", "--out", "net.npz")
    Path("net.npz").unlink(missing_ok=True)


def _stop(_):
    raise KeyboardInterrupt


def _read_checkpoint():
    """What the file holds, once it has proved to be one that training can go on from."""
    from onlinemode import deep
    from onlinemode.deep.training import CHECKPOINT
    from onlinemode.storage import read_archive

    header, arrays = read_archive("net.ckpt", CHECKPOINT)
    with tempfile.TemporaryDirectory() as folder:
        deep.resume("net.ckpt", checkpoint=Path(folder) / "tried.ckpt", progress=_stop)
    known = ("history_", "network_", "adam_")  # others are not used
    return header, {name: values for name, values in arrays.items() if name.startswith(known)}


def _resume(_):
    from onlinemode import deep

    refused_or(lambda: deep.resume("net.ckpt", checkpoint="other.ckpt"))


def _load_run():
    from onlinemode import deep

    return deep.load_run("net.npz")


def _load():
    from onlinemode import deep

    return deep.load("net.npz")


def _use_run(trained):
    refused_or(lambda: repr(trained))
    refused_or(lambda: trained.save("again.npz"))
    refused_or(_load)
    _use(trained.network)


def _use(network):
    refused_or(lambda: repr(network))
    refused_or(lambda: network.forward(np.zeros((2, network.sizes[0]))))


def _save_network():
    from onlinemode import deep

    write_data()
    deep.Network((6, 4, 3), modes=2).save("net.npz")


def _read_data():
    from onlinemode.deep import data

    return _held(data.arrays("data.npz"))


def _held(dataset):
    """But for the place that it came from."""
    return {name: value for name, value in vars(dataset).items() if name != "origin"}


# -- IDX -------------------------------------------------------------------------------------------------------------


def _write_idx(zipped):
    generator = np.random.default_rng(0)
    Path("images").mkdir()
    for name in IDX:
        count, images = 60 if name.startswith("train") else 20, "images" in name
        array = generator.integers(0, 255 if images else 3, (count, 4, 4) if images else (count,), np.uint8)
        content = _idx_header(*array.shape) + array.tobytes()
        Path("images", name + (".gz" if zipped else "")).write_bytes(gzip.compress(content) if zipped else content)


def _idx_header(*sizes):
    return b"".join(int(n).to_bytes(4, "big") for n in (0x800 + len(sizes), *sizes))


def _hostile_idx(generator, zipped):
    """Sizes that nothing has, and bombs."""
    if zipped and generator.random() < 0.3:
        return "gzip bomb", gzip_bomb(2**28)
    if zipped and generator.random() < 0.4:
        return "gzip bomb with a header", gzip.compress(_idx_header(2**20, 16, 16)) + gzip_bomb(2**28)
    sizes = [generator.choice([0, 1, 60, 2**31, 2**32 - 1, 10**9]) for _ in range(generator.choice([1, 3]))]
    content = _idx_header(*sizes) + b"\0" * generator.choice([0, 960, 60, 20])
    return f"sizes {sizes}", gzip.compress(content) if zipped else content


def _read_idx():
    from onlinemode.deep import data

    return _held(data.idx("images"))


def _idx_kind(zipped):
    names = [f"images/{name}{'.gz' if zipped else ''}" for name in IDX]
    return Kind("IDX, gzip" if zipped else "IDX", lambda: _write_idx(zipped), _read_idx, nothing_more,
                [(*TRAIN, "--data", "mnist", "--data-dir", "images")],
                bytes_spoiler(names, lambda generator: _hostile_idx(generator, zipped)),
                (CONTENT,) if zipped else NO_CHECKSUM)


# -- rows ------------------------------------------------------------------------------------------------------------

ROWS = [*HEADERS, ("rows of int8", lambda: header_of("|i1", (2, 40)) + bytes(range(80))),
        ("big-endian", lambda: header_of(">f8", (2, 2)) + np.arange(4.0).astype(">f8").tobytes()),
        ("Fortran", lambda: header_of("<f8", (2, 2), True) + np.arange(4.0).tobytes()),
        ("NaN", lambda: header_of("<f8", (2, 2)) + np.array([1, np.nan, 2, 3]).tobytes()),
        ("an .npz of objects", lambda: b"PK\x03\x04" + pickled())]


def _hostile_rows(generator):
    words, make = generator.choice(ROWS)
    return words, make()


def _read_rows():
    from onlinemode.inputs import Rows

    return list(Rows("rows.npy").chunks())


KINDS = [
    Kind("trained network", _train, _load_run, _use_run,
         [("deep", "modes", "net.npz", "--no-plot"), ("deep", "prune", "net.npz", "--no-plot", "--draws", "1"),
          ("deep", "geometry", "net.npz", "--no-plot")], archive_spoiler("net.npz")),
    Kind("network alone", _save_network, _load, _use,
         [("deep", "modes", "net.npz", "--no-plot"),
          ("deep", "geometry", "net.npz", "--data", "data.npz", "--no-plot")], archive_spoiler("net.npz")),
    Kind("checkpoint of training", _leave_checkpoint, _read_checkpoint, _resume,
         [("deep", "train", "--resume", "net.ckpt", "-q")], archive_spoiler("net.ckpt")),
    Kind("data set, .npz", write_data, _read_data, nothing_more, [(*TRAIN, "--data", "data.npz")],
         archive_spoiler("data.npz")),
    _idx_kind(False), _idx_kind(True),
    Kind("rows, .npy", lambda: np.save("rows.npy", np.random.default_rng(0).standard_normal((60, 40))), _read_rows,
         nothing_more, [("simulate", "--inputs", "rows.npy", *SMALL_RUN),
                        ("simulate", "--inputs", "rows.npy:raw", *SMALL_RUN)],
         bytes_spoiler(["rows.npy"], _hostile_rows), NO_CHECKSUM),
]
