"""Small systems of linear equations, as LSODA solves them."""

from onlinemode.kernels.jit import compiled


@compiled(inner=True)
def norm_of_matrix(matrix, work, row):
    """Largest weighted sum of a row: the norm that goes with the largest weighted entry of a vector.

    The weights are a row of the work.
    """
    largest = 0.0
    for i in range(matrix.shape[0]):
        total = 0.0
        for j in range(matrix.shape[0]):
            total += abs(matrix[i, j]) / work[row, j]
        largest = max(largest, total * work[row, i])
    return largest


@compiled(inner=True)
def factorized(matrix, pivots):
    """Factorize in place, with row pivots; whether the matrix is regular and finite."""
    d = matrix.shape[0]
    for k in range(d):
        best = k
        for i in range(k + 1, d):
            if abs(matrix[i, k]) > abs(matrix[best, k]):
                best = i
        pivots[k] = best
        if not abs(matrix[best, k]) > 0.0:
            return False
        if best != k:
            for j in range(d):
                matrix[k, j], matrix[best, j] = matrix[best, j], matrix[k, j]
        inverse = 1.0 / matrix[k, k]
        for i in range(k + 1, d):
            factor = matrix[i, k] * inverse
            matrix[i, k] = factor
            for j in range(k + 1, d):
                matrix[i, j] -= factor * matrix[k, j]
    return True


@compiled(inner=True)
def solved_in_place(matrix, pivots, work, row):
    """The solution of a factorized system, in the place of its right-hand side, a row of the work."""
    d = work.shape[1]
    for k in range(d):
        other = pivots[k]
        if other != k:
            work[row, k], work[row, other] = work[row, other], work[row, k]
    for i in range(d):
        total = work[row, i]
        for j in range(i):
            total -= matrix[i, j] * work[row, j]
        work[row, i] = total
    for i in range(d - 1, -1, -1):
        total = work[row, i]
        for j in range(i + 1, d):
            total -= matrix[i, j] * work[row, j]
        work[row, i] = total / matrix[i, i]
