"""Adam with decoupled weight decay, in place on flat arrays, and the schedule of the learning rate.

Kingma and Ba (2015), with the decay of Loshchilov and Hutter (2019):

    m ← β₁m + (1−β₁)g    v ← β₂v + (1−β₂)g²    m̂ = m/(1−β₁ᵗ)    v̂ = v/(1−β₂ᵗ)
    θ ← θ − rate·(m̂/(√v̂ + ε) + decay·θ + penalty)

The code keeps m/(1−β₁) and v/(1−β₂) instead, which saves two multiplications an entry; the factors go
into the two numbers by which a step is scaled.
"""

import math

import numpy as np

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
BLOCK = 131_072  # entries of one call: many calls cost more than a larger cache does


def scheduled_rate(rate, halve_every, epoch):
    """rate·0.5^⌊epoch/halve_every⌋."""
    return rate * 0.5 ** (epoch // halve_every)


class Adam:
    """The moments of one flat array of parameters.

    Parameters
    ----------
    xp : module
    parameters, gradient : arrays (n,)
        Changed in place by every step; the gradient is used up.

    Attributes
    ----------
    first, second : arrays (n,)
        m/(1−β₁) and v/(1−β₂).
    steps : int
    """

    def __init__(self, xp, parameters, gradient):
        self._xp, self.steps = xp, 0
        self.first, self.second = xp.zeros_like(parameters), xp.zeros_like(parameters)
        size = parameters.size
        block = BLOCK if xp is np else size  # on a graphics card every call is one launch
        buffer = xp.empty(min(block, size), parameters.dtype)
        edges = range(0, size, block)
        self._blocks = [tuple(array[k:k + block] for array in (parameters, gradient, self.first, self.second))
                        + (buffer[:min(block, size - k)],) for k in edges]

    def step(self, rate, decay=0.0):
        """One step on the gradient as it is now."""
        xp = self._xp
        self.steps += 1
        first_scale = (1.0 - BETA_1) / (1.0 - BETA_1**self.steps)
        second_scale = math.sqrt((1.0 - BETA_2) / (1.0 - BETA_2**self.steps))
        epsilon, factor, keep = EPSILON / second_scale, rate * first_scale / second_scale, 1.0 - rate * decay
        for theta, g, m, v, buffer in self._blocks:
            xp.multiply(m, BETA_1, m)
            xp.add(m, g, m)
            xp.multiply(g, g, g)
            xp.multiply(v, BETA_2, v)
            xp.add(v, g, v)
            xp.sqrt(v, buffer)
            xp.add(buffer, epsilon, buffer)
            xp.divide(m, buffer, buffer)
            xp.multiply(buffer, factor, buffer)
            if decay:
                xp.multiply(theta, keep, theta)
            xp.subtract(theta, buffer, theta)
