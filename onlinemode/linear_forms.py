"""Polynomials of several fields as sums of one polynomial activation of linear forms (docs/theory, section 5.7)."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations_with_replacement, product
from math import comb, factorial, gcd
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onlinemode import checks
from onlinemode.activations import HERMITE, MOST_DEGREE, POLYNOMIAL, Activation, activation_of
from onlinemode.errors import ParameterError

MOST_FIELDS = 100
MOST_FORMS = 256
LARGEST = 1e100  # of a coefficient
LARGEST_ENTRY = 1e6  # of a form
PRECISION = 1e-10  # of the coefficients, relative to the largest
DROPPED = 1e-13  # of a coefficient of a power, relative to the Hermite polynomials that cancel in it
MOST_WORK = 3e9  # rows times columns times the smaller of both, of one system of equations
STARTS, WORK_OF_STARTS = 20, 1e8  # of the search in one set of candidates, and their work
SCALES = (1.0, 0.5, 0.75, 1.25, 0.25)  # as many as there are odd or even powers up to MOST_DEGREE
MOST_VARIABLES = 4  # of a term whose sums with all signs are tried

Polynomial = dict[tuple[int, ...], float]
"""Coefficients of the monomials, by their exponents."""


def polynomial_of(terms: Any, hermite: bool = False) -> Polynomial:
    """The polynomial of a user's terms.

    Parameters
    ----------
    terms : dict, or sequence of pairs
        Exponents of all fields, and the coefficient.
    hermite : bool, default False
        Whether the exponents are degrees of Hermite polynomials.

    Returns
    -------
    dict
        Coefficients by exponents, without zeros.

    Raises
    ------
    ParameterError
        If the terms are none, do not have as many exponents each, or have too high a degree.
    """
    pairs = [_pair(each) for each in checks.entries(terms.items() if isinstance(terms, Mapping) else terms) or ()]
    lengths = {len(exponents) for exponents, _ in pairs}
    if len(lengths) != 1:
        raise ParameterError("terms must have exponents of the same number of fields in each term, as {(1, 0): 1.0, "
                             f"(1, 1): 0.5}} has; got {checks.one_line(terms)}")
    checks.integer("the number of fields in terms", lengths.pop(), 1, MOST_FIELDS)
    sums: dict[tuple[int, ...], float] = {}
    sizes: dict[tuple[int, ...], float] = {}
    for exponents, coefficient in pairs:
        checks.integer("the degree of a term", sum(exponents), 0, MOST_DEGREE)
        for powers, factor in (_hermite_product(exponents) if hermite else [(exponents, 1.0)]):
            sums[powers] = sums.get(powers, 0.0) + factor * coefficient
            sizes[powers] = sizes.get(powers, 0.0) + abs(factor * coefficient)
    polynomial = {powers: value for powers, value in sums.items() if abs(value) > DROPPED * sizes[powers]}
    if not any(map(sum, polynomial)):
        raise ParameterError(f"terms must depend on a field; got {checks.one_line(terms)}")
    return polynomial


def _pair(term):
    pair = checks.entries(term)
    exponents = None if pair is None or len(pair) != 2 or isinstance(pair[0], (str, dict)) else checks.entries(pair[0])
    if not exponents:
        raise ParameterError("each of terms must have the exponents of all fields and a coefficient, as {(1, 1): 1.0} "
                             f"has; got {checks.one_line(term)}")
    return (tuple(checks.integer("an exponent in terms", each, 0, MOST_DEGREE) for each in exponents),
            checks.number("a coefficient in terms", pair[1], -LARGEST, maximum=LARGEST))


def _hermite_product(degrees):
    """Exponents and coefficients of the product of He_n of the fields."""
    factors = [[(power, value) for power, value in enumerate(_hermite(n)) if value] for n in degrees]
    return [(tuple(power for power, _ in choice), float(np.prod([value for _, value in choice])))
            for choice in product(*factors)]


def _hermite(degree):
    return Activation(HERMITE, (degree,)).coefficients if degree else (1.0,)


def committee_of(polynomial: Polynomial, activation: str | Activation,
                 forms: ArrayLike | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Linear forms a_m and a readout v* with Σ_m v*_m g(a_m · ν) = p(ν).

    Parameters
    ----------
    polynomial : dict
        What :func:`polynomial_of` gave.
    activation : str or Activation
        g, a polynomial.
    forms : array (M, r), optional
        The forms, where they are known; by default few of them are searched for.

    Returns
    -------
    array (M, r)
        A form a row.
    array (M,)
        The readout.

    Raises
    ------
    ParameterError
        If g is no polynomial or lacks a power, the forms do not give p, or there would be too many of them.
    """
    g = _coefficients(polynomial, activation_of(activation))
    fields = len(next(iter(polynomial)))
    if forms is not None:
        found = checks.array("forms", forms, (None, fields), symbols="(M, fields)")
        checks.integer("the number of forms", len(found), 1, MOST_FORMS)
        checks.number("the largest entry of forms", np.abs(found).max(), 0.0, maximum=LARGEST_ENTRY)
    else:
        found = _search(tuple(sorted(polynomial.items())), g)
    readout, residual = _readout(found, polynomial, g)
    if not residual <= PRECISION:
        raise ParameterError(f"these forms do not give the polynomial: its coefficients are missed by {residual:.2g} "
                             f"of the largest; at most {PRECISION:g} is allowed: give other forms, or none")
    return found, readout


