"""The loop in which an integrator asks for rates and the equations give them."""

from onlinemode.kernels.integrators import lsoda
from onlinemode.kernels.integrators.flow import ERROR, EVALUATIONS, RATES, RATES_WANTED, STATE, WHEN, rates
from onlinemode.kernels.jit import compiled


@compiled
def follow(place, flow, goal, alphas, moving):
    """Integrate by LSODA until a goal is reached, or something else is to be done.

    Parameters
    ----------
    place : Lsoda
        Where it stands; changed.
    flow : Flow
        The right-hand side; its error receives ε_g at the end.
    goal : Goal
    alphas : array (n,)
        Times at which states are saved, ascending.
    moving : array (n, d)
        Receives the states there.

    Returns
    -------
    int
        Why it ended, by ``flow.py``.
    """
    pause = place.counts[EVALUATIONS] + goal.pause
    while True:
        why = lsoda.proceed(place, goal, alphas, moving, pause)
        if why != RATES_WANTED:
            flow.system.error[0] = place.numbers[ERROR]
            return why
        rates(flow, place.numbers[WHEN], place.work[STATE], place.work[RATES])
        place.counts[EVALUATIONS] += 1
        place.numbers[ERROR] = flow.system.error[0]
