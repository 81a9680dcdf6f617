"""How averages over the fields are taken: exactly wherever that is known; docs/theory, sections 2.3 to 2.5.

Light: the options of engines ask it for tolerances.
"""

from functools import lru_cache
from typing import NamedTuple

from onlinemode.activations import ERF, LEAKY, LINEAR, RELU, SIGMOID, SIGN, activation_of
from onlinemode.errors import EngineError
from onlinemode.losses import CORRELATION, REAL

# methods, each with its aid in kernels/averages/methods.py; some have the name of the one activation that they are for
ERF_SUMS, LINEAR_STUDENT, POLYNOMIALS, KINKED, NODES = ("sums of erfs", "linear student", "polynomials", "kinked units",
                                                        "nodes")
_OF_CORRELATION = (ERF, LINEAR, ERF_SUMS, LINEAR_STUDENT, POLYNOMIALS)  # that also average −y in place of f − y
CLOSED = "closed"
CHOICES = (CLOSED, NODES)  # of a user

# so that the larger of the error and 0.3 times that of the slope is least
_TANH = ((0.005445158246447, 0.0713227635197, 0.2369850757052, 0.3491992403388, 0.2548005168784, 0.07681304123059,
          0.00543416681781),
         (0.5196538400825, 0.692037408623, 0.9116479804662, 1.196314060068, 1.559963835865, 2.024059833551,
          2.645052223705))
TANH_ERROR, TANH_SLOPE_ERROR = 3.8e-8, 1.3e-7
MOST_ERROR = 1e-6  # of a sum of erfs that is fitted to a table, and a third of that of its slope


class Sum(NamedTuple):
    """A sum of erfs, g(z) = offset + Σ_r c_r erf(z/√(2τ_r))."""

    coefficients: tuple  # c
    widths: tuple  # τ, squared widths; 0 is that of the sign
    offset: float = 0.0
    error: float = 0.0  # the largest difference from the activation
    slope_error: float = 0.0


@lru_cache(maxsize=256)
def sum_of(activation):
    """The sum of erfs that an activation, or that of a word, is; None where it is none."""
    activation = activation_of(activation)
    numbers = activation.numbers
    if activation.kind == ERF:
        return Sum((1.0,), (numbers[0] ** -2.0 if numbers else 1.0,))
    if activation.kind == "erfs":
        return Sum(numbers[::2], tuple(gain**-2.0 for gain in numbers[1::2]))
    if activation.kind == SIGN:
        return Sum((1.0,), (0.0,))
    if activation.kind == "tanh":
        return Sum(_TANH[0], tuple(gain**-2.0 for gain in _TANH[1]), 0.0, TANH_ERROR, TANH_SLOPE_ERROR)
    if activation.kind == SIGMOID:  # 1/2 + tanh(z/2)/2
        return Sum(tuple(0.5 * each for each in _TANH[0]), tuple(4.0 * gain**-2.0 for gain in _TANH[1]), 0.5,
                   0.5 * TANH_ERROR, 0.25 * TANH_SLOPE_ERROR)
    return _fitted(activation) if activation.table is not None else None


def _fitted(activation):
    """Of a table that is odd and smooth, and constant far from 0."""
    table = activation.table
    if not (table.odd and table.smooth and all(abs(each) < 1e-12 for tail in table.pieces[-2:] for each in tail[1:])):
        return None
    from onlinemode.theory.erf_fit import fit_erfs

    found = fit_erfs(activation, activation.slope)
    if max(found.error, found.slope_error / 3.0) > MOST_ERROR:
        return None
    return Sum(tuple(found.coefficients), tuple(gain**-2.0 for gain in found.gains), 0.0, found.error,
               found.slope_error)


def sum_error(problem, method):
    """The largest difference of the sums of erfs from the activations; None where there are none, or they are exact."""
    sums = [sum_of(each) for each in problem.activations] if method in (ERF_SUMS, LINEAR_STUDENT) else []
    return max((each.error for each in sums if each is not None), default=0.0) or None


