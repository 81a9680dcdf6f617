"""Data sets: what the loaders read, what they refuse and how, and the law of the mixture."""

import gzip
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from math import erf, sqrt

import numpy as np
import pytest

from onlinemode import deep
from onlinemode.deep.idx_files import FILES
from onlinemode.errors import FileError, OnlineModeError, ParameterError, ShapeError


def header(*numbers):
    return b"".join(int(n).to_bytes(4, "big") for n in numbers)


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_folder(zipped, tmp_path, write_idx, images):
    data = deep.data.idx(write_idx(tmp_path / "toy", zipped=zipped))
    assert (data.name, data.inputs, data.classes) == ("toy", 16, 10)
    assert data.train_x == pytest.approx(images["train_x"].reshape(60, 16) / 255.0, abs=1e-7)
    assert data.train_x.dtype == np.float32 and data.train_x.max() == 1.0
    assert np.array_equal(data.test_y, images["test_y"]) and data.test_y.dtype == np.int64
    with pytest.raises(ValueError):
        data.train_x[0, 0] = 1.0
    assert deep.data.remake(data.origin).fingerprint == data.fingerprint


def broken(key, content):
    return lambda folder, write: write(folder, **{key: content})


def without_labels(folder, write):
    write(folder)
    (folder / FILES["test_y"]).unlink()


def cut_gzip(folder, write):
    write(folder, zipped=True)
    path = folder / (FILES["train_x"] + ".gz")
    path.write_bytes(path.read_bytes()[:-40])


def no_gzip(folder, write):
    write(folder)
    (folder / FILES["train_y"]).write_bytes(b"\x1f\x8bnot a gzip file at all")


def endless_gzip(folder, write):
    write(folder, zipped=True)
    with open(folder / (FILES["train_x"] + ".gz"), "r+b") as file:
        file.truncate(2**40)  # zeros after its end, which take no disk


IDX_ERRORS = {
    "endless gzip": (endless_gzip, FileError, "truncated or too long: it must have .* got 1,099,511,627,776, zipped"),
    "no folder": (lambda folder, write: None, FileError, "there is no such folder; give one with the four IDX files"),
    "missing": (without_labels, FileError, "t10k-labels-idx1-ubyte: there is no such file, with .gz or without"),
    "truncated": (broken("train_x", header(0x803, 60, 4, 4) + b"\0" * 959), FileError,
                  "train-images-idx3-ubyte is truncated or too long: it must have 16 \\+ 60 × 4 × 4 bytes, got 975"),
    "too long": (broken("train_y", header(0x801, 60) + b"\0" * 61), FileError, "must have 8 \\+ 60 bytes, got 69"),
    "no header": (broken("train_x", b"\0\0"), FileError, "is truncated or too long: it must have at least 16 bytes"),
    "half a header": (broken("train_x", header(0x803, 60)), FileError, "must have at least 16 bytes, got 8"),
    "huge sizes": (broken("train_x", header(0x803, *[2**32 - 1] * 3)), FileError, "is truncated"),
    "magic": (broken("train_x", header(0x801, 60) + b"\0" * 60), FileError,
              "is not an IDX file of images: its first four bytes must be 0x00000803, got 0x00000801"),
    "magic of labels": (broken("test_y", header(0x803, 1, 1, 1) + b"\0"), FileError, "not an IDX file of labels"),
    "cut gzip": (cut_gzip, FileError, "the gzip file is truncated or damaged; fetch it again"),
    "no gzip": (no_gzip, FileError, "the gzip file is truncated or damaged"),
    "counts": (broken("train_y", header(0x801, 59) + b"\0" * 59), ShapeError,
               "train inputs and labels must be equally many; got 60 and 59"),
    "no images": (broken("test_x", header(0x803, 0, 4, 4)), ShapeError, r"of shape \(0, 4, 4\)"),
    "sizes": (broken("test_x", header(0x803, 20, 3, 4) + b"\0" * 240), ShapeError, "got 16 and 12"),
}


@pytest.mark.parametrize("case", IDX_ERRORS)
def test_idx_errors(case, tmp_path, write_idx):
    prepare, error, message = IDX_ERRORS[case]
    prepare(tmp_path / "toy", write_idx)
    with pytest.raises(error, match=message) as info:
        deep.data.idx(tmp_path / "toy")
    assert "\n" not in str(info.value)


def test_user_arrays(tmp_path):
    x = np.random.default_rng(0).standard_normal((12, 2, 3))
    np.savez(tmp_path / "mine.npz", train_x=x, train_y=np.arange(12) % 3, test_x=x[:4], test_y=np.arange(4) % 3)
    data = deep.data.find(str(tmp_path / "mine.npz"))
    assert (data.name, data.classes, data.inputs) == ("mine", 3, 6)
    assert data.train_x == pytest.approx(x.reshape(12, 6), rel=1e-6)  # numbers that are not bytes stay as they are
    np.savez(tmp_path / "numbers.npz", train_x=x, train_y=x[:, 0, :2], test_x=x, test_y=x[:, 0, :2])
    assert deep.data.arrays(tmp_path / "numbers.npz").train_y.shape == (12, 2)


