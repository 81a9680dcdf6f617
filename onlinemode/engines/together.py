"""Several threads inside one trajectory of micro: they sweep different tiles at the same time."""

from onlinemode.kernels import micro_cpu
from onlinemode.kernels.team import dismiss, make_team


def advance(helpers, threads, xi_in, teacher, factors, rates, weight_decay, noise, activation, N, batch,
            steps_per_block, first_step, steps, seed, replica, source):
    """``micro_cpu.advance`` in several threads, to the same bits.

    Parameters
    ----------
    helpers : concurrent.futures.Executor
        Its threads help the one that calls.
    threads : int
    xi_in, ..., source
        As in :func:`onlinemode.kernels.micro_cpu.advance`; so is the result.
    """
    team, block = make_team(len(xi_in)), micro_cpu.make_block(xi_in, teacher, steps_per_block, batch, source)
    work = (team, block, xi_in, teacher, factors, rates, weight_decay, noise, activation, N, batch, steps_per_block,
            first_step, steps, seed, replica, source)
    others = []
    try:
        for _ in range(threads - 1):
            try:
                others.append(helpers.submit(micro_cpu.take_part, False, *work))
            except RuntimeError:  # the machine gives no more threads: those that there are do it
                break
        made = micro_cpu.take_part(True, *work)
    finally:
        dismiss(team)
    for other in others:
        other.result()
    return made
