"""N-dimensional online SGD: real weight vectors, a fresh input per sample.

Blocks of samples (docs/theory, section 3).  The N-dimensional work of a block is one sweep over
tiles that stay in the second-level cache: a tile of the weights receives the update of the previous
block, the next inputs of that tile are drawn, and both are projected on each other.  The learning
rule itself then runs in the small space of the fields.  This equals the sequential algorithm to
rounding.

Vectors are stored tile by tile, as arrays (tiles, vectors, coordinates of a tile); the last tile is
padded, and the padding of inputs and weights stays 0.  Inputs are float32 as they are drawn, and are cast
to the type of the weights where they are used.

Each tile has its own sums over the coordinates, which are then added in the order of the tiles: so the
threads of a team sweep whatever tile is next, and the bits stay the same.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.micro.drifting import move_tile
from onlinemode.kernels.micro.inputs import fill_tile, make_scratch
from onlinemode.kernels.micro.team import (
    end_work,
    make_team,
    offer_tiles,
    take_tile,
    tile_is_done,
    wait_for_tiles,
    wait_for_work,
)
from onlinemode.kernels.random.normals import fill_normals, single_normal
from onlinemode.kernels.random.philox import (
    STREAM_INPUT,
    STREAM_LABEL_FLIP,
    STREAM_LABEL_NOISE,
    STREAM_MODES_LEFT_OUT,
    STREAM_TASK,
    STREAM_UNITS_LEFT_OUT,
)
from onlinemode.kernels.registers import prefer_wide_registers
from onlinemode.kernels.rule.drifting import move_due, steps_to_move
from onlinemode.kernels.rule.dropout import make_thinned, sample_thinned, thin_out
from onlinemode.kernels.rule.losses import flip_number
from onlinemode.kernels.rule.sphere import add_along_modes, add_pair, begin_block, end_step, factor_of, make_sphere
from onlinemode.kernels.rule.step import (
    Factors,
    at_step,
    close_step,
    make_small,
    modes_move,
    open_step,
    teacher_label,
)
from onlinemode.kernels.rule.tasks import draw_task, rule_of_task, small_of_task

LARGEST_TILE = 1024  # coordinates: 8 KiB a vector in float64, so that a tile of some 30 vectors fits into 256 KiB
TILE_MULTIPLE = 8  # whole counters of four normals, whole vector registers
SAMPLE_GROUP = 4  # samples that share one load of a weight

_LEFT_OUT = STREAM_UNITS_LEFT_OUT, STREAM_MODES_LEFT_OUT

# Sums may be reordered and fused, so that LLVM vectorises them; NaN and infinity keep their meaning.
_SUMS = {"reassoc", "contract", "nsz"}


class Networks(NamedTuple):
    """Student and teacher, all but the activations."""

    xi_in: np.ndarray  # (tiles, P, coordinates)   float32 or float64, changed in place
    teacher: np.ndarray  # (tiles, M, coordinates)   of the same type; changed in place where it drifts; with tiles of
    # its own, and rows times √(N/D), where it sees D numbers that are not the inputs
    factors: Factors  # changed in place


class Stretch(NamedTuple):
    """Which steps a call makes; the number of a step fixes its random numbers."""

    first_step: int
    steps: int
    steps_per_block: int


class Block(NamedTuple):
    """What a block of samples passes between the sweep over the weights and the learning rule."""

    inputs: np.ndarray  # (tiles, samples, coordinates)
    mode_sums: np.ndarray  # (tiles, P, samples)           X x over the coordinates of a tile
    teacher_sums: np.ndarray  # (tiles, M, samples)           B x
    gram_sums: np.ndarray  # (tiles, samples, samples)     [later, earlier]: x·x' of two samples
    coefficients: np.ndarray  # (samples, P)                  with which the inputs enter the modes


def tile_shape(N):
    """Number of tiles for N coordinates, and coordinates a tile."""
    tiles = -(-N // LARGEST_TILE)
    length = -(-N // (tiles * TILE_MULTIPLE)) * TILE_MULTIPLE
    return -(-N // length), length


def to_tiles(rows, kind):
    """Row vectors (vectors, N) as tiles (tiles, vectors, coordinates) of type ``kind``."""
    vectors, N = rows.shape
    tiles, length = tile_shape(N)
    padded = np.zeros((vectors, tiles * length), kind)
    padded[:, :N] = rows
    return np.ascontiguousarray(padded.reshape(vectors, tiles, length).transpose(1, 0, 2))


def make_block(networks, steps, batch):
    """Space for blocks of up to so many steps; nothing in it has been learned."""
    (tiles, P, length), M = networks.xi_in.shape, networks.teacher.shape[1]
    most = -(-steps * batch // SAMPLE_GROUP) * SAMPLE_GROUP
    later = most if steps > 1 else 0  # samples of one step do not meet
    return Block(np.zeros((tiles, most, length), np.float32), np.zeros((tiles, P, most)),
                 np.zeros((tiles, M, most)), np.zeros((tiles, later, later)), np.zeros((most, P)))


def sphere_of(networks, N, squared_lengths):
    """What keeps |X_p|² at N times ``squared_lengths`` (P,); None where this is None."""
    if squared_lengths is None:
        return None
    tiles, P, _ = networks.xi_in.shape
    return make_sphere(N * np.array(squared_lengths, np.float64), P, tiles)


@compiled(inner=True, forceinline=True, fastmath=_SUMS)
def _dot4(kind, row, x0, x1, x2, x3):
    """Products of ``row`` with four inputs over one tile."""
    prefer_wide_registers()
    s0 = s1 = s2 = s3 = kind(0)
    for i in range(row.size):
        w = kind(row[i])
        s0 += w * x0[i]
        s1 += w * x1[i]
        s2 += w * x2[i]
        s3 += w * x3[i]
    return s0, s1, s2, s3


@compiled(inner=True, forceinline=True, fastmath=_SUMS)
def _dot4_of_two(kind, row_a, row_b, x0, x1, x2, x3):
    """Products of two rows with four inputs: as many sums as the registers hold, for one load of the inputs."""
    prefer_wide_registers()
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = kind(0)
    for i in range(row_a.size):
        a, b = kind(row_a[i]), kind(row_b[i])
        a0 += a * x0[i]
        a1 += a * x1[i]
        a2 += a * x2[i]
        a3 += a * x3[i]
        b0 += b * x0[i]
        b1 += b * x1[i]
        b2 += b * x2[i]
        b3 += b * x3[i]
    return a0, a1, a2, a3, b0, b1, b2, b3


@compiled(inner=True, forceinline=True)
def _add_to(sums, r, j, s0, s1, s2, s3):
    sums[r, j] += s0
    sums[r, j + 1] += s1
    sums[r, j + 2] += s2
    sums[r, j + 3] += s3


@compiled(inner=True)
def _project(kind, rows, begin, end, inputs, j, sums):
    """Add to sums[r, j], ... the products of the rows r from ``begin`` to ``end`` - 1 with inputs j to j + 3."""
    x0, x1, x2, x3 = inputs[j], inputs[j + 1], inputs[j + 2], inputs[j + 3]
    for r in range(begin, end - 1, 2):
        a0, a1, a2, a3, b0, b1, b2, b3 = _dot4_of_two(kind, rows[r], rows[r + 1], x0, x1, x2, x3)
        _add_to(sums, r, j, a0, a1, a2, a3)
        _add_to(sums, r + 1, j, b0, b1, b2, b3)
    if end > begin and (end - begin) % 2 == 1:
        s0, s1, s2, s3 = _dot4(kind, rows[end - 1], x0, x1, x2, x3)
        _add_to(sums, end - 1, j, s0, s1, s2, s3)


@compiled(inner=True, fastmath=_SUMS)
def _project_on_each_other(kind, inputs, j, sums):
    """Add to sums[j + later, j + earlier] the six products of four inputs over one tile."""
    prefer_wide_registers()
    s10 = s20 = s21 = s30 = s31 = s32 = kind(0)
    for i in range(inputs.shape[1]):
        x0, x1, x2, x3 = kind(inputs[j, i]), kind(inputs[j + 1, i]), kind(inputs[j + 2, i]), kind(inputs[j + 3, i])
        s10 += x1 * x0
        s20 += x2 * x0
        s21 += x2 * x1
        s30 += x3 * x0
        s31 += x3 * x1
        s32 += x3 * x2
    sums[j + 1, j] += s10
    sums[j + 2, j] += s20
    sums[j + 2, j + 1] += s21
    sums[j + 3, j] += s30
    sums[j + 3, j + 1] += s31
    sums[j + 3, j + 2] += s32


@compiled(inner=True, fastmath=_SUMS)
def _square(row):
    """Square of the length of a row over one tile, in float64 whatever the row is."""
    prefer_wide_registers()
    total = 0.0
    for i in range(row.size):
        total += np.float64(row[i]) * np.float64(row[i])
    return total


@compiled(inner=True, forceinline=True)
def _square_modes(sphere, tile, rows):
    for p in range(rows.shape[0]):
        sphere.squares[tile, p] = _square(rows[p])


@compiled(inner=True, forceinline=True)
def _square_inputs(inputs, j, sums):
    """sums[j, j], ... <- squares of the inputs j to j + 3."""
    for i in range(j, j + SAMPLE_GROUP):
        sums[i, i] = _square(inputs[i])


@compiled(inner=True, forceinline=True, fastmath=_SUMS)
def _add4(row, factor, c0, c1, c2, c3, x0, x1, x2, x3):
    """row <- factor * row + Σ_j c_j x_j over one tile."""
    prefer_wide_registers()
    for i in range(row.size):
        row[i] = factor * row[i] + c0 * x0[i] + c1 * x1[i] + c2 * x2[i] + c3 * x3[i]


@compiled(inner=True)
def _update(kind, rows, inputs, samples, coefficients, decay, sphere):
    """rows[p] <- decay * rows[p] + Σ_j coefficients[j, p] * inputs[j] over one tile; a factor a row with a sphere."""
    for p in range(rows.shape[0]):
        for j in range(0, samples, SAMPLE_GROUP):
            _add4(rows[p], kind(factor_of(sphere, decay, p)) if j == 0 else kind(1),
                  kind(coefficients[j, p]), kind(coefficients[j + 1, p]),
                  kind(coefficients[j + 2, p]), kind(coefficients[j + 3, p]),
                  inputs[j], inputs[j + 1], inputs[j + 2], inputs[j + 3])


@compiled(inner=True)
def _draw(inputs, tile, N, key, first_sample, samples, words):
    """Draw one tile of the inputs of ``samples`` samples; coordinates from N on are 0."""
    length = inputs.shape[1]
    for j in range(samples):
        fill_normals(inputs[j], tile * length // 4, STREAM_INPUT, key.replica, first_sample + j, key.seed, words)
        for i in range(N - tile * length, length):
            inputs[j, i] = np.float32(0)


@compiled(inner=True)
def _clear(sums):
    for i in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            sums[i, j] = 0.0


@compiled(inner=True)
def project_what_it_sees(kind, teacher, teacher_source, first_sample, samples, key, sums):
    """Add the products of the teacher's rows with what they see of consecutive samples, tile by tile of the rows."""
    source, columns = teacher_source
    tiles, M, length = teacher.shape
    seen = np.zeros((-(-samples // SAMPLE_GROUP) * SAMPLE_GROUP, length), np.float32)
    words = make_scratch(length)
    for tile in range(tiles):
        fill_tile(source, seen, tile, columns, first_sample, samples, key, words)
        for j in range(0, samples, SAMPLE_GROUP):
            _project(kind, teacher[tile], 0, M, seen, j, sums)


@compiled(inner=True, inline="always")
def _sweep(team, block, networks, N, key, source, sphere, teacher_drift, teacher_source):
    """Sweep tiles as long as there are any to take: update the modes, draw the inputs, project them.

    The plan of the team says what the sweep does; it stays as it is while this thread has a tile.

    pending
        Samples of the previous block, 0 if the modes have seen them or do not move.
    decay
        Factor of the modes in the previous block.
    first_sample, samples
        The new samples.
    with_gram
        The products of the new inputs with each other are needed.
    teacher_move
        Number of the move that a drifting teacher makes before the new samples; 0 if it stays.

    ``inputs`` and ``coefficients`` of ``block`` are those of the previous block; new inputs and sums take their
    place.  The other arguments are those of :func:`advance`.
    """
    xi_in, teacher = networks.xi_in, networks.teacher
    kind = xi_in.dtype.type
    words = make_scratch(xi_in.shape[2])
    tile = take_tile(team)
    while tile < team.tiles:
        pending, first_sample, samples, with_gram = team.plan[0], team.plan[1], team.plan[2], team.plan[3]
        _clear(block.mode_sums[tile])
        _clear(block.teacher_sums[tile])
        _clear(block.gram_sums[tile])
        inputs = block.inputs[tile]
        if pending > 0:
            _update(kind, xi_in[tile], inputs, pending, block.coefficients, team.decay[0], sphere)
        if sphere is not None:
            _square_modes(sphere, tile, xi_in[tile])
        if teacher_drift is not None:  # as below
            if team.plan[4] > 0:
                move_tile(kind, teacher[tile], tile, N, teacher_drift, team.plan[4], key, words)
        if source is None:
            _draw(inputs, tile, N, key, first_sample, samples, words)
        else:
            fill_tile(source, inputs, tile, N, first_sample, samples, key, words)
        for j in range(0, samples, SAMPLE_GROUP):
            _project(kind, xi_in[tile], 0, xi_in.shape[1], inputs, j, block.mode_sums[tile])
            if teacher_source is None:  # decided when the kernel is compiled
                _project(kind, teacher[tile], 0, teacher.shape[1], inputs, j, block.teacher_sums[tile])
            if with_gram:
                _project_on_each_other(kind, inputs, j, block.gram_sums[tile])
                _project(kind, inputs, j + SAMPLE_GROUP, samples, inputs, j, block.gram_sums[tile])
                if sphere is not None:
                    _square_inputs(inputs, j, block.gram_sums[tile])
        if teacher_source is not None:
            if tile == 0:
                project_what_it_sees(kind, teacher, teacher_source, first_sample, samples, key, block.teacher_sums[0])
        tile_is_done(team)
        tile = take_tile(team)


@compiled(inner=True)
def _add_tiles(sums):
    """The sum over all tiles, in their order, in place of the first."""
    for tile in range(1, sums.shape[0]):
        for i in range(sums.shape[1]):
            for j in range(sums.shape[2]):
                sums[0, i, j] += sums[tile, i, j]


@compiled(inner=True, inline="always")
def _learn(block, factors, rule, first_step, steps, key, sphere):
    """Make the steps of a swept block in the small space: factors in place, coefficients for the next sweep.

    Returns
    -------
    made : int
        Steps made; fewer than ``steps`` where the run diverges.
    decay : float
        Factor of the modes in these steps, without a sphere.
    """
    _, mode_sums, teacher_sums, gram, coefficients = block
    _add_tiles(mode_sums)
    _add_tiles(teacher_sums)
    _add_tiles(gram)
    M, P, batch = teacher_sums.shape[1], mode_sums.shape[1], rule.batch
    small = make_small((factors.xi_out.shape[0], M, P), factors)
    thinned = make_thinned(rule.dropout, small)
    scale = 1.0 / np.sqrt(rule.N)
    first_sample = first_step * batch
    decay = 1.0
    coefficients[:] = 0.0
    if sphere is not None:
        begin_block(sphere)
    for t in range(steps):
        current = at_step(rule, first_step + t)
        now = open_step(current, scale)
        earlier = t * batch  # samples of this block that the weights have learned from
        diverged = False
        for j in range(earlier, earlier + batch):
            for p in range(P):
                field = factor_of(sphere, decay, p) * mode_sums[0, p, j]
                for i in range(earlier):
                    field += coefficients[i, p] * gram[0, j, i]
                small.work.u[p] = field * scale
            for m in range(M):
                small.work.nu[m] = teacher_sums[0, m, j] * scale
            task = draw_task(current.tasks, STREAM_TASK, key.replica, first_sample + j, key.seed)
            of_sample = rule_of_task(current, current.tasks, task)
            learner = small_of_task(small, current.tasks, task)
            zeta = 0.0
            if of_sample.noise != 0.0:
                zeta = single_normal(STREAM_LABEL_NOISE, key.replica, first_sample + j, key.seed)
            uniform = flip_number(of_sample.labels, STREAM_LABEL_FLIP, key.replica, first_sample + j, key.seed)
            label = teacher_label(of_sample, now, learner, zeta, uniform)
            thin_out(current.dropout, thinned, learner, _LEFT_OUT, key.replica, first_sample + j, key.seed)
            diverged |= not sample_thinned(of_sample, now, learner, thinned, label, coefficients, j)
            if sphere is not None:
                if t + 1 < steps:  # the next sweep sees what the last step has made of the lengths
                    _grow(sphere, now, small, coefficients, gram, earlier, j, 1.0 / scale)
        if diverged:  # this step is not made
            coefficients[earlier:] = 0.0
            return t, decay
        for i in range(earlier):
            for p in range(P):
                coefficients[i, p] *= now.decay
        decay *= now.decay
        if sphere is not None:
            end_step(sphere, now.decay, coefficients, earlier + batch, t + 1 < steps)
        close_step(current, now, small)
    return steps, decay


@compiled(inner=True, forceinline=True)
def _grow(sphere, now, small, coefficients, gram, earlier, j, unit):
    """What sample j does to the lengths, after those from ``earlier`` on of its step."""
    add_along_modes(sphere, now.decay, coefficients, j, small.work.u, unit)
    for i in range(earlier, j + 1):
        add_pair(sphere, coefficients, j, i, gram[0, j, i])


@compiled(inner=True, forceinline=True)
def _end_on(sphere, xi_in):
    """Scale the modes themselves, after a last sweep."""
    begin_block(sphere)
    kind = xi_in.dtype.type
    for tile in range(xi_in.shape[0]):
        for p in range(xi_in.shape[1]):
            factor = kind(sphere.scales[0, p])
            for i in range(xi_in.shape[2]):
                xi_in[tile, p, i] *= factor


@compiled
def take_part(leads, team, block, networks, rule, stretch, key, source=None, sphere=None, teacher_drift=None,
              teacher_source=None):
    """Make the steps of a stretch of online SGD in place, as one of the threads that do it together.

    Parameters
    ----------
    leads : bool
        This thread is the one that hands out the tiles and applies the learning rule; there is one.
    team : onlinemode.kernels.micro.team.Team
        All threads of the team get the same arguments.
    block : Block
        Space for the blocks of the stretch, from :func:`make_block`.
    networks, ..., source
        As in :func:`advance`.
    sphere : Sphere, optional
        From :func:`sphere_of`.
    teacher_drift : TeacherDrift, optional
    teacher_source : TeacherSource, optional
        As in :func:`advance`.

    Returns
    -------
    made : int
        Of the leader as in :func:`advance`, of helpers 0.
    """
    steps, batch = stretch.steps, rule.batch
    moving = modes_move(rule)
    made, pending, decay = np.int64(0), np.int64(0), 1.0  # of these types from the start: one compilation
    moved_at = np.int64(0)  # what is due at the first step was done by the call that made the steps before
    count = steps_to_move(teacher_drift, stretch.first_step, min(stretch.steps_per_block, steps))
    while True:
        if leads:
            move = move_due(teacher_drift, stretch.first_step + made) if made > moved_at else np.int64(0)
            if count == 0 and pending == 0 and move == 0:  # the last sweep only brings the vectors up to date
                if sphere is not None:
                    if moving:
                        _end_on(sphere, networks.xi_in)
                end_work(team)
                return made
            offer_tiles(team, pending, decay, (stretch.first_step + made) * batch, count * batch,
                        moving and count > 1, move)
            moved_at = made
        elif not wait_for_work(team):
            return made
        _sweep(team, block, networks, np.int64(rule.N), key, source, sphere, teacher_drift, teacher_source)
        if leads:
            wait_for_tiles(team)
            learned, decay = _learn(block, networks.factors, rule, stretch.first_step + made, count, key, sphere)
            made += learned
            pending = count * batch if moving else 0
            if learned < count:  # diverged
                steps = made
            count = steps_to_move(teacher_drift, stretch.first_step + made, min(stretch.steps_per_block, steps - made))


def advance(networks, rule, stretch, key, source=None, squared_lengths=None, teacher_drift=None, teacher_source=None):
    """Make the steps of a stretch of online SGD in place, in this thread.

    Parameters
    ----------
    networks : Networks
    rule : onlinemode.kernels.rule.step.Rule
    stretch : Stretch
    key : onlinemode.kernels.random.philox.Key
    source : Source, optional
        Where inputs come from that are not i.i.d. Gaussian; see :mod:`onlinemode.kernels.micro.inputs`.
    squared_lengths : array (P,), optional
        |X_p|²/N to which the modes are scaled back after each step; by default they are not.
    teacher_drift : onlinemode.kernels.rule.drifting.TeacherDrift, optional
        How the teacher moves; by default it does not.
    teacher_source : TeacherSource, optional
        Where what the teacher sees comes from; by default it sees the inputs.

    Returns
    -------
    made : int
        Steps made: all, or fewer where the error left ±DIVERGENCE_LIMIT or became NaN in
        step ``first_step + made``.
    """
    block = make_block(networks, stretch.steps_per_block, rule.batch)
    return take_part(True, make_team(len(networks.xi_in)), block, networks, rule, stretch, key, source,
                     sphere_of(networks, rule.N, squared_lengths), teacher_drift, teacher_source)


@compiled(inner=True, fastmath=_SUMS)
def _dot(a, b):
    prefer_wide_registers()
    total = 0.0
    for i in range(a.size):
        total += np.float64(a[i]) * np.float64(b[i])
    return total


@compiled
def vector_overlaps(a, b, N):
    """a bᵀ / N in float64 for vectors in tiles, (tiles, rows of a or b, coordinates).

    Sums run tile by tile in a fixed order, so the bits do not depend on a number of threads.
    """
    out = np.zeros((a.shape[1], b.shape[1]))
    for tile in range(a.shape[0]):
        for i in range(a.shape[1]):
            for j in range(b.shape[1]):
                out[i, j] += _dot(a[tile, i], b[tile, j])
    for i in range(a.shape[1]):
        for j in range(b.shape[1]):
            out[i, j] /= N
    return out
