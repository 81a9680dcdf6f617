"""Values that are none: what users pass by mistake, by what should stand there."""

import datetime
import decimal
import fractions
import pathlib
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import strategies as st

from onlinemode.errors import OnlineModeError

LONGEST_MESSAGE = 1500


class Odd:
    """Prints in two lines, and is no array."""

    def __repr__(self):
        return "an odd\nobject"

    def __array__(self, *arguments, **options):
        raise RuntimeError("no array\nat all")


def _itself():
    inner = [1.0]
    inner.append(inner)
    return inner


TOO_LARGE = [10**400, -10**400, fractions.Fraction(10**400, 3)]
NO_NUMBERS = [
    None, True, False, np.True_, 1j, np.complex64(1.0), "", "1", "x", "a\nb", "\0", "\ud800", "x" * 5000, b"1", [], [1],
    [[1.0]], {}, {1: 2}, set(), {1}, (), object, print, ..., NotImplemented, range(3), slice(3), pathlib.Path("x"),
    bytearray(b"abc"), datetime.date(2020, 1, 1), np.datetime64("2020-01-01"), np.datetime64("NaT"),
    np.timedelta64(1, "s"), decimal.Decimal("1.5"), decimal.Decimal("NaN"), decimal.Decimal("sNaN"), np.ma.masked,
    np.array(1.0), np.array(1), np.array(None, dtype=object), np.ones(3), np.eye(2), np.ones((2, 2, 2)),
    np.empty((0, 3)), np.eye(2) * 1j, np.array([[1, None], [2, 3]], dtype=object), np.array(["a", "b"]),
    np.full((2, 2), np.nan), np.ma.masked_array(np.ones(2), [False, True]), np.zeros(1, [("a", float)]),
    memoryview(b"abc"), [[1, 2], [3]], Odd(), _itself()]
SEQUENCES = (list, range, np.ndarray, bytearray, memoryview)  # of which some are arrays of numbers
no_numbers = st.one_of(st.sampled_from(NO_NUMBERS), st.text(), st.binary(max_size=5), st.complex_numbers(),
                       st.lists(st.floats() | st.text(max_size=3), max_size=3), st.dictionaries(st.text(), st.none()))
not_finite = st.one_of(st.sampled_from([*TOO_LARGE, np.float32("nan"), np.float64("inf")]),
                       st.sampled_from([float("nan"), float("inf"), -float("inf")]))


@dataclass(frozen=True)
class Kind:
    """What should stand somewhere, as ``bad``, a strategy of what must not."""

    bad: st.SearchStrategy


def number(minimum=None, *, above=None, maximum=None, optional=False):
    """A finite number in a range."""
    bad = [no_numbers, not_finite]
    if minimum is not None:
        bad.append(st.floats(max_value=minimum, exclude_max=True, allow_infinity=False))
    if above is not None:
        bad.append(st.floats(max_value=above, allow_infinity=False))
    if maximum is not None:
        bad.append(st.floats(min_value=maximum, exclude_min=True, allow_infinity=False))
    return Kind(without_none(bad, optional))


def whole(minimum, maximum=None, optional=False):
    """A whole number in a range."""
    fractions_ = st.floats(allow_infinity=False, allow_nan=False).filter(lambda value: value != int(value))
    bad = [no_numbers, st.integers(max_value=minimum - 1), fractions_,
           st.sampled_from([float("nan"), float("inf"), np.float32("-inf"), fractions.Fraction(7, 2), -10**400])]
    if maximum is not None:
        bad += [st.integers(min_value=maximum + 1), st.sampled_from([10**400, 1e308])]
    return Kind(without_none(bad, optional))


def name(*names, optional=False):
    """One of some names, in any capitals."""
    known = {each.casefold() for each in names}
    words = no_numbers.filter(lambda value: not (isinstance(value, str) and value.casefold() in known))
    return Kind(without_none([words, not_finite, st.integers()], optional))


def flag(optional=False):
    """True or False."""
    bad = [no_numbers.filter(lambda value: not isinstance(value, (bool, np.bool_))), not_finite, st.integers(),
           st.floats()]
    return Kind(without_none(bad, optional))


def instance(optional=False):
    """An object of a class of the package."""
    return Kind(without_none([no_numbers, not_finite, st.integers(), st.floats()], optional))


def array(shape, *, optional=False):
    """An array of finite real numbers of a shape; None for any length."""
    good = tuple(3 if size is None else size for size in shape)
    wrong_shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple).filter(lambda other: not fits(other, shape))
    entry = st.sampled_from([float("nan"), float("inf"), -float("inf")])
    bad = [
        no_numbers.filter(lambda value: not fits(np.shape(value) if isinstance(value, np.ndarray) else (), shape)
                          and (isinstance(value, np.ndarray) or not isinstance(value, SEQUENCES))),
        not_finite, st.integers(), st.floats(), wrong_shapes.map(np.ones),
        st.builds(_with_entry, st.just(good), entry, st.integers(0, 10**6)),
        st.sampled_from([np.ones(good) * 1j, np.full(good, "1"), np.full(good, None), np.ma.masked_all(good),
                         np.full(good, 10**400, dtype=object), np.ones(good, "datetime64[D]")])]
    return Kind(without_none(bad, optional))


def fits(shape, wanted):
    """Whether an array of a shape may stand where one of a wanted shape should."""
    return len(shape) == len(wanted) and all(want in (None, have) and have for have, want in zip(shape, wanted))


def _with_entry(shape, entry, place):
    values = np.ones(shape)
    values.flat[place % values.size] = entry
    return values


def without_none(strategies, optional):
    """One of several strategies; None is good where something is optional."""
    any_of = st.one_of(strategies)
    return any_of.filter(lambda value: value is not None) if optional else any_of


@st.composite
def broken(draw, calls):
    """One of some calls, {name: (function, arguments with which it works, kinds of arguments)}, with a bad argument."""
    each = draw(st.sampled_from(sorted(calls)))
    _, good, kinds = calls[each]
    argument = draw(st.sampled_from(sorted(kinds)))
    return each, {**good, argument: draw(kinds[argument].bad)}


def assert_refused(function, arguments):
    """Assert that a call ends in one of the package's errors, of one line, and with no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(OnlineModeError) as caught:
            function(**arguments)
    assert_one_line(caught.value)


def assert_one_line(error):
    """Assert that an error is told in one line of some length."""
    message = str(error)
    assert 10 < len(message) <= LONGEST_MESSAGE and len(message.splitlines()) == 1, message
