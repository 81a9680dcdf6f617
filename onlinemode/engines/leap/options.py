"""What engine leap can be told, and what it can do."""

from dataclasses import dataclass

from onlinemode.engines import base
from onlinemode.engines.base import Capabilities, Whole, option

LEAST_N = 1000  # below, the chain is as fast, and exact
CAPABILITIES = Capabilities(inputs="gaussian", eigenvalues=1, least_N=LEAST_N)


@dataclass(frozen=True)
class Options(base.Options):
    """Options of engine leap.

    Parameters
    ----------
    threads : int, optional
        Replicas that run at the same time (default: the machine's cores); no influence on the result.
    kick_samples : int, optional
        Fresh samples from which the noise of a leap comes (default: 16, and 256 where an activation is a polynomial,
        whose increments have long tails): with more of them its law is closer to a normal one (docs/theory, section
        20.3).
    """

    threads: int | None = option(Whole(1), None, "Over replicas.", "all cores")
    kick_samples: int | None = option(Whole(1, 4096), None, "Of leap: samples from which the noise of a leap comes.",
                                      "16; polynomials: 256")