def _coefficients(polynomial, activation):
    """Those of g, which must have every power that the polynomial needs."""
    powers = {sum(exponents) for exponents in polynomial}
    top = max(powers)
    words = [Activation(HERMITE, (float(top),)), Activation(POLYNOMIAL, [float(k in powers) for k in range(top + 1)])]
    other = next(each for each in words if powers <= _powers(each.coefficients))
    if activation.coefficients is None:
        raise ParameterError(f"the teacher of a polynomial must have a polynomial activation; got {activation.name}: "
                             f"{other} would do")
    for missing in sorted(powers - _powers(activation.coefficients)):
        what = f"terms of degree {missing}" if missing else "a constant"
        lacks = f"no power z^{missing}" if missing else "no constant, g(0) = 0"
        raise ParameterError(f"the teacher's polynomial has {what}, and the activation {activation} has {lacks}, so no "
                             f"sum of its units can give it: {other} would do")
    return activation.coefficients


def _powers(coefficients):
    return {power for power, value in enumerate(coefficients) if value}


# -- the equations ------------------------------------------------------------------------------------


def _readout(forms, polynomial, g):
    """The readout with which these forms come closest, and by how much of the largest coefficient they miss it."""
    supports = {*_supports(polynomial), *(tuple(np.flatnonzero(form)) for form in forms)}
    rows = _monomials(forms.shape[1], supports, g, len(forms))
    system, weights = _system(forms, rows, g)
    wanted, largest = _right_side(rows, polynomial)
    wanted = wanted / weights
    sizes = _sizes(system)
    if not np.isfinite(sizes).all():
        return np.zeros(len(forms)), np.inf
    scaled = system / sizes
    readout = np.linalg.lstsq(scaled, wanted, rcond=1e-13)[0]
    readout += np.linalg.lstsq(scaled, wanted - scaled @ readout, rcond=1e-13)[0]
    readout /= sizes
    return largest * readout, float(np.abs(weights * (system @ readout - wanted)).max())


def _right_side(rows, polynomial):
    """Coefficients of these monomials by the largest of all, and the largest."""
    largest = max(map(abs, polynomial.values()))
    return np.array([polynomial.get(tuple(row), 0.0) / largest for row in rows.tolist()]), largest


def _sizes(system):
    sizes = np.linalg.norm(system, axis=0)
    return np.where(sizes == 0.0, 1.0, sizes)