def write_mine(path, **replaced):
    good = {"train_x": np.zeros((4, 3)), "train_y": [0, 1, 1, 0], "test_x": np.zeros((2, 3)), "test_y": [0, 1]}
    np.savez(path, **{name: value for name, value in (good | replaced).items() if value is not None})


@pytest.mark.parametrize("replaced, error, message", [
    ({"test_y": None}, FileError, "must hold the arrays train_x, train_y, test_x, test_y; test_y is missing"),
    ({"train_y": [0, 1, 1]}, ShapeError, "train inputs and labels must be equally many; got 4 and 3"),
    ({"train_y": [0, 1, -1, 0]}, ParameterError, "train_y must be labels 0 to 1; got -1 for sample 2"),
    ({"test_x": [[0.0, 1.0, np.nan], [0.0, 0.0, 0.0]]}, ParameterError,
     "test_x must be finite in float32; entry 2 of sample 0 is nan"),
    ({"train_x": np.full((4, 3), 1e300)}, ParameterError, "must be finite in float32"),
    ({"train_y": [0.0, np.inf, 0.0, 0.0]}, ParameterError, "train_y must be finite; sample 1 is not"),
    ({"train_y": [0.0, 2.0, 1.0, 0.0]}, ParameterError, "train_y holds whole numbers as float64; store classes as"),
    ({"train_x": np.zeros((4, 3), np.uint8)}, ShapeError, "must both be bytes, which become .*; got train_x of bytes "
                                                          "and test_x not of bytes"),
    ({"train_x": np.zeros(4)}, ShapeError, r"numbers of shape \(samples, entries\), or images; got float64 of shape"),
    ({"train_y": np.array(["a", "b", "a", "b"])}, ShapeError, "must be an array of numbers"),
    ({"test_x": np.zeros((2, 5))}, ShapeError, "must have equally many entries; got 3 and 5"),
])
def test_user_array_errors(replaced, error, message, tmp_path):
    write_mine(tmp_path / "mine.npz", **replaced)
    with pytest.raises(error, match=message) as info:
        deep.data.arrays(tmp_path / "mine.npz")
    assert "\n" not in str(info.value)


def test_numbers_to_be_fitted(tmp_path):
    """Labels ±1, and whole numbers of shape (n, 1), are no class numbers."""
    write_mine(tmp_path / "mine.npz", train_y=[1.0, -1.0, 1.0, 1.0], test_y=[1.0, -1.0])
    assert deep.data.arrays(tmp_path / "mine.npz").train_y.dtype == np.float32
    write_mine(tmp_path / "mine.npz", train_y=[[1.0], [2.0], [0.0], [5.0]], test_y=[[1.0], [0.0]])
    assert deep.data.arrays(tmp_path / "mine.npz").train_y.shape == (4, 1)


def test_samples_of_the_mixture_are_not_the_noise_of_the_weights():
    data, network = deep.data.gaussian_mixture(400, 200, seed=3), deep.Network((2, 8, 1), modes=3, loss="mse", seed=3)
    noise = (data.train_x[:3] - 0.5) / np.sqrt(0.05)  # of the first cloud
    ratio = network.layers[0].xi_in / noise
    assert ratio.std() > 0.1 * np.abs(ratio).mean()


def test_files_that_are_no_archives(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"nothing")
    for name, message in (("x.npz", "truncated or no .npz of arrays"), ("y.npz", "there is no such file")):
        with pytest.raises(FileError, match=message):
            deep.data.arrays(tmp_path / name)


def test_labels_outside_the_classes(small_images):
    with pytest.raises(ParameterError, match="train_y must be labels 0 to 2; got 3 for sample"):
        deep.Dataset(small_images.train_x, small_images.train_y, small_images.test_x, small_images.test_y, "x", 3)


def test_where_data_are_looked_up(tmp_path, write_idx, monkeypatch):
    monkeypatch.setattr(deep.data, "DEBIAN", {"fashion-mnist": write_idx(tmp_path / "debian")})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ONLINEMODE_DATA", raising=False)
    assert deep.data.find("fashion-mnist").origin["folder"] == str(tmp_path / "debian")
    for message, name in ((r"no data set 'mnist' in .*: name a folder .*--data-dir, .*deep fetch mnist\)$", "mnist"),
                          ("known names are gaussian-mixture, mnist and fashion-mnist", "cifar")):
        with pytest.raises(FileError, match=message):
            deep.data.find(name)
    write_idx(tmp_path / "cache" / "onlinemode" / "mnist")
    assert deep.data.find("mnist").name == "mnist"
    monkeypatch.setenv("ONLINEMODE_DATA", str(write_idx(tmp_path / "mine")))
    assert deep.data.find("fashion-mnist").origin["folder"] == str(tmp_path / "mine")
    write_idx(tmp_path / "mine" / "fashion-mnist", zipped=True)
    assert deep.data.find("fashion-mnist").origin["folder"] == str(tmp_path / "mine" / "fashion-mnist")
    assert deep.data.find("any", tmp_path / "debian").name == "any"
    assert deep.data.find("gaussian-mixture").classes == 2


