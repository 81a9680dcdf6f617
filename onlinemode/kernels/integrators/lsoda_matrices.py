"""Small systems of linear equations, as LSODA solves them."""

from onlinemode.kernels.jit import compiled


@compiled(inner=True, _nrt=False)
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


@compiled(inner=True, _nrt=False)
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


@compiled(inner=True, _nrt=False, fastmath={"reassoc", "contract", "nsz"})
def _product(matrix, i, first, last, work, row):
    """Of a part of a row of the matrix with that of the work."""
    total = 0.0
    for j in range(first, last):
        total += matrix[i, j] * work[row, j]
    return total


@compiled(inner=True, _nrt=False)
def solved_in_place(matrix, pivots, work, row):
    """The solution of a factorized system, in the place of its right-hand side, a row of the work."""
    d = matrix.shape[0]
    for k in range(d):
        other = pivots[k]
        if other != k:
            work[row, k], work[row, other] = work[row, other], work[row, k]
    for i in range(d):
        work[row, i] -= _product(matrix, i, 0, i, work, row)
    for i in range(d - 1, -1, -1):
        work[row, i] = (work[row, i] - _product(matrix, i, i + 1, d, work, row)) / matrix[i, i]
