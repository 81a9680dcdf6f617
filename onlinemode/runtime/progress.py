"""What a running engine tells its caller."""

from typing import NamedTuple


class Progress(NamedTuple):
    """One report to the ``progress`` callback of :func:`onlinemode.simulate`."""

    alpha: float  # time reached (of the first replica that is not finished)
    fraction: float  # share of all work done, 0 to 1
    steps: int  # steps made by all replicas together; 0 for the ode
    error: float  # ε_g at the last saved time of that replica
