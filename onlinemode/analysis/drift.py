"""The mean-field equations as a function for any solver: :func:`drift`."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onlinemode import checks
from onlinemode.blocks import OVERLAPS
from onlinemode.display import Described
from onlinemode.errors import EngineError, ParameterError, ShapeError
from onlinemode.problem import Problem
from onlinemode.state import OrderParameters
from onlinemode.theory.meanfield import mean_error
from onlinemode.theory.quadrature import DEFAULT_NODES
from onlinemode.theory.task_drift import drift_of

if TYPE_CHECKING:
    from onlinemode.state import Weights
    from onlinemode.theory.meanfield import MeanFieldDrift
    from onlinemode.theory.task_drift import TaskDrift


class Drift(Described):
    """The right-hand side d/dα of the mean-field equations, and its Jacobian; made by :func:`onlinemode.drift`.

    States are vectors of the order parameters that move, in the order of ``names``: the upper triangle of G by rows,
    S, strengths, xi_out, readout.  Called as SciPy's solvers call: ``scipy.integrate.solve_ivp(drift, (0, 100),
    drift.y0, jac=drift.jacobian)``.  Not for several threads at a time.

    Attributes
    ----------
    problem : Problem
        What is learned and how.
    start : OrderParameters
        Fixes the sizes, the teacher, and what does not move.
    y0 : array (d,)
        The start as a state.
    names : list of str (d,)
        Of the entries of a state, such as "G[0,1]".
    """

    def __init__(self, problem: Problem, start: OrderParameters, nodes: int = DEFAULT_NODES) -> None:
        self.problem, self.start = problem, start
        self._drift = drift_of(problem, start, nodes)
        self._layout, self._active = self._drift.layout, self._drift.active
        self.y0: NDArray[np.float64] = self._drift.full[self._active].copy()
        self.names = [_names(start)[i] for i in self._active]

    def _described(self):
        return [("Drift", f"{self.y0.size} order parameters that move"), ("averages", self._drift.method),
                ("activation", self.problem.activation_words)]

    @property
    def size(self) -> int:
        """How many order parameters move, d."""
        return self.y0.size

    def __call__(self, alpha: float, y: ArrayLike) -> NDArray[np.float64]:
        """Rates dy/dα (docs/theory, section 2.2).

        Parameters
        ----------
        alpha : float
            The time, which counts where the problem has schedules.
        y : array (..., d)
            States.

        Returns
        -------
        array (..., d)
            Their rates.

        Raises
        ------
        ShapeError
            If the last axis has another length.
        """
        return self._at_each(lambda each: self._drift(each, alpha), y, (self.size,))

    def jacobian(self, alpha: float, y: ArrayLike) -> NDArray[np.float64]:
        """Derivatives of the rates by the entries of the state.

        In reverse mode for erf, to rounding; by differences for other averages in closed form, to about 1e-11, and to
        about 1e-6 for averages over nodes.

        Parameters
        ----------
        alpha : float
            The time.
        y : array (..., d)
            States.

        Returns
        -------
        array (..., d, d)
            Rows are rates, columns entries of the state.

        Raises
        ------
        ShapeError
            If the last axis has another length.
        """
        return self._at_each(lambda each: self._drift.jacobian(each, alpha), y, (self.size, self.size))

    def generalization_error(self, y: ArrayLike, alpha: float = 0.0) -> NDArray[np.float64]:
        """Error ε_g of states; of several tasks its mean over what a sample is.

        Parameters
        ----------
        y : array (..., d)
            States.
        alpha : float, default 0
            The time, which counts for the shares of tasks.

        Returns
        -------
        array (...)
            As :func:`onlinemode.theory.meanfield.generalization_error` gives it.

        Raises
        ------
        ShapeError
            If the last axis has another length.
        """
        states = self._checked(y)
        flat = self._full(states.reshape(-1, self.size))
        blocks = dict(zip(OVERLAPS, self._layout.unpack(flat)))
        errors = mean_error(self.problem, np.full(len(flat), float(alpha)), T=self.start.T,
                            teacher_readout=self.start.teacher_readout, **blocks)
        return np.asarray(errors).reshape(states.shape[:-1])

    def blocks(self, y: ArrayLike) -> dict[str, NDArray[np.float64]]:
        """The order parameters of states by name; what does not move is that of the start.

        Parameters
        ----------
        y : array (..., d)
            States.

        Returns
        -------
        dict of arrays
            "G" (..., P, P), "S" (..., P, M), "strengths" (..., P), "xi_out" (..., K, P) and "readout" (..., K).

        Raises
        ------
        ShapeError
            If the last axis has another length.
        """
        return dict(zip(OVERLAPS, self._layout.unpack(self._full(self._checked(y)))))

    def state(self, y: ArrayLike) -> OrderParameters:
        """One state as order parameters, such as a start of a run.

        Parameters
        ----------
        y : array (d,)
            A state.

        Returns
        -------
        OrderParameters
            With the teacher of the start.

        Raises
        ------
        ShapeError
            If it has another shape.
        OverlapError
            If no vectors have these overlaps.
        """
        blocks = self.blocks(checks.array("y", y, (self.size,)))
        return OrderParameters(T=self.start.T, teacher_readout=self.start.teacher_readout, **blocks)

    def vector(self, state: OrderParameters) -> NDArray[np.float64]:
        """The inverse of :meth:`state`.

        Parameters
        ----------
        state : OrderParameters
            Of the same sizes.

        Returns
        -------
        array (d,)
            The entries that move.

        Raises
        ------
        ParameterError
            If it is something else.
        ShapeError
            If it has other sizes.
        """
        checks.instance("state", state, OrderParameters)
        if (state.K, state.M, state.P) != (self.start.K, self.start.M, self.start.P):
            raise ShapeError(f"state must have K, M, P = {self.start.K}, {self.start.M}, {self.start.P}; got "
                             f"{state.K}, {state.M}, {state.P}")
        return self._layout.pack(*(getattr(state, name) for name in OVERLAPS))[self._active]

    def error(self, y: NDArray[np.float64]) -> float:
        """Error ε_g of one state as the averages behind its rates give it, in microseconds; not checked.

        Parameters
        ----------
        y : array (d,)
            A state.

        Returns
        -------
        float
            With a floor of about 1e-16; over nodes with their error.
        """
        self._drift(y)
        return self._drift.last_error

    @property
    def compiled(self) -> "MeanFieldDrift | TaskDrift":
        """The right-hand side itself, called with the state first, as the rest of the theory takes it."""
        return self._drift

    def _checked(self, y):
        states = np.asarray(checks.real("y", y), np.float64)
        if states.ndim == 0 or states.shape[-1] != self.size:
            raise ShapeError(f"y must have {self.size} entries along its last axis, one for each order parameter that "
                             f"moves; got shape {states.shape}")
        return states

    def _full(self, states):
        full = np.broadcast_to(self._drift.full, states.shape[:-1] + self._drift.full.shape).copy()
        full[..., self._active] = states
        return full

    def _at_each(self, function, y, shape):
        states = self._checked(y)
        if states.ndim == 1:
            return function(states)
        flat = states.reshape(-1, self.size)
        return np.array([function(each) for each in flat]).reshape(states.shape[:-1] + shape)


def _names(start):
    """Names of all entries of a full state."""
    heads = () if start.heads is None else (start.heads,)
    shapes = {"S": (start.P, start.M), "strengths": (start.P,), "xi_out": (start.K, start.P),
              "readout": (*heads, start.K)}
    names = [f"G[{p},{q}]" for p, q in zip(*np.triu_indices(start.P))]
    for name, shape in shapes.items():
        names += [f"{name}[{','.join(map(str, place))}]" for place in np.ndindex(*shape)]
    return names


def drift(problem: Problem, start: "OrderParameters | Weights", nodes: int = DEFAULT_NODES) -> Drift:
    """The mean-field equations of a problem as a function, with its Jacobian, for any solver.

    Parameters
    ----------
    problem : Problem
        With inputs that are independent; losses, labels, schedules, tasks, dropout, a sphere and a drifting teacher
        as :func:`onlinemode.simulate` takes them in engine ode.
    start : OrderParameters or Weights
        Fixes the sizes, the teacher, and what does not move.
    nodes : int, default 2^14
        Quadrature nodes, where averages have no closed form.

    Returns
    -------
    Drift
        ``drift(alpha, y)`` and ``drift.jacobian(alpha, y)``.

    Raises
    ------
    ParameterError
        If the problem or the start is something else, or nothing is trained.
    EngineError
        If the inputs have a covariance.

    Examples
    --------
    >>> import onlinemode as om
    >>> from scipy.integrate import solve_ivp
    >>> start = om.initial.from_overlaps(Q=[[0.1]], R=[[0.2]], T=[[1.0]])
    >>> drift = om.drift(om.Problem(rates=om.LearningRates(xi_in=1.0)), start)
    >>> drift.names
    ['G[0,0]', 'S[0,0]']
    >>> path = solve_ivp(drift, (0, 100), drift.y0, method="LSODA", jac=drift.jacobian, rtol=1e-9)
    >>> bool(drift.generalization_error(path.y[:, -1]) < 1e-6)
    True
    """
    problem, start = checked(problem, start)
    nodes = checks.power_of_two("nodes", nodes, 64, 2**24)
    made = Drift(problem, start, nodes)
    if made.size == 0:
        raise ParameterError("nothing is trained, so nothing moves; give a learning rate above 0")
    return made


def checked(problem: Problem, start: "OrderParameters | Weights") -> tuple[Problem, OrderParameters]:
    """A problem and its start, as all functions of the equations take them.

    Raises
    ------
    ParameterError, EngineError
        As :func:`drift`.
    """
    checks.instance("problem", problem, Problem)
    if hasattr(start, "order_parameters"):
        start = start.order_parameters()
    checks.instance("start", start, OrderParameters)
    problem.check_start(start)
    if problem.stages > 1:
        raise ParameterError(f"the equations as a function know no turns that wait for an error; got {problem.stages} "
                             "turns: take one of the tasks, problem.of_task(task)")
    if not problem.inputs.independent:
        raise EngineError("the drift as a function, and its fixed points, are for inputs with independent entries; got "
                          f"{problem.inputs!r}: follow a run (engine ode, onlinemode ode)")
    return problem, start
