"""Axes of a sweep: grids and their numbering, values in words and in files, what is refused."""

import itertools
import math

import numpy as np
import pytest

import onlinemode as om
from onlinemode.errors import FileError, ParameterError
from onlinemode.sweeps import axes
from onlinemode.sweeps.axes import Axis, Grid, grid_of, words_of
from onlinemode.sweeps.recipe import ExperimentRecipe, FunctionRecipe

RECIPE = ExperimentRecipe(om.Experiment(N=40, K=2))


def anything(**values):
    """A function whose arguments are of any type."""
    return om.Experiment()


OF_FUNCTION = FunctionRecipe(anything)


def rows(over, seeds=None, recipe=RECIPE):
    """The rows of the only axis."""
    axis, = grid_of(over, seeds, recipe).axes
    return list(axis.rows)


def column(over, seeds=None, recipe=RECIPE):
    return [row[0] for row in rows(over, seeds, recipe)]


def typed(values):
    return [(type(value), value) for value in values]


def test_points_are_those_of_product_with_the_last_axis_fastest():
    grid = grid_of({"eta": [2, 1, 5], ("K", "M"): [(2, 2), (3, 2)], "init": ["paper"]}, [4, 0], RECIPE)
    assert grid.shape == (3, 2, 1, 2) and grid.size == 12
    assert grid.names == ("eta", "K", "M", "init", "seed") and grid.dims == ("eta", "K_M", "init", "seed")
    expected = [(eta, *sizes, init, seed) for eta, sizes, init, seed in itertools.product(
        (2.0, 1.0, 5.0), ((2, 2), (3, 2)), ("paper",), (4, 0))]
    assert [grid.values(number) for number in range(12)] == expected
    assert grid.point(7) == dict(zip(grid.names, expected[7]))
    assert grid.values(np.int64(5)) == expected[5]


def test_columns_and_json_of_an_axis():
    axis = grid_of({("K", "M"): [(2, 3), (4, 5)]}, None, RECIPE).axes[0]
    assert axis.column("K") == [2, 4] and axis.column("M") == [3, 5]
    assert axis.to_list() == [["K", "M"], [[2, 3], [4, 5]]]


def test_dimensions():
    """alpha is the dimension of the saved times, so the swept last time has another name."""
    grid = grid_of({"alpha": [1, 2], ("noise", "N"): [(0, 10)]}, None, RECIPE)
    assert grid.dims == ("last_alpha", "noise_N") and grid.names == ("alpha", "noise", "N")
    assert Axis(("alpha", "N"), ((1.0, 10),)).dim == "last_alpha_N"


@pytest.mark.parametrize("key, values", [
    (("K", "M"), [(2, 2), (3, 2)]), ("K,M", [[2, 2], [3, 2]]), (" K , M ", "2,2;3,2"), (("K", "M"), " 2, 2 ; 3, 2"),
    (("K", "M"), np.array([[2, 2], [3, 2]])), (("K", "M"), ((2.0, 2), (3, "2")))])
def test_several_names_together(key, values):
    grid = grid_of({key: values}, None, RECIPE)
    assert grid.axes == (Axis(("K", "M"), ((2, 2), (3, 2))),)
    assert all(type(value) is int for row in grid.axes[0].rows for value in row)


def test_words_among_rows():
    assert rows({"init,K": " Paper , 2 ; graded , 3 "}) == [("paper", 2), ("graded", 3)]
    assert rows({"init,K": [(" paper ", 2)]}) == [("paper", 2)]


@pytest.mark.parametrize("values", [
    [1, 2.5], (1, 2.5), np.array([1, 2.5]), np.array([1, 2.5], np.float32), "1,2.5", " 1 , 2.5 ", ["1", "2.5"],
    [np.float64(1), np.float32(2.5)], {1: None, 2.5: None}.keys(), iter([1, 2.5])])
def test_values_of_one_name(values):
    assert typed(column({"eta": values})) == typed([1.0, 2.5])


@pytest.mark.parametrize("name, values, expected", [
    ("N", "1e3, 20", [1000, 20]), ("N", [1e3, np.int64(20)], [1000, 20]), ("seed", [0, 2**62], [0, 2**62]),
    ("seed", f"{2**53 + 1}", [2**53 + 1]), ("eta", [1, np.int32(2)], [1.0, 2.0]),
    ("fresh_students", "true, False", [True, False]), ("fresh_students", [np.bool_(True)], [True]),
    ("M", [2], [2]), ("rtol", "1e-3", [1e-3]),
    ("init", "Paper, COMMITTEE", ["paper", "committee"]), ("activation", np.array(["ReLU"]), ["relu"]),
    ("method", "lsoda", ["LSODA"]), ("inputs", "power-law:1.0,rademacher", ["power-law:1.0", "rademacher"]),
    ("inputs", "./a.npy:raw", ["./a.npy:raw"])])