def _system(forms, rows, g):
    """A column a form: the coefficients of g(a · ν) at these monomials, each by the root of its multinomial number.

    Also those roots: with them, the column of a power is as long as that power of the form.
    """
    factorials = np.array([factorial(n) for n in range(MOST_DEGREE + 1)], dtype=np.float64)
    degrees = rows.sum(1)
    weights = np.sqrt(factorials[degrees] / factorials[rows].prod(1))
    system = np.repeat((np.array(g)[degrees] * weights)[:, None], len(forms), 1)
    for field in np.flatnonzero(rows.any(0)):
        system *= (forms[:, field] ** np.arange(MOST_DEGREE + 1)[:, None])[rows[:, field]]
    return system, weights


def _monomials(fields, supports, g, columns):
    """Exponents of all monomials of a power of g in the fields of one of the supports."""
    supports = [each for each in supports if not any(set(each) < set(other) for other in supports)]
    powers = sorted(_powers(g))
    most = sum(comb(len(support) + power - 1, power) if power else 1 for support in supports for power in powers)
    if most * columns * min(most, columns) > MOST_WORK or most > MOST_WORK ** 0.5:
        raise ParameterError(f"too large a polynomial: {most} coefficients with {columns} candidate forms; take fewer "
                             "fields a term, a lower degree, or an activation with fewer powers")
    found = set()
    for support in supports:
        for power in powers:
            for choice in combinations_with_replacement(support, power):
                found.add(choice)
    rows = np.zeros((len(found), fields), dtype=np.int64)
    for row, choice in zip(rows, sorted(found)):
        np.add.at(row, list(choice), 1)
    return rows


def _supports(polynomial):
    """The sets of fields that occur together in a term."""
    return {tuple(np.flatnonzero(exponents)) for exponents in polynomial}


# -- the search for few forms -------------------------------------------------------------------------


@lru_cache(maxsize=32)
def _search(items, g):
    """The fewest forms that were found in several sets of candidates; of equally few, the first."""
    polynomial = dict(items)
    best, size, too_large = None, MOST_FORMS + 1, None
    for candidates in _candidate_sets(polynomial, g):
        try:
            rows = _monomials(candidates.shape[1], _supports(polynomial), g, len(candidates))
            system, weights = _system(candidates, rows, g)
            for kept in _sparse(system, _right_side(rows, polynomial)[0] / weights):
                if len(kept) < size and _readout(candidates[kept], polynomial, g)[1] <= PRECISION:
                    best, size = candidates[kept], len(kept)
        except ParameterError as error:
            too_large = error
    if best is None:
        raise too_large or ParameterError(
            f"no {MOST_FORMS} units or fewer were found that give this polynomial to {PRECISION:g}: take fewer terms, "
            "an activation with fewer powers or with coefficients of one size, or give the forms")
    best.flags.writeable = False
    return best


def _candidate_sets(polynomial, g):
    """Arrays of forms, each a row; the last one has a solution for certain."""
    powers = _powers(g) - {0}
    signs = (1.0, -1.0) if len({power % 2 for power in powers}) == 2 else (1.0,)
    same_parity = max(sum(power % 2 == parity for power in powers) for parity in (0, 1))
    differences = {_direction(form) for exponents in polynomial
                   for form in product(*[range(n, -n - 1, -2) if n else (0,) for n in exponents])}
    few = [exponents for exponents in polynomial if np.count_nonzero(exponents) <= MOST_VARIABLES]
    ternary = {_direction(form) for exponents in few
               for form in product(*[(0, 1, -1) if n else (0,) for n in exponents])}
    sums = {form for form in ternary if form and min(form) >= 0}
    groups = [sorted(group - {None}) for group in (sums, differences, ternary | differences)]
    principal = _principal(polynomial)
    if len(principal):
        yield _forms(principal, True, (1.0,), signs, g)
    lengths = [(True, (1.0,)), (False, (1.0,)), (False, (1.0, 0.5)), (False, (1.0, 2.0, 0.5)), (None, (1.0,))]
    for group in groups[:2] if groups[1] == groups[2] else groups:
        for normed, scales in lengths:
            if group:
                yield _forms(group, normed, scales, signs, g)
    yield _forms(groups[1], True, SCALES[:same_parity], signs, g)


