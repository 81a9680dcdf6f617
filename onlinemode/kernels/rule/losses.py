"""Losses and labels as kernels receive them: the loss l and its slope l', the label that a sample has, and averages
over the label's noise and flips; docs/theory, section 12.

The squared loss is None, and so are real labels: what kernels do without them is decided when they are compiled.
"""

import math
from typing import NamedTuple

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.random.uniforms import single_uniform

SQUARED, LOGISTIC, HINGE, PERCEPTRON, ADATRON, CORRELATION, HUBER = range(7)
_KINDS = {"squared": SQUARED, "logistic": LOGISTIC, "hinge": HINGE, "perceptron": PERCEPTRON, "adatron": ADATRON,
          "correlation": CORRELATION, "huber": HUBER}
_LARGEST_EXPONENT = 700.0  # beyond it exp overflows, and 1/(1 + exp) is 0 to 304 digits
_ROOT_HALF = math.sqrt(0.5)
_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)


class Loss(NamedTuple):
    """The loss of one sample."""

    kind: int
    number: float  # margin of a hinge, width of Huber's loss


class Labels(NamedTuple):
    """What a label is."""

    sign: int  # 0: a real number, as on a device, which takes no None; 1: its sign
    flips: float  # q, the probability that a sign is negated


SQUARED_LOSS, REAL_LABELS = Loss(SQUARED, 0.0), Labels(0, 0.0)


def loss_data(loss):
    """The data of an ``onlinemode.losses.Loss``; None of the squared one."""
    if loss.kind == "squared":
        return None
    return Loss(_KINDS[loss.kind], 0.0 if loss.number is None else loss.number)


@compiled(inner=True)
def value_of_loss(loss, f, y):
    """l(f, y) of one sample."""
    error = f - y
    if loss is None:  # decided when the kernel is compiled
        return 0.5 * error * error
    kind = loss.kind
    if kind == SQUARED:
        return 0.5 * error * error
    if kind == CORRELATION:
        return -y * f
    if kind == HUBER:
        width = loss.number
        return 0.5 * error * error if abs(error) <= width else width * abs(error) - 0.5 * width * width
    if kind == LOGISTIC:
        return max(-y * f, 0.0) + math.log1p(math.exp(-abs(y * f)))
    if kind == HINGE:
        return max(loss.number - y * f, 0.0)
    wrong = max(-y * f, 0.0)
    return wrong if kind == PERCEPTRON else 0.5 * wrong * wrong


@compiled(inner=True)
def slope_of_loss(loss, f, y):
    """l'(f, y) of one sample."""
    if loss is None:  # decided when the kernel is compiled
        return f - y
    kind = loss.kind
    if kind == SQUARED:
        return f - y
    if kind == CORRELATION:
        return -y
    if kind == HUBER:
        return min(max(f - y, -loss.number), loss.number)
    if kind == LOGISTIC:
        return -y / (1.0 + math.exp(min(y * f, _LARGEST_EXPONENT)))
    if kind == HINGE:
        return -y if y * f < loss.number else 0.0
    if kind == PERCEPTRON:
        return -y if y * f < 0.0 else 0.0
    return -y * max(0.0, -y * f)


@compiled(inner=True, forceinline=True)
def flip_number(labels, stream, replica, sample, seed):
    """The uniform number that decides whether the label of a sample is flipped; 0 where none is."""
    if labels is None:
        return 0.0
    if labels.flips == 0.0:
        return 0.0
    return single_uniform(stream, replica, sample, seed)


@compiled(inner=True, forceinline=True)
def label_of(labels, value, uniform):
    """The label of a sample whose teacher, noise included, says ``value``; 0 counts as −1, as a sign.

    ``uniform`` is a uniform number in [0, 1), of which nothing is needed without flips.
    """
    if labels is None:
        return value
    if labels.sign == 0:
        return value
    sign = 1.0 if value > 0.0 else -1.0
    return -sign if uniform < labels.flips else sign


