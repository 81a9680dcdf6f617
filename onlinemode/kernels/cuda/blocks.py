"""The kernels of N-dimensional online SGD on a CUDA device; :mod:`onlinemode.kernels.cuda.micro` launches them.

They make the blocks of :mod:`onlinemode.kernels.micro.sgd` on a whole grid, three launches a block of
samples (docs/theory, section 3), which wait for each other on the device alone:

1. ``sweep``, on the whole grid: the modes receive the update of the previous block, the next inputs are
   drawn from the counters that the CPU uses, to the same bits, and the products of modes, teacher
   vectors and inputs with the inputs are summed, in each block of threads for its own tiles;
2. ``collect``: the sums of all blocks of threads are added, in a fixed order;
3. ``learn``, one block of threads: the steps of the block in the small space, by the learning rule of
   :mod:`onlinemode.kernels.rule.step`.

With the spherical constraint a sweep also sums the squares of the modes, from which ``learn`` begins; after the last
sweep of a call ``scale_back`` scales the modes themselves (docs/theory, section 13).

A tile is a piece of all vectors that fits into the shared memory of one block of threads, coordinate by
coordinate: P modes and M teacher vectors, each padded to a multiple of four, then the inputs.  Sums are
made in squares of four by four of them, a thread each; several threads (``slices``) share the
coordinates of a tile.  Nothing is added atomically: on one device the bits do not change.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import cuda

from onlinemode.kernels.cuda.device import SIMULATED, inlined, load4, on_device
from onlinemode.kernels.cuda.plan import padded, squares_of, stride_of, weights_of
from onlinemode.kernels.random.entries import sign_of_bit, uniform_of_word
from onlinemode.kernels.random.normals import box_muller, single_normal
from onlinemode.kernels.random.philox import STREAM_INPUT, STREAM_LABEL_FLIP, STREAM_LABEL_NOISE, philox, stream_word
from onlinemode.kernels.rule import step
from onlinemode.kernels.rule.losses import flip_number
from onlinemode.kernels.rule.sphere import back_after, back_to, growth_along, growth_of_pair

TILES_A_FLUSH = 4  # tiles after which float32 sums are added to float64 ones

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
# Entries of ``control``: first step and number of steps of a call, steps made, whether the run diverged; first sample
# and number of the samples that the modes have not received.
FIRST, WANTED, MADE, STOPPED, PENDING_FIRST, PENDING = range(6)

_philox, _stream_word = on_device(philox), on_device(stream_word)
_box_muller, _single_normal = on_device(box_muller), on_device(single_normal)
_sign_of_bit, _uniform_of_word = on_device(sign_of_bit), on_device(uniform_of_word)
_flip_number = on_device(flip_number)
_open_step, _teacher_label = on_device(step.open_step), on_device(step.teacher_label)
_sample, _close_step = on_device(step.sample), on_device(step.close_step)
_back_to, _back_after = on_device(back_to), on_device(back_after)
_growth_along, _growth_of_pair = on_device(growth_along), on_device(growth_of_pair)


class Arrays(NamedTuple):
    """What a run has on the device, beside the small factors."""

    xi_in: object  # (tiles, P, coordinates)
    teacher: object  # (tiles, M, coordinates)
    kept: object  # (tiles·coordinates·samples,)   inputs of the last block; one entry where they are not kept
    coefficients: object  # (samples·padded P,)   with which those enter the modes; on a sphere also what scales modes
    control: object  # (6,)   which steps; see above
    decays: object  # (1,)   factor of the modes in the last block, without a sphere
    partial: object  # (blocks of threads, products)
    sums: object  # (products,)
    lengths: object  # (P,)   squares of the lengths that the modes keep; one entry without a sphere
    deviations: object  # (tiles, 1, coordinates)   of scaled inputs, 0 from N on; one entry without them


@inlined
def _add_products(s, a, b):
    """The square of sums s, row by row, plus the products of a_i and b_j."""
    return (s[0] + a[0] * b[0], s[1] + a[0] * b[1], s[2] + a[0] * b[2], s[3] + a[0] * b[3],
            s[4] + a[1] * b[0], s[5] + a[1] * b[1], s[6] + a[1] * b[2], s[7] + a[1] * b[3],
            s[8] + a[2] * b[0], s[9] + a[2] * b[1], s[10] + a[2] * b[2], s[11] + a[2] * b[3],
            s[12] + a[3] * b[0], s[13] + a[3] * b[1], s[14] + a[3] * b[2], s[15] + a[3] * b[3])


@inlined
def _add_square(d, s):
    return (d[0] + s[0], d[1] + s[1], d[2] + s[2], d[3] + s[3], d[4] + s[4], d[5] + s[5], d[6] + s[6], d[7] + s[7],
            d[8] + s[8], d[9] + s[9], d[10] + s[10], d[11] + s[11], d[12] + s[12], d[13] + s[13], d[14] + s[14],
            d[15] + s[15])


@inlined
def _store_square(array, start, d):
    array[start], array[start + 1], array[start + 2], array[start + 3] = d[0], d[1], d[2], d[3]
    array[start + 4], array[start + 5], array[start + 6], array[start + 7] = d[4], d[5], d[6], d[7]
    array[start + 8], array[start + 9], array[start + 10], array[start + 11] = d[8], d[9], d[10], d[11]
    array[start + 12], array[start + 13], array[start + 14], array[start + 15] = d[12], d[13], d[14], d[15]


@inlined
def _four_words(index, replica, sample, seed):
    """The words of one counter of the input stream."""
    sample, seed = np.uint64(sample), np.uint64(seed)
    w0, w1, w2, w3 = _philox(np.uint64(index), _stream_word(STREAM_INPUT, replica), sample & _LOW, sample >> _SHIFT,
                             seed & _LOW, seed >> _SHIFT)
    return np.uint32(w0), np.uint32(w1), np.uint32(w2), np.uint32(w3)


@inlined
def four_normals(index, replica, sample, seed):
    """The normals of one counter of the input stream."""
    w0, w1, w2, w3 = _four_words(index, replica, sample, seed)
    a, b = _box_muller(w0, w1)
    c, d = _box_muller(w2, w3)
    return a, b, c, d


@inlined
def _four_signs(index, replica, sample, seed):
    """Of the input stream, signs 4 index to 4 index + 3; 32 of such indices share a counter."""
    w0, w1, w2, w3 = _four_words(index >> 5, replica, sample, seed)
    number, bit = (index >> 3) & 3, np.uint32(4 * (index & 7))
    low, high = w0 if number == 0 else w1, w2 if number == 2 else w3
    word = low if number < 2 else high
    return (_sign_of_bit(word, bit), _sign_of_bit(word, np.uint32(bit + np.uint32(1))),
            _sign_of_bit(word, np.uint32(bit + np.uint32(2))), _sign_of_bit(word, np.uint32(bit + np.uint32(3))))


@inlined
def _four_uniforms(index, replica, sample, seed):
    """The uniform entries of one counter of the input stream."""
    w0, w1, w2, w3 = _four_words(index, replica, sample, seed)
    return _uniform_of_word(w0), _uniform_of_word(w1), _uniform_of_word(w2), _uniform_of_word(w3)


_FOUR = {"normal": four_normals, "scaled": four_normals, "sign": _four_signs, "uniform": _four_uniforms}


@inlined
def _steps_of_block(control, most):
    """Steps that the next block makes: ``most``, or what is left of this call."""
    left = control[WANTED] - control[MADE] if control[STOPPED] == 0 else 0
    return most if left > most else left


@inlined
def _place_of_square(squares, p):
    """Where the product of mode p with itself is among the sums, of which those of modes follow so many squares."""
    return 16 * (squares + p // 4) + p % 4 * 5


@cache
def make_sweep(kind, P, M, plan):
    """The kernel ``sweep`` for these sizes, as a Python function.

    ``sweep(arrays, N, batch, key)``.  Which samples are drawn follows from ``control``, so that all launches have
    the same arguments.
    """
    SAMPLES_OF_BLOCK, LENGTH, THREADS, KEEP = plan.samples, plan.coordinates, plan.threads, plan.keep
    SPHERE = plan.sphere
    P4, M4, STRIDE = padded(P), padded(M), stride_of(P, M, plan.samples)
    ROWS = P4 + M4
    COLUMNS = plan.samples // 4
    UPPER, LOWER, OF_MODES = squares_of(P, M, plan.samples, plan.sphere)
    SQUARES, PRODUCTS = UPPER + LOWER + OF_MODES, 16 * (UPPER + LOWER + OF_MODES)
    SLICES = max(1, min(plan.threads // SQUARES, plan.coordinates))
    COUNTERS = plan.coordinates // 4
    # whole powers of two, so that no index needs a division
    LOG_SAMPLES, LAST_SAMPLE = plan.samples.bit_length() - 1, plan.samples - 1
    LOG_LENGTH, LAST = plan.coordinates.bit_length() - 1, plan.coordinates - 1
    TILE, WEIGHTS = plan.coordinates * STRIDE, weights_of(P, plan.samples, plan.sphere)
    FACTORS = plan.samples * P4  # among the weights on a sphere: of the modes
    SCALED, four_entries = plan.entries == "scaled", _FOUR[plan.entries]

    @inlined
    def draw(tile, inputs, kept, store, deviations, N, first_sample, samples, key, thread):
        """Fill the inputs of a tile; coordinates from N on and samples that are not there are 0."""
        for work in range(thread, COUNTERS << LOG_SAMPLES, THREADS):
            j, counter = work & LAST_SAMPLE, work >> LOG_SAMPLES
            first = tile * LENGTH + 4 * counter
            a = b = c = d = np.float32(0)
            if j < samples:
                a, b, c, d = four_entries(tile * COUNTERS + counter, key.replica, first_sample + j, key.seed)
                if SCALED:
                    i = 4 * counter
                    a, b = deviations[tile, 0, i] * a, deviations[tile, 0, i + 1] * b
                    c, d = deviations[tile, 0, i + 2] * c, deviations[tile, 0, i + 3] * d
                if first + 4 > N:
                    a = a if first < N else np.float32(0)
                    b = b if first + 1 < N else np.float32(0)
                    c = c if first + 2 < N else np.float32(0)
                    d = np.float32(0)
            place = 4 * counter * STRIDE + ROWS + j
            inputs[place] = a
            inputs[place + STRIDE] = b
            inputs[place + 2 * STRIDE] = c
            inputs[place + 3 * STRIDE] = d
            if KEEP and store:
                place = (first << LOG_SAMPLES) + j
                kept[place] = a
                kept[place + SAMPLES_OF_BLOCK] = b
                kept[place + 2 * SAMPLES_OF_BLOCK] = c
                kept[place + 3 * SAMPLES_OF_BLOCK] = d

    @inlined
    def recall(tile, inputs, kept, thread):
        """Fill the inputs of a tile with those that were kept."""
        first = tile * LENGTH << LOG_SAMPLES
        for work in range(thread, LENGTH << LOG_SAMPLES, THREADS):
            inputs[(work >> LOG_SAMPLES) * STRIDE + ROWS + (work & LAST_SAMPLE)] = kept[first + work]

    @inlined
    def update(tile, inputs, weights, decay, xi_in, thread):
        """modes <- factors * modes + Σ_j weights[j] * input j over the tile, a thread a coordinate and four modes."""
        for work in range(thread, P4 // 4 << LOG_LENGTH, THREADS):
            i, first = work & LAST, (work >> LOG_LENGTH) * 4
            place = i * STRIDE
            m0, m1, m2, m3 = load4(inputs, place + first)
            if SPHERE:
                d0, d1, d2, d3 = load4(weights, FACTORS + first)
            else:
                d0, d1, d2, d3 = decay, decay, decay, decay
            m0, m1, m2, m3 = d0 * m0, d1 * m1, d2 * m2, d3 * m3
            for j in range(0, SAMPLES_OF_BLOCK, 4):
                x = load4(inputs, place + ROWS + j)
                c = load4(weights, j * P4 + first)
                m0, m1, m2, m3 = m0 + c[0] * x[0], m1 + c[1] * x[0], m2 + c[2] * x[0], m3 + c[3] * x[0]
                c = load4(weights, (j + 1) * P4 + first)
                m0, m1, m2, m3 = m0 + c[0] * x[1], m1 + c[1] * x[1], m2 + c[2] * x[1], m3 + c[3] * x[1]
                c = load4(weights, (j + 2) * P4 + first)
                m0, m1, m2, m3 = m0 + c[0] * x[2], m1 + c[1] * x[2], m2 + c[2] * x[2], m3 + c[3] * x[2]
                c = load4(weights, (j + 3) * P4 + first)
                m0, m1, m2, m3 = m0 + c[0] * x[3], m1 + c[1] * x[3], m2 + c[2] * x[3], m3 + c[3] * x[3]
            inputs[place + first], inputs[place + first + 1] = m0, m1
            inputs[place + first + 2], inputs[place + first + 3] = m2, m3
            xi_in[tile, first, i] = m0
            if first + 1 < P:
                xi_in[tile, first + 1, i] = m1
            if first + 2 < P:
                xi_in[tile, first + 2, i] = m2
            if first + 3 < P:
                xi_in[tile, first + 3, i] = m3

    def sweep(arrays, N, batch, key):
        xi_in, teacher, kept, control = arrays.xi_in, arrays.teacher, arrays.kept, arrays.control
        deviations = arrays.deviations
        if SIMULATED:
            inputs = cuda.shared.array(TILE, kind)
            weights = cuda.shared.array(WEIGHTS, kind)
        else:
            inputs = cuda.shared.array(TILE, kind, 16)
            weights = cuda.shared.array(WEIGHTS, kind, 16)
        sums = cuda.shared.array(PRODUCTS, np.float64)
        thread = cuda.threadIdx.x
        samples = batch * _steps_of_block(control, max(1, SAMPLES_OF_BLOCK // batch))
        first_sample = batch * (control[FIRST] + control[MADE])
        previous_sample, previous = control[PENDING_FIRST], control[PENDING]
        pending = previous > 0
        if samples == 0 and not pending:
            return
        decay = kind(arrays.decays[0])
        for work in range(thread, WEIGHTS, THREADS):
            weights[work] = arrays.coefficients[work]
        for work in range(thread, LENGTH * ROWS, THREADS):  # so that the padding is 0
            inputs[work // ROWS * STRIDE + work % ROWS] = kind(0)

        square, part = thread % SQUARES, thread // SQUARES
        if square < UPPER:
            row, column = square // COLUMNS * 4, ROWS + square % COLUMNS * 4
        elif SPHERE and square >= UPPER + LOWER:
            row, column = 4 * (square - UPPER - LOWER), 4 * (square - UPPER - LOWER)
        else:  # of input squares those on and below the diagonal
            left, line = square - UPPER, 0
            while left > line:
                left -= line + 1
                line += 1
            row, column = ROWS + 4 * line, ROWS + 4 * left
        zero = kind(0)
        nothing = (zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero)
        zero = np.float64(0)
        total = (zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero)
        products, since = nothing, 0
        for tile in range(cuda.blockIdx.x, xi_in.shape[0], cuda.gridDim.x):
            cuda.syncthreads()  # the tile before is done
            for work in range(thread, P << LOG_LENGTH, THREADS):
                i, p = work & LAST, work >> LOG_LENGTH
                inputs[i * STRIDE + p] = xi_in[tile, p, i]
            for work in range(thread, M << LOG_LENGTH, THREADS):
                i, m = work & LAST, work >> LOG_LENGTH
                inputs[i * STRIDE + P4 + m] = teacher[tile, m, i]
            if pending:
                if KEEP:
                    recall(tile, inputs, kept, thread)
                else:
                    draw(tile, inputs, kept, False, deviations, N, previous_sample, previous, key, thread)
                cuda.syncthreads()
                update(tile, inputs, weights, decay, xi_in, thread)
                cuda.syncthreads()
            if samples > 0 or SPHERE:  # of no samples the inputs are 0
                draw(tile, inputs, kept, True, deviations, N, first_sample, samples, key, thread)
                cuda.syncthreads()
                if part < SLICES:
                    for i in range(part, LENGTH, SLICES):
                        products = _add_products(products, load4(inputs, i * STRIDE + row),
                                                 load4(inputs, i * STRIDE + column))
                    since += 1
                    if since == TILES_A_FLUSH:
                        total, products, since = _add_square(total, products), nothing, 0
        if samples > 0 or SPHERE:
            total = _add_square(total, products)
            for turn in range(SLICES):  # one slice after the other: a fixed order
                cuda.syncthreads()
                if part == turn:
                    if turn > 0:
                        place = 16 * square
                        total = _add_square(total, (
                            sums[place], sums[place + 1], sums[place + 2], sums[place + 3], sums[place + 4],
                            sums[place + 5], sums[place + 6], sums[place + 7], sums[place + 8], sums[place + 9],
                            sums[place + 10], sums[place + 11], sums[place + 12], sums[place + 13], sums[place + 14],
                            sums[place + 15]))
                    _store_square(sums, 16 * square, total)
            cuda.syncthreads()
            for work in range(thread, PRODUCTS, THREADS):
                arrays.partial[cuda.blockIdx.x, work] = sums[work]

    return sweep


@cache
def make_collect(threads):
    """The kernel ``collect(arrays)``, as a Python function: a block of threads for 16 products."""
    THREADS, TURNS = threads, threads // 16

    def collect(arrays):
        partial = arrays.partial
        parts = cuda.shared.array(THREADS, np.float64)
        thread = cuda.threadIdx.x
        product = 16 * cuda.blockIdx.x + thread % 16
        total = 0.0
        for row in range(thread // 16, partial.shape[0], TURNS):
            total += partial[row, product]
        parts[thread] = total
        cuda.syncthreads()
        if thread < 16:
            for turn in range(1, TURNS):
                total += parts[thread + 16 * turn]
            arrays.sums[product] = total

    return collect


@cache
def make_learn(K, M, P, samples, threads, sphere=False):
    """The kernel ``learn`` for these sizes, as a Python function.

    ``learn(arrays, factors, rule, key)`` makes the steps of the block of which ``arrays.sums`` holds all products.
    """
    MOST, THREADS, P4, SPHERE = samples, threads, padded(P), sphere
    COLUMNS = samples // 4
    TEACHER, INPUTS = P4 // 4 * COLUMNS, squares_of(P, M, samples)[0]
    MODES = INPUTS + squares_of(P, M, samples)[1]
    FIELDS, GRAM, SIZES = samples * P, samples * samples, (K, M, P)

    def learn(arrays, factors, rule, key):
        sums, control, batch = arrays.sums, arrays.control, rule.batch
        fields = cuda.shared.array(FIELDS, np.float64)
        gram = cuda.shared.array(GRAM, np.float64)  # [later, earlier], over N
        weights = cuda.shared.array((MOST, P), np.float64)
        labels = cuda.shared.array(MOST, np.float64)
        diverged = cuda.shared.array(1, np.int32)
        if SPHERE:
            scales = cuda.shared.array(P, np.float64)  # of the modes since the beginning of the block
            scaled_back = cuda.shared.array(P, np.float64)  # in this step
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
        small = step.Small(SIZES, factors, step.Workspace(u, nu, scaled_u, field, activity, gain, back),
                           step.Gradients(strengths_gradient, xi_out_gradient, readout_gradient))
        thread = cuda.threadIdx.x
        steps = _steps_of_block(control, max(1, MOST // batch))
        first_sample = batch * (control[FIRST] + control[MADE])
        cuda.syncthreads()  # all have read it
        if steps == 0:  # the modes are up to date
            if thread == 0:
                control[PENDING] = 0
            return
        now = _open_step(rule, 1.0 / math.sqrt(rule.N))
        samples = steps * batch
        scale = 1.0 / math.sqrt(rule.N)
        if SPHERE:
            for p in range(thread, P, THREADS):
                scales[p] = _back_to(arrays.lengths[p], sums[_place_of_square(MODES, p)])
            cuda.syncthreads()
        for each in range(thread, samples * P, THREADS):
            j, p = each // P, each % P
            fields[each] = scale * sums[16 * (p // 4 * COLUMNS + j // 4) + p % 4 * 4 + j % 4]
            if SPHERE:
                fields[each] *= scales[p]
            weights[j, p] = 0.0
        for each in range(thread, samples * samples, THREADS):
            j, i = each // samples, each % samples
            if i < j or (SPHERE and i == j):
                gram[j * MOST + i] = scale * sums[16 * (INPUTS + j // 4 * (j // 4 + 1) // 2 + i // 4)
                                                  + j % 4 * 4 + i % 4]
        for j in range(thread, samples, THREADS):
            for m in range(M):
                nu[m] = scale * sums[16 * (TEACHER + m // 4 * COLUMNS + j // 4) + m % 4 * 4 + j % 4]
            zeta = 0.0
            if rule.noise != 0.0:
                zeta = _single_normal(STREAM_LABEL_NOISE, key.replica, first_sample + j, key.seed)
            uniform = _flip_number(rule.labels, STREAM_LABEL_FLIP, key.replica, first_sample + j, key.seed)
            labels[j] = _teacher_label(rule, now, small, zeta, uniform)
        for p in range(P):
            strengths_gradient[p] = 0.0
        for k in range(K):
            readout_gradient[k] = 0.0
            for p in range(P):
                xi_out_gradient[k, p] = 0.0
        decay, made = 1.0, 0
        for number in range(steps):
            cuda.syncthreads()
            now = _open_step(rule, scale)
            earlier = number * batch  # samples that the weights have learned from
            later = earlier + batch
            if thread == 0:  # the rule itself
                diverged[0] = 0
                for j in range(earlier, later):
                    for p in range(P):
                        u[p] = fields[j * P + p]
                    if not _sample(rule, now, small, labels[j], weights, j):
                        diverged[0] = 1
                if diverged[0] == 0:
                    _close_step(rule, now, small)
            cuda.syncthreads()
            if diverged[0] != 0:  # this step is not made
                break
            made += 1
            if SPHERE:
                for p in range(thread, P, THREADS):
                    back = 1.0
                    if number + 1 < steps:  # the next sweep sees what the last step has made of the lengths
                        growth = 0.0
                        for j in range(earlier, later):
                            growth += _growth_along(now.decay, weights[j, p], fields[j * P + p])
                            for i in range(earlier, j + 1):
                                growth += _growth_of_pair(j, i, weights[j, p], weights[i, p], gram[j * MOST + i])
                        back = _back_after(arrays.lengths[p], now.decay, growth / scale)
                        for j in range(earlier, later):
                            weights[j, p] *= back
                    scaled_back[p] = back
                    scales[p] *= now.decay * back
                cuda.syncthreads()
                for each in range(thread, earlier * P, THREADS):
                    weights[each // P, each % P] *= now.decay * scaled_back[each % P]
            elif now.decay != 1.0:
                for each in range(thread, earlier * P, THREADS):
                    weights[each // P, each % P] *= now.decay
            for each in range(thread + later * P, samples * P, THREADS):
                j, p = each // P, each % P
                value = now.decay * fields[each]
                if SPHERE:
                    value *= scaled_back[p]
                for i in range(earlier, later):
                    value += weights[i, p] * gram[j * MOST + i]
                fields[each] = value
            decay *= now.decay
        cuda.syncthreads()
        learned = made * batch
        for each in range(thread, MOST * P4, THREADS):
            j, p = each // P4, each % P4
            value = 0.0
            if j < learned and p < P:
                value = weights[j, p]
            arrays.coefficients[each] = value
        if SPHERE:
            for p in range(thread, P, THREADS):
                arrays.coefficients[MOST * P4 + p] = scales[p]
        if thread == 0:
            control[MADE] += made
            control[STOPPED] = 1 if made < steps else 0
            control[PENDING_FIRST] = first_sample
            control[PENDING] = samples if rule.rates.xi_in != 0.0 or rule.weight_decay != 0.0 else 0
            arrays.decays[0] = decay

    return learn


@cache
def make_scale_back(kind, P, M, plan):
    """The kernel ``scale_back(arrays)``, as a Python function: the modes get their lengths, from ``arrays.sums``."""
    THREADS, LOG_LENGTH, LAST = plan.threads, plan.coordinates.bit_length() - 1, plan.coordinates - 1
    MODES = sum(squares_of(P, M, plan.samples))

    def scale_back(arrays):
        xi_in = arrays.xi_in
        factors = cuda.shared.array(P, np.float64)
        thread = cuda.threadIdx.x
        for p in range(thread, P, THREADS):
            factors[p] = _back_to(arrays.lengths[p], arrays.sums[_place_of_square(MODES, p)])
        cuda.syncthreads()
        for tile in range(cuda.blockIdx.x, xi_in.shape[0], cuda.gridDim.x):
            for work in range(thread, P << LOG_LENGTH, THREADS):
                i, p = work & LAST, work >> LOG_LENGTH
                xi_in[tile, p, i] *= kind(factors[p])

    return scale_back


@cache
def make_products(length, threads, weighted=False):
    """The kernel ``products(a, b, weights, pairs, partial)``, as a Python function.

    ``partial[pair, chunk]`` is the product of the vectors ``pairs[pair]`` of a and b over the tiles of one chunk, in
    which coordinates have ``weights`` (tiles, 1, coordinates) or 1.
    """
    THREADS, LENGTH, WEIGHTED = threads, length, weighted

    def products(a, b, weights, pairs, partial):
        parts = cuda.shared.array(THREADS, np.float64)
        thread, pair, chunk = cuda.threadIdx.x, cuda.blockIdx.x, cuda.blockIdx.y
        i, j = pairs[pair, 0], pairs[pair, 1]
        total = 0.0
        for tile in range(chunk, a.shape[0], cuda.gridDim.y):
            for c in range(thread, LENGTH, THREADS):
                product = np.float64(a[tile, i, c]) * np.float64(b[tile, j, c])
                if WEIGHTED:
                    product *= weights[tile, 0, c]
                total += product
        parts[thread] = total
        cuda.syncthreads()
        if thread == 0:
            for other in range(1, THREADS):
                total += parts[other]
            partial[pair, chunk] = total

    return products
