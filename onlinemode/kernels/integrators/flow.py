"""The equations of motion for compiled integrators, and what these have in common: docs/theory, section 2.6.

An integrator asks for rates and never takes them: it knows nothing of the equations, so that it is compiled once for
all of them.  Its calls end after some evaluations, so that Python can report and be interrupted, and the next one goes
on where it ended.
"""

from typing import NamedTuple

from onlinemode.kernels.averages.drift import System, drift_into, system_with
from onlinemode.kernels.averages.lengths import keep_lengths
from onlinemode.kernels.averages.number_tables import NumberTable, fill_numbers
from onlinemode.kernels.jit import compiled

# What a call ended with; the last one: rates are asked for
FINISHED, PAUSED, SMALL_ERROR, DIVERGED, GAVE_UP, TOO_MANY, NO_RATES, RATES_WANTED = range(8)

# Rows of a place's work: where rates are wanted, and what they are
STATE, RATES = range(2)
# Places of its numbers: where it stands, when rates are wanted, the length of the next step, ε_g where rates were taken
ALPHA, WHEN, STEP, ERROR = range(4)
# Places of its counts
EVALUATIONS, SAVED, PHASE, REJECTED = range(4)
START = 0  # the phase of an integration that knows nothing but its state


class Flow(NamedTuple):
    """The right-hand side."""

    system: System
    numbers: NumberTable | None  # of schedules
    constraint: bool | None  # True where modes keep their lengths, else None
    drift: float  # rate at which the teacher drifts
    first_S: int  # place of S among the entries that move


class Goal(NamedTuple):
    """How far, how exact, and when a call ends earlier."""

    until: float
    rtol: float
    atol: float
    longest: float  # of a step
    pause: int  # evaluations after which to come back
    most: int  # evaluations at all
    small_error: float  # ε_g below which to come back
    small_from: int  # evaluations before which not to do so
    largest_error: float  # ε_g of a run that has diverged
    look_every: int  # evaluations without a step, after which rates that are not finite end it


@compiled(inner=True)
def _system_at(system, table, alpha):
    if table is None:  # decided when the kernel is compiled
        return system
    fill_numbers(table, alpha)
    return system_with(system, table.row)


@compiled(inner=True)
def _constrain(constraint, y, out, P, M):
    if constraint is not None:  # decided when the kernel is compiled
        keep_lengths(y, out, P, M)


@compiled(inner=True, inline="always")
def rates(flow, alpha, y, out):
    """Fill out with d/dα at a time and a state."""
    drift_into(y, _system_at(flow.system, flow.numbers, alpha), out)
    _constrain(flow.constraint, y, out, flow.system.sizes[2], flow.system.sizes[1])
    if flow.drift != 0.0:  # of the teacher, whose own overlaps stay
        for i in range(flow.first_S, flow.first_S + flow.system.sizes[2] * flow.system.sizes[1]):
            out[i] -= flow.drift * y[i]


@compiled(inner=True)
def all_finite(values):
    """Whether all entries are."""
    total = 0.0
    for i in range(values.size):
        total += 0.0 * values[i]
    return total == 0.0