@compiled(inner=True, forceinline=True)
def with_flips(labels, flips):
    """The labels with another probability of flips."""
    if labels is None:
        return labels
    return Labels(labels.sign, flips)


@compiled(inner=True)
def _below(z):
    """Φ(z), the share of a standard normal below z, with its relative accuracy on the left."""
    return 0.5 * math.erfc(-_ROOT_HALF * z)


@compiled(inner=True)
def _density(z):
    return math.exp(-0.5 * z * z) / _ROOT_TWO_PI


@compiled(inner=True)
def _probability_of_positive(labels, noise, y):
    """That the label is +1, of labels that are signs."""
    positive = 1.0 if y > 0.0 else 0.0
    if noise > 0.0:
        positive = _below(y / noise)
    return (1.0 - labels.flips) * positive + labels.flips * (1.0 - positive)


@compiled(inner=True)
def mean_slopes(loss, labels, noise, f, y):
    """E[l'] and E[l'²] over the noise and the flips of the label, at the output f and the clean label y.

    Of real labels for the losses that are defined for them.
    """
    if labels is None:
        return _means_of_numbers(loss, noise, f, y)
    positive = _probability_of_positive(labels, noise, y)
    of_positive, of_negative = slope_of_loss(loss, f, 1.0), slope_of_loss(loss, f, -1.0)
    negative = 1.0 - positive
    return (positive * of_positive + negative * of_negative,
            positive * of_positive * of_positive + negative * of_negative * of_negative)


@compiled(inner=True)
def _means_of_numbers(loss, noise, f, y):
    """The same for labels that are real numbers."""
    if loss is None:
        return f - y, (f - y) * (f - y) + noise * noise
    if loss.kind == HUBER and noise > 0.0:
        return _mean_clipped(f - y, noise, loss.number)
    slope = slope_of_loss(loss, f, y)
    spread = noise if loss.kind != HUBER else 0.0
    return slope, slope * slope + spread * spread


@compiled(inner=True)
def _mean_clipped(z, noise, width):
    """E[c] and E[c²] of c = z + σζ clipped to ± width."""
    a, b = (-width - z) / noise, (width - z) / noise
    low, high, middle = _below(a), _below(-b), _below(b) - _below(a)
    at_a, at_b = _density(a), _density(b)
    mean = width * (high - low) + z * middle + noise * (at_a - at_b)
    square = (width * width * (low + high) + (z * z + noise * noise) * middle + 2.0 * z * noise * (at_a - at_b)
              + noise * noise * (a * at_a - b * at_b))
    return mean, square


@compiled(inner=True)
def mean_value(loss, labels, noise, f, y):
    """E[l] over the noise and the flips of the label, at the output f and the clean label y.

    Of real labels for the losses that are defined for them.
    """
    if labels is None:
        return _mean_value_of_numbers(loss, noise, f, y)
    positive = _probability_of_positive(labels, noise, y)
    return positive * value_of_loss(loss, f, 1.0) + (1.0 - positive) * value_of_loss(loss, f, -1.0)


@compiled(inner=True)
def _mean_value_of_numbers(loss, noise, f, y):
    """The same for labels that are real numbers."""
    value = value_of_loss(loss, f, y)
    if loss is None:
        return value + 0.5 * noise * noise
    if loss.kind == HUBER:
        return _mean_huber(f - y, noise, loss.number) if noise > 0.0 else value
    return value if loss.kind == CORRELATION else value + 0.5 * noise * noise


@compiled(inner=True)
def _mean_huber(z, noise, width):
    """E of Huber's loss at the error z + σζ."""
    a, b = (-width - z) / noise, (width - z) / noise
    low, high, middle = _below(a), _below(-b), _below(b) - _below(a)
    at_a, at_b = _density(a), _density(b)
    square = (z * z + noise * noise) * middle + 2.0 * z * noise * (at_a - at_b) + noise * noise * (a * at_a - b * at_b)
    excess = z * (high - low) + noise * (at_a + at_b)  # E|z + σζ| beyond the width
    return 0.5 * square + width * excess - 0.5 * width * width * (low + high)
