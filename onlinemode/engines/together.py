"""Several threads inside one trajectory of micro: they sweep different groups of tiles at the same time."""

from onlinemode.kernels import micro_cpu


def advance(helpers, threads, xi_in, teacher, factors, rates, weight_decay, noise, activation, N, batch,
            steps_per_block, first_step, steps, seed, replica, source):
    """``micro_cpu.advance`` with each sweep in several threads, to the same bits.

    The groups of tiles do not depend on the number of threads, and ``learn`` adds their sums in one order.
    Handing out a sweep costs some 0.1 ms, so N should be large.

    Parameters
    ----------
    helpers : concurrent.futures.Executor
        Does ``threads`` - 1 parts of each sweep; the thread that calls does the first.
    threads : int
    xi_in, ..., source
        As in :func:`onlinemode.kernels.micro_cpu.advance`; so is the result.
    """
    block = micro_cpu.make_block(xi_in, teacher, steps_per_block * batch, source)
    groups = len(block.mode_sums)
    bounds = [groups * part // threads for part in range(threads + 1)]
    modes_move = rates.xi_in != 0.0 or weight_decay != 0.0
    made, pending, decay = 0, 0, 1.0
    count = min(steps_per_block, steps)
    while count > 0 or pending > 0:  # the loop of micro_cpu.advance
        what = (pending, decay, N, (first_step + made) * batch, count * batch, modes_move and count > 1, seed, replica,
                source)
        parts = [helpers.submit(micro_cpu.sweep, xi_in, teacher, block, begin, end, *what)
                 for begin, end in zip(bounds[1:], bounds[2:])]
        micro_cpu.sweep(xi_in, teacher, block, bounds[0], bounds[1], *what)
        for part in parts:
            part.result()
        learned, decay = micro_cpu.learn(block, factors, rates, weight_decay, noise, activation, N, batch,
                                         first_step + made, count, seed, replica)
        made += learned
        pending = count * batch if modes_move else 0
        if learned < count:  # diverged
            steps = made
        count = min(steps_per_block, steps - made)
    return made
