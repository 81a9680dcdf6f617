"""More values of what a folder's sweep is over: the grid of all, and results in their new places."""

from typing import Any

import numpy as np

from onlinemode.sweeps.axes import Axis, Grid, check_names_differ


def grid_of_list(over: list) -> Grid:
    """The grid that a description holds."""
    return Grid(tuple(map(Axis.from_list, over)))


def merged(one: Grid, other: Grid) -> Grid | None:
    """All values of two grids over the same names, in ascending order where both are; None where names differ.

    Raises
    ------
    ParameterError
        If two activations have one name.
    """
    if [axis.names for axis in one.axes] != [axis.names for axis in other.axes]:
        return None
    axes = []
    for first, second in zip(one.axes, other.axes):
        rows = tuple(dict.fromkeys(first.rows + second.rows))
        if all(list(axis.rows) == sorted(axis.rows) for axis in (first, second) if _numbers(axis)):
            rows = tuple(sorted(rows)) if _numbers(first) and _numbers(second) else rows
        axes.append(Axis(first.names, rows))
        check_names_differ(axes[-1])
    return Grid(tuple(axes))


def _numbers(axis):
    return all(isinstance(value, (int, float)) for row in axis.rows for value in row)


def numbers_in(grid: Grid, part: Grid) -> np.ndarray:
    """Numbers in a grid of the points of another one that it contains, in the shape of that one."""
    places = []
    for whole, some in zip(grid.axes, part.axes):
        place_of = {row: place for place, row in enumerate(whole.rows)}
        places.append(np.array([place_of[row] for row in some.rows]))
    return np.ravel_multi_index(np.broadcast_arrays(*np.ix_(*places)), grid.shape)


def moved(arrays: dict[str, np.ndarray], before: Grid, after: Grid, empty: dict[str, Any]) -> dict[str, np.ndarray]:
    """Arrays of one grid in the places of a larger one, where the others are those of ``empty``."""
    numbers = numbers_in(after, before).ravel()
    out = {}
    for name, values in empty.items():
        flat = values.reshape(after.size, *values.shape[len(after.shape):])
        flat[numbers] = arrays[name].reshape(before.size, *flat.shape[1:])
        out[name] = values
    return out
