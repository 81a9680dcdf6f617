"""What engine ode can be told, and what it can do."""

from dataclasses import dataclass

from onlinemode.engines import base
from onlinemode.engines.base import Capabilities, Choice, Positive, PowerOfTwo, Whole, option
from onlinemode.losses import loss_of
from onlinemode.theory.averaging import CHOICES, is_closed
from onlinemode.theory.defaults import DEFAULT_NODES, NODE_SEED

LEAST_RTOL = 2.3e-14  # a hundred times the rounding of float64: the solvers of SciPy take no less

CAPABILITIES = Capabilities(theory=True, checkpoints=False, inputs="independent")


@dataclass(frozen=True)
class Options(base.Options):
    """Options of engine ode.

    Parameters
    ----------
    method : {"LSODA", "DOP853", "RK45", "Radau", "BDF"}, default "LSODA"
        The solver of SciPy.
    rtol, atol : float, optional
        Tolerances a step; by default 1e-9 and 1e-12 (docs/theory, section 2.6); 1e-5 and 1e-7 for students with
        kinks, and the losses hinge and perceptron, over nodes.
    averages : {"closed", "nodes"}, optional
        How averages over the fields are taken; by default in closed form, and over nodes where none is known.
    nodes : int, default 2^14
        Quadrature nodes for averages without a closed form, a power of 2 (docs/theory, section 2.5).
    node_seed : int, default 20230208
        Another seed gives an independent set of nodes: the difference shows the quadrature's error.
    """

    method: str = option(Choice(("LSODA", "DOP853", "RK45", "Radau", "BDF")), "LSODA",
                         "ODE solver: LSODA, DOP853, RK45, Radau or BDF.")
    rtol: float | None = option(Positive(LEAST_RTOL, 0.1), None, "Relative tolerance of the ODE.",
                                "1e-9; kinks over nodes 1e-5")
    atol: float | None = option(Positive(), None, "Absolute tolerance of the ODE.", "1e-12; kinks over nodes 1e-7")
    averages: str | None = option(Choice(CHOICES), None, "How averages are taken: closed or nodes.",
                                  "closed where that is known")
    nodes: int = option(PowerOfTwo(64, 2**24), DEFAULT_NODES, "Quadrature nodes, where averages have no closed form.")
    node_seed: int = option(Whole(0), NODE_SEED, "Seed of the quadrature nodes.")

    def tolerances(self, problem):
        """Tolerances for a problem: where they are not given 1e-9, 1e-12; over nodes 1e-5, 1e-7 where something jumps.

        That is the slope of units with kinks, or that of the losses hinge and perceptron.

        Their right-hand side jumps as nodes cross zero (docs/theory, section 2.5).

        Parameters
        ----------
        problem : Problem
            What is learned and how.

        Returns
        -------
        rtol : float
            Relative tolerance.
        atol : float
            Absolute tolerance.
        """
        smooth = problem.activations[0].smooth and not loss_of(problem.loss).jumps
        usual = (1e-9, 1e-12) if smooth or is_closed(problem, self.averages) else (1e-5, 1e-7)
        return tuple(each if given is None else given for given, each in zip((self.rtol, self.atol), usual))