def is_kinked(activation):
    """Whether it is linear on each side of 0: linear, relu or leaky."""
    return activation.kind in (LINEAR, RELU, LEAKY)


def slope_below(activation):
    """The slope below 0 of a unit that is linear on each side of it, and z above."""
    return {LINEAR: 1.0, RELU: 0.0}.get(activation.kind, activation.numbers[0] if activation.numbers else 0.0)


def method_of(problem, averages=None):
    """How the averages of a problem are taken.

    Parameters
    ----------
    problem : Problem
    averages : {"closed", "nodes"}, optional
        What is asked for; by default closed forms, and nodes where there is none.

    Returns
    -------
    str
        One of the methods above.

    Raises
    ------
    EngineError
        If a closed form is asked for where there is none.
    """
    method = NODES if averages == NODES else _best_method(*problem.activations)
    if not (problem.plain or (problem.loss == CORRELATION and problem.labels == REAL and method in _OF_CORRELATION)):
        if averages == CLOSED and method != NODES:
            raise EngineError(f"no closed form is known for the loss {problem.loss} with {problem.labels} labels and "
                              f"{problem.activation_words}: leave averages out, or give averages = 'nodes'")
        method = NODES
    if method == NODES and averages == CLOSED:
        raise EngineError(f"no closed form is known for averages of {problem.activation_words}: leave averages out, "
                          "or give averages = 'nodes'")
    return method


def _best_method(student, teacher):
    if student == teacher and student.word in (ERF, LINEAR, RELU):
        return student.word
    if sum_of(student) is not None:
        return ERF_SUMS
    if student.linear:
        return LINEAR_STUDENT
    if is_kinked(student) and is_kinked(teacher):
        return KINKED
    return POLYNOMIALS if student.coefficients is not None and teacher.coefficients is not None else NODES


def is_closed(problem, averages=None):
    """Whether the equations of motion of a problem need no quadrature nodes."""
    return method_of(problem, averages) != NODES


def units_of(activation, count=1):
    """What a kernel needs to know of so many units with this activation; a table comes with room for one thread."""
    import numpy as np

    from onlinemode.kernels.averages import units

    activation, nothing = activation_of(activation), np.empty(0)
    terms = sum_of(activation)
    if terms is not None:
        return units.Units(units.ERF_SUM, np.array(terms.coefficients), np.array(terms.widths), terms.offset, 0.0)
    if activation.linear:
        return units.Units(units.LINEAR, nothing, nothing, 0.0, 0.0)
    if is_kinked(activation):
        return units.Units(units.RELU, nothing, nothing, 0.0, slope_below(activation))
    if activation.coefficients is not None:
        return units.Units(units.POLYNOMIAL, np.array(activation.coefficients), nothing, 0.0, 0.0)
    return units.Units(units.TABLE, nothing, nothing, 0.0, 0.0, *tables_of(count, activation))


def tables_of(count, *activations):
    """What kernels take of activations whatever they are but sums of erfs, with room for so many units."""
    from onlinemode.kernels.averages.tables import make_tables
    from onlinemode.kernels.rule.activations import activation_data
    from onlinemode.theory.panels import panels_of

    return make_tables(count, *((activation_data(each), *panels_of(each)) for each in activations))


def terms_of(student, teacher, K, M):
    """The erfs of which K units of the student are sums, and M units of the teacher where they are such sums."""
    import numpy as np

    from onlinemode.kernels.averages.erf_sums import Terms

    one, other = units_of(student), units_of(teacher, M)
    both = sum_of(teacher) is not None
    counts = [(one, K), (other, M)] if both else [(one, K)]
    size = np.concatenate([np.full(count, each.width.size) for each, count in counts])
    return Terms(np.repeat(np.arange(len(size)), size),
                 np.concatenate([np.tile(each.coefficient, count) for each, count in counts]),
                 np.concatenate([np.tile(each.width, count) for each, count in counts]),
                 other, 0 if both else M, one.offset)
