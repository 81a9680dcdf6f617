"""The generalization error of real weights, measured on samples that no step has seen."""

import numpy as np

SAMPLES_A_BLOCK = 256
BYTES_KEPT = 2**27  # of the samples of one replica; those beyond are drawn again each time


class FreshSamples:
    """Test samples of one replica, the same at all times (docs/theory, section 9.5).

    Parameters
    ----------
    source : onlinemode.kernels.micro.inputs.Source
    teacher_source : onlinemode.kernels.micro.inputs.TeacherSource or None
        What the teacher sees of them, where that is not the inputs.
    rule : onlinemode.kernels.rule.step.Rule
    count : int
    key : onlinemode.kernels.random.philox.Key
        Test sample s of a replica has number s in a stream of its own.
    """

    def __init__(self, source, teacher_source, rule, count, key):
        from onlinemode.kernels.random.philox import STREAM_TEST

        test = lambda samples: samples._replace(stream=STREAM_TEST)  # noqa: E731
        self._inputs = test(source), int(rule.N)
        self._seen = None if teacher_source is None else (test(teacher_source.source), teacher_source.columns)
        self._rule, self._count, self._key = rule, count, key
        self._most_kept = BYTES_KEPT // sum(_bytes(each[1]) for each in (self._inputs, self._seen) if each is not None)
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
            sample_losses(networks, self._rule, *self._block(first), part)
        return losses.mean(), losses.std(ddof=1) / np.sqrt(self._count)

    def _block(self, first):
        """Inputs, and what the teacher sees of them."""
        if first in self._kept:
            return self._kept[first]
        inputs = self._draw(first, *self._inputs)
        block = inputs, inputs if self._seen is None else self._draw(first, *self._seen)
        if len(self._kept) < self._most_kept:
            self._kept[first] = block
        return block

    def _draw(self, first, source, columns):
        from onlinemode.kernels.micro.inputs import draw_inputs

        samples = np.empty(_shape(columns), np.float32)
        draw_inputs(source, columns, first, SAMPLES_A_BLOCK, self._key, samples)
        return samples


def _shape(columns):
    from onlinemode.kernels.micro.sgd import tile_shape

    tiles, length = tile_shape(columns)
    return tiles, SAMPLES_A_BLOCK, length


def _bytes(columns):
    tiles, samples, length = _shape(columns)
    return 4 * tiles * samples * length
