"""Right-hand side of the mean-field equations for the correlation loss and real labels, in closed form; docs/theory,
section 12.4.

The closed forms of the squared loss average e = Σ_i w_i g(h_i) and δ = e v∘g'(λ).  Here e is −y, so w is (0, −v*), and
v is still that of the student.
"""

import numpy as np

from onlinemode.kernels.averages.drift import assemble, unpacked
from onlinemode.kernels.averages.erf import erf_averages
from onlinemode.kernels.averages.erf_sums import erf_sum_averages
from onlinemode.kernels.averages.fields import field_covariances
from onlinemode.kernels.averages.linear import linear_averages, linear_student_averages
from onlinemode.kernels.averages.polynomials import polynomial_averages
from onlinemode.kernels.averages.records import Averages, make_averages
from onlinemode.kernels.jit import compiled


@compiled(inner=True)
def _of_labels(w, averages):
    """Weights of −y in place of those of f − y, and averages that leave ε_g, which is that of f − y, as it is."""
    weights = w.copy()
    weights[:averages.activity.size] = 0.0
    return weights, Averages(averages.field, averages.delta, averages.activity, np.empty(1))


@compiled
def erf_drift(y, system):
    """d/dα of the entries that move, for erf."""
    overlaps, factors = unpacked(system, y)
    Z, cross, w = field_covariances(overlaps, factors)
    averages, v, noise = make_averages(*system.sizes), factors.readout, system.rule.noise
    erf_averages(Z, cross, w, v.size, noise, averages, v)
    w, others = _of_labels(w, averages)
    erf_averages(Z, cross, w, v.size, noise, others, v)
    return assemble(system, overlaps, factors, averages)


@compiled
def linear_drift(y, system):
    """The same for the linear activation."""
    overlaps, factors = unpacked(system, y)
    Z, cross, w = field_covariances(overlaps, factors)
    averages, v, noise = make_averages(*system.sizes), factors.readout, system.rule.noise
    linear_averages(Z, cross, w, v.size, noise, averages, v)
    w, others = _of_labels(w, averages)
    linear_averages(Z, cross, w, v.size, noise, others, v)
    return assemble(system, overlaps, factors, averages)


@compiled
def erf_sum_drift(y, system):
    """The same for students that are sums of erfs; the aid is the terms of all units."""
    overlaps, factors = unpacked(system, y)
    Z, cross, w = field_covariances(overlaps, factors)
    averages, v, noise = make_averages(*system.sizes), factors.readout, system.rule.noise
    erf_sum_averages(Z, cross, w, v.size, noise, system.aid, averages, v)
    w, others = _of_labels(w, averages)
    erf_sum_averages(Z, cross, w, v.size, noise, system.aid, others, v)
    return assemble(system, overlaps, factors, averages)


@compiled
def linear_student_drift(y, system):
    """The same for a linear student of other units, which are the aid."""
    overlaps, factors = unpacked(system, y)
    Z, cross, w = field_covariances(overlaps, factors)
    averages, v, noise = make_averages(*system.sizes), factors.readout, system.rule.noise
    linear_student_averages(Z, cross, w, v.size, noise, system.aid, averages, v)
    w, others = _of_labels(w, averages)
    linear_student_averages(Z, cross, w, v.size, noise, system.aid, others, v)
    return assemble(system, overlaps, factors, averages)


@compiled
def polynomial_drift(y, system):
    """The same for polynomials, which are the aid."""
    overlaps, factors = unpacked(system, y)
    Z, cross, w = field_covariances(overlaps, factors)
    averages, v, noise = make_averages(*system.sizes), factors.readout, system.rule.noise
    polynomial_averages(Z, cross, w, v.size, noise, system.aid, averages, v)
    w, others = _of_labels(w, averages)
    polynomial_averages(Z, cross, w, v.size, noise, system.aid, others, v)
    return assemble(system, overlaps, factors, averages)


# By the method of onlinemode.theory.averaging
DRIFTS = {"erf": erf_drift, "linear": linear_drift, "sums of erfs": erf_sum_drift,
          "linear student": linear_student_drift, "polynomials": polynomial_drift}
