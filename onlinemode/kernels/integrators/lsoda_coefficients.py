"""Coefficients of the two families of methods of LSODA, by method and order.

After A. C. Hindmarsh's ODEPACK (subroutine cfode).
"""

import numpy as np

ADAMS, BACKWARD = 0, 1
MOST_ORDER = np.array([12, 5])
# How long steps of Adams' methods may be, by order: times the rate at which corrections converge
STABLE = np.array([0.0, 0.5, 0.575, 0.55, 0.45, 0.35, 0.25, 0.2, 0.15, 0.1, 0.075, 0.05, 0.025])


def _of_adams(coefficients, tests):
    coefficients[1, :2] = 1.0
    tests[1, :2] = 0.0, 2.0
    tests[2, 0] = 1.0
    powers, factor = np.zeros(14), 1.0  # of the polynomial Π (x + i) of i up to the order
    powers[0] = 1.0
    for order in range(2, 13):
        before, factor = factor, factor / order
        for i in range(order - 1, 0, -1):
            powers[i] = powers[i - 1] + (order - 1) * powers[i]
        powers[0] *= order - 1
        i = np.arange(order)
        signs = (-1.0) ** i
        integral, moment = (signs * powers[:order] / (i + 1)).sum(), (signs * powers[:order] / (i + 2)).sum()
        coefficients[order, 0] = integral * before
        coefficients[order, 1] = 1.0
        coefficients[order, 2:order + 1] = before * powers[1:order] / (i[1:] + 1)
        test = 1.0 / (factor * moment)
        tests[order, 1] = test
        if order < 12:
            tests[order + 1, 0] = test * factor / (order + 1)
        tests[order - 1, 2] = test


def _of_backward_differences(coefficients, tests):
    powers, factor = np.zeros(14), 1.0
    powers[0] = 1.0
    for order in range(1, 6):
        for i in range(order, 0, -1):
            powers[i] = powers[i - 1] + order * powers[i]
        powers[0] *= order
        coefficients[order, :order + 1] = powers[:order + 1] / powers[1]
        coefficients[order, 1] = 1.0
        tests[order] = factor, (order + 1) / coefficients[order, 0], (order + 2) / coefficients[order, 0]
        factor /= order


COEFFICIENTS = np.zeros((2, 13, 14))  # of the correction, in row j of the history
TESTS = np.zeros((2, 13, 3))  # of errors at one order less, at this one, and at one more
_of_adams(COEFFICIENTS[ADAMS], TESTS[ADAMS])
_of_backward_differences(COEFFICIENTS[BACKWARD], TESTS[BACKWARD])
ERROR_CONSTANTS = np.ones((2, 13))  # of the methods
for _method in (ADAMS, BACKWARD):
    for _order in range(1, MOST_ORDER[_method] + 1):
        ERROR_CONSTANTS[_method, _order] = TESTS[_method, _order, 1] * COEFFICIENTS[_method, _order, _order]
