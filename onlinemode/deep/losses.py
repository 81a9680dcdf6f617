"""Loss functions: from the outputs of a batch to the losses of its samples and the gradient, in place."""

import numpy as np

from onlinemode import checks
from onlinemode.errors import ParameterError, ShapeError

LOSSES = ("cross-entropy", "mse")


class CrossEntropy:
    """Softmax and cross-entropy, −ln p_y; targets are class numbers."""

    def targets(self, y, outputs, dtype):
        """Labels as int64, (n,), each below ``outputs``."""
        y = checks.real("labels", y)
        if y.ndim != 1 or y.dtype.kind not in "iu":
            raise ShapeError(f"labels of the cross-entropy must be class numbers, whole and of shape (n,); got "
                             f"{y.dtype} of shape {y.shape}: use loss mse for other targets")
        if y.size and not (0 <= y.min() and y.max() < outputs):
            raise ParameterError(f"labels must be 0 to {outputs - 1}, the network has {outputs} outputs; got "
                                 f"{y.min()} to {y.max()}: change the last size of the network")
        return y.astype(np.int64)

    def gradient(self, xp, z, y, losses, hits):
        """Turn the outputs into the gradient of the mean loss; losses and hits of the samples into their arrays."""
        rows = xp.arange(z.shape[0])
        hits[:] = z.argmax(axis=1) == y
        z -= z.max(axis=1, keepdims=True)
        own = z[rows, y]
        xp.exp(z, out=z)
        total = z.sum(axis=1, keepdims=True)
        losses[:] = xp.log(total[:, 0]) - own
        z /= total
        z[rows, y] -= 1.0
        z *= 1.0 / z.shape[0]


class MeanSquare:
    """½ Σ_k (z_k − y_k)²; targets are numbers, or class numbers that become one-hot.

    A sample is right when the signs agree (one output; an output of exactly 0 counts as −1), or when the
    largest output is that of the largest target.
    """

    def targets(self, y, outputs, dtype):
        """Targets as numbers, (n, outputs)."""
        y = checks.real("targets", y)
        if outputs > 1 and y.ndim == 1 and y.dtype.kind in "iu":
            return np.eye(outputs, dtype=dtype)[CrossEntropy().targets(y, outputs, dtype)]
        if y.ndim == 1 and outputs == 1:
            y = y[:, None]
        if y.ndim != 2 or y.shape[1] != outputs:
            raise ShapeError(f"targets of the mean square must have shape (n, {outputs}), one number an output of the "
                             f"network; got {y.shape}")
        return y.astype(dtype)

    def gradient(self, xp, z, y, losses, hits):
        """Turn the outputs into the gradient of the mean loss; losses and hits of the samples into their arrays."""
        if z.shape[1] == 1:
            hits[:] = (z[:, 0] > 0.0) == (y[:, 0] > 0.0)
        else:
            hits[:] = z.argmax(axis=1) == y.argmax(axis=1)
        z -= y
        (z * z).sum(axis=1, out=losses)
        losses *= 0.5
        z *= 1.0 / z.shape[0]


def make_loss(name):
    """The loss of this name, one of :data:`LOSSES`."""
    return CrossEntropy() if name == "cross-entropy" else MeanSquare()
