"""What the theory takes, before it begins: seconds of one drift, of an integration, and memory."""

from math import comb

from onlinemode.theory import averaging
from onlinemode.theory.masks import dropped

EVALUATIONS = 1500  # of a usual integration, beside those of Jacobians
JACOBIANS = 10  # each takes one evaluation an order parameter


def order_parameters(problem, K, M, P, L=1):
    """How many order parameters move, where G and S have L shares."""
    rates = problem.rates
    moving = L * (P * (P + 1) // 2 + P * M) * (rates.xi_in != 0.0 or problem.weight_decay != 0.0)
    heads = 1 if problem.tasks is None else problem.tasks.head_count or 1
    return moving + P * (rates.strengths != 0.0) + K * P * (rates.xi_out != 0.0) + heads * K * (rates.readout != 0.0)


def drift_seconds(problem, K, M, P, nodes, averages=None):
    """One evaluation of the mean-field drift, from counts of its operations at a nanosecond or some each."""
    n = K + M
    seconds = 0.75e-9 * P**2 * K**2 + 2e-9 * K * P * (P + n) + 2e-9 * K * n * (P + M)
    method = averaging.method_of(problem, averages)
    if method == averaging.ERF:
        seconds += 2.3e-9 * (K * n) ** 2
    elif method == averaging.ERF_SUMS:
        of_student, of_teacher = (len((averaging.sum_of(each) or ((),))[0]) for each in problem.activations)
        terms = K * of_student
        seconds += 0.7e-9 * (terms * (terms + M * of_teacher)) ** 2
        seconds += 0.0 if of_teacher else 3e-9 * terms**2 * M * (terms + M)
        seconds += 2e-6 * terms**2 * M if problem.activations[1].table is not None and not of_teacher else 0.0
    elif method == averaging.POLYNOMIALS:
        student, teacher = (len(each.coefficients) - 1 for each in problem.activations)
        seconds += 2e-10 * K**2 * n * student**2 * (max(student, teacher) + 1) * (n + student**2)
    elif method in (averaging.RELU, averaging.KINKED):
        seconds += 1e-8 * (K * n) ** 2 + 2.5e-6 * sum(comb(K, k) * comb(M, 4 - k) for k in (2, 3, 4))
    elif method == averaging.NODES:
        seconds += 1e-9 * nodes * ((M + P) * (M + P) + K * (2 * P + M + K) + 20 * n)
    seconds *= 2.0 ** sum(dropped(problem, K, P))  # the mean over all students that samples may have
    return seconds if problem.tasks is None else seconds * problem.tasks.count


def integration_seconds(problem, K, M, P, nodes, averages=None):
    """A usual integration, to a factor of some."""
    d = order_parameters(problem, K, M, P)
    return drift_seconds(problem, K, M, P, nodes, averages) * (EVALUATIONS + JACOBIANS * d)


def integration_bytes(problem, K, M, P, method, saved, L=1):
    """Memory of a solver and of the states at ``saved`` times, where G and S have L shares."""
    d = order_parameters(problem, K, M, P, L)
    matrices = {None: 1, "LSODA": 1, "compiled": 1, "BDF": 4, "Radau": 6}.get(method, 0)  # Jacobians, factors
    return 8 * (matrices * d**2 + 40 * d + saved * (2 * d + 2 * P * (P + M)))


def fluctuations_bytes(d, points, saved):
    """Memory of the linear noise of d order parameters: splines over the points, interpolants of a solver, results."""
    return 8 * d**2 * (12 * points + 8 * max(points, 100) + saved)
