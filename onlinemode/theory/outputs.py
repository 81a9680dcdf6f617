"""What student and teacher say at quadrature nodes, for averages of anything that is a function of both."""

import numpy as np

from onlinemode.theory.meanfield import teacher_of
from onlinemode.theory.quadrature import normal_nodes


def mean_over_nodes(function, nodes, activations, G, S, T, factors):
    """The mean of ``function(f, y)``, which is given all nodes at once, at each of a row of states.

    Parameters
    ----------
    function : callable
        Of the outputs f and the clean labels y, (nodes,) each; returns their mean.
    nodes : int
        How many, a power of 2.
    activations : tuple of Activation
        Those of student and teacher.
    G, S, T : array (..., P, P), (..., P, M), (M, M) or (..., M, M)
        Overlaps.
    factors : tuple of arrays (..., P), (..., K, P), (..., K), (M,)
        Strengths, output modes and readout of the student, readout of the teacher.

    Returns
    -------
    array (...)
    """
    from onlinemode.kernels.averages.nodes import fill_mode_fields
    from onlinemode.kernels.rule.activations import values_and_slopes

    if T.ndim > 2:  # each state has a teacher of its own
        means = np.empty(T.shape[:-2])
        for place in np.ndindex(means.shape):
            *of_student, teacher_readout = factors
            one = (*(each[place] for each in of_student), teacher_readout)
            known = np.isfinite(T[place]).all()
            means[place] = mean_over_nodes(function, nodes, activations, G[place], S[place], T[place],
                                           one) if known else np.nan
        return means
    strengths, xi_out, readout, teacher_readout = factors
    lead, P, teacher = readout.shape[:-1], G.shape[-1], teacher_of(T)
    r_B = teacher.factor.shape[1]
    points = normal_nodes(r_B + P, nodes)
    student, of_teacher = activations

    def outputs(activation, fields, rows, second_layer):  # no BLAS, whose bits depend on its threads
        values, _ = values_and_slopes(activation, np.einsum("nr,kr->nk", fields, rows))
        return np.einsum("nk,k->n", values, second_layer)

    labels = outputs(of_teacher, points[:, :r_B], teacher.factor, np.asarray(teacher_readout))
    fields, means = np.empty((nodes, P)), np.empty(lead)
    for place in np.ndindex(lead):
        fill_mode_fields(np.ascontiguousarray(G[place]), np.ascontiguousarray(S[place]), teacher, points, fields)
        f = outputs(student, fields, xi_out[place] * strengths[place], readout[place])
        means[place] = function(f, labels)
    return means
