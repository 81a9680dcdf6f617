"""The generalization error of real weights, measured on samples that no step has seen."""

import numpy as np

SAMPLES_A_BLOCK = 256
BYTES_KEPT = 2**27  # of the samples of one replica; those beyond are drawn again each time


class FreshSamples:
    """Test samples of one replica, the same at all times (docs/theory, section 9.5).

    Parameters
    ----------
    source : onlinemode.kernels.micro.inputs.Source
    rule : onlinemode.kernels.rule.step.Rule
    count : int
    key : onlinemode.kernels.random.philox.Key
        Test sample s of a replica has number s in a stream of its own.
    """

    def __init__(self, source, rule, count, key):
        from onlinemode.kernels.micro.sgd import tile_shape
        from onlinemode.kernels.random.philox import STREAM_TEST

        self._source, self._rule = source._replace(stream=STREAM_TEST), rule
        self._count, self._key = count, key
        tiles, length = tile_shape(int(rule.N))
        self._shape = (tiles, SAMPLES_A_BLOCK, length)
        self._most_kept = BYTES_KEPT // (4 * tiles * SAMPLES_A_BLOCK * length)
        self._kept = {}

    def error(self, networks):
        """ε_g and its standard error, for weights in tiles.

        Returns
        -------
        mean, standard_error : float
        """
        from onlinemode.kernels.micro.inputs import sample_losses

        losses = np.empty(self._count)
        for first in range(0, self._count, SAMPLES_A_BLOCK):
            part = losses[first:first + SAMPLES_A_BLOCK]
            sample_losses(networks, self._rule, self._block(first), part)
        return losses.mean(), losses.std(ddof=1) / np.sqrt(self._count)

    def _block(self, first):
        from onlinemode.kernels.micro.inputs import draw_inputs

        if first in self._kept:
            return self._kept[first]
        inputs = np.empty(self._shape, np.float32)
        draw_inputs(self._source, int(self._rule.N), first, SAMPLES_A_BLOCK, self._key, inputs)
        if len(self._kept) < self._most_kept:
            self._kept[first] = inputs
        return inputs
