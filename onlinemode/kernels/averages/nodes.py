"""Averages over fixed normal nodes, through the learning rule itself: for any activations; docs/theory, section 2.5."""


from onlinemode.kernels.averages.fields import fields_at_node, student_factors
from onlinemode.kernels.jit import compiled
from onlinemode.kernels.rule.losses import mean_slopes, mean_value
from onlinemode.kernels.rule.step import Factors, error_without_noise, make_small, output_and_clean_label


@compiled
def node_averages(rule, overlaps, factors, nodes, out):
    """All averages of the learning rule over ``nodes`` (count, r_B + P)."""
    K, P = factors.xi_out.shape
    M = overlaps.S.shape[1]
    along, across = student_factors(overlaps.G, overlaps.S, overlaps.teacher.inverse)
    small = make_small((K, M, P), factors)
    work = small.work
    out.field[:] = 0.0
    out.delta[:] = 0.0
    out.activity[:] = 0.0
    squared_error = 0.0
    count = nodes.shape[0]
    for i in range(count):
        fields_at_node(nodes[i], overlaps.teacher.factor, along, across, work)
        output, label = output_and_clean_label(rule, small)
        error = output - label
        squared_error += error * error
        slope, squared_slope = mean_slopes(rule.loss, rule.labels, rule.noise, output, label)  # of l' and l'²
        for k in range(K):
            delta = slope * work.gain[k]
            for p in range(P):
                out.field[k, p] += delta * work.u[p]
            for m in range(M):
                out.field[k, P + m] += delta * work.nu[m]
            for l in range(k + 1):
                out.delta[k, l] += work.gain[k] * work.gain[l] * squared_slope
            out.activity[k] += slope * work.activity[k]
    for k in range(K):
        for l in range(k):
            out.delta[l, k] = out.delta[k, l]
    for k in range(K):
        for x in range(P + M):
            out.field[k, x] /= count
        for l in range(K):
            out.delta[k, l] /= count
        out.activity[k] /= count
    out.error[0] = 0.5 * squared_error / count


@compiled
def fill_mode_fields(G, S, teacher, nodes, out):
    """Fill out (count, P) with the fields of the modes at the nodes."""
    along, across = student_factors(G, S, teacher.inverse)
    r_B = teacher.factor.shape[1]
    for i in range(nodes.shape[0]):
        for p in range(along.shape[0]):
            total = 0.0
            for r in range(r_B):
                total += along[p, r] * nodes[i, r]
            for r in range(p + 1):
                total += across[p, r] * nodes[i, r_B + r]
            out[i, p] = total


@compiled
def mean_loss_of_outputs(rule, outputs, labels):
    """The mean of the loss over nodes, and over the noise and the flips of the labels."""
    total = 0.0
    for i in range(outputs.size):
        total += mean_value(rule.loss, rule.labels, rule.noise, outputs[i], labels[i])
    return total / outputs.size


@compiled
def factor_errors(rule, modes, factors, teacher_factor, nodes, out):
    """Fill out[i] with ½ E[e²] over nodes, straight from the factors of the i-th of a row of states.

    ``modes`` is (states, frame vectors, P), the first r_B of them along the teacher; of ``factors`` the first three
    have the axis of the states, too.  The error of a node is a difference of activations, so that ε_g keeps its
    relative accuracy down to about 1e-32.
    """
    K, P = factors.xi_out.shape[1:]
    M, r_B = teacher_factor.shape
    for state in range(out.size):
        these = Factors(factors.strengths[state], factors.xi_out[state], factors.readout[state],
                        factors.teacher_readout)
        small = make_small((K, M, P), these)
        work = small.work
        total = 0.0
        for i in range(nodes.shape[0]):
            for m in range(M):
                work.nu[m] = 0.0
                for r in range(r_B):
                    work.nu[m] += teacher_factor[m, r] * nodes[i, r]
            for p in range(P):
                work.u[p] = 0.0
                for r in range(modes.shape[1]):
                    work.u[p] += modes[state, r, p] * nodes[i, r]
            error = error_without_noise(rule, small)
            total += error * error
        out[state] = 0.5 * total / nodes.shape[0]
