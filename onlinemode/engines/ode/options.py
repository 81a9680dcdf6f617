"""What engine ode can be told, and what it can do."""

from dataclasses import dataclass

from onlinemode.engines import base
from onlinemode.engines.base import Capabilities, Choice, Positive, PowerOfTwo, Whole, option
from onlinemode.errors import EngineError
from onlinemode.losses import loss_of
from onlinemode.run_info import FEW_DIRECTIONS
from onlinemode.theory.averaging import CHOICES, is_closed
from onlinemode.theory.defaults import DEFAULT_NODES, NODE_SEED

LEAST_RTOL = 2.3e-14  # a hundred times the rounding of float64: the solvers of SciPy take no less

EXPONENTIAL, COMPILED = "exponential", "compiled"
LARGE = 1000  # entries of a resolved state above which the matrices of LSODA cost more than exponential steps

CAPABILITIES = Capabilities(theory=True, checkpoints=False)


@dataclass(frozen=True)
class Options(base.Options):
    """Options of engine ode.

    Parameters
    ----------
    method : {"LSODA", "DOP853", "RK45", "Radau", "BDF", "compiled", "exponential"}, optional
        A solver of SciPy, by default LSODA, which turns to implicit steps where equations are stiff.  "compiled" is
        LSODA compiled together with the equations: a run takes 0.6 of the time, and the first one some seconds more;
        not for several tasks, dropout and inputs with a covariance (docs/theory, section 2.6).  "exponential" steps are
        for inputs with a covariance, and the default there for more than 1,000 order parameters (section 18.4).
    rtol, atol : float, optional
        Tolerances a step; by default 1e-9 and 1e-12 (docs/theory, section 2.6); 1e-5 and 1e-7 for students with
        kinks, and the losses hinge and perceptron, over nodes; else 1e-7 and 1e-10 for inputs with a covariance.
    averages : {"closed", "nodes"}, optional
        How averages over the fields are taken; by default in closed form, and over nodes where none is known.
    nodes : int, default 2^14
        Quadrature nodes for averages without a closed form, a power of 2 (docs/theory, section 2.5).
    node_seed : int, default 20230208
        Another seed gives an independent set of nodes: the difference shows the quadrature's error.
    spectral_nodes : int, optional
        At most so many eigenvalues of the inputs' covariance are followed: all of them where there are no more, else
        the largest, and nodes of an interpolation of the others; by default as many as 1e-5 of ε_g takes, 15 to 50
        or so (docs/theory, section 18.3).  With ``resolve`` that is of each group.
    corrections : {"auto", "on", "off"}, default "auto"
        Terms of order 1/N that matter where inputs have few directions: by default where the participation number is
        below 20 (docs/theory, section 18.2), where averages are in closed form.
    resolve : int, optional
        Also give the overlaps in at most so many groups of eigenvalues of the inputs' covariance, as ``run.resolved``
        (docs/theory, section 18.7).
    """

    method: str | None = option(Choice(("LSODA", "DOP853", "RK45", "Radau", "BDF", COMPILED, EXPONENTIAL)), None,
                                "ODE solver: LSODA, DOP853, RK45, Radau, BDF, compiled or exponential.", "LSODA")
    rtol: float | None = option(Positive(LEAST_RTOL, 0.1), None, "Relative tolerance of the ODE.",
                                "1e-9; kinks over nodes 1e-5")
    atol: float | None = option(Positive(), None, "Absolute tolerance of the ODE.", "1e-12; kinks over nodes 1e-7")
    averages: str | None = option(Choice(CHOICES), None, "How averages are taken: closed or nodes.",
                                  "closed where that is known")
    nodes: int = option(PowerOfTwo(64, 2**24), DEFAULT_NODES, "Quadrature nodes, where averages have no closed form.")
    node_seed: int = option(Whole(0), NODE_SEED, "Seed of the quadrature nodes.")
    spectral_nodes: int | None = option(Whole(2, 512), None, "Eigenvalues of the inputs' covariance that are followed.",
                                        "as many as 1e-5 of ε_g takes")
    corrections: str = option(Choice(("auto", "on", "off")), "auto", "Terms of order 1/N where inputs have few "
                              "directions: auto, on or off.")
    resolve: int | None = option(Whole(1), None, "Also save overlaps in at most so many groups of eigenvalues of the "
                                                 "inputs' covariance.", "no groups")

    def solver(self, problem, overlaps, shares=None):
        """The method for a problem.

        Parameters
        ----------
        problem : Problem
            What is learned and how.
        overlaps : OrderParameters
            The start.
        shares : Shares, optional
            What is resolved of them.

        Returns
        -------
        str
            Its name.

        Raises
        ------
        EngineError
            If exponential steps are asked for where there is nothing to resolve, a constraint, or several tasks; or
            compiled ones where the equations are not compiled as a whole.
        """
        if self.method == COMPILED:
            for there, what in ((shares is not None, f"inputs with a covariance; got {problem.inputs!r}"),
                                (problem.tasks is not None, "several tasks; got a problem with tasks"),
                                (problem.drops_out, f"dropout; got {problem.dropout_words.removesuffix(', ')}")):
                if there:
                    raise EngineError(f"method compiled is not for {what}: take LSODA")
        if self.method == EXPONENTIAL and shares is None:
            raise EngineError("method exponential is for inputs with a covariance of several eigenvalues; got "
                              f"{problem.inputs!r}: take LSODA")
        if self.method == EXPONENTIAL and problem.tasks is not None:
            raise EngineError(f"method exponential is for one task; got {problem.tasks.count}: take LSODA")
        if self.method == EXPONENTIAL and problem.constraint is not None:
            raise EngineError(f"method exponential knows no constraints; got {problem.constraint!r}: take LSODA")
        if self.method is not None:
            return self.method
        if shares is None or problem.tasks is not None or problem.constraint is not None:
            return "LSODA"
        from onlinemode.theory.cost import order_parameters

        size = order_parameters(problem, overlaps.K, overlaps.M, overlaps.P, len(shares.eigenvalues))
        return EXPONENTIAL if size > LARGE else "LSODA"

    def corrects(self, problem, directions):
        """Whether the terms of order 1/N of few directions are added.

        Parameters
        ----------
        problem : Problem
            What is learned and how.
        directions : float or None
            The participation number of the inputs; None where there is nothing to resolve.

        Returns
        -------
        bool
            As ``corrections`` says; by default for few directions.

        Raises
        ------
        EngineError
            If they are asked for where they are not known.
        """
        known = (directions is not None and problem.plain and problem.constraint is None and not problem.drops_out
                 and is_closed(problem, self.averages))
        if self.corrections == "on" and not known:
            constraint = "" if problem.constraint is None else f"{problem.constraint}, "
            raise EngineError("corrections are for inputs with a covariance of several eigenvalues, averages in closed "
                              f"form, and no constraint or dropout; got {problem.inputs!r}, {problem.dropout_words}"
                              f"{constraint}the loss {problem.loss}: leave corrections at auto")
        return known and (self.corrections == "on" or (self.corrections == "auto" and directions < FEW_DIRECTIONS))

    def tolerances(self, problem, resolved=False):
        """Tolerances for a problem: where they are not given 1e-9, 1e-12; over nodes 1e-5, 1e-7 where something jumps.

        That is the slope of units with kinks, or that of the losses hinge and perceptron.

        Their right-hand side jumps as nodes cross zero (docs/theory, section 2.5).

        Parameters
        ----------
        problem : Problem
            What is learned and how.
        resolved : bool, default False
            Whether the covariance of the inputs is resolved: 1e-7, 1e-10 then.

        Returns
        -------
        rtol : float
            Relative tolerance.
        atol : float
            Absolute tolerance.
        """
        smooth = problem.activations[0].smooth and not loss_of(problem.loss).jumps
        closed = is_closed(problem, self.averages) and (problem.plain or not resolved)
        usual = ((1e-7, 1e-10) if resolved else (1e-9, 1e-12)) if smooth or closed else (1e-5, 1e-7)
        return tuple(each if given is None else given for given, each in zip((self.rtol, self.atol), usual))