def test_values_become_what_an_experiment_has(name, values, expected):
    assert typed(column({name: values})) == typed(expected)


@pytest.mark.parametrize("values, expected", [
    ("3,2.5,true", [3, 2.5, True]), ("x,y", ["x", "y"]), ([1, 2.0], [1, 2.0]), (np.array([1, 2]), [1, 2]), (["7"], [7]),
    ([False, "TRUE"], [False, True]), ("-3,1e2", [-3, 100.0]), ("0:2:3", [0.0, 1.0, 2.0]),
    ("power-law:1.0,x", ["power-law:1.0", "x"])])
def test_values_of_a_function_are_what_they_look_like(values, expected):
    assert typed(column({"width": values}, recipe=OF_FUNCTION)) == typed(expected)


def test_words_and_numbers_are_not_mixed():
    """An array holds one or the other."""
    for values in (["a", 1], "3,x", [(1, 2), ("b", 3)]):
        with pytest.raises(ParameterError, match="the values of width must be words or numbers, not both; got"):
            column({("width", "x") if isinstance(values[0], tuple) else "width": values}, recipe=OF_FUNCTION)


def test_linear_ranges():
    assert column({"noise": "0:1:11"}) == [i / 10 for i in range(11)]
    assert column({"noise": " 1 : 0 : 3 "}) == [1.0, 0.5, 0.0]


def test_logarithmic_ranges():
    assert column({"eta": "1e-2:1e2:5:log"}) == [0.01, 0.1, 1.0, 10.0, 100.0]
    assert typed(column({"N": "1e2:1e6:5:log"})) == typed([100, 1000, 10_000, 100_000, 1_000_000])


def test_whole_numbers_that_fall_together_stand_once():
    assert typed(column({"K": "1:3:9"})) == typed([1, 2, 3])
    assert column({"K": "1:4:7:log"}) == list(dict.fromkeys(round(4 ** (i / 6)) for i in range(7)))
    assert column({"K": "0.6:1.4:2"}) == [1]


@pytest.mark.parametrize("seeds, expected", [
    (3, [0, 1, 2]), (np.int64(2), [0, 1]), (1, [0]), (2.0, [0, 1]), ([7, 3], [7, 3]), (np.array([7, 3]), [7, 3]),
    ("7,3", [7, 3]), (range(2, 4), [2, 3])])
def test_seeds_are_the_last_axis(seeds, expected):
    grid = grid_of({"eta": [1, 2]}, seeds, RECIPE)
    assert grid.names == ("eta", "seed") and typed(grid.axes[1].column("seed")) == typed(expected)
    assert column({}, seeds) == expected


@pytest.mark.parametrize("content", [
    "K,eta,init\n2,1,paper\n3,0.5,Committee\n", "\ufeffK,eta,init\r\n2,1,paper\r\n3,0.5,Committee\r\n",
    " K , eta , init \n\n 2 , 1 , paper \n , , \n3,0.5,Committee", 'K,"eta",init\n2,"1",paper\n3,.5,committee\n\n\n'])
def test_points_of_a_file(content, tmp_path):
    """A byte order mark, empty lines, ends of lines of Windows, and blanks change nothing."""
    path = tmp_path / "points.csv"
    path.write_bytes(content.encode())
    grid = grid_of({"csv": path, "seed": [1]}, None, RECIPE)
    assert grid.axes[0] == Axis(("K", "eta", "init"), ((2, 1.0, "paper"), (3, 0.5, "committee")))
    assert typed(grid.axes[0].rows[0]) == typed((2, 1.0, "paper")) and grid.dims == ("K_eta_init", "seed")


def test_a_file_of_one_name(tmp_path):
    (tmp_path / "points.csv").write_text("N\n10\n1e3\n")
    assert column({"csv": str(tmp_path / "points.csv")}) == [10, 1000]


def test_words_of_a_point():
    assert words_of({"eta": 1.0, "init": "paper"}) == "eta = 1.0, init = paper"


