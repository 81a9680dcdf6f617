"""Small data in every format."""

import gzip

import numpy as np
import pytest

from onlinemode import deep
from onlinemode.deep.idx_files import FILES


def idx_bytes(array):
    """An array of bytes in the IDX format: magic, sizes, data."""
    magic = 0x00000800 + array.ndim
    return b"".join(int(n).to_bytes(4, "big") for n in (magic, *array.shape)) + array.astype(np.uint8).tobytes()


def image_arrays(train=60, test=20, side=4, classes=10, seed=0, noise=200):
    """Random images with one bright pixel that tells the class."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for part, count in (("train", train), ("test", test)):
        labels = rng.integers(0, classes, count)
        images = rng.integers(0, noise, (count, side, side))
        images[np.arange(count), labels % side, labels // side] = 255
        arrays |= {f"{part}_x": images.astype(np.uint8), f"{part}_y": labels.astype(np.uint8)}
    return arrays


@pytest.fixture
def images():
    """The arrays that ``write_idx`` writes."""
    return image_arrays()


@pytest.fixture
def write_idx():
    """Write the four files of a data set into a folder; returns the folder."""

    def write(folder, arrays=None, zipped=False, **replaced):
        folder.mkdir(exist_ok=True, parents=True)
        for key, array in (image_arrays() if arrays is None else arrays).items():
            content = replaced.get(key, idx_bytes(array))
            name = FILES[key] + (".gz" if zipped else "")
            (folder / name).write_bytes(gzip.compress(content) if zipped else content)
        return folder

    return write


@pytest.fixture(scope="session")
def small_images():
    """200 + 50 random images of 16 pixels, 4 classes."""
    arrays = image_arrays(200, 50, classes=4, noise=120)
    return deep.Dataset(**arrays, name="small", classes=4)


@pytest.fixture(scope="session")
def small_mixture():
    return deep.data.gaussian_mixture(2000, 400, seed=1)
