"""How averages over the fields are taken: in closed form wherever there is one; docs/theory, sections 2.3 to 2.5.

Light: the options of engines ask it for tolerances.
"""

from onlinemode.errors import EngineError

ERF, LINEAR, RELU, NODES = "erf", "linear", "relu", "nodes"  # methods, each with its drift in kernels/averages/drift.py
ERF_SUMS, LINEAR_STUDENT = "sums of erfs", "linear student"
CLOSED = "closed"
CHOICES = (CLOSED, NODES)  # of a user

# g(z) = Σ_r c_r erf(b_r z/√2): c and b.  tanh so that the larger of its error and 0.3 times that of its slope is least.
SUMS = {
    "erf": ((1.0,), (1.0,)),
    "tanh": ((0.005445158246447, 0.0713227635197, 0.2369850757052, 0.3491992403388, 0.2548005168784, 0.07681304123059,
              0.00543416681781),
             (0.5196538400825, 0.692037408623, 0.9116479804662, 1.196314060068, 1.559963835865, 2.024059833551,
              2.645052223705)),
}
TANH_ERROR, TANH_SLOPE_ERROR = 3.8e-8, 1.3e-7
OTHERS = ("linear", "relu")  # whose averages with one or two fields are known, too


def is_known(activation):
    """Whether averages of one and of two units have a closed form."""
    return activation in SUMS or activation in OTHERS


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
    method = NODES if averages == NODES else _best_method(*(each.name for each in problem.activations))
    if method == NODES and averages == CLOSED:
        raise EngineError(f"no closed form is known for averages of {problem.activation_words}: leave averages out, "
                          "or give averages = 'nodes'")
    return method


def _best_method(student, teacher):
    if student == teacher and student in (ERF, LINEAR, RELU):
        return student
    if student in SUMS and is_known(teacher):
        return ERF_SUMS
    return LINEAR_STUDENT if student == LINEAR and is_known(teacher) else NODES


def is_closed(problem, averages=None):
    """Whether the equations of motion of a problem need no quadrature nodes."""
    return method_of(problem, averages) != NODES


def units_of(activation):
    """What a kernel needs to know of a unit with this activation."""
    import numpy as np

    from onlinemode.kernels.averages import units

    coefficients, factors = SUMS.get(activation, ((), ()))
    kind = {LINEAR: units.LINEAR, RELU: units.RELU}.get(activation, units.ERF_SUM)
    return units.Units(kind, np.array(coefficients, float), np.array(factors, float) ** -2.0)


def terms_of(student, teacher, K, M):
    """The erfs of which K units of the student are sums, and M units of the teacher where they are such sums."""
    import numpy as np

    from onlinemode.kernels.averages.erf_sums import Terms

    one, other = units_of(student), units_of(teacher)
    counts = [(one, K), (other, M)] if teacher in SUMS else [(one, K)]
    size = np.concatenate([np.full(count, each.width.size) for each, count in counts])
    return Terms(np.repeat(np.arange(len(size)), size),
                 np.concatenate([np.tile(each.coefficient, count) for each, count in counts]),
                 np.concatenate([np.tile(each.width, count) for each, count in counts]),
                 other, 0 if teacher in SUMS else M)
