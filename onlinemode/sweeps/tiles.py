"""The grid in tiles: rectangles of neighbouring points, which are the chunks of a file."""

import itertools

import numpy as np

MOST_POINTS = 1024
MOST_BYTES = 16 * 2**20  # of all arrays of a tile


class Tiles:
    """A partition of a grid.

    Parameters
    ----------
    shape : tuple of int
        Of the grid.
    point_bytes : int
        Of all arrays of one point.
    """

    def __init__(self, shape: tuple[int, ...], point_bytes: int = 8):
        self.shape = shape
        room = max(min(MOST_POINTS, MOST_BYTES // max(point_bytes, 1)), 1)
        lengths = []
        for size in reversed(shape):  # the last axes first, since they run fastest
            lengths.append(min(size, room))
            room = max(room // lengths[-1], 1)
        self.lengths = tuple(reversed(lengths))

    @property
    def counts(self) -> tuple[int, ...]:
        """How many there are along each axis."""
        return tuple(-(-size // length) for size, length in zip(self.shape, self.lengths))

    def all(self):
        """The places of all tiles, in order."""
        return itertools.product(*(range(count) for count in self.counts))

    def place_of(self, number: int) -> tuple[int, ...]:
        """The tile of a point."""
        return tuple(int(i) // length for i, length in zip(np.unravel_index(number, self.shape), self.lengths))

    def region(self, place: tuple[int, ...]) -> tuple[slice, ...]:
        """Where a tile lies in the grid."""
        return tuple(slice(i * length, min((i + 1) * length, size))
                     for i, length, size in zip(place, self.lengths, self.shape))

    def numbers(self, place: tuple[int, ...]) -> np.ndarray:
        """The points of a tile, in its shape."""
        ranges = np.ix_(*(np.arange(each.start, each.stop) for each in self.region(place)))
        return np.ravel_multi_index(np.broadcast_arrays(*ranges), self.shape)

    def inside(self, number: int, place: tuple[int, ...]) -> tuple[int, ...]:
        """Where a point lies in its tile."""
        return tuple(int(i) - each.start for i, each in zip(np.unravel_index(number, self.shape), self.region(place)))
