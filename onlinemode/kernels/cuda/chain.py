"""The exact Markov chain of the overlaps on a CUDA device: one replica a thread.

The same steps as in :mod:`onlinemode.kernels.chain.markov`, from the same random numbers: blocks of
samples, each of which adds a vector to the frame, and a rotation of the frame at the end of a block.
What a replica needs between two launches lies in arrays whose last index is the replica, so that
neighbouring threads read neighbouring numbers.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import cuda

from onlinemode.kernels.chain.markov import EXTRA
from onlinemode.kernels.chain.rotation import TINY
from onlinemode.kernels.cuda.device import SIMULATED, inlined, kernel, launched, on_device
from onlinemode.kernels.random.chain_normals import chi_constants, first_chi, later_chi, two_normals
from onlinemode.kernels.random.philox import STREAM_CHAIN_CHI, STREAM_CHAIN_FLIP, STREAM_CHAIN_NORMAL, stream_word
from onlinemode.kernels.rule import step
from onlinemode.kernels.rule.losses import flip_number
from onlinemode.kernels.rule.sphere import Sphere, add_along_modes, add_pair, begin_block, end_step

THREADS = 4 if SIMULATED else 32  # of a block of threads; nothing is shared in it
LOCAL_BYTES = 2**16  # that a thread may need for itself
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)

_stream_word, _two_normals = on_device(stream_word), on_device(two_normals)
_chi_constants, _first_chi, _later_chi = on_device(chi_constants), on_device(first_chi), on_device(later_chi)
_open_step, _teacher_unit = on_device(step.open_step), on_device(step.teacher_unit)
_label_noise, _label_given = on_device(step.label_noise), on_device(step.label_given)
_flip_number = on_device(flip_number)
_sample, _close_step = on_device(step.sample), on_device(step.close_step)
_begin_block, _end_step = on_device(begin_block), on_device(end_step)
_add_along_modes, _add_pair = on_device(add_along_modes), on_device(add_pair)


class Sizes(NamedTuple):
    """Constants of the kernel."""

    K: int
    M: int
    P: int
    r_B: int  # frame vectors that span the teacher
    columns: int  # others
    batch: int
    fresh: int  # frame vectors that a block adds: its samples, but at most the degrees of freedom
    sphere: bool = False  # modes are scaled back to their lengths

    @property
    def steps(self):
        """Steps of a block."""
        return max(1, EXTRA // self.batch)

    @property
    def samples(self):
        """Samples of a block."""
        return self.steps * self.batch

    @property
    def rows(self):
        """Frame vectors with those that a block adds."""
        return self.r_B + self.columns + self.fresh

    @property
    def bytes_of_a_thread(self):
        """About what a thread needs for itself."""
        P, samples = self.P, self.samples
        return 8 * (self.rows * P + samples * (self.rows + 2 + samples + 2 * P + 1) + 2 * self.K * P + 6 * (P + self.K))


class State(NamedTuple):
    """Replicas on the device; arrays whose last index is the replica."""

    modes: object  # (rows, P, replicas)
    strengths: object  # (P, replicas)
    xi_out: object  # (K, P, replicas)
    readout: object  # (K, replicas)
    counts: object  # (3, replicas)   steps made, times saved, whether it diverged
    squared_lengths: object  # (P, replicas)   that the modes keep on a sphere; elsewhere one entry


class Paths(NamedTuple):
    """The saved states, as in :class:`State` with the time in front."""

    modes: object
    strengths: object
    xi_out: object
    readout: object


class Frame(NamedTuple):
    """What is known of the frame and the teacher."""

    teacher_factor: object  # (M, r_B)   L_B
    teacher_readout: object  # (M,)
    dof: int  # dimensions of the input outside the frame


@inlined
def _rotate_back(modes, product, first, rows, P):
    """Replace ``modes[first:rows]`` by R of its QR factorization; rows from ``first + P`` on become 0."""
    for j in range(P):
        top = first + j
        for p in range(j, P):
            total = 0.0
            for r in range(top + 1, rows):
                total += modes[r, j] * modes[r, p]
            product[p] = total
        head, square = modes[top, j], product[j]
        if square >= TINY:
            norm = math.sqrt(head * head + square)
            norm = -norm if head > 0.0 else norm
            entry = head - norm  # the Householder vector is (head - norm, modes[top+1:rows, j])
            factor = 1.0 / (norm * entry)
            for p in range(j + 1, P):
                total = factor * (entry * modes[top, p] + product[p])
                modes[top, p] += entry * total
                for r in range(top + 1, rows):
                    modes[r, p] += modes[r, j] * total
            modes[top, j] = norm
        for r in range(top + 1, rows):
            modes[r, j] = 0.0


@cache
def make_advance(sizes):
    """The kernel ``advance`` for these sizes, as a Python function.

    ``advance(state, paths, frame, rule, save_steps, until, key)`` makes steps up to the first block that begins at
    ``until`` or later, and fills the rows of ``paths`` on its way.  ``key`` is that of the first replica.
    """
    K, M, P, R_B, BATCH, FRESH = sizes.K, sizes.M, sizes.P, sizes.r_B, sizes.batch, sizes.fresh
    FRAME, ROWS = sizes.r_B + sizes.columns, sizes.rows
    STEPS, SAMPLES = sizes.steps, sizes.samples
    WIDTH = ROWS + 2
    SIZES = (K, M, P)
    SPHERE = sizes.sphere
    SCALES = P if SPHERE else 1

    @inlined
    def draw(x, noises, j, dof, number, replica, seed):
        """The components of one input in the frame, and what goes beyond it; its normal for the label noise."""
        k0, k1 = seed & _LOW, seed >> _SHIFT
        rows = FRAME + (j if j < dof else dof)
        word = _stream_word(STREAM_CHAIN_NORMAL, replica)
        for i in range((rows + 1) // 2):
            x[j, 2 * i], x[j, 2 * i + 1] = _two_normals(i, word, number, k0, k1)
        word = _stream_word(STREAM_CHAIN_CHI, replica)
        shape, d, c = _chi_constants(dof - j if j < dof else 0)
        chi, noises[j] = _first_chi(shape, d, c, word, number, k0, k1)
        if chi < 0.0:
            chi = _later_chi(d, c, word, number, k0, k1)
        x[j, rows] = chi
        for r in range(rows + 1, WIDTH):
            x[j, r] = 0.0

    @inlined
    def factor(sphere, decay, p):
        """Factor of mode p since the beginning of the block."""
        if SPHERE:
            return sphere.scales[0, p]
        return decay

    @inlined
    def learned(modes, x, coefficients, sphere, decay, r, p):
        """Entry (r, p) of the modes after the steps of this block."""
        value = factor(sphere, decay, p) * modes[r, p]
        for j in range(SAMPLES):
            value += coefficients[j, p] * x[j, r]
        return value

    @inlined
    def scale_back(modes, sphere):
        """Scale the modes themselves back to their lengths."""
        for p in range(P):
            square = 0.0
            for r in range(ROWS):
                square += modes[r, p] * modes[r, p]
            sphere.squares[0, p] = square
        _begin_block(sphere)
        for p in range(P):
            for r in range(ROWS):
                modes[r, p] *= sphere.scales[0, p]
            sphere.scales[0, p] = 1.0

    def advance(state, paths, frame, rule, save_steps, until, key):
        here = cuda.grid(1)
        if here >= state.modes.shape[2]:
            return
        if state.counts[2, here] != 0:
            return
        made, saved = state.counts[0, here], state.counts[1, here]
        replica, dof = key.replica + here, frame.dof
        modes = cuda.local.array((ROWS, P), np.float64)
        x = cuda.local.array((SAMPLES, WIDTH), np.float64)
        gram = cuda.local.array((SAMPLES, SAMPLES), np.float64)
        fields = cuda.local.array((SAMPLES, P), np.float64)
        coefficients = cuda.local.array((SAMPLES, P), np.float64)
        labels = cuda.local.array(SAMPLES, np.float64)
        product = cuda.local.array(P, np.float64)
        strengths = cuda.local.array(P, np.float64)
        xi_out = cuda.local.array((K, P), np.float64)
        readout = cuda.local.array(K, np.float64)
        u = cuda.local.array(P, np.float64)
        nu = cuda.local.array(M, np.float64)
        scaled_u = cuda.local.array(P, np.float64)
        field = cuda.local.array(K, np.float64)
        activity = cuda.local.array(K, np.float64)
        gain = cuda.local.array(K, np.float64)
        back = cuda.local.array(P, np.float64)
        strengths_gradient = cuda.local.array(P, np.float64)
        xi_out_gradient = cuda.local.array((K, P), np.float64)
        readout_gradient = cuda.local.array(K, np.float64)
        small = step.Small(SIZES, step.Factors(strengths, xi_out, readout, frame.teacher_readout),
                           step.Workspace(u, nu, scaled_u, field, activity, gain, back),
                           step.Gradients(strengths_gradient, xi_out_gradient, readout_gradient))
        sphere = Sphere(cuda.local.array(SCALES, np.float64), cuda.local.array((1, SCALES), np.float64),
                        cuda.local.array(SCALES, np.float64), cuda.local.array((1, SCALES), np.float64))
        if SPHERE:
            for p in range(P):
                sphere.lengths[p], sphere.scales[0, p] = state.squared_lengths[p, here], 1.0
                sphere.growth[p] = 0.0
        for p in range(P):
            for r in range(ROWS):
                modes[r, p] = state.modes[r, p, here]
            strengths[p] = state.strengths[p, here]
            strengths_gradient[p] = 0.0
        for k in range(K):
            for p in range(P):
                xi_out[k, p] = state.xi_out[k, p, here]
                xi_out_gradient[k, p] = 0.0
            readout[k] = state.readout[k, here]
            readout_gradient[k] = 0.0
        unit = 1.0 / rule.N
        diverged = False
        while saved < save_steps.size and made < until and not diverged:
            for j in range(SAMPLES):
                draw(x, labels, j, dof, np.uint64(made * BATCH + j), replica, key.seed)
                labels[j] = _label_noise(rule, labels[j])
                for m in range(M):
                    total = 0.0
                    for r in range(R_B):
                        total += frame.teacher_factor[m, r] * x[j, r]
                    labels[j] += _teacher_unit(rule, small, m, total)
                uniform = _flip_number(rule.labels, STREAM_CHAIN_FLIP, replica, made * BATCH + j, key.seed)
                labels[j] = _label_given(rule, labels[j], uniform)
                for i in range(j + 1 if SPHERE else j):
                    total = 0.0
                    for r in range(ROWS):
                        total += x[i, r] * x[j, r]
                    gram[j, i] = total
                for p in range(P):
                    total = 0.0
                    for r in range(FRAME):
                        total += modes[r, p] * x[j, r]
                    fields[j, p] = total
                    coefficients[j, p] = 0.0
            decay = 1.0
            for number in range(STEPS):
                while saved < save_steps.size and save_steps[saved] == made:
                    for p in range(P):
                        for r in range(ROWS):
                            paths.modes[saved, r, p, here] = learned(modes, x, coefficients, sphere, decay, r, p)
                        paths.strengths[saved, p, here] = strengths[p]
                    for k in range(K):
                        for p in range(P):
                            paths.xi_out[saved, k, p, here] = xi_out[k, p]
                        paths.readout[saved, k, here] = readout[k]
                    saved += 1
                if saved == save_steps.size or diverged:
                    break
                now = _open_step(rule, unit)
                earlier = number * BATCH  # samples of this block that the weights have learned from
                for j in range(earlier, earlier + BATCH):
                    for p in range(P):
                        total = factor(sphere, decay, p) * fields[j, p]
                        for i in range(earlier):
                            total += coefficients[i, p] * gram[j, i]
                        u[p] = total
                    if not _sample(rule, now, small, labels[j], coefficients, j):
                        diverged = True
                    if SPHERE:  # after the last step the modes themselves are scaled back
                        if number + 1 < STEPS:
                            _add_along_modes(sphere, now.decay, coefficients, j, u, 1.0)
                            for i in range(earlier, j + 1):
                                _add_pair(sphere, coefficients, j, i, gram[j, i])
                if not diverged:
                    for i in range(earlier):
                        for p in range(P):
                            coefficients[i, p] *= now.decay
                    decay *= now.decay
                    if SPHERE:
                        _end_step(sphere, now.decay, coefficients, earlier + BATCH, number + 1 < STEPS)
                    _close_step(rule, now, small)
                    made += 1
            if saved < save_steps.size and not diverged:
                for p in range(P):
                    for r in range(ROWS):
                        modes[r, p] = learned(modes, x, coefficients, sphere, decay, r, p)
                if SPHERE:
                    scale_back(modes, sphere)
                if FRESH > 0:
                    _rotate_back(modes, product, R_B, ROWS, P)
        for p in range(P):
            for r in range(ROWS):
                state.modes[r, p, here] = modes[r, p]
            state.strengths[p, here] = strengths[p]
        for k in range(K):
            for p in range(P):
                state.xi_out[k, p, here] = xi_out[k, p]
            state.readout[k, here] = readout[k]
        state.counts[0, here], state.counts[1, here] = made, saved
        state.counts[2, here] = 1 if diverged else 0

    return advance


@cache
def _kernel(sizes):
    return kernel(make_advance(sizes), THREADS)


def make_state(modes, strengths, xi_out, readout, squared_lengths, sizes, times):
    """Replicas on the device from arrays (replicas, ...), and the space for their saved states.

    ``modes`` has r_B + columns rows; those that a block adds begin as 0.
    """
    replicas, frame, P = modes.shape
    padded = np.zeros((sizes.rows, P, replicas))
    padded[:frame] = modes.transpose(1, 2, 0)
    last = lambda values: np.ascontiguousarray(np.moveaxis(values, 0, -1), np.float64)  # noqa: E731
    arrays = padded, last(strengths), last(xi_out), last(readout)
    state = State(*(cuda.to_device(array) for array in arrays), cuda.to_device(np.zeros((3, replicas), np.int64)),
                  cuda.to_device(last(squared_lengths) if sizes.sphere else np.zeros((1, 1))))
    return state, Paths(*(cuda.device_array((times, *array.shape), np.float64) for array in arrays))


def advance(state, paths, sizes, frame, rule, save_steps, until, key):
    """Launch the kernel for all replicas and wait for it; arguments as in :func:`make_advance`, arrays on the device.

    Returns
    -------
    counts : int array (3, replicas)
    """
    advance = launched(_kernel(sizes), -(-state.modes.shape[2] // THREADS), THREADS)
    advance(state, paths, frame, rule, save_steps, until, key)
    return state.counts.copy_to_host()


def saved_states(paths, saved):
    """The saved states on the host, arrays (replicas, times, ...); NaN from number ``saved`` of a replica on."""
    states = [np.ascontiguousarray(np.moveaxis(path.copy_to_host(), -1, 0)) for path in paths]
    for state in states:
        state[np.arange(state.shape[1]) >= saved[:, np.newaxis]] = np.nan
    return states