def test_mixture_has_the_law_of_figure_1():
    data = deep.data.gaussian_mixture(40_000, 4, seed=7)
    assert data.train_x.shape == (40_000, 2) and set(np.unique(data.train_y)) == {-1.0, 1.0}
    for sign in (1.0, -1.0):
        x = data.train_x[data.train_y == sign].astype(float)
        assert len(x) == 20_000
        # moments of ±m + N(0, 0.05), |m| = ½ in each direction; bounds are 5 standard errors or more
        assert x.mean(0) == pytest.approx([0.0, 0.0], abs=0.02)
        assert (x**2).mean(0) == pytest.approx([0.30, 0.30], abs=0.009)
        assert (x**4).mean(0) == pytest.approx([0.145, 0.145], abs=0.009)
        assert x.prod(1).mean() == pytest.approx(sign * 0.25, abs=0.009)
        assert (x**2).prod(1).mean() == pytest.approx(0.09, abs=0.005)
    best = (data.train_x.prod(1) > 0) == (data.train_y > 0)
    p = 0.5 * (1 + erf(0.5 / sqrt(0.05) / sqrt(2)))
    assert best.mean() == pytest.approx(p**2 + (1 - p) ** 2, abs=5 * sqrt(0.025 / 40_000))
    assert p**2 + (1 - p) ** 2 == pytest.approx(0.9750, abs=5e-5)


def test_mixture_repeats_and_differs():
    one, same = (deep.data.gaussian_mixture(400, 40, seed=3) for _ in range(2))
    assert one.fingerprint == same.fingerprint == deep.data.remake(one.origin).fingerprint
    assert one.fingerprint != deep.data.gaussian_mixture(400, 40, seed=4).fingerprint
    assert not np.isin(one.test_x, one.train_x).any()
    with pytest.raises(ParameterError, match="train must be a multiple of 4"):
        deep.data.gaussian_mixture(401, 40)


def test_data_from_memory_cannot_be_made_again(small_images):
    with pytest.raises(FileError, match="made from arrays in memory"):
        deep.data.remake(small_images.origin)


# -- downloads --------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path, write_idx, monkeypatch):
    """Four files on 127.0.0.1 under the name mnist, with their hashes in place of the real ones."""
    import hashlib

    from onlinemode.deep import downloads

    folder = write_idx(tmp_path / "served", zipped=True)
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}

    class Handler(SimpleHTTPRequestHandler):
        asked = []

        def log_message(self, *_):
            self.asked.append(self.path)

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    monkeypatch.setitem(downloads.SOURCES, "mnist", (f"http://127.0.0.1:{httpd.server_port}/", hashes))
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ONLINEMODE_DATA", str(tmp_path / "cache"))
    yield folder, Handler.asked
    httpd.shutdown()
    httpd.server_close()


def test_fetch_checks_keeps_and_finds(server, tmp_path):
    pytest.importorskip("pooch")
    _, asked = server
    said = []
    assert deep.fetch("mnist", progress=said.append) == tmp_path / "cache" / "mnist"
    assert len(said) == len(asked) == 4
    assert len(deep.data.find("mnist").train_x) == 60
    deep.fetch("mnist")
    assert len(asked) == 4  # nothing is fetched twice


def test_fetch_on_the_command_line(server, tmp_path, capsys):
    pytest.importorskip("pooch")
    from onlinemode.cli.main import main

    with pytest.raises(SystemExit) as exit_info:
        main(["deep", "fetch", "mnist", "--out", str(tmp_path / "here")])
    out, err = capsys.readouterr()
    assert exit_info.value.code == 0 and "train-images-idx3-ubyte.gz ..." in err
    assert "mnist: 60 + 20 samples of 16 entries, 10 classes" in out and str(tmp_path / "here" / "mnist") in out


def test_fetch_refuses_another_content(server, tmp_path):
    pytest.importorskip("pooch")
    folder, _ = server
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"other"))
    with pytest.raises(FileError, match="cannot fetch http://127.0.0.1.*t10k-labels.*hash") as info:
        deep.fetch("mnist")
    assert "\n" not in str(info.value)
    assert not (tmp_path / "cache" / "mnist" / "t10k-labels-idx1-ubyte.gz").exists()


def test_fetch_from_nowhere(server, tmp_path):
    pytest.importorskip("pooch")
    folder, _ = server
    (folder / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(FileError, match="cannot fetch .*404"):
        deep.fetch("mnist", tmp_path / "other")
    with pytest.raises(ParameterError, match="the data set to fetch must be one of mnist, fashion-mnist; got 'cifar'"):
        deep.fetch("cifar")


def test_fetch_without_pooch(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(OnlineModeError, match="fetching needs pooch, which is not installed"):
        deep.fetch("mnist")


@pytest.mark.skipif(not deep.data.DEBIAN["fashion-mnist"].is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_fashion_mnist_of_debian():
    data = deep.data.idx(deep.data.DEBIAN["fashion-mnist"], "fashion-mnist")
    assert data.train_x.shape == (60_000, 784) and data.test_x.shape == (10_000, 784)
    assert np.array_equal(np.bincount(data.train_y), np.full(10, 6000))