def test_most_points(monkeypatch):
    monkeypatch.setattr(axes, "MOST_POINTS", 12)
    assert grid_of({"eta": "0:1:4", "N": [1, 2, 3]}, None, RECIPE).size == 12
    for over, seeds, got in (({"eta": "0:1:4", "N": [1, 2]}, 2, "16"), ({"eta": "0:1:13"}, None, "13 for eta"),
                             ({"N": range(13)}, None, "13 for N")):
        with pytest.raises(ParameterError, match=f"^a sweep has at most 12 points; got {got}$"):
            grid_of(over, seeds, RECIPE)
    with pytest.raises(ParameterError, match="^seeds must be a whole number ≥ 1 and ≤ 12; got 13$"):
        grid_of({}, 13, RECIPE)


def test_too_many_points_take_no_memory():
    """Refused before a list of them is made."""
    for over, seeds in (({"N": range(10**15)}, None), ({}, 10**15), ({"eta": f"0:1:{10**15}"}, None),
                        ({"noise": "0:1:2000"}, 10**8)):
        with pytest.raises(ParameterError):
            grid_of(over, seeds, RECIPE)
    assert math.prod((10**4, 10**4)) == axes.MOST_POINTS
    assert Grid((Axis(("eta",), tuple((i,) for i in range(10))),) * 20).size == 10**20  # no overflow


def test_seeds_in_words_are_not_counted_by_their_letters(monkeypatch):
    monkeypatch.setattr(axes, "MOST_POINTS", 12)
    assert grid_of({"N": [1, 2, 3]}, "100:102:3", RECIPE).size == 9


def test_values_for_which_there_is_no_memory(monkeypatch):
    def without_memory(*arguments):
        raise MemoryError

    monkeypatch.setattr(axes, "_axis", without_memory)
    with pytest.raises(ParameterError, match="^there is not enough memory for all values of the sweep: give fewer$"):
        grid_of({"N": [1, 2]}, None, RECIPE)


NAMES = "what is swept has a name, or a tuple of different names; got "
RULE = "over must name what is swept and its values, such as {'eta': [1, 2, 5], 'N': '1e2:1e6:5:log', ('K', 'M'): " \
       "[(2, 2), (3, 2)]}; got "
