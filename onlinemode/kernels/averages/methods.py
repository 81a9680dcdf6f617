"""The averages of the learning rule, by the method that the aid of a problem is for; docs/theory, sections 2.3 to 2.5.

An aid is what averages need beside the overlaps, a NamedTuple, and its class says how they are taken.  The choice costs
nothing at run time: kernels are compiled for types.
"""

import numpy as np

from onlinemode.kernels.averages.erf import erf_averages
from onlinemode.kernels.averages.erf_sums import Terms, erf_sum_averages
from onlinemode.kernels.averages.fields import field_covariances
from onlinemode.kernels.averages.leaky import Slopes, leaky_averages
from onlinemode.kernels.averages.linear import linear_averages, linear_student_averages
from onlinemode.kernels.averages.nodes import node_averages
from onlinemode.kernels.averages.polynomials import Polynomials, polynomial_averages
from onlinemode.kernels.averages.records import Averages, Erf, Labels, Linear, Nodes, Relu
from onlinemode.kernels.averages.relu import relu_averages
from onlinemode.kernels.averages.units import Units
from onlinemode.kernels.jit import by_type, compiled


@compiled(inner=True, inline="always")
def _erf(aid, Z, cross, w, v, noise, out):
    erf_averages(Z, cross, w, v.size, noise, out, v)


@compiled(inner=True, inline="always")
def _linear(aid, Z, cross, w, v, noise, out):
    linear_averages(Z, cross, w, v.size, noise, out, v)


@compiled(inner=True, inline="always")
def _relu(aid, Z, cross, w, v, noise, out):
    relu_averages(Z, cross, w, v.size, noise, out)


@compiled(inner=True, inline="always")
def _erf_sums(aid, Z, cross, w, v, noise, out):
    erf_sum_averages(Z, cross, w, v.size, noise, aid, out, v)


@compiled(inner=True, inline="always")
def _linear_student(aid, Z, cross, w, v, noise, out):
    linear_student_averages(Z, cross, w, v.size, noise, aid, out, v)


@compiled(inner=True, inline="always")
def _kinked(aid, Z, cross, w, v, noise, out):
    leaky_averages(Z, cross, w, v.size, noise, aid, out)


@compiled(inner=True, inline="always")
def _polynomials(aid, Z, cross, w, v, noise, out):
    polynomial_averages(Z, cross, w, v.size, noise, aid, out, v)


_OF_SQUARED_LOSS = {Erf: _erf, Linear: _linear, Relu: _relu, Terms: _erf_sums, Units: _linear_student,
                    Slopes: _kinked, Polynomials: _polynomials}
_of_squared_loss = by_type(_OF_SQUARED_LOSS)


@compiled(inner=True)
def _of_correlation(aid, Z, cross, w, v, noise, out):
    """Of e = −y; ε_g stays that of f − y.

    The closed forms of the squared loss average e = Σ_i w_i g(h_i) and δ = e v∘g'(λ).  Here e is −y, so w is (0, −v*),
    and v is still that of the student; docs/theory, section 12.4.
    """
    _of_squared_loss(aid.aid, Z, cross, w, v, noise, out)
    of_labels = w.copy()
    of_labels[:v.size] = 0.0
    _of_squared_loss(aid.aid, Z, cross, of_labels, v, noise,
                     Averages(out.field, out.delta, out.activity, np.empty(1)))


_CLOSED = _OF_SQUARED_LOSS | {Labels: _of_correlation}
closed_averages = by_type(_CLOSED)
"""``closed_averages(aid, Z, cross, w, v, noise, out)``, with ``v`` the second layer of the student in δ."""


@compiled(inner=True, inline="always")
def _closed(aid, rule, overlaps, factors, out):
    Z, cross, w = field_covariances(overlaps, factors)
    closed_averages(aid, Z, cross, w, factors.readout, rule.noise, out)


@compiled(inner=True, inline="always")
def _over_nodes(aid, rule, overlaps, factors, out):
    node_averages(rule, overlaps, factors, aid.normals, out)


def by_method(closed, over_nodes):
    """A function that is chosen by the type of its first argument, an aid: closed forms or nodes.

    Parameters
    ----------
    closed, over_nodes : callable
        Compiled functions of the same arguments, an aid first.
    """
    return by_type(dict.fromkeys(_CLOSED, closed) | {Nodes: over_nodes})


averages_at = by_method(_closed, _over_nodes)
"""``averages_at(aid, rule, overlaps, factors, out)`` fills an Averages."""
