"""The mean-field equations of motion, and the generalization error at given order parameters.

Equations and derivations: docs/theory, sections 2.2 to 2.5.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onlinemode import checks
from onlinemode.activations import ERF, LINEAR, RELU, Activation, activation_of
from onlinemode.blocks import StateLayout
from onlinemode.errors import ShapeError
from onlinemode.theory import averaging, differences
from onlinemode.theory.masks import Masks
from onlinemode.theory.moments import moments_of_units
from onlinemode.theory.quadrature import DEFAULT_NODES, NODE_SEED, normal_nodes, teacher_factor


def teacher_of(T):
    """The overlaps of a teacher with their factor, for the kernels."""
    from onlinemode.kernels.averages.fields import Teacher

    return Teacher(np.array(T), *teacher_factor(T))


def make_aid(method, problem, K, M, dimensions, nodes, node_seed):
    """What the averages of a problem need beside the overlaps; normal nodes are of so many dimensions."""
    from onlinemode.kernels.averages import records

    if method == averaging.NODES:
        return records.Nodes(normal_nodes(dimensions, nodes, node_seed))
    aid = _closed_aid(method, problem, K, M)
    return aid if problem.plain else records.Labels(aid)


def _closed_aid(method, problem, K, M):
    from onlinemode.kernels.averages import records
    from onlinemode.kernels.averages.leaky import Slopes
    from onlinemode.kernels.averages.polynomials import polynomials_of

    if method == averaging.ERF_SUMS:
        return averaging.terms_of(*problem.activations, K, M)
    if method == averaging.LINEAR_STUDENT:
        return averaging.units_of(problem.activations[1], M)
    if method == averaging.KINKED:
        return Slopes(*map(averaging.slope_below, problem.activations))
    if method == averaging.POLYNOMIALS:
        return polynomials_of(*(each.coefficients for each in problem.activations))
    return {ERF: records.Erf, LINEAR: records.Linear, RELU: records.Relu}[method]()


class MeanFieldDrift:
    """The right-hand side d/dα of the order parameters that move (docs/theory, section 2.2), compiled and callable.

    ``drift(y, alpha)`` takes the values of the order parameters that move, (d,), and returns their derivatives; the
    time counts where the problem has schedules.

    Parameters
    ----------
    problem : Problem
        What is learned and how.
    overlaps : OrderParameters
        Fixes the sizes, the teacher, and the values of everything that is not trained.
    nodes : int, default 2^14
        Quadrature nodes, where averages need them.
    node_seed : int, optional
        Seed of the nodes' scrambling.
    averages : {"closed", "nodes"}, optional
        How averages are taken; by default in closed form, and over nodes where none is known.

    Attributes
    ----------
    layout : StateLayout
        Where each order parameter stands in the full state.
    full : array
        The full state of ``overlaps``.
    active : int array (d,)
        Which entries of the full state move.
    method : str
        How averages are taken, a name of ``onlinemode.theory.averaging``.
    """

    def __init__(self, problem, overlaps, nodes=DEFAULT_NODES, node_seed=NODE_SEED, averages=None):
        from onlinemode.kernels.averages import drift
        from onlinemode.kernels.averages.fields import Teacher
        from onlinemode.kernels.jit import prepared

        rates = problem.rates
        self.layout = StateLayout(overlaps.K, overlaps.M, overlaps.P)
        self.full = self.layout.pack(overlaps.G, overlaps.S, overlaps.strengths, overlaps.xi_out, overlaps.readout)
        moves = np.zeros(self.layout.size, bool)
        moves[self.layout.G] = moves[self.layout.S] = rates.xi_in != 0.0 or problem.weight_decay != 0.0
        moves[self.layout.S] |= problem.drifts
        moves[self.layout.strengths] = rates.strengths != 0.0
        moves[self.layout.xi_out] = rates.xi_out != 0.0
        moves[self.layout.readout] = rates.readout != 0.0
        self.active = np.flatnonzero(moves)
        self._teacher_overlaps = overlaps.T
        self._error = np.empty(1)
        self.method = method = averaging.method_of(problem, averages)
        teacher = (teacher_of(overlaps.T) if method == averaging.NODES else
                   Teacher(np.array(overlaps.T), None, None))
        aid = make_aid(method, problem, overlaps.K, overlaps.M,
                       teacher.factor.shape[1] + overlaps.P if method == averaging.NODES else 0, nodes, node_seed)
        rule = problem.rule(1)
        if method != averaging.NODES:  # each array takes time to hand over
            rule = rule._replace(activation=None, teacher_activation=None, loss=None, labels=None)
        self._system = drift.System(rule, (overlaps.K, overlaps.M, overlaps.P), teacher,
                                    np.array(overlaps.teacher_readout), aid, self.full.copy(), self.active,
                                    self._error)
        self._kernel = prepared(drift.drift_into, self.full, self._system, self.full)
        self._problem = problem if problem.scheduled else None
        self._masks = Masks(problem, self) if problem.drops_out else None
        self._keep_lengths = None
        if problem.constraint is not None and moves[self.layout.G].all():
            from onlinemode.kernels.averages.lengths import keep_lengths

            self._keep_lengths = prepared(keep_lengths, self.full, self.full, overlaps.P, overlaps.M)
        simple = self._masks is None and self._keep_lengths is None and not problem.drifts and problem.plain
        self._reverse_mode = method == averaging.ERF and simple
        self._drift, first = problem.drift, np.searchsorted(self.active, self.layout.S.start)
        self._S = slice(first, first + overlaps.P * overlaps.M)  # among the entries that move, if they do

    def __call__(self, y, alpha=0.0):
        y = np.ascontiguousarray(y, np.float64)
        system = self._system if self._problem is None else self._system_at(alpha)
        if self._masks is None:
            rates = self._rates(y, system)
        else:
            rates = self._masks.mean(lambda state, y: self._rates(y, system._replace(state=state)), y, alpha)
        if self._keep_lengths is not None:
            self._keep_lengths(y, rates, self.layout.P, self.layout.M)
        if self._drift:  # of the teacher, whose own overlaps stay
            rates[self._S] -= self._drift * y[self._S]
        return rates

    def flow(self, begin, until):
        """The same for compiled integrators.

        Parameters
        ----------
        begin, until : float
            Times between which schedules are needed.

        Returns
        -------
        onlinemode.kernels.integrators.flow.Flow or None
            None where the rates are no single compiled function: with dropout, and schedules that are too rough.
        """
        from onlinemode.kernels.averages.number_tables import tabulated
        from onlinemode.kernels.integrators.flow import Flow

        table, problem = None, self._problem
        if problem is not None:
            table = tabulated(problem.numbers_at, problem.breaks, begin, until)
        if self._masks is not None or (problem is not None and table is None):
            return None
        return Flow(self._system, table, None if self._keep_lengths is None else True, self._drift, int(self._S.start))

    def jacobian(self, y, alpha=0.0):
        """Derivatives of the rates (rows) by the order parameters that move (columns).

        In reverse mode for erf (docs/theory, section 14.6), to rounding; else by differences, to about 1e-11 of closed
        forms, and 1e-6 of averages over nodes.

        Parameters
        ----------
        y : array (d,)
            The order parameters that move.
        alpha : float, default 0
            The time, where the problem has schedules.

        Returns
        -------
        array (d, d)
            At this state and time.
        """
        y = np.ascontiguousarray(y, np.float64)
        if not self._reverse_mode:
            return differences.jacobian(lambda other: self(other, alpha), y, self.method != averaging.NODES)
        from onlinemode.kernels.averages.jacobian import erf_jacobian

        return erf_jacobian(y, self._system if self._problem is None else self._system_at(alpha))

    def _rates(self, y, system):
        rates = np.empty(y.size)
        self._kernel(y, system, rates)
        return rates

    def _system_at(self, alpha):
        from onlinemode.kernels.rule.step import rule_with_numbers

        row = self._problem.numbers_of(alpha)
        return self._system._replace(rule=rule_with_numbers(self._system.rule, row))

    @property
    def last_error(self):
        """Generalization error ε_g at the state of the last call."""
        return float(self._error[0])

    def sizes(self, y):
        """How large each entry can be: √(G_pp G_qq), √(G_pp T_mm), and the sizes of the other factors.

        Parameters
        ----------
        y : array (d,)
            The order parameters that move.

        Returns
        -------
        array (d,)
            Sizes, not below 0.
        """
        full = self.full.copy()
        full[self.active] = y
        G, _, *factors = self.layout.unpack(full)
        lengths, teacher_lengths = np.sqrt(np.abs(np.diag(G))), np.sqrt(np.diag(self._teacher_overlaps))
        return self.layout.pack(np.outer(lengths, lengths), np.outer(lengths, teacher_lengths),
                                *map(np.abs, factors))[self.active]

    def at_start(self, alpha=0.0):
        """Derivatives d/dα of all order parameters at ``overlaps``.

        Parameters
        ----------
        alpha : float, default 0
            The time, where the problem has schedules.

        Returns
        -------
        tuple of arrays
            Those of G (P, P), S (P, M), strengths (P,), xi_out (K, P) and readout (K,).
        """
        derivative = np.zeros(self.layout.size)
        if self.active.size:
            derivative[self.active] = self(self.full[self.active], alpha)
        return self.layout.unpack(derivative)


def generalization_error(activation: str | Activation, G: ArrayLike, S: ArrayLike, T: ArrayLike, strengths: ArrayLike,
                         xi_out: ArrayLike, readout: ArrayLike, teacher_readout: ArrayLike,
                         teacher_activation: str | Activation | None = None) -> NDArray[np.float64]:
    """Generalization error ε_g = ½ E[(f − y)²] without label noise, for a row of states.

    docs/theory, sections 2.3 to 2.5 and 6.1.

    Parameters
    ----------
    activation : str or Activation
        As :class:`onlinemode.Problem` takes it.
    G : array (..., P, P)
        Overlaps of the input modes.
    S : array (..., P, M)
        Overlaps of input modes and teacher units.
    T : array (M, M) or (..., M, M)
        Overlaps of the teacher's units.
    strengths : array (..., P)
        Of the modes.
    xi_out : array (..., K, P)
        Output modes.
    readout : array (..., K)
        Second layer of the student.
    teacher_readout : array (M,)
        Second layer of the teacher.
    teacher_activation : str or Activation, optional
        By default that of the student.

    Returns
    -------
    array (...)
        In closed form, with an absolute floor of about 1e-16; tanh as a sum of erfs that differs from it by less than
        4e-8; tables that no sum of erfs fits by Gauss's rules, right to the error of the table, with a floor of about
        1e-14.  Clipped at 0.  NaN where a state is NaN.

    Raises
    ------
    ParameterError, ShapeError
        For an unknown activation, and arrays that are not of real numbers or do not fit together.
    """
    arrays = {"G": G, "S": S, "T": T, "strengths": strengths, "xi_out": xi_out, "readout": readout,
              "teacher_readout": teacher_readout}
    checked = [checks.real(name, value) for name, value in arrays.items()]
    _check_shapes(dict(zip(arrays, checked)))
    error = signed_error(activation, *checked, teacher_activation)  # type: ignore[call-arg]
    return np.where(error < 0.0, 0.0, error)


def task_errors(problem, G, S, T, strengths, xi_out, readout, teacher_readout):
    """ε_g of each task, (..., tasks), for a row of states of a problem with several; not checked.

    Parameters
    ----------
    problem : Problem
        With tasks.
    G, S, T, strengths, xi_out
        As of :func:`generalization_error`.
    readout : array (..., K) or (..., heads, K)
        Of the student.
    teacher_readout : array (tasks, M)
        Of each task.
    """
    heads = problem.tasks.heads
    own = readout[..., None, :] if heads is None else readout[..., list(heads), :]
    with np.errstate(all="ignore"):  # of states beyond all bounds
        moments = moments_of_units(*problem.activations, G, S, T, strengths, xi_out)
        shape = own.shape[:-2] + teacher_readout.shape
        own = np.broadcast_to(own, shape[:-1] + own.shape[-1:])
        w = np.concatenate([own, np.broadcast_to(-teacher_readout, shape)], -1)
        errors = 0.5 * np.einsum("...ti,...ij,...tj->...t", w, moments, w)
    return np.where(errors < 0.0, 0.0, errors)


def mean_error(problem, alpha, G, S, T, strengths, xi_out, readout, teacher_readout):
    """ε_g of the students whose error counts, at these times: of several tasks the mean over what a sample is.

    Parameters
    ----------
    problem : Problem
    alpha : array (n,)
        Times.
    G, ..., teacher_readout
        As of :func:`generalization_error`, (..., n, ...); readouts of several heads and tasks as in a start.

    Returns
    -------
    array (..., n)
    """
    strengths, readout = problem.whole_student(alpha, strengths, readout)
    if problem.tasks is None:
        return generalization_error(problem.activation, G, S, T, strengths, xi_out, readout, teacher_readout,
                                    problem.teacher_activation)
    errors = task_errors(problem, G, S, T, strengths, xi_out, readout, teacher_readout)
    return (problem.shares_at(alpha) * errors).sum(-1)


def _check_shapes(arrays):
    """Raise ShapeError unless the arrays of :func:`generalization_error` fit together."""
    sizes = [arrays[name].shape[-1:] or (0,) for name in ("readout", "teacher_readout", "strengths")]
    (K,), (M,), (P,) = sizes
    lead = arrays["readout"].shape[:-1]
    of_teacher = lead if arrays["T"].ndim > 2 else ()
    for name, shape in {"T": (*of_teacher, M, M), "teacher_readout": (M,), "readout": (*lead, K),
                        "strengths": (*lead, P), "xi_out": (*lead, K, P), "G": (*lead, P, P),
                        "S": (*lead, P, M)}.items():
        if arrays[name].shape != shape or 0 in shape[len(lead):]:
            raise ShapeError(f"{name} must have the shape that goes with the other arrays, {shape}; got "
                             f"{arrays[name].shape}")


def signed_error(activation, G, S, T, strengths, xi_out, readout, teacher_readout, teacher_activation=None):
    """ε_g as :func:`generalization_error`, but smooth: negative for overlaps that no vectors have, to differentiate."""
    activation = activation_of(activation)
    teacher_activation = activation if teacher_activation is None else activation_of(teacher_activation,
                                                                                     "teacher_activation")
    with np.errstate(all="ignore"):  # of states beyond all bounds
        moments = moments_of_units(activation, teacher_activation, G, S, T, strengths, xi_out)
        w = np.concatenate([readout, np.broadcast_to(-teacher_readout, readout.shape[:-1] + teacher_readout.shape)], -1)
        return 0.5 * np.einsum("...i,...ij,...j->...", w, moments, w)
