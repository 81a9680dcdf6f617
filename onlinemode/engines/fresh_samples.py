"""The generalization error of real weights, measured on samples that no step has seen."""

import numpy as np

SAMPLES_A_BLOCK = 256
BYTES_KEPT = 2**27  # of the samples of one replica; those beyond are drawn again each time


class FreshSamples:
    """Test samples of one replica, the same at all times (docs/theory.md, section 9.5).

    Parameters
    ----------
    source : onlinemode.kernels.inputs_cpu.Source
    activation : int
        A code of :mod:`onlinemode.kernels.activations`.
    N, count, seed, replica : int
        Test sample s of a replica has number s in a stream of its own.
    """

    def __init__(self, source, activation, N, count, seed, replica):
        from onlinemode.kernels.micro_cpu import tile_shape
        from onlinemode.kernels.philox import STREAM_TEST

        self._source, self._activation = source._replace(stream=STREAM_TEST), activation
        self._N, self._count, self._seed, self._replica = N, count, np.uint64(seed), replica
        tiles, length = tile_shape(N)
        self._shape = (tiles, SAMPLES_A_BLOCK, length)
        self._most_kept = BYTES_KEPT // (4 * tiles * SAMPLES_A_BLOCK * length)
        self._kept = {}

    def error(self, xi_in, teacher, factors):
        """ε_g and its standard error, for weights in tiles.

        Returns
        -------
        mean, standard_error : float
        """
        from onlinemode.kernels.inputs_cpu import sample_losses

        losses = np.empty(self._count)
        for first in range(0, self._count, SAMPLES_A_BLOCK):
            part = losses[first:first + SAMPLES_A_BLOCK]
            sample_losses(xi_in, teacher, factors, self._activation, self._N, self._block(first), part)
        return losses.mean(), losses.std(ddof=1) / np.sqrt(self._count)

    def _block(self, first):
        from onlinemode.kernels.inputs_cpu import draw_inputs

        if first in self._kept:
            return self._kept[first]
        inputs = np.empty(self._shape, np.float32)
        draw_inputs(self._source, self._N, first, SAMPLES_A_BLOCK, self._seed, self._replica, inputs)
        if len(self._kept) < self._most_kept:
            self._kept[first] = inputs
        return inputs
