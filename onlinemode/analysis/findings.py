"""Whether something was found, and if not why."""

from enum import Enum


class Finding(Enum):
    """What came of a search; the ``message`` of its result says more, and numbers that are not known are NaN.

    Attributes
    ----------
    FOUND
        It is there; ``value`` is "found".
    NONE
        There is no such thing here.  "none".
    NOT_CONVERGED
        Newton's method came to no root.  "not converged".
    OUTSIDE
        It came to a root that no vectors have.  "outside".
    UNSTABLE
        The root is unstable, and so nothing that a run comes to.  "unstable".
    DIVERGED
        The mean-field equations diverge.  "diverged".
    """

    FOUND = "found"
    NONE = "none"
    NOT_CONVERGED = "not converged"
    OUTSIDE = "outside"
    UNSTABLE = "unstable"
    DIVERGED = "diverged"