RANGE = "a range is FROM:TO:COUNT or FROM:TO:COUNT:log; got "
ENDS = "a range has at least 2 points, finite ends, and positive ones with log; got "
DIFFER = "must differ, and be at least one; got "
ROWS = "the values of K, M must be rows, such as [(2, 2), (3, 2)]; got "
BAD = {
    "nothing": ({}, None, RULE + "{}"),
    "a list": ([1], None, RULE + "[1]"),
    "a number as a name": ({5: [1]}, None, NAMES + "5"),
    "a number among names": ({(5, "eta"): [(1, 2)]}, None, NAMES + "(5, 'eta')"),
    "no name": ({(): [()]}, None, NAMES + "()"),
    "an empty name": ({"": [1]}, None, NAMES + "''"),
    "a comma too many": ({"K,": "1,2"}, None, NAMES + "'K,'"),
    "a name twice in one axis": ({("K", "K"): [(1, 1)]}, None, NAMES + "('K', 'K')"),
    "unknown": ({"frob": [1]}, None, "a sweep can be over alpha, engine, init, N, "),
    "one value": ({"eta": 1.0}, None, "the values of eta must be a sequence, such as a list, or words such as "
                                      "'0:1:11'; got 1.0"),
    "bytes": ({"eta": b"12"}, None, "got b'12'"),
    "a dict": ({"eta": {1: 2}}, None, "got {1: 2}"),
    "no value": ({"eta": []}, None, f"the values of eta {DIFFER}[]"),
    "equal values": ({"eta": [1, 1.0]}, None, f"the values of eta {DIFFER}[1.0, 1.0]"),
    "equal words": ({"init": "paper,Paper"}, None, f"the values of init {DIFFER}['paper', 'paper']"),
    "equal rows": ({"K,M": "1,2;1,2"}, None, f"the values of K, M {DIFFER}[(1, 2), (1, 2)]"),
    "a fraction": ({"N": [10.5]}, None, "N must be a whole number ≥ 0; got 10.5"),
    "negative": ({"N": "-1"}, None, "N must be a whole number ≥ 0; got -1"),
    "no whole number": ({"N": ["x"]}, None, "N must be a whole number ≥ 0; got 'x'"),
    "no number": ({"eta": ["x"]}, None, "eta: 'x' is neither a number nor a schedule: power"),
    "not finite": ({"eta": "nan"}, None, "eta must be a finite number; got nan"),
    "truth as a number": ({"eta": [True]}, None, "eta must be a finite number; got True"),
    "a number as truth": ({"fresh_students": [1]}, None, "fresh_students must be true or false; got 1"),
    "a number as a word": ({"init": [1]}, None, "init must be a word; got 1"),
    "no such word": ({"init": ["x"]}, None, "init must be one of showcase, paper, committee, graded, tasks; got 'x'"),
    "arrays": ({"eta": np.ones((2, 200))}, None, "each value of eta must be one number or word; got an array of shape "
                                                 "(200,)"),
    "two parts of a range": ({"eta": "1:2"}, None, RANGE + "'1:2' for eta"),
    "five parts": ({"eta": "1:2:3:log:5"}, None, RANGE + "'1:2:3:log:5' for eta"),
    "not log": ({"eta": "1:2:3:lin"}, None, RANGE + "'1:2:3:lin' for eta"),
    "no end": ({"eta": "1:x:3"}, None, RANGE + "'1:x:3' for eta"),
    "half a count": ({"eta": "1:2:2.5"}, None, RANGE + "'1:2:2.5' for eta"),
    "one point": ({"eta": "1:2:1"}, None, ENDS + "'1:2:1' for eta"),
    "log of zero": ({"eta": "0:1:3:log"}, None, ENDS + "'0:1:3:log' for eta"),
    "infinite end": ({"eta": "0:inf:3"}, None, ENDS + "'0:inf:3' for eta"),
    "no rows": ({("K", "M"): [1, 2]}, None, ROWS + "[1, 2]"),
    "a number of rows": ({("K", "M"): 3}, None, ROWS + "3"),
    "short row": ({"K,M": "1,2;3"}, None, "every point of K, M has 2 values; point 2 has 1: ['3']"),
    "twice": ({"eta": [1], ("K", "eta"): [(2, 1)]}, None, "eta is swept twice: give all its values in one place"),
    "seeds twice": ({"seed": [1]}, 2, "seed is swept twice: give all its values in one place, either in over or as "
                                      "seeds"),
    "no seeds": ({}, 0, "seeds must be a whole number ≥ 1 and ≤ 100000000; got 0"),
    "half seeds": ({}, 2.5, "seeds must be a whole number ≥ 1 and ≤ 100000000; got 2.5"),
    "negative seed": ({}, [-1], "seed must be a whole number ≥ 0; got -1"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_axes(name):
    over, seeds, words = BAD[name]
    with pytest.raises(ParameterError) as error:
        grid_of(over, seeds, RECIPE)
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("value, got", [(None, "None"), ([1], "[1]"), (1j, "1j")])
def test_values_that_a_function_cannot_have(value, got):
    with pytest.raises(ParameterError) as error:
        column({"width": [value]}, recipe=OF_FUNCTION)
    assert str(error.value) == f"the values of width must be numbers, words, or True and False; got {got}"


def test_ranges_are_no_truth():
    with pytest.raises(ParameterError, match="^fresh_students must be true or false; got 0.0$"):
        column({"fresh_students": "0:1:2"})


@pytest.mark.parametrize("content, words", [
    ("", "must have a line of names and then a line a point; it has 0 lines"),
    ("K,M\n", "must have a line of names and then a line a point; it has 1 lines"),
    ("K,M\n1,2\n3\n", "every line has 2 values, as the first one; line 3 has 1"),
    ("K,M\n1,2,3\n", "every line has 2 values, as the first one; line 2 has 3")])
def test_bad_files(content, words, tmp_path):
    path = tmp_path / "points.csv"
    path.write_text(content)
    with pytest.raises(FileError) as error:
        grid_of({"csv": path}, None, RECIPE)
    assert words in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_too_large_for_points(tmp_path):
    with open(tmp_path / "points.csv", "wb") as file:
        file.truncate(2**40)  # of holes, which take no disk
    with pytest.raises(FileError, match="^cannot read .*points.csv: it has more than 256 MiB"):
        grid_of({"csv": tmp_path / "points.csv"}, None, RECIPE)


@pytest.mark.parametrize("content", [b"K,M\n\xff,2\n", None])
def test_files_that_cannot_be_read(content, tmp_path):
    path = tmp_path / "points.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileError, match="^cannot read .*points.csv: "):
        grid_of({"csv": path}, None, RECIPE)
    with pytest.raises(FileError, match="^cannot read None: "):
        grid_of({"csv": None}, None, RECIPE)


def test_values_and_names_of_a_file_are_checked(tmp_path):
    path = tmp_path / "points.csv"
    for content, words in (("K,K\n1,2\n", "a tuple of different names"), ("K,M\n1,x\n", "M must be a whole number"),
                           ("K,frob\n1,2\n", "got 'frob'"), ("K,M\n1,2\n1,2\n", "the values of K, M must differ")):
        path.write_text(content)
        with pytest.raises(ParameterError, match=words):
            grid_of({"csv": path}, None, RECIPE)
