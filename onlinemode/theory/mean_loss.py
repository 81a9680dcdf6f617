"""The mean of a problem's loss at given order parameters; docs/theory, section 12.6."""

import numpy as np

from onlinemode.activations import SIGN, activation_of
from onlinemode.losses import CORRELATION, REAL, SQUARED
from onlinemode.theory.classification import is_finite, keeps_sign
from onlinemode.theory.meanfield import generalization_error
from onlinemode.theory.moments import moments_of_units
from onlinemode.theory.outputs import mean_over_nodes
from onlinemode.theory.quadrature import DEFAULT_NODES


def mean_loss(problem, G, S, T, strengths, xi_out, readout, teacher_readout, nodes=DEFAULT_NODES):
    """E[l(f, y)] over inputs, noise and flips.

    Parameters
    ----------
    problem : Problem
        Its loss, labels, noise, flips and activations.
    G : array (..., P, P)
        Overlaps of the input modes.
    S : array (..., P, M)
        Overlaps of input modes and teacher units.
    T : array (M, M) or (..., M, M)
        Overlaps of the teacher's units.
    strengths, xi_out, readout : array (..., P), (..., K, P), (..., K)
        The other factors of the student.
    teacher_readout : array (M,)
        Second layer of the teacher.
    nodes : int, default 2^14
        Quadrature nodes, a power of 2, where no closed form is known.

    Returns
    -------
    array (...)
        NaN where a state is not finite.
    """
    factors = strengths, xi_out, readout, teacher_readout
    finite = is_finite(G, S, *factors[:3])
    with np.errstate(all="ignore"):  # of states beyond all bounds
        if problem.plain:
            student, teacher = problem.activations
            loss = generalization_error(student, G, S, T, *factors, teacher) + 0.5 * problem.noise**2
        elif problem.loss in (SQUARED, CORRELATION) and (label := _known_label(problem, T)) is not None:
            loss = _by_moments(problem, label, G, S, T, factors)
        else:
            from onlinemode.kernels.averages.nodes import mean_loss_of_outputs

            rule = problem.rule(1)
            loss = mean_over_nodes(lambda f, y: mean_loss_of_outputs(rule, f, y), nodes, problem.activations, G, S, T,
                                   factors)
    return np.where(finite, loss, np.nan)


def _known_label(problem, T):
    """The activation of a teacher whose output, times 1 - 2q, is the mean label; None where no average is known."""
    teacher = problem.activations[1]
    if problem.labels != REAL:
        if T.shape[-1] > 1 or problem.noise > 0.0 or not keeps_sign(teacher):
            return None
        teacher = activation_of(SIGN)
    return teacher


def _by_moments(problem, label, G, S, T, factors):
    """-E[y f], and of the squared loss with sign labels, E[f^2]/2 + 1/2 more."""
    readout, teacher_readout = factors[2:]
    of_label = teacher_readout if problem.labels == REAL else np.sign(teacher_readout)
    moments, K = moments_of_units(problem.activations[0], label, G, S, T, *factors[:2]), readout.shape[-1]
    product = np.einsum("...k,...km,m->...", readout, moments[..., :K, K:], of_label)
    loss = -(1.0 - 2.0 * problem.flips) * product
    if problem.loss == SQUARED:
        loss = loss + 0.5 * np.einsum("...k,...kl,...l->...", readout, moments[..., :K, :K], readout) + 0.5
    return loss
