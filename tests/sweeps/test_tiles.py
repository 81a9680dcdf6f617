"""The grid in tiles, and more values of a grid: where points lie and where they go."""

import math

import numpy as np
import pytest

from onlinemode.sweeps import tiles as module
from onlinemode.sweeps.axes import Axis, Grid
from onlinemode.sweeps.growing import grid_of_list, merged, moved, numbers_in
from onlinemode.sweeps.kept import Variable
from onlinemode.sweeps.tiles import Tiles

SHAPES = [(1,), (7,), (5000,), (3, 4), (1, 1, 1), (60, 70), (3, 1500), (1500, 3), (2, 33, 3, 40), (5, 1, 1000, 2)]


def axis(names, *rows):
    """An axis of one name from its values, of several from its rows."""
    several = isinstance(names, tuple)
    return Axis(names if several else (names,), tuple(row if several else (row,) for row in rows))


# -- tiles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_every_point_is_in_one_tile(shape):
    tiles = Tiles(shape)
    numbers = [number for place in tiles.all() for number in tiles.numbers(place).ravel()]
    assert sorted(numbers) == list(range(math.prod(shape)))
    assert len(list(tiles.all())) == len(set(tiles.all())) == math.prod(tiles.counts)


@pytest.mark.parametrize("shape", SHAPES)
def test_places_regions_and_numbers_agree(shape):
    tiles, whole = Tiles(shape), np.arange(math.prod(shape)).reshape(shape)
    for place in tiles.all():
        numbers = tiles.numbers(place)
        assert np.array_equal(numbers, whole[tiles.region(place)])
        for number in numbers.flat[::max(numbers.size // 20, 1)]:
            assert tiles.place_of(number) == place and numbers[tiles.inside(number, place)] == number


@pytest.mark.parametrize("shape", SHAPES)
def test_a_tile_has_some_points_and_not_too_many(shape):
    tiles = Tiles(shape)
    assert all(1 <= length <= size for length, size in zip(tiles.lengths, shape))
    assert min(math.prod(shape), module.MOST_POINTS // 2) <= math.prod(tiles.lengths) <= module.MOST_POINTS


def test_the_last_axes_come_first():
    assert Tiles((100, 10, 20)).lengths == (5, 10, 20) and Tiles((100, 5000)).lengths == (1, 1024)


def test_large_points_make_small_tiles():
    assert Tiles((100, 100), module.MOST_BYTES // 50).lengths == (1, 50)
    assert Tiles((4, 10), module.MOST_BYTES // 20).lengths == (2, 10)
    assert Tiles((4, 10), 10 * module.MOST_BYTES).lengths == (1, 1)
    assert Tiles((4, 10), 0).lengths == (4, 10)


# -- more values ---------------------------------------------------------------------------------


def test_a_grid_comes_back_from_its_description():
    grid = Grid((axis("eta", 1.0, 2.5), axis(("init", "K"), ("paper", 2), ("graded", 3)), axis("fresh_students", True)))
    assert grid_of_list([each.to_list() for each in grid.axes]) == grid


@pytest.mark.parametrize("one, other, expected", [
    ((1, 3), (2, 4), (1, 2, 3, 4)), ((1, 3), (3, 1), (1, 3)), ((3, 1), (2,), (3, 1, 2)), ((1, 3), (2, 0), (1, 3, 2, 0)),
    ((1.0, 2.0), (1.5, 2.0), (1.0, 1.5, 2.0)), (("b", "a"), ("c", "a"), ("b", "a", "c")),
    (("a", "c"), ("b",), ("a", "c", "b")), ((False,), (True,), (False, True)), ((2,), (1, 2), (1, 2))])
def test_merged_values(one, other, expected):
    """In ascending order where both are, else the new ones at the end; words stay as they are."""
    found = merged(Grid((axis("x", *one),)), Grid((axis("x", *other),)))
    assert found == Grid((axis("x", *expected),))


def test_merged_rows_of_several_names():
    one = Grid((axis(("K", "M"), (2, 2), (3, 5)), axis("init", "paper")))
    other = Grid((axis(("K", "M"), (2, 9), (3, 5)), axis("init", "graded", "paper")))
    assert merged(one, other) == Grid((axis(("K", "M"), (2, 2), (2, 9), (3, 5)), axis("init", "paper", "graded")))
    unsorted = Grid((axis(("K", "M"), (2, 9), (2, 1)), axis("init", "paper")))
    assert merged(one, unsorted).axes[0].rows == ((2, 2), (3, 5), (2, 9), (2, 1))


@pytest.mark.parametrize("names", [("y",), ("x", "y"), (("x", "y"),), ()])
def test_grids_over_other_names_are_not_merged(names):
    values = {("x", "y"): (1, 2)}
    assert merged(Grid((axis("x", 1),)), Grid(tuple(axis(name, values.get(name, 1)) for name in names))) is None


GRIDS = {
    "ascending": (Grid((axis("x", 1, 3), axis("y", 10, 30))), Grid((axis("x", 2, 3), axis("y", 10, 20, 30)))),
    "unsorted": (Grid((axis("x", 3, 1), axis("y", 10, 30))), Grid((axis("x", 2), axis("y", 30, 20)))),
    "words": (Grid((axis("x", "b", "a"), axis("y", 1))), Grid((axis("x", "c", "a", "d"), axis("y", 0)))),
    "together": (Grid((axis(("K", "M"), (2, 2), (3, 3)),)), Grid((axis(("K", "M"), (2, 1), (3, 3)),))),
    "the same": (Grid((axis("x", 1, 3),)), Grid((axis("x", 3, 1),))),
}


@pytest.mark.parametrize("name", GRIDS)
def test_points_keep_their_values_in_a_larger_grid(name):
    one, other = GRIDS[name]
    whole = merged(one, other)
    for first, second, both in zip(one.axes, other.axes, whole.axes):
        assert sorted(both.rows) == sorted(set(first.rows) | set(second.rows))
    for part in (one, other):
        numbers = numbers_in(whole, part)
        assert numbers.shape == part.shape
        for number, place in enumerate(numbers.ravel()):
            assert whole.values(place) == part.values(number)


@pytest.mark.parametrize("name", GRIDS)
def test_results_move_with_their_points(name):
    one, other = GRIDS[name]
    whole = merged(one, other)
    variables = {"a": Variable((), (), np.float64, np.nan, {}), "b": Variable((), (3,), np.int8, 0, {}),
                 "c": Variable((), (), str, "", {})}
    arrays = {"a": np.arange(1.0, one.size + 1).reshape(one.shape), "b": np.ones((*one.shape, 3), np.int8),
              "c": np.array([str(one.values(i)) for i in range(one.size)], object).reshape(one.shape)}
    empty = {"a": np.full(whole.shape, np.nan), "b": np.zeros((*whole.shape, 3), np.int8),
             "c": np.full(whole.shape, "", object)}
    found = moved(arrays, one, whole, empty)
    assert {each: found[each].shape for each in variables} == {
        "a": whole.shape, "b": (*whole.shape, 3), "c": whole.shape}
    place_of = {one.values(number): number for number in range(one.size)}
    for number in range(whole.size):
        before = place_of.get(whole.values(number))
        place = np.unravel_index(number, whole.shape)
        if before is None:
            assert np.isnan(found["a"][place]) and not found["b"][place].any() and found["c"][place] == ""
        else:
            assert found["a"][place] == before + 1 and found["b"][place].all()
            assert found["c"][place] == str(whole.values(number))
