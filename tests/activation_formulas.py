"""g and g' of activations by their words, in NumPy and SciPy."""

import numpy as np
from scipy import special


def erf(z, gain=1.0):
    return special.erf(gain * z / np.sqrt(2.0))


def bell(z, gain=1.0):
    """The slope of erf(bz/√2)."""
    return gain * np.sqrt(2.0 / np.pi) * np.exp(-0.5 * (gain * z) ** 2)


FORMULAS = {
    "erf": (erf, bell), "erf:0.5": (lambda z: erf(z, 0.5), lambda z: bell(z, 0.5)),
    "linear": (lambda z: z, np.ones_like), "relu": (lambda z: np.maximum(z, 0.0), lambda z: 1.0 * (z > 0.0)),
    "tanh": (np.tanh, lambda z: 1.0 - np.tanh(z) ** 2),
    "sigmoid": (special.expit, lambda z: special.expit(z) * special.expit(-z)),
    "sign": (np.sign, np.zeros_like),
    "leaky:0.2": (lambda z: np.where(z >= 0.0, z, 0.2 * z), lambda z: 1.0 * (z > 0.0) + 0.2 * (z < 0.0)),
    "leaky:0.01": (lambda z: np.where(z >= 0.0, z, 0.01 * z), lambda z: 1.0 * (z > 0.0) + 0.01 * (z < 0.0)),
    "he:3": (lambda z: z**3 - 3.0 * z, lambda z: 3.0 * z**2 - 3.0),
    "poly:1,-2,0,0.5": (lambda z: 1.0 - 2.0 * z + 0.5 * z**3, lambda z: 1.5 * z**2 - 2.0),
    "erfs:0.6,0.5,0.4,2": (lambda z: 0.6 * erf(z, 0.5) + 0.4 * erf(z, 2.0),
                           lambda z: 0.6 * bell(z, 0.5) + 0.4 * bell(z, 2.0)),
    "he:2": (lambda z: z**2 - 1.0, lambda z: 2.0 * z),
    "poly:0.1,1,0.2,-0.1": (lambda z: 0.1 + z + 0.2 * z**2 - 0.1 * z**3, lambda z: 1.0 + 0.4 * z - 0.3 * z**2),
}
