"""The numbers of a problem at any time, as polynomials between the breaks of its schedules: docs/theory, section 14.

So a compiled integrator of the equations of motion needs no call of Python.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.jit import compiled

DEGREE = 15
TOLERANCE = 5e-13  # of the largest value of a number between two breaks
NARROWEST = 2.0**-44  # of a piece, relative to its α
MOST_PIECES = 50_000
_NODES = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))[::-1]  # Chebyshev's, in [-1, 1]
_TO_COEFFICIENTS = np.linalg.inv(np.polynomial.chebyshev.chebvander(_NODES, DEGREE))
_BETWEEN = np.concatenate([[-1.0 + 2.0**-30], 0.5 * (_NODES[1:] + _NODES[:-1]), [1.0 - 2.0**-30]])
_AT_BETWEEN = np.polynomial.chebyshev.chebvander(_BETWEEN, DEGREE)


class NumberTable(NamedTuple):
    """The numbers of a problem in pieces of time."""

    ends: np.ndarray  # (pieces + 1,)   piece i holds from ends[i] on, up to ends[i + 1]
    coefficients: np.ndarray  # (pieces, those that change, 16)   of Chebyshev's polynomials along a piece
    changing: np.ndarray  # (those that change,)   their places among the numbers
    row: np.ndarray  # (numbers,)   receives them


def tabulated(numbers_at, breaks, begin, until):
    """The table of all numbers of a problem between two times.

    Parameters
    ----------
    numbers_at : callable
        Takes times (n,) and gives the numbers there, (n, numbers).
    breaks : sequence of float
        Times between which all numbers are smooth, ascending.
    begin, until : float
        Which times.

    Returns
    -------
    NumberTable or None
        Right to about 1e-12 of the largest value of each number between two breaks; None where that takes too many
        pieces.
    """
    cuts = [begin, *(each for each in breaks if begin < each < until), until]
    ends, rows = [begin], []
    for first, last in zip(cuts, cuts[1:]):
        if not _divide(numbers_at, first, last, None, ends, rows):
            return None
    rows = np.array(rows)
    changing = np.flatnonzero((rows[:, 1:] != 0.0).any((0, 1)) | (rows[:, 0] != rows[0, 0]).any(0))
    coefficients = np.ascontiguousarray(np.moveaxis(rows[:, :, changing], 2, 1))
    return NumberTable(np.array(ends), coefficients, changing, rows[0, 0].copy())


def _divide(numbers_at, begin, end, scale, ends, rows):
    """Append pieces of [begin, end); whether that took no more than there may be."""
    middle, half = 0.5 * (begin + end), 0.5 * (end - begin)
    points = middle + half * np.concatenate([_NODES, _BETWEEN])
    values = numbers_at(np.clip(points, begin, np.nextafter(end, begin)))
    if scale is None:
        scale = np.abs(values).max(0)
    at_nodes, between = values[:DEGREE + 1], values[DEGREE + 1:]
    constant = np.ptp(values, 0) == 0.0
    row = np.where(constant, 0.0, _TO_COEFFICIENTS @ at_nodes)
    row[0, constant] = values[0, constant]
    # the rounding of α counts, too, where a number is steep
    allowed = TOLERANCE * scale + 8.0 * np.finfo(float).eps * end * np.ptp(values, 0) / (end - begin)
    wrong = np.abs(_AT_BETWEEN @ row - between).max(0)
    if np.any(wrong > allowed) and end - begin > NARROWEST * end:
        return (_divide(numbers_at, begin, middle, scale, ends, rows)
                and _divide(numbers_at, middle, end, scale, ends, rows))
    ends.append(end)
    rows.append(row)
    return len(rows) <= MOST_PIECES


@compiled(inner=True)
def fill_numbers(table, alpha):
    """Fill ``table.row`` with the numbers at a time; at the end of the table those before it."""
    ends = table.ends
    low, high = 0, ends.size - 1  # the piece is in [low, high)
    while high - low > 1:
        middle = (low + high) // 2
        if ends[middle] <= alpha:
            low = middle
        else:
            high = middle
    x = (2.0 * alpha - ends[low] - ends[low + 1]) / (ends[low + 1] - ends[low])
    for i in range(table.changing.size):
        later, latest = 0.0, 0.0
        for n in range(DEGREE, 0, -1):
            later, latest = table.coefficients[low, i, n] + 2.0 * x * later - latest, later
        table.row[table.changing[i]] = max(table.coefficients[low, i, 0] + x * later - latest, 0.0)
