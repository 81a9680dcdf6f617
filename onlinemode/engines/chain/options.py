"""What engine chain can be told, and what it can do."""

from dataclasses import dataclass

from onlinemode.engines import base
from onlinemode.engines.base import Capabilities, Device, Whole, option

# The time of a step grows with their number; with so many it is that of micro at N = 1000 (docs/theory, section 18.6).
MOST_EIGENVALUES = 32
CAPABILITIES = Capabilities(inputs="gaussian", eigenvalues=MOST_EIGENVALUES)


@dataclass(frozen=True)
class Options(base.Options):
    """Options of engine chain.

    Parameters
    ----------
    device : {"cpu", "cuda", "auto"}, default "cpu"
        "cuda": an NVIDIA device; "auto": there from 10^4 replicas on.
    threads : int, optional
        Replicas that run at the same time (default: the machine's cores); no influence on the result.
    resolve : int, optional
        Also give the overlaps in at most so many groups of eigenvalues of the inputs' covariance, as ``run.resolved``
        (docs/theory, section 18.7).
    """

    device: str = option(Device(), "cpu", "Where it runs: cpu, cuda (an NVIDIA device), or auto (cuda where there is "
                                          "one and there are many replicas).")
    threads: int | None = option(Whole(1), None, "Over replicas.", "all cores")
    resolve: int | None = option(Whole(1), None, "Also save overlaps in at most so many groups of eigenvalues of the "
                                                 "inputs' covariance.", "no groups")
