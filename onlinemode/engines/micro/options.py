"""What engine micro can be told, and what it can do."""

from dataclasses import dataclass

from onlinemode.engines import base
from onlinemode.engines.base import Capabilities, Choice, Device, Whole, option

MOST_TEST_SAMPLES = 10**9  # a loss of each is kept

CAPABILITIES = Capabilities(makes_vectors=True)


@dataclass(frozen=True)
class Options(base.Options):
    """Options of engine micro.

    Parameters
    ----------
    precision : {"float64", "float32"}, default "float64"
        Of the N-dimensional weights; overlaps and small factors are float64 always.
    device : {"cpu", "cuda", "auto"}, default "cpu"
        "cuda": an NVIDIA device; "auto": there from N = 10^6 on.
    threads : int, optional
        Threads (default: the machine's cores); no influence on the result.  Replicas run at the same time
        first; threads that are left over share the work inside the trajectories, one for every 2,500
        coordinates at most.
    test_samples : int, optional
        Fresh samples on which ε_g is measured at every saved time.  By default 10,000 where it does not
        follow from the overlaps (fields that are not Gaussian, units that are not linear), else none.
    resolve : int, optional
        Also save the overlaps, on the CPU, in at most so many groups of eigenvalues of the inputs' covariance, as
        ``run.resolved`` (docs/theory, section 18.7).
    """

    precision: str = option(Choice(("float64", "float32")), "float64", "Of the weights: float64 or float32.")
    device: str = option(Device(), "cpu", "Where it runs: cpu, cuda (an NVIDIA device), or auto (cuda where there is "
                                          "one and the run is large).")
    threads: int | None = option(Whole(1), None, "Over replicas, then inside trajectories of large N.", "all cores")
    test_samples: int | None = option(Whole(2, MOST_TEST_SAMPLES), None, "Fresh samples that measure the error.",
                                      "10000 where the overlaps do not tell it")
    resolve: int | None = option(Whole(1), None, "Also save overlaps in at most so many groups of eigenvalues of the "
                                                 "inputs' covariance.", "no groups")
