"""The exact law of the overlaps of Gaussian vectors, drawn without a vector: docs/theory, sections 5.5 and 18.10."""

import math
from typing import NamedTuple

import numpy as np


class Rows(NamedTuple):
    """What kind of vectors they are: student rows X, teacher rows B = teacher_map Y."""

    student: int  # number of rows of X
    student_size: float
    teacher: int  # of Y
    teacher_size: float
    teacher_map: np.ndarray  # (M, rows of Y)
    orthogonal: bool  # rows of Y are orthogonal, of squared length N


def bartlett(generator, rows, dof):
    """Lower trapezoidal L, min(rows, dof) columns, with L Lᵀ ~ Wishart(I, dof): χ on the diagonal, normals below."""
    columns = min(rows, dof)
    factor = np.tril(generator.standard_normal((rows, columns)), -1)
    factor[np.diag_indices(columns)] = np.sqrt(generator.chisquare(dof - np.arange(columns)))
    return factor


def isotropic(of_teacher, of_student, N, rows):
    """G, S and T where Ω = I.

    Parameters
    ----------
    of_teacher, of_student : numpy.random.Generator
        Draw Y, and X given Y.
    N : int
        At least the number of rows.
    rows : Rows

    Returns
    -------
    G : array (P, P)
    S : array (P, M)
    T : array (M, M)
    """
    if rows.orthogonal:
        factor = math.sqrt(N) * np.eye(rows.teacher)
    else:
        factor = rows.teacher_size * bartlett(of_teacher, rows.teacher, N)
    along = rows.student_size * of_student.standard_normal((rows.student, rows.teacher))
    across = rows.student_size * bartlett(of_student, rows.student, N - rows.teacher)
    B = rows.teacher_map @ factor
    return (along @ along.T + across @ across.T) / N, along @ B.T / N, B @ B.T / N


def resolved(of_teacher, of_student, spaces, rows):
    """Shares of G, S and T of the eigenvalues of a covariance that are not 0.

    Parameters
    ----------
    of_teacher, of_student : numpy.random.Generator
        Draw Y, and X given Y.
    spaces : onlinemode.inputs.base.Eigenspaces
    rows : Rows

    Returns
    -------
    G : array (L, P, P)
    S : array (L, P, M)
    T : array (L, M, M)
    """
    eigenvalues, multiplicities = spaces
    N = int(multiplicities.sum())
    factors = [bartlett(of_teacher, rows.teacher, int(count)) for count in multiplicities]  # Y Π_l, in frames
    if rows.orthogonal:  # Y is made so, over all eigenspaces together
        whole = np.linalg.cholesky(sum(factor @ factor.T for factor in factors))
        factors = [math.sqrt(N) * np.linalg.solve(whole, factor) for factor in factors]
    else:
        factors = [rows.teacher_size * factor for factor in factors]
    shares = []
    for eigenvalue, count, factor in zip(eigenvalues, multiplicities, factors):
        along = rows.student_size * of_student.standard_normal((rows.student, factor.shape[1]))
        across = rows.student_size * bartlett(of_student, rows.student, int(count) - factor.shape[1])
        if eigenvalue > 0.0:
            B = rows.teacher_map @ factor
            scale = eigenvalue / N
            shares.append((scale * (along @ along.T + across @ across.T), scale * (along @ B.T), scale * (B @ B.T)))
    return tuple(np.stack(part) for part in zip(*shares))
