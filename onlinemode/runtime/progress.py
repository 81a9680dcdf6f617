"""What a running engine tells its caller."""

from typing import NamedTuple


class Progress(NamedTuple):
    """One report to the ``progress`` callback of :func:`onlinemode.simulate`.

    Attributes
    ----------
    alpha : float
        Time reached, of the first replica that is not finished.
    fraction : float
        Share of all work done, 0 to 1.
    steps : int
        Made by all replicas together; 0 for the ode.
    error : float
        ε_g at the last saved time of that replica; NaN before the first.
    """

    alpha: float
    fraction: float
    steps: int
    error: float