def _principal(polynomial):
    """Directions of the linear part, and of the quadratic one, as few as can be; none of a higher degree."""
    if max(map(sum, polynomial)) > 2:
        return []
    fields = len(next(iter(polynomial)))
    linear, quadratic = np.zeros(fields), np.zeros((fields, fields))
    for exponents, value in polynomial.items():
        occurring = [field for field, n in enumerate(exponents) for _ in range(n)]
        if len(occurring) == 1:
            linear[occurring[0]] = value
        elif occurring:
            quadratic[occurring[0], occurring[1]] = quadratic[occurring[1], occurring[0]] = value
    quadratic += np.diag(quadratic.diagonal())
    largest = max(np.abs(linear).max(), np.abs(quadratic).max())
    eigenvalues, vectors = np.linalg.eigh(quadratic / largest)
    rows = [*vectors.T[np.abs(eigenvalues) > 1e-12], *([linear / largest] if linear.any() else [])]
    return [row * np.copysign(1.0, row[np.argmax(np.abs(row) > 0.5 * np.abs(row).max())]) for row in rows]


def _direction(form):
    """Whole numbers without a common factor, the first of them above 0; None of the zero form."""
    factor = gcd(*form)
    if factor == 0:
        return None
    factor *= 1 if next(filter(None, form)) > 0 else -1
    return tuple(n // factor for n in form)


def _forms(directions, normed, scales, signs, g):
    """Forms of these directions: of lengths that are the scales, or scales times them (False), or both (None)."""
    whole = np.array(directions, dtype=np.float64)
    unit = whole / np.linalg.norm(whole, axis=1)[:, None]
    lengths = {True: [unit], False: [whole], None: [unit, whole]}[normed]
    forms = [sign * scale * each for each in lengths for scale in scales for sign in signs]
    forms += [np.zeros((1, whole.shape[1]))] if g[0] else []
    rows = np.concatenate(forms) + 0.0  # no −0
    first = np.unique(rows.round(12), axis=0, return_index=True)[1]
    return rows[np.sort(first)]


def _sparse(system, wanted):
    """Sets of few columns that give the right side, by reweighted least squares from several starts."""
    system = system / _sizes(system)
    rows, columns = system.shape
    if rows > columns + 1:
        triangle = np.linalg.qr(np.column_stack([system, wanted]), mode="r")
        system, wanted = triangle[:, :-1], triangle[:, -1]
    least = np.linalg.lstsq(system, wanted, rcond=1e-12)[0]
    if np.abs(system @ least - wanted).max() > PRECISION * np.abs(wanted).max():
        return
    work = columns * min(rows, columns) ** 2
    for start in range(max(1, min(STARTS, int(WORK_OF_STARTS / work)))):
        # The starting weights are numbers that look random and break every symmetry
        weights = 1.0 + (0.5 if start else 1e-3) * np.modf((1 + np.arange(columns)) * (1 + start) * 0.5 * 5**0.5)[0]
        kept, old = np.arange(columns), np.zeros(columns)
        for _ in range(80):
            now = weights * np.linalg.lstsq(system[:, kept] * weights, wanted, rcond=1e-13)[0]
            settled = np.abs(now - old).max() < 1e-9 * np.abs(now).max()
            weights = np.abs(now) ** 0.75
            large = weights > 1e-7 * weights.max()
            kept, weights, old = kept[large], weights[large], now[large]
            if settled:
                break
        yield kept[np.abs(old) > 1e-6 * np.abs(old).max()]
