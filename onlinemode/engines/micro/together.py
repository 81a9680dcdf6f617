"""Several threads inside one trajectory of micro: they sweep different tiles at the same time."""

from onlinemode.kernels.micro.sgd import make_block, sphere_of, take_part
from onlinemode.kernels.micro.team import dismiss, make_team


def advance(helpers, threads, networks, rule, stretch, key, source, squared_lengths=None, teacher_drift=None,
            teacher_source=None):
    """:func:`onlinemode.kernels.micro.sgd.advance` in several threads, to the same bits.

    Parameters
    ----------
    helpers : concurrent.futures.Executor
        Its threads help the one that calls.
    threads : int
    networks, rule, stretch, key, source, squared_lengths, teacher_drift, teacher_source
        As there; so is the result.
    """
    team, block = make_team(len(networks.xi_in)), make_block(networks, stretch.steps_per_block, rule.batch)
    work = (team, block, networks, rule, stretch, key, source,
            sphere_of(networks, rule.N, squared_lengths), teacher_drift, teacher_source)
    others = []
    try:
        for _ in range(threads - 1):
            try:
                others.append(helpers.submit(take_part, False, *work))
            except RuntimeError:  # the machine gives no more threads: those that there are do it
                break
        made = take_part(True, *work)
    finally:
        dismiss(team)
    for other in others:
        other.result()
    return made
